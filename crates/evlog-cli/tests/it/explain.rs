//! `evlog explain`: the cause first, with the events that show it, for every contract.

use crate::support::Room;
use serde_json::{Value, json};
use std::fmt::Write;

fn roles(answer: &Value) -> Vec<(&str, &str)> {
    let reasons = answer["reasons"].as_array().unwrap().iter();
    reasons.map(|reason| (reason["role"].as_str().unwrap(), reason["subject"].as_str().unwrap())).collect()
}

#[test]
fn a_failed_pipeline_blames_its_first_fatal_failure_and_nothing_that_followed() {
    let room = Room::new();
    let stage = |id: &str, command: &str, more: &str| {
        format!("[[stage]]\nid = \"{id}\"\ncommand = [{command}]\nreason_code = \"input_missing\"\n{more}\n")
    };
    let gate = "[[stage.output]]\npath = \"b.json\"\nschema = \"doc\"";
    let plan = format!(
        "name = \"p\"\n[[schema]]\nid = \"doc\"\nfile = \"doc.json\"\nmode = \"json_document\"\n{}{}{}",
        stage("a", "\"true\"", ""),
        stage("b", "\"sh\", \"-c\", \"echo '{}' > $EVLOG_STAGING_DIR/b.json\"", gate),
        stage("c", "\"true\"", "")
    );
    room.write("plan.toml", &plan);
    room.write("doc.json", r#"{"required":["sum"]}"#);
    room.ends(20, &["run", "plan.toml", "--run-id", "r"]);
    let answer = room.ends(0, &["explain", "r", "--json"]).json();
    assert_eq!(roles(&answer), [("cause", "b"), ("consequence", "c"), ("fine", "a")]);
    let cause = &answer["reasons"][0];
    assert!(cause["text"].as_str().unwrap().contains("in `b.json`: required member \"sum\" is missing"), "{answer}");
    assert!(answer["summary"].as_str().unwrap().starts_with("failed, because of b: "), "{answer}");
    // Each seq is an event of the run, and the last is the outcome of the stage itself.
    let events = room.ends(0, &["cat", "--run", "r", "--json"]).lines();
    for reason in answer["reasons"].as_array().unwrap() {
        let seqs = reason["seqs"].as_array().unwrap();
        assert!(seqs.iter().all(|seq| events.iter().any(|event| event["seq"] == *seq)), "{reason}");
        let last = events.iter().find(|event| event["seq"] == *seqs.last().unwrap()).unwrap();
        assert_eq!(
            (&last["kind"], &last["payload"]["stage"]),
            (&json!("pipeline.outcome_recorded"), &reason["subject"])
        );
    }
    let markdown = room.ends(0, &["explain", "r", "--format", "markdown"]).out;
    assert!(markdown.starts_with("## r: failed\n\nfailed, because of b: "), "{markdown}");
    assert!(markdown.contains("\n| consequence | c | skipped |"), "{markdown}");
    let text = room.ends(0, &["explain", "r"]).out;
    assert!(text.contains("cause        b "), "{text}");
    let first = events[0]["seq"].to_string();
    let begun = room.ends(0, &["explain", "r", "--json", "--at", &first]).json();
    assert_eq!(roles(&begun), [("open", "a"), ("open", "b"), ("open", "c")]);
}

#[test]
fn runs_of_the_other_contracts_are_explained_by_their_last_move() {
    let room = Room::with_batch();
    let failed = room.ends(0, &["explain", "RUN_0001", "--json"]).json();
    assert_eq!(roles(&failed)[0], ("cause", "run"));
    assert_eq!(failed["summary"], "failed, because of run: became `failed` from `running`: m");
    let custom = room.ends(0, &["explain", "order-7", "--json"]).json();
    assert_eq!((&custom["status"], roles(&custom)[0]), (&json!("open"), ("open", "run")));
    let rejected = room.ends(0, &["explain", "RUN_0002", "--json"]).json();
    assert!(roles(&rejected).contains(&("refused", "run")), "{rejected}");
    room.ends(1, &["explain", "nobody"]).says("no run `nobody`");
}

#[test]
fn a_step_that_was_allowed_to_fail_is_no_cause_and_one_that_never_ran_is_a_consequence() {
    let commands = r#"
{"run":"ok","do":"create","story":{"steps":[{"name":"lint","allowFailure":true},{"name":"build"}]}}
{"run":"bad","do":"create","story":{"steps":[{"name":"build"},{"name":"ship","needs":["build"]}]}}
{"run":"ok","do":"start"}
{"run":"ok","do":"step","step":"lint","to":"Running"}
{"run":"ok","do":"step","step":"lint","exit_code":1}
{"run":"ok","do":"step","step":"build","to":"Running"}
{"run":"ok","do":"step","step":"build","exit_code":0}
{"run":"bad","do":"start"}
{"run":"bad","do":"step","step":"build","to":"Running"}
{"run":"bad","do":"step","step":"build","exit_code":1}
"#;
    let room = Room::new();
    let commands = commands.trim_start().replace(r#"{"run""#, r#"{"contract":"story","run""#);
    assert_eq!(room.feed(&["submit"], &commands).code, 0);
    let ok = room.ends(0, &["explain", "ok", "--json"]).json();
    assert_eq!(roles(&ok), [("failure", "lint"), ("fine", "build"), ("fine", "run")]);
    assert!(ok["summary"].as_str().unwrap().starts_with("Succeeded, though lint: became `Failed`"), "{ok}");
    let bad = room.ends(0, &["explain", "bad", "--json"]).json();
    assert_eq!(roles(&bad), [("cause", "build"), ("consequence", "ship"), ("consequence", "run")]);
    assert!(bad["summary"].as_str().unwrap().ends_with("; 1 more never ran"), "{bad}");
}

#[test]
fn what_a_stage_printed_is_named_and_what_had_no_part_is_no_failure() {
    let room = Room::new();
    let stage = |id: &str, command: &str, more: &str| {
        format!("[[stage]]\nid = \"{id}\"\ncommand = [{command}]\nreason_code = \"input_missing\"\n{more}\n")
    };
    let loud = stage("loud", "\"sh\", \"-c\", \"echo no; false\"", "fail_mode = \"warn_and_skip\"");
    let off = stage("off", "\"true\"", "enabled = false");
    let code = "[[reason_code]]\nstage = \"loud\"\ncode = \"too_loud\"\nseverity = \"NON-FATAL\"\n";
    let loud = loud.replace("input_missing", "too_loud");
    room.write("plan.toml", &format!("name = \"p\"\n{code}{loud}{off}{}", stage("last", "\"true\"", "")));
    room.ends(10, &["run", "plan.toml", "--run-id", "r"]);
    let answer = room.ends(0, &["explain", "r", "--json"]).json();
    assert_eq!(roles(&answer), [("cause", "loud"), ("fine", "last"), ("disabled", "off")]);
    let why = "failed with `too_loud` (the run went on): its process ended with exit code 1; what it printed is in `logs/loud.log`";
    assert_eq!(answer["reasons"][0]["text"], why);
    let markdown = room.ends(0, &["explain", "r", "--format", "markdown"]).out;
    assert!(markdown.contains("failed with `too_loud` (the run went on)"), "code is code: {markdown}");
}

#[test]
fn what_a_run_recorded_makes_no_markup() {
    let room = Room::new();
    let lines = r#"{"contract":"status","run":"A","do":"create"}
{"contract":"status","run":"A","do":"transition","to":"running"}
{"contract":"status","run":"A","do":"transition","to":"failed","diagnostic":{"error_code":"TOOL_INTERNAL_ERROR","category":"tool","message":"a | <b> \u001b[2J\nc ` d","likely_cause":"c","suggested_fix":"f","retryable":true,"severity":"error"}}
"#;
    let done = room.feed(&["submit"], lines);
    assert_eq!(done.code, 0, "{done:?}");
    for format in ["text", "markdown"] {
        let out = room.ends(0, &["explain", "A", "--format", format]).out;
        assert!(!out.contains('\u{1b}'), "{out}");
        assert!(format == "text" || out.contains("a &#124; &#60;b&#62;"), "{out}");
    }
}

/// Markdown has autolinks, which GitHub makes of text too: every character that could make a link, or end an escape, is
/// escaped.
#[test]
fn a_summary_page_has_no_link_no_image_and_no_tag_of_what_a_run_recorded() {
    let room = Room::new();
    let messages = [
        "see https://e.example<img src=x>",
        "www.e.example<img src=x>",
        "mail a@e.example",
        "xmpp:a@e.example/b",
        "![x](http://e.example/x.png)",
        "<!-- x",
        "&lt;b&gt;",
        "# h",
        "1. x",
        "- x",
        "a `",
        "``` x",
        "a|b",
        "`a|b`",
        "#1 @team",
        "\\<b>",
        "[x]: http://e.example",
        "$x$",
        "~~x~~",
        "***",
        "---",
    ];
    for (number, message) in messages.iter().enumerate() {
        let run = format!("r{number}");
        let failure = json!({"error_code": "TOOL_TIMEOUT", "category": "tool", "message": message, "likely_cause": message,
            "suggested_fix": "f", "retryable": true, "severity": "error"});
        let lines = [
            json!({"contract": "status", "run": run, "do": "create"}),
            json!({"contract": "status", "run": run, "do": "transition", "to": "running"}),
            json!({"contract": "status", "run": run, "do": "transition", "to": "failed", "diagnostic": failure}),
        ];
        room.feed(&["submit"], &lines.map(|line| line.to_string() + "\n").concat());
        let markdown = room.ends(0, &["explain", &run, "--format", "markdown"]).out;
        // Between two backticks is code, which GitHub shows as it is.
        let text: String = markdown.split('`').step_by(2).collect();
        let text = text.replace("<!-- -->", "").replacen("## ", "", 1).replace(": ", " ");
        let structure = |c: char| "|-\n ".contains(c);
        let bare: String = text.chars().filter(|c| c.is_ascii_punctuation() && !structure(*c)).collect();
        assert!(bare.chars().all(|c| "&#;,()'\"/".contains(c)), "{message:?} leaves {bare:?} in {markdown}");
        assert!(text.split('&').skip(1).all(|rest| rest.starts_with('#')), "{message:?}: {markdown}");
        assert_eq!(markdown.split('`').count() % 2, 1, "{message:?}: {markdown}");
        assert!(markdown.split('`').skip(1).step_by(2).all(|code| !code.contains('|')), "{message:?}: {markdown}");
    }
}

#[test]
fn what_set_the_reason_code_is_blamed_and_not_what_comes_first_in_the_report() {
    let room = Room::new();
    room.write("c.json", r#"{"required":["ok"]}"#);
    room.write(
        "plan.toml",
        r#"name = "p"
[[schema]]
id = "c"
file = "c.json"
mode = "json_document"
[[stage]]
id = "work"
reason_code = "input_missing"
command = ["sh", "-c", "echo {} > $EVLOG_STAGING_DIR/a.json; ln -s /etc $EVLOG_STAGING_DIR/z"]
extra_roots = ["z"]
[[stage.output]]
path = "a.json"
schema = "c"
"#,
    );
    room.ends(20, &["run", "plan.toml", "--run-id", "r"]);
    let why = room.ends(0, &["explain", "r", "--json"]).json()["summary"].as_str().unwrap().to_owned();
    assert!(why.contains("storage_io_error") && why.contains("`z`: expected a regular file"), "{why}");
}

#[test]
fn a_substage_that_stopped_its_stage_is_the_cause_and_not_the_stage() {
    let room = Room::new();
    let outcome = r#"{"stage":"work.part","status":"failed","fail_mode":"fail_closed","reason_code":"part_broken"}"#;
    let command = format!("echo '{outcome}' > $EVLOG_OUTCOMES");
    room.write(
        "plan.toml",
        &format!(
            "name = \"p\"\n[[reason_code]]\nstage = \"work.part\"\ncode = \"part_broken\"\nseverity = \"FATAL\"\n\
             [[stage]]\nid = \"work\"\nreason_code = \"input_missing\"\ncommand = [\"sh\", \"-c\", \"\"\"{}\"\"\"]\n",
            command.replace('"', "\\\"")
        ),
    );
    room.ends(20, &["run", "plan.toml", "--run-id", "r"]);
    let answer = room.ends(0, &["explain", "r", "--json"]).json();
    assert_eq!(roles(&answer), [("cause", "work.part"), ("failure", "work")], "{answer}");
    assert!(answer["summary"].as_str().unwrap().starts_with("failed, because of work.part: "), "{answer}");
}

#[test]
fn times_of_a_story_that_are_ignored_are_reported_with_the_times_that_count() {
    let room = Room::new();
    let story = json!({
        "policy": {"timeouts": {"story": "soon"}, "retries": {"stepRetryPolicy": {"delay": "1 s"}}},
        "steps": [
            {"name": "a", "execution": {"retry": {"delay": "2s", "maxDelay": "never"}}},
            {"name": "b", "execution": {"retry": {"delay": "", "maxDelay": "9s"}}},
        ],
    });
    for (run, mode) in [("d", "decided"), ("o", "observed")] {
        let create = json!({"contract": "story", "run": run, "do": "create", "mode": mode, "story": story});
        assert_eq!(room.feed(&["submit"], &format!("{create}\n")).code, 0);
    }
    let ignored = |run: &str| -> Vec<(String, String)> {
        let answer = room.ends(0, &["explain", run, "--json"]).json();
        let ignored =
            answer["reasons"].as_array().unwrap().iter().filter(|reason| reason["state"] == "ignored").cloned();
        ignored
            .map(|reason| [&reason["subject"], &reason["text"]].map(|said| said.as_str().unwrap().to_owned()).into())
            .collect()
    };
    let expected = [
        (
            "run",
            "`policy.timeouts.story` is `soon`, which is no duration above zero, and counts as not given: no limit is in force",
        ),
        (
            "run",
            "`policy.retries.stepRetryPolicy.delay` is `1 s`, which is no duration above zero, and counts as not given: 1 s is in force",
        ),
        (
            "a",
            "`execution.retry.maxDelay` is `never`, which is no duration above zero, and counts as not given: no cap is in force",
        ),
    ];
    assert_eq!(ignored("d"), expected.map(|(subject, text)| (subject.to_owned(), text.to_owned())));
    // The controller that decides may read them.
    assert_eq!(ignored("o"), []);
}

#[test]
fn why_shows_the_events_that_made_one_value_and_leaves_out_the_others() {
    let room = Room::new();
    let stage = |id: &str, command: &str| {
        format!("[[stage]]\nid = \"{id}\"\ncommand = [\"{command}\"]\nreason_code = \"input_missing\"\n")
    };
    room.write(
        "plan.toml",
        &format!("name = \"p\"\n{}{}{}", stage("a", "true"), stage("b", "true"), stage("c", "false")),
    );
    room.ends(20, &["run", "plan.toml", "--run-id", "r"]);
    let kinds = |why: &str| -> Vec<String> {
        let answer = room.ends(0, &["explain", "r", "--why", why, "--json"]).json();
        let events = answer["events"].as_array().unwrap().iter();
        events.map(|event| event["event"]["kind"].as_str().unwrap().to_owned()).collect()
    };
    // That the stage began is not needed: an outcome can be recorded without it.
    let outcome = ["pipeline.created", "pipeline.outcome_recorded"];
    assert_eq!(kinds("/stages/0/state"), outcome);
    assert_eq!(kinds("/pipeline"), ["pipeline.created"]);
    assert_eq!(kinds("manifest.json#/run_id"), ["pipeline.created"]);
    let answer = room.ends(0, &["explain", "r", "--why", "/stages/2/state", "--json"]).json();
    assert_eq!((&answer["value"], &answer["file"]), (&json!("failed"), &json!("run.json")));
    let events = answer["events"].as_array().unwrap();
    assert!((events.len() as u64) < answer["of"].as_u64().unwrap(), "{answer}");
    let last = events.last().unwrap();
    assert_eq!((&last["value"], &last["event"]["payload"]["stage"]), (&json!("failed"), &json!("c")));
    let text = room.ends(0, &["explain", "r", "--why", "/stages/2/state"]).out;
    assert!(text.contains("value    \"failed\"\n") && text.contains("it last changed at the last of them"), "{text}");
    // As of an earlier event, the value was another one.
    let at = events[0]["event"]["seq"].to_string();
    let earlier = room.ends(0, &["explain", "r", "--why", "/stages/2/state", "--at", &at, "--json"]).json();
    assert_eq!(earlier["value"], "pending");
    room.ends(1, &["explain", "r", "--why", "/nothing"]).says("`run.json` of run `r` never had a value at `/nothing`");
    room.ends(1, &["explain", "r", "--why", "x.json#/a"]).says("the files of the run are");
    room.ends(1, &["explain", "r", "--why", "x.json#/a"]).says("run `r` has no file `x.json`");
    room.ends(1, &["explain", "$log", "--why", "/status"]).says("no run `$log`");
    room.ends(1, &["explain", "r", "--why", "/a#b"]).says("`run.json` of run `r` never had a value at `/a#b`");
    for pointer in ["/~2", "/a~", "manifest.json#/~"] {
        room.ends(2, &["explain", "r", "--why", pointer]).says("expected a JSON pointer such as /status");
    }
    room.ends(1, &["explain", "nobody", "--why", "/status"]).says("no run `nobody`");
    room.ends(2, &["explain", "r", "--why", "status"]).says("expected a JSON pointer such as /status");
}

#[test]
fn a_run_that_has_not_ended_says_what_it_waits_for_since_when_and_what_is_due() {
    let room = Room::new();
    let pipeline = "11111111-1111-4111-8111-111111111111";
    let lines = r#"{"contract":"story","run":"s","do":"create","story":{"policy":{"timeouts":{"story":"1h"}},"steps":[{"name":"ask","type":"gate","with":{"timeout":"10m"}},{"name":"build","needs":["ask"]},{"name":"lint"},{"name":"work"}]}}
{"contract":"story","run":"s","do":"start"}
{"contract":"story","run":"s","do":"step","step":"lint","to":"Running"}
{"contract":"story","run":"s","do":"step","step":"lint","exit_code":137}
{"contract":"story","run":"s","do":"step","step":"work","to":"Running"}
{"contract":"pipeline","run":"PIPE","do":"create","pipeline":"purple-axiom","manifest":{}}
{"contract":"status","run":"A","do":"create"}
{"contract":"status","run":"A","do":"transition","to":"running"}
{"contract":"custom","run":"c","do":"record","kind":"custom/a"}
"#;
    assert_eq!(room.feed(&["submit"], &lines.replace("PIPE", pipeline)).code, 0);
    let waiting = |run: &str| room.ends(0, &["explain", run, "--json"]).json()["waiting"].as_array().unwrap().clone();
    let words = |waiting: &[Value]| -> Vec<(String, String, bool)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        waiting.iter().map(|one| (text(&one["subject"]), text(&one["text"]), one["due"].is_string())).collect()
    };
    let row = |subject: &str, text: &str, due: bool| (subject.to_owned(), text.to_owned(), due);
    // What is due first comes first: the retry in a second, the gate in ten minutes, the step, the story in an hour.
    let story = waiting("s");
    let retry = "its next attempt (The attempt ended with exit code 137 (class retry))";
    assert_eq!(
        words(&story)[..3],
        [
            row("lint", retry, true),
            row("ask", "a decision, or the end of its pause (Waiting for a decision)", true),
            row("work", "its result", true)
        ]
    );
    let events = room.ends(0, &["cat", "--run", "s", "--json"]).lines();
    for one in &story {
        let event = events.iter().find(|event| event["seq"] == one["since"]).unwrap();
        assert_eq!(event["recorded"], one["times"]["recorded"]);
        assert_eq!(event["payload"]["step"], one["subject"], "the step's own last move: {one}");
    }
    assert_eq!(words(&waiting(pipeline)), [row("lab_provider", "to begin", false)]);
    let begin = format!(r#"{{"contract":"pipeline","run":"{pipeline}","do":"begin","stage":"lab_provider"}}"#);
    assert_eq!(room.feed(&["submit"], &begin).code, 0);
    assert_eq!(words(&waiting(pipeline)), [row("lab_provider", "its outcome: attempt 1 has begun", false)]);
    let status = "a transition from `running` to `waiting`, `success`, `failed`, `denied`, `timeout`, `canceled`";
    assert_eq!(words(&waiting("A")), [row("run", status, false)]);
    assert_eq!(words(&waiting("c")), [row("run", "another event; runs of this contract do not end", false)]);
    let lifecycle = "name = \"door\"\nstatuses = [\"open\", \"shut\", \"gone\"]\ninitial = \"open\"\nterminal = [\"gone\"]\n\
                     undefined = \"reject\"\n[transitions]\nopen = [\"shut\", \"gone\"]\nshut = [\"open\"]\n";
    room.write("door.toml", lifecycle);
    let create = r#"{"contract":"lifecycle","run":"d","do":"create","lifecycle":"door"}"#;
    let done = room.feed(&["submit", "--contract", "door.toml"], create);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(words(&waiting("d")), [row("run", "a transition from `open` to `shut`, `gone`", false)]);
    let text = room.ends(0, &["explain", "A"]).out;
    assert!(text.contains("\nwhat  waits for ") && text.contains("no time recorded"), "{text}");
    let page = room.ends(0, &["explain", "A", "--format", "markdown"]).out;
    assert!(
        page.contains("| what | waits for | since | due |") && page.contains("| run | a transition from"),
        "{page}"
    );
    // A run that has ended waits for nothing.
    let end = r#"{"contract":"status","run":"A","do":"transition","to":"success"}"#;
    assert_eq!(room.feed(&["submit"], end).code, 0);
    assert_eq!(waiting("A"), Vec::<Value>::new());
    assert!(!room.ends(0, &["explain", "A"]).out.contains("waits for"));
}

#[test]
fn a_run_names_the_runs_that_it_retries_and_those_that_retry_it() {
    let room = Room::new();
    let diagnostic = r#"{"error_code":"TOOL_TIMEOUT","category":"tool","message":"m","likely_cause":"c","suggested_fix":"f","retryable":true,"severity":"error"}"#;
    let mut lines = String::new();
    for (run, begin) in [
        ("A", r#""do":"create","data":{"max_retries":2}"#),
        ("B", r#""do":"retry","of":"A","reason":"operator""#),
        ("C", r#""do":"retry","of":"B","reason":"operator""#),
    ] {
        writeln!(lines, "{{\"contract\":\"status\",\"run\":\"{run}\",{begin}}}").unwrap();
        for to in ["running", "timeout"] {
            let diagnostic = if to == "timeout" { format!(",\"diagnostic\":{diagnostic}") } else { String::new() };
            writeln!(
                lines,
                "{{\"contract\":\"status\",\"run\":\"{run}\",\"do\":\"transition\",\"to\":\"{to}\"{diagnostic}}}"
            )
            .unwrap();
        }
    }
    let done = room.feed(&["submit"], &lines);
    assert_eq!(done.code, 0, "{done:?}");
    let notes = |run: &str| -> Vec<(String, Value)> {
        let answer = room.ends(0, &["explain", run, "--json"]).json();
        let reasons = answer["reasons"].as_array().unwrap().iter().filter(|reason| reason["role"] == "note");
        reasons.map(|reason| (reason["text"].as_str().unwrap().to_owned(), reason["seqs"].clone())).collect()
    };
    let said = |text: &str, seq: u64| (text.to_owned(), json!([seq]));
    assert_eq!(notes("A"), [said("run `B` retries it", 5)]);
    assert_eq!(notes("B"), [said("it retries run `A`, because of `operator`", 5), said("run `C` retries it", 8)]);
    assert_eq!(notes("C"), [said("it retries run `B`, because of `operator`; it is attempt 3, after `B`, `A`", 8)]);
    // The run as of a point before it was retried.
    let before = room.ends(0, &["explain", "A", "--at", "4", "--json"]).json();
    assert!(!before.to_string().contains("retries it"), "{before}");
}

#[test]
fn a_rejection_says_what_would_have_been_allowed() {
    let room = Room::new();
    let order = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples/contracts/order.toml");
    let lines = r#"
{"contract":"status","run":"S","do":"create"}
{"contract":"status","run":"S","do":"transition","to":"runing"}
{"contract":"status","run":"S","do":"transition","to":"running"}
{"contract":"machine","run":"M","do":"create","lifecycle":"order","data":{"customer":"c"}}
{"contract":"machine","run":"M","do":"transition","to":"nowhere"}
"#;
    let done = room.feed(&["submit", "--contract", order], lines.trim_start());
    // The answer also names the allowed statuses and the nearest one. A second delivery gets the same answer.
    assert!(done.out.contains("no such status; `created` may become `running`; did you mean `running`?"), "{done:?}");
    let refused = |run: &str| -> Vec<String> {
        let answer = room.ends(0, &["explain", run, "--json"]).json();
        let reasons = answer["reasons"].as_array().unwrap().iter().filter(|reason| reason["role"] == "refused");
        reasons.map(|reason| reason["text"].as_str().unwrap().to_owned()).collect()
    };
    assert!(refused("S")[0].ends_with("; `created` may become `running`"), "{:?}", refused("S"));
    assert!(refused("S")[1].ends_with("; no status may follow `failed`"), "{:?}", refused("S"));
    assert!(refused("M")[0].contains(" may become `"), "{:?}", refused("M"));
}
