//! One event as conditions see it: its envelope, and its payload as JSON. The payload is decoded when a condition needs it.

use evlog_format::Kind;
use evlog_projection::Fact;
use evlog_projection::readable::PayloadJson;
use serde_json::Value;
use std::borrow::Cow;
use std::cell::OnceCell;

/// An event that is compared with conditions. The payload is decoded at most once, and only if a condition needs it.
pub struct Reading<'f> {
    /// The event, with the head of its commit.
    pub fact: Fact<'f>,
    payload_json: PayloadJson,
    payload: OnceCell<Value>,
}

impl<'f> Reading<'f> {
    /// An event of which nothing has been decoded yet.
    pub fn new(fact: &Fact<'f>, payload_json: PayloadJson) -> Reading<'f> {
        Reading { fact: *fact, payload_json, payload: OnceCell::new() }
    }

    /// The payload as JSON.
    pub fn payload(&self) -> &Value {
        self.payload.get_or_init(|| (self.payload_json)(&self.fact.event))
    }

    /// The name of the event's kind.
    pub fn kind_name(&self) -> Cow<'f, str> {
        match self.fact.event.kind {
            Kind::Custom(name) => name.into(),
            built_in @ Kind::BuiltIn(_) => built_in.to_string().into(),
        }
    }
}
