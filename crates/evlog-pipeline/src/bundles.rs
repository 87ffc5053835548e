//! Writes the bundles of many runs, so that one sync serves many files.
//!
//! Does: write the files of a batch of runs as drafts, sync them, rename them to their names, sync again. Does not: record
//! anything in the log. The caller records what [`BundleWriter::settle`] returns.
//!
//! Invariants:
//! - What `settle` returns survives a crash, also files that were there already: another process may have written them and
//!   ended before it synced them.
//! - A name leads to the old file or to the new one, whenever the process or the machine stops.

mod below;

pub use below::Below;

use crate::file_error::FileError;
use evlog::history::ProjectionPublished;
use evlog_projection::Bundle;

/// The directory of all bundles, one for each run.
const RUNS: &str = "runs";
/// So many files make a batch full.
const FILES_MAX: usize = 8192;

/// Where bundles are written. Paths are relative to the directory that holds `runs`.
pub trait Disk {
    /// Whether the file at `path` has these bytes.
    fn holds(&self, path: &str, bytes: &[u8]) -> bool;
    /// Writes a draft under a number. It need not survive a crash.
    fn draft(&mut self, number: usize, bytes: &[u8]) -> Result<(), FileError>;
    /// Makes the drafts with numbers below `end` survive a crash.
    fn sync_drafts(&mut self, end: usize) -> Result<(), FileError>;
    /// Renames a draft to `path` in one step. Makes the directories above the path if needed.
    fn place(&mut self, number: usize, path: &str) -> Result<(), FileError>;
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

/// Writes bundles, a batch at a time.
#[derive(Debug)]
pub struct BundleWriter<D> {
    disk: D,
    waiting: Vec<Written>,
    /// The path of each file of the waiting bundles.
    paths: Vec<String>,
    /// Indexes of those paths of which the new content is a draft: draft 0, 1, …
    drafts: Vec<usize>,
}

impl<D: Disk> BundleWriter<D> {
    /// A writer with an empty batch.
    pub fn new(disk: D) -> BundleWriter<D> {
        BundleWriter { disk, waiting: Vec::new(), paths: Vec::new(), drafts: Vec::new() }
    }

    /// Whether the batch should be settled before the next bundle.
    pub fn is_full(&self) -> bool {
        self.paths.len() >= FILES_MAX
    }

    /// Adds a bundle to the batch: writes drafts of the files that are missing or different.
    pub fn write(&mut self, bundle: &Bundle) -> Result<(), FileError> {
        let mut new = Vec::with_capacity(bundle.files.len());
        for file in bundle.files.values() {
            let path = format!("{RUNS}/{}/{}", bundle.run, file.path);
            let differs = !self.disk.holds(&path, &file.bytes);
            if differs {
                self.disk.draft(self.drafts.len(), &file.bytes)?;
                self.drafts.push(self.paths.len());
            }
            self.paths.push(path);
            new.push(differs);
        }
        self.waiting.push(Written { published: ProjectionPublished::of(bundle), contract: bundle.contract, new });
        Ok(())
    }

    /// Completes the batch and returns its bundles in the order in which they came. All of them survive a crash.
    pub fn settle(&mut self) -> Result<Vec<Written>, FileError> {
        if !self.drafts.is_empty() {
            self.disk.sync_drafts(self.drafts.len())?;
        }
        for (number, path) in self.drafts.drain(..).enumerate() {
            self.disk.place(number, &self.paths[path])?;
        }
        if !self.paths.is_empty() {
            self.disk.sync_places(&self.paths)?;
        }
        self.paths.clear();
        Ok(std::mem::take(&mut self.waiting))
    }
}
