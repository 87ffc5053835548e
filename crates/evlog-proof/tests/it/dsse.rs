//! Claims about DSSE envelopes, checked by `ed25519-dalek` over bytes that are put together as the specification of DSSE says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use evlog_proof::dsse::Envelope;
use evlog_proof::{Algorithm, SignerKey};

#[test]
fn a_foreign_library_verifies_the_signature_over_the_encoding_of_the_specification() {
    let key = SignerKey::new("example.com/log", Algorithm::Note, &[7; 32]).unwrap();
    let envelope = Envelope::sign(&key, "http://example.com/HelloWorld", b"hello world");
    assert_eq!(envelope.payload, "aGVsbG8gd29ybGQ=");
    assert_eq!(envelope.key_id, format!("example.com/log+{}", key.verifier().id()));
    let verifier = VerifyingKey::from_bytes(&key.verifier().public_bytes()).unwrap();
    let signature = STANDARD.decode(&envelope.signature).unwrap();
    let signature = Signature::from_slice(&signature).unwrap();
    // The example of the specification: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
    let signed = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
    assert!(verifier.verify_strict(signed, &signature).is_ok());
    for other in [&b"hello world"[..], b"DSSEv1 29 http://example.com/HelloWorld 11 hello worlD"] {
        assert!(verifier.verify_strict(other, &signature).is_err());
    }
}
