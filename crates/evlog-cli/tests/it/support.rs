//! A directory of its own for each test, and the binary run in it.

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Every contract, accepted and rejected and refused: `evlog.md` section 8 in small.
pub(crate) const BATCH: &str = r#"{"contract":"status","run":"RUN_0001","do":"create","id":"c1","at":"2026-02-23T18:00:00Z","actor":"agent:intake","data":{}}
{"contract":"status","run":"RUN_0001","do":"transition","to":"running"}
{"contract":"status","run":"RUN_0001","do":"transition","to":"failed","diagnostic":{"error_code":"TOOL_INTERNAL_ERROR","category":"tool","message":"m","likely_cause":"c","suggested_fix":"f","retryable":true,"severity":"error"}}
{"contract":"status","run":"RUN_0002","do":"retry","of":"RUN_0001","reason":"operator"}
{"contract":"pipeline","run":"11111111-1111-4111-8111-111111111111","do":"create","pipeline":"purple-axiom","manifest":{},"stages":{"signing":{"enabled":false},"validation":{"fail_mode":"warn_and_skip"}}}
{"contract":"pipeline","run":"11111111-1111-4111-8111-111111111111","do":"outcome","stage":"lab_provider","status":"failed","fail_mode":"fail_closed","reason_code":"config_schema_invalid"}
{"contract":"pipeline","run":"11111111-1111-4111-8111-111111111111","do":"finalize"}
{"contract":"custom","run":"order-7","do":"record","kind":"custom/shipped","data":{"by":"sea"}}
{"contract":"status","run":"RUN_0002","do":"transition","to":"success"}
{"contract":"status","run":"RUN_0001","do":"create","id":"c1","at":"2026-02-23T18:00:00Z","actor":"agent:intake","data":{}}
"#;

/// Commands that read a log, without those that need the name of a run.
pub(crate) const READING: [&[&str]; 11] = [
    &["verify"],
    &["cat"],
    &["tail"],
    &["runs"],
    &["replay"],
    &["inspect"],
    &["inspect", "--segment", "0"],
    &["inspect", "--frame", "96"],
    &["inspect", "--sidecars"],
    &["repair", "--dry-run"],
    &["project", "--check", "."],
];

/// A directory that goes away with the test; the log is `evlog` within it.
pub(crate) struct Room {
    dir: tempfile::TempDir,
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Room {
    pub(crate) fn new() -> Room {
        Room { dir: tempfile::tempdir().unwrap() }
    }

    /// A room with a log that holds [`BATCH`].
    pub(crate) fn with_batch() -> Room {
        let room = Room::new();
        let done = room.feed(&["submit"], BATCH);
        assert_eq!(done.code, 1, "one line is rejected: {done:?}");
        room
    }

    /// A copy of the room, which is faster than to make it again.
    pub(crate) fn again(&self) -> Room {
        let copy = Room::new();
        for file in files_below(self.dir.path()) {
            let target = copy.dir.path().join(file.strip_prefix(self.dir.path()).unwrap());
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(&file, target).unwrap();
        }
        copy
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(crate) fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_evlog"), arguments)
    }

    /// Another program in the room.
    pub(crate) fn command_of(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.dir.path()).env_remove("EVLOG_LOG").stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs a program on a terminal of its own, with these variables; what the terminal was sent is the answer.
    pub(crate) fn on_a_terminal(&self, typed: &[&str], variables: &[(&str, &str)]) -> Done {
        const PROGRAM: &str = "import os, pty, sys\nsys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
        let mut command = self.command_of("python3", &["-c", PROGRAM]);
        command.args(typed).envs(without_colours()).env("TERM", "xterm");
        command.envs(variables.iter().copied()).output().unwrap().into()
    }

    /// Runs a command that must end with this code.
    pub(crate) fn ends(&self, code: i32, arguments: &[&str]) -> Done {
        let done = self.run(arguments);
        assert_eq!(done.code, code, "{arguments:?}: {done:?}");
        done
    }

    /// Runs a command with this input.
    pub(crate) fn feed(&self, arguments: &[&str], input: &str) -> Done {
        let mut child = self.spawn(arguments);
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let feeder = std::thread::spawn(move || {
            // A command that ends early does not read the whole input.
            let _gone = stdin.write_all(input.as_bytes());
        });
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        output.into()
    }

    /// Starts a command whose input and outputs are pipes.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Segment files of the log, in order.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = files_below(&self.path("evlog/segments"));
        files.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
        files
    }
}

/// Empty variables, which say nothing about colours.
pub(crate) fn without_colours() -> [(&'static str, &'static str); 3] {
    ["NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR"].map(|name| (name, ""))
}

/// Sends a process a signal, by its name without `SIG`.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Regular files below a directory, sorted.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

impl From<Output> for Done {
    fn from(output: Output) -> Done {
        Done {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Done {
    /// The answer, one JSON value a line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The answer, one JSON value; of `run --json` the last line, before which everything is an event.
    pub(crate) fn json(&self) -> Value {
        let Err(_) = serde_json::from_str::<Value>(&self.out) else { return self.lines().remove(0) };
        let mut lines = self.lines();
        let answer = lines.pop().unwrap();
        assert_eq!(answer["event"], "run_finished", "{self:?}");
        assert!(lines.iter().all(|line| line["event"].is_string() && line["event"] != "run_finished"), "{self:?}");
        answer
    }

    /// Asserts that the talk says this.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Done {
        assert!(self.err.contains(text), "expected {text:?} on stderr, found {self:?}");
        self
    }
}
