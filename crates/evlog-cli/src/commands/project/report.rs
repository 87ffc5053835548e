//! What a check found, and how it is reported.

use crate::error::CommandError;
use crate::files::{self, Found, RUNS};
use crate::formats::Format;
use crate::json::{CheckFinding, CheckObject, ProjectionObject, StateAfterObject, hex};
use crate::reports::{self, Answer, Base, CASES_MAX, Kind, Place, Region, Rule};
use crate::table::counted;
use crate::ui::{Text, Tone, Ui};
use evlog::replay::origin::{Origin, Sought, StateAfter};
use evlog_projection::difference::{Difference, first_difference};
use evlog_projection::{Bundle, File};
use std::path::{Path, PathBuf};

#[derive(Default)]
pub(in crate::commands) struct Report {
    pub(super) runs: u64,
    pub(super) files: u64,
    pub(super) artifacts: u64,
    pub(super) findings: Vec<CheckFinding>,
    /// How many files are as an earlier version of their projection makes them.
    earlier: u64,
    /// Run and path of the first files that are the same, as many as a report lists.
    first_same: Vec<(String, String)>,
    same_count: u64,
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
            projection: None,
            state_after: None,
            set_by: None,
        });
    }

    /// Counts a file as the same if no finding was added since there were `findings` of them.
    pub(super) fn same_since(&mut self, findings: usize, run: &str, path: &str) {
        if self.findings.len() > findings {
            return;
        }
        self.same(run, path);
    }

    fn same(&mut self, run: &str, path: &str) {
        self.same_count += 1;
        if self.first_same.len() < CASES_MAX {
            self.first_same.push((run.to_owned(), path.to_owned()));
        }
    }

    /// Compares a file. If it differs, returns what to look for in the log.
    pub(super) fn compare(&mut self, run: &str, file: &File, found: &[u8]) -> Option<Sought> {
        let Difference { line, pointer, expected, found: value } = first_difference(&file.path, &file.bytes, found)?;
        let line = line.map(|line| line as u64);
        self.add("different", run, Some(&file.path), expected, value);
        if let Some(finding) = self.findings.last_mut() {
            (finding.line, finding.pointer) = (line, Some(pointer.clone()));
        }
        Some(Sought { path: file.path.clone(), blake3: *blake3::hash(found).as_bytes(), pointer, line })
    }

    /// Adds what the log shows to the findings of a run's files, which begin at `from`. A file that an earlier version of
    /// its projection makes from the same events is not a finding.
    pub(super) fn explain(&mut self, from: usize, bundle: &Bundle, sought: &[Sought], origins: &[Origin]) {
        for (sought, origin) in sought.iter().zip(origins) {
            let is_it = |finding: &CheckFinding| finding.path.as_ref() == Some(&sought.path);
            let Some(at) = self.findings[from..].iter().position(is_it) else { continue };
            if origin.state_after.is_some_and(|state| state.missing == 0) {
                let CheckFinding { run, .. } = self.findings.remove(from + at);
                self.earlier += 1;
                self.same(&run, &sought.path);
                continue;
            }
            let finding = &mut self.findings[from + at];
            finding.state_after = origin.state_after.map(|StateAfter { seq, missing, version }| StateAfterObject {
                seq: seq.0,
                missing,
                version,
            });
            finding.set_by = origin.set_by.map(|seq| seq.0);
        }
        for finding in &mut self.findings[from..] {
            let file = finding.path.as_ref().and_then(|path| bundle.files.get(path));
            finding.projection = file.map(|file| ProjectionObject { name: file.projection, version: file.version });
        }
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

impl Report {
    pub(in crate::commands) fn object(&self) -> CheckObject<'_> {
        let Report { runs, files, artifacts, findings, earlier, .. } = self;
        let (runs, files, artifacts, earlier_versions) = (*runs, *files, *artifacts, *earlier);
        CheckObject { runs, files, artifacts, findings, earlier_versions }
    }

    /// How many files and artifacts were compared.
    pub(in crate::commands) fn compared(&self) -> u64 {
        self.files + self.artifacts
    }

    pub(in crate::commands) fn is_same(&self) -> bool {
        self.findings.is_empty()
    }

    /// The findings for a report of another command.
    pub(in crate::commands) fn reported(&self) -> impl Iterator<Item = reports::Finding> {
        let of_another = |finding| reports::Finding { file: String::new(), region: Region::Whole, ..finding };
        self.findings.iter().map(reports::Finding::from).map(of_another)
    }
}

pub(super) fn print(ui: &mut Ui, format: Format<Kind>, dir: &Path, report: &Report) {
    match format {
        Format::Text => text(ui, report),
        Format::Json => ui.json(&report.object()),
        Format::Own(kind) => reported(dir, report).print(ui, kind),
    }
}

pub(in crate::commands) fn text(ui: &mut Ui, report: &Report) {
    let Report { runs, files, artifacts, findings, .. } = report;
    for finding in findings {
        ui.line(sentence(finding));
    }
    let (word, tone) = match findings.len() {
        0 => ("the same, byte for byte".to_owned(), Tone::Good),
        1 => ("1 difference".to_owned(), Tone::Bad),
        count => (format!("{count} differences"), Tone::Bad),
    };
    let [files, artifacts] = [counted(*files, "projected file"), counted(*artifacts, "artifact")];
    let earlier = match report.earlier {
        0 => String::new(),
        1 => "; 1 file as an earlier version of its projection makes it".to_owned(),
        count => format!("; {count} files as earlier versions of their projections make them"),
    };
    let rest = format!(": {files} and {artifacts} of {}{earlier}", counted(*runs, "run"));
    ui.line(Text::default().toned(tone, word).plain(rest));
}

/// A kind of finding, and what must hold instead.
const RULES: [(&str, &str); 5] = [
    ("different", "a file has the bytes that the log gives"),
    ("missing", "a file that the log gives is there"),
    ("unexpected", "the log accounts for every file of a bundle"),
    ("unknown_run", "every bundle is of a run of the log"),
    ("unreadable", "every run can be folded"),
];

/// A report on the bundles below a directory, before anything was compared.
pub(super) fn empty(dir: &Path) -> reports::Report {
    reports::Report::new("evlog project", dir.join(RUNS).display().to_string(), Base::new("RUNS", &dir.join(RUNS), "."))
}

/// A test case for each file, as far as a report takes them.
fn reported(dir: &Path, found: &Report) -> reports::Report {
    let mut report = empty(dir);
    report.says("runs", found.runs.to_string());
    for (id, title) in RULES {
        report.rule(Rule::new(id, title, "`evlog project --help` explains what is compared."));
    }
    for finding in &found.findings {
        let rule = RULES.iter().position(|(id, _)| *id == finding.finding).unwrap_or_default();
        let name = finding.path.as_deref().unwrap_or("the run as a whole");
        report.case(rule, format!("project.{}", finding.run), name, Answer::found([finding.into()]));
    }
    for (run, path) in &found.first_same {
        report.case(0, format!("project.{run}"), path, Answer::passed());
    }
    report.left_out(found.same_count - found.first_same.len() as u64, 0);
    report
}

impl From<&CheckFinding> for reports::Finding {
    fn from(finding: &CheckFinding) -> reports::Finding {
        let CheckFinding { run, path, line, pointer, expected, found, .. } = finding;
        let pointer = pointer.clone().filter(|pointer| !pointer.is_empty());
        reports::Finding {
            file: path.as_ref().map_or(run.clone(), |path| format!("{run}/{path}")),
            region: line.map_or(Region::Whole, |line| Region::Text { line, column: None }),
            place: Some(pointer.map_or_else(|| Place::run(run), |name| Place { kind: "value", name })),
            expected: expected.clone(),
            found: found.clone(),
            sentence: format!("{}: {}{}", finding.finding, place(finding).display(), rest(finding)),
        }
    }
}

/// `runs/R/run.json`.
fn place(finding: &CheckFinding) -> PathBuf {
    let mut place = PathBuf::from(RUNS).join(&finding.run);
    place.extend(&finding.path);
    place
}

/// `, line 3, at /status: expected "failed", found "success"`.
fn rest(finding: &CheckFinding) -> String {
    let CheckFinding { expected, found, .. } = finding;
    let line = finding.line.map(|line| format!(", line {line}")).unwrap_or_default();
    let pointer = finding.pointer.as_deref().filter(|pointer| !pointer.is_empty());
    let pointer = pointer.map(|pointer| format!(", at {pointer}")).unwrap_or_default();
    let origin = origin(finding).unwrap_or_default();
    let projection = finding.projection.as_ref().map(|made| format!(" ({} version {})", made.name, made.version));
    let projection = projection.unwrap_or_default();
    format!("{projection}{line}{pointer}: expected {expected}, found {found}{origin}")
}

/// `; this is the state after seq 118, and 3 events are missing from it`.
fn origin(finding: &CheckFinding) -> Option<String> {
    if let Some(StateAfterObject { seq, missing, .. }) = finding.state_after {
        let missing = if missing == 1 { "1 event is".to_owned() } else { format!("{missing} events are") };
        return Some(format!("; this file is the state after seq {seq}, and {missing} missing from it"));
    }
    finding.set_by.map(|seq| format!("; seq {seq} set what was expected"))
}

fn sentence(finding: &CheckFinding) -> Text {
    let line = Text::default().toned(Tone::Bad, finding.finding).plain(": ");
    line.toned(Tone::Strong, place(finding).display()).plain(rest(finding))
}
