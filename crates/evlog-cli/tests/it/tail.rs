//! `evlog tail`: the last events, and those that come.

use crate::support::Room;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Child;

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
