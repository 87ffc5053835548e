//! `evlog cat`: events in order.

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::events::Events;
use crate::ui::{Ui, Unit};
use clap::Args;
use evlog_format::Seq;
use std::ops::ControlFlow;

const EXAMPLES: &str = "\
Examples:
  evlog cat                                 every event, in order
  evlog cat --run RUN_0001                  those of one run
  evlog cat --run '$log'                    the log's own history
  evlog cat --from 1000 --json | jq .kind   from seq 1000 on, for programs";

/// Print events, in order
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CatArgs {
    /// Only events of this run; `$log` for the log's own
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Only events from this one on
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
    #[command(flatten)]
    at: At,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &CatArgs) -> Result<Verdict, CommandError> {
    let view = context.view(args.at.at)?;
    let from = Seq(args.from);
    let mut events = Events::new(ui, context.json);
    let Some(run) = &args.run else {
        let left = view.next_seq().0.saturating_sub(from.0);
        let progress = events.ui.progress_beside_answer("cat", left, Unit::Events);
        view.each(from, &mut |fact| {
            progress.step();
            events.show(fact)
        })?;
        drop(progress);
        return Ok(Verdict::Yes);
    };
    let known = view.stream(run, &mut |fact| {
        if fact.seq < from {
            return ControlFlow::Continue(());
        }
        events.show(fact)
    })?;
    if !known {
        ui.no_run(run);
    }
    Ok(Verdict::of(known))
}
