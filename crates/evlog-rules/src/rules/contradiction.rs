//! Finds rules that contradict each other, when they are read: one requires what another forbids.

use super::{Per, Rule};
use crate::fields::Flaws;

/// Templates that require a `then` after or beside a `first`, or a `first` before a `then`.
const PAIRED: [&str; 11] = [
    "response",
    "alternate_response",
    "chain_response",
    "precedence",
    "alternate_precedence",
    "chain_precedence",
    "succession",
    "alternate_succession",
    "chain_succession",
    "responded_existence",
    "co_existence",
];
/// Whether, for the same events, one of two templates requires a pair that the other forbids.
fn is_opposed(asks: &str, forbids: &str) -> bool {
    let is_beside = matches!(asks, "responded_existence" | "co_existence");
    match forbids {
        // "Beside" means before or after, and before is allowed.
        "not_succession" => PAIRED.contains(&asks) && !is_beside,
        "not_co_existence" => PAIRED.contains(&asks),
        "not_chain_succession" => asks.starts_with("chain_"),
        "exclusive_choice" => asks == "co_existence",
        _ => false,
    }
}

/// Adds a flaw if a rule contradicts an earlier one. The first contradiction is enough: a file of rules that all contradict each other
/// has hundreds of thousands.
pub(super) fn check(before: &[Rule], rule: &Rule, at: &str, flaws: &Flaws) {
    let why = |other: &Rule| between(other, rule).or_else(|| between(rule, other));
    let mut others = before.iter().filter(|other| is_about_the_same(other, rule));
    if let Some((other, why)) = others.find_map(|other| Some((other, why(other)?))) {
        flaws.at(at, format!("contradicts the rule `{}`: {why}", other.name));
    }
}

/// Whether two rules apply to the same cases, without a condition that could separate them.
fn is_about_the_same(left: &Rule, right: &Rule) -> bool {
    let is_free = |rule: &Rule| rule.same.is_empty() && rule.different.is_none() && rule.within_ns.is_none();
    let is_same_case = left.per == right.per
        && (left.contract == right.contract || left.contract.is_none() || right.contract.is_none());
    is_same_case && is_free(left) && is_free(right)
}

/// Why two rules cannot both hold.
fn between(left: &Rule, right: &Rule) -> Option<String> {
    let names = (left.template.name, right.template.name);
    let is_same_a = left.a.text == right.a.text;
    let least = |rule: &Rule| match rule.template.name {
        "existence" | "exactly" => Some(rule.count),
        "init" | "end" if matches!(rule.per, Per::Run) => Some(1),
        _ => None,
    };
    let most = |rule: &Rule| match rule.template.name {
        "exactly" => Some(rule.count),
        "absence" => Some(rule.count - 1),
        _ => None,
    };
    if let (true, Some(least), Some(most)) = (is_same_a, least(left), most(right))
        && least > most
    {
        return Some(format!(
            "it asks for at least {least} events, and this for at most {most} of the same ({})",
            left.a.text
        ));
    }
    let is_only_kind =
        |rule: &Rule| rule.a.conditions.is_empty() && rule.a.kinds.iter().all(|kinds| kinds.plain().is_some());
    if (names == ("init", "init") || names == ("end", "end")) && !is_same_a && is_only_kind(left) && is_only_kind(right)
    {
        let has_common = left.a.kinds.iter().any(|one| right.a.kinds.iter().any(|other| one.plain() == other.plain()));
        return (!has_common).then(|| format!("one event cannot be both {} and {}", left.a.text, right.a.text));
    }
    let is_same_b = left.b.as_ref().map(|b| &b.text) == right.b.as_ref().map(|b| &b.text);
    let then = left.b.as_ref().map_or("", |b| b.text.as_str());
    let is_opposed = is_same_a && is_same_b && is_opposed(names.0, names.1);
    is_opposed.then(|| format!("`{}` asks for {} and {then} together, `{}` forbids it", names.0, left.a.text, names.1))
}
