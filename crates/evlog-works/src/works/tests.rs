//! Small works: their figures, and that a store that loses events gives no figure.

use super::*;
use crate::contender::Store;
use crate::events::Events;
use crate::floor::{FLOOR, ZEROED};
use crate::ours::EVLOG;
use crate::watch::{Stopped, Unwatched};
use std::ops::Range;
use std::path::Path;

/// Works that start no program.
const IN_PROCESS: [Work; 8] = [
    Work::Bulk,
    Work::Replay,
    Work::Durable1,
    Work::Durable8,
    Work::Pipelined,
    Work::ReplayTyped,
    Work::Disk,
    Work::Lookup,
];

fn small() -> Scale {
    let moment = Duration::from_millis(1);
    Scale { events: 1500, big: 3000, durable: moment, rounds: 2, followed: 1, patience: moment, busy: true }
}

fn in_room<T>(contenders: Vec<Contender>, work: impl FnOnce(&Plan<'_>) -> T) -> T {
    let temp = tempfile::tempdir().unwrap();
    let programs = Programs { evlog: PathBuf::new(), victim: Vec::new(), hasher: None, formats: Vec::new() };
    let done = work(&Plan { dir: temp.path().to_path_buf(), scale: small(), contenders, programs: &programs });
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0, "works leave nothing behind");
    done
}

#[derive(Default)]
struct Counted {
    steps: usize,
    most: Option<usize>,
}

impl Watch for Counted {
    fn step(&mut self, _: &'static str) {
        self.steps += 1;
    }

    fn stops(&mut self) -> bool {
        self.most.is_some_and(|most| self.steps >= most)
    }
}

#[test]
fn every_contender_has_a_figure_for_each_round_of_each_work() {
    let mut watch = Counted::default();
    let contenders = vec![EVLOG, FLOOR, ZEROED];
    let (results, steps) =
        in_room(contenders, |plan| (run(plan, &IN_PROCESS, &mut watch).unwrap(), plan.steps(&IN_PROCESS)));
    assert_eq!(watch.steps, steps, "as many steps as were announced");
    let rounds = |work, case, contender| results.of(work, case, contender).map(|series| series.rounds.len());
    for contender in ["evlog", "floor", "floor-zeroed"] {
        for case in ["", "busy disk"] {
            assert_eq!(rounds("durable1", case, contender), Some(2), "{contender} {case}");
            assert_eq!(rounds("durable8", case, contender), Some(2), "{contender} {case}");
        }
        assert_eq!(rounds("bulk", "", contender), Some(2), "{contender}");
    }
    assert_eq!((rounds("replay", "", "floor"), rounds("replay", "", "floor-zeroed")), (Some(2), None));
    assert_eq!((rounds("replay-typed", "", "evlog"), rounds("disk", "", "evlog")), (Some(2), Some(1)));
    assert_eq!(rounds("lookup", "commits of one event, all streams at once, files forgotten", "evlog"), Some(2));
    assert_eq!(results.tsv().lines().count(), 1 + results.series().iter().map(|one| one.rounds.len()).sum::<usize>());
}

/// The floor, except that it loses the last event of each commit.
struct Forgetful(Box<dyn Store>);

impl Store for Forgetful {
    fn append(&self, events: &Events, numbers: Range<usize>, synced: bool) -> Done<()> {
        self.0.append(events, numbers.start..numbers.end - 1, synced)
    }

    fn replay(&self) -> Done<u64> {
        self.0.replay()
    }
}

#[test]
fn a_store_that_loses_events_is_an_error_and_no_figure() {
    let open = |dir: &Path| Ok(Box::new(Forgetful((FLOOR.open)(dir)?)) as Box<dyn Store>);
    let forgetful = Contender { name: "forgetful", open, replays: true };
    let error = in_room(vec![forgetful], |plan| run(plan, &[Work::Bulk, Work::Replay], &mut Unwatched).unwrap_err());
    assert!(error.to_string().contains("expected forgetful to read 1500 events, found 1498"), "{error}");
}

#[test]
fn works_that_are_stopped_end_before_the_next_step_and_leave_nothing() {
    let mut watch = Counted { most: Some(2), ..Counted::default() };
    let error = in_room(vec![EVLOG, FLOOR], |plan| run(plan, &Work::ALL, &mut watch).unwrap_err());
    assert!(error.is::<Stopped>(), "{error}");
    assert_eq!(watch.steps, 2);
}

#[test]
fn works_have_the_names_by_which_they_are_found() {
    assert!(Work::ALL.into_iter().all(|work| Work::named(work.name()) == Some(work)));
    assert_eq!(Work::named("haste"), None);
}

#[test]
fn the_page_of_measurements_names_every_work_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/README.md");
    let text = std::fs::read_to_string(page).unwrap();
    let (_, table) = text.split_once("## The works\n").unwrap();
    let rows = table.lines().skip_while(|line| !line.starts_with("| `")).take_while(|line| line.starts_with("| `"));
    let mut named: Vec<&str> = rows.map(|row| row[3..].split('`').next().unwrap()).collect();
    let mut works = Work::ALL.map(Work::name);
    named.sort_unstable();
    works.sort_unstable();
    assert_eq!(named, works);
}
