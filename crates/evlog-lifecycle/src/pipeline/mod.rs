//! The contract `pipeline`: staged runs, their outcomes, and what is derived from them.
