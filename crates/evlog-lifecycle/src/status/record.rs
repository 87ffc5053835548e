//! The members of a run record that a caller may give (status.md 5): names, types and bounds, as `record.toml` lists them.
//!
//! The same table is used to read commands and to check committed records again. It is printed in `docs/lifecycle/status.md`.

use super::diagnostic::{CODE_SYNTAX, INVALID_STATE_TRANSITION, is_error_code};
use super::payload::{Created, PolicyVersions};
use crate::members::{check_run_id, kind, malformed, pointer, quoted};
use evlog_format::ids::is_run_id;
use evlog_projection::{Malformed, canonical, parse};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// What a member's value must be.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    /// Text with at least and at most this many characters.
    Text(usize, usize),
    /// One of these words.
    Word(Vec<String>),
    /// True or false.
    Flag,
    /// A whole number from 0 to this number.
    Count(u64),
    /// 64 hexadecimal digits, kept in lower case.
    Sha256,
    /// A run's id.
    RunId,
    /// An error code, except the engine's own.
    ErrorCode,
    /// An array of values of this shape, and the most items that it may have.
    List(Box<Shape>, usize),
    /// An object of at most this many texts of 1 to 200 characters.
    Texts(usize),
    /// A closed object.
    Object(Vec<Member>),
}

/// One member of a closed object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) needed: bool,
    /// Whether a retry inherits it from the run that it repeats, and may not give it.
    #[serde(default)]
    pub(crate) pinned: bool,
    pub(crate) shape: Shape,
    /// Its meaning, as a sentence without a period.
    pub(crate) meaning: String,
}

/// The members of a run record.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// The members that decisions depend on.
    pub(crate) decisive: Vec<Member>,
    /// The members that only describe. A retry inherits them, and may replace those that are not pinned.
    pub(crate) descriptive: Vec<Member>,
}

pub(crate) static RECORD: LazyLock<Record> = LazyLock::new(|| {
    toml::from_str(include_str!("record.toml"))
        .unwrap_or_else(|error| unreachable!("a built-in file is right: {error}"))
});

/// How many retries a run may have unless its creation says otherwise (status.md 9.32).
pub(crate) const MAX_RETRIES_DEFAULT: u32 = 1;

/// The `data` of `create` or `retry`, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Data {
    pub(crate) decisive: Map<String, Value>,
    pub(crate) descriptive: Map<String, Value>,
}

const POINTER: &str = "/data";

impl Data {
    /// Reads the `data` of `create`.
    pub(crate) fn of_create(given: Map<String, Value>) -> Result<Data, Malformed> {
        let (decisive, descriptive): (Map<_, _>, Map<_, _>) =
            given.into_iter().partition(|(name, _)| RECORD.decisive.iter().any(|member| member.name == *name));
        Ok(Data {
            decisive: closed(&RECORD.decisive, decisive, POINTER)?,
            descriptive: closed(&RECORD.descriptive, descriptive, POINTER)?,
        })
    }

    /// Reads the `data` of `retry`. Pinned members are inherited (status.md 2.3, check 27).
    pub(crate) fn of_retry(given: Map<String, Value>) -> Result<Data, Malformed> {
        let mut pinned = RECORD.decisive.iter().chain(&RECORD.descriptive).filter(|member| member.pinned);
        if let Some(member) = pinned.find(|member| given.contains_key(&member.name)) {
            let message = "a retry has this from the run that it repeats; leave it out";
            return Err(malformed(pointer(POINTER, &member.name), message));
        }
        Ok(Data { decisive: Map::new(), descriptive: closed(&RECORD.descriptive, given, POINTER)? })
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.decisive.get(name)?.as_str().map(str::to_owned)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.decisive.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(crate) fn max_retries(&self) -> u32 {
        let given = self.decisive.get("max_retries").and_then(Value::as_u64);
        given.and_then(|count| u32::try_from(count).ok()).unwrap_or(MAX_RETRIES_DEFAULT)
    }

    pub(crate) fn policy_versions(&self) -> Option<PolicyVersions> {
        let given = self.decisive.get("policy_versions")?;
        let version = |name: &str| given.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(PolicyVersions { lanes: version("lanes")?, roles: version("roles")? })
    }

    pub(crate) fn error_codes(&self) -> Vec<String> {
        let given = self.decisive.get("error_codes").and_then(Value::as_array);
        given.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// Descriptive members as they are recorded.
pub(crate) fn to_details(descriptive: &Map<String, Value>) -> Option<String> {
    if descriptive.is_empty() {
        return None;
    }
    let text = canonical(&Value::Object(descriptive.clone()));
    Some(String::from_utf8(text).unwrap_or_else(|error| unreachable!("canonical JSON is UTF-8: {error}")))
}

/// Recorded descriptive members, read and checked again.
pub(crate) fn from_details(details: Option<&str>) -> Result<Map<String, Value>, String> {
    let Some(text) = details else {
        return Ok(Map::new());
    };
    let Value::Object(members) = parse(text.as_bytes()).map_err(|error| format!("`details`: {error}"))? else {
        return Err("`details`: expected a JSON object".to_owned());
    };
    let members = closed(&RECORD.descriptive, members, "").map_err(|error| format!("`details`: {error}"))?;
    if to_details(&members).as_deref() == Some(text) {
        Ok(members)
    } else {
        Err("`details`: expected at least one member, in canonical form".to_owned())
    }
}

/// Checks that a committed creation is consistent: checks 13, 26 and 27 of status.md 7, in so far as one event can show them.
pub(crate) fn check(created: &Created, run: &str) -> Result<(), String> {
    let expect = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("expected {what}")) };
    let parent = created.parent_run_id.as_deref();
    expect(is_run_id(&created.root_run_id), "`root_run_id` to be a run id")?;
    expect(parent.is_none_or(is_run_id), "`parent_run_id` to be a run id")?;
    expect(parent != Some(run), "`parent_run_id` to be another run")?;
    let own_root = created.root_run_id == run;
    expect(own_root == parent.is_none(), "`root_run_id` to be the run itself exactly when it has no parent")?;
    if let Some(retry) = &created.retry {
        expect(parent.is_some(), "a retry to name the run that it repeats as parent")?;
        expect((1..=created.max_retries).contains(&retry.count), "the retry's count to be 1 to `max_retries`")?;
        expect(!retry.reason.is_empty(), "a retry to have a reason")?;
    }
    check_decisive(created)?;
    from_details(created.details.as_deref()).map(|_| ())
}

fn check_decisive(created: &Created) -> Result<(), String> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<Value>| value.map(|value| members.insert(name.to_owned(), value));
    put("case_id", created.case_id.clone().map(Value::String));
    put("contract_version", created.contract_version.clone().map(Value::String));
    put("policy_versions", created.policy_versions.as_ref().map(PolicyVersions::to_json));
    put("error_codes", Some(created.error_codes.clone().into()));
    put("max_retries", Some(created.max_retries.into()));
    closed(&RECORD.decisive, members, "").map(|_| ()).map_err(|error| error.to_string())
}

impl PolicyVersions {
    /// The pins as projected.
    pub(crate) fn to_json(&self) -> Value {
        serde_json::json!({"lanes": self.lanes, "roles": self.roles})
    }
}

/// The members of a closed object in their only form: nulls are left out, digests are in lower case.
fn closed(members: &[Member], given: Map<String, Value>, at: &str) -> Result<Map<String, Value>, Malformed> {
    let mut taken = Map::new();
    for (name, value) in given {
        let here = pointer(at, quoted(&name));
        let Some(member) = members.iter().find(|member| member.name == name) else {
            let known: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
            let message = format!("unknown member `{}`; expected `{}`", quoted(&name), known.join("`, `"));
            return Err(malformed(here, message));
        };
        if !value.is_null() {
            taken.insert(name, shaped(&member.shape, value, &here)?);
        }
    }
    match members.iter().find(|member| member.needed && !taken.contains_key(&member.name)) {
        Some(missing) => Err(malformed(at, format!("`{}` is missing", missing.name))),
        None => Ok(taken),
    }
}

/// The value in its only form, if it has the shape.
fn shaped(shape: &Shape, value: Value, at: &str) -> Result<Value, Malformed> {
    let fits = match (shape, &value) {
        (Shape::Object(members), Value::Object(_)) => {
            let Value::Object(given) = value else { unreachable!("just seen to be an object") };
            return closed(members, given, at).map(Value::Object);
        }
        (Shape::List(item, max), Value::Array(items)) if items.len() <= *max => {
            let each = items.iter().enumerate();
            return each
                .map(|(index, item_given)| shaped(item, item_given.clone(), &format!("{at}/{index}")))
                .collect();
        }
        (Shape::Texts(max), Value::Object(texts)) if texts.len() <= *max => {
            for (name, text) in texts {
                shaped(&Shape::Text(1, 200), text.clone(), &pointer(at, quoted(name)))?;
                shaped(&Shape::Text(1, 200), Value::String(name.clone()), at)?;
            }
            true
        }
        (Shape::Text(min, max), Value::String(text)) => (*min..=*max).contains(&text.chars().count()),
        (Shape::Word(words), Value::String(text)) => words.contains(text),
        (Shape::RunId, Value::String(text)) => {
            check_run_id(text).map_err(|message| malformed(at, message))?;
            true
        }
        (Shape::Flag, Value::Bool(_)) => true,
        (Shape::ErrorCode, Value::String(text)) => is_error_code(text) && text != INVALID_STATE_TRANSITION,
        (Shape::Count(max), Value::Number(number)) => number.as_u64().is_some_and(|count| count <= *max),
        (Shape::Sha256, Value::String(text)) => {
            if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Ok(Value::String(text.to_ascii_lowercase()));
            }
            false
        }
        _ => false,
    };
    if fits { Ok(value) } else { Err(malformed(at, format!("expected {}, found {}", in_words(shape), found(&value)))) }
}

fn found(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{}`", quoted(text)),
        Value::Array(items) => format!("an array of {}", items.len()),
        other => kind(other).to_owned(),
    }
}

/// The shape, as messages and the documentation describe it.
pub(crate) fn in_words(shape: &Shape) -> String {
    match shape {
        Shape::Text(min, max) => format!("text of {min} to {max} characters"),
        Shape::Word(words) if words.len() == 1 => format!("`{}`", words[0]),
        Shape::Word(words) => format!("one of `{}`", words.join("`, `")),
        Shape::Flag => "true or false".to_owned(),
        Shape::Count(max) => format!("a whole number from 0 to {max}"),
        Shape::Sha256 => "64 hexadecimal digits".to_owned(),
        Shape::RunId => "a run id".to_owned(),
        Shape::ErrorCode => format!("{CODE_SYNTAX}, not `{INVALID_STATE_TRANSITION}`"),
        Shape::List(item, max) => format!("an array of at most {max}, each {}", in_words(item)),
        Shape::Texts(max) => format!("an object of at most {max} texts of 1 to 200 characters"),
        Shape::Object(members) => {
            let each = members.iter().map(|member| {
                let needed = if member.needed { ", needed" } else { "" };
                format!("`{}` ({}{needed})", member.name, in_words(&member.shape))
            });
            format!("an object of {}", each.collect::<Vec<_>>().join(", "))
        }
    }
}
