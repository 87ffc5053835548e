//! Where the log is: in a directory of this machine, or in a bucket if it is named by a URL.

use crate::error::CommandError;
use evlog_store::{Fs, StdFs};
use std::path::Path;
#[cfg(feature = "bucket")]
use std::path::PathBuf;
use std::sync::Arc;

/// Whether the log is named by a URL.
pub(crate) fn is_url(log: &Path) -> bool {
    log.to_str().is_some_and(|text| text.contains("://"))
}

/// The file system that has the log.
pub(crate) fn fs_of(log: &Path) -> Result<Arc<dyn Fs>, CommandError> {
    if is_url(log) { bucket(&log.to_string_lossy()) } else { Ok(Arc::new(StdFs)) }
}

#[cfg(feature = "bucket")]
fn bucket(url: &str) -> Result<Arc<dyn Fs>, CommandError> {
    let settings = aws_settings(url).map_err(|error| error.during("--log"))?;
    evlog_bucket::open(url, evlog_bucket::Options::default(), &settings)
        .map_err(|error| CommandError::user(error.to_string()).during("--log"))
}

/// What the files of the AWS command line say about the profile `AWS_PROFILE`, or about `default`; nothing for other stores.
#[cfg(feature = "bucket")]
pub(crate) fn aws_settings(url: &str) -> Result<Vec<(String, String)>, CommandError> {
    use evlog_bucket::profile::{Files, settings};
    use std::env::var_os;
    if !url.starts_with("s3://") {
        return Ok(Vec::new());
    }
    let file = |variable: &str, name: &str| {
        let in_home = || var_os("HOME").map(|home| PathBuf::from(home).join(".aws").join(name));
        var_os(variable).map(PathBuf::from).or_else(in_home)
    };
    let paths = [file("AWS_CONFIG_FILE", "config"), file("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
    let [config, credentials] = &paths;
    let files = Files { config: read(config.as_deref())?, credentials: read(credentials.as_deref())? };
    let named = std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty());
    // A profile that nobody named must not get in the way of credentials that come from the environment or the machine.
    let found = match settings(named.as_deref().unwrap_or("default"), &files) {
        Err(_) if named.is_none() => None,
        found => found.map_err(CommandError::user)?,
    };
    match (found, named) {
        (None, Some(name)) => {
            let tried = paths.iter().flatten().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>();
            Err(CommandError::user(format!("AWS_PROFILE: there is no profile `{name}` in {}", tried.join(" or ")))
                .hint("correct AWS_PROFILE, or unset it"))
        }
        (found, _) => Ok(found.unwrap_or_default()),
    }
}

/// The text of a file; nothing if there is none.
#[cfg(feature = "bucket")]
fn read(path: Option<&Path>) -> Result<String, CommandError> {
    let Some(path) = path.filter(|path| path.exists()) else { return Ok(String::new()) };
    crate::files::read_text(path, 1 << 20)
}

#[cfg(not(feature = "bucket"))]
fn bucket(url: &str) -> Result<Arc<dyn Fs>, CommandError> {
    Err(CommandError::user(format!("--log `{url}`: this evlog was built without object stores"))
        .hint("build it with `cargo build --release -p evlog-cli --features bucket`, or name a directory"))
}
