//! Registries that are accepted, and every way in which one is refused, with its place.

mod apart;

use super::*;
use crate::plan::ArtifactMode;
use serde_json::json;
use std::fs;

/// A registry, its schemas, and the registry of a workspace.
struct Room(tempfile::TempDir);

fn schema(version: &str) -> String {
    json!({"type": "object", "properties": {"contract_version": {"const": version}}}).to_string()
}

fn base() -> Value {
    json!({
        "registry_version": "0.2.1",
        "contracts": [
            {"contract_id": "row", "schema_path": "schemas/row.json", "contract_version": "1.0.0", "about": "A row."},
            {"contract_id": "doc", "schema_path": "schemas/doc.json", "contract_version": "2.0.0"},
            {"contract_id": "range", "schema_path": "schemas/range.json", "contract_version": "0.1.0"}
        ],
        "bindings": [
            {"artifact_glob": "made/rows.jsonl", "contract_id": "row", "validation_mode": "jsonl_lines",
             "stage_owner": "make", "pass_id": "make.rows"},
            {"artifact_glob": "made/docs/*.json", "contract_id": "doc", "validation_mode": "json_document",
             "stage_owner": "make", "pass_id": "make.docs.all_1"},
            {"artifact_glob": "inputs/range.yaml", "contract_id": "range", "validation_mode": "yaml_document",
             "stage_owner": "orchestrator", "pass_id": "orchestrator.inputs"}
        ]
    })
}

impl Room {
    fn new() -> Room {
        let room = Room(tempfile::tempdir().unwrap());
        for (name, version) in [("row", "1.0.0"), ("doc", "2.0.0"), ("range", "0.1.0")] {
            room.file(&format!("contracts/schemas/{name}.json"), &schema(version));
        }
        room.file("contracts/schemas/broken.json", "{\"type\":");
        room.file("contracts/schemas/wrong.json", "{\"type\":\"objekt\"}");
        room.file("contracts/schemas/refers.json", "{\"$ref\":\"gone.json\"}");
        room.file("contracts/schemas/no-version.json", "{}");
        room.file("contracts/schemas/number.json", "{\"properties\":{\"contract_version\":{\"const\":1}}}");
        room.file("schemas/row.json", &schema("1.0.0"));
        room
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn load_text(&self, text: &str, scope: Scope<'_>) -> Result<Registry, RegistryError> {
        self.file("contracts/registry.json", text);
        Registry::load(&self.0.path().join("contracts/registry.json"), scope)
    }

    fn load(&self, registry: &Value) -> Result<Registry, RegistryError> {
        let definition = json!({"name": "p", "reason_codes": [],
            "stages": [{"id": "make", "fail_mode": "fail_closed"}, {"id": "judge", "fail_mode": "fail_closed"}]});
        let definition = Definition::parse(&definition).unwrap();
        self.load_text(&registry.to_string(), Scope::Pipeline(&definition))
    }
}

/// The registry with these values put at these pointers. A pointer with `/-` at its end appends to a list.
fn edited(edits: &[(&str, Value)]) -> Value {
    let mut registry = base();
    for (pointer, value) in edits {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match registry.pointer_mut(parent).unwrap() {
            Value::Object(members) if value.is_null() => drop(members.remove(name)),
            Value::Object(members) => drop(members.insert(name.to_owned(), value.clone())),
            Value::Array(items) if name == "-" => items.push(value.clone()),
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.clone(),
            other => panic!("{pointer}: {other}"),
        }
    }
    registry
}

/// Adds a binding.
fn binding(glob: &str, schema: &str, mode: &str, owner: &str) -> (&'static str, Value) {
    let value = json!({"artifact_glob": glob, "contract_id": schema, "validation_mode": mode, "stage_owner": owner,
                       "pass_id": format!("{owner}.more")});
    ("/bindings/-", value)
}

/// Values, each at its pointer.
type Edits<'r> = Vec<(&'r str, Value)>;

/// A row of the table: the rule, the edits, where the mistake is, and what the message says.
type Row<'r> = (&'r str, Edits<'r>, &'r str, &'r str);

fn refuses(rows: Vec<Row<'_>>) {
    let room = Room::new();
    for (rule, edits, pointer, message) in rows {
        let registry = edited(&edits);
        let error = room.load(&registry).map(|_| ()).expect_err(&format!("{rule}: {registry}"));
        let found = error.problems.iter().any(|found| found.pointer == pointer && found.message.contains(message));
        assert!(found, "{rule}: expected {pointer} {message:?}, found:\n{error}");
        assert_eq!(error.problems.len(), 1, "{rule}: one mistake is reported once:\n{error}");
    }
}

#[test]
fn a_registry_is_read_as_written() {
    let room = Room::new();
    let registry = room.load(&base()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((registry.version.as_str(), registry.schemas.len(), registry.bindings.len()), ("0.2.1", 3, 3));
    assert_eq!(registry.schemas["doc"].version, "2.0.0");
    assert!(registry.schemas["doc"].artifact.is_some());
    assert!(registry.schemas["range"].artifact.is_none(), "evlog validates no file of the orchestrator");
    let owned: Vec<&str> = registry.bindings_of("make").map(|binding| binding.glob.as_str()).collect();
    assert_eq!(owned, ["made/rows.jsonl", "made/docs/*.json"]);
    assert_eq!(registry.binding_of("made/docs/a.json").map(|binding| binding.schema.as_str()), Some("doc"));
    assert_eq!(registry.binding_of("made/docs/a.jsonl"), None);
    let spaced = serde_json::to_string_pretty(&base()).unwrap();
    assert_eq!(room.load_text(&spaced, Scope::AnyPipeline).unwrap().blake3, registry.blake3);
}

#[test]
fn k01_a_registry_that_its_schema_does_not_accept_is_refused() {
    refuses(vec![
        ("K-01", vec![("/registry_version", Value::Null)], "", "required member \"registry_version\" is missing"),
        ("K-01", vec![("/colour", json!("red"))], "", "unknown member \"colour\""),
        ("K-01", vec![("/contracts", json!([]))], "/contracts", "expected at least 1 items (schema"),
        ("K-01", vec![("/contracts/0", json!("row"))], "/contracts/0", "found `\"row\"`"),
        ("K-01", vec![("/contracts/0/schema_path", Value::Null)], "/contracts/0", "\"schema_path\" is missing"),
        ("K-01", vec![("/contracts/0/contract_id", json!("Row"))], "/contracts/0/contract_id", "found `\"Row\"`"),
        ("K-01", vec![("/contracts/0/contract_version", json!("1"))], "/contracts/0/contract_version", "found `\"1\"`"),
        (
            "K-04",
            vec![("/contracts/0/schema_path", json!("/x.json"))],
            "/contracts/0/schema_path",
            "found `\"/x.json\"`",
        ),
        ("K-01", vec![("/bindings/1/pas_id", json!("make.x"))], "/bindings/1", "unknown member \"pas_id\""),
        ("K-09", vec![("/bindings/1/validation_mode", json!("xml"))], "/bindings/1/validation_mode", "found `\"xml\"`"),
        ("K-11", vec![("/bindings/1/stage_owner", json!("make.x"))], "/bindings/1/stage_owner", "found `\"make.x\"`"),
        ("K-01", vec![("/bindings/1/artifact_glob", json!(7))], "/bindings/1/artifact_glob", "found `7`"),
    ]);
    let room = Room::new();
    let file = |text: &str| room.load_text(text, Scope::AnyPipeline).map(|_| ()).unwrap_err().to_string();
    assert!(file("{\"registry_version\":").contains("registry.json: not JSON: line 1 column 20"));
    assert!(file("{\"a\":1,\"a\":2}").contains("duplicate key `a`"));
    assert!(file(&" ".repeat(1024 * 1024 + 1)).contains("at most 1048576 bytes"));
    assert!(file("[]").contains("expected type object (schema /type), found `[]`"));
    let error = Registry::load(&room.0.path().join("none.json"), Scope::AnyPipeline).unwrap_err();
    assert!(error.to_string().contains("none.json: could not be read"), "{error}");
}

#[test]
fn k02_to_k05_schemas_that_cannot_be_used_are_refused() {
    let path = "/contracts/0/schema_path";
    let version = "/contracts/0/contract_version";
    let of_file = |name: &str| vec![(path, json!(format!("schemas/{name}.json")))];
    refuses(vec![
        (
            "K-02",
            vec![("/registry_version", json!("0.3.0"))],
            "/registry_version",
            "expected version 0.2.x of registries, found `0.3.0`",
        ),
        ("K-02", vec![("/registry_version", json!("1.2.1"))], "/registry_version", "found `1.2.1`"),
        (
            "K-03",
            vec![
                ("/contracts/1/contract_id", json!("row")),
                ("/bindings/1/contract_id", json!("row")),
                ("/bindings/1/validation_mode", json!("jsonl_lines")),
            ],
            "/contracts/1/contract_id",
            "expected each schema once, found `row` at /contracts/0 already",
        ),
        (
            "K-04",
            of_file("none"),
            path,
            "expected the file of schema `row`, found `schemas/none.json`: could not be read",
        ),
        ("K-04", of_file("refers"), path, "gone.json"),
        ("K-04", of_file("broken"), path, "`schemas/broken.json`: not JSON: line 1 column 8"),
        ("K-04", of_file("wrong"), path, "not a JSON Schema 2020-12: at /type"),
        (
            "K-05",
            of_file("doc"),
            version,
            "expected \"1.0.0\" at /properties/contract_version/const of `schemas/doc.json`, found `\"2.0.0\"`",
        ),
        ("K-05", of_file("no-version"), version, "found none"),
        ("K-05", of_file("number"), version, "found `1`"),
    ]);
    let room = Room::new();
    // A path above the registry is a path like any other, and is looked for beside the registry only.
    assert!(room.load(&edited(&[(path, json!("../schemas/row.json"))])).is_ok());
    fs::remove_file(room.0.path().join("contracts/schemas/row.json")).unwrap();
    assert!(room.load(&base()).is_err(), "K-04: a file beside the plan is not the one beside the registry");
}

#[test]
fn k06_patterns_that_no_path_can_match_are_refused_with_the_rules_own_code() {
    let room = Room::new();
    let long = "a".repeat(4097);
    let cases = [
        (long.as_str(), "input_too_large"),
        ("a//b", "invalid_path"),
        ("../a", "invalid_path"),
        ("a\0", "contains_nul"),
        ("a\\*", "invalid_escape"),
        ("a[b", "unterminated_class"),
        ("a[]", "empty_class"),
        ("[z-a]", "invalid_range"),
        ("a**", "invalid_globstar"),
        ("C:a", "has_drive_prefix"),
        ("a\nb", "contains_newline"),
    ];
    for (glob, code) in cases {
        let error = room.load(&edited(&[binding(glob, "doc", "json_document", "make")])).unwrap_err();
        assert_eq!(error.problems.len(), 1, "{error}");
        assert_eq!(error.problems[0].pointer, "/bindings/3/artifact_glob");
        assert!(error.problems[0].message.contains(code), "K-06: {code}: {error}");
    }
    let at = "/bindings/3/artifact_glob";
    refuses(vec![
        ("K-06", vec![binding("made/2026-01-31.json", "doc", "json_document", "make")], at, "the same in every run"),
        ("K-06", vec![binding("logs/make.log", "doc", "json_document", "make")], at, "evlog writes itself"),
    ]);
    let own = edited(&[binding("manifest.json", "doc", "json_document", "orchestrator")]);
    assert!(room.load(&own).is_ok(), "what evlog writes is the orchestrator's");
}

#[test]
fn k07_bindings_that_meet_are_refused_and_those_that_only_look_so_are_accepted() {
    // An added pattern, and the binding that it meets.
    let meeting = [
        (
            "made/rows.jsonl",
            "found `made/rows.jsonl`, which `made/rows.jsonl` and `made/rows.jsonl` at /bindings/0 match",
        ),
        (
            "made/docs/x.json",
            "found `made/docs/x.json`, which `made/docs/x.json` and `made/docs/*.json` at /bindings/1 match",
        ),
        ("made/docs/*.json", "and `made/docs/*.json` at /bindings/1 match"),
        ("made/**/a.json", "found `made/docs/a.json`"),
        ("*/docs/[ab]*", "and `made/docs/*.json` at /bindings/1 match"),
        ("made/rows.jsonl/x", "which clashes with `made/rows.jsonl` at /bindings/0"),
        ("made", "which clashes with `made/rows.jsonl` at /bindings/0"),
    ];
    let room = Room::new();
    for (glob, message) in meeting {
        let error = room.load(&edited(&[binding(glob, "doc", "json_document", "judge")])).map(|_| ()).expect_err(glob);
        assert!(error.to_string().contains(message), "K-07: {glob}: {error}");
        assert!(error.problems.iter().all(|problem| problem.pointer == "/bindings/3/artifact_glob"), "{error}");
    }
    // Each pattern names only the first one that it meets: the number of pairs could be too large to report.
    let many: Vec<_> =
        (0..400).map(|n| binding(&format!("made/docs/*f{n}*"), "doc", "json_document", "judge")).collect();
    let error = room.load(&edited(&many)).map(|_| ()).expect_err("they meet");
    assert!(error.problems.len() <= 400, "{}", error.problems.len());
    for glob in ["made/docs/*.jsonl", "made/docs/*/x.json", "made/?ows.json", "made/docs/*.[!j]son", "*.json"] {
        let registry = edited(&[binding(glob, "doc", "json_document", "judge")]);
        assert!(room.load(&registry).is_ok(), "K-07: {glob}");
    }
}

const NEW_GLOB: &str = "/bindings/3/artifact_glob";

/// Adds a schema and its one binding.
fn bound_alone<'r>(glob: &str, mode: &str, owner: &str) -> Edits<'r> {
    let schema = json!({"contract_id": "new", "schema_path": "schemas/row.json", "contract_version": "1.0.0"});
    vec![("/contracts/-", schema), binding(glob, "new", mode, owner)]
}

fn range<'r>(glob: &str, owner: &str) -> Edits<'r> {
    vec![binding(glob, "range", "yaml_document", owner)]
}

#[test]
fn k08_a_schema_is_known_and_its_files_are_read_in_one_way() {
    let (id, mode) = ("/bindings/1/contract_id", "/bindings/1/validation_mode");
    let way = "expected `jsonl_lines`, as files of schema `row` are read at `made/rows.jsonl`, found `json_document`";
    refuses(vec![
        ("K-08", vec![(id, json!("none"))], id, "expected a schema of the registry, found `none`"),
        ("K-08", vec![(id, json!("row"))], mode, way),
    ]);
}

#[test]
fn k09_modes_that_stand_where_they_may_not_are_refused() {
    let parquet = |glob: &str| bound_alone(glob, "parquet_dataset_v1", "orchestrator");
    let inputs = "expected a path below `inputs/` with `yaml_document`, found `range.yaml`";
    let dataset = "expected the `_schema.json` of a directory with `parquet_dataset_v1`, found `made/new`";
    refuses(vec![
        ("K-09", range("range.yaml", "orchestrator"), NEW_GLOB, inputs),
        ("K-09", range("inputs.yaml", "orchestrator"), NEW_GLOB, "expected a path below `inputs/`"),
        ("K-09", parquet("made/new"), NEW_GLOB, dataset),
        ("K-09", parquet("made/x_schema.json"), NEW_GLOB, "expected the `_schema.json` of a directory"),
        ("K-09", parquet("_schema.json"), NEW_GLOB, "expected the `_schema.json` of a directory"),
    ]);
    let room = Room::new();
    assert!(room.load(&edited(&parquet("made/new/_schema.json"))).is_ok());
    let of_stage = room.load(&edited(&bound_alone("made/new/_schema.json", "parquet_dataset_v1", "make"))).unwrap();
    let mode = &of_stage.schemas["new"].artifact.as_ref().unwrap().mode;
    assert!(matches!(mode, ArtifactMode::ParquetDataset(_)));
    // If one binding breaks two rules, both are reported.
    let breaks = |edits: &[(&str, Value)], expected: [(&str, &str); 2]| {
        let error = room.load(&edited(edits)).unwrap_err();
        for (pointer, message) in expected {
            let found = error.problems.iter().any(|found| found.pointer == pointer && found.message.contains(message));
            assert!(found, "K-09: {pointer} {message:?}: {error}");
        }
    };
    let owner = "/bindings/3/stage_owner";
    let text = [
        (owner, "expected a stage with `text_document_v1`, found `orchestrator`"),
        (NEW_GLOB, "expected a path below `report/` with `text_document_v1`, found `made/new.txt`"),
    ];
    breaks(&bound_alone("made/new.txt", "text_document_v1", "orchestrator"), text);
    let yaml = [
        (owner, "expected `orchestrator` with `yaml_document`, found `make`"),
        (NEW_GLOB, "expected a path below `inputs/` with `yaml_document`, found `made/range.yaml`"),
    ];
    breaks(&range("made/range.yaml", "make"), yaml);
}

#[test]
fn k10_k11_unknown_passes_and_owners_are_refused() {
    let at = "/bindings/1/pass_id";
    let form = "expected `make` and one or more `.<segment>`, of `[a-z][a-z0-9_]*`, found `make`";
    let owner = "expected `orchestrator` or a stage of the pipeline (make, judge), found `deploy`";
    refuses(vec![
        ("K-10", vec![(at, Value::Null)], at, "found none; registries have it from 0.2.1 on"),
        ("K-10", vec![(at, json!("make"))], at, form),
        ("K-10", vec![(at, json!("make."))], at, "found `make.`"),
        ("K-10", vec![(at, json!("make.X"))], at, "found `make.X`"),
        ("K-10", vec![(at, json!("make.a..b"))], at, "found `make.a..b`"),
        ("K-10", vec![(at, json!("judge.docs"))], at, "found `judge.docs`"),
        ("K-10", vec![(at, json!("makes.docs"))], at, "found `makes.docs`"),
        ("K-11", vec![binding("x/y", "doc", "json_document", "deploy")], "/bindings/3/stage_owner", owner),
    ]);
    let registry = edited(&[binding("x/y", "doc", "json_document", "deploy")]).to_string();
    assert!(Room::new().load_text(&registry, Scope::AnyPipeline).is_ok(), "K-11: no pipeline is known here");
}

#[test]
fn k10_a_pass_is_optional_before_the_version_that_asks_for_it_and_has_its_form_always() {
    let room = Room::new();
    let early = [("/registry_version", json!("0.2.0")), ("/bindings/1/pass_id", Value::Null)];
    assert!(room.load(&edited(&early)).is_ok());
    let wrong = [("/registry_version", json!("0.2.0")), ("/bindings/1/pass_id", json!("docs"))];
    assert!(room.load(&edited(&wrong)).is_err());
    let later = [("/registry_version", json!("0.2.10")), ("/bindings/1/pass_id", Value::Null)];
    assert!(room.load(&edited(&later)).is_err(), "10 is after 1");
}

#[test]
fn all_mistakes_of_a_registry_are_reported_at_once() {
    let edits = [
        ("/registry_version", json!("0.9.0")),
        ("/contracts/0/schema_path", json!("schemas/none.json")),
        ("/bindings/1/artifact_glob", json!("a**")),
        ("/bindings/2/pass_id", json!("x")),
    ];
    let error = Room::new().load(&edited(&edits)).unwrap_err();
    let pointers: Vec<&str> = error.problems.iter().map(|problem| problem.pointer.as_str()).collect();
    let expected =
        ["/registry_version", "/contracts/0/schema_path", "/bindings/1/artifact_glob", "/bindings/2/pass_id"];
    assert_eq!(pointers, expected);
    assert_eq!(error.to_string().lines().count(), 4);
}

#[test]
fn k12_a_registry_and_its_twin_agree_on_what_both_name() {
    let room = Room::new();
    let own = room.load(&base()).unwrap();
    // What the workspace's registry says, and where it differs.
    let cases: [(Edits<'_>, &[(&str, &str)]); 5] = [
        (vec![], &[]),
        (vec![("/contracts/1/contract_id", json!("else")), ("/bindings/1/contract_id", json!("else"))], &[]),
        (
            vec![("/registry_version", json!("0.2.2"))],
            &[("/registry_version", "expected `0.2.1`, as in the registry of the bundle, found `0.2.2`")],
        ),
        (
            vec![
                ("/contracts/0/schema_path", json!("schemas/doc.json")),
                ("/contracts/0/contract_version", json!("2.0.0")),
            ],
            &[
                ("/contracts/0/contract_version", "expected `1.0.0`"),
                ("/contracts/0/schema_path", "schemas/row.json`, as in"),
            ],
        ),
        (vec![("/contracts/0/schema_path", json!("../schemas/row.json"))], &[("/contracts/0/schema_path", "found `")]),
    ];
    for (edits, differences) in cases {
        let twin = room.load_text(&edited(&edits).to_string(), Scope::Workspace).unwrap();
        let found = own.disagreements(&twin);
        assert_eq!(found.len(), differences.len(), "{found:?}");
        for (problem, (pointer, message)) in found.iter().zip(differences) {
            assert!(problem.pointer == *pointer && problem.message.contains(message), "K-12: {problem}");
        }
    }
}

#[test]
fn k12_bindings_of_a_workspace_obey_the_rules_that_are_not_about_stages() {
    let room = Room::new();
    let load = |edits: &[(&str, Value)]| room.load_text(&edited(edits).to_string(), Scope::Workspace).map(|_| ());
    let free = [binding("workspace.yaml", "range", "yaml_document", "workspace"), ("/bindings/0/pass_id", Value::Null)];
    assert_eq!(load(&free), Ok(()));
    assert!(load(&[binding("made/docs/x.json", "doc", "json_document", "workspace")]).is_err());
    assert!(load(&[binding("a**", "doc", "json_document", "workspace")]).is_err());
    assert!(load(&[binding("a", "none", "json_document", "workspace")]).is_err());
    assert!(load(&[("/contracts/0/contract_version", json!("3.0.0"))]).is_err());
}

/// Patterns of a few pieces, some of which meet.
fn patterns(count: usize) -> Vec<String> {
    let pieces = ["a", "b", "a*", "*b", "**", "?", "ab", "a[bc]", "c.d"];
    let mut state = 7_u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    (0..count).map(|_| (0..=draw(4)).map(|_| pieces[draw(pieces.len())]).collect::<Vec<_>>().join("/")).collect()
}

#[test]
fn k07_a_pattern_is_compared_with_every_binding_that_it_could_meet() {
    let mut bindings: Vec<Binding> = Vec::new();
    let mut beside = beside::Beside::default();
    let (mut met, mut spared, mut steps) = (0, 0, Steps::new(u64::MAX));
    for (index, text) in patterns(1500).iter().enumerate() {
        let glob = Glob::parse(text).unwrap();
        let near = beside.near(&glob, &mut steps).unwrap();
        let meets = |binding: &Binding| {
            // Only patterns without wildcards are paths that can clash.
            let are_paths = glob.is_literal() && binding.glob.is_literal();
            glob.common(&binding.glob, &mut Steps::new(u64::MAX)).unwrap().is_some()
                || are_paths && crate::paths::clash(text, binding.glob.as_str())
        };
        let all: Vec<usize> = (0..bindings.len()).filter(|place| meets(&bindings[*place])).collect();
        let found: Vec<usize> = near.iter().copied().filter(|place| meets(&bindings[*place])).collect();
        assert_eq!(found, all, "{text}");
        (met, spared) = (met + all.len(), spared + bindings.len() - near.len());
        bindings.push(Binding { glob, schema: String::new(), owner: String::new(), index });
        beside.add_last(&bindings);
    }
    assert!(met > 10_000 && spared > 10_000, "{met} {spared}");
}

#[test]
fn k07_thousands_of_patterns_that_do_not_meet_are_accepted() {
    let room = Room::new();
    let mut registry = base();
    // The patterns differ in their beginnings, or only in the last part.
    let names = (0..3500).map(|n| format!("made/{n:04}/{}*/part-*.json", "deep/".repeat(8)));
    let anywhere = (0..300).map(|n| format!("**/x{n:04}"));
    let deep = (0..60).map(|n| format!("{}y{n:04}", "**/a/".repeat(100)));
    let more = names.chain(anywhere).chain(deep).map(|glob| binding(&glob, "doc", "json_document", "make").1);
    registry["bindings"].as_array_mut().unwrap().extend(more);
    room.load(&registry).unwrap();
    registry["bindings"].as_array_mut().unwrap().push(binding("made/3*/**", "doc", "json_document", "make").1);
    let error = room.load(&registry).map(|_| ()).unwrap_err();
    assert_eq!(error.problems.len(), 1);
    assert!(error.problems[0].message.contains("at /bindings/3003 match"), "{error}");
}

#[test]
fn g69_the_patterns_of_all_schemas_of_a_registry_have_one_budget() {
    let room = Room::new();
    room.file(
        "contracts/schemas/large.json",
        r#"{"properties":{"contract_version":{"const":"1.0.0"},"a":{"pattern":"(?i)a{2}"}}}"#,
    );
    let mut registry = base();
    let schema = |n: usize| json!({"contract_id": format!("large{n}"), "schema_path": "schemas/large.json", "contract_version": "1.0.0"});
    registry["contracts"].as_array_mut().unwrap().extend((0..9).map(schema));
    room.load(&registry).unwrap();
    registry["contracts"].as_array_mut().unwrap().extend((9..30).map(schema));
    let error = room.load(&registry).map(|_| ()).unwrap_err();
    assert_eq!(error.problems.len(), 1, "{error}");
    assert!(
        error.problems[0]
            .message
            .contains("its patterns and those of the schemas before it take more than 10000000 steps"),
        "{error}"
    );
}
