//! Explains a file of a bundle that differs from the projection of the log: after which event the projection was like this
//! file, and which event set the value that the file lacks.

use crate::error::LogError;
use crate::view::View;
use evlog_format::Seq;
use evlog_projection::contracts::AUDIT_PATH;
use evlog_projection::digests::{DigestFold, FileDigest};
use evlog_projection::serde_json::{self, Value};
use evlog_projection::{File, RunFold};
use std::ops::ControlFlow;

/// A file that differs from what the log gives.
#[derive(Clone, Debug)]
pub struct Sought {
    /// Path within the bundle.
    pub path: String,
    /// BLAKE3 of the bytes that were found.
    pub blake3: [u8; 32],
    /// JSON pointer to the first value that differs; empty for the whole document.
    pub pointer: String,
    /// The first line that differs, from 1, in a file with a line for each event.
    pub line: Option<u64>,
}

/// What the log shows about such a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The last event after which the file was as it was found.
    pub state_after: Option<StateAfter>,
    /// The last event that set the expected value.
    pub set_by: Option<Seq>,
}

/// A file as it was after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateAfter {
    /// The event.
    pub seq: Seq,
    /// How many events of the run came after it.
    pub missing: u64,
    /// The version of the projection that made it.
    pub version: u16,
}

/// Finds the origins of files of one run, in one pass over the run's events.
pub fn origins(view: &View, run: &str, sought: &[Sought]) -> Result<Vec<Origin>, LogError> {
    if sought.is_empty() {
        return Ok(Vec::new());
    }
    let mut fold = DigestFold::new(view.contracts());
    let mut search: Vec<Search<'_>> = sought.iter().map(Search::new).collect();
    let mut events = 0;
    view.stream::<LogError>(run, &mut |fact| {
        events += 1;
        fold.push(fact)?;
        // Between two events of one commit a run may have no files.
        if let (Some(Ok(files)), Ok(earlier)) = (fold.run().map(RunFold::project), fold.earlier()) {
            for search in &mut search {
                let file = files.iter().find(|file| file.path == search.sought.path);
                let audit = || (search.sought.path == AUDIT_PATH).then(|| fold.audit());
                search.event(fact.seq, events, file.map(FileDigest::from).or_else(audit), &earlier);
                search.value(fact.seq, file);
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(search.into_iter().map(|search| search.finish(events)).collect())
}

struct Search<'s> {
    sought: &'s Sought,
    /// The value at the pointer, after the last event.
    value: Option<Value>,
    origin: Origin,
}

impl<'s> Search<'s> {
    fn new(sought: &'s Sought) -> Search<'s> {
        Search { sought, value: None, origin: Origin::default() }
    }

    fn event(&mut self, seq: Seq, events: u64, file: Option<FileDigest>, earlier: &[(String, FileDigest)]) {
        let earlier = earlier.iter().filter(|(path, _)| *path == self.sought.path).map(|(_, file)| *file);
        let mut made = file.into_iter().chain(earlier);
        if let Some(file) = made.find(|file| file.blake3 == self.sought.blake3) {
            self.origin.state_after = Some(StateAfter { seq, missing: events, version: file.version });
        }
        if self.sought.line == Some(events) {
            self.origin.set_by = Some(seq);
        }
    }

    fn value(&mut self, seq: Seq, file: Option<&File>) {
        if self.sought.line.is_some() {
            return;
        }
        let document = file.and_then(|file| serde_json::from_slice::<Value>(&file.bytes).ok());
        let value = document.and_then(|mut document| document.pointer_mut(&self.sought.pointer).map(Value::take));
        if value != self.value {
            (self.value, self.origin.set_by) = (value, Some(seq));
        }
    }

    fn finish(mut self, events: u64) -> Origin {
        if let Some(found) = &mut self.origin.state_after {
            found.missing = events - found.missing;
        }
        self.origin
    }
}
