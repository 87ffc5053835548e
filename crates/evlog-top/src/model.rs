//! What is shown: the log, its runs, their stages, and events.

use std::collections::VecDeque;

/// The meaning of a word, shown as a colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// Less important than the rest.
    Faint,
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Wrong.
    Bad,
}

/// A text, and what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The text.
    pub text: String,
    /// Its meaning.
    pub tone: Tone,
}

impl Word {
    /// A text with a meaning.
    pub fn new(text: impl Into<String>, tone: Tone) -> Word {
        Word { text: text.into(), tone }
    }
}

/// A run after its last event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub name: String,
    /// Its contract.
    pub contract: String,
    /// Its status.
    pub status: Word,
    /// How many events it has.
    pub events: u64,
    /// When its first event was recorded, Unix nanoseconds.
    pub first_ns: i64,
    /// When its last event was recorded, Unix nanoseconds.
    pub last_ns: i64,
    /// Seq of its last event.
    pub last_seq: u64,
    /// Who began it.
    pub actor: String,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its seq.
    pub seq: u64,
    /// When it was recorded, Unix nanoseconds.
    pub recorded_ns: i64,
    /// The run.
    pub run: String,
    /// Its kind.
    pub kind: Word,
    /// The run's status after it.
    pub status: Word,
    /// Who caused it.
    pub actor: String,
    /// Its payload, in short.
    pub text: String,
}

/// A stage or step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: Word,
    /// How often it was tried; empty if the log does not say.
    pub attempts: String,
    /// How long it took, or how long it has been running; empty if the log does not say.
    pub took: String,
}

/// The run that is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Its id.
    pub name: String,
    /// Its stages or steps, in order.
    pub stages: Vec<Stage>,
    /// Its last events, in order.
    pub events: VecDeque<Event>,
}

/// What is known of the log as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Where it is.
    pub log: String,
    /// The beginning of its id.
    pub id: String,
    /// How many events were read.
    pub events: u64,
    /// How many events are committed.
    pub committed: u64,
    /// How many commits were read.
    pub commits: u64,
    /// How many events were read in a second, lately.
    pub per_second: u64,
    /// How many runs began.
    pub runs: u64,
    /// The verdict so far, and up to which event.
    pub verdict: Word,
    /// Up to which event a checkpoint covers the log.
    pub signed: Word,
    /// What is known of the writer.
    pub writer: Word,
    /// The time now, Unix nanoseconds.
    pub now_ns: i64,
    /// What was noticed last.
    pub message: Option<Word>,
}
