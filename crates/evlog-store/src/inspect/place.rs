//! One place of a log, byte by byte.

use super::{Inspection, Segment, Stretch};
use crate::error::Failure;
use evlog_format::frame::Decoded;
use evlog_format::limits::FRAME_BODY_LEN_MAX;
use evlog_format::{FRAME_HEADER_LEN, FrameCodec, LogId, Position, SEGMENT_HEADER_LEN};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// The content at a position.
#[derive(Clone, Debug)]
pub struct Place {
    /// The position.
    pub position: Position,
    /// The file that holds it.
    pub path: PathBuf,
    /// Its kind.
    pub what: What,
    /// The bytes from this position on: the frame, the header, or as many bytes as a frame header states, if they are there.
    pub bytes: Vec<u8>,
    /// The fields of a frame header, read from these bytes; `None` in a segment header, or if there are too few bytes.
    pub fields: Option<Fields>,
    /// Where the frame begins that these bytes are a part of, if they are.
    pub within: Option<Position>,
}

/// The fields of a frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Length of the body.
    pub len: u32,
    /// CRC-32, as stored.
    pub checksum: u32,
    /// The durable-before of the frame.
    pub durable_before: u64,
}

/// The kind of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A frame whose checksum matches.
    Frame,
    /// The header of a segment.
    SegmentHeader,
    /// Not a frame, and why not.
    Other(String),
}

/// How many bytes are shown of a place that is not a frame.
const SHOWN: u64 = 256;

pub(super) fn at(inspection: &Inspection, segment: &Segment, position: Position) -> Result<Place, Failure> {
    let path = segment.path.clone();
    let file = inspection.files.fs.open_read(&path).map_err(Failure::of("open", &path))?;
    let offset = position.0 - segment.position.0;
    let read = |len: u64| -> Result<Vec<u8>, Failure> {
        let len = len.min(segment.len - offset);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        let read = file.read_full_at(&mut bytes, offset).map_err(Failure::of("read", &path))?;
        bytes.truncate(read);
        Ok(bytes)
    };
    if offset < SEGMENT_HEADER_LEN as u64 {
        let bytes = read(SEGMENT_HEADER_LEN as u64 - offset)?;
        let (path, within) = (path.clone(), (offset > 0).then_some(segment.position));
        return Ok(Place { position, path, what: What::SegmentHeader, bytes, fields: None, within });
    }
    let fields = fields(&read(FRAME_HEADER_LEN as u64)?);
    let stated = fields.map(|fields| fields.len).filter(|len| *len > 0 && *len <= FRAME_BODY_LEN_MAX);
    let bytes = read(stated.map_or(SHOWN, |len| u64::from(len) + FRAME_HEADER_LEN as u64))?;
    let what = what(inspection.log_id, position, &bytes);
    let within = if what == What::Frame { None } else { holder(inspection, segment, position)? };
    Ok(Place { position, path: path.clone(), what, bytes, fields, within })
}

fn fields(bytes: &[u8]) -> Option<Fields> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    let (len, checksum) = (u32::from_le_bytes(*len), u32::from_le_bytes(*checksum));
    Some(Fields { len, checksum, durable_before: u64::from_le_bytes(*rest.first_chunk()?) })
}

fn what(log_id: Option<LogId>, position: Position, bytes: &[u8]) -> What {
    let Some(log_id) = log_id else { return What::Other("no header tells the log's id".to_string()) };
    match FrameCodec::new(log_id).decode(position.0, bytes) {
        Decoded::Frame(_) => What::Frame,
        Decoded::Empty => What::Other("a length of zero: no frame here".to_string()),
        Decoded::Incomplete { need } => {
            What::Other(format!("frame of {need} bytes, of which {} are there", bytes.len()))
        }
        Decoded::Corrupt(corruption) => What::Other(corruption.flaw.to_string()),
    }
}

/// The place where the frame begins that contains a place.
fn holder(inspection: &Inspection, segment: &Segment, position: Position) -> Result<Option<Position>, Failure> {
    let mut holder = None;
    inspection.stretches(segment, &mut |stretch| match stretch {
        Stretch::Frame(frame, _) if frame.end() <= position.0 => ControlFlow::Continue(()),
        Stretch::Frame(frame, _) => {
            holder = Some(Position(frame.position)).filter(|begin| begin.0 < position.0);
            ControlFlow::Break(())
        }
        Stretch::Other { position: begin, len, .. } if begin.0 + len <= position.0 => ControlFlow::Continue(()),
        Stretch::Other { .. } => ControlFlow::Break(()),
    })?;
    Ok(holder)
}
