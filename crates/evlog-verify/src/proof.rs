//! Proofs over the byte tree, made from the log's bytes and checked without them.
//!
//! Does: make an inclusion proof ([`slice()`]: the bytes of a range and the way from them to the root, in the Bao encoding)
//! and a consistency proof ([`consistency()`]: that a shorter string is the beginning of a longer one), and check each of
//! them. Does not: know frames, signatures or files, or decide whether a root can be trusted.
//!
//! Invariants:
//! - A check needs the sizes and the roots, which the caller has from a signed checkpoint, and nothing else.
//! - A proof has only one form: a proof that is longer, shorter or different in any bit is refused.
//! - Making a proof reads each byte at most once, in order, and holds only the proof in memory. If trees over beginnings of
//!   the string are available, most bytes are not read at all; the proof is the same.
//!
//! The tree is BLAKE3's. Its chunks have [`CHUNK_LEN`] bytes. In a node over more than one chunk, the left part is the largest
//! power of two of chunks that leaves at least one byte for the right part. A node's value is a chaining value; the value of
//! the topmost node is the root.

mod consistency;
mod slice;
mod source;

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use core::fmt;
use core::ops::Range;
use evlog_format::Root;

pub use consistency::{check_consistency, consistency};
pub use slice::{check_slice, slice, slices};
pub use source::{Read, Trees, root_through};

/// Length of a chunk in bytes: the leaf of the tree.
pub const CHUNK_LEN: u64 = 1024;
/// Length of a node's value in bytes.
const VALUE_LEN: usize = 32;

/// The reason why bytes are not the proof that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofError {
    /// The range is empty, or ends beyond the string.
    Range {
        /// First byte of the range.
        start: u64,
        /// The byte after it.
        end: u64,
        /// The number of bytes that the string has.
        size: u64,
    },
    /// The proof is for a string of another length.
    Size {
        /// Length of the string whose root is known.
        expected: u64,
        /// Length that the proof states.
        found: u64,
    },
    /// The older string is longer than the newer one.
    Shorter {
        /// Length of the older string.
        old: u64,
        /// Length of the newer string.
        new: u64,
    },
    /// The proof ends early.
    Short {
        /// How many bytes it should have at least.
        expected: usize,
        /// How many it has.
        found: usize,
    },
    /// Bytes follow its end.
    Trailing {
        /// How many bytes follow.
        found: usize,
    },
    /// The proof's values for a part of the string do not lead to the root.
    Value {
        /// Position of the part.
        start: u64,
        /// Its length in bytes.
        len: u64,
    },
    /// A consistency proof leads to another root of the older string.
    OldRoot {
        /// The root that was given.
        expected: Root,
        /// The root that the proof leads to.
        found: Root,
    },
    /// A consistency proof leads to another root of the newer string.
    NewRoot {
        /// The root that was given.
        expected: Root,
        /// The root that the proof leads to.
        found: Root,
    },
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ProofError::Range { start, end, size } => {
                write!(f, "expected a range within {size} bytes, found {start} to {end}")
            }
            ProofError::Size { expected, found } => {
                write!(f, "expected a proof about {expected} bytes, found one about {found}")
            }
            ProofError::Shorter { old, new } => {
                write!(f, "expected the newer log to have at least {old} bytes, found {new}")
            }
            ProofError::Short { expected, found } => {
                write!(f, "the proof is cut: expected at least {expected} bytes, found {found}")
            }
            ProofError::Trailing { found } => write!(f, "expected the end of the proof, found {found} more bytes"),
            ProofError::Value { start, len } => write!(
                f,
                "what it holds of the {len} bytes at position {start} does not lead to the root: it was changed, or is of \
                 another log"
            ),
            ProofError::OldRoot { expected, found } => {
                write!(f, "the older log: expected root {expected}, the proof leads to {found}")
            }
            ProofError::NewRoot { expected, found } => {
                write!(f, "the newer log: expected root {expected}, the proof leads to {found}")
            }
        }
    }
}

impl core::error::Error for ProofError {}

/// A part of the string that is a node of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    start: u64,
    len: u64,
}

impl Node {
    /// The topmost node of a string.
    fn top(size: u64) -> Node {
        Node { start: 0, len: size }
    }

    fn end(self) -> u64 {
        self.start + self.len
    }

    /// Its two children; `None` for a chunk.
    fn children(self) -> Option<(Node, Node)> {
        if self.len <= CHUNK_LEN {
            return None;
        }
        let left = left_subtree_len(self.len);
        Some((Node { start: self.start, len: left }, Node { start: self.start + left, len: self.len - left }))
    }

    /// Whether it shares a byte with a range.
    fn meets(self, range: &Range<u64>) -> bool {
        self.start < range.end && range.start < self.end()
    }

    /// Value of a node that is not the topmost one, from all its bytes.
    fn value_of(self, bytes: &[u8]) -> ChainingValue {
        self.hasher().update(bytes).finalize_non_root()
    }

    /// Value of a node that is not the topmost one, from the bytes that a reader returns.
    fn read_value<E>(self, read: &mut Read<'_, E>) -> Result<ChainingValue, E> {
        let (mut hasher, mut left) = (self.hasher(), self.len);
        read(self.start..self.end(), &mut |piece| {
            // If a reader gives more bytes than were asked for, the hasher must not take bytes beyond its subtree.
            let len = usize::try_from(left).map_or(piece.len(), |left| piece.len().min(left));
            hasher.update(&piece[..len]);
            left -= len as u64;
        })?;
        Ok(if left == self.len { [0; VALUE_LEN] } else { hasher.finalize_non_root() })
    }

    fn hasher(self) -> Hasher {
        let mut hasher = Hasher::new();
        hasher.set_input_offset(self.start);
        hasher
    }
}

fn parent(left: &ChainingValue, right: &ChainingValue) -> ChainingValue {
    merge_subtrees_non_root(left, right, Mode::Hash)
}

fn top_parent(left: &ChainingValue, right: &ChainingValue) -> Root {
    Root(*merge_subtrees_root(left, right, Mode::Hash).as_bytes())
}

/// Root of a string of one chunk.
fn root_of(bytes: &[u8]) -> Root {
    Root(*blake3::hash(bytes).as_bytes())
}

/// A proof that is being read.
struct Cursor<'p> {
    proof: &'p [u8],
    at: usize,
}

impl<'p> Cursor<'p> {
    fn new(proof: &'p [u8]) -> Cursor<'p> {
        Cursor { proof, at: 0 }
    }

    fn take(&mut self, len: usize) -> Result<&'p [u8], ProofError> {
        let expected = self.at + len;
        let taken = self.proof.get(self.at..expected);
        self.at = expected;
        taken.ok_or(ProofError::Short { expected, found: self.proof.len() })
    }

    fn value(&mut self) -> Result<ChainingValue, ProofError> {
        let mut value = [0; VALUE_LEN];
        value.copy_from_slice(self.take(VALUE_LEN)?);
        Ok(value)
    }

    /// The bytes of a chunk, or of a part of one.
    fn bytes(&mut self, len: u64) -> Result<&'p [u8], ProofError> {
        let Ok(len) = usize::try_from(len) else { unreachable!("at most the length of a chunk") };
        self.take(len)
    }

    fn end(&self) -> Result<(), ProofError> {
        match self.proof.len() - self.at {
            0 => Ok(()),
            found => Err(ProofError::Trailing { found }),
        }
    }
}

#[cfg(test)]
mod tests;
