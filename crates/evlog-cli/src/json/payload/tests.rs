//! The words of the contracts have the right numbers here. The tests of the binary show, with real events, that the
//! tables are read.

use super::Words;
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
