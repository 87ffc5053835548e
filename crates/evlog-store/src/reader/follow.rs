//! Waiting for a log to grow: told by the system where it can tell, and by looking again and again where it cannot.

use crate::fs::{Fs, Watch};
use std::path::Path;
use std::time::Duration;

/// Where the system tells of changes it is looked all the same, this seldom: it may not tell of what another machine does.
const TOLD_PAUSE: Duration = Duration::from_millis(200);

/// Where it does not, so often at least and at most.
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
                if watch.wait(TOLD_PAUSE).is_err() {
                    self.watch = None;
                }
            }
        }
    }

    /// Says that it had grown, so that it is looked again soon.
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

    /// Far beyond what looking again and again would take, and below what a test may take.
    const PATIENCE: Duration = Duration::from_mins(1);

    #[cfg(target_os = "linux")]
    #[test]
    fn who_waits_is_woken_when_a_file_of_the_directory_is_written_to_or_made() {
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
        woken.recv_timeout(PATIENCE).expect("nobody told of a write");
        std::fs::File::create(dir.path().join("LOCK")).unwrap();
        woken.recv_timeout(PATIENCE).expect("nobody told of a new file");
        waiting.join().unwrap();
    }

    #[test]
    fn who_is_not_told_waits_longer_each_time_until_something_comes() {
        let mut follow = Follow { watch: None, pause: PAUSE_MIN };
        for expected in [20, 40, 50, 50] {
            follow.wait();
            assert_eq!(follow.pause, Duration::from_millis(expected));
        }
        follow.grew();
        assert_eq!(follow.pause, PAUSE_MIN);
    }
}
