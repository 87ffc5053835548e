//! Runs that retry another one: what they reuse, what they run again, and why.

use super::interrupts::interrupted_while_reading;
use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// The run that is retried.
const BEFORE: &str = "before";

impl Room {
    /// Runs a plan as the run that will be retried; every stage notes that it runs.
    fn before(&self, plan: &str, exit_code: u8) {
        fs::write(self.path("plan.toml"), plan).unwrap();
        let left = self
            .with_run(BEFORE, &|plan, session, claim, options, progress| run(plan, session, claim, options, progress));
        assert_eq!(left.result.unwrap().exit_code, exit_code, "{:#?}", left.reported);
        fs::remove_file(self.path("ran")).unwrap();
    }

    fn retry(&self, plan: &str, from: Option<&str>) -> Left {
        fs::write(self.path("plan.toml"), plan).unwrap();
        let retry = Retry { of: BEFORE.to_owned(), from: from.map(str::to_owned) };
        self.with(&|plan, session, claim, options, progress| {
            let options = Options { retry: Some(retry.clone()), ..options.clone() };
            run(plan, session, claim, &options, progress)
        })
    }

    fn ran(&self) -> String {
        fs::read_to_string(self.path("ran")).unwrap_or_default().lines().collect::<Vec<_>>().join(" ")
    }

    fn kinds(&self) -> Vec<String> {
        let kind = |line: &str| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().to_owned();
        self.text("audit_events.jsonl").lines().map(kind).collect()
    }
}

/// Two stages that leave files, and a third one that fails until there is a file `good` beside the plan.
fn three() -> String {
    let reads = "env = { COLOUR = \"blue\" }\n[[stage.input]]\npath = \"rows/all.jsonl\"\nfrom = \"run\"\n\
                 [[stage.input]]\nglob = \"notes/*\"\nrequired = false";
    let tells = "echo '{\"stage\":\"two.part\",\"status\":\"success\"}' > $EVLOG_OUTCOMES";
    let stages = [
        (format!("echo one >> $EVLOG_PLAN_DIR/ran; {MAKES_ROWS}"), ROWS),
        (
            format!(
                "echo two >> $EVLOG_PLAN_DIR/ran; {tells}; echo $$ > $EVLOG_STAGING_DIR/two; chmod 755 $EVLOG_STAGING_DIR/two"
            ),
            reads,
        ),
        ("echo three >> $EVLOG_PLAN_DIR/ran; test -e good".to_owned(), ""),
    ];
    plan(&stages.each_ref().map(|(script, keys)| (script.as_str(), *keys)))
}

/// A room in which the run to retry failed in its last stage, and in which the cause is fixed now.
fn mended() -> Room {
    let room = Room::new();
    fs::create_dir(room.path("notes")).unwrap();
    fs::write(room.path("notes/a"), "a").unwrap();
    room.before(&three(), 20);
    fs::write(room.path("good"), "").unwrap();
    room
}

const ALL: [&str; 4] = [
    "one success fail_closed -",
    "two success fail_closed -",
    "two.part success fail_closed -",
    "three success fail_closed -",
];

#[test]
fn t23_stages_that_succeeded_are_reused_and_the_rest_runs() {
    let room = mended();
    let old = |path: &str| room.path("out/runs").join(BEFORE).join(path);
    let kept = fs::read(old("run.json")).unwrap();
    let left = room.retry(&three(), None);
    room.ended(&left, 0, &ALL);
    assert_eq!(room.ran(), "three");
    let reported: Vec<&str> =
        left.reported.iter().map(String::as_str).filter(|line| !line.starts_with("outcome")).collect();
    let expected = [
        "created one,two,three",
        "taking over one from before",
        "taken over one from before, 1 files",
        "taking over two from before",
        "taken over two from before, 1 files",
        "note three runs, and so does what comes after it: expected a success of it in run `before`, found \
         `three failed/fail_closed/three_broken`",
        "started three",
        "finished success",
    ];
    assert_eq!(reported, expected);
    for path in ["rows/all.jsonl", "two"] {
        assert_eq!(fs::read(room.bundle(path)).unwrap(), fs::read(old(path)).unwrap(), "{path}");
    }
    assert_eq!(fs::metadata(room.bundle("two")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_ne!(fs::metadata(room.bundle("two")).unwrap().ino(), fs::metadata(old("two")).unwrap().ino());
    assert_eq!(fs::read(old("run.json")).unwrap(), kept, "the run that is retried is only read");
    let life = [
        "pipeline.created",
        "pipeline.stage_begun",
        "pipeline.taken_over",
        "pipeline.promotion_intended",
        "pipeline.artifacts_published",
        "pipeline.output_captured",
        "pipeline.outcome_recorded",
        "pipeline.inputs_recorded",
        "pipeline.stage_begun",
        "pipeline.taken_over",
        // This is the outcome of the substage.
        "pipeline.outcome_recorded",
        "pipeline.promotion_intended",
    ];
    assert_eq!(room.kinds()[..life.len()], life);
}

#[test]
fn t27_the_run_says_what_it_retries_and_from_where_each_stage_is() {
    let room = mended();
    room.retry(&three(), None).result.unwrap();
    let manifest = room.json("manifest.json");
    let orchestrator = &manifest["extensions"]["orchestrator"];
    assert_eq!(orchestrator["retry"], json!({"of": BEFORE}));
    assert_eq!(orchestrator["plan"]["stages"].as_object().unwrap().len(), 3);
    let before: Value = serde_json::from_slice(&fs::read(room.path("out/runs/before/run.json")).unwrap()).unwrap();
    let run = room.json("run.json");
    for (stage, is_taken) in [(0, true), (1, true), (2, false)] {
        let (then, now) = (&before["stages"][stage], &run["stages"][stage]);
        let expected = is_taken.then(|| json!({"run": BEFORE, "seq": then["seq"]}));
        assert_eq!(now.get("taken_from"), expected.as_ref());
    }
    let seq = &before["stages"][0]["seq"];
    let line = format!("evlog: taken over from run `before`, where its outcome is event {seq}\n");
    assert_eq!(room.text("logs/one.log"), line);
}

/// A change of the plan, or of what lies beside it, and how it is made.
type Change = (&'static str, fn(&Room, &str) -> String, &'static str, &'static str);

fn replaced(from: &'static str, to: &'static str, plan: &str) -> String {
    assert!(plan.contains(from), "{from}");
    plan.replace(from, to)
}

/// What was changed, which stages run then, and what the note says.
const CHANGES: [Change; 11] = [
    (
        "command",
        |_, plan| replaced("echo two >> ", "echo changed > /dev/null; echo two >> ", plan),
        "two three",
        "note two runs, and so does what comes after it: expected the command, environment and inputs, by digest, that \
         run `before` had: ",
    ),
    ("first command", |_, plan| replaced("echo made", "echo again", plan), "one two three", "note one runs"),
    ("environment", |_, plan| replaced("blue", "red", plan), "two three", "note two runs"),
    (
        "inherited environment",
        |_, plan| replaced("env = {", "inherit_environment = [\"PATH\"]\nenv = {", plan),
        "two three",
        "note two runs",
    ),
    ("declared inputs", |_, plan| replaced("notes/*", "notes/**", plan), "two three", "note two runs"),
    (
        "an input",
        |room, plan| {
            fs::write(room.path("notes/a"), "b").unwrap();
            plan.to_owned()
        },
        "two three",
        "note two runs, and so does what comes after it: input `notes/a`: expected what run `before` read, 1 bytes with \
         BLAKE3 17762fddd969a453925d65717ac3eea21320b66b54342fde15128d6caf21215f; found 1 bytes with BLAKE3 \
         10e5cf3d3c8a4f9f3468c8cc58eea84892a22fdadbc1acb22410190044c1d553",
    ),
    (
        "a new input",
        |room, plan| {
            fs::write(room.path("notes/b"), "b").unwrap();
            plan.to_owned()
        },
        "two three",
        "note two runs, and so does what comes after it: input `notes/b`: expected what run `before` read, no such \
         input; found 1 bytes with BLAKE3 ",
    ),
    (
        "an input that is gone",
        |room, plan| {
            fs::remove_file(room.path("notes/a")).unwrap();
            plan.to_owned()
        },
        "two three",
        "; found no such input",
    ),
    (
        "a stage left out",
        |_, plan| {
            replaced("id = \"one\"", "id = \"one\"\nenabled = false", plan)
                .replace("rows/all.jsonl\"\nfrom", "rows/all.jsonl\"\nrequired = false\nfrom")
        },
        "two three",
        "note two runs, and so does what comes after it: expected the stages before it that run `before` had: `one`; \
         found none",
    ),
    (
        "a file of the run",
        |room, plan| {
            fs::write(room.path("out/runs/before/rows/all.jsonl"), "{\"a\":2}\n").unwrap();
            plan.to_owned()
        },
        "one two three",
        "note one runs, and so does what comes after it: `rows/all.jsonl` of run `before`: expected 8 bytes with BLAKE3 ",
    ),
    (
        "the bundle",
        |room, plan| {
            fs::rename(room.path("out/runs/before"), room.path("out/runs/elsewhere")).unwrap();
            plan.to_owned()
        },
        "one two three",
        "there is no such file or directory",
    ),
];

#[test]
fn t22_a_stage_that_is_started_otherwise_or_reads_or_left_something_else_runs_and_so_do_those_after_it() {
    // T-24.
    for (what, change, ran, note) in CHANGES {
        let room = mended();
        let changed = change(&room, &three());
        let left = room.retry(&changed, None);
        assert_eq!(left.result.unwrap().status, RunStatus::Success, "{what}: {:#?}", left.reported);
        assert_eq!(room.ran(), ran, "{what}: {:#?}", left.reported);
        let notes: Vec<&String> = left.reported.iter().filter(|line| line.contains("runs, and so does")).collect();
        assert!(notes.len() == 1 && notes[0].contains(note), "{what}: expected one note `{note}`, found {notes:#?}");
        let first = ran.split(' ').next().unwrap();
        for stage in room.json("run.json")["stages"].as_array().unwrap() {
            let id = stage["stage"].as_str().unwrap();
            assert_eq!(stage.get("taken_from").is_some(), first != "one" && id == "one" && stage["state"] == "success");
        }
    }
}

#[test]
fn t22_a_change_that_does_not_affect_how_a_stage_starts_is_no_reason_to_run_it() {
    for (from, to) in [
        ("reason_code = \"two_broken\"", "reason_code = \"two_broken\"\ntime_limit = \"60s\""),
        ("reason_code = \"two_broken\"", "reason_code = \"two_broken\"\noutput_limit = \"20 KiB\""),
        ("test -e good", "test -e good; true"),
        ("name = \"p\"", "# A comment.\nname = \"q\""),
    ] {
        let room = mended();
        let left = room.retry(&replaced(from, to, &three()), None);
        assert_eq!(left.result.unwrap().status, RunStatus::Success, "{:#?}", left.reported);
        assert_eq!(room.ran(), "three", "{to}");
    }
}

#[test]
fn t25_a_named_stage_and_all_later_ones_run() {
    let room = mended();
    let left = room.retry(&three(), Some("two"));
    room.ended(&left, 0, &ALL);
    assert_eq!(room.ran(), "two three");
    let note = "note two runs, and so does what comes after it: `--from` names it (retry of run `before`)";
    assert!(left.reported.contains(&note.to_owned()), "{:#?}", left.reported);
    assert_eq!(room.json("manifest.json")["extensions"]["orchestrator"]["retry"], json!({"of": BEFORE, "from": "two"}));
    // The run to retry has succeeded.
    let room = Room::new();
    fs::write(room.path("good"), "").unwrap();
    room.before(&three(), 0);
    let left = room.retry(&three(), Some("three"));
    room.ended(&left, 0, &ALL);
    assert_eq!(room.ran(), "three");
}

#[test]
fn t22_a_partial_run_is_reused_up_to_the_stage_that_only_warned() {
    let room = Room::new();
    let partial = three().replace("test -e good", "true").replace("echo $$ >", "test -e good; echo $$ >");
    let partial = partial.replace("id = \"two\"\n", "id = \"two\"\nfail_mode = \"warn_and_skip\"\n");
    let partial = partial
        .replace("code = \"two_broken\"\nseverity = \"FATAL\"", "code = \"two_broken\"\nseverity = \"NON-FATAL\"");
    room.before(&partial, 10);
    fs::write(room.path("good"), "").unwrap();
    let left = room.retry(&partial, None);
    assert_eq!(left.result.unwrap().status, RunStatus::Success, "{:#?}", left.reported);
    assert_eq!(room.ran(), "two three", "three read what two left, so it runs again");
}

#[test]
fn t22_a_stage_with_a_failed_substage_runs() {
    let room = Room::new();
    let failed = "'{\\\"stage\\\":\\\"two.part\\\",\\\"status\\\":\\\"failed\\\",\\\"fail_mode\\\":\\\"warn_and_skip\\\",\\\"reason_code\\\":\\\"part_broken\\\"}'";
    let succeeded = "'{\"stage\":\"two.part\",\"status\":\"success\"}'";
    let failing = three().replace(succeeded, &failed.replace('\\', ""));
    room.before(&failing, 20);
    fs::write(room.path("good"), "").unwrap();
    let left = room.retry(&failing, None);
    assert_eq!(left.result.unwrap().status, RunStatus::Partial, "{:#?}", left.reported);
    assert_eq!(room.ran(), "two three");
    let note = "expected only the successes of its substages in run `before`, found \
                `two.part failed/warn_and_skip/part_broken`";
    assert!(left.reported.iter().any(|line| line.contains(note)), "{:#?}", left.reported);
}

#[test]
fn t23_a_reused_stage_must_fulfil_the_current_plan() {
    let room = mended();
    fs::write(room.path("row.json"), r#"{"type":"object","required":["b"]}"#).unwrap();
    let left = room.retry(&three(), None);
    let outcomes = [
        "one failed fail_closed contract_validation_failed",
        "two skipped fail_closed blocked_by_upstream_failure",
        "three skipped fail_closed blocked_by_upstream_failure",
    ];
    room.ended(&left, 20, &outcomes);
    assert_eq!(room.ran(), "");
    let reported = [
        "gate one contract_validation_failed",
        "note one what failed was taken over from run `before`; `--from one` runs the stage",
    ];
    assert!(reported.iter().all(|line| left.reported.contains(&(*line).to_owned())), "{:#?}", left.reported);
    assert!(!room.bundle("rows").exists());
    let stage = &room.json("run.json")["stages"][0];
    assert_eq!((&stage["state"], &stage["taken_from"]["run"]), (&json!("failed"), &json!(BEFORE)));
    // A substage that the pipeline no longer knows fails the stage as if the stage had just reported that substage.
    let room = mended();
    let fewer = three().replace("two.part\"\ncode", "two.other\"\ncode");
    assert_eq!(room.retry(&fewer, None).result.unwrap().status, RunStatus::Success, "substages are an open list");
}

#[test]
fn t22_a_run_without_digests_of_its_stages_is_compared_with_the_whole_plan() {
    for (change, ran) in [("", "three"), ("# A comment\n", "three"), ("emit_health = true\n", "one two three")] {
        let room = Room::new();
        fs::write(room.path("plan.toml"), three()).unwrap();
        // The run is as an earlier evlog created it.
        let left = room.with_run(BEFORE, &|plan, session, claim, options, progress| {
            let members = {
                let session = Session { log: session.log, view: &mut *session.view };
                let watcher = Watcher::new(progress);
                let runner = Runner::new(plan, session, claim, options, &watcher)?;
                let mut members = runner.create_members(None);
                members["manifest"]["extensions"]["orchestrator"]["plan"].as_object_mut().unwrap().remove("stages");
                members
            };
            let Value::Object(members) = members else { unreachable!() };
            let create = Request::json("pipeline", BEFORE, "create").members(members).build().unwrap();
            session.log.submit(&create)?.into_accepted().unwrap();
            resume(plan, session, claim, options, progress)
        });
        assert_eq!(left.result.unwrap().exit_code, 20, "{:#?}", left.reported);
        fs::remove_file(room.path("ran")).unwrap();
        fs::write(room.path("good"), "").unwrap();
        let left = room.retry(&format!("{change}{}", three()), None);
        assert_eq!(left.result.unwrap().status, RunStatus::Success, "{:#?}", left.reported);
        assert_eq!(room.ran(), ran, "{change}: {:#?}", left.reported);
    }
}

#[test]
fn t21_what_cannot_be_retried_is_refused_and_nothing_is_touched() {
    let room = Room::new();
    fs::write(room.path("good"), "").unwrap();
    let error = room.retry(&three(), None).result.unwrap_err();
    assert!(matches!(&error, RunError::UnknownRun(_)) && error.exit_code() == 2, "{error}");
    room.before(&three(), 0);
    let cases = [(None, 20, "nothing to retry"), (Some("four"), 2, "one of `one`, `two`, `three`, found `four`")];
    for (from, code, says) in cases {
        let left = room.retry(&three(), from);
        let error = left.result.unwrap_err();
        assert_eq!(error.exit_code(), code, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(left.reported.is_empty() && !room.bundle("").exists() && left.events == 0);
    }
    // The run to retry is still in progress.
    let room = Room::new();
    fs::write(room.path("plan.toml"), three()).unwrap();
    room.1.raise();
    let left =
        room.with_run(BEFORE, &|plan, session, claim, options, progress| run(plan, session, claim, options, progress));
    assert!(matches!(left.result, Err(RunError::Interrupted { .. })));
    let error = room.retry(&three(), None).result.unwrap_err();
    assert!(matches!(&error, RunError::InProgress(_)) && error.exit_code() == 20, "{error}");
    assert!(!room.bundle("").exists());
}

/// A retry that was interrupted after its first stage was reused.
fn left_after_one(from: Option<&str>) -> Room {
    let room = mended();
    let retry = Retry { of: BEFORE.to_owned(), from: from.map(str::to_owned) };
    let left = room.with(&|plan, session, claim, options, progress| {
        let options = Options { retry: Some(retry.clone()), ..options.clone() };
        run(plan, session, claim, &options, &mut |reported| {
            if matches!(reported, Progress::OutcomeRecorded { .. }) {
                options.interrupts.raise();
            }
            progress(reported);
        })
    });
    assert!(matches!(left.result, Err(RunError::Interrupted { began: false, .. })), "{:?}", left.result);
    Room(room.0, Arc::default())
}

#[test]
fn t26_an_interrupted_retry_reuses_the_rest_when_it_is_resumed() {
    let room = left_after_one(None);
    let left = room.resume();
    room.ended(&left, 0, &ALL);
    assert_eq!(room.ran(), "three");
    // The baseline has changed meanwhile, or `--from` was given at the beginning.
    let room = left_after_one(None);
    fs::remove_file(room.path("out/runs/before/two")).unwrap();
    room.ended(&room.resume(), 0, &ALL);
    assert_eq!(room.ran(), "two three");
    let room = left_after_one(Some("two"));
    room.ended(&room.resume(), 0, &ALL);
    assert_eq!(room.ran(), "two three");
    // A stage that ran in this run is not reused, and no later stage is.
    let room = left_after_one(Some("one"));
    assert_eq!(room.ran(), "one");
    room.ended(&room.resume(), 0, &ALL);
    assert_eq!(room.ran(), "one two three");
}

#[test]
fn t21_a_retry_is_retried_and_reuses_the_run_before_it() {
    let room = mended();
    fs::remove_file(room.path("good")).unwrap();
    fs::write(room.path("plan.toml"), three()).unwrap();
    let again = |run_id: &str, of: &str| {
        let retry = Retry { of: of.to_owned(), from: None };
        room.with_run(run_id, &|plan, session, claim, options, progress| {
            let options = Options { retry: Some(retry.clone()), ..options.clone() };
            run(plan, session, claim, &options, progress)
        })
    };
    assert_eq!(again("second", BEFORE).result.unwrap().status, RunStatus::Failed);
    fs::write(room.path("good"), "").unwrap();
    // The bundle of the first run is not needed any more.
    fs::remove_dir_all(room.path("out/runs/before")).unwrap();
    room.ended(&again(RUN, "second"), 0, &ALL);
    assert_eq!(room.ran(), "three three");
    assert_eq!(room.json("run.json")["stages"][1]["taken_from"]["run"], "second");
}

#[test]
fn t08_t26_asked_twice_copying_stops_and_the_retry_is_resumed() {
    let mut room = Room::new();
    let makes =
        "echo one >> $EVLOG_PLAN_DIR/ran; mkdir $EVLOG_STAGING_DIR/made; truncate -s 20M $EVLOG_STAGING_DIR/made/large";
    let fails = "echo two >> $EVLOG_PLAN_DIR/ran; test -e $EVLOG_PLAN_DIR/good";
    let text = plan(&[(makes, ""), (fails, "")]);
    room.before(&text, 20);
    fs::write(room.path("good"), "").unwrap();
    let retry = Retry { of: BEFORE.to_owned(), from: None };
    let left = interrupted_while_reading(&room, Some("one"), &|plan, session, claim, options, progress| {
        let options = Options { retry: Some(retry.clone()), ..options.clone() };
        run(plan, session, claim, &options, progress)
    });
    let error = left.result.unwrap_err();
    assert!(matches!(&error, RunError::Interrupted { stage, began: true, .. } if stage == "one"), "{error}");
    assert_eq!(left.reported.last().unwrap(), "read one 4194304 of 41943040", "{:#?}", left.reported);
    room = undisturbed(room);
    let left = room.resume();
    room.ended(&left, 0, &["one success fail_closed -", "two success fail_closed -"]);
    assert_eq!(room.ran(), "two", "{:#?}", left.reported);
}
