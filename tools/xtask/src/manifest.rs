//! Reads the parts of `Cargo.toml` and `Cargo.lock` that the checks need.
//!
//! A text that is no TOML has no tables here. Cargo says so before any check runs.

use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

/// The tables of a text.
pub(crate) fn parse(text: &str) -> Table {
    text.parse().unwrap_or_default()
}

/// The member patterns of the workspace.
pub(crate) fn members(root_manifest: &str) -> Vec<String> {
    workspace_list(root_manifest, "members")
}

/// The directories that the workspace says are none of its own.
pub(crate) fn excluded(root_manifest: &str) -> Vec<String> {
    workspace_list(root_manifest, "exclude")
}

fn workspace_list(root_manifest: &str, key: &str) -> Vec<String> {
    parse(root_manifest).get("workspace").and_then(|workspace| workspace.get(key)).map(texts).unwrap_or_default()
}

/// The texts in a list.
pub(crate) fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The dependencies that the workspace names for its members.
pub(crate) fn of_workspace(root_manifest: &str) -> Vec<String> {
    let manifest = parse(root_manifest);
    let table = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies")?.as_table());
    table.into_iter().flat_map(Table::keys).cloned().collect()
}

/// Where the sources of a package's tests, benches and examples are: the directories that cargo looks in, and the files that
/// the manifest names.
pub(crate) fn test_targets(manifest: &str) -> Vec<String> {
    let manifest = parse(manifest);
    let targets = ["test", "bench", "example"].into_iter().filter_map(|kind| manifest.get(kind)?.as_array()).flatten();
    let named = targets.filter_map(|target| target.get("path")?.as_str()).map(str::to_owned);
    ["tests/", "benches/", "examples/"].map(str::to_owned).into_iter().chain(named).collect()
}

/// Whether a manifest says `workspace = true` under `[lints]`.
pub(crate) fn inherits_lints(manifest: &str) -> bool {
    let inherits = |lints: &Value| lints.get("workspace").and_then(Value::as_bool);
    parse(manifest).get("lints").and_then(inherits).unwrap_or(false)
}

/// What a crate depends on, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dependencies {
    /// The time when it is used.
    pub(crate) normal: BTreeSet<String>,
    /// The time when it is tested.
    pub(crate) tests: BTreeSet<String>,
}

impl Dependencies {
    /// Those of both kinds.
    pub(crate) fn all(self) -> BTreeSet<String> {
        self.normal.into_iter().chain(self.tests).collect()
    }
}

/// Reads a crate's manifest. Build dependencies count as normal ones: they run on the machine that builds.
pub(crate) fn dependencies(manifest: &str) -> Dependencies {
    let manifest = parse(manifest);
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let everywhere = std::iter::once(&manifest).chain(targets.filter_map(Value::as_table)).collect::<Vec<_>>();
    let names = |tables: &[&str]| {
        let found = everywhere.iter().flat_map(|place| tables.iter().filter_map(|table| place.get(*table)?.as_table()));
        found.flat_map(Table::keys).cloned().collect()
    };
    Dependencies { normal: names(&["dependencies", "build-dependencies"]), tests: names(&["dev-dependencies"]) }
}

/// The package whose name differs from the name of its library, because the name was not free.
const RENAMED: (&str, &str) = ("evlog-engine", "evlog");

/// The name by which manifests and sources know a package.
pub(crate) fn in_rust(package: &str) -> String {
    if package == RENAMED.0 { RENAMED.1.to_owned() } else { package.to_owned() }
}

/// A package of `Cargo.lock`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Locked {
    name: String,
    version: String,
    /// Whether it comes from elsewhere; what does not is a crate of this repository.
    is_foreign: bool,
    needs: Vec<String>,
}

/// The crates of this repository that a lock file names, each with the names of what it needs.
pub(crate) fn needs_of_our_own(lock: &str) -> BTreeMap<String, BTreeSet<String>> {
    let name = |need: &String| need.split(' ').next().unwrap_or(need).to_owned();
    let own = locked(lock).into_iter().filter(|package| !package.is_foreign);
    own.map(|package| (package.name, package.needs.iter().map(name).collect())).collect()
}

/// Which of these names a package of the lock file needs, as the lock file writes them: with a version if several are
/// locked, because another crate's tests may need an older one.
pub(crate) fn locked_needs(lock: &str, package: &str, names: &BTreeSet<String>) -> BTreeSet<String> {
    let needs = locked(lock).into_iter().filter(|locked| locked.name == package).flat_map(|locked| locked.needs);
    needs.filter(|need| names.contains(need.split(' ').next().unwrap_or(need))).collect()
}

/// The packages of a lock file that are reached from these names, as `name version`; the starting ones are found by
/// name, and what a package of the workspace needs only for its tests must be left out by the caller.
pub(crate) fn reached(lock: &str, start: &BTreeSet<String>) -> BTreeSet<String> {
    let packages = locked(lock);
    let by_name = packages.iter().fold(BTreeMap::<&str, Vec<&Locked>>::new(), |mut map, package| {
        map.entry(&package.name).or_default().push(package);
        map
    });
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = start.iter().cloned().collect();
    while let Some(need) = open.pop() {
        // A need is a name, with a version after it where several are locked.
        let (name, version) = need.split_once(' ').map_or((need.as_str(), None), |(name, rest)| (name, Some(rest)));
        for package in by_name.get(name).into_iter().flatten() {
            let fits = version.is_none_or(|version| version.split(' ').next() == Some(package.version.as_str()));
            if fits && found.insert(format!("{} {}", package.name, package.version)) {
                open.extend(package.needs.iter().cloned());
            }
        }
    }
    found
}

fn locked(lock: &str) -> Vec<Locked> {
    let package = |package: &Value| {
        let text = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Locked {
            name: in_rust(&text("name")),
            version: text("version"),
            is_foreign: package.get("source").is_some(),
            needs: package
                .get("dependencies")
                .map(texts)
                .unwrap_or_default()
                .iter()
                .map(|need| in_rust(need))
                .collect(),
        }
    };
    parse(lock).get("package").and_then(Value::as_array).into_iter().flatten().map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn members_are_read_from_one_line_or_many() {
        assert_eq!(members("[workspace]\nmembers = [\"a/*\", \"b\"]\ndefault-members = [\"c\"]\n"), ["a/*", "b"]);
        assert_eq!(members("[workspace]\nmembers = [\n  \"a\",\n  \"b\",\n]\n"), ["a", "b"]);
        assert_eq!(excluded("[workspace]\nmembers = [\"a\"]\nexclude = [\"c\"]\n"), ["c"]);
        assert_eq!(excluded("[workspace]\nmembers = [\"a\"]\n"), [""; 0]);
        assert_eq!(members("workspace.members = [ # a comment, and a ]\n  \"a\"]\n"), ["a"]);
    }

    #[test]
    fn dependencies_are_told_from_those_of_tests() {
        let text = "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\nc = { path = \"x\" }\n# d = 1\n\
                    [dev-dependencies]\ne.workspace = true\n[target.'cfg(unix)'.dependencies]\nf = \"1\"\n\
                    [dependencies.g]\nversion = \"1\"\n[features]\nh = []\n[build-dependencies]\ni = \"1\"\n";
        let found = dependencies(text);
        assert_eq!(found.normal, names(&["b", "c", "f", "g", "i"]));
        assert_eq!(found.tests, names(&["e"]));
    }

    #[test]
    fn a_manifest_without_the_workspace_lints_is_told_from_one_with() {
        assert!(inherits_lints("[lints]\nworkspace = true\n"));
        assert!(!inherits_lints("[package]\nversion.workspace = true\n[lints.rust]\nunsafe_code = \"allow\"\n"));
    }

    #[test]
    fn the_lock_is_walked_by_name_and_version() {
        let lock = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\ndependencies = [\n \"b 2.0.0\",\n \"c\",\n]\n\
                    [[package]]\nname = \"b\"\nversion = \"1.0.0\"\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\n\
                    [[package]]\nname = \"c\"\nversion = \"3.0.0\"\ndependencies = [\n \"a\",\n]\n[[package]]\nname = \"d\"\nversion = \"1.0.0\"\n";
        assert_eq!(reached(lock, &names(&["a"])), names(&["a 1.0.0", "b 2.0.0", "c 3.0.0"]));
        assert_eq!(locked_needs(lock, "a", &names(&["b", "d"])), names(&["b 2.0.0"]));
    }
}
