//! Where the log is: in a directory of this machine, or in a bucket if it is named by a URL.

use crate::error::CommandError;
use evlog_store::{Fs, StdFs};
use std::path::Path;
use std::sync::Arc;

/// Whether the log is named by a URL.
pub(crate) fn is_url(log: &Path) -> bool {
    log.to_str().is_some_and(|text| text.contains("://"))
}

/// The file system that has the log.
pub(crate) fn fs_of(log: &Path) -> Result<Arc<dyn Fs>, CommandError> {
    if is_url(log) { bucket(&log.to_string_lossy()) } else { Ok(Arc::new(StdFs)) }
}

#[cfg(feature = "bucket")]
fn bucket(url: &str) -> Result<Arc<dyn Fs>, CommandError> {
    evlog_bucket::open(url, evlog_bucket::Options::default())
        .map_err(|error| CommandError::user(error.to_string()).during("--log"))
}

#[cfg(not(feature = "bucket"))]
fn bucket(url: &str) -> Result<Arc<dyn Fs>, CommandError> {
    Err(CommandError::user(format!("--log `{url}`: this evlog was built without object stores"))
        .hint("build it with `cargo build --release -p evlog-cli --features bucket`, or name a directory"))
}
