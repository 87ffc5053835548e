//! The claims of evlog-verify on whole logs: the audit, the golden logs, and the reader in Python.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod forger;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod harm;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod support;
