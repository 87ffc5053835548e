//! The log's bytes as they are, for callers that judge them. This module refuses nothing, relies on no byte, and writes
//! nothing.

use crate::error::{Failure, ReadError};
use crate::fs::{File, FileId, Fs};
use crate::head::Head;
use crate::reader::{CommitRef, Reader};
use crate::segment::{Access, Files};
use crate::walk::{Walk, Walked};
use evlog_format::{CommitReader, FRAME_HEADER_LEN, FrameCodec, Position, SEGMENT_HEADER_LEN};
use evlog_verify::Tree;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much is read at once, in bytes.
const CHUNK: usize = 1024 * 1024;

/// A log's files, without any checks.
#[derive(Debug)]
pub struct RawLog {
    files: Files,
    segments: Vec<RawSegment>,
    head: Result<Option<Head>, Failure>,
}

/// One segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawSegment {
    /// The position that its name states.
    pub position: Position,
    /// Its length in bytes, when the log was listed.
    pub len: u64,
    /// The file.
    pub path: PathBuf,
    /// The identity of that file.
    pub id: FileId,
}

impl RawSegment {
    /// Checks that a file is the one that was listed.
    fn check(&self, file: &dyn File) -> Result<(), Failure> {
        if file.id().map_err(Failure::of("look at", &self.path))? == self.id {
            return Ok(());
        }
        let source =
            io::Error::other("another file took its place: the log was replaced or repaired while it was read");
        Err(Failure::of("go on with", &self.path)(source))
    }
}

impl RawLog {
    /// Lists the files of the log in `dir`. It is not a failure if there are no segments, or no directory. A `HEAD` that cannot
    /// be read is a failure only for callers of [`head`](Self::head).
    pub fn open(fs: Arc<dyn Fs>, dir: &Path) -> Result<RawLog, Failure> {
        Files::check_dirs(&fs, dir)?;
        RawLog::of(Files::new(fs, dir))
    }

    /// Lists the files of the log that a reader opened, even if another log has its path now.
    pub fn of_reader(reader: &Reader) -> Result<RawLog, Failure> {
        RawLog::of(reader.files().clone())
    }

    fn of(files: Files) -> Result<RawLog, Failure> {
        // `HEAD` is read before the files are listed, so that it cannot claim bytes that were written after the listing.
        let head = files.any_head();
        let mut segments = Vec::new();
        for position in files.segments()? {
            let path = files.layout.segment(position);
            let file = files.fs.open_read(&path).map_err(Failure::of("open", &path))?;
            let len = file.len().map_err(Failure::of("read", &path))?;
            let id = file.id().map_err(Failure::of("look at", &path))?;
            segments.push(RawSegment { position, len, path, id });
        }
        Ok(RawLog { files, segments, head })
    }

    /// The segment files in order of position.
    pub fn segments(&self) -> &[RawSegment] {
        &self.segments
    }

    /// The content of `HEAD`, if `HEAD` is there and whole. It may belong to another log.
    pub fn head(&self) -> Result<Option<Head>, Failure> {
        match &self.head {
            Ok(head) => Ok(*head),
            Err(failure) => Err(failure.again()),
        }
    }

    /// Whether a writer holds the log now; `None` if that cannot be found out.
    pub fn has_writer(&self) -> Option<bool> {
        self.files.has_writer().ok()
    }

    /// The tree over all bytes before a segment, from the segment's sidecar. `None` if the tree's root is not the one in the
    /// segment's header.
    pub fn tree_before(&self, segment: &RawSegment) -> Option<Tree> {
        let header = self.files.open(segment.position, Access::Read).ok()?.header;
        self.files.frontier(&header)
    }

    /// Gives `visit` the bytes of a range of the log's byte string, in order, in chunks. Missing bytes are left out.
    pub fn read_range(&self, range: &Range<u64>, visit: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let starts = self.segments.iter().map(|segment| segment.position.0);
        let ends = starts.clone().skip(1).chain([u64::MAX]);
        for (segment, (start, end)) in self.segments.iter().zip(starts.zip(ends)) {
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                self.read_in(segment, from - start..(to - start).min(segment.len), visit)?;
            }
        }
        Ok(())
    }

    /// Gives `visit` a segment's bytes in order, in chunks, up to the listed length, or fewer if the file has become
    /// shorter.
    pub fn read(&self, segment: &RawSegment, visit: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let file = self.open_listed(segment)?;
        Self::read_part(file.as_ref(), segment, 0..segment.len, visit)
    }

    /// Opens a segment that was listed, and checks that it is still the same file. Another file may belong to another log,
    /// and a verdict on parts of two logs would be wrong for both.
    fn open_listed(&self, segment: &RawSegment) -> Result<Arc<dyn File>, Failure> {
        let path = &segment.path;
        let file = self.files.fs.open_read(path).map_err(Failure::of("open", path))?;
        segment.check(file.as_ref())?;
        Ok(file)
    }

    /// Gives `visit` the bytes of a part of a segment, in order, in chunks.
    pub fn read_in(&self, segment: &RawSegment, part: Range<u64>, visit: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let file = self.open_listed(segment)?;
        Self::read_part(file.as_ref(), segment, part, visit)
    }

    fn read_part(
        file: &dyn File,
        segment: &RawSegment,
        part: Range<u64>,
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Failure> {
        let (mut buf, mut at) = (vec![0; CHUNK], part.start);
        while at < part.end {
            let want = usize::try_from(part.end - at).unwrap_or(CHUNK).min(CHUNK);
            let read = file.read_full_at(&mut buf[..want], at).map_err(Failure::of("read", &segment.path))?;
            if read == 0 {
                return Ok(());
            }
            visit(&buf[..read]);
            at += read as u64;
        }
        Ok(())
    }

    /// Calls `visit` for each commit of a segment, as long as frames follow each other and commits decode. The caller judges
    /// whether they end where they should.
    pub fn commits(&self, segment: &RawSegment, visit: &mut dyn FnMut(CommitRef<'_>)) -> Result<(), ReadError> {
        let open = self.files.open(segment.position, Access::Read)?;
        segment.check(open.file.as_ref())?;
        let (codec, first) = (FrameCodec::new(open.header.log_id), SEGMENT_HEADER_LEN as u64);
        let mut walk = Walk::new(open.file, codec, segment.position.0, first, segment.len);
        while let Walked::Frame(at) = walk.next().map_err(Failure::of("read", &segment.path))? {
            let frame = walk.frame(at);
            match CommitReader::new(frame.body, frame.position + FRAME_HEADER_LEN as u64) {
                Ok(commit) => visit(CommitRef { frame, commit }),
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }
}
