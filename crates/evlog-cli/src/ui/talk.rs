//! Where messages go: standard error. After [`apart`] they use a separate descriptor, and descriptor 2 is left to other
//! code in this process.

use crate::streams::{self, Waiting};
use console::Term;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::Stdio;
use std::sync::OnceLock;

struct Talk {
    file: File,
    /// Where it is one: it takes two descriptors more.
    term: Option<Term>,
}

static APART: OnceLock<Talk> = OnceLock::new();

/// From now on messages use this descriptor, a duplicate of standard error.
pub(crate) fn apart() -> io::Result<&'static File> {
    let file = || io::stderr().as_fd().try_clone_to_owned().map(File::from);
    let term = if io::stderr().is_terminal() { Some(Term::read_write_pair(file()?, file()?)) } else { None };
    let talk = Talk { file: file()?, term };
    Ok(&APART.get_or_init(|| talk).file)
}

/// If standard error was closed, the message is lost.
pub(crate) fn write(text: &str) {
    let _gone = match APART.get() {
        Some(talk) => Waiting(&talk.file).write_all(text.as_bytes()),
        None => streams::stderr().write_all(text.as_bytes()),
    };
}

/// The terminal, or something that says that it is none.
pub(super) fn term() -> Term {
    APART.get().and_then(|talk| talk.term.clone()).unwrap_or_else(Term::stderr)
}

/// For a child process whose output goes to our stderr.
pub(crate) fn of_a_child() -> io::Result<Stdio> {
    match APART.get() {
        Some(talk) => talk.file.try_clone().map(Stdio::from),
        None => io::stderr().as_fd().try_clone_to_owned().map(Stdio::from),
    }
}
