//! `evlog tail`: the last events, and new ones.
//!
//! Invariant: an event is shown only when it is committed.

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::events::Events;
use crate::listener;
use crate::marks;
use crate::span::Span;
use crate::ui::Ui;
use clap::Args;
use evlog::View;
use evlog::view::Visit;
use evlog_format::Seq;
use evlog_projection::Fact;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Duration;

/// The pause between two checks for a log that does not exist yet.
const PAUSE_FOR_LOG: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  evlog tail                      the last 10 events
  evlog tail -f                   and new ones, until Ctrl-C
  evlog tail -n 0 -f --json       only new ones, for programs
  evlog tail -f --run RUN_0001    the events of one run
  evlog tail -n 50 --since -2h    the last 50 events of the last two hours
  evlog tail -f --wait            start before the log exists";

/// Print the last events, and with -f new ones as they are committed
///
/// Only committed events are printed.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TailArgs {
    /// Number of past events to print
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10)]
    lines: usize,
    /// Keep printing events as they are committed
    #[arg(short, long, conflicts_with = "at")]
    follow: bool,
    /// Only events of this run; `$log` for events about the log itself
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    span: Span,
    /// Only events of this correlation
    #[arg(long, value_name = "TEXT")]
    correlation: Option<String>,
    /// With -f: if there is no log yet, wait until there is one
    #[arg(long, requires = "follow")]
    wait: bool,
    #[command(flatten)]
    at: At,
}

impl TailArgs {
    fn leaves_out(&self, fact: &Fact<'_>) -> bool {
        self.run.as_deref().is_some_and(|run| run != fact.event.stream)
            || !self.span.holds(&fact.head)
            || self.correlation.as_deref().is_some_and(|wanted| fact.head.correlation != Some(wanted))
    }
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &TailArgs) -> Result<Verdict, CommandError> {
    if args.wait && !wait_for_log(ui, context)? {
        return Ok(Verdict::Yes);
    }
    let view = context.view_up_to_damage(args.at.at).map_err(|error| {
        if args.follow { error.hint("with --wait, `evlog tail -f` waits for a log") } else { error }
    })?;
    let (mut view, damage) = view.before_damage();
    let mut events = Events::new(ui, context.json, marks::policies(&view));
    let (first, looked) = first_of_last(&view, args);
    let mut next = show(&view, first.unwrap_or(view.next_seq()), args, &mut events)?;
    let known = looked?;
    damage?;
    if !args.follow {
        if let (false, Some(run)) = (known, &args.run) {
            ui.no_run(run);
        }
        return Ok(Verdict::of(known));
    }
    let mut growth = view.follow();
    // The reader may have gone. Without new events no write would fail, so check for it.
    while events.ui.is_read() && !listener::is_gone() {
        if view.refresh()? {
            next = show(&view, next, args, &mut events)?;
            growth.grew();
        }
        growth.wait();
    }
    Ok(Verdict::Yes)
}

/// Waits until there is a log. Returns false if the answer loses its reader before that.
fn wait_for_log(ui: &Ui, context: &Context) -> Result<bool, CommandError> {
    if !context.has_log()? {
        ui.talk(format_args!("waiting for a log in `{}`", context.log.display()));
    }
    while !context.has_log()? {
        if listener::is_gone() {
            return Ok(false);
        }
        std::thread::sleep(PAUSE_FOR_LOG);
    }
    Ok(true)
}

/// Seq of the first of the last events that were asked for, if there are any, as far as the log could be read; and whether
/// the run is known.
fn first_of_last(view: &View, args: &TailArgs) -> (Option<Seq>, Result<bool, CommandError>) {
    if let Some(run) = &args.run {
        return last_of(args, &mut |visit| view.stream(run, visit));
    }
    if args.correlation.is_some() || args.span.is_given() {
        return last_of(args, &mut |visit| view.each(Seq(0), visit).map(|_| true));
    }
    (Some(Seq(view.next_seq().0.saturating_sub(args.lines as u64))), Ok(true))
}

/// Visits the events that are read.
type Walk<'w> = dyn FnMut(&mut Visit<'_, CommandError>) -> Result<bool, CommandError> + 'w;

/// Seq of the first of the last events that are wanted, and how the walk to them ended.
fn last_of(args: &TailArgs, walk: &mut Walk<'_>) -> (Option<Seq>, Result<bool, CommandError>) {
    let mut last = VecDeque::new();
    let walked = walk(&mut |fact| {
        if !args.leaves_out(fact) {
            last.push_back(fact.seq);
        }
        if last.len() > args.lines {
            last.pop_front();
        }
        Ok(ControlFlow::Continue(()))
    });
    (last.front().copied(), walked)
}

/// Shows events from a seq on; gives the seq to go on from.
fn show(view: &View, from: Seq, args: &TailArgs, events: &mut Events<'_>) -> Result<Seq, CommandError> {
    let next = view.each::<CommandError>(from, &mut |fact| {
        Ok(if args.leaves_out(fact) { ControlFlow::Continue(()) } else { events.show(fact) })
    })?;
    events.ui.flush();
    Ok(next)
}
