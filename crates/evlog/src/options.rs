//! How a log is opened, for writing and for reading.

use crate::clock::{Clock, SystemClock};
use crate::history::StoreTried;
use evlog_format::limits::{ACTOR_LEN_MAX, CORRELATION_LEN_MAX, PRINCIPAL_LEN_MAX, SEGMENT_LIMIT_DEFAULT};
use evlog_format::{Durability, LogId};
use evlog_projection::Malformed;
use evlog_projection::request::check_text;
use evlog_store::Observer;
use evlog_store::fs::{Fs, StdFs};
use std::sync::Arc;

/// How a log is opened for writing. For fields that are not given, take the values of [`Options::default`]:
///
/// ```no_run
/// use evlog::{Contracts, Options};
///
/// let options = Options { create: false, actor: "ci".to_owned(), ..Options::new("builds 1.2") };
/// let log = options.open("./evlog", Contracts::new())?;
/// # Ok::<(), evlog::LogError>(())
/// ```
#[derive(Clone)]
pub struct Options {
    /// Make the log if there is none. Default: true.
    pub create: bool,
    /// The length at which a segment of a new log ends and the next begins, in bytes. Default: 64 MiB.
    pub segment_limit: u64,
    /// The program, with its version, for `$log` and for the message that a second writer gets. Default: this library.
    pub program: String,
    /// Actor of commands that name none. Default: `operator`.
    pub actor: String,
    /// The principal, that is, who was authenticated. It is never taken from a command. Default: none.
    pub principal: Option<String>,
    /// Correlation of commands that name none. Default: none.
    pub correlation: Option<String>,
    /// Durability class of commits. Default: synced before the answer.
    pub class: Durability,
    /// The clock. Default: the machine's.
    pub clock: Arc<dyn Clock>,
    /// The file system. Default: the machine's.
    pub fs: Arc<dyn Fs>,
    /// Id of a new log. Default: drawn at random.
    pub log_id: Option<LogId>,
    /// For a new log in an object store: what a trial of the store showed, which is recorded with the log's creation. Default:
    /// none.
    pub store_tried: Option<StoreTried>,
    /// Hears what the writer does, to count or to time it. Default: none.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for Options {
    fn default() -> Options {
        Options::new(concat!("evlog (library) ", env!("CARGO_PKG_VERSION")))
    }
}

impl Options {
    /// The defaults for a program.
    pub fn new(program: impl Into<String>) -> Options {
        Options {
            create: true,
            segment_limit: SEGMENT_LIMIT_DEFAULT,
            program: program.into(),
            actor: "operator".to_owned(),
            principal: None,
            correlation: None,
            class: Durability::Sync,
            clock: Arc::new(SystemClock),
            fs: Arc::new(StdFs),
            log_id: None,
            store_tried: None,
            observer: None,
        }
    }

    /// Checks the texts that go into each commit. Program and actor may be empty.
    pub(crate) fn check(&self) -> Result<(), Malformed> {
        for (name, text) in [("program", self.program.as_str()), ("actor", &self.actor)] {
            check_text(name, Some(text).filter(|text| !text.is_empty()), ACTOR_LEN_MAX)?;
        }
        check_text("principal", self.principal.as_deref(), PRINCIPAL_LEN_MAX)?;
        check_text("correlation", self.correlation.as_deref(), CORRELATION_LEN_MAX)
    }

    /// The defaults for a program, with a file system in memory, for tests. Logs that are opened with the same options share
    /// it.
    #[cfg(feature = "memory")]
    pub fn in_memory(program: impl Into<String>) -> Options {
        Options { fs: Arc::new(evlog_store::fs::sim::SimFs::new()), ..Options::new(program) }
    }
}

/// How a log is opened for reading.
#[derive(Clone)]
pub struct ReadOptions {
    /// The file system. Default: the machine's.
    pub fs: Arc<dyn Fs>,
    /// Whether to open even a log whose last segment is damaged, or that is shorter than one of its own checkpoints covers. The
    /// view then shows what is there and ends with that error, unless the caller asks only for an earlier part. Default: false.
    pub up_to_damage: bool,
}

impl Default for ReadOptions {
    fn default() -> ReadOptions {
        ReadOptions { fs: Arc::new(StdFs), up_to_damage: false }
    }
}

impl ReadOptions {
    /// The defaults.
    pub fn new() -> ReadOptions {
        ReadOptions::default()
    }
}
