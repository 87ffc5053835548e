//! The digests of a run's bundle, without its bytes, for the comparison with recorded digests.
//!
//! Does: fold many runs at the same time. Does not: keep the lines of a run's audit file, which is as long as the run's
//! history.
//!
//! Invariant: [`DigestFold`] gives the digests of the files that [`BundleFold`](crate::contracts::BundleFold) gives for the
//! same events, and fails if that fails.

use crate::bundle::{File, Projection};
use crate::contract::{Fact, FoldError};
use crate::contracts::{AUDIT_PATH, AUDIT_PROJECTION, Contracts, RunFold, fold_line};
use std::collections::BTreeMap;

/// An audit file of at most this many bytes is kept unhashed, because the state of a hasher takes about as much memory.
const SHORT_MAX: usize = 2048;

/// One projected file, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileDigest {
    /// Name of the projection that made it.
    pub projection: &'static str,
    /// Version of that projection.
    pub version: u16,
    /// BLAKE3 of the bytes.
    pub blake3: [u8; 32],
    /// The length in bytes.
    pub len: u64,
}

impl From<&File> for FileDigest {
    fn from(file: &File) -> FileDigest {
        FileDigest {
            projection: file.projection,
            version: file.version,
            blake3: file.digest(),
            len: file.bytes.len() as u64,
        }
    }
}

/// The files of one run, by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleDigests {
    /// How many of the run's events they cover.
    pub events: u64,
    /// The projected files.
    pub files: BTreeMap<String, FileDigest>,
}

/// Folds a run's events, in order, into the digests of its bundle.
pub struct DigestFold<'c> {
    contracts: &'c Contracts,
    fold: Option<RunFold>,
    audit: Hashed,
}

impl<'c> DigestFold<'c> {
    /// A fold of no events yet.
    pub fn new(contracts: &'c Contracts) -> DigestFold<'c> {
        DigestFold { contracts, fold: None, audit: Hashed::default() }
    }

    /// Folds the run's next event. Returns the line that it adds to the audit file.
    pub fn push(&mut self, fact: &Fact<'_>) -> Result<Vec<u8>, FoldError> {
        let line = fold_line(self.contracts, &mut self.fold, fact)?;
        self.audit.push(&line);
        Ok(line)
    }

    /// The run as folded so far.
    pub fn run(&self) -> Option<&RunFold> {
        self.fold.as_ref()
    }

    /// The digests as of the events pushed so far; `None` if there were none.
    pub fn digests(&self) -> Result<Option<BundleDigests>, FoldError> {
        let Some(fold) = &self.fold else {
            return Ok(None);
        };
        let audit = (AUDIT_PATH.to_owned(), self.audit());
        let files = fold.project()?.iter().map(digested).chain([audit]).collect();
        Ok(Some(BundleDigests { events: fold.head().events, files }))
    }

    /// The digest of the audit file as of the events pushed so far.
    pub fn audit(&self) -> FileDigest {
        self.audit.digest()
    }

    /// Path and digest of the files as earlier versions of their projections make them.
    pub fn earlier(&self) -> Result<Vec<(String, FileDigest)>, FoldError> {
        let files = self.fold.as_ref().map(RunFold::project_earlier).transpose()?.unwrap_or_default();
        Ok(files.iter().map(digested).collect())
    }
}

fn digested(file: &File) -> (String, FileDigest) {
    (file.path.clone(), FileDigest::from(file))
}

/// Bytes of which only the digest and the length are kept.
#[derive(Default)]
struct Hashed {
    len: u64,
    /// The bytes that the hasher does not have yet.
    short: Vec<u8>,
    /// The hasher, once there are more than [`SHORT_MAX`] bytes.
    hasher: Option<Box<blake3::Hasher>>,
}

impl Hashed {
    fn push(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
            return;
        }
        self.short.extend_from_slice(bytes);
        if self.short.len() > SHORT_MAX {
            let mut hasher = Box::new(blake3::Hasher::new());
            hasher.update(&self.short);
            (self.short, self.hasher) = (Vec::new(), Some(hasher));
        }
    }

    fn digest(&self) -> FileDigest {
        let hash = self.hasher.as_ref().map_or_else(|| blake3::hash(&self.short), |hasher| hasher.finalize());
        let Projection { name: projection, version } = AUDIT_PROJECTION;
        FileDigest { projection, version, blake3: *hash.as_bytes(), len: self.len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_lines_is_that_of_their_bytes_whether_they_are_kept_or_hashed_on_the_way() {
        let (mut hashed, mut bytes) = (Hashed::default(), Vec::new());
        for line in 0..400u32 {
            let line = format!("line {line}\n").into_bytes();
            let expected = *blake3::hash(&bytes).as_bytes();
            assert_eq!((hashed.digest().blake3, hashed.digest().len), (expected, bytes.len() as u64));
            hashed.push(&line);
            bytes.extend_from_slice(&line);
        }
        assert!(hashed.hasher.is_some() && hashed.short.is_empty(), "{} bytes are not kept", bytes.len());
    }
}
