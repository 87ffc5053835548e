//! Rules on the order of a run's events, as data: the templates of DECLARE that an event itself can break, so that the
//! command can be refused. Whether something still has to happen can only be checked for a run that has ended.
//!
//! Invariant: a rule sees a run's events only from the moment on since which it is in the log's policy without a
//! change. So its verdict on an event depends only on the log before that event, both for the writer and for an audit.

use evlog_format::{Kind, KindBuf, Seq};
use evlog_projection::Fact;
use evlog_projection::time::to_span;
use std::fmt;

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRule {
    /// Its name.
    pub name: String,
    /// What it demands.
    pub template: Template,
    /// The event that the template calls A; none for those of one kind.
    pub first: Option<KindBuf>,
    /// The event that the template calls B, or its only one.
    pub then: KindBuf,
    /// How often it may occur, for [`Template::Absence`].
    pub at_most: u64,
    /// Whether the first event must be by another actor.
    pub other_actor: bool,
    /// How long before, by the recorded times, the first event may be, in nanoseconds.
    pub within_ns: Option<i64>,
}

/// What a rule demands, by the names of DECLARE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// A run begins with it.
    Init,
    /// It occurs at most as often as the rule says.
    Absence,
    /// The second one occurs only after the first one.
    Precedence,
    /// As before, and each needs a first one of its own.
    AlternatePrecedence,
    /// The second one occurs only directly after the first one.
    ChainPrecedence,
    /// The second one does not occur after the first one.
    NotSuccession,
    /// The second one does not occur directly after the first one.
    NotChainSuccession,
    /// Not both of them occur.
    NotCoExistence,
}

impl OrderRule {
    /// Whether an event of this kind changes what the rule has seen, or can break it.
    fn concerns(&self, kind: Kind<'_>) -> bool {
        let by_neighbours =
            matches!(self.template, Template::Init | Template::ChainPrecedence | Template::NotChainSuccession);
        by_neighbours || self.then.as_kind() == kind || self.first.as_ref().is_some_and(|first| first.as_kind() == kind)
    }
}

impl Template {
    /// All of them.
    pub const ALL: [Template; 8] = [
        Template::Init,
        Template::Absence,
        Template::Precedence,
        Template::AlternatePrecedence,
        Template::ChainPrecedence,
        Template::NotSuccession,
        Template::NotChainSuccession,
        Template::NotCoExistence,
    ];

    /// The members of a rule of the template in a policy's text, besides `name` and `template`.
    pub(super) fn members(self) -> &'static [&'static str] {
        match self {
            Template::Init => &["kind"],
            Template::Absence => &["kind", "at_most"],
            Template::Precedence | Template::AlternatePrecedence | Template::ChainPrecedence => {
                &["first", "then", "different", "within"]
            }
            Template::NotSuccession | Template::NotChainSuccession | Template::NotCoExistence => &["first", "then"],
        }
    }

    /// Its name in a policy's text.
    pub fn name(self) -> &'static str {
        match self {
            Template::Init => "init",
            Template::Absence => "absence",
            Template::Precedence => "precedence",
            Template::AlternatePrecedence => "alternate_precedence",
            Template::ChainPrecedence => "chain_precedence",
            Template::NotSuccession => "not_succession",
            Template::NotChainSuccession => "not_chain_succession",
            Template::NotCoExistence => "not_co_existence",
        }
    }
}

/// As `precedence(custom/approved, custom/executed), by another actor`.
impl fmt::Display for OrderRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.template.name())?;
        if let Some(first) = &self.first {
            write!(f, "{}, ", first.as_kind())?;
        }
        write!(f, "{})", self.then.as_kind())?;
        if self.template == Template::Absence {
            write!(f, ", at most {} times", self.at_most)?;
        }
        if self.other_actor {
            f.write_str(", by another actor")?;
        }
        self.within_ns.map_or(Ok(()), |within| write!(f, ", within {}", to_span(within)))
    }
}

/// An event that may come first.
#[derive(Clone, Debug)]
struct Seen {
    seq: Seq,
    recorded_ns: i64,
    actor: String,
}

/// The state of a rule for one run.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// The last of the first events, and the last of those by another actor.
    first: Option<Seen>,
    first_of_other: Option<Seen>,
    /// The last event that the rule was given; for rules on neighbours, the run's last.
    last: Option<Seq>,
    /// The same, if it is a first one.
    just_before: Option<Seen>,
    /// The last of the second events, and how many there were.
    then: Option<Seq>,
    count: u64,
}

/// The state of the rules in force for one run.
#[derive(Clone, Debug, Default)]
pub struct Orders(Vec<Stands>);

/// A rule, by its name and the seq since which it is in force, with its state.
#[derive(Clone, Debug)]
struct Stands {
    name: String,
    since: Seq,
    progress: Progress,
}

impl Orders {
    /// Takes the run's next event into account, and says what it breaks. The rules are those in force, each with the seq
    /// since which it stands.
    pub fn next<'r>(
        &mut self,
        rules: impl IntoIterator<Item = (&'r OrderRule, Seq)>,
        fact: &Fact<'_>,
    ) -> Option<String> {
        let mut breach = None;
        let kind = fact.event.kind;
        for (rule, since) in rules.into_iter().filter(|(rule, _)| rule.concerns(kind)) {
            let broken = self.progress(rule, since).next(rule, since, fact);
            breach = breach.or_else(|| broken.map(|how| format!("policy rule `{}`: {how}", rule.name)));
        }
        breach
    }

    fn progress(&mut self, rule: &OrderRule, since: Seq) -> &mut Progress {
        let known = self.0.iter().position(|stands| stands.since == since && stands.name == rule.name);
        let at = known.unwrap_or_else(|| {
            self.0.push(Stands { name: rule.name.clone(), since, progress: Progress::default() });
            self.0.len() - 1
        });
        &mut self.0[at].progress
    }
}

impl Progress {
    fn next(&mut self, rule: &OrderRule, since: Seq, fact: &Fact<'_>) -> Option<String> {
        let kind = fact.event.kind;
        let is_first = rule.first.as_ref().is_some_and(|first| first.as_kind() == kind);
        let is_then = rule.then.as_kind() == kind;
        let breach = self.breach((rule, since), fact, (is_first, is_then));
        if is_then {
            (self.then, self.count) = (Some(fact.seq), self.count + 1);
            if rule.template == Template::AlternatePrecedence {
                (self.first, self.first_of_other) = (None, None);
            }
        }
        let head = &fact.head;
        let seen = || Seen { seq: fact.seq, recorded_ns: head.recorded_ns, actor: head.actor.to_owned() };
        (self.last, self.just_before) = (Some(fact.seq), is_first.then(seen));
        if is_first {
            let before = self.first.replace(seen());
            self.first_of_other = before.filter(|before| before.actor != head.actor).or(self.first_of_other.take());
        }
        breach
    }

    fn breach(
        &self,
        (rule, since): (&OrderRule, Seq),
        fact: &Fact<'_>,
        (is_first, is_then): (bool, bool),
    ) -> Option<String> {
        let (a, b) =
            (rule.first.as_ref().map(|first| name(first.as_kind())).unwrap_or_default(), name(rule.then.as_kind()));
        match rule.template {
            Template::Init => (fact.event.number == 0 && !is_then)
                .then(|| format!("expected a run to begin with {b}, found {}", name(fact.event.kind))),
            Template::Absence => (is_then && self.count >= rule.at_most)
                .then(|| format!("expected {b} at most {} times, found it once more", rule.at_most)),
            Template::Precedence | Template::AlternatePrecedence if is_then => {
                let candidates = [&self.first, &self.first_of_other];
                let fitting = candidates.into_iter().flatten().find(|seen| fits(rule, seen, fact));
                fitting
                    .is_none()
                    .then(|| wanted(rule, (&a, "before", &b), self.first.as_ref(), &self.none_since(rule, since, &b)))
            }
            Template::ChainPrecedence if is_then => {
                let fitting = self.just_before.as_ref().filter(|seen| fits(rule, seen, fact));
                fitting.is_none().then(|| {
                    let none = self.last.map_or_else(|| self.none_since(rule, since, &b), |seq| format!("seq {seq}"));
                    wanted(rule, (&a, "directly before", &b), self.just_before.as_ref(), &none)
                })
            }
            Template::NotSuccession if is_then => {
                self.first.as_ref().map(|seen| format!("expected no {b} after {a}, which is seq {}", seen.seq))
            }
            Template::NotChainSuccession if is_then => self
                .just_before
                .as_ref()
                .map(|seen| format!("expected no {b} directly after {a}, which is seq {}", seen.seq)),
            Template::NotCoExistence if is_then || is_first => {
                let (other, here) =
                    if is_then { (self.first.as_ref().map(|seen| seen.seq), &b) } else { (self.then, &a) };
                let there = if is_then { &a } else { &b };
                other.map(|seq| format!("expected no {here} beside {there}, which is seq {seq}"))
            }
            _ => None,
        }
    }
}

impl Progress {
    /// The words that say that the rule has seen no first event, and since which seq.
    fn none_since(&self, rule: &OrderRule, since: Seq, b: &str) -> String {
        match self.then.filter(|_| rule.template == Template::AlternatePrecedence) {
            Some(then) => format!("none since {b}, which is seq {then}"),
            None => format!("none since the rule is in force (seq {since})"),
        }
    }
}

/// Whether an event may stand before the one that is judged.
fn fits(rule: &OrderRule, seen: &Seen, fact: &Fact<'_>) -> bool {
    // The age counts in both directions, so that a clock that was once ahead does not make an old event new for ever.
    let age = i128::from(fact.head.recorded_ns) - i128::from(seen.recorded_ns);
    let is_in_time = rule.within_ns.is_none_or(|within| age.unsigned_abs() <= u128::from(within.unsigned_abs()));
    is_in_time && !(rule.other_actor && seen.actor == fact.head.actor)
}

fn wanted(rule: &OrderRule, (a, place, b): (&str, &str, &str), found: Option<&Seen>, none: &str) -> String {
    let by = if rule.other_actor { " by another actor" } else { "" };
    let within = rule.within_ns.map(|within| format!(", at most {} earlier", to_span(within))).unwrap_or_default();
    let found = match found {
        None => none.to_owned(),
        Some(seen) => format!("seq {} by `{}`", seen.seq, seen.actor),
    };
    format!("expected {a}{by} {place} {b}{within}, found {found}")
}

fn name(kind: Kind<'_>) -> String {
    format!("`{kind}`")
}
