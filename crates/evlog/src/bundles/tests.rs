//! Claims about bundles in groups.

use super::*;
use crate::tests::toy::{ask, open, view};
use serde_json::json;

#[test]
fn a_bundle_does_not_depend_on_how_many_runs_are_folded_together() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for (action, members) in [("begin", json!({})), ("add", json!({"amount": 1})), ("add", json!({"amount": 2}))] {
        for run in 0..20 {
            ask(&log, &format!("r{run:02}"), action, members.clone()).into_accepted().unwrap();
        }
    }
    log.close().unwrap();
    let view = view(dir.path());
    let mut names = view.run_names().unwrap();
    let alone: Vec<_> = names.iter().map(|name| (name.clone(), view.bundle(name).unwrap())).collect();
    let visited = |held_max: usize, names: &[String]| {
        let mut bundles = Vec::new();
        let visit = &mut |name: &str, bundle: Result<_, FoldError>| {
            bundles.push((name.to_owned(), bundle.unwrap()));
            Ok::<_, LogError>(())
        };
        within(held_max, &view, names, visit).unwrap();
        bundles
    };
    for held_max in [0, STATE_LEN + 1, 5 * STATE_LEN, HELD_MAX] {
        assert_eq!(visited(held_max, &names), alone, "{held_max} bytes");
    }
    names.push("unknown".to_owned());
    assert_eq!(visited(HELD_MAX, &names).last(), Some(&("unknown".to_owned(), None)));
}

#[test]
fn runs_that_do_not_fit_a_group_go_to_a_later_group() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for run in ["a", "b", "c"] {
        ask(&log, run, "begin", json!({})).into_accepted().unwrap();
    }
    log.close().unwrap();
    let (view, names) = (view(dir.path()), ["a", "b", "c"].map(str::to_owned));
    let fitting = |held_max: usize| Group::read(&view, &names, held_max).unwrap().runs.len();
    assert_eq!([0, 2 * STATE_LEN + STATE_LEN / 2, HELD_MAX].map(fitting), [1, 2, 3]);
}
