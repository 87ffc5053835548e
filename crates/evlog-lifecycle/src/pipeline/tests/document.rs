//! Compares the page `docs/lifecycle/pipeline.md` with the tables that it shows. `EVLOG_BLESS=1` writes the page's generated
//! parts again.

use crate::pipeline::outcome::FailMode;
use crate::pipeline::{Definition, purple_axiom};
use serde_json::Value;
use std::fmt::Write;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lifecycle/pipeline.md");

fn stages(definition: &Definition) -> String {
    let mut table = "| index | stage | default fail mode | enabled by default |\n| - | - | - | - |\n".to_owned();
    for (index, stage) in definition.stages().iter().enumerate() {
        let enabled = if stage.enabled { "yes" } else { "no" };
        writeln!(table, "| {index} | `{}` | `{}` | {enabled} |", stage.id, stage.fail_mode.word()).expect("a string");
    }
    table
}

fn substages(definition: &Definition) -> String {
    let text: Value = serde_json::from_str(definition.text()).expect("JSON");
    let word = |value: &Value| value.as_str().map_or("-".to_owned(), |word| format!("`{word}`"));
    let mut table =
        "| substage | closed list | fail mode of a success | its failure demands | parent's nearest code |\n"
            .to_owned();
    table += "| - | - | - | - | - |\n";
    for substage in text["substages"].as_array().expect("a list") {
        let name = substage["stage"].as_str().expect("a name");
        let closed = if definition.catalogue().is_closed(name) { "yes" } else { "no" };
        let [mode, parent, code] = ["success_fail_mode", "parent", "parent_code"].map(|member| word(&substage[member]));
        writeln!(table, "| `{name}` | {closed} | {mode} | {parent} | {code} |").expect("a string");
    }
    table
}

fn codes(definition: &Definition) -> String {
    let mut table = "| stage | code | severity | fail mode | always |\n| - | - | - | - | - |\n".to_owned();
    for (stage, code, row) in definition.catalogue().rows() {
        let mode = row.fail_mode.map_or("configured", FailMode::word);
        let must = row.must.map_or("-".to_owned(), |must| format!("`{}`", must.word()));
        writeln!(table, "| `{stage}` | `{code}` | {} | `{mode}` | {must} |", row.severity.word()).expect("a string");
    }
    table
}

fn order(definition: &Definition) -> String {
    let mut list = String::new();
    for rule in definition.order() {
        writeln!(list, "- `{}` before `{}`", rule.before, rule.after).expect("a string");
    }
    list
}

/// The page with its generated parts replaced.
fn generated(page: &str) -> String {
    let definition = purple_axiom();
    let digest = blake3::Hash::from_bytes(definition.digest());
    let parts = [
        ("stages", stages(&definition)),
        ("substages", substages(&definition)),
        ("codes", codes(&definition)),
        ("order", order(&definition)),
        ("digest", format!("`{digest}`\n")),
    ];
    parts.iter().fold(page.to_owned(), |page, (name, part)| {
        let (open, close) = (format!("<!-- generated: {name} -->\n"), "<!-- end -->");
        let (before, rest) = page.split_once(&open).unwrap_or_else(|| panic!("the page has a part `{name}`"));
        let (_, after) = rest.split_once(close).expect("a generated part ends");
        format!("{before}{open}{part}{close}{after}")
    })
}

#[test]
fn the_page_shows_the_tables_as_they_are() {
    let page = std::fs::read_to_string(PAGE).expect("the page is there");
    let expected = generated(&page);
    if std::env::var_os("EVLOG_BLESS").is_some() {
        std::fs::write(PAGE, expected).expect("the page can be written");
        return;
    }
    assert!(page == expected, "run the test with EVLOG_BLESS=1, and look at the difference");
}
