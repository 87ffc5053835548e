//! How a command ends. The only place that turns a library's error into a message with hints.

mod object;

pub(crate) use object::ErrorObject;

use crate::shell::of_log;
use evlog::{LogError, View};
use evlog_pipeline::{FileError, RunError, in_words};
use evlog_projection::nearest::meant;
use evlog_store::layout::Layout;
use evlog_store::{OpenError, ReadError, Refusal};
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// The verdict of a command that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Exit code 0.
    Yes,
    /// Exit code 1: findings, differences, rejections, not found.
    No,
    /// Exit code 2: the command was carried out, but some of the input could not be read.
    CouldNot,
    /// The exit code of a run.
    Run(u8),
    /// A signal of this number ended the command, which put things in order first.
    #[cfg(feature = "top")]
    Signal(u8),
}

impl Verdict {
    /// Yes or no.
    pub(crate) fn of(yes: bool) -> Verdict {
        if yes { Verdict::Yes } else { Verdict::No }
    }

    /// The exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Verdict::Yes => 0,
            Verdict::No => 1,
            Verdict::CouldNot => 2,
            Verdict::Run(code) => code,
            #[cfg(feature = "top")]
            Verdict::Signal(number) => 128_u8.saturating_add(number),
        }
    }
}

/// Why a command failed, and the message for the user.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// What happened.
    pub(crate) message: String,
    /// The details, one line each, if there are several.
    pub(crate) details: Vec<String>,
    /// Hints: what the user can do.
    pub(crate) hints: Vec<String>,
    /// The exit code.
    pub(crate) code: u8,
    /// The log that was read is no longer at its path, or no longer holds what was read.
    pub(crate) log_is_lost: bool,
    /// There is no log at the path.
    pub(crate) is_no_log: bool,
    /// Where it happened, and what differed, as far as that is known apart from the message.
    pub(crate) differs: Box<Differs>,
}

/// Where something is not as expected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Differs {
    pub(crate) place: Option<String>,
    pub(crate) expected: Option<String>,
    pub(crate) found: Option<String>,
}

impl Differs {
    /// The parts of a sentence `PLACE: expected A, found B`, in which all libraries say such things.
    fn of_sentence(sentence: &str) -> Differs {
        let (place, rest) = match sentence.rsplit_once(": expected ") {
            Some((place, rest)) => (Some(place.to_owned()), Some(rest)),
            None => (None, sentence.strip_prefix("expected ")),
        };
        match rest.and_then(|rest| rest.split_once(", found ")) {
            Some((expected, found)) => {
                Differs { place, expected: Some(expected.to_owned()), found: Some(found.to_owned()) }
            }
            None => Differs::default(),
        }
    }
}

impl CommandError {
    /// A request that cannot be carried out.
    pub(crate) fn user(message: impl Into<String>) -> CommandError {
        let (details, hints) = (Vec::new(), Vec::new());
        let code = Verdict::CouldNot.code();
        let message = without_keys(&message.into());
        let differs = Differs::of_sentence(&message).into();
        CommandError { message, details, hints, code, log_is_lost: false, is_no_log: false, differs }
    }

    /// Something is not as expected. The message says it, and a program gets its parts.
    pub(crate) fn unlike(
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> CommandError {
        let (place, expected, found) = (place.into(), expected.into(), without_keys(&found.into()));
        let message = format!("{place}: expected {expected}, found {found}");
        let differs = Differs { place: Some(place), expected: Some(expected), found: Some(found) };
        CommandError { differs: differs.into(), ..CommandError::user(message) }
    }

    /// The same error in a sentence that people read faster; a program still gets its parts.
    #[must_use]
    pub(crate) fn worded(mut self, message: impl Into<String>) -> CommandError {
        self.message = without_keys(&message.into());
        self
    }

    /// Something is where `what` would be made, which never replaces anything.
    pub(crate) fn taken(place: &str, what: &str) -> CommandError {
        CommandError::unlike(place, "nothing", "a file or directory")
            .worded(format!("{place} exists already, and {what} never replaces anything; nothing was written"))
            .hint("name another place")
    }

    /// A request that cannot be carried out, for several reasons.
    pub(crate) fn listed(reasons: impl IntoIterator<Item = String>) -> CommandError {
        let mut reasons = reasons.into_iter().map(|reason| without_keys(&reason));
        let message = reasons.next().unwrap_or_default();
        CommandError { details: reasons.collect(), ..CommandError::user(message) }
    }

    /// The log has no such run, or had none then. That is a no.
    pub(crate) fn no_run(view: &View, run: &str) -> CommandError {
        // The names only help: without them the run is missing all the same.
        let names = view.run_names().unwrap_or_default();
        let which = if view.is_whole() { "" } else { " with the same `--at`" };
        let listing = format!("`evlog runs{}`{which}", of_log(view.dir()));
        CommandError::no_run_in(&searched(view), run, &names, &listing).with_code(Verdict::No.code())
    }

    /// No run of this name is in a place whose runs `listing` lists. All commands say it in these words.
    pub(crate) fn no_run_in(place: &str, run: &str, names: &[String], listing: &str) -> CommandError {
        CommandError::user(format!("no run `{run}` in {place}"))
            .meant(run, names.iter().map(String::as_str))
            .hint(format!("{listing} lists the runs; `--log PATH` names another log"))
    }

    /// A file could not be used.
    pub(crate) fn file(action: &str, path: impl Display, error: &io::Error) -> CommandError {
        let (file, found) = (format!("`{path}`"), in_words(action, error));
        let message = format!("could not {action} {file}: {found}");
        let expected = Some(format!("something that evlog can {action}"));
        let differs = Differs { place: Some(file), expected, found: Some(found) };
        CommandError { differs: differs.into(), ..CommandError::user(message) }
    }

    /// Adds advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> CommandError {
        self.hints.push(hint.into());
        self
    }

    /// Adds the known name that is nearest to the typed name, if one is near.
    #[must_use]
    pub(crate) fn meant<'k>(self, typed: &str, known: impl IntoIterator<Item = &'k str>) -> CommandError {
        match meant(typed, known) {
            Some(question) => self.hint(question),
            None => self,
        }
    }

    /// Ends with another exit code.
    #[must_use]
    pub(crate) fn with_code(mut self, code: u8) -> CommandError {
        self.code = code;
        self
    }

    /// The outcome of an act, and of a step that is done after it in any case. If both failed, the error of the act comes first, and
    /// the other is added.
    pub(crate) fn followed_by<T>(
        done: Result<T, CommandError>,
        step: Result<(), CommandError>,
    ) -> Result<T, CommandError> {
        match (done, step) {
            (done, Ok(())) => done,
            (Ok(_), Err(later)) => Err(later),
            (Err(mut earlier), Err(later)) => {
                earlier.details.extend([format!("in addition: {}", later.message)].into_iter().chain(later.details));
                earlier.hints.extend(later.hints);
                Err(earlier)
            }
        }
    }

    /// Prefixes the message with what the command was doing.
    #[must_use]
    pub(crate) fn during(mut self, what: impl Display) -> CommandError {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl From<FileError> for CommandError {
    fn from(error: FileError) -> CommandError {
        CommandError::user(error.to_string())
    }
}

impl From<LogError> for CommandError {
    fn from(error: LogError) -> CommandError {
        use ReadError::{Copied, Gone, Moved, Replaced};
        let log_is_lost = matches!(error, LogError::Read(Gone { .. } | Moved { .. } | Replaced { .. } | Copied { .. }));
        let is_no_log = matches!(error, LogError::Open(OpenError::NoLog { .. }));
        let failed = CommandError { log_is_lost, is_no_log, ..CommandError::user(error.to_string()) };
        match &error {
            LogError::Open(error) => failed.hint_for_opening(error),
            LogError::Read(ReadError::Refused(refusal)) => failed.hint_for_refusal(refusal),
            LogError::Read(Gone { .. }) => failed
                .hint("if a loss was accepted, `evlog cat --run '$log'` shows what was given up (log.loss_accepted)")
                .hint("its seqs were then used again, or this is another log: the events read before are not in it"),
            LogError::Read(Copied { .. }) => {
                failed.hint("output stops here: start again to read the log that is at this path now")
            }
            LogError::Read(Moved { .. } | Replaced { .. }) => {
                failed.hint("output stops here: the events shown are from a log that no longer exists")
            }
            LogError::Corrupt(_) | LogError::Fold(_) | LogError::Payload { .. } => failed.hint("run `evlog verify`"),
            LogError::TwoEnds { .. } => failed.hint("name the seq instead of the time; `evlog cat` shows both events"),
            LogError::Undecidable { .. } => failed.hint("this is a defect of evlog; please report it"),
            _ => failed,
        }
    }
}

impl CommandError {
    fn hint_for_opening(self, error: &OpenError) -> CommandError {
        match error {
            OpenError::NoLog { path } => self.hint_for_no_log(path),
            OpenError::Locked { .. } => self
                .hint("`--wait 30` waits for it, at most half a minute; nothing was recorded")
                .hint("commands that only read, such as `evlog tail -f`, can run at the same time"),
            OpenError::Io(failure) if failure.source.kind() == io::ErrorKind::NotADirectory => {
                // The failure names a file of the log; the file in the way is where the log, or a directory above it, should be.
                let file = failure.path.ancestors().find(|path| path.is_file()).unwrap_or(&failure.path);
                let place = format!("no log at `{}`", file.display());
                CommandError::unlike(place, "a directory", "a file")
                    .hint("a log is a directory; `--log PATH` or EVLOG_LOG names another")
            }
            OpenError::Io(failure) if matches!(failure.doing, "lock" | "create") && is_forbidden(&failure.source) => {
                self.hint("this command has to write to the log; commands that only read need no write permission")
            }
            OpenError::Refused(refusal) => self.hint_for_refusal(refusal),
            _ => self,
        }
    }

    fn hint_for_no_log(self, path: &Path) -> CommandError {
        let shown = path.display();
        let (message, expected, found) = if path.is_dir() {
            (self.message, "segments in it", "none")
        } else {
            (format!("no log at `{shown}`: no such directory"), "a directory with segments in it", "no such directory")
        };
        let [expected, found] = [expected, found].map(|text| Some(text.to_owned()));
        let differs = Differs { place: Some(format!("`{shown}`")), expected, found };
        CommandError { message, differs: differs.into(), ..self }.hint(match log_beside(path) {
            Some(log) => format!("there is a log at `{}`: `--log {0}` names it", log.display()),
            None => format!(
                "check the path; `--log PATH` or EVLOG_LOG names another; `evlog init{}` makes one",
                of_log(path)
            ),
        })
    }

    fn hint_for_refusal(self, refusal: &Refusal) -> CommandError {
        let Refusal { position, file, expected, found, .. } = refusal;
        let differs = Differs {
            place: Some(format!("position {position} in `{}`", file.display())),
            expected: Some(expected.clone()),
            found: Some(found.clone()),
        };
        CommandError { differs: differs.into(), ..self }
            .hint("`evlog verify` shows all findings, and changes nothing")
            .hint(refusal.hint.as_str())
            .hint("without a copy: `evlog repair --dry-run` shows what is possible, and docs/repair.md explains it")
    }
}

/// The beginning of every private key.
pub(crate) const PRIVATE: &str = "PRIVATE+KEY+";

/// The text with no private key in it. A message quotes a file that was given in the wrong place, and that may be a private key,
/// which must not get into the log of a CI job.
fn without_keys(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(PRIVATE) {
        let (before, key) = rest.split_at(at + PRIVATE.len());
        let end = key.find(|c: char| c.is_whitespace() || "\"'`\u{2026}".contains(c)).unwrap_or(key.len());
        shown.push_str(before);
        // The beginning alone is no key.
        if end > 0 {
            shown.push('\u{2026}');
        }
        rest = &key[end..];
    }
    shown + rest
}

/// A log as a place where a run was looked for, and how far.
pub(crate) fn searched(view: &View) -> String {
    let then = match view.next_seq().0.checked_sub(1) {
        _ if view.is_whole() => String::new(),
        Some(last) => format!(" up to seq {last}"),
        None => " before its first event".to_owned(),
    };
    format!("log `{}`{then}", view.dir().display())
}

/// The log that the user probably wanted: the working directory itself, or the directory `evlog` below the path.
fn log_beside(path: &Path) -> Option<PathBuf> {
    [PathBuf::from("."), path.join("evlog")].into_iter().find(|place| Layout::new(place).segments().is_dir())
}

/// Whether the system does not let this user, or any user, write here.
fn is_forbidden(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

impl From<RunError> for CommandError {
    fn from(error: RunError) -> CommandError {
        match error {
            RunError::Log(error) => error.into(),
            error => CommandError::user(error.to_string()),
        }
    }
}
