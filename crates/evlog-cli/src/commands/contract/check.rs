//! `evlog contract check`: everything that is wrong in contract files, and in registries of schemas.

mod place;

use super::{kind, size, word};
use crate::error::{CommandError, Verdict};
use crate::files::read_text;
use crate::formats::Format;
use crate::json::{ContractCheck, ContractFinding, hex};
use crate::reports::{Answer, Base, Finding as Reported, Kind, Place, Region, Report, Rule};
use crate::table::counted;
use crate::ui::Ui;
use evlog_lifecycle::form::{Definition, Finding};
use evlog_pipeline::plan::{Registry, RegistryProblem, Scope};
use std::path::{Component, Path, PathBuf};

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
    /// The result, as words for people.
    words: String,
}

struct Problem {
    line: usize,
    column: usize,
    pointer: Option<String>,
    message: String,
}

pub(super) fn run(ui: &mut Ui, files: &[PathBuf], format: Format<Kind>) -> Result<Verdict, CommandError> {
    if let Format::Own(kind) = format {
        return reported(ui, files, kind);
    }
    let mut verdict = Verdict::Yes;
    for path in files {
        let checked = check(path)?;
        if checked.good.is_none() {
            verdict = Verdict::No;
        }
        if format == Format::Json {
            ui.json(&checked.shape(path));
        } else {
            checked.print(ui, path);
        }
    }
    Ok(verdict)
}

fn check(path: &Path) -> Result<Checked, CommandError> {
    let is_registry = path.extension().is_some_and(|extension| extension == "json");
    if is_registry { registry(path) } else { contract(path) }
}

/// A report with a test case for each file. A file that cannot be read ends the check, as in every format, and the report says so.
fn reported(ui: &mut Ui, files: &[PathBuf], kind: Kind) -> Result<Verdict, CommandError> {
    let is_below = |path: &PathBuf| path.components().all(|part| matches!(part, Component::Normal(_)));
    let base = if files.iter().all(is_below) { "." } else { "/" };
    let mut report = Report::new("evlog contract check", "contracts", Base::new("DIR", Path::new(base), "."));
    let help = "docs/contracts.md and docs/registry.md say what these files hold.";
    let rule = report.rule(Rule::new("contract_file", "the file is a valid contract, or a valid registry", help));
    let (mut verdict, class) = (Ok(Verdict::Yes), "contract.check");
    for path in files {
        let shown = path.display().to_string();
        match check(path) {
            Ok(checked) => {
                let found = checked.problems.iter().map(|problem| problem.reported(path, base));
                report.case(rule, class, shown, Answer::found(found));
                verdict = verdict.map(|before| if checked.good.is_some() { before } else { Verdict::No });
            }
            Err(error) => {
                report.case(rule, class, shown, Answer::NotRun(error.message.clone()));
                verdict = Err(error);
                break;
            }
        }
    }
    report.print(ui, kind);
    verdict
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
            words: format!("{} `{}`, {}", word(&definition), definition.name(), size(&definition)),
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
            let (schemas, bindings) = (registry.schemas.len() as u64, registry.bindings.len() as u64);
            let size = format!("{}, {}", counted(schemas, "schema"), counted(bindings, "binding"));
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

impl Problem {
    /// `at /a: what is wrong`.
    fn sentence(&self) -> String {
        let at = self.pointer.as_ref().filter(|pointer| !pointer.is_empty());
        let at = at.map(|pointer| format!("at {pointer}: ")).unwrap_or_default();
        format!("{at}{}", self.message)
    }

    /// The file's path is relative to the base.
    fn reported(&self, path: &Path, base: &str) -> Reported {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let file = if base == "/" { whole.strip_prefix(base).unwrap_or(path) } else { path };
        let (line, column) = (self.line as u64, Some(self.column as u64));
        Reported {
            file: file.display().to_string(),
            region: Region::Text { line, column },
            place: self.pointer.clone().filter(|name| !name.is_empty()).map(|name| Place { kind: "value", name }),
            found: self.message.clone(),
            sentence: format!("{}:{line}:{}: {}", path.display(), self.column, self.sentence()),
            ..Reported::default()
        }
    }
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
        for problem in &self.problems {
            ui.line(format_args!("{path}:{}:{}: {}", problem.line, problem.column, problem.sentence()));
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
