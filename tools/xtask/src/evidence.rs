//! Evidence: each numbered rule of the documents is cited by a test.
//!
//! A rule is defined by a table row, list item or heading that begins with its id in bold, `**F-22**`, or by a row whose
//! first cell has only the id; `H7` is the same as `H-07`. It is cited where a test names it: in a test file in Rust or
//! Python, or in the `#[cfg(test)]` part of a module. A document that is not there yet is skipped, and the matrix says so.
//!
//! Does not: judge whether the test that cites a rule shows it. The reviewer does that.

use crate::finding::Finding;
use crate::repository::{Repository, SourceFile, extension_of};
use crate::syntax;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The place where the rules of each letter are defined.
const DOCUMENTS: [(char, &str); 15] = [
    ('C', "docs/checkpoint.md"),
    ('E', "docs/proofs.md"),
    ('F', "docs/format.md"),
    ('V', "docs/recovery.md"),
    ('R', "docs/repair.md"),
    ('H', "docs/lifecycle/status.md"),
    ('P', "docs/lifecycle/pipeline.md"),
    ('M', "docs/lifecycle/machine.md"),
    ('S', "docs/lifecycle/story.md"),
    ('B', "docs/conform.md"),
    ('G', "docs/stages.md"),
    ('T', "docs/resume.md"),
    ('K', "docs/registry.md"),
    ('L', "docs/policy.md"),
    ('O', "docs/audit.md"),
];

/// The id of a rule: its letter and its number, `F-22`, ordered as people count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RuleId(char, u32);

impl std::fmt::Display for RuleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{:02}", self.0, self.1)
    }
}

/// The place where something is written: path and line.
type Place = (String, usize);

/// Rules without evidence, rules defined twice, and citations of rules that do not exist.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    let citations = citations(repository.files());
    let documents = present(repository);
    let mut findings = Vec::new();
    for (letter, path, text) in &documents {
        let defined = definitions(*letter, text);
        findings.extend(defined_twice(path, &defined));
        findings.extend(without_evidence(path, &defined, &citations));
        findings.extend(dangling(*letter, path, &defined, &citations));
    }
    findings
}

/// Each rule and the tests that cite it, for people.
pub(crate) fn matrix(repository: &Repository) -> String {
    let citations = citations(repository.files());
    let mut out = String::new();
    for (letter, path) in DOCUMENTS {
        let Some(text) = repository.text(path) else {
            writeln!(out, "{path}: not written yet; its rules {letter}-nn are not checked").unwrap_or_default();
            continue;
        };
        for (rule, _) in definitions(letter, text) {
            let places = citations.get(&rule).map_or(&[][..], Vec::as_slice);
            let files: BTreeSet<&str> = places.iter().map(|(path, _)| path.as_str()).collect();
            let files: Vec<&str> = files.into_iter().collect();
            writeln!(out, "{rule}  {}", if files.is_empty() { "no test".to_owned() } else { files.join(", ") })
                .unwrap_or_default();
        }
    }
    out
}

fn present(repository: &Repository) -> Vec<(char, &'static str, &str)> {
    DOCUMENTS.iter().filter_map(|(letter, path)| Some((*letter, *path, repository.text(path)?))).collect()
}

/// The rules that a document defines, with their lines.
fn definitions(letter: char, text: &str) -> Vec<(RuleId, usize)> {
    let defined = |(number, line): (usize, &str)| {
        let start = line.trim_start_matches(['|', '#', '-', '*', ' ', '\t']);
        let before = &line[..line.len() - start.len()];
        let (id, len) = id_at(letter, start)?;
        let is_bold = before.ends_with("**") && start[len..].starts_with("**");
        let is_cell = before.trim() == "|" && start[len..].trim_start().starts_with('|');
        (is_bold || is_cell).then_some((id, number + 1))
    };
    text.lines().enumerate().filter_map(defined).collect()
}

/// The rule id that a string begins with, and its length. Only the letter `H` needs no dash.
fn id_at(letter: char, text: &str) -> Option<(RuleId, usize)> {
    let after = text.strip_prefix(letter)?;
    let digits = after.strip_prefix('-').or(Some(after).filter(|_| letter == 'H'))?;
    let len = digits.bytes().take_while(u8::is_ascii_digit).count();
    let number = digits[..len].parse().ok()?;
    let ends = !digits[len..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    ends.then_some((RuleId(letter, number), text.len() - digits.len() + len))
}

/// Every citation in every test.
fn citations(files: &[SourceFile]) -> BTreeMap<RuleId, Vec<Place>> {
    let mut found = BTreeMap::<RuleId, Vec<Place>>::new();
    for file in files {
        let skipped = first_test_line(file);
        for (number, line) in file.text.lines().enumerate().skip(skipped) {
            for id in ids_in(line) {
                found.entry(id).or_default().push((file.path.clone(), number + 1));
            }
        }
    }
    found
}

/// The number of lines before the tests of a file: 0 in a test file, all in a file without tests.
fn first_test_line(file: &SourceFile) -> usize {
    let name = file.path.rsplit('/').next().unwrap_or(&file.path);
    let in_tests = file.path.starts_with("tests/") || file.path.contains("/tests/");
    let extension = extension_of(&file.path);
    let is_rust = extension == "rs";
    let is_python_test = extension == "py" && (in_tests || name.starts_with("test_") || name.ends_with("_test.py"));
    if is_python_test || is_rust && (in_tests || name == "tests.rs") {
        return 0;
    }
    let is_ours = file.path.starts_with("tools/xtask/");
    inline_tests(&file.text).filter(|_| is_rust && !is_ours).unwrap_or(usize::MAX)
}

/// The line before which a module has no tests: where a test module begins whose text is here, not in a file of its own.
fn inline_tests(text: &str) -> Option<usize> {
    syntax::read(text).inline_modules.into_iter().find(|module| module.is_test).map(|module| module.line - 1)
}

/// The rule that a test's name begins with: `fn h7_…` is evidence for rule H-07, `fn v07_…` for V-07. With one digit, `v1`
/// is a version.
fn id_of_name(line: &str) -> Option<RuleId> {
    let name = line.trim_start().strip_prefix("fn ")?;
    let (id, _) = name.split_once('_')?;
    let letter = id.chars().next()?.to_ascii_uppercase();
    let digits = id.get(1..).filter(|digits| digits.len() > 1 || letter == 'H')?;
    let number = digits.parse().ok()?;
    DOCUMENTS.iter().any(|(known, _)| *known == letter).then_some(RuleId(letter, number))
}

/// The rule ids of a line, each where it does not continue a word.
fn ids_in(line: &str) -> Vec<RuleId> {
    let letters = DOCUMENTS.map(|(letter, _)| letter);
    let mut found: Vec<RuleId> = id_of_name(line).into_iter().collect();
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if letters.contains(&c) && !before.is_alphanumeric() && before != '_' && before != '-' {
            found.extend(id_at(c, &line[at..]).map(|(id, _)| id));
        }
        before = c;
    }
    found
}

fn defined_twice(path: &str, defined: &[(RuleId, usize)]) -> Vec<Finding> {
    let mut seen = BTreeMap::new();
    let mut findings = Vec::new();
    for (rule, line) in defined {
        if let Some(first) = seen.insert(*rule, *line) {
            let message = format!("rule {rule} is defined in line {first} already; give this one the next free number");
            findings.push(Finding::new(path, *line, message));
        }
    }
    findings
}

fn without_evidence(path: &str, defined: &[(RuleId, usize)], citations: &BTreeMap<RuleId, Vec<Place>>) -> Vec<Finding> {
    let missing = defined.iter().filter(|(rule, _)| !citations.contains_key(rule));
    let message = |rule| format!("no test cites rule {rule}; write the test that shows it, and name the rule there");
    missing.map(|(rule, line)| Finding::new(path, *line, message(*rule))).collect()
}

fn dangling(
    letter: char,
    path: &str,
    defined: &[(RuleId, usize)],
    citations: &BTreeMap<RuleId, Vec<Place>>,
) -> Vec<Finding> {
    let known: BTreeSet<RuleId> = defined.iter().map(|(rule, _)| *rule).collect();
    let unknown = citations.iter().filter(|(rule, _)| rule.0 == letter && !known.contains(rule));
    let finding = |(rule, (at, line)): (&RuleId, &Place)| {
        Finding::new(at, *line, format!("the test cites rule {rule}, which {path} does not define; correct the number"))
    };
    unknown.flat_map(|(rule, places)| places.iter().map(move |place| finding((rule, place)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    const DOCUMENT: &str = "# Format\n\n| **F-01** | magic |\n| **F-2** | see **F-01** |\n### **F-10** Frames\n- **F-11** x\nF-12 is not bold\n| F-13 | a cell |\n| F-14 is prose |\n";

    #[test]
    fn a_rule_is_a_row_an_item_or_a_heading_that_begins_with_its_bold_id() {
        let ids = definitions('F', DOCUMENT).into_iter().map(|(rule, line)| (rule.1, line)).collect::<Vec<_>>();
        assert_eq!(ids, [(1, 3), (2, 4), (10, 5), (11, 6), (13, 8)]);
        assert_eq!(definitions('V', DOCUMENT), []);
        assert_eq!(definitions('H', "| H7 | x |\n| **H-08** | y |\n"), [(RuleId('H', 7), 1), (RuleId('H', 8), 2)]);
    }

    #[test]
    fn only_tests_cite() {
        let files = [
            file("crates/a/src/a.rs", "// F-1\n#[cfg(test)]\nmod tests {\n    // F-2\n}\n"),
            file("crates/a/src/b.rs", "#[cfg(test)]\nmod tests;\n// F-3\n"),
            file("crates/a/src/b/tests.rs", "// F-4, F-05 and UTF-8, SHA-F-6, F-7x\n"),
            file(
                "tests/it/c.rs",
                "/// Rule V-10, H3, SHA1, V10, X-1.\n    fn f12_a_claim() {\nfn fold_2_x() {\nfn v1_logs() {\n",
            ),
            file("tools/reader/test_reader.py", "# F-8\n"),
            file("tools/reader/reader.py", "# F-9\n"),
            file("docs/format.md", "F-11\n"),
        ];
        let found = citations(&files).into_keys().collect::<Vec<_>>();
        assert_eq!(
            found,
            [
                RuleId('F', 2),
                RuleId('F', 4),
                RuleId('F', 5),
                RuleId('F', 8),
                RuleId('F', 12),
                RuleId('H', 3),
                RuleId('V', 10)
            ]
        );
    }

    #[test]
    fn a_rule_that_no_test_cites_is_found() {
        let cited = citations(&[file("tests/it/a.rs", "// F-01 F-10 F-11 F-13\n")]);
        let found = without_evidence("docs/format.md", &definitions('F', DOCUMENT), &cited);
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("docs/format.md:4: no test cites rule F-02"), "{found:?}");
    }

    #[test]
    fn a_citation_of_no_rule_is_found() {
        let cited = citations(&[file("tests/it/a.rs", "//\n// F-77 V-77\n")]);
        let found = dangling('F', "docs/format.md", &definitions('F', DOCUMENT), &cited);
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("tests/it/a.rs:2: the test cites rule F-77"), "{found:?}");
    }

    #[test]
    fn a_rule_defined_twice_is_found() {
        assert_eq!(defined_twice("a.md", &definitions('F', DOCUMENT)), []);
        assert_eq!(defined_twice("a.md", &definitions('F', "## **F-1** a\n## **F-01** b\n")).len(), 1);
    }
}
