//! Witnesses: what they cosign, and what they refuse loudly.

use crate::support::{Log, log};
use evlog_format::{LogId, Position, Root, Seq};
use evlog_proof::ProofFile;
use evlog_proof::witness::{Seen, WitnessRefusal, judge};

fn seen(log: &Log, size: usize) -> Seen {
    Seen { checkpoint: log.checkpoint(size), time: 1000 }
}

#[test]
fn a_log_that_only_grew_is_cosigned() {
    // Rules C-31 and C-32.
    let log = log(&[500; 20]);
    let new = log.checkpoint(log.bytes.len());
    assert_eq!(judge(None, &new, None, 0), Ok(()), "the first one is taken as it is");
    for old in [0, 96, 1024, 3000] {
        assert_eq!(judge(Some(&seen(&log, old)), &new, Some(&log.consistency(old)), 1000), Ok(()));
    }
    assert_eq!(judge(Some(&seen(&log, log.bytes.len())), &new, None, 1000), Ok(()), "the same one again");
}

#[test]
fn a_log_that_did_anything_else_is_refused_and_it_is_an_alarm() {
    // Rule C-32.
    let log = log(&[500; 20]);
    let new = log.checkpoint(log.bytes.len());
    let refusal = |seen: Seen, proof: Option<ProofFile>| judge(Some(&seen), &new, proof.as_ref(), 1000).unwrap_err();
    let mut other = seen(&log, 3000);
    other.checkpoint.log_id = LogId([1; 16]);
    assert!(matches!(refusal(other, Some(log.consistency(3000))), WitnessRefusal::OtherLog { .. }));
    let mut longer = seen(&log, 3000);
    longer.checkpoint.size = Position(new.size.0 + 1);
    assert!(matches!(refusal(longer, None), WitnessRefusal::Shorter { .. }));
    let mut forked = seen(&log, log.bytes.len());
    forked.checkpoint.root = Root([1; 32]);
    assert!(matches!(refusal(forked, None), WitnessRefusal::Fork { .. }));
    let mut altered = seen(&log, log.bytes.len());
    altered.checkpoint.next_seq = Seq(1);
    assert!(matches!(refusal(altered, None), WitnessRefusal::Fork { .. }), "the same bytes hold as many events");
    let mut rewritten = seen(&log, 3000);
    rewritten.checkpoint.root = Root([1; 32]);
    let refused = refusal(rewritten, Some(log.consistency(3000)));
    assert!(matches!(refused, WitnessRefusal::Unproven(_)), "{refused}");
    assert!(refused.is_alarm());
}

#[test]
fn what_is_missing_here_is_no_alarm() {
    let log = log(&[500; 20]);
    let new = log.checkpoint(log.bytes.len());
    let old = seen(&log, 3000);
    for proof in [None, Some(log.consistency(2999)), Some(log.inclusion(1))] {
        let refused = judge(Some(&old), &new, proof.as_ref(), 1000).unwrap_err();
        assert!(matches!(refused, WitnessRefusal::ProofNeeded { .. }) && !refused.is_alarm(), "{refused}");
    }
    let refused = judge(Some(&old), &new, Some(&log.consistency(3000)), 999).unwrap_err();
    assert_eq!(refused, WitnessRefusal::Clock { last: 1000, now: 999 });
    assert!(!refused.is_alarm());
}
