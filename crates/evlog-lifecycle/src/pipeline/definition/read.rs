//! Reads a definition that a plan brings, as JSON.
//!
//! Does not: fill in anything but the defaults of absent members and the cross-cutting codes.
//!
//! Invariant: what it accepts, written as canonical text, reads again as the same definition.

use super::{
    ANY_STAGE, Catalogue, Coupling, Definition, NAMES, ORCHESTRATOR, ReasonCode, Severity, StageDefinition,
    SubstageDefinition, is_stage_name, is_substage, is_word, purple_axiom, root_of,
};
use crate::members::{malformed, quoted};
use crate::pipeline::outcome::FailMode;
use crate::pipeline::reader::{Members, string_item};
use evlog_projection::Malformed;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) const FAIL_MODES: [(&str, FailMode); 2] =
    [("fail_closed", FailMode::FailClosed), ("warn_and_skip", FailMode::WarnAndSkip)];
const FAIL_MODES_OR_CONFIGURED: [(&str, Option<FailMode>); 3] =
    [("fail_closed", Some(FailMode::FailClosed)), ("warn_and_skip", Some(FailMode::WarnAndSkip)), ("configured", None)];

pub(super) fn definition(value: Value, pointer: &str) -> Result<Definition, Malformed> {
    let mut members = Members::of(value, pointer)?;
    let name = name(&mut members)?;
    let stages = stages(&mut members)?;
    let known = |stage: &str| is_stage_name(stage) && stages.iter().any(|known| known.id == root_of(stage));
    let mut catalogue = Catalogue::default();
    reason_codes(&mut members, &known, &mut catalogue)?;
    closed_substages(&mut members, &known, &mut catalogue)?;
    let substages = substages(&mut members, &known, &catalogue)?;
    members.finish()?;
    Ok(Definition::new(name, stages, substages, catalogue))
}

fn name(members: &mut Members) -> Result<String, Malformed> {
    let pointer = members.pointer("name");
    let name = members.string("name")?;
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    if !plain {
        return Err(malformed(
            pointer,
            format!("expected a name of the form [a-z][a-z0-9_-]*, found `{}`", quoted(&name)),
        ));
    }
    if NAMES.contains(&name.as_str()) {
        return Err(malformed(pointer, format!("`{name}` is the name of a built-in pipeline; choose another")));
    }
    Ok(name)
}

fn stages(members: &mut Members) -> Result<Vec<StageDefinition>, Malformed> {
    let pointer = members.pointer("stages");
    let mut stages: Vec<StageDefinition> = Vec::new();
    for (at, item) in members.required_items("stages")? {
        let mut stage = Members::of(item, at)?;
        let pointer = stage.pointer("id");
        let id = stage.string("id")?;
        if !is_word(&id) || id == ORCHESTRATOR {
            let message =
                format!("expected a stage id of the form [a-z][a-z0-9_]*, not `orchestrator`, found `{}`", quoted(&id));
            return Err(malformed(pointer, message));
        }
        if stages.iter().any(|earlier| earlier.id == id) {
            return Err(malformed(pointer, format!("stage `{id}` is there twice")));
        }
        let fail_mode = stage.optional_word("fail_mode", &FAIL_MODES)?.unwrap_or(FailMode::FailClosed);
        let enabled = stage.optional_bool("enabled")?.unwrap_or(true);
        stage.finish()?;
        stages.push(StageDefinition { id, fail_mode, enabled });
    }
    if stages.is_empty() {
        return Err(malformed(pointer, "expected at least one stage, found none"));
    }
    Ok(stages)
}

fn reason_codes(
    members: &mut Members,
    known: &dyn Fn(&str) -> bool,
    catalogue: &mut Catalogue,
) -> Result<(), Malformed> {
    for (code, row) in purple_axiom().catalogue().rows.get(ANY_STAGE).into_iter().flatten() {
        catalogue.rows.entry(ANY_STAGE.to_owned()).or_default().insert(code.clone(), *row);
    }
    let cross_cutting = catalogue.rows.get(ANY_STAGE).cloned().unwrap_or_default();
    for (at, item) in members.items("reason_codes")? {
        let mut given = Members::of(item, at.clone())?;
        let stage = given.string("stage")?;
        let code = given.string("code")?;
        let severity = given.word("severity", &Severity::WORDS)?;
        let usual = severity.usual_fail_mode();
        let fail_mode = given.optional_word("fail_mode", &FAIL_MODES_OR_CONFIGURED)?.unwrap_or(usual);
        given.finish()?;
        if stage != ANY_STAGE && !known(&stage) {
            let message =
                format!("expected `*`, a stage of this pipeline or a substage of one, found `{}`", quoted(&stage));
            return Err(malformed(format!("{at}/stage"), message));
        }
        if !is_word(&code) {
            let message = format!("expected a code of the form [a-z][a-z0-9_]*, found `{}`", quoted(&code));
            return Err(malformed(format!("{at}/code"), message));
        }
        let row = ReasonCode { severity, fail_mode };
        // A definition that is read again holds the cross-cutting rows already; they must be the same.
        let again = stage == ANY_STAGE && cross_cutting.get(&code) == Some(&row);
        let earlier = catalogue.rows.entry(stage.clone()).or_default().insert(code.clone(), row);
        if earlier.is_some() && !again {
            return Err(malformed(at, format!("code `{code}` of `{stage}` is there twice, or is a cross-cutting one")));
        }
    }
    Ok(())
}

fn closed_substages(
    members: &mut Members,
    known: &dyn Fn(&str) -> bool,
    catalogue: &mut Catalogue,
) -> Result<(), Malformed> {
    for (at, item) in members.items("closed_substages")? {
        let pattern = string_item(at.clone(), item)?;
        let stage = pattern.strip_suffix(".*");
        let fits = stage.map_or(is_substage(&pattern) && known(&pattern), known);
        if !fits {
            let message = format!("expected a substage of this pipeline, or `<stage>.*`, found `{}`", quoted(&pattern));
            return Err(malformed(at, message));
        }
        if !catalogue.closed.insert(pattern.clone()) {
            return Err(malformed(at, format!("`{pattern}` is there twice")));
        }
    }
    Ok(())
}

fn substages(
    members: &mut Members,
    known: &dyn Fn(&str) -> bool,
    catalogue: &Catalogue,
) -> Result<BTreeMap<String, SubstageDefinition>, Malformed> {
    let mut substages = BTreeMap::new();
    for (at, item) in members.items("substages")? {
        let mut given = Members::of(item, at.clone())?;
        let stage = given.string("stage")?;
        let mode = given.optional_word("success_fail_mode", &FAIL_MODES_OR_CONFIGURED)?.unwrap_or(None);
        let coupling = given.optional_word("parent", &Coupling::WORDS)?;
        let parent_code = given.optional_string("parent_code")?;
        given.finish()?;
        if !is_substage(&stage) || !known(&stage) {
            let message = format!("expected a substage of this pipeline, found `{}`", quoted(&stage));
            return Err(malformed(format!("{at}/stage"), message));
        }
        if let Some(code) = parent_code.as_deref().filter(|code| !catalogue.allows(root_of(&stage), code)) {
            let message = format!("expected a code of `{}`, found `{}`", root_of(&stage), quoted(code));
            return Err(malformed(format!("{at}/parent_code"), message));
        }
        let known = SubstageDefinition { success_fail_mode: mode, coupling, parent_code };
        if substages.insert(stage.clone(), known).is_some() {
            return Err(malformed(at, format!("substage `{stage}` is there twice")));
        }
    }
    Ok(substages)
}
