//! Bytes to values and back: what one event costs to encode, to check and to walk.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use evlog_benches::{events, head, payloads, streams};
use evlog_format::{Decoded, FrameCodec, LogId, encode_commit};
use std::hint::black_box;

const EVENTS: u64 = 1000;

fn format(criterion: &mut Criterion) {
    let (streams, payloads) = (streams(100), payloads(EVENTS));
    let (head, events) = (head(0), events(0, &streams, &payloads));
    let codec = FrameCodec::new(LogId([7; 16]));
    let mut frame = Vec::new();
    let encode = |out: &mut Vec<u8>| codec.encode(96, 0, out, |body| encode_commit(&head, &events, body));
    assert!(matches!(encode(&mut frame), Ok(Ok(_))), "the commit is within the limits");

    let mut group = criterion.benchmark_group("format");
    group.throughput(Throughput::Elements(EVENTS));
    let mut out = Vec::with_capacity(frame.len());
    group.bench_function("encode a commit of 1000 events", |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(encode(&mut out)).is_ok()
        });
    });
    group.bench_function("check the frame", |bencher| bencher.iter(|| codec.decode(96, black_box(&frame))));
    group.bench_function("check the frame and walk its events", |bencher| {
        bencher.iter(|| {
            let Decoded::Frame(frame) = codec.decode(96, black_box(&frame)) else { return 0 };
            let Ok(mut commit) = evlog_format::CommitReader::new(frame.body, 112) else { return 0 };
            let mut bytes = 0;
            while let Ok(Some((_, event))) = commit.next_event() {
                bytes += event.payload.len();
            }
            bytes
        });
    });
    let Decoded::Frame(whole) = codec.decode(96, &frame) else { unreachable!("the frame was just encoded") };
    group.bench_function("walk the events of a checked frame", |bencher| {
        bencher.iter(|| {
            let Ok(mut commit) = evlog_format::CommitReader::new(black_box(whole.body), 112) else { return 0 };
            let mut bytes = 0;
            while let Ok(Some((_, event))) = commit.next_event() {
                bytes += event.payload.len();
            }
            bytes
        });
    });
    group.finish();
}

criterion_group!(benches, format);
criterion_main!(benches);
