//! Checkpoints: the bytes that are signed, and what is refused.

use crate::support::{LOG_ID, log, log_key, witness_key};
use evlog_proof::{Algorithm, Checkpoint, CheckpointError, Signed, SignerKey};

#[test]
fn a_checkpoint_is_read_back_and_has_the_documented_lines() {
    let signed = log(&[10, 20]).signed(200);
    let lines: Vec<String> = signed.note().text().lines().map(str::to_owned).collect();
    assert_eq!((lines[0].as_str(), lines[1].as_str()), ("example.com/log", "200"));
    assert_eq!(lines[2].len(), 44);
    assert_eq!(lines[3..], ["evlog-format 2".to_owned(), format!("log-id {LOG_ID}"), "next-seq 1".to_owned()]);
    let again = Signed::open(signed.to_string().as_bytes(), log_key().verifier()).unwrap();
    assert_eq!(again, signed);
}

#[test]
fn a_checkpoint_is_of_the_log_that_the_key_names() {
    // Rule C-21.
    let checkpoint = log(&[10]).checkpoint(96);
    let other = SignerKey::new("example.com/other", Algorithm::Note, &[2; 32]).unwrap();
    let text = checkpoint.clone().sign(&log_key()).to_string();
    let refused = Signed::open(text.as_bytes(), other.verifier()).unwrap_err();
    assert!(matches!(refused, CheckpointError::Signature(_)), "{refused}");
    let refused = Signed::open(text.as_bytes(), witness_key(1).verifier()).unwrap_err();
    assert_eq!(refused, CheckpointError::WitnessKey { name: "witness.example.com/1".to_owned() });
    // Another key of the same name: the id differs, so the signature counts as someone else's.
    let namesake = SignerKey::new("example.com/log", Algorithm::Note, &[9; 32]).unwrap();
    assert!(matches!(Signed::open(text.as_bytes(), namesake.verifier()), Err(CheckpointError::Signature(_))));
    // The right key under a text of another origin.
    let mut note = evlog_proof::Note::new(checkpoint.to_text().replace("example.com/log", "example.com/x"));
    note.sign(&log_key());
    let refused = Signed::open(note.to_string().as_bytes(), log_key().verifier()).unwrap_err();
    assert!(matches!(refused, CheckpointError::Origin { .. }), "{refused}");
}

#[test]
fn a_text_with_a_wrong_line_is_refused_by_its_number() {
    // Rule C-20.
    let text = log(&[10]).checkpoint(96).to_text();
    assert!(Checkpoint::parse(&text).is_ok());
    assert!(Checkpoint::parse(&format!("{text}later 1\n")).is_ok(), "lines of later versions are read over");
    let changes = [
        (2, "96", "096"),
        (2, "96", "+96"),
        (2, "96", "9007199254740992"),
        (2, "96", "0"),
        (6, "next-seq 0", "next-seq 9007199254740992"),
        (3, "=\n", "\n"),
        (4, "evlog-format 2", "evlog-format one"),
        (5, "log-id ", "log_id "),
        (5, &LOG_ID.to_string(), "00"),
        (6, "next-seq 0", "next-seq  0"),
        (6, "next-seq 0\n", ""),
    ];
    for (line, from, to) in changes {
        let refused = Checkpoint::parse(&text.replacen(from, to, 1)).unwrap_err();
        let CheckpointError::Line { number, .. } = &refused else { panic!("{from} to {to}: {refused}") };
        assert!(*number == line || to.is_empty(), "{from} to {to}: {refused}");
    }
    assert!(Checkpoint::parse(&text.replacen("96", "9007199254740991", 1)).is_ok());
    assert!(matches!(Checkpoint::parse(&text.replacen("example.com/log", "a b", 1)), Err(CheckpointError::Name(_))));
}
