//! The built-in rules on order, which hold for every log.

use crate::finding::{Finding, Subject};
use crate::states::After;
use evlog_format::ids::LOG_STREAM;
use evlog_format::{Kind, Seq, kind};
use evlog_projection::members::quoted;
use evlog_rules::{Reading, Severity};
use serde_json::Value;
use std::collections::BTreeSet;

/// A rule on order that is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRule {
    /// Its number in `docs/audit.md`.
    pub id: &'static str,
    /// Its name in reports.
    pub name: &'static str,
    /// The severity of a finding.
    pub severity: Severity,
    /// What it requires.
    pub expected: &'static str,
}

macro_rules! rules {
    ($($constant:ident = $id:literal $name:literal $severity:ident $expected:literal;)*) => {
        $(
            #[doc = $expected]
            pub const $constant: OrderRule =
                OrderRule { id: $id, name: $name, severity: Severity::$severity, expected: $expected };
        )*
        /// All built-in rules.
        pub const BUILT_IN: &[OrderRule] = &[$($constant),*];
    };
}

rules! {
    DENSE_SEQ = "O-01" "dense_seq" Error "seqs and the numbers of a stream's events follow each other without a gap";
    CAUSE_BEFORE = "O-02" "cause_before_effect" Error "an event is caused by an earlier one";
    FOLDS = "O-03" "contract_kept" Error "the events of a run are those that its contract allows";
    TIME_FORWARD = "O-04" "time_forward" Warning "an event is recorded no earlier than the one before it";
    AFTER_END = "O-05" "nothing_after_end" Warning "after a run has ended, only refusals, rejections, and events that restart the run are recorded";
    RELATED_RUN = "O-06" "related_run" Error "a parent, a child, a baseline or a repeated run is in the log, and a baseline or a repeated run had ended";
    OUTCOME_BEGUN = "O-07" "outcome_of_begun_stage" Warning "a stage with the outcome `success` has begun";
    LIMIT_OUTCOME = "O-08" "limit_has_outcome" Error "a stage that exceeded a limit has an outcome when the run ends";
    SESSION_CLOSED = "O-09" "session_closed" Warning "a session is closed before the next one begins";
    LOSS = "O-10" "no_loss" Warning "nothing that was synced is lost";
    UNSIGNED = "O-11" "signed_in_time" Error "the time between two checkpoints is at most the given one";
    POLICY = "O-12" "policy_kept" Error "an event obeys the policy that was in force when it was recorded";
    CHILD_MIRRORED = "O-13" "child_mirrored" Error "a step that ends as its child ends has the phase in which the child had ended";
    KEY_ADDED = "O-14" "key_added" Error "a checkpoint is signed under a name for which a key was added, and which was not given up";
}

impl OrderRule {
    /// A finding by this rule.
    pub fn finding(&self, subject: Subject, seqs: &[Seq], found: String) -> Finding {
        let (rule, expected) = (self.name.to_owned(), self.expected.to_owned());
        Finding { rule, severity: self.severity, subject, seqs: seqs.to_vec(), expected, found }
    }

    /// Adds a finding, if one of the events that show it is selected.
    fn add(&self, findings: &mut Vec<Finding>, subject: Subject, shown_by: &[Place], found: String) {
        if shown_by.iter().any(|place| place.is_selected) {
            let seqs: Vec<Seq> = shown_by.iter().map(|place| place.seq).collect();
            findings.push(self.finding(subject, &seqs, found));
        }
    }
}

/// An event, and whether it is selected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) seq: Seq,
    pub(crate) is_selected: bool,
}

/// The state of the log so far that the rules need.
#[derive(Debug, Default)]
pub(crate) struct Order {
    next_seq: Option<Seq>,
    next_of_log: u64,
    last: Option<(Place, i64)>,
    /// The session that is open.
    session: Option<Place>,
    /// When the last checkpoint was signed, or the log began.
    signed: Option<(Place, i64)>,
    /// How long a log may go without a checkpoint, in nanoseconds.
    unsigned_max_ns: Option<i64>,
    /// The names of keys that were added.
    names: BTreeSet<String>,
    /// The names that were given up.
    former: BTreeSet<String>,
}

impl Order {
    pub(crate) fn new(unsigned_max_ns: Option<i64>) -> Order {
        Order { unsigned_max_ns, ..Order::default() }
    }

    /// Takes the next event, whatever its stream.
    pub(crate) fn take(&mut self, reading: &Reading<'_>, is_selected: bool, findings: &mut Vec<Finding>) {
        let (seq, event) = (reading.fact.seq, &reading.fact.event);
        let (place, subject) = (Place { seq, is_selected }, || Subject::of_stream(event.stream));
        if let Some(next) = self.next_seq.filter(|next| *next != seq) {
            let found = format!("seq {seq} after seq {}", next.0.saturating_sub(1));
            DENSE_SEQ.add(findings, subject(), &[place], found);
        }
        self.next_seq = Some(Seq(seq.0.saturating_add(1)));
        if let Some(cause) = event.causation.filter(|cause| *cause >= seq) {
            CAUSE_BEFORE.add(findings, subject(), &[place], format!("seq {seq} is caused by seq {cause}"));
        }
        self.time(place, reading.fact.head.recorded_ns, subject, findings);
        if event.stream == LOG_STREAM {
            self.of_log(reading, place, findings);
        }
    }

    fn time(&mut self, place: Place, recorded_ns: i64, subject: impl FnOnce() -> Subject, findings: &mut Vec<Finding>) {
        if let Some((before, last_ns)) = self.last.filter(|(_, last_ns)| recorded_ns < *last_ns) {
            let back_ms = last_ns.abs_diff(recorded_ns).div_ceil(1_000_000);
            let found = format!("seq {} was recorded {back_ms} ms before seq {}", place.seq, before.seq);
            TIME_FORWARD.add(findings, subject(), &[before, place], found);
        }
        self.last = Some((place, recorded_ns));
        self.signed.get_or_insert((place, recorded_ns));
    }

    /// Judges the time since the last checkpoint. The interval ends at `place`: the next checkpoint, or the last event.
    fn unsigned(&self, (place, now_ns): (Place, i64), findings: &mut Vec<Finding>) {
        let (Some(max_ns), Some((signed, signed_ns))) = (self.unsigned_max_ns, self.signed) else { return };
        let long_ns = now_ns.saturating_sub(signed_ns);
        if long_ns > max_ns {
            let seconds = long_ns / 1_000_000_000;
            let found =
                format!("no checkpoint was signed in the {seconds} s between seq {} and seq {}", signed.seq, place.seq);
            UNSIGNED.add(findings, Subject::Log, &[signed, place], found);
        }
    }

    /// Judges what only the end of the log shows.
    pub(crate) fn finish(&self, findings: &mut Vec<Finding>) {
        if let Some(last) = self.last {
            self.unsigned(last, findings);
        }
    }

    fn of_log(&mut self, reading: &Reading<'_>, place: Place, findings: &mut Vec<Finding>) {
        let (seq, event, recorded_ns) = (reading.fact.seq, &reading.fact.event, reading.fact.head.recorded_ns);
        if event.number != self.next_of_log {
            let found = format!("event number {} in `$log`; expected {}", event.number, self.next_of_log);
            DENSE_SEQ.add(findings, Subject::Log, &[place], found);
        }
        self.next_of_log = event.number.saturating_add(1);
        match event.kind {
            kind::LOG_CREATED | kind::LOG_OPENED => {
                let is_first = |opened: &Place| event.kind == kind::LOG_OPENED && opened.seq == Seq(0);
                if let Some(opened) = self.session.filter(|opened| !is_first(opened)) {
                    let found = format!("the session that began at seq {} was not closed before seq {seq}", opened.seq);
                    SESSION_CLOSED.add(findings, Subject::Log, &[opened, place], found);
                }
                self.session = Some(place);
            }
            kind::LOG_CLOSED => self.session = None,
            kind::LOG_LOSS_ACCEPTED => {
                let text = |member: &str| reading.payload().get(member).map_or_else(String::new, Value::to_string);
                let found =
                    format!("{} bytes at position {} were given up: {}", text("len"), text("position"), text("reason"));
                LOSS.add(findings, Subject::Log, &[place], found);
            }
            kind::LOG_CHECKPOINT_SIGNED => {
                self.unsigned((place, recorded_ns), findings);
                self.signed = Some((place, recorded_ns));
                self.of_names(reading, place, findings);
            }
            kind::LOG_KEY_ADDED | kind::LOG_NAME_CHANGED => self.of_names(reading, place, findings),
            _ => {}
        }
    }

    /// Judges under which name a checkpoint was signed. Only its note shows which key of that name signed it.
    fn of_names(&mut self, reading: &Reading<'_>, place: Place, findings: &mut Vec<Finding>) {
        let text = |member: &str| reading.payload().get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
        match reading.fact.event.kind {
            kind::LOG_KEY_ADDED => {
                let name = text("key").split('+').next().unwrap_or_default().to_owned();
                self.names.insert(name);
            }
            kind::LOG_NAME_CHANGED => {
                self.former.insert(text("from"));
                self.former.remove(&text("to"));
            }
            _ => {
                let (origin, seq) = (text("origin"), place.seq);
                let why = match (self.names.contains(&origin), self.former.contains(&origin)) {
                    (true, false) => return,
                    (true, true) => "which the log had given up",
                    (false, _) => "for which no key was added before",
                };
                let found = format!("seq {seq} says that a checkpoint was signed under `{}`, {why}", quoted(&origin));
                KEY_ADDED.add(findings, Subject::Log, &[place], found);
            }
        }
    }
}

/// What the rules keep for one run.
#[derive(Debug, Default)]
pub(crate) struct RunOrder {
    ended: Option<Place>,
    /// Stages that have begun, or were reused.
    begun: Vec<String>,
    /// Stages that exceeded a limit, and have no outcome yet.
    limits: Vec<(String, Place)>,
    /// Stages that have an outcome.
    settled: BTreeSet<String>,
}

impl RunOrder {
    /// Takes the run's next event. `after` is the run's state after it.
    pub(crate) fn take(
        &mut self,
        reading: &Reading<'_>,
        after: &After<'_>,
        is_selected: bool,
        findings: &mut Vec<Finding>,
    ) {
        let (event, place) = (&reading.fact.event, Place { seq: reading.fact.seq, is_selected });
        let subject = || Subject::of_stream(event.stream);
        // An event that begins the run again also comes after its end, and its contract allows it. If a run cannot be folded,
        // its state stays as it was.
        let has_ended = after.has_ended || (after.status.is_none() && self.ended.is_some());
        if let Some(ended) = self.ended.filter(|_| has_ended && !is_answer(event.kind)) {
            let found = format!("`{}` at seq {}, after the run ended at seq {}", event.kind, place.seq, ended.seq);
            AFTER_END.add(findings, subject(), &[ended, place], found);
        }
        self.stages(reading, place, findings);
        if !has_ended {
            self.ended = None;
            return;
        }
        if self.ended.is_none() {
            for (stage, at) in self.limits.drain(..) {
                let found = format!(
                    "stage `{stage}` exceeded a limit at seq {}, and has no outcome at the end (seq {})",
                    at.seq, place.seq
                );
                LIMIT_OUTCOME.add(findings, subject(), &[at, place], found);
            }
        }
        self.ended.get_or_insert(place);
    }

    fn stages(&mut self, reading: &Reading<'_>, place: Place, findings: &mut Vec<Finding>) {
        let event = &reading.fact.event;
        let stage = || reading.payload().get("stage").and_then(Value::as_str).unwrap_or_default().to_owned();
        match event.kind {
            kind::PIPELINE_STAGE_BEGUN | kind::PIPELINE_TAKEN_OVER => self.begun.push(stage()),
            kind::PIPELINE_LIMIT_EXCEEDED => {
                let stage = stage();
                if !self.settled.contains(&stage) {
                    self.limits.push((stage, place));
                }
            }
            kind::PIPELINE_OUTCOME_RECORDED => {
                let stage = stage();
                // A substage has its own outcome, and begins with its stage.
                let whole = stage.split('.').next().unwrap_or_default();
                let is_success = reading.payload().get("status").and_then(Value::as_str) == Some("success");
                if is_success && !self.begun.iter().any(|begun| begun == whole) {
                    let found =
                        format!("stage `{stage}` has the outcome `success` at seq {}, and has not begun", place.seq);
                    OUTCOME_BEGUN.add(findings, Subject::of_stream(event.stream), &[place], found);
                }
                self.limits.retain(|(limited, _)| *limited != stage);
                self.settled.insert(stage);
            }
            _ => {}
        }
    }
}

/// Whether an event records that a request was not carried out.
fn is_answer(kind: Kind<'_>) -> bool {
    kind.name().is_some_and(|name| name.ends_with(".rejected") || name.ends_with(".refused"))
}

#[cfg(test)]
mod tests {
    use super::BUILT_IN;

    #[test]
    fn the_page_lists_the_built_in_rules() {
        let page = include_str!("../../../docs/audit.md");
        for rule in BUILT_IN {
            let row = format!("| {} | `{}` | {} | {} |", rule.id, rule.name, rule.severity.word(), rule.expected);
            assert!(page.contains(&row), "{row}");
        }
        assert_eq!(page.matches("\n| O-").count(), BUILT_IN.len());
    }
}
