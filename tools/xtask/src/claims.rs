//! Checks that the tests in the safety table of `docs/testing.md` exist: each is the name of a function in the sources.

use crate::finding::Finding;
use crate::repository::Repository;
use std::collections::BTreeSet;

const DOCUMENT: &str = "docs/testing.md";
const HEADING: &str = "## Safety, claim by claim";

/// All names that are no test's.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    let document = repository.text(DOCUMENT).unwrap_or_default();
    let sources = repository.with_extension("rs").map(|file| file.text.as_str());
    check(document, &sources.flat_map(functions).collect())
}

fn check(document: &str, functions: &BTreeSet<&str>) -> Vec<Finding> {
    let lines = document.lines().enumerate().skip_while(|(_, line)| *line != HEADING).skip(1);
    let rows: Vec<(usize, &str)> =
        lines.take_while(|(_, line)| !line.starts_with("## ")).filter(|(_, line)| line.starts_with('|')).collect();
    if rows.is_empty() {
        return vec![Finding::new(DOCUMENT, 1, format!("the table under `{HEADING}` is missing"))];
    }
    let missing = rows.iter().flat_map(|(number, line)| tests(line).map(move |name| (number + 1, name)));
    let missing = missing.filter(|(_, name)| !functions.contains(name));
    missing
        .map(|(line, name)| Finding::new(DOCUMENT, line, format!("no test is named `{name}`; correct the row")))
        .collect()
}

/// The texts between backticks that look like the name of a test: several words, no path.
fn tests(line: &str) -> impl Iterator<Item = &str> {
    let is_name =
        |name: &&str| name.matches('_').count() > 2 && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
    line.split('`').skip(1).step_by(2).filter(is_name)
}

/// The names after `fn`.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.trim_start().strip_prefix("fn ")?.split('(').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_not_there_is_found_with_its_line() {
        let source = "#[test]\nfn it_is_as_it_says() {\n}\n";
        let document =
            format!("# T\n\n{HEADING}\n\n| a | `it_is_as_it_says` |\n| b | `src/x_y_z_a.rs` `it_is_not_so_here` |\n");
        let found = check(&document, &functions(source).collect());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].to_string().starts_with("docs/testing.md:6: no test is named `it_is_not_so_here`"));
        assert_eq!(check("# T\n", &BTreeSet::new()).len(), 1);
    }
}
