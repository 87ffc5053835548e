//! A log that the binary verifies in parts: interrupted and resumed, and by a sample.

use crate::forge::{mend_record, other_number, rewrite};
use crate::notes::claimed;
use crate::submit::append;
use crate::support::Room;
use evlog_format::{Kind, SEGMENT_HEADER_LEN};
use serde_json::json;
use std::fs;
use std::path::Path;

/// A room with a signed log of many small segments.
fn room() -> Room {
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    room.ends(0, &["key", "new", "example.com/builds"]);
    grow(&room);
    room.ends(0, &["checkpoint", "--key", "builds.key", "--out", "builds.note"]);
    room
}

fn grow(room: &Room) {
    let line =
        |n| format!(r#"{{"contract":"custom","run":"run-{n}","do":"record","kind":"custom/n","data":{{"n":{n}}}}}"#);
    let lines: Vec<String> = (0..300).map(|n| line(n % 7)).collect();
    assert_eq!(room.feed(&["submit"], &lines.join("\n")).code, 0);
}

/// Verifies slowly until something is kept in the file, and kills the process.
fn interrupt(room: &Room, file: &str) {
    let mut child = room.spawn(&["verify", "--resume", file, "--max-rate", "2K"]);
    let kept = (0..600).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        room.path(file).exists()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(kept, "nothing was kept");
}

#[test]
fn a_verification_that_was_killed_goes_on_where_it_was() {
    let room = room();
    let whole = room.ends(0, &["verify", "--json"]).json();
    assert_eq!(whole["resumed"], json!(null));
    interrupt(&room, "progress");
    let mut found = room.ends(0, &["verify", "--resume", "progress", "--json"]).json();
    let resumed = found["resumed"].take();
    assert!(resumed["position"].as_u64().unwrap() > 500, "{resumed}");
    assert_eq!(found, whole);
    assert!(!room.path("progress").exists(), "it is removed when the verdict is said");
    assert_eq!(room.ends(0, &["verify", "--resume", "progress", "--json"]).json(), whole, "the next one begins anew");
    // The text answer reports it too, and the log records it.
    interrupt(&room, "progress");
    let against = ["--checkpoint", "builds.note", "--key", "builds.pub", "--record"];
    let out = room.ends(0, &[&["verify", "--resume", "progress"], &against[..]].concat()).out;
    assert!(out.contains("an earlier verification, begun"), "{out}");
    let last = room.ends(0, &["cat", "--run", "$log", "--json"]).lines();
    let verified = last.iter().rfind(|event| event["kind"] == "log.verified").unwrap();
    assert!(verified["payload"]["program"].as_str().unwrap().starts_with("evlog verify --resume "), "{verified}");
}

#[test]
fn what_is_kept_is_of_one_log_and_no_other_file_is_written_over() {
    let room = room();
    interrupt(&room, "progress");
    let kept = fs::read(room.path("progress")).unwrap();
    room.write("notes.txt", "mine");
    room.ends(2, &["verify", "--resume", "notes.txt"]).says("`notes.txt`: not a file that").says("name another file");
    assert_eq!(fs::read_to_string(room.path("notes.txt")).unwrap(), "mine");
    fs::write(room.path("cut"), &kept[..kept.len() - 1]).unwrap();
    room.ends(2, &["verify", "--resume", "cut"]).says("the file is damaged");
    room.ends(2, &["verify", "--resume", "nowhere/progress"]).says("in a directory that is there");
    assert!(!room.path("nowhere").exists());
    // Another log, and this one with less in it than was read.
    let other = self::room();
    fs::write(other.path("progress"), &kept).unwrap();
    other.ends(2, &["verify", "--resume", "progress"]).says("it is about another log");
    let segments = room.segments();
    segments.iter().skip(1).for_each(|path| fs::remove_file(path).unwrap());
    fs::write(&segments[0], &fs::read(&segments[0]).unwrap()[..200]).unwrap();
    room.ends(1, &["verify", "--resume", "progress"])
        .says("the log is shorter than what was read of it")
        .says("`evlog verify` without --resume");
    assert_eq!(fs::read(room.path("progress")).unwrap(), kept, "it stays");
}

#[test]
fn a_sample_is_chosen_again_by_its_seed_and_says_how_much_it_tells() {
    let room = room();
    let found = room.ends(0, &["verify", "--sample", "10%", "--json"]).json();
    let (sealed, taken) = (found["sample"]["sealed"].as_u64().unwrap(), found["sample"]["taken"].as_u64().unwrap());
    assert!(sealed >= 10 && taken == sealed.div_ceil(10), "{found}");
    assert!(found["bytes"].as_u64().unwrap() < found["log_bytes"].as_u64().unwrap() / 2, "{found}");
    let expected = (sealed - taken) * 1_000_000 / sealed;
    assert_eq!(found["sample"]["missed"][0], json!({"segments": 1, "parts_per_million": expected}));
    let seed = found["sample"]["seed"].to_string();
    assert_eq!(room.ends(0, &["verify", "--sample", "10%", "--seed", &seed, "--json"]).json(), found);
    let people = room.ends(0, &["verify", "--sample", "10%", "--seed", &seed]).out;
    for said in [
        &seed,
        "such a sample would miss it with probability 0.",
        "with new checksums, roots and notes is not detected",
    ] {
        assert!(people.contains(said), "{said}: {people}");
    }
    for share in ["0%", "101%", "1", "1e1%"] {
        room.ends(2, &["verify", "--sample", share]).says("more than 0% and at most 100%");
    }
    room.ends(2, &["verify", "--sample", "1%", "--record"]).says("cannot be used with");
    room.ends(2, &["verify", "--seed", "1"]).says("--sample");
}

#[test]
fn a_sample_of_all_judges_runs_by_their_contracts_and_a_smaller_one_says_that_it_does_not() {
    let room = room();
    let all = room.ends(0, &["verify", "--sample", "100%", "--json"]).json();
    let whole = room.ends(0, &["verify", "--json"]).json();
    assert_eq!((&all["runs"], &all["contract_findings"]), (&whole["runs"], &json!([])));
    assert!(room.ends(0, &["verify", "--sample", "100%"]).out.contains("each follows its contract"));
    let some = room.ends(0, &["verify", "--sample", "10%", "--json"]).json();
    assert_eq!((&some["runs"], &some["contract_findings"]), (&json!(null), &json!(null)));
    assert!(room.ends(0, &["verify", "--sample", "10%"]).out.contains("not judged: a sample has no complete runs"));
    // Only the contract finds an event that is well-formed and has an unreadable payload.
    append(&room, "$log", Kind::BuiltIn(1), b"\x00garbage");
    let found = room.ends(1, &["verify", "--sample", "100%", "--json"]).json();
    assert_eq!((&found["verdict"], &found["good"]), (&json!("clean"), &json!(false)), "{found}");
    assert_eq!(found["contract_findings"].as_array().unwrap().len(), 1, "{found}");
}

#[test]
fn a_forged_frame_is_found_by_a_sample_of_all_that_is_led_to_the_signed_root() {
    // Rule C-53.
    let room = room();
    let sample = |code: i32, more: &[&str]| {
        let found = room.ends(code, &[&["verify", "--sample", "100%", "--seed", "5", "--json"], more].concat()).json();
        (found["verdict"].clone(), found["findings"][0]["rule"].clone())
    };
    let against = ["--checkpoint", "builds.note", "--key", "builds.pub"];
    assert_eq!(sample(0, &against), (json!("clean"), json!(null)));
    // A change in the last segment, with a correct checksum: no header shows it, but the signed root does.
    let segments = room.segments();
    let last = segments.last().unwrap();
    let sound = fs::read(last).unwrap();
    rewrite(last, 0, other_number);
    assert_eq!(sample(1, &[]), (json!("tampered"), json!("C-52")), "the log's own note shows it too");
    fs::remove_dir_all(room.path("evlog/checkpoints")).unwrap();
    assert_eq!(sample(1, &[]), (json!("tampered"), json!("C-56")), "its record of the note too");
    mend_record(&segments, &claimed(&room, "builds.note"));
    assert_eq!(sample(0, &[]), (json!("clean"), json!(null)));
    assert_eq!(sample(1, &against), (json!("tampered"), json!("C-52")));
    fs::write(last, &sound).unwrap();
    // A change in a sealed segment: the next header shows it, unless that was changed too. The signed root always shows it.
    rewrite(&segments[3], 1, other_number);
    assert_eq!(sample(1, &[]), (json!("tampered"), json!("F-14")));
    assert_eq!(sample(1, &against).0, json!("tampered"));
    room.ends(1, &["verify", "--sample", "100%"]).says("root of the bytes before this segment");
}

#[test]
fn what_only_the_logs_own_note_shows_beside_a_sample_is_judged_by_the_whole_log() {
    let room = room();
    let signed = claimed(&room, "builds.note").size.0;
    grow(&room);
    // The bytes that the kept note ends in were in the last segment then.
    let begin = |segment: &Path| segment.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    let segments = room.segments();
    let held = segments.iter().rfind(|segment| begin(segment) + 300 < signed).unwrap();
    let mut bytes = fs::read(held).unwrap();
    bytes[SEGMENT_HEADER_LEN + 40] ^= 1;
    fs::write(held, &bytes).unwrap();
    let whole = room.ends(1, &["verify", "--json"]).json();
    assert_eq!(whole["verdict"], "damaged", "{whole}");
    for seed in ["1", "2", "3", "4", "5"] {
        let found = room.ends(1, &["verify", "--sample", "1%", "--seed", seed, "--json"]).json();
        assert_eq!((&found["verdict"], &found["findings"]), (&whole["verdict"], &whole["findings"]), "seed {seed}");
        assert_eq!(found["sample"]["taken"], json!(1), "{found}");
    }
}

#[test]
fn a_sample_of_a_log_whose_end_is_blank_says_that_it_is_shorter_than_the_checkpoint() {
    // Rule C-51. Zeros are no bytes of the log, whichever segments are taken.
    let room = room();
    let (last, signed) = (room.segments().pop().unwrap(), claimed(&room, "builds.note").size.0);
    let mut bytes = fs::read(&last).unwrap();
    let begin: u64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert!(begin + (SEGMENT_HEADER_LEN as u64) < signed);
    bytes[SEGMENT_HEADER_LEN..].fill(0);
    fs::write(&last, bytes).unwrap();
    for name in ["HEAD", "checkpoints"] {
        let path = room.path(&format!("evlog/{name}"));
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    fs::remove_file(last.with_extension("end")).ok();
    let against = ["--checkpoint", "builds.note", "--key", "builds.pub", "--json"];
    for way in [&["verify"][..], &["verify", "--sample", "100%"], &["verify", "--sample", "1%", "--seed", "5"]] {
        let found = room.ends(1, &[way, &against].concat()).json();
        assert_eq!(
            (&found["verdict"], &found["findings"][0]["rule"]),
            (&json!("truncated"), &json!("C-51")),
            "{way:?}"
        );
    }
}

#[test]
fn damage_that_a_note_covers_is_damage_and_a_change_before_it_is_tampering() {
    // Rule C-52: a root differs for damage, too.
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "1024"]);
    room.ends(0, &["key", "new", "example.com/builds"]);
    grow(&room);
    room.ends(0, &["checkpoint", "--key", "builds.key"]);
    let middle = room.segments().len();
    grow(&room);
    room.ends(0, &["checkpoint", "--key", "builds.key", "--out", "builds.note"]);
    let segments = room.segments();
    let damaged = &segments[middle + 2];
    let mut bytes = fs::read(damaged).unwrap();
    bytes[500] ^= 1;
    fs::write(damaged, bytes).unwrap();
    let against = ["--checkpoint", "builds.note", "--key", "builds.pub"];
    let rules = |found: &serde_json::Value| -> Vec<String> {
        found["findings"].as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap().to_owned()).collect()
    };
    for more in [&[][..], &against] {
        let found = room.ends(1, &[&["verify", "--json"], more].concat()).json();
        assert_eq!(found["verdict"], "damaged", "{found}");
        assert!(rules(&found).contains(&"C-52".to_owned()), "{found}");
    }
    // Rewritten before the first checkpoint, with the right checksum: no damage explains that.
    rewrite(&segments[3], 1, other_number);
    for more in [&[][..], &against] {
        let found = room.ends(1, &[&["verify", "--json"], more].concat()).json();
        assert_eq!(found["verdict"], "tampered", "{found}");
    }
}
