//! What is left of a run that is asked to stop: in progress in the log, its lock given back, nothing half promoted.

use super::*;

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
    assert!(!room.bundle(".staging").join("one").exists(), "what it staged is not");
    for (path, bytes) in &left.projected {
        assert!(&fs::read(room.bundle(path)).unwrap() == bytes, "{path} is not what the log projects");
    }
    let stages = &room.json("run.json")["stages"];
    assert_eq!((&stages[0]["state"], &stages[1]["state"]), (&json!("running"), &json!("pending")));
}
