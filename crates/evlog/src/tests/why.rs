//! Claims about the events that made a value.

use super::toy::{ask, contracts, open, view};
use crate::why::{LIMITS, Limits, Place};
use crate::{LogError, View};
use evlog_format::{Event, Seq};
use evlog_projection::Fact;
use evlog_projection::contracts::BundleFold;
use evlog_projection::patch::document;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::ops::ControlFlow;

/// Folds only these events. `Err` if they cannot be folded, or have no files.
fn folded(view: &View, place: Place<'_>, kept: &[Seq]) -> Result<Option<Value>, ()> {
    let contracts = contracts();
    let (mut fold, mut number, mut refused) = (BundleFold::new(&contracts), 0, false);
    view.stream::<LogError>(place.run, &mut |fact| {
        if kept.contains(&fact.seq) {
            let event = Event { number, ..fact.event };
            refused |= fold.push(&Fact { event, ..*fact }).is_err();
            number += 1;
        }
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    if refused {
        return Err(());
    }
    let bundle = fold.bundle().map_err(|_| ())?;
    let document = bundle.and_then(|bundle| document(place.file, &bundle.files.get(place.file)?.bytes));
    Ok(document.and_then(|document| document.pointer(place.pointer).cloned()))
}

/// Checks both claims of `View::why`.
fn check(view: &View, place: Place<'_>) {
    let all: Vec<Seq> = {
        let mut all = Vec::new();
        view.stream::<LogError>(place.run, &mut |fact| {
            all.push(fact.seq);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        all
    };
    let value = folded(view, place, &all).unwrap();
    let Some(why) = view.why(place).unwrap() else {
        let never = (1..=all.len()).all(|len| folded(view, place, &all[..len]) == Ok(None));
        assert!(never, "{place:?}: there was a value");
        return;
    };
    let found: Vec<Seq> = why.events.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(&why.value, &value);
    assert_eq!(folded(view, place, &found), Ok(value.clone()), "they suffice: {found:?}");
    let last = *found.last().unwrap();
    let changed = |kept: &[Seq]| folded(view, place, kept) != folded(view, place, &without(kept, last));
    assert!(changed(&found), "it is made at the last of them: {found:?}");
    // In the whole history, too, the value did not change after the last of them.
    for len in all.iter().position(|seq| *seq == last).unwrap() + 1..=all.len() {
        assert_eq!(&folded(view, place, &all[..len]), &Ok(value.clone()));
    }
    for one in &found {
        let rest = without(&found, *one);
        let is_needed = folded(view, place, &rest) != Ok(value.clone()) || (*one != last && !changed(&rest));
        assert!(is_needed, "{place:?}: {one} of {found:?} can be left out");
    }
    for (at, (_, value)) in why.events.iter().enumerate() {
        assert_eq!(&folded(view, place, &found[..=at]), &Ok(value.clone()));
    }
}

fn without(all: &[Seq], one: Seq) -> Vec<Seq> {
    all.iter().copied().filter(|seq| *seq != one).collect()
}

/// All sequences of this many of four commands: one that does not change the file, one that adds nothing, one that adds, and
/// one that is rejected, which ends the run.
#[test]
fn the_events_that_made_a_value_suffice_and_none_of_them_can_be_left_out() {
    const LEN: u32 = 3;
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let run = |number: usize| format!("r{number}");
    for number in 0..4_usize.pow(LEN) {
        let run = run(number);
        ask(&log, &run, "begin", json!({})).into_accepted().unwrap();
        for place in 0..LEN {
            match number / 4_usize.pow(place) % 4 {
                0 => drop(ask(&log, &run, "note", json!({"text": "\"x\""}))),
                1 => drop(ask(&log, &run, "add", json!({"amount": 0}))),
                2 => drop(ask(&log, &run, "add", json!({"amount": 1}))),
                _ => drop(ask(&log, &run, "add", json!({"amount": 101}))),
            }
        }
    }
    log.close().unwrap();
    let view = view(dir.path());
    let places = [
        ("run.json", "/total"),
        ("run.json", "/ended"),
        ("run.json", ""),
        ("audit_events.jsonl", "/2/kind"),
        ("audit_events.jsonl", "/02/kind"),
        ("audit_events.jsonl", "/x"),
        ("audit_events.jsonl", ""),
        ("x", ""),
    ];
    for number in 0..4_usize.pow(LEN) {
        for (file, pointer) in places {
            check(&view, Place { run: &run(number), file, pointer });
        }
    }
}

#[test]
fn what_did_not_touch_a_value_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut seqs = vec![ask(&log, "a", "begin", json!({})).events[0].0];
    for (action, amount) in [("add", 2), ("note", 0), ("add", 0), ("add", 3), ("end", 0), ("note", 0)] {
        let answer = ask(&log, "a", action, json!({"amount": amount, "text": "\"x\""}));
        seqs.push(answer.events[0].0);
    }
    log.close().unwrap();
    let view = view(dir.path());
    let found = |pointer: &str| view.why(Place { run: "a", file: "run.json", pointer }).unwrap();
    let total = found("/total").unwrap();
    let events: Vec<Seq> = total.events.iter().map(|(seq, _)| *seq).collect();
    assert_eq!((total.value, total.of), (Some(json!(5)), 7));
    assert_eq!(events, [seqs[0], seqs[1], seqs[4]]);
    let ended = found("/ended").unwrap();
    assert_eq!(ended.events, [(seqs[0], Some(json!(false))), (seqs[5], Some(json!(true)))]);
    assert_eq!(found("/nothing"), None);
}

/// A run of this many additions.
fn long(len: usize) -> (tempfile::TempDir, View) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    for _ in 0..len {
        ask(&log, "a", "add", json!({"amount": 1})).into_accepted().unwrap();
    }
    ask(&log, "a", "end", json!({})).into_accepted().unwrap();
    log.close().unwrap();
    let view = view(dir.path());
    (dir, view)
}

#[test]
fn progress_counts_the_folded_events_up_to_the_limit() {
    let (_dir, view) = long(100);
    let heard = RefCell::new(Vec::new());
    let place = Place { run: "a", file: "run.json", pointer: "/ended" };
    view.why_with_progress(place, &|folds| heard.borrow_mut().push(folds)).unwrap().unwrap();
    let heard = heard.into_inner();
    assert!(heard.len() > 1 && heard.is_sorted() && heard.last() <= Some(&LIMITS.folds), "{heard:?}");
}

#[test]
fn what_takes_too_much_is_refused_with_the_limit_that_it_exceeds() {
    let (_dir, view) = long(100);
    let asked = |file: &str, pointer: &str, limits: Limits| {
        let why = view.why_within(Place { run: "a", file, pointer }, limits, &|_| ());
        why.map(|why| why.unwrap().events.len()).map_err(|error| error.to_string())
    };
    let refused = |limit: u64, unit: &str| Err(format!("what made the value is not looked for beyond {limit} {unit}"));
    let ended = ("run.json", "/ended");
    assert_eq!(asked(ended.0, ended.1, LIMITS), Ok(2));
    assert_eq!(
        asked(ended.0, ended.1, Limits { events: 101, ..LIMITS }),
        refused(101, "events of the run up to the last change of the value")
    );
    assert_eq!(asked(ended.0, ended.1, Limits { events: 102, folds: 300, ..LIMITS }), Ok(2), "few attempts are made");
    assert_eq!(asked("run.json", "/total", LIMITS), Ok(101));
    assert_eq!(asked("run.json", "/total", Limits { folds: 5_000, ..LIMITS }), refused(5_000, "folded events"));
    assert_eq!(asked("run.json", "", Limits { bytes: 1_000, ..LIMITS }), refused(1_000, "bytes of values"));
    assert_eq!(asked("audit_events.jsonl", "", LIMITS), Ok(102));
    assert_eq!(asked("audit_events.jsonl", "", Limits { bytes: 9_999, ..LIMITS }), refused(9_999, "bytes of values"));
    assert_eq!(
        asked("run.json", "/total", Limits { event_bytes: 1_000, ..LIMITS }),
        refused(1_000, "bytes of events of the run up to the last change of the value")
    );
    // A line of the audit belongs to one event, so nothing need be tried.
    assert_eq!(asked("audit_events.jsonl", "/90/kind", Limits { folds: 91, ..LIMITS }), Ok(91));
}

#[test]
fn what_is_no_json_pointer_is_refused_and_not_taken_for_a_place_without_a_value() {
    let (_dir, view) = long(1);
    for file in ["run.json", "audit_events.jsonl", "x"] {
        for pointer in ["total", "0/kind", "x/0", "/~2", "/~"] {
            let refused = view.why(Place { run: "a", file, pointer }).unwrap_err().to_string();
            assert!(
                refused.contains(&format!("expected a JSON pointer such as /status, found `{pointer}`")),
                "{refused}"
            );
        }
    }
}

#[test]
fn nothing_of_the_stream_of_the_log_itself_has_a_value() {
    let (_dir, view) = long(1);
    assert_eq!(view.why(Place { run: "$log", file: "run.json", pointer: "/status" }).unwrap(), None);
}
