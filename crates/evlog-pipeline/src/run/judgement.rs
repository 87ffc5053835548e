//! Decides which outcome a stage gets: from how its process ended, from the reason code that it named, and from its substages.
//!
//! Does not: run anything, look at files, or record.

use super::Runner;
use crate::outcomes::ReportedOutcome;
use crate::plan::Stage;
use crate::process::Ended;
use evlog_lifecycle::pipeline::{Coupling, FailMode, Outcome, Severity, StageStatus, is_substage, root_of};

impl Runner<'_> {
    /// Why a reason code that the stage itself reported is not valid.
    pub(super) fn disbelief(&self, stage: &Stage, ended: Option<Ended>, code: &str) -> Option<String> {
        if ended == Some(Ended::Exited(0)) {
            return Some(format!("the stage named the reason code `{code}` and then exited with 0"));
        }
        let row = self.plan.definition.code(&stage.id, code);
        let known = row.is_some_and(|row| row.severity != Severity::Skipped);
        (!known).then(|| format!("`{code}` is not in the catalogue as a failure of stage `{}`", stage.id))
    }

    /// The outcome that follows from the end of the process. The most specific reason code wins, in this order: the one for
    /// the time limit, the one that the stage named, the one for its exit status, and the stage's default in the plan.
    pub(super) fn judge(&self, stage: &Stage, ended: Option<Ended>, own: Option<String>) -> Outcome {
        let code = match ended {
            Some(Ended::Exited(0)) => return Outcome::success(&stage.id, stage.fail_mode),
            Some(Ended::TimedOut) => stage.time_limit_reason_code.clone(),
            Some(Ended::Exited(status)) => own
                .or_else(|| stage.exit_reason_codes.get(&status).cloned())
                .unwrap_or_else(|| stage.reason_code.clone()),
            // An interrupted stage never gets this far: it is left without an outcome.
            Some(Ended::Signalled(_) | Ended::Interrupted | Ended::Traced | Ended::Unsupervised) | None => {
                own.unwrap_or_else(|| stage.reason_code.clone())
            }
        };
        self.failed(stage, code)
    }

    pub(super) fn failed(&self, stage: &Stage, code: String) -> Outcome {
        let definition = &self.plan.definition;
        let mode = definition.usual_fail_mode(&stage.id, StageStatus::Failed, Some(&code), stage.fail_mode);
        Outcome::failed(&stage.id, mode, code)
    }

    /// The stage's outcome, given the outcomes of its substages, including those of an earlier attempt. Some of them leave the
    /// stage no choice (pipeline.md 1.3, 2.3).
    pub(super) fn coupled(&self, stage: &Stage, outcome: Outcome, substages: &[ReportedOutcome]) -> Outcome {
        let definition = &self.plan.definition;
        let recorded = substages.iter().map(|reported| {
            let code = reported.reason_code.as_deref();
            let usual = definition.usual_fail_mode(&reported.stage, reported.status, code, stage.fail_mode);
            let fail_mode = reported.fail_mode.unwrap_or(usual);
            Outcome {
                stage: reported.stage.clone(),
                status: reported.status,
                fail_mode,
                reason_code: reported.reason_code.clone(),
            }
        });
        let earlier = self.outcomes.iter().filter(|known| {
            let reported = substages.iter().any(|reported| reported.stage == known.stage);
            is_substage(&known.stage) && root_of(&known.stage) == stage.id && !reported
        });
        let failed: Vec<Outcome> =
            recorded.chain(earlier.cloned()).filter(|reported| reported.status == StageStatus::Failed).collect();
        if let Some(stop) = failed.iter().find(|reported| definition.stops_parent(reported)) {
            let own = || Outcome::failed(&stage.id, FailMode::FailClosed, stage.reason_code.clone());
            return definition.parent_outcome(stop, true, stage.fail_mode).unwrap_or_else(own);
        }
        let binds = |reported: &&Outcome| match definition.coupling(&reported.stage) {
            Some(Coupling::SameCode) => true,
            Some(Coupling::NotSuccess) => outcome.status == StageStatus::Success,
            Some(Coupling::NotSuccessWhenFatal) => outcome.status == StageStatus::Success && reported.is_fatal(),
            Some(Coupling::FailClosed | Coupling::StopsRun) | None => false,
        };
        let code = failed.iter().find(binds).and_then(|reported| reported.reason_code.clone());
        let code = code.map(|code| if definition.allows(&stage.id, &code) { code } else { stage.reason_code.clone() });
        code.map_or(outcome, |code| self.failed(stage, code))
    }
}
