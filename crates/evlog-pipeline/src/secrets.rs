//! Secrets: values that stages are given and that no record may show.
//!
//! Does: take the values of the variables that the plan calls secret, find them in bytes that come in any pieces, and put
//! `***` in their place. Does not: look into artifacts, or read bytes in other ways than the readings of `readings.rs`.
//!
//! Invariant: no message holds a secret value, and no digest that is recorded depends on a secret value.

mod masking;
mod readings;

pub(crate) use masking::Masking;

use crate::plan::Plan;
use evlog_lifecycle::pipeline::report::Finding;
use evlog_projection::canonical;
use masking::Known;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// The shortest value, in bytes: masking a shorter one would mask words that have nothing to do with it.
const VALUE_LEN_MIN: usize = 4;

/// The shortest form of a value other than the value itself, in bytes, for the same reason.
const FORM_LEN_MIN: usize = 8;

/// The values that are masked. Cheap to clone.
#[derive(Clone, Default)]
pub struct Secrets(Option<Arc<Known>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

/// The reason why the secrets of a plan cannot be kept secret. Each problem is a sentence that shows no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretsError {
    /// At least one.
    pub problems: Vec<String>,
}

impl fmt::Display for SecretsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for SecretsError {}

impl Secrets {
    /// The secrets that a plan names, with the values that this process and the plan's stages have for them. If the id of the
    /// run is known, it must hold no secret, because every record has the id.
    pub fn of(plan: &Plan, run: Option<&str>) -> Result<Secrets, SecretsError> {
        let secrets = Secrets::with(plan, &|name| std::env::var_os(name))?;
        if run.is_some_and(|run| secrets.are_in(run.as_bytes())) {
            let problem = "the id of the run holds the value of a secret, and every record holds the id: name another";
            return Err(SecretsError { problems: vec![problem.to_owned()] });
        }
        Ok(secrets)
    }

    fn with(plan: &Plan, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Secrets, SecretsError> {
        let mut values = BTreeSet::new();
        let mut problems = Vec::new();
        for (name, needed) in &plan.secrets {
            let given = plan.stages.iter().filter_map(|stage| stage.environment.get(name)).map(OsString::from);
            let found: Vec<OsString> = variable(name).into_iter().chain(given).collect();
            let found: Vec<&[u8]> = found.iter().map(|value| value.as_bytes().trim_ascii()).collect();
            if *needed && found.iter().all(|value| value.is_empty()) {
                problems.push(format!(
                    "the plan names the secret `{name}`, which is not set in the environment: set it, or name it under \
                     `optional` instead of `names`"
                ));
            }
            for value in found.into_iter().filter(|value| !value.is_empty()) {
                if value.len() < VALUE_LEN_MIN {
                    problems.push(format!(
                        "secret `{name}`: expected at least {VALUE_LEN_MIN} bytes, found fewer: masking it would mask \
                         words that have nothing to do with it"
                    ));
                }
                values.insert(value.to_vec());
            }
        }
        let secrets = Secrets::from_values(values);
        if secrets.are_in(&canonical(&json!([plan.name, plan.pipeline, plan.manifest]))) {
            problems.push(
                "the plan's own text holds the value of a secret in what is recorded of every run: the manifest, or the \
                 names of the plan, of stages and of reason codes"
                    .to_owned(),
            );
        }
        if problems.is_empty() { Ok(secrets) } else { Err(SecretsError { problems }) }
    }

    fn from_values(values: impl IntoIterator<Item = Vec<u8>>) -> Secrets {
        Secrets(Known::of(&values.into_iter().collect()).map(Arc::new))
    }

    /// The text with all secrets masked.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.are_in(text.as_bytes()) {
            return Cow::Borrowed(text);
        }
        let mut masked = Vec::new();
        let mut masking = self.masking();
        masking.push(text.as_bytes(), &mut masked);
        masking.finish(&mut masked);
        Cow::Owned(String::from_utf8_lossy(&masked).into_owned())
    }

    /// Whether a secret occurs in the bytes.
    pub fn are_in(&self, bytes: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|known| known.are_in(bytes))
    }

    /// A finding with all secrets masked: it may quote what a stage wrote.
    pub(crate) fn mask_finding(&self, finding: Finding) -> Finding {
        let Finding { instance_path, schema_path, message, error_code, keyword, line_number } = finding;
        let masked = |text: String| self.mask(&text).into_owned();
        let (instance_path, schema_path, message) = (masked(instance_path), masked(schema_path), masked(message));
        let keyword = keyword.map(masked);
        Finding { instance_path, schema_path, message, error_code, keyword, line_number }
    }

    /// A value with all secrets masked in its texts and in the names of its members.
    pub(crate) fn mask_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.mask(text).into(),
            Value::Array(items) => items.iter().map(|item| self.mask_value(item)).collect(),
            Value::Object(members) => {
                let masked = |(name, value): (&String, &Value)| (self.mask(name).into_owned(), self.mask_value(value));
                members.iter().map(masked).collect()
            }
            other => other.clone(),
        }
    }

    /// Masks bytes that come in pieces.
    pub(crate) fn masking(&self) -> Masking {
        Masking::new(self.0.clone())
    }
}

#[cfg(test)]
mod tests;
