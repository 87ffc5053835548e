//! Rules that users write about the order of events: the templates of DECLARE over kinds of events, with conditions on fields,
//! for each run or for each value of a field.

mod contradiction;
mod enforced;
mod judge;
mod memory;
mod read;
mod template;

pub use enforced::{Breach, Enforced};
pub use judge::{Case, Step, Violation};
pub use read::{of_contract, read};

use crate::condition::Condition;
use crate::field::Field;
use crate::kinds::Kinds;
use crate::reading::Reading;
use crate::severity::Severity;
use evlog_format::Kind;
use evlog_format::kind::BUILT_IN;
use serde_json::Value;
use template::Template;

/// The longest file of rules, in bytes.
pub const FILE_LEN_MAX: u64 = 1 << 20;

/// The events that belong together.
#[derive(Clone, Debug, PartialEq)]
pub enum Per {
    /// The events of a run.
    Run,
    /// The events with the same value of a field, in all runs.
    Value(Field),
}

/// The events that match a parameter of a template.
#[derive(Clone, Debug)]
pub struct Events {
    text: String,
    kinds_text: String,
    kinds: Vec<Kinds>,
    conditions: Vec<Condition>,
}

impl Events {
    /// All events of a kind.
    fn of(kind: Kind<'_>) -> Events {
        let (text, kinds) = (kind.to_string(), vec![Kinds::exactly(kind)]);
        Events { kinds_text: text.clone(), text, kinds, conditions: Vec::new() }
    }

    /// Whether an event is one of these events.
    pub fn holds(&self, reading: &Reading<'_>) -> bool {
        self.kinds.iter().any(|kinds| kinds.holds(reading.fact.event.kind))
            && self.conditions.iter().all(|condition| condition.holds(reading))
    }

    /// Whether all these events concern the log itself.
    fn is_of_log(&self) -> bool {
        let mut numbers = self.kinds.iter().flat_map(Kinds::built_in);
        !self.kinds.is_empty()
            && !self.kinds.iter().any(Kinds::has_custom)
            && numbers.all(|number| Kind::BuiltIn(*number).is_of_log())
    }

    /// Whether each of their kinds or patterns has a kind that belongs to the contract.
    fn can_be_of(&self, contract: &str) -> bool {
        let is_own = |number: &u16| {
            let kind = Kind::BuiltIn(*number);
            kind.name().and_then(|name| name.split_once('.')).is_some_and(|(of, _)| of == contract)
        };
        self.kinds.iter().all(|kinds| kinds.built_in().iter().any(is_own))
    }

    /// Whether one of these events can have a field. Events of users' kinds can have every field of the payload.
    fn can_have(&self, field: &Field) -> bool {
        let numbers = self.kinds.iter().flat_map(Kinds::built_in);
        let mut names = numbers.filter_map(|number| BUILT_IN.iter().find(|(known, _)| known == number));
        self.kinds.iter().any(Kinds::has_custom) || names.any(|(_, name)| field.can_be_in(name))
    }

    /// The events as the rule names them, on one line.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    name: String,
    template: &'static Template,
    a: Events,
    b: Option<Events>,
    count: u64,
    per: Per,
    contract: Option<String>,
    places: Places,
    same: Vec<Field>,
    different: Option<Field>,
    within_ns: Option<i64>,
    occurred: bool,
    severity: Severity,
    about: Option<String>,
    enforced: bool,
    /// The rule as it was given, with every default.
    given: Value,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.given == other.given
    }
}

impl Eq for Rule {}

/// The places of a rule's parts in its file: line and column, from 1. `None` if the rule has no file, or does not have the
/// part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Its name.
    pub name: Option<(usize, usize)>,
    /// The name of its contract.
    pub contract: Option<(usize, usize)>,
}

/// The parts of a rule about single kinds, without conditions.
#[derive(Clone, Debug)]
pub struct Plain<'p> {
    /// The rule's name.
    pub name: &'p str,
    /// The name of its template.
    pub template: &'p str,
    /// The first event, if the template has two events.
    pub first: Option<Kind<'p>>,
    /// The second event, or the only one.
    pub then: Kind<'p>,
    /// How many, if the template counts.
    pub count: u64,
    /// The field in which the two events differ.
    pub different: Option<Field>,
    /// How far apart they may be, by the times at which they were recorded, in nanoseconds.
    pub within_ns: Option<i64>,
}

impl Rule {
    /// A rule with these parts; `None` if there is no template of this name.
    pub fn plain(parts: Plain<'_>) -> Option<Rule> {
        let Plain { name, template, first, then, count, different, within_ns } = parts;
        let template = template::TEMPLATES.iter().find(|known| known.name == template)?;
        let (a, b) = first.map_or((then, None), |first| (first, Some(then)));
        Some(Rule {
            name: name.to_owned(),
            template,
            a: Events::of(a),
            b: b.map(Events::of),
            count,
            per: Per::Run,
            contract: None,
            places: Places::default(),
            same: Vec::new(),
            different,
            within_ns,
            occurred: false,
            severity: Severity::Error,
            about: None,
            enforced: true,
            given: Value::Null,
        })
    }

    /// Its name, unique in its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a command that would break it is refused. Only rules of contract files can be enforced.
    pub fn is_enforced(&self) -> bool {
        self.enforced
    }

    /// The table that it was read from, with every default.
    pub fn given(&self) -> &Value {
        &self.given
    }

    /// The severity of a violation.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The events that belong together.
    pub fn per(&self) -> &Per {
        &self.per
    }

    /// The contract of the runs that it applies to; `None` if it applies to all.
    pub fn contract(&self) -> Option<&str> {
        self.contract.as_deref()
    }

    /// The places of its parts in the file of rules.
    pub fn places(&self) -> Places {
        self.places
    }

    /// Whether it compares the two events of a pair.
    pub(crate) fn compares(&self) -> bool {
        !self.same.is_empty() || self.different.is_some() || self.within_ns.is_some()
    }

    /// Whether it also applies to events of the log itself.
    pub fn is_about_the_log(&self) -> bool {
        let mut numbers = self.events().flat_map(|events| events.kinds.iter().flat_map(Kinds::built_in));
        numbers.any(|number| Kind::BuiltIn(*number).is_of_log())
    }

    /// The events of its parameters.
    fn events(&self) -> impl Iterator<Item = &Events> {
        std::iter::once(&self.a).chain(&self.b)
    }

    /// The contract that it names.
    pub fn contract_mut(&mut self) -> Option<&mut String> {
        self.contract.as_mut()
    }

    /// The name of its template.
    pub fn template(&self) -> &'static str {
        self.template.name
    }

    /// What it requires, in a sentence: its own words if it has some.
    pub fn expected(&self) -> String {
        self.about.clone().unwrap_or_else(|| self.in_words())
    }

    /// What its template requires of its events.
    fn in_words(&self) -> String {
        let b = self.b.as_ref().map_or("", |b| b.text.as_str());
        let means = self.template.means.replace("{count}", &self.count.to_string());
        let mut text = means.replace("{a}", &self.a.text).replace("{b}", b);
        for same in &self.same {
            text = format!("{text}, with the same {}", same.text());
        }
        if let Some(different) = &self.different {
            text = format!("{text}, with another {}", different.text());
        }
        if let Some(within_ns) = self.within_ns {
            text = format!("{text}, within {}", evlog_projection::time::to_span(within_ns));
        }
        text
    }
}

#[cfg(test)]
mod tests;
