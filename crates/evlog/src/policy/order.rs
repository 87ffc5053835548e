//! Rules on the order of a run's events, as data. They are the templates of DECLARE that an event itself can break, so that
//! the command can be refused. A demand that something must still happen can only be checked for a run that has ended.
//!
//! Invariant: a rule sees a run's events only from the moment on since which the rule is in the log's policy without a change.
//! So its verdict on an event depends only on the log before that event, both for the writer and for an audit.

use crate::history;
use evlog_format::{KindBuf, Seq};
use evlog_projection::Fact;
use evlog_projection::time::to_span;
use evlog_rules::rules::{Breach, Case};
use evlog_rules::{Reading, Rule};
use std::fmt;

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRule {
    /// Its name.
    pub name: String,
    /// The demand.
    pub template: Template,
    /// The event that the template calls A; `None` for templates with only one event.
    pub first: Option<KindBuf>,
    /// The event that the template calls B, or the template's only event.
    pub then: KindBuf,
    /// The number of times that it may occur, for [`Template::Absence`].
    pub at_most: u64,
    /// Whether another actor must have caused the first event.
    pub other_actor: bool,
    /// How far the first event may be from the second, by the recorded times, in nanoseconds.
    pub within_ns: Option<i64>,
    /// This rule in the form in which it is judged.
    pub(super) judged: Rule,
}

/// The demand of a rule, by the names of DECLARE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// A run begins with the event.
    Init,
    /// The event occurs at most as often as the rule says.
    Absence,
    /// The second event occurs only after the first.
    Precedence,
    /// Like `Precedence`, but each second event needs its own first event.
    AlternatePrecedence,
    /// The second event occurs only directly after the first.
    ChainPrecedence,
    /// The second event does not occur after the first.
    NotSuccession,
    /// The second event does not occur directly after the first.
    NotChainSuccession,
    /// The two events do not both occur.
    NotCoExistence,
}

impl Template {
    /// All templates.
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

/// Spelled as in `precedence(custom/approved, custom/executed), by another actor`.
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

/// The state of the rules in force for one run.
#[derive(Clone, Debug, Default)]
pub struct Orders(Vec<Stands>);

/// A rule, by its name and by the seq since which it is in force, with its state.
#[derive(Clone, Debug)]
struct Stands {
    name: String,
    since: Seq,
    case: Case,
}

impl Orders {
    /// Takes the run's next event into account, and returns the rule that the event breaks, if any. `rules` are those in
    /// force, each with the seq since which it is in force.
    pub fn next<'r>(
        &mut self,
        rules: impl IntoIterator<Item = (&'r OrderRule, Seq)>,
        fact: &Fact<'_>,
    ) -> Option<String> {
        let mut breach = None;
        let reading = Reading::new(fact, |event| history::payload_json(event).unwrap_or_default());
        // The rule on how a run begins does not apply to a run that began before the rule.
        let concerns = |rule: &OrderRule| rule.template != Template::Init || fact.event.number == 0;
        for (rule, since) in rules.into_iter().filter(|(rule, _)| concerns(rule)) {
            let allowed = self.case(rule, since).allow(&rule.judged, &reading);
            breach = breach.or_else(|| allowed.err().map(|breach| sentence(&breach, since)));
        }
        breach
    }

    fn case(&mut self, rule: &OrderRule, since: Seq) -> &mut Case {
        let known = self.0.iter().position(|stands| stands.since == since && stands.name == rule.name);
        let at = known.unwrap_or_else(|| {
            self.0.push(Stands { name: rule.name.clone(), since, case: Case::default() });
            self.0.len() - 1
        });
        &mut self.0[at].case
    }
}

fn sentence(Breach { rule, expected, found }: &Breach, since: Seq) -> String {
    format!("policy rule `{rule}`, in force since seq {since}: expected: {expected}; found: {found}")
}
