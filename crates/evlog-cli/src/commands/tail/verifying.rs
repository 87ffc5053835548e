//! `evlog tail --verify`: judges every commit before it is shown, and says how far that is.
//!
//! Invariant: nothing is called signed unless the log keeps the note, a key that the log records has signed it, and its root
//! is the root of the bytes.

use crate::context::Context;
use crate::error::CommandError;
use crate::listener;
use crate::metrics::Metrics;
use crate::notes;
use crate::ui::Ui;
use evlog::check::live::{Live, Recorded};
use evlog::clock::{Clock, SystemClock};
use evlog::history::{KeyAdded, LOG_STREAM};
use evlog::{LogError, View};
use evlog_format::{kind, payload};
use evlog_projection::Contracts;
use evlog_proof::Note;
use evlog_store::Checkpoints;
use std::ops::ControlFlow;

/// A verification, and what was printed about it.
pub(super) struct Verifying<'c> {
    context: &'c Context,
    live: Live<'c>,
    judged: Option<Recorded>,
    /// What is known of the last recorded checkpoint, in words.
    signed: String,
    said: String,
    findings: Vec<String>,
    metrics: Metrics,
}

impl<'c> Verifying<'c> {
    pub(super) fn new(context: &'c Context, contracts: &'c Contracts, metrics: &Metrics) -> Verifying<'c> {
        let signed = "no checkpoint is recorded".to_owned();
        let live = Live::with_runs(contracts);
        let (said, findings, metrics) = (String::new(), Vec::new(), metrics.clone());
        Verifying { context, live, judged: None, signed, said, findings, metrics }
    }

    /// Judges what was not judged yet. Returns whether nothing is wrong.
    pub(super) fn check(&mut self, view: &View) -> Result<bool, CommandError> {
        while !listener::is_gone() && !self.live.go_on(view)? {
            self.count(view);
        }
        if self.findings.is_empty() {
            self.findings.extend_from_slice(self.live.findings());
            self.judge_note(view)?;
        }
        self.count(view);
        for finding in &self.findings {
            tracing::error!(target: "verify", finding, "a finding");
        }
        Ok(self.findings.is_empty())
    }

    /// Counts how far the log is verified. What a view shows is the log as this process knows it now.
    pub(super) fn count(&self, view: &View) {
        let (next, findings) = (self.live.next_seq(), self.findings.len().max(self.live.findings().len()));
        let is_good = next >= view.next_seq() && findings == 0;
        self.metrics.count(|figures| figures.verified(next, findings, is_good.then(|| SystemClock.now_ns())));
    }

    /// Says what is wrong.
    pub(super) fn report(&self, ui: &Ui) {
        self.findings.iter().for_each(|finding| ui.finding(finding));
    }

    /// How far the log is verified and signed, if this was not printed yet.
    pub(super) fn news(&mut self) -> Option<String> {
        let verified = match self.live.next_seq().0.checked_sub(1) {
            Some(last) => format!("verified <= {last}"),
            None => "nothing verified".to_owned(),
        };
        let state = format!("{verified}, {}", self.signed);
        (state != self.said).then(|| {
            self.said.clone_from(&state);
            state
        })
    }

    /// Judges the note of the checkpoint that the log recorded last.
    fn judge_note(&mut self, view: &View) -> Result<(), CommandError> {
        let Some(recorded) = self.live.recorded().filter(|recorded| self.judged != Some(*recorded)) else {
            return Ok(());
        };
        self.judged = Some(recorded);
        let Recorded { size, next_seq } = recorded;
        let last = next_seq.0.saturating_sub(1);
        let kept = Checkpoints::new(self.context.fs()?, &self.context.log);
        let Ok(bytes) = kept.read(size) else {
            self.signed = format!("signed <= {last} as the log records, but it does not keep the note");
            return Ok(());
        };
        let claim = notes::claim(&bytes, &keys(view)?, None);
        if let Err(why) = claim.and_then(|claim| claim.signed) {
            let path = kept.path(size);
            self.findings.push(format!("checkpoint `{}`: {why}", path.display()));
            return Ok(());
        }
        let cosignatures = Note::parse(&bytes).map_or(0, |note| note.signatures().len().saturating_sub(1));
        let witnessed = match cosignatures {
            0 => "not witnessed as far as the log keeps it".to_owned(),
            count => format!("{count} cosigned, not checked"),
        };
        self.signed = format!("signed <= {last}, {witnessed}");
        Ok(())
    }
}

/// The keys that the log records.
fn keys(view: &View) -> Result<Vec<String>, LogError> {
    let mut keys = Vec::new();
    view.stream::<LogError>(LOG_STREAM, &mut |fact| {
        if fact.event.kind == kind::LOG_KEY_ADDED {
            keys.extend(payload::decode::<KeyAdded>(fact.event.payload).ok().map(|added| added.key));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(keys)
}
