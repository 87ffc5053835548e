//! `evlog cat`: events in order.

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::events::{Events, Showing};
use crate::selecting::{Selecting, Selector};
use crate::ui::{Ui, Unit};
use clap::Args;
use evlog_format::Seq;

const EXAMPLES: &str = "\
Examples:
  evlog cat                                every event, in order
  evlog cat --run RUN_0001                 the events of one run
  evlog cat --run '$log'                   the events about the log itself
  evlog cat --correlation req-7            one request, in all runs
  evlog cat --since 2026-03-01T00:00:00Z   the events recorded since then
  evlog cat --since 2h                     the events of the last two hours
  evlog cat --since yesterday --until today --tz Europe/Zurich
  evlog cat --kind 'pipeline.*' --where payload.status=failed
  evlog cat --contract status --status failed
      the events after which their run is failed
  evlog cat --from 1000 --json | jq .kind  from seq 1000, for programs

The time shown is the recorded time. If the time that the command gave differs by more than a minute (or by more \
than the policy's `mark`), the event is marked `backdated` or `ahead`, with that time.";

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
    showing: Showing,
    #[command(flatten)]
    selecting: Selecting,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &CatArgs) -> Result<Verdict, CommandError> {
    let mut selector = Selector::new(args.selecting.selection(&args.at.zone())?);
    let view = context.view_up_to_damage(&args.at)?;
    let from = Seq(args.from);
    let mut events = Events::new(ui, context, (&args.showing, &args.at), &view)?;
    let len = view.next_seq().0.saturating_sub(selector.start(from).0);
    let progress = events.ui.progress_beside_answer("cat", len, Unit::Events);
    selector.each(&view, from, &mut |read| {
        progress.step();
        Ok(events.take(&view, read))
    })?;
    Ok(Verdict::Yes)
}
