//! Every step of a run that changes something, in one list: where a process may end, and what it leaves if it ends there.
//!
//! Does: name the steps, and call an observer before each step. Does not: carry out any step.
//!
//! Invariant: every change that a run makes on the disk or in the log is one of these steps. Tests end a process before each
//! of them and resume the run; the list in `docs/testing.md` comes from here.

use std::fmt;
use std::sync::Arc;

macro_rules! steps {
    ($($name:ident = $word:literal, $does:literal, $left:literal;)*) => {
        /// A step that is about to be taken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Step {
            $(#[doc = $does] $name,)*
        }

        impl Step {
            /// All steps, in the order in which a run may first take them.
            pub const ALL: &[Step] = &[$(Step::$name),*];

            /// Its name, for programs.
            pub fn word(self) -> &'static str {
                match self { $(Step::$name => $word,)* }
            }

            /// What is done in it.
            pub fn does(self) -> &'static str {
                match self { $(Step::$name => $does,)* }
            }

            /// What a process that ends before this step leaves, and what a resumed run does with it.
            pub fn left(self) -> &'static str {
                match self { $(Step::$name => $left,)* }
            }
        }
    };
}

steps! {
    MakeDirectory = "make_directory", "Makes a directory: of locks, of the bundle, of staging, or above a file",
        "Directories are made again when they are needed";
    SetLockAside = "set_lock_aside", "Renames a lock that another process left to `<run>.lock.stale.<nnnn>`",
        "The lock is still in the way";
    TakeLock = "take_lock", "Creates the lock file, which must not exist",
        "Nothing, or a lock that was set aside: it is recorded when the run is resumed";
    CommitCreated = "commit_created", "Commits that the run was created",
        "The lock, and no run. `--run-id` with `--force-run-lock` begins it";
    NotePlan = "note_plan", "Notes the plan's path beside the lock",
        "The run. It can be resumed if its plan is named";
    CommitLockForced = "commit_lock_forced", "Commits that a lock was set aside",
        "The file that was set aside: it is recorded when the run is resumed";
    WriteFile = "write_file", "Writes a projection to a temporary file beside the one that it will replace, and syncs it",
        "The file as it was; it is projected again";
    RenameFile = "rename_file", "Renames the temporary file to the final name",
        "The file as it was, and a temporary file, which the next projection removes";
    SyncDirectory = "sync_directory", "Makes the renames in a directory durable",
        "Other processes see the renames; the directory is synced again";
    EndProcesses = "end_processes", "Ends the processes of a stage that still run after the evlog that ran it has ended",
        "They still run";
    ClearStaging = "clear_staging", "Removes the staging directories of all stages, with the copies",
        "They are removed when the run is resumed";
    CommitInputs = "commit_inputs", "Commits what a stage is about to read",
        "The stage is pending, and its inputs are looked for again";
    CommitBegun = "commit_begun", "Commits that a stage has begun",
        "The stage is pending";
    OpenOutput = "open_output", "Opens the file for the stage's output",
        "The stage begins again";
    CopyTaken = "copy_taken", "Copies one file of a reused stage from the baseline into staging",
        "The stage begins again, and is reused again";
    CommitTakenOver = "commit_taken_over", "Commits that a stage is reused, and from which run",
        "The stage begins again, and is reused again";
    NoteTag = "note_tag", "Notes beside the lock how the stage's processes can be recognised",
        "The stage begins again";
    StartStage = "start_stage", "Starts the stage's process and waits for its end",
        "The stage begins again";
    ForgetTag = "forget_tag", "Removes that note, unless processes of the stage may still run",
        "The stage begins again, and no process is found";
    CommitEnded = "commit_ended", "Commits how the stage's process ended",
        "The stage begins again, and no process is found";
    ReadOutcomes = "read_outcomes", "Reads the outcomes that the stage reports for its substages",
        "The stage begins again. Of its first attempt only the output is known";
    CommitSubstage = "commit_substage", "Commits the outcome of a substage",
        "The stage begins again, and reports the same outcome";
    CheckStaged = "check_staged", "Checks what is staged at the publish gate",
        "The stage begins again";
    TakeStaged = "take_staged", "Copies one staged file into a directory whose name no stage knows, and measures the copy",
        "The stage begins again";
    CommitReport = "commit_report", "Commits the report of a publish gate that failed",
        "The stage begins again";
    CommitJudged = "commit_judged", "Commits the result of the process, if it is not a success",
        "The stage begins again";
    CommitIntended = "commit_intended", "Commits the intent to promote, with the digest of every artifact",
        "The stage begins again";
    Promote = "promote", "Renames the copy of one artifact into the bundle",
        "Earlier artifacts are in the bundle; the others are promoted by the intent";
    CommitPublished = "commit_published", "Commits that all artifacts are promoted",
        "The artifacts are found as intended, and the outcome is recorded";
    SyncOutput = "sync_output", "Measures the stage's output, and syncs it",
        "The same, and the output is measured again";
    CommitCaptured = "commit_captured", "Commits the digest of the stage's output",
        "The same";
    CommitReconciled = "commit_reconciled", "Commits what was found of a run that was interrupted, and what follows from that",
        "The same is found again";
    CommitOutcome = "commit_outcome", "Commits the outcome of a stage, and of the stages that it blocks",
        "The artifacts are found as intended, or the stage begins again";
    CommitFinalized = "commit_finalized", "Commits the end of the run",
        "Every stage has its outcome, and the end is committed";
    CommitDigests = "commit_digests", "Commits the digests of the projections that were written",
        "The run has ended; its files are completed";
    ForgetPlan = "forget_plan", "Removes the note of the plan's path",
        "The run has ended, and its files are complete";
    ReleaseLock = "release_lock", "Removes the lock file",
        "The run has ended and is complete, or stays in progress; the lock is left";
}

impl Step {
    /// The step that submits a command of the contract, by the command's `do`.
    pub(crate) fn submitting(action: &str) -> Step {
        match action {
            "create" => Step::CommitCreated,
            "lock_forced" => Step::CommitLockForced,
            "reconcile" => Step::CommitReconciled,
            "inputs" => Step::CommitInputs,
            "begin" => Step::CommitBegun,
            "take_over" => Step::CommitTakenOver,
            "process_ended" => Step::CommitEnded,
            "judge" => Step::CommitJudged,
            "report" => Step::CommitReport,
            "intend" => Step::CommitIntended,
            "publish" => Step::CommitPublished,
            "captured" => Step::CommitCaptured,
            "finalize" => Step::CommitFinalized,
            _ => Step::CommitOutcome,
        }
    }
}

/// Calls an observer, if there is one, before every step. Nothing depends on what the observer does, but the step waits
/// until it returns.
#[derive(Clone, Default)]
pub struct Steps(Option<Arc<dyn Fn(Step) + Send + Sync>>);

impl Steps {
    /// Calls this observer.
    pub fn observed_by(observer: impl Fn(Step) + Send + Sync + 'static) -> Steps {
        Steps(Some(Arc::new(observer)))
    }

    /// Called when a step is about to be taken.
    pub(crate) fn at(&self, step: Step) {
        if let Some(observer) = &self.0 {
            observer(step);
        }
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Steps(observed)" } else { "Steps" })
    }
}
