//! The contract `custom`: runs that users record freely.
