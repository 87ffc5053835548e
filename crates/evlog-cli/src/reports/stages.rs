//! How the stages of a run ended, as test cases: a stage that failed is a failure, and a stage that was skipped is skipped.
//!
//! Invariant: the report of a run that did not end as `success` or `partial` has a failure, even if no stage failed.

use super::{Answer, Finding, Place, Report, Rule};
use evlog_lifecycle::pipeline::{Outcome, StageStatus};
use std::collections::BTreeMap;

/// A run, and whether it could be completed.
pub(crate) struct Ended<'a> {
    pub(crate) run: &'a str,
    pub(crate) pipeline: &'a str,
    /// `None` if it has not ended.
    pub(crate) status: Option<&'a str>,
    pub(crate) outcomes: &'a [Outcome],
}

/// Adds a test case for each stage. `is_there` says whether the bundle has a file.
pub(crate) fn add(report: &mut Report, ended: &Ended<'_>, is_there: &dyn Fn(&str) -> bool) {
    let help = "The reason code says why a stage failed; `evlog explain RUN` says more.";
    let rule = report.rule(Rule::new("stage_succeeds", "the stage succeeds, or is skipped on purpose", help));
    let class = format!("stage.{}", ended.pipeline);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for outcome in ended.outcomes {
        let nth = seen.entry(&outcome.stage).or_default();
        *nth += 1;
        // A bundle of another program may list a stage twice, and two test cases cannot have one name.
        let name = if *nth == 1 { outcome.stage.clone() } else { format!("{}, outcome {nth}", outcome.stage) };
        report.case(rule, class.as_str(), name, answer(outcome, is_there));
    }
    let has_failed = ended.outcomes.iter().any(|outcome| outcome.status == StageStatus::Failed);
    match ended.status {
        Some("success" | "partial") => {}
        Some(_) if has_failed => {}
        status => {
            let found = status.map_or_else(|| "it has not ended".to_owned(), |status| format!("it ended as {status}"));
            let text = format!("run `{}`: {found}", ended.run);
            report.case(rule, class, "the run as a whole", Answer::found([finding(Place::run(ended.run), text)]));
        }
    }
}

/// The test case of a run that could not be completed.
pub(crate) fn add_error(report: &mut Report, run: &str, message: &str) {
    let help = "The message says what happened, and what to do.";
    let rule = report.rule(Rule::new("run_ends", "the run is brought to its end", help));
    report.case(rule, "run", "the run as a whole", Answer::found([finding(Place::run(run), message.to_owned())]));
}

fn answer(outcome: &Outcome, is_there: &dyn Fn(&str) -> bool) -> Answer {
    let Outcome { stage, status, fail_mode, reason_code } = outcome;
    let code = reason_code.as_deref().unwrap_or("no reason code");
    match status {
        StageStatus::Success => Answer::passed(),
        StageStatus::Skipped => Answer::NotRun(code.to_owned()),
        StageStatus::Failed => {
            let files = [
                (format!("logs/{stage}.log"), "what it printed"),
                (format!("logs/contract_validation/{stage}.json"), "what its publish gate found"),
            ];
            let there = files.iter().filter(|(path, _)| is_there(path));
            let places: Vec<String> =
                there.map(|(path, what)| format!("; {what} is in `{path}` of the bundle")).collect();
            let place = Place { kind: "stage", name: stage.clone() };
            Answer::found([finding(
                place,
                format!("{stage} failed with {code} ({}){}", fail_mode.word(), places.concat()),
            )])
        }
    }
}

fn finding(place: Place, sentence: String) -> Finding {
    Finding {
        place: Some(place),
        expected: "success".to_owned(),
        found: sentence.clone(),
        sentence,
        ..Finding::default()
    }
}
