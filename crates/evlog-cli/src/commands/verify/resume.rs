//! `evlog verify --resume`: saves the progress of a verification in a file until it is complete.
//!
//! Invariant: only files that a verification wrote are overwritten or removed.

use super::Pace;
use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::files;
use crate::ui::{Ui, Unit};
use evlog::check::resume::{ResumeError, Resumed, check_on};
use evlog::clock::{Clock, SystemClock};
use std::cell::OnceCell;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

/// Minimum interval between saves. Saves are also at least ten times as far apart as the last save took.
const SELDOM: Duration = Duration::from_secs(2);
const SHARE: u32 = 10;

/// The longest progress file, in bytes: enough for a log with a hundred million runs.
const KEPT_LEN_MAX: u64 = 16 * 1024 * 1024 * 1024;

/// Continues from the saved position, or starts at the beginning. The file is removed at the end.
pub(super) fn run(ui: &Ui, context: &Context, path: &Path, pace: Option<&Pace>) -> Result<Resumed, CommandError> {
    let (dir, name) = place(path)?;
    let kept = files::read_own(path, KEPT_LEN_MAX)?;
    let mut file = Keeper { ui, dir, name, next: None, failed: false };
    let bar = OnceCell::new();
    let mut keep = |make: &dyn Fn() -> Option<Vec<u8>>| file.keep(make);
    let now_ns = SystemClock.now_ns();
    let checked =
        check_on(context.fs()?, &context.log, &contracts(), kept.as_deref(), now_ns, &mut keep, &mut |done, total| {
            bar.get_or_init(|| {
                // The first progress report is the position of the earlier verification.
                pace.inspect(|pace| pace.begin_at(done));
                ui.progress("verify", total, Unit::Bytes)
            })
            .at_of(done, total);
            if let Some(pace) = pace {
                pace.keep(done);
            }
        });
    let resumed = checked.map_err(|error| refused(path, error))?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(CommandError::file("remove", path.display(), &error)),
        _ => Ok(resumed),
    }
}

/// The directory and the file name. The directory is checked first, so that no hours of reading are lost.
fn place(path: &Path) -> Result<(&Path, &str), CommandError> {
    let dir = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str());
    let message = || format!("--resume `{}`: expected a file in a directory that is there", path.display());
    let name = name.filter(|_| dir.is_dir()).ok_or_else(|| CommandError::user(message()))?;
    Ok((dir, name))
}

fn refused(path: &Path, error: ResumeError) -> CommandError {
    let is_finding = error.is_finding();
    let refused = match error {
        ResumeError::Log(error) => return error.into(),
        other => CommandError::user(format!("`{}`: {other}", path.display())),
    };
    if is_finding {
        return refused
            .with_code(Verdict::No.code())
            .hint("`evlog verify` without --resume reads the whole log and prints the verdict");
    }
    refused.hint(files::ANEW)
}

/// Writes the file, not so often that it slows the reading.
struct Keeper<'k> {
    ui: &'k Ui,
    dir: &'k Path,
    name: &'k str,
    next: Option<Instant>,
    failed: bool,
}

impl Keeper<'_> {
    fn keep(&mut self, make: &dyn Fn() -> Option<Vec<u8>>) {
        let begun = Instant::now();
        if self.failed || self.next.is_some_and(|next| begun < next) {
            return;
        }
        let Some(bytes) = make() else { return };
        if let Err(failure) = files::write(self.dir, self.name, &bytes) {
            // The verification continues; only its progress is no longer saved.
            self.failed = true;
            self.ui.talk(format_args!("warning: progress is no longer saved: {}", failure.message));
        }
        self.next = Some(Instant::now() + SELDOM.max(begun.elapsed() * SHARE));
    }
}
