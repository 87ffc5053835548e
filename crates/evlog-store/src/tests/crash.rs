//! Crashes of the machine: at every act that changes the disk, with any of the unsynced changes kept, whole or torn.
//!
//! `EVLOG_SIM_SEED=n` runs one scenario alone, with more ways to crash: `just sim n`. `EVLOG_SIM_SCENARIOS=n` runs the first
//! n: `just scenarios n`.

use super::scenario::{Dice, Played, Scenario, check, crash_keeping, deciding, tell};
use super::*;
use crate::fs::sim::{Act, Keep, Unsynced};

/// The seed of the one scenario to run.
const SEED: &str = "EVLOG_SIM_SEED";
/// How many scenarios an ordinary test run has.
const SCENARIOS: u64 = 3;
/// The most changes for which every subset is tried. If there are more changes, only some subsets are tried.
const BITS_MAX: u32 = 3;

fn seeds() -> Vec<u64> {
    match std::env::var(SEED) {
        Ok(text) => vec![text.parse().unwrap_or_else(|_| panic!("{SEED} is a number, not `{text}`"))],
        Err(_) => (1..=std::env::var("EVLOG_SIM_SCENARIOS").map_or(SCENARIOS, |text| text.parse().unwrap())).collect(),
    }
}

/// How many mixed crashes are tried at each act.
fn mixed() -> u64 {
    if std::env::var_os(SEED).is_some() { 60 } else { 3 }
}

/// Cuts the power after each act of the scenario, and crashes the machine in many ways each time.
fn crash_everywhere(seed: u64) {
    let (scenario, whole) = (Scenario::of(seed), SimFs::new());
    assert!(tell(&scenario, &whole).finished);
    let acts = whole.trail().len() as u64;
    for cut in 0..=acts {
        let fs = SimFs::new();
        fs.cut_power(cut);
        let played = tell(&scenario, &fs);
        assert_eq!(played.finished, cut == acts, "seed {seed}: the power is cut at act {cut} of {acts}");
        assert_eq!(fs.trail()[..], whole.trail()[..usize::try_from(cut).unwrap()], "seed {seed}: another scenario");
        let bits = deciding(&fs).min(BITS_MAX);
        for way in 0..(1 << bits) + mixed() {
            let mut dice = Dice::new(seed << 32 ^ cut << 16 ^ way);
            let crashed =
                if way < 1 << bits { crash_keeping(&fs, bits, way, &mut dice) } else { fs.crash(&mut |_| dice.keep()) };
            let name = format!("{SEED}={seed}, power cut at act {cut} of {acts}, way {way}");
            if way % 4 == 0 {
                crash_again(&crashed, &played, &name, &mut dice);
            }
            check(&crashed, &played, played.durable(), &name);
        }
    }
}

/// The power is cut again while the next writer recovers.
fn crash_again(crashed: &SimFs, played: &Played, name: &str, dice: &mut Dice) {
    let (again, cut) = (crashed.kill(), dice.roll(12));
    again.cut_power(cut);
    drop(Writer::open(Arc::new(again.clone()), dir(), &owner()));
    let crashed = again.crash(&mut |_| dice.keep());
    check(&crashed, played, played.durable(), &format!("{name}, and at act {cut} of the recovery"));
}

#[test]
fn a_crash_at_any_act_leaves_every_acknowledged_commit_and_no_partial_one() {
    seeds().into_iter().for_each(crash_everywhere);
}

#[test]
fn the_same_seed_gives_the_same_scenario() {
    for seed in seeds() {
        let (scenario, first, second) = (Scenario::of(seed), SimFs::new(), SimFs::new());
        let ends = [&first, &second].map(|fs| tell(&scenario, fs).commits.len());
        assert!(ends[0] == ends[1] && first.trail() == second.trail(), "seed {seed}");
        assert_eq!(cat_root(&first), cat_root(&second), "seed {seed}");
        let another = SimFs::new();
        tell(&Scenario::of(seed + 2), &another);
        assert!(another.trail() != first.trail(), "another seed tells another scenario than {seed}");
    }
}

#[test]
fn the_scenarios_of_an_ordinary_run_roll_segments_and_tear_sectors() {
    let (mut segments, mut longest, mut closed, mut cut) = (0, 0, 0, 0);
    for seed in 1..=SCENARIOS {
        let fs = SimFs::new();
        tell(&Scenario::of(seed), &fs);
        segments += segment_files(&fs).len();
        let writes = fs.trail().into_iter().filter(|step| step.act == Act::Write);
        longest = longest.max(writes.map(|step| step.len).max().unwrap());
        let head = |step: &crate::fs::sim::Step| step.act == Act::SyncData && step.path.ends_with("HEAD");
        closed += fs.trail().iter().filter(|step| head(step)).count();
        // Zeros that were written ahead are cut before a segment is sealed.
        cut += fs.trail().iter().filter(|step| step.act == Act::SetLen && step.len < 16 * 1024).count();
    }
    assert!(segments > 10 && longest > 8192 && closed > 2, "{segments} segments, {longest} bytes, {closed} closed");
    assert!(cut > 5, "zeros were written ahead and cut {cut} times");
}

/// The message of the panic of a function.
fn panic_message(act: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = std::panic::catch_unwind(act).expect_err("the harness did not notice");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn the_harness_finds_out_a_disk_that_lies_about_its_syncs() {
    let scenario = Scenario::of(1);
    let fs = SimFs::new();
    fs.lie();
    let played = tell(&scenario, &fs);
    let crashed = fs.crash(&mut |change| match change {
        Unsynced::Name { .. } | Unsynced::Write { offset: 0, .. } => Keep::All,
        _ => Keep::Nothing,
    });
    let said = panic_message(|| check(&crashed, &played, played.durable(), &"lied to"));
    assert!(said.contains("lied to: a crash is not `truncated`"), "{said}");
}

#[test]
fn the_harness_finds_out_a_disk_that_forgets_names() {
    let (scenario, fs) = (Scenario::of(1), SimFs::new());
    fs.forget_names();
    let played = tell(&scenario, &fs);
    // The log was made, and its first segment renamed to its name.
    let crashed = fs.crash(&mut |_| Keep::Nothing);
    let said = panic_message(|| check(&crashed, &played, played.durable(), &"forgotten"));
    assert!(said.contains("commits were acknowledged, and there is no log"), "{said}");
    // Only the last segment's name is lost: what `HEAD` and the other segments say is more than there is.
    let last = segment_files(&fs).pop().unwrap();
    let crashed = fs.crash(&mut |change| if change.path() == last { Keep::Nothing } else { Keep::All });
    let said = panic_message(|| check(&crashed, &played, played.durable(), &"forgotten"));
    assert!(said.contains("forgotten: a crash is not `truncated`"), "{said}");
}

#[test]
fn the_harness_finds_out_a_disk_that_loses_one_acknowledged_write() {
    let fs = SimFs::new();
    let played = tell(&Scenario::of(3), &fs);
    let whole = fs.crash(&mut |_| Keep::All);
    check(&whole.kill(), &played, played.durable(), &"whole");
    let last = segment_files(&whole).pop().unwrap();
    let mut bytes = whole.bytes(&last).unwrap();
    bytes.truncate(bytes.len() - 1);
    whole.put(&last, bytes);
    whole.put(&dir().join("HEAD"), Vec::new());
    let said = panic_message(|| check(&whole, &played, played.durable(), &"a lost write"));
    assert!(said.contains("commits were acknowledged"), "{said}");
}

#[test]
fn a_disk_that_lies_about_its_syncs_loses_commits_and_never_adds_one() {
    for seed in 1..=10 {
        let (scenario, fs, mut dice) = (Scenario::of(seed), SimFs::new(), Dice::new(seed));
        fs.lie();
        let played = tell(&scenario, &fs);
        assert!(played.finished);
        for _ in 0..20 {
            let crashed = fs.crash(&mut |change| match change {
                Unsynced::Name { .. } => Keep::All,
                _ => dice.keep(),
            });
            let Ok(reader) = Reader::open(Arc::new(crashed.clone()), dir()) else { continue };
            // The commits that are shown before the damage are a prefix of those that were appended.
            let mut seen = Vec::new();
            more(&reader, Position(0), &mut seen).ok();
            played.matched(&seen, &format!("seed {seed}, a lying disk"));
        }
    }
}
