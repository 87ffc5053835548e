//! Scenarios: the calls of a writer, generated from a number, run on a simulated disk, and compared with what is left.
//!
//! The same number gives the same scenario, even the same order of acts on the disk: commits that form a group wait behind the
//! disk's gate until all of them are handed over, and every group ends with a sync.

use super::*;
use crate::Verdict;
use crate::fs::sim::{Keep, Unsynced};
use std::fmt::Display;

/// A small generator of numbers.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides
    }

    fn len(&mut self, sides: u64) -> usize {
        usize::try_from(self.roll(sides)).unwrap()
    }

    /// Chooses what a crash leaves of a change.
    pub(super) fn keep(&mut self) -> Keep {
        match self.roll(8) {
            0 | 1 => Keep::Nothing,
            2 => Keep::First(self.len(700)),
            3 => Keep::Sectors { size: 512, kept: self.next() },
            4 => Keep::Sectors { size: 4096, kept: self.next() },
            5 => Keep::Zeros,
            6 => Keep::Noise(self.next()),
            _ => Keep::All,
        }
    }
}

/// A commit to hand over.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    class: Durability,
    events: Vec<(String, Vec<u8>)>,
}

/// One session of a writer.
#[derive(Clone, Debug)]
struct Session {
    /// Commits that wait for each other; the last of each group asks for a sync.
    groups: Vec<Vec<Offer>>,
    closes: bool,
}

/// The calls of a writer.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    limit: u64,
    ahead: Ahead,
    begin_after: u64,
    sessions: Vec<Session>,
}

impl Scenario {
    /// Small commits, or commits longer than sectors.
    pub(super) fn of(seed: u64) -> Scenario {
        let mut dice = Dice::new(seed);
        let (limit, len_max) = if dice.roll(2) == 0 { (LIMIT, 300) } else { (16 * 1024, 4000) };
        let sessions = (0..3).map(|_| Session {
            groups: (0..3 + dice.roll(3)).map(|_| group(&mut dice, len_max)).collect(),
            closes: dice.roll(2) == 0,
        });
        // Every second scenario fills each segment with zeros ahead of its commits.
        let ahead = if seed.is_multiple_of(2) { Ahead::NEVER } else { Ahead { after: 1, len: 1 << 20 } };
        // Every third one begins a sync in parallel with the writing, after one commit or after several.
        let begin_after = if seed.is_multiple_of(3) { 1 + seed % 700 } else { 0 };
        Scenario { limit, ahead, begin_after, sessions: sessions.collect() }
    }
}

impl Scenario {
    fn set(&self, writer: Writer) -> Writer {
        writer.with_ahead(self.ahead).with_sync_begun_after(self.begin_after)
    }
}

fn group(dice: &mut Dice, len_max: u64) -> Vec<Offer> {
    let others = (0..dice.roll(4)).map(|_| if dice.roll(2) == 0 { Durability::Os } else { Durability::Sync });
    let classes: Vec<Durability> = others.collect::<Vec<_>>().into_iter().chain([Durability::Sync]).collect();
    let offer = |class| {
        let one = |dice: &mut Dice| {
            (format!("run-{}", dice.roll(4)), vec![u8::try_from(dice.roll(256)).unwrap(); dice.len(len_max)])
        };
        Offer { class, events: (0..=dice.roll(3)).map(|_| one(dice)).collect() }
    };
    classes.into_iter().map(offer).collect()
}

/// The result of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Acknowledged,
    Unknown,
    NotAppended,
}

/// The result of a scenario.
#[derive(Clone, Debug, Default)]
pub(super) struct Played {
    /// Every commit that got a place, in order.
    pub(super) commits: Vec<(Offer, Fate)>,
    /// Whether it ran to its end.
    pub(super) finished: bool,
}

impl Played {
    /// How many commits a crash of the machine must not lose: all up to the last that was acknowledged after its sync.
    pub(super) fn durable(&self) -> usize {
        let is_durable = |(offer, fate): &(Offer, Fate)| (offer.class, *fate) == (Durability::Sync, Fate::Acknowledged);
        self.commits.iter().rposition(is_durable).map_or(0, |at| at + 1)
    }

    /// How many commits the end of the process must not lose.
    pub(super) fn acknowledged(&self) -> usize {
        self.commits.iter().rposition(|(_, fate)| *fate == Fate::Acknowledged).map_or(0, |at| at + 1)
    }

    /// How many commits may be there at most: those before the first that was not appended.
    pub(super) fn possible(&self) -> usize {
        self.commits.iter().position(|(_, fate)| *fate == Fate::NotAppended).unwrap_or(self.commits.len())
    }

    /// The number of commits that these events form. They must be the first commits, and each must be whole.
    pub(super) fn matched(&self, seen: &[Seen], scenario: &dyn Display) -> usize {
        let (mut left, mut numbers) = (seen.iter().enumerate(), std::collections::BTreeMap::new());
        for (at, (offer, _)) in self.commits.iter().enumerate() {
            for (nth, (stream, payload)) in offer.events.iter().enumerate() {
                let Some((seq, event)) = left.next() else {
                    assert_eq!(nth, 0, "{scenario}: commit {at} is there in part");
                    return at;
                };
                let number = numbers.entry(stream.clone()).or_insert(0);
                let expected =
                    Seen { seq: seq as u64, stream: stream.clone(), number: *number, payload: payload.clone() };
                assert!(*event == expected, "{scenario}: commit {at} is another: {event:?}, not {expected:?}");
                *number += 1;
            }
        }
        assert!(left.next().is_none(), "{scenario}: events are made up");
        self.commits.len()
    }
}

/// Runs the scenario, until something fails.
pub(super) fn tell(scenario: &Scenario, fs: &SimFs) -> Played {
    let mut played = Played::default();
    for (nth, session) in scenario.sessions.iter().enumerate() {
        let options = CreateOptions { log_id: LOG, segment_limit: scenario.limit };
        let writer = match nth {
            0 => Writer::create(Arc::new(fs.clone()), dir(), options, &owner()),
            _ => Writer::open(Arc::new(fs.clone()), dir(), &owner()).map(|(writer, _)| writer),
        };
        let Ok(writer) = writer.map(|writer| scenario.set(writer)) else { return played };
        for group in &session.groups {
            if !offer_group(&writer, fs, group, &mut played) {
                return played;
            }
        }
        if session.closes && writer.close().is_err() {
            return played;
        }
    }
    played.finished = true;
    played
}

/// Hands a group over: the first commit alone, the others while the gate holds back its write. False when one of them
/// failed.
fn offer_group(writer: &Writer, fs: &SimFs, group: &[Offer], played: &mut Played) -> bool {
    // Zeros are written after the previous group was acknowledged. They must be written before the gate is shut, or the same
    // number would not give the same scenario.
    writer.settle();
    let (gate, mut tickets) = (fs.hold(), Vec::new());
    for (nth, one) in group.iter().enumerate() {
        let events: Vec<_> = one.events.iter().map(|(stream, payload)| event(stream, payload)).collect();
        let Ok(ticket) = writer.append(&commit(one.class, &events)) else { return false };
        tickets.push(ticket);
        assert!(nth > 0 || gate.wait(), "the committing thread never came to the disk");
    }
    drop(gate);
    let from = played.commits.len();
    for (one, ticket) in group.iter().zip(&tickets) {
        let fate = match writer.wait(ticket) {
            Ok(()) => Fate::Acknowledged,
            Err(AppendError::NotAppended { .. }) => Fate::NotAppended,
            Err(_) => Fate::Unknown,
        };
        played.commits.push((one.clone(), fate));
    }
    played.commits[from..].iter().all(|(_, fate)| *fate == Fate::Acknowledged)
}

/// Compares what a crash left with the scenario: at least `least` commits are there, none is partial or made up, store and
/// auditor give the same verdict, and the log can be continued.
pub(super) fn check(fs: &SimFs, played: &Played, least: usize, scenario: &dyn Display) {
    if segment_files(fs).is_empty() {
        assert_eq!(least, 0, "{scenario}: {least} commits were acknowledged, and there is no log");
        create(fs, LIMIT).close().unwrap();
        return;
    }
    let verdict = audit(fs).verdict();
    assert!(matches!(verdict, Verdict::Clean | Verdict::TornTail), "{scenario}: a crash is not `{verdict}`");
    let shown = all(&reader(fs));
    let opened = Writer::open(Arc::new(fs.clone()), dir(), &owner());
    let (writer, recovery) = opened.unwrap_or_else(|error| panic!("{scenario}: {error}"));
    assert_eq!(recovery.cut.is_some(), verdict == Verdict::TornTail, "{scenario}: store and auditor differ");
    let seen = all(&reader(fs));
    assert!(shown == seen, "{scenario}: a reader shows what the next writer keeps");
    let kept = played.matched(&seen, scenario);
    assert!(kept >= least, "{scenario}: {least} commits were acknowledged, {kept} are there");
    assert!(kept <= played.possible(), "{scenario}: a commit is there that was said not to be");
    assert_eq!(writer.next_seq().0, seen.len() as u64, "{scenario}");
    put(&writer, "run-0", b"after");
    assert_eq!(writer.root(), cat_root(fs), "{scenario}");
    writer.close().unwrap();
    let report = audit(fs);
    assert_eq!(report.findings.kept(), &[], "{scenario}: the log goes on");
    assert_eq!((report.events, report.root), (seen.len() as u64 + 1, cat_root(fs).1), "{scenario}");
}

/// The disk after a crash. Of the first `bits` changes that decide what the log holds, those whose bit is set are kept;
/// the dice decide about all others.
pub(super) fn crash_keeping(fs: &SimFs, bits: u32, set: u64, dice: &mut Dice) -> SimFs {
    let mut nth = 0;
    fs.crash(&mut |change: &Unsynced| {
        let decides = change.path().extension().is_some_and(|suffix| suffix == "seg");
        if !decides || nth >= bits {
            return dice.keep();
        }
        nth += 1;
        if set >> (nth - 1) & 1 == 1 { Keep::All } else { Keep::Nothing }
    })
}

/// How many unsynced changes decide what the log holds after a crash.
pub(super) fn deciding(fs: &SimFs) -> u32 {
    let mut count = 0;
    drop(fs.crash(&mut |change: &Unsynced| {
        count += u32::from(change.path().extension().is_some_and(|suffix| suffix == "seg"));
        Keep::Nothing
    }));
    count
}
