//! The file of a stage's output: made by evlog, and at its end proven to be what evlog wrote.
//!
//! The file stands in the bundle while the stage runs, so that people can follow it, and the stage runs as the same user,
//! so it can write there too. What counts is what evlog wrote: it keeps a copy that has no name, and hashes as it writes.
//!
//! Does: open the file, write it, prove it, and put the copy in its place where it is another. Does not: mask anything,
//! but in what an earlier process left.
//!
//! Invariants:
//! - Nothing is written into a file that evlog did not make, or that is not what the log says of it.
//! - The length and digest that are given are those of the bytes that evlog wrote, and the file has these bytes.

use crate::files::{FILE_MODE, FileError, at, hash, make_parents, set_aside, sync_directory};
use crate::meter::Meter;
use crate::secrets::Secrets;
use crate::step::Steps;
use crate::tree::{Tree, open_regular};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Length and BLAKE3.
pub(crate) type Measured = (u64, [u8; 32]);

/// Stands before what an earlier process left and could not record.
const FOUND: &[u8] =
    b"evlog: what follows stood here when the run was taken up; evlog was ended before it recorded it\n";

/// The file of a stage's output, open.
pub(crate) struct Output {
    bundle: PathBuf,
    relative: String,
    path: PathBuf,
    /// The file in the bundle.
    file: File,
    /// The same bytes in a file without a name; none once that could not be written.
    copy: Option<File>,
    hasher: blake3::Hasher,
    len: u64,
}

/// An output, and where a file was put that stood in its place and that evlog does not know.
pub(crate) struct Opened {
    /// The output.
    pub(crate) output: Output,
    /// Where the other file is.
    pub(crate) set_aside: Option<PathBuf>,
}

impl Output {
    /// Makes the file at `relative` in the bundle, or goes on with one that is what the log says of an earlier attempt's
    /// output. The copy is made in `shelf`.
    pub(crate) fn open(
        bundle: &Path,
        relative: &str,
        shelf: &Path,
        earlier: Option<Measured>,
        steps: &Steps,
    ) -> Result<Opened, FileError> {
        let path = bundle.join(relative);
        make_parents(bundle, relative, steps)?;
        let mut aside = None;
        if let Ok(found) = fs::symlink_metadata(&path) {
            if !found.is_file() {
                let error = io::Error::new(io::ErrorKind::AlreadyExists, "expected a regular file or none");
                return Err(at("open", &path)(error));
            }
            if let Some(earlier) = earlier {
                let copy = nameless(shelf)?;
                let gone_on = go_on(&path, &copy, earlier).map_err(at("open", &path))?;
                if let Some((file, hasher)) = gone_on {
                    let (bundle, relative, len) = (bundle.to_owned(), relative.to_owned(), earlier.0);
                    let output = Output { bundle, relative, path, file, copy: Some(copy), hasher, len };
                    return Ok(Opened { output, set_aside: None });
                }
            }
            aside = Some(set_aside(&path, bundle)?);
        }
        let made = OpenOptions::new().read(true).append(true).create_new(true).mode(FILE_MODE).open(&path);
        let file = made.map_err(at("open", &path))?;
        let (copy, hasher) = (Some(nameless(shelf)?), blake3::Hasher::new());
        let (bundle, relative) = (bundle.to_owned(), relative.to_owned());
        Ok(Opened { output: Output { bundle, relative, path, file, copy, hasher, len: 0 }, set_aside: aside })
    }

    /// Whether the file in the bundle is the one that is written here, under no other name, with the bytes that were
    /// written and no others.
    pub(crate) fn stands(&self) -> bool {
        let written = (self.len, *self.hasher.finalize().as_bytes());
        let found = || -> io::Result<bool> {
            let Ok(tree) = Tree::open_itself(&self.bundle) else { return Ok(false) };
            let found = tree.file(&self.relative)?;
            let (of_found, own) = (found.metadata()?, self.file.metadata()?);
            let is_it = (of_found.dev(), of_found.ino()) == (own.dev(), own.ino());
            Ok(is_it && own.nlink() == 1 && own.len() == self.len && hash(&found, &Meter::silent())? == written)
        };
        found().unwrap_or(false)
    }

    /// Makes the file durable, and gives what was written. Where another file stands in its place, or other bytes stand
    /// in it, it is made anew from the copy.
    pub(crate) fn settle(mut self) -> Result<Measured, FileError> {
        if !self.stands() {
            self.make_anew()?;
        }
        self.file.sync_all().map_err(at("sync", &self.path))?;
        Ok((self.len, *self.hasher.finalize().as_bytes()))
    }

    fn make_anew(&mut self) -> Result<(), FileError> {
        let lost = || io::Error::other("expected the output that was captured, found other bytes and no copy of it");
        let mut copy = self.copy.take().ok_or_else(lost).map_err(at("write", &self.path))?;
        let directory = make_parents(&self.bundle, &self.relative, &Steps::default())?;
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.is_dir()) {
            set_aside(&self.path, &self.bundle)?;
        }
        let temporary = temporary(&self.path);
        copy.seek(SeekFrom::Start(0)).map_err(at("read", &self.path))?;
        let mut file = make_temporary(&temporary)?;
        io::copy(&mut copy, &mut file).and_then(|_| file.sync_all()).map_err(at("write", &temporary))?;
        fs::rename(&temporary, &self.path).map_err(at("replace", &self.path))?;
        sync_directory(&directory)?;
        self.file = file;
        if self.stands() { Ok(()) } else { Err(at("write", &self.path)(lost())) }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.file.write(bytes)?;
        // Without the copy the file may still be proven to be what was written.
        if self.copy.as_mut().is_some_and(|copy| copy.write_all(&bytes[..len]).is_err()) {
            self.copy = None;
        }
        self.hasher.update(&bytes[..len]);
        self.len += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a file that must be what was recorded, for writing at its end, and copies it.
fn go_on(path: &Path, mut copy: &File, recorded: Measured) -> io::Result<Option<(File, blake3::Hasher)>> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::NONBLOCK).bits().cast_signed())
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() != 1 || found.len() != recorded.0 {
        return Ok(None);
    }
    let (mut reader, mut hasher, mut piece) = (&file, blake3::Hasher::new(), vec![0; 1 << 16]);
    loop {
        let len = reader.read(&mut piece)?;
        if len == 0 {
            break;
        }
        hasher.update(&piece[..len]);
        copy.write_all(&piece[..len])?;
    }
    let is_it = hasher.count() == recorded.0 && *hasher.finalize().as_bytes() == recorded.1;
    Ok(is_it.then_some((file, hasher)))
}

/// Makes what an earlier process left, and could not record, a file of evlog's own: secrets are masked in it, for the
/// stage may have written there too, and a line at its beginning says what it is. Gives what the file holds then.
pub(crate) fn adopt(
    bundle: &Path,
    relative: &str,
    secrets: &Secrets,
    meter: &Meter<'_>,
) -> Result<Measured, FileError> {
    let path = bundle.join(relative);
    let found = open_regular(&path).map_err(at("open", &path))?;
    let directory = make_parents(bundle, relative, &Steps::default())?;
    let temporary = temporary(&path);
    let mut file = make_temporary(&temporary)?;
    let adopted = copy_masked(&found, &mut file, secrets, meter);
    let adopted = adopted.and_then(|()| file.sync_all()).map_err(at("write", &temporary));
    if let Err(error) = adopted {
        // The first error is the one to tell.
        let _left = fs::remove_file(&temporary);
        return Err(error);
    }
    fs::rename(&temporary, &path).map_err(at("replace", &path))?;
    sync_directory(&directory)?;
    hash(&file, meter).map_err(at("read", &path))
}

fn copy_masked(found: &File, file: &mut File, secrets: &Secrets, meter: &Meter<'_>) -> io::Result<()> {
    let (mut reader, mut masking) = (meter.over(found), secrets.masking());
    let (mut piece, mut masked, mut is_first) = (vec![0; 1 << 16], Vec::new(), true);
    loop {
        let len = reader.read(&mut piece)?;
        if len == 0 {
            break;
        }
        if is_first && !piece[..len].starts_with(FOUND) {
            file.write_all(FOUND)?;
        }
        is_first = false;
        masked.clear();
        masking.push(&piece[..len], &mut masked);
        file.write_all(&masked)?;
    }
    masked.clear();
    masking.finish(&mut masked);
    file.write_all(&masked)
}

/// A file that only this process can name.
fn nameless(shelf: &Path) -> Result<File, FileError> {
    let path = shelf.join(format!(".output-{}", uuid::Uuid::new_v4().simple()));
    let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
    let file = made.map_err(at("make", &path))?;
    fs::remove_file(&path).map_err(at("remove", &path))?;
    Ok(file)
}

fn temporary(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.tmp", path.file_name().unwrap_or_default().to_string_lossy()))
}

/// What stands there may be a link that someone placed: it is removed, never opened.
fn make_temporary(path: &Path) -> Result<File, FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at("remove", path)(error)),
        _ => {}
    }
    OpenOptions::new().read(true).append(true).create_new(true).mode(FILE_MODE).open(path).map_err(at("make", path))
}
