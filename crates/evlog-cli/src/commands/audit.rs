//! `evlog audit`: the order of everything.

use crate::args::At;
use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::files;
use crate::formats::{Answered, Format};
use crate::json::{AuditFinding, AuditObject, AuditRule, payload_json};
use crate::reports::{self, Answer, Base, Finding as Reported, Kind, Place};
use crate::selecting::{Selecting, check_contracts, check_fields, earlier, sentences};
use crate::table::{counted, facts};
use crate::turn::Turn;
use crate::ui::{Tone, Ui, Unit};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use evlog::history::{Audited, AuditedRules, LOG_STREAM};
use evlog::policy::Policies;
use evlog::{Log, LogError, View};
use evlog_audit::{Auditor, Finding, Options, Report, Rule, Severity, Subject, order};
use evlog_format::Seq;
use evlog_projection::Fact;
use evlog_projection::time::from_span;
use std::ops::ControlFlow;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  evlog audit
      the built-in rules on order
  evlog audit --rules four-eyes.toml
      and those of a file; docs/audit.md has its form
  evlog audit --max-unsigned 24h
      fail if no checkpoint was signed for longer than a day
  evlog audit --since 2026-01-01 --run 'RUN_*'
      report only what these events show
  evlog audit --as-ended --fail-on warning
      judge runs in progress as if they had ended; fail on warnings
  evlog audit --rules four-eyes.toml --record
      and record in the log what was found, by which rules
  evlog audit --json | jq '.findings[].seqs'
      for programs
  evlog audit --format junit > audit.xml
      for a CI job: a test case for each rule

The exit code is 1 if a finding has the severity of --fail-on or a greater one, or if a rule could not judge \
some events.";

/// Check the order of all events, by built-in rules and by yours
///
/// The whole log is read in one pass. `evlog verify` checks bytes, roots and contracts; `evlog audit` checks the order and
/// times of events: gaps, causes, clocks, sessions, losses, runs that name other runs, and the rules that you write.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AuditArgs {
    /// A file of rules on order, in TOML. Can be given again
    #[arg(long = "rules", value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// The longest time that the log may go without a signed checkpoint, such as 24h
    #[arg(long, value_name = "DURATION", value_parser = from_span)]
    max_unsigned: Option<i64>,
    /// Judge runs that have not ended as if they had: what a rule still waits for counts as missing
    #[arg(long)]
    as_ended: bool,
    /// The least severity that makes the exit code 1
    #[arg(long, value_name = "SEVERITY", default_value = Severity::Error.word(), value_parser = severities())]
    fail_on: Severity,
    /// Record the result in the log, with the root of what was audited and the digests of the files of rules. No other program may
    /// have the log open to write when the audit ends. Only an audit of all events can be recorded
    #[arg(long, conflicts_with = "at")]
    record: bool,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    selecting: Selecting,
    #[command(flatten)]
    answered: Answered<Kind>,
    #[command(flatten)]
    turn: Turn,
}

impl AuditArgs {
    /// Whether the command writes to the log.
    pub(crate) fn writes(&self) -> bool {
        self.record
    }
}

fn severities() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::word)).map(|typed| {
        let found = Severity::ALL.into_iter().find(|severity| severity.word() == typed);
        found.unwrap_or_else(|| unreachable!("the parser knows no other"))
    })
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &AuditArgs) -> Result<Verdict, CommandError> {
    let format = args.answered.format(context);
    let done = audited(ui, context, args, format);
    reports::settled(ui, format, || empty(context), done)
}

fn audited(ui: &mut Ui, context: &Context, args: &AuditArgs, format: Format<Kind>) -> Result<Verdict, CommandError> {
    let Given { rules, files, places } = read_rules(&args.rules)?;
    let selection = args.selecting.selection(&args.at.zone())?;
    if args.record && !selection.is_all() {
        return Err(CommandError::unlike("--record", "an audit of all events", "options that select some"));
    }
    let options =
        Options { rules: rules.clone(), selection, unsigned_max_ns: args.max_unsigned, as_ended: args.as_ended };
    let view = context.view(&args.at)?;
    args.selecting.check_runs(&view)?;
    let report = audit(ui, &view, options)?;
    for sentence in sentences(&report.statuses) {
        ui.talk(sentence.as_str());
    }
    check_fields(&report.missing)?;
    let named = rules.iter().zip(&places).find(|(rule, _)| rule.contract() == report.unknown.first());
    check_contracts(&report.unknown).map_err(|error| match named {
        Some((_, Some(place))) => CommandError::user(format!("{place}: {}", error.message)),
        _ => error,
    })?;
    let said = Said::of(&report, args.fail_on);
    match format {
        Format::Text => print(ui, &rules, &report, said),
        Format::Json => ui.json(&object(&view, &rules, &report, said == Said::Kept)),
        Format::Own(kind) => {
            let mut reported = empty(context);
            reported.fails_from(args.fail_on);
            fill(&mut reported, args, &rules, &report);
            reported.print(ui, kind);
        }
    }
    if args.record {
        record(context, args, &view, files, &report, said)?;
    }
    Ok(Verdict::of(said == Said::Kept))
}

/// Records what was found, if the log is still the one that was audited.
fn record(
    context: &Context,
    args: &AuditArgs,
    view: &View,
    rules: Vec<AuditedRules>,
    report: &Report,
    said: Said,
) -> Result<(), CommandError> {
    let (size, root) = view.root()?;
    let count = |severity| report.findings.count_by(severity) as u64;
    let audited = Audited {
        program: format!("evlog audit {}", env!("CARGO_PKG_VERSION")),
        verdict: said.word().to_owned(),
        size: size.0,
        next_seq: view.next_seq().0,
        root: root.0,
        rules,
        max_unsigned_ns: args.max_unsigned,
        as_ended: args.as_ended,
        fail_on: args.fail_on.word().to_owned(),
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        notes: count(Severity::Note),
        not_judged: report.not_judged.values().sum(),
    };
    let log = context.writer("audit", &args.turn)?;
    let is_of = |log: &Log| Ok::<bool, CommandError>(log.log_id() == view.log_id() && log.is_still(size, &root)?);
    let recorded = is_of(&log).and_then(|is_of| if is_of { Ok(Some(log.record_audited(&audited)?)) } else { Ok(None) });
    match CommandError::followed_by(recorded, log.close().map_err(CommandError::from))? {
        Some(()) => Ok(()),
        None => Err(CommandError::user(format!(
            "the audit is not recorded: `{}` is not the log that was audited, or has changed: expected log {}, which begins with \
             {size} bytes of root {root}",
            context.log.display(),
            view.log_id(),
        ))
        .hint("the verdict is about the previous log; audit the new one")),
    }
}

/// Why events are not judged.
const BEYOND_MEMORY: &str = "more events of one case wait or would have to be remembered than a rule can hold (O-25)";

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Kept,
    Broken,
    /// A rule could not judge some events, so it is not known whether it is kept.
    NotJudged,
}

impl Said {
    fn of(report: &Report, fail_on: Severity) -> Said {
        match report.findings.worst() {
            Some(worst) if worst >= fail_on => Said::Broken,
            _ if report.not_judged.values().sum::<u64>() > 0 => Said::NotJudged,
            _ => Said::Kept,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Said::Kept => "kept",
            Said::Broken => "broken",
            Said::NotJudged => "not_judged",
        }
    }
}

/// What the files of rules have.
#[derive(Default)]
struct Given {
    rules: Vec<Rule>,
    files: Vec<AuditedRules>,
    /// Of each rule that names a contract: where, as `file:line:column`.
    places: Vec<Option<String>>,
}

/// Reads all files of rules; a name that two files have is refused.
fn read_rules(paths: &[PathBuf]) -> Result<Given, CommandError> {
    let mut all = Given::default();
    for path in paths {
        let shown = path.display();
        let text = files::read_text(path, evlog_audit::FILE_LEN_MAX).map_err(|error| {
            error.during("--rules").hint("nothing was audited; docs/audit.md describes files of rules")
        })?;
        let read = evlog_audit::read(&text).map_err(|findings| {
            let found = findings.iter().map(|finding| format!("{shown}:{finding}"));
            CommandError::listed(
                [format!("--rules `{shown}`: this is no file of rules; nothing was audited")].into_iter().chain(found),
            )
            .hint("docs/audit.md describes files of rules")
        })?;
        let place = |at: Option<(usize, usize)>| at.map(|(line, column)| format!("{shown}:{line}:{column}"));
        if let Some(rule) = read.iter().find(|rule| all.rules.iter().any(|other| other.name() == rule.name())) {
            let at = place(rule.places().name).unwrap_or_else(|| shown.to_string());
            return Err(CommandError::user(format!("{at}: rule `{}` is in an earlier file already", rule.name())));
        }
        all.places.extend(read.iter().map(|rule| place(rule.places().contract)));
        all.rules.extend(read);
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        all.files.push(AuditedRules { file, blake3: blake3::hash(text.as_bytes()).into() });
    }
    Ok(all)
}

pub(crate) fn audit(ui: &Ui, view: &View, options: Options) -> Result<Report, CommandError> {
    let progress = ui.progress("audit", view.next_seq().0, Unit::Events);
    let (policies, flaw) = view.policies();
    // Later events would be judged by the wrong policy.
    flaw.map_or(Ok(()), Err)?;
    let mut auditor = Auditor::new(&contracts(), options, payload_json);
    let mut judged = None;
    view.each::<LogError>(Seq(0), &mut |fact| {
        progress.step();
        let breach = policy_breach(&policies, fact, &mut judged);
        auditor.take(fact, breach, &mut |run, visit| earlier(view, run, visit))?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(auditor.finish())
}

/// What the policy in force at its time says against the commit of an event. `judged`: the first seq of the last commit that was judged.
fn policy_breach(policies: &Policies, fact: &Fact<'_>, judged: &mut Option<Seq>) -> Option<String> {
    // A policy restricts commands, not what the log records about itself; and all events of a commit have one head.
    if fact.event.stream == LOG_STREAM || judged.replace(fact.head.first_seq) == Some(fact.head.first_seq) {
        return None;
    }
    policies.at(fact.seq).policy.commit_breach(&fact.head, None).map(|breach| breach.message)
}

fn print(ui: &mut Ui, rules: &[Rule], report: &Report, said: Said) {
    for finding in report.findings.kept() {
        ui.finding(sentence(finding));
    }
    let left_out = report.findings.count() - report.findings.kept().len();
    if left_out > 0 {
        ui.talk(format_args!("{} more are counted below, and not shown", counted(left_out as u64, "finding")));
    }
    let open: usize = report.open.values().sum();
    let not_judged: u64 = report.not_judged.values().sum();
    let tone = if said == Said::Kept { Tone::Good } else { Tone::Bad };
    let mut lines = vec![
        ("verdict", said.word().to_owned(), tone),
        ("audited", format!("{} of {}", counted(report.events, "event"), counted(report.runs, "run")), Tone::Plain),
        ("rules", counted_rules(rules, report), Tone::Plain),
        ("findings", by_severity(report), Tone::Plain),
    ];
    if open > 0 {
        let text = format!("{} for what their rule asks; it can still come", counted_waiting(open));
        lines.push(("open", text, Tone::Warning));
    }
    if not_judged > 0 {
        let text = format!("{}: {BEYOND_MEMORY}", counted(not_judged, "event"));
        lines.push(("not judged", text, Tone::Warning));
    }
    facts(ui, &lines);
}

fn counted_rules(rules: &[Rule], report: &Report) -> String {
    let of_runs = match report.brought.len() {
        0 => String::new(),
        count => format!(", {count} of contracts that runs brought"),
    };
    format!("{} built-in, {} of yours{of_runs}", order::BUILT_IN.len(), rules.len())
}

/// The rules that users wrote, each with its name in reports: first the rules of files, then the rules of contracts that
/// runs define.
fn written<'r>(rules: &'r [Rule], report: &'r Report) -> impl Iterator<Item = (&'r str, &'r Rule)> {
    let brought = report.brought.iter().map(|(name, rule)| (name.as_str(), rule));
    rules.iter().map(|rule| (rule.name(), rule)).chain(brought)
}

fn counted_waiting(open: usize) -> String {
    if open == 1 { "1 event waits".to_owned() } else { format!("{open} events wait") }
}

fn by_severity(report: &Report) -> String {
    let count = |severity: Severity| report.findings.count_by(severity) as u64;
    let texts: Vec<String> = Severity::ALL
        .into_iter()
        .map(|severity| (count(severity), severity.word()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| counted(count, word))
        .collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

fn sentence(finding: &Finding) -> String {
    let Finding { rule, severity, subject, seqs, expected, found } = finding;
    let case = subject.text().map_or_else(String::new, |case| format!(" in `{case}`"));
    let seqs: Vec<String> = seqs.iter().map(|seq| seq.0.to_string()).collect();
    let at = if seqs.is_empty() { String::new() } else { format!(" at seq {}", seqs.join(", ")) };
    format!("{}: {rule}{case}{at}: {found}; expected: {expected}", severity.word())
}

/// A report on a log, before anything was judged.
fn empty(context: &Context) -> reports::Report {
    reports::Report::new("evlog audit", context.log.display().to_string(), Base::log(&context.log))
}

/// Adds a test case for each rule, built-in or not.
fn fill(reported: &mut reports::Report, args: &AuditArgs, rules: &[Rule], report: &Report) {
    reported.says("findings", by_severity(report));
    let built_in = order::BUILT_IN.iter().map(|rule| (rule.name, rule.severity, rule.expected.to_owned()));
    let yours = written(rules, report).map(|(name, rule)| (name, rule.severity(), rule.expected()));
    for (name, severity, expected) in built_in.chain(yours) {
        let kept = report.findings.kept().iter().filter(|finding| finding.rule == name).map(Reported::from);
        let count = report.findings.count_of(name) as u64;
        let answer = match report.not_judged.get(name) {
            Some(left) if count == 0 => {
                Answer::NotRun(format!("{} not judged: {BEYOND_MEMORY}", counted(*left, "event")))
            }
            _ if name == order::UNSIGNED.name && args.max_unsigned.is_none() => {
                Answer::NotRun("no longest time was given: `--max-unsigned DURATION`".to_owned())
            }
            _ => Answer::first(kept.collect(), count),
        };
        let rule = reports::Rule::new(name, &expected, "docs/audit.md explains the rules on order.");
        reported.asked(reports::Rule { severity, about: format!("Expected: {expected}."), ..rule }, answer);
    }
}

impl From<&Finding> for Reported {
    fn from(finding: &Finding) -> Reported {
        let first = finding.seqs.first().map(|seq| Place { kind: "event", name: format!("seq {seq}") });
        let place = match &finding.subject {
            Subject::Log => first,
            Subject::Run(run) => Some(Place::run(run)),
            Subject::Value(value) => Some(Place { kind: "value", name: value.clone() }),
        };
        let seqs: Vec<String> = finding.seqs.iter().map(ToString::to_string).collect();
        Reported {
            place,
            expected: finding.expected.clone(),
            found: if seqs.is_empty() {
                finding.found.clone()
            } else {
                format!("{} (seq {})", finding.found, seqs.join(", "))
            },
            sentence: sentence(finding),
            ..Reported::default()
        }
    }
}

fn object<'r>(view: &View, rules: &'r [Rule], report: &'r Report, is_good: bool) -> AuditObject<'r> {
    let built_in = order::BUILT_IN.iter().map(|rule| AuditRule {
        rule: rule.name,
        template: None,
        severity: rule.severity.word(),
        expected: rule.expected.to_owned(),
        findings: report.findings.count_of(rule.name),
        open: 0,
        not_judged: 0,
    });
    let yours = written(rules, report).map(|(name, rule)| AuditRule {
        rule: name,
        template: Some(rule.template()),
        severity: rule.severity().word(),
        expected: rule.expected(),
        findings: report.findings.count_of(name),
        open: report.open.get(name).copied().unwrap_or(0),
        not_judged: report.not_judged.get(name).copied().unwrap_or(0),
    });
    let findings = report.findings.kept().iter().map(|finding| AuditFinding {
        rule: &finding.rule,
        severity: finding.severity.word(),
        case: finding.subject.text(),
        seqs: finding.seqs.iter().map(|seq| seq.0).collect(),
        expected: &finding.expected,
        found: &finding.found,
    });
    AuditObject {
        good: is_good,
        log_id: view.log_id().to_string(),
        next_seq: view.next_seq().0,
        events: report.events,
        runs: report.runs,
        rules: built_in.chain(yours).collect(),
        findings: findings.collect(),
    }
}
