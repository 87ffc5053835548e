//! `evlog cat`: events in order.

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::events::Events;
use crate::ui::{Ui, Unit};
use clap::Args;
use evlog_format::Seq;
use evlog_projection::{Fact, time};
use std::ops::ControlFlow;

const EXAMPLES: &str = "\
Examples:
  evlog cat                                 every event, in order
  evlog cat --run RUN_0001                  those of one run
  evlog cat --run '$log'                    the log's own history
  evlog cat --correlation req-7             those of one request, in all runs
  evlog cat --since 2026-03-01T00:00:00Z    those recorded from then on, in whatever order
  evlog cat --from 1000 --json | jq .kind   from seq 1000 on, for programs

The time is when an event was recorded. Where its command said another time, more than a minute
from that, the event is marked `backdated` or `ahead`, with the time that was said.";

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
    /// Only events that were recorded at this time or later
    #[arg(long, value_name = "TIME", value_parser = time::from_rfc3339)]
    since: Option<i64>,
    /// Only events that were recorded before this time
    #[arg(long, value_name = "TIME", value_parser = time::from_rfc3339)]
    until: Option<i64>,
    /// Only events of this correlation
    #[arg(long, value_name = "TEXT")]
    correlation: Option<String>,
    #[command(flatten)]
    at: At,
}

impl CatArgs {
    fn leaves_out(&self, fact: &Fact<'_>) -> bool {
        let recorded = fact.head.recorded_ns;
        fact.seq.0 < self.from
            || self.since.is_some_and(|since| recorded < since)
            || self.until.is_some_and(|until| recorded >= until)
            || self.correlation.as_deref().is_some_and(|wanted| fact.head.correlation != Some(wanted))
    }
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &CatArgs) -> Result<Verdict, CommandError> {
    let view = context.view(args.at.at)?;
    let from = Seq(args.from);
    let mut events = Events::new(ui, context.json);
    let Some(run) = &args.run else {
        if args.since.is_some() || args.until.is_some() {
            let (since, until) = (args.since.unwrap_or(i64::MIN), args.until.unwrap_or(i64::MAX));
            view.each_recorded(since, until, &mut |fact| {
                if args.leaves_out(fact) { ControlFlow::Continue(()) } else { events.show(fact) }
            })?;
            return Ok(Verdict::Yes);
        }
        let left = view.next_seq().0.saturating_sub(from.0);
        let progress = events.ui.progress_beside_answer("cat", left, Unit::Events);
        view.each(from, &mut |fact| {
            progress.step();
            if args.leaves_out(fact) { ControlFlow::Continue(()) } else { events.show(fact) }
        })?;
        drop(progress);
        return Ok(Verdict::Yes);
    };
    let known = view.stream(run, &mut |fact| {
        if args.leaves_out(fact) {
            return ControlFlow::Continue(());
        }
        events.show(fact)
    })?;
    if !known {
        ui.no_run(run);
    }
    Ok(Verdict::of(known))
}
