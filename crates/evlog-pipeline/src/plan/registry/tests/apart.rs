//! How much it takes to see that no path has two bindings, counted.

use super::super::{Binding, beside};
use crate::glob::Glob;

/// As many bindings as a registry may have, a few.
const MANY: usize = 4000;

/// Patterns that do not meet, in shapes in which wildcards stand at the beginning, at the end, or at both.
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
        for index in 0..MANY {
            let glob = Glob::parse(&shape(index)).unwrap();
            compared += beside.near(&glob).len();
            bindings.push(Binding { glob, contract: String::new(), owner: String::new(), index });
            beside.add_last(&bindings);
        }
        assert!(compared <= 2 * MANY, "{}: {compared} were compared", shape(0));
    }
}
