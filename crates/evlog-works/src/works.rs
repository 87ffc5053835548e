//! The works. Each adds its figures to [`Results`]; contenders take turns, round by round.

mod appending;
mod big;
mod meaning;
mod whole;

use crate::Done;
use crate::contender::Contender;
use crate::programs::Programs;
use crate::series::Results;
use crate::watch::Watch;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// A work: something that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Commits of 1,000 events of 208 to 271 bytes, class `os`, one sync at the end.
    Bulk,
    /// Every frame checked and every event's envelope walked in order, one thread.
    Replay,
    /// One thread, one event a commit, each synced before the next.
    Durable1,
    /// Eight threads, each waits for its own commit.
    Durable8,
    /// One thread offers single-event commits and waits for all of them later.
    Pipelined,
    /// Like replay, and every payload is decoded into the table of its kind.
    ReplayTyped,
    /// Bytes on disk for payloads of 200 bytes.
    Disk,
    /// Opening after a clean close.
    Open,
    /// Opening after the writer was killed with a full last segment.
    OpenKilled,
    /// One stream of 100 events out of all.
    Lookup,
    /// The whole command `evlog verify`.
    Verify,
    /// Memory of `evlog verify`, `replay` and `cat`.
    Memory,
    /// From the acknowledgement to the line that `evlog tail -f` prints.
    Follow,
    /// The whole command `evlog audit`, with ten rules.
    Audit,
    /// The whole command `evlog cat`, with selections that match nothing.
    Select,
    /// The whole command `evlog export`, in each format.
    Export,
    /// The whole command `evlog replay`, with and without a trail.
    Trail,
}

impl Work {
    /// All works.
    pub const ALL: [Work; 17] = [
        Work::Bulk,
        Work::Replay,
        Work::Durable1,
        Work::Durable8,
        Work::Pipelined,
        Work::ReplayTyped,
        Work::Disk,
        Work::Open,
        Work::OpenKilled,
        Work::Lookup,
        Work::Verify,
        Work::Memory,
        Work::Follow,
        Work::Audit,
        Work::Select,
        Work::Export,
        Work::Trail,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Work::Bulk => "bulk",
            Work::Replay => "replay",
            Work::Durable1 => "durable1",
            Work::Durable8 => "durable8",
            Work::Pipelined => "pipelined",
            Work::ReplayTyped => "replay-typed",
            Work::Disk => "disk",
            Work::Open => "open",
            Work::OpenKilled => "open-killed",
            Work::Lookup => "lookup",
            Work::Verify => "verify",
            Work::Memory => "memory",
            Work::Follow => "follow",
            Work::Audit => "audit",
            Work::Select => "select",
            Work::Export => "export",
            Work::Trail => "trail",
        }
    }

    /// The work of this name.
    pub fn named(name: &str) -> Option<Work> {
        Work::ALL.into_iter().find(|work| work.name() == name)
    }

    /// Whether it reads the big log.
    fn reads_big_log(self) -> bool {
        matches!(self, Work::Open | Work::Lookup | Work::Verify | Work::Memory)
    }

    /// Whether it reads the mixed log.
    fn reads_mixed_log(self) -> bool {
        matches!(self, Work::Audit | Work::Select | Work::Export | Work::Trail)
    }
}

/// The amount of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The number of events in each workload that fills a store and then reads or measures all of it (bulk, replay, disk).
    /// The mixed log, which is audited, selected from, exported and replayed, has the same number.
    pub events: usize,
    /// How many events the big log has, on which opening, looking up, verifying and memory are measured.
    pub big: usize,
    /// How long one round of a durable work takes.
    pub durable: Duration,
    /// The number of times that each figure is taken.
    pub rounds: usize,
    /// How many commits are made in each round for a follower (`evlog tail -f`), to measure how soon it prints each one.
    pub followed: usize,
    /// The time limit for a command whose memory is measured. A command that reaches it is stopped; the memory and time
    /// measured until then are its figures.
    pub patience: Duration,
    /// Whether the durable works are also done while another thread writes to the same disk.
    pub busy: bool,
}

impl Scale {
    /// The scale for a big log of this many events.
    pub fn of(big: usize) -> Scale {
        let (durable, patience) = (Duration::from_millis(500), Duration::from_mins(1));
        Scale { events: big.min(1_000_000), big, durable, rounds: 5, followed: 20, patience, busy: false }
    }

    /// Bytes of free space that the works need at most at one time.
    pub fn room(&self, works: &[Work]) -> u64 {
        let big = if works.iter().any(|work| work.reads_big_log()) { self.big } else { 0 };
        let exported = if works.contains(&Work::Export) { self.events as u64 * EXPORTED_LEN_MAX } else { 0 };
        (big as u64).max(self.events as u64) * EVENT_LEN_MAX + exported + BESIDE
    }
}

/// More bytes than an event takes in any store that takes part, sidecars included.
const EVENT_LEN_MAX: u64 = 400;

/// More bytes than an event takes in an export, and in a copy of it.
const EXPORTED_LEN_MAX: u64 = 1200;

/// Bytes of other files besides the largest log: a small log, one whose writer was killed, a file that keeps the disk
/// busy.
const BESIDE: u64 = 4 * crate::ours::SEGMENT;

/// The options of the measurement.
pub struct Plan<'a> {
    /// The place where the works make their directories.
    pub dir: PathBuf,
    /// The amount of work.
    pub scale: Scale,
    /// The contenders of the works in which others can take part; evlog comes first.
    pub contenders: Vec<Contender>,
    /// The programs that are started.
    pub programs: &'a Programs,
}

impl Plan<'_> {
    /// How many steps [`run`] reports to its watcher.
    pub fn steps(&self, works: &[Work]) -> usize {
        let has = |work| works.contains(&work);
        let each = |count: usize| count * self.scale.rounds;
        let big = usize::from(works.iter().any(|work| work.reads_big_log()));
        let disks = if self.scale.busy { 2 } else { 1 };
        let loads = if has(Work::Bulk) || has(Work::Replay) { each(self.contenders.len()) } else { 0 };
        let durable = [Work::Durable1, Work::Durable8].into_iter().filter(|work| has(*work)).count();
        let singles = [Work::Open, Work::OpenKilled, Work::ReplayTyped, Work::Verify];
        let singles = singles.into_iter().filter(|work| has(*work)).count();
        loads
            + each(disks * durable * self.contenders.len() + singles)
            + if has(Work::Pipelined) { each(2 * disks) } else { 0 }
            + if has(Work::Lookup) { each(3) } else { 0 }
            + usize::from(has(Work::Disk))
            + usize::from(has(Work::Memory))
            + usize::from(has(Work::Follow))
            + big
            + meaning::steps(self, works)
    }

    /// A directory for one round of one contender. It is removed when the value is dropped.
    fn room(&self) -> Done<TempDir> {
        let made = tempfile::Builder::new().prefix("evlog-bench-").tempdir_in(&self.dir);
        Ok(made.map_err(crate::during(format_args!("make a directory in `{}`", self.dir.display())))?)
    }
}

/// Does the works, in an order that does not depend on the order in which they are given.
pub fn run(plan: &Plan<'_>, works: &[Work], watch: &mut dyn Watch) -> Done<Results> {
    let mut results = Results::default();
    let has = |work| works.contains(&work);
    if has(Work::Bulk) || has(Work::Replay) {
        appending::load(plan, works, watch, &mut results)?;
    }
    appending::durable(plan, works, watch, &mut results)?;
    if has(Work::ReplayTyped) {
        appending::typed(plan, watch, &mut results)?;
    }
    if has(Work::Disk) {
        appending::disk(plan, watch, &mut results)?;
    }
    big::run(plan, works, watch, &mut results)?;
    if has(Work::Follow) {
        whole::follow(plan, watch, &mut results)?;
    }
    meaning::run(plan, works, watch, &mut results)?;
    Ok(results)
}

/// Checks that a store gave back as many events as it was given.
fn expect_events(who: &str, seen: u64, expected: usize) -> Done<()> {
    if seen == expected as u64 {
        return Ok(());
    }
    Err(format!("expected {who} to read {expected} events, found {seen}").into())
}

/// Adds the names of work and contender to the first failure of a measurement, which ends it.
fn named<T>(work: &str, who: &str, done: Done<T>) -> Done<T> {
    done.map_err(
        |error| if error.is::<crate::watch::Stopped>() { error } else { format!("{work}, {who}: {error}").into() },
    )
}

#[cfg(test)]
mod tests;
