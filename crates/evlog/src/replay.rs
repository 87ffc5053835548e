//! Replay: every projection rebuilt from the log alone, and compared with every digest that was recorded when files
//! were published.

use crate::error::LogError;
use crate::history::{ProjectionPublished, PublishedFile};
use crate::view::View;
use evlog_projection::{Bundle, FoldError};
use std::collections::BTreeMap;

/// What a replay found.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// Runs that were folded.
    pub runs: u64,
    /// Events of those runs.
    pub events: u64,
    /// Files that were rebuilt, as of the end of the log.
    pub files: u64,
    /// Recorded files that were compared.
    pub compared: u64,
    /// Recorded files that the replay does not reproduce.
    pub differences: Vec<ReplayDifference>,
    /// Runs that cannot be folded.
    pub errors: Vec<FoldError>,
    /// BLAKE3 over run, path and digest of every rebuilt file, in byte order: two replays of one log give one value.
    pub digest: [u8; 32],
}

/// A file that was published with other bytes than the log gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayDifference {
    /// The run.
    pub run: String,
    /// Path within the bundle.
    pub path: String,
    /// Seq of the last event that the publication covers.
    pub seq: u64,
    /// The recorded file: digest and length; none if none was recorded for a file that the replay makes.
    pub expected: Option<([u8; 32], u64)>,
    /// The rebuilt file, likewise.
    pub found: Option<([u8; 32], u64)>,
    /// Set when the recorded projection version is not the one of this program.
    pub version: Option<(u16, u16)>,
}

/// Rebuilds every projection of the view; `progress` is told of each run.
pub fn replay(view: &View, progress: &mut dyn FnMut(&str)) -> Result<Replay, LogError> {
    let mut recorded: BTreeMap<String, Vec<ProjectionPublished>> = BTreeMap::new();
    for published in view.published()? {
        recorded.entry(published.run.clone()).or_default().push(published);
    }
    let mut report = Replay::default();
    let mut digest = blake3::Hasher::new();
    for run in view.run_names()? {
        let publications = recorded.remove(&run).unwrap_or_default();
        match replay_run(view, &run, &publications, &mut report) {
            Ok(Some(bundle)) => absorb(&mut digest, &bundle, &mut report),
            Ok(None) => {}
            Err(LogError::Fold(error)) => report.errors.push(error),
            Err(error) => return Err(error),
        }
        progress(&run);
    }
    // A publication of a run that the log does not have: nothing can reproduce it.
    for published in recorded.into_values().flatten() {
        compare(&published, None, &mut report);
    }
    report.digest = *digest.finalize().as_bytes();
    Ok(report)
}

fn replay_run(
    view: &View,
    run: &str,
    publications: &[ProjectionPublished],
    report: &mut Replay,
) -> Result<Option<Bundle>, LogError> {
    let mut reached = 0u64;
    let mut covered = 0usize;
    let fold = view.fold_bundle(run, &mut |fold| {
        reached += 1;
        for published in publications.iter().filter(|published| published.events == reached) {
            compare(published, fold.bundle()?.as_ref(), report);
            covered += 1;
        }
        Ok(())
    })?;
    if view.is_whole() && covered < publications.len() {
        for published in publications.iter().filter(|published| published.events == 0 || published.events > reached) {
            compare(published, None, report);
        }
    }
    Ok(fold.bundle()?)
}

fn absorb(digest: &mut blake3::Hasher, bundle: &Bundle, report: &mut Replay) {
    report.runs += 1;
    report.events += bundle.events;
    for file in bundle.files.values() {
        report.files += 1;
        for part in [bundle.run.as_bytes(), file.path.as_bytes()] {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.update(&file.digest());
    }
}

/// Compares the files of one publication with the bundle as of the same event.
fn compare(published: &ProjectionPublished, bundle: Option<&Bundle>, report: &mut Replay) {
    let mut rebuilt: BTreeMap<&str, _> =
        bundle.iter().flat_map(|bundle| &bundle.files).map(|(path, file)| (path.as_str(), file)).collect();
    let difference = |path: &str, expected: Option<&PublishedFile>, found, version| ReplayDifference {
        run: published.run.clone(),
        path: path.to_owned(),
        seq: published.seq,
        expected: expected.map(|file| (file.blake3, file.len)),
        found,
        version,
    };
    for recorded in &published.files {
        report.compared += 1;
        let file = rebuilt.remove(recorded.path.as_str());
        let found = file.map(|file| (file.digest(), file.bytes.len() as u64));
        if found != Some((recorded.blake3, recorded.len)) {
            let versions = file.map(|file| (recorded.version, file.version)).filter(|(a, b)| a != b);
            report.differences.push(difference(&recorded.path, Some(recorded), found, versions));
        }
    }
    for (path, file) in rebuilt {
        let found = Some((file.digest(), file.bytes.len() as u64));
        report.differences.push(difference(path, None, found, None));
    }
}
