//! Counts the steps of a run, and says them to the log of events.

use crate::metrics::Metrics;
use evlog_pipeline::Progress;

pub(super) fn count(metrics: &Metrics, progress: &Progress<'_>) {
    match progress {
        Progress::RunCreated { run, retry_of, .. } => {
            tracing::info!(target: "run", run, retry_of, "a run begins");
        }
        Progress::Resumed { run, finished, processes, .. } => {
            tracing::info!(target: "run", run, finished = finished.len(), processes, "a run is resumed");
        }
        Progress::StageStarted { stage, .. } => tracing::info!(target: "run", stage, "a stage begins"),
        Progress::StageTakenOver { stage, from, .. } => tracing::info!(target: "run", stage, from, "a stage is reused"),
        Progress::GateFailed { stage, reason_code, .. } => {
            tracing::warn!(target: "run", stage, reason_code, "the publish gate failed");
        }
        Progress::OutcomeRecorded { outcome, elapsed } => {
            let (stage, status, code) = (&*outcome.stage, outcome.status.word(), outcome.reason_code.as_deref());
            let seconds = elapsed.as_secs_f64();
            tracing::info!(target: "run", stage, status, code, seconds, "an outcome is recorded");
            metrics.count(|figures| figures.outcome(status));
        }
        Progress::Finished { status, elapsed } => {
            tracing::info!(target: "run", status = status.word(), seconds = elapsed.as_secs_f64(), "the run has ended");
        }
        _ => {}
    }
}
