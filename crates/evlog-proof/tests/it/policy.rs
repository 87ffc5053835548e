//! Policies: how many witnesses are enough.

use crate::support::{log, log_key, witness_key};
use evlog_proof::{Algorithm, Note, Policy, SignatureError, SignerKey};

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
    let policy = Policy::parse(policy(group, quorum)).unwrap();
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
    let line = |group: &str, quorum: &str| Policy::parse(policy(group, quorum)).unwrap_err().line;
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
fn an_invalid_cosignature_makes_the_checkpoint_refused() {
    // Rule C-42.
    let mut signed = log(&[10]).signed(96);
    signed.cosign(&witness_key(1), 1000);
    let policy = Policy::parse(policy("", "none")).unwrap();
    let moved = signed.to_string().replace("next-seq 0", "next-seq 1");
    let refused = policy.judge(&Note::parse(moved.as_bytes()).unwrap()).unwrap_err();
    assert!(matches!(refused, SignatureError::Invalid { .. }), "{refused}");
    assert!(policy.open(moved.as_bytes()).is_err());
}

#[test]
fn a_policy_is_read_to_the_letter() {
    // Rule C-40.
    let (log, witness) = (log_key(), witness_key(1));
    let ends = |quorum: &str| format!("log {}\nwitness w1 {}\n{quorum}", log.verifier(), witness.verifier());
    let line = |text: &[u8]| Policy::parse(text).map_err(|error| error.line);
    assert!(line(ends("quorum w1\n").as_bytes()).is_ok());
    assert!(line(ends(" \t# Grüße\n\tquorum \t w1 \n").as_bytes()).is_ok());
    // A line ends with a line feed, and with nothing else: what was cut off may have had another name at its end.
    assert_eq!(line(ends("quorum w1").as_bytes()), Err(3));
    assert_eq!(line(ends("quorum w1\r\n").as_bytes()), Err(3));
    for byte in (0..0x20).chain([0x7f]).filter(|byte| !matches!(byte, b'\t' | b'\n')) {
        assert_eq!(line(&[ends("").as_bytes(), b"# ", &[byte], b"\nquorum w1\n"].concat()), Err(3), "{byte:#x}");
    }
    // Bytes beyond ASCII are taken as they are, UTF-8 or not; no white space is among them.
    let named = |name: &[u8]| {
        let member = [b"witness ", name, b" ", witness.verifier().to_string().as_bytes(), b"\n"].concat();
        [&member[..], b"group g 1 ", name, b"\nquorum g\n"].concat()
    };
    for name in [&b"\xff\xfe"[..], "\u{a0}".as_bytes(), "K".as_bytes(), "\u{212a}".as_bytes()] {
        assert!(line(&named(name)).is_ok(), "{name:?}");
    }
    for number in ["+1", "-1", "1.0", "0x1", "\u{661}", "99999999999999999999999"] {
        assert_eq!(line(ends(&format!("group g {number} w1\nquorum g\n")).as_bytes()), Err(3), "{number}");
    }
}

#[test]
fn the_key_of_a_log_is_no_witness_of_it_whatever_its_name_is() {
    // Rule C-41.
    let witness = SignerKey::new("eve.example.com/w", Algorithm::Cosignature, &[1; 32]).unwrap();
    for lines in [["log", "witness w"], ["witness w", "log"]] {
        let vkey =
            |line: &str| if line == "log" { log_key().verifier().to_string() } else { witness.verifier().to_string() };
        let text = lines.map(|line| format!("{line} {}\n", vkey(line))).concat();
        let refused = Policy::parse(format!("{text}quorum w\n")).unwrap_err();
        assert!(refused.message.contains("the witness w has the key of the log example.com/log"), "{refused}");
    }
}
