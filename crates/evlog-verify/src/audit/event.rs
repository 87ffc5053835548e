//! What must hold of an event by itself, beyond what reading it has checked: its stream's name (F-33), and a payload of a
//! user's kind (F-39).

use alloc::format;
use alloc::string::String;
use evlog_format::ids::is_stream_name;
use evlog_format::json::check_canonical;
use evlog_format::{Event, Kind};

/// A rule that an event does not obey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFlaw {
    /// The rule.
    pub rule: &'static str,
    /// What it is about.
    pub message: &'static str,
    /// What the rule calls for.
    pub expected: &'static str,
    /// What stands there.
    pub found: String,
}

/// What is wrong with an event by itself. Nobody but a writer other than evlog makes such an event.
pub fn event_flaws(event: &Event<'_>) -> impl Iterator<Item = EventFlaw> {
    let name = (!is_stream_name(event.stream)).then(|| EventFlaw {
        rule: "F-33",
        message: "name of the stream",
        expected: "`$log`, or a run id of letters, digits, `.`, `_` and `-`",
        found: format!("`{}`", event.stream),
    });
    let checked = if matches!(event.kind, Kind::Custom(_)) { check_canonical(event.payload) } else { Ok(()) };
    let payload = checked.err().map(|flaw| EventFlaw {
        rule: "F-39",
        message: "payload of a user's kind",
        expected: "JSON text in the form of RFC 8785",
        found: format!("other bytes: {flaw}"),
    });
    name.into_iter().chain(payload)
}
