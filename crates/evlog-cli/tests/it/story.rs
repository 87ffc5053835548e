//! Contract `story` through the binary: commands, answers, files, payloads.

use crate::support::Room;
use serde_json::{Value, json};

const LINES: &str = r#"{"contract":"story","run":"s-1","do":"create","story":{"steps":[{"name":"fetch"},{"name":"render","needs":["fetch"]}],"policy":{}}}
{"contract":"story","run":"s-1","do":"start"}
{"contract":"story","run":"s-1","do":"step","step":"fetch","to":"Running"}
{"contract":"story","run":"s-1","do":"step","step":"fetch","exit_code":1,"message":"boom"}
{"contract":"story","run":"s-1","do":"cancel"}
{"contract":"story","run":"s-1","do":"tick","at":"2026-02-23T18:05:00Z"}
{"contract":"story","run":"s-2","do":"create","story":{"steps":[{"name":"a"},{"name":"g","type":"gate"}]},"at":"2026-02-23T18:00:00Z"}
{"contract":"story","run":"s-2","do":"start","at":"2026-02-23T18:00:01Z"}
{"contract":"story","run":"s-2","do":"step","step":"a","exit_code":137,"at":"2026-02-23T18:00:02Z"}
{"contract":"story","run":"s-2","do":"gate","step":"g","state":"Rejected","at":"2026-02-23T18:00:03Z"}
{"contract":"story","run":"s-2","do":"redrive","token":"t"}
{"contract":"story","run":"s-2","do":"cancel","how":"now"}
{"contract":"story","run":"s-3","do":"create","story":{"inputsSchema":{"type":"object","required":["x"]}},"inputs":{}}
{"contract":"story","run":"s-3","do":"start"}
{"contract":"story","run":"s-4","do":"create","story":{"inputsSchema":{"type":"no such type"}}}
"#;

#[test]
fn a_story_is_submitted_shown_projected_and_replayed() {
    let room = Room::new();
    let done = room.feed(&["submit"], LINES);
    let results: Vec<Value> = done.lines().iter().map(|line| line["result"].clone()).collect();
    let words = "accepted accepted accepted accepted rejected accepted accepted accepted accepted accepted accepted accepted \
                 accepted accepted refused";
    assert_eq!(results, words.split_whitespace().collect::<Vec<_>>(), "{done:?}");
    assert_eq!(done.lines()[4]["error"]["code"], "ALREADY_TERMINAL");
    let shown = room.ends(0, &["show", "--json", "s-1"]).json();
    assert_eq!((&shown["status"], &shown["reason"]), (&json!("Failed"), &json!("DependencyFailed")));
    assert_eq!(room.ends(0, &["show", "--json", "s-2"]).json()["status"], "Canceled");
    let guarded = room.ends(0, &["show", "--json", "s-3"]).json();
    assert_eq!(guarded["reason"], "InputSchemaFailed", "schemas are checked: {guarded}");
    room.ends(0, &["project", "--out", "."]);
    let status = std::fs::read_to_string(room.path("runs/s-1/status.json")).unwrap();
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["stepStates"]["render"]["message"], "Skipped due to fail-fast policy");
    room.ends(0, &["project", "--check", "."]);
    room.ends(0, &["replay"]);
    room.ends(0, &["verify"]);
}

#[test]
fn payloads_of_stories_are_read() {
    let room = Room::new();
    room.feed(&["submit"], LINES);
    let events = room.ends(0, &["cat", "--json"]).lines();
    for event in &events {
        assert!(event["payload"].get("hex").is_none(), "a payload that is not read: {event}");
    }
    let payload = |kind: &str| &events.iter().find(|event| event["kind"] == kind).unwrap()["payload"];
    assert_eq!(payload("story.created")["story"]["steps"][0]["name"], "fetch");
    assert_eq!(payload("story.moved")["reason"], "StartingExecution");
    assert_eq!(payload("story.rejected")["action"], "cancel");
    assert_eq!(payload("story.gate_decided")["state"], "Rejected");
    assert_eq!(payload("story.redriven")["epoch"], 2);
    assert_eq!(payload("story.cancel_requested")["how"], "now");
    let retry = events.iter().find(|event| event["payload"]["reason"] == "RetryScheduled").unwrap();
    assert_eq!(retry["payload"]["next_retry_at"], "2026-02-23T18:00:03.000000000Z");
}
