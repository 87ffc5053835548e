//! The contract's rules. Each is tested with what it accepts and what it refuses. The rule numbers come from
//! `docs/lifecycle/machine.md`.

mod commands;
mod order;
mod property;
mod replay;
mod walks;

use super::{Definition, Lifecycle};
use crate::form;
use crate::testing::{Answered, Harness, addressed};
use evlog_projection::Outcome;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) const RUN: &str = "o-7";

/// The examples that users are shown.
pub(super) const ORDER: &str = include_str!("../../../../../docs/examples/contracts/order.toml");
pub(super) const DEPLOYMENT: &str = include_str!("../../../../../docs/examples/contracts/deployment.toml");

pub(super) fn definition(text: &str) -> Arc<Definition> {
    match form::Definition::parse(text) {
        Ok(form::Definition::Lifecycle(definition)) => definition,
        other => panic!("{other:?}"),
    }
}

/// One run and its events.
#[derive(Clone)]
pub(super) struct Play {
    pub(super) harness: Harness<Lifecycle>,
}

impl Play {
    /// A run of the lifecycle of this file.
    pub(super) fn of(text: &str) -> Play {
        Play::with(definition(text))
    }

    pub(super) fn with(definition: Arc<Definition>) -> Play {
        let name = definition.name().to_owned();
        let mut play = Play { harness: Harness::new(Lifecycle::default().knowing(definition)) };
        play.accept("create", json!({"machine": name, "data": all_data()}));
        play
    }

    pub(super) fn command(&mut self, action: &str, members: Value) -> Answered {
        self.harness.play(addressed(RUN, action, members)).expect("well-formed")
    }

    pub(super) fn accept(&mut self, action: &str, members: Value) -> Answered {
        self.harness.accept(addressed(RUN, action, members))
    }

    /// Asks for a transition with everything that any status could require.
    pub(super) fn go(&mut self, to: &str) -> Answered {
        let mut members = json!({"to": to, "data": all_data()});
        let state = &self.harness.states[RUN];
        let definition = state.definition();
        if let Some(code) = definition.find(to).and_then(|id| definition.status(id).reason_codes.keys().next()) {
            members["reason_code"] = code.as_str().into();
        }
        self.command("transition", members)
    }

    pub(super) fn went(&mut self, to: &str) {
        let answered = self.go(to);
        assert_eq!(answered.outcome, Outcome::Accepted, "{to}: {:?}", answered.error);
        assert_eq!(answered.kinds, ["machine.transitioned"]);
        assert_eq!(self.status(), to);
    }

    pub(super) fn refuse(&mut self, code: &str, action: &str, members: Value) {
        let shown = format!("{action} {members}");
        let before = self.status();
        let answered = self.command(action, members);
        assert_eq!((answered.outcome, answered.code()), (Outcome::Refused, code), "{shown}: {:?}", answered.error);
        assert_eq!((answered.kinds.as_slice(), self.status()), (["machine.refused".to_owned()].as_slice(), before));
    }

    pub(super) fn status(&self) -> String {
        self.harness.status(RUN).expect("the run is there")
    }
}

/// All members that the lifecycles here require.
pub(super) fn all_data() -> Value {
    json!({
        "customer": "c-12", "amount_cents": 4200, "carrier": "sea", "approver": "ada", "percent": 5,
        "diagnostic": {"error_code": "X"},
    })
}
