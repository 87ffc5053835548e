//! Crashes of the machine: at every sync and between, with any of the unsynced changes kept, whole or torn.

use super::*;
use crate::OpenError;
use crate::fs::sim::{Act, Keep, Unsynced};

/// A small generator of numbers: the number of a story decides what happens in it, but for how commits group.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn keep(&mut self) -> Keep {
        match self.roll(4) {
            0 => Keep::Nothing,
            1 => Keep::First(usize::try_from(self.roll(700)).unwrap()),
            _ => Keep::All,
        }
    }
}

/// Works until the disk fails, then crashes it; the log has to open with all that was acknowledged and nothing made up.
fn tell(story: u64) {
    let mut dice = Dice(story);
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    let act =
        [Act::SyncData, Act::Write, Act::SyncDir, Act::Rename, Act::Create][usize::try_from(dice.roll(5)).unwrap()];
    fs.fail(act, dice.roll(60), std::io::ErrorKind::Other);
    let (mut offered, mut acknowledged) = (Vec::new(), 0);
    'work: for group in 0..40u64 {
        let mut tickets = Vec::new();
        for _ in 0..=dice.roll(4) {
            let (stream, len) = (format!("run-{}", dice.roll(5)), usize::try_from(dice.roll(300)).unwrap());
            let payload = vec![u8::try_from(group).unwrap(); len];
            let Ok(ticket) = offer(&writer, Durability::Sync, &stream, &payload) else { break 'work };
            offered.push((stream, payload));
            tickets.push(ticket);
        }
        for ticket in tickets {
            if writer.wait(&ticket).is_err() {
                break 'work;
            }
            acknowledged += 1;
        }
    }
    let crashed = fs.crash(&mut |_| dice.keep());
    drop(writer);
    // A crash while the first crash is recovered from: whatever that changed may be there or not.
    let twice = crashed.kill();
    drop(open(&twice));
    check(&twice.crash(&mut |_| dice.keep()), &offered, acknowledged, story);
    check(&crashed, &offered, acknowledged, story);
}

fn check(crashed: &SimFs, offered: &[(String, Vec<u8>)], acknowledged: usize, story: u64) {
    let shown = all(&reader(crashed));
    let opened = Writer::open(Arc::new(crashed.clone()), dir(), &owner());
    let (writer, _) = opened.unwrap_or_else(|error: OpenError| panic!("story {story}: {error}"));
    let seen = all(&reader(crashed));
    assert!(shown == seen, "story {story}: a reader shows what the next writer keeps");
    assert!(seen.len() >= acknowledged, "story {story}: {acknowledged} were acknowledged, {} are there", seen.len());
    for (at, (event, (stream, payload))) in seen.iter().zip(offered).enumerate() {
        assert_eq!((event.seq, &event.stream, &event.payload), (at as u64, stream, payload), "story {story}");
    }
    assert!(seen.len() <= offered.len(), "story {story}: nothing is made up");
    assert_eq!(writer.root(), cat_root(crashed), "story {story}");
    put(&writer, "run-0", b"after");
    drop(writer);
}

#[test]
fn after_a_crash_all_that_was_acknowledged_is_there_and_nothing_is_made_up() {
    (0..400).for_each(tell);
}

#[test]
fn a_crash_at_each_sync_in_turn_loses_nothing_acknowledged() {
    for after in 0..40 {
        for keep in [Keep::Nothing, Keep::First(20), Keep::All] {
            let fs = SimFs::new();
            let writer = create(&fs, LIMIT);
            fs.fail(Act::SyncData, after, std::io::ErrorKind::Other);
            let mut offered = Vec::new();
            let mut acknowledged = 0;
            for number in 0..30u8 {
                let payload = vec![number; 150];
                let Ok(ticket) = offer(&writer, Durability::Sync, "run", &payload) else { break };
                offered.push(("run".to_string(), payload));
                acknowledged += usize::from(writer.wait(&ticket).is_ok());
            }
            check(&fs.crash(&mut |_| keep), &offered, acknowledged, after);
        }
    }
}

#[test]
fn the_harness_finds_out_a_disk_that_lies_about_its_syncs() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    fs.lie();
    let payload = vec![1; 20];
    let offered: Vec<(String, Vec<u8>)> = (0..5).map(|_| ("run".to_string(), payload.clone())).collect();
    for (stream, payload) in &offered {
        put(&writer, stream, payload);
    }
    let crashed = fs.crash(&mut |_| Keep::Nothing);
    let found = std::panic::catch_unwind(|| check(&crashed, &offered, offered.len(), 0)).unwrap_err();
    let told = found.downcast_ref::<String>().unwrap();
    assert!(told.contains("5 were acknowledged, 0 are there"), "{told}");
    // Where a mark or HEAD survived what it speaks of, the log itself finds it out.
    let crashed = fs.crash(&mut |change| match change {
        Unsynced::Write { path, .. } if path.ends_with("HEAD") => Keep::All,
        _ => Keep::Nothing,
    });
    let error = Writer::open(Arc::new(crashed), dir(), &owner()).unwrap_err();
    assert!(error.to_string().contains("log is truncated at position 96"), "{error}");
}
