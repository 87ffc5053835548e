//! The descriptions agree with the readers of commands, and `docs/submit.md` with the descriptions.
//!
//! Each reader is given a command with every member that is described, and then that command with one member changed.

use super::all;
use crate::testing::written::{check_golden, code, table};
use crate::{custom::Custom, lifecycle::Lifecycle, pipeline::Pipeline, status::Status, story::Story};
use evlog_projection::described::{COUNT_MAX, CommandForm, MemberForm, Need, ValueForm};
use evlog_projection::request::shared_members;
use evlog_projection::{Contract, Malformed, Request, parse};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// An example of each command; together they are the history of runs that a log accepts.
const EXAMPLES: &str = include_str!("examples.jsonl");

/// A value of this form. Every member of an object is there, except those that are other names.
fn sample(form: &ValueForm) -> Value {
    match form {
        ValueForm::Text(min, _) => "x".repeat((*min).max(1)).into(),
        ValueForm::AnyText | ValueForm::Bytes(_) => "x".into(),
        ValueForm::RunId => "R-1".into(),
        ValueForm::Time => "2026-02-23T18:00:00Z".into(),
        ValueForm::Word(words) => words[0].into(),
        ValueForm::Flag => true.into(),
        ValueForm::Whole(min, _) => whole_number(min),
        ValueForm::Digest => "0".repeat(64).into(),
        ValueForm::Object(members) => Value::Object(whole(members)),
        ValueForm::Named(value, _) => json!({"x": sample(value)}),
        ValueForm::List(value, _) => json!([sample(value)]),
        ValueForm::Other(_, example) => parse(example.as_bytes()).unwrap(),
    }
}

fn whole(members: &[MemberForm]) -> Map<String, Value> {
    let members = members.iter().filter(|member| !matches!(member.need, Need::OtherNameOf(_)));
    members.map(|member| (member.name.to_owned(), sample(&member.value))).collect()
}

fn whole_number(number: &i128) -> Value {
    parse(number.to_string().as_bytes()).unwrap()
}

/// Values that this form does not take.
fn wrong(form: &ValueForm) -> Vec<Value> {
    let of_other_type = if matches!(form, ValueForm::Flag) { json!(7) } else { json!(true) };
    let mut wrong = match form {
        ValueForm::Text(min, max) => {
            let short = (*min > 0).then(|| Value::from("x".repeat(min - 1)));
            short.into_iter().chain([Value::from("x".repeat(max + 1))]).collect()
        }
        ValueForm::Bytes(max) => vec!["".into(), "x\n".into(), "x".repeat(usize::try_from(*max).unwrap() + 1).into()],
        ValueForm::Word(_) => vec!["no such word".into()],
        ValueForm::RunId => vec!["../x".into()],
        ValueForm::Time => vec!["yesterday".into()],
        ValueForm::Whole(min, max) => {
            let is_bounded = |number: &i128| number.unsigned_abs() <= COUNT_MAX.into();
            [min - 1, max + 1].iter().filter(|number| is_bounded(number)).map(whole_number).collect()
        }
        ValueForm::Digest => vec!["0".repeat(63).into(), "x".repeat(64).into()],
        // Its words say more than this test can read.
        ValueForm::Other(..) => return Vec::new(),
        ValueForm::List(item, Some(max)) => vec![vec![sample(item); max + 1].into()],
        _ => Vec::new(),
    };
    wrong.push(of_other_type);
    wrong
}

/// Values at the bounds of this form.
fn right(form: &ValueForm) -> Vec<Value> {
    match form {
        ValueForm::Text(min, max) => [*min, *max].map(|len| "x".repeat(len).into()).into(),
        ValueForm::Word(words) => words.iter().map(|word| Value::from(*word)).collect(),
        ValueForm::Flag => vec![true.into(), false.into()],
        ValueForm::Whole(min, max) => [min, max].map(whole_number).into(),
        _ => Vec::new(),
    }
}

/// The reader of a contract. A diagnostic that is wrong is not malformed: its refusal is recorded. So it is read here.
fn read(contract: &str, action: &str, members: &Value) -> Result<(), Malformed> {
    let Value::Object(members) = members.clone() else { unreachable!("made as an object") };
    if let Some(offered) = members.get("diagnostic").filter(|_| contract == "status") {
        let read = crate::status::Diagnostic::read(offered, &[]);
        read.map_err(|message| Malformed { pointer: "/diagnostic".into(), message })?;
    }
    match contract {
        "status" => Status.parse(action, members).map(drop),
        "story" => Story::default().parse(action, members).map(drop),
        "pipeline" => Pipeline::default().parse(action, members).map(drop),
        "machine" => Lifecycle::default().parse(action, members).map(drop),
        "custom" => Custom.parse(action, members).map(drop),
        other => unreachable!("no contract `{other}`"),
    }
}

/// Every member, also of objects within, with the JSON pointer to the object that has it.
fn each<'a>(members: &'a [MemberForm], at: &str, found: &mut Vec<(String, &'a MemberForm)>) {
    for member in members {
        found.push((at.to_owned(), member));
        let (mut value, mut here) = (&member.value, format!("{at}/{}", member.name));
        while let ValueForm::Named(inner, _) | ValueForm::List(inner, _) = value {
            here += if matches!(value, ValueForm::List(..)) { "/0" } else { "/x" };
            value = inner;
        }
        if let ValueForm::Object(members) = value {
            each(members, &here, found);
        }
    }
}

/// The command with another value of this member, or without it.
fn changed(command: &Value, at: &str, name: &str, value: Option<Value>) -> Value {
    let mut command = command.clone();
    let object = command.pointer_mut(at).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => object.insert(name.to_owned(), value),
        None => object.remove(name),
    };
    command
}

fn check_member(contract: &str, form: &CommandForm, command: &Value, at: &str, member: &MemberForm) {
    let place = format!("{contract} {} {at}/{}", form.word, member.name);
    let read = |value| read(contract, form.word, &changed(command, at, member.name, value));
    match member.need {
        Need::Required => assert!(read(None).is_err(), "{place} can be left out"),
        Need::Optional => assert_eq!(read(None), Ok(()), "{place} cannot be left out"),
        Need::Depends(_) => {}
        Need::OtherNameOf(name) => {
            assert!(read(Some(sample(&member.value))).is_err(), "{place} beside {name}");
            let other = changed(&changed(command, at, name, None), at, member.name, Some(sample(&member.value)));
            assert_eq!(self::read(contract, form.word, &other), Ok(()), "{place} in place of {name}");
            return;
        }
    }
    for value in right(&member.value) {
        assert_eq!(read(Some(value.clone())), Ok(()), "{place}: {value:.40}");
    }
    for value in wrong(&member.value) {
        let refused = read(Some(value.clone())).map_err(|malformed| malformed.pointer);
        let expected =
            if at.starts_with("/diagnostic") || at.starts_with("/error") { &at[..at.len().min(11)] } else { at };
        assert!(refused.is_err_and(|pointer| pointer.starts_with(expected)), "{place}: {value:.40} is taken");
    }
}

#[test]
fn every_member_takes_what_its_description_allows_and_nothing_else() {
    for (contract, commands) in all() {
        for form in &commands {
            let command = Value::Object(whole(&form.members));
            assert_eq!(read(contract, form.word, &command), Ok(()), "{contract} {}: {command}", form.word);
            let mut members = Vec::new();
            each(&form.members, "", &mut members);
            for (at, member) in members {
                check_member(contract, form, &command, &at, member);
            }
        }
    }
}

/// An error about an unknown member lists those that the reader knows.
#[test]
fn every_member_that_a_reader_knows_is_described() {
    for (contract, commands) in all() {
        for form in &commands {
            let command = Value::Object(whole(&form.members));
            let mut members = Vec::new();
            each(&form.members, "", &mut members);
            let mut objects: Vec<&String> = members.iter().map(|(at, _)| at).collect();
            objects.dedup();
            let none = String::new();
            // The record of a run is read in two parts, by the table that describes it.
            objects.retain(|at| contract != "status" || *at != "/data");
            for at in if objects.is_empty() { vec![&none] } else { objects } {
                let error = read(contract, form.word, &changed(&command, at, "zzz", Some(json!(1)))).unwrap_err();
                let known = error.message.split_once("zzz").map_or("", |(_, known)| known);
                let known = if known.len() < 4 { error.message.as_str() } else { known };
                let words = known.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'));
                let here: Vec<&str> =
                    members.iter().filter(|(of, _)| of == at).map(|(_, member)| member.name).collect();
                let missing = here.iter().filter(|name| !words.clone().any(|word| word == **name));
                assert_eq!(missing.count(), 0, "{contract} {} {at}: {error}, described {here:?}", form.word);
                let extra = known.split('`').filter(|word| {
                    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                });
                let extra: Vec<&str> =
                    extra.filter(|word| !here.contains(word) && *word != form.word && *word != "zzz").collect();
                assert!(extra.is_empty(), "{contract} {} {at}: not described: {extra:?}", form.word);
            }
        }
    }
}

#[test]
fn the_members_that_every_command_has_are_read_as_described() {
    let command = json!({"contract": "custom", "run": "r", "do": "record", "kind": "custom/a"});
    let read = |name: &str, value: Option<Value>| {
        Request::parse_line(changed(&command, "", name, value).to_string().as_bytes())
    };
    for member in shared_members() {
        let without = read(member.name, None);
        assert_eq!(without.is_err(), member.need == Need::Required, "{} left out", member.name);
        for value in right(&member.value).into_iter().chain([sample(&member.value)]) {
            assert!(read(member.name, Some(value.clone())).is_ok(), "{}: {value:.40}", member.name);
        }
        for value in wrong(&member.value) {
            assert!(read(member.name, Some(value.clone())).is_err(), "{}: {value:.40} is taken", member.name);
        }
    }
}

/// The examples of a contract.
fn examples(contract: &str) -> Vec<Value> {
    let names = [contract, if contract == "machine" { "lifecycle" } else { contract }];
    let lines = EXAMPLES.lines().map(|line| parse(line.as_bytes()).unwrap());
    lines.filter(|line| names.contains(&line["contract"].as_str().unwrap())).collect()
}

#[test]
fn every_command_has_an_example_that_its_contract_can_read() {
    for (contract, commands) in all() {
        let examples = examples(contract);
        for form in commands {
            assert!(examples.iter().any(|line| line["do"] == form.word), "{contract}: no example of `{}`", form.word);
        }
        for line in examples {
            let mut own = line.clone();
            for shared in shared_members() {
                own.as_object_mut().unwrap().remove(shared.name);
            }
            assert_eq!(read(contract, line["do"].as_str().unwrap(), &own), Ok(()), "{line}");
        }
    }
}

const HEAD: &str = "\
# What `submit` takes

Made from the code that reads commands; do not edit. `EVLOG_BLESS=1 cargo test -p evlog-lifecycle commands` writes it again.

Each line of the input is one command: a JSON object. What `submit` answers is in [json.md](json.md#result-lines-of-submit). A member that is null
counts as absent. A command with a member that is not listed here is *malformed*: nothing is recorded, and the answer has a JSON pointer to the member.
In the tables below, `a.b` is the member `b` of the object `a`, `a[]` is each item of the array `a`, and `a.*` is each member of the object `a`.

The examples of each contract can be submitted to a new log, in their order; a test does so.
";

fn need(member: &MemberForm) -> String {
    match member.need {
        Need::Required => "yes".to_owned(),
        Need::Optional => "no".to_owned(),
        Need::Depends(clause) => clause.to_owned(),
        Need::OtherNameOf(name) => format!("another name of `{name}`"),
    }
}

/// The rows of an object's members, and of the objects within.
fn rows(members: &[MemberForm], before: &str, rows_of: &mut Vec<Vec<String>>) {
    for member in members {
        let name = format!("{before}{}", member.name);
        rows_of.push(vec![code(&name), need(member), member.value.in_words(), member.meaning.to_owned()]);
        let (mut value, mut inner) = (&member.value, name);
        while let ValueForm::Named(of, _) | ValueForm::List(of, _) = value {
            inner += if matches!(value, ValueForm::List(..)) { "[]" } else { ".*" };
            value = of;
        }
        if let ValueForm::Object(members) = value {
            rows(members, &format!("{inner}."), rows_of);
        }
    }
}

fn members_table(members: &[MemberForm]) -> String {
    let mut cells = Vec::new();
    rows(members, "", &mut cells);
    table(&["member", "required", "value", "meaning"], cells)
}

fn page() -> String {
    let mut page = format!("{HEAD}\n## Members of every command\n\n{}", members_table(&shared_members()));
    for (contract, commands) in all() {
        let more = match contract {
            "machine" => {
                "In a command, the contract can also be called `lifecycle`. The rules are in [machine.md](lifecycle/machine.md). The examples need \
                 `--contract docs/examples/contracts/order.toml`.\n"
            }
            "custom" => "This contract records events of your own kinds, and forbids nothing.\n",
            contract => &format!("The rules are in [{contract}.md](lifecycle/{contract}.md).\n"),
        };
        let _ = write!(page, "\n## Contract `{contract}`\n\n{more}\n```json\n");
        let names = [contract, if contract == "machine" { "lifecycle" } else { contract }];
        let is_of = |line: &&str| names.iter().any(|name| line.contains(&format!(r#""contract":"{name}""#)));
        EXAMPLES.lines().filter(is_of).for_each(|line| page.extend([line, "\n"]));
        page += "```\n";
        for form in commands {
            let _ = write!(page, "\n### {contract}: `{}`\n\n{}", form.word, form.meaning);
            if form.members.is_empty() {
                page += " It has no members of its own.\n";
            } else {
                let _ = write!(page, "\n\n{}", members_table(&form.members));
            }
        }
    }
    page
}

#[test]
fn docs_submit_md_is_made_from_the_descriptions() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/submit.md");
    check_golden(&path, page().as_bytes());
}
