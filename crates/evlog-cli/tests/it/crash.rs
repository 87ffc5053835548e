//! `kill -9` at any moment: every answered command is in the log, whole and in order, and every projection matches.

use crate::support::Room;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

/// How often each command is killed.
pub(crate) const ROUNDS: u64 = 20;

/// Moments that differ from round to round and are the same in every test run, in microseconds below `max`.
pub(crate) fn moment(round: u64, max: u64) -> Duration {
    let mixed = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    Duration::from_micros(mixed % max)
}

/// Feeds commands until the pipe breaks: runs that begin, are rejected once, and end; and a custom one.
fn feed(child: &mut Child, round: u64) -> JoinHandle<()> {
    let mut stdin = child.stdin.take().unwrap();
    thread::spawn(move || {
        for number in 0.. {
            let run = format!("k-{round}-{number}");
            let lines = format!(
                r#"{{"contract":"status","run":"{run}","do":"create","id":"{run}"}}
{{"contract":"custom","run":"all","do":"record","kind":"custom/seen","data":{{"round":{round},"number":{number}}}}}
{{"contract":"status","run":"{run}","do":"transition","to":"running"}}
{{"contract":"status","run":"{run}","do":"transition","to":"created"}}
"#
            );
            if stdin.write_all(lines.as_bytes()).is_err() {
                return;
            }
            sleep(Duration::from_micros(200));
        }
    })
}

/// Whole lines that a command writes, as it writes them.
pub(crate) struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl Lines {
    pub(crate) fn of(child: &mut Child) -> Lines {
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let filled = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            let mut line = String::new();
            while out.read_line(&mut line).unwrap() > 0 {
                if line.ends_with('\n') {
                    filled.lock().unwrap().push(std::mem::take(&mut line));
                }
                line.clear();
            }
        });
        Lines { lines, reader }
    }

    /// Waits until there are this many, or until the process that writes them has ended.
    pub(crate) fn wait_for(&self, count: u64, maker: &mut Child) {
        while (self.lines.lock().unwrap().len() as u64) < count && maker.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(1));
        }
    }

    /// Those that came until now.
    pub(crate) fn so_far(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// All lines, once the writing end is closed.
    pub(crate) fn all(self) -> Vec<String> {
        self.reader.join().unwrap();
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

/// The log opens and is sound: before the next writer but for a torn tail, after it without.
pub(crate) fn assert_sound(room: &Room) {
    let found = room.run(&["verify", "--json"]);
    let verdict = found.json()["verdict"].clone();
    assert!(verdict == "clean" || verdict == "torn_tail", "{found:?}");
    let more = r#"{"contract":"custom","run":"after","do":"record","kind":"custom/n"}"#;
    assert_eq!(room.feed(&["submit"], more).code, 0);
    room.ends(0, &["verify"]);
    assert_eq!(room.ends(0, &["replay", "--json"]).json()["agrees"], true);
}

/// Every event of every acknowledged line is in the log, of the kind and the run that the line says.
fn assert_kept(room: &Room, acknowledged: &[Value]) {
    let Some(first) = acknowledged.first() else { return };
    let from = first["events"][0]["seq"].to_string();
    let kept = room.ends(0, &["cat", "--json", "--from", &from]).lines();
    let kept: BTreeMap<u64, &Value> = kept.iter().map(|event| (event["seq"].as_u64().unwrap(), event)).collect();
    for line in acknowledged {
        for answered in line["events"].as_array().unwrap() {
            let event =
                kept.get(&answered["seq"].as_u64().unwrap()).unwrap_or_else(|| panic!("{answered} of {line} is lost"));
            assert_eq!((&event["kind"], &event["stream"]), (&answered["kind"], &line["run"]), "{line}");
        }
    }
}

/// A command with an idempotency key that is given again is given its first answer again.
fn assert_known(room: &Room, acknowledged: &[Value]) {
    let created = |line: &&Value| line["events"][0]["kind"] == "status.created";
    let Some(first) = acknowledged.iter().rfind(created) else { return };
    let run = first["run"].as_str().unwrap();
    let again = room.feed(&["submit"], &format!(r#"{{"contract":"status","run":"{run}","do":"create","id":"{run}"}}"#));
    let again = &again.lines()[0];
    assert_eq!((&again["result"], &again["events"]), (&Value::from("duplicate"), &first["events"]));
}

#[test]
fn a_killed_submit_loses_nothing_that_it_answered() {
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "20000"]);
    let mut answered = 0;
    for round in 0..ROUNDS {
        let mut child = room.spawn(&["submit", "-q"]);
        let feeder = feed(&mut child, round);
        let results = Lines::of(&mut child);
        // By what it did and not by the clock, so that a slow machine shows as much as a fast one.
        results.wait_for(round * 13 % 100, &mut child);
        sleep(moment(round, 20_000));
        child.kill().unwrap();
        child.wait().unwrap();
        feeder.join().unwrap();
        let lines: Vec<Value> = results.all().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        answered += lines.len();
        assert_sound(&room);
        assert_kept(&room, &lines);
        assert_known(&room, &lines);
    }
    assert!(answered > 100, "the rounds were too short to show anything: {answered} lines");
    assert!(room.segments().len() > 2, "segments rolled while being killed");
}
