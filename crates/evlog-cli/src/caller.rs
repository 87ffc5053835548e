//! Who gives a command: the actor, as the caller says; the principal, as the operating system says; and what ties the command to
//! others.

use crate::error::CommandError;
use evlog_format::limits::{ACTOR_LEN_MAX, CORRELATION_LEN_MAX};
use nix::unistd::{User, getuid};

/// The longest user name that is recorded, in bytes; users with a longer name are recorded by number.
const NAME_LEN_MAX: usize = 200;

/// Length of a W3C `traceparent` of version 00.
const TRACE_LEN: usize = 55;

/// The name of an actor, checked against the log's limits.
#[derive(Clone, Debug)]
pub(crate) struct Actor(String);

impl Actor {
    pub(crate) fn parse(text: &str) -> Result<Actor, String> {
        let is_good = !text.is_empty() && text.len() as u64 <= ACTOR_LEN_MAX && !text.chars().any(char::is_control);
        let expected = || format!("expected 1 to {ACTOR_LEN_MAX} bytes of text without control characters");
        if is_good { Ok(Actor(text.to_owned())) } else { Err(expected()) }
    }

    /// The actor from the command line, or else from the environment, or else the principal.
    pub(crate) fn name(typed: Option<&Actor>) -> Result<String, CommandError> {
        if let Some(Actor(actor)) = typed {
            return Ok(actor.clone());
        }
        let Some(given) = std::env::var_os("EVLOG_ACTOR").filter(|text| !text.is_empty()) else {
            return Ok(principal());
        };
        let text = given.to_str().ok_or_else(|| "expected text in UTF-8".to_owned());
        let Actor(name) =
            text.and_then(Actor::parse).map_err(|why| CommandError::user(format!("EVLOG_ACTOR: {why}")))?;
        Ok(name)
    }
}

/// The user of the operating system that runs the command.
pub(crate) fn principal() -> String {
    let id = getuid();
    match User::from_uid(id) {
        Ok(Some(user)) if !user.name.is_empty() && user.name.len() <= NAME_LEN_MAX => format!("os:{}", user.name),
        _ => format!("os:uid-{id}"),
    }
}

/// The correlation from the environment, for all commands of this call.
pub(crate) fn correlation() -> Result<Option<String>, CommandError> {
    let given = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty());
    if let Some(text) = given("EVLOG_CORRELATION") {
        let message = format!(
            "EVLOG_CORRELATION: expected at most {CORRELATION_LEN_MAX} bytes of UTF-8, without control characters"
        );
        let Ok(text) = text.into_string() else { return Err(CommandError::user(message)) };
        let is_good = text.len() as u64 <= CORRELATION_LEN_MAX && !text.chars().any(char::is_control);
        return if is_good { Ok(Some(text)) } else { Err(CommandError::user(message)) };
    }
    // TRACEPARENT is set by other tools for their own use: ignore it if it does not have the W3C form.
    let is_trace =
        |text: &String| text.len() == TRACE_LEN && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    Ok(given("TRACEPARENT").and_then(|text| text.into_string().ok()).filter(is_trace))
}
