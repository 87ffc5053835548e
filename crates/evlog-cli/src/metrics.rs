//! `--metrics`: figures about a command while it works, for Prometheus: in a file, or on a port.
//!
//! Does not: influence the command. The exit code is the same with and without metrics, except if they cannot even begin: then
//! nothing is done.
//!
//! Invariants:
//! - What a scrape reads, the command does not wait for: [`figures`].
//! - A file is replaced as a whole, so a reader finds a complete page.

mod catalogue;
#[cfg(test)]
mod docs;
mod exposition;
mod figures;
mod file;
mod server;
mod target;
mod watching;

pub(crate) use figures::Figures;
pub(crate) use target::Target;

use crate::context::{Context, contracts};
use crate::error::CommandError;
use crate::outputs;
use crate::ui::Ui;
use catalogue as metric;
use evlog::clock::{Clock, SystemClock};
use evlog::{Committed, Observer};
use evlog_format::FORMAT_VERSION;
use evlog_store::{Reader, StdFs};
use exposition::Page;
use file::Writing;
use server::Server;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::level_filters::LevelFilter;
use watching::Watching;

/// The labels of every sample of a command: of two files in one directory, no sample may be the same.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// The place where a command counts what it does, if somebody wants metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(Option<Arc<Figures>>);

impl Metrics {
    /// Counts something.
    pub(crate) fn count(&self, count: impl FnOnce(&Figures)) {
        if let Some(figures) = &self.0 {
            count(figures);
        }
    }

    /// The observer for the command's writer, if anybody listens.
    pub(crate) fn observer(&self) -> Option<Arc<dyn Observer>> {
        let is_wanted = self.0.is_some() || LevelFilter::current() != LevelFilter::OFF;
        is_wanted.then(|| Arc::new(Watching::new(self.clone())) as Arc<dyn Observer>)
    }
}

/// Metrics while a command works. Dropping this writes the file a last time, or closes the port.
#[derive(Debug)]
pub(crate) struct Metered {
    metrics: Metrics,
    /// Held until it is dropped.
    _outlet: Option<Outlet>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "each is held until it is dropped, which ends it")]
enum Outlet {
    File(Writing),
    Port(Server),
}

impl Metered {
    /// The place to count.
    pub(crate) fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }
}

/// Begins metrics of a command that works on the context's log, if a target is given. On failure nothing else may be done.
pub(crate) fn begin(
    ui: &Ui,
    command: &'static str,
    context: &Context,
    target: Option<&Target>,
    key: Option<&Path>,
) -> Result<Metered, CommandError> {
    // A relative path could be that of several logs.
    let path = std::path::absolute(&context.log).unwrap_or_else(|_| context.log.clone());
    let labels = vec![("command", command.to_owned()), ("log", path.display().to_string())];
    begin_with(ui, labels, context, target, key)
}

/// The same, with other labels. The target may be neither the command's key nor in the log.
pub(crate) fn begin_with(
    ui: &Ui,
    labels: Labels,
    context: &Context,
    target: Option<&Target>,
    key: Option<&Path>,
) -> Result<Metered, CommandError> {
    let Some(target) = target else { return Ok(Metered { metrics: Metrics::default(), _outlet: None }) };
    let figures = Arc::new(Figures::default());
    let render = renderer(Arc::clone(&figures), labels, context.log.clone());
    let outlet = match target {
        Target::File(path) => {
            outputs::check("--metrics", path, &context.log, key)?;
            Outlet::File(Writing::begin(path, render)?)
        }
        Target::Address(address) => Outlet::Port(listen(ui, *address, render)?),
    };
    Ok(Metered { metrics: Metrics(Some(figures)), _outlet: Some(outlet) })
}

/// Makes the page of a moment.
fn renderer(figures: Arc<Figures>, labels: Labels, log: PathBuf) -> server::Render {
    let start = figures::seconds(SystemClock.now_ns());
    let projections = contracts().projections();
    Box::new(move || {
        let mut page = Page::new(labels.clone());
        let commit = option_env!("EVLOG_COMMIT").unwrap_or_default();
        let build = vec![env!("CARGO_PKG_VERSION").to_owned(), commit.to_owned(), FORMAT_VERSION.to_string()];
        page.each(metric::BUILD_INFO, [(build, 1)]);
        let info = |(name, version): (&&str, &u16)| (vec![(*name).to_owned(), version.to_string()], 1);
        page.each(metric::PROJECTION_INFO, projections.iter().map(info));
        page.one(metric::START_TIME, &start);
        figures.show(&mut page, newest(&figures, &log));
        page.into_text()
    })
}

/// Where a followed log ends now. The follower may be waiting for the reader of its answer, so its writer's own note is asked.
fn newest(figures: &Figures, log: &Path) -> Option<Committed> {
    let following = figures.following()?;
    let hint = Reader::hint(Arc::new(StdFs), log).ok().flatten().filter(|head| head.log_id == following.log_id);
    let noted = hint.map(|head| Committed { position: head.committed, next_seq: head.next_seq });
    Some(noted.filter(|noted| noted.next_seq > following.end.next_seq).unwrap_or(following.end))
}

fn listen(ui: &Ui, address: SocketAddr, render: server::Render) -> Result<Server, CommandError> {
    let (listener, bound) = Server::bind(address).map_err(|error| not_listening(address, &error))?;
    let server = Server::start(listener, render).map_err(|error| file::no_thread(&error))?;
    ui.talk(format_args!("metrics: http://{bound}/metrics"));
    tracing::info!(target: "metrics", address = %bound, "metrics can be read");
    Ok(server)
}

fn not_listening(address: SocketAddr, error: &io::Error) -> CommandError {
    let refused = |why: &str| CommandError::user(format!("--metrics: could not listen on {address}: {why}"));
    match error.kind() {
        ErrorKind::AddrInUse => refused("another program listens there")
            .hint("nothing was done; name another port, or 0 for a port that is free"),
        ErrorKind::AddrNotAvailable => {
            refused("this machine does not have the address").hint("nothing was done; `:9464` is on every machine")
        }
        ErrorKind::PermissionDenied => {
            refused("this user may not use the port").hint("nothing was done; name a port from 1024 on")
        }
        _ => refused(&error.to_string()).hint("nothing was done"),
    }
}
