//! The byte tree: what it costs to keep a root while appending, against hashing the same bytes once; and what a root costs,
//! up to the largest log.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use evlog_format::checksum::crc32;
use evlog_verify::tree::{Frontier, GROUP_LEN, Tree};
use std::hint::black_box;

const LEN: usize = 16 << 20;
const EVENT: usize = 250;
const GIB: u64 = 1 << 30;

fn tree(criterion: &mut Criterion) {
    let bytes: Vec<u8> = (0..LEN).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
    let mut group = criterion.benchmark_group("tree");
    group.throughput(Throughput::Bytes(LEN as u64));
    group.sample_size(20);
    group.bench_function("blake3 of 16 MiB at once", |bencher| bencher.iter(|| blake3::hash(black_box(&bytes))));
    group.bench_function("16 MiB in one update", |bencher| {
        bencher.iter(|| {
            let mut tree = Tree::new();
            tree.update(black_box(&bytes));
            tree.root()
        });
    });
    group.bench_function("16 MiB in updates of 250 bytes", |bencher| {
        bencher.iter(|| {
            let mut tree = Tree::new();
            black_box(&bytes).chunks(EVENT).for_each(|event| tree.update(event));
            tree.root()
        });
    });
    group.finish();
    // The most expensive place: a byte before the next group, with every possible subtree below it.
    let mut grown = Tree::new();
    grown.update(&bytes[..LEN - 1]);
    criterion.bench_function("tree/root of 16 MiB", |bencher| bencher.iter(|| black_box(&grown).root()));
    for _ in 1..(GIB / LEN as u64) {
        grown.update(&bytes);
    }
    assert_eq!(grown.size(), GIB - 1);
    criterion.bench_function("tree/root of 1 GiB", |bencher| bencher.iter(|| black_box(&grown).root()));
    // The cost of a root does not depend on the values, so a terabyte need not be hashed to measure it.
    for (name, size) in [("tree/root of 1 TiB", GIB << 10), ("tree/root of 1 EiB", GIB << 30)] {
        let grown = made_up(size - 1);
        criterion.bench_function(name, |bencher| bencher.iter(|| black_box(&grown).root()));
    }
}

/// A tree over `size` bytes that were never hashed, from a frontier with any values.
fn made_up(size: u64) -> Tree {
    let groups = (size - 1) / GROUP_LEN as u64;
    let tail = usize::try_from(size - groups * GROUP_LEN as u64).unwrap_or(GROUP_LEN);
    let mut encoded = b"evlogtre".to_vec();
    encoded.extend_from_slice(&1u32.to_le_bytes());
    encoded.extend_from_slice(&size.to_le_bytes());
    encoded.resize(encoded.len() + groups.count_ones() as usize * 32 + tail, 7);
    encoded.extend_from_slice(&crc32(&encoded).to_le_bytes());
    Frontier::decode(&encoded)
        .map_or_else(|error| unreachable!("the bench makes it by the rules: {error}"), Tree::resume)
}

criterion_group!(benches, tree);
criterion_main!(benches);
