//! Every metric: its name, type, meaning, and the commands that have it. docs/metrics.md has the same table, and a test compares
//! the two.
//!
//! Names follow the conventions of Prometheus: the prefix of the program, base units, and `_total` for counters.

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// A number that only grows while the process lives.
    Counter,
    /// A number that can go up and down.
    Gauge,
    /// How many observations were at most this large, for several bounds.
    Histogram,
}

impl Type {
    pub(super) fn word(self) -> &'static str {
        match self {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) r#type: Type,
    /// The labels besides `command` and `log`.
    pub(super) labels: &'static [&'static str],
    /// The meaning, one sentence without its full stop.
    pub(super) help: &'static str,
    /// The commands that have it, for the documentation.
    #[cfg(test)]
    pub(super) commands: &'static str,
}

macro_rules! metrics {
    ($($constant:ident $name:literal $type:ident [$($label:literal)*] $commands:literal $help:literal;)*) => {
        $(pub(super) const $constant: &Metric = &Metric {
            name: $name,
            r#type: Type::$type,
            labels: &[$($label),*],
            help: $help,
            #[cfg(test)]
            commands: $commands,
        };)*

        /// All of them, in the order in which they are shown.
        #[cfg(test)]
        pub(super) const ALL: &[&Metric] = &[$($constant),*];
    };
}

metrics! {
    BUILD_INFO "evlog_build_info" Gauge ["version" "commit" "log_format"] "all"
        "Always 1; the labels name the version of evlog, the commit that it was built from if that is known, and the version of the log's format";
    PROJECTION_INFO "evlog_projection_info" Gauge ["projection" "version"] "all"
        "Always 1; the labels name a projection that this evlog computes, and its version";
    START_TIME "evlog_process_start_time_seconds" Gauge [] "all"
        "Unix time when the command began";
    COMMITS "evlog_commits_total" Counter [] "run, submit"
        "Commits that this process made and that are committed";
    EVENTS "evlog_events_total" Counter [] "run, submit"
        "Events in those commits";
    BYTES "evlog_written_bytes_total" Counter [] "run, submit"
        "Bytes that those commits added to the log, with the headers of the segments that begin among them";
    SYNCS "evlog_sync_duration_seconds" Histogram [] "run, submit"
        "Time that a sync of the newest segment took";
    SYNC_FAILURES "evlog_sync_failures_total" Counter [] "run, submit"
        "Syncs of the newest segment that failed; after one of them the process commits nothing more";
    LOG_EVENTS "evlog_log_events" Gauge [] "run, submit, tail"
        "Committed events in the log, of all processes";
    LOG_SIZE "evlog_log_size_bytes" Gauge [] "run, submit, tail"
        "Committed bytes in the log, of all processes";
    COMMANDS "evlog_commands_total" Counter ["outcome"] "submit"
        "Lines of the input that were answered, by the outcome in the answer";
    REFUSALS "evlog_refusals_total" Counter ["code"] "submit"
        "Commands that were refused or rejected, by the code in the answer";
    STAGES "evlog_stage_outcomes_total" Counter ["status"] "run"
        "Outcomes of stages and substages that this process recorded, by status";
    CHECKPOINTS "evlog_checkpoints_total" Counter [] "run, submit with --key"
        "Checkpoints that this process signed";
    CHECKPOINT_TIME "evlog_checkpoint_timestamp_seconds" Gauge [] "run, submit with --key"
        "Unix time when this process signed its last checkpoint";
    CHECKPOINT_LAG "evlog_checkpoint_lag_events" Gauge [] "run, submit with --key"
        "Committed events that the last checkpoint of this process does not cover; the event that records the checkpoint is one of them";
    READ "evlog_read_events_total" Counter [] "tail"
        "Events that this process read to show them";
    READ_LAG "evlog_read_lag_events" Gauge [] "tail"
        "Committed events that this process has not read yet";
    VERIFIED "evlog_verified_events" Gauge [] "tail --verify"
        "Events from the beginning of the log that this process verified";
    VERIFICATION_LAG "evlog_verification_lag_events" Gauge [] "tail --verify"
        "Committed events that this process has not verified yet";
    FINDINGS "evlog_verification_findings" Gauge [] "tail --verify"
        "Findings of this verification; the first one ends the command";
    VERDICT_AGE "evlog_verdict_age_seconds" Gauge [] "tail --verify"
        "Time since this process last found that all events that it knew of were verified; absent until then";
    VERDICT_TIME "evlog_verdict_timestamp_seconds" Gauge [] "tail --verify"
        "Unix time of that moment, for expressions such as `time() - evlog_verdict_timestamp_seconds`";
    COSIGNED_EVENTS "evlog_cosigned_events" Gauge [] "witness"
        "Events that the last checkpoint covers that this witness cosigned";
    COSIGNED_SIZE "evlog_cosigned_size_bytes" Gauge [] "witness"
        "Bytes that this checkpoint covers";
    COSIGNED_TIME "evlog_cosignature_timestamp_seconds" Gauge [] "witness"
        "Unix time in the cosignature";
    COSIGNATURE_LAG "evlog_cosignature_lag_events" Gauge [] "witness"
        "Events of the checkpoint that was given and that no cosigned checkpoint covers; absent if the two contradict each other";
    WITNESS_REFUSED "evlog_witness_refused" Gauge [] "witness"
        "1 if the checkpoint was not cosigned, 0 if it was";
}
