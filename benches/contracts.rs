//! What a decision costs: a `status` transition decided and folded, for a run that is already loaded.

use criterion::{Criterion, criterion_group, criterion_main};
use evlog_format::{Event, Seq, payload};
use evlog_lifecycle::status::Status;
use evlog_lifecycle::status::payload::Transitioned;
use evlog_projection::registry::Command;
use evlog_projection::{Asked, Content, Contracts, Decision, Fact, RunFold};
use serde_json::{Map, Value, json};
use std::hint::black_box;

fn asked() -> Asked<'static, ()> {
    let time_ns = 1_771_869_600_000_000_000;
    Asked { run: "RUN_0001", state: None, related: None, time_ns, actor: "bench", content: Content(&|| [0; 32]) }
}

fn fact(decision: &Decision, number: u64) -> Fact<'_> {
    let new = &decision.events[0];
    let event = Event {
        stream: "RUN_0001",
        number,
        kind: new.kind.as_kind(),
        kind_version: new.kind_version,
        causation: None,
        idempotency: None,
        payload: &new.payload,
    };
    Fact { seq: Seq(number), commit: Seq(number), time_ns: asked().time_ns, actor: "bench", event }
}

fn command(contracts: &Contracts, action: &str, members: Value) -> Command {
    let Value::Object(members) = members else { unreachable!("members are an object") };
    let contract = contracts.named("status").unwrap_or_else(|| unreachable!("the contract is there"));
    contract.parse(action, members).unwrap_or_else(|error| unreachable!("a good command: {error}"))
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

criterion_group!(benches, contracts);
criterion_main!(benches);
