//! Whether a plan is the one that a run was created with.
//!
//! A run's manifest identifies the plan by the digest of its content, with its schema files and without the values of secrets.
//! The plan's comments, the order of its keys and its place on the disk do not count. Runs that were created without such a
//! digest are compared by what the log holds of the configuration.
//!
//! Invariant: if the plan differs, every difference that can be seen from the log is named.

use super::{Retry, hex};
use crate::plan::{Input, Plan, Stage};
use crate::schema::Texts;
use crate::secrets::Secrets;
use evlog_lifecycle::pipeline::State;
use evlog_projection::canonical;
use serde_json::{Map, Value, json};

/// The place where the manifest's `extensions` have the plan.
const PLACE: [&str; 2] = ["orchestrator", "plan"];
/// The member beside it for the run that is retried.
const RETRY: &str = "retry";

/// The members of the manifest that a run of this plan is created with.
pub(super) fn manifest(plan: &Plan, retry: Option<&Retry>, secrets: &Secrets) -> Value {
    let mut manifest = Value::Object(plan.manifest.clone());
    let whole = plan_digest(plan, secrets);
    let stages = plan.enabled().map(|stage| (stage.id.clone(), start_digest(stage, secrets).into()));
    let stages: Map<String, Value> = stages.collect();
    let orchestrator = &mut manifest["extensions"][PLACE[0]];
    orchestrator[PLACE[1]] = json!({"name": plan.name, "blake3": whole, "stages": stages});
    if let Some(Retry { of, from }) = retry {
        orchestrator[RETRY] = json!({"of": of});
        if let Some(from) = from {
            orchestrator[RETRY]["from"] = from.as_str().into();
        }
    }
    manifest
}

/// BLAKE3 of what the plan says, without the values of secrets: a short value could be found from the digest by trying.
pub(super) fn plan_digest(plan: &Plan, secrets: &Secrets) -> String {
    let mut said = secrets.mask_value(&plan.said);
    for (pointer, texts) in &plan.read {
        if texts.0.iter().any(|text| secrets.are_in(text.as_bytes())) {
            let masked = Texts(texts.0.iter().map(|text| secrets.mask(text).into_owned()).collect());
            let digest = hex(masked.digest());
            said.pointer_mut(pointer).into_iter().for_each(|place| *place = digest.as_str().into());
        }
    }
    hex(*blake3::hash(&canonical(&said)).as_bytes())
}

/// BLAKE3 of what starts a stage, also without the values of secrets: its command, its environment as the plan gives it, and
/// its inputs as the plan declares them. Requirements on its files are not included: the publish gate checks them again.
pub(super) fn start_digest(stage: &Stage, secrets: &Secrets) -> String {
    let input = |input: &Input| {
        let path = format!("{}{}", input.above, input.glob.as_str());
        json!({"path": path, "glob": !input.glob.is_literal(), "from": input.from.word(), "required": input.required})
    };
    let whole = json!({
        "command": stage.command,
        "env": stage.environment,
        "inherit_environment": stage.inherited,
        "inputs": stage.inputs.iter().map(input).collect::<Vec<Value>>(),
    });
    hex(*blake3::hash(&canonical(&secrets.mask_value(&whole))).as_bytes())
}

/// What the run's manifest says of the plan that it was created with.
pub(super) fn pinned(state: &State) -> Option<&Value> {
    state.manifest_members().get("extensions")?.get(PLACE[0])?.get(PLACE[1])
}

/// The run that it retries, according to its manifest.
pub(super) fn retry(state: &State) -> Option<Retry> {
    let of = state.retry_of()?.to_owned();
    let from = state.manifest_members().get("extensions")?.get(PLACE[0])?.get(RETRY)?.get("from");
    Some(Retry { of, from: from.and_then(Value::as_str).map(str::to_owned) })
}

/// The differences between the plan and what the run was created with; empty if there are none.
pub(super) fn differences(plan: &Plan, state: &State, secrets: &Secrets) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, expected: &dyn std::fmt::Display, given: &dyn std::fmt::Display| {
        if expected.to_string() != given.to_string() {
            found.push(format!("{what}: expected {expected}, found {given}"));
        }
    };
    let (recorded, pinned) = (state.manifest_members(), pinned(state));
    if let Some(name) = pinned.and_then(|plan| plan["name"].as_str()) {
        differ("name", &name, &plan.name);
    }
    let definition = state.definition();
    differ("pipeline", &definition.name(), &plan.definition.name());
    if definition.name() == plan.definition.name() {
        let [expected, given] = [definition, &*plan.definition].map(|one| hex(one.digest()));
        differ("stages and reason codes of the pipeline, by digest", &expected, &given);
    }
    for (id, enabled, fail_mode) in state.configured() {
        let given = plan.stage(id);
        let is = |enabled: bool| if enabled { "enabled" } else { "disabled" };
        differ(&format!("stage `{id}`"), &is(enabled), &is(given.is_some_and(|stage| stage.enabled)));
        if let Some(given) = given.filter(|given| given.enabled && enabled) {
            differ(&format!("fail_mode of stage `{id}`"), &fail_mode.word(), &given.fail_mode.word());
        }
    }
    differ("emit_health", &state.emits_health(), &plan.emit_health);
    let [expected, given] = [recorded, &plan.manifest].map(members);
    differ("manifest", &Value::Object(expected), &Value::Object(given));
    if let Some(expected) = pinned.and_then(|plan| plan["blake3"].as_str()).filter(|_| found.is_empty()) {
        let given = plan_digest(plan, secrets);
        if expected != given {
            let what = "commands, outputs, limits or schemas, by digest of the plan";
            found.push(format!("{what}: expected {expected}, found {given}"));
        }
    }
    found
}

/// The members of a manifest that a plan gives, without the plan's own digests and the run that is retried.
fn members(manifest: &Map<String, Value>) -> Map<String, Value> {
    let mut members = manifest.clone();
    let Some(Value::Object(extensions)) = members.get_mut("extensions") else { return members };
    if let Some(Value::Object(orchestrator)) = extensions.get_mut(PLACE[0]) {
        orchestrator.remove(PLACE[1]);
        orchestrator.remove(RETRY);
    }
    // Removes members that were made only to hold them.
    let empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
    extensions.retain(|name, value| name != PLACE[0] || !empty(value));
    if extensions.is_empty() {
        members.remove("extensions");
    }
    members
}
