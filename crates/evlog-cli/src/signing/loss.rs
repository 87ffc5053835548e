//! Checkpoints that cover lost bytes: they are set aside, and the log never signs under their name again.
//!
//! Why: a checkpoint promises that every later checkpoint extends it. A witness that holds a checkpoint over the lost
//! bytes would rightly report every later checkpoint of that name as a contradiction. So the log continues under a new
//! name, and the event of the loss explains why.

use crate::error::CommandError;
use crate::notes;
use crate::ui::{Ui, Unit};
use evlog::checkpoint::AfterLoss;
use evlog::{Log, LogError};
use evlog_format::Position;
use evlog_proof::VerifierKey;
use evlog_store::OpenError;
use std::cell::OnceCell;

/// Sets aside the checkpoints that cover the last loss. Returns the names that signed them, and refuses a key that has one of these names.
pub(super) fn set_aside(
    ui: &Ui,
    log: &Log,
    key: &VerifierKey,
    loss: Option<&AfterLoss>,
) -> Result<Vec<String>, CommandError> {
    let io = |failure| CommandError::from(LogError::from(OpenError::Io(failure)));
    let checkpoints = log.checkpoints();
    if let Some(loss) = loss {
        let mut sizes = checkpoints.sizes().map_err(io)?;
        sizes.retain(|size| size.0 > loss.accepted.position && !loss.signed.contains(size));
        for size in sizes {
            if covers_what_is_there(ui, log, size)? {
                continue;
            }
            let aside = checkpoints.set_aside(size).map_err(io)?;
            ui.talk(format_args!(
                "the checkpoint over {size} bytes covers what was given up; it is kept as `{}`",
                aside.display()
            ));
        }
    }
    let mut spoilt = Vec::new();
    for path in checkpoints.aside().map_err(io)? {
        let bytes = checkpoints.read_aside(&path).map_err(io)?;
        spoilt.push(notes::parse_claimed(&path, &bytes)?.origin);
    }
    if spoilt.iter().any(|origin| origin == key.name()) {
        return Err(refused(key.name(), loss));
    }
    Ok(spoilt)
}

/// Whether a checkpoint describes the current log: it was signed after the loss, but the event that recorded it is gone.
fn covers_what_is_there(ui: &Ui, log: &Log, size: Position) -> Result<bool, CommandError> {
    let claimed = notes::claimed_kept(&log.checkpoints(), size)?;
    let bar = OnceCell::new();
    let found = log.begins_with(size, &claimed.root, &mut |done, total| {
        bar.get_or_init(|| ui.progress("read back", total, Unit::Bytes)).at(done);
    });
    Ok(found?)
}

fn refused(name: &str, loss: Option<&AfterLoss>) -> CommandError {
    let what = loss.map_or("bytes that it had signed".to_owned(), |AfterLoss { seq, accepted, .. }| {
        format!(
            "the bytes from position {} on (event {seq}, accepted by {}), which it had signed",
            accepted.position, accepted.accepted_by
        )
    });
    let message =
        format!("nothing was signed: the log gave up {what} as {name}: expected a key of a new name, found {name}");
    CommandError::user(message)
        .hint(format!("`evlog key new NAME` with another name, such as `{name}-2`, creates one"))
        .hint("inform everyone who holds checkpoints of the old name: docs/repair.md, \"Signed bytes that were given up\"")
}
