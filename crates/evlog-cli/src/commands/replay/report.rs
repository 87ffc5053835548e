//! A replay as a report for other programs.

use super::trail::Compared;
use super::{Replayed, described, sentence, verdict};
use crate::json::hex;
use crate::reports::{Answer, Base, Finding, Place, Report, Rule};
use evlog::replay::{Replay, ReplayDifference};
use evlog::{LogError, View};
use std::collections::BTreeSet;
use std::path::Path;

pub(super) fn empty(log: &Path) -> Report {
    Report::new("evlog replay", log.display().to_string(), Base::log(log))
}

/// A test case for each file that was compared, as far as a report takes them: those that differ first.
pub(super) fn report(log: &Path, view: &View, replayed: &Replayed) -> Result<Report, LogError> {
    let (mut report, found) = (empty(log), &replayed.found);
    report.says("verdict", verdict(replayed));
    report.says("digest", hex(&found.digest));
    let help = "docs/lifecycle explains the files of each contract.";
    let errors = found.errors.iter().map(Finding::from);
    report.asked(Rule::new("contracts", "every run follows its contract", help), Answer::found(errors));
    if let Some(bundles) = &replayed.bundles {
        let title = "the files below the directory are those that the log gives";
        report.asked(Rule::new("bundles", title, help), Answer::found(bundles.reported()));
    }
    if let Some(against) = &replayed.against {
        let title = format!("the replay projects the same as the trail after every {}", against.step());
        report.asked(Rule::new("trail", &title, "docs/replay.md explains trails."), Answer::found(diverged(against)));
    }
    let same = report.rule(Rule::new("file", "a file has the bytes whose digest the log records", help));
    for difference in &found.differences {
        let ReplayDifference { run, path, seq, .. } = difference;
        report.case(same, class(run), name(path, *seq), Answer::found([difference.into()]));
    }
    let recorded = found.differences.iter().filter(|difference| difference.expected.is_some()).count();
    let passed = found.compared - recorded as u64;
    let listed = if view.is_whole() { passed_files(&mut report, same, view, found)? } else { 0 };
    report.left_out(passed - listed, 0);
    Ok(report)
}

/// Adds the recorded files that the replay reproduces. The files of runs that cannot be folded are left out. Returns the
/// number of files that were added.
fn passed_files(report: &mut Report, rule: usize, view: &View, found: &Replay) -> Result<u64, LogError> {
    let broken: BTreeSet<&str> = found.errors.iter().map(|error| error.run.as_str()).collect();
    let differ = found.differences.iter();
    let differ: BTreeSet<(&str, u64, &str)> =
        differ.map(|difference| (difference.run.as_str(), difference.seq, difference.path.as_str())).collect();
    let mut count = 0;
    for published in view.published()?.iter().filter(|published| !broken.contains(published.run.as_str())) {
        let is_same = |path: &str| !differ.contains(&(published.run.as_str(), published.seq, path));
        for file in published.files.iter().filter(|file| is_same(&file.path)) {
            count += 1;
            report.case(rule, class(&published.run), name(&file.path, published.seq), Answer::passed());
        }
    }
    Ok(count)
}

fn diverged(against: &Compared) -> Option<Finding> {
    let ((run, seq), sentence) = (against.place()?, against.sentence()?);
    let place = Some(Place { kind: "event", name: format!("{seq} of run {run}") });
    let (expected, found) = ("the step of the trail".to_owned(), sentence.clone());
    Some(Finding { place, expected, found, sentence, ..Finding::default() })
}

fn class(run: &str) -> String {
    format!("replay.{run}")
}

fn name(path: &str, seq: u64) -> String {
    format!("{path} as published at seq {seq}")
}

impl From<&ReplayDifference> for Finding {
    fn from(difference: &ReplayDifference) -> Finding {
        let ReplayDifference { run, path, seq, expected, found, .. } = difference;
        Finding {
            place: Some(Place { kind: "file", name: format!("{run}/{path}, as published at seq {seq}") }),
            expected: described(*expected),
            found: described(*found),
            sentence: sentence(difference),
            ..Finding::default()
        }
    }
}
