//! `evlog export`: files for other programs, whole or not at all.

use crate::support::{Done, Room, files_below};
use crate::times::recorded_at;
use serde_json::{Value, json};
use std::fs;

/// The formats that every build has.
const FORMATS: [&str; 5] = ["jsonl", "csv", "cloudevents", "xes", "otlp-json"];

pub(crate) fn names(room: &Room) -> Vec<String> {
    let names = fs::read_dir(room.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn blake3(room: &Room, path: &str) -> String {
    blake3::hash(&fs::read(room.path(path)).unwrap()).to_string()
}

#[test]
fn json_lines_are_what_cat_prints_and_an_export_goes_on_where_the_last_one_ended() {
    let room = Room::with_batch();
    let whole = room.ends(0, &["cat", "--json"]).out;
    let first = room.ends(0, &["export", "--format", "jsonl", "--out", "a", "--at", "4", "--json"]).json();
    assert_eq!((&first["events"], &first["next_seq"]), (&json!(5), &json!(5)));
    assert_eq!(first["blake3"], blake3(&room, "a"));
    assert_eq!(first["bytes"], fs::metadata(room.path("a")).unwrap().len());
    room.ends(0, &["export", "--format", "jsonl", "--out", "b", "--from", "5"]);
    let read = |path| fs::read_to_string(room.path(path)).unwrap();
    assert_eq!(read("a") + &read("b"), whole);
    assert_eq!(room.ends(0, &["export", "--format", "jsonl", "--out", "-"]).out, whole);
}

#[test]
fn every_format_has_the_selected_events_and_the_answer_counts_them() {
    let room = Room::with_batch();
    for format in FORMATS {
        let words = ["export", "--format", format, "--run", "RUN_*", "--json", "--out", format];
        let answer = room.ends(0, &words).json();
        let text = fs::read_to_string(room.path(format)).unwrap();
        let found = match format {
            "csv" => text.lines().count() - 1,
            "xes" => text.matches("<event>").count(),
            "otlp-json" => text.matches("\"eventName\"").count(),
            _ => text.lines().count(),
        };
        assert_eq!(answer["events"], found, "{format}");
        assert_eq!(found, room.ends(0, &["cat", "--run", "RUN_*", "--json"]).lines().len(), "{format}");
        assert_eq!(answer["blake3"], blake3(&room, format));
    }
    let traces = fs::read_to_string(room.path("xes")).unwrap().matches("<trace>").count();
    assert_eq!(traces, 2);
}

#[test]
fn xes_has_one_trace_for_each_run_however_their_events_are_mixed() {
    let room = Room::new();
    let line = |nth: usize| {
        let run = ["b", "a", "c"][nth % 3];
        format!("{{\"contract\":\"custom\",\"run\":\"{run}\",\"do\":\"record\",\"kind\":\"custom/k{nth}\"}}\n")
    };
    room.feed(&["submit"], &(0..9).map(line).collect::<String>());
    let text = room.ends(0, &["export", "--format", "xes", "--out", "-"]).out;
    let doc = roxmltree::Document::parse(&text).unwrap();
    let value = |node: roxmltree::Node<'_, '_>, key| {
        let found = node.children().find(|child| child.attribute("key") == Some(key)).unwrap();
        found.attribute("value").unwrap().to_owned()
    };
    let traces: Vec<(String, Vec<String>)> = doc
        .root_element()
        .children()
        .filter(|node| node.has_tag_name(("http://www.xes-standard.org/", "trace")))
        .map(|trace| {
            let events = trace.children().filter(|node| node.has_tag_name(("http://www.xes-standard.org/", "event")));
            (value(trace, "concept:name"), events.map(|event| value(event, "concept:name")).collect())
        })
        .collect();
    let kinds = |of: [usize; 3]| of.map(|nth| format!("custom/k{nth}")).to_vec();
    let expected = [("a", [1, 4, 7]), ("b", [0, 3, 6]), ("c", [2, 5, 8])];
    assert_eq!(traces, expected.map(|(run, of)| (run.to_owned(), kinds(of))));
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let room = Room::with_batch();
    room.write("there", "mine");
    let before = names(&room);
    let csv = ["export", "--format", "csv"];
    for (words, sentence) in [
        (&["--out", "there"][..], "an export never replaces anything"),
        (&["--out", "evlog/e.csv"], "expected a place outside the log"),
        (&["--out", "e", "--where", "payload.nix=1"], "--where payload.nix: none of the"),
        (&["--out", "e", "--flatten", "status.created"], "--flatten: expected --format parquet, found csv"),
        (&["--out", "-", "--by-day"], "--by-day: expected a directory"),
        (&["--out", "-", "--json"], "--json: expected a file"),
        (&["--out", "e", "--at", "1000"], "--at 1000: expected the seq of a committed event, found a later one"),
        (&["--out", "e", "--from", "1000"], "--from 1000: expected at most "),
        (&["--out", "e", "--at", "5", "--from", "7"], "--from 7: expected at most 6, the seq of the next event"),
        (&["--out", "none/e"], "could not write `none/e`"),
        (&["--out", "e", "--run", "none"], "no run `none`"),
    ] {
        let done = room.run(&[&csv[..], words].concat());
        assert_eq!(done.code, if words.contains(&"none") { 1 } else { 2 }, "{done:?}");
        done.says(sentence);
    }
    room.ends(2, &["export", "--format", "xes", "--by-day", "--out", "e"]).says("a format without traces");
    room.ends(2, &["--log", "nowhere", "export", "--format", "csv", "--out", "e"]).says("no log");
    assert_eq!(names(&room), before);
    assert_eq!(fs::read_to_string(room.path("there")).unwrap(), "mine");
}

#[test]
fn an_export_to_stdout_that_is_not_complete_is_an_error_whether_it_cannot_be_written_or_its_reader_leaves() {
    let room = Room::with_batch();
    for format in FORMATS {
        let words = ["export", "--format", format, "--out", "-"];
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let done: Done = room.command(&words).stdout(full).output().unwrap().into();
        assert_eq!(done.code, 2, "{done:?}");
        done.says("could not write to stdout");
        assert!(!done.err.contains("exported"), "{done:?}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done: Done = room.command(&words).stdout(writer).output().unwrap().into();
        assert_eq!(done.code, 2, "{done:?}");
        done.says("the reader of stdout left before the end, so the export is not complete");
        assert!(!done.err.contains("exported"), "{done:?}");
        let to = |stdout: &str| -> Done {
            let script = format!("exec \"$0\" {} {stdout}", words.join(" "));
            room.command_of("sh", &["-c", &script, env!("CARGO_BIN_EXE_evlog")]).output().unwrap().into()
        };
        let done = to(">&-");
        assert_eq!(done.code, 2, "{done:?}");
        done.says("found it closed");
        assert_eq!(to("> /dev/null").code, 0, "who sends it to nowhere has it all there");
    }
}

#[test]
fn files_by_day_hold_the_events_of_their_day() {
    let room = Room::with_batch();
    let answer = room.ends(0, &["export", "--format", "jsonl", "--by-day", "--out", "days", "--json"]).json();
    let listed: Vec<String> =
        answer["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect();
    let found = files_below(&room.path("days"));
    let relative =
        |path: &std::path::PathBuf| path.strip_prefix(room.path("days")).unwrap().to_str().unwrap().to_owned();
    assert_eq!(listed, found.iter().map(relative).collect::<Vec<_>>());
    let mut text = String::new();
    for path in &found {
        let lines = fs::read_to_string(path).unwrap();
        let day =
            path.parent().unwrap().file_name().unwrap().to_str().unwrap().strip_prefix("day=").unwrap().to_owned();
        for line in lines.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            assert!(event["recorded"].as_str().unwrap().starts_with(&day), "{line} in {day}");
        }
        text += &lines;
    }
    assert_eq!(text, room.ends(0, &["cat", "--json"]).out);
}

#[test]
fn each_change_of_the_day_begins_a_file_and_a_day_that_comes_back_gets_another_one() {
    let room = Room::new();
    recorded_at(&room, &[1, 2, 1].map(|day| day * 86_400));
    let answer = room.ends(0, &["export", "--format", "jsonl", "--by-day", "--out", "days", "--json"]).json();
    let files = answer["files"].as_array().unwrap();
    let text = |file: &Value| fs::read_to_string(room.path("days").join(file["path"].as_str().unwrap())).unwrap();
    let first = |file: &Value| {
        let seq = text(file).lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].clone()).next();
        format!("{:020}.jsonl", seq.unwrap().as_u64().unwrap())
    };
    let expected = |day: &str, file: &Value| format!("day=1970-01-0{day}/{}", first(file));
    let days = ["2", "3", "2"].into_iter().zip(files).map(|(day, file)| expected(day, file));
    assert_eq!(files.iter().map(|file| file["path"].as_str().unwrap()).collect::<Vec<_>>(), days.collect::<Vec<_>>());
    assert_eq!(files.iter().map(text).collect::<String>(), room.ends(0, &["cat", "--json"]).out);
}

#[test]
fn parquet_is_written_where_it_is_built_in_and_otherwise_refused_with_how_to_get_it() {
    let room = Room::with_batch();
    let words = ["export", "--format", "parquet", "--out", "e.parquet", "--json"];
    if cfg!(feature = "parquet") {
        room.ends(0, &words);
    }
    let done = room.run(&words);
    if done.code == 2 && !room.path("e.parquet").exists() {
        done.says("this evlog was built without it").says("--features parquet");
        return;
    }
    let bytes = fs::read(room.path("e.parquet")).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{done:?}");
    let flat = ["export", "--format", "parquet", "--flatten", "status.*", "--by-day", "--out", "days", "--json"];
    assert_eq!(room.ends(0, &flat).json()["events"], room.ends(0, &["cat", "--json"]).lines().len());
    let unknown = ["export", "--format", "parquet", "--flatten", "custom/none", "--out", "other"];
    room.ends(2, &unknown).says("none of the events that are selected is of this kind");
    assert!(!room.path("other").exists());
}
