//! `contract`: what is built in, drawings, and files that are wrong.

use crate::support::Room;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn example(name: &str) -> String {
    let path: PathBuf = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples/contracts")).join(name);
    path.display().to_string()
}

#[test]
fn what_is_built_in_is_listed_and_drawn() {
    let room = Room::new();
    let list = room.ends(0, &["contract", "list"]);
    assert!(list.out.contains("status        lifecycle  8 statuses, 9 transitions"), "{list:?}");
    assert_eq!(room.ends(0, &["contract", "list", "--json"]).out.lines().count(), 2);
    for name in ["status", "purple-axiom"] {
        let json: Value = room.ends(0, &["contract", "show", name, "--json"]).json();
        assert_eq!((json["name"].as_str(), json["definition"]["name"].as_str()), (Some(name), Some(name)));
        assert_eq!(room.ends(0, &["contract", "show", name, "--format", "json"]).json(), json);
    }
    let shown = room.ends(0, &["contract", "show", "status"]).out;
    for line in [
        "running   -> waiting | success | failed | denied | timeout | canceled",
        "failed    -> (end)                                                     diagnostic: object",
        "3  waiting    F  Y  F  F  F  F  F  Y",
        "4  success    R  R  R  R  R  R  R  R",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert!(!room.path("evlog").exists(), "no log is opened");
}

#[test]
fn the_examples_are_contracts_and_can_be_drawn() {
    let room = Room::new();
    for name in ["order.toml", "deployment.toml", "payment.toml", "supply-chain.toml"] {
        let path = example(name);
        room.ends(0, &["contract", "check", &path]);
        for format in ["text", "mermaid", "json"] {
            assert!(!room.ends(0, &["contract", "show", &path, "--format", format]).out.is_empty());
        }
    }
    let shown = room.ends(0, &["contract", "show", &example("payment.toml")]).out;
    assert!(shown.lines().any(|line| line.starts_with("four-eyes        precedence  error     yes ")), "{shown}");
    room.ends(2, &["contract", "show", "status", "--format", "mermaid", "--json"]);
    let checked: Value = room.ends(0, &["contract", "check", &example("order.toml"), "--json"]).json();
    assert_eq!((checked["good"].as_bool(), checked["kind"].as_str()), (Some(true), Some("machine")));
}

#[test]
fn everything_wrong_in_a_file_is_an_answer_with_line_and_column() {
    let room = Room::new();
    let order = std::fs::read_to_string(example("order.toml")).unwrap();
    room.write("bad.toml", &order.replace("[required.paid]", "[required.payed]").replace("\"damaged\"", "\"Damaged\""));
    let done = room.ends(1, &["contract", "check", "bad.toml"]);
    let places: Vec<&str> = done.out.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(places, ["bad.toml:16:33", "bad.toml:33:11"], "{done:?}");
    assert_eq!(done.err, "bad.toml: 2 findings\n");
    let json: Value = room.ends(1, &["contract", "check", "bad.toml", "--json"]).json();
    assert_eq!((json["good"].as_bool(), json["findings"][1]["line"].as_u64()), (Some(false), Some(33)));
    room.write("broken.toml", "name = \"x\nstatuses = [\n");
    let done = room.ends(1, &["contract", "check", "broken.toml"]);
    assert!(done.out.starts_with("broken.toml:1:10: "), "{done:?}");
    // A file that is shown must be one.
    let done = room.ends(2, &["contract", "show", "bad.toml"]);
    assert!(done.err.contains("`bad.toml` is not a contract:\nbad.toml:16:33: "), "{done:?}");
}

#[test]
fn what_cannot_be_read_is_no_answer() {
    let room = Room::new();
    room.ends(2, &["contract", "check", "gone.toml"]);
    let done = room.ends(2, &["contract", "show", "gone"]);
    assert!(
        done.err.contains("`gone`: expected a built-in definition (status, purple-axiom) or a file, found neither"),
        "{done:?}"
    );
    room.write("long.toml", &"#".repeat(256 * 1024 + 1));
    let done = room.ends(2, &["contract", "check", "long.toml"]);
    assert!(done.err.contains("at most 262144 bytes"), "{done:?}");
    std::fs::write(room.path("latin.toml"), b"name = \"caf\xe9\"").unwrap();
    let done = room.ends(2, &["contract", "check", "latin.toml"]);
    assert!(done.err.contains("`latin.toml`: line 1, column 12: expected UTF-8, found other bytes"), "{done:?}");
}

#[test]
fn a_file_gives_guard_files_replay_and_audit_with_no_code() {
    let room = Room::new();
    let command = |rest: &str| format!("{{\"contract\":\"lifecycle\",\"run\":\"o-7\",{rest}}}\n");
    let input = [
        command("\"do\":\"create\",\"lifecycle\":\"order\",\"data\":{\"customer\":\"c-12\"}"),
        command("\"do\":\"transition\",\"to\":\"shipped\",\"data\":{\"carrier\":\"sea\"}")
            .replace("lifecycle", "machine"),
        command("\"do\":\"transition\",\"to\":\"delivered\""),
        command("\"do\":\"transition\",\"to\":\"paid\",\"data\":{}"),
        command("\"do\":\"transition\",\"to\":\"paid\",\"data\":{\"amount_cents\":4200}"),
        command("\"do\":\"transition\",\"to\":\"delivered\""),
    ]
    .concat();
    let done = room.feed(&["submit", "--contract", &example("order.toml")], &input);
    let words: Vec<String> =
        done.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["result"].to_string()).collect();
    let expected =
        ["accepted", "accepted", "rejected", "refused", "accepted", "accepted"].map(|word| format!("\"{word}\""));
    assert_eq!((done.code, words.as_slice()), (1, expected.as_slice()), "{done:?}");
    // From here on the file is not needed.
    let run: Value = room.ends(0, &["show", "o-7", "--json"]).json();
    assert_eq!((run["status"].as_str(), run["machine"].as_str()), (Some("delivered"), Some("order")));
    let [runs, alias] = ["machine", "lifecycle"].map(|name| room.ends(0, &["runs", "--contract", name]).out);
    assert!(runs.contains("o-7") && runs == alias, "{runs}\n{alias}");
    room.ends(0, &["project", "--out", "."]);
    room.ends(0, &["project", "--check", "."]);
    room.ends(0, &["replay"]);
    room.ends(0, &["verify"]);
    let cat = room.ends(0, &["cat", "--json"]).out;
    assert!(cat.contains("\"kind\":\"machine.rejected\"") && cat.contains("\"requested\":\"delivered\""), "{cat}");
    // A pipeline of a file is found by its name, too.
    let create = "{\"contract\":\"pipeline\",\"run\":\"r-1\",\"do\":\"create\",\"pipeline\":\"supply-chain-audit\"}\n";
    assert_eq!(room.feed(&["submit"], create).code, 1, "unknown without the file");
    assert_eq!(room.feed(&["submit", "--contract", &example("supply-chain.toml")], create).code, 0);
}

#[test]
fn a_file_that_is_wrong_or_there_twice_is_not_submitted_with() {
    let room = Room::new();
    room.write("bad.toml", "name = \"bad\"\n");
    let done = room.feed(&["submit", "--contract", "bad.toml"], "");
    assert_eq!(done.code, 2);
    assert!(done.err.contains("bad.toml:1:1: expected `statuses`"), "{done:?}");
    let order = example("order.toml");
    let done = room.feed(&["submit", "--contract", &order, "--contract", &order], "");
    assert!(done.code == 2 && done.err.contains("found `order` again"), "{done:?}");
    assert!(!room.path("evlog").exists());
}

fn registry() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples/registry/contracts")).canonicalize().unwrap()
}

#[test]
fn a_registry_is_checked_with_its_schemas_and_without_a_plan() {
    let room = Room::new();
    let file = registry().join("registry.json").display().to_string();
    let done = room.ends(0, &["contract", "check", &file, &example("order.toml")]);
    assert!(done.out.starts_with(&format!("{file}: registry 0.2.1, 6 schemas, 6 bindings\n")), "{done:?}");
    let json: Value = room.ends(0, &["contract", "check", &file, "--json"]).json();
    assert_eq!((json["kind"].as_str(), json["name"].as_str()), (Some("registry"), Some("0.2.1")));
    assert_eq!(json["blake3"].as_str().map(str::len), Some(64));
}

#[test]
fn k01_everything_wrong_in_a_registry_is_an_answer_with_line_column_and_pointer() {
    let room = Room::new();
    let text = std::fs::read_to_string(registry().join("registry.json")).unwrap();
    let text = text.replace("measured/words/*.json", "measured/**.json").replace("\"add.total\"", "\"total\"");
    room.write("registry.json", &text);
    for schema in std::fs::read_dir(registry().join("schemas")).unwrap() {
        let schema = schema.unwrap();
        let name = schema.file_name().into_string().unwrap();
        room.write(&format!("schemas/{name}"), &std::fs::read_to_string(schema.path()).unwrap());
    }
    std::fs::remove_file(room.path("schemas/total.schema.json")).unwrap();
    let done = room.ends(1, &["contract", "check", "registry.json"]);
    let lines: Vec<&str> = done.out.lines().collect();
    assert_eq!(lines.len(), 3, "{done:?}");
    let at = |pointer: &str| {
        let line = text.lines().position(|line| line.contains(pointer)).unwrap();
        line + 1
    };
    assert!(lines[0].starts_with(&format!("registry.json:{}:", at("\"total\", \"contract_version\""))), "{done:?}");
    assert!(lines[0].contains("at /contracts/4/schema_path: expected the file of schema `total`"), "{done:?}");
    let globstar = "expected `**` as a whole segment";
    assert!(
        lines[1].starts_with(&format!("registry.json:{}:24: at /bindings/2/artifact_glob: ", at("**"))),
        "{done:?}"
    );
    assert!(lines[1].ends_with(&format!("invalid_globstar: {globstar}")), "{done:?}");
    assert!(lines[2].contains("at /bindings/5/pass_id: expected `add` and one or more"), "{done:?}");
    assert_eq!(done.err, "registry.json: 3 findings\n");
    let json: Value = room.ends(1, &["contract", "check", "registry.json", "--json"]).json();
    let finding = &json["findings"][1];
    assert_eq!(
        (finding["pointer"].as_str(), finding["column"].as_u64()),
        (Some("/bindings/2/artifact_glob"), Some(24))
    );
    room.write("registry.json", "{");
    let done = room.ends(1, &["contract", "check", "registry.json"]);
    assert!(done.out.starts_with("registry.json:1:1: not JSON: line 1 column 1"), "{done:?}");
    room.ends(2, &["contract", "check", "gone.json"]);
}
