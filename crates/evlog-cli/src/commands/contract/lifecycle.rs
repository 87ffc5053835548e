//! A lifecycle, as tables and as a Mermaid state diagram.

use super::heading;
use crate::table::{self, Cell, counted};
use crate::ui::{Tone, Ui};
use evlog_lifecycle::lifecycle::{ANY_STATUS, Definition, StatusDefinition, StatusId, Undefined};
use std::fmt::Write as _;

/// The most statuses for which one table shows every pair.
const MATRIX_MAX: usize = 24;

pub(super) fn size(lifecycle: &Definition) -> String {
    let transitions: usize = lifecycle.statuses().iter().map(|status| status.to.len()).sum();
    let statuses = lifecycle.statuses().len();
    let statuses = if statuses == 1 { "1 status".to_owned() } else { format!("{statuses} statuses") };
    format!("{statuses}, {}", counted(transitions as u64, "transition"))
}

/// What undefined transitions lead to, in words.
pub(super) fn undefined(lifecycle: &Definition) -> String {
    match lifecycle.undefined() {
        Undefined::Reject => "rejected; the run stays as it is".to_owned(),
        Undefined::Force { to, reason_code } => {
            let to = &lifecycle.status(*to).name;
            let code = reason_code.as_ref().map(|code| format!(", `{code}`")).unwrap_or_default();
            format!("rejected, and a live run is forced to `{to}`{code}")
        }
    }
}

fn names(lifecycle: &Definition, ids: &[StatusId]) -> String {
    ids.iter().map(|id| lifecycle.status(*id).name.as_str()).collect::<Vec<_>>().join(" | ")
}

pub(super) fn text(ui: &mut Ui, lifecycle: &Definition) {
    ui.line(format_args!(""));
    let row = |status: &StatusDefinition| -> Vec<Cell> {
        let to = if status.terminal { "(end)".to_owned() } else { names(lifecycle, &status.to) };
        let tone = if status.terminal { Tone::Faint } else { Tone::Plain };
        let needs = status.required.iter().map(|(member, kind)| format!("{member}: {}", kind.word()));
        let code = (!status.reason_codes.is_empty()).then(|| "a reason code".to_owned());
        let needs: Vec<String> = needs.chain(code).collect();
        vec![(status.name.clone(), Tone::Strong), (format!("-> {to}"), tone), (needs.join(", "), Tone::Plain)]
    };
    let start = format!("-> {}", lifecycle.status(lifecycle.initial()).name);
    let first = vec![("(start)".to_owned(), Tone::Faint), (start, Tone::Plain), (String::new(), Tone::Plain)];
    let rows: Vec<Vec<Cell>> = std::iter::once(first).chain(lifecycle.statuses().iter().map(row)).collect();
    table::print(ui, &["STATUS", "LEADS TO", "ENTRY NEEDS"], &rows);
    matrix(ui, lifecycle);
    if !lifecycle.order().is_empty() {
        heading(ui, "Order, within a run");
        for rule in lifecycle.order() {
            let (before, after) = (&lifecycle.status(rule.before).name, &lifecycle.status(rule.after).name);
            ui.line(format_args!("`{before}` is entered before `{after}`"));
        }
    }
    super::rules(ui, lifecycle.rules());
    reason_codes(ui, lifecycle);
}

/// Every request from every status: applied, forced or rejected.
fn matrix(ui: &mut Ui, lifecycle: &Definition) {
    let count = lifecycle.statuses().len();
    if count > MATRIX_MAX {
        return;
    }
    let forces = matches!(lifecycle.undefined(), Undefined::Force { .. });
    let legend = if forces { "Y applied, F rejected and forced, R rejected" } else { "Y applied, R rejected" };
    heading(ui, &format!("Every request: {legend}"));
    let headings: Vec<String> = (1..=count).map(|number| number.to_string()).collect();
    let headings: Vec<&str> = ["", "FROM \\ TO"].into_iter().chain(headings.iter().map(String::as_str)).collect();
    let row = |(index, status): (usize, &StatusDefinition)| -> Vec<Cell> {
        let cell = |to: usize| match lifecycle.may_become(StatusId(index), StatusId(to)) {
            true => ("Y".to_owned(), Tone::Good),
            false if forces && !status.terminal => ("F".to_owned(), Tone::Bad),
            false => ("R".to_owned(), Tone::Faint),
        };
        let head = [((index + 1).to_string(), Tone::Faint), (status.name.clone(), Tone::Strong)];
        head.into_iter().chain((0..count).map(cell)).collect()
    };
    table::print(ui, &headings, &lifecycle.statuses().iter().enumerate().map(row).collect::<Vec<_>>());
}

fn reason_codes(ui: &mut Ui, lifecycle: &Definition) {
    let of_all = std::iter::once((ANY_STATUS, lifecycle.reason_codes()));
    let own = lifecycle.statuses().iter().map(|status| (status.name.as_str(), &status.reason_codes));
    let rows: Vec<Vec<Cell>> = of_all
        .chain(own)
        .flat_map(|(status, codes)| codes.iter().map(move |(code, about)| (status, code, about)))
        .map(|(status, code, about)| {
            let about = about.clone().unwrap_or_default();
            vec![(status.to_owned(), Tone::Strong), (code.clone(), Tone::Plain), (about, Tone::Plain)]
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    heading(ui, "Reason codes");
    table::print(ui, &["STATUS", "CODE", "ABOUT"], &rows);
}

/// Text as Mermaid shows it unchanged.
fn plain(text: &str) -> String {
    text.chars().filter(|char| !matches!(char, ':' | ';' | '#' | '"' | '<' | '>' | '%' | '{' | '}')).collect()
}

/// A Mermaid state diagram. States have numbers as ids, so that no name collides with a keyword of Mermaid.
pub(super) fn mermaid(lifecycle: &Definition) -> String {
    let mut text = format!("---\ntitle: {}\n---\nstateDiagram-v2\n", lifecycle.name());
    let mut line = |line: String| writeln!(text, "  {line}").unwrap_or_else(|_| unreachable!("text grows"));
    for (index, status) in lifecycle.statuses().iter().enumerate() {
        line(format!("s{index} : {}", status.name));
    }
    line(format!("[*] --> s{}", lifecycle.initial().0));
    for (index, status) in lifecycle.statuses().iter().enumerate() {
        for to in &status.to {
            line(format!("s{index} --> s{}", to.0));
        }
        if status.terminal {
            line(format!("s{index} --> [*]"));
        }
    }
    if let Undefined::Force { to, .. } = lifecycle.undefined() {
        line(format!("note right of s{}", to.0));
        line("  every undefined transition leads here".to_owned());
        line("end note".to_owned());
    }
    for (index, status) in lifecycle.statuses().iter().enumerate() {
        let needs = status.required.iter().map(|(member, kind)| format!("needs {member}, {}", kind.word()));
        let codes = status.reason_codes.keys().map(|code| format!("code {code}"));
        let rules = lifecycle.order().iter().filter(|rule| rule.after.0 == index);
        let rules = rules.map(|rule| format!("after {}", lifecycle.status(rule.before).name));
        let notes: Vec<String> = needs.chain(codes).chain(rules).map(|note| plain(&note)).collect();
        if !notes.is_empty() {
            line(format!("note left of s{index}"));
            for note in &notes {
                line(format!("  {note}"));
            }
            line("end note".to_owned());
        }
    }
    text
}
