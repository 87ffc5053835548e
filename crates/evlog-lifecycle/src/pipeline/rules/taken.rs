//! What may be reused from a run that another run retries (rules P-92 to P-94).
//!
//! Does not: read files. The code that copies them checks whether they are still what was published.

use super::{Judged, refuse, running};
use crate::members::quoted;
use crate::pipeline::outcome::{Outcome, StageStatus};
use crate::pipeline::payload::TakenOver;
use crate::pipeline::state::State;
use serde_json::{Map, Value};

/// Whether these members name a run that this one can retry, if they name one (rule P-92). Checked for commands only,
/// not for recorded events, because earlier versions accepted any value there.
pub(in super::super) fn retry(run: &str, members: &Map<String, Value>) -> Judged<()> {
    let given = members.get("extensions").and_then(|extensions| extensions.get("orchestrator")?.get("retry"));
    let of = given.and_then(|given| given.get("of")?.as_str());
    if given.is_none() || of.is_some_and(|of| !of.is_empty() && of != run) {
        return Ok(());
    }
    let message = "manifest member `extensions.orchestrator.retry`: expected `of`, the id of another run";
    refuse("MANIFEST_RESERVED", message)
}

/// Whether a stage may be reused instead of being run (rules P-92 and P-93).
pub(in super::super) fn take_over(state: &State, taken: &TakenOver) -> Judged<usize> {
    let TakenOver { stage: name, baseline, seq } = taken;
    let index = running(state, name)?;
    let progress = &state.progress[index];
    if state.retry_of() != Some(baseline) || *baseline == state.pinned.run {
        let retried = state.retry_of().map_or("none".to_owned(), |of| format!("`{}`", quoted(of)));
        let message = format!("expected the run that this one retries ({retried}), found `{}`", quoted(baseline));
        return refuse("NOT_THE_BASELINE", message);
    }
    if *seq >= state.pinned.seq.0 {
        let first = state.pinned.seq;
        let message = format!("expected an outcome before this run's first event, which is {first}, found {seq}");
        return refuse("NOT_THE_BASELINE", message);
    }
    if progress.taken.is_some() {
        return refuse("STAGE_TAKEN_OVER", format!("stage `{name}` has already been taken over since it last began"));
    }
    if progress.has_ended {
        return refuse(
            "PROCESS_ENDED",
            format!(
                "it is recorded how the process of stage `{name}` ended since the stage last began, so it is not taken over"
            ),
        );
    }
    if let Some(judged) = &progress.judged {
        return refuse("JUDGED_OTHERWISE", format!("`{judged}` was judged, so stage `{name}` has run"));
    }
    if progress.intended.is_some() {
        let message = format!(
            "stage `{name}` can only be taken over before the promotion of its artifacts is recorded as intended, and it is already"
        );
        return refuse("PROMOTION_OPEN", message);
    }
    Ok(index)
}

/// Whether the baseline has ended, and has recorded at this seq that the stage succeeded (rule P-92).
pub(in super::super) fn succeeded(baseline: Option<&State>, taken: &TakenOver) -> Judged<()> {
    let TakenOver { stage, baseline: name, seq } = taken;
    let Some(baseline) = baseline else {
        return refuse("NOT_THE_BASELINE", format!("there is no run `{}` of this contract", quoted(name)));
    };
    if baseline.end.is_none() {
        return refuse("NOT_THE_BASELINE", format!("expected a run that has ended, found `{name}` in progress"));
    }
    let outcome = baseline.outcome(stage).filter(|_| baseline.outcome_seq(stage).is_some_and(|of| of.0 == *seq));
    match outcome {
        Some(outcome) if outcome.status == StageStatus::Success => Ok(()),
        found => {
            let found = found.map_or("none".to_owned(), |outcome| format!("`{outcome}`"));
            let message = format!("expected the success of `{stage}` in run `{name}` at seq {seq}, found {found}");
            refuse("NOT_THE_BASELINE", message)
        }
    }
}

/// Whether a stage that may have been reused can end like this: as the success that it was, or failed closed (rule P-94).
pub(super) fn as_taken(state: &State, index: usize, outcome: &Outcome) -> Judged<()> {
    match &state.progress[index].taken {
        Some(taken) if outcome.status != StageStatus::Success && !outcome.is_fatal() => {
            let (name, baseline) = (&taken.stage, quoted(&taken.baseline));
            let message =
                format!("stage `{name}` is taken over from `{baseline}`, where it succeeded; found `{outcome}`");
            refuse("STAGE_TAKEN_OVER", message)
        }
        _ => Ok(()),
    }
}
