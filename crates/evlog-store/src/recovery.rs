//! What to do with a segment, depending on why its scan stopped. The table is exhaustive: every combination of inputs matches
//! exactly one row, and a test walks them all. `docs/recovery.md` is made from it.
//!
//! Does: decide. Does not: read or write. `scan` found the case, and `open` carries out the action.
//!
//! The table is sound because of two facts:
//! - A segment is synced before the next one is made. So only the last segment can hold an unfinished commit.
//! - Each frame states a position before which all bytes were synced. The largest of these positions and of the position in
//!   `HEAD` is the *durable floor*. Bytes below it cannot be an unfinished commit, whatever they look like. Bytes above it
//!   were never acknowledged under class `sync`.

use evlog_verify::Verdict;

/// The reason why a scan stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It reached the file's end, after a whole frame or the header.
    End,
    /// Only zeros follow.
    Zeros,
    /// A length of zero, followed by bytes that are not zero.
    Gap,
    /// The frame's length reaches beyond the file's end.
    Incomplete,
    /// The frame's checksum does not match, or its length exceeds the limit.
    Corrupt,
    /// The checksum matches, but the commit does not decode.
    Malformed,
    /// The commit decodes, but does not continue the log: its seq, or a number within a stream, is not the next one.
    Disordered,
}

/// The place where the durable floor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// Not above the place where the scan stopped: everything that was synced is there.
    Reached,
    /// Above that place, within the file.
    Missed,
    /// Above the end of the file.
    Beyond,
}

/// Whether a valid frame is anywhere after the place where the scan stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// There is none.
    None,
    /// There is at least one.
    Valid,
}

/// Whether the segment may still grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The last segment of the log.
    Last,
    /// A segment before it. Its floor is the position of the next segment.
    Sealed,
}

/// One combination of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The reason why the scan stopped.
    pub stop: Stop,
    /// The place where the durable floor lies.
    pub floor: Floor,
    /// Whether a valid frame follows.
    pub later: Later,
    /// Whether the segment may still grow.
    pub place: Place,
}

/// The action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: the segment is whole.
    Keep,
    /// Cut the zeros; they hold nothing to keep.
    Trim,
    /// Copy the bytes from the stop on into `quarantine/`, then cut them.
    Cut,
    /// Change nothing, and report why.
    Refuse(Verdict),
}

/// A row of the table. It matches a case if each of its sets contains the case's value.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub id: &'static str,
    place: &'static [Place],
    stop: &'static [Stop],
    floor: &'static [Floor],
    later: &'static [Later],
    /// The action.
    pub action: Action,
    /// The reason.
    pub why: &'static str,
}

const STOPS: &[Stop] =
    &[Stop::End, Stop::Zeros, Stop::Gap, Stop::Incomplete, Stop::Corrupt, Stop::Malformed, Stop::Disordered];
/// All stops except those of a commit whose checksum was made to match.
const ACCIDENTS: &[Stop] = &[Stop::End, Stop::Zeros, Stop::Gap, Stop::Incomplete, Stop::Corrupt, Stop::Malformed];
const FLOORS: &[Floor] = &[Floor::Reached, Floor::Missed, Floor::Beyond];
const LATERS: &[Later] = &[Later::None, Later::Valid];
const PLACES: &[Place] = &[Place::Last, Place::Sealed];
/// What an unfinished write can leave.
const TORN: &[Stop] = &[Stop::Gap, Stop::Incomplete, Stop::Corrupt];

/// The table.
pub const TABLE: &[Row] = &[
    Row {
        id: "V-01",
        place: &[Place::Last],
        stop: &[Stop::End],
        floor: &[Floor::Reached],
        later: &[Later::None],
        action: Action::Keep,
        why: "The log ends after a whole commit.",
    },
    Row {
        id: "V-02",
        place: &[Place::Last],
        stop: &[Stop::Zeros],
        floor: &[Floor::Reached],
        later: &[Later::None],
        action: Action::Trim,
        why: "Zeros were written, or the file was extended, ahead of a commit that never came.",
    },
    Row {
        id: "V-03",
        place: &[Place::Last],
        stop: TORN,
        floor: &[Floor::Reached],
        later: &[Later::None],
        action: Action::Cut,
        why: "An unfinished commit: a crash came before its sync, so it was never acknowledged.",
    },
    Row {
        id: "V-04",
        place: &[Place::Last],
        stop: TORN,
        floor: &[Floor::Reached],
        later: &[Later::Valid],
        action: Action::Cut,
        why: "Unsynced writes reach the disk in any order, so a later one may be whole. The later \
              frame's durable-before says that the failing frame was not synced when the later frame was written. So \
              both belong to groups that were never acknowledged.",
    },
    Row {
        id: "V-05",
        place: &[Place::Last],
        stop: TORN,
        floor: &[Floor::Missed],
        later: LATERS,
        action: Action::Refuse(Verdict::Damaged),
        why: "The failing bytes were synced once, and may have been acknowledged: this is not a torn tail.",
    },
    Row {
        id: "V-06",
        place: &[Place::Last],
        stop: &[Stop::Zeros],
        floor: &[Floor::Missed],
        later: &[Later::None],
        action: Action::Refuse(Verdict::Damaged),
        why: "Synced bytes became zeros.",
    },
    Row {
        id: "V-07",
        place: &[Place::Last],
        stop: &[Stop::Malformed],
        floor: &[Floor::Reached, Floor::Missed],
        later: LATERS,
        action: Action::Refuse(Verdict::Damaged),
        why: "A crash does not make a matching checksum over something that is no commit.",
    },
    Row {
        id: "V-08",
        place: &[Place::Last],
        stop: ACCIDENTS,
        floor: &[Floor::Beyond],
        later: LATERS,
        action: Action::Refuse(Verdict::Truncated),
        why: "Bytes that were synced are not there any more.",
    },
    Row {
        id: "V-09",
        place: &[Place::Last],
        stop: &[Stop::End],
        floor: &[Floor::Reached],
        later: &[Later::Valid],
        action: Action::Refuse(Verdict::Damaged),
        why: "Cannot be: no frame follows the end of the file.",
    },
    Row {
        id: "V-10",
        place: &[Place::Last],
        stop: &[Stop::End],
        floor: &[Floor::Missed],
        later: LATERS,
        action: Action::Refuse(Verdict::Damaged),
        why: "Cannot be: a scan that reached the end has passed every place within the file.",
    },
    Row {
        id: "V-11",
        place: &[Place::Last],
        stop: &[Stop::Zeros],
        floor: &[Floor::Reached, Floor::Missed],
        later: &[Later::Valid],
        action: Action::Refuse(Verdict::Damaged),
        why: "Cannot be: there is no frame among zeros.",
    },
    Row {
        id: "V-12",
        place: &[Place::Sealed],
        stop: &[Stop::End],
        floor: &[Floor::Reached],
        later: &[Later::None],
        action: Action::Keep,
        why: "The segment ends where the next begins.",
    },
    Row {
        id: "V-13",
        place: &[Place::Sealed],
        stop: &[Stop::End],
        floor: &[Floor::Reached],
        later: &[Later::Valid],
        action: Action::Refuse(Verdict::Damaged),
        why: "Cannot be: no frame follows the end of the file.",
    },
    Row {
        id: "V-14",
        place: &[Place::Sealed],
        stop: &[Stop::Zeros, Stop::Gap, Stop::Incomplete, Stop::Corrupt, Stop::Malformed],
        floor: &[Floor::Reached],
        later: LATERS,
        action: Action::Refuse(Verdict::Damaged),
        why: "The file goes on beyond the place where the next segment begins.",
    },
    Row {
        id: "V-15",
        place: &[Place::Sealed],
        stop: ACCIDENTS,
        floor: &[Floor::Missed],
        later: LATERS,
        action: Action::Refuse(Verdict::Damaged),
        why: "A segment is synced before the next one is made, so nothing in it is unfinished.",
    },
    Row {
        id: "V-16",
        place: &[Place::Sealed],
        stop: ACCIDENTS,
        floor: &[Floor::Beyond],
        later: LATERS,
        action: Action::Refuse(Verdict::Truncated),
        why: "The file ends before the next segment begins.",
    },
    Row {
        id: "V-17",
        place: PLACES,
        stop: &[Stop::Disordered],
        floor: FLOORS,
        later: LATERS,
        action: Action::Refuse(Verdict::Tampered),
        why: "Checksum and commit are well-formed and contradict the commits before them: someone made them \
              so.",
    },
];

impl Row {
    fn matches(&self, case: Case) -> bool {
        self.place.contains(&case.place)
            && self.stop.contains(&case.stop)
            && self.floor.contains(&case.floor)
            && self.later.contains(&case.later)
    }
}

/// The only row that matches a case.
pub fn plan(case: Case) -> &'static Row {
    #[cfg(all(test, not(feature = "schedules")))]
    let case = broken::seen(case);
    let Some(row) = TABLE.iter().find(|row| row.matches(case)) else {
        unreachable!("the table is exhaustive; a test walks all cases")
    };
    row
}

const DOCUMENT_HEAD: &str = "\
# Recovery

This page is generated from the table in `crates/evlog-store/src/recovery.rs`; a test compares the two. To recreate it:
`EVLOG_BLESS=1 cargo test -p evlog-store recovery`.

If a log was closed cleanly, opening it reads its last commit and the sidecar that the close wrote beside the last segment. While these agree, nothing
is scanned. A reader does the same. So in such a segment, and in every sealed segment, opening does not check the numbers
of events within their streams. A wrong number (V-17) is found by commands that read the stream, and by `evlog verify`. In all other cases the last
segment is scanned from the start, frame by frame, up to the first byte that is not a commit. This table then decides what happens. Every combination of inputs matches exactly one row.

Opening also compares the header of the last segment: its log id and segment size limit with those of the first segment (rule F-12), and its
first seq with the last commit at the end of the segment before it (rule F-16). If one differs, the log is refused as `tampered`. If the
header of the first segment cannot be read, log id and limit are not compared. If no commit is found at the end of the segment before, the first
seq is not compared. `evlog verify` reads every segment.

Opening compares the length of each sealed segment with the place where the next one begins. Nothing in a sealed segment is read. If one is too short, the log
is refused as `truncated`; if one is too long, as `damaged` (V-14, V-16). A reader shows what is before such a segment, and reports it.

- *stop*: why the scan ended. `end`: at the file's end. `zeros`: only zeros follow. `gap`: a length of zero, and other
  bytes after it. `incomplete`: the frame reaches beyond the file's end. `corrupt`: its checksum or length is wrong.
  `malformed`: its checksum matches, but the commit does not decode. `disordered`: the commit does not continue the log.
- *floor*: the largest position among the *durable-before* positions of all valid frames of the segment (also those after the stop) and the
  durable position in `HEAD`. `reached`: it is not above the stop. `missed`: it is above the stop, within the file. `beyond`: it
  is above the file's end. A sealed segment's floor is the position of the next segment.
- *later*: whether there is a valid frame anywhere after the stop.
- *action*: `keep`; `trim`: cut the zeros; `cut`: copy the bytes after the stop into `quarantine/`, sync the copy, then cut
  them; `refuse`: change nothing, and report the verdict.

`evlog repair` uses the same table. [repair.md](repair.md) says what you can do with a refused log.

| row | segment | stop | floor | later | action | why |
| --- | --- | --- | --- | --- | --- | --- |
";

fn words<T: std::fmt::Debug>(values: &[T], all: usize) -> String {
    if values.len() == all {
        return "any".to_string();
    }
    values.iter().map(|value| format!("{value:?}").to_lowercase()).collect::<Vec<_>>().join(", ")
}

/// The text of `docs/recovery.md`.
pub fn document() -> String {
    let mut out = DOCUMENT_HEAD.to_string();
    for row in TABLE {
        let action = match row.action {
            Action::Refuse(verdict) => format!("refuse `{verdict}`"),
            other => format!("{other:?}").to_lowercase(),
        };
        let (place, stop) = (words(row.place, PLACES.len()), words(row.stop, STOPS.len()));
        let (floor, later) = (words(row.floor, FLOORS.len()), words(row.later, LATERS.len()));
        let cells = [row.id, &place, &stop, &floor, &later, &action, row.why];
        out += &["| ", &cells.join(" | "), " |\n"].concat();
    }
    out
}

/// A recovery that is wrong on purpose, to show that the tests detect it.
#[cfg(all(test, not(feature = "schedules")))]
pub(crate) mod broken {
    use super::{Case, Floor, Place};
    use std::cell::Cell;

    thread_local! {
        static CUTS_BELOW_THE_FLOOR: Cell<bool> = const { Cell::new(false) };
    }

    /// While this value exists, the recoveries of this thread see no floor in the last segment.
    pub(crate) struct CutsBelowTheFloor;

    impl CutsBelowTheFloor {
        pub(crate) fn begin() -> CutsBelowTheFloor {
            CUTS_BELOW_THE_FLOOR.set(true);
            CutsBelowTheFloor
        }
    }

    impl Drop for CutsBelowTheFloor {
        fn drop(&mut self) {
            CUTS_BELOW_THE_FLOOR.set(false);
        }
    }

    pub(super) fn seen(case: Case) -> Case {
        let blind = CUTS_BELOW_THE_FLOOR.get() && case.place == Place::Last && case.floor == Floor::Missed;
        if blind { Case { floor: Floor::Reached, ..case } } else { case }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_inputs_matches_exactly_one_row() {
        let mut matched = vec![0; TABLE.len()];
        for &place in PLACES {
            for &stop in STOPS {
                for &floor in FLOORS {
                    for &later in LATERS {
                        let case = Case { stop, floor, later, place };
                        let rows: Vec<usize> = (0..TABLE.len()).filter(|&at| TABLE[at].matches(case)).collect();
                        assert_eq!(rows.len(), 1, "{case:?} matches {rows:?}");
                        matched[rows[0]] += 1;
                    }
                }
            }
        }
        assert!(matched.iter().all(|&cases| cases > 0), "a row that no case matches: {matched:?}");
    }

    #[test]
    fn nothing_below_the_floor_and_nothing_sealed_is_ever_cut() {
        for row in TABLE {
            if matches!(row.action, Action::Cut | Action::Trim) {
                assert_eq!((row.place, row.floor), (&[Place::Last][..], &[Floor::Reached][..]), "{}", row.id);
            }
        }
    }

    #[test]
    fn the_document_is_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/recovery.md");
        if std::env::var_os("EVLOG_BLESS").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == document(),
            "docs/recovery.md differs; run `EVLOG_BLESS=1 cargo test -p evlog-store recovery`"
        );
    }
}
