//! Bundles are written, and their digests recorded, while the machine crashes or the process is killed at any act: what the log
//! records as published is there, every other name leads to the old file or to the new one, and writing again completes it.

use crate::workload::{commands, open, submit, view};
use evlog::bundles::bundles;
use evlog::history::ProjectionPublished;
use evlog::publish::Publisher;
use evlog::{LogError, View};
use evlog_format::{Seq, kind, payload};
use evlog_pipeline::FileError;
use evlog_pipeline::bundles::{BundleWriter, Disk};
use evlog_projection::Bundle;
use evlog_store::Fs;
use evlog_store::fs::sim::{Keep, SimFs};
use std::error::Error;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

type Done = Result<(), Box<dyn Error>>;

const SEGMENT_LIMIT: u64 = 1 << 20;
/// Bundles in a batch: several batches, and one that is not full.
const BATCH: usize = 2;
/// A file that is there before, with other content.
const OLD: (&str, &[u8]) = ("/out/runs/all/run.json", b"old");

/// What a disk does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Drafts get their names before they are synced.
    UnsyncedDrafts,
    /// Files are recorded before their names are synced.
    UnsyncedPlaces,
    /// Files that were there already are not synced.
    UnsyncedHeld,
    /// Directories cannot be renamed to a free name. That is no fault of the disk: some file systems cannot do it.
    CannotRenameDirectories,
}

struct SimDisk {
    fs: SimFs,
    fault: Fault,
    placed: Vec<String>,
    placed_runs: Vec<String>,
}

impl SimDisk {
    fn new(fs: &SimFs, fault: Fault) -> SimDisk {
        SimDisk { fs: fs.clone(), fault, placed: Vec::new(), placed_runs: Vec::new() }
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.fs.open_write(path)?.sync_data()?;
        self.fs.sync_dir(path.parent().unwrap())
    }
}

fn draft(name: &str) -> PathBuf {
    Path::new("/out/runs/.drafts").join(name)
}

fn at(path: &str) -> PathBuf {
    Path::new("/out").join(path)
}

fn named(path: PathBuf) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError { action: "use", path, source }
}

impl Disk for SimDisk {
    fn holds(&self, path: &str, bytes: &[u8]) -> bool {
        self.fs.bytes(&at(path)).is_some_and(|found| found == bytes)
    }

    fn has_bundle(&self, run: &str) -> bool {
        self.fs.files().iter().any(|file| file.starts_with(at("runs").join(run)))
    }

    fn draft(&mut self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        let path = draft(name);
        let write = || {
            self.fs.create_dir(path.parent().unwrap())?;
            if self.fs.bytes(&path).is_some() {
                self.fs.remove(&path)?;
            }
            self.fs.create(&path)?.write_at(bytes, 0)
        };
        write().map_err(named(path.clone()))
    }

    fn draft_bundle(&mut self, name: &str, bundle: &Bundle) -> Result<(), FileError> {
        // What a killed process has left.
        self.fs.take_away_dir(&draft(name));
        bundle.files.values().try_for_each(|file| self.draft(&format!("{name}/{}", file.path), &file.bytes))
    }

    fn sync_drafts(&mut self, drafts: &[String]) -> Result<(), FileError> {
        if self.fault == Fault::UnsyncedDrafts {
            return Ok(());
        }
        drafts.iter().map(|name| draft(name)).try_for_each(|path| self.sync(&path).map_err(named(path)))
    }

    fn place(&mut self, name: &str, path: &str) -> Result<(), FileError> {
        self.placed.push(path.to_owned());
        let target = at(path);
        let placed = self.fs.create_dir(target.parent().unwrap()).and_then(|()| self.fs.rename(&draft(name), &target));
        placed.map_err(named(target))
    }

    fn place_bundle(&mut self, name: &str, run: &str) -> Result<bool, FileError> {
        if self.fault == Fault::CannotRenameDirectories {
            return Ok(false);
        }
        let target = at("runs").join(run);
        self.placed_runs.push(format!("runs/{run}/"));
        self.fs.rename_dir(&draft(name), &target).map_err(named(target)).map(|()| true)
    }

    fn sync_places(&mut self, paths: &[String]) -> Result<(), FileError> {
        let (placed, runs) = (std::mem::take(&mut self.placed), std::mem::take(&mut self.placed_runs));
        let is_placed = |path: &String| placed.contains(path) || runs.iter().any(|run| path.starts_with(run.as_str()));
        let is_synced = |path: &&String| match self.fault {
            Fault::UnsyncedPlaces => false,
            Fault::UnsyncedHeld => is_placed(path),
            Fault::None | Fault::UnsyncedDrafts | Fault::CannotRenameDirectories => true,
        };
        if self.fault != Fault::UnsyncedPlaces {
            self.fs.sync_dir(&at("runs")).map_err(named(at("runs")))?;
        }
        paths.iter().filter(is_synced).try_for_each(|path| self.sync(&at(path)).map_err(named(at(path))))
    }
}

/// A log with runs, and a file that differs from its projection.
fn prepared() -> SimFs {
    let fs = SimFs::new();
    let log = open(&fs, SEGMENT_LIMIT).unwrap();
    let commands = commands(1);
    assert_eq!(submit(&log, &commands).len(), commands.len());
    log.close().unwrap();
    fs.create_dir(at("runs/all").as_path()).unwrap();
    fs.put(Path::new(OLD.0), OLD.1.to_vec());
    // Everything so far is synced, and the count of acts begins anew.
    fs.crash(&mut |_| Keep::All)
}

fn runs(view: &View, visit: &mut dyn FnMut(&Bundle) -> Done) -> Done {
    let names = view.run_names()?;
    let mut outcome = Ok(());
    bundles::<LogError>(view, &names, &mut |_, bundle| {
        if let (Ok(Some(bundle)), true) = (&bundle, outcome.is_ok()) {
            outcome = visit(bundle);
        }
        Ok(())
    })?;
    outcome
}

/// What `evlog project --out` does, with small batches.
fn project(fs: &SimFs, fault: Fault) -> Done {
    let log = open(fs, SEGMENT_LIMIT)?;
    let (mut publisher, mut writer) = (Publisher::new(&log)?, BundleWriter::new(SimDisk::new(fs, fault)));
    let mut settle = |writer: &mut BundleWriter<SimDisk>| -> Done {
        let settled = writer.settle()?.into_iter();
        settled.map(|settled| settled.map_err(|obstacle| obstacle.error)).try_for_each(|written| {
            publisher.publish(written?.published)?;
            Ok(())
        })
    };
    let mut waiting = 0;
    runs(&log.view()?, &mut |bundle| {
        writer.write(bundle)?;
        waiting += 1;
        if waiting % BATCH == 0 { settle(&mut writer) } else { Ok(()) }
    })?;
    settle(&mut writer)?;
    publisher.finish()?;
    Ok(log.close()?)
}

fn published(view: &View) -> Vec<ProjectionPublished> {
    let mut found = Vec::new();
    view.each::<LogError>(Seq(0), &mut |fact| {
        if fact.event.kind == kind::LOG_PROJECTION_PUBLISHED {
            found.push(payload::decode(fact.event.payload).unwrap());
        }
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    found
}

/// What must hold at any time. Returns how many bundles are recorded.
fn assert_sound(fs: &SimFs, name: &str) -> usize {
    // A crash may end an append. The next writer cuts it.
    drop(open(fs, SEGMENT_LIMIT).unwrap());
    let view = view(fs);
    let recorded = published(&view);
    for (run, file) in recorded.iter().flat_map(|bundle| bundle.files.iter().map(|file| (&bundle.run, file))) {
        let bytes = fs.bytes(&at(&format!("runs/{run}/{}", file.path)));
        let digest = bytes.map(|bytes| *blake3::hash(&bytes).as_bytes());
        assert_eq!(digest, Some(file.blake3), "{name}: `{}` of {run} is recorded and not there", file.path);
    }
    runs(&view, &mut |bundle| {
        for file in bundle.files.values() {
            let path = at(&format!("runs/{}/{}", bundle.run, file.path));
            let Some(bytes) = fs.bytes(&path) else { continue };
            let is_old = path == Path::new(OLD.0) && bytes == OLD.1;
            assert!(is_old || bytes == file.bytes, "{name}: `{}` is neither old nor new", path.display());
        }
        Ok(())
    })
    .unwrap();
    recorded.len()
}

/// Stops after every act: the machine crashes in several ways, or the process is killed and the machine crashes after the next
/// process has completed the work.
fn stop_everywhere(fault: Fault) {
    let whole = prepared();
    project(&whole, fault).unwrap();
    let (acts, all) = (whole.trail().len() as u64, published(&view(&whole)).len());
    assert!(acts > 30 && all > 2, "the work is too small to show anything: {acts} acts, {all} bundles");
    for cut in 0.. {
        let fs = prepared();
        fs.cut_power(cut);
        let ended = project(&fs, fault).is_ok();
        for (way, keep) in [Keep::Nothing, Keep::First(7)].into_iter().enumerate() {
            let crashed = fs.crash(&mut |_| keep);
            let name = format!("a crash at act {cut} of {acts}, way {way}");
            assert_sound(&crashed, &name);
            project(&crashed, fault).unwrap();
            assert_eq!(assert_sound(&crashed.crash(&mut |_| Keep::Nothing), &name), all, "{name}");
        }
        let killed = fs.kill();
        let name = format!("killed at act {cut} of {acts}");
        project(&killed, fault).unwrap();
        assert_eq!(assert_sound(&killed.crash(&mut |_| Keep::Nothing), &name), all, "{name}");
        if ended {
            return;
        }
    }
}

#[test]
fn a_stop_at_any_act_leaves_what_is_recorded_and_whole_files_and_the_next_process_completes_them() {
    stop_everywhere(Fault::None);
}

#[test]
fn the_same_holds_on_a_file_system_that_cannot_rename_a_directory_without_replacing() {
    stop_everywhere(Fault::CannotRenameDirectories);
}

#[test]
#[should_panic(expected = "is neither old nor new")]
fn a_writer_that_names_drafts_before_they_are_synced_is_found_out() {
    stop_everywhere(Fault::UnsyncedDrafts);
}

#[test]
#[should_panic(expected = "is recorded and not there")]
fn a_writer_that_records_before_the_names_are_synced_is_found_out() {
    stop_everywhere(Fault::UnsyncedPlaces);
}

#[test]
#[should_panic(expected = "is recorded and not there")]
fn a_writer_that_takes_files_of_a_killed_process_for_synced_is_found_out() {
    stop_everywhere(Fault::UnsyncedHeld);
}
