//! The draft of a whole bundle: a new directory, and the files in it.
//!
//! Nothing is asked of the system that is known: every directory is new, so each name in it is free.

use crate::file_error::{FileError, at};
use crate::files::{DIRECTORY_MODE, FILE_MODE, check_path};
use crate::tree::Tree;
use evlog_projection::Bundle;
use rustix::fs::{Mode, OFlags, mkdirat, openat};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

/// Makes the directory `name` in `drafts`, and the files of the bundle in it.
pub(super) fn make(drafts: &Tree, name: &str, bundle: &Bundle) -> Result<(), FileError> {
    let place: PathBuf = drafts.path().join(name);
    let top = directory(drafts, drafts, name).map_err(at("make", &place))?;
    // The directories above the last file, below the first one, each with its path and the slash after it.
    let mut open: Vec<(&str, OwnedFd)> = Vec::new();
    for file in bundle.files.values() {
        let mut write = || -> io::Result<()> {
            check_path(&file.path)?;
            // Paths are in order, so a directory is left only when no further file is in it.
            while open.last().is_some_and(|(above, _)| !file.path.starts_with(above)) {
                open.pop();
            }
            let entered = open.last().map_or(0, |(above, _)| above.len());
            let mut from = entered;
            for (slash, _) in file.path[entered..].match_indices('/') {
                let end = entered + slash;
                let made = directory(drafts, open.last().map_or(&top, |(_, last)| last), &file.path[from..end])?;
                from = end + 1;
                open.push((&file.path[..from], made));
            }
            write_new(open.last().map_or(&top, |(_, last)| last), &file.path[from..], &file.bytes)
        };
        write().map_err(at("write", &place.join(&file.path)))?;
    }
    Ok(())
}

fn directory(tree: &Tree, parent: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    mkdirat(&parent, name, Mode::from_raw_mode(DIRECTORY_MODE))?;
    tree.enter(parent, name)
}

fn write_new(directory: &OwnedFd, name: &str, bytes: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::from_raw_mode(FILE_MODE))?;
    File::from(file).write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evlog::Seq;
    use evlog_projection::Projection;
    use std::collections::BTreeMap;
    use std::fs;

    #[test]
    fn the_files_of_a_bundle_are_in_its_directory_and_in_those_below() {
        let room = tempfile::tempdir().unwrap();
        let paths = ["a", "logs.json", "logs/a", "logs/deep/er/b", "logs/z", "z/a"];
        let projection = Projection::new("toy.file", 1);
        let files: BTreeMap<_, _> =
            paths.iter().map(|path| ((*path).to_owned(), projection.file(*path, path.as_bytes().to_vec()))).collect();
        let bundle = |files| Bundle { run: "r".to_owned(), contract: "toy", last_seq: Seq(1), events: 1, files };
        make(&Tree::open(room.path()).unwrap(), "0", &bundle(files)).unwrap();
        for path in paths {
            assert_eq!(fs::read(room.path().join("0").join(path)).unwrap(), path.as_bytes(), "{path}");
        }
        for path in ["../a", "/a", "a//b", ""] {
            let files = BTreeMap::from([(path.to_owned(), projection.file(path, Vec::new()))]);
            let name = path.len().to_string();
            fs::remove_dir_all(room.path().join(&name)).ok();
            let error = make(&Tree::open(room.path()).unwrap(), &name, &bundle(files)).unwrap_err();
            assert!(error.to_string().contains("leads out of the directory"), "{path}: {error}");
        }
    }
}
