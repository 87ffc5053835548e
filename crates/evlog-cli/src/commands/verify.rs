//! `evlog verify`: bytes, checksums, order, roots, contracts: the verdict.

pub(crate) mod report;
mod resume;
mod sample;

use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::events::cut;
use crate::formats::{Answered, Format};
use crate::json::{
    EvidenceFrom, ReplayErrorObject, ResumedObject, VerifiedCheckpoint, VerifyFinding, VerifyLoss, VerifyObject,
    WitnessesObject, time,
};
use crate::notes::{self, Trust, Witnesses};
use crate::reports::{self, Kind};
use crate::table::{counted, facts};
use crate::turn::Turn;
use crate::ui::{Tone, Ui, Unit};
use clap::Args;
use evlog::Log;
use evlog::check::resume::Resumed;
use evlog::check::{Check, check};
use evlog::covered::{compare, compare_stated};
use evlog::history::{LOG_STREAM, Verified};
use evlog::own_notes::{Judged, OwnNotes};
use evlog_format::{LogId, Position};
use evlog_projection::FoldError;
use evlog_projection::time::to_rfc3339;
use evlog_proof::Signed;
use evlog_store::{Checkpoints, Fs, RawLog};
use evlog_verify::audit::Report;
use evlog_verify::{Covered, Verdict as WorstVerdict};
use std::cell::{Cell, OnceCell};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many characters of a name a sentence shows.
const NAME_LEN_SHOWN: usize = 120;

/// The finding about a checkpoint that too few have cosigned.
pub(crate) const TOO_FEW: &str = "too few witnesses have cosigned the checkpoint";

const EXAMPLES: &str = "\
Verdicts, worst first:
  tampered    the bytes are well-formed, but a root, the order or a digest
              does not match
  truncated   bytes are missing that were synced, by the log's own records
  damaged     committed bytes have changed
  torn_tail   the last bytes are an unfinished commit that was never
              acknowledged; the next writer cuts it
  clean       everything matches

Examples:
  evlog verify
  evlog verify --json | jq -r .root
  evlog verify --format junit > verify.xml
      test results for a CI job
  evlog verify --checkpoint builds.note --key builds.pub
      check that nothing was rewritten or cut since then
  evlog verify --checkpoint builds.note --policy policy.txt --record
  evlog verify --max-rate 50M
      leave disk bandwidth for a writer
  evlog verify --resume progress
      after Ctrl-C, run it again: it continues
  evlog verify --sample 1% --checkpoint builds.note --key builds.pub
      check 1% of the segments against the signed root
  cat evlog/segments/*.seg | b3sum
      the same root from another tool (closed log only)";

/// Verify the whole log, and print the verdict
///
/// The exit code is 0 only if the verdict is clean and no run breaks its contract. Nothing is repaired, and nothing is
/// written except with --record. A log alone cannot show whether its whole history was rewritten, with new checksums
/// and roots. A checkpoint that was kept elsewhere can: use --checkpoint.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// Compare the log with a checkpoint that was kept elsewhere: what it covers must be unchanged
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The public key of the log, which must have signed the checkpoint
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    key: Option<PathBuf>,
    /// A witness policy: which witnesses must have cosigned the checkpoint
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    policy: Option<PathBuf>,
    /// Limit the reading rate, in bytes per second (`50M`, `1G`); uses one thread
    #[arg(long, value_name = "BYTES", value_parser = rate)]
    max_rate: Option<NonZeroU64>,
    /// Save progress in FILE, and continue from it if it exists. FILE is removed when the verdict is printed. Parts
    /// that were read before are not read again. Uses one thread
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Read only this share of the sealed segments (`1%`), chosen at random, and the last segment, and report the confidence
    #[arg(long, value_name = "SHARE", value_parser = sample::share, conflicts_with_all = ["resume", "record"])]
    sample: Option<u64>,
    /// With --sample: choose the same segments as an earlier sample, by the seed that it printed
    #[arg(long, value_name = "NUMBER", requires = "sample", value_parser = clap::value_parser!(u64).range(..1 << 53))]
    seed: Option<u64>,
    /// Record the verification as an event of `$log`, if the log still begins with what was verified. Nothing else is
    /// written to the log
    #[arg(long)]
    record: bool,
    #[command(flatten)]
    answered: Answered<Kind>,
    #[command(flatten)]
    turn: Turn,
}

impl VerifyArgs {
    /// Whether the command writes to the log.
    pub(crate) fn writes(&self) -> bool {
        self.record
    }
}

fn rate(text: &str) -> Result<NonZeroU64, String> {
    let wrong = || format!("expected bytes per second, such as `50M` (with K, M or G), found {text:?}");
    let (number, unit) = match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((number, "K")) => (number, 1 << 10),
        Some((number, "M")) => (number, 1 << 20),
        Some((number, "G")) => (number, 1 << 30),
        _ => (text, 1),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes.and_then(NonZeroU64::new).ok_or_else(wrong)
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &VerifyArgs) -> Result<Verdict, CommandError> {
    let format = args.answered.format(context);
    let done = verified(ui, context, args, format);
    reports::settled(ui, format, || report::empty("evlog verify", &context.log), done)
}

fn verified(ui: &mut Ui, context: &Context, args: &VerifyArgs, format: Format<Kind>) -> Result<Verdict, CommandError> {
    let kept = args.checkpoint.as_deref().map(|path| Kept::load(path, args.key.as_deref(), args.policy.as_deref()));
    let kept = kept.transpose()?;
    let pace = args.max_rate.map(Pace::new);
    if let Some(share) = args.sample {
        let chosen = sample::chosen(share, args.seed)?;
        return sample::run(ui, context, chosen, kept.as_ref(), pace.as_ref(), format);
    }
    let (mut found, resumed) = match &args.resume {
        Some(path) => {
            let Resumed { check, before, begun_ns } = resume::run(ui, context, path, pace.as_ref())?;
            (check, Some((before, begun_ns)).filter(|(before, _)| before.0 > 0))
        }
        None => (whole(ui, context, pace.as_ref())?, None),
    };
    if let Some(kept) = &kept {
        kept.compare(ui, context, &mut found.report)?;
    }
    let own = own(context, &mut found.report, kept.as_ref())?;
    match format {
        Format::Text => print(ui, context, &found, kept.as_ref(), &own, resumed),
        Format::Json => ui.json(&object(&found, kept.as_ref(), &own, resumed)),
        Format::Own(kind) => {
            let runs = Some(found.contract_findings.as_slice());
            let subject = report::Subject::new(&context.log, &found.report, runs, &own);
            subject.compared_with(kept.as_ref()).report().print(ui, kind);
        }
    }
    if args.record {
        record(context, &args.turn, &found, kept.as_ref(), resumed)?;
    }
    Ok(Verdict::of(found.is_good() && kept.is_none_or(|kept| kept.is_witnessed())))
}

/// The position that an earlier verification had reached, and when the first one began, in Unix nanoseconds.
type Before = Option<(Position, i64)>;

/// Reads all of the log.
pub(crate) fn whole(ui: &Ui, context: &Context, pace: Option<&Pace>) -> Result<Check, CommandError> {
    let bar = OnceCell::new();
    let threads = match pace {
        Some(_) => NonZeroUsize::MIN,
        None => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    Ok(check(context.fs()?, &context.log, &contracts(), threads, &mut |done, total| {
        bar.get_or_init(|| ui.progress("verify", total, Unit::Bytes)).at_of(done, total);
        if let Some(pace) = pace {
            pace.keep(done);
        }
    })?)
}

/// A checkpoint whose signature holds, and who cosigned it.
pub(crate) struct Kept {
    trust: Trust,
    signed: Signed,
    witnesses: Option<Witnesses>,
}

impl Kept {
    /// Checks the signatures of a checkpoint.
    pub(crate) fn load(path: &Path, key: Option<&Path>, policy: Option<&Path>) -> Result<Kept, CommandError> {
        let trust = Trust::load(key, policy)?;
        let signed = trust.open(path)?;
        let witnesses = trust.witnesses(path, &signed)?;
        Ok(Kept { trust, signed, witnesses })
    }

    /// Compares the log with the checkpoint. Adds the findings to the report.
    pub(crate) fn compare(&self, ui: &Ui, context: &Context, report: &mut Report) -> Result<(), CommandError> {
        let (bar, log) = (OnceCell::new(), &context.log);
        let mut older = || self.older(context);
        compare(context.fs()?, log, report, &self.covered(), &mut older, &mut |done, total| {
            bar.get_or_init(|| ui.progress("compare", total, Unit::Bytes)).at(done);
        })?;
        Ok(compare_stated(context.fs()?, log, report, &notes::stated_by(self.signed.checkpoint()))?)
    }

    fn covered(&self) -> Covered {
        covered(&self.signed)
    }

    /// The claims of the log's kept checkpoints that have the same signer as this one. Others are ignored.
    fn older(&self, context: &Context) -> Vec<Covered> {
        // The log was read before, so its file system is known.
        let Ok(fs) = context.fs() else { return Vec::new() };
        let kept = Checkpoints::new(fs, &context.log);
        let sizes = kept.sizes().unwrap_or_default().into_iter();
        let opened = |size| self.trust.open_bytes(&kept.path(size), &kept.read(size).ok()?).ok();
        sizes.filter_map(opened).map(|signed| covered(&signed)).collect()
    }

    /// Whether enough witnesses have cosigned it, if any are required.
    pub(crate) fn is_witnessed(&self) -> bool {
        self.witnesses.as_ref().is_none_or(|witnesses| witnesses.enough)
    }

    fn witnesses_row(&self) -> Option<(&'static str, String, Tone)> {
        self.witnesses.as_ref().map(Witnesses::row)
    }

    fn object(&self) -> VerifiedCheckpoint<'_> {
        let Covered { size, root, .. } = self.covered();
        VerifiedCheckpoint {
            origin: &self.signed.checkpoint().origin,
            size: size.0,
            root: root.to_string(),
            witnesses: self.witnesses.as_ref().map(WitnessesObject::new),
        }
    }
}

fn covered(signed: &Signed) -> Covered {
    notes::covered_by(signed.checkpoint())
}

/// Adds what the log's own notes show.
pub(crate) fn own(context: &Context, report: &mut Report, given: Option<&Kept>) -> Result<Judged, CommandError> {
    let parse = |bytes: &[u8], recorded: &[String]| notes::claim(bytes, recorded, given.map(|given| &given.trust));
    // Do not repeat what a checkpoint from elsewhere has shown already.
    let given = given.filter(|_| report.findings.count() > 0).map(|given| given.covered().size);
    let fs: Arc<dyn Fs> = context.fs()?;
    Ok(OwnNotes::new(&fs, &context.log).judge(report, given, &parse)?)
}

/// Limits the reading rate: waits when reading is ahead.
pub(crate) struct Pace {
    bytes_per_second: NonZeroU64,
    since: Instant,
    /// How many bytes had been read before.
    from: Cell<u64>,
}

impl Pace {
    fn new(bytes_per_second: NonZeroU64) -> Pace {
        Pace { bytes_per_second, since: Instant::now(), from: Cell::new(0) }
    }

    /// This many bytes count as read before the first second.
    fn begin_at(&self, done: u64) {
        self.from.set(done);
    }

    fn keep(&self, done: u64) {
        let nanos =
            u128::from(done.saturating_sub(self.from.get())) * 1_000_000_000 / u128::from(self.bytes_per_second.get());
        let due = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        if let Some(ahead) = due.checked_sub(self.since.elapsed()) {
            std::thread::sleep(ahead);
        }
    }
}

fn record(
    context: &Context,
    turn: &Turn,
    found: &Check,
    kept: Option<&Kept>,
    resumed: Before,
) -> Result<(), CommandError> {
    let report = &found.report;
    let how = if resumed.is_some() { " --resume" } else { "" };
    let verified = Verified {
        program: format!("evlog verify{how} {}", env!("CARGO_PKG_VERSION")),
        verdict: report.verdict().word().to_owned(),
        size: report.end.0,
        next_seq: report.next_seq.0,
        root: report.root.0,
        findings: report.findings.count() + found.contract_findings.len() as u64,
        checkpoint: kept.map(|kept| kept.covered().size.0),
    };
    let log = context.writer("verify", turn)?;
    let recorded =
        is_of(&log, report).and_then(|is_of| if is_of { Ok(Some(log.record_verified(&verified)?)) } else { Ok(None) });
    match CommandError::followed_by(recorded, log.close().map_err(CommandError::from))? {
        Some(()) => Ok(()),
        None => Err(CommandError::user(format!(
            "the verification is not recorded: `{}` is not the log that was verified, or has changed: expected log {}, which \
             begins with {} bytes of root {}",
            context.log.display(),
            report.log_id.map_or("of no id that can be read".to_owned(), |id| id.to_string()),
            report.end,
            report.root
        ))
        .hint("the verdict is about the previous log; verify the new one")),
    }
}

/// Whether the log is the one that was verified.
fn is_of(log: &Log, report: &Report) -> Result<bool, CommandError> {
    Ok(report.log_id == Some(log.log_id()) && log.is_still(report.end, &report.root)?)
}

/// What is wrong with the bytes, and with the checkpoint.
fn findings(ui: &Ui, report: &Report, kept: Option<&Kept>) {
    for finding in report.findings.kept() {
        ui.finding(format_args!("{finding}"));
    }
    let left_out = report.findings.count() - report.findings.kept().len() as u64;
    if left_out > 0 {
        ui.finding(format_args!("and {left_out} more"));
    }
    if kept.is_some_and(|kept| !kept.is_witnessed()) {
        ui.finding(TOO_FEW);
    }
}

/// What is wrong with runs.
fn contract_findings(ui: &Ui, findings: &[FoldError]) {
    for finding in findings {
        ui.finding(format_args!("{finding}"));
    }
}

/// How many runs were judged. Nothing is known of runs beyond the first bytes that are not as they must be.
fn judged_runs(found: &Check) -> String {
    let (runs, end) = (counted(found.runs, "run"), found.report.end);
    if end.0 < found.report.size { format!("{runs} before position {end}") } else { runs }
}

/// The number of judged runs, and how many of them, and of the log's own events, break a contract or a policy.
fn contracts_row(runs: &str, policies: u64, findings: &[FoldError]) -> (&'static str, String, Tone) {
    let own = findings.iter().filter(|finding| finding.run == LOG_STREAM).count();
    let said = match (findings.len() - own, policies) {
        (0, 0) => format!("{runs}, each follows its contract"),
        (0, _) => format!("{runs}, each follows its contract and the policy in force at its time"),
        (broken, 0) => format!("{runs}, of which {broken} cannot be folded"),
        (broken, _) => format!("{runs}, of which {broken} break the policy or cannot be folded"),
    };
    let tone = if findings.is_empty() { Tone::Plain } else { Tone::Bad };
    let of_own = if own == 0 {
        String::new()
    } else {
        format!("; {} about the log's own events", counted(own as u64, "finding"))
    };
    ("contracts", said + &of_own, tone)
}

fn contract_objects(findings: &[FoldError]) -> Vec<ReplayErrorObject<'_>> {
    findings
        .iter()
        .map(|error| ReplayErrorObject { seq: error.seq.0, run: &error.run, message: &error.message })
        .collect()
}

fn print(ui: &mut Ui, context: &Context, found: &Check, kept: Option<&Kept>, own: &Judged, resumed: Before) {
    let report = &found.report;
    findings(ui, report, kept);
    contract_findings(ui, &found.contract_findings);
    let verdict = report.verdict();
    let word = verdict.word();
    let mut rows = vec![("verdict", word.to_owned(), Tone::of(word))];
    if !found.is_good() && report.findings.count() > 0 {
        rows.push(("advice", advice(context, found, kept), Tone::Plain));
    }
    if !found.losses.is_empty() {
        rows.push(("losses", losses(found), Tone::Warning));
    }
    rows.push(contracts_row(&judged_runs(found), found.policies, &found.contract_findings));
    let [events, commits] = [counted(report.events, "event"), counted(report.commits, "commit")];
    let [streams, segments] = [counted(report.streams, "stream"), counted(report.segments, "segment")];
    let read = format!("{events} in {commits} of {streams}; {} bytes in {segments}", report.size);
    let end = format!("position {}, next seq {}", report.end, report.next_seq);
    rows.extend([
        ("read", read, Tone::Plain),
        ("end", end, Tone::Plain),
        ("root", report.root.to_string(), Tone::Plain),
    ]);
    if let Some((before, begun_ns)) = resumed {
        let begun = to_rfc3339(begun_ns);
        let text = format!("from position {before}; an earlier verification, begun {begun}, read the bytes before");
        rows.push(("resumed", text, Tone::Warning));
    }
    if let Some(kept) = kept {
        let Covered { size, .. } = kept.covered();
        let beyond = report.size.saturating_sub(size.0);
        rows.push(("checkpoint", format!("covers {size} bytes; {beyond} came after it"), Tone::Plain));
        rows.extend(kept.witnesses_row());
    }
    rows.push(evidence_row(kept.is_some(), own));
    rows.extend(own.note.as_deref().map(own_row));
    facts(ui, &rows);
}

/// What the log was compared with. Only a checkpoint from elsewhere can show that the log was not rewritten together with its own checkpoints.
fn evidence_row(has_outside: bool, own: &Judged) -> (&'static str, String, Tone) {
    let count = counted(own.kept, "kept checkpoint");
    let kept = match (own.kept, own.compared) {
        (0, _) => "no kept checkpoint".to_owned(),
        (all, compared) if compared == all => format!("compared with {count}"),
        (_, compared) => format!("compared with {compared} of {count}"),
    };
    let (not_kept, tone) = match own.not_kept {
        0 => (String::new(), Tone::Plain),
        1 => ("; 1 that the log records is not kept".to_owned(), Tone::Warning),
        some => (format!("; {some} that the log records are not kept"), Tone::Warning),
    };
    let outside = if has_outside { "one from elsewhere" } else { "none from elsewhere" };
    ("evidence", format!("{kept}{not_kept}; {outside}"), tone)
}

fn evidence_object(has_outside: bool, own: &Judged) -> EvidenceFrom {
    let Judged { kept, compared, recorded, not_kept, .. } = *own;
    EvidenceFrom { kept, compared, recorded, not_kept, outside: has_outside }
}

/// Which of the log's own checkpoints was used as evidence.
fn own_row(path: &Path) -> (&'static str, String, Tone) {
    ("own note", format!("`{}`, a note that the log keeps itself", path.display()), Tone::Warning)
}

/// Advice. For a checkpoint that covers lost bytes: ask for a newer one.
fn advice(context: &Context, found: &Check, kept: Option<&Kept>) -> String {
    if found.report.verdict() == WorstVerdict::TornTail && !has_head(context, found.report.log_id) {
        return "the next writer cuts the tail and keeps it in quarantine. Without `HEAD` it is unknown \
                whether any of it was acknowledged: first compare the log with a copy or a checkpoint"
            .to_owned();
    }
    let is_only = found.report.findings.kept().iter().all(|finding| ["C-51", "C-52"].contains(&finding.rule));
    let covers = |position: u64| kept.is_some_and(|kept| is_only && kept.covered().size.0 > position);
    match found.losses.iter().find(|(_, loss)| covers(loss.position)) {
        Some((seq, loss)) => format!(
            "the log records that it gave up the bytes from position {} on (event {seq}, accepted by {}), which this checkpoint \
             covers: ask who accepted it, and for a checkpoint under the log's new name",
            loss.position, loss.accepted_by
        ),
        None => found.report.verdict().advice().to_owned(),
    }
}

/// Whether a `HEAD` of this log says how much was synced.
fn has_head(context: &Context, log_id: Option<LogId>) -> bool {
    let raw = context.fs().ok().and_then(|fs| RawLog::open(fs, &context.log).ok());
    let head = raw.and_then(|raw| raw.head().ok().flatten());
    head.is_some_and(|head| Some(head.log_id) == log_id)
}

/// The accepted losses, in words. The log records them, so they are not findings.
fn losses(found: &Check) -> String {
    let losses = found.losses.iter().map(|(seq, loss)| {
        let events = loss.next_seq.map_or("an unknown number of events".to_owned(), |next| {
            format!("at least {}", counted(next.saturating_sub(seq.0), "event"))
        });
        format!("{events} from seq {seq} on, accepted by {}", cut(loss.accepted_by.clone(), NAME_LEN_SHOWN))
    });
    losses.collect::<Vec<_>>().join("; ")
}

fn finding_objects(report: &Report) -> Vec<VerifyFinding<'_>> {
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
    findings.collect()
}

fn object<'a>(found: &'a Check, kept: Option<&'a Kept>, own: &Judged, resumed: Before) -> VerifyObject<'a> {
    let report = &found.report;
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
        good: found.is_good() && kept.is_none_or(Kept::is_witnessed),
        log_id: report.log_id.map(|id| id.to_string()),
        segments: report.segments,
        bytes: report.size,
        commits: report.commits,
        events: report.events,
        streams: report.streams,
        runs: found.runs,
        policies: found.policies,
        unknown_kinds: report.unknown_kinds,
        end: report.end.0,
        next_seq: report.next_seq.0,
        root: report.root.to_string(),
        findings_count: report.findings.count(),
        findings: finding_objects(report),
        contract_findings: contract_objects(&found.contract_findings),
        losses: losses.collect(),
        checkpoint: kept.map(Kept::object),
        own_checkpoint: own.note.as_ref().map(|path| path.display().to_string()),
        evidence: evidence_object(kept.is_some(), own),
        resumed: resumed.map(|(before, begun_ns)| ResumedObject { position: before.0, begun: time(begun_ns) }),
    }
}
