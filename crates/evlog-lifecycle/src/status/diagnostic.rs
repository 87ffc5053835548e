//! The diagnostic object: why a run failed, was denied or ran out of time (status.md 3.1 to 3.4).
//!
//! The object is closed: it has seven members, all mandatory, with bounded lengths and sets. The engine's own diagnostics are
//! built here too, from the recorded request alone, so that replay can build them again and compare.

use super::transitions::RunStatus;
use crate::members::{kind, quoted};
use crate::words::words;
use evlog_projection::nearest::meant;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The error code of a run that an undefined transition forced to `failed`. Only the engine may use it.
pub const INVALID_STATE_TRANSITION: &str = "INVALID_STATE_TRANSITION";

/// Codes that a diagnostic may carry without being registered (status.md 3.4).
pub const CATALOGUE: [&str; 6] = [
    "TOOL_NOT_IMPLEMENTED",
    "TOOL_DENIED",
    "TOOL_INVALID_ARGUMENTS",
    "TOOL_TIMEOUT",
    "TOOL_DEPENDENCY_DOWN",
    "TOOL_INTERNAL_ERROR",
];

/// The longest error code, in bytes.
pub const ERROR_CODE_LEN_MAX: usize = 80;
/// The longest `message`, `likely_cause` and `suggested_fix`, in characters.
pub const TEXT_CHARS_MAX: usize = 2000;

words! {
    /// The category of the failure.
    Category: "category" {
        /// A policy forbids it.
        Policy = 0, "policy";
        /// Input does not satisfy its schema.
        Validation = 1, "validation";
        /// The order of work was broken.
        Workflow = 2, "workflow";
        /// The tool itself failed.
        Tool = 3, "tool";
        /// Something that the work depends on failed.
        Dependency = 4, "dependency";
        /// Time ran out.
        Timeout = 5, "timeout";
        /// A defect of the implementation.
        Internal = 6, "internal";
        /// Recorded data is inconsistent.
        Integrity = 7, "integrity";
    }
}

words! {
    /// The severity.
    Severity: "severity" {
        /// Worth knowing.
        Info = 0, "info";
        /// Worth watching.
        Warn = 1, "warn";
        /// The run failed.
        Error = 2, "error";
        /// More than the run is at risk.
        Critical = 3, "critical";
    }
}

/// A valid diagnostic: part of the payloads of `status.transitioned` and `status.forced_failed`, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// For programs: `[A-Z][A-Z0-9_]*`, at most 80 bytes.
    pub error_code: String,
    /// The category of the failure.
    pub category: Category,
    /// For people: 1 to 2000 characters.
    pub message: String,
    /// 1 to 2000 characters.
    pub likely_cause: String,
    /// 1 to 2000 characters.
    pub suggested_fix: String,
    /// Whether doing the same again, as a new run, may help.
    pub retryable: bool,
    /// The severity.
    pub severity: Severity,
}

const MEMBERS: [&str; 7] =
    ["error_code", "category", "message", "likely_cause", "suggested_fix", "retryable", "severity"];

impl Diagnostic {
    /// Reads what a caller offered. `registered` are codes that the caller uses besides the catalogue.
    pub fn read(offered: &Value, registered: &[String]) -> Result<Diagnostic, String> {
        let diagnostic = Diagnostic::shaped(offered)?;
        diagnostic.check_code(registered)?;
        Ok(diagnostic)
    }

    /// Reads the form. Whether the code is known depends on the run, and is not checked here.
    pub(crate) fn shaped(offered: &Value) -> Result<Diagnostic, String> {
        let Value::Object(members) = offered else {
            return Err(format!("expected an object with the members {}, found {}", MEMBERS.join(", "), kind(offered)));
        };
        if let Some(unknown) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            let unknown = quoted(unknown);
            return Err(format!("expected the members {}, found also `{unknown}`", MEMBERS.join(", ")));
        }
        let retryable = member(members, "retryable")?;
        let retryable = retryable
            .as_bool()
            .ok_or_else(|| format!("`retryable`: expected true or false, found {}", kind(retryable)))?;
        let category = one_of(members, "category", &Category::ALL, Category::word)?;
        let severity = one_of(members, "severity", &Severity::ALL, Severity::word)?;
        let diagnostic = Diagnostic {
            error_code: text(members, "error_code")?,
            category,
            message: text(members, "message")?,
            likely_cause: text(members, "likely_cause")?,
            suggested_fix: text(members, "suggested_fix")?,
            retryable,
            severity,
        };
        diagnostic.check()?;
        Ok(diagnostic)
    }

    /// Checks lengths and syntax, which do not depend on the codes that were known when a diagnostic was committed.
    pub fn check(&self) -> Result<(), String> {
        if !is_error_code(&self.error_code) {
            return Err(format!(
                "`error_code`: expected {CODE_SYNTAX}, found {} bytes that are not",
                self.error_code.len()
            ));
        }
        let texts =
            [("message", &self.message), ("likely_cause", &self.likely_cause), ("suggested_fix", &self.suggested_fix)];
        for (name, text) in texts {
            // Characters are counted only if the length in bytes does not decide.
            let long = text.len() > TEXT_CHARS_MAX && text.chars().count() > TEXT_CHARS_MAX;
            if text.is_empty() || long {
                let found = text.chars().count();
                return Err(format!("`{name}`: expected 1 to {TEXT_CHARS_MAX} characters, found {found}"));
            }
        }
        Ok(())
    }

    /// Whether a caller may use the code: it is in the catalogue, or registered for the run (status.md 3.4).
    pub(crate) fn check_code(&self, registered: &[String]) -> Result<(), String> {
        let code = self.error_code.as_str();
        if code == INVALID_STATE_TRANSITION {
            return Err(format!("`error_code`: `{code}` is the engine's own, and records an undefined transition"));
        }
        if CATALOGUE.contains(&code) || registered.iter().any(|known| known == code) {
            return Ok(());
        }
        let known = CATALOGUE.join(", ");
        Err(format!("`error_code`: expected one of {known}, or one of the run's `error_codes`, found `{code}`"))
    }

    /// The diagnostic as projected.
    pub fn to_json(&self) -> Value {
        json!({
            "error_code": self.error_code,
            "category": self.category.word(),
            "message": self.message,
            "likely_cause": self.likely_cause,
            "suggested_fix": self.suggested_fix,
            "retryable": self.retryable,
            "severity": self.severity.word(),
        })
    }

    /// The engine's own diagnostic for a run that an undefined transition forced to fail. It is built from the status and the
    /// recorded token alone (status.md 3.3).
    pub fn undefined_transition(from: RunStatus, requested: &str) -> Diagnostic {
        let unknown = RunStatus::from_word(requested).is_none();
        Diagnostic {
            error_code: INVALID_STATE_TRANSITION.into(),
            category: Category::Workflow,
            message: undefined_message(Some(from), requested),
            likely_cause: if unknown { "unknown_status_token" } else { "undefined_transition" }.into(),
            suggested_fix: "Request only the nine listed transitions; start a new run.".into(),
            retryable: false,
            severity: Severity::Error,
        }
    }

    /// The engine's own diagnostic for a run that was started without the pins that it requires (H16).
    pub fn pins_missing() -> Diagnostic {
        Diagnostic {
            error_code: "TOOL_DENIED".into(),
            category: Category::Policy,
            message: "the run requires pins, and was started without `contract_version` and `policy_versions`".into(),
            likely_cause: "pins_missing".into(),
            suggested_fix: "Create a new run with `contract_version` and `policy_versions`.".into(),
            retryable: false,
            severity: Severity::Error,
        }
    }
}

/// The answer to a command that asked for an undefined transition: the sentence, the statuses that would have been allowed,
/// and the status that is nearest to the requested one.
pub(crate) fn undefined_answer(from: Option<RunStatus>, requested: &str) -> String {
    let message = undefined_message(from, requested);
    let Some(from) = from else {
        return format!("expected a known run, found none: it cannot become `{}` before a `create`", quoted(requested));
    };
    let question = match RunStatus::from_word(requested) {
        Some(_) => None,
        None => meant(requested, RunStatus::ALL.map(RunStatus::word)),
    };
    let question = question.map(|question| format!("; {question}")).unwrap_or_default();
    format!("{message}; {}{question}", from.ways_on())
}

/// The sentence about an undefined transition, the same in diagnostics and audit lines. It is recorded, so it stays as it is.
pub(crate) fn undefined_message(from: Option<RunStatus>, requested: &str) -> String {
    let shown = quoted(requested);
    match (from, RunStatus::from_word(requested)) {
        (None, _) => format!("expected a known run, found none to bring to `{shown}`"),
        (Some(from), Some(to)) => format!("`{from}` to `{to}` is not one of the nine transitions"),
        (Some(from), None) => format!("`{from}` to `{shown}` is not one of the nine transitions: no such status"),
    }
}

/// The form of an error code, in words.
pub(crate) const CODE_SYNTAX: &str = "an upper-case code such as TOOL_TIMEOUT, at most 80 bytes";

/// Whether text has the syntax of an error code.
pub(crate) fn is_error_code(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= ERROR_CODE_LEN_MAX
        && bytes.next().is_some_and(|first| first.is_ascii_uppercase())
        && bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a Value, String> {
    members.get(name).ok_or_else(|| format!("expected the members {}, `{name}` is missing", MEMBERS.join(", ")))
}

fn text(members: &Map<String, Value>, name: &str) -> Result<String, String> {
    let value = member(members, name)?;
    value.as_str().map(str::to_owned).ok_or_else(|| format!("`{name}`: expected text, found {}", kind(value)))
}

fn one_of<T: Copy>(
    members: &Map<String, Value>,
    name: &str,
    all: &[T],
    word: impl Fn(T) -> &'static str,
) -> Result<T, String> {
    let value = member(members, name)?;
    let found = value.as_str().and_then(|text| all.iter().copied().find(|known| word(*known) == text));
    found.ok_or_else(|| {
        let words: Vec<_> = all.iter().map(|known| word(*known)).collect();
        let found = value.as_str().map_or_else(|| kind(value).to_owned(), |text| format!("`{}`", quoted(text)));
        format!("`{name}`: expected one of {}, found {found}", words.join(", "))
    })
}
