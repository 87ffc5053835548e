//! A line of an export, as far as a new log can keep it.

use evlog_format::kind::CUSTOM_PREFIX;
use evlog_format::{PLAIN, Seq};
use evlog_lifecycle::custom::Custom;
use evlog_projection::{Malformed, Members, Request, parse};
use serde_json::Value;

/// The one version of custom kinds.
const KIND_VERSION: u64 = 1;

/// The members that a new log keeps. If one of them was missing, the new log would have less than the old log.
const MEMBERS: [&str; 6] = ["payload", "causation", "occurred", "actor", "correlation", "id"];

/// An event of the old log.
pub(super) struct Line {
    pub(super) seq: u64,
    pub(super) stream: String,
    pub(super) number: u64,
    pub(super) causation: Option<u64>,
    kind: String,
    occurred: Option<String>,
    actor: String,
    correlation: Option<String>,
    id: Option<String>,
    payload: Value,
}

impl Line {
    /// Reads a line. Refuses an event that cannot be recorded as it is. Events of `$log` are read, and the caller decides
    /// about them.
    pub(super) fn parse(bytes: &[u8]) -> Result<Line, String> {
        let value = parse(bytes).map_err(|error| format!("not JSON: column {}: {}", error.column, error.message))?;
        let left_out = MEMBERS.iter().find(|name| value.get(**name).is_none());
        let members = Members::of(value, "").map_err(|error| error.to_string())?;
        let (line, kind_version, protection) = Line::from_members(members).map_err(|error| error.to_string())?;
        let is_custom = line.kind.starts_with(CUSTOM_PREFIX);
        if line.stream == evlog::history::LOG_STREAM {
            let message = format!("expected `{}` in a run, found it in `$log`", line.kind);
            return if is_custom { Err(message) } else { Ok(line) };
        }
        if !is_custom {
            return Err(format!(
                "expected an event of contract `custom`, found `{}` of run `{}`: events of other contracts are decided by commands",
                line.kind, line.stream
            ));
        }
        if kind_version != KIND_VERSION || protection != u64::from(PLAIN) {
            return Err(format!(
                "expected a kind_version of {KIND_VERSION} and a protection of {PLAIN}, found {kind_version} and {protection}"
            ));
        }
        if let Some(name) = left_out {
            return Err(format!("expected the member `{name}`, found none"));
        }
        Ok(line)
    }

    fn from_members(mut members: Members) -> Result<(Line, u64, u64), Malformed> {
        let line = Line {
            seq: members.count("seq")?,
            stream: members.string("stream")?,
            number: members.count("number")?,
            causation: members.optional_count("causation")?,
            kind: members.string("kind")?,
            occurred: members.optional_string("occurred")?,
            actor: members.string("actor")?,
            correlation: members.optional_string("correlation")?,
            id: members.optional_string("id")?,
            payload: members.take("payload").unwrap_or(Value::Null),
        };
        Ok((line, members.count("kind_version")?, members.count("protection")?))
    }

    /// The command that records it.
    pub(super) fn request(self, causation: Option<Seq>) -> Result<Request, String> {
        let mut request = Custom::record(self.stream, self.kind, self.payload).actor(self.actor);
        if let Some(occurred) = self.occurred {
            request = request.at(occurred);
        }
        if let Some(correlation) = self.correlation {
            request = request.correlation(correlation);
        }
        if let Some(id) = self.id {
            request = request.id(id);
        }
        if let Some(cause) = causation {
            request = request.causation(cause);
        }
        request.build().map_err(shown)
    }
}

/// A command's error, with the member of the line that it is about.
pub(super) fn shown(mut error: Malformed) -> String {
    for (of_command, of_line) in [("/run", "/stream"), ("/at", "/occurred"), ("/data", "/payload")] {
        if let Some(below) = error.pointer.strip_prefix(of_command)
            && (below.is_empty() || below.starts_with('/'))
        {
            error.pointer = format!("{of_line}{below}");
            break;
        }
    }
    error.to_string()
}
