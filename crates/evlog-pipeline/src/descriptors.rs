//! Whether this process may still open as many files as a stage needs at a time.
//!
//! With too few descriptors a stage would run, but its output, its copies or its supervisor would be missing, each with an
//! error of its own. So evlog checks this before a stage begins, and again when its process has ended, because the process may
//! have lowered the limit.

use rustix::process::{Resource, getrlimit};
use std::fmt;
use std::fs::File;

/// How many descriptors a stage needs at a time: pipes to its supervisor and from it, its output, the log's files, and
/// directories that are held open on the way to a file.
pub(crate) const TO_BEGIN: usize = 32;

/// How many descriptors evlog needs after the stage's process has ended, to read what it left, to publish it and to record
/// that. A stage may have lowered the limit of this process.
pub(crate) const TO_END: usize = 16;

/// This process may not open enough files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FewDescriptors {
    /// How many more a stage needs at a time.
    pub needed: usize,
    /// How many more could be opened.
    pub found: usize,
    /// How many files the process may have open in all; none if there is no limit.
    pub limit: Option<u64>,
}

impl fmt::Display for FewDescriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FewDescriptors { needed, found, .. } = self;
        let limit = self.limit.map_or("no limit".to_owned(), |limit| format!("a limit of {limit}"));
        write!(
            f,
            "expected to open {needed} more files at a time for a stage, found room for {found} (the process has {limit}, \
             `ulimit -n`)"
        )
    }
}

/// Checks whether a stage could open as many files as it needs to begin. The check opens that many.
pub fn check() -> Result<(), FewDescriptors> {
    check_for(TO_BEGIN)
}

pub(crate) fn check_for(needed: usize) -> Result<(), FewDescriptors> {
    let few = |found| FewDescriptors { needed, found, limit: getrlimit(Resource::Nofile).current };
    let first = File::open("/dev/null").map_err(|_| few(0))?;
    let more = std::iter::repeat_with(|| first.try_clone()).take(needed - 1).map_while(Result::ok);
    let opened = 1 + more.collect::<Vec<File>>().len();
    if opened < needed { Err(few(opened)) } else { Ok(()) }
}
