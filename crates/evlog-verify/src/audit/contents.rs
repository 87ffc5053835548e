//! Which content each idempotency key first came with: an index of 32 bytes a key, for logs of many millions of keys.
//!
//! A hash table by hand, because the keys are hashes already and this crate has no `std`. It only grows, and is never
//! iterated, so its order cannot reach a report.

use alloc::vec;
use alloc::vec::Vec;

/// First half of a BLAKE3 hash: collisions are out of reach of accident, and 16 bytes a key keep the index small.
type Half = [u8; 16];

/// A place that no key has taken. No key's hash is zero, but for one in 2^128.
const FREE: (Half, Half) = ([0; 16], [0; 16]);

/// The index.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    /// A power of two of places, or none; at most three quarters are taken.
    places: Vec<(Half, Half)>,
    taken: usize,
}

impl Contents {
    /// Whether the key of this stream comes for the first time, or with the content it first came with.
    pub(super) fn agrees(&mut self, stream: &str, key: &str, content: &[u8; 32]) -> bool {
        if self.taken >= self.places.len() / 4 * 3 {
            self.grow();
        }
        let name = name(stream, key);
        let content = first_half(content);
        let at = self.place_of(&name);
        if self.places[at].0 == name {
            return self.places[at].1 == content;
        }
        self.places[at] = (name, content);
        self.taken += 1;
        true
    }

    /// Where the key is, or would be.
    fn place_of(&self, name: &Half) -> usize {
        let mask = self.places.len() - 1;
        let mut at = start_of(name) & mask;
        while self.places[at].0 != *name && self.places[at] != FREE {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        let places = vec![FREE; (self.places.len() * 2).max(64)];
        let old = core::mem::replace(&mut self.places, places);
        for pair in old.into_iter().filter(|pair| *pair != FREE) {
            let at = self.place_of(&pair.0);
            self.places[at] = pair;
        }
    }
}

/// Where to begin to look: the name is a hash, so any part of it will do.
fn start_of(name: &Half) -> usize {
    let mut raw = [0; size_of::<usize>()];
    raw.copy_from_slice(&name[..size_of::<usize>()]);
    usize::from_le_bytes(raw)
}

/// A name for stream and key together; the length keeps `ab`, `c` and `a`, `bc` apart.
fn name(stream: &str, key: &str) -> Half {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(stream.len() as u64).to_le_bytes()).update(stream.as_bytes()).update(key.as_bytes());
    first_half(hasher.finalize().as_bytes())
}

fn first_half(digest: &[u8; 32]) -> Half {
    let mut out = [0; 16];
    out.copy_from_slice(&digest[..16]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn every_key_keeps_its_first_content_while_the_table_grows() {
        // F-36.
        let mut contents = Contents::default();
        let content = |n: u32| [n.to_le_bytes()[0]; 32];
        let keys = || (0..5000u32).map(|n| (format!("run-{}", n % 7), format!("key-{n}"), content(n)));
        for (stream, key, content) in keys() {
            assert!(contents.agrees(&stream, &key, &content));
        }
        for (stream, key, content) in keys() {
            assert!(contents.agrees(&stream, &key, &content), "the same again");
            assert!(!contents.agrees(&stream, &key, &[!content[0]; 32]), "another");
        }
        assert_eq!(contents.taken, 5000);
    }

    #[test]
    fn stream_and_key_are_told_apart() {
        let mut contents = Contents::default();
        for (n, (stream, key)) in [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc")].into_iter().enumerate() {
            let content = [u8::try_from(n).unwrap(); 32];
            assert!(contents.agrees(stream, key, &content));
        }
    }
}
