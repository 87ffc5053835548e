//! The publish gate: checks what a stage has staged against what its plan promises (pipeline.md 4.4 to 4.9).
//!
//! Does:
//! - enumerate the staged tree;
//! - check paths, ownership, presence, names and content, in the order of 4.7;
//! - measure what passes;
//! - choose the reason code if anything fails.
//!
//! Does not: promote, write a report, or know the log.
//!
//! Invariants:
//! - The staging directory is only read. No link is followed, not even a link in the place of that directory.
//! - What passes is a copy of each staged file ([`Custody`]). The copy is what was checked, what was measured and what will be
//!   promoted; the staged file never is.
//! - Among the failures, the one whose class comes first in [`Class`] decides the reason code, however they were discovered
//!   . The report holds the findings of all classes.
//! - What passes is listed in byte order of paths.

mod bindings;

use crate::artifact::{Spelling, Staged};
use crate::custody::Custody;
use crate::file_error::FileError;
use crate::limits::LISTING_LEN_MAX;
use crate::meter::{Meter, Tell};
use crate::names::time_in;
use crate::plan::{Plan, Stage};
use crate::secrets::Secrets;
use crate::step::{Step, Steps};
use crate::tree::Tree;
use crate::walk::{Entry, walk_tree};
use crate::{artifact, paths};
use bindings::{Others, Roots, dataset_of, outputs};
use evlog_lifecycle::pipeline::report::{
    ArtifactReport, ERRORS_MAX_DEFAULT, Finding, Report, UNBOUND_SCHEMA, UNBOUND_SCHEMA_VERSION,
};
use evlog_lifecycle::pipeline::{STAGING, STORAGE, relpath};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;

/// Classes of failure, in order: the first of those that occur decides the reason code, in whatever order they were
/// discovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Something staged is not a regular file, has a path that the contract does not allow, or cannot be read (4.7, step 1).
    Entry,
    /// A path is the engine's own, or outside the stage's output roots (step 2).
    Root,
    /// A path belongs to another stage or is bound twice, a name differs between runs, no output names the file, or the stage
    /// staged more than it may (steps 3 to 5, 4.9).
    Ownership,
    /// A required output is missing (step 6).
    Missing,
    /// An artifact does not fulfil its schema (step 7).
    Content,
}

/// What a stage may publish, and where.
pub(crate) struct Gate<'a> {
    /// The plan.
    pub(crate) plan: &'a Plan,
    /// The stage.
    pub(crate) stage: &'a Stage,
    /// The run, for the report.
    pub(crate) run: &'a str,
    /// The bundle.
    pub(crate) home: &'a Tree,
    /// The directory below the bundle that holds the staging directory. The directory for the copies is made there too.
    pub(crate) shelf: &'a str,
    /// The stage's staging directory, below `shelf`.
    pub(crate) staging: &'a str,
    /// What earlier stages have published: path and stage.
    pub(crate) published: &'a BTreeMap<String, String>,
    /// Values that no report may show.
    pub(crate) secrets: &'a Secrets,
    /// Takes reports of how much was read. If it stops the reading, the result of the check does not count.
    pub(crate) tell: &'a Tell<'a>,
    /// Is notified of each step.
    pub(crate) steps: &'a Steps,
}

/// The artifacts that may be promoted.
pub(crate) struct Passed {
    /// What passed, in byte order of paths.
    pub(crate) artifacts: Vec<Artifact>,
    /// The copies.
    pub(crate) custody: Custody,
}

/// A staged file that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// Its path, in staging and in the bundle.
    pub(crate) path: String,
    /// Its length in bytes.
    pub(crate) len: u64,
    /// BLAKE3 of its content.
    pub(crate) blake3: [u8; 32],
    /// The schema that it fulfils.
    pub(crate) schema: Option<String>,
}

/// The reason why nothing may be promoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    /// What to record for the stage.
    pub(crate) reason_code: String,
    /// Everything that was found, for `logs/contract_validation/<stage>.json`.
    pub(crate) report: Report,
}

/// The findings so far.
#[derive(Default)]
struct Found {
    first: Option<Class>,
    artifacts: BTreeMap<String, ArtifactReport>,
}

impl Gate<'_> {
    /// Checks what is staged. What passes is copied, and durable. The outer error means that the staging directory itself
    /// could not be read, or that the copies could not be written.
    pub(crate) fn check(&self) -> Result<Result<Passed, Failed>, FileError> {
        let mut found = Found::default();
        let opened = self.home.within_named(self.shelf);
        let (above, tree) = match opened.and_then(|above| above.within_named(self.staging).map(|tree| (above, tree))) {
            Ok(opened) => opened,
            Err(error) if is_replaced(&error) => return Ok(Err(self.replaced(&error, &mut found))),
            Err(error) => return Err(error),
        };
        let staged = walk_tree(&tree)?;
        let regular = self.entries(staged, &mut found);
        let others = Others::new(self.plan, &self.stage.id, self.published);
        let roots = Roots::of(self.stage);
        for path in &regular {
            self.check_path(path, &others, roots.as_ref(), &mut found);
        }
        self.check_amount(&tree, &regular, &mut found);
        self.check_presence(&regular, &mut found);
        let meter = Meter::new(self.reading_len(&tree, &regular), self.tell);
        // If nothing will be promoted, nothing is copied. The staged files are checked instead of copies.
        let is_hopeless = found.first.is_some() || self.is_beyond_reading(&tree, &regular);
        let taken = if is_hopeless { None } else { Some(self.take((&above, &tree), &regular, &meter, &mut found)?) };
        match &taken {
            Some(passed) => self.inspect(&regular, &|path| passed.custody.file(path), &meter, &mut found),
            None => self.inspect(&regular, &|path| tree.file(path), &meter, &mut found),
        }
        match taken {
            Some(passed) if found.first.is_none() => {
                passed.custody.sync()?;
                Ok(Ok(passed))
            }
            _ => Ok(Err(self.failed(found))),
        }
    }

    /// Something else is in the place of the staging directory. What it leads to is not read.
    fn replaced(&self, error: &FileError, found: &mut Found) -> Failed {
        let message = format!("the stage put something else in the place of its staging directory: {}", error.source);
        let path = format!("{STAGING}/{}", self.stage.id);
        self.add(found, Class::Entry, &path, Finding::coded("staging_replaced", message));
        self.failed(std::mem::take(found))
    }

    fn failed(&self, found: Found) -> Failed {
        let class = found.first.unwrap_or(Class::Content);
        let artifacts = found.artifacts.into_values().collect();
        let report = Report::new(self.run, &self.stage.id, ERRORS_MAX_DEFAULT, artifacts);
        let reason_code = match class {
            Class::Entry | Class::Root => STORAGE.to_owned(),
            Class::Ownership | Class::Missing | Class::Content => {
                self.plan.definition.gate_reason_code(&self.stage.id, report.primary_schema())
            }
        };
        Failed { reason_code, report }
    }

    /// The paths of the regular files; everything else is a finding.
    fn entries(&self, staged: Vec<Entry>, found: &mut Found) -> Vec<String> {
        let mut regular = Vec::new();
        let mut listing: u64 = 0;
        for entry in staged {
            if let Some(what) = entry.irregular {
                let message = format!("expected a regular file, found {what}");
                self.add(found, Class::Entry, &entry.path, Finding::coded("non_regular_file", message));
            } else if let Err(error) = relpath::parse(&entry.path) {
                self.add(found, Class::Entry, &entry.path, Finding::coded("path_invalid", error.message));
            } else {
                listing += entry.path.len() as u64 + 160;
                regular.push(entry.path);
            }
        }
        if listing > LISTING_LEN_MAX {
            let message = format!("expected fewer staged files, found {}", regular.len());
            self.add(found, Class::Entry, &regular[0], Finding::coded("too_many_artifacts", message));
        }
        regular
    }

    fn check_path(&self, path: &str, others: &Others<'_>, roots: Option<&Roots>, found: &mut Found) {
        if let Some(reserved) = paths::reserved(path, &self.plan.definition) {
            let message = format!("the path is kept for the run's own records: `{reserved}`");
            return self.add(found, Class::Root, path, Finding::coded("path_reserved", message));
        }
        if let Some(roots) = roots.filter(|roots| !roots.allow(path)) {
            let message = format!(
                "expected a path below an output root of the stage ({}); add its root to `extra_roots` of the stage, or \
                 write it elsewhere",
                roots.words()
            );
            self.add(found, Class::Root, path, Finding::coded("outside_output_roots", message));
        }
        if self.secrets.are_in(path.as_bytes()) {
            let message = "the path holds the value of a secret, and paths are recorded".to_owned();
            self.add(found, Class::Ownership, path, Finding::coded("secret_in_path", message));
        }
        if let Some(message) = others.clash(path) {
            return self.add(found, Class::Ownership, path, Finding::coded("path_taken", message));
        }
        if let Some(token) = time_in(path) {
            let message = format!("expected a name that is the same in every run, found `{token}`");
            self.add(found, Class::Ownership, path, Finding::coded("timestamped_filename_disallowed", message));
        }
        let bound: Vec<&str> = outputs(self.stage, path).map(|(words, _)| words).collect();
        match bound.as_slice() {
            [] if self.plan.strict_outputs && dataset_of(self.plan, self.stage, path).is_none() => {
                let message = "no output of the stage names this file".to_owned();
                self.add(found, Class::Ownership, path, Finding::coded("unexpected_output", message));
            }
            [] | [_] => {}
            [first, second, ..] => {
                let message = format!("expected one output that names this file, found `{first}` and `{second}`");
                self.add(found, Class::Ownership, path, Finding::coded("output_ambiguous", message));
            }
        }
    }

    /// Checks that the stage has staged no more than the plan allows. The finding is on the first file, in byte order, that is
    /// too much.
    fn check_amount(&self, tree: &Tree, regular: &[String], found: &mut Found) {
        let files_limit =
            self.stage.staged_files_limit.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        if let Some(path) = regular.get(files_limit) {
            let message = format!("expected at most {files_limit} staged files, found {}", regular.len());
            self.add(found, Class::Ownership, path, Finding::coded("too_many_files", message));
        }
        let Some(bytes_limit) = self.stage.staged_bytes_limit else { return };
        let mut bytes: u64 = 0;
        let mut first = None;
        for path in regular {
            bytes = bytes.saturating_add(len_of(tree, path));
            first = first.or((bytes > bytes_limit).then_some(path));
        }
        if let Some(path) = first {
            let message = format!("expected at most {bytes_limit} staged bytes, found {bytes}");
            self.add(found, Class::Ownership, path, Finding::coded("too_many_bytes", message));
        }
    }

    fn check_presence(&self, regular: &[String], found: &mut Found) {
        let missing = "required_artifact_missing";
        for (path, output) in &self.stage.outputs {
            if output.required && regular.binary_search(path).is_err() {
                let finding = Finding::coded(missing, "the stage must leave this file and did not");
                self.add(found, Class::Missing, path, finding);
            }
        }
        for pattern in self.stage.patterns.iter().filter(|pattern| pattern.output.required) {
            if !regular.iter().any(|path| pattern.glob.matches(path)) {
                let finding = Finding::coded(missing, "the stage must leave a file that matches and left none");
                self.add(found, Class::Missing, pattern.glob.as_str(), finding);
            }
        }
    }

    /// The paths of passed files that no output names, if the stage has outputs at all.
    pub(crate) fn unexpected<'p>(&self, passed: &'p [Artifact]) -> Vec<&'p str> {
        let promises = !self.stage.outputs.is_empty() || !self.stage.patterns.is_empty();
        let is_expected = |path: &str| {
            outputs(self.stage, path).next().is_some() || dataset_of(self.plan, self.stage, path).is_some()
        };
        let paths = passed.iter().map(|artifact| artifact.path.as_str());
        paths.filter(|path| promises && !is_expected(path)).collect()
    }

    /// Whether a document is longer than its mode allows. A sparse file can have any length.
    fn is_beyond_reading(&self, tree: &Tree, regular: &[String]) -> bool {
        regular.iter().any(|path| {
            let id = outputs(self.stage, path).next().and_then(|(_, output)| output.schema.as_deref());
            let schema = id.and_then(|id| self.plan.schemas.get(id));
            let len_max = schema.and_then(|schema| artifact::len_max(&schema.mode));
            len_max.is_some_and(|len_max| len_of(tree, path) > len_max)
        })
    }

    /// Copies every regular file, and measures the copies.
    fn take(
        &self,
        (above, tree): (&Tree, &Tree),
        regular: &[String],
        meter: &Meter<'_>,
        found: &mut Found,
    ) -> Result<Passed, FileError> {
        let mut passed = Passed { artifacts: Vec::new(), custody: Custody::make(above, self.steps)? };
        for path in regular {
            let schema = outputs(self.stage, path).next().and_then(|(_, output)| output.schema.clone());
            self.steps.at(Step::TakeStaged);
            match passed.custody.take(tree, path, meter)? {
                Ok((len, blake3)) => {
                    passed.artifacts.push(Artifact { path: path.clone(), len, blake3, schema });
                }
                Err(error) => self.unreadable(found, path, &error),
            }
        }
        Ok(passed)
    }

    /// Checks every file against its schema.
    fn inspect(
        &self,
        regular: &[String],
        open: &dyn Fn(&str) -> io::Result<File>,
        meter: &Meter<'_>,
        found: &mut Found,
    ) {
        let spelling = if self.plan.canonical_outputs { Spelling::Canonical } else { Spelling::Any };
        let staged = Staged { open, paths: regular, meter };
        for path in regular {
            let schema = outputs(self.stage, path).next().and_then(|(_, output)| output.schema.as_deref());
            let Some(bound) = schema.and_then(|id| self.plan.schemas.get(id)) else { continue };
            match artifact::inspect(staged, path, bound, spelling) {
                Ok(findings) => self.add_all(found, Class::Content, path, findings),
                Err(error) => self.unreadable(found, path, &error),
            }
        }
    }

    /// How many bytes will be read: each file once for its copy and once for its digest, and once more if it is checked
    /// against a schema.
    fn reading_len(&self, tree: &Tree, regular: &[String]) -> u64 {
        let one = |path: &String| {
            let is_bound = outputs(self.stage, path).any(|(_, output)| output.schema.is_some());
            len_of(tree, path).saturating_mul(if is_bound { 3 } else { 2 })
        };
        regular.iter().map(one).fold(0, u64::saturating_add)
    }

    fn unreadable(&self, found: &mut Found, path: &str, error: &io::Error) {
        let why = match error.kind() {
            io::ErrorKind::CrossesDevices => "it is on another mount".to_owned(),
            kind => kind.to_string(),
        };
        let finding = Finding::coded("artifact_unreadable", format!("could not be read: {why}"));
        self.add(found, Class::Entry, path, finding);
    }

    fn add(&self, found: &mut Found, class: Class, path: &str, finding: Finding) {
        self.add_all(found, class, path, vec![finding]);
    }

    /// Every artifact that was checked is in the report, with or without findings.
    fn add_all(&self, found: &mut Found, class: Class, path: &str, findings: Vec<Finding>) {
        if !findings.is_empty() {
            found.first = Some(found.first.map_or(class, |first| first.min(class)));
        }
        let (id, version) = self.schema_of(path);
        let findings = findings.into_iter().map(|finding| self.secrets.mask_finding(finding));
        let all = match found.artifacts.remove(path) {
            Some(earlier) => earlier.errors().iter().cloned().chain(findings).collect(),
            None => findings.collect(),
        };
        found.artifacts.insert(path.to_owned(), ArtifactReport::new(&self.secrets.mask(path), id, version, all));
    }

    /// The schema that the path is bound to, by this stage or by another one. For an unbound path a placeholder.
    fn schema_of(&self, path: &str) -> (&str, &str) {
        let of_missing = |stage: &Stage| {
            let pattern = stage.patterns.iter().find(|pattern| pattern.glob.as_str() == path)?;
            pattern.output.schema.clone()
        };
        let bound = |stage: &Stage| {
            let output = outputs(stage, path).next().and_then(|(_, output)| output.schema.clone());
            output.or_else(|| of_missing(stage))
        };
        let id = bound(self.stage).or_else(|| self.plan.stages.iter().find_map(bound));
        let known = id.and_then(|id| self.plan.schemas.get_key_value(&id));
        let known = known.map(|(id, schema)| (id.as_str(), schema.version.as_str()));
        let elsewhere = || self.plan.elsewhere.iter().find(|bound| bound.glob.matches(path));
        let known = known.or_else(|| elsewhere().map(|bound| (bound.schema.as_str(), bound.version.as_str())));
        known.unwrap_or((UNBOUND_SCHEMA, UNBOUND_SCHEMA_VERSION))
    }
}

/// Whether a link, a file or a mount replaces the staging directory or a directory above it.
fn is_replaced(error: &FileError) -> bool {
    matches!(error.source.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::CrossesDevices)
}

/// The length of a staged file; none if it has been removed.
fn len_of(tree: &Tree, path: &str) -> u64 {
    tree.stat(path).map_or(0, |found| u64::try_from(found.st_size).unwrap_or(0))
}

#[cfg(test)]
mod tests;
