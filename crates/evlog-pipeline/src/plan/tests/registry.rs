//! Plans with a registry: what the registry adds to their stages, and which parts of a plan conflict with it.

use super::*;
use serde_json::json;

const TOP: &str = "registry = \"contracts/registry.json\"";
const ALL: &str = "[[stage.output]]\nschema = \"row\"\n[[stage.output]]\nschema = \"doc\"";

fn registry() -> Value {
    json!({
        "registry_version": "0.2.0",
        "contracts": [
            {"contract_id": "row", "schema_path": "row.json", "contract_version": "1.0.0"},
            {"contract_id": "doc", "schema_path": "doc.json", "contract_version": "2.0.0"},
            {"contract_id": "range", "schema_path": "row.json", "contract_version": "1.0.0"}
        ],
        "bindings": [
            {"artifact_glob": "made/rows.jsonl", "contract_id": "row", "validation_mode": "jsonl_lines", "stage_owner": "one"},
            {"artifact_glob": "made/docs/*.json", "contract_id": "doc", "validation_mode": "json_document", "stage_owner": "one"},
            {"artifact_glob": "inputs/range.yaml", "contract_id": "range", "validation_mode": "yaml_document",
             "stage_owner": "orchestrator"}
        ]
    })
}

fn room() -> Room {
    let room = Room::new();
    room.file("contracts/registry.json", &registry().to_string());
    for (name, version) in [("row", "1.0.0"), ("doc", "2.0.0")] {
        let schema = json!({"properties": {"contract_version": {"const": version}}});
        room.file(&format!("contracts/{name}.json"), &schema.to_string());
    }
    room
}

fn loaded(room: &Room, text: &str) -> Plan {
    room.load(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn output(schema: &str, required: bool) -> Output {
    Output { schema: Some(schema.to_owned()), required }
}

#[test]
fn k13_k14_the_outputs_of_a_stage_are_the_bindings_that_it_owns() {
    let room = room();
    let plan = loaded(&room, &plan(TOP, ALL));
    let stage = plan.stage("one").unwrap();
    assert_eq!(stage.outputs, BTreeMap::from([("made/rows.jsonl".to_owned(), output("row", true))]));
    let glob = Glob::parse("made/docs/*.json").unwrap();
    assert_eq!(stage.patterns, [Pattern { glob, output: output("doc", false) }], "K-14: nothing that could be missing");
    assert_eq!((plan.schemas["row"].version.as_str(), plan.schemas["doc"].version.as_str()), ("1.0.0", "2.0.0"));
    let elsewhere: Vec<(&str, &str)> =
        plan.elsewhere.iter().map(|bound| (bound.owner.as_str(), bound.glob.as_str())).collect();
    assert_eq!(elsewhere, [("orchestrator", "inputs/range.yaml")]);
    let optional = ALL.replacen("schema = \"row\"", "schema = \"row\"\nrequired = false", 1);
    let plan = loaded(&room, &super::plan(TOP, &optional));
    assert_eq!(plan.stage("one").unwrap().outputs["made/rows.jsonl"], output("row", false));
}

#[test]
fn k13_an_output_must_be_required_or_optional_unless_its_stage_is_disabled() {
    let room = room();
    let one = "[[stage.output]]\nschema = \"row\"";
    let message = "stage `one`: nothing says whether files of schema `doc` are required: registry `contracts/registry.json`, at \
                   /bindings/1, binds `made/docs/*.json` to schema `doc` and `one`. Add [[stage.output]] with schema = \
                   \"doc\" and `required`";
    room.refuses(&plan(TOP, one), Some((4, 6)), message);
    let two = "[[stage]]\nid = \"two\"\ncommand = [\"true\"]\nreason_code = \"input_missing\"";
    let disabled = plan(TOP, two).replacen("id = \"one\"", "id = \"one\"\nenabled = false", 1);
    let plan = loaded(&room, &disabled);
    assert_eq!(plan.stage("one").unwrap().outputs["made/rows.jsonl"], output("row", false));
    let named = "[[stage.output]]\npath = \"made/rows.jsonl\"\nschema = \"row\"\n[[stage.output]]\nschema = \"doc\"";
    loaded(&room, &super::plan(TOP, named));
}

#[test]
fn k13_the_built_in_pipeline_says_which_outputs_are_required_unless_the_plan_does() {
    let room = Room::new();
    let binding = |glob: &str, schema: &str, owner: &str| json!({"artifact_glob": glob, "contract_id": schema, "validation_mode": "json_document", "stage_owner": owner});
    let schema = |id: &str| json!({"contract_id": id, "schema_path": "row.json", "contract_version": "1.0.0"});
    let ids = ["summary", "pcap_manifest", "telemetry_validation", "manifest", "strange"];
    let mut registry = json!({
        "registry_version": "0.2.0",
        "contracts": ids.map(schema),
        "bindings": [
            binding("scoring/summary.json", "summary", "scoring"),
            binding("raw/pcap/manifest.json", "pcap_manifest", "telemetry"),
            binding("logs/telemetry_validation.json", "telemetry_validation", "telemetry"),
            binding("manifest.json", "manifest", "orchestrator")
        ]
    });
    room.file("contracts/row.json", "{\"properties\":{\"contract_version\":{\"const\":\"1.0.0\"}}}");
    room.file("contracts/registry.json", &registry.to_string());
    let stage = |id: &str, output: &str| {
        format!("[[stage]]\nid = \"{id}\"\ncommand = [\"true\"]\nreason_code = \"storage_io_error\"\n{output}\n")
    };
    let text = |output: &str| {
        let top = format!("name = \"p\"\npipeline = \"purple-axiom\"\n{TOP}\n");
        format!("{top}{}{}", stage("telemetry", output), stage("scoring", ""))
    };
    let plan = loaded(&room, &text(""));
    assert_eq!(plan.stage("scoring").unwrap().outputs["scoring/summary.json"], output("summary", true));
    let telemetry = plan.stage("telemetry").unwrap();
    assert_eq!(telemetry.outputs["raw/pcap/manifest.json"], output("pcap_manifest", false));
    assert_eq!(telemetry.outputs["logs/telemetry_validation.json"], output("telemetry_validation", true));
    let plan = loaded(&room, &text("[[stage.output]]\nschema = \"pcap_manifest\""));
    assert!(plan.stage("telemetry").unwrap().outputs["raw/pcap/manifest.json"].required);
    registry["bindings"].as_array_mut().unwrap().push(binding("raw/strange.json", "strange", "telemetry"));
    room.file("contracts/registry.json", &registry.to_string());
    room.refuses(&text(""), Some((5, 6)), "nothing says whether files of schema `strange` are required");
}

#[test]
fn k15_outputs_of_the_plan_that_cannot_stand_beside_its_registry_are_refused() {
    let room = room();
    let at = "registry `contracts/registry.json`, at /bindings/";
    // What the stage has after its schemas, the place of the mistake, the message.
    let cases = [
        (
            "path = \"made/rows.jsonl\"",
            (12, 8),
            format!("`made/rows.jsonl`: expected schema `row`, found none: {at}0, binds"),
        ),
        (
            "path = \"made/docs/a.json\"\nschema = \"own\"",
            (12, 8),
            format!("expected schema `doc`, found `own`: {at}1, binds"),
        ),
        ("path = \"made/docs/a.json\"\nschema = \"row\"", (12, 8), "expected schema `doc`, found `row`".to_owned()),
        (
            "path = \"inputs/range.yaml\"",
            (12, 8),
            format!("`inputs/range.yaml` belongs to `orchestrator`: {at}2, binds"),
        ),
        ("path = \"made/other\"\nschema = \"row\"", (12, 8), "does not bind `made/other` to schema `row`".to_owned()),
        ("path = \"made/rows.jsonl/x\"", (12, 8), format!("`made/rows.jsonl/x` clashes with a binding: {at}0")),
        ("path = \"inputs\"", (12, 8), format!("`inputs` clashes with a binding: {at}2")),
        (
            "glob = \"made/**/a.json\"",
            (12, 8),
            format!("`made/**/a.json` matches `made/docs/a.json`, and so does a binding: {at}1"),
        ),
        (
            "glob = \"made/*.jsonl\"\nschema = \"row\"",
            (12, 8),
            format!("matches `made/rows.jsonl`, and so does a binding: {at}0"),
        ),
        ("glob = \"other/*\"\nschema = \"doc\"", (12, 8), "does not bind `other/*` to schema `doc`".to_owned()),
        ("schema = \"row\"", (12, 10), "schema `row` as a whole is an output already".to_owned()),
        ("schema = \"range\"", (12, 10), "binds nothing of stage `one` to schema `range`".to_owned()),
        ("schema = \"own\"", (12, 10), "binds nothing of stage `one` to schema `own`".to_owned()),
        ("schema = \"none\"", (12, 10), "schema `none` is in no [[schema]], nor in the registry".to_owned()),
        ("required = false", (11, 1), "expected `path` or `glob` of an output, found neither".to_owned()),
    ];
    let own = "[[schema]]\nid = \"own\"\nfile = \"schemas/dependency.json\"\nmode = \"json_document\"";
    for (output, (line, column), message) in cases {
        let text = plan(TOP, &format!("{ALL}\n[[stage.output]]\n{output}\n{own}"));
        room.refuses(&text, Some((line, column)), &message);
    }
    let twice = own.replace("\"own\"", "\"row\"");
    room.refuses(
        &plan(TOP, &format!("{ALL}\n{twice}")),
        Some((12, 6)),
        "schema `row` is in registry `contracts/registry.json` already",
    );
    room.refuses(
        &plan("", "[[stage.output]]\nschema = \"row\""),
        Some((7, 1)),
        "`path` or `glob` of an output, found neither",
    );
}

#[test]
fn k15_a_path_of_the_plan_that_a_binding_matches_is_one_output_with_the_plans_required() {
    let room = room();
    let own = "[[stage.output]]\npath = \"made/docs/a.json\"\nschema = \"doc\"\n[[stage.output]]\npath = \"made/rows.jsonl\"\n\
               schema = \"row\"\nrequired = false\n[[stage.output]]\npath = \"made/free\"";
    let plan = loaded(&room, &plan(TOP, &format!("{ALL}\n{own}")));
    let stage = plan.stage("one").unwrap();
    assert_eq!(stage.outputs["made/docs/a.json"], output("doc", true));
    assert_eq!(stage.outputs["made/rows.jsonl"], output("row", false));
    assert_eq!(stage.outputs["made/free"], Output { schema: None, required: true });
}

#[test]
fn k12_mistakes_of_registries_are_reported_where_the_plan_names_them_with_a_pointer() {
    let room = room();
    let mut wrong = registry();
    wrong["bindings"][1]["artifact_glob"] = "a**".into();
    wrong["bindings"][0]["stage_owner"] = "two".into();
    room.file("contracts/wrong.json", &wrong.to_string());
    let named = "registry = \"contracts/wrong.json\"";
    room.refuses(&plan(named, ALL), Some((2, 12)), "registry `contracts/wrong.json`, at /bindings/1/artifact_glob: `a**` is no pattern of paths: glob_v1: invalid_globstar");
    room.refuses(
        &plan(named, ALL),
        Some((2, 12)),
        "at /bindings/0/stage_owner: expected `orchestrator` or a stage of the pipeline (one), found `two`",
    );
    room.refuses(&plan("registry = \"none.json\"", ALL), Some((2, 12)), "registry `none.json`: could not be read");
    let twin = format!("{TOP}\nworkspace_registry = \"contracts/twin.json\"");
    let mut other = registry();
    other["registry_version"] = "0.2.4".into();
    room.file("contracts/twin.json", &other.to_string());
    room.refuses(
        &plan(&twin, ALL),
        Some((3, 22)),
        "registry `contracts/twin.json`, at /registry_version: expected `0.2.0`, as in",
    );
    room.refuses(
        &plan(&twin.replace("twin", "wrong"), ALL),
        Some((3, 22)),
        "registry `contracts/wrong.json`, at /bindings/1",
    );
    room.file("contracts/twin.json", &registry().to_string());
    loaded(&room, &plan(&twin, ALL));
    room.refuses(
        &plan("workspace_registry = \"contracts/twin.json\"", ""),
        Some((2, 22)),
        "expected a `registry` beside `workspace_registry`",
    );
}

#[test]
fn k17_the_digest_follows_the_registry_and_the_schemas_that_are_used() {
    let room = room();
    let text = plan(TOP, &ALL.replacen("\"row\"", "\"row\"\nrequired = false", 1));
    let digest = |room: &Room, text: &str| loaded(room, text).blake3;
    let before = digest(&room, &text);
    room.file("contracts/registry.json", &serde_json::to_string_pretty(&registry()).unwrap());
    assert_eq!(digest(&room, &text), before, "white space does not count");
    let schema = |about: &str, version: &str| {
        json!({"title": about, "properties": {"contract_version": {"const": version}}}).to_string()
    };
    room.file("contracts/row.json", &schema("another", "1.0.0"));
    let after = digest(&room, &text);
    assert_ne!(after, before, "a schema that is used does");
    let mut other = registry();
    other["contracts"]
        .as_array_mut()
        .unwrap()
        .push(json!({"contract_id": "free", "schema_path": "free.json", "contract_version": "1.0.0"}));
    room.file("contracts/free.json", &schema("one", "1.0.0"));
    room.file("contracts/registry.json", &other.to_string());
    let free = digest(&room, &text);
    assert_ne!(free, after, "the registry counts");
    room.file("contracts/free.json", &schema("another", "1.0.0"));
    assert_eq!(digest(&room, &text), free, "a schema that nothing is bound to does not");
    let two = "[[stage]]\nid = \"two\"\ncommand = [\"true\"]\nreason_code = \"input_missing\"\nenabled = false";
    let (disabled, enabled) = (format!("{text}{two}"), format!("{text}{}", two.replace("false", "true")));
    let enabled = format!("{enabled}\n[[stage.output]]\nschema = \"free\"");
    let binding = json!({"artifact_glob": "two/x", "contract_id": "free", "validation_mode": "json_document", "stage_owner": "two"});
    other["bindings"].as_array_mut().unwrap().push(binding);
    room.file("contracts/registry.json", &other.to_string());
    let before = (digest(&room, &disabled), digest(&room, &enabled));
    room.file("contracts/free.json", &schema("a third", "1.0.0"));
    assert_eq!(digest(&room, &disabled), before.0, "a schema that only a disabled stage is bound to does not");
    assert_ne!(digest(&room, &enabled), before.1, "once it is enabled it does");
    room.file("contracts/registry.json", &registry().to_string());
    let twin = format!("{TOP}\nworkspace_registry = \"contracts/twin.json\"");
    room.file("contracts/twin.json", &registry().to_string());
    let with_twin = digest(&room, &text.replace(TOP, &twin));
    other["bindings"][0]["artifact_glob"] = "else".into();
    room.file("contracts/twin.json", &other.to_string());
    assert_ne!(digest(&room, &text.replace(TOP, &twin)), with_twin, "the twin counts");
}

#[test]
fn the_examples_of_the_reference_are_a_plan_and_its_registry() {
    let text = include_str!("../../../../../docs/registry.md");
    let example = text.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let plan = REFERENCE.split("## `registry`").nth(1).and_then(|rest| rest.split("```toml\n").nth(1));
    let plan = plan.and_then(|rest| rest.split("```").next()).unwrap();
    let room = Room::new();
    room.file("contracts/registry.json", example);
    for (name, version) in [("dependency", "0.1.0"), ("finding", "1.0.0")] {
        let schema = json!({"properties": {"contract_version": {"const": version}}});
        room.file(&format!("contracts/schemas/{name}.schema.json"), &schema.to_string());
    }
    let plan = loaded(&room, plan);
    assert_eq!(plan.stage("inventory").unwrap().outputs.len(), 1);
    assert_eq!(plan.stage("policy").unwrap().patterns.len(), 1);
    let schema: Value = serde_json::from_str(include_str!("../../../data/contract_registry.schema.json")).unwrap();
    for members in ["/properties", "/$defs/contract/properties", "/$defs/binding/properties"] {
        for member in schema.pointer(members).unwrap().as_object().unwrap().keys().filter(|member| *member != "$schema")
        {
            assert!(text.contains(&format!("| `{member}` |")), "docs/registry.md does not name `{member}`");
        }
    }
}
