//! The claims of evlog-verify on whole logs: the audit, the golden logs, and the reader in Python.

mod audit;
mod golden;
mod harm;
mod reader;
mod support;
