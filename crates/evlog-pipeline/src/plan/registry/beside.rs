//! Bindings so far, found by what all paths begin with that they match.
//!
//! Does: give those that could share a path with another pattern, or could need a file where that needs a directory.
//! Does not: compare them.
//!
//! Invariant: none is left out. Two patterns meet only where one's beginning is the beginning of the other's, and so it is
//! with paths that clash.

use super::Binding;
use crate::glob::Glob;
use std::collections::BTreeMap;
use std::ops::Bound;

/// The places of bindings, by their beginnings.
#[derive(Default)]
pub(super) struct Beside(BTreeMap<String, Vec<usize>>);

impl Beside {
    /// Adds the last of the bindings.
    pub(super) fn add_last(&mut self, bindings: &[Binding]) {
        if let Some((last, others)) = bindings.split_last() {
            self.0.entry(last.glob.beginning().to_owned()).or_default().push(others.len());
        }
    }

    /// The places of all that a pattern has to be compared with, in their order.
    pub(super) fn near(&self, glob: &Glob) -> Vec<usize> {
        let whole = glob.beginning();
        let shorter = whole.char_indices().filter_map(|(at, _)| self.0.get(&whole[..at]));
        let longer = self.0.range::<str, _>((Bound::Included(whole), Bound::Unbounded));
        let longer = longer.take_while(|(other, _)| other.starts_with(whole)).map(|(_, places)| places);
        let mut places: Vec<usize> = shorter.chain(longer).flatten().copied().collect();
        places.sort_unstable();
        places
    }
}
