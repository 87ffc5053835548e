//! The output of a run while it runs: moving lines on a terminal, plain lines for a CI job, objects for a program.
//!
//! Does not: influence the run. The run continues even if its output has no reader any more.

use super::shown;
use crate::json::RunEvent;
use crate::ui::{Region, Text, Tone, Ui};
use evlog_lifecycle::pipeline::report::Report;
use evlog_lifecycle::pipeline::{Outcome, REPORTS, StageStatus};
use evlog_pipeline::Progress;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Names of stages are padded to the longest, and to this many characters, since substages are not known before.
const NAME_WIDTH_MIN: usize = 18;
/// The number of last lines that are shown of a failed stage.
const TAIL_LEN: usize = 10;
/// The number of findings that are shown of a failed publish gate; the bundle has all of them.
const FINDINGS_MAX: usize = 5;

/// How a run is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// One object for each thing that happens, on stdout.
    pub(super) json: bool,
    /// What stages print, line by line.
    pub(super) output: bool,
}

/// Shows a run while it runs.
pub(super) struct Watch<'u> {
    ui: &'u mut Ui,
    form: Form,
    region: Option<Region>,
    width: usize,
    bundle: PathBuf,
    /// The last lines of the stage that runs.
    tail: VecDeque<String>,
    /// The stage that was reused last, and the run that it comes from.
    taken: Option<(String, String)>,
    /// Whether the output of the running stage explains its failure; not if its publish gate has reported the reason.
    blames_output: bool,
    /// Whether the running stage has printed anything.
    has_printed: bool,
}

impl<'u> Watch<'u> {
    pub(super) fn new(ui: &'u mut Ui, form: Form) -> Watch<'u> {
        let (bundle, tail) = (PathBuf::new(), VecDeque::new());
        let (region, width, taken) = (None, NAME_WIDTH_MIN, None);
        Watch { ui, form, region, width, bundle, tail, taken, blames_output: true, has_printed: false }
    }

    /// Shows one step of the run.
    pub(super) fn show(&mut self, progress: &Progress<'_>) {
        if self.form.json {
            self.object(progress);
        }
        match progress {
            Progress::RunCreated { run, bundle, stages, retry_of } => {
                let what = retry_of.map(|of| format!("  retries {of}")).unwrap_or_default();
                self.created(run, &what, bundle, stages);
            }
            Progress::Resumed { run, bundle, stages, finished, processes } => {
                let what = format!("  resumed; {} of {} stages have an outcome", finished.len(), stages.len());
                self.created(run, &what, bundle, stages);
                if *processes > 0 {
                    self.note(&format!("{processes} of its processes were still running, and were ended"));
                }
            }
            Progress::LockForced { stale } => {
                self.note(&format!("a lock was set aside; it is kept in {}", shown(stale)));
            }
            Progress::PromotionFinished { stage, artifacts } => {
                let what = format!("its promotion is finished; {artifacts} files were still staged");
                self.ui.talk(self.about(stage).plain(what));
            }
            Progress::TakingOver { stage, .. } => {
                if let Some(region) = &mut self.region {
                    region.take_over(stage);
                }
            }
            Progress::Reading { stage, done, len } => {
                if let Some(region) = &mut self.region {
                    region.reads(*stage, *done, *len);
                }
            }
            Progress::StageTakenOver { stage, from, .. } => {
                self.taken = Some(((*stage).to_owned(), (*from).to_owned()));
            }
            Progress::Note { message } => self.note(message),
            Progress::StageStarted { stage, .. } => self.started(stage),
            Progress::OutputLine { stage, line } => self.printed(stage, line),
            Progress::StageNote { stage, message } => {
                self.ui.talk(self.about(stage).toned(Tone::Warning, "note:").plain(" ").plain(message));
            }
            Progress::GateFailed { stage, reason_code, report } => self.gate_failed(stage, reason_code, report),
            Progress::OutcomeRecorded { outcome, elapsed } => self.outcome(outcome, *elapsed),
            Progress::Finished { .. } => self.region = None,
            _ => {}
        }
    }

    fn object(&mut self, progress: &Progress<'_>) {
        let event = match progress {
            Progress::OutputLine { .. } if !self.form.output => None,
            progress => RunEvent::of(progress, &shown),
        };
        // Flush at once, so that each line appears when it happens. A missing reader does not stop the run.
        if let Some(event) = event {
            self.ui.json(&event);
            self.ui.flush();
        }
    }

    /// The beginning of a line about a stage.
    fn about(&self, stage: &str) -> Text {
        Text::default().plain(format_args!("  {stage:width$}  ", width = self.width))
    }

    fn note(&self, message: &str) {
        self.ui.talk(Text::default().plain("  ").toned(Tone::Warning, "note:").plain(" ").plain(message));
    }

    fn created(&mut self, run: &str, what: &str, bundle: &Path, stages: &[&str]) {
        self.ui.talk(Text::default().toned(Tone::Faint, "run").plain(" ").toned(Tone::Strong, run).plain(what));
        let longest = stages.iter().map(|stage| stage.chars().count()).max().unwrap_or(0);
        self.width = longest.max(NAME_WIDTH_MIN);
        bundle.clone_into(&mut self.bundle);
        if !self.form.json && !self.form.output {
            self.region = self.ui.region(stages, self.width);
        }
    }

    fn started(&mut self, stage: &str) {
        self.tail.clear();
        self.has_printed = false;
        self.blames_output = true;
        match &mut self.region {
            Some(region) => region.begin(stage),
            None => self.ui.talk(self.about(stage).toned(Tone::Faint, "running")),
        }
    }

    fn printed(&mut self, stage: &str, line: &str) {
        self.has_printed = true;
        if self.form.output {
            return self.ui.talk(self.about(stage).plain("| ").plain(spaced(line)));
        }
        if let Some(region) = &self.region {
            region.printed(stage, line);
        }
        if self.tail.len() == TAIL_LEN {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
    }

    fn gate_failed(&mut self, stage: &str, reason_code: &str, report: &Report) {
        self.blames_output = false;
        let failed = self.about(stage).toned(Tone::Bad, "publish gate failed");
        self.ui.talk(failed.plain("  ").plain(reason_code));
        let findings = report.artifacts().iter().flat_map(|artifact| {
            artifact.errors().iter().map(move |finding| (artifact.path(), artifact.schema(), finding))
        });
        for (path, schema, finding) in findings.clone().take(FINDINGS_MAX) {
            let line = finding.line_number.map(|line| format!(", line {line}")).unwrap_or_default();
            let at = match finding.instance_path.as_str() {
                "" => String::new(),
                pointer => format!(", at {pointer}"),
            };
            let by =
                if finding.schema_path.is_empty() { String::new() } else { format!(", required by schema `{schema}`") };
            self.ui.talk(format_args!("    {path}{line}{at}: {}{by}", finding.message));
        }
        let more = findings.count().saturating_sub(FINDINGS_MAX);
        if more > 0 {
            self.ui.talk(format_args!("    and {more} more"));
        }
        let all = shown(&self.bundle.join(format!("{REPORTS}/{stage}.json")));
        self.ui.advise(&format!(
            "no file of `{stage}` was published; change what it writes, or what the plan demands of its outputs; \
             all findings are in {all}"
        ));
    }

    fn outcome(&mut self, outcome: &Outcome, elapsed: Duration) {
        let word = outcome.status.word();
        let took = if elapsed.is_zero() { String::new() } else { format!("{:.1} s", elapsed.as_secs_f64()) };
        let code = outcome.reason_code.as_deref().map(|code| format!("reason code {code}"));
        let taken = self.taken.take_if(|(stage, _)| *stage == outcome.stage);
        let taken = taken.map(|(_, from)| format!("reused from {from}"));
        let why = [code.as_deref(), taken.as_deref()].into_iter().flatten().collect::<Vec<&str>>().join(", ");
        if let Some(region) = &mut self.region {
            region.end(&outcome.stage);
        }
        let line = self.about(&outcome.stage).toned(Tone::of(word), format_args!("{word:8}")).plain(" ");
        self.ui.talk(line.toned(Tone::Faint, format_args!("{took:>7}")).plain("  ").plain(why));
        if outcome.status == StageStatus::Failed && !elapsed.is_zero() && self.blames_output {
            self.last_words(&outcome.stage);
        }
    }

    /// Shows the last lines that a failed stage printed.
    fn last_words(&mut self, stage: &str) {
        for line in std::mem::take(&mut self.tail) {
            self.ui.talk(format_args!("    | {}", spaced(&line)));
        }
        // A stage whose program could not be started printed nothing, though evlog's own note is in its log.
        let log = self.bundle.join(format!("logs/{stage}.log"));
        if self.has_printed && log.metadata().is_ok_and(|found| found.is_file() && found.len() > 0) {
            self.ui.advise(&format!("the full output of `{stage}` is in {}", shown(&log)));
        }
    }
}

/// A line that a stage printed, with spaces for tabs.
fn spaced(line: &str) -> String {
    line.replace('\t', "    ")
}
