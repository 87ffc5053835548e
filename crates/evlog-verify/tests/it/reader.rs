//! The reader in Python, written from the format page alone, prints the same events, findings and root.

use crate::forger::{forge, with_signed_damage};
use crate::golden::{LOGS, directory, printed};
use crate::support::{Builder, Draft, File, LOG_ID, head, key};
use evlog_format::checksum::crc32;
use evlog_format::frame::Decoded;
use evlog_format::kind::BUILT_IN;
use evlog_format::{CommitHead, FrameCodec, kind, limits};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/evlog_reader.py")
}

const NEEDED: &str = "python3, which the README asks for, can be run";

/// Runs the reader.
fn run(arguments: &[&OsStr]) -> Output {
    Command::new("python3").arg(script()).args(arguments).output().expect(NEEDED)
}

/// Runs the reader over many logs in one process; what it prints of each.
fn run_all(logs: &[Directory]) -> Vec<String> {
    let source = "import sys; sys.path.insert(0, sys.argv[1]); import evlog_reader
for log in sys.argv[2:]: evlog_reader.main([log]); print('next log')";
    let logs = logs.iter().map(|directory| directory.0.as_os_str());
    let tools = script().parent().unwrap().to_path_buf();
    let asked = Command::new("python3").args(["-B", "-c", source]).arg(tools).args(logs).output();
    text(&asked.expect(NEEDED).stdout).split_terminator("next log\n").map(str::to_string).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A directory with the files, removed in the end.
struct Directory(PathBuf);

impl Directory {
    fn of(name: &str, files: &[File]) -> Directory {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("reader-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("segments")).unwrap();
        for file in files {
            fs::write(path.join(format!("segments/{:020}.seg", file.position)), &file.bytes).unwrap();
        }
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn the_reader_in_python_prints_the_same_of_every_golden_log() {
    for (name, _) in LOGS {
        let output = run(&[directory(name).as_os_str()]);
        let expected = fs::read_to_string(directory(name).join("events.txt")).unwrap();
        assert_eq!(text(&output.stdout), expected, "{name}: {}", text(&output.stderr));
        let code = i32::from(!expected.contains("\nverdict clean\n"));
        assert_eq!(output.status.code(), Some(code), "{name}");
    }
}

#[test]
fn the_reader_in_python_agrees_on_harmed_logs() {
    // F-10 to F-16, F-22 to F-26, F-31, F-34, F-36: both readers, the same findings.
    let mut builder = Builder::new();
    for n in 0..12 {
        let text = format!("{{\"n\":{n},\"text\":\"{}\"}}", "q".repeat(200));
        let head = CommitHead { idempotency: Some(key("k")), correlation: Some("t"), ..head() };
        builder.commit_as(&head, &[Draft::custom("a", &text), Draft::custom("b", "[]")]);
    }
    let files = builder.files;
    let last = files.len() - 1;
    let mut cases: Vec<Vec<File>> = vec![files.clone()];
    let mut case = |change: &dyn Fn(&mut Vec<File>)| {
        let mut harmed = files.clone();
        change(&mut harmed);
        cases.push(harmed);
    };
    for byte in [0, 8, 13, 30, 50, 90, 95, 97, 101, 107, 115, 300, 600] {
        case(&|files| files[1].bytes[byte] ^= 0x10);
        case(&|files| files[last].bytes[byte] ^= 0x10);
    }
    for len in [0, 95, 96, 97, 110, 400] {
        case(&|files| files[1].bytes.truncate(len));
        case(&|files| files[last].bytes.truncate(len));
    }
    for zeros in [1, 3, 4, 100] {
        case(&|files| files[0].bytes.extend(vec![0; zeros]));
        case(&|files| files[last].bytes.extend(vec![0; zeros]));
    }
    case(&|files| files[last].bytes.extend([0, 0, 0, 0, 0, 9]));
    case(&|files| files[last].bytes[96..].fill(0));
    case(&|files| drop(files.remove(1)));
    case(&|files| drop(files.remove(0)));
    case(&|files| files[1].bytes = files[0].bytes.clone());
    case(&|files| files[1].position += 1);
    // A signed commit that does not decode, and after it a forged frame in a segment that another one follows.
    case(&|files| {
        *files = with_signed_damage(files);
        files[1].bytes = forge(files, files[2].position - 5, 1).swap_remove(1).bytes;
    });
    let logs: Vec<Directory> =
        cases.iter().zip(0..).map(|(files, n)| Directory::of(&format!("harm-{n}"), files)).collect();
    let all = run_all(&logs);
    assert_eq!(all.len(), cases.len());
    for (n, (found, files)) in all.iter().zip(&cases).enumerate() {
        assert_eq!(*found, printed(files), "case {n}");
    }
}

#[test]
fn files_that_are_no_segments_change_nothing() {
    // F-02, F-06.
    let files = crate::golden::read("healthy");
    let directory = Directory::of("others", &files);
    for name in ["HEAD", "LOCK", "segments/00000000000000000000.tree", "segments/00000000000000000923.idx"] {
        fs::write(directory.0.join(name), b"nonsense").unwrap();
    }
    for name in ["00000000000000009999.seg.tmp", "9999.seg", "0000000000000000000x.seg", "000000000000000009999.seg"] {
        fs::write(directory.0.join("segments").join(name), b"nonsense").unwrap();
    }
    let output = run(&[directory.0.as_os_str()]);
    assert_eq!(text(&output.stdout), printed(&files));
}

#[test]
fn the_reader_in_python_says_when_it_cannot_read() {
    let output = run(&[OsStr::new("no/such/log")]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    // F-11.
    for (version, sentence) in [(3, "newer than this program reads"), (1, "written by a pre-release of evlog")] {
        let mut other = Builder::new().files;
        let bytes = &mut other[0].bytes;
        bytes[8..12].copy_from_slice(&u32::to_le_bytes(version));
        let checksum = crc32(&bytes[..92]).to_le_bytes();
        bytes[92..96].copy_from_slice(&checksum);
        let directory = Directory::of(&format!("version-{version}"), &other);
        let output = run(&[directory.0.as_os_str()]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
        assert!(text(&output.stderr).contains(sentence), "{version}: {}", text(&output.stderr));
    }
}

#[test]
#[cfg(unix)]
fn the_reader_in_python_follows_no_link_and_waits_for_no_pipe() {
    let directory = Directory::of("link", &Builder::new().files);
    let segment = directory.0.join("segments/00000000000000000000.seg");
    fs::rename(&segment, directory.0.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", &segment).unwrap();
    let refused = |sentence: &str| {
        let output = run(&[directory.0.as_os_str()]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
        assert!(text(&output.stderr).contains(sentence), "{}", text(&output.stderr));
    };
    refused("no regular file");
    fs::remove_file(&segment).unwrap();
    assert!(Command::new("mkfifo").arg(&segment).status().unwrap().success());
    refused("no regular file");
    fs::rename(directory.0.join("segments"), directory.0.join("s")).unwrap();
    std::os::unix::fs::symlink("s", directory.0.join("segments")).unwrap();
    refused("no directory");
}

#[test]
fn the_reader_in_python_refuses_a_custom_payload_that_is_not_canonical() {
    // F-39.
    let cases = [
        (r#"{"a":1,"b":[1e+21,0.000001,-5,"é\u001f"]}"#, true),
        (r#"{"b":1,"a":1}"#, false),
        (r#"{"a":1.0}"#, false),
        (r#"{"a":1,"a":1}"#, false),
        (r#"{"a": 1}"#, false),
        ("\"\\u00e9\"", false),
        ("nonsense", false),
    ];
    let log = |(payload, n): (&str, u8)| {
        let mut builder = Builder::new();
        builder.commit(&[Draft::custom("a", payload)]);
        Directory::of(&format!("canonical-{n}"), &builder.files)
    };
    let logs: Vec<Directory> = cases.iter().map(|case| case.0).zip(0..).map(log).collect();
    let all = run_all(&logs);
    for (found, (payload, good)) in all.iter().zip(cases) {
        assert_eq!(found.contains("\nverdict clean\n"), good, "{payload}: {found}");
        assert_eq!(found.contains(" F-39\n"), !good, "{payload}: {found}");
    }
}

#[test]
fn the_reader_in_python_knows_where_the_logs_own_events_stand() {
    // F-49.
    let own = |stream| Draft::new(stream, kind::LOG_OPENED, b"\x01p");
    let other = || Draft::custom("a", "{}");
    let correlated = CommitHead { correlation: Some("t"), ..head() };
    let occurred = CommitHead { occurred_ns: Some(7), ..head() };
    let keyed = CommitHead { idempotency: Some(key("k")), ..head() };
    let cases: [(CommitHead<'_>, Vec<Draft>); 8] = [
        (head(), vec![own("$log"), own("$log")]),
        (CommitHead { principal: Some("os:keeper"), ..head() }, vec![own("$log")]),
        (head(), vec![own("$log"), own("a")]),
        (head(), vec![own("$log"), other(), Draft::custom("$log", "{}")]),
        (head(), vec![other(), own("$log")]),
        (occurred, vec![own("$log")]),
        (correlated, vec![own("$log"), own("$log")]),
        (keyed, vec![own("$log"), own("a")]),
    ];
    let files: Vec<Vec<File>> = (cases.iter())
        .map(|(head, drafts)| {
            let mut builder = Builder::new();
            builder.commit_as(head, drafts);
            builder.files
        })
        .collect();
    let logs: Vec<Directory> =
        files.iter().zip(0..).map(|(files, n)| Directory::of(&format!("own-{n}"), files)).collect();
    for (n, (found, files)) in run_all(&logs).iter().zip(&files).enumerate() {
        assert_eq!(*found, printed(files), "case {n}");
        assert_eq!(found.contains(" F-49\n"), n > 1, "case {n}");
    }
}

/// A log of one frame with this body, under a checksum that matches.
fn of_body(body: &[u8]) -> Vec<File> {
    let mut bytes = Builder::new().files.remove(0).bytes;
    let write = |out: &mut Vec<u8>| {
        out.extend_from_slice(body);
        Ok::<(), ()>(())
    };
    FrameCodec::new(LOG_ID).encode(96, 0, &mut bytes, write).unwrap().unwrap();
    vec![File { position: 0, bytes }]
}

#[test]
fn the_reader_in_python_reads_times_of_the_years_1970_to_9999_and_refuses_all_others() {
    // F-50, F-41.
    let without = {
        let mut builder = Builder::new();
        builder.commit(&[Draft::custom("a", "{}")]);
        builder.files[0].bytes[112..].to_vec()
    };
    // First seq, recorded in nine bytes, and no occurred.
    assert_eq!((without[1], without[10]), (0xfd, 0));
    let wide = |zigzag: u128| [&[1, 254][..], &zigzag.to_le_bytes()].concat();
    let last = limits::TIME_MAX_NS.unsigned_abs() * 2;
    let cases = [
        (vec![1, 0], None),
        ([&[1, 253][..], &[0xfe], &[0xff; 7]].concat(), None),
        (wide(1 << 64), None),
        (wide(last), None),
        (vec![1, 1], Some("F-50")),
        ([&[1, 253][..], &[0xff; 8]].concat(), Some("F-50")),
        (wide((1 << 64) + 1), Some("F-50")),
        (wide(last + 2), Some("F-50")),
        (wide(u128::MAX), Some("F-50")),
        (wide(u128::MAX - 1), Some("F-50")),
        (wide(0), Some("F-41")),
        (wide((1 << 64) - 1), Some("F-41")),
        (vec![1, 255], Some("F-40")),
    ];
    let files: Vec<Vec<File>> =
        cases.iter().map(|(claim, _)| of_body(&[&without[..10], claim, &without[11..]].concat())).collect();
    let logs: Vec<Directory> =
        files.iter().zip(0..).map(|(files, n)| Directory::of(&format!("time-{n}"), files)).collect();
    for ((found, files), (claim, rule)) in run_all(&logs).iter().zip(&files).zip(cases) {
        assert_eq!(*found, printed(files), "{claim:02x?}");
        assert_eq!(found.contains("\nverdict clean\n"), rule.is_none(), "{claim:02x?}: {found}");
        assert!(rule.is_none_or(|rule| found.contains(&format!(" {rule}\n"))), "{claim:02x?}: {found}");
    }
}

/// Bodies that are no commits, under checksums that match: both readers name the same rule and place.
#[test]
fn the_reader_in_python_refuses_the_same_bodies() {
    // F-30 to F-38, F-40 to F-48, F-50.
    let mut builder = Builder::new();
    let full = CommitHead {
        occurred_ns: Some(300),
        principal: Some("p"),
        correlation: Some("c"),
        idempotency: Some(key("k")),
        ..head()
    };
    let drafts = [Draft::custom("b", "{}"), Draft::new("a", kind::STATUS_CREATED, b"\0"), Draft::custom("b", "1")];
    builder.commit_as(&full, &drafts);
    let codec = FrameCodec::new(LOG_ID);
    let Decoded::Frame(frame) = codec.decode(96, &builder.files[0].bytes[96..]) else { panic!("a frame") };
    let body = frame.body.to_vec();
    let mut bodies: Vec<Vec<u8>> = (1..body.len()).map(|len| body[..len].to_vec()).collect();
    bodies.push([&body[..], &[0]].concat());
    for at in 0..body.len() {
        for byte in [0, 1, 2, 3, 5, 0x1f, 0x7f, 0x80, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff] {
            let mut other = body.clone();
            other[at] = byte;
            bodies.push(other);
        }
    }
    let files: Vec<Vec<File>> = bodies.iter().map(|body| of_body(body)).collect();
    let logs: Vec<Directory> =
        files.iter().zip(0..).map(|(files, n)| Directory::of(&format!("body-{n}"), files)).collect();
    let mut rules = BTreeSet::new();
    for (n, (found, files)) in run_all(&logs).iter().zip(&files).enumerate() {
        assert_eq!(*found, printed(files), "case {n}: {:02x?}", bodies[n]);
        rules.extend(
            found
                .lines()
                .filter(|line| line.starts_with("finding"))
                .filter_map(|line| line.split(' ').nth(3))
                .map(str::to_owned),
        );
    }
    for rule in ["F-30", "F-32", "F-34", "F-35", "F-36", "F-38", "F-43", "F-44", "F-46", "F-47", "F-48"] {
        assert!(rules.contains(rule), "{rule} is not among {rules:?}");
    }
}

#[test]
fn the_reader_in_python_knows_the_names_of_streams() {
    // F-33.
    let streams: [(&'static str, bool); 6] =
        [("0_A.b-c", true), ("$log", true), ("../../victim", false), ("a/b", false), (".a", false), ("\u{e9}", false)];
    let log = |(n, (stream, _)): (usize, &(&'static str, bool))| {
        let mut builder = Builder::new();
        builder.commit(&[Draft::custom(stream, "{}")]);
        Directory::of(&format!("named-{n}"), &builder.files)
    };
    let logs: Vec<Directory> = streams.iter().enumerate().map(log).collect();
    let all = run_all(&logs);
    for (found, (stream, good)) in all.iter().zip(streams) {
        assert_eq!(found.contains("\nverdict clean\n"), good, "{stream}: {found}");
        assert_eq!(found.contains("finding tampered 96 F-33\n"), !good, "{stream}: {found}");
    }
}

#[test]
fn the_reader_in_python_knows_the_same_kinds_and_limits() {
    // F-04, F-35.
    let script = fs::read_to_string(script()).unwrap();
    for (number, name) in BUILT_IN {
        assert!(script.contains(&format!("\n    {number}: \"{name}\",\n")), "kind {number}, {name}");
    }
    let known =
        script.lines().filter(|line| line.starts_with("    ") && line.ends_with("\",") && line.contains(": \""));
    assert_eq!(known.count(), BUILT_IN.len());
    let value = |name: &str| {
        let line = script.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")))?;
        let factor = |factor: &str| match factor.split_once("**") {
            Some((base, power)) => base.parse::<i128>().unwrap().pow(power.split(' ').next().unwrap().parse().unwrap()),
            None => factor.parse().unwrap(),
        };
        let (whole, less) = line.split_once(" - ").unwrap_or((line, "0"));
        Some(whole.replace('_', "").split(" * ").map(factor).product::<i128>() - less.parse::<i128>().unwrap())
    };
    // Another test shows that the page has the limits of the code.
    let page = include_str!("../../../../docs/format.md");
    let limits = page.split("## 6. Limits").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut compared = 0;
    for row in limits.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (name, rest) = row.split_once("` | ").unwrap();
        let limit: i128 = rest.split(" | ").next().unwrap().parse().unwrap();
        // The default limit of segments is no limit of a reader.
        let expected = (name != "SEGMENT_LIMIT_DEFAULT").then_some(limit);
        assert_eq!(value(name), expected, "{name}");
        compared += 1;
    }
    assert!(compared > 10, "{compared}");
}
