//! What the stages of a plan leave: every path, or pattern of paths, belongs to one output of one stage.

use super::{Known, Outputs, Problems};
use crate::glob::{Glob, Steps};
use crate::limits::COMPARING_MAX;
use crate::names::time_in;
use crate::paths;
use crate::paths::is_dataset_schema;
use crate::plan::{ArtifactMode, Output, Pattern, raw};
use evlog_lifecycle::pipeline::{Definition, relpath};
use std::collections::BTreeMap;
use std::ops::Range;

/// The outputs of the stages so far, each with its stage.
pub(super) struct Taken<'r> {
    paths: BTreeMap<&'r str, &'r str>,
    patterns: Vec<(Glob, &'r str)>,
    /// The steps left to compare the plan's patterns with the registry's patterns.
    steps: Steps,
}

impl Default for Taken<'_> {
    fn default() -> Self {
        Taken { paths: BTreeMap::new(), patterns: Vec::new(), steps: Steps::new(COMPARING_MAX) }
    }
}

pub(super) fn outputs<'r>(
    stage: &'r raw::Stage,
    known: &Known<'_>,
    taken: &mut Taken<'r>,
    problems: &mut Problems,
) -> Outputs {
    let mut outputs = Outputs::default();
    let mut of_schemas: BTreeMap<String, (Range<usize>, bool)> = BTreeMap::new();
    let id = stage.id.get_ref().as_str();
    for output in &stage.output {
        let (span, output) = (output.span(), output.get_ref());
        let schema = output.schema.as_ref();
        if let Some(unknown) = schema.filter(|schema| !known.has(schema.get_ref())) {
            let nor_registry = if known.registry.is_some() { ", nor in the registry" } else { "" };
            let message = format!("schema `{}` is in no [[schema]]{nor_registry}", unknown.get_ref());
            problems.at(unknown.span(), message);
        }
        if let Some((span, message)) = schema.and_then(|id| known.misplaced(id.get_ref(), output)) {
            problems.at(span, message);
        }
        let made = Output { schema: schema.map(|id| id.get_ref().clone()), required: output.required };
        match (&output.path, &output.glob) {
            (Some(path), None) => {
                let checked = check_path(path.get_ref(), known.definition, taken)
                    .and_then(|()| known.check_path(id, path.get_ref(), made.schema.as_deref()));
                if let Err(message) = checked {
                    problems.at(path.span(), message);
                }
                taken.paths.insert(path.get_ref(), id);
                outputs.paths.insert(path.get_ref().clone(), made);
            }
            (None, Some(glob)) => match check_glob(glob.get_ref(), taken)
                .and_then(|glob| known.check_glob(&glob, made.schema.as_deref(), &mut taken.steps).map(|()| glob))
            {
                Ok(glob) => {
                    taken.patterns.push((glob.clone(), id));
                    outputs.patterns.push(Pattern { glob, output: made });
                }
                Err(message) => problems.at(glob.span(), message),
            },
            (Some(_), Some(glob)) => {
                problems.at(glob.span(), "expected either `path` or `glob` of an output, found both");
            }
            (None, None) => match schema.filter(|_| known.registry.is_some()) {
                Some(schema) => {
                    let said = (schema.span(), output.required);
                    if of_schemas.insert(schema.get_ref().clone(), said).is_some() {
                        let message = format!("schema `{}` as a whole is an output already", schema.get_ref());
                        problems.at(schema.span(), message);
                    }
                }
                None => problems.at(span, "expected `path` or `glob` of an output, found neither"),
            },
        }
    }
    if let Some(registry) = known.registry {
        registry.add_outputs(stage, known.definition, &of_schemas, &mut outputs, problems);
    }
    outputs
}

impl Known<'_> {
    fn has(&self, schema: &str) -> bool {
        // A schema that is refused still counts as known: only the refusal is reported.
        self.declared.contains(schema) || self.registry.is_some_and(|registry| registry.has(schema))
    }

    /// Checks that the output that names a dataset is a `_schema.json`.
    fn misplaced(&self, schema: &str, output: &raw::Output) -> Option<(Range<usize>, String)> {
        let schema = self.schemas.get(schema)?;
        let text = output.path.as_ref().or(output.glob.as_ref())?;
        let is_misplaced = matches!(schema.mode, ArtifactMode::ParquetDataset(_)) && !is_dataset_schema(text.get_ref());
        is_misplaced.then(|| {
            let (mode, found) = (raw::Mode::ParquetDatasetV1.word(), text.get_ref());
            (text.span(), format!("expected the `_schema.json` of a directory with `{mode}`, found `{found}`"))
        })
    }

    fn check_path(&self, stage: &str, path: &str, schema: Option<&str>) -> Result<(), String> {
        self.registry.map_or(Ok(()), |registry| registry.check_path(stage, path, schema))
    }

    fn check_glob(&self, glob: &Glob, schema: Option<&str>, steps: &mut Steps) -> Result<(), String> {
        self.registry.map_or(Ok(()), |registry| registry.check_glob(glob, schema, steps))
    }
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

/// The place where a stage may leave files that no output names.
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
