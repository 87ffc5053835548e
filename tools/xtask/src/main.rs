//! What the repository checks and prints about itself.
//!
//! Does: read the repository's own text (sources, manifests, documents) and say what breaks its rules; print the
//! dependency count and the evidence matrix. `cargo test -p xtask` fails on every finding.
//! Does not: change a file or run a compiler. One command runs another program: `licences` asks cargo for the packages.
//!
//! Invariants:
//! - Each check is a function from text to [`finding::Finding`]s, and has a test in which it must find something.
//! - A finding names file and line, what is wrong, and what to do instead.
#![forbid(unsafe_code)]

mod circles;
mod claims;
mod codemap;
mod deny_rules;
mod evidence;
mod finding;
mod layers;
mod lexer;
mod locks;
mod manifest;
mod module_files;
mod module_tree;
mod modules;
mod prose;
mod purity;
mod repository;
mod rust_source;
mod supply_chain;
mod syntax;
#[cfg(test)]
mod tests;
mod unused;

use finding::Finding;
use repository::Repository;
use std::io::{self, Write};
use std::process::ExitCode;

const HELP: &str = "\
xtask: what the repository checks and prints about itself

usage: cargo run -p xtask -- COMMAND

commands:
  tidy      every finding of every check, one a line; exit 1 when there are any
  deps      the packages behind the core crates, and their ceiling
  licences  every package behind the workspace that breaks a rule of .deny.toml: licences, sources, bans
  evidence  each numbered rule of the documents, and the tests that cite it
  help      this text
";

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_else(|| "help".to_owned());
    match run(&command, &mut io::stdout().lock()) {
        Ok(code) => code,
        Err(error) => {
            // If this fails, standard error was closed too; the exit code remains.
            writeln!(io::stderr(), "error: {error}").unwrap_or_default();
            ExitCode::from(2)
        }
    }
}

fn run(command: &str, out: &mut dyn Write) -> io::Result<ExitCode> {
    match command {
        "tidy" => print_findings(&all_findings(&Repository::here()?), out),
        "deps" => print_lines(&layers::core_report(&Repository::here()?), out),
        "licences" => licences(out),
        "evidence" => print_lines(&evidence::matrix(&Repository::here()?), out),
        "help" | "--help" | "-h" => print_lines(HELP, out),
        unknown => {
            write!(out, "{HELP}")?;
            Err(io::Error::other(format!("unknown command `{unknown}`; expected one of those above")))
        }
    }
}

/// Every check over the whole repository.
fn all_findings(repository: &Repository) -> Vec<Finding> {
    let checks: [fn(&Repository) -> Vec<Finding>; 12] = [
        circles::check_all,
        claims::check_all,
        rust_source::check_all,
        modules::check_all,
        prose::check_all,
        codemap::check_all,
        deny_rules::check_all,
        locks::check_all,
        layers::check_all,
        purity::check_all,
        unused::check_all,
        evidence::check_all,
    ];
    checks.iter().flat_map(|check| check(repository)).collect()
}

fn licences(out: &mut dyn Write) -> io::Result<ExitCode> {
    let (findings, packages) = supply_chain::check_all(&Repository::here()?)?;
    writeln!(out, "{packages} packages: licences, sources and bans compared with {}", deny_rules::DENY)?;
    print_findings(&findings, out)
}

fn print_lines(text: &str, out: &mut dyn Write) -> io::Result<ExitCode> {
    out.write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn print_findings(findings: &[Finding], out: &mut dyn Write) -> io::Result<ExitCode> {
    for finding in findings {
        writeln!(out, "{finding}")?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
