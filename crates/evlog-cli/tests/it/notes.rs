//! What is compared with the notes of a log, and what evidence says that it does not show.

use crate::support::{BATCH, Room};
use evlog_format::{Position, Root, SEGMENT_HEADER_LEN, Seq};
use evlog_proof::{Checkpoint, Note, SignerKey};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// A log with a key and two checkpoints, the second one over more.
pub(crate) fn signed_room() -> Room {
    let room = Room::new();
    room.ends(0, &["key", "new", "example.com/builds"]);
    room.feed(&["submit"], BATCH);
    room.ends(0, &["checkpoint", "--key", "builds.key", "--out", "old.note"]);
    room.feed(&["submit"], "{\"contract\":\"custom\",\"run\":\"more\",\"do\":\"record\",\"kind\":\"custom/n\"}\n");
    room.ends(0, &["checkpoint", "--key", "builds.key", "--out", "new.note"]);
    room
}

pub(crate) fn claimed(room: &Room, note: &str) -> Checkpoint {
    let note = Note::parse(&fs::read(room.path(note)).unwrap()).unwrap();
    Checkpoint::parse(note.text()).unwrap()
}

/// Cuts the log after the bytes that the old checkpoint covers, and removes what shows that there were more, except the notes.
pub(crate) fn cut(room: &Room) -> PathBuf {
    shorten(room, |path, size| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(size).unwrap())
}

/// Like [`cut`], but the file keeps its length, with zeros in the place of the cut bytes.
pub(crate) fn blank(room: &Room) -> PathBuf {
    shorten(room, |path, size| {
        let mut bytes = fs::read(path).unwrap();
        bytes[usize::try_from(size).unwrap()..].fill(0);
        fs::write(path, bytes).unwrap();
    })
}

fn shorten(room: &Room, shorten: impl Fn(&Path, u64)) -> PathBuf {
    let segment = room.segments().remove(0);
    shorten(&segment, claimed(room, "old.note").size.0);
    fs::remove_file(room.path("evlog/HEAD")).unwrap();
    for entry in fs::read_dir(room.path("evlog/segments")).unwrap() {
        let path = entry.unwrap().path();
        if path != segment {
            fs::remove_file(path).unwrap();
        }
    }
    segment
}

#[test]
fn a_log_that_is_shorter_than_a_note_of_its_own_is_truncated() {
    // Rules C-51, F-26.
    let ways = [&["verify"][..], &["verify", "--max-rate", "1G"], &["verify", "--sample", "100%"]];
    let both = |way| [(way, cut as fn(&Room) -> PathBuf), (way, blank)];
    for (way, shorten) in ways.into_iter().flat_map(both) {
        let room = signed_room();
        room.ends(0, way);
        shorten(&room);
        let done = room.ends(1, way);
        done.says("bytes that the checkpoint covers are missing (C-51)");
        assert!(done.out.starts_with("verdict") && done.out.contains("  truncated\n"), "{}", done.out);
        assert!(done.out.contains("own note") && done.out.contains("a note that the log keeps itself"), "{}", done.out);
        // No writer is accepted, and nothing is changed.
        let before = fs::read(&room.segments()[0]).unwrap();
        let line = "{\"contract\":\"custom\",\"run\":\"x\",\"do\":\"record\",\"kind\":\"custom/n\"}\n";
        let refused = room.feed(&["submit"], line);
        assert!(refused.code == 2 && refused.err.contains("truncated at position"), "{refused:?}");
        assert_eq!(fs::read(&room.segments()[0]).unwrap(), before);
        assert!(!room.path("evlog/HEAD").exists());
        // Without the note nothing in the log shows it, and no finding names it.
        fs::remove_dir_all(room.path("evlog/checkpoints")).unwrap();
        assert!(!room.ends(0, way).out.contains("own note"));
    }
}

#[test]
fn a_note_of_another_log_is_a_finding_and_is_not_counted_as_compared() {
    // C-55.
    let (room, other) = (signed_room(), signed_room());
    cut(&room);
    for name in fs::read_dir(room.path("evlog/checkpoints")).unwrap() {
        let path = name.unwrap().path();
        fs::copy(other.path("new.note"), &path).unwrap();
    }
    let found = room.ends(1, &["verify", "--json"]).json();
    assert_eq!((&found["verdict"], &found["evidence"]["compared"]), (&json!("damaged"), &json!(0)));
    assert!(found["own_checkpoint"].as_str().unwrap().contains("checkpoints"), "{found}");
    assert!(room.ends(1, &["verify"]).out.contains("compared with 0 of 2 kept checkpoints; none from elsewhere"));
    // A writer opens such a log, and no checkpoint continues that note, even by the same key.
    let room = signed_room();
    let line = "{\"contract\":\"custom\",\"run\":\"x\",\"do\":\"record\",\"kind\":\"custom/n\"}\n";
    let id_of = |room: &Room| claimed(room, "new.note").log_id;
    let foreign = room.path(&format!("evlog/checkpoints/{:020}.note", claimed(&other, "new.note").size.0 + 1));
    for key in [&other, &room] {
        fs::copy(other.path("new.note"), &foreign).unwrap();
        assert_eq!(room.feed(&["submit"], line).code, 0);
        let refused = room.ends(2, &["checkpoint", "--key", key.path("builds.key").to_str().unwrap()]);
        let expected =
            format!("is a checkpoint of another log: expected log id {}, found {}", id_of(&room), id_of(&other));
        refused.says(&expected).says(foreign.file_name().unwrap().to_str().unwrap());
    }
    fs::remove_file(&foreign).unwrap();
    room.ends(0, &["checkpoint", "--key", "builds.key"]);
}

#[test]
fn what_a_checkpoint_states_besides_its_root_is_compared_with_the_log() {
    // Rule C-54.
    let room = signed_room();
    let key = SignerKey::parse(fs::read_to_string(room.path("builds.key")).unwrap().trim_end()).unwrap();
    let good = claimed(&room, "old.note");
    let verified = |checkpoint: &Checkpoint, code: i32| {
        fs::write(room.path("it.note"), checkpoint.clone().sign(&key).note().to_string()).unwrap();
        room.ends(code, &["verify", "--checkpoint", "it.note", "--key", "builds.pub"])
    };
    verified(&good, 0);
    room.ends(0, &["prove", "--seq", "2", "--to", "old.note", "--out", "good.proof"]);
    let next_seq = Seq(good.next_seq.0 + 1);
    verified(&Checkpoint { next_seq, ..good.clone() }, 1).says("next seq in the checkpoint (C-54)");
    verified(&Checkpoint { format_version: 1, ..good.clone() }, 1).says("format version in the checkpoint (C-54)");
    let header = fs::read(&room.segments()[0]).unwrap()[..SEGMENT_HEADER_LEN].to_vec();
    let (size, over) = (Position(header.len() as u64), Root(*blake3::hash(&header).as_bytes()));
    verified(&Checkpoint { size, root: over, next_seq: Seq(0), ..good.clone() }, 1)
        .says("found no end of a commit there");
    // One that the log keeps is compared in the same way.
    let kept = room.path(&format!("evlog/checkpoints/{:020}.note", good.size.0));
    for (wrong, what) in [
        (Checkpoint { next_seq, ..good.clone() }, "next seq"),
        (Checkpoint { format_version: 1, ..good.clone() }, "format version"),
    ] {
        fs::write(&kept, wrong.sign(&key).note().to_string()).unwrap();
        for way in [&["verify"][..], &["verify", "--sample", "100%"]] {
            let done = room.ends(1, way);
            done.says(&format!("{what} in the checkpoint (C-54)"));
            assert!(done.out.contains("own note"), "{done:?}");
        }
    }
    fs::copy(room.path("old.note"), &kept).unwrap();
    // Nothing is proven to such a note, and no proof of a commit that it denies holds.
    for wrong in [Checkpoint { next_seq: Seq(1), ..good.clone() }, Checkpoint { format_version: 1, ..good.clone() }] {
        fs::write(room.path("it.note"), wrong.sign(&key).note().to_string()).unwrap();
        room.ends(2, &["prove", "--seq", "2", "--to", "it.note", "--out", "it.proof"]).says("the checkpoint states");
        room.ends(2, &["evidence", "RUN_0001", "--checkpoint", "it.note", "--out", "it.html"])
            .says("the checkpoint states");
        let check = ["check-proof", "good.proof", "--checkpoint", "it.note", "--key", "builds.pub"];
        room.ends(1, &check).says("as the checkpoint states");
    }
}

#[test]
fn a_page_of_evidence_and_its_check_say_that_later_events_may_be_left_out() {
    // Rule E-51: a page over the whole run looks like one that ends earlier, so each says how far it goes.
    let room = signed_room();
    for run in ["RUN_0001", "more"] {
        room.ends(0, &["evidence", run, "--out", "page.html"]);
        let page = fs::read_to_string(room.path("page.html")).unwrap();
        let done = room.ends(0, &["check-evidence", "page.html", "--key", "builds.pub"]);
        for said in [&page, &done.out] {
            assert!(said.contains("later events may be left out"), "{said}");
        }
        assert!(!page.contains("up to the checkpoint"), "{page}");
        let found = room.ends(0, &["check-evidence", "page.html", "--key", "builds.pub", "--json"]).json();
        let last = found["events"].as_u64().unwrap() - 1;
        assert!(
            found["limit"].as_str().unwrap().starts_with(&format!("proven up to event {last} of the run")),
            "{found}"
        );
    }
}

#[test]
fn text_of_others_is_visible_on_a_page_of_evidence() {
    let room = Room::new();
    room.ends(0, &["key", "new", "example.com/builds"]);
    let hidden = "{\"contract\":\"custom\",\"run\":\"r\",\"do\":\"record\",\"kind\":\"custom/n\",\"data\":\"a\u{202e}b\u{200b}<b>\"}\n";
    room.feed(&["submit"], hidden);
    room.ends(0, &["checkpoint", "--key", "builds.key"]);
    room.ends(0, &["evidence", "r", "--out", "page.html"]);
    let page = fs::read_to_string(room.path("page.html")).unwrap();
    let (shown, _) = page.split_once("<script").unwrap();
    assert!(shown.contains("a\\u{202e}b\\u{200b}&lt;b&gt;") && !shown.contains('\u{202e}'), "{shown}");
    room.ends(0, &["check-evidence", "page.html", "--key", "builds.pub"]);
}

#[test]
fn a_page_of_evidence_and_its_check_show_what_ties_the_run_to_others() {
    let room = Room::new();
    room.ends(0, &["key", "new", "example.com/builds"]);
    let line = |run: &str, more: &str| {
        format!("{{\"contract\":\"custom\",\"run\":\"{run}\",\"do\":\"record\",\"kind\":\"custom/n\"{more}}}\n")
    };
    let tied = ["req-7<b>", "req-8", "req-7<b>", "req-9", "req-10"].map(|text| format!(",\"correlation\":\"{text}\""));
    room.feed(&["submit"], &(tied.iter().map(|more| line("r", more)).collect::<String>() + &line("alone", "")));
    room.ends(0, &["checkpoint", "--key", "builds.key"]);
    room.ends(0, &["evidence", "r", "--out", "r.html"]);
    let page = fs::read_to_string(room.path("r.html")).unwrap();
    assert!(page.contains(" scope=\"col\">correlation</th>") && page.contains(">req-7&lt;b&gt;</code></td>"), "{page}");
    let done = room.ends(0, &["check-evidence", "r.html", "--key", "builds.pub"]);
    assert!(done.out.contains("req-7<b>, req-8, req-9 and 1 more"), "{done:?}");
    room.ends(0, &["evidence", "alone", "--out", "alone.html"]);
    assert!(!fs::read_to_string(room.path("alone.html")).unwrap().contains("correlation</th>"));
    assert!(!room.ends(0, &["check-evidence", "alone.html", "--key", "builds.pub"]).out.contains("correlation"));
}

#[test]
fn a_replay_that_had_nothing_to_compare_with_says_so() {
    let room = signed_room();
    let done = room.ends(0, &["replay"]);
    assert!(done.out.contains("nothing to compare") && !done.out.contains("agrees"), "{}", done.out);
    assert_eq!(room.ends(0, &["replay", "--json"]).json()["verdict"], "nothing_compared");
    room.ends(0, &["project", "--out", "."]);
    assert_eq!(room.ends(0, &["replay", "--json"]).json()["verdict"], "agrees");
}

#[test]
fn at_most_16_of_the_kept_checkpoints_are_compared() {
    let room = signed_room();
    for n in 0..17 {
        let line = format!("{{\"contract\":\"custom\",\"run\":\"n{n}\",\"do\":\"record\",\"kind\":\"custom/n\"}}\n");
        room.feed(&["submit", "--key", "builds.key"], &line);
    }
    let done = room.ends(0, &["verify"]);
    assert!(done.out.contains("compared with 16 of 19 kept checkpoints; none from elsewhere"), "{done:?}");
}

#[test]
fn a_verdict_says_which_evidence_it_had() {
    let room = signed_room();
    let says = |arguments: &[&str], text: &str| {
        let done = room.ends(0, &[&["verify"], arguments].concat());
        assert!(done.out.contains(text), "{done:?}");
    };
    says(&[], "compared with 2 kept checkpoints; none from elsewhere");
    let outside = ["--checkpoint", "old.note", "--key", "builds.pub"];
    says(&outside, "compared with 2 kept checkpoints; one from elsewhere");
    fs::remove_dir_all(room.path("evlog/checkpoints")).unwrap();
    says(&[], "no kept checkpoint; 2 that the log records are not kept; none from elsewhere");
}
