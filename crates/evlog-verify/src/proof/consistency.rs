//! Consistency: that the first `old` bytes of a string of `new` bytes are the string whose root was known before.
//!
//! The proof follows the way from the top of the newer tree down to the chunk that holds the older string's last byte:
//!
//! - the values of the nodes to the left of that way, largest first: both trees have these nodes;
//! - the bytes of that chunk in the newer string. The older string had the first of them;
//! - the values of the nodes to the right of that way, from the bottom up: only the newer tree has them.
//!
//! The topmost node of a tree is hashed differently from all others, so neither root is the value of a node. The check computes
//! both roots from the same values. If the older string is empty, or as long as the newer, the proof is empty.

use super::source::Source;
use super::{CHUNK_LEN, Cursor, Node, ProofError, Read, Trees, parent, root_of, top_parent};
use alloc::vec::Vec;
use blake3::hazmat::ChainingValue;
use evlog_format::Root;

/// Makes the proof. Reads the first `new` bytes, except those whose values a tree has.
pub fn consistency<E>(old: u64, new: u64, read: &mut Read<'_, E>, trees: &mut Trees<'_>) -> Result<Vec<u8>, E> {
    let mut out = Vec::new();
    if old > 0 && old < new {
        let mut source = Source::new(read, trees);
        source.look(0..=old);
        let mut node = Node::top(new);
        let mut right_of_the_way = Vec::new();
        while let Some((left, right)) = node.children() {
            if old > right.start {
                out.extend_from_slice(&source.value(left)?);
                node = right;
            } else {
                right_of_the_way.push(right);
                node = left;
            }
        }
        source.read(node, &mut |piece| out.extend_from_slice(piece))?;
        for node in right_of_the_way.into_iter().rev() {
            out.extend_from_slice(&source.value(node)?);
        }
    }
    Ok(out)
}

/// Checks that a string of `old` bytes with its root is the beginning of a string of `new` bytes with its root.
pub fn check_consistency(proof: &[u8], old: (u64, &Root), new: (u64, &Root)) -> Result<(), ProofError> {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size > new_size {
        return Err(ProofError::Shorter { old: old_size, new: new_size });
    }
    let mut cursor = Cursor::new(proof);
    let (old_found, new_found) = if old_size == 0 {
        (Root::EMPTY, *new_root)
    } else if old_size == new_size {
        (*new_root, *new_root)
    } else {
        roots(old_size, new_size, &mut cursor)?
    };
    cursor.end()?;
    if old_found != *old_root {
        return Err(ProofError::OldRoot { expected: *old_root, found: old_found });
    }
    if new_found != *new_root {
        return Err(ProofError::NewRoot { expected: *new_root, found: new_found });
    }
    Ok(())
}

/// A step on the way down: the side that the way does not take.
enum Beside {
    Left(ChainingValue),
    Right,
}

/// Computes both roots from the proof.
fn roots(old: u64, new: u64, cursor: &mut Cursor<'_>) -> Result<(Root, Root), ProofError> {
    let mut node = Node::top(new);
    let mut way = Vec::new();
    while let Some((left, right)) = node.children() {
        if old > right.start {
            way.push(Beside::Left(cursor.value()?));
            node = right;
        } else {
            way.push(Beside::Right);
            node = left;
        }
    }
    let chunk = cursor.bytes(node.len)?;
    let Some(old_chunk) = usize::try_from(old - node.start).ok().and_then(|len| chunk.get(..len)) else {
        unreachable!("the way leads to the chunk of {CHUNK_LEN} bytes that holds the older string's last byte")
    };
    let lefts = way.iter().filter_map(|beside| if let Beside::Left(value) = beside { Some(value) } else { None });
    let old_root = climb(node, old_chunk, lefts.rev().map(|value| Ok((*value, true))))?;
    let new_root = climb(
        node,
        chunk,
        way.iter().rev().map(|beside| match beside {
            Beside::Left(value) => Ok((*value, true)),
            Beside::Right => Ok((cursor.value()?, false)),
        }),
    )?;
    Ok((old_root, new_root))
}

/// Computes the root above a chunk from the values beside the way to the top, each with its side.
fn climb(
    node: Node,
    chunk: &[u8],
    beside: impl Iterator<Item = Result<(ChainingValue, bool), ProofError>>,
) -> Result<Root, ProofError> {
    let mut beside = beside.peekable();
    if beside.peek().is_none() {
        return Ok(root_of(chunk));
    }
    let mut value = node.value_of(chunk);
    while let Some(other) = beside.next() {
        let (other, is_left) = other?;
        let (left, right) = if is_left { (other, value) } else { (value, other) };
        if beside.peek().is_none() {
            return Ok(top_parent(&left, &right));
        }
        value = parent(&left, &right);
    }
    unreachable!("the last value above the chunk gives the root")
}
