//! The file in which a stage reports the outcomes of its substages, and its own reason code.
//!
//! The file is JSON Lines. For a substage it has
//! `{"stage":"policy.licences","status":"failed","fail_mode":"warn_and_skip","reason_code":"..."}`, in the order in which the
//! outcomes are to be recorded. For the stage itself it has at most one `{"reason_code":"..."}`. A missing file counts as an
//! empty one.
//!
//! Does: read the lines, and find mistakes that can be seen without the run. Does not: decide whether an outcome is legal; the
//! contract decides that.

use crate::limits::{OUTCOMES_LEN_MAX, OUTCOMES_MAX};
use crate::tree::Tree;
use evlog_lifecycle::pipeline::report::Finding;
use evlog_lifecycle::pipeline::{FailMode, StageStatus, is_substage, root_of};
use evlog_projection::parse;
use rustix::fs::FileType;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::io::{self, Read};

/// One substage's outcome, as reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportedOutcome {
    /// Its line, from 1.
    pub(crate) line: u64,
    /// The substage.
    pub(crate) stage: String,
    /// The status of the stage or substage.
    pub(crate) status: StageStatus,
    /// The outcome's fail mode; if absent, the contract's default.
    pub(crate) fail_mode: Option<FailMode>,
    /// The reason.
    pub(crate) reason_code: Option<String>,
}

/// Everything that a stage has reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    /// The outcomes of its substages, in order.
    pub(crate) substages: Vec<ReportedOutcome>,
    /// The stage's own reason code.
    pub(crate) reason_code: Option<String>,
    /// What is wrong with the file. If anything is wrong, nothing in the file counts.
    pub(crate) findings: Vec<Finding>,
}

/// Reads what a stage has reported, at a path of the bundle. An error means that the file could not be read.
pub(crate) fn read(home: &Tree, path: &str, stage: &str) -> io::Result<Outcomes> {
    match home.stat(path) {
        Ok(found) if FileType::from_raw_mode(found.st_mode).is_file() => {}
        Ok(_) => return Ok(Outcomes { findings: vec![not_a_file()], ..Outcomes::default() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Outcomes::default()),
        Err(error) => return Err(error),
    }
    let mut text = Vec::new();
    home.file(path)?.take(OUTCOMES_LEN_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > OUTCOMES_LEN_MAX {
        let message = format!("expected at most {OUTCOMES_LEN_MAX} bytes, found more");
        return Ok(Outcomes { findings: vec![Finding::coded("outcomes_too_long", message)], ..Outcomes::default() });
    }
    Ok(parse_lines(&text, stage))
}

fn not_a_file() -> Finding {
    Finding::coded("non_regular_file", "expected a regular file")
}

fn parse_lines(text: &[u8], stage: &str) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let mut seen = BTreeSet::new();
    let lines = || text.strip_suffix(b"\n").unwrap_or(text).split(|b| *b == b'\n');
    let found = lines().count();
    if found > OUTCOMES_MAX {
        let message = format!("expected at most {OUTCOMES_MAX} lines, found {found}");
        outcomes.findings.push(Finding::coded("outcomes_too_many", message));
        return outcomes;
    }
    for (number, line) in (1..).zip(lines()).filter(|_| !text.is_empty()) {
        let reported = parse_line(line, number, stage).and_then(|reported| match reported {
            Line::Own(code) if outcomes.reason_code.is_none() => {
                outcomes.reason_code = Some(code);
                Ok(())
            }
            Line::Own(_) => Err("expected one line with the stage's own reason code, found another".to_owned()),
            Line::Substage(reported) if seen.insert(reported.stage.clone()) => {
                outcomes.substages.push(reported);
                Ok(())
            }
            Line::Substage(reported) => Err(format!("`{}` has an outcome already", reported.stage)),
        });
        if let Err(message) = reported {
            outcomes.findings.push(Finding::unreadable_line(number, message));
        }
    }
    outcomes
}

enum Line {
    Own(String),
    Substage(ReportedOutcome),
}

fn parse_line(line: &[u8], number: u64, stage: &str) -> Result<Line, String> {
    let Value::Object(mut members) = parse(line).map_err(|error| format!("not JSON: {}", error.message))? else {
        return Err("expected a JSON object, found another JSON value".to_owned());
    };
    let reason_code = text(&mut members, "reason_code")?;
    let (named, status, fail_mode) =
        (text(&mut members, "stage")?, text(&mut members, "status")?, text(&mut members, "fail_mode")?);
    if let Some(unknown) = members.keys().next() {
        return Err(format!("expected stage, status, fail_mode and reason_code, found `{unknown}`"));
    }
    let (substage, status) = match (named, status, fail_mode.as_ref(), reason_code.clone()) {
        (None, None, None, Some(code)) => return Ok(Line::Own(code)),
        (Some(substage), Some(status), _, _) => (substage, status),
        _ => return Err("expected `stage` and `status`, or `reason_code` alone".to_owned()),
    };
    if !is_substage(&substage) || root_of(&substage) != stage {
        return Err(format!("expected a substage of `{stage}` such as `{stage}.part`, found `{substage}`"));
    }
    let known = StageStatus::ALL.into_iter().find(|known| known.word() == status);
    let status = known.ok_or_else(|| format!("expected status success, failed or skipped, found `{status}`"))?;
    let word = |word: String| {
        let known = FailMode::from_word(&word);
        known.ok_or_else(|| format!("expected fail_mode fail_closed or warn_and_skip, found `{word}`"))
    };
    let fail_mode = fail_mode.map(word).transpose()?;
    match (status, &reason_code) {
        (StageStatus::Success, Some(_)) => Err("a success has no reason_code".to_owned()),
        (StageStatus::Failed | StageStatus::Skipped, None) => Err(format!("expected a reason_code of `{substage}`")),
        _ => Ok(Line::Substage(ReportedOutcome { line: number, stage: substage, status, fail_mode, reason_code })),
    }
}

fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("expected text in `{name}`, found another JSON value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn substages_and_the_stages_own_code_are_read_in_order() {
        let text = b"{\"stage\":\"policy.b\",\"status\":\"success\"}\n{\"reason_code\":\"denied\"}\n\
            {\"stage\":\"policy.a\",\"status\":\"failed\",\"fail_mode\":\"warn_and_skip\",\"reason_code\":\"denied\"}";
        let outcomes = parse_lines(text, "policy");
        let reported = |line, stage: &str, status, fail_mode, code: Option<&str>| ReportedOutcome {
            line,
            stage: stage.to_owned(),
            status,
            fail_mode,
            reason_code: code.map(str::to_owned),
        };
        let expected = [
            reported(1, "policy.b", StageStatus::Success, None, None),
            reported(3, "policy.a", StageStatus::Failed, Some(FailMode::WarnAndSkip), Some("denied")),
        ];
        assert_eq!(outcomes.substages, expected);
        assert_eq!(outcomes.reason_code.as_deref(), Some("denied"));
        assert_eq!(outcomes.findings, []);
    }

    #[test]
    fn each_invalid_line_is_named() {
        let cases = [
            ("{", "not JSON"),
            ("", "not JSON"),
            ("[]", "expected a JSON object"),
            ("{\"stage\":\"policy\",\"status\":\"success\"}", "expected a substage of `policy`"),
            ("{\"stage\":\"other.a\",\"status\":\"success\"}", "expected a substage of `policy`"),
            ("{\"stage\":\"policyx.a\",\"status\":\"success\"}", "expected a substage of `policy`"),
            ("{\"stage\":\"policy.a\",\"status\":\"good\"}", "found `good`"),
            ("{\"stage\":\"policy.a\",\"status\":\"success\",\"reason_code\":\"x\"}", "a success has no reason_code"),
            ("{\"stage\":\"policy.a\",\"status\":\"failed\"}", "expected a reason_code of `policy.a`"),
            ("{\"stage\":\"policy.a\",\"status\":\"failed\",\"fail_mode\":\"x\",\"reason_code\":\"x\"}", "found `x`"),
            ("{\"stage\":\"policy.a\",\"status\":\"success\",\"details\":1}", "found `details`"),
            ("{\"stage\":\"policy.a\"}", "expected `stage` and `status`"),
            ("{}", "expected `stage` and `status`"),
            ("{\"reason_code\":7}", "expected text in `reason_code`"),
            ("{\"stage\":\"policy.first\",\"status\":\"success\"}", "has an outcome already"),
            ("{\"reason_code\":\"again\"}", "found another"),
        ];
        for (line, message) in cases {
            let text =
                format!("{{\"stage\":\"policy.first\",\"status\":\"success\"}}\n{{\"reason_code\":\"x\"}}\n{line}\n");
            let findings = parse_lines(text.as_bytes(), "policy").findings;
            assert_eq!(findings.len(), 1, "{line}: {findings:?}");
            assert_eq!(findings[0].line_number, Some(3), "{line}");
            assert!(findings[0].message.contains(message), "{line}: {findings:?}");
        }
    }

    #[test]
    fn a_missing_file_has_no_outcomes_and_a_directory_is_refused() {
        let room = tempfile::tempdir().unwrap();
        let home = Tree::open_itself(room.path()).unwrap();
        let read = |path: &str| read(&home, path, "policy").unwrap();
        assert_eq!(read("none"), Outcomes::default());
        fs::write(room.path().join("empty"), "").unwrap();
        assert_eq!(read("empty"), Outcomes::default());
        fs::create_dir(room.path().join("directory")).unwrap();
        assert_eq!(read("directory").findings.len(), 1);
        fs::write(room.path().join("long"), vec![b' '; 1024 * 1024 + 1]).unwrap();
        assert_eq!(read("long").findings.len(), 1);
    }

    #[test]
    fn a_stage_reports_at_most_a_thousand_outcomes() {
        let line = |number| format!("{{\"stage\":\"policy.x{number}\",\"status\":\"success\"}}\n");
        let text = |count: usize| (0..count).map(line).collect::<Vec<String>>().concat();
        let whole = parse_lines(text(1000).as_bytes(), "policy");
        assert_eq!((whole.substages.len(), whole.findings.len()), (1000, 0));
        for beyond in [text(1001), format!("{}{{\"reason_code\":\"x\"}}", text(1000)), "\n".repeat(1_000_000)] {
            let outcomes = parse_lines(beyond.as_bytes(), "policy");
            assert_eq!((outcomes.substages.len(), outcomes.reason_code, outcomes.findings.len()), (0, None, 1));
            assert!(
                outcomes.findings[0].message.contains("expected at most 1000 lines, found 1"),
                "{:?}",
                outcomes.findings
            );
        }
    }
}
