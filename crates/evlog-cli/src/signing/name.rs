//! The name of a log in its checkpoints: that of the first key, until a person changes it.
//!
//! Why: a log that was brought back from an older copy has signed more than it holds. Every witness rightly calls the next
//! checkpoint of that name a fork, for ever. So the log goes on under a new name, and an event says from which one.

use crate::error::CommandError;
use crate::shell::quoted;
use crate::ui::Ui;
use evlog::Log;
use evlog::checkpoint::SigningHistory;
use evlog::history::NameChanged;
use evlog_proof::VerifierKey;

/// Nothing is signed under a name that was changed.
pub(super) fn refuse_former(key: &VerifierKey, former: &[String]) -> Result<(), CommandError> {
    let name = key.name();
    if !former.iter().any(|former| former == name) {
        return Ok(());
    }
    let message = format!("nothing was signed: the log changed its name: expected a key of a new name, found {name}");
    Err(CommandError::user(message)
        .hint("`evlog cat --run '$log'` shows the new one (log.name_changed)")
        .hint(format!("`evlog key new NAME` with another name, such as `{name}-2`, makes a key")))
}

/// The name that the log's own events record, where it is another than the key's and the log still has it. The notes that say
/// it may have been removed.
pub(super) fn recorded(history: &SigningHistory, key: &VerifierKey, former: &[String]) -> Option<String> {
    let signed = history.last.as_ref().map(|last| last.origin.clone());
    let added = || history.keys.last().and_then(|text| Some(VerifierKey::parse(text).ok()?.name().to_owned()));
    signed.or_else(added).filter(|name| name != key.name() && !former.contains(name))
}

/// A key of another name than the log has.
pub(super) fn refused(name: &str, key: &VerifierKey) -> CommandError {
    let found = key.name();
    CommandError::user(format!("the log signs as {name}: expected a key of that name, found one of {found}"))
        .hint(format!("`evlog key new {}` makes a new key of the same name", quoted(name)))
        .hint(
            "after a restore from an older copy no witness takes the old name: `evlog checkpoint --key FILE --new-name` goes on \
             under the key's, and the log records it (docs/copying.md)",
        )
}

/// Records that the log has the key's name from now on.
pub(super) fn change(ui: &Ui, log: &Log, from: &str, key: &VerifierKey, by: &str) -> Result<(), CommandError> {
    let (from, to) = (from.to_owned(), key.name().to_owned());
    ui.talk(format_args!("the log signs as {to} from now on, and as {from} never again"));
    Ok(log.record_name_changed(&NameChanged { from, to, accepted_by: by.to_owned() })?)
}
