//! Whole commands, as a user types them.

use super::{Plan, Work, named};
use crate::Done;
use crate::events::audit_events;
use crate::machine::{bytes_below, process_sleeps};
use crate::ours::EVLOG;
use crate::programs::{Guard, lines, piped, run, run_patiently};
use crate::series::{Results, Unit, nanoseconds, per_second};
use crate::watch::{Watch, step};
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// How long a follower is watched while nothing comes.
const IDLE: Duration = Duration::from_secs(1);
/// How long to wait for a line that must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pauses between the commits that a follower waits for. They differ, so that a regular interval at which the follower
/// polls cannot coincide with them and stay unnoticed.
const PAUSES_MS: [u64; 7] = [3, 29, 11, 47, 71, 5, 17];

/// Measures how fast `evlog verify` reads the whole log, and for comparison how fast a hash program (`b3sum`) reads the
/// same segments.
pub(super) fn verify(plan: &Plan<'_>, log: &Path, watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
    let bytes = bytes_below(&log.join("segments"))?;
    for _ in 0..plan.scale.rounds {
        step(watch, Work::Verify.name())?;
        if let Some(hasher) = plan.programs.hasher(log)? {
            let spent = named("verify", "hasher", run(hasher))?;
            results.add("verify", "", "b3sum", Unit::BytesPerSecond, per_second(bytes, spent));
        }
        let spent = named("verify", "evlog", run(plan.programs.evlog("verify", log)))?;
        results.add("verify", "", "evlog", Unit::BytesPerSecond, per_second(bytes, spent));
    }
    Ok(())
}

/// The most memory that whole commands were seen to hold, and how long they took.
pub(super) fn memory(plan: &Plan<'_>, log: &Path, watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
    step(watch, Work::Memory.name())?;
    for command in ["verify", "replay", "cat"] {
        let whole = plan.programs.evlog(command, log);
        let spent = named("memory", command, run_patiently(whole, plan.scale.patience, &mut || watch.stops()))?;
        let case = if spent.ended {
            command.to_owned()
        } else {
            format!("{command}, stopped when its time limit was reached")
        };
        if let Some(memory) = spent.memory {
            results.add("memory", &case, "evlog", Unit::Bytes, memory);
        }
        results.add("time", &case, "evlog", Unit::Nanoseconds, nanoseconds(spent.time));
    }
    Ok(())
}

/// Measures the time from the acknowledgement of a commit until `evlog tail -f` prints its line, and how often an idle
/// follower wakes up.
pub(super) fn follow(plan: &Plan<'_>, watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
    step(watch, Work::Follow.name())?;
    let followed = plan.scale.followed * plan.scale.rounds;
    let (room, events) = (plan.room()?, audit_events(followed + 1)?);
    let store = (EVLOG.open)(room.path())?;
    store.durable(&events, 0)?;
    let mut command = plan.programs.evlog("tail", room.path());
    command.args(["-f", "-n", "1"]);
    let (child, out) = piped(command)?;
    let (child, lines) = (Guard(child), lines(out));
    // The first line shows that the follower has started.
    line(&lines)?;
    for number in 1..=followed {
        std::thread::sleep(Duration::from_millis(PAUSES_MS[number % PAUSES_MS.len()]));
        if watch.stops() {
            return Err(crate::watch::Stopped.into());
        }
        store.durable(&events, number)?;
        let acknowledged = Instant::now();
        let seen = line(&lines)?;
        let figure = nanoseconds(seen.saturating_duration_since(acknowledged));
        results.add("follow", "after acknowledgement", "evlog", Unit::Nanoseconds, figure);
    }
    if let Some(before) = process_sleeps(child.0.id()) {
        std::thread::sleep(IDLE);
        let after = process_sleeps(child.0.id()).unwrap_or(before);
        results.add("follow", "while idle", "evlog", Unit::WakeupsPerSecond, per_second(after - before, IDLE));
    }
    drop(child);
    store.close()
}

fn line(lines: &Receiver<Instant>) -> Done<Instant> {
    lines.recv_timeout(PATIENCE).map_err(|_| "`evlog tail -f` did not print an event that was committed".into())
}
