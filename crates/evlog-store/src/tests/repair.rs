//! Repairing: the plan does what opening does, no loss happens unless it is accepted, and an accepted loss is recorded even if
//! the repair is interrupted.

use super::scenario::Dice;
use super::*;
use crate::fs::sim::Keep;
use crate::repair::{Accept, Act, Held, Plan, Repaired, Standing, Survey};
use crate::{OpenError, ReadError, Verdict};
use evlog_format::{CommitHead, Event, FrameCodec, PLAIN, SegmentHeader, Seq, encode_commit};
use std::collections::BTreeMap;

/// A log of some segments that was closed cleanly, and its events.
fn log(commits: u8) -> (SimFs, Vec<Seen>) {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    for number in 0..commits {
        put(&writer, &format!("run-{}", number % 3), &[number; 90]);
    }
    writer.close().unwrap();
    let seen = all(&reader(&fs));
    (fs, seen)
}

fn last(fs: &SimFs) -> PathBuf {
    segment_files(fs).last().unwrap().clone()
}

fn look(fs: &SimFs) -> Survey {
    Survey::look(Arc::new(fs.clone()), dir(), &mut |_, _| ()).unwrap()
}

fn planned(fs: &SimFs, accept: Accept) -> Plan {
    look(fs).plan(accept)
}

fn image(fs: &SimFs) -> BTreeMap<PathBuf, Vec<u8>> {
    fs.files().into_iter().map(|path| (path.clone(), fs.bytes(&path).unwrap())).collect()
}

const RECORD: &[u8] = b"what was given up";

/// Repairs and records, as the engine does.
fn repair(fs: &SimFs, accept: Accept) -> Result<Plan, String> {
    let message = |error: &dyn std::fmt::Display| error.to_string();
    let held = Held::take(Arc::new(fs.clone()), dir(), &owner(), &mut |_, _| ()).map_err(|error| message(&error))?;
    let plan = held.survey().plan(accept);
    if plan.refused.is_some() {
        return Ok(plan);
    }
    let record = |writer: Writer| {
        let ticket = offer(&writer, Durability::Sync, "$log", RECORD).map_err(|error| message(&error))?;
        writer.wait(&ticket).map_err(|error| message(&error))?;
        writer.close().map_err(|error| message(&error))
    };
    match held.apply(&plan).map_err(|error| message(&error))? {
        Repaired::Derived => {}
        Repaired::GivenUp(writer, loss) => {
            assert_eq!(Some(&loss), plan.loss.as_ref());
            record(writer)?;
        }
        Repaired::Opened(writer, _) => record(writer)?,
    }
    Ok(plan)
}

fn flip(fs: &SimFs, path: &Path, at: usize) {
    let mut bytes = fs.bytes(path).unwrap();
    bytes[at] ^= 0x20;
    fs.put(path, bytes);
}

fn cut(fs: &SimFs, path: &Path, len: usize) {
    fs.put(path, fs.bytes(path).unwrap()[..len].to_vec());
}

#[test]
fn a_sound_log_needs_no_repair_closed_or_not() {
    let (fs, _) = log(20);
    assert_eq!(planned(&fs, Accept::Loss).steps, []);
    let (writer, _) = open(&fs);
    put(&writer, "run-1", b"more");
    let killed = fs.kill();
    let plan = planned(&killed, Accept::Nothing);
    assert_eq!((plan.steps, plan.verdict, plan.refused), (vec![], Verdict::Clean, None));
    drop(writer);
}

#[test]
fn the_plan_is_what_opening_does_for_a_tail_torn_at_any_byte() {
    let (fs, truth) = log(20);
    let path = last(&fs);
    let whole = fs.bytes(&path).unwrap();
    let mut cuts = 0;
    for len in 96..=whole.len() {
        let torn = fs.kill();
        torn.put(&path, whole[..len].to_vec());
        torn.put(&dir().join("HEAD"), Vec::new());
        let plan = planned(&torn, Accept::Nothing);
        let before = image(&torn);
        let opened = torn.kill();
        match Writer::open(Arc::new(opened.clone()), dir(), &owner()) {
            Err(OpenError::Refused(refusal)) => {
                assert_eq!(plan.refused.unwrap().refusal, *refusal, "length {len}");
                continue;
            }
            Err(error) => panic!("{error}"),
            Ok((_, recovery)) => {
                let step = plan.steps.iter().find(|step| step.act == Act::Cut);
                let planned = step.map(|step| (step.position, step.len, step.kept_as.clone(), step.reason.clone()));
                let done = recovery.cut.map(|cut| (cut.position, cut.len, Some(cut.kept_as), cut.reason));
                assert_eq!(planned, done, "length {len}");
                assert_eq!(plan.verdict == Verdict::TornTail, planned.is_some());
                cuts += u32::from(planned.is_some());
            }
        }
        assert!(image(&torn) == before, "looking writes nothing");
        repair(&torn, Accept::Nothing).unwrap();
        let seen = all(&reader(&torn));
        assert!(truth.starts_with(&seen[..seen.len() - 1]) && seen.last().unwrap().payload == RECORD);
        assert_eq!(planned(&torn, Accept::Nothing).steps, [], "length {len}");
    }
    assert!(cuts > 100, "{cuts}");
}

/// Logs whose last segment is damaged in every way that the table refuses: each byte changed, each prefix left.
fn harmed() -> Vec<(String, SimFs, Vec<Seen>)> {
    let (fs, truth) = log(20);
    let path = last(&fs);
    let whole = fs.bytes(&path).unwrap();
    let mut all = Vec::new();
    // A header that states another version is not damage: it may be of a later format.
    for at in (0..whole.len()).step_by(3).filter(|at| !(8..12).contains(at)) {
        for (name, head) in [("HEAD kept", true), ("no HEAD", false)] {
            let (flipped, shorter) = (fs.kill(), fs.kill());
            flip(&flipped, &path, at);
            cut(&shorter, &path, at);
            for (what, fs) in [("flipped", flipped), ("left", shorter)] {
                if !head {
                    fs.put(&dir().join("HEAD"), Vec::new());
                }
                all.push((format!("byte {at} {what}, {name}"), fs, truth.clone()));
            }
        }
    }
    all
}

#[test]
fn a_loss_is_never_taken_unasked_and_keeps_all_before_it_when_it_is_accepted() {
    //
    let mut losses = 0;
    for (name, fs, truth) in harmed() {
        let (before, tail) = (image(&fs), fs.bytes(&last(&fs)).unwrap());
        let plan = repair(&fs, Accept::Nothing).unwrap();
        let Some(refused) = plan.refused else { continue };
        assert!(plan.steps.is_empty() && image(&fs) == before, "{name}: a refused log is left as it is");
        let offered = refused.acceptable.unwrap_or_else(|| panic!("{name}: {}", refused.refusal));
        let plan = repair(&fs, Accept::Loss).unwrap();
        let loss = plan.loss.unwrap();
        assert_eq!(loss, offered, "{name}: what was offered is what was taken");
        let seen = all(&reader(&fs));
        let kept = usize::try_from(loss.first_seq.0).unwrap();
        assert_eq!((&seen[..kept], seen[kept].payload.as_slice()), (&truth[..kept], RECORD), "{name}");
        assert!(loss.next_seq.is_none_or(|next| next.0 <= truth.len() as u64), "{name}");
        if let Some(kept_as) = &loss.kept_as {
            assert!(tail.ends_with(&fs.bytes(&dir().join(kept_as)).unwrap()), "{name}: the bytes are kept");
        }
        assert_eq!(audit(&fs).findings.kept(), &[], "{name}");
        assert_eq!(planned(&fs, Accept::Nothing).steps, [], "{name}");
        losses += 1;
    }
    assert!(losses > 300, "{losses}");
}

#[test]
fn damage_in_a_sealed_segment_is_not_given_up() {
    //
    let (fs, _) = log(20);
    let segments = segment_files(&fs);
    for path in &segments[..segments.len() - 1] {
        for at in [3, 100, 300, fs.bytes(path).unwrap().len() - 1] {
            let harmed = fs.kill();
            flip(&harmed, path, at);
            let before = image(&harmed);
            let plan = repair(&harmed, Accept::Loss).unwrap();
            let refused = plan.refused.unwrap();
            assert_eq!((plan.steps, refused.acceptable), (vec![], None), "{}", path.display());
            assert_eq!(refused.refusal.verdict, Verdict::Damaged);
            assert_eq!(harmed.bytes(path), before.get(path).cloned());
        }
    }
    let gone = fs.kill();
    crate::Fs::remove(&gone, &segments[1]).unwrap();
    let refused = planned(&gone, Accept::Loss).refused.unwrap();
    assert_eq!((refused.refusal.verdict, refused.acceptable), (Verdict::Truncated, None));
    let first = fs.kill();
    segments[1..].iter().for_each(|path| crate::Fs::remove(&first, path).unwrap());
    flip(&first, &segments[0], 20);
    assert_eq!(planned(&first, Accept::Loss).refused.unwrap().acceptable, None, "nothing tells what log it was");
}

#[test]
fn a_tampered_log_is_not_given_up() {
    // R-08, V-17
    let (fs, truth) = log(20);
    let path = last(&fs);
    let bytes = fs.bytes(&path).unwrap();
    let end = reader(&fs).committed().position.0;
    let mut forged = Vec::new();
    let (kind, kind_version, causation, protection) = (Kind::BuiltIn(1), 1, None, PLAIN);
    let event = Event { stream: "run-0", number: 0, kind, kind_version, causation, protection, payload: b"" };
    let first_seq = Seq(truth.len() as u64 + 3);
    let head = CommitHead::new(first_seq, 0, Durability::Sync, "m");
    let encoded = FrameCodec::new(LOG).encode(end, 96, &mut forged, |out| encode_commit(&head, &[event], out));
    assert_eq!(encoded, Ok(Ok(forged.len())));
    let header = SegmentHeader::decode(&bytes).unwrap();
    let other_root = SegmentHeader { root_before: Root([7; 32]), ..header };
    for changed in [[&bytes[..], &forged].concat(), [&other_root.encode()[..], &bytes[96..]].concat()] {
        let tampered = fs.kill();
        tampered.put(&path, changed.clone());
        let plan = repair(&tampered, Accept::Loss).unwrap();
        let refused = plan.refused.unwrap();
        assert_eq!((plan.verdict, refused.acceptable, plan.steps), (Verdict::Tampered, None, vec![]));
        assert_eq!(tampered.bytes(&path), Some(changed));
    }
}

#[test]
fn a_last_segment_that_is_gone_is_a_loss_that_head_shows() {
    let (fs, truth) = log(20);
    let (path, end) = (last(&fs), reader(&fs).committed());
    crate::Fs::remove(&fs, &path).unwrap();
    let loss = repair(&fs, Accept::Loss).unwrap().loss.unwrap();
    assert_eq!((loss.verdict, loss.row, loss.len), (Verdict::Truncated, Some("V-08"), 0));
    assert_eq!((loss.floor, loss.next_seq), (end.position, Some(end.next_seq)));
    assert_eq!((loss.missing(), loss.kept_as), (end.position.0 - loss.position.0, None));
    let seen = all(&reader(&fs));
    assert!(truth.starts_with(&seen[..seen.len() - 1]));
    assert_eq!(audit(&fs).findings.kept(), &[]);
}

#[test]
fn a_header_of_the_last_segment_is_computed_from_all_before_it_and_its_commits_stay() {
    //
    let (fs, truth) = log(20);
    let (path, root) = (last(&fs), cat_root(&fs));
    let whole = fs.bytes(&path).unwrap();
    for at in [0, 9, 20, 40, 70, 95] {
        let harmed = fs.kill();
        flip(&harmed, &path, at);
        let loss = repair(&harmed, Accept::Loss).unwrap().loss.unwrap();
        assert_eq!((loss.len, loss.missing(), loss.events()), (0, 0, Some(0)), "byte {at}");
        assert!(harmed.bytes(&path).unwrap().starts_with(&whole), "byte {at}: the bytes are those that were written");
        assert_eq!(&all(&reader(&harmed))[..truth.len()], truth);
        assert_eq!(cat_root(&harmed).0.0, root.0.0 + harmed.bytes(&path).unwrap().len() as u64 - whole.len() as u64);
        assert_eq!(audit(&harmed).findings.kept(), &[]);
    }
}

type Spoil = fn(&SimFs, &Path);

#[test]
fn derived_files_are_made_again_and_the_log_stays_as_it_was_byte_for_byte() {
    let (fs, _) = log(30);
    let (whole, root) = (image(&fs), cat_root(&fs));
    let derived = |path: &&PathBuf| path.extension().is_some_and(|x| ["tree", "idx", "end"].iter().any(|y| x == *y));
    let paths: Vec<&PathBuf> = whole.keys().filter(derived).collect();
    assert!(paths.len() > 6);
    let spoilers: [Spoil; 3] = [
        |fs, path| crate::Fs::remove(fs, path).unwrap(),
        |fs, path| flip(fs, path, 30),
        |fs, path| fs.put(path, b"something else".to_vec()),
    ];
    for spoil in spoilers {
        let all = fs.kill();
        for path in &paths {
            let one = fs.kill();
            spoil(&one, path);
            spoil(&all, path);
            let plan = planned(&one, Accept::Nothing);
            assert!(plan.steps.iter().all(|step| step.act == Act::Remake), "{plan:?}");
            assert!(plan.steps.iter().any(|step| step.file == **path), "{}: {plan:?}", path.display());
            repair(&one, Accept::Nothing).unwrap();
            assert_eq!(one.bytes(path).as_ref(), whole.get(*path), "{}", path.display());
        }
        repair(&all, Accept::Nothing).unwrap();
        let survey = look(&all);
        assert!(survey.sidecars().iter().all(|sidecar| sidecar.standing == Standing::Holds), "{survey:?}");
        assert_eq!(cat_root(&all), root);
    }
}

#[test]
fn an_unfinished_segment_is_removed_and_a_missing_head_is_made_again() {
    let (fs, truth) = log(5);
    fs.put(&dir().join("segments/00000000000000009999.seg.tmp"), vec![1; 10]);
    let acts: Vec<Act> = planned(&fs, Accept::Nothing).steps.iter().map(|step| step.act).collect();
    assert_eq!(acts, [Act::Remove]);
    repair(&fs, Accept::Nothing).unwrap();
    assert!(fs.files().iter().all(|path| path.extension().is_none_or(|suffix| suffix != "tmp")));
    assert_eq!(all(&reader(&fs)), truth, "nothing was recorded");
    crate::Fs::remove(&fs, &dir().join("HEAD")).unwrap();
    let plan = repair(&fs, Accept::Nothing).unwrap();
    assert!(plan.steps.iter().any(|step| step.file.ends_with("HEAD")));
    assert_eq!(all(&reader(&fs)).len(), truth.len() + 1, "it was recorded");
    assert_eq!(planned(&fs, Accept::Nothing).steps, []);
}

#[test]
fn beside_a_writer_a_survey_sees_what_is_committed() {
    let (fs, _) = log(20);
    let (writer, _) = open(&fs);
    put(&writer, "run-1", &[7; 200]);
    let path = last(&fs);
    let committed = fs.bytes(&path).unwrap();
    crate::Fs::open_write(&fs, &path).unwrap().write_at(b"in flight", committed.len() as u64).unwrap();
    let plan = planned(&fs, Accept::Nothing);
    assert_eq!((plan.verdict, plan.steps), (Verdict::Clean, vec![]));
    let taken = Held::take(Arc::new(fs.clone()), dir(), &owner(), &mut |_, _| ());
    assert!(matches!(taken, Err(OpenError::Locked { .. })), "{taken:?}");
    crate::Fs::open_write(&fs, &path).unwrap().set_len(committed.len() as u64).unwrap();
    writer.close().unwrap();
}

/// A log whose last segment is damaged below the floor.
fn damaged(head_kept: bool) -> (SimFs, Vec<Seen>) {
    let (fs, truth) = log(17);
    let path = last(&fs);
    let len = fs.bytes(&path).unwrap().len();
    assert!(len > 300, "a few commits: {len} bytes");
    flip(&fs, &path, 96 + 60);
    if !head_kept {
        crate::Fs::remove(&fs, &dir().join("HEAD")).unwrap();
    }
    (fs.kill(), truth)
}

/// Cuts the power at every act of giving up, crashes, and returns what is wrong afterwards.
fn give_up_interrupted(head_kept: bool) -> Result<u64, String> {
    let (damaged, truth) = damaged(head_kept);
    let tail = damaged.bytes(&last(&damaged)).unwrap();
    for power in 0.. {
        let fs = damaged.kill();
        fs.cut_power(power);
        let finished = repair(&fs, Accept::Loss).is_ok();
        for way in 0..6 {
            let mut dice = Dice::new(power << 8 | way);
            let crashed = fs.crash(&mut |_| match way {
                0 => Keep::Nothing,
                1 => Keep::All,
                _ => dice.keep(),
            });
            let name = format!("power cut at act {power}, way {way}, HEAD kept: {head_kept}");
            after_a_crash(&crashed, &truth, &tail, finished).map_err(|wrong| format!("{name}: {wrong}"))?;
        }
        if finished {
            return Ok(power);
        }
    }
    unreachable!("the repair ends")
}

fn after_a_crash(fs: &SimFs, truth: &[Seen], tail: &[u8], finished: bool) -> Result<(), String> {
    let is_kept = |path: &PathBuf| tail.ends_with(&fs.bytes(path).unwrap()) && path.starts_with("/log/quarantine");
    let opened = Writer::open(Arc::new(fs.kill()), dir(), &owner());
    if let Err(OpenError::Refused(_)) = &opened {
        if finished {
            return Err("a repair that was done is undone".into());
        }
        repair(fs, Accept::Loss)?;
    }
    let seen = all(&Reader::open(Arc::new(fs.clone()), dir()).map_err(|error| error.to_string())?);
    let recorded = seen.iter().position(|event| event.payload == RECORD);
    let Some(kept) = recorded else { return Err("the loss is not recorded, and the log opens".into()) };
    if seen[..kept] != truth[..kept] || kept < 12 {
        return Err(format!("{kept} events are left of {}", truth.len()));
    }
    if !fs.files().iter().any(is_kept) {
        return Err("the bytes are not kept".into());
    }
    let findings = audit(fs);
    if findings.verdict() == Verdict::Clean { Ok(()) } else { Err(format!("{:?}", findings.findings.kept())) }
}

#[test]
fn whatever_interrupts_giving_up_the_log_is_refused_or_the_loss_is_recorded_in_it() {
    //
    for head_kept in [true, false] {
        let acts = give_up_interrupted(head_kept).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert!(acts > 12, "{acts}");
    }
}

#[test]
fn the_harness_detects_a_loss_that_head_does_not_claim_first() {
    let _broken = crate::repair::broken::NoWitness::begin();
    let wrong = give_up_interrupted(false).unwrap_err();
    assert!(wrong.contains("not recorded, and the log opens"), "{wrong}");
}

#[test]
fn a_reader_that_has_shown_what_is_given_up_gets_an_error_and_no_other_events_in_its_place() {
    //
    let (fs, truth) = log(17);
    let mut follower = reader(&fs);
    assert_eq!(all(&follower), truth);
    let path = last(&fs);
    flip(&fs, &path, 96 + 60);
    repair(&fs, Accept::Loss).unwrap();
    let (writer, _) = open(&fs);
    for number in 0..10u8 {
        put(&writer, "run-0", &[number; 90]);
    }
    drop(writer);
    assert!(reader(&fs).committed().position > follower.committed().position, "the log has grown beyond");
    let refused = follower.refresh().unwrap_err();
    assert!(matches!(refused, ReadError::Gone { position } if position == follower.committed().position), "{refused}");
    assert!(refused.to_string().contains("does not hold what this reader has shown"), "{refused}");
    let mut new = reader(&fs);
    assert!(!new.refresh().unwrap());
}
