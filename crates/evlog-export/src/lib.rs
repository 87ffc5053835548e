//! Writes events in the formats of other programs.
//!
//! Does: give an event the form in which `evlog cat --json` shows it ([`event`]), and turn events, in order, into the bytes of
//! a format ([`Format::begin`]). Does not: read a log, select events, open a file.
//!
//! Invariant: equal events give equal bytes, on any machine.
#![forbid(unsafe_code)]

mod cloudevents;
mod csv;
pub mod event;
pub mod flat;
mod format;
mod hidden;
pub mod json;
mod otlp;
#[cfg(feature = "parquet")]
mod parquet;
mod sink;
#[cfg(test)]
mod tests;
mod xes;
mod xml;

pub use event::{EventLine, HeadMembers, Payload, TimesMembers};
pub use flat::Flat;
pub use format::Format;
pub use hidden::{marked, visible};
pub use sink::Sink;
