//! A real server: `tests/bucket/run` starts one and names a place in it by `EVLOG_TEST_BUCKET`. Without a server these tests cannot
//! run, so they are ignored elsewhere.

use evlog_bucket::probe::{ProbeOptions, probe};
use evlog_bucket::{Options, open, open_store};
use evlog_format::{Durability, Kind, LogId, Position};
use evlog_store::{Append, AppendEvent, Causation, CreateOptions, Fs, Owner, Reader, Writer};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const PROCESSES: usize = 3;
const COMMANDS: usize = 12;

/// A folder of the server's bucket.
fn place(of: &str) -> String {
    let url = std::env::var("EVLOG_TEST_BUCKET").expect("EVLOG_TEST_BUCKET names a bucket of a server");
    format!("{}/{of}", url.trim_end_matches('/'))
}

fn fs(url: &str) -> Arc<dyn Fs> {
    open(url, Options::default(), &[]).unwrap()
}

fn owner() -> Owner {
    Owner { program: "bucket tests".into() }
}

fn create(url: &str) -> Writer {
    let options = CreateOptions { log_id: LogId(*b"0123456789abcdef"), segment_limit: 1024 };
    Writer::create(fs(url), Path::new(url), options, &owner()).unwrap()
}

fn commit(writer: &Writer, payload: &str) -> Result<u64, evlog_store::AppendError> {
    let (kind, causation) = (Kind::BuiltIn(u16::MAX), Causation::None);
    let event = AppendEvent { stream: "run", kind, kind_version: 1, causation, payload: payload.as_bytes() };
    writer.commit(&Append::new(7, Durability::Sync, "tester", &[event])).map(|ticket| ticket.position.0)
}

fn all(url: &str) -> Vec<(u64, String)> {
    let reader = Reader::open(fs(url), Path::new(url)).unwrap();
    let (mut seen, mut commits) = (Vec::new(), reader.commits(Position(0)).unwrap());
    while let Some(mut next) = commits.next().unwrap() {
        while let Some((_, event)) = next.commit.next_event().unwrap() {
            seen.push((next.frame.position, String::from_utf8(event.payload.to_vec()).unwrap()));
        }
    }
    seen
}

#[test]
#[ignore = "needs a server: tests/bucket/run"]
fn the_server_keeps_the_rules() {
    let store = open_store(&place("probe"), &[]).unwrap();
    let report = probe(store.as_ref(), ProbeOptions { rounds: 20, writers: 8 }, [7; 8]).unwrap();
    assert!(report.passed() && report.left.is_empty(), "{report:#?}");
}

#[test]
#[ignore = "needs a server: tests/bucket/run"]
fn what_is_committed_on_the_server_is_read_again() {
    let url = place("session");
    let writer = create(&url);
    let positions: Vec<(u64, String)> = (0..20)
        .map(|number| (commit(&writer, &format!("payload {number}")).unwrap(), format!("payload {number}")))
        .collect();
    assert_eq!(all(&url), positions);
}

#[test]
#[ignore = "needs a server: tests/bucket/run"]
fn a_bucket_that_is_not_there_is_named_in_a_sentence() {
    let url = "s3://no-such-bucket-of-evlog/log";
    let said = Reader::open(fs(url), Path::new(url)).unwrap_err().to_string();
    assert!(said.contains("there is no such bucket"), "{said}");
}

#[test]
#[ignore = "needs a server: tests/bucket/run"]
fn three_processes_that_race_lose_nothing_and_double_nothing() {
    let url = place("race");
    create(&url).close().unwrap();
    let start = |at: usize| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "--nocapture", "server::one_of_the_processes_that_race"]);
        command.env("EVLOG_TEST_RACER", at.to_string()).stdout(Stdio::piped()).spawn().unwrap()
    };
    let racers: Vec<_> = (0..PROCESSES).map(start).collect();
    let mut acknowledged = BTreeMap::new();
    for racer in racers {
        let output = racer.wait_with_output().unwrap();
        assert!(output.status.success());
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            if let Some((position, payload)) = line.strip_prefix("acknowledged ").and_then(|line| line.split_once(' '))
            {
                acknowledged.insert(position.parse::<u64>().unwrap(), payload.to_string());
            }
        }
    }
    assert_eq!(acknowledged.len(), PROCESSES * COMMANDS);
    assert_eq!(all(&url), Vec::from_iter(acknowledged));
}

/// Run by the test above, as a process of its own.
#[test]
#[ignore = "a part of another test"]
fn one_of_the_processes_that_race() {
    let Ok(racer) = std::env::var("EVLOG_TEST_RACER") else { return };
    let url = place("race");
    let fs = fs(&url);
    for number in 0..COMMANDS {
        let payload = format!("racer {racer} command {number}");
        let position = loop {
            let (writer, _) = Writer::open(Arc::clone(&fs), Path::new(&url), &owner()).unwrap();
            match commit(&writer, &payload) {
                Ok(position) => break position,
                Err(error) => assert!(error.is_overtaken(), "{error}"),
            }
        };
        println!("\nacknowledged {position} {payload}");
    }
}
