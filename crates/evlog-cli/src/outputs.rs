//! Refuses output files that would replace a key or another output of the same command, or files of the log.
//!
//! Invariant: the check comes before any other work, and compares files on the disk, not the spelling of paths.

use crate::error::CommandError;
use crate::keys;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How many symbolic links in a row are followed at most. A link whose target does not exist is followed too, because the
/// system follows it when it creates a file.
const LINKS_MAX: usize = 40;

/// How many bytes of an existing file are read to see what it is.
const BEGIN_LEN: u64 = 4096;

/// Length of a root in a checkpoint, as base64.
const ROOT_LEN: usize = 44;

/// Refuses an output in the log's directory, or at the path of the key.
pub(crate) fn check(option: &str, out: &Path, log: &Path, key: Option<&Path>) -> Result<(), CommandError> {
    let (shown, place) = (out.display(), real(out));
    let is = |file: &Path| real(file) == place || same(file, &place);
    let which = key.and_then(|key| match () {
        () if is(key) => Some("private"),
        () if is(&keys::public_path(key)) => Some("public"),
        () => None,
    });
    if let Some(which) = which {
        let found = format!("the {which} key of this command");
        let message = format!("{option} `{shown}` would replace {found}");
        return Err(CommandError::unlike(format!("{option} `{shown}`"), "a file of its own", found)
            .worded(message)
            .hint("nothing was done; name another file"));
    }
    let log = real(log);
    if place.starts_with(&log) || place.ancestors().any(|above| same(above, &log)) {
        let message = format!("{option} `{shown}`: expected a place outside the log, found one in `{}`", log.display());
        return Err(CommandError::user(message).hint("nothing was done; files in a log's directory belong to the log"));
    }
    Ok(())
}

/// Like [`check`], for an output that is stdout if it is `-`.
pub(crate) fn check_or_stdout(option: &str, out: &Path, log: &Path, key: Option<&Path>) -> Result<(), CommandError> {
    if out == Path::new("-") { Ok(()) } else { check(option, out, log, key) }
}

/// Like [`check_or_stdout`], and refuses what [`check_replaceable`] refuses.
pub(crate) fn check_made(
    option: &str,
    out: &Path,
    log: &Path,
    key: Option<&Path>,
    made: Made,
) -> Result<(), CommandError> {
    check_or_stdout(option, out, log, key)?;
    if out == Path::new("-") { Ok(()) } else { check_replaceable(option, out, made) }
}

/// A kind of file that a command writes in one piece.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Made {
    /// What `--junit` writes.
    Junit,
    /// A signed checkpoint.
    Note,
    /// A page of HTML, or the PDF of one.
    Page,
    /// A proof.
    Proof,
}

impl Made {
    fn words(self) -> &'static str {
        match self {
            Made::Junit => "a JUnit file",
            Made::Note => "a checkpoint",
            Made::Page => "a page of evlog",
            Made::Proof => "a proof",
        }
    }

    /// Whether a file that begins so is of this kind.
    fn begins(self, begin: &[u8]) -> bool {
        match self {
            Made::Junit => begin.starts_with(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites "),
            Made::Page => begin.starts_with(b"<!DOCTYPE html>\n<html lang=\"en\">") || begin.starts_with(b"%PDF-"),
            Made::Proof => begin.starts_with(b"evlog-proof/"),
            // The lines: name, size, root.
            Made::Note => {
                let mut lines = begin.split(|byte| *byte == b'\n').skip(1);
                let is_size = |line: &[u8]| !line.is_empty() && line.iter().all(u8::is_ascii_digit);
                lines.next().is_some_and(is_size) && lines.next().is_some_and(|root| root.len() == ROOT_LEN)
            }
        }
    }
}

/// Refuses an output that would replace something else than an earlier output of the same kind. The path may be that of a plan,
/// of commands or of a key by mistake.
pub(crate) fn check_replaceable(option: &str, out: &Path, made: Made) -> Result<(), CommandError> {
    let is_content = fs::metadata(out).is_ok_and(|found| found.is_file() && found.len() > 0);
    let begin = || -> io::Result<Vec<u8>> {
        let mut begin = Vec::new();
        File::open(out)?.take(BEGIN_LEN).read_to_end(&mut begin)?;
        Ok(begin)
    };
    // What cannot be read may be anything.
    if !is_content || begin().is_ok_and(|begin| made.begins(&begin)) {
        return Ok(());
    }
    let place = format!("{option} `{}`", out.display());
    let message = format!("{place} would replace a file that is not {}", made.words());
    let expected = format!("a new file, or {}", made.words());
    Err(CommandError::unlike(place, expected, "another file")
        .worded(message)
        .hint("nothing was done; name another file, or remove this one"))
}

/// Refuses two outputs of one command that are the same file: each would replace what the other wrote.
pub(crate) fn check_apart(outputs: &[(&str, Option<&Path>)]) -> Result<(), CommandError> {
    let mut earlier: Vec<(&str, &Path, PathBuf)> = Vec::new();
    for (option, out) in outputs.iter().filter_map(|(option, out)| Some((*option, (*out)?))) {
        let place = real(out);
        if let Some((other, ..)) = earlier.iter().find(|(_, path, real)| *real == place || same(path, out)) {
            let place = format!("{option} `{}`", out.display());
            let message = format!("{place}: `{other}` names the same file");
            return Err(CommandError::unlike(place, "a file of its own", format!("that of `{other}`"))
                .worded(message)
                .hint("nothing was done; name another file"));
        }
        earlier.push((option, out, place));
    }
    Ok(())
}

/// Where a path leads after links are followed; for a new file, where it would be created.
fn real(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let Ok(to) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(to);
    }
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    path.file_name().map_or_else(|| real_above(&path), |name| real_above(above).join(name))
}

fn real_above(above: &Path) -> PathBuf {
    above.canonicalize().unwrap_or_else(|_| std::path::absolute(above).unwrap_or_else(|_| above.to_path_buf()))
}

/// Whether two paths are the same file or directory, under whatever names.
fn same(one: &Path, other: &Path) -> bool {
    let (Ok(one), Ok(other)) = (fs::metadata(one), fs::metadata(other)) else { return false };
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}
