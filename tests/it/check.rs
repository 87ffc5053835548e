//! A whole log is judged the same by one thread and by many, whatever was done to it.

use crate::workload::{checked, commands, open, submit};
use evlog_store::fs::sim::SimFs;
use evlog_verify::Verdict;

/// A log of several segments, its runs spread over all of them.
fn log() -> SimFs {
    let fs = SimFs::new();
    let log = open(&fs, 1024).unwrap();
    let commands = commands(6);
    assert_eq!(submit(&log, &commands).len(), commands.len());
    log.close().unwrap();
    fs
}

#[test]
fn a_log_in_which_all_is_well_is_so_for_one_thread_and_for_many() {
    let found = checked(&log());
    assert!(found.is_good() && found.report.segments > 5, "{found:?}");
    assert_eq!((found.runs, found.report.streams), (13, 14));
}

#[test]
fn what_is_wrong_anywhere_is_found_by_many_threads_as_by_one() {
    let fs = log();
    let segments: Vec<_> = fs.files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "seg")).collect();
    let mut verdicts = Vec::new();
    for path in &segments {
        let bytes = fs.bytes(path).unwrap();
        for at in (0..bytes.len()).step_by(97) {
            let mut harmed = bytes.clone();
            harmed[at] ^= 4;
            fs.put(path, harmed);
            verdicts.push(checked(&fs).report.verdict());
        }
        fs.put(path, bytes[..bytes.len() - 1].to_vec());
        verdicts.push(checked(&fs).report.verdict());
        fs.put(path, bytes);
    }
    assert!(verdicts.len() > 50 && !verdicts.contains(&Verdict::Clean), "{verdicts:?}");
    assert!(checked(&fs).is_good());
}
