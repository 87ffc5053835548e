//! The tree over the log's byte string. It is BLAKE3's own tree, so its root is the hash that anyone can compute (rule F-14).
//!
//! Does: keep the root of a growing byte string at the cost of hashing it once, in memory that grows with the logarithm of its
//! size; stop anywhere and continue from there. Does not: know segments, frames or files.
//!
//! Invariants:
//! - The root equals `blake3::hash` of all bytes given so far, however they were cut into updates.
//! - The bytes are held in groups of [`GROUP_LEN`]. A group enters the tree only when a byte after it is known, because the
//!   node that turns out to be the topmost one is hashed differently. So `tail` is empty only if no bytes were given.
//! - `subtrees` holds the complete subtrees of the groups in the tree, largest first: one for each 1 in the binary form of
//!   their number, as in a binary counter.

mod span;

use alloc::vec::Vec;
use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use core::fmt;
use evlog_format::Root;
use evlog_format::checksum::crc32;
use evlog_format::limits::POSITION_MAX;
pub use span::Span;
use span::subtree_len;

/// Length of a group in bytes: 16 chunks, as many as the widest SIMD code hashes side by side.
pub const GROUP_LEN: usize = 16 * 1024;
const GROUP: u64 = GROUP_LEN as u64;

/// The root of a byte string that grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    subtrees: Vec<ChainingValue>,
    groups: u64,
    tail: Vec<u8>,
}

impl Tree {
    /// The tree over no bytes.
    pub fn new() -> Tree {
        Tree::default()
    }

    /// The tree as it was when the frontier was taken.
    pub fn resume(frontier: Frontier) -> Tree {
        frontier.0
    }

    /// How many bytes the tree is over.
    pub fn size(&self) -> u64 {
        self.groups * GROUP + self.tail.len() as u64
    }

    /// Appends bytes. If there are many, they are hashed in place, in subtrees as large as their position allows.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.tail.len() == GROUP_LEN {
                self.push_tail();
            }
            if self.tail.is_empty() && bytes.len() > GROUP_LEN {
                let (now, later) = bytes.split_at(subtree_len(self.groups, bytes.len()));
                self.push(now);
                bytes = later;
            } else {
                let (now, later) = bytes.split_at(bytes.len().min(GROUP_LEN - self.tail.len()));
                self.tail.extend_from_slice(now);
                bytes = later;
            }
        }
    }

    /// Puts the last group into the tree. The group is whole or empty, and more bytes are known to follow.
    fn push_tail(&mut self) {
        let mut full = core::mem::take(&mut self.tail);
        if !full.is_empty() {
            self.push(&full);
        }
        full.clear();
        self.tail = full;
    }

    /// Puts a power of two of groups into the tree; more bytes are known to follow.
    fn push(&mut self, bytes: &[u8]) {
        self.push_value((bytes.len() / GROUP_LEN) as u64, subtree(self.groups * GROUP, bytes));
    }

    /// Puts a subtree into the tree by its value.
    fn push_value(&mut self, count: u64, value: ChainingValue) {
        // This works like a binary counter: if there is a subtree of the same size already, the two become one subtree, which
        // is carried on.
        let (mut right, mut carry) = (value, count);
        while self.groups & carry != 0 {
            let Some(left) = self.subtrees.pop() else {
                unreachable!("one subtree for each 1 in the number of groups")
            };
            right = merge_subtrees_non_root(&left, &right, Mode::Hash);
            carry <<= 1;
        }
        self.subtrees.push(right);
        self.groups += count;
    }

    /// BLAKE3 of all bytes given so far.
    pub fn root(&self) -> Root {
        let Some((topmost, others)) = self.subtrees.split_first() else {
            return Root(*blake3::hash(&self.tail).as_bytes());
        };
        let last = subtree(self.groups * GROUP, &self.tail);
        let right = others.iter().rfold(last, |right, left| merge_subtrees_non_root(left, &right, Mode::Hash));
        Root(*merge_subtrees_root(topmost, &right, Mode::Hash).as_bytes())
    }

    /// The complete subtrees of whole groups: position, length in bytes, and value. Each is a node of the tree over any
    /// longer string that begins with these bytes.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (u64, u64, ChainingValue)> {
        let (mut left, mut start) = (self.groups, 0);
        self.subtrees.iter().map(move |value| {
            // Largest first, as the binary form of their number has them.
            let len = (1 << left.ilog2()) * GROUP;
            let node = (start, len, *value);
            (left, start) = (left - len / GROUP, start + len);
            node
        })
    }

    /// The state that is needed to continue later.
    pub fn frontier(&self) -> Frontier {
        Frontier(self.clone())
    }
}

/// The value of the subtree over `bytes`, which begin at `offset` and are not the whole string.
fn subtree(offset: u64, bytes: &[u8]) -> ChainingValue {
    Hasher::new().set_input_offset(offset).update(bytes).finalize_non_root()
}

/// A saved tree: its size, the values of its complete subtrees, and the bytes of its last group.
///
/// It is written beside a segment and never trusted: the code that resumes from it compares its root with the one in
/// the segment's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier(Tree);

const MAGIC: [u8; 8] = *b"evlogtre";
const VERSION: u32 = 1;
const VALUE_LEN: usize = 32;
const SIZE_AT: usize = MAGIC.len() + 4;
const VALUES_AT: usize = SIZE_AT + 8;
const CRC_LEN: usize = 4;

/// The reason why bytes are not a frontier. The remedy is always the same: recompute the frontier from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrontierError {
    /// They do not begin like a frontier, or belong to another version.
    Magic,
    /// The size is beyond what a log can have.
    Size {
        /// The size found.
        found: u64,
    },
    /// There are more or fewer bytes than the size requires.
    Length {
        /// How many bytes a frontier of that size has, or at least has.
        expected: usize,
        /// The number that was found.
        found: usize,
    },
    /// The CRC-32 over the other bytes does not match.
    Checksum {
        /// The computed value.
        expected: u32,
        /// The stored value.
        found: u32,
    },
}

impl Frontier {
    /// The most bytes that an encoded frontier has, so that a reader knows how much to read.
    pub const ENCODED_LEN_MAX: usize = VALUES_AT + 64 * VALUE_LEN + GROUP_LEN + CRC_LEN;

    /// How many bytes the tree is over.
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    /// Root of those bytes.
    pub fn root(&self) -> Root {
        self.0.root()
    }

    /// The bytes of the last group. They end where the string ends, so they can be compared with the string.
    pub fn tail(&self) -> &[u8] {
        &self.0.tail
    }

    /// The frontier's bytes: magic, version, size, subtree values, bytes of the last group, CRC-32 of all before it.
    pub fn encode(&self) -> Vec<u8> {
        let Tree { subtrees, tail, .. } = &self.0;
        let mut out = Vec::with_capacity(VALUES_AT + subtrees.len() * VALUE_LEN + tail.len() + CRC_LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.size().to_le_bytes());
        for value in subtrees {
            out.extend_from_slice(value);
        }
        out.extend_from_slice(tail);
        out.extend_from_slice(&crc32(&out).to_le_bytes());
        out
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &[u8]) -> Result<Frontier, FrontierError> {
        let short = FrontierError::Length { expected: VALUES_AT + CRC_LEN, found: bytes.len() };
        let (head, _) = bytes.split_first_chunk::<VALUES_AT>().ok_or(short)?;
        if head[..MAGIC.len()] != MAGIC || head[MAGIC.len()..SIZE_AT] != VERSION.to_le_bytes() {
            return Err(FrontierError::Magic);
        }
        let mut size = [0u8; 8];
        size.copy_from_slice(&head[SIZE_AT..]);
        let size = u64::from_le_bytes(size);
        if size > POSITION_MAX {
            return Err(FrontierError::Size { found: size });
        }
        let groups = size.saturating_sub(1) / GROUP;
        let values_len = groups.count_ones() as usize * VALUE_LEN;
        let Ok(tail_len) = usize::try_from(size - groups * GROUP) else {
            unreachable!("at most the length of a group")
        };
        let expected = VALUES_AT + values_len + tail_len + CRC_LEN;
        let (covered, stored) = match bytes.split_last_chunk::<CRC_LEN>() {
            Some(parts) if bytes.len() == expected => parts,
            _ => return Err(FrontierError::Length { expected, found: bytes.len() }),
        };
        let (expected, found) = (crc32(covered), u32::from_le_bytes(*stored));
        if expected != found {
            return Err(FrontierError::Checksum { expected, found });
        }
        let (values, tail) = covered[VALUES_AT..].split_at(values_len);
        let subtrees = values.as_chunks::<VALUE_LEN>().0.to_vec();
        Ok(Frontier(Tree { subtrees, groups, tail: tail.to_vec() }))
    }
}

impl fmt::Display for FrontierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            FrontierError::Magic => write!(f, "not a frontier of version {VERSION}"),
            FrontierError::Size { found } => {
                write!(f, "frontier: expected a size of at most {POSITION_MAX}, found {found}")
            }
            FrontierError::Length { expected, found } => {
                write!(f, "frontier: expected {expected} bytes, found {found}")
            }
            FrontierError::Checksum { expected, found } => {
                write!(f, "frontier: checksum does not match: expected {expected:08x}, found {found:08x}")
            }
        }
    }
}

impl core::error::Error for FrontierError {}

#[cfg(test)]
mod tests;
