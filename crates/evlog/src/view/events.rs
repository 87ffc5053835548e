//! Events as values, for iteration.

use super::View;
use super::shown::Shown;
use crate::error::LogError;
use evlog_format::{CommitHead, CommitReader, Durability, Event, KindBuf, Seq};
use evlog_projection::moment::Times;
use std::collections::VecDeque;
use std::sync::Arc;

/// The members that the events of a commit have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// Seq of its first event.
    pub first_seq: Seq,
    /// When it was recorded, and when it occurred.
    pub times: Times,
    /// Its durability class.
    pub class: Durability,
    /// Who asked, as the command says.
    pub actor: String,
    /// The authenticated principal.
    pub principal: Option<String>,
    /// The string that ties it to other commits.
    pub correlation: Option<String>,
    /// The command's idempotency key.
    pub id: Option<String>,
}

/// A committed event, as a value of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its number in the log.
    pub seq: Seq,
    /// Its commit.
    pub commit: Arc<CommitInfo>,
    /// The run it belongs to, or `$log`.
    pub stream: String,
    /// Its number within the stream, from 0.
    pub number: u64,
    /// The kind of the event.
    pub kind: KindBuf,
    /// Version of the payload's table.
    pub kind_version: u16,
    /// Seq of the earlier event that caused it.
    pub causation: Option<Seq>,
    /// How the payload is kept: 0 is plain; other numbers belong to later versions.
    pub protection: u8,
    /// The details. Payloads of users' kinds are JSON in the form of RFC 8785. Payloads of built-in kinds are encoded as the
    /// format's tables define.
    pub payload: Vec<u8>,
}

/// The events of a view, in order. After an error there are no more.
pub struct Events<'v> {
    view: &'v View,
    commits: Option<Shown<'v>>,
    from: Seq,
    waiting: VecDeque<RecordedEvent>,
}

impl<'v> Events<'v> {
    pub(crate) fn new(view: &'v View, from: Seq) -> Result<Events<'v>, LogError> {
        let mut commits = None;
        if from < view.next_seq() {
            commits = Some(Shown::new(view, view.reader().seek(from)?)?);
        } else {
            view.check_whole()?;
        }
        Ok(Events { view, commits, from, waiting: VecDeque::new() })
    }

    /// Reads the events of the next commit; true if there was one.
    fn take_commit(&mut self) -> Result<bool, LogError> {
        let Some(commits) = &mut self.commits else { return Ok(false) };
        let Some(found) = commits.next()? else {
            self.commits = None;
            self.view.check_whole()?;
            return Ok(false);
        };
        let from = self.from;
        self.waiting.extend(read(found.commit)?.into_iter().filter(|event| event.seq >= from));
        Ok(true)
    }
}

/// Rule F-05: the events of a commit happened together or not at all. So the commit is read to its end before an event is
/// returned.
fn read(mut commit: CommitReader<'_>) -> Result<Vec<RecordedEvent>, LogError> {
    let info = Arc::new(info(&commit.head));
    let mut events = Vec::new();
    while let Some((seq, event)) = commit.next_event()? {
        events.push(recorded(&info, seq, &event));
    }
    Ok(events)
}

pub(crate) fn info(head: &CommitHead<'_>) -> CommitInfo {
    CommitInfo {
        first_seq: head.first_seq,
        times: Times::of(head),
        class: head.class,
        actor: head.actor.to_owned(),
        principal: head.principal.map(str::to_owned),
        correlation: head.correlation.map(str::to_owned),
        id: head.idempotency.map(|given| given.key.to_owned()),
    }
}

pub(crate) fn recorded(commit: &Arc<CommitInfo>, seq: Seq, event: &Event<'_>) -> RecordedEvent {
    RecordedEvent {
        seq,
        commit: Arc::clone(commit),
        stream: event.stream.to_owned(),
        number: event.number,
        kind: event.kind.into(),
        kind_version: event.kind_version,
        causation: event.causation,
        protection: event.protection,
        payload: event.payload.to_vec(),
    }
}

impl Iterator for Events<'_> {
    type Item = Result<RecordedEvent, LogError>;

    fn next(&mut self) -> Option<Result<RecordedEvent, LogError>> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(Ok(event));
            }
            match self.take_commit() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.commits = None;
                    return Some(Err(error));
                }
            }
        }
    }
}
