//! Payloads of contract `machine`.

use super::{Digest, Text, table, tables};
use evlog_format::{Event, kind};
use serde_json::Value;

tables! {
    Created { machine: String, definition: Digest, definition_text: Text, data: Text }
    Transitioned { from: String, to: String, reason_code: Option<String>, data: Text }
    Rejected { from: String, requested: String }
    Forced { from: String, to: String, reason_code: Option<String>, requested: String }
    Refused { action: String, code: String, message: String }
}

pub(super) fn read(event: &Event<'_>) -> Option<Value> {
    match event.kind {
        kind::MACHINE_CREATED => table::<Created>(event),
        kind::MACHINE_TRANSITIONED => table::<Transitioned>(event),
        kind::MACHINE_REJECTED => table::<Rejected>(event),
        kind::MACHINE_FORCED => table::<Forced>(event),
        kind::MACHINE_REFUSED => table::<Refused>(event),
        _ => None,
    }
}
