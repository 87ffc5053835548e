//! The rules that a decision must satisfy before any of its events is recorded. A contract that breaks these rules has a
//! defect.
//!
//! Does not: judge the events' bytes; the module `net` does that for every decision.

use crate::error::LogError;
use crate::runs::answer_in_log;
use evlog_projection::contract::{Cause, Target};
use evlog_projection::contracts::ContractRef;
use evlog_projection::{ContractError, Contracts, Decision, Fact, Outcome, Request};

/// Checks a decision of this contract about a run, which is new or exists already.
pub(super) fn check(
    run: &str,
    contract: &ContractRef,
    contracts: &Contracts,
    is_new: bool,
    decision: &Decision,
) -> Result<(), LogError> {
    let flaw = outcome(decision)
        .or_else(|| causes(decision))
        .or_else(|| targets(decision))
        .or_else(|| kinds(contract, decision))
        .or_else(|| beginning(contract, contracts, decision).filter(|_| is_new));
    flaw.map_or(Ok(()), |message| Err(LogError::Undecidable { run: run.to_owned(), message }))
}

/// Checks that the events lead to the answer that was decided, because a second delivery is answered from the events alone.
pub(super) fn check_answer(
    request: &Request,
    contracts: &Contracts,
    decision: &Decision,
    facts: &[Fact<'_>],
) -> Result<(), LogError> {
    let is_logged = decision.events.first().is_some_and(|first| first.target == Target::Log);
    let given = if is_logged {
        facts.first().and_then(|fact| answer_in_log(contracts, fact))
    } else {
        contracts.named(request.contract()).and_then(|contract| facts.iter().find_map(|fact| contract.answer(fact)))
    };
    if given == decision.error.clone().map(|error| (decision.outcome, error)) {
        return Ok(());
    }
    let words = |outcome: Outcome, error: Option<&ContractError>| {
        error.map_or(outcome.word().to_owned(), |error| format!("{} ({error})", outcome.word()))
    };
    let expected = words(decision.outcome, decision.error.as_ref());
    let found = given.map_or(Outcome::Accepted.word().to_owned(), |(outcome, error)| words(outcome, Some(&error)));
    let message = format!("the answer that the events give to a second delivery: expected {expected}, found {found}");
    Err(LogError::Undecidable { run: request.run().to_owned(), message })
}

/// Checks that an answer that does not accept the command says why.
fn outcome(decision: &Decision) -> Option<String> {
    let fits = (decision.outcome == Outcome::Accepted) == decision.error.is_none();
    (!fits).then(|| "expected an error if and only if the command is not accepted".to_owned())
}

fn causes(decision: &Decision) -> Option<String> {
    decision.events.iter().enumerate().find_map(|(at, new)| match new.cause {
        Cause::Decided(cause) if cause >= at => {
            Some(format!("the cause of event {at} of the decision: expected an earlier one of them, found {cause}"))
        }
        _ => None,
    })
}

/// Checks that all events of a decision belong to the run, or all to `$log`. In a commit with both, the idempotency key would
/// count in both streams (rule F-36).
fn targets(decision: &Decision) -> Option<String> {
    let of_log = decision.events.iter().filter(|new| new.target == Target::Log).count();
    let is_mixed = of_log > 0 && of_log < decision.events.len();
    is_mixed.then(|| "expected events of the run or of `$log`, found both".to_owned())
}

fn kinds(contract: &ContractRef, decision: &Decision) -> Option<String> {
    let foreign = decision.events.iter().map(|new| new.kind.as_kind()).find(|kind| !contract.owns(*kind))?;
    Some(format!("expected kinds of contract `{}`, found `{foreign}`", contract.name()))
}

/// Checks that the first event shows which contract a run belongs to. If runs of several contracts begin with this kind of
/// event, the contract that was added first counts.
fn beginning(contract: &ContractRef, contracts: &Contracts, decision: &Decision) -> Option<String> {
    let kind = decision.events.iter().find(|new| new.target == Target::Run)?.kind.as_kind();
    let name = contract.name();
    match contracts.beginning_with(kind) {
        Some(found) if found.name() == name => None,
        Some(found) => Some(format!(
            "a run that begins with `{kind}` is of contract `{}`, which was added before `{name}`: add `{name}` before it, or begin \
             with a kind that only `{name}` begins with",
            found.name()
        )),
        None => Some(format!("no contract begins a run with `{kind}`")),
    }
}
