//! Signed notes: another implementation reads our notes, and our implementation reads the example of the specification.

use crate::support::{log_key, witness_key};
use evlog_proof::{Note, NoteError, SignatureError, VerifierKey};
use signed_note::{StandardSigner, StandardVerifier, VerifierList};

#[test]
fn a_note_of_the_specification_is_verified() {
    let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let text = "This is an example message.\n";
    let line = "\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let note = Note::parse(format!("{text}\n{line}").as_bytes()).unwrap();
    assert_eq!(note.text(), text);
    assert_eq!(note.verify(&VerifierKey::parse(key).unwrap()), Ok(None));
}

#[test]
fn our_note_is_verified_by_another_implementation() {
    // Rule C-11.
    let key = log_key();
    let mut note = Note::new("example.com/log\nsecond line\n".to_owned());
    note.sign(&key);
    note.cosign(&witness_key(1), 1_771_869_600);
    let theirs = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
    let verifier = StandardVerifier::new(&key.verifier().to_string()).unwrap();
    let verifiers = VerifierList::new(vec![Box::new(verifier)]);
    let (good, unknown) = theirs.verify(&verifiers).unwrap();
    assert_eq!((good.len(), unknown.len()), (1, 1));
    assert_eq!(good[0].name(), "example.com/log");
    assert!(
        StandardSigner::new(&key.to_secret_text()).is_ok(),
        "the other implementation can also read the private key"
    );
    assert_eq!(theirs.text(), note.text().as_bytes());
    // The check can fail: the signature does not hold for a changed text.
    let other = note.to_string().replace("second", "2nd");
    assert!(signed_note::Note::from_bytes(other.as_bytes()).unwrap().verify(&verifiers).is_err());
}

#[test]
fn a_cosignature_holds_for_its_time_and_text_alone() {
    // Rule C-30.
    let key = witness_key(2);
    let mut note = Note::new("a\n".to_owned());
    note.cosign(&key, 17);
    assert_eq!(note.verify(key.verifier()), Ok(Some(17)));
    note.cosign(&key, 18);
    assert_eq!(note.verify(key.verifier()), Ok(Some(18)), "a later one takes the place of the earlier");
    assert_eq!(note.signatures().len(), 1);
    assert!(matches!(note.verify(witness_key(3).verifier()), Err(SignatureError::Missing { .. })));
    // A time that other programs would round is refused.
    note.cosign(&key, (1 << 53) - 1);
    assert_eq!(note.verify(key.verifier()), Ok(Some((1 << 53) - 1)));
    note.cosign(&key, 1 << 53);
    assert!(matches!(note.verify(key.verifier()), Err(SignatureError::Invalid { .. })));
}

#[test]
fn no_bit_of_a_signed_note_can_be_changed() {
    // Rule C-12.
    let (key, witness) = (log_key(), witness_key(1));
    let mut note = Note::new("example.com/log\n123\n".to_owned());
    note.sign(&key);
    note.cosign(&witness, 1_771_869_600);
    let bytes = note.to_string().into_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let holds = Note::parse(&other)
            .is_ok_and(|note| note.verify(key.verifier()).is_ok() && note.verify(witness.verifier()).is_ok());
        assert!(!holds, "bit {bit}: {}", String::from_utf8_lossy(&other));
    }
}

#[test]
fn text_that_is_no_note_is_refused_with_the_reason() {
    // Rule C-10.
    let refusal = |bytes: &[u8]| Note::parse(bytes).unwrap_err();
    let dash = '\u{2014}';
    assert_eq!(refusal(b""), NoteError::Unsigned);
    assert_eq!(refusal(b"text\n"), NoteError::Unsigned);
    assert_eq!(refusal(b"text\n\n"), NoteError::Unsigned);
    assert_eq!(refusal(format!("\n\n{dash} a AAAAAAA=\n").as_bytes()), NoteError::Unsigned);
    assert_eq!(refusal(b"te\rxt\n\n"), NoteError::Text);
    assert_eq!(refusal(b"te\xffxt\n\n"), NoteError::Text);
    assert_eq!(refusal(&vec![b'a'; 65 * 1024]), NoteError::Length { found: 65 * 1024 });
    let lines = [
        "- a AAAAAAA=\n",
        "{dash} a\n",
        "{dash} a AAAAAA==\n",
        "{dash} a AAAAAAA=",
        "{dash}  AAAAAAA=\n",
        "{dash} a+b AAAAAAA=\n",
        "{dash} a AAAAAAB=\n",
        "{dash} a  AAAAAAA=\n",
    ];
    for line in lines.map(|line| line.replace("{dash}", "\u{2014}")) {
        let note = format!("text\n\n{line}");
        assert_eq!(refusal(note.as_bytes()), NoteError::Line { found: line });
    }
    let parsed = Note::parse(format!("a\n\nb\n\n{dash} a AAAAAAA=\n").as_bytes()).unwrap();
    assert_eq!(parsed.text(), "a\n\nb\n");
}
