//! A verification by one thread, one by many threads and one that was interrupted give the same result for a whole log
//! and for any changed log; a sample of all segments is not clean either if bytes were changed.

use crate::workload::{DIR, check_from, checked, commands, contracts, open, submit};
use evlog::check::sample::{Sample, Sampled, sample};
use evlog_format::{LogId, Position, Root, SEGMENT_HEADER_LEN, SegmentHeader};
use evlog_store::fs::sim::SimFs;
use evlog_verify::{Covered, Verdict};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A log of several segments, its runs spread over all of them.
fn log() -> SimFs {
    let fs = SimFs::new();
    let log = open(&fs, 1024).unwrap();
    let commands = commands(6);
    assert_eq!(submit(&log, &commands).len(), commands.len());
    log.close().unwrap();
    fs
}

fn segments(fs: &SimFs) -> Vec<PathBuf> {
    fs.files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "seg")).collect()
}

fn sampled(fs: &SimFs, parts_per_million: u64, covered: Option<&Covered>) -> Sampled {
    let chosen = Sample { parts_per_million, seed: 3 };
    sample(Arc::new(fs.clone()), Path::new(DIR), &contracts(), chosen, covered, &mut |_, _| {}).unwrap()
}

/// The statement of a checkpoint over the whole log.
fn covered(fs: &SimFs) -> Covered {
    let bytes: Vec<u8> = segments(fs).iter().flat_map(|path| fs.bytes(path).unwrap()).collect();
    let (size, root) = (Position(bytes.len() as u64), Root(*blake3::hash(&bytes).as_bytes()));
    Covered { log_id: LogId([7; 16]), size, root }
}

#[test]
fn a_sound_log_is_clean_for_one_thread_and_for_many() {
    let found = checked(&log());
    assert!(found.is_good() && found.report.segments > 5, "{found:?}");
    assert_eq!((found.runs, found.report.streams), (13, 14));
}

#[test]
fn many_threads_find_the_same_flaws_as_one() {
    let fs = log();
    let segments = segments(&fs);
    let mut verdicts = Vec::new();
    for path in &segments {
        let bytes = fs.bytes(path).unwrap();
        for at in (0..bytes.len()).step_by(97) {
            let mut harmed = bytes.clone();
            harmed[at] ^= 4;
            fs.put(path, harmed);
            verdicts.push(checked(&fs).report.verdict());
            assert_ne!(sampled(&fs, 1_000_000, None).report.verdict(), Verdict::Clean, "{at} of {}", path.display());
        }
        fs.put(path, bytes[..bytes.len() - 1].to_vec());
        verdicts.push(checked(&fs).report.verdict());
        fs.put(path, bytes);
    }
    assert!(verdicts.len() > 50 && !verdicts.contains(&Verdict::Clean), "{verdicts:?}");
    assert!(checked(&fs).is_good());
}

#[test]
fn bytes_that_a_verification_kept_are_refused_unless_they_are_of_this_log_as_it_was_read() {
    let fs = log();
    let kept = check_from(&fs, None).1;
    let (last, paths) = (kept.last().unwrap().clone(), segments(&fs));
    assert_eq!(kept.len(), paths.len() - 1, "after each sealed segment");
    let refused = |fs: &SimFs, kept: &[u8]| check_from(fs, Some(kept)).0.unwrap_err();
    // Not what was kept.
    let mut spoilt = last.clone();
    spoilt[last.len() / 2] ^= 1;
    for (bytes, expected) in [(&spoilt[..], "is damaged"), (&last[..50], "is damaged"), (b"{}", "not a file that")] {
        let error = refused(&fs, bytes);
        assert!(!error.is_finding() && error.to_string().contains(expected), "{error}");
    }
    // Another log.
    let other = log();
    for path in &paths {
        let mut bytes = fs.bytes(path).unwrap();
        let header = SegmentHeader { log_id: LogId([8; 16]), ..SegmentHeader::decode(&bytes).unwrap() };
        bytes[..SEGMENT_HEADER_LEN].copy_from_slice(&header.encode());
        other.put(path, bytes);
    }
    let error = refused(&other, &last);
    assert!(!error.is_finding() && error.to_string().contains("about another log: expected log id 0707"), "{error}");
    // A log that is shorter, or not the one that was read: a verification does not continue, and reports which it is.
    let is_refused = |change: &dyn Fn(&SimFs), expected: &str| {
        let changed = log();
        change(&changed);
        let error = refused(&changed, &last);
        assert!(error.is_finding() && error.to_string().contains(expected), "{expected}: {error}");
    };
    let (before, behind) = (&paths[paths.len() - 2], &paths[paths.len() - 1]);
    is_refused(&|fs| paths[2..].iter().for_each(|path| fs.put(path, Vec::new())), "shorter than what was read");
    is_refused(
        &|fs| fs.put(&paths[1], [fs.bytes(&paths[1]).unwrap(), vec![0; 3]].concat()),
        "whole segments up to position",
    );
    is_refused(
        &|fs| {
            let mut bytes = fs.bytes(before).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs.put(before, bytes);
        },
        "expected the bytes that were read, found others",
    );
    // An attacker who rewrites history corrects the root in every header after it. Such a root differs from the root of the
    // bytes that were read.
    let mut bytes = fs.bytes(behind).unwrap();
    let header = SegmentHeader { root_before: Root([1; 32]), ..SegmentHeader::decode(&bytes).unwrap() };
    bytes[..SEGMENT_HEADER_LEN].copy_from_slice(&header.encode());
    fs.put(behind, bytes);
    let report = check_from(&fs, Some(&last)).0.unwrap().check.report;
    assert_eq!((report.verdict(), report.findings.kept()[0].rule), (Verdict::Tampered, "F-14"));
}

#[test]
fn a_change_in_bytes_that_were_read_is_found_by_a_new_verification_and_not_by_one_that_continues() {
    // The page states that a verification that continues trusts the earlier one.
    let (fs, commands) = (SimFs::new(), commands(200));
    let log = open(&fs, 4096).unwrap();
    assert_eq!(submit(&log, &commands).len(), commands.len());
    log.close().unwrap();
    let last = check_from(&fs, None).1.pop().unwrap();
    let path = &segments(&fs)[0];
    let mut bytes = fs.bytes(path).unwrap();
    bytes[SEGMENT_HEADER_LEN + 20] ^= 1;
    fs.put(path, bytes);
    assert!(check_from(&fs, Some(&last)).0.unwrap().check.is_good());
    assert_eq!(check_from(&fs, None).0.unwrap().check.report.verdict(), Verdict::Damaged);
}

#[test]
fn a_verification_continues_in_a_log_that_grew_and_folds_its_runs_whole() {
    let (fs, commands) = (SimFs::new(), commands(6));
    let (early, late) = commands.split_at(commands.len() / 2 + 3);
    let session = |commands| {
        let log = open(&fs, 1024).unwrap();
        submit(&log, commands);
        log.close().unwrap();
    };
    session(early);
    let kept = check_from(&fs, None).1;
    session(late);
    let whole = checked(&fs);
    assert!(whole.is_good());
    for kept in kept {
        let resumed = check_from(&fs, Some(&kept)).0.unwrap();
        assert_eq!(format!("{:?}", resumed.check), format!("{whole:?}"), "from position {}", resumed.before);
    }
}

#[test]
fn a_sample_reads_what_it_says_and_is_led_to_the_root_that_was_signed() {
    // Rule C-53.
    let fs = log();
    let covered = covered(&fs);
    for (parts, expected) in [(1, 1), (300_000, 0), (1_000_000, 0)] {
        let found = sampled(&fs, parts, Some(&covered));
        assert_eq!(found.report.verdict(), Verdict::Clean, "{found:?}");
        assert_eq!((found.report.segments, found.rooted), (found.taken + 1, found.taken));
        assert!(expected == 0 || found.taken == expected);
        assert_eq!(found.report.log_id, Some(LogId([7; 16])));
    }
    let all = sampled(&fs, 1_000_000, Some(&covered));
    let whole = checked(&fs).report;
    assert_eq!((all.report.size, all.report.events, all.report.commits), (whole.size, whole.events, whole.commits));
    assert_eq!((all.report.end, all.report.next_seq, all.report.root), (whole.end, whole.next_seq, whole.root));
    // Without trees nothing is compared with headers, and the bytes still lead to the signed root.
    for path in fs.files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "tree")) {
        fs.put(&path, Vec::new());
    }
    let found = sampled(&fs, 300_000, Some(&covered));
    assert_eq!(
        (found.report.verdict(), found.rooted),
        (Verdict::Clean, u64::from(found.taken > 0 && found.rooted == 1))
    );
    for other in [Covered { root: Root([1; 32]), ..covered }, Covered { log_id: LogId([9; 16]), ..covered }] {
        assert_eq!(sampled(&fs, 1, Some(&other)).report.verdict(), Verdict::Tampered);
    }
    let longer = Covered { size: Position(covered.size.0 + 1), ..covered };
    assert_eq!(sampled(&fs, 1, Some(&longer)).report.verdict(), Verdict::Truncated);
}
