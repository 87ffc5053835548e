//! Claims about writer sessions: the contract's decisions, the answers, the log's own history.

use super::toy::{ask, contracts, kinds, line, open, options, view};
use crate::clock::{Clock, Reading, StepClock};
use crate::history::ClockStepped;
use crate::{AnswerOutcome, Log, LogError, Moment, Options, Request, View};
use evlog_format::{Seq, kind, payload};
use evlog_store::fs::StdFs;
use serde_json::json;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

#[test]
fn a_session_that_appends_nothing_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    log.close().unwrap();
    let before = kinds(dir.path());
    open(dir.path()).close().unwrap();
    assert_eq!(kinds(dir.path()), before);
}

#[test]
fn the_log_records_its_own_history_with_the_first_commit_of_a_session() {
    let dir = tempfile::tempdir().unwrap();
    for day in 0..2 {
        let clock = Arc::new(StepClock::new(day * 86_400_000_000_000, 1_000_000_000));
        let log = Options { clock, ..options() }.open(dir.path(), contracts()).unwrap();
        drop(ask(&log, "a", "begin", json!({})));
        ask(&log, "a", "add", json!({})).into_accepted().unwrap();
        log.close().unwrap();
    }
    let expected = [
        "$log log.created",
        "$log log.opened",
        "a custom/begun",
        "a custom/added",
        "$log log.closed",
        "$log log.opened",
        "a custom/added",
        "$log log.closed",
    ];
    assert_eq!(kinds(dir.path()), expected);
}

#[test]
fn init_makes_a_log_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("deep/log"));
    log.begin().unwrap();
    log.begin().unwrap();
    log.close().unwrap();
    assert_eq!(kinds(&dir.path().join("deep/log")), ["$log log.created"]);
}

#[test]
fn a_log_is_not_made_unless_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let none = dir.path().join("none");
    let options = Options { create: false, ..options() };
    assert!(matches!(options.open(&none, contracts()), Err(LogError::Open(_))));
    assert!(!none.exists());
}

#[test]
fn a_rejection_and_what_it_forces_are_one_commit_and_one_answer() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    let answer = ask(&log, "a", "add", json!({"amount": 101}));
    assert_eq!((answer.outcome, answer.status.as_deref()), (AnswerOutcome::Rejected, Some("ended")));
    assert_eq!(answer.error.unwrap().code, "TOO_MUCH");
    let [(first, _), (second, _)] = answer.events[..] else { panic!("{:?}", answer.events) };
    log.close().unwrap();
    let mut seen = Vec::new();
    let visit = &mut |fact: &evlog_projection::Fact<'_>| {
        seen.push((fact.seq, fact.head.first_seq, fact.event.causation));
        Ok(ControlFlow::Continue(()))
    };
    view(dir.path()).stream::<LogError>("a", visit).unwrap();
    assert_eq!(seen[1..], [(first, first, None), (second, first, Some(first))]);
}

#[test]
fn a_second_delivery_is_given_the_first_answer_again_also_by_a_later_session() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let given = |run: &str| line(&format!(r#"{{"contract":"toy","run":"{run}","do":"begin","id":"k0"}}"#));
    let first = [log.submit(&given("a")).unwrap(), ask(&log, "a", "add", json!({"amount": 200, "id": "k1"}))];
    ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    let again =
        |log: &Log| [log.submit(&given("a")).unwrap(), ask(log, "a", "add", json!({"amount": 200, "id": "k1"}))];
    let duplicate = |mut answer: crate::Answer| {
        answer.outcome = AnswerOutcome::Duplicate;
        answer
    };
    let expected = first.map(duplicate);
    assert_eq!(expected[1].status.as_deref(), Some("ended"));
    let next = log.next_seq();
    assert_eq!(again(&log), expected);
    assert_eq!(log.next_seq(), next, "a duplicate appends nothing");
    log.close().unwrap();
    let log = open(dir.path());
    assert_eq!(again(&log), expected);
    log.close().unwrap();
}

#[test]
fn what_was_answered_before_there_was_a_run_is_answered_again_once_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let keyed = |log: &Log, run: &str, amount: u64| ask(log, run, "add", json!({"amount": amount, "id": "k"}));
    // Two runs, one key; and the same key for another content of a run.
    let first = ["a", "b", "c"].map(|run| keyed(&log, run, 1));
    assert!(first.iter().all(|answer| (answer.outcome, answer.events.len()) == (AnswerOutcome::Rejected, 1)));
    let next = log.next_seq();
    let expected = first.map(|answer| crate::Answer { outcome: AnswerOutcome::Duplicate, ..answer });
    assert_eq!(["a", "b", "c"].map(|run| keyed(&log, run, 1)), expected);
    assert_eq!(log.next_seq(), next, "a duplicate appends nothing");
    for run in ["a", "b"] {
        assert_eq!(ask(&log, run, "begin", json!({"id": "begun"})).outcome, AnswerOutcome::Accepted);
    }
    assert_eq!(["a", "b", "c"].map(|run| keyed(&log, run, 1)), expected);
    log.close().unwrap();
    let log = open(dir.path());
    let next = log.next_seq();
    assert_eq!(["a", "b", "c"].map(|run| keyed(&log, run, 1)), expected, "also by a later session");
    assert_eq!(ask(&log, "a", "begin", json!({"id": "begun"})).outcome, AnswerOutcome::Duplicate);
    assert_eq!(log.next_seq(), next);
    assert_eq!(keyed(&log, "d", 1).outcome, AnswerOutcome::Rejected, "another run is another command");
    assert_eq!(keyed(&log, "d", 1).outcome, AnswerOutcome::Duplicate);
    log.close().unwrap();
}

#[test]
fn the_engine_refuses_before_the_contract_is_asked_and_records_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({"id": "k"})).into_accepted().unwrap();
    let next = log.next_seq();
    let cases = [
        (json!({"id": "k", "amount": 2}), "IDEMPOTENCY_CONFLICT"),
        (json!({"expect": 0}), "STALE_EXPECTATION"),
        (json!({"expect": 2}), "STALE_EXPECTATION"),
        (json!({"causation": next.0}), "UNKNOWN_CAUSE"),
    ];
    for (members, code) in cases {
        let answer = ask(&log, "a", "add", members);
        assert_eq!(answer.outcome, AnswerOutcome::Refused);
        assert_eq!(answer.error.unwrap().code, code);
        assert_eq!(answer.status.as_deref(), Some("open"));
    }
    assert_eq!(log.next_seq(), next);
    assert_eq!(ask(&log, "a", "add", json!({"expect": 1, "causation": next.0 - 1})).outcome, AnswerOutcome::Accepted);
    log.close().unwrap();
}

#[test]
fn what_cannot_be_bound_to_a_run_goes_to_the_logs_own_stream() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let answer = ask(&log, "ghost", "add", json!({}));
    assert_eq!((answer.outcome, answer.status), (AnswerOutcome::Rejected, None));
    log.close().unwrap();
    assert!(kinds(dir.path()).contains(&"$log custom/lost".to_owned()));
    assert!(view(dir.path()).runs().unwrap().runs.is_empty(), "no run is conjured");
}

#[test]
fn a_decision_that_its_contract_cannot_fold_is_not_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    let next = log.next_seq();
    let request = Request::json("toy", "a", "betray").build().unwrap();
    assert!(matches!(log.submit(&request), Err(LogError::Undecidable { .. })));
    assert_eq!(log.next_seq(), next);
    assert_eq!(ask(&log, "a", "add", json!({})).outcome, AnswerOutcome::Accepted, "the run goes on");
    log.close().unwrap();
}

#[test]
fn a_decision_that_an_audit_would_object_to_is_not_recorded() {
    // F-39.
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    let next = log.next_seq();
    for text in ["", "plain text", "{\"b\":1,\"a\":2}", "{\"n\": 1}", "1.0", "{\"a\":1,\"a\":1}"] {
        let request = Request::json("toy", "a", "note").member("text", text).build().unwrap();
        let error = log.submit(&request).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, LogError::Undecidable { .. }), "{text}: {message}");
        assert!(
            message.contains("F-39: payload of a user's kind: expected JSON text in the form of RFC 8785"),
            "{message}"
        );
    }
    assert_eq!(log.next_seq(), next);
    ask(&log, "a", "note", json!({"text": "{\"a\":2,\"b\":1}"})).into_accepted().unwrap();
    log.close().unwrap();
    let (fs, threads) = (Arc::new(StdFs), NonZeroUsize::MIN);
    assert!(crate::check::check(fs, dir.path(), &contracts(), threads, &mut |_, _| {}).unwrap().is_good());
}

#[test]
fn a_head_that_somebody_made_longer_is_whole_again_after_the_next_commit() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    let head = dir.path().join("HEAD");
    let mut file = std::fs::OpenOptions::new().append(true).open(&head).unwrap();
    std::io::Write::write_all(&mut file, &[0; 200]).unwrap();
    let view = view(dir.path());
    assert!(view.warnings()[0].contains("HEAD"), "{:?}", view.warnings());
    ask(&log, "a", "add", json!({"amount": 1})).into_accepted().unwrap();
    assert_eq!(std::fs::metadata(&head).unwrap().len(), 60);
    assert!(super::toy::view(dir.path()).warnings().is_empty());
    log.close().unwrap();
}

#[test]
fn a_decision_may_read_another_run() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for run in ["a", "b"] {
        ask(&log, run, "begin", json!({})).into_accepted().unwrap();
    }
    ask(&log, "a", "add", json!({"amount": 40})).into_accepted().unwrap();
    ask(&log, "b", "add_from", json!({"of": "a"})).into_accepted().unwrap();
    ask(&log, "b", "add_from", json!({"of": "b"})).into_accepted().unwrap();
    log.close().unwrap();
    let bundle = view(dir.path()).bundle("b").unwrap().unwrap();
    assert_eq!(bundle.files["run.json"].bytes, br#"{"ended":false,"run_id":"b","total":80}"#);
}

#[test]
fn more_runs_than_the_cache_holds_are_read_again_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = Options { segment_limit: 1 << 20, ..options() }.open(dir.path(), contracts()).unwrap();
    let mut last = None;
    for number in 0..20_000 {
        let request = Request::json("toy", format!("r{number}"), "begin").build().unwrap();
        last = Some(log.offer(&request).unwrap());
    }
    log.wait(last.unwrap()).unwrap().into_accepted().unwrap();
    for number in [0, 1, 9_999, 19_999] {
        let answer = ask(&log, &format!("r{number}"), "begin", json!({}));
        assert_eq!(answer.error.unwrap().code, "EXISTS", "r{number}");
    }
    log.close().unwrap();
}

#[test]
fn an_unknown_contract_and_an_unknown_action_are_malformed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for text in [r#"{"contract":"none","run":"a","do":"x"}"#, r#"{"contract":"toy","run":"a","do":"x"}"#] {
        assert!(matches!(log.submit(&line(text)), Err(LogError::Malformed(_))), "{text}");
    }
    assert_eq!(log.next_seq(), Seq(0), "nothing was recorded");
}

/// A clock that goes on by a second each time, and can be set.
struct Settable {
    passed_ns: AtomicI64,
    offset_ns: AtomicI64,
}

const HOUR_NS: i64 = 3_600_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

impl Settable {
    fn at(offset_ns: i64) -> Arc<Settable> {
        Arc::new(Settable { passed_ns: AtomicI64::new(0), offset_ns: AtomicI64::new(offset_ns) })
    }

    fn step(&self, by_ns: i64) {
        self.offset_ns.fetch_add(by_ns, Ordering::Relaxed);
    }
}

impl Clock for Settable {
    fn read(&self) -> Reading {
        let passed = self.passed_ns.fetch_add(SECOND_NS, Ordering::Relaxed);
        Reading { wall_ns: passed + self.offset_ns.load(Ordering::Relaxed), passed_ns: Some(passed) }
    }
}

/// The steps that `$log` has, with the kinds and recorded times of all events.
fn steps(dir: &Path) -> (Vec<ClockStepped>, Vec<i64>) {
    let (mut steps, mut recorded) = (Vec::new(), Vec::new());
    view(dir)
        .each::<LogError>(Seq(0), &mut |fact| {
            if fact.event.kind == kind::LOG_CLOCK_STEPPED {
                steps.push(payload::decode(fact.event.payload).unwrap());
            }
            recorded.push(fact.head.recorded_ns);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    (steps, recorded)
}

#[test]
fn a_clock_that_was_stepped_is_recorded_as_it_was_read_with_one_event_for_each_step() {
    // F-32.
    let dir = tempfile::tempdir().unwrap();
    let begun = 100 * HOUR_NS;
    let clock = Settable::at(begun);
    let log = Options { clock: clock.clone(), ..options() }.open(dir.path(), contracts()).unwrap();
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    clock.step(-HOUR_NS);
    ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    clock.step(2 * HOUR_NS);
    ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    clock.step(SECOND_NS);
    ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    log.close().unwrap();
    let (found, recorded) = steps(dir.path());
    let stepped = |from: i64, to: i64| ClockStepped { from_ns: begun + from, to_ns: begun + to };
    let expected =
        [stepped(2 * SECOND_NS, 2 * SECOND_NS - HOUR_NS), stepped(4 * SECOND_NS - HOUR_NS, 4 * SECOND_NS + HOUR_NS)];
    assert_eq!(found, expected);
    assert!(!recorded.is_sorted(), "nothing is adjusted");

    let last = *recorded.last().unwrap();
    let clock = Settable::at(last - HOUR_NS);
    let log = Options { clock, ..options() }.open(dir.path(), contracts()).unwrap();
    ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    log.close().unwrap();
    let (found, _) = steps(dir.path());
    assert_eq!(found[2..], [ClockStepped { from_ns: last, to_ns: last - HOUR_NS }]);
}

#[test]
fn a_clock_that_is_behind_the_last_commit_is_recorded_also_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (log, mut asked) = (open(dir.path()), 0);
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    while log.root().0.0 < 3 * 4096 {
        ask(&log, "a", "add", json!({})).into_accepted().unwrap();
        asked += 1;
    }
    log.close().unwrap();
    assert!(asked > 20 && steps(dir.path()).0.is_empty());
    let log = Options { clock: Settable::at(0), ..options() }.open(dir.path(), contracts()).unwrap();
    ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    log.close().unwrap();
    assert_eq!(steps(dir.path()).0.len(), 1);
}

/// Three sessions of a clock that goes back and forth, over several segments; the last one is not closed.
fn log_of_a_restless_clock(dir: &Path) {
    let clock = Settable::at(100 * HOUR_NS);
    for session in 0..3 {
        let log = Options { clock: clock.clone(), ..options() }.open(dir, contracts()).unwrap();
        drop(ask(&log, "a", "begin", json!({})));
        for number in 0..90 {
            if number % 30 == 29 {
                clock.step(if number % 20 == 9 { -5 * HOUR_NS } else { 3 * HOUR_NS });
            }
            ask(&log, "a", "add", json!({})).into_accepted().unwrap();
        }
        if session < 2 {
            log.close().unwrap();
        } else {
            drop(log);
        }
    }
}

/// Each event with the time when it was recorded.
fn recorded(view: &View) -> Vec<(i64, Seq)> {
    let mut all = Vec::new();
    view.each::<LogError>(Seq(0), &mut |fact| {
        all.push((fact.head.recorded_ns, fact.seq));
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    all
}

#[test]
fn a_lookup_by_time_finds_everything_though_the_clock_went_back_and_forth() {
    let dir = tempfile::tempdir().unwrap();
    log_of_a_restless_clock(dir.path());
    let view = view(dir.path());
    let all = recorded(&view);
    let mut times: Vec<i64> = all.iter().map(|(time, _)| *time).collect();
    times.sort_unstable();
    assert!(times.len() > 270 && !all.is_sorted());
    for (since, until) in [(0, i64::MAX), (times[10], times[200]), (times[150], times[151] + 1), (times[269], i64::MAX)]
    {
        let mut found = Vec::new();
        view.each_during::<LogError>(Moment::Recorded, (since.into(), until.into()), &mut |fact| {
            found.push((fact.head.recorded_ns, fact.seq));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        let expected: Vec<_> = all.iter().copied().filter(|(time, _)| (since..until).contains(time)).collect();
        assert_eq!(found, expected, "{since} to {until}");
    }
}

/// Compares the view as of every time of a log with its events. Returns how often it has one end, and how often two.
fn ends_as_of_times(dir: &Path) -> (usize, usize) {
    let all = recorded(&view(dir));
    let mut times: Vec<i64> = all.iter().flat_map(|(time, _)| [time - 1, *time]).collect();
    times.sort_unstable();
    times.dedup();
    let (mut one, mut two) = (0, 0);
    for time in times.into_iter().chain([0, i64::MAX]) {
        let later = all.iter().find(|(recorded, _)| *recorded > time).map(|(_, seq)| *seq);
        let earlier = all.iter().rfind(|(recorded, _)| *recorded <= time).map(|(_, seq)| *seq);
        match (view(dir).as_of_time(time.into()), later) {
            (Ok(view), _) => {
                assert!(later.is_none_or(|later| earlier < Some(later)), "{time}");
                assert_eq!((view.next_seq().0, view.is_whole()), (earlier.map_or(0, |seq| seq.0 + 1), later.is_none()));
                assert!(recorded(&view).iter().all(|(recorded, _)| *recorded <= time));
                one += 1;
            }
            (Err(LogError::TwoEnds { later: found, earlier: behind }), Some(later)) => {
                assert_eq!((found, Some(behind)), (later, earlier));
                assert!(found < behind);
                two += 1;
            }
            (Err(error), _) => panic!("{time}: {error}"),
        }
    }
    (one, two)
}

#[test]
fn as_of_a_time_a_view_shows_what_was_recorded_until_then_or_names_the_events_between_which_the_clock_went_back() {
    let restless = tempfile::tempdir().unwrap();
    log_of_a_restless_clock(restless.path());
    let (one, two) = ends_as_of_times(restless.path());
    assert!(one > 0 && two > 20, "{one} {two}");
    let steady = tempfile::tempdir().unwrap();
    let clock = Arc::new(StepClock::new(HOUR_NS, 1_000_000_000));
    let log = Options { clock, ..options() }.open(steady.path(), contracts()).unwrap();
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    while log.root().0.0 < 3 * 4096 {
        ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    }
    drop(log);
    let (one, two) = ends_as_of_times(steady.path());
    assert!(one > 20 && two == 0, "{one} {two}");
}

#[test]
fn an_event_of_the_log_is_of_the_engine_and_says_nothing_that_a_command_said() {
    // F-49.
    let dir = tempfile::tempdir().unwrap();
    let said = Options { principal: Some("os:ada".into()), correlation: Some("trace-1".into()), ..options() };
    let log = said.open(dir.path(), contracts()).unwrap();
    let line = json!({"contract": "toy", "run": "a", "do": "begin", "at": "1970-01-01T00:00:00Z", "actor": "bob",
        "correlation": "req-7", "id": "k"});
    log.submit(&Request::parse_line(line.to_string().as_bytes()).unwrap()).unwrap().into_accepted().unwrap();
    let mut again = line.clone();
    again["correlation"] = "req-8".into();
    let answer = log.submit(&Request::parse_line(again.to_string().as_bytes()).unwrap()).unwrap();
    assert_eq!(answer.outcome, AnswerOutcome::Duplicate, "another request may deliver the same command");
    ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    log.close().unwrap();
    let mut heads = Vec::new();
    view(dir.path())
        .each::<LogError>(Seq(0), &mut |fact| {
            let head = fact.head;
            assert_eq!(head.principal, Some("os:ada"));
            heads.push((
                fact.event.kind.to_string(),
                head.actor.to_owned(),
                head.correlation.map(str::to_owned),
                head.occurred_ns,
            ));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    let own = |kind: &str| (kind.to_owned(), "tests 1.0".to_owned(), None, None);
    let expected = [
        own("log.created"),
        own("log.opened"),
        ("custom/begun".to_owned(), "bob".to_owned(), Some("req-7".to_owned()), Some(0)),
        ("custom/added".to_owned(), options().actor, Some("trace-1".to_owned()), None),
        own("log.closed"),
    ];
    assert_eq!(heads, expected);
}

#[test]
fn a_time_before_1970_or_far_ahead_of_the_clock_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Settable::at(1_000_000 * HOUR_NS);
    let log = Options { clock, ..options() }.open(dir.path(), contracts()).unwrap();
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    let at = |at: &str| {
        let line = json!({"contract": "toy", "run": "a", "do": "add", "at": at}).to_string();
        log.submit(&Request::parse_line(line.as_bytes()).unwrap()).unwrap()
    };
    assert_eq!(at("2084-01-29T16:04:59Z").outcome, AnswerOutcome::Accepted);
    assert_eq!(at("1970-01-01T00:00:00Z").outcome, AnswerOutcome::Accepted);
    for refused in ["2084-01-29T16:06:00Z", "1969-12-31T23:59:59.999Z", "2199-01-01T00:00:00Z"] {
        let answer = at(refused);
        assert_eq!((answer.outcome, answer.error.unwrap().code.as_str()), (AnswerOutcome::Refused, "AT_OUT_OF_RANGE"));
    }
    log.close().unwrap();
}

#[test]
fn what_a_session_reads_is_of_the_log_that_it_writes_whatever_has_its_name() {
    let room = tempfile::tempdir().unwrap();
    let [dir, old, other] = ["log", "old", "other"].map(|name| room.path().join(name));
    let log = open(&other);
    ask(&log, "b", "begin", json!({})).into_accepted().unwrap();
    log.close().unwrap();
    let log = open(&dir);
    for run in 0..60 {
        ask(&log, &format!("a{run}"), "begin", json!({})).into_accepted().unwrap();
    }
    let before = log.view().unwrap();
    for (from, to) in [(&dir, &old), (&other, &dir)] {
        std::fs::rename(from, to).unwrap();
    }
    let after = log.view().unwrap();
    for view in [&before, &after] {
        let names = view.run_names().unwrap();
        assert_eq!(names.len(), 60);
        assert!(names.iter().all(|name| view.bundle(name).unwrap().is_some()));
        assert_eq!(view.runs().unwrap().runs.len(), 60);
    }
    assert!(view(&dir).bundle("b").unwrap().is_some());
    assert!(log.close().is_err());
}

#[test]
fn an_answer_that_needs_no_commit_is_given_only_where_the_log_is_still_there() {
    let room = tempfile::tempdir().unwrap();
    let [dir, old] = ["log", "old"].map(|name| room.path().join(name));
    let log = open(&dir);
    let request = line(r#"{"contract":"toy","run":"a","do":"begin","id":"k"}"#);
    log.submit(&request).unwrap().into_accepted().unwrap();
    assert_eq!(log.submit(&request).unwrap().outcome, AnswerOutcome::Duplicate);
    std::fs::rename(&dir, &old).unwrap();
    let refused = log.submit(&request).unwrap_err();
    assert!(refused.to_string().contains("removed or moved"), "{refused}");
    open(&dir).begin().unwrap();
    let refused = log.submit(&request).unwrap_err();
    assert!(refused.to_string().contains("another file has its place"), "{refused}");
}

#[test]
fn a_request_cannot_name_a_run_that_no_run_may_be_named_and_its_digest_is_of_what_is_sent() {
    assert!(Request::json("toy", "../x", "begin").build().is_err());
    let stale = Request::json("toy", "a", "begin").id("k").expect(0).build().unwrap();
    assert_eq!(stale.content(), line(r#"{"contract":"toy","run":"a","do":"begin","id":"k","expect":0}"#).content());
}
