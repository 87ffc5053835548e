//! The modules of a crate as a tree, and where in it the names are defined that its paths lead to.
//!
//! A path is followed through imports and re-exports to the module that defines its name, as the compiler follows it. What
//! stands in tests is no part of the tree.
//! Does not: look into other crates, or find names that macros define; such a name counts as one of the module that the path
//! leads to.

use crate::module_files;
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

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// The module that defines its name, and the name; none where it leads to the module itself.
    Here(Place, Option<String>),
    /// A name of another crate, with its whole path.
    Elsewhere(Vec<String>),
}

/// The ties between the modules of the crate whose root file this is.
pub(crate) fn ties<'a>(root: &str, text: &dyn Fn(&str) -> Option<&'a str>) -> Vec<Tie> {
    let mut tree = ModuleTree::default();
    let mut paths = Vec::new();
    tree.take(&Place::new(), root, text, &mut paths);
    let ties = |(file, within, path): &(String, Place, Path)| {
        let targets = match tree.resolve(within, &path.segments, HOPS_MAX) {
            Target::Here(to, Some(name)) => vec![(to, name)],
            Target::Here(to, None) if path.role == Role::Glob => tree.all_of(within, &to),
            _ => Vec::new(),
        };
        let tie = |(to, name)| Tie { from: within.clone(), to, name, file: file.clone(), line: path.line };
        targets.into_iter().filter(|(to, _)| to != within).map(tie).collect::<Vec<_>>()
    };
    paths.iter().flat_map(ties).collect()
}

/// The paths that a crate writes, each with its file. Those that lead to another crate are whole, whatever imports they go
/// through.
pub(crate) fn paths<'a>(root: &str, text: &dyn Fn(&str) -> Option<&'a str>) -> Vec<(String, Path)> {
    let mut tree = ModuleTree::default();
    let mut paths = Vec::new();
    tree.take(&Place::new(), root, text, &mut paths);
    let whole = |(file, within, mut path): (String, Place, Path)| {
        if let Target::Elsewhere(segments) = tree.resolve(&within, &path.segments, HOPS_MAX) {
            path.segments = segments;
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
        for module in syntax.file_modules.into_iter().filter(|module| !module.is_test) {
            let below = module.below();
            let files = module_files::of_module(file, &below);
            if let Some(file) = files.iter().find(|file| text(file).is_some()) {
                self.take(&[place.as_slice(), &below].concat(), file, text, paths);
            }
        }
    }

    /// Takes in what a file defines and imports, in its own module and in those that are written in it.
    fn add(&mut self, place: &Place, syntax: &Syntax) {
        self.module(place, &[]);
        let modules = syntax.inline_modules.iter().chain(&syntax.file_modules);
        for module in modules.filter(|module| !module.is_test) {
            self.module(place, &module.below());
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

    /// The place where a path leads to that a module writes.
    fn resolve(&self, from: &Place, segments: &[String], hops: usize) -> Target {
        let above = segments.iter().take_while(|segment| *segment == "super").count();
        match segments.first().map_or("", String::as_str) {
            "crate" => self.walk(Place::new(), &segments[1..], hops),
            "self" => self.walk(from.clone(), &segments[1..], hops),
            "super" if above <= from.len() => self.walk(from[..from.len() - above].to_vec(), &segments[above..], hops),
            _ => self.find(from, segments, hops).unwrap_or_else(|| self.elsewhere(segments)),
        }
    }

    /// A path that begins with a name of no module. What the root imports as a whole crate has that name everywhere:
    /// `extern crate` gives it.
    fn elsewhere(&self, segments: &[String]) -> Target {
        let import = segments.first().and_then(|first| self.modules.get(&Place::new())?.imports.get(first));
        let first = import.filter(|import| import.len() == 1).map_or(&segments[..1.min(segments.len())], Vec::as_slice);
        Target::Elsewhere([first, segments.get(1..).unwrap_or_default()].concat())
    }

    /// Follows a path down from a module. A name that the module does not have counts as its own.
    fn walk(&self, from: Place, segments: &[String], hops: usize) -> Target {
        let Some(name) = segments.first() else { return Target::Here(from, None) };
        self.find(&from, segments, hops).unwrap_or_else(|| Target::Here(from, Some(name.clone())))
    }

    /// Follows a path whose first name a module has: as its child, as its own, or by an import.
    fn find(&self, from: &Place, segments: &[String], hops: usize) -> Option<Target> {
        let (name, rest) = segments.split_first()?;
        let module = self.modules.get(from)?;
        let child = [from.as_slice(), std::slice::from_ref(name)].concat();
        if self.modules.contains_key(&child) {
            return Some(self.walk(child, rest, hops));
        }
        if module.items.contains(name) {
            return Some(Target::Here(from.clone(), Some(name.clone())));
        }
        let hops = hops.checked_sub(1)?;
        if let Some(import) = module.imports.get(name) {
            let whole = [import.as_slice(), rest].concat();
            // An import of this name that begins with this name leads to a crate.
            return Some(if import[0] == *name { Target::Elsewhere(whole) } else { self.resolve(from, &whole, hops) });
        }
        let by_glob = |glob: &Vec<String>| match self.resolve(from, glob, hops) {
            Target::Here(place, None) if place != *from => self.find(&place, segments, hops),
            _ => None,
        };
        module.globs.iter().find_map(by_glob)
    }

    /// What a glob of a module brings in: its own names, as `*`. Of a module above, which shows its imports to those below it,
    /// also what these lead to.
    fn all_of(&self, within: &Place, module: &Place) -> Vec<(Place, String)> {
        let mut found = BTreeSet::from([(module.clone(), "*".to_owned())]);
        let is_above = within.starts_with(module);
        let mut open = if is_above { vec![module.clone()] } else { Vec::new() };
        while let Some(place) = open.pop() {
            let Some(names) = self.modules.get(&place) else { continue };
            for path in names.imports.values().chain(&names.globs) {
                match self.resolve(&place, path, HOPS_MAX) {
                    Target::Here(to, Some(name)) => drop(found.insert((to, name))),
                    Target::Here(to, None)
                        if names.globs.contains(path) && found.insert((to.clone(), "*".to_owned())) =>
                    {
                        open.push(to);
                    }
                    _ => {}
                }
            }
        }
        found.into_iter().collect()
    }
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
