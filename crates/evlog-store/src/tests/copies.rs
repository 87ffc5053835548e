//! A copy is brought up to date while the machine crashes or the process is killed at any act.

use super::*;
use crate::backup::{Conflict, ExtendError, copy, update};
use crate::fs::Fs;
use crate::fs::sim::Keep;
use evlog_verify::Verdict;

const COPY: &str = "/copy";

fn copied(fs: &SimFs) {
    let any: Arc<dyn Fs> = Arc::new(fs.clone());
    copy(&any, dir(), Path::new(COPY), &mut |_, _| ()).unwrap();
}

fn updated(fs: &SimFs) -> Result<crate::backup::Copied, ExtendError> {
    let any: Arc<dyn Fs> = Arc::new(fs.clone());
    update(&any, dir(), Path::new(COPY), &owner(), &mut |_, _| ())
}

/// A log, and a copy that is some segments older. Both are synced.
fn prepared() -> SimFs {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    for number in 0..20u8 {
        put(&writer, "run", &[number; 90]);
    }
    copied(&fs);
    for number in 20..60u8 {
        put(&writer, "run", &[number; 90]);
    }
    writer.close().unwrap();
    fs.crash(&mut |_| Keep::All)
}

fn shown(fs: &SimFs) -> Vec<Seen> {
    all(&Reader::open(Arc::new(fs.clone()), Path::new(COPY)).unwrap())
}

/// The copy is clean, and shows the older copy, the newer one, or a beginning of the log between the two. Returns how much it
/// shows.
fn assert_whole(fs: &SimFs, older: usize, truth: &[Seen], name: &str) -> usize {
    let report = audit_in(Arc::new(fs.clone()), Path::new(COPY));
    assert_eq!(report.verdict(), Verdict::Clean, "{name}: {:?}", report.findings.kept());
    let shown = shown(fs);
    assert!(shown.len() >= older && truth.starts_with(&shown), "{name}: {} events", shown.len());
    shown.len()
}

/// Stops a backup after every act, on a disk that does what `fault` makes it do.
fn stop_everywhere(fault: fn(&SimFs)) {
    let whole = prepared();
    let (older, truth) = (shown(&whole).len(), all(&reader(&whole)));
    updated(&whole).unwrap();
    assert_eq!(shown(&whole), truth);
    let acts = whole.trail().len() as u64;
    assert!(acts > 20 && older < truth.len(), "the work is too small to show anything: {acts} acts");
    for cut in 0.. {
        let fs = prepared();
        fault(&fs);
        fs.cut_power(cut);
        let ended = updated(&fs).is_ok();
        let left = [
            ("kept nothing", fs.crash(&mut |_| Keep::Nothing)),
            ("kept all", fs.crash(&mut |_| Keep::All)),
            ("kept names and beginnings", fs.crash(&mut |_| Keep::First(7))),
            ("killed", fs.kill()),
        ];
        for (way, fs) in left {
            let name = format!("act {cut} of {acts}, {way}");
            let shown = assert_whole(&fs, older, &truth, &name);
            assert!(!ended || shown == truth.len(), "{name}: what was reported as copied is not there");
            updated(&fs).unwrap();
            let safe = fs.crash(&mut |_| Keep::Nothing);
            let shown = assert_whole(&safe, older, &truth, &name);
            assert_eq!(shown, truth.len(), "{name}: what was reported as copied is not there");
        }
        if ended {
            return;
        }
    }
}

#[test]
fn a_backup_that_is_stopped_at_any_act_leaves_a_clean_copy_and_the_next_one_completes_it() {
    // Rule Y-04.
    stop_everywhere(|_| ());
}

#[test]
#[should_panic(expected = "what was reported as copied is not there")]
fn a_backup_onto_a_disk_that_forgets_names_is_found_out() {
    stop_everywhere(SimFs::forget_names);
}

#[test]
fn a_copy_in_which_any_byte_of_the_last_segment_or_of_a_header_differs_is_refused_and_not_changed() {
    // Rule Y-05.
    let whole = prepared();
    let segments: Vec<PathBuf> = whole.files().into_iter().filter(|path| path.starts_with("/copy/segments")).collect();
    let (last, first) = (segments.last().unwrap(), &segments[0]);
    let len = whole.bytes(last).unwrap().len();
    let places = (0..len).step_by(31).map(|at| (last, at)).chain([8, 16, 40, 90].map(|at| (first, at)));
    for (path, at) in places {
        let fs = whole.kill();
        let mut bytes = fs.bytes(path).unwrap();
        bytes[at] ^= 1;
        fs.put(path, bytes);
        let before: Vec<_> = fs.files().into_iter().map(|path| (fs.bytes(&path), path)).collect();
        let refused = updated(&fs).unwrap_err();
        assert!(
            matches!(refused, ExtendError::Conflict(Conflict::Different { .. }) | ExtendError::Open(_)),
            "{} at {at}: {refused:?}",
            path.display()
        );
        let after: Vec<_> = fs.files().into_iter().map(|path| (fs.bytes(&path), path)).collect();
        assert_eq!(before, after, "{} at {at}", path.display());
    }
}
