//! Keys, and a log in memory with a checkpoint over it.

use evlog_format::{
    CommitHead, Durability, Event, FORMAT_VERSION, FrameCodec, Kind, LogId, PLAIN, Position, Root, SegmentHeader, Seq,
    encode_commit,
};
use evlog_proof::{Algorithm, Checkpoint, ProofFile, Signed, SignerKey};
use evlog_verify::proof;
use std::convert::Infallible;
use std::ops::Range;

pub(crate) const LOG_ID: LogId = LogId(*b"evlog-proof-test");

pub(crate) fn log_key() -> SignerKey {
    SignerKey::new("example.com/log", Algorithm::Note, &[1; 32]).unwrap()
}

pub(crate) fn witness_key(n: u8) -> SignerKey {
    SignerKey::new(&format!("witness.example.com/{n}"), Algorithm::Cosignature, &[100 + n; 32]).unwrap()
}

/// A log's bytes, and the positions of its frames.
pub(crate) struct Log {
    pub(crate) bytes: Vec<u8>,
    pub(crate) frames: Vec<(Range<u64>, Seq)>,
}

/// Commits of one event each; the payload's text is as long as the number says.
pub(crate) fn log(payloads: &[usize]) -> Log {
    let header = SegmentHeader {
        log_id: LOG_ID,
        segment_limit: 1 << 20,
        position: Position(0),
        first_seq: Seq(0),
        root_before: Root::EMPTY,
    };
    let mut log = Log { bytes: header.encode().to_vec(), frames: Vec::new() };
    for (seq, len) in (0..).zip(payloads) {
        let payload = format!("{:?}", "x".repeat(*len));
        let head = CommitHead::new(Seq(seq), 7, Durability::Sync, "test");
        let event = Event {
            stream: "order-7",
            number: seq,
            kind: Kind::Custom("custom/noted"),
            kind_version: 1,
            causation: None,
            protection: PLAIN,
            payload: payload.as_bytes(),
        };
        let start = log.bytes.len() as u64;
        let codec = FrameCodec::new(LOG_ID);
        codec.encode(start, start, &mut log.bytes, |out| encode_commit(&head, &[event], out)).unwrap().unwrap();
        log.frames.push((start..log.bytes.len() as u64, Seq(seq)));
    }
    log
}

impl Log {
    /// A checkpoint over the first bytes.
    pub(crate) fn checkpoint(&self, size: usize) -> Checkpoint {
        let size_u64 = size as u64;
        Checkpoint {
            origin: log_key().verifier().name().to_owned(),
            size: Position(size_u64),
            root: Root(*blake3::hash(&self.bytes[..size]).as_bytes()),
            format_version: FORMAT_VERSION,
            log_id: LOG_ID,
            next_seq: Seq(self.frames.iter().filter(|(frame, _)| frame.end <= size_u64).count() as u64),
        }
    }

    pub(crate) fn signed(&self, size: usize) -> Signed {
        self.checkpoint(size).sign(&log_key())
    }

    pub(crate) fn inclusion(&self, frame: usize) -> ProofFile {
        let (range, first_seq) = self.frames[frame].clone();
        let size = self.bytes.len() as u64;
        let slice = proof::slice::<Infallible>(size, &range, &mut |range, visit| {
            visit(self.part(&range));
            Ok(())
        });
        let slice = slice.unwrap();
        ProofFile::Inclusion { log_id: LOG_ID, size, frame: range, first_seq, events: 1, slice }
    }

    pub(crate) fn consistency(&self, old: usize) -> ProofFile {
        let (old, new) = (old as u64, self.bytes.len() as u64);
        let mut read = |range: Range<u64>, visit: &mut dyn FnMut(&[u8])| {
            visit(self.part(&range));
            Ok(())
        };
        let proof = proof::consistency::<Infallible>(old, new, &mut read, &mut |_| None);
        ProofFile::Consistency { log_id: LOG_ID, old, new, proof: proof.unwrap() }
    }

    fn part(&self, range: &Range<u64>) -> &[u8] {
        &self.bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
    }
}
