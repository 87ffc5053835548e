//! What a check found, and how it is reported.

use super::RUNS;
use crate::context::Context;
use crate::error::CommandError;
use crate::files::{self, Found};
use crate::json::{CheckFinding, CheckObject, hex};
use crate::table::counted;
use crate::ui::{Text, Tone, Ui};
use evlog_projection::difference::first_difference;
use std::path::{Path, PathBuf};

#[derive(Default)]
pub(super) struct Report {
    pub(super) runs: u64,
    pub(super) files: u64,
    pub(super) artifacts: u64,
    pub(super) findings: Vec<CheckFinding>,
}

/// A file of which the log has only the digest, not the bytes.
pub(super) struct Listed {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) blake3: String,
}

impl Report {
    pub(super) fn add(
        &mut self,
        finding: &'static str,
        run: &str,
        path: Option<&str>,
        expected: impl Into<String>,
        found: String,
    ) {
        self.findings.push(CheckFinding {
            finding,
            run: run.to_owned(),
            path: path.map(str::to_owned),
            line: None,
            pointer: None,
            expected: expected.into(),
            found,
        });
    }

    pub(super) fn compare(&mut self, run: &str, path: &str, expected: &[u8], found: &[u8]) {
        let Some(difference) = first_difference(path, expected, found) else { return };
        self.findings.push(CheckFinding {
            finding: "different",
            run: run.to_owned(),
            path: Some(path.to_owned()),
            line: difference.line.map(|line| line as u64),
            pointer: Some(difference.pointer),
            expected: difference.expected,
            found: difference.found,
        });
    }

    pub(super) fn absent(&mut self, run: &str, path: &str, expected: &str, found: &Found) {
        match found {
            Found::Nothing => self.add("missing", run, Some(path), expected, "nothing".to_owned()),
            Found::Other(what) => self.add("different", run, Some(path), expected, (*what).to_owned()),
            Found::File(_) => {}
        }
    }

    pub(super) fn artifact(&mut self, run: &str, root: &Path, artifact: &Listed) -> Result<(), CommandError> {
        let Listed { path, bytes, blake3 } = artifact;
        match files::measure(&root.join(path))? {
            Ok((len, digest)) => {
                let digest = hex(&digest);
                if (len, &digest) != (*bytes, blake3) {
                    let expected = format!("{bytes} bytes of BLAKE3 {blake3}");
                    self.add("different", run, Some(path), expected, format!("{len} bytes of BLAKE3 {digest}"));
                }
            }
            Err(other) => self.absent(run, path, "the file that the stage published", &other),
        }
        Ok(())
    }

    /// Directories of runs that the log does not know.
    pub(super) fn unknown_runs(&mut self, runs: &Path, known: &[String]) -> Result<(), CommandError> {
        for name in files::names(runs)? {
            // `.locks` and the like are not runs: run ids begin with a letter or a digit.
            if !name.starts_with('.') && known.binary_search(&name).is_err() {
                self.add("unknown_run", &name, None, "a run of the log", "a directory of no such run".to_owned());
            }
        }
        Ok(())
    }
}

pub(super) fn print(ui: &mut Ui, context: &Context, report: &Report) {
    let Report { runs, files, artifacts, findings } = report;
    if context.json {
        return ui.json(&CheckObject { runs: *runs, files: *files, artifacts: *artifacts, findings });
    }
    for finding in findings {
        ui.line(sentence(finding));
    }
    let (word, tone) = match findings.len() {
        0 => ("the same, byte for byte".to_owned(), Tone::Good),
        1 => ("1 difference".to_owned(), Tone::Bad),
        count => (format!("{count} differences"), Tone::Bad),
    };
    let [files, artifacts] = [counted(*files, "projected file"), counted(*artifacts, "artifact")];
    let rest = format!(": {files} and {artifacts} of {}", counted(*runs, "run"));
    ui.line(Text::default().toned(tone, word).plain(rest));
}

/// `runs/R/run.json, line 3, at /status: expected "failed", found "success"`.
fn sentence(finding: &CheckFinding) -> Text {
    let mut place = PathBuf::from(RUNS).join(&finding.run);
    place.extend(&finding.path);
    let line = finding.line.map(|line| format!(", line {line}")).unwrap_or_default();
    let pointer = finding.pointer.as_deref().filter(|pointer| !pointer.is_empty());
    let pointer = pointer.map(|pointer| format!(", at {pointer}")).unwrap_or_default();
    let CheckFinding { finding, expected, found, .. } = finding;
    let rest = format!("{line}{pointer}: expected {expected}, found {found}");
    Text::default().toned(Tone::Bad, finding).plain(": ").toned(Tone::Strong, place.display()).plain(rest)
}
