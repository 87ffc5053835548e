//! `gate` and `evaluate`: what people and evaluators elsewhere decide.

use super::turn::Turn;
use super::{Broken, unknown_step};
use crate::story::command::{Answered, Decided};
use crate::story::definition::Kind;
use crate::story::payload::{GateDecided, RejectionReason, StepCause, StepMoved};
use crate::story::phases::Phase;
use crate::story::reasons;
use crate::story::rules::Breach;
use crate::story::steps::Asked;
use evlog_projection::Decision;
use serde_json::Value;

/// Decides a gate. An open gate ends; a gate whose turn has not come is decided in advance.
pub(super) fn gate(mut turn: Turn<'_>, decided: &Decided) -> Decision {
    let Some(number) = turn.state.story().number(&decided.step) else {
        return unknown_step(&decided.step);
    };
    if turn.definition(number).kind != Kind::Gate {
        let message =
            format!("step `{}`: expected a gate, found a `{}`", decided.step, turn.definition(number).kind.word());
        return Decision::refused(Vec::new(), "STEP_NOT_A_GATE", message);
    }
    let known = turn.step(number).gate.as_ref();
    let again = |known: &crate::story::steps::Gate| known.state == decided.state && known.message == decided.message;
    if known.is_some_and(|known| again(known)) {
        return turn.done();
    }
    if turn.step(number).is_terminal() || turn.state.is_terminal() {
        let message = format!("gate `{}`: it has ended, and no decision changes that", decided.step);
        return reject(&turn, number, decided.message.as_deref(), Breach::new(RejectionReason::Terminal, message));
    }
    let recorded = GateDecided { step: decided.step.clone(), state: decided.state, message: decided.message.clone() };
    turn.decide_gate(number, &recorded);
    if turn.step(number).phase == Some(Phase::Paused) {
        turn.apply_gate(number);
    }
    turn.settle();
    turn.done()
}

/// The name that `evaluate` uses instead of a step's to answer the story's own output.
pub(crate) const OUTPUT: &str = "$output";

/// Records the answer to something that evlog cannot evaluate: a wait's `until`, a step's `if`, arguments or `postExecution`,
/// or the story's `output`.
pub(super) fn evaluate(mut turn: Turn<'_>, answered: &Answered) -> Decision {
    if answered.step == OUTPUT {
        return evaluate_output(turn, answered);
    }
    let Some(number) = turn.state.story().number(&answered.step) else {
        return unknown_step(&answered.step);
    };
    let note = answered.message.as_deref();
    let waits = turn.definition(number).kind == Kind::Wait && turn.step(number).phase == Some(Phase::Paused);
    let asks = turn.step(number).asks();
    // A run that drains waits for results, and lets nothing else begin.
    let in_time = turn.state.run().cancel.is_none() || asks == Some(Asked::PostExecution);
    if turn.state.is_terminal() || !in_time || !(waits || asks.is_some()) {
        let message = format!("step `{}`: it waits for no answer", answered.step);
        return reject(&turn, number, note, Breach::new(RejectionReason::NotReady, message));
    }
    let Value::Bool(result) = answered.result else {
        let message = format!("step `{}`: expected true or false as `result`, found an object", answered.step);
        return Decision::refused(Vec::new(), "RESULT_UNFIT", message);
    };
    match (asks, result) {
        (None, false) => return turn.done(),
        (None, true) => {
            let message = answered.message.clone().unwrap_or_else(|| "Wait condition is true".to_owned());
            let moved = turn.next(number, Phase::Succeeded, StepCause::Evaluated);
            turn.move_step(number, StepMoved { message: Some(message), ..moved });
        }
        (Some(Asked::Condition), true) => turn.enter(number),
        (Some(Asked::Condition), false) => turn.skip_by_condition(number),
        (Some(Asked::Arguments), true) => turn.take_up(number),
        (Some(Asked::Arguments), false) => {
            let usual = || "what it is to be executed with is not as it should be".to_owned();
            turn.fail_step(number, reasons::INPUT_SCHEMA_FAILED, answered.message.clone().unwrap_or_else(usual));
        }
        (Some(Asked::PostExecution), result) => turn.answer_result(number, result, answered.message.clone()),
    }
    turn.settle();
    turn.done()
}

fn evaluate_output(mut turn: Turn<'_>, answered: &Answered) -> Decision {
    let run = turn.state.run();
    if turn.state.is_terminal() || run.cancel.is_some() || run.reason != reasons::OUTPUT_AWAITED {
        let breach = Breach::new(RejectionReason::NotReady, "run: its output waits for no answer");
        let note = answered.message.as_deref();
        return turn.question.reject(Broken { step: None, requested: "", note, breach });
    }
    turn.answer_output(&answered.result, answered.message.clone());
    turn.done()
}

fn reject(turn: &Turn<'_>, number: usize, note: Option<&str>, breach: Breach) -> Decision {
    let step = Some((turn.definition(number).name.as_str(), turn.step(number).phase));
    turn.question.reject(Broken { step, requested: "", note, breach })
}
