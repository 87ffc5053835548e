//! Lists the files of a directory, which is a stage's staging directory or a bundle. No link is followed. What is mounted below
//! the directory is not looked at.

use crate::file_error::{FileError, at};
use crate::limits::DEPTH_MAX;
use crate::tree::{self, Tree};
use rustix::fs::FileType;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Something in the tree that is not a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path below the root, with `/`.
    pub path: String,
    /// What it is; `None` if it is a regular file with a name in UTF-8.
    pub irregular: Option<&'static str>,
}

/// Everything below a directory, in byte order of paths.
pub fn walk(root: &Path) -> Result<Vec<Entry>, FileError> {
    walk_tree(&Tree::open(root)?)
}

/// Like [`walk`], for an open directory.
pub(crate) fn walk_tree(root: &Tree) -> Result<Vec<Entry>, FileError> {
    let mut entries = Vec::new();
    below(root.as_fd(), root, "", 0, &mut entries)?;
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn below(
    directory: BorrowedFd<'_>,
    root: &Tree,
    prefix: &str,
    depth: usize,
    entries: &mut Vec<Entry>,
) -> Result<(), FileError> {
    for found in tree::entries(directory).map_err(|error| at("read", &root.path().join(prefix))(error))? {
        let path = format!("{prefix}{}", found.name.to_string_lossy());
        let irregular = match found.name.to_str() {
            Err(_) => Some("a name that is not UTF-8"),
            Ok(_) if found.kind.is_dir() && depth >= DEPTH_MAX => Some("a directory that is nested too deeply"),
            Ok(_) if found.kind.is_dir() => match root.enter(directory, &found.name) {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Some("a mount"),
                inner => {
                    let inner = inner.map_err(|error| at("read", &root.path().join(&path))(error))?;
                    below(inner.as_fd(), root, &format!("{path}/"), depth + 1, entries)?;
                    continue;
                }
            },
            Ok(_) => irregular(found.kind),
        };
        entries.push(Entry { path, irregular });
    }
    Ok(())
}

fn irregular(kind: FileType) -> Option<&'static str> {
    match kind {
        FileType::RegularFile => None,
        FileType::Symlink => Some("a symbolic link"),
        FileType::Fifo => Some("a named pipe"),
        FileType::Socket => Some("a socket"),
        _ => Some("a device"),
    }
}
