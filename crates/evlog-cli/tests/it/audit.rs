//! `evlog audit`, and the selection that it shares with `cat` and `tail`.

use crate::support::{Room, files_below};
use evlog::clock::{Clock, Reading};
use evlog::{Options, Request};
use evlog_lifecycle::custom::Custom;
use evlog_projection::Contracts;
use evlog_projection::time::from_rfc3339;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const PAYMENTS: &str = r#"{"contract":"custom","run":"P1","do":"record","kind":"custom/approved","data":{"ticket":"T1","cents":200000},"actor":"ann"}
{"contract":"custom","run":"P1","do":"record","kind":"custom/executed","data":{"ticket":"T1"},"actor":"ann"}
{"contract":"custom","run":"P2","do":"record","kind":"custom/executed","data":{"ticket":"T2"},"actor":"bob"}
{"contract":"custom","run":"P3","do":"record","kind":"custom/approved","data":{"ticket":"T3","cents":5},"actor":"ann"}
{"contract":"custom","run":"P3","do":"record","kind":"custom/executed","data":{"ticket":"T3"},"actor":"bob"}
"#;

const FOUR_EYES: &str = r#"[[rule]]
name = "four-eyes"
template = "precedence"
first = "custom/approved"
then = "custom/executed"
different = "actor"
about = "who approves is not who executes"
"#;

fn payments() -> Room {
    let room = Room::new();
    room.write("payments.jsonl", PAYMENTS);
    room.ends(0, &["submit", "payments.jsonl"]);
    room.write("rules.toml", FOUR_EYES);
    room
}

/// Rule, case and seqs of the findings.
fn found(answer: &Value) -> Vec<(String, String, Vec<u64>)> {
    let findings = answer["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let seqs = |finding: &Value| finding["seqs"].as_array().unwrap().iter().map(|seq| seq.as_u64().unwrap()).collect();
    findings.map(|finding| (text(&finding["rule"]), text(&finding["case"]), seqs(finding))).collect()
}

fn expected(cases: &[(&str, &str, &[u64])]) -> Vec<(String, String, Vec<u64>)> {
    cases.iter().map(|(rule, case, seqs)| ((*rule).to_owned(), (*case).to_owned(), seqs.to_vec())).collect()
}

#[test]
fn a_rule_of_a_file_names_the_runs_and_the_events_that_break_it() {
    let room = payments();
    let answer = room.ends(1, &["audit", "--rules", "rules.toml", "--json"]).json();
    assert_eq!(found(&answer), expected(&[("four-eyes", "P1", &[3]), ("four-eyes", "P2", &[4])]));
    assert_eq!(
        (answer["good"].as_bool(), answer["runs"].as_u64(), answer["events"].as_u64()),
        (Some(false), Some(3), Some(8))
    );
    let text = room.ends(1, &["audit", "--rules", "rules.toml"]);
    assert!(text.err.contains("four-eyes in `P1` at seq 3: "), "{}", text.err);
    assert!(text.out.contains("verdict   broken") && text.out.contains("findings  2 errors"), "{}", text.out);
    // The log by itself is in order.
    room.ends(0, &["audit"]);
    assert_eq!(found(&room.ends(0, &["audit", "--fail-on", "note", "--json"]).json()), []);
}

#[test]
fn the_severity_of_a_rule_decides_the_exit_code_and_no_finding_is_left_out() {
    let room = payments();
    room.write("warning.toml", &format!("{FOUR_EYES}severity = \"warning\"\n"));
    let answer = room.ends(0, &["audit", "--rules", "warning.toml", "--json"]).json();
    assert_eq!((found(&answer).len(), answer["findings"][0]["severity"].as_str()), (2, Some("warning")));
    room.ends(1, &["audit", "--rules", "warning.toml", "--fail-on", "warning"]);
}

#[test]
fn what_a_run_in_progress_still_owes_is_open_and_counts_only_as_ended() {
    let room = payments();
    room.write("audited.toml", "[[rule]]\nname = \"audited\"\ntemplate = \"response\"\nfirst = \"custom/executed\"\nthen = \"custom/audited\"\n");
    let answer = room.ends(0, &["audit", "--rules", "audited.toml", "--json"]).json();
    let rule = answer["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == "audited").unwrap();
    assert_eq!((rule["open"].as_u64(), rule["findings"].as_u64()), (Some(3), Some(0)));
    assert_eq!(found(&room.ends(1, &["audit", "--rules", "audited.toml", "--as-ended", "--json"]).json()).len(), 3);
}

#[test]
fn findings_are_reported_of_the_selected_events_alone_though_all_are_judged() {
    let room = payments();
    let of = |args: &[&str]| {
        let answer = room.run(&[&["audit", "--rules", "rules.toml", "--json"], args].concat());
        found(&answer.json())
    };
    assert_eq!(of(&["--run", "P2"]), expected(&[("four-eyes", "P2", &[4])]));
    assert_eq!(of(&["--actor", "ann"]), expected(&[("four-eyes", "P1", &[3])]));
    assert_eq!(of(&["--until", "2000-01-01"]), []);
}

#[test]
fn rules_that_cannot_be_read_are_refused_with_their_place_and_no_verdict() {
    let room = payments();
    room.write("wrong.toml", "[[rule]]\nname = \"a\"\ntemplate = \"respond\"\nkind = \"paid\"\n");
    let refused = room.ends(2, &["audit", "--rules", "wrong.toml"]);
    assert!(
        refused.err.contains("wrong.toml:3:12: expected `existence` or") && refused.err.contains("wrong.toml:4:8: "),
        "{}",
        refused.err
    );
    assert_eq!(refused.out, "");
    room.ends(2, &["audit", "--rules", "missing.toml"]).says("could not read `missing.toml`");
    room.ends(2, &["audit", "--rules", "rules.toml", "--rules", "rules.toml"])
        .says("rules.toml:2:8: rule `four-eyes` is in an earlier file already");
    room.write("built_in.toml", "[[rule]]\nname = \"signed_in_time\"\ntemplate = \"init\"\nkind = \"custom/a\"\n");
    room.ends(2, &["audit", "--rules", "built_in.toml"]).says("built_in.toml:2:8: ").says("signed_in_time");
    room.write("no_contract.toml", &format!("{FOUR_EYES}contract = \"statsu\"\n"));
    room.ends(2, &["audit", "--rules", "no_contract.toml"]).says("no_contract.toml:8:12: ").says("found `statsu`");
    room.ends(0, &["audit", "--rules", "rules.toml", "--run", "nobod?"]);
    room.ends(1, &["audit", "--rules", "rules.toml", "--run", "nobody"]).says("no run `nobody`");
}

#[test]
fn a_log_without_a_checkpoint_in_time_is_found_with_both_ends_of_the_gap() {
    let room = payments();
    assert_eq!(found(&room.ends(0, &["audit", "--max-unsigned", "1d", "--json"]).json()), []);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    room.ends(0, &["submit", "payments.jsonl"]);
    let answer = room.ends(1, &["audit", "--max-unsigned", "1s", "--json"]).json();
    assert_eq!(found(&answer), expected(&[("signed_in_time", "", &[0, 14])]));
}

#[test]
fn what_a_rule_could_not_judge_is_not_kept() {
    // Rule O-25.
    let room = Room::new();
    let line = "{\"contract\":\"custom\",\"run\":\"a\",\"do\":\"record\",\"kind\":\"custom/a\"}\n";
    room.feed(&["submit"], &line.repeat(10_002));
    let rule = "[[rule]]\nname = \"r\"\ntemplate = \"response\"\nfirst = \"custom/a\"\nthen = \"custom/b\"\n";
    room.write("rules.toml", rule);
    let done = room.ends(1, &["audit", "--rules", "rules.toml"]);
    assert!(done.out.contains("verdict     not_judged") && done.out.contains("not judged  2 events"), "{}", done.out);
    let answer = room.ends(1, &["audit", "--rules", "rules.toml", "--json"]).json();
    assert_eq!((&answer["good"], found(&answer).len()), (&false.into(), 0));
}

#[test]
fn an_audit_is_recorded_with_the_root_of_what_it_read_and_the_digests_of_its_rules() {
    let room = payments();
    let verified = room.ends(0, &["verify", "--json"]).json()["root"].clone();
    let args = ["audit", "--rules", "rules.toml", "--record", "--max-unsigned", "1d"];
    room.ends(1, &args);
    let history = room.ends(0, &["cat", "--run", "$log", "--kind", "log.audited", "--json"]).lines();
    let [audited] = history.as_slice() else { panic!("{history:?}") };
    let audited = &audited["payload"];
    assert_eq!((audited["verdict"].as_str(), audited["errors"].as_u64()), (Some("broken"), Some(2)));
    assert_eq!((audited["next_seq"].as_u64(), &audited["root"]), (Some(8), &verified));
    let blake3 = blake3::hash(FOUR_EYES.as_bytes()).to_hex().to_string();
    assert_eq!(audited["rules"], serde_json::json!([{"file": "rules.toml", "blake3": blake3}]));
    // An audit of a part of the log is not recorded, and neither is an audit that could not be carried out.
    room.ends(2, &["audit", "--record", "--actor", "ann"]).says("--record: expected an audit of all events");
    room.ends(2, &["audit", "--record", "--at", "3"]).says("cannot be used with");
    room.ends(2, &["audit", "--record", "--rules", "missing.toml"]);
    assert_eq!(room.ends(0, &["cat", "--kind", "log.audited"]).out.lines().count(), 1);
    room.ends(0, &["verify"]);
    room.ends(0, &["audit", "--record"]);
    assert_eq!(room.ends(0, &["cat", "--kind", "log.audited"]).out.lines().count(), 2);
}

#[test]
fn cat_selects_by_kind_actor_status_contract_and_fields() {
    let room = payments();
    let seqs = |args: &[&str]| -> Vec<u64> {
        let lines = room.ends(0, &[&["cat", "--json"], args].concat()).lines();
        lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!(seqs(&["--kind", "custom/approved"]), [2, 5]);
    assert_eq!(seqs(&["--kind", "log.*"]), [0, 1, 7]);
    assert_eq!(seqs(&["--actor", "bob", "--kind", "custom/*"]), [4, 6]);
    assert_eq!(seqs(&["--run", "P[12]", "--run", "P3", "--where", "payload.ticket!=T2"]), [2, 3, 5, 6]);
    assert_eq!(seqs(&["--where", "payload.cents>=5", "--where", "payload.cents<200000"]), [5]);
    assert_eq!(seqs(&["--where", "seq>3", "--where", "stream~^P", "--contract", "custom"]), [4, 5, 6]);
    assert_eq!(seqs(&["--status", "open", "--from", "4"]), [4, 5, 6]);
    assert_eq!(seqs(&["--contract", "status"]), [] as [u64; 0]);
}

#[test]
fn the_status_of_a_selection_is_the_one_that_a_run_has_after_the_event() {
    let room = Room::with_batch();
    let failed = room.ends(0, &["cat", "--json", "--run", "RUN_*", "--status", "failed"]).lines();
    // The events by which two runs failed: none before them, and none of the runs that did not fail.
    let kinds: Vec<(&str, &str)> =
        failed.iter().map(|event| (event["stream"].as_str().unwrap(), event["kind"].as_str().unwrap())).collect();
    assert_eq!(kinds, [("RUN_0001", "status.transitioned"), ("RUN_0002", "status.forced_failed")]);
    let tail = room.ends(0, &["tail", "-n", "1", "--json", "--status", "failed"]).lines();
    assert_eq!(tail.last(), failed.last());
}

#[test]
fn a_selection_that_cannot_be_meant_is_refused() {
    let room = payments();
    for (args, says) in [
        (["--kind", "paid"], "expected a kind of event"),
        (["--where", "colour=red"], "expected a field of an event"),
        (["--where", "payload.nothing=1"], "none of the 8 events that the other options select has this field"),
        (["--run", "P["], "expected `]`"),
        (["--since", "soon"], "--since: expected a time such as"),
        (["--tz", "Europe/Nowhere"], "expected a time zone"),
    ] {
        room.ends(2, &["cat", args[0], args[1]]).says(says);
    }
    // Not the last events alone are looked at.
    room.ends(2, &["tail", "-n", "1", "--where", "payload.nothing=1"]).says("none of the 8 events");
    room.ends(0, &["tail", "-n", "1", "--where", "payload.cents!=1"]);
    for command in ["cat", "tail", "audit", "runs"] {
        room.ends(2, &[command, "--contract", "statsu"]).says("--contract: expected one of").says("found `statsu`");
    }
    room.ends(2, &["cat", "--since", "2026-10-25T02:30", "--tz", "Europe/Zurich"]).says("occurs twice");
    room.ends(0, &["cat", "--since", "2026-10-25", "--tz", "-05:00"]);
    // A misspelt field would hide every finding.
    room.ends(2, &["audit", "--rules", "rules.toml", "--where", "payload.nothing=1"]).says("none of the 8 events");
}

/// A clock that shows the time to which it was set last.
#[derive(Default)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn read(&self) -> Reading {
        Reading { wall_ns: self.0.load(Ordering::Relaxed), passed_ns: None }
    }
}

/// Submits the commands of a file in one session, each at the time that it gives.
fn record_as_it_occurred(room: &Room, path: &str) {
    let clock = Arc::new(SetClock::default());
    let lines = std::fs::read_to_string(room.path(path)).unwrap();
    let at = |line: &str| {
        let at = serde_json::from_str::<Value>(line).unwrap()["at"].as_str().unwrap().to_owned();
        i64::try_from(from_rfc3339(&at).unwrap()).unwrap()
    };
    clock.0.store(at(lines.lines().next().unwrap()), Ordering::Relaxed);
    let options = Options { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Options::new("tests") };
    let log = options.open(room.path("evlog"), Contracts::new().with(Custom)).unwrap();
    for line in lines.lines() {
        clock.0.store(at(line), Ordering::Relaxed);
        log.submit(&Request::parse_line(line.as_bytes()).unwrap()).unwrap().into_accepted().unwrap();
    }
    log.close().unwrap();
}

/// The commands of a section of `docs/audit.md`, each with its exit code.
fn commands_of(section: &str) -> Vec<(String, i32)> {
    let page = include_str!("../../../../docs/audit.md");
    let section = page.split("\n## ").find(|part| part.starts_with(section)).expect("the section");
    let commands = section.lines().filter_map(|line| line.strip_prefix("$ evlog "));
    let with_code = |line: &str| {
        let (command, comment) = line.split_once('#').unwrap_or((line, ""));
        (command.trim().to_owned(), i32::from(comment.contains("exit code 1")))
    };
    commands.map(with_code).collect()
}

#[test]
fn each_question_of_an_auditor_is_answered_by_the_command_of_the_page() {
    let room = Room::new();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for file in ["payments.jsonl", "rules.toml"] {
        let path = format!("docs/examples/audit/{file}");
        room.write(&path, &std::fs::read_to_string(repository.join(&path)).unwrap());
    }
    let commands = commands_of("Questions of an auditor");
    assert_eq!(commands.len(), 14, "ten questions, three of them with two, and the command that records the events");
    assert_eq!(commands[0].0, "submit docs/examples/audit/payments.jsonl");
    record_as_it_occurred(&room, "docs/examples/audit/payments.jsonl");
    for (command, code) in &commands[1..] {
        let words: Vec<String> =
            command.split(' ').filter(|word| !word.is_empty()).map(|word| word.replace('\'', "")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let done = room.ends(*code, &words);
        assert!(!done.out.is_empty(), "{command}");
    }
    let broken = room.ends(1, &["audit", "--rules", "docs/examples/audit/rules.toml", "--json"]).json();
    let found: Vec<(String, String, Vec<u64>)> = found(&broken);
    assert_eq!(
        found,
        expected(&[
            ("approved-is-not-changed", "pay-2", &[6, 7]),
            ("four-eyes", "pay-2", &[8]),
            ("four-eyes", "pay-3", &[10]),
            ("large-payments-are-approved-first", "pay-3", &[9, 10]),
        ])
    );
}

/// A room with the log of a directory of the repository.
fn golden(dir: &str) -> Room {
    let (room, golden) = (Room::new(), Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(dir));
    for file in files_below(&golden) {
        let target = room.path("evlog").join(file.strip_prefix(&golden).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, target).unwrap();
    }
    room
}

#[test]
fn the_golden_logs_of_each_version_of_format_and_projections_are_replayed_and_audited() {
    let projections = golden("crates/evlog-cli/tests/golden/projections-1/evlog");
    assert_eq!(projections.ends(0, &["replay", "--json"]).json()["compared"], 25);
    assert_eq!(found(&projections.ends(0, &["audit", "--json"]).json()), []);
    // The log of the page on the format has a clock that goes back, and an event that only a later program can show.
    let format = golden("tests/golden/v2/healthy");
    format.ends(1, &["replay"]).says("event 18 of run `order-8`: expected a plain payload");
    assert_eq!(
        found(&format.ends(1, &["audit", "--json"]).json()),
        expected(&[("time_forward", "", &[9, 10]), ("contract_kept", "order-8", &[18])])
    );
    for harmed in ["reordered", "bit_flipped"] {
        golden(&format!("tests/golden/v2/{harmed}")).ends(2, &["audit"]).says("log is damaged");
    }
}

/// A payment of the example lifecycle, approved by one person and executed by another or the same.
fn paid(room: &Room, run: &str, approved_by: &str, executed_by: &str) -> Vec<String> {
    let line = |what: &str, actor: &str| {
        format!("{{\"contract\":\"lifecycle\",\"run\":\"{run}\",\"actor\":\"{actor}\",{what}}}\n")
    };
    let lines = [
        line("\"do\":\"create\",\"lifecycle\":\"payment\",\"data\":{\"cents\":5}", "req"),
        line("\"do\":\"transition\",\"to\":\"approved\"", approved_by),
        line("\"do\":\"transition\",\"to\":\"executed\"", executed_by),
    ];
    let done = room.feed(&["submit", "--contract", "payment.toml"], &lines.concat());
    let answer = |line: &str| {
        let answer: Value = serde_json::from_str(line).unwrap();
        answer["error"]["code"].as_str().unwrap_or(answer["result"].as_str().unwrap()).to_owned()
    };
    done.out.lines().map(answer).collect()
}

#[test]
fn a_rule_of_a_contract_file_refuses_what_would_break_it_and_is_judged_without_the_file() {
    // O-28, O-29, M-13.
    let room = Room::new();
    let payment = include_str!("../../../../docs/examples/contracts/payment.toml");
    room.write("payment.toml", payment);
    assert_eq!(paid(&room, "P1", "ann", "bob"), ["accepted"; 3]);
    assert_eq!(paid(&room, "P2", "ann", "ann"), ["accepted", "accepted", "RULE_BROKEN"]);
    let refused = room.feed(
        &["submit", "--json", "--actor", "ann"],
        "{\"contract\":\"machine\",\"run\":\"P2\",\"do\":\"transition\",\"to\":\"executed\"}\n",
    );
    assert_eq!(refused.code, 1, "{refused:?}");
    let why = "rule `four-eyes` of the run's contract: expected: who approves a payment does not execute it";
    assert!(refused.out.contains(why), "{refused:?}");
    // The refused command is not recorded, and another person can continue the run. No file has the rule any more.
    assert_eq!(room.ends(0, &["runs", "--run", "P2", "--json"]).json()["status"], "approved");
    // A run of the same lifecycle with rules that are not enforced is judged at the end.
    room.write("payment.toml", &payment.replace("enforce = true", "enforce = false"));
    assert_eq!(paid(&room, "P3", "ann", "ann"), ["accepted"; 3]);
    room.ends(0, &["verify"]);
    let audited = room.ends(1, &["audit", "--json"]).json();
    let rules: Vec<&str> =
        audited["rules"].as_array().unwrap().iter().filter_map(|rule| rule["rule"].as_str()).collect();
    assert!(rules.ends_with(&["payment/four-eyes", "payment/settled-in-time"]), "{rules:?}");
    let four_eyes = ("payment/four-eyes".to_owned(), "P3".to_owned());
    let found = found(&audited);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0].0, &found[0].1), (&four_eyes.0, &four_eyes.1));
    let text = room.ends(1, &["audit"]);
    assert!(text.out.contains("0 of yours, 2 of contracts that runs brought"), "{text:?}");
    assert!(room.ends(1, &["audit", "--format", "junit"]).out.contains("payment/settled-in-time"));
}

#[test]
fn a_rule_of_a_pipeline_refuses_what_would_break_it() {
    // P-96.
    let room = Room::new();
    room.write(
        "build.toml",
        "name = \"build\"\nstages = [{ id = \"test\" }, { id = \"deploy\" }]\n[[rule]]\nname = \"other-person\"\n\
         template = \"precedence\"\nfirst = { kind = \"pipeline.outcome_recorded\", where = [\"payload.stage=test\"] }\n\
         then = { kind = \"pipeline.stage_begun\", where = [\"payload.stage=deploy\"] }\ndifferent = \"actor\"\nenforce = true\n",
    );
    let line = |what: &str, actor: &str| {
        format!("{{\"contract\":\"pipeline\",\"run\":\"b1\",\"actor\":\"{actor}\",\"do\":{what}}}\n")
    };
    let lines = [
        line("\"create\",\"pipeline\":\"build\"", "ann"),
        line("\"begin\",\"stage\":\"test\"", "ann"),
        line("\"outcome\",\"stage\":\"test\",\"status\":\"success\"", "ann"),
        line("\"begin\",\"stage\":\"deploy\"", "ann"),
        line("\"begin\",\"stage\":\"deploy\"", "bob"),
    ];
    let done = room.feed(&["submit", "--contract", "build.toml"], &lines.concat());
    let answers: Vec<Value> = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let codes: Vec<&str> = answers.iter().filter_map(|answer| answer["error"]["code"].as_str()).collect();
    assert_eq!((answers.len(), codes.as_slice()), (5, ["RULE_BROKEN"].as_slice()), "{done:?}");
    assert_eq!(answers[4]["result"], "accepted", "{done:?}");
    room.ends(0, &["verify"]);
    room.ends(0, &["audit"]);
}
