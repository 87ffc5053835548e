//! Random commands, legal and not: nothing panics, the end is final, replay is exact, every prefix has one meaning.

use super::RUN;
use crate::pipeline::outcome::{StageStatus, derive_status};
use crate::pipeline::{Pipeline, Severity, State, is_substage, purple_axiom};
use crate::testing::{Harness, bundle};
use evlog_format::Seq;
use evlog_projection::{Contract, File, Outcome as Word, RunHead};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A run that ended before the one that is played.
const BEFORE: &str = "before";

/// Few stages, so that runs come to their end.
const STAGES: [&str; 4] = ["lab_provider", "telemetry", "validation", "scoring"];

fn stage() -> impl Strategy<Value = String> {
    let named = [
        "lab_provider",
        "telemetry",
        "validation",
        "scoring",
        "runner",
        "lab_provider.connectivity",
        "telemetry.clock_sync",
        "telemetry.agent.liveness",
        "telemetry.resource_budgets",
        "validation.run_limits",
        "validation.cleanup",
        "scoring.x",
        "deploy",
    ];
    select(named.to_vec()).prop_map(str::to_owned)
}

/// Mostly codes of the catalogue, for any stage.
fn outcome() -> impl Strategy<Value = Value> {
    let codes: Vec<(String, String, Severity)> = purple_axiom()
        .catalogue()
        .rows()
        .filter(|(stage, ..)| *stage == "*" || STAGES.contains(stage) || is_substage(stage))
        .map(|(stage, code, row)| (stage.to_owned(), code.to_owned(), row.severity))
        .collect();
    let status = |severity: Severity| if severity == Severity::Skipped { "skipped" } else { "failed" };
    let of_row =
        (select(codes.clone()), stage(), any::<Option<bool>>()).prop_map(move |((own, code, severity), any, mode)| {
            let stage = if own == "*" { any } else { own };
            let mut members = json!({"do": "outcome", "stage": stage, "status": status(severity), "reason_code": code});
            if let Some(fatal) = mode {
                members["fail_mode"] = if fatal { "fail_closed" } else { "warn_and_skip" }.into();
            }
            members
        });
    let success = stage().prop_map(|stage| json!({"do": "outcome", "stage": stage, "status": "success"}));
    let odd = (stage(), select(vec!["success", "failed", "skipped"]), select(codes)).prop_map(
        |(stage, status, (_, code, _))| json!({"do": "outcome", "stage": stage, "status": status, "reason_code": code}),
    );
    prop_oneof![3 => success, 3 => of_row, 1 => odd]
}

fn artifacts() -> impl Strategy<Value = Value> {
    let path = select(vec!["a", "b/c", "run.json", "../x", "logs/scoring.log"]);
    let artifact = path.prop_map(|path| json!({"path": path, "bytes": 1, "blake3": "00".repeat(32)}));
    (stage(), select(vec!["intend", "publish"]), prop::collection::vec(artifact, 0..2))
        .prop_map(|(stage, action, artifacts)| json!({"do": action, "stage": stage, "artifacts": artifacts}))
}

/// Findings of every stage, mostly such as are consistent with the run.
fn findings() -> impl Strategy<Value = Value> {
    let outputs = select(vec!["none", "none", "none", "valid", "valid", "invalid", "partial", "corrupt"]);
    prop::collection::vec((outputs, 0..12_u8), STAGES.len()).prop_map(|found| {
        let one = |(stage, (outputs, staging)): (&&str, &(&str, u8))| {
            json!({"stage": stage, "outputs": outputs, "staging": *staging == 0})
        };
        json!({"do": "reconcile", "found": STAGES.iter().zip(&found).map(one).collect::<Vec<Value>>()})
    })
}

fn limits() -> impl Strategy<Value = Value> {
    (stage(), select(vec!["partial", "hard_fail"])).prop_map(|(stage, behavior)| {
        json!({"do": "limit_exceeded", "limit": "max_disk_gb", "configured": 1, "observed": 2, "behavior": behavior, "stage": stage})
    })
}

/// Mostly stages that succeeded in the run before: the first three stages, at the seqs 1 to 3.
fn taken() -> impl Strategy<Value = Value> {
    let stage =
        select(vec![(STAGES[0], 1), (STAGES[1], 2), (STAGES[2], 3), (STAGES[3], 4), ("scoring", 3), ("runner", 0)]);
    (stage, select(vec![BEFORE, BEFORE, BEFORE, RUN])).prop_map(
        |((stage, seq), baseline)| json!({"do": "take_over", "stage": stage, "baseline": baseline, "seq": seq}),
    )
}

fn command() -> impl Strategy<Value = Value> {
    let captured = (stage(), select(vec!["logs/scoring.log", "a", "/x"])).prop_map(
        |(stage, path)| json!({"do": "captured", "stage": stage, "path": path, "bytes": 1, "blake3": "00".repeat(32)}),
    );
    prop_oneof![
        8 => outcome(),
        3 => stage().prop_map(|stage| json!({"do": "begin", "stage": stage})),
        3 => artifacts(),
        1 => captured,
        1 => findings(),
        1 => limits(),
        2 => taken(),
        2 => Just(json!({"do": "finalize"})),
        1 => stage().prop_map(|stage| json!({"do": "report", "stage": stage, "report": {}})),
        1 => Just(json!({"do": "create", "pipeline": "purple-axiom"})),
    ]
}

/// A run that ended before, of which every stage except the last can be reused; and a run that retries it.
fn begun() -> Harness<Pipeline> {
    let mut harness = Harness::new(Pipeline::default());
    let reported =
        |stage: &str, status: &str| json!({"run": BEFORE, "do": "outcome", "stage": stage, "status": status});
    harness.accept(create(BEFORE));
    STAGES[..3].iter().for_each(|stage| drop(harness.accept(reported(stage, "success"))));
    let mut failed = reported(STAGES[3], "failed");
    failed["reason_code"] = "storage_io_error".into();
    harness.accept(failed);
    harness.accept(json!({"run": BEFORE, "do": "finalize"}));
    let mut retry = create(RUN);
    retry["manifest"] = json!({"extensions": {"orchestrator": {"retry": {"of": BEFORE}}}});
    harness.accept(retry);
    harness
}

fn create(run: &str) -> Value {
    let each = |id: &str| (id.to_owned(), json!({"enabled": STAGES.contains(&id)}));
    let given: serde_json::Map<String, Value> = purple_axiom().stages().iter().map(|stage| each(&stage.id)).collect();
    json!({"run": run, "do": "create", "pipeline": "purple-axiom", "stages": given})
}

/// Every file except the audit.
fn files(state: &State) -> Vec<File> {
    let head = RunHead { run: RUN, events: 1, first_seq: Seq(0), last_seq: Seq(0), last_time_ns: 0 };
    Pipeline::default().project(state, &head).expect("a commit is whole")
}

/// Asserts what holds in every state, whatever led to it.
fn judge(state: &State) {
    let outcomes: Vec<_> = state.outcomes().collect();
    for (outcome, next) in outcomes.iter().zip(outcomes.iter().skip(1)) {
        let key = |stage: &str| state.definition().order_key(stage);
        assert!(key(&outcome.stage) < key(&next.stage), "P-20: {outcome} before {next}");
    }
    for outcome in &outcomes {
        assert_eq!(outcome.reason_code.is_none(), outcome.status == StageStatus::Success, "P-11, P-12: {outcome}");
        if let Some(code) = &outcome.reason_code {
            assert!(state.definition().allows(&outcome.stage, code), "P-22: {outcome}");
        }
    }
    let top: Vec<_> = outcomes.iter().filter(|outcome| !is_substage(&outcome.stage)).collect();
    if let Some(fatal) = top.iter().position(|outcome| outcome.is_fatal()) {
        // A correction can come after later stages have run; nothing else can (P-84).
        let corrected = state.outcomes.values().any(|entry| entry.reconciled);
        let blocked = top[fatal + 1..].iter().all(|later| later.is_blocked());
        assert!(blocked || corrected, "P-31, P-33, check 18");
        let last = STAGES.last().expect("stages");
        assert_eq!(top.last().map(|outcome| outcome.stage.as_str()), Some(*last), "P-31: the tail is whole");
    }
    if let Some(status) = state.ended_as() {
        assert_eq!(status, derive_status(state.outcomes()), "P-40");
        assert_eq!(top.len(), STAGES.len(), "P-46, checks 11 and 12");
    }
}

/// Plays commands, and remembers the files after each commit by the number of events so far.
fn play(commands: Vec<Value>) {
    let mut harness = begun();
    // The files by the number of events so far in both runs. The run that is played has one event.
    let mut live = BTreeMap::from([(harness.log.len(), files(&harness.states[RUN]))]);
    for mut command in commands {
        command["run"] = RUN.into();
        let (len, ended) = (harness.log.len(), harness.states[RUN].ended_as());
        let answered = harness.play(command).expect("well-formed");
        judge(&harness.states[RUN]);
        let after = files(&harness.states[RUN]);
        let is_same = live[&len] == after;
        match answered.outcome {
            Word::Accepted => assert!(answered.error.is_none()),
            Word::Refused => assert!(is_same && answered.kinds == ["pipeline.refused"], "a refusal changes nothing"),
            Word::Rejected => unreachable!("the contract rejects nothing"),
        }
        if ended.is_some() {
            assert!(is_same && harness.states[RUN].ended_as() == ended, "P-48: the end is final");
        }
        assert!(harness.log[len..].iter().all(|event| event.commit == len as u64), "one commit a command");
        live.insert(harness.log.len(), after);
    }
    replay(&harness, &live);
}

/// Replay gives the live state's files after every commit, the live state at the end, and the same bytes twice.
fn replay(harness: &Harness<Pipeline>, live: &BTreeMap<usize, Vec<File>>) {
    let events = harness.facts(RUN);
    let mut state = Pipeline::default().start(&events[0].fact()).expect("folds");
    let before = harness.log.len() - events.len();
    for (len, event) in (before + 2..).zip(&events[1..]) {
        Pipeline::default().evolve(&mut state, &event.fact()).expect("folds");
        if let Some(expected) = live.get(&len) {
            assert!(*expected == files(&state), "after {len} events");
        }
    }
    assert_eq!(format!("{state:?}"), format!("{:?}", harness.states[RUN]), "replay equals the live state");
    let twice = [(); 2].map(|()| bundle(&Pipeline::default(), &events).expect("folds"));
    assert!(twice[0] == twice[1], "the same bytes twice");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn random_commands_keep_the_contract(commands in prop::collection::vec(command(), 0..40)) {
        play(commands);
    }

    #[test]
    fn random_payloads_never_panic(kind in 300_u16..315, payload in prop::collection::vec(any::<u8>(), 0..80)) {
        let harness = begun();
        let mut event = harness.log.last().expect("it was created").clone();
        event.kind = evlog_format::KindBuf::BuiltIn(kind);
        event.payload = payload;
        (event.seq, event.commit, event.number) = (event.seq + 1, event.commit + 1, 1);
        let mut state = harness.states[RUN].clone();
        let before = format!("{state:?}");
        if Pipeline::default().evolve(&mut state, &event.fact()).is_err() {
            prop_assert_eq!(before, format!("{state:?}"), "what does not fold changes nothing");
        }
        drop(Pipeline::default().start(&event.fact()));
    }
}

#[test]
fn random_runs_do_come_to_their_ends() {
    // The property above would be empty if no run ever ended.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = prop::collection::vec(command(), 60..80);
    let mut ends = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let commands = strategy.new_tree(&mut runner).expect("a tree").current();
        let mut harness = begun();
        for mut command in commands {
            command["run"] = RUN.into();
            harness.play(command).expect("well-formed");
        }
        ends.insert(harness.status(RUN));
    }
    let words: Vec<Option<String>> = ends.into_iter().collect();
    assert!(words.len() >= 3, "{words:?}");
}
