//! What may be signed, what is refused, and what is then in the log.

use super::*;
use crate::Options;
use crate::history::AuditedRules;
use crate::prove::Prover;
use crate::tests::toy::{ask, contracts, open, options, view};
use evlog_format::Durability;
use evlog_format::Kind;
use evlog_store::StdFs;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn silent() -> impl FnMut(u64, u64) {
    |_, _| ()
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|found| found == extension));
    names.sort();
    names
}

/// The position that a file's name states.
fn position_of(path: &Path) -> u64 {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

fn bytes(dir: &Path) -> Vec<u8> {
    files(dir, "seg").iter().flat_map(|path| fs::read(path).unwrap()).collect()
}

/// Does everything that signing needs, except signing.
fn seal(log: &Log, last: Option<&Statement>) -> Result<Statement, LogError> {
    let mut read = ReadBack::begin(log, last.map(|last| (last.size, last.root)), &mut silent())?;
    let statement = read.statement(&mut silent())?;
    read.record(&statement, "example.com/log", b"a note")?;
    Ok(statement)
}

#[test]
fn a_statement_is_about_the_bytes_on_disk_and_extends_the_last_one() {
    // Rules C-22 and C-24.
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut last = None;
    for round in 0..3 {
        for _ in 0..30 {
            drop(ask(&log, "a", "begin", json!({})));
            drop(ask(&log, &format!("run-{round}"), "begin", json!({})));
        }
        let statement = seal(&log, last.as_ref()).unwrap();
        let prefix = &bytes(dir.path())[..usize::try_from(statement.size.0).unwrap()];
        assert_eq!(statement.root.0, *blake3::hash(prefix).as_bytes());
        let history = log.signing_history().unwrap();
        let signed = history.last.unwrap();
        assert_eq!(
            (signed.size, signed.next_seq, signed.root),
            (statement.size.0, statement.next_seq.0, statement.root.0)
        );
        assert_eq!((history.only_sessions, log.next_seq().0), (1, statement.next_seq.0 + 1));
        assert_eq!(log.checkpoints().read(statement.size).unwrap(), b"a note");
        // Without the sidecar all bytes are read again, and the statement is the same.
        fs::remove_file(dir.path().join("checkpoints/last.tree")).unwrap();
        last = Some(statement);
    }
    assert_eq!(log.checkpoints().sizes().unwrap().len(), 3);
    log.close().unwrap();
}

#[test]
fn bytes_that_changed_since_they_were_written_are_not_signed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    let first = seal(&log, None).unwrap();
    let path = dir.path().join("segments/00000000000000000000.seg");
    let flip = |at: usize| {
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
    };
    ask(&log, "a", "add", json!({})).into_accepted().unwrap();
    let at = usize::try_from(first.size.0).unwrap() + 3;
    flip(at);
    let refused = seal(&log, Some(&first)).unwrap_err().to_string();
    assert!(refused.contains("not what the writer says, so nothing was signed"), "{refused}");
    assert_eq!(log.checkpoints().sizes().unwrap(), [first.size]);
    flip(at);
    // The tree of the last checkpoint is gone. All is read again, and compared with what was signed.
    fs::remove_file(dir.path().join("checkpoints/last.tree")).unwrap();
    flip(120);
    let refused = seal(&log, Some(&first)).unwrap_err().to_string();
    assert!(refused.contains("not what the last checkpoint says"), "{refused}");
    flip(120);
    seal(&log, Some(&first)).unwrap();
    log.close().unwrap();
}

#[test]
fn a_log_that_is_shorter_than_its_last_checkpoint_signs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    let statement = seal(&log, None).unwrap();
    let beyond = Statement { size: Position(statement.size.0 + 5000), ..statement };
    assert!(matches!(seal(&log, Some(&beyond)), Err(LogError::ReadBack { .. })));
    log.close().unwrap();
}

#[test]
fn events_are_proven_and_a_changed_log_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for n in 0..40 {
        ask(&log, &format!("run-{n}"), "begin", json!({})).into_accepted().unwrap();
    }
    let first = seal(&log, None).unwrap();
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    let second = seal(&log, Some(&first)).unwrap();
    log.close().unwrap();
    let view = view(dir.path());
    let prover = Prover::open(Arc::new(StdFs), dir.path()).unwrap();
    for seq in [0, 1, 17, second.next_seq.0 - 1].map(Seq) {
        let place = view.place(seq).unwrap().unwrap();
        assert!((place.first_seq.0..place.first_seq.0 + place.events).contains(&seq.0));
        prover.inclusion(second.size, &second.root, &[place.frame], &mut silent()).unwrap();
    }
    assert_eq!(view.place(view.next_seq()).unwrap(), None);
    let (old, new) = ((first.size, &first.root), (second.size, &second.root));
    prover.consistency(old, new, &mut silent()).unwrap();
    let place = view.place(Seq(3)).unwrap().unwrap();
    let refused = prover.inclusion(first.size, &second.root, &[place.frame], &mut silent()).unwrap_err();
    assert!(matches!(refused, LogError::Unproven(_)), "{refused}");
    assert!(prover.consistency((first.size, &second.root), new, &mut silent()).is_err());
}

#[test]
fn a_proof_reads_what_it_needs_and_is_the_same_without_trees() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { class: Durability::Os, ..options() };
    let log = options.open(dir.path(), contracts()).unwrap();
    let mut rounds = [1000, 1001].map(|end| {
        (0..end).for_each(|n| drop(ask(&log, &format!("run-{end}-{n}"), "begin", json!({}))));
        seal(&log, None).unwrap()
    });
    log.close().unwrap();
    let view = view(dir.path());
    let [first, second] = &mut rounds;
    let made = |counted: &mut u64| {
        let prover = Prover::open(Arc::new(StdFs), dir.path()).unwrap();
        let frames: Vec<_> = [0, second.next_seq.0 - 1].map(|seq| view.place(Seq(seq)).unwrap().unwrap().frame).into();
        let slices = prover.inclusion(second.size, &second.root, &frames, &mut |_, _| *counted += 1).unwrap();
        let (old, new) = ((first.size, &first.root), (second.size, &second.root));
        (slices, prover.consistency(old, new, &mut |_, _| *counted += 1).unwrap())
    };
    let (mut with, mut without) = (0, 0);
    let proofs = made(&mut with);
    // A segment is read only if it is near one of the events or at an edge of a large part of the tree.
    let kib = |position: Position| position.0 / 1024;
    assert_eq!((kib(first.size) / 16, kib(second.size) / 64), (4, 2), "{first:?} {second:?}");
    let unread = files(dir.path(), "seg").into_iter().rfind(|path| position_of(path) < 100 * 1024).unwrap();
    let sound = fs::read(&unread).unwrap();
    let mut changed = sound.clone();
    changed[500] ^= 1;
    fs::write(&unread, &changed).unwrap();
    assert_eq!(made(&mut with), proofs, "the same, beside a segment that was changed");
    fs::write(&unread, &sound).unwrap();
    for tree in files(dir.path(), "tree") {
        fs::remove_file(tree).unwrap();
    }
    assert_eq!(made(&mut without), proofs);
    assert!(with / 2 < without, "{with} pieces were read in two rounds with trees, {without} in one without");
}

#[test]
fn keys_verifications_and_audits_are_events_that_are_read_back() {
    // Rule C-25.
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.record_key("a+00000000+AQ==").unwrap();
    let verified = Verified {
        program: "tests".to_owned(),
        verdict: "clean".to_owned(),
        size: 1,
        next_seq: 2,
        root: [3; 32],
        findings: 0,
        checkpoint: Some(1),
    };
    log.record_verified(&verified).unwrap();
    let audited = Audited {
        program: "tests".to_owned(),
        verdict: "kept".to_owned(),
        size: 1,
        next_seq: 2,
        root: [3; 32],
        rules: vec![AuditedRules { file: "r.toml".to_owned(), blake3: [4; 32] }],
        max_unsigned_ns: None,
        as_ended: false,
        fail_on: "error".to_owned(),
        errors: 0,
        warnings: 0,
        notes: 0,
        not_judged: 0,
    };
    log.record_audited(&audited).unwrap();
    let history = log.signing_history().unwrap();
    assert_eq!((history.keys, history.last), (vec!["a+00000000+AQ==".to_owned()], None));
    log.close().unwrap();
    let mut read = Vec::new();
    view(dir.path())
        .stream::<LogError>(LOG_STREAM, &mut |fact| {
            read.push((fact.event.kind.to_string(), fact.event.payload.to_vec()));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    let of = |kind: Kind<'_>| &read.iter().find(|(found, _)| *found == kind.to_string()).unwrap().1;
    let key: KeyAdded = payload::decode(of(kind::LOG_KEY_ADDED)).unwrap();
    assert_eq!(key.key, "a+00000000+AQ==");
    assert_eq!(payload::decode::<Verified>(of(kind::LOG_VERIFIED)).unwrap(), verified);
    assert_eq!(payload::decode::<Audited>(of(kind::LOG_AUDITED)).unwrap(), audited);
}

#[test]
fn a_log_that_was_read_is_known_again_by_a_root_over_any_of_its_bytes() {
    let room = tempfile::tempdir().unwrap();
    let [dir, other] = ["log", "other"].map(|name| room.path().join(name));
    for (dir, run) in [(&dir, "a"), (&other, "b")] {
        let log = open(dir);
        for number in 0..200 {
            ask(&log, &format!("{run}-{number}"), "begin", json!({})).into_accepted().unwrap();
        }
        log.close().unwrap();
    }
    assert!(files(&dir, "seg").len() > 2);
    let (whole, log) = (bytes(&dir), open(&dir));
    let root_over = |size: usize| Root(*blake3::hash(&whole[..size]).as_bytes());
    let starts = files(&dir, "seg").iter().map(|path| usize::try_from(position_of(path)).unwrap()).collect::<Vec<_>>();
    for size in starts.into_iter().flat_map(|at| [at, at + 50, at + 97]).chain([whole.len()]) {
        let at = Position(size as u64);
        assert!(log.is_still(at, &root_over(size)).unwrap(), "{size}");
        assert!(!log.is_still(at, &Root([7; 32])).unwrap(), "{size}");
        assert!(size == 0 || !open_and_ask(&other, at, &root_over(size)), "{size}");
    }
    assert!(!log.is_still(Position(whole.len() as u64 + 1), &root_over(whole.len())).unwrap());
}

fn open_and_ask(dir: &Path, size: Position, root: &Root) -> bool {
    let log = open(dir);
    let is_still = log.is_still(size, root).unwrap();
    log.close().unwrap();
    is_still
}
