//! Files of the real file system.

use super::{Claim, File, FileId, Stamp, Syncing, at, lock};
use rustix::fd::AsFd;
use std::fs::File as OsFile;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::thread::Builder;

#[derive(Debug)]
struct StdFile(OsFile);

impl File for StdFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.0, buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn begin_sync(self: Arc<Self>) -> Syncing {
        let file = Arc::clone(&self);
        let begun = Builder::new().name("evlog-sync".into()).spawn(move || file.sync_data());
        begun.map_or_else(|_| Syncing::Done(self.sync_data()), Syncing::Beside)
    }

    fn id(&self) -> io::Result<FileId> {
        let found = self.0.metadata()?;
        Ok(FileId(found.dev(), found.ino()))
    }

    fn stamp(&self) -> io::Result<Stamp> {
        at::stamp_of_file(self.0.as_fd())
    }

    fn is_named(&self) -> io::Result<bool> {
        Ok(self.0.metadata()?.nlink() > 0)
    }

    fn try_lock(&self) -> io::Result<Claim> {
        lock::try_lock(&self.0)
    }

    fn is_locked(&self) -> io::Result<bool> {
        lock::is_locked(&self.0)
    }
}

pub(super) fn boxed(file: OsFile) -> Arc<dyn File> {
    Arc::new(StdFile(file))
}
