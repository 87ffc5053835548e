//! A plan file's content as a JSON value. The digest and the members of the manifest are made from it.
//!
//! Does not: know any key.
//!
//! Invariant: no number is rounded. One that JSON would not carry is a problem with its place.

use super::error::Problems;
use evlog_projection::number;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The document; none when there is a problem with it. Dates become text.
pub(super) fn read(text: &str, problems: &mut Problems) -> Option<Map<String, Value>> {
    match DeTable::parse(text) {
        Ok(document) => table(document.get_ref(), problems),
        Err(error) => {
            problems.at(error.span().unwrap_or_default(), error.message());
            None
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
