//! Plans that are accepted, and every way in which one is refused, with its place.

mod appendix;
mod registry;

use super::*;
use std::fs;

const WHOLE: &str = r#"
name = "supply-chain"
emit_health = false
strict_outputs = true
[manifest]
project = "evlog"
when = 2026-01-31
deep = { list = [1, 2.5, true, "x"] }
[[reason_code]]
stage = "policy"
code = "licence_denied"
severity = "NON-FATAL"
[[reason_code]]
stage = "policy.licences"
code = "licence_unknown"
severity = "NON-FATAL"
[[schema]]
id = "dependency"
file = "schemas/dependency.json"
mode = "jsonl_lines"
[[stage]]
id = "inventory"
command = ["sh", "stages/inventory.sh"]
reason_code = "input_missing"
[[stage.output]]
path = "inventory/dependencies.jsonl"
schema = "dependency"
[[stage]]
id = "policy"
enabled = false
fail_mode = "warn_and_skip"
command = ["true"]
reason_code = "licence_denied"
time_limit = "5m"
time_limit_reason_code = "storage_io_error"
exit_reason_codes = { 3 = "input_missing" }
env = { DENY = "GPL-3.0" }
[[stage.output]]
path = "policy/findings.jsonl"
required = false
"#;

/// A plan of one stage with these lines before it and within it.
fn plan(top: &str, stage: &str) -> String {
    format!(
        "name = \"p\"\n{top}\n[[stage]]\nid = \"one\"\ncommand = [\"true\"]\nreason_code = \"input_missing\"\n{stage}\n"
    )
}

struct Room(tempfile::TempDir);

impl Room {
    fn new() -> Room {
        let room = Room(tempfile::tempdir().unwrap());
        room.file("schemas/dependency.json", "{\"type\":\"object\"}");
        room
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn load(&self, text: &str) -> Result<Plan, PlanError> {
        self.file("plan.toml", text);
        Plan::load(&self.0.path().join("plan.toml"))
    }

    /// The plan is refused, and one of its mistakes is at this place and says this.
    fn refuses(&self, text: &str, place: Option<(usize, usize)>, message: &str) {
        let error = self.load(text).map(|_| ()).expect_err(text);
        let found = error.problems.iter().any(|problem| problem.place == place && problem.message.contains(message));
        assert!(found, "expected {place:?} {message:?}, found:\n{error}\nin:\n{text}");
    }
}

#[test]
fn a_plan_with_every_key_is_read_as_written() {
    let room = Room::new();
    let plan = room.load(WHOLE).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((plan.name.as_str(), plan.emit_health, plan.strict_outputs), ("supply-chain", false, true));
    let manifest = r#"{"deep":{"list":[1,2.5,true,"x"]},"project":"evlog","when":"2026-01-31"}"#;
    assert_eq!(Value::Object(plan.manifest.clone()).to_string(), manifest);
    assert_eq!(plan.directory, room.0.path().canonicalize().unwrap());
    assert_eq!(plan.schemas["dependency"].version, "0.1.0");
    let inventory = plan.stage("inventory").unwrap();
    assert_eq!((inventory.enabled, inventory.fail_mode, inventory.time_limit), (true, FailMode::FailClosed, None));
    assert_eq!(inventory.time_limit_reason_code, "input_missing");
    let output = Output { schema: Some("dependency".to_owned()), required: true };
    assert_eq!(inventory.outputs["inventory/dependencies.jsonl"], output);
    let policy = plan.stage("policy").unwrap();
    assert_eq!((policy.enabled, policy.fail_mode), (false, FailMode::WarnAndSkip));
    assert_eq!(policy.time_limit, Some(Duration::from_mins(5)));
    assert_eq!(policy.time_limit_reason_code, "storage_io_error");
    assert_eq!(policy.exit_reason_codes[&3], "input_missing");
    assert_eq!(policy.environment["DENY"], "GPL-3.0");
    assert_eq!(policy.outputs["policy/findings.jsonl"], Output { schema: None, required: false });
    assert_eq!(plan.pipeline["stages"][1]["fail_mode"], "warn_and_skip");
}

#[test]
fn stages_of_a_built_in_pipeline_stand_in_its_order_with_its_fail_modes() {
    let stage =
        |id: &str| format!("[[stage]]\nid = \"{id}\"\ncommand = [\"true\"]\nreason_code = \"storage_io_error\"\n");
    let text = format!(
        "name = \"p\"\npipeline = \"purple-axiom\"\n{}{}{}",
        stage("validation"),
        stage("runner"),
        stage("lab_provider")
    );
    let plan = Room::new().load(&text).unwrap_or_else(|error| panic!("{error}"));
    let found: Vec<(&str, FailMode)> = plan.stages.iter().map(|stage| (stage.id.as_str(), stage.fail_mode)).collect();
    let closed = FailMode::FailClosed;
    assert_eq!(found, [("lab_provider", closed), ("runner", closed), ("validation", FailMode::WarnAndSkip)]);
    assert_eq!(plan.pipeline, "purple-axiom");
}

#[test]
fn a_time_limit_is_a_length_of_time_as_everywhere_else_or_whole_milliseconds() {
    let room = Room::new();
    for (text, ms) in [
        ("500ms", 500),
        ("60s", 60_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("1h30m", 5_400_000),
        ("1d", 86_400_000),
        ("30d", 2_592_000_000),
    ] {
        let plan = room.load(&plan("", &format!("time_limit = \"{text}\""))).unwrap();
        assert_eq!(plan.stages[0].time_limit, Some(Duration::from_millis(ms)), "{text}");
    }
    for text in [
        "",
        "5",
        "s",
        "ms",
        "5 s",
        "0s",
        "0ms",
        "-1s",
        "+1ms",
        "1.5s",
        "1s500ms",
        "30d1s",
        "99999999999999999999s",
        "9999h",
    ] {
        room.refuses(&plan("", &format!("time_limit = \"{text}\"")), Some((7, 14)), "expected a time limit such as");
    }
}

#[test]
fn keys_of_stages_that_cannot_be_used_are_refused_where_they_stand() {
    let room = Room::new();
    let cases = [
        ("tiem_limit = \"5s\"", (7, 1), "unknown field `tiem_limit`"),
        ("fail_mode = \"ignore\"", (7, 13), "unknown variant `ignore`"),
        (
            "time_limit_reason_code = \"nope\"",
            (7, 26),
            "reason code `nope` is not in the catalogue of `p` for stage `one`",
        ),
        ("time_limit_reason_code = \"blocked_by_upstream_failure\"", (7, 26), "for skipped stages"),
        ("exit_reason_codes = { 3 = \"nope\" }", (7, 27), "`nope` is not in the catalogue"),
        ("exit_reason_codes = { 0 = \"input_missing\" }", (7, 27), "expected an exit status from 1 to 255, found `0`"),
        ("exit_reason_codes = { x = \"input_missing\" }", (7, 27), "found `x`"),
        ("env = { EVLOG_STAGE = \"x\" }", (7, 23), "evlog's own"),
        ("env = { \"A=B\" = \"x\" }", (7, 17), "name of a variable"),
        ("enabled = false", (0, 0), "at least one enabled"),
        (
            "[[stage]]\nid = \"one\"\ncommand = [\"true\"]\nreason_code = \"input_missing\"",
            (8, 6),
            "`one` is there twice",
        ),
        ("[[stage]]\nid = \"one.two\"\ncommand = [\"true\"]\nreason_code = \"input_missing\"", (8, 6), "one.two"),
        (
            "[[stage]]\nid = \"orchestrator\"\ncommand = [\"true\"]\nreason_code = \"input_missing\"",
            (8, 6),
            "orchestrator",
        ),
        ("[[stage]]\nid = \"two\"\ncommand = [\"true\"]", (8, 6), "expected a `reason_code`"),
        ("[[stage]]\nid = \"two\"\ncommand = []\nreason_code = \"input_missing\"", (9, 11), "expected a program"),
        ("[[stage]]\nid = \"two\"\nreason_code = \"input_missing\"", (7, 1), "missing field `command`"),
    ];
    for (stage, place, message) in cases {
        room.refuses(&plan("", stage), (place != (0, 0)).then_some(place), message);
    }
}

#[test]
fn outputs_that_would_leave_the_bundle_or_clash_are_refused() {
    let room = Room::new();
    let cases = [
        ("../x", "contains_dotdot_segment"),
        ("a/../../x", "contains_dotdot_segment"),
        ("./x", "no path within the bundle"),
        ("/etc/passwd", "leading_slash"),
        ("a\\\\b", "contains_backslash"),
        ("a//b", "contains_empty_segment"),
        ("a/", "trailing_slash"),
        ("", "empty_path"),
        ("C:x", "has_drive_prefix"),
        ("manifest.json", "evlog writes itself"),
        ("logs/one.log", "evlog writes itself"),
        (".staging/one/x", "evlog writes itself"),
        ("report-2026-01-31.json", "the same in every run"),
        ("first", "clashes with output `first` of stage `one`"),
        ("first/below", "clashes with output `first` of stage `one`"),
    ];
    for (path, message) in cases {
        let stage = format!("[[stage.output]]\npath = \"first\"\n[[stage.output]]\npath = \"{path}\"");
        room.refuses(&plan("", &stage), Some((10, 8)), message);
    }
    let other = "[[stage.output]]\npath = \"x\"\n[[stage]]\nid = \"two\"\ncommand = [\"true\"]\nreason_code = \"input_missing\"\n\
                 [[stage.output]]\npath = \"x\"";
    room.refuses(&plan("", other), Some((14, 8)), "clashes with output `x` of stage `one`");
    room.refuses(
        &plan("", "[[stage.output]]\npath = \"x\"\nschema = \"none\""),
        Some((9, 10)),
        "schema `none` is in no [[schema]]",
    );
    room.refuses(
        &plan("", "[[stage.output]]\npath = \"x\"\nrequried = false"),
        Some((9, 1)),
        "unknown field `requried`",
    );
}

#[test]
fn globs_roots_and_limits_are_refused_where_they_stand() {
    let room = Room::new();
    // What the stage has, the place of the mistake, the message.
    let cases = [
        ("glob = \"a**\"", (8, 8), "glob_v1: invalid_globstar: expected `**` as a whole segment"),
        ("glob = \"/a/*\"", (8, 8), "invalid_path"),
        ("glob = \"a/b\"", (8, 8), "matches one path only; write it as `path`"),
        ("glob = \"2026-01-31/*\"", (8, 8), "the same in every run"),
        ("path = \"a\"\nglob = \"a/*\"", (9, 8), "either `path` or `glob` of an output, found both"),
        ("required = true", (7, 1), "`path` or `glob` of an output, found neither"),
        ("path = \"a/b\"\n[[stage.output]]\nglob = \"a/*\"", (10, 8), "`a/*` matches output `a/b` of stage `one`"),
        (
            "glob = \"a/*\"\n[[stage.output]]\npath = \"a/b\"",
            (10, 8),
            "`a/b` is matched by output `a/*` of stage `one`",
        ),
        ("glob = \"a/*\"\n[[stage.output]]\nglob = \"a/*\"", (10, 8), "is an output of stage `one` already"),
        ("glob = \"a/*\"\nschema = \"none\"", (9, 10), "schema `none` is in no [[schema]]"),
    ];
    for (output, place, message) in cases {
        room.refuses(&plan("", &format!("[[stage.output]]\n{output}")), Some(place), message);
    }
    let inputs = [
        ("path = \"/a\"", (8, 8), "`/a` cannot name an input: glob_v1: invalid_path"),
        ("path = \"a/../b\"", (8, 8), "cannot name an input"),
        ("path = \"../a\"\nfrom = \"run\"", (8, 8), "cannot name an input"),
        ("path = \"a*\"", (8, 8), "write it as `glob`"),
        ("glob = \"a\"", (8, 8), "write it as `path`"),
        ("glob = \"a*\"\npath = \"a\"", (8, 8), "either `path` or `glob` of an input, found both"),
        ("from = \"run\"", (7, 1), "`path` or `glob` of an input, found neither"),
        ("path = \"a\"\nfrom = \"else\"", (9, 8), "unknown variant `else`"),
    ];
    for (input, place, message) in inputs {
        room.refuses(&plan("", &format!("[[stage.input]]\n{input}")), Some(place), message);
    }
    let keys = [
        ("extra_roots = [\"../x/\"]", (7, 16), "no file or directory (with `/` at its end) of the bundle"),
        ("extra_roots = [\"a/\", \"/\"]", (7, 22), "empty_path"),
        ("staged_bytes_limit = \"1 GB\"", (7, 22), "a size such as `64 KiB`"),
        ("staged_bytes_limit = \"0 B\"", (7, 22), "1 bytes at least, found `0 B`"),
        ("staged_files_limit = -1", (7, 22), "-1"),
        ("output_limit = \"1000 B\"", (7, 16), "1024 bytes at least, found `1000 B`"),
        ("output_limit = \"99999999999 GiB\"", (7, 16), "a size such as"),
        ("inherit_environment = [\"A=B\"]", (7, 24), "expected the name of a variable, found `A=B`"),
    ];
    for (key, place, message) in keys {
        room.refuses(&plan("", key), Some(place), message);
    }
    let tops = [
        ("secrets = { names = [\"A\", \"A\"] }", (2, 27), "secret `A` is there twice"),
        ("secrets = { names = [\"A\"], optional = [\"A\"] }", (2, 40), "secret `A` is there twice"),
        ("secrets = { names = [\"EVLOG_X\"] }", (2, 22), "that is not evlog's own, found `EVLOG_X`"),
        ("secrets = { nams = [] }", (2, 13), "unknown field `nams`"),
        ("inherit_environment = [\"\"]", (2, 24), "expected the name of a variable, found ``"),
    ];
    for (top, place, message) in tops {
        room.refuses(&plan(top, ""), Some(place), message);
    }
    let text = plan("", "output_limit = \"3KiB\"\nstaged_bytes_limit = \"2 GiB\"\nstaged_files_limit = 7");
    let stage = room.load(&text).unwrap().stages.remove(0);
    assert_eq!(
        (stage.output_limit, stage.staged_bytes_limit, stage.staged_files_limit),
        (3072, Some(2 << 30), Some(7))
    );
}

#[test]
fn a_plan_in_the_older_names_of_keys_is_the_same_plan() {
    let room = Room::new();
    let schema = "[[schema]]\nid = \"c\"\nfile = \"schemas/dependency.json\"\nmode = \"json_document\"";
    let newer = plan(schema, "[[stage.output]]\npath = \"x\"\nschema = \"c\"");
    let older = newer.replace("id = \"c\"", "contract = \"c\"").replace("schema = \"c\"", "contract = \"c\"");
    let digests = [&newer, &older].map(|text| {
        let plan = room.load(text).unwrap();
        (plan.blake3, plan.schemas["c"].version.clone(), plan.stages[0].outputs["x"].clone())
    });
    assert_eq!(digests[0], digests[1]);
    // Runs that were created before the keys were renamed hold this digest.
    assert_eq!(room.load(&older).unwrap().said["plan"]["schema"][0]["contract"], "c");
    let both =
        |text: &str, name: &str| text.replace(&format!("{name} = \"c\""), &format!("{name} = \"c\"\ncontract = \"c\""));
    room.refuses(&both(&newer, "id"), Some((4, 1)), "expected either `id` or `contract`, its older name, found both");
    room.refuses(
        &both(&newer, "schema"),
        Some((13, 1)),
        "expected either `schema` or `contract`, its older name, found both",
    );
    room.refuses(&older.replace("contract = \"c\"\nfile", "file"), Some((2, 1)), "missing field `id`");
}

#[test]
fn a_schema_that_is_refused_is_known_to_outputs_all_the_same() {
    let room = Room::new();
    room.file("wrong.json", "{\"type\":\"objekt\"}");
    let schema = "[[schema]]\nid = \"c\"\nfile = \"wrong.json\"\nmode = \"json_document\"";
    let outputs = "[[stage.output]]\npath = \"a\"\nschema = \"c\"\n[[stage.output]]\nglob = \"b/*\"\nschema = \"c\"";
    let error = room.load(&plan(schema, outputs)).unwrap_err();
    assert_eq!(error.problems.len(), 1, "{error}");
    assert!(error.to_string().contains("not a JSON Schema 2020-12"), "{error}");
}

#[test]
fn schemas_that_cannot_be_used_are_refused() {
    let room = Room::new();
    room.file("broken.json", "{\"type\":");
    room.file("twice.json", "{\"type\":\"object\",\"type\":\"array\"}");
    room.file("wrong.json", "{\"type\":\"objekt\"}");
    room.file("old.json", "{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}");
    room.file("remote.json", "{\"$ref\":\"https://example.com/x.json\"}");
    let schema = |file: &str| format!("[[schema]]\nid = \"c\"\nfile = \"{file}\"\nmode = \"json_document\"");
    let cases = [
        ("absent.json", "schema file `absent.json`: could not be read"),
        ("schemas", "could not be read"),
        ("broken.json", "schema file `broken.json`: not JSON: line 1 column 8"),
        ("twice.json", "duplicate key `type`"),
        ("wrong.json", "not a JSON Schema 2020-12: at /type"),
        ("old.json", "found `http://json-schema.org/draft-07/schema`"),
        ("remote.json", "example.com"),
    ];
    for (file, message) in cases {
        room.refuses(&plan(&schema(file), ""), Some((4, 8)), message);
    }
    let good = schema("schemas/dependency.json");
    room.refuses(&plan(&format!("{good}\n{good}"), ""), Some((7, 6)), "schema `c` is there already");
    room.refuses(&plan(&good.replace("\"c\"", "\"C\""), ""), Some((3, 6)), "expected a schema id");
    room.refuses(&plan(&good.replace("json_document", "toml"), ""), Some((5, 8)), "unknown variant `toml`");
    room.refuses(&plan(&format!("{good}\nversion = \"1\""), ""), Some((6, 11)), "expected a version");
}

#[test]
fn g19_a_schema_whose_references_lead_nowhere_is_refused_with_the_plan() {
    let room = Room::new();
    room.file("schemas/root.json", "{\"items\":{\"$ref\":\"../common/x.json\"}}");
    let top = "[[schema]]\nid = \"c\"\nfile = \"schemas/root.json\"\nmode = \"json_document\"";
    let message = "schema file `schemas/root.json`: `root.json` refers to `../common/x.json` at /items/$ref: \
                   `../common/x.json`: could not be read";
    room.refuses(&plan(top, ""), Some((4, 8)), message);
    room.file("common/x.json", "{\"$ref\":\"https://example.com/x.json\"}");
    let message =
        "schema file `schemas/root.json`: `../common/x.json` refers to `https://example.com/x.json` at /$ref: expected";
    room.refuses(&plan(top, ""), Some((4, 8)), message);
    room.file("common/x.json", "{}");
    let before = room.load(&plan(top, "")).unwrap_or_else(|error| panic!("{error}")).blake3;
    room.file("common/x.json", "true");
    assert_ne!(room.load(&plan(top, "")).unwrap().blake3, before);
}

#[test]
fn g17_text_has_no_schema_and_every_other_mode_has_one() {
    let room = Room::new();
    let schema = |keys: &str| plan(&format!("[[schema]]\nid = \"c\"\n{keys}"), "");
    let file = "file = \"schemas/dependency.json\"";
    let text = room.load(&schema("mode = \"text_document_v1\"")).unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(text.schemas["c"].mode, ArtifactMode::TextDocument));
    let refused = schema(&format!("mode = \"text_document_v1\"\n{file}"));
    room.refuses(&refused, Some((5, 8)), "`text_document_v1` asks for text and has no schema file; leave `file` out");
    for mode in ["json_document", "jsonl_lines", "yaml_document", "parquet_dataset_v1"] {
        let message = format!("expected `file`, a JSON Schema, with mode `{mode}`, found none");
        room.refuses(&schema(&format!("mode = \"{mode}\"")), Some((4, 8)), &message);
        let plan = room.load(&schema(&format!("{file}\nmode = \"{mode}\""))).unwrap_or_else(|error| panic!("{error}"));
        assert!(plan.schemas["c"].mode.schema_file().is_some());
    }
}

#[test]
fn g21_a_dataset_is_named_by_its_schema_file() {
    let top = "[[schema]]\nid = \"c\"\nmode = \"parquet_dataset_v1\"\nfile = \"schemas/dependency.json\"";
    let named = |key: &str| plan(top, &format!("[[stage.output]]\nschema = \"c\"\n{key}"));
    let room = Room::new();
    for key in ["path = \"a/_schema.json\"", "glob = \"a/*/_schema.json\""] {
        assert!(room.load(&named(key)).is_ok(), "{key}");
    }
    for (key, text) in [("path", "a/b.parquet"), ("path", "_schema.json"), ("glob", "a/*_schema.json")] {
        let message = format!("expected the `_schema.json` of a directory with `parquet_dataset_v1`, found `{text}`");
        room.refuses(&named(&format!("{key} = \"{text}\"")), Some((12, 8)), &message);
    }
}

#[test]
fn the_digest_of_a_plan_is_that_of_earlier_versions() {
    // Runs that an earlier version created must be resumed with the same plan.
    let digest = |plan: &Plan| blake3::Hash::from(plan.blake3).to_hex().to_string();
    let plan = Room::new().load(WHOLE).unwrap();
    assert_eq!(digest(&plan), "4b209e9da942198c4cf2f644235ccf08c495bfce85d19edfe43e2d8ebcdec8fd");
}

#[cfg(unix)]
#[test]
fn a_schema_may_be_a_link() {
    let room = Room::new();
    std::os::unix::fs::symlink(room.0.path().join("schemas/dependency.json"), room.0.path().join("link.json")).unwrap();
    let schema = "[[schema]]\nid = \"c\"\nfile = \"link.json\"\nmode = \"json_document\"";
    assert!(room.load(&plan(schema, "")).is_ok());
}

#[test]
fn the_top_of_a_plan_must_obey_its_rules() {
    let room = Room::new();
    let code = |stage: &str, code: &str| {
        format!("[[reason_code]]\nstage = \"{stage}\"\ncode = \"{code}\"\nseverity = \"FATAL\"")
    };
    let cases = [
        (plan("colour = \"red\"", ""), Some((2, 1)), "unknown field `colour`"),
        (
            plan("pipeline = \"mauve\"", ""),
            Some((2, 12)),
            "expected a built-in pipeline such as `purple-axiom`, or a contract file `*.toml`, found `mauve`",
        ),
        (plan("pipeline = \"purple-axiom\"", ""), Some((4, 6)), "expected a stage of `purple-axiom` (lab_provider, "),
        (
            plan(&format!("pipeline = \"purple-axiom\"\n{}", code("runner", "x")), ""),
            Some((3, 1)),
            "has its own catalogue",
        ),
        (plan(&code("two", "x"), ""), Some((3, 9)), "found `two`"),
        (plan(&code("one", "X"), ""), Some((4, 8)), "found `X`"),
        (plan(&format!("{0}\n{0}", code("one", "x")), ""), Some((6, 1)), "there twice"),
        (plan(&code("one", "x").replace("FATAL", "fatal"), ""), Some((5, 12)), "unknown variant `fatal`"),
        (plan("[manifest]\nstatus = \"success\"", ""), Some((2, 1)), "`status` of the manifest is written by evlog"),
        (plan("[manifest.extensions.evlog]\nx = 1", ""), Some((2, 2)), "`extensions.evlog`"),
        (plan("[manifest]\nx = 9007199254740993", ""), Some((3, 5)), "would read back as 9007199254740992"),
        (plan("[manifest]\nx = [0x20_0000_0000_0001]", ""), Some((3, 6)), "would read back as 9007199254740992"),
        (plan("[manifest.y]\nx = 0.10000000000000001", ""), Some((3, 5)), "would read back as 0.1;"),
        (plan("[manifest]\nx = nan", ""), Some((3, 5)), "not finite"),
        (plan("", "").replace("\"p\"", "\"P q\""), Some((1, 8)), "expected a name"),
        ("name = \"p\"".to_owned(), None, "expected at least one [[stage]]"),
        ("name = \"p\"\nname = \"q\"".to_owned(), Some((2, 1)), "duplicate key"),
        ("name = ".to_owned(), Some((1, 8)), ""),
        (String::new(), Some((1, 1)), "missing field `name`"),
    ];
    for (text, place, message) in cases {
        room.refuses(&text, place, message);
    }
}

const PIPELINE: &str = r#"
name = "delivery"
stages = [{ id = "check" }, { id = "one", fail_mode = "warn_and_skip" }]
reason_codes = [{ stage = "check", code = "check_failed", severity = "FATAL" }]
order = [{ before = "check", after = "one" }]
"#;

#[test]
fn a_plan_may_name_the_contract_file_of_its_pipeline() {
    let room = Room::new();
    room.file("contracts/delivery.toml", PIPELINE);
    let stage = "[[stage]]\nid = \"check\"\ncommand = [\"true\"]\nreason_code = \"check_failed\"";
    let text = plan("pipeline = \"contracts/delivery.toml\"", stage);
    let plan = room.load(&text).unwrap_or_else(|error| panic!("{error}"));
    let found: Vec<(&str, FailMode)> = plan.stages.iter().map(|stage| (stage.id.as_str(), stage.fail_mode)).collect();
    assert_eq!(found, [("check", FailMode::FailClosed), ("one", FailMode::WarnAndSkip)], "the file's order and modes");
    assert_eq!((plan.definition.name(), &plan.pipeline["name"]), ("delivery", &Value::from("delivery")));
    let pinned = Definition::parse(&plan.pipeline).unwrap();
    assert_eq!(pinned.digest(), plan.definition.digest(), "the run pins what the file says");
}

#[test]
fn a_contract_file_that_is_no_pipeline_is_refused_where_the_plan_names_it() {
    let room = Room::new();
    room.file("order.toml", include_str!("../../../../docs/examples/contracts/order.toml"));
    fs::write(room.0.path().join("latin.toml"), b"# a\n# b \xff").unwrap();
    room.file("broken.toml", &PIPELINE.replace("FATAL", "fatal").replace("before = \"check\"", "before = \"chekc\""));
    let cases = [
        ("order.toml", "expected a contract file of a pipeline (with `stages`), found the lifecycle `order.toml`"),
        ("none.toml", "`none.toml`: could not be read"),
        ("latin.toml", "`latin.toml`: line 2, column 5: expected UTF-8"),
        ("broken.toml", "`broken.toml`:4:"),
        ("broken.toml", "chekc"),
        ("contracts", "or a contract file `*.toml`, found `contracts`"),
    ];
    for (file, message) in cases {
        room.refuses(&plan(&format!("pipeline = \"{file}\""), ""), Some((2, 12)), message);
    }
    let code = "[[reason_code]]\nstage = \"one\"\ncode = \"x\"\nseverity = \"FATAL\"";
    room.file("delivery.toml", PIPELINE);
    room.refuses(&plan(&format!("pipeline = \"delivery.toml\"\n{code}"), ""), Some((3, 1)), "has its own catalogue");
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let text = plan("", "time_limit = \"x\"\n[[stage.output]]\npath = \"../x\"").replace("input_missing", "nope");
    let error = Room::new().load(&text).unwrap_err();
    let places: Vec<usize> = error.problems.iter().map(|problem| problem.place.unwrap().0).collect();
    assert_eq!(places, [6, 7, 9]);
    assert_eq!(error.to_string().lines().count(), 3);
    assert!(error.to_string().contains("plan.toml:6:15: reason code `nope`"), "{error}");
}

#[test]
fn a_file_that_is_not_there_not_text_or_too_long_is_refused() {
    let room = Room::new();
    let error = Plan::load(&room.0.path().join("none.toml")).unwrap_err();
    assert!(error.to_string().contains("none.toml: could not be read"), "{error}");
    fs::write(room.0.path().join("plan.toml"), [0xff]).unwrap();
    assert!(Plan::load(&room.0.path().join("plan.toml")).unwrap_err().to_string().contains("expected UTF-8"));
    let long = "#".repeat(1024 * 1024 + 1);
    assert!(room.load(&long).unwrap_err().to_string().contains("at most 1048576 bytes"));
}

const REFERENCE: &str = include_str!("../../../../docs/plan.md");

#[test]
fn the_example_of_the_reference_is_a_plan() {
    let example = REFERENCE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let room = Room::new();
    room.file("schemas/dependency.schema.json", "{}");
    let plan = room.load(example).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(plan.stages.len(), 2);
}

#[test]
fn the_reference_names_every_key() {
    let room = Room::new();
    let levels = [
        plan("zzz = 1", ""),
        plan("", "zzz = 1"),
        plan("[[reason_code]]\nzzz = 1", ""),
        plan("[[schema]]\nzzz = 1", ""),
        plan("", "[[stage.output]]\nzzz = 1"),
        plan("[secrets]\nzzz = 1", ""),
        plan("", "[[stage.input]]\nzzz = 1"),
    ];
    for text in levels {
        // The reader of the file lists the keys that it knows when it meets an unknown key.
        let error = room.load(&text).unwrap_err().to_string();
        let known: Vec<&str> = error.split("expected ").nth(1).unwrap().split('`').skip(1).step_by(2).collect();
        assert!(known.len() >= 2, "{error}");
        for key in known {
            let shapes =
                [format!("| `{key}` |"), format!("`[{key}]`"), format!("`[[{key}]]`"), format!("`[[stage.{key}]]`")];
            assert!(shapes.iter().any(|shape| REFERENCE.contains(shape)), "docs/plan.md does not name `{key}`");
        }
    }
}
