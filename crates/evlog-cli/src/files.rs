//! Files of bundles: written whole or not at all, found without following links.

use crate::error::CommandError;
use evlog_lifecycle::form::text_of;
use evlog_pipeline::open_regular;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The directory of all bundles, one for each run.
pub(crate) const RUNS: &str = "runs";

/// The state of a run of any contract, within its bundle.
pub(crate) const RUN_FILE: &str = "run.json";

/// What a person does about a file that cannot be continued. The file may be anything: nobody is told to remove it.
pub(crate) const ANEW: &str = "name another file; one that does not exist yet begins anew";

/// Bytes that are read at once when a file is measured.
const PIECE_LEN: usize = 64 * 1024;

/// A file is read and compared only if it exceeds the expected length by at most this many bytes.
const LONGER_MAX: u64 = 64 * 1024 * 1024;

/// What is at a path.
#[derive(Debug)]
pub(crate) enum Found {
    /// A regular file, with its bytes.
    File(Vec<u8>),
    /// Nothing.
    Nothing,
    /// Something else, in words.
    Other(&'static str),
}

fn refuse<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> CommandError + use<'p> {
    move |error| CommandError::file(action, path.display(), &error)
}

/// Nothing, or something that is not a regular file; `None` for a regular file.
fn unlike_file(path: &Path) -> Result<Option<Found>, CommandError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Some(Found::Nothing));
        }
        Err(error) => return Err(refuse("read", path)(error)),
    };
    Ok(if found.is_symlink() {
        Some(Found::Other("a symbolic link"))
    } else if found.is_dir() {
        Some(Found::Other("a directory"))
    } else if !found.is_file() {
        Some(Found::Other("not a regular file"))
    } else {
        None
    })
}

/// What is at a path; a file is read unless it is much longer than expected.
pub(crate) fn find(path: &Path, expected_len: usize) -> Result<Found, CommandError> {
    if let Some(other) = unlike_file(path)? {
        return Ok(other);
    }
    let len_max = expected_len as u64 + LONGER_MAX;
    let mut bytes = Vec::new();
    let file = open_regular(path).map_err(refuse("read", path))?;
    file.take(len_max + 1).read_to_end(&mut bytes).map_err(refuse("read", path))?;
    Ok(if bytes.len() as u64 > len_max { Found::Other("a far longer file") } else { Found::File(bytes) })
}

/// Reads a file that evlog made itself, of bounded length; `None` if there is none. Links are not followed, and only a
/// regular file is opened.
pub(crate) fn read_own(path: &Path, len_max: u64) -> Result<Option<Vec<u8>>, CommandError> {
    let file = match open_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(refuse("read", path))?,
    };
    if file.metadata().is_ok_and(|found| found.len() > len_max) {
        return Err(too_long(path, len_max));
    }
    let mut bytes = Vec::new();
    file.take(len_max.saturating_add(1)).read_to_end(&mut bytes).map_err(refuse("read", path))?;
    if bytes.len() as u64 > len_max { Err(too_long(path, len_max)) } else { Ok(Some(bytes)) }
}

/// Opens a file to lock it, and creates it if needed. An existing file is not emptied; a link is not followed.
pub(crate) fn open_lock(path: &Path) -> Result<File, CommandError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = fs::OpenOptions::new();
    let opened = options.read(true).write(true).create(true).custom_flags(flags.bits().cast_signed()).open(path);
    match (opened, fs::symlink_metadata(path)) {
        (Ok(file), _) if file.metadata().is_ok_and(|found| found.is_file()) => Ok(file),
        (Err(error), Err(_)) => Err(refuse("open", path)(error)),
        (Err(error), Ok(found)) if found.is_file() => Err(refuse("open", path)(error)),
        _ => Err(refuse("open", path)(io::Error::other("expected a regular file"))),
    }
}

fn too_long(path: &Path, len_max: u64) -> CommandError {
    CommandError::unlike(format!("`{}`", path.display()), format!("a file of at most {len_max} bytes"), "a longer one")
}

/// The text of a file that a person wrote, of bounded length.
pub(crate) fn read_text(path: &Path, len_max: u64) -> Result<String, CommandError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(refuse("read", path))?;
    file.take(len_max + 1).read_to_end(&mut bytes).map_err(refuse("read", path))?;
    if bytes.len() as u64 > len_max {
        return Err(too_long(path, len_max));
    }
    let text = text_of(&bytes).map_err(|why| CommandError::user(format!("`{}`: {why}", path.display())))?;
    Ok(text.to_owned())
}

/// Length and BLAKE3 of a file, read in pieces; or what is there instead.
pub(crate) fn measure(path: &Path) -> Result<Result<(u64, [u8; 32]), Found>, CommandError> {
    if let Some(other) = unlike_file(path)? {
        return Ok(Err(other));
    }
    let mut file = open_regular(path).map_err(refuse("read", path))?;
    let mut piece = vec![0; PIECE_LEN];
    let mut hasher = blake3::Hasher::new();
    let mut len = 0;
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(Ok((len, *hasher.finalize().as_bytes()))),
            Ok(read) => {
                hasher.update(&piece[..read]);
                len += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(refuse("read", path)(error)),
        }
    }
}

/// Names in a directory, in byte order.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, CommandError> {
    let entries = fs::read_dir(dir).map_err(refuse("read", dir))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(refuse("read", dir))?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// Paths of everything below a directory that is not a directory, with `/`, in byte order; without what is below the
/// directory `except`, directly under it. No directory, nothing.
pub(crate) fn walk(root: &Path, except: &str) -> Result<Vec<String>, CommandError> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(inner) = open.pop() {
        let dir = root.join(&inner);
        if !fs::symlink_metadata(&dir).is_ok_and(|found| found.is_dir()) {
            continue;
        }
        for name in names(&dir)? {
            let path = if inner.is_empty() { name } else { format!("{inner}/{name}") };
            match fs::symlink_metadata(root.join(&path)) {
                Ok(found) if found.is_dir() && path != except => open.push(path),
                Ok(found) if found.is_dir() => {}
                _ => found.push(path),
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Writes `bytes` to the file at `relative` below `root`, which is created if needed. Returns whether anything was
/// written: a file that already has these bytes is not touched.
pub(crate) fn write(root: &Path, relative: &str, bytes: &[u8]) -> Result<bool, CommandError> {
    make_dir(root)?;
    evlog_pipeline::write_atomically(root, relative, bytes).map_err(|error| CommandError::user(error.to_string()))
}

/// The permissions of files that are made for others, and of directories, less the umask.
pub(crate) const MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;

/// Makes a directory and those above it, where there are none.
pub(crate) fn make_dir(path: &Path) -> Result<(), CommandError> {
    if fs::metadata(path).is_ok_and(|found| !found.is_dir()) {
        return Err(CommandError::unlike(format!("`{}`", path.display()), "a directory", "a file")
            .hint("name a directory; it is made if there is none"));
    }
    fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path).map_err(refuse("make", path))
}

/// Writes `bytes` to a file completely, or leaves the old file unchanged. Other than regular files, such as
/// `/dev/stdout` or a pipe, are written to and never replaced. A link stays, and leads to the new content.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    // `/dev/stdout` leads to an open file of this process: write to it, do not replace it.
    if path.starts_with("/dev") {
        return write_into(path, bytes);
    }
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let path = &match fs::canonicalize(path) {
        Ok(real) => real,
        // A link to a file that does not exist yet: the system creates the file at the link's target.
        Err(_) if is_link => return write_into(path, bytes),
        Err(_) => path.to_path_buf(),
    };
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return write_into(path, bytes);
    }
    let draft = draft(path, MODE, bytes)?;
    draft.persist(path).map_err(|error| refuse("write", path)(error.error))?;
    sync_above(path)
}

/// Writes to what is at the path. A pipe without a reader is an error; the command does not wait for one.
fn write_into(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(MODE).custom_flags(nonblocking).open(path);
    opened.and_then(|mut file| file.write_all(bytes)).map_err(refuse("write", path))
}

/// A synced temporary file beside the target, removed unless it gets the target's name.
pub(crate) fn draft(path: &Path, mode: u32, bytes: &[u8]) -> Result<tempfile::NamedTempFile, CommandError> {
    let mut draft = begin_draft(path, mode)?;
    draft.write_all(bytes).and_then(|()| draft.as_file().sync_all()).map_err(refuse("write", path))?;
    Ok(draft)
}

/// An empty temporary file beside the target.
pub(crate) fn begin_draft(path: &Path, mode: u32) -> Result<tempfile::NamedTempFile, CommandError> {
    let permissions = fs::Permissions::from_mode(mode);
    let draft = tempfile::Builder::new().prefix(".evlog-").permissions(permissions).tempfile_in(above(path));
    draft.map_err(|error| without_random_name(&error)).map_err(refuse("write", path))
}

/// The cause alone. The library adds the path of its temporary file, which nobody named.
fn without_random_name(error: &io::Error) -> io::Error {
    let known = [
        (io::ErrorKind::NotFound, Errno::NOENT),
        (io::ErrorKind::NotADirectory, Errno::NOTDIR),
        (io::ErrorKind::PermissionDenied, Errno::ACCESS),
        (io::ErrorKind::ReadOnlyFilesystem, Errno::ROFS),
        (io::ErrorKind::StorageFull, Errno::NOSPC),
        (io::ErrorKind::InvalidFilename, Errno::NAMETOOLONG),
    ];
    let cause = known.iter().find(|(kind, _)| *kind == error.kind());
    cause.map_or_else(|| error.kind().into(), |(_, errno)| (*errno).into())
}

/// A temporary directory beside the target, removed with its content.
pub(crate) fn draft_dir(path: &Path) -> Result<tempfile::TempDir, CommandError> {
    tempfile::Builder::new()
        .prefix(".evlog-")
        .tempdir_in(above(path))
        .map_err(|error| without_random_name(&error))
        .map_err(refuse("make", path))
}

/// Makes the name of a file survive a crash.
pub(crate) fn sync_above(path: &Path) -> Result<(), CommandError> {
    File::open(above(path)).and_then(|dir| dir.sync_all()).map_err(refuse("sync", path))
}

fn above(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
