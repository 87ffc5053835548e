//! docs/metrics.md has every metric of the catalogue, and no other.

use super::catalogue::{ALL, Metric, Type};
use std::path::Path;

const BEGIN: &str =
    "<!-- the table is made from the program: `EVLOG_BLESS=1 cargo test -p evlog-cli --bin evlog metrics` -->\n";

fn row(metric: &Metric) -> String {
    let Metric { name, r#type, labels, help, commands } = metric;
    let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
    format!("| `{name}` | {} | {} | {help} | {commands} |\n", Type::word(*r#type), labels.join(", "))
}

fn table() -> String {
    let head = "| metric | type | labels | meaning | commands |\n| --- | --- | --- | --- | --- |\n";
    ALL.iter().fold(head.to_owned(), |table, metric| table + &row(metric))
}

#[test]
fn docs_metrics_md_has_the_metrics_of_the_program_in_its_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the line before the table");
    let end = rest.find("\n\n").expect("text after the table") + 1;
    let expected = format!("{before}{BEGIN}{}{}", table(), &rest[end..]);
    if std::env::var_os("EVLOG_BLESS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert_eq!(found, expected, "run `EVLOG_BLESS=1 cargo test -p evlog-cli --bin evlog metrics`");
}

/// What Prometheus adds to the name of a histogram.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

#[test]
fn the_examples_name_only_metrics_that_there_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/metrics/evlog-rules.yml");
    let rules = std::fs::read_to_string(path).unwrap();
    let words = rules.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    let named: Vec<&str> = words.filter(|word| word.starts_with("evlog_")).collect();
    assert!(named.len() > 4, "{named:?}");
    for name in named {
        let plain = PARTS.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        assert!(ALL.iter().any(|metric| metric.name == name || metric.name == plain), "{name}");
    }
}

#[test]
fn names_have_the_prefix_of_the_program_counters_end_in_total_and_no_name_is_given_twice() {
    let mut names: Vec<&str> = ALL.iter().map(|metric| metric.name).collect();
    for metric in ALL {
        assert!(metric.name.starts_with("evlog_"), "{}", metric.name);
        assert_eq!(metric.name.ends_with("_total"), metric.r#type == Type::Counter, "{}", metric.name);
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(metric.name.bytes().all(is_name), "{}", metric.name);
        assert!(!metric.help.ends_with('.') && !metric.help.contains('\n'), "{}", metric.help);
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
}
