//! The policy of a log: the demands on every command, as a text that the log itself holds.
//!
//! Does:
//! - read the text ([`Policy::read`]);
//! - judge a commit, and the order of a run's events, by it;
//! - know which policy was in force when ([`Policies`]).
//!
//! A command is judged before it is recorded. An audit judges recorded events, by the policy in force when they were recorded
//! and with the same functions. The rules are in `docs/policy.md`. Does not: open files, read the clock.

mod order;
mod read;
mod timeline;

pub use crate::error::PolicyError;
pub use order::{OrderRule, Orders, Template};
pub use timeline::{InForce, Noted, Policies, Set};

use evlog_format::{CommitHead, Durability};
use evlog_projection::time::{to_rfc3339, to_span};

/// The longest text of a policy, in bytes.
pub const POLICY_LEN_MAX: usize = 64 * 1024;
/// The most patterns for actors, and the most rules on order.
pub const ITEMS_MAX: usize = 256;

/// How many patterns for actors a message shows.
const FORMS_SHOWN: usize = 5;

const SECOND_NS: i64 = 1_000_000_000;

/// The demands on commands. The default is a log without a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How far ahead of the clock `at` may be, in nanoseconds; `None` means no bound.
    pub ahead_ns: Option<i64>,
    /// How far behind the clock `at` may be, in nanoseconds; `None` means no bound.
    pub behind_ns: Option<i64>,
    /// The distance beyond which an event is marked as backdated or ahead, in nanoseconds.
    pub mark_ns: i64,
    /// The weakest durability class that is allowed.
    pub weakest: Durability,
    /// How old the last signed checkpoint may be when a run begins, in nanoseconds.
    pub unsigned_max_ns: Option<i64>,
    /// Patterns for actors, one of which must match; `*` stands for any text. If there are none, any actor is allowed.
    pub actors: Vec<String>,
    /// Rules on the order of a run's events.
    pub order: Vec<OrderRule>,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            ahead_ns: Some(5 * 60 * SECOND_NS),
            behind_ns: None,
            mark_ns: 60 * SECOND_NS,
            weakest: Durability::Os,
            unsigned_max_ns: None,
            actors: Vec::new(),
            order: Vec::new(),
        }
    }
}

/// The reason why a policy, or a rule of a run's own definition, refuses a command: a code for programs, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// `AT_OUT_OF_RANGE`, `POLICY_…` or `RULE_BROKEN`.
    pub code: &'static str,
    /// What was expected and what was found.
    pub message: String,
}

impl Policy {
    /// The breach by a command's commit, if there is one. `at` is the time as the command wrote it, for the message.
    pub fn commit_breach(&self, head: &CommitHead<'_>, at: Option<&str>) -> Option<Breach> {
        let at_breach = head.occurred_ns.and_then(|occurred| self.at_breach(occurred, head.recorded_ns, at));
        at_breach.or_else(|| self.class_breach(head.class)).or_else(|| self.actor_breach(head.actor))
    }

    fn at_breach(&self, occurred_ns: i128, recorded_ns: i64, at: Option<&str>) -> Option<Breach> {
        let found = || at.map_or_else(|| to_rfc3339(occurred_ns), str::to_owned);
        let breach = |message| Some(Breach { code: "AT_OUT_OF_RANGE", message });
        if occurred_ns < 0 {
            return breach(format!("at: expected a time from 1970 on, found `{}`", found()));
        }
        let distance = occurred_ns - i128::from(recorded_ns);
        let clock = || to_rfc3339(recorded_ns);
        if let Some(ahead) = self.ahead_ns.filter(|ahead| distance > i128::from(*ahead)) {
            let (span, clock) = (to_span(ahead), clock());
            return breach(format!(
                "at: expected a time at most {span} ahead of the clock, which says {clock}, found `{}`",
                found()
            ));
        }
        if let Some(behind) = self.behind_ns.filter(|behind| -distance > i128::from(*behind)) {
            let (span, clock) = (to_span(behind), clock());
            return breach(format!(
                "at: expected a time at most {span} behind the clock, which says {clock}, found `{}`",
                found()
            ));
        }
        None
    }

    fn class_breach(&self, class: Durability) -> Option<Breach> {
        // A class with a greater number guarantees less.
        (class as u8 > self.weakest as u8).then(|| {
            let (expected, found) = (self.weakest.name(), class.name());
            Breach {
                code: "POLICY_DURABILITY",
                message: format!("durability: expected `{expected}`, found the weaker `{found}`"),
            }
        })
    }

    fn actor_breach(&self, actor: &str) -> Option<Breach> {
        let is_of_a_form = self.actors.is_empty() || self.actors.iter().any(|form| fits(form, actor));
        (!is_of_a_form).then(|| {
            let forms: Vec<String> = self.actors.iter().take(FORMS_SHOWN).map(|form| format!("`{form}`")).collect();
            let more = if self.actors.len() > FORMS_SHOWN { " or another form of the policy" } else { "" };
            let message = format!("actor: expected a name of the form {}{more}, found `{actor}`", forms.join(" or "));
            Breach { code: "POLICY_ACTOR", message }
        })
    }

    /// The breach by a run that begins, if there is one. The last checkpoint was signed at `signed_ns`; `None` if no
    /// checkpoint was signed since the policy was set at `set_ns`.
    pub fn unsigned_breach(&self, recorded_ns: i64, signed_ns: Option<i64>, set_ns: i64) -> Option<Breach> {
        let max = self.unsigned_max_ns?;
        let since_ns = signed_ns.unwrap_or(set_ns);
        let age = i128::from(recorded_ns) - i128::from(since_ns);
        // The age counts in both directions, so that a checkpoint that was signed while the clock was ahead does not
        // count as new for ever.
        (age.unsigned_abs() > u128::from(max.unsigned_abs())).then(|| {
            let since = to_rfc3339(since_ns);
            let found = match signed_ns {
                _ if age > 0 => format!("none since {since}"),
                Some(_) => format!("one signed at {since}, which is later than now"),
                None => format!("none, and a policy that was set at {since}, which is later than now"),
            };
            let max = to_span(max);
            let message =
                format!("expected a checkpoint signed within the last {max} before a run begins, found {found}");
            Breach { code: "POLICY_CHECKPOINT", message }
        })
    }
}

/// Whether a text matches a pattern in which `*` stands for any text, even empty text.
fn fits(form: &str, text: &str) -> bool {
    let Some((first, rest)) = form.split_once('*') else { return form == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    // Taking the earliest match of each part leaves the most text for the parts after it.
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests;
