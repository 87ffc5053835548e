//! A log in a bucket, by `--log URL`. The store is a directory that is used as one (`file://`).

use crate::support::{Done, Room, files_below};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

fn url(room: &Room) -> String {
    std::fs::create_dir_all(room.path("bucket")).unwrap();
    format!("file://{}", room.path("bucket/log").display())
}

/// The lines of one process: runs of its own, under keys, and one run that all processes want to create.
fn lines(process: usize) -> String {
    let own = (0..40).map(|number| json!({"do": "create", "contract": "status", "run": format!("P{process}_{number}"), "id": format!("{process}.{number}")}));
    let common = json!({"do": "create", "contract": "status", "run": "COMMON"});
    own.chain([common]).map(|line| line.to_string() + "\n").collect()
}

fn events(room: &Room, url: &str) -> Vec<Value> {
    room.ends(0, &["cat", "--json", "--log", url]).lines()
}

#[test]
fn processes_that_race_in_a_bucket_record_each_accepted_line_once_at_the_seq_that_was_answered() {
    let room = Room::new();
    let url = url(&room);
    let children: Vec<_> = (0..3)
        .map(|process| {
            room.write(&format!("{process}.jsonl"), &lines(process));
            let file = format!("{process}.jsonl");
            let mut command = room.command(&["submit", "--log", &url, &file]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut answers: Vec<Value> = Vec::new();
    for child in children {
        let done: Done = child.wait_with_output().unwrap().into();
        assert_eq!(done.lines().len(), 41, "{done:?}");
        answers.extend(done.lines());
    }
    let of = |result: &str| answers.iter().filter(|answer| answer["result"] == result).count();
    assert_eq!((of("accepted"), of("refused")), (3 * 40 + 1, 2), "one process makes the run that all of them want");

    let events = events(&room, &url);
    let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.iter().copied().eq(0..seqs.len() as u64));
    let by_seq: BTreeMap<u64, &Value> = seqs.iter().copied().zip(&events).collect();
    for answer in &answers {
        for event in answer["events"].as_array().unwrap() {
            let found = by_seq[&event["seq"].as_u64().unwrap()];
            assert_eq!((&found["stream"], &found["kind"]), (&answer["run"], &event["kind"]), "{answer}");
        }
    }
    let created = events.iter().filter(|event| event["kind"] == "status.created");
    let runs: Vec<&str> = created.map(|event| event["stream"].as_str().unwrap()).collect();
    assert_eq!(runs.iter().collect::<BTreeSet<_>>().len(), runs.len(), "no command is recorded twice");
    assert_eq!(runs.len(), 3 * 40 + 1);

    let found = room.ends(0, &["verify", "--json", "--log", &url]).json();
    assert_eq!((&found["verdict"], &found["events"]), (&json!("clean"), &json!(events.len())));
    // All of it was recorded: each line under a key is a duplicate.
    let again = room.run(&["submit", "--log", &url, "1.jsonl"]);
    assert!(again.err.contains("40 duplicate, 1 refused"), "{again:?}");
}

#[test]
fn a_log_in_a_bucket_has_the_root_that_its_exported_bytes_have_in_a_directory() {
    let room = Room::new();
    let url = url(&room);
    room.write("0.jsonl", &lines(0));
    room.ends(0, &["submit", "--log", &url, "0.jsonl"]);
    let found = room.ends(0, &["verify", "--json", "--log", &url]).json();
    // The bytes of a group end before its hash. They begin after the header and the offsets of segments.
    let mut bytes = Vec::new();
    for path in files_below(&room.path("bucket/log/groups")) {
        let group = std::fs::read(path).unwrap();
        let number = |at: usize| usize::try_from(u64::from_le_bytes(group[at..at + 8].try_into().unwrap())).unwrap();
        let starts = u32::from_le_bytes(group[12..16].try_into().unwrap()) as usize;
        let begin = 112 + 4 * starts;
        assert_eq!(bytes.len(), number(48));
        bytes.extend_from_slice(&group[begin..begin + number(104)]);
    }
    assert_eq!(found["root"], blake3::hash(&bytes).to_hex().as_str());
    std::fs::create_dir_all(room.path("disk/segments")).unwrap();
    std::fs::write(room.path("disk/segments/00000000000000000000.seg"), &bytes).unwrap();
    let disk = room.ends(0, &["verify", "--json", "--log", "disk"]).json();
    assert_eq!((&disk["root"], &disk["verdict"]), (&found["root"], &json!("clean")));
    let bundles = |log: &str| room.ends(0, &["replay", "--json", "--log", log]).json()["digest"].clone();
    assert_eq!(bundles(&url), bundles("disk"));
}

#[test]
fn commands_that_work_on_files_of_a_directory_refuse_a_url_and_change_nothing() {
    let room = Room::new();
    let url = url(&room);
    for words in [&["inspect"][..], &["repair"], &["backup", "copy"], &["restore", "copy"], &["import", "jsonl", "a"]] {
        let typed = [words, &["--log", &url]].concat();
        room.ends(2, &typed).says("because `").says("works on its files, found a URL");
    }
    room.ends(2, &["runs", "--log", &url]).says("no log at");
    room.ends(2, &["runs", "--log", "ftp://somewhere"]).says("`ftp` is no kind of store");
    assert!(files_below(&room.path("bucket")).is_empty());
}

#[test]
fn a_profile_gives_what_the_environment_does_not_have() {
    let room = Room::new();
    room.write("config", "[default]\nregion = eu-west-1\n[profile audit]\nendpoint_url = http://192.0.2.1:9\n[profile sso]\nsso_session = x\n");
    room.write("credentials", "[audit]\naws_access_key_id = A\naws_secret_access_key = hidden\n");
    let with = |profile: &str, endpoint: &str| -> Done {
        let mut command = room.command(&["verify", "--log", "s3://bucket/log"]);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3", "AWS_ALLOW_HTTP"] {
            command.env_remove(name);
        }
        command.envs([
            ("AWS_CONFIG_FILE", "config"),
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            ("AWS_PROFILE", profile),
        ]);
        if !endpoint.is_empty() {
            command.env("AWS_ENDPOINT_URL", endpoint);
        }
        command.output().unwrap().into()
    };
    // Plain HTTP to another host is refused before anything is sent. The message shows whose endpoint counts.
    let cases = [
        ("audit", "", "the endpoint `192.0.2.1:9` would be reached by plain HTTP"),
        ("audit", "http://192.0.2.2:9", "the endpoint `192.0.2.2:9` would be reached by plain HTTP"),
        ("nobody", "", "there is no profile `nobody` in `config` or `credentials`"),
        ("sso", "", "gets its credentials by `sso_session`"),
    ];
    for (profile, endpoint, said) in cases {
        let done = with(profile, endpoint);
        assert!(done.code == 2 && done.err.contains(said) && !done.err.contains("hidden"), "{profile}: {done:?}");
    }
}

#[test]
fn a_store_is_tried_before_a_log_is_made_in_it_and_the_log_records_that() {
    let room = Room::new();
    let url = url(&room);
    room.ends(0, &["init", "--log", &url]);
    let first = events(&room, &url);
    let kinds: Vec<&str> = first.iter().take(2).map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["log.created", "log.store_tried"]);
    assert_eq!(first[1]["payload"]["store"], json!(url));
    // What was made for the trial is gone.
    assert!(files_below(&room.path("bucket")).iter().all(|path| !path.to_string_lossy().contains("conform-")));

    let untested = format!("file://{}", room.path("bucket/untested").display());
    room.write("line", &lines(0));
    room.ends(0, &["submit", "--log", &untested, "--untested-store", "line"]);
    room.ends(0, &["submit", "--log", &url, "line"]);
    for (url, count) in [(&untested, 0), (&url, 1)] {
        let tried = events(&room, url).iter().filter(|event| event["kind"] == "log.store_tried").count();
        assert_eq!(tried, count, "{url}");
    }
    room.ends(0, &["verify", "--log", &url]);
}
