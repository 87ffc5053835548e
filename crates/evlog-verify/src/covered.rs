//! Compares a log with a checkpoint that was kept elsewhere: the covered bytes must be there, and must be those that were
//! signed.
//!
//! Does: judge, by the rules C-50 to C-52 of `docs/checkpoint.md`. Does not: read the log, or verify the signature; the caller
//! has done both.

use crate::audit::Report;
use crate::verdict::{Finding, Verdict};
use alloc::format;
use alloc::string::{String, ToString};
use core::ops::Range;
use evlog_format::{LogId, Position, Root};

/// What a checkpoint with a valid signature states about a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The log's identity.
    pub log_id: LogId,
    /// The number of bytes that it covers.
    pub size: Position,
    /// Root over them.
    pub root: Root,
}

impl Covered {
    /// Adds differences to a report. `bytes` is how many bytes the log has. `root` is the root of the covered bytes, if all of
    /// them are there. `within` is the range that holds the first byte that differs, as far as older checkpoints narrow it
    /// down. Without older checkpoints, it is the range of all covered bytes.
    pub fn judge(&self, report: &mut Report, bytes: u64, root: Option<Root>, within: &Range<u64>) {
        let Covered { log_id, size, root: signed } = *self;
        if let Some(found) = report.log_id.filter(|found| *found != log_id) {
            let message = "log id in the checkpoint: it is of another log, or this is another log in its place";
            add(report, Verdict::Tampered, 0, "C-50", message, log_id.to_string(), found.to_string());
        }
        match root {
            None => {
                let (expected, found) = (format!("at least {size} bytes"), bytes.to_string());
                let message = "bytes that the checkpoint covers are missing";
                add(report, Verdict::Truncated, bytes, "C-51", message, expected, found);
            }
            Some(root) if root != signed => {
                // Damage among the bytes that may differ first is enough to make the root differ, so nobody need have
                // tampered. Damage before them was signed.
                let (verdict, why) = if report.findings.are_damage_in(within) {
                    (Verdict::Damaged, "; damage among these may be the cause")
                } else {
                    (Verdict::Tampered, "")
                };
                let Range { start, end } = *within;
                let message = format!(
                    "root of the {size} bytes that the checkpoint covers; the first that differs is one of {start} to {end}{why}"
                );
                add(report, verdict, start, "C-52", &message, signed.to_string(), root.to_string());
            }
            Some(_) => {}
        }
    }
}

fn add(
    report: &mut Report,
    verdict: Verdict,
    position: u64,
    rule: &'static str,
    message: &str,
    expected: String,
    found: String,
) {
    let (position, message) = (Position(position), message.to_string());
    report.findings.add(Finding { verdict, position, seq: None, stream: None, rule, expected, found, message });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Audit;
    use crate::verdict::Findings;

    const SIZE: u64 = 100_000_000;

    /// The verdict on bytes that differ from the signed ones in `within`, with damage at these positions.
    fn verdict(damaged: impl Iterator<Item = u64>, within: &Range<u64>) -> Verdict {
        let mut report = Audit::new(None).finish();
        for position in damaged {
            add(&mut report, Verdict::Damaged, position, "F-22", "frame", String::new(), String::new());
        }
        let covered = Covered { log_id: LogId([1; 16]), size: Position(SIZE), root: Root([1; 32]) };
        covered.judge(&mut report, SIZE, Some(Root([2; 32])), within);
        report.verdict()
    }

    #[test]
    fn damage_explains_a_root_that_differs_however_much_damage_stands_before_it() {
        // Rule C-52.
        let many = Findings::KEPT_MAX as u64 + 1;
        for count in [1, many, 10 * many, 100 * many] {
            let last = count * 100;
            let damaged = || (1..=count).map(|nth| nth * 100);
            assert_eq!(verdict(damaged(), &(last..SIZE)), Verdict::Damaged, "{count}");
            assert_eq!(verdict(damaged(), &(0..101)), Verdict::Damaged, "{count}");
            assert_eq!(verdict(damaged(), &(last + 1..SIZE)), Verdict::Tampered, "{count}");
            assert_eq!(verdict(damaged(), &(0..100)), Verdict::Tampered, "{count}");
        }
        let apart = (1..=many).chain([SIZE - 2]);
        assert_eq!(verdict(apart, &(many + 1..SIZE - 2)), Verdict::Tampered, "no damage is between");
    }
}
