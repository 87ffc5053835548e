//! The last check of every decision. Its events are encoded, read back by the strict reader of the format, and judged as an
//! audit judges them. The events that are folded are those that were read back. So the engine records nothing that a replay
//! could not read or fold, or that `verify` would report.
//!
//! Does not: know why a contract decided as it did, or what is in the log already.

use crate::error::LogError;
use evlog_format::{CommitHead, CommitReader, Corruption, Encoded, Event};
use evlog_store::{AppendError, Reason};
use evlog_verify::audit::{EventFlaw, Judge};

/// Encodes a commit of these events. The store appends the bytes as they are, so what is recorded is what was read
/// back.
pub(crate) fn encoded<'a>(head: CommitHead<'a>, events: &'a [Event<'a>]) -> Result<Encoded<'a>, LogError> {
    Encoded::new(head, events).map_err(|refusal| {
        let reason = Reason::Refused(refusal);
        LogError::Append(AppendError::NotAppended { reason })
    })
}

/// Checks that a reader of the log will see this head and these events, and nothing else.
pub(crate) fn check_reads_back(
    run: &str,
    body: &[u8],
    head: &CommitHead<'_>,
    events: &[Event<'_>],
) -> Result<(), LogError> {
    let undecidable = |message: String| LogError::Undecidable { run: run.to_owned(), message };
    let is_equal = || {
        let mut commit = CommitReader::new(body, 0)?;
        let mut is_equal = commit.head == *head;
        for expected in events {
            is_equal &= commit.next_event()?.is_some_and(|(_, event)| event == *expected);
        }
        Ok::<_, Corruption>(is_equal && commit.next_event()?.is_none())
    };
    match is_equal() {
        Ok(true) => Ok(()),
        Ok(false) => Err(undecidable("what was encoded reads back as something else".to_owned())),
        Err(flaw) => Err(undecidable(format!("its own bytes cannot be read: {flaw}"))),
    }
}

/// Checks that an audit would report none of these events (rules F-33, F-39, F-49). The payloads of built-in kinds are compared
/// with their tables when a contract folds them, both here and in an audit.
pub(crate) fn check_audited(run: &str, head: &CommitHead<'_>, events: &[Event<'_>]) -> Result<(), LogError> {
    let mut judge = Judge::new(*head);
    match events.iter().find_map(|event| judge.flaws(event).next()) {
        Some(EventFlaw { rule, message, expected, found }) => {
            let message = format!("{rule}: {message}: expected {expected}, found {found}");
            Err(LogError::Undecidable { run: run.to_owned(), message })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evlog_format::{Durability, Kind, PLAIN, Seq};

    #[test]
    fn what_does_not_read_back_as_it_was_or_an_audit_would_report_is_never_offered() {
        // F-33, F-39, F-49.
        let head = CommitHead::new(Seq(7), 1, Durability::Sync, "a");
        let event = |number, payload| Event {
            stream: "r",
            number,
            kind: Kind::Custom("custom/x"),
            kind_version: 1,
            causation: Some(Seq(2)),
            protection: PLAIN,
            payload,
        };
        let events = [event(3, b"{}"), event(4, b"1")];
        let encoded_here = encoded(head, &events).unwrap();
        let body = encoded_here.body();
        check_reads_back("r", body, &head, &events).unwrap();
        for (body, events) in [
            (&body[..body.len() - 1], &events[..]),
            (body, &events[..1]),
            (body, &[]),
            (body, &[event(3, b"{}"), event(4, b"2")]),
        ] {
            assert!(matches!(check_reads_back("r", body, &head, events), Err(LogError::Undecidable { .. })));
        }
        check_audited("r", &head, &events).unwrap();
        let closed = Event { kind: Kind::BuiltIn(3), ..event(3, b"") };
        for (rule, odd) in [
            ("F-33", Event { stream: "../x", ..event(3, b"{}") }),
            ("F-39", event(3, b"{ }")),
            ("F-49", closed),
            ("F-49", Event { stream: "$log", ..closed }),
        ] {
            let refused = check_audited("r", &head, &[event(2, b"{}"), odd]).unwrap_err().to_string();
            assert!(refused.contains(rule), "{rule}: {refused}");
        }
        let nameless = [Event { stream: "", ..events[0] }];
        let refused = encoded(head, &nameless);
        assert!(matches!(refused, Err(LogError::Append(AppendError::NotAppended { reason: Reason::Refused(_) }))));
    }
}
