//! `gate` and `evaluate`: what people and evaluators elsewhere decide.

use super::turn::Turn;
use super::{Broken, unknown_step};
use crate::story::command::{Answered, Decided};
use crate::story::definition::Kind;
use crate::story::machine::Phase;
use crate::story::payload::{GateDecided, RejectionReason, StepCause, StepMoved};
use crate::story::rules::Breach;
use evlog_projection::Decision;

/// A gate is decided; one that is open ends, one whose turn has not come is decided in advance.
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

/// The answer to a wait's `until`, or to the `if` of a step that is held for it.
pub(super) fn evaluate(mut turn: Turn<'_>, answered: &Answered) -> Decision {
    let Some(number) = turn.state.story().number(&answered.step) else {
        return unknown_step(&answered.step);
    };
    let note = answered.message.as_deref();
    let waits = turn.definition(number).kind == Kind::Wait && turn.step(number).phase == Some(Phase::Paused);
    let in_time = !turn.state.is_terminal() && turn.state.run().cancel.is_none();
    if !in_time || !(waits || turn.step(number).held) {
        let message = format!("step `{}`: it waits for no answer", answered.step);
        return reject(&turn, number, note, Breach::new(RejectionReason::NotReady, message));
    }
    match (waits, answered.result) {
        (true, false) => return turn.done(),
        (true, true) => {
            let message = answered.message.clone().unwrap_or_else(|| "Wait condition is true".to_owned());
            let moved = turn.next(number, Phase::Succeeded, StepCause::Evaluated);
            turn.move_step(number, StepMoved { message: Some(message), ..moved });
        }
        (false, true) => turn.enter(number),
        (false, false) => turn.skip_by_condition(number),
    }
    turn.settle();
    turn.done()
}

fn reject(turn: &Turn<'_>, number: usize, note: Option<&str>, breach: Breach) -> Decision {
    let step = Some((turn.definition(number).name.as_str(), turn.step(number).phase));
    turn.question.reject(Broken { step, requested: "", note, breach })
}
