//! Compares the bundles of a directory with the log. Never writes.

use super::{ProjectArgs, RUNS, runs_of};
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::files::{self, Found};
use crate::json::{CheckFinding, CheckObject, hex};
use crate::table::counted;
use crate::ui::{Tone, Ui, Unit};
use evlog::{LogError, View};
use evlog_projection::{Bundle, difference::first_difference};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What exists only while a stage runs.
const STAGING: &str = ".staging";
/// Holds the lists of the files that stages made, and of the output that was captured.
const RUN_FILE: &str = "run.json";
const LISTS: [&str; 2] = ["artifacts", "captured"];

#[derive(Default)]
struct Report {
    runs: u64,
    files: u64,
    artifacts: u64,
    findings: Vec<CheckFinding>,
}

pub(super) fn run(ui: &mut Ui, context: &Context, args: &ProjectArgs, dir: &Path) -> Result<Verdict, CommandError> {
    let view = context.view(args.at.at)?;
    let Some(names) = runs_of(&view, args)? else {
        ui.no_run(args.run.as_deref().unwrap_or_default());
        return Ok(Verdict::No);
    };
    let runs = dir.join(RUNS);
    if !runs.is_dir() {
        let message = format!("no directory `{}`: expected the bundles in it", runs.display());
        return Err(CommandError::user(message)
            .hint("DIR is the directory that holds `runs`; `evlog project --out DIR` writes it"));
    }
    let mut report = Report::default();
    let progress = ui.progress("check", names.len() as u64, Unit::Runs);
    for name in &names {
        check_run(&view, name, &runs.join(name), &mut report)?;
        progress.step();
    }
    drop(progress);
    if args.run.is_none() {
        report.unknown_runs(&runs, &names)?;
    }
    tell(ui, context, &report)?;
    Ok(Verdict::of(report.findings.is_empty()))
}

fn check_run(view: &View, name: &str, root: &Path, report: &mut Report) -> Result<(), CommandError> {
    let bundle = match view.bundle(name) {
        Ok(Some(bundle)) => bundle,
        // A run that begins after the seq that was asked for.
        Ok(None) => return Ok(()),
        Err(LogError::Fold(error)) => {
            report.add("unreadable", name, None, "a run that can be folded", error.to_string());
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    report.runs += 1;
    for file in bundle.files.values() {
        report.files += 1;
        match files::find(&root.join(&file.path))? {
            Found::File(bytes) => report.compare(name, &file.path, &file.bytes, &bytes),
            other => report.absent(name, &file.path, "the projected file", &other),
        }
    }
    let listed = listed(&bundle);
    for artifact in &listed {
        report.artifacts += 1;
        report.artifact(name, root, artifact)?;
    }
    let known: BTreeSet<&str> =
        bundle.files.keys().map(String::as_str).chain(listed.iter().map(|artifact| artifact.path.as_str())).collect();
    for path in files::walk(root, STAGING)? {
        if !known.contains(path.as_str()) {
            report.add(
                "unexpected",
                name,
                Some(&path),
                "no such file",
                "a file that the log does not account for".to_owned(),
            );
        }
    }
    Ok(())
}

/// A file that the log holds the digest of, and not the bytes.
struct Listed {
    path: String,
    bytes: u64,
    blake3: String,
}

fn listed(bundle: &Bundle) -> Vec<Listed> {
    let state = bundle.files.get(RUN_FILE).and_then(|file| serde_json::from_slice::<Value>(&file.bytes).ok());
    let state = state.unwrap_or_default();
    let items = LISTS.iter().filter_map(|list| state[*list].as_array()).flatten();
    let text = |item: &Value, key: &str| item[key].as_str().map(str::to_owned);
    items
        .filter_map(|item| {
            Some(Listed { path: text(item, "path")?, bytes: item["bytes"].as_u64()?, blake3: text(item, "blake3")? })
        })
        .collect()
}

impl Report {
    fn add(
        &mut self,
        finding: &'static str,
        run: &str,
        path: Option<&str>,
        expected: impl Into<String>,
        found: String,
    ) {
        self.findings.push(CheckFinding {
            finding,
            run: run.to_owned(),
            path: path.map(str::to_owned),
            line: None,
            pointer: None,
            expected: expected.into(),
            found,
        });
    }

    fn compare(&mut self, run: &str, path: &str, expected: &[u8], found: &[u8]) {
        let Some(difference) = first_difference(path, expected, found) else { return };
        self.findings.push(CheckFinding {
            finding: "different",
            run: run.to_owned(),
            path: Some(path.to_owned()),
            line: difference.line.map(|line| line as u64),
            pointer: Some(difference.pointer),
            expected: difference.expected,
            found: difference.found,
        });
    }

    fn absent(&mut self, run: &str, path: &str, expected: &str, found: &Found) {
        match found {
            Found::Nothing => self.add("missing", run, Some(path), expected, "nothing".to_owned()),
            Found::Other(what) => self.add("different", run, Some(path), expected, (*what).to_owned()),
            Found::File(_) => {}
        }
    }

    fn artifact(&mut self, run: &str, root: &Path, artifact: &Listed) -> Result<(), CommandError> {
        let Listed { path, bytes, blake3 } = artifact;
        match files::measure(&root.join(path))? {
            Ok((len, digest)) => {
                let digest = hex(&digest);
                if (len, &digest) != (*bytes, blake3) {
                    let expected = format!("{bytes} bytes of BLAKE3 {blake3}");
                    self.add("different", run, Some(path), expected, format!("{len} bytes of BLAKE3 {digest}"));
                }
            }
            Err(other) => self.absent(run, path, "the file that the stage published", &other),
        }
        Ok(())
    }

    /// Directories of runs that the log does not know.
    fn unknown_runs(&mut self, runs: &Path, known: &[String]) -> Result<(), CommandError> {
        for name in files::names(runs)? {
            // `.locks` and the like are not runs: run ids begin with a letter or a digit.
            if !name.starts_with('.') && known.binary_search(&name).is_err() {
                self.add("unknown_run", &name, None, "a run of the log", "a directory of no such run".to_owned());
            }
        }
        Ok(())
    }
}

fn tell(ui: &mut Ui, context: &Context, report: &Report) -> Result<(), CommandError> {
    let Report { runs, files, artifacts, findings } = report;
    if context.json {
        return ui.json(&CheckObject { runs: *runs, files: *files, artifacts: *artifacts, findings });
    }
    for finding in findings {
        ui.line(format_args!("{}", sentence(ui, finding)))?;
    }
    let (word, tone) = match findings.len() {
        0 => ("the same, byte for byte".to_owned(), Tone::Good),
        1 => ("1 difference".to_owned(), Tone::Bad),
        count => (format!("{count} differences"), Tone::Bad),
    };
    let word = ui.paint(tone, &word);
    let [files, artifacts] = [counted(*files, "projected file"), counted(*artifacts, "artifact")];
    ui.line(format_args!("{word}: {files} and {artifacts} of {}", counted(*runs, "run")))
}

/// `runs/R/run.json, line 3, at /status: expected "failed", found "success"`.
fn sentence(ui: &Ui, finding: &CheckFinding) -> String {
    let mut place = PathBuf::from(RUNS).join(&finding.run);
    place.extend(&finding.path);
    let place = ui.paint(Tone::Strong, &place.display().to_string());
    let line = finding.line.map(|line| format!(", line {line}")).unwrap_or_default();
    let pointer = finding.pointer.as_deref().filter(|pointer| !pointer.is_empty());
    let pointer = pointer.map(|pointer| format!(", at {pointer}")).unwrap_or_default();
    let CheckFinding { finding, expected, found, .. } = finding;
    let word = ui.paint(Tone::Bad, finding);
    format!("{word}: {place}{line}{pointer}: expected {expected}, found {found}")
}
