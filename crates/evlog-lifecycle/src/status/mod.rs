//! The contract `status`: run status, audit and replay.
