//! The layers: which crate may depend on which, and how many packages the core depends on.
//!
//! Compares the table in `docs/architecture.md` with the manifests, in both directions: an edge that the table does not
//! name is a finding, and so is an edge that only the table names.

use crate::finding::Finding;
use crate::manifest::{self, Dependencies};
use crate::repository::Repository;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const DOCUMENT: &str = "docs/architecture.md";
const HEADING: &str = "## Edges";

/// The crates that a log cannot be read, written, judged or folded without.
const CORE: [&str; 6] = ["evlog-format", "evlog-verify", "evlog-projection", "evlog-store", "evlog-lifecycle", "evlog"];

/// The most packages behind the core, its own included, on all platforms together. Raising it is a decision, and belongs in
/// `docs/adr/`.
const CORE_PACKAGES_MAX: usize = 75;

/// All breaches.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    let manifests = crates(repository);
    let mut findings = match repository.text(DOCUMENT) {
        Some(document) => compare(&table(document), &manifests),
        None => {
            vec![Finding::new(DOCUMENT, 1, format!("the document is missing; it holds the table under `{HEADING}`"))]
        }
    };
    let packages = core_packages(repository.text("Cargo.lock").unwrap_or_default(), &manifests);
    findings.extend(ceiling(packages.len()));
    findings
}

/// The packages behind the core, for people.
pub(crate) fn core_report(repository: &Repository) -> String {
    let packages = core_packages(repository.text("Cargo.lock").unwrap_or_default(), &crates(repository));
    let mut report = String::new();
    for package in &packages {
        writeln!(report, "{package}").unwrap_or_default();
    }
    let count = packages.len();
    writeln!(report, "{count} packages behind the core crates, these included; at most {CORE_PACKAGES_MAX}")
        .unwrap_or_default();
    report
}

fn ceiling(packages: usize) -> Option<Finding> {
    let message = format!(
        "{packages} packages are behind the core crates, more than {CORE_PACKAGES_MAX}; do without the new one, or move \
         it to an edge crate (`cargo run -p xtask -- deps` lists them)"
    );
    (packages > CORE_PACKAGES_MAX).then(|| Finding::new("Cargo.lock", 1, message))
}

/// The manifests under `crates/`: name of the crate, its dependencies.
fn crates(repository: &Repository) -> BTreeMap<String, Dependencies> {
    let name = |path: &str| path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml").map(str::to_owned);
    let files = repository.files().iter();
    files.filter_map(|file| Some((name(&file.path)?, manifest::dependencies(&file.text)))).collect()
}

/// A row of the document's table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    line: usize,
    depends_on: BTreeSet<String>,
    tests: BTreeSet<String>,
}

/// The rows under the heading: a crate, the evlog crates and the third-party crates that it depends on, and the crates that
/// only its tests need.
fn table(document: &str) -> BTreeMap<String, Row> {
    let lines = document.lines().enumerate().skip_while(|(_, line)| line.trim() != HEADING).skip(1);
    let section = lines.take_while(|(_, line)| !line.starts_with("## "));
    let row = |(number, line): (usize, &str)| {
        let cells: Vec<&str> = line.trim().strip_prefix('|')?.split('|').collect();
        let name = names(cells.first()?).into_iter().next()?;
        let all = |range: std::ops::Range<usize>| {
            cells.get(range).unwrap_or_default().iter().flat_map(|cell| names(cell)).collect()
        };
        Some((name, Row { line: number + 1, depends_on: all(1..3), tests: all(3..4) }))
    };
    section.filter_map(row).collect()
}

/// The names between backticks in a cell.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn compare(table: &BTreeMap<String, Row>, manifests: &BTreeMap<String, Dependencies>) -> Vec<Finding> {
    let undocumented = manifests
        .keys()
        .filter(|name| !table.contains_key(*name))
        .map(|name| Finding::new(DOCUMENT, 1, format!("crate `{name}` has no row under `{HEADING}`; add it")));
    let rows = table.iter().flat_map(|(name, row)| match manifests.get(name) {
        Some(found) => compare_row(name, row, found),
        None => vec![Finding::new(DOCUMENT, row.line, format!("there is no crate `{name}`; remove the row"))],
    });
    undocumented.chain(rows).collect()
}

fn compare_row(name: &str, row: &Row, found: &Dependencies) -> Vec<Finding> {
    let manifest = format!("crates/{name}/Cargo.toml");
    let breach = |what: &str, dependency: &String| {
        let message = format!(
            "`{name}` depends on `{dependency}`{what}, which {DOCUMENT} does not allow; do without it, or decide the edge there first"
        );
        Finding::new(&manifest, 1, message)
    };
    let stale = |what: &str, dependency: &String| {
        let message =
            format!("the table lets `{name}` depend on `{dependency}`{what}, and it does not; remove it from the row");
        Finding::new(DOCUMENT, row.line, message)
    };
    let mut findings = Vec::new();
    findings.extend(found.normal.difference(&row.depends_on).map(|dependency| breach("", dependency)));
    findings.extend(row.depends_on.difference(&found.normal).map(|dependency| stale("", dependency)));
    findings.extend(found.tests.difference(&row.tests).map(|dependency| breach(" in its tests", dependency)));
    findings.extend(row.tests.difference(&found.tests).map(|dependency| stale(" in its tests", dependency)));
    findings
}

/// The packages that are built for the core crates: theirs and what these need, tests excepted.
fn core_packages(lock: &str, manifests: &BTreeMap<String, Dependencies>) -> BTreeSet<String> {
    let mut ours: BTreeSet<&str> = BTreeSet::new();
    let mut next = CORE.to_vec();
    let mut foreign = BTreeSet::new();
    while let Some(name) = next.pop() {
        let Some((name, needs)) = manifests.get_key_value(name).filter(|_| !ours.contains(name)) else { continue };
        ours.insert(name);
        next.extend(needs.normal.iter().map(String::as_str));
        let locked = manifest::locked_needs(lock, name, &needs.normal);
        foreign.extend(locked.into_iter().filter(|need| !manifests.contains_key(need)));
    }
    ours.iter().map(|name| format!("{name} (ours)")).chain(manifest::reached(lock, &foreign)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A\n\n## Edges\n\n| crate | ours | others | tests |\n| --- | --- | --- | --- |\n\
                        | `a` | – | `serde` | |\n| `b` | `a` | – | `tempfile` |\n\n## Else\n| `c` | | | |\n";

    fn found(manifests: &[(&str, &str)]) -> Vec<String> {
        let manifests =
            manifests.iter().map(|(name, text)| ((*name).to_owned(), manifest::dependencies(text))).collect();
        compare(&table(TEXT), &manifests).iter().map(ToString::to_string).collect()
    }

    fn check(manifests: &[(&str, &str)], expected: &str) {
        let found = found(manifests);
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "expected one finding with {expected:?}, found {found:?}"
        );
    }

    const A: &str = "[dependencies]\nserde.workspace = true\n";
    const B: &str = "[dependencies]\na.workspace = true\n[dev-dependencies]\ntempfile.workspace = true\n";

    #[test]
    fn edges_as_in_the_table_are_no_finding() {
        assert_eq!(found(&[("a", A), ("b", B)]), [""; 0]);
    }

    #[test]
    fn an_edge_that_the_table_does_not_name_is_found() {
        check(&[("a", &format!("{A}b.workspace = true\n")), ("b", B)], "`a` depends on `b`, which");
        check(
            &[("a", &format!("{A}[dev-dependencies]\nb.workspace = true\n")), ("b", B)],
            "`a` depends on `b` in its tests, which",
        );
    }

    #[test]
    fn an_edge_that_only_the_table_names_is_found() {
        check(&[("a", ""), ("b", B)], "docs/architecture.md:7: the table lets `a` depend on `serde`, and it does not");
        check(
            &[("a", A), ("b", "[dependencies]\na.workspace = true\n")],
            "depend on `tempfile` in its tests, and it does not",
        );
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        check(&[("a", A), ("b", B), ("c", "")], "crate `c` has no row");
        check(&[("a", A)], "there is no crate `b`");
    }

    #[test]
    fn the_core_is_counted_with_all_crates_of_ours_that_it_needs_and_without_what_only_its_tests_need() {
        let lock = "[[package]]\nname = \"evlog\"\nversion = \"0.1.0\"\ndependencies = [\n \"evlog-format\",\n \"tempfile\",\n \"jiff\",\n]\n\
                    [[package]]\nname = \"jiff\"\nversion = \"1.0.0\"\n[[package]]\nname = \"tempfile\"\nversion = \"1.0.0\"\n";
        let text = "[dependencies]\nevlog-format.workspace = true\njiff.workspace = true\n[dev-dependencies]\ntempfile.workspace = true\n";
        let manifests =
            [("evlog", text), ("evlog-format", "[dependencies]\nevlog-x.workspace = true\n"), ("evlog-x", "")];
        let manifests = manifests.map(|(name, text)| (name.to_owned(), manifest::dependencies(text)));
        let expected = ["evlog (ours)", "evlog-format (ours)", "evlog-x (ours)", "jiff 1.0.0"].map(str::to_owned);
        assert_eq!(core_packages(lock, &manifests.into()), expected.into());
    }

    #[test]
    fn one_package_over_the_ceiling_is_found() {
        assert_eq!(ceiling(CORE_PACKAGES_MAX), None);
        assert!(ceiling(CORE_PACKAGES_MAX + 1).is_some());
    }
}
