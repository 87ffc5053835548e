//! Works on a big log. It is made once, then opened, looked up in, verified and read completely.

use super::appending::{self, BATCH};
use super::{Plan, Work, expect_events, named, whole};
use crate::Done;
use crate::events::{Events, Layout, Sizes};
use crate::machine::{bytes_below, forget_contents};
use crate::ours::{self, EVLOG};
use crate::series::{Results, Unit, nanoseconds};
use crate::watch::{Watch, step};
use std::path::Path;
use std::time::Instant;

/// The number of events in a stream.
const STREAM: usize = 100;
/// How many streams grow at the same time, in the layouts in which not all of them do.
const AT_ONCE: usize = 1000;
/// The number of events in the small log. The time to open the big log is compared with the time to open this one.
const SMALL: usize = 100_000;

/// Does those works of this file that are requested.
pub(super) fn run(plan: &Plan<'_>, works: &[Work], watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
    let big = plan.scale.big;
    if works.iter().any(|work| work.reads_big_log()) {
        step(watch, "big log")?;
        let room = plan.room()?;
        let log = room.path();
        let events = make(log, big, AT_ONCE, BATCH)?;
        if works.contains(&Work::Open) {
            open(plan, log, watch, results)?;
        }
        if works.contains(&Work::Lookup) {
            lookup(plan, log, &events, "commits of 1,000 events, 1,000 streams at a time", watch, results)?;
        }
        if works.contains(&Work::Verify) {
            whole::verify(plan, log, watch, results)?;
        }
        if works.contains(&Work::Memory) {
            whole::memory(plan, log, watch, results)?;
        }
    }
    if works.contains(&Work::Lookup) {
        for (batch, commits) in [(1, "commits of one event"), (BATCH, "commits of 1,000 events")] {
            let room = plan.room()?;
            let events = make(room.path(), big, big.div_ceil(STREAM), batch)?;
            lookup(plan, room.path(), &events, &format!("{commits}, all streams at once"), watch, results)?;
        }
    }
    if works.contains(&Work::OpenKilled) {
        open_killed(plan, watch, results)?;
    }
    Ok(())
}

/// A log of this many events in commits of `batch`, closed cleanly.
fn make(dir: &Path, count: usize, at_once: usize, batch: usize) -> Done<Events> {
    let layout = Layout { len: STREAM, at_once: at_once.min(count.div_ceil(STREAM)) };
    let events = Events::new(Sizes::Audit, layout, count)?;
    let store = (EVLOG.open)(dir)?;
    named("big log", "evlog", appending::fill(store.as_ref(), &events, count, batch))?;
    store.close()?;
    Ok(events)
}

/// Opens the small log and the big log for writing, in turns.
fn open(plan: &Plan<'_>, big: &Path, watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
    let (room, small) = (plan.room()?, SMALL.min(plan.scale.big));
    make(room.path(), small, AT_ONCE, BATCH)?;
    for _ in 0..plan.scale.rounds {
        step(watch, Work::Open.name())?;
        for (dir, count) in [(room.path(), small), (big, plan.scale.big)] {
            let start = Instant::now();
            let mut spent = None;
            named("open", "evlog", ours::open_and_close(dir, || spent = Some(start.elapsed())))?;
            let figure = nanoseconds(spent.unwrap_or_default());
            results.add("open", &format!("{count} events"), "evlog", Unit::Nanoseconds, figure);
        }
    }
    Ok(())
}

fn open_killed(plan: &Plan<'_>, watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
    for _ in 0..plan.scale.rounds {
        step(watch, Work::OpenKilled.name())?;
        let room = plan.room()?;
        plan.programs.killed_writer(plan.scale.big, room.path())?;
        let case = format!("{} MiB in the last segment", bytes_below(room.path())? >> 20);
        let start = Instant::now();
        let mut spent = None;
        named("open-killed", "evlog", ours::open_and_close(room.path(), || spent = Some(start.elapsed())))?;
        results.add("open-killed", &case, "evlog", Unit::Nanoseconds, nanoseconds(spent.unwrap_or_default()));
    }
    Ok(())
}

/// Uses a separate reader for each stream, with the files in memory and after the system forgot them.
fn lookup(
    plan: &Plan<'_>,
    log: &Path,
    events: &Events,
    layout: &str,
    watch: &mut dyn Watch,
    results: &mut Results,
) -> Done<()> {
    let streams = plan.scale.big / STREAM;
    // The system reads dropped contents again only when they are needed, so all rounds with the files in memory come
    // first.
    for cold in [false, true] {
        for round in 0..plan.scale.rounds {
            if !cold {
                step(watch, Work::Lookup.name())?;
            }
            let files = if cold { "files forgotten" } else { "files in memory" };
            let stream = events.name(streams * (2 * round + usize::from(cold)) / (2 * plan.scale.rounds));
            if cold {
                forget_contents(log)?;
            }
            let start = Instant::now();
            let seen = named("lookup", "evlog", ours::lookup(log, stream))?;
            let figure = nanoseconds(start.elapsed());
            expect_events("evlog", seen, STREAM.min(plan.scale.big))?;
            results.add("lookup", &format!("{layout}, {files}"), "evlog", Unit::Nanoseconds, figure);
        }
    }
    Ok(())
}
