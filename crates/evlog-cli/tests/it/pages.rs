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

/// A room whose log has runs that failed, were rejected and succeeded.
fn reported_room() -> Room {
    let room = Room::with_batch();
    room.feed(&["submit"], "{\"contract\":\"status\",\"run\":\"RUN_0003\",\"do\":\"create\"}\n");
    room.feed(&["submit"], "{\"contract\":\"status\",\"run\":\"RUN_0003\",\"do\":\"transition\",\"to\":\"success\"}\n");
    room
}

/// The ids of the parts of a page that are about runs.
fn runs_of(page: &str) -> Vec<&str> {
    page.split("<article id=\"run-").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn a_report_has_a_page_for_each_run_that_needs_attention() {
    let room = reported_room();
    room.ends(0, &["report", "--out", "report.html"]);
    let page = read(&room, "report.html");
    let expected = ["RUN_0001", "RUN_0002", "11111111-1111-4111-8111-111111111111", "RUN_0003"];
    assert_eq!(runs_of(&page), expected);
    for said in
        ["<strong>clean</strong>", "Runs by outcome", "Runs by contract", "Runs by actor", "Findings by severity"]
    {
        assert!(page.contains(said), "{said}");
    }
    for section in ["Timeline", "Why", "Who", "Digests", "Proof"] {
        assert_eq!(page.matches(&format!("<h3>{section}</h3>")).count(), expected.len(), "{section}");
    }
    for run in expected {
        assert_eq!(page.matches(&format!("<a href=\"#run-{run}\">")).count(), 1, "{run}");
    }
    assert!(page.contains("1 forced failure; 1 rejected request"), "{page}");
    let answer = room.ends(0, &["report", "--out", "report.html", "--json"]).json();
    assert_eq!(
        answer,
        json!({"good": true, "verdict": "clean", "out": "report.html", "runs": 5, "attention": 4, "pages": 4})
    );
}

#[test]
fn the_same_log_gives_the_same_report() {
    let room = reported_room();
    for out in ["a.html", "b.html", "a", "b"] {
        room.ends(0, &["report", "--out", out]);
    }
    assert_eq!(read(&room, "a.html"), read(&room, "b.html"));
    for file in ["index.html", "runs/RUN_0001.html", "runs/RUN_0003.html"] {
        assert_eq!(read(&room, &format!("a/{file}")), read(&room, &format!("b/{file}")), "{file}");
    }
}

#[test]
fn the_links_of_a_report_in_a_directory_lead_to_its_pages() {
    let room = reported_room();
    room.ends(0, &["report", "--out", "report"]);
    let links = |page: &str| -> Vec<String> {
        page.split(" href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let first = links(&read(&room, "report/index.html"));
    assert_eq!(first.len(), 4);
    for to in &first {
        for back in links(&read(&room, &format!("report/{to}"))) {
            assert!(room.path("report/runs").join(&back).is_file(), "{to} leads to {back}");
        }
    }
    room.ends(2, &["report", "--out", "report"]).says("expected a directory that does not exist yet");
}

#[test]
fn a_report_is_about_the_runs_that_are_selected() {
    let room = reported_room();
    let report = |more: &[&str]| {
        room.ends(0, &[&["report", "--out", "report.html"], more].concat());
        read(&room, "report.html")
    };
    assert_eq!(runs_of(&report(&["--run", "RUN_0003"])), ["RUN_0003"]);
    assert_eq!(runs_of(&report(&["--contract", "pipeline"])).len(), 1);
    let none = report(&["--since", "2001-01-01", "--until", "2001-02-01"]);
    assert!(none.contains("from 2001-01-01 00:00:00Z to 2001-02-01 00:00:00Z"), "{none}");
    assert!(none.contains("No run was selected.") && runs_of(&none).is_empty(), "{none}");
    room.ends(1, &["report", "--out", "other.html", "--run", "RUN_000"]).says("no run `RUN_000`");
    assert!(!room.path("other.html").exists());
}

#[test]
fn a_file_says_how_many_runs_have_no_page() {
    let room = Room::new();
    let run = |n| {
        let line = |rest: &str| format!("{{\"contract\":\"status\",\"run\":\"r{n}\",\"do\":{rest}}}\n");
        line("\"create\"") + &line("\"transition\",\"to\":\"success\"")
    };
    room.feed(&["submit"], &(0..103).map(run).collect::<String>());
    let answer = room.ends(0, &["report", "--out", "report.html", "--json"]).json();
    assert_eq!((&answer["attention"], &answer["pages"]), (&json!(103), &json!(100)));
    let page = read(&room, "report.html");
    assert_eq!(runs_of(&page).len(), 100);
    assert!(page.contains("The first 100 of 103 runs have a page."), "{page}");
    room.ends(0, &["report", "--out", "report"]);
    assert_eq!(fs::read_dir(room.path("report/runs")).unwrap().count(), 103);
}

#[test]
fn a_report_on_a_damaged_log_says_so_and_ends_with_1() {
    let room = reported_room();
    let segment = room.segments().remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    fs::write(&segment, bytes).unwrap();
    room.ends(1, &["report", "--out", "report.html"]);
    let page = read(&room, "report.html");
    assert!(page.contains("<strong>damaged</strong>") && page.contains("<dt>not read</dt>"), "{page}");
    assert!(page.contains("The log is not as it was written"), "{page}");
}

/// A log that was closed cleanly is opened by its end alone. Wherever the damage is, the events before it are reported.
#[test]
fn a_report_on_a_log_that_is_damaged_before_its_end_is_about_the_events_before_the_damage() {
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    let lines: Vec<String> =
        (0..40).map(|run| format!("{{\"contract\":\"status\",\"run\":\"R-{run}\",\"do\":\"create\"}}\n")).collect();
    room.feed(&["submit"], &lines.concat());
    assert!(room.segments().len() > 2);
    let segment = room.segments().remove(1);
    let whole = fs::read(&segment).unwrap();
    for at in [whole.len() / 3, whole.len() / 2] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&segment, bytes).unwrap();
        room.ends(1, &["report", "--out", "report.html"]);
        let page = read(&room, "report.html");
        assert!(page.contains("<strong>damaged</strong>") && page.contains("the log is damaged there"), "{at}: {page}");
    }
}

#[test]
fn a_report_names_the_options_that_selected_its_runs_and_a_status_that_no_run_has() {
    let room = reported_room();
    room.ends(0, &["report", "--run", "RUN_*", "--actor", "it's", "--out", "report.html"]);
    let page = read(&room, "report.html").replace("<wbr>", "");
    assert!(page.contains("--run 'RUN_*' --actor 'it'\\''s'"), "{page}");
    let done = room.ends(0, &["report", "--status", "sucess", "--out", "report.html"]);
    assert!(done.err.contains("no run has the status `sucess`"), "{done:?}");
}

#[test]
fn text_of_others_is_harmless_in_a_report() {
    let room = Room::new();
    let line =
        |actor: &str| format!("{{\"contract\":\"status\",\"run\":\"r\",\"do\":\"create\",\"actor\":\"{actor}\"}}\n");
    room.feed(&["submit"], &line("<script>alert(1)</script>"));
    room.feed(&["submit"], "{\"contract\":\"status\",\"run\":\"r\",\"do\":\"transition\",\"to\":\"success\"}\n");
    room.ends(0, &["report", "--out", "report.html"]);
    let page = read(&room, "report.html");
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script"), "{page}");
    assert!(page.contains("Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-"), "{page}");
}

#[test]
fn a_pdf_without_a_browser_is_refused_before_anything_is_written() {
    let room = reported_room();
    let done: crate::support::Done =
        room.command(&["report", "--out", "report.pdf"]).env("PATH", room.path("nowhere")).output().unwrap().into();
    assert_eq!(done.code, 2, "{done:?}");
    done.says("expected one of chromium, chromium-browser, google-chrome, google-chrome-stable in PATH");
    assert!(!room.path("report.pdf").exists());
}

#[test]
fn a_browser_that_fails_leaves_no_pdf_and_its_words_are_shown() {
    use std::os::unix::fs::PermissionsExt;
    let room = reported_room();
    room.write("bin/chromium", "#!/bin/sh\necho 'no display here' >&2\nexit 3\n");
    fs::set_permissions(room.path("bin/chromium"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", room.path("bin").display(), std::env::var("PATH").unwrap());
    let done: crate::support::Done =
        room.command(&["report", "--out", "report.pdf"]).env("PATH", path).output().unwrap().into();
    assert_eq!(done.code, 2, "{done:?}");
    done.says("did not print the page").says("no display here");
    assert!(!room.path("report.pdf").exists());
}

#[test]
fn the_commands_on_the_page_about_reports_end_well() {
    let room = reported_room();
    let page = include_str!("../../../../docs/report.md");
    let (_, rest) = page.split_once("```console\n").unwrap();
    let commands = rest.split("```").next().unwrap().lines();
    let commands: Vec<&str> = commands.map(|line| line.strip_prefix("$ evlog ").unwrap()).collect();
    assert_eq!(commands.len(), 4);
    for command in commands {
        let words = command.split(" #").next().unwrap().split_whitespace().collect::<Vec<_>>();
        room.ends(0, &words);
        assert!(room.path(words[2]).exists(), "{command}");
    }
}
