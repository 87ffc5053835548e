//! Rust text with the parts blanked out that a check must not see.
//!
//! Does: know comments, strings (raw, byte and C ones too), characters and lifetimes. Blanking keeps every line break, and
//! keeps columns counted in characters, so that positions in the result are positions in the source.
//! Does not: parse Rust.

/// What blanking leaves of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Literal,
}

/// Only the code: comments, and the content of string and character literals, are replaced by spaces.
pub(crate) fn code_only(text: &str) -> String {
    blanked(text, |part| part == Part::Code)
}

/// Code and comments: only the content of literals is replaced by spaces.
pub(crate) fn without_literals(text: &str) -> String {
    blanked(text, |part| part != Part::Literal)
}

fn blanked(text: &str, keep: fn(Part) -> bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let (part, end) = next_part(&chars, at);
        for &c in &chars[at..end] {
            out.push(if keep(part) || c == '\n' { c } else { ' ' });
        }
        at = end;
    }
    out
}

/// The part that begins at `at`, and where it ends. Code is handed out one character, or one word, at a time.
fn next_part(chars: &[char], at: usize) -> (Part, usize) {
    let rest = &chars[at..];
    match rest {
        ['/', '/', ..] => (Part::Comment, at + rest.iter().take_while(|c| **c != '\n').count()),
        ['/', '*', ..] => (Part::Comment, block_comment_end(chars, at)),
        ['"', ..] => (Part::Literal, string_end(chars, at + 1)),
        ['\'', ..] => quote(chars, at),
        [c, ..] if is_word(*c) => word(chars, at),
        _ => (Part::Code, at + 1),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A word, unless it is the prefix of a raw string: then the string is taken with it.
fn word(chars: &[char], at: usize) -> (Part, usize) {
    let end = at + chars[at..].iter().take_while(|c| is_word(**c)).count();
    let prefix: String = chars[at..end].iter().collect();
    let hashes = chars[end..].iter().take_while(|c| **c == '#').count();
    let opens = chars.get(end + hashes) == Some(&'"');
    match prefix.as_str() {
        "r" | "br" | "cr" if opens => (Part::Literal, raw_string_end(chars, end + hashes + 1, hashes)),
        "b" | "c" if opens && hashes == 0 => (Part::Literal, string_end(chars, end + 1)),
        "b" if chars.get(end) == Some(&'\'') => (Part::Literal, quote(chars, end).1),
        _ => (Part::Code, end),
    }
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (at, depth) = (at + 2, depth + 1),
            ['*', '/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut at = start;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

fn raw_string_end(chars: &[char], start: usize, hashes: usize) -> usize {
    let closes =
        |at: &usize| chars[*at] == '"' && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    (start..chars.len()).find(closes).map_or(chars.len(), |at| at + 1 + hashes)
}

/// After a quote comes a character, or a lifetime's name.
fn quote(chars: &[char], at: usize) -> (Part, usize) {
    match chars[at + 1..] {
        ['\\', _, ..] => {
            let close = (at + 3..chars.len()).find(|at| chars[*at] == '\'');
            (Part::Literal, close.map_or(chars.len(), |close| close + 1))
        }
        [_, '\'', ..] => (Part::Literal, at + 3),
        _ => (Part::Code, at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(code_only(text), expected, "code of {text:?}");
        assert_eq!(code_only(text).chars().count(), text.chars().count(), "blanking keeps columns");
    }

    #[test]
    fn comments_and_literals_are_blanked_and_code_stays() {
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d */ e", "a                   e");
        check("f(\"x\\\"y\", 1)", "f(      , 1)");
        check("f(r#\"a\"b\"#, 1)", "f(        , 1)");
        check("f(b\"{\", b'{', '{', '\\n')", "f(    ,     ,    ,     )");
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
        check("'outer: loop {}", "'outer: loop {}");
        check("\"never closed", "             ");
    }

    #[test]
    fn line_breaks_inside_of_literals_stay() {
        check("a(\"x\ny\")", "a(  \n  )");
    }

    #[test]
    fn comments_can_be_kept_without_literals() {
        assert_eq!(without_literals("a(\"b\") // c"), "a(   ) // c");
    }
}
