//! Events of several contracts, for the commands that read what events mean: `custom`, `status` and `pipeline` in turns.
//!
//! Invariants: every event is allowed by its contract, and every run keeps the rules of [`RULES`].

use super::{POOL, Random, SEED, STARTED, SUCCEEDED, Sizes, Step, creation, moved, name, refused};
use crate::Done;
use evlog_format::{Kind, kind, payload};
use evlog_lifecycle::pipeline::{FailMode, StageStatus, purple_axiom};

/// Events of a run.
pub(super) const LEN: usize = 10;

/// Runs that grow at the same time.
pub(super) const AT_ONCE: usize = 1000;

/// Ten rules on order, of ten templates, some with conditions on fields.
pub const RULES: &str = include_str!("rules.toml");

/// Kinds of a run of contract `custom`, and who caused each.
const PAYMENT: [(&str, &str); LEN] = [
    ("custom/requested", "ann"),
    ("custom/noted", "ann"),
    ("custom/checked", "bot"),
    ("custom/noted", "bot"),
    ("custom/approved", "bob"),
    ("custom/noted", "bob"),
    ("custom/noted", "eve"),
    ("custom/executed", "eve"),
    ("custom/noted", "eve"),
    ("custom/closed", "ann"),
];

/// The shapes of runs of the three contracts. `at_once` of these runs grow at the same time.
pub(super) fn shapes(at_once: usize) -> Done<Vec<Vec<Step>>> {
    let mut random = Random(SEED);
    let payment = PAYMENT.map(|(kind, by)| noted(kind, by, at_once, &mut random)).into_iter().collect();
    Ok(vec![payment, status(&mut random)?, pipeline()?])
}

/// An event of contract `custom`. There are as many payloads as runs that grow at once, or a multiple, so that all events of a
/// run have the same ticket.
fn noted(kind: &'static str, by: &str, at_once: usize, random: &mut Random) -> Step {
    let mut payload = |number: usize| {
        let (ticket, cents, note) = (number % at_once, random.next() % 1_000_000, random.text(64));
        format!(r#"{{"by":"user:{by}","cents":{cents},"note":"{note}","ticket":"T-{ticket:06}"}}"#).into_bytes()
    };
    let payloads = (0..POOL / at_once * at_once).map(&mut payload).collect();
    Step { kind: Kind::Custom(kind), payloads }
}

/// A creation, seven refusals, a start, a success.
fn status(random: &mut Random) -> Done<Vec<Step>> {
    let mut shape = vec![one(kind::STATUS_CREATED, payload::encode(&creation(name(0), None))?)];
    for _ in 0..LEN - 3 {
        let payloads = (0..POOL / LEN).map(|_| refused(random, Sizes::Audit)).collect::<Done<_>>()?;
        shape.push(Step { kind: kind::STATUS_REFUSED, payloads });
    }
    shape.extend([moved(STARTED)?, moved(SUCCEEDED)?]);
    Ok(shape)
}

/// A creation, then stages that begin and succeed, until there are enough events. The tables are those of `docs/format.md`.
fn pipeline() -> Done<Vec<Step>> {
    let (definition, fail_mode) = (purple_axiom(), FailMode::FailClosed);
    let stages: Vec<(&str, bool, FailMode)> =
        definition.stages().iter().map(|stage| (stage.id.as_str(), true, fail_mode)).collect();
    let (text, reason_code): (Option<&str>, Option<&str>) = (None, None);
    let created = payload::encode(&(definition.name(), definition.digest(), text, stages, "{}", true))?;
    let mut shape = vec![one(kind::PIPELINE_CREATED, created)];
    for stage in definition.stages() {
        let outcome = payload::encode(&(&stage.id, StageStatus::Success, fail_mode, reason_code))?;
        shape.push(one(kind::PIPELINE_STAGE_BEGUN, payload::encode(&stage.id)?));
        shape.push(one(kind::PIPELINE_OUTCOME_RECORDED, outcome));
    }
    shape.truncate(LEN);
    Ok(shape)
}

/// An event whose payload is always the same.
fn one(kind: Kind<'static>, payload: Vec<u8>) -> Step {
    Step { kind, payloads: vec![payload] }
}
