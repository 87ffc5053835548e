//! The events of a case that a constraint remembers.

use super::Rule;
use crate::reading::Reading;
use evlog_format::Seq;
use rpds::RedBlackTreeMapSync;

/// How many activations may wait in a case for the event that they require.
const OPEN_MAX: usize = 10_000;

/// How many different times of earlier events are remembered in a case, for a rule with `within`, for the same values of
/// `same`.
const TIMES_MAX: usize = 1_000;

/// An event, as a constraint compares it with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) seq: Seq,
    pub(super) time_ns: i128,
    /// Whether the caller's selection includes the event.
    pub(super) is_selected: bool,
    /// The values of the rule's `same`; `None` if the event lacks one of them.
    same: Option<String>,
    /// The value of the rule's `different`; `None` if the event lacks it.
    different: Option<String>,
}

impl Mark {
    /// A mark without the values that the rule compares.
    pub(super) fn new(rule: &Rule, reading: &Reading<'_>, is_selected: bool) -> Mark {
        let head = &reading.fact.head;
        let time_ns = if rule.occurred { head.time_ns() } else { head.recorded_ns.into() };
        Mark { seq: reading.fact.seq, is_selected, time_ns, same: None, different: None }
    }

    /// This mark, with the values that the rule compares.
    pub(super) fn compared(self, rule: &Rule, reading: &Reading<'_>) -> Mark {
        let values: Option<Vec<String>> = rule.same.iter().map(|field| field.key(reading)).collect();
        let different = rule.different.as_ref().and_then(|field| field.key(reading));
        Mark { same: values.map(|values| values.join("\n")), different, ..self }
    }

    /// Whether this earlier event and a later one can be the pair that the rule means. If an event lacks a value, that value
    /// is neither the same as another, nor different from it.
    pub(super) fn fits(&self, rule: &Rule, later: &Mark) -> bool {
        self.is_same(later)
            && (rule.different.is_none() || is_different(self.different.as_ref(), later.different.as_ref()))
            && rule.within_ns.is_none_or(|within_ns| {
                (later.time_ns - self.time_ns).unsigned_abs() <= u128::from(within_ns.unsigned_abs())
            })
    }

    pub(super) fn is_same(&self, other: &Mark) -> bool {
        self.same.is_some() && self.same == other.same
    }

    /// Whether the rule's time is over, counted from this event.
    pub(super) fn is_late(&self, rule: &Rule, now_ns: i128) -> bool {
        rule.within_ns.is_some_and(|within_ns| now_ns - self.time_ns > i128::from(within_ns))
    }
}

fn is_different(left: Option<&String>, right: Option<&String>) -> bool {
    matches!((left, right), (Some(left), Some(right)) if left != right)
}

/// The latest of the earlier events with the same values of `same`. It holds the event with the latest time, and the event
/// with the latest time among those whose `different` has another value. A later event differs from at least one of these two,
/// so the latest event that differs from it is one of them. Times can go back, so the event with the latest time is not always
/// the last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Latest {
    last: Mark,
    other: Option<Mark>,
}

impl Latest {
    fn find(&self, rule: &Rule, later: &Mark) -> Option<&Mark> {
        [Some(&self.last), self.other.as_ref()].into_iter().flatten().find(|earlier| earlier.fits(rule, later))
    }

    fn add(&mut self, mark: Mark) {
        let is_later = mark.time_ns >= self.last.time_ns;
        let is_other = mark.different != self.last.different;
        match (is_later, is_other) {
            (true, true) => self.other = Some(std::mem::replace(&mut self.last, mark)),
            (true, false) => self.last = mark,
            (false, true) if self.other.as_ref().is_none_or(|other| mark.time_ns >= other.time_ns) => {
                self.other = Some(mark);
            }
            (false, _) => {}
        }
    }
}

/// The earlier events that a later event can need, by the values of `same`. Copies share the events: an enforced rule is
/// judged for each command, and what it remembers must not be copied each time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Past(RedBlackTreeMapSync<Option<String>, Times>);

/// Earlier events by their time, if the rule has `within`: times can go back, so any of them can be the one that is near
/// enough. Without `within` all are in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Times {
    by_time: RedBlackTreeMapSync<i128, Latest>,
    /// The latest time of the events that were forgotten, because there were too many.
    forgotten_ns: Option<i128>,
}

/// An event that could have matched was forgotten, so it is not known whether there is one.
#[derive(Debug)]
pub(super) struct Forgotten;

impl Past {
    /// Adds an event, unless it lacks a value that the rule compares. Such an event matches no other event.
    pub(super) fn add(&mut self, rule: &Rule, mark: Mark) {
        if mark.same.is_none() || (rule.different.is_some() && mark.different.is_none()) {
            return;
        }
        let place = if rule.within_ns.is_some() { mark.time_ns } else { 0 };
        let same = mark.same.clone();
        if !self.0.contains_key(&same) {
            self.0.insert_mut(same.clone(), Times::default());
        }
        let Some(times) = self.0.get_mut(&same) else { unreachable!("it was inserted") };
        match times.by_time.get_mut(&place) {
            Some(latest) => latest.add(mark),
            None => times.by_time.insert_mut(place, Latest { last: mark, other: None }),
        }
        if times.by_time.size() > TIMES_MAX
            && let Some((&first_ns, _)) = times.by_time.first()
        {
            times.by_time.remove_mut(&first_ns);
            times.forgotten_ns = times.forgotten_ns.max(Some(first_ns));
        }
    }

    /// The latest earlier event that fits this one.
    pub(super) fn find(&self, rule: &Rule, later: &Mark) -> Result<Option<&Mark>, Forgotten> {
        let Some(times) = self.0.get(&later.same) else { return Ok(None) };
        let Some(within_ns) = rule.within_ns.map(i128::from) else {
            return Ok(times.by_time.values().find_map(|latest| latest.find(rule, later)));
        };
        let (since_ns, until_ns) = (later.time_ns - within_ns, later.time_ns + within_ns);
        let mut near = times.by_time.range(since_ns..=until_ns).rev();
        match near.find_map(|(_, latest)| latest.find(rule, later)) {
            None if times.forgotten_ns.is_some_and(|forgotten_ns| forgotten_ns >= since_ns) => Err(Forgotten),
            found => Ok(found),
        }
    }

    /// The latest earlier event with the same values of `same`, whether it fits or not.
    pub(super) fn last_of(&self, later: &Mark) -> Option<&Mark> {
        Some(&self.0.get(&later.same)?.by_time.last()?.1.last)
    }

    /// Drops the events with the same values.
    pub(super) fn drop_same(&mut self, mark: &Mark) {
        self.0.remove_mut(&mark.same);
    }
}

/// Activations that wait for the event that they require.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Open(Vec<Mark>);

impl Open {
    /// Adds an activation; false if there are too many, and it is left out.
    pub(super) fn add(&mut self, mark: Mark) -> bool {
        let has_room = self.0.len() < OPEN_MAX;
        if has_room {
            self.0.push(mark);
        }
        has_room
    }

    /// Removes and returns those for which this holds.
    pub(super) fn take(&mut self, mut is_taken: impl FnMut(&Mark) -> bool) -> Vec<Mark> {
        self.0.extract_if(.., |mark| is_taken(mark)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
