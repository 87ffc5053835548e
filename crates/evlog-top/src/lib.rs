//! The screen of `evlog top`: what it holds, what a key changes, and how it is drawn.
//!
//! Does: keep a bounded number of runs and events, and draw them for any terminal. Does not: read a log, ask the time, read
//! keys, or write to a terminal. The caller passes events in, and a frame to draw on.
//!
//! Invariants:
//! - The memory is bounded: [`RUNS_MAX`] runs and [`EVENTS_MAX`] events, and as many of one opened run.
//! - Every text of others is drawn with control and invisible characters escaped.
//! - Equal screens give equal drawings.
#![forbid(unsafe_code)]

mod cells;
mod draw;
mod help;
mod keys;
mod model;
mod runs;
mod screen;

pub use cells::Palette;
pub use draw::draw;
pub use keys::{Key, Wish};
pub use model::{Event, Header, Opened, Run, Stage, Tone, Word};
pub use runs::{RUNS_MAX, Sort};
pub use screen::{EVENTS_MAX, Screen};
