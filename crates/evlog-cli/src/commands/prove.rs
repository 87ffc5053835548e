//! `evlog prove`: a file that proves to others, without the log, that it contains an event or that it extends an older checkpoint.

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::json::ProvedObject;
use crate::notes;
use crate::outputs::{self, Made};
use crate::ui::{Ui, Unit};
use crate::when::uncommitted;
use clap::Args;
use evlog::covered::{Stated, stated_otherwise};
use evlog::prove::Prover;
use evlog::{LogError, View};
use evlog_format::{Position, Seq};
use evlog_proof::{Checkpoint, ProofFile};
use evlog_store::{Checkpoints, OpenError};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  evlog prove --seq 42 --out 42.proof
      the newest checkpoint covers event 42
  evlog prove --from old.note --out grown.proof
      the newest checkpoint extends old.note
  evlog prove --from 52341 --to 90017
      the same for two checkpoints that the log keeps
  evlog check-proof 42.proof --checkpoint builds.note --key builds.pub";

/// Write a proof that the log contains an event, or extends an older checkpoint
///
/// The proof leads to the root of a checkpoint. Anyone who has that checkpoint and the log's public key can check it.
/// Only the segments that the proof needs are read, not the whole log. The proof is checked against the checkpoint
/// before it is written. docs/proofs.md specifies the file.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProveArgs {
    /// Prove that the log contains the commit with this event
    #[arg(long, value_name = "SEQ", required_unless_present = "from", conflicts_with = "from")]
    seq: Option<u64>,
    /// Prove that the log extends this older checkpoint: a file, or the size of a checkpoint that the log keeps
    #[arg(long, value_name = "OLD")]
    from: Option<String>,
    /// The checkpoint that the proof is for: a file or a size, like --from [default: the newest that the log keeps]
    #[arg(long, value_name = "NEW", visible_alias = "checkpoint")]
    to: Option<String>,
    /// Write the proof to this file; `-` for stdout
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
}

impl ProveArgs {
    /// Whether the command writes a file, and not to stdout.
    pub(crate) fn writes(&self) -> bool {
        self.out != Path::new("-")
    }
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ProveArgs) -> Result<Verdict, CommandError> {
    outputs::check_made("--out", &args.out, &context.log, None, Made::Proof)?;
    let view = context.view(&At::default())?;
    let checkpoints = Checkpoints::new(context.fs()?, &context.log);
    let to = checkpoint(&checkpoints, args.to.as_deref())?;
    same_log(&view, &to)?;
    let prover = Prover::open(context.fs()?, &context.log)?;
    let bar = OnceCell::new();
    let shared = &*ui;
    let mut progress = |done, total| bar.get_or_init(|| shared.progress("prove", total, Unit::Bytes)).at(done);
    let file = match (&args.from, args.seq) {
        (Some(from), _) => {
            let from = checkpoint(&checkpoints, Some(from))?;
            same_log(&view, &from)?;
            let file = grown(&prover, &from, &to, &mut progress)?;
            as_stated(context, &from)?;
            file
        }
        (None, Some(seq)) => included(&view, &prover, Seq(seq), &to, &mut progress)?,
        (None, None) => unreachable!("the argument parser asks for one of them"),
    };
    drop(bar);
    as_stated(context, &to)?;
    let text = file.to_string();
    write(ui, &args.out, &text)?;
    if context.json && args.writes() {
        ui.json(&ProvedObject {
            proof: file.kind(),
            out: &args.out.display().to_string(),
            bytes: text.len() as u64,
            origin: &to.origin,
            size: to.size.0,
            next_seq: to.next_seq.0,
        });
    }
    Ok(Verdict::Yes)
}

/// Writes to a file, or to stdout for `-`.
pub(crate) fn write(ui: &mut Ui, path: &Path, text: &str) -> Result<(), CommandError> {
    if path == Path::new("-") {
        ui.file(text.as_bytes());
        return Ok(());
    }
    crate::files::replace(path, text.as_bytes())
}

/// A checkpoint by its file, or by its size among those that the log keeps; the newest of them if none is named. Its
/// claims are compared with the log, so no signature is needed.
pub(crate) fn checkpoint(kept: &Checkpoints, named: Option<&str>) -> Result<Checkpoint, CommandError> {
    let io = |failure| CommandError::from(LogError::from(OpenError::Io(failure)));
    let size = match named.map(str::parse) {
        Some(Ok(size)) => Some(Position(size)),
        Some(Err(_)) => return notes::claimed(Path::new(named.unwrap_or_default())),
        None => kept.sizes().map_err(io)?.pop(),
    };
    let Some(size) = size else {
        return Err(no_checkpoint());
    };
    notes::claimed_kept(kept, size)
}

/// The log keeps no checkpoint, and a proof needs one.
pub(crate) fn no_checkpoint() -> CommandError {
    CommandError::user("the log keeps no checkpoint, and a proof needs one").hint(
        "`evlog checkpoint --key FILE` signs one; `evlog key new NAME` makes the key of a log that was never signed",
    )
}

pub(crate) fn same_log(view: &View, checkpoint: &Checkpoint) -> Result<(), CommandError> {
    let (expected, found) = (view.log_id(), checkpoint.log_id);
    if expected == found {
        return Ok(());
    }
    let message = format!("the checkpoint is of another log: expected log id {expected}, found {found}");
    Err(CommandError::user(message).hint("`--log PATH` or EVLOG_LOG names another log"))
}

/// Refuses a checkpoint that contradicts the log: no proof can lead to it.
pub(crate) fn as_stated(context: &Context, checkpoint: &Checkpoint) -> Result<(), CommandError> {
    let Checkpoint { size, format_version, next_seq, .. } = *checkpoint;
    let stated = Stated { size, format_version, next_seq };
    match stated_otherwise(context.fs()?, &context.log, &stated)?.first() {
        None => Ok(()),
        Some((what, expected, found)) => {
            let message = format!("the checkpoint states {what} {expected} at {size} bytes, and the log has {found}");
            Err(CommandError::user(message)
                .hint("ask for a checkpoint of this log; `evlog verify --checkpoint` compares it"))
        }
    }
}

fn included(
    view: &View,
    prover: &Prover,
    seq: Seq,
    to: &Checkpoint,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<ProofFile, CommandError> {
    let Some(place) = view.place(seq)? else {
        return Err(uncommitted("--seq", view, seq.0));
    };
    if place.frame.end > to.size.0 {
        let covered = format!("a seq below {}, as the checkpoint covers the events up to there", to.next_seq);
        let message = format!(
            "--seq {seq}: the checkpoint does not cover this event; it covers the events before seq {}",
            to.next_seq
        );
        return Err(CommandError::unlike(format!("--seq {seq}"), covered, "a later event")
            .worded(message)
            .hint("`evlog checkpoint --key FILE` signs one that covers it; then repeat this command"));
    }
    let frames = std::slice::from_ref(&place.frame);
    let slices = prover.inclusion(to.size, &to.root, frames, progress).map_err(unproven)?;
    let slice = slices.into_iter().next().unwrap_or_default();
    let (log_id, size) = (to.log_id, to.size.0);
    Ok(ProofFile::Inclusion {
        log_id,
        size,
        frame: place.frame,
        first_seq: place.first_seq,
        events: place.events,
        slice,
    })
}

fn grown(
    prover: &Prover,
    from: &Checkpoint,
    to: &Checkpoint,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<ProofFile, CommandError> {
    let (old, new) = ((from.size, &from.root), (to.size, &to.root));
    let proof = prover.consistency(old, new, progress).map_err(unproven)?;
    Ok(ProofFile::Consistency { log_id: to.log_id, old: from.size.0, new: to.size.0, proof })
}

/// The log differs from what was signed: this is an answer (no, exit code 1), not an error.
pub(crate) fn unproven(error: LogError) -> CommandError {
    let is_answer = matches!(error, LogError::Unproven(_));
    let error = CommandError::from(error);
    if is_answer { error.with_code(Verdict::No.code()) } else { error }
}
