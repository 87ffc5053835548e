//! The answer for people: a line for each finding, then the checks that were run and those that were not.

use super::result;
use crate::table::{counted, facts};
use crate::ui::{Text, Tone, Ui};
use evlog_conform::{Checked, Conformance, Finding};
use std::path::Path;

pub(super) fn print(ui: &mut Ui, bundle: &Path, pipeline: &str, found: &Conformance) {
    for (check, finding) in found.findings() {
        let Finding { file, pointer, expected, found } = finding;
        let at = if pointer.is_empty() { String::new() } else { format!(", at {pointer}") };
        let line = Text::default().toned(Tone::Bad, format_args!("check {}", check.number)).plain(": ");
        ui.line(line.toned(Tone::Strong, file).plain(format_args!("{at}: expected {expected}, found {found}")));
    }
    for checked in found.checks.iter().filter(|checked| checked.count > checked.findings().len()) {
        let more = checked.count - checked.findings().len();
        ui.line(format_args!("check {}: and {more} more", checked.check.number));
    }
    summary(ui, bundle, pipeline, found);
    if !has_manifest(bundle) {
        ui.flush();
        ui.advise(&format!(
            "there is no file `{}`: a bundle is the directory of one run, such as `runs/RUN`",
            bundle.join("manifest.json").display()
        ));
    }
    if let Some(other) = &found.other_pipeline {
        ui.flush();
        ui.advise(&format!("the manifest names the pipeline `{other}`: give it with `--plan` or `--pipeline`"));
    }
}

/// Whether anything is where the manifest of a bundle should be.
fn has_manifest(bundle: &Path) -> bool {
    bundle.join("manifest.json").symlink_metadata().is_ok()
}

fn summary(ui: &mut Ui, bundle: &Path, pipeline: &str, found: &Conformance) {
    let of = |word: &str| -> Vec<&Checked> { found.checks.iter().filter(|checked| result(checked) == word).collect() };
    let (passed, failed, left) = (of("passed"), of("failed"), of("not_run"));
    let (verdict, tone) = match found.count() {
        0 => ("conforms".to_owned(), Tone::Good),
        count => (format!("does not conform: {}", counted(count as u64, "finding")), Tone::Bad),
    };
    let failed_ones = if failed.is_empty() { String::new() } else { format!(" ({})", numbers(&failed)) };
    let checks = format!("{} passed, {} failed{failed_ones}, {} not run", passed.len(), failed.len(), left.len());
    let run = found.run.as_deref().map_or("unknown", |run| run).to_owned();
    let status = found.status.as_deref().unwrap_or("unknown");
    let mut rows = vec![
        ("verdict", verdict, tone),
        ("bundle", bundle.display().to_string(), Tone::Plain),
        ("run", run, Tone::Plain),
        ("status", status.to_owned(), Tone::of(status)),
        ("pipeline", pipeline.to_owned(), Tone::Plain),
        ("checks", checks, Tone::Plain),
    ];
    let mut reasons: Vec<String> = Vec::new();
    for reason in left.iter().filter_map(|checked| checked.answer.as_ref().err().map(ToString::to_string)) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    for (index, reason) in reasons.iter().enumerate() {
        let same =
            |checked: &&&Checked| checked.answer.as_ref().err().map(ToString::to_string).as_ref() == Some(reason);
        let those: Vec<&Checked> = left.iter().filter(same).copied().collect();
        let label = if index == 0 { "not run" } else { "" };
        rows.push((label, format!("{}: {}", numbers(&those), reason), Tone::Faint));
    }
    facts(ui, &rows);
}

fn numbers(checks: &[&Checked]) -> String {
    checks.iter().map(|checked| checked.check.number.to_string()).collect::<Vec<String>>().join(", ")
}
