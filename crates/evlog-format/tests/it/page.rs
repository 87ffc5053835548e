//! `docs/format.md` agrees with the code: kinds, limits, layouts, payload tables and the worked example are compared.
//!
//! Blocks between `<!-- begin ... -->` and `<!-- end -->` are made here; `EVLOG_BLESS=1` writes them.

use crate::support::hex;
use evlog_format::cursor::Cursor;
use evlog_format::kind::BUILT_IN;
use evlog_format::{FRAME_HEADER_LEN, SEGMENT_HEADER_LEN, limits};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn page() -> String {
    text("docs/format.md")
}

/// The rows of the tables of a section, as cells.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let section = page.split_once(heading).unwrap_or_else(|| panic!("no section `{heading}`")).1;
    let section = section.split("\n## ").next().unwrap_or_default();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).map(cells).collect()
}

#[test]
fn the_kinds_of_the_page_are_those_of_the_code() {
    // F-35.
    let rows = rows(&made_page(), "## 7. Kinds");
    let found: Vec<(u16, String)> = rows[1..].iter().map(|row| (row[0].parse().unwrap(), row[1].clone())).collect();
    let expected: Vec<(u16, String)> = BUILT_IN.iter().map(|(number, name)| (*number, (*name).into())).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_limits_of_the_page_are_those_of_the_code() {
    // F-04.
    let expected = [
        ("FRAME_BODY_LEN_MAX", i128::from(limits::FRAME_BODY_LEN_MAX)),
        ("EVENTS_PER_COMMIT_MAX", i128::from(limits::EVENTS_PER_COMMIT_MAX)),
        ("EVENT_LEN_MAX", i128::from(limits::EVENT_LEN_MAX)),
        ("PAYLOAD_LEN_MAX", i128::from(limits::PAYLOAD_LEN_MAX)),
        ("STREAM_LEN_MAX", i128::from(limits::STREAM_LEN_MAX)),
        ("KIND_NAME_LEN_MAX", i128::from(limits::KIND_NAME_LEN_MAX)),
        ("ACTOR_LEN_MAX", i128::from(limits::ACTOR_LEN_MAX)),
        ("PRINCIPAL_LEN_MAX", i128::from(limits::PRINCIPAL_LEN_MAX)),
        ("CORRELATION_LEN_MAX", i128::from(limits::CORRELATION_LEN_MAX)),
        ("IDEMPOTENCY_KEY_LEN_MAX", i128::from(limits::IDEMPOTENCY_KEY_LEN_MAX)),
        ("SEGMENT_LIMIT_MIN", i128::from(limits::SEGMENT_LIMIT_MIN)),
        ("SEGMENT_LIMIT_MAX", i128::from(limits::SEGMENT_LIMIT_MAX)),
        ("SEGMENT_LIMIT_DEFAULT", i128::from(limits::SEGMENT_LIMIT_DEFAULT)),
        ("POSITION_MAX", i128::from(limits::POSITION_MAX)),
        ("TIME_MAX_NS", limits::TIME_MAX_NS),
    ];
    let rows = rows(&page(), "## 6. Limits");
    let found: Vec<(&str, i128)> = rows[1..].iter().map(|row| (row[0].as_str(), row[1].parse().unwrap())).collect();
    assert_eq!(found, expected);
    let declared = text("crates/evlog-format/src/limits.rs").matches("pub const ").count();
    assert_eq!(declared, expected.len(), "a limit that neither this test nor the page knows");
}

#[test]
fn the_layouts_of_the_page_have_no_gap_and_the_right_length() {
    // F-10, F-20.
    for (heading, len) in [("## 2. Segments", SEGMENT_HEADER_LEN), ("## 3. Frames", FRAME_HEADER_LEN)] {
        let mut next = 0;
        for row in rows(&page(), heading).iter().skip(1) {
            assert_eq!(row[0].parse(), Ok(next), "{heading}: {}", row[2]);
            next += row[1].parse::<usize>().unwrap_or(0);
        }
        assert_eq!(next, len, "{heading}");
    }
}

/// Replaces each block of the page by what `make` gives for its name.
fn with_blocks(page: &str, make: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut skipping = false;
    for line in page.lines() {
        skipping &= line != "<!-- end -->";
        if !skipping {
            writeln!(out, "{line}").unwrap();
        }
        if let Some(name) = line.strip_prefix("<!-- begin ").and_then(|rest| rest.strip_suffix(" -->")) {
            write!(out, "\n{}\n", make(name)).unwrap();
            skipping = true;
        }
    }
    out
}

/// The page with its blocks as the code makes them.
fn made_page() -> String {
    with_blocks(&page(), &|name| match name.split_once(' ') {
        Some((path, "kinds")) => table_of_kinds(&text(path)),
        Some((path, "tables")) => tables_of(&text(path)),
        Some((path, item)) => table_of(&text(path), item),
        None => example(),
    })
}

#[test]
fn the_tables_and_the_example_of_the_page_are_what_the_code_makes() {
    // F-39, F-03.
    let made = made_page();
    if std::env::var_os("EVLOG_BLESS").is_some() {
        fs::write(root().join("docs/format.md"), &made).unwrap();
    }
    let page = page();
    for (n, (found, expected)) in page.lines().zip(made.lines()).enumerate() {
        assert_eq!(found, expected, "docs/format.md:{}; EVLOG_BLESS=1 writes it", n + 1);
    }
    assert_eq!(page.lines().count(), made.lines().count(), "docs/format.md; EVLOG_BLESS=1 writes it");
    for (number, name) in BUILT_IN.iter().filter(|(number, _)| ![6, 8, 9].contains(number)) {
        assert!(page.contains(&format!("`{name}`:\n")) || page.contains(&format!("`{name}` and ")) || *number == 303);
    }
}

/// The table of the kinds, from the lines of their source: a sentence, a number and a name.
fn table_of_kinds(source: &str) -> String {
    let lines = source.lines().skip_while(|line| *line != "kinds! {").skip(1).take_while(|line| *line != "}");
    let lines: Vec<&str> = lines.map(str::trim).collect();
    let row = |kind: &[&str]| {
        let [sentence, constant] = kind else { panic!("a line of `///` and a line for each kind, found {kind:?}") };
        let sentence = sentence.strip_prefix("/// ").and_then(|it| it.strip_suffix('.')).expect("a sentence");
        let (number, name) = constant.split_once(" = ").and_then(|(_, rest)| rest.split_once(", ")).expect("a kind");
        format!("| {number} | `{}` | {sentence} |\n", name.trim_matches(['"', ';']))
    };
    let rows: String = lines.chunks(2).map(row).collect();
    format!("| number | name | meaning |\n| --- | --- | --- |\n{rows}")
}

#[test]
fn the_kinds_of_the_reader_in_python_are_those_of_the_page() {
    // F-35. The reader is written from the page alone, and so is its table.
    let script = text("tools/evlog_reader.py");
    let (begin, end) = ("KINDS = {  # Begin: written from the page with `just golden`.\n", "}  # End.\n");
    let (before, rest) = script.split_once(begin).expect("the table begins");
    let (_, after) = rest.split_once(end).expect("the table ends");
    let line = |row: &Vec<String>| format!("    {}: \"{}\",\n", row[0], row[1]);
    let made: String = rows(&made_page(), "## 7. Kinds")[1..].iter().map(line).collect();
    let made = format!("{before}{begin}{made}{end}{after}");
    if std::env::var_os("EVLOG_BLESS").is_some() {
        fs::write(root().join("tools/evlog_reader.py"), &made).unwrap();
    }
    assert!(text("tools/evlog_reader.py") == made, "the kinds of tools/evlog_reader.py; EVLOG_BLESS=1 writes them");
}

/// The tables of all structs and enums of a file, each under the kinds that its comment begins with, or under its own name.
fn tables_of(source: &str) -> String {
    let (mut tables, mut comment) = (Vec::new(), String::new());
    for line in source.lines() {
        if let Some(item) = item_of(line) {
            let kinds = kinds_of(&comment);
            let heading = if kinds.is_empty() { format!("`{item}`") } else { kinds.join(" and ") };
            tables.push(format!("{heading}:\n\n{}", table_of(source, item)));
        }
        match line.strip_prefix("///") {
            Some(words) => comment.push_str(words),
            None if line.starts_with('#') => {}
            None => comment.clear(),
        }
    }
    tables.join("\n")
}

/// The name of the struct or enum that begins on this line; `words!` begins an enum with its name.
fn item_of(line: &str) -> Option<&str> {
    let line = line.trim_start_matches("pub(super) ").trim_start_matches("pub ");
    let declared = line.strip_prefix("struct ").or_else(|| line.strip_prefix("enum "));
    let words = || {
        line.strip_prefix("    ")?.split_once(": \"").filter(|(_, rest)| rest.ends_with("\" {")).map(|(name, _)| name)
    };
    declared.filter(|rest| rest.ends_with('{')).and_then(|rest| rest.split([' ', '<']).next()).or_else(words)
}

/// The kinds that a comment begins with, in backticks, up to its first colon or full stop.
fn kinds_of(comment: &str) -> Vec<String> {
    let parts: Vec<&str> = comment.split('`').collect();
    let names = parts.chunks(2).take_while(|pair| !pair[0].contains([':', '.'])).filter_map(|pair| pair.get(1));
    names.take_while(|name| name.contains('.')).map(|name| format!("`{name}`")).collect()
}

/// The table of a struct's fields, or of an enum's numbers, from its source.
fn table_of(source: &str, item: &str) -> String {
    let starts = ["struct {item} {", "struct {item}<S = String> {", "enum {item} {", "    {item}: \""];
    let starts = starts.map(|start| start.replace("{item}", item));
    let lines = source.lines().skip_while(|line| !starts.iter().any(|start| line.contains(start.as_str()))).skip(1);
    let body: Vec<&str> = lines.map(str::trim).take_while(|line| *line != "}").collect();
    assert!(!body.is_empty(), "`{item}` is not in its file any more");
    let mut rows = String::new();
    let (mut comment, mut numbered) = (String::new(), true);
    for line in &body {
        if let Some(words) = line.strip_prefix("///") {
            comment.push_str(words);
        } else if let Some((name, kind)) = line.strip_prefix("pub ").and_then(|field| field.split_once(": ")) {
            numbered = false;
            writeln!(rows, "| `{name}` | {} |{} |", type_of(kind.trim_end_matches(',')), clause(&comment)).unwrap();
            comment.clear();
        } else if !line.is_empty() && !line.starts_with('#') {
            let (number, word) = variant(line, rows.lines().count());
            writeln!(rows, "| {number} | `{word}` |{} |", clause(&comment)).unwrap();
            comment.clear();
        }
    }
    let head = if numbered { "| number | name | meaning |" } else { "| field | type | meaning |" };
    format!("{head}\n| --- | --- | --- |\n{rows}")
}

/// A doc comment without its last full stop.
fn clause(comment: &str) -> &str {
    comment.strip_suffix('.').unwrap_or(comment)
}

fn type_of(rust: &str) -> String {
    let inner = |wrapper: &str| rust.strip_prefix(wrapper).and_then(|rest| rest.strip_suffix('>'));
    match (inner("Option<"), inner("Vec<"), rust) {
        (Some(inner), _, _) => format!("option of {}", type_of(inner)),
        (_, Some(inner), _) => format!("list of {}", type_of(inner)),
        (_, _, "S" | "String" | "Cow<'static, str>") => "string".into(),
        (_, _, "[u8; 32]") => "bytes 32".into(),
        _ => rust.into(),
    }
}

/// Number and word of a variant: `Name = 3, "name";`, `Name = 3,` or the next number for `Name,`.
fn variant(line: &str, next: usize) -> (String, String) {
    let (name, rest) = line.split_once(" = ").unwrap_or((line.trim_end_matches(','), ""));
    let snake = |name: &str| {
        name.chars().enumerate().fold(String::new(), |mut out, (n, letter)| {
            let separator = if letter.is_ascii_uppercase() && n > 0 { "_" } else { "" };
            write!(out, "{separator}{}", letter.to_ascii_lowercase()).unwrap();
            out
        })
    };
    let (number, word) = rest.split_once(", ").unwrap_or((rest.trim_end_matches(','), ""));
    let number = if number.is_empty() { next.to_string() } else { number.into() };
    let word = word.trim_matches(['"', ';']);
    (number, if word.is_empty() { snake(name) } else { word.into() })
}

/// Names the fields of bytes, one after the other.
struct Dump<'a> {
    out: String,
    cursor: Cursor<'a>,
    position: usize,
    bytes: &'a [u8],
}

impl<'a> Dump<'a> {
    fn new(bytes: &'a [u8], position: usize) -> Dump<'a> {
        Dump { out: String::new(), cursor: Cursor::new(bytes, 0), position, bytes }
    }

    /// The bytes that the cursor has passed since the last call, with what they are.
    fn name(&mut self, what: &str) {
        let passed = self.bytes.len() - self.cursor.remaining();
        let (now, later) = self.bytes.split_at(passed);
        for (n, line) in now.chunks(12).enumerate() {
            let spaced = line.iter().map(|byte| hex(&[*byte])).collect::<Vec<_>>().join(" ");
            let what = if n == 0 { what } else { "" };
            writeln!(self.out, "{}", format!("{:>8}  {spaced:<36} {what}", self.position + 12 * n).trim_end()).unwrap();
        }
        self.bytes = later;
        self.position += passed;
    }

    fn fixed(&mut self, len: usize, what: &str) {
        self.cursor.bytes(len, "bytes").unwrap();
        self.name(what);
    }

    fn number(&mut self, what: &str) -> u64 {
        let value = self.cursor.varint("number").unwrap();
        self.name(&format!("{what} {value}"));
        value
    }

    fn signed(&mut self, what: &str) {
        let value = self.cursor.varint_signed("number").unwrap();
        self.name(&format!("{what} {value}"));
    }

    fn string(&mut self, what: &str) -> String {
        let value = self.cursor.text(1000, "text").unwrap().to_string();
        self.name(&format!("{what} `{value}`"));
        value
    }

    fn option(&mut self, what: &str) -> bool {
        let given = self.cursor.option("option").unwrap();
        self.name(&if given { format!("{what}: one follows") } else { format!("no {what}") });
        given
    }

    fn header(&mut self) {
        for (len, what) in [(8, "magic"), (4, "format version 2"), (4, "codec 1"), (16, "log id")] {
            self.fixed(len, what);
        }
        for what in ["segment size limit", "position", "first seq"] {
            let value = u64::from_le_bytes(*self.bytes.first_chunk().unwrap());
            self.fixed(8, &format!("{what} {value}"));
        }
        for (len, what) in [(32, "root of all bytes before"), (4, "reserved"), (4, "checksum of the 92 bytes before")] {
            self.fixed(len, what);
        }
    }

    fn frame(&mut self) {
        let len = u32::from_le_bytes(*self.bytes.first_chunk().unwrap());
        self.fixed(4, &format!("length of the body {len}"));
        self.fixed(4, "checksum of log id, position, length, durable-before, body");
        let durable = u64::from_le_bytes(*self.bytes.first_chunk().unwrap());
        self.fixed(8, &format!("durable-before {durable}"));
        self.head();
        let streams: Vec<String> = (0..self.number("number of streams")).map(|_| self.stream()).collect();
        for _ in 0..self.number("number of events") {
            self.event(&streams);
        }
    }

    fn head(&mut self) {
        self.number("first seq");
        self.signed("recorded");
        if self.option("occurred") {
            self.signed("occurred");
        }
        let class = if self.bytes[0] == 1 { "class `sync`" } else { "class `os`" };
        self.fixed(1, class);
        self.string("actor");
        for what in ["principal", "correlation"] {
            if self.option(what) {
                self.string(what);
            }
        }
        if self.option("idempotency key") {
            self.string("key");
            self.fixed(32, "digest of the command");
        }
    }

    fn stream(&mut self) -> String {
        let name = self.string("stream");
        self.number("number of its first event");
        name
    }

    fn event(&mut self, streams: &[String]) {
        let index = self.cursor.varint("stream").unwrap();
        self.name(&format!("stream {index}, `{}`", streams[usize::try_from(index).unwrap()]));
        let len = self.number("length of the details");
        let end = self.cursor.remaining() - usize::try_from(len).unwrap();
        if self.number("kind tag") == 0 {
            let number = self.number("kind number");
            assert!(BUILT_IN.iter().any(|(known, _)| u64::from(*known) == number));
        } else {
            self.string("kind");
        }
        self.number("kind version");
        if self.option("causation") {
            self.number("caused by seq");
        }
        self.number("protection");
        let len = self.cursor.remaining() - end;
        self.fixed(len, &format!("payload, {len} bytes, the rest"));
    }
}

/// A header or frame of the golden log.
enum Part {
    Header(usize),
    Frame(usize),
}

impl Part {
    fn position(&self) -> usize {
        let (Part::Header(at) | Part::Frame(at)) = *self;
        at
    }
}

fn example() -> String {
    let mut log = Vec::new();
    let mut names: Vec<_> = fs::read_dir(root().join("tests/golden/v2/healthy/segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    for path in names {
        log.extend(fs::read(path).unwrap());
    }
    let mut out = String::from("```text\nposition  bytes                                field\n");
    let segments = [Part::Header(0), Part::Header(924)];
    let frames = [96, 430, 1216, 2268, 2509].map(Part::Frame);
    let mut parts: Vec<Part> = segments.into_iter().chain(frames).collect();
    parts.sort_by_key(Part::position);
    for part in parts {
        let at = part.position();
        let mut dump = Dump::new(&log[at..], at);
        match part {
            Part::Header(_) => dump.header(),
            Part::Frame(_) => dump.frame(),
        }
        write!(out, "\n{}", dump.out).unwrap();
    }
    out.push_str("```\n");
    out
}
