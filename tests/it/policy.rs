//! A verification judges each event by the policy in force when it was recorded, with the same result for one thread, for
//! many, and after an interruption. A command that the engine accepts is never a finding; a commit that only another program
//! could have written is one. The rules are those of `docs/policy.md`.

use crate::workload::{DIR, checked, commands, open, submit, view};
use evlog::Request;
use evlog::history::{LOG_STREAM, Opened, PolicySet};
use evlog::policy::Policies;
use evlog_format::{Durability, Kind, kind, payload};
use evlog_store::fs::sim::SimFs;
use evlog_store::{Append, AppendEvent, Causation, Owner, Writer};
use std::path::Path;
use std::sync::Arc;

const POLICY: &str = r#"
durability = "sync"
checkpoint_within = "1h"
actors = ["user:*", "operator"]
[at]
ahead = "1m"
behind = "1h"
[[order]]
name = "four-eyes"
template = "precedence"
first = "custom/approved"
then = "custom/executed"
different = "actor"
"#;

/// When the policy was set, about.
const SET_NS: i64 = 1_771_869_600_000_000_000;
const MINUTE_NS: i64 = 60 * 1_000_000_000;

/// A log of several segments: runs before the policy, the policy, an order that was approved by `user:a`, more runs.
fn log() -> SimFs {
    let fs = SimFs::new();
    let log = open(&fs, 1024).unwrap();
    submit(&log, &commands(2));
    log.set_policy(POLICY, "keeper").unwrap();
    let approved = r#"{"contract":"custom","run":"order","do":"record","kind":"custom/approved","actor":"user:a"}"#;
    submit(&log, &[Request::parse_line(approved.as_bytes()).unwrap()]);
    submit(&log, &commands(4)[20..]);
    log.close().unwrap();
    fs
}

fn custom<'a>(stream: &'a str, kind: &'a str) -> AppendEvent<'a> {
    let (kind, payload) = (Kind::Custom(kind), b"null".as_slice());
    AppendEvent { stream, kind, kind_version: 1, causation: Causation::None, payload }
}

/// Appends commits without the checks of the engine.
fn forge(fs: &SimFs, commits: &[Append<'_>]) {
    let owner = Owner { program: "forger".to_owned() };
    let (writer, _) = Writer::open(Arc::new(fs.clone()), Path::new(DIR), &owner).unwrap();
    for commit in commits {
        let ticket = writer.append(commit).unwrap();
        writer.wait(&ticket).unwrap();
    }
    writer.close().unwrap();
    let log = open(fs, 1024).unwrap();
    submit(&log, &commands(6)[40..]);
    log.close().unwrap();
}

fn policies(fs: &SimFs) -> Policies {
    let (policies, flaw) = view(fs).policies();
    assert!(flaw.is_none(), "{flaw:?}");
    policies
}

fn findings(fs: &SimFs) -> Vec<String> {
    let found = checked(fs);
    assert_eq!(found.report.verdict(), evlog_verify::Verdict::Clean);
    found.contract_findings.iter().map(|finding| format!("{}: {}", finding.run, finding.message)).collect()
}

#[test]
fn what_was_taken_under_a_policy_is_never_a_finding() {
    // L-10.
    let fs = log();
    assert_eq!(findings(&fs), Vec::<String>::new());
    assert_eq!(policies(&fs).all().len(), 1);
}

#[test]
fn what_the_policy_of_its_time_forbids_is_found_by_all_who_judge() {
    // L-10.
    let set = policies(&log()).all()[0].set.clone().unwrap().seq;
    let by = |actor| move |class, more: i64| (SET_NS + more, class, actor);
    let (user, sync) = (by("user:a"), Durability::Sync);
    let finding = |run: &str, message: &str| format!("{run}: policy set by seq {set}: {message}");
    let cases = [
        ("custom/note", user(Durability::Os, 0), None, "durability: expected `sync`, found the weaker `os`".to_owned()),
        (
            "custom/note",
            by("mallory")(sync, 0),
            None,
            "actor: expected a name of the form `user:*` or `operator`, found `mallory`".to_owned(),
        ),
        (
            "custom/executed",
            user(sync, 0),
            None,
            format!(
                "policy rule `four-eyes`, in force since seq {set}: expected: each custom/executed comes after custom/approved, \
                 with another actor; found: none that fits came before it"
            ),
        ),
        ("custom/note", user(sync, 0), Some(SET_NS + 2 * MINUTE_NS), "at: expected a time at most 1m ahead".to_owned()),
        (
            "custom/note",
            user(sync, 0),
            Some(SET_NS - 61 * MINUTE_NS),
            "at: expected a time at most 1h behind".to_owned(),
        ),
    ];
    for (event, (recorded_ns, class, actor), occurred_ns, expected) in cases {
        // Of several names, so that each of several threads has one of them.
        for run in ["order", "order-1", "order-2", "order-3", "order-4"] {
            let (fs, events) = (log(), [custom(run, event)]);
            let commit = Append::new(recorded_ns, class, actor, &events);
            forge(&fs, &[Append { occurred_ns: occurred_ns.map(i128::from), ..commit }]);
            let found = findings(&fs);
            assert!(found.len() == 1 && found[0].starts_with(&finding(run, &expected)), "{found:?}");
            // Only one of the runs has an approval, by the same person.
            let has_nearest = expected.contains("four-eyes") && run == "order";
            assert_eq!(found[0].contains("; the nearest is seq "), has_nearest, "{found:?}");
        }
    }
    // A run that begins too long after the last checkpoint is a finding. A run that began earlier may continue.
    let (fs, late, old) = (log(), [custom("late", "custom/note")], [custom("order", "custom/note")]);
    let at = |events| Append::new(SET_NS + 90 * MINUTE_NS, Durability::Sync, "user:a", events);
    forge(&fs, &[at(&old), at(&late)]);
    let found = findings(&fs);
    let expected =
        finding("late", "expected a checkpoint signed within the last 1h before a run begins, found none since");
    assert!(found.len() == 1 && found[0].starts_with(&expected), "{found:?}");
}

#[test]
fn without_a_policy_the_default_is_what_history_is_judged_by() {
    // L-04.
    let fs = SimFs::new();
    let log = open(&fs, 1024).unwrap();
    submit(&log, &commands(2));
    log.close().unwrap();
    let events = [custom("order", "custom/note")];
    let ahead = Append::new(SET_NS, Durability::Os, "anybody", &events);
    forge(&fs, &[Append { occurred_ns: Some((SET_NS + 6 * MINUTE_NS).into()), ..ahead }]);
    let found = findings(&fs);
    let expected = "order: policy by default: at: expected a time at most 5m ahead of the clock, which says 2026-02-23T18:00:00.000Z, found `2026-02-23T18:06:00.000Z`";
    assert_eq!(found, [expected]);
}

#[test]
fn events_that_contradict_the_policy_are_found() {
    // L-01, L-11.
    let number = policies(&log()).all()[0].number();
    let set = |text: &str, digest: &str, previous| {
        let blake3 = *blake3::hash(digest.as_bytes()).as_bytes();
        let said = PolicySet { text: text.to_owned(), blake3, previous, set_by: "mallory".to_owned() };
        (kind::LOG_POLICY_SET, payload::encode(&said).unwrap())
    };
    let opened = |policy| (kind::LOG_OPENED, payload::encode(&Opened { program: "evlog".to_owned(), policy }).unwrap());
    let cases = [
        (set("", "x", number), "expected a policy and the digest of its text, found another"),
        (set("", "", None), "expected the number of the policy before"),
        (set("durability = 1", "durability = 1", number), "line 1, column 14"),
        (opened(None), "expected the policy in force, event "),
    ];
    for ((kind, payload), expected) in cases {
        let fs = log();
        let event =
            AppendEvent { stream: LOG_STREAM, kind, kind_version: 1, causation: Causation::None, payload: &payload };
        forge_last(&fs, &[event]);
        let found = findings(&fs);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }
    let (fs, same) = (log(), opened(number));
    let event =
        AppendEvent { stream: LOG_STREAM, kind: same.0, kind_version: 1, causation: Causation::None, payload: &same.1 };
    forge_last(&fs, &[event]);
    assert_eq!(findings(&fs), Vec::<String>::new());
}

/// A commit of the log's own at its end.
fn forge_last(fs: &SimFs, events: &[AppendEvent<'_>]) {
    let owner = Owner { program: "forger".to_owned() };
    let (writer, _) = Writer::open(Arc::new(fs.clone()), Path::new(DIR), &owner).unwrap();
    let ticket = writer.append(&Append::new(SET_NS, Durability::Sync, "evlog", events)).unwrap();
    writer.wait(&ticket).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_writer_that_cannot_read_the_policy_records_nothing() {
    // L-11.
    let fs = log();
    let number = policies(&fs).all()[0].number();
    let text = "later = \"member\"".to_owned();
    let said = PolicySet {
        blake3: *blake3::hash(text.as_bytes()).as_bytes(),
        text,
        previous: number,
        set_by: "later".to_owned(),
    };
    let payload = payload::encode(&said).unwrap();
    let (kind, causation) = (kind::LOG_POLICY_SET, Causation::None);
    forge_last(&fs, &[AppendEvent { stream: LOG_STREAM, kind, kind_version: 1, causation, payload: &payload }]);
    let before = view(&fs).next_seq();
    let log = open(&fs, 1024).unwrap();
    let refused = log.submit(&commands(8)[70]).unwrap_err();
    assert!(refused.to_string().contains("unknown field `later`"), "{refused}");
    log.close().unwrap();
    assert_eq!(view(&fs).next_seq(), before);
}

#[test]
fn what_a_later_program_says_of_the_log_is_kept_and_a_policy_of_it_is_not_guessed() {
    // L-11.
    let later = |kind, payload: &[u8]| {
        let fs = log();
        let event = AppendEvent { stream: LOG_STREAM, kind, kind_version: 2, causation: Causation::None, payload };
        forge_last(&fs, &[event]);
        fs
    };
    let submits = |fs: &SimFs| {
        let log = open(fs, 1024).unwrap();
        let refused = log.submit(&commands(8)[70]).map(|_| ());
        log.close().unwrap();
        refused
    };
    for kind in [kind::LOG_CLOSED, kind::LOG_KEY_ADDED, kind::LOG_LOSS_ACCEPTED, kind::LOG_PROJECTION_PUBLISHED] {
        let fs = later(kind, b"of another table");
        assert_eq!(findings(&fs), Vec::<String>::new(), "{kind}");
        assert!(submits(&fs).is_ok(), "{kind}");
    }
    let fs = later(kind::LOG_POLICY_SET, b"of another table");
    let found = findings(&fs);
    assert!(found.len() == 1 && found[0].contains("a later program set it"), "{found:?}");
    for fs in [fs, later(kind::LOG_OPENED, b"of another table")] {
        let before = view(&fs).next_seq();
        assert!(submits(&fs).unwrap_err().to_string().contains("a later program"));
        assert_eq!(view(&fs).next_seq(), before);
    }
}
