//! Waits for a log to grow. If the system can report changes, it does; otherwise the caller looks again after a pause.

use crate::fs::{Fs, Watch};
use std::path::Path;
use std::time::Duration;

/// The pause before the caller looks again even if the system reported no change, because it may not report changes by
/// another machine.
const WATCHED_PAUSE: Duration = Duration::from_millis(200);

/// The shortest and the longest pause if the system reports no changes.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Waits for a log to grow.
#[derive(Debug)]
pub struct Follow {
    watch: Option<Box<dyn Watch>>,
    pause: Duration,
}

impl Follow {
    pub(super) fn new(fs: &dyn Fs, dir: &Path) -> Follow {
        Follow { watch: fs.watch(dir), pause: PAUSE_MIN }
    }

    /// Returns when the log may have grown since the last call, or after a moment.
    pub fn wait(&mut self) {
        match &mut self.watch {
            None => {
                std::thread::sleep(self.pause);
                self.pause = (self.pause * 2).min(PAUSE_MAX);
            }
            Some(watch) => {
                if watch.wait(WATCHED_PAUSE).is_err() {
                    self.watch = None;
                }
            }
        }
    }

    /// Records that the log has grown, so that the next pause is short.
    pub fn grew(&mut self) {
        self.pause = PAUSE_MIN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::StdFs;
    use std::io::Write;
    use std::sync::mpsc;

    /// Much longer than polling would take, and shorter than a test may take.
    const PATIENCE: Duration = Duration::from_mins(1);

    #[cfg(target_os = "linux")]
    #[test]
    fn a_watch_ends_its_wait_when_a_file_of_the_directory_is_written_to_or_made() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = std::fs::File::create(dir.path().join("HEAD")).unwrap();
        let mut watch = StdFs.watch(dir.path()).unwrap();
        let (sender, woken) = mpsc::channel();
        let waiting = std::thread::spawn(move || {
            for _ in 0..2 {
                watch.wait(PATIENCE * 2).unwrap();
                sender.send(()).unwrap();
            }
        });
        file.write_all(b"more").unwrap();
        woken.recv_timeout(PATIENCE).expect("no report of a write");
        std::fs::File::create(dir.path().join("LOCK")).unwrap();
        woken.recv_timeout(PATIENCE).expect("no report of a new file");
        waiting.join().unwrap();
    }

    #[test]
    fn without_a_watch_each_pause_is_longer_until_the_log_grows() {
        let mut follow = Follow { watch: None, pause: PAUSE_MIN };
        for expected in [20, 40, 50, 50] {
            follow.wait();
            assert_eq!(follow.pause, Duration::from_millis(expected));
        }
        follow.grew();
        assert_eq!(follow.pause, PAUSE_MIN);
    }
}
