//! The words of the contracts have the right numbers here. The tests of the binary show, with real events, that the
//! tables are read.

use super::{Words, value_of};
use evlog_format::kind::BUILT_IN;
use evlog_format::{Event, Kind, PLAIN};
use evlog_lifecycle::pipeline::RunStatus::{Failed, Partial, Success};
use evlog_lifecycle::{pipeline as pipeline_contract, status as status_contract, story as story_contract};

macro_rules! same_words {
    ($($mirror:ty = $contract:ty;)*) => {
        $(assert_eq!(
            <$mirror>::ALL,
            <$contract>::ALL.iter().map(|known| known.word()).collect::<Vec<_>>(),
            stringify!($contract)
        );)*
    };
}

#[test]
fn closed_sets_have_the_words_of_their_contract() {
    same_words! {
        super::status::Status = status_contract::RunStatus;
        super::status::TransitionCause = status_contract::payload::TransitionCause;
        super::status::RejectionReason = status_contract::payload::RejectionReason;
        super::status::RefusalReason = status_contract::payload::RefusalReason;
        super::status::Action = status_contract::payload::Action;
        super::status::Category = status_contract::diagnostic::Category;
        super::status::Severity = status_contract::diagnostic::Severity;
        super::story::Phase = story_contract::Phase;
        super::story::Mode = story_contract::payload::Mode;
        super::story::MoveCause = story_contract::payload::MoveCause;
        super::story::StepCause = story_contract::payload::StepCause;
        super::story::RejectionReason = story_contract::payload::RejectionReason;
        super::story::Action = story_contract::payload::Action;
        super::story::CancelMode = story_contract::payload::CancelMode;
        super::story::GateState = story_contract::payload::GateState;
        super::story::ExitClass = story_contract::retry::ExitClass;
        super::story::ErrorType = story_contract::failure::ErrorType;
        super::pipeline::StageStatus = pipeline_contract::StageStatus;
        super::pipeline::FailMode = pipeline_contract::FailMode;
    }
    let [success, partial, failed] = [Success, Partial, Failed].map(pipeline_contract::RunStatus::word);
    assert_eq!(super::pipeline::RunStatus::ALL, [success, partial, failed]);
    let outputs = pipeline_contract::Outputs::WORDS.map(|(word, _)| word);
    assert_eq!(super::pipeline::Outputs::ALL, outputs);
}

/// Whether a payload of the kind is read by a table. Nothing but zeros is a payload of each, in one length: empty texts and
/// lists, first words.
fn has_table(number: u16) -> bool {
    let zeros = [0; 512];
    (0..zeros.len()).any(|len| {
        let (kind, payload) = (Kind::BuiltIn(number), &zeros[..len]);
        let event =
            Event { stream: "s", number: 0, kind, kind_version: 1, causation: None, protection: PLAIN, payload };
        value_of(&event).get("hex").is_none()
    })
}

#[test]
fn every_built_in_kind_has_a_table_and_one_of_a_later_version_has_none() {
    let without: Vec<&str> = BUILT_IN.iter().filter(|(number, _)| !has_table(*number)).map(|(_, name)| *name).collect();
    assert_eq!(without, [""; 0]);
    assert!(!has_table(9999));
}
