//! Patterns of paths, by the rule `glob_v1` (pipeline.md 4.3): `*` and `?` within a segment, `[abc]`, `[a-z]`, `[!abc]`,
//! and `**` as a whole segment for any number of segments.
//!
//! Does not: ask the file system, or know an escape. Letter case matters, a leading dot is a character like any other, and a
//! pattern must match the whole path.
//!
//! Invariant: a match takes at most as many steps as the product of the two lengths.

mod common;
mod fixed;

pub(crate) use common::{Exhausted, Steps};
pub(crate) use fixed::Spot;

use std::fmt;

/// The longest pattern, in characters.
const LEN_MAX: usize = 4096;

/// A pattern that the rule accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// `**`.
    Any,
    One(Vec<Part>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `*`.
    Any,
    /// `?`.
    One,
    Exactly(char),
    /// One of these characters and ranges, or none of them.
    Class {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
}

/// The reason why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobError {
    /// Stable: one of the rule's own codes.
    pub code: &'static str,
    /// The expected value.
    pub expected: &'static str,
}

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "glob_v1: {}: expected {}", self.code, self.expected)
    }
}

impl std::error::Error for GlobError {}

fn error<T>(code: &'static str, expected: &'static str) -> Result<T, GlobError> {
    Err(GlobError { code, expected })
}

impl Glob {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Glob, GlobError> {
        if text.chars().count() > LEN_MAX {
            return error("input_too_large", "at most 4096 characters");
        }
        if text.contains('\0') {
            return error("contains_nul", "no NUL");
        }
        if text.contains('\\') {
            return error("invalid_escape", "no backslash: nothing is escaped");
        }
        let segments = text.split('/').map(segment).collect::<Result<Vec<Segment>, GlobError>>()?;
        Ok(Glob { text: text.to_owned(), segments })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches no path but its own text.
    pub fn is_literal(&self) -> bool {
        !self.text.contains(['*', '?', '['])
    }

    /// The text that every matching path begins with.
    pub(crate) fn beginning(&self) -> &str {
        let fixed = self.text.find(['*', '?', '[']).map_or(self.text.as_str(), |at| &self.text[..at]);
        // `a/**` matches `a`, too.
        if self.text[fixed.len()..].starts_with("**") { fixed.trim_end_matches('/') } else { fixed }
    }

    /// Whether it matches a path.
    pub fn matches(&self, path: &str) -> bool {
        if !path.starts_with(self.beginning()) {
            return false;
        }
        let path: Vec<&str> = path.split('/').collect();
        let one = |segment: &Segment, text: &&str| match segment {
            Segment::Any => true,
            Segment::One(parts) => {
                let text: Vec<char> = text.chars().collect();
                wild(parts, &text, &|part| *part == Part::Any, &|part, c| part.takes(*c))
            }
        };
        wild(&self.segments, &path, &|segment| *segment == Segment::Any, &one)
    }
}

fn segment(text: &str) -> Result<Segment, GlobError> {
    match text {
        "" | "." | ".." => error("invalid_path", "segments between single slashes, and neither `.` nor `..`"),
        "**" => Ok(Segment::Any),
        _ if text.contains("**") => error("invalid_globstar", "`**` as a whole segment"),
        _ => Ok(Segment::One(parts(text)?)),
    }
}

fn parts(text: &str) -> Result<Vec<Part>, GlobError> {
    let mut parts = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        parts.push(match c {
            '*' => Part::Any,
            '?' => Part::One,
            '[' => {
                let Some((class, after)) = rest.as_str().split_once(']') else {
                    return error("unterminated_class", "`]` after `[`");
                };
                rest = after.chars();
                self::class(class)?
            }
            c => Part::Exactly(c),
        });
    }
    Ok(parts)
}

fn class(text: &str) -> Result<Part, GlobError> {
    let (negated, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let chars: Vec<char> = text.chars().collect();
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(&from) = chars.get(at) {
        let to = chars.get(at + 2).filter(|_| chars.get(at + 1) == Some(&'-'));
        at += if to.is_some() { 3 } else { 1 };
        let to = *to.unwrap_or(&from);
        if from > to {
            return error("invalid_range", "the lower character first");
        }
        ranges.push((from, to));
    }
    if ranges.is_empty() {
        return error("empty_class", "a character between `[` and `]`");
    }
    Ok(Part::Class { ranges, negated })
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Part::Any | Part::One => true,
            Part::Exactly(exactly) => *exactly == c,
            Part::Class { ranges, negated } => ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated,
        }
    }
}

/// Whether a pattern with stars, each of which takes any number of things, matches a whole text. Only the last star that was
/// met is ever tried again: whatever an earlier star could take in addition, the last one can take too.
fn wild<P, T>(pattern: &[P], text: &[T], is_star: &dyn Fn(&P) -> bool, takes: &dyn Fn(&P, &T) -> bool) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(part) if is_star(part) => {
                star = Some((at, from));
                at += 1;
            }
            Some(part) if takes(part, &text[from]) => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((of, begun)) => {
                    star = Some((of, begun + 1));
                    (at, from) = (of + 1, begun + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(is_star)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g02_a_glob_matches_whole_paths_segment_by_segment() {
        // Pattern, paths that it matches, paths that it does not match.
        let cases: [(&str, &[&str], &[&str]); 12] = [
            ("a/b.json", &["a/b.json"], &["a/b.jso", "a/b.json/c", "A/b.json"]),
            ("a/*.json", &["a/b.json", "a/.json", "a/x.y.json"], &["a/b/c.json", "b.json", "a/b.jsonl"]),
            ("*", &["a", ".hidden"], &["a/b"]),
            ("a?c", &["abc", "a\u{e9}c"], &["ac", "abbc", "a/c"]),
            ("**", &["a", "a/b", "a/b/c"], &[]),
            ("a/**", &["a/b", "a/b/c", "a"], &["b/a", "ab"]),
            ("**/x", &["x", "a/x", "a/b/x"], &["xx", "a/xb"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b", "a/b/b"], &["a", "a/bb", "b"]),
            ("**/a/**/a", &["a/a", "x/a/y/a", "a/a/a"], &["a", "a/b"]),
            ("[abx-z]1", &["a1", "b1", "y1"], &["c1", "1", "ab1"]),
            ("[!a-c]", &["d", "-", "\u{e9}"], &["a", "b", "dd"]),
            ("*a*b*", &["ab", "xaxbx", "aab"], &["ba", "a", "b"]),
        ];
        for (text, matching, others) in cases {
            let glob = Glob::parse(text).unwrap();
            for path in matching {
                assert!(glob.matches(path), "{text} {path}");
            }
            for path in others {
                assert!(!glob.matches(path), "{text} {path}");
            }
        }
    }

    #[test]
    fn g02_an_invalid_glob_is_refused_with_the_rules_own_code() {
        let long = "a".repeat(LEN_MAX + 1);
        let cases = [
            (long.as_str(), "input_too_large"),
            ("", "invalid_path"),
            ("/a", "invalid_path"),
            ("a//b", "invalid_path"),
            ("a/", "invalid_path"),
            ("a/../b", "invalid_path"),
            ("./a", "invalid_path"),
            ("a\0", "contains_nul"),
            ("a\\*", "invalid_escape"),
            ("a[b", "unterminated_class"),
            ("a[b/c]", "unterminated_class"),
            ("a[]", "empty_class"),
            ("a[!]", "empty_class"),
            ("[z-a]", "invalid_range"),
            ("a**", "invalid_globstar"),
            ("***", "invalid_globstar"),
        ];
        for (text, code) in cases {
            assert_eq!(Glob::parse(text).map_err(|error| error.code), Err(code), "{text}");
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let glob = Glob::parse(&"*a".repeat(200)).unwrap();
        assert!(!glob.matches(&"a".repeat(190)));
        let glob = Glob::parse(&("**/a/".repeat(100) + "b")).unwrap();
        assert!(!glob.matches(&["a"; 500].join("/")));
    }
}
