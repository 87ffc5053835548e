//! A dataset: the Parquet files beside the `_schema.json` that says which columns they have (pipeline.md 4.6,
//! `parquet_dataset_v1`).
//!
//! Does: find the parts among the staged files, and compare the columns of each part with `_schema.json`. Does not: look at
//! data. The columns of a part are read from its footer. A part is hashed like every other file.
//!
//! Invariants:
//! - The memory holds the footer of one part at a time, and the findings on all parts that a report keeps.
//! - Messages are our own. So they do not change with the release of evlog or with the version of the crate that reads footers.

mod footer;

use super::{Findings, Staged};
use crate::paths::DATASET_SCHEMA;
use evlog_lifecycle::pipeline::report::Finding;
use footer::{Footer, Leaf};
use serde_json::Value;
use std::io;

/// The suffix of the paths of a dataset's parts.
const PART_SUFFIX: &str = ".parquet";

/// The paths of the `_schema.json` files to whose datasets a file at `path` would belong, nearest first.
pub(crate) fn schema_paths_of(path: &str) -> impl Iterator<Item = String> {
    let is_part = path.ends_with(PART_SUFFIX);
    let directories = path.rmatch_indices('/').map(|(at, _)| &path[..=at]).chain([""]);
    directories.filter(move |_| is_part).map(|directory| format!("{directory}{DATASET_SCHEMA}"))
}

/// Checks the parts of a dataset against its `_schema.json`, given by its path and its value.
pub(super) fn check(staged: Staged<'_>, path: &str, said: &Value, findings: &mut Findings) -> io::Result<()> {
    let directory = path.strip_suffix(DATASET_SCHEMA).unwrap_or_default();
    let below = staged.paths.iter().filter_map(|path| path.strip_prefix(directory));
    let mut parts = below.filter(|part| part.ends_with(PART_SUFFIX)).peekable();
    if parts.peek().is_none() {
        let message = format!("expected a part `{directory}**/*{PART_SUFFIX}`, found none");
        findings.add(Finding::coded("dataset_without_parts", message));
    }
    let Some(columns) = columns(said, findings) else { return Ok(()) };
    let mut first: Option<(&str, Vec<Leaf>)> = None;
    for part in parts {
        let leaves = match footer::read(&mut (staged.open)(&format!("{directory}{part}"))?)? {
            Footer::Read(leaves) => leaves,
            Footer::Unreadable(why) => {
                findings.add(Finding::coded("dataset_part_unreadable", format!("part `{part}`: {why}")));
                continue;
            }
        };
        let mut found = 0;
        compare(part, &columns, &leaves, &mut |finding| {
            found += 1;
            findings.add(finding);
        });
        match &first {
            _ if found > 0 => {}
            Some((name, expected)) => compare_shapes(part, name, expected, &leaves, findings),
            None => first = Some((part, leaves)),
        }
    }
    Ok(())
}

/// A column as `_schema.json` describes it.
struct Column<'d> {
    name: &'d str,
    physical_type: &'d str,
    logical_type: Option<&'d str>,
    nullable: bool,
}

/// The columns that `_schema.json` lists. Adds a finding for each missing member; a column may have others too.
fn columns<'d>(said: &'d Value, findings: &mut Findings) -> Option<Vec<Column<'d>>> {
    let mut add = |at: String, expected: &str| {
        let message = format!("expected {expected}, to hold the parts against");
        findings.add(Finding { instance_path: at, ..Finding::coded("dataset_columns_unreadable", message) });
    };
    let Some(list) = said.get("columns").and_then(Value::as_array) else {
        add("/columns".to_owned(), "a list of columns");
        return None;
    };
    let made: Vec<Option<Column<'d>>> = list.iter().map(column).collect();
    for (index, _) in made.iter().enumerate().filter(|(_, made)| made.is_none()) {
        let members = "`name` and `physical_type` as text, `logical_type` as text or null, and `nullable` as a boolean";
        add(format!("/columns/{index}"), members);
    }
    made.into_iter().collect()
}

fn column(value: &Value) -> Option<Column<'_>> {
    let logical_type = match value.get("logical_type") {
        None | Some(Value::Null) => None,
        Some(text) => Some(text.as_str()?),
    };
    Some(Column {
        name: value.get("name")?.as_str()?,
        physical_type: value.get("physical_type")?.as_str()?,
        logical_type,
        nullable: value.get("nullable")?.as_bool()?,
    })
}

/// Compares columns one by one, by place: their order is part of the schema.
fn compare(part: &str, columns: &[Column<'_>], leaves: &[Leaf], add: &mut dyn FnMut(Finding)) {
    for (index, column) in columns.iter().enumerate() {
        let mut add = |expected: &str, found: &str| add(mismatch(part, index, column.name, expected, found));
        let Some(leaf) = leaves.get(index) else {
            add("the column", "none");
            continue;
        };
        if leaf.name != column.name {
            add("this name", &format!("`{}`", leaf.name));
            continue;
        }
        if leaf.physical_type != column.physical_type {
            add(&format!("physical type `{}`", column.physical_type), &format!("`{}`", leaf.physical_type));
        }
        if leaf.logical_type.as_deref() != column.logical_type {
            let word = |word: Option<&str>| word.map_or_else(|| "none".to_owned(), |word| format!("`{word}`"));
            let expected = format!("logical type {}", word(column.logical_type));
            add(&expected, &word(leaf.logical_type.as_deref()));
        }
        if leaf.is_nullable() != column.nullable {
            add(&format!("`nullable` {}", column.nullable), &leaf.is_nullable().to_string());
        }
    }
    for (index, leaf) in leaves.iter().enumerate().skip(columns.len()) {
        add(mismatch(part, index, &leaf.name, "no such column", &format!("one of type `{}`", leaf.physical_type)));
    }
}

/// Compares nesting and fixed lengths, which may differ between parts that agree in all that `_schema.json` says.
fn compare_shapes(part: &str, first: &str, expected: &[Leaf], leaves: &[Leaf], findings: &mut Findings) {
    for (index, (expected, found)) in expected.iter().zip(leaves).enumerate() {
        if expected.shape != found.shape {
            let asked = format!("the length and the nesting that it has in part `{first}`");
            findings.add(mismatch(part, index, &found.name, &asked, "another"));
        }
    }
}

fn mismatch(part: &str, index: usize, name: &str, expected: &str, found: &str) -> Finding {
    let message = format!("part `{part}`, column `{name}`: expected {expected}, found {found}");
    Finding { instance_path: format!("/columns/{index}"), ..Finding::coded("dataset_part_mismatch", message) }
}

#[cfg(test)]
pub(super) mod tests;
