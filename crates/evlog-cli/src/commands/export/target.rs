//! Where an export goes: stdout, a file, or a directory with files for each day.
//!
//! Invariant: a file or directory gets its name when it is complete and synced, and replaces nothing. Until then it has a temporary
//! name, and it is removed if the export fails.

use crate::error::CommandError;
use crate::files;
use crate::json::ExportedFile;
use crate::ui::Bytes;
use evlog::View;
use evlog_export::{EventLine, Flat, Format, Sink};
use evlog_store::{Fs, StdFs};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir};

/// A file that was written. Its path is relative to the target, and empty if it is the target.
pub(super) type Written = ExportedFile;

/// Bytes that are gathered before they are written.
const BUFFER_LEN: usize = 1 << 20;

pub(super) fn taken(path: &Path) -> CommandError {
    CommandError::taken(&format!("--out `{}`", path.display()), "an export")
}

/// A writer that counts and hashes what it writes. It gets its bytes from a buffer, because many small pieces take long to hash.
struct Out<'u> {
    to: To<'u>,
    bytes: u64,
    hash: blake3::Hasher,
}

enum To<'u> {
    Answer(Bytes<'u>),
    Draft(NamedTempFile),
    Part(File),
}

impl<'u> Out<'u> {
    fn buffered(to: To<'u>) -> BufWriter<Out<'u>> {
        BufWriter::with_capacity(BUFFER_LEN, Out { to, bytes: 0, hash: blake3::Hasher::new() })
    }
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = match &mut self.to {
            To::Answer(answer) => answer.write(bytes),
            To::Draft(draft) => draft.write(bytes),
            To::Part(part) => part.write(bytes),
        }?;
        self.bytes += len as u64;
        self.hash.update(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Answer(answer) => answer.flush(),
            To::Draft(draft) => draft.flush(),
            To::Part(part) => part.flush(),
        }
    }
}

/// A file that is being written.
struct Open<'u> {
    path: String,
    events: u64,
    sink: Box<dyn Sink<BufWriter<Out<'u>>> + 'u>,
}

/// A directory that is being made.
struct Days {
    draft: TempDir,
    /// The day of the file that is open: `2026-03-02`.
    day: String,
}

/// Where an export goes.
pub(super) struct Target<'u> {
    format: Format,
    log_id: String,
    flat: Flat,
    out: PathBuf,
    days: Option<Days>,
    open: Option<Open<'u>>,
    written: Vec<Written>,
}

impl<'u> Target<'u> {
    fn new(format: Format, view: &View, flat: Flat, out: &Path) -> Target<'u> {
        let (log_id, out, days, open, written) = (view.log_id().to_string(), out.to_path_buf(), None, None, Vec::new());
        Target { format, log_id, flat, out, days, open, written }
    }

    /// Standard output.
    pub(super) fn answer(format: Format, view: &View, flat: Flat, answer: Bytes<'u>) -> Result<Self, CommandError> {
        Target::new(format, view, flat, Path::new("-")).begun(To::Answer(answer))
    }

    /// A file.
    pub(super) fn file(format: Format, view: &View, flat: Flat, out: &Path) -> Result<Self, CommandError> {
        let draft = files::begin_draft(out, files::MODE)?;
        Target::new(format, view, flat, out).begun(To::Draft(draft))
    }

    /// A directory.
    pub(super) fn days(format: Format, view: &View, flat: Flat, out: &Path) -> Result<Self, CommandError> {
        let draft = files::draft_dir(out)?;
        files::make_dir(&made(&draft))?;
        let days = Some(Days { draft, day: String::new() });
        Ok(Target { days, ..Target::new(format, view, flat, out) })
    }

    fn begun(mut self, to: To<'u>) -> Result<Self, CommandError> {
        self.open = Some(self.opened(String::new(), to)?);
        Ok(self)
    }

    fn opened(&self, path: String, to: To<'u>) -> Result<Open<'u>, CommandError> {
        let sink =
            self.format.begin(&self.log_id, &self.flat, Out::buffered(to)).map_err(|error| self.failed(&error))?;
        let Some(sink) = sink else { unreachable!("a format that is not built in was refused before") };
        Ok(Open { path, events: 0, sink })
    }

    fn failed(&self, error: &io::Error) -> CommandError {
        CommandError::file("write", self.out.display(), error)
    }

    /// Writes an event.
    pub(super) fn event(&mut self, event: &EventLine<'_>) -> Result<(), CommandError> {
        self.begin_day(event)?;
        let Some(open) = &mut self.open else { unreachable!("a file is open, or was opened for the day") };
        open.events += 1;
        let written = open.sink.event(event);
        written.map_err(|error| self.failed(&error))
    }

    /// Opens a file for the day, if there is one for each. A day that comes back, because a clock went back, gets another file, so that
    /// no more than one is open.
    fn begin_day(&mut self, event: &EventLine<'_>) -> Result<(), CommandError> {
        let Some(days) = &mut self.days else { return Ok(()) };
        let time = event.head.times.recorded.as_deref().unwrap_or_default();
        let (day, _) = time.split_once('T').unwrap_or((time, ""));
        if days.day == day {
            return Ok(());
        }
        day.clone_into(&mut days.day);
        let (extension, dir) = (self.format.extension(), made(&days.draft).join(format!("day={day}")));
        let path = format!("day={day}/{:020}.{extension}", event.seq);
        files::make_dir(&dir)?;
        let part = File::create_new(made(&days.draft).join(&path)).map_err(|error| self.failed(&error))?;
        self.end_file()?;
        self.open = Some(self.opened(path, To::Part(part))?);
        Ok(())
    }

    /// Completes the file that is open.
    fn end_file(&mut self) -> Result<(), CommandError> {
        let Some(Open { path, events, sink }) = self.open.take() else { return Ok(()) };
        let finished = sink.finish().and_then(|mut out| {
            out.flush()?;
            Ok(out.into_inner()?)
        });
        let Out { to, bytes, hash } = finished.map_err(|error| self.failed(&error))?;
        match to {
            To::Answer(_) => {}
            To::Draft(draft) => {
                draft.as_file().sync_all().map_err(|error| self.failed(&error))?;
                draft.persist_noclobber(&self.out).map_err(|error| self.unnamed(&error.error))?;
                files::sync_above(&self.out)?;
            }
            To::Part(part) => {
                part.sync_all().map_err(|error| self.failed(&error))?;
                if let Some(days) = &self.days {
                    // The names of the file and of its day survive a crash before the directory gets its own.
                    let file = made(&days.draft).join(&path);
                    file.ancestors().take(2).try_for_each(files::sync_above)?;
                }
            }
        }
        self.written.push(Written { path, events, bytes, blake3: hash.finalize().to_string() });
        Ok(())
    }

    /// Completes the export, and gives it its name.
    pub(super) fn finish(mut self) -> Result<Vec<Written>, CommandError> {
        self.end_file()?;
        if let Some(days) = &self.days {
            StdFs.name(&made(&days.draft), &self.out).map_err(|error| self.unnamed(&error))?;
            files::sync_above(&self.out)?;
        }
        Ok(self.written)
    }

    fn unnamed(&self, error: &io::Error) -> CommandError {
        if error.kind() == io::ErrorKind::AlreadyExists { taken(&self.out) } else { self.failed(error) }
    }
}

fn made(draft: &TempDir) -> PathBuf {
    draft.path().join("made")
}
