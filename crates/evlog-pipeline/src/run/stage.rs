//! One stage of a run: begin, process, substage outcomes, publish gate, promotion, outcome.
//!
//! Invariants:
//! - An outcome is recorded for every stage that began, unless the run is interrupted, the log or the bundle cannot be
//!   written, or too few files can be opened.
//! - The stage's output in the bundle is recorded before the outcome.
//! - Artifacts are promoted after the intent to promote them is committed, and are reported as published before the outcome
//!   is.
//! - A failure of the gate is always fail-closed, and so is every failure of storage. One exception: a failure while
//!   the output is recorded leaves the stage without an outcome.

use super::fitting::fitting;
use super::leftover::left_behind;
use super::{RunError, Runner, hex};
use crate::capture::Capture;
use crate::file_error::{FileError, at, in_words};
use crate::files::{make_parents, make_within};
use crate::gate::{Artifact, Failed, Gate, Passed};
use crate::inputs::Found;
use crate::limits::REPORT_LEN_MAX;
use crate::orphans::{self, Tag};
use crate::outcomes::{self, ReportedOutcome};
use crate::output::{Opened, Output, Place};
use crate::plan::Stage;
use crate::process::{self, End, Ended, Start};
use crate::progress::Progress;
use crate::step::{Step, Steps};
use crate::tree::Tree;
use crate::{descriptors, inputs, paths};
use evlog_lifecycle::pipeline::report::{ArtifactReport, ERRORS_MAX_DEFAULT, Finding, Report};
use evlog_lifecycle::pipeline::{FailMode, INVALID, MISSING, Outcome, STAGING, STORAGE, StageStatus};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Id and version, in reports, of the schema of the file in which a stage reports its substages' outcomes.
const OUTCOMES_SCHEMA: (&str, &str) = ("stage_outcomes", "0.1.0");

/// The place where a stage works.
pub(super) struct Room {
    /// Its staging directory.
    staging: PathBuf,
    /// The staging directory, as a path in the bundle.
    pub(super) staging_path: String,
    /// The file for its substages' outcomes.
    outcomes: PathBuf,
    /// That file, as a path in the bundle.
    outcomes_path: String,
    /// The file of its captured output, as a path in the bundle.
    log_path: String,
    /// The file of the captured output, as an absolute path.
    pub(super) log: PathBuf,
    /// The file of the captured output, open.
    pub(super) output: Option<Output>,
}

/// What stops a stage on its way to an outcome.
pub(super) enum Stop {
    /// The run cannot go on.
    Run(RunError),
    /// The stage fails closed because of storage.
    Storage(FileError),
}

impl Stop {
    /// The error of a run that cannot go on, at a point where there is no stage that could fail.
    fn into_error(self) -> RunError {
        match self {
            Stop::Run(error) => error,
            Stop::Storage(error) => RunError::File(error),
        }
    }
}

impl From<RunError> for Stop {
    fn from(error: RunError) -> Stop {
        Stop::Run(error)
    }
}

impl From<FileError> for Stop {
    fn from(error: FileError) -> Stop {
        Stop::Storage(error)
    }
}

impl Room {
    fn new(bundle: &Path, stage: &str) -> Room {
        let staging_path = format!("{STAGING}/{stage}");
        let (outcomes_path, log_path) = (format!("{STAGING}/{stage}.outcomes.jsonl"), paths::captured(stage));
        Room {
            staging: bundle.join(&staging_path),
            staging_path,
            outcomes: bundle.join(&outcomes_path),
            log: bundle.join(&log_path),
            outcomes_path,
            log_path,
            output: None,
        }
    }

    /// Makes an empty staging directory.
    pub(super) fn make_staging(&self, home: &Tree, steps: &Steps) -> Result<(), FileError> {
        let above = make_parents(home, &self.staging_path, steps)?;
        if home.stat(&self.staging_path).is_ok() {
            let error = io::Error::new(io::ErrorKind::AlreadyExists, "expected nothing of an earlier stage or attempt");
            return Err(at("make", &self.staging)(error));
        }
        make_within(&above, self.staging_path.rsplit('/').next().unwrap_or_default(), steps).map(drop)
    }

    /// Writes a line from evlog into the stage's output.
    pub(super) fn write_line(&mut self, line: &str) -> Result<(), FileError> {
        self.output.as_mut().map_or(Ok(()), |output| writeln!(output, "{line}")).map_err(at("write", &self.log))
    }
}

impl Runner<'_> {
    /// Runs or reuses one stage, and records its outcome.
    pub(super) fn stage(&mut self, stage: &Stage) -> Result<(), RunError> {
        let began = Instant::now();
        descriptors::check().map_err(RunError::Descriptors)?;
        let inputs = match self.inputs(stage)? {
            Ok(inputs) => inputs,
            Err(outcome) => {
                self.record(stage, &outcome)?;
                self.project(began.elapsed())?;
                return Ok(());
            }
        };
        let offer = self.offer(stage, &inputs);
        self.must("begin", json!({"stage": stage.id}))?;
        self.project(Duration::ZERO)?;
        let mut room = Room::new(&self.bundle, &stage.id);
        let attempted = match &offer {
            Some(offer) => self.attempt_reusing(stage, &mut room, offer),
            None => self.attempt(stage, &mut room),
        };
        let attempted = match attempted {
            Err(stopped) => match self.interrupted(stage, stopped) {
                Ok(error) => {
                    self.leave(stage, &mut room)?;
                    return Err(error);
                }
                Err(stopped) => Err(stopped),
            },
            attempted => attempted,
        };
        let outcome = self.or_storage_failure(stage, attempted)?;
        // With an outcome but without a record of the output, the bundle would hold a file that the log does not account for.
        self.capture(stage, &mut room).map_err(Stop::into_error)?;
        self.clear_staging();
        self.record(stage, &outcome)?;
        // A reused stage took no time as a process.
        let elapsed = if self.baseline.is_some() { Duration::ZERO } else { began.elapsed() };
        self.project(elapsed)?;
        Ok(())
    }

    /// Records what the stage is about to read, and returns it. Returns the outcome if the stage cannot begin.
    fn inputs(&mut self, stage: &Stage) -> Result<Result<Vec<Found>, Outcome>, RunError> {
        if stage.inputs.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let failed = |code: &str| Err(Outcome::failed(&stage.id, FailMode::FailClosed, code));
        let tell = self.reading(Some(&stage.id));
        let found = self
            .home()
            .and_then(|home| inputs::find(&stage.inputs, &self.plan.directory, home, &self.published, &tell));
        self.go_on(&stage.id, false)?;
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.note(stage, &error.to_string());
                return Ok(failed(STORAGE));
            }
        };
        let listed: Vec<Value> = found.iter().map(|input| input.to_value(&self.secrets.mask(&input.path))).collect();
        if let Some((code, message)) =
            self.refused(Step::CommitInputs, "inputs", json!({"stage": stage.id, "inputs": listed}))?
        {
            self.note(stage, &format!("the contract refused the inputs: {code}: {message}"));
            return Ok(failed(STORAGE));
        }
        let missing = found.iter().filter(|input| input.required && input.content.is_none());
        let missing: Vec<String> = missing.map(|input| format!("`{}` ({})", input.path, input.from.place())).collect();
        if missing.is_empty() {
            return Ok(Ok(found));
        }
        self.note(stage, &format!("did not begin, because an input is missing: {}", missing.join(", ")));
        Ok(failed(MISSING))
    }

    /// The interruption because of which a stage has no outcome. If storage fails as well, or descriptors are missing, the
    /// stage still has no outcome (G-29).
    fn interrupted(&mut self, stage: &Stage, stopped: Stop) -> Result<RunError, Stop> {
        match (stopped, self.go_on(&stage.id, true)) {
            (Stop::Run(error @ RunError::Interrupted { .. }), _) => Ok(error),
            (
                stopped @ (Stop::Storage(_) | Stop::Run(RunError::Descriptors(_) | RunError::File(_))),
                Err(interrupted),
            ) => {
                self.note(stage, &stopped.into_error().to_string());
                Ok(interrupted)
            }
            (stopped, _) => Err(stopped),
        }
    }

    /// Leaves a stage that was interrupted: keeps what it printed, removes what it staged, and records no outcome. What cannot
    /// be kept or projected now is settled when the run is resumed.
    fn leave(&mut self, stage: &Stage, room: &mut Room) -> Result<(), RunError> {
        let captured = self.capture(stage, room);
        self.clear_staging();
        match captured {
            Ok(()) => {}
            Err(Stop::Run(error)) => return Err(error),
            Err(Stop::Storage(error)) => self.note(stage, &error.to_string()),
        }
        if let Err(error) = self.project(Duration::ZERO) {
            self.note(stage, &error.to_string());
        }
        Ok(())
    }

    fn or_storage_failure(&mut self, stage: &Stage, attempted: Result<Outcome, Stop>) -> Result<Outcome, RunError> {
        match attempted {
            Ok(outcome) => Ok(outcome),
            Err(Stop::Run(error)) => Err(error),
            Err(Stop::Storage(error)) => {
                self.note(stage, &error.to_string());
                Ok(Outcome::failed(&stage.id, FailMode::FailClosed, STORAGE))
            }
        }
    }

    pub(super) fn note(&mut self, stage: &Stage, message: &str) {
        self.watcher.report(Progress::StageNote { stage: &stage.id, message: &self.secrets.mask(message) });
    }

    /// The place where the files of outputs belong.
    fn place(&self) -> Result<Place<'_>, FileError> {
        Ok(Place { home: self.home()?, runs: self.claim.runs(), run: &self.run, shelf: STAGING })
    }

    /// Does everything up to the outcome, which is returned and not recorded yet.
    fn attempt(&mut self, stage: &Stage, room: &mut Room) -> Result<Outcome, Stop> {
        self.open(stage, room)?;
        self.attempt_within(stage, room)
    }

    /// Makes an empty staging directory, and opens the file of the stage's output. A file in that place that the log does not
    /// know is not evlog's: it is set aside.
    pub(super) fn open(&mut self, stage: &Stage, room: &mut Room) -> Result<(), FileError> {
        self.clear_staging();
        room.make_staging(self.home()?, &self.steps)?;
        self.steps.at(Step::OpenOutput);
        self.make_way(&room.log_path)?;
        let earlier = self.captured.get(&room.log_path).copied();
        let Opened { output, set_aside } = Output::open(&self.place()?, &room.log_path, earlier, &self.steps)?;
        room.output = Some(output);
        if let Some(place) = set_aside {
            let (log, place) = (room.log.display(), place.display());
            self.note(stage, &format!("`{log}` was there, and evlog had not written it; it is kept in `{place}`"));
        }
        Ok(())
    }

    /// Makes the attempt, once staging and output are ready.
    pub(super) fn attempt_within(&mut self, stage: &Stage, room: &mut Room) -> Result<Outcome, Stop> {
        let (ended, kept) = self.process(stage, room)?;
        // Without this check, a file that cannot be opened would look like a fault of the stage. An interruption is not a
        // fault in any case.
        if !self.interrupts.is_urgent() {
            descriptors::check_for(descriptors::TO_END).map_err(RunError::Descriptors)?;
        }
        self.must("process_ended", process_ended(stage, ended))?;
        kept?;
        if ended == Some(Ended::Interrupted) {
            return Err(self.stopped_at(&stage.id, true).into());
        }
        self.steps.at(Step::ReadOutcomes);
        let reported =
            outcomes::read(self.home()?, &room.outcomes_path, &stage.id).map_err(at("read", &room.outcomes))?;
        let mut findings = reported.findings;
        if findings.is_empty() {
            findings = self.record_substages(&stage.id, &reported.substages)?;
        }
        let own = reported.reason_code;
        if let Some(message) = own.as_deref().and_then(|code| self.disbelief(stage, ended, code)) {
            findings.push(Finding::coded("reason_code_invalid", message));
        }
        if !findings.is_empty() {
            return Ok(self.fail_reported(stage, room, findings)?);
        }
        let outcome = self.coupled(stage, self.judge(stage, ended, own), &reported.substages);
        if outcome.is_fatal() { Ok(outcome) } else { self.publish(stage, outcome) }
    }

    /// Fails a stage closed because the outcomes that it reported for its substages are not valid.
    pub(super) fn fail_reported(
        &mut self,
        stage: &Stage,
        room: &Room,
        found: Vec<Finding>,
    ) -> Result<Outcome, RunError> {
        let (id, version) = OUTCOMES_SCHEMA;
        let findings = found.into_iter().map(|finding| self.secrets.mask_finding(finding)).collect();
        let artifacts = vec![ArtifactReport::new(&room.outcomes_path, id, version, findings)];
        let report = Report::new(&self.run, &stage.id, ERRORS_MAX_DEFAULT, artifacts);
        self.fail_gate(stage, &Failed { reason_code: INVALID.to_owned(), report })
    }

    /// Starts the stage's process and waits for it. Returns how it ended (`None` if it could not be started), and whether its
    /// output was kept.
    fn process(&mut self, stage: &Stage, room: &mut Room) -> Result<(Option<Ended>, Result<(), Stop>), Stop> {
        let tag = Tag::draw();
        // The stage has not run, and is not at fault: the run stays in progress (T-09).
        self.notes().and_then(|claim| claim.note_tag(&self.unseen, &tag)).map_err(RunError::File)?;
        self.steps.at(Step::StartStage);
        self.watcher.report(Progress::StageStarted { stage: &stage.id, log: &room.log });
        let start = Start {
            command: &stage.command,
            directory: &self.plan.directory,
            environment: &self.environment(stage, room, &tag),
            time_limit: stage.time_limit,
            interrupts: &self.interrupts,
            supervisor: &self.supervisor,
            supervisor_tags: &tag.of_supervisor(&self.bundle),
            end_tagged: &|| orphans::end(&self.run, &self.bundle, &tag),
        };
        let mut watch = |line: &str| self.watcher.report(Progress::OutputLine { stage: &stage.id, line });
        let Some(output) = &mut room.output else { unreachable!("the output is open when an attempt begins") };
        let mut capture = Capture::new(&self.secrets, stage.output_limit, output, &mut watch);
        let end = process::run(&start, &mut |bytes| capture.take(bytes));
        let captured = capture.finish().map_err(at("write", &room.log));
        let ended = end.as_ref().ok().map(|end| end.ended);
        Ok((ended, self.keep(stage, room, tag, captured, &end)))
    }

    /// Completes the stage's output, with what there is to say about its end.
    fn keep(
        &mut self,
        stage: &Stage,
        room: &mut Room,
        tag: Tag,
        captured: Result<bool, FileError>,
        end: &io::Result<End>,
    ) -> Result<(), Stop> {
        self.is_over = end.as_ref().map_or(true, End::is_known_to_be_over);
        let forgotten = self.forget_unless_unseen(tag, end);
        let is_whole_line = captured?;
        if !is_whole_line {
            room.write_line("")?;
        }
        forgotten?;
        for message in end.iter().flat_map(left_behind) {
            self.note_in(stage, room, &message)?;
        }
        self.how_it_ended(stage, room, end)
    }

    /// The note of the tag stays as long as it is not known whether processes with the tag run.
    fn forget_unless_unseen(&mut self, tag: Tag, end: &io::Result<End>) -> Result<(), FileError> {
        if end.as_ref().is_ok_and(End::leaves_some_to_find) {
            self.unseen.push(tag);
            return Ok(());
        }
        self.notes()?.forget_tags_except(&self.unseen)
    }

    /// Reports how the process ended, unless it ended by itself.
    fn how_it_ended(&mut self, stage: &Stage, room: &mut Room, end: &io::Result<End>) -> Result<(), Stop> {
        // For a stage without a supervisor, other notes say what was ended.
        let is_supervised = end.as_ref().is_ok_and(|end| end.supervisor_lost.is_none());
        let and_ended = if is_supervised { "; the process group was ended" } else { "" };
        let message = match end.as_ref().map(|end| end.ended) {
            Ok(Ended::Exited(_)) => return Ok(()),
            Ok(Ended::Signalled(signal)) => format!("the process was ended by signal {signal}"),
            Ok(Ended::TimedOut) => {
                let limit = stage.time_limit.unwrap_or_default();
                format!("the `time_limit` of {limit:?} has passed{and_ended}")
            }
            Ok(Ended::Interrupted) => format!("the run was interrupted{and_ended}"),
            Ok(Ended::Traced) => {
                "a process of the stage traced evlog (ptrace), which could keep it stopped; everything that \
                                  came from the stage was ended"
                    .to_owned()
            }
            Ok(Ended::Unsupervised) => {
                "it is not known how the process ended, because its supervisor did not report it".to_owned()
            }
            Err(error) => format!("`{}` could not be started: {}", stage.command[0], in_words("start", error)),
        };
        self.note_in(stage, room, &message)
    }

    /// Reports a note that is also written into the stage's log.
    fn note_in(&mut self, stage: &Stage, room: &mut Room, message: &str) -> Result<(), Stop> {
        self.note(stage, message);
        Ok(room.write_line(&format!("evlog: {}", self.secrets.mask(message)))?)
    }

    /// Everything that the process finds in its environment: what it inherits, what the plan adds, and evlog's own.
    fn environment(&self, stage: &Stage, room: &Room, tag: &Tag) -> Vec<(OsString, OsString)> {
        let own: [(&str, OsString); 7] = [
            ("EVLOG_RUN_ID", self.run.clone().into()),
            ("EVLOG_STAGE", stage.id.clone().into()),
            ("EVLOG_STAGING_DIR", room.staging.clone().into()),
            ("EVLOG_RUN_DIR", self.bundle.clone().into()),
            ("EVLOG_PLAN_DIR", self.plan.directory.clone().into()),
            ("EVLOG_OUTCOMES", room.outcomes.clone().into()),
            (orphans::TAG, tag.text.clone().into()),
        ];
        let inherits = |name: &OsString| {
            let named = |names: &BTreeSet<String>| name.to_str().is_some_and(|name| names.contains(name));
            stage.inherited.as_ref().is_none_or(named)
        };
        let inherited = std::env::vars_os().filter(|(name, _)| inherits(name));
        let added = stage.environment.iter().map(|(name, value)| (name.into(), value.into()));
        inherited.chain(added).chain(own.map(|(name, value)| (name.into(), value))).collect()
    }

    /// Records the outcomes that the stage reported for its substages, in the stage's order. An outcome that the contract
    /// refuses is a finding. An outcome that must not be recorded, not even as a refusal, is a finding too. An urgent
    /// interrupt stops this.
    pub(super) fn record_substages(
        &mut self,
        stage: &str,
        substages: &[ReportedOutcome],
    ) -> Result<Vec<Finding>, RunError> {
        let mut findings = Vec::new();
        for reported in substages {
            self.go_on(stage, true)?;
            let is_secret = |text: &str| self.secrets.are_in(text.as_bytes());
            if is_secret(&reported.stage) || reported.reason_code.as_deref().is_some_and(is_secret) {
                let message = "the name of a substage or a reason code contains the value of a secret";
                findings.push(Finding::coded("secret_in_outcome", message).on_line(reported.line));
                continue;
            }
            let mut members = json!({"stage": reported.stage, "status": reported.status.word()});
            if let Some(mode) = reported.fail_mode {
                members["fail_mode"] = mode.word().into();
            }
            if let Some(code) = &reported.reason_code {
                members["reason_code"] = code.as_str().into();
            }
            if let Some((code, message)) = self.refused(Step::CommitSubstage, "outcome", members)? {
                findings.push(Finding::coded(&code.to_ascii_lowercase(), message).on_line(reported.line));
            }
        }
        Ok(findings)
    }

    /// Passes the publish gate and promotes, or fails closed.
    pub(super) fn publish(&mut self, stage: &Stage, outcome: Outcome) -> Result<Outcome, Stop> {
        let tell = self.reading(Some(&stage.id));
        let gate = Gate {
            plan: self.plan,
            stage,
            run: &self.run,
            home: self.home()?,
            shelf: STAGING,
            staging: &stage.id,
            published: &self.published,
            secrets: &self.secrets,
            tell: &tell,
            steps: &self.steps,
        };
        self.steps.at(Step::CheckStaged);
        let checked = gate.check();
        self.go_on(&stage.id, true)?;
        let Passed { artifacts, custody } = match checked? {
            Ok(passed) => passed,
            Err(failed) => return Ok(self.fail_gate(stage, &failed)?),
        };
        if let Some(message) = unexpected(&gate.unexpected(&artifacts)) {
            self.note(stage, &message);
        }
        // Without this record, a resumed run that finds the artifacts promoted and no outcome would record a success.
        if outcome.status != StageStatus::Success {
            self.must("judge", outcome.to_value())?;
        }
        let members = json!({"stage": stage.id, "artifacts": listing(&artifacts)});
        self.must("intend", members.clone())?;
        let paths: Vec<&str> = artifacts.iter().map(|artifact| artifact.path.as_str()).collect();
        paths.iter().try_for_each(|path| self.make_way(path))?;
        custody.promote(self.home()?, &paths, &self.steps)?;
        self.must("publish", members)?;
        self.published.extend(artifacts.into_iter().map(|artifact| (artifact.path, stage.id.clone())));
        Ok(outcome)
    }

    /// Records the report of a gate that failed; nothing is promoted.
    fn fail_gate(&mut self, stage: &Stage, failed: &Failed) -> Result<Outcome, RunError> {
        let report = fitting(&failed.report, REPORT_LEN_MAX);
        self.must("report", json!({"stage": stage.id, "report": report.to_value()}))?;
        let reason_code = failed.reason_code.as_str();
        self.watcher.report(Progress::GateFailed { stage: &stage.id, reason_code, report: &report });
        Ok(Outcome::failed(&stage.id, FailMode::FailClosed, reason_code))
    }

    /// Records the captured standard output and error of the stage, which are then in the bundle.
    fn capture(&mut self, stage: &Stage, room: &mut Room) -> Result<(), Stop> {
        self.steps.at(Step::SyncOutput);
        // If the file of the output could not be opened, there is no output.
        if room.output.is_some() {
            self.make_way(&room.log_path)?;
        }
        let home = self.home()?;
        if room.output.as_ref().is_some_and(|output| !output.stands(home)) {
            let message = "somebody else wrote in the file of this output, or in its place; it was recreated with what \
                           evlog captured";
            self.note_in(stage, room, message)?;
        }
        let Some(output) = room.output.take() else { return Ok(()) };
        let (len, digest) = output.settle(&self.place()?)?;
        let members = json!({"stage": stage.id, "path": room.log_path, "bytes": len, "blake3": hex(digest)});
        Ok(self.must("captured", members)?)
    }

    /// Records the outcome. If the contract does not accept it, the run would have no end. So the stage then fails closed, and
    /// the reason is reported.
    pub(super) fn record(&mut self, stage: &Stage, outcome: &Outcome) -> Result<(), RunError> {
        let Some((code, message)) = self.refused(Step::CommitOutcome, "outcome", outcome.to_value())? else {
            return Ok(());
        };
        self.note(stage, &format!("the contract refused the outcome `{outcome}`: {code}: {message}"));
        self.must("outcome", Outcome::failed(&stage.id, FailMode::FailClosed, STORAGE).to_value())
    }
}

/// How the process of a stage ended, as the contract records it; `None` if it could not be started.
fn process_ended(stage: &Stage, ended: Option<Ended>) -> Value {
    let mut members = match ended {
        None => json!({"how": "not_started"}),
        Some(Ended::Exited(code)) => json!({"how": "exited", "exit_code": code}),
        Some(Ended::Signalled(signal)) => json!({"how": "signalled", "signal": signal}),
        Some(Ended::TimedOut) => json!({"how": "timed_out"}),
        Some(Ended::Interrupted) => json!({"how": "interrupted"}),
        Some(Ended::Traced) => json!({"how": "traced"}),
        Some(Ended::Unsupervised) => json!({"how": "unknown"}),
    };
    members["stage"] = stage.id.as_str().into();
    if let Some(limit) = stage.time_limit {
        members["time_limit_ns"] = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).into();
    }
    members
}

/// For people who watch: which files are published though no output names them.
fn unexpected(paths: &[&str]) -> Option<String> {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = paths.iter().take(SHOWN).copied().collect();
    let more = paths.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!paths.is_empty())
        .then(|| format!("published without validation, because no output names it: {}{more}", shown.join(", ")))
}

fn listing(artifacts: &[Artifact]) -> Vec<Value> {
    let one = |artifact: &Artifact| {
        let mut value = json!({"path": artifact.path, "bytes": artifact.len, "blake3": hex(artifact.blake3)});
        if let Some(schema) = &artifact.schema {
            value["contract"] = schema.as_str().into();
        }
        value
    };
    artifacts.iter().map(one).collect()
}
