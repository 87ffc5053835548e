//! Standard streams that do not block (`O_NONBLOCK`), as another program that shares them may set them. A slow reader or
//! writer loses no byte and changes no exit code.

use crate::support::Room;
use rustix::fs::{OFlags, fcntl_setfl};
use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::process::Stdio;
use std::thread::{sleep, spawn};
use std::time::Duration;

/// Long enough for a command to find the pipe full. If it is not, a fault is missed, and nothing fails.
const MOMENT: Duration = Duration::from_millis(300);

/// A pipe that is full and does not block, and the length of what it holds.
fn full_pipe() -> (PipeReader, PipeWriter, usize) {
    let (reader, mut writer) = io::pipe().unwrap();
    fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
    let mut filled = 0;
    loop {
        match writer.write(&[b'x'; 4096]) {
            Ok(len) => filled += len,
            Err(full) => {
                assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
                return (reader, writer, filled);
            }
        }
    }
}

/// All that comes after what the pipe was filled with, read slowly.
fn slowly(mut reader: PipeReader, filled: usize) -> String {
    sleep(MOMENT);
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let len = reader.read(&mut piece).unwrap();
        if len == 0 {
            return String::from_utf8(all.split_off(filled)).unwrap();
        }
        all.extend_from_slice(&piece[..len]);
    }
}

/// A log whose answers are longer than a pipe takes.
fn long_room() -> Room {
    let room = Room::new();
    let text = "a text of some length ".repeat(4);
    let line = |run: usize| {
        format!(
            "{{\"contract\":\"custom\",\"run\":\"r{run}\",\"do\":\"record\",\"kind\":\"custom/x\",\"data\":\"{text}\"}}\n"
        )
    };
    room.write("commands", &(0..2000).map(line).collect::<String>());
    room.ends(0, &["submit", "commands"]);
    // No run has a file here, so that a comparison finds each of them.
    fs::create_dir(room.path("runs")).unwrap();
    room
}

#[test]
fn an_answer_into_a_pipe_that_does_not_block_is_the_same_as_into_one_that_does() {
    let room = long_room();
    for (words, len_min) in [
        (&["cat"] as &[&str], 65_536),
        (&["cat", "--json"], 65_536),
        (&["tail", "--lines", "1500"], 65_536),
        (&["runs"], 65_536),
        (&["runs", "--json"], 65_536),
        (&["export", "--format", "csv", "--out", "-"], 65_536),
        (&["export", "--format", "xes", "--out", "-"], 65_536),
        (&["project", "--check", ".", "--format", "junit"], 65_536),
        (&["verify", "--format", "sarif"], 1),
        (&["show", "r7", "--json"], 1),
        (&["--help"], 1),
        (&["--version"], 1),
    ] {
        let expected = room.run(words);
        assert!(expected.out.len() >= len_min, "{words:?}: {} bytes", expected.out.len());
        let (reader, writer, filled) = full_pipe();
        let mut child = room.command(words).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
        let found = slowly(reader, filled);
        assert!(found == expected.out, "{words:?}: {} of {} bytes", found.len(), expected.out.len());
        assert_eq!(child.wait().unwrap().code(), Some(expected.code), "{words:?}");
    }
}

#[test]
fn messages_into_a_pipe_that_does_not_block_are_all_written() {
    let room = long_room();
    for words in [&["show", "nobody"] as &[&str], &["cat", "--no-such-option"], &["cat", "--run", "r7", "--until", "x"]]
    {
        let expected = room.run(words);
        let (reader, writer, filled) = full_pipe();
        let mut child = room.command(words).stdout(Stdio::null()).stderr(writer).spawn().unwrap();
        assert_eq!(slowly(reader, filled), expected.err, "{words:?}");
        assert_eq!(child.wait().unwrap().code(), Some(expected.code), "{words:?}");
    }
}

#[test]
fn answers_and_messages_of_writers_are_whole_in_a_pipe_that_does_not_block() {
    let room = Room::new();
    let line = "{\"contract\":\"custom\",\"run\":\"a\",\"do\":\"record\",\"kind\":\"custom/x\"}\n";
    room.write("commands", &line.repeat(2000));
    let (reader, writer, filled) = full_pipe();
    let mut child = room.command(&["submit", "commands"]).stdout(writer).spawn().unwrap();
    assert_eq!(slowly(reader, filled).lines().filter(|line| line.contains("\"accepted\"")).count(), 2000);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let stage = "id = \"work\"\nreason_code = \"input_missing\"\ncommand = [\"sh\", \"-c\", \"yes 'a line of the stage' | head -n 5000\"]";
    room.write("plan.toml", &format!("name = \"p\"\n[[stage]]\n{stage}\n"));
    let (reader, writer, filled) = full_pipe();
    let words = ["run", "plan.toml", "--show-output"];
    let mut child = room.command(&words).stdout(Stdio::null()).stderr(writer).spawn().unwrap();
    assert_eq!(slowly(reader, filled).lines().filter(|line| line.ends_with("a line of the stage")).count(), 5000);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn input_that_does_not_block_is_read_to_its_end() {
    let room = Room::new();
    let line = "{\"contract\":\"custom\",\"run\":\"a\",\"do\":\"record\",\"kind\":\"custom/x\"}\n";
    let (reader, mut writer) = io::pipe().unwrap();
    fcntl_setfl(&reader, OFlags::NONBLOCK).unwrap();
    let mut child = room.command(&["submit"]).stdin(reader).stdout(Stdio::null()).spawn().unwrap();
    let feeder = spawn(move || {
        for _ in 0..3 {
            sleep(MOMENT);
            writer.write_all(line.as_bytes()).unwrap();
        }
    });
    assert_eq!(child.wait().unwrap().code(), Some(0));
    feeder.join().unwrap();
    assert_eq!(room.ends(0, &["cat", "--run", "a", "--json"]).lines().len(), 3);
}

#[test]
fn a_reader_that_has_gone_is_no_failure_in_a_pipe_that_does_not_block() {
    let room = long_room();
    for words in [&["cat"] as &[&str], &["runs", "--json"]] {
        let (reader, writer, _) = full_pipe();
        let mut child = room.command(words).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
        sleep(MOMENT);
        drop(reader);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{words:?}");
    }
}

#[test]
fn an_answer_to_a_stdout_that_is_open_for_reading_only_is_lost_and_the_exit_code_says_so() {
    let room = Room::new();
    room.ends(0, &["init"]);
    for arguments in [&["verify"][..], &["verify", "--json"], &["contract", "list"], &["--help"]] {
        let mut command = room.command(arguments);
        let done = command.stdout(fs::File::open("/dev/null").unwrap()).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {done:?}");
        assert!(String::from_utf8_lossy(&done.stderr).contains("could not write to stdout"), "{arguments:?}: {done:?}");
    }
}
