//! The run lock: who may write to one run's bundle (pipeline.md 5.1).
//!
//! The lock is the file `runs/.locks/<run id>.lock`. It is made by an exclusive create, and removed when the run is left. It
//! does not expire: a crash leaves the file, and a person decides. Its content is for that person; no program reads it back as
//! data. Other files are beside it:
//!
//! - `<run id>.lock.stale.<nnnn>`: a lock that was set aside by force.
//! - `<run id>.plan`, while a run is in progress: a note of where its plan is. The note is a convenience: the plan is compared
//!   with the recorded digest.
//! - `<run id>.stage`, while processes of stages run or may run: a note of how these processes can be recognised.
//!
//! Invariants:
//! - A process that does not get the lock changes nothing of the run.
//! - A claim removes the lock that it made, and never a lock that another process has made since.
//! - A claim that is dropped before its run has begun removes the directories that it made, if they are empty.

use crate::error::RunError;
use crate::file_error::{FileError, at};
use crate::files::{DIRECTORY_MODE, FILE_MODE, make_directory, make_within, set_aside, write_as_holder};
use crate::orphans::Tag;
use crate::step::{Step, Steps};
use crate::tree::{Tree, entries, open_regular};
use evlog::check_run_id;
use evlog::random;
use rustix::fs::{AtFlags, Mode, OFlags, fstat, statat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// How much is read of a lock file, in bytes.
const HOLDER_LEN_MAX: u64 = 512;
/// How many bytes of the note of stages are read: enough for hundreds of tags.
const TAGS_LEN_MAX: u64 = 64 * 1024;
/// How many bytes of the note of a plan are read: systems open no longer path.
const PLAN_NOTE_LEN_MAX: u64 = 4096;
/// The last number that a lock that is set aside can have: four digits.
const STALE_MAX: u32 = 9999;
/// How often to try to take the lock if a claim that withdraws removes its directory.
const TRIES: usize = 10;

/// A run that this process may write to, until it is dropped.
#[derive(Debug)]
pub struct Claim {
    run: String,
    /// The directory of all bundles, and in it the directory of all locks. Both are held open, because a stage may put others
    /// in their places.
    runs: Tree,
    locks: Tree,
    lock: PathBuf,
    file: File,
    steps: Steps,
    /// Directories that were made for the claim, outermost first.
    made: Vec<PathBuf>,
    /// Whether the run has begun.
    entered: bool,
    /// Where something was moved to that was in the place of the lock, but was not a lock.
    no_lock: Option<PathBuf>,
}

impl Claim {
    /// Takes the lock of a run below `out_dir`. If no id is given, a new one is drawn at random (UUID, version 4).
    pub fn take(out_dir: &Path, run: Option<&str>, steps: &Steps) -> Result<Claim, RunError> {
        let run = run.map_or_else(random::uuid, str::to_owned);
        check_run_id(&run).map_err(RunError::RunId)?;
        let mut made = missing(&out_dir.join("runs/.locks"));
        for _ in 0..TRIES {
            let made_dir = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(out_dir);
            made_dir.map_err(at("make", out_dir))?;
            let runs = out_dir.canonicalize().map_err(at("find", out_dir))?.join("runs");
            make_directory(&runs, steps)?;
            let (runs, locks) = match Tree::open_itself(&runs).and_then(|runs| {
                let locks = make_within(&runs, ".locks", steps)?;
                Ok((runs, locks))
            }) {
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            let lock = locks.path().join(lock_name(&run));
            match create(&locks, &run, steps) {
                Ok(file) => {
                    made = made.into_iter().filter_map(|directory| directory.canonicalize().ok()).collect();
                    let (steps, entered, no_lock) = (steps.clone(), false, None);
                    let claim = Claim { run, runs, locks, lock, file, steps, made, entered, no_lock };
                    let written = writeln!(&claim.file, "pid={}", std::process::id());
                    written.and_then(|()| claim.file.sync_all()).map_err(at("write", &claim.lock))?;
                    return Ok(claim);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(RunError::Locked { run, holder: holder(&lock), path: lock });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(at("make", &lock)(error).into()),
            }
        }
        let error = io::Error::new(io::ErrorKind::NotFound, "its directory is taken away again and again");
        Err(at("lock in", out_dir)(error).into())
    }

    /// Like [`take`](Self::take), but first sets aside a lock that is in the way. `recorded` are the names of locks that the
    /// log knows to have been set aside. Only for a process that has the log open for writing: an orchestrator that still
    /// runs would have the log open too.
    pub fn force(out_dir: &Path, run: &str, recorded: &BTreeSet<String>, steps: &Steps) -> Result<Claim, RunError> {
        match Claim::take(out_dir, Some(run), steps) {
            Err(RunError::Locked { path, .. }) => {
                steps.at(Step::SetLockAside);
                let no_lock = set_lock_aside(&path, run, recorded)?;
                let mut claim = Claim::take(out_dir, Some(run), steps)?;
                claim.no_lock = no_lock;
                Ok(claim)
            }
            taken => taken,
        }
    }

    /// The run.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Its bundle.
    pub(crate) fn bundle(&self) -> PathBuf {
        self.runs.path().join(&self.run)
    }

    /// The place where all bundles are.
    pub(crate) fn runs(&self) -> &Tree {
        &self.runs
    }

    /// The place where all locks are.
    pub(crate) fn locks(&self) -> &Tree {
        &self.locks
    }

    /// Where something was moved to that was in the place of the lock, but was not a lock.
    pub(crate) fn no_lock(&self) -> Option<&Path> {
        self.no_lock.as_deref()
    }

    /// The names of the notes of this run.
    pub(crate) fn note_names(&self) -> [String; 2] {
        [note_name(&self.run), tag_name(&self.run)]
    }

    /// From now on, what the claim has made stays.
    pub(crate) fn enter(&mut self) {
        self.entered = true;
    }

    /// The locks of this run that were set aside, by name. Only a regular file is a lock.
    pub(crate) fn stale(&self) -> Result<Vec<(String, PathBuf)>, RunError> {
        let prefix = format!("{}.lock.stale.", self.run);
        let mut found = Vec::new();
        let entries = entries(&self.locks).map_err(at("read", self.locks.path()))?;
        for entry in entries.into_iter().filter(|entry| entry.kind.is_file()) {
            let name = entry.name.into_string().unwrap_or_default();
            let number = name.strip_prefix(&prefix).filter(|rest| rest.len() == 4 && *rest != "0000");
            if number.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())) {
                let path = self.locks.path().join(&name);
                found.push((name, path));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Notes where the run's plan is.
    pub(crate) fn note_plan(&self, plan: &Path) -> Result<(), RunError> {
        let (name, text) = (note_name(&self.run), [plan.as_os_str().as_bytes(), b"\n"].concat());
        let mut known = Vec::new();
        let read = self.locks.file(&name).and_then(|note| note.take(text.len() as u64 + 1).read_to_end(&mut known));
        if read.is_ok() && known == text {
            return Ok(());
        }
        self.steps.at(Step::NotePlan);
        write_as_holder(&self.locks, &name, &text, &self.steps)?;
        Ok(())
    }

    /// Removes the note of the plan's path, because the run has ended. Returns whether there was a note.
    pub(crate) fn forget_plan(&self) -> Result<bool, RunError> {
        self.steps.at(Step::ForgetPlan);
        Ok(self.forget(&note_name(&self.run))?)
    }

    /// Notes the tag of the stage that begins, after the tags of stages whose processes may still run.
    pub(crate) fn note_tag(&self, unseen: &[Tag], tag: &Tag) -> Result<(), FileError> {
        self.steps.at(Step::NoteTag);
        self.write_tags(unseen.iter().chain([tag]))
    }

    /// The tags that were noted. The last one belongs to the stage that ran when evlog ended.
    pub(crate) fn noted_tags(&self) -> Vec<Tag> {
        let Ok(note) = self.locks.file(&tag_name(&self.run)) else { return Vec::new() };
        serde_json::Deserializer::from_reader(note.take(TAGS_LEN_MAX)).into_iter().map_while(Result::ok).collect()
    }

    /// Removes all tags from the note except those of stages whose processes may still run. If there are none, the note
    /// itself is removed, which takes no descriptor.
    pub(crate) fn forget_tags_except(&self, unseen: &[Tag]) -> Result<(), FileError> {
        self.steps.at(Step::ForgetTag);
        if unseen.is_empty() { self.forget(&tag_name(&self.run)).map(drop) } else { self.write_tags(unseen.iter()) }
    }

    /// One tag a line.
    fn write_tags<'m>(&self, tags: impl Iterator<Item = &'m Tag>) -> Result<(), FileError> {
        let line = |tag| [serde_json::to_vec(tag).unwrap_or_default(), b"\n".to_vec()].concat();
        let text: Vec<u8> = tags.flat_map(line).collect();
        write_as_holder(&self.locks, &tag_name(&self.run), &text, &self.steps).map(drop)
    }

    /// Removes a note; returns whether there was a note.
    fn forget(&self, name: &str) -> Result<bool, FileError> {
        match unlinkat(&self.locks, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(false),
            removed => {
                removed.map(|()| true).map_err(|error| at("remove", &self.locks.path().join(name))(error.into()))
            }
        }
    }

    fn is_ours(&self) -> bool {
        // This call takes no descriptor: there may be none left.
        let found = statat(&self.locks, lock_name(&self.run), AtFlags::SYMLINK_NOFOLLOW);
        let (Ok(found), Ok(own)) = (found, fstat(&self.file)) else { return false };
        (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)
    }
}

impl Drop for Claim {
    /// Best effort: a lock that cannot be removed stays, as after a crash.
    fn drop(&mut self) {
        self.steps.at(Step::ReleaseLock);
        if self.is_ours() {
            let _left = self.forget(&lock_name(&self.run));
        }
        if !self.entered {
            for directory in self.made.iter().rev() {
                let _in_use = fs::remove_dir(directory);
            }
        }
    }
}

/// Where the plan of a run that was left is, if that was noted.
pub fn noted_plan(out_dir: &Path, run: &str) -> Option<PathBuf> {
    check_run_id(run).ok()?;
    let mut noted = Vec::new();
    let note = open_regular(&note(&out_dir.join("runs"), run)).ok()?;
    note.take(PLAN_NOTE_LEN_MAX).read_to_end(&mut noted).ok()?;
    // A note without its last line feed was written in part, or by an earlier evlog, or is not a note.
    noted.pop_if(|last| *last == b'\n')?;
    let plan = PathBuf::from(OsString::from_vec(noted));
    // If the plan was a pipe, its content is lost. If it is a pipe now, a read would wait.
    Some(plan).filter(|plan| !fs::metadata(plan).is_ok_and(|found| !found.is_file()))
}

fn note(runs: &Path, run: &str) -> PathBuf {
    runs.join(".locks").join(note_name(run))
}

fn tag_name(run: &str) -> String {
    format!("{run}.stage")
}

fn note_name(run: &str) -> String {
    format!("{run}.plan")
}

fn lock_name(run: &str) -> String {
    format!("{run}.lock")
}

fn create(locks: &Tree, run: &str, steps: &Steps) -> io::Result<File> {
    steps.at(Step::TakeLock);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    locks.file_with(&lock_name(run), flags, Mode::from_raw_mode(FILE_MODE))
}

/// The directories that are missing on the way to this one, and this one if it is missing; outermost first.
fn missing(directory: &Path) -> Vec<PathBuf> {
    let gone = |path: &&Path| !path.as_os_str().is_empty() && fs::symlink_metadata(path).is_err();
    let mut missing: Vec<PathBuf> = directory.ancestors().take_while(gone).map(Path::to_owned).collect();
    missing.reverse();
    missing
}

/// Renames a lock that is in the way. What is not a regular file is not a lock: it is moved to where other files that are set
/// aside go, and that place is returned.
fn set_lock_aside(path: &Path, run: &str, recorded: &BTreeSet<String>) -> Result<Option<PathBuf>, RunError> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        let (runs, name) = (path.ancestors().nth(2).unwrap_or(path), lock_name(run));
        let runs = Tree::open_itself(runs)?;
        return Ok(Some(set_aside(&runs, &format!(".locks/{name}"), &runs, run)?));
    }
    match fs::rename(path, free(path, recorded)?) {
        // The process that held it has released it meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        renamed => Ok(renamed.map(|()| None).map_err(at("set aside", path))?),
    }
}

/// The first name for a lock that is set aside that no file has and that the log does not know.
fn free(lock: &Path, recorded: &BTreeSet<String>) -> Result<PathBuf, RunError> {
    let name = lock.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let names = (1..=STALE_MAX).map(|number| format!("{name}.stale.{number:04}"));
    let mut paths = names.filter(|name| !recorded.contains(name)).map(|name| lock.with_file_name(name));
    let free = paths.find(|path| fs::symlink_metadata(path).is_err());
    free.ok_or_else(|| at("set aside", lock)(io::Error::other("all numbers up to 9999 are taken")).into())
}

/// How the lock of a run is, for a reader that does not take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockState {
    /// There is none.
    Free,
    /// Its holder has ended without releasing it.
    Left,
    /// A process of its holder's number runs here, or the holder is not known.
    Held,
}

/// How the lock of a run is.
pub fn lock_state(out_dir: &Path, run: &str) -> LockState {
    let path = out_dir.join("runs/.locks").join(lock_name(run));
    match (fs::symlink_metadata(&path), holder(&path)) {
        (Err(_), _) => LockState::Free,
        (Ok(_), holder) if holder.ends_with(NOT_RUNNING) => LockState::Left,
        (Ok(_), _) => LockState::Held,
    }
}

/// How a holder is described that does not run.
const NOT_RUNNING: &str = ", no such process here";

/// What a lock file says of its holder, for people, and whether that process runs here.
fn holder(lock: &Path) -> String {
    let mut bytes = Vec::new();
    // The file was removed again, or cannot be read. In this case, nothing is known.
    let _unread = open_regular(lock).and_then(|file| file.take(HOLDER_LEN_MAX).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let text: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.is_empty() {
        return "unknown".to_owned();
    }
    let pid = text.strip_prefix("pid=").and_then(|pid| pid.parse().ok()).filter(|pid| *pid > 0).and_then(Pid::from_raw);
    match pid.map(test_kill_process) {
        Some(Err(Errno::SRCH)) => format!("{text}{NOT_RUNNING}"),
        Some(_) => format!("{text}, and a process with this number runs here"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(room: &Path, run: &str) -> Result<Claim, RunError> {
        Claim::take(room, Some(run), &Steps::default())
    }

    fn force(room: &Path, recorded: &[&str]) -> Claim {
        let recorded = recorded.iter().map(|name| (*name).to_owned()).collect();
        Claim::force(room, "r", &recorded, &Steps::default()).unwrap()
    }

    fn names(room: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(room.join("runs/.locks"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn one_takes_the_lock_and_the_other_learns_who_holds_it() {
        let room = tempfile::tempdir().unwrap();
        let claim = take(room.path(), "r").unwrap();
        match take(room.path(), "r") {
            Err(RunError::Locked { holder, .. }) => {
                assert_eq!(holder, format!("pid={}, and a process with this number runs here", std::process::id()));
            }
            other => panic!("expected a held lock, found {other:?}"),
        }
        take(room.path(), "another").unwrap();
        drop(claim);
        take(room.path(), "r").unwrap();
    }

    #[test]
    fn a_lock_that_a_crash_left_stays_held_whatever_it_contains() {
        let room = tempfile::tempdir().unwrap();
        fs::create_dir_all(room.path().join("runs/.locks")).unwrap();
        for (content, says) in [
            (&[0xff, b'\n', 0xfe][..], "\u{fffd} \u{fffd}"),
            (b"", "unknown"),
            (b"pid=2147483646\n", "pid=2147483646, no such process here"),
            (b"pid=-1", "pid=-1"),
        ] {
            let lock = room.path().join("runs/.locks/r.lock");
            fs::write(&lock, content).unwrap();
            let error = take(room.path(), "r").unwrap_err();
            assert!(matches!(&error, RunError::Locked { holder, .. } if holder == says), "{error}");
            assert_eq!(fs::read(lock).unwrap(), content);
        }
    }

    #[test]
    fn a_lock_that_is_taken_by_force_is_kept_under_the_first_free_name() {
        let room = tempfile::tempdir().unwrap();
        assert!(force(room.path(), &[]).stale().unwrap().is_empty(), "nothing stood in the way");
        let old = take(room.path(), "r").unwrap();
        let second = force(room.path(), &["r.lock.stale.0001"]);
        let third = force(room.path(), &["r.lock.stale.0001"]);
        assert_eq!(names(room.path()), ["r.lock", "r.lock.stale.0002", "r.lock.stale.0003"]);
        drop((old, second));
        assert_eq!(names(room.path())[0], "r.lock", "who lost the lock does not remove it");
        let stale: Vec<String> = third.stale().unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(stale, ["r.lock.stale.0002", "r.lock.stale.0003"]);
    }

    #[test]
    fn a_claim_without_a_run_leaves_nothing() {
        let room = tempfile::tempdir().unwrap();
        let out = room.path().join("a/b");
        drop(take(&out, "r").unwrap());
        assert!(!room.path().join("a").exists());
        let mut claim = take(&out, "r").unwrap();
        claim.enter();
        drop(claim);
        assert!(names(&out).is_empty());
        drop(take(&out, "r").unwrap());
        assert!(out.join("runs/.locks").exists(), "what was there stays");
    }

    #[test]
    fn it_is_noted_where_the_plan_is_until_the_run_has_ended() {
        let room = tempfile::tempdir().unwrap();
        let claim = take(room.path(), "r").unwrap();
        assert_eq!(noted_plan(room.path(), "r"), None);
        claim.note_plan(Path::new("/a b/plan.toml")).unwrap();
        assert_eq!(noted_plan(room.path(), "r"), Some(PathBuf::from("/a b/plan.toml")));
        assert_eq!(noted_plan(room.path(), "../r"), None);
        assert!(claim.forget_plan().unwrap() && !claim.forget_plan().unwrap());
    }

    #[test]
    fn t01_the_marks_of_stages_whose_processes_may_still_run_stay_in_the_note() {
        let room = tempfile::tempdir().unwrap();
        let claim = take(room.path(), "r").unwrap();
        let [first, second] = [Tag::draw(), Tag::draw()];
        assert!(claim.noted_tags().is_empty());
        claim.note_tag(&[], &first).unwrap();
        assert_eq!(claim.noted_tags(), std::slice::from_ref(&first));
        claim.note_tag(std::slice::from_ref(&first), &second).unwrap();
        assert_eq!(claim.noted_tags(), [first.clone(), second]);
        claim.forget_tags_except(std::slice::from_ref(&first)).unwrap();
        assert_eq!(claim.noted_tags(), [first]);
        claim.forget_tags_except(&[]).unwrap();
        assert_eq!(names(room.path()), ["r.lock"]);
    }
}
