//! The registry that a plan names. Its bindings add outputs to the plan's stages (rules K-13 to K-17).

use super::{Outputs, Problems, hex};
use crate::glob::{Exhausted, Glob, Steps};
use crate::limits::COMPARING_MAX;
use crate::plan::registry::{Binding, Registry, RegistryError, RegistryProblem, Scope};
use crate::plan::{ArtifactSchema, BoundElsewhere, Output, Pattern, raw};
use crate::schema::Texts;
use evlog_lifecycle::pipeline::{Definition, is_required};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

/// The registry that a plan names, the workspace registry if it names one, and the name in the plan.
#[derive(Debug)]
pub(super) struct Named {
    registry: Registry,
    workspace: Option<Registry>,
    name: String,
}

/// Reads the registries that the plan names, and reports their mistakes and where they disagree.
pub(super) fn load(
    directory: &Path,
    raw: &raw::Plan,
    definition: &Definition,
    problems: &mut Problems,
) -> Option<Named> {
    let Some(name) = &raw.registry else {
        if let Some(twin) = &raw.workspace_registry {
            problems.at(twin.span(), "expected a `registry` beside `workspace_registry`, found none");
        }
        return None;
    };
    let mut read = |name: &Spanned<String>, scope: Scope<'_>| {
        let RegistryError { problems: found, .. } = match Registry::load(&directory.join(name.get_ref()), scope) {
            Ok(registry) => return Some(registry),
            Err(error) => error,
        };
        for problem in found {
            problems.at(name.span(), in_words(name.get_ref(), &problem));
        }
        None
    };
    let registry = read(name, Scope::Pipeline(definition));
    let workspace = raw.workspace_registry.as_ref().map(|twin| read(twin, Scope::Workspace));
    if let (Some(registry), Some(Some(workspace)), Some(twin)) = (&registry, &workspace, &raw.workspace_registry) {
        for problem in registry.disagreements(workspace) {
            problems.at(twin.span(), in_words(twin.get_ref(), &problem));
        }
    }
    Some(Named { registry: registry?, workspace: workspace.flatten(), name: name.get_ref().clone() })
}

/// A problem of a registry, as a message at the place where the plan names it.
fn in_words(name: &str, problem: &RegistryProblem) -> String {
    let between = if problem.pointer.is_empty() { ':' } else { ',' };
    format!("registry `{name}`{between} {problem}")
}

/// Adds the schemas that the registry binds stages' files to, to the plan's own schemas.
pub(super) fn add_schemas(
    named: &mut Named,
    raw: &raw::Plan,
    schemas: &mut BTreeMap<String, ArtifactSchema>,
    problems: &mut Problems,
) {
    for schema in &raw.schema {
        let id = schema.id.get_ref();
        if named.registry.schemas.contains_key(id) {
            let message = format!("schema `{id}` is in registry `{}` already", named.name);
            problems.at(schema.id.span(), message);
        }
    }
    for (id, registered) in &mut named.registry.schemas {
        if let Some(artifact) = registered.artifact.take() {
            schemas.entry(id.clone()).or_insert(artifact);
        }
    }
}

impl Named {
    /// Whether the registry, and not a `[[schema]]`, defines this schema.
    pub(super) fn has(&self, schema: &str) -> bool {
        self.registry.schemas.contains_key(schema)
    }

    /// Checks that a stage may name a path as its output, with this schema.
    pub(super) fn check_path(&self, stage: &str, path: &str, schema: Option<&str>) -> Result<(), String> {
        let Some(binding) = self.registry.binding_of(path) else {
            return self.check_unbound(path, schema);
        };
        let words = self.words(binding);
        if binding.owner != stage {
            return Err(format!("`{path}` belongs to `{}`: {words}", binding.owner));
        }
        if schema != Some(binding.schema.as_str()) {
            let found = schema.map_or("none".to_owned(), |id| format!("`{id}`"));
            return Err(format!("`{path}`: expected schema `{}`, found {found}: {words}", binding.schema));
        }
        Ok(())
    }

    /// Checks that a stage may name all paths that match as its outputs, with this schema.
    pub(super) fn check_glob(&self, glob: &Glob, schema: Option<&str>, steps: &mut Steps) -> Result<(), String> {
        let text = glob.as_str();
        match self.registry.meeting(glob, steps) {
            Ok(Some((binding, path))) => {
                Err(format!("`{text}` matches `{path}`, and so does a binding: {}", self.words(binding)))
            }
            Ok(None) => self.check_unbound(text, schema),
            Err(Exhausted) => Err(format!(
                "`{text}`: comparing the patterns of the plan with those of registry `{}` takes more than {COMPARING_MAX} \
                 steps; expected patterns that a fixed beginning or end of a segment tells apart",
                self.name
            )),
        }
    }

    /// Checks a path without a binding: its schema must not come from the registry, and the path must not clash with a bound
    /// path.
    fn check_unbound(&self, path: &str, schema: Option<&str>) -> Result<(), String> {
        if let Some(id) = schema.filter(|id| self.has(id)) {
            return Err(format!("registry `{}` does not bind `{path}` to schema `{id}`", self.name));
        }
        let literal = self.registry.bindings.iter().filter(|binding| binding.glob.is_literal());
        match literal.into_iter().find(|binding| crate::paths::clash(path, binding.glob.as_str())) {
            Some(binding) => Err(format!("`{path}` clashes with a binding: {}", self.words(binding))),
            None => Ok(()),
        }
    }

    /// A binding in the words of a message.
    fn words(&self, binding: &Binding) -> String {
        let Binding { glob, schema, owner, index } = binding;
        let (name, glob) = (&self.name, glob.as_str());
        format!("registry `{name}`, at /bindings/{index}, binds `{glob}` to schema `{schema}` and `{owner}`")
    }

    /// Adds the bindings of a stage to its outputs. `required` is what the plan says about all files of a schema. A pattern
    /// without a match is not missing (pipeline.md, Appendix B).
    pub(super) fn add_outputs(
        &self,
        stage: &raw::Stage,
        definition: &Definition,
        required: &BTreeMap<String, (Range<usize>, bool)>,
        outputs: &mut Outputs,
        problems: &mut Problems,
    ) {
        let id = stage.id.get_ref();
        for (schema, (span, _)) in required {
            if !self.registry.bindings_of(id).any(|binding| binding.schema == *schema) {
                let message = format!("registry `{}` binds nothing of stage `{id}` to schema `{schema}`", self.name);
                problems.at(span.clone(), message);
            }
        }
        for binding in self.registry.bindings_of(id) {
            let path = binding.glob.as_str();
            if outputs.paths.contains_key(path) {
                continue;
            }
            let said = required.get(&binding.schema).map(|(_, required)| *required);
            let said = said.or_else(|| is_required(definition, id, &binding.schema));
            if said.is_none() && stage.enabled {
                let message = format!(
                    "stage `{id}`: nothing says whether files of schema `{0}` are required: {1}. Add [[stage.output]] with \
                     schema = \"{0}\" and `required`",
                    binding.schema,
                    self.words(binding)
                );
                problems.at(stage.id.span(), message);
            }
            let schema = Some(binding.schema.clone());
            if binding.glob.is_literal() {
                let output = Output { schema, required: said.unwrap_or(false) };
                outputs.paths.insert(path.to_owned(), output);
            } else {
                let output = Output { schema, required: false };
                outputs.patterns.push(Pattern { glob: binding.glob.clone(), output });
            }
        }
    }

    /// The bindings to owners that are not stages of the plan.
    pub(super) fn elsewhere(&self, is_stage: &dyn Fn(&str) -> bool) -> Vec<BoundElsewhere> {
        let others = self.registry.bindings.iter().filter(|binding| !is_stage(&binding.owner));
        let one = |binding: &Binding| BoundElsewhere {
            glob: binding.glob.clone(),
            owner: binding.owner.clone(),
            schema: binding.schema.clone(),
            version: self.registry.schemas.get(&binding.schema).map(|known| known.version.clone()).unwrap_or_default(),
        };
        others.map(one).collect()
    }

    /// Whether a schema counts in the plan's digest. A schema of the registry counts if it is bound to a stage that takes part.
    pub(super) fn counts(&self, schema: &str, is_enabled: &dyn Fn(&str) -> bool) -> bool {
        let bound = |binding: &Binding| binding.schema == schema && is_enabled(&binding.owner);
        !self.has(schema) || self.registry.bindings.iter().any(bound)
    }

    /// The texts of the registries, and the places of their digests in the plan's content.
    pub(super) fn texts(&self) -> Vec<(String, Texts)> {
        let of = |name: &str, registry: &Registry| (format!("/registries/{name}"), Texts(vec![registry.said.clone()]));
        let workspace = self.workspace.as_ref().map(|twin| of("workspace", twin));
        std::iter::once(of("registry", &self.registry)).chain(workspace).collect()
    }

    /// What the registries say, for the plan's digest.
    pub(super) fn digest(&self) -> Value {
        let workspace = self.workspace.as_ref().map(|twin| hex(twin.blake3));
        json!({"registry": hex(self.registry.blake3), "workspace": workspace})
    }
}
