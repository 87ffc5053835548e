//! `evlog bench`: how fast the store is on this disk, compared with plain files.
//!
//! Invariant: its files are removed when it ends, also after Ctrl-C. It touches no other log.

mod report;

use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::ui::{Progress, Ui, Unit};
use clap::Args;
use clap::builder::PossibleValuesParser;
use evlog_export::Format;
use evlog_works::machine::{Disk, Machine, room};
use evlog_works::programs::{Programs, write_until_killed};
use evlog_works::series::Results;
use evlog_works::watch::Watch;
use evlog_works::works::{Plan, Scale, Work};
use evlog_works::{floor, ours};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a command that was interrupted.
pub(super) const INTERRUPTED: u8 = 130;

const EXAMPLES: &str = "\
Workloads:
  bulk          commits of 1,000 events, one sync at the end
  replay        every frame checked, every event walked in order
  durable1      one thread, one event a commit, each synced before the next
  durable8      eight threads, each waits for its own commit
  pipelined     one thread sends single-event commits, and waits for all of
                them at the end
  replay-typed  like replay, with every payload decoded
  disk          bytes on disk for each byte of payload
  open          opening after a clean close, with few events and with all
  open-killed   opening after the writer was killed with a full last segment
  lookup        reading one stream of 100 events out of all events
  verify        the command `evlog verify`, compared with `b3sum` if that is
                installed
  memory        memory use of `evlog verify`, `replay` and `cat`; `time` is
                the duration of each
  follow        from the acknowledgement of a commit to the line of
                `evlog tail -f`
  audit         the command `evlog audit` with ten rules, compared with
                reading the log alone
  select        the command `evlog cat` with selections that match nothing,
                compared with the same
  export        the command `evlog export` to a file, compared with writing
                the same bytes
  trail         the command `evlog replay --trail`, compared with
                `evlog replay`

The floor writes the same bytes to one plain file, as length, checksum and data. The zeroed floor fills its file \
with zeros first. They take turns with the store, and each figure is the median of the rounds. A ratio above 1 \
means that the store is faster than the floor. If something else writes to the same disk, only the ratios are \
meaningful.

Examples:
  evlog bench                           all workloads here: two minutes
  evlog bench --dir /mnt/data durable1  one workload, on another disk
  evlog bench durable1 durable8 --busy  also while something else writes to it
  evlog bench --events 10000000 lookup  with a log of 2.6 GB
  evlog bench --json > bench.json       every figure, for programs";

/// Measure the speed of the store on this disk, compared with plain files
///
/// Creates logs in a temporary directory, and removes it at the end. Measures the named workloads, or all of them, and
/// shows what the same work costs with plain files.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// The workloads to measure [default: all]
    #[arg(value_name = "WORK", value_parser = PossibleValuesParser::new(Work::ALL.map(Work::name)),
        hide_possible_values = true)]
    works: Vec<String>,
    /// A directory on the disk to measure
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Number of events in the largest log; workloads that append use at most 1,000,000
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    events: u64,
    /// Number of times each figure is measured
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    rounds: u64,
    /// Also measure the workloads that sync while something else writes to the disk
    #[arg(long)]
    busy: bool,
    /// For a child of this command: write this number of events into a directory, and wait to be killed
    #[arg(long, hide = true, num_args = 2, value_names = ["COUNT", "DIR"])]
    victim: Option<Vec<String>>,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &BenchArgs) -> Result<Verdict, CommandError> {
    if let Some([count, dir]) = args.victim.as_deref() {
        return victim(ui, count, Path::new(dir));
    }
    let works: Vec<Work> = match args.works.as_slice() {
        [] => Work::ALL.to_vec(),
        names => names.iter().filter_map(|name| Work::named(name)).collect(),
    };
    let scale = scale(args);
    check_room(&args.dir, &scale, &works)?;
    let asked = Arc::new(AtomicBool::new(false));
    catch_signals(&asked).map_err(|error| CommandError::user(format!("could not catch signals: {error}")))?;
    let measured = measure(ui, args, scale, &works, Arc::clone(&asked));
    let (machine, disk, results) = match measured {
        // A child that got the same signal may have failed before this check.
        Err(_) if asked.load(Ordering::Relaxed) => {
            return Err(CommandError::user("interrupted; the files were removed").with_code(INTERRUPTED));
        }
        Err(error) => return Err(CommandError::user(error.to_string())),
        Ok(measured) => measured,
    };
    let report = report::Report { dir: &args.dir, scale, machine: &machine, disk, results: &results };
    if context.json {
        report.json(ui);
    } else {
        report.print(ui);
    }
    Ok(Verdict::Yes)
}

fn scale(args: &BenchArgs) -> Scale {
    let count = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    Scale { rounds: count(args.rounds), busy: args.busy, ..Scale::of(count(args.events)) }
}

fn victim(ui: &mut Ui, count: &str, dir: &Path) -> Result<Verdict, CommandError> {
    let count = count.parse().map_err(|error| CommandError::user(format!("--victim {count}: {error}")))?;
    let done = write_until_killed(count, dir, &mut |line| {
        ui.line(line);
        ui.flush();
        if ui.is_read() { Ok(()) } else { Err("the output of the child process is not read".into()) }
    });
    done.map(|()| Verdict::Yes).map_err(|error| CommandError::user(error.to_string()))
}

fn check_room(dir: &Path, scale: &Scale, works: &[Work]) -> Result<(), CommandError> {
    let shown = dir.display();
    if !dir.is_dir() {
        return Err(CommandError::unlike("--dir", format!("a directory at `{shown}`"), "none"));
    }
    let found = room(dir).map_err(|error| CommandError::user(format!("--dir `{shown}`: {error}")))?;
    let needed = scale.room(works);
    if found >= needed {
        return Ok(());
    }
    let [needed, found] = [needed, found].map(|bytes| bytes.div_ceil(1 << 20));
    let message = format!("no room in `{shown}`: expected {needed} MiB free for these workloads, found {found} MiB");
    Err(CommandError::user(message)
        .hint("a smaller `--events COUNT` needs less room; `--dir DIR` names another directory"))
}

/// The first request to stop ends the workloads in order, a second one ends the program.
pub(super) fn catch_signals(asked: &Arc<AtomicBool>) -> std::io::Result<()> {
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), Arc::clone(asked))?;
        flag::register(signal, Arc::clone(asked))?;
    }
    Ok(())
}

fn measure(
    ui: &Ui,
    args: &BenchArgs,
    scale: Scale,
    works: &[Work],
    asked: Arc<AtomicBool>,
) -> evlog_works::Done<(Machine, Disk, Results)> {
    let this = std::env::current_exe()?;
    let programs = Programs {
        evlog: this.clone(),
        victim: vec![this.into(), "bench".into(), "--victim".into()],
        hasher: on_path("b3sum").map(|path| vec![path.into()]),
        formats: Format::ALL.into_iter().filter(|format| format.is_built_in()).map(Format::name).collect(),
    };
    let room = tempfile::Builder::new().prefix("evlog-bench-").tempdir_in(&args.dir)?;
    let (machine, disk) = (Machine::here(room.path()), Disk::probe(room.path())?);
    let contenders = vec![ours::EVLOG, floor::FLOOR, floor::ZEROED];
    let plan = Plan { dir: room.path().to_path_buf(), scale, contenders, programs: &programs };
    let bar = ui.progress("bench", plan.steps(works) as u64, Unit::Rounds);
    let results = evlog_works::works::run(&plan, works, &mut Shown { bar, done: 0, asked })?;
    room.close()?;
    Ok((machine, disk, results))
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path: OsString = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Shows the workloads on the bar, and ends them after a request to stop.
struct Shown {
    bar: Progress,
    done: u64,
    asked: Arc<AtomicBool>,
}

impl Watch for Shown {
    fn step(&mut self, work: &'static str) {
        self.bar.says(work);
        self.bar.at(self.done);
        self.done += 1;
    }

    fn stops(&mut self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(dir: &Path, scale: &Scale) -> String {
        match check_room(dir, scale, &Work::ALL) {
            Err(failure) => format!("{} {}", failure.message, failure.hints.join(" ")),
            other => panic!("expected a refusal, found {other:?}"),
        }
    }

    #[test]
    fn a_directory_without_room_is_refused_before_anything_is_written() {
        let temp = tempfile::tempdir().unwrap();
        assert!(check_room(temp.path(), &Scale::of(1000), &[Work::Durable1]).is_ok());
        let message = refused(temp.path(), &Scale::of(1 << 50));
        assert!(
            message.contains("no room in") && message.contains("MiB free") && message.contains("--events"),
            "{message}"
        );
        assert!(refused(&temp.path().join("none"), &Scale::of(1000)).contains("expected a directory"));
    }
}
