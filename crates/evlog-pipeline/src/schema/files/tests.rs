//! Schemas of several files: what is found through them, and every way in which one is refused.

use super::*;
use serde_json::json;

struct Room(tempfile::TempDir);

impl Room {
    fn with(files: &[(&str, &Value)]) -> Room {
        let room = Room(tempfile::tempdir().unwrap());
        for (path, schema) in files {
            room.file(path, &schema.to_string());
        }
        room
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn load(&self) -> Result<Loaded, String> {
        Schema::load(&self.0.path().join("in/root.json"))
    }

    fn refuses(&self, expected: &[&str]) {
        let error = self.load().map(|_| ()).unwrap_err();
        assert!(expected.iter().all(|part| error.contains(part)), "expected {expected:?}, found: {error}");
    }

    /// The schema paths of what is wrong with an instance.
    fn found(&self, instance: &Value) -> Vec<String> {
        let schema = self.load().unwrap_or_else(|error| panic!("{error}")).schema;
        let mut found = Vec::new();
        schema.each_error(instance, &mut |finding| found.push(finding.schema_path));
        assert_eq!(found.is_empty(), schema.validators.within(1000, Numbers::Exact).unwrap().is_valid(instance));
        found
    }
}

#[test]
fn g19_references_lead_to_files_by_path_and_not_by_the_id_in_them() {
    let paths = ["x.json", "./x.json", "../in/x.json", "../other/x.json", "a%20b.json", "sub/x.json"];
    for id in [None, Some("pa:root:v1"), Some("https://example.com/schemas/root.json"), Some("elsewhere/root.json")] {
        for own in [None, Some("pa:x:v1"), Some("https://example.com/other/y.json")] {
            for path in paths {
                let mut first = json!({"properties": {"r": {"$ref": path}}});
                let mut target = json!({"maxLength": 2});
                if let Some(id) = id {
                    first["$id"] = id.into();
                }
                if let Some(id) = own {
                    target["$id"] = id.into();
                }
                let place = path.replace("%20", " ");
                let room = Room::with(&[("in/root.json", &first), (&format!("in/{place}"), &target)]);
                assert_eq!(room.found(&json!({"r": "abc"})), ["/properties/r/$ref/maxLength"], "{id:?} {own:?} {path}");
                assert_eq!(room.found(&json!({"r": "ab"})), [""; 0]);
            }
        }
    }
}

#[test]
fn g19_references_lead_to_pointers_and_anchors_and_from_file_to_file() {
    let first = json!({"$id": "pa:root:v1", "properties": {
        "p": {"$ref": "../common/a.json#/$defs/short"},
        "e": {"$ref": "../common/a.json#/%24defs/odd~1name"},
        "a": {"$ref": "../common/a.json#named"},
        "u": {"$ref": "../common/a.json#/components/unknown"},
        "t": {"$ref": "../common/a.json"},
        "s": {"$ref": "sub/b.json#"},
    }});
    let a = json!({"$id": "pa:a:v1", "properties": {"b": {"$ref": "../in/sub/b.json#/$defs/n"}},
        "$defs": {"short": {"maxLength": 2}, "odd/name": {"$ref": "#/$defs/short"}, "n": {"$anchor": "named", "minimum": 5}},
        "components": {"unknown": {"items": {"$ref": "../in/sub/b.json#/$defs/n"}}}});
    let b = json!({"$defs": {"n": {"type": "integer"}}, "required": ["x"], "properties": {"x": {"$ref": "../c.json"}}});
    let c = json!({"const": 1});
    let room = Room::with(&[("in/root.json", &first), ("common/a.json", &a), ("in/sub/b.json", &b), ("in/c.json", &c)]);
    let cases = [
        (json!({"p": "abc"}), "/properties/p/$ref/maxLength"),
        (json!({"e": "abc"}), "/properties/e/$ref/$ref/maxLength"),
        (json!({"a": 1}), "/properties/a/$ref/minimum"),
        (json!({"u": ["x"]}), "/properties/u/$ref/items/$ref/type"),
        (json!({"t": {"b": "x"}}), "/properties/t/$ref/properties/b/$ref/type"),
        (json!({"s": {}}), "/properties/s/$ref/required"),
        (json!({"s": {"x": 2}}), "/properties/s/$ref/properties/x/$ref/const"),
    ];
    for (instance, path) in cases {
        assert_eq!(room.found(&instance), [path], "{instance}");
    }
    let valid = json!({"p": "ab", "e": "ab", "a": 5, "u": [1], "t": {"b": 1}, "s": {"x": 1}});
    assert_eq!(room.found(&valid), [""; 0]);
}

#[test]
fn g19_a_reference_that_a_file_resolves_itself_leads_to_no_other_file() {
    // Another file lies beside it, which would be taken otherwise.
    let other = json!(false);
    let schemas = [
        json!({"$ref": "inner.json", "$defs": {"i": {"$id": "inner.json", "maxLength": 2}}}),
        json!({"$id": "https://example.com/x/root.json", "$ref": "inner.json",
            "$defs": {"i": {"$id": "inner.json", "maxLength": 2}}}),
        json!({"$id": "https://example.com/x/root.json", "$ref": "https://example.com/x/inner.json",
            "$defs": {"i": {"$id": "/x/inner.json", "maxLength": 2}}}),
        json!({"$id": "https://example.com/x/root.json", "$ref": "https://example.com/x/root.json#/$defs/i",
            "$defs": {"i": {"maxLength": 2}}}),
        json!({"$id": "pa:root:v1", "$ref": "pa:root:v1#i", "$defs": {"i": {"$anchor": "i", "maxLength": 2}}}),
    ];
    for alone in schemas {
        let room = Room::with(&[("in/root.json", &alone), ("in/inner.json", &other)]);
        assert_eq!(room.found(&json!("abc")), ["/$ref/maxLength"], "{alone}");
        let digest = room.load().unwrap().blake3;
        assert_eq!(digest, *blake3::hash(alone.to_string().as_bytes()).as_bytes(), "a file alone is its bytes");
        // The same beside a reference that does lead out of the file.
        let mut with_more = alone.clone();
        with_more["properties"] = json!({"x": {"$ref": "sub/x.json"}});
        let room =
            Room::with(&[("in/root.json", &with_more), ("in/inner.json", &other), ("in/sub/x.json", &json!({}))]);
        assert_eq!(room.found(&json!("abc")), ["/$ref/maxLength"], "{with_more}");
    }
    // References within embedded resources are resolved by place as well.
    let first = json!({"$ref": "#/$defs/i", "$defs": {"i": {"$id": "https://example.com/e/i.json", "$ref": "x.json"}}});
    let room = Room::with(&[("in/root.json", &first), ("in/x.json", &json!({"maxLength": 2}))]);
    assert_eq!(room.found(&json!("abc")), ["/$ref/$ref/maxLength"]);
    // The meta-schema is known.
    let room = Room::with(&[("in/root.json", &json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}))]);
    assert!(!room.found(&json!({"type": "objekt"})).is_empty());
    // A value that only looks like a reference is not a reference.
    let first = json!({"properties": {"$ref": {"const": {"$ref": "none.json"}}}, "default": {"$ref": "none.json"},
        "examples": [{"$ref": "none.json"}], "x-note": {"$ref": "none.json"}});
    assert_eq!(Room::with(&[("in/root.json", &first)]).found(&json!({"$ref": 1})), ["/properties/$ref/const"]);
}

#[test]
fn g19_files_may_refer_to_each_other_in_circles() {
    for id in [None, Some("pa:root:v1")] {
        let mut first = json!({"properties": {"next": {"$ref": "sub/other.json"}, "n": {"type": "integer"}}});
        if let Some(id) = id {
            first["$id"] = id.into();
        }
        let other = json!({"properties": {"next": {"$ref": "../root.json"}, "self": {"$ref": "other.json"}, "n": {"maxLength": 2}}});
        let room = Room::with(&[("in/root.json", &first), ("in/sub/other.json", &other)]);
        let deep = json!({"next": {"self": {"next": {"n": "abc", "next": {"n": "abc"}}}}});
        let found = room.found(&deep);
        assert_eq!(found.len(), 2, "{id:?} {found:?}");
        assert!(found.iter().any(|path| path.ends_with("n/type")), "{found:?}");
        assert!(found.iter().any(|path| path.ends_with("n/maxLength")), "{found:?}");
    }
}

#[test]
fn g19_references_that_lead_to_no_file_are_refused_with_who_refers_and_what_to_do() {
    let advice = "keep a copy of that schema in a file";
    let cases: [(&str, &[&str]); 13] = [
        ("https://example.com/x.json", &["found one with a scheme", advice]),
        ("file:///etc/x.json", &["found one with a scheme", advice]),
        ("pa:x:v1#/a", &["found one with a scheme", advice]),
        ("//example.com/x.json", &["found one with a host", advice]),
        ("/etc/x.json", &["found an absolute path", advice]),
        ("x.json?y", &["found one with a query", advice]),
        ("none.json", &["`none.json`: could not be read: there is no such file"]),
        ("../none.json#/a", &["`../none.json`: could not be read: there is no such file"]),
        ("sub", &["`sub`: could not be read: it is a directory"]),
        ("sub/text.json", &["`sub/text.json`: not JSON: line 1 column "]),
        ("sub/old.json", &["`sub/old.json`: not a JSON Schema 2020-12: expected `$schema`", "draft-07"]),
        ("sub/wrong.json", &["`sub/wrong.json`: not a JSON Schema 2020-12: at /type: "]),
        ("sub/good.json#/$defs/none", &["`sub/good.json` has nothing at `#/$defs/none`"]),
    ];
    let old = json!({"$schema": "http://json-schema.org/draft-07/schema#"});
    for (reference, expected) in cases {
        let first = json!({"properties": {"a/b": {"$ref": reference}}});
        let room = Room::with(&[
            ("in/root.json", &first),
            ("in/sub/old.json", &old),
            ("in/sub/wrong.json", &json!({"type": "objekt"})),
            ("in/sub/good.json", &json!({"$defs": {}})),
        ]);
        room.file("in/sub/text.json", "# words");
        room.refuses(expected);
        room.refuses(&[&format!("`root.json` refers to `{reference}` at /properties/a~1b/$ref: ")]);
    }
}

#[test]
fn g19_a_mistake_deep_in_a_schema_is_that_of_its_file() {
    let first = json!({"$ref": "sub/a.json"});
    let cases = [
        (
            json!({"$ref": "b.json"}),
            json!({"$ref": "https://example.com"}),
            "`sub/b.json` refers to `https://example.com` at /$ref",
        ),
        (
            json!({"$ref": "b.json#x"}),
            json!({}),
            "`sub/a.json` refers to `b.json#x` at /$ref: `sub/b.json` has nothing at `#x`",
        ),
        (json!({"$ref": "b.json"}), json!({"pattern": "("}), "`sub/b.json`: not a JSON Schema 2020-12: "),
        (json!({"$ref": "b.json"}), json!({"$ref": "#/nowhere"}), "`sub/b.json`: not a JSON Schema 2020-12: "),
        (
            json!({"$id": "pa:x:v1", "$ref": "b.json"}),
            json!({"$defs": {"x": {"$id": "pa:x:v1"}}}),
            "`sub/b.json`: `$id` `pa:x:v1` is that of `sub/a.json` too",
        ),
    ];
    for (a, b, expected) in cases {
        Room::with(&[("in/root.json", &first), ("in/sub/a.json", &a), ("in/sub/b.json", &b)]).refuses(&[expected]);
    }
}

#[test]
fn g19_number_and_length_of_the_files_are_bounded() {
    let chain = |files: usize| {
        let room = Room::with(&[("in/root.json", &json!({"$ref": "1.json"}))]);
        for index in 1..files {
            let schema = if index + 1 < files { json!({"$ref": format!("{}.json", index + 1)}) } else { json!({}) };
            room.file(&format!("in/{index}.json"), &schema.to_string());
        }
        room
    };
    assert!(chain(SCHEMA_FILES_MAX).load().is_ok());
    chain(SCHEMA_FILES_MAX + 1).refuses(&["expected a schema of at most 256 files, found more"]);
    let long = |len: u64| format!("{{}}{}", " ".repeat(usize::try_from(len).unwrap() - 2));
    let room = Room::with(&[("in/root.json", &json!({"$ref": "long.json"}))]);
    room.file("in/long.json", &long(SCHEMA_LEN_MAX + 1));
    room.refuses(&["`long.json`: expected a file of at most 8388608 bytes, found more"]);
    let references: Vec<Value> = (0..5).map(|index| json!({"$ref": format!("{index}.json")})).collect();
    let room = Room::with(&[("in/root.json", &json!({"allOf": references}))]);
    for index in 0..5 {
        room.file(&format!("in/{index}.json"), &long(if index < 4 { SCHEMA_LEN_MAX } else { 2 }));
    }
    room.refuses(&["`3.json`: expected a schema whose files have at most 33554432 bytes together, found more"]);
}

#[test]
fn g19_the_digest_is_of_all_files_and_of_nothing_else() {
    let first = json!({"properties": {"a": {"$ref": "a.json"}, "b": {"$ref": "sub/b.json"}}});
    let b = json!({"$ref": "../a.json"});
    let room = Room::with(&[("in/root.json", &first), ("in/a.json", &json!({})), ("in/sub/b.json", &b)]);
    let digest = |room: &Room| room.load().unwrap().blake3;
    let before = digest(&room);
    room.file("in/not-named.json", "{}");
    assert_eq!(digest(&room), before);
    let elsewhere = Room::with(&[("in/root.json", &first), ("in/a.json", &json!({})), ("in/sub/b.json", &b)]);
    assert_eq!(digest(&elsewhere), before, "the place on the disk does not count");
    room.file("in/a.json", "{ }");
    assert_ne!(digest(&room), before);
    room.file("in/a.json", "{}");
    room.file("in/sub/b.json", "{}");
    assert_ne!(digest(&room), before);
}

#[cfg(unix)]
#[test]
fn a_link_is_the_file_that_it_leads_to() {
    let room = Room::with(&[("real/x.json", &json!({"$ref": "y.json"})), ("real/y.json", &json!({"maxLength": 2}))]);
    fs::create_dir(room.0.path().join("in")).unwrap();
    std::os::unix::fs::symlink("../real/x.json", room.0.path().join("in/root.json")).unwrap();
    assert_eq!(room.found(&json!("abc")), ["/$ref/maxLength"]);
}
