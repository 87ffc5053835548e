//! `evlog run --retry`: a run that reuses what succeeded in one that has ended, and runs the rest.

use crate::crash::{ROUNDS, moment};
use crate::support::{Done, Room, files_below};
use serde_json::{Value, json};
use std::fs;
use std::process::Child;
use std::thread::sleep;

/// Three stages that note in a file beside the plan that they run; what the last one leaves is `total`.
fn plan(total: &str) -> String {
    let stage = |id: &str, script: &str, keys: &str| {
        format!(
            "[[stage]]\nid = \"{id}\"\nreason_code = \"storage_io_error\"\n\
             command = [\"sh\", \"-ec\", '''echo {id} >> $EVLOG_PLAN_DIR/ran; {script}''']\n{keys}\n"
        )
    };
    let files = "for n in 1 2 3; do mkdir -p $EVLOG_STAGING_DIR/d$n; echo $n $$ > $EVLOG_STAGING_DIR/d$n/file; done";
    let sums = "cat $EVLOG_RUN_DIR/d*/file > $EVLOG_STAGING_DIR/all; echo summed";
    let reads = "[[stage.input]]\nglob = \"d*/file\"\nfrom = \"run\"";
    let last = format!("echo '{{\"total\": {total}}}' > $EVLOG_STAGING_DIR/total.json");
    let gate = "[[stage.output]]\npath = \"total.json\"\nschema = \"total\"";
    format!(
        "name = \"small\"\n[[schema]]\nid = \"total\"\nfile = \"total.schema.json\"\nmode = \"json_document\"\n{}{}{}",
        stage("make", files, ""),
        stage("sum", sums, reads),
        stage("last", &last, gate)
    )
}

/// A room with a run `old` that failed at the gate of its last stage, whose plan is fixed.
fn mended() -> Room {
    let room = Room::new();
    room.write("total.schema.json", r#"{"properties":{"total":{"type":"integer"}}}"#);
    room.write("plan.toml", &plan("\"six\""));
    room.ends(20, &["run", "plan.toml", "--run-id", "old"])
        .says("hint: after the fix, `evlog run plan.toml --retry old` reuses what succeeded, and runs the rest");
    room.write("plan.toml", &plan("6"));
    fs::remove_file(room.path("ran")).unwrap();
    room
}

fn ran(room: &Room) -> Vec<String> {
    fs::read_to_string(room.path("ran")).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// What must hold of every run here.
fn assert_proved(room: &Room, run: &str) {
    room.ends(0, &["verify"]);
    room.ends(0, &["project", "--check", "."]);
    room.ends(0, &["replay"]);
    room.ends(0, &["conform", &format!("runs/{run}"), "--plan", "plan.toml"]);
}

fn file(room: &Room, path: &str) -> Value {
    serde_json::from_slice(&fs::read(room.path(path)).unwrap()).unwrap()
}

#[test]
fn a_fixed_run_is_retried_and_only_what_failed_runs_again() {
    // T-21, T-23.
    let room = mended();
    let before: Vec<Vec<u8>> = files_below(&room.path("runs/old")).iter().map(|path| fs::read(path).unwrap()).collect();
    let done = room.ends(0, &["run", "plan.toml", "--retry", "old", "--run-id", "new"]);
    done.says("run new  retries old");
    let printed: Vec<Vec<&str>> = done.err.lines().map(|line| line.split_whitespace().collect()).collect();
    for stage in ["make", "sum"] {
        assert!(printed.contains(&vec![stage, "success", "reused", "from", "old"]), "{done:?}");
        assert!(!printed.contains(&vec![stage, "running"]), "{done:?}");
    }
    assert!(printed.contains(&vec!["last", "running"]), "{done:?}");
    assert_eq!(ran(&room), ["last"]);
    for path in ["d1/file", "d2/file", "d3/file", "all"] {
        let [old, new] = ["old", "new"].map(|run| fs::read(room.path(&format!("runs/{run}/{path}"))).unwrap());
        assert!(old == new, "{path}");
    }
    let after: Vec<Vec<u8>> = files_below(&room.path("runs/old")).iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(before == after, "the run that is retried is only read");
    assert_eq!(file(&room, "runs/new/total.json"), json!({"total": 6}));
    assert_proved(&room, "new");
    // The bundles do not hang on each other.
    fs::remove_dir_all(room.path("runs/old")).unwrap();
    room.ends(0, &["project", "--check", ".", "--run", "new"]);
}

#[test]
fn json_reports_which_stages_were_reused_and_from_which_event() {
    // T-27.
    let room = mended();
    let events = room.ends(0, &["run", "plan.toml", "--retry", "old", "--run-id", "new", "--json"]).lines();
    let created = &events[0];
    assert_eq!((&created["event"], &created["retry_of"]), (&json!("run_created"), &json!("old")));
    let of = |stage: &str| -> Vec<&Value> { events.iter().filter(|event| event["stage"] == stage).collect() };
    let seq = &file(&room, "runs/old/run.json")["stages"][0]["seq"];
    let taken = json!({"event": "stage_taken_over", "stage": "make", "from": "old", "seq": seq, "files": 3});
    assert_eq!(of("make")[0], &taken);
    assert_eq!((&of("make")[1]["event"], &of("make")[1]["elapsed_ms"]), (&json!("outcome"), &json!(0)));
    assert!(of("last").iter().any(|event| event["event"] == "stage_started"));
    let cat = room.ends(0, &["cat", "--run", "new", "--json"]).lines();
    let taken = cat.iter().find(|event| event["kind"] == "pipeline.taken_over").unwrap();
    assert_eq!(taken["payload"], json!({"stage": "make", "baseline": "old", "seq": seq}));
    // The event that it names is the outcome of the stage in the other run.
    let old = room.ends(0, &["cat", "--run", "old", "--json"]).lines();
    let outcome = old.iter().find(|event| event["seq"] == *seq).unwrap();
    assert_eq!((&outcome["kind"], &outcome["payload"]["stage"]), (&json!("pipeline.outcome_recorded"), &json!("make")));
}

#[test]
fn an_explanation_says_what_a_run_retries_and_how_a_failed_one_goes_on() {
    // T-27.
    let room = mended();
    room.ends(0, &["explain", "old"]).says("hint: after the fix, running its plan with `--retry old`");
    room.write("plan.toml", &plan("\"seven\""));
    room.ends(20, &["run", "plan.toml", "--retry", "old", "--run-id", "second"]);
    room.write("plan.toml", &plan("6"));
    room.ends(0, &["run", "plan.toml", "--retry", "second", "--run-id", "third"]);
    assert_eq!(ran(&room), ["last", "last"]);
    assert_proved(&room, "third");
    let answer = room.ends(0, &["explain", "third", "--json"]);
    assert!(!answer.err.contains("hint"), "a run that succeeded needs no way on: {answer:?}");
    let answer = answer.json();
    let reasons = answer["reasons"].as_array().unwrap();
    let note = reasons.iter().find(|reason| reason["state"] == "retry").unwrap();
    assert_eq!(
        note["text"],
        "it retries run `second`; taken over from it: `make`, `sum`; it is attempt 3, after `second`, `old`"
    );
    let seq = |run: &str| file(&room, &format!("runs/{run}/run.json"))["stages"][0]["seq"].clone();
    let (first, second) = (seq("old"), seq("second"));
    let expected = format!(
        "succeeded; taken over from run `second` (seq {second} there), which has it from `old` (seq {first} there)"
    );
    let make = reasons.iter().find(|reason| reason["subject"] == "make").unwrap();
    assert_eq!(make["text"], expected);
    let events = room.ends(0, &["cat", "--run", "third", "--json"]).lines();
    let taken = events.iter().find(|event| event["kind"] == "pipeline.taken_over").unwrap();
    assert!(make["seqs"].as_array().unwrap().contains(&taken["seq"]), "{make}");
    assert!(room.ends(0, &["explain", "third"]).out.contains(&expected));
    let markdown = room.ends(0, &["explain", "third", "--format", "markdown"]).out;
    assert!(
        markdown.contains("taken over from run `second`") && markdown.contains("| note | run | retry |"),
        "{markdown}"
    );
}

#[test]
fn what_cannot_be_retried_is_refused_before_anything_is_written() {
    // T-07, T-21, T-25.
    let room = mended();
    room.feed(&["submit"], r#"{"contract":"status","run":"other","do":"create"}"#);
    room.ends(0, &["project", "--out", "."]);
    let of_the_run = || room.ends(0, &["cat", "--run", "old"]).out;
    let (before, events) = (files_below(&room.path("runs")), of_the_run());
    let retry =
        |code: i32, arguments: &[&str]| room.ends(code, &[&["run", "plan.toml", "--retry"], arguments].concat());
    retry(2, &["unknown"]).says("no run `unknown`").says("`evlog runs` lists the runs");
    retry(2, &["other"]).says("found one of contract `status`").says("resumed or retried");
    retry(2, &["old", "--from", "link"]).says("one of `make`, `sum`, `last`, found `link`");
    retry(2, &["old", "--log", "elsewhere"]);
    retry(20, &["old", "--run-id", "old"]).says("a bundle already");
    room.ends(2, &["run", "--retry", "old"]);
    room.ends(2, &["run", "plan.toml", "--resume", "old", "--retry", "old"]);
    room.ends(2, &["run", "plan.toml", "--from", "sum"]);
    room.ends(20, &["run", "plan.toml", "--resume", "old"])
        .says("run `old` has ended, as failed")
        .says("`evlog run plan.toml --retry old` starts a new run that reuses what succeeded");
    assert_eq!((files_below(&room.path("runs")), of_the_run()), (before, events));
    assert!(ran(&room).is_empty() && !room.path("elsewhere").exists());

    retry(0, &["old", "--run-id", "new"]);
    retry(20, &["new"]).says("there is nothing to retry").says("`--from STAGE` runs a stage and all after it");
    retry(0, &["new", "--from", "sum", "--run-id", "again"]).says("`--from` names it");
    assert_eq!(ran(&room), ["last", "sum", "last"]);
    assert_proved(&room, "again");
}

#[test]
fn a_run_in_progress_is_not_retried_and_a_hint_says_how_to_resume_it() {
    // T-21.
    let room = mended();
    let slow = plan("6").replace("echo summed", "touch working; while [ ! -e go ]; do sleep 0.02; done");
    room.write("slow.toml", &slow);
    let child = room.spawn(&["run", "slow.toml", "--run-id", "slow"]);
    while !room.path("working").exists() {
        sleep(std::time::Duration::from_millis(2));
    }
    // It holds the log, but the message must be about the run, not about the log.
    room.ends(20, &["run", "slow.toml", "--retry", "slow"])
        .says("found it in progress")
        .says("`evlog run --resume slow`");
    room.write("go", "");
    assert_eq!(Done::from(child.wait_with_output().unwrap()).code, 0);
}

/// Starts the retry, or resumes it if it exists.
fn go(room: &Room) -> Child {
    let known = room.run(&["show", "new", "--json"]).code == 0;
    let how: &[&str] = if known { &["--resume", "new"] } else { &["--retry", "old", "--run-id", "new"] };
    room.spawn(&[&["run", "plan.toml", "--force-run-lock"], how].concat())
}

#[test]
fn a_retry_that_is_killed_at_any_moment_and_resumed_never_runs_what_it_reuses() {
    // T-26.
    let (mut cut, whole) = (0, mended());
    for round in 0..ROUNDS {
        let room = whole.again();
        for life in 0..2 {
            let mut child = go(&room);
            sleep(moment(round * 2 + life, 150_000));
            child.kill().unwrap();
            cut += usize::from(!child.wait().unwrap().success());
        }
        let last = Done::from(go(&room).wait_with_output().unwrap());
        let is_over = last.code == 20 && last.err.contains("has ended, as success");
        assert!(last.code == 0 || is_over, "round {round}: {last:?}");
        assert!(ran(&room).iter().all(|stage| stage == "last"), "round {round}: {:?}", ran(&room));
        let run = file(&room, "runs/new/run.json");
        let taken: Vec<&Value> = (0..3).map(|stage| &run["stages"][stage]["taken_from"]["run"]).collect();
        assert_eq!((&run["status"], taken), (&json!("success"), vec![&json!("old"), &json!("old"), &Value::Null]));
        assert_proved(&room, "new");
    }
    assert!(cut > 5, "the runs were over before they were killed: {cut}");
}
