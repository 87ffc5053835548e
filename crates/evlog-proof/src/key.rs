//! Ed25519 keys and their text forms: `NAME+ID+BASE64` for the public part, `PRIVATE+KEY+NAME+ID+BASE64` for the
//! private one, as the tools around C2SP notes write them.
//!
//! Does not: read files, or draw the random bytes that a key is made from.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use evlog_format::ids::hex;
use sha2::{Digest, Sha256};

const PRIVATE: &str = "PRIVATE+KEY+";
/// The longest name of a key, in bytes of UTF-8. The name is a line of each checkpoint of the key's log, and a witness derives
/// the name of a file from it.
pub const NAME_LEN_MAX: usize = 200;

/// What a key signs, and how: the byte that C2SP assigned to the signature type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 over the text of a note: the key of a log.
    Note,
    /// Ed25519 over a time and the text of a checkpoint: the key of a witness.
    Cosignature,
}

impl Algorithm {
    fn byte(self) -> u8 {
        match self {
            Algorithm::Note => 0x01,
            Algorithm::Cosignature => 0x04,
        }
    }

    fn of(byte: u8) -> Option<Algorithm> {
        [Algorithm::Note, Algorithm::Cosignature].into_iter().find(|algorithm| algorithm.byte() == byte)
    }
}

/// The reason why text is not a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// It does not have the form of a key.
    Form,
    /// The private part was given where the public one belongs.
    Private,
    /// The public part was given where the private one belongs.
    Public,
    /// The name is empty, too long, or holds a space, a `+` or a control character.
    Name {
        /// The name.
        found: String,
    },
    /// This program does not know the signature type.
    Algorithm {
        /// The byte.
        found: u8,
    },
    /// The bytes are not an Ed25519 key.
    Bytes,
    /// The id does not follow from name and key.
    Id {
        /// The id that follows from them.
        expected: String,
        /// The id in the text.
        found: String,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Form => write!(f, "expected a key of the form NAME+ID+BASE64, in one line"),
            KeyError::Private => write!(f, "expected the public part of a key, found the private one"),
            KeyError::Public => write!(f, "expected the private part of a key, found the public one"),
            KeyError::Name { found } => write!(
                f,
                "expected a key name of 1 to {NAME_LEN_MAX} bytes without spaces, `+` or control characters, such as `example.com/builds`, found {found:?}"
            ),
            KeyError::Algorithm { found } => {
                write!(f, "expected signature type 1 (notes) or 4 (cosignatures), found {found}")
            }
            KeyError::Bytes => write!(f, "expected an Ed25519 key, found other bytes"),
            KeyError::Id { expected, found } => write!(f, "expected key id {expected}, found {found}"),
        }
    }
}

impl core::error::Error for KeyError {}

/// Checks that this may name a key, and with it a log or a witness.
pub fn check_name(name: &str) -> Result<(), KeyError> {
    let bad = |c: char| c == '+' || c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > NAME_LEN_MAX || name.chars().any(bad) {
        return Err(KeyError::Name { found: name.into() });
    }
    Ok(())
}

/// The public part of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    algorithm: Algorithm,
    key: VerifyingKey,
}

impl VerifierKey {
    fn new(name: &str, algorithm: Algorithm, key: VerifyingKey) -> VerifierKey {
        let digest = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', algorithm.byte()])
            .chain_update(key.as_bytes())
            .finalize();
        let mut id = [0; 4];
        id.copy_from_slice(&digest[..4]);
        VerifierKey { name: name.into(), id, algorithm, key }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<VerifierKey, KeyError> {
        if text.starts_with(PRIVATE) {
            return Err(KeyError::Private);
        }
        let (name, id, algorithm, bytes) = parts(text)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Bytes)?;
        VerifierKey::new(name, algorithm, key).with_id(id)
    }

    fn with_id(self, found: &str) -> Result<VerifierKey, KeyError> {
        match self.id() {
            expected if expected == found => Ok(self),
            expected => Err(KeyError::Id { expected, found: found.into() }),
        }
    }

    /// The name of the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id in signatures, in hexadecimal.
    pub fn id(&self) -> String {
        hex(&self.id)
    }

    /// The id as bytes.
    pub fn id_bytes(&self) -> [u8; 4] {
        self.id
    }

    /// What it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key alone.
    pub fn public_bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// Whether the signature over the message is this key's. The check is strict, so that a stranger cannot make a
    /// second valid signature over a message from the first.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, self.id(), encode(self.algorithm, self.key.as_bytes()))
    }
}

/// The private part of a key. To prevent that it is printed by accident, it has no `Display`, and `Debug` shows the public
/// part.
#[derive(Clone)]
pub struct SignerKey {
    verifier: VerifierKey,
    key: SigningKey,
}

impl SignerKey {
    /// The key that these random bytes make.
    pub fn new(name: &str, algorithm: Algorithm, seed: &[u8; 32]) -> Result<SignerKey, KeyError> {
        check_name(name)?;
        let key = SigningKey::from_bytes(seed);
        Ok(SignerKey { verifier: VerifierKey::new(name, algorithm, key.verifying_key()), key })
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<SignerKey, KeyError> {
        let Some(public) = text.strip_prefix(PRIVATE) else {
            return Err(if VerifierKey::parse(text).is_ok() { KeyError::Public } else { KeyError::Form });
        };
        let (name, id, algorithm, seed) = parts(public)?;
        let key = SignerKey::new(name, algorithm, &seed)?;
        let SignerKey { verifier, key } = key;
        Ok(SignerKey { verifier: verifier.with_id(id)?, key })
    }

    /// The text form: a secret.
    pub fn to_secret_text(&self) -> String {
        let VerifierKey { name, algorithm, .. } = &self.verifier;
        format!("{PRIVATE}{name}+{}+{}", self.verifier.id(), encode(*algorithm, self.key.as_bytes()))
    }

    /// The public part.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({})", self.verifier)
    }
}

fn encode(algorithm: Algorithm, key: &[u8; 32]) -> String {
    let mut bytes = Vec::with_capacity(33);
    bytes.push(algorithm.byte());
    bytes.extend_from_slice(key);
    STANDARD.encode(bytes)
}

/// Name, id, algorithm and the 32 bytes of a text form.
fn parts(text: &str) -> Result<(&str, &str, Algorithm, [u8; 32]), KeyError> {
    // Base64 may hold a `+`; a name may not.
    let mut fields = text.splitn(3, '+');
    let (Some(name), Some(id), Some(base64)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(KeyError::Form);
    };
    check_name(name)?;
    let bytes = STANDARD.decode(base64).map_err(|_| KeyError::Form)?;
    let (first, rest) = bytes.split_first().ok_or(KeyError::Form)?;
    let algorithm = Algorithm::of(*first).ok_or(KeyError::Algorithm { found: *first })?;
    let bytes = rest.try_into().map_err(|_| KeyError::Bytes)?;
    Ok((name, id, algorithm, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// The example of the specification of signed notes.
    const FOO: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn a_verifier_key_of_the_specification_is_read_and_written() {
        // Rules C-03 and C-04.
        let key = VerifierKey::parse(FOO).unwrap();
        assert_eq!((key.name(), key.id().as_str(), key.algorithm()), ("example.com/foo", "530d903a", Algorithm::Note));
        assert_eq!(key.to_string(), FOO);
    }

    #[test]
    fn both_parts_of_a_key_are_read_back() {
        for algorithm in [Algorithm::Note, Algorithm::Cosignature] {
            let key = SignerKey::new("example.com/log", algorithm, &[7; 32]).unwrap();
            let again = SignerKey::parse(&key.to_secret_text()).unwrap();
            assert_eq!(again.verifier(), key.verifier());
            assert_eq!(VerifierKey::parse(&key.verifier().to_string()).unwrap(), *key.verifier());
            assert!(!format!("{key:?}").contains("PRIVATE"));
        }
    }

    #[test]
    fn text_that_is_no_key_is_refused_with_the_reason() {
        // Rules C-01 and C-02.
        let secret = SignerKey::new("a", Algorithm::Note, &[7; 32]).unwrap().to_secret_text();
        assert_eq!(VerifierKey::parse(&secret).unwrap_err(), KeyError::Private);
        assert_eq!(SignerKey::parse(FOO).unwrap_err(), KeyError::Public);
        let refusal = |text: &str| VerifierKey::parse(text).unwrap_err();
        assert_eq!(refusal(""), KeyError::Form);
        assert_eq!(refusal("a+b"), KeyError::Form);
        assert_eq!(refusal(&FOO.replace("foo", "f o")), KeyError::Name { found: "example.com/f o".into() });
        assert_eq!(refusal(&FOO.replace("example.com/foo", "")), KeyError::Name { found: String::new() });
        assert!(matches!(refusal(&FOO.replace("foo", "bar")), KeyError::Id { .. }));
        assert!(matches!(refusal(&FOO.replace("530d903a", "530D903A")), KeyError::Id { .. }));
        assert_eq!(refusal(&FOO.replace("+AekyeR", "+AukyeR")), KeyError::Algorithm { found: 2 });
        assert_eq!(refusal(&FOO.replace("3U2k", "")), KeyError::Bytes);
        assert_eq!(refusal(&FOO.replace("3U2k", "3U2l\n")), KeyError::Form);
        assert!(check_name(&"n".repeat(NAME_LEN_MAX)).is_ok());
        for bad in ["n".repeat(NAME_LEN_MAX + 1).as_str(), "a+b", "a\u{a0}b", "a\u{7f}"] {
            assert_eq!(check_name(bad), Err(KeyError::Name { found: bad.to_string() }));
        }
    }
}
