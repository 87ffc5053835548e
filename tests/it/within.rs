//! A caller that only gives commands cannot make bytes that a proof shows to be a commit.

use crate::workload::{DIR, open, submit};
use evlog::{LogError, Request};
use evlog_format::{CommitHead, Durability, Event, FrameCodec, Kind, LogId, PLAIN, Seq, encode_commit};
use evlog_store::fs::sim::SimFs;
use evlog_store::{AppendError, Reason};
use std::path::Path;

fn transition(reason: &str) -> Request {
    let create = r#"{"contract":"status","run":"A","do":"create"}"#;
    let line = if reason.is_empty() {
        create.to_owned()
    } else {
        let reason = serde_json::Value::from(reason);
        format!(r#"{{"contract":"status","run":"A","do":"transition","to":"running","reason":{reason}}}"#)
    };
    Request::parse_line(line.as_bytes()).unwrap()
}

/// A frame at a position that is text at the same time, of a commit by a principal that the caller is not.
fn frame_that_is_text(position: u64) -> String {
    let codec = FrameCodec::new(LogId([7; 16]));
    let texts = (1000..9999).filter_map(|salt| {
        let payload = format!(r#"{{"n":{salt}}}"#);
        let event = Event {
            stream: "pay-1",
            number: 0,
            kind: Kind::Custom("custom/approved"),
            kind_version: 1,
            causation: None,
            protection: PLAIN,
            payload: payload.as_bytes(),
        };
        let head = CommitHead { principal: Some("os:alice"), ..CommitHead::new(Seq(7), 63, Durability::Sync, "alice") };
        let mut out = Vec::new();
        codec.encode(position, 0, &mut out, |out| encode_commit(&head, &[event], out)).unwrap().unwrap();
        String::from_utf8(out).ok()
    });
    texts.into_iter().next().unwrap()
}

#[test]
fn a_text_that_is_a_frame_of_the_log_at_its_place_is_refused_and_at_another_it_is_text() {
    // F-51.
    let log_with = |reason: &str| {
        let fs = SimFs::new();
        let log = open(&fs, 1024 * 1024).unwrap();
        submit(&log, &[transition("")]);
        let answer = log.submit(&transition(reason));
        log.close().unwrap();
        (fs, answer)
    };
    let len = frame_that_is_text(1).len();
    let (fs, _) = log_with(&"Q".repeat(len));
    let bytes = fs.bytes(&Path::new(DIR).join("segments/00000000000000000000.seg")).unwrap();
    let position = bytes.windows(len).position(|window| window.iter().all(|byte| *byte == b'Q')).unwrap() as u64;
    let refused = log_with(&frame_that_is_text(position)).1.unwrap_err();
    assert!(
        matches!(refused, LogError::Append(AppendError::NotAppended { reason: Reason::HoldsFrame { .. } })),
        "{refused:?}"
    );
    assert!(log_with(&frame_that_is_text(position + 1)).1.is_ok());
}
