//! Checks the packages that the workspace depends on against the rules of `.deny.toml`: licences, sources, bans.
//!
//! Every package of the lock file counts, whatever platform or test needs it.
//! Does not: read advisories, which are in a database on the network (`just advisories`).

use crate::deny_rules::{DENY, Rules, rules};
use crate::finding::Finding;
use crate::repository::Repository;
use serde_json::Value;
use std::io;
use std::path::Path;
use std::process::Command;

/// The source of packages that the registry of Rust holds.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What breaks a rule, and how many packages were looked at.
pub(crate) fn check_all(repository: &Repository) -> io::Result<(Vec<Finding>, usize)> {
    let metadata = metadata()?;
    let packages = list(&metadata["packages"]);
    if packages.is_empty() {
        return Err(io::Error::other("`cargo metadata` named no packages"));
    }
    let findings = check(&rules(repository.text(DENY).unwrap_or_default()), &metadata);
    Ok((findings, packages.len()))
}

/// What cargo says of all packages, on all platforms, with all features.
fn metadata() -> io::Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version", "1", "--locked", "--all-features", "--manifest-path"]).arg(manifest);
    let output = command.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("`cargo metadata` failed, so nothing was decided:\n{said}")));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn check(rules: &Rules, metadata: &Value) -> Vec<Finding> {
    let of_package = |package: &Value| {
        let mut breaches = Vec::new();
        breaches.extend(licence(rules, package));
        breaches.extend(source(package, metadata));
        breaches.extend(wildcards(package));
        breaches.extend(ban(rules, package, metadata));
        let named = format!("{} {}", text(package, "name"), text(package, "version"));
        breaches.into_iter().map(move |breach| Finding::new("Cargo.lock", 1, format!("`{named}` {breach}")))
    };
    list(&metadata["packages"]).iter().flat_map(of_package).collect()
}

fn licence(rules: &Rules, package: &Value) -> Option<String> {
    let expression = text(package, "license");
    let advice = format!("do without it, or allow its licence in {DENY}");
    match is_allowed(expression, &|licence| rules.licences.contains(licence)) {
        Some(true) => None,
        Some(false) => Some(format!("has the licence `{expression}`, which is not allowed; {advice}")),
        None if expression.is_empty() => Some("says no licence that a program can read; do without it".to_owned()),
        None => Some(format!("has the licence `{expression}`, which cannot be read; do without it")),
    }
}

fn source(package: &Value, metadata: &Value) -> Option<String> {
    let is_ours = || Path::new(text(package, "manifest_path")).starts_with(text(metadata, "workspace_root"));
    match &package["source"] {
        Value::String(source) if source == REGISTRY => None,
        Value::Null if is_ours() => None,
        Value::Null => Some("stands outside of the repository; do without it".to_owned()),
        source => Some(format!("comes from {source}, which is not the registry of Rust; do without it")),
    }
}

/// Dependencies that any version satisfies. Those by path have no other version.
fn wildcards(package: &Value) -> Vec<String> {
    let open = |dependency: &&Value| dependency["req"] == "*" && dependency["path"].is_null();
    let say = |dependency: &Value| format!("takes any version of `{}`; name one", text(dependency, "name"));
    list(&package["dependencies"]).iter().filter(open).map(say).collect()
}

fn ban(rules: &Rules, package: &Value, metadata: &Value) -> Vec<String> {
    let Some(ban) = rules.bans.iter().find(|ban| ban.name == text(package, "name")) else { return Vec::new() };
    let needs = |node: &&Value| list(&node["dependencies"]).contains(&package["id"]);
    let name_of = |node: &Value| {
        let found = list(&metadata["packages"]).iter().find(|package| package["id"] == node["id"]);
        found.map(|package| text(package, "name"))
    };
    let needing = list(&metadata["resolve"]["nodes"]).iter().filter(needs).filter_map(name_of);
    let needing: Vec<&str> = needing.filter(|name| !ban.wrappers.contains(*name)).collect();
    if ban.wrappers.is_empty() && needing.is_empty() {
        return vec!["is banned; do without it".to_owned()];
    }
    needing.iter().map(|name| format!("is banned, and `{name}` needs it; do without one of them")).collect()
}

/// Whether licences are enough for an SPDX expression; `None` when it is none. A slash is an old way to write `OR`.
fn is_allowed(expression: &str, allows: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let answer = any_of(&mut words, allows)?;
    words.is_empty().then_some(answer)
}

/// Takes terms between `OR`, of words in reverse.
fn any_of(words: &mut Vec<&str>, allows: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut answer = all_of(words, allows)?;
    while words.pop_if(|word| *word == "OR").is_some() {
        answer |= all_of(words, allows)?;
    }
    Some(answer)
}

fn all_of(words: &mut Vec<&str>, allows: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut answer = term(words, allows)?;
    while words.pop_if(|word| *word == "AND").is_some() {
        answer &= term(words, allows)?;
    }
    Some(answer)
}

fn term(words: &mut Vec<&str>, allows: &dyn Fn(&str) -> bool) -> Option<bool> {
    match words.pop()? {
        "(" => {
            let answer = any_of(words, allows)?;
            (words.pop() == Some(")")).then_some(answer)
        }
        ")" | "OR" | "AND" | "WITH" => None,
        licence if words.pop_if(|word| *word == "WITH").is_some() => {
            Some(allows(&format!("{licence} WITH {}", words.pop()?)))
        }
        licence => Some(allows(licence)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const RULES: &str = "[licenses]\nallow = [\"MIT\", \"Apache-2.0 WITH LLVM-exception\"]\n\
                         [bans]\ndeny = [{ crate = \"tokio\" }, { crate = \"clap\", wrappers = [\"ours\"] }]\n";

    fn found(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut metadata = json!({
            "workspace_root": "/r",
            "packages": [
                {"id": "o", "name": "ours", "version": "1.0.0", "license": "MIT", "source": null, "manifest_path": "/r/o/Cargo.toml",
                 "dependencies": [{"name": "fork", "req": "*", "path": "/r/f"}, {"name": "clap", "req": "^4", "path": null}]},
                {"id": "c", "name": "clap", "version": "4.0.0", "license": "MIT", "source": REGISTRY, "dependencies": []},
            ],
            "resolve": {"nodes": [{"id": "o", "dependencies": ["c"]}, {"id": "c", "dependencies": []}]},
        });
        change(&mut metadata);
        check(&rules(RULES), &metadata).iter().map(ToString::to_string).collect()
    }

    fn check_one(change: impl FnOnce(&mut Value), expected: &str) {
        let found = found(change);
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("Cargo.lock:1: {expected}")),
            "{expected}: {found:?}"
        );
    }

    #[test]
    fn packages_that_keep_the_rules_are_no_finding() {
        assert_eq!(found(|_| ()), [""; 0]);
    }

    #[test]
    fn a_licence_that_is_not_allowed_is_found() {
        check_one(
            |all| all["packages"][1]["license"] = json!("GPL-3.0-only"),
            "`clap 4.0.0` has the licence `GPL-3.0-only`, which is not",
        );
        check_one(
            |all| all["packages"][1]["license"] = json!("MIT Apache"),
            "`clap 4.0.0` has the licence `MIT Apache`, which cannot be read",
        );
        check_one(|all| all["packages"][1]["license"] = Value::Null, "`clap 4.0.0` says no licence");
    }

    #[test]
    fn a_source_that_is_not_known_is_found() {
        check_one(
            |all| all["packages"][1]["source"] = json!("git+https://example.com/c"),
            "`clap 4.0.0` comes from \"git+",
        );
        check_one(|all| all["packages"][0]["manifest_path"] = json!("/else/Cargo.toml"), "`ours 1.0.0` stands outside");
    }

    #[test]
    fn a_dependency_of_any_version_is_found() {
        check_one(
            |all| all["packages"][0]["dependencies"][1]["req"] = json!("*"),
            "`ours 1.0.0` takes any version of `clap`",
        );
    }

    #[test]
    fn a_banned_package_is_found_and_so_is_one_that_a_package_needs_which_is_no_wrapper() {
        check_one(|all| all["packages"][1]["name"] = json!("tokio"), "`tokio 4.0.0` is banned, and `ours` needs it");
        check_one(|all| all["packages"][0]["name"] = json!("theirs"), "`clap 4.0.0` is banned, and `theirs` needs it");
        let alone = |all: &mut Value| {
            all["packages"][1]["name"] = json!("tokio");
            all["resolve"]["nodes"] = json!([]);
        };
        check_one(alone, "`tokio 4.0.0` is banned; do without it");
    }

    #[test]
    fn an_expression_is_allowed_by_one_side_of_or_and_by_both_of_and() {
        let allows = |licence: &str| ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"].contains(&licence);
        let cases = [
            ("MIT", Some(true)),
            ("GPL-3.0-only OR MIT", Some(true)),
            ("GPL-3.0-only/MIT", Some(true)),
            ("GPL-3.0-only AND MIT", Some(false)),
            ("MIT AND Zlib OR GPL-3.0-only", Some(true)),
            ("GPL-3.0-only OR MIT AND Unicode-3.0", Some(false)),
            ("(GPL-3.0-only OR MIT) AND Zlib", Some(true)),
            ("Apache-2.0 WITH LLVM-exception", Some(true)),
            ("Apache-2.0", Some(false)),
            ("MIT WITH LLVM-exception", Some(false)),
            ("", None),
            ("MIT Zlib", None),
            ("(MIT", None),
            ("MIT OR", None),
            ("AND MIT", None),
        ];
        for (expression, expected) in cases {
            assert_eq!(is_allowed(expression, &allows), expected, "{expression}");
        }
    }
}
