//! Returns the values of nodes, from the bytes or from trees that were kept over beginnings of the string.
//!
//! A tree that was kept at a position holds the values of all complete subtrees before it. So the value of any part of the
//! string follows from the latest tree within the part, and from the bytes between that tree and the part's end.
//!
//! Does not: check a tree. A wrong value leads to another root, so the check of the proof fails.

use super::{Node, parent, root_of, top_parent};
use crate::tree::{GROUP_LEN, Tree};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use blake3::hazmat::ChainingValue;
use core::ops::{Range, RangeInclusive};
use evlog_format::Root;

/// Gives the visitor the bytes of a range of the log, in order, in pieces of any length. Missing bytes are left out: then
/// the proof leads to another root, so its check fails.
pub type Read<'r, E> = dyn FnMut(Range<u64>, &mut dyn FnMut(&[u8])) -> Result<(), E> + 'r;

/// Returns the latest tree over the bytes before a position in the range; `None` if there is none, or if it was returned
/// before.
pub type Trees<'t> = dyn FnMut(RangeInclusive<u64>) -> Option<Tree> + 't;

/// The bytes, the trees, and the values that the trees gave so far.
pub(super) struct Source<'s, 'f, E> {
    read: &'s mut Read<'f, E>,
    trees: &'s mut Trees<'f>,
    /// Values by position and length.
    known: BTreeMap<(u64, u64), ChainingValue>,
}

impl<'s, 'f, E> Source<'s, 'f, E> {
    pub(super) fn new(read: &'s mut Read<'f, E>, trees: &'s mut Trees<'f>) -> Source<'s, 'f, E> {
        Source { read, trees, known: BTreeMap::new() }
    }

    /// Adds the values of the latest tree in the range.
    pub(super) fn look(&mut self, range: RangeInclusive<u64>) {
        if let Some(tree) = (self.trees)(range) {
            self.known.extend(tree.nodes().map(|(start, len, value)| ((start, len), value)));
        }
    }

    /// The bytes of a node.
    pub(super) fn read(&mut self, node: Node, visit: &mut dyn FnMut(&[u8])) -> Result<(), E> {
        (self.read)(node.start..node.end(), visit)
    }

    /// Value of a node that is not the topmost one.
    pub(super) fn value(&mut self, node: Node) -> Result<ChainingValue, E> {
        if node.len > GROUP_LEN as u64 {
            self.look(node.start + 1..=node.end());
        }
        self.put_together(node)
    }

    fn put_together(&mut self, node: Node) -> Result<ChainingValue, E> {
        if let Some(value) = self.known.get(&(node.start, node.len)) {
            return Ok(*value);
        }
        let mut from_here = self.known.range((node.start, 0)..(node.end(), 0));
        let is_known = from_here.any(|((start, len), _)| start + len <= node.end());
        match node.children().filter(|_| is_known) {
            Some((left, right)) => Ok(parent(&self.put_together(left)?, &self.put_together(right)?)),
            None => node.read_value(self.read),
        }
    }

    /// Value of a node that is not the topmost one. The bytes in the ranges are read, even if a tree already has the values.
    fn value_through(&mut self, node: Node, ranges: &[Range<u64>]) -> Result<ChainingValue, E> {
        let those: Vec<Range<u64>> = ranges.iter().filter(|range| node.meets(range)).cloned().collect();
        if those.is_empty() {
            return self.value(node);
        }
        let is_all = those.iter().any(|range| range.start <= node.start && node.end() <= range.end);
        match node.children().filter(|_| !is_all) {
            Some((left, right)) => Ok(parent(&self.value_through(left, &those)?, &self.value_through(right, &those)?)),
            None => node.read_value(self.read),
        }
    }
}

/// The root of `size` bytes. It is computed from the bytes in these ranges. For all other bytes it uses the trees where they
/// have values. If the result equals a root that is known to be right, then the bytes in these ranges are the bytes that this
/// root was computed over.
pub fn root_through<E>(
    size: u64,
    ranges: &[Range<u64>],
    read: &mut Read<'_, E>,
    trees: &mut Trees<'_>,
) -> Result<Root, E> {
    let mut source = Source::new(read, trees);
    for range in ranges {
        source.look(0..=range.start);
    }
    let top = Node::top(size);
    let Some((left, right)) = top.children() else {
        let mut chunk = Vec::new();
        source.read(top, &mut |piece| chunk.extend_from_slice(piece))?;
        return Ok(root_of(&chunk));
    };
    Ok(top_parent(&source.value_through(left, ranges)?, &source.value_through(right, ranges)?))
}
