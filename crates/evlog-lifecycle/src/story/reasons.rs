//! The reason codes of conditions that evlog gives, and those that it knows from controllers (story.md 1.2).

use std::borrow::Cow;

/// The longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 64;

/// A run begins its work.
pub const STARTING_EXECUTION: &str = "StartingExecution";
/// Inputs are longer than they may be.
pub const INPUT_TOO_LARGE: &str = "InputTooLarge";
/// Inputs break their schema.
pub const INPUT_SCHEMA_FAILED: &str = "InputSchemaFailed";
/// An output breaks its schema.
pub const OUTPUT_SCHEMA_FAILED: &str = "OutputSchemaFailed";
/// The output of the story cannot be put together, or is too long.
pub const OUTPUT_RESOLUTION_FAILED: &str = "OutputResolutionFailed";
/// The graph of the story is inconsistent.
pub const INVALID_CONFIGURATION: &str = "InvalidConfiguration";
/// Main steps have failed, or something that a step requires is not there.
pub const DEPENDENCY_FAILED: &str = "DependencyFailed";
/// Compensations have failed.
pub const COMPENSATION_FAILED: &str = "CompensationFailed";
/// Finally steps have failed.
pub const CLEANUP_FAILED: &str = "CleanupFailed";
/// Another attempt follows.
pub const RETRY_SCHEDULED: &str = "RetryScheduled";
/// An attempt begins.
pub const SCHEDULED: &str = "Scheduled";
/// An expression cannot be evaluated, or is false where it must be true.
pub const EXPRESSION_FAILED: &str = "ExpressionFailed";
/// The limit of steps that are under way at once is reached.
pub const QUEUED: &str = "Queued";
/// The stream has ended.
pub const TOPOLOGY_TERMINATED: &str = "TopologyTerminated";

/// A step waits for an answer about what it is to be executed with.
pub const ARGUMENTS_AWAITED: &str = "ArgumentsAwaited";
/// A step that has done its work waits for the answer to its `postExecution`.
pub const POST_EXECUTION_AWAITED: &str = "PostExecutionAwaited";
/// A run whose steps are done waits for its output.
pub const OUTPUT_AWAITED: &str = "OutputAwaited";

/// The reasons of phases, the other reasons that evlog gives, and those that it knows from controllers.
pub const KNOWN: [&str; 35] = [
    "Pending",
    "Running",
    "Paused",
    "Blocked",
    SCHEDULED,
    "Completed",
    "ExecutionFailed",
    "TimedOut",
    "Canceled",
    "Skipped",
    "Compensated",
    STARTING_EXECUTION,
    INPUT_TOO_LARGE,
    INPUT_SCHEMA_FAILED,
    OUTPUT_SCHEMA_FAILED,
    OUTPUT_RESOLUTION_FAILED,
    INVALID_CONFIGURATION,
    DEPENDENCY_FAILED,
    COMPENSATION_FAILED,
    CLEANUP_FAILED,
    RETRY_SCHEDULED,
    EXPRESSION_FAILED,
    QUEUED,
    TOPOLOGY_TERMINATED,
    ARGUMENTS_AWAITED,
    POST_EXECUTION_AWAITED,
    OUTPUT_AWAITED,
    "StoryNotFound",
    "StoryReferenceInvalid",
    "ValidationFailed",
    "AwaitingTransport",
    "ReferenceNotFound",
    "TemplateNotFound",
    "TransportFailed",
    "EngramReferenceInvalid",
];

/// The reason without a copy of its text, if it is a known one.
pub(crate) fn known(text: Cow<'static, str>) -> Cow<'static, str> {
    match KNOWN.iter().find(|known| **known == text) {
        Some(known) => Cow::Borrowed(known),
        None => text,
    }
}

/// Reasons of a failure that another attempt cannot repair.
pub(crate) fn is_final(reason: &str) -> bool {
    [INPUT_SCHEMA_FAILED, OUTPUT_SCHEMA_FAILED, EXPRESSION_FAILED, INPUT_TOO_LARGE, DEPENDENCY_FAILED].contains(&reason)
}

/// Whether a run in which all is done fails because of its output, and not because of its steps.
pub(crate) fn is_output_failure(reason: &str) -> bool {
    [OUTPUT_RESOLUTION_FAILED, OUTPUT_SCHEMA_FAILED].contains(&reason)
}
