//! The lines of `cat` and `tail`: what they show in a pipe and on a terminal, and the options that change them.

use crate::support::{BATCH, Done, Room};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

/// Runs a command on a terminal with this many columns; what the terminal was sent is the answer.
fn on_a_terminal(room: &Room, columns: usize, arguments: &[&str], variables: &[(&str, &str)]) -> Done {
    const PROGRAM: &str = "import fcntl, os, pty, struct, sys, termios\n\
        pid, fd = pty.fork()\n\
        if pid == 0:\n\
        \x20   fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 50, int(sys.argv[1]), 0, 0))\n\
        \x20   os.execv(sys.argv[2], sys.argv[2:])\n\
        while True:\n\
        \x20   try: part = os.read(fd, 65536)\n\
        \x20   except OSError: break\n\
        \x20   if not part: break\n\
        \x20   sys.stdout.buffer.write(part.replace(b'\\r\\n', b'\\n'))\n\
        \x20   sys.stdout.flush()\n\
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";
    let mut command = Command::new("python3");
    command.args(["-c", PROGRAM, &columns.to_string(), env!("CARGO_BIN_EXE_evlog")]).args(arguments);
    command.current_dir(room.path("")).env_remove("EVLOG_LOG").env_remove("NO_COLOR").env("TERM", "xterm");
    command.envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap().into()
}

/// A log with the batch, by one actor: another user of the system has a name of another length.
fn batch() -> Room {
    let room = Room::new();
    room.feed(&["submit", "--actor", "operator"], BATCH);
    room
}

/// A log with an event whose payload is much longer than a line.
fn long() -> Room {
    let room = batch();
    let digest = "0123456789abcdef".repeat(4);
    let text = "a long text ".repeat(300);
    let data = format!(r#"{{"digest":"{digest}","note":"{text}","nested":[{{"a":1}}]}}"#);
    let line = format!(
        r#"{{"contract":"custom","run":"{}","do":"record","kind":"custom/long","data":{data}}}"#,
        "r".repeat(50)
    );
    room.feed(&["submit"], &line);
    room
}

#[test]
fn nothing_is_cut_in_a_pipe() {
    let room = long();
    for command in [&["cat", "--kind", "custom/long"][..], &["tail", "--kind", "custom/long"]] {
        let out = room.ends(0, command).out;
        assert_eq!(out.lines().count(), 1, "{out}");
        assert!(!out.contains('…'), "{out}");
        assert!(out.contains(&"r".repeat(50)) && out.contains(&"0123456789abcdef".repeat(4)), "{out}");
        assert_eq!(out.matches("a long text").count(), 300, "{out}");
    }
}

#[test]
fn a_line_shows_time_run_event_status_and_actor_before_the_payload() {
    let room = Room::with_batch();
    let out = room.ends(0, &["cat", "--run", "RUN_0001"]).out;
    let line = out.lines().next().unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(
        (words[0], &words[2..6]),
        ("2", &["RUN_0001", "status.created", "created", "agent:intake"][..]),
        "{out}"
    );
    let last = out.lines().last().unwrap();
    assert_eq!(last.split_whitespace().nth(4), Some("failed"), "the status after the event: {out}");
    // The status is right even if the earlier events are not shown.
    assert_eq!(room.ends(0, &["tail", "-n", "1", "--run", "RUN_0001"]).out.split_whitespace().nth(4), Some("failed"));
    let log = room.ends(0, &["cat", "--run", "$log"]).out;
    assert!(log.lines().all(|line| line.split_whitespace().nth(4) == Some("-")), "the log has no status: {log}");
}

#[test]
fn on_a_terminal_a_line_fits_and_its_columns_are_aligned() {
    let room = long();
    for columns in [60, 80, 160] {
        for command in [&["cat"][..], &["tail", "-n", "100"]] {
            let done = on_a_terminal(&room, columns, command, &[("NO_COLOR", "1")]);
            assert_eq!(done.code, 0, "{done:?}");
            assert!(done.out.contains('…') && done.out.contains("RUN_0002"), "{columns}: {}", done.out);
            assert!(done.out.lines().all(|line| line.chars().count() < columns), "{columns}: {}", done.out);
            let place = |word: &str, line: &str| line.find(word).map(|at| line[..at].chars().count());
            for word in ["  status.", "  created ", "  operator"] {
                let places: BTreeSet<_> = done.out.lines().filter_map(|line| place(word, line)).collect();
                assert_eq!(places.len(), 1, "{word:?} at {columns}: {}", done.out);
            }
        }
    }
}

#[test]
fn a_wrapped_line_is_broken_at_words_below_its_fields_and_full_shows_everything() {
    let room = long();
    for columns in [60, 80, 160] {
        let wrapped = on_a_terminal(&room, columns, &["tail", "-n", "7", "--wrap"], &[("NO_COLOR", "1")]).out;
        assert!(wrapped.contains("reason=undefined_transition") && wrapped.contains("a long text"), "{wrapped}");
        assert!(wrapped.lines().all(|line| line.chars().count() < columns), "{columns}: {wrapped}");
        let below: BTreeSet<usize> = wrapped
            .lines()
            .filter(|line| line.starts_with("     "))
            .map(|line| line.len() - line.trim_start().len())
            .collect();
        assert_eq!(below.len(), 1, "{columns}: {wrapped}");
        let full = on_a_terminal(&room, columns, &["tail", "--full", "--wrap", "--kind", "custom/long"], &[]).out;
        assert_eq!(full.split_whitespace().collect::<Vec<_>>().join(" ").matches("a long text").count(), 300, "{full}");
        assert!(full.contains(r#"nested=[{"a":1}]"#) && !full.contains('…'), "{full}");
    }
    // In a pipe a line is a line.
    for options in [&["--wrap"][..], &["--full"], &["--full", "--wrap"]] {
        let out = room.ends(0, &[&["cat", "--kind", "custom/long"], options].concat()).out;
        assert_eq!(out.lines().count(), 1, "{out}");
        assert_eq!(out.contains(r#"nested=[{"a":1}]"#), options[0] == "--full", "{out}");
    }
}

#[test]
fn chosen_fields_and_templates_show_what_they_name() {
    let room = batch();
    let of = |options: &[&str]| room.ends(0, &[&["cat", "--run", "RUN_0001"], options].concat()).out;
    assert_eq!(
        of(&["--fields", "kind,actor,status,payload.to"]),
        "status.created       agent:intake  created  -\n\
         status.transitioned  operator      running  running\n\
         status.transitioned  operator      failed   failed\n"
    );
    assert_eq!(
        of(&["--format", "{seq}\\t{run} {{{kind}}} {status} {payload.to}"]),
        "2\tRUN_0001 {status.created} created -\n\
         3\tRUN_0001 {status.transitioned} running running\n\
         4\tRUN_0001 {status.transitioned} failed failed\n"
    );
    assert_eq!(room.ends(0, &["tail", "-n", "1", "--format", "{kind}"]).out, "log.closed\n");
    let occurred = of(&["--time", "local", "--tz", "+02:00", "--format", "{occurred}"]);
    assert!(occurred.starts_with("2026-02-23T20:00:00.000+02:00\n"), "{occurred}");
    let relative = of(&["--time", "relative", "--fields", "occurred,seq"]);
    assert!(relative.lines().next().unwrap().contains(" ago  2"), "{relative}");
    // A field of others cannot steer the terminal, and cannot begin a line.
    let line = r#"{"contract":"custom","run":"o","do":"record","kind":"custom/x","data":{"x":"a\u001b[2J\nb"}}"#;
    room.feed(&["submit"], line);
    assert_eq!(room.ends(0, &["cat", "--run", "o", "--format", "{payload.x}"]).out, "a\\u{1b}[2J\\u{a}b\n");
}

#[test]
fn a_mistake_in_the_options_of_lines_is_refused_before_anything_is_read() {
    let room = Room::new();
    room.ends(2, &["cat", "--format", "{seq} {knd}"]).says("column 7: expected a field of an event").says("`knd`");
    room.ends(2, &["tail", "--format", "json"]).says("column 1").says("--json");
    room.ends(2, &["tail", "--fields", "kind,too"]).says("`too`");
    for pair in [["--format={seq}", "--json"], ["--full", "--fields=kind"], ["--wrap", "--json"]] {
        room.ends(2, &["tail", pair[0], pair[1]]).says("cannot be used with");
    }
}

#[test]
fn a_row_of_a_table_that_does_not_fit_a_terminal_goes_on_below_and_nothing_is_cut() {
    let room = batch();
    let piped = room.ends(0, &["runs"]).out;
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for columns in [60, 80, 160] {
        let shown = on_a_terminal(&room, columns, &["runs"], &[("NO_COLOR", "1")]).out;
        assert!(shown.lines().all(|line| line.chars().count() < columns), "{columns}: {shown}");
        let table = shown.split("hint:").next().unwrap();
        assert_eq!(words(table)[..words(&piped).len()], words(&piped), "{columns}");
    }
}
