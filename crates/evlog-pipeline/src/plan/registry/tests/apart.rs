//! The number of steps that it takes to show that no path has two bindings.

use super::super::{Binding, beside};
use super::{Room, base, binding};
use crate::glob::{Glob, Steps};
use crate::limits::COMPARING_MAX;

/// A large number of bindings.
const MANY: usize = 4000;

/// Patterns that do not meet, in shapes with wildcards at the beginning, at the end, or at both.
const SHAPES: [fn(usize) -> String; 9] = [
    |n| format!("**/x{n:04}"),
    |n| format!("**/x{n:04}/*"),
    |n| format!("*/x{n:04}/*"),
    |n| format!("*x{n:04}"),
    |n| format!("*/*x{n:04}/*"),
    |n| format!("?/[ab]/x{n:04}*/**"),
    |n| format!("**/x{n:04}*/?"),
    |n| format!("**/*x{n:04}/?/?"),
    |n| if n % 2 == 0 { format!("made/x{n:04}") } else { format!("**/x{n:04}") },
];

#[test]
fn k07_what_is_compared_grows_with_the_bindings_and_not_with_their_pairs() {
    for shape in SHAPES {
        let (mut bindings, mut beside, mut compared) = (Vec::new(), beside::Beside::default(), 0);
        // At most a twentieth of the limit.
        let mut steps = Steps::new(COMPARING_MAX / 20);
        for index in 0..MANY {
            let glob = Glob::parse(&shape(index)).unwrap();
            compared += beside.near(&glob, &mut steps).expect("few steps").len();
            bindings.push(Binding { glob, schema: String::new(), owner: String::new(), index });
            beside.add_last(&bindings);
        }
        assert!(compared <= 2 * MANY, "{}: {compared} were compared", shape(0));
    }
}

#[test]
fn k07_a_registry_whose_patterns_take_too_much_comparing_is_refused_and_named_once() {
    // No segment has a fixed beginning or end. The patterns differ only in the middle of one segment.
    let alike = (0..2000).map(|n| binding(&format!("*/?x{n:04}?/*"), "doc", "json_document", "make").1);
    let mut registry = base();
    registry["bindings"].as_array_mut().unwrap().extend(alike);
    let error = Room::new().load(&registry).map(|_| ()).unwrap_err();
    assert_eq!(error.problems.len(), 1, "{error}");
    assert!(error.problems[0].message.contains("takes more than 10000000 steps"), "{error}");
}
