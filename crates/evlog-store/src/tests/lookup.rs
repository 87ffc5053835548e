//! One stream among many. Its commits are long enough for two threads to read them.

use super::*;
use crate::Verdict;
use evlog_format::CommitHead;

/// The number and the length of commits, long enough for two threads.
const COMMITS: u64 = 40;
const LEN: usize = 200_000;

/// A log whose commits each hold events of three streams, over many segments; with the positions of the commits.
fn log() -> (SimFs, Vec<Position>) {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    let long = vec![7; LEN];
    let commits = (0..COMMITS).map(|n| {
        let wanted = n.to_le_bytes();
        let events = [event("a", &long), event("wanted", &wanted), event("z", b"z"), event("wanted", b"second")];
        let key = format!("key {n}");
        let idempotency = Some(evlog_format::Idempotency { key: &key, content: [9; 32] });
        let given = Append { idempotency, correlation: Some("c"), ..commit(Durability::Sync, &events) };
        writer.commit(&given).unwrap().position
    });
    let positions = commits.collect();
    writer.close().unwrap();
    (fs, positions)
}

/// An event as it is visited: its seq, its number, the key of its commit, its payload.
type Visited = (u64, u64, String, Vec<u8>);

/// The events that a visit gives before it ends, up to `at_most`.
fn visited(reader: &Reader, at_most: usize) -> (Vec<Visited>, Result<bool, ReadError>) {
    let mut seen = Vec::new();
    let ended = reader.stream::<ReadError>("wanted", &mut |head: &CommitHead<'_>, seq, event| {
        assert_eq!((head.actor, head.principal, head.correlation), ("tester", None, Some("c")));
        let key = head.idempotency.unwrap().key.to_owned();
        seen.push((seq.0, event.number, key, event.payload.to_vec()));
        if seen.len() < at_most { Ok(ControlFlow::Continue(())) } else { Ok(ControlFlow::Break(())) }
    });
    (seen, ended)
}

fn expected(commits: u64) -> Vec<Visited> {
    let of = |n: u64| {
        let key = format!("key {n}");
        let first = (4 * n + 1, 2 * n, key.clone(), n.to_le_bytes().to_vec());
        [first, (4 * n + 3, 2 * n + 1, key, b"second".to_vec())]
    };
    (0..commits).flat_map(of).collect()
}

#[test]
fn two_threads_give_the_events_of_a_stream_in_order() {
    let (fs, _) = log();
    let (seen, result) = visited(&reader(&fs), usize::MAX);
    assert!(result.unwrap());
    assert_eq!(seen, expected(COMMITS));
    for at_most in [1, 4, 7] {
        let (seen, result) = visited(&reader(&fs), at_most);
        assert!(result.unwrap());
        assert_eq!(seen, expected(COMMITS)[..at_most]);
    }
}

#[test]
fn whichever_thread_reads_a_damaged_commit_all_before_it_is_shown_and_it_is_reported() {
    let (fs, positions) = log();
    for damaged in [0, 1, 2, 19, 20, 37, 38] {
        let changed = fs.kill();
        let at = positions[damaged];
        let path = segment_files(&fs).into_iter().rfind(|path| path_position(path) <= at.0).unwrap();
        let mut bytes = changed.bytes(&path).unwrap();
        let offset = usize::try_from(at.0 - path_position(&path)).unwrap();
        bytes[offset + LEN / 2] ^= 1;
        changed.put(&path, bytes);
        let (seen, result) = visited(&reader(&changed), usize::MAX);
        let Err(ReadError::Refused(refusal)) = result else { panic!("{result:?}") };
        assert_eq!((refusal.verdict, refusal.position), (Verdict::Damaged, at), "{damaged}");
        assert_eq!(seen, expected(damaged as u64), "{damaged}");
    }
}

fn path_position(path: &Path) -> u64 {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}
