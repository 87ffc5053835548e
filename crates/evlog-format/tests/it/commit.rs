//! Commits and events: round trips, the library's opinion, and everything that must be refused.

use crate::support::{any_commit, body, full, full_head, head, hex, plain};
use bincode::Decode;
use bincode::de::Decoder;
use bincode::error::DecodeError;
use evlog_format::commit::{EncodeRefusal, TooLarge};
use evlog_format::limits::{
    ACTOR_LEN_MAX, CORRELATION_LEN_MAX, EVENT_LEN_MAX, EVENTS_PER_COMMIT_MAX, IDEMPOTENCY_KEY_LEN_MAX,
    KIND_NAME_LEN_MAX, PAYLOAD_LEN_MAX, POSITION_MAX, PRINCIPAL_LEN_MAX, STREAM_LEN_MAX, TIME_MAX_NS,
};
use evlog_format::{
    Commit, CommitHead, CommitReader, Corruption, Durability, Event, Flaw, Idempotency, Kind, Seq, encode_commit,
};
use proptest::prelude::*;

/// The same tables, in the library's words.
#[derive(Debug, PartialEq)]
enum LibraryKind {
    BuiltIn(u16),
    Custom(String),
}

/// As the library derives it: the number of the variant, then what it holds.
impl<Context> Decode<Context> for LibraryKind {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<LibraryKind, DecodeError> {
        match u32::decode(decoder)? {
            0 => Ok(LibraryKind::BuiltIn(u16::decode(decoder)?)),
            1 => Ok(LibraryKind::Custom(String::decode(decoder)?)),
            _ => Err(DecodeError::Other("no variant has this number")),
        }
    }
}

type LibraryKey = (String, [u8; 32]);
type LibraryHead = (u64, i64, Option<i128>, u8, String, Option<String>, Option<String>, Option<LibraryKey>);
type LibraryEvent = (u64, Vec<u8>);
type LibraryCommit = (LibraryHead, Vec<(String, u64)>, Vec<LibraryEvent>);
type LibraryEnvelope = (LibraryKind, u16, Option<u64>, u8);

/// An event as the library reads it, by hand from the tables: stream, number, envelope and payload.
type Read = (String, u64, LibraryEnvelope, Vec<u8>);

const CONFIG: bincode::config::Configuration = bincode::config::standard();

fn by_library(bytes: &[u8]) -> Option<(LibraryHead, Vec<Read>, usize)> {
    let config = CONFIG.with_limit::<100_000>();
    let ((head, mut streams, events), len): (LibraryCommit, usize) = bincode::decode_from_slice(bytes, config).ok()?;
    let read = |(stream, bytes): LibraryEvent| {
        let (envelope, len): (LibraryEnvelope, usize) = bincode::decode_from_slice(&bytes, config).ok()?;
        let (name, next) = streams.get_mut(usize::try_from(stream).ok()?)?;
        *next += 1;
        Some((name.clone(), *next - 1, envelope, bytes[len..].to_vec()))
    };
    let events = events.into_iter().map(read).collect::<Option<_>>()?;
    Some((head, events, len))
}

fn owned(commit: &Commit<'_>) -> (LibraryHead, Vec<Read>) {
    let event = |event: &Event<'_>| {
        let kind = match event.kind {
            Kind::BuiltIn(number) => LibraryKind::BuiltIn(number),
            Kind::Custom(name) => LibraryKind::Custom(name.into()),
        };
        let envelope = (kind, event.kind_version, event.causation.map(|seq| seq.0), event.protection);
        (event.stream.into(), event.number, envelope, event.payload.to_vec())
    };
    let CommitHead { first_seq, recorded_ns, occurred_ns, class, actor, principal, correlation, idempotency } =
        commit.head;
    let text = |text: Option<&str>| text.map(str::to_owned);
    let key = idempotency.map(|given| (given.key.into(), given.content));
    let head =
        (first_seq.0, recorded_ns, occurred_ns, class as u8, actor.into(), text(principal), text(correlation), key);
    (head, commit.events.iter().map(event).collect())
}

fn refusal(bytes: &[u8]) -> Corruption {
    Commit::decode(bytes, 1000).unwrap_err()
}

#[test]
fn a_commit_with_every_part_has_these_bytes() {
    // F-30, F-32 to F-37, F-39, F-45: golden, written out by hand from the page.
    let key = format!("01016b{}", "ee".repeat(32));
    let expected = [
        "fb2c01", // first seq
        "03",
        "01fb5802", // recorded, occurred
        "02",
        "02616e", // class, actor
        "01046f733a61",
        "0104742dc3bc", // principal, correlation
        &key,
        "02",
        "0672756e2dc3bcfb2c01",
        "017307", // streams by name, each with the number of its first event
        "02",
        "0105",
        "0064010000", // the plain one: stream, length, kind, kind version, causation, protection
        "0014",
        "0108637573746f6d2f61fbfb00",
        "01fb2b01",
        "09",
        "7b7d", // the full one, and its payload
    ];
    let bytes = body(&full_head(), &[plain(), full()]);
    assert_eq!(hex(&bytes), expected.concat());
    assert_eq!(Commit::decode(&bytes, 0), Ok(Commit { head: full_head(), events: vec![plain(), full()] }));
}

#[test]
fn seqs_follow_the_first_without_a_gap() {
    // F-31.
    let last = Event { number: 8, ..plain() };
    let bytes = body(&head(), &[plain(), full(), last]);
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
    let bytes = body(&full_head(), &[plain(), full()]);
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
    // Places: 0 first seq, 3 recorded, 4 occurred, 5 class, 6 actor, 9 to 11 options, 12 streams, 13 name, 15 number,
    // 16 events, 17 stream, 18 length, 19 kind, 21 version, 22 causation, 23 protection.
    let cases: &[(Vec<u8>, u64, &str)] = &[
        (with(5, 0), 5, "F-32"),
        (with(5, 3), 5, "F-32"),
        (with(7, 10), 6, "F-44"),
        (with(12, 0), 13, "F-46"),
        (with(14, 0x7f), 13, "F-44"),
        (with(16, 0), 17, "F-38"),
        (with(17, 1), 17, "F-47"),
        (with(19, 2), 19, "F-35"),
        (with(22, 2), 22, "F-43"),
        (with(11, 9), 11, "F-43"),
        (with(18, 6), 19, "F-30"),
        (with(18, 3), 22, "F-30"),
        (with(0, 254), 0, "F-40"),
    ];
    for (bytes, at, rule) in cases {
        let error = refusal(bytes);
        assert_eq!((error.position, error.flaw.rule()), (1000 + at, *rule), "{}: {error}", hex(bytes));
    }
}

/// Encodes without the encoder's checks, by the library.
fn raw_event(index: u64, kind: (u32, &str), causation: Option<u64>) -> (u64, Vec<u8>) {
    (index, bincode::encode_to_vec((kind, 1u16, causation, 0u8), CONFIG).unwrap())
}

fn raw(streams: &[(&str, u64)], events: &[(u64, Vec<u8>)]) -> Vec<u8> {
    raw_with(5, ("a", None, None, None), streams, events)
}

type RawTexts<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>);

fn raw_with(seq: u64, texts: RawTexts<'_>, streams: &[(&str, u64)], events: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let (actor, principal, correlation, key) = texts;
    let key = key.map(|key| (key, [0u8; 32]));
    let head = (seq, 0i64, None::<i64>, 1u8, actor, principal, correlation, key);
    bincode::encode_to_vec((head, streams, events), CONFIG).unwrap()
}

#[test]
fn a_reader_refuses_what_a_writer_would_have_refused() {
    // F-33 to F-37, F-31, F-04, F-46 to F-48.
    let long = |len: u64| "x".repeat(usize::try_from(len).unwrap() + 1);
    let custom = (1, "custom/a");
    let name = format!("custom/{}", long(KIND_NAME_LEN_MAX - 7));
    let event = |index| raw_event(index, custom, None);
    let of = |kind, cause| raw(&[("s", 0)], &[raw_event(0, kind, cause)]);
    let head = |seq, texts| raw_with(seq, texts, &[("s", 0)], &[event(0)]);
    let cases: &[(Vec<u8>, &str)] = &[
        (head(5, ("a", Some("p"), Some("c"), Some("k"))), "accepted"),
        (raw(&[("s", 5), ("t", 0)], &[event(0), event(1)]), "accepted"),
        (raw(&[("", 0)], &[event(0)]), "F-33"),
        (raw(&[("s", 6)], &[event(0)]), "F-34"),
        (of((1, "custom/"), None), "F-35"),
        (of((1, "status.created"), None), "F-35"),
        (of((1, &name), None), "F-04"),
        (of(custom, Some(4)), "accepted"),
        (of(custom, Some(5)), "F-37"),
        (head(5, ("a", None, None, Some(""))), "F-36"),
        (head(5, ("a", Some(""), None, None)), "F-48"),
        (head(5, ("a", None, Some(""), None)), "F-48"),
        (head(POSITION_MAX + 1, ("a", None, None, None)), "F-04"),
        (head(5, (&long(ACTOR_LEN_MAX), None, None, None)), "F-04"),
        (head(5, ("a", Some(&long(PRINCIPAL_LEN_MAX)), None, None)), "F-04"),
        (head(5, ("a", None, Some(&long(CORRELATION_LEN_MAX)), None)), "F-04"),
        (head(5, ("a", None, None, Some(&long(IDEMPOTENCY_KEY_LEN_MAX)))), "F-04"),
        (raw(&[(&long(STREAM_LEN_MAX), 0)], &[event(0)]), "F-04"),
        (raw(&[], &[event(0)]), "F-46"),
        (raw(&[("t", 0), ("s", 0)], &[event(0), event(1)]), "F-46"),
        (raw(&[("s", 0), ("s", 1)], &[event(0), event(1)]), "F-46"),
        (raw(&[("s", 0)], &[event(1)]), "F-47"),
        (raw(&[("s", 0), ("t", 0)], &[event(0)]), "F-47"),
        (raw(&[("s", 0), ("t", 0)], &[event(0), event(0)]), "F-47"),
    ];
    for (bytes, rule) in cases {
        let found = Commit::decode(bytes, 0).map_or_else(|error| error.flaw.rule(), |_| "accepted");
        assert_eq!(found, *rule, "{}", hex(bytes));
    }
}

#[test]
fn a_commit_happened_from_1970_to_9999_and_both_sides_refuse_all_else() {
    // F-50. The encoder writes a time within 64 bits as it writes any number of 64 bits.
    let of = |occurred_ns: i128| CommitHead { occurred_ns: Some(occurred_ns), ..head() };
    for time_ns in [0, 1, i128::from(i64::MAX), i128::from(i64::MAX) + 1, TIME_MAX_NS] {
        let bytes = body(&of(time_ns), &[plain()]);
        assert_eq!(Commit::decode(&bytes, 0).unwrap().head.time_ns(), time_ns);
        if let Ok(narrow) = i64::try_from(time_ns) {
            let narrow = bincode::encode_to_vec(Some(narrow), CONFIG).unwrap();
            assert_eq!(bytes[4..4 + narrow.len()], narrow, "{time_ns}");
        }
    }
    let without = body(&head(), &[plain()]);
    for time_ns in [-1, i128::from(i64::MIN), TIME_MAX_NS + 1, i128::MAX, i128::MIN] {
        let flaw = Flaw::Time { of: "occurred", found: time_ns };
        assert_eq!(encode_commit(&of(time_ns), &[plain()], &mut Vec::new()), Err(EncodeRefusal::Invalid(flaw)));
        let claim = bincode::encode_to_vec(Some(time_ns), CONFIG).unwrap();
        let bytes = [&without[..4], &claim, &without[5..]].concat();
        assert_eq!(refusal(&bytes), Corruption { position: 1005, flaw });
        assert_eq!(flaw.rule(), "F-50");
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
        assert_eq!(claim(16, claimed), expected);
    }
    for claimed in [EVENT_LEN_MAX + 1, u64::MAX] {
        assert_eq!(claim(18, claimed), Flaw::Length { of: "event", max: EVENT_LEN_MAX, found: claimed });
    }
    for claimed in [EVENTS_PER_COMMIT_MAX + 1, u64::MAX] {
        let expected = Flaw::Length { of: "number of streams", max: EVENTS_PER_COMMIT_MAX, found: claimed };
        assert_eq!(claim(12, claimed), expected);
    }
    assert!(matches!(claim(18, EVENT_LEN_MAX), Flaw::Truncated { .. }), "allowed, and not there");
    assert!(matches!(claim(16, EVENTS_PER_COMMIT_MAX), Flaw::Truncated { .. }), "events are read one by one");
    let (longest, envelope) = (usize::try_from(PAYLOAD_LEN_MAX).unwrap(), raw_event(0, (1, "custom/a"), None).1);
    for (len, is_allowed) in [(longest, true), (longest + 1, false)] {
        let bytes = raw(&[("s", 0)], &[(0, [envelope.clone(), vec![0; len]].concat())]);
        assert_eq!(Commit::decode(&bytes, 0).is_ok(), is_allowed, "a payload of {len}");
    }
}

#[test]
fn a_writer_refuses_what_a_reader_would_and_leaves_the_buffer_as_it_was() {
    // F-04, F-33 to F-39.
    let text = "x".repeat(300);
    let payload = vec![0; usize::try_from(PAYLOAD_LEN_MAX).unwrap() + 1];
    let name = format!("custom/{text}");
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
        (Event { payload: &payload, ..plain() }, too_large("payload", PAYLOAD_LEN_MAX, PAYLOAD_LEN_MAX + 1)),
    ];
    for (event, expected) in cases {
        let mut out = b"before".to_vec();
        assert_eq!(encode_commit(&head(), &[*event], &mut out), *expected, "{:?}", event.kind);
        assert_eq!(out == b"before", expected.is_err());
    }
    let mut out = Vec::new();
    let key = |key| Some(Idempotency { key, content: [0; 32] });
    let empty = |of| invalid(Flaw::Empty { of });
    let heads = [
        (CommitHead { actor: &text, ..head() }, too_large("actor", ACTOR_LEN_MAX, 300)),
        (CommitHead { principal: Some(&text), ..head() }, too_large("principal", PRINCIPAL_LEN_MAX, 300)),
        (CommitHead { principal: Some(""), ..head() }, empty("principal")),
        (CommitHead { principal: Some("a\nb"), ..head() }, invalid(Flaw::Text { of: "principal" })),
        (CommitHead { correlation: Some(&text), ..head() }, too_large("correlation", CORRELATION_LEN_MAX, 300)),
        (CommitHead { correlation: Some(""), ..head() }, empty("correlation")),
        (CommitHead { idempotency: key(&text), ..head() }, too_large("idempotency key", IDEMPOTENCY_KEY_LEN_MAX, 300)),
        (CommitHead { idempotency: key(""), ..head() }, empty("idempotency key")),
    ];
    for (head, expected) in heads {
        assert_eq!(encode_commit(&head, &[plain()], &mut out), expected, "{head:?}");
    }
    let skips = [plain(), Event { number: 9, ..plain() }];
    assert_eq!(encode_commit(&head(), &skips, &mut out), invalid(order("number within the stream", 8, 9)));
    assert_eq!(encode_commit(&head(), &[], &mut out), invalid(Flaw::Empty { of: "events" }));
    let many = vec![plain(); usize::try_from(EVENTS_PER_COMMIT_MAX).unwrap() + 1];
    assert!(matches!(encode_commit(&head(), &many, &mut out), Err(EncodeRefusal::TooLarge(_))));
    for first_seq in [POSITION_MAX + 1, u64::MAX] {
        let late = CommitHead { first_seq: Seq(first_seq), ..head() };
        assert_eq!(encode_commit(&late, &[plain()], &mut out), too_large("first seq", POSITION_MAX, first_seq));
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
        let (head, events) = owned(&commit);
        prop_assert_eq!(by_library(&bytes), Some((head, events, bytes.len())));
    }

    #[test]
    fn events_of_wanted_streams_come_as_if_all_had_been_read(any in any_commit(), bits in any::<u8>()) {
        let bytes = body(&any.head(), &any.events());
        let wanted = |stream: &str| bits & 1 << (stream.bytes().map(usize::from).sum::<usize>() % 8) != 0;
        let mut all = CommitReader::new(&bytes, 0).unwrap();
        let mut some = all.clone().only(wanted);
        while let Some((seq, event)) = all.next_event().unwrap() {
            if wanted(event.stream) {
                prop_assert_eq!(some.next_event(), Ok(Some((seq, event))));
            }
        }
        prop_assert_eq!(some.next_event(), Ok(None));
        for stream in any.events().iter().map(|event| event.stream).chain(["none"]) {
            let mut all = CommitReader::new(&bytes, 0).unwrap();
            let mut expected = Vec::new();
            while let Some((seq, event)) = all.next_event().unwrap() {
                expected.extend(Some((seq, event)).filter(|_| event.stream == stream));
            }
            prop_assert_eq!(CommitReader::new(&bytes, 0).unwrap().events_of(stream), Ok(expected));
            prop_assert!(CommitReader::new(&bytes[..bytes.len() - 1], 0).unwrap().events_of(stream).is_err());
        }
        // A cut commit is detected even if no event is wanted.
        let mut cut = CommitReader::new(&bytes[..bytes.len() - 1], 0).unwrap().only(|_| false);
        prop_assert!(cut.next_event().is_err());
    }

    #[test]
    fn what_is_accepted_has_one_encoding(any in any_commit(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = body(&any.head(), &any.events());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(commit) = Commit::decode(&bytes, 0) {
            prop_assert_eq!(&body(&commit.head, &commit.events), &bytes);
            let (head, events) = owned(&commit);
            prop_assert_eq!(by_library(&bytes), Some((head, events, bytes.len())), "stricter than the library, never laxer");
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(commit) = Commit::decode(&bytes, 0) {
            prop_assert_eq!(body(&commit.head, &commit.events), bytes);
        }
    }
}
