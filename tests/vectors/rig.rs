//! A run in memory, in the state that a case gives. It is made of events, as a log would hold them, and takes commands.

use super::values::phase;
use evlog_format::{CommitHead, Durability, Event, Kind, KindBuf, PLAIN, Seq, kind, payload};
use evlog_lifecycle::story::duration;
use evlog_lifecycle::story::payload::{
    CancelMode, CancelRequested, Created, Mode, MoveCause, Moved, StepCause, StepMoved,
};
use evlog_lifecycle::story::{Phase, State, Story};
use evlog_projection::time::to_rfc3339;
use evlog_projection::{Asked, Content, Contract, Decision, Fact, Outcome, RunHead};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The instant that cases call `T`: 2026-02-23T18:00:00Z.
pub(super) const NOW_NS: i128 = 1_771_869_600_000_000_000;

/// A time that a case writes as `T`, `T-2s` or `T+10s`.
pub(super) fn instant(value: &Value) -> Option<i128> {
    let rest = value.as_str()?.strip_prefix('T')?;
    let offset = if rest.is_empty() { Some(0) } else { duration::parse(rest) };
    Some(duration::after(NOW_NS, offset?))
}

/// A time as `status.json` writes it.
pub(super) fn written(time_ns: i128) -> Value {
    let text = to_rfc3339(time_ns);
    format!("{}Z", text.split('.').next().unwrap_or_default()).into()
}

/// The times that a case expects, as they are written.
pub(super) fn with_times(value: &Value) -> Value {
    match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), with_times(value))).collect(),
        other => instant(other).map_or_else(|| other.clone(), written),
    }
}

/// A run.
pub(super) struct Rig {
    contract: Story,
    pub(super) state: State,
    /// The run that a command may look at.
    pub(super) related: Option<State>,
    seq: u64,
}

/// The result of a command.
pub(super) struct Played {
    pub(super) decision: Decision,
    /// Phases of steps that it led to: name, phase, cause.
    pub(super) moved: Vec<(String, Phase, StepCause)>,
}

impl Played {
    pub(super) fn is_accepted(&self) -> bool {
        self.decision.outcome == Outcome::Accepted
    }

    /// The error as cases call it.
    pub(super) fn error(&self) -> Option<&'static str> {
        let error = self.decision.error.as_ref()?;
        Some(match error.code.as_str() {
            "RUN_NOT_FOUND" => "ErrNotFound",
            "STALE_WORKER" => "ErrStaleWorker",
            _ => "ErrInvalidTransition",
        })
    }
}

fn event<'a>(number: u64, kind: Kind<'a>, payload: &'a [u8]) -> Event<'a> {
    Event { stream: "run", number, kind, kind_version: 1, causation: None, protection: PLAIN, payload }
}

fn head(seq: u64, time_ns: i128) -> CommitHead<'static> {
    CommitHead { occurred_ns: Some(time_ns), ..CommitHead::new(Seq(seq), 0, Durability::Sync, "vectors") }
}

fn encoded<T: Serialize>(table: &T) -> Result<Vec<u8>, String> {
    payload::encode(table).map_err(|error| error.to_string())
}

impl Rig {
    /// A run of the story, in phase `Pending`, created a day before `T`.
    pub(super) fn new(mode: Mode, story: &Value, inputs: &Value) -> Result<Rig, String> {
        let contract = Story::with_schemas(evlog_pipeline::check_schema);
        let inputs = if inputs.is_object() { Some(inputs.to_string()) } else { None };
        let created = Created { story: story.to_string(), inputs, mode, impulse: None };
        let payload = encoded(&created)?;
        let time_ns = NOW_NS - 24 * 3_600_000_000_000;
        let begun = Fact { seq: Seq(0), head: head(0, time_ns), event: event(0, kind::STORY_CREATED, &payload) };
        let state = contract.start(&begun).map_err(|error| error.message)?;
        Ok(Rig { contract, state, related: None, seq: 1 })
    }

    /// Adds an event to the run's history.
    fn put<T: Serialize>(&mut self, time_ns: i128, kind: Kind<'static>, table: &T) -> Result<(), String> {
        let payload = encoded(table)?;
        self.fold(time_ns, &kind.into(), &payload)
    }

    fn fold(&mut self, time_ns: i128, kind: &KindBuf, payload: &[u8]) -> Result<(), String> {
        let (head, event) = (head(self.seq, time_ns), event(self.seq, kind.as_kind(), payload));
        let fact = Fact { seq: Seq(self.seq), head, event };
        self.contract.evolve(&mut self.state, &fact).map_err(|error| error.message)?;
        self.seq += 1;
        Ok(())
    }

    /// Gives the run a phase, through `Running` where the way leads there.
    pub(super) fn put_run(&mut self, time_ns: i128, to: &Value, message: &Value) -> Result<(), String> {
        let Some(to) = phase(to)? else { return Ok(()) };
        if self.state.phase() == Some(to) {
            return Ok(());
        }
        if to != Phase::Running {
            self.put_run(time_ns, &"Running".into(), &Value::Null)?;
        }
        let moved = Moved::new(self.state.phase(), to, MoveCause::Requested);
        let message = message.as_str().map(str::to_owned);
        self.put(time_ns, kind::STORY_MOVED, &Moved { message, ..moved })
    }

    /// Gives a step a phase; `change` says the rest.
    pub(super) fn put_step(
        &mut self,
        time_ns: i128,
        name: &str,
        to: &Value,
        change: impl FnOnce(&mut StepMoved),
    ) -> Result<(), String> {
        let Some(to) = phase(to)? else { return Ok(()) };
        let mut moved = StepMoved::new(name, None, to, StepCause::Reported);
        change(&mut moved);
        self.put(time_ns, kind::STORY_STEP_MOVED, &moved)
    }

    /// Gives the steps of a run the states of a case, as they were at `T` unless they say when.
    pub(super) fn put_states(&mut self, states: &Value) -> Result<(), String> {
        for (name, state) in states.as_object().into_iter().flatten() {
            if self.state.story().number(name).is_some() {
                let time_ns = instant(&state["startedAt"]).unwrap_or(NOW_NS);
                let message = state["message"].as_str().map(str::to_owned);
                let child = state["subStoryRunName"].as_str().map(str::to_owned);
                let said = |moved: &mut StepMoved| (moved.message, moved.child) = (message, child);
                self.put_step(time_ns, name, &state["phase"], said)?;
            }
        }
        Ok(())
    }

    /// The request to cancel, as it was observed.
    pub(super) fn put_cancel(&mut self, time_ns: i128, drain_ns: i64) -> Result<(), String> {
        let request =
            CancelRequested { how: CancelMode::Drain, deadline_ns: duration::after(time_ns, drain_ns), message: None };
        self.put(time_ns, kind::STORY_CANCEL_REQUESTED, &request)
    }

    /// What else a run has that goes on: an error, an output.
    pub(super) fn put_running_with(&mut self, time_ns: i128, given: &Value) -> Result<(), String> {
        let moved = Moved::new(self.state.phase(), Phase::Running, MoveCause::Requested);
        let output = (!given["output"].is_null()).then(|| given["output"].to_string());
        let message = given["message"].as_str().map(str::to_owned);
        self.put(time_ns, kind::STORY_MOVED, &Moved { message, output, ..moved })
    }

    /// Asks the run, and moves it on by what is decided.
    pub(super) fn play(&mut self, time_ns: i128, action: &str, members: Value) -> Result<Played, String> {
        let members = match members {
            Value::Object(members) => members.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => Map::new(),
        };
        let command = self.contract.parse(action, members).map_err(|error| error.to_string())?;
        let content = Content(&|| [0; 32]);
        let (state, related) = (Some(&self.state), self.related.as_ref());
        let asked = Asked { run: "run", state, related, time_ns, actor: "vectors", content };
        let decision = self.contract.decide(&asked, &command);
        let mut moved = Vec::new();
        for new in &decision.events {
            self.fold(time_ns, &new.kind, &new.payload)?;
            if new.kind.as_kind() == kind::STORY_STEP_MOVED {
                let event: StepMoved = payload::decode(&new.payload).map_err(|error| error.to_string())?;
                moved.push((event.step, event.to, event.cause));
            }
        }
        Ok(Played { decision, moved })
    }

    /// `status.json`, with the reason of its conditions beside it.
    pub(super) fn status(&self) -> Result<Value, String> {
        let head = RunHead {
            run: "run",
            events: self.seq,
            first_seq: Seq(0),
            last_seq: Seq(self.seq - 1),
            last_time_ns: NOW_NS,
        };
        let files = self.contract.project(&self.state, &head).map_err(|error| error.message)?;
        let file = files.iter().find(|file| file.path == "status.json").ok_or("there is no status.json")?;
        let mut status: Value = serde_json::from_slice(&file.bytes).map_err(|error| error.to_string())?;
        status["reason"] = status["conditions"][0]["reason"].clone();
        Ok(status)
    }

    /// The names of steps that have a state.
    pub(super) fn names(&self) -> Result<Value, String> {
        let status = self.status()?;
        let names = status["stepStates"].as_object().map(|states| states.keys().cloned().collect::<Vec<_>>());
        Ok(json!(names.unwrap_or_default()))
    }
}
