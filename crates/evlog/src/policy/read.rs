//! Reads the text of a policy: TOML, of which every member is optional and none is unknown.

use super::order::{OrderRule, Template};
use super::{ITEMS_MAX, POLICY_LEN_MAX, Policy, SECOND_NS};
use crate::error::PolicyError;
use evlog_format::kind::{BUILT_IN, CUSTOM_PREFIX};
use evlog_format::limits::KIND_NAME_LEN_MAX;
use evlog_format::{Durability, Kind, KindBuf};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;

/// Units of distances in time, and their seconds, the shortest first.
pub(super) const UNITS: [(&str, i64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
/// What stands in place of a distance that has no bound.
const UNBOUNDED: &str = "unbounded";
/// The longest name of a rule, and the longest form of an actor, in bytes.
const TEXT_LEN_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    #[serde(default)]
    at: RawAt,
    durability: Option<Spanned<String>>,
    checkpoint_within: Option<Spanned<String>>,
    #[serde(default)]
    actors: Vec<Spanned<String>>,
    #[serde(default)]
    order: Vec<Spanned<RawRule>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAt {
    ahead: Option<Spanned<String>>,
    behind: Option<Spanned<String>>,
    mark: Option<Spanned<String>>,
}

/// A rule with the members of every template.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: Option<Spanned<String>>,
    template: Option<Spanned<String>>,
    kind: Option<Spanned<String>>,
    first: Option<Spanned<String>>,
    then: Option<Spanned<String>>,
    at_most: Option<Spanned<u64>>,
    different: Option<Spanned<String>>,
    within: Option<Spanned<String>>,
}

/// What is wrong, and at which bytes of the text; none: with all of it.
type Flaw = (Option<Range<usize>>, String);

impl Policy {
    /// Reads the text of a policy.
    pub fn read(text: &str) -> Result<Policy, PolicyError> {
        policy(text).map_err(|(span, message)| {
            let place = span.map(|span| place(text, span.start));
            PolicyError { place, message }
        })
    }
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn policy(text: &str) -> Result<Policy, Flaw> {
    if text.len() > POLICY_LEN_MAX {
        return Err((None, format!("expected at most {POLICY_LEN_MAX} bytes, found {}", text.len())));
    }
    let raw: RawPolicy = toml::from_str(text).map_err(|error| (error.span(), error.message().replace('\n', " ")))?;
    let by_default = Policy::default();
    let mut policy = Policy {
        ahead_ns: at(raw.at.ahead.as_ref(), bound)?.unwrap_or(by_default.ahead_ns),
        behind_ns: at(raw.at.behind.as_ref(), bound)?.unwrap_or(by_default.behind_ns),
        mark_ns: at(raw.at.mark.as_ref(), distance)?.unwrap_or(by_default.mark_ns),
        weakest: at(raw.durability.as_ref(), class)?.unwrap_or(by_default.weakest),
        unsigned_max_ns: at(raw.checkpoint_within.as_ref(), distance)?,
        actors: raw.actors.iter().map(|form| of(form, |form| words(form))).collect::<Result<_, _>>()?,
        order: Vec::new(),
    };
    for (what, len) in [("forms of actors", raw.actors.len()), ("rules", raw.order.len())] {
        if len > ITEMS_MAX {
            return Err((None, format!("expected at most {ITEMS_MAX} {what}, found {len}")));
        }
    }
    for found in &raw.order {
        let rule = rule(found)?;
        if policy.order.iter().any(|earlier| earlier.name == rule.name) {
            let message = format!("expected rules of different names, found `{}` again", rule.name);
            return Err((found.get_ref().name.as_ref().map(Spanned::span), message));
        }
        policy.order.push(rule);
    }
    Ok(policy)
}

/// Reads a part, and says where it stands if that fails.
fn of<T, U>(part: &Spanned<T>, read: impl Fn(&T) -> Result<U, String>) -> Result<U, Flaw> {
    read(part.get_ref()).map_err(|message| (Some(part.span()), message))
}

fn at<T>(text: Option<&Spanned<String>>, read: fn(&str) -> Result<T, String>) -> Result<Option<T>, Flaw> {
    text.map(|text| of(text, |text| read(text))).transpose()
}

/// A distance, or that there is no bound.
fn bound(text: &str) -> Result<Option<i64>, String> {
    if text == UNBOUNDED { Ok(None) } else { distance(text).map(Some) }
}

fn distance(found: &str) -> Result<i64, String> {
    let read = || {
        let (number, unit) = found.split_at_checked(found.len().checked_sub(1)?)?;
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse::<i64>().ok().filter(|_| is_plain)?;
        number.checked_mul(*seconds)?.checked_mul(SECOND_NS)
    };
    read().ok_or_else(|| {
        format!("expected a number with s, m, h or d, such as `90s` or `30d`, at most 106751d, found `{found}`")
    })
}

fn class(found: &str) -> Result<Durability, String> {
    let classes = [Durability::Sync, Durability::Os];
    let named = classes.into_iter().find(|class| class.name() == found);
    named.ok_or_else(|| format!("expected `sync` or `os`, found `{found}`"))
}

/// Text that people read, of a length that a line holds.
fn words(found: &str) -> Result<String, String> {
    let is_good = !found.is_empty() && found.len() <= TEXT_LEN_MAX && !found.chars().any(char::is_control);
    let message = || format!("expected 1 to {TEXT_LEN_MAX} bytes of text without control characters");
    if is_good { Ok(found.to_owned()) } else { Err(message()) }
}

/// The kind of a run's event.
fn kind(found: &str) -> Result<KindBuf, String> {
    let built_in = BUILT_IN.iter().find(|(_, name)| *name == found).map(|(number, _)| Kind::BuiltIn(*number));
    let is_custom = found.len() as u64 <= KIND_NAME_LEN_MAX && found.len() > CUSTOM_PREFIX.len();
    let custom = Kind::Custom(found);
    let custom = (is_custom && found.starts_with(CUSTOM_PREFIX)).then_some(custom);
    let known = built_in.or(custom).filter(|kind| !kind.is_of_log());
    known.map(KindBuf::from).ok_or_else(|| {
        format!("expected the kind of a run's event, such as `status.created` or `custom/paid`, found `{found}`")
    })
}

/// The template of this name.
fn template(found: &str) -> Result<Template, String> {
    let named = Template::ALL.into_iter().find(|template| template.name() == found);
    named.ok_or_else(|| {
        let known = Template::ALL.map(Template::name).join("`, `");
        format!("expected one of `{known}`, found `{found}`")
    })
}

/// Which event the first one must differ in: there is one word.
fn different(found: &str) -> Result<bool, String> {
    if found == "actor" { Ok(true) } else { Err(format!("expected `actor`, found `{found}`")) }
}

fn rule(found: &Spanned<RawRule>) -> Result<OrderRule, Flaw> {
    let raw = found.get_ref();
    let needed = |name: &str, member: &Option<Spanned<String>>| {
        let missing = || (Some(found.span()), format!("expected the member `{name}`, found none"));
        member.clone().ok_or_else(missing)
    };
    let name = of(&needed("name", &raw.name)?, |text| words(text))?;
    let template = of(&needed("template", &raw.template)?, |text| template(text))?;
    let given = [
        ("kind", raw.kind.as_ref().map(Spanned::span)),
        ("first", raw.first.as_ref().map(Spanned::span)),
        ("then", raw.then.as_ref().map(Spanned::span)),
        ("at_most", raw.at_most.as_ref().map(Spanned::span)),
        ("different", raw.different.as_ref().map(Spanned::span)),
        ("within", raw.within.as_ref().map(Spanned::span)),
    ];
    let other = given.into_iter().find(|(member, span)| span.is_some() && !template.members().contains(member));
    if let Some((member, span)) = other {
        return Err((span, format!("expected no member `{member}` in a rule `{}`", template.name())));
    }
    let is_of_one = template.members().contains(&"kind");
    let first = if is_of_one { None } else { Some(of(&needed("first", &raw.first)?, |text| kind(text))?) };
    let then = if is_of_one { needed("kind", &raw.kind)? } else { needed("then", &raw.then)? };
    Ok(OrderRule {
        name,
        template,
        first,
        then: of(&then, |text| kind(text))?,
        at_most: raw.at_most.as_ref().map_or(0, |at_most| *at_most.get_ref()),
        other_actor: at(raw.different.as_ref(), different)?.unwrap_or(false),
        within_ns: at(raw.within.as_ref(), distance)?,
    })
}
