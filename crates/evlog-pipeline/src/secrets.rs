//! Secrets: values that stages are given and that no record may show.
//!
//! Does: take the values of the variables that the plan calls secret, find them in bytes that come in any pieces, and
//! put `***` in their place.
//! Does not: look into artifacts, or know any form of a value but those of [`forms`].
//!
//! Invariants:
//! - What is masked does not depend on the pieces in which it comes.
//! - No byte that belongs to an occurrence is let through, also where occurrences overlap.
//! - No message holds a value.

use crate::plan::Plan;
use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use evlog_lifecycle::pipeline::report::Finding;
use evlog_projection::canonical;
use serde_json::json;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// What stands in the place of a secret.
const MASK: &[u8] = b"***";

/// The shortest value, in bytes: masking a shorter one would mask words that have nothing to do with it.
const VALUE_LEN_MIN: usize = 4;

/// The shortest form of a value that is not the value itself, in bytes, for the same reason.
const FORM_LEN_MIN: usize = 8;

/// The values that are masked. Cheap to clone.
#[derive(Clone, Default)]
pub struct Secrets(Option<Arc<Known>>);

struct Known {
    finder: AhoCorasick,
    forms: Vec<Vec<u8>>,
    /// Whether some form begins with the byte.
    begins: [bool; 256],
    len_max: usize,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

/// Why the secrets of a plan cannot be kept. Each problem is a sentence without a value.
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
    /// The secrets that a plan names, with the values that this process and the plan's stages have for them. The id of the
    /// run, where it is known, must hold none: every record has it.
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
        let forms: BTreeSet<Vec<u8>> = values.into_iter().flat_map(|value| forms(&value)).collect();
        let forms: Vec<Vec<u8>> = forms.into_iter().collect();
        let built = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&forms);
        // An automaton has room for far more than an environment can hold.
        let finder = built.unwrap_or_else(|error| unreachable!("the secrets of one environment: {error}"));
        let mut begins = [false; 256];
        for form in &forms {
            begins[usize::from(form[0])] = true;
        }
        let Some(len_max) = forms.iter().map(Vec::len).max() else { return Secrets(None) };
        Secrets(Some(Arc::new(Known { finder, forms, begins, len_max })))
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

    /// Whether the bytes hold a secret.
    pub fn are_in(&self, bytes: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|known| known.finder.is_match(bytes))
    }

    /// A finding with all secrets masked: it may quote what a stage wrote.
    pub(crate) fn mask_finding(&self, finding: Finding) -> Finding {
        let Finding { instance_path, schema_path, message, error_code, keyword, line_number } = finding;
        let masked = |text: String| self.mask(&text).into_owned();
        let (instance_path, message) = (masked(instance_path), masked(message));
        Finding { instance_path, schema_path, message, error_code, keyword, line_number }
    }

    /// Masks bytes that come in pieces.
    pub(crate) fn masking(&self) -> Masking {
        Masking { known: self.0.clone(), held: Vec::new(), covered: 0, in_mask: false }
    }
}

/// Every form of a value that is masked: itself, its lines, as part of a JSON text, of a URL, of hexadecimal text, and of
/// base64 text in either alphabet, wherever in a group of three bytes it begins.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms: Vec<Vec<u8>> = value.split(|b| *b == b'\n').map(|line| line.trim_ascii().to_vec()).collect();
    if let Ok(text) = std::str::from_utf8(value) {
        let quoted = serde_json::Value::from(text).to_string();
        forms.push(quoted.trim_matches('"').as_bytes().to_vec());
    }
    for (space, hex) in [("%20", "0123456789ABCDEF"), ("%20", "0123456789abcdef"), ("+", "0123456789ABCDEF")] {
        forms.push(percent(value, space, hex.as_bytes()));
    }
    for digits in [b"0123456789abcdef", b"0123456789ABCDEF"] {
        let pair = |byte: &u8| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]];
        forms.push(value.iter().flat_map(pair).collect());
    }
    for before in 0..3 {
        let shifted = [&[0; 3][..before], value].concat();
        // Only the characters that no neighbour has a part in.
        let (from, to) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
        for text in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            forms.push(text.as_bytes()[from..to].to_vec());
            // And the last one, where the value ends the text.
            forms.push(text.as_bytes()[from..].to_vec());
        }
    }
    forms.retain(|form| form.len() >= FORM_LEN_MIN);
    forms.push(value.to_vec());
    forms
}

fn percent(value: &[u8], space: &str, hex: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for byte in value {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(*byte),
            b' ' => out.extend_from_slice(space.as_bytes()),
            _ => out.extend([b'%', hex[usize::from(byte >> 4)], hex[usize::from(byte & 15)]]),
        }
    }
    out
}

/// Masks bytes that come in pieces. What could be the beginning of a secret is held back until it is known.
pub(crate) struct Masking {
    known: Option<Arc<Known>>,
    held: Vec<u8>,
    /// How many of the first bytes held are known to be a secret's.
    covered: usize,
    /// Whether the last byte that was let go was a secret's: what follows it at once is under the same mask.
    in_mask: bool,
}

impl Masking {
    /// Takes a piece, and puts out what is settled.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(known) = self.known.clone() else {
            out.extend_from_slice(bytes);
            return;
        };
        self.held.extend_from_slice(bytes);
        let settled = known.settled(&self.held);
        self.release(&known, settled, out);
    }

    /// Puts out the rest.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(known) = self.known.clone() {
            self.release(&known, self.held.len(), out);
        }
    }

    fn release(&mut self, known: &Known, settled: usize, out: &mut Vec<u8>) {
        // Up to `done` the bytes are put out; up to `covered` they are a secret's.
        let (mut done, mut covered) = (0, self.covered);
        let mut put = |from: usize, to: usize, is_secret: bool, in_mask: &mut bool| {
            let to = to.min(settled);
            if from >= to {
                return;
            }
            match (is_secret, *in_mask) {
                (true, true) => {}
                (true, false) => out.extend_from_slice(MASK),
                (false, _) => out.extend_from_slice(&self.held[from..to]),
            }
            *in_mask = is_secret;
        };
        let mut found: Vec<(usize, usize)> =
            known.finder.find_overlapping_iter(&self.held).map(|found| (found.start(), found.end())).collect();
        found.sort_unstable();
        for (start, end) in found.into_iter().filter(|(start, _)| *start < settled) {
            if start > covered {
                put(done, covered, true, &mut self.in_mask);
                put(covered.max(done), start, false, &mut self.in_mask);
                done = start;
            }
            covered = covered.max(end);
        }
        put(done, covered, true, &mut self.in_mask);
        put(covered.max(done), settled, false, &mut self.in_mask);
        self.held.drain(..settled);
        self.covered = covered.saturating_sub(settled);
    }
}

impl Known {
    /// How many of the bytes no later byte can make a part of a secret: those before the first place from which all that
    /// is there is the beginning of one.
    fn settled(&self, held: &[u8]) -> usize {
        let first = held.len().saturating_sub(self.len_max - 1);
        let open = |at: &usize| {
            let rest = &held[*at..];
            self.begins[usize::from(rest[0])]
                && self.forms.iter().any(|form| form.len() > rest.len() && form.starts_with(rest))
        };
        (first..held.len()).find(open).unwrap_or(held.len())
    }
}

#[cfg(test)]
mod tests;
