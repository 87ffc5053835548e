//! `evlog runs`: the runs and their states.

use super::run::resuming;
use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::json::{self, RunLine, TimesMembers};
use crate::marks;
use crate::selecting::SelectingRuns;
use crate::table;
use crate::ui::{Tone, Ui, Unit};
use clap::Args;
use evlog::policy::Policies;
use evlog::view::RunSummary;
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  evlog runs                   every run, ordered by first event
  evlog runs --contract status --status failed
  evlog runs --contract order  runs of the contract file with that name
  evlog runs --run 'RUN_*' --actor user:ann
      runs that one person began
  evlog runs --since yesterday --tz Europe/Zurich
  evlog runs --last 10         the ten that began last
  evlog runs --json | jq -r 'select(.terminal | not) | .run'

The times shown are the recorded times of a run's first and last event, the duration is what is between them, \
and the actor is that of the first event. If one of them occurred more than a minute before or after that (or \
more than the policy's `mark`), the run is also listed below the table as `backdated` or `ahead`.";

/// List runs and their states
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunsArgs {
    #[command(flatten)]
    at: At,
    /// Show only the last N of the runs that are selected
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    #[command(flatten)]
    selecting: SelectingRuns,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &RunsArgs) -> Result<Verdict, CommandError> {
    let (view, damage) = context.view_up_to_damage(&args.at)?.before_damage();
    let progress = ui.progress("runs", view.next_seq().0, Unit::Events);
    let all = view.runs_with_progress(&mut |seq| progress.at(seq.0))?;
    drop(progress);
    if damage.is_ok() {
        args.selecting.check_runs(&view)?;
    }
    let selected = args.selecting.select(view.contracts(), &all.runs, &args.at.zone())?;
    let runs = &selected[selected.len() - args.last.unwrap_or(selected.len()).min(selected.len())..];
    for sentence in args.selecting.unknown_statuses(&all.runs) {
        ui.talk(sentence.as_str());
    }
    let policies = marks::policies(&view);
    if context.json {
        for run in runs {
            ui.json(&line(run, &policies));
        }
    } else if runs.is_empty() {
        ui.talk(if damage.is_ok() {
            "no runs"
        } else {
            "no runs before the damage; whether there are runs after it is not known"
        });
    } else {
        let rows: Vec<Vec<table::Cell>> = runs.iter().map(|run| row(run)).collect();
        let headings = ["RUN", "CONTRACT", "STATUS", "EVENTS", "LAST RECORDED", "DURATION", "ACTOR"];
        table::print(ui, &headings, &rows);
        let marked: Vec<Vec<table::Cell>> = runs.iter().filter_map(|run| marked(run, &policies)).collect();
        if !marked.is_empty() {
            ui.line(format_args!(""));
            table::print(ui, &["RUN", "EVENT", "MARK"], &marked);
        }
        let mut unfinished = runs.iter().filter(|run| run.contract == "pipeline" && !run.terminal);
        if let Some(command) = unfinished.find_map(|run| resuming(None, &run.run, Path::new("."), &context.log)) {
            ui.advise(&format!("to continue a pipeline run that is in progress: `{command}`"));
        }
    }
    for error in &all.errors {
        ui.finding(format_args!("{error}"));
    }
    damage?;
    Ok(Verdict::of(all.errors.is_empty()))
}

fn line<'r>(run: &'r RunSummary, policies: &Policies) -> RunLine<'r> {
    RunLine {
        run: &run.run,
        contract: run.contract,
        definition: run.definition.as_deref(),
        status: &run.status,
        terminal: run.terminal,
        events: run.events,
        first_seq: run.first_seq.0,
        last_seq: run.last_seq.0,
        first_time: json::time(run.first.happened_ns()),
        last_time: json::time(run.last.happened_ns()),
        first: TimesMembers::new(run.first, policies.apart_ns(run.first_seq)),
        last: TimesMembers::new(run.last, policies.apart_ns(run.last_seq)),
        duration_ms: duration_ns(run).and_then(|duration_ns| u64::try_from(duration_ns / 1_000_000).ok()),
        actor: &run.begun_by,
    }
}

/// The contract, and the definition that the run was created with.
fn named(run: &RunSummary) -> String {
    match &run.definition {
        Some(definition) => format!("{} {definition}", run.contract),
        None => run.contract.to_owned(),
    }
}

/// The mark of a run: the mark of its last event, or else of its first event.
fn marked(run: &RunSummary, policies: &Policies) -> Option<Vec<table::Cell>> {
    let last = run.last.mark(policies.apart_ns(run.last_seq)).map(|mark| ("last", mark));
    let first = run.first.mark(policies.apart_ns(run.first_seq)).map(|mark| ("first", mark));
    let (which, mark) = last.or(first)?;
    Some(vec![(run.run.clone(), Tone::Strong), (which.to_owned(), Tone::Plain), (marks::text(mark), Tone::Warning)])
}

/// From when the first event was recorded to when the last one was.
fn duration_ns(run: &RunSummary) -> Option<u128> {
    u128::try_from(i128::from(run.last.recorded_ns) - i128::from(run.first.recorded_ns)).ok()
}

/// A row for the run, which fits in 80 columns if its name is short: the duration says when the first event was recorded.
fn row(run: &RunSummary) -> Vec<table::Cell> {
    let plain = |text: String| (text, Tone::Plain);
    vec![
        (run.run.clone(), Tone::Strong),
        plain(named(run)),
        (run.status.clone(), Tone::of(&run.status)),
        plain(run.events.to_string()),
        plain(marks::to_second(run.last.recorded_ns)),
        // A clock that went back says nothing about a duration.
        plain(duration_ns(run).map_or_else(|| "-".to_owned(), marks::distance)),
        plain(run.begun_by.clone()),
    ]
}
