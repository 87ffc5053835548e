//! Carrying out a plan, with the writer's lock held since the survey.

use super::loss::give_up;
use super::sidecars::make_again;
use super::{Act, Held, Loss, Plan, Survey};
use crate::error::OpenError;
use crate::layout::SegmentEntry;
use crate::open::{Recovery, open_locked};
use crate::segment::positions;
use crate::writer::Writer;

/// A plan that was carried out.
#[derive(Debug)]
pub enum Repaired {
    /// Only derived files were made again: the log's bytes are what they were.
    Derived,
    /// The log was recovered as opening it does. The caller must record in it what was done.
    Opened(Writer, Recovery),
    /// Synced bytes were given up. The log is refused to everybody else until the writer's first commit is synced. That commit
    /// must record the loss.
    GivenUp(Writer, Loss),
}

impl Held {
    /// Carries out a plan of this survey.
    pub fn apply(self, plan: &Plan) -> Result<Repaired, OpenError> {
        let Held { survey: Survey { files, entries, log, sidecars, last, .. }, lock } = self;
        let segments = positions(&entries);
        let remade = |step: &super::Step| step.act == Act::Remake;
        if let Some(log) = log.filter(|_| plan.steps.iter().any(remade)) {
            let standing = sidecars.iter().filter(|sidecar| sidecar.step().is_some());
            let mut wanted: Vec<SegmentEntry> = standing.filter_map(|sidecar| sidecar.entry).collect();
            wanted.sort_unstable();
            make_again(&files, log, &segments, &wanted)?;
        }
        for entry in entries.iter().filter(|entry| entry.is_unfinished()) {
            files.fs.remove(&files.layout.entry(*entry)).ok();
        }
        match (&plan.loss, &last) {
            (Some(loss), Some(last)) => {
                let opened = give_up(files, lock, last, loss)?;
                Ok(Repaired::GivenUp(Writer::start(opened)?, loss.clone()))
            }
            _ if plan.opens => {
                let (opened, recovery) = open_locked(files, lock)?;
                Ok(Repaired::Opened(Writer::start(opened)?, recovery))
            }
            _ => {
                // Opening the log makes the files that only a clean close leaves, and changes nothing else of such a log.
                open_locked(files, lock)?;
                Ok(Repaired::Derived)
            }
        }
    }
}
