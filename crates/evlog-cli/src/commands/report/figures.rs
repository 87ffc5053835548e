//! Counts: runs by outcome, contract and actor, findings by severity.

use super::gathered::Gathered;
use crate::pages::tone;
use evlog_audit::Severity;
use evlog_report::{Cell, Figure, Form, Tone};
use std::collections::BTreeMap;

/// The most names of one figure; the others are counted together.
const NAMES_MAX: usize = 12;

pub(super) fn figures(gathered: &Gathered) -> Vec<Figure> {
    let runs = &gathered.runs;
    let contract = |run: &evlog::view::RunSummary| match &run.definition {
        Some(definition) => format!("{} {definition}", run.contract),
        None => run.contract.to_owned(),
    };
    let plain = |name: &str| Cell::new(Form::Code, name);
    vec![
        figure("Runs by outcome", "status", runs.iter().map(|run| run.status.clone()), |name| {
            Cell::from(name).toned(tone(name))
        }),
        figure("Runs by contract", "contract", runs.iter().map(contract), plain),
        figure("Runs by actor", "actor", runs.iter().map(|run| run.begun_by.clone()), plain),
        findings(gathered),
    ]
}

fn figure(caption: &str, of: &str, names: impl Iterator<Item = String>, cell: impl Fn(&str) -> Cell) -> Figure {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    // A stable sort: names with equal counts stay in their order.
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let others = counts.split_off(counts.len().min(NAMES_MAX));
    let sum = others.iter().map(|(_, count)| count).sum();
    Figure {
        caption: caption.to_owned(),
        of: of.to_owned(),
        unit: "runs".to_owned(),
        rows: counts.iter().map(|(name, count)| (cell(name), *count)).collect(),
        others: (!others.is_empty()).then_some((others.len() as u64, sum)),
    }
}

/// What is wrong with bytes and contracts is an error; the rules on order have severities of their own.
fn findings(gathered: &Gathered) -> Figure {
    let verified = gathered.check.report.findings.count() + gathered.check.contract_findings.len() as u64;
    let row = |severity: Severity| {
        let more = if severity == Severity::Error { verified } else { 0 };
        let count = gathered.audit.findings.count_by(severity) as u64 + more;
        let tone = match (severity, count) {
            (_, 0) | (Severity::Note, _) => Tone::Plain,
            (Severity::Error, _) => Tone::Bad,
            (Severity::Warning, _) => Tone::Warning,
        };
        (Cell::from(severity.word()).toned(tone), count)
    };
    Figure {
        caption: "Findings by severity".to_owned(),
        of: "severity".to_owned(),
        unit: "findings".to_owned(),
        rows: Severity::ALL.into_iter().map(row).collect(),
        others: None,
    }
}
