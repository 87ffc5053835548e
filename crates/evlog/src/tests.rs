//! Claims about the engine, made with a contract of its own so that no real one can leak in.

mod decisions;
mod notes;
mod policy;
mod session;
pub(crate) mod toy;
mod views;
mod why;
