//! `evlog bench`: figures for every work, and nothing left behind.

use crate::support::Room;
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long to wait for what must happen.
const PATIENCE: Duration = Duration::from_mins(1);

fn series<'a>(found: &'a Value, work: &str, contender: &str) -> Vec<&'a Value> {
    let all = found["series"].as_array().unwrap().iter();
    all.filter(|one| one["work"] == work && one["contender"] == contender).collect()
}

fn is_empty(room: &Room) -> bool {
    fs::read_dir(room.path(".")).unwrap().next().is_none()
}

#[test]
fn works_that_start_processes_give_figures_and_leave_nothing_behind() {
    let room = Room::new();
    let works = ["open", "open-killed", "verify", "memory", "follow", "audit", "select", "export", "trail"];
    let options = ["--events", "2000", "--rounds", "1", "--json"];
    let found = room.ends(0, &[&["bench"], &works[..], &options].concat()).json();
    for work in works {
        let ours = series(&found, work, "evlog");
        assert!(!ours.is_empty(), "{work} has a figure: {found}");
        assert!(ours.iter().all(|one| !one["rounds"].as_array().unwrap().is_empty()), "{work}: {found}");
    }
    assert_eq!((&found["events"], &found["rounds"]), (&json!(2000), &json!(1)));
    assert!(found["disk"]["growing"].as_u64().unwrap() > 0 && found["machine"]["threads"].as_u64().unwrap() > 0);
    assert!(is_empty(&room), "the files are gone");
}

#[test]
fn a_table_compares_a_workload_with_plain_files() {
    let room = Room::new();
    let done = room.ends(0, &["bench", "bulk", "--events", "2000", "--rounds", "2"]);
    let [heading, row] = done.out.lines().skip_while(|line| !line.is_empty()).skip(1).collect::<Vec<_>>()[..] else {
        panic!("expected a heading and a row, found {done:?}");
    };
    assert_eq!(heading.split_whitespace().collect::<Vec<_>>(), ["work", "evlog", "beside", "ratio"]);
    assert!(row.starts_with("bulk") && row.contains("floor"), "{row}");
    assert!(["machine", "directory", "disk", "figures"].iter().all(|fact| done.out.contains(fact)), "{done:?}");
}

#[test]
fn what_cannot_be_measured_is_refused_in_words() {
    let room = Room::new();
    room.ends(2, &["bench", "haste"]).says("haste").says("bulk");
    room.ends(2, &["bench", "--events", "10"]).says("1000");
    room.ends(2, &["bench", "bulk", "--dir", "none"]).says("expected a directory at `none`");
}

#[test]
fn an_interrupted_bench_removes_its_files() {
    let room = Room::new();
    let mut child = room.command(&["bench", "durable1", "--rounds", "1000"]).stderr(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    while is_empty(&room) {
        assert!(begin.elapsed() < PATIENCE, "the works make a directory");
        std::thread::yield_now();
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(is_empty(&room), "the files are gone");
}
