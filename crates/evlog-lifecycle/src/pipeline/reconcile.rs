//! Which outcomes an interrupted run gets from what its bundle holds (pipeline.md 5.4, A-07 to ).
//!
//! Does: say which outcomes follow from what was found of each enabled stage's outputs. Does not: look at files, promote or
//! clear anything. The holder of the run's lock has done that, and reports it.
//!
//! Invariant: the same findings, reported again, have no effect.

use super::definition::is_substage;
use super::outcome::{INVALID, MISSING, Outcome, STORAGE, StageStatus};
use super::payload::{Found, Outputs};
use super::rules::{self, Judged, refuse};
use super::state::State;

/// The outcomes that follow, in canonical order (rules P-82 to P-86). An error if the findings do not belong to this run.
pub(super) fn outcomes(state: &State, found: &[Found]) -> Judged<Vec<Outcome>> {
    rules::open(state)?;
    let expected: Vec<&str> = state.enabled().map(|index| state.stage_id(index)).collect();
    let named: Vec<&str> = found.iter().map(|found| found.stage.as_str()).collect();
    if named != expected {
        let message = format!("expected findings of {}, in this order, found {named:?}", expected.join(", "));
        return refuse("FINDINGS_INCOMPLETE", message);
    }
    let mut settled = Vec::new();
    let mut stopped =
        state.outcomes().any(|outcome| is_substage(&outcome.stage) && state.definition().stops_run(outcome));
    for (index, found) in state.enabled().zip(found) {
        let outcome = match state.top(index) {
            Some(recorded) => corrected(state, index, recorded, found),
            None => missing(state, index, found, stopped),
        };
        let now = outcome.as_ref().or(state.top(index));
        stopped |= now.is_some_and(|outcome| outcome.is_fatal() || outcome.is_blocked())
            || state.substages(index).any(|outcome| state.definition().stops_parent(outcome));
        settled.extend(outcome);
    }
    Ok(settled)
}

/// The outcome of a stage that has none yet. `None` means that the stage stays pending, and can begin (rules P-82 and P-83).
fn missing(state: &State, index: usize, found: &Found, stopped: bool) -> Option<Outcome> {
    let fatal = |code| Some(Outcome::failed(state.stage_id(index), super::outcome::FailMode::FailClosed, code));
    match found.outputs {
        _ if found.staging => fatal(STORAGE),
        Outputs::None if stopped => Some(state.blocked(index)),
        Outputs::None => None,
        // Files of a stage that ran after a fatal failure cannot be distinguished from files that should not exist.
        Outputs::Valid if stopped => fatal(STORAGE),
        Outputs::Valid => Some(judged(state, index)),
        Outputs::Invalid => fatal(INVALID),
        Outputs::Partial | Outputs::Corrupt => fatal(STORAGE),
    }
}

/// The outcome that the stage was judged to have, else a success (rule P-65). If a substage does not allow that outcome, the
/// stage fails closed with the code of the substage, or with that of a storage failure if the stage does not have the code
/// (rule P-35).
fn judged(state: &State, index: usize) -> Outcome {
    let success = || Outcome::success(state.stage_id(index), state.pinned.stages[index].fail_mode);
    let judged = state.progress[index].judged.clone().unwrap_or_else(success);
    let Some(against) = state.substages(index).find(|substage| !rules::stands_beside(state, substage, &judged)) else {
        return judged;
    };
    let code = against.reason_code.as_deref().filter(|code| state.definition().allows(&judged.stage, code));
    Outcome::failed(judged.stage, super::outcome::FailMode::FailClosed, code.unwrap_or(STORAGE))
}

/// The outcome that replaces a recorded one, if what was found contradicts it (rules P-84 to P-86).
fn corrected(state: &State, index: usize, recorded: &Outcome, found: &Found) -> Option<Outcome> {
    if recorded.is_fatal() && state.was_reconciled(index) {
        return None;
    }
    let published =
        recorded.status == StageStatus::Success || (recorded.status == StageStatus::Failed && !recorded.is_fatal());
    let reused = recorded.status == StageStatus::Skipped && !recorded.is_blocked();
    let code = match found.outputs {
        _ if found.staging => STORAGE,
        Outputs::None | Outputs::Partial if published => MISSING,
        Outputs::Invalid | Outputs::Corrupt if published => STORAGE,
        // A failed promotion leaves the artifacts that it had promoted by then. The outcome already says so.
        Outputs::None => return None,
        _ if published || reused || recorded.reason_code.as_deref() == Some(STORAGE) => return None,
        _ => STORAGE,
    };
    let corrected = Outcome::failed(&recorded.stage, super::outcome::FailMode::FailClosed, code);
    (corrected != *recorded).then_some(corrected)
}
