//! Selections: patterns of names, kinds, and what must hold together.

use super::*;
use evlog_rules::made::{made, read};

#[test]
fn options_of_different_kinds_must_all_hold_and_of_one_kind_any() {
    let kinds = |names: &[&str]| names.iter().map(|name| Kinds::parse(name).expect("kinds")).collect();
    let patterns = |names: &[&str]| names.iter().map(|name| Pattern::parse(name).expect("a pattern")).collect();
    let event = made("custom/paid");
    let holds = |selection: Selection| read(&event, 0, |reading| selection.holds(reading, None));
    assert!(holds(Selection::default()));
    assert!(holds(Selection {
        kinds: kinds(&["custom/sent", "custom/paid"]),
        runs: patterns(&["RUN_*"]),
        ..Selection::default()
    }));
    assert!(!holds(Selection { kinds: kinds(&["custom/paid"]), actors: patterns(&["bob"]), ..Selection::default() }));
    assert!(!holds(Selection { statuses: vec!["open".to_owned()], ..Selection::default() }), "its run is not known");
    assert!(!holds(Selection { correlation: Some("null".to_owned()), ..Selection::default() }), "it has none");
    let times = Times { since_ns: Some(0), until_ns: Some(1), occurred: false };
    assert!(holds(Selection { times, ..Selection::default() }));
    let before = Times { until_ns: Some(0), ..Times::default() };
    assert!(!holds(Selection { times: before, ..Selection::default() }));
}

#[test]
fn a_pattern_that_fits_kinds_of_users_is_one_of_kinds() {
    for (text, fits) in
        [("cu*", true), ("custom/*", true), ("c?stom/a", true), ("*", true), ("cat*", false), ("custom", false)]
    {
        assert_eq!(Kinds::parse(text).is_ok_and(|kinds| kinds.has_custom()), fits, "{text}");
    }
}
