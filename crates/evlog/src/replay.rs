//! Replay: every projection rebuilt from the log alone, and compared with every digest that was recorded when files
//! were published.
//!
//! Invariant: the log is read once, in order, however many runs take turns in it. Of each run one state is held, and
//! digests instead of files.

use crate::error::LogError;
use crate::history::{LOG_STREAM, ProjectionPublished, PublishedFile};
use crate::view::View;
use evlog_format::Seq;
use evlog_projection::digests::{BundleDigests, DigestFold, FileDigest};
use evlog_projection::{Fact, FoldError};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Progress is told each time so many events were read.
const PROGRESS_EVERY: u64 = 1024;

/// What a replay found.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// Runs that were folded.
    pub runs: u64,
    /// Events of those runs.
    pub events: u64,
    /// Files that were rebuilt, as of the end of the log.
    pub files: u64,
    /// Recorded files that were compared.
    pub compared: u64,
    /// Recorded files that the replay does not reproduce.
    pub differences: Vec<ReplayDifference>,
    /// Runs that cannot be folded.
    pub errors: Vec<FoldError>,
    /// BLAKE3 over run, path and digest of every rebuilt file, in byte order: two replays of one log give one value.
    pub digest: [u8; 32],
}

/// A file that was published with other bytes than the log gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayDifference {
    /// The run.
    pub run: String,
    /// Path within the bundle.
    pub path: String,
    /// Seq of the last event that the publication covers.
    pub seq: u64,
    /// The recorded file: digest and length; none if none was recorded for a file that the replay makes.
    pub expected: Option<([u8; 32], u64)>,
    /// The rebuilt file, likewise.
    pub found: Option<([u8; 32], u64)>,
    /// Set when the recorded projection version is not the one of this program.
    pub version: Option<(u16, u16)>,
}

/// Rebuilds every projection of the view, in one pass over its events; `progress` is told how many were read.
pub fn replay(view: &View, progress: &mut dyn FnMut(u64)) -> Result<Replay, LogError> {
    let mut runs: BTreeMap<String, RunReplay<'_>> = BTreeMap::new();
    for published in view.published()? {
        let run = runs.entry(published.run.clone()).or_insert_with(|| RunReplay::new(view));
        run.publications.push(published);
    }
    runs.values_mut().for_each(RunReplay::sort);
    view.each(Seq(0), &mut |fact| {
        if fact.seq.0 % PROGRESS_EVERY == 0 {
            progress(fact.seq.0);
        }
        match runs.get_mut(fact.event.stream) {
            _ if fact.event.stream == LOG_STREAM => {}
            Some(run) => run.event(fact),
            None => {
                let mut run = RunReplay::new(view);
                run.event(fact);
                runs.insert(fact.event.stream.to_owned(), run);
            }
        }
        ControlFlow::Continue(())
    })?;
    let (mut report, mut digest) = (Replay::default(), blake3::Hasher::new());
    // A publication of a run that the log does not have: nothing can reproduce it.
    let (runs, unknown): (Vec<_>, Vec<_>) = runs.into_iter().partition(|(_, run)| run.is_known());
    for (name, run) in runs {
        run.finish(&name, view.is_whole(), &mut report, &mut digest);
    }
    for published in unknown.iter().flat_map(|(_, run)| &run.publications) {
        report.add(compare(published, None));
    }
    report.digest = *digest.finalize().as_bytes();
    Ok(report)
}

impl Replay {
    fn add(&mut self, Compared { files, differences }: Compared) {
        self.compared += files;
        self.differences.extend(differences);
    }

    fn absorb(&mut self, digest: &mut blake3::Hasher, run: &str, bundle: &BundleDigests) {
        self.runs += 1;
        self.events += bundle.events;
        for (path, file) in &bundle.files {
            self.files += 1;
            for part in [run.as_bytes(), path.as_bytes()] {
                digest.update(&(part.len() as u64).to_le_bytes());
                digest.update(part);
            }
            digest.update(&file.blake3);
        }
    }
}

/// One run, as far as the pass has come.
struct RunReplay<'v> {
    fold: DigestFold<'v>,
    /// How many of its events were folded.
    reached: u64,
    /// By the number of events that they cover; those that cover none come first.
    publications: Vec<ProjectionPublished>,
    /// How many publications were compared, or cannot be.
    covered: usize,
    compared: Compared,
    /// What ended the fold.
    failed: Option<FoldError>,
}

impl<'v> RunReplay<'v> {
    fn new(view: &'v View) -> RunReplay<'v> {
        RunReplay {
            fold: DigestFold::new(view.contracts()),
            reached: 0,
            publications: Vec::new(),
            covered: 0,
            compared: Compared::default(),
            failed: None,
        }
    }

    fn sort(&mut self) {
        self.publications.sort_by_key(|published| published.events);
        self.covered = self.of_nothing();
    }

    /// How many publications cover no event.
    fn of_nothing(&self) -> usize {
        self.publications.partition_point(|published| published.events == 0)
    }

    /// Whether the log has events of the run.
    fn is_known(&self) -> bool {
        self.reached > 0 || self.failed.is_some()
    }

    fn event(&mut self, fact: &Fact<'_>) {
        if self.failed.is_none()
            && let Err(error) = self.fold.push(fact).and_then(|()| self.compare_due())
        {
            self.failed = Some(error);
        }
    }

    /// Compares the publications that end at the event that was folded.
    fn compare_due(&mut self) -> Result<(), FoldError> {
        self.reached += 1;
        let due = self.publications[self.covered..].partition_point(|published| published.events <= self.reached);
        if due == 0 {
            return Ok(());
        }
        let bundle = self.fold.digests()?;
        for published in &self.publications[self.covered..self.covered + due] {
            self.compared.extend(compare(published, bundle.as_ref()));
        }
        self.covered += due;
        Ok(())
    }

    /// Tells what was found; `whole` is whether the view shows all that is committed.
    fn finish(self, run: &str, whole: bool, report: &mut Replay, digest: &mut blake3::Hasher) {
        let (of_nothing, covered) = (self.of_nothing(), self.covered);
        report.add(self.compared);
        if let Some(error) = self.failed {
            report.errors.push(error);
            return;
        }
        if whole {
            for published in self.publications[..of_nothing].iter().chain(&self.publications[covered..]) {
                report.add(compare(published, None));
            }
        }
        match self.fold.digests() {
            Ok(Some(bundle)) => report.absorb(digest, run, &bundle),
            Ok(None) => {}
            Err(error) => report.errors.push(error),
        }
    }
}

/// What comparing gave.
#[derive(Default)]
struct Compared {
    files: u64,
    differences: Vec<ReplayDifference>,
}

impl Compared {
    fn extend(&mut self, Compared { files, differences }: Compared) {
        self.files += files;
        self.differences.extend(differences);
    }
}

/// Compares the files of one publication with the bundle as of the same event.
fn compare(published: &ProjectionPublished, bundle: Option<&BundleDigests>) -> Compared {
    let mut rebuilt: BTreeMap<&str, &FileDigest> =
        bundle.iter().flat_map(|bundle| &bundle.files).map(|(path, file)| (path.as_str(), file)).collect();
    let difference = |path: &str, expected: Option<&PublishedFile>, found, version| ReplayDifference {
        run: published.run.clone(),
        path: path.to_owned(),
        seq: published.seq,
        expected: expected.map(|file| (file.blake3, file.len)),
        found,
        version,
    };
    let mut compared = Compared { files: published.files.len() as u64, differences: Vec::new() };
    for recorded in &published.files {
        let file = rebuilt.remove(recorded.path.as_str());
        let found = file.map(|file| (file.blake3, file.len));
        if found != Some((recorded.blake3, recorded.len)) {
            let versions = file.map(|file| (recorded.version, file.version)).filter(|(a, b)| a != b);
            compared.differences.push(difference(&recorded.path, Some(recorded), found, versions));
        }
    }
    for (path, file) in rebuilt {
        compared.differences.push(difference(path, None, Some((file.blake3, file.len)), None));
    }
    compared
}
