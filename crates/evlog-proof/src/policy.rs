//! Which logs are known and which witnesses are enough, in C2SP's policy form: lines `log VKEY`, `witness NAME VKEY`,
//! `group NAME all|any|K NAME…` and one `quorum NAME|none`.
//!
//! Does: read the file, and judge a checkpoint by it. Does not: fetch anything; addresses are read over.

use crate::checkpoint::{CheckpointError, Signed};
use crate::key::{Algorithm, KeyError, VerifierKey};
use crate::note::{Note, SignatureError};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    /// In the order of the file: a member stands before the group that names it.
    members: Vec<(String, Member)>,
    /// Index of the member that has to agree; none: nobody has to.
    quorum: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Member {
    Witness(VerifierKey),
    Group { needed: usize, members: Vec<usize> },
}

/// Why text is not a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong.
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

/// How a policy finds a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// Whether the quorum is there.
    pub enough: bool,
    /// Witnesses whose cosignatures hold, by their names in the policy, with the times that they state, in seconds since
    /// 1970.
    pub by: Vec<(String, u64)>,
    /// Witnesses of the policy that have not cosigned.
    pub missing: Vec<String>,
    /// What the quorum calls for, in words.
    pub quorum: String,
}

impl Policy {
    /// Reads a policy.
    pub fn parse(text: &str) -> Result<Policy, PolicyError> {
        let mut reading = Reading::default();
        for (line, words) in (1..).zip(text.lines()) {
            let words: Vec<&str> = words.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
            if words.first().is_some_and(|word| !word.starts_with('#')) {
                reading.line(&words).map_err(|message| PolicyError { line, message })?;
            }
        }
        let Reading { logs, members, quorum, .. } = reading;
        let message = || "expected a line `quorum NAME` or `quorum none`, found none".to_string();
        let quorum = quorum.ok_or_else(|| PolicyError { line: 0, message: message() })?;
        Ok(Policy { logs, members, quorum: quorum.ok() })
    }

    /// The logs that it knows.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
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

    /// Judges the cosignatures under a note. One that does not hold spoils the note.
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

/// Whom the quorum line names; nobody, if it says `none`.
type Quorum = Result<usize, Nobody>;
struct Nobody;

#[derive(Default)]
struct Reading {
    logs: Vec<VerifierKey>,
    members: Vec<(String, Member)>,
    places: BTreeMap<String, usize>,
    /// Members that a group has already: each counts in one place only.
    taken: BTreeSet<usize>,
    quorum: Option<Quorum>,
}

impl Reading {
    fn line(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["log", key] | ["log", key, _] => {
                let key = parse_key(key, Algorithm::Note)?;
                if self.logs.iter().any(|other| other.public_bytes() == key.public_bytes()) {
                    return Err(format!("the key of log {} stands in the policy twice", key.name()));
                }
                self.logs.push(key);
            }
            ["witness", name, key] | ["witness", name, key, _] => {
                let key = parse_key(key, Algorithm::Cosignature)?;
                let same = |member: &Member| matches!(member, Member::Witness(other) if other.public_bytes() == key.public_bytes());
                if self.members.iter().any(|(_, member)| same(member)) {
                    return Err(format!("the key of witness {name} stands in the policy twice"));
                }
                self.define(name, Member::Witness(key))?;
            }
            ["group", name, needed, names @ ..] if !names.is_empty() => self.group(name, needed, names)?,
            ["quorum", name] => {
                if self.quorum.is_some() {
                    return Err("expected one quorum, found a second".into());
                }
                self.quorum = Some(if *name == "none" { Err(Nobody) } else { Ok(self.place(name)?) });
            }
            _ => {
                return Err(format!(
                    "expected `log VKEY`, `witness NAME VKEY`, `group NAME all|any|K NAME...` or `quorum NAME`, found {:?}",
                    words.join(" ")
                ));
            }
        }
        Ok(())
    }

    fn group(&mut self, name: &str, needed: &str, names: &[&str]) -> Result<(), String> {
        let mut members = Vec::new();
        for member in names {
            let place = self.place(member)?;
            if !self.taken.insert(place) {
                return Err(format!("`{member}` is a member of a group already"));
            }
            members.push(place);
        }
        let count = members.len();
        let number = || needed.parse().ok().filter(|needed| (1..=count).contains(needed));
        let needed = match needed {
            "all" => Some(count),
            "any" => Some(1),
            _ => number(),
        };
        let needed =
            needed.ok_or_else(|| format!("group `{name}`: expected all, any, or a number from 1 to {count}"))?;
        self.define(name, Member::Group { needed, members })
    }

    fn define(&mut self, name: &str, member: Member) -> Result<(), String> {
        if name == "none" || self.places.insert(name.into(), self.members.len()).is_some() {
            return Err(format!("the name `{name}` is taken"));
        }
        self.members.push((name.into(), member));
        Ok(())
    }

    fn place(&self, name: &str) -> Result<usize, String> {
        let place = self.places.get(name).copied();
        place.ok_or_else(|| format!("expected a witness or group of an earlier line, found `{name}`"))
    }
}

fn parse_key(text: &str, algorithm: Algorithm) -> Result<VerifierKey, String> {
    let key = VerifierKey::parse(text).map_err(|error: KeyError| error.to_string())?;
    match (algorithm, key.algorithm()) {
        (expected, found) if expected == found => Ok(key),
        (Algorithm::Note, _) => Err(format!("expected the key of a log, found that of the witness {}", key.name())),
        (Algorithm::Cosignature, _) => {
            Err(format!("expected the key of a witness, found that of the log {}", key.name()))
        }
    }
}
