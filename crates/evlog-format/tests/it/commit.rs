//! Commits and events: round trips, the library's opinion, and everything that must be refused.

use crate::support::{any_commit, body, full, head, hex, plain};
use bincode::Decode;
use evlog_format::commit::{EncodeRefusal, TooLarge};
use evlog_format::limits::{
    ACTOR_LEN_MAX, EVENTS_PER_COMMIT_MAX, IDEMPOTENCY_KEY_LEN_MAX, KIND_NAME_LEN_MAX, PAYLOAD_LEN_MAX, POSITION_MAX,
    STREAM_LEN_MAX,
};
use evlog_format::{
    Commit, CommitHead, CommitReader, Corruption, Durability, Event, Flaw, Idempotency, Kind, Seq, encode_commit,
};
use proptest::prelude::*;

/// The same tables, in the library's words.
#[derive(Debug, PartialEq, Decode)]
enum LibraryKind {
    BuiltIn(u16),
    Custom(String),
}
type LibraryEvent = (String, u64, LibraryKind, u16, Option<u64>, Option<(String, [u8; 32])>, Vec<u8>);
type LibraryCommit = (u64, i64, u8, String, Vec<LibraryEvent>);

fn by_library(bytes: &[u8]) -> Option<(LibraryCommit, usize)> {
    bincode::decode_from_slice(bytes, bincode::config::standard().with_limit::<100_000>()).ok()
}

fn owned(commit: &Commit<'_>) -> LibraryCommit {
    let event = |event: &Event<'_>| {
        let kind = match event.kind {
            Kind::BuiltIn(number) => LibraryKind::BuiltIn(number),
            Kind::Custom(name) => LibraryKind::Custom(name.into()),
        };
        let idempotency = event.idempotency.map(|given| (given.key.into(), given.content));
        let causation = event.causation.map(|seq| seq.0);
        let Event { stream, number, kind_version, payload, .. } = *event;
        (stream.into(), number, kind, kind_version, causation, idempotency, payload.to_vec())
    };
    let CommitHead { first_seq, time_ns, class, actor } = commit.head;
    (first_seq.0, time_ns, class as u8, actor.into(), commit.events.iter().map(event).collect())
}

fn refusal(bytes: &[u8]) -> Corruption {
    Commit::decode(bytes, 1000).unwrap_err()
}

#[test]
fn a_commit_with_every_part_has_these_bytes() {
    // F-30, F-32 to F-37, F-39, F-45: golden, written out by hand from the page.
    let expected = [
        "fb2c01",
        "03",
        "02",
        "02616e",
        "02", // first seq, time, class, actor, number of events
        "0173",
        "07",
        "0064",
        "01",
        "00",
        "00",
        "00", // the plain one
        "0672756e2dc3bc",
        "fb2c01",
        "0108",
        "637573746f6d2f61",
        "fbfb00", // stream, number, kind, kind version
        "01fb2b01",
        "01016b", // causation, idempotency key
    ];
    let expected = format!("{}{}027b7d", expected.concat(), "ee".repeat(32));
    let bytes = body(&head(), &[plain(), full()]);
    assert_eq!(hex(&bytes), expected);
    assert_eq!(Commit::decode(&bytes, 0), Ok(Commit { head: head(), events: vec![plain(), full()] }));
}

#[test]
fn seqs_follow_the_first_without_a_gap() {
    // F-31.
    let bytes = body(&head(), &[plain(), full(), plain()]);
    let mut reader = CommitReader::new(&bytes, 0).unwrap();
    let mut seqs = Vec::new();
    while let Some((seq, _)) = reader.next_event().unwrap() {
        seqs.push(seq.0);
    }
    assert_eq!((seqs, reader.left()), (vec![300, 301, 302], 0));
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    // F-30.
    let bytes = body(&head(), &[plain(), full()]);
    for len in 0..bytes.len() {
        let error = refusal(&bytes[..len]);
        assert!(matches!(error.flaw, Flaw::Truncated { .. }), "{len}: {error}");
        assert!((1000..=1000 + len as u64).contains(&error.position), "{len}: {error}");
    }
}

#[test]
fn a_body_with_something_behind_it_is_refused() {
    // F-30.
    let mut bytes = body(&head(), &[plain()]);
    let len = bytes.len() as u64;
    bytes.extend_from_slice(&[0, 0]);
    assert_eq!(refusal(&bytes), Corruption { position: 1000 + len, flaw: Flaw::Trailing { found: 2 } });
}

/// A body in which one byte has another value.
fn with(at: usize, byte: u8) -> Vec<u8> {
    let mut bytes = body(&head(), &[plain()]);
    bytes[at] = byte;
    bytes
}

#[test]
fn what_a_field_must_not_be_is_refused_with_its_rule_and_place() {
    // Places: 0 first seq, 3 time, 4 class, 5 actor, 8 count, 9 stream, 11 number, 12 kind, 14 version, 15 options.
    let cases: &[(Vec<u8>, u64, &str)] = &[
        (with(4, 0), 4, "F-32"),
        (with(4, 3), 4, "F-32"),
        (with(6, 10), 5, "F-44"),
        (with(8, 0), 9, "F-38"),
        (with(10, 0x7f), 9, "F-44"),
        (with(12, 2), 12, "F-35"),
        (with(15, 2), 15, "F-43"),
        (with(16, 9), 16, "F-43"),
        (with(17, 1), 18, "F-30"),
        (with(0, 254), 0, "F-40"),
    ];
    for (bytes, at, rule) in cases {
        let error = refusal(bytes);
        assert_eq!((error.position, error.flaw.rule()), (1000 + at, *rule), "{}: {error}", hex(bytes));
    }
}

/// Encodes without the encoder's checks, by the library.
fn raw(seq: u64, actor: &str, event: (&str, u64, (u32, &str), Option<u64>, Option<&str>)) -> Vec<u8> {
    let (stream, number, kind, causation, key) = event;
    let key = key.map(|key| (key, [0u8; 32]));
    let payload: &[u8] = b"";
    let event = (stream, number, kind, 1u16, causation, key, payload);
    bincode::encode_to_vec((seq, 0i64, 1u8, actor, [event].as_slice()), bincode::config::standard()).unwrap()
}

#[test]
fn a_reader_refuses_what_a_writer_would_have_refused() {
    // F-33 to F-37, F-31, F-04.
    let long = |len: u64| "x".repeat(usize::try_from(len).unwrap() + 1);
    let custom = (1, "custom/a");
    let name = format!("custom/{}", long(KIND_NAME_LEN_MAX - 7));
    let cases: &[(Vec<u8>, &str)] = &[
        (raw(5, "a", ("s", 5, custom, Some(4), Some("k"))), "accepted"),
        (raw(5, "a", ("", 0, custom, None, None)), "F-33"),
        (raw(5, "a", ("s", 6, custom, None, None)), "F-34"),
        (raw(5, "a", ("s", 0, (1, "custom/"), None, None)), "F-35"),
        (raw(5, "a", ("s", 0, (1, "status.created"), None, None)), "F-35"),
        (raw(5, "a", ("s", 0, custom, None, Some(""))), "F-36"),
        (raw(5, "a", ("s", 0, custom, Some(5), None)), "F-37"),
        (raw(0, "a", ("s", 0, custom, Some(0), None)), "F-37"),
        (raw(POSITION_MAX + 1, "a", ("s", 0, custom, None, None)), "F-04"),
        (raw(5, &long(ACTOR_LEN_MAX), ("s", 0, custom, None, None)), "F-04"),
        (raw(5, "a", (&long(STREAM_LEN_MAX), 0, custom, None, None)), "F-04"),
        (raw(5, "a", ("s", 0, (1, &name), None, None)), "F-04"),
        (raw(5, "a", ("s", 0, custom, None, Some(&long(IDEMPOTENCY_KEY_LEN_MAX)))), "F-04"),
    ];
    for (bytes, rule) in cases {
        let found = Commit::decode(bytes, 0).map_or_else(|error| error.flaw.rule(), |_| "accepted");
        assert_eq!(found, *rule, "{}", hex(bytes));
    }
}

#[test]
fn lengths_beyond_the_limits_are_refused_before_a_byte_is_allocated() {
    // F-04, F-38, F-39: the claims are of gigabytes, the bodies of a few bytes.
    let prefix = |upto: usize| body(&head(), &[plain()])[..upto].to_vec();
    let claim = |upto: usize, claimed: u64| {
        let mut bytes = prefix(upto);
        bytes.extend(bincode::encode_to_vec(claimed, bincode::config::standard()).unwrap());
        bytes.extend([0; 9]);
        refusal(&bytes).flaw
    };
    for claimed in [EVENTS_PER_COMMIT_MAX + 1, 1 << 40, u64::MAX] {
        let expected = Flaw::Length { of: "number of events", max: EVENTS_PER_COMMIT_MAX, found: claimed };
        assert_eq!(claim(8, claimed), expected);
    }
    for claimed in [PAYLOAD_LEN_MAX + 1, u64::MAX] {
        assert_eq!(claim(17, claimed), Flaw::Length { of: "payload", max: PAYLOAD_LEN_MAX, found: claimed });
    }
    assert!(matches!(claim(17, PAYLOAD_LEN_MAX), Flaw::Truncated { .. }), "allowed, and not there");
    assert!(matches!(claim(8, EVENTS_PER_COMMIT_MAX), Flaw::Empty { .. }), "events are read one by one");
}

#[test]
fn a_writer_refuses_what_a_reader_would_and_leaves_the_buffer_as_it_was() {
    // F-04, F-33 to F-39.
    let text = "x".repeat(300);
    let payload = vec![0; usize::try_from(PAYLOAD_LEN_MAX).unwrap() + 1];
    let name = format!("custom/{text}");
    let key = |key| Some(Idempotency { key, content: [0; 32] });
    let too_large = |of, max, found| Err(EncodeRefusal::TooLarge(TooLarge { of, max, found }));
    let invalid = |flaw| Err(EncodeRefusal::Invalid(flaw));
    let order = |of, expected, found| Flaw::Order { of, expected, found };
    let cases: &[(Event<'_>, Result<(), EncodeRefusal>)] = &[
        (plain(), Ok(())),
        (full(), Ok(())),
        (Event { stream: "", ..plain() }, invalid(Flaw::Empty { of: "stream" })),
        (Event { stream: &text, ..plain() }, too_large("stream", STREAM_LEN_MAX, 300)),
        (Event { stream: "a\nb", ..plain() }, invalid(Flaw::Text { of: "stream" })),
        (Event { number: 301, ..plain() }, invalid(order("number within the stream, at most the seq", 300, 301))),
        (Event { kind: Kind::Custom("custom/"), ..plain() }, invalid(Flaw::Text { of: "kind" })),
        (Event { kind: Kind::Custom("shipped"), ..plain() }, invalid(Flaw::Text { of: "kind" })),
        (Event { kind: Kind::Custom("custom/\t"), ..plain() }, invalid(Flaw::Text { of: "kind" })),
        (Event { kind: Kind::Custom(&name), ..plain() }, too_large("kind", KIND_NAME_LEN_MAX, 307)),
        (Event { causation: Some(Seq(300)), ..plain() }, invalid(order("causation, less than the seq", 300, 300))),
        (Event { idempotency: key(""), ..plain() }, invalid(Flaw::Empty { of: "idempotency key" })),
        (Event { idempotency: key(&text), ..plain() }, too_large("idempotency key", IDEMPOTENCY_KEY_LEN_MAX, 300)),
        (Event { payload: &payload, ..plain() }, too_large("payload", PAYLOAD_LEN_MAX, PAYLOAD_LEN_MAX + 1)),
    ];
    for (event, expected) in cases {
        let mut out = b"before".to_vec();
        assert_eq!(encode_commit(&head(), &[*event], &mut out), *expected, "{:?}", event.kind);
        assert_eq!(out == b"before", expected.is_err());
    }
    let mut out = Vec::new();
    let actor = CommitHead { actor: &text, ..head() };
    assert_eq!(encode_commit(&actor, &[plain()], &mut out), too_large("actor", ACTOR_LEN_MAX, 300));
    assert_eq!(encode_commit(&head(), &[], &mut out), invalid(Flaw::Empty { of: "events" }));
    let many = vec![plain(); usize::try_from(EVENTS_PER_COMMIT_MAX).unwrap() + 1];
    assert!(matches!(encode_commit(&head(), &many, &mut out), Err(EncodeRefusal::TooLarge(_))));
    for first_seq in [POSITION_MAX + 1, u64::MAX] {
        let late = CommitHead { first_seq: Seq(first_seq), ..head() };
        assert_eq!(encode_commit(&late, &[plain(); 2], &mut out), too_large("first seq", POSITION_MAX, first_seq));
    }
    assert!(out.is_empty());
}

#[test]
fn classes_have_names_and_numbers_that_stay() {
    // F-32.
    assert_eq!((Durability::Sync as u8, Durability::Os as u8), (1, 2));
    assert_eq!((Durability::Sync.name(), Durability::Os.name()), ("sync", "os"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_commit_is_read_as_it_was_written_and_as_the_library_reads_it(any in any_commit()) {
        let commit = any.commit();
        let bytes = body(&any.head(), &any.events());
        prop_assert_eq!(Commit::decode(&bytes, 0), Ok(commit.clone()));
        prop_assert_eq!(by_library(&bytes), Some((owned(&commit), bytes.len())));
    }

    #[test]
    fn events_of_wanted_streams_come_as_if_all_had_been_read(any in any_commit(), bits in any::<u8>()) {
        let bytes = body(&any.head(), &any.events());
        let wanted = |stream: &[u8]| bits & 1 << (stream.iter().map(|byte| usize::from(*byte)).sum::<usize>() % 8) != 0;
        let (mut some, mut all) = (CommitReader::new(&bytes, 0).unwrap(), CommitReader::new(&bytes, 0).unwrap());
        while let Some((seq, event)) = all.next_event().unwrap() {
            if wanted(event.stream.as_bytes()) {
                prop_assert_eq!(some.next_of(wanted), Ok(Some((seq, event))));
            }
        }
        prop_assert_eq!(some.next_of(wanted), Ok(None));
        // What is cut is noticed, also when nobody wants it.
        let mut cut = CommitReader::new(&bytes[..bytes.len() - 1], 0).unwrap();
        prop_assert!(cut.next_of(|_| false).is_err());
    }

    #[test]
    fn what_is_accepted_has_one_encoding(any in any_commit(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = body(&any.head(), &any.events());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(commit) = Commit::decode(&bytes, 0) {
            prop_assert_eq!(&body(&commit.head, &commit.events), &bytes);
            prop_assert_eq!(by_library(&bytes), Some((owned(&commit), bytes.len())), "stricter than the library, never laxer");
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(commit) = Commit::decode(&bytes, 0) {
            prop_assert_eq!(body(&commit.head, &commit.events), bytes);
        }
    }
}
