//! A bundle: the projected files of one run, as bytes, each with a name, a version and a digest.

use evlog_format::Seq;
use std::collections::BTreeMap;

/// A projection, and which version of it this program makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projection {
    /// Its name, such as `status.run`.
    pub name: &'static str,
    /// Raised when the same events would give other bytes.
    pub version: u16,
}

impl Projection {
    /// Names a projection and its version.
    pub const fn new(name: &'static str, version: u16) -> Projection {
        Projection { name, version }
    }

    /// A file that this projection made.
    pub fn file(self, path: impl Into<String>, bytes: Vec<u8>) -> File {
        File { path: path.into(), projection: self.name, version: self.version, bytes }
    }
}

/// One projected file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Path within the bundle, with `/`, such as `logs/health.json`. It has at most 1024 bytes, and each name in it at most
    /// 240.
    pub path: String,
    /// Name of the projection that made it, such as `status.run`.
    pub projection: &'static str,
    /// Version of that projection: raised when the same events would give other bytes.
    pub version: u16,
    /// The file's bytes.
    pub bytes: Vec<u8>,
}

impl File {
    /// BLAKE3 of the bytes.
    pub fn digest(&self) -> [u8; 32] {
        *blake3::hash(&self.bytes).as_bytes()
    }
}

/// The files of one run, by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The run's id; the bundle's directory is `runs/<run id>/`.
    pub run: String,
    /// The contract that made it.
    pub contract: &'static str,
    /// Seq of the last event that it covers.
    pub last_seq: Seq,
    /// How many of the run's events it covers.
    pub events: u64,
    /// The projected files.
    pub files: BTreeMap<String, File>,
}
