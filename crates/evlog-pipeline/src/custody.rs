//! Copies of what a stage has staged, in a directory that no stage knows, where only evlog handles them until they are
//! promoted.
//!
//! What is checked, hashed and promoted are these copies. So a process that still has a staged file open, or that changes the
//! staging directory, changes nothing that will be published.
//!
//! Does: copy the staged files one after the other and measure the copies, promote them (pipeline.md 4.7, step 9), and find
//! the copies that an interrupted run has left. Does not: judge what it copies.
//!
//! Invariants:
//! - A copy is a new file with only one name. It has the permissions that [`mode`] says, and no set-id bits.
//! - What is promoted is the file that was measured: the same inode, with the same length and times as then.
//! - Paths are promoted in byte order, each by one rename within one file system. There is no promise that spans several
//!   paths.
//! - Copies are durable before anybody intends to promote them. The directories that they are moved to are durable before the
//!   promotion is reported. No directory on the way is a link.

use crate::copy::{CopyError, copy_content};
use crate::file_error::{FileError, at};
use crate::files::{hash, make_parents};
use crate::meter::Meter;
use crate::step::{Step, Steps};
use crate::tree::{self, Tree};
use evlog::random;
use rustix::fs::{AtFlags, Mode, OFlags, Stat, mkdirat, openat, renameat, statat};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;

/// The beginning of the name of the directory of copies. No stage's id begins with it. The rest of the name is random.
const PREFIX: &str = ".custody-";

/// Copies of staged files.
#[derive(Debug)]
pub(crate) struct Custody {
    tree: Tree,
    /// The measured files, by path.
    kept: BTreeMap<String, Identity>,
}

/// What shows that a file is still the same one, unchanged. No process can set the time of change (ctime).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    file: (u64, u64),
    len: u64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Identity {
    #[expect(clippy::cast_sign_loss, reason = "identities and lengths of files; their types differ between systems")]
    #[expect(clippy::unnecessary_cast, reason = "the types differ between systems")]
    fn of(stat: &Stat) -> Identity {
        Identity {
            file: (stat.st_dev as u64, stat.st_ino as u64),
            len: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        }
    }

    /// Whether nothing differs, except perhaps the time of change: a rename sets it.
    fn is_renamed(self, found: Identity) -> bool {
        Identity { changed: found.changed, ..self } == found
    }
}

/// Length and BLAKE3 of a copy, or why the staged file could not be read.
pub(crate) type Taken = Result<(u64, [u8; 32]), io::Error>;

impl Custody {
    /// An empty directory of copies, beside the staging directory of the stage.
    pub(crate) fn make(shelf: &Tree, steps: &Steps) -> Result<Custody, FileError> {
        let name = format!("{PREFIX}{}", random::name());
        steps.at(Step::MakeDirectory);
        let made = mkdirat(shelf, &name, Mode::RWXU);
        made.map_err(|error| at("make", &shelf.path().join(&name))(error.into()))?;
        Ok(Custody { tree: shelf.within_named(&name)?, kept: BTreeMap::new() })
    }

    /// The directories of copies that an interrupted run left, in the order of their names.
    pub(crate) fn left(shelf: &Tree) -> Vec<Custody> {
        let found = tree::entries(shelf).unwrap_or_default();
        let names = found.iter().filter_map(|named| named.name.to_str().ok()).filter(|name| name.starts_with(PREFIX));
        let names: BTreeSet<&str> = names.collect();
        let opened = names.into_iter().filter_map(|name| shelf.within(name).ok());
        opened.map(|tree| Custody { tree, kept: BTreeMap::new() }).collect()
    }

    /// Copies a staged file. The outer error means that the copy could not be written.
    pub(crate) fn take(&mut self, staged: &Tree, path: &str, meter: &Meter<'_>) -> Result<Taken, FileError> {
        let source = match staged.file(path) {
            Ok(source) => source,
            Err(error) => return Ok(Err(error)),
        };
        let name = name_of(path);
        let target = self.tree.path().join(&name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = match source.metadata() {
            Ok(found) => mode(found.permissions().mode()),
            Err(error) => return Ok(Err(error)),
        };
        let copy = openat(&self.tree, &name, flags, mode).map_err(|error| at("make", &target)(error.into()))?;
        let copy = File::from(copy);
        match copy_content(&source, &copy, meter) {
            Ok(()) => {}
            Err(CopyError::Source(error)) => return Ok(Err(error)),
            Err(CopyError::Target(error)) => return Err(at("write", &target)(error)),
        }
        let measured = self.measure_copy(path, &copy, meter);
        Ok(Ok(measured.map_err(at("read", &target))?))
    }

    /// Measures a copy that an interrupted run left. It can then be promoted.
    pub(crate) fn measure(&mut self, path: &str, meter: &Meter<'_>) -> io::Result<(u64, [u8; 32])> {
        let copy = self.file(path)?;
        self.measure_copy(path, &copy, meter)
    }

    fn measure_copy(&mut self, path: &str, copy: &File, meter: &Meter<'_>) -> io::Result<(u64, [u8; 32])> {
        let before = Identity::of(&rustix::fs::fstat(copy)?);
        let measured = hash(copy, meter)?;
        if Identity::of(&rustix::fs::fstat(copy)?) != before || measured.0 != before.len {
            return Err(changed());
        }
        self.kept.insert(path.to_owned(), before);
        Ok(measured)
    }

    /// A copy, for reading.
    pub(crate) fn file(&self, path: &str) -> io::Result<File> {
        self.tree.file(&name_of(path))
    }

    /// Makes the copies durable, so that they survive a crash once the log records them.
    pub(crate) fn sync(&self) -> Result<(), FileError> {
        let paths: Vec<String> = self.kept.keys().map(|path| name_of(path)).collect();
        crate::files::sync_below(&self.tree, &paths)?;
        rustix::fs::fsync(&self.tree).map_err(|error| at("sync", self.tree.path())(error.into()))
    }

    /// Moves copies, by their paths, into the bundle. After an error, the paths before the one that it names are promoted
    /// and stay.
    pub(crate) fn promote(&self, bundle: &Tree, paths: &[&str], steps: &Steps) -> Result<(), FileError> {
        for path in paths {
            make_parents(bundle, path, steps)?;
            steps.at(Step::Promote);
            self.promote_one(bundle, path).map_err(at("promote to", &bundle.path().join(path)))?;
        }
        sync_parents(bundle, paths, steps)
    }

    fn promote_one(&self, bundle: &Tree, path: &str) -> io::Result<()> {
        let Some(kept) = self.kept.get(path) else { return Err(changed()) };
        let name = name_of(path);
        if Identity::of(&statat(&self.tree, &name, AtFlags::SYMLINK_NOFOLLOW)?) != *kept {
            return Err(changed());
        }
        let (parent, last) = bundle.parent(path)?;
        // COMMIT POINT of this path.
        renameat(&self.tree, &name, &parent, last)?;
        let found = Identity::of(&statat(&parent, last, AtFlags::SYMLINK_NOFOLLOW)?);
        if kept.is_renamed(found) { Ok(()) } else { Err(changed()) }
    }
}

/// The permissions of a published file: everybody may read it, and may execute it if the owner of the staged file could. Only
/// its owner may write. The umask of evlog's own process takes permissions away as usual.
fn mode(staged: u32) -> Mode {
    let file = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    if staged & 0o100 == 0 { file } else { file | Mode::XUSR | Mode::XGRP | Mode::XOTH }
}

/// The name of a copy. All copies are in one directory, so the name is a hash of the path.
fn name_of(path: &str) -> String {
    blake3::hash(path.as_bytes()).to_hex().to_string()
}

fn changed() -> io::Error {
    io::Error::other(
        "expected the file that was measured, unchanged; found another, so somebody else writes in the bundle",
    )
}

/// Makes the entries of promoted artifacts durable.
pub(crate) fn sync_parents(bundle: &Tree, paths: &[&str], steps: &Steps) -> Result<(), FileError> {
    let directories: BTreeSet<&str> =
        paths.iter().map(|path| path.rsplit_once('/').map_or("", |(directories, _)| directories)).collect();
    directories.iter().try_for_each(|directory| {
        steps.at(Step::SyncDirectory);
        bundle.within_named(directory)?.sync()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::{Path, PathBuf};

    struct Room(tempfile::TempDir);

    impl Room {
        fn new() -> Room {
            let room = Room(tempfile::tempdir().unwrap());
            for path in ["staging/a", "staging/b/c", "staging/b/d"] {
                let path = room.path(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
            }
            fs::create_dir(room.path("bundle")).unwrap();
            room
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn tree(&self) -> Tree {
            Tree::open_itself(self.0.path()).unwrap()
        }

        fn taken(&self, paths: &[&str]) -> Custody {
            let mut custody = Custody::make(&self.tree(), &Steps::default()).unwrap();
            let staged = Tree::open(&self.path("staging")).unwrap();
            for path in paths {
                custody.take(&staged, path, &Meter::silent()).unwrap().unwrap();
            }
            custody
        }

        fn promote(&self, custody: &Custody, paths: &[&str]) -> Result<(), FileError> {
            custody.promote(&self.tree().within("bundle").unwrap(), paths, &Steps::default())
        }
    }

    #[test]
    fn g13_files_are_copied_measured_and_moved_with_their_directories() {
        let room = Room::new();
        let mut custody = Custody::make(&room.tree(), &Steps::default()).unwrap();
        let staged = Tree::open(&room.path("staging")).unwrap();
        for path in ["a", "b/c", "b/d"] {
            let last = path.rsplit('/').next().unwrap();
            let taken = custody.take(&staged, path, &Meter::silent()).unwrap().unwrap();
            assert_eq!(taken, (1, *blake3::hash(last.as_bytes()).as_bytes()));
        }
        custody.sync().unwrap();
        room.promote(&custody, &["a", "b/c", "b/d"]).unwrap();
        assert_eq!(fs::read(room.path("bundle/b/d")).unwrap(), b"d");
        assert_eq!(fs::read_dir(custody.tree.path()).unwrap().count(), 0);
    }

    #[test]
    fn g22_a_process_that_holds_or_replaces_a_staged_file_changes_nothing_that_is_published() {
        let room = Room::new();
        let mut held = OpenOptions::new().append(true).open(room.path("staging/a")).unwrap();
        let custody = room.taken(&["a", "b/c"]);
        held.write_all(b" and more").unwrap();
        fs::remove_file(room.path("staging/b/c")).unwrap();
        symlink("/etc/hostname", room.path("staging/b/c")).unwrap();
        room.promote(&custody, &["a", "b/c"]).unwrap();
        held.write_all(b" and more").unwrap();
        assert_eq!(fs::read(room.path("bundle/a")).unwrap(), b"a");
        assert!(fs::symlink_metadata(room.path("bundle/b/c")).unwrap().is_file());
    }

    #[test]
    fn g22_a_copy_that_is_changed_or_replaced_is_not_promoted() {
        type Harm = fn(&Path);
        let harms: [(&str, Harm); 3] = [
            ("written", |copy| fs::write(copy, "x").unwrap()),
            ("replaced", |copy| {
                fs::remove_file(copy).unwrap();
                fs::write(copy, "a").unwrap();
            }),
            ("linked", |copy| {
                fs::remove_file(copy).unwrap();
                symlink("/etc/hostname", copy).unwrap();
            }),
        ];
        for (name, harm) in harms {
            let room = Room::new();
            let custody = room.taken(&["a"]);
            harm(&custody.tree.path().join(name_of("a")));
            let error = room.promote(&custody, &["a"]).unwrap_err();
            assert!(error.to_string().contains("expected the file that was measured"), "{name}: {error}");
            assert!(fs::symlink_metadata(room.path("bundle/a")).is_err(), "{name}");
        }
    }

    #[test]
    fn g23_published_files_have_permissions_of_evlogs_choice_and_one_name() {
        let room = Room::new();
        for (path, staged) in [("a", 0o600), ("b/c", 0o6777), ("b/d", 0o666)] {
            let file = room.path("staging").join(path);
            fs::set_permissions(&file, fs::Permissions::from_mode(staged)).unwrap();
            fs::hard_link(&file, room.path("staging").join(format!("{path}.link"))).unwrap();
        }
        let paths = ["a", "b/c", "b/d"];
        room.promote(&room.taken(&paths), &paths).unwrap();
        let made = room.path("made");
        fs::write(&made, "").unwrap();
        // What this process's umask leaves of permission for all to read and write.
        let umask = fs::metadata(&made).unwrap().mode() & 0o777 ^ 0o666;
        for (path, expected) in [("a", 0o644), ("b/c", 0o755), ("b/d", 0o644)] {
            let found = fs::metadata(room.path("bundle").join(path)).unwrap();
            assert_eq!(found.mode() & 0o7777, expected & !umask, "{path}");
            assert_eq!(found.nlink(), 1, "{path}");
        }
        assert_eq!(fs::metadata(room.path("bundle/b")).unwrap().mode() & 0o7777, 0o755 & !umask);
    }

    #[test]
    fn a_link_that_was_put_on_the_way_is_not_followed() {
        let room = Room::new();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), room.path("bundle/b")).unwrap();
        let error = room.promote(&room.taken(&["a", "b/c"]), &["a", "b/c"]).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        assert!(room.path("bundle/a").exists(), "what came before stays");
    }

    #[test]
    fn copies_that_were_left_are_found_and_measured_again() {
        let room = Room::new();
        let left = room.taken(&["a"]).tree.path().to_owned();
        let mut found = Custody::left(&room.tree());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].tree.path(), left);
        assert!(room.promote(&found[0], &["a"]).is_err(), "what was not measured is not promoted");
        let measured = found[0].measure("a", &Meter::silent()).unwrap();
        assert_eq!(measured, (1, *blake3::hash(b"a").as_bytes()));
        assert!(found[0].measure("b/c", &Meter::silent()).is_err());
        room.promote(&found[0], &["a"]).unwrap();
        assert!(Custody::left(&room.tree().within("bundle").unwrap()).is_empty());
    }
}
