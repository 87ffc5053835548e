//! `evlog contract check`: everything that is wrong in contract files, and in registries of contracts.

mod place;

use super::{kind, size};
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::files::read_text;
use crate::json::{ContractCheck, ContractFinding, hex};
use crate::table::counted;
use crate::ui::Ui;
use evlog_lifecycle::form::{Definition, Finding};
use evlog_pipeline::plan::{Registry, RegistryProblem, Scope};
use std::path::{Path, PathBuf};

/// What was found of a file.
struct Checked {
    /// What it is, unless something is wrong.
    good: Option<Good>,
    problems: Vec<Problem>,
}

struct Good {
    name: String,
    kind: &'static str,
    blake3: String,
    /// The same for people.
    words: String,
}

struct Problem {
    line: usize,
    column: usize,
    pointer: Option<String>,
    message: String,
}

pub(super) fn run(ui: &mut Ui, context: &Context, files: &[PathBuf]) -> Result<Verdict, CommandError> {
    let mut verdict = Verdict::Yes;
    for path in files {
        let is_registry = path.extension().is_some_and(|extension| extension == "json");
        let checked = if is_registry { registry(path)? } else { contract(path)? };
        if checked.good.is_none() {
            verdict = Verdict::No;
        }
        if context.json {
            ui.json(&checked.shape(path));
        } else {
            checked.print(ui, path);
        }
    }
    Ok(verdict)
}

fn contract(path: &Path) -> Result<Checked, CommandError> {
    let one = |finding: Finding| Problem {
        line: finding.line,
        column: finding.column,
        pointer: None,
        message: finding.message,
    };
    Ok(match super::read(path)? {
        Ok(definition) => Checked::good(Good {
            words: format!("{} `{}`, {}", kind(&definition), definition.name(), size(&definition)),
            name: definition.name().to_owned(),
            kind: kind(&definition),
            blake3: hex(&Definition::digest(&definition)),
        }),
        Err(findings) => Checked { good: None, problems: findings.into_iter().map(one).collect() },
    })
}

/// Checks a registry without a plan, so the names of stages are not checked.
fn registry(path: &Path) -> Result<Checked, CommandError> {
    let text = read_text(path, Registry::FILE_LEN_MAX)?;
    let one = |problem: RegistryProblem| {
        let (line, column) = place::of(&text, &problem.pointer);
        Problem { line, column, pointer: Some(problem.pointer), message: problem.message }
    };
    Ok(match Registry::load(path, Scope::AnyPipeline) {
        Ok(registry) => {
            let (contracts, bindings) = (registry.contracts.len() as u64, registry.bindings.len() as u64);
            let size = format!("{}, {}", counted(contracts, "contract"), counted(bindings, "binding"));
            Checked::good(Good {
                words: format!("registry {}, {size}", registry.version),
                name: registry.version,
                kind: "registry",
                blake3: hex(&registry.blake3),
            })
        }
        Err(error) => Checked { good: None, problems: error.problems.into_iter().map(one).collect() },
    })
}

impl Checked {
    fn good(good: Good) -> Checked {
        Checked { good: Some(good), problems: Vec::new() }
    }

    fn print(&self, ui: &mut Ui, path: &Path) {
        let path = path.display();
        if let Some(good) = &self.good {
            return ui.line(format_args!("{path}: {}", good.words));
        }
        for Problem { line, column, pointer, message } in &self.problems {
            let at = pointer.as_ref().filter(|pointer| !pointer.is_empty());
            let at = at.map(|pointer| format!("at {pointer}: ")).unwrap_or_default();
            ui.line(format_args!("{path}:{line}:{column}: {at}{message}"));
        }
        ui.talk(format_args!("{path}: {}", counted(self.problems.len() as u64, "finding")));
    }

    fn shape<'c>(&'c self, path: &Path) -> ContractCheck<'c> {
        let one = |problem: &'c Problem| ContractFinding {
            line: problem.line,
            column: problem.column,
            pointer: problem.pointer.as_deref(),
            message: &problem.message,
        };
        let good = self.good.as_ref();
        ContractCheck {
            file: path.display().to_string(),
            good: good.is_some(),
            name: good.map(|good| good.name.as_str()),
            kind: good.map(|good| good.kind),
            blake3: good.map(|good| good.blake3.clone()),
            findings: self.problems.iter().map(one).collect(),
        }
    }
}
