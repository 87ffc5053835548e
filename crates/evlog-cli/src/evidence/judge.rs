//! What evidence shows: each proof against the checkpoint, the run's events in order and without a gap, its projections
//! computed again from the proven events alone.
//!
//! Does not: verify the checkpoint's signature, which needs a key that the reader trusts; read a log; know whether the
//! run has later events. It reports that it does not know.

use super::{Evidence, Projected};
use crate::error::CommandError;
use crate::events::each_fact;
use crate::json::{event_line, hex};
use evlog::{APART_NS, Times};
use evlog_format::{Root, Seq};
use evlog_lifecycle::explain::Explanation;
use evlog_projection::contracts::BundleFold;
use evlog_projection::{Bundle, Contracts, File, FoldError};
use evlog_proof::{Checkpoint, Note, ProofFile};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::Range;

/// What the evidence shows.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) checkpoint: Checkpoint,
    /// The run's proven events, as `cat --json` shows them.
    pub(crate) events: Vec<Value>,
    /// When they were recorded and occurred, by seq.
    pub(crate) times: Vec<(Seq, Times)>,
    pub(crate) contract: Option<String>,
    pub(crate) status: Option<String>,
    /// Whether the run has ended, by its contract.
    pub(crate) has_ended: bool,
    /// Why it has this status, if the proven events can be folded.
    pub(crate) explanation: Option<Explanation>,
    /// For each proof that holds: the bytes of its commit, the seq of the commit's first event, and the number of its
    /// events.
    pub(crate) commits: Vec<(Range<u64>, Seq, u64)>,
    /// Who signed the checkpoint, and the Unix seconds that a cosignature states. Not verified here.
    pub(crate) signatures: Vec<(String, Option<u64>)>,
    /// The files that the proven events give, with their texts.
    pub(crate) projections: Vec<(Projected, String)>,
    /// The files as earlier versions of their projections make them, because a page can be older than this program.
    earlier: Vec<(Projected, String)>,
    /// Why the proven events cannot be folded.
    pub(crate) contract_finding: Option<String>,
    /// What does not hold.
    pub(crate) findings: Vec<String>,
}

/// Explains a run from its files.
pub(crate) type Explain = fn(&Bundle) -> Explanation;

/// Judges everything but the signature.
pub(crate) fn judge(evidence: &Evidence, contracts: &Contracts, explain: Explain) -> Result<Judged, String> {
    let note = Note::parse(evidence.checkpoint.as_bytes()).map_err(|error| format!("the checkpoint: {error}"))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| format!("the checkpoint: {error}"))?;
    let mut judging = Judging::new(evidence, contracts, checkpoint);
    judging.judged.signatures =
        note.signatures().iter().map(|signature| (signature.name().to_owned(), signature.stated_time())).collect();
    for (nth, text) in (1..).zip(&evidence.proofs) {
        let proof = ProofFile::parse(text.as_bytes()).map_err(|error| format!("proof {nth}: {error}"))?;
        judging.proof(nth, &proof);
    }
    Ok(judging.finish(explain))
}

struct Judging<'e> {
    evidence: &'e Evidence,
    fold: BundleFold<'e>,
    failed: Option<FoldError>,
    judged: Judged,
    after: Option<Seq>,
}

impl<'e> Judging<'e> {
    fn new(evidence: &'e Evidence, contracts: &'e Contracts, checkpoint: Checkpoint) -> Judging<'e> {
        let judged = Judged {
            checkpoint,
            events: Vec::new(),
            times: Vec::new(),
            contract: None,
            status: None,
            has_ended: false,
            explanation: None,
            commits: Vec::new(),
            signatures: Vec::new(),
            projections: Vec::new(),
            earlier: Vec::new(),
            contract_finding: None,
            findings: Vec::new(),
        };
        Judging { evidence, fold: BundleFold::new(contracts), failed: None, judged, after: None }
    }

    fn proof(&mut self, nth: usize, proof: &ProofFile) {
        let commit = match proof.check_inclusion(&self.judged.checkpoint) {
            Ok(commit) => commit,
            Err(error) => return self.judged.findings.push(format!("proof {nth} does not hold: {error}")),
        };
        let (run, mut found) = (&self.evidence.run, 0);
        if let ProofFile::Inclusion { frame, first_seq, events, .. } = proof {
            self.judged.commits.push((frame.clone(), *first_seq, *events));
        }
        let each = each_fact(&commit, &mut |fact| {
            if fact.event.stream != run {
                return Ok(());
            }
            found += 1;
            let expected = self.judged.events.len() as u64;
            if fact.event.number != expected || self.after.is_some_and(|after| fact.seq <= after) {
                let number = fact.event.number;
                self.judged
                    .findings
                    .push(format!("proof {nth}: expected event {expected} of the run, found event {number}"));
            }
            self.after = Some(fact.seq);
            let line = serde_json::to_value(event_line(fact, APART_NS)).unwrap_or_default();
            self.judged.events.push(line);
            self.judged.times.push((fact.seq, Times::of(&fact.head)));
            if self.failed.is_none() {
                self.failed = self.fold.push(fact).err();
            }
            Ok::<(), CommandError>(())
        });
        if each.is_err() || found == 0 {
            self.judged.findings.push(format!("proof {nth} is of a commit that holds no event of the run"));
        }
    }

    fn finish(mut self, explain: Explain) -> Judged {
        if self.judged.events.is_empty() {
            self.judged.findings.push("expected events of the run, found none".to_owned());
        }
        if let Some(run) = self.fold.run() {
            self.judged.contract = Some(run.contract().name().to_owned());
            self.judged.status = Some(run.status().to_owned());
            self.judged.has_ended = run.is_terminal();
            self.judged.earlier = run.project_earlier().unwrap_or_default().iter().map(projected).collect();
        }
        let bundle = match self.failed.take() {
            Some(error) => Err(error),
            None => self.fold.bundle(),
        };
        match bundle {
            Ok(bundle) => {
                let files = bundle.iter().flat_map(|bundle| bundle.files.values());
                self.judged.projections = files.map(projected).collect();
                self.judged.explanation = bundle.as_ref().map(explain);
            }
            Err(error) => self.judged.contract_finding = Some(error.to_string()),
        }
        self.judged
    }
}

fn projected(file: &File) -> (Projected, String) {
    let named = Projected {
        path: file.path.clone(),
        projection: file.projection.to_owned(),
        version: file.version,
        blake3: hex(&file.digest()),
    };
    (named, String::from_utf8_lossy(&file.bytes).into_owned())
}

impl Judged {
    /// Adds to the evidence what the proven events give. A file that an earlier version of its projection gives stays as it is.
    pub(crate) fn complete(&self, evidence: &mut Evidence) {
        let earlier = |(file, _): &(Projected, String)| {
            let given = evidence.projections.iter().find(|given| given.path == file.path);
            given.filter(|given| self.is_earlier(given)).unwrap_or(file).clone()
        };
        evidence.projections = self.projections.iter().map(earlier).collect();
        evidence.finding.clone_from(&self.contract_finding);
    }

    fn is_earlier(&self, given: &Projected) -> bool {
        self.earlier.iter().any(|(earlier, _)| earlier == given)
    }

    /// The text of a file that the proven events give, as the current or an earlier version of its projection gives it.
    pub(crate) fn text(&self, file: &Projected) -> &str {
        let all = self.projections.iter().chain(&self.earlier);
        all.filter(|(given, _)| given == file).map(|(_, text)| text.as_str()).next().unwrap_or_default()
    }

    /// Adds the differences between the evidence and the proven events.
    pub(crate) fn compare(&mut self, evidence: &Evidence) {
        if evidence.finding != self.contract_finding {
            let words = |finding: &Option<String>| finding.clone().unwrap_or_else(|| "none".to_owned());
            let (expected, found) = (words(&self.contract_finding), words(&evidence.finding));
            self.findings.push(format!("contract finding: expected {expected}, found {found}"));
        }
        for (expected, _) in &self.projections {
            match evidence.projections.iter().find(|found| found.path == expected.path) {
                None => self.findings.push(format!("projection `{}` is missing", expected.path)),
                Some(found) if found != expected && !self.is_earlier(found) => self.findings.push(format!(
                    "projection `{}`: the proven events give other bytes, BLAKE3 {}",
                    expected.path, expected.blake3
                )),
                Some(_) => {}
            }
        }
        let known = |found: &&Projected| !self.projections.iter().any(|(expected, _)| expected.path == found.path);
        let more: Vec<String> = evidence.projections.iter().filter(known).map(|found| found.path.clone()).collect();
        self.findings.extend(more.iter().map(|path| format!("the run has no projection `{path}`")));
    }

    /// The limits of the evidence, in words for people. A run's events are proven one by one, and the format has no
    /// proof of how many there are: the author of the page chose where it ends.
    pub(crate) fn limit(&self) -> String {
        let last = self.events.len().saturating_sub(1);
        let what = if self.has_ended {
            "by its contract, the run has ended here"
        } else {
            "the status may have changed since"
        };
        format!(
            "proven up to event {last} of the run (counted from 0); later events may be left out, even if the checkpoint covers them; {what}"
        )
    }

    /// The correlations of the events, each text once, in order.
    pub(crate) fn correlations(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let texts = self.events.iter().filter_map(|event| event["correlation"].as_str());
        texts.filter(|text| seen.insert(*text)).collect()
    }

    /// The root that the checkpoint states.
    pub(crate) fn root(&self) -> Root {
        self.checkpoint.root
    }
}
