//! Reads a lifecycle's definition: from a contract file, or from the JSON text that a run pinned.
//!
//! Does: read the members, and pass the parts to [`soundness`]. Does not: fill in anything except the defaults of absent
//! members.
//!
//! Invariant: the canonical text of what it accepts reads again as the same definition.

use super::definition::{ANY_STATUS, DataType, Definition, OrderRule, Parts, StatusDefinition, StatusId, Undefined};
use super::soundness;
use crate::fields::{Fields, Flaws, NAME_LEN_MAX, Origin, about, is_word, items, name, text, within, word};
use crate::members::quoted;
use serde_json::Value;
use std::collections::BTreeMap;

/// Names that users may not give to contracts of their own.
pub const RESERVED: [&str; 6] = ["custom", "machine", "pipeline", "purple-axiom", "status", "story"];

/// The most statuses of a lifecycle. Every run has its definition in its first event.
pub const STATUSES_MAX: usize = 256;
/// The most members that one status requires.
pub const REQUIRED_MAX: usize = 64;
/// The most reason codes.
pub const REASON_CODES_MAX: usize = 4096;
/// The most order rules.
pub const ORDER_RULES_MAX: usize = 256;

/// Names by index, so that their indexes can be found.
pub(super) struct Names<'a> {
    statuses: &'a mut Vec<StatusDefinition>,
    flaws: &'a Flaws,
}

impl Names<'_> {
    /// The status of this name. If there is none, adds a flaw at its place.
    fn find(&self, name: &str, at: &str) -> Option<StatusId> {
        let found = self.statuses.iter().position(|status| status.name == name).map(StatusId);
        if found.is_none() {
            self.flaws.at(at, unknown(name));
        }
        found
    }
}

fn unknown(name: &str) -> String {
    format!("expected one of the statuses, found `{}`", quoted(name))
}

/// Reads the definition. If anything is wrong with it, adds flaws and returns `None`.
pub(crate) fn read(value: Value, at: &str, origin: Origin, flaws: &Flaws) -> Option<Definition> {
    let mut fields = Fields::of(value, at, flaws)?;
    let name = name(&mut fields, flaws, if origin == Origin::BuiltIn { &[] } else { &RESERVED });
    let about = about(&mut fields, flaws);
    let mut statuses = statuses(&mut fields, flaws);
    let mut names = Names { statuses: &mut statuses, flaws };
    let initial = initial(&mut fields, &names);
    terminal(&mut fields, &mut names);
    transitions(&mut fields, &mut names);
    required(&mut fields, &mut names);
    let reason_codes = reason_codes(&mut fields, &mut names);
    let undefined = undefined(&mut fields, &names);
    let order = order(&mut fields, &names);
    let rules = evlog_rules::rules::of_contract(&mut fields, "machine", flaws);
    fields.finish();
    // The parts can be checked against each other only if all of them were read.
    let (initial, undefined) = (initial?, undefined?);
    if statuses.is_empty() {
        return None;
    }
    let parts =
        Parts { name: name.unwrap_or_default(), about, statuses, initial, undefined, reason_codes, order, rules };
    soundness::check(&parts, at, flaws);
    flaws.is_empty().then(|| Definition::new(parts))
}

fn statuses(fields: &mut Fields<'_>, flaws: &Flaws) -> Vec<StatusDefinition> {
    let pointer = fields.pointer("statuses");
    let here = fields.has("statuses");
    let given = fields.required_items("statuses");
    within(flaws, &pointer, "statuses", given.len(), STATUSES_MAX);
    if here && given.is_empty() {
        flaws.at(pointer, "expected at least one status, found none");
    }
    let mut statuses: Vec<StatusDefinition> = Vec::new();
    for (at, item) in given {
        let Some(name) = text(item, &at, flaws) else { continue };
        if !is_word(&name) || name.len() > NAME_LEN_MAX {
            let found = quoted(&name);
            flaws.at(
                &at,
                format!("expected a status of the form [a-z][a-z0-9_]*, at most {NAME_LEN_MAX} long, found `{found}`"),
            );
        }
        if statuses.iter().any(|earlier| earlier.name == name) {
            flaws.at(at, format!("status `{}` is there twice", quoted(&name)));
            continue;
        }
        let (to, required, reason_codes) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        statuses.push(StatusDefinition { name, terminal: false, to, required, reason_codes });
    }
    statuses
}

/// The status that is named as the initial one, or the first status.
fn initial(fields: &mut Fields<'_>, names: &Names<'_>) -> Option<StatusId> {
    if !fields.has("initial") {
        return Some(StatusId(0));
    }
    let at = fields.pointer("initial");
    fields.optional_text("initial").and_then(|name| names.find(&name, &at))
}

fn terminal(fields: &mut Fields<'_>, names: &mut Names<'_>) {
    for (at, item) in fields.items("terminal") {
        let Some(name) = text(item, &at, names.flaws) else { continue };
        let Some(StatusId(index)) = names.find(&name, &at) else { continue };
        if names.statuses[index].terminal {
            names.flaws.at(at, format!("status `{name}` is there twice"));
        }
        names.statuses[index].terminal = true;
    }
}

fn transitions(fields: &mut Fields<'_>, names: &mut Names<'_>) {
    for (at, from, value) in fields.members("transitions") {
        let from_id = names.statuses.iter().position(|status| status.name == from);
        if from_id.is_none() {
            names.flaws.at_key(&at, unknown(&from));
        }
        for (at, item) in items(value, &at, names.flaws) {
            let Some(to) = text(item, &at, names.flaws) else { continue };
            let Some(to_id) = names.find(&to, &at) else { continue };
            let Some(from_id) = from_id else { continue };
            if names.statuses[from_id].to.contains(&to_id) {
                names.flaws.at(at, format!("the transition from `{from}` to `{to}` is there twice"));
            } else {
                names.statuses[from_id].to.push(to_id);
            }
        }
    }
}

/// Whether the name of a member of `data` is `[A-Za-z_][A-Za-z0-9_]*`, and not too long.
fn is_member(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.len() <= NAME_LEN_MAX
}

fn required(fields: &mut Fields<'_>, names: &mut Names<'_>) {
    let flaws = names.flaws;
    for (at, status, value) in fields.members("required") {
        let index = names.statuses.iter().position(|known| known.name == status);
        if index.is_none() {
            flaws.at_key(&at, unknown(&status));
        }
        let Value::Object(members) = value else {
            flaws.at(at, "expected members and their types, such as { ticket = \"text\" }");
            continue;
        };
        within(flaws, &at, "members", members.len(), REQUIRED_MAX);
        for (member, kind) in members {
            let at = crate::members::pointer(&at, &member);
            if !is_member(&member) {
                let found = quoted(&member);
                flaws.at_key(&at, format!("expected a member of the form [A-Za-z_][A-Za-z0-9_]*, found `{found}`"));
            }
            let kind = text(kind, &at, flaws).and_then(|kind| word(&kind, &at, &DataType::WORDS, flaws));
            if let (Some(index), Some(kind)) = (index, kind) {
                names.statuses[index].required.insert(member, kind);
            }
        }
    }
}

fn reason_codes(fields: &mut Fields<'_>, names: &mut Names<'_>) -> BTreeMap<String, Option<String>> {
    let flaws = names.flaws;
    let mut of_every_status = BTreeMap::new();
    let rows = fields.items("reason_codes");
    within(flaws, &fields.pointer("reason_codes"), "reason codes", rows.len(), REASON_CODES_MAX);
    for (at, item) in rows {
        let Some(mut row) = Fields::of(item, at.clone(), flaws) else { continue };
        let (status, code, about) = (row.text("status"), row.text("code"), about(&mut row, flaws));
        row.finish();
        let (Some(status), Some(code)) = (status, code) else { continue };
        if !is_word(&code) || code.len() > NAME_LEN_MAX {
            let found = quoted(&code);
            flaws.at(
                format!("{at}/code"),
                format!("expected a code of the form [a-z][a-z0-9_]*, at most {NAME_LEN_MAX} long, found `{found}`"),
            );
        }
        let codes = if status == ANY_STATUS {
            &mut of_every_status
        } else {
            let Some(StatusId(index)) = names.find(&status, &format!("{at}/status")) else { continue };
            &mut names.statuses[index].reason_codes
        };
        if codes.insert(code.clone(), about).is_some() {
            flaws.at(at, format!("code `{}` of `{status}` is there twice", quoted(&code)));
        }
    }
    of_every_status
}

fn undefined(fields: &mut Fields<'_>, names: &Names<'_>) -> Option<Undefined> {
    let at = fields.pointer("undefined");
    match fields.take("undefined") {
        None => Some(Undefined::Reject),
        Some(Value::String(text)) if text == "reject" => Some(Undefined::Reject),
        Some(value @ Value::Object(_)) => {
            let mut force = Fields::of(value, at.clone(), names.flaws)?;
            let (to, reason_code) = (force.text("force"), force.optional_text("reason_code"));
            force.finish();
            let to = names.find(&to?, &format!("{at}/force"))?;
            Some(Undefined::Force { to, reason_code })
        }
        Some(_) => {
            names.flaws.at(at, "expected \"reject\" or { force = \"<status>\" }");
            None
        }
    }
}

fn order(fields: &mut Fields<'_>, names: &Names<'_>) -> Vec<OrderRule> {
    let mut rules = Vec::new();
    let given = fields.items("order");
    within(names.flaws, &fields.pointer("order"), "order rules", given.len(), ORDER_RULES_MAX);
    for (at, item) in given {
        let Some(mut rule) = Fields::of(item, at.clone(), names.flaws) else { continue };
        let (before, after) = (rule.text("before"), rule.text("after"));
        rule.finish();
        let find = |name: Option<String>, half: &str| names.find(&name?, &format!("{at}/{half}"));
        let (before, after) = (find(before, "before"), find(after, "after"));
        let (Some(before), Some(after)) = (before, after) else { continue };
        rules.push(OrderRule { before, after });
    }
    rules
}
