//! `step`: a report on a step. In a decided run, evlog decides whether another attempt follows a failed one before it records
//! any phase of the end. In an observed run, what is reported is accepted if the relation allows it.

use super::turn::Turn;
use super::{Broken, unknown_step};
use crate::story::command::Report;
use crate::story::definition::Kind;
use crate::story::expression::{Trouble, holds};
use crate::story::failure::StepError;
use crate::story::payload::{Mode, RejectionReason, StepCause, StepMoved};
use crate::story::phases::{Phase, unknown_phase};
use crate::story::reasons;
use crate::story::retry::{ExitClass, TIMEOUT_CODE, classify, draw};
use crate::story::rules::Breach;
use crate::story::schema::Checked;
use crate::story::steps::{Asked, StepState};
use evlog_projection::Decision;
use std::borrow::Cow;

/// How an attempt ended.
pub(super) struct End<'a> {
    /// The exit code, if known.
    pub(super) code: Option<i64>,
    pub(super) class: ExitClass,
    pub(super) timed_out: bool,
    pub(super) reason: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    pub(super) error: Option<StepError>,
    pub(super) cause: StepCause,
}

/// A report on a step.
pub(super) fn step(mut turn: Turn<'_>, report: &Report) -> Decision {
    let Some(number) = turn.state.story().number(&report.step) else {
        return unknown_step(&report.step);
    };
    let taken = match phase_of(report) {
        Ok(to) if turn.state.mode() == Mode::Observed => turn.observe(number, to, report),
        Ok(to) => match turn.admits(number, to, report) {
            Ok(true) => turn.take(number, to, report),
            Ok(false) => Ok(()),
            Err(breach) => Err(breach),
        },
        Err(breach) => Err(breach),
    };
    match taken {
        Ok(()) => turn.done(),
        Err(breach) => {
            let requested = report.to.as_deref().unwrap_or_default();
            let phase = turn.question.asked.state.and_then(|state| state.steps().get(number).phase);
            let (step, note) = (Some((report.step.as_str(), phase)), report.message.as_deref());
            turn.question.reject(Broken { step, requested, note, breach })
        }
    }
}

fn phase_of(report: &Report) -> Result<Option<Phase>, Breach> {
    let Some(token) = &report.to else { return Ok(None) };
    Phase::from_word(token).map(Some).ok_or_else(|| {
        let message = format!("step `{}`: {}", report.step, unknown_phase(token));
        Breach::new(RejectionReason::UnknownPhase, message)
    })
}

/// Whether everything in a report is recorded already.
fn says_nothing_new(state: &StepState, report: &Report) -> bool {
    let same = |given: Option<&str>, known: Option<&str>| given.is_none() || given == known;
    let code = report.exit_code.and_then(|code| u32::try_from(code).ok());
    same(report.reason.as_deref(), Some(&state.reason))
        && same(report.message.as_deref(), state.message.as_deref())
        && same(report.worker.as_deref(), state.worker.as_deref())
        && same(report.child.as_deref(), state.child.as_deref())
        && same(report.output.as_ref().map(|(text, _)| text.as_str()), state.output.as_deref())
        && (code.is_none() || code == state.exit_code)
        && (report.exit_class.is_none() || report.exit_class == state.exit_class)
        && (report.error.is_none() || report.error.as_ref() == state.error.as_deref())
}

/// Whether a report has no output, or the recorded one.
fn keeps_output(state: &StepState, report: &Report) -> bool {
    let given = report.output.as_ref().map(|(text, _)| text.as_str());
    given.is_none() || given == state.output.as_deref()
}

/// The phase that follows from an exit code or class.
fn ended_as(report: &Report) -> Phase {
    let class = report.exit_class.or(report.exit_code.map(classify));
    match (class, report.exit_code) {
        (Some(ExitClass::Success), _) => Phase::Succeeded,
        (_, Some(TIMEOUT_CODE)) => Phase::Timeout,
        _ => Phase::Failed,
    }
}

impl Turn<'_> {
    /// A phase that a controller reports, if the relation allows it.
    fn observe(&mut self, number: usize, to: Option<Phase>, report: &Report) -> Result<(), Breach> {
        let to = to.unwrap_or_else(|| ended_as(report));
        self.fence(number, report)?;
        let state = self.step(number);
        let again = state.phase == Some(to);
        let mut moved = self.described(number, to, report);
        if moved.reason == reasons::RETRY_SCHEDULED && to == Phase::Pending && state.phase == Some(Phase::Running) {
            moved.retries = report.retries.unwrap_or(state.retries.saturating_add(1));
            moved.next_retry_ns = report.next_retry_ns;
        }
        self.state.judge_step(number, &moved)?;
        if again && says_nothing_new(self.step(number), report) {
            return Ok(());
        }
        if again && to.is_terminal() {
            let message = format!("step `{}`: what has ended as `{to}` stays as it is", report.step);
            return Err(Breach::new(RejectionReason::Terminal, message));
        }
        self.move_step(number, moved);
        Ok(())
    }

    /// The event of a reported phase, with everything that the report says.
    pub(super) fn described(&self, number: usize, to: Phase, report: &Report) -> StepMoved {
        let usual = self.next(number, to, StepCause::Reported);
        let class = report.exit_class.or(report.exit_code.map(classify));
        let built = StepError::of_attempt(to, report.message.as_deref(), report.exit_code, class);
        StepMoved {
            cause: match (report.mirrors, report.cached) {
                (true, _) => StepCause::Child,
                (false, true) => StepCause::CacheHit,
                (false, false) => StepCause::Reported,
            },
            reason: report.reason.clone().map_or(usual.reason.clone(), Cow::Owned),
            message: report.message.clone(),
            exit_code: report.exit_code.and_then(|code| u32::try_from(code).ok()),
            exit_class: class,
            output: report.output.as_ref().map(|(text, _)| text.clone()),
            error: report.error.clone().or(built.filter(|_| to.is_failure())),
            worker: report.worker.clone(),
            child: report.child.clone(),
            ..usual
        }
    }

    /// Whether a report on a step of a decided run must be handled. It need not be if it says only what is known.
    pub(super) fn admits(&self, number: usize, to: Option<Phase>, report: &Report) -> Result<bool, Breach> {
        let (state, name) = (self.step(number), &report.step);
        let target = to.unwrap_or_else(|| ended_as(report));
        if state.phase == Some(target) && says_nothing_new(state, report) && !state.has_not_begun() {
            return Ok(false);
        }
        if state.is_terminal() || self.state.is_terminal() {
            let ended = state.phase.filter(|phase| phase.is_terminal()).or(self.state.phase());
            let message =
                format!("step `{name}`: what has ended as `{}` stays as it is", crate::story::phases::in_words(ended));
            return Err(Breach::new(RejectionReason::Terminal, message));
        }
        if self.state.run().started_ns.is_none() {
            let message = format!("step `{name}`: the run has not started");
            return Err(Breach::new(RejectionReason::NotStarted, message));
        }
        if !self.definition(number).kind.is_work() {
            let kind = self.definition(number).kind.word();
            let expected = match self.definition(number).kind {
                Kind::Parallel => "reports on its branches",
                _ => "`gate`, `evaluate` or `tick`",
            };
            let message = format!("step `{name}` is a `{kind}`: expected {expected}, found a report");
            return Err(Breach::new(RejectionReason::NotReady, message));
        }
        if state.phase.is_none() || state.has_not_begun() {
            let message = format!("step `{name}`: its turn has not come ({})", self.waits_for(number));
            return Err(Breach::new(RejectionReason::NotReady, message));
        }
        if state.asks() == Some(Asked::PostExecution) {
            let again = target == Phase::Succeeded && keeps_output(state, report);
            let message = format!("step `{name}`: its result is on record, and waits for an answer by `evaluate`");
            return if again { Ok(false) } else { Err(Breach::new(RejectionReason::NotReady, message)) };
        }
        self.fence(number, report)?;
        match state.next_retry_ns.filter(|due| *due > self.now_ns() && target != Phase::Canceled) {
            None => Ok(true),
            Some(due) => {
                let due = evlog_projection::time::to_rfc3339(due);
                let message = format!("step `{name}`: its next attempt is due at {due}");
                Err(Breach::new(RejectionReason::RetryNotDue, message))
            }
        }
    }

    /// Refuses a report from a named worker other than the one that began the attempt (S-47).
    fn fence(&self, number: usize, report: &Report) -> Result<(), Breach> {
        let state = self.step(number);
        match (&state.worker, &report.worker) {
            (Some(known), Some(found)) if state.attempt_ns.is_some() && known.as_ref() != found => {
                let name = &report.step;
                let message =
                    format!("zombie pod fencing: step `{name}` is worked on by `{known}`, found a report by `{found}`");
                Err(Breach::new(RejectionReason::StaleWorker, message))
            }
            _ => Ok(()),
        }
    }

    fn waits_for(&self, number: usize) -> String {
        let state = self.step(number);
        match &state.message {
            Some(message) if state.phase.is_some() => message.to_string(),
            _ if state.unmet > 0 => format!("it waits for {} of the steps that it needs", state.unmet),
            _ => format!("the run is `{}`", crate::story::phases::in_words(self.state.phase())),
        }
    }

    /// Accepts a report on a step of a decided run, and decides everything that follows.
    fn take(&mut self, number: usize, to: Option<Phase>, report: &Report) -> Result<(), Breach> {
        match to {
            None => {
                self.begin_attempt(number, report);
                match ended_as(report) {
                    Phase::Succeeded => self.succeed(number, report),
                    phase => self.fail(number, phase, report),
                }
            }
            Some(Phase::Succeeded) => {
                self.state.judge_step(number, &self.described(number, Phase::Succeeded, report))?;
                self.succeed(number, report);
            }
            Some(phase @ (Phase::Failed | Phase::Timeout)) => {
                self.state.judge_step(number, &self.described(number, phase, report))?;
                self.fail(number, phase, report);
            }
            Some(Phase::Pending) if self.step(number).phase == Some(Phase::Running) => {
                self.try_again(number, report)?;
            }
            Some(Phase::Running) => self.run_step(number, report)?,
            Some(phase) => {
                let moved = self.described(number, phase, report);
                self.state.judge_step(number, &moved)?;
                self.move_step(number, moved);
                if self.state.fails_fast() && matches!(phase, Phase::Blocked | Phase::Scheduling) {
                    self.rule(number, Phase::Skipped, StepCause::FailFast, "Skipped due to fail-fast policy");
                }
            }
        }
        self.settle();
        Ok(())
    }

    /// An exit code shows that there was an attempt, even if its beginning was not reported.
    fn begin_attempt(&mut self, number: usize, report: &Report) {
        if self.step(number).phase != Some(Phase::Running) && !report.cached {
            let begun = self.begun(number, report);
            self.move_step(number, begun);
        }
    }

    /// The event of an attempt that begins, or goes on after a pause.
    fn begun(&self, number: usize, report: &Report) -> StepMoved {
        let usual = self.next(number, Phase::Running, StepCause::Reported);
        let timeout = self.state.story().timeout_ns(number);
        let begins = self.step(number).attempt_ns.is_none();
        let reason = if begins { Cow::Borrowed(reasons::SCHEDULED) } else { usual.reason.clone() };
        let deadline_ns = usual.deadline_ns.filter(|_| !begins).or(Some(self.after_now(timeout)));
        StepMoved { reason, deadline_ns, worker: report.worker.clone(), child: report.child.clone(), ..usual }
    }

    fn run_step(&mut self, number: usize, report: &Report) -> Result<(), Breach> {
        let begun = self.begun(number, report);
        let reason = report.reason.clone().map_or(begun.reason.clone(), Cow::Owned);
        let moved = StepMoved { reason, message: report.message.clone(), ..begun };
        self.state.judge_step(number, &moved)?;
        self.move_step(number, moved);
        Ok(())
    }

    /// A worker asks for another attempt. This counts as a failure of class `retry`, if a retry is left.
    fn try_again(&mut self, number: usize, report: &Report) -> Result<(), Breach> {
        let retries = self.step(number).retries.saturating_add(1);
        let moved = StepMoved { retries, ..self.described(number, Phase::Pending, report) };
        self.state.judge_step(number, &moved)?;
        let class = report.exit_class.unwrap_or(ExitClass::Retry);
        let (message, error) = (report.message.as_deref(), report.error.clone());
        let end = End {
            code: report.exit_code,
            class,
            timed_out: false,
            reason: None,
            message,
            error,
            cause: StepCause::Reported,
        };
        self.end_attempt(number, &end);
        Ok(())
    }

    /// An attempt that succeeded, if its output is valid (story.md 3.4).
    pub(super) fn succeed(&mut self, number: usize, report: &Report) {
        let step = self.definition(number);
        let null = serde_json::Value::Null;
        let output = report.output.as_ref().map_or(&null, |(_, value)| value);
        if let Some(schema) = &step.output_schema
            && let Checked::Invalid(why) | Checked::Unusable(why) = (self.question.check)(schema, output)
        {
            return self.fail_step(
                number,
                reasons::OUTPUT_SCHEMA_FAILED,
                format!("output is invalid against its schema: {why}"),
            );
        }
        if let Some(post) = &step.post_execution {
            let said = match holds(&post.condition, &self.state.scope(Some(output))) {
                Ok(true) => None,
                Ok(false) => Some(post.said_no().to_owned()),
                Err(trouble @ Trouble::Unknown(_)) => return self.hold_result(number, report, &trouble),
                Err(trouble) => Some(format!("post-execution condition evaluation error: {}", trouble.message())),
            };
            if let Some(message) = said {
                return self.fail_step(number, reasons::EXPRESSION_FAILED, message);
            }
        }
        let described = self.described(number, Phase::Succeeded, report);
        self.end_well(number, described);
    }

    fn end_well(&mut self, number: usize, described: StepMoved) {
        let exit_code = described.exit_code.or(self.step(number).attempt_ns.map(|_| 0));
        self.move_step(number, StepMoved { exit_code, exit_class: Some(ExitClass::Success), ..described });
    }

    /// Holds a step whose attempt succeeded as far as evlog can evaluate. The result is recorded, and waits for an answer.
    fn hold_result(&mut self, number: usize, report: &Report, trouble: &Trouble) {
        let described = self.described(number, Phase::Running, report);
        let message = format!("`postExecution` waits for an answer: {}", trouble.message());
        let held = StepMoved {
            cause: StepCause::Held,
            reason: Cow::Borrowed(reasons::POST_EXECUTION_AWAITED),
            message: Some(message),
            deadline_ns: None,
            error: None,
            ..described
        };
        self.end_well(number, held);
    }

    /// Records the answer to the `postExecution` of a step whose result is recorded.
    pub(super) fn answer_result(&mut self, number: usize, result: bool, message: Option<String>) {
        if !result {
            let usual = self.definition(number).post_execution.as_ref().map_or("", |post| post.said_no()).to_owned();
            return self.fail_step(number, reasons::EXPRESSION_FAILED, message.unwrap_or(usual));
        }
        let state = self.step(number);
        let (exit_code, exit_class) = (state.exit_code, state.exit_class);
        let usual = self.next(number, Phase::Succeeded, StepCause::Evaluated);
        self.move_step(number, StepMoved { message, exit_code, exit_class, ..usual });
    }

    /// An attempt that failed.
    fn fail(&mut self, number: usize, phase: Phase, report: &Report) {
        let timed_out = phase == Phase::Timeout || report.exit_code == Some(TIMEOUT_CODE);
        let claimed = report.error.as_ref().and_then(StepError::claimed_class);
        let by_code = report.exit_code.or(timed_out.then_some(TIMEOUT_CODE)).map(classify);
        let class = report.exit_class.or(claimed).or(by_code).unwrap_or(ExitClass::Terminal);
        let reason = report.reason.as_deref();
        let class = if reason.is_some_and(reasons::is_final) { ExitClass::Terminal } else { class };
        let code = report.exit_code.or(timed_out.then_some(TIMEOUT_CODE));
        let (message, error) = (report.message.as_deref(), report.error.clone());
        self.end_attempt(number, &End { code, class, timed_out, reason, message, error, cause: StepCause::Reported });
    }

    /// Begins another attempt, or ends the step.
    pub(super) fn end_attempt(&mut self, number: usize, end: &End<'_>) {
        let policy = self.state.story().retry(number);
        let retries = self.step(number).retries;
        let again = end.class.is_retryable() && retries < policy.max_retries && self.state.run().cancel.is_none();
        let to = match (again, end.timed_out) {
            (true, _) => Phase::Pending,
            (false, true) => Phase::Timeout,
            (false, false) => Phase::Failed,
        };
        if again && self.step(number).phase != Some(Phase::Running) {
            let begun = self.begun(number, &Report::default());
            self.move_step(number, begun);
        }
        let message = end.message.map(str::to_owned).or(end.error.as_ref().map(|error| error.message.clone()));
        let message = message.unwrap_or_else(|| usual_message(end));
        let code = end.code.filter(|code| *code >= 0);
        let error = end.error.clone().or_else(|| StepError::of_attempt(to, Some(&message), code, Some(end.class)));
        let usual = self.next(number, to, end.cause);
        let reason = end.reason.map_or(usual.reason.clone(), |reason| Cow::Owned(reason.to_owned()));
        let mut moved = StepMoved {
            reason,
            message: Some(message),
            exit_code: code.and_then(|code| u32::try_from(code).ok()),
            exit_class: Some(end.class),
            error,
            ..usual
        };
        if again {
            let number_of_retry = retries + 1;
            let asked = self.question.asked;
            let draw = draw(asked.run, &self.definition(number).name, number_of_retry, asked.time_ns);
            let delay = policy.delay_ns(number_of_retry, draw);
            moved.reason = Cow::Borrowed(reasons::RETRY_SCHEDULED);
            (moved.retries, moved.next_retry_ns) = (number_of_retry, Some(self.after_now(delay)));
        }
        self.move_step(number, moved);
    }
}

/// The message of an attempt that was reported without one.
fn usual_message(end: &End<'_>) -> String {
    match (end.timed_out, end.code) {
        (true, _) => "The attempt ran out of time".to_owned(),
        (false, Some(code)) => format!("The attempt ended with exit code {code} (class {})", end.class.word()),
        (false, None) => format!("The attempt failed (class {})", end.class.word()),
    }
}
