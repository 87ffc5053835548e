//! Contract files: what is accepted, and that every mistake is found at its place.

use super::{BUILT_IN, Definition, FILE_LEN_MAX, built_in};
use crate::lifecycle::{StatusId, Undefined};

const ORDER: &str = r#"name = "order"
about = "From basket to door"
statuses = ["placed", "paid", "shipped", "delivered", "returned", "canceled"]
terminal = ["delivered", "returned", "canceled"]
undefined = "reject"
reason_codes = [
  { status = "canceled", code = "by_customer", about = "The customer asked for it" },
  { status = "canceled", code = "out_of_stock" },
]
order = [
  { before = "paid", after = "delivered" },
]

[transitions]
placed = ["paid", "shipped", "canceled"]
paid = ["shipped", "canceled"]
shipped = ["paid", "delivered", "returned"]

[required.paid]
amount_cents = "integer"
payment = "text"
"#;

fn lifecycle(text: &str) -> std::sync::Arc<crate::lifecycle::Definition> {
    match Definition::parse(text) {
        Ok(Definition::Lifecycle(definition)) => definition,
        other => panic!("{other:?}"),
    }
}

/// The findings of the file with a part replaced, as `line:column: message`.
fn findings(part: &str, other: &str) -> Vec<String> {
    assert!(ORDER.contains(part), "{part}");
    let changed = ORDER.replacen(part, other, 1);
    let findings = Definition::parse(&changed).expect_err(&changed);
    findings.iter().map(ToString::to_string).collect()
}

/// Asserts that there is one finding, at this place, with this text.
fn check(part: &str, other: &str, place: &str, says: &str) {
    let found = findings(part, other);
    let fits = |finding: &String| finding.starts_with(&format!("{place}: ")) && finding.contains(says);
    assert!(found.len() == 1 && fits(&found[0]), "{other}: expected {place}: .. {says}, found {found:#?}");
}

#[test]
fn a_file_is_read_whole() {
    let order = lifecycle(ORDER);
    assert_eq!((order.name(), order.about()), ("order", Some("From basket to door")));
    assert_eq!((order.initial(), order.undefined()), (StatusId(0), &Undefined::Reject));
    let names: Vec<&str> = order.statuses().iter().map(|status| status.name.as_str()).collect();
    assert_eq!(names, ["placed", "paid", "shipped", "delivered", "returned", "canceled"]);
    let id = |name: &str| order.find(name).expect("a status");
    assert!(order.may_become(id("placed"), id("paid")) && !order.may_become(id("paid"), id("placed")));
    assert!(order.status(id("canceled")).reason_codes.contains_key("by_customer"));
    assert_eq!(order.status(id("paid")).required["amount_cents"].word(), "integer");
    assert_eq!(order.order().len(), 1);
}

#[test]
fn the_canonical_text_reads_again_as_the_same_definition() {
    for text in [ORDER, "name = \"a\"\nstatuses = [\"on\"]\ntransitions.on = [\"on\"]\n"] {
        let first = lifecycle(text);
        let flaws = super::Flaws::default();
        let value = serde_json::from_str(first.text()).expect("JSON");
        let again = crate::lifecycle::read(value, "", crate::fields::Origin::Brought, &flaws).expect("the same");
        assert_eq!(again, *first);
    }
    let Ok(Definition::Pipeline(own)) = Definition::parse(PIPELINE) else { panic!("a pipeline") };
    let value = serde_json::from_str(own.text()).expect("JSON");
    assert_eq!(crate::pipeline::Definition::parse(&value).as_ref(), Ok(&*own));
}

#[test]
fn an_absent_member_has_its_default() {
    let small = lifecycle(
        "name = \"small\"\nstatuses = [\"open\", \"done\"]\nterminal = [\"done\"]\ntransitions.open = [\"done\"]\n",
    );
    assert_eq!((small.initial(), small.undefined(), small.order().len()), (StatusId(0), &Undefined::Reject, 0));
}

const PIPELINE: &str = r#"name = "supply-chain"
stages = [
  { id = "inventory" },
  { id = "policy", fail_mode = "warn_and_skip" },
]
reason_codes = [
  { stage = "policy", code = "licence_denied", severity = "NON-FATAL" },
]
order = [{ before = "policy.licences", after = "policy" }]
"#;

#[test]
fn unknown_names_are_found_at_their_place() {
    check("undefined = \"reject\"", "undefined = { force = \"lost\" }", "5:23", "one of the statuses, found `lost`");
    check("undefined = \"reject\"", "undefined = \"rejct\"", "5:13", "expected \"reject\"");
    check("undefined = \"reject\"", "initial = \"new\"", "5:11", "found `new`");
    check("status = \"canceled\", code = \"out", "status = \"gone\", code = \"out", "8:14", "found `gone`");
    check("before = \"paid\"", "before = \"payed\"", "11:14", "found `payed`");
    check("placed = [\"paid\", ", "placed = [\"paid\", \"lost\", ", "15:19", "found `lost`");
    check("placed = [\"paid\", ", "lost = [\"paid\"]\nplaced = [\"paid\", ", "15:1", "found `lost`");
    check("[required.paid]", "[required.pay]", "19:11", "found `pay`");
    check("\"integer\"", "\"int\"", "20:16", "expected `text` or `integer`");
    check("terminal = [", "terminal = [\"lost\", ", "4:13", "found `lost`");
}

#[test]
fn duplicates_are_found() {
    check("\"paid\", \"shipped\", \"del", "\"paid\", \"paid\", \"shipped\", \"del", "3:31", "`paid` is there twice");
    check("terminal = [", "terminal = [\"canceled\", ", "4:50", "`canceled` is there twice");
    check(
        "paid = [\"shipped\", ",
        "paid = [\"shipped\", \"shipped\", ",
        "16:20",
        "from `paid` to `shipped` is there twice",
    );
    check("\"out_of_stock\"", "\"by_customer\"", "8:3", "code `by_customer` of `canceled` is there twice");
    let rule = "  { before = \"paid\", after = \"delivered\" },\n";
    check(rule, &format!("{rule}{rule}"), "12:3", "there twice");
    // TOML itself refuses a key that is there twice.
    check("payment = \"text\"", "payment = \"text\"\npayment = \"text\"", "22:1", "duplicate key");
}

#[test]
fn a_lifecycle_that_no_run_could_follow_is_refused() {
    check("\"delivered\", \"returned\"]\n\n", "\"delivered\"]\n\n", "3:55", "`returned` is unreachable");
    check(
        "\"returned\", \"canceled\"]\nun",
        "\"canceled\"]\nun",
        "3:55",
        "`returned` is not terminal and has no way out",
    );
    check("shipped = [", "delivered = [\"returned\"]\nshipped = [", "17:1", "`delivered` is terminal; it cannot have");
    check("terminal = [", "initial = \"canceled\"\nterminal = [", "5:12", "`canceled` is the first status of a run");
}

#[test]
fn an_order_rule_that_every_run_or_no_run_satisfies_is_refused() {
    let rule = |before: &str, after: &str, says: &str| {
        let other = format!("before = \"{before}\", after = \"{after}\"");
        check("before = \"paid\", after = \"delivered\"", &other, "11:3", says);
    };
    rule("paid", "paid", "`paid` cannot come before itself");
    rule("placed", "paid", "`placed` is the first status of every run");
    rule("paid", "placed", "nothing comes before it");
    rule("delivered", "shipped", "no run enters `delivered` before `shipped`");
    rule("canceled", "delivered", "no run enters `delivered` after `canceled`");
    let circle = "  { before = \"paid\", after = \"shipped\" },\n  { before = \"shipped\", after = \"paid\" },\n";
    check("  { before = \"paid\", after = \"delivered\" },\n", circle, "12:3", "`paid` comes before `shipped`");
}

#[test]
fn every_run_must_be_able_to_enter_the_forced_status() {
    let force = |value: &str, place: &str, says: &str| {
        check("undefined = \"reject\"", &format!("undefined = {value}"), place, says);
    };
    force("{ force = \"canceled\" }", "5:13", "`canceled` has reason codes: expected one of them");
    force("{ force = \"canceled\", reason_code = \"x\" }", "5:49", "`x` is not a reason code of `canceled`");
    force("{ force = \"returned\", reason_code = \"x\" }", "5:49", "`x` is not a reason code of `returned`");
    force("{ force = \"delivered\" }", "5:23", "`delivered` comes after `paid`");
    force("{ force = \"returned\", to = 1 }", "5:35", "unknown member `to`");
    let forced = ORDER.replace("\"reject\"", "{ force = \"canceled\", reason_code = \"out_of_stock\" }");
    let order = lifecycle(&forced);
    let Undefined::Force { to, reason_code } = order.undefined() else { panic!("forces") };
    assert_eq!((order.status(*to).name.as_str(), reason_code.as_deref()), ("canceled", Some("out_of_stock")));
    // A status that only a rule leads to still counts as reachable.
    let lost = "name = \"a\"\nstatuses = [\"on\", \"lost\"]\nterminal = [\"lost\"]\nundefined = { force = \"lost\" }\ntransitions.on = [\"on\"]\n";
    assert_eq!(lifecycle(lost).statuses().len(), 2);
}

#[test]
fn everything_wrong_is_found_at_once_in_order_of_place() {
    let text = "name = \"Order\"\nstatuses = [\"a\", \"B\", 3]\nterminal = [\"c\"]\ncolour = \"red\"\n[transitions]\na = [\"d\"]\n";
    let found: Vec<String> = Definition::parse(text).expect_err("wrong").iter().map(ToString::to_string).collect();
    let places: Vec<&str> = found.iter().map(|finding| finding.split(": ").next().expect("a place")).collect();
    assert_eq!(places, ["1:8", "2:13", "2:18", "2:18", "2:18", "2:23", "3:13", "4:1", "6:6"], "{found:#?}");
}

#[test]
fn a_file_is_a_lifecycle_or_a_pipeline() {
    let check = |text: &str, expected: &str| {
        let found = Definition::parse(text).expect_err(text);
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected], "{text}");
    };
    check("name = \"a\"\n", "1:1: expected `statuses` (a lifecycle) or `stages` (a pipeline), found neither");
    let both = "stages = []\nstatuses = []\n";
    check(both, "1:1: expected `statuses` or `stages`, found both; a contract has one of them");
    check("name = [\n", "1:9: unclosed array, expected `]`");
}

#[test]
fn the_names_of_built_in_contracts_are_reserved() {
    for name in crate::lifecycle::RESERVED {
        check("name = \"order\"", &format!("name = \"{name}\""), "1:8", "choose another");
    }
    let long = "n".repeat(65);
    check("name = \"order\"", &format!("name = \"{long}\""), "1:8", "at most 64 long");
    check(
        "\"From basket to door\"",
        &format!("\"{}\"", "x".repeat(201)),
        "2:9",
        "expected 1 to 200 characters, found 201",
    );
}

#[test]
fn limits_are_kept() {
    let statuses = |count: usize| (0..count).map(|n| format!("\"s{n}\"")).collect::<Vec<_>>().join(", ");
    let file = |count: usize| {
        let all = statuses(count);
        let ends = all.split_once(", ").map_or("", |(_, rest)| rest);
        format!("name = \"wide\"\nstatuses = [{all}]\nterminal = [{ends}]\ntransitions.s0 = [{ends}]\n")
    };
    assert_eq!(lifecycle(&file(crate::lifecycle::STATUSES_MAX)).statuses().len(), crate::lifecycle::STATUSES_MAX);
    let found = Definition::parse(&file(crate::lifecycle::STATUSES_MAX + 1)).expect_err("too many");
    assert_eq!(found[0].message, "expected at most 256 statuses, found 257");
    assert!(BUILT_IN.iter().all(|(_, text)| text.len() as u64 <= FILE_LEN_MAX));
}

#[test]
fn findings_of_a_pipeline_have_their_place_too() {
    let check = |part: &str, other: &str, expected: &str| {
        assert!(PIPELINE.contains(part), "{part}");
        let found = Definition::parse(&PIPELINE.replacen(part, other, 1)).expect_err(other);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.len() == 1 && found[0].starts_with(expected), "{other}: {found:#?}");
    };
    check("\"inventory\"", "\"inv.x\"", "3:10: expected a stage id");
    check("\"policy\", code", "\"polcy\", code", "7:13: expected `*`, a stage of this pipeline");
    check("NON-FATAL", "WARN", "7:59: expected `FATAL` or `NON-FATAL` or `SKIPPED`, found `WARN`");
    check("after = \"policy\"", "after = \"polcy\"", "9:48: expected a stage");
    check("fail_mode", "failmode", "4:20: unknown member `failmode`");
}

#[test]
fn the_built_in_files_are_right_and_found_by_name() {
    for (name, text) in BUILT_IN {
        let definition = built_in::named(name).expect("found by its name");
        assert_eq!(definition.name(), name);
        assert!(text.contains(&format!("name = \"{name}\"")) && definition.about().is_some());
    }
    assert!(built_in::named("order").is_none());
}
