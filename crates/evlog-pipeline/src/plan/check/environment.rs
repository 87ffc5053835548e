//! The environment variables of stages, and which of them are secret.

use super::Problems;
use crate::plan::raw;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// The prefix of the variables that evlog sets for every stage.
const OWN_PREFIX: &str = "EVLOG_";

/// What a stage adds to its environment.
pub(super) fn added(stage: &raw::Stage, problems: &mut Problems) -> BTreeMap<String, String> {
    for (name, value) in &stage.env {
        if name.starts_with(OWN_PREFIX) {
            problems.at(value.span(), format!("`{name}`: names that begin with `{OWN_PREFIX}` are evlog's own"));
        }
        if !is_variable(name) || value.get_ref().contains('\0') {
            problems.at(value.span(), "expected the name of a variable, and text without NUL characters");
        }
    }
    stage.env.iter().map(|(name, value)| (name.clone(), value.get_ref().clone())).collect()
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// The variables that a stage inherits from evlog's environment.
pub(super) fn inherited(names: &[Spanned<String>], problems: &mut Problems) -> BTreeSet<String> {
    for name in names.iter().filter(|name| !is_variable(name.get_ref())) {
        problems.at(name.span(), format!("expected the name of a variable, found `{}`", name.get_ref()));
    }
    names.iter().map(|name| name.get_ref().clone()).collect()
}

/// The variables whose values are secret, and whether each must be set.
pub(super) fn secrets(raw: &raw::Secrets, problems: &mut Problems) -> BTreeMap<String, bool> {
    let mut secrets = BTreeMap::new();
    let needed = raw.names.iter().map(|name| (name, true));
    for (name, is_needed) in needed.chain(raw.optional.iter().map(|name| (name, false))) {
        let text = name.get_ref();
        if !is_variable(text) || text.starts_with(OWN_PREFIX) {
            let message = format!("expected the name of a variable that is not evlog's own, found `{text}`");
            problems.at(name.span(), message);
        }
        if secrets.insert(text.clone(), is_needed).is_some() {
            problems.at(name.span(), format!("secret `{text}` is there twice"));
        }
    }
    secrets
}
