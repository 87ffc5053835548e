//! Paths within a bundle, by the rule `pa.run_relpath.v1` (pipeline.md 4.2, rule P-61).
//!
//! Does not: ask the file system, fold case, or change a path: an accepted path is already in its canonical form.
//!
//! Invariants: one input has exactly one error, and equal inputs have equal errors. Size and emptiness are checked first, then
//! the beginning, then the leftmost fault of the rest. Ties go by error code.

use std::fmt;

/// The longest path, in code points.
pub const LEN_MAX: usize = 4096;

const MESSAGE_PREFIX: &str = "pa.run_relpath.v1: ";
const UUID_LEN: usize = 36;

/// A path that the rule accepts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelPath<'a> {
    text: &'a str,
}

/// The reason why a path is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelPathError {
    /// Stable, one of the rule's own codes.
    pub code: &'static str,
    /// Where, in bytes from the start.
    pub offset: usize,
    /// A sentence that begins with the rule's name.
    pub message: String,
}

impl fmt::Display for RelPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RelPathError {}

impl<'a> RelPath<'a> {
    /// The path as given.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The texts between the slashes.
    pub fn segments(&self) -> impl Iterator<Item = &'a str> {
        self.text.split('/')
    }
}

fn error(code: &'static str, offset: usize, expected: &str) -> RelPathError {
    RelPathError { code, offset, message: format!("{MESSAGE_PREFIX}{code} at byte {offset}: expected {expected}") }
}

/// Reads a path.
pub fn parse(text: &str) -> Result<RelPath<'_>, RelPathError> {
    if text.chars().count() > LEN_MAX {
        return Err(error("input_too_large", 0, "at most 4096 code points"));
    }
    if text.is_empty() {
        return Err(error("empty_path", 0, "at least one segment"));
    }
    if let Some(first) = beginning(text) {
        return Err(first);
    }
    let found = characters(text).chain(segments(text)).min_by_key(|error| (error.offset, error.code));
    found.map_or(Ok(RelPath { text }), Err)
}

fn beginning(text: &str) -> Option<RelPathError> {
    let bytes = text.as_bytes();
    if bytes.get(1) == Some(&b':') && bytes[0].is_ascii_alphabetic() {
        return Some(error("has_drive_prefix", 0, "no drive letter"));
    }
    if bytes[0] == b'/' {
        return Some(error("leading_slash", 0, "a path relative to the run's directory"));
    }
    let id = text.strip_prefix("runs/").and_then(|rest| rest.as_bytes().get(..=UUID_LEN));
    if id.is_some_and(|id| id[UUID_LEN] == b'/' && is_uuid(&id[..UUID_LEN])) {
        return Some(error("has_runs_prefix", 0, "a path relative to the run's directory"));
    }
    None
}

fn is_uuid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

fn characters(text: &str) -> impl Iterator<Item = RelPathError> {
    text.bytes().enumerate().filter_map(|(at, byte)| match byte {
        0 => Some(error("contains_nul", at, "no NUL")),
        b'\n' | b'\r' => Some(error("contains_newline", at, "no line break")),
        b'\\' => Some(error("contains_backslash", at, "`/` between segments")),
        _ => None,
    })
}

fn segments(text: &str) -> impl Iterator<Item = RelPathError> {
    let mut start = 0;
    text.split('/').filter_map(move |segment| {
        let at = start;
        start += segment.len() + 1;
        match segment {
            // In `a//b` the second slash is at fault, and in `a/` the last byte.
            "" if at == text.len() => Some(error("trailing_slash", at - 1, "no slash at the end")),
            "" => Some(error("contains_empty_segment", at, "something between two slashes")),
            "." => Some(error("contains_dot_segment", at, "no `.` segment")),
            ".." => Some(error("contains_dotdot_segment", at, "no `..` segment")),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[&str], (&str, usize)>) {
        match (parse(text), expected) {
            (Ok(path), Ok(segments)) => {
                assert_eq!(path.segments().collect::<Vec<_>>(), segments, "{text:?}");
                assert_eq!(path.as_str(), text, "the canonical form is the path itself");
            }
            (Err(error), Err((code, offset))) => {
                assert_eq!((error.code, error.offset), (code, offset), "{text:?}");
                assert!(error.message.starts_with("pa.run_relpath.v1: "), "{}", error.message);
            }
            (found, expected) => panic!("{text:?}: expected {expected:?}, found {found:?}"),
        }
    }

    #[test]
    fn the_rule_s_own_examples_are_read_or_refused_as_it_says() {
        check("manifest.json", Ok(&["manifest.json"]));
        check("logs/telemetry_validation.json", Ok(&["logs", "telemetry_validation.json"]));
        check("raw/windows/security_log.parquet", Ok(&["raw", "windows", "security_log.parquet"]));
        check("", Err(("empty_path", 0)));
        check("/etc/passwd", Err(("leading_slash", 0)));
        check("C:foo/bar", Err(("has_drive_prefix", 0)));
        check("a//b", Err(("contains_empty_segment", 2)));
        check("a/../b", Err(("contains_dotdot_segment", 2)));
        check("a/b/", Err(("trailing_slash", 3)));
        check("a\\b", Err(("contains_backslash", 1)));
        check("runs/01234567-89ab-cdef-0123-456789abcdef/manifest.json", Err(("has_runs_prefix", 0)));
        check(&"a".repeat(LEN_MAX + 1), Err(("input_too_large", 0)));
    }

    #[test]
    fn characters_and_segments_that_the_rule_forbids_are_refused_where_they_stand() {
        check("a\0b", Err(("contains_nul", 1)));
        check("a\nb", Err(("contains_newline", 1)));
        check("a/b\r", Err(("contains_newline", 3)));
        check("..", Err(("contains_dotdot_segment", 0)));
        check("a/..", Err(("contains_dotdot_segment", 2)));
        check(".", Err(("contains_dot_segment", 0)));
        check("a/./b", Err(("contains_dot_segment", 2)));
        check("\u{e9}/../b", Err(("contains_dotdot_segment", 3)));
    }

    #[test]
    fn a_fault_at_the_beginning_is_reported_first_then_the_leftmost() {
        check("/a/../b\n", Err(("leading_slash", 0)));
        check("/", Err(("leading_slash", 0)));
        check("z:\\..", Err(("has_drive_prefix", 0)));
        check("a\\b/../c", Err(("contains_backslash", 1)));
        check("a/../b\\", Err(("contains_dotdot_segment", 2)));
        check("a//", Err(("contains_empty_segment", 2)));
        check(&format!("/{}", "a".repeat(LEN_MAX)), Err(("input_too_large", 0)));
    }

    #[test]
    fn what_only_looks_forbidden_is_taken() {
        check("..a/b..", Ok(&["..a", "b.."]));
        check("a/...", Ok(&["a", "..."]));
        check(".hidden", Ok(&[".hidden"]));
        check("ab:c", Ok(&["ab:c"]));
        check("runs/not-a-uuid/x", Ok(&["runs", "not-a-uuid", "x"]));
        check("runs/01234567-89ab-cdef-0123-456789abcdef", Ok(&["runs", "01234567-89ab-cdef-0123-456789abcdef"]));
        check("A/a", Ok(&["A", "a"]));
        check(&"\u{e9}".repeat(LEN_MAX), Ok(&["\u{e9}".repeat(LEN_MAX).as_str()]));
    }
}
