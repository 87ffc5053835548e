//! A log has one verdict, however it is computed: a log that was changed in any way has the same verdict by one thread and
//! by many, after an interruption, by a sample that takes all segments, and by the reader in Python. And if `inspect` finds
//! a flaw in the files, no verification says `clean`.

use crate::workload::{DIR, check_from, commands, contracts, open, submit};
use evlog::LogError;
use evlog::check::resume::ResumeError;
use evlog::check::sample::{Sample, sample};
use evlog::check::{Check, check};
use evlog_format::checksum::crc32;
use evlog_format::frame::Decoded;
use evlog_format::{FrameCodec, SEGMENT_HEADER_LEN, SegmentHeader};
use evlog_store::fs::Fs;
use evlog_store::fs::sim::SimFs;
use evlog_store::inspect::Inspection;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Segment files: the position in the name, and the bytes.
type Files = Vec<(u64, Vec<u8>)>;

/// A changed log, and what was done to it.
struct Changed {
    how: String,
    files: Files,
}

/// The text for a log that cannot be judged because of its version.
const OTHER: &str = "other version";

fn log() -> Files {
    let fs = SimFs::new();
    let log = open(&fs, 1024).unwrap();
    let commands = commands(4);
    assert_eq!(submit(&log, &commands).len(), commands.len());
    log.close().unwrap();
    let paths = fs.files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "seg"));
    let file = |path: PathBuf| (path.file_stem().unwrap().to_str().unwrap().parse().unwrap(), fs.bytes(&path).unwrap());
    paths.map(file).collect()
}

fn disk(files: &Files) -> SimFs {
    let fs = SimFs::new();
    let segments = Path::new(DIR).join("segments");
    fs.create_dir(Path::new(DIR)).unwrap();
    fs.create_dir(&segments).unwrap();
    for (position, bytes) in files {
        fs.put(&segments.join(format!("{position:020}.seg")), bytes.clone());
    }
    fs
}

/// Verdict and findings in one string.
fn words_of(check: Result<Check, LogError>) -> String {
    match check {
        Ok(check) => format!("{}: {:?} {:?}", check.report.verdict(), check.report.findings, check.contract_findings),
        Err(LogError::Open(evlog_store::OpenError::Version { .. })) => OTHER.to_owned(),
        Err(error) => panic!("{error}"),
    }
}

/// The verdict, and where two ways to compute it differ.
fn verdict(changed: &Changed, differences: &mut Vec<String>) -> String {
    let Changed { how, files } = changed;
    let fs = disk(files);
    let by = |threads: usize| {
        let threads = NonZeroUsize::new(threads).unwrap();
        words_of(check(Arc::new(fs.clone()), Path::new(DIR), &contracts(), threads, &mut |_, _| {}))
    };
    let serial = by(1);
    let mut same = |way: &str, found: &str, expected: &str| {
        if found != expected {
            differences.push(format!("{how}: {way}: expected {expected}, found {found}"));
        }
    };
    same("many threads", &by(4), &serial);
    let (begun, kept) = check_from(&fs, None);
    for resumed in
        [Some(begun)].into_iter().chain(kept.last().map(|kept| Some(check_from(&fs, Some(kept)).0))).flatten()
    {
        let resumed = match resumed {
            Ok(resumed) => words_of(Ok(resumed.check)),
            Err(ResumeError::Log(error)) => words_of(Err(error)),
            Err(error) => panic!("{how}: {error}"),
        };
        same("interrupted", &resumed, &serial);
    }
    let word = serial.split(':').next().unwrap().to_owned();
    let all = Sample { parts_per_million: 1_000_000, seed: 1 };
    let sampled = match sample(Arc::new(fs.clone()), Path::new(DIR), &contracts(), all, None, &mut |_, _| {}) {
        Ok(sampled) => sampled.report.verdict().word().to_owned(),
        Err(error) => words_of(Err(error)),
    };
    same("a sample of all", &sampled, &word);
    let looked = Inspection::open(Arc::new(fs), Path::new(DIR)).unwrap();
    let is_sound = looked.segments().iter().all(|segment| segment.wrong.is_empty());
    if !is_sound && word == "clean" {
        same("a look at the files", "wrong", &word);
    }
    word
}

/// Numbers that look drawn, always the same.
fn draws() -> impl FnMut(usize) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    }
}

fn change(whole: &Files, how: impl Into<String>, change: impl FnOnce(&mut Files)) -> Changed {
    let mut files = whole.clone();
    change(&mut files);
    Changed { how: how.into(), files }
}

/// Bits, anywhere, and those of three headers.
fn flips(whole: &Files) -> Vec<Changed> {
    let mut draw = draws();
    let flip = |nth: usize, bit: usize| {
        change(whole, format!("bit {bit} of segment {nth}"), |files| files[nth].1[bit / 8] ^= 1 << (bit % 8))
    };
    let mut changed = Vec::new();
    for (nth, step) in [(0, 3), (1, 11), (whole.len() - 1, 13)] {
        changed.extend((0..SEGMENT_HEADER_LEN * 8).step_by(step).map(|bit| flip(nth, bit)));
    }
    for _ in 0..100 {
        let nth = draw(whole.len());
        changed.push(flip(nth, draw(whole[nth].1.len() * 8)));
    }
    changed
}

/// Bytes and files that are missing, in the wrong place, or too many.
fn cuts(whole: &Files) -> Vec<Changed> {
    let (mut draw, last) = (draws(), whole.len() - 1);
    let mut changed = Vec::new();
    for _ in 0..40 {
        let nth = draw(whole.len());
        let len = draw(whole[nth].1.len());
        changed.push(change(whole, format!("segment {nth} cut to {len}"), |files| files[nth].1.truncate(len)));
    }
    for len in (0..SEGMENT_HEADER_LEN + 40).step_by(7) {
        changed.push(change(whole, format!("the last segment cut to {len}"), |files| files[last].1.truncate(len)));
    }
    for nth in 0..whole.len() {
        changed.push(change(whole, format!("segment {nth} removed"), |files| drop(files.remove(nth))));
        changed.push(change(whole, format!("segment {nth} moved"), |files| files[nth].0 += 7));
        changed.push(change(whole, format!("segment {nth} emptied"), |files| files[nth].1.clear()));
        for tail in [&[0; 5][..], &[0; 70], b"x", &[0xff; 200]] {
            changed.push(change(whole, format!("{} bytes after segment {nth}", tail.len()), |files| {
                files[nth].1.extend_from_slice(tail);
            }));
        }
        let other = draw(whole.len());
        changed.push(change(whole, format!("segments {nth} and {other} swapped"), |files| {
            let bytes = std::mem::take(&mut files[nth].1);
            let bytes = if nth == other { bytes } else { std::mem::replace(&mut files[other].1, bytes) };
            files[nth].1 = bytes;
        }));
    }
    changed
}

/// Headers and commits that were rewritten, with new checksums.
fn forgeries(whole: &Files) -> Vec<Changed> {
    let mut draw = draws();
    let mut changed = Vec::new();
    let fields: [(&str, usize, u64); 12] = [
        ("version 0", 8, 0),
        ("version 1", 8, 1),
        ("version 3", 8, 3),
        ("version 255", 8, 255),
        ("codec 2", 12, 2),
        ("log id", 16, 9),
        ("limit 2048", 32, 2048),
        ("limit 5", 32, 5),
        ("position", 40, 96),
        ("first seq", 48, 1),
        ("root", 56, 1),
        ("reserved", 88, 1),
    ];
    for nth in 0..whole.len() {
        for (name, at, value) in fields {
            changed.push(change(whole, format!("{name} in the header of segment {nth}"), |files| {
                let bytes = &mut files[nth].1;
                let width = if at < 16 || at == 88 { 4 } else { 8 };
                bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
                let checksum = crc32(&bytes[..92]).to_le_bytes();
                bytes[92..96].copy_from_slice(&checksum);
            }));
        }
        for _ in 0..8 {
            let (byte, mask) = (draw(4000), u8::try_from(1 + draw(255)).unwrap());
            changed.push(change(whole, format!("byte {byte} of the bodies of segment {nth}"), |files| {
                forge(&mut files[nth].1, byte, mask);
            }));
        }
    }
    // As in a log that is read by nobody's version but in a later header, over a history that is another one.
    changed.push(change(whole, "another history under a later version", |files| {
        forge(&mut files[0].1, 60, 1);
        let bytes = &mut files[1].1;
        bytes[8] = 3;
        let checksum = crc32(&bytes[..92]).to_le_bytes();
        bytes[92..96].copy_from_slice(&checksum);
    }));
    changed
}

/// Changes a byte of a commit, counted over all bodies of the segment, and makes the frame's checksum right again.
fn forge(segment: &mut [u8], byte: usize, mask: u8) {
    let header = SegmentHeader::decode(segment).unwrap();
    let codec = FrameCodec::new(header.log_id);
    let (mut at, mut passed) = (SEGMENT_HEADER_LEN, 0);
    while let Decoded::Frame(frame) = codec.decode(header.position.0 + at as u64, &segment[at..]) {
        let (mut body, durable, len) = (frame.body.to_vec(), frame.durable_before, frame.len());
        if byte < passed + body.len() {
            body[byte - passed] ^= mask;
            let mut forged = Vec::new();
            let write = |out: &mut Vec<u8>| {
                out.extend_from_slice(&body);
                Ok::<(), ()>(())
            };
            codec.encode(header.position.0 + at as u64, durable, &mut forged, write).unwrap().unwrap();
            segment[at..at + len].copy_from_slice(&forged);
            return;
        }
        passed += body.len();
        at += len;
    }
}

#[test]
fn a_changed_log_has_one_verdict_however_it_is_computed() {
    let whole = log();
    assert!(whole.len() > 4, "{} segments", whole.len());
    let untouched = Changed { how: "nothing".to_owned(), files: whole.clone() };
    let mut differences = Vec::new();
    assert_eq!(verdict(&untouched, &mut differences), "clean");
    let all: Vec<Changed> = [flips(&whole), cuts(&whole), forgeries(&whole)].into_iter().flatten().collect();
    let verdicts: Vec<String> = all.iter().map(|changed| verdict(changed, &mut differences)).collect();
    for expected in ["tampered", "truncated", "damaged", "torn_tail", OTHER] {
        assert!(verdicts.iter().any(|found| found == expected), "no log is {expected}");
    }
    // F-11: only the header at the log's start says that the log is of another version.
    for (changed, verdict) in all.iter().zip(&verdicts).filter(|(_, verdict)| *verdict == OTHER) {
        assert!(changed.how.ends_with("segment 0"), "{}: {verdict}", changed.how);
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
    let (sample, expected): (Vec<&Changed>, Vec<&String>) = all
        .iter()
        .zip(&verdicts)
        .enumerate()
        .filter(|(nth, _)| nth % 7 == 0 || *nth > all.len() - 120)
        .map(|(_, pair)| pair)
        .unzip();
    let python = of_python(&sample);
    for ((changed, expected), found) in sample.iter().zip(expected).zip(python) {
        if &found != expected {
            differences.push(format!("{}: the reader in Python: expected {expected}, found {found}", changed.how));
        }
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

/// The output of the reader in Python for each log.
fn of_python(logs: &[&Changed]) -> Vec<String> {
    let room = tempfile::tempdir().unwrap();
    for (nth, changed) in logs.iter().enumerate() {
        let segments = room.path().join(format!("{nth}/segments"));
        fs::create_dir_all(&segments).unwrap();
        for (position, bytes) in &changed.files {
            fs::write(segments.join(format!("{position:020}.seg")), bytes).unwrap();
        }
    }
    let source = "import sys; sys.path.insert(0, sys.argv[1]); import evlog_reader as reader
for nth in range(int(sys.argv[3])):
    try: print(reader.read_log(f'{sys.argv[2]}/{nth}', lambda head, event: None).verdict())
    except reader.Unreadable: print('other version')";
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools");
    let count = logs.len().to_string();
    let asked = Command::new("python3").args(["-B", "-c", source]).arg(tools).arg(room.path()).arg(count).output();
    let output = asked.expect("python3, which the README asks for, can be run");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    out.lines().map(str::to_owned).collect()
}
