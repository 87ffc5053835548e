//! What the plan says about a staged path: which outputs it matches, which stage it belongs to, and whether the stage may
//! leave files in its directory (pipeline.md 4.4, 4.5).
//!
//! Does not: look at files.

use crate::artifact::schema_paths_of;
use crate::glob::Glob;
use crate::paths;
use crate::plan::{ArtifactMode, BoundElsewhere, Output, Pattern, Plan, Stage};
use std::collections::BTreeMap;

/// Where a stage may always stage files: scratch files, which are never compared.
const SCRATCH: &str = "logs/scratch/";

/// The outputs of a stage that a path is, each with the words in which the plan names it. An unexpected file is no output. A
/// path that the plan binds twice is more than one output. A path that is named exactly is that output only: a plan with a
/// pattern that contradicts this is refused.
pub(crate) fn outputs<'s>(stage: &'s Stage, path: &'s str) -> impl Iterator<Item = (&'s str, &'s Output)> {
    let literal = stage.outputs.get_key_value(path).map(|(path, output)| (path.as_str(), output));
    let patterns = if literal.is_some() { &[][..] } else { stage.patterns.as_slice() };
    let matching = patterns.iter().filter(|pattern| pattern.glob.matches(path));
    literal.into_iter().chain(matching.map(|pattern| (pattern.glob.as_str(), &pattern.output)))
}

/// The `_schema.json` of the dataset that a path is a part of, according to the outputs that the stage promises.
pub(super) fn dataset_of(plan: &Plan, stage: &Stage, path: &str) -> Option<String> {
    schema_paths_of(path).find(|named| {
        let mut schemas = outputs(stage, named).filter_map(|(_, output)| plan.schemas.get(output.schema.as_deref()?));
        schemas.any(|schema| matches!(schema.mode, ArtifactMode::ParquetDataset(_)))
    })
}

/// The paths that do not belong to this stage.
pub(super) struct Others<'g> {
    plan: &'g Plan,
    stage: &'g str,
    /// Paths that are published or that the plan promises, each with its stage.
    paths: BTreeMap<&'g str, &'g str>,
    /// The patterns of paths that the plan lets other stages leave, each with its stage.
    patterns: Vec<(&'g Pattern, &'g str)>,
    /// What the plan's registry binds to owners that are not stages of the plan.
    elsewhere: &'g [BoundElsewhere],
}

impl<'g> Others<'g> {
    pub(super) fn new(plan: &'g Plan, stage: &'g str, published: &'g BTreeMap<String, String>) -> Others<'g> {
        let mut others =
            Others { plan, stage, paths: BTreeMap::new(), patterns: Vec::new(), elsewhere: &plan.elsewhere };
        for other in plan.stages.iter().filter(|other| other.id != stage) {
            others.paths.extend(other.outputs.keys().map(|path| (path.as_str(), other.id.as_str())));
            others.patterns.extend(other.patterns.iter().map(|pattern| (pattern, other.id.as_str())));
        }
        others.paths.extend(published.iter().map(|(path, stage)| (path.as_str(), stage.as_str())));
        others
    }

    /// What the path clashes with, worded for a finding.
    pub(super) fn clash(&self, path: &str) -> Option<String> {
        if let Some((other, stage)) = paths::clashing(&self.paths, path) {
            return Some(format!("the path clashes with `{other}` of stage `{stage}`"));
        }
        if let Some((pattern, stage)) = self.patterns.iter().find(|(pattern, _)| pattern.glob.matches(path)) {
            return Some(format!("the path is an output of stage `{stage}`, which leaves `{}`", pattern.glob.as_str()));
        }
        let others = self.plan.stages.iter().filter(|other| other.id != self.stage);
        let part = others.into_iter().find_map(|other| Some((dataset_of(self.plan, other, path)?, &other.id)));
        if let Some((schema, stage)) = part {
            return Some(format!("the path is a part of the dataset `{schema}` of stage `{stage}`"));
        }
        let bound = self.elsewhere.iter().find(|bound| bound.glob.matches(path))?;
        Some(format!("the path is bound to `{}` by the registry (`{}`)", bound.owner, bound.glob.as_str()))
    }
}

/// The place where a stage may stage files.
pub(super) struct Roots(Vec<Root>);

enum Root {
    File(String),
    /// Everything below this directory, which ends with `/`.
    Below(String),
    Matching(Glob),
}

impl Roots {
    /// The roots of the outputs that the stage promises, and those that its plan adds. A stage that promises nothing has no
    /// roots, and may stage files anywhere.
    pub(super) fn of(stage: &Stage) -> Option<Roots> {
        let literal = stage.outputs.keys().map(|path| Root::of(path));
        let patterns = stage.patterns.iter().map(|pattern| Root::of_glob(&pattern.glob));
        let extra = stage.extra_roots.iter().cloned();
        let extra = extra.map(|root| if root.ends_with('/') { Root::Below(root) } else { Root::File(root) });
        let roots: Vec<Root> = literal.chain(patterns).chain(extra).collect();
        (!roots.is_empty()).then_some(Roots(roots))
    }

    pub(super) fn allow(&self, path: &str) -> bool {
        path.starts_with(SCRATCH)
            || self.0.iter().any(|root| match root {
                Root::File(file) => path == file,
                Root::Below(directory) => path.starts_with(directory),
                Root::Matching(glob) => glob.matches(path),
            })
    }

    /// The roots, for messages. If there are many, only some.
    pub(super) fn words(&self) -> String {
        const SHOWN: usize = 8;
        let mut words: Vec<String> = self.0.iter().map(|root| format!("`{}`", root.word())).collect();
        words.sort_unstable();
        words.dedup();
        if words.len() > SHOWN {
            let more = words.split_off(SHOWN).len();
            words.push(format!("{more} more"));
        }
        words.join(", ")
    }
}

impl Root {
    /// The root that a path belongs to: for `a/b/c` everything below `a/`; for `inputs/b/c` everything below `inputs/b/`. A
    /// file directly in the bundle or in `inputs/` is its own root.
    fn of(path: &str) -> Root {
        let segments: Vec<&str> = path.split('/').collect();
        match root_len(&segments) {
            0 => Root::File(path.to_owned()),
            len => Root::Below(segments[..len].join("/") + "/"),
        }
    }

    fn of_glob(glob: &Glob) -> Root {
        let segments: Vec<&str> = glob.as_str().split('/').collect();
        let text = match root_len(&segments) {
            0 => glob.as_str().to_owned(),
            len => segments[..len].join("/") + "/**",
        };
        Root::Matching(Glob::parse(&text).unwrap_or_else(|_| glob.clone()))
    }

    fn word(&self) -> &str {
        match self {
            Root::File(text) | Root::Below(text) => text,
            Root::Matching(glob) => glob.as_str(),
        }
    }
}

/// How many segments of the path are its root's directory; 0 if the path itself is the root.
fn root_len(segments: &[&str]) -> usize {
    match segments {
        ["inputs", _] | [_] => 0,
        ["inputs", ..] => 2,
        _ => 1,
    }
}
