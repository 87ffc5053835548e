//! A store in memory, for tests.

use crate::store::{Fault, Store};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Objects in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Objects>>);

/// The bytes and the tag of each object.
type Objects = BTreeMap<String, (Vec<u8>, u64)>;

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Objects> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an object, whatever was there.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut objects = self.lock();
        let tag = objects.get(name).map_or(0, |(_, tag)| tag + 1);
        objects.insert(name.to_string(), (bytes, tag));
    }
}

impl Store for Memory {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let mut objects = self.lock();
        if objects.contains_key(name) {
            return Err(Fault::Condition);
        }
        objects.insert(name.to_string(), (bytes.to_vec(), 0));
        Ok(())
    }

    fn get(&self, name: &str, len_max: u64) -> Result<Vec<u8>, Fault> {
        let bytes = self.lock().get(name).map(|(bytes, _)| bytes.clone()).ok_or(Fault::Absent)?;
        let is_short = bytes.len() as u64 <= len_max;
        if is_short { Ok(bytes) } else { Err(Fault::Refused(format!("the object is longer than {len_max} bytes"))) }
    }

    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, Fault> {
        let bytes = self.get(name, u64::MAX)?;
        let at = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes[at(range.start)..at(range.end)].to_vec())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, Fault> {
        Ok(self.lock().keys().filter(|name| name.starts_with(folder)).cloned().collect())
    }

    fn put_if_match(&self, name: &str, bytes: &[u8], tag: &str) -> Result<String, Fault> {
        let mut objects = self.lock();
        let object = objects.get_mut(name).ok_or(Fault::Absent)?;
        if object.1.to_string() != tag {
            return Err(Fault::Condition);
        }
        *object = (bytes.to_vec(), object.1 + 1);
        Ok(object.1.to_string())
    }

    fn head(&self, name: &str) -> Result<(u64, String), Fault> {
        let objects = self.lock();
        let (bytes, tag) = objects.get(name).ok_or(Fault::Absent)?;
        Ok((bytes.len() as u64, tag.to_string()))
    }

    fn delete(&self, name: &str) -> Result<(), Fault> {
        self.lock().remove(name);
        Ok(())
    }
}
