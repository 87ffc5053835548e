//! `evlog cat`: events in order.

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::events::Events;
use crate::marks;
use crate::selecting::{Selecting, Selector};
use crate::ui::{Ui, Unit};
use clap::Args;
use evlog::{LogError, View};
use evlog_format::Seq;
use evlog_projection::Fact;
use std::ops::ControlFlow;

const EXAMPLES: &str = "\
Examples:
  evlog cat                                 every event, in order
  evlog cat --run RUN_0001                  the events of one run
  evlog cat --run '$log'                    the events about the log itself
  evlog cat --correlation req-7             the events of one request, in all runs
  evlog cat --since 2026-03-01T00:00:00Z    the events recorded since then
  evlog cat --since 2h                      the events of the last two hours
  evlog cat --since yesterday --until today --tz Europe/Zurich
  evlog cat --kind 'pipeline.*' --where payload.status=failed
  evlog cat --contract status --status failed    the events by which runs failed
  evlog cat --from 1000 --json | jq .kind   from seq 1000, for programs

The time shown is the recorded time. If the time that the command gave differs by more than a minute
(or by more than the policy's `mark`), the event is marked `backdated` or `ahead`, with that time.";

/// Print events, in order
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CatArgs {
    /// Start at this event
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    selecting: Selecting,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &CatArgs) -> Result<Verdict, CommandError> {
    let mut selector = Selector::new(args.selecting.selection()?);
    let view = context.view_up_to_damage(args.at.at)?;
    let from = Seq(args.from);
    let mut events = Events::new(ui, context.json, marks::policies(&view));
    if let Some(run) = selector.only_run().map(str::to_owned) {
        let known = view.stream::<LogError>(&run, &mut |fact| show(&mut events, &mut selector, &view, from, fact))?;
        selector.check_fields()?;
        return if known { Ok(Verdict::Yes) } else { Err(CommandError::no_run(&run)) };
    }
    if let Some((moment, ends)) = selector.span() {
        let mut visit = |fact: &Fact<'_>| show(&mut events, &mut selector, &view, from, fact);
        view.each_during::<LogError>(moment, ends, &mut visit)?;
        selector.check_fields()?;
        return Ok(Verdict::Yes);
    }
    let start = selector.start(from);
    let progress = events.ui.progress_beside_answer("cat", view.next_seq().0.saturating_sub(start.0), Unit::Events);
    view.each::<LogError>(start, &mut |fact| {
        progress.step();
        show(&mut events, &mut selector, &view, from, fact)
    })?;
    drop(progress);
    selector.check_fields()?;
    Ok(Verdict::Yes)
}

/// Shows an event, if it is meant.
fn show(
    events: &mut Events<'_>,
    selector: &mut Selector,
    view: &View,
    from: Seq,
    fact: &Fact<'_>,
) -> Result<ControlFlow<()>, LogError> {
    // An event before the first one that is shown can change the state of its run.
    let is_meant = selector.takes(view, fact)? && fact.seq >= from;
    Ok(if is_meant { events.show(fact) } else { ControlFlow::Continue(()) })
}
