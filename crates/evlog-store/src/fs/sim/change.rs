//! Unsynced changes, and what a crash leaves of them.

use std::path::{Path, PathBuf};

/// What a crash leaves of one unsynced change. All variants except `Nothing` keep a change of length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// The first bytes of a write.
    First(usize),
    /// Some of the sectors that a write touches, aligned in the file: the `n`th if bit `n % 64` of `kept` is set. New bytes
    /// between the sectors that are kept read as zeros.
    Sectors {
        /// Size of a sector in bytes.
        size: u64,
        /// The bits of the sectors that are kept.
        kept: u64,
    },
    /// The file's new length, with zeros where it grew: the file system noted the length and never wrote the bytes.
    Zeros,
    /// Bytes that nobody wrote, made from this number.
    Noise(u64),
    /// All of it.
    All,
}

/// An unsynced change, as it is passed to the function that decides what a crash leaves of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// Bytes written to a file.
    Write {
        /// The file's name.
        path: PathBuf,
        /// The offset of the bytes.
        offset: u64,
        /// The number of bytes.
        len: usize,
    },
    /// A new length of a file.
    SetLen {
        /// The file's name.
        path: PathBuf,
        /// The length.
        len: u64,
    },
    /// A name that was made, moved or removed in a directory that was not synced since.
    Name {
        /// The name.
        path: PathBuf,
    },
}

impl Unsynced {
    /// The name of the file or directory that changed.
    pub fn path(&self) -> &Path {
        match self {
            Unsynced::Write { path, .. } | Unsynced::SetLen { path, .. } | Unsynced::Name { path } => path,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetLen(u64),
}

pub(super) fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Change {
    /// The change as it is passed to the function that decides about a crash.
    pub(super) fn asked(&self, path: &Path) -> Unsynced {
        let path = path.to_path_buf();
        match self {
            Change::Write { offset, bytes } => Unsynced::Write { path, offset: *offset, len: bytes.len() },
            Change::SetLen(len) => Unsynced::SetLen { path, len: *len },
        }
    }

    pub(super) fn apply(&self, file: &mut Vec<u8>, keep: Keep) {
        match self {
            _ if matches!(keep, Keep::Nothing | Keep::First(0)) => {}
            Change::SetLen(len) => file.resize(index(*len), 0),
            Change::Write { offset, bytes } => write(file, index(*offset), bytes, keep),
        }
    }
}

fn write(file: &mut Vec<u8>, at: usize, bytes: &[u8], keep: Keep) {
    match keep {
        Keep::Nothing => {}
        Keep::All => put(file, at, bytes),
        Keep::First(len) => put(file, at, &bytes[..len.min(bytes.len())]),
        Keep::Zeros => file.resize(file.len().max(at + bytes.len()), 0),
        Keep::Noise(seed) => put(file, at, &noise(seed, bytes.len())),
        Keep::Sectors { size, kept } => {
            let (mut from, mut sector) = (0, 0);
            while from < bytes.len() {
                let to = bytes.len().min(((at + from) / index(size) + 1) * index(size) - at);
                if kept >> (sector % 64) & 1 == 1 {
                    put(file, at + from, &bytes[from..to]);
                }
                (from, sector) = (to, sector + 1);
            }
        }
    }
}

fn put(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    file.resize(file.len().max(at + bytes.len()), 0);
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_le_bytes()[7]
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_keeps_of_a_write_what_it_is_asked_to_keep() {
        let check = |keep: Keep, expected: &[u8]| {
            let mut file = b"abcdefgh".to_vec();
            Change::Write { offset: 3, bytes: b"0123456789".to_vec() }.apply(&mut file, keep);
            assert_eq!(file, expected, "{keep:?}");
        };
        check(Keep::Nothing, b"abcdefgh");
        check(Keep::First(0), b"abcdefgh");
        check(Keep::First(2), b"abc01fgh");
        check(Keep::First(99), b"abc0123456789");
        check(Keep::All, b"abc0123456789");
        check(Keep::Zeros, b"abcdefgh\0\0\0\0\0");
        // Sectors of four bytes: `0`, `1234`, `5678`, `9`.
        check(Keep::Sectors { size: 4, kept: 0 }, b"abcdefgh");
        check(Keep::Sectors { size: 4, kept: 0b0001 }, b"abc0efgh");
        check(Keep::Sectors { size: 4, kept: 0b0010 }, b"abcd1234");
        check(Keep::Sectors { size: 4, kept: 0b0100 }, b"abcdefgh5678");
        check(Keep::Sectors { size: 4, kept: 0b1000 }, b"abcdefgh\0\0\0\09");
        check(Keep::Sectors { size: 4, kept: 0b1010 }, b"abcd1234\0\0\0\09");
        check(Keep::Sectors { size: 4, kept: u64::MAX }, b"abc0123456789");
    }

    #[test]
    fn noise_is_made_from_its_number_alone() {
        let of = |seed: u64| {
            let mut file = vec![b'a'; 4];
            Change::Write { offset: 2, bytes: vec![0; 40] }.apply(&mut file, Keep::Noise(seed));
            file
        };
        assert_eq!((of(7), &of(7)[..2], of(7).len()), (of(7), &b"aa"[..], 42));
        assert_ne!(of(7), of(8));
    }
}
