//! Claims about the log's own notes while a writer is at work. Signatures are checked by the caller, so these notes have none.

use super::toy::{ask, contracts, open};
use crate::check::check;
use crate::covered::Stated;
use crate::options::Options;
use crate::own_notes::{Claim, OwnNotes};
use crate::repair::carry_out;
use evlog_format::{FORMAT_VERSION, Position, Root, Seq};
use evlog_store::Owner;
use evlog_store::fs::{Fs, StdFs};
use evlog_store::repair::{Accept, Held};
use evlog_verify::{Covered, Verdict};
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

/// The bytes of the log. The last `zeros` bytes are not commits.
fn bytes(dir: &Path) -> Vec<u8> {
    let mut paths: Vec<_> =
        std::fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    paths.sort();
    paths.iter().flat_map(|path| std::fs::read(path).unwrap()).collect()
}

/// Keeps a note over the first `size` bytes of the log, which names their root and the next seq.
fn keep(dir: &Path, size: u64, next_seq: Seq) {
    let root = blake3::hash(&bytes(dir)[..usize::try_from(size).unwrap()]);
    std::fs::create_dir_all(dir.join("checkpoints")).unwrap();
    std::fs::write(dir.join(format!("checkpoints/{size:020}.note")), format!("{root} {next_seq}")).unwrap();
}

fn claim(note: &[u8], log_id: evlog_format::LogId, size: Position) -> Claim {
    let text = std::str::from_utf8(note).unwrap();
    let (root, next_seq) = text.split_once(' ').unwrap();
    let root = Root(*blake3::Hash::from_hex(root).unwrap().as_bytes());
    let stated = Stated { size, format_version: FORMAT_VERSION, next_seq: Seq(next_seq.parse().unwrap()) };
    Claim { covered: Covered { log_id, size, root }, stated, signed: Ok(()) }
}

#[test]
fn a_checkpoint_that_is_signed_while_the_log_is_audited_accuses_nobody() {
    // C-51, C-56.
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    let fs: Arc<dyn Fs> = Arc::new(StdFs);
    let audited =
        || check(Arc::clone(&fs), dir.path(), &contracts(), NonZeroUsize::MIN, &mut |_, _| {}).unwrap().report;
    let before = audited();
    ask(&log, "a", "add", json!({"amount": 1})).into_accepted().unwrap();
    let signed = audited();
    assert!(signed.end > before.end);
    keep(dir.path(), signed.end.0, signed.next_seq);
    let mut report = before;
    let parse = |note: &[u8], _: &[String]| Ok(claim(note, log.log_id(), signed.end));
    let judged = OwnNotes::new(&fs, dir.path()).judge(&mut report, None, &parse).unwrap();
    assert_eq!((report.verdict(), judged.compared), (Verdict::Clean, 1), "{:?}", report.findings.kept());
    log.close().unwrap();
}

#[test]
fn a_note_that_cannot_be_compared_is_measured_by_the_commits_and_not_by_zeros_behind_them() {
    // C-55.
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    log.close().unwrap();
    let end = bytes(dir.path()).len() as u64;
    let segment = dir.path().join("segments/00000000000000000000.seg");
    std::fs::OpenOptions::new().write(true).open(segment).unwrap().set_len(end + 1000).unwrap();
    std::fs::create_dir_all(dir.path().join("checkpoints")).unwrap();
    std::fs::write(dir.path().join(format!("checkpoints/{:020}.note", end + 500)), "odd").unwrap();
    let fs: Arc<dyn Fs> = Arc::new(StdFs);
    let mut report =
        check(Arc::clone(&fs), dir.path(), &contracts(), NonZeroUsize::MIN, &mut |_, _| {}).unwrap().report;
    let odd = |_: &[u8], _: &[String]| Err("it is odd".to_owned());
    OwnNotes::new(&fs, dir.path()).judge(&mut report, None, &odd).unwrap();
    let found: Vec<_> = report.findings.kept().iter().map(|finding| (finding.rule, finding.verdict)).collect();
    assert!(found.contains(&("C-55", Verdict::Truncated)), "{found:?}");
}

#[test]
fn a_repair_whose_record_would_be_refused_is_refused_before_it_changes_a_byte() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    log.close().unwrap();
    let segment = std::fs::read_dir(dir.path().join("segments")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.filter(|path| path.extension().is_some_and(|extension| extension == "seg")).max().unwrap();
    let torn = [&std::fs::read(&segment).unwrap()[..], &[7; 50]].concat();
    std::fs::write(&segment, &torn).unwrap();
    let repaired = |principal: &str| {
        let owner = Owner { program: "tests".to_owned() };
        let held = Held::take(Arc::new(StdFs), dir.path(), &owner, &mut |_, _| {}).unwrap();
        let plan = held.survey().plan(Accept::Nothing);
        let options = Options { principal: Some(principal.to_owned()), ..Options::new("tests") };
        carry_out(held, &plan, "somebody", contracts(), options)
    };
    let refused = repaired(&"x".repeat(300)).unwrap_err().to_string();
    assert!(refused.contains("principal") && refused.contains("expected at most 256 bytes, found 300"), "{refused}");
    assert!(std::fs::read(&segment).unwrap() == torn);
    repaired("os:ada").unwrap();
    assert!(std::fs::read(&segment).unwrap() != torn);
}

#[test]
fn a_note_over_more_bytes_than_there_are_is_judged_as_it_was_read_first() {
    // C-55. Earlier the note was read twice, and another note could be there the second time.
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    ask(&log, "a", "begin", json!({})).into_accepted().unwrap();
    log.close().unwrap();
    let note = dir.path().join(format!("checkpoints/{:020}.note", 1 << 20));
    std::fs::create_dir_all(dir.path().join("checkpoints")).unwrap();
    // A note that is too long is not read, and is not read the second time either.
    for (first, said) in [("first".to_owned(), "it says first"), ("x".repeat(100_000), "cannot be read")] {
        std::fs::write(&note, first).unwrap();
        let fs: Arc<dyn Fs> = Arc::new(StdFs);
        let own = OwnNotes::new(&fs, dir.path());
        assert_eq!(own.beyond().unwrap().unwrap().size, Position(1 << 20));
        std::fs::write(&note, "second").unwrap();
        let mut report =
            check(Arc::clone(&fs), dir.path(), &contracts(), NonZeroUsize::MIN, &mut |_, _| {}).unwrap().report;
        let parse = |note: &[u8], _: &[String]| Err(format!("it says {}", String::from_utf8_lossy(note)));
        own.judge(&mut report, None, &parse).unwrap();
        let found = report.findings.kept().last().unwrap().message.clone();
        assert!(found.contains(said) && !found.contains("second"), "{found}");
    }
}
