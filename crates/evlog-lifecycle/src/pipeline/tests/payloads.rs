//! Every log holds the bytes of the payloads, so these bytes must not change.

use crate::pipeline::outcome::{FailMode, RunStatus, StageStatus};
use crate::pipeline::payload::{
    Artifact, Artifacts, Behavior, Created, Finalized, Found, How, Input, InputContent, InputsRecorded, LimitExceeded,
    LockForced, Origin, OutcomeRecorded, OutputCaptured, Outputs, Payload, ProcessEnded, Reconciled, Refused,
    StageBegun, StageSetting, TakenOver, ValidationReported,
};
use evlog_format::{Event, PLAIN};
use std::fmt::Write;

fn all() -> Vec<(Payload, &'static str)> {
    let digest = [7; 32];
    let digest_hex = "0707070707070707070707070707070707070707070707070707070707070707";
    assert_eq!(digest_hex.len(), 64);
    let artifact = || Artifact { path: "a".into(), bytes: 300, blake3: digest, contract: Some("c".into()) };
    let artifacts = || Artifacts { stage: "s".into(), artifacts: vec![artifact()] };
    let stages = vec![
        StageSetting { id: "s".into(), enabled: true, fail_mode: FailMode::FailClosed },
        StageSetting { id: "t".into(), enabled: false, fail_mode: FailMode::WarnAndSkip },
    ];
    let created = Created {
        pipeline: "p".into(),
        definition: digest,
        definition_text: None,
        stages,
        manifest: "{}".into(),
        emit_health: true,
    };
    let outcome = OutcomeRecorded {
        stage: "s".into(),
        status: StageStatus::Skipped,
        fail_mode: FailMode::WarnAndSkip,
        reason_code: Some("c".into()),
    };
    let success = OutcomeRecorded { status: StageStatus::Success, reason_code: None, ..outcome.clone() };
    let refused = Refused { action: "begin".into(), stage: None, code: "C".into(), message: "m".into() };
    let captured = OutputCaptured { stage: "s".into(), path: "p".into(), bytes: 1, blake3: digest };
    let (configured, observed, behavior) = (10, 300, Behavior::Partial);
    let limit = LimitExceeded { limit: "l".into(), configured, observed, behavior, stage: "s".into() };
    let input = |path: &str, from, required, bytes: Option<u64>| {
        let content = bytes.map(|bytes| InputContent { bytes, blake3: digest });
        Input { path: path.into(), from, required, content }
    };
    let inputs = vec![
        input("a", Origin::Plan, true, Some(300)),
        input("a", Origin::Run, false, Some(1)),
        input("b", Origin::Plan, true, None),
    ];
    let inputs = InputsRecorded { stage: "s".into(), inputs };
    let ended = |how, exit_code, signal, time_limit_ns| ProcessEnded {
        stage: "s".into(),
        how,
        exit_code,
        signal,
        time_limit_ns,
    };
    let found = Found { stage: "s".into(), outputs: Outputs::Corrupt, staging: true };
    vec![
        (Payload::Created(created), "0170D000201730100017400010 27b7d01"),
        (Payload::Inputs(inputs), "017303 0161 00 01 01 fb2c01 D 0161 01 00 01 01 D 0162 00 01 00"),
        (Payload::Begun(StageBegun { stage: "s".into() }), "0173"),
        (Payload::Intended(artifacts()), "0173010161fb2c01D010163"),
        (Payload::Published(artifacts()), "0173010161fb2c01D010163"),
        (Payload::Reported(ValidationReported { stage: "s".into(), report: "{}".into() }), "0173027b7d"),
        (Payload::Captured(captured), "0173017001D"),
        (Payload::Judged(success.clone()), "0173000100"),
        (Payload::Outcome(outcome), "01730201010163"),
        (Payload::Outcome(success), "0173000100"),
        (Payload::Finalized(Finalized { status: RunStatus::Failed, exit_code: 20 }), "0214"),
        (Payload::Reconciled(Reconciled { found: vec![found] }), "010173 04 01"),
        (Payload::LockForced(LockForced { stale_lock_filename: "f".into(), stale_lock_sha256: digest }), "0166D"),
        (Payload::LimitExceeded(limit), "016c0afb2c01010173"),
        (Payload::TakenOver(TakenOver { stage: "s".into(), baseline: "r".into(), seq: 300 }), "0173 0172 fb2c01"),
        (Payload::ProcessEnded(ended(How::Exited, Some(3), None, Some(300))), "0173 00 0103 00 01fb2c01"),
        (Payload::ProcessEnded(ended(How::Signalled, None, Some(9), None)), "0173 01 00 0109 00"),
        (Payload::Refused(refused), "05626567696e0001430 16d"),
    ]
    .into_iter()
    .collect()
}

/// `D` stands for the digest.
fn expected(text: &str) -> String {
    text.replace(' ', "").replace('D', &"07".repeat(32))
}

fn event<'a>(payload: &Payload, bytes: &'a [u8]) -> Event<'a> {
    Event {
        stream: "r",
        number: 0,
        kind: payload.kind(),
        kind_version: 1,
        causation: None,
        protection: PLAIN,
        payload: bytes,
    }
}

#[test]
fn payloads_have_the_bytes_that_the_tables_say() {
    for (payload, golden) in all() {
        let bytes = payload.encode().expect("small");
        let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string");
            hex
        });
        assert_eq!(hex, expected(golden), "{payload:?}");
        assert_eq!(Payload::decode(&event(&payload, &bytes)), Ok(payload));
    }
}

#[test]
fn a_payload_cut_or_lengthened_or_of_another_version_is_not_read() {
    for (payload, _) in all() {
        let bytes = payload.encode().expect("small");
        for len in 0..bytes.len() {
            assert!(Payload::decode(&event(&payload, &bytes[..len])).is_err(), "{payload:?} cut to {len}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(Payload::decode(&event(&payload, &longer)).is_err(), "{payload:?} lengthened");
        let later = Event { kind_version: 2, ..event(&payload, &bytes) };
        let error = Payload::decode(&later).expect_err("a later version");
        assert!(error.contains("expected version 1") && error.contains("found 2"), "{error}");
    }
}
