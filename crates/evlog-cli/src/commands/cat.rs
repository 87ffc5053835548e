//! `evlog cat`: events in order.

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::events::Events;
use crate::marks;
use crate::span::Span;
use crate::ui::{Ui, Unit};
use clap::Args;
use evlog::LogError;
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
  evlog cat --since -2h                     the events of the last two hours
  evlog cat --from 1000 --json | jq .kind   from seq 1000, for programs

The time shown is the recorded time. If the time that the command gave differs by more than a minute
(or by more than the policy's `mark`), the event is marked `backdated` or `ahead`, with that time.";

/// Print events, in order
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CatArgs {
    /// Only events of this run; `$log` for events about the log itself
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Start at this event
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
    #[command(flatten)]
    span: Span,
    /// Only events of this correlation
    #[arg(long, value_name = "TEXT")]
    correlation: Option<String>,
    #[command(flatten)]
    at: At,
}

impl CatArgs {
    fn leaves_out(&self, fact: &Fact<'_>) -> bool {
        fact.seq.0 < self.from
            || !self.span.holds(&fact.head)
            || self.correlation.as_deref().is_some_and(|wanted| fact.head.correlation != Some(wanted))
    }
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &CatArgs) -> Result<Verdict, CommandError> {
    let view = context.view_up_to_damage(args.at.at)?;
    let from = Seq(args.from);
    let mut events = Events::new(ui, context.json, marks::policies(&view));
    let Some(run) = &args.run else {
        if args.span.is_given() {
            view.each_during::<LogError>(args.span.moment(), args.span.ends(), &mut |fact| {
                Ok(if args.leaves_out(fact) { ControlFlow::Continue(()) } else { events.show(fact) })
            })?;
            return Ok(Verdict::Yes);
        }
        let left = view.next_seq().0.saturating_sub(from.0);
        let progress = events.ui.progress_beside_answer("cat", left, Unit::Events);
        view.each::<LogError>(from, &mut |fact| {
            progress.step();
            Ok(if args.leaves_out(fact) { ControlFlow::Continue(()) } else { events.show(fact) })
        })?;
        drop(progress);
        return Ok(Verdict::Yes);
    };
    let known = view.stream::<LogError>(run, &mut |fact| {
        Ok(if args.leaves_out(fact) { ControlFlow::Continue(()) } else { events.show(fact) })
    })?;
    if !known {
        ui.no_run(run);
    }
    Ok(Verdict::of(known))
}
