//! The claims of evlog-proof: notes that other people's tools read, checkpoints, policies, and proofs that no change
//! survives.

#[cfg(test)]
mod checkpoint;
#[cfg(test)]
mod dsse;
#[cfg(test)]
mod note;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod support;
#[cfg(test)]
mod witness;
