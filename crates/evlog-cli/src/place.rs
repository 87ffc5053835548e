//! Where the log is: in a directory of this machine, or in a bucket if it is named by a URL.

#[cfg(feature = "bucket")]
mod bucket;

use crate::error::CommandError;
#[cfg(feature = "bucket")]
pub(crate) use bucket::{fs, probe, try_store};
use evlog_store::{Fs, StdFs};
use std::path::Path;
use std::sync::Arc;

/// Whether the log is named by a URL.
pub(crate) fn is_url(log: &Path) -> bool {
    log.to_str().is_some_and(|text| text.contains("://"))
}

/// The file system that has the log.
pub(crate) fn fs_of(log: &Path) -> Result<Arc<dyn Fs>, CommandError> {
    if is_url(log) { fs(&log.to_string_lossy()).map_err(|error| error.during("--log")) } else { Ok(Arc::new(StdFs)) }
}

#[cfg(not(feature = "bucket"))]
fn fs(url: &str) -> Result<Arc<dyn Fs>, CommandError> {
    Err(CommandError::user(format!("`{url}`: this evlog was built without object stores"))
        .hint("build it with `cargo build --release -p evlog-cli --features bucket`, or name a directory"))
}

#[cfg(not(feature = "bucket"))]
pub(crate) fn try_store(url: &str) -> Result<evlog::history::StoreTried, CommandError> {
    fs(url).map(|_| unreachable!("no store can be reached"))
}
