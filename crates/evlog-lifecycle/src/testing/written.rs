//! Files that tests write into the repository and compare with the code from then on: sections of pages, golden files.
//!
//! `EVLOG_BLESS=1` writes them again.

use std::fmt::Write as _;
use std::path::Path;

fn blesses() -> bool {
    std::env::var_os("EVLOG_BLESS").is_some()
}

/// A table in Markdown.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = String::new();
    let mut line = |cells: &[&str]| writeln!(text, "| {} |", cells.join(" | ")).expect("text grows");
    line(head);
    line(&vec!["---"; head.len()]);
    for row in rows {
        line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    text
}

/// A word as a page shows it.
pub(crate) fn code(word: &str) -> String {
    format!("`{word}`")
}

/// A truth as a page shows it.
pub(crate) fn yes(holds: bool) -> String {
    if holds { "yes" } else { "no" }.to_owned()
}

/// The page with this section's content replaced.
fn replaced(page: &str, name: &str, content: &str) -> String {
    let (begin, end) = (format!("<!-- begin generated: {name} -->\n"), format!("<!-- end generated: {name} -->\n"));
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("no section `{name}`"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("section `{name}` does not end"));
    format!("{before}{begin}\n{content}\n{end}{after}")
}

/// Asserts that the page has these generated sections.
pub(crate) fn check_sections(page: &str, sections: &[(&str, String)]) {
    let found = std::fs::read_to_string(page).expect("the page");
    let expected = sections.iter().fold(found.clone(), |page, (name, content)| replaced(&page, name, content));
    if blesses() {
        std::fs::write(page, &expected).expect("the page is written");
    } else {
        assert_eq!(found, expected, "run the tests with EVLOG_BLESS=1 to rewrite the page's tables");
    }
}

/// Asserts that the file has these bytes.
pub(crate) fn check_golden(path: &Path, found: &[u8]) {
    if blesses() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("the directory");
        std::fs::write(path, found).expect("the file");
    }
    let expected = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let shown = String::from_utf8_lossy;
    assert_eq!(shown(found), shown(&expected), "{}", path.display());
}
