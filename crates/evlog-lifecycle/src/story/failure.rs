//! What went wrong, as objects: the structured error of a step (version v1), and the error of a run (story.md 5.4, 5.5).

use super::phases::Phase;
use super::redact::redacted;
use super::retry::ExitClass;
use crate::members::{cut, kind, quoted};
use crate::words::words;
use evlog_projection::{canonical, parse, readable};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The longest message of a step's error, in bytes; what is longer is cut between characters.
pub const MESSAGE_LEN_MAX: usize = 8192;
/// The longest `details`, in bytes of RFC 8785 text.
const DETAILS_LEN_MAX: usize = 64 * 1024;
pub(super) const CODE_LEN_MAX: usize = 256;

words! {
    /// The type of a step's error.
    ErrorType: "error type" {
        /// A deadline passed.
        Timeout = 0, "timeout";
        /// Storage could not be read or written.
        Storage = 1, "storage_error";
        /// A value could not be read or written as text.
        Serialization = 2, "serialization_error";
        /// A value breaks its schema.
        Validation = 3, "validation_error";
        /// The work could not be set up.
        Initialization = 4, "initialization_error";
        /// The work failed.
        Execution = 5, "execution_error";
        /// The cause is unknown.
        Unknown = 6, "unknown";
    }
}

/// The members of an error object.
const KNOWN: [&str; 8] = ["version", "type", "message", "retryable", "exitCode", "exitClass", "code", "details"];

/// The error of a step, version `v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepError {
    /// The type of the error.
    pub kind: ErrorType,
    /// A description of the failure.
    pub message: String,
    /// Whether another attempt may help; none when not known.
    pub retryable: Option<bool>,
    /// The exit code, from 0.
    pub exit_code: Option<u32>,
    /// The exit class.
    pub exit_class: Option<ExitClass>,
    /// A code of the component's own.
    pub code: Option<String>,
    /// An object of the component's own, as RFC 8785 text.
    #[serde(serialize_with = "readable::optional_text")]
    pub details: Option<String>,
}

/// The error type of a cause's text: the type of the first pattern that matches.
pub fn classify(cause: Option<&str>) -> ErrorType {
    const PARTS: [(&[&str], ErrorType); 4] = [
        (&["dehydrat", "storage"], ErrorType::Storage),
        (&["unmarshal", "marshal"], ErrorType::Serialization),
        (&["schema", "validation"], ErrorType::Validation),
        (&["initialization", "Init"], ErrorType::Initialization),
    ];
    let Some(cause) = cause else { return ErrorType::Unknown };
    let matches = |parts: &[&str]| parts.iter().any(|part| cause.contains(part));
    PARTS.iter().find(|(parts, _)| matches(parts)).map_or(ErrorType::Execution, |(_, kind)| *kind)
}

impl StepError {
    /// The error of an attempt that ended in a phase, if a cause is known.
    pub fn of_attempt(
        phase: Phase,
        cause: Option<&str>,
        code: Option<i64>,
        class: Option<ExitClass>,
    ) -> Option<StepError> {
        let cause = cause.filter(|_| phase.is_failure() || phase == Phase::Pending)?;
        let timed_out = phase == Phase::Timeout || code == Some(super::retry::TIMEOUT_CODE);
        Some(StepError {
            kind: if timed_out { ErrorType::Timeout } else { classify(Some(cause)) },
            message: cut(&redacted(cause), MESSAGE_LEN_MAX).to_owned(),
            retryable: class.map(|class| matches!(class, ExitClass::Retry | ExitClass::RateLimited)),
            exit_code: code.and_then(|code| u32::try_from(code).ok()),
            exit_class: class,
            code: None,
            details: None,
        })
    }

    /// The class that the error claims: its own class, or else the class that follows from `retryable`.
    pub fn claimed_class(&self) -> Option<ExitClass> {
        let by_flag = |retryable| if retryable { ExitClass::Retry } else { ExitClass::Terminal };
        self.exit_class.or_else(|| self.retryable.map(by_flag))
    }

    /// Reads an error object. The sentence says what is wrong, within `status.error`.
    pub fn read(value: &Value) -> Result<StepError, String> {
        let Value::Object(members) = value else {
            return Err(format!("status.error: expected an object, found {}", kind(value)));
        };
        if let Some(unknown) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(format!(
                "status.error: unknown member `{}`; it takes `{}`",
                quoted(unknown),
                KNOWN.join("`, `")
            ));
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let wrong = |name: &str, expected: &str| {
            let found = members.get(name).map_or_else(|| "none".to_owned(), |value| quoted(&value.to_string()));
            format!("status.error.{name}: expected {expected}, found {found}")
        };
        let given = |name: &str| members.get(name).filter(|value| !value.is_null());
        if text("version") != Some("v1") {
            return Err(wrong("version", "`v1`"));
        }
        let message = text("message").filter(|message| !message.is_empty()).ok_or_else(|| wrong("message", "text"))?;
        let kind =
            text("type").and_then(ErrorType::from_word).ok_or_else(|| wrong("type", "one of the seven types"))?;
        let class = match given("exitClass") {
            None => None,
            Some(class) => {
                Some(class.as_str().and_then(ExitClass::from_word).ok_or_else(|| wrong("exitClass", "an exit class"))?)
            }
        };
        let exit_code = match given("exitCode") {
            None => None,
            Some(code) => {
                let number = code.as_u64().and_then(|code| u32::try_from(code).ok());
                Some(number.ok_or_else(|| wrong("exitCode", &format!("a whole number from 0 to {}", u32::MAX)))?)
            }
        };
        let retryable = match given("retryable") {
            None => None,
            Some(flag) => Some(flag.as_bool().ok_or_else(|| wrong("retryable", "true or false"))?),
        };
        let code = match given("code") {
            None => None,
            Some(code) => {
                let code = code.as_str().filter(|code| code.len() <= CODE_LEN_MAX);
                Some(code.ok_or_else(|| wrong("code", &format!("text of at most {CODE_LEN_MAX} bytes")))?.to_owned())
            }
        };
        Ok(StepError {
            kind,
            message: cut(&redacted(message), MESSAGE_LEN_MAX).to_owned(),
            retryable,
            exit_code,
            exit_class: class,
            code,
            details: details(given("details"))?,
        })
    }

    /// The object of the record.
    pub fn to_json(&self) -> Value {
        let mut error = Map::new();
        let mut put = |name: &str, value: Option<Value>| value.map(|value| error.insert(name.to_owned(), value));
        put("version", Some("v1".into()));
        put("type", Some(self.kind.word().into()));
        put("message", Some(self.message.as_str().into()));
        put("retryable", self.retryable.map(Value::from));
        put("exitCode", self.exit_code.map(Value::from));
        put("exitClass", self.exit_class.map(|class| class.word().into()));
        put("code", self.code.as_deref().map(Value::from));
        put("details", self.details.as_deref().and_then(|text| parse(text.as_bytes()).ok()));
        Value::Object(error)
    }
}

fn details(value: Option<&Value>) -> Result<Option<String>, String> {
    let Some(value) = value else { return Ok(None) };
    if !value.is_object() {
        return Err(format!("status.error.details: expected an object, found {}", kind(value)));
    }
    let text =
        String::from_utf8(canonical(value)).unwrap_or_else(|error| unreachable!("canonical JSON is UTF-8: {error}"));
    match text.len() {
        len if len <= DETAILS_LEN_MAX => Ok(Some(text)),
        len => Err(format!("status.error.details: expected at most {DETAILS_LEN_MAX} bytes, found {len}")),
    }
}

/// A step that a run's error names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedStep {
    /// Its name.
    pub name: String,
    /// Its phase, if it has one.
    pub phase: Option<Phase>,
    /// What it said.
    pub message: Option<String>,
}

/// The error of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// The reason code.
    pub kind: String,
    /// A description of the failure.
    pub message: String,
    /// The steps that it is about, in the order of their declaration.
    pub failed_steps: Vec<FailedStep>,
}

impl RunError {
    /// The object of the record: members without a value are absent.
    pub fn to_json(&self) -> Value {
        let step = |step: &FailedStep| {
            let mut object = Map::new();
            object.insert("name".into(), step.name.as_str().into());
            if let Some(phase) = step.phase {
                object.insert("phase".into(), phase.word().into());
            }
            if let Some(message) = step.message.as_deref().filter(|message| !message.is_empty()) {
                object.insert("message".into(), message.into());
            }
            Value::Object(object)
        };
        let mut error = json!({"type": self.kind, "message": self.message});
        if !self.failed_steps.is_empty() {
            error["failedSteps"] = self.failed_steps.iter().map(step).collect();
        }
        error
    }
}
