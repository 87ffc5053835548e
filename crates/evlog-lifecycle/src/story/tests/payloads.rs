//! The bytes of payloads and the numbers of enum values never change, because they are in logs.

use crate::story::Phase;
use crate::story::failure::{ErrorType, FailedStep, RunError, StepError};
use crate::story::payload::{
    Action, CancelMode, CancelRequested, Created, GateDecided, GateState, Mode, MoveCause, Moved, Redriven, Rejected,
    RejectionReason, StepCause, StepMoved,
};
use crate::story::retry::{Backoff, ExitClass};
use evlog_format::payload::encode;
use serde::Serialize;

fn bytes<T: Serialize>(table: &T) -> String {
    let digits = |byte: u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).expect("a digit"));
    encode(table).expect("encodes").into_iter().flat_map(digits).collect()
}

#[test]
fn payloads_are_these_bytes() {
    let created = Created { story: "{}".into(), inputs: None, mode: Mode::Observed, impulse: Some("i".into()) };
    assert_eq!(bytes(&created), "027b7d00010101".to_owned() + "69");
    let error = RunError {
        kind: "K".into(),
        message: "m".into(),
        failed_steps: vec![FailedStep { name: "a".into(), phase: Some(Phase::Failed), message: None }],
    };
    let mut moved = Moved::new(Some(Phase::Running), Phase::Failed, MoveCause::Derived);
    (moved.reason, moved.error) = ("R".into(), Some(error));
    assert_eq!(
        bytes(&moved),
        "010106010152000101".to_owned() + "4b" + "016d" + "01" + "0161" + "0106" + "00" + "00" + "00"
    );
    let mut step = StepMoved::new("a", None, Phase::Pending, StepCause::Held);
    step.reason = "R".into();
    (step.exit_class, step.retries, step.next_retry_ns) = (Some(ExitClass::Unknown), 2, Some(1));
    step.error = Some(StepError {
        kind: ErrorType::Unknown,
        message: "m".into(),
        retryable: Some(true),
        exit_code: None,
        exit_class: None,
        code: None,
        details: None,
    });
    assert_eq!(
        bytes(&step),
        "0161".to_owned()
            + "00000c"
            + "0152"
            + "0000"
            + "00"
            + "0104"
            + "02"
            + "0102"
            + "00"
            + "00"
            + "01"
            + "06016d010100000000"
            + "0000"
    );
    let rejected = Rejected {
        step: Some("a".into()),
        from: None,
        requested: "x".into(),
        reason: RejectionReason::Cancelled,
        message: "m".into(),
        action: Action::Redrive,
        note: None,
        request: [7; 32],
    };
    assert_eq!(bytes(&rejected), "010161000178".to_owned() + "08016d0a00" + &"07".repeat(32));
    let cancel = CancelRequested { how: CancelMode::Kill, deadline_ns: -1, message: None };
    assert_eq!(bytes(&cancel), "020100");
    let gate = GateDecided { step: "g".into(), state: GateState::Rejected, message: Some("m".into()) };
    assert_eq!(bytes(&gate), "01670201016d");
    let redriven = Redriven { epoch: 2, token: None, from_step: Some("a".into()), cleared: vec!["a".into()] };
    assert_eq!(bytes(&redriven), "0200010161010161");
}

#[test]
fn closed_sets_have_these_numbers() {
    fn words<T: Copy + Into<u8>>(all: &[T], word: fn(T) -> &'static str) -> String {
        assert!(all.iter().zip(0_u8..).all(|(known, number)| (*known).into() == number));
        all.iter().map(|known| word(*known)).collect::<Vec<_>>().join(" ")
    }
    assert_eq!(words(&Mode::ALL, Mode::word), "decided observed");
    assert_eq!(words(&MoveCause::ALL, MoveCause::word), "requested derived clock cancel stop guard redrive held");
    assert_eq!(
        words(&StepCause::ALL, StepCause::word),
        "ready queued reported evaluated decided clock failed_dependency fail_fast unused run_ended topology_terminated \
         cache_hit held parallel child"
    );
    assert_eq!(
        words(&RejectionReason::ALL, RejectionReason::word),
        "undefined_transition unknown_phase guard_unmet terminal not_started not_ready retry_not_due stale_worker cancelled"
    );
    assert_eq!(
        words(&Action::ALL, Action::word),
        "create start step transition tick gate evaluate cancel stop terminate redrive child"
    );
    assert_eq!(words(&CancelMode::ALL, CancelMode::word), "drain now kill");
    assert_eq!(words(&GateState::ALL, GateState::word), "Pending Approved Rejected");
    assert_eq!(words(&ExitClass::ALL, ExitClass::word), "success retry terminal rateLimited unknown");
    assert_eq!(words(&Backoff::ALL, Backoff::word), "exponential linear constant");
    assert_eq!(
        words(&ErrorType::ALL, ErrorType::word),
        "timeout storage_error serialization_error validation_error initialization_error execution_error unknown"
    );
}
