//! `evlog top` on a terminal: its screen, its keys, and how it ends.

use crate::screen::drive;
use crate::support::Room;

/// Adds an event to a run that goes on.
const MORE: &str = r#"run echo '{"contract":"status","run":"RUN_0003","do":"create"}' | "$EVLOG" -q submit"#;

fn room() -> Room {
    let room = Room::with_batch();
    room.feed(&["submit", "--actor", "operator"], "{\"contract\":\"status\",\"run\":\"RUN_0009\",\"do\":\"create\"}\n");
    room
}

/// What is built in is tested where it is built in.
fn is_built_in() -> bool {
    cfg!(feature = "top")
}

#[test]
fn a_program_without_a_terminal_or_without_the_screen_says_what_to_do() {
    let room = room();
    room.ends(2, &["top"]).says("`top` expected a terminal").says("evlog tail -f");
    room.ends(2, &["top", "--json"]).says("no JSON").says("evlog tail -f --json");
    if !is_built_in() {
        let found = drive(&room, (80, 24), &["top"], &[]).out;
        assert!(found.contains("built without it") && found.contains("--features top"), "{found}");
        assert!(found.contains("exit code 2"), "{found}");
    }
}

#[test]
fn the_screen_follows_a_live_log_and_keys_open_a_run_and_go_back() {
    if !is_built_in() {
        return;
    }
    let room = room();
    let pipeline = "11111111-1111-4111-8111-111111111111";
    let found = drive(
        &room,
        (80, 24),
        &["top"],
        &[
            "see verdict clean up to seq",
            "see RUN_0009",
            "see writer closed the log",
            MORE,
            "see RUN_0003",
            "keys /1111",
            "see filter: 1111_",
            "keys \\r",
            "lose RUN_0009",
            "keys \\r",
            &format!("see RUN {pipeline}"),
            "see lab_provider",
            "see DURATION",
            "show",
            "keys \\x1b",
            "see newest event first",
            "keys \\x1b",
            "see RUN_0009",
            "keys q",
        ],
    );
    assert!(found.out.contains("failed") && found.out.contains("STAGE"), "{}", found.out);
    assert!(found.out.ends_with("given back\nexit code 0\n"), "{}", found.out);
}

#[test]
fn the_stages_of_a_run_have_their_attempts_and_durations() {
    if !is_built_in() {
        return;
    }
    let room = Room::new();
    room.ends(0, &["run", "--init", "first"]);
    room.ends(0, &["run", "first/plan.toml", "--run-id", "one"]);
    let found = drive(&room, (80, 24), &["top"], &["see success", "keys \\r", "see DURATION", "show", "keys q"]).out;
    let line = found.lines().find(|line| line.starts_with("  collect ")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert!(words[1..3] == ["success", "1"] && words[4] == "s", "{found}");
}

#[test]
fn the_terminal_is_given_back_however_the_screen_ends() {
    if !is_built_in() {
        return;
    }
    let room = room();
    for (step, code) in [("keys q", 0), ("keys \\x03", 0), ("kill INT", 130), ("kill TERM", 143), ("kill HUP", 129)] {
        let found = drive(&room, (80, 24), &["top"], &["see RUN_0009", step]).out;
        assert!(found.ends_with(&format!("given back\nexit code {code}\n")), "{step}: {found}");
    }
}

#[test]
fn a_log_that_is_gone_is_said_on_the_screen_and_in_the_exit_code() {
    if !is_built_in() {
        return;
    }
    let room = room();
    let script = ["see RUN_0009", "run rm -r evlog", "see removed or moved", "keys q"];
    let found = drive(&room, (80, 24), &["top"], &script).out;
    assert!(found.contains("error: ") && found.ends_with("given back\nexit code 2\n"), "{found}");
}

#[test]
fn the_screen_fits_the_terminal_when_that_changes_and_says_if_it_is_too_small() {
    if !is_built_in() {
        return;
    }
    let room = room();
    let script = [
        "see RUN_0009",
        "size 50 12",
        "see this one has 50 and 12",
        "size 160 40",
        "see ACTOR",
        "see operator",
        "size 60 16",
        "lose ACTOR",
        "see RUN_0009",
        "keys q",
    ];
    let found = drive(&room, (80, 24), &["--color", "never", "top"], &script).out;
    assert!(found.ends_with("given back\nexit code 0\n"), "{found}");
}
