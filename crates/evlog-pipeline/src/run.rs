//! A run of a plan, from its first event to its last: steps 1 to 12 of the run sequence (pipeline.md 0.3).
//!
//! Does: create the run, run its enabled stages in canonical order (`stage.rs`), go on or stop by what was recorded,
//! project the bundle after every outcome, finalize.
//! Does not: decide the meaning of outcomes: which stages are blocked, and what the run's status is, is read back from
//! what the contract recorded.
//!
//! Invariants:
//! - Whatever the bundle shows was committed before. A process that is ended at any moment leaves a log that is whole, and
//!   a bundle that is some earlier projection of it; `evlog project` writes the current one.
//! - A run that was left stays in progress in the log. It is not taken up again by another `run`.
//! - Only the holder of the run lock touches the bundle.

mod error;
mod stage;

pub use error::RunError;

use crate::files::{at, make_directory, remove_tree, write_atomically};
use crate::interrupt::Interrupts;
use crate::lock::{LockError, RunLock};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::secrets::Secrets;
use evlog::answer::{Answer, AnswerOutcome};
use evlog::publish::Publisher;
use evlog::request::{Request, check_run_id};
use evlog::{Log, LogError, View};
use evlog_lifecycle::pipeline::{FailMode, Outcome, RunStatus, StageStatus};
use evlog_projection::{Bundle, parse};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

const MANIFEST: &str = "manifest.json";
const HEALTH: &str = "logs/health.json";

/// Where a run goes, under which name, and who may stop it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The bundle is `<out_dir>/runs/<run id>/`.
    pub out_dir: PathBuf,
    /// The run's id; drawn at random (UUID, version 4) when absent.
    pub run_id: Option<String>,
    /// Asks the run to stop. It then stays in progress in the log.
    pub interrupts: Arc<Interrupts>,
}

/// The log that a run is recorded in: the session that writes it, and a view of the same log.
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

/// Runs a plan. An error means that the run could not be brought to its end; it is then not there at all, or in progress.
pub fn run(
    plan: &Plan,
    session: Session<'_>,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<RunReport, RunError> {
    let run = options.run_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    check_run_id(&run).map_err(RunError::RunId)?;
    let secrets = Secrets::of(plan).map_err(RunError::Secrets)?;
    fs::create_dir_all(&options.out_dir).map_err(at("make", &options.out_dir))?;
    let out = options.out_dir.canonicalize().map_err(at("find", &options.out_dir))?;
    let runs = out.join("runs");
    let _lock = RunLock::acquire(&runs, &run).map_err(|error| match error {
        LockError::Held { path, holder } => RunError::Locked { run: run.clone(), path, holder },
        LockError::File(error) => RunError::File(error),
    })?;
    let bundle = runs.join(&run);
    if fs::symlink_metadata(&bundle).is_ok() {
        return Err(RunError::BundleExists(bundle));
    }
    let mut runner = Runner {
        plan,
        session,
        progress,
        run,
        bundle,
        interrupts: options.interrupts.clone(),
        secrets,
        published: BTreeMap::new(),
        outcomes: Vec::new(),
        began: Instant::now(),
    };
    runner.create()?;
    runner.stages()?;
    runner.finalize()
}

struct Runner<'r> {
    plan: &'r Plan,
    session: Session<'r>,
    progress: &'r mut dyn FnMut(Progress<'_>),
    run: String,
    bundle: PathBuf,
    interrupts: Arc<Interrupts>,
    secrets: Secrets,
    /// What the stages so far have published: path and stage.
    published: BTreeMap<String, String>,
    /// What is recorded, as the last projection shows it.
    outcomes: Vec<Outcome>,
    began: Instant,
}

impl Runner<'_> {
    fn create(&mut self) -> Result<(), RunError> {
        self.must("create", self.create_members())?;
        make_directory(&self.bundle)?;
        self.project(Duration::ZERO)?;
        let plan = self.plan;
        let stages: Vec<&str> = plan.enabled().map(|stage| stage.id.as_str()).collect();
        (self.progress)(Progress::RunCreated { run: &self.run, bundle: &self.bundle, stages: &stages });
        Ok(())
    }

    fn create_members(&self) -> Value {
        let configured = |id: &str| match self.plan.stage(id) {
            Some(stage) => json!({"enabled": stage.enabled, "fail_mode": stage.fail_mode.word()}),
            None => json!({"enabled": false}),
        };
        let stages = self.plan.definition.stages().iter();
        let stages: Map<String, Value> = stages.map(|stage| (stage.id.clone(), configured(&stage.id))).collect();
        json!({
            "pipeline": self.plan.pipeline,
            "manifest": self.plan.manifest,
            "stages": stages,
            "emit_health": self.plan.emit_health,
        })
    }

    /// The stage loop. Whether a stage still runs is asked of what was recorded: the contract has written an outcome for
    /// each stage that an earlier failure blocks (2.1, 2.2).
    fn stages(&mut self) -> Result<(), RunError> {
        let plan = self.plan;
        for stage in plan.enabled() {
            if self.outcomes.iter().any(|outcome| outcome.stage == stage.id) {
                continue;
            }
            if self.interrupts.is_asked() {
                let (run, stage) = (self.run.clone(), stage.id.clone());
                return Err(RunError::Interrupted { run, stage, began: false });
            }
            self.stage(stage)?;
        }
        Ok(())
    }

    fn finalize(mut self) -> Result<RunReport, RunError> {
        remove_tree(&self.bundle.join(".staging"))?;
        self.must("finalize", json!({}))?;
        let bundle = self.project(Duration::ZERO)?;
        let manifest = manifest_of(&bundle)?;
        let status = manifest.get("status").and_then(Value::as_str);
        let statuses = [RunStatus::Success, RunStatus::Partial, RunStatus::Failed];
        let Some(status) = statuses.into_iter().find(|known| Some(known.word()) == status) else {
            return Err(RunError::Projection(format!("a final status in `{MANIFEST}`, found {status:?}")));
        };
        let mut publisher = Publisher::new(self.session.log)?;
        publisher.publish(&bundle)?;
        publisher.finish()?;
        (self.progress)(Progress::Finished { status, elapsed: self.began.elapsed() });
        Ok(RunReport {
            run_id: self.run,
            bundle: self.bundle,
            status,
            exit_code: status.exit_code(),
            outcomes: self.outcomes,
        })
    }

    /// Submits a command of the contract `pipeline` for this run and waits until it is committed.
    fn submit(&self, action: &str, members: Value) -> Result<Answer, LogError> {
        let Value::Object(members) = members else {
            unreachable!("the members of a command are an object");
        };
        let request = Request::new("pipeline", &self.run, action, members)?;
        self.session.log.submit(&request)
    }

    /// Submits a command; code and message when the contract does not take it.
    fn refused(&self, action: &str, members: Value) -> Result<Option<(String, String)>, RunError> {
        match self.submit(action, members) {
            Ok(answer) => Ok(refusal(answer)),
            Err(LogError::Malformed(error)) => Ok(Some(("malformed".to_owned(), error.to_string()))),
            Err(error) => Err(error.into()),
        }
    }

    /// Submits a command that the contract has no reason to refuse.
    fn must(&self, action: &str, members: Value) -> Result<(), RunError> {
        match self.refused(action, members)? {
            None => Ok(()),
            Some((code, message)) => Err(RunError::Refused { command: action.to_owned(), code, message }),
        }
    }

    /// Writes the run's projections as of now, the manifest first and then its mirror (5.2), and tells of the outcomes
    /// that are new. `elapsed` is how long the stage took that was recorded last.
    fn project(&mut self, elapsed: Duration) -> Result<Bundle, RunError> {
        self.session.view.refresh()?;
        let Some(bundle) = self.session.view.bundle(&self.run)? else {
            return Err(RunError::Projection(format!("run `{}` in the log, found none", self.run)));
        };
        let rest = bundle.files.keys().map(String::as_str).filter(|path| ![MANIFEST, HEALTH].contains(path));
        for path in [MANIFEST, HEALTH].into_iter().chain(rest) {
            if let Some(file) = bundle.files.get(path) {
                write_atomically(&self.bundle, path, &file.bytes)?;
            }
        }
        let outcomes = outcomes_of(&manifest_of(&bundle)?)?;
        let known: BTreeSet<&str> = self.outcomes.iter().map(|outcome| outcome.stage.as_str()).collect();
        for outcome in outcomes.iter().filter(|outcome| !known.contains(outcome.stage.as_str())) {
            let ran = outcome.status != StageStatus::Skipped && self.plan.stage(&outcome.stage).is_some();
            let elapsed = if ran { elapsed } else { Duration::ZERO };
            (self.progress)(Progress::OutcomeRecorded { outcome, elapsed });
        }
        self.outcomes = outcomes;
        Ok(bundle)
    }
}

/// Code and message of an answer that is not yes.
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

/// The outcomes of a manifest; none while there is none.
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

#[cfg(test)]
mod tests;
