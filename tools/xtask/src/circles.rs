//! No circles inside a crate: of two modules beside each other, with all modules below them, only one may use the other.
//!
//! A module and those below it may use each other. Tests are left out.
//! Does not: see ties by method calls, by fields, or by names that a function hands on. They write no path.

use crate::finding::Finding;
use crate::module_tree::{Place, Tie, ties};
use crate::repository::Repository;
use std::collections::{BTreeMap, BTreeSet};

/// How many names are shown of those that tie one module to another.
const NAMES_SHOWN: usize = 4;

/// Modules that use each other in a circle.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Circle {
    /// The root file of their crate.
    root: String,
    /// The module that contains them.
    above: Place,
    members: BTreeSet<String>,
    /// What leads from one member to another.
    ties: BTreeMap<(String, String), Vec<Tie>>,
}

/// All circles.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    let is_root = |path: &str| path.ends_with("/lib.rs") || path.ends_with("/main.rs");
    let roots = repository.with_extension("rs").map(|file| file.path.as_str()).filter(|path| is_root(path));
    let circles = roots.flat_map(|root| circles(root, &ties(root, &|path| repository.text(path))));
    circles.map(|circle| circle.finding()).collect()
}

/// The circles in a crate: among the children of each module.
fn circles(root: &str, ties: &[Tie]) -> Vec<Circle> {
    let mut levels = BTreeMap::<Place, BTreeMap<(String, String), Vec<Tie>>>::new();
    for tie in ties {
        let common = tie.from.iter().zip(&tie.to).take_while(|(from, to)| from == to).count();
        // If one of the two is above the other, there is no second child: these may use each other.
        if let (Some(from), Some(to)) = (tie.from.get(common), tie.to.get(common)) {
            let level = levels.entry(tie.from[..common].to_vec()).or_default();
            level.entry((from.clone(), to.clone())).or_default().push(tie.clone());
        }
    }
    let of_level = |(above, ties): (Place, BTreeMap<_, Vec<Tie>>)| {
        let circle = |members: BTreeSet<String>| {
            let inside = |(from, to): &(String, String)| members.contains(from) && members.contains(to);
            let ties = ties.iter().filter(|(pair, _)| inside(pair)).map(|(pair, ties)| (pair.clone(), ties.clone()));
            Circle { root: root.to_owned(), above: above.clone(), ties: ties.collect(), members }
        };
        components(&ties.keys().collect::<Vec<_>>()).into_iter().map(circle).collect::<Vec<_>>()
    };
    levels.into_iter().flat_map(of_level).collect()
}

/// The strongly connected components of more than one member: all that reach each other.
fn components(edges: &[&(String, String)]) -> BTreeSet<BTreeSet<String>> {
    let reached = |start: &String| {
        let (mut found, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(from) = open.pop() {
            open.extend(edges.iter().filter(|(at, to)| at == from && found.insert(to.clone())).map(|(_, to)| to));
        }
        found
    };
    let all: BTreeMap<&String, BTreeSet<String>> = edges.iter().map(|(from, _)| (from, reached(from))).collect();
    let component = |(member, reached): (&&String, &BTreeSet<String>)| {
        let back = |other: &&String| all.get(other).is_some_and(|back| back.contains(*member));
        reached.iter().filter(back).cloned().collect::<BTreeSet<_>>()
    };
    all.iter().map(component).filter(|members| members.len() > 1).collect()
}

impl Circle {
    fn finding(&self) -> Finding {
        let tie = |((from, to), ties): (&(String, String), &Vec<Tie>)| {
            let names: BTreeSet<String> = ties.iter().map(|tie| format!("`{}`", tie.name)).collect();
            let more = if names.len() > NAMES_SHOWN { ", …" } else { "" };
            let names = names.into_iter().take(NAMES_SHOWN).collect::<Vec<_>>().join(", ");
            let at = ties.first().map(|tie| format!("{}:{}", tie.file, tie.line)).unwrap_or_default();
            (ties.len(), format!("\n    `{from}` uses {names}{more} of `{to}` ({at})"))
        };
        let mut said: Vec<(usize, String)> = self.ties.iter().map(tie).collect();
        said.sort();
        let said: String = said.into_iter().map(|(_, text)| text).collect();
        let advice = "move what ties them into one that uses none of the others, or hand it over as an argument";
        let above = if self.above.is_empty() { String::new() } else { format!(" of `{}`", self.above.join("::")) };
        let members = self.members.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Finding::new(&self.root, 1, format!("modules{above} use each other in a circle: {members}; {advice}{said}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "mod a;\nmod b;\nmod c;\npub use b::Made;\n";

    fn found(a: &str, b: &str, c: &str) -> Vec<String> {
        let files =
            [("src/lib.rs", LIB), ("src/a.rs", a), ("src/b.rs", b), ("src/c.rs", c), ("src/c/d.rs", "use super::E;")];
        let text = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| *text);
        circles("src/lib.rs", &ties("src/lib.rs", &text)).iter().map(|circle| circle.finding().to_string()).collect()
    }

    const A: &str = "use crate::b::Made;\npub struct Asked;\n";
    const B: &str = "pub struct Made;\nfn f(x: super::c::E) {}\n";
    const C: &str = "mod d;\npub struct E;\n";

    #[test]
    fn modules_that_use_each_other_one_way_or_those_below_them_are_no_circle() {
        assert_eq!(found(A, B, C), [""; 0]);
    }

    #[test]
    fn a_circle_is_found_with_the_names_that_tie_it_also_through_a_re_export() {
        let found = found("use crate::Made;\npub struct Asked;\n", B, "mod d;\npub struct E(crate::a::Asked);\n");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("src/lib.rs:1: modules use each other in a circle: `a`, `b`, `c`; "), "{found:?}");
        for tie in [
            "`a` uses `Made` of `b` (src/a.rs:1)",
            "`b` uses `E` of `c` (src/b.rs:2)",
            "`c` uses `Asked` of `a` (src/c.rs:2)",
        ] {
            assert!(found[0].contains(tie), "{tie}: {found:?}");
        }
    }

    #[test]
    fn a_glob_of_the_module_above_ties_to_all_that_it_imports() {
        for above in [LIB, "mod a;\nmod b;\nmod c;\npub use b::*;\n"] {
            let files = [
                ("src/lib.rs", above),
                ("src/a.rs", "use super::*;\npub struct Asked(Made);\n"),
                ("src/b.rs", "pub struct Made(super::a::Asked);\n"),
            ];
            let text = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| *text);
            let found = circles("src/lib.rs", &ties("src/lib.rs", &text));
            assert_eq!(found.len(), 1, "{above}");
        }
    }

    #[test]
    fn circles_inside_a_module_are_its_own() {
        let c = "mod d;\nmod f { pub struct G(super::d::H); }\npub struct E;\n";
        let files = [("src/lib.rs", "mod c;\n"), ("src/c.rs", c), ("src/c/d.rs", "pub struct H(super::f::G);")];
        let text = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| *text);
        let found: Vec<Finding> =
            circles("src/lib.rs", &ties("src/lib.rs", &text)).iter().map(Circle::finding).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].message.starts_with("modules of `c` use each other in a circle: `d`, `f`; "), "{found:?}");
    }
}
