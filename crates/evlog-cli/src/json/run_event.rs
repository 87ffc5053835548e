//! What `run --json` prints before its answer: one line with an object for each step of the run.

use evlog_pipeline::Progress;
use serde::Serialize;
use std::path::Path;

/// One step of the run; `event` names its kind.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum RunEvent<'a> {
    RunCreated { run: &'a str, bundle: String, stages: &'a [&'a str], retry_of: Option<&'a str> },
    RunResumed { run: &'a str, bundle: String, stages: &'a [&'a str], finished: &'a [&'a str], processes: usize },
    LockForced { stale: String },
    PromotionFinished { stage: &'a str, artifacts: usize },
    StageTakenOver { stage: &'a str, from: &'a str, seq: u64, files: usize },
    StageStarted { stage: &'a str, log: String },
    Output { stage: &'a str, line: &'a str },
    Note { stage: Option<&'a str>, message: &'a str },
    GateFailed { stage: &'a str, reason_code: &'a str, findings: Vec<GateFinding<'a>> },
    Outcome { stage: &'a str, status: &'a str, fail_mode: &'a str, reason_code: Option<&'a str>, elapsed_ms: u128 },
}

/// A finding of a publish gate.
#[derive(Serialize)]
pub(crate) struct GateFinding<'a> {
    pub(crate) file: &'a str,
    pub(crate) line: Option<u64>,
    pub(crate) pointer: &'a str,
    pub(crate) contract: &'a str,
    pub(crate) message: &'a str,
}

impl<'a> RunEvent<'a> {
    /// The object for a step; `None` for the end of the run, which is the answer. `shown` formats paths.
    pub(crate) fn of(progress: &Progress<'a>, shown: &dyn Fn(&Path) -> String) -> Option<RunEvent<'a>> {
        Some(match *progress {
            Progress::RunCreated { run, bundle, stages, retry_of } => {
                RunEvent::RunCreated { run, bundle: shown(bundle), stages, retry_of }
            }
            Progress::Resumed { run, bundle, stages, finished, processes } => {
                RunEvent::RunResumed { run, bundle: shown(bundle), stages, finished, processes }
            }
            Progress::LockForced { stale } => RunEvent::LockForced { stale: shown(stale) },
            Progress::PromotionFinished { stage, artifacts } => RunEvent::PromotionFinished { stage, artifacts },
            Progress::Note { message } => RunEvent::Note { stage: None, message },
            Progress::StageTakenOver { stage, from, seq, files } => {
                RunEvent::StageTakenOver { stage, from, seq, files }
            }
            Progress::StageStarted { stage, log } => RunEvent::StageStarted { stage, log: shown(log) },
            Progress::OutputLine { stage, line } => RunEvent::Output { stage, line },
            Progress::StageNote { stage, message } => RunEvent::Note { stage: Some(stage), message },
            Progress::GateFailed { stage, reason_code, report } => {
                let findings = report.artifacts().iter().flat_map(|artifact| {
                    artifact.errors().iter().map(|finding| GateFinding {
                        file: artifact.path(),
                        line: finding.line_number,
                        pointer: &finding.instance_path,
                        contract: artifact.schema(),
                        message: &finding.message,
                    })
                });
                RunEvent::GateFailed { stage, reason_code, findings: findings.collect() }
            }
            Progress::OutcomeRecorded { outcome, elapsed } => RunEvent::Outcome {
                stage: &outcome.stage,
                status: outcome.status.word(),
                fail_mode: outcome.fail_mode.word(),
                reason_code: outcome.reason_code.as_deref(),
                elapsed_ms: elapsed.as_millis(),
            },
            _ => return None,
        })
    }
}
