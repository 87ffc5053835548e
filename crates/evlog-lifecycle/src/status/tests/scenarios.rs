//! The scenarios of status.md 8.1. The odd ones are the source's; the even ones are those that lie between them.

use super::{RUN, Status, create, diagnostic, play, request, with};
use crate::testing::Harness;
use serde_json::{Value, json};

/// A scenario: the requests after creation, the status they lead to, the kinds of the run's events as letters (c created,
/// t transition, r rejection, f forced failure, x refusal), and the run's error code.
type Scenario<'a> = (&'a str, &'a [&'a str], &'a str, &'a str, Option<&'a str>);

const INVALID: Option<&str> = Some("INVALID_STATE_TRANSITION");

const SCENARIOS: &[Scenario<'_>] = &[
    ("S1", &["running", "success"], "success", "ctt", None),
    ("S2", &["running", "waiting", "running", "success"], "success", "ctttt", None),
    ("S3", &["running", "waiting", "canceled"], "canceled", "cttt", None),
    ("S4", &["running", "failed"], "failed", "ctt", Some("TOOL_INTERNAL_ERROR")),
    ("S5", &["running", "denied"], "denied", "ctt", Some("TOOL_DENIED")),
    ("S6", &["running", "timeout"], "timeout", "ctt", Some("TOOL_TIMEOUT")),
    ("S7", &["success"], "failed", "crf", INVALID),
    ("S8", &["waiting"], "failed", "crf", INVALID),
    ("S9", &["failed"], "failed", "crf", INVALID),
    ("S10", &["running", "waiting", "success"], "failed", "cttrf", INVALID),
    ("S11", &["running", "waiting", "timeout"], "failed", "cttrf", INVALID),
    ("S12", &["running", "success", "failed"], "success", "cttr", None),
    ("S13", &["running", "timeout", "running"], "timeout", "cttr", Some("TOOL_TIMEOUT")),
    ("S14", &["running", "running"], "failed", "ctrf", INVALID),
    ("S15", &["running", "completed"], "failed", "ctrf", INVALID),
    ("S16", &["running", "canceled", "cancelled"], "canceled", "cttr", None),
    ("S17", &["success", "running"], "failed", "crfr", INVALID),
    ("S18", &["canceled"], "failed", "crf", INVALID),
];

fn letters(harness: &Harness<Status>, run: &str) -> String {
    let letter = |kind: &Value| match kind.as_str() {
        Some("status.created") => 'c',
        Some("status.transitioned") => 't',
        Some("status.rejected") => 'r',
        Some("status.forced_failed") => 'f',
        Some("status.refused") => 'x',
        other => panic!("unexpected kind {other:?}"),
    };
    harness.audit(run).iter().map(|line| letter(&line["kind"])).collect()
}

fn check((name, requests, status, events, code): Scenario<'_>) {
    let mut harness = Harness::new(Status);
    harness.accept(create(RUN));
    for to in requests {
        play(&mut harness, request(RUN, to));
    }
    let run = harness.json(RUN, "run.json");
    assert_eq!(run["status"], status, "{name}");
    assert_eq!(run["error_code"], json!(code), "{name}");
    assert_eq!(letters(&harness, RUN), events, "{name}");
}

#[test]
fn s1_to_s18_end_as_the_source_says() {
    SCENARIOS.iter().copied().for_each(check);
}

#[test]
fn s19_a_transition_of_an_unknown_run_is_rejected_without_making_one() {
    let mut harness = Harness::new(Status);
    let answered = play(&mut harness, request(RUN, "running"));
    assert_eq!(answered.kinds, ["$log:status.rejected"]);
    assert!(harness.states.is_empty());
}

#[test]
fn s20_a_second_creation_is_refused_and_the_run_goes_on() {
    let mut harness = Harness::new(Status);
    harness.accept(create(RUN));
    harness.accept(request(RUN, "running"));
    assert_eq!(play(&mut harness, create(RUN)).code(), "RUN_ID_EXISTS");
    harness.accept(request(RUN, "success"));
    assert_eq!(letters(&harness, RUN), "ctxt");
    assert_eq!(harness.json(RUN, "run.json")["status"], "success");
}

#[test]
fn s21_a_retry_after_s6_is_a_new_run_and_leaves_the_old_one() {
    let mut harness = Harness::new(Status);
    harness.accept(create(RUN));
    harness.accept(request(RUN, "running"));
    harness.accept(with(request(RUN, "timeout"), "diagnostic", diagnostic("TOOL_TIMEOUT", true)));
    let before = harness.bundle(RUN).expect("the run folds");
    harness.accept(json!({"run": "RUN_0002", "do": "retry", "of": RUN, "reason": "operator"}));
    assert_eq!(harness.bundle(RUN).expect("the run folds"), before);
    let new = harness.json("RUN_0002", "run.json");
    assert_eq!(new["status"], "created");
    assert_eq!(new["parent_run_id"], RUN);
    assert_eq!(new["root_run_id"], RUN);
    assert_eq!(new["retry_count"], 1);
    assert_eq!(letters(&harness, "RUN_0002"), "c");
}
