//! The net below every decision: what is about to be recorded is encoded, read by the strict reader of the format, and folded
//! from the bytes that came out. So nothing is offered that a replay could not read or fold.
//!
//! Does not: know why a contract decided what it did, or what stands in the log already.

use crate::error::LogError;
use evlog_format::{Commit, CommitHead, Encoded, Event};
use evlog_store::{AppendError, Reason};

/// A commit of these events with its body, which the store takes as it is: what is recorded is what was read back.
pub(crate) fn encoded<'a>(head: CommitHead<'a>, events: &'a [Event<'a>]) -> Result<Encoded<'a>, LogError> {
    Encoded::new(head, events).map_err(|refusal| {
        let reason = Reason::Refused(refusal);
        LogError::Append(AppendError::NotAppended { reason })
    })
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
        let encoded_here = encoded(head, &events).unwrap();
        let body = encoded_here.body();
        assert_eq!(read_back("r", body, &head, &events).unwrap(), events);
        for (body, events) in
            [(&body[..body.len() - 1], &events[..]), (body, &events[..1]), (body, &[event(3, b"{}"), event(4, b"2")])]
        {
            assert!(matches!(read_back("r", body, &head, events), Err(LogError::Undecidable { .. })));
        }
        let nameless = [Event { stream: "", ..events[0] }];
        let refused = encoded(head, &nameless);
        assert!(matches!(refused, Err(LogError::Append(AppendError::NotAppended { reason: Reason::Refused(_) }))));
    }
}
