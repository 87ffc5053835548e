//! Interrupted runs are resumed, but only with the plan that they were created with.

use super::*;

/// A run that was asked to stop once its first stage had its outcome.
fn left_before_two(room: &Room, stages: &[(&str, &str)]) -> Left {
    fs::write(room.path("plan.toml"), plan(stages)).unwrap();
    let left = room.with(&|plan, session, claim, options, progress| {
        run(plan, session, claim, options, &mut |reported| {
            if matches!(reported, Progress::OutcomeRecorded { .. }) {
                options.interrupts.raise();
            }
            progress(reported);
        })
    });
    assert!(matches!(left.result, Err(RunError::Interrupted { began: false, .. })), "{:?}", left.result);
    left
}

#[test]
fn a_run_that_was_stopped_between_stages_goes_on_with_the_next_one() {
    // T-06.
    let room = Room::new();
    let counts = "echo one >> $EVLOG_PLAN_DIR/ran";
    left_before_two(&room, &[(&format!("{MAKES_ROWS}; {counts}"), ROWS), NOTHING, NOTHING]);
    let room = undisturbed(room);
    let left = room.resume();
    let report = left.result.unwrap();
    assert_eq!((report.status, report.outcomes.len()), (RunStatus::Success, 3));
    let reported = ["resumed after one", "outcome one success fail_closed -", "started two"];
    assert_eq!(left.reported[..3], reported);
    assert_eq!(fs::read_to_string(room.path("ran")).unwrap(), "one\n");
    for (path, bytes) in &left.projected {
        assert!(&fs::read(room.bundle(path)).unwrap() == bytes, "{path} is not what the log projects");
    }
    assert_eq!(fs::read_dir(room.path("out/runs/.locks")).unwrap().count(), 0);
    // Resumes again: there is nothing left to do, and nothing is done.
    let events = left.events;
    let left = room.resume();
    assert!(matches!(left.result, Err(RunError::Ended { status: RunStatus::Success, .. })), "{:?}", left.result);
    assert_eq!((left.events, left.reported.len()), (events, 0));
}

#[test]
fn a_watcher_learns_how_much_was_read_of_large_files() {
    const MIB: u64 = 1 << 20;
    let room = Room::new();
    let file = File::create(room.path("large")).unwrap();
    file.set_len(6 * MIB).unwrap();
    let input = "[[stage.input]]\npath = \"large\"";
    let makes = "mkdir $EVLOG_STAGING_DIR/rows; yes '{\"a\":1}' | head -c 8388608 > $EVLOG_STAGING_DIR/rows/all.jsonl";
    let left = left_before_two(
        &room,
        &[
            (&format!("{makes}; cp $EVLOG_PLAN_DIR/large $EVLOG_STAGING_DIR/rows"), &format!("{input}\n{ROWS}")),
            NOTHING,
        ],
    );
    let reads =
        |left: Left| left.reported.into_iter().filter(|line| line.starts_with("read ")).collect::<Vec<String>>();
    let reported = |stage: &str, mib: &[u64], len: u64| -> Vec<String> {
        mib.iter().map(|mib| format!("read {stage} {} of {}", mib * MIB, len * MIB)).collect()
    };
    // The input is read; then what is staged, once for its copy and once for its digest; and once more what is checked against
    // a schema.
    let staged = reported("one", &[4, 8, 12, 16, 20, 24, 28, 32, 36], 36);
    assert_eq!(reads(left), [reported("one", &[4], 6), staged].concat());
    assert_eq!(reads(undisturbed(room).resume()), reported("-", &[4, 8, 12], 14));
}

#[test]
fn t07_a_run_that_has_ended_and_whose_files_cannot_be_written_says_both_and_is_completed_later() {
    let room = Room::new();
    fs::write(room.path("plan.toml"), plan(&[NOTHING])).unwrap();
    let bundle = room.bundle("");
    let steps = Steps::observed_by(move |step| {
        if step == Step::CommitFinalized {
            // This is like a full disk: the file cannot be replaced.
            fs::remove_file(bundle.join("manifest.json")).unwrap();
            fs::create_dir_all(bundle.join("manifest.json/in the way")).unwrap();
            fs::write(bundle.join("../.aside"), "").unwrap();
        }
    });
    let left = room.with(&|plan, session, claim, options, progress| {
        run(plan, session, claim, &Options { steps: steps.clone(), ..options.clone() }, progress)
    });
    let error = left.result.unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, RunError::Incomplete { status: RunStatus::Success, .. }), "{message}");
    assert!(message.contains("has ended in the log, as success, and its bundle is not complete"), "{message}");
    assert_eq!(error.exit_code(), 2);
    assert!(matches!(room.resume().result, Err(RunError::Incomplete { status: RunStatus::Success, .. })));
    fs::remove_file(room.path("out/runs/.aside")).unwrap();
    let left = room.resume();
    room.ended(&left, 0, &["one success fail_closed -"]);
}

#[test]
fn a_run_that_has_ended_is_completed_when_its_files_are_not() {
    // T-02, T-07.
    let room = Room::new();
    room.ends(&plan(&[NOTHING]), 0, &["one success fail_closed -"]);
    fs::write(room.bundle("manifest.json"), "{}").unwrap();
    let left = room.resume();
    assert_eq!(left.result.unwrap().status, RunStatus::Success);
    assert_eq!(room.json("manifest.json")["status"], "success");
    fs::remove_dir_all(room.bundle("")).unwrap();
    assert!(matches!(room.resume().result, Err(RunError::Ended { .. })), "no bundle is made of nothing");
}

#[test]
fn another_plan_is_refused_with_what_is_different() {
    let room = Room::new();
    left_before_two(&room, &[(MAKES_ROWS, ROWS), NOTHING]);
    let room = undisturbed(room);
    let good = fs::read_to_string(room.path("plan.toml")).unwrap();
    let before = room.files();
    let cases = [
        (good.replace("name = \"p\"", "name = \"q\""), "name: expected p, found q; pipeline: expected p, found q"),
        (good.replace("name = \"p\"", "name = \"p\"\nemit_health = false"), "emit_health: expected true, found false"),
        (
            good.replace("command", "enabled = false\ncommand").replacen("enabled = false\n", "", 1),
            "stage `two`: expected enabled, found disabled",
        ),
        (good.replace("echo nothing", "echo another"), "by digest of the plan"),
        (good.replace("severity = \"FATAL\"", "severity = \"NON-FATAL\""), "stages and reason codes of the pipeline"),
        (good.clone() + "[manifest]\nx = 1", "manifest: expected {}, found {\"x\":1}"),
    ];
    for (text, says) in cases {
        fs::write(room.path("plan.toml"), text).unwrap();
        let left = room.resume();
        let error = left.result.unwrap_err();
        assert!(matches!(&error, RunError::OtherPlan { .. }) && error.to_string().contains(says), "{error}");
        assert_eq!((room.files(), left.reported.len()), (before.clone(), 0));
    }
    // The schema is part of the plan.
    fs::write(room.path("plan.toml"), &good).unwrap();
    let schema = fs::read_to_string(room.path("row.json")).unwrap();
    fs::write(room.path("row.json"), "{}").unwrap();
    assert!(matches!(room.resume().result, Err(RunError::OtherPlan { .. })));
    fs::write(room.path("row.json"), schema).unwrap();
    // Comments and the order of keys are not part of the plan.
    fs::write(room.path("plan.toml"), format!("# A comment.\n{good}")).unwrap();
    assert_eq!(room.resume().result.unwrap().status, RunStatus::Success);
}

#[test]
fn g19_a_file_that_a_schema_refers_to_is_part_of_the_plan() {
    let room = Room::new();
    fs::create_dir(room.path("common")).unwrap();
    fs::rename(room.path("row.json"), room.path("common/row.json")).unwrap();
    fs::write(room.path("row.json"), r#"{"$id":"pa:row:v1","$ref":"common/row.json"}"#).unwrap();
    left_before_two(&room, &[(MAKES_ROWS, ROWS), NOTHING]);
    let room = undisturbed(room);
    let schema = fs::read_to_string(room.path("common/row.json")).unwrap();
    fs::write(room.path("common/row.json"), "{}").unwrap();
    let error = room.resume().result.unwrap_err();
    assert!(matches!(&error, RunError::OtherPlan { .. }), "{error}");
    assert!(error.to_string().contains("schemas, by digest of the plan"), "{error}");
    fs::write(room.path("common/row.json"), schema).unwrap();
    assert_eq!(room.resume().result.unwrap().status, RunStatus::Success);
}

#[test]
fn only_an_interrupted_run_can_be_resumed() {
    let room = Room::new();
    fs::write(room.path("plan.toml"), plan(&[NOTHING])).unwrap();
    let left = room.resume();
    assert!(
        matches!(&left.result, Err(error @ RunError::UnknownRun(_)) if error.exit_code() == 2),
        "{:?}",
        left.result
    );
    assert!(!room.path("out").exists(), "nothing was touched");

    let contracts = || Contracts::default().with(Pipeline::default()).with(evlog_lifecycle::status::Status);
    let log = evlog::Options::new("test").open(room.path("other"), contracts()).unwrap();
    let request = Request::parse_line(br#"{"contract":"status","run":"A","do":"create"}"#).unwrap();
    log.submit(&request).unwrap().into_accepted().unwrap();
    let mut view = View::open(room.path("other"), contracts()).unwrap();
    let error = is_in_progress(&mut view, "A").unwrap_err();
    assert!(error.to_string().contains("found one of contract `status`"), "{error}");
}

#[test]
fn a_run_whose_stages_have_begun_cannot_be_resumed_without_its_bundle() {
    let room = Room::new();
    left_before_two(&room, &[NOTHING, NOTHING]);
    let room = undisturbed(room);
    fs::rename(room.path("out"), room.path("elsewhere")).unwrap();
    let error = room.resume().result.unwrap_err();
    assert!(matches!(error, RunError::NoBundle { .. }), "{error}");
    fs::remove_dir_all(room.path("out")).unwrap();
    fs::rename(room.path("elsewhere"), room.path("out")).unwrap();
    assert_eq!(room.resume().result.unwrap().status, RunStatus::Success);
}

#[test]
fn a_published_artifact_that_is_gone_or_changed_fails_the_run_closed() {
    // T-05, P-84, 5.4.
    type Damage = fn(&Path);
    let cases: [(Damage, &str); 2] = [
        (|path| fs::remove_file(path).unwrap(), "one failed fail_closed input_missing"),
        (|path| fs::write(path, "{\"a\":2}\n").unwrap(), "one failed fail_closed storage_io_error"),
    ];
    for (damage, expected) in cases {
        let room = Room::new();
        left_before_two(&room, &[(MAKES_ROWS, ROWS), NOTHING]);
        let room = undisturbed(room);
        damage(&room.bundle("rows/all.jsonl"));
        let report = room.resume().result.unwrap();
        assert_eq!(report.exit_code, 20);
        let found: Vec<String> = report.outcomes.iter().map(spelled).collect();
        assert_eq!(found, [expected, "two skipped fail_closed blocked_by_upstream_failure"]);
    }
}

#[test]
fn a_file_in_the_place_of_an_output_that_no_intent_names_fails_its_stage() {
    // T-05.
    for output in ["path = \"rows/all.jsonl\"", "glob = \"rows/*.jsonl\""] {
        let room = Room::new();
        left_before_two(&room, &[NOTHING, (MAKES_ROWS, &ROWS.replace("path = \"rows/all.jsonl\"", output))]);
        let room = undisturbed(room);
        fs::create_dir(room.bundle("rows")).unwrap();
        fs::write(room.bundle("rows/all.jsonl"), "{\"a\":1}\n").unwrap();
        let report = room.resume().result.unwrap();
        assert_eq!(spelled(&report.outcomes[1]), "two failed fail_closed storage_io_error");
    }
}

/// A run that was ended between the renames of its first stage, as if its process was killed there.
fn left_between_renames() -> Room {
    let room = Room::new();
    let script = "for f in a b c; do echo $f > $EVLOG_STAGING_DIR/$f; done; echo ran >> $EVLOG_PLAN_DIR/ran";
    fs::write(room.path("plan.toml"), plan(&[(script, ""), NOTHING])).unwrap();
    let bundle = room.bundle("");
    let steps = Steps::observed_by(move |step| {
        // The process does not get further than this.
        assert!(step != Step::Promote || !bundle.join("a").exists(), "ended");
    });
    let run_it = || {
        room.with(&|plan, session, claim, options, progress| {
            let options = Options { steps: steps.clone(), ..options.clone() };
            run(plan, session, claim, &options, progress)
        })
    };
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run_it));
    assert!(ended.is_err());
    room
}

/// The copies that the gate has passed and that are not promoted yet.
fn copies(room: &Room) -> Vec<PathBuf> {
    let below = |directory: PathBuf| fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let custody = below(room.bundle(".staging")).find(|path| path.to_string_lossy().contains(".custody-")).unwrap();
    below(custody).collect()
}

#[test]
fn a_promotion_is_finished_by_its_intent_or_nothing_of_it_is_moved() {
    // T-03, T-04, T-05.
    type Damage = fn(&Room);
    let cases: [(Damage, &str, &[&str]); 5] = [
        (|_| {}, "one success fail_closed -", &["a", "b", "c"]),
        // What stages can reach does not count.
        (|room| fs::write(room.bundle(".staging/one/c"), "x").unwrap(), "one success fail_closed -", &["a", "b", "c"]),
        (
            |room| copies(room).iter().for_each(|copy| fs::write(copy, "x").unwrap()),
            "one failed fail_closed storage_io_error",
            &["a"],
        ),
        (
            |room| fs::remove_dir_all(room.bundle(".staging")).unwrap(),
            "one failed fail_closed storage_io_error",
            &["a"],
        ),
        (|room| fs::write(room.bundle("a"), "x").unwrap(), "one failed fail_closed storage_io_error", &["a"]),
    ];
    for (damage, expected, files) in cases {
        let room = left_between_renames();
        assert!(room.bundle("a").exists() && room.bundle(".staging/one/b").exists());
        damage(&room);
        let report = room.resume().result.unwrap();
        assert_eq!(spelled(&report.outcomes[0]), expected);
        let found: Vec<String> = room.files().into_iter().filter(|path| path.len() == 1).collect();
        assert_eq!(found, files, "{expected}");
        assert_eq!(fs::read_to_string(room.path("ran")).unwrap(), "ran\n");
        assert!(!room.bundle(".staging").exists());
        // Resuming again and again changes nothing (A-08).
        assert!(matches!(room.resume().result, Err(RunError::Ended { .. })));
    }
}
