//! `--wait`: how long a command that writes waits for its turn, because a log has one writer at a time.

use crate::error::CommandError;
use crate::ui::alert;
use clap::Args;
use evlog::LogError;
use evlog_store::OpenError;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long to wait before the next attempt.
const PAUSE: Duration = Duration::from_millis(50);

/// The option of commands that write to the log.
#[derive(Args, Debug)]
pub(crate) struct Turn {
    /// Wait at most this long while another process writes to the log
    #[arg(long = "wait", value_name = "SECONDS", default_value_t = 0)]
    wait_s: u32,
}

/// The result of an attempt to open the log.
pub(crate) enum Attempt<T> {
    Done(T),
    /// Another process has the log open for writing.
    Locked(CommandError),
}

impl<T> Attempt<T> {
    /// An error other than the lock ends the wait.
    pub(crate) fn of(opened: Result<T, LogError>) -> Result<Attempt<T>, CommandError> {
        match opened {
            Ok(opened) => Ok(Attempt::Done(opened)),
            Err(error @ LogError::Open(OpenError::Locked { .. })) => Ok(Attempt::Locked(error.into())),
            Err(error @ LogError::Open(OpenError::Refused(_))) => {
                Err(CommandError::from(error).hint("nothing was recorded"))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Turn {
    /// Tries until the log is free, or the time is over. Holds nothing between two attempts.
    pub(crate) fn take<T>(
        &self,
        mut attempt: impl FnMut() -> Result<Attempt<T>, CommandError>,
    ) -> Result<T, CommandError> {
        let until = Instant::now() + Duration::from_secs(self.wait_s.into());
        let mut is_said = false;
        loop {
            let error = match attempt()? {
                Attempt::Done(opened) => return Ok(opened),
                Attempt::Locked(error) => error,
            };
            if Instant::now() >= until {
                return Err(if is_said { error.during(format_args!("waited {} s", self.wait_s)) } else { error });
            }
            if !is_said {
                alert(&format!("waiting for at most {} s: {}", self.wait_s, error.message));
                is_said = true;
            }
            sleep(PAUSE);
        }
    }
}
