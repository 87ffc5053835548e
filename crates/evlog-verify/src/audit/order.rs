//! Checks the order of a log: seqs are dense, numbers are dense in each stream, durable-before never falls, each idempotency
//! key has one content. It also checks more of each event than the types of its fields: its stream's name, and the form of a
//! user's payload.
//!
//! A segment can be read apart from those before it. The first number of each stream in it is then accepted as it is, and is
//! compared with the events before it when the two are joined.
//!
//! Invariant: after a gap in the bytes, only findings are reported that are still certain: numbers may then skip, but never
//! repeat.

mod recent;

use super::contents::{Contents, Half, Table, name_of};
use super::event::{EventFlaw, Judge};
use super::left::Left;
use crate::verdict::{Finding, Findings, Verdict};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use evlog_format::{Commit, CommitHead, CommitReader, Corruption, Event, Frame, Idempotency, Position, Seq};
use recent::{Recent, Stream};

/// The state of the events that were read so far, with the values that later events are compared with.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    /// The seq that comes next.
    pub(super) next_seq: u64,
    /// The largest durable-before so far.
    pub(super) durable_before: u64,
    pub(super) commits: u64,
    pub(super) events: u64,
    pub(super) unknown_kinds: u64,
    /// Whether the seq of the next commit is unknown.
    seq_unknown: bool,
    /// Whether events may be missing, so that a stream's numbers may skip.
    lossy: bool,
    next_numbers: Table<u64>,
    recent: Recent,
    contents: Contents,
    part: Option<Part>,
}

/// The values that were accepted as they are, because the log was not read from its start.
#[derive(Clone, Debug, Default)]
struct Part {
    first_numbers: Table<u64>,
    first_durable_before: Option<u64>,
}

impl Order {
    /// The order of a segment that is read apart from those before it.
    pub(super) fn of_part(first_seq: Seq) -> Order {
        Order { next_seq: first_seq.0, part: Some(Part::default()), ..Order::default() }
    }

    pub(super) fn streams(&self) -> u64 {
        self.next_numbers.len() as u64
    }

    /// Adds the next segment, which was read apart. Returns false if it does not continue the events before it. After
    /// `false`, this order must not be used.
    pub(super) fn join(&mut self, mut later: Order) -> bool {
        self.settle();
        later.settle();
        let Some(part) = later.part else { return false };
        let continues = part.first_durable_before.is_none_or(|first| first >= self.durable_before);
        let mut numbers = part.first_numbers.into_pairs();
        let follows = numbers.all(|(name, first)| *self.next_numbers.get_or_insert(name, 0).0 == first);
        for (name, next) in later.next_numbers.into_pairs() {
            *self.next_numbers.get_or_insert(name, next).0 = next;
        }
        self.durable_before = self.durable_before.max(later.durable_before);
        self.next_seq = later.next_seq;
        self.commits += later.commits;
        self.events += later.events;
        self.unknown_kinds += later.unknown_kinds;
        continues && follows && !later.lossy && self.contents.join(later.contents)
    }

    /// Appends this order to the bytes that an audit saves. Used only if there are no findings.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        let mut order = self.clone();
        order.settle();
        for number in [order.next_seq, order.durable_before, order.commits, order.events, order.unknown_kinds] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        order.next_numbers.save(out, u64::to_le_bytes);
        order.contents.save(out);
    }

    /// Reads what [`save`](Self::save) wrote.
    pub(super) fn resume(saved: &mut Left<'_>) -> Option<Order> {
        Some(Order {
            next_seq: saved.number()?,
            durable_before: saved.number()?,
            commits: saved.number()?,
            events: saved.number()?,
            unknown_kinds: saved.number()?,
            next_numbers: Table::resume(saved, u64::from_le_bytes)?,
            contents: Contents::resume(saved)?,
            ..Order::default()
        })
    }

    /// Records that bytes are missing or cannot be read here.
    pub(super) fn gap(&mut self) {
        self.seq_unknown = true;
        self.lossy = true;
    }

    pub(super) fn expects(&self, seq: Seq) -> bool {
        if self.seq_unknown { seq.0 >= self.next_seq } else { seq.0 == self.next_seq }
    }

    /// Whether a commit is in the wrong place, so that no reader shows it: F-24, F-31.
    pub(super) fn is_misplaced(&self, frame: &Frame<'_>, head: &CommitHead<'_>) -> bool {
        frame.durable_before < self.durable_before || !self.expects(head.first_seq)
    }

    /// Sets the next seq from a header.
    pub(super) fn resume_at(&mut self, seq: Seq) {
        self.lossy |= seq.0 != self.next_seq;
        self.next_seq = seq.0;
        self.seq_unknown = false;
    }

    pub(super) fn commit(&mut self, frame: &Frame<'_>, commit: &Commit<'_>, findings: &mut Findings) {
        let mut place = self.begin(frame, commit.head, findings);
        for event in &commit.events {
            self.event(event, &mut place, findings);
        }
        self.end(&place);
    }

    /// Checks a commit that no visitor gets, without holding all its events. Events that were read before an error have
    /// already changed this order, so after an error it must not be used. Returns whether an event is one of the log's own.
    pub(super) fn walk(
        &mut self,
        frame: &Frame<'_>,
        mut commit: CommitReader<'_>,
        findings: &mut Findings,
    ) -> Result<bool, Corruption> {
        let (mut place, mut is_of_log) = (self.begin(frame, commit.head, findings), false);
        while let Some((_, event)) = commit.next_event()? {
            is_of_log |= event.kind.is_of_log();
            self.event(&event, &mut place, findings);
        }
        self.end(&place);
        Ok(is_of_log)
    }

    fn begin<'a>(&mut self, frame: &Frame<'_>, head: CommitHead<'a>, findings: &mut Findings) -> Place<'a> {
        let (first, judge, given) = (head.first_seq, Judge::new(head), head.idempotency);
        let place = Place { position: Position(frame.position), seq: first, stream: None, judge, given };
        if frame.durable_before < self.durable_before {
            place.tell(findings, "F-24", "durable-before", &at_least(self.durable_before), frame.durable_before);
        }
        self.durable_before = self.durable_before.max(frame.durable_before);
        if let Some(part) = &mut self.part {
            part.first_durable_before.get_or_insert(frame.durable_before);
        }
        if !self.expects(first) {
            place.tell(findings, "F-31", "first seq of the commit", &self.next_seq.to_string(), first);
            self.lossy = true;
        }
        place
    }

    fn end(&mut self, place: &Place<'_>) {
        self.commits += 1;
        self.seq_unknown = false;
        self.next_seq = place.seq.0;
    }

    /// Checks an event at a place, and advances the place to the next event.
    fn event<'a>(&mut self, event: &Event<'a>, place: &mut Place<'a>, findings: &mut Findings) {
        let is_another = place.stream.replace(event.stream) != Some(event.stream);
        self.events += 1;
        self.unknown_kinds += u64::from(!event.kind.is_known());
        let expected = self.next_number(event.stream, event.number);
        let allowed = if self.lossy { event.number >= expected } else { event.number == expected };
        if !allowed {
            let expected = if self.lossy { at_least(expected) } else { expected.to_string() };
            place.tell(findings, "F-34", "number within the stream", &expected, event.number);
        }
        for EventFlaw { rule, message, expected, found } in place.judge.flaws(event) {
            place.tell(findings, rule, message, expected, found);
        }
        if let Some(given) = place.given.filter(|_| is_another)
            && !self.contents.agrees(event.stream, given.key, &given.content)
        {
            let message = format!("idempotency key `{}`", given.key);
            place.tell(findings, "F-36", &message, "the content it first came with", "another");
        }
        // No overflow: the decoder bounds the first seq by half the range, and the number of events by 65,536.
        place.seq.0 += 1;
    }

    /// Returns the number that was expected next in the stream. From now on the number after `number` is expected.
    fn next_number(&mut self, stream: &str, number: u64) -> u64 {
        let after = number + 1;
        let place = recent::Place::of(stream);
        if let Some(expected) = self.recent.replace(place, stream, after) {
            return expected;
        }
        let name = name_of(stream);
        let (next, is_new) = self.next_numbers.get_or_insert(name, 0);
        let mut expected = *next;
        if let (true, Some(part)) = (is_new, &mut self.part) {
            part.first_numbers.get_or_insert(name, number);
            expected = number;
        }
        if let Some(Stream { name, next }) = self.recent.put(place, stream, Stream { name, next: after }) {
            *self.next_numbers.get_or_insert(name, next).0 = next;
        }
        expected
    }

    /// Moves the numbers of the recent streams into the table, so that a saved audit takes no more memory than
    /// the table.
    pub(super) fn settle(&mut self) {
        for Stream { name, next } in core::mem::take(&mut self.recent).into_streams() {
            *self.next_numbers.get_or_insert(name, next).0 = next;
        }
    }

    /// How many events each stream has. Used only if there are no findings.
    pub(super) fn into_lens(mut self) -> Table<u64> {
        self.settle();
        self.next_numbers
    }
}

struct Place<'a> {
    position: Position,
    seq: Seq,
    stream: Option<&'a str>,
    judge: Judge<'a>,
    given: Option<Idempotency<'a>>,
}

impl Place<'_> {
    /// Adds the finding for a well-formed commit that contradicts those before it. Only a writer makes such bytes.
    fn tell(
        &self,
        findings: &mut Findings,
        rule: &'static str,
        message: &str,
        expected: &str,
        found: impl core::fmt::Display,
    ) {
        findings.add(Finding {
            verdict: Verdict::Tampered,
            position: self.position,
            seq: Some(self.seq),
            stream: self.stream.map(Into::into),
            rule,
            expected: expected.to_string(),
            found: found.to_string(),
            message: message.to_string(),
        });
    }
}

fn at_least(number: u64) -> String {
    format!("at least {number}")
}
