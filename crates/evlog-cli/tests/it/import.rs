//! `evlog import`: a new log from an export, which says only what is true of the new log.

use crate::export::names;
use crate::support::Room;
use serde_json::{Value, json};
use std::fs;

/// An event without what a new log has of its own.
fn kept(mut event: Value) -> Value {
    for own in ["seq", "commit", "recorded", "principal", "mark", "causation"] {
        event[own] = Value::Null;
    }
    event
}

#[test]
fn an_imported_log_has_the_same_events_and_says_only_what_is_true_of_it() {
    let room = Room::new();
    let lines = r#"{"contract":"custom","run":"a","do":"record","kind":"custom/x","data":{"n":1e21,"t":"\u202e"},"at":"2026-03-02T09:00:00Z","actor":"ann","correlation":"c","id":"k"}
{"contract":"custom","run":"b","do":"record","kind":"custom/y","causation":2}
{"contract":"custom","run":"a","do":"record","kind":"custom/z","data":[null,-0.5]}
"#;
    room.feed(&["submit"], lines);
    room.feed(&["submit"], "{\"contract\":\"custom\",\"run\":\"a\",\"do\":\"record\",\"kind\":\"custom/late\"}\n");
    room.ends(0, &["export", "--format", "jsonl", "--out", "e.jsonl"]);
    let imported = room.ends(0, &["--log", "copy", "import", "jsonl", "e.jsonl", "--json"]).json();
    assert_eq!((&imported["events"], &imported["runs"]), (&json!(4), &json!(2)));
    // `log.closed` is the last event.
    let copied =
        room.ends(0, &["--log", "copy", "export", "--format", "jsonl", "--out", "copy.jsonl", "--json"]).json();
    assert_eq!(imported["next_seq"], copied["next_seq"]);
    room.ends(0, &["--log", "copy", "verify"]);
    let events = |log: &str| -> Vec<Value> {
        let all = room.ends(0, &["--log", log, "cat", "--json", "--where", "stream!=$log"]).lines();
        all.into_iter().collect()
    };
    let (old, new) = (events("evlog"), events("copy"));
    let keep = |events: &[Value]| events.iter().cloned().map(kept).collect::<Vec<_>>();
    assert_eq!(keep(&old), keep(&new));
    // The cause is the same event, under its new seq.
    assert_eq!(new[1]["causation"], new[0]["seq"]);
    assert_ne!(old[0]["recorded"], new[0]["recorded"]);
    // A correlation of who imports is not one of the events.
    room.ends(0, &["--log", "copy", "export", "--format", "jsonl", "--out", "again.jsonl"]);
    let mut command = room.command(&["--log", "third", "import", "jsonl", "again.jsonl"]);
    assert!(command.env("EVLOG_CORRELATION", "mine").status().unwrap().success());
    assert_eq!(keep(&events("third")), keep(&old));
}

#[test]
fn an_import_that_cannot_keep_an_event_makes_no_log() {
    let room = Room::with_batch();
    room.ends(0, &["export", "--format", "jsonl", "--out", "e.jsonl"]);
    room.feed(
        &["submit"],
        "{\"contract\":\"custom\",\"run\":\"order-7\",\"do\":\"record\",\"kind\":\"custom/late\"}\n",
    );
    let run = ["export", "--format", "jsonl", "--run", "order-7"];
    room.ends(0, &[&run[..], &["--out", "good.jsonl"]].concat());
    room.ends(0, &[&run[..], &["--kind", "custom/late", "--out", "part.jsonl"]].concat());
    let good = fs::read_to_string(room.path("good.jsonl")).unwrap();
    room.write("cause.jsonl", &good.replacen("\"causation\":null", "\"causation\":1", 1));
    room.write("later.jsonl", &good.replacen("\"kind_version\":1", "\"kind_version\":2", 1));
    room.write("keys.jsonl", &good.replace("\"id\":null", "\"id\":\"k\""));
    room.write("broken.jsonl", &(good.clone() + "{"));
    room.write("bare.jsonl", &good.replacen(",\"payload\":", ",\"left\":", 1));
    room.write("uncaused.jsonl", &good.replacen("\"causation\":", "\"cause\":", 1));
    room.write("hidden.jsonl", &good.replacen("\"stream\":\"order-7\"", "\"stream\":\"$log\"", 1));
    room.write("twice.jsonl", &(good.clone() + &good));
    room.write("deep.jsonl", &good.replacen("\"payload\":{", "\"payload\":{\"n\":1e999,", 1));
    room.write("run.jsonl", &good.replace("\"stream\":\"order-7\"", "\"stream\":\"a b\""));
    room.write("kind.jsonl", &good.replacen("\"kind\":\"custom/", "\"kind\":\"custom/ ", 1));
    room.write("never.jsonl", &good.replacen("\"occurred\":null", "\"occurred\":\"then\"", 1));
    let before = names(&room);
    for (file, sentence) in [
        ("e.jsonl", "expected an event of contract `custom`, found `status.created`"),
        ("part.jsonl", "line 1: run `order-7`: expected event 0 of the run, found event 1"),
        ("cause.jsonl", "expected an earlier line with seq 1, which caused this event"),
        ("later.jsonl", "line 1: expected a kind_version of 1 and a protection of 0, found 2 and 0"),
        ("keys.jsonl", "line 2: the event cannot be recorded"),
        ("bare.jsonl", "line 1: expected the member `payload`, found none"),
        ("uncaused.jsonl", "line 1: expected the member `causation`, found none"),
        ("hidden.jsonl", "in a run, found it in `$log`"),
        ("twice.jsonl", "line 3: expected a seq above"),
        ("deep.jsonl", "line 1: not JSON: column "),
        ("never.jsonl", "line 1: /occurred: expected"),
        ("run.jsonl", "line 1: /stream: expected"),
        ("kind.jsonl", "line 1: /kind: expected"),
        ("broken.jsonl", "line 3: not JSON"),
        ("none.jsonl", "import: could not read `none.jsonl`"),
    ] {
        room.ends(2, &["--log", "copy", "import", "jsonl", file]).says(sentence);
        assert_eq!(names(&room), before, "{file}");
    }
    room.ends(2, &["import", "jsonl", "good.jsonl"]).says("an import makes a new log");
    room.ends(0, &["--log", "copy", "import", "jsonl", "good.jsonl"]);
}

/// A chain of commands, each caused by the one before: an error names the line of its event, even if many events wait for
/// the disk.
#[test]
fn an_event_that_cannot_be_recorded_is_named_by_its_line_alone() {
    let room = Room::new();
    let event = |seq: u64, run: &str, number: u64, causation: &Value, id: &str| {
        json!({"seq": seq, "stream": run, "number": number, "kind": "custom/x", "kind_version": 1, "causation": causation,
            "occurred": null, "actor": "ann", "correlation": null, "id": id, "protection": 0, "payload": null})
        .to_string()
            + "\n"
    };
    let (first, twice) = (event(0, "a", 0, &Value::Null, "k"), event(1, "a", 1, &Value::Null, "k"));
    room.write("caused.jsonl", &(first.clone() + &twice + &event(2, "b", 0, &json!(1), "l")));
    let many: String = (2..5000).map(|seq| event(seq, &format!("r{seq}"), 0, &Value::Null, "k")).collect();
    room.write("many.jsonl", &(first + &twice + &many));
    for file in ["caused.jsonl", "many.jsonl"] {
        let done = room.ends(2, &["--log", "copy", "import", "jsonl", file]);
        done.says("line 2: the event cannot be recorded");
        assert_eq!(done.err.matches("line ").count(), 1, "{done:?}");
    }
}

#[test]
fn a_line_longer_than_any_event_is_refused_before_it_is_read_to_its_end() {
    let room = Room::new();
    let line = "x".repeat((64 << 20) + 1);
    room.feed(&["--log", "copy", "import", "jsonl", "-"], &line).says("line 1: expected at most 67108864 bytes");
    assert!(names(&room).is_empty());
}

/// The seqs of two exports are independent: a cause could refer to an event of the other log.
#[test]
fn two_exports_in_one_file_are_refused() {
    let room = Room::new();
    let line = |run: &str, more: &str| {
        format!("{{\"contract\":\"custom\",\"run\":\"{run}\",\"do\":\"record\",\"kind\":\"custom/x\"{more}}}\n")
    };
    let of_a: String = (0..4).map(|nth| line(&format!("a{nth}"), "")).collect();
    assert_eq!(room.feed(&["submit", "--log", "one"], &of_a).code, 0);
    let of_b = line("hidden", "") + &line("b", ",\"causation\":2");
    assert_eq!(room.feed(&["submit", "--log", "other"], &of_b).code, 0);
    room.ends(0, &["--log", "one", "export", "--format", "jsonl", "--out", "one.jsonl"]);
    room.ends(0, &["--log", "other", "export", "--format", "jsonl", "--run", "b", "--out", "other.jsonl"]);
    let read = |path| fs::read_to_string(room.path(path)).unwrap();
    room.write("both.jsonl", &(read("one.jsonl") + &read("other.jsonl")));
    for (file, sentence) in
        [("other.jsonl", "expected an earlier line with seq 2"), ("both.jsonl", "expected a seq above ")]
    {
        room.ends(2, &["--log", "copy", "import", "jsonl", file]).says(sentence);
    }
}
