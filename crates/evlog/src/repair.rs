//! Repairing a log and recording the repair: what the store's plan does to the log's bytes becomes events of `$log`.
//!
//! Does: carry out a plan and append what was done in the same session. Does not: plan; that is
//! [`evlog_store::repair`].
//!
//! Invariant: who made derived files again leaves no trace in the log, since its bytes are what they were. Everything
//! else is recorded, a loss in the first commit after it.

use crate::error::LogError;
use crate::history::LossAccepted;
use crate::log::Log;
use crate::options::Options;
use evlog_format::Position;
use evlog_projection::Contracts;
use evlog_store::Recovery;
use evlog_store::repair::{Held, Loss, Plan, Repaired};

/// Carries out a plan of a survey that holds the lock, and records it. `accepted_by` says who accepts what the plan
/// gives up.
pub fn carry_out(
    held: Held,
    plan: &Plan,
    accepted_by: &str,
    contracts: Contracts,
    options: Options,
) -> Result<(), LogError> {
    let dir = held.dir().to_path_buf();
    let log = match held.apply(plan)? {
        Repaired::Derived => return Ok(()),
        Repaired::Opened(writer, recovery) => Log::repaired(&dir, writer, contracts, options, &recovery, None)?,
        Repaired::GivenUp(writer, loss) => {
            let recovery = Recovery { clean_close: false, end: loss.position, cut: None };
            let loss = accepted(&loss, accepted_by);
            Log::repaired(&dir, writer, contracts, options, &recovery, Some(&loss))?
        }
    };
    log.begin()?;
    log.close()
}

fn accepted(loss: &Loss, accepted_by: &str) -> LossAccepted {
    let Position(position) = loss.position;
    LossAccepted {
        verdict: loss.verdict.word().to_owned(),
        position,
        len: loss.len,
        floor: loss.floor.0,
        next_seq: loss.next_seq.map(|next| next.0),
        kept_as: loss.kept_as.clone(),
        reason: loss.reason.clone(),
        accepted_by: accepted_by.to_owned(),
    }
}
