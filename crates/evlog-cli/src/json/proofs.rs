//! The answers of the commands about keys, checkpoints and proofs.

use super::TimesMembers;
use crate::notes::Witnesses;
use serde::Serialize;
use serde_json::Value;

/// `key`.
#[derive(Serialize)]
pub(crate) struct KeyObject<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: &'a str,
    pub(crate) role: &'a str,
    pub(crate) key: &'a str,
    pub(crate) private: Option<&'a str>,
    pub(crate) public: &'a str,
}

/// `checkpoint`.
#[derive(Serialize)]
pub(crate) struct CheckpointObject<'a> {
    pub(crate) origin: &'a str,
    pub(crate) log_id: String,
    pub(crate) size: u64,
    pub(crate) root: String,
    pub(crate) next_seq: u64,
    pub(crate) new: bool,
    pub(crate) path: &'a str,
}

/// `check-proof`.
#[derive(Serialize)]
pub(crate) struct ProofObject<'a> {
    pub(crate) holds: bool,
    pub(crate) proof: &'a str,
    pub(crate) origin: &'a str,
    pub(crate) log_id: String,
    pub(crate) size: u64,
    pub(crate) root: String,
    pub(crate) next_seq: u64,
    pub(crate) position: Option<u64>,
    pub(crate) events: Vec<Value>,
    pub(crate) witnesses: Option<WitnessesObject<'a>>,
}

/// `prove`, if it writes a file.
#[derive(Serialize)]
pub(crate) struct ProvedObject<'a> {
    pub(crate) proof: &'a str,
    pub(crate) out: &'a str,
    pub(crate) bytes: u64,
    pub(crate) origin: &'a str,
    pub(crate) size: u64,
    pub(crate) next_seq: u64,
}

/// `evidence`, if it writes a file.
#[derive(Serialize)]
pub(crate) struct WrittenEvidenceObject<'a> {
    pub(crate) run: &'a str,
    pub(crate) out: &'a str,
    pub(crate) bytes: u64,
    pub(crate) origin: &'a str,
    pub(crate) size: u64,
    pub(crate) next_seq: u64,
}

/// Who cosigned, and whether that is enough for a witness policy.
#[derive(Serialize)]
pub(crate) struct WitnessesObject<'a> {
    enough: bool,
    quorum: &'a str,
    by: Vec<CosignedObject<'a>>,
    missing: &'a [String],
}

/// One cosignature of [`WitnessesObject`].
#[derive(Serialize)]
struct CosignedObject<'a> {
    name: &'a str,
    time: u64,
}

impl<'a> WitnessesObject<'a> {
    pub(crate) fn new(witnesses: &'a Witnesses) -> WitnessesObject<'a> {
        let by = witnesses.by.iter().map(|(name, time)| CosignedObject { name, time: *time });
        let (enough, quorum, missing) = (witnesses.enough, witnesses.quorum.as_str(), witnesses.missing.as_slice());
        WitnessesObject { enough, quorum, by: by.collect(), missing }
    }
}

/// `witness`.
#[derive(Serialize)]
pub(crate) struct WitnessObject<'a> {
    pub(crate) cosigned: bool,
    pub(crate) origin: &'a str,
    pub(crate) size: u64,
    pub(crate) time: Option<u64>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) note: &'a str,
}

/// `check-evidence`.
#[derive(Serialize)]
pub(crate) struct EvidenceObject<'a> {
    pub(crate) holds: bool,
    pub(crate) run: &'a str,
    pub(crate) contract: Option<&'a str>,
    pub(crate) status: Option<&'a str>,
    pub(crate) events: u64,
    pub(crate) first: Option<TimesMembers>,
    pub(crate) last: Option<TimesMembers>,
    pub(crate) marked: Vec<MarkedEvent>,
    pub(crate) limit: String,
    pub(crate) signed: Option<&'a str>,
    pub(crate) files: u64,
    pub(crate) origin: &'a str,
    pub(crate) log_id: String,
    pub(crate) size: u64,
    pub(crate) root: String,
    pub(crate) next_seq: u64,
    pub(crate) witnesses: Option<WitnessesObject<'a>>,
    pub(crate) findings: &'a [String],
    pub(crate) contract_finding: Option<&'a str>,
}

/// An event that happened at another time than it was recorded.
#[derive(Serialize)]
pub(crate) struct MarkedEvent {
    pub(crate) seq: u64,
    #[serde(flatten)]
    pub(crate) times: TimesMembers,
}
