//! Audits the events of a log in one pass: the built-in rules on order, and rules that users write.
//!
//! Invariant: the memory is that of the runs that have not ended, of a fixed number of ended ones, of the values of fields by
//! which rules join events, and of a fixed number of findings for each rule.

use crate::finding::{Finding, Findings};
use crate::order::{FOLDS, Order, POLICY, RELATED_RUN, RunOrder};
use crate::reading::Reading;
use crate::rules::{Case, Per, Rule, Step, Violation};
use crate::select::{Missing, Selection};
use crate::states::{self, After, Earlier, Run, States};
use evlog_format::kind;
use evlog_projection::readable::PayloadJson;
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
    /// Fields of the selection that no event has.
    pub missing: Missing,
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

impl states::Kept for Kept {
    fn is_needed(&self) -> bool {
        self.cases.iter().any(|case| case.open() > 0)
    }
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
    /// The latest time that the clock has shown, Unix nanoseconds. It can go back.
    latest_ns: i64,
}

impl Auditor {
    /// Begins an audit with the first event of a log.
    pub fn new(contracts: &Contracts, options: Options, payload_json: PayloadJson) -> Auditor {
        let order = Order::new(options.unsigned_max_ns);
        let states = States::new(contracts);
        let report = Report { missing: Missing::of(&options.selection), ..Report::default() };
        let by_value = BTreeMap::new();
        Auditor { options, payload_json, order, states, by_value, report, latest_ns: i64::MIN }
    }

    /// Takes the next event. `breach`: why the policy of its time does not allow it. `earlier` reads the events of a run that was
    /// forgotten.
    pub fn take<E>(&mut self, fact: &Fact<'_>, breach: Option<String>, earlier: &mut Earlier<'_, E>) -> Result<(), E> {
        let reading = Reading::new(fact, self.payload_json);
        self.report.events += 1;
        self.report.missing.see(&self.options.selection, &reading);
        self.latest_ns = self.latest_ns.max(fact.head.recorded_ns);
        let mut found = Vec::new();
        self.order.take(&reading, &mut found);
        found.extend(breach.map(|why| POLICY.finding(Some(fact.event.stream), &[fact.seq], why)));
        let mut is_selected = self.options.selection.holds_event(&reading);
        let mut contract = None;
        if fact.event.stream.starts_with('$') {
            is_selected &= !self.options.selection.needs_states();
        } else {
            self.report.runs += u64::from(fact.event.number == 0);
            self.related(&reading, earlier, &mut found)?;
            let (holds, name) = self.of_run(&reading, earlier, &mut found)?;
            is_selected &= holds;
            contract = name;
        }
        self.of_values(&reading, contract, is_selected);
        if is_selected {
            for finding in found {
                self.report.findings.add(finding);
            }
        }
        Ok(())
    }

    /// Judges the event of a run. Returns whether the selection means runs in this state, and the run's contract.
    fn of_run<E>(
        &mut self,
        reading: &Reading<'_>,
        earlier: &mut Earlier<'_, E>,
        found: &mut Vec<Finding>,
    ) -> Result<(bool, Option<&'static str>), E> {
        let Auditor { options, payload_json, states, report, .. } = self;
        let mut keep = |run: &mut Run<Kept>, fact: &Fact<'_>| {
            // If the run was forgotten, its earlier events come again. What they break was reported when they came first.
            let again = (fact.seq != reading.fact.seq).then(|| Reading::new(fact, *payload_json));
            let Added { built_in, of_rules, not_judged } = kept(options, run, again.as_ref().unwrap_or(reading));
            if again.is_none() {
                found.extend(built_in);
                for rule in not_judged {
                    *report.not_judged.entry(rule.to_owned()).or_default() += 1;
                }
                for finding in of_rules {
                    report.findings.add(finding);
                }
            }
        };
        let run = states.take(&reading.fact, earlier, &mut keep)?;
        let after = run.after();
        Ok((options.selection.holds_run(after.as_ref()), after.map(|after| after.contract)))
    }

    /// Rules that join events of all runs by the value of a field.
    fn of_values(&mut self, reading: &Reading<'_>, contract: Option<&'static str>, is_selected: bool) {
        for (index, rule) in self.options.rules.iter().enumerate() {
            let Per::Value(field) = rule.per() else { continue };
            let Some(value) = field.key(reading).filter(|_| rule.concerns(contract)) else { continue };
            let step = Step::new(rule, reading, is_selected);
            let case = self.by_value.entry((index, value.clone())).or_default();
            let mut broken = Vec::new();
            if !case.take(rule, step, &mut broken) {
                *self.report.not_judged.entry(rule.name().to_owned()).or_default() += 1;
            }
            findings(rule, &value, broken).for_each(|finding| self.report.findings.add(finding));
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
        let Auditor { options, states, by_value, mut report, latest_ns, .. } = self;
        let end = |rule: &Rule, name: &str, case: &mut Case, report: &mut Report| {
            let mut broken = Vec::new();
            if options.as_ended {
                case.settle(rule, &mut broken);
            } else {
                case.expire(rule, latest_ns.into(), &mut broken);
            }
            *report.open.entry(rule.name().to_owned()).or_default() += case.open();
            findings(rule, name, broken).for_each(|finding| report.findings.add(finding));
        };
        for (name, mut run) in states.into_runs() {
            let contract = run.after().map(|after| after.contract);
            for (rule, case) in options.rules.iter().zip(&mut run.kept.cases) {
                if *rule.per() == Per::Run && rule.concerns(contract) {
                    end(rule, &name, case, &mut report);
                }
            }
        }
        for ((index, value), mut case) in by_value {
            end(&options.rules[index], &value, &mut case, &mut report);
        }
        report
    }
}

/// What an event of a run adds.
struct Added<'r> {
    /// Findings of built-in rules.
    built_in: Vec<Finding>,
    /// Those of users' rules that the selection means.
    of_rules: Vec<Finding>,
    /// The rules by which the event is not judged.
    not_judged: Vec<&'r str>,
}

/// Judges an event of a run by the rules that concern single runs.
fn kept<'r>(options: &'r Options, run: &mut Run<Kept>, reading: &Reading<'_>) -> Added<'r> {
    let (name, mut found) = (reading.fact.event.stream, Vec::new());
    let (mut of_rules, mut not_judged) = (Vec::new(), Vec::new());
    if let Err(error) = &run.fold
        && !std::mem::replace(&mut run.kept.has_failed, true)
    {
        found.push(FOLDS.finding(Some(name), &[error.seq], error.message.clone()));
    }
    let after = run.fold.as_ref().ok().map(After::of);
    run.kept.order.take(reading, after.as_ref(), &mut found);
    run.kept.cases.resize_with(options.rules.len(), Case::default);
    let is_selected = options.selection.holds(reading, after.as_ref());
    for (rule, case) in options.rules.iter().zip(&mut run.kept.cases) {
        if *rule.per() != Per::Run || !rule.concerns(after.map(|after| after.contract)) {
            continue;
        }
        let mut broken = Vec::new();
        if !case.take(rule, Step::new(rule, reading, is_selected), &mut broken) {
            not_judged.push(rule.name());
        }
        if after.is_some_and(|after| after.has_ended) {
            case.settle(rule, &mut broken);
        }
        of_rules.extend(findings(rule, name, broken));
    }
    Added { built_in: found, of_rules, not_judged }
}

/// The findings of those violations that the selection means.
fn findings<'f>(rule: &'f Rule, case: &'f str, broken: Vec<Violation>) -> impl Iterator<Item = Finding> + 'f {
    broken.into_iter().filter(|violation| violation.is_selected).map(move |Violation { seqs, found, .. }| {
        let (severity, expected) = (rule.severity(), rule.expected());
        Finding { rule: rule.name().to_owned(), severity, case: Some(case.to_owned()), seqs, expected, found }
    })
}

#[cfg(test)]
mod tests;
