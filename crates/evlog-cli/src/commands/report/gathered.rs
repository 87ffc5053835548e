//! What a report is made from: the log verified and audited, its runs, and those that need attention.

use crate::args::At;
use crate::commands::explain::retried_in;
use crate::commands::{audit, verify};
use crate::context::Context;
use crate::error::CommandError;
use crate::marks;
use crate::notes;
use crate::pages::tone;
use crate::selecting::SelectingRuns;
use crate::table::counted;
use crate::ui::{Ui, Unit};
use evlog::check::Check;
use evlog::history::LOG_STREAM;
use evlog::own_notes::Judged;
use evlog::policy::Policies;
use evlog::view::RunSummary;
use evlog::{LogError, View};
use evlog_audit::select::Times;
use evlog_audit::{Options, Report, Severity, Subject};
use evlog_format::{Position, Seq, kind};
use evlog_lifecycle::explain::Origin;
use evlog_report::Tone;
use evlog_store::{Checkpoints, Verdict};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// What happened to a run that a person should know of: the last part of an event's kind, and how a report says it.
const ACTS: [(&str, &str); 7] = [
    ("rejected", "rejected request"),
    ("forced_failed", "forced failure"),
    ("forced", "forced transition"),
    ("lock_forced", "forced lock"),
    ("refused", "refused request"),
    ("overridden", "override"),
    ("validation_reported", "validation report"),
];
/// Acts that alone are no reason for a page.
const QUIET: [&str; 1] = ["validation_reported"];

/// By run: how often each act of [`ACTS`] happened to it.
type Acts = BTreeMap<String, BTreeMap<&'static str, u64>>;

/// Everything that the pages show.
pub(super) struct Gathered {
    pub(super) view: View,
    /// Why the events after some point could not be read.
    pub(super) damage: Option<String>,
    pub(super) check: Check,
    pub(super) own: Judged,
    pub(super) newest: Option<Newest>,
    pub(super) audit: Report,
    pub(super) policies: Policies,
    pub(super) period: Times,
    /// The options that select runs, as they can be typed.
    pub(super) selection: String,
    /// How many runs the log has; some may not be selected.
    pub(super) all: u64,
    /// The selected runs, in the order of their first events.
    pub(super) runs: Vec<RunSummary>,
    /// Those of them that need attention.
    pub(super) troubled: Vec<Troubled>,
    /// By run: the runs that retry it, and the seqs at which they begin.
    pub(super) retried_by: BTreeMap<String, Vec<Origin>>,
}

/// A run that needs attention.
pub(super) struct Troubled {
    pub(super) run: String,
    /// None if its contract does not allow one of its events.
    pub(super) summary: Option<RunSummary>,
    /// Why, in words.
    pub(super) why: Vec<(Tone, String)>,
}

/// The newest kept checkpoint that a key of the log has signed.
pub(super) struct Newest {
    pub(super) size: Position,
    pub(super) next_seq: Seq,
    pub(super) origin: String,
}

impl Gathered {
    pub(super) fn new(
        ui: &Ui,
        context: &Context,
        at: &At,
        selecting: &SelectingRuns,
    ) -> Result<Gathered, CommandError> {
        let (view, damage) = context.view_up_to_damage(at)?.before_damage();
        let mut check = verify::whole(ui, context, None)?;
        let own = verify::own(context, &mut check.report, None)?;
        let (view, unread) = before_findings(view, &check)?;
        let audit = audit::audit(ui, &view, Options::default())?;
        let (acts, retried_by) = acts(ui, &view)?;
        let all = view.runs()?;
        if damage.is_ok() {
            selecting.check_runs(&view)?;
        }
        for sentence in selecting.unknown_statuses(&all.runs) {
            ui.talk(sentence.as_str());
        }
        let period = selecting.period(&at.zone())?;
        let runs: Vec<RunSummary> =
            selecting.select_within(period, view.contracts(), &all.runs)?.into_iter().cloned().collect();
        let mut gathered = Gathered {
            newest: newest(context, &view)?,
            policies: marks::policies(&view),
            selection: selecting.typed(),
            all: (all.runs.len() + all.errors.len()) as u64,
            troubled: Vec::new(),
            retried_by,
            damage: damage.err().map(|error| error.to_string()).or(unread),
            view,
            check,
            own,
            audit,
            period,
            runs,
        };
        gathered.troubled = gathered.troubles(&acts);
        Ok(gathered)
    }

    /// Whether the log holds what it must, and no rule finds an error. How runs ended does not matter.
    pub(super) fn is_good(&self) -> bool {
        self.check.is_good() && self.audit.findings.worst().is_none_or(|worst| worst < Severity::Error)
    }

    /// What all of it amounts to.
    pub(super) fn tone(&self) -> Tone {
        match self.check.report.verdict() {
            Verdict::Clean if self.is_good() && self.troubled.is_empty() && self.audit.findings.count() == 0 => {
                Tone::Good
            }
            Verdict::Clean if self.is_good() => Tone::Warning,
            _ => Tone::Bad,
        }
    }

    pub(super) fn title(&self) -> String {
        format!("Report on log {}", self.view.log_id())
    }

    fn troubles(&self, acts: &Acts) -> Vec<Troubled> {
        let mut broken = self.broken();
        let mut troubled = Vec::new();
        for run in &self.runs {
            let mut why = broken.remove(run.run.as_str()).unwrap_or_default();
            let is_failed = tone(&run.status) == Tone::Bad || run.status == "partial";
            let counts = acts.get(&run.run);
            let is_acted = counts.is_some_and(|counts| counts.keys().any(|act| !QUIET.contains(act)));
            if is_failed || is_acted || !why.is_empty() {
                why.extend(counts.into_iter().flatten().map(|(act, count)| (Tone::Warning, said(act, *count))));
                troubled.push(Troubled { run: run.run.clone(), summary: Some(run.clone()), why });
            }
        }
        // Runs that cannot be folded have no status, so no option can select or exclude them.
        let unfolded = self.check.contract_findings.iter().filter(|finding| finding.run != LOG_STREAM);
        for finding in unfolded.filter(|finding| finding.seq < self.view.next_seq()) {
            if let Some(why) = broken.remove(finding.run.as_str()) {
                troubled.push(Troubled { run: finding.run.clone(), summary: None, why });
            }
        }
        troubled
    }

    /// By run: what its contract, the policy or a rule on order says against it.
    fn broken(&self) -> BTreeMap<&str, Vec<(Tone, String)>> {
        let mut broken: BTreeMap<&str, Vec<(Tone, String)>> = BTreeMap::new();
        for finding in &self.check.contract_findings {
            broken.entry(&finding.run).or_default().push((Tone::Bad, finding.message.clone()));
        }
        for finding in self.audit.findings.kept() {
            if let Subject::Run(run) = &finding.subject {
                let tone = if finding.severity == Severity::Error { Tone::Bad } else { Tone::Warning };
                broken.entry(run).or_default().push((tone, format!("{}: {}", finding.rule, finding.found)));
            }
        }
        broken
    }
}

/// The log before the first bytes that are not as they must be, and why it ends there. A log that was closed cleanly is opened by
/// its end alone, so it may be damaged before that end.
fn before_findings(view: View, check: &Check) -> Result<(View, Option<String>), CommandError> {
    let (next, verdict) = (check.report.next_seq, check.report.verdict());
    match next.0.checked_sub(1).filter(|_| next < view.next_seq()) {
        Some(last) => {
            let why = format!("the events from seq {next} on: the log is {} there", verdict.word());
            Ok((view.as_of(Some(Seq(last)))?, Some(why)))
        }
        None => Ok((view, None)),
    }
}

fn said(act: &str, count: u64) -> String {
    let noun = ACTS.iter().find(|(name, _)| *name == act).map_or(act, |(_, noun)| noun);
    counted(count, noun)
}

/// How often each act of [`ACTS`] happened to each run, and which runs retry it.
fn acts(ui: &Ui, view: &View) -> Result<(Acts, BTreeMap<String, Vec<Origin>>), CommandError> {
    let progress = ui.progress("runs", view.next_seq().0, Unit::Events);
    let (mut acts, mut retried_by) = (Acts::new(), BTreeMap::<String, Vec<Origin>>::new());
    view.each::<LogError>(Seq(0), &mut |fact| {
        progress.step();
        let kind = fact.event.kind.to_string();
        let built_in = kind.rsplit_once('.').filter(|_| fact.event.stream != LOG_STREAM);
        if let Some((act, _)) = built_in.and_then(|(_, last)| ACTS.iter().find(|(act, _)| *act == last)) {
            *acts.entry(fact.event.stream.to_owned()).or_default().entry(act).or_default() += 1;
        }
        if let Some(of) = retried_in(fact) {
            retried_by.entry(of).or_default().push((fact.event.stream.to_owned(), fact.seq.0));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((acts, retried_by))
}

fn newest(context: &Context, view: &View) -> Result<Option<Newest>, CommandError> {
    let mut keys = Vec::new();
    view.stream::<LogError>(LOG_STREAM, &mut |fact| {
        if fact.event.kind == kind::LOG_KEY_ADDED {
            keys.extend(crate::json::payload_json(&fact.event)["key"].as_str().map(str::to_owned));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let kept = Checkpoints::new(context.fs()?, &context.log);
    for size in kept.sizes().unwrap_or_default().into_iter().rev() {
        let Ok(bytes) = notes::read_kept(&kept, size) else { continue };
        let is_signed = notes::claim(&bytes, &keys, None).is_ok_and(|claim| claim.signed.is_ok());
        if let Some(checkpoint) = notes::parse_claimed(&kept.path(size), &bytes).ok().filter(|_| is_signed) {
            return Ok(Some(Newest { size, next_seq: checkpoint.next_seq, origin: checkpoint.origin }));
        }
    }
    Ok(None)
}
