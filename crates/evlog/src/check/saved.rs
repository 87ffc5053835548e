//! The file of a verification that was interrupted: how far it had come, and the state that it needs to continue.
//!
//! ```text
//! magic 8 | version 4 | BLAKE3 of all that follows 32 | parts, each: length 8, bytes
//! parts: head | saved audit | for each run: name, then whether it failed 1 and where its commits stand
//! ```
//!
//! A commit's place is stored as the distance from the run's previous commit, with seven bits in a byte, the lowest first.
//!
//! Invariant: the digest is compared before anything else is read. It detects accidents, not intent: anybody who can write the
//! file can change its contents. So keep the file where only trusted people can write.

use super::RunCheck;
use super::resume_error::ResumeError;
use crate::history::{LossAccepted, PolicySet};
use crate::policy::{Noted, Policies, Set};
use evlog_format::{Seq, payload};
use evlog_projection::FoldError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const MAGIC: [u8; 8] = *b"evlogres";
const VERSION: [u8; 4] = 1u32.to_le_bytes();
const DIGEST_LEN: usize = 32;
/// A file of another version is not used, because that version may have judged by other rules.
const PROGRAM: &str = concat!("evlog ", env!("CARGO_PKG_VERSION"));

/// A policy that was set: seq, number in `$log`, time, principal, content.
type SavedPolicy = (u64, u64, i64, Option<String>, PolicySet);

/// The state after the part that was read, whose bytes are sound.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    program: String,
    /// When the verification began, Unix nanoseconds.
    pub(super) begun_ns: i64,
    contract_findings: Vec<(u64, String, String)>,
    losses: Vec<(u64, LossAccepted)>,
    policies: Vec<SavedPolicy>,
    /// The times when checkpoints were signed.
    signed: Vec<(u64, i64)>,
}

impl Head {
    pub(super) fn new(begun_ns: i64, check: &RunCheck<'_>) -> Head {
        let RunCheck { findings, losses, policies, .. } = check;
        let finding = |error: &FoldError| (error.seq.0, error.run.clone(), error.message.clone());
        let policy = |set: &Set| (set.seq.0, set.number, set.recorded_ns, set.principal.clone(), set.said.clone());
        Head {
            program: PROGRAM.to_owned(),
            begun_ns,
            contract_findings: findings.iter().map(finding).collect(),
            losses: losses.iter().map(|(seq, loss)| (seq.0, loss.clone())).collect(),
            policies: policies.all().iter().filter_map(|known| known.set.as_ref()).map(policy).collect(),
            signed: policies.signed().iter().map(|(seq, recorded_ns)| (seq.0, *recorded_ns)).collect(),
        }
    }

    /// The policies in the part that was read.
    pub(super) fn policies(&self) -> Policies {
        let set = |(seq, number, recorded_ns, principal, said): &SavedPolicy| {
            let (seq, number, recorded_ns) = (Seq(*seq), *number, *recorded_ns);
            Noted::Set(Set { seq, number, recorded_ns, principal: principal.clone(), said: said.clone() })
        };
        let signed = self.signed.iter().map(|(seq, recorded_ns)| Noted::Signed(Seq(*seq), *recorded_ns));
        let mut all: Vec<Noted> = self.policies.iter().map(set).chain(signed).collect();
        all.sort_by_key(Noted::seq);
        let mut policies = Policies::default();
        for noted in all {
            // An error is ignored here, because it is among the findings already.
            policies.take(noted).ok();
        }
        policies
    }

    pub(super) fn into_found(self) -> (Vec<FoldError>, Vec<(Seq, LossAccepted)>) {
        let finding = |(seq, run, message)| FoldError { seq: Seq(seq), run, message, is_of_rule: false };
        let losses = self.losses.into_iter().map(|(seq, loss)| (Seq(seq), loss));
        (self.contract_findings.into_iter().map(finding).collect(), losses.collect())
    }
}

/// What is kept of a run that was read in part: enough to read it again if more of its events come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SeenRun {
    /// Whether its contract could not fold it. That was reported already.
    pub(super) failed: bool,
    /// Position of the last of its commits.
    last: u64,
    places: Vec<u8>,
}

impl SeenRun {
    /// Whether all its commits are before this position.
    pub(super) fn is_before(&self, end: u64) -> bool {
        self.last < end
    }

    /// Adds an event of the run, in a commit at this position.
    pub(super) fn push(&mut self, position: u64) {
        // A log begins with the bytes of its header, so a commit is never at 0.
        let mut distance = position - self.last;
        if distance == 0 {
            return;
        }
        self.last = position;
        while distance >= 0x80 {
            self.places.push(distance.to_le_bytes()[0] | 0x80);
            distance >>= 7;
        }
        self.places.push(distance.to_le_bytes()[0]);
    }

    /// The positions of its commits.
    pub(super) fn positions(&self) -> Vec<u64> {
        let (mut positions, mut position, mut distance, mut shift) = (Vec::new(), 0u64, 0u64, 0);
        for byte in &self.places {
            distance |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte & 0x80 == 0 {
                position = position.saturating_add(distance);
                positions.push(position);
                (distance, shift) = (0, 0);
            }
        }
        positions
    }
}

/// The contents of the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) head: Head,
    pub(super) audit: Vec<u8>,
    pub(super) runs: BTreeMap<String, SeenRun>,
}

/// The file's bytes; `None` if a list is too long to be written, so that nothing can be kept.
pub(super) fn encode(head: &Head, audit: &[u8], runs: &BTreeMap<String, SeenRun>) -> Option<Vec<u8>> {
    let mut out = [&MAGIC[..], &VERSION, &[0; DIGEST_LEN]].concat();
    put(&mut out, &payload::encode(head).ok()?);
    put(&mut out, audit);
    for (name, run) in runs {
        put(&mut out, name.as_bytes());
        put(&mut out, &[&[u8::from(run.failed)], run.places.as_slice()].concat());
    }
    let (start, rest) = out.split_at_mut(MAGIC.len() + VERSION.len() + DIGEST_LEN);
    start[MAGIC.len() + VERSION.len()..].copy_from_slice(blake3::hash(rest).as_bytes());
    Some(out)
}

fn put(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&(part.len() as u64).to_le_bytes());
    out.extend_from_slice(part);
}

/// Reads what [`encode`] made.
pub(super) fn decode(bytes: &[u8]) -> Result<Saved, ResumeError> {
    let rest = bytes.strip_prefix(&MAGIC).and_then(|rest| rest.strip_prefix(&VERSION)).ok_or(ResumeError::Foreign)?;
    let (digest, rest) = rest.split_first_chunk::<DIGEST_LEN>().ok_or(ResumeError::Spoilt)?;
    if blake3::hash(rest) != *digest {
        return Err(ResumeError::Spoilt);
    }
    let mut parts = Parts(rest);
    let head: Head = payload::decode(parts.next()?).map_err(|_| ResumeError::Spoilt)?;
    if head.program != PROGRAM {
        return Err(ResumeError::Program { expected: PROGRAM, found: head.program });
    }
    let mut saved = Saved { head, audit: parts.next()?.to_vec(), runs: BTreeMap::new() };
    while !parts.0.is_empty() {
        let name = String::from_utf8(parts.next()?.to_vec()).map_err(|_| ResumeError::Spoilt)?;
        let (failed, places) = parts.next()?.split_first().ok_or(ResumeError::Spoilt)?;
        let mut run = SeenRun { failed: *failed != 0, last: 0, places: places.to_vec() };
        run.last = run.positions().last().copied().unwrap_or(0);
        saved.runs.insert(name, run);
    }
    Ok(saved)
}

/// The parts that are not read yet, as bytes.
struct Parts<'b>(&'b [u8]);

impl<'b> Parts<'b> {
    fn next(&mut self) -> Result<&'b [u8], ResumeError> {
        let (len, rest) = self.0.split_first_chunk().ok_or(ResumeError::Spoilt)?;
        let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| ResumeError::Spoilt)?;
        let (part, rest) = rest.split_at_checked(len).ok_or(ResumeError::Spoilt)?;
        self.0 = rest;
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_gives_the_position_of_each_commit_once() {
        let mut run = SeenRun::default();
        let positions = [96, 97, 97, 230, 16_500, 2_113_664, 1 << 40, (1 << 62) + 5];
        for position in positions {
            run.push(position);
        }
        assert_eq!(run.positions(), [96, 97, 230, 16_500, 2_113_664, 1 << 40, (1 << 62) + 5]);
    }

    #[test]
    fn is_before_compares_with_the_position_of_the_last_commit() {
        let mut run = SeenRun::default();
        run.push(96);
        run.push(300);
        assert!(run.is_before(301) && !run.is_before(300));
    }

    #[test]
    fn no_byte_of_the_file_can_be_changed_or_lost() {
        let contracts = evlog_projection::Contracts::new();
        let mut check = RunCheck::new(&contracts, Policies::default(), None);
        check.findings.push(FoldError { seq: Seq(3), run: "a".into(), message: "m".into(), is_of_rule: false });
        let head = Head::new(5, &check);
        let mut runs = BTreeMap::from([("a".to_owned(), SeenRun::default()), ("b".to_owned(), SeenRun::default())]);
        for run in runs.values_mut() {
            run.push(3000);
        }
        let bytes = encode(&head, b"audit", &runs).unwrap();
        let saved = decode(&bytes).unwrap();
        assert_eq!(saved, Saved { head, audit: b"audit".to_vec(), runs });
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            let refused = decode(&other).unwrap_err();
            let expected = if at < 12 { "not a file that" } else { "is damaged" };
            assert!(refused.to_string().contains(expected), "{at}: {refused}");
            assert!(decode(&bytes[..at]).is_err(), "{at}");
        }
    }
}
