//! The bindings so far, indexed by the text that is fixed in all paths that they match.
//!
//! Does: return the bindings that could share a path with a given pattern, or need a file where the pattern needs a directory.
//! Does not: compare them.
//!
//! Invariant: no such binding is left out. Two patterns meet only if, at each spot where both have fixed text, one of these
//! texts is the beginning of the other. Two paths clash only if one is the beginning of the other.

use super::Binding;
use crate::glob::{Exhausted, Glob, Spot, Steps};
use std::collections::BTreeMap;
use std::ops::Bound;

/// A spot with fewer bindings is good enough: the search for a better one stops.
const FEW: usize = 16;

/// The places of bindings.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// The number of bindings.
    count: usize,
    spots: BTreeMap<Spot, At>,
    /// The bindings without wildcards, by their paths.
    literal: Texts,
}

/// Bindings, by the text that is fixed at a spot.
#[derive(Debug, Default)]
struct At {
    fixed: Texts,
    /// The bindings in which nothing is fixed at the spot.
    others: Vec<usize>,
}

#[derive(Debug, Default)]
struct Texts(BTreeMap<String, Vec<usize>>);

impl Beside {
    /// Adds the last of the bindings.
    pub(super) fn add_last(&mut self, bindings: &[Binding]) {
        let Some((last, others)) = bindings.split_last() else { return };
        let (place, mut fixed) = (others.len(), last.glob.fixed());
        if last.glob.is_literal() {
            self.literal.add(last.glob.as_str().to_owned(), place);
        }
        for (spot, at) in &mut self.spots {
            match fixed.remove(spot) {
                Some(text) => at.fixed.add(text, place),
                None => at.others.push(place),
            }
        }
        for (spot, text) in fixed {
            let at = self.spots.entry(spot).or_default();
            at.others = (0..place).collect();
            at.fixed.add(text, place);
        }
        self.count = bindings.len();
    }

    /// The places, in ascending order, of all bindings that a pattern has to be compared with. Each binding that is looked
    /// at, and each place that is returned, uses up one of the `steps`.
    pub(super) fn near(&self, glob: &Glob, steps: &mut Steps) -> Result<Vec<usize>, Exhausted> {
        let mut places = self.at_the_best_spot(glob, steps)?;
        if glob.is_literal() {
            places.extend(self.literal.near(glob.as_str()));
        }
        places.sort_unstable();
        places.dedup();
        steps.take(places.len())?;
        Ok(places)
    }

    /// The candidates at the spot that has the fewest, or not many more. Each spot is read with a growing limit. So no spot
    /// costs much more than the best one.
    fn at_the_best_spot(&self, glob: &Glob, steps: &mut Steps) -> Result<Vec<usize>, Exhausted> {
        let (fixed, mut most) = (glob.fixed(), FEW);
        while most <= self.count {
            for (spot, text) in &fixed {
                let Some(at) = self.spots.get(spot) else { continue };
                let here: Vec<usize> = at.others.iter().copied().chain(at.fixed.near(text)).take(most).collect();
                steps.take(here.len())?;
                if here.len() < most {
                    return Ok(here);
                }
            }
            most *= 4;
        }
        Ok((0..self.count).collect())
    }
}

impl Texts {
    fn add(&mut self, text: String, place: usize) {
        self.0.entry(text).or_default().push(place);
    }

    /// The places of the texts that are a beginning of `text`, and of those that begin with `text`.
    fn near<'t>(&'t self, text: &'t str) -> impl Iterator<Item = usize> + 't {
        let shorter = text.char_indices().filter_map(|(at, _)| self.0.get(&text[..at]));
        let longer = self.0.range::<str, _>((Bound::Included(text), Bound::Unbounded));
        let longer = longer.take_while(move |(other, _)| other.starts_with(text)).map(|(_, places)| places);
        shorter.chain(longer).flatten().copied()
    }
}
