//! Reads the text of a policy: TOML; every member is optional, and unknown members are refused.

use super::order::{OrderRule, Template};
use super::{ITEMS_MAX, POLICY_LEN_MAX, Policy};
use crate::error::PolicyError;
use evlog_format::kind::{BUILT_IN, CUSTOM_PREFIX};
use evlog_format::limits::KIND_NAME_LEN_MAX;
use evlog_format::{Durability, Kind, KindBuf};
use evlog_projection::time::from_span;
use evlog_rules::Field;
use evlog_rules::rules::{Plain, Rule};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;

/// The word for a distance without a limit.
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
    actors: Option<Spanned<Vec<Spanned<String>>>>,
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

/// A mistake: the bytes of the text where it is (`None`: the whole text), and the message.
type Flaw = (Option<Range<usize>>, String);

impl Policy {
    /// Reads the text of a policy that a log holds.
    pub fn read(text: &str) -> Result<Policy, PolicyError> {
        raw(text).and_then(|raw| policy(&raw)).map_err(|flaw| located(text, flaw))
    }

    /// Reads a text that is to become the policy. It also refuses valid texts that nobody can want. A log that already has
    /// such a policy is still judged by it.
    pub fn read_new(text: &str) -> Result<Policy, PolicyError> {
        let read = raw(text).and_then(|raw| {
            let policy = policy(&raw)?;
            check_sense(&raw, &policy)?;
            Ok(policy)
        });
        read.map_err(|flaw| located(text, flaw))
    }
}

fn located(text: &str, (span, message): Flaw) -> PolicyError {
    PolicyError { place: span.map(|span| place(text, span.start)), message }
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn raw(text: &str) -> Result<RawPolicy, Flaw> {
    if text.len() > POLICY_LEN_MAX {
        return Err((None, format!("expected at most {POLICY_LEN_MAX} bytes, found {}", text.len())));
    }
    toml::from_str(text).map_err(|error| (error.span(), error.message().replace('\n', " ")))
}

/// Refuses values that are valid but make no sense.
fn check_sense(raw: &RawPolicy, policy: &Policy) -> Result<(), Flaw> {
    if let (Some(text), Some(0)) = (&raw.checkpoint_within, policy.unsigned_max_ns) {
        let message = format!("expected at least `1s`, found `{}`: no run could begin", text.get_ref());
        return Err((Some(text.span()), message));
    }
    if let Some(actors) = raw.actors.as_ref().filter(|actors| actors.get_ref().is_empty()) {
        let message = "expected at least one form of an actor, found none: without the member any actor is taken";
        return Err((Some(actors.span()), message.to_owned()));
    }
    for raw in &raw.order {
        let RawRule { kind, first, then, .. } = raw.get_ref();
        if let Some(pattern) =
            [kind, first, then].into_iter().flatten().find(|kind| kind.get_ref().contains(['*', '?', '[']))
        {
            let message =
                format!("expected the name of a kind, found the pattern `{}`: a policy has none", pattern.get_ref());
            return Err((Some(pattern.span()), message));
        }
    }
    for (raw, rule) in raw.order.iter().zip(&policy.order) {
        let means = match rule.template {
            Template::Precedence | Template::AlternatePrecedence | Template::ChainPrecedence => "it could never occur",
            Template::NotCoExistence => "`absence` with `at_most = 1` lets a kind occur once",
            _ => continue,
        };
        if rule.first.as_ref() == Some(&rule.then) {
            let message = format!("expected another kind than `first`, found the same: {means}");
            return Err((raw.get_ref().then.as_ref().map(Spanned::span), message));
        }
    }
    Ok(())
}

fn policy(raw: &RawPolicy) -> Result<Policy, Flaw> {
    let forms = raw.actors.as_ref().map(|actors| actors.get_ref().as_slice()).unwrap_or_default();
    let by_default = Policy::default();
    let mut policy = Policy {
        ahead_ns: at(raw.at.ahead.as_ref(), bound)?.unwrap_or(by_default.ahead_ns),
        behind_ns: at(raw.at.behind.as_ref(), bound)?.unwrap_or(by_default.behind_ns),
        mark_ns: at(raw.at.mark.as_ref(), from_span)?.unwrap_or(by_default.mark_ns),
        weakest: at(raw.durability.as_ref(), class)?.unwrap_or(by_default.weakest),
        unsigned_max_ns: at(raw.checkpoint_within.as_ref(), from_span)?,
        actors: forms.iter().map(|form| of(form, |form| words(form))).collect::<Result<_, _>>()?,
        order: Vec::new(),
    };
    for (what, len) in [("forms of actors", forms.len()), ("rules", raw.order.len())] {
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

/// Reads a part of the text. If that fails, adds the place of the part.
fn of<T, U>(part: &Spanned<T>, read: impl Fn(&T) -> Result<U, String>) -> Result<U, Flaw> {
    read(part.get_ref()).map_err(|message| (Some(part.span()), message))
}

fn at<T>(text: Option<&Spanned<String>>, read: fn(&str) -> Result<T, String>) -> Result<Option<T>, Flaw> {
    text.map(|text| of(text, |text| read(text))).transpose()
}

/// A distance, or the word for no limit.
fn bound(text: &str) -> Result<Option<i64>, String> {
    if text == UNBOUNDED { Ok(None) } else { from_span(text).map(Some) }
}

fn class(found: &str) -> Result<Durability, String> {
    let classes = [Durability::Sync, Durability::Os];
    let named = classes.into_iter().find(|class| class.name() == found);
    named.ok_or_else(|| format!("expected `sync` or `os`, found `{found}`"))
}

/// Text for people that fits on a line.
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

/// The way in which the first event must differ. There is only one word.
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
    let then = of(&then, |text| kind(text))?;
    let at_most = raw.at_most.as_ref().map_or(0, |at_most| *at_most.get_ref());
    let other_actor = at(raw.different.as_ref(), different)?.unwrap_or(false);
    let within_ns = at(raw.within.as_ref(), from_span)?;
    let parts = Plain {
        name: &name,
        template: template.name(),
        first: first.as_ref().map(KindBuf::as_kind),
        then: then.as_kind(),
        count: at_most.saturating_add(1),
        different: other_actor.then(|| Field::parse("actor").unwrap_or_else(|error| unreachable!("{error}"))),
        within_ns,
    };
    let judged = Rule::plain(parts).unwrap_or_else(|| unreachable!("every template of a policy is one of DECLARE"));
    Ok(OrderRule { name, template, first, then, at_most, other_actor, within_ns, judged })
}
