//! Where a view of an earlier seq or time ends.
//!
//! Invariant: as of a time, the view shows every commit that was recorded at or before it, and no other commit. If the clock
//! went back, such an end may not exist. In this case, there is an error.

use super::shown::Shown;
use super::{Bound, View};
use crate::error::LogError;
use evlog_format::{Position, Seq};

/// What a pass over the commits found about a time.
#[derive(Default)]
struct Edge {
    /// The first event that was recorded after the time.
    later: Option<Seq>,
    /// The last event that was recorded at or before the time, if it comes after the first commit that was recorded later.
    earlier: Option<Seq>,
}

impl View {
    /// A view of the log as of an earlier seq; `None` means now.
    pub fn as_of(mut self, at: Option<Seq>) -> Result<View, LogError> {
        self.bound = None;
        let Some(at) = at.filter(|at| *at < self.next_seq()) else {
            return Ok(self);
        };
        let after = Seq(at.0 + 1);
        let position = self.reader.seek(at)?;
        let (seq, position) = match self.reader.commits(position)?.next()? {
            // If the commit ends at `at`, all of it is shown. Otherwise none of it is.
            Some(found) if found.commit.head.first_seq.0.saturating_add(found.commit.left()) == after.0 => {
                (after, Position(found.frame.end()))
            }
            Some(found) => (found.commit.head.first_seq, position),
            None => (after, position),
        };
        self.bound = Some(Bound { seq, position });
        Ok(self)
    }

    /// The first and the last event of the commit that an event is in; none if the view shows no such event.
    pub fn commit_of(&self, event: Seq) -> Result<Option<(Seq, Seq)>, LogError> {
        if event >= self.next_seq() {
            return Ok(None);
        }
        let mut commits = self.reader.commits(self.reader.seek(event)?)?;
        let head_and_left = commits.next()?.map(|found| (found.commit.head.first_seq, found.commit.left()));
        Ok(head_and_left.map(|(first, events)| (first, Seq(first.0.saturating_add(events).saturating_sub(1)))))
    }

    /// A view of only the events before a seq. A view that ends there already does not change.
    pub(crate) fn until(mut self, next_seq: Seq) -> Result<View, LogError> {
        if next_seq == self.next_seq() {
            return Ok(self);
        }
        if next_seq > Seq(0) {
            return self.as_of(Some(Seq(next_seq.0 - 1)));
        }
        self.bound = Some(Bound { seq: Seq(0), position: Position(0) });
        Ok(self)
    }

    /// A view of the log as of a time, in Unix nanoseconds: it shows the commits that were recorded at or before that time.
    /// If the clock went back, such a commit may follow a commit that was recorded later. In this case, the error is
    /// [`LogError::TwoEnds`].
    pub fn as_of_time(mut self, time_ns: i128) -> Result<View, LogError> {
        self.bound = None;
        match self.edge(time_ns)? {
            Edge { later: Some(later), earlier: Some(earlier) } => Err(LogError::TwoEnds { later, earlier }),
            Edge { later: Some(later), .. } => self.until(later),
            Edge { later: None, .. } => Ok(self),
        }
    }

    /// Segments whose commits are all on one side of the time are not read.
    fn edge(&self, time_ns: i128) -> Result<Edge, LogError> {
        let mut edge = Edge::default();
        for segment in self.reader.segments() {
            let end = Position(segment.position.0 + segment.len);
            match self.reader.times(segment)?.map(|times| times.recorded) {
                Some((first, last)) if first > last => {}
                Some((_, last)) if last <= time_ns => {
                    if edge.later.is_some() {
                        edge.earlier = Some(Seq(self.first_seq(end)?.0.saturating_sub(1)));
                    }
                }
                Some((first, _)) if first > time_ns => {
                    if edge.later.is_none() {
                        edge.later = Some(self.first_seq(segment.position)?);
                    }
                }
                _ => self.walk(segment.position, end, time_ns, &mut edge)?,
            }
        }
        Ok(edge)
    }

    fn walk(&self, from: Position, end: Position, time_ns: i128, edge: &mut Edge) -> Result<(), LogError> {
        let mut commits = Shown::new(self, from)?;
        while let Some(found) = commits.next()?
            && found.frame.position < end.0
        {
            let head = found.commit.head;
            if i128::from(head.recorded_ns) > time_ns {
                edge.later.get_or_insert(head.first_seq);
            } else if edge.later.is_some() {
                edge.earlier = Some(Seq(head.first_seq.0.saturating_add(found.commit.left()).saturating_sub(1)));
            }
        }
        Ok(())
    }

    /// Seq of the first event in this segment or later; the seq after the last event if there is none.
    fn first_seq(&self, position: Position) -> Result<Seq, LogError> {
        let first = Shown::new(self, position)?.next()?.map(|found| found.commit.head.first_seq);
        Ok(first.unwrap_or(self.committed().1))
    }
}
