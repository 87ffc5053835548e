//! How a command gets at the log: as a reader or as its one writer.

use crate::args::{At, Global, Writing};
use crate::caller::{Actor, correlation, principal};
use crate::error::CommandError;
use crate::place::{fs_of, is_url, try_store};
use crate::turn::{Attempt, Turn};
use crate::ui::alert;
use evlog::history::StoreTried;
use evlog::{Log, LogError, Observer, Options, ReadOptions, View};
use evlog_lifecycle::form::Definition;
use evlog_lifecycle::{custom::Custom, lifecycle::Lifecycle, pipeline::Pipeline, status::Status, story::Story};
use evlog_projection::Contracts;
use evlog_store::{Fs, OpenError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// What every command knows.
pub(crate) struct Context {
    /// The log's directory, or its URL.
    pub(crate) log: PathBuf,
    /// The file system that has it, once it was asked for.
    fs: OnceLock<Arc<dyn Fs>>,
    /// Whether the answer is to be JSON.
    pub(crate) json: bool,
}

/// The contracts that this program knows.
pub(crate) fn contracts() -> Contracts {
    contracts_with(&[])
}

/// Like [`contracts`], with the contracts that contract files define. Commands can create runs of these contracts by name.
pub(crate) fn contracts_with(brought: &[Definition]) -> Contracts {
    let (mut lifecycle, mut pipeline) = (Lifecycle::default(), Pipeline::default());
    for definition in brought {
        match definition {
            Definition::Lifecycle(definition) => lifecycle = lifecycle.knowing(Arc::clone(definition)),
            Definition::Pipeline(definition) => pipeline = pipeline.knowing(Arc::clone(definition)),
        }
    }
    let story = Story::with_schemas(evlog_pipeline::check_schema);
    Contracts::new().with(Status).with(story).with(pipeline).with(lifecycle).with(Custom)
}

impl Context {
    pub(crate) fn new(global: &Global) -> Context {
        Context::of(global.log.clone(), global.json.is_some())
    }

    /// For another log.
    pub(crate) fn of(log: PathBuf, json: bool) -> Context {
        Context { log, fs: OnceLock::new(), json }
    }

    /// The file system that has the log, the same one each time.
    pub(crate) fn fs(&self) -> Result<Arc<dyn Fs>, CommandError> {
        if let Some(fs) = self.fs.get() {
            return Ok(Arc::clone(fs));
        }
        let fs = fs_of(&self.log)?;
        Ok(Arc::clone(self.fs.get_or_init(|| fs)))
    }

    /// Refuses a log in a bucket, for a command that works on the files of a directory.
    pub(crate) fn check_on_disk(&self, command: &str) -> Result<(), CommandError> {
        if !is_url(&self.log) {
            return Ok(());
        }
        let place = format!("--log `{}`", self.log.display());
        Err(CommandError::unlike(place, format!("a directory, because `{command}` works on its files"), "a URL"))
    }

    /// How the log is opened for reading.
    fn read_options(&self) -> Result<ReadOptions, CommandError> {
        Ok(ReadOptions { fs: self.fs()?, ..ReadOptions::new() })
    }

    /// Opens the log for reading, as it is now, and prints no warnings.
    pub(crate) fn quiet_view(&self) -> Result<View, CommandError> {
        Ok(self.read_options()?.open(&self.log, contracts())?)
    }

    /// Opens the log for reading, as it was at a point if one is given.
    pub(crate) fn view(&self, at: &At) -> Result<View, CommandError> {
        at.of(warned(self.quiet_view()?))
    }

    /// Like [`view`](Self::view), for a command that shows events or an earlier state. It shows what is before damage in the
    /// last segment, and then reports the damage as the error.
    pub(crate) fn view_up_to_damage(&self, at: &At) -> Result<View, CommandError> {
        at.of(self.up_to_damage()?)
    }

    /// Like [`view_up_to_damage`](Self::view_up_to_damage), of the log as it is now.
    pub(crate) fn up_to_damage(&self) -> Result<View, CommandError> {
        let options = ReadOptions { up_to_damage: true, ..self.read_options()? };
        Ok(warned(options.open(&self.log, contracts())?))
    }

    /// Like [`up_to_damage`](Self::up_to_damage), of any log in a directory.
    pub(crate) fn open_up_to_damage(log: &Path) -> Result<View, LogError> {
        let options = ReadOptions { up_to_damage: true, ..ReadOptions::new() };
        Ok(warned(options.open(log, contracts())?))
    }

    /// Whether there is a log. A log that cannot be opened counts: opening it reports why.
    pub(crate) fn has_log(&self) -> Result<bool, CommandError> {
        match self.read_options()?.open(&self.log, contracts()) {
            Ok(_) => Ok(true),
            Err(LogError::Open(OpenError::NoLog { .. })) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Tries the object store before a log is made in it. `None` for a log in a directory, or if the user does not want it.
    pub(crate) fn try_store(&self, untested: bool) -> Result<Option<StoreTried>, CommandError> {
        if untested || !is_url(&self.log) { Ok(None) } else { try_store(&self.log.to_string_lossy()).map(Some) }
    }

    /// How the log is opened for writing. `command` is the name that other processes see when they find the log locked.
    pub(crate) fn options(command: &str, create: bool) -> Result<Options, CommandError> {
        let program = format!("evlog {command} {}", env!("CARGO_PKG_VERSION"));
        let (principal, correlation) = (Some(principal()), correlation()?);
        Ok(Options { create, principal, correlation, ..Options::new(program) })
    }

    /// Opens a log that exists for writing, when it is the command's turn.
    pub(crate) fn writer(&self, command: &str, turn: &Turn) -> Result<Log, CommandError> {
        let options = Options { fs: self.fs()?, ..Context::options(command, false)? };
        turn.take(|| Attempt::of(options.clone().open(&self.log, contracts())))
    }

    /// Tries once to open the log for commands of an actor, with the contracts of contract files. The observer hears what the
    /// writer does.
    pub(crate) fn writer_with(
        &self,
        brought: &[Definition],
        command: &str,
        args: &Writing,
        create: bool,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Attempt<Log>, CommandError> {
        let create = create && !args.no_create;
        let store_tried =
            if create && is_url(&self.log) && !self.has_log()? { self.try_store(args.untested_store)? } else { None };
        let options = Options {
            observer,
            fs: self.fs()?,
            actor: Actor::name(args.actor.as_ref())?,
            store_tried,
            ..Context::options(command, create)?
        };
        Attempt::of(options.open(&self.log, contracts_with(brought)))
    }
}

/// Prints the warnings of a view, and returns the view.
fn warned(view: View) -> View {
    for sentence in view.warnings() {
        alert(&format!("warning: {sentence}"));
    }
    view
}
