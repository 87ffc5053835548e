//! Checks 24, 30 and 31: which files are in the bundle, with which names and bytes.

use super::Answer;
use super::subject::{Subject, impossible};
use super::words::finding;
use crate::bundle::{Content, Document, MANIFEST};
use evlog_pipeline::time_in;
use evlog_projection::canonical;
use evlog_projection::difference::first_difference;

/// Check 24.
#[expect(clippy::unnecessary_wraps, reason = "every check answers in the same form")]
pub(super) fn staging(subject: &Subject<'_>) -> Answer {
    let left = subject.bundle.staged().map(|path| finding(path, "", "nothing below `.staging`", "what a stage left"));
    Ok(left.into_iter().collect())
}

/// Check 30.
#[expect(clippy::unnecessary_wraps, reason = "every check answers in the same form")]
pub(super) fn names(subject: &Subject<'_>) -> Answer {
    let timed = subject.bundle.paths().filter_map(|path| Some((path, time_in(path)?)));
    let one = |(path, time)| finding(path, "", "a name that is the same in every run", format!("`{time}` in it"));
    Ok(timed.map(one).collect())
}

/// Check 31. Checks 1 and 26 report manifests and reports that cannot be read.
pub(super) fn canonical_bytes(subject: &Subject<'_>) -> Answer {
    let others = || subject.others.iter().filter(|document| !matches!(document.content, Content::Absent));
    if subject.manifest.value().is_none() && subject.reports.is_empty() && others().next().is_none() {
        return Err(impossible("there is no `manifest.json` that can be read (check 1)"));
    }
    let documents = std::iter::once(&subject.manifest).chain(&subject.reports);
    let unlike = |document: &Document| {
        let Content::Json(bytes, value) = &document.content else { return None };
        let difference = first_difference(MANIFEST, &canonical(value), bytes)?;
        let expected = format!("canonical JSON (RFC 8785): {}", difference.expected);
        Some(finding(document.path.as_str(), "", expected, difference.found))
    };
    let unread = |document: &Document| {
        let expected = "canonical JSON (RFC 8785)";
        document.instead().map(|found| finding(document.path.as_str(), "", expected, found))
    };
    Ok(documents.chain(others()).filter_map(unlike).chain(others().filter_map(unread)).collect())
}
