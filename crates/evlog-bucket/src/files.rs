//! The open files of a bucket.

use crate::bucket::{Bucket, lock};
use evlog_format::Position;
use evlog_store::fs::{Claim, File, FileId, Watch};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) fn segment_id(position: Position) -> FileId {
    FileId(1, position.0)
}

pub(crate) const HEAD_ID: FileId = FileId(4, 0);

fn copy(bytes: &[u8], buf: &mut [u8], offset: u64) -> usize {
    let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let len = buf.len().min(bytes.len() - from);
    buf[..len].copy_from_slice(&bytes[from..from + len]);
    len
}

fn fixed() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "this file is open for reading")
}

/// A file that was read as a whole.
#[derive(Debug)]
pub(crate) struct Bytes {
    pub(crate) id: FileId,
    pub(crate) bytes: Vec<u8>,
}

impl File for Bytes {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(copy(&self.bytes, buf, offset))
    }
    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Err(fixed())
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }
    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(fixed())
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn id(&self) -> io::Result<FileId> {
        Ok(self.id)
    }
    fn is_named(&self) -> io::Result<bool> {
        Ok(true)
    }
    fn try_lock(&self) -> io::Result<Claim> {
        Ok(Claim::Taken)
    }
    fn is_locked(&self) -> io::Result<bool> {
        Ok(false)
    }
}

/// `HEAD` for a writer. Its bytes follow from the groups, so what a writer notes there is not kept.
#[derive(Debug)]
pub(crate) struct HeadFile(pub(crate) Arc<Bucket>);

impl HeadFile {
    fn bytes(&self) -> Vec<u8> {
        self.0.state().journal.head().map_or(Vec::new(), |head| head.encode().to_vec())
    }
}

impl File for HeadFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(copy(&self.bytes(), buf, offset))
    }
    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Ok(())
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }
    fn set_len(&self, _len: u64) -> io::Result<()> {
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn id(&self) -> io::Result<FileId> {
        Ok(HEAD_ID)
    }
    fn is_named(&self) -> io::Result<bool> {
        Ok(true)
    }
    fn try_lock(&self) -> io::Result<Claim> {
        Ok(Claim::Taken)
    }
    fn is_locked(&self) -> io::Result<bool> {
        Ok(false)
    }
}

/// A segment: a part of the log's bytes.
#[derive(Clone, Debug)]
pub(crate) struct SegmentFile {
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) segment: Position,
    /// The session that opened it for writing.
    pub(crate) session: Option<u64>,
}

impl SegmentFile {
    fn end(&self) -> io::Result<Position> {
        let end = self.bucket.state().segment_end(self.segment, self.session);
        let end = end.or_else(|| self.bucket.state().journal.segment_end(self.segment));
        end.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "this segment was never committed"))
    }

    fn session(&self) -> io::Result<u64> {
        self.session.ok_or_else(fixed)
    }
}

impl File for SegmentFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let (from, end) = (Position(self.segment.0.saturating_add(offset)), self.end()?);
        let left = usize::try_from(end.0.saturating_sub(from.0)).unwrap_or(usize::MAX);
        let len = buf.len().min(left);
        let buf = &mut buf[..len];
        if buf.is_empty() {
            return Ok(0);
        }
        let bucket = &self.bucket;
        let place = {
            let state = bucket.state();
            if let Some(bytes) = state.collected(self.session, from) {
                return Ok(copy(bytes, buf, 0));
            }
            state.journal.at(from)
        };
        let Some(place) = place else { return Ok(0) };
        let bytes = if let Some(bytes) = &place.bytes {
            Arc::clone(bytes)
        } else {
            let bytes = place.fetch(bucket.store.as_ref())?;
            bucket.state().journal.keep(place.number, Arc::clone(&bytes), bucket.options.cache);
            bytes
        };
        Ok(copy(&bytes, buf, from.0 - place.position.0))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.bucket.append(self.session()?, Position(self.segment.0.saturating_add(offset)), bytes)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.end()?.0 - self.segment.0)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if len == self.len()? {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "what is in a bucket is never cut"))
    }

    fn sync_data(&self) -> io::Result<()> {
        // COMMIT POINT: when the group is created.
        self.session.map_or(Ok(()), |session| self.bucket.commit(session))
    }

    fn id(&self) -> io::Result<FileId> {
        Ok(segment_id(self.segment))
    }

    fn is_named(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// The session is the lock.
    fn try_lock(&self) -> io::Result<Claim> {
        Ok(Claim::Taken)
    }

    fn is_locked(&self) -> io::Result<bool> {
        Ok(false)
    }
}

/// A file that is only in memory.
#[derive(Debug)]
pub(crate) struct Draft {
    id: FileId,
    content: Mutex<Content>,
}

#[derive(Debug)]
enum Content {
    Bytes(Vec<u8>),
    /// It became the segment at this position, in this session.
    Segment(Position, u64),
}

impl Draft {
    pub(crate) fn new(id: FileId) -> Draft {
        Draft { id, content: Mutex::new(Content::Bytes(Vec::new())) }
    }

    pub(crate) fn id(&self) -> FileId {
        match &*lock(&self.content) {
            Content::Bytes(_) => self.id,
            Content::Segment(position, _) => segment_id(*position),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        match &*lock(&self.content) {
            Content::Bytes(bytes) => bytes.clone(),
            Content::Segment(..) => Vec::new(),
        }
    }

    pub(crate) fn become_segment(&self, position: Position, session: u64) {
        *lock(&self.content) = Content::Segment(position, session);
    }
}

/// A draft that is open. If the draft becomes a segment, this is the segment.
#[derive(Debug)]
pub(crate) struct DraftFile {
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) draft: Arc<Draft>,
}

impl DraftFile {
    fn segment(&self) -> Option<SegmentFile> {
        match *lock(&self.draft.content) {
            Content::Segment(segment, session) => {
                Some(SegmentFile { bucket: Arc::clone(&self.bucket), segment, session: Some(session) })
            }
            Content::Bytes(_) => None,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
        if let Content::Bytes(bytes) = &mut *lock(&self.draft.content) {
            change(bytes);
        }
    }
}

impl File for DraftFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.segment() {
            Some(segment) => segment.read_at(buf, offset),
            None => Ok(copy(&self.draft.bytes(), buf, offset)),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Some(segment) = self.segment() {
            return segment.write_at(bytes, offset);
        }
        let from = usize::try_from(offset).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.change(|all| {
            all.resize(all.len().max(from + bytes.len()), 0);
            all[from..from + bytes.len()].copy_from_slice(bytes);
        });
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        match self.segment() {
            Some(segment) => segment.len(),
            None => Ok(self.draft.bytes().len() as u64),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if let Some(segment) = self.segment() {
            return segment.set_len(len);
        }
        let len = usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.change(|all| all.resize(len, 0));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.segment().map_or(Ok(()), |segment| segment.sync_data())
    }

    fn id(&self) -> io::Result<FileId> {
        Ok(self.draft.id())
    }

    fn is_named(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn try_lock(&self) -> io::Result<Claim> {
        Ok(Claim::Taken)
    }

    fn is_locked(&self) -> io::Result<bool> {
        Ok(false)
    }
}

/// The first pause after a group was found.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Asks for the next group again and again. While a watch exists, nothing else asks.
#[derive(Debug)]
pub(crate) struct PollWatch {
    bucket: Arc<Bucket>,
    next: Instant,
    pause: Duration,
}

impl PollWatch {
    pub(crate) fn new(bucket: Arc<Bucket>) -> PollWatch {
        bucket.watches.fetch_add(1, Ordering::AcqRel);
        PollWatch { bucket, next: Instant::now(), pause: PAUSE_MIN }
    }
}

impl Drop for PollWatch {
    fn drop(&mut self) {
        self.bucket.watches.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Watch for PollWatch {
    fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        let now = Instant::now();
        if self.next > now + at_most {
            std::thread::sleep(at_most);
            return Ok(());
        }
        std::thread::sleep(self.next.saturating_duration_since(now));
        let before = self.bucket.state().journal.end;
        // The next reader of `HEAD` gets the error.
        let missed = self.bucket.refresh().err();
        let mut state = self.bucket.state();
        self.pause = if state.journal.end == before { self.pause * 2 } else { PAUSE_MIN };
        self.pause = self.pause.min(self.bucket.options.poll);
        state.missed = missed.or(state.missed.take());
        self.next = Instant::now() + self.pause;
        Ok(())
    }
}
