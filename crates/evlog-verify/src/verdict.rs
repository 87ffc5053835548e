//! The five verdicts on a log, and the findings that lead to them.
//!
//! Does: say what each verdict means and which is worse, and carry the evidence. Does not: search for evidence (module
//! [`audit`](crate::audit) does).

mod places;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use evlog_format::{Position, Seq};
use places::Places;

/// The state of a log, worst first. Of several verdicts, the smallest is the verdict on the whole log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Bytes are well-formed, and contradict a root, an order or a digest that the log states elsewhere. An accident cannot do
    /// this: somebody made the checksums match.
    Tampered,
    /// Bytes are missing that a header, HEAD or a durable-before covers.
    Truncated,
    /// Bytes that were durable are not what was written.
    Damaged,
    /// The last bytes are an unfinished commit that was never acknowledged under class `sync`.
    TornTail,
    /// Everything was read and matches.
    Clean,
}

impl Verdict {
    /// All verdicts, worst first.
    pub const ALL: [Verdict; 5] =
        [Verdict::Tampered, Verdict::Truncated, Verdict::Damaged, Verdict::TornTail, Verdict::Clean];

    /// The verdict's word, as it is printed and as it is in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Tampered => "tampered",
            Verdict::Truncated => "truncated",
            Verdict::Damaged => "damaged",
            Verdict::TornTail => "torn_tail",
            Verdict::Clean => "clean",
        }
    }

    /// The verdict that has this word.
    pub fn from_word(word: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| verdict.word() == word)
    }

    /// What to do in case of this verdict, as a clause without a full stop.
    pub fn advice(self) -> &'static str {
        match self {
            Verdict::Tampered => "compare with a copy or a checkpoint that was kept elsewhere",
            Verdict::Truncated => "bring the missing bytes back from a copy of the log (docs/copying.md)",
            Verdict::Damaged => "bring the damaged file back from a copy of the log (docs/copying.md)",
            Verdict::TornTail => "nothing is lost: the next writer cuts the tail and keeps it in quarantine",
            Verdict::Clean => "nothing to do",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One piece of evidence: a rule, the place where it is broken, and what is there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The verdict that follows from it.
    pub verdict: Verdict,
    /// Position of the first byte concerned.
    pub position: Position,
    /// Seq of the event concerned, if it is a single event.
    pub seq: Option<Seq>,
    /// Its stream.
    pub stream: Option<String>,
    /// The rule, as `docs/format.md` or a contract's page numbers it: `F-22`.
    pub rule: &'static str,
    /// The requirement of the rule.
    pub expected: String,
    /// The found value.
    pub found: String,
    /// What the finding is about, without place, expectation and what was found.
    pub message: String,
}

impl Finding {
    /// Whether bytes of the log are damaged or missing at its position. A header that contradicts the bytes before it (F-14,
    /// F-16) may do so because of earlier damage, although its own bytes are whole.
    fn is_place_of_damage(&self) -> bool {
        match self.verdict {
            Verdict::Damaged => self.rule.starts_with("F-") && !["F-14", "F-16"].contains(&self.rule),
            Verdict::Truncated => self.rule.starts_with("F-"),
            Verdict::Tampered | Verdict::TornTail | Verdict::Clean => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: at position {}", self.verdict, self.position)?;
        if let Some(seq) = self.seq {
            write!(f, ", seq {seq}")?;
        }
        if let Some(stream) = &self.stream {
            write!(f, ", stream `{stream}`")?;
        }
        let Finding { message, rule, expected, found, .. } = self;
        write!(f, ": {message} ({rule}): expected {expected}, found {found}")
    }
}

/// Findings in the order in which they were made. Beyond a certain number they are counted but no longer kept, so that a
/// ruined log of many gigabytes cannot fill the memory. The first finding that leads to the verdict is always kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    kept: Vec<Finding>,
    count: u64,
    verdict: Verdict,
    /// Where the log's bytes are damaged or missing, according to all findings, kept or not. Copies of the list share the
    /// places, because a copy is made for each note of a log.
    damaged: Arc<Places>,
}

impl Findings {
    /// The maximum number of findings that are kept.
    pub const KEPT_MAX: usize = 1000;

    /// No findings yet: the verdict is clean.
    pub fn new() -> Findings {
        Findings { kept: Vec::new(), count: 0, verdict: Verdict::Clean, damaged: Arc::default() }
    }

    /// Adds a finding. The verdict follows from the worst one, kept or not.
    pub fn add(&mut self, finding: Finding) {
        if finding.is_place_of_damage() {
            let at = finding.position.0;
            Arc::make_mut(&mut self.damaged).add(at..at.saturating_add(1));
        }
        self.keep(finding);
    }

    fn keep(&mut self, finding: Finding) {
        self.count += 1;
        let is_worst = finding.verdict < self.verdict;
        self.verdict = self.verdict.min(finding.verdict);
        if self.kept.len() < Findings::KEPT_MAX {
            self.kept.push(finding);
        } else if is_worst {
            self.kept.pop();
            self.kept.push(finding);
        }
    }

    /// Adds the findings of another list.
    pub fn extend(&mut self, other: &Findings) {
        other.kept.iter().cloned().for_each(|finding| self.keep(finding));
        self.count += other.count - other.kept.len() as u64;
        Arc::make_mut(&mut self.damaged).extend(&other.damaged);
    }

    /// Whether bytes of the log are damaged or missing at a place within this range. If there are tens of thousands of such
    /// places, the answer may be yes for bytes between two of them.
    pub fn are_damage_in(&self, within: &Range<u64>) -> bool {
        self.damaged.are_in(within)
    }

    /// The findings that were kept, in the order they were made.
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// The number of findings.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The worst verdict of all findings.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }
}

impl Default for Findings {
    fn default() -> Findings {
        Findings::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn finding(verdict: Verdict) -> Finding {
        Finding {
            verdict,
            position: Position(96),
            seq: Some(Seq(7)),
            stream: Some("RUN_1".to_string()),
            rule: "F-31",
            expected: "7".to_string(),
            found: "8".to_string(),
            message: "first seq of the commit".to_string(),
        }
    }

    #[test]
    fn the_worst_finding_makes_the_verdict() {
        let mut findings = Findings::new();
        assert_eq!(findings.verdict(), Verdict::Clean);
        for (added, expected) in [
            (Verdict::TornTail, Verdict::TornTail),
            (Verdict::Damaged, Verdict::Damaged),
            (Verdict::TornTail, Verdict::Damaged),
            (Verdict::Truncated, Verdict::Truncated),
            (Verdict::Tampered, Verdict::Tampered),
            (Verdict::Damaged, Verdict::Tampered),
        ] {
            findings.add(finding(added));
            assert_eq!(findings.verdict(), expected);
        }
    }

    #[test]
    fn findings_beyond_the_number_kept_still_count_and_still_judge_and_the_worst_is_kept() {
        let mut findings = Findings::new();
        (0..Findings::KEPT_MAX).for_each(|_| findings.add(finding(Verdict::TornTail)));
        findings.add(finding(Verdict::Tampered));
        assert_eq!((findings.kept().len(), findings.count()), (Findings::KEPT_MAX, Findings::KEPT_MAX as u64 + 1));
        assert_eq!(findings.verdict(), Verdict::Tampered);
        assert!(findings.kept().contains(&finding(Verdict::Tampered)), "the finding that makes the verdict is kept");
    }

    #[test]
    fn findings_that_extend_others_count_once_as_findings_and_as_places() {
        let (mut together, mut first, mut second) = (Findings::new(), Findings::new(), Findings::new());
        for (nth, part) in [&mut first, &mut second].into_iter().enumerate() {
            for at in 0..Findings::KEPT_MAX as u64 + 10 {
                let position = Position(nth as u64 * 10_000 + at);
                let found = Finding { position, ..finding(Verdict::Damaged) };
                together.add(found.clone());
                part.add(found);
            }
        }
        first.extend(&second);
        assert!(first == together);
    }

    #[test]
    fn words_are_read_back_and_others_are_not() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_word(verdict.word()), Some(verdict));
        }
        assert_eq!(Verdict::ALL.map(Verdict::word), ["tampered", "truncated", "damaged", "torn_tail", "clean"]);
        assert_eq!(Verdict::from_word("Clean"), None);
        assert!(Verdict::ALL.is_sorted(), "worst first");
    }

    #[test]
    fn a_finding_names_place_rule_expected_and_found() {
        let text = finding(Verdict::Tampered).to_string();
        let expected =
            "tampered: at position 96, seq 7, stream `RUN_1`: first seq of the commit (F-31): expected 7, found 8";
        assert_eq!(text, expected);
    }
}
