//! Figures as they were taken: one for each round, and no averages.

use std::fmt::Write;
use std::time::Duration;

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// More is better.
    EventsPerSecond,
    /// More is better.
    BytesPerSecond,
    /// Less is better.
    Nanoseconds,
    /// Less is better.
    Bytes,
    /// The number of times that a process woke in a second. Less is better.
    WakeupsPerSecond,
    /// Bytes on disk in thousandths of the bytes of the payloads. Less is better.
    Permille,
}

impl Unit {
    /// The unit's name for programs.
    pub fn word(self) -> &'static str {
        match self {
            Unit::EventsPerSecond => "events_per_second",
            Unit::BytesPerSecond => "bytes_per_second",
            Unit::Nanoseconds => "nanoseconds",
            Unit::Bytes => "bytes",
            Unit::WakeupsPerSecond => "wakeups_per_second",
            Unit::Permille => "permille",
        }
    }

    /// A figure with its unit, as people read it.
    pub fn shown(self, figure: u64) -> String {
        match self {
            Unit::EventsPerSecond if figure >= 1_000_000 => format!("{} M/s", thousandths(figure / 1000)),
            Unit::EventsPerSecond if figure >= 1000 => format!("{} k/s", thousandths(figure)),
            Unit::EventsPerSecond | Unit::WakeupsPerSecond => format!("{figure} /s"),
            Unit::BytesPerSecond if figure < 1_000_000_000 => format!("{} MB/s", thousandths(figure / 1000)),
            Unit::BytesPerSecond => format!("{} GB/s", thousandths(figure / 1_000_000)),
            Unit::Nanoseconds if figure >= 1_000_000_000 => format!("{} s", thousandths(figure / 1_000_000)),
            Unit::Nanoseconds => format!("{} ms", thousandths(figure / 1000)),
            Unit::Bytes => format!("{} MiB", thousandths(figure.saturating_mul(1000) >> 20)),
            Unit::Permille => format!("{} x", thousandths(figure)),
        }
    }

    /// Whether a greater figure is a better one.
    pub fn more_is_better(self) -> bool {
        matches!(self, Unit::EventsPerSecond | Unit::BytesPerSecond)
    }
}

/// The figures of one contender in one work, in the order in which they were taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// The work.
    pub work: &'static str,
    /// The case of the work; empty if there is only one.
    pub case: String,
    /// The contender that did it.
    pub contender: String,
    /// The counted unit.
    pub unit: Unit,
    /// One figure for each round.
    pub rounds: Vec<u64>,
}

impl Series {
    /// The median; 0 if there are no figures.
    pub fn median(&self) -> u64 {
        median(&self.rounds)
    }
}

/// The median; of two middle figures, the lower one.
pub fn median(figures: &[u64]) -> u64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

/// How good the first figure is compared with the second, in thousandths. More than 1000 is better, in every unit.
pub fn ratio_permille(unit: Unit, ours: u64, theirs: u64) -> u64 {
    let (above, below) = if unit.more_is_better() { (ours, theirs) } else { (theirs, ours) };
    above.saturating_mul(1000) / below.max(1)
}

/// A number of thousandths with two decimals.
pub fn thousandths(figure: u64) -> String {
    format!("{}.{:02}", figure / 1000, figure % 1000 / 10)
}

/// `count` divided by a time, for each second.
pub fn per_second(count: u64, spent: Duration) -> u64 {
    let spent = spent.as_nanos().max(1);
    u64::try_from(u128::from(count) * 1_000_000_000 / spent).unwrap_or(u64::MAX)
}

/// A time as a figure.
pub fn nanoseconds(spent: Duration) -> u64 {
    u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX)
}

/// Series by work, case and contender, in the order in which they first came.
#[derive(Clone, Debug, Default)]
pub struct Results(Vec<Series>);

impl Results {
    /// Adds a figure to its series.
    pub fn add(&mut self, work: &'static str, case: &str, contender: &str, unit: Unit, figure: u64) {
        let same = |series: &&mut Series| series.work == work && series.case == case && series.contender == contender;
        match self.0.iter_mut().find(same) {
            Some(series) => series.rounds.push(figure),
            None => self.0.push(Series {
                work,
                case: case.to_owned(),
                contender: contender.to_owned(),
                unit,
                rounds: vec![figure],
            }),
        }
    }

    /// All series.
    pub fn series(&self) -> &[Series] {
        &self.0
    }

    /// Every figure as a line of tab-separated values, under a line of names.
    pub fn tsv(&self) -> String {
        let mut text = String::from("work\tcase\tcontender\tround\tfigure\tunit\n");
        for Series { work, case, contender, unit, rounds } in &self.0 {
            for (round, figure) in (1..).zip(rounds) {
                let unit = unit.word();
                // Writing to a string cannot fail.
                let _written = writeln!(text, "{work}\t{case}\t{contender}\t{round}\t{figure}\t{unit}");
            }
        }
        text
    }

    /// The best series of the other contenders in the same case of a workload; `None` if there is no other contender.
    pub fn best_beside(&self, ours: &Series) -> Option<&Series> {
        let beside =
            |other: &&Series| (other.work, &other.case) == (ours.work, &ours.case) && other.contender != ours.contender;
        self.0.iter().filter(beside).max_by_key(|other| ratio_permille(ours.unit, other.median(), 1_000_000))
    }

    /// The series of one contender in one case of a work.
    pub fn of(&self, work: &str, case: &str, contender: &str) -> Option<&Series> {
        self.0.iter().find(|series| series.work == work && series.case == case && series.contender == contender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_figure_that_was_taken() {
        assert_eq!((median(&[]), median(&[5]), median(&[9, 1]), median(&[3, 9, 1])), (0, 5, 1, 3));
    }

    #[test]
    fn a_ratio_above_one_is_better_whatever_is_counted() {
        assert_eq!(ratio_permille(Unit::EventsPerSecond, 300, 200), 1500);
        assert_eq!(ratio_permille(Unit::Nanoseconds, 300, 200), 666);
        assert_eq!(ratio_permille(Unit::Nanoseconds, 0, 200), 200_000);
    }

    #[test]
    fn rounds_of_one_contender_come_together() {
        let mut results = Results::default();
        for (who, figure) in [("a", 1), ("b", 2), ("a", 3)] {
            results.add("bulk", "", who, Unit::EventsPerSecond, figure);
        }
        assert_eq!(results.of("bulk", "", "a").map(|series| series.rounds.clone()), Some(vec![1, 3]));
        assert_eq!(results.series().len(), 2);
    }
}
