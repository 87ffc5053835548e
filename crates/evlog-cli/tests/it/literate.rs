//! The pages of `tests/cmd`: what each command shows, as a story that a reader can type. CONTRIBUTING.md says how to write one.
//!
//! Each line that begins with `$` is run by a shell, in a directory of the page's own that begins as `tests/cmd/in`. Below it is
//! what it prints, to stdout and stderr; a last line `? CODE` is an exit code other than 0. `[..]` stands for any text of a
//! line, a line `...` for any lines, and the names of [`redactions`] for what differs from day to day.

use crate::guide::every_command;
use crate::support::{Done, Room, files_below, without_colours};
use snapbox::filter::NormalizeToExpected;
use snapbox::{Data, Redactions};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd")
}

/// Every page, by the name of its command: `key-new` is the page of `evlog key new`.
fn pages() -> Vec<(String, PathBuf)> {
    let files = files_below(&dir()).into_iter().filter(|path| path.extension().is_some_and(|end| end == "md"));
    files.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

/// What differs from day to day, from machine to machine or from user to user.
fn redactions() -> Redactions {
    let mut redactions = Redactions::new();
    redactions.insert("[VERSION]", env!("CARGO_PKG_VERSION")).unwrap();
    for (name, pattern) in [
        ("[TIME]", r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
        ("[RUN_ID]", r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"),
        ("[DIGEST]", r"\b[0-9a-f]{64}\b"),
        ("[LOG_ID]", r"\b[0-9a-f]{32}\b"),
        ("[ENCODED]", r"[A-Za-z0-9+/]{43,}={1,2}"),
        ("[KEY]", r"\+(?<redacted>[0-9a-f]{8}(\+[A-Za-z0-9+/]{20,})?)"),
        ("[KEY]", r#""id":"(?<redacted>[0-9a-f]{8})""#),
        ("[CHECKSUM]", r"expected (checksum )?(?<redacted>[0-9a-f]{8}), found"),
        ("[CHECKSUM]", r"(checksum  +|checksum of |, found )(?<redacted>[0-9a-f]{8})\b"),
        ("[CHECKSUM]", r"in place of (?<redacted>[0-9a-f]{8})\b"),
        ("[DIGEST]", r"-refused-(?<redacted>[0-9a-f]{16})"),
        ("[DIR]", r"[^` ]*/\.tmp[A-Za-z0-9]+"),
        ("[SPENT]", r" (?<redacted>\d+(\.\d)?) s\b"),
        ("[SPENT]", r#"\bduration_ms[": ]+(null → )?(?<redacted>\d+)"#),
        ("[PROCESS]", r#"(process |"pid":)(?<redacted>\d+)"#),
        // The name of the user is in the log, so it decides where everything is.
        ("[USER]", r"\bos:(?<redacted>[A-Za-z0-9_.-]+)"),
        ("[SIZE]", r"\b(?<redacted>\d+) bytes"),
        ("[SIZE]", r#""(bytes|end|size)":(?<redacted>[1-9]\d*)"#),
        ("[SIZE]", r"/(?<redacted>\d{20})(\.note|-\d+\.bin)"),
        ("[SIZE]", r"(?m)^(?<redacted>\d+)$"),
        ("[POSITION]", r"\bposition (?<redacted>[1-9]\d*)"),
    ] {
        redactions.insert(name, regex::Regex::new(pattern).unwrap()).unwrap();
    }
    redactions
}

/// A line `$ COMMAND` of a page, with those that continue it, and what is expected below it.
struct Step<'a> {
    typed: Vec<&'a str>,
    expected: String,
}

impl Step<'_> {
    fn command(&self) -> String {
        self.typed.iter().map(|line| line.get(2..).unwrap_or_default()).collect::<Vec<_>>().join("\n")
    }

    /// What the command prints in this room, as far as the expectation leaves it open.
    fn found(&self, room: &Room, redactions: &Redactions) -> String {
        let done = shell(room, &self.command());
        let newline = if done.out.is_empty() || done.out.ends_with('\n') { "" } else { "\n" };
        let code = if done.code == 0 { String::new() } else { format!("? {}\n", done.code) };
        let out: String =
            done.out.replace('\r', "").split_inclusive('\n').filter(|line| !is_of_the_clock(line)).collect();
        let found = Data::text(format!("{out}{newline}{code}"));
        let expected = Data::text(self.expected.as_str());
        NormalizeToExpected::new().redact_with(redactions).normalize(found, &expected).render().unwrap()
    }
}

/// A line of a difference that is there only if two events were not recorded within one second.
fn is_of_the_clock(line: &str) -> bool {
    line.trim_start().starts_with("~ /updated_at_utc: ")
}

fn shell(room: &Room, command: &str) -> Done {
    let program = Path::new(env!("CARGO_BIN_EXE_evlog")).parent().unwrap().display().to_string();
    let path = std::env::var("PATH").map_or(program.clone(), |path| format!("{program}:{path}"));
    let mut shell = room.command_of("sh", &["-c", &format!("exec 2>&1\n{command}")]);
    for name in ["EVLOG_ACTOR", "EVLOG_CORRELATION", "EVLOG_KEY", "TRACEPARENT"] {
        shell.env_remove(name);
    }
    shell.env("PATH", path).env("TZ", "UTC").envs(without_colours()).output().unwrap().into()
}

/// The page with what its commands show now in place of what it says they show.
fn run(page: &str, room: &Room, redactions: &Redactions) -> String {
    let mut made = String::new();
    let mut lines = page.lines().peekable();
    let mut is_console = false;
    while let Some(line) = lines.next() {
        made.extend([line, "\n"]);
        if line.starts_with("```") {
            is_console = line == "```console";
        }
        if !is_console || !line.starts_with("$ ") {
            continue;
        }
        let mut step = Step { typed: vec![line], expected: String::new() };
        while let Some(line) = lines.next_if(|line| line.starts_with("> ") || *line == ">") {
            step.typed.push(line);
            made.extend([line, "\n"]);
        }
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ") && !line.starts_with("```")) {
            step.expected.extend([line, "\n"]);
        }
        made += &step.found(room, redactions);
    }
    made
}

/// A room that begins as `tests/cmd/in`.
fn room() -> Room {
    let room = Room::new();
    for file in files_below(&dir().join("in")) {
        fs::copy(&file, room.path(file.file_name().unwrap().to_str().unwrap())).unwrap();
    }
    room
}

/// Runs every page, as many at a time as is worth it; those that differ now, as they would be.
fn differing(pages: Vec<(String, PathBuf)>) -> Vec<(PathBuf, String, String)> {
    let redactions = redactions();
    let (open, differing) = (Mutex::new(pages), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((_, path)) = { open.lock().unwrap().pop() } {
                    let page = fs::read_to_string(&path).unwrap();
                    let made = run(&page, &room(), &redactions);
                    if made != page {
                        differing.lock().unwrap().push((path, page, made));
                    }
                }
            });
        }
    });
    differing.into_inner().unwrap()
}

/// The lines of one text that are not in the other.
fn lines_besides(text: &str, other: &str) -> String {
    let other: BTreeSet<&str> = other.lines().collect();
    text.lines().filter(|line| !other.contains(line)).flat_map(|line| ["    ", line, "\n"]).collect()
}

#[test]
fn every_command_shows_what_its_page_says() {
    let differing = differing(pages());
    if std::env::var_os("EVLOG_BLESS").is_some() {
        return differing.iter().for_each(|(path, _, made)| fs::write(path, made).unwrap());
    }
    let texts: Vec<String> = differing
        .iter()
        .map(|(path, page, made)| {
            let [expected, found] = [lines_besides(page, made), lines_besides(made, page)];
            format!("{}\n  expected:\n{expected}  found:\n{found}", path.display())
        })
        .collect();
    let hint = "read the difference; `EVLOG_BLESS=1 cargo test -p evlog-cli literate` writes the pages again";
    assert!(texts.is_empty(), "{}{hint}", texts.concat());
}

/// A command with commands of its own does nothing itself.
#[test]
fn every_command_has_a_page_which_shows_it_and_a_refusal() {
    let commands = every_command(&Room::new());
    let is_group =
        |words: &[String]| commands.iter().any(|other| other.len() > words.len() && other.starts_with(words));
    let expected: BTreeSet<String> =
        commands.iter().filter(|words| !is_group(words)).map(|words| words.join("-")).collect();
    let found: BTreeSet<String> = pages().into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, expected, "a page for each command, in {}", dir().display());
    for (name, path) in pages() {
        let page = fs::read_to_string(path).unwrap();
        let command = commands.iter().find(|words| words.join("-") == name).unwrap().join(" ");
        assert!(page.starts_with(&format!("# evlog {command}\n\n")), "the title of {name}");
        let mut typed = page.lines().filter(|line| line.starts_with("$ ") && line.contains("evlog "));
        assert!(typed.any(|line| line.contains(&format!(" {command}"))), "{name} does not show its command");
        assert!(page.contains("\n? "), "{name} shows no refusal");
    }
}

#[test]
fn a_page_that_says_what_is_not_so_is_found_out() {
    let page = "# Text\n\n```console\n$ echo a; echo b >&2; exit 3\na\nb\n? 3\n$ cat <<'end'\n> c\n> end\n[..]\n```\n";
    let run = |page: &str| run(page, &Room::new(), &redactions());
    assert_eq!(run(page), page);
    for (right, wrong) in [("\na\n", "\n"), ("\nb\n", "\nc\n"), ("? 3", "? 4"), ("? 3\n", ""), ("[..]\n", "[..]\n\n")] {
        assert_ne!(page, page.replace(right, wrong));
        assert_eq!(run(&page.replace(right, wrong)).replace("\nc\n```", "\n[..]\n```"), page, "{wrong:?}");
    }
}
