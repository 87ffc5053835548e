//! The net below every decision: what is about to be recorded is encoded, read by the strict reader of the format, and folded
//! from the bytes that came out. So nothing is offered that a replay could not read or fold.
//!
//! Does not: know why a contract decided what it did, or what stands in the log already.

use crate::error::LogError;
use evlog_format::{Commit, CommitHead, Event, encode_commit};
use evlog_store::{AppendError, Reason};

/// About how long the head of a commit is, and an event without its payload and its stream's name, in bytes.
const HEAD_LEN: usize = 160;
const ENVELOPE_LEN: usize = 40;

/// The body of a commit of these events.
pub(crate) fn encoded(head: &CommitHead<'_>, events: &[Event<'_>]) -> Result<Vec<u8>, LogError> {
    // As much as it takes, about: a buffer that grows step by step costs more than all the rest here.
    let len = events.iter().map(|event| event.payload.len() + event.stream.len() + ENVELOPE_LEN).sum::<usize>();
    let mut body = Vec::with_capacity(len + HEAD_LEN);
    encode_commit(head, events, &mut body).map_err(|refusal| {
        let reason = Reason::Refused(refusal);
        LogError::Append(AppendError::NotAppended { reason })
    })?;
    Ok(body)
}

/// The events as a reader of the log will see them: equal to those that were encoded, or it is an error.
pub(crate) fn read_back<'b>(
    run: &str,
    body: &'b [u8],
    head: &CommitHead<'_>,
    events: &[Event<'_>],
) -> Result<Vec<Event<'b>>, LogError> {
    let undecidable = |message: String| LogError::Undecidable { run: run.to_owned(), message };
    let commit =
        Commit::decode(body, 0).map_err(|flaw| undecidable(format!("its own bytes cannot be read: {flaw}")))?;
    if commit.head != *head || commit.events != events {
        return Err(undecidable("what was encoded reads back as something else".to_owned()));
    }
    Ok(commit.events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evlog_format::{Durability, Kind, PLAIN, Seq};

    #[test]
    fn what_does_not_read_back_as_it_was_is_never_offered() {
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
        let body = encoded(&head, &events).unwrap();
        assert_eq!(read_back("r", &body, &head, &events).unwrap(), events);
        for (body, events) in
            [(&body[..body.len() - 1], &events[..]), (&body, &events[..1]), (&body, &[event(3, b"{}"), event(4, b"2")])]
        {
            assert!(matches!(read_back("r", body, &head, events), Err(LogError::Undecidable { .. })));
        }
        let refused = encoded(&head, &[Event { stream: "", ..events[0] }]);
        assert!(matches!(refused, Err(LogError::Append(AppendError::NotAppended { reason: Reason::Refused(_) }))));
    }
}
