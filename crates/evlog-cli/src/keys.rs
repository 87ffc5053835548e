//! Key files: one line of text each. That of a private key is readable by its owner alone, or refused.

use crate::error::CommandError;
use evlog_proof::{Algorithm, KeyError, Policy, SignerKey, VerifierKey};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The permissions that a private key's file is made with.
const PRIVATE_MODE: u32 = 0o600;
/// Those that others have.
const OTHERS: u32 = 0o077;
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

/// Writes both parts of a key into new files.
pub(crate) fn write(key: &SignerKey, private: &Path, public: &Path) -> Result<(), CommandError> {
    write_new(private, PRIVATE_MODE, &key.to_secret_text())?;
    write_new(public, 0o644, &key.verifier().to_string())
}

fn write_new(path: &Path, mode: u32, line: &str) -> Result<(), CommandError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            CommandError::user(format!("expected no file `{}`, found one: a key is not overwritten", path.display()))
        }
        _ => cannot("make", path)(error),
    })?;
    file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(cannot("write", path))
}

/// Reads a private key; refuses one that others may read.
pub(crate) fn signer(path: &Path, algorithm: Algorithm) -> Result<SignerKey, CommandError> {
    let file = File::open(path).map_err(cannot("read", path))?;
    let found = file.metadata().map_err(cannot("read", path))?;
    let shown = path.display();
    let mode = found.permissions().mode() & 0o777;
    if found.is_file() && mode & OTHERS != 0 {
        let message = format!("the private key `{shown}` can be read by others: expected mode 600, found {mode:o}");
        return Err(CommandError::user(message).hint(format!(
            "if nobody can have read it, `chmod 600 {shown}`; otherwise make a new one with `evlog key new`"
        )));
    }
    let key = SignerKey::parse(line(path, file)?.trim_end()).map_err(|error| unlike(path, &error))?;
    if key.verifier().algorithm() == algorithm {
        return Ok(key);
    }
    let (expected, found, how) = match algorithm {
        Algorithm::Note => ("of a log", "of a witness", "`evlog key new NAME`"),
        Algorithm::Cosignature => ("of a witness", "of a log", "`evlog key new NAME --witness`"),
    };
    let message = format!("`{shown}`: expected the key {expected}, found the key {found}");
    Err(CommandError::user(message).hint(format!("{how} makes one")))
}

/// Reads a public key.
pub(crate) fn verifier(path: &Path) -> Result<VerifierKey, CommandError> {
    let file = File::open(path).map_err(cannot("read", path))?;
    VerifierKey::parse(line(path, file)?.trim_end()).map_err(|error| unlike(path, &error))
}

/// Reads a policy.
pub(crate) fn policy(path: &Path) -> Result<Policy, CommandError> {
    let text = fs::read_to_string(path).map_err(cannot("read", path))?;
    Policy::parse(&text).map_err(|error| CommandError::user(format!("`{}`: {error}", path.display())))
}

fn line(path: &Path, file: File) -> Result<String, CommandError> {
    io::read_to_string(io::Read::take(file, LEN_MAX)).map_err(cannot("read", path))
}

fn unlike(path: &Path, error: &KeyError) -> CommandError {
    let refused = CommandError::user(format!("`{}`: {error}", path.display()));
    match error {
        KeyError::Private => refused.hint("give the file that ends in `.pub`, and keep this one to yourself"),
        KeyError::Public => refused.hint("give the file that ends in `.key`"),
        _ => refused,
    }
}
