//! The templates of DECLARE by their standard names, each as a list of plain constraints.
//!
//! In the words of DECLARE, `response(a, b)`: `a` is what a rule calls `first`, or its only `kind`; `b` is what it calls
//! `then`.

/// A constraint on the events of one case. An `a` is an event that the selection `a` selects, a `b` is one that `b` selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constraint {
    /// There are at least as many `a`s as the rule's count.
    AtLeast,
    /// There are at most as many `a`s as the rule's count.
    AtMost,
    /// There are fewer `a`s than the rule's count.
    Fewer,
    /// The first event is an `a`.
    First,
    /// The last event is an `a`.
    Last,
    /// There is an `a` or a `b`.
    Either,
    /// Before or after each event of `of`, there is an event of the other selection.
    Beside(Of),
    /// After each `a` there is a `b`.
    After(Distance),
    /// Before each `b` there is an `a`.
    Before(Distance),
    /// If there is an `a`, there is no `b` before or after it.
    NeverBeside,
    /// After an `a` there is no `b`.
    NeverAfter,
    /// An `a` is not followed by a `b` as the next event.
    NeverNext,
}

impl Constraint {
    /// Whether a case without an `a` and without a `b` can break it.
    pub(super) fn is_broken_by_none(self) -> bool {
        matches!(self, AtLeast | First | Last | Either)
    }

    /// Whether a violation is certain at the event that causes it, whatever comes after.
    pub(super) fn is_broken_at_once(self) -> bool {
        matches!(self, AtMost | Fewer | First | Before(_) | NeverBeside | NeverAfter | NeverNext)
    }

    /// Whether it matters which event is the next one, even if the rule does not select that event.
    pub(super) fn is_about_neighbours(self) -> bool {
        matches!(self, After(Next) | Before(Next) | NeverNext)
    }
}

/// One of the two selections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    A,
    B,
}

/// How near the other event must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Distance {
    /// Anywhere.
    Any,
    /// With no other activation between the two.
    Alternate,
    /// As the next event of the case.
    Next,
}

/// The parameters that a template takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameters {
    /// An `a`.
    A,
    /// An `a`, and how many.
    ACount,
    /// An `a` and a `b`.
    Ab,
}

/// A template: its parameters, and what it means.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    /// Its standard name.
    pub(super) name: &'static str,
    pub(super) parameters: Parameters,
    pub(super) constraints: &'static [Constraint],
    /// What it requires, with `{a}`, `{b}` and `{count}` for the rule's own parameters.
    pub(super) means: &'static str,
}

const fn of(
    name: &'static str,
    parameters: Parameters,
    constraints: &'static [Constraint],
    means: &'static str,
) -> Template {
    Template { name, parameters, constraints, means }
}

use Constraint::{
    After, AtLeast, AtMost, Before, Beside, Either, Fewer, First, Last, NeverAfter, NeverBeside, NeverNext,
};
use Distance::{Alternate, Any, Next};
use Of::{A, B};

use Parameters::{A as OneA, ACount, Ab};

/// All templates.
pub(super) const TEMPLATES: &[Template] = &[
    of("existence", ACount, &[AtLeast], "at least {count} events are {a}"),
    of("absence", ACount, &[Fewer], "fewer than {count} events are {a}"),
    of("exactly", ACount, &[AtLeast, AtMost], "exactly {count} events are {a}"),
    of("init", OneA, &[First], "the first event is {a}"),
    of("end", OneA, &[Last], "the last event is {a}"),
    of("choice", Ab, &[Either], "there is {a} or {b}"),
    of("exclusive_choice", Ab, &[Either, NeverBeside], "there is {a} or {b}, but not both"),
    of("responded_existence", Ab, &[Beside(A)], "if there is {a}, there is {b}, before or after it"),
    of("co_existence", Ab, &[Beside(A), Beside(B)], "if there is one of {a} and {b}, there is the other"),
    of("response", Ab, &[After(Any)], "each {a} is followed by {b}"),
    of("alternate_response", Ab, &[After(Alternate)], "each {a} is followed by {b}, before the next {a}"),
    of("chain_response", Ab, &[After(Next)], "the next event after each {a} is {b}"),
    of("precedence", Ab, &[Before(Any)], "each {b} comes after {a}"),
    of("alternate_precedence", Ab, &[Before(Alternate)], "each {b} comes after {a}, with no other {b} between"),
    of("chain_precedence", Ab, &[Before(Next)], "the event before each {b} is {a}"),
    of("succession", Ab, &[After(Any), Before(Any)], "each {a} is followed by {b}, and each {b} comes after {a}"),
    of("alternate_succession", Ab, &[After(Alternate), Before(Alternate)], "{a} and {b} take turns"),
    of("chain_succession", Ab, &[After(Next), Before(Next)], "{a} and {b} come only as a pair of neighbours"),
    of("not_co_existence", Ab, &[NeverBeside], "there are not both {a} and {b}"),
    of("not_succession", Ab, &[NeverAfter], "no {a} is followed by {b}"),
    of("not_chain_succession", Ab, &[NeverNext], "the next event after {a} is never {b}"),
];
