//! A small log, one of whose files is replaced by any bytes: reader, writer and auditor agree, and nothing made up is shown.

use crate::LOG;
use crate::seeds::{self, Closed, Place};
use evlog_format::Position;
use evlog_store::fs::SimFs;
use evlog_store::{Fs, OpenError, Owner, RawLog, ReadError, Reader, Verdict, Writer};
use evlog_verify::Audit;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// An event as it is compared: stream, number in it, payload.
type Seen = (String, u64, Vec<u8>);

/// One byte says which file, the others are its bytes.
pub(crate) fn log(input: &[u8]) {
    let Some((&which, bytes)) = input.split_first() else { return };
    let closed = seeds::closed();
    let place = closed.places[usize::from(which) % closed.places.len()].clone();
    check(closed, &place, bytes);
}

fn check(closed: &Closed, place: &Place, bytes: &[u8]) {
    let fs = closed.with(place, bytes);
    let dir = Path::new(seeds::DIR);
    let shared: Arc<dyn Fs> = Arc::new(fs.clone());
    let verdict = audit(&fs);
    let (seen, reads) = shown(&fs);
    // An input with valid checksums may be another history, so only for sidecars we require that the true events are
    // shown.
    let is_sidecar = !matches!(place, Place::Segment(_));
    let is_spoilt = is_sidecar && !matches!(place, Place::Head(_) if evlog_store::fuzz::is_head(bytes));
    if is_sidecar {
        assert!(closed.truth.starts_with(&seen), "an event is wrong");
    }
    if is_spoilt {
        assert!(reads && seen == closed.truth, "a spoilt sidecar hides {} events", closed.truth.len() - seen.len());
        assert_eq!(verdict, Some(Verdict::Clean), "a spoilt sidecar is no harm to the bytes");
    }
    match Writer::open(shared, dir, &Owner { program: "fuzz".into() }) {
        Ok((writer, _)) => {
            assert!(!reads || writer.next_seq().0 == seen.len() as u64, "a reader shows what the writer does not keep");
            assert!(writer.log_id() == LOG || !is_sidecar);
        }
        Err(OpenError::Refused(_) | OpenError::Version { .. } | OpenError::NoLog { .. }) => {
            assert!(!is_spoilt, "a spoilt sidecar keeps a log from being opened");
        }
        Err(error) => panic!("{error}"),
    }
}

/// All that a reader shows, and whether nothing failed.
fn shown(fs: &SimFs) -> (Vec<Seen>, bool) {
    let mut seen = Vec::new();
    let Ok(reader) = Reader::open(Arc::new(fs.clone()), Path::new(seeds::DIR)) else { return (seen, false) };
    let Ok(mut commits) = reader.commits(Position(0)) else { return (seen, false) };
    loop {
        let mut next = match commits.next() {
            Ok(Some(next)) => next,
            Ok(None) => break,
            Err(_) => return (seen, false),
        };
        while let Ok(Some((_, event))) = next.commit.next_event() {
            seen.push((event.stream.to_string(), event.number, event.payload.to_vec()));
        }
    }
    let streams: BTreeSet<&String> = seen.iter().map(|(stream, ..)| stream).collect();
    for stream in streams {
        // An index with valid checksums and wrong contents may hide events, but the events that are shown are still
        // true.
        let visited = reader.stream::<ReadError>(stream, &mut |_, _, event| {
            let event = (event.stream.to_string(), event.number, event.payload.to_vec());
            assert!(seen.contains(&event), "an event is made up: {event:?}");
            Ok(ControlFlow::Continue(()))
        });
        drop(visited);
    }
    (seen, true)
}

/// Nothing for a log of another version.
fn audit(fs: &SimFs) -> Option<Verdict> {
    let Ok(raw) = RawLog::open(Arc::new(fs.clone()), Path::new(seeds::DIR)) else { unreachable!("the disk is well") };
    let Ok(head) = raw.head() else { unreachable!("the disk is well") };
    let mut audit = Audit::new(head.map(|head| head.durable));
    for (at, segment) in raw.segments().iter().enumerate() {
        audit.begin_segment(segment.position, at + 1 == raw.segments().len());
        let mut is_other = false;
        let read = raw.read(segment, &mut |chunk| is_other |= audit.bytes(chunk, &mut |_, _| ()).is_err());
        assert!(read.is_ok(), "the disk is well");
        if is_other || audit.end_segment().is_err() {
            return None;
        }
    }
    Some(audit.finish().verdict())
}
