//! As much of `Cargo.toml` and `Cargo.lock` as the checks need: tables, and the names of their keys.
//!
//! Does not: parse TOML. Manifests of this workspace keep one key a line, and inherit versions from the root.

use std::collections::{BTreeMap, BTreeSet};

/// The table headings of a manifest, each with the lines that follow it.
fn tables(text: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let mut tables = vec![("", Vec::new())];
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => tables.push((name.trim_matches(['[', ']']), Vec::new())),
            None => tables.iter_mut().next_back().into_iter().for_each(|(_, lines)| lines.push(line)),
        }
    }
    tables.into_iter()
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
    let workspace = tables(root_manifest).find(|(name, _)| *name == "workspace");
    let lines = workspace.map(|(_, lines)| lines).unwrap_or_default();
    let text = lines.into_iter().skip_while(|line| !line.starts_with(key)).collect::<Vec<_>>().join(" ");
    let list = text.split_once('[').map_or("", |(_, rest)| rest);
    let list = list.split_once(']').map_or("", |(list, _)| list);
    list.split(',').map(|item| item.trim().trim_matches('"').to_owned()).filter(|item| !item.is_empty()).collect()
}

/// Whether a manifest says `workspace = true` under `[lints]`.
pub(crate) fn inherits_lints(manifest: &str) -> bool {
    tables(manifest).any(|(name, lines)| name == "lints" && lines.contains(&"workspace = true"))
}

/// What a crate depends on, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dependencies {
    /// When it is used.
    pub(crate) normal: BTreeSet<String>,
    /// When it is tested.
    pub(crate) tests: BTreeSet<String>,
}

/// Reads a crate's manifest. Build dependencies count as normal ones: they run on the machine that builds.
pub(crate) fn dependencies(manifest: &str) -> Dependencies {
    let mut found = Dependencies::default();
    for (name, lines) in tables(manifest) {
        let (table, own_table) = match name.rsplit_once("dependencies.") {
            Some((before, own)) => (format!("{before}dependencies"), Some(own)),
            None => (name.to_owned(), None),
        };
        if !table.ends_with("dependencies") {
            continue;
        }
        let set = if table.ends_with("dev-dependencies") { &mut found.tests } else { &mut found.normal };
        match own_table {
            Some(own) => drop(set.insert(own.trim_matches('"').to_owned())),
            None => set.extend(lines.iter().filter_map(|line| key(line))),
        }
    }
    found
}

/// The name that a line `name = …` or `name.workspace = true` gives a value to.
fn key(line: &str) -> Option<String> {
    let (left, _) = line.split_once('=')?;
    let name = left.split('.').next().unwrap_or(left).trim().trim_matches('"');
    Some(name.to_owned())
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

/// What a package of the lock file needs, of these names, as the lock file writes it: with a version where several are
/// locked, since another crate's tests may need an older one.
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
        // A need is a name, with a version behind it where several are locked.
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
    let value = |lines: &[&str], key: &str| {
        let prefix = format!("{key} = ");
        lines.iter().find_map(|line| line.strip_prefix(&prefix)).unwrap_or("").trim_matches('"').to_owned()
    };
    let needs = |lines: &[&str]| {
        let list = lines.iter().skip_while(|line| !line.starts_with("dependencies")).skip(1);
        list.take_while(|line| **line != "]").map(|line| line.trim_matches([',', '"', ' ']).to_owned()).collect()
    };
    let packages = tables(lock).filter(|(name, _)| *name == "package");
    packages
        .map(|(_, lines)| Locked {
            name: value(&lines, "name"),
            version: value(&lines, "version"),
            is_foreign: !value(&lines, "source").is_empty(),
            needs: needs(&lines),
        })
        .collect()
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
