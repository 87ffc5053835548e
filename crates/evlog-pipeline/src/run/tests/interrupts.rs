//! What is left of a run that is asked to stop: it is in progress in the log, its lock is released, nothing is half promoted.

use super::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

const TWO_STAGES: &str = r#"
name = "two"
[[stage]]
id = "one"
command = ["sh", "-c", "echo begun; echo $$ > $EVLOG_RUN_DIR/../../pid; mkdir -p $EVLOG_STAGING_DIR/one; sleep 100"]
reason_code = "storage_io_error"
[[stage]]
id = "two"
command = ["true"]
reason_code = "storage_io_error"
"#;

#[test]
fn a_run_that_is_asked_to_stop_begins_no_further_stage_and_stays_in_progress() {
    let room = Room::new();
    room.1.raise();
    let left = room.run(&TWO_STAGES.replace("sleep 100", "true"));
    let error = left.result.unwrap_err();
    assert!(matches!(&error, RunError::Interrupted { stage, began: false, .. } if stage == "one"), "{error}");
    assert_eq!(error.exit_code(), 130);
    assert_eq!(room.json("run.json")["status"], "in_progress");
    assert!(room.json("manifest.json").get("status").is_none(), "no status is made up (A-13)");
    assert!(!room.path("out/runs/.locks").join(format!("{RUN}.lock")).exists(), "the lock is given back");
}

#[test]
fn asked_twice_the_running_stage_is_ended_with_its_group_and_has_no_outcome() {
    let room = Room::new();
    let (interrupts, pid) = (room.1.clone(), room.path("out/pid"));
    let asker = std::thread::spawn(move || {
        while !fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!((interrupts.raise(), interrupts.raise()), (1, 2));
    });
    let began = Instant::now();
    let left = room.run(TWO_STAGES);
    asker.join().unwrap();
    assert!(began.elapsed() < Duration::from_secs(50), "the stage was not ended");
    let error = left.result.unwrap_err();
    assert!(matches!(&error, RunError::Interrupted { stage, began: true, .. } if stage == "one"), "{error}");
    assert!(room.text("logs/one.log").contains("the run was interrupted"));
    assert_eq!(room.json("run.json")["captured"][0]["path"], "logs/one.log", "what it printed is kept");
    assert_eq!(output::process_ends(&room)[0]["how"], "interrupted");
    assert!(!room.bundle(".staging").join("one").exists(), "what it staged is not");
    for (path, bytes) in &left.projected {
        assert!(&fs::read(room.bundle(path)).unwrap() == bytes, "{path} is not what the log projects");
    }
    let stages = &room.json("run.json")["stages"];
    assert_eq!((&stages[0]["state"], &stages[1]["state"]), (&json!("running"), &json!("pending")));
}

#[test]
fn g29_a_stage_that_is_interrupted_while_storage_fails_has_no_outcome_and_its_end_is_recorded() {
    let room = Room::new();
    let (interrupts, pid) = (room.1.clone(), room.path("out/pid"));
    let asker = std::thread::spawn(move || {
        while !fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')) {
            std::thread::sleep(Duration::from_millis(5));
        }
        (interrupts.raise(), interrupts.raise())
    });
    // The note of the stage's tag cannot be removed, and what is in its place cannot be moved away.
    let blocks = "touch $EVLOG_RUN_DIR/../.aside; cd $EVLOG_RUN_DIR/../.locks; for note in *.stage; do rm $note; mkdir $note; done; echo $$";
    let left = room.run(&TWO_STAGES.replace("echo $$", blocks));
    asker.join().unwrap();
    let error = left.result.unwrap_err();
    assert!(matches!(&error, RunError::Interrupted { stage, began: true, .. } if stage == "one"), "{error}");
    assert!(left.reported.iter().any(|line| line.contains(".aside")), "{:#?}", left.reported);
    assert_eq!(output::process_ends(&room)[0]["how"], "interrupted");
    assert_eq!(room.json("run.json")["stages"][0]["state"], "running");
}

/// Interrupts twice as soon as progress reports that files of this stage, or of the whole run, are being read.
pub(super) fn interrupted_while_reading(room: &Room, of: Option<&str>, begin: &Begin<'_>) -> Left {
    room.with(&|plan, session, claim, options, progress| {
        let mut tell = |reported: Progress<'_>| {
            if matches!(reported, Progress::Reading { stage, .. } if stage == of) {
                options.interrupts.raise();
                options.interrupts.raise();
            }
            progress(reported);
        };
        begin(plan, session, claim, options, &mut tell)
    })
}

#[test]
fn t08_asked_twice_reading_stops_and_counts_for_nothing() {
    let mut room = Room::new();
    let makes = "echo ran >> $EVLOG_PLAN_DIR/ran; head -c 5000000 /dev/zero | tr '\\0' x | fold -w 100000; mkdir $EVLOG_STAGING_DIR/made; truncate -s 20M $EVLOG_STAGING_DIR/made/large";
    let needs = "[[stage.input]]\npath = \"made/large\"\nfrom = \"run\"";
    fs::write(room.path("plan.toml"), plan(&[(makes, ""), ("true", needs)])).unwrap();
    let interrupted = |left: Left, at: &str, has_begun: bool| {
        let error = left.result.unwrap_err();
        let is_it = matches!(&error, RunError::Interrupted { stage, began, .. } if stage == at && *began == has_begun);
        assert!(is_it, "{error}: {:#?}", left.reported);
        let last = left.reported.last().unwrap();
        assert!(last.starts_with("read ") && last.contains(" 4194304 of "), "{:#?}", left.reported);
    };
    // The gate: nothing is promoted, no outcome is recorded, and the stage runs again.
    let left = interrupted_while_reading(&room, Some("one"), &|plan, session, claim, options, progress| {
        run(plan, session, claim, options, progress)
    });
    interrupted(left, "one", true);
    assert!(!room.bundle("made").exists() && !room.bundle(".staging").join("one").exists());
    assert_eq!(room.json("run.json")["stages"][0]["state"], "running");
    assert!(!room.bundle("logs/contract_validation/one.json").exists(), "that is no failure of the gate");
    // What it printed is read when the run is resumed.
    room = undisturbed(room);
    let resumed: &Begin<'_> =
        &|plan, session, claim, options, progress| resume(plan, session, claim, options, progress);
    interrupted(interrupted_while_reading(&room, None, resumed), "one", false);
    // The inputs of the second stage are read; it has not begun.
    room = undisturbed(room);
    interrupted(interrupted_while_reading(&room, Some("two"), resumed), "two", false);
    assert_eq!(fs::read_to_string(room.path("ran")).unwrap(), "ran\nran\n");
    assert!(room.bundle("made/large").exists());
    // What was left is read; nothing of it is called corrupt.
    room = undisturbed(room);
    interrupted(interrupted_while_reading(&room, None, resumed), "two", false);
    room = undisturbed(room);
    let left = room.resume();
    room.ended(&left, 0, &["one success fail_closed -", "two success fail_closed -"]);
    assert_eq!(fs::read_to_string(room.path("ran")).unwrap(), "ran\nran\n");
}

#[test]
fn asked_twice_between_outcomes_of_substages_the_rest_waits_for_the_next_attempt() {
    let room = Room::new();
    let script = "seq 9 | sed 's/.*/{\"stage\":\"one.x&\",\"status\":\"success\"}/' > $EVLOG_OUTCOMES";
    fs::write(room.path("plan.toml"), plan(&[(script, "")])).unwrap();
    let left = room.with(&|plan, session, claim, options, progress| {
        let (interrupts, recorded) = (options.interrupts.clone(), AtomicUsize::new(0));
        let steps = Steps::observed_by(move |step| {
            if step == Step::CommitSubstage && recorded.fetch_add(1, Ordering::SeqCst) == 3 {
                interrupts.raise();
                interrupts.raise();
            }
        });
        let options = Options { steps, interrupts: options.interrupts.clone(), ..Options::default() };
        run(plan, session, claim, &options, progress)
    });
    let error = left.result.unwrap_err();
    assert!(matches!(&error, RunError::Interrupted { stage, began: true, .. } if stage == "one"), "{error}");
    assert_eq!(room.json("manifest.json")["stage_outcomes"].as_array().unwrap().len(), 4);
    let room = undisturbed(room);
    let left = room.resume();
    assert_eq!(left.result.unwrap().status, RunStatus::Success);
    assert_eq!(room.json("manifest.json")["stage_outcomes"].as_array().unwrap().len(), 10);
}

#[test]
fn t08_asked_twice_while_a_promotion_is_finished_what_is_still_staged_stays_staged() {
    let mut room = Room::new();
    let makes = "echo ran >> $EVLOG_PLAN_DIR/ran; cd $EVLOG_STAGING_DIR; mkdir made; echo a > made/a; truncate -s 20M made/large";
    fs::write(room.path("plan.toml"), plan(&[(makes, "")])).unwrap();
    // It ends between two files of a promotion.
    let ends = AssertUnwindSafe(|| {
        room.with(&|plan, session, claim, options, progress| {
            let promoted = AtomicUsize::new(0);
            let steps = Steps::observed_by(move |step| {
                let is_second = step == Step::Promote && promoted.fetch_add(1, Ordering::SeqCst) == 1;
                assert!(!is_second, "the process ends here");
            });
            run(plan, session, claim, &Options { steps, ..options.clone() }, progress)
        })
    });
    assert!(catch_unwind(ends).is_err());
    assert!(room.bundle("made/a").exists() && !room.bundle("made/large").exists());
    // Somebody has removed the file. Then there is nothing to measure between the promotion and the clearing of staging.
    fs::remove_file(room.bundle("logs/one.log")).unwrap();
    let resumed: &Begin<'_> =
        &|plan, session, claim, options, progress| resume(plan, session, claim, options, progress);
    let error = interrupted_while_reading(&room, None, resumed).result.unwrap_err();
    assert!(matches!(&error, RunError::Interrupted { stage, began: false, .. } if stage == "one"), "{error}");
    assert!(room.bundle(".staging/one/made/large").exists(), "what the intent names is gone");
    room = undisturbed(room);
    let left = room.resume();
    room.ended(&left, 0, &["one success fail_closed -"]);
    assert!(room.bundle("made/large").exists());
    assert_eq!(fs::read_to_string(room.path("ran")).unwrap(), "ran\n");
}

#[test]
fn t08_asked_twice_a_validator_that_takes_its_time_is_not_waited_for() {
    let room = Room::new();
    // Valid, after sixteen million steps.
    let doubled = |level: usize| json!({"allOf": vec![json!({"$ref": format!("#/$defs/d{}", level + 1)}); 2]});
    let levels = 22;
    let mut defs: Map<String, Value> = (0..levels).map(|level| (format!("d{level}"), doubled(level))).collect();
    defs.insert(format!("d{levels}"), json!({"type": "object"}));
    fs::write(room.path("row.json"), json!({"$defs": defs, "$ref": "#/$defs/d0"}).to_string()).unwrap();
    fs::write(room.path("plan.toml"), plan(&[(MAKES_ROWS, ROWS), NOTHING])).unwrap();
    // For so few bytes progress is reported only while the validator works.
    let left = interrupted_while_reading(&room, Some("one"), &|plan, session, claim, options, progress| {
        run(plan, session, claim, options, progress)
    });
    let error = left.result.unwrap_err();
    assert!(matches!(&error, RunError::Interrupted { stage, began: true, .. } if stage == "one"), "{error}");
    assert_eq!(room.json("run.json")["status"], "in_progress");
    assert!(!room.bundle("rows").exists(), "nothing is promoted");
}
