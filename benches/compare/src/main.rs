//! The end-to-end works with the rivals beside us, in one process and in turns.
//!
//! ```text
//! cargo build --release                                                   (in the repository: the command evlog)
//! cargo run --release --manifest-path benches/compare/Cargo.toml -- works --busy
//! ```
//!
//! Does: compare with okaywal, raft-engine, SQLite, redb and fjall as contenders, and compare `evlog verify` with BLAKE3
//! over whole files, as `b3sum` computes it. Does not: take part in CI. It is a separate workspace.

mod fjall;
mod okaywal;
mod raft;
mod redb;
mod sqlite;

use evlog_benches::driver;
use evlog_works::Done;
use evlog_works::contender::Contender;
use std::io::Write;
use std::process::ExitCode;

const RIVALS: [Contender; 5] = [okaywal::OKAYWAL, raft::RAFT_ENGINE, sqlite::SQLITE, redb::REDB, fjall::FJALL];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        Some("works") => std::env::current_exe()
            .map_err(Into::into)
            .and_then(|this| driver::works(&arguments[1..], &RIVALS, Some(vec![this.into(), "b3sum".into()]))),
        Some("victim") => driver::victim(&arguments),
        Some("b3sum") => b3sum(&arguments[1..]),
        _ => Err(format!("no such command\nusage: evlog-compare COMMAND\n{}", driver::USAGE).into()),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    let written = writeln!(std::io::stderr(), "error: {error}");
    if written.is_ok() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// What the program `b3sum` does: maps each file, hashes it on all cores, prints a line.
fn b3sum(paths: &[String]) -> Done<()> {
    let mut out = std::io::stdout().lock();
    for path in paths {
        let mut hasher = blake3::Hasher::new();
        hasher.update_mmap_rayon(path)?;
        writeln!(out, "{}  {path}", hasher.finalize())?;
    }
    Ok(())
}
