//! `evlog explain`: why a run is in its state.

mod lineage;
mod why;

pub(crate) use lineage::{Lineage, retried_in};

use crate::args::At;
use crate::commands::run::{next_step, retried_by_hand};
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::files::RUN_FILE;
use crate::formats::{Answered, Format};
use crate::json::{ExplainObject, ExplainReason, ExplainWaiting, TimesMembers};
use crate::marks;
use crate::table::{facts, print};
use crate::ui::{Tone, Ui, alert, visible};
use clap::{Args, ValueEnum};
use evlog::{LogError, Times, View};
use evlog_lifecycle::explain::{Documents, Explanation, Reason, Role, Waiting, explain};
use evlog_lifecycle::pipeline::REPORTS;
use evlog_projection::Bundle;
use evlog_projection::contracts::AUDIT_PATH;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::ControlFlow;

/// Said where the log records no time at which something is due.
pub(crate) const NOT_DUE: &str = "no time recorded";

/// Times by seq, and the difference beyond which they get a mark.
pub(crate) type TimesBySeq = BTreeMap<u64, (Times, u128)>;

const EXAMPLES: &str = "\
Examples:
  evlog explain build-1047
  evlog explain build-1047 --format markdown >> \"$GITHUB_STEP_SUMMARY\"
  evlog explain build-1047 --json | jq -r .summary
  evlog explain build-1047 --at 41            as it was at seq 41
  evlog explain build-1047 --why /stages/3/state";

/// Explain why a run is in its state, cause first, with the events that show it
///
/// For a pipeline, the first fatal failure is the cause, and stages that never ran are consequences. A failed publish
/// gate is explained by its first finding. For a retry, it lists the stages that were reused, and the run that they
/// come from; for a run that was retried, the runs that retry it. A rejected request is shown with what would have been
/// allowed. For other runs, it shows the last transition of the run and of each step. For a run that has not ended, it shows
/// what it waits for, since when, and what is due next. Everything is read from the log.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// Show the events that made one value of `run.json`, or of another file of the run: a JSON pointer such as
    /// /stages/3/state, or FILE#POINTER. They suffice to make it, and none of them can be left out. A value that changed last
    /// after more than 100000 events of the run, or that more than some 2000 events make (such as a count), is refused
    #[arg(long, value_name = "POINTER", conflicts_with = "format")]
    why: Option<String>,
    #[command(flatten)]
    answered: Answered<Page>,
    #[command(flatten)]
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Page {
    /// For the summary page of a CI job.
    Markdown,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ExplainArgs) -> Result<Verdict, CommandError> {
    if let Some(pointer) = &args.why {
        return why::run(ui, context, args, pointer);
    }
    let view = context.view_up_to_damage(&args.at)?;
    let Some(bundle) = view.bundle(&args.run)? else {
        return Err(CommandError::no_run(&view, &args.run));
    };
    let run_json = json(&bundle, RUN_FILE);
    // The rest of the log is only read for this, and may be damaged where the run is not.
    let retried_by = lineage::retried_by(&view, &args.run, &run_json).unwrap_or_else(|error| {
        alert(&format!("warning: it is not known whether other runs retry this one: {error}"));
        Vec::new()
    });
    let lineage = Lineage::of(&view, &bundle, &run_json, retried_by)?;
    let found = explanation(&bundle, &run_json, &lineage);
    let times = times(&view, &args.run)?;
    match args.answered.format(context) {
        Format::Text => text(ui, &args.run, &found, &times),
        Format::Json => ui.json(&object(&args.run, &found, &times)),
        Format::Own(Page::Markdown) => ui.file(markdown(&args.run, &found, &times).as_bytes()),
    }
    // A process that was killed could not record that the run has stopped.
    if let Some(step) = next_step(context, &args.run).filter(|_| is_in_progress(&bundle, &found)) {
        ui.advise(&step);
    }
    if can_be_retried(&bundle, &found) {
        ui.advise(&format!("after the fix, {} reuses what succeeded, and runs the rest", retried_by_hand(&args.run)));
    }
    Ok(Verdict::Yes)
}

/// When the events of a run were recorded and occurred, by seq.
pub(crate) fn times(view: &View, run: &str) -> Result<TimesBySeq, LogError> {
    let (mut times, policies) = (BTreeMap::new(), marks::policies(view));
    view.stream::<LogError>(run, &mut |fact| {
        times.insert(fact.seq.0, (Times::of(&fact.head), policies.apart_ns(fact.seq)));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(times)
}

/// The sentence, and the mark of the last of its events.
pub(crate) fn sentence(reason: &Reason, times: &TimesBySeq) -> String {
    let last = reason.seqs.last().and_then(|seq| times.get(seq));
    match last.and_then(|(times, apart_ns)| times.mark(*apart_ns)) {
        Some(mark) => format!("{} ({})", reason.text, marks::text(mark)),
        None => reason.text.clone(),
    }
}

fn bytes<'b>(bundle: &'b Bundle, path: &str) -> &'b [u8] {
    bundle.files.get(path).map_or(&[], |file| &file.bytes)
}

/// A projected file; null where there is none.
pub(crate) fn json(bundle: &Bundle, path: &str) -> Value {
    serde_json::from_slice(bytes(bundle, path)).unwrap_or_default()
}

pub(crate) fn explanation(bundle: &Bundle, run: &Value, lineage: &Lineage) -> Explanation {
    let lines = bytes(bundle, AUDIT_PATH).split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let audit: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap_or_default()).collect();
    let report = |path: &String| {
        let stage = path.strip_prefix(REPORTS)?.strip_prefix('/')?.strip_suffix(".json")?;
        Some((stage.to_owned(), json(bundle, path)))
    };
    let reports: BTreeMap<String, Value> = bundle.files.keys().filter_map(report).collect();
    let manifest = json(bundle, "manifest.json");
    explain(&Documents {
        run,
        manifest: &manifest,
        audit: &audit,
        reports: &reports,
        earlier: &lineage.earlier,
        retries: &lineage.retries,
        retried_by: &lineage.retried_by,
    })
}

/// Whether the run is one of `evlog run`, with this status.
fn is_planned(bundle: &Bundle, found: &Explanation, statuses: &[&str]) -> bool {
    let has_plan = json(bundle, "manifest.json")["extensions"]["orchestrator"]["plan"].is_object();
    found.contract == "pipeline" && has_plan && statuses.contains(&found.status.as_str())
}

/// Whether the run has not ended.
fn is_in_progress(bundle: &Bundle, found: &Explanation) -> bool {
    is_planned(bundle, found, &["in_progress"])
}

/// Whether the run ended without success.
fn can_be_retried(bundle: &Bundle, found: &Explanation) -> bool {
    is_planned(bundle, found, &["failed", "partial"])
}

fn object<'a>(run: &'a str, found: &'a Explanation, times: &TimesBySeq) -> ExplainObject<'a> {
    let of_seq = |seq: &u64| times.get(seq).map(|(times, apart_ns)| TimesMembers::new(*times, *apart_ns));
    let reason = |reason: &'a Reason| ExplainReason {
        role: reason.role.word(),
        subject: &reason.subject,
        state: &reason.state,
        text: &reason.text,
        seqs: &reason.seqs,
        times: reason.seqs.iter().map(of_seq).collect(),
    };
    let waiting = |waiting: &'a Waiting| ExplainWaiting {
        subject: &waiting.subject,
        text: &waiting.text,
        since: waiting.since,
        times: of_seq(&waiting.since),
        due: waiting.due.as_deref(),
    };
    ExplainObject {
        run,
        contract: &found.contract,
        status: &found.status,
        summary: &found.summary,
        reasons: found.reasons.iter().map(reason).collect(),
        waiting: found.waiting.iter().map(waiting).collect(),
    }
}

fn tone(role: Role) -> Tone {
    match role {
        Role::Cause => Tone::Bad,
        Role::Failure | Role::Refused | Role::Open => Tone::Warning,
        Role::Consequence | Role::Skipped | Role::Disabled => Tone::Faint,
        Role::Note => Tone::Plain,
        Role::Fine => Tone::Good,
    }
}

fn seqs(reason: &Reason) -> String {
    reason.seqs.iter().map(u64::to_string).collect::<Vec<String>>().join(", ")
}

fn text(ui: &mut Ui, run: &str, found: &Explanation, times: &TimesBySeq) {
    let status = Tone::of(&found.status.to_lowercase());
    facts(
        ui,
        &[
            ("run", run.to_owned(), Tone::Strong),
            ("status", found.status.clone(), status),
            ("why", found.summary.clone(), Tone::Plain),
        ],
    );
    ui.line(format_args!(""));
    let row = |reason: &Reason| {
        vec![
            (reason.role.word().to_owned(), tone(reason.role)),
            (reason.subject.clone(), Tone::Strong),
            (seqs(reason), Tone::Faint),
            (sentence(reason, times), Tone::Plain),
        ]
    };
    let rows: Vec<_> = found.reasons.iter().map(row).collect();
    print(ui, &["is", "what", "seq", "why"], &rows);
    if found.waiting.is_empty() {
        return;
    }
    ui.line(format_args!(""));
    let row = |waiting: &Waiting| {
        vec![
            (waiting.subject.clone(), Tone::Strong),
            (waiting.text.clone(), Tone::Plain),
            (since(waiting, times), Tone::Faint),
            (waiting.due.clone().unwrap_or_else(|| NOT_DUE.to_owned()), Tone::Warning),
        ]
    };
    let rows: Vec<_> = found.waiting.iter().map(row).collect();
    print(ui, &["what", "waits for", "since", "due"], &rows);
}

/// The event since which something is waited for, and when it was recorded.
pub(crate) fn since(waiting: &Waiting, times: &TimesBySeq) -> String {
    let recorded = times.get(&waiting.since).map(|(times, _)| format!(", {}", marks::to_second(times.recorded_ns)));
    format!("seq {}{}", waiting.since, recorded.unwrap_or_default())
}

/// A heading, the sentence and a table. Recorded text is escaped, so it cannot act as markup.
fn markdown(run: &str, found: &Explanation, times: &TimesBySeq) -> String {
    let row = |reason: &Reason| {
        let [subject, text] = [&reason.subject, &sentence(reason, times)].map(|text| plain(text));
        format!("| {} | {subject} | {} | {text} | {} |\n", reason.role.word(), plain(&reason.state), seqs(reason))
    };
    let rows: String = found.reasons.iter().map(row).collect();
    let row = |waiting: &Waiting| {
        let [subject, text] = [&waiting.subject, &waiting.text].map(|text| plain(text));
        let due = plain(waiting.due.as_deref().unwrap_or(NOT_DUE));
        format!("| {subject} | {text} | {} | {due} |\n", plain(&since(waiting, times)))
    };
    let mut waiting: String = found.waiting.iter().map(row).collect();
    if !waiting.is_empty() {
        waiting.insert_str(0, "\n| what | waits for | since | due |\n| - | - | - | - |\n");
    }
    let (run, status, summary) = (plain(run), plain(&found.status), plain(&found.summary));
    let head = format!("## {run}: {status}\n\n{summary}\n\n| is | what | state | why | seq |\n| - | - | - | - | - |\n");
    format!("{head}{rows}{waiting}")
}

/// Escapes text so that nothing in it is markup, except code between two backticks, which the explanation itself writes. Within a
/// table a bar would end a cell even there.
fn plain(text: &str) -> String {
    let text = visible(text);
    let pieces: Vec<&str> = text.split('`').collect();
    let is_code = |code: &&str| !code.trim().is_empty() && !code.contains('|');
    let is_paired = pieces.len() % 2 == 1 && pieces.iter().skip(1).step_by(2).all(is_code);
    if !is_paired {
        return escaped(&text);
    }
    let piece = |(index, piece): (usize, &&str)| match index % 2 {
        0 => escaped(piece),
        _ => format!("`{piece}`"),
    };
    pieces.iter().enumerate().map(piece).collect()
}

/// GitHub makes links of addresses in text, also after a backslash, so punctuation becomes character references; a colon before
/// a space begins no address. It looks for mail addresses, names and numbers of issues in what the references stand for; a
/// comment divides them.
fn escaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let is_plain = !c.is_ascii_punctuation() || ",;()'\"/".contains(c) || c == ':' && rest.peek() == Some(&' ');
        let _infallible = match c {
            '@' | '#' => write!(plain, "&#{};<!-- -->", u32::from(c)),
            c if is_plain => plain.write_char(c),
            c => write!(plain, "&#{};", u32::from(c)),
        };
    }
    plain
}
