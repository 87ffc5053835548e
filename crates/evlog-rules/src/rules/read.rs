//! Reads a file of rules, in TOML. The result is all rules, or a list of everything that is wrong.

use super::contradiction;
use super::template::{Parameters, TEMPLATES, Template};
use super::{Events, Per, Places, Rule};
use crate::condition::Condition;
use crate::field::Field;
use crate::fields::{self, Fields, Flaws, text};
use crate::kinds::Kinds;
use crate::located::{Finding, Half, Located};
use crate::severity::Severity;
use evlog_projection::time::from_span;
use serde_json::Value;
use std::collections::BTreeMap;

/// The most rules of a file.
const RULES_MAX: usize = 1000;

/// The most conditions on the events of a rule, and the most regular expressions of a file. A small expression can need 1 MiB.
const CONDITIONS_MAX: usize = 100;
const PATTERNS_MAX: usize = 100;

/// The most kinds of the events of a rule.
const KINDS_MAX: usize = 100;

/// The place where rules are written.
#[derive(Clone, Copy)]
enum Home<'h> {
    /// A file of rules, in which these names are reserved.
    File(&'h [&'h str]),
    /// A contract file, of this contract.
    Contract(&'h str),
}

/// Reads rules from the text of a file that has `[[rule]]` tables and nothing else. The error lists everything that is wrong,
/// in the order of the file. `reserved` are names that no rule may have.
pub fn read(text: &str, reserved: &[&str]) -> Result<Vec<Rule>, Vec<Finding>> {
    let located = Located::parse(text)?;
    let flaws = Flaws::default();
    let read = Fields::of(located.value.clone(), "", &flaws).map(|fields| whole(fields, Home::File(reserved), &flaws));
    let mut rules = read.unwrap_or_default();
    // If a rule is left out, there are findings, and no rule counts.
    for (nth, rule) in rules.iter_mut().enumerate() {
        let place = |member: &str| {
            let place = located.finding(&format!("/rule/{nth}/{member}"), Half::Value, "");
            Some((place.line, place.column))
        };
        rule.places = Places { name: place("name"), contract: rule.contract.as_ref().and_then(|_| place("contract")) };
    }
    let mut findings: Vec<Finding> =
        flaws.into_vec().into_iter().map(|flaw| located.finding(&flaw.pointer, flaw.half, flaw.message)).collect();
    findings.sort();
    if findings.is_empty() { Ok(rules) } else { Err(findings) }
}

/// Reads the rules of a contract file, or of a definition that a run holds: the member `rule`, which need not be there.
/// `contract` is the contract by which the runs are judged.
pub fn of_contract(fields: &mut Fields<'_>, contract: &str, flaws: &Flaws) -> Vec<Rule> {
    let given = fields.items("rule");
    all(given, Home::Contract(contract), &fields.pointer("rule"), flaws)
}

fn whole(mut fields: Fields<'_>, home: Home<'_>, flaws: &Flaws) -> Vec<Rule> {
    let at = fields.pointer("rule");
    let is_there = fields.has("rule");
    let given = fields.required_items("rule");
    if is_there && given.is_empty() {
        flaws.at(&at, "expected at least one table [[rule]], found none");
    }
    fields.finish();
    all(given, home, &at, flaws)
}

fn all(given: Vec<(String, Value)>, home: Home<'_>, at: &str, flaws: &Flaws) -> Vec<Rule> {
    if given.len() > RULES_MAX {
        flaws.at(at, format!("expected at most {RULES_MAX} tables [[rule]], found {}", given.len()));
        return Vec::new();
    }
    let patterns: usize = given.iter().map(|(_, rule)| patterns(rule)).sum();
    if patterns > PATTERNS_MAX {
        flaws.at(
            at,
            format!("expected at most {PATTERNS_MAX} patterns and conditions with `~` in a file, found {patterns}"),
        );
        return Vec::new();
    }
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut rules = Vec::new();
    for (at, value) in given {
        let Some(rule) = one(value, &at, home, flaws) else { continue };
        if let Some(first) = names.insert(rule.name.clone(), at.clone()) {
            flaws.at(
                format!("{at}/name"),
                format!("`{}` is the name of {} already", rule.name, first.trim_start_matches('/')),
            );
        }
        contradiction::check(&rules, &rule, &at, flaws);
        rules.push(rule);
    }
    rules
}

fn one(given: Value, at: &str, home: Home<'_>, flaws: &Flaws) -> Option<Rule> {
    let mut fields = Fields::of(given.clone(), at, flaws)?;
    let name = fields::name(&mut fields, flaws, if let Home::File(reserved) = home { reserved } else { &[] });
    let about = fields::about(&mut fields, flaws);
    let templates: Vec<(&'static str, &'static Template)> =
        TEMPLATES.iter().map(|template| (template.name, template)).collect();
    let template = fields.word("template", &templates);
    // If the template is misspelled, the members show what was meant.
    let has_pair = fields.has("first") || fields.has("then");
    let is_pair = template.map_or(has_pair, |template| template.parameters == Parameters::Ab);
    let (a, b) = if is_pair {
        (events(&mut fields, "first", flaws), events(&mut fields, "then", flaws))
    } else {
        (selected(&mut fields, at, flaws), None)
    };
    let count = count(&mut fields, flaws);
    let per = fields.optional_text("per").map(|text| (text, fields.pointer("per")));
    let per = per.and_then(|(text, at)| if text == "run" { None } else { field(&text, &at, flaws) });
    let contract = fields.optional_text("contract");
    let same = fields_of(&mut fields, "same", flaws);
    let mut different = fields_of(&mut fields, "different", flaws);
    let within_at = fields.pointer("within");
    let within_ns = fields
        .optional_text("within")
        .and_then(|text| from_span(&text).map_err(|message| flaws.at(&within_at, message)).ok());
    let occurred = fields.optional_word("time", &[("recorded", false), ("occurred", true)]).unwrap_or(false);
    let severity = fields
        .optional_word("severity", &Severity::ALL.map(|severity| (severity.word(), severity)))
        .unwrap_or(Severity::Error);
    let enforced = at_home(&mut fields, home, flaws);
    fields.finish();
    if different.len() > 1 {
        flaws.at(format!("{at}/different"), "expected one field; write a rule for each other one");
    }
    let rule = Rule {
        name: name?,
        template: template?,
        a: a?,
        b,
        count: count.unwrap_or(1),
        per: per.map_or(Per::Run, Per::Value),
        contract,
        places: Places::default(),
        same,
        different: different.pop(),
        within_ns,
        occurred,
        severity,
        about,
        enforced,
        given: Value::Null,
    };
    fit(&rule, count.is_some(), at, flaws);
    if let Home::Contract(contract) = home {
        fit_contract(&rule, contract, at, flaws);
    }
    Some(Rule { given: with_defaults(given, &rule), ..rule })
}

/// Reads the members that depend on where a rule is written. Returns whether the rule is enforced.
fn at_home(fields: &mut Fields<'_>, home: Home<'_>, flaws: &Flaws) -> bool {
    let is_given = fields.has("enforce");
    let enforced = fields.optional_bool("enforce").unwrap_or(false);
    match home {
        Home::File(_) if is_given => {
            flaws.at_key(
                fields.pointer("enforce"),
                "a file of rules refuses no command; write the rule in a contract file",
            );
            false
        }
        Home::File(_) => false,
        Home::Contract(_) => enforced,
    }
}

/// Checks that a rule of a contract file applies to events that runs of the contract can have.
fn fit_contract(rule: &Rule, contract: &str, at: &str, flaws: &Flaws) {
    if rule.contract.is_some() {
        flaws.at_key(format!("{at}/contract"), "a rule of a contract file is about the runs of this contract");
    }
    if rule.per != Per::Run {
        flaws.at_key(format!("{at}/per"), "a rule of a contract file is about single runs");
    }
    for events in rule.events().filter(|events| !events.can_be_of(contract)) {
        flaws.at(
            at,
            format!(
                "expected kinds of contract `{contract}`, such as `{contract}.created`, found {}",
                events.kinds_text
            ),
        );
    }
    let is_late = rule.template.constraints.iter().any(|constraint| !constraint.is_broken_at_once());
    if rule.enforced && is_late {
        let can_be: Vec<&str> = TEMPLATES
            .iter()
            .filter(|template| template.constraints.iter().all(|constraint| constraint.is_broken_at_once()))
            .map(|template| template.name)
            .collect();
        let name = rule.template.name;
        flaws.at_key(
            format!("{at}/enforce"),
            format!(
                "`{name}` is about what must still come, so it can refuse no command; these templates can: {}",
                can_be.join(", ")
            ),
        );
    }
}

/// The table of a rule with every default written out.
fn with_defaults(given: Value, rule: &Rule) -> Value {
    let Value::Object(mut members) = given else { return given };
    members.insert("severity".to_owned(), rule.severity.word().into());
    members.insert("enforce".to_owned(), rule.enforced.into());
    if rule.template.parameters == Parameters::ACount {
        members.insert("count".to_owned(), rule.count.into());
    }
    if rule.within_ns.is_some() {
        members.insert("time".to_owned(), if rule.occurred { "occurred" } else { "recorded" }.into());
    }
    Value::Object(members)
}

/// Checks that the rule has the parameters that its template takes, and no others.
fn fit(rule: &Rule, has_count: bool, at: &str, flaws: &Flaws) {
    let Template { name, parameters, .. } = rule.template;
    let is_pair = *parameters == Parameters::Ab;
    if has_count && *parameters != Parameters::ACount {
        flaws.at_key(format!("{at}/count"), format!("`{name}` has no `count`"));
    }
    let named =
        rule.same.iter().map(|field| ("same", field)).chain(rule.different.iter().map(|field| ("different", field)));
    let per = if let Per::Value(field) = &rule.per { Some(("per", field)) } else { None };
    for (member, field) in named.chain(per) {
        for events in rule.events() {
            check_field(field, events, format!("{at}/{member}"), flaws);
        }
    }
    if rule.per == Per::Run && rule.events().any(Events::is_of_log) {
        flaws.at(at, "expected kinds of events of runs: no run has events `log.*`, which `per` can join by a field");
    }
    if rule.occurred && rule.within_ns.is_none() {
        flaws.at_key(format!("{at}/time"), "`time` says how `within` is measured, and there is no `within`");
    }
    let pairs = [
        ("same", !rule.same.is_empty()),
        ("different", rule.different.is_some()),
        ("within", rule.within_ns.is_some()),
    ];
    for (member, _) in pairs.iter().filter(|(_, is_given)| *is_given && !is_pair) {
        flaws.at_key(format!("{at}/{member}"), format!("`{member}` compares two events, and `{name}` is about one"));
    }
    if let Some(field) = rule.different.as_ref().filter(|field| rule.same.contains(field)) {
        flaws.at(format!("{at}/different"), format!("`{}` cannot be both the same and different", field.text()));
    }
}

fn count(fields: &mut Fields<'_>, flaws: &Flaws) -> Option<u64> {
    let value = fields.take("count")?;
    let count = value.as_u64().filter(|count| *count > 0);
    if count.is_none() {
        flaws.at(fields.pointer("count"), format!("expected a whole number from 1 to {}, found {value}", u64::MAX));
    }
    count
}

/// A parameter of a template: the name of a kind, or `{ kind = …, where = […] }`.
fn events(fields: &mut Fields<'_>, name: &str, flaws: &Flaws) -> Option<Events> {
    let at = fields.pointer(name);
    match fields.take(name) {
        None => {
            let parent = at.rsplit_once('/').map_or("", |(parent, _)| parent);
            flaws.at(parent, format!("expected the member `{name}`, found none"));
            None
        }
        Some(kind @ (Value::String(_) | Value::Array(_))) => Some(Events::new(kinds(kind, &at, flaws)?, Vec::new())),
        Some(value) => {
            let mut given = Fields::of(value, at.clone(), flaws)?;
            let made = selected(&mut given, &at, flaws);
            given.finish();
            made
        }
    }
}

/// Adds a flaw if no event of these kinds can have a field.
fn check_field(field: &Field, events: &Events, at: String, flaws: &Flaws) {
    if !events.can_have(field) {
        flaws.at(at, format!("expected a field of {}, found `{}`", events.kinds_text, field.text()));
    }
}

/// The members `kind` and `where`, at least one of which must be there. Without a kind, events of every kind are selected.
fn selected(fields: &mut Fields<'_>, at: &str, flaws: &Flaws) -> Option<Events> {
    if !fields.has("kind") && !fields.has("where") {
        flaws.at(at, "expected the member `kind`, or `where`, found neither");
    }
    let kind = fields.take("kind").unwrap_or_else(|| Value::from("*"));
    let kinds = kinds(kind, &fields.pointer("kind"), flaws);
    let mut conditions = Vec::new();
    let given = fields.items("where");
    fields::within(flaws, &fields.pointer("where"), "conditions", given.len(), CONDITIONS_MAX);
    for (at, value) in given.into_iter().take(CONDITIONS_MAX) {
        let Some(written) = text(value, &at, flaws) else { continue };
        match Condition::parse(&written) {
            Ok(condition) => conditions.push((at, written, condition)),
            Err(message) => flaws.at(at, message),
        }
    }
    let places: Vec<String> = conditions.iter().map(|(at, ..)| at.clone()).collect();
    let written = conditions.into_iter().map(|(_, written, condition)| (written, condition)).collect();
    let events = Events::new(kinds?, written);
    for (condition, at) in events.conditions.iter().zip(places) {
        check_field(condition.field(), &events, at, flaws);
    }
    Some(events)
}

impl Events {
    /// Kinds and conditions, each with its text.
    fn new(kinds: Vec<(String, Kinds)>, conditions: Vec<(String, Condition)>) -> Events {
        let (names, kinds): (Vec<String>, Vec<Kinds>) = kinds.into_iter().unzip();
        let (written, conditions): (Vec<String>, Vec<Condition>) = conditions.into_iter().unzip();
        let kinds_text = names.join(" or ");
        let text = [vec![kinds_text.clone()], written].concat().join(", ");
        Events { text, kinds_text, kinds, conditions }
    }
}

fn kinds(value: Value, at: &str, flaws: &Flaws) -> Option<Vec<(String, Kinds)>> {
    let names = match value {
        Value::Array(_) => fields::items(value, at, flaws),
        one => vec![(at.to_owned(), one)],
    };
    let mut kinds = Vec::new();
    if names.is_empty() {
        flaws.at(at, "expected a kind, found an empty list");
    }
    fields::within(flaws, at, "kinds", names.len(), KINDS_MAX);
    for (at, value) in names.into_iter().take(KINDS_MAX) {
        let written = text(value, &at, flaws)?;
        match Kinds::parse(&written) {
            Ok(made) => kinds.push((written, made)),
            Err(message) => flaws.at(at, message),
        }
    }
    Some(kinds)
}

/// How many texts of a rule could be compiled as regular expressions: patterns of kinds, and conditions with `~`. They are
/// counted before any is compiled.
fn patterns(value: &Value) -> usize {
    match value {
        Value::String(text) => usize::from(text.contains(['~', '*', '?', '['])),
        Value::Array(items) => items.iter().map(patterns).sum(),
        Value::Object(members) => {
            let named = ["kind", "where", "first", "then"].iter().filter_map(|name| members.get(*name));
            named.map(patterns).sum()
        }
        _ => 0,
    }
}

/// One field, or a list of fields.
fn fields_of(fields: &mut Fields<'_>, name: &str, flaws: &Flaws) -> Vec<Field> {
    let at = fields.pointer(name);
    let is_given = fields.has(name);
    let given = match fields.take(name) {
        None => Vec::new(),
        Some(list @ Value::Array(_)) => fields::items(list, &at, flaws),
        Some(one) => vec![(at.clone(), one)],
    };
    if is_given && given.is_empty() {
        flaws.at(&at, "expected a field, found an empty list");
    }
    let read = |(at, value): (String, Value)| text(value, &at, flaws).and_then(|text| field(&text, &at, flaws));
    given.into_iter().filter_map(read).collect()
}

fn field(text: &str, at: &str, flaws: &Flaws) -> Option<Field> {
    Field::parse(text).map_err(|message| flaws.at(at, message)).ok()
}
