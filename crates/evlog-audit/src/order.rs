//! The rules on order that hold for every log, whatever its users demand.

use crate::finding::{Finding, Severity};
use crate::reading::Reading;
use crate::states::After;
use evlog_format::{Kind, Seq, kind};
use serde_json::Value;

/// The name of the stream of events about the log itself.
const LOG_STREAM: &str = "$log";

/// A rule on order that is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRule {
    /// Its number in `docs/audit.md`.
    pub id: &'static str,
    /// Its name in reports.
    pub name: &'static str,
    /// How much a finding matters.
    pub severity: Severity,
    /// What it asks.
    pub expected: &'static str,
}

macro_rules! rules {
    ($($constant:ident = $id:literal $name:literal $severity:ident $expected:literal;)*) => {
        $(
            #[doc = $expected]
            pub(crate) const $constant: OrderRule =
                OrderRule { id: $id, name: $name, severity: Severity::$severity, expected: $expected };
        )*
        /// All of them.
        pub const BUILT_IN: &[OrderRule] = &[$($constant),*];
    };
}

rules! {
    DENSE_SEQ = "O-01" "dense_seq" Error "seqs and the numbers of a stream's events follow each other without a gap";
    CAUSE_BEFORE = "O-02" "cause_before_effect" Error "an event is caused by an earlier one";
    FOLDS = "O-03" "contract_kept" Error "the events of a run are those that its contract allows";
    TIME_FORWARD = "O-04" "time_forward" Warning "an event is recorded no earlier than the one before it";
    AFTER_END = "O-05" "nothing_after_end" Warning "after a run has ended, only refusals and rejections are recorded";
    RELATED_RUN = "O-06" "related_run" Error "a parent, child or repeated run is in the log, and a repeated one had ended";
    OUTCOME_BEGUN = "O-07" "outcome_of_begun_stage" Warning "a stage with the outcome `success` has begun";
    LIMIT_OUTCOME = "O-08" "limit_has_outcome" Error "a stage that exceeded a limit has an outcome when the run ends";
    SESSION_CLOSED = "O-09" "session_closed" Warning "a session is closed before the next one begins";
    LOSS = "O-10" "no_loss" Warning "nothing that was synced is lost";
    UNSIGNED = "O-11" "signed_in_time" Error "the time between two checkpoints is at most the given one";
    POLICY = "O-12" "policy_kept" Error "an event obeys the policy of its time";
}

impl OrderRule {
    /// A finding on it.
    pub fn finding(&self, case: Option<&str>, seqs: &[Seq], found: String) -> Finding {
        Finding {
            rule: self.name.to_owned(),
            severity: self.severity,
            case: case.map(str::to_owned),
            seqs: seqs.to_vec(),
            expected: self.expected.to_owned(),
            found,
        }
    }
}

/// The events of the log so far, as far as the rules need them.
#[derive(Debug, Default)]
pub(crate) struct Order {
    next_seq: Option<Seq>,
    next_of_log: u64,
    last: Option<(Seq, i64)>,
    /// The session that is open.
    session: Option<Seq>,
    /// When the last checkpoint was signed, or the log began.
    signed: Option<(Seq, i64)>,
    /// How long a log may go without a checkpoint, in nanoseconds.
    unsigned_max_ns: Option<i64>,
}

impl Order {
    pub(crate) fn new(unsigned_max_ns: Option<i64>) -> Order {
        Order { unsigned_max_ns, ..Order::default() }
    }

    /// Takes the next event, whatever its stream.
    pub(crate) fn take(&mut self, reading: &Reading<'_>, findings: &mut Vec<Finding>) {
        let (seq, event, recorded_ns) = (reading.fact.seq, &reading.fact.event, reading.fact.head.recorded_ns);
        let case = Some(event.stream);
        if let Some(next) = self.next_seq.filter(|next| *next != seq) {
            findings.push(DENSE_SEQ.finding(case, &[seq], format!("seq {seq} after seq {}", next.0.saturating_sub(1))));
        }
        self.next_seq = Some(Seq(seq.0.saturating_add(1)));
        if let Some(cause) = event.causation.filter(|cause| *cause >= seq) {
            findings.push(CAUSE_BEFORE.finding(case, &[seq], format!("seq {seq} is caused by seq {cause}")));
        }
        self.time(seq, recorded_ns, case, findings);
        if event.stream == LOG_STREAM {
            self.of_log(reading, findings);
        }
    }

    fn time(&mut self, seq: Seq, recorded_ns: i64, case: Option<&str>, findings: &mut Vec<Finding>) {
        if let Some((before, last_ns)) = self.last.filter(|(_, last_ns)| recorded_ns < *last_ns) {
            let back_ms = last_ns.abs_diff(recorded_ns).div_ceil(1_000_000);
            let found = format!("seq {seq} was recorded {back_ms} ms before seq {before}");
            findings.push(TIME_FORWARD.finding(case, &[before, seq], found));
        }
        self.last = Some((seq, recorded_ns));
        let signed = *self.signed.get_or_insert((seq, recorded_ns));
        self.unsigned(signed, (seq, recorded_ns), findings);
    }

    /// One finding for each time that is too long, at its first event.
    fn unsigned(&mut self, signed: (Seq, i64), now: (Seq, i64), findings: &mut Vec<Finding>) {
        let Some(max_ns) = self.unsigned_max_ns else { return };
        if now.1.saturating_sub(signed.1) > max_ns {
            let seconds = now.1.saturating_sub(signed.1) / 1_000_000_000;
            let found =
                format!("no checkpoint was signed in the {seconds} s between seq {} and seq {}", signed.0, now.0);
            findings.push(UNSIGNED.finding(None, &[signed.0, now.0], found));
            self.signed = Some(now);
        }
    }

    fn of_log(&mut self, reading: &Reading<'_>, findings: &mut Vec<Finding>) {
        let (seq, event) = (reading.fact.seq, &reading.fact.event);
        if event.number != self.next_of_log {
            let found = format!("number {} of `$log`, where {} is next", event.number, self.next_of_log);
            findings.push(DENSE_SEQ.finding(None, &[seq], found));
        }
        self.next_of_log = event.number.saturating_add(1);
        match event.kind {
            kind::LOG_CREATED | kind::LOG_OPENED => {
                let is_first = self.session.is_some_and(|opened| event.kind == kind::LOG_OPENED && opened == Seq(0));
                if let Some(opened) = self.session.filter(|_| !is_first) {
                    let found = format!("the session that began at seq {opened} was not closed before seq {seq}");
                    findings.push(SESSION_CLOSED.finding(None, &[opened, seq], found));
                }
                self.session = Some(seq);
            }
            kind::LOG_CLOSED => self.session = None,
            kind::LOG_LOSS_ACCEPTED => {
                let text = |member: &str| reading.payload().get(member).map_or_else(String::new, Value::to_string);
                let found =
                    format!("{} bytes at position {} were given up: {}", text("len"), text("position"), text("reason"));
                findings.push(LOSS.finding(None, &[seq], found));
            }
            kind::LOG_CHECKPOINT_SIGNED => self.signed = Some((seq, reading.fact.head.recorded_ns)),
            _ => {}
        }
    }
}

/// What the rules keep for one run.
#[derive(Debug, Default)]
pub(crate) struct RunOrder {
    ended: Option<Seq>,
    /// Stages that have begun, or were taken over.
    begun: Vec<String>,
    /// Stages that exceeded a limit, and have no outcome yet.
    limits: Vec<(String, Seq)>,
}

impl RunOrder {
    /// Takes the run's next event, after which it is in this state.
    pub(crate) fn take(&mut self, reading: &Reading<'_>, after: Option<&After<'_>>, findings: &mut Vec<Finding>) {
        let (seq, run) = (reading.fact.seq, Some(reading.fact.event.stream));
        if let Some(ended) = self.ended.filter(|_| !is_answer(reading.fact.event.kind)) {
            let found = format!("`{}` at seq {seq}, after the run ended at seq {ended}", reading.fact.event.kind);
            findings.push(AFTER_END.finding(run, &[ended, seq], found));
        }
        self.stages(reading, findings);
        if after.is_some_and(|after| after.has_ended) {
            if self.ended.is_none() {
                for (stage, at) in self.limits.drain(..) {
                    let found = format!(
                        "stage `{stage}` exceeded a limit at seq {at}, and has no outcome at the end (seq {seq})"
                    );
                    findings.push(LIMIT_OUTCOME.finding(run, &[at, seq], found));
                }
            }
            self.ended.get_or_insert(seq);
        } else {
            self.ended = None;
        }
    }

    fn stages(&mut self, reading: &Reading<'_>, findings: &mut Vec<Finding>) {
        let (seq, event) = (reading.fact.seq, &reading.fact.event);
        let stage = || reading.payload().get("stage").and_then(Value::as_str).unwrap_or_default().to_owned();
        match event.kind {
            kind::PIPELINE_STAGE_BEGUN | kind::PIPELINE_TAKEN_OVER => self.begun.push(stage()),
            kind::PIPELINE_LIMIT_EXCEEDED => self.limits.push((stage(), seq)),
            kind::PIPELINE_OUTCOME_RECORDED => {
                let stage = stage();
                // A part of a stage has an outcome of its own, and begins with the stage.
                let whole = stage.split('.').next().unwrap_or_default();
                let is_success = reading.payload().get("status").and_then(Value::as_str) == Some("success");
                if is_success && !self.begun.iter().any(|begun| begun == whole) {
                    let found = format!("stage `{stage}` has the outcome `success` at seq {seq}, and has not begun");
                    findings.push(OUTCOME_BEGUN.finding(Some(event.stream), &[seq], found));
                }
                self.limits.retain(|(limited, _)| *limited != stage);
            }
            _ => {}
        }
    }
}

/// Whether an event records that a request was not fulfilled.
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
