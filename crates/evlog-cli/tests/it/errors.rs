//! `docs/errors.md`: what evlog says when something goes wrong, with the exit code, made by running each situation.
//!
//! A test compares the variants of the error types with the situations, so a new variant needs one, or a reason why it has none.

use crate::support::Room;
use evlog::{Log, Options};
use evlog_projection::Contracts;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const HEAD: &str = "\
# Error messages

Each message says what happened, where, what was expected and what was found; a hint says what to do. Look for the words that you
see, without the names of your files. [json.md](json.md#errors) describes the same as JSON, for programs. [repair.md](repair.md) and
[recovery.md](recovery.md) say more about a damaged log, and [plan.md](plan.md) about plans. Checksums, positions, ids of keys,
process ids and times differ in yours.

The examples use these names:

| name | what it is |
| --- | --- |
| `RUN_0001`, `RUN_0002` | runs of contract `status` in the log `./evlog` |
| `old`, `good` | runs of `plan.toml`: one has ended as failed, one as success |
| `open` | a run in progress, of another pipeline |
| `taken` | a bundle in `runs/` that the log does not know |
| `locked` | a run whose lock is held |
| `nobody`, `missing`, `missing.toml` and so on | nothing: there is no such run, directory or file |
| `plan.toml` | a plan with two stages, `sum` and `last` |
| `wrong.toml`, `broken.toml` | a plan with mistakes, and a file that is no TOML |
| `fails.toml`, `slow.toml`, `absent.toml` | plans with a stage that fails, that exceeds its time limit, and that cannot be started |
| `input.toml` | a plan with a stage whose input is missing |
| `lines.jsonl` | lines for `evlog submit`: one is accepted |
| `log.key`, `log.pub` | the private and the public part of a log's key |
| `open.key`, `witness.key` | a private key that others can read, and the private key of a witness |
| `signed`, `signed.note` | a log that has grown since its last checkpoint, and that checkpoint |
| `busy`, `damaged` | a log that another process writes, and one with a changed byte |
";

/// How the page ends.
const TAIL: &str = "
The page is made by running each command: `EVLOG_BLESS=1 cargo test -p evlog-cli --test it errors` writes it again.
";

/// What a person typed, by kind of trouble. Words in quotes are one argument.
const SITUATIONS: [(&str, &[&str]); 10] = [
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
    (
        "Logs",
        &[
            "runs --log missing",
            "tail --log missing",
            "runs --log plan.toml",
            "runs --log .",
            "init",
            "submit lines.jsonl --log busy",
            "submit lines.jsonl --log busy --wait 1",
            "runs --log damaged",
            "submit lines.jsonl --log damaged",
            "verify --log damaged",
        ],
    ),
    ("Lines of `submit`", &["submit lines.jsonl --log lines"]),
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
            "restore runs",
            "--log new restore runs",
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
            "prove --seq 99 --log signed",
            "prove --seq 10 --log signed",
            "verify --checkpoint signed.note --key other.pub --log signed",
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
            "run broken.toml",
            "run fails.toml --run-id fails",
            "run slow.toml --run-id slow",
            "run absent.toml --run-id absent",
            "run input.toml --run-id input",
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
            "run plan.toml --junit new.xml --metrics new.xml",
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

/// The error types whose variants are compared, each with all its variants.
const VARIANTS: [(&str, &[Row]); 3] = [
    (
        "OpenError",
        &[
            ("NoLog", Ok("no log at `missing`: no such directory")),
            ("Exists", Err("`init` and `import` look first, and say it in their own words")),
            ("Locked", Ok("log `busy` has a writer already")),
            ("Version", Err("no program writes another version yet")),
            ("SegmentLimit", Err(PARSER)),
            ("Refused", Ok("log is damaged at position")),
            ("Io", Ok("no log at `plan.toml`: expected a directory, found a file")),
        ],
    ),
    (
        "KeyError",
        &[
            ("Form", Ok("found a file that is no key")),
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
            ("Locked", Ok("run `locked` is locked:")),
            ("BundleExists", Ok("there is a bundle already in")),
            ("UnknownRun", Ok("no run `nobody` in log `./evlog`")),
            ("OtherContract", Ok("expected a run of contract `pipeline`, found one of contract `status`")),
            ("Ended", Ok("run `old` has ended, as failed")),
            ("InProgress", Ok("run `open`: expected a run that has ended, found it in progress")),
            ("NothingToRetry", Ok("run `good` has ended, as success: there is nothing to retry")),
            ("UnknownStage", Ok("expected an enabled stage of the plan, one of")),
            ("OtherPlan", Ok("the plan is not the one that run `open` was created with")),
            ("NoBundle", Err("it takes a run that was killed, and its bundle removed; tests of resuming do that")),
            ("Refused", Ok("log `./evlog` has a run of this name already")),
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

/// A log of every contract, keys, plans, and files that are in the way of some commands.
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

/// Three more logs, beside the one that the other commands use, and files for them. The log `busy` has a writer as long as it is
/// not dropped.
fn furnish(room: &Room) -> Log {
    room.write("broken.toml", "name = \"p\n");
    let stage = |name: &str, command: &str, more: &str| {
        let stage = format!("[[stage]]\nid = \"one\"\ncommand = {command}\nreason_code = \"input_missing\"\n{more}");
        room.write(name, &format!("name = \"p\"\n{stage}"));
    };
    stage("fails.toml", r#"["sh", "-c", "echo no such parcel >&2; exit 3"]"#, "");
    stage("slow.toml", r#"["sleep", "60"]"#, "time_limit = \"1s\"\n");
    stage("absent.toml", r#"["no-such-program"]"#, "");
    stage("input.toml", r#"["true"]"#, "[[stage.input]]\npath = \"parcels.txt\"\nfrom = \"plan\"\n");
    let create = r#"{"contract":"status","run":"a","do":"create","data":{}}"#;
    let unknown = r#"{"contract":"status","run":"a","do":"crate"}"#;
    let early = r#"{"contract":"status","run":"nobody","do":"transition","to":"running"}"#;
    room.write("lines.jsonl", &format!("{create}\nno JSON\n{unknown}\n{create}\n{early}\n"));
    room.ends(0, &["key", "new", "example.com/other", "--out", "other.key"]);
    room.ends(0, &["init", "--log", "signed"]);
    room.ends(0, &["checkpoint", "--log", "signed", "--key", "log.key", "--out", "signed.note"]);
    for _ in 0..3 {
        room.feed(&["submit", "--log", "signed"], early);
    }
    room.ends(0, &["init", "--log", "damaged"]);
    let segment = room.path("damaged/segments/00000000000000000000.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    fs::write(segment, bytes).unwrap();
    Options { create: true, ..Options::new("evlog submit") }.open(room.path("busy"), Contracts::new()).unwrap()
}

/// The text with the same checksums, ids of keys, process ids and times every time.
fn settled(text: &str) -> String {
    let text = text.replace(&format!("process {} ", std::process::id()), "process 4711 ");
    let mut shown = ["01234567", "89abcdef"].iter().cycle().peekable();
    let pieces = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let settled = pieces.map(|piece| {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_checksum = word.len() == 8 && word.chars().all(|c| c.is_ascii_hexdigit());
        shown.next_if(|_| is_checksum).map_or_else(|| piece.to_owned(), |other| piece.replace(word, other))
    });
    let settled: String = settled.collect();
    settled.lines().map(|line| timeless(line.trim_end())).collect::<Vec<String>>().join("\n")
}

/// A line without how long something took, and with the same position every time: names of users have different lengths.
fn timeless(line: &str) -> String {
    if let Some((before, after)) = line.split_once("up to position ") {
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        return format!("{before}up to position 190{after}");
    }
    let taken = line.split_once(" s").and_then(|(before, after)| Some((before.rsplit_once(' ')?, after)));
    match taken {
        Some(((before, time), after)) if time.parse::<f32>().is_ok() => format!("{before} 1.2 s{after}"),
        _ => line.to_owned(),
    }
}

fn page() -> String {
    let room = room();
    let _busy = furnish(&room);
    let mut page = HEAD.to_owned();
    for (title, lines) in SITUATIONS {
        write!(page, "\n## {title}\n").unwrap();
        for line in lines {
            let done = room.run(&words(line));
            assert_ne!(done.code, 0, "`{line}` is no error: {done:?}");
            assert!(!done.err.is_empty(), "`{line}` says nothing: {done:?}");
            // What `submit` says about each line is its answer.
            let answer = if line.starts_with("submit") { done.out.as_str() } else { "" };
            let said = format!("{answer}{}", done.err).replace(room.path("").to_str().unwrap(), "/srv/evlog/");
            let said = settled(&said);
            write!(page, "\n### evlog {line}\n\nExit code {}\n\n```text\n{}\n```\n", done.code, said.trim_end())
                .unwrap();
        }
    }
    page + TAIL
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
