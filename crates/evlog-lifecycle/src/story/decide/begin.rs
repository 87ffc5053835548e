//! `create`, `start`, and `transition`: how a run is created, begins, is paused and resumed, or is observed.

use super::turn::Turn;
use super::{Broken, Question};
use crate::story::command::{Create, Transition};
use crate::story::definition::{Group, check, unique};
use crate::story::failure::RunError;
use crate::story::fold::begun;
use crate::story::payload::{Created, Mode, MoveCause, Moved, RejectionReason, event};
use crate::story::phases::{Entity, Phase, Verdict, in_words, unknown_phase};
use crate::story::reasons;
use crate::story::rules::Breach;
use crate::story::schema::Checked;
use crate::story::state::State;
use evlog_format::kind::STORY_CREATED;
use evlog_projection::Decision;
use serde_json::Value;
use std::borrow::Cow;

/// A run begins, in phase `Pending`, if admission accepts its story.
pub(super) fn create(question: &Question<'_>, create: &Create) -> Decision {
    let asked = question.asked;
    if let Some(state) = asked.state {
        let found = in_words(state.phase());
        let message = format!("expected a new run id, found run `{}` in phase `{found}`", asked.run);
        return Decision::refused(Vec::new(), "RUN_ID_EXISTS", message);
    }
    let admitted = match create.mode {
        Mode::Decided => check(&create.story).and_then(|()| usable_schemas(question, create)),
        Mode::Observed => unique(&create.story),
    };
    if let Err(message) = admitted {
        return Decision::refused(Vec::new(), "STORY_INVALID", message);
    }
    let created = Created {
        story: create.text.clone(),
        inputs: create.inputs.clone(),
        mode: create.mode,
        impulse: create.impulse.clone(),
    };
    let events = vec![event(STORY_CREATED, &created)];
    match begun(created, asked.time_ns, asked.actor) {
        Ok(_) => Decision::accepted(events),
        Err(message) => Decision::refused(Vec::new(), "STORY_INVALID", message),
    }
}

/// A schema that cannot be used is refused before a run depends on it.
fn usable_schemas(question: &Question<'_>, create: &Create) -> Result<(), String> {
    let story = &create.story;
    let own = [("inputsSchema", &story.inputs_schema), ("outputsSchema", &story.outputs_schema)];
    let own = own.into_iter().map(|(name, schema)| (name.to_owned(), schema));
    let steps = story.steps.iter().flat_map(|step| {
        let named = |member: &str| format!("step `{}`: {member}", step.name);
        [(named("inputSchema"), &step.input_schema), (named("outputSchema"), &step.output_schema)]
    });
    for (name, schema) in own.chain(steps.filter(|(_, schema)| schema.is_some())) {
        if let Some(schema) = schema
            && let Checked::Unusable(why) = (question.check)(schema, &Value::Null)
        {
            return Err(format!("{name}: {why}"));
        }
    }
    Ok(())
}

/// Starts the run, or fails it because a precondition does not hold.
pub(super) fn start(mut turn: Turn<'_>) -> Decision {
    let phase = turn.state.phase();
    if phase == Some(Phase::Running) {
        return turn.done();
    }
    if turn.state.is_terminal() || turn.state.run().started_ns.is_some() {
        let reason = match Entity::Run.verdict(phase, Phase::Running) {
            _ if turn.state.is_terminal() => RejectionReason::Terminal,
            Verdict::No => RejectionReason::UndefinedTransition,
            // The relation allows a paused run to resume, but `start` does not ask for that.
            _ => RejectionReason::GuardUnmet,
        };
        let message = format!("run: expected one that has not started, found `{}`", in_words(phase));
        let breach = Breach::new(reason, message);
        return turn.question.reject(Broken { step: None, requested: Phase::Running.word(), note: None, breach });
    }
    turn.go(MoveCause::Requested);
    turn.done()
}

impl Turn<'_> {
    /// The run becomes `Running`, or fails if its guards say so (story.md 4.2, rows 1, 3 and 4).
    pub(super) fn go(&mut self, cause: MoveCause) {
        if let Some((reason, message)) = self.guard() {
            self.close_steps(Phase::Skipped, "the story run failed before it began");
            let error = RunError { kind: reason.to_owned(), message: message.clone(), failed_steps: Vec::new() };
            let moved = self.run_to(Phase::Failed, MoveCause::Guard);
            let (reason, message, error) = (Cow::Borrowed(reason), Some(message), Some(error));
            return self.move_run(Moved { reason, message, error, ..moved });
        }
        let reason = Cow::Borrowed(reasons::STARTING_EXECUTION);
        let moved = Moved { reason, ..self.run_to(Phase::Running, cause) };
        self.move_run(moved);
        self.opened = None;
        self.settle();
    }

    fn guard(&self) -> Option<(&'static str, String)> {
        let (story, origin) = (self.state.story(), &self.state.origin);
        let len = origin.inputs_text.as_ref().map_or(0, String::len) as u64;
        let max = story.inputs_len_max();
        if len > max {
            let message = format!("inputs too large: expected at most {max} bytes, found {len}");
            return Some((reasons::INPUT_TOO_LARGE, message));
        }
        if let Some(schema) = &story.inputs_schema
            && let Checked::Invalid(why) | Checked::Unusable(why) = (self.question.check)(schema, &origin.inputs)
        {
            return Some((
                reasons::INPUT_SCHEMA_FAILED,
                format!("inputs are invalid against the story's schema: {why}"),
            ));
        }
        let why = origin.graph.as_ref().err()?;
        Some((reasons::INVALID_CONFIGURATION, why.clone()))
    }
}

/// Records a phase of the run: as a controller reports it, or a pause and its end.
pub(super) fn transition(mut turn: Turn<'_>, request: &Transition) -> Decision {
    let note = request.message.as_deref();
    let reject =
        |turn: &Turn<'_>, breach| turn.question.reject(Broken { step: None, requested: &request.to, note, breach });
    let Some(to) = Phase::from_word(&request.to) else {
        let message = unknown_phase(&request.to);
        return reject(&turn, Breach::new(RejectionReason::UnknownPhase, message));
    };
    if let Err(breach) = turn.state.judge_run(to) {
        return reject(&turn, breach);
    }
    let again = turn.state.phase() == Some(to);
    if again && says_nothing_new(&turn.state, request) {
        return turn.done();
    }
    if again && to.is_terminal() {
        let message = format!("run: what has ended as `{to}` stays as it is");
        return reject(&turn, Breach::new(RejectionReason::Terminal, message));
    }
    if turn.state.mode() == Mode::Decided {
        if request.output.is_some() {
            let message = "evlog gives this run its output: expected no `output`, found one".to_owned();
            return Decision::refused(Vec::new(), "RUN_DECIDED", message);
        }
        if to.is_terminal() {
            let message = format!("evlog decides how this run ends: expected `cancel` or `stop`, found `{to}`");
            return Decision::refused(Vec::new(), "RUN_DECIDED", message);
        }
        if to == Phase::Running && turn.state.run().started_ns.is_none() {
            return start(turn);
        }
    }
    if request.close_steps && to.is_terminal() && !again {
        let cancelled = matches!(to, Phase::Canceled | Phase::Finished | Phase::Aborted);
        let unbegun = if cancelled { Phase::Canceled } else { Phase::Skipped };
        turn.close_steps(unbegun, &format!("the run was reported as {to}"));
    }
    let moved = reported(&turn, to, request);
    turn.move_run(moved);
    if turn.state.mode() == Mode::Decided {
        turn.opened = None;
        turn.settle();
    }
    turn.done()
}

fn says_nothing_new(state: &State, request: &Transition) -> bool {
    let run = state.run();
    let same = |given: Option<&str>, known: Option<&str>| given.is_none() || given == known;
    same(request.reason.as_deref(), Some(&run.reason))
        && same(request.message.as_deref(), run.message.as_deref())
        && same(request.output.as_deref(), run.output.as_deref())
}

/// The event of a reported phase; a failure has an error, decided or reported.
fn reported(turn: &Turn<'_>, to: Phase, request: &Transition) -> Moved {
    let usual = turn.run_to(to, MoveCause::Requested);
    let reason = request.reason.clone().map_or(usual.reason.clone(), Cow::Owned);
    let failure = matches!(to, Phase::Failed | Phase::Timeout | Phase::Compensated | Phase::Aborted);
    let error = failure.then(|| RunError {
        kind: reason.to_string(),
        message: request.message.clone().unwrap_or_else(|| format!("The run was reported as {to}.")),
        failed_steps: turn.state.failed(Group::Main),
    });
    Moved { reason, message: request.message.clone(), error, output: request.output.clone(), ..usual }
}
