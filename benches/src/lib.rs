//! What the measurements share: events of the sizes that an audit log sees.
//!
//! Measurements state ratios taken in one run; results are kept under `runs/` with the machine they came from.

pub mod asked;
pub mod driver;
pub mod gate;
pub mod scale;

use evlog_format::{CommitHead, Durability, Event, PLAIN, Seq, kind};

/// Payloads of 208 to 271 bytes, deterministic and not compressible by repetition.
pub fn payloads(count: u64) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let payload = |_| {
        let len = 208 + next() % 64;
        (0..len).map(|_| u8::try_from(next() >> 56).unwrap_or(0)).collect()
    };
    (0..count).map(payload).collect()
}

/// The head of a commit.
pub fn head(first_seq: u64) -> CommitHead<'static> {
    CommitHead::new(Seq(first_seq), 1_771_869_600_000_000_000, Durability::Sync, "bench")
}

/// One event of a run for each payload; runs have ten events each.
pub fn events<'a>(first_seq: u64, streams: &'a [String], payloads: &'a [Vec<u8>]) -> Vec<Event<'a>> {
    let event = |(seq, payload): (u64, &'a Vec<u8>)| Event {
        stream: &streams[usize::try_from(seq / 10).unwrap_or(0) % streams.len()],
        number: seq % 10,
        kind: kind::STATUS_TRANSITIONED,
        kind_version: 1,
        causation: None,
        protection: PLAIN,
        payload,
    };
    (first_seq..).zip(payloads).map(event).collect()
}

/// Names of runs.
pub fn streams(count: u64) -> Vec<String> {
    (0..count).map(|number| format!("RUN_{number:08}")).collect()
}

/// Status commands as JSON Lines: runs of create, start and success, each created with an idempotency key.
pub fn commands(count: u64) -> String {
    let line = |number: u64| {
        let run = number / 3;
        let rest = match number % 3 {
            0 => format!(r#""do":"create","id":"c{run}","data":{{}}"#),
            1 => r#""do":"transition","to":"running""#.to_owned(),
            _ => r#""do":"transition","to":"success""#.to_owned(),
        };
        format!("{{\"contract\":\"status\",\"run\":\"RUN_{run:08}\",{rest}}}\n")
    };
    (0..count).map(line).collect()
}
