//! What `evlog bench` answers: a table for people, an object for programs.

use crate::json::{BenchDisk, BenchMachine, BenchObject, BenchSeries};
use crate::table::{self, Cell, counted, facts};
use crate::ui::{Tone, Ui};
use evlog_works::machine::{Disk, Machine};
use evlog_works::ours::EVLOG;
use evlog_works::series::{Results, Series, ratio_permille, thousandths};
use evlog_works::works::Scale;
use std::path::Path;

/// What was measured, on what.
pub(super) struct Report<'a> {
    pub(super) dir: &'a Path,
    pub(super) scale: Scale,
    pub(super) machine: &'a Machine,
    pub(super) disk: Disk,
    pub(super) results: &'a Results,
}

impl Report<'_> {
    pub(super) fn print(&self, ui: &mut Ui) {
        let Machine { processor, threads, memory, system, file_system, device, load } = self.machine;
        let Disk { growing, over_zeros, .. } = self.disk;
        let (quiet, tone) = match (self.machine.looks_idle(), self.disk.looks_quiet()) {
            (true, true) => ("machine and disk look quiet", Tone::Good),
            (false, _) => ("other programs use the processors: only ratios mean something", Tone::Warning),
            (true, false) => ("something else uses the disk: only ratios mean something", Tone::Warning),
        };
        let [growing, over_zeros] = [growing, over_zeros].map(|time| time.div_ceil(1000));
        let machine = format!("{processor}, {threads} threads, {} MiB, {system}, load {load}", memory >> 20);
        let syncs = format!("a sync takes {growing} us after a file grew, {over_zeros} us where it did not");
        let [events, rounds] = [self.scale.big, self.scale.rounds].map(|count| count as u64);
        let taken = format!("medians of {}, with up to {}", counted(rounds, "round"), counted(events, "event"));
        facts(
            ui,
            &[
                ("machine", machine, Tone::Plain),
                ("directory", format!("`{}`, {file_system} on {device}", self.dir.display()), Tone::Plain),
                ("disk", syncs, Tone::Plain),
                ("figures", taken, Tone::Plain),
                ("", quiet.to_owned(), tone),
            ],
        );
        ui.line(format_args!(""));
        let ours = self.results.series().iter().filter(|series| series.contender == EVLOG.name);
        let rows: Vec<Vec<Cell>> = ours.map(|series| self.row(series)).collect();
        table::print(ui, &["work", "evlog", "beside", "ratio"], &rows);
    }

    fn row(&self, ours: &Series) -> Vec<Cell> {
        let case = if ours.case.is_empty() { String::new() } else { format!(", {}", ours.case) };
        let plain = |text: String| (text, Tone::Plain);
        let mut row = vec![plain(format!("{}{case}", ours.work)), (ours.unit.shown(ours.median()), Tone::Strong)];
        if let Some(beside) = self.results.best_beside(ours) {
            row.push(plain(format!("{} {}", beside.contender, ours.unit.shown(beside.median()))));
            row.push(plain(thousandths(ratio_permille(ours.unit, ours.median(), beside.median()))));
        }
        row
    }

    pub(super) fn json(&self, ui: &mut Ui) {
        let Machine { processor, threads, memory, system, file_system, device, load } = self.machine;
        let Disk { growing, over_zeros, growing_nine_of_ten, .. } = self.disk;
        let series = self.results.series().iter().map(|series| {
            let beside = self.results.best_beside(series).filter(|_| series.contender == EVLOG.name);
            BenchSeries {
                work: series.work,
                case: (!series.case.is_empty()).then_some(series.case.as_str()),
                contender: &series.contender,
                unit: series.unit.word(),
                more_is_better: series.unit.more_is_better(),
                median: series.median(),
                rounds: &series.rounds,
                beside: beside.map(|beside| beside.contender.as_str()),
                ratio_permille: beside.map(|beside| ratio_permille(series.unit, series.median(), beside.median())),
            }
        });
        ui.json(&BenchObject {
            dir: &self.dir.display().to_string(),
            events: self.scale.big as u64,
            rounds: self.scale.rounds as u64,
            machine: BenchMachine { processor, threads: *threads, memory: *memory, system, file_system, device, load },
            disk: BenchDisk { growing, growing_nine_of_ten, over_zeros, looks_quiet: self.disk.looks_quiet() },
            series: series.collect(),
        });
    }
}
