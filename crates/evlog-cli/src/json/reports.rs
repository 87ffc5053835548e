//! The answers of the other commands. Absent members of findings are `null`.

use super::{TimesMembers, WitnessesObject};
use serde::Serialize;

/// `init`.
#[derive(Serialize)]
pub(crate) struct InitObject<'a> {
    pub(crate) log: &'a str,
    pub(crate) log_id: &'a str,
    pub(crate) segment_limit: u64,
}

/// `backup`.
#[derive(Serialize)]
pub(crate) struct BackupObject<'a> {
    pub(crate) copy: &'a str,
    pub(crate) log_id: Option<String>,
    pub(crate) size: u64,
    pub(crate) next_seq: u64,
    pub(crate) root: String,
    pub(crate) checkpoints: u64,
    pub(crate) verdict: &'static str,
    pub(crate) kept: bool,
    pub(crate) copied: u64,
    pub(crate) held: u64,
}

/// `restore`.
#[derive(Serialize)]
pub(crate) struct RestoreObject {
    pub(crate) log: String,
    pub(crate) from: String,
    pub(crate) log_id: Option<String>,
    pub(crate) size: u64,
    pub(crate) next_seq: u64,
    pub(crate) root: String,
    pub(crate) checkpoints: u64,
    pub(crate) verdict: &'static str,
    pub(crate) made: bool,
}

/// `export`.
#[derive(Serialize)]
pub(crate) struct ExportObject<'a> {
    pub(crate) format: &'static str,
    pub(crate) out: &'a str,
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) next_seq: u64,
    pub(crate) blake3: Option<&'a str>,
    pub(crate) files: &'a [ExportedFile],
}

/// A file of an export.
#[derive(Serialize)]
pub(crate) struct ExportedFile {
    pub(crate) path: String,
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) blake3: String,
}

/// `import`.
#[derive(Serialize)]
pub(crate) struct ImportObject<'a> {
    pub(crate) log: &'a str,
    pub(crate) log_id: &'a str,
    pub(crate) runs: usize,
    pub(crate) events: u64,
    pub(crate) left_out: u64,
    pub(crate) next_seq: u64,
}

/// `run --init`.
#[derive(Serialize)]
pub(crate) struct StarterObject<'a> {
    pub(crate) files: &'a [&'a str],
}

/// `run`: the last line, after those of [`super::RunEvent`].
#[derive(Serialize)]
pub(crate) struct RunObject<'a> {
    pub(crate) event: &'static str,
    pub(crate) run: &'a str,
    pub(crate) status: &'a str,
    pub(crate) exit_code: u8,
    pub(crate) bundle: &'a str,
    pub(crate) outcomes: Vec<OutcomeObject<'a>>,
}

/// An outcome of [`RunObject`].
#[derive(Serialize)]
pub(crate) struct OutcomeObject<'a> {
    pub(crate) stage: &'a str,
    pub(crate) status: &'a str,
    pub(crate) fail_mode: &'a str,
    pub(crate) reason_code: Option<&'a str>,
}

/// `runs`: one line for each run.
#[derive(Serialize)]
pub(crate) struct RunLine<'a> {
    pub(crate) run: &'a str,
    pub(crate) contract: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) definition: Option<&'a str>,
    pub(crate) status: &'a str,
    pub(crate) terminal: bool,
    pub(crate) events: u64,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) first_time: String,
    pub(crate) last_time: String,
    pub(crate) first: TimesMembers,
    pub(crate) last: TimesMembers,
    /// Between these; nothing if the clock went back.
    pub(crate) duration_ms: Option<u64>,
    /// That of the first event.
    pub(crate) actor: &'a str,
}

/// `project --out`: one line for each run.
#[derive(Serialize)]
pub(crate) struct ProjectedLine<'a> {
    pub(crate) run: &'a str,
    pub(crate) contract: &'a str,
    pub(crate) seq: u64,
    pub(crate) recorded: bool,
    pub(crate) files: Vec<ProjectedFile<'a>>,
}

/// `project --out`: the line of a run that was not written.
#[derive(Serialize)]
pub(crate) struct UnwrittenLine<'a> {
    pub(crate) run: &'a str,
    pub(crate) error: &'a str,
}

/// A file of [`ProjectedLine`].
#[derive(Serialize)]
pub(crate) struct ProjectedFile<'a> {
    pub(crate) path: &'a str,
    pub(crate) projection: &'a str,
    pub(crate) version: u16,
    pub(crate) bytes: u64,
    pub(crate) blake3: String,
    pub(crate) written: bool,
}

/// `project --check`.
#[derive(Serialize)]
pub(crate) struct CheckObject<'a> {
    pub(crate) runs: u64,
    pub(crate) files: u64,
    pub(crate) artifacts: u64,
    pub(crate) findings: &'a [CheckFinding],
    /// Files that are as an earlier version of their projection makes them.
    pub(crate) earlier_versions: u64,
}

/// A file that differs from what the log says.
#[derive(Debug, Serialize)]
pub(crate) struct CheckFinding {
    /// `different`, `missing`, `unexpected`, `unknown_run` or `unreadable`.
    pub(crate) finding: &'static str,
    pub(crate) run: String,
    /// Path within the run's directory; `null` for the run as a whole.
    pub(crate) path: Option<String>,
    pub(crate) line: Option<u64>,
    pub(crate) pointer: Option<String>,
    pub(crate) expected: String,
    pub(crate) found: String,
    pub(crate) projection: Option<ProjectionObject<'static>>,
    /// The last event after which the file was as it was found.
    pub(crate) state_after: Option<StateAfterObject>,
    /// The last event that set the expected value.
    pub(crate) set_by: Option<u64>,
}

/// A file as it was after an event.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct StateAfterObject {
    pub(crate) seq: u64,
    /// How many events of the run came after it.
    pub(crate) missing: u64,
    pub(crate) version: u16,
}

/// `replay`.
#[derive(Serialize)]
pub(crate) struct ReplayObject<'a> {
    pub(crate) agrees: bool,
    pub(crate) verdict: &'static str,
    pub(crate) runs: u64,
    pub(crate) events: u64,
    pub(crate) files: u64,
    pub(crate) compared: u64,
    pub(crate) digest: String,
    pub(crate) differences: Vec<ReplayedDifference<'a>>,
    pub(crate) errors: Vec<ReplayErrorObject<'a>>,
    pub(crate) bundles: Option<CheckObject<'a>>,
    pub(crate) trail: Option<TrailObject<'a>>,
    pub(crate) against: Option<AgainstObject<'a>>,
}

/// `replay --trail`.
#[derive(Serialize)]
pub(crate) struct TrailObject<'a> {
    pub(crate) path: &'a str,
    pub(crate) steps: u64,
    pub(crate) bytes: u64,
}

/// `replay --against`.
#[derive(Serialize)]
pub(crate) struct AgainstObject<'a> {
    pub(crate) path: &'a str,
    pub(crate) agrees: bool,
    pub(crate) program: &'a str,
    pub(crate) every: u64,
    pub(crate) first: Option<DivergenceObject<'a>>,
}

/// The first event after which a replay and a trail differ.
#[derive(Serialize)]
pub(crate) struct DivergenceObject<'a> {
    pub(crate) run: &'a str,
    pub(crate) seq: u64,
    pub(crate) number: Option<u64>,
    pub(crate) kind: Option<&'a str>,
    pub(crate) since: Option<u64>,
    pub(crate) expected: Option<String>,
    pub(crate) found: Option<String>,
    pub(crate) files: Vec<AgainstFile<'a>>,
    pub(crate) message: Option<String>,
}

/// A file as this program projects it after that event.
#[derive(Serialize)]
pub(crate) struct AgainstFile<'a> {
    pub(crate) path: &'a str,
    pub(crate) projection: &'a str,
    pub(crate) version: u16,
    pub(crate) blake3: String,
    pub(crate) text: String,
}

/// A recorded file that the replay does not reproduce.
#[derive(Serialize)]
pub(crate) struct ReplayedDifference<'a> {
    pub(crate) run: &'a str,
    pub(crate) path: &'a str,
    pub(crate) seq: u64,
    pub(crate) expected: Option<Digested>,
    pub(crate) found: Option<Digested>,
    pub(crate) version: Option<Versions>,
    pub(crate) projection: Option<ProjectionObject<'a>>,
}

/// A projection and its version.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ProjectionObject<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: u16,
}

/// A file by its digest.
#[derive(Serialize)]
pub(crate) struct Digested {
    pub(crate) blake3: String,
    pub(crate) bytes: u64,
}

/// Versions of a projection.
#[derive(Serialize)]
pub(crate) struct Versions {
    pub(crate) expected: u16,
    pub(crate) found: u16,
}

/// A run that cannot be folded: in `replay` and `verify`.
#[derive(Serialize)]
pub(crate) struct ReplayErrorObject<'a> {
    pub(crate) seq: u64,
    pub(crate) run: &'a str,
    pub(crate) message: &'a str,
}

/// `verify`.
#[derive(Serialize)]
pub(crate) struct VerifyObject<'a> {
    pub(crate) verdict: &'static str,
    /// Whether the verdict is clean and no contract was broken.
    pub(crate) good: bool,
    pub(crate) log_id: Option<String>,
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
    pub(crate) commits: u64,
    pub(crate) events: u64,
    pub(crate) streams: u64,
    pub(crate) runs: u64,
    pub(crate) policies: u64,
    pub(crate) unknown_kinds: u64,
    /// Position after the last good commit, the next seq, and the root of the bytes before that position.
    pub(crate) end: u64,
    pub(crate) next_seq: u64,
    pub(crate) root: String,
    /// How many findings there are on the bytes; the first 1000 are listed.
    pub(crate) findings_count: u64,
    pub(crate) findings: Vec<VerifyFinding<'a>>,
    pub(crate) contract_findings: Vec<ReplayErrorObject<'a>>,
    pub(crate) losses: Vec<VerifyLoss<'a>>,
    /// The checkpoint that the log was compared with.
    pub(crate) checkpoint: Option<VerifiedCheckpoint<'a>>,
    /// The note of the log's own that it does not agree with.
    pub(crate) own_checkpoint: Option<String>,
    pub(crate) evidence: EvidenceFrom,
    /// Where a resumed verification continued.
    pub(crate) resumed: Option<ResumedObject>,
}

/// Where an interrupted verification continued.
#[derive(Serialize)]
pub(crate) struct ResumedObject {
    pub(crate) position: u64,
    pub(crate) begun: String,
}

/// `verify --sample`.
#[derive(Serialize)]
pub(crate) struct SampledObject<'a> {
    pub(crate) verdict: &'static str,
    pub(crate) good: bool,
    pub(crate) log_id: Option<String>,
    pub(crate) sample: SampleObject,
    pub(crate) bytes: u64,
    pub(crate) log_bytes: u64,
    pub(crate) commits: u64,
    pub(crate) events: u64,
    pub(crate) findings_count: u64,
    pub(crate) findings: Vec<VerifyFinding<'a>>,
    /// `None` if runs were not judged.
    pub(crate) runs: Option<u64>,
    pub(crate) contract_findings: Option<Vec<ReplayErrorObject<'a>>>,
    pub(crate) checkpoint: Option<VerifiedCheckpoint<'a>>,
    /// The note of the log's own that it does not agree with.
    pub(crate) own_checkpoint: Option<String>,
    pub(crate) evidence: EvidenceFrom,
}

/// What a log was compared with.
#[derive(Serialize)]
pub(crate) struct EvidenceFrom {
    /// Number of checkpoints that the log keeps itself.
    pub(crate) kept: u64,
    /// Number of those that it was compared with.
    pub(crate) compared: u64,
    /// Number of checkpoints that its events record.
    pub(crate) recorded: u64,
    /// Number of these that it does not keep.
    pub(crate) not_kept: u64,
    /// Whether it was compared with a checkpoint from elsewhere.
    pub(crate) outside: bool,
}

/// The sample.
#[derive(Serialize)]
pub(crate) struct SampleObject {
    pub(crate) parts_per_million: u64,
    pub(crate) seed: u64,
    pub(crate) sealed: u64,
    pub(crate) taken: u64,
    pub(crate) rooted: u64,
    pub(crate) missed: [MissedObject; 2],
}

/// The probability that a sample of this size misses this number of wrong segments.
#[derive(Serialize)]
pub(crate) struct MissedObject {
    pub(crate) segments: u64,
    pub(crate) parts_per_million: u64,
}

/// The checkpoint of [`VerifyObject`].
#[derive(Serialize)]
pub(crate) struct VerifiedCheckpoint<'a> {
    pub(crate) origin: &'a str,
    pub(crate) size: u64,
    pub(crate) root: String,
    pub(crate) witnesses: Option<WitnessesObject<'a>>,
}

/// A loss that was accepted, as the log records it.
#[derive(Serialize)]
pub(crate) struct VerifyLoss<'a> {
    pub(crate) seq: u64,
    pub(crate) position: u64,
    pub(crate) bytes: u64,
    pub(crate) next_seq: Option<u64>,
    pub(crate) kept_as: Option<&'a str>,
    pub(crate) accepted_by: &'a str,
}

/// A finding on the log's bytes.
#[derive(Serialize)]
pub(crate) struct VerifyFinding<'a> {
    pub(crate) verdict: &'static str,
    pub(crate) position: u64,
    pub(crate) seq: Option<u64>,
    pub(crate) stream: Option<&'a str>,
    pub(crate) rule: &'static str,
    pub(crate) message: &'a str,
    pub(crate) expected: &'a str,
    pub(crate) found: &'a str,
}

/// `bench`.
#[derive(Serialize)]
pub(crate) struct BenchObject<'a> {
    pub(crate) dir: &'a str,
    pub(crate) events: u64,
    pub(crate) rounds: u64,
    pub(crate) machine: BenchMachine<'a>,
    pub(crate) disk: BenchDisk,
    pub(crate) series: Vec<BenchSeries<'a>>,
}

/// The machine that the workloads ran on.
#[derive(Serialize)]
pub(crate) struct BenchMachine<'a> {
    pub(crate) processor: &'a str,
    pub(crate) threads: u64,
    pub(crate) memory: u64,
    pub(crate) system: &'a str,
    pub(crate) file_system: &'a str,
    pub(crate) device: &'a str,
    pub(crate) load: &'a str,
}

/// Duration of syncs before the workloads began, in nanoseconds.
#[derive(Serialize)]
pub(crate) struct BenchDisk {
    pub(crate) growing: u64,
    pub(crate) growing_nine_of_ten: u64,
    pub(crate) over_zeros: u64,
    pub(crate) looks_quiet: bool,
}

/// The figures of one contender in one case of a workload.
#[derive(Serialize)]
pub(crate) struct BenchSeries<'a> {
    pub(crate) work: &'a str,
    pub(crate) case: Option<&'a str>,
    pub(crate) contender: &'a str,
    pub(crate) unit: &'static str,
    pub(crate) more_is_better: bool,
    pub(crate) median: u64,
    pub(crate) rounds: &'a [u64],
    /// The contender with the best median besides evlog in the same case. Only evlog's series have it, and only if another
    /// took part.
    pub(crate) beside: Option<&'a str>,
    pub(crate) ratio_permille: Option<u64>,
}
