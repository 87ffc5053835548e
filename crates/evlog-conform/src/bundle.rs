//! A bundle on disk: its files, and the documents among them.
//!
//! Does not: follow a link within the bundle, or open anything except a regular file that the walk has seen.
//!
//! Invariant: at most [`DOCUMENT_LEN_MAX`] bytes of each document are read.

use evlog_lifecycle::pipeline::STAGING;
use evlog_pipeline::{Entry, FileError, memory_of_json, open_regular, walk};
use evlog_projection::parse;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// The longest document that is read, in bytes. Machines write manifests, health files and reports for people, and each is held
/// in memory completely.
const DOCUMENT_LEN_MAX: u64 = 64 * 1024 * 1024;

/// How much memory a document may take once it is read, in bytes.
const DOCUMENT_MEMORY_MAX: u64 = 1024 * 1024 * 1024;

/// The files of a bundle that checks ask for by name, and where its reports are.
pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const HEALTH: &str = "logs/health.json";
pub(crate) const REPORTS: &str = "logs/contract_validation/";

/// The directory of one run.
#[derive(Clone, Debug)]
pub struct Bundle {
    root: PathBuf,
    /// Everything in the bundle that is not a directory, by its path. `None` for a regular file, else what it is, in words.
    entries: BTreeMap<String, Option<&'static str>>,
    staged: Option<String>,
}

/// A pipeline, as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPipeline {
    /// Its name.
    pub name: String,
    /// The BLAKE3 digest of its definition, in hexadecimal, if the manifest has it.
    pub blake3: Option<String>,
    /// The run of the manifest.
    pub run: Option<String>,
}

/// A file of the bundle that should be one JSON document.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) path: String,
    pub(crate) content: Content,
}

/// What was read of a document.
#[derive(Debug)]
pub(crate) enum Content {
    /// There is nothing at the path.
    Absent,
    /// What is at the path is not a JSON document that can be used; the text says what it is.
    Unusable(String),
    /// The document, and its bytes.
    Json(Vec<u8>, Value),
}

fn error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError { action, path, source }
}

impl Bundle {
    /// Lists the files in a bundle's directory.
    pub fn open(directory: &Path) -> Result<Bundle, FileError> {
        let root = directory.canonicalize().map_err(error("find", directory))?;
        let found = walk(&root)?;
        let staged = staged(&root, &found)?;
        let entries = found.into_iter().map(|entry| (entry.path, entry.irregular)).collect();
        Ok(Bundle { root, entries, staged })
    }

    /// The directory, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The pipeline that the manifest names; `None` if there is no manifest that can be read, or it names none.
    pub fn named_pipeline(&self) -> Result<Option<NamedPipeline>, FileError> {
        let manifest = self.document(MANIFEST)?;
        let text = |pointer: &str| manifest.value()?.pointer(pointer)?.as_str().map(str::to_owned);
        let named =
            |name| NamedPipeline { name, blake3: text("/extensions/evlog/definition_blake3"), run: text("/run_id") };
        Ok(text("/extensions/evlog/pipeline").map(named))
    }

    /// The directory's name.
    pub(crate) fn name(&self) -> String {
        self.root.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The first entry below `.staging`, if there is one.
    pub(crate) fn staged(&self) -> Option<&str> {
        self.staged.as_deref()
    }

    /// Paths of everything in the bundle that is not a directory, except staging.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str).filter(|path| !is_staged(path))
    }

    /// Whether there is a regular file at the path.
    pub fn has_file(&self, path: &str) -> bool {
        self.unlike_file(path).is_none()
    }

    /// `None` if there is a regular file at the path; otherwise what is there, in words.
    pub(crate) fn unlike_file(&self, path: &str) -> Option<&'static str> {
        match self.entries.get(path) {
            Some(irregular) => *irregular,
            None if self.is_directory(path) => Some("a directory"),
            None => Some("nothing"),
        }
    }

    /// Whether a path is a directory of the bundle. It is looked up on disk, because the listing has no directories. Nothing is
    /// found below a link.
    fn is_directory(&self, path: &str) -> bool {
        let is_inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let mut above = path.match_indices('/').map(|(at, _)| &path[..at]);
        is_inside
            && above.all(|directory| !self.entries.contains_key(directory))
            && fs::symlink_metadata(self.root.join(path)).is_ok_and(|found| found.is_dir())
    }

    /// The document at a path.
    pub(crate) fn document(&self, path: &str) -> Result<Document, FileError> {
        let content = match self.unlike_file(path) {
            Some("nothing") => Content::Absent,
            Some(other) => Content::Unusable(other.to_owned()),
            None => self.read(path)?,
        };
        Ok(Document { path: path.to_owned(), content })
    }

    /// Length and BLAKE3 of a regular file that the walk has seen.
    pub(crate) fn measure(&self, path: &str) -> Result<(u64, String), FileError> {
        evlog_pipeline::measure_file(&self.root.join(path))
    }

    fn read(&self, path: &str) -> Result<Content, FileError> {
        let place = self.root.join(path);
        let mut bytes = Vec::new();
        let file = open_regular(&place).map_err(error("open", &place))?;
        file.take(DOCUMENT_LEN_MAX + 1).read_to_end(&mut bytes).map_err(error("read", &place))?;
        if bytes.len() as u64 > DOCUMENT_LEN_MAX {
            return Ok(Content::Unusable(format!("more than {DOCUMENT_LEN_MAX} bytes")));
        }
        let memory = memory_of_json(&bytes);
        if memory > DOCUMENT_MEMORY_MAX {
            let most = DOCUMENT_MEMORY_MAX;
            return Ok(Content::Unusable(format!("a document that takes more than {most} bytes of memory")));
        }
        Ok(match parse(&bytes) {
            Ok(value) => Content::Json(bytes, value),
            Err(error) => Content::Unusable(format!("text that is not JSON: {error}")),
        })
    }
}

fn is_staged(path: &str) -> bool {
    path.strip_prefix(STAGING).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What is left in staging: a file, or a directory even if it is empty.
fn staged(root: &Path, found: &[Entry]) -> Result<Option<String>, FileError> {
    if let Some(first) = found.iter().find(|entry| is_staged(&entry.path)) {
        return Ok(Some(first.path.clone()));
    }
    let directory = root.join(STAGING);
    if fs::symlink_metadata(&directory).is_err() {
        return Ok(None);
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory).map_err(error("read", &directory))? {
        names.push(entry.map_err(error("read", &directory))?.file_name().to_string_lossy().into_owned());
    }
    Ok(names.into_iter().min().map(|name| format!("{STAGING}/{name}/")))
}

impl Document {
    /// The document; `None` if it is not there or cannot be used.
    pub(crate) fn value(&self) -> Option<&Value> {
        match &self.content {
            Content::Json(_, value) => Some(value),
            Content::Absent | Content::Unusable(_) => None,
        }
    }

    /// What is there instead of a document, in words.
    pub(crate) fn instead(&self) -> Option<&str> {
        match &self.content {
            Content::Absent => Some("nothing"),
            Content::Unusable(what) => Some(what),
            Content::Json(..) => None,
        }
    }
}
