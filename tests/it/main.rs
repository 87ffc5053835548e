//! Claims that need more than one crate: the engine with the run contracts, on a disk that fails. The binary's own tests
//! are in `crates/evlog-cli/tests/it`.

#[cfg(test)]
mod bucket_model;
#[cfg(test)]
mod bundles;
#[cfg(test)]
mod check;
#[cfg(test)]
mod conform;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod decoders;
#[cfg(test)]
mod export;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod verdicts;
#[cfg(test)]
mod within;
#[cfg(test)]
mod workload;
