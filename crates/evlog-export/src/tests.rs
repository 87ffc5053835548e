//! Claims about every format.

use crate::{EventLine, Flat, Format, HeadMembers};
use evlog_format::commit::Idempotency;
use evlog_format::kind::STATUS_CREATED;
use evlog_format::{CommitHead, Durability, Event, Kind, PLAIN, Seq};
use evlog_projection::{Fact, parse};
use serde_json::Value;

const LOG_ID: &str = "00112233445566778899aabbccddeeff";

/// The payload as JSON, which these tests write for every kind.
fn payload_json(event: &Event<'_>) -> Value {
    parse(event.payload).unwrap()
}

/// Events of two runs, each with something that a format must not lose or run.
fn facts() -> Vec<Fact<'static>> {
    let event = |stream, number, kind, payload: &'static str| Event {
        stream,
        number,
        kind,
        kind_version: 1,
        causation: (number > 0).then_some(Seq(0)),
        protection: PLAIN,
        payload: payload.as_bytes(),
    };
    let plain = CommitHead::new(Seq(0), 1_700_000_000_000_000_001, Durability::Sync, "=cmd|'/c calc'!A0");
    let with_all = CommitHead {
        first_seq: Seq(1),
        occurred_ns: Some(253_402_300_799_123_456_789),
        principal: Some("os:ann"),
        correlation: Some("a,b"),
        idempotency: Some(Idempotency { key: "k\"1", content: [0; 32] }),
        ..plain
    };
    vec![
        Fact {
            seq: Seq(0),
            head: plain,
            event: event("R-1", 0, Kind::Custom("custom/a"), "{\"n\":1,\"t\":\"<&\u{202e}\"}"),
        },
        Fact { seq: Seq(1), head: with_all, event: event("R-1", 1, STATUS_CREATED, "{\"n\":2}") },
        Fact { seq: Seq(2), head: with_all, event: event("R-2", 0, Kind::Custom("custom/a"), "-5") },
    ]
}

fn exported(format: Format, flat: &Flat) -> Vec<u8> {
    let mut sink = format.begin(LOG_ID, flat, Vec::new()).unwrap().unwrap();
    for fact in facts() {
        sink.event(&EventLine::new(&fact, 60_000_000_000, payload_json)).unwrap();
    }
    sink.finish().unwrap()
}

fn text(format: Format) -> String {
    String::from_utf8(exported(format, &Flat::default())).unwrap()
}

#[test]
fn the_bytes_of_every_text_format_stay() {
    for (format, golden) in [
        (Format::Jsonl, include_str!("../data/events.jsonl")),
        (Format::Csv, include_str!("../data/events.csv")),
        (Format::CloudEvents, include_str!("../data/events.cloudevents")),
        (Format::Xes, include_str!("../data/events.xes")),
        (Format::OtlpJson, include_str!("../data/events.otlp-json")),
    ] {
        let found = text(format);
        if std::env::var_os("EVLOG_BLESS").is_some() {
            let path = format!("{}/data/events.{}", env!("CARGO_MANIFEST_DIR"), format.name());
            std::fs::write(path, &found).unwrap();
        } else {
            assert_eq!(found, golden, "{}", format.name());
        }
    }
}

#[test]
fn an_export_without_events_is_a_whole_file() {
    for format in Format::ALL.into_iter().filter(|format| format.is_built_in()) {
        let sink = format.begin(LOG_ID, &Flat::default(), Vec::new()).unwrap().unwrap();
        let bytes = sink.finish().unwrap();
        let is_empty = matches!(format, Format::Jsonl | Format::CloudEvents | Format::OtlpJson);
        assert_eq!(bytes.is_empty(), is_empty, "{}", format.name());
    }
}

#[test]
fn a_format_that_is_not_built_in_cannot_be_begun() {
    for format in Format::ALL {
        let begun = format.begin(LOG_ID, &Flat::default(), Vec::new()).unwrap();
        assert_eq!(begun.is_some(), format.is_built_in(), "{}", format.name());
    }
}

#[test]
fn a_message_of_otlp_has_at_most_512_records() {
    let mut sink = Format::OtlpJson.begin(LOG_ID, &Flat::default(), Vec::new()).unwrap().unwrap();
    for _ in 0..1025 {
        sink.event(&EventLine::new(&facts()[0], 0, payload_json)).unwrap();
    }
    let lines = String::from_utf8(sink.finish().unwrap()).unwrap();
    let records = |line| {
        let message: Value = serde_json::from_str(line).unwrap();
        message["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().unwrap().len()
    };
    assert_eq!(lines.lines().map(records).collect::<Vec<_>>(), [512, 512, 1]);
}

#[test]
fn the_payload_of_an_event_in_xes_is_json_whatever_characters_xml_does_not_have() {
    let mut fact = facts().remove(0);
    fact.event.payload = "{\"\u{fffe}t\":\"\u{ffff}\u{202e}\"}".as_bytes();
    let mut sink = Format::Xes.begin(LOG_ID, &Flat::default(), Vec::new()).unwrap().unwrap();
    sink.event(&EventLine::new(&fact, 0, payload_json)).unwrap();
    let xml = String::from_utf8(sink.finish().unwrap()).unwrap();
    let (_, rest) = xml.split_once("key=\"payload\" value=\"").unwrap();
    let text = rest.split_once("\"/>").unwrap().0.replace("&quot;", "\"");
    assert!(!xml.contains(['\u{fffe}', '\u{ffff}']), "{xml}");
    assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
}

#[test]
fn no_attribute_of_an_event_in_cloudevents_is_null() {
    let facts = facts();
    let event = EventLine { head: HeadMembers::default(), ..EventLine::new(&facts[0], 0, payload_json) };
    let mut sink = Format::CloudEvents.begin(LOG_ID, &Flat::default(), Vec::new()).unwrap().unwrap();
    sink.event(&event).unwrap();
    let line: Value = serde_json::from_slice(&sink.finish().unwrap()).unwrap();
    let nulls: Vec<_> = line.as_object().unwrap().iter().filter(|(_, value)| value.is_null()).collect();
    assert!(nulls.is_empty(), "{nulls:?}");
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_has_typed_columns_and_members_of_payloads_beside_them() {
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use ::parquet::record::{Field, Row};
    use serde_json::json;
    let mut flat = Flat::default();
    assert!(flat.learn("custom/a", &json!({"n": 1, "t": "x"})));
    let bytes = exported(Format::Parquet, &flat);
    assert_eq!(bytes, exported(Format::Parquet, &flat), "equal events give equal bytes");
    let rows = |bytes: &[u8]| -> Vec<Row> {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&path, bytes).unwrap();
        let file = SerializedFileReader::new(path.reopen().unwrap()).unwrap();
        file.get_row_iter(None).unwrap().map(Result::unwrap).collect()
    };
    let column_of = |rows: &[Row], name: &str| -> Vec<Field> {
        let of = |row: &Row| row.get_column_iter().find(|(found, _)| *found == name).unwrap().1.clone();
        rows.iter().map(of).collect()
    };
    let all = rows(&bytes);
    let column = |name: &str| column_of(&all, name);
    let texts =
        |texts: [Option<&str>; 3]| texts.map(|text| text.map_or(Field::Null, |text| Field::Str(text.to_owned())));
    assert_eq!(column("seq"), [0, 1, 2].map(Field::Long));
    assert_eq!(column("occurred")[0], Field::Null);
    assert_eq!(column("occurred")[1], Field::TimestampMicros(253_402_300_799_123_456));
    assert_eq!(column("occurred_text")[1], Field::Str("9999-12-31T23:59:59.123456789Z".to_owned()));
    assert_eq!(column("stream"), texts([Some("R-1"), Some("R-1"), Some("R-2")]));
    assert_eq!(column("id"), texts([None, Some("k\"1"), Some("k\"1")]));
    assert_eq!(column("payload_n"), [Field::Long(1), Field::Null, Field::Null]);
    assert_eq!(column("payload_t"), texts([Some("<&\u{202e}"), None, None]));
    assert_eq!(column("payload")[2], Field::Str("-5".to_owned()));
    assert!(flat.learn("custom/a", &json!({"n": 0.5})));
    let doubles = column_of(&rows(&exported(Format::Parquet, &flat)), "payload_n");
    assert_eq!(doubles, [Field::Double(1.0), Field::Null, Field::Null]);
}
