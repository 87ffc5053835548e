//! The contract `machine`: a lifecycle that a user defines in a contract file.
//!
//! Does: hold a definition, and read it with everything that is wrong with it.
//! Does not: know a lifecycle of its own.

mod definition;
mod read;
mod soundness;

pub use definition::{ANY_STATUS, DataType, Definition, OrderRule, StatusDefinition, StatusId, Undefined};
pub(crate) use read::read;
pub use read::{ORDER_RULES_MAX, REASON_CODES_MAX, REQUIRED_MAX, RESERVED, STATUSES_MAX};
