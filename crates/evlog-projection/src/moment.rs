//! The two times of a commit: when it was recorded, and when it happened according to its caller. They may differ, which is
//! not a fault. A mark shows people where they differ.

use evlog_format::CommitHead;

/// The distance in nanoseconds beyond which two times get a mark.
pub const APART_NS: u128 = 60 * 1_000_000_000;

/// One of the two times of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The time when it was recorded.
    Recorded,
    /// When it happened according to the caller, or else when it was recorded.
    Happened,
}

impl Moment {
    /// This time of a commit, Unix nanoseconds.
    pub fn of(self, head: &CommitHead<'_>) -> i128 {
        match self {
            Moment::Recorded => i128::from(head.recorded_ns),
            Moment::Happened => head.time_ns(),
        }
    }
}

/// The times of a commit, Unix nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The time when it was recorded.
    pub recorded_ns: i64,
    /// When it happened, if the caller says so.
    pub occurred_ns: Option<i128>,
}

/// Marks a commit that happened at another time than it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// `backdated` or `ahead`.
    pub word: &'static str,
    /// How far apart the two times are, in nanoseconds.
    pub distance_ns: u128,
    /// When it happened, as the caller says, Unix nanoseconds.
    pub occurred_ns: i128,
}

impl Times {
    /// The times of a commit.
    pub fn of(head: &CommitHead<'_>) -> Times {
        Times { recorded_ns: head.recorded_ns, occurred_ns: head.occurred_ns }
    }

    /// When it happened according to the caller, or else when it was recorded.
    pub fn happened_ns(self) -> i128 {
        self.occurred_ns.unwrap_or(i128::from(self.recorded_ns))
    }

    /// The mark, if the two times are further apart than `apart_ns`.
    pub fn mark(self, apart_ns: u128) -> Option<Mark> {
        let (occurred_ns, recorded_ns) = (self.occurred_ns?, i128::from(self.recorded_ns));
        let distance_ns = occurred_ns.abs_diff(recorded_ns);
        let word = if occurred_ns < recorded_ns { "backdated" } else { "ahead" };
        (distance_ns > apart_ns).then_some(Mark { word, distance_ns, occurred_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_gets_a_mark_where_it_is_further_from_the_clock_than_allowed() {
        let mark = |occurred_ns: Option<i128>, apart_ns| {
            Times { recorded_ns: 1000, occurred_ns }.mark(apart_ns).map(|mark| (mark.word, mark.distance_ns))
        };
        assert_eq!(mark(None, 0), None);
        assert_eq!(mark(Some(1000), 0), None);
        assert_eq!((mark(Some(990), 10), mark(Some(1010), 10)), (None, None));
        assert_eq!(mark(Some(989), 10), Some(("backdated", 11)));
        assert_eq!(mark(Some(1011), 10), Some(("ahead", 11)));
        assert_eq!(mark(Some(i128::MAX), u128::MAX), None);
    }
}
