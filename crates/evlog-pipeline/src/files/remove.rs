//! Removes directories with everything below them, and moves away what cannot be removed.
//!
//! Invariants:
//! - No link is followed, and no permission outside of the directory is changed.
//! - What is mounted below the directory, or in its place, is not entered and not changed.

use super::{FileError, at, make_within};
use crate::step::Steps;
use crate::tree::{self, Named, Tree};
use evlog::random;
use rustix::fs::{AtFlags, FileType, renameat, statat, unlinkat};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The directory beside the bundles. A stage's files that this user may not remove are moved there.
const ASIDE: &str = ".aside";

/// Removes an entry of a directory and everything below it, even if it is read-only. A missing entry is no error. What cannot
/// be removed is left, everything else is removed, and the first error is returned.
pub(crate) fn remove_tree(parent: &Tree, name: &str) -> Result<(), FileError> {
    // What cannot be unlocked cannot be removed either. The caller reports that.
    remove(parent, name, false).or_else(|_locked| remove(parent, name, true))
}

/// A directory whose entries are being removed.
struct Level {
    directory: OwnedFd,
    /// Its name in the level before.
    name: CString,
    rest: Vec<Named>,
}

/// The levels are in a list, so that a deep tree takes no stack.
fn remove(parent: &Tree, name: &str, unlocks: bool) -> Result<(), FileError> {
    let top = parent.path().to_owned();
    let kind = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        found => FileType::from_raw_mode(found.map_err(|error| at("remove", &top.join(name))(error.into()))?.st_mode),
    };
    let name = CString::new(name).map_err(|error| at("remove", &top)(error.into()))?;
    let directory = parent.within_named("")?.into_directory();
    let mut levels = vec![Level { directory, name: CString::default(), rest: vec![Named { name, kind }] }];
    let mut first = Ok(());
    loop {
        let Some(level) = levels.last_mut() else { return first };
        let tried = match level.rest.pop() {
            Some(named) if named.kind.is_dir() => {
                let entered = enter(parent, level, &named.name, unlocks);
                entered.map(|inner| levels.push(inner)).map_err(|error| (named.name, error))
            }
            Some(named) => {
                let removed = gone(unlinkat(&level.directory, &named.name, AtFlags::empty()));
                removed.map_err(|error| (named.name, error))
            }
            None => {
                let name = std::mem::take(&mut level.name);
                levels.pop();
                let Some(level) = levels.last() else { return first };
                gone(unlinkat(&level.directory, &name, AtFlags::REMOVEDIR)).map_err(|error| (name, error))
            }
        };
        if let (Err((name, error)), Ok(())) = (tried, &first) {
            first = Err(at("remove", &path_of(&top, &levels, &name))(error));
        }
    }
}

fn enter(tree: &Tree, level: &Level, name: &CString, unlocks: bool) -> io::Result<Level> {
    if unlocks {
        // What cannot be unlocked may still be writable by everybody.
        let _locked = tree.unlock(&level.directory, name);
    }
    let directory = tree.enter(&level.directory, name)?;
    let rest = tree::entries(&directory)?;
    Ok(Level { directory, name: name.clone(), rest })
}

fn gone(removed: rustix::io::Result<()>) -> io::Result<()> {
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::BUSY | Errno::XDEV) => Err(tree::mounted()),
        Err(error) => Err(error.into()),
    }
}

fn path_of(top: &Path, levels: &[Level], name: &CString) -> PathBuf {
    let names = levels.iter().map(|level| &level.name).filter(|name| !name.is_empty()).chain([name]);
    names.fold(top.to_owned(), |path, name| path.join(OsStr::from_bytes(name.to_bytes())))
}

/// Returns what is in the way of a file at a path below a directory: anything else than a directory where a directory must be,
/// or a directory where the file itself must be. Anything else in the file's place can be replaced.
pub(crate) fn in_the_way<'p>(root: &Tree, relative: &'p str) -> Option<&'p str> {
    let is_directory = |path: &str| Some(FileType::from_raw_mode(root.stat(path).ok()?.st_mode).is_dir());
    let mut above = relative.match_indices('/').map(|(at, _)| &relative[..at]);
    above.find(|path| is_directory(path) == Some(false)).or((is_directory(relative) == Some(true)).then_some(relative))
}

/// Moves something out of a bundle, to a new place among the bundles, and returns that place.
pub(crate) fn set_aside(bundle: &Tree, path: &str, runs: &Tree, run: &str) -> Result<PathBuf, FileError> {
    let aside = make_within(runs, ASIDE, &Steps::default())?;
    let place = format!("{run}-{}", random::name());
    let moved = bundle.parent(path).and_then(|(above, name)| Ok(renameat(above, name, &aside, &place)?));
    moved.map_err(at("set aside", &bundle.path().join(path)))?;
    Ok(aside.path().join(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn remove_in(room: &Path) -> Result<(), FileError> {
        remove_tree(&Tree::open_itself(room).unwrap(), "tree")
    }

    #[test]
    fn a_tree_is_removed_without_following_links() {
        let room = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        let tree = room.path().join("tree");
        fs::create_dir(&tree).unwrap();
        symlink(outside.path(), tree.join("link")).unwrap();
        remove_in(room.path()).unwrap();
        remove_in(room.path()).unwrap();
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
        let parent = Tree::open_itself(room.path()).unwrap();
        parent.unlock(parent.within("tree").unwrap(), c"a").unwrap();
        assert_eq!(mode(&tree.join("a")), 0o700);
        assert!(parent.unlock(parent.within("tree/a").unwrap(), c"link").is_err());
        remove(&parent, "tree", true).unwrap();
        assert!(!tree.exists());
        assert_eq!(mode(&outside), 0o500, "what a link leads to is not touched");
    }

    #[test]
    fn what_is_set_aside_stands_among_the_bundles_under_a_name_of_its_own() {
        let room = tempfile::tempdir().unwrap();
        let bundle = room.path().join("runs/one");
        fs::create_dir_all(&bundle).unwrap();
        let [runs, tree] = [&room.path().join("runs"), &bundle].map(|path| Tree::open_itself(path).unwrap());
        let mut places = Vec::new();
        for _ in 0..2 {
            fs::create_dir_all(bundle.join("staging/a")).unwrap();
            places.push(set_aside(&tree, "staging", &runs, "one").unwrap());
        }
        assert_ne!(places[0], places[1]);
        for place in places {
            assert!(place.join("a").is_dir() && place.starts_with(room.path().join("runs/.aside")));
        }
    }

    #[test]
    fn a_deep_tree_is_removed_and_takes_no_stack() {
        let room = tempfile::tempdir().unwrap();
        fs::create_dir_all(room.path().join("tree").join("d/".repeat(400))).unwrap();
        remove_in(room.path()).unwrap();
        assert!(!room.path().join("tree").exists());
    }
}
