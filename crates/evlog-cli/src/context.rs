//! How a command gets at the log: as a reader or as its one writer.

use crate::args::{At, Global, Writing};
use crate::caller::{Actor, correlation, principal};
use crate::error::CommandError;
use crate::turn::{Attempt, Turn};
use crate::ui::alert;
use evlog::{Log, LogError, Observer, Options, ReadOptions, View};
use evlog_lifecycle::form::Definition;
use evlog_lifecycle::{custom::Custom, lifecycle::Lifecycle, pipeline::Pipeline, status::Status, story::Story};
use evlog_projection::Contracts;
use evlog_store::OpenError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What every command knows.
pub(crate) struct Context {
    /// The log's directory.
    pub(crate) log: PathBuf,
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
        Context { log: global.log.clone(), json: global.json.is_some() }
    }

    /// Opens the log for reading, as it was at a point if one is given.
    pub(crate) fn view(&self, at: &At) -> Result<View, CommandError> {
        at.of(warned(View::open(&self.log, contracts())?))
    }

    /// Like [`view`](Self::view), for a command that shows events or an earlier state. It shows what is before damage in the
    /// last segment, and then reports the damage as the error.
    pub(crate) fn view_up_to_damage(&self, at: &At) -> Result<View, CommandError> {
        at.of(self.up_to_damage()?)
    }

    /// Like [`view_up_to_damage`](Self::view_up_to_damage), of the log as it is now.
    pub(crate) fn up_to_damage(&self) -> Result<View, CommandError> {
        Ok(Context::open_up_to_damage(&self.log)?)
    }

    /// Like [`up_to_damage`](Self::up_to_damage), of any log.
    pub(crate) fn open_up_to_damage(log: &Path) -> Result<View, LogError> {
        let options = ReadOptions { up_to_damage: true, ..ReadOptions::new() };
        Ok(warned(options.open(log, contracts())?))
    }

    /// Whether there is a log. A log that cannot be opened counts: opening it reports why.
    pub(crate) fn has_log(&self) -> Result<bool, CommandError> {
        match View::open(&self.log, contracts()) {
            Ok(_) => Ok(true),
            Err(LogError::Open(OpenError::NoLog { .. })) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// How the log is opened for writing. `command` is the name that other processes see when they find the log locked.
    pub(crate) fn options(command: &str, create: bool) -> Result<Options, CommandError> {
        let program = format!("evlog {command} {}", env!("CARGO_PKG_VERSION"));
        let (principal, correlation) = (Some(principal()), correlation()?);
        Ok(Options { create, principal, correlation, ..Options::new(program) })
    }

    /// Opens a log that exists for writing, when it is the command's turn.
    pub(crate) fn writer(&self, command: &str, turn: &Turn) -> Result<Log, CommandError> {
        let options = Context::options(command, false)?;
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
        let options = Options {
            observer,
            actor: Actor::name(args.actor.as_ref())?,
            ..Context::options(command, create && !args.no_create)?
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
