//! Appends a few commands of the built-in contract `status`, and shows what was answered and what was recorded.
//!
//! `cargo run -p evlog-engine --example append -- DIR`
#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use evlog::contracts::{self, RunStatus, Status};
use evlog::{Log, Options, Seq};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args_os().nth(1).ok_or("expected a directory for the log")?;
    let log: Log = Options::new("example 1.0").open(dir, contracts::built_in())?;

    // A command under an idempotency key is recorded once, however often it is sent.
    let create = Status::create("RUN_1", serde_json::Map::new()).id("create-1").actor("ci").build()?;
    for _ in 0..2 {
        let accepted = log.submit(&create)?.into_accepted()?;
        println!("created: {} events, first answer again: {}", accepted.events.len(), accepted.is_duplicate);
    }
    log.submit(&Status::transition("RUN_1", RunStatus::Running).build()?)?.into_accepted()?;

    // If a contract does not accept a command, that is an answer. `into_accepted` makes it an error.
    let denied = log.submit(&Status::transition("RUN_1", RunStatus::Denied).build()?)?;
    match denied.into_accepted() {
        Ok(accepted) => println!("accepted: {:?}", accepted.status),
        Err(refused) => println!("not accepted: {refused}"),
    }

    for event in log.view()?.events(Seq(0))? {
        let event = event?;
        println!("{:>3}  {:6}  {}  {}", event.seq.0, event.stream, event.kind, event.commit.actor);
    }
    Ok(log.close()?)
}
