//! Which of the checkpoints that a log keeps count as evidence, and what the log's own record of them shows.

use crate::forge::{other_number, rewrite};
use crate::notes::{claimed, signed_room};
use crate::support::Room;
use evlog_format::{Position, Root, SegmentHeader, Seq};
use evlog_proof::{Checkpoint, Note, SignerKey};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

const STRANGE_SIGNATURE: &str = "\u{2014} somebody.else/x AAAAAAAA\n";

/// Each way to verify a log, all of which must agree.
const WAYS: [&[&str]; 5] = [
    &["verify"],
    &["verify", "--max-rate", "1G"],
    &["verify", "--resume", "progress"],
    &["verify", "--sample", "1%"],
    &["verify", "--sample", "100%"],
];

/// The notes that the log keeps, the largest first.
fn kept(room: &Room) -> Vec<PathBuf> {
    let entries = fs::read_dir(room.path("evlog/checkpoints")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "note"));
    paths.sort();
    paths.reverse();
    paths
}

/// Makes each kept note say what the log's bytes are now. `signed` gives the new note for the text.
fn restate(room: &Room, signed: impl Fn(&Checkpoint, &str) -> String) {
    let bytes = fs::read(&room.segments()[0]).unwrap();
    for path in kept(room) {
        let text = fs::read_to_string(&path).unwrap();
        let (_, signatures) = text.split_once("\n\n").unwrap();
        let note = Note::parse(text.as_bytes()).unwrap();
        let mut checkpoint = Checkpoint::parse(note.text()).unwrap();
        let size = usize::try_from(checkpoint.size.0).unwrap();
        checkpoint.root = Root(*blake3::hash(&bytes[..size]).as_bytes());
        fs::write(&path, signed(&checkpoint, signatures)).unwrap();
    }
}

/// A log with forged history and notes. The notes have the given signature, or, without one, the signatures of the old
/// notes.
fn forged_room(signature: Option<&str>) -> Room {
    let room = signed_room();
    rewrite(&room.segments()[0], 0, other_number);
    restate(&room, |checkpoint, old| format!("{}\n{}", checkpoint.to_text(), signature.unwrap_or(old)));
    room
}

#[test]
fn a_kept_note_counts_only_if_a_key_that_the_log_records_signed_it() {
    // Rule C-55.
    for signature in [None, Some(STRANGE_SIGNATURE)] {
        let room = forged_room(signature);
        for way in WAYS {
            let done = room.ends(1, way);
            done.says("one of the log's own notes is not signed by a key that the log records").says("(C-55)");
            assert!(done.out.contains("compared with 0 of 2 kept checkpoints"), "{way:?}: {done:?}");
            let found = room.ends(1, &[way, &["--json"]].concat()).json();
            assert_eq!(found["evidence"]["compared"], json!(0), "{way:?}: {found}");
            assert_ne!(found["verdict"], json!("clean"), "{way:?}: {found}");
        }
        room.ends(1, &["backup", "copy"]).says("(C-55)");
        assert!(!room.path("copy").exists());
        let repaired = room.ends(1, &["repair", "--dry-run", "--json"]).json();
        assert_ne!(repaired["verdict"], json!("clean"), "{repaired}");
    }
}

#[test]
fn only_the_signature_of_a_note_is_wrong_and_that_is_a_finding() {
    // Rule C-55. The log itself is as it was.
    let room = signed_room();
    let text = fs::read_to_string(&kept(&room)[0]).unwrap();
    let (statement, _) = text.split_once("\n\n").unwrap();
    fs::write(&kept(&room)[0], format!("{statement}\n\n{STRANGE_SIGNATURE}")).unwrap();
    let found = room.ends(1, &["verify", "--json"]).json();
    assert_eq!((&found["verdict"], &found["findings"][0]["rule"]), (&json!("damaged"), &json!("C-55")));
    assert_eq!((&found["evidence"]["kept"], &found["evidence"]["compared"]), (&json!(2), &json!(1)));
    // The key that is given from outside has not signed it either.
    room.ends(1, &["verify", "--checkpoint", "old.note", "--key", "builds.pub"]).says("(C-55)");
}

#[test]
fn a_log_that_records_no_key_has_no_kept_checkpoints() {
    // Rule C-55: the key is recorded before its first checkpoint is signed (C-25).
    let (room, plain) = (signed_room(), Room::with_batch());
    fs::create_dir_all(plain.path("evlog/checkpoints")).unwrap();
    let key = SignerKey::parse(fs::read_to_string(room.path("builds.key")).unwrap().trim_end()).unwrap();
    let bytes = fs::read(&plain.segments()[0]).unwrap();
    let whole = plain.ends(0, &["verify", "--json"]).json();
    assert_eq!(whole["end"], json!(bytes.len()));
    let checkpoint = Checkpoint {
        size: Position(bytes.len() as u64),
        root: Root(*blake3::hash(&bytes).as_bytes()),
        log_id: SegmentHeader::decode(&bytes).unwrap().log_id,
        next_seq: Seq(whole["next_seq"].as_u64().unwrap()),
        ..claimed(&room, "old.note")
    };
    let signed = checkpoint.clone().sign(&key).to_string();
    fs::write(plain.path(&format!("evlog/checkpoints/{:020}.note", checkpoint.size.0)), &signed).unwrap();
    plain.ends(1, &["verify"]).says("the log records no key").says("(C-55)");
    // The key that a person gives vouches for the note.
    plain.write("it.note", &signed);
    plain.write("it.pub", &format!("{}\n", key.verifier()));
    let done = plain.ends(0, &["verify", "--checkpoint", "it.note", "--key", "it.pub"]);
    assert!(done.out.contains("compared with 1 kept checkpoint; one from elsewhere"), "{done:?}");
}

#[test]
fn a_checkpoint_that_the_log_records_and_does_not_keep_is_counted() {
    for spoil in [
        |path: &PathBuf| fs::remove_file(path),
        |path: &PathBuf| {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            fs::rename(path, path.with_file_name(format!("{stem}-0.void")))
        },
    ] {
        let room = signed_room();
        spoil(&kept(&room)[0]).unwrap();
        for way in WAYS {
            let done = room.ends(0, way);
            let said = "compared with 1 kept checkpoint; 1 that the log records is not kept; none from elsewhere";
            assert!(done.out.contains(said), "{way:?}: {done:?}");
            let evidence = room.ends(0, &[way, &["--json"]].concat()).json()["evidence"].clone();
            let expected = json!({"kept": 1, "compared": 1, "recorded": 2, "not_kept": 1, "outside": false});
            assert_eq!(evidence, expected, "{way:?}");
        }
    }
}

#[test]
fn bytes_that_are_not_those_whose_signing_the_log_records_are_tampered() {
    // Rule C-56.
    let room = signed_room();
    rewrite(&room.segments()[0], 0, other_number);
    fs::remove_dir_all(room.path("evlog/checkpoints")).unwrap();
    for way in WAYS {
        let done = room.ends(1, way);
        done.says("the log records that it signed other bytes").says("(C-56)");
        assert!(done.out.contains("  tampered\n"), "{way:?}: {done:?}");
    }
    room.ends(1, &["backup", "copy"]).says("(C-56)");
    room.ends(1, &["repair", "--dry-run"]).says("(C-56)");
    // A note that shows the same is named once, and the record is not asked again.
    let noted = signed_room();
    rewrite(&noted.segments()[0], 0, other_number);
    let found = noted.ends(1, &["verify", "--json"]).json();
    assert_eq!((&found["findings_count"], &found["findings"][0]["rule"]), (&json!(1), &json!("C-52")));
}

#[test]
fn a_note_over_what_was_given_up_is_not_counted_as_compared() {
    let room = signed_room();
    crate::notes::cut(&room);
    room.ends(0, &["repair", "--accept-loss", "--yes", "--actor", "ops@example.org"]);
    let found = room.ends(0, &["verify", "--json"]).json();
    assert_eq!((&found["evidence"]["kept"], &found["evidence"]["compared"]), (&json!(2), &json!(1)));
    let done = room.ends(0, &["verify"]);
    assert!(done.out.contains("compared with 1 of 2 kept checkpoints"), "{done:?}");
}

#[test]
fn a_sample_says_which_evidence_it_had_and_gives_advice_that_can_be_followed() {
    let room = signed_room();
    let clean = room.ends(0, &["verify", "--sample", "100%"]);
    assert!(clean.out.contains("compared with 2 kept checkpoints; none from elsewhere"), "{clean:?}");
    rewrite(&room.segments()[0], 0, other_number);
    let done = room.ends(1, &["verify", "--sample", "100%"]);
    assert!(done.out.contains("  tampered\n") && done.out.contains("own note"), "{done:?}");
    assert!(!done.out.contains("is not found") && !done.out.contains("without --sample"), "{done:?}");
}

#[test]
fn a_link_in_the_place_of_checkpoints_is_not_followed_and_is_not_absent() {
    // Rule C-55.
    for target in ["nowhere", "elsewhere"] {
        let room = signed_room();
        fs::rename(room.path("evlog/checkpoints"), room.path("elsewhere")).unwrap();
        symlink(room.path(target), room.path("evlog/checkpoints")).unwrap();
        for command in [&["verify"][..], &["verify", "--sample", "100%"], &["verify", "--max-rate", "1G"], &["repair"]]
        {
            let done = room.ends(2, command);
            assert!(done.err.contains("expected a directory, found a symbolic link"), "{command:?}: {done:?}");
        }
        let line = "{\"contract\":\"custom\",\"run\":\"x\",\"do\":\"record\",\"kind\":\"custom/n\"}\n";
        assert_eq!(room.feed(&["submit"], line).code, 2);
        // A reader shows what there is, and what it could not ask.
        room.ends(0, &["cat"]).says("symbolic link");
    }
}
