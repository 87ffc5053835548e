//! The pages for people: the evidence of a run, and the report.

use crate::proofs::signed_room;
use crate::support::Room;
use evlog::clock::StepClock;
use evlog::{Options, Request};
use evlog_lifecycle::custom::Custom;
use evlog_projection::Contracts;
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;

/// What evidence may take for each event besides its proof, in bytes.
const LEN_PER_EVENT_MAX: usize = 2048;

fn read(room: &Room, path: &str) -> String {
    fs::read_to_string(room.path(path)).unwrap()
}

/// What a person sees of a page: without the data for programs.
fn shown(page: &str) -> &str {
    page.split_once("<script").map_or(page, |(shown, _)| shown)
}

fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"evlog-evidence\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// Makes evidence of a run and checks it.
fn evidence(room: &Room, run: &str) -> String {
    room.ends(0, &["evidence", run, "--out", "page.html"]);
    room.ends(0, &["check-evidence", "page.html", "--key", "builds.pub"]);
    read(room, "page.html")
}

#[test]
fn evidence_of_many_events_is_short_beyond_its_proofs() {
    let room = Room::new();
    room.ends(0, &["key", "new", "example.com/builds"]);
    let line =
        |n| format!(r#"{{"contract":"custom","run":"r","do":"record","kind":"custom/n","data":{{"n":{n}}}}}"#) + "\n";
    room.feed(&["submit"], &(0..400).map(line).collect::<String>());
    room.ends(0, &["checkpoint", "--key", "builds.key"]);
    let page = evidence(&room, "r");
    let data = data(&page);
    let proofs = data["proofs"].as_array().unwrap();
    let proofs_len: usize = proofs.iter().map(|proof| proof.to_string().len()).sum();
    assert_eq!(proofs.len(), 400);
    assert!(page.len() - proofs_len <= 400 * LEN_PER_EVENT_MAX, "{} and {proofs_len}", page.len());
    // A proof is a line of a table; its bytes are in the data.
    assert!(!shown(&page).contains("first-seq"));
}

#[test]
fn evidence_shows_why_a_run_failed_in_full() {
    let room = Room::new();
    room.ends(0, &["key", "new", "example.com/builds"]);
    let reason =
        format!("the tool stopped {}at the end", "while it was waiting for the answer of another one ".repeat(12));
    let lines = [
        json!({"contract": "status", "run": "r", "do": "create"}),
        json!({"contract": "status", "run": "r", "do": "transition", "to": "running"}),
        json!({"contract": "status", "run": "r", "do": "transition", "to": "failed", "diagnostic": {
            "error_code": "TOOL_INTERNAL_ERROR", "category": "tool", "message": reason, "likely_cause": "c",
            "suggested_fix": "f", "retryable": true, "severity": "error"}}),
    ];
    room.feed(&["submit"], &lines.map(|line| line.to_string() + "\n").concat());
    room.ends(0, &["checkpoint", "--key", "builds.key"]);
    let page = evidence(&room, "r");
    let (above, _) = shown(&page).split_once("<details").unwrap();
    assert!(above.contains(&reason) && !above.contains('…'), "{above}");
}

#[test]
fn evidence_marks_events_that_are_backdated_or_out_of_order() {
    let room = Room::new();
    room.ends(0, &["key", "new", "example.com/builds"]);
    // At 09:00, 11:00 and 10:00 UTC of 2026-03-02; the last one says that it happened at 08:00.
    for (second, at) in [(1_772_442_000, ""), (1_772_449_200, ""), (1_772_445_600, r#","at":"2026-03-02T08:00:00Z""#)] {
        let clock = Arc::new(StepClock::new(second * 1_000_000_000, 1));
        let log = Options { clock, ..Options::new("tests") }.open(room.path("evlog"), Contracts::new().with(Custom));
        let line = format!(r#"{{"contract":"custom","run":"r","do":"record","kind":"custom/n"{at}}}"#);
        let log = log.unwrap();
        log.submit(&Request::parse_line(line.as_bytes()).unwrap()).unwrap().into_accepted().unwrap();
        log.close().unwrap();
    }
    room.ends(0, &["checkpoint", "--key", "builds.key"]);
    let page = evidence(&room, "r");
    assert_eq!(page.matches(">out of order</span>").count(), 1, "{page}");
    assert_eq!(page.matches(">backdated 2 h</span>").count(), 1, "{page}");
}

#[test]
fn evidence_shows_when_its_checkpoint_was_recorded_and_what_times_its_cosignatures_state() {
    let room = signed_room();
    room.ends(0, &["key", "new", "example.com/witness", "--witness", "--out", "w.key"]);
    room.ends(
        0,
        &["witness", "new.note", "--state", "seen", "--log-key", "builds.pub", "--key", "w.key", "--out", "w.note"],
    );
    room.ends(0, &["evidence", "RUN_0001", "--checkpoint", "w.note", "--out", "page.html"]);
    room.ends(0, &["check-evidence", "page.html", "--key", "builds.pub"]);
    let page = read(&room, "page.html");
    let history = room.ends(0, &["cat", "--run", "$log", "--kind", "log.checkpoint_signed", "--json"]).lines();
    let recorded = history.last().unwrap()["recorded"].as_str().unwrap().replace('T', " ");
    let recorded = &recorded[.."2026-03-02 10:00:00.000".len()];
    assert!(shown(&page).contains(recorded), "{recorded}: {page}");
    assert!(shown(&page).contains("example.com/witness"), "{page}");
    assert!(shown(&page).contains("<dt>cosigned</dt>"), "{page}");
    let signed = data(&page)["signed"].clone();
    assert!(signed.as_str().is_some_and(|time| time.ends_with('Z')), "{signed}");
}
