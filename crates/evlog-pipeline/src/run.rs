//! A run of a plan, from its first event to its last: steps 1 to 12 of the run sequence (pipeline.md 0.3).
//!
//! Does: create the run, run its enabled stages in canonical order (`stage.rs`), go on or stop according to what was recorded,
//! project the bundle after every outcome, finalize; and resume a run that was interrupted (`resume.rs`). Does not: decide
//! what outcomes mean. It reads from what the contract recorded which stages are blocked and what the run's status is.
//!
//! Invariants:
//! - Everything that the bundle shows was committed before. A process that is ended at any moment leaves a log that is whole,
//!   and a bundle that is an earlier projection of that log. `evlog project` writes the current projection.
//! - A run that was interrupted stays in progress in the log, until it is resumed with the plan that it was created with.
//! - Only the holder of the run lock touches the bundle.

mod findings;
mod fitting;
mod judgement;
mod leftover;
mod resume;
mod retry;
mod same;
mod stage;
mod taken;

pub use resume::{is_in_progress, resume, stale_locks};
pub use retry::may_retry;

use crate::descriptors;
use crate::error::RunError;
use crate::file_error::{FileError, at};
use crate::files::{in_the_way, make_within, remove_tree, set_aside, write_as_holder};
use crate::interrupt::Interrupts;
use crate::lock::Claim;
use crate::orphans::Tag;
use crate::output::Measured;
use crate::paths;
use crate::plan::Plan;
use crate::progress::{Progress, Watcher};
use crate::secrets::Secrets;
use crate::step::{Step, Steps};
use crate::supervisor::Supervisor;
use crate::tree::Tree;
use evlog::Request;
use evlog::answer::{Answer, AnswerOutcome};
use evlog::history::ProjectionPublished;
use evlog::publish::Publisher;
use evlog::{Log, LogError, View};
use evlog_lifecycle::pipeline::{
    FailMode, Outcome, Refusal, RunStatus, STAGING, StageStatus, is_substage, root_of, run_exists,
};
use evlog_projection::{Bundle, Fact, parse};
use resume::left;
use retry::Baseline;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

const MANIFEST: &str = "manifest.json";
const HEALTH: &str = "logs/health.json";

/// Which run is to be retried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The run, which has ended.
    pub of: String,
    /// The first stage that runs in any case; all stages after it run too. `None`: every stage that can be reused is reused.
    pub from: Option<String>,
}

/// How a run is interrupted, observed and supervised, and which run it retries.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Asks the run to stop. It then stays in progress in the log.
    pub interrupts: Arc<Interrupts>,
    /// Called before every step, for tests that end the process there.
    pub steps: Steps,
    /// How the supervisors of its stages are started.
    pub supervisor: Supervisor,
    /// Which run a new run retries. A resumed run retries the run that it was created to retry.
    pub retry: Option<Retry>,
}

/// The log in which a run is recorded: the session that writes it, and a view of the same log.
pub struct Session<'l> {
    /// Takes the commands.
    pub log: &'l Log,
    /// Gives the projections.
    pub view: &'l mut View,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// The run's id.
    pub run_id: String,
    /// Its bundle's directory.
    pub bundle: PathBuf,
    /// Its status.
    pub status: RunStatus,
    /// What the process that ran it should exit with: 0, 10 or 20.
    pub exit_code: u8,
    /// What was recorded, in canonical order.
    pub outcomes: Vec<Outcome>,
}

/// Runs a plan, as a new run. After an error, the run does not exist, or it is in progress.
pub fn run(
    plan: &Plan,
    session: Session<'_>,
    claim: &mut Claim,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<RunReport, RunError> {
    descriptors::check().map_err(RunError::Descriptors)?;
    if fs::symlink_metadata(claim.bundle()).is_ok() {
        return Err(RunError::BundleExists { run: claim.run().to_owned(), path: claim.bundle() });
    }
    if let Some(retry) = &options.retry {
        may_retry(session.view, plan, retry)?;
    }
    let watcher = Watcher::new(progress);
    let mut runner = Runner::new(plan, session, claim, options, &watcher)?;
    if let Some(retry) = &options.retry {
        runner.baseline = Some(runner.find_baseline(retry)?);
    }
    let run = runner.run.clone();
    runner.create(options.retry.as_ref())?;
    let done = runner.begin(options.retry.as_ref()).and_then(|()| runner.stages()).and_then(|()| runner.finalize());
    done.map_err(|error| error.leaving(&run))
}

struct Runner<'r> {
    plan: &'r Plan,
    session: Session<'r>,
    claim: &'r mut Claim,
    watcher: &'r Watcher<'r>,
    run: String,
    bundle: PathBuf,
    /// The bundle's directory, once it was made or found.
    home: Option<Tree>,
    interrupts: Arc<Interrupts>,
    supervisor: Supervisor,
    secrets: Secrets,
    steps: Steps,
    /// What the stages so far have published: path and stage.
    published: BTreeMap<String, String>,
    /// What is recorded, as the last projection shows it.
    outcomes: Vec<Outcome>,
    /// What the log says of the outputs of earlier attempts, by path.
    captured: BTreeMap<String, Measured>,
    /// The tags of stages whose processes may still run: they were not seen to end.
    unseen: Vec<Tag>,
    /// Whether it is known that the processes of the last stage have ended.
    is_over: bool,
    /// The stages that began in an earlier process.
    begun: BTreeSet<String>,
    /// The run that is retried, as long as every stage so far was reused from it.
    baseline: Option<Baseline>,
    began: Instant,
}

/// What the log projects, after it was written out.
struct Projected {
    bundle: Bundle,
    /// Whether any file changed.
    changed: bool,
}

impl<'r> Runner<'r> {
    fn new(
        plan: &'r Plan,
        session: Session<'r>,
        claim: &'r mut Claim,
        options: &Options,
        watcher: &'r Watcher<'r>,
    ) -> Result<Runner<'r>, RunError> {
        let secrets = Secrets::of(plan, Some(claim.run())).map_err(RunError::Secrets)?;
        Ok(Runner {
            plan,
            session,
            watcher,
            run: claim.run().to_owned(),
            bundle: claim.bundle(),
            home: None,
            claim,
            interrupts: options.interrupts.clone(),
            supervisor: options.supervisor.clone(),
            secrets,
            steps: options.steps.clone(),
            published: BTreeMap::new(),
            outcomes: Vec::new(),
            captured: BTreeMap::new(),
            unseen: Vec::new(),
            is_over: true,
            begun: BTreeSet::new(),
            baseline: None,
            began: Instant::now(),
        })
    }

    /// An error if the run must end at once. What was read or copied by then may be incomplete, and does not count.
    fn go_on(&self, stage: &str, began: bool) -> Result<(), RunError> {
        if self.interrupts.is_urgent() { Err(self.stopped_at(stage, began)) } else { Ok(()) }
    }

    fn stopped_at(&self, stage: &str, began: bool) -> RunError {
        RunError::Interrupted { run: self.run.clone(), stage: stage.to_owned(), began, is_over: self.is_over }
    }

    /// Reports to the watcher how much was read, until the run is interrupted urgently.
    fn reading<'t>(&self, stage: Option<&'t str>) -> impl Fn(u64, u64) -> ControlFlow<()> + use<'t, 'r> {
        let (watcher, interrupts) = (self.watcher, Arc::clone(&self.interrupts));
        move |done, len| {
            watcher.report(Progress::Reading { stage, done, len });
            if interrupts.is_urgent() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
}

impl Runner<'_> {
    fn find_baseline(&mut self, retry: &Retry) -> Result<Baseline, RunError> {
        let runs = self.bundle.parent().unwrap_or(&self.bundle);
        Baseline::find(self.session.view, runs, retry)
    }

    fn create(&mut self, retry: Option<&Retry>) -> Result<(), RunError> {
        // A command that the contract is certain to refuse would be recorded in the run, and the run's bundle would then
        // differ.
        self.session.view.refresh()?;
        let stop = &mut |_: &Fact<'_>| Ok(ControlFlow::Break(()));
        if self.session.view.stream::<LogError>(&self.run, stop)? {
            let Refusal { code, message } = run_exists(&self.run);
            return Err(RunError::Refused { command: "create".to_owned(), code: code.to_owned(), message });
        }
        self.must("create", self.create_members(retry))?;
        self.claim.enter();
        Ok(())
    }

    /// Does what follows the event that the run was created, before the first stage.
    fn begin(&mut self, retry: Option<&Retry>) -> Result<(), RunError> {
        self.notes()?.note_plan(&self.plan.file)?;
        self.home = Some(make_within(self.claim.runs(), &self.run, &self.steps)?);
        self.project(Duration::ZERO)?;
        let plan = self.plan;
        let stages: Vec<&str> = plan.enabled().map(|stage| stage.id.as_str()).collect();
        let retry_of = retry.map(|retry| retry.of.as_str());
        self.watcher.report(Progress::RunCreated { run: &self.run, bundle: &self.bundle, stages: &stages, retry_of });
        self.record_stale_locks(&BTreeSet::new())
    }

    fn create_members(&self, retry: Option<&Retry>) -> Value {
        let configured = |id: &str| match self.plan.stage(id) {
            Some(stage) => json!({"enabled": stage.enabled, "fail_mode": stage.fail_mode.word()}),
            None => json!({"enabled": false}),
        };
        let stages = self.plan.definition.stages().iter();
        let stages: Map<String, Value> = stages.map(|stage| (stage.id.clone(), configured(&stage.id))).collect();
        json!({
            "pipeline": self.plan.pipeline,
            "manifest": same::manifest(self.plan, retry, &self.secrets),
            "stages": stages,
            "emit_health": self.plan.emit_health,
        })
    }

    /// Records the locks that were set aside and that the log does not know: the one that this process set aside, and one from
    /// a process that was ended before it could record it (pipeline.md 5.1).
    fn record_stale_locks(&mut self, recorded: &BTreeSet<String>) -> Result<(), RunError> {
        if let Some(place) = self.claim.no_lock() {
            let place = place.display();
            let message = format!("what was in the place of the lock was no regular file; it is kept in `{place}`");
            self.watcher.report(Progress::Note { message: &message });
        }
        for (name, path) in self.claim.stale()?.into_iter().filter(|(name, _)| !recorded.contains(name)) {
            let sha256 = self.claim.locks().file(&name).and_then(sha256).map_err(at("read", &path))?;
            self.must("lock_forced", json!({"stale_lock_filename": name, "stale_lock_sha256": sha256}))?;
            self.watcher.report(Progress::LockForced { stale: &path });
        }
        Ok(())
    }

    /// The stage loop. A stage with a recorded outcome does not run. The contract has recorded one for each stage that an
    /// earlier failure blocks (2.1, 2.2).
    fn stages(&mut self) -> Result<(), RunError> {
        let plan = self.plan;
        for stage in plan.enabled() {
            if self.outcomes.iter().any(|outcome| outcome.stage == stage.id) {
                continue;
            }
            if self.interrupts.is_asked() {
                return Err(self.stopped_at(&stage.id, false));
            }
            match self.stopped_by_its_own(&stage.id, stage.fail_mode, &stage.reason_code) {
                Some(outcome) => {
                    self.record(stage, &outcome)?;
                    self.project(Duration::ZERO)?;
                }
                None => self.stage(stage)?,
            }
        }
        Ok(())
    }

    /// The outcome of a stage that cannot begin again, because a substage of its earlier attempt prevents that (2.3).
    fn stopped_by_its_own(&self, stage: &str, configured: FailMode, reason_code: &str) -> Option<Outcome> {
        let definition = &self.plan.definition;
        let mut own = self.outcomes.iter().filter(|own| is_substage(&own.stage) && root_of(&own.stage) == stage);
        let stop = own.find(|own| definition.stops_parent(own))?;
        let parent = definition.parent_outcome(stop, self.begun.contains(stage), configured);
        Some(parent.unwrap_or_else(|| Outcome::failed(stage, FailMode::FailClosed, reason_code)))
    }

    fn finalize(mut self) -> Result<RunReport, RunError> {
        self.clear_staging();
        self.must("finalize", json!({}))?;
        let completed = self.project(Duration::ZERO).and_then(|projected| {
            self.complete(&projected)?;
            Ok(projected)
        });
        match completed {
            Ok(projected) => self.report(&projected),
            Err(error) => Err(self.incomplete(error)),
        }
    }

    /// Adds to the error the status with which the run ended, according to the log. If the run has not ended, returns the
    /// error alone.
    fn incomplete(&mut self, error: RunError) -> RunError {
        match left(self.session.view, &self.run).map(|state| state.ended_as()) {
            Ok(Some(status)) => RunError::Incomplete { run: self.run.clone(), status, source: Box::new(error) },
            _ => error,
        }
    }

    /// Removes the staging directories, and everything beside them. What this user may not remove is moved out of the bundle
    /// and reported. The outcome of the stage and the end of the run stay as they are.
    fn clear_staging(&self) {
        self.steps.at(Step::ClearStaging);
        let removed = self.home().map(|home| (home, remove_tree(home, STAGING)));
        let message = match removed {
            Ok((_, Ok(()))) => return,
            Ok((home, Err(error))) => self.kept(home, &error),
            Err(error) => format!("staging is not removed: {error}"),
        };
        self.watcher.report(Progress::Note { message: &self.secrets.mask(&message) });
    }

    /// Moves what could not be removed out of the bundle, and returns where it is.
    fn kept(&self, home: &Tree, error: &FileError) -> String {
        let is_mount = error.source.kind() == io::ErrorKind::CrossesDevices;
        let what = if is_mount { "unmount it, then remove the rest by hand" } else { "remove it by hand" };
        match set_aside(home, STAGING, self.claim.runs(), &self.run) {
            Ok(place) => format!("{error}; it is kept in `{}`, out of the bundle: {what}", place.display()),
            Err(second) => format!("{error}; {second}: {what}"),
        }
    }

    /// Moves away what is in the way of a file that evlog is about to put at a path of the bundle, and reports that. A place
    /// that has, or had, published files is not moved. In this case, the file cannot be written, and this is reported.
    fn make_way(&self, path: &str) -> Result<(), FileError> {
        let home = self.home()?;
        let found = in_the_way(home, path);
        match found.filter(|found| !self.published.keys().any(|published| paths::clash(published, found))) {
            Some(found) => self.move_away(home, found),
            None => Ok(()),
        }
    }

    /// The claim, which knows where the locks and the notes of this run are. Moves away what is in the way of a note.
    fn notes(&self) -> Result<&Claim, FileError> {
        for name in self.claim.note_names() {
            if let Some(found) = in_the_way(self.claim.locks(), &name) {
                self.move_away(self.claim.locks(), found)?;
            }
        }
        Ok(self.claim)
    }

    fn move_away(&self, tree: &Tree, path: &str) -> Result<(), FileError> {
        let place = set_aside(tree, path, self.claim.runs(), &self.run)?;
        let (found, place) = (tree.path().join(path), place.display().to_string());
        let message = format!("`{}` was in the way of a file of evlog's own; it is kept in `{place}`", found.display());
        self.watcher.report(Progress::Note { message: &self.secrets.mask(&message) });
        Ok(())
    }

    /// The bundle's directory, if it is still where it was made or found. Nothing is written anywhere else, in particular
    /// not in a replacement of that directory.
    fn home(&self) -> Result<&Tree, FileError> {
        let missing = || at("open", &self.bundle)(io::ErrorKind::NotFound.into());
        let home = self.home.as_ref().ok_or_else(missing)?;
        home.is_in_its_place()?;
        Ok(home)
    }

    /// Does what follows the end of a run: records the digests of its files, and removes the note of its plan. Returns whether
    /// any of that still had to be done.
    fn complete(&self, projected: &Projected) -> Result<bool, RunError> {
        let mut publisher = Publisher::new(self.session.log)?;
        self.steps.at(Step::CommitDigests);
        let new = publisher.publish(ProjectionPublished::of(&projected.bundle))?;
        publisher.finish()?;
        Ok(self.notes()?.forget_plan()? || new)
    }

    fn report(self, projected: &Projected) -> Result<RunReport, RunError> {
        let manifest = manifest_of(&projected.bundle)?;
        let status = manifest.get("status").and_then(Value::as_str);
        let statuses = [RunStatus::Success, RunStatus::Partial, RunStatus::Failed];
        let Some(status) = statuses.into_iter().find(|known| Some(known.word()) == status) else {
            return Err(RunError::Projection(format!("a final status in `{MANIFEST}`, found {status:?}")));
        };
        self.watcher.report(Progress::Finished { status, elapsed: self.began.elapsed() });
        Ok(RunReport {
            run_id: self.run,
            bundle: self.bundle,
            status,
            exit_code: status.exit_code(),
            outcomes: self.outcomes,
        })
    }

    /// Submits a command of the contract `pipeline` for this run and waits until it is committed.
    fn submit(&self, step: Step, action: &str, members: Value) -> Result<Answer, LogError> {
        let Value::Object(members) = members else {
            unreachable!("the members of a command are an object");
        };
        let request = Request::json("pipeline", &self.run, action).members(members).build()?;
        self.steps.at(step);
        self.session.log.submit(&request)
    }

    /// Submits a command. Returns code and message if the contract does not accept it.
    fn refused(&self, step: Step, action: &str, members: Value) -> Result<Option<(String, String)>, RunError> {
        match self.submit(step, action, members) {
            Ok(answer) => Ok(refusal(answer)),
            Err(LogError::Malformed(error)) => Ok(Some(("malformed".to_owned(), error.to_string()))),
            Err(error) => Err(error.into()),
        }
    }

    /// Submits a command that the contract has no reason to refuse.
    fn must(&self, action: &str, members: Value) -> Result<(), RunError> {
        match self.refused(Step::submitting(action), action, members)? {
            None => Ok(()),
            Some((code, message)) => Err(RunError::Refused { command: action.to_owned(), code, message }),
        }
    }

    /// Writes the run's current projections, first the manifest and then its mirror (5.2), and reports the outcomes that are
    /// new. `elapsed` is how long the stage took that was recorded last.
    fn project(&mut self, elapsed: Duration) -> Result<Projected, RunError> {
        self.session.view.refresh()?;
        let Some(bundle) = self.session.view.bundle(&self.run)? else {
            return Err(RunError::Projection(format!("run `{}` in the log, found none", self.run)));
        };
        let rest = bundle.files.keys().map(String::as_str).filter(|path| ![MANIFEST, HEALTH].contains(path));
        let mut changed = false;
        for path in [MANIFEST, HEALTH].into_iter().chain(rest) {
            if let Some(file) = bundle.files.get(path) {
                self.make_way(path)?;
                changed |= write_as_holder(self.home()?, path, &file.bytes, &self.steps)?;
            }
        }
        let outcomes = outcomes_of(&manifest_of(&bundle)?)?;
        for outcome in outcomes.iter().filter(|outcome| !self.outcomes.contains(outcome)) {
            let ran = outcome.status != StageStatus::Skipped && self.plan.stage(&outcome.stage).is_some();
            let elapsed = if ran { elapsed } else { Duration::ZERO };
            self.watcher.report(Progress::OutcomeRecorded { outcome, elapsed });
        }
        self.outcomes = outcomes;
        Ok(Projected { bundle, changed })
    }
}

/// Code and message of an answer that refuses the command.
fn refusal(answer: Answer) -> Option<(String, String)> {
    match (answer.outcome, answer.error) {
        (AnswerOutcome::Accepted, _) | (AnswerOutcome::Duplicate, None) => None,
        (_, Some(error)) => Some((error.code, error.message)),
        (outcome, None) => Some((outcome.word().to_owned(), String::new())),
    }
}

fn manifest_of(bundle: &Bundle) -> Result<Value, RunError> {
    let Some(file) = bundle.files.get(MANIFEST) else {
        return Err(RunError::Projection(format!("a file `{MANIFEST}`, found none")));
    };
    parse(&file.bytes).map_err(|error| RunError::Projection(format!("JSON in `{MANIFEST}`, found: {error}")))
}

/// The outcomes of a manifest; empty if it does not list any yet.
fn outcomes_of(manifest: &Value) -> Result<Vec<Outcome>, RunError> {
    let entries = manifest.get("stage_outcomes").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    let outcome = |entry: &Value| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let status = StageStatus::ALL.into_iter().find(|known| Some(known.word()) == text("status"))?;
        let fail_mode = text("fail_mode").and_then(FailMode::from_word)?;
        let reason_code = text("reason_code").map(str::to_owned);
        Some(Outcome { stage: text("stage")?.to_owned(), status, fail_mode, reason_code })
    };
    let read = |entry| outcome(entry).ok_or_else(|| RunError::Projection(format!("an outcome, found {entry}")));
    entries.iter().map(read).collect()
}

/// The bytes of a digest, as bundles spell them.
fn hex(digest: [u8; 32]) -> String {
    blake3::Hash::from(digest).to_hex().to_string()
}

/// SHA-256 of a file, as manifests spell it: the one digest of a bundle that is not BLAKE3 (pipeline.md 5.1).
fn sha256(mut file: File) -> io::Result<String> {
    let (mut hasher, mut buffer) = (Sha256::new(), [0; 8192]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(hasher.finalize().into())),
            len => hasher.update(&buffer[..len]),
        }
    }
}

#[cfg(test)]
mod tests;
