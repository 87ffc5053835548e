//! Records the digests of published files, by which a later replay proves every file that was ever written out.

use crate::error::LogError;
use crate::history::{LOG_STREAM, ProjectionPublished, PublishedFile, published};
use crate::log::{Log, Noted, payload_of};
use evlog_format::kind;
use evlog_projection::Bundle;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Records bundles of one session. A bundle that does not change is recorded only once.
pub struct Publisher<'l> {
    log: &'l Log,
    last: BTreeMap<String, ProjectionPublished>,
    /// What was recorded and not waited for. On a log with one writer the last one is enough, because it comes after all others.
    noted: Vec<Noted>,
}

impl<'l> Publisher<'l> {
    /// Reads what was published before, once.
    pub fn new(log: &'l Log) -> Result<Publisher<'l>, LogError> {
        let last = log.at_head(&mut log.session(), &mut |_| {
            let mut last = BTreeMap::new();
            log.writer().read_stream::<LogError>(LOG_STREAM, 0, &mut |_, seq, event| {
                last.extend(published(seq, event)?.map(|published| (published.run.clone(), published)));
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(last)
        })?;
        Ok(Publisher { log, last, noted: Vec::new() })
    }

    /// Records a bundle that was written out; returns whether it was new.
    pub fn publish(&mut self, published: ProjectionPublished) -> Result<bool, LogError> {
        if self.last.get(&published.run) == Some(&published) {
            return Ok(false);
        }
        let payload = payload_of(&published)?;
        if !self.log.is_shared() {
            self.noted.clear();
        }
        self.noted.push(self.log.offer_history(kind::LOG_PROJECTION_PUBLISHED, payload)?);
        self.last.insert(published.run.clone(), published);
        Ok(true)
    }

    /// Waits until everything recorded is committed.
    pub fn finish(self) -> Result<(), LogError> {
        self.noted.into_iter().try_for_each(|noted| self.log.wait_noted(noted))
    }
}

impl ProjectionPublished {
    /// What is recorded of a bundle.
    pub fn of(bundle: &Bundle) -> ProjectionPublished {
        let files = bundle.files.values().map(|file| PublishedFile {
            path: file.path.clone(),
            projection: file.projection.to_owned(),
            version: file.version,
            len: file.bytes.len() as u64,
            blake3: file.digest(),
        });
        ProjectionPublished {
            run: bundle.run.clone(),
            seq: bundle.last_seq.0,
            events: bundle.events,
            files: files.collect(),
        }
    }
}
