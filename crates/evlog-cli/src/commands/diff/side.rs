//! One of the two sides that are compared: a log as of a point, or bundles on the disk.

use crate::args::At;
use crate::context::Context;
use crate::error::{self, CommandError};
use crate::files::{self, Found, RUNS};
use evlog::{LogError, View};
use evlog_format::ids::is_run_id;
use evlog_projection::FoldError;
use evlog_store::OpenError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The projected files of a run, by path.
pub(super) type Files = BTreeMap<String, Content>;

/// What is at the path of a projected file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A file, with its bytes.
    File(Vec<u8>),
    /// Something else, in words.
    Other(&'static str),
}

impl Content {
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Content::File(bytes) => Some(bytes),
            Content::Other(_) => None,
        }
    }
}

/// What is compared.
pub(super) enum Side {
    /// A log as of a point.
    Log(Box<View>),
    /// The directory of all bundles.
    Bundles(PathBuf),
}

/// Why the files of a run could not be read.
pub(super) enum Unread {
    /// The run cannot be folded.
    Run(FoldError),
    /// Nothing more can be read.
    Side(CommandError),
}

impl From<CommandError> for Unread {
    fn from(error: CommandError) -> Unread {
        Unread::Side(error)
    }
}

impl From<LogError> for Unread {
    fn from(error: LogError) -> Unread {
        match error {
            LogError::Fold(error) => Unread::Run(error),
            error => Unread::Side(error.into()),
        }
    }
}

/// Where a run was looked for: in the longer of two views of one log, or in both sides.
pub(super) fn searched(a: &Side, b: &Side) -> String {
    match (a, b) {
        (Side::Log(a), Side::Log(b)) if a.dir() == b.dir() => {
            error::searched(if a.next_seq() < b.next_seq() { b } else { a })
        }
        _ => format!("{}, or in {}", a.searched(), b.searched()),
    }
}

impl Side {
    fn searched(&self) -> String {
        match self {
            Side::Log(view) => error::searched(view),
            Side::Bundles(runs) => format!("`{}`", runs.display()),
        }
    }

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
                let mut names = files::names(runs)?;
                names.retain(|name| is_run_id(name) && runs.join(name).is_dir());
                Ok(names)
            }
        }
    }

    /// The projected files of a run; `None` if it is not there. `beside` are the files of the other side, because a bundle
    /// on the disk does not say which of its files are projected.
    pub(super) fn files(&self, run: &str, beside: Option<&Files>) -> Result<Option<Files>, Unread> {
        match self {
            Side::Log(view) => {
                let bundle = view.bundle(run)?;
                Ok(bundle.map(|bundle| {
                    bundle.files.into_iter().map(|(path, file)| (path, Content::File(file.bytes))).collect()
                }))
            }
            Side::Bundles(runs) => {
                let root = runs.join(run);
                if !is_run_id(run) || !root.is_dir() {
                    return Ok(None);
                }
                let mut all = Files::new();
                for (path, expected) in beside.into_iter().flatten() {
                    let found = match files::find(&root.join(path), expected.bytes().map_or(0, <[u8]>::len))? {
                        Found::File(bytes) => Content::File(bytes),
                        Found::Other(what) => Content::Other(what),
                        Found::Nothing => continue,
                    };
                    all.insert(path.clone(), found);
                }
                Ok(Some(all))
            }
        }
    }
}
