//! Reads one staged artifact, and checks it against its schema (pipeline.md 4.6).
//!
//! Does: read a JSON or YAML document whole, JSON Lines one line at a time, text a piece at a time, and the footers of a
//! dataset's parts; and find what is wrong.
//! Does not: decide what follows from a finding.
//!
//! Invariants:
//! - JSON Lines of any length take the memory of one line, and of the findings that a report would keep. Text of any length
//!   takes the memory of one piece.
//! - Which findings are kept depends on their order in the report, never on the order of discovery.
//! - JSON is read as strictly as events are: duplicate keys, and numbers that a double cannot represent, are errors, because
//!   two readers could see two different documents.

mod dataset;
mod spelling;
mod text;

pub(crate) use dataset::schema_paths_of;
#[cfg(test)]
pub(crate) use dataset::tests::part;
pub(crate) use spelling::Spelling;

use crate::limits::{DOCUMENT_LEN_MAX, DOCUMENT_MEMORY_MAX, LINE_LEN_MAX, YAML_LEN_MAX, memory_of_json};
use crate::meter::Meter;
use crate::plan::{ArtifactMode, ArtifactSchema};
use crate::schema::{BUDGET, Schema};
use crate::yaml;
use evlog_lifecycle::pipeline::report::{ERRORS_MAX_DEFAULT, Finding};
use evlog_projection::parse;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::Builder;
use std::time::Duration;

/// How much stack the validator may take, in bytes: as much as the first thread of a process has on most systems.
const STACK_LEN: usize = 8 * 1024 * 1024;

/// How long to wait for the validator before the next check for an interrupt.
const PAUSE: Duration = Duration::from_millis(20);

/// The longest message of a finding, in bytes. A longer message, such as one that quotes a long name, is replaced by one that
/// states its length.
const MESSAGE_LEN_MAX: usize = 64 * 1024;

/// The staged files of a stage.
#[derive(Clone, Copy)]
pub(crate) struct Staged<'s> {
    /// Opens a staged file for reading.
    pub(crate) open: &'s dyn Fn(&str) -> io::Result<File>,
    /// The paths of the regular files in staging.
    pub(crate) paths: &'s [String],
    /// Counts what is read of the staged files.
    pub(crate) meter: &'s Meter<'s>,
}

/// The longest file that can be read in this mode, in bytes, if the mode reads files as a whole.
pub(crate) fn len_max(mode: &ArtifactMode) -> Option<u64> {
    match mode {
        ArtifactMode::JsonDocument(_) | ArtifactMode::ParquetDataset(_) => Some(DOCUMENT_LEN_MAX),
        ArtifactMode::YamlDocument(_) => Some(YAML_LEN_MAX),
        ArtifactMode::JsonlLines(_) | ArtifactMode::TextDocument => None,
    }
}

/// Returns the findings on the file at this path, at least as many as a report keeps. There are no findings if the file
/// fulfils its schema. An error means that the file, or a part of its dataset, could not be read.
pub(crate) fn inspect(
    staged: Staged<'_>,
    path: &str,
    schema: &ArtifactSchema,
    spelling: Spelling,
) -> io::Result<Vec<Finding>> {
    let file = staged.meter.over((staged.open)(path)?);
    let mut findings = Findings::new();
    match &schema.mode {
        ArtifactMode::JsonDocument(bound) => {
            document(file, &bound.compiled, spelling, DOCUMENT_LEN_MAX, staged.meter, &mut findings)?;
        }
        ArtifactMode::ParquetDataset(bound) => {
            if let Some(said) =
                document(file, &bound.compiled, spelling, DOCUMENT_LEN_MAX, staged.meter, &mut findings)?
            {
                dataset::check(staged, path, &said, &mut findings)?;
            }
        }
        ArtifactMode::JsonlLines(bound) => {
            lines(BufReader::with_capacity(1 << 18, file), &bound.compiled, spelling, staged.meter, &mut findings)?;
        }
        ArtifactMode::YamlDocument(bound) => {
            yaml_document(file, &bound.compiled, YAML_LEN_MAX, staged.meter, &mut findings)?;
        }
        ArtifactMode::TextDocument => text::check(file, &mut findings)?,
    }
    Ok(findings.kept.into_values().collect())
}

/// The document, if it is one.
fn document(
    file: impl Read,
    schema: &Arc<Schema>,
    spelling: Spelling,
    len_max: u64,
    meter: &Meter<'_>,
    findings: &mut Findings,
) -> io::Result<Option<Value>> {
    let Some(text) = whole(file, len_max)? else {
        findings.add(Finding { message: too_long(len_max), ..Finding::default() });
        return Ok(None);
    };
    let memory = memory_of_json(&text);
    if memory > DOCUMENT_MEMORY_MAX {
        let message = format!(
            "expected a document that takes at most {DOCUMENT_MEMORY_MAX} bytes of memory, found one that takes about \
             {memory}; JSON Lines take the memory of one line"
        );
        findings.add(Finding::coded(BUDGET, message));
        return Ok(None);
    }
    match parse(&text) {
        Ok(instance) => {
            let instance = judged(schema, instance, None, meter, findings)?;
            if let Some(finding) = spelling.of_document(&text, &instance) {
                findings.add(finding);
            }
            Ok(Some(instance))
        }
        Err(error) => {
            findings.add(Finding { message: format!("not JSON: {error}"), ..Finding::default() });
            Ok(None)
        }
    }
}

fn yaml_document(
    file: impl Read,
    schema: &Arc<Schema>,
    len_max: u64,
    meter: &Meter<'_>,
    findings: &mut Findings,
) -> io::Result<()> {
    const UNREADABLE: &str = "yaml_unreadable";
    let Some(text) = whole(file, len_max)? else {
        findings.add(Finding::coded(UNREADABLE, too_long(len_max)));
        return Ok(());
    };
    match yaml::parse(&text) {
        Ok(instance) => {
            judged(schema, instance, None, meter, findings)?;
        }
        Err(error) => {
            let message = format!("not YAML that is taken: column {}: {}", error.column, error.message);
            findings.add(Finding::coded(UNREADABLE, message).on_line(error.line as u64));
        }
    }
    Ok(())
}

/// Checks a value against its schema, and gives the value back. A check that may take long runs in its own thread. After an
/// interrupt nothing waits for that thread: it changes nothing, and ends with the process.
fn judged(
    schema: &Arc<Schema>,
    instance: Value,
    line: Option<u64>,
    meter: &Meter<'_>,
    findings: &mut Findings,
) -> io::Result<Value> {
    let placed = move |finding: Finding| match line {
        Some(number) => finding.on_line(number),
        None => finding,
    };
    if schema.is_quick(&instance) {
        schema.each_finding(&instance, &mut |finding| findings.add(placed(finding)));
        return Ok(instance);
    }
    let (schema, (done, judged)) = (Arc::clone(schema), mpsc::sync_channel(1));
    let thread = Builder::new().name("validator".to_owned()).stack_size(STACK_LEN).spawn(move || {
        let mut found = Findings::new();
        schema.each_finding(&instance, &mut |finding| found.add(placed(finding)));
        // After an interrupt, the receiver may have been dropped.
        let _gone = done.send((instance, found));
    })?;
    loop {
        match judged.recv_timeout(PAUSE) {
            Ok((instance, found)) => {
                found.kept.into_values().for_each(|finding| findings.add(finding));
                return Ok(instance);
            }
            Err(RecvTimeoutError::Timeout) => meter.wait()?,
            Err(RecvTimeoutError::Disconnected) => {
                let _panicked = thread.join();
                return Err(io::Error::other("the validator ended and said nothing"));
            }
        }
    }
}

/// Returns what the file holds, or nothing if the file is too long.
fn whole(file: impl Read, len_max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(len_max + 1).read_to_end(&mut bytes)?;
    Ok(if bytes.len() as u64 > len_max { None } else { Some(bytes) })
}

fn too_long(len_max: u64) -> String {
    format!("expected a document of at most {len_max} bytes, found more")
}

/// Findings are ordered by line first. So once there are enough findings, no later line can add one that is kept.
fn lines(
    mut reader: impl BufRead,
    schema: &Arc<Schema>,
    spelling: Spelling,
    meter: &Meter<'_>,
    findings: &mut Findings,
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut number = 0;
    while !findings.are_enough() {
        line.clear();
        let read = reader.by_ref().take(LINE_LEN_MAX + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        number += 1;
        let is_ended = line.last() == Some(&b'\n');
        if is_ended {
            line.pop();
        } else if line.len() as u64 > LINE_LEN_MAX {
            skip_line(&mut reader)?;
            let message = format!("expected a line of at most {LINE_LEN_MAX} bytes, found more");
            findings.add(Finding::unreadable_line(number, message));
            continue;
        }
        match object(&line) {
            Ok(instance) => {
                let instance = judged(schema, instance, Some(number), meter, findings)?;
                let end = if is_ended { spelling::End::LineFeed } else { spelling::End::OfFile };
                let found = spelling.of_line(&line, end, &instance);
                if let Some(finding) = found {
                    findings.add(finding.on_line(number));
                }
            }
            Err(message) => findings.add(Finding::unreadable_line(number, message)),
        }
    }
    Ok(())
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let (len, done) = match buffer.iter().position(|b| *b == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(len);
        if done {
            return Ok(());
        }
    }
}

/// A line must be one object. The finding gives the column; the caller adds the line.
fn object(line: &[u8]) -> Result<Value, String> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Err("expected a JSON object, found a blank line".to_owned());
    }
    match parse(line) {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err("expected a JSON object, found another JSON value".to_owned()),
        Err(error) => Err(format!("not JSON: column {}: {}", error.column, error.message)),
    }
}

/// The first findings in the order of reports (rule P-71): line, instance path, schema path, keyword, message. One more
/// finding is kept than a report holds, so that the report knows that it was cut.
struct Findings {
    kept: BTreeMap<(u64, String, String, String, String), Finding>,
}

impl Findings {
    const MAX: usize = ERRORS_MAX_DEFAULT as usize + 1;

    fn new() -> Findings {
        Findings { kept: BTreeMap::new() }
    }

    fn add(&mut self, mut finding: Finding) {
        if finding.message.len() > MESSAGE_LEN_MAX {
            // Not cut, because a cut could show a part of a secret.
            finding.message = format!("a message of {} bytes, which is not shown", finding.message.len());
        }
        let key = (
            finding.line_number.unwrap_or(0),
            finding.instance_path.clone(),
            finding.schema_path.clone(),
            finding.keyword.clone().unwrap_or_default(),
            finding.message.clone(),
        );
        self.kept.insert(key, finding);
        if self.kept.len() > Findings::MAX {
            self.kept.pop_last();
        }
    }

    fn are_enough(&self) -> bool {
        self.kept.len() >= Findings::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Arc<Schema> {
        let schema = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}});
        Arc::new(Schema::compile(&schema).unwrap())
    }

    fn of_lines(text: &[u8]) -> Vec<(u64, String)> {
        let mut findings = Findings::new();
        lines(text, &schema(), Spelling::Any, &Meter::silent(), &mut findings).unwrap();
        findings.kept.into_values().map(|found| (found.line_number.unwrap_or(0), found.message)).collect()
    }

    fn of_document(text: &[u8]) -> Vec<Finding> {
        let mut findings = Findings::new();
        document(text, &schema(), Spelling::Any, 100, &Meter::silent(), &mut findings).unwrap();
        findings.kept.into_values().collect()
    }

    #[test]
    fn each_bad_line_is_one_finding_with_its_number() {
        let text = b"{\"a\":1}\n{\"a\":\n\n[1]\n{\"a\":1,\"a\":2}\n{\"a\":9007199254740993}\n{\"a\":\"x\"}\n{\"a\":2}";
        let expected = [
            (2, "not JSON: column 5: EOF while parsing a value"),
            (3, "expected a JSON object, found a blank line"),
            (4, "expected a JSON object, found another JSON value"),
            (5, "not JSON: column 10: duplicate key `a`"),
            (
                6,
                "not JSON: column 6: number 9007199254740993 would read back as 9007199254740992; write it as a string",
            ),
            (7, "expected type integer, found text of 1 character (schema /properties/a/type)"),
        ];
        let found = of_lines(text);
        let found: Vec<_> = found.iter().map(|(line, message)| (*line, message.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn lines_may_be_none_and_the_last_may_end_without_a_line_feed() {
        for text in ["", "{\"a\":1}", "{\"a\":1}\n", "{\"a\":1}\r\n{\"a\":1}\r\n"] {
            assert_eq!(of_lines(text.as_bytes()), [], "{text:?}");
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_named_and_the_next_is_read() {
        let mut text = b"{\"a\":\"".to_vec();
        text.resize(usize::try_from(LINE_LEN_MAX).unwrap() + 1, b'x');
        text.extend_from_slice(b"xx\"}\n{\"b\":1}\n");
        let found = of_lines(&text);
        assert_eq!(found[0], (1, format!("expected a line of at most {LINE_LEN_MAX} bytes, found more")));
        assert_eq!(found[1].0, 2);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_read() {
        let mut text = b"{\"a\":1".to_vec();
        text.resize(usize::try_from(LINE_LEN_MAX).unwrap() - 1, b' ');
        text.extend_from_slice(b"}\n");
        assert_eq!(of_lines(&text), []);
    }

    #[test]
    fn only_one_finding_more_than_a_report_holds_is_kept() {
        let found = of_lines("{}\n".repeat(10_000).as_bytes());
        assert_eq!(found.len(), ERRORS_MAX_DEFAULT as usize + 1);
        assert_eq!(found.last().unwrap().0, 51);
    }

    #[test]
    fn the_first_findings_in_order_are_kept_in_any_order_of_discovery() {
        let mut findings = Findings::new();
        for index in (0..200).rev() {
            findings.add(Finding::schema(&format!("/{index:03}"), "/type", "type", "x"));
        }
        let paths: Vec<String> = findings.kept.into_values().map(|found| found.instance_path).collect();
        assert_eq!((paths[0].as_str(), paths[50].as_str(), paths.len()), ("/000", "/050", 51));
    }

    #[test]
    fn g65_a_document_that_would_take_too_much_memory_is_not_read() {
        assert!(memory_of_json(b"[{},{},[1,2]]") < 300);
        let small = b"{\"a\":1},";
        let count = usize::try_from(DOCUMENT_MEMORY_MAX / 760).unwrap() + 1;
        let text = [b"[".as_slice(), &small.repeat(count), b"{}]"].concat();
        assert!(text.len() as u64 <= DOCUMENT_LEN_MAX);
        let mut findings = Findings::new();
        let read =
            document(text.as_slice(), &schema(), Spelling::Any, DOCUMENT_LEN_MAX, &Meter::silent(), &mut findings)
                .unwrap();
        let found: Vec<Finding> = findings.kept.into_values().collect();
        assert_eq!((read, found.len(), found[0].error_code.as_deref()), (None, 1, Some(BUDGET)));
    }

    #[test]
    fn a_document_is_read_strictly_and_within_its_limit() {
        assert_eq!(of_document(b" {\"a\": 1} "), []);
        let message = |text: &[u8]| of_document(text).remove(0).message;
        assert_eq!(message(b""), "not JSON: line 1 column 0: EOF while parsing a value");
        assert_eq!(message(b"{\"a\":1} x"), "not JSON: line 1 column 9: trailing characters");
        assert!(message(b"\xef\xbb\xbf{\"a\":1}").starts_with("not JSON"));
        assert!(message(&[b' '; 101]).contains("at most 100 bytes"));
        assert_eq!(of_document(b"{\"a\":1.5}").remove(0).instance_path, "/a");
    }
}
