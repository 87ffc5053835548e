//! The options that select events or runs, the same in every command that shows, exports or audits them.

use crate::context::contracts;
use crate::error::CommandError;
use crate::json::payload_json;
use crate::table::counted;
use crate::ui::alert;
use crate::when;
use clap::Args;
use evlog::history::LOG_STREAM;
use evlog::view::RunSummary;
use evlog::{LogError, Moment, View};
use evlog_audit::select::Times;
use evlog_audit::{After, Condition, Kinds, Missing, Pattern, Reading, Selection, States, Unknown, UnknownStatuses};
use evlog_format::Seq;
use evlog_format::kind::BUILT_IN;
use evlog_projection::nearest::meant;
use evlog_projection::{Contracts, Fact};
use jiff::tz::TimeZone;
use std::ops::ControlFlow;

/// Options that select events.
#[derive(Args, Debug)]
#[command(next_help_heading = "Selection (all that are given must hold)")]
pub(crate) struct Selecting {
    /// Only events of this run; `$log` for events about the log itself. `*`, `?` and `[abc]` match several. Can be given again
    #[arg(long = "run", value_name = "RUN", value_parser = Pattern::parse)]
    runs: Vec<Pattern>,
    /// Only events of this kind, such as status.created, `pipeline.*` or custom/paid. Can be given again
    #[arg(long = "kind", value_name = "KIND", value_parser = kinds)]
    kinds: Vec<Kinds>,
    /// Only events after which their run has this status, in any case. Can be given again
    #[arg(long = "status", value_name = "STATUS")]
    statuses: Vec<String>,
    /// Only events of runs of this contract. Can be given again
    #[arg(long = "contract", value_name = "NAME")]
    contracts: Vec<String>,
    /// Only events of this actor; patterns as for --run. Can be given again
    #[arg(long = "actor", value_name = "ACTOR", value_parser = Pattern::parse)]
    actors: Vec<Pattern>,
    /// Only events of this correlation
    #[arg(long, value_name = "TEXT")]
    correlation: Option<String>,
    /// Only events with this value in a field, named as in --json; also `!=`, `<`, `<=`, `>`, `>=`, and `~` for a regular
    /// expression. Can be given again: all must hold
    #[arg(long = "where", value_name = "FIELD=VALUE", value_parser = Condition::parse)]
    conditions: Vec<Condition>,
    /// Only events recorded at this time or later: RFC 3339, a date, `yesterday`, or a time before now such as 2h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only events recorded before this time; same form as --since
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Apply --since and --until to the time when an event occurred, where its command gave one (`at`)
    #[arg(long)]
    occurred: bool,
}

impl Selecting {
    /// Reports a run that is named, and that the log does not have.
    pub(crate) fn check_runs(&self, view: &View) -> Result<(), CommandError> {
        check_runs(view, &self.runs, is_stream)
    }

    /// The selection; dates and times without a time zone are of this one.
    pub(crate) fn selection(&self, zone: &TimeZone) -> Result<Selection, CommandError> {
        Ok(Selection {
            times: times((&self.since, &self.until), self.occurred, zone)?,
            runs: self.runs.clone(),
            kinds: self.kinds.clone(),
            actors: self.actors.clone(),
            contracts: self.contracts.clone(),
            statuses: self.statuses.clone(),
            correlation: self.correlation.clone(),
            conditions: self.conditions.clone(),
        })
    }
}

/// Options that select runs. Those that are about one event of many are not among them.
#[derive(Args, Debug)]
#[command(next_help_heading = "Selection (all that are given must hold)")]
pub(crate) struct SelectingRuns {
    /// Only this run; `*`, `?` and `[abc]` match several. Can be given again
    #[arg(long = "run", value_name = "RUN", value_parser = Pattern::parse)]
    runs: Vec<Pattern>,
    /// Only runs of this contract, built in or defined by a contract file. Can be given again
    #[arg(long = "contract", value_name = "NAME")]
    contracts: Vec<String>,
    /// Only runs that have this status, in any case (`running` is also `Running`). Can be given again
    #[arg(long = "status", value_name = "STATUS")]
    statuses: Vec<String>,
    /// Only runs that this actor began; patterns as for --run. Can be given again
    #[arg(long = "actor", value_name = "ACTOR", value_parser = Pattern::parse)]
    actors: Vec<Pattern>,
    /// Only runs whose first event was recorded at this time or later: RFC 3339, a date, `yesterday`, or a time before now such as
    /// 2h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only runs whose first event was recorded before this time; same form as --since
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Apply --since and --until to the time when the first event occurred, if its command gave one (`at`)
    #[arg(long)]
    occurred: bool,
}

impl SelectingRuns {
    /// Reports a run that is named, and that the log does not have.
    pub(crate) fn check_runs(&self, view: &View) -> Result<(), CommandError> {
        check_runs(view, &self.runs, is_run)
    }

    /// The statuses that no run has, with the nearest known status.
    pub(crate) fn unknown_statuses(&self, runs: &[RunSummary]) -> Vec<String> {
        let selection = Selection { statuses: self.statuses.clone(), ..Selection::default() };
        let mut unknown = UnknownStatuses::of(&selection);
        for run in runs {
            unknown.see(&run.status);
        }
        sentences(&unknown)
    }

    /// The selected runs, in their order.
    pub(crate) fn select<'r>(
        &self,
        contracts: &Contracts,
        runs: &'r [RunSummary],
        zone: &TimeZone,
    ) -> Result<Vec<&'r RunSummary>, CommandError> {
        self.select_within(self.period(zone)?, contracts, runs)
    }

    /// The times of --since and --until.
    pub(crate) fn period(&self, zone: &TimeZone) -> Result<Times, CommandError> {
        times((&self.since, &self.until), self.occurred, zone)
    }

    /// The options that select runs, without --since and --until, as they can be typed in a shell.
    pub(crate) fn typed(&self) -> String {
        let option = |name: &str, value: &str| format!("--{name} '{}'", value.replace('\'', "'\\''"));
        let patterns = |name: &'static str, patterns: &[Pattern]| -> Vec<String> {
            patterns.iter().map(|pattern| option(name, pattern.text())).collect()
        };
        let words = |name: &'static str, words: &[String]| -> Vec<String> {
            words.iter().map(|word| option(name, word)).collect()
        };
        let all = [
            patterns("run", &self.runs),
            words("contract", &self.contracts),
            words("status", &self.statuses),
            patterns("actor", &self.actors),
        ];
        all.concat().join(" ")
    }

    /// The selected runs among those that began at these times, in their order.
    pub(crate) fn select_within<'r>(
        &self,
        times: Times,
        contracts: &Contracts,
        runs: &'r [RunSummary],
    ) -> Result<Vec<&'r RunSummary>, CommandError> {
        let mut selection = Selection {
            times,
            runs: self.runs.clone(),
            actors: self.actors.clone(),
            contracts: self.contracts.clone(),
            statuses: self.statuses.clone(),
            ..Selection::default()
        };
        let mut unknown = Unknown::of(contracts, &mut selection.contracts);
        let is_meant = |run: &&RunSummary| {
            let begun_ns = if times.occurred { run.first.happened_ns() } else { run.first.recorded_ns.into() };
            unknown.see(&after(run));
            times.holds(begun_ns)
                && selection.holds_name(&run.run)
                && selection.holds_actor(&run.begun_by)
                && selection.holds_run(Some(&after(run)))
        };
        let meant = runs.iter().filter(is_meant).collect();
        check_contracts(&unknown)?;
        Ok(meant)
    }
}

/// What is said of statuses that no run had.
pub(crate) fn sentences(statuses: &UnknownStatuses) -> Vec<String> {
    let (unknown, known) = statuses.rest();
    let sentence = |typed: &String| {
        let question = meant(typed, known.iter().map(String::as_str));
        let question = question.map(|question| format!("; {question}")).unwrap_or_default();
        format!("no run has the status `{typed}`{question}")
    };
    unknown.iter().map(sentence).collect()
}

/// The times of --since and --until.
fn times(
    (since, until): (&Option<String>, &Option<String>),
    occurred: bool,
    zone: &TimeZone,
) -> Result<Times, CommandError> {
    if occurred && since.is_none() && until.is_none() {
        return Err(CommandError::unlike("--occurred", "--since or --until", "neither")
            .worded("--occurred does nothing alone: with it, --since and --until mean the time when an event occurred, not when it was recorded")
            .hint("add one of them, such as `--since yesterday`"));
    }
    let time =
        |option: &str, text: &Option<String>| text.as_ref().map(|text| when::given(option, text, zone)).transpose();
    Ok(Times { since_ns: time("--since", since)?, until_ns: time("--until", until)?, occurred })
}

/// What a run is after its last event.
fn after(run: &RunSummary) -> After<'_> {
    After {
        contract: Some(run.contract),
        definition: run.definition.as_deref(),
        status: Some(&run.status),
        has_ended: run.terminal,
    }
}

fn kinds(text: &str) -> Result<Kinds, String> {
    Kinds::parse(text).map_err(|why| match meant(text, BUILT_IN.iter().map(|(_, name)| *name)) {
        Some(question) => format!("{why}; {question}"),
        None => why,
    })
}

/// Reports a contract that is neither known nor the definition of a run: it is probably misspelt, and selects nothing.
pub(crate) fn check_contracts(unknown: &Unknown) -> Result<(), CommandError> {
    let Some(name) = unknown.first() else { return Ok(()) };
    let contracts = contracts();
    let known: Vec<&str> = contracts.names().collect();
    let expected = format!("one of `{}`, or the name in the contract file of a run", known.join("`, `"));
    Err(CommandError::unlike("--contract", expected, format!("`{name}`")).meant(name, known))
}

/// Reports a run that is named, and that is not there: it is probably misspelt. A pattern may match none.
fn check_runs(
    view: &View,
    runs: &[Pattern],
    is_there: fn(&View, &str) -> Result<bool, LogError>,
) -> Result<(), CommandError> {
    for run in runs.iter().filter_map(Pattern::plain) {
        if !is_there(view, run)? {
            return Err(CommandError::no_run(view, run));
        }
    }
    Ok(())
}

fn is_stream(view: &View, name: &str) -> Result<bool, LogError> {
    view.stream::<LogError>(name, &mut |_| Ok(ControlFlow::Break(())))
}

/// `$log` is a stream, and no run.
fn is_run(view: &View, name: &str) -> Result<bool, LogError> {
    Ok(name != LOG_STREAM && is_stream(view, name)?)
}

/// Reports a field that none of the events had.
pub(crate) fn check_fields(missing: &Missing) -> Result<(), CommandError> {
    let Some((field, looked_at)) = missing.first() else { return Ok(()) };
    let (field, looked_at) = (field.text(), counted(looked_at, "event"));
    let message = format!("--where {field}: none of the {looked_at} that the other options select has this field");
    Err(CommandError::user(message).hint("`evlog cat --json` shows the fields of events"))
}

/// An event that was read.
pub(crate) enum Read<'f> {
    /// It is selected.
    Meant(&'f Fact<'f>),
    /// It is not selected.
    Other(&'f Fact<'f>),
}

/// Called for each event that was read.
type Visit<'v> = dyn FnMut(Read<'_>) -> Result<ControlFlow<()>, CommandError> + 'v;

/// Selects events of one view as they are read.
pub(crate) struct Selector {
    selection: Selection,
    /// The state of runs, if the selection needs it.
    states: Option<States<()>>,
    missing: Missing,
    unknown: Unknown,
    statuses: UnknownStatuses,
}

impl Selector {
    pub(crate) fn new(mut selection: Selection) -> Selector {
        let contracts = contracts();
        let unknown = Unknown::of(&contracts, &mut selection.contracts);
        let states = selection.needs_states().then(|| States::new(&contracts));
        let (missing, statuses) = (Missing::of(&selection), UnknownStatuses::of(&selection));
        Selector { selection, states, missing, unknown, statuses }
    }

    /// Reports a named run that the log does not have, and a field or contract that none of the events had. All of them must
    /// have been read.
    pub(crate) fn check(&self, view: &View) -> Result<(), CommandError> {
        check_runs(view, &self.selection.runs, is_stream)?;
        check_fields(&self.missing)?;
        check_contracts(&self.unknown)
    }

    /// Says which statuses no run had. All events must have been read.
    pub(crate) fn say_unknown_statuses(&self) {
        for sentence in sentences(&self.statuses) {
            alert(&sentence);
        }
    }

    /// Visits the events that may be meant, from a seq on, as long as the visitor wants more.
    pub(crate) fn each(&mut self, view: &View, from: Seq, visit: &mut Visit<'_>) -> Result<(), CommandError> {
        let (only, span, start) = (self.only_run().map(str::to_owned), self.span(), self.start(from));
        let mut has_all = true;
        let mut show = |fact: &Fact<'_>| -> Result<ControlFlow<()>, CommandError> {
            let next = self.show(view, from, fact, visit)?;
            has_all &= next.is_continue();
            Ok(next)
        };
        if let Some(run) = &only {
            view.stream(run, &mut show)?;
        } else if let Some((moment, ends)) = span {
            view.each_during(moment, ends, &mut show)?;
        } else {
            view.each(start, &mut show)?;
        }
        self.end(view, has_all)
    }

    /// The end of a visit: what was misspelled, if everything was read.
    fn end(&self, view: &View, has_all: bool) -> Result<(), CommandError> {
        if !has_all {
            return Ok(());
        }
        self.say_unknown_statuses();
        self.check(view)
    }

    /// Like [`each`](Self::each), but visits only the events of runs, one run after the other.
    pub(crate) fn each_by_run(&mut self, view: &View, from: Seq, visit: &mut Visit<'_>) -> Result<(), CommandError> {
        let names = view.run_names()?;
        check_runs(view, &self.selection.runs, is_run)?;
        let mut has_all = true;
        for run in names {
            if has_all && self.selection.holds_name(&run) {
                view.stream::<CommandError>(&run, &mut |fact| {
                    let next = self.show(view, from, fact, visit)?;
                    has_all &= next.is_continue();
                    Ok(next)
                })?;
            }
        }
        self.end(view, has_all)
    }

    /// Gives an event to `visit`. Events before `from` are not shown, but they can change the state of their run.
    pub(crate) fn show(
        &mut self,
        view: &View,
        from: Seq,
        fact: &Fact<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, CommandError> {
        let is_meant = self.takes(view, fact)? && fact.seq >= from;
        visit(if is_meant { Read::Meant(fact) } else { Read::Other(fact) })
    }

    /// The first seq that must be read, to show events from a seq on: the state of a run follows from all of its events.
    pub(crate) fn start(&self, from: Seq) -> Seq {
        if self.states.is_some() { Seq(0) } else { from }
    }

    /// The selected run, if the selection allows only one. Its events can be found without reading other runs.
    pub(crate) fn only_run(&self) -> Option<&str> {
        match self.selection.runs.as_slice() {
            [run] => run.plain(),
            _ => None,
        }
    }

    /// The selected times, if not all are selected. Segments with only other times need not be read.
    fn span(&self) -> Option<(Moment, (i128, i128))> {
        let times = &self.selection.times;
        let is_given = times.since_ns.is_some() || times.until_ns.is_some();
        let moment = if times.occurred { Moment::Happened } else { Moment::Recorded };
        let ends = (times.since_ns.unwrap_or(i128::MIN), times.until_ns.unwrap_or(i128::MAX));
        (is_given && self.states.is_none()).then_some((moment, ends))
    }

    /// Whether everything is selected.
    pub(crate) fn is_all(&self) -> bool {
        self.selection.is_all()
    }

    /// Whether an event is selected.
    pub(crate) fn takes(&mut self, view: &View, fact: &Fact<'_>) -> Result<bool, LogError> {
        let reading = Reading::new(fact, payload_json);
        let after = match &mut self.states {
            Some(states) if fact.event.stream != LOG_STREAM => {
                let run = states.take(fact, &mut |run, visit| earlier(view, run, visit), &mut |_, _| ())?;
                Some(run.after())
            }
            _ => None,
        };
        self.missing.see(&self.selection, &reading, after.as_ref());
        if let Some(after) = &after {
            self.unknown.see(after);
            after.status.into_iter().for_each(|status| self.statuses.see(status));
        }
        Ok(self.selection.holds(&reading, after.as_ref()))
    }
}

/// Reads the events of a run from the first one on, as long as the visitor wants more.
pub(crate) fn earlier(view: &View, run: &str, visit: &mut dyn FnMut(&Fact<'_>) -> bool) -> Result<(), LogError> {
    let mut visit = |fact: &Fact<'_>| Ok(if visit(fact) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) });
    view.stream::<LogError>(run, &mut visit).map(|_| ())
}
