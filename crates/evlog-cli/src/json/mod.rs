//! The shapes of `--json`, version 1: separate structs, so that no change inside the program can change a shape by accident. They are
//! described in `docs/json.md`.
//!
//! Within a version no key is renamed, removed, or given another type; new keys may come.

mod audit;
mod conform;
#[cfg(feature = "bucket")]
mod conform_store;
mod contract;
mod diff;
mod explain;
mod guide;
mod inspect;
mod logged;
mod payload;
mod policy;
mod proofs;
mod repair;
mod report;
mod reports;
mod result;
mod run_event;
mod statement;

use evlog_projection::Fact;

pub(crate) use audit::{AuditFinding, AuditObject, AuditRule};
pub(crate) use conform::{ConformCheck, ConformFinding, ConformObject};
#[cfg(feature = "bucket")]
pub(crate) use conform_store::{StoreObject, StoreTrial};
pub(crate) use contract::{ContractCheck, ContractFinding, ContractObject, ContractRow};
pub(crate) use diff::{DiffFile, DiffLine};
pub(crate) use explain::{ExplainObject, ExplainReason, ExplainWaiting, WhyEvent, WhyObject};
pub(crate) use guide::{CompletionsObject, FormatVersions, ManObject, ProjectionVersion, VersionObject};
pub(crate) use inspect::{
    BytesLine, FrameLine, HeadLine, LockLine, LogLine, PlaceLine, QuarantineLine, SegmentLine, SidecarLine,
    StrangerLine, VerdictLine,
};
pub(crate) use logged::LoggedLine;
pub(crate) use payload::value_of as payload_json;
pub(crate) use policy::{PolicyAt, PolicyObject, PolicyRule};
pub(crate) use proofs::{
    CheckpointObject, EvidenceObject, KeyObject, MarkedEvent, ProofObject, ProvedObject, WitnessObject,
    WitnessesObject, WrittenEvidenceObject,
};
pub(crate) use repair::{LossObject, RefusedObject, RepairObject, StepObject};
pub(crate) use report::ReportObject;
pub(crate) use reports::{
    AgainstFile, AgainstObject, BackupObject, BenchDisk, BenchMachine, BenchObject, BenchSeries, CheckFinding,
    CheckObject, Digested, DivergenceObject, EvidenceFrom, ExportObject, ExportedFile, ImportObject, InitObject,
    MissedObject, OutcomeObject, ProjectedFile, ProjectedLine, ProjectionObject, ReplayErrorObject, ReplayObject,
    ReplayedDifference, RestoreObject, ResumedObject, RunLine, RunObject, SampleObject, SampledObject, StarterObject,
    StateAfterObject, TrailObject, UnwrittenLine, VerifiedCheckpoint, VerifyFinding, VerifyLoss, VerifyObject,
    Versions,
};
pub(crate) use result::ResultLine;
pub(crate) use run_event::RunEvent;
pub(crate) use statement::{
    EnvelopeObject, PredicateObject, ReplayedLog, SignatureObject, StatementObject, SubjectObject,
};

pub(crate) use evlog_export::{EventLine, HeadMembers, TimesMembers};
pub(crate) use evlog_format::ids::hex;

/// An event, as `cat` shows it, with a mark if its times are further apart than this.
pub(crate) fn event_line<'a>(fact: &Fact<'a>, apart_ns: u128) -> EventLine<'a> {
    EventLine::new(fact, apart_ns, payload_json)
}

/// A time of the log, all nine digits of its nanoseconds: JSON answers lose nothing.
pub(crate) fn time(time_ns: impl Into<i128>) -> String {
    evlog_projection::readable::nanoseconds_shown(time_ns.into())
}
