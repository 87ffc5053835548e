//! The golden logs of format version 2: small, never changed, and read by every later version.
//!
//! `tests/golden/v2/NAME/` holds `segments/`, `expect.json` (what the audit must say) and `events.txt` (what a reader
//! prints). With `EVLOG_BLESS=1` this module writes them. Otherwise it compares them with what it would write.

use crate::harm::swapped;
use crate::support::{Builder, Draft, File, LIMIT, NOON, audit, audit_in, frames_of, head, key};
use evlog_format::cursor::has_control;
use evlog_format::{Commit, CommitHead, Durability, FORMAT_VERSION, Kind, PLAIN, kind, payload};
use evlog_verify::{Report, Tree};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

type Write = fn() -> Vec<File>;

/// The logs, and the files that each is made of.
pub(crate) const LOGS: [(&str, Write); 4] =
    [("healthy", healthy), ("torn", torn), ("bit_flipped", bit_flipped), ("reordered", reordered)];

pub(crate) fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/v2").join(name)
}

pub(crate) fn blessing() -> bool {
    std::env::var_os("EVLOG_BLESS").is_some()
}

/// The segment files of a golden log, as a reader finds them.
pub(crate) fn read(name: &str) -> Vec<File> {
    let segments = directory(name).join("segments");
    let mut files: Vec<File> = fs::read_dir(&segments)
        .unwrap_or_else(|error| panic!("{}: {error}; EVLOG_BLESS=1 writes it", segments.display()))
        .map(|entry| {
            let path = entry.unwrap().path();
            let position = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
            File { position, bytes: fs::read(&path).unwrap() }
        })
        .collect();
    files.sort_by_key(|file| file.position);
    files
}

fn status_created(run: &str, details: Option<&str>) -> Vec<u8> {
    let none: Option<String> = None;
    let retry: Option<(u32, String, Option<String>)> = None;
    let policies: Option<(String, String)> = None;
    let codes: Vec<String> = Vec::new();
    payload::encode(&(&none, run, retry, 0u32, false, &none, &none, policies, codes, details)).unwrap()
}

type Diagnostic = (&'static str, u8, &'static str, &'static str, &'static str, bool, u8);

fn transitioned(from: u8, to: u8, cause: u8, diagnostic: Option<Diagnostic>) -> Vec<u8> {
    let reason: Option<String> = None;
    payload::encode(&(from, to, cause, reason, diagnostic)).unwrap()
}

const DIAGNOSTIC: Diagnostic = (
    "TOOL_DEPENDENCY_DOWN",
    4,
    "The registry did not answer within thirty seconds, three times in a row.",
    "The registry is being moved to another machine this evening.",
    "Wait until the move is announced as finished, then create the run again.",
    true,
    2,
);

fn shipped(json: &str) -> Draft {
    Draft::new("order-7", Kind::Custom("custom/shipped"), json.as_bytes())
}

fn moved(run: &'static str, payload: &[u8]) -> Draft {
    Draft::new(run, kind::STATUS_TRANSITIONED, payload)
}

const PROGRAM: &str = "golden 1";
const HOUR: i64 = 3_600_000_000_000;

/// Events of the log itself: the program is the actor, and its user the principal.
fn own(log: &mut Builder, events: &[(Kind<'static>, Vec<u8>)]) {
    let drafts: Vec<Draft> = events.iter().map(|(kind, payload)| Draft::new("$log", *kind, payload)).collect();
    log.commit_as(&CommitHead { actor: PROGRAM, principal: Some("os:keeper"), ..head() }, &drafts);
}

/// Appends a commit of an agent's command.
fn agent(log: &mut Builder, given: Option<&str>, drafts: &[Draft]) {
    let idempotency = given.map(key);
    let head = CommitHead { actor: "agent:intake", principal: Some("os:intake"), idempotency, ..head() };
    log.commit_as(&head, drafts);
}

/// Appends a commit about an order, under class `os`.
fn harbour(log: &mut Builder, occurred_ns: Option<i128>, correlation: Option<&str>, drafts: &[Draft]) {
    let head = CommitHead { class: Durability::Os, actor: "agent:harbour", occurred_ns, correlation, ..head() };
    log.commit_as(&CommitHead { principal: Some("token:harbour"), ..head }, drafts);
}

/// Three segments; streams, kinds and options of every sort. The payloads match their kinds' tables.
fn healthy() -> Vec<File> {
    const CREATED: u8 = 0;
    const RUNNING: u8 = 1;
    const WAITING: u8 = 2;
    const SUCCESS: u8 = 3;
    const FAILED: u8 = 4;
    let mut log = Builder::new();
    let created = payload::encode(&(FORMAT_VERSION, LIMIT, PROGRAM)).unwrap();
    let opened = payload::encode(&(PROGRAM, None::<u64>)).unwrap();
    own(&mut log, &[(kind::LOG_CREATED, created), (kind::LOG_OPENED, opened)]);
    let begun = Draft::new("RUN_0001", kind::STATUS_CREATED, &status_created("RUN_0001", None));
    agent(&mut log, Some("c1"), &[begun]);
    agent(&mut log, Some("c2"), &[moved("RUN_0001", &transitioned(CREATED, RUNNING, 0, None))]);
    let first = shipped(r#"{"by":"sea","parts":[1,2.5,true,null]}"#);
    harbour(&mut log, Some(i128::from(NOON - 90 * HOUR / 60)), Some("order-7/sea"), &[first]);
    let failed = transitioned(RUNNING, FAILED, 0, Some(DIAGNOSTIC));
    agent(&mut log, Some("c3"), &[moved("RUN_0001", &failed)]);
    let details = r#"{"run_name":"begun again after RUN_0001 failed; the registry is up"}"#;
    let again = Draft::new("RUN_0002", kind::STATUS_CREATED, &status_created("RUN_0002", Some(details)));
    agent(&mut log, Some("c4"), &[again.caused_by(5)]);
    let overridden = payload::encode(&(CREATED, RUNNING, "OPS-1207", "the intake queue is held back")).unwrap();
    let by_override = moved("RUN_0002", &transitioned(CREATED, RUNNING, 1, None)).caused_by(7);
    agent(&mut log, Some("c5"), &[Draft::new("RUN_0002", kind::STATUS_OVERRIDDEN, &overridden), by_override]);
    let boxed = format!(r#"{{"box":"\u0000 \"grüße\" 🚢","manifest":"{}"}}"#, "abcdefghij".repeat(8));
    harbour(&mut log, None, None, &[shipped(&boxed)]);
    let from = log.recorded_ns();
    log.clock_ns -= HOUR;
    let stepped = payload::encode(&(from, log.recorded_ns())).unwrap();
    own(&mut log, &[(kind::LOG_CLOCK_STEPPED, stepped)]);
    agent(&mut log, None, &[moved("RUN_0002", &transitioned(RUNNING, WAITING, 0, None))]);
    agent(&mut log, None, &[moved("RUN_0002", &transitioned(WAITING, RUNNING, 0, None))]);
    harbour(&mut log, Some(0), None, &[shipped(&format!(r#"{{"more":"{}"}}"#, "0123456789".repeat(12)))]);
    agent(&mut log, Some("c6"), &[moved("RUN_0002", &transitioned(RUNNING, SUCCESS, 0, None)).caused_by(12)]);
    let delivered = |stream, json: &str| Draft::new(stream, Kind::Custom("custom/delivered"), json.as_bytes());
    let several = [delivered("order-8", r#"{"to":"quay 4"}"#), shipped(r#"{"by":"road"}"#), delivered("order-8", "[]")];
    harbour(
        &mut log,
        Some((NOON - HOUR).into()),
        Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        &several,
    );
    let sealed = Draft::new("order-8", Kind::Custom("custom/invoiced"), b"\xc4\x00 sealed");
    harbour(&mut log, None, None, &[Draft { protection: 1, ..sealed }]);
    own(&mut log, &[(kind::LOG_CLOSED, payload::encode(&(PROGRAM,)).unwrap())]);
    log.files
}

/// The healthy log without the last seven bytes.
fn torn() -> Vec<File> {
    let mut files = healthy();
    let last = files.last_mut().unwrap();
    last.bytes.truncate(last.bytes.len() - 7);
    files
}

/// The healthy log with one bit flipped in the payload of the second frame of its second segment.
fn bit_flipped() -> Vec<File> {
    let mut files = healthy();
    let at = frames_of(&files[1])[2] - 5;
    files[1].bytes[at] ^= 0x08;
    files
}

/// The healthy log with the first two frames of its second segment in each other's place.
fn reordered() -> Vec<File> {
    let mut files = healthy();
    files[1].bytes = swapped(&files[1], &frames_of(&files[1]), 0, 1);
    files
}

/// The text of `expect.json` for a report.
fn expectation(files: &[File], report: &Report) -> String {
    let mut out = String::from("{\n");
    let list = |numbers: Vec<u64>| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    writeln!(out, "  \"verdict\": \"{}\",", report.verdict()).unwrap();
    writeln!(out, "  \"log_id\": \"{}\",", report.log_id.unwrap()).unwrap();
    writeln!(out, "  \"root\": \"{}\",", report.root).unwrap();
    writeln!(out, "  \"size\": {},", report.end).unwrap();
    writeln!(out, "  \"next_seq\": {},", report.next_seq).unwrap();
    writeln!(out, "  \"commits\": {},", report.commits).unwrap();
    writeln!(out, "  \"events\": {},", report.events).unwrap();
    writeln!(out, "  \"streams\": {},", report.streams).unwrap();
    writeln!(out, "  \"segments\": [{}],", list(files.iter().map(|file| file.position).collect())).unwrap();
    writeln!(out, "  \"frames\": [{}],", list(frame_positions(files))).unwrap();
    let findings: Vec<String> = (report.findings.kept().iter())
        .map(|f| format!("{{\"verdict\": \"{}\", \"position\": {}, \"rule\": \"{}\"}}", f.verdict, f.position, f.rule))
        .collect();
    writeln!(out, "  \"findings\": [{}]\n}}", findings.join(", ")).unwrap();
    out
}

/// Positions of the frames that are handed out.
fn frame_positions(files: &[File]) -> Vec<u64> {
    let mut positions = Vec::new();
    walk(files, &mut |position, _| positions.push(position));
    positions
}

fn walk(files: &[File], visit: &mut dyn FnMut(u64, &Commit<'_>)) -> Report {
    let mut audit = evlog_verify::Audit::new(None);
    for (n, file) in files.iter().enumerate() {
        audit.begin_segment(evlog_format::Position(file.position), n + 1 == files.len());
        audit.bytes(&file.bytes, &mut |frame, commit| visit(frame.position, commit)).unwrap();
        audit.end_segment().unwrap();
    }
    audit.finish()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

/// The lines that `tools/evlog_reader.py` prints for the files.
pub(crate) fn printed(files: &[File]) -> String {
    let mut out = String::new();
    let report = walk(files, &mut |_, commit| {
        for (n, event) in commit.events.iter().enumerate() {
            let seq = commit.head.first_seq.0 + n as u64;
            let text = |value: Option<String>| value.filter(|text| !text.is_empty()).unwrap_or("-".into());
            let is_text = matches!(event.kind, Kind::Custom(_)) && event.protection == PLAIN;
            let payload = match std::str::from_utf8(event.payload) {
                Ok(text) if is_text && !has_control(text) => text.into(),
                _ => hex(event.payload),
            };
            let head = commit.head;
            let fields = [
                seq.to_string(),
                head.recorded_ns.to_string(),
                text(head.occurred_ns.map(|time| time.to_string())),
                head.class.to_string(),
                text(Some(head.actor.into())),
                text(head.principal.map(Into::into)),
                text(head.correlation.map(Into::into)),
                text(head.idempotency.map(|given| given.key.into())),
                text(head.idempotency.map(|given| hex(&given.content))),
                event.stream.into(),
                event.number.to_string(),
                event.kind.to_string(),
                event.kind_version.to_string(),
                text(event.causation.map(|seq| seq.to_string())),
                event.protection.to_string(),
                text(Some(payload)),
            ];
            writeln!(out, "{}", fields.join("\t")).unwrap();
        }
    });
    for finding in report.findings.kept() {
        writeln!(out, "finding {} {} {}", finding.verdict, finding.position, finding.rule).unwrap();
    }
    writeln!(out, "verdict {}", report.verdict()).unwrap();
    writeln!(out, "root {} size {} next_seq {}", report.root, report.end, report.next_seq).unwrap();
    out
}

/// Compares line by line; the first difference is the error.
fn compare(expected: &str, found: &str) -> Result<(), String> {
    for (n, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        if expected != found {
            return Err(format!("line {}: expected `{expected}`, found `{found}`", n + 1));
        }
    }
    match (expected.lines().count(), found.lines().count()) {
        (expected, found) if expected != found => Err(format!("expected {expected} lines, found {found}")),
        _ => Ok(()),
    }
}

fn check(name: &str, file: &str, found: &str) {
    let path = directory(name).join(file);
    if blessing() {
        fs::write(&path, found).unwrap();
    }
    compare(&fs::read_to_string(&path).unwrap(), found).unwrap_or_else(|error| panic!("{name}/{file}: {error}"));
}

#[test]
fn golden_logs_are_what_they_were_and_say_what_they_said() {
    for (name, write) in LOGS {
        let written = write();
        if blessing() {
            let segments = directory(name).join("segments");
            fs::create_dir_all(&segments).unwrap();
            for file in &written {
                fs::write(segments.join(format!("{:020}.seg", file.position)), &file.bytes).unwrap();
            }
        }
        let files = read(name);
        assert_eq!(files, written, "{name}: the encoder no longer writes the bytes of format version 2");
        let report = audit(&files);
        check(name, "expect.json", &expectation(&files, &report));
        check(name, "events.txt", &printed(&files));
    }
}

#[test]
fn golden_logs_have_the_verdicts_they_are_named_for() {
    // F-22, F-26.
    let verdicts = LOGS.map(|(name, _)| audit(&read(name)).verdict().word());
    assert_eq!(verdicts, ["clean", "torn_tail", "damaged", "damaged"]);
}

#[test]
fn a_wrong_expectation_fails_the_harness() {
    let files = read("healthy");
    let right = expectation(&files, &audit(&files));
    assert_eq!(compare(&right, &right), Ok(()));
    for n in 1..right.lines().count() - 1 {
        let wrong: Vec<String> = (right.lines().enumerate())
            .map(|(at, line)| if at == n { line.replace([',', ']'], "0") } else { line.into() })
            .collect();
        assert!(compare(&wrong.join("\n"), &right).is_err(), "line {n} can be anything");
    }
    let shorter: Vec<&str> = right.lines().take(5).collect();
    assert!(compare(&shorter.join("\n"), &right).is_err() && compare(&right, &shorter.join("\n")).is_err());
    let others = read("bit_flipped");
    assert!(compare(&right, &expectation(&others, &audit(&others))).is_err(), "another log passes for the healthy one");
}

#[test]
fn the_golden_log_has_three_segments_and_every_optional_part() {
    let files = read("healthy");
    assert_eq!(files.len(), 3);
    let (mut keys, mut causes, mut custom, mut several) = (0, 0, 0, 0);
    let (mut times, mut principals, mut correlations, mut streams, mut protected) = (0, 0, 0, 0, 0);
    walk(&files, &mut |_, commit| {
        several += usize::from(commit.events.len() > 1);
        streams += usize::from(commit.events.windows(2).any(|pair| pair[0].stream != pair[1].stream));
        keys += usize::from(commit.head.idempotency.is_some());
        times += usize::from(commit.head.occurred_ns.is_some());
        principals += usize::from(commit.head.principal.is_some());
        correlations += usize::from(commit.head.correlation.is_some());
        protected += commit.events.iter().filter(|event| event.protection != PLAIN).count();
        causes += commit.events.iter().filter(|event| event.causation.is_some()).count();
        custom += commit.events.iter().filter(|event| matches!(event.kind, Kind::Custom(_))).count();
    });
    assert!(keys > 2 && causes > 2 && custom > 2 && several > 2, "{keys} {causes} {custom} {several}");
    assert!(times > 2 && principals > 2 && correlations > 1, "{times} {principals} {correlations}");
    assert!(streams > 0 && protected > 0, "{streams} {protected}");
}

#[test]
fn the_root_of_a_closed_log_is_the_hash_of_its_files_one_after_another() {
    // F-01, F-14: what `cat segments/*.seg | b3sum` prints.
    let files = read("healthy");
    let whole: Vec<u8> = files.iter().flat_map(|file| file.bytes.iter().copied()).collect();
    let (report, _) = audit_in(&files, 4096, None);
    let mut tree = Tree::new();
    tree.update(&whole);
    assert_eq!(report.root, tree.root());
    assert_eq!(report.root.0, *blake3::hash(&whole).as_bytes());
    let paths = files.iter().map(|file| directory("healthy").join(format!("segments/{:020}.seg", file.position)));
    let Ok(cat) = Command::new("cat").args(paths).stdout(std::process::Stdio::piped()).spawn() else {
        return println!("skipped: there is no `cat`");
    };
    match Command::new("b3sum").arg("--no-names").stdin(cat.stdout.unwrap()).output() {
        Ok(output) => assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), report.root.to_string()),
        Err(error) => println!("skipped: there is no `b3sum` to compare with: {error}"),
    }
}
