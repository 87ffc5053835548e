//! Reads a trail, and compares it with the steps of a replay.
//!
//! Invariant: only one line is held at a time, and its length is bounded.

use super::{END, FORM, Header, TrailError};
use crate::replay::{Step, StepDigest};
use evlog_format::Seq;
use evlog_format::ids::hex;
use evlog_projection::serde_json;
use std::io::{BufRead, Read};
use std::ops::Range;
use std::str::FromStr;

/// The longest line, in bytes.
const LINE_MAX: u64 = 64 * 1024;

const STEP: &str = "a step as `SEQ RUN DIGEST`, after the one before and before the `next_seq` of the header";

/// A trail that is being read.
struct Lines<R> {
    source: R,
    hasher: blake3::Hasher,
    line: String,
    /// The number of lines that were read.
    count: u64,
    /// The seqs that the next step can have.
    seqs: Range<u64>,
    /// Whether the last line was read.
    is_read: bool,
}

/// A step as the trail has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stated {
    seq: u64,
    run: String,
    digest: StepDigest,
}

impl<R: BufRead> Lines<R> {
    fn begin(source: R) -> Result<(Header, Lines<R>), TrailError> {
        let (hasher, line) = (blake3::Hasher::new(), String::new());
        let mut lines = Lines { source, hasher, line, count: 0, seqs: 0..0, is_read: false };
        lines.read()?;
        lines.hasher.update(lines.line.as_bytes());
        let header = serde_json::from_str::<Header>(&lines.line).ok().filter(|header| header.trail == FORM);
        let header = header.ok_or_else(|| {
            lines.wrong("the header of a trail of form 1; this file is no trail, or one of another version")
        })?;
        lines.seqs.end = header.next_seq;
        Ok((header, lines))
    }

    fn wrong(&self, expected: &'static str) -> TrailError {
        TrailError::Form { line: self.count, expected }
    }

    fn read(&mut self) -> Result<(), TrailError> {
        self.line.clear();
        self.count += 1;
        let mut bytes = std::mem::take(&mut self.line).into_bytes();
        self.source.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes)?;
        if bytes.last() != Some(&b'\n') {
            let is_whole = bytes.len() as u64 == LINE_MAX;
            let truncated = TrailError::Truncated { lines: self.count - 1 };
            return Err(if is_whole { self.wrong("a shorter line") } else { truncated });
        }
        self.line = String::from_utf8(bytes).map_err(|_| self.wrong("text"))?;
        Ok(())
    }

    /// The next step; `None` at the end. There the digest is checked.
    fn next(&mut self) -> Result<Option<Stated>, TrailError> {
        if self.is_read {
            return Ok(None);
        }
        self.read()?;
        let line = self.line.trim_end_matches('\n');
        let (Some((first, rest)), wrong) = (line.split_once(' '), self.wrong(STEP)) else {
            return Err(self.wrong(STEP));
        };
        if first == END {
            self.is_read = true;
            let digest = hex(self.hasher.finalize().as_bytes());
            let (steps, nothing) = (self.count - 2, self.source.fill_buf()?.is_empty());
            return if rest == format!("{steps} {digest}") && nothing { Ok(None) } else { Err(TrailError::Damaged) };
        }
        let stated = stated(first, rest).filter(|stated| self.seqs.contains(&stated.seq)).ok_or(wrong)?;
        self.hasher.update(self.line.as_bytes());
        self.seqs.start = stated.seq + 1;
        Ok(Some(stated))
    }
}

fn stated(seq: &str, rest: &str) -> Option<Stated> {
    let (run, digest) = rest.split_once(' ')?;
    let mut bytes = StepDigest::default();
    for (byte, digits) in bytes.iter_mut().zip(digest.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    let stated = Stated { seq: u64::from_str(seq).ok()?, run: run.to_owned(), digest: bytes };
    // Each value has only one spelling.
    (hex(&bytes) == digest && stated.seq.to_string() == seq).then_some(stated)
}

/// Reads a whole trail, and checks its form and its digest.
pub fn examine(source: impl BufRead) -> Result<Header, TrailError> {
    let (header, mut lines) = Lines::begin(source)?;
    while lines.next()?.is_some() {}
    Ok(header)
}

/// The first step at which a replay and a trail differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The event.
    pub seq: Seq,
    /// Its run.
    pub run: String,
    /// The digest in the trail; `None` if the trail has no step there.
    pub expected: Option<StepDigest>,
    /// The digest of the replay; `None` if the event could not be folded.
    pub found: Option<StepDigest>,
}

/// Compares the steps of a replay with those of a trail, in one pass over both.
pub struct Against<R> {
    lines: Lines<R>,
    /// The step of the trail that was not compared yet.
    ahead: Result<Option<Stated>, TrailError>,
    first: Option<Divergence>,
}

impl<R: BufRead> Against<R> {
    /// Begins to read a trail that was examined before and had this header.
    pub fn new(source: R, examined: &Header) -> Result<Against<R>, TrailError> {
        let (header, mut lines) = Lines::begin(source)?;
        if header != *examined {
            return Err(TrailError::Damaged);
        }
        let ahead = lines.next();
        Ok(Against { lines, ahead, first: None })
    }

    /// Compares the next step of the replay.
    pub fn step(&mut self, step: &Step<'_>) {
        let (None, Ok(ahead)) = (&self.first, &mut self.ahead) else { return };
        match ahead.take() {
            Some(stated) if stated.seq < step.seq.0 => self.first = Some(missing(stated)),
            Some(stated) if stated.seq == step.seq.0 && stated.run == step.run => {
                if stated.digest == step.digest {
                    self.ahead = self.lines.next();
                } else {
                    self.first = Some(Divergence { found: Some(step.digest), ..missing(stated) });
                }
            }
            _ => {
                let (run, found) = (step.run.to_owned(), Some(step.digest));
                self.first = Some(Divergence { seq: step.seq, run, expected: None, found });
            }
        }
    }

    /// The first step that differs, once the replay has given its last step. Reads the trail to its end, because its digest is
    /// there.
    pub fn finish(mut self) -> Result<Option<Divergence>, TrailError> {
        let ahead = self.ahead?.map(missing);
        while self.lines.next()?.is_some() {}
        Ok(self.first.or(ahead))
    }
}

/// A step that the trail has and the replay does not have.
fn missing(Stated { seq, run, digest }: Stated) -> Divergence {
    Divergence { seq: Seq(seq), run, expected: Some(digest), found: None }
}
