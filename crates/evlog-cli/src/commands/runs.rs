//! `evlog runs`: the runs and their states.

use super::run::resuming;
use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::json::{self, RunLine, TimesMembers};
use crate::marks;
use crate::table;
use crate::ui::{Tone, Ui, Unit};
use clap::Args;
use evlog::policy::Policies;
use evlog::view::RunSummary;
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  evlog runs                                   every run, ordered by first event
  evlog runs --contract status --status failed
  evlog runs --contract order                  runs of the contract file with that name
  evlog runs --json | jq -r 'select(.terminal | not) | .run'

The times shown are the recorded times of a run's first and last event. If one of them occurred more
than a minute before or after that (or more than the policy's `mark`), the run is also listed below
the table as `backdated` or `ahead`.";

/// List runs and their states
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunsArgs {
    /// Only runs of this contract, built in or defined by a contract file
    #[arg(long, value_name = "CONTRACT")]
    contract: Option<String>,
    /// Only runs in this state
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    #[command(flatten)]
    at: At,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &RunsArgs) -> Result<Verdict, CommandError> {
    let (view, damage) = context.view_up_to_damage(&args.at)?.before_damage();
    let progress = ui.progress("runs", view.next_seq().0, Unit::Events);
    let all = view.runs_with_progress(&mut |seq| progress.at(seq.0))?;
    drop(progress);
    let built_in = args.contract.as_ref().and_then(|given| view.contracts().named(given));
    if let Some(contract) = &args.contract
        && built_in.is_none()
        && !all.runs.iter().any(|run| run.definition.as_ref() == Some(contract))
    {
        let known: Vec<&str> = view.contracts().names().collect();
        return Err(CommandError::user(format!(
            "--contract: expected one of {}, or a contract file that a run was created with, found `{contract}`",
            known.join(", ")
        )));
    }
    let wanted = |asked: &Option<String>, has: &str| asked.as_ref().is_none_or(|asked| asked == has);
    let runs: Vec<&RunSummary> = all
        .runs
        .iter()
        .filter(|run| {
            built_in.as_ref().map_or(args.contract.is_none(), |known| known.name() == run.contract)
                || (run.definition.is_some() && args.contract == run.definition)
        })
        .filter(|run| wanted(&args.status, &run.status))
        .collect();
    let policies = marks::policies(&view);
    if context.json {
        for run in runs {
            ui.json(&line(run, &policies));
        }
    } else if runs.is_empty() {
        ui.talk(format_args!("no runs"));
    } else {
        let rows: Vec<Vec<table::Cell>> = runs.iter().map(|run| row(run)).collect();
        table::print(ui, &["RUN", "CONTRACT", "STATUS", "EVENTS", "FIRST RECORDED", "LAST RECORDED"], &rows);
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
    }
}

/// The contract, and the definition that the run was created with.
fn named(run: &RunSummary) -> String {
    match &run.definition {
        Some(definition) => format!("{} {definition}", run.contract),
        None => run.contract.to_owned(),
    }
}

/// The mark of a run: that of its last event, or else that of its first.
fn marked(run: &RunSummary, policies: &Policies) -> Option<Vec<table::Cell>> {
    let last = run.last.mark(policies.apart_ns(run.last_seq)).map(|mark| ("last", mark));
    let first = run.first.mark(policies.apart_ns(run.first_seq)).map(|mark| ("first", mark));
    let (which, mark) = last.or(first)?;
    Some(vec![(run.run.clone(), Tone::Strong), (which.to_owned(), Tone::Plain), (marks::text(mark), Tone::Warning)])
}

fn row(run: &RunSummary) -> Vec<table::Cell> {
    let plain = |text: String| (text, Tone::Plain);
    vec![
        (run.run.clone(), Tone::Strong),
        plain(named(run)),
        (run.status.clone(), Tone::of(&run.status)),
        plain(run.events.to_string()),
        plain(marks::to_second(run.first.recorded_ns)),
        plain(marks::to_second(run.last.recorded_ns)),
    ]
}
