//! Every step of a run that changes something, in one list: where a process can be ended, and what is left then.
//!
//! Does: name the steps, and tell an observer of each before it is taken. Does not: take any.
//!
//! Invariant: whatever a run changes on the disk or in the log is one of these steps. Tests end a process before each of
//! them and take the run up again; `docs/testing.md` lists them from here.

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
            /// All of them, in the order in which a run may meet them first.
            pub const ALL: &[Step] = &[$(Step::$name),*];

            /// Its name, for programs.
            pub fn word(self) -> &'static str {
                match self { $(Step::$name => $word,)* }
            }

            /// What is done in it.
            pub fn does(self) -> &'static str {
                match self { $(Step::$name => $does,)* }
            }

            /// What a process that ends before it leaves behind, and what becomes of that.
            pub fn left(self) -> &'static str {
                match self { $(Step::$name => $left,)* }
            }
        }
    };
}

steps! {
    MakeDirectory = "make_directory", "Makes a directory: of locks, of the bundle, of staging, on the way to a file",
        "Directories are made again as they are needed";
    SetLockAside = "set_lock_aside", "Renames a lock that stands in the way to `<run>.lock.stale.<nnnn>`",
        "The lock stands in the way still";
    TakeLock = "take_lock", "Makes the lock file, which must not be there",
        "Nothing, or a lock that was set aside: it is recorded when the run is taken up";
    CommitCreated = "commit_created", "Commits that the run was created",
        "The lock; no run. `--run-id` with `--force-run-lock` begins it";
    NotePlan = "note_plan", "Notes beside the lock where the plan stands",
        "The run, which is taken up with its plan named";
    CommitLockForced = "commit_lock_forced", "Commits that a lock was set aside",
        "It is committed when the run is taken up: the file is there";
    WriteFile = "write_file", "Writes a projection beside the file that it will replace, and syncs it",
        "The file as it was; it is projected again";
    RenameFile = "rename_file", "Renames it to the file",
        "The file as it was, and a temporary one that the next projection removes";
    SyncDirectory = "sync_directory", "Makes renames in a directory durable",
        "They are there for other processes; the directory is synced again";
    EndProcesses = "end_processes", "Ends the processes that a stage left when its run was left",
        "They run still";
    ClearStaging = "clear_staging", "Removes what is staged, and everything beside it",
        "It is removed when the run is taken up";
    CommitInputs = "commit_inputs", "Commits what a stage is about to read",
        "The stage is pending, and its inputs are looked for again";
    CommitBegun = "commit_begun", "Commits that a stage has begun",
        "The stage is pending";
    OpenOutput = "open_output", "Opens the file that takes the stage's output",
        "The stage begins again";
    CopyTaken = "copy_taken", "Copies one file of a stage that is taken over from the run that is retried into staging",
        "The stage begins again, and is taken over again";
    CommitTakenOver = "commit_taken_over", "Commits that a stage is taken over, and from where",
        "The stage begins again, and is taken over again";
    NoteMark = "note_mark", "Notes beside the lock by what the stage's processes can be known",
        "The stage begins again";
    StartStage = "start_stage", "Starts the stage's process and waits for its end",
        "The stage begins again";
    ForgetMark = "forget_mark", "Removes that note: none of its processes is left",
        "The stage begins again, and no process is found";
    ReadOutcomes = "read_outcomes", "Reads what the stage told of its substages",
        "The stage begins again: nothing is known of its first run but its output";
    CommitSubstage = "commit_substage", "Commits the outcome of a substage",
        "The stage begins again, and tells the same";
    CheckStaged = "check_staged", "Holds what is staged against its promises",
        "The stage begins again";
    TakeStaged = "take_staged", "Copies one staged file to where no stage can reach it, and measures the copy",
        "The stage begins again";
    CommitReport = "commit_report", "Commits the report of a gate that failed",
        "The stage begins again";
    CommitJudged = "commit_judged", "Commits what the process came to, where that is not a success",
        "The stage begins again";
    CommitIntended = "commit_intended", "Commits the intent to promote, with the digest of every artifact",
        "The stage begins again";
    Promote = "promote", "Renames the copy of one artifact into the bundle",
        "The artifacts before it stand in the bundle; the others are promoted by the intent";
    CommitPublished = "commit_published", "Commits that all artifacts are promoted",
        "They are found as intended, and the outcome is recorded";
    SyncOutput = "sync_output", "Measures the stage's output, and syncs it",
        "As before, and the output is measured again";
    CommitCaptured = "commit_captured", "Commits the digest of the stage's output",
        "As before";
    CommitReconciled = "commit_reconciled", "Commits what was found of a run that was left, and what follows from it",
        "It is looked at again, and found to be the same";
    CommitOutcome = "commit_outcome", "Commits the outcome of a stage, and of those that it blocks",
        "As intended, or the stage begins again";
    CommitFinalized = "commit_finalized", "Commits the end of the run",
        "Every stage has its outcome, and the end is committed";
    CommitDigests = "commit_digests", "Commits the digests of the projections that were written",
        "The run has ended; its files are completed";
    ForgetPlan = "forget_plan", "Removes the note of where the plan stands",
        "The run has ended, and its files are complete";
    ReleaseLock = "release_lock", "Removes the lock file",
        "The run has ended and is complete, or stays in progress; the lock is there";
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

/// Tells an observer of every step, if there is one. Nothing depends on the observer; one that does not return keeps the
/// step from being taken.
#[derive(Clone, Default)]
pub struct Steps(Option<Arc<dyn Fn(Step) + Send + Sync>>);

impl Steps {
    /// Tells this observer.
    pub fn told_to(observer: impl Fn(Step) + Send + Sync + 'static) -> Steps {
        Steps(Some(Arc::new(observer)))
    }

    /// A step is about to be taken.
    pub(crate) fn at(&self, step: Step) {
        if let Some(observer) = &self.0 {
            observer(step);
        }
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Steps(told)" } else { "Steps" })
    }
}
