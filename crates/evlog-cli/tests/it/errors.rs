//! `docs/errors.md`: what evlog says when something goes wrong, with the exit code, made by running each situation.
//!
//! A test compares the variants of the error types with the situations, so a new variant needs one, or a reason why it has none.

use crate::support::Room;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const HEAD: &str = "\
# Error messages

Made by running each command; do not edit. `EVLOG_BLESS=1 cargo test -p evlog-cli --test it errors` writes it again.

Each message says what happened, where, what was expected and what was found; a hint says what to do. Look for the words that you
see, without the names of your files. [json.md](json.md#errors) describes the same as JSON, for programs. The messages of a damaged
log are in [repair.md](repair.md) and [recovery.md](recovery.md), those about a plan in [plan.md](plan.md).
";

/// What a person typed, by kind of trouble. Words in quotes are one argument.
const SITUATIONS: [(&str, &[&str]); 9] = [
    (
        "Wrong usage",
        &[
            "shwo RUN_0001",
            "show",
            "show RUN_0001 RUN_0002",
            "runs --state failed",
            "runs --kind status.created",
            "runs --no-such-option",
            "completions bsh",
            "runs --color sometimes",
            "verify --format xml",
            "verify --json=2",
            "run --retry old",
            "diff 1",
        ],
    ),
    (
        "Numbers and times",
        &[
            "runs --last three",
            "cat --from 99999999999999999999",
            "runs --at yesterdy",
            "runs --at 2026-02-30",
            "runs --at 99",
            "runs --tz Mars",
            "runs --since soon",
            "runs --occurred",
            "verify --max-rate fast",
            "verify --sample 200%",
            "bench --events 5",
            "conform runs/old --exit-code 300",
        ],
    ),
    (
        "Names",
        &[
            "show RUN_001",
            "show nothing-like-it",
            "cat --run RUN_001",
            "runs --contract sttatus",
            "cat --kind status.creatd",
            "cat --where colour",
            "cat --where colour=red",
            "cat --where seq~[",
            "explain RUN_0001 --why status",
            "explain RUN_0001 --why /no/such/place",
            "explain RUN_0001 --why other.json#/status",
            "diff 1 4 RUN_001",
            "contract show nope",
        ],
    ),
    ("Logs", &["runs --log missing", "runs --log plan.toml", "runs --log .", "init"]),
    (
        "Files",
        &[
            "submit missing.jsonl",
            "submit --contract missing.toml",
            "import jsonl missing.jsonl --log new",
            "import jsonl missing.jsonl",
            "export --format csv --out log.key",
            "replay --trail log.key",
            "replay --against missing",
            "replay --against log.pub",
            "audit --rules missing.toml",
            "audit --rules plan.toml",
            "policy set plan.toml",
            "tail --cursor log.pub",
            "man log.key",
            "backup runs",
            "project --check missing",
            "bench --dir missing",
        ],
    ),
    (
        "Keys, checkpoints and proofs",
        &[
            "checkpoint --key missing.key",
            "checkpoint --key log.pub",
            "checkpoint --key open.key",
            "checkpoint --key witness.key",
            "checkpoint --key plan.toml",
            "key show log.key",
            "key new log --out log.key",
            "key new 'a b'",
            "prove --seq 1",
            "checkpoint --key log.key --out log.key",
            "checkpoint --key log.key --out evlog/HEAD",
            "check-proof log.key --checkpoint plan.toml --key log.pub",
            "check-evidence plan.toml --key log.pub",
            "witness plan.toml --state seen --log-key log.pub --key witness.key",
        ],
    ),
    (
        "Runs of plans",
        &[
            "run missing.toml",
            "run wrong.toml",
            "run plan.toml --run-id ../x",
            "run plan.toml --run-id taken",
            "run plan.toml --run-id RUN_0001",
            "run plan.toml --run-id locked",
            "run plan.toml --resume nobody",
            "run plan.toml --resume olf",
            "run plan.toml --resume RUN_0001",
            "run plan.toml --resume old",
            "run plan.toml --retry good",
            "run plan.toml --retry open",
            "run plan.toml --retry old --from sun",
            "run plan.toml --resume open",
            "run --resume open",
            "run plan.toml --junit evlog/HEAD",
        ],
    ),
    (
        "Bundles",
        &[
            "conform missing",
            "conform runs/old --log missing",
            "conform runs/old --pipeline missing.toml",
            "conform runs/old --plan wrong.toml",
            "evidence nobody --out page.html",
        ],
    ),
    ("Answers", &["project --run RUN_001 --out .", "project --run old --out evlog"]),
];

/// Why no situation shows a variant.
type Reason = &'static str;

/// A variant, and a text that the page has for it, or the reason why it has none.
type Row = (&'static str, Result<&'static str, Reason>);

const PARSER: Reason = "the parser of arguments refuses it first";
const FAULT: Reason = "it takes a fault of the disk at one moment; tests of the crate cause it";
const PROCESS: Reason = "it takes a second process; another test of this program shows it";

/// The error types whose variants are compared, each with all of them.
const VARIANTS: [(&str, &[Row]); 3] = [
    (
        "OpenError",
        &[
            ("NoLog", Ok("no log at `missing`: expected segments in it, found none")),
            ("Exists", Err("`init` and `import` look first, and say it in their own words")),
            ("Locked", Err(PROCESS)),
            ("Version", Err("no program writes another version yet")),
            ("SegmentLimit", Err(PARSER)),
            ("Refused", Err("its text has positions and checksums of the log; other tests of this program show it")),
            ("Io", Ok("Not a directory")),
        ],
    ),
    (
        "KeyError",
        &[
            ("Form", Ok("expected a key of the form NAME+ID+BASE64")),
            ("Private", Ok("expected the public part of a key, found the private one")),
            ("Public", Ok("expected the private part of a key, found the public one")),
            ("Name", Ok("expected a key name of 1 to")),
            ("Algorithm", Err("it takes a key of another program; tests of the crate make one")),
            ("Bytes", Err("it takes a forged key; tests of the crate make one")),
            ("Id", Err("it takes a forged key; tests of the crate make one")),
        ],
    ),
    (
        "RunError",
        &[
            ("RunId", Err(PARSER)),
            ("Secrets", Err("the command looks first, and says that the plan is refused")),
            ("Locked", Ok("run `locked` is locked by")),
            ("BundleExists", Ok("there is a bundle already in")),
            ("UnknownRun", Ok("expected a run of the log, found no run `nobody` in it")),
            ("OtherContract", Ok("expected a run of contract `pipeline`, found one of contract `status`")),
            ("Ended", Ok("run `old` has ended, as failed")),
            ("InProgress", Ok("run `open`: expected a run that has ended, found it in progress")),
            ("NothingToRetry", Ok("run `good` has ended, as success: there is nothing to retry")),
            ("UnknownStage", Ok("expected an enabled stage of the plan, one of")),
            ("OtherPlan", Ok("the plan is not the one that run `open` was created with")),
            ("NoBundle", Err("it takes a run that was killed, and its bundle removed; tests of resuming do that")),
            ("Refused", Ok("the contract refused the command `create`: RUN_EXISTS")),
            ("Descriptors", Err("it takes a limit of the process; another test of this program sets one")),
            ("Interrupted", Err("it takes a signal at one moment; another test of this program sends one")),
            ("Left", Err(FAULT)),
            ("Incomplete", Err(FAULT)),
            ("Log", Err("it hands on the error of a log")),
            ("File", Err(FAULT)),
            ("Projection", Err("it takes a defect of this program")),
        ],
    ),
];

/// A plan whose last stage does this.
fn plan(last: &str) -> String {
    let stage = |id: &str, command: &str| {
        format!("[[stage]]\nid = \"{id}\"\ncommand = [\"{command}\"]\nreason_code = \"input_missing\"\n")
    };
    format!("name = \"small\"\n{}{}", stage("sum", "true"), stage("last", last))
}

/// A log of every contract, keys, plans, and what stands in the way of some commands.
pub(crate) fn room() -> Room {
    let room = Room::with_batch();
    room.write("plan.toml", &plan("false"));
    room.ends(20, &["run", "plan.toml", "--run-id", "old"]);
    room.write("plan.toml", &plan("true"));
    room.ends(0, &["run", "plan.toml", "--run-id", "good"]);
    let open = r#"{"contract":"pipeline","run":"open","do":"create","pipeline":"purple-axiom","manifest":{}}"#;
    assert_eq!(room.feed(&["submit"], open).code, 0);
    room.write("wrong.toml", "name = \"p\"\n[[stage]]\nid = \"A B\"\ncolour = 1\n");
    room.write("runs/taken/notes.txt", "");
    room.write("runs/.locks/locked.lock", "pid=1\n");
    room.ends(0, &["key", "new", "example.com/log", "--out", "log.key"]);
    room.ends(0, &["key", "new", "example.com/witness", "--witness", "--out", "witness.key"]);
    fs::copy(room.path("log.key"), room.path("open.key")).unwrap();
    fs::set_permissions(room.path("open.key"), PermissionsExt::from_mode(0o644)).unwrap();
    room
}

/// The arguments of a line; those in single quotes may have spaces.
fn words(line: &str) -> Vec<&str> {
    let pieces = line.split('\'').enumerate();
    pieces
        .flat_map(|(nth, piece)| if nth % 2 == 1 { vec![piece] } else { piece.split_whitespace().collect() })
        .collect()
}

fn page() -> String {
    let room = room();
    let mut page = HEAD.to_owned();
    for (title, lines) in SITUATIONS {
        write!(page, "\n## {title}\n").unwrap();
        for line in lines {
            let done = room.run(&words(line));
            assert_ne!(done.code, 0, "`{line}` is no error: {done:?}");
            assert!(!done.err.is_empty(), "`{line}` says nothing: {done:?}");
            let said = done.err.replace(room.path("").to_str().unwrap(), "/srv/evlog/");
            let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
            let said = lines.join("\n");
            write!(page, "\n`evlog {line}` (exit code {})\n\n```text\n{}\n```\n", done.code, said.trim_end()).unwrap();
        }
    }
    page
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md")
}

/// The page as it is.
fn written() -> String {
    fs::read_to_string(path()).unwrap_or_default()
}

#[test]
fn docs_errors_md_is_what_the_commands_say() {
    let expected = page();
    if std::env::var_os("EVLOG_BLESS").is_some() {
        fs::write(path(), &expected).unwrap();
    }
    assert_eq!(written(), expected, "run `EVLOG_BLESS=1 cargo test -p evlog-cli --test it errors`");
}

/// Words of the standard library and of the system that say nothing about what evlog expected.
#[test]
fn no_message_is_that_of_a_library_and_none_shows_a_private_key() {
    let page = written();
    for words in ["invalid digit", "number too large", "PRIVATE+KEY+example"] {
        assert!(!page.contains(words), "docs/errors.md says `{words}`");
    }
}

/// The variants of an enum, as its source has them: names at the first level of braces.
fn variants_of(source: &str, name: &str) -> Option<Vec<String>> {
    let body = source.split(&format!("pub enum {name} {{\n")).nth(1)?.split("\n}\n").next()?;
    let is_variant = |line: &&str| line.starts_with("    ") && line[4..].starts_with(|c: char| c.is_ascii_uppercase());
    let name = |line: &str| line[4..].split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned();
    Some(body.lines().filter(is_variant).map(name).collect())
}

fn sources() -> Vec<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let found = crate::support::files_below(&crates);
    found.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn every_variant_of_an_error_has_a_situation_or_a_reason_why_it_has_none() {
    let page = written();
    let sources: Vec<String> = sources().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for (name, rows) in VARIANTS {
        let found: Vec<Vec<String>> = sources.iter().filter_map(|source| variants_of(source, name)).collect();
        assert_eq!(found.len(), 1, "one enum has the name {name}");
        let found: BTreeSet<&str> = found[0].iter().map(String::as_str).collect();
        let listed: BTreeSet<&str> = rows.iter().map(|(variant, _)| *variant).collect();
        assert_eq!(listed, found, "{name}: each variant needs a situation, or the reason why it has none");
        for (variant, shown) in rows {
            if let Ok(text) = shown {
                assert!(page.contains(text), "{name}::{variant}: docs/errors.md does not have `{text}`");
            }
        }
    }
}
