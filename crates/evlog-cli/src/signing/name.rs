//! The name of a log in its checkpoints: the name of its first key, until a person changes it.
//!
//! Why: a log that was restored from an older copy has signed more than it holds. Every witness rightly reports all
//! later checkpoints of that name as a fork. So the log continues under a new name, and an event records the old one.

use crate::error::CommandError;
use crate::shell::quoted;
use crate::ui::Ui;
use evlog::Log;
use evlog::checkpoint::SigningHistory;
use evlog::history::NameChanged;
use evlog_proof::VerifierKey;

/// Refuses to sign under a name that the log had before a change.
pub(super) fn refuse_former(key: &VerifierKey, former: &[String]) -> Result<(), CommandError> {
    let name = key.name();
    if !former.iter().any(|former| former == name) {
        return Ok(());
    }
    let message = format!("nothing was signed: the log changed its name: expected a key of a new name, found {name}");
    Err(CommandError::user(message)
        .hint("`evlog cat --run '$log'` shows the new one (log.name_changed)")
        .hint(format!("`evlog key new NAME` with another name, such as `{name}-2`, creates a key")))
}

/// The log's current name, by its own events, if it differs from the key's. The files of its checkpoints may have been
/// removed.
pub(super) fn recorded(history: &SigningHistory, key: &VerifierKey, former: &[String]) -> Option<String> {
    let signed = history.last.as_ref().map(|last| last.origin.clone());
    let added = || history.keys.last().and_then(|text| Some(VerifierKey::parse(text).ok()?.name().to_owned()));
    signed.or_else(added).filter(|name| name != key.name() && !former.contains(name))
}

/// A key of another name than the log has.
pub(super) fn refused(name: &str, key: &VerifierKey) -> CommandError {
    let found = key.name();
    CommandError::user(format!("the log signs as {name}: expected a key of that name, found one of {found}"))
        .hint(format!("`evlog key new {} --out FILE` creates a new key of the same name", quoted(name)))
        .hint(
            "after a restore from an older copy, no witness accepts the old name: `evlog checkpoint --key FILE --new-name` goes on \
             under the key's, and the log records it (docs/copying.md)",
        )
}

/// Records that the log has the key's name from now on.
pub(super) fn change(ui: &Ui, log: &Log, from: &str, key: &VerifierKey, by: &str) -> Result<(), CommandError> {
    let (from, to) = (from.to_owned(), key.name().to_owned());
    ui.talk(format_args!("the log signs as {to} from now on, and never again as {from}"));
    Ok(log.record_name_changed(&NameChanged { from, to, accepted_by: by.to_owned() })?)
}
