//! What an audit finds.

use evlog_format::Seq;
use evlog_format::ids::LOG_STREAM;
use evlog_rules::Severity;
use std::collections::BTreeMap;

/// The subject of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The log itself.
    Log,
    /// A run.
    Run(String),
    /// All events with this value of the field by which a rule joins events.
    Value(String),
}

impl Subject {
    /// The run of a stream, or the log.
    pub fn of_stream(stream: &str) -> Subject {
        if stream == LOG_STREAM { Subject::Log } else { Subject::Run(stream.to_owned()) }
    }

    /// The run or the value; `None` for the log itself.
    pub fn text(&self) -> Option<&str> {
        match self {
            Subject::Log => None,
            Subject::Run(text) | Subject::Value(text) => Some(text),
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that is broken: a built-in rule, or a user's rule by its name.
    pub rule: String,
    /// The severity.
    pub severity: Severity,
    /// The subject.
    pub subject: Subject,
    /// The events that show it, in order. Empty if the rule is broken because there are no such events.
    pub seqs: Vec<Seq>,
    /// The requirement of the rule.
    pub expected: String,
    /// The finding, in words.
    pub found: String,
}

/// How many findings of each rule are kept. All are counted.
pub const KEPT_MAX: usize = 1000;

/// Findings (for each rule, the first ones), and how many there are.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    counts: BTreeMap<String, usize>,
    by_severity: BTreeMap<Severity, usize>,
}

impl Findings {
    /// Adds one.
    pub fn add(&mut self, finding: Finding) {
        *self.by_severity.entry(finding.severity).or_default() += 1;
        let count = self.counts.entry(finding.rule.clone()).or_default();
        *count += 1;
        if *count <= KEPT_MAX {
            self.kept.push(finding);
        }
    }

    /// The findings that are kept, in the order in which they became certain.
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// The number of findings that a rule has.
    pub fn count_of(&self, rule: &str) -> usize {
        self.counts.get(rule).copied().unwrap_or(0)
    }

    /// How many have this severity.
    pub fn count_by(&self, severity: Severity) -> usize {
        self.by_severity.get(&severity).copied().unwrap_or(0)
    }

    /// The number of findings.
    pub fn count(&self) -> usize {
        self.counts.values().sum()
    }

    /// The greatest severity; `None` if there is no finding.
    pub fn worst(&self) -> Option<Severity> {
        self.by_severity.keys().next_back().copied()
    }
}
