//! The file of a stage's output. evlog creates it, and checks when the stage has ended that it holds what evlog wrote.
//!
//! The file is in the bundle while the stage runs, so that people can follow it. The stage runs as the same user, so it can
//! write there too. What counts is what evlog wrote: evlog keeps a copy that has no name, and hashes as it writes.
//!
//! Does: open the file, write it, check it, and replace it by the copy if it was changed. Does not: mask anything, except in
//! bytes that an earlier process left.
//!
//! Invariants:
//! - Nothing is written into a file that evlog did not make, or that differs from what the log says about it.
//! - The returned length and digest describe the bytes that evlog wrote, and the file has these bytes.

use crate::file_error::{FileError, at};
use crate::files::{FILE_MODE, hash, make_parents, remove_tree, set_aside};
use crate::meter::Meter;
use crate::secrets::Secrets;
use crate::step::Steps;
use crate::tree::Tree;
use evlog::random;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, renameat, unlinkat};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Length and BLAKE3.
pub(crate) type Measured = (u64, [u8; 32]);

/// The line that is put before bytes that an earlier process left and could not record.
const FOUND: &[u8] =
    b"evlog: what follows stood here when the run was resumed; evlog was ended before it recorded it\n";

/// The place where the file of an output belongs.
pub(crate) struct Place<'p> {
    /// The bundle.
    pub(crate) home: &'p Tree,
    /// The directory of all bundles. What is set aside goes there.
    pub(crate) runs: &'p Tree,
    /// The run.
    pub(crate) run: &'p str,
    /// The directory in the bundle where files without a name are made.
    pub(crate) shelf: &'p str,
}

/// The file of a stage's output, open.
pub(crate) struct Output {
    relative: String,
    path: PathBuf,
    /// The file in the bundle.
    file: File,
    /// A copy of the bytes in a file without a name; `None` once that file could not be written.
    copy: Option<File>,
    hasher: blake3::Hasher,
    len: u64,
}

/// An output, and where an unknown file in its place was moved to.
pub(crate) struct Opened {
    /// The output.
    pub(crate) output: Output,
    /// The place where the other file is.
    pub(crate) set_aside: Option<PathBuf>,
}

impl Output {
    /// Makes the file at `relative` in the bundle. If the log has the output of an earlier attempt and the file there is that
    /// output, appends to it.
    pub(crate) fn open(
        place: &Place<'_>,
        relative: &str,
        earlier: Option<Measured>,
        steps: &Steps,
    ) -> Result<Opened, FileError> {
        let path = place.home.path().join(relative);
        let directory = make_parents(place.home, relative, steps)?;
        let name = name_of(relative);
        let mut aside = None;
        if let Ok(found) = directory.stat(name) {
            let is_file = FileType::from_raw_mode(found.st_mode).is_file();
            if let Some(earlier) = earlier.filter(|_| is_file) {
                let copy = nameless(place)?;
                let gone_on = go_on(&directory, name, &copy, earlier).map_err(at("open", &path))?;
                if let Some((file, hasher)) = gone_on {
                    let (relative, len) = (relative.to_owned(), earlier.0);
                    let output = Output { relative, path, file, copy: Some(copy), hasher, len };
                    return Ok(Opened { output, set_aside: None });
                }
            }
            aside = Some(set_aside(&directory, name, place.runs, place.run)?);
        }
        let file = make(&directory, name).map_err(at("open", &path))?;
        let (copy, hasher) = (Some(nameless(place)?), blake3::Hasher::new());
        let relative = relative.to_owned();
        Ok(Opened { output: Output { relative, path, file, copy, hasher, len: 0 }, set_aside: aside })
    }

    /// Whether the file in the bundle is the file that is written here, has no other name, and has exactly the bytes that
    /// were written.
    pub(crate) fn stands(&self, home: &Tree) -> bool {
        let written = (self.len, *self.hasher.finalize().as_bytes());
        let found = || -> io::Result<bool> {
            let found = home.file(&self.relative)?;
            let (of_found, own) = (found.metadata()?, self.file.metadata()?);
            let is_it = (of_found.dev(), of_found.ino()) == (own.dev(), own.ino());
            Ok(is_it && own.nlink() == 1 && own.len() == self.len && hash(&found, &Meter::silent())? == written)
        };
        found().unwrap_or(false)
    }

    /// Makes the file durable, and returns length and digest of what was written. If another file is in its place, or the file
    /// holds other bytes, it is written again from the copy.
    pub(crate) fn settle(mut self, place: &Place<'_>) -> Result<Measured, FileError> {
        if !self.stands(place.home) {
            self.make_anew(place)?;
        }
        self.file.sync_all().map_err(at("sync", &self.path))?;
        Ok((self.len, *self.hasher.finalize().as_bytes()))
    }

    fn make_anew(&mut self, place: &Place<'_>) -> Result<(), FileError> {
        let lost = || io::Error::other("expected the output that was captured, found other bytes and no copy of it");
        let mut copy = self.copy.take().ok_or_else(lost).map_err(at("write", &self.path))?;
        let directory = make_parents(place.home, &self.relative, &Steps::default())?;
        let name = name_of(&self.relative);
        copy.seek(SeekFrom::Start(0)).map_err(at("read", &self.path))?;
        let temporary = temporary(name);
        let mut file = make_temporary(&directory, &temporary)?;
        io::copy(&mut copy, &mut file).and_then(|_| file.sync_all()).map_err(at("write", &self.path))?;
        rename(&directory, &temporary, name, &self.path)?;
        self.file = file;
        if self.stands(place.home) { Ok(()) } else { Err(at("write", &self.path)(lost())) }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.file.write(bytes)?;
        // Even without the copy, the file may still be proven to hold what was written.
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

/// Opens a file that must be what was recorded, to append to it, and copies it.
fn go_on(
    directory: &Tree,
    name: &str,
    mut copy: &File,
    recorded: Measured,
) -> io::Result<Option<(File, blake3::Hasher)>> {
    let file = directory.file_with(name, OFlags::RDWR | OFlags::APPEND, Mode::empty())?;
    let found = file.metadata()?;
    if found.nlink() != 1 || found.len() != recorded.0 {
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

/// Makes a file of evlog's own from what an earlier process left and could not record. Masks secrets in it, because the stage
/// may have written there too, and puts a line at its beginning that says what it is. Returns what the file holds then.
pub(crate) fn adopt(home: &Tree, relative: &str, secrets: &Secrets, meter: &Meter<'_>) -> Result<Measured, FileError> {
    let path = home.path().join(relative);
    let found = home.file(relative).map_err(at("open", &path))?;
    let directory = make_parents(home, relative, &Steps::default())?;
    let temporary = temporary(name_of(relative));
    let mut file = make_temporary(&directory, &temporary)?;
    let adopted = copy_masked(&found, &mut file, secrets, meter);
    let adopted = adopted.and_then(|()| file.sync_all()).map_err(at("write", &path));
    if let Err(error) = adopted {
        // The first error is the one to report.
        let _left = unlinkat(&directory, &temporary, AtFlags::empty());
        return Err(error);
    }
    rename(&directory, &temporary, name_of(relative), &path)?;
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

/// A file without a name, which only this process can reach.
fn nameless(place: &Place<'_>) -> Result<File, FileError> {
    let name = format!(".output-{}", random::name());
    let path = place.home.path().join(place.shelf).join(&name);
    let shelf = make_parents(place.home, &format!("{}/{name}", place.shelf), &Steps::default())?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
    let file = shelf.file_with(&name, flags, Mode::from_raw_mode(0o600)).map_err(at("make", &path))?;
    unlinkat(&shelf, &name, AtFlags::empty()).map_err(|error| at("remove", &path)(error.into()))?;
    Ok(file)
}

fn name_of(relative: &str) -> &str {
    relative.rsplit('/').next().unwrap_or(relative)
}

fn temporary(name: &str) -> String {
    format!(".{name}.tmp")
}

/// Makes a file that does not exist yet, to read it and to append to it.
fn make(directory: &Tree, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL;
    directory.file_with(name, flags, Mode::from_raw_mode(FILE_MODE))
}

/// What is there may be a link that someone placed, or a directory. It is removed, and never opened.
fn make_temporary(directory: &Tree, name: &str) -> Result<File, FileError> {
    remove_tree(directory, name)?;
    make(directory, name).map_err(at("make", &directory.path().join(name)))
}

fn rename(directory: &Tree, from: &str, to: &str, path: &Path) -> Result<(), FileError> {
    renameat(directory, from, directory, to).map_err(|error| at("replace", path)(error.into()))?;
    directory.sync()
}
