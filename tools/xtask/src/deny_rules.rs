//! The rules of `.deny.toml`: which licences, sources and packages the workspace may depend on. cargo-deny reads the
//! same file; here it is read strictly, so that no rule in it is silently ignored.
//!
//! The supply-chain example, which needs only cargo, has a second list of licences; the two lists are compared.

use crate::finding::Finding;
use crate::manifest::{parse, texts};
use crate::repository::Repository;
use std::collections::BTreeSet;
use toml::{Table, Value};

pub(crate) const DENY: &str = ".deny.toml";
const ALLOWED: &str = "docs/examples/supply-chain/allowed-licences.txt";

/// Rules that must have exactly these values.
const FIXED: [(&str, &str); 7] = [
    ("graph.all-features", "true"),
    ("licenses.unused-allowed-license", "\"allow\""),
    ("bans.multiple-versions", "\"allow\""),
    ("bans.wildcards", "\"deny\""),
    ("bans.allow-wildcard-paths", "true"),
    ("sources.unknown-registry", "\"deny\""),
    ("sources.unknown-git", "\"deny\""),
];

/// Rules whose values are read.
const READ: [&str; 3] = ["licenses.allow", "bans.deny", "advisories.ignore"];

/// What the workspace may depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Licences, each with its exception where it has one, as SPDX writes them.
    pub(crate) licences: BTreeSet<String>,
    pub(crate) bans: Vec<Ban>,
}

/// A package that the workspace must not depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ban {
    pub(crate) name: String,
    /// The packages that may depend on it nevertheless.
    pub(crate) wrappers: BTreeSet<String>,
}

/// What is wrong with the rules themselves.
pub(crate) fn check_all(repository: &Repository) -> Vec<Finding> {
    let deny = repository.text(DENY).unwrap_or_default();
    let mut findings = undecided(deny);
    findings.extend(advisories_without_date(deny));
    findings.extend(compare(&rules(deny).licences, &of_list(repository.text(ALLOWED).unwrap_or_default())));
    findings
}

/// Reads the rules.
pub(crate) fn rules(text: &str) -> Rules {
    let table = parse(text);
    let ban = |ban: &Value| {
        let name = ban.get("crate")?.as_str()?.to_owned();
        Some(Ban { name, wrappers: set(ban.get("wrappers")) })
    };
    Rules {
        licences: set(value(&table, "licenses.allow")),
        bans: items(&table, "bans.deny").iter().filter_map(ban).collect(),
    }
}

fn value<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let (section, key) = path.split_once('.')?;
    table.get(section)?.get(key)
}

fn items<'a>(table: &'a Table, path: &str) -> &'a [Value] {
    value(table, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn set(list: Option<&Value>) -> BTreeSet<String> {
    list.map(texts).unwrap_or_default().into_iter().collect()
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{text}\""),
        Value::Boolean(flag) => flag.to_string(),
        other => format!("{other:?}"),
    }
}

/// How a table is called in a message: by this member.
fn named(value: &Value, member: &str) -> String {
    written(value.get(member).unwrap_or(value))
}

/// Rules that this program does not decide, or not in this way, and rules that are missing.
fn undecided(text: &str) -> Vec<Finding> {
    let table = parse(text);
    let keys = table.iter().flat_map(|(section, keys)| {
        let keys = keys.as_table().into_iter().flat_map(Table::keys);
        keys.map(move |key| format!("{section}.{key}"))
    });
    let is_known = |key: &String| READ.contains(&key.as_str()) || FIXED.iter().any(|(known, _)| known == key);
    let unknown = keys.filter(|key| !is_known(key)).map(|key| {
        let message =
            format!("the rule `{key}` is decided by cargo-deny alone; let `tools/xtask` decide it too, or remove it");
        Finding::new(DENY, 1, message)
    });
    let other = FIXED.iter().filter_map(|(key, expected)| {
        let found = value(&table, key).map_or_else(|| "nothing".to_owned(), written);
        let message =
            format!("the rule `{key}` is decided as {expected}, and the file says {found}; make the two equal");
        (found != *expected).then(|| Finding::new(DENY, 1, message))
    });
    let outside = table.iter().filter(|(_, value)| !value.is_table());
    let outside = outside
        .map(|(key, _)| Finding::new(DENY, 1, format!("`{key}` stands in no section; move it into one, or remove it")));
    unknown.chain(other).chain(outside).chain(odd_bans(&table)).collect()
}

/// Bans that this program cannot decide, and a list without any.
fn odd_bans(table: &Table) -> Vec<Finding> {
    let bans = items(table, "bans.deny");
    if bans.is_empty() {
        return vec![Finding::new(DENY, 1, "the list `bans.deny` is missing or empty; name what is banned")];
    }
    let has_members = |ban: &Value| {
        let keys: Vec<&str> = ban.as_table().into_iter().flat_map(Table::keys).map(String::as_str).collect();
        matches!(keys.as_slice(), ["crate"] | ["crate", "wrappers"])
    };
    let odd = bans.iter().filter(|ban| !has_members(ban)).map(|ban| {
        let ban = named(ban, "crate");
        format!("the ban of {ban} has other members than `crate` and `wrappers`; say it with these")
    });
    let is_name = |name: &str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        !name.is_empty() && name.bytes().all(is_part)
    };
    let names = bans.iter().flat_map(|ban| {
        let wrappers = ban.get("wrappers").and_then(Value::as_array).into_iter().flatten();
        ban.get("crate").into_iter().chain(wrappers)
    });
    let unreadable = names.filter(|name| !name.as_str().is_some_and(is_name)).map(|name| {
        format!(
            "{} is no name of a package (letters, digits, `_`, `-`), so the ban holds for none; correct it",
            written(name)
        )
    });
    odd.chain(unreadable).map(|message| Finding::new(DENY, 1, message)).collect()
}

/// Known advisories that are taken without saying why, and since when.
fn advisories_without_date(text: &str) -> Vec<Finding> {
    let undated = |advisory: &&Value| {
        let reason = advisory.get("reason").and_then(Value::as_str).unwrap_or_default();
        reason.split(' ').count() < 4 || !reason.split(' ').next().is_some_and(is_date)
    };
    let table = parse(text);
    let finding = |advisory: &Value| {
        let message =
            format!("the advisory {} needs a `reason` that begins with a date, `2026-11-30: …`", named(advisory, "id"));
        Finding::new(DENY, 1, message)
    };
    items(&table, "advisories.ignore").iter().filter(undated).map(finding).collect()
}

/// Whether a word is a date of the calendar, a colon after it or not. Every month may have 31 days.
fn is_date(word: &str) -> bool {
    let part =
        |part: &str, len: usize| part.parse::<u32>().ok().filter(|_| part.len() == len && !part.starts_with('+'));
    let parts: Vec<&str> = word.trim_end_matches(':').split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    part(year, 4).is_some()
        && part(month, 2).is_some_and(|month| (1..=12).contains(&month))
        && part(day, 2).is_some_and(|day| (1..=31).contains(&day))
}

/// Licences that only one of the two lists allows.
fn compare(deny: &BTreeSet<String>, list: &BTreeSet<String>) -> Vec<Finding> {
    let missing = |path: &'static str, from: &'static str| {
        move |licence: &String| {
            Finding::new(path, 1, format!("`{licence}` is allowed in {from} only; make the two lists equal"))
        }
    };
    let not_in_list = deny.difference(list).map(missing(ALLOWED, DENY));
    let not_in_deny = list.difference(deny).map(missing(DENY, ALLOWED));
    not_in_list.chain(not_in_deny).collect()
}

/// One a line, after `#` a comment.
fn of_list(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "[graph]\nall-features = true\n[licenses]\nallow = [\n  \"MIT\",\n  \"Zlib\",\n]\nunused-allowed-license = \"allow\"\n\
                         [bans]\nmultiple-versions = \"allow\"\nwildcards = \"deny\"\nallow-wildcard-paths = true\n\
                         deny = [{ crate = \"a\" }, { crate = \"b\", wrappers = [\"c\"] }]\n\
                         [sources]\nunknown-registry = \"deny\"\nunknown-git = \"deny\"\n";

    #[test]
    fn a_licence_that_only_one_file_allows_is_found() {
        let deny = rules(RULES).licences;
        assert_eq!(compare(&deny, &of_list("# Comment\nMIT\nZlib # too\n")), []);
        let found = compare(&deny, &of_list("MIT\nISC\n"));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].message.contains("`Zlib`") && found[0].path == ALLOWED, "{found:?}");
        assert!(found[1].message.contains("`ISC`") && found[1].path == DENY, "{found:?}");
    }

    #[test]
    fn bans_have_a_name_and_wrappers() {
        let ban = |name: &str, wrappers: &[&str]| Ban {
            name: name.to_owned(),
            wrappers: wrappers.iter().map(|&name| name.to_owned()).collect(),
        };
        assert_eq!(rules(RULES).bans, [ban("a", &[]), ban("b", &["c"])]);
    }

    #[test]
    fn a_rule_that_is_not_decided_here_is_found() {
        assert_eq!(undecided(RULES), []);
        let cases = [
            (
                "unknown-git = \"deny\"",
                "unknown-git = \"warn\"",
                "`sources.unknown-git` is decided as \"deny\", and the file says \"warn\"",
            ),
            ("wildcards = \"deny\"\n", "", "`bans.wildcards` is decided as \"deny\", and the file says nothing"),
            ("[sources]\n", "[sources]\nallow-git = [\"x\"]\n", "`sources.allow-git` is decided by cargo-deny alone"),
            ("{ crate = \"a\" }", "{ crate = \"a\", version = \"1\" }", "has other members than"),
            ("[graph]\n", "yanked = \"deny\"\n[graph]\n", "`yanked` stands in no section"),
            ("{ crate = \"a\" }", "{ crate = \"a@1.0\" }", "\"a@1.0\" is no name of a package"),
            ("\"c\"", "\"c d\"", "\"c d\" is no name of a package"),
            ("\"c\"", "1", "Integer(1) is no name of a package"),
            ("{ crate = \"a\" }, { crate = \"b\", wrappers = [\"c\"] }", "", "`bans.deny` is missing or empty"),
        ];
        for (text, other, expected) in cases {
            let found = undecided(&RULES.replace(text, other));
            assert!(found.len() == 1 && found[0].message.contains(expected), "{expected}: {found:?}");
        }
        assert_eq!(undecided("no TOML").len(), FIXED.len() + 1, "and no bans");
    }

    #[test]
    fn an_advisory_that_is_taken_without_a_reason_and_a_date_is_found() {
        let found = |advisory: &str| advisories_without_date(&format!("[advisories]\nignore = [{advisory}]\n")).len();
        assert_eq!(found("{ id = \"X\", reason = \"2026-11-30: the bytes are pinned\" }"), 0);
        assert_eq!(found("\"X\""), 1);
        for date in ["2026-13-30:", "2026-00-30:", "2026-11-32:", "2026-11-00:", "2026-11-+3:", "26-11-30:", "now"] {
            assert_eq!(found(&format!("{{ id = \"X\", reason = \"{date} the bytes are pinned\" }}")), 1, "{date}");
        }
        assert_eq!(found("{ id = \"X\", reason = \"2026-11-30\" }"), 1);
    }
}
