//! Goes from frame to frame, over zeros, and past bytes that are not a frame to the next frame.

use super::{Audit, State, Stop, Visit, wording};
use crate::verdict::Verdict;
use alloc::string::ToString;
use evlog_format::frame::Decoded;
use evlog_format::limits::FRAME_BODY_LEN_MAX;
use evlog_format::{Commit, CommitReader, Corruption, FRAME_HEADER_LEN, Frame, SEGMENT_HEADER_LEN, SegmentHeader};

/// How many bytes of candidate bodies the search for the next frame may checksum in one segment. Without this limit,
/// bytes that look like frame headers at every place could cost time that grows with the square of the segment's
/// length.
pub(super) const SEARCH_BUDGET: u64 = 4 << 30;

/// The shortest body: eight bytes of head (with an empty actor), five for the list of one stream with a name of
/// one letter and for the count of events, and seven for an event.
const BODY_LEN_MIN: u32 = 20;

impl Audit {
    /// Reads as many whole frames as there are. Stops before the first bytes that are not a whole frame, so that the tree and
    /// the position are exactly there when those bytes are judged.
    pub(super) fn frames(&mut self, bytes: &[u8], visit: &mut Visit<'_>) -> Option<usize> {
        let Some(codec) = self.identity.as_ref().map(|identity| identity.codec.clone()) else {
            unreachable!("frames are read only under a header");
        };
        let mut at = 0;
        while let Decoded::Frame(frame) = codec.decode(self.position + at as u64, &bytes[at..]) {
            match self.commit(&frame, visit) {
                Ok(true) => {}
                Ok(false) => return Some(at),
                Err(_) if at > 0 => return Some(at),
                Err(corruption) => self.undecodable(corruption),
            }
            self.segment.frames += 1;
            at += frame.len();
        }
        if at > 0 {
            return Some(at);
        }
        self.state = match codec.decode(self.position, bytes) {
            Decoded::Corrupt(corruption) => self.failing(Stop::Corrupt(corruption)),
            Decoded::Empty => State::Zeros { from: self.position },
            Decoded::Incomplete { need } => {
                if !self.segment.ending || bytes.is_empty() {
                    return None;
                }
                let stop = Stop::Incomplete { need: need as u64, found: bytes.len() as u64 };
                let all_zero = bytes.iter().all(|byte| *byte == 0);
                let from = self.position;
                if all_zero { State::Zeros { from } } else { self.failing(stop) }
            }
            Decoded::Frame(_) => unreachable!("whole frames were read above"),
        };
        self.end_prefix();
        Some(0)
    }

    /// Begins to look for the next frame after bytes that are not a frame.
    fn failing(&self, stop: Stop) -> State {
        State::Search { from: self.position, stop, passed: 0 }
    }

    /// Processes a frame. Returns false if it ends the unbroken prefix, and the bytes before it must be added to the tree
    /// first.
    fn commit(&mut self, frame: &Frame<'_>, visit: &mut Visit<'_>) -> Result<bool, Corruption> {
        let at = frame.position + FRAME_HEADER_LEN as u64;
        if self.apart.is_some() {
            // After an error the part is dropped. The visitor gets only commits of the log's own events, so the others are
            // checked without being kept.
            let commit = CommitReader::new(frame.body, at)?;
            self.check_roll(frame);
            if self.order.walk(frame, commit, &mut self.findings)? {
                visit(frame, &Commit::decode(frame.body, at)?);
            }
            return Ok(true);
        }
        let commit = Commit::decode(frame.body, at)?;
        if self.prefix.is_none() && self.order.is_misplaced(frame, &commit.head) {
            if frame.position != self.position {
                return Ok(false);
            }
            self.end_shown();
        }
        self.check_roll(frame);
        self.order.commit(frame, &commit, &mut self.findings);
        if self.prefix.is_none() {
            visit(frame, &commit);
        }
        Ok(true)
    }

    /// Handles a body that does not decode although its checksum matches.
    fn undecodable(&mut self, corruption: Corruption) {
        let (rule, expected, found) = wording::flaw(&corruption.flaw);
        self.tell(Verdict::Damaged, corruption.position, rule, "commit", &expected, &found);
        self.end_prefix();
        self.order.gap();
    }

    /// Rule F-15: every writer ends segments at the same places.
    fn check_roll(&mut self, frame: &Frame<'_>) {
        let Some(limit) = self.identity.as_ref().map(|identity| identity.log.segment_limit) else { return };
        let (before, len) = (frame.position - self.segment.base, frame.len() as u64);
        if self.segment.frames > 0 && !SegmentHeader::takes(limit, before, len) {
            let (expected, found) = (alloc::format!("at most {limit} bytes"), (before + len).to_string());
            self.tell(Verdict::Tampered, frame.position, "F-15", "segment beyond its limit", &expected, &found);
        }
        // The first frame that can be read need not be the first frame. If a writer stopped between a header and its first
        // frame, the next session continues that segment, and its first frame states that the header was durable.
        let is_first = before == SEGMENT_HEADER_LEN as u64;
        let same_session = is_first && frame.durable_before <= self.segment.base;
        if let Some(previous) = self.previous_len.filter(|_| same_session)
            && SegmentHeader::takes(limit, previous, len)
        {
            let message = "first frame of the segment";
            self.tell(
                Verdict::Tampered,
                frame.position,
                "F-15",
                message,
                "a frame that did not fit before",
                "one that fits",
            );
        }
    }

    /// Reads zeros (rule F-25). The last three zeros wait, because they may be the first bytes of a length.
    pub(super) fn zeros(&mut self, bytes: &[u8], from: u64) -> Option<usize> {
        let len = match bytes.iter().position(|byte| *byte != 0) {
            Some(at) => {
                self.state = State::Search { from, stop: Stop::AfterZeros, passed: 0 };
                return Some(at.saturating_sub(3));
            }
            None => bytes.len().saturating_sub(3),
        };
        (len > 0).then_some(len)
    }

    /// Searches for the next frame. In the last segment a frame whose durable-before does not cover the failing bytes
    /// changes nothing: it belongs to a group that was never acknowledged, and reached the disk before its predecessor
    /// (rule F-26).
    pub(super) fn search(&mut self, bytes: &[u8], from: u64, stop: Stop, passed: u64) -> Option<usize> {
        let Some(codec) = self.identity.as_ref().map(|identity| identity.codec.clone()) else {
            unreachable!("frames are looked for only under a header");
        };
        let mut at = 0;
        while let Some(head) = bytes.get(at..).and_then(<[u8]>::first_chunk::<FRAME_HEADER_LEN>) {
            let position = self.position + at as u64;
            if self.may_be_frame(position, head) {
                match codec.decode(position, &bytes[at..]) {
                    Decoded::Frame(frame) if self.segment.last && frame.durable_before <= from => {
                        self.state = State::Search { from, stop, passed: passed + 1 };
                        return Some(at + frame.len());
                    }
                    Decoded::Frame(_) => {
                        self.resume(from, stop, passed, position);
                        return Some(at);
                    }
                    Decoded::Incomplete { .. } if !self.segment.ending => return (at > 0).then_some(at),
                    Decoded::Corrupt(_) => self.spend(len_of(head)),
                    Decoded::Incomplete { .. } | Decoded::Empty => {}
                }
            }
            at += 1;
        }
        (at > 0).then_some(at)
    }

    fn may_be_frame(&self, position: u64, head: &[u8; FRAME_HEADER_LEN]) -> bool {
        let len = len_of(head);
        (BODY_LEN_MIN..=FRAME_BODY_LEN_MAX).contains(&len)
            && u64::from(len) <= self.segment.search_budget
            && (self.order.durable_before..=position).contains(&durable_of(head))
    }

    fn spend(&mut self, len: u32) {
        self.segment.search_budget = self.segment.search_budget.saturating_sub(u64::from(len));
    }

    fn resume(&mut self, from: u64, stop: Stop, passed: u64, position: u64) {
        self.broken(Verdict::Damaged, from, stop, 0);
        self.order.gap();
        self.state = State::Frames;
        let found = wording::gap(position - from, passed);
        self.tell(Verdict::Damaged, position, "F-26", "frames go on after a gap", "no gap", &found);
    }
}

fn len_of(head: &[u8; FRAME_HEADER_LEN]) -> u32 {
    let mut raw = [0u8; 4];
    raw.copy_from_slice(&head[..4]);
    u32::from_le_bytes(raw)
}

fn durable_of(head: &[u8; FRAME_HEADER_LEN]) -> u64 {
    let mut raw = [0u8; 8];
    raw.copy_from_slice(&head[8..]);
    u64::from_le_bytes(raw)
}
