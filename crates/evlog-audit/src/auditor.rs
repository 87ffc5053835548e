//! Audits the events of a log in one pass: the built-in rules on order, and rules that users write.
//!
//! Invariant: the memory is that of the runs that have not ended, of a fixed number of ended ones, of the values of fields by
//! which rules join events, and of a fixed number of findings for each rule.

use crate::finding::{Finding, Findings};
use crate::order::{FOLDS, Order, POLICY, RELATED_RUN, RunOrder};
use crate::reading::{PayloadJson, Reading};
use crate::rules::{Case, Per, Rule, Step, Violation};
use crate::select::Selection;
use crate::states::{After, Earlier, Run, States};
use evlog_format::kind;
use evlog_projection::{Contracts, Fact};
use serde_json::Value;
use std::collections::BTreeMap;

/// What an audit is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The rules that users write.
    pub rules: Vec<Rule>,
    /// The events whose findings are reported. All events are read, because an order shows only in all of them.
    pub selection: Selection,
    /// The longest time between two checkpoints, in nanoseconds.
    pub unsigned_max_ns: Option<i64>,
    /// Whether a run that has not ended is judged as if it had.
    pub as_ended: bool,
}

/// What an audit found.
#[derive(Debug, Default)]
pub struct Report {
    /// How many events were read.
    pub events: u64,
    /// How many runs there are.
    pub runs: u64,
    /// The findings.
    pub findings: Findings,
    /// For each rule, how many events wait for another one that may still come, because their run has not ended.
    pub open: BTreeMap<String, usize>,
    /// For each rule, how many events were not judged, because too many in one case wait already.
    pub not_judged: BTreeMap<String, u64>,
}

/// What is kept for each run.
#[derive(Debug, Default)]
struct Kept {
    order: RunOrder,
    cases: Vec<Case>,
    has_failed: bool,
}

/// An audit that is going on.
pub struct Auditor {
    options: Options,
    payload_json: PayloadJson,
    order: Order,
    states: States<Kept>,
    /// The cases of the rules that join events by a field, by rule and value.
    by_value: BTreeMap<(usize, String), Case>,
    report: Report,
    last_ns: i64,
}

impl Auditor {
    /// Begins an audit with the first event of a log.
    pub fn new(contracts: &Contracts, options: Options, payload_json: PayloadJson) -> Auditor {
        let order = Order::new(options.unsigned_max_ns);
        let states = States::new(contracts);
        let (by_value, report) = (BTreeMap::new(), Report::default());
        Auditor { options, payload_json, order, states, by_value, report, last_ns: i64::MIN }
    }

    /// Takes the next event. `breach`: why the policy of its time does not allow it. `earlier` reads the events of a run that was
    /// forgotten.
    pub fn take<E>(&mut self, fact: &Fact<'_>, breach: Option<String>, earlier: &mut Earlier<'_, E>) -> Result<(), E> {
        let reading = Reading::new(fact, self.payload_json);
        self.report.events += 1;
        self.last_ns = fact.head.recorded_ns;
        let mut found = Vec::new();
        self.order.take(&reading, &mut found);
        found.extend(breach.map(|why| POLICY.finding(Some(fact.event.stream), &[fact.seq], why)));
        let mut is_selected = self.options.selection.holds_event(&reading);
        if fact.event.stream.starts_with('$') {
            is_selected &= !self.options.selection.needs_states();
        } else {
            self.report.runs += u64::from(fact.event.number == 0);
            self.related(&reading, earlier, &mut found)?;
            is_selected &= self.of_run(&reading, earlier, &mut found)?;
        }
        self.of_values(&reading, &mut found);
        if is_selected {
            for finding in found {
                self.report.findings.add(finding);
            }
        }
        Ok(())
    }

    /// Judges the event of a run; returns whether the selection means runs in this state.
    fn of_run<E>(
        &mut self,
        reading: &Reading<'_>,
        earlier: &mut Earlier<'_, E>,
        found: &mut Vec<Finding>,
    ) -> Result<bool, E> {
        let (rules, payload_json) = (&self.options.rules, self.payload_json);
        let not_judged = &mut self.report.not_judged;
        let mut keep = |run: &mut Run<Kept>, fact: &Fact<'_>| {
            let mut added = Vec::new();
            if fact.seq == reading.fact.seq {
                kept(rules, run, reading, &mut added);
                found.append(&mut added);
            } else {
                // The run was forgotten. What its earlier events break was reported when they came.
                kept(rules, run, &Reading::new(fact, payload_json), &mut added);
            }
        };
        let run = self.states.take(&reading.fact, earlier, &mut keep)?;
        for (rule, case) in rules.iter().zip(&run.kept.cases).filter(|(_, case)| case.not_judged() > 0) {
            not_judged.insert(rule.name().to_owned(), case.not_judged());
        }
        Ok(self.options.selection.holds_run(run.after().as_ref()))
    }

    /// Rules that join events of all runs by the value of a field.
    fn of_values(&mut self, reading: &Reading<'_>, found: &mut Vec<Finding>) {
        for (index, rule) in self.options.rules.iter().enumerate() {
            let Per::Value(field) = rule.per() else { continue };
            let Some(value) = field.key(reading) else { continue };
            let step = Step::new(rule, reading);
            let case = self.by_value.entry((index, value.clone())).or_default();
            let mut broken = Vec::new();
            case.take(rule, step, &mut broken);
            found.extend(broken.into_iter().map(|violation| finding(rule, &value, violation)));
        }
    }

    /// Whether the runs that an event names are there.
    fn related<E>(
        &self,
        reading: &Reading<'_>,
        earlier: &mut Earlier<'_, E>,
        found: &mut Vec<Finding>,
    ) -> Result<(), E> {
        let (seq, event) = (reading.fact.seq, &reading.fact.event);
        let text = |member: &str| reading.payload().get(member).and_then(Value::as_str).map(str::to_owned);
        let (name, must_have_ended, role) = match event.kind {
            kind::STATUS_CREATED => {
                let is_retry = reading.payload().get("retry").is_some_and(|retry| !retry.is_null());
                (text("parent_run_id"), is_retry, if is_retry { "repeated run" } else { "parent" })
            }
            kind::PIPELINE_TAKEN_OVER => (text("baseline"), true, "baseline"),
            _ => return Ok(()),
        };
        let Some(name) = name.filter(|name| name != event.stream) else { return Ok(()) };
        let found_now = match self.states.look(&name, seq, earlier)? {
            None => format!("seq {seq} names the {role} `{name}`, which is not in the log before it"),
            Some(false) if must_have_ended => format!("seq {seq} names the {role} `{name}`, which had not ended"),
            Some(_) => return Ok(()),
        };
        found.push(RELATED_RUN.finding(Some(event.stream), &[seq], found_now));
        Ok(())
    }

    /// Ends the audit after the last event.
    pub fn finish(self) -> Report {
        let Auditor { options, states, by_value, mut report, last_ns, .. } = self;
        let end = |rule: &Rule, name: &str, case: &mut Case, report: &mut Report| {
            let mut broken = Vec::new();
            if options.as_ended {
                case.settle(rule, &mut broken);
            } else {
                case.expire(rule, last_ns.into(), &mut broken);
            }
            *report.open.entry(rule.name().to_owned()).or_default() += case.open();
            for violation in broken {
                report.findings.add(finding(rule, name, violation));
            }
        };
        for (name, mut run) in states.into_runs() {
            let is_meant = options.selection.holds_name(&name) && options.selection.holds_run(run.after().as_ref());
            for (rule, case) in options.rules.iter().zip(&mut run.kept.cases).filter(|_| is_meant) {
                end(rule, &name, case, &mut report);
            }
        }
        for ((index, value), mut case) in by_value {
            end(&options.rules[index], &value, &mut case, &mut report);
        }
        report
    }
}

/// Judges an event of a run by the rules that concern single runs.
fn kept(rules: &[Rule], run: &mut Run<Kept>, reading: &Reading<'_>, found: &mut Vec<Finding>) {
    let name = reading.fact.event.stream;
    if let Err(error) = &run.fold
        && !std::mem::replace(&mut run.kept.has_failed, true)
    {
        found.push(FOLDS.finding(Some(name), &[error.seq], error.message.clone()));
    }
    let after = run.fold.as_ref().ok().map(After::of);
    run.kept.order.take(reading, after.as_ref(), found);
    run.kept.cases.resize_with(rules.len(), Case::default);
    for (rule, case) in rules.iter().zip(&mut run.kept.cases) {
        let is_other = rule.contract().is_some_and(|contract| after.is_none_or(|after| after.contract != contract));
        if is_other || *rule.per() != Per::Run {
            continue;
        }
        let mut broken = Vec::new();
        case.take(rule, Step::new(rule, reading), &mut broken);
        if after.is_some_and(|after| after.has_ended) {
            case.settle(rule, &mut broken);
        }
        found.extend(broken.into_iter().map(|violation| finding(rule, name, violation)));
    }
}

fn finding(rule: &Rule, case: &str, violation: Violation) -> Finding {
    let Violation { seqs, found } = violation;
    let (severity, expected) = (rule.severity(), rule.expected());
    Finding { rule: rule.name().to_owned(), severity, case: Some(case.to_owned()), seqs, expected, found }
}

#[cfg(test)]
mod tests;
