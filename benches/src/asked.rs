//! What is asked of each work, and the table that compares it with the figure that was reached.

use evlog_works::series::{Results, Series, Unit, ratio_permille, thousandths};
use std::fmt::Write;

/// What a figure is compared with.
#[derive(Clone, Copy)]
enum Asked {
    /// A ratio to the best of these contenders that took part, in thousandths.
    Of(&'static [&'static str], u64),
    /// A figure, or a better one.
    Figure(u64),
    /// A ratio to the smallest of the cases of the same work, in thousandths at most.
    Grows(u64),
}

const FLOOR: &[&str] = &["floor"];
const FLOORS: &[&str] = &["floor", "floor-zeroed"];
const STORES: &[&str] = &["okaywal", "raft-engine", "sqlite", "redb", "fjall"];

const MILLISECOND: u64 = 1_000_000;

/// Each work, with the target of each of its cases.
const ASKED: &[(&str, Asked)] = &[
    ("bulk", Asked::Of(FLOOR, 500)),
    ("bulk", Asked::Of(STORES, 1000)),
    ("durable1", Asked::Of(FLOORS, 900)),
    ("durable8", Asked::Of(STORES, 1500)),
    ("pipelined", Asked::Figure(1_000_000)),
    ("pipelined", Asked::Of(FLOOR, 0)),
    ("replay", Asked::Of(FLOOR, 400)),
    ("replay", Asked::Of(&["redb", "fjall"], 1000)),
    ("replay-typed", Asked::Figure(3_000_000)),
    ("verify", Asked::Of(&["b3sum"], 800)),
    ("open", Asked::Figure(10 * MILLISECOND)),
    ("open", Asked::Grows(1500)),
    ("open-killed", Asked::Figure(150 * MILLISECOND)),
    ("lookup", Asked::Figure(5 * MILLISECOND)),
    ("disk", Asked::Figure(1100)),
    ("audit", Asked::Figure(1_000_000)),
    ("select", Asked::Figure(3_000_000)),
    // At most one and a half times as long.
    ("trail", Asked::Of(&["replay"], 667)),
];

/// The target of a case, if the cases of a work have different ones.
fn asked_of_case(work: &str, case: &str) -> Option<Asked> {
    match (work, case) {
        ("memory", _) => Some(Asked::Figure(64 << 20)),
        ("follow", "after acknowledgement") => Some(Asked::Figure(MILLISECOND)),
        ("follow", _) => Some(Asked::Figure(100)),
        ("export", "jsonl") => Some(Asked::Figure(1_000_000)),
        ("export", "parquet") => Some(Asked::Figure(500_000)),
        _ => None,
    }
}

/// Markdown: one row for each thing that is asked, then every median.
pub fn table(results: &Results) -> String {
    let mut text =
        String::from("| work | evlog | against | ratio | asked | reached |\n| --- | --- | --- | --- | --- | --- |\n");
    let mut row = |series: &Series, cells: [String; 4]| {
        let (case, figure) = (title(series), series.unit.shown(series.median()));
        // Writing to a string cannot fail.
        let _written = writeln!(text, "| {case} | {figure} | {} |", cells.join(" | "));
    };
    for series in results.series().iter().filter(|series| series.contender == "evlog") {
        let asked = ASKED.iter().filter(|(work, _)| *work == series.work).map(|(_, asked)| *asked);
        for asked in asked.chain(asked_of_case(series.work, &series.case)) {
            if let Some(cells) = cells(results, series, asked) {
                row(series, cells);
            }
        }
    }
    text.push_str("\n| work | contender | median | rounds |\n| --- | --- | --- | --- |\n");
    for series in results.series() {
        let (median, rounds) = (series.unit.shown(series.median()), series.rounds.len());
        let _written = writeln!(text, "| {} | {} | {median} | {rounds} |", title(series), series.contender);
    }
    text
}

fn title(series: &Series) -> String {
    if series.case.is_empty() { series.work.to_owned() } else { format!("{}, {}", series.work, series.case) }
}

fn cells(results: &Results, series: &Series, asked: Asked) -> Option<[String; 4]> {
    let (unit, ours) = (series.unit, series.median());
    let word = |reached: bool| if reached { "yes" } else { "no" }.to_owned();
    match asked {
        Asked::Of(names, least) => {
            let others = names.iter().filter_map(|name| results.of(series.work, &series.case, name));
            let best = others.max_by_key(|other| ratio_permille(unit, other.median(), 1_000_000))?;
            let (theirs, found) = (unit.shown(best.median()), ratio_permille(unit, ours, best.median()));
            let (asked, reached) = if least == 0 {
                ("-".into(), "-".into())
            } else {
                (format!(">= {}", thousandths(least)), word(found >= least))
            };
            Some([format!("{} {theirs}", best.contender), thousandths(found), asked, reached])
        }
        Asked::Figure(figure) => {
            let (sign, reached) = if unit.more_is_better() { (">=", ours >= figure) } else { ("<=", ours <= figure) };
            Some(["-".into(), "-".into(), format!("{sign} {}", unit.shown(figure)), word(reached)])
        }
        Asked::Grows(most) => {
            let first = results.series().iter().find(|other| other.work == series.work)?;
            let found = ratio_permille(Unit::EventsPerSecond, ours, first.median());
            let against = format!("{} {}", first.case, unit.shown(first.median()));
            (first.case != series.case)
                .then(|| [against, thousandths(found), format!("<= {}", thousandths(most)), word(found <= most)])
        }
    }
}
