//! Decides what an attempt leads to: the steps of status.md 1.3 after parsing and deduplication, and the rules of 2.1.
//!
//! Each function returns the events of one commit and the answer. Nothing here changes a state; only the fold does.

use super::command::{Again, Command, Create, Move, Offered};
use super::diagnostic::{Diagnostic, INVALID_STATE_TRANSITION, undefined_answer};
use super::fold::State;
use super::payload::{
    Action, Created, ForcedFailed, Overridden, RefusalReason, Refused, Rejected, RejectionReason, Retry,
    TransitionCause, Transitioned, event, recorded_token,
};
use super::record::{from_details, to_details};
use super::transitions::{Reaction, RunStatus};
use evlog_format::kind::{
    STATUS_CREATED, STATUS_FORCED_FAILED, STATUS_OVERRIDDEN, STATUS_REFUSED, STATUS_REJECTED, STATUS_TRANSITIONED,
};
use evlog_projection::{Asked, Cause, Decision, NewEvent, Target};

/// The events and the answer for a command.
pub(crate) fn decide(asked: &Asked<'_, State>, command: &Command) -> Decision {
    match command {
        Command::Create(create) => decide_create(asked, create),
        Command::Retry(again) => decide_retry(asked, again),
        Command::Move(request) => decide_move(asked, request),
    }
}

/// A refusal: the reason, and the message for the caller.
struct Refusal {
    reason: RefusalReason,
    message: String,
}

fn refusal(reason: RefusalReason, message: String) -> Refusal {
    Refusal { reason, message }
}

/// The run exists already. This collision of ids leaves the run untouched (H8).
fn run_exists(asked: &Asked<'_, State>) -> Option<Refusal> {
    asked.state.map(|state| {
        let message = format!("expected a new run id, found run `{}` with status `{}`", asked.run, state.status());
        refusal(RefusalReason::RunIdExists, message)
    })
}

fn decide_create(asked: &Asked<'_, State>, create: &Create) -> Decision {
    let created = run_exists(asked).map_or_else(|| child(asked, create), Err);
    begin(asked, Action::Create, None, created)
}

fn decide_retry(asked: &Asked<'_, State>, again: &Again) -> Decision {
    let created = run_exists(asked).map_or_else(|| retried(asked, again), Err);
    begin(asked, Action::Retry, again.reason.as_deref(), created)
}

fn begin(asked: &Asked<'_, State>, action: Action, note: Option<&str>, created: Result<Created, Refusal>) -> Decision {
    match created {
        Ok(created) => Decision::accepted(vec![event(Target::Run, STATUS_CREATED, Cause::Command, &created)]),
        Err(refusal) => refuse(asked, action, refusal, note, None),
    }
}

/// The record of a new run: a root, or the child of a parent with which it shares case and pins (status.md 2.3, check 26).
fn child(asked: &Asked<'_, State>, create: &Create) -> Result<Created, Refusal> {
    let data = &create.data;
    let mut created = Created {
        parent_run_id: create.parent.clone(),
        root_run_id: asked.run.to_owned(),
        retry: None,
        max_retries: data.max_retries(),
        pins_required: data.flag("pins_required"),
        case_id: data.text("case_id"),
        contract_version: data.text("contract_version"),
        policy_versions: data.policy_versions(),
        error_codes: data.error_codes(),
        details: to_details(&data.descriptive),
    };
    if let Some(parent) = &create.parent {
        let Some(state) = asked.related else {
            return Err(unknown_run("parent", parent));
        };
        inherit(&mut created, state.created())?;
    }
    match data.text("root_run_id") {
        Some(given) if given != created.root_run_id => {
            let message = format!("`root_run_id`: expected `{}`, found `{given}`", created.root_run_id);
            Err(refusal(RefusalReason::RootMismatch, message))
        }
        _ => Ok(created),
    }
}

fn unknown_run(what: &str, run: &str) -> Refusal {
    refusal(
        RefusalReason::UnknownRunId,
        format!("expected the {what} to be a run of contract `status`, found no `{run}`"),
    )
}

fn inherit(created: &mut Created, parent: &Created) -> Result<(), Refusal> {
    created.root_run_id.clone_from(&parent.root_run_id);
    share(&mut created.case_id, parent.case_id.as_ref(), "case_id", RefusalReason::CaseMismatch)?;
    let pins = RefusalReason::PinsMismatch;
    share(&mut created.contract_version, parent.contract_version.as_ref(), "contract_version", pins)?;
    share(&mut created.policy_versions, parent.policy_versions.as_ref(), "policy_versions", pins)
}

/// A child inherits a value that it leaves out. A value that it gives must equal the parent's.
fn share<T: Clone + PartialEq>(
    own: &mut Option<T>,
    parent: Option<&T>,
    name: &str,
    reason: RefusalReason,
) -> Result<(), Refusal> {
    match (&own, parent) {
        (_, None) => Ok(()),
        (None, Some(inherited)) => {
            *own = Some(inherited.clone());
            Ok(())
        }
        (Some(given), Some(inherited)) if given == inherited => Ok(()),
        _ => Err(refusal(reason, format!("`{name}`: expected the parent's, found another"))),
    }
}

/// The record of a retry: a new run with the same root, case and pins, and a retry count one higher (status.md 2.1).
fn retried(asked: &Asked<'_, State>, again: &Again) -> Result<Created, Refusal> {
    let Some(state) = asked.related else {
        return Err(unknown_run("run to retry", &again.of));
    };
    let diagnostic = eligible(state, &again.of)?;
    let earlier = state.created();
    let count = state.retry_count() + 1;
    if count > earlier.max_retries {
        let max = earlier.max_retries;
        let message = format!("run `{}` is attempt {count}; expected at most {max} retries", again.of);
        return Err(refusal(RefusalReason::RetriesExhausted, message));
    }
    let mut details = from_details(earlier.details.as_deref())
        .unwrap_or_else(|error| unreachable!("the fold has checked the record of the run to retry: {error}"));
    details.extend(again.data.descriptive.clone());
    let reason = again.reason.clone().unwrap_or_else(|| diagnostic.error_code.clone());
    Ok(Created {
        parent_run_id: Some(again.of.clone()),
        retry: Some(Retry { count, reason, approval: again.approval.clone() }),
        details: to_details(&details),
        ..earlier.clone()
    })
}

fn eligible<'a>(state: &'a State, run: &str) -> Result<&'a Diagnostic, Refusal> {
    let status = state.status();
    let Some(diagnostic) = state.diagnostic().filter(|_| status.is_failure()) else {
        let message = format!("expected run `{run}` to be `failed`, `denied` or `timeout`, found `{status}`");
        return Err(refusal(RefusalReason::NotAFailure, message));
    };
    if diagnostic.retryable {
        return Ok(diagnostic);
    }
    let message = format!("run `{run}` is `{status}` with `{}`, which is not retryable", diagnostic.error_code);
    Err(refusal(RefusalReason::NotRetryable, message))
}

fn decide_move(asked: &Asked<'_, State>, request: &Move) -> Decision {
    let Some(state) = asked.state else {
        return reject(asked, request, None, RejectionReason::UnknownRunId);
    };
    let from = state.status();
    if let Some(expected) = request.expect_status.filter(|expected| *expected != from) {
        let message = format!("expected status `{expected}`, found `{from}`");
        return refuse_move(asked, request, refusal(RefusalReason::StalePrecondition, message));
    }
    if request.action == Action::Cancel && from == RunStatus::Created {
        return cancel_before_start(asked, request);
    }
    let to = RunStatus::from_word(&request.to);
    match (to, from.reaction(to)) {
        (Some(to), Reaction::Apply) => apply(asked, state, request, to),
        _ => reject(asked, request, Some(from), RejectionReason::of_token(&request.to)),
    }
}

/// A listed transition, if the command gives what it requires (H10, H11, H16).
fn apply(asked: &Asked<'_, State>, state: &State, request: &Move, to: RunStatus) -> Decision {
    let diagnostic = match required_diagnostic(to, &request.offered, &state.created().error_codes) {
        Ok(diagnostic) => diagnostic.cloned(),
        Err(refusal) => return refuse_move(asked, request, refusal),
    };
    let from = state.status();
    let (cause, ticket) = match (request.action, &request.ticket) {
        (Action::Override, Some(ticket)) => (TransitionCause::Override, Some(ticket)),
        (Action::Cancel, _) => (TransitionCause::Cancel, None),
        _ => (TransitionCause::Requested, None),
    };
    let denied = from == RunStatus::Created && state.lacks_pins();
    match ticket {
        Some(_) if denied => {
            let message = "an override cannot start a run without the pins that it requires".to_owned();
            refuse_move(asked, request, refusal(RefusalReason::PinsMissing, message))
        }
        None if denied => deny_unpinned(request),
        None => Decision::accepted(vec![transitioned(from, to, cause, request, diagnostic, Cause::Command)]),
        Some(ticket) => {
            let reason = request.reason.clone().unwrap_or_default();
            let overridden = Overridden { from, to, ticket: ticket.clone(), reason };
            Decision::accepted(vec![
                event(Target::Run, STATUS_OVERRIDDEN, Cause::Command, &overridden),
                transitioned(from, to, cause, request, diagnostic, Cause::Decided(0)),
            ])
        }
    }
}

fn transitioned(
    from: RunStatus,
    to: RunStatus,
    cause: TransitionCause,
    request: &Move,
    diagnostic: Option<Diagnostic>,
    caused_by: Cause,
) -> NewEvent {
    let table = Transitioned { from, to, cause, reason: request.reason.clone(), diagnostic };
    event(Target::Run, STATUS_TRANSITIONED, caused_by, &table)
}

/// The offered diagnostic, if the status requires or allows it (H10, H11).
fn required_diagnostic<'a>(
    to: RunStatus,
    offered: &'a Offered,
    registered: &[String],
) -> Result<Option<&'a Diagnostic>, Refusal> {
    match offered {
        Offered::Nothing if to.is_failure() => {
            let message = format!("`{to}` needs a diagnostic, found none");
            Err(refusal(RefusalReason::DiagnosticMissing, message))
        }
        Offered::Nothing => Ok(None),
        _ if !to.is_failure() && to != RunStatus::Canceled => {
            let message = format!("`{to}` takes no diagnostic, found one");
            Err(refusal(RefusalReason::DiagnosticUnexpected, message))
        }
        Offered::Misshapen { why, .. } => Err(refusal(RefusalReason::DiagnosticInvalid, format!("diagnostic: {why}"))),
        Offered::Shaped(diagnostic) => match diagnostic.check_code(registered) {
            Ok(()) => Ok(Some(diagnostic)),
            Err(why) => Err(refusal(RefusalReason::DiagnosticInvalid, format!("diagnostic: {why}"))),
        },
    }
}

/// Handles the two listed transitions that end a run before its work began (H18).
fn cancel_before_start(asked: &Asked<'_, State>, request: &Move) -> Decision {
    let registered = asked.state.map_or(&[][..], |state| &state.created().error_codes);
    let diagnostic = match required_diagnostic(RunStatus::Canceled, &request.offered, registered) {
        Ok(diagnostic) => diagnostic.cloned(),
        Err(refusal) => return refuse_move(asked, request, refusal),
    };
    let (created, running, canceled) = (RunStatus::Created, RunStatus::Running, RunStatus::Canceled);
    let cause = TransitionCause::Cancel;
    Decision::accepted(vec![
        transitioned(created, running, cause, request, None, Cause::Command),
        transitioned(running, canceled, cause, request, diagnostic, Cause::Decided(0)),
    ])
}

/// Handles a start without the pins that the run requires: the run is denied before any work (H16).
fn deny_unpinned(request: &Move) -> Decision {
    let diagnostic = Diagnostic::pins_missing();
    let (created, running, denied) = (RunStatus::Created, RunStatus::Running, RunStatus::Denied);
    let cause = TransitionCause::PinsMissing;
    let (code, message) = (diagnostic.error_code.clone(), diagnostic.message.clone());
    let events = vec![
        transitioned(created, running, cause, request, None, Cause::Command),
        transitioned(running, denied, cause, request, Some(diagnostic), Cause::Decided(0)),
    ];
    Decision::rejected(events, &code, message)
}

/// Handles an undefined transition: a rejection, and the forced failure of a live run (status.md 1.3 step 7).
fn reject(asked: &Asked<'_, State>, request: &Move, current: Option<RunStatus>, reason: RejectionReason) -> Decision {
    let requested = recorded_token(&request.to);
    let message = undefined_answer(current, &requested);
    let rejected = Rejected {
        current,
        requested,
        reason,
        claimed_run_id: current.is_none().then(|| asked.run.to_owned()),
        action: request.action,
        ticket: request.ticket.clone(),
        note: request.reason.clone(),
        offered: request.offered.recorded(),
        request: asked.content.digest(),
    };
    let target = if current.is_none() { Target::Log } else { Target::Run };
    let mut events = vec![event(target, STATUS_REJECTED, Cause::Command, &rejected)];
    if let Some(from) = current.filter(|current| !current.is_terminal()) {
        let forced = ForcedFailed { from, diagnostic: Diagnostic::undefined_transition(from, &rejected.requested) };
        events.push(event(Target::Run, STATUS_FORCED_FAILED, Cause::Decided(0), &forced));
    }
    Decision::rejected(events, INVALID_STATE_TRANSITION, message)
}

fn refuse_move(asked: &Asked<'_, State>, request: &Move, refusal: Refusal) -> Decision {
    refuse(asked, request.action, refusal, request.reason.as_deref(), Some(request))
}

/// Records a refusal on the run, or in the log's own stream when there is no run.
fn refuse(
    asked: &Asked<'_, State>,
    action: Action,
    refusal: Refusal,
    note: Option<&str>,
    request: Option<&Move>,
) -> Decision {
    let current = asked.state.map(State::status);
    let refused = Refused {
        current,
        action,
        reason: refusal.reason,
        message: refusal.message.clone(),
        claimed_run_id: current.is_none().then(|| asked.run.to_owned()),
        requested: request.map(|request| recorded_token(&request.to)),
        note: note.map(str::to_owned),
        offered: request.and_then(|request| request.offered.recorded()),
        request: asked.content.digest(),
    };
    let target = if current.is_none() { Target::Log } else { Target::Run };
    let events = vec![event(target, STATUS_REFUSED, Cause::Command, &refused)];
    Decision::refused(events, refusal.reason.code(), refusal.message)
}
