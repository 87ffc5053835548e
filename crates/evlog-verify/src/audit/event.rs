//! Checks of an event beyond those of the decoder: its stream's name (F-33), the payload of a user's kind (F-39), and
//! the place of the log's own events (F-49).

use alloc::format;
use alloc::string::String;
use evlog_format::ids::{LOG_STREAM, is_stream_name};
use evlog_format::json::check_canonical;
use evlog_format::{CommitHead, Event, Kind, PLAIN};

/// A rule that an event breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFlaw {
    /// The rule.
    pub rule: &'static str,
    /// The subject, in words.
    pub message: &'static str,
    /// The requirement of the rule.
    pub expected: &'static str,
    /// The found value.
    pub found: String,
}

/// Judges the events of one commit, in order, each by itself and by the head of its commit.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    head: CommitHead<'a>,
    is_own: Option<bool>,
}

impl<'a> Judge<'a> {
    /// Makes a judge for the commit with this head; the first call of `flaws` is for the commit's first event.
    pub fn new(head: CommitHead<'a>) -> Judge<'a> {
        Judge { head, is_own: None }
    }

    /// The flaws of the next event. Only another writer than evlog makes an event with flaws.
    pub fn flaws(&mut self, event: &Event<'_>) -> impl Iterator<Item = EventFlaw> + use<> {
        let name = (!is_stream_name(event.stream)).then(|| EventFlaw {
            rule: "F-33",
            message: "name of the stream",
            expected: "`$log`, or a run id of letters, digits, `.`, `_` and `-`",
            found: format!("`{}`", event.stream),
        });
        [name, self.own_flaw(event), payload_flaw(event)].into_iter().flatten()
    }

    /// Checks that the log's own events are in `$log`, in separate commits, without occurred, correlation and idempotency
    /// (F-49).
    fn own_flaw(&mut self, event: &Event<'_>) -> Option<EventFlaw> {
        let is_own = event.kind.is_of_log();
        let CommitHead { occurred_ns, correlation, idempotency, .. } = self.head;
        let found = if *self.is_own.get_or_insert(is_own) != is_own {
            "beside other events"
        } else if is_own && event.stream != LOG_STREAM {
            "in the stream of a run"
        } else if is_own && (occurred_ns.is_some() || correlation.is_some() || idempotency.is_some()) {
            "with occurred, correlation or idempotency"
        } else {
            return None;
        };
        Some(EventFlaw {
            rule: "F-49",
            message: "event of the log's own kinds",
            expected: "in `$log`, in a commit of its own, without occurred, correlation and idempotency",
            found: found.into(),
        })
    }
}

fn payload_flaw(event: &Event<'_>) -> Option<EventFlaw> {
    if event.protection != PLAIN || !matches!(event.kind, Kind::Custom(_)) {
        return None;
    }
    check_canonical(event.payload).err().map(|flaw| EventFlaw {
        rule: "F-39",
        message: "payload of a user's kind",
        expected: "JSON text in the form of RFC 8785",
        found: format!("other bytes: {flaw}"),
    })
}
