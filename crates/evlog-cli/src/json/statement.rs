//! In-toto statements and DSSE envelopes: the members have the names of those specifications.

use serde::Serialize;
use std::collections::BTreeMap;

/// `replay --format in-toto`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatementObject<'a> {
    #[serde(rename = "_type")]
    pub(crate) kind: &'static str,
    pub(crate) subject: [SubjectObject<'a>; 1],
    pub(crate) predicate_type: &'static str,
    pub(crate) predicate: PredicateObject<'a>,
}

/// What a statement is about.
#[derive(Serialize)]
pub(crate) struct SubjectObject<'a> {
    pub(crate) name: String,
    pub(crate) digest: BTreeMap<&'static str, &'a str>,
}

/// What a statement says of a replay.
#[derive(Serialize)]
pub(crate) struct PredicateObject<'a> {
    pub(crate) verdict: &'static str,
    pub(crate) program: &'a str,
    pub(crate) projections: &'a BTreeMap<String, u16>,
    pub(crate) log: ReplayedLog<'a>,
    pub(crate) runs: u64,
    pub(crate) events: u64,
    pub(crate) files: u64,
    pub(crate) compared: u64,
    pub(crate) differences: u64,
    pub(crate) errors: u64,
    pub(crate) digest: String,
}

/// The part of a log that was replayed.
#[derive(Serialize)]
pub(crate) struct ReplayedLog<'a> {
    pub(crate) log_id: &'a str,
    pub(crate) size: u64,
    pub(crate) next_seq: u64,
}

/// `replay --format in-toto --key`.
#[derive(Serialize)]
pub(crate) struct EnvelopeObject {
    #[serde(rename = "payloadType")]
    pub(crate) payload_type: &'static str,
    pub(crate) payload: String,
    pub(crate) signatures: [SignatureObject; 1],
}

/// A signature of an envelope.
#[derive(Serialize)]
pub(crate) struct SignatureObject {
    pub(crate) keyid: String,
    pub(crate) sig: String,
}
