//! `evlog run`: exit codes, what it leaves, what it refuses, and `kill -9`.

use crate::crash::{Lines, ROUNDS, assert_sound, moment};
use crate::reports::junit_counts;
use crate::support::{Done, Room, signal};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::thread::sleep;

/// Three stages; the second is given.
fn plan(second: &str) -> String {
    format!(
        r#"name = "small"

[[reason_code]]
stage = "judge"
code = "judged"
severity = "NON-FATAL"

[[schema]]
id = "list"
file = "list.schema.json"
mode = "jsonl_lines"

[[stage]]
id = "collect"
command = ["sh", "-c", 'echo "{{\"n\":1}}" > "$EVLOG_STAGING_DIR/list.jsonl"; echo collecting']
reason_code = "storage_io_error"
[[stage.output]]
path = "list.jsonl"
schema = "list"

[[stage]]
id = "judge"
{second}
reason_code = "judged"

[[stage]]
id = "report"
command = ["sh", "-c", 'echo "{{}}" > "$EVLOG_STAGING_DIR/report.json"']
reason_code = "storage_io_error"
[[stage.output]]
path = "report.json"
"#
    )
}

const GOOD: &str = r#"command = ["true"]"#;

fn room(second: &str) -> Room {
    let room = Room::new();
    room.write("plan.toml", &plan(second));
    room.write("list.schema.json", r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#);
    room
}

/// What must hold after any run that came to its end.
fn assert_proved(room: &Room) {
    for event in room.ends(0, &["cat", "--json"]).lines() {
        assert!(event["payload"].get("hex").is_none(), "a payload that is not read: {event}");
    }
    room.ends(0, &["verify"]);
    room.ends(0, &["project", "--check", "."]);
    let replay = room.ends(0, &["replay", "--json"]).json();
    assert_ne!(replay["compared"], 0, "what was published was recorded");
}

#[test]
fn a_run_ends_by_its_outcomes_and_its_bundle_is_as_the_log_says() {
    let cases = [
        (GOOD, 0, "success", 0),
        ("command = [\"false\"]\nfail_mode = \"warn_and_skip\"", 10, "partial", 0),
        (r#"command = ["false"]"#, 20, "failed", 1),
    ];
    for (second, code, status, blocked) in cases {
        let room = room(second);
        let done = room.ends(code, &["run", "plan.toml", "--run-id", "r-1", "--json"]);
        let answer = done.json();
        assert_eq!(
            (&answer["run"], &answer["status"], &answer["exit_code"]),
            (&json!("r-1"), &json!(status), &json!(code))
        );
        assert_eq!(answer["bundle"], "runs/r-1");
        let outcomes = answer["outcomes"].as_array().unwrap();
        assert_eq!(outcomes.len(), 3, "{done:?}");
        let codes = outcomes.iter().filter(|outcome| outcome["reason_code"] == "blocked_by_upstream_failure");
        assert_eq!(codes.count(), blocked);
        assert_eq!(room.path("runs/r-1/report.json").exists(), code != 20);
        assert_eq!(fs::read_to_string(room.path("runs/r-1/logs/collect.log")).unwrap(), "collecting\n");
        assert!(!room.path("runs/r-1/.staging").exists());
        done.says("collect").says("judge");
        assert_proved(&room);
    }
}

#[test]
fn a_failed_publish_gate_is_reported_with_its_findings_and_publishes_nothing() {
    let room = room(GOOD);
    room.write("list.schema.json", r#"{"type":"object","required":["absent"]}"#);
    let done = room.ends(20, &["run", "plan.toml", "--run-id", "r-1"]);
    done.says("publish gate failed").says("list.jsonl, line 1").says("absent");
    assert!(!room.path("runs/r-1/list.jsonl").exists());
    assert!(room.path("runs/r-1/logs/contract_validation/collect.json").exists());
    assert_proved(&room);
}

#[test]
fn the_answer_for_people_has_run_status_and_bundle() {
    let room = room(GOOD);
    let done = room.ends(0, &["run", "plan.toml", "--run-id", "r-1"]);
    let lines: Vec<Vec<&str>> = done.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["run", "r-1"]);
    assert_eq!(lines[1][..2], ["status", "success"]);
    assert_eq!(lines[2], ["bundle", "runs/r-1"]);
    assert_eq!(room.ends(0, &["runs", "--json"]).lines()[0]["terminal"], true);
    let quiet = room.ends(0, &["run", "plan.toml", "-q"]);
    assert_eq!(quiet.err, "");
}

#[test]
fn one_changed_byte_in_an_artifact_or_in_captured_output_is_found() {
    let room = room(GOOD);
    room.ends(0, &["run", "plan.toml", "--run-id", "r-1"]);
    for path in ["list.jsonl", "report.json", "logs/collect.log"] {
        let path = room.path(&format!("runs/r-1/{path}"));
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[0] ^= 1;
        fs::write(&path, &bad).unwrap();
        let found = room.ends(1, &["project", "--check", ".", "--json"]).json();
        assert_eq!(found["findings"].as_array().unwrap().len(), 1, "{found}");
        fs::remove_file(&path).unwrap();
        assert_eq!(room.ends(1, &["project", "--check", ".", "--json"]).json()["findings"][0]["finding"], "missing");
        fs::write(&path, good).unwrap();
    }
    assert_proved(&room);
}

#[test]
fn a_plan_that_is_refused_leaves_nothing_behind() {
    let cases = [
        (plan(GOOD).replace("[[schema]]", "colour = 1\n[[schema]]"), "colour"),
        (plan(GOOD).replace("\"judge\"", "\"collect\""), "collect"),
        (plan(GOOD).replace("path = \"report.json\"", "path = \"../report.json\""), ".."),
        (plan(GOOD).replace("list.schema.json", "none.schema.json"), "none.schema.json"),
        (plan(GOOD).replace("[[schema]]", "[secrets]\nnames = [\"NO_SUCH_VARIABLE\"]\n[[schema]]"), "NO_SUCH_VARIABLE"),
        ("[[".to_owned(), "plan.toml:1:"),
    ];
    for (text, message) in cases {
        let room = room(GOOD);
        room.write("plan.toml", &text);
        room.ends(2, &["run", "plan.toml"]).says("the plan is refused").says(message);
        assert!(!room.path("evlog").exists() && !room.path("runs").exists(), "{text}");
    }
    let room = room(GOOD);
    room.ends(2, &["run", "absent.toml"]).says("absent.toml");
    room.ends(2, &["run", "plan.toml", "--run-id", "../x"]).says("run id");
    room.ends(2, &["run", "plan.toml", "--no-create"]).says("no log");
    assert!(!room.path("evlog").exists() && !room.path("runs").exists());
}

#[test]
fn a_log_that_another_process_writes_is_refused_before_anything_is_made() {
    let room = room(GOOD);
    let mut holder = room.spawn(&["submit"]);
    let mut stdin = holder.stdin.take().unwrap();
    writeln!(stdin, r#"{{"contract":"status","run":"A","do":"create"}}"#).unwrap();
    let results = Lines::of(&mut holder);
    results.wait_for(1, &mut holder);
    let done = room.ends(2, &["run", "plan.toml"]);
    done.says(&format!("process {} (evlog submit", holder.id()));
    assert!(!room.path("runs").exists());
    drop(stdin);
    assert!(holder.wait().unwrap().success());
}

#[test]
fn a_run_id_is_used_once() {
    let room = room(GOOD);
    room.ends(0, &["run", "plan.toml", "--run-id", "r-1"]);
    let before = room.ends(0, &["cat", "--run", "r-1"]).out;
    let again = room.ends(20, &["run", "plan.toml", "--run-id", "r-1"]);
    again.says("r-1");
    assert_eq!(room.ends(0, &["cat", "--run", "r-1"]).out, before);
}

#[test]
fn a_killed_run_loses_no_committed_event() {
    let room = room(r#"command = ["sh", "-c", "sleep 0.02"]"#);
    room.ends(0, &["init"]);
    let mut seen = 0;
    for round in 0..ROUNDS {
        let run = format!("r-{round}");
        // A witness: what it prints was committed, no matter which process is killed. It may begin to look after the run did: it shows what there is.
        let mut witness = room.spawn(&["tail", "-f", "-n", "1000", "--run", &run, "--json"]);
        let seen_by_witness = Lines::of(&mut witness);
        let mut child = room.spawn(&["run", "plan.toml", "--run-id", &run]);
        seen_by_witness.wait_for(round % 16, &mut child);
        sleep(moment(round, 30_000));
        child.kill().unwrap();
        child.wait_with_output().unwrap();
        witness.kill().unwrap();
        witness.wait().unwrap();
        let witnessed = seen_by_witness.all().concat();
        assert_sound(&room);
        let kept = room.run(&["cat", "--run", &run, "--json"]).out;
        assert!(kept.starts_with(&witnessed), "{witnessed}\nis not how this begins:\n{kept}");
        seen += witnessed.lines().count();
        if kept.is_empty() {
            continue;
        }
        // The bundle may be behind; `project` brings it up to the log.
        let finished = room.run(&["show", &run, "--json"]).json()["status"] != "in_progress";
        room.ends(0, &["project", "--out", ".", "--run", &run]);
        let check = room.run(&["project", "--check", ".", "--run", &run, "--json"]);
        let findings: Vec<Value> = check.json()["findings"].as_array().unwrap().clone();
        let projected = findings.iter().all(|found| found["finding"] == "unexpected" || found["finding"] == "missing");
        assert!(!finished && projected || findings.is_empty(), "{check:?}");
    }
    assert!(seen > 20, "the witness saw too little to show anything: {seen} events");
}

/// Ctrl-C as a terminal sends it reaches evlog alone: the stage has a process group of its own.
#[test]
fn ctrl_c_twice_ends_the_running_stage_and_leaves_the_run_in_progress() {
    for signals in [&["INT", "INT"][..], &["TERM"]] {
        let room = room(r#"command = ["sh", "-c", "echo $$ > pid; sleep 60 & sleep 60"]"#);
        let child = room.spawn(&["run", "plan.toml", "--run-id", "stopped"]);
        while !fs::read_to_string(room.path("pid")).is_ok_and(|text| text.ends_with('\n')) {
            sleep(std::time::Duration::from_millis(5));
        }
        for name in signals {
            signal(&child, name);
            // Two signals of one kind that wait to be taken are one signal.
            sleep(std::time::Duration::from_millis(100));
        }
        let done = child.wait_with_output().unwrap();
        let talk = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(130), "{talk}");
        assert!(talk.contains("run `stopped` was interrupted in stage `judge`, whose processes have ended"), "{talk}");
        let leader = fs::read_to_string(room.path("pid")).unwrap();
        assert!(!fs::exists(format!("/proc/{}", leader.trim())).unwrap(), "the stage is gone");
        assert_eq!(room.ends(0, &["show", "stopped", "--json"]).json()["status"], "in_progress");
        room.ends(0, &["verify"]);
        room.ends(0, &["project", "--check", "."]);
        assert!(!room.path("runs/.locks/stopped.lock").exists(), "the lock is given back");
    }
}

#[test]
fn ctrl_c_once_lets_the_running_stage_end_and_begins_no_other() {
    let room = room(r#"command = ["sh", "-c", "echo $$ > pid; while [ ! -e go ]; do sleep 0.02; done"]"#);
    let child = room.spawn(&["run", "plan.toml", "--run-id", "stopped"]);
    while !fs::read_to_string(room.path("pid")).is_ok_and(|text| text.ends_with('\n')) {
        sleep(std::time::Duration::from_millis(5));
    }
    signal(&child, "INT");
    sleep(std::time::Duration::from_millis(100));
    room.write("go", "");
    let done = child.wait_with_output().unwrap();
    let talk = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(130), "{talk}");
    assert!(talk.contains("interrupted before stage `report`"), "{talk}");
    let stages = &room.ends(0, &["show", "stopped", "--json"]).json()["stages"];
    let words: Vec<&str> = (0..3).map(|at| stages[at]["state"].as_str().unwrap()).collect();
    assert_eq!(words, ["success", "success", "pending"]);
}

#[test]
fn a_run_that_could_not_open_enough_files_is_refused_before_its_first_stage_with_the_limit() {
    let room = Room::new();
    room.write(
        "plan.toml",
        "name = \"p\"\n[[stage]]\nid = \"one\"\nreason_code = \"storage_io_error\"\ncommand = [\"sh\", \"-c\", \"echo said; touch ran\"]\n",
    );
    for limit in [14, 20, 30] {
        let script = format!("ulimit -n {limit}; exec \"$0\" run plan.toml --run-id r");
        let done: Done = room.command_of("sh", &["-c", &script, env!("CARGO_BIN_EXE_evlog")]).output().unwrap().into();
        assert_eq!(done.code, 2, "{limit}: {done:?}");
        done.says("expected to open 32 more files at a time").says(&format!("a limit of {limit}, `ulimit -n`"));
        assert!(!room.path("ran").exists() && !room.path("runs/r").exists(), "{limit}");
    }
    let script = "ulimit -n 64; exec \"$0\" run plan.toml --run-id r";
    let done: Done = room.command_of("sh", &["-c", script, env!("CARGO_BIN_EXE_evlog")]).output().unwrap().into();
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(fs::read_to_string(room.path("runs/r/logs/one.log")).unwrap(), "said\n");
}

#[test]
fn a_run_id_that_the_log_has_leaves_no_trace_also_with_another_directory() {
    let room = Room::new();
    room.ends(0, &["run", "--init", "first"]);
    room.ends(0, &["run", "first/plan.toml", "--run-id", "one"]);
    let before = room.ends(0, &["cat", "--json"]).out;
    room.ends(20, &["run", "first/plan.toml", "--run-id", "one", "--out", "elsewhere"])
        .says("--run-id `one`: log `./evlog` has a run of this name already");
    assert_eq!(room.ends(0, &["cat", "--json"]).out, before);
    room.ends(0, &["project", "--check", "."]);
    assert!(!room.path("elsewhere/runs/one").exists());
}

#[test]
fn the_actor_of_a_command_is_typed_or_in_the_environment_or_else_the_user() {
    let room = Room::new();
    room.write(
        "plan.toml",
        "name = \"p\"\n[[stage]]\nid = \"a\"\ncommand = [\"true\"]\nreason_code = \"input_missing\"\n",
    );
    room.write("one.jsonl", "{\"contract\":\"status\",\"run\":\"s\",\"do\":\"create\"}\n");
    let by = |run: &str, options: &[&str], variable: &str| {
        let typed: &[&str] = if run == "s" { &["submit", "one.jsonl"] } else { &["run", "plan.toml", "--run-id", run] };
        let done = room.command(&[typed, options].concat()).env("EVLOG_ACTOR", variable).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        let events = room.ends(0, &["cat", "--json", "--run", run]).lines();
        assert!(events.iter().all(|event| event["actor"] == events[0]["actor"]), "{events:?}");
        [events[0]["actor"].clone(), events[0]["principal"].clone()]
    };
    assert_eq!(by("one", &["--actor", "user:ann"], "ci:7")[0], "user:ann");
    assert_eq!(by("two", &[], "ci:7")[0], "ci:7");
    for run in ["three", "s"] {
        let [actor, principal] = by(run, &[], "");
        assert!(actor == principal && principal.as_str().unwrap().starts_with("os:"), "{actor} {principal}");
    }
}

#[test]
fn junit_says_how_each_stage_ended_and_is_not_green_before_the_run_has_ended() {
    let room = Room::new();
    let stage = |id: &str, script: &str| {
        format!("[[stage]]\nid = \"{id}\"\ncommand = [\"sh\", \"-c\", \"{script}\"]\nreason_code = \"input_missing\"\n")
    };
    let stages = stage("one", "true") + &stage("two", "echo oh; false") + &stage("three", "true");
    room.write("plan.toml", &format!("name = \"own\"\n{stages}"));
    let report = |code: i32, more: &[&str]| {
        room.ends(code, &[&["run", "plan.toml", "--junit", "ci.xml"], more].concat());
        fs::read_to_string(room.path("ci.xml")).unwrap()
    };
    let found = report(20, &["--run-id", "a"]);
    assert_eq!(junit_counts(&found), [3, 1, 1], "{found}");
    assert!(
        found.contains("two failed with input_missing (fail_closed); what it printed is in `logs/two.log`"),
        "{found}"
    );
    assert!(found.contains("<property name=\"run status\" value=\"failed\"/>"), "{found}");
    // The report of a run that could not begin has a failure, and replaces the report of the earlier run.
    for (code, more) in [(20, &["--run-id", "a"][..]), (2, &["--retry", "nobody"])] {
        let found = report(code, more);
        assert_eq!(junit_counts(&found), [1, 1, 0], "{found}");
        assert!(found.contains("type=\"run_ends\""), "{found}");
    }
    room.write("plan.toml", &format!("name = \"own\"\n{}", stage("one", "true")));
    assert_eq!(junit_counts(&report(0, &[])), [1, 0, 0]);
    room.ends(2, &["run", "plan.toml", "--junit", "evlog/HEAD"]).says("expected a place outside the log");
    // The run has ended, and the report could not be written.
    let done = room.ends(2, &["run", "plan.toml", "--junit", "/dev/full", "--run-id", "lost"]);
    done.says("could not write `/dev/full`");
}
