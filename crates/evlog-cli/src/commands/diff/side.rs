//! One of the two sides that are compared: a log as of a point, or bundles on the disk.

use crate::args::At;
use crate::context::Context;
use crate::error::CommandError;
use crate::files::{self, Found};
use evlog::{LogError, View};
use evlog_format::ids::is_run_id;
use evlog_store::OpenError;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The directory of all bundles, one for each run.
const RUNS: &str = "runs";

/// The projected files of a run, by path.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What is compared.
pub(super) enum Side {
    /// A log as of a point.
    Log(Box<View>),
    /// The directory of all bundles.
    Bundles(PathBuf),
}

impl Side {
    /// Another log, as of a point, or the bundles below a directory.
    pub(super) fn open(path: &Path, at: &At) -> Result<Side, CommandError> {
        let runs = path.join(RUNS);
        if runs.is_dir() {
            return Ok(Side::Bundles(runs));
        }
        match Context::open_up_to_damage(path) {
            Ok(view) => at
                .of(view)
                .map(|view| Side::Log(view.into()))
                .map_err(|error| error.during(format!("--other {}", path.display()))),
            Err(LogError::Open(OpenError::NoLog { .. })) => Err(CommandError::user(format!(
                "--other {}: expected a log, or a directory that holds bundles in `{RUNS}`, found neither",
                path.display()
            ))),
            Err(error) => Err(CommandError::from(error).during(format!("--other {}", path.display()))),
        }
    }

    /// The names of its runs.
    pub(super) fn names(&self) -> Result<Vec<String>, CommandError> {
        match self {
            Side::Log(view) => Ok(view.run_names()?),
            Side::Bundles(runs) => {
                let refuse = |error| CommandError::file("read", runs.display(), &error);
                let mut names = Vec::new();
                for entry in fs::read_dir(runs).map_err(refuse)? {
                    let entry = entry.map_err(refuse)?;
                    let name = entry.file_name().into_string().ok().filter(|name| is_run_id(name));
                    names.extend(name.filter(|_| entry.path().is_dir()));
                }
                Ok(names)
            }
        }
    }

    /// The projected files of a run; `None` if it is not there. `beside` are those of the other side: a bundle on the disk does not
    /// say which of its files are projected.
    pub(super) fn files(&self, run: &str, beside: Option<&Files>) -> Result<Option<Files>, CommandError> {
        match self {
            Side::Log(view) => {
                let bundle = view.bundle(run)?;
                Ok(bundle.map(|bundle| bundle.files.into_iter().map(|(path, file)| (path, file.bytes)).collect()))
            }
            Side::Bundles(runs) => {
                let root = runs.join(run);
                if !is_run_id(run) || !root.is_dir() {
                    return Ok(None);
                }
                let mut all = Files::new();
                for (path, bytes) in beside.into_iter().flatten() {
                    match files::find(&root.join(path), bytes.len())? {
                        Found::File(found) => drop(all.insert(path.clone(), found)),
                        Found::Nothing => {}
                        Found::Other(what) => {
                            let message = format!("`{}`: expected a file, found {what}", root.join(path).display());
                            return Err(CommandError::user(message));
                        }
                    }
                }
                Ok(Some(all))
            }
        }
    }
}
