//! Claims about the real command `evlog`: what it answers, how it ends, what it leaves behind.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod bench;
#[cfg(test)]
#[cfg(feature = "bucket")]
mod bucket;
#[cfg(test)]
mod colour;
#[cfg(test)]
mod conform;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod descriptors;
#[cfg(test)]
mod diff;
#[cfg(test)]
mod disks;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod export;
#[cfg(test)]
mod exposition;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod forge;
#[cfg(test)]
mod guide;
#[cfg(test)]
mod harmed;
#[cfg(test)]
mod hidden;
#[cfg(test)]
mod import;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod json_errors;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod literate;
#[cfg(test)]
mod logging;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod named;
#[cfg(test)]
mod nonblocking;
#[cfg(test)]
mod notes;
#[cfg(test)]
mod outputs;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod own_notes;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod project;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod read;
#[cfg(test)]
mod refuse;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod retry;
#[cfg(test)]
mod run;
mod said;
#[cfg(test)]
mod screen;
#[cfg(test)]
mod shown;
#[cfg(test)]
mod special;
#[cfg(test)]
mod stall;
#[cfg(test)]
mod stdout;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod story;
#[cfg(test)]
mod submit;
#[cfg(test)]
mod support;
#[cfg(test)]
mod survivors;
#[cfg(test)]
mod tail;
#[cfg(test)]
mod times;
#[cfg(test)]
mod top;
#[cfg(test)]
mod traced;
#[cfg(test)]
mod turn;
#[cfg(test)]
mod verdicts;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod way_on;
mod wording;
