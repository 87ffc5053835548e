//! No circles inside a crate: modules beside each other, each with all that stands below it, use each other one way.
//!
//! A module and those below it may use each other. Circles that were there before the rule are listed in `KNOWN`, and the
//! list can only become shorter: a circle that is not on it is a finding, and so is an entry that is no circle any more.
//! Tests are left out.

use crate::finding::Finding;
use crate::module_tree::{Place, Tie, ties};
use crate::repository::Repository;
use std::collections::{BTreeMap, BTreeSet};

const KNOWN: &str = "tools/xtask/known-circles.txt";

/// How many names are shown of those that tie one module to another.
const NAMES_SHOWN: usize = 4;

/// Modules that use each other in a circle.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Circle {
    /// The root file of their crate.
    root: String,
    /// The module that they stand in.
    above: Place,
    members: BTreeSet<String>,
    /// What leads from one member to another.
    ties: BTreeMap<(String, String), Vec<Tie>>,
}

/// Circles that are not listed, and entries of the list that are no circles.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    let is_root = |path: &str| path.ends_with("/lib.rs") || path.ends_with("/main.rs");
    let roots = repository.with_extension("rs").map(|file| file.path.as_str()).filter(|path| is_root(path));
    let circles: Vec<Circle> =
        roots.flat_map(|root| circles(root, &ties(root, &|path| repository.text(path)))).collect();
    compare(&circles, repository.text(KNOWN).unwrap_or_default())
}

fn compare(circles: &[Circle], known: &str) -> Vec<Finding> {
    let entries = || (1..).zip(known.lines()).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let new = circles.iter().filter(|circle| entries().all(|(_, entry)| entry != circle.entry()));
    let gone = entries().filter(|(_, entry)| circles.iter().all(|circle| circle.entry() != *entry));
    let gone = gone.map(|(line, entry)| {
        let message = format!("there is no circle `{entry}` any more; remove the line, or write what is left of it");
        Finding::new(KNOWN, line, message)
    });
    new.map(Circle::finding).chain(gone).collect()
}

/// The circles in a crate: among the children of each module.
fn circles(root: &str, ties: &[Tie]) -> Vec<Circle> {
    let mut levels = BTreeMap::<Place, BTreeMap<(String, String), Vec<Tie>>>::new();
    for tie in ties {
        let common = tie.from.iter().zip(&tie.to).take_while(|(from, to)| from == to).count();
        // Where one of the two stands above the other, there is no second child: these may use each other.
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
    /// How the list names it: the root file, the module above in brackets where there is one, the members.
    fn entry(&self) -> String {
        let above = if self.above.is_empty() { String::new() } else { format!(" [{}]", self.above.join("::")) };
        let members: Vec<&str> = self.members.iter().map(String::as_str).collect();
        format!("{}{above} {}", self.root, members.join(" "))
    }

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
        Finding::new(&self.root, 1, format!("modules use each other in a circle: {}; {advice}{said}", self.entry()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "mod a;\nmod b;\nmod c;\npub use b::Made;\n";

    fn found(a: &str, b: &str, c: &str, known: &str) -> Vec<String> {
        let files =
            [("src/lib.rs", LIB), ("src/a.rs", a), ("src/b.rs", b), ("src/c.rs", c), ("src/c/d.rs", "use super::E;")];
        let text = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| *text);
        compare(&circles("src/lib.rs", &ties("src/lib.rs", &text)), known).iter().map(ToString::to_string).collect()
    }

    const A: &str = "use crate::b::Made;\npub struct Asked;\n";
    const B: &str = "pub struct Made;\nfn f(x: super::c::E) {}\n";
    const C: &str = "mod d;\npub struct E;\n";

    #[test]
    fn modules_that_use_each_other_one_way_or_those_below_them_are_no_circle() {
        assert_eq!(found(A, B, C, "# None.\n\n"), [""; 0]);
    }

    #[test]
    fn a_circle_is_found_with_the_names_that_tie_it_also_through_a_re_export() {
        let found = found("use crate::Made;\npub struct Asked;\n", B, "mod d;\npub struct E(crate::a::Asked);\n", "");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("src/lib.rs:1: modules use each other in a circle: src/lib.rs a b c; "),
            "{found:?}"
        );
        for tie in [
            "`a` uses `Made` of `b` (src/a.rs:1)",
            "`b` uses `E` of `c` (src/b.rs:2)",
            "`c` uses `Asked` of `a` (src/c.rs:2)",
        ] {
            assert!(found[0].contains(tie), "{tie}: {found:?}");
        }
    }

    #[test]
    fn a_listed_circle_may_stay_and_may_not_grow_and_goes_from_the_list_when_it_is_gone() {
        let circle = "pub struct Made(super::a::Asked);\n";
        assert_eq!(found(A, circle, C, "src/lib.rs a b\n"), [""; 0]);
        assert_eq!(found(A, circle, C, "src/lib.rs a\n").len(), 2, "one is new, and one is gone");
        let gone = found(A, B, C, "# Circles\nsrc/lib.rs a b\n");
        assert_eq!(gone.len(), 1, "{gone:?}");
        assert!(
            gone[0].starts_with("tools/xtask/known-circles.txt:2: there is no circle `src/lib.rs a b`"),
            "{gone:?}"
        );
    }

    #[test]
    fn circles_inside_a_module_are_its_own() {
        let c = "mod d;\nmod f { pub struct G(super::d::H); }\npub struct E;\n";
        let files = [("src/lib.rs", "mod c;\n"), ("src/c.rs", c), ("src/c/d.rs", "pub struct H(super::f::G);")];
        let text = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| *text);
        let found: Vec<String> = circles("src/lib.rs", &ties("src/lib.rs", &text)).iter().map(Circle::entry).collect();
        assert_eq!(found, ["src/lib.rs [c] d f"]);
    }
}
