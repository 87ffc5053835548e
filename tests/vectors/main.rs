//! Vectors: cases of contract `story`, as facts from the test suites of its sources, run against the contract.
//!
//! Does: read a file of cases (`id`, `entity`, `given`, `when` with its `op`, `expect`), do what each says, compare,
//! print a line a case and the sum. Cases that only describe the mechanics of the source's platform, and not the
//! lifecycle, are in `skips.tsv`, with a reason. Does not: compute an outcome. Every value that is compared comes from
//! the contract: its functions, or a run that was folded, decided and projected ([`rig`]).
#![forbid(unsafe_code)]

mod attempts;
mod compare;
mod rig;
mod runs;
#[cfg(test)]
mod tests;
mod values;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Cases that are not run, by id, and why.
const SKIPS: &str = include_str!("skips.tsv");

const USAGE: &str = "cargo run --release -p evlog-tests --bin vectors -- FILE.jsonl";

/// What an operation gives: the members that a case may expect, or why it cannot be done.
type Found = Result<Value, String>;

/// The result of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    Fail(String),
    Skip(&'static str),
}

/// The result of a file.
struct Report {
    /// A line a case, and the sum.
    text: String,
    /// How many failed.
    failed: usize,
}

fn main() -> ExitCode {
    match run_file(std::env::args().nth(1).as_deref(), &mut io::stdout().lock()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            // If this fails, standard error was closed too; the exit code remains.
            writeln!(io::stderr(), "error: {error}").unwrap_or_default();
            ExitCode::from(2)
        }
    }
}

/// How many cases of a file fail; every case is printed.
fn run_file(path: Option<&str>, out: &mut dyn io::Write) -> io::Result<usize> {
    let path = path.ok_or_else(|| io::Error::other(format!("expected a file of cases: `{USAGE}`")))?;
    let file = std::fs::read_to_string(path).map_err(|error| io::Error::other(format!("{path}: {error}")))?;
    let report = run(&file);
    out.write_all(report.text.as_bytes())?;
    Ok(report.failed)
}

/// Runs a file's cases, in order.
fn run(file: &str) -> Report {
    let skips = skips();
    let mut text = String::new();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (number, line) in (1..).zip(file.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let (id, verdict) = judge(number, line, &skips);
        let said = match verdict {
            Verdict::Pass => {
                passed += 1;
                "pass".to_owned()
            }
            Verdict::Fail(difference) => {
                failed += 1;
                format!("FAIL: {difference}")
            }
            Verdict::Skip(reason) => {
                skipped += 1;
                format!("skip: {reason}")
            }
        };
        writeln!(text, "{id}  {said}").unwrap_or_default();
    }
    writeln!(text, "{passed} passed, {failed} failed, {skipped} skipped").unwrap_or_default();
    Report { text, failed }
}

fn skips() -> BTreeMap<&'static str, &'static str> {
    SKIPS.lines().filter_map(|line| line.split_once('\t')).collect()
}

fn judge(number: usize, line: &str, skips: &BTreeMap<&'static str, &'static str>) -> (String, Verdict) {
    let case: Value = match serde_json::from_str(line) {
        Ok(case) => case,
        Err(error) => return (format!("line {number}"), Verdict::Fail(format!("not JSON: {error}"))),
    };
    let Some(id) = case["id"].as_str() else {
        let found = if case["id"].is_null() { "none".to_owned() } else { case["id"].to_string() };
        return (format!("line {number}"), Verdict::Fail(format!("expected the member `id`, a string, found {found}")));
    };
    if let Some(reason) = skips.get(id) {
        return (id.to_owned(), Verdict::Skip(reason));
    }
    let found = match operate(&case["given"], &case["when"]) {
        Ok(found) => found,
        Err(why) => return (id.to_owned(), Verdict::Fail(why)),
    };
    let differences = compare::differences(&rig::with_times(&case["expect"]), &found);
    let verdict = if differences.is_empty() { Verdict::Pass } else { Verdict::Fail(differences.join("; ")) };
    (id.to_owned(), verdict)
}

/// Does what a case says.
fn operate(given: &Value, when: &Value) -> Found {
    let op = when["op"].as_str().unwrap_or_default();
    match op {
        "bucket_steps" => values::bucket_steps(given),
        "dependency_satisfied" => values::dependency_satisfied(given),
        "compute_retry_delay" => values::compute_retry_delay(given, when),
        "classify_exit_code" => values::classify_exit_code(given),
        "is_retryable_exit_class" => values::is_retryable_exit_class(given),
        "resolve_retry_policy" => values::resolve_retry_policy(given),
        "resolve_step_retry_policy_raw" => values::resolve_step_retry_policy_raw(given),
        "build_run_error" => values::build_run_error(given, when),
        "build_step_error" => values::build_step_error(given),
        "validate_status_error" => Ok(values::validate_status_error(given)),
        "validate_definition" => Ok(values::validate_definition(given)),
        "skip_unused_compensations" | "schedule_ready" | "find_ready" => runs::schedule(given, when),
        "evaluate_run" => runs::evaluate_run(given, when),
        "finalize_run" => runs::finalize_run(given, when),
        "check_story_timeout" => runs::check_story_timeout(given, when),
        "sync_gates" | "sync_waits" | "sync_sleeps" => runs::sync(given, when),
        "sync_parallel" => runs::sync_parallel(given, when),
        "sync_sub_stories" => runs::sync_sub_stories(given, when),
        "derive_execution_stage" => runs::derive_execution_stage(given, when),
        "redrive" | "redrive_from_step" => runs::redrive(given, when),
        "cancel_requested" => runs::cancel_requested(given, when),
        "stop_request" => runs::stop_request(given, when),
        "transition" => attempts::transition(given, when),
        "attempt_failed" => attempts::attempt_failed(given, when),
        "attempt_succeeded" => attempts::attempt_succeeded(given, when),
        "retry_due" => attempts::retry_due(given, when),
        "result_already_reported" => attempts::result_already_reported(given),
        "report_attempt" => attempts::report_attempt(given),
        unknown => Err(format!("there is no operation `{unknown}`")),
    }
}
