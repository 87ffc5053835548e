//! What a stage reads: found, measured, and listed for the log before the stage begins.
//!
//! Does: look for the files that the plan names, beside the plan or among what earlier stages have published.
//! Does not: keep a stage from reading other files, or judge missing inputs; the contract judges them.
//!
//! Invariants:
//! - An input is a regular file. Patterns match regular files only, and no link is followed on the way to them. A path may be
//!   a link. Then the file that it leads to is measured.
//! - The list is in byte order of paths, and has each path once.

use crate::file_error::{FileError, at};
use crate::files::{measure, measure_below};
use crate::meter::{Meter, Tell};
use crate::plan::{Input, InputFrom};
use crate::tree::Tree;
use crate::walk::walk;
use rustix::fs::FileType;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

/// An input that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its path, or the path or pattern that was looked for when nothing was found.
    pub(crate) path: String,
    /// The place where it was looked for.
    pub(crate) from: InputFrom,
    /// Whether the stage needs it to begin.
    pub(crate) required: bool,
    /// Length and BLAKE3; `None` if the file is not there.
    pub(crate) content: Option<(u64, [u8; 32])>,
}

impl Found {
    /// The input as the command `inputs` takes it.
    pub(crate) fn to_value(&self, path: &str) -> Value {
        let mut value = json!({"path": path, "from": self.from.word(), "required": self.required});
        if let Some((len, digest)) = self.content {
            value["bytes"] = len.into();
            value["blake3"] = blake3::Hash::from(digest).to_hex().as_str().into();
        }
        value
    }
}

/// Looks for the inputs of a stage. `published` is what earlier stages have published; `tell` takes reports of how much was
/// read.
pub(crate) fn find(
    inputs: &[Input],
    plan_directory: &Path,
    bundle: &Tree,
    published: &BTreeMap<String, String>,
    tell: &Tell<'_>,
) -> Result<Vec<Found>, FileError> {
    let mut found: BTreeMap<(String, InputFrom), Found> = BTreeMap::new();
    let looked: Vec<(&Input, BTreeSet<String>)> = inputs
        .iter()
        .map(|input| Ok((input, paths_of(input, plan_directory, published)?)))
        .collect::<Result<_, _>>()?;
    let root = |from| if from == InputFrom::Plan { plan_directory } else { bundle.path() };
    let len = |(input, paths): &(&Input, BTreeSet<String>)| -> u64 {
        let len = |path: &String| fs::metadata(root(input.from).join(path)).map_or(0, |found| found.len());
        paths.iter().map(len).sum()
    };
    let meter = Meter::new(looked.iter().map(len).sum(), tell);
    for (input, paths) in looked {
        let nothing = paths.is_empty().then(|| input.glob.as_str().to_owned());
        for path in paths.into_iter().chain(nothing) {
            let content = match input.from {
                InputFrom::Plan => content(&plan_directory.join(&path), &meter)?,
                InputFrom::Run => published_content(bundle, &path, &meter)?,
            };
            let one = Found { path: path.clone(), from: input.from, required: input.required, content };
            let listed = found.entry((path, input.from)).or_insert(one);
            // An input that is named twice is required if either place says so.
            listed.required |= input.required;
        }
    }
    Ok(found.into_values().collect())
}

/// The paths that exist; empty if a pattern matches nothing.
fn paths_of(
    input: &Input,
    plan_directory: &Path,
    published: &BTreeMap<String, String>,
) -> Result<BTreeSet<String>, FileError> {
    if input.glob.is_literal() {
        return Ok(BTreeSet::from([format!("{}{}", input.above, input.glob.as_str())]));
    }
    if input.from == InputFrom::Run {
        return Ok(published.keys().filter(|path| input.glob.matches(path)).cloned().collect());
    }
    // Only the directory that the pattern itself names is walked, because a plan may be at the root of a large tree.
    let fixed: Vec<&str> =
        input.glob.as_str().split('/').take_while(|segment| !segment.contains(['*', '?', '['])).collect();
    let prefix = fixed.iter().flat_map(|segment| [*segment, "/"]).collect::<String>();
    let start = plan_directory.join(format!("{}{prefix}", input.above));
    if !fs::metadata(&start).map(Some).or_else(absent).map_err(at("read", &start))?.is_some_and(|there| there.is_dir())
    {
        return Ok(BTreeSet::new());
    }
    let entries = walk(&start)?.into_iter().filter(|entry| entry.irregular.is_none());
    let paths = entries.map(|entry| format!("{prefix}{}", entry.path)).filter(|path| input.glob.matches(path));
    Ok(paths.map(|path| format!("{}{path}", input.above)).collect())
}

/// Length and digest of the file that the path leads to, if it leads to one.
fn content(path: &Path, meter: &Meter<'_>) -> Result<Option<(u64, [u8; 32])>, FileError> {
    let real = path.canonicalize().map(Some).or_else(absent).map_err(at("find", path))?;
    match real.filter(|real| real.is_file()) {
        Some(real) => measure(&real, meter).map(Some),
        None => Ok(None),
    }
}

/// Length and digest of the file at a path of the bundle, if one is there. No link is followed:
/// no published artifact is a link.
fn published_content(bundle: &Tree, path: &str, meter: &Meter<'_>) -> Result<Option<(u64, [u8; 32])>, FileError> {
    let found = bundle.stat(path).map(Some).or_else(absent).map_err(at("find", &bundle.path().join(path)))?;
    match found.filter(|found| FileType::from_raw_mode(found.st_mode).is_file()) {
        Some(_) => measure_below(bundle, path, meter).map(Some),
        None => Ok(None),
    }
}

/// Turns the error for a missing file into `None`.
fn absent<T>(error: io::Error) -> io::Result<Option<T>> {
    let is_absent = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    if is_absent { Ok(None) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glob::Glob;
    use std::ops::ControlFlow;
    use std::os::unix::fs::symlink;

    fn input(above: &str, glob: &str, from: InputFrom, required: bool) -> Input {
        Input { above: above.to_owned(), glob: Glob::parse(glob).unwrap(), from, required }
    }

    fn room() -> tempfile::TempDir {
        let room = tempfile::tempdir().unwrap();
        for path in ["top.txt", "plan/a.txt", "plan/src/b.rs", "plan/src/deep/c.rs", "bundle/rows/x", "bundle/rows/y"] {
            let path = room.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
        }
        symlink("a.txt", room.path().join("plan/link.txt")).unwrap();
        symlink("nowhere", room.path().join("plan/src/dangling.rs")).unwrap();
        room
    }

    #[test]
    fn g60_inputs_are_found_beside_the_plan_above_it_and_among_what_was_published() {
        use InputFrom::{Plan, Run};
        let room = room();
        let published = BTreeMap::from([("rows/x".to_owned(), "one".to_owned())]);
        let find = |inputs: &[Input]| {
            let found = find(
                inputs,
                &room.path().join("plan"),
                &Tree::open_itself(&room.path().join("bundle")).unwrap(),
                &published,
                &|_, _| ControlFlow::Continue(()),
            )
            .unwrap();
            found.into_iter().map(|one| (one.path, one.content.map(|(len, _)| len))).collect::<Vec<_>>()
        };
        let list = |expected: &[(&str, Option<u64>)]| -> Vec<(String, Option<u64>)> {
            expected.iter().map(|(path, len)| ((*path).to_owned(), *len)).collect()
        };
        assert_eq!(find(&[input("", "a.txt", Plan, true)]), list(&[("a.txt", Some(5))]));
        assert_eq!(find(&[input("", "link.txt", Plan, true)]), list(&[("link.txt", Some(5))]), "what it leads to");
        assert_eq!(find(&[input("../", "top.txt", Plan, true)]), list(&[("../top.txt", Some(7))]));
        assert_eq!(find(&[input("../", "plan/*.txt", Plan, true)]), list(&[("../plan/a.txt", Some(5))]));
        let sources = list(&[("src/b.rs", Some(4)), ("src/deep/c.rs", Some(4))]);
        assert_eq!(find(&[input("", "src/**/*.rs", Plan, true)]), sources, "no link is an input");
        assert_eq!(find(&[input("", "**/*.rs", Plan, true), input("", "src/b.rs", Plan, false)]), sources);
        assert_eq!(find(&[input("", "rows/*", Run, true)]), list(&[("rows/x", Some(1))]), "only what was published");
        assert_eq!(find(&[input("", "rows/x", Run, true)]), list(&[("rows/x", Some(1))]));
        for (glob, from) in
            [("none", Plan), ("src", Plan), ("none/*", Plan), ("a.txt/*", Plan), ("a.txt/x", Plan), ("z*", Run)]
        {
            assert_eq!(find(&[input("", glob, from, true)]), list(&[(glob, None)]), "{glob}");
        }
    }
}
