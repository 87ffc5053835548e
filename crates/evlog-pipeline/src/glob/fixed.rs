//! The text that all paths that a pattern matches have in common.
//!
//! Does not: find all of that text. It skips segments far from both ends of a path. In a segment with a wildcard it looks only
//! at what is before the first wildcard and at the end.

use super::{Glob, Part, Segment};
use std::collections::BTreeMap;

/// How many segments are looked at from each end.
const SEGMENTS_MAX: usize = 8;

/// How much of a string is kept, in characters.
const LEN_MAX: usize = 64;

/// A spot in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spot {
    /// The beginning of the path.
    Path,
    /// The beginning of a segment, counted from the path's beginning or from its end.
    Begins(Counted, usize),
    /// The end of a segment, read backwards.
    Ends(Counted, usize),
}

/// From where segments are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counted {
    FromBeginning,
    FromEnd,
}

impl Glob {
    /// The texts that all matching paths have at some spots. A segment without wildcards ends with a slash in the text, so
    /// that no longer segment begins with it.
    pub(crate) fn fixed(&self) -> BTreeMap<Spot, String> {
        let beginning = self.beginning();
        let mut fixed = BTreeMap::from([(Spot::Path, beginning.chars().take(LEN_MAX).collect())]);
        fixed.retain(|_, text: &mut String| !text.is_empty());
        add(&mut fixed, Counted::FromBeginning, self.segments.iter());
        add(&mut fixed, Counted::FromEnd, self.segments.iter().rev());
        fixed
    }
}

fn add<'g>(fixed: &mut BTreeMap<Spot, String>, from: Counted, segments: impl Iterator<Item = &'g Segment>) {
    // After `**` the number of a segment is unknown.
    let counted = segments.map_while(|segment| match segment {
        Segment::Any => None,
        Segment::One(parts) => Some(parts),
    });
    for (number, parts) in counted.take(SEGMENTS_MAX).enumerate() {
        for (spot, text) in [
            (Spot::Begins(from, number), text(parts.iter(), parts.len())),
            (Spot::Ends(from, number), text(parts.iter().rev(), parts.len())),
        ] {
            if !text.is_empty() {
                fixed.insert(spot, text);
            }
        }
    }
}

/// The characters up to the first wildcard of `count` parts.
fn text<'g>(parts: impl Iterator<Item = &'g Part>, count: usize) -> String {
    let exactly = |part: &Part| match part {
        Part::Exactly(c) => Some(*c),
        _ => None,
    };
    let text: String = parts.map_while(exactly).take(LEN_MAX).collect();
    if text.chars().count() == count && count < LEN_MAX { text + "/" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Counted::{FromBeginning, FromEnd};

    #[test]
    fn k07_what_is_fixed_is_found_from_both_ends_up_to_segments_of_any_number() {
        let fixed = |text: &str| Glob::parse(text).unwrap().fixed();
        let of = |spots: &[(Spot, &str)]| spots.iter().map(|(spot, text)| (*spot, (*text).to_owned())).collect();
        let (begins, ends) = (Spot::Begins, Spot::Ends);
        assert_eq!(fixed("**"), of(&[]));
        assert_eq!(
            fixed("ab/**/x*yz"),
            of(&[
                (Spot::Path, "ab"),
                (begins(FromBeginning, 0), "ab/"),
                (ends(FromBeginning, 0), "ba/"),
                (begins(FromEnd, 0), "x"),
                (ends(FromEnd, 0), "zy"),
            ])
        );
        assert_eq!(fixed("*/a?"), of(&[(begins(FromBeginning, 1), "a"), (begins(FromEnd, 0), "a")]));
        let long = format!("**/{}", "a".repeat(LEN_MAX));
        assert_eq!(fixed(&long)[&begins(FromEnd, 0)], "a".repeat(LEN_MAX));
    }
}
