//! Metrics in a file: written before the work, at an interval, and at the end.

use super::exposition::BEGIN;
use super::server::Render;
use crate::error::CommandError;
use crate::files;
use crate::ui::alert;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How often the file is written: as often as most scrapers read metrics.
const INTERVAL: Duration = Duration::from_secs(15);

/// A file that is written again and again.
#[derive(Debug)]
pub(super) struct Writing {
    /// Dropping it ends the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Writing {
    pub(super) fn begin(path: &Path, render: Render) -> Result<Writing, CommandError> {
        check_replaceable(path)?;
        files::replace(path, render().as_bytes())
            .map_err(|error| error.during("--metrics").hint("nothing was done; the file's directory must exist"))?;
        let (stop, stopped) = channel();
        let path = path.to_path_buf();
        let writing = move || write_until(&stopped, INTERVAL, &path, &render);
        let thread = Builder::new().name("evlog-metrics".into()).spawn(writing).map_err(|error| no_thread(&error))?;
        Ok(Writing { stop: Some(stop), thread: Some(thread) })
    }
}

/// Replaces only a file that `--metrics` wrote: by mistake, the path may name a plan or a file of commands.
fn check_replaceable(path: &Path) -> Result<(), CommandError> {
    let refused = |found: &str| {
        let place = format!("--metrics `{}`", path.display());
        let expected = "a new path, or a file that `--metrics` wrote, and not in `/dev`";
        Err(CommandError::unlike(place, expected, found).hint("nothing was done; name another file"))
    };
    if path.starts_with("/dev") {
        return refused("a path in `/dev`");
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => return refused("a directory"),
        Ok(found) if !found.is_file() => return refused("something else than a file"),
        Ok(found) if found.len() > 0 => {}
        // What else is wrong, the first write reports.
        _ => return Ok(()),
    }
    let (mut begin, limit) = (Vec::new(), BEGIN.len() as u64);
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut begin));
    read.map_err(|error| CommandError::file("read", path.display(), &error).during("--metrics"))?;
    if begin == BEGIN.as_bytes() { Ok(()) } else { refused("other text; the file was not changed") }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic. Even if it did, the command has ended.
            let _ended = thread.join();
        }
    }
}

/// Writes the file at the interval until it is asked to stop, and then once more. A failure is said once, until a write succeeds.
fn write_until(stopped: &Receiver<()>, interval: Duration, path: &Path, render: &Render) {
    let mut said = String::new();
    loop {
        let waited = stopped.recv_timeout(interval);
        match files::replace(path, render().as_bytes()) {
            Ok(()) => said.clear(),
            Err(error) if error.message != said => {
                alert(&format!("warning: --metrics: {}", error.message));
                said = error.message;
            }
            Err(_) => {}
        }
        if waited != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// A thread could not be started, so there are no metrics.
pub(super) fn no_thread(error: &io::Error) -> CommandError {
    CommandError::user(format!("--metrics: could not start a thread: {error}")).hint(
        "nothing was done; end other programs, or raise the limit of threads or of memory (`ulimit -u`, `ulimit -v`)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn a_reader_finds_a_whole_page_whenever_it_looks_and_the_last_page_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("evlog.prom");
        let pages = AtomicU64::new(0);
        let render: Render = Box::new(move || {
            let page = pages.fetch_add(1, Ordering::Relaxed);
            format!("{}end {page}\n", format!("{page}\n").repeat(2000))
        });
        let (stop, stopped) = channel();
        fs::write(&path, render()).unwrap();
        let written = path.clone();
        let writing = std::thread::spawn(move || write_until(&stopped, Duration::ZERO, &written, &render));
        let mut last = 0;
        while last < 20 {
            let page = fs::read_to_string(&path).unwrap();
            let (lines, end) = page.split_once("end ").expect("a whole page");
            assert_eq!(lines, format!("{}\n", end.trim_end()).repeat(2000));
            let number = end.trim_end().parse().unwrap();
            assert!(number >= last, "pages come in their order");
            last = number;
        }
        drop(stop);
        writing.join().unwrap();
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["evlog.prom"]);
    }
}
