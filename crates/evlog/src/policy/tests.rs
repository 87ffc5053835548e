//! Claims about policies: what their text means, what they refuse, and how they judge the order of events. The rules are those
//! of `docs/policy.md`.

use super::*;
use evlog_format::{Event, KindBuf, PLAIN, Seq};
use evlog_projection::Fact;

const WHOLE: &str = r#"
durability = "sync"
checkpoint_within = "24h"
actors = ["user:*", "ci:*:bot", "operator"]
[at]
ahead = "unbounded"
behind = "30d"
mark = "90s"
[[order]]
name = "four-eyes"
template = "precedence"
first = "custom/approved"
then = "custom/executed"
different = "actor"
within = "2h"
[[order]]
name = "once"
template = "absence"
kind = "custom/paid"
at_most = 1
"#;

fn head(recorded_ns: i64) -> CommitHead<'static> {
    CommitHead::new(Seq(9), recorded_ns, Durability::Sync, "user:a")
}

/// What is wrong with a text: where, and what.
fn flaw(text: &str) -> String {
    Policy::read(text).unwrap_err().to_string()
}

#[test]
fn a_text_says_all_that_a_policy_demands_and_what_it_does_not_say_is_the_default() {
    // L-02.
    let day = 86_400 * SECOND_NS;
    let policy = Policy::read(WHOLE).unwrap();
    let bounds = (policy.ahead_ns, policy.behind_ns, policy.mark_ns, policy.unsigned_max_ns);
    assert_eq!(bounds, (None, Some(30 * day), 90 * SECOND_NS, Some(day)));
    assert_eq!((policy.weakest, policy.actors.len()), (Durability::Sync, 3));
    let rules: Vec<String> = policy.order.iter().map(|rule| format!("{}: {rule}", rule.name)).collect();
    let expected = [
        "four-eyes: precedence(custom/approved, custom/executed), by another actor, within 2h",
        "once: absence(custom/paid), at most 1 times",
    ];
    assert_eq!(rules, expected);
    assert_eq!(Policy::read("").unwrap(), Policy::default());
    assert_eq!(Policy::read("[at]\nmark = \"90s\"").unwrap(), Policy { mark_ns: 90 * SECOND_NS, ..Policy::default() });
}

#[test]
fn a_policy_has_256_forms_of_actors_and_256_rules_at_most() {
    // L-02.
    let rule = |n: usize| format!("[[order]]\nname = \"r{n}\"\ntemplate = \"init\"\nkind = \"custom/a\"\n");
    let rules = |count: usize| (0..count).map(rule).collect::<String>();
    let actors = |count: usize| format!("actors = {:?}", (0..count).map(|n| format!("a{n}")).collect::<Vec<String>>());
    assert_eq!(Policy::read(&rules(256)).unwrap().order.len(), 256);
    assert!(flaw(&rules(257)).contains("expected at most 256 rules, found 257"), "{}", flaw(&rules(257)));
    assert_eq!(Policy::read(&actors(256)).unwrap().actors.len(), 256);
    assert!(flaw(&actors(257)).contains("expected at most 256 forms of actors, found 257"), "{}", flaw(&actors(257)));
}

#[test]
fn a_text_that_is_no_policy_is_refused_with_its_place() {
    // L-02.
    let rule = |rest: &str| format!("[[order]]\nname = \"n\"\n{rest}");
    let cases: &[(String, &str)] = &[
        ("durability = ".into(), "line 1, column 1"),
        ("actros = []".into(), "line 1, column 1: unknown field `actros`"),
        ("durability = \"group\"".into(), "line 1, column 14: expected `sync` or `os`, found `group`"),
        ("\ncheckpoint_within = \"1 h\"".into(), "line 2, column 21: expected whole numbers with d, h, m or s"),
        ("[at]\nahead = \"-1s\"".into(), "line 2, column 9: expected whole numbers"),
        ("[at]\nahead = \"99999999999999d\"".into(), "line 2, column 9: expected whole numbers"),
        ("[at]\nmark = \"unbounded\"".into(), "line 2, column 8: expected whole numbers"),
        ("actors = [\"\"]".into(), "line 1, column 11: expected 1 to 200 bytes of text"),
        ("actors = [\"a\\nb\"]".into(), "line 1, column 11: expected 1 to 200 bytes of text"),
        (
            rule("template = \"response\"\nfirst = \"custom/a\"\nthen = \"custom/b\""),
            "line 3, column 12: expected one of `init`, `absence`",
        ),
        (rule("template = \"init\"\nkind = \"log.opened\""), "line 4, column 8: expected the kind of a run's event"),
        (rule("template = \"init\"\nkind = \"custom/\""), "expected the kind of a run's event"),
        (rule("template = \"init\"\nkind = \"paid\""), "expected the kind of a run's event"),
        (
            rule("template = \"precedence\"\nfirst = \"custom/a\""),
            "line 1, column 1: expected the member `then`, found none",
        ),
        (
            rule("template = \"not_succession\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\nwithin = \"1h\""),
            "line 6, column 10: expected no member `within` in a rule `not_succession`",
        ),
        (
            rule("template = \"precedence\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\ndifferent = \"run\""),
            "line 6, column 13: expected `actor`, found `run`",
        ),
        (
            format!("{0}\n{0}", rule("template = \"init\"\nkind = \"custom/a\"")),
            "line 6, column 8: expected rules of different names, found `n` again",
        ),
        (
            rule("template = \"init\"\nkind = \"custom/a\"\ndiferent = \"actor\""),
            "line 5, column 1: unknown field `diferent`",
        ),
        ("[[order]]".into(), "line 1, column 1: expected the member `name`, found none"),
        (format!("actors = [{}]", "\"a\",".repeat(ITEMS_MAX + 1)), "expected at most 256 forms of actors, found 257"),
        (" ".repeat(POLICY_LEN_MAX + 1), "expected at most 65536 bytes, found 65537"),
    ];
    for (text, expected) in cases {
        let found = flaw(text);
        assert!(found.contains(expected), "{text}: {found}");
    }
}

#[test]
fn a_time_is_bounded_on_both_sides_to_the_nanosecond() {
    // L-04.
    let policy = Policy { ahead_ns: Some(10), behind_ns: Some(20), ..Policy::default() };
    let breach = |occurred_ns| policy.commit_breach(&CommitHead { occurred_ns: Some(occurred_ns), ..head(100) }, None);
    for (occurred, is_refused) in [(79, true), (80, false), (100, false), (110, false), (111, true), (-1, true)] {
        assert_eq!(breach(occurred).map(|breach| breach.code), is_refused.then_some("AT_OUT_OF_RANGE"), "{occurred}");
    }
    let unbounded = Policy { ahead_ns: None, ..Policy::default() };
    let late = CommitHead { occurred_ns: Some(evlog_format::limits::TIME_MAX_NS), ..head(0) };
    assert_eq!(unbounded.commit_breach(&late, None), None);
    let early =
        Policy::default().commit_breach(&CommitHead { occurred_ns: Some(-1), ..head(0) }, Some("1969")).unwrap();
    assert_eq!(early.message, "at: expected a time from 1970 on, found `1969`");
}

#[test]
fn a_weaker_class_and_an_actor_of_no_form_are_refused() {
    // L-05, L-06.
    let policy = Policy::read(WHOLE).unwrap();
    let code = |head: CommitHead<'_>| policy.commit_breach(&head, None).map(|breach| breach.code);
    assert_eq!(code(head(0)), None);
    assert_eq!(code(CommitHead { class: Durability::Os, ..head(0) }), Some("POLICY_DURABILITY"));
    for (actor, fits) in [
        ("user:", true),
        ("operator", true),
        ("operators", false),
        ("ci:x:bot", true),
        ("ci::bot:bot", true),
        ("ci:bot", false),
        ("auser:b", false),
        ("", false),
    ] {
        assert_eq!(code(CommitHead { actor, ..head(0) }).is_none(), fits, "{actor}");
    }
    let any = Policy { actors: vec!["*a*b*".to_owned()], ..Policy::default() };
    let fits = |actor| any.commit_breach(&CommitHead { actor, ..head(0) }, None).is_none();
    assert!(fits("ab") && fits("xaxbx") && fits("bab") && !fits("ba"));
}

#[test]
fn a_run_begins_only_where_a_checkpoint_is_new_enough() {
    // L-07.
    let policy = Policy { unsigned_max_ns: Some(10), ..Policy::default() };
    // When a checkpoint was signed, if that was after the policy was set, and the breach by a run that begins then.
    let breach = |at: i64, signed: Option<i64>, set: i64| {
        let breach = policy.unsigned_breach(at, signed, set)?;
        assert_eq!(breach.code, "POLICY_CHECKPOINT");
        Some(breach.message.split(", found ").last().unwrap().to_owned())
    };
    let none = Some("none since 1970-01-01T00:00:00.000Z".to_owned());
    assert_eq!((breach(20, Some(10), 0), breach(20, None, 10)), (None, None));
    assert_eq!((breach(21, Some(10), 20), breach(21, None, 10)), (none.clone(), none));
    // If the clock went back, a checkpoint does not become old; if it was ahead, a checkpoint does not stay new for
    // ever.
    assert_eq!((breach(0, Some(10), 0), breach(0, None, 10)), (None, None));
    let ahead = "1970-01-01T00:00:00.000Z, which is later than now";
    assert_eq!(breach(0, Some(11), 0), Some(format!("one signed at {ahead}")));
    assert_eq!(breach(0, None, 11), Some(format!("none, and a policy that was set at {ahead}")));
    assert_eq!(Policy::default().unsigned_breach(i64::MAX, None, i64::MIN), None);
}

#[test]
fn what_is_marked_without_a_policy_is_what_views_without_a_log_mark() {
    // L-12.
    assert_eq!(Policies::default().apart_ns(Seq(0)), crate::APART_NS);
}

#[test]
fn a_log_is_judged_by_a_text_that_it_holds_and_that_is_not_set_any_more() {
    // L-02.
    for text in ["checkpoint_within = \"0s\"", "actors = []"] {
        assert!(Policy::read(text).is_ok() && Policy::read_new(text).is_err(), "{text}");
    }
    for text in ["", WHOLE, "checkpoint_within = \"1s\"", "[at]\nmark = \"0s\""] {
        assert_eq!(Policy::read_new(text), Policy::read(text), "{text}");
    }
}

/// The kinds of a run's events, each by an actor, as words: `approved by a`, from seq 1 on. Returns at which of them the rule,
/// in force from seq 0 on, is broken first, and how.
fn broken(rule: &str, events: &[&str]) -> Option<(usize, String)> {
    let text = format!("[[order]]\nname = \"n\"\n{rule}");
    let policy = Policy::read(&text).unwrap_or_else(|error| panic!("{rule}: {error}"));
    let mut orders = Orders::default();
    events.iter().enumerate().find_map(|(number, event)| {
        let (kind, actor) = event.split_once(" by ").unwrap_or((event, "a"));
        let kind = KindBuf::Custom(format!("custom/{kind}"));
        let (seq, at, number) = (Seq(number as u64 + 1), number, number as u64);
        let recorded_ns = i64::try_from(number).unwrap() * 60 * SECOND_NS;
        let head = CommitHead::new(seq, recorded_ns, Durability::Sync, actor);
        let payload = b"null";
        let event = Event {
            stream: "r",
            number,
            kind: kind.as_kind(),
            kind_version: 1,
            causation: None,
            protection: PLAIN,
            payload,
        };
        let rules = policy.order.iter().map(|rule| (rule, Seq(0)));
        orders.next(rules, &Fact { seq, head, event }).map(|how| (at, how))
    })
}

#[test]
fn a_refusal_says_since_when_the_rule_is_in_force_and_what_comes_nearest() {
    // L-08, L-09.
    let rule = "template = \"chain_precedence\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\n";
    let expected = "policy rule `n`, in force since seq 0: expected: the event before each custom/b is custom/a; found: the event before \
                    it is another, or does not fit";
    assert_eq!(broken(rule, &["b"]), Some((0, expected.to_owned())));
    assert_eq!(broken(rule, &["a", "c", "b"]), Some((2, format!("{expected}; the nearest is seq 2"))));
}

#[test]
fn each_template_is_broken_at_the_event_that_breaks_it_and_at_no_other() {
    // L-08.
    let pair = |template: &str, more: &str| {
        format!("template = \"{template}\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\n{more}")
    };
    let single = |template: &str, more: &str| format!("template = \"{template}\"\nkind = \"custom/a\"\n{more}");
    let (other, within) = ("different = \"actor\"", "within = \"2m\"");
    let cases: &[(String, &[&str], Option<usize>)] = &[
        (single("init", ""), &["a", "b"], None),
        (single("init", ""), &["b", "a"], Some(0)),
        (single("absence", ""), &["b", "a"], Some(1)),
        (single("absence", "at_most = 2"), &["a", "a", "b"], None),
        (single("absence", "at_most = 2"), &["a", "b", "a", "a"], Some(3)),
        (pair("precedence", ""), &["c", "b"], Some(1)),
        (pair("precedence", ""), &["a", "c", "b", "b"], None),
        (pair("precedence", other), &["a by x", "b by x"], Some(1)),
        (pair("precedence", other), &["a by x", "b by y"], None),
        (pair("precedence", other), &["a by x", "a by y", "a by y", "b by y"], None),
        (pair("precedence", within), &["a", "c", "b"], None),
        (pair("precedence", within), &["a", "c", "c", "b"], Some(3)),
        (pair("alternate_precedence", ""), &["a", "b", "a", "b"], None),
        (pair("alternate_precedence", ""), &["a", "b", "b"], Some(2)),
        (pair("alternate_precedence", other), &["a by x", "b by y", "b by y"], Some(2)),
        (pair("chain_precedence", ""), &["a", "b"], None),
        (pair("chain_precedence", ""), &["a", "c", "b"], Some(2)),
        (pair("chain_precedence", other), &["a by x", "a by y", "b by y"], Some(2)),
        (pair("not_succession", ""), &["b", "a", "c"], None),
        (pair("not_succession", ""), &["b", "a", "c", "b"], Some(3)),
        (pair("not_chain_succession", ""), &["a", "c", "b"], None),
        (pair("not_chain_succession", ""), &["c", "a", "b"], Some(2)),
        (pair("not_co_existence", ""), &["a", "a", "c"], None),
        (pair("not_co_existence", ""), &["a", "c", "b"], Some(2)),
        (pair("not_co_existence", ""), &["b", "c", "a"], Some(2)),
    ];
    for (rule, events, expected) in cases {
        assert_eq!(broken(rule, events).map(|(at, _)| at), *expected, "{rule}: {events:?}");
    }
}
