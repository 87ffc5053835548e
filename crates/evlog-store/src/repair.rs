//! Repairs a log, in three steps: survey, plan, apply. A survey reads the whole log, the plan is a value that can be printed,
//! and only applying the plan writes.
//!
//! Does: what opening a log does by the [table](crate::recovery); make derived files again if they do not hold; and, only if
//! the caller accepts the loss, cut the last segment below the durable floor. Does not: reconstruct bytes. Damaged bytes come
//! back only from a copy.
//!
//! Invariants:
//! - A refused plan has no steps: the log is left as it is, or repaired completely.
//! - Bytes are cut only after the last whole commit of the last segment, after a copy of them was synced.
//! - From the first change that gives up synced bytes until the commit that records the loss is synced, `HEAD` claims the lost
//!   bytes. So until then the log is refused as `truncated`, and never counts as whole.

mod apply;
mod loss;
mod sidecars;
mod survey;

use crate::error::Refusal;
use crate::recovery::{Action, Place};
use evlog_format::{Position, Seq};
use evlog_verify::Verdict;
use std::path::PathBuf;

pub use apply::Repaired;
#[cfg(all(test, not(feature = "schedules")))]
pub(crate) use loss::broken;
pub use sidecars::{Sidecar, Standing};
pub use survey::{Held, Survey};

/// What the caller is willing to give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Nothing that was synced.
    Nothing,
    /// Synced bytes at the end of the last segment that are damaged or missing, and all after them.
    Loss,
}

/// The work of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Cuts zeros; they hold nothing to keep.
    Trim,
    /// Cuts an unfinished commit, after its bytes were kept.
    Cut,
    /// Gives up synced bytes, after those that are there were kept.
    GiveUp,
    /// Writes the last segment again, because a sync of it failed.
    Rewrite,
    /// Makes a derived file again.
    Remake,
    /// Removes what an interrupted session left.
    Remove,
}

impl Act {
    /// The act's word, as it is printed and as it is in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Act::Trim => "trim",
            Act::Cut => "cut",
            Act::GiveUp => "give_up",
            Act::Rewrite => "rewrite",
            Act::Remake => "remake",
            Act::Remove => "remove",
        }
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The action.
    pub act: Act,
    /// To which file.
    pub file: PathBuf,
    /// Position in the log of the first byte concerned.
    pub position: Position,
    /// How many bytes of the log are concerned; `None` for a derived file.
    pub len: u64,
    /// The row of the recovery table that calls for it.
    pub row: Option<&'static str>,
    /// The reason.
    pub reason: String,
    /// Where the bytes are kept, as a path within the log's directory.
    pub kept_as: Option<String>,
}

/// Synced bytes that are given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The verdict that follows from the evidence.
    pub verdict: Verdict,
    /// The row of the recovery table that refuses it; `None` if the segment's own header fails.
    pub row: Option<&'static str>,
    /// The last segment.
    pub file: PathBuf,
    /// Where the log ends afterwards: right after the last whole commit.
    pub position: Position,
    /// How many bytes are after that position.
    pub len: u64,
    /// Every byte before this position was synced once.
    pub floor: Position,
    /// Seq of the first event that is given up. A new event will get it.
    pub first_seq: Seq,
    /// Seq after the last event that is known to have been there; `None` if nothing shows it.
    pub next_seq: Option<Seq>,
    /// The reason why reading stops there.
    pub reason: String,
    /// Where the bytes are kept, as a path within the log's directory; `None` if there are none.
    pub kept_as: Option<String>,
}

impl Loss {
    /// How many events are known to be lost. There may be more.
    pub fn events(&self) -> Option<u64> {
        self.next_seq.map(|next| next.0.saturating_sub(self.first_seq.0))
    }

    /// How many synced bytes are not there any more.
    pub fn missing(&self) -> u64 {
        self.floor.0.saturating_sub(self.position.0 + self.len)
    }
}

/// The reason why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Verdict, place, expected and found.
    pub refusal: Refusal,
    /// The row of the recovery table that causes the refusal, if one does.
    pub row: Option<&'static str>,
    /// What would be given up if the loss was accepted; `None` if the log cannot be repaired at all.
    pub acceptable: Option<Loss>,
}

/// What repairing a log would do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What was found, before anything is done.
    pub verdict: Verdict,
    /// The steps; empty if the plan is refused.
    pub steps: Vec<Step>,
    /// The bytes that the plan gives up.
    pub loss: Option<Loss>,
    /// The reason why nothing is done.
    pub refused: Option<Refused>,
    /// Whether a writer session follows, which records what was done. If only derived files change, none is needed.
    opens: bool,
}

impl Plan {
    /// A plan that is refused because of a refusal that the caller found by reading more than a survey does.
    pub fn refused_for(refusal: Refusal) -> Plan {
        Plan::refused(refusal, None, None)
    }

    fn refused(refusal: Refusal, row: Option<&'static str>, acceptable: Option<Loss>) -> Plan {
        let (verdict, refused) = (refusal.verdict, Some(Refused { refusal, row, acceptable }));
        Plan { verdict, steps: Vec::new(), loss: None, refused, opens: false }
    }
}

impl Survey {
    /// Makes the plan for what the survey found.
    pub fn plan(&self, accept: Accept) -> Plan {
        if let Some((refusal, row)) = &self.refusal {
            return Plan::refused(refusal.clone(), *row, None);
        }
        let Some(last) = &self.last else { unreachable!("a last segment that cannot be read is refused") };
        let row = crate::recovery::plan(last.scan.case(Place::Last, last.durable()));
        let (mut steps, mut verdict, mut given_up) = (Vec::new(), Verdict::Clean, None);
        let (position, len) = (last.scan.end, last.scan.file_end.0.saturating_sub(last.scan.end.0));
        let step = |act, reason: &str, kept_as| Step {
            act,
            file: last.path.clone(),
            position,
            len,
            row: Some(row.id),
            reason: reason.to_string(),
            kept_as,
        };
        match (row.action, &last.mended) {
            (Action::Refuse(_), _) | (_, Some(_)) => {
                let (refusal, loss) = last.refusal(row);
                let Some(loss) = loss.clone().filter(|_| accept == Accept::Loss) else {
                    return Plan::refused(refusal, loss.as_ref().map_or(Some(row.id), |loss| loss.row), loss);
                };
                verdict = refusal.verdict;
                let row = loss.row;
                steps.push(Step { row, ..step(Act::GiveUp, &loss.reason, loss.kept_as.clone()) });
                given_up = Some(loss);
            }
            (Action::Cut, None) => {
                verdict = Verdict::TornTail;
                steps.push(step(Act::Cut, &last.scan.reason, Some(last.keep_name.clone())));
            }
            (Action::Trim, None) => steps.push(step(Act::Trim, &last.scan.reason, None)),
            (Action::Keep, None) => {}
        }
        if given_up.is_none() && last.head.is_some_and(|head| head.sync_failed) {
            let reason = "a sync of it failed: what can be read may not be on the disk";
            steps.push(Step { row: None, len: 0, ..step(Act::Rewrite, reason, None) });
        }
        let spoilt = self.sidecars.iter().filter(|sidecar| sidecar.step().is_some());
        let opens = !steps.is_empty() || spoilt.clone().any(Sidecar::is_head);
        steps.extend(spoilt.filter_map(Sidecar::step));
        steps.extend(self.leftovers());
        Plan { verdict, steps, loss: given_up, refused: None, opens }
    }
}
