//! `cat`, `runs`, `show`, `replay`: what they answer, as of now and as of earlier.

use crate::forge::rewrite;
use crate::outside::line;
use crate::support::Room;
use evlog_format::{CommitReader, FRAME_HEADER_LEN, SEGMENT_HEADER_LEN, SegmentHeader};
use serde_json::{Value, json};
use std::fs;

#[test]
fn cat_gives_every_event_in_order_with_its_payload_read() {
    let room = Room::with_batch();
    let events = room.ends(0, &["cat", "--json"]).lines();
    for (seq, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], seq);
        assert!(event["payload"].get("hex").is_none(), "a payload that is not read: {event}");
    }
    let by_kind = |kind: &str| events.iter().find(|event| event["kind"] == kind).unwrap();
    let created = by_kind("status.created");
    let expected = json!({
        "seq": 2, "commit": 2, "stream": "RUN_0001", "number": 0,
        "kind": "status.created", "kind_version": 1, "causation": null, "recorded": created["recorded"],
        "occurred": "2026-02-23T18:00:00.000000000Z", "mark": "backdated", "actor": "agent:intake", "principal": created["principal"],
        "correlation": null, "id": "c1", "protection": 0, "payload": created["payload"],
    });
    assert_eq!(*created, expected);
    assert_eq!(created["payload"]["root_run_id"], "RUN_0001");
    assert_eq!(by_kind("custom/shipped")["payload"], json!({"by": "sea"}));
    assert_eq!(by_kind("pipeline.finalized")["payload"], json!({"status": "failed", "exit_code": 20}));
    let outcome = &by_kind("pipeline.outcome_recorded")["payload"];
    assert_eq!((&outcome["status"], &outcome["fail_mode"]), (&json!("failed"), &json!("fail_closed")));
    let forced = by_kind("status.forced_failed");
    assert_eq!(forced["causation"], by_kind("status.rejected")["seq"]);
    assert_eq!(forced["payload"]["diagnostic"]["category"], "workflow");
}

#[test]
fn the_payload_of_every_kind_that_commands_lead_to_is_read() {
    let room = Room::with_batch();
    let done = room.feed(
        &["submit"],
        r#"{"contract":"status","run":"A","do":"create","data":{"notes":"n"}}
{"contract":"status","run":"A","do":"transition","to":"running"}
{"contract":"status","run":"A","do":"transition","to":"failed"}
{"contract":"status","run":"A","do":"override","to":"waiting","ticket":"T-1","reason":"r"}
{"contract":"status","run":"NOT","do":"transition","to":"running"}
{"contract":"status","run":"A","do":"cancel"}
{"contract":"pipeline","run":"p","do":"create","pipeline":{"name":"own","stages":[{"id":"one"}]}}
{"contract":"pipeline","run":"p","do":"begin","stage":"one"}
{"contract":"pipeline","run":"p","do":"begin","stage":"two"}
{"contract":"pipeline","run":"p","do":"intend","stage":"one","artifacts":[]}
{"contract":"pipeline","run":"p","do":"publish","stage":"one","artifacts":[]}
"#,
    );
    let results: Vec<Value> = done.lines().iter().map(|line| line["result"].clone()).collect();
    let words = "accepted accepted refused accepted rejected accepted accepted accepted refused accepted accepted";
    assert_eq!(results, words.split(' ').collect::<Vec<_>>(), "{done:?}");
    room.ends(0, &["project", "--out", "."]);
    let events = room.ends(0, &["cat", "--json"]).lines();
    for event in &events {
        assert!(event["payload"].get("hex").is_none(), "a payload that is not read: {event}");
    }
    let payload = |kind: &str| &events.iter().rfind(|event| event["kind"] == kind).unwrap()["payload"];
    assert_eq!(payload("status.refused")["reason"], "diagnostic_missing");
    assert_eq!(payload("status.overridden")["ticket"], "T-1");
    assert_eq!(payload("status.rejected")["reason"], "unknown_run_id");
    assert_eq!(payload("status.created")["details"]["notes"], "n");
    assert_eq!(payload("pipeline.created")["definition_text"]["name"], "own");
    assert_eq!(payload("pipeline.refused")["code"], "UNKNOWN_STAGE");
    assert_eq!(payload("log.projection_published")["run"], "p");
}

#[test]
fn cat_can_be_cut_by_run_and_by_seq() {
    let room = Room::with_batch();
    let all = room.ends(0, &["cat", "--json"]).lines();
    let next = all.len();
    let seqs = |arguments: &[&str]| -> Vec<Value> {
        room.ends(0, arguments).lines().iter().map(|event| event["seq"].clone()).collect()
    };
    assert_eq!(seqs(&["cat", "--json", "--from", &(next - 1).to_string()]), [json!(next - 1)]);
    assert_eq!(seqs(&["cat", "--json", "--from", &next.to_string()]), [] as [Value; 0]);
    let of_run: Vec<Value> =
        all.iter().filter(|event| event["stream"] == "RUN_0001").map(|event| event["seq"].clone()).collect();
    assert_eq!(seqs(&["cat", "--json", "--run", "RUN_0001"]), of_run);
    assert_eq!(seqs(&["cat", "--json", "--run", "RUN_0001", "--from", "3", "--at", "3"]), [json!(3)]);
    assert_eq!(seqs(&["cat", "--json", "--run", "$log"])[0], json!(0));
}

#[test]
fn a_commit_is_shown_whole_or_not_at_all() {
    let room = Room::with_batch();
    // The first commit holds seq 0 and 1, what the log says of itself; the second holds seq 2.
    assert_eq!(room.ends(0, &["cat", "--json", "--at", "0"]).lines().len(), 0);
    assert_eq!(room.ends(0, &["cat", "--json", "--at", "1"]).lines().len(), 2);
    assert_eq!(room.ends(0, &["cat", "--json", "--at", "2"]).lines().len(), 3);
}

#[test]
fn people_see_one_line_for_each_event_without_colour_in_a_pipe() {
    let room = Room::with_batch();
    let done = room.ends(0, &["cat"]);
    assert!(!done.out.contains('\u{1b}'), "{}", done.out);
    let line = done.out.lines().nth(3).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((words[0], words[2], words[3]), ("3", "RUN_0001", "status.transitioned"));
    assert!(line.contains("from=created to=running") || line.contains("from=created"), "{line}");
    assert!(done.out.lines().all(|line| line.trim_end() == line));
}

#[test]
fn runs_lists_states_and_can_be_narrowed() {
    let room = Room::with_batch();
    let states = |arguments: &[&str]| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        room.ends(0, arguments).lines().iter().map(|run| (text(&run["run"]), text(&run["status"]))).collect()
    };
    let pair = |run: &str, status: &str| (run.to_owned(), status.to_owned());
    let pipeline = "11111111-1111-4111-8111-111111111111";
    let all =
        [pair("RUN_0001", "failed"), pair("RUN_0002", "failed"), pair(pipeline, "failed"), pair("order-7", "open")];
    assert_eq!(states(&["runs", "--json"]), all);
    assert_eq!(states(&["runs", "--json", "--contract", "pipeline"]), all[2..3]);
    assert_eq!(states(&["runs", "--json", "--contract", "purple-axiom"]), all[2..3]);
    let named = room.ends(0, &["runs", "--json", "--contract", "pipeline"]).lines();
    assert_eq!(named[0]["definition"], "purple-axiom");
    assert!(room.ends(0, &["runs"]).out.contains("pipeline purple-axiom"));
    assert_eq!(states(&["runs", "--json", "--status", "open"]), all[3..]);
    assert_eq!(states(&["runs", "--json", "--at", "3"]), [pair("RUN_0001", "running")]);
    let table = room.ends(0, &["runs"]).out;
    assert!(table.starts_with("RUN "), "{table}");
    let (runs, marks) = table.split_once("\n\n").unwrap();
    assert_eq!(runs.lines().count(), 5, "{table}");
    // Only one run has an event whose command says when it occurred.
    assert!(marks.contains("\nRUN_0001  first  2026-02-23T18:00:00Z occurred, backdated "), "{table}");
    assert_eq!(marks.lines().count(), 2, "{table}");
}

#[test]
fn show_gives_run_json_byte_for_byte() {
    let room = Room::with_batch();
    room.ends(0, &["project", "--out", "."]);
    for run in ["RUN_0001", "RUN_0002", "11111111-1111-4111-8111-111111111111", "order-7"] {
        let mut expected = fs::read_to_string(room.path(&format!("runs/{run}/run.json"))).unwrap();
        expected.push('\n');
        assert_eq!(room.ends(0, &["show", run, "--json"]).out, expected);
        assert!(room.ends(0, &["show", run]).out.contains("status"));
    }
    let earlier = room.ends(0, &["show", "RUN_0001", "--json", "--at", "3"]).json();
    assert_eq!(earlier["status"], "running");
    room.ends(1, &["show", "RUN_0002", "--at", "3"]);
}

#[test]
fn a_replay_agrees_with_what_was_published_and_is_the_same_twice() {
    let room = Room::with_batch();
    let before = room.ends(0, &["replay", "--json"]).json();
    assert_eq!((&before["agrees"], &before["compared"], &before["runs"]), (&json!(true), &json!(0), &json!(4)));
    room.ends(0, &["project", "--out", "."]);
    let after = room.ends(0, &["replay", "--json"]).json();
    assert_eq!(after["compared"], after["files"]);
    assert_eq!(after["digest"], before["digest"], "what was published changes no projection");
    assert_eq!(after, room.ends(0, &["replay", "--json"]).json());
    assert!(room.ends(0, &["replay"]).out.contains("agrees"));
}

#[test]
fn quiet_says_nothing_and_answers_all() {
    let room = Room::new();
    let line = r#"{"contract":"status","run":"A","do":"create"}"#;
    let done = room.feed(&["submit", "-q"], line);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert_eq!(done.lines().len(), 1);
}

#[test]
fn the_log_can_be_named_by_option_and_by_environment() {
    let room = Room::new();
    let line = r#"{"contract":"status","run":"A","do":"create"}"#;
    assert_eq!(room.feed(&["submit", "--log", "there"], line).code, 0);
    assert!(room.path("there/segments").is_dir() && !room.path("evlog").exists());
    let named = room.command(&["runs"]).env("EVLOG_LOG", "there").output().unwrap();
    assert!(named.status.success());
    assert_eq!(room.ends(0, &["runs", "--log", "there", "--json"]).lines().len(), 1);
}

#[test]
fn cat_shows_the_numbers_of_a_payload_as_they_are_recorded() {
    let room = Room::new();
    let numbers = "[1e16,100000000000000000000,18446744073709552000,1e21,0.1,-0]";
    let line = format!(
        "{{\"contract\":\"custom\",\"run\":\"r\",\"do\":\"record\",\"kind\":\"custom/x\",\"data\":{numbers}}}\n"
    );
    room.feed(&["submit"], &line);
    let shown = room.ends(0, &["cat", "--run", "r", "--json"]).out;
    let recorded = "\"payload\":[10000000000000000,100000000000000000000,18446744073709552000,1e+21,0.1,0]}";
    assert!(shown.trim_end().ends_with(recorded), "{shown}");
}

#[test]
fn no_event_of_a_commit_whose_body_is_refused_is_shown() {
    // Rules F-05, F-30.
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    room.feed(&["submit"], &line("a", 0));
    // A rejection and what it forces are one commit.
    let rejected = r#"{"contract":"status","run":"a-status","do":"transition","to":"success"}"#;
    let created = r#"{"contract":"status","run":"a-status","do":"create"}"#;
    room.feed(&["submit"], &format!("{created}\n{rejected}\n"));
    room.feed(&["submit"], &(1..60).map(|number| line("a", number)).collect::<String>());
    assert!(room.segments().len() > 2);
    let frames = room.ends(0, &["inspect", "--segment", "0", "--json"]).lines();
    let of_two = frames.iter().position(|frame| frame["events"] == 2).unwrap();
    // It says that it holds one event less than there are.
    let mut first = 0;
    rewrite(&room.segments()[0], of_two, |body| {
        let commit = CommitReader::new(body, 0).unwrap();
        let (head, left) = (commit.head.first_seq, commit.left());
        first = usize::try_from(head.0).unwrap();
        let says_less = |at: &usize| {
            let mut other = body.to_vec();
            other[*at] = other[*at].wrapping_sub(1);
            CommitReader::new(&other, 0).is_ok_and(|found| (found.head.first_seq, found.left()) == (head, left - 1))
        };
        let at = (0..body.len()).find(says_less).unwrap();
        body[at] -= 1;
    });
    let shown = room.ends(2, &["cat", "--json"]);
    assert_eq!(shown.lines().len(), first, "{shown:?}");
    let run = room.ends(2, &["cat", "--run", "a-status", "--json"]);
    assert!(run.lines().iter().all(|event| event["seq"].as_u64() < Some(first as u64)), "{run:?}");
}

/// A log whose last segment is damaged, in its second commit or in its header; with the seq of the first event that is not
/// before that.
fn damaged_at_the_end(room: &Room, in_header: bool) -> usize {
    room.ends(0, &["init", "--segment-limit", "1024"]);
    let of = |number| line(if number % 2 == 0 { "even" } else { "odd" }, number);
    assert_eq!(room.feed(&["submit"], &(0..30).map(of).collect::<String>()).code, 0);
    let segment = room.segments().pop().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let first_seq = SegmentHeader::decode(&bytes[..SEGMENT_HEADER_LEN]).unwrap().first_seq;
    let len = u32::from_le_bytes(*bytes[SEGMENT_HEADER_LEN..].first_chunk().unwrap());
    let second = SEGMENT_HEADER_LEN + FRAME_HEADER_LEN + usize::try_from(len).unwrap();
    let commit = CommitReader::new(&bytes[second + FRAME_HEADER_LEN..], 0).unwrap();
    let (at, seq) = if in_header { (20, first_seq) } else { (second + FRAME_HEADER_LEN + 9, commit.head.first_seq) };
    bytes[at] ^= 1;
    fs::write(segment, bytes).unwrap();
    usize::try_from(seq.0).unwrap()
}

#[test]
fn events_before_damage_in_the_last_segment_are_shown_before_the_error() {
    for in_header in [false, true] {
        let room = Room::new();
        let before = damaged_at_the_end(&room, in_header);
        let shown = [
            &["cat"][..],
            &["tail", "-n", "1000"],
            &["tail", "-f", "-n", "1000"],
            &["cat", "--since", "1971-01-01T00:00:00Z"],
            &["tail", "-n", "1000", "--since", "1971-01-01T00:00:00Z"],
        ];
        for arguments in shown {
            let done = room.ends(2, &[arguments, &["--json"]].concat());
            done.says("damaged");
            assert_eq!(done.lines().len(), before, "{arguments:?}, in the header: {in_header}");
        }
        let of_run = ["--run", "odd", "--json"];
        let counts =
            [&["cat"][..], &["tail", "-n", "1000"], &["tail", "-n", "1000", "--since", "1971-01-01T00:00:00Z"]];
        for arguments in counts {
            let done = room.ends(2, &[arguments, &of_run].concat());
            done.says("damaged");
            assert!(done.lines().len() > 3, "{arguments:?}: {done:?}");
        }
        assert!(room.run(&["inspect", "--segment", "2", "--json"]).lines().len() > 1);
        room.ends(1, &["verify"]).says("damaged");
        for command in [&["runs", "--json"][..], &["show", "odd", "--json"]] {
            assert!(!room.ends(2, command).lines().is_empty(), "{command:?}");
        }
        // A verdict is not given on a part, unless that part is asked for.
        let last = (before - 1).to_string();
        for command in [&["runs"][..], &["show", "odd"], &["replay"]] {
            room.ends(2, command).says("damaged");
            room.ends(0, &[command, &["--at", &last]].concat());
            room.ends(2, &[command, &["--at", "1000"]].concat()).says("damaged");
        }
    }
}

#[test]
fn runs_are_selected_by_name_contract_status_who_began_them_and_when() {
    let room = Room::with_batch();
    room.feed(
        &["submit"],
        "{\"contract\":\"custom\",\"run\":\"old\",\"do\":\"record\",\"kind\":\"custom/a\",\"at\":\"2001-01-01T00:00:00Z\"}\n",
    );
    let names = |options: &[&str]| -> Vec<String> {
        let lines = room.ends(0, &[&["runs", "--json"], options].concat()).lines();
        lines.iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["--run", "RUN_*"]), ["RUN_0001", "RUN_0002"]);
    assert_eq!(names(&["--run", "RUN_0001", "--run", "order-?"]), ["RUN_0001", "order-7"]);
    assert_eq!(names(&["--actor", "agent:*"]), ["RUN_0001"], "by who began it, and not by who went on with it");
    assert_eq!(names(&["--status", "failed", "--status", "success", "--contract", "status"]), ["RUN_0001", "RUN_0002"]);
    assert_eq!(names(&["--contract", "custom", "--contract", "status"]).len(), 4);
    assert_eq!(names(&["--since", "1h"]).len(), 5);
    assert_eq!(names(&["--until", "1h"]).len(), 0);
    // RUN_0001 and `old` say that they began earlier.
    assert_eq!(names(&["--occurred", "--until", "2002-01-01"]), ["old"]);
    assert_eq!(names(&["--occurred", "--since", "2002-01-01", "--until", "2026-02-24"]), ["RUN_0001"]);
    room.ends(2, &["runs", "--occurred"]).says("--occurred does nothing alone");
    room.ends(2, &["runs", "--kind", "status.created"]).says("unexpected argument '--kind'");
}

#[test]
fn runs_shows_the_last_ones_with_their_duration_and_actor() {
    let room = Room::with_batch();
    let all = room.ends(0, &["runs", "--json"]).lines();
    let last = room.ends(0, &["runs", "--json", "--last", "2"]).lines();
    assert_eq!(last, all[all.len() - 2..]);
    assert_eq!(room.ends(0, &["runs", "--json", "--last", "99"]).lines(), all);
    assert!(room.ends(0, &["runs", "--json", "--last", "0"]).lines().is_empty());
    assert!(all.iter().all(|run| run["duration_ms"].is_u64()), "{all:?}");
    assert_eq!(all[0]["actor"], room.ends(0, &["cat", "--json", "--run", "RUN_0001"]).lines()[0]["actor"]);
    let table = room.ends(0, &["runs"]).out;
    assert!(table.lines().next().unwrap().ends_with("DURATION  ACTOR"), "{table}");
}

#[test]
fn a_status_is_found_in_any_case_and_a_contract_tells_two_spellings_apart() {
    let room = Room::with_batch();
    let status = |typed: &str| room.ends(0, &["runs", "--json", "--status", typed]).lines();
    assert!(!status("failed").is_empty());
    assert_eq!(status("Failed"), status("failed"));
    // With runs of both spellings, each means both.
    let made = [
        r#"{"contract":"machine","run":"low","do":"create","machine":"small"}"#,
        r#"{"contract":"story","run":"high","do":"create","story":{"steps":[{"name":"fetch"}]}}"#,
    ];
    assert_eq!(room.feed(&["submit"], made[1]).code, 0);
    let status_of = |run: &str| room.ends(0, &["runs", "--json", "--run", run]).json()["status"].clone();
    let high = status_of("high").as_str().unwrap().to_owned();
    let runs_of = |typed: &str| -> Vec<Value> { status(typed).iter().map(|run| run["run"].clone()).collect() };
    assert_eq!(runs_of(&high.to_lowercase()), [json!("high")]);
    room.write("small.toml", "name = \"small\"\nstatuses = [\"pending\", \"done\"]\nterminal = [\"done\"]\n[transitions]\npending = [\"done\"]\n");
    let done = room.feed(&["submit", "--contract", "small.toml"], made[0]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(status_of("low"), json!(high.to_lowercase()), "the test needs both spellings");
    let both = vec![json!("high"), json!("low")];
    for typed in [high.clone(), high.to_lowercase(), high.to_uppercase()] {
        assert_eq!(runs_of(&typed), both, "{typed}");
        let one = room.ends(0, &["runs", "--json", "--status", &typed, "--contract", "story"]).lines();
        assert_eq!(one.iter().map(|run| &run["run"]).collect::<Vec<_>>(), [&json!("high")]);
    }
}
