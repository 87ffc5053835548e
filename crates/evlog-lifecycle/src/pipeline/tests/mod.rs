//! The contract's rules. Each is tested with what it accepts and what it refuses. The rule numbers come from
//! `docs/lifecycle/pipeline.md`. Outcomes are spelled `stage S/fc/code` (success, failed, skipped; `fail_closed`,
//! `warn_and_skip`; `-` for no code).

mod blocked;
mod catalogue;
mod commands;
mod document;
mod inputs;
mod order;
mod payloads;
mod process;
mod projection;
mod promotion;
mod property;
mod reconcile;
mod replay;
mod retry;
mod status;
mod tuple;

use super::outcome::{FailMode, Outcome, StageStatus};
use super::{Pipeline, purple_axiom};
use crate::testing::{Answered, Harness, addressed};
use evlog_projection::Outcome as Word;
use serde_json::{Value, json};

pub(super) const RUN: &str = "11111111-1111-4111-8111-111111111111";

/// One run and its events.
#[derive(Clone)]
pub(super) struct Play {
    pub(super) harness: Harness<Pipeline>,
}

/// Reads `stage S/fc/code`.
pub(super) fn tuple(text: &str) -> Outcome {
    let (stage, rest) = text.split_once(' ').expect("a stage");
    let parts: Vec<&str> = rest.split('/').collect();
    let status = match parts[0] {
        "S" => StageStatus::Success,
        "F" => StageStatus::Failed,
        "K" => StageStatus::Skipped,
        other => panic!("no status {other}"),
    };
    let fail_mode = match parts[1] {
        "fc" => FailMode::FailClosed,
        "ws" => FailMode::WarnAndSkip,
        other => panic!("no fail mode {other}"),
    };
    Outcome { stage: stage.into(), status, fail_mode, reason_code: Some(parts[2].into()).filter(|code| code != "-") }
}

/// Spells an outcome of a projected file.
pub(super) fn spelled(outcome: &Value) -> String {
    let status = match outcome["status"].as_str() {
        Some("success") => "S",
        Some("failed") => "F",
        Some("skipped") => "K",
        other => panic!("no status {other:?}"),
    };
    let mode = if outcome["fail_mode"] == "fail_closed" { "fc" } else { "ws" };
    let code = outcome["reason_code"].as_str().unwrap_or("-");
    format!("{} {status}/{mode}/{code}", outcome["stage"].as_str().expect("a stage"))
}

impl Play {
    /// A run of the built-in pipeline, as its tables say.
    pub(super) fn purple() -> Play {
        Play::create(json!({"pipeline": "purple-axiom"}))
    }

    /// A run of this pipeline in which only these stages are enabled.
    pub(super) fn only(stages: &[&str]) -> Play {
        let each = |id: &str| (id.to_owned(), json!({"enabled": stages.contains(&id)}));
        let given: serde_json::Map<String, Value> =
            purple_axiom().stages().iter().map(|stage| each(&stage.id)).collect();
        Play::create(json!({"pipeline": "purple-axiom", "stages": given}))
    }

    pub(super) fn create(members: Value) -> Play {
        let mut play = Play { harness: Harness::new(Pipeline::default()) };
        play.accept("create", members);
        play
    }

    /// Plays one command of the run.
    pub(super) fn command(&mut self, action: &str, members: Value) -> Answered {
        self.harness.play(addressed(RUN, action, members)).expect("well-formed")
    }

    pub(super) fn accept(&mut self, action: &str, members: Value) -> Answered {
        self.harness.accept(addressed(RUN, action, members))
    }

    /// Plays a command that must be refused with this code. The refusal must be recorded, and nothing else may change.
    pub(super) fn refuse(&mut self, code: &str, action: &str, members: Value) {
        let shown = format!("{action} {members}");
        let before = self.files();
        let answered = self.command(action, members);
        assert_eq!((answered.outcome, answered.code()), (Word::Refused, code), "{shown}: {:?}", answered.error);
        assert_eq!(answered.kinds, ["pipeline.refused"], "{shown}");
        assert!(before == self.files(), "a refused command changed a file: {shown}");
    }

    /// Plays an outcome that must be accepted.
    pub(super) fn take(&mut self, text: &str) -> Answered {
        let members = tuple(text).to_value();
        self.accept("outcome", members)
    }

    pub(super) fn take_all(&mut self, texts: &[&str]) {
        for text in texts {
            self.take(text);
        }
    }

    /// Plays an outcome that must be refused.
    pub(super) fn reject(&mut self, code: &str, text: &str) {
        let members = tuple(text).to_value();
        self.refuse(code, "outcome", members);
    }

    pub(super) fn begin(&mut self, stage: &str) {
        self.accept("begin", json!({"stage": stage}));
    }

    pub(super) fn finalize(&mut self) -> Answered {
        self.accept("finalize", json!({}))
    }

    /// The outcomes of `manifest.json`, spelled.
    pub(super) fn outcomes(&self) -> Vec<String> {
        let manifest = self.harness.json(RUN, "manifest.json");
        manifest["stage_outcomes"].as_array().map_or(Vec::new(), |list| list.iter().map(spelled).collect())
    }

    /// Every projected file except the audit.
    pub(super) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let bundle = self.harness.bundle(RUN).expect("the run folds");
        let files = bundle.files.into_values().filter(|file| file.path != "audit_events.jsonl");
        files.map(|file| (file.path, file.bytes)).collect()
    }
}

/// All nine stages as successes, except those given, which replace them. Signing is left out unless given.
pub(super) fn all_success_but(given: &[&str]) -> Vec<String> {
    let own = |stage: &str| given.iter().find(|text| tuple(text).stage == stage).map(|text| (*text).to_owned());
    let definition = purple_axiom();
    let stages = definition.stages().iter();
    let mut list: Vec<String> = stages
        .filter_map(|stage| own(&stage.id).or_else(|| (stage.id != "signing").then(|| format!("{} S/fc/-", stage.id))))
        .collect();
    list.extend(given.iter().filter(|text| tuple(text).stage.contains('.')).map(|text| (*text).to_owned()));
    list
}
