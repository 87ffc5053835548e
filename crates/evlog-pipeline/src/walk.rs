//! Enumerates the files of a directory: of a stage's staging, or of a bundle. No link is followed.

use crate::files::{FileError, at};
use crate::limits::DEPTH_MAX;
use std::fs::{self, FileType};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Something in the tree. Directories themselves are nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path below the root, with `/`.
    pub path: String,
    /// What it is, unless it is a regular file with a name in UTF-8.
    pub irregular: Option<&'static str>,
}

/// Everything below a directory, in byte order of paths.
pub fn walk(root: &Path) -> Result<Vec<Entry>, FileError> {
    let mut entries = Vec::new();
    below(root, "", 0, &mut entries)?;
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn below(directory: &Path, prefix: &str, depth: usize, entries: &mut Vec<Entry>) -> Result<(), FileError> {
    for entry in fs::read_dir(directory).map_err(at("read", directory))? {
        let entry = entry.map_err(at("read", directory))?;
        let name = entry.file_name();
        let path = format!("{prefix}{}", name.to_string_lossy());
        let kind = entry.file_type().map_err(at("read", &entry.path()))?;
        let irregular = match name.to_str() {
            None => Some("a name that is not UTF-8"),
            Some(_) if kind.is_dir() && depth >= DEPTH_MAX => Some("a directory that is nested too deeply"),
            Some(_) if kind.is_dir() => {
                below(&entry.path(), &format!("{path}/"), depth + 1, entries)?;
                continue;
            }
            Some(_) => irregular(kind),
        };
        entries.push(Entry { path, irregular });
    }
    Ok(())
}

fn irregular(kind: FileType) -> Option<&'static str> {
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_symlink() => Some("a symbolic link"),
        kind if kind.is_fifo() => Some("a named pipe"),
        kind if kind.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}
