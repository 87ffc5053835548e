//! Claims about numbers that do not come from JSON text. Claims about numbers in JSON text are beside the JSON reader.

use super::*;
use serde_json::json;

#[test]
fn spellings_of_other_notations_are_the_same_numbers() {
    for (token, expected) in
        [("+1", json!(1)), (".5", json!(0.5)), ("1.", json!(1)), ("-.50", json!(-0.5)), ("007", json!(7))]
    {
        assert_eq!(number(token).map(Value::Number), Ok(expected), "{token}");
    }
    for token in ["", "x", "1_0", "1e", "--1"] {
        assert!(number(token).unwrap_err().contains("expected a number"), "{token}");
    }
    for token in ["inf", "-nan", "1e309", "1e99999999999999999999"] {
        assert!(number(token).unwrap_err().contains("not finite"), "{token}");
    }
}

#[test]
fn a_long_number_is_shown_in_part() {
    let error = number(&"12345".repeat(100)).unwrap_err();
    assert!(error.contains("12345...") && error.len() < 160, "{error}");
}

#[test]
fn integers_are_taken_by_the_same_rule() {
    let edge = i128::from(INTEGER_MAX);
    assert_eq!(integer(edge), Ok(Number::from(INTEGER_MAX)));
    assert_eq!(integer(-edge).map(|found| found.as_i64()), Ok(i64::try_from(-edge).ok()));
    assert_eq!(integer(edge + 1), number("9007199254740992"));
    for refused in [edge + 2, -edge - 2, i128::from(u64::MAX), i128::from(i64::MAX), 1 << 60] {
        assert!(integer(refused).is_err(), "{refused}");
    }
}

#[test]
fn a_value_made_within_the_program_is_settled_or_refused() {
    let mut value = json!({"a": [1.0, -0.0, 1e16, 10_000_000_000_000_000_u64, "1.0", null, true]});
    settle(&mut value).unwrap();
    assert_eq!(value, crate::parse(br#"{"a":[1,0,1e16,1e16,"1.0",null,true]}"#).unwrap());
    for refused in [json!([{"a": u64::MAX}]), json!(i64::MIN + 1), json!(INTEGER_MAX + 2)] {
        assert!(settle(&mut refused.clone()).unwrap_err().contains("would read back as"), "{refused}");
    }
}
