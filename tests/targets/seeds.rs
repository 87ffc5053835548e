//! The inputs that fuzzing begins with, made from the golden logs: always the same bytes.

use crate::LOG;
use evlog_format::commit::CommitReader;
use evlog_format::frame::Decoded;
use evlog_format::limits::TIME_MAX_NS;
use evlog_format::{
    Commit, CommitHead, Event, FRAME_HEADER_LEN, Frame, FrameCodec, Kind, KindBuf, Position, SEGMENT_HEADER_LEN,
    encode_commit, kind,
};
use evlog_store::fs::SimFs;
use evlog_store::{Fs, Owner, Reader, Writer};
use evlog_verify::Tree;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The place where the small log lies on the simulated disk.
pub(crate) const DIR: &str = "/log";

/// An input and its name in the corpus.
pub type Seed = (String, Vec<u8>);

/// A segment file of a golden log.
#[derive(Clone, Debug)]
struct Segment {
    position: u64,
    bytes: Vec<u8>,
}

fn golden(name: &str) -> Vec<Segment> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v2").join(name).join("segments");
    let Ok(entries) = std::fs::read_dir(&dir) else { panic!("no golden log in `{}`", dir.display()) };
    let read = |path: PathBuf| {
        let position = path.file_stem()?.to_str()?.parse().ok()?;
        Some(Segment { position, bytes: std::fs::read(&path).ok()? })
    };
    let mut segments: Vec<Segment> = entries.filter_map(|entry| read(entry.ok()?.path())).collect();
    segments.sort_by_key(|segment| segment.position);
    segments
}

/// Calls with every frame of the healthy log, its bytes and the frame itself.
fn each_frame(visit: &mut dyn FnMut(&[u8], Frame<'_>)) {
    let codec = FrameCodec::new(LOG);
    for segment in golden("healthy") {
        let mut at = SEGMENT_HEADER_LEN;
        while let Decoded::Frame(frame) = codec.decode(segment.position + at as u64, &segment.bytes[at..]) {
            visit(&segment.bytes[at..at + frame.len()], frame);
            at += frame.len();
        }
    }
}

fn each_event(visit: &mut dyn FnMut(Event<'_>)) {
    each_frame(&mut |_, frame| {
        let commit = CommitReader::new(frame.body, frame.position + FRAME_HEADER_LEN as u64);
        let Ok(mut commit) = commit else { panic!("a golden commit") };
        while let Ok(Some((_, event))) = commit.next_event() {
            visit(event);
        }
    });
}

/// First events of runs that fold.
pub(crate) fn first_events() -> &'static [(KindBuf, Vec<u8>)] {
    static EVENTS: OnceLock<Vec<(KindBuf, Vec<u8>)>> = OnceLock::new();
    EVENTS.get_or_init(|| {
        let mut found = Vec::new();
        each_event(&mut |event| {
            if event.kind == kind::STATUS_CREATED {
                found.push((event.kind.into(), event.payload.to_vec()));
            }
        });
        found
    })
}

/// A file of the small log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Head(PathBuf),
    Segment(PathBuf),
    Sidecar(PathBuf),
}

/// The healthy golden log, opened and closed cleanly, with all its sidecars.
#[derive(Debug)]
pub(crate) struct Closed {
    fs: SimFs,
    pub(crate) places: Vec<Place>,
    /// All its events: stream, number in it, payload.
    pub(crate) truth: Vec<(String, u64, Vec<u8>)>,
}

impl Closed {
    /// A copy, with other bytes in this place.
    pub(crate) fn with(&self, place: &Place, bytes: &[u8]) -> SimFs {
        let fs = self.fs.kill();
        let (Place::Head(path) | Place::Segment(path) | Place::Sidecar(path)) = place;
        fs.put(path, bytes.to_vec());
        fs
    }
}

pub(crate) fn closed() -> &'static Closed {
    static CLOSED: OnceLock<Closed> = OnceLock::new();
    CLOSED.get_or_init(close)
}

fn close() -> Closed {
    let (fs, segments) = (SimFs::new(), Path::new(DIR).join("segments"));
    let made = fs.create_dir(&segments);
    for segment in golden("healthy") {
        fs.put(&segments.join(format!("{:020}.seg", segment.position)), segment.bytes);
    }
    let opened = Writer::open(Arc::new(fs.clone()), Path::new(DIR), &Owner { program: "seeds".into() });
    let (Ok(()), Ok((writer, _))) = (made, opened) else { panic!("the golden log opens") };
    let (closed, reader) = (writer.close(), Reader::open(Arc::new(fs.clone()), Path::new(DIR)));
    let (Ok(()), Ok(reader)) = (closed, reader) else { panic!("the golden log closes") };
    let mut truth = Vec::new();
    let Ok(mut commits) = reader.commits(Position(0)) else { panic!("the golden log is read") };
    while let Ok(Some(mut next)) = commits.next() {
        while let Ok(Some((_, event))) = next.commit.next_event() {
            truth.push((event.stream.to_string(), event.number, event.payload.to_vec()));
        }
    }
    let place = |path: PathBuf| match path.extension().and_then(|suffix| suffix.to_str()) {
        None => Place::Head(path),
        Some("seg") => Place::Segment(path),
        Some(_) => Place::Sidecar(path),
    };
    let places = fs.files().into_iter().map(place).collect();
    Closed { fs, places, truth }
}

/// The files of the small log with this suffix, or without any.
fn files(suffix: Option<&str>) -> Vec<Seed> {
    let fs = &closed().fs;
    let has = |path: &PathBuf| path.extension().and_then(|of| of.to_str()) == suffix;
    let name = |path: &PathBuf| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    fs.files().iter().filter(|path| has(path)).filter_map(|path| Some((name(path), fs.bytes(path)?))).collect()
}

fn headers() -> Vec<Seed> {
    let header = |segment: &Segment| (segment.position.to_string(), segment.bytes[..SEGMENT_HEADER_LEN].to_vec());
    golden("healthy").iter().map(header).collect()
}

fn frames() -> Vec<Seed> {
    let mut seeds = vec![("zeros".to_string(), vec![0; 40])];
    each_frame(&mut |bytes, frame| {
        seeds.push((frame.position.to_string(), [&frame.position.to_le_bytes()[..], bytes].concat()));
    });
    seeds
}

/// The commit with the latest possible time, in sixteen bytes. No golden log has such a commit.
fn of_year_9999(body: &[u8]) -> Vec<u8> {
    let Ok(commit) = Commit::decode(body, 0) else { panic!("a golden commit") };
    let head = CommitHead { occurred_ns: Some(TIME_MAX_NS), ..commit.head };
    let mut out = Vec::new();
    let Ok(()) = encode_commit(&head, &commit.events, &mut out) else { panic!("a time of a log") };
    out
}

fn commits() -> Vec<Seed> {
    let mut seeds = Vec::new();
    each_frame(&mut |_, frame| {
        seeds.push((frame.position.to_string(), frame.body.to_vec()));
    });
    seeds.push(("year-9999".to_string(), of_year_9999(&seeds[0].1)));
    seeds
}

fn payloads() -> Vec<Seed> {
    let mut seeds = Vec::new();
    each_event(&mut |event| {
        let number = if let Kind::BuiltIn(number) = event.kind { number } else { 0 };
        seeds.push((format!("{number}-{}", seeds.len()), [&number.to_le_bytes()[..], event.payload].concat()));
    });
    seeds
}

/// Frontiers of strings around the sizes where the tree's shape changes.
fn trees() -> Vec<Seed> {
    let sizes = [0usize, 1, 1024, 1025, 16 * 1024, 16 * 1024 + 1, 48 * 1024 + 7];
    let tree = |size: usize| {
        let mut tree = Tree::new();
        tree.update(&vec![7; size]);
        (size.to_string(), tree.frontier().encode())
    };
    sizes.into_iter().map(tree).collect()
}

/// Each file of the small log in its place, and the last segments of the logs that are broken.
fn logs() -> Vec<Seed> {
    let of = |(at, place): (usize, &Place)| {
        let (Place::Head(path) | Place::Segment(path) | Place::Sidecar(path)) = place;
        let bytes = closed().fs.bytes(path)?;
        let at = u8::try_from(at).ok()?;
        Some((path.file_name()?.to_str()?.to_string(), [&[at][..], &bytes].concat()))
    };
    let mut seeds: Vec<Seed> = closed().places.iter().enumerate().filter_map(of).collect();
    let last = closed().places.iter().rposition(|place| matches!(place, Place::Segment(_)));
    let last = last.and_then(|at| u8::try_from(at).ok()).unwrap_or(0);
    for name in ["torn", "bit_flipped", "reordered"] {
        let segment = golden(name).pop().map(|segment| segment.bytes).unwrap_or_default();
        seeds.push((name.to_string(), [&[last][..], &segment].concat()));
    }
    seeds
}

/// The seeds of a target.
///
/// # Panics
///
/// When the target is not known, or a golden log is not what it was.
pub fn of(target: &str) -> Vec<Seed> {
    match target {
        "segment_header" => headers(),
        "frame" => frames(),
        "commit" => commits(),
        "payload" => payloads(),
        "head" => files(None),
        "tree" => trees(),
        "end" => files(Some("end")),
        "index" => files(Some("idx")),
        "log" => logs(),
        unknown => panic!("no target is named `{unknown}`"),
    }
}
