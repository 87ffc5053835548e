//! Operations on values: the contract's functions of phases, policies, codes and errors.

use super::Found;
use evlog_lifecycle::story::Phase;
use evlog_lifecycle::story::definition::{Definition, Group, Pattern, check};
use evlog_lifecycle::story::derive::{Bucket, Dependency, bucket, dependency};
use evlog_lifecycle::story::failure::{FailedStep, RunError, StepError};
use evlog_lifecycle::story::retry::{Backoff, DEFAULT, ExitClass, Given, Policy, chosen, classify};
use serde_json::{Map, Value, json};

/// A phase that a case names; `""` and null are none.
pub(super) fn phase(value: &Value) -> Result<Option<Phase>, String> {
    match value.as_str() {
        None | Some("") => Ok(None),
        Some(word) => Phase::from_word(word).map(Some).ok_or_else(|| format!("there is no phase `{word}`")),
    }
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().filter_map(Value::as_str).collect()
}

fn pattern(given: &Value) -> Pattern {
    if given["pattern"] == "realtime" { Pattern::Realtime } else { Pattern::Batch }
}

pub(super) fn bucket_steps(given: &Value) -> Found {
    let (mut completed, mut running, mut failed, mut allowed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for step in list(&given["steps"]) {
        let (name, may_fail) = (&step["name"], step["allowFailure"] == true);
        let state = &given["stepStates"][name.as_str().unwrap_or_default()];
        let phase = phase(&state["phase"])?;
        let is_queued = state["message"].as_str().is_some_and(|message| message.to_lowercase().contains("queue"));
        match bucket(phase, is_queued, may_fail) {
            Bucket::Completed => completed.push(name.clone()),
            Bucket::Running => running.push(name.clone()),
            Bucket::Failed => failed.push(name.clone()),
            Bucket::Neither => {}
        }
        if may_fail && phase.is_some_and(Phase::is_failure) {
            allowed.push(name.clone());
        }
    }
    allowed.sort_by_key(ToString::to_string);
    Ok(json!({"completed": completed, "running": running, "failed": failed, "allowedFailures": allowed}))
}

pub(super) fn dependency_satisfied(given: &Value) -> Found {
    let on = &given["dependency"];
    let allowed = on["allowFailure"] == true;
    let verdict = dependency(pattern(given), Group::Main, false, phase(&on["phase"])?, allowed);
    Ok(json!({"satisfied": verdict == Dependency::Met}))
}

fn policy(value: &Value) -> Result<Option<Given>, String> {
    if value.is_null() {
        return Ok(None);
    }
    // An empty text is a field that was not given.
    let members = value.as_object().cloned().unwrap_or_default();
    let members: Map<String, Value> = members.into_iter().filter(|(_, value)| value != "").collect();
    Given::read(&Value::Object(members), "/retry").map(Some).map_err(|error| error.to_string())
}

/// The place where a draw falls in the middle.
const MIDDLE: u64 = 1 << 63;

pub(super) fn compute_retry_delay(given: &Value, when: &Value) -> Found {
    let policy = policy(&given["retry"])?.unwrap_or_default().resolve(DEFAULT);
    let number = when["retryNumber"].as_i64().unwrap_or(1).clamp(0, i64::from(u32::MAX));
    let number = u32::try_from(number).map_err(|error| error.to_string())?;
    Ok(json!({"delayMs": policy.delay_ns(number, MIDDLE) / 1_000_000}))
}

pub(super) fn classify_exit_code(given: &Value) -> Found {
    let code = given["exitCode"].as_i64().ok_or("expected `exitCode`, found none")?;
    Ok(json!({"exitClass": classify(code).word()}))
}

pub(super) fn is_retryable_exit_class(given: &Value) -> Found {
    let class = given["exitClass"].as_str().and_then(ExitClass::from_word).ok_or("there is no such exit class")?;
    Ok(json!({"retryable": class.is_retryable()}))
}

pub(super) fn resolve_retry_policy(given: &Value) -> Found {
    let own = policy(&given["stepRetry"])?.or(policy(&given["retry"])?);
    let story = policy(&given["storyStepRetryPolicy"])?;
    let defaults = &given["controllerDefaults"]["maxRetries"];
    let most = defaults.as_u64().and_then(|number| u32::try_from(number).ok());
    let defaults = Policy { max_retries: most.unwrap_or(DEFAULT.max_retries), ..DEFAULT };
    let resolved = chosen(own.as_ref(), story.as_ref()).cloned().unwrap_or_default().resolve(defaults);
    Ok(json!({
        "maxRetries": resolved.max_retries,
        "delayMs": resolved.delay_ns / 1_000_000,
        "jitter": resolved.jitter,
        "backoff": resolved.backoff.word(),
    }))
}

pub(super) fn resolve_step_retry_policy_raw(given: &Value) -> Found {
    let (own, story) = (policy(&given["stepRetry"])?, policy(&given["storyStepRetryPolicy"])?);
    let policy = chosen(own.as_ref(), story.as_ref()).map(|given| {
        json!({
            "maxRetries": given.max_retries,
            "delay": given.delay,
            "maxDelay": given.max_delay,
            "jitter": given.jitter,
            "backoff": given.backoff.map(Backoff::word),
        })
    });
    Ok(json!({"policy": policy}))
}

pub(super) fn build_run_error(given: &Value, when: &Value) -> Found {
    let mut failed_steps = Vec::new();
    for name in texts(&given["failedSteps"]) {
        let state = &given["stepStates"][name];
        let message = state["message"].as_str().map(str::to_owned);
        failed_steps.push(FailedStep { name: name.to_owned(), phase: phase(&state["phase"])?, message });
    }
    let text = |name: &str| when[name].as_str().unwrap_or_default().to_owned();
    let error = RunError { kind: text("reason"), message: text("message"), failed_steps }.to_json();
    let failed = list(&error["failedSteps"]);
    let names: Vec<&Value> = failed.iter().map(|step| &step["name"]).collect();
    Ok(json!({
        "error": error,
        "errorType": error["type"],
        "failedSteps": failed,
        "failedStepNames": names,
    }))
}

pub(super) fn build_step_error(given: &Value) -> Found {
    let phase = phase(&given["phase"])?.unwrap_or(Phase::Failed);
    let phase = if given["timedOut"] == true { Phase::Timeout } else { phase };
    let class = given["exitClass"].as_str().and_then(ExitClass::from_word);
    let error = match &given["cause"] {
        Value::Object(members) => {
            let mut members = members.clone();
            members.entry("version").or_insert("v1".into());
            Some(StepError::read(&Value::Object(members))?)
        }
        cause => StepError::of_attempt(phase, cause.as_str(), given["exitCode"].as_i64(), class),
    };
    let class = error.as_ref().and_then(StepError::claimed_class).or(class);
    let message = error.as_ref().map(|error| error.message.clone());
    let error = error.map(|error| error.to_json());
    Ok(json!({"error": error, "exitClass": class.map(ExitClass::word), "lastFailureMsg": message}))
}

pub(super) fn validate_status_error(given: &Value) -> Value {
    let read = StepError::read(&given["error"]);
    json!({"accepted": read.is_ok(), "error": read.err()})
}

pub(super) fn validate_definition(given: &Value) -> Value {
    let read = Definition::read(given, "/story").map_err(|error| error.to_string());
    let checked = read.and_then(|story| check(&story));
    json!({"accepted": checked.is_ok(), "error": checked.err()})
}
