//! DSSE envelopes, version 1: a statement of any form. The signature covers its type too.
//!
//! Does not: read the statement, or write JSON; the caller writes the members.

use crate::key::SignerKey;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The members of an envelope with one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The statement in base64.
    pub payload: String,
    /// Name and id of the key: `NAME+ID`.
    pub key_id: String,
    /// The Ed25519 signature in base64.
    pub signature: String,
}

impl Envelope {
    /// Signs a statement of this type.
    pub fn sign(key: &SignerKey, payload_type: &str, payload: &[u8]) -> Envelope {
        let signature = key.sign(&signed_bytes(payload_type, payload));
        let verifier = key.verifier();
        Envelope {
            payload: STANDARD.encode(payload),
            key_id: format!("{}+{}", verifier.name(), verifier.id()),
            signature: STANDARD.encode(signature),
        }
    }
}

/// The bytes that are signed. They begin with `DSSEv1` and a space. The first line of a note of evlog is the log's name, or
/// `cosignature/v1` if a witness signs it, and neither has a space. So a signature of a note is never a signature of an envelope.
fn signed_bytes(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}
