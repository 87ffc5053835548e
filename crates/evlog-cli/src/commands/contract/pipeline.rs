//! A pipeline, as tables and as a Mermaid flowchart.

use super::heading;
use crate::table::{self, Cell, counted};
use crate::ui::{Tone, Ui};
use evlog_lifecycle::pipeline::{Definition, FailMode, StageDefinition, SubstageDefinition, root_of};
use std::fmt::Write as _;

pub(super) fn size(pipeline: &Definition) -> String {
    let codes = pipeline.catalogue().rows().count() as u64;
    format!("{}, {}", counted(pipeline.stages().len() as u64, "stage"), counted(codes, "reason code"))
}

pub(super) fn text(ui: &mut Ui, pipeline: &Definition) {
    ui.line(format_args!(""));
    let row = |(index, stage): (usize, &StageDefinition)| -> Vec<Cell> {
        let enabled = if stage.enabled { "yes" } else { "no" };
        vec![
            (index.to_string(), Tone::Faint),
            (stage.id.clone(), Tone::Strong),
            (stage.fail_mode.word().to_owned(), Tone::Plain),
            (enabled.to_owned(), Tone::Plain),
        ]
    };
    let rows: Vec<Vec<Cell>> = pipeline.stages().iter().enumerate().map(row).collect();
    table::print(ui, &["", "STAGE", "FAIL MODE", "ENABLED"], &rows);
    substages(ui, pipeline);
    if !pipeline.order().is_empty() {
        heading(ui, "Order, within a run");
        for rule in pipeline.order() {
            ui.line(format_args!("`{}` is settled before `{}`", rule.before, rule.after));
        }
    }
    super::rules(ui, pipeline.rules());
    heading(ui, "Reason codes");
    let rows = pipeline.catalogue().rows().map(|(stage, code, row)| -> Vec<Cell> {
        let mode = row.fail_mode.map_or("configured", FailMode::word);
        let must = row.must.map_or("", |must| must.word());
        let plain = |text: &str| (text.to_owned(), Tone::Plain);
        vec![(stage.to_owned(), Tone::Strong), plain(code), plain(row.severity.word()), plain(mode), plain(must)]
    });
    table::print(ui, &["STAGE", "CODE", "SEVERITY", "FAIL MODE", "ALWAYS"], &rows.collect::<Vec<_>>());
}

fn substages(ui: &mut Ui, pipeline: &Definition) {
    let row = |(stage, known): (&str, &SubstageDefinition)| -> Vec<Cell> {
        let closed = if pipeline.catalogue().is_closed(stage) { "own only" } else { "own and *" };
        let demands = known.coupling.map_or("", |coupling| coupling.word());
        vec![
            (stage.to_owned(), Tone::Strong),
            (closed.to_owned(), Tone::Plain),
            (demands.to_owned(), Tone::Plain),
            (known.parent_code.clone().unwrap_or_default(), Tone::Plain),
        ]
    };
    let rows: Vec<Vec<Cell>> = pipeline.substages().map(row).collect();
    if rows.is_empty() {
        return;
    }
    heading(ui, "Substages");
    table::print(ui, &["SUBSTAGE", "CODES", "ITS FAILURE DEMANDS", "PARENT'S CODE"], &rows);
}

/// A Mermaid flowchart: the stages in order, with their substages. Nodes have numbers as ids, so that no name collides
/// with a keyword of Mermaid.
pub(super) fn mermaid(pipeline: &Definition) -> String {
    let mut text = format!("---\ntitle: {}\n---\nflowchart LR\n", pipeline.name());
    let mut line = |line: String| writeln!(text, "  {line}").unwrap_or_else(|_| unreachable!("text grows"));
    for (index, stage) in pipeline.stages().iter().enumerate() {
        let off = if stage.enabled { "" } else { "<br/>off by default" };
        line(format!("s{index}[\"{}<br/>{}{off}\"]", stage.id, stage.fail_mode.word()));
    }
    for index in 1..pipeline.stages().len() {
        line(format!("s{} --> s{index}", index - 1));
    }
    for (number, (name, known)) in pipeline.substages().enumerate() {
        let Some(parent) = pipeline.stages().iter().position(|stage| stage.id == root_of(name)) else { continue };
        let short = name.split_once('.').map_or(name, |(_, rest)| rest);
        line(format!("t{number}([\"{short}\"])"));
        let demands = known.coupling.map_or(String::new(), |coupling| format!("|{}|", coupling.word()));
        line(format!("t{number} -.->{demands} s{parent}"));
    }
    text
}
