//! The fields of an event: values as JSON, in the order in which the event names them.

use serde_json::{Map, Value};
use std::fmt::{Debug, Write};
use tracing::field::{Field, Visit};

/// What an event says: a message, and fields.
#[derive(Debug, Default)]
pub(super) struct Fields {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Fields {
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// As text after a message: ` name=value`. Texts are in quotes.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.fields {
            let Ok(()) = write!(text, " {name}={value}") else { unreachable!("text can always be added to a string") };
        }
        text
    }

    pub(super) fn object(&self) -> Map<String, Value> {
        self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn add(&mut self, field: &Field, value: Value) {
        self.fields.push((field.name(), value));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.add(field, text.into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }
}
