//! Key files: one line of text each. A private key file must be readable by its owner only; otherwise it is refused.

use crate::error::{CommandError, PRIVATE};
use crate::files;
use crate::shell::quoted;
use evlog_proof::{Algorithm, KeyError, Policy, SignerKey, VerifierKey};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// The permissions of a new private key file.
const PRIVATE_MODE: u32 = 0o600;
/// The permissions of a new public key file.
const PUBLIC_MODE: u32 = 0o644;
/// The permission bits of group and others.
const OTHERS: u32 = 0o077;
/// The key that a log goes on with is not a new one.
const OF_THIS_LOG: &str = "give the key that this log was signed with before; `evlog key new NAME` is for a log that has never been \
                           signed";
const OF_THIS_WITNESS: &str = "give the key that this witness has cosigned with before; `evlog key new NAME --witness` is for a new \
                               witness";
/// What to do with a key that others know.
const LEAKED_OF_LOG: &str = "if somebody may have read it: make a key of a new name with `evlog key new NAME`, sign with `evlog \
                             checkpoint --new-name`, and give the new public key to everybody who checks this log";
const LEAKED_OF_WITNESS: &str = "if somebody may have read it: make a key of a new name with `evlog key new NAME --witness`, and \
                                 give the new public key to everybody who relies on this witness";
/// A key has one line; more is not read.
const LEN_MAX: u64 = 4096;

fn cannot<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> CommandError + use<'p> {
    move |error| CommandError::file(action, path.display(), &error)
}

/// Draws a key.
pub(crate) fn draw(name: &str, algorithm: Algorithm) -> Result<SignerKey, CommandError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| CommandError::user(format!("could not draw random bytes for a key: {error}")))?;
    SignerKey::new(name, algorithm, &seed).map_err(|error| CommandError::user(error.to_string()))
}

/// Where the public part is kept beside a private one.
pub(crate) fn public_path(private: &Path) -> PathBuf {
    if private.extension().is_some_and(|extension| extension == "key") {
        return private.with_extension("pub");
    }
    let mut path = private.as_os_str().to_owned();
    path.push(".pub");
    PathBuf::from(path)
}

/// Writes both parts of a key into new files: both, or neither. After a full disk or an interruption, only temporary
/// names are left, which do not block the next attempt.
pub(crate) fn write(key: &SignerKey, private: &Path, public: &Path) -> Result<(), CommandError> {
    for path in [private, public] {
        if path.symlink_metadata().is_ok() {
            return Err(taken(path));
        }
    }
    let secret = draft(private, PRIVATE_MODE, &key.to_secret_text())?;
    let open = draft(public, PUBLIC_MODE, &key.verifier().to_string())?;
    name(secret, private)?;
    if let Err(error) = name(open, public) {
        // It is safe to remove the private part: only this command knows it, and its public part was not published.
        let _gone = fs::remove_file(private);
        return Err(error);
    }
    files::sync_above(private)?;
    files::sync_above(public)
}

fn taken(path: &Path) -> CommandError {
    CommandError::taken(&format!("`{}`", path.display()), "a key")
}

/// A temporary file with one line. Its permissions are set explicitly and do not depend on the umask.
fn draft(path: &Path, mode: u32, line: &str) -> Result<NamedTempFile, CommandError> {
    let draft = files::draft(path, mode, format!("{line}\n").as_bytes())?;
    draft.as_file().set_permissions(Permissions::from_mode(mode)).map_err(cannot("make", path))?;
    Ok(draft)
}

/// Gives it its name, which must be free.
fn name(draft: NamedTempFile, path: &Path) -> Result<(), CommandError> {
    match draft.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(taken(path)),
        Err(error) => Err(cannot("make", path)(error.error)),
    }
}

/// A private key that cannot be opened. Without the file, the person may have none yet.
fn unopened(path: &Path, error: &io::Error) -> CommandError {
    let failed = CommandError::file("read", path.display(), error).during("--key");
    if error.kind() != io::ErrorKind::NotFound {
        return failed;
    }
    failed.hint("if there is no key yet, `evlog key new NAME` makes one")
}

/// Reads a private key; refuses one that others may read.
pub(crate) fn signer(path: &Path, algorithm: Algorithm) -> Result<SignerKey, CommandError> {
    let file = File::open(path).map_err(|error| unopened(path, &error))?;
    let found = file.metadata().map_err(cannot("read", path))?;
    let shown = path.display();
    let mode = found.permissions().mode() & 0o777;
    let owner = match algorithm {
        Algorithm::Note => "a log",
        Algorithm::Cosignature => "a witness",
    };
    let text = line(path, file)?;
    if !is_private(text.as_bytes()) && VerifierKey::parse(text.trim_end()).is_err() {
        let expected = format!("the private key of {owner} (one line that begins with `{PRIVATE}`)");
        return Err(no_key(path, &expected, ".key"));
    }
    // Only a private key needs strict permissions: everybody may read a public key.
    let key = SignerKey::parse(text.trim_end()).map_err(|error| unlike(path, &error))?;
    if found.is_file() && mode & OTHERS != 0 {
        let message = format!("the private key `{shown}` can be read by others: expected mode 600, found {mode:o}");
        let renewed = match algorithm {
            Algorithm::Note => LEAKED_OF_LOG,
            Algorithm::Cosignature => LEAKED_OF_WITNESS,
        };
        return Err(CommandError::user(message + "; nothing was signed")
            .hint(format!("if nobody else has read it: `chmod 600 {}`", quoted(&shown.to_string())))
            .hint(renewed));
    }
    if key.verifier().algorithm() == algorithm {
        return Ok(key);
    }
    let (found, how) = match algorithm {
        Algorithm::Note => ("a witness", OF_THIS_LOG),
        Algorithm::Cosignature => ("a log", OF_THIS_WITNESS),
    };
    let unlike =
        CommandError::unlike(format!("`{shown}`"), format!("the key of {owner}"), format!("the key of {found}"));
    Err(unlike.hint(how))
}

fn is_private(bytes: &[u8]) -> bool {
    bytes.starts_with(PRIVATE.as_bytes())
}

/// Refuses a private key in the place of another file, before anything quotes it.
pub(crate) fn refuse_private(role: &str, expected: &str, path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    if !is_private(bytes) {
        return Ok(());
    }
    let place = format!("{role} `{}`", path.display());
    Err(CommandError::unlike(place, expected, "a private key").hint("name another file, and keep this one secret"))
}

fn no_key(path: &Path, expected: &str, ending: &str) -> CommandError {
    CommandError::unlike(format!("`{}`", path.display()), expected, "a file that is no key")
        .hint(format!("give the file that `evlog key new` wrote and that ends in `{ending}`"))
}

/// Reads a public key.
pub(crate) fn verifier(path: &Path) -> Result<VerifierKey, CommandError> {
    let file = File::open(path).map_err(|error| cannot("read", path)(error).during("public key"))?;
    VerifierKey::parse(line(path, file)?.trim_end()).map_err(|error| match error {
        KeyError::Form => no_key(path, "a public key (one line of the form NAME+ID+BASE64)", ".pub"),
        error => unlike(path, &error),
    })
}

/// Reads a witness policy.
pub(crate) fn policy(path: &Path) -> Result<Policy, CommandError> {
    let bytes = fs::read(path).map_err(|error| cannot("read", path)(error).during("witness policy"))?;
    refuse_private("witness policy", "a witness policy", path, &bytes)?;
    Policy::parse(&bytes).map_err(|error| CommandError::user(format!("`{}`: {error}", path.display())))
}

fn line(path: &Path, file: File) -> Result<String, CommandError> {
    io::read_to_string(io::Read::take(file, LEN_MAX)).map_err(cannot("read", path))
}

fn unlike(path: &Path, error: &KeyError) -> CommandError {
    let refused = CommandError::user(format!("`{}`: {error}", path.display()));
    match error {
        KeyError::Private => refused.hint("give the file that ends in `.pub`, and keep this one secret"),
        KeyError::Public => refused.hint("give the file that ends in `.key`"),
        _ => refused,
    }
}
