//! Slices are compared with those of the `bao` crate, which also checks them; roots are compared with `blake3::hash`.

use super::*;
use crate::tree::{GROUP_LEN, Tree};
use alloc::vec;
use alloc::vec::Vec;
use core::convert::Infallible;
use proptest::prelude::*;
use std::io::{Cursor as IoCursor, Read as _};

const CHUNK: usize = 1024;

fn pattern(len: usize) -> Vec<u8> {
    (0u32..).take(len).map(|i| (i.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

/// Gives a range in uneven pieces, so that nothing depends on how they are cut.
fn give(bytes: &[u8], range: &Range<u64>, visit: &mut dyn FnMut(&[u8])) {
    let (start, end) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
    bytes[start..end].chunks(777).for_each(visit);
}

fn slice_of(bytes: &[u8], range: Range<u64>) -> Vec<u8> {
    let made = slice::<Infallible>(bytes.len() as u64, &range, &mut |range, visit| {
        give(bytes, &range, visit);
        Ok(())
    });
    made.unwrap()
}

fn consistency_of(bytes: &[u8], old: usize) -> Vec<u8> {
    let mut read = |range: Range<u64>, visit: &mut dyn FnMut(&[u8])| {
        give(bytes, &range, visit);
        Ok(())
    };
    consistency::<Infallible>(old as u64, bytes.len() as u64, &mut read, &mut |_| None).unwrap()
}

fn by_blake3(bytes: &[u8]) -> Root {
    Root(*blake3::hash(bytes).as_bytes())
}

fn checked(slice: &[u8], bytes: &[u8], range: Range<u64>) -> Result<Vec<u8>, ProofError> {
    check_slice(slice, bytes.len() as u64, &by_blake3(bytes), &range)
}

fn consistent(proof: &[u8], bytes: &[u8], old: usize) -> Result<(), ProofError> {
    let (old_root, new_root) = (by_blake3(&bytes[..old]), by_blake3(bytes));
    check_consistency(proof, (old as u64, &old_root), (bytes.len() as u64, &new_root))
}

/// Lengths around the edges of chunks and of powers of two of them.
fn edges() -> Vec<usize> {
    let centres = [1, 2, 3, 4, 5, 7, 8, 9, 16, 17].map(|chunks| chunks * CHUNK);
    let mut all: Vec<usize> = centres.iter().flat_map(|centre| [centre - 1, *centre, centre + 1]).collect();
    all.extend([1, 64, 65]);
    all.sort_unstable();
    all
}

#[test]
fn a_slice_is_the_one_that_bao_makes_and_bao_reads_it() {
    // Rule E-10.
    for len in edges() {
        let bytes = pattern(len);
        let (encoded, hash) = bao::encode::encode(&bytes);
        for (start, end) in [(0, 1), (0, len), (len - 1, len), (len / 2, len / 2 + 1), (len / 3, len - len / 5)] {
            let (start, end) = (start as u64, end as u64);
            let mut theirs = Vec::new();
            let mut extractor = bao::encode::SliceExtractor::new(IoCursor::new(&encoded), start, end - start);
            extractor.read_to_end(&mut theirs).unwrap();
            let ours = slice_of(&bytes, start..end);
            assert_eq!(ours, theirs, "{start}..{end} of {len}");
            let mut read = Vec::new();
            bao::decode::SliceDecoder::new(&*ours, &hash, start, end - start).read_to_end(&mut read).unwrap();
            assert_eq!(read, bytes[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()]);
            assert_eq!(checked(&theirs, &bytes, start..end), Ok(read), "{start}..{end} of {len}");
        }
    }
}

#[test]
fn a_shorter_log_is_shown_to_be_the_beginning_of_a_longer_one_at_every_edge() {
    // Rules E-20 and E-21.
    let bytes = pattern(17 * CHUNK + 1);
    for new in edges() {
        let newer = &bytes[..new];
        for old in edges().into_iter().filter(|old| *old <= new).chain([0]) {
            assert_eq!(consistent(&consistency_of(newer, old), newer, old), Ok(()), "{old} of {new}");
        }
    }
}

#[test]
fn slices_that_are_made_together_are_those_that_are_made_apart() {
    let bytes = pattern(9 * CHUNK + 5);
    let ranges = [0..10, 500..3000, 4096..4097, 9216..9221, 500..3000];
    let mut reads = 0;
    let mut read = |range: Range<u64>, visit: &mut dyn FnMut(&[u8])| {
        reads += range.end - range.start;
        give(&bytes, &range, visit);
        Ok(())
    };
    let together = slices::<Infallible>(bytes.len() as u64, &ranges, &mut read, &mut |_| None);
    let apart: Vec<Vec<u8>> = ranges.into_iter().map(|range| slice_of(&bytes, range)).collect();
    assert_eq!((together.unwrap(), reads), (apart, bytes.len() as u64), "and each byte was read once");
}

#[test]
fn no_bit_of_a_slice_can_be_changed() {
    // Rule E-11.
    let bytes = pattern(5 * CHUNK + 100);
    for range in [0..40, 2000..2100, 5200..5220] {
        let slice = slice_of(&bytes, range.clone());
        for bit in 0..slice.len() * 8 {
            let mut other = slice.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(checked(&other, &bytes, range.clone()).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn no_bit_of_a_consistency_proof_can_be_changed() {
    let bytes = pattern(7 * CHUNK + 9);
    for old in [1, CHUNK, CHUNK + 1, 4 * CHUNK, 5 * CHUNK - 3, 7 * CHUNK + 8] {
        let proof = consistency_of(&bytes, old);
        for bit in 0..proof.len() * 8 {
            let mut other = proof.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(consistent(&other, &bytes, old).is_err(), "bit {bit} of {old}");
        }
    }
}

#[test]
fn a_proof_that_is_cut_or_extended_is_refused() {
    let bytes = pattern(6 * CHUNK + 5);
    let (slice, proof) = (slice_of(&bytes, 1500..2500), consistency_of(&bytes, 3000));
    for len in 0..slice.len() {
        let refusal = checked(&slice[..len], &bytes, 1500..2500).unwrap_err();
        assert!(matches!(refusal, ProofError::Short { found, .. } if found == len), "{len}: {refusal}");
    }
    for len in 0..proof.len() {
        assert!(consistent(&proof[..len], &bytes, 3000).is_err(), "{len}");
    }
    let longer = |proof: &[u8]| [proof, &[0]].concat();
    assert_eq!(checked(&longer(&slice), &bytes, 1500..2500), Err(ProofError::Trailing { found: 1 }));
    assert_eq!(consistent(&longer(&proof), &bytes, 3000), Err(ProofError::Trailing { found: 1 }));
    assert_eq!(consistent(&[0], &bytes, 0), Err(ProofError::Trailing { found: 1 }));
    assert_eq!(consistent(&[0], &bytes, bytes.len()), Err(ProofError::Trailing { found: 1 }));
}

#[test]
fn a_proof_shows_nothing_of_other_sizes_ranges_or_roots() {
    // Rules E-21 and E-22.
    let bytes = pattern(6 * CHUNK);
    let (root, size) = (by_blake3(&bytes), bytes.len() as u64);
    let slice = slice_of(&bytes, 0..100);
    assert_eq!(
        check_slice(&slice, size + 1, &root, &(0..100)),
        Err(ProofError::Size { expected: size + 1, found: size })
    );
    assert!(check_slice(&slice, size, &by_blake3(&bytes[1..]), &(0..100)).is_err());
    assert!(checked(&slice, &bytes, 1000..1100).is_err());
    for range in [0..0, 0..size + 1, size..size + 1] {
        assert!(matches!(check_slice(&slice, size, &root, &range), Err(ProofError::Range { .. })), "{range:?}");
    }
    let proof = consistency_of(&bytes, 3000);
    let (old_root, other) = (by_blake3(&bytes[..3000]), by_blake3(&bytes[..2999]));
    let check = |old: (u64, &Root), new: (u64, &Root)| check_consistency(&proof, old, new);
    assert_eq!(check((3000, &old_root), (size, &root)), Ok(()));
    assert!(matches!(check((3000, &other), (size, &root)), Err(ProofError::OldRoot { .. })));
    assert!(matches!(check((3000, &old_root), (size, &other)), Err(ProofError::NewRoot { .. })));
    // The same values and chunk show every older log that ended within that chunk, and no other log.
    assert_eq!(check((2999, &other), (size, &root)), Ok(()));
    assert!(check((2048, &by_blake3(&bytes[..2048])), (size, &root)).is_err());
    assert_eq!(check((size, &root), (3000, &old_root)), Err(ProofError::Shorter { old: size, new: 3000 }));
    let empty = |old: (u64, &Root), new: (u64, &Root)| check_consistency(&[], old, new);
    assert_eq!(empty((0, &Root::EMPTY), (size, &root)), Ok(()));
    assert!(matches!(empty((0, &root), (size, &root)), Err(ProofError::OldRoot { .. })));
    assert!(matches!(empty((size, &other), (size, &root)), Err(ProofError::OldRoot { .. })));
}

#[test]
fn a_fork_of_the_same_length_has_no_proof() {
    // The attacker has both logs and may try the proof of either.
    let (mine, mut fork) = (pattern(9 * CHUNK), pattern(9 * CHUNK));
    fork[5000] ^= 1;
    for old in [5001, 6000, 8192, 8500] {
        let old_root = by_blake3(&mine[..old]);
        let new_root = by_blake3(&fork);
        for proof in [consistency_of(&mine, old), consistency_of(&fork, old)] {
            let refused = check_consistency(&proof, (old as u64, &old_root), (fork.len() as u64, &new_root));
            assert!(refused.is_err(), "{old}");
        }
    }
}

/// The most bytes that a slice needs besides the range itself, computed by walking the tree without reading anything.
fn overhead(size: u64, range: &Range<u64>) -> u64 {
    fn walk(node: Node, range: &Range<u64>) -> u64 {
        if !node.meets(range) {
            return 0;
        }
        let Some((left, right)) = node.children() else { return node.len };
        2 * VALUE_LEN as u64 + walk(left, range) + walk(right, range)
    }
    8 + walk(Node::top(size), range) - (range.end - range.start)
}

#[test]
fn a_proof_at_a_terabyte_is_at_most_six_kilobytes_beside_the_frame() {
    // Rule E-40.
    let size = 1u64 << 40;
    // The worst place: a frame that crosses the middle, so that two ways lead down from the top.
    for (position, len) in
        [(0, 250), (size / 2 - 1, 250), (size / 2 - 125, 250), (size / 2 - 1023, 2046), (size - 250, 250)]
    {
        let found = overhead(size, &(position..position + len));
        assert!(found <= 5832, "{found} bytes for {len} at {position}");
    }
    // A consistency proof: a value for each level, twice at the most, and a chunk.
    let values = (size / CHUNK_LEN).ilog2() as usize;
    assert!(2 * values * VALUE_LEN + CHUNK <= 3072);
}

#[test]
fn bytes_that_the_reader_leaves_out_are_detected_by_the_check() {
    let bytes = pattern(5 * CHUNK);
    let missing = slice::<Infallible>(bytes.len() as u64, &(0..10), &mut |range, visit| {
        if range.start == 0 {
            visit(&bytes[..usize::try_from(range.end).unwrap()]);
        }
        Ok(())
    });
    assert!(checked(&missing.unwrap(), &bytes, 0..10).is_err());
    let more = slice::<Infallible>(bytes.len() as u64, &(0..10), &mut |range, visit| {
        visit(&vec![7; usize::try_from(range.end - range.start).unwrap() + 5000]);
        Ok(())
    });
    assert!(checked(&more.unwrap(), &bytes, 0..10).is_err());
}

/// A string with trees at these positions, as a log keeps them. Counts how many bytes are read.
struct WithTrees<'b> {
    bytes: &'b [u8],
    kept: Vec<(u64, Tree)>,
    read: u64,
}

impl<'b> WithTrees<'b> {
    fn new(bytes: &'b [u8], positions: &[usize]) -> WithTrees<'b> {
        let kept = positions.iter().map(|position| {
            let mut tree = Tree::new();
            tree.update(&bytes[..*position]);
            (*position as u64, tree)
        });
        let mut kept: Vec<(u64, Tree)> = kept.collect();
        kept.sort_by_key(|(position, _)| *position);
        WithTrees { bytes, kept, read: 0 }
    }

    fn make<T>(&mut self, make: impl FnOnce(&mut Read<'_, Infallible>, &mut Trees<'_>) -> T) -> T {
        let WithTrees { bytes, kept, read } = self;
        let mut count = |range: Range<u64>, visit: &mut dyn FnMut(&[u8])| {
            *read += range.end - range.start;
            give(bytes, &range, visit);
            Ok(())
        };
        make(&mut count, &mut |range| {
            kept.iter().rfind(|(position, _)| range.contains(position)).map(|(_, tree)| tree.clone())
        })
    }

    fn slice(&mut self, range: &Range<u64>) -> Vec<u8> {
        let (size, range) = (self.bytes.len() as u64, core::slice::from_ref(range));
        self.make(|read, trees| slices(size, range, read, trees)).unwrap().remove(0)
    }

    fn consistency(&mut self, old: usize) -> Vec<u8> {
        let size = self.bytes.len() as u64;
        self.make(|read, trees| consistency(old as u64, size, read, trees)).unwrap()
    }

    fn root_through(&mut self, ranges: &[Range<u64>]) -> Root {
        let size = self.bytes.len() as u64;
        self.make(|read, trees| root_through(size, ranges, read, trees)).unwrap()
    }
}

#[test]
fn with_trees_a_proof_reads_the_logarithm_of_the_log() {
    // A tree every 64 KiB, as a log with such segments keeps them, never at the edge of a group.
    let (segment, count) = (64 * 1024, 128usize);
    let bytes = pattern(segment * count + 5000);
    let positions: Vec<usize> = (1..=count).map(|nth| nth * segment - nth * 7).collect();
    for start in [0, 100_000, bytes.len() / 2 - 100, bytes.len() - 300] {
        let mut log = WithTrees::new(&bytes, &positions);
        let range = start as u64..start as u64 + 250;
        assert_eq!(log.slice(&range), slice_of(&bytes, range), "{start}");
        let most = segment as u64 * (2 + u64::from(count.ilog2()));
        assert!(log.read <= most, "{} of {} bytes were read, at most {most} expected", log.read, bytes.len());
        let mut log = WithTrees::new(&bytes, &positions);
        assert_eq!(log.consistency(start), consistency_of(&bytes, start), "{start}");
        assert!(log.read <= most, "{} of {} bytes were read, at most {most} expected", log.read, bytes.len());
    }
}

#[test]
fn a_tree_that_is_wrong_leads_to_no_proof() {
    let bytes = pattern(40 * GROUP_LEN);
    let mut other = bytes.clone();
    other[5] ^= 1;
    let mut log = WithTrees::new(&bytes, &[]);
    log.kept = WithTrees::new(&other, &[20 * GROUP_LEN + 9]).kept;
    let range = 30 * GROUP_LEN as u64..30 * GROUP_LEN as u64 + 10;
    assert!(checked(&log.slice(&range), &bytes, range.clone()).is_err());
    assert!(consistent(&log.consistency(30 * GROUP_LEN), &bytes, 30 * GROUP_LEN).is_err());
    assert_ne!(log.root_through(core::slice::from_ref(&range)), by_blake3(&bytes));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_trees_the_same_is_made_as_from_the_bytes_alone(
        len in 1usize..12 * GROUP_LEN, a in any::<usize>(), b in any::<usize>(),
        kept in prop::collection::vec(any::<usize>(), 0..6), changed in any::<usize>(),
    ) {
        let bytes = pattern(len);
        // Half of them are at the edge of a group, where an error by one is most likely.
        let edge = |at: usize, nth: usize| if nth.is_multiple_of(2) { at / GROUP_LEN * GROUP_LEN } else { at };
        let positions: Vec<usize> = kept.iter().enumerate().map(|(nth, at)| edge(at % (len + 1), nth)).collect();
        let start = a % len;
        let range = start as u64..(start + 1 + b % (len - start)) as u64;
        let mut log = WithTrees::new(&bytes, &positions);
        prop_assert_eq!(log.slice(&range), slice_of(&bytes, range.clone()));
        prop_assert_eq!(log.consistency(b % (len + 1)), consistency_of(&bytes, b % (len + 1)));
        prop_assert_eq!(log.root_through(core::slice::from_ref(&range)), by_blake3(&bytes));
        // The trees are those from before the change. The change is detected when any of its bytes are read.
        let mut other = bytes.clone();
        let at = start + changed % usize::try_from(range.end - range.start).unwrap();
        other[at] ^= 1;
        log.bytes = &other;
        prop_assert_ne!(log.root_through(&[range]), by_blake3(&bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_range_and_any_prefix_are_proven_and_no_mutation_is(
        len in 1usize..40 * CHUNK, a in any::<usize>(), b in any::<usize>(), at in any::<usize>(), mask in 1u8..,
    ) {
        let bytes = pattern(len);
        let (start, old) = (a % len, b % (len + 1));
        let end = start + 1 + b % (len - start);
        let range = start as u64..end as u64;
        let mut slice = slice_of(&bytes, range.clone());
        prop_assert_eq!(checked(&slice, &bytes, range.clone()).unwrap(), &bytes[start..end]);
        let mut proof = consistency_of(&bytes, old);
        prop_assert_eq!(consistent(&proof, &bytes, old), Ok(()));
        let place = at % slice.len();
        slice[place] ^= mask;
        prop_assert!(checked(&slice, &bytes, range).is_err());
        if !proof.is_empty() {
            let place = at % proof.len();
            proof[place] ^= mask;
            prop_assert!(consistent(&proof, &bytes, old).is_err());
        }
    }

    #[test]
    fn no_bytes_make_the_checks_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..3000), size in any::<u64>(), start in any::<u64>(), len in any::<u64>(),
    ) {
        let size = size >> 1;
        let root = by_blake3(&bytes);
        let mut shaped = size.to_le_bytes().to_vec();
        shaped.extend_from_slice(&bytes);
        let _refused = check_slice(&shaped, size, &root, &(start..start.saturating_add(len)));
        let _refused = check_slice(&shaped, size, &root, &(0..size.min(9)));
        let _refused = check_consistency(&bytes, (start.min(size), &root), (size, &root));
    }
}
