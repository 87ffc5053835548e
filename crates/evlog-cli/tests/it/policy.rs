//! `evlog policy`, as people and programs use it. The rules come from `docs/policy.md`.

use crate::support::Room;
use evlog::Options;
use evlog::checkpoint::{ReadBack, Statement};
use evlog::clock::{Clock, StepClock, SystemClock};
use evlog_format::{Durability, FORMAT_VERSION, Kind};
use evlog_projection::Contracts;
use evlog_proof::{Checkpoint, SignerKey};
use evlog_store::{Append, AppendEvent, Causation, Owner, StdFs, Writer};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

fn record(run: &str, kind: &str, actor: &str) -> String {
    format!(r#"{{"contract":"custom","run":"{run}","do":"record","kind":"custom/{kind}","actor":"{actor}"}}"#) + "\n"
}

/// The code that each line was answered with, or its result.
fn codes(out: &str) -> Vec<String> {
    let of = |line: &str| {
        let answer: Value = serde_json::from_str(line).unwrap();
        answer["error"]["code"].as_str().or(answer["result"].as_str()).unwrap().to_owned()
    };
    out.lines().map(of).collect()
}

/// A room with a log.
fn log() -> Room {
    let room = Room::new();
    room.ends(0, &["init"]);
    room
}

/// A room with a log and a key that signs for it.
fn log_with_key() -> Room {
    let room = log();
    room.ends(0, &["key", "new", "example.com/t", "--out", "t.key"]);
    room
}

fn set(room: &Room, text: &str) -> Value {
    fs::write(room.path("policy.toml"), text).unwrap();
    room.ends(0, &["policy", "set", "policy.toml", "--actor", "keeper", "--json"]).json()
}

#[test]
fn the_example_of_the_documents_is_a_policy_and_is_shown_as_it_was_set() {
    let page = include_str!("../../../../docs/policy.md");
    let text = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let room = log();
    let done = set(&room, text);
    assert_eq!(
        (&done["new"], &done["set_by"], &done["checkpoint_within"]),
        (&json!(true), &json!("keeper"), &json!("1d"))
    );
    assert_eq!(set(&room, text)["new"], json!(false));
    assert_eq!(room.ends(0, &["policy", "show", "--text"]).out, text);
    let shown = room.ends(0, &["policy", "show"]).out;
    for expected in [
        "set by      keeper (os:",
        "at          at most 5m ahead of the clock, at most 30d behind it",
        "durability  `sync` or stronger",
        "checkpoint  signed within the last 1d when a run begins",
        "order       four-eyes: precedence(custom/approved, custom/executed), by another actor, within 2d (since seq",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let seq = done["seq"].as_u64().unwrap();
    let of = |at: u64| room.ends(0, &["policy", "show", "--json", "--at", &at.to_string()]).json()["seq"].clone();
    assert_eq!((of(seq), of(seq + 1)), (Value::Null, json!(seq)), "an event is not judged by the policy that it sets");
}

#[test]
fn without_a_policy_the_default_is_shown_and_has_no_text() {
    let room = log();
    assert!(room.ends(0, &["policy", "show"]).out.starts_with("in force    the default; no policy was set"));
    let done = room.ends(1, &["policy", "show", "--text"]);
    assert!(done.out.is_empty() && done.err.contains("found the default policy"), "{done:?}");
    assert!(room.ends(2, &["policy", "show", "--at", "99"]).err.contains("--at 99"));
}

#[test]
fn a_file_that_is_no_policy_is_refused_with_its_place_and_leaves_no_trace() {
    let room = log();
    let before = room.ends(0, &["cat"]).out;
    fs::write(room.path("p.toml"), "durability = \"sync\"\nactros = []\n").unwrap();
    let done = room.ends(2, &["policy", "set", "p.toml"]);
    assert!(done.err.contains("`p.toml`: line 2, column 1: unknown field `actros`"), "{done:?}");
    assert!(room.ends(2, &["policy", "set", "none.toml"]).err.contains("could not read `none.toml`"));
    assert_eq!(room.ends(0, &["cat"]).out, before);
    let nowhere = Room::new();
    fs::write(nowhere.path("p.toml"), "").unwrap();
    assert!(nowhere.ends(2, &["policy", "set", "p.toml"]).err.contains("no log"));
}

#[test]
fn what_breaks_the_policy_is_refused_and_verify_finds_all_that_was_taken_good() {
    let room = log();
    set(
        &room,
        "actors = [\"user:*\"]\n[[order]]\nname = \"eyes\"\ntemplate = \"precedence\"\nfirst = \"custom/ok\"\nthen = \"custom/do\"\ndifferent = \"actor\"",
    );
    let lines = [
        record("o", "do", "user:a"),
        record("o", "ok", "user:a"),
        record("o", "do", "user:a"),
        record("o", "do", "user:b"),
        record("o", "ok", "x"),
    ];
    let done = room.feed(&["submit"], &lines.concat());
    assert_eq!(done.code, 1);
    assert_eq!(codes(&done.out), ["POLICY_ORDER", "accepted", "POLICY_ORDER", "accepted", "POLICY_ACTOR"]);
    let unnamed = r#"{"contract":"custom","run":"o","do":"record","kind":"custom/note"}"#;
    assert_eq!(codes(&room.feed(&["submit"], unnamed).out), ["POLICY_ACTOR"]);
    assert_eq!(codes(&room.feed(&["submit", "--actor", "user:c"], unnamed).out), ["accepted"]);
    assert!(
        room.ends(0, &["verify"]).out.contains("1 run, each follows its contract and the policy in force at its time")
    );
    assert_eq!(room.ends(0, &["verify", "--json"]).json()["policies"], 1);
}

#[test]
fn a_rule_that_did_not_see_what_came_before_it_says_since_when_it_is_in_force() {
    // L-09.
    let room = log();
    room.feed(&["submit"], &record("o", "approved", "a"));
    let rule = "[[order]]\nname = \"eyes\"\ntemplate = \"precedence\"\nfirst = \"custom/approved\"\nthen = \"custom/executed\"\n";
    let seq = set(&room, rule)["seq"].to_string();
    let done = room.feed(&["submit"], &record("o", "executed", "a"));
    let said = format!(
        "policy rule `eyes`, in force since seq {seq}: expected: each custom/executed comes after custom/approved; found: none \
         came before it"
    );
    assert!(done.out.contains(&said), "{done:?}");
    // A first event that an earlier event has used cannot be used again.
    set(&room, &rule.replace("\"precedence", "\"alternate_precedence"));
    let lines: String = ["approved", "executed", "executed"].map(|kind| record("o", kind, "a")).concat();
    let done = room.feed(&["submit"], &lines);
    assert_eq!(codes(&done.out), ["accepted", "accepted", "POLICY_ORDER"]);
    assert!(done.out.contains("found: none came since the last one"), "{done:?}");
}

#[test]
fn a_text_that_cannot_mean_what_it_says_is_refused_where_it_is_set() {
    // L-02.
    let room = log();
    for (text, said) in [
        ("checkpoint_within = \"0s\"", "line 1, column 21: expected at least `1s`, found `0s`"),
        ("\nactors = []", "line 2, column 10: expected at least one form of an actor, found none"),
        (
            "[[order]]\nname = \"n\"\ntemplate = \"absence\"\nkind = \"custom/*\"",
            "line 4, column 8: expected the name of a kind, found the pattern `custom/*`",
        ),
    ] {
        fs::write(room.path("p.toml"), text).unwrap();
        room.ends(2, &["policy", "set", "p.toml"]).says(said);
    }
    for template in ["not_co_existence", "precedence", "alternate_precedence", "chain_precedence"] {
        let rule = "first = \"custom/paid\"\nthen = \"custom/paid\"";
        fs::write(room.path("p.toml"), format!("[[order]]\nname = \"n\"\ntemplate = \"{template}\"\n{rule}")).unwrap();
        room.ends(2, &["policy", "set", "p.toml"])
            .says("line 5, column 8: expected another kind than `first`, found the same");
    }
    room.ends(0, &["policy", "show"]);
}

/// A log whose policy was set three hours ago, with a key.
fn log_with_old_policy(text: &str) -> Room {
    let room = Room::new();
    room.ends(0, &["key", "new", "example.com/t", "--out", "t.key"]);
    let hours_ago_ns = SystemClock.now_ns() - 3 * 3_600_000_000_000;
    let options = Options { clock: Arc::new(StepClock::new(hours_ago_ns, 1)), ..Options::new("three hours ago") };
    let log = options.open(room.path("evlog"), Contracts::new()).unwrap();
    log.set_policy(text, "keeper").unwrap();
    log.close().unwrap();
    room
}

fn signed(room: &Room) -> usize {
    room.ends(0, &["cat", "--json"]).out.matches("log.checkpoint_signed").count()
}

#[test]
fn where_the_last_checkpoint_is_too_old_a_session_with_a_key_signs_one_and_its_runs_begin() {
    // L-07.
    let room = log_with_old_policy("checkpoint_within = \"1h\"");
    let line = |run| record(run, "note", "a");
    assert_eq!(codes(&room.feed(&["submit"], &line("o")).out), ["POLICY_CHECKPOINT"]);
    assert_eq!(codes(&room.feed(&["submit", "--key", "t.key"], &line("o")).out), ["accepted"]);
    // One checkpoint from before the command, and one from the command.
    assert_eq!(signed(&room), 2);
    assert_eq!(codes(&room.feed(&["submit"], &line("p")).out), ["accepted"]);
    room.ends(0, &["verify"]);
}

#[test]
fn a_session_with_a_key_signs_again_and_again_as_the_policy_wants() {
    // L-07.
    let room = log_with_old_policy("checkpoint_within = \"2s\"");
    let mut child = room.spawn(&["submit", "--key", "t.key"]);
    // The first before any command, the others though nothing is added; it takes as long as it takes.
    while signed(&room) < 3 {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    drop(child.stdin.take());
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{done:?}");
    room.ends(0, &["verify"]);
}

#[test]
fn where_the_log_ends_in_damage_the_policies_before_it_decide_what_is_marked() {
    // L-12.
    let room = log();
    let late = record("o", "note", "a").replace(",\"actor\"", ",\"at\":\"2026-01-01T00:00:00Z\",\"actor\"");
    set(&room, "[at]\nmark = \"30000d\"");
    assert_eq!(codes(&room.feed(&["submit"], &late).out), ["accepted"]);
    room.feed(&["submit"], &record("o", "note", "a"));
    let segment = room.segments().pop().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&segment, bytes).unwrap();
    for command in
        [&["cat", "--run", "o"][..], &["cat", "--from", "5"], &["tail", "-n", "4"], &["runs"], &["show", "o"]]
    {
        let done = room.ends(2, command);
        done.says("damaged");
        assert!(!done.out.is_empty() && !done.out.contains("backdated"), "{command:?}: {done:?}");
    }
    room.ends(2, &["policy", "show"]).says("damaged");
}

/// A log in which three events of two runs break the policy: another program wrote them.
fn log_against_its_policy() -> Room {
    let room = log();
    set(&room, "actors = [\"user:*\"]");
    let owner = Owner { program: "forger".to_owned() };
    let (writer, _) = Writer::open(Arc::new(StdFs), &room.path("evlog"), &owner).unwrap();
    for run in ["o", "p", "o"] {
        let (kind, payload) = (Kind::Custom("custom/note"), b"null".as_slice());
        let event = AppendEvent { stream: run, kind, kind_version: 1, causation: Causation::None, payload };
        let now = SystemClock.read().wall_ns;
        let ticket = writer.append(&Append::new(now, Durability::Sync, "mallory", &[event])).unwrap();
        writer.wait(&ticket).unwrap();
    }
    writer.close().unwrap();
    room
}

#[test]
fn an_event_that_breaks_the_policy_is_a_finding_of_verify_and_a_run_has_one_at_most() {
    // L-10.
    let room = log_against_its_policy();
    let done = room.ends(1, &["verify", "--json"]).json();
    let runs: Vec<&Value> = done["contract_findings"].as_array().unwrap().iter().map(|found| &found["run"]).collect();
    assert_eq!((&done["verdict"], runs), (&json!("clean"), vec![&json!("o"), &json!("p")]));
    room.ends(1, &["verify"]).says("found `mallory`");
}

#[test]
fn each_command_that_breaks_the_policy_of_its_time_is_a_finding_of_audit_and_no_event_of_the_log_itself_is() {
    // O-12: a policy restricts commands, not what the log records about itself.
    let room = log_against_its_policy();
    // The events of this session are the program's, which the policy does not name.
    room.feed(&["submit"], &record("q", "note", "user:ann"));
    let found = room.ends(1, &["audit", "--json"]).json();
    let policy_kept = |finding: &&Value| finding["rule"] == "policy_kept";
    let found: Vec<&Value> = found["findings"].as_array().unwrap().iter().filter(policy_kept).collect();
    let runs: Vec<&Value> = found.iter().map(|finding| &finding["case"]).collect();
    assert_eq!(runs, ["o", "p", "o"], "{found:?}");
    assert!(found[0]["found"].as_str().unwrap().contains("mallory"), "{found:?}");
}

#[test]
fn a_pipeline_that_the_policy_refuses_does_not_begin() {
    let room = Room::new();
    room.ends(0, &["run", "--init", "demo"]);
    room.ends(0, &["init"]);
    set(&room, "actors = [\"ci:*\"]");
    let done = room.ends(2, &["run", "demo/plan.toml"]);
    assert!(done.err.contains("the policy of the log refused the command `create`: POLICY_ACTOR"), "{done:?}");
    assert!(room.ends(0, &["runs"]).out.is_empty());
    room.ends(0, &["run", "demo/plan.toml", "--actor", "ci:main"]);
    let events = room.ends(0, &["cat", "--json"]).lines();
    let of_run = events.iter().filter(|event| event["kind"].as_str().unwrap().starts_with("pipeline."));
    assert!(of_run.clone().count() > 3 && of_run.clone().all(|event| event["actor"] == "ci:main"), "{events:?}");
}

#[test]
fn marks_are_by_the_policy_of_the_events_time() {
    // L-12.
    let room = log();
    let late = r#"{"contract":"custom","run":"RUN","do":"record","kind":"custom/note","at":"2026-01-01T00:00:00Z"}"#;
    assert_eq!(codes(&room.feed(&["submit"], &late.replace("RUN", "before")).out), ["accepted"]);
    set(&room, "[at]\nmark = \"30000d\"");
    assert_eq!(codes(&room.feed(&["submit"], &late.replace("RUN", "after")).out), ["accepted"]);
    let mark = |lines: &[Value], of: &dyn Fn(&Value) -> Value, run: &str| {
        lines.iter().find(|line| line["stream"] == run || line["run"] == run).map(of).unwrap()
    };
    let (events, runs) = (room.ends(0, &["cat", "--json"]).lines(), room.ends(0, &["runs", "--json"]).lines());
    for (run, expected) in [("before", json!("backdated")), ("after", Value::Null)] {
        assert_eq!(mark(&events, &|line| line["mark"].clone(), run), expected, "{run}");
        assert_eq!(mark(&runs, &|line| line["last"]["mark"].clone(), run), expected, "{run}");
        let shown = room.ends(0, &["show", run]).out;
        assert_eq!(shown.contains("backdated"), expected != Value::Null, "{shown}");
        let explained = room.ends(0, &["explain", run]).out;
        assert_eq!(explained.contains("backdated"), expected != Value::Null, "{explained}");
    }
    // Without the policy both are marked.
    let frames = room.ends(0, &["inspect", "--segment", "0", "--json"]).lines();
    assert_eq!(frames.iter().filter(|frame| frame["mark"] == "backdated").count(), 2);
    let tail = room.ends(0, &["tail"]).out;
    assert_eq!(tail.matches("backdated").count(), 1, "{tail}");
}

#[test]
fn a_log_that_rests_is_signed_once_where_no_policy_wants_more() {
    // L-07.
    let room = log_with_key();
    set(&room, "");
    let is_new = || room.ends(0, &["checkpoint", "--key", "t.key", "--json"]).json()["new"].clone();
    assert_eq!([is_new(), is_new()], [json!(true), json!(false)], "nothing was added, and nobody wants it again");
}

#[test]
fn an_actor_is_checked_wherever_it_is_given() {
    let room = log_with_key();
    fs::write(room.path("policy.toml"), "").unwrap();
    let expected = "expected 1 to 256 bytes of text without control characters";
    let long = "x".repeat(257);
    for command in [&["submit"][..], &["policy", "set", "policy.toml"], &["checkpoint", "--key", "t.key"], &["repair"]]
    {
        for actor in ["", "a\nb", &long] {
            room.ends(2, &[command, &["--actor", actor]].concat()).says(expected);
        }
        let given = |actor: &OsStr| room.command(command).env("EVLOG_ACTOR", actor).output().unwrap();
        let refused = given(OsStr::new("a\u{1}b"));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(expected) && said.contains("EVLOG_ACTOR"), "{said}");
        let refused = given(OsStr::from_bytes(b"a\xff"));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains("EVLOG_ACTOR: expected text in UTF-8"), "{said}");
    }
    // What is typed wins; an empty variable is none.
    let by = |variable: &str, typed: &[&str]| {
        fs::write(room.path("policy.toml"), format!("# {variable} {typed:?}")).unwrap();
        let arguments = [&["policy", "set", "policy.toml", "--json"], typed].concat();
        let done = room.command(&arguments).env("EVLOG_ACTOR", variable).output().unwrap();
        serde_json::from_slice::<Value>(&done.stdout).unwrap()["set_by"].clone()
    };
    assert_eq!(by("env", &["--actor", "typed"]), "typed");
    assert_eq!(by("env", &[]), "env");
    let principal = room.ends(0, &["policy", "show", "--json"]).json()["principal"].clone();
    assert!(principal.as_str().unwrap().starts_with("os:"), "{principal}");
    assert_eq!(by("", &[]), principal, "the user of the operating system");
}

/// Signs the log with a clock that is this many days from now.
fn sign_at(room: &Room, days: i64) {
    let clock = Arc::new(StepClock::new(SystemClock.now_ns() + days * 86_400_000_000_000, 1));
    let log = Options { clock, ..Options::new("tests") }.open(room.path("evlog"), Contracts::new()).unwrap();
    let key = SignerKey::parse(fs::read_to_string(room.path("t.key")).unwrap().trim()).unwrap();
    log.record_key(&key.verifier().to_string()).unwrap();
    let mut read = ReadBack::begin(&log, None, &mut |_, _| {}).unwrap();
    let Statement { size, root, log_id, next_seq, .. } = read.statement(&mut |_, _| {}).unwrap();
    let origin = key.verifier().name().to_owned();
    let note = Checkpoint { origin, size, root, format_version: FORMAT_VERSION, log_id, next_seq }.sign(&key);
    let statement = read.statement(&mut |_, _| {}).unwrap();
    read.record(&statement, key.verifier().name(), note.to_string().as_bytes()).unwrap();
    drop(read);
    log.close().unwrap();
}

#[test]
fn a_checkpoint_of_a_clock_that_was_ahead_is_not_new_for_good() {
    // L-07.
    let room = log_with_key();
    set(&room, "checkpoint_within = \"1h\"");
    sign_at(&room, 365);
    assert_eq!(codes(&room.feed(&["submit"], &record("o", "note", "a")).out), ["POLICY_CHECKPOINT"]);
}

#[test]
fn a_log_that_rests_is_signed_again_once_half_of_the_time_has_passed() {
    // L-07.
    for (days_ago, expected) in [(40, false), (60, true)] {
        let room = log_with_key();
        set(&room, "checkpoint_within = \"100d\"");
        sign_at(&room, -days_ago);
        let done = room.ends(0, &["checkpoint", "--key", "t.key", "--json"]).json();
        assert_eq!(done["new"], json!(expected), "{days_ago}");
    }
}

#[test]
fn a_policy_that_is_not_utf8_is_refused_with_its_place() {
    let room = Room::with_batch();
    fs::write(room.path("policy.toml"), b"# caf\xc3\xa9\nactors = [\"caf\xe9\"]\n").unwrap();
    room.ends(2, &["policy", "set", "policy.toml"]).says("`policy.toml`: line 2, column 15: expected UTF-8");
}
