//! Object stores: how one is reached, and tried before a log is made in it.

use crate::error::CommandError;
use evlog::history::StoreTried;
use evlog_bucket::probe::{ProbeOptions, Report, Verdict};
use evlog_bucket::profile::{Files, settings};
use evlog_bucket::{OpenUrlError, Options};
use evlog_store::Fs;
use std::env::var_os;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much is tried before a log is made: some seconds with a store that is far away.
const BEFORE_A_LOG: ProbeOptions = ProbeOptions { rounds: 5, writers: 4 };

fn refused(error: &OpenUrlError) -> CommandError {
    CommandError::user(error.to_string())
}

/// The file system of a log.
pub(crate) fn fs(url: &str) -> Result<Arc<dyn Fs>, CommandError> {
    evlog_bucket::open(url, Options::default(), &aws_settings(url)?).map_err(|error| refused(&error))
}

/// Tries whether a store does what a log relies on.
pub(crate) fn probe(url: &str, options: ProbeOptions) -> Result<Report, CommandError> {
    let store = evlog_bucket::open_store(url, &aws_settings(url)?).map_err(|error| refused(&error))?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| CommandError::user(format!("no random bytes: {error}")))?;
    evlog_bucket::probe::probe(store.as_ref(), options, random).map_err(|fault| {
        CommandError::user(format!("`{url}` could not be tried: {fault}"))
            .hint("nothing was made; check the address, the endpoint in the environment, and the network")
    })
}

/// Tries a store before a log is made in it, and returns what the log records of that. Fails if the store did not pass.
pub(crate) fn try_store(url: &str) -> Result<StoreTried, CommandError> {
    judged(url, &probe(url, BEFORE_A_LOG)?)
}

fn judged(url: &str, report: &Report) -> Result<StoreTried, CommandError> {
    let of = |verdict: Verdict| report.trials.iter().filter(move |trial| trial.verdict == verdict);
    if !report.passed() {
        let failed: Vec<_> = of(Verdict::Failed).map(|trial| format!("{}: {}", trial.name, trial.found)).collect();
        return Err(CommandError::user(format!(
            "no log was made: the store of `{url}` did not pass: {}",
            failed.join("; ")
        ))
        .hint(format!("`evlog conform-store {url}` shows all trials; docs/bucket.md explains them"))
        .hint("`--untested-store` makes the log all the same; such a log can lose commits"));
    }
    let ProbeOptions { rounds, writers } = BEFORE_A_LOG;
    let noted = of(Verdict::Noted).map(|trial| trial.name.to_owned()).collect();
    Ok(StoreTried { store: url.to_owned(), rounds, writers, noted })
}

/// What the files of the AWS command line say about the profile `AWS_PROFILE`, or about `default`; nothing for other stores.
fn aws_settings(url: &str) -> Result<Vec<(String, String)>, CommandError> {
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
fn read(path: Option<&Path>) -> Result<String, CommandError> {
    let Some(path) = path.filter(|path| path.exists()) else { return Ok(String::new()) };
    crate::files::read_text(path, 1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evlog_bucket::probe::Trial;

    fn report(verdicts: &[(&'static str, Verdict)]) -> Report {
        let trial = |(name, verdict): &(&'static str, Verdict)| Trial { name, verdict: *verdict, found: "seen".into() };
        Report { trials: verdicts.iter().map(trial).collect(), left: Vec::new() }
    }

    #[test]
    fn no_log_is_made_in_a_store_that_failed_a_trial() {
        let failed = report(&[("create", Verdict::Passed), ("create-if-absent", Verdict::Failed)]);
        let said = format!("{:?}", judged("s3://b/l", &failed).unwrap_err());
        for part in ["no log was made", "create-if-absent: seen", "conform-store s3://b/l", "--untested-store"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn a_log_records_what_was_tried_and_what_is_to_be_known_of_its_store() {
        let passed = report(&[("create", Verdict::Passed), ("create-after-delete", Verdict::Noted)]);
        let tried = judged("s3://b/l", &passed).unwrap();
        assert_eq!((tried.store.as_str(), tried.rounds, tried.writers), ("s3://b/l", 5, 4));
        assert_eq!(tried.noted, ["create-after-delete"]);
    }
}
