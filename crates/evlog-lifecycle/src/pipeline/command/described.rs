//! What the commands of contract `pipeline` take, as data. `command.rs` reads what is described here.

use super::{FAIL_MODES, STATUSES};
use crate::pipeline::definition::NAMES;
use crate::pipeline::payload::{Behavior, How, Origin, Outputs};
use evlog_projection::described::{CommandForm, MemberForm, Need, ValueForm, optional, required};

/// The commands, in the order in which a run needs them.
pub(crate) fn commands() -> Vec<CommandForm> {
    let of = |word, meaning, members| CommandForm { word, meaning, members };
    vec![
        of("create", "Begin a run.", create()),
        of("inputs", "Record the inputs of a stage.", vec![stage("the stage"), list("inputs", input(), "the inputs")]),
        of("begin", "Begin a stage.", vec![stage("the stage")]),
        of("take_over", "Reuse a stage of the run that this run retries.", taken_over()),
        of("process_ended", "Record how the process of a stage ended.", process_ended()),
        of("judge", "Record the result of a stage before its artifacts are intended.", outcome()),
        of("intend", "Record the artifacts that passed the gate.", vec![stage("the stage"), artifacts()]),
        of("publish", "Record the artifacts that were promoted.", vec![stage("the stage"), artifacts()]),
        of("report", "Record a validation report.", report()),
        of("captured", "Record the captured output of a stage.", captured()),
        of("outcome", "Record the outcome of a stage or substage.", outcome()),
        of(
            "reconcile",
            "Record what was found of an interrupted run.",
            vec![list("found", found(), "every enabled stage, and the state of its outputs")],
        ),
        of("lock_forced", "Record that the lock of the run was set aside.", lock_forced()),
        of("limit_exceeded", "Record that a limit of the run was exceeded.", limit_exceeded()),
        of("finalize", "End the run. Its status follows from the outcomes.", Vec::new()),
    ]
}

fn stage(meaning: &'static str) -> MemberForm {
    required("stage", ValueForm::AnyText, meaning)
}

fn list(name: &'static str, item: Vec<MemberForm>, meaning: &'static str) -> MemberForm {
    required(name, ValueForm::List(Box::new(ValueForm::Object(item)), None), meaning)
}

fn fail_mode(meaning: &'static str) -> MemberForm {
    optional("fail_mode", ValueForm::Word(FAIL_MODES.map(|(word, _)| word).into()), meaning)
}

fn create() -> Vec<MemberForm> {
    let pipeline = ValueForm::Other(
        format!("a name, such as `{}`, or a definition ([contract files](contracts.md))", NAMES[0]),
        r#""purple-axiom""#,
    );
    let configured = ValueForm::Object(vec![
        optional("enabled", ValueForm::Flag, "whether the stage runs [default: by the pipeline]"),
        fail_mode("what its failure means for the run [default: by the pipeline]"),
    ]);
    let manifest =
        ValueForm::other("an object; if it has `extensions`, that is an object, too", r#"{"extensions":{}}"#);
    vec![
        required("pipeline", pipeline, "the pipeline"),
        optional("manifest", manifest, "members of `manifest.json` besides those of evlog"),
        optional("stages", ValueForm::Named(Box::new(configured), None), "how stages are configured, by their names"),
        optional("emit_health", ValueForm::Flag, "whether the bundle has `logs/health.json` [default: true]"),
    ]
}

fn input() -> Vec<MemberForm> {
    vec![
        required("path", ValueForm::AnyText, "the path of the file"),
        required(
            "from",
            ValueForm::Word(Origin::WORDS.map(|(word, _)| word).into()),
            "where the path begins: beside the plan, or in the bundle",
        ),
        optional("required", ValueForm::Flag, "whether the stage needs the file [default: true]"),
        MemberForm {
            name: "bytes",
            need: Need::Depends("left out if there is no such file"),
            value: ValueForm::count(),
            meaning: "the length in bytes",
        },
        MemberForm {
            name: "blake3",
            need: Need::Depends("given together with `bytes`"),
            value: ValueForm::Digest,
            meaning: "BLAKE3 of the file",
        },
    ]
}

fn taken_over() -> Vec<MemberForm> {
    vec![
        stage("the stage"),
        required("baseline", ValueForm::AnyText, "the run that is retried"),
        required("seq", ValueForm::count(), "the seq of the stage's outcome in that run"),
    ]
}

fn process_ended() -> Vec<MemberForm> {
    vec![
        stage("the stage"),
        required("how", ValueForm::Word(How::ALL.map(How::word).into()), "how the process ended"),
        optional("exit_code", ValueForm::Whole(0, 255), "its exit code"),
        optional("signal", ValueForm::Whole(0, 255), "the number of the signal that ended it"),
        optional("time_limit_ns", ValueForm::count(), "the time limit that it had, in nanoseconds"),
    ]
}

fn digest() -> Vec<MemberForm> {
    vec![
        required("path", ValueForm::AnyText, "the path in the bundle"),
        required("bytes", ValueForm::count(), "the length in bytes"),
        required("blake3", ValueForm::Digest, "BLAKE3 of the file"),
    ]
}

fn artifacts() -> MemberForm {
    let mut artifact = digest();
    artifact.push(optional("contract", ValueForm::AnyText, "the id of the schema that the file was checked with"));
    list("artifacts", artifact, "the files")
}

fn report() -> Vec<MemberForm> {
    let report = ValueForm::other(
        "an object without `generated_at_utc` ([pipeline.md](lifecycle/pipeline.md), P-70 to P-78)",
        r#"{"artifacts":[]}"#,
    );
    vec![stage("the stage"), required("report", report, "the report; evlog adds the time")]
}

fn captured() -> Vec<MemberForm> {
    [vec![stage("the stage")], digest()].concat()
}

fn outcome() -> Vec<MemberForm> {
    vec![
        stage("the stage, or a substage such as `policy.licences`"),
        required("status", ValueForm::Word(STATUSES.map(|(word, _)| word).into()), "how it ended"),
        fail_mode("what a failure means for the run [default: rule P-14]"),
        optional("reason_code", ValueForm::AnyText, "why it failed or was skipped; a success has none"),
    ]
}

fn found() -> Vec<MemberForm> {
    vec![
        stage("the stage"),
        required("outputs", ValueForm::Word(Outputs::WORDS.map(|(word, _)| word).into()), "the state of its files"),
        optional("staging", ValueForm::Flag, "whether its staging directory could not be cleared [default: false]"),
    ]
}

fn lock_forced() -> Vec<MemberForm> {
    vec![
        required("stale_lock_filename", ValueForm::AnyText, "the name that the lock was moved to"),
        required("stale_lock_sha256", ValueForm::Digest, "SHA-256 of the lock"),
    ]
}

fn limit_exceeded() -> Vec<MemberForm> {
    vec![
        required("limit", ValueForm::AnyText, "the name of the limit"),
        required("configured", ValueForm::count(), "what was allowed, in the unit of the limit"),
        required("observed", ValueForm::count(), "what was found, in the same unit"),
        required(
            "behavior",
            ValueForm::Word(Behavior::WORDS.map(|(word, _)| word).into()),
            "what it means for the run",
        ),
        stage("the stage that ran"),
    ]
}
