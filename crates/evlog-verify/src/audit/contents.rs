//! The next number of each stream, and the content of each idempotency key: tables of 24 and 32 bytes for each name, for logs
//! with many millions of names.
//!
//! The hash table is written by hand, because the names are hashes already and this crate has no `std`. It only grows, and its
//! order has no effect on a report.

use super::left::Left;
use alloc::vec;
use alloc::vec::Vec;

/// First half of a BLAKE3 hash. Accidental collisions are out of reach, and 16 bytes for each name keep the tables small.
pub(super) type Half = [u8; 16];

/// Marks a free place. A stream or key has this name only with a probability of 2^-128.
const FREE: Half = [0; 16];

/// Values by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Table<V> {
    /// The places: a power of two, or none. At most three quarters are taken.
    places: Vec<(Half, V)>,
    taken: usize,
}

impl<V: Copy + Default> Table<V> {
    pub(super) fn len(&self) -> usize {
        self.taken
    }

    /// The value under a name. If there is none, inserts the given one. Also returns whether it was inserted.
    pub(super) fn get_or_insert(&mut self, name: Half, value: V) -> (&mut V, bool) {
        if self.taken >= self.places.len() / 4 * 3 {
            self.grow();
        }
        let Some(at) = self.place_of(&name) else { unreachable!("a table that has grown has places") };
        let is_new = self.places[at].0 == FREE;
        if is_new {
            self.places[at] = (name, value);
            self.taken += 1;
        }
        (&mut self.places[at].1, is_new)
    }

    /// The value under a name.
    pub(super) fn get(&self, name: &Half) -> Option<V> {
        let (known, value) = *self.places.get(self.place_of(name)?)?;
        (known == *name).then_some(value)
    }

    /// All names with their values. The order has no meaning.
    pub(super) fn into_pairs(self) -> impl Iterator<Item = (Half, V)> {
        self.places.into_iter().filter(|(name, _)| *name != FREE)
    }

    /// Writes how many names there are, then all names with their values, ordered by name.
    pub(super) fn save<const N: usize>(&self, out: &mut Vec<u8>, bytes: impl Fn(V) -> [u8; N]) {
        let mut pairs: Vec<&(Half, V)> = self.places.iter().filter(|(name, _)| *name != FREE).collect();
        pairs.sort_unstable_by_key(|(name, _)| *name);
        out.extend_from_slice(&(pairs.len() as u64).to_le_bytes());
        for (name, value) in pairs {
            out.extend_from_slice(name);
            out.extend_from_slice(&bytes(*value));
        }
    }

    /// Reads what [`save`](Self::save) wrote. Memory is taken as names are read, whatever number the bytes state.
    pub(super) fn resume<const N: usize>(saved: &mut Left<'_>, value: impl Fn([u8; N]) -> V) -> Option<Table<V>> {
        let mut table = Table::default();
        for _ in 0..saved.number()? {
            let (name, bytes) = (saved.array()?, saved.array()?);
            if name == FREE || !table.get_or_insert(name, value(bytes)).1 {
                return None;
            }
        }
        Some(table)
    }

    /// The place of a name, or the free place for it; `None` if the table has no places.
    fn place_of(&self, name: &Half) -> Option<usize> {
        let mask = self.places.len().checked_sub(1)?;
        let mut at = start_of(name) & mask;
        while self.places[at].0 != *name && self.places[at].0 != FREE {
            at = (at + 1) & mask;
        }
        Some(at)
    }

    fn grow(&mut self) {
        let places = vec![(FREE, V::default()); (self.places.len() * 2).max(64)];
        let old = core::mem::replace(&mut self.places, places);
        for pair in old.into_iter().filter(|(name, _)| *name != FREE) {
            let Some(at) = self.place_of(&pair.0) else { unreachable!("it has places now") };
            self.places[at] = pair;
        }
    }
}

/// The content with which each idempotency key first came.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents(Table<Half>);

impl Contents {
    /// Whether the key of this stream comes for the first time, or with the same content as the first time.
    pub(super) fn agrees(&mut self, stream: &str, key: &str, content: &[u8; 32]) -> bool {
        self.agrees_by_name(name(stream, key), first_half(content))
    }

    /// Adds the contents of a later part of the log; false if a key has another content there.
    pub(super) fn join(&mut self, later: Contents) -> bool {
        later.0.into_pairs().all(|(name, content)| self.agrees_by_name(name, content))
    }

    pub(super) fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out, |content| content);
    }

    pub(super) fn resume(saved: &mut Left<'_>) -> Option<Contents> {
        Table::resume(saved, |content| content).map(Contents)
    }

    fn agrees_by_name(&mut self, name: Half, content: Half) -> bool {
        *self.0.get_or_insert(name, content).0 == content
    }
}

/// The place where the search for a name begins. The name is a hash, so any part of it is evenly spread.
fn start_of(name: &Half) -> usize {
    let mut raw = [0; size_of::<usize>()];
    raw.copy_from_slice(&name[..size_of::<usize>()]);
    usize::from_le_bytes(raw)
}

/// A name for a stream.
pub(super) fn name_of(stream: &str) -> Half {
    first_half(blake3::hash(stream.as_bytes()).as_bytes())
}

/// A name for stream and key together. The length distinguishes `ab`, `c` from `a`, `bc`.
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
        assert_eq!(contents.0.len(), 5000);
    }

    #[test]
    fn a_table_gives_what_was_put_in_and_nothing_for_other_names() {
        let mut table = Table::<u64>::default();
        assert_eq!(table.get(&name_of("run")), None);
        let names: Vec<Half> = (0..1000).map(|n| name_of(&format!("run-{n}"))).collect();
        for (value, name) in (0u64..).zip(&names) {
            assert_eq!(table.get(name), None);
            assert_eq!(table.get_or_insert(*name, value), (&mut { value }, true));
        }
        assert!((0u64..).zip(&names).all(|(value, name)| table.get(name) == Some(value)));
    }

    #[test]
    fn the_boundary_between_stream_and_key_is_part_of_the_name() {
        let mut contents = Contents::default();
        for (n, (stream, key)) in [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc")].into_iter().enumerate() {
            let content = [u8::try_from(n).unwrap(); 32];
            assert!(contents.agrees(stream, key, &content));
        }
    }
}
