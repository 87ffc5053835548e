//! The policy by which a writer's session judges. It is searched in `$log` from the end, so that opening a log of many sessions
//! costs no more than opening a log of few. This module also sets a new policy.

use super::{Log, payload_of};
use crate::error::LogError;
use crate::history::{LOG_STREAM, Opened, PolicySet, is_readable};
use crate::policy::{Breach, InForce, Policy, Set};
use crate::view::Visit;
use evlog_format::{CommitHead, Seq, kind, payload};
use evlog_projection::Fact;
use std::ops::ControlFlow;

/// How many events of `$log` are read first, from its end. The number is doubled until enough are read.
const WINDOW: u64 = 16;

/// The policy in force, and when the last checkpoint was signed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judging {
    pub(crate) in_force: InForce,
    /// When the last checkpoint was signed, if that was after the policy was set; Unix nanoseconds.
    pub(crate) signed_ns: Option<i64>,
}

impl Judging {
    /// The breach of the policy by a command's commit, if there is one. `begins` is whether the commit is the first of its run.
    pub(crate) fn breach(&self, head: &CommitHead<'_>, at: Option<&str>, begins: bool) -> Option<Breach> {
        let unsigned = || self.in_force.unsigned_breach(head.recorded_ns, self.signed_ns);
        let commit_breach = self.in_force.policy.commit_breach(head, at);
        commit_breach.or_else(|| if begins { unsigned() } else { None })
    }
}

impl Log {
    /// Finds the policy in force, and when the last checkpoint was signed.
    pub(crate) fn find_judging(&self) -> Result<Judging, LogError> {
        let in_force = match self.policy_number()? {
            None => InForce::default(),
            Some(number) => self.in_force(number)?,
        };
        let mut signed_ns = None;
        if let (Some(_), Some(set)) = (in_force.policy.unsigned_max_ns, &in_force.set) {
            let find =
                |fact: &Fact<'_>| (fact.event.kind == kind::LOG_CHECKPOINT_SIGNED).then_some(fact.head.recorded_ns);
            signed_ns = self.last_of_log(set.number + 1, &find)?;
        }
        Ok(Judging { in_force, signed_ns })
    }

    /// Number in `$log` of the event that set the policy in force.
    fn policy_number(&self) -> Result<Option<u64>, LogError> {
        let number = |fact: &Fact<'_>| match fact.event.kind {
            kind::LOG_POLICY_SET => Some(Ok(Some(fact.event.number))),
            kind::LOG_OPENED if !is_readable(&fact.event) => {
                let message =
                    "a later program opened the log, and says of its policy what cannot be read here".to_owned();
                Some(Err(LogError::Payload { seq: Some(fact.seq), message }))
            }
            kind::LOG_OPENED => {
                let opened = payload::decode::<Opened>(fact.event.payload);
                let wrong = |error: payload::PayloadError| LogError::Payload {
                    seq: Some(fact.seq),
                    message: error.to_string(),
                };
                Some(opened.map(|opened| opened.policy).map_err(wrong))
            }
            _ => None,
        };
        self.last_of_log(0, &number)?.unwrap_or(Ok(None))
    }

    /// The policy that an event of `$log` set, with the history of the policies before it.
    fn in_force(&self, number: u64) -> Result<InForce, LogError> {
        let (mut chain, mut next) = (Vec::new(), Some(number));
        while let Some(number) = next {
            let mut found = None;
            self.each_of_log(number, &mut |fact| {
                let set = Set::read(fact).map_err(|message| LogError::Payload { seq: Some(fact.seq), message })?;
                found = Some(set);
                Ok(ControlFlow::Break(()))
            })?;
            let Some(set) = found else {
                let message = format!("expected a policy as event {number} of `{LOG_STREAM}`, found none");
                return Err(LogError::Payload { seq: None, message });
            };
            next = set.said.previous.filter(|previous| *previous < number);
            chain.push(set);
        }
        let mut in_force = InForce::default();
        for set in chain.into_iter().rev() {
            let seq = set.seq;
            in_force = in_force.followed_by(set).map_err(|message| LogError::Payload { seq: Some(seq), message })?;
        }
        Ok(in_force)
    }

    /// The result of `find` for the last event of `$log` for which it returns one, among the events from a number on. Reads
    /// from the end, so `find` does not see all events.
    fn last_of_log<T>(&self, from: u64, find: &dyn Fn(&Fact<'_>) -> Option<T>) -> Result<Option<T>, LogError> {
        let len = self.writer().stream_len(LOG_STREAM)?;
        let (mut end, mut window) = (len, WINDOW);
        while end > from {
            let start = end.saturating_sub(window).max(from);
            let mut last = None;
            self.each_of_log(start, &mut |fact| {
                if fact.event.number >= end {
                    return Ok(ControlFlow::Break(()));
                }
                last = find(fact).or_else(|| last.take());
                Ok(ControlFlow::Continue(()))
            })?;
            if last.is_some() {
                return Ok(last);
            }
            (end, window) = (start, window * 2);
        }
        Ok(None)
    }

    fn each_of_log(&self, from: u64, visit: &mut Visit<'_, LogError>) -> Result<(), LogError> {
        let mut each = |head: &CommitHead<'_>, seq: Seq, event: &evlog_format::Event<'_>| {
            visit(&Fact { seq, head: *head, event: *event })
        };
        self.writer().read_stream(LOG_STREAM, from, &mut each)
    }

    /// The policy in force.
    pub fn policy(&self) -> Result<InForce, LogError> {
        self.at_head(&mut self.session(), &mut |session| Ok(self.judging(session)?.in_force.clone()))
    }

    /// Whether a run that begins `ahead_ns` nanoseconds from now would be refused unless a checkpoint is signed before.
    pub fn is_checkpoint_due(&self, ahead_ns: i64) -> Result<bool, LogError> {
        let now_ns = self.now_ns().saturating_add(ahead_ns);
        self.at_head(&mut self.session(), &mut |session| {
            let judging = self.judging(session)?;
            Ok(judging.in_force.unsigned_breach(now_ns, judging.signed_ns).is_some())
        })
    }

    /// Sets the policy from here on. Returns the seq of the event that records it; `None` if this text is in force
    /// already.
    pub fn set_policy(&self, text: &str, set_by: &str) -> Result<Option<Seq>, LogError> {
        Policy::read_new(text).map_err(LogError::Policy)?;
        let set = self.until_kept(&mut |session| {
            let in_force = self.judging(session)?.in_force.clone();
            if in_force.set.as_ref().is_some_and(|set| set.said.text == text) {
                return Ok(None);
            }
            let set = PolicySet {
                text: text.to_owned(),
                blake3: *blake3::hash(text.as_bytes()).as_bytes(),
                previous: in_force.number(),
                set_by: set_by.to_owned(),
            };
            self.give_history(session, kind::LOG_POLICY_SET, &payload_of(&set)?).map(Some)
        })?;
        match set {
            Some(_) => Ok(self.policy()?.set.map(|set| set.seq)),
            None => Ok(None),
        }
    }
}
