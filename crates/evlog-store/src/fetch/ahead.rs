//! A thread that reads every second commit of a stream ahead, and hands over copies of the stream's events in that commit.
//!
//! Each thread checks the commits that it reads, so what is handed over was checked. Only the order of the commits decides
//! which thread reads which commit. So events, and the first failure, arrive as if one thread read everything.

use super::{Events, Fetch};
use crate::error::Trouble;
use crate::segment::Files;
use crate::streams::Part;
use evlog_format::kind::KindBuf;
use evlog_format::{CommitHead, Event, FrameCodec, Idempotency, Seq};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, Scope};

/// How many commits are read before the caller comes to them.
const AHEAD: usize = 4;

/// The thread, as its caller sees it.
#[derive(Debug)]
pub(super) struct Helper(Receiver<Result<Copied, Trouble>>);

/// The wanted part of a commit, copied out of the buffer into which the commit was read.
#[derive(Debug)]
pub(super) struct Copied {
    /// The head, without its texts.
    head: CommitHead<'static>,
    actor: String,
    principal: Option<String>,
    correlation: Option<String>,
    idempotency: Option<(String, [u8; 32])>,
    stream: String,
    events: Vec<CopiedEvent>,
}

#[derive(Debug)]
struct CopiedEvent {
    seq: Seq,
    number: u64,
    kind: KindBuf,
    kind_version: u16,
    causation: Option<Seq>,
    protection: u8,
    payload: Vec<u8>,
}

impl Helper {
    /// Begins to read the second commit of the parts, the fourth, and so on; `None` if no thread can be started.
    pub(super) fn begin<'s>(
        scope: &'s Scope<'s, '_>,
        files: &'s Files,
        codec: &'s FrameCodec,
        name: &'s str,
        parts: &'s [Part],
    ) -> Option<Helper> {
        let (give, take) = sync_channel(AHEAD);
        let work = move || {
            let mut fetch = None;
            let places = parts.iter().flat_map(|part| part.frames.iter().map(move |offset| (part, *offset)));
            for (part, offset) in places.skip(1).step_by(2) {
                let copied = copied(&mut fetch, files, codec, part, offset, name);
                let is_last = copied.is_err();
                // The receiver is dropped when the visit has ended.
                if give.send(copied).is_err() || is_last {
                    break;
                }
            }
        };
        Builder::new().spawn_scoped(scope, work).ok().map(|_| Helper(take))
    }

    /// Whether the helper reads the next commit, after `visited` ones. The two threads alternate.
    pub(super) fn reads(visited: usize) -> bool {
        visited % 2 == 1
    }

    /// The helper's next commit.
    pub(super) fn next(&self) -> Result<Copied, Trouble> {
        self.0
            .recv()
            .unwrap_or_else(|_| unreachable!("it hands over each of its commits, or a failure as the last thing"))
    }
}

fn copied<'f>(
    fetch: &mut Option<Fetch<'f>>,
    files: &'f Files,
    codec: &'f FrameCodec,
    part: &Part,
    offset: u32,
    name: &str,
) -> Result<Copied, Trouble> {
    let fetch = match fetch {
        Some(fetch) => fetch,
        None => fetch.insert(Fetch::open(files, codec, part)?),
    };
    fetch.enter(part)?;
    Ok(Copied::of(name, &fetch.events_of(offset, name)?))
}

impl Copied {
    fn of(stream: &str, (head, events): &Events<'_>) -> Copied {
        let mut plain = CommitHead::new(head.first_seq, head.recorded_ns, head.class, "");
        plain.occurred_ns = head.occurred_ns;
        let event = |(seq, event): &(Seq, Event<'_>)| {
            let Event { number, kind, kind_version, causation, protection, payload, .. } = *event;
            let (kind, payload) = (KindBuf::from(kind), payload.to_vec());
            CopiedEvent { seq: *seq, number, kind, kind_version, causation, protection, payload }
        };
        Copied {
            head: plain,
            actor: head.actor.to_owned(),
            principal: head.principal.map(str::to_owned),
            correlation: head.correlation.map(str::to_owned),
            idempotency: head.idempotency.map(|given| (given.key.to_owned(), given.content)),
            stream: stream.to_owned(),
            events: events.iter().map(event).collect(),
        }
    }

    /// The commit's head and events, as they were read.
    pub(super) fn events(&self) -> Events<'_> {
        let idempotency = self.idempotency.as_ref().map(|(key, content)| Idempotency { key, content: *content });
        let (principal, correlation) = (self.principal.as_deref(), self.correlation.as_deref());
        let head = CommitHead { actor: &self.actor, principal, correlation, idempotency, ..self.head };
        (head, self.events.iter().map(|event| (event.seq, event.of(&self.stream))).collect())
    }
}

impl CopiedEvent {
    fn of<'a>(&'a self, stream: &'a str) -> Event<'a> {
        let CopiedEvent { number, ref kind, kind_version, causation, protection, ref payload, .. } = *self;
        Event { stream, number, kind: kind.as_kind(), kind_version, causation, protection, payload }
    }
}
