//! Histories that the definition forbids: the fold refuses each of them, with the event and the reason.

use super::{DEPLOYMENT, ORDER, Play, RUN};
use crate::lifecycle::payload::{Created, Forced, Payload, Refused, Rejected, Transitioned};
use crate::lifecycle::{Lifecycle, StatusId};
use crate::testing::{Recorded, bundle};
use evlog_format::kind;
use evlog_projection::Contract;

fn events(play: &Play) -> Vec<Recorded> {
    play.harness.facts(RUN)
}

/// The events with the payload of one of them changed.
fn changed(events: &[Recorded], index: usize, change: impl FnOnce(&mut Payload)) -> Vec<Recorded> {
    let mut events = events.to_vec();
    let mut payload = Payload::decode(&events[index].fact().event).expect("a payload");
    change(&mut payload);
    events[index].payload = payload.encode().expect("encodes");
    events[index].kind = payload.kind().into();
    events
}

fn check(events: &[Recorded], says: &str) {
    let error = bundle(&Lifecycle::default(), events).expect_err(says);
    assert!(error.message.contains(says), "expected {says:?}, found {error}");
}

fn order() -> Vec<Recorded> {
    let mut play = Play::of(ORDER);
    play.went("paid");
    play.go("placed");
    play.went("canceled");
    events(&play)
}

#[test]
fn a_transition_that_the_definition_does_not_have_is_refused() {
    // M-10, M-02, M-03.
    let history = order();
    assert!(bundle(&Lifecycle::default(), &history).is_ok());
    let moved = |index: usize, change: fn(&mut Transitioned)| {
        changed(&history, index, |payload| match payload {
            Payload::Transitioned(event) => change(event),
            other => panic!("{other:?}"),
        })
    };
    check(
        &moved(1, |event| event.from = "shipped".into()),
        "expected status `placed` before this event, found `shipped`",
    );
    check(
        &moved(1, |event| event.to = "delivered".into()),
        "expected a transition that is listed, found `placed` to `delivered`",
    );
    check(&moved(1, |event| event.to = "lost".into()), "found `placed` to `lost`");
    check(&moved(1, |event| event.data = "{}".into()), "`paid` requires the member `amount_cents`");
    check(&moved(1, |event| event.data = "{ }".into()), "data: expected an object in canonical JSON");
    check(&moved(1, |event| event.data = "[]".into()), "data: expected an object in canonical JSON");
    check(&moved(1, |event| event.data = "x".into()), "data: ");
    check(&moved(3, |event| event.reason_code = None), "`canceled` is entered with a reason code");
    check(&moved(3, |event| event.reason_code = Some("x".into())), "`x` is not a reason code of `canceled`");
}

#[test]
fn a_rejection_of_a_listed_transition_is_refused() {
    // M-10, M-04.
    let history = order();
    let rejected = |change: fn(&mut Rejected)| {
        changed(&history, 2, |payload| match payload {
            Payload::Rejected(event) => change(event),
            other => panic!("{other:?}"),
        })
    };
    check(&rejected(|event| event.from = "placed".into()), "expected status `paid` before this event");
    check(&rejected(|event| event.requested = "shipped".into()), "expected a request that is not listed");
    check(&rejected(|event| event.requested = "x".repeat(121)), "at most 120 bytes, found 121");
}

#[test]
fn a_forced_transition_and_its_rejection_belong_together() {
    // M-10, M-05.
    let mut play = Play::of(DEPLOYMENT);
    play.go("live");
    let history = events(&play);
    assert!(bundle(&Lifecycle::default(), &history).is_ok());
    check(&history[..2], "expected the run to be forced to `held`, found the end of its events");
    let forced = |change: fn(&mut Forced)| {
        changed(&history, 2, |payload| match payload {
            Payload::Forced(event) => change(event),
            other => panic!("{other:?}"),
        })
    };
    for other in [
        forced(|event| event.to = "rejected".into()),
        forced(|event| event.from = "live".into()),
        forced(|event| event.reason_code = None),
        forced(|event| event.requested = "canary".into()),
    ] {
        check(&other, "expected the run to be forced to `held` in commit 1, caused by 1");
    }
    let mut elsewhere = history.clone();
    elsewhere[2].commit = 2;
    check(&elsewhere, "found `machine.forced` in commit 2");
    let mut uncaused = history.clone();
    uncaused[2].causation = None;
    check(&uncaused, "caused by none");
    let mut alone = vec![history[0].clone(), history[2].clone()];
    alone[1].number = 1;
    check(&alone, "expected a rejection right before, found none");
    let mut other = history.clone();
    other[2] = Recorded { kind: kind::MACHINE_REFUSED.into(), ..other[2].clone() };
    other[2].payload = Payload::Refused(Refused { action: "a".into(), code: "B".into(), message: "c".into() })
        .encode()
        .expect("encodes");
    check(&other, "found `machine.refused`");
    // A lifecycle that forces nothing has no forced transition.
    let mut history = order();
    history[2].kind = kind::MACHINE_FORCED.into();
    let event = Forced { from: "paid".into(), to: "canceled".into(), reason_code: None, requested: "placed".into() };
    history[2].payload = Payload::Forced(event).encode().expect("encodes");
    check(&history, "a lifecycle that forces none");
}

#[test]
fn the_definition_in_the_first_event_must_match_its_name_and_digest() {
    // M-01, M-10.
    let history = order();
    let created = |change: fn(&mut Created)| {
        changed(&history, 0, |payload| match payload {
            Payload::Created(event) => change(event),
            other => panic!("{other:?}"),
        })
    };
    check(&created(|event| event.machine = "parcel".into()), "expected the canonical text of `parcel`");
    check(&created(|event| event.definition = [7; 32]), "expected the one with BLAKE3 0707");
    check(&created(|event| event.definition_text.push(' ')), "expected the canonical text of `order`");
    check(&created(|event| event.definition_text = "{}".into()), "definition: ");
    check(&created(|event| event.definition_text = "x".into()), "definition: ");
    check(&created(|event| event.data = "{}".into()), "`placed` requires the member `customer`");
    let mut twice = history.clone();
    twice[1] = Recorded { seq: 1, number: 1, ..history[0].clone() };
    check(&twice, "expected an event of a run that exists, found `machine.created`");
    let first = Recorded { number: 0, ..history[1].clone() };
    assert!(
        Lifecycle::default()
            .start(&first.fact())
            .is_err_and(|error| error.message.contains("expected `machine.created`"))
    );
    let mut later = history.clone();
    later[1].kind_version = 2;
    check(&later, "expected version 1 of `machine.transitioned`, found 2");
    assert_eq!(Play::of(ORDER).harness.states[RUN].status, StatusId(0));
}
