//! A contract for tests: a counter that is begun, added to, and ended. Adding more than 100 at once is against its rules.

use crate::clock::StepClock;
use crate::{Answer, Log, LogError, Options, Request, View};
use evlog_format::{Kind, KindBuf, Seq};
use evlog_projection::contract::{Cause, Target};
use evlog_projection::{
    Asked, Contract, ContractError, Contracts, Decision, Fact, File, FoldError, Malformed, NewEvent, Outcome,
    Projection, RunHead, canonical,
};
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

#[derive(Default)]
pub(crate) struct Toy {
    /// From this total on, the projection shows one more than there is: a mistake on purpose.
    pub(crate) mistaken_from: Option<u64>,
    /// Whether its projection is of version 2.
    pub(crate) is_renewed: bool,
}

const RUN: Projection = Projection::new("toy.run", 1);
const RENEWED: Projection = Projection::new("toy.run", 2);

#[derive(Clone)]
pub(crate) struct Count {
    total: u64,
    ended: bool,
}

pub(crate) enum Command {
    Begin,
    Add(u64),
    AddFrom(String),
    End,
    /// Decides an event that the contract itself cannot fold.
    Betray,
    /// Decides an event with this payload, which the contract does not read.
    Note(Vec<u8>),
}

fn event(kind: &str, payload: &Value) -> NewEvent {
    NewEvent {
        target: Target::Run,
        kind: KindBuf::Custom(format!("custom/{kind}")),
        kind_version: 1,
        cause: Cause::Command,
        payload: canonical(payload),
    }
}

impl Contract for Toy {
    type State = Count;
    type Command = Command;

    fn name(&self) -> &'static str {
        "toy"
    }

    fn begins_with(&self, kind: Kind<'_>) -> bool {
        kind == Kind::Custom("custom/begun")
    }

    fn parse(&self, action: &str, members: Map<String, Value>) -> Result<Command, Malformed> {
        let amount = members.get("amount").and_then(Value::as_u64);
        match action {
            "begin" => Ok(Command::Begin),
            "add" => Ok(Command::Add(amount.unwrap_or(1))),
            "add_from" => Ok(Command::AddFrom(members["of"].as_str().unwrap_or_default().to_owned())),
            "end" => Ok(Command::End),
            "betray" => Ok(Command::Betray),
            "note" => Ok(Command::Note(members["text"].as_str().unwrap_or_default().as_bytes().to_vec())),
            other => Err(Malformed { pointer: "/do".to_owned(), message: format!("unknown `{other}`") }),
        }
    }

    fn reads<'a>(&self, command: &'a Command) -> Option<&'a str> {
        match command {
            Command::AddFrom(run) => Some(run),
            _ => None,
        }
    }

    fn decide(&self, asked: &Asked<'_, Count>, command: &Command) -> Decision {
        let amount = match command {
            Command::Begin if asked.state.is_some() => {
                return Decision::refused(Vec::new(), "EXISTS", "the run exists".to_owned());
            }
            Command::Begin => return Decision::accepted(vec![event("begun", &json!({}))]),
            _ if asked.state.is_none() => {
                let lost = NewEvent { target: Target::Log, ..event("lost", &json!({"run": asked.run})) };
                return Decision::rejected(vec![lost], "UNKNOWN", "no such run".to_owned());
            }
            Command::End => return Decision::accepted(vec![event("ended", &json!({}))]),
            Command::Betray => return Decision::accepted(vec![event("nonsense", &json!({}))]),
            Command::Note(text) => {
                return Decision::accepted(vec![NewEvent { payload: text.clone(), ..event("noted", &json!({})) }]);
            }
            Command::Add(amount) => *amount,
            Command::AddFrom(_) => asked.related.map_or(0, |other| other.total),
        };
        if amount > 100 {
            let forced = NewEvent { cause: Cause::Decided(0), ..event("ended", &json!({})) };
            let events = vec![event("rejected", &json!({"amount": amount})), forced];
            return Decision::rejected(events, "TOO_MUCH", format!("expected at most 100, found {amount}"));
        }
        Decision::accepted(vec![event("added", &json!({"amount": amount}))])
    }

    fn start(&self, _fact: &Fact<'_>) -> Result<Count, FoldError> {
        Ok(Count { total: 0, ended: false })
    }

    fn evolve(&self, state: &mut Count, fact: &Fact<'_>) -> Result<(), FoldError> {
        match fact.event.kind {
            Kind::Custom("custom/added") => {
                let payload: Value = serde_json::from_slice(fact.event.payload).unwrap();
                state.total += payload["amount"].as_u64().unwrap();
            }
            Kind::Custom("custom/ended") => state.ended = true,
            Kind::Custom("custom/rejected" | "custom/noted") => {}
            other => return Err(FoldError::new(fact, format!("unknown kind `{other}`"))),
        }
        Ok(())
    }

    fn answer(&self, fact: &Fact<'_>) -> Option<(Outcome, ContractError)> {
        if fact.event.kind == Kind::Custom("custom/lost") {
            let error = ContractError { code: "UNKNOWN".to_owned(), message: "no such run".to_owned() };
            return Some((Outcome::Rejected, error));
        }
        (fact.event.kind == Kind::Custom("custom/rejected")).then(|| {
            let payload: Value = serde_json::from_slice(fact.event.payload).unwrap();
            let message = format!("expected at most 100, found {}", payload["amount"]);
            (Outcome::Rejected, ContractError { code: "TOO_MUCH".to_owned(), message })
        })
    }

    fn status<'a>(&self, state: &'a Count) -> &'a str {
        if state.ended { "ended" } else { "open" }
    }

    fn is_terminal(&self, state: &Count) -> bool {
        state.ended
    }

    fn audit_line(&self, _: Option<&Count>, fact: &Fact<'_>, after: &Count) -> Result<Value, FoldError> {
        Ok(json!({"seq": fact.seq.0, "kind": fact.event.kind.to_string(), "total": after.total}))
    }

    fn projections(&self) -> &'static [Projection] {
        if self.is_renewed { &[RENEWED] } else { &[RUN] }
    }

    fn project(&self, state: &Count, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
        let more = u64::from(self.mistaken_from.is_some_and(|from| state.total >= from));
        let bytes = canonical(&json!({"run_id": head.run, "total": state.total + more, "ended": state.ended}));
        if self.is_renewed {
            let renewed = canonical(&json!({"run_id": head.run, "total": state.total, "open": !state.ended}));
            return Ok(vec![RENEWED.file("run.json", renewed)]);
        }
        Ok(vec![RUN.file("run.json", bytes)])
    }

    fn project_earlier(&self, state: &Count, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
        let first = Toy { is_renewed: false, mistaken_from: self.mistaken_from };
        if self.is_renewed { first.project(state, head) } else { Ok(Vec::new()) }
    }
}

pub(crate) fn contracts() -> Contracts {
    Contracts::new().with(Toy::default())
}

/// A session with a clock that steps a second from the epoch.
pub(crate) fn open(dir: &Path) -> Log {
    options().open(dir, contracts()).unwrap()
}

pub(crate) fn options() -> Options {
    Options { clock: Arc::new(StepClock::new(0, 1_000_000_000)), segment_limit: 4096, ..Options::new("tests 1.0") }
}

pub(crate) fn view(dir: &Path) -> View {
    View::open(dir, contracts()).unwrap()
}

pub(crate) fn line(text: &str) -> Request {
    Request::parse_line(text.as_bytes()).unwrap()
}

/// Submits `{"contract":"toy","run":…,"do":…}` with more members.
pub(crate) fn ask(log: &Log, run: &str, action: &str, members: Value) -> Answer {
    let Value::Object(mut command) = members else { panic!("members are an object") };
    for (key, value) in [("contract", "toy"), ("run", run), ("do", action)] {
        command.insert(key.to_owned(), value.into());
    }
    log.submit(&line(&Value::Object(command).to_string())).unwrap()
}

/// The stream and the kind of every event, in order.
pub(crate) fn kinds(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let visit = &mut |fact: &Fact<'_>| {
        all.push(format!("{} {}", fact.event.stream, fact.event.kind));
        Ok(ControlFlow::Continue(()))
    };
    view(dir).each::<LogError>(Seq(0), visit).unwrap();
    all
}
