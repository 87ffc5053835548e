//! `evlog verify --resume`: how far a verification came is kept in a file, until it comes to its end.
//!
//! Invariant: no file is written over, or removed, that a verification did not keep.

use super::Pace;
use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::files;
use crate::ui::{Ui, Unit};
use evlog::check::resume::{ResumeError, Resumed, check_on};
use evlog::clock::{Clock, SystemClock};
use evlog_store::StdFs;
use std::cell::OnceCell;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// At least so long passes between two times that the file is written, and ten times what writing took.
const SELDOM: Duration = Duration::from_secs(2);
const SHARE: u32 = 10;

/// The longest file that is read back, in bytes: that of a log with a hundred million runs.
const KEPT_LEN_MAX: u64 = 16 * 1024 * 1024 * 1024;

/// Goes on where the file says, or begins; the file is gone when this ends well.
pub(super) fn run(ui: &Ui, context: &Context, path: &Path, pace: Option<&Pace>) -> Result<Resumed, CommandError> {
    let (dir, name) = place(path)?;
    let kept = files::read_own(path, KEPT_LEN_MAX)?;
    let mut file = Keeper { ui, dir, name, next: None, failed: false };
    let bar = OnceCell::new();
    let mut keep = |make: &dyn Fn() -> Option<Vec<u8>>| file.keep(make);
    let now_ns = SystemClock.now_ns();
    let checked = check_on(
        Arc::new(StdFs),
        &context.log,
        &contracts(),
        kept.as_deref(),
        now_ns,
        &mut keep,
        &mut |done, total| {
            bar.get_or_init(|| {
                // The first that is told is how far an earlier one came.
                pace.inspect(|pace| pace.begin_at(done));
                ui.progress("verify", total, Unit::Bytes)
            })
            .at_of(done, total);
            if let Some(pace) = pace {
                pace.keep(done);
            }
        },
    );
    let resumed = checked.map_err(|error| refused(path, error))?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(CommandError::file("remove", path.display(), &error)),
        _ => Ok(resumed),
    }
}

/// The directory, which has to be there before hours are spent, and the name.
fn place(path: &Path) -> Result<(&Path, &str), CommandError> {
    let dir = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str());
    let message = || format!("--resume `{}`: expected a file in a directory that is there", path.display());
    let name = name.filter(|_| dir.is_dir()).ok_or_else(|| CommandError::user(message()))?;
    Ok((dir, name))
}

fn refused(path: &Path, error: ResumeError) -> CommandError {
    let is_finding = error.is_finding();
    let told = match error {
        ResumeError::Log(error) => return error.into(),
        other => CommandError::user(format!("`{}`: {other}", path.display())),
    };
    if is_finding {
        return told
            .with_code(Verdict::No.code())
            .hint("`evlog verify` without --resume reads the whole log and prints the verdict");
    }
    told.hint("name another file, or remove this one, to start again")
}

/// Writes the file, seldom enough that it does not hold up the reading.
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
            // The verification itself goes on; it is only not kept.
            self.failed = true;
            self.ui.talk(format_args!("warning: progress is no longer saved: {}", failure.message));
        }
        self.next = Some(Instant::now() + SELDOM.max(begun.elapsed() * SHARE));
    }
}
