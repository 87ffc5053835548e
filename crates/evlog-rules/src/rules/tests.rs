//! Rules that users write: each template over all short traces, and the mistakes that a file can have.

use super::*;
use crate::made::{Made, made, read as with_reading};
use evlog_format::Seq;

const KINDS: [&str; 3] = ["custom/a", "custom/b", "custom/c"];

fn rule(text: &str) -> Rule {
    let text = format!("[[rule]]\nname = \"r\"\n{text}");
    read(&text, &[])
        .map_err(|findings| findings.iter().map(ToString::to_string).collect::<Vec<_>>())
        .expect("a rule")
        .remove(0)
}

fn template(name: &str) -> Rule {
    let events = match template::TEMPLATES.iter().find(|template| template.name == name).expect("a template").parameters
    {
        template::Parameters::Ab => "first = \"custom/a\"\nthen = \"custom/b\"",
        _ => "kind = \"custom/a\"",
    };
    rule(&format!("template = \"{name}\"\n{events}"))
}

/// The seqs of the violations, when the case ends after these events. It takes only those that matter, as an audit does.
fn broken(rule: &Rule, events: &[Made]) -> Vec<Vec<u64>> {
    let (mut case, mut broken) = (None::<Case>, Vec::new());
    for (seq, event) in (0..).zip(events) {
        let step = with_reading(event, seq, |reading| Step::new(rule, reading, true));
        if step.matters_to(rule, case.as_ref()) {
            assert!(case.get_or_insert_default().take(rule, step, &mut broken));
        }
    }
    case.unwrap_or_default().settle(rule, &mut broken);
    broken.iter().map(|violation| violation.seqs.iter().map(|Seq(seq)| *seq).collect()).collect()
}

fn trace(letters: &str) -> Vec<Made> {
    letters.bytes().map(|letter| made(KINDS[usize::from(letter - b'a')])).collect()
}

/// What each template means, defined again over the whole trace: `a` and `b` are the positions of its events.
fn means(name: &str, trace: &str) -> bool {
    let at =
        |letter: char| -> Vec<usize> { trace.char_indices().filter(|(_, c)| *c == letter).map(|(at, _)| at).collect() };
    let (a, b) = (at('a'), at('b'));
    let is = |at: usize, letter: char| trace.chars().nth(at) == Some(letter);
    let between = |letter: char, from: usize, to: usize| (from + 1..to).any(|at| is(at, letter));
    let response = a.iter().all(|x| b.iter().any(|y| y > x));
    let alternate_response = a.iter().all(|x| b.iter().any(|y| y > x && !between('a', *x, *y)));
    let chain_response = a.iter().all(|x| is(x + 1, 'b'));
    let precedence = b.iter().all(|y| a.iter().any(|x| x < y));
    let alternate_precedence = b.iter().all(|y| a.iter().any(|x| x < y && !between('b', *x, *y)));
    let chain_precedence = b.iter().all(|y| *y > 0 && is(y - 1, 'a'));
    match name {
        "existence" => !a.is_empty(),
        "absence" => a.is_empty(),
        "exactly" => a.len() == 1,
        // A case begins with its first event: one without events does not exist.
        "init" => trace.is_empty() || is(0, 'a'),
        "end" => trace.is_empty() || trace.ends_with('a'),
        "choice" => !a.is_empty() || !b.is_empty(),
        "exclusive_choice" => a.is_empty() != b.is_empty(),
        "responded_existence" => a.is_empty() || !b.is_empty(),
        "co_existence" => a.is_empty() == b.is_empty(),
        "response" => response,
        "alternate_response" => alternate_response,
        "chain_response" => chain_response,
        "precedence" => precedence,
        "alternate_precedence" => alternate_precedence,
        "chain_precedence" => chain_precedence,
        "succession" => response && precedence,
        "alternate_succession" => alternate_response && alternate_precedence,
        "chain_succession" => chain_response && chain_precedence,
        "not_co_existence" => a.is_empty() || b.is_empty(),
        "not_succession" => !a.iter().any(|x| b.iter().any(|y| y > x)),
        "not_chain_succession" => !a.iter().any(|x| is(x + 1, 'b')),
        other => unreachable!("{other}"),
    }
}

#[test]
fn each_template_is_broken_by_the_traces_that_its_definition_excludes() {
    // All 1,093 traces of at most six events of three kinds.
    let mut traces = vec![String::new()];
    for len in 0..6 {
        let longest: Vec<String> = traces.iter().filter(|trace| trace.len() == len).cloned().collect();
        traces.extend(longest.iter().flat_map(|trace| ["a", "b", "c"].map(|letter| format!("{trace}{letter}"))));
    }
    assert_eq!(traces.len(), 1093);
    for template_ in template::TEMPLATES {
        let rule = template(template_.name);
        let mut kept = 0;
        for letters in &traces {
            let holds = broken(&rule, &trace(letters)).is_empty();
            assert_eq!(holds, means(template_.name, letters), "{} over `{letters}`", template_.name);
            kept += usize::from(holds);
        }
        assert!(kept > 0 && kept < traces.len(), "{}: {kept}", template_.name);
    }
}

#[test]
fn a_violation_names_the_events_that_show_it() {
    assert_eq!(broken(&template("response"), &trace("abaca")), [[2], [4]]);
    assert_eq!(broken(&template("alternate_response"), &trace("aab")), [[0, 1]]);
    assert_eq!(broken(&template("chain_response"), &trace("aca")), [vec![0, 1], vec![2]]);
    assert_eq!(broken(&template("precedence"), &trace("bcab")), [[0]]);
    assert_eq!(broken(&template("not_succession"), &trace("abcb")), [[0, 1], [0, 3]]);
    assert_eq!(broken(&template("exactly"), &trace("aba")), [[2]]);
    assert_eq!(broken(&template("existence"), &trace("bc")), [Vec::<u64>::new()]);
}

#[test]
fn four_eyes_are_two_different_actors() {
    let rule = rule("template = \"precedence\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\ndifferent = \"actor\"");
    let by = |kind: &'static str, actor: &'static str| Made { actor, ..made(kind) };
    let (approved, executed) = (|actor| by("custom/a", actor), |actor| by("custom/b", actor));
    assert_eq!(broken(&rule, &[approved("ann"), executed("bob")]), Vec::<Vec<u64>>::new());
    assert_eq!(broken(&rule, &[approved("ann"), executed("ann")]), [[1]]);
    // Somebody else approved, and then the one who executes, too.
    assert_eq!(broken(&rule, &[approved("bob"), approved("ann"), executed("ann")]), Vec::<Vec<u64>>::new());
    assert_eq!(
        broken(&rule, &[approved("bob"), approved("ann"), approved("ann"), executed("ann")]),
        Vec::<Vec<u64>>::new()
    );
}

#[test]
fn the_same_value_ties_two_events_and_a_missing_value_ties_none() {
    // Rule O-23.
    let rule = rule("template = \"response\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\nsame = \"payload.ticket\"");
    let of = |kind: &'static str, payload: &'static str| Made { payload, ..made(kind) };
    let (asked, done) = (|payload| of("custom/a", payload), |payload| of("custom/b", payload));
    let equal = [asked(r#"{"ticket":1.0}"#), done(r#"{"ticket":1}"#)];
    assert_eq!(broken(&rule, &equal), Vec::<Vec<u64>>::new(), "they are equal by value");
    let (one, two, none) = (r#"{"ticket":1}"#, r#"{"ticket":2}"#, "{}");
    assert_eq!(broken(&rule, &[asked(one), asked(two), done(two), done(one)]), Vec::<Vec<u64>>::new());
    assert_eq!(broken(&rule, &[asked(one), done(two)]), [[0]]);
    assert_eq!(broken(&rule, &[asked(none), done(none)]), [[0]]);
    assert_eq!(broken(&rule, &[asked(one), done(r#"{"ticket":"1"}"#)]), [[0]], "a number is not a text");
}

#[test]
fn an_answer_after_the_time_is_no_answer() {
    let rule = rule("template = \"response\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\nwithin = \"15m\"");
    let minutes = |kind: &'static str, minutes: i64| Made { recorded_ns: minutes * 60_000_000_000, ..made(kind) };
    assert_eq!(broken(&rule, &[minutes("custom/a", 0), minutes("custom/b", 15)]), Vec::<Vec<u64>>::new());
    assert_eq!(broken(&rule, &[minutes("custom/a", 0), minutes("custom/b", 16)]), [[0]]);
    let before = self::rule("template = \"precedence\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\nwithin = \"15m\"");
    assert_eq!(broken(&before, &[minutes("custom/a", 0), minutes("custom/b", 16)]), [[1]]);
}

#[test]
fn within_is_a_distance_though_times_go_back() {
    // Rule O-22.
    let rule_of = |name: &str| {
        rule(&format!("template = \"{name}\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\nwithin = \"15m\""))
    };
    let minutes = |kind: &'static str, minutes: i64| Made { recorded_ns: minutes * 60_000_000_000, ..made(kind) };
    let (a, b) = (|at| minutes("custom/a", at), |at| minutes("custom/b", at));
    assert_eq!(broken(&rule_of("response"), &[a(60), b(0)]), [[0]]);
    assert_eq!(broken(&rule_of("precedence"), &[a(60), b(0)]), [[1]]);
    assert_eq!(broken(&rule_of("responded_existence"), &[b(60), a(0)]), [[1]]);
    assert_eq!(broken(&rule_of("not_succession"), &[a(60), b(0)]), Vec::<Vec<u64>>::new());
    // The event that is near enough need not be the latest.
    assert_eq!(broken(&rule_of("precedence"), &[a(0), a(60), b(10)]), Vec::<Vec<u64>>::new());
    assert_eq!(broken(&rule_of("not_succession"), &[a(0), a(60), b(10)]), [[0, 2]]);
}

#[test]
fn what_would_need_a_forgotten_event_is_not_judged() {
    // Rule O-25.
    let rule = rule("template = \"precedence\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\nwithin = \"1s\"");
    let (mut case, mut broken) = (Case::default(), Vec::new());
    let mut take = |kind: &'static str, seconds: i64| {
        let event = Made { recorded_ns: seconds * 1_000_000_000, ..made(kind) };
        let step = with_reading(&event, 0, |reading| Step::new(&rule, reading, true));
        case.take(&rule, step, &mut broken)
    };
    assert!((0..1_100).all(|second| take("custom/a", second * 10)));
    assert!(take("custom/b", 10_990));
    assert!(!take("custom/b", 500), "the events of that time were forgotten");
    assert!(take("custom/b", 10_985));
    assert_eq!(broken.len(), 1, "the last one alone: {broken:?}");
}

#[test]
fn an_event_that_is_both_is_both() {
    let both = "first = \"custom/*\"\nthen = \"custom/b\"";
    let rule_of = |name: &str, more: &str| rule(&format!("template = \"{name}\"\n{both}\n{more}"));
    for name in ["not_co_existence", "exclusive_choice"] {
        assert_eq!(broken(&rule_of(name, ""), &trace("b")), [[0]], "{name}");
    }
    assert_eq!(broken(&rule_of("co_existence", ""), &trace("b")), Vec::<Vec<u64>>::new());
    // No event differs from itself.
    assert_eq!(broken(&rule_of("not_co_existence", "different = \"actor\""), &trace("b")), Vec::<Vec<u64>>::new());
    assert_eq!(broken(&rule_of("responded_existence", "different = \"actor\""), &trace("b")), [[0]]);
}

#[test]
fn what_is_due_is_due_once_at_the_end_of_a_case() {
    // Rules O-22 and O-24.
    let rule = template("response");
    let (mut case, mut broken) = (Case::default(), Vec::new());
    let take = |case: &mut Case, broken: &mut Vec<Violation>, seq: u64, kind: &'static str| {
        let step = with_reading(&made(kind), seq, |reading| Step::new(&rule, reading, true));
        assert!(case.take(&rule, step, broken));
    };
    take(&mut case, &mut broken, 0, "custom/a");
    assert_eq!((case.open(), broken.len()), (1, 0));
    case.settle(&rule, &mut broken);
    case.settle(&rule, &mut broken);
    assert_eq!((case.open(), broken.len()), (0, 1));
    take(&mut case, &mut broken, 1, "custom/b");
    assert_eq!(broken.len(), 1);
}

#[test]
fn a_conditions_value_selects_events() {
    let rule = rule(
        "template = \"absence\"\nkind = [\"custom/a\", \"custom/c\"]\nwhere = [\"payload.cents>100\"]\nabout = \"nothing is dear\"",
    );
    let of = |kind: &'static str, payload: &'static str| Made { payload, ..made(kind) };
    let events =
        [of("custom/a", r#"{"cents":100}"#), of("custom/c", r#"{"cents":101}"#), of("custom/b", r#"{"cents":500}"#)];
    assert_eq!(broken(&rule, &events), [[1]]);
    assert_eq!(rule.expected(), "nothing is dear");
}

#[test]
fn a_rule_says_in_words_what_it_asks() {
    let rule = rule(
        "template = \"precedence\"\nfirst = \"custom/a\"\nthen = { kind = \"custom/b\", where = [\"payload.x>1\"] }\ndifferent = \"actor\"\nwithin = \"1h\"",
    );
    assert_eq!(rule.expected(), "each custom/b, payload.x>1 comes after custom/a, with another actor, within 1h");
}

#[test]
fn the_name_of_a_built_in_rule_and_a_time_that_measures_nothing_are_refused() {
    let of = |more: &str| {
        let text = format!("[[rule]]\ntemplate = \"init\"\nkind = \"custom/a\"\n{more}\n");
        read(&text, &["signed_in_time"]).expect_err("a mistake")[0].to_string()
    };
    assert_eq!(of("name = \"signed_in_time\""), "4:8: `signed_in_time` is the name of a built-in one; choose another");
    assert!(of("name = \"r\"\ntime = \"occurred\"").starts_with("5:1: `time` says how `within` is measured"));
}

#[test]
fn the_members_of_a_pair_are_no_mistakes_beside_a_misspelt_template() {
    let text = "[[rule]]\nname = \"r\"\ntemplate = \"responce\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\n";
    assert_eq!(read(text, &["signed_in_time"]).expect_err("a mistake").len(), 1);
}

#[test]
fn mistakes_in_a_file_are_all_found_with_line_and_column() {
    // Rule O-26.
    let text = r#"[[rule]]
name = "one"
template = "respond"
kind = "custom/a"
[[rule]]
name = "two"
template = "existence"
kind = "paid"
where = ["colour=red"]
then = "custom/b"
count = 0
[[rule]]
name = "two"
template = "response"
first = "custom/a"
same = "actor"
different = "actor"
wihtin = "1h"
within = "soon"
"#;
    let found: Vec<String> =
        read(text, &["signed_in_time"]).expect_err("mistakes").iter().map(ToString::to_string).collect();
    let begins = [
        "3:12: expected `existence`",
        "8:8: expected a kind of event",
        "9:10: expected a field of an event",
        "10:1: unknown member `then`",
        "11:9: expected a whole number from 1 to 18446744073709551615, found 0",
        "12:1: expected the member `then`",
        "13:8: `two` is the name of rule/1 already",
        "17:13: `actor` cannot be both",
        "18:1: unknown member `wihtin`",
        "19:10: expected whole numbers with d, h, m or s",
    ];
    for begin in begins {
        assert!(found.iter().any(|line| line.starts_with(begin)), "{begin}\n{found:#?}");
    }
}

#[test]
fn a_field_that_no_event_of_the_kind_can_have_is_refused_and_one_of_users_kinds_is_not() {
    let with = |kind: &str, condition: &str| {
        let text = format!(
            "[[rule]]\nname = \"r\"\ntemplate = \"absence\"\nkind = \"{kind}\"\nper = \"actor\"\nwhere = [\"{condition}\"]\n"
        );
        read(&text, &["signed_in_time"]).err().map(|findings| findings[0].to_string())
    };
    assert_eq!(with("status.transitioned", "payload.to=failed"), None);
    assert_eq!(with("pipeline.*", "payload.status=failed"), None);
    assert_eq!(with("log.projection_published", "payload.files.0.path=run.json"), None);
    assert_eq!(with("custom/paid", "payload.anything=1"), None);
    assert_eq!(with("status.created", "payload.details.tags=x"), None, "it holds any JSON");
    let found = with("status.transitioned", "payload.too=failed").expect("a finding");
    assert_eq!(found, "6:10: expected a field of status.transitioned, found `payload.too`");
    assert!(with("status.transitioned", "payload.files.0=x").is_some());
    let same = "[[rule]]\nname = \"r\"\ntemplate = \"response\"\nfirst = \"status.created\"\nthen = \"custom/a\"\nsame = \"payload.ticket\"\n";
    assert!(read(same, &["signed_in_time"]).is_err(), "no event of `status.created` has it");
    let per = "[[rule]]\nname = \"r\"\ntemplate = \"absence\"\nkind = \"status.created\"\nper = \"payload.tickett\"\n";
    assert!(read(per, &["signed_in_time"]).is_err(), "nor this");
    let of_log = "[[rule]]\nname = \"r\"\ntemplate = \"absence\"\nkind = \"log.loss_accepted\"\n";
    let found = read(of_log, &["signed_in_time"]).expect_err("no run has it");
    assert!(found[0].message.starts_with("expected kinds of events of runs"), "{found:?}");
}

#[test]
fn a_file_with_more_regular_expressions_than_are_allowed_is_refused_before_one_is_compiled() {
    let rules = |count: usize| -> String {
        let one = |n| {
            format!(
                "[[rule]]\nname = \"r{n}\"\ntemplate = \"absence\"\nkind = \"custom/a\"\nwhere = [\"payload.x~a\"]\n"
            )
        };
        (0..count).map(one).collect()
    };
    assert!(read(&rules(100), &["signed_in_time"]).is_ok());
    let found = read(&rules(101), &["signed_in_time"]).expect_err("too many");
    assert!(
        found[0].message.contains("at most 100 patterns and conditions with `~` in a file, found 101"),
        "{found:?}"
    );
}

#[test]
fn a_rule_of_which_another_forbids_what_it_asks_for_is_refused() {
    // Rule O-26.
    let both = |first: &str, second: &str| {
        let text = format!("[[rule]]\nname = \"one\"\n{first}\n[[rule]]\nname = \"two\"\n{second}\n");
        read(&text, &["signed_in_time"]).err().map(|findings| findings[0].to_string())
    };
    let (kind, a, b) = ("kind = \"custom/a\"", "first = \"custom/a\"", "then = \"custom/b\"");
    let contradictory = [
        (format!("template = \"existence\"\n{kind}"), format!("template = \"absence\"\n{kind}")),
        (format!("template = \"exactly\"\ncount = 2\n{kind}"), format!("template = \"exactly\"\n{kind}")),
        (format!("template = \"init\"\n{kind}"), "template = \"init\"\nkind = \"custom/b\"".to_owned()),
        (format!("template = \"not_succession\"\n{a}\n{b}"), format!("template = \"response\"\n{a}\n{b}")),
        (format!("template = \"not_succession\"\n{a}\n{b}"), format!("template = \"succession\"\n{a}\n{b}")),
        (format!("template = \"exclusive_choice\"\n{a}\n{b}"), format!("template = \"co_existence\"\n{a}\n{b}")),
    ];
    for (first, second) in &contradictory {
        let found = both(first, second).expect("a contradiction");
        assert!(found.contains("contradicts the rule `one`"), "{found}");
    }
    let (existence, absence) =
        (format!("template = \"existence\"\n{kind}"), format!("template = \"absence\"\ncount = 2\n{kind}"));
    assert_eq!(both(&existence, &absence), None, "exactly one is meant");
    let once = format!("template = \"response\"\n{a}\n{b}\nwithin = \"1h\"");
    assert_eq!(both(&once, &format!("template = \"not_succession\"\n{a}\n{b}")), None, "after an hour");
}

#[test]
fn the_page_lists_the_templates_and_its_example_is_a_rule() {
    let page = include_str!("../../../../docs/audit.md");
    for template in template::TEMPLATES {
        let a = if template.parameters == template::Parameters::Ab { "`first`" } else { "`kind`" };
        let means = template.means.replace("{a}", a).replace("{b}", "`then`").replace("{count}", "`count`");
        let row = format!("| `{}` | {means} |", template.name);
        assert!(page.contains(&row), "{row}");
    }
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    assert_eq!(read(example, &[]).map(|rules| rules.len()), Ok(1));
    let shipped = include_str!("../../../../docs/examples/audit/rules.toml");
    assert_eq!(read(shipped, &[]).map(|rules| rules.len()), Ok(4));
}

#[test]
fn an_event_without_the_compared_value_hides_no_other_one() {
    let (first, then) = ("first = \"custom/a\"", "then = \"custom/b\"\ndifferent = \"payload.d\"");
    let of = |kind: &'static str, payload: &'static str| Made { payload, ..made(kind) };
    let events = || {
        let a = |payload| of("custom/a", payload);
        [a(r#"{"d":2}"#), a(r#"{"d":1}"#), a("{}"), of("custom/b", r#"{"d":1}"#)]
    };
    assert_eq!(
        broken(&rule(&format!("template = \"precedence\"\n{first}\n{then}")), &events()),
        Vec::<Vec<u64>>::new()
    );
    assert_eq!(broken(&rule(&format!("template = \"not_succession\"\n{first}\n{then}")), &events()), [[0, 3]]);
}

#[test]
fn times_that_go_back_hide_no_event_and_end_no_wait() {
    let minutes = |kind: &'static str, minutes: i64| Made { recorded_ns: minutes * 60_000_000_000, ..made(kind) };
    let (first, then) = ("first = \"custom/a\"", "then = \"custom/b\"\nwithin = \"1h\"");
    let of = |template: &str| rule(&format!("template = \"{template}\"\n{first}\n{then}"));
    // The second a is five hours before the first one.
    let events = || [minutes("custom/a", 600), minutes("custom/a", 300), minutes("custom/b", 630)];
    assert_eq!(broken(&of("precedence"), &events()), Vec::<Vec<u64>>::new());
    assert_eq!(broken(&of("not_succession"), &events()), [[0, 2]]);
    // Another event is later than the answer, but comes before it.
    let events = [minutes("custom/a", 600), minutes("custom/c", 720), minutes("custom/b", 630)];
    assert_eq!(broken(&of("response"), &events), Vec::<Vec<u64>>::new());
}

#[test]
fn a_rule_of_a_file_of_rules_cannot_ask_to_refuse_commands() {
    // Rule O-27.
    let text = "[[rule]]\nname = \"r\"\ntemplate = \"init\"\nkind = \"custom/a\"\nenforce = true\n";
    let found: Vec<String> =
        read(text, &["signed_in_time"]).expect_err("a mistake").iter().map(ToString::to_string).collect();
    assert!(found.len() == 1 && found[0].starts_with("5:1: a file of rules refuses no command"), "{found:?}");
}

#[test]
fn a_rule_about_no_events_is_refused_for_that_alone() {
    // Rule O-26.
    for (given, expected) in [
        ("template = \"absence\"", "1:1: expected the member `kind`, or `where`"),
        ("template = \"absence\"\nkind = []", "4:8: expected a kind"),
        ("template = \"response\"\nfirst = []\nthen = \"custom/a\"", "4:9: expected a kind"),
        ("template = \"response\"\nfirst = {}\nthen = \"custom/a\"", "4:9: expected the member `kind`, or `where`"),
        (
            "template = \"response\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\nsame = []",
            "6:8: expected a field, found an empty list",
        ),
        ("template = \"init\"\nkind = \"paid\"", "4:8: expected a kind of event"),
        ("template = \"init\"\nkind = \"log.*\"", "1:1: expected kinds of events of runs"),
    ] {
        let found = read(&format!("[[rule]]\nname = \"r\"\n{given}\n"), &[]).expect_err("a mistake");
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.len() == 1 && found[0].starts_with(expected), "{given}: {found:?}");
    }
    rule("template = \"absence\"\nwhere = [\"actor=ann\"]");
}

/// The rules of a contract file with this in its only rule; or what is wrong, without its place.
fn of_contract(rule: &str) -> Result<Vec<Rule>, Vec<String>> {
    let located = crate::located::Located::parse(rule).expect("TOML");
    let flaws = crate::fields::Flaws::default();
    let mut fields = crate::fields::Fields::of(located.value, "", &flaws).expect("a table");
    let rules = super::of_contract(&mut fields, "machine", &flaws);
    let messages: Vec<String> = flaws.into_vec().into_iter().map(|flaw| flaw.message).collect();
    if messages.is_empty() { Ok(rules) } else { Err(messages) }
}

#[test]
fn a_rule_of_a_contract_file_is_about_single_runs_of_the_contract_and_is_enforced_only_if_an_event_can_break_it() {
    // Rule O-28.
    let rule = |more: &str| format!("[[rule]]\nname = \"r\"\n{more}\n");
    let pair = "first = \"machine.created\"\nthen = \"machine.transitioned\"\n";
    for (more, expected) in [
        (
            "template = \"absence\"\nkind = \"machine.*\"\ncontract = \"machine\"".to_owned(),
            "is about the runs of this",
        ),
        ("template = \"absence\"\nkind = \"machine.*\"\nper = \"actor\"".to_owned(), "is about single runs"),
        (
            "template = \"absence\"\nkind = [\"machine.created\", \"status.created\"]".to_owned(),
            "found machine.created or status.created",
        ),
        ("template = \"absence\"\nkind = \"custom/paid\"".to_owned(), "expected kinds of contract `machine`"),
        (
            format!("template = \"response\"\n{pair}enforce = true"),
            "so it can refuse no command; these templates can: absence,",
        ),
        (format!("template = \"precedence\"\n{pair}enforce = 1"), "expected a boolean"),
    ] {
        let found = of_contract(&rule(&more)).expect_err("a mistake");
        assert!(found.len() == 1 && found[0].contains(expected), "{more}: {found:?}");
    }
    let can_be: Vec<&str> = template::TEMPLATES
        .iter()
        .filter(|template| {
            let events = if template.parameters == template::Parameters::Ab { pair } else { "kind = \"machine.*\"\n" };
            of_contract(&rule(&format!("template = \"{}\"\n{events}enforce = true", template.name))).is_ok()
        })
        .map(|template| template.name)
        .collect();
    // The same eight as in a policy.
    let expected = [
        "absence",
        "init",
        "precedence",
        "alternate_precedence",
        "chain_precedence",
        "not_co_existence",
        "not_succession",
        "not_chain_succession",
    ];
    assert_eq!(can_be, expected);
    assert_eq!(of_contract("name = \"a\"\n"), Ok(Vec::new()));
}

#[test]
fn a_rule_reads_again_from_what_a_run_holds_of_it() {
    // Rule O-28.
    let text = "[[rule]]\nname = \"r\"\ntemplate = \"precedence\"\nfirst = [\"machine.created\", \"machine.f*\"]\n\
                then = { kind = \"machine.transitioned\", where = [\"payload.to~^p\"] }\nsame = \"actor\"\nwithin = \"2d\"\n";
    let rules = of_contract(text).expect("a rule");
    let given = serde_json::json!({ "rule": [rules[0].given()] });
    let flaws = crate::fields::Flaws::default();
    let mut fields = crate::fields::Fields::of(given, "", &flaws).expect("a table");
    let again = super::of_contract(&mut fields, "machine", &flaws);
    assert_eq!((again.as_slice(), flaws.into_vec()), (rules.as_slice(), Vec::new()));
    assert_eq!(
        (rules[0].given()["severity"].as_str(), rules[0].given()["time"].as_str()),
        (Some("error"), Some("recorded"))
    );
}

#[test]
fn a_guard_finds_what_an_audit_finds_at_the_same_event() {
    // Rules O-28, O-29: every trace of up to five events of three kinds, for every template that can be enforced.
    let kinds = ["custom/a", "custom/b", "custom/c"];
    for template in
        template::TEMPLATES.iter().filter(|template| template.constraints.iter().all(|one| one.is_broken_at_once()))
    {
        let rule = Rule { enforced: true, ..self::template(template.name) };
        for trace in 0..3_usize.pow(5) {
            let events: Vec<Made> = (0..5).map(|at| made(kinds[trace / 3_usize.pow(at) % 3])).collect();
            let first = broken(&rule, &events).into_iter().filter_map(|seqs| seqs.last().copied()).min();
            let mut enforced = Enforced::default();
            let refused = (0_u64..).zip(&events).find(|(seq, event)| {
                let next = crate::made::with_fact(event, *seq, |fact| {
                    enforced.after(std::slice::from_ref(&rule), fact, crate::made::json)
                });
                next.map(|next| enforced = next).is_err()
            });
            assert_eq!(refused.map(|(seq, _)| seq), first, "{}: {trace}", template.name);
        }
    }
}

#[test]
fn of_rules_that_all_contradict_each_other_each_is_reported_once_and_too_many_are_not_compared() {
    // Rule O-26.
    let rules = |count: usize| -> String {
        let rule = |n: usize| format!("[[rule]]\nname = \"r{n}\"\ntemplate = \"init\"\nkind = \"custom/k{n}\"\n");
        (0..count).map(rule).collect()
    };
    assert_eq!(read(&rules(100), &[]).expect_err("contradictions").len(), 99);
    let found = read(&rules(1001), &[]).expect_err("too many");
    assert!(found.len() == 1 && found[0].message.contains("expected at most 1000 tables [[rule]]"), "{found:?}");
}
