//! Sealed segments as memory: the one module with `unsafe`.
//!
//! Does: map the first bytes of a file that nobody changes any more. Does not: map anything that may still grow, or write.
//!
//! Two things can go wrong with a mapped file, and neither can be caught from within:
//!
//! - *The file gets shorter.* Touching a page that is not there any more ends the process with SIGBUS. No process of ours
//!   shortens a sealed segment: recovery cuts the last one only, and repair moves files instead of cutting them. The
//!   length is compared before the file is mapped, so a segment that is too short already is refused in the ordinary way.
//!   A stranger who truncates a sealed segment under a reader ends that reader; the bytes it would have shown were gone.
//! - *The file's bytes change.* Then a check and a later use may see different bytes. A sealed segment is never written
//!   again; a stranger who does is found by the next verification. Decoders read each length once and compare it with what
//!   is left before they use it, so that changing bytes can make them err, and never read beyond the slice.
//!
//! Invariant: a map is read-only and has at least one byte.

use memmap2::{Mmap, MmapOptions};
use std::fs::File;

/// The first bytes of a file that does not change any more, as memory.
#[derive(Debug)]
pub struct Map(Mmap);

impl Map {
    /// Maps the first `len` bytes of a file; nothing when it is shorter, `len` is zero, or the system refuses.
    pub(super) fn of(file: &File, len: u64) -> Option<Map> {
        let has = file.metadata().ok()?.len();
        let len = usize::try_from(len).ok().filter(|len| *len > 0)?;
        if has < len as u64 {
            return None;
        }
        #[expect(
            unsafe_code,
            reason = "mapping a file is unsafe in itself; the module says why it is sound enough here"
        )]
        // SAFETY: the file is a sealed segment, so no process of ours writes or shortens it; its length was compared above.
        let map = unsafe { MmapOptions::new().len(len).map(file) }.ok()?;
        // Only advice: who cannot take it reads the same bytes.
        map.advise(memmap2::Advice::Sequential).ok();
        Some(Map(map))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_map_has_the_first_bytes_of_the_file_and_never_more_than_the_file() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"sealed").unwrap();
        for len in 1..=6 {
            assert_eq!(Map::of(&file, len).unwrap().bytes(), &b"sealed"[..usize::try_from(len).unwrap()]);
        }
        for len in [0, 7, u64::MAX] {
            assert!(Map::of(&file, len).is_none(), "{len} bytes");
        }
    }
}
