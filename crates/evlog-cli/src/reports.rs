//! What a command checked and what it found, in one shape for all commands, and as files for other programs.
//!
//! Does: hold rules, test cases and findings, and write them as `JUnit` XML or SARIF. Does not: check anything, choose the exit
//! code, or write text and JSON, which are each command's own.
//!
//! Invariants:
//! - Ids, titles and severities of rules are data. Nothing in this module knows a command.
//! - A report is bounded ([`FINDINGS_MAX`], [`CASES_MAX`]). What it does not keep it counts.
//! - A report has no time and no host name: the same findings give the same file.

mod junit;
mod sarif;
pub(crate) mod stages;

use crate::error::{CommandError, Verdict};
use crate::formats::Format;
use crate::ui::Ui;
use clap::ValueEnum;
use evlog_audit::Severity;
use evlog_format::Position;
use evlog_projection::FoldError;
use evlog_store::layout::Layout;
use std::path::{Path, PathBuf};

/// The most findings that a test case keeps: the first ones.
const FINDINGS_MAX: usize = 1000;

/// The most test cases without findings that a report keeps, and the most with findings: the first ones of each.
pub(crate) const CASES_MAX: usize = 5000;

/// A format of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// `JUnit` XML, for the test results of a CI job.
    Junit,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

/// What was checked, and what was found.
pub(crate) struct Report {
    /// The command: `evlog verify`.
    tool: &'static str,
    /// What was checked: the name of the test suite.
    suite: String,
    base: Base,
    properties: Vec<(&'static str, String)>,
    rules: Vec<Rule>,
    cases: Vec<TestCase>,
    /// The least severity that makes a test fail, and the exit code 1.
    fails_from: Severity,
    /// How many of the test cases fail.
    failed: usize,
    more: More,
    /// How many findings the command itself has not kept: no format has them.
    only_counted: u64,
}

/// The directory of the files that findings name.
pub(crate) struct Base {
    /// Its name in SARIF: `LOG`.
    id: &'static str,
    dir: PathBuf,
    /// The file that is named for a finding about no file below the directory. GitHub refuses a whole report if a single
    /// result has no file.
    main: String,
}

/// What a report only counts.
#[derive(Debug, Default)]
struct More {
    passed: u64,
    failed: u64,
    findings: u64,
}

/// What must hold.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// A stable name, for programs.
    pub(crate) id: String,
    /// What people call it: `check 7`, `rule frames`.
    pub(crate) label: String,
    /// What must hold, as a clause.
    pub(crate) title: String,
    /// What must hold, as a sentence.
    pub(crate) about: String,
    /// Where to read more.
    pub(crate) help: String,
    pub(crate) severity: Severity,
    /// Its number in a contract.
    pub(crate) number: Option<u8>,
}

impl Rule {
    pub(crate) fn new(id: &str, title: &str, help: &str) -> Rule {
        let (label, about) = (format!("rule {id}"), format!("It must hold that {title}."));
        let (title, help) = (title.to_owned(), help.to_owned());
        Rule { id: id.to_owned(), label, title, about, help, severity: Severity::Error, number: None }
    }

    /// The rule as a warning.
    #[must_use]
    pub(crate) fn warning(self) -> Rule {
        Rule { severity: Severity::Warning, ..self }
    }
}

/// One thing that was checked by a rule.
#[derive(Debug)]
pub(crate) struct TestCase {
    /// Which of the report's rules.
    rule: usize,
    /// What the test case belongs to, for `JUnit`: words with dots between them.
    class: String,
    name: String,
    answer: Answer,
}

/// What a test case came to.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The first findings, how many there are, and how many of them the command has only counted.
    Ran { kept: Vec<Finding>, count: u64, only_counted: u64 },
    /// Why it was not run.
    NotRun(String),
}

impl Base {
    /// A directory by the path that leads to it without links, as far as it can be found out.
    pub(crate) fn new(id: &'static str, dir: &Path, main: impl Into<String>) -> Base {
        let absolute = || std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
        Base { id, dir: dir.canonicalize().unwrap_or_else(|_| absolute()), main: main.into() }
    }

    /// The directory of a file that the user named, and the file in it.
    pub(crate) fn of_file(file: &Path) -> Base {
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        Base::new("DIR", dir, name.unwrap_or_default())
    }

    /// A log. Every log begins with the same file.
    pub(crate) fn log(dir: &Path) -> Base {
        Base::new("LOG", dir, within(dir, &Layout::new(dir).segment(Position(0))))
    }
}

/// A path relative to the log's directory.
pub(crate) fn within(log: &Path, path: &Path) -> String {
    path.strip_prefix(log).unwrap_or(path).display().to_string()
}

impl Answer {
    /// No finding.
    pub(crate) fn passed() -> Answer {
        Answer::first(Vec::new(), 0)
    }

    /// The first findings, and `count`, the number of all findings. The command has not kept the others.
    pub(crate) fn first(kept: Vec<Finding>, count: u64) -> Answer {
        let only_counted = count - kept.len() as u64;
        Answer::Ran { kept, count, only_counted }
    }

    /// These findings.
    pub(crate) fn found(findings: impl IntoIterator<Item = Finding>) -> Answer {
        let mut answer = Answer::passed();
        findings.into_iter().for_each(|finding| answer.add(finding));
        answer
    }

    /// Adds a finding.
    pub(crate) fn add(&mut self, finding: Finding) {
        if let Answer::Ran { kept, count, .. } = self {
            *count += 1;
            if kept.len() < FINDINGS_MAX {
                kept.push(finding);
            }
        }
    }

    fn kept(&self) -> &[Finding] {
        if let Answer::Ran { kept, .. } = self { kept } else { &[] }
    }

    /// How many findings there are.
    pub(crate) fn count(&self) -> u64 {
        if let Answer::Ran { count, .. } = self { *count } else { 0 }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finding {
    /// The file, relative to the base; empty where it is about no file.
    pub(crate) file: String,
    pub(crate) region: Region,
    /// The value, event or run that it is about, if it is about one.
    pub(crate) place: Option<Place>,
    pub(crate) expected: String,
    pub(crate) found: String,
    /// All of it, as a sentence.
    pub(crate) sentence: String,
}

impl Place {
    pub(crate) fn run(run: &str) -> Place {
        Place { kind: "run", name: run.to_owned() }
    }
}

impl From<&FoldError> for Finding {
    fn from(error: &FoldError) -> Finding {
        Finding {
            place: Some(Place::run(&error.run)),
            expected: "events that its contract allows".to_owned(),
            found: format!("event {}: {}", error.seq, error.message),
            sentence: error.to_string(),
            ..Finding::default()
        }
    }
}

/// Where in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Region {
    #[default]
    Whole,
    /// Both from 1, the column in characters.
    Text { line: u64, column: Option<u64> },
    /// From the file's first byte on.
    Bytes { offset: u64, len: Option<u64> },
}

/// What a finding is about, by a name that no line of a file has.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// `value`, `event`, `run`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
}

impl Report {
    pub(crate) fn new(tool: &'static str, suite: impl Into<String>, base: Base) -> Report {
        let (properties, rules, cases) = (Vec::new(), Vec::new(), Vec::new());
        Report {
            tool,
            suite: suite.into(),
            base,
            properties,
            rules,
            cases,
            fails_from: Severity::Note,
            failed: 0,
            more: More::default(),
            only_counted: 0,
        }
    }

    /// From now on findings of a lower severity than this do not make a test fail.
    pub(crate) fn fails_from(&mut self, severity: Severity) {
        self.fails_from = severity;
    }

    /// Adds what is said of the whole.
    pub(crate) fn says(&mut self, name: &'static str, value: impl Into<String>) {
        self.properties.push((name, value.into()));
    }

    /// Adds a rule. The result is its place among the rules.
    pub(crate) fn rule(&mut self, rule: Rule) -> usize {
        self.rules.push(rule);
        self.rules.len() - 1
    }

    /// Adds a test case.
    pub(crate) fn case(&mut self, rule: usize, class: impl Into<String>, name: impl Into<String>, answer: Answer) {
        let findings = answer.count();
        if let Answer::Ran { only_counted, .. } = answer {
            self.only_counted += only_counted;
        }
        let fails = findings > 0 && self.rules[rule].severity >= self.fails_from;
        let (kept, more) = if fails {
            (self.failed, &mut self.more.failed)
        } else {
            (self.cases.len() - self.failed, &mut self.more.passed)
        };
        if kept < CASES_MAX {
            self.failed += usize::from(fails);
            self.cases.push(TestCase { rule, class: class.into(), name: name.into(), answer });
        } else {
            *more += 1;
            self.more.findings += findings;
        }
    }

    /// Counts what the command itself did not keep: test cases that passed, and findings.
    pub(crate) fn left_out(&mut self, passed: u64, findings: u64) {
        self.more.passed += passed;
        self.more.failed += u64::from(findings > 0);
        self.more.findings += findings;
        self.only_counted += findings;
    }

    /// Adds a rule that has one test case.
    pub(crate) fn asked(&mut self, rule: Rule, answer: Answer) {
        let class = format!("{}.{}", self.command().replace(' ', "."), rule.id);
        let name = format!("{}: {}", rule.id, rule.title);
        let at = self.rule(rule);
        self.case(at, class, name, answer);
    }

    /// Whether nothing was found.
    pub(crate) fn has_no_finding(&self) -> bool {
        self.failed == 0 && self.more.failed == 0
    }

    /// The command without the program: `verify`.
    fn command(&self) -> &'static str {
        self.tool.split_once(' ').map_or(self.tool, |(_, command)| command)
    }

    /// It as `JUnit` XML.
    pub(crate) fn junit(&self) -> String {
        junit::document(self)
    }

    /// Writes it to the answer.
    pub(crate) fn print(&self, ui: &mut Ui, kind: Kind) {
        match kind {
            Kind::Junit => ui.file(junit::document(self).as_bytes()),
            Kind::Sarif => ui.json(&sarif::document(self)),
        }
    }
}

/// Returns how a command ended. An error with exit code 1, such as a checkpoint that the key has not signed, becomes a
/// finding of a report, for programs that read only the report.
pub(crate) fn settled(
    ui: &mut Ui,
    format: Format<Kind>,
    make: impl FnOnce() -> Report,
    done: Result<Verdict, CommandError>,
) -> Result<Verdict, CommandError> {
    if let (Format::Own(kind), Err(refused)) = (format, &done)
        && refused.code == Verdict::No.code()
    {
        let help = "The message says what was expected, what was found, and what to do.";
        let mut report = make();
        report.asked(
            Rule::new("refused", "what is checked can be trusted and read", help),
            Answer::found([refused.into()]),
        );
        report.print(ui, kind);
    }
    done
}

impl From<&CommandError> for Finding {
    fn from(error: &CommandError) -> Finding {
        let lines: Vec<&str> = [&error.message].into_iter().chain(&error.details).map(String::as_str).collect();
        let sentence = lines.join("; ");
        Finding { found: sentence.clone(), sentence, ..Finding::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_bounded_and_counts_what_it_does_not_keep() {
        let mut report = Report::new("evlog replay", "log", Base::log(Path::new(".")));
        let rule = report.rule(Rule::new("file", "it is the same", "a page"));
        let found = |count: usize| Answer::found((0..count).map(|_| Finding::default()));
        for _ in 0..CASES_MAX + 7 {
            report.case(rule, "class", "name", Answer::passed());
            report.case(rule, "class", "name", found(1));
        }
        report.case(rule, "class", "name", found(2 * FINDINGS_MAX));
        assert_eq!((report.cases.len(), report.failed), (2 * CASES_MAX, CASES_MAX));
        assert_eq!((report.more.passed, report.more.failed, report.more.findings), (7, 8, 2007));
        assert_eq!((found(2000).kept().len(), found(2000).count()), (FINDINGS_MAX, 2000));
        let junit = junit::document(&report);
        assert!(junit.contains("tests=\"10002\" failures=\"5001\""), "{}", &junit[..300]);
        assert!(junit.contains("name=\"7 more without findings\"/>"), "what passed is counted");
        assert!(junit.contains("name=\"2007 findings more\"><failure type=\"more\""), "no finding is lost");
    }
}
