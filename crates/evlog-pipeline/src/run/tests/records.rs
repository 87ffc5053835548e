//! What a run records of its stages' environment and output, and that no secret is in it.

use super::*;

/// A variable that cargo sets for every test, and that no other test needs to be secret.
const SECRET: &str = "CARGO_PKG_DESCRIPTION";

fn secret() -> String {
    std::env::var(SECRET).unwrap()
}

fn with_secret(plan: &str) -> String {
    plan.replacen("[[reason_code]]", &format!("[secrets]\nnames = [\"{SECRET}\"]\n[[reason_code]]"), 1)
}

/// Every byte that is left of a run: its bundle, and its log.
fn everything_left(room: &Room) -> Vec<(String, Vec<u8>)> {
    let in_bundle = room.files().into_iter().map(|path| (path.clone(), fs::read(room.bundle(&path)).unwrap()));
    let segments = fs::read_dir(room.path("log/segments")).unwrap().map(|entry| entry.unwrap().path());
    in_bundle.chain(segments.map(|path| (path.display().to_string(), fs::read(&path).unwrap()))).collect()
}

fn check_nothing_shows(room: &Room, left: &Left) {
    let secret = secret();
    let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
    for (path, bytes) in everything_left(room) {
        assert!(!holds(&bytes), "{path} shows the secret");
    }
    assert!(!left.reported.iter().any(|line| line.contains(&secret)), "{:?}", left.reported);
}

#[test]
fn g51_a_secret_is_masked_in_output_that_comes_in_two_halves() {
    let room = Room::new();
    let script = format!(
        "v=\"${SECRET}\"; half=$(printf %s \"$v\" | cut -c1-9); rest=$(printf %s \"$v\" | cut -c10-); \
         printf 'it is %s' \"$half\"; sleep 0.1; echo \"$rest, and on stderr $v\" >&2"
    );
    let left = room.ends(&with_secret(&plan(&[(&script, "")])), 0, &["one success fail_closed -"]);
    assert_eq!(room.text("logs/one.log"), "it is ***, and on stderr ***\n");
    assert!(left.reported.contains(&"line one it is ***, and on stderr ***".to_owned()), "{:?}", left.reported);
    check_nothing_shows(&room, &left);
    // G-55: an artifact is published as it is.
    let stages = format!("printf %s \"${SECRET}\" > $EVLOG_STAGING_DIR/holds");
    let room = Room::new();
    room.ends(&with_secret(&plan(&[(&stages, "")])), 0, &["one success fail_closed -"]);
    assert_eq!(room.text("holds"), secret());
    // Shows that the test can fail: if the plan does not name the secret, the same run shows it.
    let open = Room::new();
    open.ends(&plan(&[(&script, "")]), 0, &["one success fail_closed -"]);
    assert!(open.text("logs/one.log").contains(&secret()));
}

#[test]
fn g54_no_finding_report_note_or_event_shows_a_secret() {
    let rows = "mkdir $EVLOG_STAGING_DIR/rows; echo \"{\\\"a\\\":1}\" > $EVLOG_STAGING_DIR/rows/all.jsonl";
    let scripts = [
        // The secret is a member that the schema does not know, or is in a string that is not JSON.
        format!("mkdir $EVLOG_STAGING_DIR/rows; echo \"{{\\\"${SECRET}\\\":1}}\" > $EVLOG_STAGING_DIR/rows/all.jsonl"),
        // The secret is in the path of a staged file.
        format!("{rows}; touch \"$EVLOG_STAGING_DIR/rows/${SECRET}\""),
        // The secret is in an outcome: in a status, a substage, a code.
        format!("{rows}; echo \"{{\\\"stage\\\":\\\"one.x\\\",\\\"status\\\":\\\"${SECRET}\\\"}}\" > $EVLOG_OUTCOMES"),
        format!(
            "{rows}; echo \"{{\\\"stage\\\":\\\"one.${SECRET}\\\",\\\"status\\\":\\\"success\\\"}}\" > $EVLOG_OUTCOMES"
        ),
        format!("{rows}; echo \"{{\\\"reason_code\\\":\\\"${SECRET}\\\"}}\" > $EVLOG_OUTCOMES; exit 1"),
    ];
    let strict = r#"{"type":"object","additionalProperties":false,"properties":{"a":{"type":"integer"}}}"#;
    for script in scripts {
        let room = Room::new();
        fs::write(room.path("row.json"), strict).unwrap();
        let failed = ["one failed fail_closed contract_validation_failed"];
        let left = room.ends(&with_secret(&plan(&[(&script, ROWS)])), 20, &failed);
        check_nothing_shows(&room, &left);
        let report = room.text("logs/contract_validation/one.json");
        assert!(report.contains("***") || report.contains("secret_in_outcome"), "{report}");
    }
}

#[test]
fn g53_a_plan_whose_secret_is_not_set_touches_nothing() {
    let room = Room::new();
    let left = room.run(&with_secret(&plan(&[NOTHING])).replace(SECRET, "NO_SUCH_VARIABLE"));
    let Err(error @ RunError::Secrets(_)) = &left.result else { panic!("{:?}", left.result) };
    assert_eq!((error.exit_code(), left.events), (2, 0));
    assert!(error.to_string().contains("`NO_SUCH_VARIABLE`, which is not set"), "{error}");
    assert!(!room.path("out").exists());
}

#[test]
fn g32_a_stage_inherits_what_its_plan_says() {
    let script = "echo \"${CARGO_PKG_NAME-none} ${CARGO_PKG_VERSION-none} ${COLOUR-none}\"";
    let name = env!("CARGO_PKG_NAME");
    let version = env!("CARGO_PKG_VERSION");
    let cases = [
        ("", format!("{name} {version} blue")),
        ("inherit_environment = [\"PATH\", \"CARGO_PKG_NAME\"]", format!("{name} none blue")),
        ("inherit_environment = []", "none none blue".to_owned()),
    ];
    for (key, expected) in cases {
        let room = Room::new();
        let here = plan(&[(script, &format!("{key}\nenv = {{ COLOUR = \"blue\" }}"))]);
        room.ends(&here.replace("\"sh\"", "\"/bin/sh\""), 0, &["one success fail_closed -"]);
        assert_eq!(room.text("logs/one.log").trim_end(), expected, "{key}");
        // The plan has a list for all stages; a stage's own list takes its place.
        let room = Room::new();
        let all = format!("inherit_environment = []\n{here}");
        room.ends(&all.replace("\"sh\"", "\"/bin/sh\""), 0, &["one success fail_closed -"]);
        let expected = if key.is_empty() { "none none blue" } else { expected.as_str() };
        assert_eq!(room.text("logs/one.log").trim_end(), expected, "{key}");
    }
}

#[test]
fn g41_a_stage_that_prints_too_much_goes_on_and_its_log_says_what_is_left_out() {
    let room = Room::new();
    let script = "yes 'a line of output' | head -n 10000; echo done > $EVLOG_STAGING_DIR/done; echo the last line";
    room.ends(&plan(&[(script, "output_limit = \"2 KiB\"")]), 0, &["one success fail_closed -"]);
    let log = room.text("logs/one.log");
    assert!(log.len() < 2200 && log.ends_with("a line of output\nthe last line\n"), "{log}");
    assert!(log.contains("\nevlog: ") && log.contains(" bytes of output are left out here\n"), "{log}");
    assert!(room.bundle("done").exists());
    let captured = &room.json("run.json")["captured"][0];
    assert_eq!(captured["bytes"], log.len());
    assert_eq!(captured["blake3"], blake3::hash(log.as_bytes()).to_hex().as_str());
}

#[test]
fn g33_a_process_that_left_its_group_does_not_hold_up_the_run_and_a_note_says_that_it_was_ended() {
    let room = Room::new();
    let script = "setsid sh -c 'echo $$ > left; exec sleep 100' & while ! test -s left; do :; done; echo done";
    let left = room.ends(&plan(&[(script, "")]), 0, &["one success fail_closed -"]);
    let pid = fs::read_to_string(room.path("left")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "it still runs");
    let note = "1 process that had left the stage's process group ended with the stage";
    assert_eq!(room.text("logs/one.log"), format!("done\nevlog: {note}\n"));
    assert!(left.reported.contains(&format!("note one {note}")));
}

#[test]
fn g15_an_attempt_finds_nothing_that_another_has_staged() {
    let room = Room::new();
    let leaves = "mkdir -p $EVLOG_RUN_DIR/.staging/two; echo > $EVLOG_RUN_DIR/.staging/two/left";
    let looks = "test -z \"$(ls -A $EVLOG_STAGING_DIR)\"; echo > $EVLOG_STAGING_DIR/own";
    let left =
        room.ends(&plan(&[(leaves, ""), (looks, "")]), 0, &["one success fail_closed -", "two success fail_closed -"]);
    assert!(room.bundle("own").exists() && !room.bundle("left").exists(), "{:?}", left.reported);
}

#[test]
fn g09_a_file_that_no_output_names_is_published_and_reported() {
    let room = Room::new();
    let script = format!("{MAKES_ROWS}; for n in 1 2 3 4 5 6 7; do echo > $EVLOG_STAGING_DIR/rows/$n; done");
    let left = room.ends(&plan(&[(&script, ROWS)]), 0, &["one success fail_closed -"]);
    let note = "note one published without validation, because no output names it: rows/1, rows/2, rows/3, rows/4, rows/5 and 2 more";
    assert!(left.reported.contains(&note.to_owned()), "{:?}", left.reported);
    assert!(room.bundle("rows/7").exists());
}

#[test]
fn g61_inputs_are_recorded_before_the_stage_begins() {
    let room = Room::new();
    fs::write(room.path("notes.txt"), "notes").unwrap();
    let two = "inherit_environment = [\"PATH\"]\n[[stage.input]]\nglob = \"rows/*.jsonl\"\nfrom = \"run\"\n\
        [[stage.input]]\npath = \"notes.txt\"\n[[stage.input]]\npath = \"none.txt\"\nrequired = false";
    let script = "cat $EVLOG_RUN_DIR/rows/all.jsonl notes.txt";
    let outcomes = ["one success fail_closed -", "two success fail_closed -"];
    room.ends(&plan(&[(MAKES_ROWS, ROWS), (script, two)]), 0, &outcomes);
    let inputs = room.json("run.json")["inputs"].clone();
    let of = |path: &str, from: &str| json!({"path": path, "from": from, "stage": "two"});
    let mut expected = [of("none.txt", "plan"), of("notes.txt", "plan"), of("rows/all.jsonl", "run")];
    for (one, (required, content)) in
        expected.iter_mut().zip([(false, None), (true, Some("notes")), (true, Some("{\"a\":1}\n"))])
    {
        one["required"] = required.into();
        if let Some(content) = content {
            one["bytes"] = content.len().into();
            one["blake3"] = blake3::hash(content.as_bytes()).to_hex().as_str().into();
        }
    }
    assert_eq!(inputs, json!(expected));
    let kinds: Vec<String> = room
        .text("audit_events.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().to_owned())
        .collect();
    let at = kinds.iter().position(|kind| kind == "pipeline.inputs_recorded").unwrap();
    assert_eq!(kinds[at + 1], "pipeline.stage_begun", "{kinds:?}");
}

#[test]
fn g62_a_stage_whose_input_is_missing_does_not_begin() {
    let missing = [
        ("path = \"none.txt\"", "`none.txt` (beside the plan)"),
        ("glob = \"none/**\"", "`none/**` (beside the plan)"),
        ("path = \"rows/other\"\nfrom = \"run\"", "`rows/other` (in the bundle)"),
    ];
    for (input, reported) in missing {
        let room = Room::new();
        let two = format!("fail_mode = \"warn_and_skip\"\n[[stage.input]]\n{input}");
        let left = room.ends(
            &plan(&[(MAKES_ROWS, ROWS), ("echo > ran", &two), NOTHING]),
            20,
            &[
                "one success fail_closed -",
                "two failed fail_closed input_missing",
                "three skipped fail_closed blocked_by_upstream_failure",
            ],
        );
        assert!(
            !room.path("ran").exists() && !left.reported.contains(&"started two".to_owned()),
            "{:?}",
            left.reported
        );
        assert!(
            left.reported.contains(&format!("note two did not begin, because an input is missing: {reported}")),
            "{:?}",
            left.reported
        );
    }
}

#[test]
fn g63_an_artifact_that_was_changed_after_it_was_published_is_no_input() {
    let room = Room::new();
    let two = "echo changed > $EVLOG_RUN_DIR/rows/all.jsonl";
    let three = "[[stage.input]]\npath = \"rows/all.jsonl\"\nfrom = \"run\"";
    let left = room.run(&plan(&[(MAKES_ROWS, ROWS), (two, ""), ("true", three)]));
    let report = left.result.unwrap();
    assert_eq!(spelled(&report.outcomes[2]), "three failed fail_closed storage_io_error");
    assert!(left.reported.iter().any(|line| line.contains("INPUT_CHANGED")), "{:?}", left.reported);
}
