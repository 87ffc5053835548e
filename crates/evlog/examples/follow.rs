//! Follows a log while another thread writes it, until the run has ended. The reader could be another process.
//!
//! `cargo run -p evlog-engine --example follow -- DIR`
#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use evlog::contracts::{self, RunStatus, Status};
use evlog::{Log, LogError, Seq, View};
use std::error::Error;
use std::path::Path;
use std::thread;

fn write(log: &Log) -> Result<(), Box<dyn Error + Send + Sync>> {
    log.submit(&Status::create("RUN_1", serde_json::Map::new()).build()?)?.into_accepted()?;
    for status in [RunStatus::Running, RunStatus::Success] {
        log.submit(&Status::transition("RUN_1", status).build()?)?.into_accepted()?;
    }
    Ok(())
}

/// Prints events until the run has ended; returns how many.
fn follow(dir: &Path) -> Result<u64, LogError> {
    let mut view = View::open(dir, contracts::built_in())?;
    let mut waiting = view.follow();
    let (mut next, mut seen) = (Seq(0), 0);
    loop {
        for event in view.events(next)? {
            let event = event?;
            println!("{:>3}  {:6}  {}", event.seq.0, event.stream, event.kind);
            (next, seen) = (Seq(event.seq.0 + 1), seen + 1);
        }
        let ended = view.run("RUN_1")?.is_some_and(|run| run.is_terminal());
        if ended && !view.refresh()? {
            return Ok(seen);
        }
        waiting.wait();
        view.refresh()?;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args_os().nth(1).ok_or("expected a directory for the log")?;
    let log = Log::open(&dir, contracts::built_in())?;
    log.begin()?;
    let (written, seen) = thread::scope(|scope| {
        let writer = scope.spawn(|| write(&log));
        (writer.join(), follow(Path::new(&dir)))
    });
    written.map_err(|_| "the writer panicked")?.map_err(|error| error.to_string())?;
    println!("{} events", seen?);
    Ok(log.close()?)
}
