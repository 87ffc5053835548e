//! Every claim here compares with `blake3::hash` of the whole prefix, which shares only the crate with the tree.

use super::*;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

fn pattern(len: usize) -> Vec<u8> {
    (0u32..).take(len).map(|i| (i.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

fn by_blake3(bytes: &[u8]) -> Root {
    Root(*blake3::hash(bytes).as_bytes())
}

fn over(bytes: &[u8]) -> Tree {
    let mut tree = Tree::new();
    tree.update(bytes);
    tree
}

/// Lengths around the edges of blocks, chunks, groups and powers of two of groups.
fn edges() -> Vec<usize> {
    let centres = [0, 64, 1024, 2048, 3072];
    let groups = (1..=9).chain([15, 16, 17, 31, 32, 33, 64, 65]).map(|n| n * GROUP_LEN);
    let chunk_after = groups.clone().map(|len| len + 1024);
    let mut all: Vec<usize> = (centres.into_iter().chain(groups).chain(chunk_after))
        .flat_map(|centre| [centre.saturating_sub(1), centre, centre + 1])
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn the_root_is_the_hash_of_the_prefix_at_every_edge() {
    // Rule F-14.
    let bytes = pattern(66 * GROUP_LEN);
    for len in edges() {
        let tree = over(&bytes[..len]);
        assert_eq!((tree.size(), tree.root()), (len as u64, by_blake3(&bytes[..len])), "length {len}");
    }
}

#[test]
fn the_root_does_not_depend_on_how_the_bytes_were_cut() {
    let bytes = pattern(37 * GROUP_LEN + 511);
    let expected = by_blake3(&bytes);
    for step in [1, 63, 250, 1023, 1024, 1025, GROUP_LEN - 1, GROUP_LEN, GROUP_LEN + 1, 3 * GROUP_LEN, 16 * GROUP_LEN] {
        let mut tree = Tree::new();
        bytes.chunks(step).for_each(|piece| tree.update(piece));
        assert_eq!((tree.size(), tree.root()), (bytes.len() as u64, expected), "pieces of {step}");
        assert_eq!(tree, over(&bytes), "the same tree, not only the same root, from pieces of {step}");
    }
}

#[test]
fn the_empty_log_has_the_root_that_the_format_names() {
    assert_eq!(Tree::new().root(), Root::EMPTY);
    assert_eq!(by_blake3(b""), Root::EMPTY);
}

#[test]
fn one_changed_bit_changes_the_root() {
    let bytes = pattern(3 * GROUP_LEN + 7);
    for at in [0, 1023, GROUP_LEN, 2 * GROUP_LEN + 5, bytes.len() - 1] {
        let mut other = bytes.clone();
        other[at] ^= 1;
        assert_ne!(over(&other).root(), over(&bytes).root(), "byte {at}");
    }
}

#[test]
fn a_tree_goes_on_from_any_frontier() {
    let bytes = pattern(20 * GROUP_LEN + 3);
    for len in edges().into_iter().filter(|len| *len <= bytes.len()) {
        let encoded = over(&bytes[..len]).frontier().encode();
        assert!(encoded.len() <= Frontier::ENCODED_LEN_MAX);
        let frontier = Frontier::decode(&encoded).unwrap();
        assert_eq!((frontier.size(), frontier.root()), (len as u64, by_blake3(&bytes[..len])));
        let mut tree = Tree::resume(frontier);
        tree.update(&bytes[len..]);
        assert_eq!(tree.root(), by_blake3(&bytes), "resumed at {len}");
    }
}

#[test]
fn a_frontier_with_a_flipped_bit_is_refused() {
    let encoded = over(&pattern(3 * GROUP_LEN + 40)).frontier().encode();
    for bit in 0..encoded.len() * 8 {
        let mut other = encoded.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(Frontier::decode(&other).is_err(), "bit {bit}");
    }
}

#[test]
fn a_frontier_that_is_cut_or_extended_is_refused() {
    let mut encoded = over(&pattern(GROUP_LEN + 40)).frontier().encode();
    for len in 0..encoded.len() {
        let refusal = Frontier::decode(&encoded[..len]).unwrap_err();
        assert!(matches!(refusal, FrontierError::Length { found, .. } if found == len), "{len}: {refusal}");
    }
    encoded.push(0);
    assert!(matches!(Frontier::decode(&encoded), Err(FrontierError::Length { .. })));
}

#[test]
fn a_frontier_cannot_claim_a_size_that_no_log_has() {
    let mut encoded = Tree::new().frontier().encode();
    encoded[SIZE_AT..VALUES_AT].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(Frontier::decode(&encoded), Err(FrontierError::Size { found: u64::MAX }));
    encoded[SIZE_AT..VALUES_AT].copy_from_slice(&POSITION_MAX.to_le_bytes());
    assert!(matches!(Frontier::decode(&encoded), Err(FrontierError::Length { .. })));
}

#[test]
fn a_frontier_of_another_kind_or_version_is_refused() {
    let mut encoded = Tree::new().frontier().encode();
    encoded[MAGIC.len()] = 2;
    assert_eq!(Frontier::decode(&encoded), Err(FrontierError::Magic));
    assert_eq!(Frontier::decode(&[0; 24]), Err(FrontierError::Magic));
}

fn any_cutting_gives_the_hash(len: usize, cuts: &[usize]) -> TestCaseResult {
    let bytes = pattern(len);
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (len + 1)).chain([0, len]).collect();
    cuts.sort_unstable();
    let mut tree = Tree::new();
    for (n, pair) in cuts.windows(2).enumerate() {
        tree.update(&bytes[pair[0]..pair[1]]);
        if n % 2 == 0 {
            tree = Tree::resume(Frontier::decode(&tree.frontier().encode()).unwrap());
        }
        prop_assert_eq!(tree.root(), by_blake3(&bytes[..pair[1]]));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cutting_and_any_resumption_gives_the_hash(
        len in 0usize..40 * GROUP_LEN,
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        any_cutting_gives_the_hash(len, &cuts)?;
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), size in any::<u64>()) {
        drop(Frontier::decode(&bytes));
        let mut shaped = Tree::new().frontier().encode();
        shaped[SIZE_AT..VALUES_AT].copy_from_slice(&size.to_le_bytes());
        shaped.extend_from_slice(&bytes);
        drop(Frontier::decode(&shaped));
    }
}

/// The tree over parts that were hashed apart, each given in pieces of `step` bytes.
fn joined(bytes: &[u8], cuts: &[usize], step: usize) -> Tree {
    let mut tree = Tree::new();
    for pair in cuts.windows(2) {
        let mut span = Span::new(pair[0] as u64);
        bytes[pair[0]..pair[1]].chunks(step).for_each(|piece| span.update(piece));
        assert!(tree.join(&span), "a part that begins at {}", pair[0]);
    }
    tree
}

#[test]
fn parts_that_were_hashed_apart_join_to_the_tree_over_all_of_them() {
    // Rule F-14.
    let bytes = pattern(66 * GROUP_LEN);
    for first in edges() {
        for second in [first, first + 1, first + 700, 17 * GROUP_LEN + 5, 48 * GROUP_LEN, 65 * GROUP_LEN - 1] {
            let cuts = [0, first.min(second), first.max(second).min(bytes.len()), bytes.len()];
            assert_eq!(joined(&bytes, &cuts, 5000), over(&bytes), "cut at {cuts:?}");
        }
    }
}

#[test]
fn a_part_that_begins_elsewhere_is_not_joined() {
    let mut tree = over(&pattern(100));
    for start in [0, 99, 101, GROUP_LEN as u64] {
        assert!(!tree.join(&Span::new(start)), "{start}");
    }
    assert_eq!(tree, over(&pattern(100)));
}

proptest! {
    #[test]
    fn parts_cut_anywhere_join_to_the_same_tree(
        cuts in prop::collection::vec(0..40 * GROUP_LEN, 0..6),
        step in 1..3 * GROUP_LEN,
    ) {
        let bytes = pattern(40 * GROUP_LEN);
        let mut cuts: Vec<usize> = cuts.into_iter().chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        prop_assert_eq!(joined(&bytes, &cuts, step), over(&bytes));
    }
}
