//! The streams of the most recent events, each with the number that it expects next. Most events belong to one of these
//! streams, so the name of their stream need not be hashed.
//!
//! Invariants: names are compared in full, so two names with the same checksum only cost time. The expected number of a stream
//! is here or in the table of all streams. If it is in both, the one here is newer.

use super::Half;
use alloc::string::String;
use alloc::vec::Vec;
use evlog_format::checksum::crc32;

/// A power of two: the number of streams that can grow at the same time, if no two share a place.
const PLACES: usize = 8192;

/// A stream, by its name in the table of all streams, and the number that it expects next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    /// Its name in the table of all streams.
    pub(super) name: Half,
    /// The number that it expects next.
    pub(super) next: u64,
}

/// One stream for each place.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent(Vec<Option<(String, Stream)>>);

/// The place where a stream is looked up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(usize);

impl Place {
    pub(super) fn of(stream: &str) -> Place {
        Place(crc32(stream.as_bytes()) as usize % PLACES)
    }
}

impl Recent {
    /// Returns the number that the stream expects, if the stream is here. From now on it expects `next`.
    pub(super) fn replace(&mut self, Place(at): Place, stream: &str, next: u64) -> Option<u64> {
        let (known, known_stream) = self.0.get_mut(at)?.as_mut()?;
        (known == stream).then(|| core::mem::replace(&mut known_stream.next, next))
    }

    /// Puts a stream at its place; returns the one that was there before.
    pub(super) fn put(&mut self, Place(at): Place, name: &str, stream: Stream) -> Option<Stream> {
        if self.0.is_empty() {
            self.0.resize_with(PLACES, || None);
        }
        let place = &mut self.0[at];
        let Some((known, known_stream)) = place else {
            *place = Some((name.into(), stream));
            return None;
        };
        known.clear();
        known.push_str(name);
        Some(core::mem::replace(known_stream, stream))
    }

    /// All streams.
    pub(super) fn into_streams(self) -> impl Iterator<Item = Stream> {
        self.0.into_iter().flatten().map(|(_, stream)| stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::format;

    #[test]
    fn a_stream_is_here_or_was_given_back_when_another_took_its_place() {
        let (mut recent, mut given_back) = (Recent::default(), BTreeMap::new());
        let name_of = |n: u64| format!("run-{n}");
        let half_of = |n: u64| crate::audit::contents::name_of(&name_of(n));
        for n in 0..3 * PLACES as u64 {
            let (name, stream) = (name_of(n), Stream { name: half_of(n), next: n });
            assert_eq!(recent.replace(Place::of(&name), &name, n), None, "{name} is new");
            let before = recent.put(Place::of(&name), &name, stream);
            given_back.extend(before.map(|stream| (stream.name, stream.next)));
            assert_eq!(recent.replace(Place::of(&name), &name, n + 1), Some(n));
        }
        assert!(given_back.len() >= 2 * PLACES);
        given_back.extend(recent.into_streams().map(|stream| (stream.name, stream.next)));
        assert_eq!(given_back.len(), 3 * PLACES, "none is lost");
        assert!((0..3 * PLACES as u64).all(|n| given_back.get(&half_of(n)) == Some(&(n + 1))));
    }
}
