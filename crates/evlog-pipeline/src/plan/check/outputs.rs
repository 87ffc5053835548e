//! What the stages of a plan leave: every path, or pattern of paths, belongs to one output of one stage.

use super::Problems;
use crate::glob::Glob;
use crate::names::time_in;
use crate::paths;
use crate::plan::{ArtifactContract, Output, Pattern, raw};
use evlog_lifecycle::pipeline::{Definition, relpath};
use std::collections::BTreeMap;

/// What a stage leaves.
#[derive(Default)]
pub(super) struct Outputs {
    pub(super) paths: BTreeMap<String, Output>,
    pub(super) patterns: Vec<Pattern>,
}

/// What the outputs so far are, each with its stage.
#[derive(Default)]
pub(super) struct Taken<'r> {
    paths: BTreeMap<&'r str, &'r str>,
    patterns: Vec<(Glob, &'r str)>,
}

pub(super) fn outputs<'r>(
    stage: &'r raw::Stage,
    definition: &Definition,
    contracts: &BTreeMap<String, ArtifactContract>,
    taken: &mut Taken<'r>,
    problems: &mut Problems,
) -> Outputs {
    let mut outputs = Outputs::default();
    let id = stage.id.get_ref().as_str();
    for output in &stage.output {
        let (span, output) = (output.span(), output.get_ref());
        let contract = output.contract.as_ref();
        if let Some(unknown) = contract.filter(|id| !contracts.contains_key(id.get_ref())) {
            let message = format!("no [[schema]] binds contract `{}`", unknown.get_ref());
            problems.at(unknown.span(), message);
        }
        let made = Output { contract: contract.map(|id| id.get_ref().clone()), required: output.required };
        match (&output.path, &output.glob) {
            (Some(path), None) => {
                if let Err(message) = check_path(path.get_ref(), definition, taken) {
                    problems.at(path.span(), message);
                }
                taken.paths.insert(path.get_ref(), id);
                outputs.paths.insert(path.get_ref().clone(), made);
            }
            (None, Some(glob)) => match check_glob(glob.get_ref(), taken) {
                Ok(glob) => {
                    taken.patterns.push((glob.clone(), id));
                    outputs.patterns.push(Pattern { glob, output: made });
                }
                Err(message) => problems.at(glob.span(), message),
            },
            (Some(_), Some(glob)) => {
                problems.at(glob.span(), "expected either `path` or `glob` of an output, found both");
            }
            (None, None) => problems.at(span, "expected `path` or `glob` of an output, found neither"),
        }
    }
    outputs
}

fn check_path(path: &str, definition: &Definition, taken: &Taken<'_>) -> Result<(), String> {
    relpath::parse(path).map_err(|error| format!("`{path}` is no path within the bundle: {}", error.message))?;
    if let Some(own) = paths::reserved(path, definition) {
        return Err(format!("`{path}` clashes with `{own}`, which evlog writes itself"));
    }
    if let Some((other, stage)) = paths::clashing(&taken.paths, path) {
        return Err(format!("`{path}` clashes with output `{other}` of stage `{stage}`"));
    }
    if let Some((glob, stage)) = taken.patterns.iter().find(|(glob, _)| glob.matches(path)) {
        return Err(format!("`{path}` is matched by output `{}` of stage `{stage}`", glob.as_str()));
    }
    match time_in(path) {
        Some(time) => Err(format!("`{path}` holds `{time}`: expected a name that is the same in every run")),
        None => Ok(()),
    }
}

fn check_glob(text: &str, taken: &Taken<'_>) -> Result<Glob, String> {
    let glob = Glob::parse(text).map_err(|error| format!("`{text}` is no pattern of paths: {error}"))?;
    if glob.is_literal() {
        return Err(format!("`{text}` matches one path only; write it as `path`"));
    }
    if let Some((path, stage)) = taken.paths.iter().find(|(path, _)| glob.matches(path)) {
        return Err(format!("`{text}` matches output `{path}` of stage `{stage}`"));
    }
    if let Some((_, stage)) = taken.patterns.iter().find(|(other, _)| *other == glob) {
        return Err(format!("`{text}` is an output of stage `{stage}` already"));
    }
    match time_in(text) {
        Some(time) => Err(format!("`{text}` holds `{time}`: expected names that are the same in every run")),
        None => Ok(glob),
    }
}

/// Where a stage may leave files that no output names.
pub(super) fn extra_roots(stage: &raw::Stage, problems: &mut Problems) -> Vec<String> {
    for root in &stage.extra_roots {
        let text = root.get_ref();
        if let Err(error) = relpath::parse(text.strip_suffix('/').unwrap_or(text)) {
            let message =
                format!("`{text}` is no file or directory (with `/` at its end) of the bundle: {}", error.message);
            problems.at(root.span(), message);
        }
    }
    stage.extra_roots.iter().map(|root| root.get_ref().clone()).collect()
}
