//! Trails of a replay: written to a file, or held against the replay.

use crate::error::CommandError;
use crate::files;
use crate::json::{AgainstFile, AgainstObject, DivergenceObject, TrailObject, hex};
use crate::table::counted;
use crate::ui::{Text, Tone, Ui};
use evlog::View;
use evlog::replay::{Replay, Step, replay_steps};
use evlog::trail::{Against, Divergence, Header, Projected, TrailError, TrailWriter, examine, projected};
use evlog_pipeline::open_regular;
use evlog_projection::Bundle;
use evlog_projection::contracts::AUDIT_PATH;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek};
use std::num::NonZeroUsize;
use std::path::Path;

/// What the header names as the program.
pub(super) const PROGRAM: &str = concat!("evlog ", env!("CARGO_PKG_VERSION"));

/// Said where a run has no files.
const NO_FILES: &str = "the event is followed by others of its commit, and the run has no files before them";

/// A trail that was written.
pub(super) struct Written {
    path: String,
    steps: u64,
    bytes: u64,
}

/// A trail that the replay was held against.
pub(super) struct Compared {
    path: String,
    header: Header,
    /// How many steps the replay has.
    pub(super) steps: u64,
    first: Option<(Divergence, Option<Projected>)>,
}

/// Refuses a target that is no new file, before anything is replayed.
pub(super) fn check_free(path: &Path) -> Result<(), CommandError> {
    if path == Path::new("-") {
        let message = "--trail: expected a file, found `-`: a trail is written whole or not at all";
        return Err(CommandError::user(message));
    }
    if path.symlink_metadata().is_ok() {
        return Err(CommandError::taken(&format!("--trail `{}`", path.display()), "a trail"));
    }
    Ok(())
}

/// Replays, and writes the trail: the whole file, or none.
pub(super) fn write(
    path: &Path,
    view: &View,
    threads: NonZeroUsize,
    header: &Header,
    progress: &mut dyn FnMut(u64),
) -> Result<(Replay, Written), CommandError> {
    let cannot = |error: std::io::Error| CommandError::file("write", path.display(), &error);
    let draft = files::begin_draft(path, files::MODE)?;
    let mut writer = TrailWriter::new(BufWriter::new(draft), header);
    let found = replay_steps(view, threads, header.every, &mut |step| writer.step(step), progress)?;
    let (steps, out) = writer.finish().map_err(cannot)?;
    let draft = out.into_inner().map_err(|error| cannot(error.into_error()))?;
    draft.as_file().sync_all().map_err(cannot)?;
    let bytes = draft.as_file().metadata().map_err(cannot)?.len();
    draft.persist_noclobber(path).map_err(|error| cannot(error.error))?;
    files::sync_above(path)?;
    Ok((found, Written { path: path.display().to_string(), steps, bytes }))
}

/// A trail that was read once, and is whole.
pub(super) struct Examined<'p> {
    path: &'p Path,
    file: File,
    header: Header,
}

impl<'p> Examined<'p> {
    pub(super) fn open(path: &'p Path) -> Result<Examined<'p>, CommandError> {
        let file = open_regular(path)
            .map_err(|error| CommandError::file("read", path.display(), &error).during("--against"))
            .map_err(|error| error.hint("nothing was compared; `evlog replay --trail FILE` writes a trail"))?;
        let header = examine(BufReader::new(&file)).map_err(|error| refused(path, &error))?;
        Ok(Examined { path, file, header })
    }

    /// The log as it was when the trail was made.
    pub(super) fn view(&self, view: View) -> Result<View, CommandError> {
        self.header.view(view).map_err(|error| refused(self.path, &error))
    }

    /// Replays, and compares each step with the trail's.
    pub(super) fn compare(
        mut self,
        view: &View,
        threads: NonZeroUsize,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(Replay, Compared), CommandError> {
        let (path, every) = (self.path, self.header.every);
        self.file.rewind().map_err(|error| CommandError::file("read", path.display(), &error))?;
        let source = BufReader::new(self.file);
        let mut against = Against::new(source, &self.header).map_err(|error| refused(path, &error))?;
        let mut steps = 0;
        let compared = &mut |step: &Step<'_>| {
            steps += 1;
            against.step(step);
        };
        let found = replay_steps(view, threads, every, compared, progress)?;
        let first = against.finish().map_err(|error| refused(path, &error))?;
        let first = first.map(|first| projected(view, &first.run, first.seq, every).map(|after| (first, after)));
        let first = first.transpose()?;
        Ok((found, Compared { path: path.display().to_string(), header: self.header, steps, first }))
    }
}

fn refused(path: &Path, error: &TrailError) -> CommandError {
    let refused = CommandError::user(format!("`{}`: {error}", path.display()));
    match error {
        TrailError::Projection { .. } => {
            refused.hint("compare with a trail of a program that has the same projections")
        }
        TrailError::Truncated { .. } | TrailError::Damaged | TrailError::Form { .. } => {
            refused.hint("nothing was compared; `evlog replay --trail` writes a trail")
        }
        _ => refused,
    }
}

impl Written {
    pub(super) fn fact(&self) -> String {
        let bytes = self.bytes.checked_div(self.steps).unwrap_or_default();
        format!("{} in `{}`, {} bytes ({bytes} for each)", counted(self.steps, "step"), self.path, self.bytes)
    }

    pub(super) fn object(&self) -> TrailObject<'_> {
        TrailObject { path: &self.path, steps: self.steps, bytes: self.bytes }
    }
}

impl Compared {
    pub(super) fn agrees(&self) -> bool {
        self.first.is_none()
    }

    /// The verdict on the trail, in a line.
    pub(super) fn fact(&self) -> String {
        let made = format!("`{}`, by {}", self.path, self.header.program);
        if self.agrees() { format!("the same after every {}: {made}", self.step()) } else { format!("differs: {made}") }
    }

    /// What the trail has a line for: a trail made with `--every` says nothing of the events between its steps.
    pub(super) fn step(&self) -> &'static str {
        if self.header.every.get() == 1 { "event" } else { "step of the trail" }
    }

    /// Where the replay and the trail begin to differ, as a sentence.
    pub(super) fn sentence(&self) -> Option<String> {
        let (first, after) = self.first.as_ref()?;
        let digest = |digest: Option<[u8; 8]>| digest.map_or("no step".to_owned(), |digest| hex(&digest));
        let (expected, found) = (digest(first.expected), digest(first.found));
        let (run, seq) = (&first.run, first.seq);
        let Some(Projected { number, kind, since, .. }) = after else {
            return Some(format!(
                "the trail differs first at seq {seq}, an event of run `{run}` there, and not in this log"
            ));
        };
        let since = if *since == seq {
            String::new()
        } else {
            let every = self.header.every;
            format!(
                "; the trail has one of every {every} events, so the first that differs is from seq {since} to {seq}"
            )
        };
        Some(format!(
            "the trail differs first after event {seq}, `{kind}`, event {number} of run `{run}`: expected {expected}, found {found}{since}"
        ))
    }

    /// What this program projects after that event.
    pub(super) fn print(&self, ui: &mut Ui) {
        let Some(sentence) = self.sentence() else { return };
        ui.finding(sentence);
        match self.first.as_ref().and_then(|(_, after)| Some(&after.as_ref()?.bundle)) {
            Some(Ok(Some(bundle))) => {
                for AgainstFile { path, projection, version, text, .. } in against_files(bundle) {
                    let head = Text::default().toned(Tone::Strong, path);
                    ui.line(head.plain(format_args!(", {projection} version {version}, here: {text}")));
                }
            }
            Some(Ok(None)) => ui.finding(format_args!("no files here: {NO_FILES}")),
            Some(Err(error)) => ui.finding(format_args!("no files here: {error}")),
            None => {}
        }
    }

    pub(super) fn object(&self) -> AgainstObject<'_> {
        AgainstObject {
            path: &self.path,
            agrees: self.agrees(),
            program: &self.header.program,
            every: self.header.every.get(),
            first: self.first.as_ref().map(divergence),
        }
    }

    pub(super) fn place(&self) -> Option<(&str, u64)> {
        self.first.as_ref().map(|(first, _)| (first.run.as_str(), first.seq.0))
    }
}

fn divergence((first, after): &(Divergence, Option<Projected>)) -> DivergenceObject<'_> {
    let digest = |digest: Option<[u8; 8]>| digest.map(|digest| hex(&digest));
    let bundle = after.as_ref().map(|after| after.bundle.as_ref());
    DivergenceObject {
        run: &first.run,
        seq: first.seq.0,
        number: after.as_ref().map(|after| after.number),
        kind: after.as_ref().map(|after| after.kind.as_str()),
        since: after.as_ref().map(|after| after.since.0),
        expected: digest(first.expected),
        found: digest(first.found),
        files: bundle.and_then(Result::ok).and_then(Option::as_ref).map(against_files).unwrap_or_default(),
        message: bundle.and_then(|bundle| match bundle {
            Ok(Some(_)) => None,
            Ok(None) => Some(NO_FILES.to_owned()),
            Err(error) => Some(error.to_string()),
        }),
    }
}

/// The files of a bundle with their text: of the audit, the last line.
fn against_files(bundle: &Bundle) -> Vec<AgainstFile<'_>> {
    bundle.files.values().map(against_file).collect()
}

fn against_file(file: &evlog_projection::File) -> AgainstFile<'_> {
    let text = String::from_utf8_lossy(&file.bytes);
    let text =
        if file.path == AUDIT_PATH { text.lines().last().unwrap_or_default().to_owned() } else { text.into_owned() };
    let (path, blake3) = (&file.path, hex(&file.digest()));
    AgainstFile { path, projection: file.projection, version: file.version, blake3, text }
}
