//! The payload of an event as JSON, in the forms and with the names that its own table declares.
//!
//! Invariant: bytes that cannot be decoded are shown in hexadecimal. Only `verify` reports them as findings.

use super::hex;
use evlog::history;
use evlog_format::{Event, Kind, PLAIN};
use evlog_projection::parse;
use serde_json::{Value, json};

/// An event's payload.
pub(crate) fn value_of(event: &Event<'_>) -> Value {
    let read = match event.kind {
        _ if event.protection != PLAIN => None,
        Kind::Custom(_) => parse(event.payload).ok(),
        Kind::BuiltIn(_) => history::payload_json(event).or_else(|| evlog_lifecycle::payload_json(event)),
    };
    read.unwrap_or_else(|| json!({ "hex": hex(event.payload) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evlog_audit::{Field, Reading};
    use evlog_format::kind::{self, BUILT_IN};
    use evlog_format::{CommitHead, Durability, Seq, payload};
    use evlog_projection::Fact;

    /// The names of the members of all payloads, a path on each line. `EVLOG_BLESS=1` adds new ones, and never changes a line.
    use evlog_audit::field::PAYLOAD_MEMBERS as MEMBERS;

    fn event<'p>(kind: Kind<'static>, payload: &'p [u8]) -> Event<'p> {
        Event { stream: "s", number: 0, kind, kind_version: 1, causation: None, protection: PLAIN, payload }
    }

    /// A payload of the kind, of nothing but this byte, as JSON. Zeros are empty texts and lists, and absent options; ones are
    /// texts and lists of one, and options that are there.
    fn of_bytes(kind: Kind<'static>, byte: u8) -> Option<Value> {
        let bytes = [byte; 512];
        (0..bytes.len()).map(|len| value_of(&event(kind, &bytes[..len]))).find(|value| value.get("hex").is_none())
    }

    /// Payloads of the kinds that hold a time of 128 bits, which ones alone are not.
    fn with_times() -> Vec<(Kind<'static>, Vec<u8>)> {
        use evlog_lifecycle::story::payload::{CancelMode, CancelRequested, StepCause, StepMoved};
        use evlog_lifecycle::story::{Phase, failure, retry};
        let (text, class) = (|| Some("x".to_owned()), Some(retry::ExitClass::Retry));
        let error = failure::StepError {
            kind: failure::ErrorType::Timeout,
            message: "x".to_owned(),
            retryable: Some(true),
            exit_code: Some(1),
            exit_class: class,
            code: text(),
            details: text(),
        };
        let moved = StepMoved {
            message: text(),
            because: text(),
            exit_code: Some(1),
            exit_class: class,
            next_retry_ns: Some(1),
            deadline_ns: Some(1),
            output: text(),
            error: Some(error),
            worker: text(),
            child: text(),
            ..StepMoved::new("s", Some(Phase::Pending), Phase::Running, StepCause::Ready)
        };
        let cancelled = CancelRequested { how: CancelMode::Now, deadline_ns: 1, message: text() };
        vec![
            (kind::STORY_STEP_MOVED, payload::encode(&moved).unwrap()),
            (kind::STORY_CANCEL_REQUESTED, payload::encode(&cancelled).unwrap()),
        ]
    }

    fn members(path: &str, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    members(&format!("{path}/{name}"), value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| members(&format!("{path}/-"), item, found)),
            _ => found.push(path.to_owned()),
        }
    }

    #[test]
    fn the_members_of_payloads_keep_their_names() {
        let mut found = Vec::new();
        let times = with_times();
        for (number, name) in BUILT_IN {
            let kind = Kind::BuiltIn(*number);
            let time = times.iter().find(|(with_time, _)| *with_time == kind);
            let value = time.map(|(_, bytes)| value_of(&event(kind, bytes))).or_else(|| of_bytes(kind, 1));
            members(name, &value.unwrap_or_else(|| panic!("no payload of `{name}` was made")), &mut found);
        }
        let lost: Vec<&str> = MEMBERS.lines().filter(|line| !found.iter().any(|path| path == line)).collect();
        assert!(lost.is_empty(), "scripts read these members: {lost:?}");
        let text = found.join("\n") + "\n";
        if std::env::var_os("EVLOG_BLESS").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../evlog-rules/src/payload_members.txt");
            std::fs::write(path, &text).unwrap();
        } else {
            assert_eq!(MEMBERS, text, "new members are to be pinned; EVLOG_BLESS=1 does it");
        }
    }

    #[test]
    fn every_built_in_kind_has_a_table_and_an_unknown_kind_has_none() {
        let has_none = |number: &u16| of_bytes(Kind::BuiltIn(*number), 0).is_none();
        let without: Vec<&str> =
            BUILT_IN.iter().filter(|(number, _)| has_none(number)).map(|(_, name)| *name).collect();
        assert_eq!(without, [""; 0]);
        assert!(has_none(&9999));
    }

    #[test]
    fn a_condition_finds_every_member_of_every_payload() {
        for (number, name) in BUILT_IN {
            let kind = Kind::BuiltIn(*number);
            let times = with_times().into_iter().filter(|(with_time, _)| *with_time == kind).map(|(_, bytes)| bytes);
            let payloads = [0, 1].into_iter().flat_map(|byte| (0..512).map(move |len| vec![byte; len])).chain(times);
            for payload in payloads {
                let event = event(kind, &payload);
                let (mut found, head) = (Vec::new(), CommitHead::new(Seq(0), 0, Durability::Os, "a"));
                members("/payload", &value_of(&event), &mut found);
                let fact = Fact { seq: Seq(0), head, event };
                for path in found.iter().filter(|path| !path.ends_with('/')) {
                    let path = path.replace("/-", "/0");
                    let field = Field::parse(&path).unwrap();
                    assert!(field.is_in(&Reading::new(&fact, value_of)), "{path} of `{name}`");
                }
            }
        }
    }

    #[test]
    fn a_payload_of_a_later_version_and_a_protected_one_are_shown_as_bytes() {
        let shown = event(kind::LOG_RECOVERED, &[0]);
        assert_eq!(value_of(&shown), json!({"end": 0}));
        for hidden in [Event { kind_version: 2, ..shown }, Event { protection: 1, ..shown }] {
            assert_eq!(value_of(&hidden), json!({"hex": "00"}));
        }
    }
}
