//! What the file of an answer may not replace: the private key that was given to the same command, and the log's own files.
//!
//! Invariant: it is asked before anything is done, by what stands on the disk and not by how it is spelled.

use crate::error::CommandError;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How many links that lead nowhere are followed one after the other, as the system does when it makes a file there.
const LINKS_MAX: usize = 40;

/// Refuses an output that would stand in the log's directory, or in the place of the key. `-` is stdout.
pub(crate) fn check(option: &str, out: &Path, log: &Path, key: Option<&Path>) -> Result<(), CommandError> {
    if out == Path::new("-") {
        return Ok(());
    }
    let (shown, place) = (out.display(), real(out));
    let is_key = |key: &Path| real(key) == place || same(key, &place);
    if key.is_some_and(is_key) {
        let message = format!("{option} `{shown}`: expected a file of its own, found the private key of this command");
        return Err(CommandError::user(message).hint("nothing was done; name another file"));
    }
    let log = real(log);
    if place.starts_with(&log) || place.ancestors().any(|above| same(above, &log)) {
        let message = format!("{option} `{shown}`: expected a place outside the log, found one in `{}`", log.display());
        return Err(CommandError::user(message).hint("nothing was done; what stands in a log's directory is the log's"));
    }
    Ok(())
}

/// Where a path leads, links followed; what is not there yet is where it would be made.
fn real(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let Ok(to) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(to);
    }
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    path.file_name().map_or_else(|| real_above(&path), |name| real_above(above).join(name))
}

fn real_above(above: &Path) -> PathBuf {
    above.canonicalize().unwrap_or_else(|_| std::path::absolute(above).unwrap_or_else(|_| above.to_path_buf()))
}

/// Whether two paths are the same file or directory, under whatever names.
fn same(one: &Path, other: &Path) -> bool {
    let (Ok(one), Ok(other)) = (fs::metadata(one), fs::metadata(other)) else { return false };
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}
