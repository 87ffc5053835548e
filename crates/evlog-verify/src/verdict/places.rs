//! Where a log is damaged, in bounded memory however many findings there are. The comparison with a checkpoint asks this.

use alloc::vec::Vec;
use core::ops::Range;

/// The maximum number of ranges that are kept.
const KEPT_MAX: usize = 65_536;

/// Places of a log. If there are too many, those that are nearest to each other become one range, which also covers what is
/// between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places(Vec<Range<u64>>);

impl Places {
    pub(super) fn add(&mut self, range: Range<u64>) {
        if self.0.len() == KEPT_MAX {
            self.join_nearest();
        }
        self.0.push(range);
    }

    /// Joins those that are no further apart than half of all.
    fn join_nearest(&mut self) {
        self.0.sort_unstable_by_key(|range| range.start);
        let mut gaps: Vec<u64> = self.0.windows(2).map(|pair| gap(&pair[0], &pair[1])).collect();
        let middle = gaps.len() / 2;
        let (_, &mut near, _) = gaps.select_nth_unstable(middle);
        self.0.dedup_by(|next, before| {
            let is_near = gap(before, next) <= near;
            if is_near {
                before.end = before.end.max(next.end);
            }
            is_near
        });
    }

    pub(super) fn extend(&mut self, others: &Places) {
        others.0.iter().cloned().for_each(|range| self.add(range));
    }

    pub(super) fn are_in(&self, within: &Range<u64>) -> bool {
        self.0.iter().any(|range| range.start < within.end && within.start < range.end)
    }
}

fn gap(before: &Range<u64>, next: &Range<u64>) -> u64 {
    next.start.saturating_sub(before.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_are_far_apart_stay_apart_however_many_there_are() {
        let far = 1_000_000_000;
        let many = 4 * KEPT_MAX as u64;
        let mut places = Places::default();
        for at in (0..3).map(|nth| nth * far).chain((0..many).map(|nth| 3 * far + 10 * nth)) {
            places.add(at..at + 1);
        }
        for (start, end) in [(1, far), (far + 1, 2 * far), (2 * far + 1, 3 * far)] {
            assert!(!places.are_in(&(start..end)), "{start} to {end}");
        }
        assert!((0..3).all(|nth| places.are_in(&(nth * far..nth * far + 1))));
        assert!((0..many).map(|nth| 3 * far + 10 * nth).all(|at| places.are_in(&(at..at + 1))));
        assert!(places.0.len() <= KEPT_MAX);
    }
}
