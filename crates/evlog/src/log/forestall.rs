//! The answers that the engine gives without asking the contract. The command was answered before, its run belongs to
//! another contract, or the run is not in the state that the command expects.

use super::{Log, Session};
use crate::answer::{Answer, AnswerOutcome};
use crate::error::LogError;
use crate::history::LOG_STREAM;
use crate::runs::{Answered, Known, Logged};
use evlog_projection::Request;
use evlog_projection::contracts::ContractRef;
use std::ops::ControlFlow;

/// The answer to a command whose idempotency key was given before, with other content.
pub(super) fn conflict(request: &Request, known: Option<&Known>) -> Answer {
    let message = "the idempotency key was given before, with other content".to_owned();
    Answer::refused(request.run(), known.map(|known| &known.fold), "IDEMPOTENCY_CONFLICT", message)
}

impl Log {
    /// The keys in the log's own stream.
    pub(super) fn logged<'s>(&self, session: &'s mut Session) -> Result<&'s mut Logged, LogError> {
        if session.logged.is_none() {
            let mut logged = Logged::default();
            if self.writer().stream_len(LOG_STREAM)? > 0 {
                self.writer().read_stream::<LogError>(LOG_STREAM, 0, &mut |head, seq, event| {
                    logged.push(&self.contracts, head, seq, event);
                    Ok(ControlFlow::Continue(()))
                })?;
            }
            session.logged = Some(logged);
        }
        Ok(session.logged.get_or_insert_default())
    }

    /// The first answer to a command that came before its run existed.
    pub(super) fn answered_without_run(
        &self,
        session: &mut Session,
        request: &Request,
        known: Option<&Known>,
    ) -> Result<Option<Answer>, LogError> {
        let Some(key) = request.id() else { return Ok(None) };
        if known.is_some_and(|known| known.answers.contains_key(key)) {
            return Ok(None);
        }
        let first = self.logged(session)?.get(request.run(), key, request.content());
        let again = |first: &Answered| {
            let answer = first.answer.clone();
            Answer { run: request.run().to_owned(), outcome: AnswerOutcome::Duplicate, ..answer }
        };
        Ok(first.map(again))
    }

    /// The engine's own answer to a command, before its contract is asked.
    pub(super) fn forestall(&self, request: &Request, contract: &ContractRef, known: Option<&Known>) -> Option<Answer> {
        let fold = known.map(|known| &known.fold);
        let refused = |code, message| Some(Answer::refused(request.run(), fold, code, message));
        if let Some(known) = known {
            let has = known.fold.contract().name();
            if has != contract.name() {
                let message = format!(
                    "run `{}` is of contract `{has}`: expected a command of it, found one of `{}`",
                    request.run(),
                    contract.name()
                );
                return refused("CONTRACT_MISMATCH", message);
            }
            if let Some(first) = request.id().and_then(|id| known.answers.get(id)) {
                if first.content == request.content() {
                    return Some(Answer { outcome: AnswerOutcome::Duplicate, ..first.answer.clone() });
                }
                return Some(conflict(request, Some(known)));
            }
        }
        let events = known.map_or(0, |known| known.fold.head().events);
        if let Some(expect) = request.expect().filter(|expect| *expect != events) {
            let message = format!("run `{}`: expected {expect} events, found {events}", request.run());
            return refused("STALE_EXPECTATION", message);
        }
        if let Some(cause) = request.causation().filter(|cause| *cause >= self.writer().next_seq()) {
            let next = self.writer().next_seq();
            return refused("UNKNOWN_CAUSE", format!("causation: expected a seq below {next}, found {cause}"));
        }
        None
    }
}
