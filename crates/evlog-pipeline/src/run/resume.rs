//! Resumes a run that was interrupted (pipeline.md 5.4): settles what had begun according to what was recorded, then goes on.
//!
//! Does, in this order:
//! - end processes that were left;
//! - record locks that were set aside;
//! - project again;
//! - finish a promotion whose intent is committed;
//! - clear staging;
//! - measure output;
//! - examine every stage's files;
//! - report the findings to the contract;
//! - run the pending stages.
//!
//! Does not: judge; the contract decides what follows from findings.
//!
//! Invariants:
//! - A file is promoted only if a committed intent names it with its digest (`docs/adr/0009`).
//! - Nothing that was promoted is removed.
//! - A stage that has an outcome does not run again.
//! - If resuming is interrupted at any step and repeated, the result is the same.

use super::leftover::left_by_another;
use super::{Options, RunError, RunReport, Runner, Session, findings, hex, same};
use crate::custody::{Custody, sync_parents};
use crate::file_error::FileError;
use crate::files::{make_within, measure_below, sync_below};
use crate::lock::Claim;
use crate::meter::Meter;
use crate::orphans::Leftovers;
use crate::output::adopt;
use crate::plan::{Plan, Stage};
use crate::progress::{Progress, Watcher};
use crate::step::Step;
use crate::{descriptors, orphans, paths};
use evlog::View;
use evlog_lifecycle::pipeline::{Artifact, Pipeline, RunStatus, STAGING, State};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// Resumes an interrupted run with the plan that it was created with, and completes it. A run that has ended with incomplete
/// files is completed; a run that is complete is refused.
pub fn resume(
    plan: &Plan,
    session: Session<'_>,
    claim: &mut Claim,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<RunReport, RunError> {
    descriptors::check().map_err(RunError::Descriptors)?;
    let state = left(session.view, claim.run())?;
    let watcher = Watcher::new(progress);
    let mut runner = Runner::new(plan, session, claim, options, &watcher)?;
    runner.claim.enter();
    if let Some(status) = state.ended_as() {
        runner.outcomes = state.outcomes().cloned().collect();
        return runner.complete_ended(status);
    }
    let differences = same::differences(plan, &state, &runner.secrets);
    if !differences.is_empty() {
        return Err(RunError::OtherPlan { run: runner.run, differences });
    }
    if let Some(retry) = same::retry(&state) {
        runner.baseline = Some(runner.find_baseline(&retry)?);
    }
    let run = runner.run.clone();
    let done = runner.take_up(&state).and_then(|()| runner.stages()).and_then(|()| runner.finalize());
    done.map_err(|error| error.leaving(&run))
}

/// The names of the locks of a run that were set aside earlier, according to the log; empty if there is no such run.
pub fn stale_locks(view: &mut View, run: &str) -> Result<BTreeSet<String>, RunError> {
    match left(view, run) {
        Ok(state) => Ok(state.stale_locks().map(str::to_owned).collect()),
        Err(RunError::UnknownRun(_)) => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

/// Checks that a run could be resumed. The error says why not.
pub fn is_in_progress(view: &mut View, run: &str) -> Result<(), RunError> {
    match left(view, run)?.ended_as() {
        Some(status) => Err(RunError::Ended { run: run.to_owned(), status }),
        None => Ok(()),
    }
}

/// The state of a run of contract `pipeline`.
pub(super) fn left(view: &mut View, run: &str) -> Result<State, RunError> {
    view.refresh()?;
    let fold = view.run(run)?.ok_or_else(|| RunError::UnknownRun(run.to_owned()))?;
    let other = || RunError::OtherContract { run: run.to_owned(), contract: fold.contract().name().to_owned() };
    fold.state::<Pipeline>().cloned().ok_or_else(other)
}

impl Runner<'_> {
    /// The run has ended in the log. Completes its bundle, if that is not complete yet.
    fn complete_ended(mut self, status: RunStatus) -> Result<RunReport, RunError> {
        let ended = RunError::Ended { run: self.run.clone(), status };
        let Ok(home) = self.claim.runs().within(&self.run) else { return Err(ended) };
        self.home = Some(home);
        let completed = self.project(Duration::ZERO).and_then(|projected| Ok((self.complete(&projected)?, projected)));
        match completed {
            Ok((false, projected)) if !projected.changed => Err(ended),
            Ok((_, projected)) => self.report(&projected),
            Err(error) => Err(self.incomplete(error)),
        }
    }

    /// Does everything that comes before the first stage.
    fn take_up(&mut self, state: &State) -> Result<(), RunError> {
        self.enter_bundle(state)?;
        self.notes()?.note_plan(&self.plan.file)?;
        self.steps.at(Step::EndProcesses);
        let processes = self.end_left(state);
        self.notes()?.forget_tags_except(&self.unseen)?;
        let plan = self.plan;
        self.begun = plan.enabled().filter(|stage| state.attempts(&stage.id) > 0).map(|s| s.id.clone()).collect();
        let finished: Vec<&str> =
            plan.enabled().map(|stage| stage.id.as_str()).filter(|id| state.outcome(id).is_some()).collect();
        let stages: Vec<&str> = plan.enabled().map(|stage| stage.id.as_str()).collect();
        let (run, bundle) = (&self.run, &self.bundle);
        self.watcher.report(Progress::Resumed { run, bundle, stages: &stages, finished: &finished, processes });
        self.record_stale_locks(&state.stale_locks().map(str::to_owned).collect())?;
        self.project(Duration::ZERO)?;
        let tell = self.reading(None);
        let meter = Meter::new(self.left_len(state), &tell);
        for stage in plan.enabled().filter(|stage| state.outcome(&stage.id).is_none()) {
            self.settle(state, stage, &meter)?;
        }
        self.clear_staging();
        let findings = self.findings(state, &meter)?;
        let next = plan.enabled().find(|stage| state.outcome(&stage.id).is_none()).or(plan.enabled().last());
        next.map_or(Ok(()), |next| self.go_on(&next.id, false))?;
        self.must("reconcile", findings)?;
        self.project(Duration::ZERO)?;
        let state = left(self.session.view, &self.run)?;
        // A stage that ran here was not reused, so no later stage is.
        let ran = |stage: &Stage| state.outcome(&stage.id).is_some() && state.taken_from(&stage.id).is_none();
        if plan.enabled().any(ran) {
            self.baseline = None;
        }
        self.published = state.published().map(|(stage, of)| (of.path.clone(), stage.to_owned())).collect();
        Ok(())
    }

    /// Ends what is left of the stage that ran when the run was left, and of earlier stages, and reports what is not known.
    /// Returns how many processes were found.
    fn end_left(&mut self, state: &State) -> usize {
        let (tags, mut ended) = (self.claim.noted_tags(), Leftovers::default());
        for tag in &tags {
            let of_it = orphans::end(&self.run, &self.bundle, tag);
            if of_it.leaves_some_to_find() {
                self.unseen.push(tag.clone());
            }
            ended = ended.and(&of_it);
        }
        let ran = self.plan.enabled().map(|stage| stage.id.as_str()).find(|id| state.runs(id));
        for message in left_by_another(ran, tags.last(), &ended) {
            self.watcher.report(Progress::Note { message: &message });
        }
        ended.found
    }

    /// How many bytes of what was left will be read: every published artifact once, and what a stage without an outcome
    /// intended to publish twice.
    fn left_len(&self, state: &State) -> u64 {
        let one = |stage: &Stage| {
            let artifacts = state.intended(&stage.id).unwrap_or_default();
            let len: u64 = artifacts.iter().map(|artifact| artifact.bytes).sum();
            if state.outcome(&stage.id).is_some() { len } else { 2 * len }
        };
        self.plan.enabled().map(one).sum()
    }

    /// Opens the bundle. If it is missing and no stage has begun, makes it.
    fn enter_bundle(&mut self, state: &State) -> Result<(), RunError> {
        if !self.claim.runs().has(&self.run) && state.has_any_begun() {
            return Err(RunError::NoBundle { run: self.run.clone(), path: self.bundle.clone() });
        }
        self.home = Some(make_within(self.claim.runs(), &self.run, &self.steps)?);
        Ok(())
    }

    /// Completes the unfinished work of a stage without an outcome, if possible: its promotion, if that was intended, and the
    /// record of its output. A failure of storage is reported here, and found again when the files are compared.
    fn settle(&mut self, known: &State, stage: &Stage, meter: &Meter<'_>) -> Result<(), RunError> {
        let finished = self.finish_promotion(known, stage, meter);
        // An artifact that could not be read completely is not promoted, and staging is cleared after this.
        self.go_on(&stage.id, false)?;
        match finished {
            Ok(0) => {}
            Ok(artifacts) => self.watcher.report(Progress::PromotionFinished { stage: &stage.id, artifacts }),
            Err(error) => self.watcher.report(Progress::StageNote { stage: &stage.id, message: &error.to_string() }),
        }
        // If no stage has begun to write this output, a file in its place is not evlog's.
        if known.attempts(&stage.id) == 0 { Ok(()) } else { self.settle_output(known, stage, meter) }
    }

    /// Records the output of a stage that had begun. The stage's next attempt appends to it. The stage itself may have written
    /// the bytes that are not recorded yet, so a line before them says that.
    fn settle_output(&mut self, known: &State, stage: &Stage, meter: &Meter<'_>) -> Result<(), RunError> {
        let path = paths::captured(&stage.id);
        if self.home()?.file(&path).is_err() {
            return Ok(());
        }
        self.steps.at(Step::SyncOutput);
        let measured = measure_below(self.home()?, &path, meter);
        self.go_on(&stage.id, false)?;
        let mut measured = measured?;
        let recorded = known.captured(&path).map(|of| (of.bytes, of.blake3));
        if recorded == Some(measured) {
            sync_below(self.home()?, &[&path])?;
        } else {
            let adopted = adopt(self.home()?, &path, &self.secrets, meter);
            self.go_on(&stage.id, false)?;
            measured = adopted?;
            let (bytes, blake3) = measured;
            let members = json!({"stage": stage.id, "path": path, "bytes": bytes, "blake3": hex(blake3)});
            self.must("captured", members)?;
        }
        self.captured.insert(path, measured);
        Ok(())
    }

    /// Completes a promotion whose intent is committed, if every artifact, promoted or staged, has the digest that the log
    /// states. Returns how many artifacts were still staged.
    fn finish_promotion(&self, known: &State, stage: &Stage, meter: &Meter<'_>) -> Result<usize, FileError> {
        let (intended, home) = (known.intended(&stage.id).unwrap_or_default(), self.home()?);
        let rest: Vec<_> = intended.iter().filter(|of| !findings::is(home, of, meter)).collect();
        if let Some(custody) = self.left_in_custody(&rest, meter) {
            let rest: Vec<&str> = rest.iter().map(|of| of.path.as_str()).collect();
            rest.iter().try_for_each(|path| self.make_way(path))?;
            custody.promote(home, &rest, &self.steps)?;
        } else if !rest.is_empty() {
            return Ok(0);
        }
        let all: Vec<&str> = intended.iter().map(|of| of.path.as_str()).collect();
        sync_parents(home, &all, &self.steps)?;
        Ok(rest.len())
    }

    /// The copies of artifacts that were left, if all of them are there and match the intent.
    fn left_in_custody(&self, rest: &[&Artifact], meter: &Meter<'_>) -> Option<Custody> {
        let has_all = |custody: &mut Custody| {
            rest.iter().all(|of| custody.measure(&of.path, meter).is_ok_and(|found| found == (of.bytes, of.blake3)))
        };
        let above = self.home().ok()?.within(STAGING).ok()?;
        Custody::left(&above).into_iter().find_map(|mut left| has_all(&mut left).then_some(left))
    }
}
