//! A contract: the rules of one kind of run, as pure functions over plain values.
//!
//! `decide(state, command) -> events or refusal`, `evolve(state, event) -> state`, `project(state) -> files`. The engine holds
//! a contract behind a guard: it loads the run's state, calls [`Contract::decide`] under the writer's lock, and commits the
//! events as one commit. Replay calls only `start`, `evolve` and `project`. Rules that react to a command run only when a
//! command is decided, never when history is read.

use crate::bundle::{File, Projection};
use evlog_format::{CommitHead, Kind, KindBuf, Seq};
use serde_json::{Map, Value};
use std::fmt;

/// One committed event with its commit's head, as contracts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact<'a> {
    /// The event's number in the log.
    pub seq: Seq,
    /// The head of its commit. [`CommitHead::time_ns`] gives when it happened.
    pub head: CommitHead<'a>,
    /// The event itself.
    pub event: evlog_format::Event<'a>,
}

/// A command that cannot be read, because the action does not take a key or a value. Nothing is recorded for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// JSON pointer to the part that is wrong, within the command; empty for the command itself.
    pub pointer: String,
    /// What was expected and what was found.
    pub message: String,
}

/// The reason why a contract does not accept a command: a stable code for programs, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractError {
    /// Stable, `UPPER_SNAKE_CASE` unless the contract's source spells it otherwise.
    pub code: String,
    /// A sentence that states what was expected and what was found.
    pub message: String,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The command was accepted; its events are the answer.
    Accepted,
    /// The contract's rule for invalid requests was applied, and recorded.
    Rejected,
    /// The contract refuses this input; the run is untouched. A refusal event is recorded if the contract asks for one.
    Refused,
}

impl Outcome {
    /// The word that result lines use for it.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Rejected => "rejected",
            Outcome::Refused => "refused",
        }
    }
}

/// Which stream an event goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The command's run.
    Run,
    /// `$log`: for what cannot be bound to a run.
    Log,
}

/// The cause of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The command alone (or the causation that the command names).
    Command,
    /// An earlier event of the same decision, at this index.
    Decided(usize),
}

/// An event that a decision wants committed. The engine adds seq, number, time, actor and idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// The place where it goes.
    pub target: Target,
    /// What happened. The name of a user's kind is any text of at most 120 bytes without control characters (F-35, F-44). A
    /// contract that accepts only some names must check them itself, as contract `custom` does.
    pub kind: KindBuf,
    /// Version of the payload's table.
    pub kind_version: u16,
    /// The cause.
    pub cause: Cause,
    /// The details. For a custom kind they are JSON in the form of RFC 8785, as [`canonical`](fn@crate::canonical) writes it
    /// (F-39). The engine refuses a decision with any other payload, and records nothing. The engine knows no tables of
    /// built-in kinds. A contract that owns such a kind reads the payload when it folds the event. A decision that cannot be folded
    /// is refused too.
    pub payload: Vec<u8>,
}

impl NewEvent {
    /// An event of version 1, for the command's run, caused by the command.
    pub fn new(kind: Kind<'_>, payload: Vec<u8>) -> NewEvent {
        NewEvent { target: Target::Run, kind: kind.into(), kind_version: 1, cause: Cause::Command, payload }
    }
}

/// The answer of [`Contract::decide`]: the events of one commit, and the answer to the caller.
///
/// The engine refuses a decision that breaks one of these rules, and records none of its events:
/// - it has an error if, and only if, it is not accepted;
/// - its events have kinds that the contract [owns](Contract::owns);
/// - its events are all in the run or all in `$log`;
/// - each event is caused by an earlier one or by the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How the command ended.
    pub outcome: Outcome,
    /// The events, which are committed together. Empty if the command is refused without a record, or asks for something that
    /// is already so.
    pub events: Vec<NewEvent>,
    /// Present unless the command is accepted.
    pub error: Option<ContractError>,
}

impl Decision {
    /// The command is accepted.
    pub fn accepted(events: Vec<NewEvent>) -> Decision {
        Decision { outcome: Outcome::Accepted, events, error: None }
    }

    /// The contract's rule for invalid requests applies; `events` record this.
    pub fn rejected(events: Vec<NewEvent>, code: &str, message: String) -> Decision {
        Decision { outcome: Outcome::Rejected, events, error: Some(ContractError { code: code.into(), message }) }
    }

    /// The contract refuses this input.
    pub fn refused(events: Vec<NewEvent>, code: &str, message: String) -> Decision {
        Decision { outcome: Outcome::Refused, events, error: Some(ContractError { code: code.into(), message }) }
    }
}

/// What [`Contract::decide`] may know. Time is a field: no contract reads a clock.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a, S> {
    /// The run that the command names.
    pub run: &'a str,
    /// Its state, if the run exists.
    pub state: Option<&'a S>,
    /// The state of the run that [`Contract::reads`] named, if it exists and is of this contract.
    pub related: Option<&'a S>,
    /// When it happens, according to the command or else by the clock; Unix nanoseconds.
    pub time_ns: i128,
    /// The actor.
    pub actor: &'a str,
    /// The command's content, for events that record its digest.
    pub content: Content<'a>,
}

/// The content of a command, without its idempotency key. Its digest is computed only on demand, because most commands
/// are accepted without it.
#[derive(Clone, Copy)]
pub struct Content<'a>(pub &'a dyn Fn() -> [u8; 32]);

impl Content<'_> {
    /// BLAKE3 of the command in canonical form, without its idempotency key.
    pub fn digest(&self) -> [u8; 32] {
        (self.0)()
    }
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content")
    }
}

/// The facts about a run that the fold itself keeps for projections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunHead<'a> {
    /// The run's id, its stream's name.
    pub run: &'a str,
    /// How many events its stream has.
    pub events: u64,
    /// Seq of the first one.
    pub first_seq: Seq,
    /// Seq of the last one.
    pub last_seq: Seq,
    /// Time of the last commit, Unix nanoseconds.
    pub last_time_ns: i128,
}

/// A committed event that its contract forbids, or that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldError {
    /// The event.
    pub seq: Seq,
    /// The run it belongs to.
    pub run: String,
    /// What was expected and what was found.
    pub message: String,
    /// Whether a rule of the run's own definition forbids the event. The engine refuses a command that leads to such an event;
    /// any other error that a decision leads to is a defect of the contract.
    pub is_of_rule: bool,
}

impl FoldError {
    /// The error for a fact.
    pub fn new(fact: &Fact<'_>, message: impl Into<String>) -> FoldError {
        FoldError { seq: fact.seq, run: fact.event.stream.into(), message: message.into(), is_of_rule: false }
    }

    /// The error for a fact that a rule of the run's own definition forbids.
    pub fn of_rule(fact: &Fact<'_>, message: impl Into<String>) -> FoldError {
        FoldError { is_of_rule: true, ..FoldError::new(fact, message) }
    }

    /// The error for a run in its state after its last event.
    pub fn of_run(head: &RunHead<'_>, message: impl Into<String>) -> FoldError {
        FoldError { seq: head.last_seq, run: head.run.to_owned(), message: message.into(), is_of_rule: false }
    }
}

impl fmt::Display for FoldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {} of run `{}`: {}", self.seq, self.run, self.message)
    }
}

impl std::error::Error for FoldError {}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.message),
            pointer => write!(f, "{pointer}: {}", self.message),
        }
    }
}

impl std::error::Error for Malformed {}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ContractError {}

/// The rules of one kind of run.
pub trait Contract: Send + Sync + 'static {
    /// State of an existing run: what `decide` and `project` need, and nothing else.
    type State: Clone + Send + Sync + 'static;
    /// A command, parsed.
    type Command: Send + Sync + 'static;

    /// The contract's name, as commands give it.
    fn name(&self) -> &'static str;

    /// A second name that commands may give instead. Default: none.
    fn alias(&self) -> Option<&'static str> {
        None
    }

    /// Whether a run of this contract begins with an event of this kind. If several contracts begin with it, the run belongs
    /// to the contract that was added first.
    fn begins_with(&self, kind: Kind<'_>) -> bool;

    /// Whether events of this kind belong to the contract. A decision with any other event is not recorded. Default: all kinds
    /// of users, `custom/…`. The contracts that come with evlog have built-in kinds of their own.
    fn owns(&self, kind: Kind<'_>) -> bool {
        matches!(kind, Kind::Custom(_))
    }

    /// Reads the members of a command that belong to the contract (`do` is `action`). Unknown members are refused by name.
    fn parse(&self, action: &str, members: Map<String, Value>) -> Result<Self::Command, Malformed>;

    /// Names another run whose state `decide` needs.
    fn reads<'a>(&self, command: &'a Self::Command) -> Option<&'a str> {
        let _ = command;
        None
    }

    /// Decides the events of a command, and the answer.
    fn decide(&self, asked: &Asked<'_, Self::State>, command: &Self::Command) -> Decision;

    /// The state after a run's first event.
    fn start(&self, fact: &Fact<'_>) -> Result<Self::State, FoldError>;

    /// The state after one more event.
    fn evolve(&self, state: &mut Self::State, fact: &Fact<'_>) -> Result<(), FoldError>;

    /// The answer to the command whose commit this event belongs to; `None` if the command was accepted. From this a second
    /// delivery of the command gets the first answer again, from the log alone. So the event must hold everything that the
    /// answer says. The engine refuses a decision whose events give another answer than the decision, and records nothing.
    fn answer(&self, fact: &Fact<'_>) -> Option<(Outcome, ContractError)>;

    /// The run's state in one word, for result lines and lists.
    fn status<'a>(&self, state: &'a Self::State) -> &'a str;

    /// The name of the definition that the run was created with, if runs of this contract have one.
    fn definition<'a>(&self, state: &'a Self::State) -> Option<&'a str> {
        let _ = state;
        None
    }

    /// Whether the run has ended.
    fn is_terminal(&self, state: &Self::State) -> bool;

    /// The line that this event adds to `audit_events.jsonl`, given the state before it (`None` for the first event) and after
    /// it.
    fn audit_line(
        &self,
        before: Option<&Self::State>,
        fact: &Fact<'_>,
        after: &Self::State,
    ) -> Result<Value, FoldError>;

    /// The projections whose files [`project`](Contract::project) returns. A trail names their versions, so that it is not
    /// compared with what other versions make. Default: none.
    fn projections(&self) -> &'static [Projection] {
        &[]
    }

    /// The files of the bundle, except `audit_events.jsonl`.
    fn project(&self, state: &Self::State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError>;

    /// The files that earlier versions of the projections make from the same state. Files that those versions published are
    /// compared with these, so no version is ever removed. Default: none, for projections that have only one version.
    fn project_earlier(&self, state: &Self::State, head: &RunHead<'_>) -> Result<Vec<File>, FoldError> {
        let _ = (state, head);
        Ok(Vec::new())
    }
}
