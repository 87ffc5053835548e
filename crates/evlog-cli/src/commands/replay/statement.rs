//! A replay as an in-toto statement, unsigned or in a DSSE envelope. docs/replay.md defines the predicate.

use super::{Replayed, verdict};
use crate::json::{EnvelopeObject, PredicateObject, ReplayedLog, SignatureObject, StatementObject, SubjectObject, hex};
use crate::ui::Ui;
use evlog::trail::Header;
use evlog_projection::serde_json;
use evlog_proof::SignerKey;
use evlog_proof::dsse::Envelope;
use std::collections::BTreeMap;

/// The type of a statement in an envelope.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "urn:evlog:replay:1";

/// Prints the statement, or its envelope if there is a key.
pub(super) fn print(ui: &mut Ui, log: &Header, replayed: &Replayed, key: Option<&SignerKey>) {
    let statement = statement(log, replayed);
    let Some(key) = key else { return ui.json(&statement) };
    let text = serde_json::to_string(&statement).unwrap_or_else(|_| unreachable!("it is text and numbers"));
    let Envelope { payload, key_id, signature } = Envelope::sign(key, PAYLOAD_TYPE, text.as_bytes());
    let signatures = [SignatureObject { keyid: key_id, sig: signature }];
    ui.json(&EnvelopeObject { payload_type: PAYLOAD_TYPE, payload, signatures });
}

fn statement<'a>(log: &'a Header, replayed: &Replayed) -> StatementObject<'a> {
    let found = &replayed.found;
    StatementObject {
        kind: STATEMENT_TYPE,
        subject: [SubjectObject {
            name: format!("evlog:{}", log.log_id),
            digest: BTreeMap::from([("blake3", &*log.root)]),
        }],
        predicate_type: PREDICATE_TYPE,
        predicate: PredicateObject {
            verdict: verdict(replayed),
            program: &log.program,
            projections: &log.projections,
            log: ReplayedLog { log_id: &log.log_id, size: log.size, next_seq: log.next_seq },
            runs: found.runs,
            events: found.events,
            files: found.files,
            compared: found.compared,
            differences: found.differences.len() as u64,
            errors: found.errors.len() as u64,
            digest: hex(&found.digest),
        },
    }
}
