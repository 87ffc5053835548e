//! What an object store must be able to do. All calls block.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// An object store, below one prefix. Names are relative to it.
pub trait Store: fmt::Debug + Send + Sync {
    /// Creates an object if there is none of that name. Sends one request: it must not try again by itself.
    fn create(&self, name: &str, bytes: &[u8]) -> Result<(), Fault>;
    /// The whole object, if it is there and no longer than `len_max`.
    fn get(&self, name: &str, len_max: u64) -> Result<Vec<u8>, Fault>;
    /// Objects, each as [`get`](Store::get) gives it, in the order of the names. A store over a network asks for all at once.
    fn get_all(&self, names: &[String], len_max: u64) -> Vec<Result<Vec<u8>, Fault>> {
        names.iter().map(|name| self.get(name, len_max)).collect()
    }
    /// A part of an object.
    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, Fault>;
    /// The names of the objects below a folder that ends with `/`, in order of bytes.
    fn list(&self, folder: &str) -> Result<Vec<String>, Fault>;
    /// Replaces an object if its tag is still this one, and returns the new tag.
    fn put_if_match(&self, name: &str, bytes: &[u8], tag: &str) -> Result<String, Fault>;
    /// The length and the tag of an object.
    fn head(&self, name: &str) -> Result<(u64, String), Fault>;
    /// Removes an object. It is no fault if there is none.
    fn delete(&self, name: &str) -> Result<(), Fault>;
    /// Waits before the next attempt.
    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no such object.
    Absent,
    /// A condition of the request was not met: the object exists, or has another tag. Some stores answer so although nothing
    /// exists, while another request is at work.
    Condition,
    /// The store refused the request, and did nothing. Says why.
    Refused(String),
    /// The store does not have this operation. Says which.
    Unsupported(String),
    /// It is not known whether the store did what was asked: no answer, or one that says to come back later.
    Unclear(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Absent => f.write_str("no such object"),
            Fault::Condition => f.write_str("the condition of the request was not met"),
            Fault::Refused(why) => f.write_str(why),
            Fault::Unsupported(what) => write!(f, "the store does not support this: {what}"),
            Fault::Unclear(why) => write!(f, "no usable answer: {why}"),
        }
    }
}

impl std::error::Error for Fault {}
