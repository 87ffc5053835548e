//! Writes the bundles of many runs, so that one sync serves many files.
//!
//! Does: write the files of a batch of runs as drafts, sync them, rename them to their names, sync again. The bundle of a run
//! that has no directory yet is one draft, a directory, and takes its name in one step. Does not: record anything in the log.
//! The caller records what [`BundleWriter::settle`] returns.
//!
//! Invariants:
//! - What `settle` returns as written survives a crash, also files that were there already: another process may have written
//!   them and ended before it synced them.
//! - A name leads to the old file or to the new one, whenever the process or the machine stops.
//! - What is in the place of a run's file stops that run and no other. A draft that cannot be written stops all of them, and so
//!   does a failed sync.

mod below;
mod both;
mod draft;

pub use below::Below;
pub use both::BundleWriters;

use crate::file_error::FileError;
use evlog::history::ProjectionPublished;
use evlog_projection::Bundle;

/// The directory of all bundles, one for each run.
const RUNS: &str = "runs";

/// Where bundles are written. Paths are relative to the directory that holds `runs`, and those of drafts to the directory of
/// drafts.
pub trait Disk {
    /// Whether there may be anything in the place of a run's bundle.
    fn has_bundle(&self, run: &str) -> bool;
    /// Whether the file at `path` has these bytes.
    fn holds(&self, path: &str, bytes: &[u8]) -> bool;
    /// Writes a draft of a file. It need not survive a crash.
    fn draft(&mut self, draft: &str, bytes: &[u8]) -> Result<(), FileError>;
    /// Makes the directory `draft`, with the files of a bundle in it. They need not survive a crash.
    fn draft_bundle(&mut self, draft: &str, bundle: &Bundle) -> Result<(), FileError>;
    /// Makes these drafts of files survive a crash, and their names in the directories of drafts of bundles.
    fn sync_drafts(&mut self, drafts: &[String]) -> Result<(), FileError>;
    /// Renames a draft of a file to `path` in one step. Makes the directories above the path if needed.
    fn place(&mut self, draft: &str, path: &str) -> Result<(), FileError>;
    /// Renames the directory `draft` to the place of a run's bundle in one step, unless anything is there or the system cannot
    /// do that. Returns whether it did.
    fn place_bundle(&mut self, draft: &str, run: &str) -> Result<bool, FileError>;
    /// Makes the files at these paths, and the names on the way to them, survive a crash.
    fn sync_places(&mut self, paths: &[String]) -> Result<(), FileError>;
}

/// A bundle whose files are written and synced.
#[derive(Debug)]
pub struct Written {
    /// The content of the event of `$log` about the bundle.
    pub published: ProjectionPublished,
    /// The contract that made it.
    pub contract: &'static str,
    /// For each file: whether it was written, because it was missing or different.
    pub new: Vec<bool>,
}

/// A bundle of which at least one file cannot take its place. Files before that one may be written.
#[derive(Debug)]
pub struct Obstacle {
    /// The run.
    pub run: String,
    /// What is in the way, and where.
    pub error: FileError,
}

/// What became of a bundle.
pub type Settled = Result<Written, Obstacle>;

/// A bundle of which drafts are written.
#[derive(Debug)]
struct Waiting {
    written: Written,
    /// The number of its drafts: the draft of file `i` is `number.i`, and `number` if the whole bundle is the draft.
    number: u64,
    is_whole: bool,
}

impl Waiting {
    /// The path of each file.
    fn paths(&self) -> impl Iterator<Item = String> {
        let ProjectionPublished { run, files, .. } = &self.written.published;
        files.iter().map(move |file| path(run, &file.path))
    }

    /// The draft of a file.
    fn draft(&self, file: usize) -> String {
        let number = self.number;
        if self.is_whole {
            format!("{number}/{}", self.written.published.files[file].path)
        } else {
            format!("{number}.{file}")
        }
    }

    /// The drafts of the files that are new, and the paths that they are for.
    fn drafts(&self) -> impl Iterator<Item = (String, String)> {
        let new = self.paths().enumerate().filter(|(file, _)| self.written.new[*file]);
        new.map(|(file, path)| (self.draft(file), path))
    }
}

fn path(run: &str, file: &str) -> String {
    format!("{RUNS}/{run}/{file}")
}

/// Writes bundles, a batch at a time.
#[derive(Debug)]
pub struct BundleWriter<D> {
    disk: D,
    waiting: Vec<Waiting>,
    /// No two bundles have the same number, so a draft that could not take its place is in no other's way.
    next: u64,
}

impl<D: Disk> BundleWriter<D> {
    /// A writer with an empty batch.
    pub fn new(disk: D) -> BundleWriter<D> {
        BundleWriter { disk, waiting: Vec::new(), next: 0 }
    }

    /// Adds a bundle to the batch: writes drafts of the files that are missing or different.
    pub fn write(&mut self, bundle: &Bundle) -> Result<(), FileError> {
        let number = self.next;
        self.next += 1;
        let is_whole = !self.disk.has_bundle(&bundle.run);
        let files = bundle.files.values();
        let differs = |file: &evlog_projection::File| !self.disk.holds(&path(&bundle.run, &file.path), &file.bytes);
        let new = files.map(|file| is_whole || differs(file)).collect();
        let written = Written { published: ProjectionPublished::of(bundle), contract: bundle.contract, new };
        let waiting = Waiting { written, number, is_whole };
        if is_whole {
            self.disk.draft_bundle(&number.to_string(), bundle)?;
        } else {
            for (at, file) in bundle.files.values().enumerate().filter(|(at, _)| waiting.written.new[*at]) {
                self.disk.draft(&waiting.draft(at), &file.bytes)?;
            }
        }
        self.waiting.push(waiting);
        Ok(())
    }

    /// Completes the batch and returns its bundles in the order in which they came. All that are written survive a crash.
    pub fn settle(&mut self) -> Result<Vec<Settled>, FileError> {
        let waiting = std::mem::take(&mut self.waiting);
        let drafts: Vec<String> = waiting.iter().flat_map(Waiting::drafts).map(|(draft, _)| draft).collect();
        if !drafts.is_empty() {
            self.disk.sync_drafts(&drafts)?;
        }
        let placed: Vec<Result<(), FileError>> = waiting.iter().map(|waiting| self.place(waiting)).collect();
        let is_placed = waiting.iter().zip(&placed).filter(|(_, placed)| placed.is_ok());
        let paths: Vec<String> = is_placed.flat_map(|(waiting, _)| waiting.paths()).collect();
        if !paths.is_empty() {
            self.disk.sync_places(&paths)?;
        }
        let settled = waiting.into_iter().zip(placed).map(|(Waiting { written, .. }, placed)| match placed {
            Ok(()) => Ok(written),
            Err(error) => Err(Obstacle { run: written.published.run, error }),
        });
        Ok(settled.collect())
    }

    fn place(&mut self, waiting: &Waiting) -> Result<(), FileError> {
        let run = &waiting.written.published.run;
        if waiting.is_whole && self.disk.place_bundle(&waiting.number.to_string(), run)? {
            return Ok(());
        }
        waiting.drafts().try_for_each(|(draft, path)| self.disk.place(&draft, &path))
    }
}
