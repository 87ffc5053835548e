//! Rules that one Rust file keeps: a header, no more than a screenful of thought, no debt, no test that cannot fail.
//!
//! Does not: repeat what rustc, clippy or rustfmt already refuse, except where a rule of ours is stricter.

use crate::finding::Finding;
use crate::lexer::{code_only, without_literals};
use crate::repository::Repository;

/// The longest file, in lines.
const FILE_LINES_MAX: usize = 600;

/// The longest function, in lines from its `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Words that announce work instead of doing it. They may stand in string literals only.
const DEBT_WORDS: &[&str] = &["TODO", "FIXME", "XXX"];

/// Macros that must not stay in code.
const DEBT_MACROS: &[(&str, &str)] = &[
    ("dbg!", "remove it"),
    ("todo!", "write the code, or an issue"),
    ("unimplemented!", "return an error, or `unreachable!` with the reason"),
];

/// All findings in all Rust files.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    repository.with_extension("rs").flat_map(|file| check(&file.path, &file.text)).collect()
}

/// All findings in one file.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    let code = code_only(text);
    let findings = [
        header(path, text),
        file_length(path, text),
        function_lengths(path, &code),
        debt(path, text, &code),
        idle_matches(path, &code),
        allowed_lints(path, &code),
        unreasoned_expectations(path, &code),
    ];
    findings.concat()
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

fn function_lengths(path: &str, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for at in functions(code) {
        let Some(body) = body_len(&code[at..]) else { continue };
        let lines = code[at..at + body].lines().count();
        if lines > FUNCTION_LINES_MAX {
            let name = function_name(&code[at..]);
            let advice = "move the work into functions of its own, and leave the order of things here";
            let message = format!("function `{name}` has {lines} lines, more than {FUNCTION_LINES_MAX}; {advice}");
            findings.push(Finding::new(path, line_of(code, at), message));
        }
    }
    findings
}

/// Where the word `fn` stands before a name.
fn functions(code: &str) -> impl Iterator<Item = usize> + '_ {
    code.match_indices("fn ").map(|(at, _)| at).filter(|at| {
        let before = code[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_') && !function_name(&code[*at..]).is_empty()
    })
}

fn function_name(from_fn: &str) -> &str {
    let name = from_fn.strip_prefix("fn ").unwrap_or(from_fn).trim_start();
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(name)
}

/// How many bytes a function takes, its body included; `None` for a declaration without one.
fn body_len(from_fn: &str) -> Option<usize> {
    let mut brackets = 0_i32;
    for (at, c) in from_fn.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if brackets == 0 => return None,
            '{' if brackets == 0 => return Some(at + balanced_len(&from_fn[at..], '{', '}')),
            _ => {}
        }
    }
    None
}

/// How many bytes a bracketed text takes, from the opening bracket it begins with to its closing one.
fn balanced_len(text: &str, open: char, close: char) -> usize {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        depth += i32::from(c == open) - i32::from(c == close);
        if depth == 0 {
            return at + c.len_utf8();
        }
    }
    text.len()
}

fn debt(path: &str, text: &str, code: &str) -> Vec<Finding> {
    let prose = without_literals(text);
    let words = DEBT_WORDS.iter().flat_map(|word| {
        let advice = format!("`{word}` is debt without a due date; do it, or open an issue and leave no mark here");
        places_of_word(&prose, word).map(move |at| (at, advice.clone()))
    });
    let word_findings = words.map(|(at, advice)| Finding::new(path, line_of(&prose, at), advice)).collect::<Vec<_>>();
    let macros = DEBT_MACROS.iter().flat_map(|(name, advice)| {
        places_of_word(code, name).map(move |at| (at, format!("`{name}` does not stay in the code; {advice}")))
    });
    word_findings.into_iter().chain(macros.map(|(at, advice)| Finding::new(path, line_of(code, at), advice))).collect()
}

/// Where a word stands that is not part of a longer one.
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
        arguments[balanced_len(arguments, '(', ')')..].trim_start().starts_with(';')
    };
    let message = "a statement that begins with `matches!` drops its answer; write `assert!(matches!(…))`";
    let places = code.match_indices("matches!(").map(|(at, _)| at).filter(begins_statement).filter(ends_statement);
    places.map(|at| Finding::new(path, line_of(code, at), message)).collect()
}

fn allowed_lints(path: &str, code: &str) -> Vec<Finding> {
    let message = "`allow` stays when its cause is gone; write `expect(lint, reason = \"…\")`";
    attributes(code, "allow").map(|at| Finding::new(path, line_of(code, at), message)).collect()
}

fn unreasoned_expectations(path: &str, code: &str) -> Vec<Finding> {
    let message = "an expected lint gives no reason; add `reason = \"…\"`";
    let unreasoned = |at: &usize| {
        let arguments = &code[*at..];
        let open = arguments.find('(').unwrap_or(arguments.len());
        let inside = &arguments[open..open + balanced_len(&arguments[open..], '(', ')')];
        !inside.contains("reason")
    };
    attributes(code, "expect").filter(unreasoned).map(|at| Finding::new(path, line_of(code, at), message)).collect()
}

/// Where an attribute of this name stands, on an item, on a module, or inside of `cfg_attr`.
fn attributes<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    places_of_word(code, name).filter(move |at| {
        let line_start = code[..*at].rfind('\n').map_or(0, |before| before + 1);
        let before = code[line_start..*at].trim_start();
        let opens = before.starts_with("#[") || before.starts_with("#![");
        let is_call = code[at + name.len()..].starts_with('(');
        opens && is_call && before.ends_with(['[', ',', ' '])
    })
}

/// The line, counted from 1, of a place in a text.
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
    fn the_71st_line_of_a_function_is_found_and_the_70th_is_not() {
        let function = |lines: usize| {
            format!("impl A {{\n    pub fn long<'a>(x: [u8; 2]) {{\n{}    }}\n}}\n", "{}\n".repeat(lines - 2))
        };
        check_none(&function(FUNCTION_LINES_MAX));
        check_one(&function(FUNCTION_LINES_MAX + 1), 3, "function `long` has 71 lines");
    }

    #[test]
    fn a_declaration_has_no_length_and_braces_in_literals_do_not_count() {
        check_none(&format!("trait A {{\n    fn a(&self) -> [u8; 2];\n}}\n{}", "// x\n".repeat(80)));
        check_none(&format!("fn a() {{ f(\"{{\") }}\n{}fn b() {{}}\n", "// x\n".repeat(80)));
    }

    #[test]
    fn debt_is_found_in_code_and_comments_and_not_in_literals() {
        for word in DEBT_WORDS {
            check_one(&format!("// {word}: later\n"), 2, word);
        }
        for (name, _) in DEBT_MACROS {
            check_one(&format!("fn a() {{\n    {name}()\n}}\n"), 3, name);
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

    #[test]
    fn an_allowed_lint_is_found_in_every_kind_of_attribute() {
        check_one("#[allow(dead_code)]\nfn a() {}\n", 2, "`allow` stays");
        check_one("#![allow(dead_code, reason = \"r\")]\n", 2, "`allow` stays");
        check_one("#[cfg_attr(test, allow(dead_code))]\nfn a() {}\n", 2, "`allow` stays");
        check_none("fn allow(a: u8) {}\nfn b() { allow(1) }\n");
    }

    #[test]
    fn an_expectation_without_a_reason_is_found() {
        check_one("#[expect(dead_code)]\nfn a() {}\n", 2, "gives no reason");
        check_one("#[expect(\n    dead_code,\n    unused,\n)]\nfn a() {}\n", 2, "gives no reason");
        check_none("#[expect(dead_code, reason = \"read by a later version\")]\nfn a() {}\n");
        check_none("fn a() { b.expect(\"c\") }\n");
    }
}
