//! Reports of every command that finds something, as `JUnit` and SARIF: valid, of one verdict with the exit code, and without
//! anything of others that acts.

use crate::conform;
use crate::forge::{other_number, rewrite};
use crate::support::{BATCH, Done, Room};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// Ends an element, fills in an argument, is a link, clears the screen, turns the direction.
macro_rules! hostile {
    ($($around:literal)*) => { concat!($($around,)* "]]>{0}[a](b)<&\"'\u{1b}[2J\u{202e}\u{feff}\u{e000}\u{ffff}") };
}

const HOSTILE: &str = hostile!();
const PROOF: &str = hostile!("proof ");
const PAGE: &str = hostile!("page ");

/// Elements of a report, the attributes and the children that the schema which Jenkins validates with allows them.
const JUNIT: [(&str, &[&str], &[&str]); 8] = [
    ("testsuites", &["name", "time", "tests", "failures", "errors"], &["testsuite"]),
    (
        "testsuite",
        &["name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id", "package"],
        &["testsuite", "properties", "testcase", "system-out", "system-err"],
    ),
    ("testcase", &["name", "time", "classname", "group"], &["skipped", "error", "failure", "system-out", "system-err"]),
    ("failure", &["type", "message"], &[]),
    ("system-out", &[], &[]),
    ("skipped", &["type", "message"], &[]),
    ("properties", &[], &["property"]),
    ("property", &["name", "value"], &[]),
];

/// How many test cases a `JUnit` report has, how many of them failed, and how many were skipped.
pub(crate) fn junit_counts(text: &str) -> [usize; 3] {
    let document = roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        let (tag, inner) = (node.tag_name().name(), node.children().filter(roxmltree::Node::is_element));
        let (attributes, children) = JUNIT.iter().find(|row| row.0 == tag).map(|row| (row.1, row.2)).unwrap();
        let odd: Vec<&str> = node.attributes().map(|a| a.name()).filter(|name| !attributes.contains(name)).collect();
        let stray: Vec<&str> =
            inner.map(|node| node.tag_name().name()).filter(|name| !children.contains(name)).collect();
        assert!(odd.is_empty() && stray.is_empty(), "<{tag}> has {odd:?} and {stray:?}");
    }
    let suites = document.root_element();
    assert_eq!(
        (suites.tag_name().name(), suites.children().filter(roxmltree::Node::is_element).count()),
        ("testsuites", 1)
    );
    let suite = suites.first_element_child().unwrap();
    let cases: Vec<_> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
    let names: BTreeSet<_> = cases.iter().map(|case| (case.attribute("classname"), case.attribute("name"))).collect();
    assert_eq!(names.len(), cases.len(), "no two test cases have one name: {text}");
    let with = |tag: &str| cases.iter().filter(|case| case.children().any(|node| node.has_tag_name(tag))).count();
    let counts = [cases.len(), with("failure"), with("skipped")];
    let stated = ["tests", "failures", "skipped"].map(|name| suite.attribute(name).unwrap().parse::<usize>().unwrap());
    assert_eq!(stated, counts, "{text}");
    assert_eq!(suite.attribute("errors"), Some("0"));
    counts
}

/// Asserts of a text that nothing in it is a placeholder, a link or hidden, and that GitHub takes it.
fn is_plain(text: &Value) {
    let text = text.as_str().unwrap();
    assert!((1..=1024).contains(&text.chars().count()), "{text}");
    assert!(!text.replace("\\](", "").contains("]("), "{text:?} has a link");
    assert!(!text.replace("{{", "").replace("}}", "").contains(['{', '}']), "{text:?} has a placeholder");
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{feff}', '\n']), "{text:?} hides something");
}

/// How many results a SARIF report has, after it was compared with what its standard and GitHub ask for.
pub(crate) fn sarif_count(report: &Value) -> usize {
    assert_eq!((&report["version"], report["runs"].as_array().unwrap().len()), (&Value::from("2.1.0"), 1));
    let run = &report["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rules.len(), "{ids:?}");
    for rule in rules {
        for part in ["shortDescription", "fullDescription", "help"] {
            is_plain(&rule[part]["text"]);
        }
    }
    let bases = run["originalUriBaseIds"].as_object().unwrap();
    for base in bases.values().map(|base| base["uri"].as_str().unwrap()) {
        assert!(base.starts_with("file:///") && base.ends_with('/') && base.is_ascii(), "{base}");
    }
    for note in run["invocations"][0]["toolConfigurationNotifications"].as_array().unwrap() {
        is_plain(&note["message"]["text"]);
    }
    let results = run["results"].as_array().unwrap();
    assert!(results.len() <= 5000);
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!((&rule["id"], &rule["defaultConfiguration"]["level"]), (&result["ruleId"], &result["level"]));
        is_plain(&result["message"]["text"]);
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.is_empty() && !uri.starts_with('/') && uri.is_ascii(), "GitHub refuses a report with {result}");
        assert!(bases.contains_key(place["artifactLocation"]["uriBaseId"].as_str().unwrap()));
        assert!(place["region"]["startLine"].as_u64().unwrap() > 0, "GitHub asks for a line: {result}");
    }
    results.len()
}

/// Asserts that the reports of a command say what its exit code says, which does not depend on the format. Returns the SARIF report
/// of a command that could be carried out.
#[track_caller]
fn agrees(room: &Room, expected: i32, words: &[&str]) -> Value {
    let run = |format: &str| -> Done {
        let done = room.run(&[words, &["--format", format]].concat());
        // A backup is made once.
        fs::remove_dir_all(room.path("copy")).ok();
        done
    };
    let [text, json, junit, sarif] = ["text", "json", "junit", "sarif"].map(run);
    assert_eq!([text.code, json.code, junit.code, sarif.code], [expected; 4], "{words:?}: {text:?} {junit:?}");
    for done in [&junit, &sarif] {
        let hidden: Vec<char> =
            "\u{1b}\u{202e}\u{feff}\u{e000}\u{ffff}".chars().filter(|c| done.out.contains(*c)).collect();
        assert!(hidden.is_empty(), "{words:?}: {hidden:?}");
    }
    if expected == 2 {
        assert_eq!((junit.out.as_str(), sarif.out.as_str()), ("", ""), "{words:?}");
        return Value::Null;
    }
    let (report, [tests, ..]) = (sarif.json(), junit_counts(&junit.out));
    // How stages ended is no finding about a bundle.
    let is_finding = |line: &str| line.contains("<failure") && !line.contains("classname=\"stage.");
    let failed = junit.out.lines().filter(|line| is_finding(line)).count();
    let found = sarif_count(&report);
    assert!(tests > 0, "{words:?}: {}", junit.out);
    assert_eq!((failed > 0, found > 0), (expected == 1, expected == 1), "{words:?}: {}{}", junit.out, sarif.out);
    report
}

/// Logs, bundles, proofs and pages that are good, and others that are not, under names that act.
fn room() -> Room {
    let room = Room::with_batch();
    room.ends(0, &["project", "--out", "."]);
    for name in ["log", "other"] {
        room.ends(0, &["key", "new", "example.com/b", "--out", &format!("{name}.key")]);
    }
    room.ends(0, &["checkpoint", "--key", "log.key", "--out", "c.note"]);
    room.ends(0, &["key", "new", "example.com/w", "--witness", "--out", "w.key"]);
    assert_eq!(room.feed(&["submit", "--log", "fork"], BATCH).code, 1);
    room.ends(0, &["checkpoint", "--log", "fork", "--key", "log.key", "--out", "fork.note"]);
    room.ends(0, &["evidence", "order-7", "--out", "page.html"]);
    room.ends(0, &["prove", "--seq", "2", "--out", "proof"]);
    let change = |from: &str, to: &str, old: &str, new: &str| {
        room.write(to, &fs::read_to_string(room.path(from)).unwrap().replacen(old, new, 1));
    };
    change("proof", PROOF, "first-seq ", "first-seq 7");
    change("page.html", PAGE, "Events", "Event5");
    room.write(hostile!("contract of "), &format!("name = \"{}\"\n", HOSTILE.escape_unicode()));
    for (name, severity) in [("strict", "error"), ("loose", "warning")] {
        room.write(&format!("{name}.toml"), &format!("{RULE}severity = \"{severity}\"\n"));
    }
    room.write("good.toml", include_str!("../../../../docs/examples/contracts/order.toml"));
    let all = room.segments();
    let segment = all.last().unwrap().strip_prefix(room.path("evlog")).unwrap();
    for (log, harm) in LOGS {
        for file in ["HEAD", segment.to_str().unwrap()] {
            let to = room.path(log).join(file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(room.path("evlog").join(file), to).unwrap();
        }
        harm(&room, log);
    }
    for run in ["order-7", BUNDLE] {
        let text = fs::read_to_string(room.path(&format!("runs/{run}/run.json"))).unwrap();
        room.write(&format!("odd/runs/{run}/run.json"), &(text + " "));
        room.write(&format!("odd/runs/{run}/{HOSTILE}"), "x");
    }
    fs::create_dir(room.path(&format!("odd/runs/{HOSTILE}"))).unwrap();
    room
}

/// A rule on order that the log breaks.
const RULE: &str =
    "[[rule]]\nname = \"asked\"\ntemplate = \"precedence\"\nfirst = \"custom/asked\"\nthen = \"custom/shipped\"\n";

const BUNDLE: &str = "11111111-1111-4111-8111-111111111111";
const FIRST: &str = "segments/00000000000000000000.seg";

/// Logs that are not good, and what was done to each.
type Spoil = fn(&Room, &str);
const LOGS: [(&str, Spoil); 4] = [
    ("forged", |room, log| rewrite(&room.path(log).join(FIRST), 8, other_number)),
    (HOSTILE, |room, log| {
        let segment = room.path(log).join(FIRST);
        let mut bytes = fs::read(&segment).unwrap();
        bytes[300] ^= 1;
        fs::write(segment, bytes).unwrap();
    }),
    ("broken", |room, log| {
        rewrite(&room.path(log).join(FIRST), 2, |body| {
            // The transition leads to another status.
            let at = body.len() - 3;
            body[at] = 3;
        });
    }),
    ("spoilt", |room, log| fs::write(room.path(log).join("HEAD"), "spoilt").unwrap()),
];

/// Commands that find nothing in the room.
const GOOD: [&[&str]; 19] = [
    &["verify"],
    &["verify", "--sample", "100%"],
    &["verify", "--max-rate", "1G", "--checkpoint", "c.note", "--key", "log.pub"],
    &["audit"],
    &["replay"],
    &["replay", "--at", "5"],
    &["project", "--check", "."],
    &["project", "--check", ".", "--run", "order-7"],
    &["inspect"],
    &["inspect", "--segment", "0"],
    &["inspect", "--frame", "96"],
    &["inspect", "--sidecars"],
    &["contract", "check", "good.toml"],
    &["backup", "copy"],
    &["repair", "--dry-run"],
    &["repair"],
    &["check-proof", "proof", "--checkpoint", "c.note", "--key", "log.pub"],
    &["check-evidence", "page.html", "--key", "log.pub"],
    &["witness", "c.note", "--state", "seen", "--log-key", "log.pub", "--key", "w.key", "--out", "w.note"],
];

/// Commands that find something.
const BAD: [&[&str]; 23] = [
    &["verify", "--log", HOSTILE],
    &["verify", "--log", HOSTILE, "--sample", "100%"],
    &["verify", "--log", "broken"],
    &["verify", "--log", "forged", "--checkpoint", "c.note", "--key", "log.pub"],
    &["verify", "--checkpoint", "c.note", "--key", "other.pub"],
    &["audit", "--rules", "strict.toml"],
    &["replay", "--log", "forged"],
    &["project", "--check", "odd"],
    &["project", "--check", "odd", "--run", HOSTILE],
    &["inspect", "--log", "spoilt"],
    &["inspect", "--log", "spoilt", "--sidecars"],
    &["inspect", "--log", HOSTILE, "--segment", "0"],
    &["inspect", "--log", HOSTILE, "--frame", "300"],
    &["conform", "odd/runs/11111111-1111-4111-8111-111111111111"],
    &["contract", "check", "good.toml", hostile!("contract of ")],
    &["check-proof", PROOF, "--checkpoint", "c.note", "--key", "log.pub"],
    &["check-proof", "proof", "--checkpoint", "c.note", "--key", "other.pub"],
    &["check-evidence", PAGE, "--key", "log.pub"],
    &["check-evidence", "page.html", "--key", "other.pub"],
    &["backup", "--log", "forged", "copy"],
    &["witness", "fork.note", "--state", "seen", "--log-key", "log.pub", "--key", "w.key"],
    &["repair", "--log", "spoilt", "--dry-run"],
    &["repair", "--log", HOSTILE],
];

#[test]
fn reports_on_what_is_good_are_valid_and_have_no_finding() {
    agrees(&conform::room(), 0, &["conform", &conform::bundle()]);
    let room = room();
    for words in GOOD {
        agrees(&room, 0, words);
    }
}

#[test]
fn reports_with_findings_are_valid_and_obey_nothing_that_is_named_in_them() {
    let room = room();
    room.ends(0, &["witness", "c.note", "--state", "seen", "--log-key", "log.pub", "--key", "w.key"]);
    for words in BAD {
        agrees(&room, 1, words);
    }
}

/// The reference is what the parser knows.
#[test]
fn every_command_that_offers_reports_is_tried() {
    let reference = include_str!("../../../../docs/cli.md");
    let sections = reference.split("\n## evlog ").skip(1).filter(|section| section.contains("- junit:"));
    let offered: Vec<&str> = sections.filter_map(|section| section.lines().next()).collect();
    assert!(offered.len() > 8, "{offered:?}");
    for command in offered {
        let tried = |words: &&[&str]| words.join(" ").starts_with(command);
        assert!(BAD.iter().any(tried), "{command} is not tried with findings");
        assert!(GOOD.iter().any(tried) || command == "conform", "{command} is not tried without findings");
    }
}

#[test]
fn what_could_not_be_carried_out_has_no_report() {
    let room = room();
    for words in [
        &["--log", "absent", "verify"] as &[&str],
        &["--log", "absent", "replay"],
        &["project", "--check", "absent"],
        &["inspect", "--segment", "999999999"],
        &["contract", "check", "absent.toml"],
        &["check-proof", "absent", "--checkpoint", "c.note", "--key", "log.pub"],
        &["check-evidence", "absent", "--key", "log.pub"],
        &["conform", "absent"],
        &["backup", "runs"],
        &["project", "--out", "."],
        &["verify", "--json"],
    ] {
        for format in ["junit", "sarif"] {
            let done = room.run(&[words, &["--format", format]].concat());
            let is_of_a_contract = words[0] == "contract";
            assert_eq!((done.code, done.out.is_empty()), (2, !is_of_a_contract), "{words:?}: {done:?}");
        }
    }
    // A list of files goes as far as it can.
    let done = room.ends(2, &["contract", "check", "good.toml", "absent.toml", "--format", "junit"]);
    assert_eq!(junit_counts(&done.out), [2, 0, 1]);
}

#[test]
fn a_finding_in_the_bytes_of_a_log_names_the_segment_and_the_offset_and_one_of_a_run_names_the_run() {
    let room = room();
    let first = |report: &Value| report["runs"][0]["results"][0]["locations"][0].clone();
    for words in [&["verify", "--log", HOSTILE] as &[&str], &["inspect", "--log", HOSTILE, "--segment", "0"]] {
        let place = first(&agrees(&room, 1, words));
        assert_eq!(place["physicalLocation"]["artifactLocation"]["uri"], FIRST);
        let offset = place["physicalLocation"]["region"]["byteOffset"].as_u64().unwrap();
        assert!((96..=300).contains(&offset), "{place}");
    }
    let report = agrees(&room, 1, &["verify", "--log", "broken"]);
    let results = report["runs"][0]["results"].as_array().unwrap();
    let broken = results.iter().find(|result| result["ruleId"] == "contracts").unwrap();
    assert_eq!(broken["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], "RUN_0001");
    let place = first(&agrees(&room, 1, &["--log", "forged", "replay"]));
    assert_eq!(place["logicalLocations"][0]["kind"], "file", "{place}");
    assert!(place["logicalLocations"][0]["fullyQualifiedName"].as_str().unwrap().contains("order-7/"), "{place}");
}

#[test]
fn a_finding_that_does_not_change_the_exit_code_makes_no_test_fail_and_is_reported_with_its_level() {
    let room = room();
    let audit = |code: i32, more: &[&str]| room.ends(code, &[&["audit", "--rules", "loose.toml"], more].concat()).out;
    let junit = audit(0, &["--format", "junit"]);
    let [tests, failed, skipped] = junit_counts(&junit);
    // Of the built-in rules, the rule on unsigned time needs a time.
    assert_eq!((failed, skipped), (0, 1), "{junit}");
    assert!(junit.contains("<system-out>warning: asked in `order-7`"), "{junit}");
    assert_eq!(junit_counts(&audit(1, &["--fail-on", "warning", "--format", "junit"])), [tests, 1, 1]);
    assert_eq!(junit_counts(&audit(1, &["--max-unsigned", "0s", "--format", "junit"]))[2], 0);
    let sarif: Value = serde_json::from_str(&audit(0, &["--format", "sarif"])).unwrap();
    assert_eq!((sarif_count(&sarif), &sarif["runs"][0]["results"][0]["level"]), (1, &Value::from("warning")));
}

#[test]
fn replay_and_check_have_a_test_case_for_each_file() {
    let room = room();
    let junit = |words: &[&str]| junit_counts(&room.run(&[words, &["--format", "junit"]].concat()).out);
    let replayed = room.ends(0, &["replay", "--json"]).json();
    let compared = usize::try_from(replayed["compared"].as_u64().unwrap()).unwrap();
    assert_eq!(junit(&["replay"]), [compared + 1, 0, 0]);
    let broken = room.ends(1, &["--log", "forged", "replay", "--json"]).json();
    let differ = broken["differences"].as_array().unwrap().len();
    assert_eq!(junit(&["--log", "forged", "replay"]), [compared + 1, differ, 0]);
    let checked = room.ends(0, &["project", "--check", ".", "--json"]).json();
    let files = usize::try_from(checked["files"].as_u64().unwrap()).unwrap();
    assert_eq!(junit(&["project", "--check", "."]), [files, 0, 0]);
}

/// The `JUnit` report of a command that ends with this code.
fn junit(room: &Room, code: i32, words: &[&str]) -> String {
    room.ends(code, &[words, &["--format", "junit"]].concat()).out
}

#[test]
fn a_repair_that_was_carried_out_is_no_finding() {
    let whole = room();
    for format in ["junit", "sarif"] {
        let room = whole.again();
        let done = room.ends(0, &["repair", "--log", "spoilt", "--format", format]);
        match format {
            "junit" => assert_eq!(junit_counts(&done.out), [2, 0, 0]),
            _ => assert_eq!(sarif_count(&done.json()), 0),
        }
        room.ends(0, &["inspect", "--log", "spoilt"]);
    }
}

#[test]
fn a_report_on_a_repair_says_what_is_given_up() {
    let room = crate::notes::signed_room();
    crate::notes::cut(&room);
    let loss = ["repair", "--accept-loss", "--yes", "--actor", "ops@example.org"];
    let planned = junit(&room, 1, &[&loss[..], &["--dry-run"]].concat());
    let done = junit(&room, 0, &loss);
    for report in [&planned, &done] {
        junit_counts(report);
        assert!(report.contains("<property name=\"gives_up\" value=\"0 bytes from position "), "{report}");
    }
    let nothing = junit(&room, 0, &["repair"]);
    assert!(!nothing.contains("gives_up"), "{nothing}");
}

#[test]
fn a_report_does_not_say_that_checkpoints_hold_with_which_the_log_was_not_compared() {
    let room = crate::notes::signed_room();
    let old = crate::notes::claimed(&room, "old.note").size.0;
    crate::notes::cut(&room);
    room.ends(0, &["repair", "--accept-loss", "--yes", "--actor", "ops@example.org"]);
    fs::remove_file(room.path(&format!("evlog/checkpoints/{old:020}.note"))).unwrap();
    let found = room.ends(0, &["verify", "--json"]).json();
    let evidence = &found["evidence"];
    assert_eq!((&evidence["kept"], &evidence["compared"], &evidence["recorded"]), (&1.into(), &0.into(), &0.into()));
    let report = junit(&room, 0, &["verify"]);
    assert_eq!(junit_counts(&report)[1..], [0, 2], "{report}");
    assert!(report.contains("<skipped message=\"the log was compared with none of its checkpoints, "), "{report}");
}

#[test]
fn a_report_on_a_sample_says_nothing_of_what_was_not_read() {
    let room = crate::harmed::long_room();
    let stated = "<property name=\"root\"";
    let whole = junit(&room, 0, &["verify", "--sample", "100%"]);
    assert!(whole.contains(stated) && !whole.contains("in the segments that were read"), "{whole}");
    // Without the trees, nothing is known of the bytes before a segment.
    for path in room.segments().iter().skip(1) {
        fs::remove_file(path.with_extension("tree")).unwrap();
    }
    let report = junit(&room, 0, &["verify", "--sample", "1%", "--seed", "7"]);
    assert!(!report.contains(stated), "{report}");
    for id in ["headers", "frames", "commits"] {
        let of = |line: &&str| line.contains(&format!("name=\"{id}: "));
        let case = report.lines().find(of).unwrap();
        assert!(case.contains(", in the segments that were read\""), "{case}");
    }
}

#[test]
fn a_report_of_a_witness_comes_after_its_evidence_is_kept_and_says_where() {
    let room = room();
    let witness = |code: i32, note: &str, format: &str| {
        let words = ["witness", note, "--state", "seen", "--log-key", "log.pub", "--key", "w.key", "--format", format];
        room.ends(code, &words)
    };
    room.feed(&["submit"], "{\"contract\":\"custom\",\"run\":\"late\",\"do\":\"record\",\"kind\":\"custom/n\"}\n");
    room.ends(0, &["checkpoint", "--key", "log.key", "--out", "late.note"]);
    witness(0, "late.note", "text");
    for format in ["text", "json", "junit", "sarif"] {
        witness(1, "c.note", format).says("not cosigned. The checkpoint is kept as `seen/").says("under a new name");
    }
    let seen: Vec<_> = fs::read_dir(room.path("seen")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let evidence = seen.iter().find(|path| path.to_str().unwrap().contains("-refused-")).unwrap();
    fs::remove_file(evidence).unwrap();
    fs::create_dir_all(evidence.join("in the way")).unwrap();
    for format in ["text", "json", "junit", "sarif"] {
        let done = witness(2, "c.note", format);
        assert_eq!(done.out, "", "{format}: what could not be carried out has no answer");
    }
}
