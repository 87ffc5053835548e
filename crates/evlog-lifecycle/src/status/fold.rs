//! A run's state, and how committed events change it: the replay side of status.md 1.3.
//!
//! The fold attempts nothing. If the contract forbids an event, the fold returns an error that says what was expected and what
//! was found. The event is never skipped and never repaired (status.md 7, checks 13 to 23).
//!
//! Invariants of a state that owes no event (`owed` is `None`):
//! - The status was reached by the nine transitions, or by a forced failure right after its rejection.
//! - If the status is `failed`, `denied` or `timeout`, there is a diagnostic. It carries `INVALID_STATE_TRANSITION` if, and
//!   only if, the failure was forced.

use super::diagnostic::{Diagnostic, INVALID_STATE_TRANSITION};
use super::payload::{
    Created, ForcedFailed, Overridden, Refused, Rejected, RejectionReason, TOKEN_LEN_MAX, TransitionCause,
    Transitioned, read,
};
use super::record::check;
use super::transitions::RunStatus;
use evlog_format::Seq;
use evlog_format::kind::{
    STATUS_CREATED, STATUS_FORCED_FAILED, STATUS_OVERRIDDEN, STATUS_REFUSED, STATUS_REJECTED, STATUS_TRANSITIONED,
};
use evlog_projection::{Fact, FoldError};
use std::sync::Arc;

/// The state of a run of contract `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    origin: Arc<Origin>,
    status: RunStatus,
    started_ns: Option<i128>,
    ended_ns: Option<i128>,
    diagnostic: Option<Arc<Diagnostic>>,
    counts: Counts,
    owed: Option<Box<Owed>>,
}

/// The content of a run's first event, for as long as the run lives.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    created: Created,
    time_ns: i128,
    actor: String,
}

/// How many events of each kind there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Status changes: listed and forced.
    pub transitions: u64,
    /// Undefined transitions that were attempted.
    pub rejections: u64,
    /// Inputs that were refused.
    pub refusals: u64,
    /// Break-glass overrides.
    pub overrides: u64,
}

/// The event that must follow in the same commit, because of the event before it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owed {
    /// The commit that owes it.
    commit: Seq,
    /// The event that causes it.
    by: Seq,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// After the rejection of a live run, its forced failure must follow.
    ForcedFailed { requested: String },
    /// After an override, a cancel before start, or a start without pins, a transition must follow.
    Transitioned { to: RunStatus, cause: TransitionCause },
}

impl Owed {
    fn in_words(&self) -> String {
        match &self.what {
            What::ForcedFailed { .. } => format!("the forced failure that must follow the rejection {}", self.by),
            What::Transitioned { to, cause } => {
                format!("the transition to `{to}` ({}) that must follow event {}", cause.word(), self.by)
            }
        }
    }
}

impl State {
    /// The run's status.
    pub fn status(&self) -> RunStatus {
        self.status
    }

    /// The run's record as created.
    pub fn created(&self) -> &Created {
        &self.origin.created
    }

    /// When the run was created, Unix nanoseconds.
    pub fn created_ns(&self) -> i128 {
        self.origin.time_ns
    }

    /// Who created the run.
    pub fn created_by(&self) -> &str {
        &self.origin.actor
    }

    /// When the run was first `running`, Unix nanoseconds; none if it never was.
    pub fn started_ns(&self) -> Option<i128> {
        self.started_ns
    }

    /// When the run reached its terminal status, Unix nanoseconds.
    pub fn ended_ns(&self) -> Option<i128> {
        self.ended_ns
    }

    /// The reason why the run ended, if it has a diagnostic.
    pub fn diagnostic(&self) -> Option<&Diagnostic> {
        self.diagnostic.as_deref()
    }

    /// How many events of each kind there were.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The retry's number in its chain: 1 for the first retry, 0 for a run that is not a retry.
    pub fn retry_count(&self) -> u32 {
        self.origin.created.retry.as_ref().map_or(0, |retry| retry.count)
    }

    /// Whether the run requires pins and does not have them (H16).
    pub fn lacks_pins(&self) -> bool {
        let created = self.created();
        created.pins_required && (created.contract_version.is_none() || created.policy_versions.is_none())
    }

    /// The event that the last commit still owes, in words. Commits are atomic, so a log ends with an owed event only if it
    /// was written by a program that did not use this contract.
    pub fn owed(&self) -> Option<String> {
        self.owed.as_ref().map(|owed| owed.in_words())
    }
}

/// The state after a run's first event (H12).
pub(crate) fn start(fact: &Fact<'_>) -> Result<State, FoldError> {
    if fact.event.kind != STATUS_CREATED {
        let found = fact.event.kind;
        return Err(FoldError::new(
            fact,
            format!("expected the run to begin with `{STATUS_CREATED}`, found `{found}`"),
        ));
    }
    let created: Created = read(fact)?;
    check(&created, fact.event.stream).map_err(|what| FoldError::new(fact, what))?;
    Ok(State {
        origin: Arc::new(Origin { created, time_ns: fact.head.time_ns(), actor: fact.head.actor.to_owned() }),
        status: RunStatus::Created,
        started_ns: None,
        ended_ns: None,
        diagnostic: None,
        counts: Counts::default(),
        owed: None,
    })
}

/// The state after one more event. On an error the state is as it was.
pub(crate) fn evolve(state: &mut State, fact: &Fact<'_>) -> Result<(), FoldError> {
    check_owed(state, fact)?;
    match fact.event.kind {
        STATUS_TRANSITIONED => transitioned(state, fact, read(fact)?),
        STATUS_REJECTED => rejected(state, fact, &read(fact)?),
        STATUS_FORCED_FAILED => forced_failed(state, fact, read(fact)?),
        STATUS_REFUSED => refused(state, fact, &read(fact)?),
        STATUS_OVERRIDDEN => overridden(state, fact, &read(fact)?),
        found => Err(FoldError::new(fact, format!("expected an event of a run that exists, found `{found}`"))),
    }
}

/// The owed event must be the next one, in the same commit, and name its cause (checks 6 and 15).
fn check_owed(state: &State, fact: &Fact<'_>) -> Result<(), FoldError> {
    let Some(owed) = &state.owed else {
        return Ok(());
    };
    let kind = match owed.what {
        What::ForcedFailed { .. } => STATUS_FORCED_FAILED,
        What::Transitioned { .. } => STATUS_TRANSITIONED,
    };
    let expected = owed.in_words();
    if fact.event.kind != kind || fact.head.first_seq != owed.commit {
        let (found, commit) = (fact.event.kind, fact.head.first_seq);
        let message = format!("expected {expected} in commit {}, found `{found}` in commit {commit}", owed.commit);
        return Err(FoldError::new(fact, message));
    }
    if fact.event.causation != Some(owed.by) {
        let found = fact.event.causation.map_or_else(|| "none".to_owned(), |seq| seq.to_string());
        return Err(FoldError::new(fact, format!("expected {expected}, found causation {found}")));
    }
    Ok(())
}

fn expect(fact: &Fact<'_>, holds: bool, message: impl FnOnce() -> String) -> Result<(), FoldError> {
    if holds { Ok(()) } else { Err(FoldError::new(fact, message())) }
}

/// Checks that the status that an event names as the one before is the run's current status (check 14).
fn check_from(state: &State, fact: &Fact<'_>, found: RunStatus) -> Result<(), FoldError> {
    let expected = state.status;
    expect(fact, expected == found, || format!("expected status `{expected}` before this event, found `{found}`"))
}

fn transitioned(state: &mut State, fact: &Fact<'_>, event: Transitioned) -> Result<(), FoldError> {
    check_from(state, fact, event.from)?;
    let Transitioned { from, to, cause, .. } = event;
    expect(fact, from.may_become(to), || format!("expected one of the nine transitions, found `{from}` to `{to}`"))?;
    let owes = check_cause(state, fact, &event)?;
    check_diagnostic(fact, to, event.diagnostic.as_ref())?;
    expect(fact, cause != TransitionCause::PinsMissing || event.diagnostic.is_none() || is_pins(&event), || {
        "expected the diagnostic of missing pins, found another".to_owned()
    })?;
    state.diagnostic = event.diagnostic.map(Arc::new);
    enter(state, fact, to);
    state.owed = None;
    if let Some(to) = owes {
        owe(state, fact, What::Transitioned { to, cause });
    }
    Ok(())
}

fn is_pins(event: &Transitioned) -> bool {
    event.diagnostic.as_ref() == Some(&Diagnostic::pins_missing())
}

/// Notes the event that must follow. It is boxed to keep the state small, because a run owes an event only within a commit.
fn owe(state: &mut State, fact: &Fact<'_>, what: What) {
    state.owed = Some(Box::new(Owed { commit: fact.head.first_seq, by: fact.seq, what }));
}

/// Checks that the cause explains the transition. Returns the status that the same commit must enter next, if any.
fn check_cause(state: &State, fact: &Fact<'_>, event: &Transitioned) -> Result<Option<RunStatus>, FoldError> {
    let Transitioned { from, to, cause, .. } = *event;
    if let Some(owed) = &state.owed {
        let as_owed = owed.what == What::Transitioned { to, cause };
        let found = cause.word();
        expect(fact, as_owed, || format!("expected {}, found one to `{to}` ({found})", owed.in_words()))?;
        return Ok(None);
    }
    let starts_unpinned = from == RunStatus::Created && state.lacks_pins();
    let (fits, owes) = match cause {
        TransitionCause::Requested => (!starts_unpinned, None),
        TransitionCause::Override => (false, None),
        TransitionCause::PinsMissing => (starts_unpinned, Some(RunStatus::Denied)),
        TransitionCause::Cancel if from == RunStatus::Created => (true, Some(RunStatus::Canceled)),
        TransitionCause::Cancel => (to == RunStatus::Canceled, None),
    };
    let found = cause.word();
    expect(fact, fits, || format!("expected a cause that explains `{from}` to `{to}`, found `{found}`"))?;
    Ok(owes)
}

/// Checks 20, 22, 24.
fn check_diagnostic(fact: &Fact<'_>, to: RunStatus, diagnostic: Option<&Diagnostic>) -> Result<(), FoldError> {
    let Some(diagnostic) = diagnostic else {
        return expect(fact, !to.is_failure(), || format!("expected a diagnostic with `{to}`, found none"));
    };
    let takes_one = to.is_failure() || to == RunStatus::Canceled;
    expect(fact, takes_one, || format!("expected no diagnostic with `{to}`, found one"))?;
    diagnostic.check().map_err(|what| FoldError::new(fact, format!("diagnostic: {what}")))?;
    expect(fact, diagnostic.error_code != INVALID_STATE_TRANSITION, || {
        format!("expected `{INVALID_STATE_TRANSITION}` only on a forced failure, found it on a transition to `{to}`")
    })
}

/// Changes the status; no other code does.
fn enter(state: &mut State, fact: &Fact<'_>, to: RunStatus) {
    state.status = to;
    state.counts.transitions += 1;
    if to == RunStatus::Running {
        state.started_ns.get_or_insert(fact.head.time_ns());
    }
    if to.is_terminal() {
        state.ended_ns = Some(fact.head.time_ns());
    }
}

fn rejected(state: &mut State, fact: &Fact<'_>, event: &Rejected<&str>) -> Result<(), FoldError> {
    check_present(state, fact, event.current)?;
    let claimed = event.claimed_run_id;
    expect(fact, claimed.is_none(), || "expected a rejection bound to its run, found one of an unknown run".into())?;
    expect(fact, event.requested.len() <= TOKEN_LEN_MAX, || {
        format!("expected a requested token of at most {TOKEN_LEN_MAX} bytes, found {}", event.requested.len())
    })?;
    let to = RunStatus::from_word(event.requested);
    let status = state.status;
    let undefined = to.is_none_or(|to| !status.may_become(to));
    expect(fact, undefined, || {
        format!("expected an undefined transition, found that of `{status}` to `{}`", event.requested)
    })?;
    let (reason, found) = (RejectionReason::of_token(event.requested), event.reason);
    expect(fact, reason == found, || format!("expected reason `{}`, found `{}`", reason.word(), found.word()))?;
    state.counts.rejections += 1;
    if !status.is_terminal() {
        owe(state, fact, What::ForcedFailed { requested: event.requested.to_owned() });
    }
    Ok(())
}

fn check_present(state: &State, fact: &Fact<'_>, current: Option<RunStatus>) -> Result<(), FoldError> {
    match current {
        Some(current) => check_from(state, fact, current),
        None => Err(FoldError::new(fact, format!("expected status `{}`, found none", state.status))),
    }
}

fn forced_failed(state: &mut State, fact: &Fact<'_>, event: ForcedFailed) -> Result<(), FoldError> {
    let Some(What::ForcedFailed { requested }) = state.owed.as_ref().map(|owed| &owed.what) else {
        let found = state.status;
        return Err(FoldError::new(fact, format!("expected a rejection right before, found a run that is `{found}`")));
    };
    check_from(state, fact, event.from)?;
    let computed = Diagnostic::undefined_transition(event.from, requested);
    expect(fact, computed == event.diagnostic, || {
        "expected the diagnostic that follows from the rejection, found another".to_owned()
    })?;
    state.diagnostic = Some(Arc::new(event.diagnostic));
    enter(state, fact, RunStatus::Failed);
    state.owed = None;
    Ok(())
}

fn refused(state: &mut State, fact: &Fact<'_>, event: &Refused<&str>) -> Result<(), FoldError> {
    check_present(state, fact, event.current)?;
    let bound = event.claimed_run_id.is_none();
    expect(fact, bound, || "expected a refusal bound to its run, found one of an unknown run".into())?;
    state.counts.refusals += 1;
    Ok(())
}

fn overridden(state: &mut State, fact: &Fact<'_>, event: &Overridden) -> Result<(), FoldError> {
    check_from(state, fact, event.from)?;
    let Overridden { from, to, .. } = *event;
    expect(fact, from.may_become(to), || format!("expected one of the nine transitions, found `{from}` to `{to}`"))?;
    let pinned = from != RunStatus::Created || !state.lacks_pins();
    expect(fact, pinned, || "expected the pins that the run requires, found none".to_owned())?;
    state.counts.overrides += 1;
    owe(state, fact, What::Transitioned { to, cause: TransitionCause::Override });
    Ok(())
}
