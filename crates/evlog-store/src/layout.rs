//! Names of the log's files. No other module builds or parses them.
//!
//! ```text
//! LOCK                                     held by the writer
//! HEAD                                     how far the log is committed, for readers
//! segments/<20 digits: position>.seg       a part of the byte string
//! segments/<20 digits>.seg.tmp             a segment, or a copy of one, that was being made
//! segments/<20 digits>.tree                the byte tree up to that segment (derived)
//! segments/<20 digits>.idx                 the streams of that segment, once sealed or closed cleanly (derived)
//! segments/<20 digits>.{tree,idx,end}.tmp  one of these that was being made
//! segments/<20 digits>.end                 where a clean close left the last segment (derived)
//! quarantine/<20 digits: position>-<n>.bin bytes cut from the log's end
//! quarantine/*.tmp                         such a file that was being made
//! checkpoints/<20 digits: size>.note       a checkpoint that was signed
//! checkpoints/<20 digits: size>-<n>.void   one that covers what was given up
//! checkpoints/last.tree                    the byte tree at the last one (derived)
//! checkpoints/*.tmp                        one of these that was being made
//! ```

use evlog_format::Position;
use std::path::{Path, PathBuf};

const DIGITS: usize = 20;
const SEGMENT: &str = ".seg";
const UNFINISHED: &str = ".seg.tmp";
const TREE: &str = ".tree";
const INDEX: &str = ".idx";
const END: &str = ".end";
const UNFINISHED_SUFFIX: &str = ".tmp";
const NOTE: &str = ".note";
const VOID: &str = ".void";

/// The paths of one log.
#[derive(Clone, Debug)]
pub struct Layout {
    dir: PathBuf,
    segments: PathBuf,
}

/// The meaning of a name in `segments/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SegmentEntry {
    /// A segment.
    Segment(Position),
    /// A segment that was being made.
    Unfinished(Position),
    /// A byte tree that was being made.
    UnfinishedTree(Position),
    /// An index that was being made.
    UnfinishedIndex(Position),
    /// A sidecar `.end` that was being made.
    UnfinishedEnd(Position),
    /// The byte tree up to a segment.
    Tree(Position),
    /// The index of a segment that is sealed or was closed cleanly.
    Index(Position),
    /// The place where a clean close left a segment.
    End(Position),
}

impl SegmentEntry {
    /// The name.
    pub fn name(self) -> String {
        let (position, suffix) = match self {
            SegmentEntry::Segment(position) => (position, SEGMENT),
            SegmentEntry::Unfinished(position) => (position, UNFINISHED),
            SegmentEntry::UnfinishedTree(position) => (position, ".tree.tmp"),
            SegmentEntry::UnfinishedIndex(position) => (position, ".idx.tmp"),
            SegmentEntry::UnfinishedEnd(position) => (position, ".end.tmp"),
            SegmentEntry::Tree(position) => (position, TREE),
            SegmentEntry::Index(position) => (position, INDEX),
            SegmentEntry::End(position) => (position, END),
        };
        format!("{position:0DIGITS$}{suffix}", position = position.0)
    }

    /// The meaning of a name; `None` if the name does not belong to evlog.
    pub fn parse(name: &str) -> Option<SegmentEntry> {
        let (digits, suffix) = name.split_at_checked(DIGITS)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let position = Position(digits.parse().ok()?);
        match suffix {
            SEGMENT => Some(SegmentEntry::Segment(position)),
            UNFINISHED => Some(SegmentEntry::Unfinished(position)),
            ".tree.tmp" => Some(SegmentEntry::UnfinishedTree(position)),
            ".idx.tmp" => Some(SegmentEntry::UnfinishedIndex(position)),
            ".end.tmp" => Some(SegmentEntry::UnfinishedEnd(position)),
            TREE => Some(SegmentEntry::Tree(position)),
            INDEX => Some(SegmentEntry::Index(position)),
            END => Some(SegmentEntry::End(position)),
            _ => None,
        }
    }
}

impl SegmentEntry {
    /// The position that the name states.
    pub fn position(self) -> Position {
        match self {
            SegmentEntry::Segment(position)
            | SegmentEntry::Unfinished(position)
            | SegmentEntry::UnfinishedTree(position)
            | SegmentEntry::UnfinishedIndex(position)
            | SegmentEntry::UnfinishedEnd(position)
            | SegmentEntry::Tree(position)
            | SegmentEntry::Index(position)
            | SegmentEntry::End(position) => position,
        }
    }

    /// Whether it is the unfinished file of an interrupted session.
    pub fn is_unfinished(self) -> bool {
        self.name().ends_with(UNFINISHED_SUFFIX)
    }
}

impl Layout {
    /// The paths of the log in `dir`.
    pub fn new(dir: &Path) -> Layout {
        Layout { dir: dir.to_path_buf(), segments: dir.join("segments") }
    }

    /// The log directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The writer's lock.
    pub fn lock(&self) -> PathBuf {
        self.dir.join("LOCK")
    }

    /// The hint for readers.
    pub fn head(&self) -> PathBuf {
        self.dir.join("HEAD")
    }

    /// The directory of segments and their sidecars.
    pub fn segments(&self) -> &Path {
        &self.segments
    }

    /// A file in it.
    pub fn entry(&self, entry: SegmentEntry) -> PathBuf {
        self.segments.join(entry.name())
    }

    /// The segment that begins at `position`.
    pub fn segment(&self, position: Position) -> PathBuf {
        self.entry(SegmentEntry::Segment(position))
    }

    /// The directory of bytes that were cut.
    pub fn quarantine(&self) -> PathBuf {
        self.dir.join("quarantine")
    }

    /// The directory of checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.dir.join("checkpoints")
    }

    /// The checkpoint over the first `size` bytes.
    pub fn checkpoint(&self, size: Position) -> PathBuf {
        self.checkpoints().join(format!("{size:0DIGITS$}{NOTE}", size = size.0))
    }

    /// The size that the name of a checkpoint states; `None` if it is not such a name.
    pub fn parse_checkpoint(name: &str) -> Option<Position> {
        let digits = name.strip_suffix(NOTE)?;
        let ours = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| ours).map(Position)
    }

    /// Whether a name looks like a checkpoint's but cannot be one: it has the wrong number of digits, or states no size.
    pub fn is_misnamed(name: &str) -> bool {
        let digits = name.strip_suffix(NOTE).filter(|digits| !digits.is_empty());
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            && Layout::parse_checkpoint(name).is_none()
    }

    /// Name of the `n`th checkpoint over `size` bytes that covers bytes that were given up.
    pub fn void(size: Position, n: u64) -> String {
        format!("{size:0DIGITS$}-{n}{VOID}", size = size.0)
    }

    /// Whether a name belongs to a checkpoint that covers bytes that were given up.
    pub fn is_void(name: &str) -> bool {
        name.strip_suffix(VOID).and_then(|name| name.split_once('-')).is_some_and(|(size, n)| {
            [size, n].iter().all(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())) && size.len() == DIGITS
        })
    }

    /// Whether a name belongs to a checkpoint, or to one that was set aside.
    pub fn is_checkpoint(name: &str) -> bool {
        Layout::parse_checkpoint(name).is_some() || Layout::is_void(name)
    }

    /// Whether a name belongs to bytes that were cut.
    pub fn is_quarantined(name: &str) -> bool {
        name.strip_suffix(".bin").is_some_and(|name| name.split_once('-').is_some_and(|(at, _)| at.len() == DIGITS))
    }

    /// The byte tree at the last checkpoint.
    pub fn checkpoint_tree(&self) -> PathBuf {
        self.checkpoints().join("last.tree")
    }

    /// The name that a file of the log has until it is whole.
    pub fn unfinished(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(UNFINISHED_SUFFIX);
        PathBuf::from(name)
    }

    /// Name of the `n`th cut at `position`, as a path within the log directory.
    pub fn quarantined(position: Position, n: u64) -> String {
        format!("quarantine/{position:0DIGITS$}-{n}.bin", position = position.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_built_parses_to_what_it_was_built_from() {
        for position in [0, 1, 96, 1 << 40, u64::MAX].map(Position) {
            let entries = [
                SegmentEntry::Segment(position),
                SegmentEntry::Unfinished(position),
                SegmentEntry::UnfinishedTree(position),
                SegmentEntry::UnfinishedIndex(position),
                SegmentEntry::UnfinishedEnd(position),
                SegmentEntry::Tree(position),
                SegmentEntry::Index(position),
                SegmentEntry::End(position),
            ];
            for entry in entries {
                assert_eq!(SegmentEntry::parse(&entry.name()), Some(entry));
                assert_eq!(entry.is_unfinished(), entry.name().ends_with("tmp"));
            }
        }
    }

    #[test]
    fn a_checkpoint_is_named_by_its_size() {
        let layout = Layout::new(Path::new("log"));
        for size in [0, 52_341, u64::MAX].map(Position) {
            let path = layout.checkpoint(size);
            let name = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(Layout::parse_checkpoint(name), Some(size));
            assert!(Layout::is_void(&Layout::void(size, 3)) && !Layout::is_void(name));
            assert_eq!(Layout::parse_checkpoint(&Layout::void(size, 3)), None);
        }
        for name in ["1.note", "00000000000000000000.note.tmp", "+0000000000000000001.note", "last.tree"] {
            assert_eq!(Layout::parse_checkpoint(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_of_another_form_is_not_ours() {
        let names = [
            "",
            "0.seg",
            "0000000000000000000.seg",
            "000000000000000000000.seg",
            "+0000000000000000000.seg",
            "99999999999999999999.seg",
            "00000000000000000000.SEG",
            "00000000000000000000.seg~",
            "00000000000000000000",
            "0000000000000000000\u{e9}.seg",
        ];
        for name in names {
            assert_eq!(SegmentEntry::parse(name), None, "{name}");
        }
    }
}
