//! Tests of contract `story`, by what they prove.

mod answers;
mod cells;
mod children;
mod conditions;
mod definitions;
mod documentation;
mod endings;
mod ends;
mod expressions;
mod golden;
mod holds;
mod observed;
mod parallel;
mod payloads;
mod property;
mod redrives;
mod replay;
mod retries;
mod scheduling;
mod schemas;
mod values;

use super::schema::Checked;
use super::{Phase, Story};
use crate::testing::{Answered, Harness};
use evlog_projection::Outcome;
use serde_json::{Value, json};

/// The run that most tests play with.
const RUN: &str = "s-1";

/// A checker that knows `type`, `required` and `properties`, which is enough for these tests.
fn check(schema: &Value, instance: &Value) -> Checked {
    if schema == &json!("unusable") {
        return Checked::Unusable("it is text".to_owned());
    }
    let has_type = match schema["type"].as_str() {
        Some("object") => instance.is_object(),
        Some("string") => instance.is_string(),
        _ => true,
    };
    if !has_type {
        return Checked::Invalid(format!("expected {} in schema", schema["type"]));
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.into_iter().find(|name| instance.get(name).is_none()) {
        return Checked::Invalid(format!("expected `{missing}` in schema"));
    }
    let properties = schema["properties"].as_object().into_iter().flatten();
    let checked = properties.filter_map(|(name, schema)| Some(check(schema, instance.get(name)?)));
    checked.into_iter().find(|checked| *checked != Checked::Valid).unwrap_or(Checked::Valid)
}

fn harness() -> Harness<Story> {
    Harness::new(Story::with_schemas(check))
}

/// A log in which the run exists.
fn created(story: Value) -> Harness<Story> {
    let mut harness = harness();
    let mut create = json!({"run": RUN, "do": "create"});
    create["story"] = story;
    harness.accept(create);
    harness
}

/// A log in which the run has started.
fn started(story: Value) -> Harness<Story> {
    let mut harness = created(story);
    harness.accept(json!({"run": RUN, "do": "start"}));
    harness
}

/// A log in which a controller reports the run.
fn watched(story: Value) -> Harness<Story> {
    let mut harness = harness();
    let mut create = json!({"run": RUN, "do": "create", "mode": "observed"});
    create["story"] = story;
    harness.accept(create);
    harness
}

/// Steps without anything but a name, that are not tried again.
fn plain(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"name": name, "execution": {"retry": {"maxRetries": 0}}})).collect()
}

/// A command to the run.
fn command(action: &str, members: Value) -> Value {
    let mut command = members;
    command["run"] = RUN.into();
    command["do"] = action.into();
    command
}

fn play(harness: &mut Harness<Story>, action: &str, members: Value) -> Answered {
    let command = command(action, members);
    let shown = command.to_string();
    harness.play(command).unwrap_or_else(|malformed| panic!("{shown}: {malformed}"))
}

fn accept(harness: &mut Harness<Story>, action: &str, members: Value) -> Answered {
    harness.accept(command(action, members))
}

/// Plays a command that breaks the contract: it must be recorded, and nothing else may change.
fn reject(harness: &mut Harness<Story>, action: &str, members: Value, code: &str) {
    let shown = members.to_string();
    let before = (status_bytes(harness), harness.log.len());
    let answered = play(harness, action, members);
    assert_eq!((answered.outcome, answered.code()), (Outcome::Rejected, code), "{shown}: {:?}", answered.error);
    assert_eq!(answered.kinds, ["story.rejected"], "{shown}");
    assert_eq!((status_bytes(harness), harness.log.len()), (before.0, before.1 + 1), "{shown}");
}

/// Plays a command that must be refused: nothing may be recorded.
fn refuse(harness: &mut Harness<Story>, action: &str, members: Value, code: &str) {
    let before = harness.log.len();
    let answered = play(harness, action, members);
    assert_eq!((answered.outcome, answered.code()), (Outcome::Refused, code), "{:?}", answered.error);
    assert_eq!(harness.log.len(), before);
}

fn status_bytes(harness: &Harness<Story>) -> Vec<u8> {
    harness.bundle(RUN).expect("the run folds").files["status.json"].bytes.clone()
}

fn status(harness: &Harness<Story>) -> Value {
    harness.json(RUN, "status.json")
}

/// The phase of a step; null when it has none.
fn phase(harness: &Harness<Story>, step: &str) -> Value {
    status(harness)["stepStates"][step]["phase"].clone()
}

/// Phase and reason of the run.
fn run_phase(harness: &Harness<Story>) -> (String, String) {
    let status = status(harness);
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (word(&status["phase"]), word(&status["conditions"][0]["reason"]))
}

/// An attempt of the step ends with an exit code.
fn exit(harness: &mut Harness<Story>, step: &str, code: i64) -> Answered {
    accept(harness, "step", json!({"step": step, "exit_code": code}))
}

/// Moves the clock of the next command.
fn wait(harness: &mut Harness<Story>, seconds: i128) {
    harness.time_ns += seconds * 1_000_000_000;
}
