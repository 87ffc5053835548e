//! A part of the byte string, hashed apart from the bytes before it, so that segments can be hashed in parallel and
//! joined.
//!
//! Does: keep the values of the subtrees that are wholly within the part, and the bytes at its two ends that do not fill a
//! group. Does not: have a root; only the tree that it is joined to has a root.
//!
//! Invariant: after the bytes of the head, the subtrees follow one after the other, each as large as its place allows. The tail
//! is empty only if no bytes were given after the head.

use super::{GROUP, GROUP_LEN, Tree, subtree};
use alloc::vec::Vec;
use blake3::hazmat::{ChainingValue, Mode, merge_subtrees_non_root};

/// The bytes of the string from a position on, in hashed form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    start: u64,
    /// The bytes before the first whole group.
    head: Vec<u8>,
    /// The index of the next group in the string.
    group: u64,
    /// How many groups each subtree holds, and its value.
    subtrees: Vec<(u64, ChainingValue)>,
    tail: Vec<u8>,
}

impl Span {
    /// An empty part that begins at this position of the string.
    pub fn new(start: u64) -> Span {
        Span { start, head: Vec::new(), group: start.div_ceil(GROUP), subtrees: Vec::new(), tail: Vec::new() }
    }

    /// Appends bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let to_group = self.start.next_multiple_of(GROUP) - self.start - self.head.len() as u64;
        let (head, mut bytes) = bytes.split_at(bytes.len().min(usize::try_from(to_group).unwrap_or(0)));
        self.head.extend_from_slice(head);
        while !bytes.is_empty() {
            if self.tail.len() == GROUP_LEN {
                let mut full = core::mem::take(&mut self.tail);
                self.push(&full);
                full.clear();
                self.tail = full;
            }
            if self.tail.is_empty() && bytes.len() > GROUP_LEN {
                let (now, later) = bytes.split_at(subtree_len(self.group, bytes.len()));
                self.push(now);
                bytes = later;
            } else {
                let (now, later) = bytes.split_at(bytes.len().min(GROUP_LEN - self.tail.len()));
                self.tail.extend_from_slice(now);
                bytes = later;
            }
        }
    }

    /// Adds a power of two of groups, and joins subtrees that form a larger subtree of the whole string.
    fn push(&mut self, bytes: &[u8]) {
        let (mut first, mut count) = (self.group, (bytes.len() / GROUP_LEN) as u64);
        let mut value = subtree(first * GROUP, bytes);
        self.group += count;
        while let Some((_, left)) = self.subtrees.pop_if(|(left, _)| *left == count && first & count != 0) {
            value = merge_subtrees_non_root(&left, &value, Mode::Hash);
            (first, count) = (first - count, count * 2);
        }
        self.subtrees.push((count, value));
    }
}

/// How many bytes may be hashed at once from a group on: the largest power of two of groups that leaves at least one of the
/// `available` bytes for later. `available` is more than a group.
pub(super) fn subtree_len(group: u64, available: usize) -> usize {
    let fitting = ((available - 1) / GROUP_LEN).ilog2();
    let aligned = if group == 0 { fitting } else { group.trailing_zeros() };
    GROUP_LEN << fitting.min(aligned)
}

impl Tree {
    /// Appends a part that begins where the bytes so far end. If it begins elsewhere, returns false and changes
    /// nothing.
    #[must_use]
    pub fn join(&mut self, span: &Span) -> bool {
        if self.size() != span.start {
            return false;
        }
        self.update(&span.head);
        if !span.tail.is_empty() {
            self.push_tail();
        }
        for (count, value) in &span.subtrees {
            self.push_value(*count, *value);
        }
        self.update(&span.tail);
        true
    }
}
