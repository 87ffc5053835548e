//! `evlog witness`: stores each log's last checkpoint, and cosigns checkpoints that extend it.
//!
//! Invariant: a checkpoint is stored on the disk before its cosignature is published, under a lock, so that two
//! processes cannot cosign a fork.

use crate::commands::prove::write;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::files;
use crate::formats::{Answered, Format};
use crate::json::WitnessObject;
use crate::keys;
use crate::metrics::{self, Target};
use crate::notes;
use crate::outputs::{self, Made};
use crate::reports::{self, Answer, Base, Finding, Kind, Report, Rule};
use crate::shell::quoted;
use crate::ui::Ui;
use clap::Args;
use evlog::clock::{Clock, SystemClock};
use evlog_proof::witness::{Seen, WitnessRefusal, judge};
use evlog_proof::{Algorithm, ProofFile, Signed, SignerKey, VerifierKey};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  evlog key new ci.example.com/witness --witness
  evlog witness builds.note --state seen --log-key builds.pub \\
      --key witness.key > cosigned.note
  evlog witness --last --state seen --log-key builds.pub > last.note
      the last checkpoint seen, for the log's owner
  evlog prove --from last.note --out grown.proof
      run by the log's owner
  evlog witness builds.note --proof grown.proof --state seen \\
      --log-key builds.pub --key witness.key
  evlog witness builds.note --state seen --log-key builds.pub \\
      --key witness.key --out cosigned.note --format junit";

/// Cosign a checkpoint if its log extends the last one seen
///
/// The first checkpoint of a log is accepted without a proof. Every later one needs a consistency proof. A fork, a
/// shorter log, or another log with the same name is refused with exit code 1. The refused checkpoint is kept as
/// evidence, because the log's key has signed both. The command works on files and pipes, so a build job or a second
/// team can be a witness.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WitnessArgs {
    /// The checkpoint; `-` for stdin
    #[arg(value_name = "CHECKPOINT", required_unless_present = "last")]
    checkpoint: Option<PathBuf>,
    /// The directory where the witness keeps the checkpoints that it saw
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The log's public key
    #[arg(long, value_name = "FILE")]
    log_key: PathBuf,
    /// The witness's private key
    #[arg(
        long,
        value_name = "FILE",
        env = "EVLOG_WITNESS_KEY",
        hide_env_values = true,
        required_unless_present = "last"
    )]
    key: Option<PathBuf>,
    /// The proof that this checkpoint extends the last one
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// Write the cosigned checkpoint to this file; `-` for stdout
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Only print the last checkpoint that the witness saw of this log
    #[arg(long, conflicts_with_all = ["checkpoint", "proof", "format"])]
    last: bool,
    /// Write figures about this witness to FILE, for Prometheus: once at the beginning and once at the end
    #[arg(long, value_name = "FILE", value_parser = Target::parse_file, conflicts_with = "last")]
    metrics: Option<Target>,
    #[command(flatten)]
    answered: Answered<Kind>,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &WitnessArgs) -> Result<Verdict, CommandError> {
    let format = args.answered.format(context);
    let done = witness(ui, context, args, format);
    reports::settled(ui, format, || empty(args), done)
}

fn witness(ui: &mut Ui, context: &Context, args: &WitnessArgs, format: Format<Kind>) -> Result<Verdict, CommandError> {
    outputs::check_made("--out", &args.out, &context.log, args.key.as_deref(), Made::Note)?;
    outputs::check("--state", &args.state, &context.log, None)?;
    let out = Some(args.out.as_path()).filter(|out| *out != Path::new("-"));
    let metrics = args.metrics.as_ref().and_then(Target::file);
    outputs::check_apart(&[("--state", Some(&args.state)), ("--out", out), ("--metrics", metrics)])?;
    let log_key = keys::verifier(&args.log_key)?;
    let labels = vec![("command", "witness".to_owned()), ("origin", log_key.name().to_owned())];
    let metered = metrics::begin_with(ui, labels, context, args.metrics.as_ref(), args.key.as_deref())?;
    let metrics = metered.metrics();
    let state = State::lock(&args.state)?;
    if args.last {
        let Some(note) = state.note(&log_key)? else {
            ui.finding(format_args!("no checkpoint of {} was seen yet", log_key.name()));
            return Ok(Verdict::No);
        };
        return write(ui, &args.out, &note).map(|()| Verdict::Yes);
    }
    let (Some(path), Some(key)) = (&args.checkpoint, &args.key) else {
        unreachable!("the argument parser asks for both")
    };
    let key = keys::signer(key, Algorithm::Cosignature)?;
    let mut signed = notes::open(path, &log_key)?;
    let seen = state.seen(&log_key, &key)?;
    if let Some(Seen { checkpoint, time }) = &seen {
        metrics.count(|figures| figures.cosigned((checkpoint.next_seq, checkpoint.size), *time));
    }
    let given = (signed.checkpoint().next_seq, signed.checkpoint().size);
    metrics.count(|figures| figures.given(given.0));
    let proof = args.proof.as_deref().map(read_proof).transpose()?;
    let now = u64::try_from(SystemClock.now_ns() / 1_000_000_000).unwrap_or(0);
    match judge(seen.as_ref(), signed.checkpoint(), proof.as_ref(), now) {
        Ok(()) => {}
        Err(refusal) => {
            metrics.count(|figures| figures.witnessed(true, refusal.is_alarm()));
            tracing::warn!(target: "witness", origin = log_key.name(), %refusal, "not cosigned");
            if refusal.is_alarm() {
                return alarm(ui, args, format, &state, &signed, &refusal);
            }
            return Err(missing(args, &refusal));
        }
    }
    if seen.is_none() {
        ui.talk(format_args!("first checkpoint seen of {}: accepted without a proof", log_key.name()));
    }
    signed.cosign(&key, now);
    state.keep(&signed)?;
    metrics.count(|figures| figures.cosigned(given, now));
    metrics.count(|figures| figures.witnessed(false, false));
    tracing::info!(target: "witness", origin = log_key.name(), size = given.1.0, "cosigned");
    let note = signed.to_string();
    match format {
        Format::Text => write(ui, &args.out, &note)?,
        Format::Json => ui.json(&WitnessObject {
            cosigned: true,
            origin: log_key.name(),
            size: signed.checkpoint().size.0,
            time: Some(now),
            reason: None,
            note: &note,
        }),
        Format::Own(kind) => {
            // The report takes the place of the note on stdout.
            if args.out != Path::new("-") {
                write(ui, &args.out, &note)?;
            }
            report(args, None).print(ui, kind);
        }
    }
    Ok(Verdict::Yes)
}

/// A report on a checkpoint, before anything was compared.
fn empty(args: &WitnessArgs) -> Report {
    let checkpoint = args.checkpoint.as_deref().unwrap_or(Path::new("-"));
    Report::new("evlog witness", checkpoint.display().to_string(), Base::of_file(checkpoint))
}

fn report(args: &WitnessArgs, refused: Option<String>) -> Report {
    let mut report = empty(args);
    let found = refused.map(|sentence| Finding { found: sentence.clone(), sentence, ..Finding::default() });
    let rule = Rule::new(
        "extends",
        "the log of the checkpoint extends that of the last one that the witness saw",
        "docs/checkpoint.md explains what a witness compares.",
    );
    report.asked(rule, Answer::found(found));
    report
}

fn read_proof(path: &Path) -> Result<ProofFile, CommandError> {
    let bytes = fs::read(path).map_err(|error| CommandError::file("read", path.display(), &error))?;
    ProofFile::parse(&bytes).map_err(|error| CommandError::user(format!("proof `{}`: {error}", path.display())))
}

/// Reports the contradiction, and keeps the checkpoint as evidence.
fn alarm(
    ui: &mut Ui,
    args: &WitnessArgs,
    format: Format<Kind>,
    state: &State,
    signed: &Signed,
    refusal: &WitnessRefusal,
) -> Result<Verdict, CommandError> {
    let checkpoint = signed.checkpoint();
    let finding = format!("{}: {refusal}", checkpoint.origin);
    if !matches!(format, Format::Own(_)) {
        ui.finding(&finding);
    }
    // Nothing is answered before the evidence is on the disk.
    let evidence = state.keep_evidence(signed)?;
    ui.talk(format_args!(
        "not cosigned. The checkpoint is kept as `{}`: the log's key has signed both it and the previous one",
        evidence.display()
    ));
    if matches!(refusal, WitnessRefusal::Shorter { .. } | WitnessRefusal::Fork { .. } | WitnessRefusal::Unproven(_)) {
        ui.advise(
            "a log that gave up signed bytes (`log.loss_accepted`) signs under a new name, and a witness treats it as a new log; \
             nothing is cosigned under the old name again",
        );
        ui.advise("a log that was restored from an older copy looks the same: see docs/copying.md");
    }
    match format {
        Format::Text => {}
        Format::Json => {
            let (reason, note) = (refusal.to_string(), signed.to_string());
            let (origin, size) = (checkpoint.origin.as_str(), checkpoint.size.0);
            ui.json(&WitnessObject { cosigned: false, origin, size, time: None, reason: Some(&reason), note: &note });
        }
        Format::Own(kind) => report(args, Some(finding)).print(ui, kind),
    }
    Ok(Verdict::No)
}

fn missing(args: &WitnessArgs, refusal: &WitnessRefusal) -> CommandError {
    let refused = CommandError::user(format!("not cosigned: {refusal}"));
    match refusal {
        WitnessRefusal::Clock { .. } => refused.hint("if the clock is wrong now, set it").hint(
            "if it was wrong then, use a new key (`evlog key new NAME --witness`) with a new state directory, and inform those \
             who rely on this witness (docs/copying.md)",
        ),
        _ => refused
            .hint(format!(
                "`evlog witness --last --state {} --log-key {}` prints the checkpoint to give to `evlog prove --from`",
                quoted(&args.state.display().to_string()),
                quoted(&args.log_key.display().to_string())
            ))
            .hint("a log that was restored from an older copy cannot provide one: docs/copying.md explains what to do"),
    }
}

/// What a witness keeps: `<BLAKE3 of the origin>.note` for each log, and what it refused.
struct State {
    dir: PathBuf,
    _lock: File,
}

impl State {
    fn lock(dir: &Path) -> Result<State, CommandError> {
        files::make_dir(dir)?;
        let lock = files::open_lock(&dir.join("LOCK"))?;
        lock.lock().map_err(|error| CommandError::file("use", dir.display(), &error))?;
        Ok(State { dir: dir.to_path_buf(), _lock: lock })
    }

    fn name(origin: &str) -> String {
        format!("{}.note", blake3::hash(origin.as_bytes()).to_hex())
    }

    fn note(&self, log: &VerifierKey) -> Result<Option<String>, CommandError> {
        let path = self.dir.join(State::name(log.name()));
        let Some(bytes) = files::read_own(&path, notes::LEN_MAX)? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
        text.map(Some).map_err(|error| CommandError::file("read", path.display(), &error))
    }

    /// The checkpoint that was seen last. It counts only if both of its signatures hold.
    fn seen(&self, log: &VerifierKey, key: &SignerKey) -> Result<Option<Seen>, CommandError> {
        let Some(note) = self.note(log)? else { return Ok(None) };
        let path = self.dir.join(State::name(log.name()));
        let changed = |why: &dyn std::fmt::Display| {
            CommandError::user(format!(
                "the last checkpoint that this witness saw, `{}`, is not valid: {why}",
                path.display()
            ))
            .hint("restore the file from a copy; without it, a fork cannot be detected")
        };
        let signed = Signed::open(note.as_bytes(), log).map_err(|error| changed(&error))?;
        let time = signed.note().verify(key.verifier()).map_err(|error| changed(&error))?;
        Ok(Some(Seen { checkpoint: signed.checkpoint().clone(), time: time.unwrap_or(0) }))
    }

    fn keep(&self, signed: &Signed) -> Result<(), CommandError> {
        let name = State::name(&signed.checkpoint().origin);
        files::write(&self.dir, &name, signed.to_string().as_bytes()).map(|_| ())
    }

    fn keep_evidence(&self, signed: &Signed) -> Result<PathBuf, CommandError> {
        let (text, name) = (signed.to_string(), State::name(&signed.checkpoint().origin));
        let digest = blake3::hash(text.as_bytes()).to_hex();
        let name = format!("{}-refused-{}.note", name.trim_end_matches(".note"), &digest[..16]);
        files::write(&self.dir, &name, text.as_bytes())?;
        Ok(self.dir.join(name))
    }
}
