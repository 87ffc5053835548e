//! The bytes of each payload table: bytes that are already in logs must always decode to the same values.

use super::diagnostic;
use crate::status::payload::{
    Action, Created, ForcedFailed, Overridden, PolicyVersions, RefusalReason, Refused, Rejected, RejectionReason,
    Retry, TransitionCause, Transitioned,
};
use crate::status::{Diagnostic, RunStatus};
use evlog_format::payload::{decode, encode};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(table: &T, hex: &str) {
    let bytes = encode(table).expect("encodes");
    let found: String = bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    assert_eq!(found, hex, "{table:?}");
    assert_eq!(&decode::<T>(&bytes).expect("decodes"), table);
}

#[test]
fn created_has_these_bytes() {
    let plain = Created {
        parent_run_id: None,
        root_run_id: "R".into(),
        retry: None,
        max_retries: 1,
        pins_required: false,
        case_id: None,
        contract_version: None,
        policy_versions: None,
        error_codes: Vec::new(),
        details: None,
    };
    check(&plain, "0001520001000000000000");
    let full = Created {
        parent_run_id: Some("P".into()),
        retry: Some(Retry { count: 2, reason: "r".into(), approval: Some("a".into()) }),
        max_retries: 300,
        pins_required: true,
        case_id: Some("c".into()),
        contract_version: Some("v1".into()),
        policy_versions: Some(PolicyVersions { lanes: "l".into(), roles: "o".into() }),
        error_codes: vec!["E".into()],
        details: Some("{}".into()),
        ..plain
    };
    check(&full, "010150015201020172010161fb2c01010101630102763101016c016f01014501027b7d");
}

#[test]
fn transitions_have_these_bytes() {
    let mut table = Transitioned {
        from: RunStatus::Created,
        to: RunStatus::Running,
        cause: TransitionCause::Requested,
        reason: None,
        diagnostic: None,
    };
    check(&table, "0001000000");
    table = Transitioned {
        from: RunStatus::Running,
        to: RunStatus::Canceled,
        cause: TransitionCause::PinsMissing,
        ..table
    };
    table.reason = Some("r".into());
    check(&table, "01070301017200");
    table.diagnostic = Some(short());
    check(&table, &format!("01070301017201{SHORT}"));
    check(&ForcedFailed { from: RunStatus::Waiting, diagnostic: short() }, &format!("02{SHORT}"));
    let overridden =
        Overridden { from: RunStatus::Running, to: RunStatus::Timeout, ticket: "T".into(), reason: "r".into() };
    check(&overridden, "010601540172");
}

/// A diagnostic whose encoding is `SHORT`: code `E`, category 7, message `m`, likely cause `c`, suggested fix `f`,
/// retryable, severity 3.
fn short() -> Diagnostic {
    let mut short = Diagnostic::read(&diagnostic("TOOL_TIMEOUT", true), &[]).expect("valid");
    short.error_code = "E".into();
    short.category = crate::status::diagnostic::Category::Integrity;
    (short.message, short.likely_cause, short.suggested_fix) = ("m".into(), "c".into(), "f".into());
    short.severity = crate::status::diagnostic::Severity::Critical;
    short
}

const SHORT: &str = "014507016d016301660103";

#[test]
fn rejections_and_refusals_have_these_bytes() {
    let request = [0xaa; 32];
    let digest = "aa".repeat(32);
    let rejected = Rejected::<String> {
        current: Some(RunStatus::Waiting),
        requested: "x".into(),
        reason: RejectionReason::UnknownRunId,
        claimed_run_id: Some("R".into()),
        action: Action::Cancel,
        ticket: Some("T".into()),
        note: Some("n".into()),
        offered: Some("{}".into()),
        request,
    };
    check(&rejected, &format!("01020178020101520401015401016e01027b7d{digest}"));
    let refused = Refused::<String> {
        current: None,
        action: Action::Override,
        reason: RefusalReason::PinsMismatch,
        message: "m".into(),
        claimed_run_id: None,
        requested: None,
        note: None,
        offered: None,
        request,
    };
    check(&refused, &format!("00030c016d00000000{digest}"));
}

/// The number and the name of each value of each enum.
#[test]
fn the_numbers_of_the_enums_never_change() {
    let causes: Vec<_> = TransitionCause::ALL.iter().map(|known| (u8::from(*known), known.word())).collect();
    assert_eq!(causes, [(0, "requested"), (1, "override"), (2, "cancel"), (3, "pins_missing")]);
    let reasons: Vec<_> = RejectionReason::ALL.iter().map(|known| (u8::from(*known), known.word())).collect();
    assert_eq!(reasons, [(0, "undefined_transition"), (1, "unknown_status_token"), (2, "unknown_run_id")]);
    let actions: Vec<_> = Action::ALL.iter().map(|known| (u8::from(*known), known.word())).collect();
    assert_eq!(actions, [(0, "create"), (1, "transition"), (2, "retry"), (3, "override"), (4, "cancel")]);
    let refusals: Vec<_> = RefusalReason::ALL.iter().map(|known| (u8::from(*known), known.word())).collect();
    let expected = [
        (0, "run_id_exists"),
        (1, "diagnostic_missing"),
        (2, "diagnostic_invalid"),
        (3, "diagnostic_unexpected"),
        (4, "stale_precondition"),
        (5, "pins_missing"),
        (6, "unknown_run_id"),
        (7, "not_a_failure"),
        (8, "not_retryable"),
        (9, "retries_exhausted"),
        (10, "root_mismatch"),
        (11, "case_mismatch"),
        (12, "pins_mismatch"),
    ];
    assert_eq!(refusals, expected);
    for number in [4, 255] {
        assert!(TransitionCause::try_from(number).is_err());
    }
}
