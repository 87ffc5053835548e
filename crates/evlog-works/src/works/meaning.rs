//! Whole commands that read what events mean, on a log of runs of several contracts.

use super::appending::{self, BATCH};
use super::{Plan, Work, expect_events, named};
use crate::events::{Events, RULES};
use crate::ours::{self, EVLOG};
use crate::programs::run as run_program;
use crate::series::{Results, Unit, per_second};
use crate::watch::{Watch, step};
use crate::{Done, during};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Selections that match nothing. The last one needs every payload that can have the member.
const SELECTIONS: [(&str, &str); 4] =
    [("--kind", "custom/none"), ("--actor", "nobody"), ("--where", "seq<0"), ("--where", "payload.ticket=none")];

/// Formats that are exported, where the program has them.
const FORMATS: [&str; 3] = ["jsonl", "csv", "parquet"];

/// The cost of reading alone: every frame is checked and every event's envelope is walked, in this process.
const WALK: &str = "walk";

/// A log of the mixed events.
struct Mixed<'p> {
    plan: &'p Plan<'p>,
    log: &'p Path,
    count: usize,
}

/// How many steps [`run`] reports to its watcher.
pub(super) fn steps(plan: &Plan<'_>, works: &[Work]) -> usize {
    let rounds = |work: Work| match work {
        Work::Audit | Work::Trail => 1,
        Work::Select => SELECTIONS.len(),
        Work::Export => formats(plan).count(),
        _ => 0,
    };
    let has_log = works.iter().any(|work| work.reads_mixed_log());
    usize::from(has_log) + plan.scale.rounds * works.iter().map(|work| rounds(*work)).sum::<usize>()
}

fn formats(plan: &Plan<'_>) -> impl Iterator<Item = &'static str> {
    FORMATS.into_iter().filter(|format| plan.programs.formats.contains(format))
}

/// Does those works of this file that are requested.
pub(super) fn run(plan: &Plan<'_>, works: &[Work], watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
    if !works.iter().any(|work| work.reads_mixed_log()) {
        return Ok(());
    }
    step(watch, "mixed log")?;
    let (room, count) = (plan.room()?, plan.scale.events);
    let store = (EVLOG.open)(room.path())?;
    named("mixed log", "evlog", appending::fill(store.as_ref(), &Events::mixed(count)?, count, BATCH))?;
    store.close()?;
    let mixed = Mixed { plan, log: room.path(), count };
    for _ in 0..plan.scale.rounds {
        for work in Work::ALL.into_iter().filter(|work| works.contains(work)) {
            match work {
                Work::Audit => mixed.audit(watch, results)?,
                Work::Select => mixed.select(watch, results)?,
                Work::Export => mixed.export(watch, results)?,
                Work::Trail => mixed.trail(watch, results)?,
                _ => {}
            }
        }
    }
    Ok(())
}

impl Mixed<'_> {
    fn command(&self, command: &str) -> Command {
        self.plan.programs.evlog(command, self.log)
    }

    fn add(&self, results: &mut Results, (work, case, who): (Work, &str, &str), spent: Duration) {
        results.add(work.name(), case, who, Unit::EventsPerSecond, per_second(self.count as u64, spent));
    }

    /// Reads the log and does no more, for comparison.
    fn walk(&self, results: &mut Results, work: Work, case: &str) -> Done<()> {
        let start = Instant::now();
        let seen = named(work.name(), WALK, ours::replay(self.log))?;
        self.add(results, (work, case, WALK), start.elapsed());
        expect_events(WALK, seen, self.count)
    }

    /// An audit that finds anything ends with another exit code. So a log with a finding gives no figure.
    fn audit(&self, watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
        step(watch, Work::Audit.name())?;
        let (room, mut command) = (self.plan.room()?, self.command("audit"));
        let rules = room.path().join("rules.toml");
        fs::write(&rules, RULES).map_err(during("write the rules of the work `audit`"))?;
        command.args(["--fail-on", "note", "--rules"]).arg(rules);
        let spent = named("audit", "evlog", run_program(command))?;
        self.add(results, (Work::Audit, "", "evlog"), spent);
        self.walk(results, Work::Audit, "")
    }

    fn select(&self, watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
        for (option, value) in SELECTIONS {
            step(watch, Work::Select.name())?;
            let (case, mut command) = (format!("{option} {value}"), self.command("cat"));
            command.args([option, value]);
            let spent = named("select", "evlog", run_program(command))?;
            self.add(results, (Work::Select, &case, "evlog"), spent);
            self.walk(results, Work::Select, &case)?;
        }
        Ok(())
    }

    fn export(&self, watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
        for format in formats(self.plan) {
            step(watch, Work::Export.name())?;
            let (room, mut command) = (self.plan.room()?, self.command("export"));
            let out = room.path().join(format);
            command.args(["--format", format, "--out"]).arg(&out);
            let spent = named("export", "evlog", run_program(command))?;
            self.add(results, (Work::Export, format, "evlog"), spent);
            let bytes = fs::read(&out).map_err(during("read an export"))?;
            let start = Instant::now();
            let copied = File::create(room.path().join("copy")).and_then(|mut copy| {
                copy.write_all(&bytes)?;
                copy.sync_all()
            });
            copied.map_err(during("copy an export"))?;
            self.add(results, (Work::Export, format, "floor"), start.elapsed());
        }
        Ok(())
    }

    fn trail(&self, watch: &mut dyn Watch, results: &mut Results) -> Done<()> {
        step(watch, Work::Trail.name())?;
        let spent = named("trail", "replay", run_program(self.command("replay")))?;
        self.add(results, (Work::Trail, "", "replay"), spent);
        let (room, mut command) = (self.plan.room()?, self.command("replay"));
        command.arg("--trail").arg(room.path().join("trail"));
        let spent = named("trail", "evlog", run_program(command))?;
        self.add(results, (Work::Trail, "", "evlog"), spent);
        Ok(())
    }
}
