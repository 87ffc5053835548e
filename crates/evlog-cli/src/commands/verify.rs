//! `evlog verify`: bytes, checksums, order, roots, contracts: the verdict.

use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::json::{ReplayErrorObject, VerifyFinding, VerifyLoss, VerifyObject};
use crate::table::{counted, facts};
use crate::ui::{Tone, Ui, Unit};
use clap::Args;
use evlog::check::{Check, check};
use evlog_store::StdFs;
use std::cell::OnceCell;
use std::num::NonZeroUsize;
use std::sync::Arc;

const EXAMPLES: &str = "\
Verdicts, worst first:
  tampered    bytes are well-formed, but a root, an order or a digest does not match
  truncated   bytes are missing that the log itself says were synced
  damaged     bytes that were committed are not what was written
  torn_tail   the last bytes are an unfinished commit that nobody was told of; the next writer cuts them
  clean       everything was read and matches

Examples:
  evlog verify
  evlog verify --json | jq -r .root
  cat evlog/segments/*.seg | b3sum        the same root, by a tool that is not ours (log closed)";

/// Read the whole log, check all of it, and say the verdict
///
/// Exit code 0 only when the verdict is clean and no run breaks its contract. Nothing is written or repaired.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {}

pub(crate) fn run(ui: &mut Ui, context: &Context, _: &VerifyArgs) -> Result<Verdict, CommandError> {
    let bar = OnceCell::new();
    let told = &*ui;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let found = check(Arc::new(StdFs), &context.log, &contracts(), threads, &mut |done, total| {
        bar.get_or_init(|| told.progress("verify", total, Unit::Bytes)).at_of(done, total);
    })?;
    drop(bar);
    if context.json {
        ui.json(&object(&found))?;
    } else {
        print(ui, &found)?;
    }
    Ok(Verdict::of(found.is_good()))
}

fn print(ui: &mut Ui, found: &Check) -> Result<(), CommandError> {
    let report = &found.report;
    for finding in report.findings.kept() {
        ui.finding(format_args!("{finding}"));
    }
    let untold = report.findings.count() - report.findings.kept().len() as u64;
    if untold > 0 {
        ui.finding(format_args!("and {untold} more"));
    }
    for finding in &found.contract_findings {
        ui.finding(format_args!("{finding}"));
    }
    let (verdict, broken) = (report.verdict(), found.contract_findings.len());
    let word = verdict.word();
    let mut rows = vec![("verdict", word.to_owned(), Tone::of(word))];
    if !found.is_good() && report.findings.count() > 0 {
        rows.push(("advice", verdict.advice().to_owned(), Tone::Plain));
    }
    let contracts = match broken {
        0 => format!("{}, each as its contract says", counted(found.runs, "run")),
        _ => format!("{}, of which {broken} cannot be folded", counted(found.runs, "run")),
    };
    if !found.losses.is_empty() {
        rows.push(("losses", losses(found), Tone::Warning));
    }
    rows.push(("contracts", contracts, if broken == 0 { Tone::Plain } else { Tone::Bad }));
    let [events, commits] = [counted(report.events, "event"), counted(report.commits, "commit")];
    let [streams, segments] = [counted(report.streams, "stream"), counted(report.segments, "segment")];
    let read = format!("{events} in {commits} of {streams}; {} bytes in {segments}", report.size);
    let end = format!("position {}, next seq {}", report.end, report.next_seq);
    rows.extend([
        ("read", read, Tone::Plain),
        ("end", end, Tone::Plain),
        ("root", report.root.to_string(), Tone::Plain),
    ]);
    facts(ui, &rows)
}

/// What was given up, in words; the log itself records it, so it is no finding.
fn losses(found: &Check) -> String {
    let told = found.losses.iter().map(|(seq, loss)| {
        let events = loss.next_seq.map_or("an unknown number of events".to_owned(), |next| {
            format!("at least {}", counted(next.saturating_sub(seq.0), "event"))
        });
        format!("{events} from seq {seq} on, accepted by {}", loss.accepted_by)
    });
    told.collect::<Vec<_>>().join("; ")
}

fn object(found: &Check) -> VerifyObject<'_> {
    let report = &found.report;
    let findings = report.findings.kept().iter().map(|finding| VerifyFinding {
        verdict: finding.verdict.word(),
        position: finding.position.0,
        seq: finding.seq.map(|seq| seq.0),
        stream: finding.stream.as_deref(),
        rule: finding.rule,
        message: &finding.message,
        expected: &finding.expected,
        found: &finding.found,
    });
    let contract_findings = found.contract_findings.iter();
    let losses = found.losses.iter().map(|(seq, loss)| VerifyLoss {
        seq: seq.0,
        position: loss.position,
        bytes: loss.len,
        next_seq: loss.next_seq,
        kept_as: loss.kept_as.as_deref(),
        accepted_by: &loss.accepted_by,
    });
    VerifyObject {
        verdict: report.verdict().word(),
        good: found.is_good(),
        log_id: report.log_id.map(|id| id.to_string()),
        segments: report.segments,
        bytes: report.size,
        commits: report.commits,
        events: report.events,
        streams: report.streams,
        runs: found.runs,
        unknown_kinds: report.unknown_kinds,
        end: report.end.0,
        next_seq: report.next_seq.0,
        root: report.root.to_string(),
        findings_count: report.findings.count(),
        findings: findings.collect(),
        contract_findings: contract_findings
            .map(|error| ReplayErrorObject { seq: error.seq.0, run: &error.run, message: &error.message })
            .collect(),
        losses: losses.collect(),
    }
}
