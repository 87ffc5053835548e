//! Which logs are known and which witnesses are enough, in C2SP's policy form: lines `log VKEY`, `witness NAME VKEY`, `group
//! NAME all|any|K NAME…` and one `quorum NAME|none`.
//!
//! Does: read the file, and judge a checkpoint by it. Does not: fetch anything; addresses are ignored.

use crate::checkpoint::{CheckpointError, Signed};
use crate::key::{Algorithm, KeyError, VerifierKey};
use crate::note::{Note, SignatureError};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// A witness policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    /// The members in the order of the file: a member comes before the group that names it.
    members: Vec<(String, Member)>,
    /// Index of the member that must agree; `None` if no witness must agree.
    quorum: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Member {
    Witness(VerifierKey),
    Group { needed: usize, members: Vec<usize> },
}

/// The reason why text is not a witness policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The line, from 1; 0 if the error concerns the whole file.
    pub line: usize,
    /// The fault, in words.
    pub message: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.message),
            line => write!(f, "line {line}: {}", self.message),
        }
    }
}

impl core::error::Error for PolicyError {}

/// How a witness policy judges a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// Whether the quorum is there.
    pub enough: bool,
    /// Witnesses with valid cosignatures, by their names in the policy, with the times that they state, in seconds
    /// since 1970.
    pub by: Vec<(String, u64)>,
    /// Witnesses of the policy that have not cosigned.
    pub missing: Vec<String>,
    /// What the quorum requires, in words.
    pub quorum: String,
}

impl Policy {
    /// Reads a witness policy. Bytes beyond ASCII have no meaning to it, so names are compared byte by byte.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Policy, PolicyError> {
        let (mut reading, mut lines) = (Reading::default(), 0);
        for (line, ended) in (1..).zip(bytes.as_ref().split_inclusive(|byte| *byte == b'\n')) {
            lines = line;
            let words = words(ended).map_err(|message| PolicyError { line, message })?;
            if words.first().is_some_and(|word| !word.starts_with(b"#")) {
                reading.line(&words).map_err(|message| PolicyError { line, message })?;
            }
        }
        reading.no_log_witnesses().map_err(|message| PolicyError { line: lines, message })?;
        let Reading { logs, members, quorum, .. } = reading;
        let message = || "expected a line `quorum NAME` or `quorum none`, found none".to_string();
        let quorum = quorum.ok_or_else(|| PolicyError { line: 0, message: message() })?;
        Ok(Policy { logs, members, quorum: quorum.ok() })
    }

    /// The logs that it knows.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The reason why the policy cannot be used for the log with this key; `None` if it can.
    pub fn contradicts(&self, log: &VerifierKey) -> Option<String> {
        let is_it = |other: &VerifierKey| other.public_bytes() == log.public_bytes();
        let witness = self.members.iter().find(|(_, member)| matches!(member, Member::Witness(key) if is_it(key)));
        if let Some((name, _)) = witness {
            return Some(format!("the policy has the key of the log {} as that of the witness {name}", log.name()));
        }
        let known: Vec<String> = self.logs.iter().map(ToString::to_string).collect();
        let is_known = self.logs.is_empty() || self.logs.contains(log);
        (!is_known).then(|| format!("the policy is for {}, and not for {log}", known.join(", ")))
    }

    /// Reads a checkpoint that one of the policy's logs must have signed.
    pub fn open(&self, bytes: &[u8]) -> Result<Signed, CheckpointError> {
        let mut refused = None;
        for log in &self.logs {
            match Signed::open(bytes, log) {
                Ok(signed) => return Ok(signed),
                Err(error) => refused = Some(error),
            }
        }
        let nobody = || SignatureError::Missing { key: "of a log in the policy".into(), found: Vec::new() };
        Err(refused.unwrap_or_else(|| CheckpointError::Signature(nobody())))
    }

    /// Judges the cosignatures under a note. If one is not valid, the note is refused.
    pub fn judge(&self, note: &Note) -> Result<Witnessed, SignatureError> {
        let (mut by, mut missing, mut agreement) = (Vec::new(), Vec::new(), Vec::new());
        for (name, member) in &self.members {
            let agrees = match member {
                Member::Group { needed, members } => {
                    members.iter().filter(|member| agreement.get(**member) == Some(&true)).count() >= *needed
                }
                Member::Witness(key) => match note.verify(key) {
                    Ok(time) => {
                        by.push((name.clone(), time.unwrap_or(0)));
                        true
                    }
                    Err(SignatureError::Missing { .. }) => {
                        missing.push(name.clone());
                        false
                    }
                    Err(error @ SignatureError::Invalid { .. }) => return Err(error),
                },
            };
            agreement.push(agrees);
        }
        let enough = self.quorum.is_none_or(|quorum| agreement.get(quorum) == Some(&true));
        Ok(Witnessed { enough, by, missing, quorum: self.quorum.map_or_else(|| "none".into(), |at| self.words(at)) })
    }

    fn words(&self, at: usize) -> String {
        match self.members.get(at) {
            Some((_, Member::Group { needed, members })) => {
                let names: Vec<&str> =
                    members.iter().filter_map(|at| self.members.get(*at)).map(|(name, _)| name.as_str()).collect();
                format!("{needed} of {}", names.join(", "))
            }
            Some((name, Member::Witness(_))) => name.clone(),
            None => String::new(),
        }
    }
}

/// The words of a line, which must end with a line feed.
fn words(line: &[u8]) -> Result<Vec<&[u8]>, String> {
    let Some(line) = line.strip_suffix(b"\n") else {
        return Err(
            "expected a line feed at the end of the last line, found none: the file may have been cut off".into()
        );
    };
    if let Some(byte) = line.iter().find(|byte| matches!(byte, 0..=0x08 | 0x0a..=0x1f | 0x7f)) {
        return Err(format!("expected no control characters but tabs and line feeds, found byte {byte:#04x}"));
    }
    Ok(line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).collect())
}

/// Bytes as they are shown.
fn shown(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// The member that the quorum line names; `Nobody` if it says `none`.
type Quorum = Result<usize, Nobody>;
struct Nobody;

#[derive(Default)]
struct Reading {
    logs: Vec<VerifierKey>,
    members: Vec<(String, Member)>,
    places: BTreeMap<Vec<u8>, usize>,
    /// Members that belong to a group already: each counts in only one place.
    taken: BTreeSet<usize>,
    quorum: Option<Quorum>,
}

impl Reading {
    fn line(&mut self, words: &[&[u8]]) -> Result<(), String> {
        match words {
            [b"log", key] | [b"log", key, _] => {
                let key = parse_key(key, Algorithm::Note)?;
                if self.logs.iter().any(|other| other.public_bytes() == key.public_bytes()) {
                    return Err(format!("the key of log {} stands in the policy twice", key.name()));
                }
                self.logs.push(key);
            }
            [b"witness", name, key] | [b"witness", name, key, _] => {
                let key = parse_key(key, Algorithm::Cosignature)?;
                let same = |member: &Member| matches!(member, Member::Witness(other) if other.public_bytes() == key.public_bytes());
                if self.members.iter().any(|(_, member)| same(member)) {
                    return Err(format!("the key of witness {} stands in the policy twice", shown(name)));
                }
                self.define(name, Member::Witness(key))?;
            }
            [b"group", name, needed, names @ ..] if !names.is_empty() => self.group(name, needed, names)?,
            [b"quorum", name] => {
                if self.quorum.is_some() {
                    return Err("expected one quorum, found a second".into());
                }
                self.quorum = Some(if *name == b"none" { Err(Nobody) } else { Ok(self.place(name)?) });
            }
            _ => {
                return Err(format!(
                    "expected `log VKEY`, `witness NAME VKEY`, `group NAME all|any|K NAME...` or `quorum NAME`, found {:?}",
                    shown(&words.join(&b' '))
                ));
            }
        }
        Ok(())
    }

    fn group(&mut self, name: &[u8], needed: &[u8], names: &[&[u8]]) -> Result<(), String> {
        let mut members = Vec::new();
        for member in names {
            let place = self.place(member)?;
            if !self.taken.insert(place) {
                return Err(format!("`{}` is a member of a group already", shown(member)));
            }
            members.push(place);
        }
        let count = members.len();
        let number = || {
            let digits =
                core::str::from_utf8(needed).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            digits?.parse().ok().filter(|needed| (1..=count).contains(needed))
        };
        let needed = match needed {
            b"all" => Some(count),
            b"any" => Some(1),
            _ => number(),
        };
        let needed = needed
            .ok_or_else(|| format!("group `{}`: expected all, any, or a number from 1 to {count}", shown(name)))?;
        self.define(name, Member::Group { needed, members })
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), String> {
        if name == b"none" || self.places.insert(name.into(), self.members.len()).is_some() {
            return Err(format!("the name `{}` is taken", shown(name)));
        }
        self.members.push((shown(name), member));
        Ok(())
    }

    /// Checks that no log's key is also a witness, under any name, because a log cannot be its own witness.
    fn no_log_witnesses(&self) -> Result<(), String> {
        let log_of = |key: &VerifierKey| self.logs.iter().find(|log| log.public_bytes() == key.public_bytes());
        let found = self.members.iter().find_map(|(name, member)| match member {
            Member::Witness(key) => log_of(key).map(|log| (name, log.name())),
            Member::Group { .. } => None,
        });
        match found {
            Some((name, log)) => {
                Err(format!("the witness {name} has the key of the log {log}: expected a key of its own"))
            }
            None => Ok(()),
        }
    }

    fn place(&self, name: &[u8]) -> Result<usize, String> {
        let place = self.places.get(name).copied();
        place.ok_or_else(|| format!("expected a witness or group of an earlier line, found `{}`", shown(name)))
    }
}

fn parse_key(word: &[u8], algorithm: Algorithm) -> Result<VerifierKey, String> {
    let text = core::str::from_utf8(word).map_err(|_| "expected a key, found bytes that are not UTF-8".to_string())?;
    let key = VerifierKey::parse(text).map_err(|error: KeyError| error.to_string())?;
    match (algorithm, key.algorithm()) {
        (expected, found) if expected == found => Ok(key),
        (Algorithm::Note, _) => Err(format!("expected the key of a log, found that of the witness {}", key.name())),
        (Algorithm::Cosignature, _) => {
            Err(format!("expected the key of a witness, found that of the log {}", key.name()))
        }
    }
}
