//! Works that append, and read back what they appended.

use super::{Plan, Work, expect_events, named};
use crate::busy::Busy;
use crate::contender::{Contender, Store};
use crate::events::{Events, Layout, NATURAL, Sizes, audit_events};
use crate::floor::FLOOR;
use crate::machine::bytes_below;
use crate::ours::{self, EVLOG};
use crate::series::{Results, Unit, nanoseconds, per_second};
use crate::watch::{Watch, step};
use crate::{Done, during};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many events each commit of the work `bulk` has.
pub(super) const BATCH: usize = 1000;
const THREADS: usize = 8;

/// Appends all events in commits of `batch`, synced once at the end.
pub(super) fn fill(store: &dyn Store, events: &Events, count: usize, batch: usize) -> Done<()> {
    for first in (0..count).step_by(batch) {
        let next = count.min(first + batch);
        store.append(events, first..next, next == count)?;
    }
    Ok(())
}

/// Does the works `bulk`, `open` and `replay` for each contender in turn, with a new directory for each round.
pub(super) fn load(plan: &Plan<'_>, works: &[Work], watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
    let events = audit_events(plan.scale.events)?;
    turns(plan, Work::Bulk, watch, &plan.contenders, &mut |contender, dir| {
        load_one(plan, works, contender, dir, &events, results)
    })
}

fn load_one(
    plan: &Plan<'_>,
    works: &[Work],
    contender: &Contender,
    dir: &Path,
    events: &Events,
    results: &mut Results,
) -> Done<()> {
    let (count, who) = (plan.scale.events, contender.name);
    let store = (contender.open)(dir)?;
    let start = Instant::now();
    fill(store.as_ref(), events, count, BATCH)?;
    let spent = start.elapsed();
    store.close()?;
    if works.contains(&Work::Bulk) {
        results.add("bulk", "", who, Unit::EventsPerSecond, per_second(count as u64, spent));
    }
    if !works.contains(&Work::Replay) {
        return Ok(());
    }
    let start = Instant::now();
    let store = (contender.open)(dir)?;
    results.add("reopen", "", who, Unit::Nanoseconds, nanoseconds(start.elapsed()));
    if !contender.replays {
        return store.close();
    }
    let start = Instant::now();
    expect_events(who, store.replay()?, count)?;
    results.add("replay", "", who, Unit::EventsPerSecond, per_second(count as u64, start.elapsed()));
    store.close()
}

/// The case name of a workload that runs while another thread writes.
const BUSY: &str = "busy disk";

/// Runs the workloads that wait for syncs: once on a quiet disk and, if the plan asks for it, once while another thread
/// writes.
pub(super) fn durable(plan: &Plan<'_>, works: &[Work], watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
    let events = audit_events(plan.scale.events)?;
    let cases = if plan.scale.busy { vec!["", BUSY] } else { vec![""] };
    for case in cases {
        let room = plan.room()?;
        let beside = if case == BUSY { Some(Busy::begin(room.path())?) } else { None };
        for (work, threads) in [(Work::Durable1, 1), (Work::Durable8, THREADS)] {
            if works.contains(&work) {
                turns(plan, work, watch, &plan.contenders, &mut |contender, dir| {
                    let figure = durable_one(contender, threads, plan.scale.durable, dir, &events)?;
                    results.add(work.name(), case, contender.name, Unit::EventsPerSecond, figure);
                    Ok(())
                })?;
            }
        }
        if works.contains(&Work::Pipelined) {
            turns(plan, Work::Pipelined, watch, &[EVLOG, FLOOR], &mut |contender, dir| {
                let figure = pipelined_one(contender, dir, &events)?;
                results.add("pipelined", case, contender.name, Unit::EventsPerSecond, figure);
                Ok(())
            })?;
        }
        drop(beside);
    }
    Ok(())
}

/// Lets each contender do the work in turn, in an empty directory, round by round.
fn turns(
    plan: &Plan<'_>,
    work: Work,
    watch: &mut dyn Watch,
    contenders: &[Contender],
    one: &mut dyn FnMut(&Contender, &Path) -> Done<()>,
) -> Done<()> {
    for _ in 0..plan.scale.rounds {
        for contender in contenders {
            step(watch, work.name())?;
            let room = plan.room()?;
            // Syncs first, so that a contender need not wait for what the previous one left in the file system's journal,
            // mainly deleted files.
            File::open(&plan.dir).and_then(|dir| dir.sync_all()).map_err(during("sync the works' directory"))?;
            named(work.name(), contender.name, one(contender, room.path()))?;
        }
    }
    Ok(())
}

fn pipelined_one(contender: &Contender, dir: &Path, events: &Events) -> Done<u64> {
    let store = (contender.open)(dir)?;
    let start = Instant::now();
    store.pipelined(events, 0..events.count())?;
    let figure = per_second(events.count() as u64, start.elapsed());
    store.close()?;
    Ok(figure)
}

/// Lets `threads` threads append single events for `lasts`. Returns the events per second of all threads together.
fn durable_one(contender: &Contender, threads: usize, lasts: Duration, dir: &Path, events: &Events) -> Done<u64> {
    let store = (contender.open)(dir)?;
    let limit = events.count();
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let run = || -> Done<u64> {
        let mut done = 0;
        while start.elapsed() < lasts {
            store.durable(events, next.fetch_add(1, Ordering::Relaxed) % limit)?;
            done += 1;
        }
        Ok(done)
    };
    let done = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).sum::<Done<u64>>()
    })?;
    let figure = per_second(done, start.elapsed());
    store.close()?;
    Ok(figure)
}

/// Reads payloads as tables of contract `status`. Each run has three events: created, started, succeeded.
pub(super) fn typed(plan: &Plan<'_>, watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
    let count = plan.scale.events / NATURAL.len * NATURAL.len;
    let events = Events::new(Sizes::Natural, NATURAL, count)?;
    let room = plan.room()?;
    let store = (EVLOG.open)(room.path())?;
    fill(store.as_ref(), &events, count, BATCH)?;
    store.close()?;
    for _ in 0..plan.scale.rounds {
        step(watch, Work::ReplayTyped.name())?;
        let start = Instant::now();
        let seen = named("replay-typed", "evlog", ours::replay_typed(room.path()))?;
        let spent = start.elapsed();
        expect_events("evlog", seen, count)?;
        results.add("replay-typed", "", "evlog", Unit::EventsPerSecond, per_second(seen, spent));
    }
    Ok(())
}

/// Measures the bytes on disk, including all sidecars, after a clean close.
pub(super) fn disk(plan: &Plan<'_>, watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
    step(watch, Work::Disk.name())?;
    let count = plan.scale.events;
    let events = Events::new(Sizes::Short, Layout { len: 10, at_once: 1 }, count)?;
    let payloads: usize = (0..count).map(|number| events.payload(number).len()).sum();
    for contender in [EVLOG, FLOOR] {
        let room = plan.room()?;
        let store = (contender.open)(room.path())?;
        named("disk", contender.name, fill(store.as_ref(), &events, count, BATCH))?;
        store.close()?;
        let permille = bytes_below(room.path())? * 1000 / (payloads as u64).max(1);
        results.add("disk", "", contender.name, Unit::Permille, permille);
    }
    Ok(())
}
