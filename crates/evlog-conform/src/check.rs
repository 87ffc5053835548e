//! The checks: one table, by number, and the driver that runs them all.
//!
//! Does not: read files; a [`Subject`] holds everything that was read before the first check runs.

mod artifacts;
mod determinism;
mod files;
mod finding;
mod health;
mod measured;
mod order;
mod plan;
mod reports;
mod run;
mod status;
mod subject;
mod tuples;
mod words;

pub use finding::{Checked, Conformance, FINDINGS_MAX, Finding, NotRun};

use crate::Known;
use crate::bundle::Bundle;
use crate::yardstick::Yardstick;
use evlog_pipeline::FileError;
use std::fmt;
use subject::Subject;

/// What a check needs in addition to the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Bundle,
    /// The plan that the run followed.
    Plan,
    /// The exit code that was captured.
    ExitCode,
    /// The bundle of another execution.
    Against,
}

/// The findings, or why the check cannot be run.
type Answer = Result<Vec<Finding>, NotRun>;

/// One check.
pub struct Check {
    /// Its number in the contract.
    pub number: u8,
    /// A stable name, for programs.
    pub code: &'static str,
    /// What the check requires.
    pub title: &'static str,
    /// What it needs in addition to the bundle.
    pub needs: Needs,
    ask: fn(&Subject<'_>) -> Answer,
}

impl Needs {
    /// The need in words, as options of the command line.
    pub fn words(self) -> &'static str {
        match self {
            Needs::Bundle => "only the bundle",
            Needs::Plan => "the plan, `--plan FILE`",
            Needs::ExitCode => "the captured exit code, `--exit-code N`",
            Needs::Against => "the bundle of another execution, `--against DIR`",
        }
    }
}

/// Two checks are equal if they have the same number.
impl PartialEq for Check {
    fn eq(&self, other: &Check) -> bool {
        self.number == other.number
    }
}

impl Eq for Check {}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "check {} ({})", self.number, self.code)
    }
}

macro_rules! checks {
    ($($number:literal $code:ident $needs:ident $ask:path, $title:literal;)*) => {
        /// All checks, by number. 32 to 34, 36 to 40 and 42 concern files that evlog does not handle. 43 is evlog's own.
        pub const CHECKS: &[Check] = &[$(Check {
            number: $number,
            code: stringify!($code),
            title: $title,
            needs: Needs::$needs,
            ask: $ask,
        }),*];
    };
}

checks! {
    1 manifest_invalid Bundle run::manifest_is_valid, "`manifest.json` exists, is JSON, and fulfils its schema";
    2 run_id_mismatch Bundle run::directory_is_run_id, "the bundle's directory has the name of the run";
    3 outcome_tuple_invalid Bundle tuples::shape, "an outcome is stage, status, fail mode and reason code, and nothing else";
    4 reason_code_presence Bundle tuples::reason_code_presence, "a failed or skipped outcome has a reason code, a success has none";
    5 reason_code_form Bundle tuples::reason_code_form, "a reason code is `[a-z][a-z0-9_]*`";
    6 stage_unknown Bundle tuples::known_stage, "a stage is a stage of the pipeline, or a substage of such a stage";
    7 reason_code_not_catalogued Bundle tuples::catalogued, "the catalogue has the reason code for the stage";
    8 manifest_order Bundle order::manifest, "the manifest lists outcomes in canonical order";
    9 health_order Bundle order::health, "the health file lists outcomes in canonical order";
    10 outcome_duplicate Bundle order::duplicates, "a stage has one outcome";
    11 stage_missing Plan plan::complete, "every enabled stage has an outcome";
    12 stage_disabled Plan plan::nothing_of_disabled, "no disabled stage has an outcome";
    13 status_underived Bundle status::derived, "the run's status follows from its outcomes";
    14 health_invalid Bundle health::shape, "`logs/health.json` exists, with run, status and stages";
    15 health_differs Bundle health::mirrors, "the health file agrees with the manifest";
    16 health_extra Bundle health::outcomes_only, "the health file holds outcomes and nothing else";
    17 exit_code_mismatch ExitCode status::exit_code, "the exit code belongs to the status: 0, 10 or 20";
    18 blocked_tail Bundle status::blocked_tail, "after a fatal failure every later stage is blocked";
    19 blocked_without_cause Bundle status::blocked_cause, "a blocked stage has a fatal failure before it";
    20 skip_fail_mode Plan plan::skips_as_configured, "a skipped outcome has the configured fail mode";
    21 severity_drift Plan plan::failures_as_configured, "a failure has the configured severity";
    22 parent_coupling Bundle status::coupled, "a parent's outcome is compatible with the outcomes of its substages";
    23 outputs_inconsistent Plan plan::outputs, "outputs exist if their stage published them, and only then";
    24 staging_left Bundle files::staging, "nothing is left in `.staging`";
    25 publish_gate_report_missing Bundle reports::present, "a stage that failed its publish gate has a report";
    26 publish_gate_report_invalid Bundle reports::valid, "a report fulfils its schema, and is of this run and stage";
    27 publish_gate_report_order Bundle reports::ordered, "a report is in order, and truncated only if it says so";
    28 publish_gate_diagnostics Bundle reports::diagnostics, "a report's diagnostics follow from its errors";
    29 publish_gate_untraceable Bundle reports::traceable, "`<schema>_invalid` has an error of that schema in the report";
    30 timestamped_filename_disallowed Bundle files::names, "no file name holds a date or a time";
    31 bytes_not_canonical Bundle files::canonical_bytes, "`manifest.json`, `run_results.json`, `logs/pass_manifest.json` and reports are RFC 8785 JSON without a newline at the end";
    35 manifest_absent ExitCode run::absence_is_allowed, "without a manifest, the exit code is 20";
    41 not_deterministic Against determinism::same, "another execution left the same bytes, except ids and times";
    43 artifact_differs Bundle artifacts::as_recorded, "an artifact has the length and digest that `run.json` states";
}

/// Runs every check.
pub(crate) fn ask_all(bundle: &Bundle, yardstick: &Yardstick, known: &Known<'_>) -> Result<Conformance, FileError> {
    let subject = Subject::read(bundle, yardstick, known)?;
    let ask = |check: &'static Check| {
        let mut answer = (check.ask)(&subject);
        let mut count = 0;
        if let Ok(findings) = &mut answer {
            findings.sort_unstable();
            findings.dedup();
            count = findings.len();
            findings.truncate(FINDINGS_MAX);
        }
        Checked { check, count, answer }
    };
    let member = |pointer: &str| subject.manifest.value()?.pointer(pointer)?.as_str().map(str::to_owned);
    Ok(Conformance {
        run: member("/run_id"),
        status: member("/status"),
        other_pipeline: member("/extensions/evlog/pipeline").filter(|name| name != yardstick.pipeline()),
        outcomes: subject.outcomes().into_iter().flatten().filter_map(|entry| entry.outcome).collect(),
        checks: CHECKS.iter().map(ask).collect(),
    })
}
