//! The history of policies and of signed checkpoints, from `$log`.

use super::order::{OrderRule, Orders};
use super::{Breach, Policy};
use crate::history::{PolicySet, is_readable};
use evlog_format::{Seq, kind, payload};
use evlog_projection::Fact;

/// A policy, and what the log records about it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct InForce {
    /// The event that set it; `None` if no policy was set yet.
    pub set: Option<Set>,
    /// Seq of the event that set the policy before it.
    pub replaced: Option<Seq>,
    /// The policy.
    pub policy: Policy,
    /// For each rule on order, the seq since which it is in force without a change.
    since: Vec<Seq>,
}

/// The event that set a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Its seq.
    pub seq: Seq,
    /// Its number in `$log`.
    pub number: u64,
    /// When it was recorded, Unix nanoseconds.
    pub recorded_ns: i64,
    /// The authenticated principal.
    pub principal: Option<String>,
    /// The content of the event.
    pub said: PolicySet,
}

/// A record in `$log` that matters for the judgement of later events.
#[derive(Clone, Debug)]
pub enum Noted {
    /// A policy was set.
    Set(Set),
    /// A checkpoint was signed: seq of the event, and when it was recorded, Unix nanoseconds.
    Signed(Seq, i64),
}

impl Noted {
    /// The record that an event makes, if any.
    pub fn read(fact: &Fact<'_>) -> Option<Result<Noted, String>> {
        match fact.event.kind {
            kind::LOG_CHECKPOINT_SIGNED => Some(Ok(Noted::Signed(fact.seq, fact.head.recorded_ns))),
            kind::LOG_POLICY_SET => Some(Set::read(fact).map(Noted::Set)),
            _ => None,
        }
    }

    /// Seq of the event.
    pub fn seq(&self) -> Seq {
        match self {
            Noted::Set(set) => set.seq,
            Noted::Signed(seq, _) => *seq,
        }
    }
}

impl Set {
    /// The content of an event of kind `log.policy_set`.
    pub(crate) fn read(fact: &Fact<'_>) -> Result<Set, String> {
        let flaw = |why: String| format!("{}: {why}", fact.event.kind);
        if !is_readable(&fact.event) {
            return Err(flaw("a later program set it, and what follows cannot be judged by it here".to_owned()));
        }
        let said: PolicySet = payload::decode(fact.event.payload).map_err(|error| flaw(error.to_string()))?;
        let digest = *blake3::hash(said.text.as_bytes()).as_bytes();
        if fact.event.kind != kind::LOG_POLICY_SET || digest != said.blake3 {
            return Err(flaw("expected a policy and the digest of its text, found another".to_owned()));
        }
        let principal = fact.head.principal.map(str::to_owned);
        Ok(Set { seq: fact.seq, number: fact.event.number, recorded_ns: fact.head.recorded_ns, principal, said })
    }
}

impl InForce {
    /// The policy that replaces this one after an event.
    pub fn followed_by(&self, set: Set) -> Result<InForce, String> {
        let flaw = |why: String| format!("{}: {why}", kind::LOG_POLICY_SET);
        let (expected, found) = (self.number(), set.said.previous);
        if found != expected {
            let number = |of: Option<u64>| of.map_or("none".to_owned(), |number| number.to_string());
            let (expected, found) = (number(expected), number(found));
            return Err(flaw(format!("expected the number of the policy before, {expected}, found {found}")));
        }
        let policy = Policy::read(&set.said.text).map_err(|error| flaw(error.to_string()))?;
        let stood = |rule: &OrderRule| {
            let at = self.policy.order.iter().position(|earlier| earlier == rule)?;
            self.since.get(at).copied()
        };
        let since = policy.order.iter().map(|rule| stood(rule).unwrap_or(set.seq)).collect();
        let replaced = self.set.as_ref().map(|set| set.seq);
        Ok(InForce { set: Some(set), replaced, policy, since })
    }

    /// The rules on order, each with the seq since which it is in force without a change.
    pub fn rules(&self) -> impl Iterator<Item = (&OrderRule, Seq)> {
        self.policy.order.iter().zip(self.since.iter().copied())
    }

    /// Number in `$log` of the event that set it.
    pub fn number(&self) -> Option<u64> {
        self.set.as_ref().map(|set| set.number)
    }

    /// Takes a run's next event into account, and returns the rule that the event breaks, if any.
    pub fn next(&self, orders: &mut Orders, fact: &Fact<'_>) -> Option<String> {
        orders.next(self.rules().filter(|(_, since)| fact.seq > *since), fact)
    }

    /// The breach by a run that begins at this time, if the last checkpoint was signed at `signed_ns`.
    pub fn unsigned_breach(&self, recorded_ns: i64, signed_ns: Option<i64>) -> Option<Breach> {
        self.policy.unsigned_breach(recorded_ns, signed_ns, self.set.as_ref()?.recorded_ns)
    }
}

/// All policies of a log, and when its checkpoints were signed.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    set: Vec<InForce>,
    /// Seq of the event that records a checkpoint, and when it was recorded, Unix nanoseconds.
    signed: Vec<(Seq, i64)>,
    before: InForce,
    /// Seq of the last event that was taken into account.
    taken: Option<Seq>,
}

impl Policies {
    /// Takes an event into account. The error says what is wrong with it. Events that were taken before are skipped.
    pub fn take(&mut self, noted: Noted) -> Result<(), String> {
        if self.taken >= Some(noted.seq()) {
            return Ok(());
        }
        self.taken = Some(noted.seq());
        match noted {
            Noted::Signed(seq, recorded_ns) => self.signed.push((seq, recorded_ns)),
            Noted::Set(set) => {
                let follows = self.last().followed_by(set)?;
                self.set.push(follows);
            }
        }
        Ok(())
    }

    /// The policy by which an event is judged.
    pub fn at(&self, seq: Seq) -> &InForce {
        let is_earlier = |known: &InForce| known.set.as_ref().is_some_and(|set| set.seq < seq);
        let count = self.set.partition_point(is_earlier);
        count.checked_sub(1).and_then(|last| self.set.get(last)).unwrap_or(&self.before)
    }

    /// The distance from the clock beyond which an event is marked, in nanoseconds.
    pub fn apart_ns(&self, seq: Seq) -> u128 {
        self.at(seq).policy.mark_ns.unsigned_abs().into()
    }

    /// The policy that is in force at the end of the log.
    pub fn last(&self) -> &InForce {
        self.set.last().unwrap_or(&self.before)
    }

    /// All policies that were set, in order.
    pub fn all(&self) -> &[InForce] {
        &self.set
    }

    /// Seq, and when it was recorded, of each event that says that a checkpoint was signed.
    pub fn signed(&self) -> &[(Seq, i64)] {
        &self.signed
    }

    /// When the last checkpoint before an event was signed, if that was after the event's policy was set; Unix nanoseconds.
    pub fn signed_before(&self, seq: Seq) -> Option<i64> {
        let from = self.at(seq).set.as_ref()?.seq;
        let count = self.signed.partition_point(|(signed, _)| *signed < seq);
        let (signed, recorded_ns) = self.signed.get(count.checked_sub(1)?)?;
        (*signed > from).then_some(*recorded_ns)
    }
}
