//! The cost of decisions: one of each contract, for a run of a hundred events or more that is already loaded; and of a
//! whole story of thousands of steps.

use criterion::{Criterion, criterion_group, criterion_main};
use evlog_format::{CommitHead, Durability, Event, PLAIN, Seq, payload};
use evlog_lifecycle::form;
use evlog_lifecycle::lifecycle::Lifecycle;
use evlog_lifecycle::pipeline::Pipeline;
use evlog_lifecycle::status::Status;
use evlog_lifecycle::status::payload::Transitioned;
use evlog_lifecycle::story::{State, Story};
use evlog_projection::contracts::{Command, ContractRef};
use evlog_projection::{Asked, Cause, Content, Contract, Contracts, Decision, Fact, Request, RunFold};
use serde_json::{Map, Value, json};
use std::hint::black_box;

/// The time of every event, Unix nanoseconds.
const TIME_NS: i64 = 1_771_869_600_000_000_000;

fn asked() -> Asked<'static, ()> {
    let time_ns = TIME_NS.into();
    Asked { run: "RUN_0001", state: None, related: None, time_ns, actor: "bench", content: Content(&|| [0; 32]) }
}

fn head(first_seq: u64) -> CommitHead<'static> {
    CommitHead::new(Seq(first_seq), TIME_NS, Durability::Sync, "bench")
}

fn fact(decision: &Decision, number: u64) -> Fact<'_> {
    let new = &decision.events[0];
    let event = Event {
        stream: "RUN_0001",
        number,
        kind: new.kind.as_kind(),
        kind_version: new.kind_version,
        causation: None,
        protection: PLAIN,
        payload: &new.payload,
    };
    Fact { seq: Seq(number), head: head(number), event }
}

fn command(contracts: &Contracts, action: &str, members: Value) -> Command {
    let contract = contracts.named("status").unwrap_or_else(|| unreachable!("the contract is there"));
    read(&contract, action, members)
}

fn read(contract: &ContractRef, action: &str, members: Value) -> Command {
    let request = Request::json(contract.name(), "RUN_0001", action).members(object(members)).build();
    let command = request.and_then(|request| contract.read(&request));
    command.unwrap_or_else(|error| unreachable!("a good command: {error}"))
}

fn running(contracts: &Contracts) -> RunFold {
    let contract = contracts.named("status").unwrap_or_else(|| unreachable!("the contract is there"));
    let created = contract.decide(&asked(), None, None, &command(contracts, "create", Value::Object(Map::new())));
    contracts.start(&fact(&created, 0)).unwrap_or_else(|error| unreachable!("a creation folds: {error}"))
}

fn contracts(criterion: &mut Criterion) {
    let contracts = Contracts::new().with(Status);
    let contract = contracts.named("status").unwrap_or_else(|| unreachable!("the contract is there"));
    let start = running(&contracts);
    let to_running = command(&contracts, "transition", json!({"to": "running"}));
    let mut group = criterion.benchmark_group("status");
    group.bench_function("decide a transition", |bencher| {
        bencher.iter(|| contract.decide(&asked(), Some(black_box(&start)), None, &to_running));
    });
    let decision = contract.decide(&asked(), Some(&start), None, &to_running);
    group.bench_function("fold a transition", |bencher| {
        bencher.iter(|| {
            let mut run = start.clone();
            run.evolve(&fact(&decision, 1)).is_ok()
        });
    });
    let payload = &decision.events[0].payload;
    group.bench_function("decode the payload of a transition", |bencher| {
        bencher.iter(|| payload::decode::<Transitioned>(black_box(payload)));
    });
    group.finish();
}

/// A run of any contract, asked and folded as the engine does it.
struct Played {
    contracts: Contracts,
    contract: &'static str,
    run: Option<RunFold>,
    events: u64,
}

impl Played {
    fn new(contracts: Contracts, contract: &'static str, create: Value) -> Played {
        let mut played = Played { contracts, contract, run: None, events: 0 };
        played.play("create", create);
        played
    }

    fn contract(&self) -> ContractRef {
        self.contracts.named(self.contract).unwrap_or_else(|| unreachable!("the contract is there"))
    }

    fn command(&self, action: &str, members: Value) -> Command {
        read(&self.contract(), action, members)
    }

    /// Decides a command, and folds what follows.
    fn play(&mut self, action: &str, members: Value) {
        let command = self.command(action, members);
        let decision = self.contract().decide(&asked(), self.run.as_ref(), None, &command);
        let commit = self.events;
        for new in &decision.events {
            let causation = match new.cause {
                Cause::Command => None,
                Cause::Decided(index) => Some(Seq(commit + index as u64)),
            };
            let event = Event {
                stream: "RUN_0001",
                number: self.events,
                kind: new.kind.as_kind(),
                kind_version: new.kind_version,
                causation,
                protection: PLAIN,
                payload: &new.payload,
            };
            let fact = Fact { seq: Seq(self.events), head: head(commit), event };
            let folded = match &mut self.run {
                None => self.contracts.start(&fact).map(|run| self.run = Some(run)),
                Some(run) => run.evolve(&fact),
            };
            folded.unwrap_or_else(|error| unreachable!("what was decided folds: {error}"));
            self.events += 1;
        }
    }

    /// Measures the decision of a command that leads to events.
    fn measure(&self, criterion: &mut Criterion, what: &str, action: &str, members: Value) {
        assert!(self.events >= 100, "a run of 100 events, found {}", self.events);
        let (contract, command) = (self.contract(), self.command(action, members));
        let decide = || contract.decide(&asked(), black_box(self.run.as_ref()), None, &command);
        let decision = decide();
        assert!(!decision.events.is_empty(), "{what}: {decision:?}");
        criterion.bench_function(&format!("{}/{what}, in {} events", self.contract, self.events), |bencher| {
            bencher.iter(decide);
        });
    }
}

/// One decision of each contract that is not measured with more detail above or below.
fn decisions(criterion: &mut Criterion) {
    let none = || Value::Object(Map::new());
    let mut status = Played::new(Contracts::new().with(Status), "status", none());
    status.play("transition", json!({"to": "running"}));
    for _ in 0..50 {
        status.play("transition", json!({"to": "waiting"}));
        status.play("transition", json!({"to": "running"}));
    }
    status.measure(criterion, "decide a transition", "transition", json!({"to": "waiting"}));
    status.measure(criterion, "decide one that is undefined", "transition", json!({"to": "created"}));

    let order = form::Definition::parse(include_str!("../docs/examples/contracts/order.toml"));
    let Ok(form::Definition::Lifecycle(order)) = order else { unreachable!("the example is a lifecycle") };
    let lifecycle = Contracts::new().with(Lifecycle::default().knowing(order));
    let mut lifecycle = Played::new(lifecycle, "machine", json!({"machine": "order", "data": {"customer": "c-1"}}));
    for _ in 0..100 {
        lifecycle.play("transition", json!({"to": "shipped"}));
    }
    lifecycle.measure(
        criterion,
        "decide a transition",
        "transition",
        json!({"to": "paid", "data": {"amount_cents": 1}}),
    );

    let pipeline = Contracts::new().with(Pipeline::default());
    let mut pipeline = Played::new(pipeline, "pipeline", json!({"pipeline": "purple-axiom"}));
    pipeline.play("begin", json!({"stage": "lab_provider"}));
    for number in 0..100 {
        let captured = json!({"stage": "lab_provider", "path": format!("logs/{number}.txt"), "bytes": 1, "blake3": "00".repeat(32)});
        pipeline.play("captured", captured);
    }
    let success = json!({"stage": "lab_provider", "status": "success"});
    pipeline.measure(criterion, "decide a success", "outcome", success);
    let fatal = json!({"stage": "lab_provider", "status": "failed", "reason_code": "provider_api_error"});
    pipeline.measure(criterion, "decide a fatal failure and its blocked tail", "outcome", fatal);
}

/// A run of contract `story`, asked and folded as the engine does it.
#[derive(Clone)]
struct StoryRun {
    state: State,
    events: u64,
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { unreachable!("members are an object") };
    members
}

impl StoryRun {
    fn asked(state: Option<&State>) -> Asked<'_, State> {
        let asked = asked();
        let (time_ns, content) = (asked.time_ns, asked.content);
        Asked { run: "s-1", state, related: None, time_ns, actor: "bench", content }
    }

    fn new(story: Value) -> StoryRun {
        let contract = Story::default();
        let mut members = Map::new();
        members.insert("story".to_owned(), story);
        let create = contract.parse("create", members).unwrap_or_else(|error| unreachable!("a good command: {error}"));
        let created = contract.decide(&StoryRun::asked(None), &create);
        let state =
            contract.start(&fact(&created, 0)).unwrap_or_else(|error| unreachable!("a creation folds: {error}"));
        let mut run = StoryRun { state, events: 1 };
        run.play("start", Value::Object(Map::new()));
        run
    }

    /// Decides a command on the run, and folds a copy of it, as the engine does before it commits.
    fn play(&mut self, action: &str, members: Value) {
        let contract = Story::default();
        let command =
            contract.parse(action, object(members)).unwrap_or_else(|error| unreachable!("a good command: {error}"));
        let decision = contract.decide(&StoryRun::asked(Some(&self.state)), &command);
        let mut state = self.state.clone();
        for new in &decision.events {
            let event = Event {
                stream: "s-1",
                number: self.events,
                kind: new.kind.as_kind(),
                kind_version: new.kind_version,
                causation: None,
                protection: PLAIN,
                payload: &new.payload,
            };
            let fact = Fact { seq: Seq(self.events), head: head(self.events), event };
            contract.evolve(&mut state, &fact).unwrap_or_else(|error| unreachable!("what was decided folds: {error}"));
            self.events += 1;
        }
        self.state = state;
    }
}

/// Steps in layers of ten, each waiting for two of the layer before: twice as many edges as steps.
fn layers(count: usize) -> Value {
    let step = |number: usize| {
        let before = |at: usize| format!("s{}", (number / 10 - 1) * 10 + at % 10);
        let needs = if number < 10 { Vec::new() } else { vec![before(number), before(number + 1)] };
        json!({"name": format!("s{number}"), "needs": needs})
    };
    json!({"steps": (0..count).map(step).collect::<Vec<_>>()})
}

/// Every step taken up and ended, one after the other.
fn drive(mut run: StoryRun, count: usize) -> bool {
    for number in 0..count {
        let name = format!("s{number}");
        run.play("step", json!({"step": name, "to": "Running"}));
        run.play("step", json!({"step": name, "exit_code": 0}));
    }
    Story::default().is_terminal(&run.state)
}

fn stories(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("story");
    let mut run = StoryRun::new(layers(50));
    for number in 0..36 {
        run.play("step", json!({"step": format!("s{number}"), "to": "Running"}));
        run.play("step", json!({"step": format!("s{number}"), "exit_code": 0}));
    }
    assert!(run.events >= 100, "a run of 100 events, found {}", run.events);
    let contract = Story::default();
    for (what, members) in [
        ("decide that a step runs", json!({"step": "s40", "to": "Running"})),
        ("decide that a step ends", json!({"step": "s40", "exit_code": 0})),
    ] {
        if what.ends_with("ends") {
            run.play("step", json!({"step": "s40", "to": "Running"}));
        }
        let command =
            contract.parse("step", object(members)).unwrap_or_else(|error| unreachable!("a good command: {error}"));
        group.bench_function(what, |bencher| {
            bencher.iter(|| contract.decide(&StoryRun::asked(Some(black_box(&run.state))), &command));
        });
    }
    group.sample_size(10);
    for count in [1_000, 2_000, 5_000, 10_000] {
        let started = StoryRun::new(layers(count));
        group.bench_function(format!("drive {count} steps to the end"), |bencher| {
            bencher.iter(|| assert!(drive(started.clone(), count)));
        });
    }
    group.finish();
}

criterion_group!(benches, contracts, decisions, stories);
criterion_main!(benches);
