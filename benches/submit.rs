//! Commands through the engine, synced: what one thread gets that offers commands and waits for them later.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use evlog::{Options, Request};
use evlog_benches::commands;
use evlog_lifecycle::status::Status;
use evlog_projection::Contracts;

fn requests() -> Vec<Request> {
    commands(6000).lines().filter_map(|line| Request::parse_line(line.as_bytes()).ok()).collect()
}

fn submit(criterion: &mut Criterion) {
    let commands = requests();
    assert_eq!(commands.len(), 6000, "every line is a command");
    let mut group = criterion.benchmark_group("engine");
    group.sample_size(10);
    group.throughput(Throughput::Elements(commands.len() as u64));
    group.bench_function("6000 status commands, offered and then waited for", |bencher| {
        bencher.iter(|| {
            let dir = tempfile::tempdir().unwrap_or_else(|error| unreachable!("a directory can be made: {error}"));
            let contracts = Contracts::new().with(Status);
            let log = Options::new("bench")
                .open(dir.path(), contracts)
                .unwrap_or_else(|error| unreachable!("a new log opens: {error}"));
            let offered: Vec<_> = commands.iter().filter_map(|command| log.offer(command).ok()).collect();
            let taken = offered.into_iter().filter_map(|offered| log.wait(offered).ok()).count();
            assert_eq!(taken, commands.len(), "every command is committed");
            taken
        });
    });
    group.finish();
}

criterion_group!(benches, submit);
criterion_main!(benches);
