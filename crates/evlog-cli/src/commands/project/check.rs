//! Compares the bundles of a directory with the log. Never writes.

use super::report::{Listed, Report, empty, print};
use super::{ProjectArgs, runs_of};
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::files::{self, Found, RUN_FILE, RUNS};
use crate::reports::settled;
use crate::ui::{Ui, Unit};
use evlog::View;
use evlog::bundles::bundles;
use evlog::replay::origin::origins;
use evlog_lifecycle::pipeline::STAGING;
use evlog_pipeline::captured_path;
use evlog_projection::{Bundle, FoldError};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// The lists in `run.json` of the files that stages made, and of the output that was captured.
const LISTS: [&str; 2] = ["artifacts", "captured"];
/// The state of a stage in it that has begun and has no outcome.
const RUNNING: &str = "running";

pub(super) fn run(ui: &mut Ui, context: &Context, args: &ProjectArgs, dir: &Path) -> Result<Verdict, CommandError> {
    let format = args.answered.format(context);
    let done = compared(ui, context, args, dir);
    let done = done.map(|report| {
        print(ui, format, dir, &report);
        Verdict::of(report.findings.is_empty())
    });
    settled(ui, format, || empty(dir), done)
}

fn compared(ui: &Ui, context: &Context, args: &ProjectArgs, dir: &Path) -> Result<Report, CommandError> {
    let view = context.view(&args.at)?;
    let Some(names) = runs_of(&view, args)? else {
        return Err(CommandError::no_run(&view, args.run.as_deref().unwrap_or_default()));
    };
    let mut report = compared_with(ui, &view, &names, dir)?;
    if args.run.is_none() {
        report.unknown_runs(&dir.join(RUNS), &names)?;
    }
    Ok(report)
}

/// Compares all bundles below a directory with what the view gives.
pub(in crate::commands) fn all(ui: &Ui, view: &View, dir: &Path) -> Result<Report, CommandError> {
    let names = view.run_names()?;
    let mut report = compared_with(ui, view, &names, dir)?;
    report.unknown_runs(&dir.join(RUNS), &names)?;
    Ok(report)
}

fn compared_with(ui: &Ui, view: &View, names: &[String], dir: &Path) -> Result<Report, CommandError> {
    let runs = dir.join(RUNS);
    if !runs.is_dir() {
        let message = format!("there is no directory `{}` with bundles to compare", runs.display());
        return Err(CommandError::user(message)
            .hint("give the directory that holds `runs`; if no bundles were written yet, `evlog project --out DIR` writes them"));
    }
    let mut report = Report::default();
    let progress = ui.progress("check", names.len() as u64, Unit::Runs);
    bundles(view, names, &mut |name, bundle| {
        check_run(view, bundle, name, &runs.join(name), &mut report)?;
        progress.step();
        Ok::<_, CommandError>(())
    })?;
    drop(progress);
    Ok(report)
}

fn check_run(
    view: &View,
    bundle: Result<Option<Bundle>, FoldError>,
    name: &str,
    root: &Path,
    report: &mut Report,
) -> Result<(), CommandError> {
    let bundle = match bundle {
        Ok(Some(bundle)) => bundle,
        // The run begins after the requested seq.
        Ok(None) => return Ok(()),
        Err(error) => {
            report.add("unreadable", name, None, "a run that can be folded", error.to_string());
            return Ok(());
        }
    };
    report.runs += 1;
    let (from, mut sought) = (report.findings.len(), Vec::new());
    for file in bundle.files.values() {
        report.files += 1;
        let before = report.findings.len();
        match files::find(&root.join(&file.path), file.bytes.len())? {
            Found::File(bytes) => sought.extend(report.compare(name, file, &bytes)),
            other => report.absent(name, &file.path, "the projected file", &other),
        }
        report.same_since(before, name, &file.path);
    }
    if report.findings.len() > from {
        report.explain(from, &bundle, &sought, &origins(view, name, &sought)?);
    }
    let state = state(&bundle);
    let (listed, growing) = (listed(&state), growing(&state));
    for artifact in listed.iter().filter(|artifact| !growing.contains(&artifact.path)) {
        report.artifacts += 1;
        let before = report.findings.len();
        report.artifact(name, root, artifact)?;
        report.same_since(before, name, &artifact.path);
    }
    let known: BTreeSet<&str> =
        bundle.files.keys().map(String::as_str).chain(listed.iter().map(|artifact| artifact.path.as_str())).collect();
    let unfinished: BTreeSet<String> = bundle.files.keys().map(|path| unfinished(path)).collect();
    for path in files::walk(root, STAGING)? {
        if !known.contains(path.as_str()) && !unfinished.contains(&path) && !growing.contains(&path) {
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

/// A temporary file that a killed run leaves beside the file that it was writing. The next attempt to write the file replaces it.
fn unfinished(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((directory, name)) => format!("{directory}/.{name}.tmp"),
        None => format!(".{path}.tmp"),
    }
}

fn state(bundle: &Bundle) -> Value {
    let file = bundle.files.get(RUN_FILE);
    file.and_then(|file| serde_json::from_slice(&file.bytes).ok()).unwrap_or_default()
}

/// The outputs of stages that have begun and not ended. Each grows while its stage runs, and the log accounts for it after that.
fn growing(state: &Value) -> BTreeSet<String> {
    let stages = state["stages"].as_array().filter(|_| state["contract"] == "pipeline");
    let running = stages.into_iter().flatten().filter(|stage| stage["state"] == RUNNING);
    running.filter_map(|stage| stage["stage"].as_str()).map(captured_path).collect()
}

fn listed(state: &Value) -> Vec<Listed> {
    let items = LISTS.iter().filter_map(|list| state[*list].as_array()).flatten();
    let text = |item: &Value, key: &str| item[key].as_str().map(str::to_owned);
    items
        .filter_map(|item| {
            Some(Listed { path: text(item, "path")?, bytes: item["bytes"].as_u64()?, blake3: text(item, "blake3")? })
        })
        .collect()
}
