//! A busy disk: another thread writes and syncs on the same file system while a work runs.

use crate::{Done, during};
use std::fs::OpenOptions;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Bytes between two syncs, and the length at which writing starts again at the file's beginning.
const BLOCK: usize = 1 << 20;
const FILE_LEN: usize = 64 << 20;

/// Writes until it is dropped.
#[derive(Debug)]
pub struct Busy {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Busy {
    /// Begins to write a file in `dir`.
    pub fn begin(dir: &Path) -> Done<Busy> {
        let mut options = OpenOptions::new();
        let file = options.create(true).write(true).truncate(true).open(dir.join("busy"));
        let mut file = file.map_err(during("make a file to keep the disk busy"))?;
        let ends = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&ends);
        let mut work = move || -> std::io::Result<()> {
            let block = vec![0xa5; BLOCK];
            while !asked.load(Ordering::Relaxed) {
                file.set_len(0)?;
                file.rewind()?;
                for _ in 0..FILE_LEN / BLOCK {
                    if asked.load(Ordering::Relaxed) {
                        break;
                    }
                    file.write_all(&block)?;
                    file.sync_all()?;
                }
            }
            Ok(())
        };
        let thread = std::thread::spawn(move || {
            // An error is ignored, because a full or missing disk also makes the workload fail, which reports it.
            let _ended = work();
        });
        Ok(Busy { ends, thread: Some(thread) })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
