//! A plan file's content: as written, and as a JSON value, from which the digest and the members of the manifest are made.
//!
//! Does not: know any key, except those that were renamed.
//!
//! Invariants:
//! - No number is rounded. A number that JSON cannot represent is a problem with its place.
//! - In JSON a renamed key has its older name. So both spellings of a plan have the digest that existing runs hold.

use super::error::Problems;
use super::raw;
use evlog_projection::number;
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

/// The keys that have an older name: the lists that lead to them, their name, and the older one.
const RENAMED: [(&[&str], &str, &str); 2] =
    [(&["schema"], "id", "contract"), (&["stage", "output"], "schema", "contract")];

/// The document as written, and as JSON; `None` if it cannot be read. Dates become text.
pub(super) fn read(text: &str, problems: &mut Problems) -> Option<(raw::Plan, Map<String, Value>)> {
    match as_written(text, problems) {
        Ok((raw, mut document)) => {
            for (lists, name, older) in RENAMED {
                rename(&mut document, lists, name, older, problems);
            }
            Some((raw, table(&document, problems).unwrap_or_default()))
        }
        Err(error) => {
            let message = error.message().replace('\n', " ");
            match error.span() {
                Some(span) => problems.at(span, message),
                None => problems.whole(message),
            }
            None
        }
    }
}

fn as_written<'t>(text: &'t str, problems: &mut Problems) -> Result<(raw::Plan, DeTable<'t>), Error> {
    let mut document = DeTable::parse(text)?;
    for (lists, name, older) in RENAMED {
        rename(document.get_mut(), lists, older, name, problems);
    }
    Ok((raw::Plan::deserialize(Deserializer::from(document.clone()))?, document.into_inner()))
}

/// Renames a key in every table that `lists` leads to: `["schema"]` is each `[[schema]]`, `["stage", "output"]` each
/// `[[stage.output]]`.
fn rename(table: &mut DeTable<'_>, lists: &[&str], from: &str, to: &'static str, problems: &mut Problems) {
    if let Some((list, inner)) = lists.split_first() {
        let Some(DeValue::Array(items)) = table.get_mut(*list).map(Spanned::get_mut) else { return };
        for item in items.iter_mut() {
            if let DeValue::Table(table) = item.get_mut() {
                rename(table, inner, from, to, problems);
            }
        }
    } else if let Some((key, value)) = table.remove_entry(from) {
        if table.contains_key(to) {
            problems.at(key.span(), format!("expected either `{to}` or `{from}`, its older name, found both"));
        } else {
            table.insert(Spanned::new(key.span(), to.into()), value);
        }
    }
}

/// Every member is read, so that each problem is found.
fn table(members: &DeTable<'_>, problems: &mut Problems) -> Option<Map<String, Value>> {
    let read: Vec<(String, Option<Value>)> =
        members.iter().map(|(name, member)| (name.get_ref().to_string(), value(member, problems))).collect();
    read.into_iter().map(|(name, member)| Some((name, member?))).collect()
}

fn value(member: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Value> {
    let found = match member.get_ref() {
        DeValue::String(text) => return Some(text.as_ref().into()),
        DeValue::Boolean(yes) => return Some((*yes).into()),
        DeValue::Datetime(time) => return Some(time.to_string().into()),
        DeValue::Array(items) => {
            let read: Vec<Option<Value>> = items.iter().map(|item| value(item, problems)).collect();
            return read.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array);
        }
        DeValue::Table(members) => return table(members, problems).map(Value::Object),
        DeValue::Integer(digits) => match i128::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(whole) => number::integer(whole),
            Err(_) => Err(format!("number {digits} has more than 128 bits; write it as a string")),
        },
        DeValue::Float(digits) => number::number(digits.as_str()),
    };
    match found {
        Ok(number) => Some(Value::Number(number)),
        Err(message) => {
            problems.at(member.span(), message);
            None
        }
    }
}
