//! Directories that are removed with all below them, and where what cannot be removed is put.
//!
//! Invariant: no link is followed, and no permission outside of the directory is changed.

use super::{FileError, at, make_directory};
use crate::step::Steps;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where, beside the bundles, what a stage left stands that this user may not remove.
const ASIDE: &str = ".aside";

/// Removes a directory and all below it, also where it is read-only. Not there is as good.
pub(crate) fn remove_tree(directory: &Path) -> Result<(), FileError> {
    let removed = remove(directory).or_else(|error| {
        if error.kind() != io::ErrorKind::PermissionDenied {
            return Err(error);
        }
        // What it cannot unlock it cannot remove either, and the caller reports that.
        let _locked = unlock::below(directory);
        remove(directory)
    });
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", directory)(error)),
        _ => Ok(()),
    }
}

fn remove(directory: &Path) -> io::Result<()> {
    if fs::symlink_metadata(directory)?.is_dir() { fs::remove_dir_all(directory) } else { fs::remove_file(directory) }
}

/// Moves a directory of a bundle out of it, to a place of its own among the bundles, and says where that is.
pub(crate) fn set_aside(directory: &Path, bundle: &Path) -> Result<PathBuf, FileError> {
    let (runs, run) = (bundle.parent().unwrap_or(bundle), bundle.file_name().unwrap_or_default());
    let aside = runs.join(ASIDE);
    make_directory(&aside, &Steps::default())?;
    let place = aside.join(format!("{}-{}", run.to_string_lossy(), uuid::Uuid::new_v4().simple()));
    fs::rename(directory, &place).map_err(at("set aside", directory))?;
    Ok(place)
}

#[cfg(target_os = "linux")]
mod unlock {
    use crate::tree;
    use rustix::fs::{CWD, Mode, OFlags, chmod, fstat, openat};
    use std::io;
    use std::os::fd::{AsFd, AsRawFd};
    use std::path::Path;

    /// Lets the owner of every directory that this user owns do everything in it.
    pub(super) fn below(directory: &Path) -> io::Result<()> {
        unlock(CWD, directory)
    }

    fn unlock(parent: impl AsFd, name: impl rustix::path::Arg) -> io::Result<()> {
        // Without a permission to read, a directory can be named by a descriptor and not opened.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let named = openat(parent, name, flags, Mode::empty())?;
        if !Mode::from_raw_mode(fstat(&named)?.st_mode).contains(Mode::RWXU) {
            chmod(format!("/proc/self/fd/{}", named.as_raw_fd()), Mode::RWXU)?;
        }
        let open = openat(&named, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        drop(named);
        for found in tree::entries(&open)?.iter().filter(|found| found.kind.is_dir()) {
            // The others are worth a try.
            let _locked = unlock(&open, &found.name);
        }
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
mod unlock {
    use std::fs::{self, Permissions};
    use std::io;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    /// Lets the owner of every directory that this user owns do everything in it.
    pub(super) fn below(directory: &Path) -> io::Result<()> {
        if !fs::symlink_metadata(directory)?.is_dir() {
            return Ok(());
        }
        fs::set_permissions(directory, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(directory)? {
            // The others are worth a try.
            let _locked = below(&entry?.path());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_tree_is_removed_without_following_links() {
        let room = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        let tree = room.path().join("tree");
        fs::create_dir(&tree).unwrap();
        symlink(outside.path(), tree.join("link")).unwrap();
        remove_tree(&tree).unwrap();
        remove_tree(&tree).unwrap();
        assert!(outside.path().join("kept").exists() && !tree.exists());
    }

    #[test]
    fn a_tree_whose_directories_are_locked_is_unlocked_and_nothing_beside_it() {
        let room = tempfile::tempdir().unwrap();
        let (tree, outside) = (room.path().join("tree"), room.path().join("outside"));
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        symlink(&outside, tree.join("a/link")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for (path, locked) in [(&tree.join("a/b"), 0), (&tree.join("a"), 0o500), (&outside, 0o500)] {
            fs::set_permissions(path, fs::Permissions::from_mode(locked)).unwrap();
        }
        unlock::below(&tree).unwrap();
        assert_eq!((mode(&tree.join("a")), mode(&tree.join("a/b"))), (0o700, 0o700));
        assert_eq!(mode(&outside), 0o500, "what a link leads to is not touched");
        remove_tree(&tree).unwrap();
    }

    #[test]
    fn what_is_set_aside_stands_among_the_bundles_under_a_name_of_its_own() {
        let room = tempfile::tempdir().unwrap();
        let bundle = room.path().join("runs/one");
        let mut places = Vec::new();
        for _ in 0..2 {
            fs::create_dir_all(bundle.join("staging/a")).unwrap();
            places.push(set_aside(&bundle.join("staging"), &bundle).unwrap());
        }
        assert_ne!(places[0], places[1]);
        for place in places {
            assert!(place.join("a").is_dir() && place.starts_with(room.path().join("runs/.aside")));
        }
    }
}
