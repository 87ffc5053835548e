//! The results of runs whose last event was folded, kept until all have ended and are reported in the order of their
//! names.

use super::{Compared, Replay};
use evlog_projection::FoldError;
use evlog_projection::digests::BundleDigests;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The result of a run.
pub(super) struct EndedRun {
    pub(super) compared: Compared,
    /// `Ok(None)` for a run without events.
    pub(super) bundle: Result<Option<BundleDigests>, FoldError>,
}

/// Runs that have ended.
#[derive(Default)]
pub(super) struct Ended {
    rebuilt: Vec<Rebuilt>,
    compared: Compared,
    errors: Vec<FoldError>,
    /// The lists of paths that occur, without duplicates, because most runs have the same files as others.
    paths: BTreeSet<Arc<Vec<String>>>,
}

/// The digests of a run's files.
struct Rebuilt {
    run: Box<str>,
    events: u64,
    paths: Arc<Vec<String>>,
    /// One for each path.
    blake3: Box<[[u8; 32]]>,
}

impl Ended {
    /// Adds a run.
    pub(super) fn add(&mut self, run: String, EndedRun { compared, bundle }: EndedRun) {
        self.compared.extend(compared);
        match bundle {
            Ok(Some(bundle)) => self.rebuilt(run, bundle),
            Ok(None) => {}
            Err(error) => self.errors.push(error),
        }
    }

    fn rebuilt(&mut self, run: String, BundleDigests { events, files }: BundleDigests) {
        let (paths, blake3): (Vec<_>, Vec<_>) = files.into_iter().map(|(path, file)| (path, file.blake3)).unzip();
        let paths = self.paths.get(&paths).cloned().unwrap_or_else(|| {
            let paths = Arc::new(paths);
            self.paths.insert(Arc::clone(&paths));
            paths
        });
        self.rebuilt.push(Rebuilt { run: run.into(), events, paths, blake3: blake3.into() });
    }

    /// Adds what another thread has.
    pub(super) fn extend(&mut self, other: Ended) {
        self.rebuilt.extend(other.rebuilt);
        self.compared.extend(other.compared);
        self.errors.extend(other.errors);
    }

    /// Names of all runs of which there were events.
    pub(super) fn runs(&self) -> impl Iterator<Item = &str> {
        let failed = self.errors.iter().map(|error| error.run.as_str());
        self.rebuilt.iter().map(|rebuilt| &*rebuilt.run).chain(failed)
    }

    /// The report: all runs in the order of their names, and then the comparisons for unknown runs.
    pub(super) fn report(mut self, unknown: Compared) -> Replay {
        self.rebuilt.sort_unstable_by(|a, b| a.run.cmp(&b.run));
        self.errors.sort_by(|a, b| a.run.cmp(&b.run));
        // The differences of one run stay in the order in which they were compared.
        self.compared.differences.sort_by(|a, b| a.run.cmp(&b.run));
        self.compared.extend(unknown);
        let Compared { files: compared, differences } = self.compared;
        let mut report = Replay { compared, differences, errors: self.errors, ..Replay::default() };
        let mut digest = blake3::Hasher::new();
        for rebuilt in &self.rebuilt {
            report.runs += 1;
            report.events += rebuilt.events;
            report.files += rebuilt.paths.len() as u64;
            for (path, blake3) in rebuilt.paths.iter().zip(&rebuilt.blake3) {
                for part in [rebuilt.run.as_bytes(), path.as_bytes()] {
                    digest.update(&(part.len() as u64).to_le_bytes());
                    digest.update(part);
                }
                digest.update(blake3);
            }
        }
        report.digest = *digest.finalize().as_bytes();
        report
    }
}
