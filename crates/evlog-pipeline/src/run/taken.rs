//! A stage that is reused from the run that this one retries: its files are copied, and no process runs.
//!
//! Does: copy the files of a stage that can be reused into staging, record where they come from, and pass them through the
//! publish gate as if the stage had just made them. Does not: decide what can be reused; that is `retry.rs`.
//!
//! Invariants:
//! - Files are copied and never linked: bundles do not depend on each other.
//! - `pipeline.taken_over` is committed when all copies are complete. So an attempt with this event has run no process.
//! - If a file is not the one that the retried run has recorded, the stage is not reused. It runs, and so do all later stages.

use super::Runner;
use super::retry::Offer;
use super::stage::{Room, Stop};
use crate::file_error::{FileError, at, in_words};
use crate::files::{FILE_MODE, make_parents, measure_below};
use crate::inputs::Found;
use crate::meter::Meter;
use crate::plan::Stage;
use crate::progress::Progress;
use crate::step::Step;
use crate::tree::Tree;
use evlog_lifecycle::pipeline::{Artifact, Outcome};
use rustix::fs::{Mode, OFlags};
use serde_json::json;
use std::fs::File;
use std::io::{self, Read, Write};

/// The result of copying one file.
#[derive(Debug, PartialEq, Eq)]
enum Copied {
    /// The file was copied completely.
    Whole,
    /// The file in the other bundle is not the recorded one; a message says why.
    Other(String),
}

impl Runner<'_> {
    /// What can be reused of a stage that is about to begin. For the first stage that cannot be reused, the reason is reported.
    /// That stage and all later stages run.
    pub(super) fn offer(&mut self, stage: &Stage, inputs: &[Found]) -> Option<Offer> {
        let offer = self.baseline.as_ref()?.offer(self.plan, stage, inputs, &self.secrets, &self.outcomes);
        offer.map_err(|why| self.run_from_here(stage, &why)).ok()
    }

    fn run_from_here(&mut self, stage: &Stage, why: &str) {
        self.baseline = None;
        self.note(stage, &format!("runs, and so does what comes after it: {why}"));
    }

    /// Reuses a stage, or runs it if that fails. The outcome is returned, and not recorded yet.
    pub(super) fn attempt_reusing(&mut self, stage: &Stage, room: &mut Room, offer: &Offer) -> Result<Outcome, Stop> {
        self.open(stage, room)?;
        if let Some(why) = self.copy(stage, room, offer)? {
            self.run_from_here(stage, &why);
            self.clear_staging();
            room.make_staging(self.home()?, &self.steps)?;
            return self.attempt_within(stage, room);
        }
        let Some(baseline) = self.baseline.as_ref().map(|baseline| baseline.run.clone()) else {
            unreachable!("what is offered is offered by a run")
        };
        self.must("take_over", json!({"stage": stage.id, "baseline": baseline, "seq": offer.seq}))?;
        let (from, seq, files) = (baseline.as_str(), offer.seq, offer.artifacts.len());
        self.watcher.report(Progress::StageTakenOver { stage: &stage.id, from, seq, files });
        let line = format!("evlog: taken over from run `{from}`, where its outcome is event {seq}");
        room.write_line(&line)?;
        let findings = self.record_substages(&stage.id, &offer.substages)?;
        let outcome = if findings.is_empty() {
            self.publish(stage, Outcome::success(&stage.id, stage.fail_mode))?
        } else {
            self.fail_reported(stage, room, findings)?
        };
        if outcome.is_fatal() {
            let message = format!("what failed was taken over from run `{from}`; `--from {}` runs the stage", stage.id);
            self.note(stage, &message);
        }
        Ok(outcome)
    }

    /// Copies the published files of the stage into its staging directory. Returns a message if they have changed.
    fn copy(&mut self, stage: &Stage, room: &Room, offer: &Offer) -> Result<Option<String>, Stop> {
        let Some(baseline) = &self.baseline else { unreachable!("what is offered is offered by a run") };
        self.watcher.report(Progress::TakingOver { stage: &stage.id, from: &baseline.run });
        let tell = self.reading(Some(&stage.id));
        // Each file is read twice: the original in the other bundle, and the copy in this one.
        let meter = Meter::new(offer.artifacts.iter().map(|artifact| 2 * artifact.bytes).sum(), &tell);
        let staging = self.home()?.within_named(&room.staging_path)?;
        for artifact in &offer.artifacts {
            self.go_on(&stage.id, true)?;
            make_parents(&staging, &artifact.path, &self.steps)?;
            self.steps.at(Step::CopyTaken);
            let from = Tree::open(&baseline.bundle).map_err(|error| error.source);
            let from = from.and_then(|bundle| bundle.file(&artifact.path));
            let copied = copy(from, (&staging, &artifact.path), artifact, &meter);
            self.go_on(&stage.id, true)?;
            if let Copied::Other(found) = copied? {
                let (path, run, expected) = (&artifact.path, &baseline.run, described(artifact.bytes, artifact.blake3));
                return Ok(Some(format!("`{path}` of run `{run}`: expected {expected}, found {found}")));
            }
        }
        Ok(None)
    }
}

fn described(bytes: u64, blake3: [u8; 32]) -> String {
    format!("{bytes} bytes with BLAKE3 {}", super::hex(blake3))
}

/// Copies a file with its permissions, if it is still the file that was recorded. A file that cannot be read counts as another
/// file. The error means that the copy failed.
fn copy(
    from: io::Result<File>,
    (tree, path): (&Tree, &str),
    artifact: &Artifact,
    meter: &Meter<'_>,
) -> Result<Copied, FileError> {
    let to = &tree.path().join(path);
    let opened = from.and_then(|file| file.metadata().map(|found| (file, found.permissions())));
    let (mut source, permissions) = match opened {
        Ok(opened) => opened,
        Err(error) => return Ok(Copied::Other(in_words("open", &error))),
    };
    let mut target = tree
        .file_with(path, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, Mode::from_raw_mode(FILE_MODE))
        .map_err(at("make", to))?;
    let (mut hasher, mut len, mut buffer) = (blake3::Hasher::new(), 0, vec![0; 1 << 18]);
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Copied::Other(in_words("read", &error))),
        };
        hasher.update(&buffer[..read]);
        len += read as u64;
        meter.add(read as u64).map_err(at("copy to", to))?;
        target.write_all(&buffer[..read]).map_err(at("write", to))?;
    }
    let found = (len, *hasher.finalize().as_bytes());
    if found != (artifact.bytes, artifact.blake3) {
        return Ok(Copied::Other(described(found.0, found.1)));
    }
    target.set_permissions(permissions).map_err(at("write", to))?;
    // The copy will be promoted, so the content of the copy counts.
    if measure_below(tree, path, meter)? != found {
        return Err(at("copy to", to)(io::Error::other("expected the bytes that were written, found others")));
    }
    Ok(Copied::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    fn copy_in(room: &Path, from: &str, to: &str, artifact: &Artifact) -> Copied {
        let tree = Tree::open_itself(room).unwrap();
        copy(tree.file(from), (&tree, to), artifact, &Meter::silent()).unwrap()
    }

    fn artifact(content: &[u8]) -> Artifact {
        let (bytes, blake3) = (content.len() as u64, *blake3::hash(content).as_bytes());
        Artifact { path: "a".to_owned(), bytes, blake3, contract: None }
    }

    #[test]
    fn t23_a_copy_is_the_recorded_file_with_its_permissions_and_no_link_to_it() {
        let room = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| room.path().join(name));
        let content = vec![7; 600_000];
        fs::write(&from, &content).unwrap();
        fs::set_permissions(&from, fs::Permissions::from_mode(0o555)).unwrap();
        assert_eq!(copy_in(room.path(), "from", "to", &artifact(&content)), Copied::Whole);
        assert!(fs::read(&to).unwrap() == content);
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o555);
        fs::remove_file(&from).unwrap();
        fs::write(&from, "another").unwrap();
        assert!(fs::read(&to).unwrap() == content);
    }

    #[test]
    fn t22_a_file_that_differs_from_the_record_is_not_copied_and_is_described() {
        let room = tempfile::tempdir().unwrap();
        let expected = artifact(b"content");
        let found = |name: &str, make: &dyn Fn(&Path)| {
            make(&room.path().join(name));
            match copy_in(room.path(), name, &format!("{name}.copy"), &expected) {
                Copied::Other(found) => found,
                Copied::Whole => panic!("{name}"),
            }
        };
        let digest = blake3::hash(b"CONTENT").to_hex();
        let other = found("other", &|from| fs::write(from, "CONTENT").unwrap());
        assert_eq!(other, format!("7 bytes with BLAKE3 {digest}"));
        assert!(found("long", &|from| fs::write(from, "content.").unwrap()).starts_with("8 bytes"));
        assert!(found("gone", &|_| {}).contains("there is no such file"));
        assert_eq!(found("directory", &|from| fs::create_dir(from).unwrap()), "expected a regular file");
        let target = room.path().join("target");
        fs::write(&target, "content").unwrap();
        assert_eq!(found("link", &|from| symlink(&target, from).unwrap()), "expected a regular file");
    }
}
