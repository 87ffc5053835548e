//! Checks that the parts of a lifecycle fit together: each status can be reached, and each status that is not terminal can be
//! left.
//!
//! Does: find statuses and rules that no run can use, and rules that change nothing. Does not: prove that a run ends.
//!
//! Invariant: every status of a definition without flaws can be entered by some run.

use super::definition::{OrderRule, Parts, StatusId, Undefined};
use crate::fields::Flaws;
use crate::members::{pointer, quoted};
use std::collections::BTreeSet;

pub(super) fn check(parts: &Parts, at: &str, flaws: &Flaws) {
    let place = |member: &str| pointer(at, member);
    ends(parts, &place, flaws);
    forced(parts, &place("undefined"), flaws);
    if parts.statuses[parts.initial.0].terminal {
        // A terminal initial status makes all others unreachable. Report this one mistake only.
        return;
    }
    reachable(parts, &place, flaws);
    for (index, rule) in parts.order.iter().enumerate() {
        order(parts, index, *rule, &pointer(&place("order"), index.to_string()), flaws);
    }
}

fn name(parts: &Parts, id: StatusId) -> &str {
    &parts.statuses[id.0].name
}

/// Checks that terminal statuses have no way out and that all others have one.
fn ends(parts: &Parts, place: &dyn Fn(&str) -> String, flaws: &Flaws) {
    if parts.statuses[parts.initial.0].terminal {
        let message = format!("`{}` is the first status of a run; it cannot be terminal", name(parts, parts.initial));
        flaws.at(place("terminal"), message);
    }
    for (index, status) in parts.statuses.iter().enumerate() {
        let name = &status.name;
        if status.terminal && !status.to.is_empty() {
            let message = format!("`{}` is terminal; it cannot have ways out", quoted(name));
            flaws.at_key(pointer(&place("transitions"), name), message);
        }
        if !status.terminal && status.to.is_empty() {
            let message =
                format!("`{}` is not terminal and has no way out; list it in `terminal` or give it one", quoted(name));
            flaws.at(pointer(&place("statuses"), index.to_string()), message);
        }
    }
}

/// The statuses that a run can reach from `from` without entering `but`.
fn after(parts: &Parts, from: StatusId, but: Option<StatusId>) -> BTreeSet<StatusId> {
    let forced = match parts.undefined {
        Undefined::Force { to, .. } => Some(to),
        Undefined::Reject => None,
    };
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        let status = &parts.statuses[id.0];
        let ways = status.to.iter().copied().chain(forced.filter(|_| !status.terminal));
        for way in ways.filter(|way| Some(*way) != but) {
            if seen.insert(way) {
                open.push(way);
            }
        }
    }
    seen
}

fn reachable(parts: &Parts, place: &dyn Fn(&str) -> String, flaws: &Flaws) {
    let reached = after(parts, parts.initial, None);
    for (index, status) in parts.statuses.iter().enumerate() {
        let id = StatusId(index);
        if id != parts.initial && !reached.contains(&id) {
            let (from, name) = (name(parts, parts.initial), quoted(&status.name));
            let message = format!("`{name}` is unreachable: no transitions lead from `{from}` to it");
            flaws.at(pointer(&place("statuses"), index.to_string()), message);
        }
    }
}

/// Checks that every run can enter the forced status, because an undefined transition can force a run at any time.
fn forced(parts: &Parts, at: &str, flaws: &Flaws) {
    let Undefined::Force { to, reason_code } = &parts.undefined else { return };
    let status = &parts.statuses[to.0];
    let name = quoted(&status.name);
    match reason_code {
        Some(code) if !status.reason_codes.contains_key(code) && !parts.reason_codes.contains_key(code) => {
            let message = format!("`{}` is not a reason code of `{name}`", quoted(code));
            flaws.at(pointer(at, "reason_code"), message);
        }
        None if !status.reason_codes.is_empty() => {
            flaws.at(at, format!("`{name}` has reason codes: expected one of them as `reason_code`, found none"));
        }
        _ => {}
    }
    if let Some(rule) = parts.order.iter().find(|rule| rule.after == *to) {
        let before = quoted(&parts.statuses[rule.before.0].name);
        flaws.at(pointer(at, "force"), format!("`{name}` comes after `{before}`, so runs cannot be forced to it"));
    }
}

/// Finds an order rule that every run satisfies, or that no run can satisfy. Both are mistakes.
fn order(parts: &Parts, index: usize, rule: OrderRule, at: &str, flaws: &Flaws) {
    let OrderRule { before, after: later } = rule;
    let (first, last) = (quoted(name(parts, before)), quoted(name(parts, later)));
    let message = if before == later {
        format!("`{first}` cannot come before itself")
    } else if parts.order[..index].contains(&rule) {
        "this order rule is there twice".to_owned()
    } else if before == parts.initial {
        format!("`{first}` is the first status of every run; the rule says nothing")
    } else if later == parts.initial {
        format!("`{last}` is the first status of every run; nothing comes before it")
    } else if !after(parts, parts.initial, Some(later)).contains(&before) {
        format!("no run enters `{first}` before `{last}`, so none could ever enter `{last}`")
    } else if !after(parts, before, None).contains(&later) {
        format!("no run enters `{last}` after `{first}`, so none could ever enter `{last}`")
    } else if circle(parts, index) {
        format!("by the rules above `{last}` comes before `{first}`")
    } else {
        return;
    };
    flaws.at(at, message);
}

/// Whether the earlier rules demand the opposite order.
fn circle(parts: &Parts, index: usize) -> bool {
    let OrderRule { before, after } = parts.order[index];
    let (mut open, mut seen) = (vec![after], BTreeSet::new());
    while let Some(id) = open.pop() {
        if id == before {
            return true;
        }
        if seen.insert(id) {
            open.extend(parts.order[..index].iter().filter(|rule| rule.before == id).map(|rule| rule.after));
        }
    }
    false
}
