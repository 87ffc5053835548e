//! Makes reports fit into an event of the log.

use evlog_lifecycle::pipeline::report::{ArtifactReport, ERRORS_MAX_DEFAULT, Report};
use evlog_projection::canonical;

/// The report, or the same report with fewer findings, so that it fits an event of the log. What is cut depends only on count
/// and order, so that equal reports are cut equally.
pub(super) fn fitting(report: &Report, len_max: usize) -> Report {
    let fits = |report: &Report| canonical(&report.to_value()).len() <= len_max;
    let cut =
        |max: u32, artifacts: Vec<ArtifactReport>| Report::new(report.run_id(), report.stage_id(), max, artifacts);
    let all = || report.artifacts().to_vec();
    let invalid = || report.artifacts().iter().filter(|artifact| !artifact.is_valid()).cloned();
    let candidates = [(ERRORS_MAX_DEFAULT, all()), (5, all()), (1, all()), (1, invalid().collect())];
    let fewer = [1000, 100, 10].map(|count| (1, invalid().take(count).collect()));
    let mut candidates = candidates.into_iter().chain(fewer).map(|(max, artifacts)| cut(max, artifacts));
    candidates.find(fits).unwrap_or_else(|| cut(1, invalid().take(1).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evlog_lifecycle::pipeline::report::Finding;

    const LEN_MAX: usize = 100_000;

    fn report(artifacts: usize, findings: usize, message_len: usize) -> Report {
        let finding = |index| Finding::coded("code", format!("{index:05}{}", "x".repeat(message_len)));
        let findings = |_| (0..findings).map(finding).collect();
        let artifacts = (0..artifacts).map(|at| ArtifactReport::new(&format!("{at:05}"), "c", "0.1.0", findings(at)));
        Report::new("r", "s", ERRORS_MAX_DEFAULT, artifacts.collect())
    }

    #[test]
    fn a_report_that_fits_is_not_cut() {
        let small = report(2, 20, 10);
        assert!(fitting(&small, LEN_MAX) == small);
        let cut = report(1, 51, 1);
        assert!(cut.artifacts()[0].is_truncated());
        assert!(fitting(&cut, LEN_MAX) == cut);
    }

    #[test]
    fn a_report_that_is_too_long_for_an_event_is_cut_and_still_says_what_failed() {
        for (artifacts, findings, message_len) in [(20, 50, 100), (30, 2, 2000), (2000, 1, 10), (1, 50, 9000)] {
            let long = report(artifacts, findings, message_len);
            assert!(canonical(&long.to_value()).len() > LEN_MAX);
            let fitted = fitting(&long, LEN_MAX);
            assert!(canonical(&fitted.to_value()).len() <= LEN_MAX, "{artifacts} {findings} {message_len}");
            assert_eq!(fitted.artifacts()[0].path(), "00000");
            assert!(!fitted.artifacts()[0].is_valid());
            assert_eq!(Report::from_value(&fitted.to_value()).as_ref(), Ok(&fitted));
        }
    }
}
