//! Conditions: what holds, what does not, and what is refused.

use super::*;
use crate::made::{Made, made, read};

fn holds(condition: &str, event: &Made) -> bool {
    let condition = Condition::parse(condition).expect("a condition");
    read(event, 7, |reading| condition.holds(reading))
}

fn with(payload: &'static str) -> Made {
    Made { payload, recorded_ns: 1_772_323_200_000_000_000, ..made("custom/paid") }
}

#[test]
fn a_number_is_compared_by_its_value_and_not_as_text() {
    let event = with(r#"{"cents":9,"ratio":1.5,"large":9007199254740991,"commit":"12e4567"}"#);
    assert!(holds("payload.commit=12e4567", &event), "text that looks like a number too large is compared as text");
    for held in
        ["payload.cents<10", "payload.cents=9.0", "payload.ratio>=1.5", "payload.large>9007199254740990.0", "seq=7"]
    {
        assert!(holds(held, &event), "{held}");
    }
    for not_held in
        ["payload.cents>10", "payload.cents=nine", "payload.ratio>1.5", "payload.large>9007199254740991", "seq<7"]
    {
        assert!(!holds(not_held, &event), "{not_held}");
    }
}

#[test]
fn an_absent_field_is_null_and_differs_from_every_value() {
    let event = with(r#"{"by":null}"#);
    for held in ["payload.by=null", "payload.other=null", "payload.other!=x", "principal=null", "occurred=null"] {
        assert!(holds(held, &event), "{held}");
    }
    for not_held in ["payload.other=x", "payload.other<1", "payload.other~.", "principal!=null", "actor=null"] {
        assert!(!holds(not_held, &event), "{not_held}");
    }
}

#[test]
fn a_list_matches_where_an_item_does_and_differs_where_none_does() {
    let event = with(r#"{"codes":["E1","E2"],"sizes":[1,20]}"#);
    for held in ["payload.codes=E2", "payload.codes~^E", "payload.codes!=E3", "payload.sizes>10", "payload.codes.0=E1"]
    {
        assert!(holds(held, &event), "{held}");
    }
    for not_held in ["payload.codes=E3", "payload.codes!=E1", "payload.sizes>20", "payload.codes.2=E1"] {
        assert!(!holds(not_held, &event), "{not_held}");
    }
}

#[test]
fn a_time_is_compared_as_a_time_and_a_date_is_its_first_moment() {
    // The event was recorded on 2026-03-01 at 00:00:00Z.
    let event = with("{}");
    for held in ["recorded>=2026-03-01", "recorded<2026-03-01T00:00:00.001Z", "recorded=2026-03-01T00:00:00Z"] {
        assert!(holds(held, &event), "{held}");
    }
    assert!(!holds("recorded>2026-03-01", &event));
}

#[test]
fn names_with_dots_are_reached_by_a_pointer() {
    let event = with(r#"{"a.b":{"c/d":1}}"#);
    assert!(holds("/payload/a.b/c~1d=1", &event));
    assert!(!holds("payload.a.b=1", &event));
}

#[test]
fn what_cannot_be_a_condition_is_refused_with_what_was_expected() {
    for (condition, expected) in [
        ("payload.x", "expected FIELD=VALUE"),
        ("colour=red", "expected a field of an event"),
        ("payload..x=1", "expected a field of an event"),
        ("recorded>yesterday", "expected a time such as"),
        ("recorded~2026", "expected a time such as"),
        ("payload.x<", "expected a value after `<`"),
        ("payload.x~(", "expected a regular expression"),
        ("seq<1e400", "expected a number that a double can hold, found `1e400`"),
        ("payload.x>=-1.5E+999", "expected a number that a double can hold"),
    ] {
        let error = Condition::parse(condition).expect_err(condition);
        assert!(error.starts_with(expected), "{condition}: {error}");
    }
}
