//! Reads a pipeline's definition: from a contract file, from a plan, or from the JSON text that a run pinned.
//!
//! Does not: fill in anything except the defaults of absent members and the cross-cutting codes.
//!
//! Invariant: the canonical text of what it accepts reads again as the same definition.

use super::{
    ANY_STAGE, Catalogue, Coupling, Definition, Must, NAMES, ORCHESTRATOR, OrderRule, ReasonCode, Severity,
    StageDefinition, SubstageDefinition, is_stage_name, is_substage, purple_axiom, root_of,
};
use crate::fields::{Fields, Flaws, Origin, about, is_word, name, text, within};
use crate::members::quoted;
use crate::pipeline::outcome::FailMode;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const FAIL_MODES: [(&str, FailMode); 2] =
    [("fail_closed", FailMode::FailClosed), ("warn_and_skip", FailMode::WarnAndSkip)];
const FAIL_MODES_OR_CONFIGURED: [(&str, Option<FailMode>); 3] =
    [("fail_closed", Some(FailMode::FailClosed)), ("warn_and_skip", Some(FailMode::WarnAndSkip)), ("configured", None)];

/// The most stages of a pipeline. Every run has its definition in its first event.
pub const STAGES_MAX: usize = 256;
/// The most substages that are described.
pub const SUBSTAGES_MAX: usize = 1024;
/// The most order rules.
pub const ORDER_RULES_MAX: usize = 256;
/// The most rows of a catalogue.
pub const REASON_CODES_MAX: usize = 4096;

/// Reads the definition. If anything is wrong with it, adds flaws and returns `None`.
pub(crate) fn definition(value: Value, at: &str, origin: Origin, flaws: &Flaws) -> Option<Definition> {
    let mut fields = Fields::of(value, at, flaws)?;
    let name = name(&mut fields, flaws, if origin == Origin::BuiltIn { &[] } else { &NAMES });
    let about = about(&mut fields, flaws);
    let stages = stages(&mut fields, flaws);
    let known = |stage: &str| is_stage_name(stage) && stages.iter().any(|known| known.id == root_of(stage));
    let mut catalogue = Catalogue::default();
    reason_codes(&mut fields, flaws, &known, origin, &mut catalogue);
    closed_substages(&mut fields, flaws, &known, &mut catalogue);
    let substages = substages(&mut fields, flaws, &known, &catalogue);
    let order = order(&mut fields, flaws, &known);
    let rules = evlog_rules::rules::of_contract(&mut fields, "pipeline", flaws);
    fields.finish();
    if flaws.is_empty() {
        Some(Definition::new(name?, about, stages, substages, catalogue, (order, rules)))
    } else {
        None
    }
}

fn stages(fields: &mut Fields<'_>, flaws: &Flaws) -> Vec<StageDefinition> {
    let pointer = fields.pointer("stages");
    let here = fields.has("stages");
    let items = fields.required_items("stages");
    within(flaws, &pointer, "stages", items.len(), STAGES_MAX);
    if here && items.is_empty() {
        flaws.at(pointer, "expected at least one stage, found none");
    }
    let mut stages: Vec<StageDefinition> = Vec::new();
    for (at, item) in items {
        let Some(mut stage) = Fields::of(item, at, flaws) else { continue };
        let pointer = stage.pointer("id");
        let id = stage.text("id");
        let fail_mode = stage.optional_word("fail_mode", &FAIL_MODES).unwrap_or(FailMode::FailClosed);
        let enabled = stage.optional_bool("enabled").unwrap_or(true);
        stage.finish();
        let Some(id) = id else { continue };
        if !is_word(&id) || id == ORCHESTRATOR {
            let found = quoted(&id);
            flaws.at(
                &pointer,
                format!("expected a stage id of the form [a-z][a-z0-9_]*, not `orchestrator`, found `{found}`"),
            );
        }
        if stages.iter().any(|earlier| earlier.id == id) {
            flaws.at(pointer, format!("stage `{id}` is there twice"));
        }
        stages.push(StageDefinition { id, fail_mode, enabled });
    }
    stages
}

fn reason_codes(
    fields: &mut Fields<'_>,
    flaws: &Flaws,
    known: &dyn Fn(&str) -> bool,
    origin: Origin,
    catalogue: &mut Catalogue,
) {
    let cross_cutting = match origin {
        Origin::BuiltIn => BTreeMap::new(),
        Origin::Brought => purple_axiom().catalogue().rows.get(ANY_STAGE).cloned().unwrap_or_default(),
    };
    let items = fields.items("reason_codes");
    within(flaws, &fields.pointer("reason_codes"), "reason codes", items.len(), REASON_CODES_MAX);
    let mut given = BTreeSet::new();
    for (at, item) in items {
        let Some((stage, code, row)) = reason_code(item, &at, flaws, known) else { continue };
        let twice = !given.insert((stage.clone(), code.clone()));
        // A definition that is read again already has the cross-cutting rows. They must be the same.
        let other = stage == ANY_STAGE
            && cross_cutting
                .get(&code)
                .is_some_and(|ours| (ours.severity, ours.fail_mode) != (row.severity, row.fail_mode));
        if twice || other {
            flaws.at(at, format!("code `{code}` of `{stage}` is there twice, or is a cross-cutting one"));
        }
        catalogue.rows.entry(stage).or_default().insert(code, row);
    }
    for (code, row) in cross_cutting {
        catalogue.rows.entry(ANY_STAGE.to_owned()).or_default().entry(code).or_insert(row);
    }
}

fn reason_code(
    item: Value,
    at: &str,
    flaws: &Flaws,
    known: &dyn Fn(&str) -> bool,
) -> Option<(String, String, ReasonCode)> {
    let mut given = Fields::of(item, at, flaws)?;
    let stage = given.text("stage");
    let code = given.text("code");
    let severity = given.word("severity", &Severity::WORDS);
    let fail_mode = given.optional_word("fail_mode", &FAIL_MODES_OR_CONFIGURED);
    let must = given.optional_word("must", &Must::WORDS);
    given.finish();
    let (stage, code, severity) = (stage?, code?, severity?);
    if stage != ANY_STAGE && !known(&stage) {
        let found = quoted(&stage);
        flaws.at(
            format!("{at}/stage"),
            format!("expected `*`, a stage of this pipeline or a substage of one, found `{found}`"),
        );
    }
    if !is_word(&code) {
        flaws.at(
            format!("{at}/code"),
            format!("expected a code of the form [a-z][a-z0-9_]*, found `{}`", quoted(&code)),
        );
    }
    if must.is_some() && severity == Severity::Skipped {
        flaws.at(format!("{at}/must"), format!("expected none: `{}` is not a code of failures", quoted(&code)));
    }
    let fail_mode = fail_mode.unwrap_or_else(|| severity.usual_fail_mode());
    Some((stage, code, ReasonCode { severity, fail_mode, must }))
}

fn closed_substages(fields: &mut Fields<'_>, flaws: &Flaws, known: &dyn Fn(&str) -> bool, catalogue: &mut Catalogue) {
    for (at, item) in fields.items("closed_substages") {
        let Some(pattern) = text(item, &at, flaws) else { continue };
        let stage = pattern.strip_suffix(".*");
        if !stage.map_or(is_substage(&pattern) && known(&pattern), known) {
            let found = quoted(&pattern);
            flaws.at(&at, format!("expected a substage of this pipeline, or `<stage>.*`, found `{found}`"));
        }
        if !catalogue.closed.insert(pattern.clone()) {
            flaws.at(at, format!("`{pattern}` is there twice"));
        }
    }
}

fn substages(
    fields: &mut Fields<'_>,
    flaws: &Flaws,
    known: &dyn Fn(&str) -> bool,
    catalogue: &Catalogue,
) -> BTreeMap<String, SubstageDefinition> {
    let mut substages = BTreeMap::new();
    let items = fields.items("substages");
    within(flaws, &fields.pointer("substages"), "substages", items.len(), SUBSTAGES_MAX);
    for (at, item) in items {
        let Some(mut given) = Fields::of(item, at.clone(), flaws) else { continue };
        let stage = given.text("stage");
        let mode = given.optional_word("success_fail_mode", &FAIL_MODES_OR_CONFIGURED).unwrap_or(None);
        let coupling = given.optional_word("parent", &Coupling::WORDS);
        let parent_code = given.optional_text("parent_code");
        given.finish();
        let Some(stage) = stage else { continue };
        if !is_substage(&stage) || !known(&stage) {
            let message = format!("expected a substage of this pipeline, found `{}`", quoted(&stage));
            flaws.at(format!("{at}/stage"), message);
        }
        if let Some(code) = parent_code.as_deref().filter(|code| !catalogue.allows(root_of(&stage), code)) {
            let message = format!("expected a code of `{}`, found `{}`", quoted(root_of(&stage)), quoted(code));
            flaws.at(format!("{at}/parent_code"), message);
        }
        let known = SubstageDefinition { success_fail_mode: mode, coupling, parent_code };
        if substages.insert(stage.clone(), known).is_some() {
            flaws.at(at, format!("substage `{stage}` is there twice"));
        }
    }
    substages
}

fn order(fields: &mut Fields<'_>, flaws: &Flaws, known: &dyn Fn(&str) -> bool) -> Vec<OrderRule> {
    let mut rules: Vec<OrderRule> = Vec::new();
    let items = fields.items("order");
    within(flaws, &fields.pointer("order"), "order rules", items.len(), ORDER_RULES_MAX);
    for (at, item) in items {
        let Some(mut given) = Fields::of(item, at.clone(), flaws) else { continue };
        let (before, after) = (given.text("before"), given.text("after"));
        given.finish();
        let (Some(before), Some(after)) = (before, after) else { continue };
        for (half, stage) in [("before", &before), ("after", &after)] {
            if !known(stage) {
                let found = quoted(stage);
                flaws.at(
                    format!("{at}/{half}"),
                    format!("expected a stage of this pipeline or a substage of one, found `{found}`"),
                );
            }
        }
        let rule = OrderRule { before, after };
        if rule.before == rule.after {
            flaws.at(format!("{at}/after"), format!("`{}` cannot come before itself", quoted(&rule.before)));
        } else if rules.contains(&rule) {
            flaws.at(at, "this order rule is there twice");
        } else if follows(&rules, &rule.after, &rule.before) {
            let (before, after) = (quoted(&rule.before), quoted(&rule.after));
            flaws.at(at, format!("`{after}` comes before `{before}` already, by the rules above"));
        } else {
            rules.push(rule);
        }
    }
    rules
}

/// Whether some chain of rules puts `first` before `last`. The rules so far have no cycle.
fn follows(rules: &[OrderRule], first: &str, last: &str) -> bool {
    let (mut open, mut seen) = (vec![first], BTreeSet::new());
    while let Some(stage) = open.pop() {
        if stage == last {
            return true;
        }
        if seen.insert(stage) {
            open.extend(rules.iter().filter(|rule| rule.before == stage).map(|rule| rule.after.as_str()));
        }
    }
    false
}
