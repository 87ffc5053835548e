//! The output of `evlog run` while it runs: on a terminal, in a pipe, as JSON; and `--init`.

use crate::support::{Done, Room};
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Stdio};

/// Runs evlog on a terminal of its own.
fn on_a_terminal(room: &Room, arguments: &[&str], variables: &[(&str, &str)]) -> Done {
    room.on_a_terminal(&[&[env!("CARGO_BIN_EXE_evlog")], arguments].concat(), variables)
}

/// Two stages: one prints what would clear a screen, the other takes a while.
fn room() -> Room {
    let room = Room::new();
    let stage = |id: &str, script: &str| {
        format!("[[stage]]\nid = \"{id}\"\nreason_code = \"input_missing\"\ncommand = [\"sh\", \"-c\", '{script}']\n")
    };
    let first = stage("first", r#"printf "one\n\033[2Jtwo\n"; sleep 0.4"#);
    room.write("plan.toml", &format!("name = \"p\"\n{first}{}", stage("second", "echo three; exit 3")));
    room
}

#[test]
fn a_terminal_shows_which_stages_wait_and_is_left_with_the_same_lines_as_a_pipe() {
    let room = room();
    let done = on_a_terminal(&room, &["run", "plan.toml", "--run-id", "r"], &[]);
    assert_eq!(done.code, 20, "{done:?}");
    assert!(done.out.contains("waiting") && done.out.contains("running"), "{done:?}");
    assert!(done.out.contains("\u{1b}["), "lines are drawn over: {done:?}");
    assert!(!done.out.contains("\u{1b}[2J"), "nothing of what a stage prints steers the terminal: {done:?}");
    let piped = room.ends(20, &["run", "plan.toml", "--run-id", "s"]);
    for done in [&done.out, &piped.err] {
        let failed = done.lines().find(|line| line.contains("second") && line.contains("failed"));
        assert!(failed.is_some_and(|line| line.contains("input_missing")), "{done}");
    }
    assert!(!piped.err.contains('\u{1b}') && !piped.err.contains("waiting"), "{piped:?}");
}

#[test]
fn a_stage_that_never_began_is_not_said_to_have_printed_anything() {
    let room = room();
    let plan = fs::read_to_string(room.path("plan.toml")).unwrap();
    room.write("plan.toml", &(plan + "[[stage.input]]\npath = \"absent.txt\"\nfrom = \"plan\"\n"));
    let done = room.ends(20, &["run", "plan.toml", "--run-id", "r"]);
    assert!(done.err.contains("absent.txt") && !done.err.contains("the full output of"), "{done:?}");
    assert!(!room.path("runs/r/logs/second.log").exists());
}

#[test]
fn colours_and_moving_lines_are_left_out_where_they_are_not_wanted() {
    let room = room();
    let plain = on_a_terminal(&room, &["run", "plan.toml"], &[("NO_COLOR", "1")]);
    let is_colour =
        |part: &str| part.find(|c: char| !c.is_ascii_digit() && c != ';').is_some_and(|at| part[at..].starts_with('m'));
    assert!(plain.out.contains("waiting") && !plain.out.split("\u{1b}[").skip(1).any(is_colour), "{plain:?}");
    for (arguments, variables) in [
        (&["run", "plan.toml"][..], &[("TERM", "dumb")][..]),
        (&["run", "plan.toml", "--show-output"], &[]),
        (&["run", "plan.toml", "--quiet"], &[]),
    ] {
        let done = on_a_terminal(&room, arguments, variables);
        assert!(!done.out.contains("waiting"), "{done:?}");
    }
}

#[test]
fn a_failed_stage_is_reported_with_its_last_output() {
    let room = room();
    let done = room.ends(20, &["run", "plan.toml", "--run-id", "r"]);
    done.says("    | three\n").says("hint: the full output of `second` is in runs/r/logs/second.log");
    assert!(!done.err.contains("| one"), "a stage that succeeded is not quoted: {done:?}");
    let all = room.ends(20, &["run", "plan.toml", "--show-output"]);
    all.says("  first               | one\n").says("| two\n").says("| three\n");
}

#[test]
fn json_tells_each_thing_that_happens_on_a_line_and_answers_last() {
    let room = room();
    let lines = room.ends(20, &["run", "plan.toml", "--run-id", "r", "--json"]).lines();
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    let expected = ["run_created", "stage_started", "outcome", "stage_started", "outcome", "run_finished"];
    assert_eq!(events, expected);
    assert_eq!(
        lines[0],
        json!({"event": "run_created", "run": "r", "bundle": "runs/r", "stages": ["first", "second"], "retry_of": null})
    );
    assert_eq!(lines[1], json!({"event": "stage_started", "stage": "first", "log": "runs/r/logs/first.log"}));
    let took = lines[2]["elapsed_ms"].as_u64().unwrap();
    assert!(took >= 400, "{}", lines[2]);
    assert_eq!(lines[4]["reason_code"], "input_missing");
    let lines = room.ends(20, &["run", "plan.toml", "--json", "--show-output"]).lines();
    let printed: Vec<&Value> =
        lines.iter().filter(|line| line["event"] == "output").map(|line| &line["line"]).collect();
    assert_eq!(printed.len(), 3, "{lines:?}");
    assert_eq!(lines.iter().find(|line| line["event"] == "output").unwrap()["stage"], "first");
}

/// A consumer that goes away does not stop the run, nor change how it ends.
#[test]
fn a_run_whose_events_have_no_reader_reaches_its_end() {
    let room = room();
    let mut child = room.spawn(&["run", "plan.toml", "--run-id", "r", "--json"]);
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(20));
    assert_eq!(room.ends(0, &["runs", "--json"]).lines()[0]["status"], "failed");
}

#[test]
fn a_plan_to_begin_with_runs_as_it_is_and_is_never_written_over() {
    let room = Room::new();
    let done = room.ends(0, &["run", "--init", "first"]);
    done.says("`evlog run first/plan.toml` runs it");
    assert_eq!(done.out, "wrote  first/plan.toml\nwrote  first/parcel.schema.json\nwrote  first/report.schema.json\n");
    room.ends(0, &["run", "first/plan.toml", "--run-id", "r"]);
    assert_eq!(fs::read_to_string(room.path("runs/r/report.json")).unwrap(), "{\"parcels\":3}\n");
    room.ends(0, &["conform", "runs/r", "--plan", "first/plan.toml", "--exit-code", "0"]);
    let plan = fs::read(room.path("first/plan.toml")).unwrap();
    room.ends(2, &["run", "--init", "first"]).says("`first/plan.toml` exists; nothing was written");
    fs::remove_file(room.path("first/plan.toml")).unwrap();
    room.ends(2, &["run", "--init", "first"]).says("`first/parcel.schema.json` exists");
    assert!(!room.path("first/plan.toml").exists(), "one file of two is not written");
    let here = room.ends(0, &["run", "--init", "--json"]).json();
    assert_eq!(here, json!({"files": ["plan.toml", "parcel.schema.json", "report.schema.json"]}));
    assert_eq!(fs::read(room.path("plan.toml")).unwrap(), plan);
    room.ends(2, &["run", "--init", "--run-id", "r"]);
    room.ends(2, &["run"]).says("PLAN.toml");
}

/// The message of a schema that does not match names file, line, pointer, expected, found, and what to do.
#[test]
fn a_schema_mismatch_is_reported_so_that_it_can_be_fixed() {
    let room = Room::new();
    room.ends(0, &["run", "--init"]);
    let plan = fs::read_to_string(room.path("plan.toml")).unwrap();
    room.write("wrong.toml", &plan.replace(": 900", ": \"900\""));
    let done = room.ends(20, &["run", "wrong.toml", "--run-id", "r"]);
    done.says("parcels.jsonl, line 2, at /grams: expected type integer, found text of 3 characters");
    done.says("required by schema `parcel`")
        .says("no file of `collect` was published")
        .says("runs/r/logs/contract_validation/collect.json");
    assert!(!done.err.contains("| collecting"), "the gate has said why: {done:?}");
    let events = room.ends(20, &["run", "wrong.toml", "--json"]).lines();
    let failed = events.iter().find(|line| line["event"] == "gate_failed").unwrap();
    assert_eq!(failed["findings"][0]["file"], "parcels.jsonl");
    assert_eq!((&failed["findings"][0]["line"], &failed["findings"][0]["contract"]), (&json!(2), &json!("parcel")));
}

#[test]
fn g29_a_terminal_that_is_closed_ends_a_run_in_order_whatever_is_drawn_on_it() {
    // The terminal hangs up and takes nothing any more: exit code 130, the lock given back, and the run can go on.
    const PROGRAM: &str = "import os, pty, sys\n\
        pid, fd = pty.fork()\n\
        if pid == 0: os.execv(sys.argv[1], sys.argv[1:])\n\
        seen = b''\n\
        while b'running' not in seen: seen += os.read(fd, 65536)\n\
        os.close(fd)\n\
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256)";
    let room = Room::new();
    let stage = "[[stage]]\nid = \"a\"\nreason_code = \"input_missing\"\ncommand = [\"sh\", \"-c\", 'sleep 20']\n";
    room.write("plan.toml", &format!("name = \"p\"\n{stage}"));
    for run in ["r", "s"] {
        let mut command = Command::new("python3");
        command.args(["-c", PROGRAM, env!("CARGO_BIN_EXE_evlog"), "run", "plan.toml", "--run-id", run]);
        command.current_dir(room.path("")).env_remove("EVLOG_LOG").env("TERM", "xterm");
        let done: Done = command.stdin(Stdio::null()).output().unwrap().into();
        assert_eq!(done.code, 130, "{done:?}");
        assert!(!room.path(&format!("runs/.locks/{run}")).exists(), "the lock is given back");
    }
}
