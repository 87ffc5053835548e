//! Verifies a log and projects its runs, without a writer: what an auditor's own program does.
//!
//! `cargo run -p evlog-engine --example verify_without_writer -- DIR`
#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use evlog::{View, contracts};
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let dir: PathBuf = std::env::args_os().nth(1).ok_or("expected the directory of a log")?.into();
    let check = evlog::verify(&dir, &contracts::built_in())?;
    println!("verdict: {:?}, {} events, {} runs", check.report.verdict(), check.report.events, check.runs);
    for finding in &check.contract_findings {
        println!("finding: {finding}");
    }
    let view = View::open(&dir, contracts::built_in())?;
    for run in view.runs()?.runs {
        println!("{}: {} ({} events)", run.run, run.status, run.events);
        let Some(bundle) = view.bundle(&run.run)? else { continue };
        for (path, file) in &bundle.files {
            println!("  {path}: {} bytes, version {} of `{}`", file.bytes.len(), file.version, file.projection);
        }
    }
    if check.is_good() { Ok(()) } else { Err("the log is not clean".into()) }
}
