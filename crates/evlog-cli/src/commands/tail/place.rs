//! How far events were shown: of which log, up to which event.
//!
//! Invariant: events are shown on from a place only in a log that holds the event before it.

use crate::error::CommandError;
use crate::files;
use crate::json::event_line;
use evlog::{LogError, View};
use evlog_format::Seq;
use evlog_projection::Fact;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The longest file that is read.
const FILE_LEN_MAX: u64 = 4096;

/// A place, as the file of `--cursor` holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    log_id: String,
    /// Seq of the first event that was not shown.
    next_seq: u64,
    /// BLAKE3 of the event before it, as JSON; empty if there is none.
    last_event: String,
}

impl Place {
    /// The place before an event of a log.
    pub(super) fn before(view: &View, next: Seq) -> Result<Place, LogError> {
        let last_event = digest_before(view, next)?.unwrap_or_default();
        Ok(Place { log_id: view.log_id().to_string(), next_seq: next.0, last_event })
    }

    /// The place after an event, if it is the last one that a view shows.
    pub(super) fn after_last(view: &View, fact: &Fact<'_>) -> Option<Place> {
        let next_seq = fact.seq.0 + 1;
        (next_seq == view.next_seq().0).then(|| Place {
            log_id: view.log_id().to_string(),
            next_seq,
            last_event: digest(fact),
        })
    }

    pub(super) fn next(&self) -> Seq {
        Seq(self.next_seq)
    }

    pub(super) fn is_of(&self, view: &View) -> bool {
        self.log_id == view.log_id().to_string()
    }

    /// Whether a log holds the event before the place.
    pub(super) fn is_in(&self, view: &View) -> Result<bool, LogError> {
        let holds = self.is_of(view) && self.next() <= view.next_seq();
        Ok(holds && digest_before(view, self.next())?.unwrap_or_default() == self.last_event)
    }
}

fn digest_before(view: &View, next: Seq) -> Result<Option<String>, LogError> {
    let mut found = None;
    let Some(last) = next.0.checked_sub(1) else { return Ok(None) };
    view.each::<LogError>(Seq(last), &mut |fact| {
        found = Some(digest(fact));
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// Without a mark: which events get one can change.
fn digest(fact: &Fact<'_>) -> String {
    let json = serde_json::to_vec(&event_line(fact, u128::MAX)).unwrap_or_default();
    blake3::hash(&json).to_hex().to_string()
}

/// The file of `--cursor`.
#[derive(Debug)]
pub(super) struct Cursor {
    path: PathBuf,
    noted: Option<Place>,
}

impl Cursor {
    pub(super) fn open(path: &Path) -> Result<Cursor, CommandError> {
        let read = files::read_own(path, FILE_LEN_MAX)?.map(|bytes| serde_json::from_slice(&bytes)).transpose();
        let noted = read.map_err(|_| {
            let place = format!("--cursor `{}`", path.display());
            let found = "other text; the file was not changed";
            CommandError::unlike(place, "a file that `--cursor` has written", found).hint(files::ANEW)
        })?;
        Ok(Cursor { path: path.to_path_buf(), noted })
    }

    /// Where to go on; `None` if nothing was shown yet. A place that is not in this log is refused.
    pub(super) fn place_in(&self, view: &View) -> Result<Option<Seq>, CommandError> {
        let Some(place) = &self.noted else { return Ok(None) };
        if place.is_in(view)? {
            return Ok(Some(place.next()));
        }
        let (path, expected) = (self.path.display(), &place.log_id);
        let message = if place.is_of(view) {
            format!(
                "--cursor `{path}`: expected the event before seq {} as it was shown, found another one, or none",
                place.next()
            )
        } else {
            format!("--cursor `{path}`: expected log {expected}, found log {}", view.log_id())
        };
        Err(CommandError::user(message)
            .hint(format!("{}; or name the log that this one is about with `--log`", files::ANEW)))
    }

    /// Notes a place. After a crash, the old file or the new one is there.
    pub(super) fn note(&mut self, place: &Place) -> Result<(), CommandError> {
        if self.noted.as_ref() != Some(place) {
            let text = serde_json::to_string(place).map_err(|error| CommandError::user(error.to_string()))?;
            files::replace(&self.path, format!("{text}\n").as_bytes())?;
            self.noted = Some(place.clone());
        }
        Ok(())
    }
}
