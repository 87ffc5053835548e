//! The built-in pipelines, read from the tables beside this module. `purple_axiom/reason_codes.tsv` is the catalogue as
//! it was handed to us, row by row.
//!
//! Does not: read anything at run time.
//!
//! Invariant: a table, once released, stays: runs pin the digest of their definition, and replay must find it again.

use super::{Catalogue, Coupling, Definition, ReasonCode, Severity, StageDefinition, SubstageDefinition};
use crate::pipeline::outcome::FailMode;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// Names of the built-in pipelines.
pub const NAMES: [&str; 1] = ["purple-axiom"];

static PURPLE_AXIOM: LazyLock<Arc<Definition>> = LazyLock::new(|| {
    Arc::new(Definition::new(
        NAMES[0].to_owned(),
        stages(include_str!("../purple_axiom/stages.tsv")),
        substages(include_str!("../purple_axiom/substages.tsv")),
        catalogue(
            include_str!("../purple_axiom/reason_codes.tsv"),
            include_str!("../purple_axiom/closed_substages.tsv"),
        ),
    ))
});

/// The pipeline of nine stages that the contract was specified for.
pub fn purple_axiom() -> Arc<Definition> {
    Arc::clone(&PURPLE_AXIOM)
}

/// The built-in pipeline of this name.
pub fn built_in(name: &str) -> Option<Arc<Definition>> {
    NAMES.contains(&name).then(purple_axiom)
}

/// The cells of a table's rows, its heading left out.
fn rows<const N: usize>(table: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    table.lines().skip(1).map(|line| {
        let mut cells = line.split('\t');
        let row = std::array::from_fn(|_| cells.next().unwrap_or_default());
        assert!(cells.next().is_none(), "a built-in table has {N} columns: {line}");
        row
    })
}

fn fail_mode(cell: &str) -> FailMode {
    FailMode::from_word(cell).unwrap_or_else(|| unreachable!("a built-in table names a fail mode, not `{cell}`"))
}

fn fail_mode_or_configured(cell: &str) -> Option<FailMode> {
    (cell != "configured").then(|| fail_mode(cell))
}

fn word<T: Copy>(words: &[(&'static str, T)], cell: &str) -> T {
    let known = words.iter().find(|(word, _)| *word == cell);
    known.map_or_else(|| unreachable!("a built-in table uses known words, not `{cell}`"), |(_, value)| *value)
}

fn stages(table: &'static str) -> Vec<StageDefinition> {
    let stage = |[id, mode, enabled]: [&str; 3]| StageDefinition {
        id: id.to_owned(),
        fail_mode: fail_mode(mode),
        enabled: enabled == "true",
    };
    rows(table).map(stage).collect()
}

fn substages(table: &'static str) -> BTreeMap<String, SubstageDefinition> {
    let given = |cell: &'static str| (cell != "-").then_some(cell);
    let substage = |[id, mode, parent, code]: [&'static str; 4]| {
        let known = SubstageDefinition {
            success_fail_mode: fail_mode_or_configured(mode),
            coupling: given(parent).map(|cell| word(&Coupling::WORDS, cell)),
            parent_code: given(code).map(str::to_owned),
        };
        (id.to_owned(), known)
    };
    rows(table).map(substage).collect()
}

fn catalogue(codes: &'static str, closed: &'static str) -> Catalogue {
    let mut made = Catalogue { closed: rows(closed).map(|[name]| name.to_owned()).collect(), ..Catalogue::default() };
    for [stage, code, severity, mode] in rows(codes) {
        let row = ReasonCode { severity: word(&Severity::WORDS, severity), fail_mode: fail_mode_or_configured(mode) };
        made.rows.entry(stage.to_owned()).or_default().insert(code.to_owned(), row);
    }
    made
}
