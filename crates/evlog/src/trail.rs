//! Trails: files with the steps of a replay. Replays by other programs or on other machines can be compared with them.
//! docs/replay.md defines the form.
//!
//! Does: write a trail, check that a trail is whole and belongs to this log, and find the first step that differs. Does not:
//! open files.
//!
//! Invariants:
//! - The same log and the same versions of projections give the same bytes, whatever the number of threads.
//! - Nothing in a trail counts before its digest is checked.

mod error;
mod read;

use crate::error::LogError;
use crate::replay::Step;
use crate::view::View;
pub use error::TrailError;
use evlog_format::ids::hex;
use evlog_format::{Position, SEGMENT_HEADER_LEN, Seq};
use evlog_projection::contracts::BundleFold;
use evlog_projection::serde_json;
use evlog_projection::{Bundle, FoldError};
pub use read::{Against, Divergence, examine};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::ops::ControlFlow;

/// The version of the form.
const FORM: u32 = 1;

/// The word that begins the last line.
const END: &str = "end";

/// The first line of a trail: which log it belongs to, and what made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of the form.
    pub trail: u32,
    /// The log's identity, in hexadecimal.
    pub log_id: String,
    /// Seq after the last event that was replayed.
    pub next_seq: u64,
    /// How many bytes of the log were replayed.
    pub size: u64,
    /// The root over them, in hexadecimal.
    pub root: String,
    /// How many events of a run share one line: with 10, events 9, 19, 29 and so on have a line, and so has the last one.
    pub every: NonZeroU64,
    /// Name and version of each projection.
    pub projections: BTreeMap<String, u16>,
    /// The program that made it, with its version.
    pub program: String,
}

impl Header {
    /// The header of a trail for what the view shows. Reads the log's bytes.
    pub fn of(view: &View, every: NonZeroU64, program: &str) -> Result<Header, LogError> {
        let (size, root) = view.root()?;
        let projections = view.contracts().projections().into_iter();
        Ok(Header {
            trail: FORM,
            log_id: view.log_id().to_string(),
            next_seq: view.next_seq().0,
            size: size.0,
            root: hex(&root.0),
            every,
            projections: projections.map(|(name, version)| (name.to_owned(), version)).collect(),
            program: program.to_owned(),
        })
    }

    /// The view as of the event at which the trail ends. It is an error if the view is of another log, of another history, or
    /// of a shorter one, or if projections have other versions.
    pub fn view(&self, view: View) -> Result<View, TrailError> {
        let ours = view.log_id().to_string();
        if ours != self.log_id {
            return Err(TrailError::OtherLog { trail: self.log_id.clone(), ours });
        }
        if self.next_seq > view.next_seq().0 {
            return Err(TrailError::Shorter { trail: self.next_seq, ours: view.next_seq().0 });
        }
        self.check_projections(&view)?;
        let ours = if self.size > view.size().0 {
            format!("{} bytes", view.size().0)
        } else {
            hex(&view.root_of(Position(self.size))?.0)
        };
        if ours != self.root {
            return Err(TrailError::OtherHistory { size: self.size, trail: self.root.clone(), ours });
        }
        let view = view.until(Seq(self.next_seq))?;
        self.check_end(&view)?;
        Ok(view)
    }

    /// Checks that the bytes and the events end at the same commit. If the header of a segment follows the last commit, the
    /// trail may include it or not.
    fn check_end(&self, view: &View) -> Result<(), TrailError> {
        let Header { next_seq, size, .. } = *self;
        if view.next_seq().0 != next_seq {
            return Err(TrailError::WithinCommit { next_seq, first: view.next_seq().0 });
        }
        let ours = view.size().0;
        let (short, long) = (size.min(ours), size.max(ours));
        let mut segments = view.reader().segments().iter();
        let is_header =
            long - short == SEGMENT_HEADER_LEN as u64 && segments.any(|segment| segment.position.0 == short);
        if short == long || is_header { Ok(()) } else { Err(TrailError::OtherSize { next_seq, size, ours }) }
    }

    fn check_projections(&self, view: &View) -> Result<(), TrailError> {
        let own = view.contracts().projections();
        let versions = |name: &str| (self.projections.get(name).copied(), own.get(name).copied());
        let mut names = self.projections.keys().map(String::as_str).chain(own.keys().copied());
        let other = names.find_map(|name| Some((name, versions(name))).filter(|(_, (trail, ours))| trail != ours));
        other.map_or(Ok(()), |(name, (trail, ours))| Err(TrailError::Projection { name: name.to_owned(), trail, ours }))
    }
}

/// Writes a trail.
pub struct TrailWriter<W> {
    out: W,
    hasher: blake3::Hasher,
    lines: u64,
    line: String,
    /// The first write that failed.
    failed: io::Result<()>,
}

impl<W: Write> TrailWriter<W> {
    /// Begins with the header.
    pub fn new(out: W, header: &Header) -> TrailWriter<W> {
        let header = serde_json::to_string(header).unwrap_or_else(|_| unreachable!("a header is text and numbers"));
        let (hasher, line) = (blake3::Hasher::new(), format!("{header}\n"));
        let mut writer = TrailWriter { out, hasher, lines: 0, line, failed: Ok(()) };
        writer.write();
        writer
    }

    /// Adds a step. A failure is reported by [`finish`](TrailWriter::finish).
    pub fn step(&mut self, step: &Step<'_>) {
        use std::fmt::Write as _;
        let (seq, run) = (step.seq, step.run);
        self.line.clear();
        // Writing to a string cannot fail.
        let _always = writeln!(self.line, "{seq} {run} {}", hex(&step.digest));
        self.lines += 1;
        self.write();
    }

    /// Ends the trail. Returns how many steps it has, and the writer.
    pub fn finish(mut self) -> io::Result<(u64, W)> {
        let digest = self.hasher.finalize();
        self.line = format!("{END} {} {}\n", self.lines, hex(digest.as_bytes()));
        self.write();
        self.failed?;
        self.out.flush()?;
        Ok((self.lines, self.out))
    }

    fn write(&mut self) {
        self.hasher.update(self.line.as_bytes());
        if self.failed.is_ok() {
            self.failed = self.out.write_all(self.line.as_bytes());
        }
    }
}

/// A run as this program projects it after one event.
#[derive(Debug)]
pub struct Projected {
    /// The event's number in the run.
    pub number: u64,
    /// Its kind.
    pub kind: String,
    /// The first event after the previous step, up to which the trail agrees. One of the events from there to this one
    /// differs.
    pub since: Seq,
    /// The files after the event; `None` between two events of one commit if the run has no files there. The error is that of
    /// an event that could not be folded.
    pub bundle: Result<Option<Bundle>, FoldError>,
}

/// What this program projects for a run after one of its events, in a trail with lines `every` events apart; `None` if the run
/// has no such event.
pub fn projected(view: &View, run: &str, seq: Seq, every: NonZeroU64) -> Result<Option<Projected>, LogError> {
    let mut fold = Ok(BundleFold::new(view.contracts()));
    let (mut found, mut since) = (None, seq);
    view.stream::<LogError>(run, &mut |fact| {
        if fact.event.number.is_multiple_of(every.get()) {
            since = fact.seq;
        }
        if let Ok(run) = &mut fold
            && let Err(error) = run.push(fact)
        {
            fold = Err(error);
        }
        if fact.seq < seq {
            return Ok(ControlFlow::Continue(()));
        }
        found = (fact.seq == seq).then(|| (fact.event.number, fact.event.kind.to_string()));
        Ok(ControlFlow::Break(()))
    })?;
    let bundle = fold.map(|fold| fold.bundle().unwrap_or_default());
    Ok(found.map(|(number, kind)| Projected { number, kind, since, bundle }))
}

#[cfg(test)]
mod tests;
