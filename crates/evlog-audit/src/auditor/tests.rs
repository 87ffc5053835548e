//! The audit of a log in one pass: each built-in rule, and what a report keeps.

use super::*;
use crate::toy::Toy;
use evlog_format::Seq;
use evlog_lifecycle::custom::Custom;
use evlog_rules::made::{Made, json, made, of_kind, with_fact};
use std::convert::Infallible;

/// Numbers the events of each stream, and audits them.
fn audited(events: Vec<Made>, options: Options) -> Report {
    audited_as(&numbered(events), options)
}

fn numbered(mut events: Vec<Made>) -> Vec<Made> {
    let mut next: BTreeMap<&str, u64> = BTreeMap::new();
    for event in &mut events {
        let number = next.entry(event.stream).or_default();
        event.number = *number;
        *number += 1;
    }
    events
}

fn audited_as(events: &[Made], options: Options) -> Report {
    audited_by(&Contracts::new().with(Custom), events, options)
}

fn audited_by(contracts: &Contracts, events: &[Made], options: Options) -> Report {
    let mut auditor = Auditor::new(contracts, options, json);
    for (seq, event) in (0..).zip(events) {
        let before = &events[..usize::try_from(seq).expect("small")];
        let mut earlier = |run: &str, visit: &mut dyn FnMut(&Fact<'_>) -> bool| {
            let of_run = (0..).zip(before).filter(|(_, event)| event.stream == run);
            of_run.take_while(|(seq, event)| with_fact(event, *seq, &mut *visit)).count();
            Ok::<(), Infallible>(())
        };
        let taken = with_fact(event, seq, |fact| auditor.take(fact, None, &mut earlier));
        taken.unwrap_or_else(|never| match never {});
    }
    auditor.finish()
}

/// Rule and seqs of each finding, but for those of contracts, which most events of these tests are not of.
fn found(report: &Report) -> Vec<(&str, Vec<u64>)> {
    let kept = report.findings.kept().iter().filter(|finding| finding.rule != FOLDS.name);
    kept.map(|finding| (finding.rule.as_str(), finding.seqs.iter().map(|Seq(seq)| *seq).collect())).collect()
}

fn of_log(kind: evlog_format::Kind<'static>) -> Made {
    Made { stream: "$log", ..of_kind(kind) }
}

#[test]
fn a_log_in_order_has_no_finding() {
    // Rules O-01 to O-14.
    let events = vec![
        Made { payload: r#"{"key":"example.com/a+1+AA"}"#, ..of_log(kind::LOG_KEY_ADDED) },
        of_log(kind::LOG_OPENED),
        made("custom/a"),
        Made { causation: Some(Seq(2)), recorded_ns: 5, ..made("custom/b") },
        Made { recorded_ns: 5, payload: r#"{"origin":"example.com/a"}"#, ..of_log(kind::LOG_CHECKPOINT_SIGNED) },
        Made { recorded_ns: 6, ..of_log(kind::LOG_CLOSED) },
        Made { recorded_ns: 9, ..of_log(kind::LOG_OPENED) },
    ];
    let report = audited(events, Options { unsigned_max_ns: Some(5), ..Options::default() });
    assert_eq!((report.findings.count(), report.events, report.runs), (0, 7, 1));
}

#[test]
fn a_gap_in_the_numbers_of_a_stream_is_found() {
    // Rules O-01 and O-03: in `$log`, and in a run.
    let mut events =
        numbered(vec![of_log(kind::LOG_CREATED), made("custom/a"), made("custom/b"), of_log(kind::LOG_CLOSED)]);
    events[2].number = 2;
    events[3].number = 5;
    let report = audited_as(&events, Options::default());
    let rules: Vec<&str> = report.findings.kept().iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules, ["contract_kept", "dense_seq"]);
}

#[test]
fn a_cause_that_is_not_before_its_effect_is_found() {
    // Rule O-02.
    let later = Made { causation: Some(Seq(1)), ..made("custom/a") };
    assert_eq!(found(&audited(vec![later, made("custom/b")], Options::default())), [("cause_before_effect", vec![0])]);
}

#[test]
fn time_that_goes_backwards_is_found_with_both_events_and_the_distance() {
    // Rule O-04.
    let at = |recorded_ns| Made { recorded_ns, ..made("custom/a") };
    let report = audited(vec![at(5_000_000), at(2_000_000), at(2_000_000)], Options::default());
    assert_eq!(found(&report), [("time_forward", vec![0, 1])]);
    assert!(report.findings.kept()[0].found.contains("3 ms"));
}

#[test]
fn a_related_run_that_is_not_there_or_has_not_ended_is_found() {
    // Rule O-06.
    let created = |payload| Made { stream: "RUN_2", payload, ..of_kind(kind::STATUS_CREATED) };
    let (child, retry) = (r#"{"parent_run_id":"RUN_1"}"#, r#"{"parent_run_id":"RUN_1","retry":{"count":1}}"#);
    assert_eq!(found(&audited(vec![created(child)], Options::default())), [("related_run", vec![0])]);
    assert_eq!(found(&audited(vec![made("custom/a"), created(child)], Options::default())), []);
    let report = audited(vec![made("custom/a"), created(retry)], Options::default());
    assert_eq!(found(&report), [("related_run", vec![1])]);
    assert!(report.findings.kept().last().expect("a finding").found.contains("had not ended"));
    // A run that is there and cannot be folded has a finding of its own, and is not called missing.
    let broken = of_kind(kind::STATUS_CREATED);
    assert_eq!(found(&audited(vec![broken, created(child)], Options::default())), []);
}

#[test]
fn a_step_that_ends_otherwise_than_its_child_is_found() {
    // Rules O-06 and O-13.
    let contracts = Contracts::new().with(Toy);
    let step = |payload| Made { stream: "RUN_2", payload, ..of_kind(kind::STORY_STEP_MOVED) };
    let (running, failed, unknown, not_waited_for) = (
        r#"{"step":"s","to":"Running","cause":"child","child":"RUN_1","exit_class":null}"#,
        r#"{"step":"s","to":"Failed","cause":"child","child":"RUN_1","exit_class":null}"#,
        r#"{"step":"s","to":"Running","cause":"child","child":"RUN_9","exit_class":null}"#,
        r#"{"step":"s","to":"Succeeded","cause":"child","child":"RUN_1","exit_class":null}"#,
    );
    let late = r#"{"step":"s","to":"Timeout","cause":"time_limit","child":null,"exit_class":null}"#;
    let judged = |events: Vec<Made>| audited_by(&contracts, &numbered(events), Options::default());
    assert_eq!(found(&judged(vec![made("custom/a"), step(running), step(not_waited_for), step(late)])), []);
    assert_eq!(found(&judged(vec![made("custom/a"), step(unknown)])), [("related_run", vec![1])]);
    let open = judged(vec![made("custom/a"), step(running), step(failed)]);
    assert_eq!(found(&open), [("child_mirrored", vec![2])]);
    let sentence = "seq 2 ends step `s` as `Failed`, and its child `RUN_1` had not ended";
    assert_eq!(open.findings.kept().last().expect("a finding").found, sentence);
}

#[test]
fn the_end_of_a_child_is_that_of_its_step() {
    // Rule O-13.
    let ends = |to: Phase, child: &str| {
        let payload =
            format!(r#"{{"step":"s","to":"{}","cause":"child","child":"c","exit_class":"success"}}"#, to.word());
        let event = Made { payload: payload.leak(), ..of_kind(kind::STORY_STEP_MOVED) };
        let ended = Related::Ended(child.to_owned());
        evlog_rules::made::read(&event, 7, |reading| not_mirrored(reading, "c", &ended))
    };
    for phase in Phase::ALL.into_iter().filter(|phase| phase.is_terminal()) {
        let mirrored = if phase == Phase::Skipped { Phase::Canceled } else { phase };
        assert_eq!(ends(mirrored, phase.word()), None);
        assert!(ends(if phase == Phase::Failed { Phase::Timeout } else { Phase::Failed }, phase.word()).is_some());
    }
}

#[test]
fn a_checkpoint_under_a_name_without_a_key_or_that_was_given_up_is_found() {
    // Rule O-14.
    let added = |payload| Made { payload, ..of_log(kind::LOG_KEY_ADDED) };
    let renamed = |payload| Made { payload, ..of_log(kind::LOG_NAME_CHANGED) };
    let signed = |payload| Made { payload, ..of_log(kind::LOG_CHECKPOINT_SIGNED) };
    let (a, b) = (r#"{"origin":"a"}"#, r#"{"origin":"b"}"#);
    let report = audited(
        vec![
            signed(a),
            added(r#"{"key":"a+1+AA"}"#),
            signed(a),
            renamed(r#"{"from":"a","to":"b"}"#),
            signed(b),
            added(r#"{"key":"b+1+AA"}"#),
            signed(b),
            signed(a),
            renamed(r#"{"from":"b","to":"a"}"#),
            signed(a),
        ],
        Options::default(),
    );
    assert_eq!(found(&report), [("key_added", vec![0]), ("key_added", vec![4]), ("key_added", vec![7])]);
    assert!(report.findings.kept()[2].found.ends_with("under `a`, which the log had given up"));
}

#[test]
fn an_outcome_of_a_stage_that_never_began_is_found() {
    // Rule O-07.
    let begun = Made { payload: r#"{"stage":"a"}"#, ..of_kind(kind::PIPELINE_STAGE_BEGUN) };
    let outcome = |payload| Made { payload, ..of_kind(kind::PIPELINE_OUTCOME_RECORDED) };
    let (a, part, b) = (
        r#"{"stage":"a","status":"success"}"#,
        r#"{"stage":"a.x","status":"success"}"#,
        r#"{"stage":"b","status":"success"}"#,
    );
    let skipped = outcome(r#"{"stage":"c","status":"skipped"}"#);
    let report = audited(vec![begun, outcome(a), outcome(part), outcome(b), skipped], Options::default());
    assert_eq!(found(&report), [("outcome_of_begun_stage", vec![3])]);
}

#[test]
fn a_session_that_was_not_closed_and_a_loss_are_found() {
    // Rules O-09 and O-10.
    let loss = Made { payload: r#"{"len":7,"position":90,"reason":"disk"}"#, ..of_log(kind::LOG_LOSS_ACCEPTED) };
    let events = vec![of_log(kind::LOG_CREATED), of_log(kind::LOG_OPENED), of_log(kind::LOG_OPENED), loss];
    let report = audited(events, Options::default());
    assert_eq!(found(&report), [("session_closed", vec![1, 2]), ("no_loss", vec![3])]);
}

#[test]
fn a_time_without_a_checkpoint_is_found_once_and_whole() {
    // Rule O-11. No key was added, which is a finding of its own.
    let at = |recorded_ns, event: Made| Made { recorded_ns, ..event };
    let events = vec![
        at(0, of_log(kind::LOG_CREATED)),
        at(10, made("custom/a")),
        at(11, made("custom/a")),
        at(12, made("custom/a")),
        at(13, of_log(kind::LOG_CHECKPOINT_SIGNED)),
        at(23, made("custom/a")),
    ];
    let report = audited(events, Options { unsigned_max_ns: Some(10), ..Options::default() });
    assert_eq!(found(&report), [("signed_in_time", vec![0, 4]), ("key_added", vec![4])]);
}

#[test]
fn rules_join_the_events_of_all_runs_by_the_value_of_a_field() {
    // Rule O-21.
    let text = "[[rule]]\nname = \"paid-once\"\ntemplate = \"absence\"\ncount = 2\nkind = \"custom/paid\"\nper = \"payload.ticket\"\n";
    let rules = crate::read(text).expect("rules");
    let paid = |stream, payload| Made { stream, payload, ..made("custom/paid") };
    let (one, two) = (r#"{"ticket":1}"#, r#"{"ticket":2}"#);
    let events =
        vec![paid("RUN_1", one), paid("RUN_2", two), paid("RUN_3", one), paid("RUN_4", "{}"), paid("RUN_5", "{}")];
    let report = audited(events, Options { rules, ..Options::default() });
    assert_eq!(found(&report), [("paid-once", vec![2])]);
    assert_eq!(report.findings.kept()[0].subject.text(), Some("1"));
}

#[test]
fn findings_beyond_the_limit_are_counted_and_not_kept() {
    let at = |recorded_ns| Made { recorded_ns, ..made("custom/a") };
    let events: Vec<Made> = (0..1500_i64).map(|n| at(-n * 1_000_000)).collect();
    let report = audited(events, Options::default());
    assert_eq!((report.findings.count_of("time_forward"), report.findings.kept().len()), (1499, 1000));
}

#[test]
fn an_event_after_the_end_of_a_run_is_found_unless_it_is_a_refusal() {
    // Rule O-05.
    let rejected = of_kind(kind::STATUS_REJECTED);
    let events = numbered(vec![made("custom/a"), made("custom/ended"), rejected, made("custom/late")]);
    let report = audited_by(&Contracts::new().with(Toy), &events, Options::default());
    assert_eq!(found(&report), [("nothing_after_end", vec![1, 3])]);
}

#[test]
fn an_event_that_begins_a_run_again_is_allowed_and_its_second_end_is_judged() {
    // Rules O-05 and O-22.
    let text = "[[rule]]\nname = \"r\"\ntemplate = \"response\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\n";
    let rules = crate::read(text).expect("a rule");
    let kinds = ["custom/a", "custom/ended", "custom/again", "custom/a", "custom/ended", "custom/a"];
    let report = |as_ended| {
        let options = Options { rules: rules.clone(), as_ended, ..Options::default() };
        let report = audited_by(&Contracts::new().with(Toy), &numbered(kinds.map(made).into()), options);
        found(&report).into_iter().map(|(rule, seqs)| (rule.to_owned(), seqs)).collect::<Vec<_>>()
    };
    let found = |rule: &str, seqs: &[u64]| (rule.to_owned(), seqs.to_vec());
    let both = [found("r", &[0]), found("r", &[3]), found("nothing_after_end", &[4, 5])];
    assert_eq!(report(false), both);
    assert_eq!(report(true), [&both[..], &[found("r", &[5])]].concat(), "what waits after the end counts, too");
}

#[test]
fn a_run_that_breaks_its_contract_is_found_whatever_status_is_selected() {
    // Rule O-03.
    let selected = |contracts: &[&str], statuses: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let selection = Selection { contracts: owned(contracts), statuses: owned(statuses), ..Selection::default() };
        let mut events = numbered(vec![made("custom/a"), made("custom/b")]);
        events[1].number = 7;
        audited_by(&Contracts::new().with(Toy), &events, Options { selection, ..Options::default() })
            .findings
            .count_of(FOLDS.name)
    };
    assert_eq!((selected(&["toy"], &[]), selected(&[], &["ended"]), selected(&["other"], &[])), (1, 1, 0));
}

#[test]
fn a_built_in_finding_is_reported_if_one_of_its_events_is_selected() {
    let runs = vec![evlog_rules::Pattern::parse("$log").expect("a pattern")];
    let at = |recorded_ns, event: Made| Made { recorded_ns, ..event };
    let events = vec![at(0, of_log(kind::LOG_CREATED)), at(50, made("custom/a"))];
    let selection = Selection { runs, ..Selection::default() };
    let options = Options { unsigned_max_ns: Some(10), selection, ..Options::default() };
    assert_eq!(found(&audited(events, options)), [("signed_in_time", vec![0, 1])]);
}

#[test]
fn a_contract_that_no_run_has_is_reported_and_a_definition_and_an_alias_are_contracts() {
    let unknown = |name: &str| {
        let selection = Selection { contracts: vec![name.to_owned()], ..Selection::default() };
        let report = audited(vec![made("custom/a")], Options { selection, ..Options::default() });
        report.unknown.first().map(str::to_owned)
    };
    assert_eq!((unknown("custom"), unknown("custm")), (None, Some("custm".to_owned())));
    let text = "[[rule]]\nname = \"r\"\ntemplate = \"absence\"\nkind = \"custom/a\"\ncontract = \"custm\"\n";
    let rules = crate::read(text).expect("a rule");
    let report = audited(vec![made("custom/a")], Options { rules, ..Options::default() });
    assert_eq!((report.unknown.first(), report.findings.count()), (Some("custm"), 0));
}

#[test]
fn the_last_event_decides_whether_a_finding_about_it_is_selected() {
    let by = |actor: &str| {
        let actors = vec![evlog_rules::Pattern::parse(actor).expect("a pattern")];
        let selection = Selection { actors, ..Selection::default() };
        let options = Options { as_ended: true, selection, ..Options::default() };
        let events = vec![made("custom/a"), Made { actor: "bob", ..made("custom/b") }];
        by_rule(events, "template = \"end\"\nkind = \"custom/a\"", options).findings.count()
    };
    assert_eq!((by("ann"), by("bob")), (0, 1));
}

#[test]
fn a_stage_that_exceeded_a_limit_has_an_outcome_when_the_run_ends() {
    // Rule O-08.
    let of = |kind, stage| Made { payload: stage, ..of_kind(kind) };
    let (a, b) = (r#"{"stage":"a"}"#, r#"{"stage":"b"}"#);
    let events = numbered(vec![
        made("custom/begun"),
        of(kind::PIPELINE_LIMIT_EXCEEDED, a),
        of(kind::PIPELINE_LIMIT_EXCEEDED, b),
        of(kind::PIPELINE_OUTCOME_RECORDED, a),
        // A limit that is found later is one of a stage that has its outcome.
        of(kind::PIPELINE_LIMIT_EXCEEDED, a),
        made("custom/ended"),
    ]);
    let report = audited_by(&Contracts::new().with(Toy), &events, Options::default());
    assert_eq!(found(&report), [("limit_has_outcome", vec![2, 5])]);
}

#[test]
fn a_run_that_was_forgotten_is_judged_as_if_it_had_not_been() {
    // More runs end than are remembered, and then each gets another event that only its earlier ones make wrong.
    let text = "[[rule]]\nname = \"once\"\ntemplate = \"absence\"\ncount = 2\nkind = \"custom/a\"\n\
                [[rule]]\nname = \"audited\"\ntemplate = \"response\"\nfirst = \"custom/a\"\nthen = \"custom/audited\"\n";
    let rules = crate::read(text).expect("rules");
    let runs: Vec<&'static str> = (0..5000).map(|run| &*Box::leak(format!("RUN_{run}").into_boxed_str())).collect();
    let of = |stream: &'static str, kind| Made { stream, ..made(kind) };
    let mut events: Vec<Made> = runs.iter().flat_map(|run| [of(run, "custom/a"), of(run, "custom/ended")]).collect();
    events.extend(runs.iter().take(3).map(|run| of(run, "custom/a")));
    let options = Options { rules, ..Options::default() };
    let report = audited_by(&Contracts::new().with(Toy), &numbered(events), options);
    let count = |rule| report.findings.count_of(rule);
    assert_eq!((count("once"), count("audited"), count("nothing_after_end"), report.runs), (3, 5000, 3, 5000));
}

/// Audits events of custom runs by one rule; `more` are members of the rule.
fn by_rule(events: Vec<Made>, more: &str, options: Options) -> Report {
    let rules = crate::read(&format!("[[rule]]\nname = \"r\"\n{more}\n")).expect("a rule");
    audited(events, Options { rules, ..options })
}

#[test]
fn a_rule_about_a_contract_concerns_no_run_of_another_one() {
    let event = || vec![Made { payload: r#"{"t":1}"#, ..made("custom/a") }];
    let (absent, there) =
        ("template = \"absence\"\nkind = \"custom/a\"", "template = \"existence\"\nkind = \"custom/b\"");
    let as_ended = || Options { as_ended: true, ..Options::default() };
    for per in ["run", "payload.t"] {
        for (contract, count) in [("status", 0), ("custom", 1)] {
            let more = format!("contract = \"{contract}\"\nper = \"{per}\"");
            let found = |rule: &str| by_rule(event(), &format!("{rule}\n{more}"), as_ended()).findings.count_of("r");
            assert_eq!((found(absent), found(there)), (count, count), "{per}, {contract}");
        }
    }
}

#[test]
fn a_rule_per_value_concerns_no_run_as_such() {
    let events = vec![Made { payload: r#"{"t":1}"#, ..made("custom/a") }, made("custom/b")];
    let more = "template = \"existence\"\nkind = \"custom/a\"\nper = \"payload.t\"";
    assert_eq!(by_rule(events, more, Options { as_ended: true, ..Options::default() }).findings.count(), 0);
}

#[test]
fn what_an_ended_run_still_waits_for_is_not_forgotten() {
    let text =
        "[[rule]]\nname = \"r\"\ntemplate = \"response\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\nwithin = \"1h\"\n";
    let rules = crate::read(text).expect("a rule");
    let mut events = vec![made("custom/ended"), made("custom/a")];
    let runs = (0..5000).map(|run| &*Box::leak(format!("END_{run}").into_boxed_str()));
    events.extend(runs.map(|stream| Made { stream, recorded_ns: 7_200_000_000_000, ..made("custom/ended") }));
    let report = audited_by(&Contracts::new().with(Toy), &numbered(events), Options { rules, ..Options::default() });
    assert_eq!(report.findings.count_of("r"), 1);
}

#[test]
fn a_finding_at_the_end_is_reported_only_of_selected_events() {
    let more = "template = \"response\"\nfirst = \"custom/a\"\nthen = \"custom/b\"";
    let by = |actor: &str| {
        let actors = vec![evlog_rules::Pattern::parse(actor).expect("a pattern")];
        let selection = Selection { actors, ..Selection::default() };
        let options = Options { as_ended: true, selection, ..Options::default() };
        by_rule(vec![made("custom/a"), Made { actor: "bob", ..made("custom/c") }], more, options).findings.count()
    };
    assert_eq!((by("ann"), by("bob")), (1, 0));
}

#[test]
fn events_that_are_not_judged_are_counted_over_all_cases() {
    // Rule O-25.
    let more =
        |per: &str| format!("template = \"response\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\nper = \"{per}\"");
    let of = |stream, count: usize| (0..count).map(move |_| Made { stream, payload: r#"{"t":1}"#, ..made("custom/a") });
    let count = |per: &str| {
        let events = of("RUN_1", 10_020).chain(of("RUN_2", 10_005)).collect();
        by_rule(events, &more(per), Options::default()).not_judged["r"]
    };
    assert_eq!((count("run"), count("payload.t")), (25, 10_025));
}

#[test]
fn a_run_that_begins_again_is_judged_at_each_of_its_ends() {
    // Rules O-22 and O-24.
    let text = "[[rule]]\nname = \"last\"\ntemplate = \"end\"\nkind = \"custom/ended\"\nwhere = [\"actor=ann\"]\n";
    let rules = crate::read(text).expect("rules");
    let by = |actor, kind| Made { actor, ..made(kind) };
    let events = |last: &'static str| {
        vec![by("ann", "custom/a"), by("ann", "custom/ended"), by("ann", "custom/again"), by(last, "custom/ended")]
    };
    let judged = |last| {
        let options = Options { rules: rules.clone(), ..Options::default() };
        let contracts = Contracts::new().with(Toy);
        found(&audited_by(&contracts, &numbered(events(last)), options)).iter().map(|(_, seqs)| seqs.clone()).collect()
    };
    let (kept, broken): (Vec<Vec<u64>>, Vec<Vec<u64>>) = (judged("ann"), judged("bob"));
    assert_eq!((kept, broken), (vec![], vec![vec![3]]));
}

#[test]
fn events_of_the_log_itself_are_of_no_case_but_in_rules_about_them() {
    // Rule O-21.
    let found_by = |kind: &str| {
        let text = format!("[[rule]]\nname = \"r\"\ntemplate = \"init\"\nkind = \"{kind}\"\nper = \"actor\"\n");
        let rules = crate::read(&text).expect("rules");
        let events = vec![of_log(kind::LOG_CREATED), made("custom/a")];
        let report = audited(events, Options { rules, ..Options::default() });
        found(&report).len()
    };
    assert_eq!((found_by("custom/a"), found_by("log.created"), found_by("log.closed")), (0, 0, 1));
}
