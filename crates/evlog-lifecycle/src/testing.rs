//! Plays commands through a contract in memory, as the engine would: parse, decide, assign numbers, fold.
//!
//! This is for tests of contracts. It knows no file, no lock and no durability. Second deliveries (`id`) are answered from the
//! recorded events, as the engine answers them.

pub(crate) mod written;

use evlog_format::{CommitHead, Durability, Event, Idempotency, KindBuf, PLAIN, Seq};
use evlog_projection::contracts::BundleFold;
use evlog_projection::{
    Asked, Bundle, Cause, Content, Contract, ContractError, Contracts, Decision, Fact, FoldError, Malformed, Outcome,
    Target, canonical,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// 2026-02-23T18:00:00Z, the time of the first commit, Unix nanoseconds.
pub(crate) const FIRST_TIME_NS: i128 = 1_771_869_600_000_000_000;
/// Each further commit is one second later.
pub(crate) const STEP_NS: i128 = 1_000_000_000;
/// Who asks, unless the command says.
pub(crate) const ACTOR: &str = "agent:test";
/// The stream of what cannot be bound to a run.
pub(crate) const LOG_STREAM: &str = "$log";

/// A committed event that owns its parts, so that tests can change them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) seq: u64,
    pub(crate) commit: u64,
    pub(crate) time_ns: i128,
    pub(crate) actor: String,
    pub(crate) stream: String,
    pub(crate) number: u64,
    pub(crate) kind: KindBuf,
    pub(crate) kind_version: u16,
    pub(crate) causation: Option<u64>,
    pub(crate) idempotency: Option<(String, [u8; 32])>,
    pub(crate) payload: Vec<u8>,
}

impl Recorded {
    /// The event as contracts see it.
    pub(crate) fn fact(&self) -> Fact<'_> {
        let idempotency = self.idempotency.as_ref().map(|(key, content)| Idempotency { key, content: *content });
        let head = CommitHead::new(Seq(self.commit), 0, Durability::Sync, &self.actor);
        Fact {
            seq: Seq(self.seq),
            head: CommitHead { occurred_ns: Some(self.time_ns), idempotency, ..head },
            event: Event {
                stream: &self.stream,
                number: self.number,
                kind: self.kind.as_kind(),
                kind_version: self.kind_version,
                causation: self.causation.map(Seq),
                protection: PLAIN,
                payload: &self.payload,
            },
        }
    }
}

/// What a command was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<ContractError>,
    /// Names of the kinds of the events that were appended, in order. Kinds in `$log` have `$log:` before them.
    pub(crate) kinds: Vec<String>,
    /// The run's status afterwards.
    pub(crate) status: Option<String>,
    /// Whether this was a second delivery, answered from the log.
    pub(crate) duplicate: bool,
}

impl Answered {
    /// The code of the error; empty when there is none.
    pub(crate) fn code(&self) -> &str {
        self.error.as_ref().map_or("", |error| &error.code)
    }
}

/// A log in memory, under one contract.
#[derive(Clone)]
pub(crate) struct Harness<C: Contract + Clone> {
    pub(crate) contract: C,
    /// Every event so far, in order of seq.
    pub(crate) log: Vec<Recorded>,
    /// The live states, kept by `start` and `evolve` as the engine keeps them.
    pub(crate) states: BTreeMap<String, C::State>,
    /// Time of the next commit.
    pub(crate) time_ns: i128,
}

/// A command of these members: what to do, in which run.
pub(crate) fn addressed(run: &str, action: &str, mut members: Value) -> Value {
    members["run"] = run.into();
    members["do"] = action.into();
    members
}

impl<C: Contract + Clone> Harness<C> {
    pub(crate) fn new(contract: C) -> Harness<C> {
        Harness { contract, log: Vec::new(), states: BTreeMap::new(), time_ns: FIRST_TIME_NS }
    }

    /// Plays one command: `run`, `do`, and optionally `id` and `actor`, besides the contract's own members.
    pub(crate) fn play(&mut self, command: Value) -> Result<Answered, Malformed> {
        let Value::Object(mut members) = command else { panic!("a command is an object") };
        members.remove("contract");
        let run = take(&mut members, "run").expect("a command names its run");
        let action = take(&mut members, "do").expect("a command names its action");
        let actor = take(&mut members, "actor").unwrap_or_else(|| ACTOR.to_owned());
        let key = take(&mut members, "id");
        let mut content = members.clone();
        content.extend([("run".to_owned(), run.clone().into()), ("do".to_owned(), action.clone().into())]);
        let content = *blake3::hash(&canonical(&Value::Object(content))).as_bytes();
        let command = self.contract.parse(&action, members)?;
        if let Some(first) = self.delivered(&run, key.as_deref()) {
            return Ok(self.answer_again(&run, first, content));
        }
        let related = self.contract.reads(&command).and_then(|other| self.states.get(other));
        let state = self.states.get(&run);
        let asked =
            Asked { run: &run, state, related, time_ns: self.time_ns, actor: &actor, content: Content(&|| content) };
        let decision = self.contract.decide(&asked, &command);
        Ok(self.commit(&run, &actor, key.map(|key| (key, content)).as_ref(), decision))
    }

    /// Plays a command that must be accepted.
    pub(crate) fn accept(&mut self, command: Value) -> Answered {
        let shown = command.to_string();
        let answered = self.play(command).unwrap_or_else(|malformed| panic!("{shown}: {malformed}"));
        assert_eq!(answered.outcome, Outcome::Accepted, "{shown}: {:?}", answered.error);
        answered
    }

    fn delivered(&self, run: &str, key: Option<&str>) -> Option<usize> {
        let key = key?;
        let first = |event: &Recorded| event.idempotency.as_ref().is_some_and(|(known, _)| known == key);
        self.log.iter().position(|event| (event.stream == run || event.stream == LOG_STREAM) && first(event))
    }

    fn answer_again(&self, run: &str, first: usize, content: [u8; 32]) -> Answered {
        let event = &self.log[first];
        let (outcome, error) = if event.idempotency.as_ref().is_some_and(|(_, known)| *known == content) {
            self.contract.answer(&event.fact()).map_or((Outcome::Accepted, None), |(word, error)| (word, Some(error)))
        } else {
            let error = ContractError { code: "IDEMPOTENCY_CONFLICT".into(), message: "same id, other content".into() };
            (Outcome::Refused, Some(error))
        };
        Answered { outcome, error, kinds: Vec::new(), status: self.status(run), duplicate: true }
    }

    fn commit(&mut self, run: &str, actor: &str, key: Option<&(String, [u8; 32])>, decision: Decision) -> Answered {
        let commit = self.log.len() as u64;
        let mut kinds = Vec::new();
        for (index, event) in decision.events.into_iter().enumerate() {
            let stream = if event.target == Target::Log { LOG_STREAM } else { run };
            let before = if event.target == Target::Log { "$log:" } else { "" };
            kinds.push(format!("{before}{}", event.kind.as_kind()));
            let causation = match event.cause {
                Cause::Command => None,
                Cause::Decided(earlier) => {
                    assert!(earlier < index, "a decision names an earlier event of its own");
                    Some(commit + earlier as u64)
                }
            };
            let recorded = Recorded {
                seq: self.log.len() as u64,
                commit,
                time_ns: self.time_ns,
                actor: actor.to_owned(),
                stream: stream.to_owned(),
                number: self.log.iter().filter(|earlier| earlier.stream == stream).count() as u64,
                kind: event.kind,
                kind_version: event.kind_version,
                causation,
                idempotency: if index == 0 { key.cloned() } else { None },
                payload: event.payload,
            };
            if event.target == Target::Run {
                self.fold(&recorded);
            }
            self.log.push(recorded);
        }
        self.time_ns += STEP_NS;
        Answered { outcome: decision.outcome, error: decision.error, kinds, status: self.status(run), duplicate: false }
    }

    fn fold(&mut self, recorded: &Recorded) {
        let fact = recorded.fact();
        if let Some(state) = self.states.get_mut(&recorded.stream) {
            self.contract.evolve(state, &fact).expect("what was decided folds");
        } else {
            let state = self.contract.start(&fact).expect("what was decided begins a run");
            self.states.insert(recorded.stream.clone(), state);
        }
    }

    /// The run's status; `None` when there is no such run.
    pub(crate) fn status(&self, run: &str) -> Option<String> {
        self.states.get(run).map(|state| self.contract.status(state).to_owned())
    }

    /// The run's events, in order.
    pub(crate) fn facts(&self, run: &str) -> Vec<Recorded> {
        self.log.iter().filter(|event| event.stream == run).cloned().collect()
    }

    /// The run's bundle, replayed from its events.
    pub(crate) fn bundle(&self, run: &str) -> Result<Bundle, FoldError> {
        bundle(&self.contract, &self.facts(run))
    }

    /// One projected file as JSON.
    pub(crate) fn json(&self, run: &str, path: &str) -> Value {
        let bundle = self.bundle(run).expect("the run folds");
        serde_json::from_slice(&bundle.files[path].bytes).expect("a projected file is JSON")
    }

    /// The run's audit lines as JSON.
    pub(crate) fn audit(&self, run: &str) -> Vec<Value> {
        let bundle = self.bundle(run).expect("the run folds");
        let text = String::from_utf8(bundle.files["audit_events.jsonl"].bytes.clone()).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }
}

/// The bundle that these events of one run fold into.
pub(crate) fn bundle<C: Contract + Clone>(contract: &C, events: &[Recorded]) -> Result<Bundle, FoldError> {
    let contracts = Contracts::new().with(contract.clone());
    let mut fold = BundleFold::new(&contracts);
    events.iter().try_for_each(|event| fold.push(&event.fact()))?;
    Ok(fold.bundle()?.expect("at least one event"))
}

fn take(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    members.remove(name).map(|value| value.as_str().expect("a string").to_owned())
}
