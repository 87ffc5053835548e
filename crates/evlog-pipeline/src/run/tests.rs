//! Whole runs with stages that are lines of shell: what is recorded, what is in the bundle, what is not touched.

mod interrupts;
mod output;
mod places;
mod records;
mod resume;
mod retry;
mod sight;
mod steps;

use super::*;
use evlog_lifecycle::pipeline::Pipeline;
use evlog_projection::Contracts;
use std::os::unix::fs::symlink;
use std::path::Path;

const RUN: &str = "11111111-1111-4111-8111-111111111111";

struct Room(tempfile::TempDir, Arc<Interrupts>);

type Begin<'b> =
    dyn Fn(&Plan, Session<'_>, &mut Claim, &Options, &mut dyn FnMut(Progress<'_>)) -> Result<RunReport, RunError> + 'b;

/// The results of a run.
struct Left {
    result: Result<RunReport, RunError>,
    /// What was reported, a line each.
    reported: Vec<String>,
    /// What the log projects, by path.
    projected: BTreeMap<String, Vec<u8>>,
    events: u64,
}

impl Room {
    fn new() -> Room {
        let room = Room(tempfile::tempdir().unwrap(), Arc::default());
        let schema = r#"{"type":"object","required":["a"],"properties":{"a":{"type":"integer"}}}"#;
        fs::write(room.path("row.json"), schema).unwrap();
        room
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn bundle(&self, path: &str) -> PathBuf {
        self.path("out/runs").join(RUN).join(path)
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.bundle(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path)).unwrap()
    }

    fn run(&self, plan: &str) -> Left {
        fs::write(self.path("plan.toml"), plan).unwrap();
        self.with(&|plan, session, claim, options, progress| run(plan, session, claim, options, progress))
    }

    /// Resumes the run that was left, with the plan that is there now.
    fn resume(&self) -> Left {
        self.with(&|plan, session, claim, options, progress| resume(plan, session, claim, options, progress))
    }

    fn with(&self, begin: &Begin<'_>) -> Left {
        self.with_run(RUN, begin)
    }

    fn with_run(&self, run: &str, begin: &Begin<'_>) -> Left {
        let plan = Plan::load(&self.path("plan.toml")).unwrap_or_else(|error| panic!("{error}"));
        let contracts = || Contracts::default().with(Pipeline::default());
        let log = evlog::Options::new("test").open(self.path("log"), contracts()).unwrap();
        let mut view = View::open(self.path("log"), contracts()).unwrap();
        let options = Options { interrupts: self.1.clone(), ..Options::default() };
        let mut reported = Vec::new();
        let session = Session { log: &log, view: &mut view };
        let result = Claim::take(&self.path("out"), Some(run), &options.steps).and_then(|mut claim| {
            begin(&plan, session, &mut claim, &options, &mut |progress| reported.push(line_of(&progress)))
        });
        view.refresh().unwrap();
        let bundle = view.bundle(run).unwrap();
        let events = bundle.as_ref().map_or(0, |bundle| bundle.events);
        let files = bundle.map(|bundle| bundle.files).unwrap_or_default();
        let projected = files.into_iter().map(|(path, file)| (path, file.bytes)).collect();
        log.close().unwrap();
        Left { result, reported, projected, events }
    }

    /// Runs a plan to its end, and asserts what must hold after every run that has ended.
    fn ends(&self, plan: &str, exit_code: u8, outcomes: &[&str]) -> Left {
        let left = self.run(plan);
        self.ended(&left, exit_code, outcomes);
        left
    }

    /// Asserts what must hold after every run that has ended.
    fn ended(&self, left: &Left, exit_code: u8, outcomes: &[&str]) {
        let report = left.result.as_ref().unwrap_or_else(|error| panic!("{error}\n{:#?}", left.reported));
        let found: Vec<String> = report.outcomes.iter().map(spelled).collect();
        assert_eq!(found, outcomes, "{:#?}", left.reported);
        assert_eq!(report.exit_code, exit_code);
        for (path, bytes) in &left.projected {
            let found = fs::read(self.bundle(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(&found == bytes, "{path} is not what the log projects");
        }
        assert!(!self.bundle(".staging").exists());
        assert_eq!(fs::read_dir(self.path("out/runs/.locks")).unwrap().count(), 0);
        let status = ["success", "partial", "failed"][usize::from(exit_code / 10)];
        assert_eq!(self.json("manifest.json")["status"], status);
        assert_eq!(self.json("logs/health.json")["status"], status);
    }

    fn files(&self) -> Vec<String> {
        fn below(directory: &Path, prefix: &str, found: &mut Vec<String>) {
            for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
                let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
                if entry.file_type().unwrap().is_dir() {
                    below(&entry.path(), &format!("{path}/"), found);
                } else {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        below(&self.bundle(""), "", &mut found);
        found.sort_unstable();
        found
    }
}

/// The same room, without an interrupt.
fn undisturbed(room: Room) -> Room {
    Room(room.0, Arc::default())
}

fn spelled(outcome: &Outcome) -> String {
    let code = outcome.reason_code.as_deref().unwrap_or("-");
    format!("{} {} {} {code}", outcome.stage, outcome.status.word(), outcome.fail_mode.word())
}

fn line_of(progress: &Progress<'_>) -> String {
    match progress {
        Progress::RunCreated { stages, .. } => format!("created {}", stages.join(",")),
        Progress::Resumed { finished, .. } => format!("resumed after {}", finished.join(",")),
        Progress::TakingOver { stage, from } => format!("taking over {stage} from {from}"),
        Progress::StageTakenOver { stage, from, files, .. } => format!("taken over {stage} from {from}, {files} files"),
        Progress::LockForced { .. } => "lock forced".to_owned(),
        Progress::PromotionFinished { stage, artifacts } => format!("promoted {stage} {artifacts}"),
        Progress::Note { message } => format!("note {message}"),
        Progress::Reading { stage, done, len } => format!("read {} {done} of {len}", stage.unwrap_or("-")),
        Progress::StageStarted { stage, .. } => format!("started {stage}"),
        Progress::OutputLine { stage, line } => format!("line {stage} {line}"),
        Progress::StageNote { stage, message } => format!("note {stage} {message}"),
        Progress::GateFailed { stage, reason_code, .. } => format!("gate {stage} {reason_code}"),
        Progress::OutcomeRecorded { outcome, .. } => format!("outcome {}", spelled(outcome)),
        Progress::Finished { status, .. } => format!("finished {}", status.word()),
    }
}

const HEAD: &str = r#"
name = "p"
[[reason_code]]
stage = "*"
code = "broken"
severity = "FATAL"
[[reason_code]]
stage = "*"
code = "slow"
severity = "FATAL"
[[schema]]
id = "row"
file = "row.json"
mode = "jsonl_lines"
"#;

/// A plan with stages `one`, `two`, ...; each has a script, and more keys.
fn plan(stages: &[(&str, &str)]) -> String {
    let ids = ["one", "two", "three"];
    let stages = ids.iter().zip(stages).map(|(id, (script, keys))| {
        format!("[[reason_code]]\nstage = \"{id}\"\ncode = \"{id}_broken\"\nseverity = \"FATAL\"\n\
            [[reason_code]]\nstage = \"{id}.part\"\ncode = \"part_broken\"\nseverity = \"NON-FATAL\"\n\
            [[stage]]\nid = \"{id}\"\nreason_code = \"{id}_broken\"\ncommand = [\"sh\", \"-ec\", '''{script}''']\n{keys}\n")
    });
    HEAD.to_owned() + &stages.collect::<String>()
}

const MAKES_ROWS: &str =
    "mkdir $EVLOG_STAGING_DIR/rows; echo '{\"a\":1}' > $EVLOG_STAGING_DIR/rows/all.jsonl; echo made";
const ROWS: &str = "[[stage.output]]\npath = \"rows/all.jsonl\"\nschema = \"row\"";
const NOTHING: (&str, &str) = ("echo nothing", "");

#[test]
fn stages_that_succeed_make_a_run_that_succeeds() {
    let room = Room::new();
    let reads = "cp $EVLOG_RUN_DIR/rows/all.jsonl $EVLOG_STAGING_DIR/copy; cp $EVLOG_RUN_DIR/manifest.json $EVLOG_STAGING_DIR/seen";
    let left = room.ends(
        &plan(&[(MAKES_ROWS, ROWS), (reads, "")]),
        0,
        &["one success fail_closed -", "two success fail_closed -"],
    );
    let files = [
        "audit_events.jsonl",
        "copy",
        "logs/health.json",
        "logs/one.log",
        "logs/two.log",
        "manifest.json",
        "rows/all.jsonl",
        "run.json",
        "seen",
    ];
    assert_eq!(room.files(), files);
    assert_eq!(room.text("copy"), "{\"a\":1}\n");
    assert_eq!(room.text("logs/one.log"), "made\n");
    let seen = room.json("seen");
    assert_eq!((seen.get("status"), &seen["stage_outcomes"][0]["stage"]), (None, &json!("one")), "in progress: {seen}");
    let artifacts = &room.json("run.json")["artifacts"];
    assert_eq!(artifacts[1]["path"], "rows/all.jsonl");
    assert_eq!(artifacts[1]["blake3"], blake3::hash(b"{\"a\":1}\n").to_hex().as_str());
    assert_eq!((&artifacts[1]["bytes"], &artifacts[1]["contract"]), (&json!(8), &json!("row")));
    assert_eq!(room.json("run.json")["captured"][0]["path"], "logs/one.log");
    let reported = [
        "created one,two",
        "started one",
        "line one made",
        "outcome one success fail_closed -",
        "started two",
        "outcome two success fail_closed -",
        "finished success",
    ];
    assert_eq!(left.reported, reported);
}

#[test]
fn a_failure_that_only_warns_publishes_and_makes_the_run_partial() {
    let room = Room::new();
    let warned = format!("{MAKES_ROWS}; exit 1");
    let keys = format!("fail_mode = \"warn_and_skip\"\n{ROWS}");
    room.ends(
        &plan(&[NOTHING, (&warned, &keys), NOTHING]),
        10,
        &["one success fail_closed -", "two failed warn_and_skip two_broken", "three success fail_closed -"],
    );
    assert_eq!(room.text("rows/all.jsonl"), "{\"a\":1}\n");
}

#[test]
fn a_failure_that_is_fail_closed_publishes_nothing_and_blocks_the_later_stages() {
    let room = Room::new();
    let failing = format!("{MAKES_ROWS}; echo reason >&2; exit 1");
    let left = room.ends(
        &plan(&[(&failing, ROWS), NOTHING, ("", "fail_mode = \"warn_and_skip\"")]),
        20,
        &[
            "one failed fail_closed one_broken",
            "two skipped fail_closed blocked_by_upstream_failure",
            "three skipped warn_and_skip blocked_by_upstream_failure",
        ],
    );
    assert!(!room.bundle("rows").exists() && !room.bundle("logs/two.log").exists());
    assert_eq!(room.text("logs/one.log"), "made\nreason\n");
    assert!(!left.reported.contains(&"started two".to_owned()), "{:?}", left.reported);
}

#[test]
fn g12_artifacts_that_do_not_fulfil_their_schema_stop_the_run_with_a_report() {
    let room = Room::new();
    let wrong = "mkdir $EVLOG_STAGING_DIR/rows; printf '{\"a\":1}\\n{\\n{\"a\":\"x\"}\\n' > $EVLOG_STAGING_DIR/rows/all.jsonl; \
        echo > $EVLOG_STAGING_DIR/rows/other";
    let keys = format!("fail_mode = \"warn_and_skip\"\n{ROWS}");
    let left = room.ends(
        &plan(&[(wrong, &keys), NOTHING]),
        20,
        &["one failed fail_closed contract_validation_failed", "two skipped fail_closed blocked_by_upstream_failure"],
    );
    assert!(!room.bundle("rows").exists(), "nothing is promoted");
    let report = room.json("logs/contract_validation/one.json");
    let errors = report["artifacts"][0]["errors"].as_array().unwrap();
    let lines: Vec<&Value> = errors.iter().map(|error| &error["line_number"]).collect();
    assert_eq!(lines, [2, 3]);
    assert_eq!((&report["run_id"], &report["stage_id"]), (&json!(RUN), &json!("one")));
    assert!(left.reported.contains(&"gate one contract_validation_failed".to_owned()));
}

#[test]
fn g31_a_stage_is_given_its_environment_and_nothing_to_read() {
    // G-30: the plan's directory, and nothing on standard input.
    let room = Room::new();
    let script = "test -z \"$(ls -A $EVLOG_STAGING_DIR)\"; test ! -e $EVLOG_OUTCOMES; cat; pwd; echo \"$COLOUR\"; \
        env | grep ^EVLOG_ | sed 's/\\(MARK=\\)[0-9a-f-]*$/\\1x/' | sort; echo \"$EVLOG_COLOUR\"";
    room.ends(&plan(&[(script, "env = { COLOUR = \"red and blue\" }")]), 0, &["one success fail_closed -"]);
    let (here, bundle) = (room.0.path().canonicalize().unwrap(), room.bundle("").canonicalize().unwrap());
    let (here, bundle) = (here.display(), bundle.display());
    let expected = format!(
        "{here}\nred and blue\nEVLOG_OUTCOMES={bundle}/.staging/one.outcomes.jsonl\nEVLOG_PLAN_DIR={here}\n\
         EVLOG_RUN_DIR={bundle}\nEVLOG_RUN_ID={RUN}\nEVLOG_STAGE=one\nEVLOG_STAGE_MARK=x\nEVLOG_STAGING_DIR={bundle}/.staging/one\n\n"
    );
    assert_eq!(room.text("logs/one.log"), expected);
}

#[test]
fn the_most_exact_reason_code_is_recorded() {
    let keys = "exit_reason_codes = { 3 = \"broken\" }\ntime_limit = \"300ms\"\ntime_limit_reason_code = \"slow\"";
    let cases = [
        ("exit 1", "one_broken"),
        ("exit 3", "broken"),
        ("kill -9 $$", "one_broken"),
        ("sleep 100", "slow"),
        ("echo '{\"reason_code\":\"input_missing\"}' > $EVLOG_OUTCOMES; exit 3", "input_missing"),
        ("echo '{\"reason_code\":\"input_missing\"}' > $EVLOG_OUTCOMES; sleep 100", "slow"),
    ];
    for (script, code) in cases {
        let room = Room::new();
        room.ends(&plan(&[(script, keys)]), 20, &[&format!("one failed fail_closed {code}")]);
    }
}

#[test]
fn a_stage_past_its_limit_is_ended_and_says_so() {
    let room = Room::new();
    let left = room.ends(
        &plan(&[("echo begun; sleep 100 & sleep 100", "time_limit = \"200ms\"")]),
        20,
        &["one failed fail_closed one_broken"],
    );
    let reported = "the `time_limit` of 200ms has passed; the process group was ended";
    assert!(room.text("logs/one.log").ends_with(&format!("evlog: {reported}\n")), "{}", room.text("logs/one.log"));
    assert!(left.reported.contains(&format!("note one {reported}")));
}

#[test]
fn a_program_that_cannot_be_started_fails_its_stage() {
    let room = Room::new();
    let plan = plan(&[NOTHING]).replace("\"sh\", \"-ec\"", "\"./no-such-program\"");
    room.ends(&plan, 20, &["one failed fail_closed one_broken"]);
    assert!(room.text("logs/one.log").starts_with("evlog: `./no-such-program` could not be started: "));
}

#[test]
fn substages_are_recorded_and_weigh_in_the_status() {
    let room = Room::new();
    let script = "echo '{\"stage\":\"two.part\",\"status\":\"failed\",\"fail_mode\":\"warn_and_skip\",\"reason_code\":\"part_broken\"}\n\
        {\"stage\":\"two.all\",\"status\":\"success\"}' > $EVLOG_OUTCOMES";
    room.ends(
        &plan(&[NOTHING, (script, ""), NOTHING]),
        10,
        &[
            "one success fail_closed -",
            "two success fail_closed -",
            "two.all success fail_closed -",
            "two.part failed warn_and_skip part_broken",
            "three success fail_closed -",
        ],
    );
}

#[test]
fn a_substage_that_fails_closed_fails_its_stage() {
    let reported = |code: &str| {
        format!(
            "{MAKES_ROWS}; echo '{{\"stage\":\"two.part\",\"status\":\"failed\",\"fail_mode\":\"fail_closed\",\"reason_code\":\"{code}\"}}' > $EVLOG_OUTCOMES"
        )
    };
    // The stage's catalogue has the reason code of the substage, or does not have it.
    for (code, own) in [("broken", "broken"), ("part_broken", "two_broken")] {
        let room = Room::new();
        let part = format!("two.part failed fail_closed {code}");
        let two = format!("two failed fail_closed {own}");
        room.ends(
            &plan(&[NOTHING, (&reported(code), ROWS), NOTHING]),
            20,
            &["one success fail_closed -", &two, &part, "three skipped fail_closed blocked_by_upstream_failure"],
        );
        assert!(!room.bundle("rows").exists());
    }
}

#[test]
fn invalid_outcomes_fail_the_stage_with_a_report() {
    let cases = [
        ("{", "parse"),
        ("{\"stage\":\"one.part\",\"status\":\"success\"}", "parse"),
        ("{\"stage\":\"two.part\",\"status\":\"failed\",\"reason_code\":\"unheard_of\"}", "reason_code_not_catalogued"),
        ("{\"reason_code\":\"broken\"}", "reason_code_invalid"),
        ("{\"reason_code\":\"unheard_of\"}", "reason_code_invalid"),
        ("{\"reason_code\":\"blocked_by_upstream_failure\"}", "reason_code_invalid"),
        ("{\"stage\":\"two.Not A Word\",\"status\":\"success\"}", "unknown_stage"),
        ("{\"stage\":\"two.part\",\"status\":\"failed\",\"reason_code\":\"Not A Word\"}", "reason_code_not_catalogued"),
        (
            "{\"stage\":\"two.part\",\"status\":\"skipped\",\"reason_code\":\"blocked_by_upstream_failure\"}",
            "not_a_top_level_stage",
        ),
    ];
    for (line, code) in cases {
        let room = Room::new();
        let script = format!("{MAKES_ROWS}; echo '{line}' > $EVLOG_OUTCOMES");
        room.ends(
            &plan(&[NOTHING, (&script, ROWS)]),
            20,
            &["one success fail_closed -", "two failed fail_closed contract_validation_failed"],
        );
        let report = room.json("logs/contract_validation/two.json");
        let error = &report["artifacts"][0]["errors"][0];
        assert_eq!(error["error_code"].as_str().unwrap_or("parse"), code, "{line}: {report:#}");
        assert!(!room.bundle("rows").exists());
    }
}

#[test]
fn a_stage_cannot_take_the_path_of_an_earlier_one() {
    let room = Room::new();
    room.ends(
        &plan(&[("echo 1 > $EVLOG_STAGING_DIR/x", ""), ("echo 2 > $EVLOG_STAGING_DIR/x", "")]),
        20,
        &["one success fail_closed -", "two failed fail_closed contract_validation_failed"],
    );
    assert_eq!(room.text("x"), "1\n");
}

#[test]
fn g44_a_link_in_the_bundle_is_set_aside_and_nothing_is_written_through_it() {
    let room = Room::new();
    fs::create_dir(room.path("outside")).unwrap();
    let links = "ln -s $EVLOG_PLAN_DIR/outside $EVLOG_RUN_DIR/rows";
    room.ends(
        &plan(&[(links, ""), (MAKES_ROWS, ROWS), NOTHING]),
        0,
        &["one success fail_closed -", "two success fail_closed -", "three success fail_closed -"],
    );
    assert_eq!(fs::read_dir(room.path("outside")).unwrap().count(), 0);
}

#[test]
fn a_link_in_staging_is_a_failure_of_storage() {
    let room = Room::new();
    room.ends(
        &plan(&[("ln -s /etc/passwd $EVLOG_STAGING_DIR/x", "")]),
        20,
        &["one failed fail_closed storage_io_error"],
    );
    assert!(fs::symlink_metadata(room.bundle("x")).is_err());
}

#[test]
fn stages_of_a_built_in_pipeline_run_in_its_order_and_the_others_are_absent() {
    let room = Room::new();
    let stage = |id: &str, script: &str| {
        format!(
            "[[stage]]\nid = \"{id}\"\ncommand = [\"sh\", \"-ec\", '{script}']\nreason_code = \"storage_io_error\"\n"
        )
    };
    let text = format!(
        "name = \"p\"\npipeline = \"purple-axiom\"\n{}{}{}",
        stage("reporting", "exit 0"),
        stage("validation", "exit 1").replace("storage_io_error", "criteria_pack_error"),
        stage("runner", "exit 0")
    );
    let text = text + "[manifest]\nnotes = \"x\"";
    room.ends(
        &text,
        10,
        &[
            "runner success fail_closed -",
            "validation failed warn_and_skip criteria_pack_error",
            "reporting success fail_closed -",
        ],
    );
    assert_eq!(room.json("manifest.json")["notes"], "x");
}

#[test]
fn a_substage_that_forbids_its_stage_to_succeed_makes_it_fail() {
    let room = Room::new();
    let text = "name = \"p\"\npipeline = \"purple-axiom\"\n[[stage]]\nid = \"runner\"\nreason_code = \"execute_failed\"\n\
        command = [\"sh\", \"-ec\", '''echo '{\"stage\":\"runner.state_reconciliation\",\"status\":\"failed\",\
        \"fail_mode\":\"warn_and_skip\",\"reason_code\":\"drift_detected\"}' > $EVLOG_OUTCOMES''']\nfail_mode = \"warn_and_skip\"";
    room.ends(
        text,
        10,
        &[
            "runner failed warn_and_skip drift_detected",
            "runner.state_reconciliation failed warn_and_skip drift_detected",
        ],
    );
}

#[test]
fn a_disabled_stage_does_not_run_and_has_no_outcome() {
    let room = Room::new();
    let left = room.ends(&plan(&[("exit 1", "enabled = false"), NOTHING]), 0, &["two success fail_closed -"]);
    assert_eq!(left.reported[0], "created two");
}

#[test]
fn a_plan_without_health_writes_none() {
    let room = Room::new();
    let left = room.run(&plan(&[NOTHING]).replace("name = \"p\"", "name = \"p\"\nemit_health = false"));
    assert_eq!(left.result.unwrap().exit_code, 0);
    assert!(!room.bundle("logs/health.json").exists());
}

#[test]
fn a_held_lock_is_refused_and_nothing_is_touched() {
    let room = Room::new();
    fs::create_dir_all(room.path("out/runs/.locks")).unwrap();
    fs::write(room.path("out/runs/.locks").join(format!("{RUN}.lock")), "pid=1\n").unwrap();
    let left = room.run(&plan(&[NOTHING]));
    let error = left.result.unwrap_err();
    assert!(matches!(&error, RunError::Locked { holder, .. } if holder.starts_with("pid=1, ")), "{error}");
    assert_eq!((error.exit_code(), left.events), (20, 0));
    assert!(!room.bundle("").exists() && room.path("out/runs/.locks").join(format!("{RUN}.lock")).exists());
    assert_eq!(left.reported, [""; 0]);
}

#[test]
fn a_bundle_or_a_run_that_is_there_already_is_not_touched() {
    let room = Room::new();
    fs::create_dir_all(room.bundle("")).unwrap();
    let left = room.run(&plan(&[NOTHING]));
    assert!(matches!(left.result, Err(RunError::BundleExists { .. })));
    assert_eq!((left.events, room.files().len()), (0, 0));

    fs::remove_dir(room.bundle("")).unwrap();
    let first = room.ends(&plan(&[NOTHING]), 0, &["one success fail_closed -"]);
    fs::remove_dir_all(room.path("out")).unwrap();
    let left = room.run(&plan(&[NOTHING]));
    assert!(matches!(&left.result, Err(RunError::Refused { code, .. }) if code == "RUN_EXISTS"), "{:?}", left.result);
    assert!(left.events >= first.events && !room.bundle("").exists());
}

#[test]
fn an_id_that_cannot_be_a_directory_is_refused() {
    let room = Room::new();
    let out = room.path("out");
    let error = Claim::take(&out, Some("../x"), &Steps::default()).unwrap_err();
    assert!(matches!(error, RunError::RunId(_)), "{error}");
    assert!(!out.exists());
}

#[test]
fn staged_names_that_no_report_expects_end_the_run_and_not_its_record() {
    let scripts = [
        "touch \"$EVLOG_STAGING_DIR/back\\\\slash\" \"$EVLOG_STAGING_DIR/$(printf 'new\\nline')\"",
        "touch \"$EVLOG_STAGING_DIR/$(printf 'not-\\377-text')\"",
        "mkfifo $EVLOG_STAGING_DIR/pipe",
        "echo > $EVLOG_STAGING_DIR/manifest.json",
    ];
    for script in scripts {
        let room = Room::new();
        room.ends(&plan(&[(script, "")]), 20, &["one failed fail_closed storage_io_error"]);
        assert!(room.json("logs/contract_validation/one.json")["artifacts"][0]["errors"][0]["error_code"].is_string());
    }
}

#[test]
fn more_findings_than_a_report_keeps_are_cut_in_the_record_too() {
    let room = Room::new();
    let script = "mkdir $EVLOG_STAGING_DIR/rows; yes '{}' | head -n 1000 > $EVLOG_STAGING_DIR/rows/all.jsonl";
    room.ends(&plan(&[(script, ROWS)]), 20, &["one failed fail_closed contract_validation_failed"]);
    let report = room.json("logs/contract_validation/one.json");
    let artifact = &report["artifacts"][0];
    assert_eq!((artifact["errors"].as_array().unwrap().len(), &artifact["errors_truncated"]), (50, &json!(true)));
}

#[test]
fn a_stage_that_takes_its_own_staging_away_fails() {
    let room = Room::new();
    room.ends(&plan(&[("rm -r $EVLOG_STAGING_DIR", "")]), 20, &["one failed fail_closed storage_io_error"]);
}

#[test]
fn what_a_stage_changes_of_the_runs_own_records_does_not_stay() {
    let room = Room::new();
    room.ends(
        &plan(&[("echo forged > $EVLOG_RUN_DIR/manifest.json", ""), NOTHING]),
        0,
        &["one success fail_closed -", "two success fail_closed -"],
    );
}
