//! `evlog check-proof`: checks a proof with a checkpoint and a key, and without a log.

use crate::commands::verify::TOO_FEW;
use crate::commands::verify::report::witnessed;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::events::{Events, each_fact};
use crate::formats::{Answered, Format};
use crate::json::{ProofObject, WitnessesObject, event_line};
use crate::keys;
use crate::notes::{Trust, Witnesses};
use crate::reports::{self, Answer, Base, Finding, Kind, Report, Rule};
use crate::streams;
use crate::table::facts;
use crate::ui::{Tone, Ui};
use clap::Args;
use evlog::APART_NS;
use evlog_format::Seq;
use evlog_proof::{FileError, ProofFile, ProvenCommit, Signed};
use std::io::Read;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  evlog check-proof 42.proof --checkpoint builds.note --key builds.pub \\
      --seq 42
  evlog check-proof grown.proof --from old.note --checkpoint builds.note \\
      --key builds.pub
  evlog check-proof 42.proof --checkpoint builds.note --policy policy.txt
  evlog check-proof 42.proof --checkpoint builds.note --key builds.pub \\
      --format junit > proof.xml";

/// Check a proof, without the log
///
/// Exit code 0: the proof holds, and the command prints what it shows: the events of the commit, or that one log
/// extends the other. Exit code 1: the proof does not hold, or the checkpoint is not signed by the key. No log is
/// opened.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckProofArgs {
    /// The proof; `-` for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The checkpoint that the proof is for
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// The older checkpoint; for a consistency proof
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The log's public key
    #[arg(long, value_name = "FILE", required_unless_present = "policy")]
    key: Option<PathBuf>,
    /// A witness policy: which witnesses must have cosigned the checkpoint
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The event that the proof must be about
    #[arg(long, value_name = "SEQ")]
    seq: Option<u64>,
    #[command(flatten)]
    answered: Answered<Kind>,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &CheckProofArgs) -> Result<Verdict, CommandError> {
    let format = args.answered.format(context);
    let done = checked(ui, args, format);
    reports::settled(ui, format, || empty(&args.file), done)
}

fn checked(ui: &mut Ui, args: &CheckProofArgs, format: Format<Kind>) -> Result<Verdict, CommandError> {
    let shown = args.file.display();
    let proof = ProofFile::parse(&read(&args.file)?)
        .map_err(|error| CommandError::user(format!("proof `{shown}`: {error}")))?;
    let trust = Trust::load(args.key.as_deref(), args.policy.as_deref())?;
    let signed = trust.open(&args.checkpoint)?;
    let witnesses = trust.witnesses(&args.checkpoint, &signed)?;
    let enough = witnesses.as_ref().is_none_or(|witnesses| witnesses.enough);
    let checked = check(&proof, &signed, &trust, args)?;
    let checked = checked.and_then(|commit| match args.seq {
        Some(seq) if !covers(&proof, Seq(seq)) => Err(format!("it is not about event {seq}")),
        _ => Ok(commit),
    });
    let failed = checked.as_ref().err().map(|reason| format!("the proof `{shown}` does not hold: {reason}"));
    let holds = checked.is_ok() && enough;
    if let Format::Own(kind) = format {
        report(&args.file, failed, witnesses.as_ref()).print(ui, kind);
        return Ok(Verdict::of(holds));
    }
    if !enough {
        ui.finding(TOO_FEW);
    }
    if let Some(failed) = failed {
        ui.finding(failed);
    }
    let commit = checked.ok().flatten();
    if format == Format::Json {
        object(ui, &proof, &signed, commit.as_ref(), witnesses.as_ref(), holds)?;
    } else if holds {
        print(ui, &proof, &signed, commit.as_ref(), witnesses.as_ref())?;
    }
    Ok(Verdict::of(holds))
}

/// A report on a proof, before anything was checked.
fn empty(proof: &Path) -> Report {
    Report::new("evlog check-proof", proof.display().to_string(), Base::of_file(proof))
}

fn report(proof: &Path, failed: Option<String>, witnesses: Option<&Witnesses>) -> Report {
    let mut report = empty(proof);
    let found = failed.map(|sentence| Finding { sentence, ..Finding::default() });
    let title = "the proof leads to the signed checkpoint";
    report.asked(Rule::new("proof", title, "docs/proofs.md explains what a proof shows."), Answer::found(found));
    witnessed(&mut report, witnesses.map(|witnesses| witnesses.enough));
    report
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    let refused = |error: std::io::Error| CommandError::file("read", path.display(), &error).during("proof");
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(streams::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(refused)?)
    };
    // Reads one byte more than a proof may have, so that the parser reports a longer one.
    source.take(evlog_proof::file::FILE_LEN_MAX as u64 + 1).read_to_end(&mut bytes).map_err(refused)?;
    keys::refuse_private("proof", "a proof", path, &bytes)?;
    Ok(bytes)
}

/// The proven commit, if the proof is one of inclusion; or why it does not hold.
fn check(
    proof: &ProofFile,
    signed: &Signed,
    trust: &Trust,
    args: &CheckProofArgs,
) -> Result<Result<Option<ProvenCommit>, String>, CommandError> {
    let checked = match (proof, &args.from) {
        (ProofFile::Inclusion { .. }, None) => proof.check_inclusion(signed.checkpoint()).map(Some),
        (ProofFile::Consistency { .. }, Some(from)) => {
            let older = trust.open(from)?;
            proof.check_consistency(older.checkpoint(), signed.checkpoint()).map(|()| None)
        }
        (ProofFile::Inclusion { .. }, Some(_)) => {
            return Err(CommandError::user("--from: expected a proof of consistency, found one of inclusion"));
        }
        (ProofFile::Consistency { .. }, None) => {
            let message = "expected --from FILE with the older checkpoint: the proof is one of consistency";
            return Err(CommandError::user(message));
        }
    };
    Ok(checked.map_err(|error: FileError| error.to_string()))
}

fn covers(proof: &ProofFile, seq: Seq) -> bool {
    match proof {
        ProofFile::Inclusion { first_seq, events, .. } => (first_seq.0..first_seq.0 + events).contains(&seq.0),
        ProofFile::Consistency { .. } => false,
    }
}

fn print(
    ui: &mut Ui,
    proof: &ProofFile,
    signed: &Signed,
    commit: Option<&ProvenCommit>,
    witnesses: Option<&Witnesses>,
) -> Result<(), CommandError> {
    let checkpoint = signed.checkpoint();
    let shows = match proof {
        ProofFile::Inclusion { first_seq, events, frame, .. } => {
            let which = match events {
                1 => format!("event {first_seq}"),
                _ => format!("the commit of events {first_seq} to {}", first_seq.0 + events - 1),
            };
            format!("{which} is at position {} of the log", frame.start)
        }
        ProofFile::Consistency { old, .. } => format!("this log extends the log of {old} bytes"),
    };
    let mut rows = vec![
        ("proof", "holds".to_owned(), Tone::Good),
        ("shows", shows, Tone::Plain),
        ("log", format!("{} ({})", checkpoint.origin, checkpoint.log_id), Tone::Plain),
        ("covers", format!("{} bytes, the events before seq {}", checkpoint.size, checkpoint.next_seq), Tone::Plain),
    ];
    rows.extend(witnesses.map(Witnesses::row));
    facts(ui, &rows);
    let Some(commit) = commit else { return Ok(()) };
    let mut events = Events::apart(ui);
    each_fact(commit, &mut |fact| {
        let _stopped = events.show_apart(fact);
        Ok(())
    })
}

fn object(
    ui: &mut Ui,
    proof: &ProofFile,
    signed: &Signed,
    commit: Option<&ProvenCommit>,
    witnesses: Option<&Witnesses>,
    holds: bool,
) -> Result<(), CommandError> {
    let mut events = Vec::new();
    if let Some(commit) = commit {
        each_fact(commit, &mut |fact| {
            let line = serde_json::to_value(event_line(fact, APART_NS));
            events.push(line.map_err(|error| CommandError::user(error.to_string()))?);
            Ok(())
        })?;
    }
    let checkpoint = signed.checkpoint();
    ui.json(&ProofObject {
        holds,
        proof: proof.kind(),
        origin: &checkpoint.origin,
        log_id: checkpoint.log_id.to_string(),
        size: checkpoint.size.0,
        root: checkpoint.root.to_string(),
        next_seq: checkpoint.next_seq.0,
        position: commit.map(|commit| commit.position().0),
        events,
        witnesses: witnesses.map(WitnessesObject::new),
    });
    Ok(())
}
