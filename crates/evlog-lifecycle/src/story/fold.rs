//! Reading history: each committed event is checked against the contract, then taken into account.
//!
//! The fold attempts nothing and evaluates nothing. If the contract forbids an event, the fold returns an error that says what
//! was expected and what was found. The event is never skipped and never repaired. On an error the state is as it was.

use super::definition::{Definition, Kind};
use super::payload::{
    CancelRequested, Created, GateDecided, Mode, MoveCause, Moved, Redriven, Rejected, RejectionReason, StepCause,
    StepMoved, read,
};
use super::phases::{Entity, Phase, Verdict, in_words};
use super::schema::with_defaults;
use super::state::{Origin, State};
use crate::members::object as members_of;
use evlog_format::kind::{
    STORY_CANCEL_REQUESTED, STORY_CREATED, STORY_GATE_DECIDED, STORY_MOVED, STORY_REDRIVEN, STORY_REJECTED,
    STORY_STEP_MOVED,
};
use evlog_projection::{Fact, FoldError, parse};
use serde_json::{Map, Value};

/// The state after a run's first event.
pub(crate) fn start(fact: &Fact<'_>) -> Result<State, FoldError> {
    if fact.event.kind != STORY_CREATED {
        let found = fact.event.kind;
        return Err(FoldError::new(fact, format!("expected the run to begin with `{STORY_CREATED}`, found `{found}`")));
    }
    let created: Created = read(fact)?;
    begun(created, fact.head.time_ns(), fact.head.actor).map_err(|message| FoldError::new(fact, message))
}

/// The state that a creation leads to.
pub(super) fn begun(created: Created, time_ns: i128, actor: &str) -> Result<State, String> {
    let story = parse(created.story.as_bytes()).map_err(|error| format!("story: {error}"))?;
    let story = Definition::pinned(&story, created.mode, "").map_err(|error| format!("story: {error}"))?;
    let given = match &created.inputs {
        None => Value::Object(Map::new()),
        Some(text) => match parse(text.as_bytes()).map_err(|error| format!("inputs: {error}"))? {
            Value::Object(members) => Value::Object(members),
            other => return Err(format!("inputs: expected an object, found {}", crate::members::kind(&other))),
        },
    };
    let graph = Origin::graph_of(&story);
    let inputs = Value::Object(members_of(with_defaults(story.inputs_schema.as_ref(), given)));
    let is_askable = |step: &super::definition::Step| step.kind == Kind::Wait || step.condition.is_some();
    let askable = (0_u32..).zip(&story.steps).filter(|(_, step)| is_askable(step)).map(|(number, _)| number).collect();
    let mut state = State::new(Origin {
        askable,
        story,
        text: created.story,
        inputs_text: created.inputs,
        inputs,
        mode: created.mode,
        impulse: created.impulse,
        graph,
        time_ns,
        actor: actor.to_owned(),
    });
    state.apply_moved(time_ns, &Moved::new(None, Phase::Pending, MoveCause::Requested));
    Ok(state)
}

/// The state after one more event.
pub(crate) fn evolve(state: &mut State, fact: &Fact<'_>) -> Result<(), FoldError> {
    match fact.event.kind {
        STORY_STEP_MOVED => step_moved(state, fact, &read(fact)?),
        STORY_MOVED => moved(state, fact, &read(fact)?),
        STORY_REJECTED => rejected(state, fact, &read(fact)?),
        STORY_CANCEL_REQUESTED => cancel_requested(state, fact, &read(fact)?),
        STORY_GATE_DECIDED => gate_decided(state, fact, &read(fact)?),
        STORY_REDRIVEN => redriven(state, fact, &read(fact)?),
        found => Err(FoldError::new(fact, format!("expected an event of a run that exists, found `{found}`"))),
    }
}

fn expect(fact: &Fact<'_>, holds: bool, message: impl FnOnce() -> String) -> Result<(), FoldError> {
    if holds { Ok(()) } else { Err(FoldError::new(fact, message())) }
}

/// The phase that an event names as the one before must be the current phase.
fn check_from(fact: &Fact<'_>, expected: Option<Phase>, found: Option<Phase>) -> Result<(), FoldError> {
    expect(fact, expected == found, || {
        format!("expected `{}` before this event, found `{}`", in_words(expected), in_words(found))
    })
}

/// The number of a step that an event names.
fn number(state: &State, fact: &Fact<'_>, name: &str) -> Result<usize, FoldError> {
    let found = state.story().number(name);
    found.ok_or_else(|| FoldError::new(fact, format!("expected a step of the story, found `{name}`")))
}

fn moved(state: &mut State, fact: &Fact<'_>, event: &Moved) -> Result<(), FoldError> {
    check_from(fact, state.phase(), event.from)?;
    state.judge_run(event.to).map_err(|breach| FoldError::new(fact, breach.message))?;
    expect(fact, !(state.is_terminal() && event.from == Some(event.to)), || {
        format!("expected nothing after `{}`, found it again", event.to)
    })?;
    if event.cause == MoveCause::Derived {
        let derived = state.is_all_done();
        let (ending, _) = state.ending();
        let known = super::reasons::is_output_failure(&event.reason) || ending.phase == event.to;
        expect(fact, derived && known, || {
            format!("expected `{}` to follow from the steps, found `{}`", ending.phase, event.to)
        })?;
    }
    let decided = state.mode() == Mode::Decided && event.to.is_terminal();
    let live = state.live;
    expect(fact, !decided || live == 0, || format!("expected every step to have ended, found {live} that have not"))?;
    state.apply_moved(fact.head.time_ns(), event);
    Ok(())
}

fn step_moved(state: &mut State, fact: &Fact<'_>, event: &StepMoved) -> Result<(), FoldError> {
    let number = number(state, fact, &event.step)?;
    let phase = state.steps().get(number).phase;
    check_from(fact, phase, event.from)?;
    state.judge_step(number, event).map_err(|breach| FoldError::new(fact, breach.message))?;
    let again = phase == Some(event.to) && event.to.is_terminal();
    expect(fact, !again, || format!("step `{}`: expected nothing after `{}`, found it again", event.step, event.to))?;
    joins(state, fact, number, event)?;
    let open = state.mode() == Mode::Observed || !state.is_terminal();
    expect(fact, open, || format!("step `{}`: expected no phase after the run has ended", event.step))?;
    state.apply_step_moved(fact.head.time_ns(), number, event);
    Ok(())
}

/// Checks that a parallel step ends as its branches have ended, and that only a step that executes a story has a child.
fn joins(state: &State, fact: &Fact<'_>, number: usize, event: &StepMoved) -> Result<(), FoldError> {
    let definition = &state.story().steps[number];
    let ends = event.cause == StepCause::Parallel && event.to.is_terminal() && definition.kind == Kind::Parallel;
    if ends && event.to != Phase::Skipped {
        let (open, expected) = (state.steps().get(number).open, state.joined(number).phase);
        expect(fact, open == 0 && expected == event.to, || {
            let (name, found) = (&event.step, event.to);
            format!("step `{name}`: expected `{expected}` once {open} more branches have ended, found `{found}`")
        })?;
    }
    let executes = event.cause != StepCause::Child || definition.kind == Kind::ExecuteStory;
    expect(fact, executes, || format!("step `{}`: expected no child of a `{}`", event.step, definition.kind.word()))
}

/// A rejection changes only the count of rejections.
fn rejected(state: &mut State, fact: &Fact<'_>, event: &Rejected) -> Result<(), FoldError> {
    let (entity, phase) = match &event.step {
        None => (Entity::Run, state.phase()),
        Some(name) => (Entity::Step, state.steps().get(number(state, fact, name)?).phase),
    };
    check_from(fact, phase, event.from)?;
    let to = Phase::from_word(&event.requested);
    if event.reason == RejectionReason::UndefinedTransition {
        let undefined = to.is_none_or(|to| entity.verdict(phase, to) == Verdict::No);
        expect(fact, undefined, || format!("expected an undefined transition, found one to `{}`", event.requested))?;
    }
    state.counts.rejections += 1;
    Ok(())
}

fn cancel_requested(state: &mut State, fact: &Fact<'_>, event: &CancelRequested) -> Result<(), FoldError> {
    expect(fact, !state.is_terminal(), || "expected no request to cancel what has ended".to_owned())?;
    state.apply_cancel(fact.head.time_ns(), event);
    Ok(())
}

fn gate_decided(state: &mut State, fact: &Fact<'_>, event: &GateDecided) -> Result<(), FoldError> {
    let number = number(state, fact, &event.step)?;
    expect(fact, !state.steps().get(number).is_terminal(), || {
        format!("gate `{}`: expected no decision after its end", event.step)
    })?;
    state.apply_gate(fact.head.time_ns(), number, event, fact.head.actor);
    Ok(())
}

fn redriven(state: &mut State, fact: &Fact<'_>, event: &Redriven) -> Result<(), FoldError> {
    let expected = state.run().epoch + 1;
    expect(fact, event.epoch == expected, || format!("expected epoch {expected}, found {}", event.epoch))?;
    let cleared: Vec<usize> =
        event.cleared.iter().map(|name| number(state, fact, name)).collect::<Result<_, FoldError>>()?;
    let cancelled = state.run().cancel.is_some();
    expect(fact, !cancelled, || "expected no epoch after a request to cancel".to_owned())?;
    state.apply_redriven(event, &cleared);
    Ok(())
}
