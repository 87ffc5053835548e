//! `evlog tail`: the last events, and new ones.
//!
//! Invariant: an event is shown only when it is committed.

mod place;
mod verifying;

use crate::args::At;
use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::events::{Events, Showing};
use crate::listener;
use crate::metrics::{self, Metrics, Target};
use crate::outputs;
use crate::selecting::{Selecting, Selector};
use crate::ui::{Ui, answer_room};
use crate::writer::Writer;
use clap::Args;
use evlog::{LogError, View};
use evlog_audit::Selection;
use evlog_format::Seq;
use evlog_projection::Fact;
use evlog_store::{OpenError, ReadError};
use place::{Cursor, Place};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;
use verifying::Verifying;

/// The pause between two checks for a log that does not exist yet.
const PAUSE_FOR_LOG: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  evlog tail                     the last 10 events
  evlog tail -f                  and new ones, until Ctrl-C
  evlog tail -n 0 -f --json      only new ones, for programs
  evlog tail -f --run RUN_0001   the events of one run
  evlog tail -n 50 --since 2h    the last 50 events of the last two hours
  evlog tail -f --status failed  each event after which its run is failed
  evlog tail -f --wait --retry
      start before the log exists, and go on with the next one at its path
  evlog tail --cursor seen.json  what came since the last time
  evlog tail -n 1000 -f --fold   one line a run, with its status
  evlog tail -f --verify         check every commit as it comes";

/// A follower has fallen behind if it finds at least this many new events at once.
const BEHIND_MIN: u64 = 10_000;

/// Print the last events, and with -f new ones as they are committed
///
/// Only committed events are printed.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option that is given or not")]
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
    /// With -f: if the log is removed, moved, replaced or cut, say so, and go on when there is a log again
    #[arg(long, requires = "follow")]
    retry: bool,
    /// Go on where this file says, and note in it how far events were printed. A file of another log is refused
    #[arg(long, value_name = "FILE", conflicts_with = "at")]
    cursor: Option<PathBuf>,
    /// Show one line a run, in its state after its last event: on a terminal it is drawn over, elsewhere each change of a run's
    /// status is a line
    #[arg(long, conflicts_with_all = ["at", "full", "wrap"])]
    fold: bool,
    /// Verify every commit before it is shown, as `evlog verify` does, and say on stderr up to which event the log is verified and
    /// signed. The first finding ends the command with exit code 1
    #[arg(long, conflicts_with = "at")]
    verify: bool,
    /// With -f: show figures about this command, for Prometheus: in FILE, written anew every 15 seconds and at the end; or at
    /// `http://ADDR/metrics`. ADDR is `:9464`, which is this machine only, or an IP address with a port
    #[arg(long, value_name = "FILE|ADDR", requires = "follow", value_parser = Target::parse)]
    metrics: Option<Target>,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    showing: Showing,
    #[command(flatten)]
    selecting: Selecting,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &TailArgs) -> Result<Verdict, CommandError> {
    let selection = args.selecting.selection(&args.at.zone())?;
    outputs::check_apart(&[
        ("--cursor", args.cursor.as_deref()),
        ("--metrics", args.metrics.as_ref().and_then(Target::file)),
    ])?;
    if let Some(file) = &args.cursor {
        outputs::check("--cursor", file, &context.log, None)?;
    }
    let cursor = args.cursor.as_deref().map(Cursor::open).transpose()?;
    let metered = metrics::begin(ui, "tail", context, args.metrics.as_ref(), None)?;
    if args.wait && !wait_for_log(ui, context)? {
        return Ok(Verdict::Yes);
    }
    let view = context.view_up_to_damage(&args.at).map_err(|error| {
        if args.follow { error.hint("with --wait, `evlog tail -f` waits for a log") } else { error }
    })?;
    let from = cursor.as_ref().map_or(Ok(None), |cursor| cursor.place_in(&view))?;
    let mut tail = Tail { context, args, selection, cursor, place: None, metrics: metered.metrics() };
    let mut ended = tail.read(ui, view, from);
    while args.retry && ended.as_ref().is_err_and(|error| error.log_is_lost) && ui.is_read() {
        let Some((view, from)) = tail.again(ui, ended)? else { return Ok(Verdict::Yes) };
        ended = tail.read(ui, view, Some(from));
    }
    ended
}

/// What is shown, and how far it was.
struct Tail<'a> {
    context: &'a Context,
    args: &'a TailArgs,
    selection: Selection,
    cursor: Option<Cursor>,
    place: Option<Place>,
    metrics: Metrics,
}

impl Tail<'_> {
    /// Shows the events of one log from a seq on, or else the last ones.
    fn read(&mut self, ui: &mut Ui, view: View, from: Option<Seq>) -> Result<Verdict, CommandError> {
        let args = self.args;
        let contracts = contracts();
        let mut verifying = args.verify.then(|| Verifying::new(self.context, &contracts, &self.metrics));
        let (mut view, damage) = view.before_damage();
        let mut events = Events::new(ui, self.context, (&args.showing, &args.at), &view)?;
        if args.fold {
            // What is drawn once need not fit.
            let room = answer_room().filter(|_| args.follow);
            events.fold(&view, room.map_or(usize::MAX, |lines| lines.saturating_sub(1)));
        }
        if !check(verifying.as_mut(), &view, &mut events)? {
            return Ok(Verdict::No);
        }
        let mut writer = args.follow.then(|| Writer::of(&view));
        let mut last = None;
        let mut all = Selector::new(self.selection.clone());
        let (first, looked) = match from {
            Some(from) => (Some(from), Ok(())),
            None => first_of_last(&view, args, &mut all),
        };
        let first = first.unwrap_or(view.next_seq());
        self.metrics.count(|figures| figures.followed(view.log_id(), view.committed(), first));
        // To find the first of the last events, all of them were read: what follows is read with the state of runs as it was before.
        let mut selector = Selector::new(self.selection.clone());
        let mut next = show(&view, (selector.start(first), first), &mut selector, &mut events, &mut |fact| {
            self.metrics.count(|figures| figures.read(fact.seq));
            last = self.place_after(&view, fact);
        })?;
        looked?;
        if from.is_none() {
            all.say_unknown_statuses();
        }
        self.note(&view, last.take(), next, &events)?;
        damage.map_err(|error| self.judged(error))?;
        say(verifying.as_mut(), &mut events);
        if !args.follow {
            // If the last events were not looked for, not all were read.
            return if from.is_some() { Ok(Verdict::Yes) } else { all.check(&view).map(|()| Verdict::Yes) };
        }
        let mut growth = view.follow();
        // The reader may have ended. Without new events no write fails, so check for this.
        while events.ui.is_read() && !listener::is_gone() {
            if view.refresh().map_err(|error| self.judged(error))? {
                if !check(verifying.as_mut(), &view, &mut events)? {
                    return Ok(Verdict::No);
                }
                let behind = view.next_seq().0 - next.0;
                if behind >= BEHIND_MIN {
                    events.talk(&format!("{behind} events behind; they follow"));
                }
                self.metrics.count(|figures| figures.followed(view.log_id(), view.committed(), next));
                next = show(&view, (next, next), &mut selector, &mut events, &mut |fact| {
                    self.metrics.count(|figures| figures.read(fact.seq));
                    last = self.place_after(&view, fact);
                    if let Some(writer) = &mut writer {
                        writer.see(fact);
                    }
                })?;
                self.note(&view, last.take(), next, &events)?;
                if behind >= BEHIND_MIN {
                    events.talk(&format!("caught up with the log, at seq {next}"));
                }
                growth.grew();
                say(verifying.as_mut(), &mut events);
            } else if let Some(change) = writer.as_mut().and_then(|writer| writer.look(&view)) {
                events.talk(&change);
            }
            if let Some(verifying) = &verifying {
                verifying.count(&view);
            }
            growth.wait();
        }
        Ok(Verdict::Yes)
    }

    /// What ended the reading. For one who verifies, a log that is not what it must be, or was, is a finding, and not one to wait for.
    fn judged(&self, error: LogError) -> CommandError {
        let is_finding = matches!(
            error,
            LogError::Open(OpenError::Refused(_)) | LogError::Read(ReadError::Refused(_) | ReadError::Gone { .. })
        );
        let error = CommandError::from(error);
        if self.args.verify && is_finding {
            return CommandError { log_is_lost: false, ..error.with_code(Verdict::No.code()) };
        }
        error
    }

    fn needs_place(&self) -> bool {
        self.args.retry || self.cursor.is_some()
    }

    fn place_after(&self, view: &View, fact: &Fact<'_>) -> Option<Place> {
        self.needs_place().then(|| Place::after_last(view, fact)).flatten()
    }

    /// Notes how far events were shown, if a place is kept and the events could be written. `last` is the place of the last
    /// event that was read. Without it, the event before `next` is looked up.
    fn note(&mut self, view: &View, last: Option<Place>, next: Seq, events: &Events<'_>) -> Result<(), CommandError> {
        if !events.ui.is_read() || !self.needs_place() {
            return Ok(());
        }
        let place = last.map_or_else(|| Place::before(view, next), Ok)?;
        if let Some(cursor) = &mut self.cursor {
            cursor.note(&place)?;
        }
        self.place = Some(place);
        Ok(())
    }

    /// Says why reading ended, waits until there is a log at the path again, and finds where to go on in it. `None` if the
    /// answer loses its reader before that.
    fn again(&self, ui: &Ui, ended: Result<Verdict, CommandError>) -> Result<Option<(View, Seq)>, CommandError> {
        let path = self.context.log.display();
        let mut said = ended.map_or_else(|error| error.message, |_| String::new());
        ui.talk(format_args!("{said}; waiting for a log in `{path}`"));
        let view = loop {
            match self.context.up_to_damage() {
                Ok(view) => break view,
                // A log that is just being copied there cannot be opened yet.
                Err(error) if !error.is_no_log && error.message != said => {
                    said = error.message;
                    ui.talk(format_args!("{said}; waiting"));
                }
                Err(_) => {}
            }
            if listener::is_gone() {
                return Ok(None);
            }
            std::thread::sleep(PAUSE_FOR_LOG);
        };
        let place = self.place.as_ref();
        let is_same = place.map_or(Ok(false), |place| place.is_in(&view))?;
        let next = place.filter(|_| is_same).map_or(Seq(0), Place::next);
        match (is_same, place.is_some_and(|place| place.is_of(&view))) {
            (true, _) => ui.talk(format_args!("the log in `{path}` is there again; it goes on at seq {next}")),
            (false, true) => {
                ui.talk(format_args!(
                    "the log in `{path}` does not hold what was shown; it follows from its beginning"
                ));
            }
            (false, false) => ui.talk(format_args!("another log is in `{path}`; it follows from its beginning")),
        }
        Ok(Some((view, next)))
    }
}

/// Verifies what was committed, if that is wanted. Returns false, and says why, if something is wrong.
fn check(verifying: Option<&mut Verifying<'_>>, view: &View, events: &mut Events<'_>) -> Result<bool, CommandError> {
    let Some(verifying) = verifying else { return Ok(true) };
    let is_good = verifying.check(view)?;
    if !is_good {
        events.flush();
        verifying.report(events.ui);
    }
    Ok(is_good)
}

/// Says how far the log is verified, if that is wanted.
fn say(verifying: Option<&mut Verifying<'_>>, events: &mut Events<'_>) {
    if let Some(news) = verifying.and_then(Verifying::news) {
        events.talk(&news);
    }
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
    see: &mut dyn FnMut(&Fact<'_>),
) -> Result<Seq, CommandError> {
    let next = view.each::<CommandError>(start, &mut |fact| {
        see(fact);
        selector.show(view, from, fact, &mut |read| Ok(events.take(view, read)))
    })?;
    events.flush();
    Ok(next)
}
