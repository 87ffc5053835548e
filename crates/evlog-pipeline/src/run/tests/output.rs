//! The file of a stage's output holds what evlog captured, even if others write to it.

use super::*;
use std::os::unix::fs::MetadataExt;

/// Asserts that the file of a stage's output holds what the log says, and has only one name.
fn proven(room: &Room, at: usize, path: &str) {
    let captured = &room.json("run.json")["captured"][at];
    let text = room.text(path);
    assert_eq!(captured["path"], path);
    assert_eq!(
        (&captured["bytes"], &captured["blake3"]),
        (&json!(text.len()), &json!(blake3::hash(text.as_bytes()).to_hex().as_str()))
    );
    let found = fs::symlink_metadata(room.bundle(path)).unwrap();
    assert!(found.is_file() && found.nlink() == 1, "{path}");
}

#[test]
fn g44_a_file_that_an_earlier_stage_put_in_the_place_of_an_output_is_set_aside_and_reported() {
    for plants in [
        "echo forged > $EVLOG_RUN_DIR/logs/two.log",
        "echo kept > $EVLOG_PLAN_DIR/victim; ln $EVLOG_PLAN_DIR/victim $EVLOG_RUN_DIR/logs/two.log",
    ] {
        let room = Room::new();
        let left = room.run(&plan(&[(plants, ""), NOTHING]));
        assert_eq!(left.result.unwrap().exit_code, 0);
        assert_eq!(room.text("logs/two.log"), "nothing\n");
        proven(&room, 1, "logs/two.log");
        assert!(
            left.reported.iter().any(|line| line.starts_with("note two") && line.contains(".aside")),
            "{:?}",
            left.reported
        );
        if plants.contains("victim") {
            assert_eq!(fs::read_to_string(room.path("victim")).unwrap(), "kept\n");
        }
    }
}

#[test]
fn g44_a_stage_that_changes_its_own_output_does_not_change_the_captured_output() {
    let waits = "while [ ! -s $EVLOG_RUN_DIR/logs/one.log ]; do sleep 0.01; done";
    for forges in [
        "echo forged > $EVLOG_RUN_DIR/logs/one.log",
        "echo forged >> $EVLOG_RUN_DIR/logs/one.log",
        "rm $EVLOG_RUN_DIR/logs/one.log",
        "ln $EVLOG_RUN_DIR/logs/one.log $EVLOG_PLAN_DIR/second",
        "rm $EVLOG_RUN_DIR/logs/one.log; mkdir $EVLOG_RUN_DIR/logs/one.log",
        "echo kept > $EVLOG_PLAN_DIR/victim; rm $EVLOG_RUN_DIR/logs/one.log; ln $EVLOG_PLAN_DIR/victim $EVLOG_RUN_DIR/logs/one.log",
        "echo kept > $EVLOG_PLAN_DIR/victim; rm $EVLOG_RUN_DIR/logs/one.log; ln -s $EVLOG_PLAN_DIR/victim $EVLOG_RUN_DIR/logs/one.log",
    ] {
        let room = Room::new();
        let left = room.run(&plan(&[(&format!("echo truth; {waits}; {forges}; echo more"), "")]));
        assert_eq!(left.result.unwrap().exit_code, 0, "{forges}");
        let text = room.text("logs/one.log");
        let rest = text.strip_prefix("truth\nmore\nevlog: ");
        assert!(rest.is_some_and(|note| note.contains("was recreated")), "{forges}: {text}");
        proven(&room, 0, "logs/one.log");
        assert!(left.reported.iter().any(|line| line.contains("was recreated")), "{forges}: {:?}", left.reported);
        if forges.contains("victim") {
            assert_eq!(fs::read_to_string(room.path("victim")).unwrap(), "kept\n");
        }
    }
}

#[test]
fn g44_what_a_stage_writes_past_evlog_does_not_stay_unmasked() {
    let room = Room::new();
    let writes = "echo begun; while [ ! -s $EVLOG_RUN_DIR/logs/one.log ]; do sleep 0.01; done; env > $EVLOG_RUN_DIR/logs/one.log";
    let secret = "[secrets]\nnames = [\"TOKEN\"]\n";
    let plan = plan(&[(writes, "env = { TOKEN = \"zz99secret\" }")]) + secret;
    assert_eq!(room.run(&plan).result.unwrap().exit_code, 0);
    assert!(room.text("logs/one.log").starts_with("begun\n") && !room.text("logs/one.log").contains("zz99secret"));
    proven(&room, 0, "logs/one.log");
}

#[test]
fn t06_an_attempt_continues_the_recorded_output_and_nothing_else() {
    let script = "echo run; [ -e $EVLOG_PLAN_DIR/again ] || { touch $EVLOG_PLAN_DIR/again; sleep 100; }";
    for (altered, expected) in [
        (None, "run\nevlog: the run was interrupted; the process group was ended\nrun\n"),
        (
            Some("forged\n"),
            "evlog: what follows stood here when the run was resumed; evlog was ended before it recorded it\nforged\nrun\n",
        ),
    ] {
        let room = Room::new();
        let (interrupts, begun) = (room.1.clone(), room.path("again"));
        let asker = std::thread::spawn(move || {
            while !begun.exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            (interrupts.raise(), interrupts.raise())
        });
        let left = room.run(&plan(&[(script, ""), NOTHING]));
        asker.join().unwrap();
        assert!(matches!(left.result, Err(RunError::Interrupted { began: true, .. })));
        if let Some(text) = altered {
            fs::write(room.bundle("logs/one.log"), text).unwrap();
        }
        // Somebody has put it there for a stage that has not begun, while evlog does not look.
        fs::write(room.bundle("logs/two.log"), "forged\n").unwrap();
        let room = undisturbed(room);
        let left = room.resume();
        assert_eq!(left.result.unwrap().exit_code, 0);
        assert_eq!(room.text("logs/one.log"), expected);
        assert_eq!(room.text("logs/two.log"), "nothing\n");
        proven(&room, 0, "logs/one.log");
        proven(&room, 1, "logs/two.log");
        assert!(left.reported.iter().any(|line| line.starts_with("note two") && line.contains(".aside")));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn g27_a_stage_that_stops_its_supervisor_is_ended_at_its_limit_and_notes_say_what_is_known() {
    let room = Room::new();
    let script = "setsid sleep 100 & echo $! > left; kill -STOP $PPID; sleep 100";
    let left = room.run(&plan(&[(script, "time_limit = \"1s\"\ntime_limit_reason_code = \"slow\"")]));
    assert_eq!(left.result.unwrap().exit_code, 20);
    let pid = fs::read_to_string(room.path("left")).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(
        stat.rsplit(')').next().is_some_and(|rest| rest.is_empty() || rest.trim_start().starts_with('Z')),
        "{stat}"
    );
    let log = room.text("logs/one.log");
    assert!(log.contains("evlog: the stage's supervisor was stopped"), "{log}");
    assert!(!log.contains("the process group was ended"), "{log}");
    assert!(left.reported.iter().any(|line| line.contains("supervisor was stopped")), "{:?}", left.reported);
}

#[test]
fn how_the_process_of_a_stage_ended_is_in_the_log() {
    // Rules P-95 and G-35.
    let limit = "time_limit = \"200ms\"";
    for (script, keys, code, outcome, ended) in [
        ("true", "", 0, "success fail_closed -", json!({"how": "exited", "exit_code": 0})),
        ("exit 3", "", 20, "failed fail_closed one_broken", json!({"how": "exited", "exit_code": 3})),
        ("kill -9 $$", "", 20, "failed fail_closed one_broken", json!({"how": "signalled", "signal": 9})),
        ("sleep 100", limit, 20, "failed fail_closed one_broken", json!({"how": "timed_out"})),
    ] {
        let room = Room::new();
        room.ends(&plan(&[(script, keys)]), code, &[&format!("one {outcome}")]);
        let ends = process_ends(&room);
        let [found] = ends.as_slice() else { panic!("{script}: {ends:?}") };
        for (member, expected) in ended.as_object().unwrap() {
            assert_eq!(&found[member], expected, "{script}");
        }
        let limit_ns = if keys.is_empty() { Value::Null } else { json!(200_000_000) };
        assert_eq!((&found["stage"], &found["time_limit_ns"]), (&json!("one"), &limit_ns), "{script}");
    }
    let room = Room::new();
    let plan = plan(&[NOTHING]).replace("\"sh\", \"-ec\"", "\"./no-such-program\"");
    room.ends(&plan, 20, &["one failed fail_closed one_broken"]);
    assert_eq!(process_ends(&room)[0]["how"], "not_started");
}

/// What the log records of the ends of processes, in order.
pub(super) fn process_ends(room: &Room) -> Vec<Value> {
    let audit = room.text("audit_events.jsonl");
    let lines = audit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["kind"] == "pipeline.process_ended").map(|line| line["event"].clone()).collect()
}
