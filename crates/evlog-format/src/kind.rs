//! The kinds of events. Logs contain their numbers, so never renumber and never reuse one; a retired number stays here
//! and is marked as retired. A golden test pins them.

use alloc::string::String;
use core::fmt;

/// The kind of an event: one of the built-in ones by number, or a user's own by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind<'a> {
    /// A number of the table [`BUILT_IN`], or of a later version's table.
    BuiltIn(u16),
    /// A name that begins with [`CUSTOM_PREFIX`]; the payload is JSON text in RFC 8785 form.
    Custom(&'a str),
}

/// The prefix of the names of user-defined kinds.
pub const CUSTOM_PREFIX: &str = "custom/";

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Kind<'static> = Kind::BuiltIn($number);)*
        /// All built-in kinds: number and name, by number.
        pub const BUILT_IN: &[(u16, &str)] = &[$(($number, $text)),*];
    };
}

kinds! {
    /// The log was created.
    LOG_CREATED = 1, "log.created";
    /// A writer opened the log.
    LOG_OPENED = 2, "log.opened";
    /// A writer closed the log cleanly.
    LOG_CLOSED = 3, "log.closed";
    /// The log was opened after a session that did not close it.
    LOG_RECOVERED = 4, "log.recovered";
    /// Bytes of an unfinished commit were cut from the end of the log, and kept.
    LOG_TAIL_CUT = 5, "log.tail_cut";
    /// A checkpoint was signed.
    LOG_CHECKPOINT_SIGNED = 6, "log.checkpoint_signed";
    /// Projections were written to files; the event has their digests.
    LOG_PROJECTION_PUBLISHED = 7, "log.projection_published";
    /// A verification was recorded.
    LOG_VERIFIED = 8, "log.verified";
    /// A key was added.
    LOG_KEY_ADDED = 9, "log.key_added";
    /// Synced bytes that were damaged or missing at the end of the log were given up.
    LOG_LOSS_ACCEPTED = 10, "log.loss_accepted";
    /// The clock was wrong when the last checkpoint was signed.
    LOG_CLOCK_CORRECTED = 11, "log.clock_corrected";
    /// The log signs under another name from here on.
    LOG_NAME_CHANGED = 12, "log.name_changed";
    /// The clock was stepped.
    LOG_CLOCK_STEPPED = 13, "log.clock_stepped";
    /// The log's policy was set: what it demands of every command from here on.
    LOG_POLICY_SET = 14, "log.policy_set";
    /// An audit of the order of events was recorded.
    LOG_AUDITED = 15, "log.audited";
    /// Before the log was made, the object store that it is in was tried, and passed.
    LOG_STORE_TRIED = 16, "log.store_tried";
    /// A run of contract `status` was created.
    STATUS_CREATED = 100, "status.created";
    /// It went from one status to another.
    STATUS_TRANSITIONED = 101, "status.transitioned";
    /// An undefined transition was attempted, and rejected.
    STATUS_REJECTED = 102, "status.rejected";
    /// The run was forced to `failed` by the rejection that is the event before this one.
    STATUS_FORCED_FAILED = 103, "status.forced_failed";
    /// Input was refused; the run is untouched.
    STATUS_REFUSED = 104, "status.refused";
    /// A break-glass override was recorded.
    STATUS_OVERRIDDEN = 105, "status.overridden";
    /// A run of contract `story` was created, its story and inputs pinned.
    STORY_CREATED = 200, "story.created";
    /// The run entered a phase.
    STORY_MOVED = 201, "story.moved";
    /// A step entered a phase.
    STORY_STEP_MOVED = 202, "story.step_moved";
    /// A request broke the contract; nothing else changed.
    STORY_REJECTED = 203, "story.rejected";
    /// The run is to end before its work is done.
    STORY_CANCEL_REQUESTED = 204, "story.cancel_requested";
    /// A gate was decided.
    STORY_GATE_DECIDED = 205, "story.gate_decided";
    /// An epoch ended, and the next began.
    STORY_REDRIVEN = 206, "story.redriven";
    /// A run of contract `pipeline` was created, its stages and manifest members pinned.
    PIPELINE_CREATED = 300, "pipeline.created";
    /// A stage began to execute.
    PIPELINE_STAGE_BEGUN = 301, "pipeline.stage_begun";
    /// The publish gate passed; these artifacts are about to be promoted.
    PIPELINE_PROMOTION_INTENDED = 302, "pipeline.promotion_intended";
    /// A stage's artifacts stand in the bundle; their digests.
    PIPELINE_ARTIFACTS_PUBLISHED = 303, "pipeline.artifacts_published";
    /// The publish gate failed; its report.
    PIPELINE_VALIDATION_REPORTED = 304, "pipeline.validation_reported";
    /// The outcome of a stage or substage.
    PIPELINE_OUTCOME_RECORDED = 305, "pipeline.outcome_recorded";
    /// The run's status was derived; nothing follows.
    PIPELINE_FINALIZED = 306, "pipeline.finalized";
    /// A command was refused; the run is untouched.
    PIPELINE_REFUSED = 307, "pipeline.refused";
    /// A stage's captured output stands in the bundle; its digest.
    PIPELINE_OUTPUT_CAPTURED = 308, "pipeline.output_captured";
    /// What was found of an interrupted run; the outcomes that follow are the next events.
    PIPELINE_RECONCILED = 309, "pipeline.reconciled";
    /// The run's lock was taken by force.
    PIPELINE_LOCK_FORCED = 310, "pipeline.lock_forced";
    /// What a stage's process came to, before its artifacts are promoted.
    PIPELINE_STAGE_JUDGED = 311, "pipeline.stage_judged";
    /// The run went beyond one of its limits.
    PIPELINE_LIMIT_EXCEEDED = 312, "pipeline.limit_exceeded";
    /// What a stage is about to read; digests.
    PIPELINE_INPUTS_RECORDED = 313, "pipeline.inputs_recorded";
    /// A stage is not run: what it published is taken over from the run that this one retries.
    PIPELINE_TAKEN_OVER = 314, "pipeline.taken_over";
    /// How the process of a stage ended.
    PIPELINE_PROCESS_ENDED = 315, "pipeline.process_ended";
    /// A run of contract `machine` was created, its lifecycle pinned.
    MACHINE_CREATED = 400, "machine.created";
    /// It went from one status to another, as its lifecycle lists.
    MACHINE_TRANSITIONED = 401, "machine.transitioned";
    /// A request that its lifecycle does not list was rejected.
    MACHINE_REJECTED = 402, "machine.rejected";
    /// The run was forced to a status by the rejection that is the event before this one.
    MACHINE_FORCED = 403, "machine.forced";
    /// Input was refused; the run is untouched.
    MACHINE_REFUSED = 404, "machine.refused";
}

/// A kind that owns its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KindBuf {
    /// As [`Kind::BuiltIn`].
    BuiltIn(u16),
    /// As [`Kind::Custom`].
    Custom(String),
}

impl KindBuf {
    /// The kind, borrowed.
    pub fn as_kind(&self) -> Kind<'_> {
        match self {
            KindBuf::BuiltIn(number) => Kind::BuiltIn(*number),
            KindBuf::Custom(name) => Kind::Custom(name),
        }
    }
}

impl From<Kind<'_>> for KindBuf {
    fn from(kind: Kind<'_>) -> KindBuf {
        match kind {
            Kind::BuiltIn(number) => KindBuf::BuiltIn(number),
            Kind::Custom(name) => KindBuf::Custom(name.into()),
        }
    }
}

/// Kinds below this number are the log's own.
const OF_CONTRACTS: u16 = 100;

/// Whether this version knows the kind of each number. It is a table because every event that is verified needs the
/// answer.
const KNOWN: [bool; KNOWN_LEN] = {
    let mut known = [false; KNOWN_LEN];
    let mut at = 0;
    while at < BUILT_IN.len() {
        known[BUILT_IN[at].0 as usize] = true;
        at += 1;
    }
    known
};
/// Numbers are given in ascending order.
const KNOWN_LEN: usize = BUILT_IN[BUILT_IN.len() - 1].0 as usize + 1;

impl Kind<'_> {
    /// Whether the kind has a name here, and not only in a later version.
    pub fn is_known(&self) -> bool {
        match self {
            Kind::Custom(_) => true,
            Kind::BuiltIn(number) => KNOWN.get(usize::from(*number)).copied().unwrap_or(false),
        }
    }

    /// Whether the kind is one of the log's own, which only the engine makes.
    pub fn is_of_log(&self) -> bool {
        matches!(self, Kind::BuiltIn(number) if *number < OF_CONTRACTS)
    }

    /// The kind's name; `None` for a number that only a later version knows.
    pub fn name(&self) -> Option<&str> {
        match self {
            Kind::Custom(name) => Some(name),
            Kind::BuiltIn(number) => {
                let at = BUILT_IN.binary_search_by_key(number, |(known, _)| *known).ok()?;
                BUILT_IN.get(at).map(|(_, name)| *name)
            }
        }
    }
}

impl fmt::Display for KindBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_kind().fmt(f)
    }
}

impl fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self) {
            (Some(name), _) => f.write_str(name),
            (None, Kind::BuiltIn(number)) => write!(f, "built-in/{number}"),
            (None, Kind::Custom(name)) => f.write_str(name),
        }
    }
}
