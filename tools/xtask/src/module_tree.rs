//! The modules of a crate as a tree, and where in it the names are defined that its paths lead to.
//!
//! A path is followed through imports and re-exports to the module that defines its name, as the compiler follows it. What
//! stands in tests is no part of the tree.
//! Does not: look into other crates, or find names that macros define; such a name counts as one of the module that the path
//! leads to.

use crate::syntax::{self, Path, Role, Syntax};
use std::collections::{BTreeMap, BTreeSet};

/// How many re-exports a path is followed through.
const HOPS_MAX: usize = 16;

/// The place of a module: the names from the root down to it. The root has none.
pub(crate) type Place = Vec<String>;

/// The modules of a crate, tests excepted.
#[derive(Debug, Default)]
pub(crate) struct ModuleTree {
    modules: BTreeMap<Place, Module>,
}

#[derive(Debug, Default)]
struct Module {
    items: BTreeSet<String>,
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
}

/// That one module names what another one defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tie {
    pub(crate) from: Place,
    pub(crate) to: Place,
    /// The name; `*` for all of them.
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) line: usize,
}

/// What a path leads to: the module that defines its name, and the name; none where it leads to the module itself.
type Target = (Place, Option<String>);

/// The ties between the modules of the crate whose root file this is.
pub(crate) fn ties<'a>(root: &str, text: &dyn Fn(&str) -> Option<&'a str>) -> Vec<Tie> {
    let mut tree = ModuleTree::default();
    let mut paths = Vec::new();
    tree.take(&Place::new(), root, text, &mut paths);
    let tie = |(file, within, path): &(String, Place, Path)| {
        let (to, name) = tree.resolve(within, &path.segments, HOPS_MAX)?;
        let name = name.or_else(|| (path.role == Role::Glob).then(|| "*".to_owned()))?;
        (to != *within).then(|| Tie { from: within.clone(), to, name, file: file.clone(), line: path.line })
    };
    paths.iter().filter_map(tie).collect()
}

/// The paths that a crate writes, each with its file. A name that the file imports is written out.
pub(crate) fn paths<'a>(root: &str, text: &dyn Fn(&str) -> Option<&'a str>) -> Vec<(String, Path)> {
    let mut tree = ModuleTree::default();
    let mut paths = Vec::new();
    tree.take(&Place::new(), root, text, &mut paths);
    let whole = |(file, within, mut path): (String, Place, Path)| {
        let import = path.segments.first().and_then(|first| tree.modules.get(&within)?.imports.get(first));
        if let Some(import) = import.filter(|_| path.role == Role::Mention) {
            path.segments.splice(..1, import.iter().cloned());
        }
        (file, path)
    };
    paths.into_iter().map(whole).collect()
}

impl ModuleTree {
    /// Takes in a file, and the files of its modules. Every path that it writes is added to `paths`.
    fn take<'a>(
        &mut self,
        place: &Place,
        file: &str,
        text: &dyn Fn(&str) -> Option<&'a str>,
        paths: &mut Vec<(String, Place, Path)>,
    ) {
        let syntax = syntax::read(text(file).unwrap_or_default());
        self.add(place, &syntax);
        for path in syntax.paths.into_iter().filter(|path| !path.is_test) {
            paths.push((file.to_owned(), [place.clone(), path.within.clone()].concat(), path));
        }
        for module in syntax.modules.into_iter().filter(|module| !module.is_test) {
            let below = [place.clone(), module.within, vec![module.name]].concat();
            let files = files_of(file, place.len(), &below);
            if let Some(file) = files.iter().find(|file| text(file).is_some()) {
                self.take(&below, file, text, paths);
            }
        }
    }

    /// Takes in what a file defines and imports, in its own module and in those that are written in it.
    fn add(&mut self, place: &Place, syntax: &Syntax) {
        self.module(place, &[]);
        for module in syntax.modules.iter().filter(|module| !module.is_test) {
            self.module(place, &[module.within.as_slice(), std::slice::from_ref(&module.name)].concat());
        }
        for item in syntax.items.iter().filter(|item| !item.is_test) {
            self.module(place, &item.within).items.insert(item.name.clone());
        }
        for path in syntax.paths.iter().filter(|path| !path.is_test) {
            let module = self.module(place, &path.within);
            match &path.role {
                Role::Import(name) => drop(module.imports.insert(name.clone(), path.segments.clone())),
                Role::Glob => module.globs.push(path.segments.clone()),
                Role::Mention => {}
            }
        }
    }

    fn module(&mut self, place: &Place, within: &[String]) -> &mut Module {
        self.modules.entry([place.as_slice(), within].concat()).or_default()
    }

    /// Where a path leads to that a module writes; `None` when that is outside of the crate.
    fn resolve(&self, from: &Place, segments: &[String], hops: usize) -> Option<Target> {
        let above = segments.iter().take_while(|segment| *segment == "super").count();
        let (first, rest) = segments.split_first()?;
        match first.as_str() {
            "crate" => self.walk(Place::new(), rest, hops),
            "self" => self.walk(from.clone(), rest, hops),
            "super" => self.walk(from[..from.len().checked_sub(above)?].to_vec(), &segments[above..], hops),
            _ => self.find(from, segments, hops),
        }
    }

    /// Follows a path down from a module. A name that the module does not have counts as its own.
    fn walk(&self, from: Place, segments: &[String], hops: usize) -> Option<Target> {
        let Some(name) = segments.first() else { return Some((from, None)) };
        self.find(&from, segments, hops).or_else(|| Some((from, Some(name.clone()))))
    }

    /// Follows a path whose first name a module has: as its child, as its own, or by an import.
    fn find(&self, from: &Place, segments: &[String], hops: usize) -> Option<Target> {
        let (name, rest) = segments.split_first()?;
        let module = self.modules.get(from)?;
        let child = [from.as_slice(), std::slice::from_ref(name)].concat();
        if self.modules.contains_key(&child) {
            return self.walk(child, rest, hops);
        }
        if module.items.contains(name) {
            return Some((from.clone(), Some(name.clone())));
        }
        let hops = hops.checked_sub(1)?;
        let by_name = || self.resolve(from, &[module.imports.get(name)?.as_slice(), rest].concat(), hops);
        let by_glob = |glob: &Vec<String>| {
            let (place, _) = self.resolve(from, glob, hops).filter(|(place, name)| name.is_none() && place != from)?;
            self.find(&place, segments, hops)
        };
        by_name().or_else(|| module.globs.iter().find_map(by_glob))
    }
}

/// The files that a module may have its text in, given the file that declares it and how deep that file's own module is.
fn files_of(parent: &str, parent_depth: usize, place: &[String]) -> [String; 2] {
    let (dir, name) = parent.rsplit_once('/').unwrap_or(("", parent));
    let stem = name.strip_suffix(".rs").unwrap_or(name);
    let holds_children = parent_depth == 0 || stem == "mod";
    let dir = if holds_children { dir.to_owned() } else { format!("{dir}/{stem}") };
    let below = place[parent_depth..].join("/");
    [format!("{dir}/{below}.rs"), format!("{dir}/{below}/mod.rs")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let text = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| *text);
        let say = |tie: Tie| format!("{} -> {} {}", tie.from.join("/"), tie.to.join("/"), tie.name);
        assert_eq!(ties("src/lib.rs", &text).into_iter().map(say).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_path_leads_to_the_module_that_defines_its_name() {
        let files = [
            ("src/lib.rs", "mod a;\nmod b;\npub use b::c::Deep;\npub use b::*;\n"),
            ("src/a.rs", "use crate::{Deep, Flat};\nuse super::b;\nfn f() { b::g(); b::c::h!(); std::i() }\n"),
            ("src/b/mod.rs", "pub mod c;\npub(crate) use c::g;\npub struct Flat;\n"),
            ("src/b/c.rs", "pub struct Deep;\npub fn g() { super::Flat::new() }\n"),
        ];
        let expected = [
            " -> b/c Deep",
            " -> b *",
            "a -> b/c Deep",
            "a -> b Flat",
            "a -> b/c g",
            "a -> b/c h",
            "b -> b/c g",
            "b/c -> b Flat",
        ];
        check(&files, &expected);
    }

    #[test]
    fn modules_within_a_file_and_files_below_them_have_their_place() {
        let files = [
            ("src/lib.rs", "mod a;\nmod x { pub struct Y; mod z; }\n"),
            ("src/a.rs", "use crate::x::Y;\nmod b;\n"),
            ("src/a/b.rs", "use super::super::x::Y as Z;\nfn f() -> Z { Z::new() }\n"),
            ("src/x/z.rs", "use crate::a::b::f;\n"),
        ];
        check(&files, &["a -> x Y", "a/b -> x Y", "a/b -> x Y", "x/z -> a/b f"]);
    }

    #[test]
    fn tests_and_imports_that_turn_in_a_circle_tie_nothing() {
        let files = [
            ("src/lib.rs", "mod a;\nmod b;\n#[cfg(test)]\nmod tests;\n"),
            ("src/a.rs", "pub use crate::b::C;\n#[cfg(test)]\nmod tests { use crate::b::D; }\n"),
            ("src/b.rs", "pub use crate::a::C;\n"),
            ("src/tests.rs", "use crate::a::E;\n"),
        ];
        check(&files, &["a -> b C", "b -> a C"]);
    }
}
