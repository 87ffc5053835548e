//! A step whose turn has come: checks what it needs, and then begins it, holds it, ends it at once, or skips it.

use super::turn::Turn;
use crate::story::command::StopOutcome;
use crate::story::definition::{Kind, Pattern};
use crate::story::duration;
use crate::story::expression::{Scope, Trouble, holds, resolve, value};
use crate::story::failure::{ErrorType, StepError};
use crate::story::payload::{GateState, StepCause, StepMoved};
use crate::story::phases::Phase;
use crate::story::reasons;
use crate::story::retry::ExitClass;
use crate::story::schema::Checked;
use crate::story::state::State;
use evlog_projection::parse;
use serde_json::Value;
use std::borrow::Cow;

/// The reason why a step is not executed.
enum Obstacle {
    /// It can never be executed: a reason, and the sentence.
    Wrong(&'static str, String),
    /// It is not known yet whether it can be executed: the question to answer.
    Unknown(String),
}

/// The place where the paths of a run's expressions lead.
pub(crate) struct RunScope<'a> {
    state: &'a State,
    /// The output of the step in question.
    output: Option<&'a Value>,
}

impl State {
    /// The scope of expressions. `output` is the output of the step in question.
    pub(crate) fn scope<'a>(&'a self, output: Option<&'a Value>) -> RunScope<'a> {
        RunScope { state: self, output }
    }
}

impl Scope for RunScope<'_> {
    fn root(&self, path: &[String]) -> Option<(Value, usize)> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["inputs", ..] => Some((self.state.origin.inputs.clone(), 1)),
            ["output", ..] => Some((self.output?.clone(), 1)),
            ["steps", name, "output" | "outputs", ..] => {
                let step = self.state.steps().get(self.state.story().number_of_alias(name)?);
                Some((parse(step.output.as_deref()?.as_bytes()).ok()?, 3))
            }
            ["steps", name, "phase"] => {
                let step = self.state.steps().get(self.state.story().number_of_alias(name)?);
                Some((step.phase?.word().into(), 3))
            }
            _ => None,
        }
    }
}

impl Turn<'_> {
    /// Begins a step whose turn has come. Asks its `if` first.
    pub(super) fn begin_step(&mut self, number: usize) {
        let step = self.definition(number);
        let condition = step.condition.clone().filter(|_| self.state.story().pattern == Pattern::Batch);
        let answer = condition.map_or(Ok(true), |condition| holds(&condition, &self.state.scope(None)));
        match answer {
            Ok(true) => self.enter(number),
            Ok(false) => self.skip_by_condition(number),
            Err(trouble) => self.hold_for_condition(number, &trouble),
        }
    }

    pub(super) fn skip_by_condition(&mut self, number: usize) {
        self.rule(number, Phase::Skipped, StepCause::Evaluated, "Skipped due to 'if' condition");
        self.skip_branches(number);
    }

    /// The `if` cannot be evaluated now: the step is held until it can be, or until it is answered from outside.
    fn hold_for_condition(&mut self, number: usize, trouble: &Trouble) {
        if self.step(number).held {
            return;
        }
        let message = format!("`if` waits for an answer: {}", trouble.message());
        self.rule(number, Phase::Pending, StepCause::Held, message);
    }

    /// Its arguments cannot be evaluated here, so they cannot be called wrong. The step waits for an answer.
    fn hold_for_arguments(&mut self, number: usize, message: String) {
        let moved = self.next(number, Phase::Pending, StepCause::Held);
        let (reason, message) = (Cow::Borrowed(reasons::ARGUMENTS_AWAITED), Some(message));
        self.move_step(number, StepMoved { reason, message, ..moved });
    }

    /// Begins a step that is to be executed, according to its type.
    pub(super) fn enter(&mut self, number: usize) {
        match self.definition(number).kind {
            Kind::Engram | Kind::ExecuteStory => self.launch(number),
            Kind::Condition => self.move_step(number, self.next(number, Phase::Succeeded, StepCause::Evaluated)),
            Kind::Gate => self.open_gate(number),
            Kind::Wait => self.begin_wait(number),
            Kind::Sleep => self.begin_sleep(number),
            Kind::Stop => self.stop_by_step(number),
            Kind::Parallel => self.open_branches(number),
        }
    }

    /// Work for a worker: it may be taken up, or waits until there is room.
    fn launch(&mut self, number: usize) {
        match self.obstacle(number) {
            Some(Obstacle::Wrong(reason, message)) => self.fail_step(number, reason, message),
            Some(Obstacle::Unknown(message)) => self.hold_for_arguments(number, message),
            None => self.take_up(number),
        }
    }

    /// Work that may be taken up as soon as there is room for it.
    pub(super) fn take_up(&mut self, number: usize) {
        if self.has_room() {
            return self.move_step(number, self.next(number, Phase::Pending, StepCause::Ready));
        }
        let limit = self.state.story().policy.concurrency.unwrap_or_default();
        let message = Some(format!("Queued: {limit} steps are under way, the most that may be"));
        let moved = self.next(number, Phase::Pending, StepCause::Queued);
        self.move_step(number, StepMoved { reason: Cow::Borrowed(reasons::QUEUED), message, ..moved });
    }

    /// The reason why a step cannot be executed, if it cannot: a path that it requires, or its arguments.
    fn obstacle(&self, number: usize) -> Option<Obstacle> {
        let step = self.definition(number);
        let scope = self.state.scope(None);
        let asks = |member: &str, trouble: &Trouble| {
            Some(Obstacle::Unknown(format!("`{member}` waits for an answer: {}", trouble.message())))
        };
        let mut unknown = None;
        for path in &step.requires {
            match value(path, &scope) {
                Ok(value) if !value.is_null() => {}
                Err(trouble @ Trouble::Unknown(_)) => unknown = unknown.or_else(|| asks("requires", &trouble)),
                _ => {
                    let message = format!("required context `{path}` has no value");
                    return Some(Obstacle::Wrong(reasons::DEPENDENCY_FAILED, message));
                }
            }
        }
        let Some(schema) = step.input_schema.as_ref() else { return unknown };
        let input = match resolve(&Value::Object(step.with.clone()), &scope) {
            Ok(input) => crate::story::schema::with_defaults(Some(schema), input),
            Err(trouble @ Trouble::Unknown(_)) => return unknown.or_else(|| asks("with", &trouble)),
            Err(trouble) => {
                let message = format!("`with`: {}", trouble.message());
                return Some(Obstacle::Wrong(reasons::EXPRESSION_FAILED, message));
            }
        };
        match (self.question.check)(schema, &input) {
            Checked::Valid => unknown,
            Checked::Invalid(why) | Checked::Unusable(why) => {
                let message = format!("input is invalid against its schema: {why}");
                Some(Obstacle::Wrong(reasons::INPUT_SCHEMA_FAILED, message))
            }
        }
    }

    /// Fails a step by rule; it is not tried again.
    pub(super) fn fail_step(&mut self, number: usize, reason: &'static str, message: String) {
        let kind = match reason {
            reasons::INPUT_SCHEMA_FAILED | reasons::OUTPUT_SCHEMA_FAILED => ErrorType::Validation,
            _ => ErrorType::Execution,
        };
        let error = StepError {
            kind,
            message: message.clone(),
            retryable: Some(false),
            exit_code: None,
            exit_class: Some(ExitClass::Terminal),
            code: None,
            details: None,
        };
        let moved = self.next(number, Phase::Failed, StepCause::Evaluated);
        self.move_step(
            number,
            StepMoved {
                reason: Cow::Borrowed(reason),
                message: Some(message),
                exit_class: Some(ExitClass::Terminal),
                error: Some(error),
                ..moved
            },
        );
    }

    fn open_gate(&mut self, number: usize) {
        match self.step(number).gate.as_ref().map(|gate| gate.state) {
            None | Some(GateState::Pending) => {
                let deadline_ns = self.deadline_of(number);
                let message = Some("Waiting for a decision".to_owned());
                let moved = self.next(number, Phase::Paused, StepCause::Ready);
                self.move_step(number, StepMoved { message, deadline_ns, ..moved });
            }
            Some(GateState::Approved | GateState::Rejected) => self.apply_gate(number),
        }
    }

    /// Ends a gate as it was decided.
    pub(super) fn apply_gate(&mut self, number: usize) {
        let Some(gate) = self.step(number).gate.clone() else { return };
        let (to, usual) = match gate.state {
            GateState::Pending => return,
            GateState::Approved => (Phase::Succeeded, "Gate approved"),
            GateState::Rejected => (Phase::Failed, "Gate rejected"),
        };
        let message = gate.message.clone().unwrap_or_else(|| usual.to_owned());
        let mut moved = self.next(number, to, StepCause::Decided);
        moved.error = StepError::of_attempt(to, Some(&message), None, None);
        moved.message = Some(message);
        self.move_step(number, moved);
    }

    fn begin_wait(&mut self, number: usize) {
        if self.wait_is_over(number) {
            return self.rule(number, Phase::Succeeded, StepCause::Evaluated, "Wait condition is true");
        }
        let deadline_ns = self.deadline_of(number);
        let message = Some("Waiting for a condition".to_owned());
        let moved = self.next(number, Phase::Paused, StepCause::Ready);
        self.move_step(number, StepMoved { message, deadline_ns, ..moved });
    }

    /// Whether the condition that a wait holds for is true. If it cannot be evaluated, it is not true.
    pub(super) fn wait_is_over(&self, number: usize) -> bool {
        let until = self.definition(number).argument("until").unwrap_or("false");
        holds(until, &self.state.scope(None)) == Ok(true)
    }

    fn begin_sleep(&mut self, number: usize) {
        let duration = self.definition(number).argument("duration").and_then(duration::parse).unwrap_or_default();
        if duration <= 0 {
            return self.move_step(number, self.next(number, Phase::Succeeded, StepCause::Evaluated));
        }
        let deadline_ns = Some(self.after_now(duration));
        let moved = self.next(number, Phase::Paused, StepCause::Ready);
        self.move_step(number, StepMoved { deadline_ns, ..moved });
    }

    /// The time when the timeout of a gate or wait is reached; `None` without a timeout.
    fn deadline_of(&self, number: usize) -> Option<i128> {
        let timeout = self.definition(number).argument("timeout").and_then(duration::parse_positive);
        timeout.map(|timeout| self.after_now(timeout))
    }

    fn stop_by_step(&mut self, number: usize) {
        let step = self.definition(number);
        let outcome = step.argument("outcome").and_then(StopOutcome::from_word).unwrap_or_default();
        let given = step.argument("message").map(str::to_owned);
        let message = given.unwrap_or_else(|| format!("Story run stopped by step {}.", step.name));
        self.move_step(number, self.next(number, Phase::Succeeded, StepCause::Evaluated));
        self.stop_run(outcome, message);
    }
}
