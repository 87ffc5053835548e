//! The evidence of one run: what is in the file that `evidence` writes and `check-evidence` reads.
//!
//! The file is a page for people, generated from data that it contains. What can be computed from the proofs is shown, and is not in the
//! data. A check generates the page again from the data
//! and compares: so what a person reads is what was checked.

mod judge;
mod page;

use crate::error::CommandError;
use evlog_report::Data;
pub(crate) use judge::{Judged, judge};
use serde::{Deserialize, Serialize};

/// The version of the data's shape.
const VERSION: u32 = 2;
/// The text before and after the data in the page.
const BEGIN: &str = "<script type=\"application/json\" id=\"evlog-evidence\">\n";
const END: &str = "\n</script>";
/// The longest page, in bytes, that is written or read.
pub(crate) const LEN_MAX: u64 = 256 * 1024 * 1024;

/// The data. Members are never renamed; a new need gets a new version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Evidence {
    #[serde(rename = "evidence")]
    pub(crate) shape: u32,
    pub(crate) run: String,
    /// The checkpoint, with the cosignatures that it had.
    pub(crate) checkpoint: String,
    /// When the log recorded that the checkpoint was signed. No proof shows it.
    pub(crate) signed: Option<String>,
    /// A proof for each commit of the run, in order.
    pub(crate) proofs: Vec<String>,
    /// The run's projected files.
    pub(crate) projections: Vec<Projected>,
    /// Why the run cannot be folded, if its contract forbids one of its events.
    pub(crate) finding: Option<String>,
}

/// A projected file. Its text follows from the proven events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Projected {
    pub(crate) path: String,
    pub(crate) projection: String,
    pub(crate) version: u16,
    pub(crate) blake3: String,
}

impl Evidence {
    pub(crate) fn new(run: &str, checkpoint: String, signed: Option<String>, proofs: Vec<String>) -> Evidence {
        let (projections, finding) = (Vec::new(), None);
        Evidence { shape: VERSION, run: run.to_owned(), checkpoint, signed, proofs, projections, finding }
    }

    /// Writes the page from this data and from the result of judging it.
    pub(crate) fn to_page(&self, judged: &Judged) -> Result<String, CommandError> {
        let json = serde_json::to_string_pretty(self)
            .map_err(|error| CommandError::user(format!("the evidence cannot be written as JSON: {error}")))?;
        bounded(page::render(self, judged, Data { begin: BEGIN, json, end: END }), LEN_MAX)
    }

    /// The data of a page.
    pub(crate) fn of_page(page: &str) -> Result<Evidence, String> {
        let (_, rest) = page.split_once(BEGIN).ok_or("expected a page of `evlog evidence`, found another file")?;
        let (json, _) = rest.split_once(END).ok_or("the page is cut: expected the end of its data, found none")?;
        let read: Evidence = serde_json::from_str(json).map_err(|error| format!("the data of the page: {error}"))?;
        if read.shape != VERSION {
            return Err(format!("expected evidence of version {VERSION}, found version {}", read.shape));
        }
        Ok(read)
    }
}

/// Returns the page, or an error if it is longer than `check-evidence` accepts (`len_max`).
fn bounded(page: String, len_max: u64) -> Result<String, CommandError> {
    let found = page.len() as u64;
    if found <= len_max {
        return Ok(page);
    }
    let message =
        format!("the evidence was not written: expected a page of at most {len_max} bytes, found {found} for this run");
    Err(CommandError::user(message)
        .hint("`evlog prove --seq SEQ` proves single events of the run, and `evlog backup` copies the whole log"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::evidence::explained;

    /// Made by a program whose `machine.run` had version 1. `EVLOG_BLESS=1` writes its page anew after a change of its style.
    #[test]
    fn the_golden_page_is_what_its_data_gives() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/evidence-1/o-7.html");
        let page = std::fs::read_to_string(path).unwrap();
        let evidence = Evidence::of_page(&page).unwrap();
        let mut judged = judge(&evidence, &crate::context::contracts(), explained).unwrap();
        judged.compare(&evidence);
        assert!(judged.findings.is_empty(), "{:?}", judged.findings);
        let given = evidence.to_page(&judged).unwrap();
        if std::env::var_os("EVLOG_BLESS").is_some() {
            std::fs::write(path, &given).unwrap();
        }
        assert!(std::env::var_os("EVLOG_BLESS").is_some() || given == page, "EVLOG_BLESS=1 writes it anew");
    }

    #[test]
    fn no_page_is_made_that_is_too_long_to_be_read() {
        assert_eq!(bounded("page".to_owned(), 4).unwrap(), "page");
        let refused = bounded("page!".to_owned(), 4).unwrap_err();
        assert!(refused.message.contains("expected a page of at most 4 bytes, found 5"), "{}", refused.message);
    }
}
