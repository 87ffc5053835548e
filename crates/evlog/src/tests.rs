//! Claims about the engine. They use a contract made for these tests, so that no real contract has an influence.

mod decisions;
mod notes;
mod policy;
mod session;
mod shared;
pub(crate) mod toy;
mod views;
mod why;
