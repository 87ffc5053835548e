//! The bundles of many runs, in the order of their names, even if their events alternate in the log.
//!
//! Does: fold the runs in groups, each as large as fits in memory, with one pass over the log for each group.
//!
//! Invariant: the audit lines that are held have at most 32 MiB in all, or all belong to one run.

use crate::error::LogError;
use crate::view::View;
use evlog_projection::contracts::BundleFold;
use evlog_projection::{Bundle, Fact, FoldError};
use std::cell::Cell;

/// How many bytes of audit lines and states are held at one time.
const HELD_MAX: usize = 32 << 20;

/// The estimated size in bytes of a run's state without its audit lines.
const STATE_LEN: usize = 1024;

/// Called with a run's name, and its bundle or the reason why it cannot be folded.
pub type Visit<'v, E> = dyn FnMut(&str, Result<Option<Bundle>, FoldError>) -> Result<(), E> + 'v;

/// Calls `visit` once for each name, in order. It gets the run's bundle, or the reason why the run cannot be folded, or
/// `None` if the view shows no event of that name. The names must be in ascending order.
pub fn bundles<E: From<LogError>>(view: &View, names: &[String], visit: &mut Visit<'_, E>) -> Result<(), E> {
    within(HELD_MAX, view, names, visit)
}

fn within<E: From<LogError>>(
    held_max: usize,
    view: &View,
    names: &[String],
    visit: &mut Visit<'_, E>,
) -> Result<(), E> {
    let (mut rest, mut fitting) = (names, names.len());
    while !rest.is_empty() {
        let group = Group::read(view, &rest[..fitting.min(rest.len())], held_max)?;
        let (now, later) = rest.split_at(group.runs.len());
        for (name, run) in now.iter().zip(group.runs) {
            visit(name, run.fold.and_then(|fold| fold.bundle()))?;
        }
        // A few more than fitted the last time. If some of them do not fit, folding them was wasted work.
        fitting = now.len() + now.len() / 8 + 1;
        rest = later;
    }
    Ok(())
}

/// Runs that are folded in one pass: the first of the runs that were asked for, as many as fit.
struct Group<'v> {
    runs: Vec<Run<'v>>,
    held: usize,
}

struct Run<'v> {
    fold: Result<BundleFold<'v>, FoldError>,
    held: usize,
}

#[expect(clippy::disallowed_types, reason = "looked up by name, never iterated")]
type Places<'n> = std::collections::HashMap<&'n [u8], usize>;

impl<'v> Group<'v> {
    fn read(view: &'v View, names: &[String], held_max: usize) -> Result<Group<'v>, LogError> {
        let new = |_: &String| Run { fold: Ok(BundleFold::new(view.contracts())), held: 0 };
        let mut group = Group { runs: names.iter().map(new).collect(), held: 0 };
        let places: Places<'_> = names.iter().enumerate().map(|(at, name)| (name.as_bytes(), at)).collect();
        let fitting = Cell::new(names.len());
        let place = |stream: &[u8]| places.get(stream).copied().filter(|at| *at < fitting.get());
        view.each_of(&|stream| place(stream).is_some(), &mut |fact| {
            if let Some(at) = place(fact.event.stream.as_bytes()) {
                group.push(at, fact);
            }
            group.shrink(held_max);
            fitting.set(group.runs.len());
        })?;
        Ok(group)
    }

    fn push(&mut self, at: usize, fact: &Fact<'_>) {
        let run = &mut self.runs[at];
        if let Ok(fold) = &mut run.fold {
            let pushed = fold.push(fact);
            let held = STATE_LEN + fold.audit_len();
            self.held = self.held - run.held + held;
            run.held = held;
            if let Err(error) = pushed {
                run.fold = Err(error);
            }
        }
    }

    /// Leaves the last runs to a later group as long as there are too many.
    fn shrink(&mut self, held_max: usize) {
        while self.held > held_max && self.runs.len() > 1 {
            self.held -= self.runs.pop().map_or(0, |run| run.held);
        }
    }
}

#[cfg(test)]
mod tests;
