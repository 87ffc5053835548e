//! The findings in a log as a report: a rule for each group of rules of the documents.

use super::{Kept, TOO_FEW};
use crate::reports::{Answer, Base, Finding, Place, Region, Report, Rule, within};
use evlog::history::LOG_STREAM;
use evlog::own_notes::Judged;
use evlog_projection::FoldError;
use evlog_store::{RawLog, RawSegment, StdFs, Verdict};
use evlog_verify::audit::Report as Audited;
use std::path::Path;
use std::sync::Arc;

/// A group of rules: its name, what must hold, and the page that explains it. The groups of bytes are those of the sections of
/// docs/format.md.
const GROUPS: [(&str, &str, &str); 5] = [
    (
        "files",
        "the log is its segment files, each named by the position of its first byte",
        "docs/format.md, section 1",
    ),
    ("headers", "every segment has a whole header that continues the segment before it", "docs/format.md, section 2"),
    ("frames", "the log is whole frames up to its end, and each checksum matches", "docs/format.md, section 3"),
    ("commits", "every commit is well-formed, and seqs and numbers have no gap", "docs/format.md, section 4"),
    ("checkpoints", "the log begins with what its checkpoints cover", "docs/checkpoint.md, section 6"),
];

/// The groups whose rules are judged only of the segments that were read.
const OF_SEGMENTS: [&str; 3] = ["headers", "frames", "commits"];

/// The group of a rule: `F-16` is one of `headers`.
fn group(rule: &str) -> &'static str {
    match (rule.starts_with("C-"), rule.get(..3)) {
        (true, _) => "checkpoints",
        (_, Some("F-0")) => "files",
        (_, Some("F-1")) => "headers",
        (_, Some("F-2")) => "frames",
        _ => "commits",
    }
}

/// What was judged. Not all of it is judged of every log.
pub(crate) struct Subject<'a> {
    pub(crate) tool: &'static str,
    /// The directory whose name the report has.
    pub(crate) log: &'a Path,
    pub(crate) audited: &'a Audited,
    /// The findings in runs; none for a sample, which has no complete runs.
    pub(crate) runs: Option<&'a [FoldError]>,
    pub(crate) own: &'a Judged,
    pub(crate) has_outside: bool,
    /// Whether enough witnesses have cosigned, if a witness policy was given.
    pub(crate) witnessed: Option<bool>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(log: &'a Path, audited: &'a Audited, runs: Option<&'a [FoldError]>, own: &'a Judged) -> Self {
        let tool = "evlog verify";
        Subject { tool, log, audited, runs, own, has_outside: false, witnessed: None }
    }

    pub(super) fn compared_with(self, kept: Option<&Kept>) -> Self {
        let witnesses = kept.and_then(|kept| kept.witnesses.as_ref());
        Subject { has_outside: kept.is_some(), witnessed: witnesses.map(|witnesses| witnesses.enough), ..self }
    }

    pub(crate) fn report(&self) -> Report {
        let mut report = empty(self.tool, self.log);
        // A sample shows nothing of the other segments, and does not know the bytes before those that it read.
        let of = if self.runs.is_some() { "" } else { ", in the segments that were read" };
        report.says("verdict", format!("{}{of}", self.audited.verdict().word()));
        if self.runs.is_some() {
            report.says("root", self.audited.root.to_string());
        }
        let segments = RawLog::open(Arc::new(StdFs), self.log).map(|raw| raw.segments().to_vec()).unwrap_or_default();
        for (id, title, page) in GROUPS {
            let findings = self.audited.findings.kept().iter().filter(|finding| group(finding.rule) == id);
            let answer = Answer::found(findings.map(|finding| found(self.log, &segments, finding)));
            let title = if OF_SEGMENTS.contains(&id) { format!("{title}{of}") } else { title.to_owned() };
            report.asked(Rule::new(id, &title, page), self.unless_none_compared(id, answer));
        }
        let kept = self.audited.findings.kept().len() as u64;
        report.left_out(0, self.audited.findings.count() - kept);
        self.of_runs(&mut report);
        witnessed(&mut report, self.witnessed);
        report
    }

    /// A note can be kept and not compared, and a checkpoint recorded: then nothing was judged.
    fn unless_none_compared(&self, id: &str, answer: Answer) -> Answer {
        let Judged { kept, compared, recorded, .. } = *self.own;
        let has_compared_recorded = recorded > 0 && self.audited.verdict() >= Verdict::TornTail;
        let is_compared = self.has_outside || compared > 0 || has_compared_recorded;
        if id != "checkpoints" || is_compared || answer.count() > 0 {
            return answer;
        }
        let none = if kept + recorded == 0 {
            "the log has no checkpoint"
        } else {
            "the log was compared with none of its checkpoints"
        };
        Answer::NotRun(format!("{none}, and none was given: `--checkpoint FILE`"))
    }

    fn of_runs(&self, report: &mut Report) {
        let of = |is_own: bool| match self.runs {
            Some(findings) => {
                let those = findings.iter().filter(|finding| (finding.run == LOG_STREAM) == is_own);
                Answer::found(those.map(Finding::from))
            }
            None => Answer::NotRun("a sample has no complete runs".to_owned()),
        };
        let title = "every run follows its contract, and the policy in force at its time";
        report.asked(Rule::new("contracts", title, "docs/lifecycle and docs/policy.md"), of(false));
        let title = "the log's own events can be read, and are allowed where they stand";
        report.asked(Rule::new("own_events", title, "docs/format.md, section 8"), of(true));
    }
}

/// A report on a log, before anything was checked.
pub(crate) fn empty(tool: &'static str, log: &Path) -> Report {
    Report::new(tool, log.display().to_string(), Base::log(log))
}

/// Adds whether enough witnesses have cosigned, if there is a witness policy.
pub(crate) fn witnessed(report: &mut Report, enough: Option<bool>) {
    let answer = match enough {
        None => Answer::NotRun("no witness policy was given: `--policy FILE`".to_owned()),
        Some(true) => Answer::passed(),
        Some(false) => Answer::found([Finding { sentence: TOO_FEW.to_owned(), ..Finding::default() }]),
    };
    let title = "enough witnesses have cosigned the checkpoint";
    report.asked(Rule::new("witnesses", title, "docs/checkpoint.md, section 5"), answer);
}

/// The position in a log is a place in one of its segment files.
fn found(log: &Path, segments: &[RawSegment], finding: &evlog_verify::Finding) -> Finding {
    let position = finding.position;
    let before = segments.partition_point(|segment| segment.position <= position);
    let segment = before.checked_sub(1).map(|at| &segments[at]);
    let name = finding.stream.clone().or(finding.seq.map(|seq| format!("seq {seq}")));
    Finding {
        file: segment.map(|segment| within(log, &segment.path)).unwrap_or_default(),
        region: segment
            .map_or(Region::Whole, |segment| Region::Bytes { offset: position.0 - segment.position.0, len: None }),
        place: name.map(|name| Place { kind: if finding.stream.is_some() { "run" } else { "event" }, name }),
        expected: finding.expected.clone(),
        found: finding.found.clone(),
        sentence: finding.to_string(),
    }
}
