//! What must be true of the readers of the store's own files (`HEAD`, `.idx`, `.end`) for any bytes. Each function panics if it
//! is not true.
//!
//! This is for fuzzing and for tests above this crate, behind the feature `sim`; the formats stay private. Bytes are tried as
//! they are, and again with checksums that match, because few changed bytes would pass the checksums.

use crate::closed::ClosedEnd;
use crate::head::Head;
use crate::index::SealedIndex;
use evlog_format::checksum::crc32;

const CRC_LEN: usize = 4;

/// The bytes with their last four replaced by the CRC-32 of all before them.
pub fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = bytes.to_vec();
    if let Some((covered, stored)) = sealed.split_last_chunk_mut::<CRC_LEN>() {
        *stored = crc32(covered).to_le_bytes();
    }
    sealed
}

/// Whether these bytes are a whole `HEAD`.
pub fn is_head(bytes: &[u8]) -> bool {
    Head::decode(bytes).is_some()
}

/// `HEAD`: a decoded value encodes to the same bytes, and states nothing impossible.
///
/// # Panics
///
/// Where that does not hold.
pub fn head(bytes: &[u8]) {
    for bytes in [bytes, &sealed(bytes)] {
        if let Some(head) = Head::decode(bytes) {
            assert!(head.encode() == bytes, "HEAD has another encoding: {head:?}");
            assert!(head.durable <= head.committed, "{head:?}");
        }
    }
}

/// `.end`: a decoded value encodes to the same bytes.
///
/// # Panics
///
/// Where that does not hold.
pub fn closed_end(bytes: &[u8]) {
    for bytes in [bytes, &sealed(bytes)] {
        let (log_id, segment) = ClosedEnd::claimed(bytes);
        if let Some((closed, frontier)) = ClosedEnd::decode(bytes, log_id, segment) {
            assert!(closed.encode(log_id, segment) == bytes, "`.end` has another encoding: {closed:?}");
            assert_eq!(frontier.size(), closed.end().0);
        }
    }
}

/// `.idx`: it gives the same answer each time. Each stream that it lists once is found under its name, or not at all.
///
/// # Panics
///
/// Where that does not hold.
pub fn index(bytes: &[u8]) {
    for bytes in [bytes, &SealedIndex::sealed(bytes)] {
        let Some(index) = SealedIndex::claimed(bytes) else { continue };
        let Ok(all) = index.all() else { continue };
        for (name, _) in all.iter().take(64) {
            if let Ok(Some(found)) = index.find(name) {
                assert!(
                    all.iter().any(|(of, listed)| of == name && *listed == found),
                    "`{name}` is found and not listed"
                );
            }
        }
        // This is repeated so often that the filter is read too.
        for nth in 0..8 {
            let name = format!("no stream {nth}");
            let listed = all.iter().any(|(of, _)| *of == name);
            assert!(listed || !matches!(index.find(&name), Ok(Some(_))), "`{name}` is made up");
        }
    }
}
