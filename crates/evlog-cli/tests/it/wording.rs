//! What a message of an error says, and what it never says.
//!
//! `docs/errors.md` shows each message; the tests here say why it has these words.

use crate::errors::room;
use crate::support::Room;

#[track_caller]
fn says(room: &Room, (code, typed): (i32, &str), words: &[&str]) {
    let done = room.ends(code, &typed.split(' ').collect::<Vec<&str>>());
    for word in words {
        assert!(done.err.contains(word), "`{typed}` does not say `{word}`: {}", done.err);
    }
}

#[test]
fn a_file_in_the_wrong_place_is_named_by_what_it_should_be_and_no_advice_loses_it() {
    let room = room();
    let cursor =
        "--cursor `log.pub`: expected a file that `--cursor` has written, found other text; the file was not changed";
    says(
        &room,
        (2, "tail --cursor log.pub"),
        &[cursor, "hint: name another file; one that does not exist yet begins anew"],
    );
    let private =
        "expected the private key of a log (one line that begins with `PRIVATE+KEY+`), found a file that is no key";
    says(
        &room,
        (2, "checkpoint --key plan.toml"),
        &[private, "hint: give the file that `evlog key new` wrote and that ends in `.key`"],
    );
    says(
        &room,
        (2, "key show plan.toml"),
        &["expected a public key", "found a file that is no key", "that ends in `.pub`"],
    );
    let former = "give the key that this log was signed with before; `evlog key new NAME` is for a log that has never been signed";
    says(&room, (2, "checkpoint --key witness.key"), &[former]);
    let keyless = ["expected a checkpoint, found a private key", "keep this one secret"];
    says(&room, (2, "verify --checkpoint log.key --key log.pub"), &keyless);
    let no_proof = ["proof `log.key`: expected a proof, found a private key", "keep this one secret"];
    says(&room, (2, "check-proof log.key --checkpoint plan.toml --key log.pub"), &no_proof);
    for typed in
        ["tail --cursor log.pub", "verify --checkpoint log.key --key log.pub", "check-evidence log.key --key log.pub"]
    {
        let said = room.ends(2, &typed.split(' ').collect::<Vec<&str>>()).err;
        assert!(!said.contains("remove") && !said.contains("PRIVATE+KEY"), "`{typed}`: {said}");
    }
}

#[test]
fn a_place_without_a_log_is_named_by_what_is_there() {
    let room = room();
    says(
        &room,
        (2, "runs --log missing"),
        &["no log at `missing`: no such directory", "`evlog init --log missing` makes one"],
    );
    says(&room, (2, "runs --log plan.toml"), &["no log at `plan.toml`: expected a directory, found a file"]);
    says(&room, (2, "submit --log plan.toml"), &["no log at `plan.toml`: expected a directory, found a file"]);
    says(&room, (2, "init --log plan.toml"), &["`plan.toml`: expected a directory, found a file"]);
}

#[test]
fn a_day_that_the_calendar_does_not_have_and_a_seq_beyond_the_end_are_named() {
    let room = room();
    for typed in ["runs --at 2026-02-30", "cat --since 2026-02-30", "runs --at 2026-02-30T10:00:00Z"] {
        says(&room, (2, typed), &["there is no day 2026-02-30"]);
    }
    says(&room, (2, "runs --at 2026-13-01"), &["there is no day 2026-13-01"]);
    for typed in ["runs --at 99", "diff 1 99"] {
        says(&room, (2, typed), &["the last event is seq 54"]);
    }
}

#[test]
fn a_missing_run_has_the_same_words_in_every_command() {
    let room = room();
    let words = ["no run `nobody` in log `./evlog`", "`evlog runs` lists the runs; `--log PATH` names another log"];
    for typed in [
        "show nobody",
        "explain nobody",
        "cat --run nobody",
        "project --check . --run nobody",
        "evidence nobody --out page.html",
    ] {
        says(&room, (1, typed), &words);
    }
    // In these commands, exit code 1 means that something differs, or is not used.
    for typed in ["diff 1 4 nobody", "run plan.toml --resume nobody", "run plan.toml --retry nobody"] {
        says(&room, (2, typed), &words);
    }
}

#[test]
fn a_run_that_cannot_be_started_or_resumed_says_one_cause_and_a_way_on() {
    let room = room();
    let taken = "--run-id `RUN_0001`: log `./evlog` has a run of this name already; nothing was started";
    let way = "hint: choose another name, or leave out `--run-id`; `evlog show RUN_0001` shows that run";
    says(&room, (20, "run plan.toml --run-id RUN_0001"), &[taken, way]);
    says(&room, (20, "run plan.toml --run-id taken"), &["hint: choose another name, or leave out `--run-id`"]);
    let resumed = room.ends(2, &["run", "plan.toml", "--resume", "open"]);
    let cause = "was created with: pipeline: expected purple-axiom, found small; the run was not touched\n";
    assert!(resumed.err.contains(cause), "{}", resumed.err);
    assert!(resumed.err.lines().count() < 8, "{}", resumed.err);
    assert!(resumed.err.contains("5 more differences; `--json` lists them all"), "{}", resumed.err);
    let object = room.ends(2, &["run", "plan.toml", "--resume", "open", "--json"]).err;
    assert!(object.contains("stage `reporting`: expected enabled, found disabled"), "{object}");
}

#[test]
fn a_missing_file_is_named_with_its_option_and_without_numbers_of_the_system() {
    let room = room();
    for (typed, words) in [
        ("submit missing.jsonl", "could not read `missing.jsonl`: there is no such file"),
        ("submit --contract missing.toml", "--contract: could not read `missing.toml`: there is no such file"),
        ("import jsonl missing.jsonl --log new", "could not read `missing.jsonl`: there is no such file"),
        ("replay --against missing", "--against: could not read `missing`: there is no such file"),
        ("audit --rules missing.toml", "--rules: could not read `missing.toml`: there is no such file"),
        ("checkpoint --key missing.key", "--key: could not read `missing.key`: there is no such file"),
        (
            "verify --checkpoint missing.note --key log.pub",
            "checkpoint: could not read `missing.note`: there is no such file",
        ),
        ("check-proof missing --checkpoint n --key log.pub", "proof: could not read `missing`: there is no such file"),
        ("run missing.toml", "there is no plan `missing.toml`; nothing was started"),
        ("conform missing", "no bundle at `missing`: there is no such file or directory"),
        ("conform runs/old --pipeline missing.toml", "could not be read: there is no such file"),
    ] {
        says(&room, (2, typed), &[words]);
        assert!(!room.ends(2, &typed.split(' ').collect::<Vec<&str>>()).err.contains("os error"), "{typed}");
    }
}

#[test]
fn the_parser_gives_hints_as_all_errors_do_and_names_the_help_of_the_command() {
    let room = Room::new();
    says(&room, (2, "shwo RUN_0001"), &["\nhint: a similar subcommand exists: 'show'", "\nhint: `evlog --help` "]);
    says(
        &room,
        (2, "runs --state failed"),
        &["\nhint: a similar argument exists: '--status'", "\nhint: `evlog runs --help` "],
    );
    says(&room, (2, "--log show runs --last three"), &["\nhint: `evlog runs --help` "]);
    says(&room, (2, "key nwe"), &["\nhint: `evlog key --help` "]);
    for typed in ["shwo", "runs --kind status.created", "completions bsh", "runs --last x"] {
        let said = room.ends(2, &typed.split(' ').collect::<Vec<&str>>()).err;
        assert!(!said.contains("tip:") && !said.contains("For more information"), "`{typed}`: {said}");
    }
}
