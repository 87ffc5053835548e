//! The same commands always make the same commits, and the same events always make the same projections.

use crate::workload::{DIR, commands, open, replayed, submit, view};
use evlog::history::ProjectionPublished;
use evlog::publish::Publisher;
use evlog_format::frame::Decoded;
use evlog_format::{FrameCodec, LogId, SEGMENT_HEADER_LEN};
use evlog_projection::Bundle;
use evlog_store::fs::sim::{Act, SimFs};
use std::path::Path;

fn log_of(rounds: u32, segment_limit: u64, sessions: usize) -> SimFs {
    let fs = SimFs::new();
    let commands = commands(rounds);
    for part in commands.chunks(commands.len().div_ceil(sessions)) {
        let log = open(&fs, segment_limit).unwrap();
        assert_eq!(submit(&log, part).len(), part.len());
        log.close().unwrap();
    }
    fs
}

fn bytes(fs: &SimFs) -> Vec<u8> {
    let segments = fs.files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "seg"));
    segments.flat_map(|path| fs.bytes(&path).unwrap()).collect()
}

/// The bodies of all frames, without durable-before, which depends on the moment at which a sync ended.
fn commits(fs: &SimFs) -> Vec<Vec<u8>> {
    let (codec, mut all) = (FrameCodec::new(LogId([7; 16])), Vec::new());
    for path in fs.files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "seg")) {
        let position: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let (bytes, mut at) = (fs.bytes(&path).unwrap(), SEGMENT_HEADER_LEN);
        while let Decoded::Frame(frame) = codec.decode(position + at as u64, &bytes[at..]) {
            all.push(frame.body.to_vec());
            at += frame.len();
        }
    }
    all
}

fn bundles(fs: &SimFs) -> Vec<Bundle> {
    let view = view(fs);
    view.run_names().unwrap().iter().map(|run| view.bundle(run).unwrap().unwrap()).collect()
}

#[test]
fn the_same_commands_make_the_same_commits_and_the_root_is_the_hash_of_the_bytes() {
    let (one, other) = (log_of(5, 4096, 1), log_of(5, 4096, 1));
    assert_eq!((commits(&one), bytes(&one).len()), (commits(&other), bytes(&other).len()));
    assert!(commits(&one).len() > 40);
    let log = open(&one, 4096).unwrap();
    let (position, root) = log.root();
    assert_eq!(position.0, bytes(&one).len() as u64);
    assert_eq!(root.0, *blake3::hash(&bytes(&one)).as_bytes());
}

#[test]
fn two_replays_agree_with_each_other() {
    let fs = log_of(5, 4096, 1);
    let (first, second) = (replayed(&fs), replayed(&fs));
    assert_eq!(first.digest, second.digest);
    assert_eq!((first.runs, first.differences.len(), first.errors.len()), (11, 0, 0));
}

#[test]
fn projections_of_a_run_do_not_depend_on_how_the_log_is_cut_into_segments() {
    let whole = bundles(&log_of(5, 1 << 20, 1));
    for segment_limit in [1024, 1500, 4096] {
        assert_eq!(bundles(&log_of(5, segment_limit, 1)), whole, "segments of {segment_limit} bytes");
    }
}

#[test]
fn what_was_published_at_any_event_is_proved_by_a_later_replay() {
    let fs = SimFs::new();
    let log = open(&fs, 4096).unwrap();
    let mut publisher = Publisher::new(&log).unwrap();
    let mut files = 0;
    for command in commands(2) {
        drop(log.submit(&command).unwrap());
        let view = view(&fs);
        for run in view.run_names().unwrap() {
            let bundle = view.bundle(&run).unwrap().unwrap();
            files += if publisher.publish(ProjectionPublished::of(&bundle)).unwrap() {
                bundle.files.len() as u64
            } else {
                0
            };
        }
    }
    publisher.finish().unwrap();
    log.close().unwrap();
    let found = replayed(&fs);
    assert_eq!((found.compared, found.differences), (files, Vec::new()));
    assert!(files > 60, "every event was published: {files} files");
    assert!(fs.files().iter().all(|path| path.starts_with(Path::new(DIR))));
}

#[test]
fn a_replay_reads_the_log_twice_however_many_runs_take_turns_in_it() {
    let reads = |rounds: u32| {
        let fs = log_of(rounds, 1 << 20, 1);
        let view = view(&fs);
        let before = fs.count(Act::Read);
        let report = evlog::replay::replay(&view, std::num::NonZeroUsize::MIN, &mut |_| {}).unwrap();
        assert_eq!((report.runs, report.errors.len()), (u64::from(2 * rounds + 1), 0));
        (fs.count(Act::Read) - before, report.events)
    };
    let ((few, _), (many, events)) = (reads(2), reads(40));
    assert_eq!(many, few, "forty rounds have {events} events, and all of them fit into one read");
    // Twice over the log, the indexes, and where a pass ends, what its path leads to: one that was moved is reported.
    assert!(few <= 20, "{few} reads, those of the indexes among them");
}
