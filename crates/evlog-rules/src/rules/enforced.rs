//! Judges the next event of a run by the enforced rules of the run's own definition.
//!
//! Invariant: an event that cannot be judged is refused, because nobody could show later that it was allowed.

use super::Rule;
use super::judge::{Case, Step};
use crate::reading::Reading;
use evlog_projection::Fact;
use evlog_projection::readable::PayloadJson;

/// The state of the enforced rules of a definition after a run's events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enforced(Vec<Case>);

/// The enforced rule that an event breaks, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The rule's name.
    pub rule: String,
    /// The requirement of the rule.
    pub expected: String,
    /// The finding, in words.
    pub found: String,
}

impl Enforced {
    /// The state after the run's next event, unless the event breaks a rule.
    pub fn after(&self, rules: &[Rule], fact: &Fact<'_>, payload_json: PayloadJson) -> Result<Enforced, Breach> {
        let mut next = self.clone();
        let enforced = || rules.iter().filter(|rule| rule.is_enforced());
        next.0.resize_with(enforced().count(), Case::default);
        let reading = Reading::new(fact, payload_json);
        for (rule, case) in enforced().zip(&mut next.0) {
            case.allow(rule, &reading)?;
        }
        Ok(next)
    }
}

impl Case {
    /// Takes the next event of the case by an enforced rule, unless it breaks the rule.
    pub fn allow(&mut self, rule: &Rule, reading: &Reading<'_>) -> Result<(), Breach> {
        let step = Step::new(rule, reading, true);
        if !step.matters_to(rule, Some(self)) {
            return Ok(());
        }
        let mut broken = Vec::new();
        let is_judged = self.take(rule, step, &mut broken);
        let found = match broken.into_iter().next() {
            None if is_judged => return Ok(()),
            None => "more earlier events than evlog remembers of a run".to_owned(),
            Some(violation) => match violation.seqs.first().filter(|seq| **seq != reading.fact.seq) {
                Some(earlier) => format!("{} (seq {earlier})", violation.found),
                None => violation.found,
            },
        };
        Err(Breach { rule: rule.name().to_owned(), expected: rule.expected(), found })
    }
}
