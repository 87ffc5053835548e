//! The commits that a view shows, one by one.

use super::View;
use crate::error::LogError;
use evlog_format::Position;
use evlog_store::{CommitRef, Commits};

/// The commits of a view from a position on.
pub(super) struct Shown<'v> {
    view: &'v View,
    commits: Commits<'v>,
    /// The place where the next commit begins.
    reached: Position,
}

impl<'v> Shown<'v> {
    pub(super) fn new(view: &'v View, from: Position) -> Result<Shown<'v>, LogError> {
        Ok(Shown { view, commits: view.reader.commits(from)?, reached: from })
    }

    /// The next commit. `None` at the end of the view. A commit after the end may be damaged, so it is not read.
    pub(super) fn next(&mut self) -> Result<Option<CommitRef<'_>>, LogError> {
        if !self.view.shows(self.reached) {
            return Ok(None);
        }
        let found = self.commits.next()?;
        if let Some(found) = &found {
            self.reached = Position(found.frame.end());
        }
        Ok(found)
    }
}
