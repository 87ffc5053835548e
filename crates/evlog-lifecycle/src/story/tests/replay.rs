//! Reading history: what was decided folds to the same state, and an event that the contract forbids is an error that says so.

use super::{RUN, accept, exit, plain, started};
use crate::story::payload::{MoveCause, Moved, StepCause, StepMoved};
use crate::story::{Phase, State, Story};
use crate::testing::{Harness, Recorded};
use evlog_format::kind::{STORY_MOVED, STORY_STEP_MOVED};
use evlog_format::{Kind, payload};
use evlog_projection::{Contract, FoldError};
use serde::Serialize;
use serde_json::json;

/// The state that the run's events fold into.
pub(super) fn replayed(harness: &Harness<Story>) -> Result<State, FoldError> {
    let events = harness.facts(RUN);
    let mut state = harness.contract.start(&events[0].fact())?;
    events[1..].iter().try_for_each(|event| harness.contract.evolve(&mut state, &event.fact()))?;
    Ok(state)
}

/// A log whose run has one more event, as a program without this contract's guard would write it.
fn with_event<T: Serialize>(harness: &Harness<Story>, kind: Kind<'static>, table: &T) -> Harness<Story> {
    let mut forged = harness.clone();
    let last = forged.log.last().expect("an event").clone();
    forged.log.push(Recorded {
        seq: last.seq + 1,
        commit: last.seq + 1,
        number: last.number + 1,
        kind: kind.into(),
        payload: payload::encode(table).expect("encodes"),
        ..last
    });
    forged
}

fn forbidden(harness: &Harness<Story>, words: &str) {
    let error = replayed(harness).expect_err("the contract forbids it");
    assert!(error.message.contains(words), "{} lacks `{words}`", error.message);
    assert_eq!(error.seq.0, harness.log.last().expect("an event").seq);
}

#[test]
fn what_the_contract_forbids_is_an_error_with_its_place() {
    // S-50.
    let mut harness = started(json!({"steps": plain(&["a", "b"])}));
    accept(&mut harness, "step", json!({"step": "a", "to": "Running"}));
    let step = |from, to| StepMoved::new("a", from, to, StepCause::Reported);
    let running = Some(Phase::Running);
    forbidden(
        &with_event(&harness, STORY_STEP_MOVED, &step(Some(Phase::Pending), Phase::Failed)),
        "expected `Running` before",
    );
    forbidden(&with_event(&harness, STORY_STEP_MOVED, &step(running, Phase::Compensated)), "takes over its phase");
    forbidden(&with_event(&harness, STORY_STEP_MOVED, &step(running, Phase::Scheduling)), "is not a transition");
    let unknown = StepMoved::new("z", None, Phase::Pending, StepCause::Ready);
    forbidden(&with_event(&harness, STORY_STEP_MOVED, &unknown), "expected a step of the story");
    let derived = |to| Moved::new(running, to, MoveCause::Derived);
    forbidden(&with_event(&harness, STORY_MOVED, &derived(Phase::Succeeded)), "to follow from the steps");
    let requested = Moved::new(running, Phase::Finished, MoveCause::Cancel);
    forbidden(&with_event(&harness, STORY_MOVED, &requested), "every step to have ended");
    exit(&mut harness, "a", 1);
    exit(&mut harness, "b", 0);
    let later = StepMoved::new("b", Some(Phase::Succeeded), Phase::Succeeded, StepCause::Reported);
    forbidden(&with_event(&harness, STORY_STEP_MOVED, &later), "expected nothing after `Succeeded`");
    let revived = Moved::new(Some(Phase::Failed), Phase::Running, MoveCause::Requested);
    forbidden(&with_event(&harness, STORY_MOVED, &revived), "is not a transition");
    let again = Moved::new(Some(Phase::Failed), Phase::Failed, MoveCause::Requested);
    forbidden(&with_event(&harness, STORY_MOVED, &again), "expected nothing after `Failed`");
}

#[test]
fn an_ending_that_does_not_follow_from_the_steps_is_an_error() {
    // S-19, S-50.
    let mut harness = started(json!({"steps": plain(&["a"])}));
    exit(&mut harness, "a", 1);
    let last = harness.log.last_mut().expect("an event");
    let mut moved: Moved = crate::story::payload::read(&last.fact()).expect("a table");
    moved.to = Phase::Succeeded;
    last.payload = payload::encode(&moved).expect("encodes");
    forbidden(&harness, "expected `Failed` to follow from the steps, found `Succeeded`");
}

#[test]
fn a_run_begins_with_its_creation_and_no_other_version_is_read() {
    // S-50.
    let mut harness = started(json!({"steps": plain(&["a"])}));
    let events = harness.facts(RUN);
    assert!(harness.contract.start(&events[1].fact()).is_err());
    let last = harness.log.last_mut().expect("an event");
    last.kind_version = 2;
    forbidden(&harness, "expected version 1, found 2");
    let answered = harness.contract.answer(&events[0].fact());
    assert_eq!(answered, None);
}

#[test]
fn a_second_delivery_is_answered_from_the_log() {
    // S-06.
    let mut harness = started(json!({"steps": plain(&["a"])}));
    let again = json!({"run": RUN, "do": "step", "step": "a", "to": "Compensated", "id": "once"});
    let first = harness.play(again.clone()).expect("a command");
    let second = harness.play(again).expect("a command");
    assert_eq!((second.outcome, &second.error, second.duplicate), (first.outcome, &first.error, true));
}
