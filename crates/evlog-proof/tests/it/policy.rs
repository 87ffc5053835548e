//! Policies: how many witnesses are enough.

use crate::support::{log, log_key, witness_key};
use evlog_proof::{Note, Policy, SignatureError};

/// Three witnesses, a group, and the quorum line.
fn policy(group: &str, quorum: &str) -> String {
    let witnesses = [1, 2, 3].map(|n| format!("witness w{n} {}\n", witness_key(n).verifier())).concat();
    format!("# a policy\n\n log {}\n{witnesses}{group}\nquorum {quorum}\n", log_key().verifier())
}

fn enough(group: &str, quorum: &str, cosigned: &[u8]) -> bool {
    let mut signed = log(&[10]).signed(96);
    for n in cosigned {
        signed.cosign(&witness_key(*n), 1000 + u64::from(*n));
    }
    let policy = Policy::parse(&policy(group, quorum)).unwrap();
    let signed = policy.open(signed.to_string().as_bytes()).unwrap();
    let witnessed = policy.judge(signed.note()).unwrap();
    assert_eq!(witnessed.by.len(), cosigned.len());
    assert_eq!(witnessed.by.len() + witnessed.missing.len(), 3);
    witnessed.enough
}

#[test]
fn a_quorum_counts_witnesses_and_groups() {
    // Rule C-40.
    assert!(enough("", "none", &[]));
    assert!(enough("", "w2", &[2]));
    assert!(!enough("", "w2", &[1, 3]));
    let two = "group g 2 w1 w2 w3";
    for (cosigned, expected) in [(&[][..], false), (&[1], false), (&[1, 3], true), (&[1, 2, 3], true)] {
        assert_eq!(enough(two, "g", cosigned), expected, "{cosigned:?}");
    }
    assert!(enough("group g any w1 w2", "g", &[2]));
    assert!(!enough("group g all w1 w2", "g", &[2]));
    let nested = "group a any w1 w2\ngroup g all a w3";
    assert!(enough(nested, "g", &[2, 3]));
    assert!(!enough(nested, "g", &[1, 2]));
}

#[test]
fn a_policy_that_cannot_be_meant_is_refused_with_its_line() {
    // Rule C-41.
    let line = |group: &str, quorum: &str| Policy::parse(&policy(group, quorum)).unwrap_err().line;
    assert_eq!(line("group g 4 w1 w2 w3", "g"), 7);
    assert_eq!(line("group g 0 w1", "g"), 7);
    assert_eq!(line("group g any w4", "g"), 7);
    assert_eq!(line("group g any", "g"), 7);
    assert_eq!(line("group w1 any w2", "w1"), 7);
    assert_eq!(line("group none any w2", "none"), 7);
    assert_eq!(line("group a any w1\ngroup b any w1", "a"), 8);
    assert_eq!(line("", "g"), 8);
    assert_eq!(line("quorum none", "none"), 8);
    assert_eq!(line(&format!("witness again {}", witness_key(1).verifier()), "none"), 7);
    assert_eq!(line(&format!("witness x {}", log_key().verifier()), "none"), 7);
    assert_eq!(line(&format!("log {}", log_key().verifier()), "none"), 7);
    assert_eq!(line("nonsense", "none"), 7);
    assert_eq!(Policy::parse("# nothing\n").unwrap_err().line, 0);
}

#[test]
fn a_cosignature_that_does_not_hold_spoils_the_checkpoint() {
    // Rule C-42.
    let mut signed = log(&[10]).signed(96);
    signed.cosign(&witness_key(1), 1000);
    let policy = Policy::parse(&policy("", "none")).unwrap();
    let moved = signed.to_string().replace("next-seq 0", "next-seq 1");
    let refused = policy.judge(&Note::parse(moved.as_bytes()).unwrap()).unwrap_err();
    assert!(matches!(refused, SignatureError::Invalid { .. }), "{refused}");
    assert!(policy.open(moved.as_bytes()).is_err());
}
