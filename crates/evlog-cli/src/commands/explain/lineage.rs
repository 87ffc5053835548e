//! The runs that a run comes from, and those that come from it.

use super::json;
use crate::files::RUN_FILE;
use crate::json::payload_json;
use evlog::{LogError, View};
use evlog_format::Seq;
use evlog_format::kind::{PIPELINE_CREATED, STATUS_CREATED};
use evlog_lifecycle::explain::{Origin, retry_of, taken_from};
use evlog_projection::{Bundle, Fact};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// What other runs have to do with a run.
#[derive(Default)]
pub(crate) struct Lineage {
    pub(super) earlier: BTreeMap<String, Vec<Origin>>,
    pub(super) retries: Vec<String>,
    pub(super) retried_by: Vec<Origin>,
}

impl Lineage {
    /// The lineage of a run, whose retries are known.
    pub(crate) fn of(view: &View, bundle: &Bundle, run: &Value, retried_by: Vec<Origin>) -> Result<Lineage, LogError> {
        let retries = retries(view, run, &json(bundle, "manifest.json"))?;
        Ok(Lineage { earlier: earlier(view, run)?, retries, retried_by })
    }
}

/// For each reused stage, the chain of runs that it comes from. Each link is an earlier event, so the chain ends.
fn earlier(view: &View, run: &Value) -> Result<BTreeMap<String, Vec<Origin>>, LogError> {
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for stage in run["stages"].as_array().into_iter().flatten() {
        let (id, mut next, mut way) = (&stage["stage"], taken_from(stage), Vec::new());
        while let Some((run, seq)) = next {
            if !known.contains_key(&run) {
                let bundle = view.bundle(&run)?;
                known.insert(run.clone(), bundle.map(|bundle| json(&bundle, RUN_FILE)).unwrap_or_default());
            }
            let stages = known[&run]["stages"].as_array();
            let there = stages.into_iter().flatten().find(|stage| stage["stage"] == *id);
            next = there.and_then(taken_from).filter(|(_, earlier)| *earlier < seq);
            way.extend(next.clone());
        }
        if let Some(id) = id.as_str().filter(|_| !way.is_empty()) {
            found.insert(id.to_owned(), way);
        }
    }
    Ok(found)
}

/// The runs that a run goes back to, the nearest first. Each begins before the one that retries it, so there is an end.
fn retries(view: &View, run: &Value, manifest: &Value) -> Result<Vec<String>, LogError> {
    let mut found: Vec<String> = Vec::new();
    let mut next = retry_of(run, manifest).map(str::to_owned);
    while let Some(of) = next.filter(|of| !found.contains(of)) {
        let bundle = view.bundle(&of)?;
        next = bundle
            .and_then(|bundle| retry_of(&json(&bundle, RUN_FILE), &json(&bundle, "manifest.json")).map(str::to_owned));
        found.push(of);
    }
    Ok(found)
}

/// The runs that retry a run: each begins after it, so the log is read from there on.
pub(super) fn retried_by(view: &View, run: &str, run_json: &Value) -> Result<Vec<Origin>, LogError> {
    let Some(first) = run_json["first_seq"].as_u64() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    view.each::<LogError>(Seq(first), &mut |fact| {
        if retried_in(fact).is_some_and(|of| of == run) {
            found.push((fact.event.stream.to_owned(), fact.seq.0));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// The run that another one retries, as the event that begins it says.
pub(crate) fn retried_in(fact: &Fact<'_>) -> Option<String> {
    let of = if fact.event.kind == PIPELINE_CREATED {
        payload_json(&fact.event).pointer("/manifest/extensions/orchestrator/retry/of").cloned()
    } else if fact.event.kind == STATUS_CREATED {
        let payload = payload_json(&fact.event);
        payload["retry"].is_object().then(|| payload["parent_run_id"].clone())
    } else {
        None
    };
    of?.as_str().map(str::to_owned)
}
