//! The byte tree: what it costs to keep a root while appending, against hashing the same bytes once.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use evlog_verify::tree::Tree;
use std::hint::black_box;

const LEN: usize = 16 << 20;
const EVENT: usize = 250;

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
    let mut grown = Tree::new();
    grown.update(&bytes[..LEN - 1]);
    criterion.bench_function("tree/root of 16 MiB", |bencher| bencher.iter(|| black_box(&grown).root()));
}

criterion_group!(benches, tree);
criterion_main!(benches);
