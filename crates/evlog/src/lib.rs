//! An append-only log of checksummed segments that records every transition of a run as an event. The states of runs are
//! computed from the log, and replaying it gives the same result byte for byte.
//!
//! # A first example
//!
//! ```
//! use evlog::contracts::{self, RunStatus, Status};
//! use evlog::{Log, Seq};
//!
//! # let room = std::env::temp_dir().join(format!("evlog-doc-{}", std::process::id()));
//! # std::fs::remove_dir_all(&room).ok();
//! # std::fs::create_dir_all(&room)?;
//! # let dir = room.join("log");
//! let log = Log::open(&dir, contracts::built_in())?;
//! log.submit(&Status::create("RUN_1", Default::default()).build()?)?.into_accepted()?;
//! let answer = log.submit(&Status::transition("RUN_1", RunStatus::Running).actor("ci").build()?)?;
//! println!("{:?} {:?}", answer.outcome, answer.status);
//! answer.into_accepted()?;
//! for event in log.view()?.events(Seq(0))? {
//!     let event = event?;
//!     println!("{} {} {}", event.seq, event.stream, event.kind);
//! }
//! log.close()?;
//! assert!(evlog::verify(&dir, &contracts::built_in())?.is_good());
//! # std::fs::remove_dir_all(&room)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! More: `examples/append.rs`, `own_contract.rs`, `follow.rs`, `verify_without_writer.rs`.
//!
//! The package is `evlog-engine`, the library in it `evlog`:
//!
//! ```toml
//! [dependencies]
//! evlog = { package = "evlog-engine", version = "0.1" }
//!
//! [dev-dependencies]
//! evlog = { package = "evlog-engine", version = "0.1", features = ["memory"] }
//! ```
//!
//! # Concepts
//!
//! - A **run** is a stream of events under one name. A **contract** is the rules of a run, as three pure functions: it decides
//!   what a command leads to, folds events into a state, and projects the state to files. The contracts that come with evlog
//!   are in `contracts`; [`Contract`] is the trait for your own. If several contracts begin a run with the same kind of event,
//!   the one that was added first counts. The contract `custom` can begin with every kind of users. So add your own first:
//!   `Contracts::new().with(Mine).and(contracts::built_in())`.
//! - A contract decides events of kinds that it [owns](Contract::owns): by default `custom/…`. All of them go into the run;
//!   or, if they cannot be bound to a run, all of them go into `$log`. A decision that breaks a rule is
//!   [`LogError::Undecidable`], and nothing of it is recorded. If a contract panics, the panic reaches the caller, even in
//!   [`verify`]; the log stays whole.
//! - A **command** asks for something ([`Request`]). It becomes one **commit** of events, or none. Its [`Answer`] says which
//!   events were recorded, or why it was not accepted. A command with an idempotency key can be sent again: it is recorded
//!   once, and gets the first answer again.
//! - [`Log`] is the only writer of a log. Threads share it by reference, and their commits are synced together. A [`View`]
//!   reads. There can be any number of views, beside a writer and in other processes too. Reading never writes.
//! - A **projection** is a file that is computed from a run's events ([`View::bundle`]). Its digest can be recorded
//!   ([`publish`]), and a replay proves it later ([`replay`]).
//! - [`verify`] reads everything and gives a verdict. A signed [`checkpoint`] shows whether history was rewritten, and
//!   [`prove`] shows that a checkpoint covers an event.
//! - The log keeps its own history in the stream `$log` ([`history`]), and can have a [`policy`] that every command must
//!   satisfy.
//!
//! # Errors
//!
//! If a contract does not accept a command, the result is an [`Answer`], not an error; [`Answer::into_accepted`] makes it an
//! error. [`LogError`] says that something could not be done. [`LogError::Append`] says whether the commit did not happen or
//! may have happened. In the second case open the log again, and send the command again under its idempotency key.
//!
//! # What is checked when
//!
//! [`RequestBuilder::build`] checks what needs no log and no contract:
//! - the run's id;
//! - the length and characters of the texts that every command can have;
//! - the time, the numbers and the depth of values;
//! - that no member of the contract is given twice.
//!
//! [`Log::submit`] checks the rest. If the contract is not known or does not take these members, the error is
//! [`LogError::Malformed`]. Whether the policy and the contract accept the command is in the answer.
//!
//! ```
//! use evlog::serde_json::json;
//! use evlog::{LogError, Options, Request, contracts};
//!
//! // A run's id becomes the name of a directory.
//! let refused = Request::json("status", "no/run", "create").build().unwrap_err();
//! assert_eq!(refused.pointer, "/run");
//! // Only the contract knows its members.
//! let request = Request::json("status", "RUN_1", "create").member("colour", json!("red")).build()?;
//! let log = Options::in_memory("an example").open("/log", contracts::built_in())?;
//! assert!(matches!(log.submit(&request), Err(LogError::Malformed(_))));
//! // A command that can be read and is not accepted has an answer, which names the code and says why.
//! let request = Request::json("status", "RUN_1", "transition").member("to", json!("running")).build()?;
//! let answer = log.submit(&request)?;
//! assert!(answer.error.is_some_and(|error| error.to_string().starts_with(&format!("{}: ", error.code))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Values of JSON are those of `serde_json` 1, which is re-exported as [`serde_json`].
//!
//! # Logs in memory
//!
//! With the feature `memory` a log can be kept in memory, for tests. Read it with the file system that it was written with.
//!
//! ```
//! use evlog::contracts::{self, Status};
//! use evlog::{Options, ReadOptions};
//!
//! let options = Options::in_memory("a test");
//! let fs = options.fs.clone();
//! let log = options.open("/log", contracts::built_in())?;
//! log.submit(&Status::create("RUN_1", Default::default()).build()?)?.into_accepted()?;
//! log.close()?;
//! let view = ReadOptions { fs: fs.clone(), ..ReadOptions::new() }.open("/log", contracts::built_in())?;
//! assert!(view.run("RUN_1")?.is_some());
//! // `verify` reads the machine's files; `check` takes a file system, and how many threads may read.
//! let threads = std::num::NonZeroUsize::MIN;
//! let found = evlog::check::check(fs, "/log".as_ref(), &contracts::built_in(), threads, &mut |_, _| {})?;
//! assert!(found.is_good());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Units
//!
//! Times are Unix nanoseconds: `recorded_ns` is the clock's time when the commit was made, `occurred_ns` the caller's time.
//! [`Seq`] numbers the events of a log from 0 without gaps. [`Position`] is a byte's place in the log. Lengths are bytes.
//!
//! # Stability
//!
//! Before release 0.1.0 everything may change. From then on every later version reads a log that was written. The files that a
//! version of a projection makes from this log stay the same, byte for byte. The format is specified in `docs/format.md`.
//!
//! # Inside
//!
//! Does: check each command by its contract and append it ([`Log`]), read a log back as events, runs and bundles ([`View`]),
//! judge a whole log ([`check`]), decide which checkpoints may be signed, and make proofs against signed checkpoints. Does
//! not: know any contract, print, parse arguments, use a network.
//!
//! Invariants:
//! - The order of steps is always the same: decide, stamp, encode, write, acknowledge.
//! - The clock is read once for each command, in [`clock`], and nowhere below.
//! - A command becomes one commit or none. A commit that its contract cannot fold is never given to the store.
//! - Reading never writes.
#![forbid(unsafe_code)]

pub mod answer;
pub mod bundles;
pub mod check;
pub mod checkpoint;
pub mod clock;
#[cfg(feature = "contracts")]
pub mod contracts;
pub mod covered;
mod deal;
pub mod error;
mod extent;
pub mod history;
pub mod log;
mod net;
pub mod options;
pub mod own_notes;
pub mod policy;
pub mod prove;
pub mod publish;
pub mod random;
pub mod repair;
pub mod replay;
mod runs;
pub mod trail;
pub mod view;
pub mod why;

pub use answer::{Accepted, Answer, AnswerOutcome, Refused};
pub use check::verify;
pub use error::LogError;
pub use evlog_projection::moment::{APART_NS, Mark, Moment, Times};
pub use log::{Log, Offered};
pub use options::{Options, ReadOptions};
pub use view::View;
pub use view::events::{CommitInfo, Events, RecordedEvent};

pub use evlog_format::{CommitHead, Durability, Event, Idempotency, Kind, KindBuf, LogId, Position, Root, Seq};
pub use evlog_projection::contract::Content;
pub use evlog_projection::contracts::ContractRef;
pub use evlog_projection::members::check_run_id;
pub use evlog_projection::request::Instant;
pub use evlog_projection::{
    Asked, Bundle, Cause, Contract, ContractError, Contracts, Decision, Fact, File, FoldError, Given, Malformed,
    Members, NewEvent, Outcome, Projection, Request, RequestBuilder, RunFold, RunHead, Target, canonical, parse,
    serde_json,
};
pub use evlog_store::fs::Fs;
pub use evlog_store::{AppendError, Committed, Follow, Group, Observer, OpenError, ReadError, Refusal, Verdict};
pub use evlog_verify::audit::Report;
pub use evlog_verify::{Covered, Finding, Findings};

#[cfg(test)]
mod tests;
