//! Proof files: what they show, and that no change of one is accepted.

use crate::support::{LOG_ID, Log, log};
use evlog_format::limits::FRAME_BODY_LEN_MAX;
use evlog_format::{LogId, Root};
use evlog_proof::file::FILE_LEN_MAX;
use evlog_proof::{FileError, ProofFile};
use evlog_verify::proof::ProofError;
use proptest::prelude::*;

/// Whether the file proves that a commit is in the log, or that the first `old` bytes are the beginning of the log.
fn holds(file: &[u8], log: &Log, old: usize) -> bool {
    let (newer, older) = (log.checkpoint(log.bytes.len()), log.checkpoint(old));
    ProofFile::parse(file)
        .is_ok_and(|proof| proof.check_inclusion(&newer).is_ok() || proof.check_consistency(&older, &newer).is_ok())
}

#[test]
fn a_commit_is_shown_to_be_in_the_log_and_is_given_back() {
    // Rule E-12.
    let log = log(&[10, 3000, 200, 1]);
    let checkpoint = log.checkpoint(log.bytes.len());
    for (at, (range, seq)) in log.frames.iter().enumerate() {
        let text = log.inclusion(at).to_string();
        let proof = ProofFile::parse(text.as_bytes()).unwrap();
        assert_eq!(proof.to_string(), text);
        let proven = proof.check_inclusion(&checkpoint).unwrap();
        assert_eq!(proven.position().0, range.start);
        assert_eq!(proven.frame().len() as u64, range.end - range.start);
        let commit = proven.commit().unwrap();
        assert_eq!((commit.head.first_seq, commit.events[0].stream), (*seq, "order-7"));
    }
}

#[test]
fn an_older_checkpoint_is_shown_to_be_the_beginning() {
    let log = log(&[500; 40]);
    let newer = log.checkpoint(log.bytes.len());
    for old in [0, 96, 1024, 5000, log.bytes.len()] {
        let text = log.consistency(old).to_string();
        let proof = ProofFile::parse(text.as_bytes()).unwrap();
        assert_eq!(proof.to_string(), text);
        assert_eq!(proof.check_consistency(&log.checkpoint(old), &newer), Ok(()));
    }
}

#[test]
fn no_bit_of_a_proof_file_can_be_changed() {
    // Rule E-02.
    let log = log(&[30, 900, 50]);
    let old = 1100;
    for text in [log.inclusion(0), log.inclusion(2), log.consistency(old), log.consistency(0)].map(|p| p.to_string()) {
        assert!(holds(text.as_bytes(), &log, if text.contains("old 0\n") { 0 } else { old }));
        for bit in 0..text.len() * 8 {
            let mut other = text.clone().into_bytes();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!holds(&other, &log, old), "bit {bit}: {}", String::from_utf8_lossy(&other));
        }
    }
}

#[test]
fn a_proof_file_that_is_cut_or_extended_is_malformed() {
    // Rules E-30 and E-32.
    let text = log(&[30, 900]).inclusion(1).to_string();
    for len in 0..text.len() {
        let refused = ProofFile::parse(&text.as_bytes()[..len]).unwrap_err();
        assert!(refused.is_malformed(), "{len}: {refused}");
    }
    assert!(ProofFile::parse(format!("{text}\n").as_bytes()).unwrap_err().is_malformed());
    assert!(ProofFile::parse(text.replace('\n', "\r\n").as_bytes()).unwrap_err().is_malformed());
    let long = vec![b'a'; FILE_LEN_MAX + 1];
    assert_eq!(ProofFile::parse(&long), Err(FileError::Length { found: long.len() }));
}

#[test]
fn a_proof_for_another_log_size_or_commit_says_so() {
    // Rules E-01, E-12 and E-31.
    let mine = log(&[30, 900]);
    let checkpoint = mine.checkpoint(mine.bytes.len());
    let proof = mine.inclusion(1);
    let mut other = checkpoint.clone();
    other.log_id = LogId([9; 16]);
    assert_eq!(proof.check_inclusion(&other), Err(FileError::Log { expected: other.log_id, found: LOG_ID }));
    let mut other = checkpoint.clone();
    other.size.0 += 1;
    assert!(matches!(proof.check_inclusion(&other), Err(FileError::Size { .. })));
    let mut other = checkpoint.clone();
    other.root = Root([7; 32]);
    assert!(matches!(proof.check_inclusion(&other), Err(FileError::Proof(ProofError::Value { .. }))));
    assert!(matches!(proof.check_consistency(&checkpoint, &checkpoint), Err(FileError::Kind { .. })));
    assert!(matches!(mine.consistency(96).check_inclusion(&checkpoint), Err(FileError::Kind { .. })));
    // These bytes are in the log, but they are not one whole frame. So the file's claim about a commit is false.
    let ProofFile::Inclusion { log_id, size, frame, first_seq, events, .. } = proof.clone() else { unreachable!() };
    for frame in [frame.start..frame.end - 1, frame.start + 1..frame.end, 0..96] {
        let mut wrong = Log { bytes: mine.bytes.clone(), frames: vec![(frame.clone(), first_seq)] };
        let refused = wrong.inclusion(0).check_inclusion(&checkpoint).unwrap_err();
        assert!(matches!(refused, FileError::Commit { .. }), "{frame:?}: {refused}");
        wrong.frames.clear();
    }
    let ProofFile::Inclusion { slice, .. } = proof else { unreachable!() };
    let altered = ProofFile::Inclusion { log_id, size, frame, first_seq, events: events + 1, slice };
    assert!(matches!(altered.check_inclusion(&checkpoint), Err(FileError::Commit { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_a_larger_proof_is_accepted(
        frame in 0usize..60, old in 1usize..30_000, at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>(), how in 0..4,
    ) {
        let log = log(&[400, 700, 12].repeat(20));
        let old = old % log.bytes.len();
        for text in [log.inclusion(frame), log.consistency(old)].map(|proof| proof.to_string().into_bytes()) {
            let (at, cut) = (at % text.len(), cut % text.len());
            let mut other = text.clone();
            match how {
                0 => other[at] = byte,
                1 => other.insert(at, byte),
                2 => { other.remove(at); }
                _ => { other.drain(at.min(cut)..=at.max(cut)); }
            }
            prop_assert!(other == text || !holds(&other, &log, old), "{}", String::from_utf8_lossy(&other));
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _refused = ProofFile::parse(&bytes);
        let shaped = [&b"evlog-proof/v1 inclusion\nlog 65766c6f672d70726f6f662d74657374\nsize 5\n"[..], &bytes].concat();
        let _refused = ProofFile::parse(&shaped);
    }
}

#[test]
fn text_that_a_user_supplies_cannot_contain_a_frame() {
    // Rule E-13. A frame's fourth byte is the highest of its length, which is at most 16 MiB.
    assert!(FRAME_BODY_LEN_MAX.to_le_bytes()[3] <= 1);
    let (frame, _) = log(&[5]).frames[0].clone();
    let bytes = &log(&[5]).bytes[usize::try_from(frame.start).unwrap()..];
    assert!(bytes[3] <= 1);
    assert!(serde_json::from_slice::<serde_json::Value>(&[b"\"".as_slice(), &bytes[..4], b"\""].concat()).is_err());
}
