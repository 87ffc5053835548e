//! Audits the events of a log in one pass, by the built-in rules on order and by rules that users write.
//!
//! Invariant: the memory holds the runs that have not ended, a fixed number of ended runs, the values of fields by which rules
//! join events, and a fixed number of findings for each rule.

use crate::finding::{Finding, Findings, Subject};
use crate::order::{CHILD_MIRRORED, FOLDS, Order, POLICY, RELATED_RUN, RunOrder};
use crate::select::{Missing, Selection, Unknown, UnknownStatuses};
use crate::states::{self, After, Earlier, Related, Run, States};
use evlog_format::ids::LOG_STREAM;
use evlog_format::kind;
use evlog_lifecycle::story::Phase;
use evlog_projection::members::quoted;
use evlog_projection::readable::PayloadJson;
use evlog_projection::{Contracts, Fact, FoldError, RunFold};
use evlog_rules::{Case, Per, Reading, Rule, Step, Violation};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The options of an audit.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The rules that users write.
    pub rules: Vec<Rule>,
    /// The events whose findings are reported. All events are read, because an order is visible only in all of them.
    pub selection: Selection,
    /// The longest time between two checkpoints, in nanoseconds.
    pub unsigned_max_ns: Option<i64>,
    /// Whether a run that has not ended is judged as if it had ended.
    pub as_ended: bool,
}

/// The result of an audit.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of events that were read.
    pub events: u64,
    /// The number of runs.
    pub runs: u64,
    /// The findings.
    pub findings: Findings,
    /// Fields of the selection that no event has.
    pub missing: Missing,
    /// Contracts that the selection or a rule names, but no run has.
    pub unknown: Unknown,
    /// The statuses of the selection that no run had.
    pub statuses: UnknownStatuses,
    /// For each rule, how many events wait for another event that may still come, because their run has not ended.
    pub open: BTreeMap<String, usize>,
    /// For each rule, how many events were not judged, because too many events of a case wait already.
    pub not_judged: BTreeMap<String, u64>,
    /// The rules in the definitions of runs, by name.
    pub brought: BTreeMap<String, Rule>,
}

/// What is kept for each run.
#[derive(Debug, Default)]
struct Kept {
    order: RunOrder,
    /// The cases by rule: first the rules of the options, then the rules in the run's definition. `None` before the first
    /// event that matters to the rule.
    cases: Vec<Option<Box<Case>>>,
    has_failed: bool,
    /// Whether the run has ended. A run can begin again, and end again.
    has_ended: bool,
}

impl states::Kept for Kept {
    fn is_needed(&self) -> bool {
        self.cases.iter().flatten().any(|case| case.open() > 0)
    }
}

#[expect(clippy::disallowed_types, reason = "only asked for values; at the end it is sorted")]
type ByValue = std::collections::HashMap<String, Case>;

/// An audit in progress.
pub struct Auditor {
    options: Options,
    payload_json: PayloadJson,
    order: Order,
    states: States<Kept>,
    /// The cases of the rules that join events by a field. For each rule, the cases by value.
    by_value: Vec<ByValue>,
    report: Report,
    /// The latest time that the clock has shown, Unix nanoseconds. The clock can go back.
    latest_ns: i64,
}

impl Auditor {
    /// Begins an audit with the first event of a log.
    pub fn new(contracts: &Contracts, mut options: Options, payload_json: PayloadJson) -> Auditor {
        let order = Order::new(options.unsigned_max_ns);
        let of_rules = options.rules.iter_mut().filter_map(Rule::contract_mut);
        let unknown = Unknown::of(contracts, options.selection.contracts.iter_mut().chain(of_rules));
        let (missing, statuses) = (Missing::of(&options.selection), UnknownStatuses::of(&options.selection));
        let report = Report { missing, unknown, statuses, ..Report::default() };
        let by_value = options.rules.iter().map(|_| ByValue::default()).collect();
        let states = States::new(contracts);
        Auditor { options, payload_json, order, states, by_value, report, latest_ns: i64::MIN }
    }

    /// Takes the next event. `breach` is the reason why the policy in force when it was recorded does not allow it. `earlier`
    /// reads the events of a run that was forgotten.
    pub fn take<E>(&mut self, fact: &Fact<'_>, breach: Option<String>, earlier: &mut Earlier<'_, E>) -> Result<(), E> {
        let reading = Reading::new(fact, self.payload_json);
        self.report.events += 1;
        self.latest_ns = self.latest_ns.max(fact.head.recorded_ns);
        let is_selected = if fact.event.stream == LOG_STREAM {
            self.report.missing.see(&self.options.selection, &reading, None);
            let is_selected = self.options.selection.holds(&reading, None);
            of_values(&self.options, &mut self.by_value, &mut self.report, &reading, None, is_selected);
            is_selected
        } else {
            self.report.runs += u64::from(fact.event.number == 0);
            self.of_run(&reading, earlier)?
        };
        let mut found = Vec::new();
        self.order.take(&reading, is_selected, &mut found);
        if is_selected {
            self.related(&reading, earlier, &mut found)?;
            let subject = || Subject::of_stream(fact.event.stream);
            found.extend(breach.map(|why| POLICY.finding(subject(), &[fact.seq], why)));
        }
        for finding in found {
            self.report.findings.add(finding);
        }
        Ok(())
    }

    /// Judges the event of a run. Returns whether it is selected.
    fn of_run<E>(&mut self, reading: &Reading<'_>, earlier: &mut Earlier<'_, E>) -> Result<bool, E> {
        let Auditor { options, payload_json, states, report, by_value, .. } = self;
        let mut keep = |run: &mut Run<Kept>, fact: &Fact<'_>| {
            // If the run was forgotten, its earlier events are read again. Findings on them were reported the first time.
            let again = (fact.seq != reading.fact.seq).then(|| Reading::new(fact, *payload_json));
            let Added { findings, not_judged } = kept(options, run, again.as_ref().unwrap_or(reading));
            if again.is_none() {
                if fact.event.number == 0 {
                    note_brought(&run.fold, &mut report.brought);
                }
                for rule in not_judged {
                    *report.not_judged.entry(rule).or_default() += 1;
                }
                for finding in findings {
                    report.findings.add(finding);
                }
            }
        };
        let after = states.take(&reading.fact, earlier, &mut keep)?.after();
        let is_selected = options.selection.holds(reading, Some(&after));
        report.missing.see(&options.selection, reading, Some(&after));
        report.unknown.see(&after);
        after.status.into_iter().for_each(|status| report.statuses.see(status));
        of_values(options, by_value, report, reading, Some(&after), is_selected);
        Ok(is_selected)
    }

    /// Checks that the runs that an event names exist.
    fn related<E>(
        &self,
        reading: &Reading<'_>,
        earlier: &mut Earlier<'_, E>,
        found: &mut Vec<Finding>,
    ) -> Result<(), E> {
        let (seq, event) = (reading.fact.seq, &reading.fact.event);
        if !matches!(event.kind, kind::STATUS_CREATED | kind::PIPELINE_TAKEN_OVER | kind::STORY_STEP_MOVED) {
            return Ok(());
        }
        let text = |member: &str| reading.payload().get(member).and_then(Value::as_str).map(str::to_owned);
        let (named, must_have_ended, what) = match event.kind {
            kind::STATUS_CREATED => {
                let is_retry = reading.payload().get("retry").is_some_and(|retry| !retry.is_null());
                (text("parent_run_id"), is_retry, if is_retry { "repeated run" } else { "parent" })
            }
            kind::PIPELINE_TAKEN_OVER => (text("baseline"), true, "baseline"),
            _ => (text("child"), false, "child"),
        };
        let Some(named) = named.filter(|named| named != event.stream) else { return Ok(()) };
        let other = self.states.look(&named, seq, earlier)?;
        let (rule, found_now) = match &other {
            Related::Absent => {
                (RELATED_RUN, format!("seq {seq} names the {what} `{named}`, which is not in the log before it"))
            }
            Related::Open if must_have_ended => {
                (RELATED_RUN, format!("seq {seq} names the {what} `{named}`, which had not ended"))
            }
            // A run that could not be folded has its own finding.
            Related::Broken => return Ok(()),
            Related::Open | Related::Ended(_) => match not_mirrored(reading, &named, &other) {
                Some(found_now) => (CHILD_MIRRORED, found_now),
                None => return Ok(()),
            },
        };
        found.push(rule.finding(Subject::of_stream(event.stream), &[seq], found_now));
        Ok(())
    }

    /// Ends the audit after the last event.
    pub fn finish(self) -> Report {
        let Auditor { options, order, states, by_value, mut report, latest_ns, .. } = self;
        let mut found = Vec::new();
        order.finish(&mut found);
        let end = |rule: Named<'_>, case: &mut Case, report: &mut Report| {
            let mut broken = Vec::new();
            if options.as_ended {
                case.settle(rule.rule, &mut broken);
            } else {
                case.expire(rule.rule, latest_ns.into(), &mut broken);
            }
            *report.open.entry(rule.name().into_owned()).or_default() += case.open();
            broken
        };
        for (name, mut run) in states.into_runs() {
            let mut cases = std::mem::take(&mut run.kept.cases);
            for (rule, case) in rules_on(&options, &run.fold).zip(&mut cases) {
                if *rule.rule.per() == Per::Run && concerns(rule.rule, Some(&run.after())) {
                    let case = case.get_or_insert_default();
                    found.extend(findings(rule, || Subject::Run(name.to_string()), end(rule, case, &mut report)));
                }
            }
        }
        for (rule, cases) in options.rules.iter().zip(by_value) {
            let rule = Named { rule, of: None };
            for (value, mut case) in cases.into_iter().collect::<BTreeMap<_, _>>() {
                found.extend(findings(rule, || Subject::Value(value.clone()), end(rule, &mut case, &mut report)));
            }
        }
        for finding in found {
            report.findings.add(finding);
        }
        report
    }
}

/// How the end of a step differs from the end of the run that it executes.
fn not_mirrored(reading: &Reading<'_>, child: &str, as_of_then: &Related) -> Option<String> {
    let text = |member: &str| reading.payload().get(member).and_then(Value::as_str);
    let phase = Phase::from_word(text("to")?).filter(|phase| phase.is_terminal())?;
    // A step that does not wait for its child succeeds at once, and says nothing about how an attempt ended.
    if text("cause") != Some("child") || (phase == Phase::Succeeded && text("exit_class").is_none()) {
        return None;
    }
    let had_ended = match as_of_then {
        Related::Ended(status) => Phase::from_word(status),
        _ => None,
    };
    // A skipped child did not do the step's work.
    let mirrored = if had_ended == Some(Phase::Skipped) { Some(Phase::Canceled) } else { had_ended };
    if mirrored == Some(phase) {
        return None;
    }
    let was = had_ended.map_or_else(|| "not ended".to_owned(), |phase| format!("ended as `{}`", phase.word()));
    let (seq, step, ends) = (reading.fact.seq, quoted(text("step").unwrap_or_default()), phase.word());
    Some(format!("seq {seq} ends step `{step}` as `{ends}`, and its child `{child}` had {was}"))
}

/// Whether a rule applies to events of this run; `None` is for events that belong to no run.
fn concerns(rule: &Rule, run: Option<&After<'_>>) -> bool {
    rule.contract().is_none_or(|contract| run.is_some_and(|run| run.is_of(contract)))
}

/// Judges by the rules that join events of all runs by the value of a field.
fn of_values(
    options: &Options,
    by_value: &mut [ByValue],
    report: &mut Report,
    reading: &Reading<'_>,
    run: Option<&After<'_>>,
    is_selected: bool,
) {
    for (rule, cases) in options.rules.iter().zip(by_value) {
        let Per::Value(field) = rule.per() else { continue };
        if run.is_none() && !rule.is_about_the_log() {
            continue;
        }
        let Some(value) = field.key(reading).filter(|_| concerns(rule, run)) else { continue };
        let step = Step::new(rule, reading, is_selected);
        if !step.matters_to(rule, cases.get(&value)) {
            continue;
        }
        let case = cases.entry(value.clone()).or_default();
        let mut broken = Vec::new();
        if !case.take(rule, step, &mut broken) {
            *report.not_judged.entry(rule.name().to_owned()).or_default() += 1;
        }
        for finding in findings(Named { rule, of: None }, || Subject::Value(value.clone()), broken) {
            report.findings.add(finding);
        }
    }
}

/// A rule, with the definition that it comes from, if it does not come from the options.
#[derive(Clone, Copy)]
struct Named<'r> {
    rule: &'r Rule,
    of: Option<&'r str>,
}

impl<'r> Named<'r> {
    /// Its name in reports: two definitions can have rules of the same name.
    fn name(self) -> Cow<'r, str> {
        match self.of {
            None => self.rule.name().into(),
            Some(definition) => format!("{definition}/{}", self.rule.name()).into(),
        }
    }
}

/// The rules that apply to single runs: first the rules of the options, then the rules in this run's definition. If a run
/// could not be folded, the latter are not known.
fn rules_on<'r>(options: &'r Options, fold: &'r Result<RunFold, FoldError>) -> impl Iterator<Item = Named<'r>> {
    let given = options.rules.iter().map(|rule| Named { rule, of: None });
    given.chain(fold.iter().flat_map(brought))
}

fn brought(run: &RunFold) -> impl Iterator<Item = Named<'_>> {
    evlog_lifecycle::rules_of(run).iter().map(|rule| Named { rule, of: run.definition() })
}

fn note_brought(fold: &Result<RunFold, FoldError>, all: &mut BTreeMap<String, Rule>) {
    for rule in fold.iter().flat_map(brought) {
        all.entry(rule.name().into_owned()).or_insert_with(|| rule.rule.clone());
    }
}

/// What an event of a run adds: findings that are selected, and the rules by which the event is not judged.
#[derive(Default)]
struct Added {
    findings: Vec<Finding>,
    not_judged: Vec<String>,
}

/// Judges an event of a run by the rules that apply to single runs.
fn kept(options: &Options, run: &mut Run<Kept>, reading: &Reading<'_>) -> Added {
    let (name, mut added) = (reading.fact.event.stream, Added::default());
    let after = states::after(run.contract(), &run.fold);
    let subject = || Subject::Run(name.to_owned());
    if let Err(error) = &run.fold
        && !std::mem::replace(&mut run.kept.has_failed, true)
        // The run's status is not known, so no selection by status may hide the finding.
        && options.selection.holds_event(reading)
        && options.selection.holds_contract(Some(&after))
    {
        added.findings.push(FOLDS.finding(subject(), &[error.seq], error.message.clone()));
    }
    let is_selected = options.selection.holds(reading, Some(&after));
    run.kept.order.take(reading, &after, is_selected, &mut added.findings);
    let had_ended = std::mem::replace(&mut run.kept.has_ended, after.has_ended);
    let count = rules_on(options, &run.fold).count();
    run.kept.cases.resize_with(count.max(run.kept.cases.len()), || None);
    for (named, case) in rules_on(options, &run.fold).zip(&mut run.kept.cases) {
        let rule = named.rule;
        if *rule.per() != Per::Run || !concerns(rule, Some(&after)) {
            continue;
        }
        let step = Step::new(rule, reading, is_selected);
        let mut broken = Vec::new();
        if step.matters_to(rule, case.as_deref()) && !case.get_or_insert_default().take(rule, step, &mut broken) {
            added.not_judged.push(named.name().into_owned());
        }
        match (had_ended, after.has_ended, case) {
            (false, true, Some(case)) => case.settle(rule, &mut broken),
            (true, false, Some(case)) => case.begin_again(),
            _ => {}
        }
        added.findings.extend(findings(named, subject, broken));
    }
    added
}

/// The findings of those violations that are selected.
fn findings<'f>(
    named: Named<'f>,
    subject: impl Fn() -> Subject + 'f,
    broken: Vec<Violation>,
) -> impl Iterator<Item = Finding> + 'f {
    broken.into_iter().filter(|violation| violation.is_selected).map(move |Violation { seqs, found, .. }| {
        let (severity, expected, subject) = (named.rule.severity(), named.rule.expected(), subject());
        Finding { rule: named.name().into_owned(), severity, subject, seqs, expected, found }
    })
}

#[cfg(test)]
mod tests;
