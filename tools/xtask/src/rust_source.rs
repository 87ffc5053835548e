//! Rules that one Rust file keeps: a header, a length, no debt, no test that cannot fail.
//!
//! Does not: repeat what rustc, clippy or rustfmt refuse. Clippy counts the lines of functions, and refuses `allow`, `dbg!`,
//! `todo!`, `unimplemented!` and exceptions without a reason (`.clippy.toml`, and `[workspace.lints]` in the root manifest).

use crate::finding::Finding;
use crate::lexer::{code_only, without_literals};
use crate::repository::Repository;

/// The longest file, in lines.
const FILE_LINES_MAX: usize = 600;

/// Words that announce work instead of doing it. They may stand in string literals only.
const DEBT_WORDS: &[&str] = &["TODO", "FIXME", "XXX"];

/// All findings in all Rust files.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    repository.with_extension("rs").flat_map(|file| check(&file.path, &file.text)).collect()
}

/// All findings in one file.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    let code = code_only(text);
    [header(path, text), file_length(path, text), debt(path, text), idle_matches(path, &code)].concat()
}

fn header(path: &str, text: &str) -> Vec<Finding> {
    if text.starts_with("//!") {
        return Vec::new();
    }
    let message =
        "the module has no header; begin the file with `//!`: what it is, what it does not do, its invariants";
    vec![Finding::new(path, 1, message)]
}

fn file_length(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let message = format!("the file has {lines} lines, more than {FILE_LINES_MAX}; split it where its subject changes");
    vec![Finding::new(path, FILE_LINES_MAX + 1, message)]
}

fn debt(path: &str, text: &str) -> Vec<Finding> {
    let prose = without_literals(text);
    let found = |word: &&str| {
        let message = format!("`{word}` is debt without a due date; do it, or open an issue and leave no mark here");
        let places = places_of_word(&prose, word);
        places.map(|at| Finding::new(path, line_of(&prose, at), message.clone())).collect::<Vec<_>>()
    };
    DEBT_WORDS.iter().flat_map(found).collect()
}

/// The place where a word stands that is not part of a longer one.
fn places_of_word<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

/// A statement `matches!(…);` drops its answer: as a test it cannot fail.
fn idle_matches(path: &str, code: &str) -> Vec<Finding> {
    let begins_statement = |at: &usize| code[..*at].trim_end().ends_with([';', '{', '}']);
    let ends_statement = |at: &usize| {
        let arguments = &code[at + "matches!".len()..];
        arguments[parenthesised_len(arguments)..].trim_start().starts_with(';')
    };
    let message = "a statement that begins with `matches!` drops its answer; write `assert!(matches!(…))`";
    let places = code.match_indices("matches!(").map(|(at, _)| at).filter(begins_statement).filter(ends_statement);
    places.map(|at| Finding::new(path, line_of(code, at), message)).collect()
}

/// How many bytes a string in parentheses takes, from the opening one it begins with to its closing one.
fn parenthesised_len(text: &str) -> usize {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth == 0 {
            return at + c.len_utf8();
        }
    }
    text.len()
}

/// The line, counted from 1, of a place in a string.
fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(body: &str, line: usize, expected: &str) {
        let text = format!("//! A module.\n{body}");
        let findings = check("src/a.rs", &text);
        assert_eq!(findings.len(), 1, "one finding in {body:?}, found {findings:?}");
        assert_eq!(findings[0].line, line, "line of the finding in {body:?}");
        assert!(findings[0].message.contains(expected), "{:?} says {expected:?}", findings[0].message);
    }

    fn check_none(body: &str) {
        assert_eq!(check("src/a.rs", &format!("//! A module.\n{body}")), [], "no finding in {body:?}");
    }

    #[test]
    fn a_module_without_a_header_is_found() {
        assert_eq!(check("src/a.rs", "use std::fmt;\n").len(), 1);
        assert_eq!(check("src/a.rs", "// A comment is no header.\n").len(), 1);
        assert_eq!(check("src/a.rs", "").len(), 1);
    }

    #[test]
    fn the_601st_line_is_found() {
        check_none(&"\n".repeat(FILE_LINES_MAX - 1));
        check_one(&"\n".repeat(FILE_LINES_MAX), FILE_LINES_MAX + 1, "601 lines");
    }

    #[test]
    fn debt_is_found_in_code_and_comments_and_not_in_literals() {
        for word in DEBT_WORDS {
            check_one(&format!("// {word}: later\n"), 2, word);
        }
        check_none("const A: &str = \"TODO\";\nfn mastodon_todo_list() {}\n");
    }

    #[test]
    fn a_dropped_matches_is_found_and_a_used_one_is_not() {
        check_one("fn a() {\n    let b = 1;\n    matches!(b, Some(\n        _\n    ));\n}\n", 4, "drops its answer");
        check_one("fn a() {\n    matches!(b, (1)) ;\n}\n", 3, "drops its answer");
        check_none("fn a() -> bool {\n    matches!(b, 1)\n}\n");
        check_none("fn a() {\n    assert!(matches!(b, 1));\n    let c =\n        matches!(b, 1);\n}\n");
    }
}
