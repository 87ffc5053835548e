//! Writes bundles with several writers, each in its own thread: one writes drafts while another syncs.
//!
//! Invariant: the bundles come back in the order in which they came.

use super::{BundleWriter, Disk, Settled};
use crate::file_error::FileError;
use evlog_projection::Bundle;
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

/// So many files make a batch full, or so many bytes.
const FILES_MAX: usize = 4096;
const BYTES_MAX: usize = 16 << 20;

type Done = Result<Vec<Settled>, FileError>;

/// The writers. Each writes and settles one batch at a time.
#[derive(Debug)]
pub struct BundleWriters {
    workers: Vec<Worker>,
    /// The workers that have a batch, in the order of the batches.
    busy: VecDeque<usize>,
    /// The worker that gets the next batch.
    next: usize,
    batch: Vec<Bundle>,
    files: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Worker {
    /// `None` once no further batch will come.
    batches: Option<SyncSender<Vec<Bundle>>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
}

impl BundleWriters {
    /// A writer for each disk, of which there must be at least one. An error means that no thread could be started.
    pub fn new<D: Disk + Send + 'static>(disks: Vec<D>) -> io::Result<BundleWriters> {
        let workers = disks.into_iter().map(Worker::new).collect::<io::Result<_>>()?;
        Ok(BundleWriters { workers, busy: VecDeque::new(), next: 0, batch: Vec::new(), files: 0, bytes: 0 })
    }

    /// Adds a bundle. Returns the bundles of an earlier batch, if one was waited for.
    pub fn add(&mut self, bundle: Bundle) -> Done {
        self.files += bundle.files.len();
        self.bytes += bundle.files.values().map(|file| file.bytes.len()).sum::<usize>();
        self.batch.push(bundle);
        if self.files < FILES_MAX && self.bytes < BYTES_MAX { Ok(Vec::new()) } else { self.hand_out() }
    }

    /// Completes all batches, and returns their bundles.
    pub fn finish(mut self) -> Done {
        let mut settled = self.hand_out()?;
        while let Some(worker) = self.busy.pop_front() {
            settled.extend(self.workers[worker].settled()?);
        }
        Ok(settled)
    }

    /// Gives the batch to the worker that has waited longest.
    fn hand_out(&mut self) -> Done {
        let batch = std::mem::take(&mut self.batch);
        (self.files, self.bytes) = (0, 0);
        let is_full = self.busy.len() == self.workers.len();
        let earlier = if is_full { self.busy.pop_front() } else { None };
        let settled = earlier.map_or(Ok(Vec::new()), |worker| self.workers[worker].settled())?;
        let worker = &mut self.workers[self.next];
        if let Some(batches) = &worker.batches {
            // The thread may have panicked: `settled` passes that on.
            let _gone = batches.send(batch);
        }
        self.busy.push_back(self.next);
        self.next = (self.next + 1) % self.workers.len();
        Ok(settled)
    }
}

impl Worker {
    fn new<D: Disk + Send + 'static>(disk: D) -> io::Result<Worker> {
        let (batches, received) = sync_channel::<Vec<Bundle>>(1);
        let (send, done) = sync_channel(1);
        let thread = Builder::new().name("bundles".to_owned()).spawn(move || {
            let mut writer = BundleWriter::new(disk);
            for batch in received {
                if send.send(written(&mut writer, &batch)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Worker { batches: Some(batches), done, thread: Some(thread) })
    }

    /// The bundles of the batch that the worker has.
    fn settled(&mut self) -> Done {
        self.done.recv().unwrap_or_else(|_gone| match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            _ => unreachable!("a worker ends only when no further batch will come"),
        })
    }
}

fn written<D: Disk>(writer: &mut BundleWriter<D>, batch: &[Bundle]) -> Done {
    batch.iter().try_for_each(|bundle| writer.write(bundle))?;
    writer.settle()
}

impl Drop for Worker {
    /// Waits for the thread, so that its drafts are removed when the caller goes on.
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
