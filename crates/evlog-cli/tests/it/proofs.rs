//! Keys, checkpoints, proofs and witnesses, by the binary.

use crate::forge::{mend_record, other_number, rewrite};
use crate::notes::claimed;
use crate::support::{BATCH, Done, Room};
use evlog::Options;
use evlog::checkpoint::ReadBack;
use evlog::clock::StepClock;
use evlog_projection::Contracts;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

/// A room with a log, its key, a first checkpoint `old.note`, more events, and `new.note`.
pub(crate) fn signed_room() -> Room {
    let room = Room::new();
    room.ends(0, &["key", "new", "example.com/builds"]);
    room.feed(&["submit"], BATCH);
    room.ends(0, &["checkpoint", "--key", "builds.key", "--out", "old.note"]);
    grow(&room, 40);
    room.ends(0, &["checkpoint", "--key", "builds.key", "--out", "new.note"]);
    room
}

fn grow(room: &Room, commits: usize) {
    let lines: String = (0..commits)
        .map(|n| {
            format!(r#"{{"contract":"custom","run":"more","do":"record","kind":"custom/n","data":{{"n":{n}}}}}"#) + "\n"
        })
        .collect();
    assert_eq!(room.feed(&["submit"], &lines).code, 0);
}

fn read(room: &Room, path: &str) -> String {
    fs::read_to_string(room.path(path)).unwrap()
}

/// Checks a proof against `new.note`.
fn check(room: &Room, code: i32, proof: &str, more: &[&str]) -> Done {
    let arguments = ["check-proof", proof, "--checkpoint", "new.note", "--key", "builds.pub"];
    room.ends(code, &[&arguments, more].concat())
}

#[test]
fn a_private_key_is_its_owners_alone_and_is_not_overwritten() {
    // Rule C-05.
    let room = signed_room();
    let mode = |path: &str| fs::metadata(room.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("builds.key"), 0o600);
    room.ends(2, &["key", "new", "example.com/builds"]).says("a key never replaces anything");
    for others in [0o640, 0o604, 0o644] {
        fs::set_permissions(room.path("builds.key"), fs::Permissions::from_mode(others)).unwrap();
        let done = room.ends(2, &["checkpoint", "--key", "builds.key"]);
        done.says("can be read by others: expected mode 600").says("chmod 600 builds.key");
    }
    room.ends(2, &["checkpoint", "--key", "builds.pub"])
        .says("expected the private part of a key, found the public one")
        .says("give the file that ends in `.key`");
    room.ends(2, &["key", "new", "a b"]).says("without spaces");
    room.ends(2, &["key", "show", "builds.key"]).says("expected the public part of a key, found the private one");
    let shown = room.ends(0, &["key", "show", "builds.pub", "--json"]).json();
    assert_eq!((&shown["name"], &shown["role"]), (&json!("example.com/builds"), &json!("log")));
}

#[test]
fn a_checkpoint_states_what_the_bytes_are_and_is_not_repeated_for_nothing() {
    let room = signed_room();
    let bytes: Vec<u8> = room.segments().iter().flat_map(|path| fs::read(path).unwrap()).collect();
    let found = room.ends(0, &["checkpoint", "--key", "builds.key", "--json"]).json();
    assert_eq!(found["new"], false);
    let size = usize::try_from(found["size"].as_u64().unwrap()).unwrap();
    assert_eq!(found["root"], blake3::hash(&bytes[..size]).to_hex().as_str());
    assert_eq!(read(&room, "new.note"), fs::read_to_string(room.path(found["path"].as_str().unwrap())).unwrap());
    let again = room.ends(0, &["checkpoint", "--key", "builds.key", "--out", "-"]).out;
    assert_eq!(again, read(&room, "new.note"));
    let history = room.ends(0, &["cat", "--run", "$log", "--json"]).lines();
    let count = |kind: &str| history.iter().filter(|event| event["kind"] == kind).count();
    assert_eq!((count("log.key_added"), count("log.checkpoint_signed")), (1, 2));
    assert_eq!(room.ends(0, &["verify", "--json"]).json()["good"], true);
}

#[test]
fn a_log_is_signed_while_it_is_written_and_when_it_is_closed() {
    let room = signed_room();
    let arguments =
        ["submit", "--key", "builds.key", "--checkpoint-out", "last.note", "--checkpoint-exec", "cat > sent.note"];
    assert_eq!(room.feed(&arguments, r#"{"contract":"custom","run":"x","do":"record","kind":"custom/n"}"#).code, 0);
    assert_ne!(read(&room, "last.note"), read(&room, "new.note"));
    assert_eq!(read(&room, "last.note"), read(&room, "sent.note"));
    let done = room.feed(&["submit", "--key", "builds.key", "--checkpoint-exec", "exit 3"], BATCH);
    done.says("but `exit 3` ended with exit status: 3");
    assert_eq!(done.code, 2);
    let done = room.feed(&["submit", "--key", "nothing.key"], BATCH);
    assert_eq!((done.code, done.out.as_str()), (2, ""));
    room.ends(2, &["submit", "--key", "builds.key", "--checkpoint-every", "5"]).says("such as `90s`");
}

#[test]
fn an_interval_signs_while_the_writer_waits_for_more() {
    let room = signed_room();
    let mut child =
        room.spawn(&["submit", "--key", "builds.key", "--checkpoint-every", "1s", "--checkpoint-out", "live.note"]);
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, BATCH.as_bytes()).unwrap();
    let appeared = (0..600).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        room.path("live.note").exists()
    });
    assert!(appeared, "no checkpoint while the writer waits");
    drop(stdin);
    child.wait_with_output().unwrap();
}

#[test]
fn a_changed_byte_or_clock_or_key_signs_nothing() {
    // Rules C-22 and C-23.
    let room = signed_room();
    grow(&room, 3);
    room.ends(0, &["key", "new", "example.com/other"]);
    room.ends(2, &["checkpoint", "--key", "other.key"]).says("the log signs as example.com/builds");
    room.ends(0, &["key", "new", "example.com/builds", "--out", "second.key"]);
    room.ends(0, &["checkpoint", "--key", "second.key"]);
    // A commit under the last checkpoint that says another number, with a checksum that is right again.
    let segment = &room.segments()[0];
    grow(&room, 1);
    let sound = fs::read(segment).unwrap();
    rewrite(segment, 15, other_number);
    fs::remove_file(room.path("evlog/checkpoints/last.tree")).unwrap();
    room.ends(2, &["checkpoint", "--key", "second.key"])
        .says("not what the last checkpoint says, so nothing was signed");
    fs::write(segment, &sound).unwrap();
    room.ends(0, &["checkpoint", "--key", "second.key"]);
    // The newest checkpoint was recorded at a time that is still to come.
    let (dir, clock) = (room.path("evlog"), StepClock::new(i64::MAX / 2, 1));
    let options = Options { clock: Arc::new(clock), ..Options::new("a clock that runs ahead") };
    let log = options.open(&dir, Contracts::new()).unwrap();
    let mut read = ReadBack::begin(&log, None, &mut |_, _| ()).unwrap();
    let statement = read.statement(&mut |_, _| ()).unwrap();
    read.record(&statement, "example.com/builds", &fs::read(room.path("new.note")).unwrap()).unwrap();
    fs::remove_file(log.checkpoints().path(statement.size)).unwrap();
    log.close().unwrap();
    grow(&room, 1);
    room.ends(2, &["checkpoint", "--key", "second.key"]).says("nothing was signed: expected a time after");
}

#[test]
fn an_event_is_proven_to_someone_without_the_log() {
    let room = signed_room();
    room.ends(0, &["prove", "--seq", "3", "--out", "3.proof"]);
    let done = check(&room, 0, "3.proof", &["--seq", "3", "--json"]).json();
    let event = room.ends(0, &["cat", "--json"]).lines()[3].clone();
    assert!(done["events"].as_array().unwrap().contains(&event), "{done}");
    assert!(check(&room, 0, "3.proof", &[]).out.contains("holds"));
    check(&room, 1, "3.proof", &["--seq", "30"]).says("it is not about event 30");
    // Nothing of the log is needed.
    fs::rename(room.path("evlog"), room.path("gone")).unwrap();
    check(&room, 0, "3.proof", &[]);
    room.ends(1, &["check-proof", "3.proof", "--checkpoint", "old.note", "--key", "builds.pub"])
        .says("the proof is for another checkpoint");
    fs::rename(room.path("gone"), room.path("evlog")).unwrap();
    room.ends(2, &["prove", "--seq", "999"]).says("found a later one: the last event is seq");
    grow(&room, 1);
    let last = room.ends(0, &["cat", "--json"]).lines().len() - 2;
    room.ends(2, &["prove", "--seq", &last.to_string()])
        .says("it covers the events before seq")
        .says("evlog checkpoint");
}

#[test]
fn growth_is_proven_and_a_proof_of_another_log_is_not_taken() {
    let room = signed_room();
    room.ends(0, &["prove", "--from", "old.note", "--to", "new.note", "--out", "grown.proof"]);
    check(&room, 0, "grown.proof", &["--from", "old.note"]);
    check(&room, 2, "grown.proof", &[]).says("--from FILE");
    let other = signed_room();
    other.ends(0, &["prove", "--from", "old.note", "--out", "grown.proof"]);
    other.ends(0, &["prove", "--seq", "3", "--out", "3.proof"]);
    fs::copy(other.path("grown.proof"), room.path("theirs.proof")).unwrap();
    fs::copy(other.path("3.proof"), room.path("their3.proof")).unwrap();
    fs::copy(other.path("new.note"), room.path("their.note")).unwrap();
    check(&room, 1, "theirs.proof", &["--from", "old.note"]).says("the proof is of another log");
    check(&room, 1, "their3.proof", &[]).says("the proof is of another log");
    room.ends(2, &["prove", "--from", "old.note", "--to", "their.note"]).says("the checkpoint is of another log");
    // The wrong key, a file that is cut, one that is no proof.
    room.ends(1, &["check-proof", "their3.proof", "--checkpoint", "their.note", "--key", "builds.pub"])
        .says("expected a signature by the key");
    let text = read(&room, "grown.proof");
    room.write("cut.proof", &text[..text.len() - 20]);
    check(&room, 2, "cut.proof", &["--from", "old.note"]).says("of the proof: expected");
    check(&room, 2, "new.note", &[]).says("expected `evlog-proof/v1`");
    room.ends(2, &["check-proof", "grown.proof", "--checkpoint", "builds.pub", "--key", "builds.pub"])
        .says("found a text without signatures");
}

#[test]
fn a_log_that_was_rewritten_under_its_checkpoint_proves_nothing() {
    let room = signed_room();
    rewrite(&room.segments()[0], 15, other_number);
    room.ends(1, &["prove", "--from", "old.note", "--to", "new.note"]).says("does not match the checkpoint");
}

#[test]
fn a_witness_cosigns_what_grew_and_refuses_loudly_what_did_not() {
    // Rules C-32 and C-33.
    let room = signed_room();
    room.ends(0, &["key", "new", "ci.example.com/w", "--witness"]);
    let witness = |code: i32, note: &str, more: &[&str]| {
        let arguments = ["witness", note, "--state", "seen", "--log-key", "builds.pub", "--key", "w.key"];
        room.ends(code, &[&arguments, more].concat())
    };
    let last = ["witness", "--last", "--state", "seen", "--log-key", "builds.pub"];
    room.ends(1, &last).says("was seen yet");
    let first = witness(0, "old.note", &[]);
    first.says("accepted without a proof");
    assert_eq!(room.ends(0, &last).out, first.out);
    witness(2, "new.note", &[]).says("expected a proof").says("found none").says("evlog prove --from");
    room.write("last.note", &room.ends(0, &last).out);
    room.ends(0, &["prove", "--from", "last.note", "--to", "new.note", "--out", "grown.proof"]);
    witness(0, "new.note", &["--proof", "grown.proof", "--out", "cosigned.note"]);
    witness(1, "old.note", &[]).says("the log is shorter than it was").says("kept as `seen/");
    assert_eq!(room.ends(0, &last).out, read(&room, "cosigned.note"), "a refusal changes nothing");

    let vkey = read(&room, "w.pub");
    room.write("policy.txt", &format!("log {}\nwitness w {vkey}\nquorum w\n", read(&room, "builds.pub").trim()));
    room.ends(0, &["prove", "--seq", "3", "--to", "cosigned.note", "--out", "3.proof"]);
    room.ends(0, &["check-proof", "3.proof", "--checkpoint", "cosigned.note", "--policy", "policy.txt"]);
    room.ends(1, &["check-proof", "3.proof", "--checkpoint", "new.note", "--policy", "policy.txt"])
        .says("too few witnesses");

    // Another history under the same key and name: a copy from before, that went on in its own way.
    let fork = Room::new();
    for name in ["builds.key", "builds.pub"] {
        fs::copy(room.path(name), fork.path(name)).unwrap();
    }
    fork.feed(&["submit"], BATCH);
    fork.ends(0, &["checkpoint", "--key", "builds.key", "--out", "fork.note"]);
    fs::copy(fork.path("fork.note"), room.path("fork.note")).unwrap();
    witness(1, "fork.note", &[]).says("another log signs under the same name");
    fs::remove_file(room.path("w.key")).unwrap();
    room.ends(0, &["key", "new", "ci.example.com/w", "--witness", "--out", "w2.key"]);
    room.ends(2, &["witness", "new.note", "--state", "seen", "--log-key", "builds.pub", "--key", "w2.key"])
        .says("is not valid");
}

#[test]
fn a_checkpoint_that_was_kept_elsewhere_tells_what_the_log_alone_cannot() {
    // Rules C-50, C-52 and C-56.
    let room = signed_room();
    let verdict = |code: i32, note: &str| {
        let arguments = ["verify", "--checkpoint", note, "--key", "builds.pub", "--json"];
        room.ends(code, &arguments).json()
    };
    for note in ["old.note", "new.note"] {
        let found = verdict(0, note);
        assert_eq!(
            (&found["verdict"], &found["checkpoint"]["origin"]),
            (&json!("clean"), &json!("example.com/builds"))
        );
    }
    let segment = &room.segments()[0];
    let sound = fs::read(segment).unwrap();
    // A rewritten log with valid checksums is clean by itself, if its notes are removed and its records of them are changed
    // to match.
    rewrite(segment, 15, other_number);
    let size_of = |note: &str| read(&room, note).lines().nth(1).unwrap().parse::<u64>().unwrap();
    let between = |start, end| format!("the first that differs is one of {start} to {end}");
    let within = between(size_of("old.note"), size_of("new.note"));
    room.ends(1, &["verify"]).says("C-52").says(&within);
    let kept = |note: &str| room.path(&format!("evlog/checkpoints/{:020}.note", size_of(note)));
    fs::remove_file(kept("new.note")).unwrap();
    room.ends(1, &["verify"]).says("C-56").says(&within);
    fs::copy(room.path("new.note"), kept("new.note")).unwrap();
    fs::rename(room.path("evlog/checkpoints"), room.path("notes")).unwrap();
    room.ends(1, &["verify"]).says("C-56").says(&between(0, size_of("new.note")));
    mend_record(&room.segments(), &claimed(&room, "new.note"));
    assert_eq!(room.ends(0, &["verify", "--json"]).json()["verdict"], "clean");
    fs::rename(room.path("notes"), room.path("evlog/checkpoints")).unwrap();
    let found = verdict(1, "new.note");
    assert_eq!((&found["verdict"], &found["findings"][0]["rule"]), (&json!("tampered"), &json!("C-52")));
    // The log's own checkpoints show the place: the bytes that old.note covers are unchanged.
    assert_eq!(found["findings"][0]["position"], size_of("old.note"));
    room.ends(1, &["verify", "--checkpoint", "new.note", "--key", "builds.pub"]).says(&within);
    let note = fs::read_to_string(kept("old.note")).unwrap();
    fs::write(kept("old.note"), note.replace("\nlog-id ", "\nlog-id 0")).unwrap();
    assert_eq!(verdict(1, "new.note")["findings"][0]["position"], 0, "one that is not signed tells nothing");
    fs::write(kept("old.note"), note).unwrap();
    // What was changed came after the old one, and the log's own newer note shows it.
    assert!(verdict(1, "old.note")["own_checkpoint"].is_string());
    fs::remove_file(kept("new.note")).unwrap();
    assert_eq!(verdict(0, "old.note")["verdict"], "clean");
    fs::write(segment, &sound).unwrap();
    // An old copy in its place: the log as it was at the first checkpoint, closed cleanly.
    let other = Room::with_batch();
    fs::rename(room.path("evlog"), room.path("away")).unwrap();
    fs::rename(other.path("evlog"), room.path("evlog")).unwrap();
    assert_eq!(room.ends(0, &["verify", "--json"]).json()["verdict"], "clean");
    let found = verdict(1, "new.note");
    assert_eq!(found["findings"][0]["rule"], "C-50");
    room.ends(1, &["verify", "--checkpoint", "new.note", "--key", "builds.pub"])
        .says("this is another log in its place");
}

#[test]
fn a_log_that_gave_up_what_it_had_signed_goes_on_under_a_new_name() {
    // Rules C-26 and C-27.
    let room = signed_room();
    room.ends(0, &["key", "new", "ci.example.com/w", "--witness"]);
    let witness = |code: i32, note: &str, key: &str| {
        room.ends(code, &["witness", note, "--state", "seen", "--log-key", key, "--key", "w.key", "--out", "w.note"])
    };
    witness(0, "new.note", "builds.pub");
    let size = |note: &str| read(&room, note).lines().nth(1).unwrap().parse::<usize>().unwrap();
    let segment = &room.segments()[0];
    let mut bytes = fs::read(segment).unwrap();
    bytes[size("old.note") + 1000] ^= 1;
    fs::write(segment, &bytes).unwrap();
    room.ends(0, &["repair", "--accept-loss", "--yes", "--actor", "ops@example.org"]);
    // What the auditor sees: the log alone is clean, and records the loss. It never matches the checkpoint again.
    let verify = |code: i32, note: &str, key: &str| room.ends(code, &["verify", "--checkpoint", note, "--key", key]);
    verify(0, "old.note", "builds.pub");
    let seen = verify(1, "new.note", "builds.pub");
    seen.says("truncated: ").says("bytes that the checkpoint covers are missing");
    assert!(seen.out.contains("accepted by ops@example.org), which this checkpoint covers"), "{seen:?}");
    // What the operator does: not sign as if nothing had been, but under a new name.
    let refused = room.ends(2, &["checkpoint", "--key", "builds.key"]);
    refused.says("accepted by ops@example.org), which it had signed").says("expected a key of a new name");
    refused.says("`example.com/builds-2`").says(".void`");
    room.ends(2, &["checkpoint", "--key", "builds.key"]).says("expected a key of a new name");
    room.ends(0, &["key", "new", "example.com/builds-2", "--out", "second.key"]);
    room.ends(0, &["checkpoint", "--key", "second.key", "--out", "second.note"]);
    assert_eq!(room.ends(0, &["checkpoint", "--key", "second.key", "--json"]).json()["new"], false);
    grow(&room, 80);
    room.ends(0, &["checkpoint", "--key", "second.key", "--out", "third.note"]);
    assert!(size("third.note") > size("new.note"));
    room.ends(2, &["checkpoint", "--key", "builds.key"]).says("expected a key of a new name");
    verify(0, "third.note", "second.pub");
    let seen = verify(1, "new.note", "builds.pub");
    seen.says("tampered: ");
    assert!(seen.out.contains("which this checkpoint covers"), "other bytes stand there now, and the log says why");
    // What the witness does: it takes the new name as a new log, and nothing more of the old one.
    witness(0, "third.note", "second.pub").says("first checkpoint seen of example.com/builds-2");
    witness(1, "old.note", "builds.pub").says("the log is shorter than it was").says("signs under a new name");
    // What was signed before the loss and is still there is tied to the new name by a proof.
    room.ends(0, &["prove", "--from", "old.note", "--to", "third.note", "--out", "grown.proof"]);
    let keys = ["builds.pub", "second.pub"].map(|key| format!("log {}\n", read(&room, key).trim()));
    room.write("policy.txt", &format!("{}quorum none\n", keys.concat()));
    let arguments = ["check-proof", "grown.proof", "--from", "old.note", "--checkpoint", "third.note"];
    room.ends(0, &[&arguments[..], &["--policy", "policy.txt"]].concat());
    room.ends(1, &["prove", "--from", "new.note", "--to", "third.note"]).says("does not match the checkpoint");
}

#[test]
fn a_verification_is_paced_recorded_and_held_to_a_policy() {
    let room = signed_room();
    room.ends(0, &["key", "new", "ci.example.com/w", "--witness"]);
    let policy =
        format!("log {}\nwitness w {}\nquorum w\n", read(&room, "builds.pub").trim(), read(&room, "w.pub").trim());
    room.write("policy.txt", &policy);
    let arguments = ["verify", "--checkpoint", "new.note", "--policy", "policy.txt"];
    room.ends(1, &arguments).says("too few witnesses have cosigned");
    room.ends(2, &["verify", "--checkpoint", "new.note"]).says("expected the log's public key");
    room.ends(2, &["verify", "--max-rate", "0"]).says("such as `50M`");
    room.ends(0, &["verify", "--max-rate", "1G", "--record", "--checkpoint", "new.note", "--key", "builds.pub"]);
    let history = room.ends(0, &["cat", "--run", "$log", "--json"]).lines();
    let verified = history.iter().find(|event| event["kind"] == "log.verified").unwrap();
    let size = room.ends(0, &["checkpoint", "--key", "builds.key", "--json"]).json();
    assert_eq!((&verified["payload"]["verdict"], &verified["payload"]["findings"]), (&json!("clean"), &json!(0)));
    assert!(verified["payload"]["checkpoint"].as_u64().unwrap() < size["size"].as_u64().unwrap());
}

#[test]
fn the_evidence_of_a_run_holds_without_the_log_and_no_change_of_it_does() {
    // Rules E-50, E-51, E-52 and E-53.
    let room = signed_room();
    for run in ["RUN_0001", "11111111-1111-4111-8111-111111111111", "order-7"] {
        room.ends(0, &["evidence", run, "--out", "page.html"]);
        let found = room.ends(0, &["check-evidence", "page.html", "--key", "builds.pub", "--json"]).json();
        assert_eq!((&found["holds"], &found["run"]), (&json!(true), &json!(run)));
        assert_eq!(found["events"], room.ends(0, &["cat", "--run", run]).out.lines().count());
    }
    room.ends(0, &["evidence", "RUN_0001", "--out", "page.html"]);
    let checked = room.ends(0, &["check-evidence", "page.html", "--key", "builds.pub"]);
    assert!(checked.out.contains("nothing proves this time"), "{checked:?}");
    let page = read(&room, "page.html");
    let changed = |code: i32, from: &str, to: &str, says: &str| {
        assert!(page.contains(from), "{from}");
        room.write("changed.html", &page.replacen(from, to, 1));
        room.ends(code, &["check-evidence", "changed.html", "--key", "builds.pub"]).says(says);
    };
    // What people read, a projection, an event's place, the checkpoint, the run, the data's form.
    changed(1, "<code>agent:intake ", "<code>agent:outlaw ", "the page does not show what its data says");
    // A style sheet that no evlog had could hide text, or add some.
    changed(1, "<style>", "<style>td { display: none }\n", "the page does not show what its data says");
    changed(1, "\"path\": \"run.json\"", "\"path\": \"ran.json\"", "projection `run.json` is missing");
    changed(1, "\\nfirst-seq 3\\n", "\\nfirst-seq 5\\n", "the proven bytes are not the commit");
    changed(1, "\\nnext-seq ", "\\nnext-seq 1", "does not hold: the text was changed");
    changed(1, "\"run\": \"RUN_0001\"", "\"run\": \"RUN_0002\"", "holds no event of the run");
    changed(2, "\"evidence\": 2", "\"evidence\": 3", "expected evidence of version 2");
    changed(2, "id=\"evlog-evidence\"", "id=\"something\"", "found another file");
    room.ends(0, &["key", "new", "example.com/other"]);
    room.ends(1, &["check-evidence", "page.html", "--key", "other.pub"]).says("expected a signature by the key");
    room.ends(1, &["evidence", "nobody", "--out", "none.html"]).says("no run `nobody`");
    grow(&room, 1);
    let last = room.ends(0, &["cat", "--run", "more", "--json"]).lines().pop().unwrap()["seq"].clone();
    let says = format!("event {last} of the run came after the checkpoint");
    room.ends(2, &["evidence", "more", "--out", "none.html"]).says(&says);
    assert!(!room.path("none.html").exists());
}

#[test]
fn a_page_that_is_too_long_is_distinguished_from_one_that_is_cut() {
    let room = signed_room();
    let page = fs::File::create(room.path("long.html")).unwrap();
    page.set_len(256 * 1024 * 1024 + 1).unwrap();
    room.ends(2, &["check-evidence", "long.html", "--key", "builds.pub"])
        .says("`long.html`: expected a file of at most 268435456 bytes, found a longer one");
}

#[test]
fn a_checkpoint_of_an_unknown_key_is_refused_with_the_id_of_the_key_that_signed() {
    let room = Room::with_batch();
    for key in ["a.key", "b.key"] {
        room.ends(0, &["key", "new", "example.com/builds", "--out", key]);
    }
    room.ends(0, &["checkpoint", "--key", "a.key", "--out", "a.note"]);
    // The two keys have the same name, and differ only in their ids.
    let [signed, asked] = ["a.pub", "b.pub"].map(|key| {
        let key = fs::read_to_string(room.path(key)).unwrap();
        key.split('+').take(2).collect::<Vec<_>>().join("+")
    });
    room.ends(1, &["verify", "--checkpoint", "a.note", "--key", "b.pub"])
        .says(&format!("expected a signature by the key {asked}, found signatures by {signed}"));
}

#[test]
fn a_page_whose_projections_have_an_earlier_version_holds_and_no_change_of_it_does() {
    // Made by a program whose `machine.run` had version 1.
    let room = Room::new();
    let page = include_str!("../golden/evidence-1/o-7.html");
    room.write("o-7.html", page);
    room.write("k.pub", include_str!("../golden/evidence-1/k.pub"));
    room.ends(0, &["check-evidence", "o-7.html", "--key", "k.pub"]);
    room.write("changed.html", &page.replacen("\"projection\": \"machine.run\"", "\"projection\": \"machine.ran\"", 1));
    room.ends(1, &["check-evidence", "changed.html", "--key", "k.pub"]).says("the proven events give other bytes");
}

#[test]
fn a_page_with_an_earlier_style_sheet_of_evlog_holds_and_no_other_style_sheet_does() {
    // Rule E-53.
    let room = Room::new();
    let page = include_str!("../golden/evidence-1/o-7-former-style.html");
    room.write("o-7.html", page);
    room.write("k.pub", include_str!("../golden/evidence-1/k.pub"));
    assert!(page != include_str!("../golden/evidence-1/o-7.html"));
    room.ends(0, &["check-evidence", "o-7.html", "--key", "k.pub"]);
    for (from, to) in [("</style>", "td{}</style>"), ("style-src 'sha256-", "style-src 'unsafe-inline' 'sha256-")] {
        room.write("changed.html", &page.replacen(from, to, 1));
        room.ends(1, &["check-evidence", "changed.html", "--key", "k.pub"]).says("does not show what its data says");
    }
}
