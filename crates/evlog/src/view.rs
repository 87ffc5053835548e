//! A reader's view of a log: events, runs and bundles as of now, or as of an earlier seq or time. It never writes, and takes
//! no lock for long.
//!
//! Invariant: a commit is seen completely or not at all. As of seq N, the commits that end at N or before are seen.

mod as_of;
pub mod events;
mod shown;

use crate::error::LogError;
use crate::history::{LOG_STREAM, ProjectionPublished, published};
use crate::options::ReadOptions;
use crate::own_notes;
use crate::policy::{Noted, Policies};
use events::Events;
use evlog_format::{CommitReader, LogId, Position, Root, Seq};
use evlog_projection::contracts::BundleFold;
use evlog_projection::moment::{Moment, Times};
use evlog_projection::{Bundle, Contracts, Fact, FoldError, RunFold};
use evlog_store::fs::Fs;
use evlog_store::{Follow, OpenError, RawLog, ReadError, Reader, Refusal};
use evlog_verify::tree::Tree;
use shown::Shown;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Called for each event, in order. It can end the visit, and it can fail.
pub type Visit<'v, E> = dyn FnMut(&Fact<'_>) -> Result<ControlFlow<()>, E> + 'v;

/// A log, as one reader sees it.
pub struct View {
    pub(crate) reader: Reader,
    pub(crate) contracts: Contracts,
    /// Where the view ends, if that is before the end of what the reader sees.
    bound: Option<Bound>,
    /// The error that the log is shorter than its own checkpoints show.
    missing: Option<Box<Refusal>>,
    /// Why `HEAD` or the log's own checkpoints cannot show how long the log was.
    warnings: Vec<String>,
}

/// The place where a view ends: no commit from here on is shown or read.
#[derive(Clone, Copy, Debug)]
struct Bound {
    seq: Seq,
    position: Position,
}

/// One run, in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// The run's id.
    pub run: String,
    /// Its contract.
    pub contract: &'static str,
    /// The definition that the run was created with, if runs of the contract have one.
    pub definition: Option<String>,
    /// Its state in one word.
    pub status: String,
    /// Whether it has ended.
    pub terminal: bool,
    /// The number of its events.
    pub events: u64,
    /// Seq of the first one.
    pub first_seq: Seq,
    /// Seq of the last one.
    pub last_seq: Seq,
    /// The actor of the first event.
    pub begun_by: String,
    /// Times of the first one.
    pub first: Times,
    /// Times of the last one.
    pub last: Times,
}

/// All runs of a log, and the events at which a run could not be folded further.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// In the order of their first events.
    pub runs: Vec<RunSummary>,
    /// At most one for each run.
    pub errors: Vec<FoldError>,
}

impl ReadOptions {
    /// Opens the log in `dir` for reading.
    pub fn open(self, dir: impl AsRef<Path>, contracts: Contracts) -> Result<View, LogError> {
        let view = View::open_up_to_damage(&self.fs, dir.as_ref(), contracts)?;
        if !self.up_to_damage {
            view.check_whole()?;
        }
        Ok(view)
    }
}

impl View {
    /// Opens the log in `dir` for reading. [`ReadOptions`] opens it in other ways.
    pub fn open(dir: impl AsRef<Path>, contracts: Contracts) -> Result<View, LogError> {
        ReadOptions::new().open(dir, contracts)
    }

    /// Opens a log whose last segment may be damaged, or that may be shorter than its own checkpoints show.
    pub(crate) fn open_up_to_damage(fs: &Arc<dyn Fs>, dir: &Path, contracts: Contracts) -> Result<View, LogError> {
        let reader = Reader::open_up_to_damage(Arc::clone(fs), dir)?;
        let mut warnings: Vec<String> = reader.head_flaw().map(unused_head).into_iter().collect();
        // If the log is already known not to be whole, its checkpoints show nothing more.
        let is_whole = reader.check_whole().is_ok();
        let missing = if is_whole { own_notes::missing(fs, dir, reader.committed().position) } else { Ok(None) };
        let missing = missing.unwrap_or_else(|error| {
            warnings.push(format!("the log's own notes say nothing of how long it was: {error}"));
            None
        });
        Ok(View { reader, contracts, bound: None, missing: missing.map(Box::new), warnings })
    }

    /// Why `HEAD` or the log's own checkpoints cannot show how long the log was, one sentence each. Then only the segments
    /// show where the view ends.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Checks that the log is not damaged after the part that the view shows, and is not shorter than its own checkpoints
    /// show. A view as of an earlier seq is not checked.
    pub fn check_whole(&self) -> Result<(), LogError> {
        if self.bound.is_some() {
            return Ok(());
        }
        self.reader.check_whole()?;
        self.missing.as_ref().map_or(Ok(()), |missing| Err(OpenError::Refused(missing.clone()).into()))
    }

    /// A view of the log as it was before damage in its last segment, and that damage as the error.
    pub fn before_damage(mut self) -> (View, Result<(), LogError>) {
        let damage = self.check_whole();
        if damage.is_err() {
            let (position, seq) = self.committed();
            self.bound = Some(Bound { seq, position });
        }
        (self, damage)
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Whether the view shows everything that is committed.
    pub fn is_whole(&self) -> bool {
        self.bound.is_none()
    }

    /// The path that the log was opened by.
    pub fn dir(&self) -> &Path {
        self.reader.dir()
    }

    /// The log's identity.
    pub fn log_id(&self) -> LogId {
        self.reader.log_id()
    }

    /// Whether a writer has the log open. Asking takes no lock that could keep a writer out.
    pub fn has_writer(&self) -> Result<bool, LogError> {
        Ok(self.reader.has_writer()?)
    }

    /// The contracts of the view.
    pub fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// Position and seq of the committed end.
    pub fn committed(&self) -> (Position, Seq) {
        let committed = self.reader.committed();
        (committed.position, committed.next_seq)
    }

    /// Seq after the last event that the view shows.
    pub fn next_seq(&self) -> Seq {
        let next = self.committed().1;
        self.bound.map_or(next, |bound| next.min(bound.seq))
    }

    /// How many bytes hold what the view shows.
    pub(crate) fn size(&self) -> Position {
        self.bound.map_or(self.committed().0, |bound| bound.position)
    }

    /// How many bytes hold what the view shows, and the root over them. They are read again.
    pub fn root(&self) -> Result<(Position, Root), LogError> {
        Ok((self.size(), self.root_of(self.size())?))
    }

    /// The root over the first bytes of the log.
    pub(crate) fn root_of(&self, size: Position) -> Result<Root, LogError> {
        let mut tree = Tree::new();
        let raw = RawLog::of_reader(&self.reader).map_err(ReadError::from)?;
        raw.read_range(&(0..size.0), &mut |chunk| tree.update(chunk)).map_err(ReadError::from)?;
        if tree.size() != size.0 {
            return Err(ReadError::Gone { position: size }.into());
        }
        Ok(tree.root())
    }

    /// Checks whether more was committed since; returns whether it was.
    pub fn refresh(&mut self) -> Result<bool, LogError> {
        Ok(self.reader.refresh()?)
    }

    /// Begins to watch the log for growth. Call it before a [`refresh`](View::refresh), so that no change in between is
    /// missed.
    pub fn follow(&self) -> Follow {
        self.reader.follow()
    }

    /// The events in order, from the given seq on, each as an owned value. [`each`](View::each) copies nothing.
    pub fn events(&self, from: Seq) -> Result<Events<'_>, LogError> {
        Events::new(self, from)
    }

    /// Visits events in order, from the given seq on. Returns the seq to continue from.
    pub fn each<E: From<LogError>>(&self, from: Seq, visit: &mut Visit<'_, E>) -> Result<Seq, E> {
        if from >= self.next_seq() {
            self.check_whole()?;
            return Ok(from);
        }
        let (mut next, start) = (from, self.reader.seek(from).map_err(LogError::from)?);
        let mut commits = Shown::new(self, start)?;
        while let Some(found) = commits.next()? {
            let flow = each_fact(found.commit, &mut |fact| {
                if fact.seq < from {
                    return Ok(ControlFlow::Continue(()));
                }
                next = Seq(fact.seq.0 + 1);
                visit(fact)
            })?;
            if flow.is_break() {
                return Ok(next);
            }
        }
        self.check_whole()?;
        Ok(next)
    }

    /// Whether a commit that begins at a position is shown.
    fn shows(&self, position: Position) -> bool {
        self.bound.is_none_or(|bound| position < bound.position)
    }

    /// Visits, in order, the events of commits that were recorded at or after one time and before another, in Unix
    /// nanoseconds. Clocks can go back, so such commits may be anywhere. Segments without any are skipped.
    pub fn each_during<E: From<LogError>>(
        &self,
        moment: Moment,
        (since_ns, until_ns): (i128, i128),
        visit: &mut Visit<'_, E>,
    ) -> Result<(), E> {
        for segment in self.reader.segments().iter().filter(|segment| self.shows(segment.position)) {
            let times = self.reader.times(segment).map_err(LogError::from)?;
            let ends = times.map(|times| if moment == Moment::Recorded { times.recorded } else { times.happened });
            if ends.is_some_and(|(first, last)| last < since_ns || first >= until_ns) {
                continue;
            }
            let end = segment.position.0 + segment.len;
            let mut commits = Shown::new(self, segment.position)?;
            while let Some(found) = commits.next()?
                && found.frame.position < end
            {
                let time_ns = moment.of(&found.commit.head);
                if (since_ns..until_ns).contains(&time_ns) && each_fact(found.commit, visit)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(self.check_whole()?)
    }

    /// Visits, in order, all events of those streams whose name, as bytes, is wanted.
    pub(crate) fn each_of(
        &self,
        wanted: &dyn Fn(&[u8]) -> bool,
        visit: &mut dyn FnMut(&Fact<'_>),
    ) -> Result<(), LogError> {
        let mut commits = Shown::new(self, self.reader.seek(Seq(0))?)?;
        while let Some(found) = commits.next()? {
            let head = found.commit.head;
            let mut commit = found.commit.only(|stream| wanted(stream.as_bytes()));
            while let Some((seq, event)) = commit.next_event()? {
                visit(&Fact { seq, head, event });
            }
        }
        self.check_whole()
    }

    /// Visits the events of one stream in order; true if there is such a stream.
    pub fn stream<E: From<LogError>>(&self, name: &str, visit: &mut Visit<'_, E>) -> Result<bool, E> {
        let (mut seen, mut is_left) = (false, false);
        let until = self.bound.map_or(Position(u64::MAX), |bound| bound.position);
        let visited = self.reader.stream_until::<Ended<E>>(name, until, &mut |head, seq, event| {
            seen = true;
            let flow = visit(&Fact { seq, head: *head, event: *event }).map_err(Ended::Visitor)?;
            is_left = flow.is_break();
            Ok(flow)
        });
        match visited {
            Err(Ended::Visitor(error)) => return Err(error),
            Err(Ended::Reader(error)) => return Err(LogError::from(error).into()),
            Ok(_) => {}
        }
        if !is_left {
            self.check_whole()?;
        }
        Ok(seen)
    }

    /// The policies of the log that the view shows and that can be read. If some are missing, also the reason.
    pub fn policies(&self) -> (Policies, Option<LogError>) {
        let mut policies = Policies::default();
        let ended = self.stream(LOG_STREAM, &mut |fact| {
            let taken = Noted::read(fact).map_or(Ok(()), |noted| policies.take(noted?));
            taken.map_err(|message| LogError::Payload { seq: Some(fact.seq), message })?;
            Ok(ControlFlow::Continue(()))
        });
        (policies, ended.err())
    }

    /// All runs, folded in one pass.
    pub fn runs(&self) -> Result<Runs, LogError> {
        self.runs_with_progress(&mut |_| ())
    }

    /// Folds all runs in one pass; `progress` is called with the seq of each event.
    pub fn runs_with_progress(&self, progress: &mut dyn FnMut(Seq)) -> Result<Runs, LogError> {
        let mut folds: BTreeMap<String, (Ends, Result<RunFold, FoldError>)> = BTreeMap::new();
        self.each::<LogError>(Seq(0), &mut |fact| {
            progress(fact.seq);
            if fact.event.stream == LOG_STREAM {
                return Ok(ControlFlow::Continue(()));
            }
            let times = Times::of(&fact.head);
            match folds.get_mut(fact.event.stream) {
                None => {
                    let ends = Ends { begun_by: fact.head.actor.to_owned(), first: times, last: times };
                    folds.insert(fact.event.stream.to_owned(), (ends, self.contracts.start(fact)));
                }
                Some((ends, state @ Ok(_))) => {
                    ends.last = times;
                    if let Ok(fold) = state
                        && let Err(error) = fold.evolve(fact)
                    {
                        *state = Err(error);
                    }
                }
                Some((_, Err(_))) => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut all = Runs::default();
        for (ends, state) in folds.into_values() {
            match state {
                Ok(fold) => all.runs.push(summary(&fold, ends)),
                Err(error) => all.errors.push(error),
            }
        }
        all.runs.sort_by_key(|run| run.first_seq);
        all.errors.sort_by_key(|error| error.seq);
        Ok(all)
    }

    /// The names of all runs, in byte order.
    pub fn run_names(&self) -> Result<Vec<String>, LogError> {
        let streams = self.reader.streams()?.into_iter();
        self.check_whole()?;
        let mut names: Vec<String> = streams
            .filter(|stream| stream.name != LOG_STREAM && self.bound.is_none_or(|bound| stream.first_seq < bound.seq))
            .map(|stream| stream.name)
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// One run, folded to its last event; `None` if there is no such run.
    pub fn run(&self, run: &str) -> Result<Option<RunFold>, LogError> {
        let mut fold: Option<RunFold> = None;
        if run == LOG_STREAM {
            return Ok(None);
        }
        self.stream::<LogError>(run, &mut |fact| {
            match &mut fold {
                None => fold = Some(self.contracts.start(fact)?),
                Some(fold) => fold.evolve(fact)?,
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(fold)
    }

    /// The bundle of one run; `None` if there is no such run.
    pub fn bundle(&self, run: &str) -> Result<Option<Bundle>, LogError> {
        if run == LOG_STREAM {
            return Ok(None);
        }
        let mut fold = BundleFold::new(&self.contracts);
        self.stream::<LogError>(run, &mut |fact| {
            fold.push(fact)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(fold.bundle()?)
    }

    /// What was published, in order: see [`ProjectionPublished`].
    pub fn published(&self) -> Result<Vec<ProjectionPublished>, LogError> {
        let mut all = Vec::new();
        self.stream::<LogError>(LOG_STREAM, &mut |fact| {
            all.extend(published(fact.seq, &fact.event)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }
}

/// What ended a visit: the visitor, or the reader.
enum Ended<E> {
    Visitor(E),
    Reader(ReadError),
}

impl<E> From<ReadError> for Ended<E> {
    fn from(error: ReadError) -> Ended<E> {
        Ended::Reader(error)
    }
}

fn unused_head(flaw: &str) -> String {
    format!("`HEAD` says nothing of how much of the log was synced: {flaw}")
}

/// What is kept of a run's first and last event.
struct Ends {
    begun_by: String,
    first: Times,
    last: Times,
}

fn summary(fold: &RunFold, ends: Ends) -> RunSummary {
    let (head, Ends { begun_by, first, last }) = (fold.head(), ends);
    RunSummary {
        run: head.run.to_owned(),
        contract: fold.contract().name(),
        definition: fold.definition().map(str::to_owned),
        status: fold.status().to_owned(),
        terminal: fold.is_terminal(),
        events: head.events,
        first_seq: head.first_seq,
        last_seq: head.last_seq,
        begun_by,
        first,
        last,
    }
}

/// Visits the events of one commit.
fn each_fact<E: From<LogError>>(mut commit: CommitReader<'_>, visit: &mut Visit<'_, E>) -> Result<ControlFlow<()>, E> {
    let head = commit.head;
    // Rule F-05: the events of a commit happened together or not at all, so it is read to its end before one is shown.
    let mut ahead = commit.clone();
    while ahead.next_event().map_err(LogError::from)?.is_some() {}
    while let Some((seq, event)) = commit.next_event().map_err(LogError::from)? {
        let fact = Fact { seq, head, event };
        if visit(&fact)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
