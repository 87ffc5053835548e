//! Judges the events of one case by one rule, as they come.
//!
//! Invariant: a violation is found at the event that makes it certain, or at the end of the case.

use super::Rule;
use super::memory::{Forgotten, Mark, Open, Past};
use super::template::{Constraint, Distance, Of};
use crate::reading::Reading;
use evlog_format::Seq;

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The events that show it, in order. Empty if the rule is broken because there are no such events.
    pub seqs: Vec<Seq>,
    /// The finding, in words.
    pub found: String,
    /// Whether one of these events is selected. If there are none, whether one of the case is.
    pub is_selected: bool,
}

/// An event, as a rule sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    mark: Mark,
    is_a: bool,
    is_b: bool,
}

impl Step {
    /// Compares an event with a rule's selections. `is_selected` is whether findings about the event should be reported.
    pub fn new(rule: &Rule, reading: &Reading<'_>, is_selected: bool) -> Step {
        let is_a = rule.a.holds(reading);
        let is_b = rule.b.as_ref().is_some_and(|b| b.holds(reading));
        let mark = Mark::new(rule, reading, is_selected);
        // An event that is neither is not compared with others, and most payloads need not be decoded.
        Step { mark: if is_a || is_b { mark.compared(rule, reading) } else { mark }, is_a, is_b }
    }
}

impl Step {
    /// Whether it can change what is found in a case; `None` if the case had no such event so far. Most events do not matter
    /// to a rule, and most runs have no event that matters to most rules.
    pub fn matters_to(&self, rule: &Rule, case: Option<&Case>) -> bool {
        let matters = |constraint: &Constraint| {
            constraint.is_broken_by_none() || (case.is_some() && constraint.is_about_neighbours())
        };
        self.is_a || self.is_b || rule.template.constraints.iter().any(matters)
    }
}

/// The events of one case so far, as one rule needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    count: u64,
    has_b: bool,
    last: Option<Step>,
    memories: Vec<Memory>,
    is_settled: bool,
    /// Whether one of its events is selected.
    has_selected: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Memory {
    open: Open,
    /// Earlier events of the kind that `a` and `b` stand for.
    past_a: Past,
    past_b: Past,
}

impl Case {
    /// Takes the next event of the case, and adds the violations that it causes. Returns whether the event is judged. It is
    /// not judged if too many events wait already.
    #[must_use]
    pub fn take(&mut self, rule: &Rule, step: Step, broken: &mut Vec<Violation>) -> bool {
        let constraints = rule.template.constraints;
        self.memories.resize_with(constraints.len(), Memory::default);
        self.count += u64::from(step.is_a);
        self.has_b |= step.is_b;
        self.has_selected |= step.mark.is_selected;
        let mut seen = Seen { rule, step: &step, last: self.last.as_ref(), count: self.count, broken, is_judged: true };
        for (constraint, memory) in constraints.iter().zip(&mut self.memories) {
            seen.by(*constraint, memory);
        }
        let is_judged = seen.is_judged;
        self.last = Some(step);
        is_judged
    }

    /// Judges what only the end of the case shows. What was due at an earlier end is not due again.
    pub fn settle(&mut self, rule: &Rule, broken: &mut Vec<Violation>) {
        let is_first = !std::mem::replace(&mut self.is_settled, true);
        self.memories.resize_with(rule.template.constraints.len(), Memory::default);
        let found = if rule.within_ns.is_some() { LATE } else { NOTHING };
        for (constraint, memory) in rule.template.constraints.iter().zip(&mut self.memories) {
            broken.extend(memory.open.take(|_| true).iter().map(|mark| alone(mark, found)));
            if !is_first {
                continue;
            }
            let (seqs, found, is_selected) = match (constraint, &self.last) {
                (Constraint::AtLeast, _) if self.count < rule.count => {
                    (Vec::new(), format!("{} of {}", self.count, rule.count), self.has_selected)
                }
                (Constraint::Last, Some(last)) if !last.is_a => {
                    (vec![last.mark.seq], "the last event is another".to_owned(), last.mark.is_selected)
                }
                (Constraint::Either, _) if self.count == 0 && !self.has_b => {
                    (Vec::new(), "neither".to_owned(), self.has_selected)
                }
                _ => continue,
            };
            broken.push(Violation { seqs, found, is_selected });
        }
    }

    /// The case goes on after its end, and will have another end.
    pub fn begin_again(&mut self) {
        self.is_settled = false;
    }

    /// Judges what the time at the end of the log shows: for events that have waited too long, the time is over. Before that
    /// nothing is certain, because times can go back.
    pub fn expire(&mut self, rule: &Rule, now_ns: i128, broken: &mut Vec<Violation>) {
        for memory in &mut self.memories {
            let late = memory.open.take(|mark| mark.is_late(rule, now_ns));
            broken.extend(late.iter().map(|mark| alone(mark, LATE)));
        }
    }

    /// How many events wait for another one.
    pub fn open(&self) -> usize {
        self.memories.iter().map(|memory| memory.open.len()).sum()
    }
}

const NOTHING: &str = "nothing that it asks for came";
const LATE: &str = "nothing that it asks for came in time";

fn alone(mark: &Mark, found: &str) -> Violation {
    Violation { seqs: vec![mark.seq], found: found.to_owned(), is_selected: mark.is_selected }
}

/// One event beside the case so far.
struct Seen<'s> {
    rule: &'s Rule,
    step: &'s Step,
    /// The previous event.
    last: Option<&'s Step>,
    /// How many events are an `a`, including this one.
    count: u64,
    broken: &'s mut Vec<Violation>,
    is_judged: bool,
}

impl Seen<'_> {
    fn by(&mut self, constraint: Constraint, memory: &mut Memory) {
        let Step { mark, is_a, is_b } = self.step;
        match constraint {
            Constraint::AtMost if *is_a && self.count > self.rule.count => {
                self.one(&format!("it is there {} times", self.count));
            }
            Constraint::Fewer if *is_a && self.count >= self.rule.count => {
                self.one(&format!("it is there {} times", self.count));
            }
            Constraint::First if self.last.is_none() && !is_a => self.one("the first event is another"),
            Constraint::Beside(of) => self.beside(of, memory),
            Constraint::After(distance) => self.after(distance, memory),
            Constraint::Before(distance) => self.before(distance, memory),
            Constraint::NeverBeside => {
                if *is_a && *is_b && self.rule.different.is_none() {
                    self.one("it is both");
                } else if !(*is_b && self.never(&memory.past_a)) && *is_a {
                    self.never(&memory.past_b);
                }
                self.remember(memory, *is_a, *is_b);
            }
            Constraint::NeverAfter => {
                if *is_b {
                    self.never(&memory.past_a);
                }
                self.remember(memory, *is_a, false);
            }
            Constraint::NeverNext => {
                if *is_b && let Some(last) = self.last.filter(|last| last.is_a && last.mark.fits(self.rule, mark)) {
                    self.both(&last.mark, "it is the next event");
                }
            }
            Constraint::AtLeast
            | Constraint::AtMost
            | Constraint::Fewer
            | Constraint::First
            | Constraint::Last
            | Constraint::Either => {}
        }
    }

    /// Requires that no earlier event among these fits this one. Returns whether one fits.
    fn never(&mut self, past: &Past) -> bool {
        match past.find(self.rule, &self.step.mark) {
            Ok(Some(earlier)) => {
                self.both(earlier, "it came after the other");
                return true;
            }
            Ok(None) => {}
            Err(Forgotten) => self.is_judged = false,
        }
        false
    }

    /// Requires that before or after each event of one selection there is an event of the other.
    fn beside(&mut self, of: Of, memory: &mut Memory) {
        let Step { mark, is_a, is_b } = self.step;
        let (asks, answers) = if of == Of::A { (*is_a, *is_b) } else { (*is_b, *is_a) };
        if answers {
            memory.open.take(|open| open.fits(self.rule, mark));
        }
        let past = if of == Of::A { &memory.past_b } else { &memory.past_a };
        // An event that is both fulfils its own requirement, unless the two must differ.
        if asks && !(answers && self.rule.different.is_none()) {
            match past.find(self.rule, mark) {
                Ok(Some(_)) => {}
                Ok(None) => self.wait(memory),
                Err(Forgotten) => self.is_judged = false,
            }
        }
        let (keeps_a, keeps_b) = if of == Of::A { (false, *is_b) } else { (*is_a, false) };
        self.remember(memory, keeps_a, keeps_b);
    }

    /// Requires that after each `a` there is a `b`.
    fn after(&mut self, distance: Distance, memory: &mut Memory) {
        let Step { mark, is_a, is_b } = self.step;
        if *is_b {
            memory.open.take(|open| open.fits(self.rule, mark));
        }
        let (missed, found) = match distance {
            Distance::Alternate if *is_a => (memory.open.take(|open| open.is_same(mark)), "the same came again first"),
            Distance::Any | Distance::Alternate => (Vec::new(), ""),
            Distance::Next => (memory.open.take(|_| true), "the next event is another"),
        };
        for open in missed {
            self.both(&open, found);
        }
        if *is_a {
            self.wait(memory);
        }
    }

    /// Requires that before each `b` there is an `a`.
    fn before(&mut self, distance: Distance, memory: &mut Memory) {
        let Step { mark, is_a, is_b } = self.step;
        if *is_b {
            let is_there = match distance {
                Distance::Next => Ok(self.last.is_some_and(|last| last.is_a && last.mark.fits(self.rule, mark))),
                Distance::Any | Distance::Alternate => memory.past_a.find(self.rule, mark).map(|found| found.is_some()),
            };
            match is_there {
                Ok(true) => {}
                Ok(false) => self.unprecedented(distance, memory),
                Err(Forgotten) => self.is_judged = false,
            }
            if distance == Distance::Alternate {
                memory.past_a.drop_same(mark);
            }
        }
        self.remember(memory, *is_a && distance != Distance::Next, false);
    }

    /// Reports that there is no `a` before this event, and which one comes nearest.
    fn unprecedented(&mut self, distance: Distance, memory: &Memory) {
        let nearest = if distance == Distance::Next {
            self.last.map(|last| &last.mark)
        } else {
            memory.past_a.last_of(&self.step.mark)
        };
        let found = match (distance, self.rule.compares()) {
            (Distance::Any, false) => "none came before it",
            (Distance::Any, true) => "none that fits came before it",
            (Distance::Alternate, false) => "none came since the last one",
            (Distance::Alternate, true) => "none that fits came since the last one",
            (Distance::Next, _) => "the event before it is another, or does not fit",
        };
        match nearest {
            Some(nearest) => self.one(&format!("{found}; the nearest is seq {}", nearest.seq)),
            None => self.one(found),
        }
    }

    /// Adds this event to the earlier ones of `a`, of `b`, or of both.
    fn remember(&self, memory: &mut Memory, as_a: bool, as_b: bool) {
        if as_a {
            memory.past_a.add(self.rule, self.step.mark.clone());
        }
        if as_b {
            memory.past_b.add(self.rule, self.step.mark.clone());
        }
    }

    fn wait(&mut self, memory: &mut Memory) {
        if !memory.open.add(self.step.mark.clone()) {
            self.is_judged = false;
        }
    }

    fn one(&mut self, found: &str) {
        self.broken.push(alone(&self.step.mark, found));
    }

    fn both(&mut self, earlier: &Mark, found: &str) {
        let mark = &self.step.mark;
        let (seqs, is_selected) = (vec![earlier.seq, mark.seq], earlier.is_selected || mark.is_selected);
        self.broken.push(Violation { seqs, found: found.to_owned(), is_selected });
    }
}
