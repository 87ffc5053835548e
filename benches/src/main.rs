//! The end-to-end works, and whole processes fed through a pipe: what a user of the command line gets.
//!
//! ```text
//! cargo build --release && cargo run --release -p evlog-benches -- works
//! cargo build --release && cargo run --release -p evlog-benches -- submit target/release/evlog
//! cargo run --release -p evlog-benches -- gate
//! cargo run -p evlog-benches -- scale
//! ```
//!
//! Does: the works of `evlog-works` beside the bare file system; feed commands to `evlog submit`, and print one line of
//! TSV for each round and a median; plan logs in buckets (`scale`).
//! Does not: compare with other stores; that is `benches/compare`, which does the same works with more contenders.

use evlog_benches::{commands, driver, gate, scale};
use evlog_pipeline::supervisor;
use evlog_works::Done;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const USAGE: &str = "\
usage: evlog-benches COMMAND
  commands [N]                 print N status commands as JSON Lines
  submit EVLOG [N] [ROUNDS]    time `EVLOG submit` with N commands from a pipe
";

fn main() -> ExitCode {
    // The workloads of the publish gate are runs; this program supervises their stages.
    if supervisor::is_asked() {
        return supervisor::serve();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u64| arguments.get(at).map_or(Ok(default), |text| text.parse());
    let done = match arguments.first().map(String::as_str) {
        Some("works") => driver::works(&arguments[1..], &[], None),
        Some("gate") => gate::gate(&arguments[1..]),
        Some("gate-stage") => gate::stage(&arguments[1..]),
        Some("victim") => driver::victim(&arguments),
        Some("commands") => number(1, 100_000).map_err(Into::into).and_then(|count| print(&commands(count))),
        Some("scale") => scale::scale(&arguments[1..]).map_err(Into::into).and_then(|tables| print(&tables)),
        Some("submit") if arguments.len() > 1 => number(2, 100_000)
            .and_then(|count| Ok((count, number(3, 5)?)))
            .map_err(Into::into)
            .and_then(|(count, rounds)| Ok(submit(Path::new(&arguments[1]), count, rounds)?)),
        _ => Err(format!("no such command\n{USAGE}{}{}{}", scale::USAGE, gate::USAGE, driver::USAGE).into()),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    let written = writeln!(std::io::stderr(), "error: {error}");
    if written.is_ok() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

fn print(text: &str) -> Done<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// Times whole processes: spawn, feed, read every result line, wait.
fn submit(evlog: &Path, count: u64, rounds: u64) -> std::io::Result<()> {
    let text = commands(count);
    let mut seconds = Vec::new();
    let mut out = BufWriter::new(std::io::stdout());
    writeln!(out, "round\tcommands\tbytes\tseconds\tcommands_per_second\tmemory_peak_kib")?;
    for round in 1..=rounds {
        let dir = tempfile::tempdir()?;
        let start = Instant::now();
        let peak = feed(evlog, &dir.path().join("log"), &text, count)?;
        let spent = start.elapsed().as_secs_f64();
        seconds.push(spent);
        writeln!(out, "{round}\t{count}\t{}\t{spent:.3}\t{:.0}\t{peak}", text.len(), rate(count, spent))?;
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    writeln!(out, "median\t{count}\t{}\t{median:.3}\t{:.0}\t", text.len(), rate(count, median))
}

#[expect(clippy::cast_precision_loss, reason = "counts of commands are far below 2^52")]
fn rate(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

/// Gives the peak resident memory of the process in KiB, as the kernel counted it when all results were read.
fn feed(evlog: &Path, log: &Path, text: &str, count: u64) -> std::io::Result<u64> {
    let mut child =
        Command::new(evlog).args(["submit", "--log"]).arg(log).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (Some(mut stdin), Some(mut stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(std::io::Error::other("the process has no pipes"));
    };
    let status_file = format!("/proc/{}/status", child.id());
    let (lines, peak) = std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let (mut lines, mut buffer) = (0u64, vec![0; 1 << 16]);
            loop {
                let read = stdout.read(&mut buffer)?;
                lines += buffer[..read].iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
                if read == 0 {
                    return Ok::<u64, std::io::Error>(lines);
                }
            }
        });
        stdin.write_all(text.as_bytes())?;
        let peak = peak_of(&status_file);
        drop(stdin);
        let lines = reader.join().map_err(|_| std::io::Error::other("the reader failed"))??;
        Ok::<_, std::io::Error>((lines, peak))
    })?;
    let status = child.wait()?;
    if !status.success() || lines != count {
        return Err(std::io::Error::other(format!("expected {count} results and exit 0, found {lines} and {status}")));
    }
    Ok(peak)
}

/// Zero if the system does not report it.
fn peak_of(status_file: &str) -> u64 {
    let mut text = String::new();
    let read = File::open(status_file).and_then(|mut file| file.read_to_string(&mut text));
    let line = read.ok().and_then(|_| text.lines().find_map(|line| line.strip_prefix("VmHWM:").map(str::to_owned)));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
