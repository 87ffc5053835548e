//! PDF, by a Chromium that is installed. It gets one file in a directory of its own, and no network.

use crate::error::CommandError;
use rustix::process::{Pid, Signal, geteuid, kill_process_group};
use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Names under which systems install Chromium or a browser made from it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// Without a window, a network, or a place of its own on this machine.
const OPTIONS: [&str; 9] = [
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-pdf-header-footer",
];
/// The longest time that printing may take.
const TIME_MAX: Duration = Duration::from_mins(5);
const WAIT: Duration = Duration::from_millis(20);
/// The most characters that an error shows of what the browser said.
const SAID_MAX: usize = 400;

/// A browser that prints.
pub(super) struct Browser {
    path: PathBuf,
}

/// Finds one.
pub(super) fn browser() -> Result<Browser, CommandError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = || env::split_paths(&path).collect::<Vec<_>>();
    let found = NAMES
        .iter()
        .flat_map(|name| places().into_iter().map(move |place| place.join(name)))
        .find(|file| file.is_file());
    found.map(|path| Browser { path }).ok_or_else(|| {
        let message =
            format!("--out FILE.pdf: expected one of {} in PATH, which prints the page; found none", NAMES.join(", "));
        CommandError::user(message)
            .hint("nothing was written; `--out FILE.html` needs no browser, and any browser can print that file")
    })
}

impl Browser {
    /// The page as PDF.
    pub(super) fn print(&self, page: &str) -> Result<Vec<u8>, CommandError> {
        let dir = tempfile::Builder::new().prefix("evlog-").tempdir();
        let dir = dir.map_err(|error| CommandError::file("make", env::temp_dir().display(), &error))?;
        let [html, pdf, said] = ["report.html", "report.pdf", "said"].map(|name| dir.path().join(name));
        fs::write(&html, page).map_err(|error| CommandError::file("write", html.display(), &error))?;
        let ended = self.run(dir.path(), &html, &pdf, &said)?;
        match fs::read(&pdf) {
            Ok(bytes) if ended.is_some_and(|status| status.success()) => Ok(bytes),
            _ => Err(self.failed(ended, &said)),
        }
    }

    /// How it ended; none if it took too long and was killed.
    fn run(&self, dir: &Path, html: &Path, pdf: &Path, said: &Path) -> Result<Option<ExitStatus>, CommandError> {
        let refused = |error| CommandError::file("run", self.path.display(), &error);
        let mut command = Command::new(&self.path);
        command.args(OPTIONS).arg(option("--user-data-dir", &dir.join("profile"))).arg(option("--print-to-pdf", pdf));
        // Chromium refuses to run as this user inside its sandbox. The page is our own, and runs no script.
        command.args(geteuid().is_root().then_some("--no-sandbox")).arg(html);
        let stderr = fs::File::create(said).map_err(refused)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).process_group(0);
        let mut child = command.spawn().map_err(refused)?;
        let ended = ended(&mut child).map_err(refused)?;
        // Its helpers are in its process group. None of them may stay behind.
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            kill_process_group(group, Signal::KILL).ok();
        }
        if ended.is_none() {
            child.wait().map_err(refused)?;
        }
        Ok(ended)
    }

    fn failed(&self, ended: Option<ExitStatus>, said: &Path) -> CommandError {
        let how = ended.map_or(format!("it took longer than {} s", TIME_MAX.as_secs()), |status| status.to_string());
        let said = fs::read(said).unwrap_or_default();
        let said: String = String::from_utf8_lossy(&said).chars().take(SAID_MAX).collect();
        let message = format!(
            "`{}` did not print the page: expected a PDF, found none: {how}: {}",
            self.path.display(),
            said.trim()
        );
        CommandError::user(message)
            .hint("nothing was written; `--out FILE.html` needs no browser, and any browser can print that file")
    }
}

/// Waits for the end of a process, up to [`TIME_MAX`].
fn ended(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    while begun.elapsed() < TIME_MAX {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        sleep(WAIT);
    }
    Ok(None)
}

fn option(name: &str, path: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(format!("{name}="));
    option.push(path);
    option
}
