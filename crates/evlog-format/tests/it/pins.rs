//! Numbers that stand in every log, pinned: a change here is a change of the format.

use evlog_format::kind::{BUILT_IN, CUSTOM_PREFIX};
use evlog_format::segment::{CODEC, MAGIC};
use evlog_format::{FORMAT_VERSION, Kind, KindBuf, PLAIN};

/// Never renumbered, never reused; new kinds are added.
const KINDS: &[(u16, &str)] = &[
    (1, "log.created"),
    (2, "log.opened"),
    (3, "log.closed"),
    (4, "log.recovered"),
    (5, "log.tail_cut"),
    (6, "log.checkpoint_signed"),
    (7, "log.projection_published"),
    (8, "log.verified"),
    (9, "log.key_added"),
    (10, "log.loss_accepted"),
    (11, "log.clock_corrected"),
    (12, "log.name_changed"),
    (13, "log.clock_stepped"),
    (14, "log.policy_set"),
    (100, "status.created"),
    (101, "status.transitioned"),
    (102, "status.rejected"),
    (103, "status.forced_failed"),
    (104, "status.refused"),
    (105, "status.overridden"),
    (200, "story.created"),
    (201, "story.moved"),
    (202, "story.step_moved"),
    (203, "story.rejected"),
    (204, "story.cancel_requested"),
    (205, "story.gate_decided"),
    (206, "story.redriven"),
    (300, "pipeline.created"),
    (301, "pipeline.stage_begun"),
    (302, "pipeline.promotion_intended"),
    (303, "pipeline.artifacts_published"),
    (304, "pipeline.validation_reported"),
    (305, "pipeline.outcome_recorded"),
    (306, "pipeline.finalized"),
    (307, "pipeline.refused"),
    (308, "pipeline.output_captured"),
    (309, "pipeline.reconciled"),
    (310, "pipeline.lock_forced"),
    (311, "pipeline.stage_judged"),
    (312, "pipeline.limit_exceeded"),
    (313, "pipeline.inputs_recorded"),
    (314, "pipeline.taken_over"),
    (400, "machine.created"),
    (401, "machine.transitioned"),
    (402, "machine.rejected"),
    (403, "machine.forced"),
    (404, "machine.refused"),
];

#[test]
fn kinds_keep_their_numbers_and_names() {
    // F-35.
    assert_eq!(BUILT_IN, KINDS);
    assert!(BUILT_IN.is_sorted_by(|a, b| a.0 < b.0), "names are found by binary search");
    assert_eq!(CUSTOM_PREFIX, "custom/");
    for (number, name) in KINDS {
        assert_eq!(Kind::BuiltIn(*number).name(), Some(*name));
        assert_eq!(Kind::BuiltIn(*number).to_string(), *name);
    }
}

#[test]
fn a_kind_of_a_later_version_is_shown_by_its_number() {
    // F-35.
    assert_eq!((Kind::BuiltIn(9999).name(), Kind::BuiltIn(9999).to_string()), (None, "built-in/9999".into()));
    assert_eq!(Kind::Custom("custom/a").to_string(), "custom/a");
    for kind in [Kind::BuiltIn(9999), Kind::BuiltIn(1), Kind::Custom("custom/a")] {
        assert_eq!(KindBuf::from(kind).as_kind(), kind);
    }
}

#[test]
fn magic_version_and_codec_stay() {
    // F-10, F-11.
    assert_eq!((&MAGIC, FORMAT_VERSION, CODEC), (b"evlogseg", 2, 1));
}

#[test]
fn kinds_below_a_hundred_are_the_logs_own() {
    // F-49.
    assert!([0, 1, 14, 99].iter().all(|number| Kind::BuiltIn(*number).is_of_log()));
    assert!([100, 404, u16::MAX].iter().all(|number| !Kind::BuiltIn(*number).is_of_log()));
    assert!(!Kind::Custom("custom/log.opened").is_of_log());
}

#[test]
fn a_plain_payload_stays_plain() {
    // F-39.
    assert_eq!(PLAIN, 0);
}
