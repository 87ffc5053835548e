//! The contract's commands, read from the members of a line.
//!
//! Does not: judge commands by a run, a pipeline or a path rule; [`rules`](super::rules) does that.
//!
//! Invariant: a command that was read holds values of the right types, and known words only.

mod described;

pub(crate) use described::commands;

use super::definition::{Definition, NAMES};
use super::outcome::{FailMode, StageStatus};
use super::payload::{
    Artifact, Behavior, Found, How, Input, InputContent, LimitExceeded, LockForced, Origin, Outputs, ProcessEnded,
    TakenOver,
};
use crate::members::{Members, malformed, pointer, quoted, unknown_command};
use evlog_projection::Malformed;
use serde_json::{Map, Value};
use std::sync::Arc;

pub(super) const FAIL_MODES: [(&str, FailMode); 2] =
    [("fail_closed", FailMode::FailClosed), ("warn_and_skip", FailMode::WarnAndSkip)];
pub(super) const STATUSES: [(&str, StageStatus); 3] =
    [("success", StageStatus::Success), ("failed", StageStatus::Failed), ("skipped", StageStatus::Skipped)];
/// A command, parsed.
#[derive(Clone, Debug)]
pub struct Command(pub(super) Do);

#[derive(Clone, Debug)]
pub(super) enum Do {
    Create(Box<Create>),
    Inputs { stage: String, inputs: Vec<Input> },
    Begin { stage: String },
    TakeOver(TakenOver),
    ProcessEnded(ProcessEnded),
    Intend { stage: String, artifacts: Vec<Artifact> },
    Publish { stage: String, artifacts: Vec<Artifact> },
    Report { stage: String, report: Value },
    Captured { stage: String, artifact: Artifact },
    Judge(ReportedOutcome),
    Outcome(ReportedOutcome),
    Reconcile { found: Vec<Found> },
    LockForced(LockForced),
    LimitExceeded(LimitExceeded),
    Finalize,
}

/// An outcome as a command reports it.
#[derive(Clone, Debug)]
pub(super) struct ReportedOutcome {
    pub stage: String,
    pub status: StageStatus,
    pub fail_mode: Option<FailMode>,
    pub reason_code: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Create {
    pub pipeline: Chosen,
    pub manifest: Map<String, Value>,
    /// The stages' configurations by id, as given.
    pub stages: Vec<(String, Configured)>,
    pub emit_health: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Chosen {
    Named(String),
    Brought(Arc<Definition>),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Configured {
    pub enabled: Option<bool>,
    pub fail_mode: Option<FailMode>,
}

impl Do {
    /// The word of `do`.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Do::Create(_) => "create",
            Do::Inputs { .. } => "inputs",
            Do::Begin { .. } => "begin",
            Do::TakeOver(_) => "take_over",
            Do::ProcessEnded(_) => "process_ended",
            Do::Intend { .. } => "intend",
            Do::Publish { .. } => "publish",
            Do::Report { .. } => "report",
            Do::Captured { .. } => "captured",
            Do::Judge(_) => "judge",
            Do::Outcome(_) => "outcome",
            Do::Reconcile { .. } => "reconcile",
            Do::LockForced(_) => "lock_forced",
            Do::LimitExceeded(_) => "limit_exceeded",
            Do::Finalize => "finalize",
        }
    }

    /// The stage that it names.
    pub(super) fn stage(&self) -> Option<&str> {
        match self {
            Do::Create(_) | Do::Reconcile { .. } | Do::LockForced(_) | Do::Finalize => None,
            Do::Inputs { stage, .. }
            | Do::Begin { stage }
            | Do::TakeOver(TakenOver { stage, .. })
            | Do::ProcessEnded(ProcessEnded { stage, .. })
            | Do::LimitExceeded(LimitExceeded { stage, .. })
            | Do::Intend { stage, .. }
            | Do::Publish { stage, .. }
            | Do::Report { stage, .. }
            | Do::Captured { stage, .. }
            | Do::Judge(ReportedOutcome { stage, .. })
            | Do::Outcome(ReportedOutcome { stage, .. }) => Some(stage),
        }
    }
}

impl Command {
    /// The other run whose state the decision about the command depends on.
    pub(super) fn reads(&self) -> Option<&str> {
        match &self.0 {
            Do::TakeOver(taken) => Some(&taken.baseline),
            _ => None,
        }
    }
}

/// Reads a command's own members.
pub(super) fn parse(action: &str, members: Map<String, Value>) -> Result<Command, Malformed> {
    let mut members = Members::new(members);
    let command = match action {
        "create" => Do::Create(Box::new(create(&mut members)?)),
        "inputs" => Do::Inputs { stage: members.string("stage")?, inputs: inputs(&mut members)? },
        "begin" => Do::Begin { stage: members.string("stage")? },
        "take_over" => Do::TakeOver(taken_over(&mut members)?),
        "process_ended" => Do::ProcessEnded(process_ended(&mut members)?),
        "intend" => Do::Intend { stage: members.string("stage")?, artifacts: artifacts(&mut members)? },
        "publish" => Do::Publish { stage: members.string("stage")?, artifacts: artifacts(&mut members)? },
        "report" => report(&mut members)?,
        "captured" => Do::Captured { stage: members.string("stage")?, artifact: digest(&mut members)? },
        "judge" => Do::Judge(reported_outcome(&mut members)?),
        "outcome" => Do::Outcome(reported_outcome(&mut members)?),
        "reconcile" => Do::Reconcile { found: found(&mut members)? },
        "lock_forced" => Do::LockForced(lock_forced(&mut members)?),
        "limit_exceeded" => Do::LimitExceeded(limit_exceeded(&mut members)?),
        "finalize" => Do::Finalize,
        other => return Err(unknown_command(other, &commands())),
    };
    members.end(action)?;
    Ok(Command(command))
}

fn create(members: &mut Members) -> Result<Create, Malformed> {
    let pipeline = match members.take("pipeline") {
        None => {
            let message = format!("expected the member `pipeline`: a definition, or a name such as `{}`", NAMES[0]);
            return Err(malformed("", message));
        }
        Some(Value::String(name)) => Chosen::Named(name),
        Some(brought) => Chosen::Brought(Arc::new(Definition::parse_at(brought, "/pipeline")?)),
    };
    let manifest = members.object("manifest")?.unwrap_or_default();
    if let Some(found) = manifest.get("extensions").filter(|value| !value.is_object()) {
        return Err(malformed("/manifest/extensions", format!("expected an object, found {found}")));
    }
    let mut stages = Vec::new();
    for (id, value) in members.object("stages")?.unwrap_or_default() {
        let at = pointer("/stages", &id);
        let mut given = Members::of(value, at)?;
        let enabled = given.optional_bool("enabled")?;
        let fail_mode = given.optional_word("fail_mode", &FAIL_MODES)?;
        given.end("a stage")?;
        stages.push((id, Configured { enabled, fail_mode }));
    }
    let emit_health = members.optional_bool("emit_health")?.unwrap_or(true);
    Ok(Create { pipeline, manifest, stages, emit_health })
}

fn inputs(members: &mut Members) -> Result<Vec<Input>, Malformed> {
    let input = |(at, item): (String, Value)| {
        let mut given = Members::of(item, at)?;
        let path = given.string("path")?;
        let from = given.word("from", &Origin::WORDS)?;
        let required = given.optional_bool("required")?.unwrap_or(true);
        let content = match given.optional_count("bytes")? {
            Some(bytes) => Some(InputContent { bytes, blake3: digest_of(&mut given, "blake3")? }),
            None => None,
        };
        given.end("an input")?;
        Ok(Input { path, from, required, content })
    };
    let mut inputs = members.items("inputs")?.into_iter().map(input).collect::<Result<Vec<Input>, _>>()?;
    inputs.sort_by(|a, b| (&a.path, a.from).cmp(&(&b.path, b.from)));
    Ok(inputs)
}

fn taken_over(members: &mut Members) -> Result<TakenOver, Malformed> {
    let (stage, baseline) = (members.string("stage")?, members.string("baseline")?);
    Ok(TakenOver { stage, baseline, seq: members.count("seq")? })
}

fn process_ended(members: &mut Members) -> Result<ProcessEnded, Malformed> {
    let small = |name: &'static str, given: Option<u64>| {
        let number = given.map(|number| u8::try_from(number).map_err(|_| number)).transpose();
        number.map_err(|found| {
            malformed(format!("/{name}"), format!("expected a whole number from 0 to 255, found {found}"))
        })
    };
    Ok(ProcessEnded {
        stage: members.string("stage")?,
        how: members.word("how", &How::ALL.map(|how| (how.word(), how)))?,
        exit_code: small("exit_code", members.optional_count("exit_code")?)?,
        signal: small("signal", members.optional_count("signal")?)?,
        time_limit_ns: members.optional_count("time_limit_ns")?,
    })
}

fn artifacts(members: &mut Members) -> Result<Vec<Artifact>, Malformed> {
    let items = members.items("artifacts")?;
    let mut artifacts = Vec::with_capacity(items.len());
    for (at, item) in items {
        let mut given = Members::of(item, at)?;
        let contract = given.optional_string("contract")?;
        let artifact = digest(&mut given)?;
        given.end("an artifact")?;
        artifacts.push(Artifact { contract, ..artifact });
    }
    artifacts.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(artifacts)
}

/// `path`, `bytes` and `blake3`.
fn digest(members: &mut Members) -> Result<Artifact, Malformed> {
    let path = members.string("path")?;
    let bytes = members.count("bytes")?;
    Ok(Artifact { path, bytes, blake3: digest_of(members, "blake3")?, contract: None })
}

/// A digest of 32 bytes, as lowercase hex digits.
fn digest_of(members: &mut Members, name: &'static str) -> Result<[u8; 32], Malformed> {
    let at = members.pointer(name);
    let text = members.string(name)?;
    let lower = text.bytes().all(|b| !b.is_ascii_uppercase());
    let digest = blake3::Hash::from_hex(&text).ok().filter(|_| lower).map(|hash| *hash.as_bytes());
    digest.ok_or_else(|| malformed(at, format!("expected 64 lowercase hex digits, found `{}`", quoted(&text))))
}

fn report(members: &mut Members) -> Result<Do, Malformed> {
    let stage = members.string("stage")?;
    let report = members.object("report")?;
    let report = report.ok_or_else(|| malformed("", "expected the member `report`, found none"))?;
    if report.contains_key("generated_at_utc") {
        return Err(malformed("/report/generated_at_utc", "expected none: it is the time of the commit"));
    }
    Ok(Do::Report { stage, report: Value::Object(report) })
}

fn reported_outcome(members: &mut Members) -> Result<ReportedOutcome, Malformed> {
    let stage = members.string("stage")?;
    let status = members.word("status", &STATUSES)?;
    let fail_mode = members.optional_word("fail_mode", &FAIL_MODES)?;
    let reason_code = match members.take("reason_code") {
        None => None,
        Some(Value::String(code)) => Some(code),
        Some(found) => return Err(malformed("/reason_code", format!("expected a string, found {found}"))),
    };
    Ok(ReportedOutcome { stage, status, fail_mode, reason_code })
}

fn found(members: &mut Members) -> Result<Vec<Found>, Malformed> {
    let items = members.items("found")?.into_iter();
    items
        .map(|(at, item)| {
            let mut item = Members::of(item, at)?;
            let stage = item.string("stage")?;
            let outputs = item.word("outputs", &Outputs::WORDS)?;
            let staging = item.optional_bool("staging")?.unwrap_or(false);
            item.end("what was found")?;
            Ok(Found { stage, outputs, staging })
        })
        .collect()
}

fn lock_forced(members: &mut Members) -> Result<LockForced, Malformed> {
    let stale_lock_filename = members.string("stale_lock_filename")?;
    Ok(LockForced { stale_lock_filename, stale_lock_sha256: digest_of(members, "stale_lock_sha256")? })
}

fn limit_exceeded(members: &mut Members) -> Result<LimitExceeded, Malformed> {
    Ok(LimitExceeded {
        limit: members.string("limit")?,
        configured: members.count("configured")?,
        observed: members.count("observed")?,
        behavior: members.word("behavior", &Behavior::WORDS)?,
        stage: members.string("stage")?,
    })
}
