//! Targets that are one decoder each. Bytes are tried as they are, and again with a checksum that matches, because few
//! changed bytes would pass the checksum.

use crate::LOG;
use evlog_format::checksum::Seed;
use evlog_format::frame::Decoded;
use evlog_format::{
    Commit, CommitHead, CommitReader, Durability, Event, FRAME_HEADER_LEN, FrameCodec, Kind, PLAIN, SEGMENT_HEADER_LEN,
    SegmentHeader, Seq, encode_commit, limits,
};
use evlog_lifecycle::{custom::Custom, pipeline::Pipeline, status::Status};
use evlog_projection::contracts::BundleFold;
use evlog_projection::{Contracts, Fact};
use evlog_store::fuzz::sealed;
use evlog_verify::{Frontier, Tree};

/// Checks that a decoded header encodes to the same bytes.
pub(crate) fn segment_header(bytes: &[u8]) {
    let whole = bytes.get(..SEGMENT_HEADER_LEN).map(sealed);
    for bytes in [Some(bytes), whole.as_deref()].into_iter().flatten() {
        if let Ok(header) = SegmentHeader::decode(bytes) {
            assert!(header.encode() == bytes[..SEGMENT_HEADER_LEN], "another encoding: {header:?}");
            assert!(header.segment_limit >= limits::SEGMENT_LIMIT_MIN);
        }
    }
}

/// The input is a position in eight bytes, then the bytes at that position.
pub(crate) fn frame(bytes: &[u8]) {
    let Some((position, frame)) = bytes.split_first_chunk::<8>() else { return };
    let position = u64::from_le_bytes(*position) % limits::POSITION_MAX;
    check_frame(position, frame);
    check_frame(position, &sealed_frame(position, frame));
}

fn check_frame(position: u64, bytes: &[u8]) {
    let codec = FrameCodec::new(LOG);
    check_decoded(&codec, position, bytes, codec.decode(position, bytes));
}

/// Checks that a decoder's answer about bytes is allowed.
pub(crate) fn check_decoded(codec: &FrameCodec, position: u64, bytes: &[u8], decoded: Decoded<'_>) {
    let len = bytes.first_chunk::<4>().map(|raw| u32::from_le_bytes(*raw));
    match decoded {
        Decoded::Empty => assert_eq!(len, Some(0)),
        Decoded::Incomplete { need } => {
            assert!(need > bytes.len(), "{need} bytes are needed, and {} are there", bytes.len());
            assert!(need <= FRAME_HEADER_LEN + limits::FRAME_BODY_LEN_MAX as usize);
        }
        Decoded::Corrupt(corruption) => assert_eq!(corruption.position, position),
        Decoded::Frame(frame) => {
            let mut again = Vec::new();
            let encoded = codec.encode::<()>(position, frame.durable_before, &mut again, |out| {
                out.extend_from_slice(frame.body);
                Ok(())
            });
            assert!(matches!(encoded, Ok(Ok(len)) if len == frame.len()), "a frame that is not written: {encoded:?}");
            assert!(bytes.starts_with(&again), "a frame has another encoding");
            assert!(frame.durable_before <= position && frame.end() == position + frame.len() as u64);
        }
    }
}

/// The frame with the checksum of those of its other bytes that are there.
fn sealed_frame(position: u64, frame: &[u8]) -> Vec<u8> {
    let mut sealed = frame.to_vec();
    let Some((header, body)) = frame.split_first_chunk::<FRAME_HEADER_LEN>() else { return sealed };
    let len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    let mut mark = [0u8; 8];
    mark.copy_from_slice(&header[8..]);
    let body = &body[..body.len().min(len as usize)];
    let crc = Seed::new(LOG).frame(position, len, u64::from_le_bytes(mark), body);
    sealed[4..8].copy_from_slice(&crc.to_le_bytes());
    sealed
}

/// The body of a commit: read event by event and as a whole, with the same outcome, and written in the same bytes. Read for
/// one stream alone, it gives that stream's events.
pub(crate) fn commit(bytes: &[u8]) {
    let walked = walk(bytes);
    let one = of_first_stream(bytes);
    let read = Commit::decode(bytes, 0);
    assert_eq!(walked.is_some(), read.is_ok(), "walking and reading differ: {read:?}");
    let whole = CommitReader::new(bytes, 0).and_then(|reader| reader.events_of("$log"));
    assert_eq!(whole.is_ok(), read.is_ok(), "one stream of a commit that is read whole");
    let (Some(events), Ok(commit)) = (walked, read) else { return };
    assert!(events == commit.events && !events.is_empty());
    let is_first = |event: &&Event<'_>| event.stream == events[0].stream;
    assert_eq!(one, events.iter().filter(is_first).copied().collect::<Vec<_>>(), "one stream alone");
    let mut again = Vec::new();
    let encoded = encode_commit(&commit.head, &commit.events, &mut again);
    assert!(encoded.is_ok() && again == bytes, "a commit has another encoding: {encoded:?}");
}

fn walk(bytes: &[u8]) -> Option<Vec<Event<'_>>> {
    let mut reader = CommitReader::new(bytes, 0).ok()?;
    let mut events = Vec::new();
    for seq in reader.head.first_seq.0.. {
        let left = reader.left();
        let Some((found, event)) = reader.next_event().ok()? else { break };
        assert_eq!((found, reader.left() + 1), (Seq(seq), left));
        events.push(event);
    }
    Some(events)
}

/// The events of the first event's stream that can be read; other events are skipped.
fn of_first_stream(bytes: &[u8]) -> Vec<Event<'_>> {
    let mut events = Vec::new();
    let Ok(reader) = CommitReader::new(bytes, 0) else { return events };
    let Ok(Some((_, first))) = reader.clone().next_event() else { return events };
    let mut reader = reader.only(|stream| stream == first.stream);
    while let Ok(Some((_, event))) = reader.next_event() {
        events.push(event);
    }
    events
}

/// A kind's number in two bytes, then the payload of a run's first event and, after a first one that holds, of its second.
pub(crate) fn payload(bytes: &[u8]) {
    let Some((kind, payload)) = bytes.split_first_chunk::<2>() else { return };
    let number = u16::from_le_bytes(*kind);
    let kind = if number == 0 { Kind::Custom("custom/any") } else { Kind::BuiltIn(number) };
    let contracts = Contracts::new().with(Status).with(Pipeline::default()).with(Custom);
    fold(&contracts, &[(kind, payload)]);
    for first in crate::seeds::first_events() {
        fold(&contracts, &[(first.0.as_kind(), &first.1), (kind, payload)]);
    }
}

/// Folds events and, where all fold, projects them twice.
fn fold(contracts: &Contracts, events: &[(Kind<'_>, &[u8])]) {
    let bundle = || {
        let mut fold = BundleFold::new(contracts);
        for (number, &(kind, payload)) in (0..).zip(events) {
            let (causation, protection) = (None, PLAIN);
            let event = Event { stream: "RUN_0001", number, kind, kind_version: 1, causation, protection, payload };
            let head = CommitHead::new(Seq(number), 7, Durability::Sync, "a");
            fold.push(&Fact { seq: Seq(number), head, event }).ok()?;
        }
        Some(fold.run()?.project().map_err(|error| error.to_string()))
    };
    assert_eq!(bundle(), bundle(), "two projections differ");
}

/// A tree's frontier: what is read is written in the same bytes, and goes on as a tree.
pub(crate) fn tree(bytes: &[u8]) {
    for bytes in [bytes, &sealed(bytes)] {
        let Ok(frontier) = Frontier::decode(bytes) else { continue };
        assert!(frontier.encode() == bytes, "a frontier has another encoding");
        assert!(frontier.tail().len() as u64 <= frontier.size());
        let root = frontier.root();
        let mut tree = Tree::resume(frontier.clone());
        assert_eq!(tree.root(), root);
        tree.update(b"more");
        assert_eq!(tree.size(), frontier.size() + 4);
    }
}
