//! Writes files so that after a crash there is the old file or the new file. Makes directories without following links. Reads
//! text within a limit.
//!
//! Invariants:
//! - A file of the bundle is only ever replaced by a rename within its directory (pipeline.md 5.2).
//! - No path of a bundle is followed through a symbolic link, so nothing is written outside of it.
//! - Two processes never write the same temporary file. A temporary file that could not be finished is removed.

mod remove;

pub(crate) use remove::{in_the_way, remove_tree, set_aside};

use crate::file_error::{FileError, at, in_words};
use crate::meter::Meter;
use crate::step::{Step, Steps};
use crate::tree::{Tree, open_regular};
use evlog::random;
use evlog_lifecycle::form::text_of;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, renameat, unlinkat};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

/// The permissions of files and directories that are made: only their owner may write. The umask takes away more.
pub(crate) const FILE_MODE: u32 = 0o644;
pub(crate) const DIRECTORY_MODE: u32 = 0o755;

/// Reads a text file of bounded length. The error is a sentence without the file's name.
pub(crate) fn read_text(path: &Path, len_max: u64) -> Result<String, String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(len_max + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| format!("could not be read: {}", in_words("read", &error)))?;
    if bytes.len() as u64 > len_max {
        return Err(format!("expected a file of at most {len_max} bytes, found more"));
    }
    text_of(&bytes).map(str::to_owned)
}

/// Makes `bytes` the content of the file at `relative` below `root`: writes a temporary file beside it, syncs it, renames it,
/// and syncs the directory. Directories are made as needed. Returns whether anything was written: a file that already holds the
/// bytes is left as it is. Any number of processes may do this at the same time.
pub fn write_atomically(root: &Path, relative: &str, bytes: &[u8]) -> Result<bool, FileError> {
    let temporary = |name: &str| format!(".{name}.{}.tmp", random::name());
    replace(&Tree::open(root)?, relative, bytes, &temporary, &Steps::default())
}

/// Like [`write_atomically`], for a file that only the holder of the run's lock writes. Reports its steps, and replaces a
/// temporary file that a crash has left.
pub(crate) fn write_as_holder(root: &Tree, relative: &str, bytes: &[u8], steps: &Steps) -> Result<bool, FileError> {
    replace(root, relative, bytes, &|name| format!(".{name}.tmp"), steps)
}

fn replace(
    root: &Tree,
    relative: &str,
    bytes: &[u8],
    temporary: &dyn Fn(&str) -> String,
    steps: &Steps,
) -> Result<bool, FileError> {
    let target = root.path().join(relative);
    check_path(relative).map_err(at("write", &target))?;
    if holds(root, relative, bytes) {
        return Ok(false);
    }
    let directory = make_parents(root, relative, steps)?;
    let name = relative.rsplit('/').next().unwrap_or(relative);
    let temporary = temporary(name);
    steps.at(Step::WriteFile);
    let written = write_new(&directory, &temporary, bytes).map_err(at("write", &directory.path().join(&temporary)));
    let replaced = written.and_then(|()| {
        steps.at(Step::RenameFile);
        // COMMIT POINT: readers see the new content from here on.
        renameat(&directory, &temporary, &directory, name).map_err(|error| at("replace", &target)(error.into()))
    });
    if replaced.is_err() {
        // The first error is the one to report.
        let _left = unlinkat(&directory, &temporary, AtFlags::empty());
    }
    replaced?;
    steps.at(Step::SyncDirectory);
    directory.sync()?;
    Ok(true)
}

/// The callers have checked the names; this is the last place that can.
pub(crate) fn check_path(relative: &str) -> io::Result<()> {
    if relative.split('/').any(|name| matches!(name, "" | "." | "..")) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path leads out of the directory"));
    }
    Ok(())
}

/// A leftover temporary file may be a link that someone placed, or a directory, so it is removed and created again, never
/// opened.
fn write_new(directory: &Tree, name: &str, bytes: &[u8]) -> io::Result<()> {
    remove_tree(directory, name).map_err(|error| error.source)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let mut file = directory.file_with(name, flags, Mode::from_raw_mode(FILE_MODE))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whether a file has these bytes.
pub(crate) fn holds(root: &Tree, relative: &str, bytes: &[u8]) -> bool {
    let Ok(mut file) = root.file(relative) else { return false };
    let mut found = Vec::new();
    let same_len = file.metadata().is_ok_and(|meta| meta.len() == bytes.len() as u64);
    same_len && file.read_to_end(&mut found).is_ok() && found == bytes
}

/// Makes the directories above `relative`, below `root`, and returns the last one. Every component on the way must be a
/// directory, and not a link to a directory.
pub(crate) fn make_parents(root: &Tree, relative: &str, steps: &Steps) -> Result<Tree, FileError> {
    let (directories, _name) = relative.rsplit_once('/').unwrap_or(("", relative));
    let mut directory = root.within_named("")?;
    for segment in directories.split('/').filter(|segment| !segment.is_empty()) {
        directory = make_within(&directory, segment, steps)?;
    }
    Ok(directory)
}

/// Makes a directory in another one if it is not there, and opens it.
pub(crate) fn make_within(directory: &Tree, name: &str, steps: &Steps) -> Result<Tree, FileError> {
    if directory.stat(name).is_err() {
        steps.at(Step::MakeDirectory);
    }
    if make_unsynced(directory, name)? {
        directory.sync()?;
    }
    directory.within_named(name)
}

/// Makes a directory in another one if it is not there. Returns whether it is new; a crash may lose it then.
pub(crate) fn make_unsynced(directory: &Tree, name: &str) -> Result<bool, FileError> {
    let path = directory.path().join(name);
    match rustix::fs::mkdirat(directory, name, Mode::from_raw_mode(DIRECTORY_MODE)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => {
            is_directory(directory.stat(name).map(|found| FileType::from_raw_mode(found.st_mode)), &path)?;
            Ok(false)
        }
        Err(error) => Err(at("make", &path)(error.into())),
    }
}

/// Makes one directory if it is not there.
pub(crate) fn make_directory(directory: &Path, steps: &Steps) -> Result<(), FileError> {
    if fs::symlink_metadata(directory).is_err() {
        steps.at(Step::MakeDirectory);
    }
    match DirBuilder::new().mode(DIRECTORY_MODE).create(directory) {
        Ok(()) => return directory.parent().map_or(Ok(()), sync_directory),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(at("make", directory)(error)),
        Err(_) => {}
    }
    let found = fs::symlink_metadata(directory).map(|found| FileType::from_raw_mode(found.mode()));
    is_directory(found, directory)
}

fn is_directory(found: io::Result<FileType>, path: &Path) -> Result<(), FileError> {
    let what = match found.map_err(at("read", path))? {
        FileType::Directory => return Ok(()),
        FileType::Symlink => "a symbolic link",
        _ => "a file",
    };
    let error = io::Error::new(io::ErrorKind::NotADirectory, format!("expected a directory, found {what}"));
    Err(at("make", path)(error))
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), FileError> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(at("sync", directory))
}

/// If more files than this are to be synced, the whole file system is synced if possible: one flush instead of thousands.
#[cfg(target_os = "linux")]
const SYNCED_ONE_BY_ONE_MAX: usize = 32;

/// Makes the content of files below a directory durable, so that after a crash the files have what the log records.
pub(crate) fn sync_below(root: &Tree, paths: &[impl AsRef<str>]) -> Result<(), FileError> {
    #[cfg(target_os = "linux")]
    if paths.len() > SYNCED_ONE_BY_ONE_MAX {
        return rustix::fs::syncfs(root.as_fd()).map_err(|error| at("sync", root.path())(error.into()));
    }
    for path in paths.iter().map(AsRef::as_ref) {
        root.file(path).and_then(|file| file.sync_all()).map_err(at("sync", &root.path().join(path)))?;
    }
    Ok(())
}

/// Returns length and BLAKE3 of a regular file, which is read in pieces.
pub(crate) fn measure(path: &Path, meter: &Meter<'_>) -> Result<(u64, [u8; 32]), FileError> {
    let file = open_regular(path).map_err(at("open", path))?;
    hash(&file, meter).map_err(at("read", path))
}

/// Like [`measure`], for a file below an open directory.
pub(crate) fn measure_below(root: &Tree, relative: &str, meter: &Meter<'_>) -> Result<(u64, [u8; 32]), FileError> {
    let path = root.path().join(relative);
    let file = root.file(relative).map_err(at("open", &path))?;
    hash(&file, meter).map_err(at("read", &path))
}

/// Returns length and BLAKE3 of a regular file, the digest in hexadecimal, as bundles have it.
pub fn measure_file(path: &Path) -> Result<(u64, String), FileError> {
    let (len, digest) = measure(path, &Meter::silent())?;
    Ok((len, blake3::Hash::from(digest).to_hex().to_string()))
}

/// Like [`measure`], for an open file, which is read from its beginning.
pub(crate) fn hash(mut file: &File, meter: &Meter<'_>) -> io::Result<(u64, [u8; 32])> {
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = blake3::Hasher::new();
    let len = io::copy(&mut meter.over(file), &mut Hash(&mut hasher))?;
    Ok((len, *hasher.finalize().as_bytes()))
}

struct Hash<'h>(&'h mut blake3::Hasher);

impl Write for Hash<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_is_replaced_whole_and_no_temporary_file_is_left() {
        let room = tempfile::tempdir().unwrap();
        assert!(write_atomically(room.path(), "logs/health.json", b"one").unwrap());
        assert!(write_atomically(room.path(), "logs/health.json", b"two").unwrap());
        assert!(
            !write_atomically(room.path(), "logs/health.json", b"two").unwrap(),
            "same bytes are not written again"
        );
        assert_eq!(fs::read(room.path().join("logs/health.json")).unwrap(), b"two");
        assert_eq!(fs::read_dir(room.path().join("logs")).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_written_outside_of_the_directory() {
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join("victim"), "mine").unwrap();
        let inner = room.path().join("a");
        fs::create_dir(&inner).unwrap();
        for path in ["../victim", "b/../../victim", "/victim", "b//c", "./c", "..", ""] {
            // What the temporary file holds already does not matter either.
            for bytes in ["mine", "other"] {
                let error = write_atomically(&inner, path, bytes.as_bytes()).expect_err(path);
                assert!(error.to_string().contains("leads out of the directory"), "{path}: {error}");
            }
        }
        assert_eq!(fs::read(room.path().join("victim")).unwrap(), b"mine");
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let room = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), room.path().join("logs")).unwrap();
        let error = write_atomically(room.path(), "logs/health.json", b"one").unwrap_err();
        assert!(error.to_string().contains("found a symbolic link"), "{error}");

        let victim = outside.path().join("victim");
        fs::write(&victim, "untouched").unwrap();
        symlink(&victim, room.path().join(".a.json.tmp")).unwrap();
        symlink(&victim, room.path().join("a.json")).unwrap();
        write_as_holder(&Tree::open_itself(room.path()).unwrap(), "a.json", b"untouched", &Steps::default()).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"untouched");
        assert!(fs::symlink_metadata(room.path().join("a.json")).unwrap().is_file());
    }

    #[test]
    fn processes_that_write_the_same_file_at_the_same_time_all_succeed_and_leave_no_temporary_file() {
        let room = tempfile::tempdir().unwrap();
        let texts: Vec<String> = (0..4).map(|index| index.to_string().repeat(100_000)).collect();
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| {
                    (0..20).for_each(|_| assert!(write_atomically(room.path(), "a", text.as_bytes()).is_ok()));
                });
            }
        });
        assert!(texts.contains(&fs::read_to_string(room.path().join("a")).unwrap()));
        assert_eq!(fs::read_dir(room.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_temporary_file_that_cannot_take_its_place_is_removed() {
        let room = tempfile::tempdir().unwrap();
        fs::create_dir_all(room.path().join("a/in the way")).unwrap();
        assert!(write_atomically(room.path(), "a", b"text").is_err());
        assert_eq!(fs::read_dir(room.path()).unwrap().count(), 1);
    }

    #[test]
    fn few_files_and_many_can_be_synced_and_a_missing_one_cannot() {
        let room = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..40).map(|index| index.to_string()).collect();
        let paths: Vec<&str> = names.iter().map(String::as_str).collect();
        for path in &paths {
            fs::write(room.path().join(path), path).unwrap();
        }
        let tree = Tree::open(room.path()).unwrap();
        sync_below(&tree, &paths).unwrap();
        sync_below(&tree, &paths[..2]).unwrap();
        assert!(sync_below(&tree, &["none"]).is_err());
    }

    #[test]
    fn a_file_is_measured_by_length_and_blake3() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("a");
        let bytes = vec![7; 300_000];
        fs::write(&path, &bytes).unwrap();
        assert_eq!(measure(&path, &Meter::silent()).unwrap(), (300_000, *blake3::hash(&bytes).as_bytes()));
    }
}
