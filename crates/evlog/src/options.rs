//! How a session is opened.

use crate::clock::{Clock, SystemClock};
use evlog_format::limits::SEGMENT_LIMIT_DEFAULT;
use evlog_format::{Durability, LogId};
use evlog_store::fs::{Fs, StdFs};
use std::sync::Arc;

/// How a session is opened.
#[derive(Clone)]
pub struct Options {
    /// Make the log if there is none.
    pub create: bool,
    /// Where segments of a new log are cut, in bytes.
    pub segment_limit: u64,
    /// The program, with its version, for `$log` and for the message that a second writer gets.
    pub program: String,
    /// Actor of commands that name none.
    pub actor: String,
    /// Who was authenticated: never what a command says.
    pub principal: Option<String>,
    /// Correlation of commands that name none.
    pub correlation: Option<String>,
    /// Durability class of commits.
    pub class: Durability,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The file system.
    pub fs: Arc<dyn Fs>,
    /// Id of a new log; drawn at random when absent.
    pub log_id: Option<LogId>,
}

impl Options {
    /// Opens or creates, on the real file system, with the machine's clock, synced commits and default segments.
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
        }
    }
}
