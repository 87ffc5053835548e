//! Commands of all contracts: accepted, rejected, refused, repeated; and a log to give them to.

use evlog::check::resume::{ResumeError, Resumed, check_on};
use evlog::check::{Check, check};
use evlog::replay::{Replay, replay};
use evlog::{Answer, Log, LogError, Options, ReadOptions, Request, View};
use evlog_format::LogId;
use evlog_lifecycle::{custom::Custom, pipeline::Pipeline, status::Status, story::Story};
use evlog_projection::Contracts;
use evlog_store::fs::sim::SimFs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

pub(crate) const DIR: &str = "/log";

pub(crate) fn contracts() -> Contracts {
    Contracts::new().with(Status).with(Story::default()).with(Pipeline::default()).with(Custom)
}

/// The log id and the times are always the same, so that equal commands make equal commits. Only the durable-before of their
/// frames depends on when the disk has finished its syncs.
pub(crate) fn open(fs: &SimFs, segment_limit: u64) -> Result<Log, LogError> {
    let options = Options {
        clock: Arc::new(evlog::clock::StepClock::new(1_771_869_600_000_000_000, 1_000_000)),
        fs: Arc::new(fs.clone()),
        log_id: Some(LogId([7; 16])),
        segment_limit,
        ..Options::new("tests 1.0")
    };
    options.open(Path::new(DIR), contracts())
}

pub(crate) fn view(fs: &SimFs) -> View {
    ReadOptions { fs: Arc::new(fs.clone()), ..ReadOptions::new() }.open(DIR, contracts()).unwrap()
}

/// The result of a verification by one thread. Checks that many threads, and a verification that was interrupted, find
/// the same.
pub(crate) fn checked(fs: &SimFs) -> Check {
    let [one, many] = [1, 3].map(|threads| {
        let threads = NonZeroUsize::new(threads).unwrap();
        check(Arc::new(fs.clone()), Path::new(DIR), &contracts(), threads, &mut |_, _| {}).unwrap()
    });
    assert_eq!(format!("{one:?}"), format!("{many:?}"));
    let (begun, kept) = check_from(fs, None);
    assert_eq!(format!("{:?}", begun.unwrap().check), format!("{one:?}"));
    for kept in kept.first().iter().chain(&kept.last()) {
        let resumed = check_from(fs, Some(kept)).0.unwrap();
        assert!(resumed.before.0 > 0 && resumed.begun_ns == 5);
        assert_eq!(format!("{:?}", resumed.check), format!("{one:?}"), "from position {}", resumed.before);
    }
    one
}

/// Begins or continues a verification. Also returns the bytes that it gave to keep after each segment.
pub(crate) fn check_from(fs: &SimFs, kept: Option<&[u8]>) -> (Result<Resumed, ResumeError>, Vec<Vec<u8>>) {
    let mut all = Vec::new();
    let mut keep = |make: &dyn Fn() -> Option<Vec<u8>>| all.extend(make());
    let dir = Path::new(DIR);
    let found = check_on(Arc::new(fs.clone()), dir, &contracts(), kept, 5, &mut keep, &mut |_, _| {});
    (found, all)
}

/// The result of a replay by one thread. Checks that many threads rebuild the same.
pub(crate) fn replayed(fs: &SimFs) -> Replay {
    let [one, many] =
        [1, 3].map(|threads| replay(&view(fs), NonZeroUsize::new(threads).unwrap(), &mut |_| {}).unwrap());
    assert_eq!(format!("{one:?}"), format!("{many:?}"));
    one
}

/// Commands of `rounds` rounds, each with runs of its own.
pub(crate) fn commands(rounds: u32) -> Vec<Request> {
    let each = r#"{"contract":"status","run":"S-#","do":"create","id":"c"}
{"contract":"status","run":"S-#","do":"transition","to":"running"}
{"contract":"pipeline","run":"P-#","do":"create","pipeline":{"name":"own","stages":[{"id":"one"},{"id":"two"}]}}
{"contract":"custom","run":"all","do":"record","kind":"custom/round","data":{"round":#}}
{"contract":"status","run":"S-#","do":"transition","to":"created"}
{"contract":"pipeline","run":"P-#","do":"begin","stage":"one"}
{"contract":"status","run":"S-#","do":"create","id":"c"}
{"contract":"pipeline","run":"P-#","do":"outcome","stage":"one","status":"failed","reason_code":"storage_io_error"}
{"contract":"pipeline","run":"P-#","do":"begin","stage":"two"}
{"contract":"pipeline","run":"P-#","do":"finalize"}"#;
    let lines = (0..rounds).map(|round| each.replace('#', &round.to_string()));
    lines.flat_map(|lines| lines.lines().map(request).collect::<Vec<_>>()).collect()
}

fn request(line: &str) -> Request {
    Request::parse_line(line.as_bytes()).unwrap()
}

/// Gives commands until one is not acknowledged. Returns the answers to those that were.
pub(crate) fn submit(log: &Log, commands: &[Request]) -> Vec<Answer> {
    commands.iter().map_while(|command| log.submit(command).ok()).collect()
}
