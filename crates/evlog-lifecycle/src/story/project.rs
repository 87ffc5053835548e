//! The files of a run's bundle, as functions of its state: `status.json`, `run.json`, `manifest.json`,
//! `logs/health.json`.
//!
//! All four are RFC 8785 text without a newline at the end. `status.json` depends on the run alone; a rejection does not change
//! a byte of it. The health file is a mirror: each of its members is in `run.json` too, with the same value.

use super::state::State;
use super::status::{carried, standing, status};
use crate::members::object;
use crate::projected::{duration_ms, file, mirrored};
use evlog_projection::time::to_rfc3339;
use evlog_projection::{File, Projection, RunHead};
use serde_json::{Map, Value, json};

const STATUS: Projection = Projection::new("story.status", 1);
const MANIFEST: Projection = Projection::new("story.manifest", 1);
const HEALTH: Projection = Projection::new("story.health", 1);
const RUN: Projection = Projection::new("story.run", 1);
/// All projections.
pub(super) const PROJECTIONS: [Projection; 4] = [STATUS, MANIFEST, HEALTH, RUN];

/// The bundle's files.
pub(super) fn project(state: &State, head: &RunHead<'_>) -> Vec<File> {
    let run = run(state, head);
    let health = health(&run);
    vec![
        file("status.json", STATUS, &status(state)),
        file("manifest.json", MANIFEST, &Value::Object(manifest(state, head))),
        file("logs/health.json", HEALTH, &Value::Object(health)),
        file("run.json", RUN, &Value::Object(run)),
    ]
}

fn times(state: &State) -> Map<String, Value> {
    let run = state.run();
    object(json!({
        "created_at_utc": to_rfc3339(state.origin.time_ns),
        "started_at_utc": run.started_ns.map(to_rfc3339),
        "completed_at_utc": run.finished_ns.map(to_rfc3339),
        "duration_ms": duration_ms(run.started_ns, run.finished_ns),
    }))
}

/// `run.json`, projection `story.run` version 1.
fn run(state: &State, head: &RunHead<'_>) -> Map<String, Value> {
    let counts = state.counts();
    let mut run = object(json!({
        "contract": "story",
        "run_id": head.run,
        "mode": state.mode().word(),
        "story": state.story().name,
        "error": state.run().error.as_ref().map(|error| error.to_json()),
        "allowed_failures": state.allowed_failures(),
        "updated_at_utc": to_rfc3339(head.last_time_ns),
        "events": head.events,
        "first_seq": head.first_seq.0,
        "last_seq": head.last_seq.0,
        "moves": counts.moves,
        "step_moves": counts.step_moves,
        "rejections": counts.rejections,
        "redrives": counts.redrives,
    }));
    run.extend(standing(state));
    run.extend(times(state));
    run
}

/// `logs/health.json`, projection `story.health` version 1.
fn health(run: &Map<String, Value>) -> Map<String, Value> {
    const MIRRORED: [&str; 15] = [
        "contract",
        "run_id",
        "status",
        "reason",
        "terminal",
        "stage",
        "epoch",
        "attempts",
        "steps_total",
        "steps_done",
        "rejections",
        "cancel_requested",
        "next_due_utc",
        "updated_at_utc",
        "last_seq",
    ];
    mirrored(run, &MIRRORED)
}

/// `manifest.json`, projection `story.manifest` version 1: what was to be done, and the result.
fn manifest(state: &State, head: &RunHead<'_>) -> Map<String, Value> {
    let (run, origin) = (state.run(), &state.origin);
    let ended = state.is_terminal();
    let outcomes: Vec<Value> = state
        .story()
        .steps
        .iter()
        .zip(state.steps().iter())
        .enumerate()
        .map(|(number, (definition, step))| {
            let mut outcome = json!({
                "name": definition.name,
                "group": state.story().group_of(number).member(),
                "phase": step.phase.map(super::Phase::word),
                "reason": step.phase.map(|_| step.reason.as_ref()),
                "retries": step.retries,
                "allow_failure": definition.allow_failure,
            });
            if let Some(parent) = definition.parent {
                outcome["branch_of"] = state.story().steps[parent as usize].name.as_str().into();
            }
            outcome
        })
        .collect();
    let mut manifest = object(json!({
        "run_id": head.run,
        "mode": state.mode().word(),
        "story": carried(Some(&origin.text)),
        "story_blake3": blake3::hash(origin.text.as_bytes()).to_hex().to_string(),
        "inputs": carried(origin.inputs_text.as_deref()),
        "impulse": origin.impulse,
        "created_by": origin.actor,
        "epoch": run.epoch,
        "attempts": run.attempts,
        "outcome": run.phase.filter(|_| ended).map(super::Phase::word),
        "reason": if ended { Some(run.reason.as_ref()) } else { None },
        "error": run.error.as_ref().map(|error| error.to_json()),
        "output": carried(run.output.as_deref()),
        "allowed_failures": state.allowed_failures(),
        "steps": outcomes,
    }));
    manifest.extend(times(state));
    manifest
}
