//! Inclusion: a slice of the tree in the Bao encoding. First comes the length of the whole string as a little-endian u64. Then
//! comes the tree from the top, left before right: for each node that the range meets, the values of both children; for each
//! chunk that it meets, the bytes.

use super::source::Source;
use super::{CHUNK_LEN, Cursor, Node, ProofError, Read, Trees, VALUE_LEN, parent, root_of, top_parent};
use alloc::vec::Vec;
use blake3::hazmat::ChainingValue;
use core::ops::Range;
use evlog_format::Root;

/// Makes the slice that shows the bytes of `range` within the first `size` bytes, all of which are read.
pub fn slice<E>(size: u64, range: &Range<u64>, read: &mut Read<'_, E>) -> Result<Vec<u8>, E> {
    let made = slices(size, core::slice::from_ref(range), read, &mut |_| None)?;
    Ok(made.into_iter().next().unwrap_or_default())
}

/// Makes a slice for each of several ranges. Bytes are read once, and only if no tree has their values.
pub fn slices<E>(
    size: u64,
    ranges: &[Range<u64>],
    read: &mut Read<'_, E>,
    trees: &mut Trees<'_>,
) -> Result<Vec<Vec<u8>>, E> {
    let mut source = Source::new(read, trees);
    for range in ranges {
        source.look(0..=range.start);
    }
    let new = |range: &Range<u64>| Making { range: range.clone(), out: size.to_le_bytes().to_vec() };
    let mut making: Vec<Making> = ranges.iter().map(new).collect();
    write(Node::top(size), &mut source, &mut making.iter_mut().collect::<Vec<_>>())?;
    Ok(making.into_iter().map(|making| making.out).collect())
}

/// A slice that is being made.
struct Making {
    range: Range<u64>,
    out: Vec<u8>,
}

/// Writes the part of each slice that belongs to a node, and returns the node's value. The value for the topmost node
/// is not used.
fn write<E>(node: Node, source: &mut Source<'_, '_, E>, making: &mut [&mut Making]) -> Result<ChainingValue, E> {
    if making.is_empty() {
        return source.value(node);
    }
    let Some((left, right)) = node.children() else {
        let mut chunk = Vec::new();
        source.read(node, &mut |piece| chunk.extend_from_slice(piece))?;
        for slice in making.iter_mut() {
            slice.out.extend_from_slice(&chunk);
        }
        return Ok(node.value_of(&chunk));
    };
    // In the slice the values come before the parts below them, but they are known only after these parts.
    let places: Vec<usize> = making.iter().map(|slice| slice.out.len()).collect();
    for slice in making.iter_mut() {
        slice.out.extend_from_slice(&[0; 2 * VALUE_LEN]);
    }
    let mut below = |child: Node| {
        let meets = |slice: &&mut Making| child.meets(&slice.range);
        let mut those: Vec<&mut Making> = making.iter_mut().map(|slice| &mut **slice).filter(meets).collect();
        write(child, source, &mut those)
    };
    let (left, right) = (below(left)?, below(right)?);
    for (slice, at) in making.iter_mut().zip(places) {
        slice.out[at..at + VALUE_LEN].copy_from_slice(&left);
        slice.out[at + VALUE_LEN..at + 2 * VALUE_LEN].copy_from_slice(&right);
    }
    Ok(parent(&left, &right))
}

/// Checks that a slice leads to the root of a string of `size` bytes, and returns the bytes of `range`.
pub fn check_slice(slice: &[u8], size: u64, root: &Root, range: &Range<u64>) -> Result<Vec<u8>, ProofError> {
    if range.start >= range.end || range.end > size {
        return Err(ProofError::Range { start: range.start, end: range.end, size });
    }
    let mut cursor = Cursor::new(slice);
    let mut stated = [0; 8];
    stated.copy_from_slice(cursor.take(8)?);
    let found = u64::from_le_bytes(stated);
    if found != size {
        return Err(ProofError::Size { expected: size, found });
    }
    let mut bytes = Vec::new();
    read_node(Node::top(size), None, root, range, &mut cursor, &mut bytes)?;
    cursor.end()?;
    Ok(bytes)
}

/// Reads a node whose value is known. The value of the topmost node is the root.
fn read_node(
    node: Node,
    value: Option<&ChainingValue>,
    root: &Root,
    range: &Range<u64>,
    cursor: &mut Cursor<'_>,
    bytes: &mut Vec<u8>,
) -> Result<(), ProofError> {
    let mismatch = ProofError::Value { start: node.start, len: node.len };
    let Some((left, right)) = node.children() else {
        let chunk = cursor.bytes(node.len)?;
        let holds = value.map_or_else(|| root_of(chunk) == *root, |value| node.value_of(chunk) == *value);
        if !holds {
            return Err(mismatch);
        }
        let within = |position: u64| usize::try_from(position.clamp(node.start, node.end()) - node.start);
        let (Ok(from), Ok(to)) = (within(range.start), within(range.end)) else {
            unreachable!("a chunk has {CHUNK_LEN} bytes")
        };
        bytes.extend_from_slice(&chunk[from..to]);
        return Ok(());
    };
    let (left_value, right_value) = (cursor.value()?, cursor.value()?);
    let holds = match value {
        None => top_parent(&left_value, &right_value) == *root,
        Some(value) => parent(&left_value, &right_value) == *value,
    };
    if !holds {
        return Err(mismatch);
    }
    for (child, value) in [(left, left_value), (right, right_value)] {
        if child.meets(range) {
            read_node(child, Some(&value), root, range, cursor, bytes)?;
        }
    }
    Ok(())
}
