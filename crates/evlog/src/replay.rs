//! Replay: every projection rebuilt from the log alone, and compared with every digest that was recorded when files
//! were published.
//!
//! Invariants:
//! - Runs are distributed to threads. Each thread reads the log in order, twice: first it counts its runs' events, then it
//!   folds them. So a run's state is held only from its first event to its last.
//! - Memory grows with the number of runs that are open at one time, and with everything that was published. Each run that
//!   has ended needs some two hundred bytes for the digests of its files. With steps, each step that waits for a slower
//!   thread needs some hundred bytes. If one run takes longer than all runs of the other threads, all steps of these threads
//!   wait.
//! - The report is the same with any number of threads.

mod ended;
pub mod origin;
mod steps;

pub use crate::deal::THREADS_MAX;
use crate::deal::{Hand, Threads, deal};
use crate::error::LogError;
use crate::history::{LOG_STREAM, ProjectionPublished, PublishedFile};
use crate::view::View;
use ended::{Ended, EndedRun};
use evlog_projection::digests::{BundleDigests, DigestFold, FileDigest};
use evlog_projection::{Fact, FoldError};
use evlog_verify::audit::StreamLens;
use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::atomic::{AtomicU64, Ordering};
use steps::{Chain, Merge, Steps};
pub use steps::{Step, StepDigest};

/// The result of a replay.
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
    /// Recorded files that the replay does not give.
    pub differences: Vec<ReplayDifference>,
    /// Runs that cannot be folded.
    pub errors: Vec<FoldError>,
    /// BLAKE3 over run, path and digest of every rebuilt file, in byte order. Two replays of one log give the same value.
    pub digest: [u8; 32],
}

/// A file that was published with other bytes than the replay gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayDifference {
    /// The run.
    pub run: String,
    /// Path within the bundle.
    pub path: String,
    /// Seq of the last event that the publication covers.
    pub seq: u64,
    /// The recorded file: digest and length; `None` if none was recorded for a file that the replay makes.
    pub expected: Option<([u8; 32], u64)>,
    /// The rebuilt file, in the same form.
    pub found: Option<([u8; 32], u64)>,
    /// Set if this program does not have the recorded version of the projection: that version, and the program's own.
    pub version: Option<(u16, u16)>,
    /// Name and version of the projection: as recorded or, for a file that was not recorded, as this program makes it.
    pub projection: Option<(String, u16)>,
}

/// Rebuilds every projection of the view, with this many threads. `progress` is called with how many events were read.
pub fn replay(view: &View, threads: NonZeroUsize, progress: &mut dyn FnMut(u64)) -> Result<Replay, LogError> {
    replay_runs(view, Threads::of(threads), None, progress)
}

/// Like [`replay`], but also gives steps to `visit`, in the order of the log. A step is every `every`th event of each run,
/// and its last event. An event that cannot be folded makes no step.
pub fn replay_steps(
    view: &View,
    threads: NonZeroUsize,
    every: NonZeroU64,
    visit: &mut (dyn FnMut(&Step<'_>) + Send),
    progress: &mut dyn FnMut(u64),
) -> Result<Replay, LogError> {
    let threads = Threads::of(threads);
    replay_runs(view, threads, Some(&Merge::new(threads, every, visit)), progress)
}

fn replay_runs(
    view: &View,
    threads: Threads,
    merge: Option<&Merge<'_>>,
    progress: &mut dyn FnMut(u64),
) -> Result<Replay, LogError> {
    let mut published: Published = BTreeMap::new();
    for publication in view.published()? {
        published.entry(publication.run.clone()).or_default().push(publication);
    }
    // Sorted by the number of events that they cover. Those that cover none come first.
    for publications in published.values_mut() {
        publications.sort_by_key(|published| published.events);
    }
    let reached = AtomicU64::new(0);
    let shard = |hand| Shard::new(view, &published, hand, merge).read(&reached);
    let mut ended = Ended::default();
    for dealt in deal(threads, &shard, &mut || progress(reached.load(Ordering::Relaxed)))? {
        ended.extend(dealt);
    }
    // A publication of a run that the log does not have: no replay can give its files.
    for run in ended.runs() {
        published.remove(run);
    }
    let mut unknown = Compared::default();
    for published in published.values().flatten() {
        unknown.extend(compare(published, None, &[]));
    }
    Ok(ended.report(unknown))
}

/// The publications of each run.
type Published = BTreeMap<String, Vec<ProjectionPublished>>;

/// The runs of one thread.
struct Shard<'v, 's> {
    view: &'v View,
    published: &'v Published,
    hand: Hand,
    lens: StreamLens,
    open: OpenRuns<'v>,
    ended: Ended,
    steps: Option<Steps<'v, 's>>,
}

#[expect(clippy::disallowed_types, reason = "asked for names; what comes of it is put in order by name")]
type OpenRuns<'v> = std::collections::HashMap<String, RunReplay<'v>>;

impl<'v, 's> Shard<'v, 's> {
    fn new(view: &'v View, published: &'v Published, hand: Hand, merge: Option<&'v Merge<'s>>) -> Shard<'v, 's> {
        let (lens, open, ended) = (StreamLens::default(), OpenRuns::new(), Ended::default());
        let steps = merge.map(|merge| Steps::new(merge, hand));
        Shard { view, published, hand, lens, open, ended, steps }
    }

    fn read(mut self, reached: &AtomicU64) -> Result<Ended, LogError> {
        let hand = self.hand;
        let wanted = |stream: &[u8]| stream != LOG_STREAM.as_bytes() && hand.holds(stream);
        self.view.each_of(&wanted, &mut |fact| self.lens.count(fact.event.stream))?;
        self.view.each_of(&wanted, &mut |fact| {
            self.event(fact);
            if hand.is_first() {
                reached.store(fact.seq.0, Ordering::Relaxed);
            }
        })?;
        if let Some(mut steps) = self.steps.take() {
            steps.finish();
        }
        // The last events of these runs were read, unless the files changed between the two passes.
        for (run, open) in self.open.drain() {
            self.ended.add(run, open.finish(self.view.is_whole()));
        }
        Ok(self.ended)
    }

    fn event(&mut self, fact: &Fact<'_>) {
        let stream = fact.event.stream;
        if !self.open.contains_key(stream) {
            let publications = self.published.get(stream).map_or(&[][..], Vec::as_slice);
            let chain = self.steps.as_ref().map(|_| Chain::default());
            let run = RunReplay::new(self.view, publications, self.lens.of(stream), chain);
            self.open.insert(stream.to_owned(), run);
        }
        let Some(run) = self.open.get_mut(stream) else { unreachable!("it was just put there") };
        run.event(fact);
        if let Some(steps) = &mut self.steps {
            steps.event(fact, run);
        }
        if run.is_at_end()
            && let Some((run, open)) = self.open.remove_entry(stream)
        {
            self.ended.add(run, open.finish(self.view.is_whole()));
        }
    }
}

/// The part of one run that this pass has read.
struct RunReplay<'v> {
    fold: DigestFold<'v>,
    /// How many of its events were read.
    seen: u64,
    /// The number of its events.
    len: Option<u64>,
    /// How many of its events were folded.
    reached: u64,
    /// Sorted by the number of events that they cover. Those that cover none come first.
    publications: &'v [ProjectionPublished],
    /// How many publications were compared, or cannot be compared.
    covered: usize,
    compared: Compared,
    /// The audit lines so far, if steps are wanted.
    chain: Option<Chain>,
    /// What ended the fold.
    failed: Option<FoldError>,
}

impl<'v> RunReplay<'v> {
    fn new(
        view: &'v View,
        publications: &'v [ProjectionPublished],
        len: Option<u64>,
        chain: Option<Chain>,
    ) -> RunReplay<'v> {
        RunReplay {
            fold: DigestFold::new(view.contracts()),
            seen: 0,
            len,
            reached: 0,
            publications,
            covered: of_nothing(publications),
            compared: Compared::default(),
            chain,
            failed: None,
        }
    }

    fn is_at_end(&self) -> bool {
        self.len == Some(self.seen)
    }

    fn event(&mut self, fact: &Fact<'_>) {
        self.seen += 1;
        if self.failed.is_none()
            && let Err(error) = self.fold(fact)
        {
            self.failed = Some(error);
        }
    }

    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), FoldError> {
        let line = self.fold.push(fact)?;
        if let Some(chain) = &mut self.chain {
            chain.push(&line);
        }
        self.compare_due()
    }

    /// The digest of the run's files after the event that was folded; `None` if it could not be folded.
    fn step(&self) -> Option<StepDigest> {
        let (None, Some(chain), Some(run)) = (&self.failed, &self.chain, self.fold.run()) else { return None };
        Some(chain.digest(run.project()))
    }

    /// Compares the publications that end at the event that was folded.
    fn compare_due(&mut self) -> Result<(), FoldError> {
        self.reached += 1;
        let due = self.publications[self.covered..].partition_point(|published| published.events <= self.reached);
        if due == 0 {
            return Ok(());
        }
        let (bundle, earlier) = (self.fold.digests()?, self.fold.earlier()?);
        for published in &self.publications[self.covered..self.covered + due] {
            self.compared.extend(compare(published, bundle.as_ref(), &earlier));
        }
        self.covered += due;
        Ok(())
    }

    /// Ends the run, and returns its result. `whole` is whether the view shows everything that is committed.
    fn finish(mut self, whole: bool) -> EndedRun {
        if let Some(error) = self.failed {
            return EndedRun { compared: self.compared, bundle: Err(error) };
        }
        if whole {
            let never_reached = &self.publications[self.covered..];
            for published in self.publications[..of_nothing(self.publications)].iter().chain(never_reached) {
                self.compared.extend(compare(published, None, &[]));
            }
        }
        EndedRun { compared: self.compared, bundle: self.fold.digests() }
    }
}

/// How many of the sorted publications cover no event.
fn of_nothing(publications: &[ProjectionPublished]) -> usize {
    publications.partition_point(|published| published.events == 0)
}

/// The result of comparing publications.
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

/// A path, and a file there as an earlier version of its projection makes it.
type Earlier = (String, FileDigest);

/// Compares the files of one publication with the bundle as of the same event. Each file is compared with what the recorded
/// version of its projection makes.
fn compare(published: &ProjectionPublished, bundle: Option<&BundleDigests>, earlier: &[Earlier]) -> Compared {
    let mut rebuilt: BTreeMap<&str, &FileDigest> =
        bundle.iter().flat_map(|bundle| &bundle.files).map(|(path, file)| (path.as_str(), file)).collect();
    let difference = |path: &str, expected: Option<&PublishedFile>, found, file: Option<&FileDigest>| {
        let projection = expected.map(|recorded| (recorded.projection.clone(), recorded.version));
        let ours = file.map(|file| (file.projection.to_owned(), file.version));
        ReplayDifference {
            run: published.run.clone(),
            path: path.to_owned(),
            seq: published.seq,
            expected: expected.map(|file| (file.blake3, file.len)),
            found,
            version: expected.zip(file).map(|(a, b)| (a.version, b.version)).filter(|(a, b)| a != b),
            projection: projection.or(ours),
        }
    };
    let mut compared = Compared { files: published.files.len() as u64, differences: Vec::new() };
    for recorded in &published.files {
        let file = rebuilt.remove(recorded.path.as_str());
        let file = earlier.iter().find(|file| is_of(file, recorded)).map(|(_, file)| file).or(file);
        let found = file.map(|file| (file.blake3, file.len));
        if found != Some((recorded.blake3, recorded.len)) {
            compared.differences.push(difference(&recorded.path, Some(recorded), found, file));
        }
    }
    for (path, file) in rebuilt {
        compared.differences.push(difference(path, None, Some((file.blake3, file.len)), Some(file)));
    }
    compared
}

fn is_of((path, file): &Earlier, recorded: &PublishedFile) -> bool {
    (path, file.projection, file.version) == (&recorded.path, recorded.projection.as_str(), recorded.version)
}
