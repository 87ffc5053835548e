//! What is recorded of a command beside its words: when, by whom, and what it belongs to.

use crate::support::Room;
use evlog::clock::StepClock;
use evlog::{Options, Request};
use evlog_lifecycle::custom::Custom;
use evlog_projection::Contracts;
use serde_json::{Value, json};
use std::sync::Arc;

fn record(run: &str, more: &Value) -> String {
    let mut line = json!({"contract": "custom", "run": run, "do": "record", "kind": "custom/noted"});
    let Value::Object(more) = more else { panic!("members are an object") };
    for (name, value) in more {
        line[name] = value.clone();
    }
    format!("{line}\n")
}

fn events(room: &Room, arguments: &[&str]) -> Vec<Value> {
    room.ends(0, &[&["cat", "--json"], arguments].concat()).lines()
}

#[test]
fn an_event_says_when_it_was_recorded_and_when_it_happened_and_people_see_where_these_are_apart() {
    let room = Room::new();
    let lines = record("old", &json!({"at": "2001-02-03T04:05:06Z"})) + &record("now", &json!({}));
    room.feed(&["submit"], &lines);
    let all = events(&room, &[]);
    let of = |run: &str| all.iter().find(|event| event["stream"] == run).unwrap();
    assert_eq!(of("old")["occurred"], "2001-02-03T04:05:06.000000000Z");
    assert_eq!(of("now")["occurred"], Value::Null);
    assert!(all.iter().all(|event| event["recorded"].as_str().unwrap() > "2026"), "{all:?}");
    let people = room.ends(0, &["cat"]).out;
    let line = |run: &str| people.lines().find(|line| line.contains(&format!(" {run} "))).unwrap().to_owned();
    assert!(line("old").contains("2001-02-03T04:05:06Z occurred, backdated "), "{people}");
    assert!(!line("now").contains("occurred"), "{people}");
    // Contracts use the time when the event happened.
    assert_eq!(room.ends(0, &["show", "old", "--json"]).json()["created_at_utc"], "2001-02-03T04:05:06.000Z");
}

#[test]
fn an_impossible_time_is_refused_by_name_and_records_nothing() {
    let room = Room::new();
    room.feed(&["submit"], &record("r", &json!({})));
    let before = events(&room, &[]).len();
    for at in ["1969-12-31T23:59:59Z", "2099-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"] {
        let done = room.feed(&["submit"], &record("r", &json!({"at": at})));
        assert_eq!((done.code, &done.json()["error"]["code"]), (1, &json!("AT_OUT_OF_RANGE")), "{done:?}");
        assert!(done.out.contains(at), "{done:?}");
    }
    assert_eq!(events(&room, &[]).len(), before, "a session that recorded nothing leaves no trace");
}

#[test]
fn who_was_authenticated_is_never_what_a_command_says() {
    let room = Room::new();
    room.feed(&["submit"], &record("r", &json!({"actor": "os:nobody-of-that-name"})));
    let all = events(&room, &[]);
    let principals: Vec<&Value> = all.iter().map(|event| &event["principal"]).collect();
    assert!(principals.iter().all(|one| *one == principals[0] && one.as_str().unwrap().starts_with("os:")), "{all:?}");
    let of_run = all.iter().find(|event| event["stream"] == "r").unwrap();
    assert_eq!(of_run["actor"], "os:nobody-of-that-name");
    assert_ne!(of_run["principal"], of_run["actor"]);
    let own = all.iter().find(|event| event["kind"] == "log.created").unwrap();
    assert!(own["actor"].as_str().unwrap().starts_with("evlog submit "), "{own}");
    let refused = room.feed(&["submit"], &record("r", &json!({"principal": "os:root"})));
    assert_eq!(refused.code, 2, "{refused:?}");
}

#[test]
fn events_of_many_runs_are_found_by_what_they_belong_to() {
    let room = Room::new();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let feed = |lines: &str, variables: &[(&str, &str)]| {
        room.write("in.jsonl", lines);
        let mut command = room.command(&["submit", "in.jsonl"]);
        assert!(command.envs(variables.iter().copied()).output().unwrap().status.success(), "{variables:?}");
    };
    feed(
        &(record("a", &json!({"correlation": "req-7"})) + &record("b", &json!({}))),
        &[("EVLOG_CORRELATION", "req-8")],
    );
    feed(&record("c", &json!({"correlation": "req-7"})), &[]);
    feed(&record("d", &json!({})), &[("TRACEPARENT", trace)]);
    feed(&record("e", &json!({})), &[("TRACEPARENT", "nonsense\n")]);
    let streams = |arguments: &[&str]| -> Vec<Value> {
        events(&room, arguments).iter().map(|event| event["stream"].clone()).collect()
    };
    assert_eq!(streams(&["--correlation", "req-7"]), ["a", "c"]);
    assert_eq!(streams(&["--correlation", "req-8"]), ["b"]);
    assert_eq!(streams(&["--correlation", trace]), ["d"]);
    let last = room.ends(0, &["tail", "-n", "1", "--correlation", "req-7", "--json"]).json();
    assert_eq!(last["stream"], "c");
    let mut command = room.command(&["submit", "in.jsonl"]);
    let refused = command.env("EVLOG_CORRELATION", "a\u{7}b").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    // The same command may belong to another request when it is delivered again.
    let once = record("f", &json!({"id": "k", "correlation": "req-9"}));
    room.feed(&["submit"], &once);
    let again = room.feed(&["submit"], &once.replace("req-9", "req-10"));
    assert_eq!(again.json()["result"], "duplicate");
}

#[test]
fn events_are_found_by_the_time_at_which_they_were_recorded() {
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    for run in ["a", "b", "c", "d", "e", "f"] {
        room.feed(&["submit"], &record(run, &json!({"data": "x".repeat(300)})));
    }
    let all = events(&room, &[]);
    let recorded = |run: &str| {
        let event = all.iter().find(|event| event["stream"] == run).unwrap();
        event["recorded"].as_str().unwrap().to_owned()
    };
    let runs = |arguments: &[&str]| -> Vec<Value> {
        let found = events(&room, arguments);
        found.iter().map(|event| event["stream"].clone()).filter(|stream| stream != "$log").collect()
    };
    assert!(room.segments().len() > 3);
    assert_eq!(runs(&["--since", &recorded("c"), "--until", &recorded("e")]), ["c", "d"]);
    assert_eq!(runs(&["--since", &recorded("f")]), ["f"]);
    assert_eq!(runs(&["--until", &recorded("b")]), ["a"]);
    assert_eq!(runs(&["--run", "c", "--since", &recorded("d")]), [] as [Value; 0]);
    room.ends(2, &["cat", "--since", "tomorrow"]);
    let last = |arguments: &[&str]| room.ends(0, &[&["tail", "--json"], arguments].concat()).lines();
    assert_eq!(last(&["--since", &recorded("e"), "-n", "1", "--run", "e"])[0]["stream"], "e");
    assert!(last(&["--until", &recorded("c"), "-n", "99"]).iter().all(|event| event["stream"] != "c"));
    assert_eq!(last(&["--until", &recorded("b"), "--run", "a", "-n", "1"])[0]["stream"], "a");
}

#[test]
fn a_time_can_be_given_as_a_duration_before_now() {
    let room = room_with_marks();
    let count = |arguments: &[&str]| events(&room, arguments).len();
    let all = count(&[]);
    assert_eq!((count(&["--since", "-2h"]), count(&["--until=-2h"])), (all, 0));
    assert_eq!(count(&["--occurred", "--until", "-1h30m"]), 1);
    assert_eq!(count(&["--since", "-1d"]), all, "the units are those of a policy");
    for wrong in ["-2", "-", "-2 h", "-2w", "--2h"] {
        room.ends(2, &["cat", &format!("--since={wrong}")]).says("or 2h (before now)");
    }
}

/// A log with a commit of a run `late` that happened at the last time that there is, recorded now, among others.
fn room_with_the_last_time() -> Room {
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    for run in ["a", "b", "c"] {
        room.feed(&["submit"], &record(run, &json!({"data": "x".repeat(300)})));
    }
    room.write("policy.toml", "[at]\nahead = \"unbounded\"\n");
    room.ends(0, &["policy", "set", "policy.toml"]);
    room.feed(&["submit"], &record("late", &json!({"at": "9999-12-31T23:59:59.999999999Z"})));
    for run in ["d", "e", "f"] {
        room.feed(&["submit"], &record(run, &json!({"data": "x".repeat(300)})));
    }
    room
}

#[test]
fn what_happened_in_the_year_9999_is_shown_found_projected_and_verified() {
    // F-50.
    let room = room_with_the_last_time();
    let found = events(&room, &["--occurred", "--since", "9000-01-01T00:00:00Z"]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (&found[0]["stream"], &found[0]["occurred"]),
        (&json!("late"), &json!("9999-12-31T23:59:59.999999999Z"))
    );
    assert_eq!(events(&room, &["--since", "9000-01-01T00:00:00Z"]).len(), 0, "no clock has said so");
    assert_eq!(events(&room, &["--occurred", "--until", "9999-12-31T23:59:59.999999999Z", "--run", "late"]).len(), 0);
    let both = ["--occurred", "--since", "9000-01-01T00:00:00Z", "--until", "9999-12-31T23:59:59.999999999Z"];
    assert_eq!(events(&room, &both).len(), 0);
    assert!(room.ends(2, &["cat", "--occurred"]).err.contains("--since"), "it says nothing alone");
    let people = room.ends(0, &["cat", "--run", "late"]).out;
    assert!(people.contains("9999-12-31T23:59:59Z occurred, ahead "), "{people}");
    assert_eq!(room.ends(0, &["show", "late", "--json"]).json()["created_at_utc"], "9999-12-31T23:59:59.999Z");
    room.ends(0, &["show", "late"]);
    room.ends(0, &["explain", "late"]);
    assert!(room.ends(0, &["runs"]).out.contains("9999-12-31T23:59:59Z occurred, ahead "));
    room.ends(0, &["project", "--out", "."]);
    assert_eq!(room.ends(0, &["replay", "--json"]).json()["agrees"], true);
    room.ends(0, &["verify"]);
}

#[test]
fn a_log_is_opened_and_closed_only_around_what_it_was_opened_for() {
    let room = Room::new();
    room.ends(0, &["init"]);
    let kinds = |room: &Room| -> Vec<Value> { events(room, &[]).iter().map(|event| event["kind"].clone()).collect() };
    assert_eq!(kinds(&room), ["log.created"]);
    room.write(
        "plan.toml",
        "name = \"p\"\n[[stage]]\nid = \"a\"\nreason_code = \"input_missing\"\ncommand = [\"true\"]\n",
    );
    room.ends(0, &["run", "plan.toml", "--run-id", "r", "-q"]);
    let before = kinds(&room);
    assert_eq!(room.run(&["run", "plan.toml", "--run-id", "r", "-q"]).code, 20);
    room.feed(&["submit"], "{\"contract\":\"status\",\"run\":\"r\",\"do\":\"create\"}\n");
    assert_eq!(kinds(&room), before, "what was refused before anything was recorded leaves no trace");
}

/// A run whose last event is backdated, and one without marks.
fn room_with_marks() -> Room {
    let room = Room::new();
    let lines = [
        json!({"contract": "status", "run": "s", "do": "create"}),
        json!({"contract": "status", "run": "s", "do": "transition", "to": "running", "at": "2001-02-03T04:05:06Z"}),
        json!({"contract": "status", "run": "t", "do": "create"}),
    ];
    room.feed(&["submit"], &lines.map(|line| line.to_string() + "\n").concat());
    room
}

const MARKED: &str = "2001-02-03T04:05:06Z occurred, backdated ";

#[test]
fn every_view_that_shows_a_time_says_which_one_and_marks_what_is_apart() {
    let room = room_with_marks();
    let of = |arguments: &[&str]| room.ends(0, arguments).out;
    let line = |text: &str, with: &str| text.lines().find(|line| line.contains(with)).unwrap_or_default().to_owned();
    let runs = of(&["runs"]);
    assert!(runs.starts_with("RUN") && runs.contains("LAST RECORDED"), "{runs}");
    assert_eq!(runs.matches(&format!("s    last   {MARKED}")).count(), 1, "{runs}");
    assert!(!line(&of(&["runs", "--status", "created"]), "RUN").contains("MARK"), "{runs}");
    let show = of(&["show", "s"]);
    let last = line(&show, "last event");
    assert!(last.contains("seq 3, recorded 20"), "{show}");
    assert!(line(&show, "occurred, backdated").trim_start().starts_with(MARKED), "{show}");
    assert!(line(&show, "times").contains("occurred"), "{show}");
    assert!(!of(&["show", "t"]).contains("backdated"));
    for format in ["text", "markdown"] {
        let explained = of(&["explain", "s", "--format", format]);
        assert!(explained.contains("backdated") && explained.contains("occurred"), "{explained}");
        assert!(!of(&["explain", "t", "--format", format]).contains("backdated"));
    }
    let frames = of(&["inspect", "--segment", "0"]);
    assert!(frames.contains("RECORDED") && frames.matches(MARKED).count() == 1, "{frames}");
    assert!(of(&["cat", "--run", "s"]).contains(MARKED));
}

#[test]
fn programs_get_both_times_and_the_mark() {
    let room = room_with_marks();
    let lines = |arguments: &[&str]| room.ends(0, arguments).lines();
    let is_marked = |times: &Value| {
        let occurred = times["occurred"].as_str() == Some("2001-02-03T04:05:06.000000000Z");
        assert!(times["recorded"].is_string(), "{times}");
        assert_eq!(times["mark"], if occurred { json!("backdated") } else { Value::Null }, "{times}");
        occurred
    };
    let events = lines(&["cat", "--run", "s", "--json"]);
    assert_eq!(events.iter().map(is_marked).collect::<Vec<_>>(), [false, true]);
    let runs = lines(&["runs", "--json"]);
    let ends: Vec<bool> = runs.iter().flat_map(|run| [is_marked(&run["first"]), is_marked(&run["last"])]).collect();
    assert_eq!(ends, [false, true, false, false]);
    let explained = room.ends(0, &["explain", "s", "--json"]).json();
    let reasons = explained["reasons"].as_array().unwrap();
    let times: Vec<&Value> = reasons.iter().flat_map(|reason| reason["times"].as_array().unwrap()).collect();
    assert!(times.iter().any(|times| is_marked(times)), "{explained}");
    let frames = lines(&["inspect", "--segment", "0", "--json"]);
    assert_eq!(frames.iter().filter(|frame| frame["what"] == "frame" && is_marked(frame)).count(), 1);
}

#[test]
fn checked_evidence_says_when_the_events_were_recorded_and_which_are_backdated() {
    let room = room_with_marks();
    room.ends(0, &["key", "new", "example.com/builds"]);
    room.ends(0, &["checkpoint", "--key", "builds.key"]);
    for (run, marks) in [("s", 1), ("t", 0)] {
        let page = format!("{run}.html");
        room.ends(0, &["evidence", run, "--out", &page]);
        let check = ["check-evidence", page.as_str(), "--key", "builds.pub"];
        let people = room.ends(0, &check).out;
        assert!(people.contains("\nrecorded  20"), "{people}");
        assert_eq!(people.matches(MARKED).count(), marks, "{people}");
        let found = room.ends(0, &[&check[..], &["--json"]].concat()).json();
        let marked = found["marked"].as_array().unwrap();
        assert_eq!(marked.iter().filter(|event| event["mark"] == "backdated").count(), marks, "{found}");
        assert_eq!(marked.len(), marks);
        assert!(found["first"]["recorded"].as_str() <= found["last"]["recorded"].as_str(), "{found}");
    }
}

/// Records events at these times, in seconds, each in a session of its own.
pub(crate) fn recorded_at(room: &Room, seconds: &[i64]) {
    for (number, second) in seconds.iter().enumerate() {
        let clock = Arc::new(StepClock::new(second * 1_000_000_000, 1));
        let log = Options { clock, ..Options::new("tests") }.open(room.path("evlog"), Contracts::new().with(Custom));
        let log = log.unwrap();
        log.submit(&Request::parse_line(record(&format!("r{number}"), &json!({})).as_bytes()).unwrap())
            .unwrap()
            .into_accepted()
            .unwrap();
        log.close().unwrap();
    }
}

#[test]
fn every_command_that_reads_shows_the_log_as_it_was_at_a_time() {
    let room = Room::new();
    // At 09:00, 10:00 and 11:00 UTC of 2026-03-02.
    recorded_at(&room, &[1_772_442_000, 1_772_445_600, 1_772_449_200]);
    let runs = |at: &str| room.ends(0, &["runs", "--json", "--at", at]).lines().len();
    assert_eq!((runs("2026-03-02T08:59:59Z"), runs("2026-03-02T09:30:00Z"), runs("2026-03-03")), (0, 1, 3));
    assert_eq!(runs("now"), 3);
    // The same moment in a zone one hour ahead.
    let zoned = room.ends(0, &["runs", "--json", "--at", "2026-03-02T11:30", "--tz", "Europe/Zurich"]);
    assert_eq!(zoned.lines().len(), 2);
    let at = ["--at", "2026-03-02T09:30:00Z"];
    room.ends(0, &[&["show", "r0"], &at[..]].concat());
    room.ends(1, &[&["show", "r1"], &at[..]].concat()).says("no run `r1`");
    room.ends(1, &[&["explain", "r1"], &at[..]].concat()).says("no run `r1`");
    room.ends(0, &[&["explain", "r0"], &at[..]].concat());
    for command in ["cat", "tail"] {
        let all = room.ends(0, &[&[command, "--json"], &at[..]].concat()).lines();
        assert!(all.iter().all(|event| event["recorded"].as_str().unwrap() < "2026-03-02T09:30"), "{all:?}");
        assert!(all.iter().any(|event| event["stream"] == "r0"), "{all:?}");
    }
    assert_eq!(room.ends(0, &[&["replay", "--json"], &at[..]].concat()).json()["runs"], 1);
    assert_eq!(room.ends(0, &[&["audit", "--json"], &at[..]].concat()).json()["runs"], 1);
    room.ends(0, &[&["project", "--out", "then", "--no-record"], &at[..]].concat());
    assert!(room.path("then/runs/r0").is_dir() && !room.path("then/runs/r1").exists());
    room.ends(0, &[&["project", "--check", "then"], &at[..]].concat());
}

#[test]
fn a_time_at_which_the_log_has_two_ends_is_refused_with_both_seqs() {
    let room = Room::new();
    // 09:00, 11:00, and 10:00 after the clock went back.
    recorded_at(&room, &[1_772_442_000, 1_772_449_200, 1_772_445_600]);
    let all = events(&room, &[]);
    let last = all.last().unwrap()["seq"].to_string();
    let later = all.iter().find(|event| event["recorded"].as_str().unwrap() > "2026-03-02T10:30").unwrap();
    for command in [&["runs"][..], &["cat"], &["tail"], &["audit"], &["replay"], &["show", "r0"], &["explain", "r0"]] {
        let done = room.ends(2, &[command, &["--at", "2026-03-02 10:30"]].concat());
        done.says("--at 2026-03-02 10:30: the clock went back").says("name the seq instead of the time");
        done.says(&format!("event {} was recorded after this time, and event {last} at or before it", later["seq"]));
    }
    room.ends(0, &["runs", "--at", "2026-03-02 09:30"]);
    room.ends(0, &["runs", "--at", "2026-03-02 11:30"]);
    room.ends(0, &["runs", "--at", &last]);
}

#[test]
fn what_is_neither_a_seq_nor_a_time_is_refused_by_name() {
    let room = Room::with_batch();
    room.ends(2, &["runs", "--at", "tomorrow"]).says("--at: expected a time such as").says("found `tomorrow`");
    room.ends(2, &["runs", "--at", "99999999999999999999"]).says("expected a seq or a time, found the number");
    room.ends(2, &["runs", "--at", "2026-10-25T02:30", "--tz", "Europe/Zurich"]).says("occurs twice");
    room.ends(2, &["runs", "--at", "1", "--tz", "Europe/Nowhere"]).says("expected a time zone");
}

#[test]
fn every_command_says_that_a_seq_within_a_commit_shows_the_log_before_that_commit() {
    let room = Room::new();
    // Seq 3 and 4 are one commit: a rejection, and the failure that it forces.
    let lines = r#"{"contract":"status","run":"b","do":"create","data":{}}
{"contract":"status","run":"b","do":"transition","to":"success"}
"#;
    room.feed(&["submit"], lines);
    let commands: [&[&str]; 12] = [
        &["show", "b", "--at", "3"],
        &["runs", "--at", "3"],
        &["explain", "b", "--at", "3"],
        &["explain", "b", "--why", "/status", "--at", "3"],
        &["cat", "--at", "3"],
        &["tail", "--at", "3"],
        &["audit", "--at", "3"],
        &["replay", "--at", "3"],
        &["project", "--out", "o", "--no-record", "--at", "3"],
        &["export", "--format", "jsonl", "--out", "e", "--at", "3"],
        &["diff", "2", "3"],
        &["diff", "--other", "evlog", "--at", "3"],
    ];
    for command in commands {
        let done = room.ends(0, command);
        done.says(
            " 3 is within the commit of events 3 to 4, which is left out: this is the log right after seq 2; 4 is the end of the commit",
        );
    }
    room.ends(1, &["diff", "3", "4"]).says("warning: A 3 is within the commit of events 3 to 4");
    room.ends(0, &["cat", "--at", "0"]).says("0 to 1, which is left out: this is the log before its first event");
    for at in ["2", "4"] {
        assert!(!room.ends(0, &["show", "b", "--at", at]).err.contains("within"));
    }
    // A policy judges the whole commit, so any of its events can be used here.
    assert!(!room.ends(0, &["policy", "show", "--at", "3"]).err.contains("within"));
    room.ends(2, &["policy", "show", "--at", "99"])
        .says("--at 99: expected the seq of a committed event, found a later one");
}

#[test]
fn a_run_that_began_later_is_not_said_to_be_unknown() {
    let room = Room::with_batch();
    for command in [&["show"][..], &["explain"], &["cat", "--run"], &["audit", "--run"], &["tail", "--run"]] {
        let done = room.ends(1, &[command, &["RUN_0002", "--at", "3"]].concat());
        done.says("no run `RUN_0002` in log `./evlog` up to seq 3")
            .says("`evlog runs` with the same `--at` lists the runs");
    }
}
