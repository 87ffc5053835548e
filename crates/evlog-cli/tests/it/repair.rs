//! `evlog repair`: the plan is printed, carried out and recorded; a loss is taken only when it is accepted.

use crate::support::{BATCH, Room, files_below};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;

const MORE: &str = r#"{"contract":"custom","run":"more","do":"record","kind":"custom/n"}"#;

/// A log of several segments, closed cleanly.
fn room() -> Room {
    let room = Room::new();
    room.ends(0, &["init", "--segment-limit", "2000"]);
    room.feed(&["submit"], BATCH);
    assert!(room.segments().len() > 1);
    room
}

fn last(room: &Room) -> PathBuf {
    room.segments().last().unwrap().clone()
}

fn change(path: &PathBuf, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Everything but the lock, which names who took it last.
fn image(room: &Room) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files_below(&room.path("evlog")).into_iter().filter(|path| !path.ends_with("LOCK"));
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn put_back(image: &BTreeMap<PathBuf, Vec<u8>>) {
    for (path, bytes) in image {
        fs::write(path, bytes).unwrap();
    }
}

fn history(room: &Room) -> Vec<Value> {
    room.ends(0, &["cat", "--run", "$log", "--json"]).lines()
}

#[test]
fn a_sound_log_has_nothing_to_repair() {
    let room = room();
    let before = image(&room);
    for arguments in [&["repair", "--dry-run"][..], &["repair"], &["repair", "--accept-loss", "--yes"]] {
        let done = room.ends(0, arguments);
        assert!(done.out.starts_with("verdict  clean\nnothing to do\n"), "{done:?}");
    }
    assert_eq!(room.ends(0, &["repair", "--json"]).json()["steps"], json!([]));
    assert!(image(&room) == before);
    Room::new().ends(2, &["repair"]).says("no log").says("evlog init");
}

#[test]
fn a_torn_tail_is_planned_then_cut_kept_and_recorded() {
    // V-03
    let room = room();
    fs::remove_file(room.path("evlog/HEAD")).unwrap();
    change(&last(&room), |bytes| bytes.extend_from_slice(&[0x55; 37]));
    let before = image(&room);
    let planned = room.ends(1, &["repair", "--dry-run", "--json"]).json();
    assert_eq!((&planned["verdict"], &planned["done"]), (&json!("torn_tail"), &json!(false)));
    let step = &planned["steps"][0];
    assert_eq!((&step["act"], &step["bytes"], &step["row"]), (&json!("cut"), &json!(37), &json!("V-03")));
    let people = room.ends(1, &["repair", "--dry-run"]).out;
    assert!(people.contains("37 bytes from position") && people.contains("(V-03)"), "{people}");
    assert!(people.contains("keeps the bytes as quarantine/"), "{people}");
    assert!(image(&room) == before, "a dry run changes nothing");

    let done = room.ends(0, &["repair"]);
    done.says("evlog verify");
    let kept = room.path("evlog").join(step["kept_as"].as_str().unwrap());
    assert_eq!(fs::read(kept).unwrap(), [0x55; 37]);
    let cut = history(&room).into_iter().find(|event| event["kind"] == "log.tail_cut").unwrap();
    assert_eq!(cut["payload"]["kept_as"], step["kept_as"]);
    assert!(cut["actor"].as_str().unwrap().starts_with("evlog repair "), "{cut}");
    assert!(cut["principal"].as_str().unwrap().starts_with("os:"), "{cut}");
    room.ends(0, &["verify"]);
    room.ends(0, &["repair", "--dry-run"]);
}

#[test]
fn damage_is_refused_with_verdict_place_and_advice_and_a_loss_needs_three_words() {
    // V-05, R-01, R-03, R-04
    let room = room();
    let truth = room.ends(0, &["cat", "--json"]).lines();
    change(&last(&room), |bytes| bytes[96 + 40] ^= 1);
    let before = image(&room);
    for arguments in [&["repair"][..], &["repair", "--dry-run"], &["repair", "--yes"]] {
        let done = room.ends(1, arguments);
        done.says("log is damaged at position").says("(V-05)").says("from a copy").says("--accept-loss --dry-run");
        assert!(done.out.contains("refused: the log is left as it is"), "{done:?}");
    }
    let done = room.ends(1, &["repair", "--accept-loss", "--dry-run"]);
    assert!(done.out.contains("give_up segments/") && done.out.contains("gives up "), "{done:?}");
    room.ends(2, &["repair", "--accept-loss"]).says("nothing was changed").says("`--yes` accepts the loss");
    assert!(image(&room) == before);

    let done = room.ends(0, &["repair", "--accept-loss", "--yes", "--actor", "ops@example.org", "--json"]).json();
    let loss = &done["loss"];
    let (first, next) = (loss["first_seq"].as_u64().unwrap(), loss["next_seq"].as_u64().unwrap());
    assert_eq!(next, truth.len() as u64, "HEAD states how many there were");
    let kept = fs::read(room.path("evlog").join(loss["kept_as"].as_str().unwrap())).unwrap();
    assert!(before[&last(&room)].ends_with(&kept), "the bytes are those that were there");
    let events = room.ends(0, &["cat", "--json"]).lines();
    let at = usize::try_from(first).unwrap();
    assert_eq!(events[..at], truth[..at]);
    assert_eq!((&events[at]["kind"], &events[at]["seq"]), (&json!("log.loss_accepted"), &json!(first)));
    let recorded = &events[at]["payload"];
    assert_eq!((&recorded["accepted_by"], &recorded["verdict"]), (&json!("ops@example.org"), &json!("damaged")));
    for member in ["position", "next_seq", "kept_as", "reason", "floor"] {
        assert_eq!(recorded[member], loss[member], "{member}");
    }
    let verified = room.ends(0, &["verify", "--json"]).json();
    assert_eq!((&verified["verdict"], &verified["losses"][0]["seq"]), (&json!("clean"), &json!(first)));
    assert!(room.ends(0, &["verify"]).out.contains("losses     at least "));
    room.ends(0, &["repair", "--dry-run"]);
    assert_eq!(room.feed(&["submit"], MORE).code, 0);
}

#[test]
fn a_truncated_end_is_a_loss_too_and_damage_before_the_last_segment_is_none() {
    // V-08, V-15, R-07
    let room = room();
    let copy = image(&room);
    change(&last(&room), |bytes| bytes.truncate(bytes.len() - 20));
    let offered = room.ends(1, &["repair", "--json"]).json();
    assert_eq!((&offered["verdict"], &offered["refused"]["row"]), (&json!("truncated"), &json!("V-08")));
    assert!(offered["refused"]["acceptable"]["missing"].as_u64().unwrap() > 0);
    room.ends(0, &["repair", "--accept-loss", "--yes"]);
    room.ends(0, &["verify"]);

    put_back(&copy);
    room.ends(0, &["verify"]);
    change(&room.segments()[0], |bytes| bytes[300] ^= 1);
    let before = image(&room);
    let done = room.ends(1, &["repair", "--accept-loss", "--yes"]);
    done.says("(V-15)").says("from a copy").says("only the end of a log can be given up");
    assert!(image(&room) == before);
    assert_eq!(room.ends(1, &["repair", "--json"]).json()["refused"]["acceptable"], Value::Null);
}

#[test]
fn a_last_segment_of_which_not_even_the_header_is_left_can_be_given_up() {
    // V-08, R-02, R-06
    let room = room();
    let whole = fs::metadata(last(&room)).unwrap().len();
    for left in [0, 1, 95] {
        assert!(whole > left);
        change(&last(&room), |bytes| bytes.truncate(usize::try_from(left).unwrap()));
        assert_eq!(room.ends(1, &["repair", "--json"]).json()["verdict"], "truncated");
        room.ends(0, &["repair", "--accept-loss", "--yes"]);
        let verified = room.ends(0, &["verify", "--json"]).json();
        assert_eq!(verified["losses"].as_array().unwrap().len(), 1, "{verified}");
        assert_eq!(room.feed(&["submit"], BATCH).code, 1);
    }
}

#[test]
fn sidecars_are_made_again_and_the_root_stays() {
    let room = room();
    let log_root = || room.ends(0, &["verify", "--json"]).json()["root"].clone();
    let before = (image(&room), log_root());
    for path in files_below(&room.path("evlog/segments")) {
        if path.extension().is_some_and(|suffix| suffix == "idx" || suffix == "tree") {
            change(&path, |bytes| bytes.truncate(20));
        }
    }
    room.ends(1, &["inspect", "--sidecars"]).says("evlog repair");
    let done = room.ends(0, &["repair"]);
    assert!(done.out.contains("remake segments/"), "{done:?}");
    room.ends(0, &["inspect", "--sidecars"]);
    assert!((image(&room), log_root()) == before);
}

#[test]
fn a_log_that_a_writer_holds_is_not_repaired() {
    let room = room();
    let mut writer = room.spawn(&["submit"]);
    let mut stdin = writer.stdin.take().unwrap();
    writeln!(stdin, "{MORE}").unwrap();
    BufReader::new(writer.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    let holder = format!("process {} (evlog submit", writer.id());
    room.ends(2, &["repair", "--dry-run"]).says(&holder);
    room.ends(2, &["repair"]).says(&holder);
    drop(stdin);
    assert!(writer.wait().unwrap().success());
}

#[test]
fn a_follower_reports_that_events_it_has_shown_were_given_up() {
    // R-09
    let room = room();
    change(&last(&room), |bytes| bytes[96 + 40] ^= 1);
    let damaged = image(&room);
    change(&last(&room), |bytes| bytes[96 + 40] ^= 1);
    let mut follower = room.spawn(&["tail", "-f", "-n", "1"]);
    let mut out = BufReader::new(follower.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    put_back(&damaged);
    room.ends(0, &["repair", "--accept-loss", "--yes"]);
    let done = follower.wait_with_output().unwrap();
    let message = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(2), "{message}");
    assert!(
        message.contains("does not hold what this reader has shown") && message.contains("log.loss_accepted"),
        "{message}"
    );
}
