//! `evlog evidence`: one file about one run, for people and for `check-evidence`.

use crate::args::At;
use crate::commands::explain::{Lineage, explanation, json as file_json};
use crate::commands::prove::{as_stated, no_checkpoint, same_log, unproven, write};
use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::evidence::{Evidence, judge};
use crate::files::RUN_FILE;
use crate::json::{WrittenEvidenceObject, payload_json, time};
use crate::notes;
use crate::outputs::{self, Made};
use crate::ui::{Ui, Unit};
use clap::Args;
use evlog::history::LOG_STREAM;
use evlog::prove::{CommitPlace, Prover};
use evlog::{LogError, View};
use evlog_format::{Seq, kind};
use evlog_lifecycle::explain::Explanation;
use evlog_projection::Bundle;
use evlog_proof::{Checkpoint, ProofFile};
use evlog_store::{Checkpoints, OpenError};
use serde_json::json;
use std::cell::OnceCell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  evlog evidence RUN_0001 --out RUN_0001.html
  evlog evidence RUN_0001 --checkpoint cosigned.note --out RUN_0001.html
      include the signatures of witnesses
  evlog check-evidence RUN_0001.html --key builds.pub";

/// Write one HTML page with a run's events, projections, checkpoint and proofs
///
/// The page opens in a browser without a network. It contains everything that `check-evidence` needs: anyone with the
/// log's public key can check it anywhere.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EvidenceArgs {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// The file of the page; `-` for stdout
    #[arg(long, value_name = "FILE.html")]
    out: PathBuf,
    /// The checkpoint that the proofs lead to [default: the newest that the log keeps]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

impl EvidenceArgs {
    /// Whether the command writes a file, and not to stdout.
    pub(crate) fn writes(&self) -> bool {
        self.out != Path::new("-")
    }
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &EvidenceArgs) -> Result<Verdict, CommandError> {
    outputs::check_made("--out", &args.out, &context.log, None, Made::Page)?;
    let view = context.view(&At::default())?;
    let commits = commits(&view, &args.run)?;
    if commits.is_empty() {
        return Err(CommandError::no_run(&view, &args.run));
    }
    let (path, text) = note(context, args)?;
    let checkpoint = notes::parse_claimed(&path, text.as_bytes())?;
    same_log(&view, &checkpoint)?;
    let places = places(&view, commits, &checkpoint)?;
    let proofs = prove(ui, context, &checkpoint, places)?;
    as_stated(context, &checkpoint)?;
    let mut evidence = Evidence::new(&args.run, text, signed(&view, &checkpoint)?, proofs);
    let judged = judge(&evidence, &contracts(), explained).map_err(CommandError::user)?;
    judged.complete(&mut evidence);
    let page = evidence.to_page(&judged)?;
    write(ui, &args.out, &page)?;
    if context.json && args.writes() {
        ui.json(&WrittenEvidenceObject {
            run: &args.run,
            out: &args.out.display().to_string(),
            bytes: page.len() as u64,
            origin: &checkpoint.origin,
            size: checkpoint.size.0,
            next_seq: checkpoint.next_seq.0,
        });
    }
    Ok(Verdict::Yes)
}

/// Explains a run from its files alone. Without the log, the runs whose stages it reused are not known.
pub(crate) fn explained(bundle: &Bundle) -> Explanation {
    explanation(bundle, &file_json(bundle, RUN_FILE), &Lineage::default())
}

/// When the log last recorded that the checkpoint was signed.
fn signed(view: &View, checkpoint: &Checkpoint) -> Result<Option<String>, CommandError> {
    let (size, root, mut signed) = (json!(checkpoint.size.0), json!(checkpoint.root.to_string()), None);
    view.stream::<LogError>(LOG_STREAM, &mut |fact| {
        if fact.event.kind == kind::LOG_CHECKPOINT_SIGNED {
            let stated = payload_json(&fact.event);
            if stated["size"] == size && stated["root"] == root {
                signed = Some(time(fact.head.recorded_ns));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(signed)
}

/// The checkpoint's path and text.
fn note(context: &Context, args: &EvidenceArgs) -> Result<(PathBuf, String), CommandError> {
    let (path, bytes) = if let Some(path) = &args.checkpoint {
        (path.clone(), notes::read(path)?)
    } else {
        let kept = Checkpoints::new(context.fs()?, &context.log);
        let newest = kept.sizes().map_err(|failure| LogError::from(OpenError::Io(failure)))?.pop();
        let newest = newest.ok_or_else(no_checkpoint)?;
        (kept.path(newest), notes::read_kept(&kept, newest)?)
    };
    let text = String::from_utf8(bytes).map_err(|_| {
        CommandError::user(format!("checkpoint `{}`: expected text, found other bytes", path.display()))
    })?;
    Ok((path, text))
}

/// The run's commits, by their first events, and the first event of the run in each.
fn commits(view: &View, run: &str) -> Result<Vec<(Seq, Seq)>, LogError> {
    let mut commits = Vec::new();
    view.stream::<LogError>(run, &mut |fact| {
        if commits.last().is_none_or(|(commit, _)| *commit != fact.head.first_seq) {
            commits.push((fact.head.first_seq, fact.seq));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(commits)
}

/// The places of the run's commits. The checkpoint covers all of them.
fn places(view: &View, commits: Vec<(Seq, Seq)>, checkpoint: &Checkpoint) -> Result<Vec<CommitPlace>, CommandError> {
    let mut places = Vec::new();
    for (commit, seq) in commits {
        let Some(place) = view.place(commit)? else { unreachable!("the commit was just read") };
        if place.frame.end > checkpoint.size.0 {
            let message = format!(
                "event {seq} of the run came after the checkpoint: expected one that covers the whole run, found one that \
                 covers the events before seq {}",
                checkpoint.next_seq
            );
            return Err(CommandError::user(message).hint("`evlog checkpoint --key FILE` signs a new one"));
        }
        places.push(place);
    }
    Ok(places)
}

/// A proof for each commit; no byte is read twice.
fn prove(
    ui: &Ui,
    context: &Context,
    checkpoint: &Checkpoint,
    places: Vec<CommitPlace>,
) -> Result<Vec<String>, CommandError> {
    let prover = Prover::open(context.fs()?, &context.log)?;
    let bar = OnceCell::new();
    let frames: Vec<_> = places.iter().map(|place| place.frame.clone()).collect();
    let slices = prover.inclusion(checkpoint.size, &checkpoint.root, &frames, &mut |done, total| {
        bar.get_or_init(|| ui.progress("prove", total, Unit::Bytes)).at(done);
    });
    let slices = slices.map_err(unproven)?;
    let (log_id, size) = (checkpoint.log_id, checkpoint.size.0);
    let text = |(CommitPlace { frame, first_seq, events }, slice)| {
        ProofFile::Inclusion { log_id, size, frame, first_seq, events, slice }.to_string()
    };
    Ok(places.into_iter().zip(slices).map(text).collect())
}
