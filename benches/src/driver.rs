//! The end-to-end works from the command line: what is typed, what is printed, what is kept.
//!
//! Does: read arguments, run the workloads of `evlog-works` with the contenders of the program, print a table with the
//! demanded figures, and write every single figure to a file. Does not: measure.

use crate::asked::table;
use evlog_works::contender::Contender;
use evlog_works::machine::{Disk, Machine, room};
use evlog_works::programs::{Programs, write_until_killed};
use evlog_works::watch::Watch;
use evlog_works::works::{Plan, Scale, Work, run};
use evlog_works::{Done, floor, ours};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// The usage text.
pub const USAGE: &str = "\
  works [WORK...] [OPTIONS]    the end-to-end works; all of them when none is named
      --dir DIR       where they write [default: the system's temporary directory]
      --events N      events of the works that append, audit, select, export [default: 1000000]
      --big N         events of the big log [default: 10000000]
      --rounds N      how often each figure is taken [default: 5]
      --only NAMES    contenders beside evlog and the floors, separated by commas [default: all]
      --busy          durable works also beside something else that writes to the disk
      --growing       also evlog without zeros written ahead, as `evlog-growing`
      --evlog PATH    the command `evlog`, with the feature `parquet` [default: target/release/evlog]
      --b3sum PATH    a program that hashes files, beside which verify is timed
      --raw FILE      write every figure to FILE, as tab-separated values
";

struct Typed {
    works: Vec<Work>,
    dir: PathBuf,
    scale: Scale,
    only: Option<Vec<String>>,
    growing: bool,
    evlog: PathBuf,
    b3sum: Option<PathBuf>,
    raw: Option<PathBuf>,
}

fn parse(arguments: &[String]) -> Done<Typed> {
    let mut typed = Typed {
        works: Vec::new(),
        dir: std::env::temp_dir(),
        scale: Scale::of(10_000_000),
        only: None,
        growing: false,
        evlog: Path::new("target/release/evlog").to_path_buf(),
        b3sum: None,
        raw: None,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("expected a value after `{argument}`"));
        match argument.as_str() {
            "--dir" => typed.dir = value()?.into(),
            "--events" => typed.scale.events = value()?.parse()?,
            "--big" => typed.scale.big = value()?.parse()?,
            "--rounds" => typed.scale.rounds = value()?.parse()?,
            "--only" => typed.only = Some(value()?.split(',').map(str::to_owned).collect()),
            "--busy" => typed.scale.busy = true,
            "--growing" => typed.growing = true,
            "--evlog" => typed.evlog = value()?.into(),
            "--b3sum" => typed.b3sum = Some(value()?.into()),
            "--raw" => typed.raw = Some(value()?.into()),
            name => {
                let names = Work::ALL.map(Work::name).join(" ");
                let work = Work::named(name).ok_or_else(|| format!("no work `{name}`; expected one of: {names}"))?;
                typed.works.push(work);
            }
        }
    }
    if typed.works.is_empty() {
        typed.works = Work::ALL.to_vec();
    }
    Ok(typed)
}

/// In a child of the works: writes until it is killed.
pub fn victim(arguments: &[String]) -> Done<()> {
    let [.., count, dir] = arguments else { return Err("expected a number of events and a directory".into()) };
    write_until_killed(count.parse()?, Path::new(dir), &mut |line| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")?;
        Ok(out.flush()?)
    })
}

/// Runs the workloads that the arguments name. `hasher` hashes files if no other program is given.
pub fn works(arguments: &[String], rivals: &[Contender], hasher: Option<Vec<OsString>>) -> Done<()> {
    let typed = parse(arguments)?;
    if !typed.evlog.is_file() {
        let path = typed.evlog.display();
        let message =
            format!("expected the command evlog at `{path}`; `cargo build --release`, or name it with --evlog");
        return Err(message.into());
    }
    let (needed, found) = (typed.scale.room(&typed.works), room(&typed.dir)?);
    if found < needed {
        let dir = typed.dir.display();
        return Err(format!("the works take up to {needed} bytes, found {found} bytes free in `{dir}`").into());
    }
    let this = std::env::current_exe()?;
    let programs = Programs {
        evlog: typed.evlog.canonicalize()?,
        victim: vec![this.into(), "victim".into()],
        hasher: typed.b3sum.map(|path| vec![path.into()]).or(hasher),
        formats: vec!["jsonl", "csv", "parquet"],
    };
    let is_asked = |rival: &&Contender| typed.only.as_ref().is_none_or(|only| only.iter().any(|n| n == rival.name));
    let mut contenders = vec![ours::EVLOG, floor::FLOOR, floor::ZEROED];
    contenders.extend(typed.growing.then_some(ours::GROWING));
    contenders.extend(rivals.iter().filter(is_asked));
    let mut out = std::io::stdout().lock();
    about(&mut out, &typed.dir)?;
    let plan = Plan { dir: typed.dir, scale: typed.scale, contenders, programs: &programs };
    let mut shown = Shown { of: plan.steps(&typed.works), ..Shown::default() };
    let results = run(&plan, &typed.works, &mut shown)?;
    Shown::say("");
    writeln!(out, "{}", table(&results))?;
    match typed.raw {
        Some(path) => Ok(std::fs::write(path, results.tsv())?),
        None => Ok(()),
    }
}

fn about(out: &mut impl Write, dir: &Path) -> Done<()> {
    let (machine, disk) = (Machine::here(dir), Disk::probe(dir)?);
    let quiet = machine.looks_idle() && disk.looks_quiet();
    let Machine { processor, threads, memory, system, file_system, device, load } = machine;
    let [growing, zeros, nine] = [disk.growing, disk.over_zeros, disk.growing_nine_of_ten].map(|time| time / 1000);
    let quiet = if quiet { "machine and disk look quiet" } else { "NOT QUIET: only ratios mean something" };
    writeln!(out, "machine: {processor}, {threads} threads, {} MiB, {system}, load {load}", memory >> 20)?;
    let syncs = format!("sync after growing {growing} us (nine of ten within {nine} us), over zeros {zeros} us");
    Ok(writeln!(out, "disk: {file_system} on {device}; {syncs}: {quiet}\n")?)
}

/// Shows the progress of the works on standard error, if that is a terminal.
#[derive(Default)]
struct Shown {
    done: usize,
    of: usize,
}

impl Shown {
    fn say(line: &str) {
        if std::io::stderr().is_terminal() {
            // If stderr was closed, the message is lost.
            let _gone = write!(std::io::stderr(), "\r\x1b[K{line}");
        }
    }
}

impl Watch for Shown {
    fn step(&mut self, work: &'static str) {
        self.done += 1;
        Shown::say(&format!("{}/{} {work}", self.done, self.of));
    }

    fn stops(&mut self) -> bool {
        false
    }
}
