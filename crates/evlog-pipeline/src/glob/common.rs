//! Finds a path that two patterns both match, if there is such a path.
//!
//! Does: decide exactly. Both languages are regular. So their intersection is searched as the product of the two patterns,
//! segment by segment, and within two segments character by character.
//! Does not: count or list all paths that both match.
//!
//! Invariants:
//! - If a path is returned, both patterns match it, and a path of a bundle may have its segments (P-61).
//! - If nothing is returned, both match no such path. The length of a path and its first characters (a drive letter, `runs/`)
//!   are not considered.
//! - The search visits each pair of places in the two patterns once. It does not begin if their fixed beginnings already
//!   differ, or the fixed beginnings of a segment that both have. Each visit is a step, and the caller limits the steps.

use super::{Glob, Part, Segment};

/// Characters that no path of a bundle has, and the separator of its segments.
const NEVER: [char; 5] = ['\0', '\n', '\r', '/', '\\'];

/// How much comparing may still be done.
#[derive(Debug)]
pub(crate) struct Steps(u64);

/// The steps are used up, so it is not known whether the two patterns meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Steps {
    pub(crate) fn new(most: u64) -> Steps {
        Steps(most)
    }

    /// Uses up this many steps.
    pub(crate) fn take(&mut self, count: usize) -> Result<(), Exhausted> {
        let left = self.0.checked_sub(count as u64);
        self.0 = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Exhausted)
    }
}

/// What has been read of a segment so far. `.` and `..` are not segments of a bundle's path.
#[derive(Clone, Copy)]
enum Read {
    Nothing,
    Dot,
    Dots,
    Name,
}

impl Read {
    const COUNT: usize = 4;

    fn then(self, c: char) -> Read {
        match (self, c) {
            (Read::Nothing, '.') => Read::Dot,
            (Read::Dot, '.') => Read::Dots,
            _ => Read::Name,
        }
    }
}

impl Glob {
    /// A path that both match.
    pub(crate) fn common(&self, other: &Glob, steps: &mut Steps) -> Result<Option<String>, Exhausted> {
        // The comparison reads both texts. It counts as one step for 64 bytes.
        steps.take(1 + self.text.len().min(other.text.len()) / 64)?;
        if self.is_plainly_apart(other) { Ok(None) } else { self.search(other, steps) }
    }

    /// Whether it is plain without a search that no path matches both.
    fn is_plainly_apart(&self, other: &Glob) -> bool {
        let (a, b) = (self.beginning(), other.beginning());
        if !a.starts_with(b) && !b.starts_with(a) {
            return true;
        }
        // The last segments of both must match the last segment of the same path.
        if let (Some(Segment::One(a)), Some(Segment::One(b))) = (self.segments.last(), other.segments.last())
            && differ_at_an_end(a, b)
        {
            return true;
        }
        let is_any = |segment: &Segment| *segment == Segment::Any;
        if self.segments.iter().chain(&other.segments).any(is_any) {
            return false;
        }
        let differ = |(a, b): (&Segment, &Segment)| match (a, b) {
            (Segment::One(a), Segment::One(b)) => differ_at_an_end(a, b),
            _ => false,
        };
        self.segments.len() != other.segments.len() || self.segments.iter().zip(&other.segments).any(differ)
    }

    fn search(&self, other: &Glob, steps: &mut Steps) -> Result<Option<String>, Exhausted> {
        let (a, b) = (self.segments.as_slice(), other.segments.as_slice());
        let mut seen = vec![false; (a.len() + 1) * (b.len() + 1)];
        let mut path: Vec<String> = Vec::new();
        // Pairs of places where to go on, how many segments lead there, and the next segment.
        let mut open: Vec<(usize, usize, usize, Option<String>)> = vec![(0, 0, 0, None)];
        while let Some((i, j, len, segment)) = open.pop() {
            steps.take(1)?;
            path.truncate(len);
            path.extend(segment);
            let len = path.len();
            if std::mem::replace(&mut seen[i * (b.len() + 1) + j], true) {
                continue;
            }
            match (a.get(i), b.get(j)) {
                (None, None) if path.is_empty() => return word(&[Part::Any], &[Part::Any], steps),
                (None, None) => return Ok(Some(path.join("/"))),
                (Some(Segment::Any), Some(Segment::Any)) => open.extend([(i + 1, j, len, None), (i, j + 1, len, None)]),
                (Some(Segment::Any), None) => open.push((i + 1, j, len, None)),
                (None, Some(Segment::Any)) => open.push((i, j + 1, len, None)),
                (Some(Segment::Any), Some(Segment::One(parts))) => {
                    open.extend(word(parts, &[Part::Any], steps)?.map(|word| (i, j + 1, len, Some(word))));
                    open.push((i + 1, j, len, None));
                }
                (Some(Segment::One(parts)), Some(Segment::Any)) => {
                    open.extend(word(parts, &[Part::Any], steps)?.map(|word| (i + 1, j, len, Some(word))));
                    open.push((i, j + 1, len, None));
                }
                (Some(Segment::One(a)), Some(Segment::One(b))) => {
                    open.extend(word(a, b, steps)?.map(|word| (i + 1, j + 1, len, Some(word))));
                }
                (Some(Segment::One(_)), None) | (None, Some(Segment::One(_))) => {}
            }
        }
        Ok(None)
    }
}

/// Whether fixed characters at the beginnings, or at the ends, of two segments differ.
fn differ_at_an_end(a: &[Part], b: &[Part]) -> bool {
    let fixed = |parts: (&Part, &Part)| match parts {
        (Part::Exactly(a), Part::Exactly(b)) => Some(a != b),
        _ => None,
    };
    let beginnings = a.iter().zip(b).map_while(fixed).any(|differ| differ);
    beginnings || a.iter().rev().zip(b.iter().rev()).map_while(fixed).any(|differ| differ)
}

/// A segment that both match.
fn word(a: &[Part], b: &[Part], steps: &mut Steps) -> Result<Option<String>, Exhausted> {
    let mut seen = vec![false; (a.len() + 1) * (b.len() + 1) * Read::COUNT];
    let mut word: Vec<char> = Vec::new();
    let mut open: Vec<(usize, usize, Read, usize, Option<char>)> = vec![(0, 0, Read::Nothing, 0, None)];
    while let Some((i, j, read, len, c)) = open.pop() {
        steps.take(1)?;
        word.truncate(len);
        word.extend(c);
        let len = word.len();
        if std::mem::replace(&mut seen[(i * (b.len() + 1) + j) * Read::COUNT + read as usize], true) {
            continue;
        }
        if (i, j) == (a.len(), b.len()) && matches!(read, Read::Name) {
            return Ok(Some(word.into_iter().collect()));
        }
        let (of_a, of_b) = (a.get(i), b.get(j));
        if let (Some(x), Some(y)) = (of_a, of_b) {
            let next = |at: usize, part: &Part| if *part == Part::Any { at } else { at + 1 };
            let to = (next(i, x), next(j, y));
            open.extend(both(x, y).into_iter().flatten().map(|c| (to.0, to.1, read.then(c), len, Some(c))));
        }
        if of_b == Some(&Part::Any) {
            open.push((i, j + 1, read, len, None));
        }
        if of_a == Some(&Part::Any) {
            open.push((i + 1, j, read, len, None));
        }
    }
    Ok(None)
}

/// Up to two characters that both take: the dot, and another one. All characters between two edges of their ranges are treated
/// alike, so one character of each such stretch is tried.
fn both(a: &Part, b: &Part) -> [Option<char>; 2] {
    let takes = |c: &char| a.takes(*c) && b.takes(*c) && !NEVER.contains(c);
    let edges = |part: &Part| match part {
        Part::Any | Part::One => Vec::new(),
        Part::Exactly(c) => vec![*c],
        Part::Class { ranges, .. } => {
            ranges.iter().flat_map(|(from, to)| [Some(*from), after(*to)]).flatten().collect()
        }
    };
    let never = NEVER.into_iter().chain(['.']).filter_map(after);
    let mut others = ['x', '\0'].into_iter().chain(edges(a)).chain(edges(b)).chain(never);
    [Some('.').filter(takes), others.find(|c| *c != '.' && takes(c))]
}

/// The next character. The surrogates are not characters: after the last character before them comes the first one after them.
fn after(c: char) -> Option<char> {
    (c..=char::MAX).nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evlog_lifecycle::pipeline::relpath;

    fn common(one: &Glob, other: &Glob) -> Option<String> {
        one.common(other, &mut Steps::new(u64::MAX)).unwrap()
    }

    fn search(one: &Glob, other: &Glob) -> Option<String> {
        one.search(other, &mut Steps::new(u64::MAX)).unwrap()
    }

    /// All texts of at most `most` of the pieces.
    fn texts(pieces: &[&str], most: usize, between: &str) -> Vec<String> {
        let mut all: Vec<String> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
        let mut longest = all.clone();
        for _ in 1..most {
            longest = longest
                .iter()
                .flat_map(|text| pieces.iter().map(move |more| format!("{text}{between}{more}")))
                .collect();
            all.extend(longest.iter().cloned());
        }
        all
    }

    /// Asserts for every pair of patterns that they meet exactly if one of the paths matches both.
    fn holds(patterns: &[String], paths: &[String]) {
        let globs: Vec<Glob> = patterns.iter().filter_map(|text| Glob::parse(text).ok()).collect();
        assert!(globs.len() > 100);
        // Which paths a pattern matches, a bit for each.
        let bits = |glob: &Glob, some: &[String]| {
            some.iter().enumerate().fold(0, |bits: u64, (at, path)| bits | u64::from(glob.matches(path)) << at)
        };
        let matching = |glob: &Glob| paths.chunks(64).map(|some| bits(glob, some)).collect::<Vec<u64>>();
        let matched: Vec<Vec<u64>> = globs.iter().map(matching).collect();
        let (mut meet, mut apart) = (0, 0);
        for (a, of_a) in globs.iter().zip(&matched) {
            for (b, of_b) in globs.iter().zip(&matched) {
                let tried = of_a.iter().zip(of_b).any(|(a, b)| a & b != 0);
                let found = common(a, b);
                assert_eq!(found, search(a, b), "{} {}", a.as_str(), b.as_str());
                assert_eq!(found.is_some(), tried, "{} {} {found:?}", a.as_str(), b.as_str());
                if let Some(path) = found {
                    assert!(a.matches(&path) && b.matches(&path), "{} {} {path}", a.as_str(), b.as_str());
                    assert!(relpath::parse(&path).is_ok(), "{path}");
                }
                *(if tried { &mut meet } else { &mut apart }) += 1;
            }
        }
        assert!(meet > 1000 && apart > 1000, "{meet} {apart}");
    }

    #[test]
    fn k07_two_patterns_of_a_segment_meet_exactly_where_a_name_matches_both() {
        // Three characters, so that a class can leave one out; and the dot, which `.` and `..` consist of.
        let names: Vec<String> = texts(&["a", "b", "c", "."], 5, "");
        let names: Vec<String> = names.into_iter().filter(|name| relpath::parse(name).is_ok()).collect();
        holds(&texts(&["a", "b", ".", "*", "?", "[!a]", "[b-c]"], 3, ""), &names);
    }

    #[test]
    fn k07_two_patterns_of_paths_meet_exactly_where_a_path_matches_both() {
        holds(&texts(&["a", "b", "*", "?", "**", "a*", "*b"], 3, "/"), &texts(&["a", "b", "ab"], 5, "/"));
    }

    #[test]
    fn k07_every_path_begins_as_the_patterns_do_that_match_it() {
        for (pattern, beginning) in [
            ("a/b.json", "a/b.json"),
            ("a/b*.json", "a/b"),
            ("a/**", "a"),
            ("a/**/b", "a"),
            ("a/*", "a/"),
            ("[ab]/c", ""),
            ("**", ""),
        ] {
            assert_eq!(Glob::parse(pattern).unwrap().beginning(), beginning);
        }
        assert!(Glob::parse("a/**").unwrap().matches("a"));
    }

    #[test]
    fn k07_characters_that_no_path_has_do_not_make_patterns_meet() {
        // Two patterns, and whether they meet.
        let cases = [
            ("[!a-z]", "[\u{1}-\u{9}]", true),
            ("[\n]", "?", false),
            ("[\n-\r]", "[\n\r]", false),
            ("[\n-\r]", "[!\u{b}\u{c}]", false),
            ("[!\u{1}-\u{d7ff}]", "?", true),
            ("[!\u{1}-\u{d7ff}]", "[\u{e000}]", true),
            ("[!\u{1}-\u{10ffff}]", "?", false),
            ("[!\u{1}-\u{10fffe}]", "[!b]", true),
            ("?", "[.]", false),
            ("??", "[.].", false),
            ("*", "...", true),
            (".*", "*.", true),
            ("**", "**", true),
            ("a/**", "**/b", true),
            ("a/**", "b/**", false),
            ("a/**/c/*.json", "a/*/*/x.jsonl", false),
        ];
        for (a, b, meet) in cases {
            let (one, other) = (Glob::parse(a).unwrap(), Glob::parse(b).unwrap());
            assert_eq!(common(&one, &other).is_some(), meet, "{a:?} {b:?}");
            assert_eq!(common(&other, &one).is_some(), meet, "{b:?} {a:?}");
        }
    }

    #[test]
    fn k07_patterns_of_many_stars_that_do_not_meet_come_to_an_end() {
        for stars in ["*a", "**/a/"] {
            let end = |end: &str| Glob::parse(&(stars.repeat(300) + end)).unwrap();
            let (one, other) = (end("b"), end("c"));
            assert_eq!(common(&one, &other), None);
            assert_eq!(search(&one, &other), None, "the search itself ends too");
        }
    }

    #[test]
    fn k07_patterns_that_take_more_steps_than_are_left_are_not_decided() {
        let one = Glob::parse("*/?x1?/*").unwrap();
        let other = Glob::parse("*/?x2?/*").unwrap();
        let mut steps = Steps::new(1_000_000);
        assert_eq!(one.common(&other, &mut steps), Ok(None));
        let taken = 1_000_000 - steps.0;
        assert!((5..100).contains(&taken), "{taken}");
        assert_eq!(one.common(&other, &mut Steps::new(taken)), Ok(None));
        assert_eq!(one.common(&other, &mut Steps::new(taken - 1)), Err(Exhausted));
    }
}
