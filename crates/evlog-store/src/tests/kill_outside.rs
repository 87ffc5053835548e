//! Real processes whose log is removed, moved or replaced at any moment, in a loop. Each process ends by itself, and what it
//! acknowledged is in the directory that it had. If only `LOCK` was deleted, no second process gets in.
//!
//! `EVLOG_KILL_SEED=n` chooses the moments, and is printed by a failure. `EVLOG_KILLS=n` says how many: `just kill n`.

use super::kill::{Known, Running};
use super::scenario::Dice;
use super::*;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The number of times that it is done in an ordinary run.
const TIMES: u64 = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outside {
    Move,
    MoveSegments,
    Remove,
    RemoveLastSegment,
    ReplaceLastSegment,
    RemoveLock,
}

const ALL: [Outside; 6] = [
    Outside::Move,
    Outside::MoveSegments,
    Outside::Remove,
    Outside::RemoveLastSegment,
    Outside::ReplaceLastSegment,
    Outside::RemoveLock,
];

fn last_segment(log: &Path) -> Option<PathBuf> {
    let names = fs::read_dir(log.join("segments")).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.extension().is_some_and(|suffix| suffix == "seg")).max()
}

/// Does it now. A writer may be faster than the copying.
fn happen(outside: Outside, log: &Path, aside: &Path) {
    match outside {
        Outside::Move => fs::rename(log, aside).unwrap(),
        Outside::MoveSegments => {
            fs::create_dir(aside).unwrap();
            fs::rename(log.join("segments"), aside.join("segments")).unwrap();
        }
        Outside::Remove => {
            fs::rename(log, aside).unwrap();
            // Until the writer notices, it may make a file in the directory.
            while aside.exists() {
                let _again = fs::remove_dir_all(aside);
            }
        }
        Outside::RemoveLastSegment => fs::remove_file(last_segment(log).unwrap()).unwrap(),
        Outside::ReplaceLastSegment => {
            let (path, copy) = (last_segment(log).unwrap(), log.join("copy"));
            fs::copy(&path, &copy).unwrap();
            fs::rename(copy, path).unwrap();
        }
        Outside::RemoveLock => fs::remove_file(log.join("LOCK")).unwrap(),
    }
}

fn once(outside: Outside, dice: &mut Dice, name: &str) -> usize {
    let temp = tempfile::tempdir().unwrap();
    let (log, aside) = (temp.path().join("log"), temp.path().join("aside"));
    let mut first = Running::start(&log, false);
    first.wait_for(1 + dice.roll(60));
    std::thread::sleep(Duration::from_micros(dice.roll(4_000)));
    happen(outside, &log, &aside);
    if outside == Outside::RemoveLock {
        let second = Running::start(&log, false).ended();
        assert!(second.is_empty(), "{name}: a second writer acknowledged {second:?}");
        first.wait_for(20);
        let acknowledged = first.killed();
        Known::default().look(&log, &acknowledged, name);
        return acknowledged.len();
    }
    // A writer that was already in the next segment does not notice, so the same is done to the next segment.
    while matches!(outside, Outside::RemoveLastSegment | Outside::ReplaceLastSegment) && first.is_alive() {
        std::thread::sleep(Duration::from_millis(50));
        if last_segment(&log).is_some() {
            happen(outside, &log, &aside);
        }
    }
    // The child ends by itself, because it must not go on acknowledging commits into a directory that no path leads to.
    let acknowledged = first.ended();
    match outside {
        Outside::Move => Known::default().look(&aside, &acknowledged, name),
        Outside::MoveSegments => {
            fs::rename(log.join("HEAD"), aside.join("HEAD")).unwrap();
            Known::default().look(&aside, &acknowledged, name);
        }
        _ => {}
    }
    acknowledged.len()
}

#[test]
fn whatever_is_done_to_the_directory_of_a_process_it_stops_and_its_acknowledged_commits_are_there() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let seed = number("EVLOG_KILL_SEED", RandomState::new().hash_one(0) >> 32);
    let (mut dice, mut acknowledged) = (Dice::new(seed), 0);
    let times = number("EVLOG_KILLS", TIMES);
    for time in 0..times {
        let outside = ALL[usize::try_from(dice.roll(ALL.len() as u64)).unwrap()];
        acknowledged += once(outside, &mut dice, &format!("EVLOG_KILL_SEED={seed}, {outside:?}, time {time}"));
    }
    assert!(acknowledged as u64 > times, "the rounds were too short to show anything: {acknowledged}");
}
