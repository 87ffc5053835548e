//! A lifecycle as a value: its statuses, the transitions between them, and what each transition requires.
//!
//! Does: answer questions about statuses, by index. Does not: know a run.
//!
//! Invariant: a definition is never changed after it was made. Its canonical JSON text has one digest, and runs pin both.

use evlog_projection::canonical;
use evlog_rules::Rule;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The status of reason codes that may be given with every status.
pub const ANY_STATUS: &str = "*";

/// A status, by its index in [`Definition::statuses`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusId(pub usize);

/// One status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusDefinition {
    /// Its name, `[a-z][a-z0-9_]*`.
    pub name: String,
    /// Whether the run has ended for good.
    pub terminal: bool,
    /// The statuses that may follow it, by index.
    pub to: Vec<StatusId>,
    /// Members that `data` must have on entry, with their types.
    pub required: BTreeMap<String, DataType>,
    /// Its own reason codes, with their meanings. If it has any, a command must give one of them to enter the status.
    pub reason_codes: BTreeMap<String, Option<String>>,
}

/// The type of a member of `data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataType {
    /// Text that is not empty.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// An object.
    Object,
    /// A list.
    List,
    /// Anything except null.
    Any,
}

/// The reaction to a request for a transition that is not listed, in a run that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undefined {
    /// The request is rejected, and the run stays as it is.
    Reject,
    /// The request is rejected, and the run is forced to a status.
    Force {
        /// That status.
        to: StatusId,
        /// The reason code of the forced transition.
        reason_code: Option<String>,
    },
}

/// An order rule: a run enters one status before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderRule {
    /// The status that must come first.
    pub before: StatusId,
    /// The status that may be entered only after it.
    pub after: StatusId,
}

/// The parts of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub name: String,
    pub about: Option<String>,
    pub statuses: Vec<StatusDefinition>,
    pub initial: StatusId,
    pub undefined: Undefined,
    /// Reason codes that may be given with every status.
    pub reason_codes: BTreeMap<String, Option<String>>,
    pub order: Vec<OrderRule>,
    /// Rules on the order of a run's events.
    pub rules: Vec<Rule>,
}

/// A lifecycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    parts: Parts,
    text: String,
    digest: [u8; 32],
}

impl DataType {
    /// All types, with the words that definitions use for them.
    pub const WORDS: [(&'static str, DataType); 7] = [
        ("text", DataType::Text),
        ("integer", DataType::Integer),
        ("number", DataType::Number),
        ("boolean", DataType::Boolean),
        ("object", DataType::Object),
        ("list", DataType::List),
        ("any", DataType::Any),
    ];

    /// The word that definitions use for the type.
    pub fn word(self) -> &'static str {
        let known = DataType::WORDS.iter().find(|(_, known)| *known == self);
        known.map_or_else(|| unreachable!("every type has a word"), |(word, _)| word)
    }

    /// Whether a value is of this type.
    pub fn takes(self, value: &Value) -> bool {
        match self {
            DataType::Text => value.as_str().is_some_and(|text| !text.is_empty()),
            DataType::Integer => value.is_i64() || value.is_u64(),
            DataType::Number => value.is_number(),
            DataType::Boolean => value.is_boolean(),
            DataType::Object => value.is_object(),
            DataType::List => value.is_array(),
            DataType::Any => !value.is_null(),
        }
    }
}

impl Definition {
    pub(super) fn new(parts: Parts) -> Definition {
        let bytes = canonical(&to_value(&parts));
        let digest = *blake3::hash(&bytes).as_bytes();
        let text = String::from_utf8(bytes).unwrap_or_else(|_| unreachable!("JSON is UTF-8"));
        Definition { parts, text, digest }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.parts.name
    }

    /// Its description: one line for people.
    pub fn about(&self) -> Option<&str> {
        self.parts.about.as_deref()
    }

    /// Its statuses, as given.
    pub fn statuses(&self) -> &[StatusDefinition] {
        &self.parts.statuses
    }

    /// The status that a run is created with.
    pub fn initial(&self) -> StatusId {
        self.parts.initial
    }

    /// The reaction to undefined transitions.
    pub fn undefined(&self) -> &Undefined {
        &self.parts.undefined
    }

    /// Its order rules, as given.
    pub fn order(&self) -> &[OrderRule] {
        &self.parts.order
    }

    /// Its rules on the order of a run's events, as given.
    pub fn rules(&self) -> &[Rule] {
        &self.parts.rules
    }

    /// Reason codes that may be given with every status.
    pub fn reason_codes(&self) -> &BTreeMap<String, Option<String>> {
        &self.parts.reason_codes
    }

    /// Its canonical JSON text, which reads again as the same definition.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// BLAKE3 of [`text`](Definition::text).
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The status at an index that this definition gave.
    pub fn status(&self, id: StatusId) -> &StatusDefinition {
        &self.parts.statuses[id.0]
    }

    /// The status of exactly this name.
    pub fn find(&self, name: &str) -> Option<StatusId> {
        self.parts.statuses.iter().position(|status| status.name == name).map(StatusId)
    }

    /// Whether the transition is listed.
    pub fn may_become(&self, from: StatusId, to: StatusId) -> bool {
        self.status(from).to.contains(&to)
    }
}

fn to_value(parts: &Parts) -> Value {
    let name = |id: StatusId| parts.statuses[id.0].name.as_str();
    let names = |ids: &[StatusId]| ids.iter().map(|id| name(*id).into()).collect::<Vec<Value>>();
    let all = || parts.statuses.iter();
    let terminal: Vec<&str> = all().filter(|status| status.terminal).map(|status| status.name.as_str()).collect();
    let transitions: Map<String, Value> = all()
        .filter(|status| !status.to.is_empty())
        .map(|status| (status.name.clone(), names(&status.to).into()))
        .collect();
    let required: Map<String, Value> = all()
        .filter(|status| !status.required.is_empty())
        .map(|status| {
            let members = status.required.iter().map(|(member, kind)| (member.clone(), kind.word().into()));
            (status.name.clone(), Value::Object(members.collect()))
        })
        .collect();
    let own = all().map(|status| (status.name.as_str(), &status.reason_codes));
    let reason_codes: Vec<Value> = std::iter::once((ANY_STATUS, &parts.reason_codes))
        .chain(own)
        .flat_map(|(status, codes)| codes.iter().map(move |(code, about)| reason_code(status, code, about.as_deref())))
        .collect();
    let order = |rule: &OrderRule| json!({"before": name(rule.before), "after": name(rule.after)});
    let mut value = json!({
        "name": parts.name,
        "statuses": all().map(|status| status.name.as_str()).collect::<Vec<&str>>(),
        "initial": name(parts.initial),
        "terminal": terminal,
        "undefined": match &parts.undefined {
            Undefined::Reject => "reject".into(),
            Undefined::Force { to, reason_code: None } => json!({"force": name(*to)}),
            Undefined::Force { to, reason_code: Some(code) } => json!({"force": name(*to), "reason_code": code}),
        },
        "transitions": transitions,
        "required": required,
        "reason_codes": reason_codes,
        "order": parts.order.iter().map(order).collect::<Vec<Value>>(),
    });
    if let Some(about) = &parts.about {
        value["about"] = about.as_str().into();
    }
    // The member is absent rather than empty, so that definitions that were pinned before this member existed keep their text.
    if !parts.rules.is_empty() {
        value["rule"] = parts.rules.iter().map(|rule| rule.given().clone()).collect::<Vec<Value>>().into();
    }
    value
}

fn reason_code(status: &str, code: &str, about: Option<&str>) -> Value {
    let mut row = json!({"status": status, "code": code});
    if let Some(about) = about {
        row["about"] = about.into();
    }
    row
}
