//! `evlog tail`: the last events, and those that come.

use crate::crash::Lines;
use crate::forge::{reframe, rewrite};
use crate::outside::{Happening, ended, last_segment, line, replace};
use crate::screen::drive;
use crate::support::{Room, files_below};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

#[test]
fn tail_gives_the_last_events() {
    let room = Room::with_batch();
    let all = room.ends(0, &["cat", "--json"]).out;
    let all: Vec<&str> = all.lines().collect();
    for count in [0, 1, 3, 10, 1000] {
        let tail = room.ends(0, &["tail", "--json", "-n", &count.to_string()]).out;
        assert_eq!(tail.lines().collect::<Vec<_>>(), all[all.len().saturating_sub(count)..]);
    }
    assert_eq!(room.ends(0, &["tail"]).out.lines().count(), 10);
    let run = room.ends(0, &["tail", "--json", "--run", "RUN_0001", "-n", "2"]).lines();
    assert_eq!(run.iter().map(|event| event["number"].clone()).collect::<Vec<_>>(), [1, 2]);
}

fn next(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Value {
    serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_follower_sees_events_of_another_process_as_they_are_committed() {
    let room = Room::with_batch();
    let mut follower = room.spawn(&["tail", "-f", "-n", "1", "--json"]);
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    // Its first line says that it looks: what comes from here on, it must see come.
    next(&mut lines);
    for number in 0..5 {
        let line = format!(r#"{{"contract":"custom","run":"live","do":"record","kind":"custom/n","data":{number}}}"#);
        let done = room.feed(&["submit"], &line);
        let seq = done.lines()[0]["events"][0]["seq"].clone();
        let event = loop {
            let event = next(&mut lines);
            if event["stream"] == "live" {
                break event;
            }
            assert_eq!(event["stream"], "$log");
        };
        assert_eq!((&event["seq"], &event["number"]), (&seq, &Value::from(number)));
    }
    end(follower);
}

#[test]
fn a_follower_of_one_run_sees_that_run_alone() {
    let room = Room::with_batch();
    let mut follower = room.spawn(&["tail", "-f", "-n", "1", "--run", "order-7", "--json"]);
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert_eq!(next(&mut lines)["number"], 0);
    let other = r#"{"contract":"custom","run":"order-8","do":"record","kind":"custom/n"}"#;
    room.feed(&["submit"], other);
    room.feed(&["submit"], &other.replace("order-8", "order-7"));
    let event = next(&mut lines);
    assert_eq!((&event["stream"], &event["number"]), (&Value::from("order-7"), &Value::from(1)));
    end(follower);
}

#[test]
fn a_follower_stops_politely_without_a_reader() {
    let room = Room::with_batch();
    let mut follower = room.spawn(&["tail", "-f"]);
    drop(follower.stdout.take());
    let line = r#"{"contract":"custom","run":"live","do":"record","kind":"custom/n"}"#;
    room.feed(&["submit"], line);
    assert_eq!(follower.wait().unwrap().code(), Some(0));
}

#[test]
fn a_follower_can_wait_for_a_log() {
    let room = Room::new();
    room.ends(2, &["tail", "-f"]).says("no log").says("--wait");
    let mut follower = room.spawn(&["tail", "-f", "--wait", "--json"]);
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    room.feed(&["submit"], r#"{"contract":"status","run":"A","do":"create"}"#);
    assert_eq!(next(&mut lines)["kind"], "log.created");
    end(follower);
}

#[test]
fn a_follower_says_that_its_log_was_removed_moved_or_replaced() {
    let outside: [Happening<'_>; 5] = [
        ("removed or moved", &|room| fs::remove_dir_all(room.path("evlog")).unwrap()),
        ("removed or moved", &|room| fs::rename(room.path("evlog"), room.path("old")).unwrap()),
        ("took the place", &|room| {
            room.feed(&["--log", "new", "submit"], &line("new", 0));
            fs::rename(room.path("evlog"), room.path("old")).unwrap();
            fs::rename(room.path("new"), room.path("evlog")).unwrap();
        }),
        ("a copy of the log took the place", &|room| {
            assert!(room.command_of("cp", &["-a", "evlog", "copy"]).status().unwrap().success());
            fs::rename(room.path("evlog"), room.path("old")).unwrap();
            fs::rename(room.path("copy"), room.path("evlog")).unwrap();
        }),
        ("a copy of the log took the place", &|room| {
            fs::create_dir(room.path("new")).unwrap();
            fs::rename(room.path("evlog/segments"), room.path("new/segments")).unwrap();
            fs::rename(room.path("evlog"), room.path("old")).unwrap();
            fs::rename(room.path("new"), room.path("evlog")).unwrap();
        }),
    ];
    for (said, act) in outside {
        for wait in [&[][..], &["--wait"]] {
            let room = Room::with_batch();
            let mut follower = room.spawn(&[&["tail", "-f", "-n", "1", "--json"], wait].concat());
            let lines = Lines::of(&mut follower);
            lines.wait_for(1, &mut follower);
            act(&room);
            let done = ended(follower, &said);
            assert_eq!(done.code, 2, "{said}: {done:?}");
            done.says(said);
        }
    }
}

#[test]
fn a_follower_goes_on_where_a_copy_of_its_last_segment_took_its_place() {
    let room = Room::with_batch();
    let mut follower = room.spawn(&["tail", "-f", "-n", "1", "--json"]);
    let lines = Lines::of(&mut follower);
    lines.wait_for(1, &mut follower);
    replace(&last_segment(&room));
    room.feed(&["submit"], &line("more", 0));
    while !lines.so_far().iter().any(|line| line.contains("\"more\"")) {
        assert_eq!(follower.try_wait().unwrap(), None, "the follower ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn a_follower_whose_reader_is_gone_ends_while_nothing_is_committed() {
    let room = Room::with_batch();
    for arguments in [&["tail", "-f"][..], &["tail", "-f", "--run", "none"], &["--log", "no", "tail", "-f", "--wait"]] {
        let mut follower = room.spawn(arguments);
        drop(follower.stdout.take());
        let done = ended(follower, &arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {done:?}");
    }
}

#[test]
fn a_follower_whose_stdout_was_closed_from_the_start_ends() {
    let room = Room::with_batch();
    for arguments in ["tail -f", "tail -f --run none", "--log no tail -f --wait"] {
        let script = format!("exec \"$0\" {arguments} >&-");
        let mut shell = room.command_of("sh", &["-c", &script, env!("CARGO_BIN_EXE_evlog")]);
        let follower = shell.stderr(Stdio::piped()).spawn().unwrap();
        assert_eq!(ended(follower, &arguments).code, 0, "{arguments}");
    }
}

#[test]
fn a_follower_of_a_quiet_log_ends_when_head_has_its_line_and_one_that_writes_to_nowhere_goes_on() {
    let room = Room::with_batch();
    let script = "\"$0\" tail -f | head -n 1";
    let mut shell = room.command_of("sh", &["-c", script, env!("CARGO_BIN_EXE_evlog")]);
    let piped = shell.stdout(Stdio::null()).spawn().unwrap();
    assert_eq!(ended(piped, &script).code, 0);
    let script = "exec \"$0\" tail -f > /dev/null";
    let mut nowhere = room.command_of("sh", &["-c", script, env!("CARGO_BIN_EXE_evlog")]).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(nowhere.try_wait().unwrap(), None);
    end(nowhere);
}

/// Three runs: one continues twice, one does not continue, and the events of the third change no status.
fn folded_room() -> Room {
    let room = Room::new();
    let lines = [
        r#"{"contract":"status","run":"RUN_A","do":"create"}"#,
        r#"{"contract":"status","run":"RUN_B","do":"create"}"#,
        r#"{"contract":"status","run":"RUN_A","do":"transition","to":"running"}"#,
        r#"{"contract":"status","run":"RUN_A","do":"transition","to":"success"}"#,
        r#"{"contract":"custom","run":"RUN_C","do":"record","kind":"custom/n"}"#,
        r#"{"contract":"custom","run":"RUN_C","do":"record","kind":"custom/n"}"#,
    ];
    room.feed(&["submit", "--actor", "operator"], &lines.join("\n"));
    room
}

#[test]
fn in_a_pipe_a_folded_tail_prints_each_change_of_a_status_once() {
    let room = folded_room();
    let out = room.ends(0, &["tail", "--fold", "-n", "100", "--format", "{run} {status}"]).out;
    let open = out.lines().last().unwrap().to_owned();
    assert_eq!(out, format!("RUN_A created\nRUN_B created\nRUN_A running\nRUN_A success\n{open}\n"));
    assert!(open.starts_with("RUN_C "), "{out}");
    let json = room.ends(0, &["tail", "--fold", "-n", "100", "--json"]).lines();
    assert_eq!(json.len(), 5, "an event that changes no status is left out: {json:?}");
    let one = room.ends(0, &["tail", "--fold", "-n", "100", "--run", "RUN_A"]).out;
    assert_eq!(one.lines().count(), 3, "{one}");
    for option in ["--full", "--wrap", "--at=3"] {
        room.ends(2, &["tail", "--fold", option]).says("cannot be used with");
    }
}

#[test]
fn on_a_terminal_a_folded_tail_draws_one_line_a_run() {
    let room = folded_room();
    let out = drive(&room, (80, 24), &["tail", "--fold", "-n", "100"], &[]).out;
    for (run, status) in [("RUN_A", "success"), ("RUN_B", "created")] {
        let lines: Vec<&str> = out.lines().filter(|line| line.contains(run)).collect();
        assert!(lines.len() == 1 && lines[0].contains(status), "{run}: {out}");
    }
    // While it follows, the same lines are drawn over.
    let more =
        r#"run echo '{"contract":"status","run":"RUN_B","do":"transition","to":"running"}' | "$EVLOG" -q submit"#;
    let script = ["see success", more, "see  running", "lose status.created", "show", "kill TERM"];
    let out = drive(&room, (80, 24), &["tail", "-f", "--fold", "-n", "100"], &script).out;
    let (shown, _) = out.split_once("given back").unwrap();
    assert_eq!(shown.lines().filter(|line| line.contains("RUN_A")).count(), 2, "shown twice, a line each: {out}");
}

#[test]
fn a_verifying_tail_says_how_far_the_log_is_verified_and_signed() {
    let room = Room::with_batch();
    let last = room.ends(0, &["cat", "--json"]).lines().last().unwrap()["seq"].clone();
    room.ends(0, &["tail", "--verify"]).says(&format!("verified <= {last}, no checkpoint is recorded"));
    room.ends(0, &["key", "new", "example.com/log", "--out", "log.key"]);
    room.ends(0, &["checkpoint", "--key", "log.key", "--out", "log.note"]);
    room.ends(0, &["tail", "--verify"]).says(", signed <= ").says("not witnessed as far as the log keeps it");
    let kept = fs::read_dir(room.path("evlog/checkpoints")).unwrap().next().unwrap().unwrap().path();
    let note = fs::read_to_string(&kept).unwrap();
    fs::remove_file(&kept).unwrap();
    room.ends(0, &["tail", "--verify"]).says("it does not keep the note");
    // The signature is the last word of the note.
    let at = note.trim_end().len() - 10;
    let other = if &note[at..=at] == "A" { "B" } else { "A" };
    fs::write(&kept, format!("{}{other}{}", &note[..at], &note[at + 1..])).unwrap();
    room.ends(1, &["tail", "--verify"]).says("finding:").says("checkpoint `");
}

#[test]
fn a_verifying_tail_ends_with_the_finding_of_verify_before_it_shows_what_is_wrong() {
    let whole = Room::with_batch();
    let mut found = 0;
    for frame in 2..10 {
        let room = whole.again();
        rewrite(&last_segment(&room), frame, |body| {
            if let Some(place) = body.windows(12).position(|word| word == b"lab_provider") {
                body[place] = b'x';
            }
        });
        let verified = room.run(&["verify"]);
        let Some(finding) = verified.err.lines().find(|line| line.starts_with("finding:")) else { continue };
        let done = room.ends(1, &["tail", "-n", "100", "--verify"]);
        done.says(finding);
        assert_eq!(done.out, "");
        found += 1;
    }
    assert!(found > 0, "a commit that breaks its contract");
    reframe(&last_segment(&whole), 3, |frame| (u64::MAX / 2, frame.body.to_vec()));
    whole.ends(1, &["tail", "-n", "100", "--verify"]).says("log is damaged at position");
}

#[test]
fn a_verifying_follower_finds_out_that_what_it_read_was_rewritten_and_signed_again() {
    let room = Room::with_batch();
    // What a reader compares itself, at the end of what it has shown, is not meant.
    room.feed(&["submit"], &(0..500).map(|number| line("more", number)).collect::<String>());
    room.ends(0, &["key", "new", "example.com/log", "--out", "log.key"]);
    let mut follower = room.spawn(&["tail", "-f", "-n", "1", "--json", "--verify"]);
    let lines = Lines::of(&mut follower);
    lines.wait_for(1, &mut follower);
    rewrite(&last_segment(&room), 8, |body| {
        let place = body.windows(3).position(|found| found == b"sea").unwrap();
        body[place..place + 3].copy_from_slice(b"air");
    });
    for sidecar in files_below(&room.path("evlog/segments")) {
        if sidecar.extension().is_some_and(|extension| extension != "seg") {
            fs::remove_file(sidecar).unwrap();
        }
    }
    room.ends(0, &["checkpoint", "--key", "log.key", "--out", "log.note"]);
    let done = ended(follower, &"rewritten");
    assert_eq!(done.code, 1, "{done:?}");
    done.says("finding: tampered").says("the log records that it signed other bytes than these");
}
