//! How much work it is to match texts against the patterns of a schema: an upper bound, computed before any matching is done.
//!
//! Does: read a pattern only as far as the bound needs it: how large it is with its repetitions written out, how deep its
//! endless repetitions are nested, and whether it is matched in one pass over a string or by trying. From the same reading,
//! bound the work of compiling it. Does not: match, or say that a pattern is wrong.
//!
//! Invariants:
//! - A pattern counts as matched in one pass only if nothing in it could mean something else. A sign that is not known here
//!   makes the pattern count as tried, and one that cannot be bounded makes it count as endless.
//! - Between two tries, the work is at most the square of the pattern's size, times the text's length for each level of nested
//!   endless repetitions. So a limit on the tries is a limit on the work.

use serde_json::{Map, Value};
use std::iter::Peekable;
use std::str::Chars;

/// How many depths of nested endless repetitions are distinguished. Deeper nesting has no bound.
const DEPTHS: usize = 3;

/// The work to compile a pattern, in steps of about a microsecond: for any pattern, for a class of most characters of Unicode,
/// and for a property of Unicode, which is a list of ranges that takes more than anything else.
const COMPILED: u64 = 50;
const COMPILED_CLASS: u64 = 12;
const COMPILED_PROPERTY: u64 = 600;

/// The work to compile a pattern that is not understood and has counted repetitions: the work that the compiler does before
/// it gives up.
const COMPILED_AT_MOST: u64 = 1_000_000;

/// The work to compile the patterns of a schema, in steps.
pub(super) fn compiling(schema: &Value) -> u64 {
    let inner = |values: &mut dyn Iterator<Item = &Value>| values.map(compiling).fold(0, u64::saturating_add);
    match schema {
        Value::Array(items) => inner(&mut items.iter()),
        Value::Object(members) => {
            let own = members.get("pattern").and_then(Value::as_str).map_or(0, compiling_one);
            let names = members.get("patternProperties").and_then(Value::as_object);
            let names = names.into_iter().flat_map(Map::keys).map(|name| compiling_one(name));
            names.fold(own, u64::saturating_add).saturating_add(inner(&mut members.values()))
        }
        _ => 0,
    }
}

fn compiling_one(pattern: &str) -> u64 {
    let steps = match Reading::of(pattern) {
        Some(part) => part.compiled,
        None if pattern.contains('{') => COMPILED_AT_MOST,
        None => COMPILED_CLASS.saturating_mul(pattern.len() as u64),
    };
    steps.saturating_add(COMPILED)
}

/// The work to match one string, by its length: the number of characters that are looked at, each against each part of a
/// pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Matching {
    /// The work for each byte, for the patterns that are matched in one pass.
    passes: u64,
    /// The work between two tries, for each power of the length, for the patterns that are matched by trying.
    tries: [u64; DEPTHS],
}

/// The lengths of texts: sums of the powers of (length in bytes + 1). The 1 is there because an empty text is looked at too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lengths([u64; DEPTHS]);

/// The work that matching takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effort {
    /// The work for patterns that are matched in one pass.
    passes: u64,
    /// The work between two tries, for all other patterns.
    between_tries: u64,
}

impl Matching {
    /// The work for one pattern.
    pub(super) fn of(pattern: &str) -> Matching {
        let Some(Part { size, depth, is_tried, .. }) = Reading::of(pattern) else {
            return Matching { passes: 0, tries: [u64::MAX; DEPTHS] };
        };
        if !is_tried {
            return Matching { passes: size, tries: [0; DEPTHS] };
        }
        let mut tries = [0; DEPTHS];
        match tries.get_mut(depth.saturating_sub(1)) {
            Some(of_depth) => *of_depth = size.saturating_mul(size),
            None => tries = [u64::MAX; DEPTHS],
        }
        Matching { passes: 0, tries }
    }

    /// The work for the pattern that a schema itself has for texts.
    pub(super) fn of_text(keywords: &Map<String, Value>) -> Matching {
        keywords.get("pattern").and_then(Value::as_str).map(Matching::of).unwrap_or_default()
    }

    /// The work for the patterns that it has for the names of members. The names are looked at once more for what other
    /// keywords leave.
    pub(super) fn of_names(keywords: &Map<String, Value>) -> Matching {
        let names = keywords.get("patternProperties").and_then(Value::as_object);
        names.into_iter().flatten().fold(Matching::default(), |all, (name, _)| all.and(Matching::of(name))).times(2)
    }

    pub(super) fn and(self, other: Matching) -> Matching {
        let mut tries = self.tries;
        tries.iter_mut().zip(other.tries).for_each(|(one, other)| *one = one.saturating_add(other));
        Matching { passes: self.passes.saturating_add(other.passes), tries }
    }

    pub(super) fn times(self, count: u64) -> Matching {
        let tries = self.tries.map(|one| one.saturating_mul(count));
        Matching { passes: self.passes.saturating_mul(count), tries }
    }

    /// The larger of both, value by value.
    pub(super) fn or(self, other: Matching) -> Matching {
        let mut tries = self.tries;
        tries.iter_mut().zip(other.tries).for_each(|(one, other)| *one = (*one).max(other));
        Matching { passes: self.passes.max(other.passes), tries }
    }

    pub(super) fn is_none(self) -> bool {
        self == Matching::default()
    }

    pub(super) fn on(self, lengths: Lengths) -> Effort {
        let tries = self.tries.iter().zip(lengths.0).map(|(one, length)| one.saturating_mul(length));
        Effort { passes: self.passes.saturating_mul(lengths.0[0]), between_tries: tries.fold(0, u64::saturating_add) }
    }
}

impl Lengths {
    /// The lengths for one string.
    pub(super) fn of(text: &str) -> Lengths {
        let mut power = 1_u64;
        Lengths([(); DEPTHS].map(|()| {
            power = power.saturating_mul(text.len() as u64 + 1);
            power
        }))
    }

    /// The lengths for the names of members.
    pub(super) fn of_names(members: &Map<String, Value>) -> Lengths {
        members.keys().map(|name| Lengths::of(name)).fold(Lengths::default(), Lengths::and)
    }

    pub(super) fn and(self, other: Lengths) -> Lengths {
        let mut sums = self.0;
        sums.iter_mut().zip(other.0).for_each(|(one, other)| *one = one.saturating_add(other));
        Lengths(sums)
    }
}

impl Effort {
    pub(super) const ENDLESS: Effort = Effort { passes: u64::MAX, between_tries: u64::MAX };

    pub(super) fn and(self, other: Effort) -> Effort {
        Effort {
            passes: self.passes.saturating_add(other.passes),
            between_tries: self.between_tries.saturating_add(other.between_tries),
        }
    }

    pub(super) fn times(self, count: u64) -> Effort {
        Effort { passes: self.passes.saturating_mul(count), between_tries: self.between_tries.saturating_mul(count) }
    }

    /// How many tries each match may take, so that all matches together stay within `allowed`; `None` if there is no room for
    /// one try.
    pub(super) fn tries_within(self, allowed: u64) -> Option<u64> {
        let left = allowed.checked_sub(self.passes)?;
        match self.between_tries {
            0 => Some(u64::MAX),
            between => Some(left / between).filter(|tries| *tries > 0),
        }
    }

    /// The work if each match takes `tries` tries.
    pub(super) fn with_tries(self, tries: u64) -> u64 {
        self.passes.saturating_add(self.between_tries.saturating_mul(tries.saturating_add(1)))
    }
}

/// A part of a pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    /// How many characters and signs it has when its repetitions are written out.
    size: u64,
    /// How many steps it takes to compile it.
    compiled: u64,
    /// How deep endless repetitions are nested in it.
    depth: usize,
    /// Whether it has a part that is matched by trying.
    is_tried: bool,
}

impl Part {
    /// One character or sign.
    const ONE: Part = Part { size: 1, compiled: 1, depth: 0, is_tried: false };

    fn then(self, next: Part) -> Part {
        Part {
            size: self.size.saturating_add(next.size),
            compiled: self.compiled.saturating_add(next.compiled),
            depth: self.depth.max(next.depth),
            is_tried: self.is_tried || next.is_tried,
        }
    }
}

/// One reading of a pattern, from its beginning to its end.
struct Reading<'p> {
    rest: Peekable<Chars<'p>>,
    /// What was read of each group that is still open, the whole pattern first.
    open: Vec<Part>,
}

impl Reading<'_> {
    /// Reads the whole pattern; `None` if it holds something that has no bound, or that is not understood.
    fn of(pattern: &str) -> Option<Part> {
        let mut reading = Reading { rest: pattern.chars().peekable(), open: vec![Part::ONE] };
        while let Some(sign) = reading.rest.next() {
            let part = match sign {
                '(' => {
                    let group = reading.group()?;
                    reading.open.push(group);
                    continue;
                }
                ')' => reading.open.pop().filter(|_| !reading.open.is_empty())?,
                '[' => reading.class(),
                '\\' => reading.escape()?,
                '.' => Part { compiled: COMPILED_CLASS, ..Part::ONE },
                _ => Part::ONE,
            };
            let part = reading.repeated(part);
            let last = reading.open.last_mut()?;
            *last = last.then(part);
        }
        reading.open.pop().filter(|_| reading.open.is_empty())
    }

    /// Reads what follows an opening parenthesis, before the content of the group.
    fn group(&mut self) -> Option<Part> {
        let plain = Part::ONE;
        let tried = Part { is_tried: true, ..plain };
        if self.rest.peek() == Some(&'*') {
            return None;
        }
        if self.rest.next_if_eq(&'?').is_none() {
            return Some(plain);
        }
        match self.rest.next()? {
            ':' => Some(plain),
            '=' | '!' | '>' => Some(tried),
            'P' => self.rest.next_if_eq(&'<').map(|_| plain),
            '<' => Some(if self.rest.next_if(|sign| matches!(sign, '=' | '!')).is_some() { tried } else { plain }),
            _ => None,
        }
    }

    /// The rest of a class of characters.
    fn class(&mut self) -> Part {
        let mut compiled = COMPILED_CLASS;
        while let Some(sign) = self.rest.next() {
            let one = match sign {
                ']' => break,
                '\\' => self.rest.next().map_or(1, compiled_escape),
                _ => 1,
            };
            compiled = compiled.saturating_add(one);
        }
        Part { compiled, ..Part::ONE }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Option<Part> {
        let sign = self.rest.next()?;
        let plain = Part { compiled: compiled_escape(sign), ..Part::ONE };
        match sign {
            // A reference to another part of the pattern, which may hold this one.
            'g' => None,
            'p' | 'P' | 'u' | 'x' => {
                if self.rest.next_if_eq(&'{').is_some() {
                    while self.rest.next()? != '}' {}
                }
                Some(plain)
            }
            'd' | 'D' | 'w' | 'W' | 's' | 'S' | 'n' | 'r' | 't' | 'f' | 'v' | 'c' | '0' => Some(plain),
            other => Some(Part { is_tried: other.is_ascii_alphanumeric(), ..plain }),
        }
    }

    /// A part with the repetitions that follow it.
    fn repeated(&mut self, mut part: Part) -> Part {
        let mut count = 0;
        while let Some(sign) = self.rest.peek() {
            match sign {
                '*' | '+' => part.depth += 1,
                '?' => {}
                '{' => match self.counts() {
                    Some((times, is_endless)) => {
                        part.size = part.size.saturating_mul(times.max(1));
                        part.compiled = part.compiled.saturating_mul(times.max(1));
                        part.depth += usize::from(is_endless);
                        count += 1;
                        continue;
                    }
                    None => break,
                },
                _ => break,
            }
            // The second sign says how the first is matched, and `a++` gives nothing back.
            part.is_tried |= count > 0 && *sign == '+';
            count += 1;
            self.rest.next();
        }
        part
    }

    /// Reads `{2}`, `{2,}` or `{2,5}`: how often a part is written out, and whether it is then repeated without end.
    fn counts(&mut self) -> Option<(u64, bool)> {
        let mut ahead = self.rest.clone();
        ahead.next();
        let text: String = ahead.by_ref().take_while(|sign| *sign != '}').take(40).collect();
        let number = |digits: &str| digits.trim().parse::<u64>().ok();
        let counts = match text.split_once(',') {
            None => (number(&text)?, false),
            Some((least, "")) => (number(least)?.saturating_add(1), true),
            Some((_, most)) => (number(most)?, false),
        };
        self.rest = ahead;
        Some(counts)
    }
}

fn compiled_escape(sign: char) -> u64 {
    match sign {
        'p' | 'P' => COMPILED_PROPERTY,
        'D' | 'W' | 'S' | 's' => COMPILED_CLASS,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(pattern: &str) -> Option<(u64, usize, bool)> {
        Reading::of(pattern).map(|part| (part.size, part.depth, part.is_tried))
    }

    #[test]
    fn a_pattern_is_as_large_as_with_its_repetitions_written_out_and_as_deep_as_its_loops() {
        assert_eq!(part("^[a-z]+$"), Some((4, 1, false)));
        assert_eq!(part(r"^\d{4}-\d{2}\p{L}{2,3}\u{41}$"), Some((1 + 1 + 4 + 1 + 2 + 3 + 1 + 1, 0, false)));
        assert_eq!(part("(?:(?:a{9}){9}){9}"), Some((1 + 9 * (1 + 9 * (1 + 9)), 0, false)));
        // A name of a group counts, too.
        assert_eq!(part("((a+)*b)+?|(?<n>c{2,})"), Some((1 + 1 + 1 + 1 + 1 + 1 + 3 + 3, 3, false)));
        assert_eq!(part(r"[(*\]]{2}a{x}\("), Some((1 + 2 + 4 + 1, 0, false)));
    }

    #[test]
    fn look_around_references_and_unknown_syntax_count_as_tried_or_endless() {
        let tried = ["(?=a)", "(?!a)b", "(?<=a*)b", "(?<!a)b", r"(a)\1", r"\bword", "(?>a)", "a++", r"a\K", "a{2}+"];
        for pattern in tried {
            assert!(part(pattern).is_some_and(|(.., is_tried)| is_tried), "{pattern}");
        }
        for pattern in [r"(?=a)(b\g<1>)", "(?(1)a|b)", "(?i)a", "(?x) ( # )", "(*FAIL)", "(a", "a)", "[](]"] {
            assert_eq!(part(pattern), None, "{pattern}");
        }
        assert_eq!(Matching::of("(?i)a").on(Lengths::of("a")).tries_within(u64::MAX - 1), None);
        assert_eq!(Matching::of("((((?=a)*)*)*)*").on(Lengths::of("")).tries_within(u64::MAX - 1), None);
    }

    #[test]
    fn work_grows_with_the_length_of_a_text_for_each_loop_within_a_loop() {
        let tries = |pattern: &str, len: usize| {
            Matching::of(pattern).on(Lengths::of(&"a".repeat(len))).tries_within(1_000_000_000)
        };
        assert_eq!(tries("^[a-z]+$", 100_000), Some(u64::MAX));
        assert_eq!(tries("^[a-z]+$", 1_000_000_000), None);
        assert!(tries("(?<=a.*)b", 999) > Some(10_000));
        assert_eq!(tries("(?:(?=a*)a)*b", 99_999), None);
        assert_eq!(tries("(?=a{1000}{1000})", 10), None);
    }

    #[test]
    fn g69_a_pattern_takes_as_much_to_compile_as_its_classes_with_repetitions_written_out() {
        let cases = [
            ("ab", 3),
            (r"\d{3}", 1 + 3),
            (r"\p{L}{100}", 1 + 100 * COMPILED_PROPERTY),
            (r"([\p{L}_]{2}){3}", 1 + 3 * (1 + 2 * (COMPILED_CLASS + COMPILED_PROPERTY + 4))),
            (".{10}", 1 + 10 * COMPILED_CLASS),
            (r"\S+", 1 + COMPILED_CLASS),
            ("(?i)abc", 7 * COMPILED_CLASS),
            ("(?i)a{2}", COMPILED_AT_MOST),
        ];
        for (pattern, expected) in cases {
            assert_eq!(compiling_one(pattern), COMPILED + expected, "{pattern}");
        }
        let schema = serde_json::json!({"items": [{"pattern": "ab", "not": {"patternProperties": {"a": true}}}]});
        assert_eq!(compiling(&schema), compiling_one("ab") + compiling_one("a"));
    }
}
