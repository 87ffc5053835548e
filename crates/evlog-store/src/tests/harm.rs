//! Systematic damage to a log of three segments: every bit, every length, every pair of frames, frames of other logs. Opening,
//! reading and auditing must give the verdict of the recovery table (`docs/recovery.md`), and readers must show a prefix of
//! the log.
//!
//! Each damage is done to the log as it was closed, and to its segments alone. Without `HEAD` only the durable-before
//! positions in the log show what was synced, and without sidecars opening reads everything.

use super::*;
use crate::fs::Fs;
use crate::{OpenError, Verdict};
use evlog_format::{FRAME_HEADER_LEN, SEGMENT_HEADER_LEN};

/// One segment file.
#[derive(Clone, Debug)]
struct File {
    position: u64,
    bytes: Vec<u8>,
    /// Offsets of the frames, and of the end.
    places: Vec<usize>,
}

impl File {
    fn frames(&self) -> usize {
        self.places.len() - 1
    }

    fn frame(&self, at: usize) -> &[u8] {
        &self.bytes[self.places[at]..self.places[at + 1]]
    }
}

/// The log, closed cleanly.
struct Log {
    fs: SimFs,
    files: Vec<File>,
    truth: Vec<Seen>,
}

/// Commits of one event each, all of one length, each synced before the next.
fn log(id: LogId, fill: u8) -> Log {
    let fs = SimFs::new();
    let options = CreateOptions { log_id: id, segment_limit: LIMIT };
    let writer = Writer::create(Arc::new(fs.clone()), dir(), options, &owner()).unwrap();
    for n in 0..11 {
        put(&writer, ["run-a", "run-b"][n % 2], &[fill; 149]);
    }
    writer.close().unwrap();
    let files: Vec<File> = segment_files(&fs).iter().map(|path| file(&fs, path)).collect();
    let frames: Vec<usize> = files.iter().map(File::frames).collect();
    assert_eq!(frames, [4, 4, 3]);
    let truth = all(&reader(&fs));
    Log { fs, files, truth }
}

fn file(fs: &SimFs, path: &Path) -> File {
    let (bytes, mut places) = (fs.bytes(path).unwrap(), vec![SEGMENT_HEADER_LEN]);
    while let Some(at) = places.last().copied().filter(|at| *at < bytes.len()) {
        let len = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        places.push(at + FRAME_HEADER_LEN + len as usize);
    }
    let position = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    File { position, bytes, places }
}

fn segment(position: u64) -> PathBuf {
    dir().join(format!("segments/{position:020}.seg"))
}

/// The segments alone.
fn bare(files: &[File]) -> SimFs {
    let fs = SimFs::new();
    fs.create_dir(&dir().join("segments")).unwrap();
    for file in files {
        fs.put(&segment(file.position), file.bytes.clone());
    }
    fs
}

/// The log as it was closed, with these segments in place of its own.
fn closed(log: &Log, files: &[File]) -> SimFs {
    let fs = log.fs.kill();
    for path in segment_files(&fs) {
        fs.remove(&path).unwrap();
    }
    for file in files {
        fs.put(&segment(file.position), file.bytes.clone());
    }
    fs
}

/// All that a reader shows before it fails, and whether it did.
fn shown(fs: &SimFs) -> (Vec<Seen>, bool) {
    let mut seen = Vec::new();
    let Ok(reader) = Reader::open(Arc::new(fs.clone()), dir()) else { return (seen, true) };
    let failed = more(&reader, Position(0), &mut seen).is_err();
    (seen, failed)
}

fn bytes(fs: &SimFs) -> Vec<Option<Vec<u8>>> {
    segment_files(fs).iter().map(|path| fs.bytes(path)).collect()
}

/// The verdict of opening, and the position.
fn opened(fs: &SimFs, name: &str) -> (Verdict, u64) {
    let before = bytes(fs);
    match Writer::open(Arc::new(fs.clone()), dir(), &owner()) {
        Ok((writer, recovery)) => (recovery.cut.map_or(Verdict::Clean, |_| Verdict::TornTail), writer.next_seq().0),
        Err(OpenError::Refused(refusal)) => {
            assert!(before == bytes(fs), "{name}: a refused log is left as it is");
            (refusal.verdict, 0)
        }
        // The first header alone does not show whether its version was changed by a flipped bit or is newer.
        Err(OpenError::Version { .. }) => (Verdict::Damaged, 0),
        Err(error) => panic!("{name}: {error}"),
    }
}

/// Checks the segments alone: opening, readers and audit give the same verdict, and the first `kept` commits are left.
fn check_bare(log: &Log, files: &[File], expected: Verdict, kept: usize, name: &str) {
    let fs = bare(files);
    assert_eq!(audit(&fs).verdict(), expected, "{name}: audit, {:?}", audit(&fs).findings.kept());
    let (seen, failed) = shown(&fs);
    assert!(log.truth.starts_with(&seen), "{name}: an event is wrong");
    let is_kept = matches!(expected, Verdict::Clean | Verdict::TornTail);
    assert!(!is_kept || (seen.len() == kept && !failed), "{name}: {} of {kept} commits are shown", seen.len());
    let (verdict, next_seq) = opened(&fs, name);
    assert_eq!(verdict, expected, "{name}: open");
    assert!(!is_kept || next_seq == kept as u64, "{name}: {next_seq} of {kept} commits are kept");
}

/// Checks the log as it was closed: the audit detects the damage, even if opening did not read it, and readers show nothing
/// wrong.
fn check_closed(log: &Log, files: &[File], expected: &[Verdict], name: &str) {
    let fs = closed(log, files);
    assert!(expected.contains(&audit(&fs).verdict()), "{name}: audit, {:?}", audit(&fs).findings.kept());
    let (seen, failed) = shown(&fs);
    assert!(log.truth.starts_with(&seen), "{name}: an event is wrong");
    assert!(failed, "{name}: a reader does not notice");
    let (verdict, _) = opened(&fs, name);
    assert!(verdict == Verdict::Clean || expected.contains(&verdict), "{name}: open says {verdict}");
}

/// The verdict for bytes that fail in a frame. In a sealed segment it is V-15. In the last segment it is V-05 if the
/// durable-before of a later frame covers them, and V-03 otherwise.
fn verdict_of_frame(log: &Log, nth: usize, frame: usize) -> Verdict {
    let file = &log.files[nth];
    if nth + 1 == log.files.len() && frame + 1 == file.frames() { Verdict::TornTail } else { Verdict::Damaged }
}

fn commits_before(log: &Log, nth: usize, frame: usize) -> usize {
    log.files[..nth].iter().map(File::frames).sum::<usize>() + frame
}

/// Puts a frame's bytes in place of another's.
fn replaced(log: &Log, nth: usize, frame: usize, with: &[u8]) -> Vec<File> {
    let mut files = log.files.clone();
    let (from, to) = (files[nth].places[frame], files[nth].places[frame + 1]);
    files[nth].bytes.splice(from..to, with.iter().copied());
    files
}

/// Flips every bit of a segment. In the log as it was closed, flips one bit of each byte that is not in a header.
fn flip(log: &Log, nth: usize) {
    let file = &log.files[nth];
    for at in 0..file.bytes.len() {
        let frame = file.places.iter().rposition(|place| *place <= at);
        let in_header = frame.is_none_or(|frame| at < file.places[frame] + FRAME_HEADER_LEN);
        for bit in 0..8 {
            let mut files = log.files.clone();
            files[nth].bytes[at] ^= 1 << bit;
            let name = format!("segment {nth}, byte {at}, bit {bit}");
            let expected = frame.map_or(Verdict::Damaged, |frame| verdict_of_frame(log, nth, frame));
            check_bare(log, &files, expected, commits_before(log, nth, frame.unwrap_or(0)), &name);
            if in_header || bit == at % 8 {
                check_closed(log, &files, &[Verdict::Damaged], &name);
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_the_first_segment_is_damage() {
    flip(&log(LOG, 7), 0);
}

#[test]
fn every_flipped_bit_of_a_segment_between_is_damage() {
    flip(&log(LOG, 7), 1);
}

#[test]
fn every_flipped_bit_of_the_last_segment_is_damage_or_a_torn_tail() {
    flip(&log(LOG, 7), 2);
}

#[test]
fn a_log_cut_at_any_byte_keeps_its_whole_commits_or_is_called_truncated() {
    let log = log(LOG, 7);
    for nth in 0..log.files.len() {
        for len in 0..log.files[nth].bytes.len() {
            let mut files = log.files[..=nth].to_vec();
            files[nth].bytes.truncate(len);
            let name = format!("segment {nth} cut to {len} bytes, and none after it");
            let whole = files[nth].places.iter().rposition(|place| *place <= len);
            // V-01, V-03; a segment has its whole header before it has its name.
            let expected = match whole {
                None => Verdict::Damaged,
                Some(at) if files[nth].places[at] == len => Verdict::Clean,
                Some(_) => Verdict::TornTail,
            };
            check_bare(&log, &files, expected, commits_before(&log, nth, whole.unwrap_or(0)), &name);
            // V-08.
            let short = [Verdict::Truncated, Verdict::Damaged];
            check_closed(&log, &files, if whole.is_some() { &short[..1] } else { &short }, &name);
        }
    }
}

#[test]
fn a_sealed_segment_cut_at_any_byte_is_called_truncated() {
    let log = log(LOG, 7);
    for nth in 0..2 {
        for len in SEGMENT_HEADER_LEN..log.files[nth].bytes.len() {
            let mut files = log.files.clone();
            files[nth].bytes.truncate(len);
            // V-16.
            let name = format!("segment {nth} cut to {len} bytes");
            check_bare(&log, &files, Verdict::Truncated, 0, &name);
            check_closed(&log, &files, &[Verdict::Truncated], &name);
        }
    }
}

#[test]
fn frames_that_were_swapped_or_repeated_are_no_frames() {
    let log = log(LOG, 7);
    for nth in 0..log.files.len() {
        let frames = log.files[nth].frames();
        for (i, j) in (0..frames).flat_map(|i| (0..frames).map(move |j| (i, j))).filter(|(i, j)| i != j) {
            let copied = replaced(&log, nth, j, log.files[nth].frame(i));
            let (expected, kept) = (verdict_of_frame(&log, nth, j), commits_before(&log, nth, j));
            check_bare(&log, &copied, expected, kept, &format!("segment {nth}, frame {i} in place of {j}"));
            if i < j {
                let mut swapped = copied;
                let place = log.files[nth].places[i]..log.files[nth].places[i + 1];
                swapped[nth].bytes.splice(place, log.files[nth].frame(j).iter().copied());
                // The first frame counts as synced only if a frame that is still in its place after it has a durable-before
                // that says so.
                let stands = nth < 2 || j + 1 < frames || j > i + 1;
                let expected = if stands { Verdict::Damaged } else { Verdict::TornTail };
                let kept = commits_before(&log, nth, i);
                check_bare(&log, &swapped, expected, kept, &format!("segment {nth}, frames {i} and {j} swapped"));
            }
        }
        for i in 0..frames {
            let twice = [log.files[nth].frame(i), log.files[nth].frame(i)].concat();
            let (files, kept) = (replaced(&log, nth, i, &twice), commits_before(&log, nth, i + 1));
            // No frame after the copy is in its place, so no durable-before covers the copy.
            let expected = if nth < 2 { Verdict::Damaged } else { Verdict::TornTail };
            check_bare(&log, &files, expected, kept, &format!("segment {nth}, frame {i} twice"));
            // A copy after a segment's last frame is also after a known end, so no commit is touched.
            if i + 1 < frames {
                check_closed(&log, &files, &[Verdict::Damaged], &format!("segment {nth}, frame {i} twice"));
            }
        }
    }
}

#[test]
fn frames_that_were_swapped_between_segments_are_no_frames() {
    let log = log(LOG, 7);
    let places: Vec<(usize, usize)> =
        (0..log.files.len()).flat_map(|nth| (0..log.files[nth].frames()).map(move |frame| (nth, frame))).collect();
    for (&(nth, i), &(mth, j)) in places.iter().flat_map(|one| places.iter().map(move |other| (one, other))) {
        if nth < mth {
            let mut files = replaced(&log, nth, i, log.files[mth].frame(j));
            files[mth] = replaced(&log, mth, j, log.files[nth].frame(i)).swap_remove(mth);
            let name = format!("frame {i} of segment {nth} and frame {j} of segment {mth} swapped");
            check_bare(&log, &files, Verdict::Damaged, 0, &name);
            check_closed(&log, &files, &[Verdict::Damaged], &name);
        }
    }
}

#[test]
fn a_frame_of_another_log_that_was_put_between_frames_is_none_and_moves_those_behind_it() {
    let (other, log) = (log(LogId(*b"another log here"), 7), log(LOG, 7));
    for nth in 0..log.files.len() {
        for frame in 0..=log.files[nth].frames() {
            let (mut files, at) = (log.files.clone(), log.files[nth].places[frame]);
            files[nth].bytes.splice(at..at, other.files[nth].frame(0).iter().copied());
            let name = format!("segment {nth}, a frame of another log before frame {frame}");
            // Frames that are not where they were written are not valid; without `HEAD` nothing says that they were
            // synced.
            let expected = if nth < 2 { Verdict::Damaged } else { Verdict::TornTail };
            check_bare(&log, &files, expected, commits_before(&log, nth, frame), &name);
            if frame < log.files[nth].frames() {
                check_closed(&log, &files, &[Verdict::Damaged], &name);
            }
        }
    }
}

#[test]
fn a_frame_of_another_log_is_no_frame_and_one_of_a_forged_history_is_tampering() {
    let (other, forged) = (log(LogId(*b"another log here"), 7), log(LOG, 8));
    let log = log(LOG, 7);
    for nth in 0..log.files.len() {
        for frame in 0..log.files[nth].frames() {
            let files = replaced(&log, nth, frame, other.files[nth].frame(frame));
            let (expected, kept) = (verdict_of_frame(&log, nth, frame), commits_before(&log, nth, frame));
            check_bare(&log, &files, expected, kept, &format!("segment {nth}, frame {frame} of another log"));
            // In the last segment no root covers the byte yet (section 12 of the format).
            if nth < 2 {
                let fs = bare(&replaced(&log, nth, frame, forged.files[nth].frame(frame)));
                assert_eq!(audit(&fs).verdict(), Verdict::Tampered, "segment {nth}, frame {frame} forged");
                assert_eq!(opened(&fs, "forged").0, Verdict::Tampered, "segment {nth}, frame {frame} forged");
            }
        }
        let mut files = log.files.clone();
        files[nth] = other.files[nth].clone();
        let fs = bare(&files);
        assert_eq!(opened(&fs, "other").0, Verdict::Tampered, "segment {nth} of another log");
        assert_eq!(audit(&fs).verdict(), Verdict::Tampered, "segment {nth} of another log");
    }
}

#[test]
fn the_harness_finds_out_a_recovery_that_cuts_below_the_floor() {
    let log = log(LOG, 7);
    let mut files = log.files.clone();
    let at = files[2].places[0] + 30;
    files[2].bytes[at] ^= 1;
    check_bare(&log, &files, Verdict::Damaged, 0, "the recovery as it is");
    let _broken = crate::recovery::broken::CutsBelowTheFloor::begin();
    let panic = std::panic::catch_unwind(|| check_bare(&log, &files, Verdict::Damaged, 0, "broken"));
    let said = panic.expect_err("the harness did not notice").downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(said.contains("broken: open") && said.contains("TornTail"), "{said}");
}
