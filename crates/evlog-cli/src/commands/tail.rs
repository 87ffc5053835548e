//! `evlog tail`: the last events, and new ones.
//!
//! Invariant: an event is shown only when it is committed.

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::events::Events;
use crate::listener;
use crate::selecting::{Selecting, Selector};
use crate::showing::Showing;
use crate::ui::Ui;
use clap::Args;
use evlog::View;
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
  evlog tail -n 50 --since 2h     the last 50 events of the last two hours
  evlog tail -f --status failed   each event after which its run is failed
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
    /// With -f: if there is no log yet, wait until there is one
    #[arg(long, requires = "follow")]
    wait: bool,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    showing: Showing,
    #[command(flatten)]
    selecting: Selecting,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &TailArgs) -> Result<Verdict, CommandError> {
    let selection = args.selecting.selection(&args.at.zone())?;
    if args.wait && !wait_for_log(ui, context)? {
        return Ok(Verdict::Yes);
    }
    let view = context.view_up_to_damage(&args.at).map_err(|error| {
        if args.follow { error.hint("with --wait, `evlog tail -f` waits for a log") } else { error }
    })?;
    let (mut view, damage) = view.before_damage();
    let mut events = Events::new(ui, context, (&args.showing, &args.at), &view)?;
    let mut all = Selector::new(selection.clone());
    let (first, looked) = first_of_last(&view, args, &mut all);
    let first = first.unwrap_or(view.next_seq());
    // To find the first of the last events, all of them were read: what follows is read with the state of runs as it was before.
    let mut selector = Selector::new(selection);
    let mut next = show(&view, (selector.start(first), first), &mut selector, &mut events)?;
    looked?;
    damage?;
    if !args.follow {
        all.check(&view)?;
        return Ok(Verdict::Yes);
    }
    let mut growth = view.follow();
    // The reader may have gone. Without new events no write would fail, so check for it.
    while events.ui.is_read() && !listener::is_gone() {
        if view.refresh()? {
            next = show(&view, (next, next), &mut selector, &mut events)?;
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

/// Seq of the first of the last events that were asked for, if there are any, as far as the log could be read; and why it
/// could not be read further.
fn first_of_last(view: &View, args: &TailArgs, selector: &mut Selector) -> (Option<Seq>, Result<(), CommandError>) {
    if selector.is_all() {
        return (Some(Seq(view.next_seq().0.saturating_sub(args.lines as u64))), Ok(()));
    }
    let mut last = VecDeque::new();
    let only = selector.only_run().map(str::to_owned);
    let mut visit = |fact: &Fact<'_>| {
        if selector.takes(view, fact)? {
            last.push_back(fact.seq);
        }
        if last.len() > args.lines {
            last.pop_front();
        }
        Ok(ControlFlow::Continue(()))
    };
    let walked = match only {
        Some(run) => view.stream::<CommandError>(&run, &mut visit).map(drop),
        None => view.each::<CommandError>(Seq(0), &mut visit).map(drop),
    };
    (last.front().copied(), walked)
}

/// Reads events from a seq on, and shows those from another one on; gives the seq to go on from.
fn show(
    view: &View,
    (start, from): (Seq, Seq),
    selector: &mut Selector,
    events: &mut Events<'_>,
) -> Result<Seq, CommandError> {
    let next = view.each::<CommandError>(start, &mut |fact| {
        selector.show(view, from, fact, &mut |read| Ok(events.take(view, read)))
    })?;
    events.flush();
    Ok(next)
}
