//! `evlog check-evidence`: checks the page that `evidence` wrote, without a log.

use crate::commands::evidence::explained;
use crate::commands::verify::TOO_FEW;
use crate::commands::verify::report::witnessed;
use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::evidence::{Evidence, Judged, LEN_MAX, judge};
use crate::files;
use crate::formats::{Answered, Format};
use crate::json::{EvidenceObject, MarkedEvent, TimesMembers, WitnessesObject};
use crate::keys;
use crate::marks;
use crate::notes::{Trust, Witnesses};
use crate::reports::{self, Answer, Base, Finding, Kind, Place, Report, Rule};
use crate::table::{counted, facts};
use crate::ui::{Tone, Ui};
use clap::Args;
use evlog::{APART_NS, Times};
use evlog_format::Seq;
use std::path::{Path, PathBuf};

/// The most correlations of the run that a line shows; the rest are only counted.
const CORRELATIONS_SHOWN: usize = 3;

const EXAMPLES: &str = "\
Examples:
  evlog check-evidence RUN_0001.html --key builds.pub
  evlog check-evidence RUN_0001.html --policy policy.txt --json
  evlog check-evidence RUN_0001.html --key builds.pub --format junit \\
      > evidence.xml";

/// Check an evidence page, without the log
///
/// Checks that the key has signed the checkpoint, that the signed log contains each event and none is missing between
/// them, that the projections follow from these events, and that the page shows its data unchanged. No page can prove
/// that the run has no later events: the answer reports the last event that it covers. The exit code is 1 if a check
/// fails, or if the run's contract forbids one of the events.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckEvidenceArgs {
    /// The evidence page
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The log's public key; get it from another source than the page
    #[arg(long, value_name = "FILE", required_unless_present = "policy")]
    key: Option<PathBuf>,
    /// A witness policy: which witnesses must have cosigned the checkpoint
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    answered: Answered<Kind>,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &CheckEvidenceArgs) -> Result<Verdict, CommandError> {
    let format = args.answered.format(context);
    let done = checked(ui, args, format);
    reports::settled(ui, format, || empty(&args.file), done)
}

fn checked(ui: &mut Ui, args: &CheckEvidenceArgs, format: Format<Kind>) -> Result<Verdict, CommandError> {
    let unread = |what: String| CommandError::user(format!("evidence `{}`: {what}", args.file.display()));
    let trust = Trust::load(args.key.as_deref(), args.policy.as_deref())?;
    let page = files::read_text(&args.file, LEN_MAX).map_err(|error| error.during("evidence"))?;
    keys::refuse_private("evidence", "a page of `evlog evidence`", &args.file, page.as_bytes())?;
    let evidence = Evidence::of_page(&page).map_err(|what| {
        unread(what).hint(
            "give the file that `evlog evidence --out FILE` wrote, unchanged: a browser that saves a page changes it",
        )
    })?;
    let signed = trust.open_bytes(&args.file, evidence.checkpoint.as_bytes())?;
    let witnesses = trust.witnesses(&args.file, &signed)?;
    let mut judged = judge(&evidence, &contracts(), explained).map_err(unread)?;
    judged.compare(&evidence);
    // Generate the page again from the judged data: a page that shows anything else has other bytes.
    let mut sound = evidence.clone();
    judged.complete(&mut sound);
    // The style sheet is that of the evlog that wrote the page, so only its look can differ from today's (E-53).
    let shown = evlog_report::with_present_style(&page);
    if judged.findings.is_empty() && shown.as_deref() != Some(sound.to_page(&judged)?.as_str()) {
        judged.findings.push(
            "the page does not show what its data says: it was changed, or another version of evlog wrote it"
                .to_owned(),
        );
    }
    if let Format::Own(kind) = format {
        let report = report(&args.file, &evidence.run, &judged, witnesses.as_ref());
        report.print(ui, kind);
        return Ok(Verdict::of(report.has_no_finding()));
    }
    if witnesses.as_ref().is_some_and(|witnesses| !witnesses.enough) {
        judged.findings.push(TOO_FEW.to_owned());
    }
    for finding in judged.findings.iter().chain(&judged.contract_finding) {
        ui.finding(format_args!("{finding}"));
    }
    let holds = judged.findings.is_empty() && judged.contract_finding.is_none();
    if format == Format::Json {
        object(ui, &evidence, &judged, witnesses.as_ref(), holds);
    } else if holds {
        print(ui, &evidence, &judged, witnesses.as_ref());
    }
    Ok(Verdict::of(holds))
}

/// A report on a page, before anything was checked.
fn empty(page: &Path) -> Report {
    Report::new("evlog check-evidence", page.display().to_string(), Base::of_file(page))
}

fn report(page: &Path, run: &str, judged: &Judged, witnesses: Option<&Witnesses>) -> Report {
    let mut report = empty(page);
    report.says("run", run);
    report.says("limit", judged.limit());
    let found = |sentence: &String| Finding {
        place: Some(Place::run(run)),
        found: sentence.clone(),
        sentence: sentence.clone(),
        ..Finding::default()
    };
    let help = "docs/proofs.md explains what evidence shows.";
    let title = "the signed log holds the events, and the page and its projections follow from them";
    report.asked(Rule::new("evidence", title, help), Answer::found(judged.findings.iter().map(found)));
    let title = "the contract of the run allows its events";
    report.asked(Rule::new("contract", title, help), Answer::found(judged.contract_finding.iter().map(found)));
    witnessed(&mut report, witnesses.map(|witnesses| witnesses.enough));
    report
}

fn print(ui: &mut Ui, evidence: &Evidence, judged: &Judged, witnesses: Option<&Witnesses>) {
    let checkpoint = &judged.checkpoint;
    let status = judged.status.as_deref().unwrap_or("unknown");
    let events = format!(
        "{}, from the first event of the run; each is in the signed log, none is missing",
        counted(judged.events.len() as u64, "event")
    );
    let files = format!("{}, as the events give them", counted(judged.projections.len() as u64, "projection"));
    let mut rows = vec![
        ("evidence", "holds".to_owned(), Tone::Good),
        ("run", evidence.run.clone(), Tone::Strong),
        ("status", status.to_owned(), Tone::of(status)),
        ("events", events, Tone::Plain),
        ("recorded", recorded(judged), Tone::Plain),
        ("limit", judged.limit(), Tone::Warning),
        ("files", files, Tone::Plain),
        ("log", format!("{} ({})", checkpoint.origin, checkpoint.log_id), Tone::Plain),
        ("covers", format!("{} bytes, the events before seq {}", checkpoint.size, checkpoint.next_seq), Tone::Plain),
    ];
    rows.extend(evidence.signed.as_ref().map(|time| {
        let text = format!("the page says that the checkpoint was signed by {time}; nothing proves this time");
        ("unproven", text, Tone::Warning)
    }));
    rows.extend(correlations(judged).map(|text| ("correlation", text, Tone::Plain)));
    rows.extend(mark(judged).map(|text| ("mark", text, Tone::Warning)));
    rows.extend(witnesses.map(Witnesses::row));
    facts(ui, &rows);
}

/// How many events are marked, and the first of them.
fn mark(judged: &Judged) -> Option<String> {
    let mut marked = judged.times.iter().filter_map(|(seq, times)| Some((seq, times.mark(APART_NS)?)));
    let (seq, first) = marked.next()?;
    let text = format!("seq {seq}: {}", marks::text(first));
    match marked.count() as u64 {
        0 => Some(text),
        more => Some(format!("{text}; and {}, which `--json` lists", counted(more, "more event"))),
    }
}

/// What ties the run to others: the first few texts, and how many more there are.
fn correlations(judged: &Judged) -> Option<String> {
    let all = judged.correlations();
    let shown = all.iter().take(CORRELATIONS_SHOWN).copied().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(CORRELATIONS_SHOWN) {
        _ if all.is_empty() => None,
        0 => Some(shown),
        more => Some(format!("{shown} and {more} more")),
    }
}

/// When the first and the last event were recorded.
fn recorded(judged: &Judged) -> String {
    let ends = [judged.times.first(), judged.times.last()].into_iter().flatten();
    ends.map(|(_, times)| marks::to_second(times.recorded_ns)).collect::<Vec<_>>().join(" to ")
}

fn marked((seq, times): &(Seq, Times)) -> Option<MarkedEvent> {
    times.mark(APART_NS).map(|_| MarkedEvent { seq: seq.0, times: TimesMembers::new(*times, APART_NS) })
}

fn object(ui: &mut Ui, evidence: &Evidence, judged: &Judged, witnesses: Option<&Witnesses>, holds: bool) {
    let checkpoint = &judged.checkpoint;
    ui.json(&EvidenceObject {
        holds,
        run: &evidence.run,
        contract: judged.contract.as_deref(),
        status: judged.status.as_deref(),
        events: judged.events.len() as u64,
        first: judged.times.first().map(|(_, times)| TimesMembers::new(*times, APART_NS)),
        last: judged.times.last().map(|(_, times)| TimesMembers::new(*times, APART_NS)),
        marked: judged.times.iter().filter_map(marked).collect(),
        limit: judged.limit(),
        signed: evidence.signed.as_deref(),
        files: judged.projections.len() as u64,
        origin: &checkpoint.origin,
        log_id: checkpoint.log_id.to_string(),
        size: checkpoint.size.0,
        root: judged.root().to_string(),
        next_seq: checkpoint.next_seq.0,
        witnesses: witnesses.map(WitnessesObject::new),
        findings: &judged.findings,
        contract_finding: judged.contract_finding.as_deref(),
    });
}
