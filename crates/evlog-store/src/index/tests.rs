//! Streams of an index that was built are found again, and a spoilt index gives no answer.

use super::*;

/// Times of a segment whose clock went back.
const TIMES: Times = Times { recorded: (-3, 1_771_869_600_000_000_000), happened: (i128::MIN, i128::MAX - 9) };
const OF: Of = Of { log_id: LogId([3; 16]), position: Position(4096), len: 2048 };

fn index() -> SealedIndex {
    let entry = |name, first_number, frames| Entry { name, first_number, first_seq: Seq(40), events: 3, frames };
    let entries = [entry("$log", 0, &[96][..]), entry("a", 7, &[96, 300, 512]), entry("ab", 0, &[1000])];
    SealedIndex::build(OF, TIMES, entries.into_iter())
}

fn read(bytes: &[u8], of: Of) -> Option<SealedIndex> {
    SealedIndex::read(Source::Memory(bytes.to_vec()), of)
}

#[test]
fn what_was_built_is_found_and_read_back() {
    let read = read(index().bytes().unwrap(), OF).unwrap();
    let a = Found { first_number: 7, first_seq: Seq(40), events: 3, frames: vec![96, 300, 512] };
    assert_eq!(read.find("a"), Ok(Some(a)));
    assert_eq!(read.find("ab").unwrap().unwrap().frames, [1000]);
    for absent in ["b", "", "aa", "$lo"] {
        assert_eq!(read.find(absent), Ok(None));
    }
    let mut names: Vec<String> = read.all().unwrap().into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["$log", "a", "ab"]);
}

#[test]
fn every_one_of_many_streams_is_found_and_no_other_with_and_without_the_filter() {
    let names: Vec<String> = (0..3000).map(|number| format!("run-{number}")).collect();
    let frames: Vec<Vec<u32>> = (0..3000u32).map(|number| vec![number + 1; number as usize % 7 + 1]).collect();
    let entry = |(name, frames): (&'static str, &'static [u32])| Entry {
        name,
        first_number: 1,
        first_seq: Seq(2),
        events: 9,
        frames,
    };
    let (names, frames): (&'static [String], &'static [Vec<u32>]) = (names.leak(), frames.leak());
    let built = SealedIndex::build(
        OF,
        TIMES,
        names.iter().map(String::as_str).zip(frames.iter().map(Vec::as_slice)).map(entry),
    );
    let read = read(built.bytes().unwrap(), OF).unwrap();
    assert!(read.rows.len() > 20, "many blocks");
    for _ in 0..2 {
        for (name, frames) in names.iter().zip(frames) {
            assert_eq!(&read.find(name).unwrap().unwrap().frames, frames, "{name}");
        }
        (0..3000).for_each(|number| assert_eq!(read.find(&format!("no-{number}")), Ok(None)));
    }
    let in_vain = read.misses.load(Ordering::Relaxed);
    assert!(in_vain < 300, "the filter spares most reads: {in_vain} of 6000 in vain");
    assert_eq!(read.all().unwrap().len(), 3000);
}

#[test]
fn streams_whose_names_have_the_same_hash_are_distinguished() {
    // Two names with one CRC-32.
    assert_eq!(hash("plumless"), hash("buckeroo"));
    let many = vec![5; 1000];
    let entry = |name, frames| Entry { name, first_number: 0, first_seq: Seq(0), events: 1, frames };
    let entries = [entry("plumless", &many[..]), entry("buckeroo", &[7]), entry("x", &[8])];
    let index = SealedIndex::build(OF, TIMES, entries.into_iter());
    assert_eq!(index.find("plumless").unwrap().unwrap().frames, many);
    assert_eq!(index.find("buckeroo").unwrap().unwrap().frames, [7]);
    assert_eq!(index.find("x").unwrap().unwrap().frames, [8]);
}

#[test]
fn numbers_of_every_length_come_back_and_frames_need_not_rise() {
    let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX];
    let frames = [0, u32::MAX, 5, 5, 300, 70_000];
    for (first_number, first_seq) in numbers.into_iter().zip(numbers.into_iter().rev()) {
        let (first_seq, events) = (Seq(first_seq), u64::MAX - first_number);
        let entries = [Entry { name: "a", first_number, first_seq, events, frames: &frames }];
        let index = SealedIndex::build(OF, TIMES, entries.into_iter());
        let expected = Found { first_number, first_seq, events, frames: frames.to_vec() };
        assert_eq!(index.find("a"), Ok(Some(expected)));
    }
}

/// The answers for all streams; `None` if any checksum fails.
fn answers(index: &SealedIndex) -> Option<Vec<Option<Found>>> {
    index.all().ok()?;
    let names = ["$log", "a", "ab", "b", "c", "d", "e", "f", "g", "a"];
    names.iter().map(|name| index.find(name).ok()).collect()
}

#[test]
fn an_index_of_another_segment_or_with_a_flipped_bit_gives_no_wrong_answer() {
    let built = index();
    let (bytes, expected) = (built.bytes().unwrap(), answers(&built).unwrap());
    assert!(read(bytes, Of { log_id: LogId([4; 16]), ..OF }).is_none());
    assert!(read(bytes, Of { position: Position(0), ..OF }).is_none());
    assert!(read(bytes, Of { len: 2049, ..OF }).is_none());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let answer = read(&flipped, OF).and_then(|index| answers(&index));
        // A filter whose checksum fails is not used, so a flipped bit in it changes no answer.
        let in_filter = (built.filter_at..built.blocks_at).contains(&(bit / 8));
        assert_eq!(answer, in_filter.then(|| expected.clone()), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(read(&bytes[..len], OF).is_none(), "length {len}");
    }
}

#[test]
fn an_index_whose_checksums_match_over_nonsense_does_not_panic() {
    let built = index();
    let (table_end, blocks_at) = (built.filter_at - CRC_LEN, built.blocks_at);
    for at in (BLOCKS_AT..table_end).chain(blocks_at..built.bytes().unwrap().len()) {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = built.bytes().unwrap().to_vec();
            bytes[at] = value;
            if at >= blocks_at {
                let crc = crc32(&bytes[blocks_at..]).to_le_bytes();
                bytes[TABLE_AT + 8..TABLE_AT + 12].copy_from_slice(&crc);
            }
            let crc = crc32(&bytes[..table_end]).to_le_bytes();
            bytes[table_end..table_end + 4].copy_from_slice(&crc);
            drop(read(&bytes, OF).and_then(|index| answers(&index)));
        }
    }
}
