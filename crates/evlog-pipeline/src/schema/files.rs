//! A schema that is split into several files (pipeline.md 4.6).
//!
//! Does: read a schema file and all files that it refers to, directly or through others, and compile them as one. A reference
//! that the file itself does not resolve by its `$id`s names a file. It is relative to the path of the file that refers, not to
//! that file's `$id`.
//! Does not: fetch anything, or open a file that no path names.
//!
//! Invariants:
//! - A single file is compiled as it is. In several files, only references between files are rewritten, to names by which the
//!   validator knows the files. The paths in findings do not show these names.
//! - Number and length of the files are bounded. A file is read once, however many ways lead to it.
//! - The digest covers the content of every file, in an order that depends only on their contents. The digest of a single file
//!   is the digest of its bytes.

use super::multiples::has_large_divisor;
use super::patterns::compiling;
use super::validators::{Numbers, Validators};
use super::weight::{Spread, longest_constant};
use super::{COMPILING_MAX, Loaded, Schema, Texts, check_compiling, check_draft, options, sentence};
use crate::file_error::in_words;
use crate::files::read_text;
use crate::limits::{SCHEMA_FILES_LEN_MAX, SCHEMA_FILES_MAX, SCHEMA_LEN_MAX};
use evlog_projection::members::pointer;
use evlog_projection::parse;
use jsonschema::uri::{from_str, resolve_against};
use jsonschema::{Draft, Registry, RegistryBuilder, Uri, Validator, draft202012};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// The keywords that refer.
const REFERENCES: [&str; 2] = ["$ref", "$dynamicRef"];
/// Keywords whose value is a schema, a list of schemas, and schemas by name.
const SCHEMA: [&str; 11] = [
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const SCHEMAS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
const SCHEMAS_BY_NAME: [&str; 5] = ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];

/// Reads and compiles a schema file with all files that it refers to. The error is a sentence without the file's name.
pub(super) fn load(path: &Path) -> Result<Loaded, String> {
    let mut reading = Reading { files: Vec::new(), by_path: BTreeMap::new(), room: SCHEMA_FILES_LEN_MAX };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    reading.add(path, name)?;
    reading.follow_all()?;
    let texts = Texts(reading.files.iter_mut().map(|file| std::mem::take(&mut file.text)).collect());
    let (blake3, document) = (texts.digest(), reading.files[0].value.clone());
    let compiling = reading.files.iter().map(|file| compiling(&file.value)).fold(0, u64::saturating_add);
    check_compiling(compiling, COMPILING_MAX)?;
    Ok(Loaded { schema: reading.compile()?, blake3, document, texts, compiling })
}

/// The files so far, in the order in which they were met.
struct Reading {
    files: Vec<File>,
    by_path: BTreeMap<PathBuf, usize>,
    /// How many more bytes may be read.
    room: u64,
}

struct File {
    /// The file's name in messages: its path relative to the first file.
    shown: String,
    directory: PathBuf,
    value: Value,
    text: String,
    /// The name by which the validator knows the file.
    uri: Uri<String>,
    /// The schemas in the file that have a URI, including the file itself, and their places.
    resources: BTreeMap<String, String>,
    /// Pairs of a resource and an anchor in it.
    anchors: BTreeSet<(String, String)>,
    /// The references to rewrite: the schema, the keyword, the reference.
    changes: Vec<(String, &'static str, String)>,
}

/// A reference as it was found.
struct Reference {
    file: usize,
    /// The place of the schema that refers.
    pointer: String,
    keyword: &'static str,
    text: String,
    base: Uri<String>,
}

impl Reading {
    fn add(&mut self, path: &Path, shown: String) -> Result<usize, String> {
        let unreadable = |error: std::io::Error| format!("could not be read: {}", in_words("read", &error));
        let real = path.canonicalize().map_err(unreadable)?;
        if let Some(known) = self.by_path.get(&real) {
            return Ok(*known);
        }
        if self.files.len() >= SCHEMA_FILES_MAX {
            return Err(format!("expected a schema of at most {SCHEMA_FILES_MAX} files, found more"));
        }
        if fs::metadata(&real).map_err(unreadable)?.is_dir() {
            return Err("could not be read: it is a directory".to_owned());
        }
        let text = read_text(&real, SCHEMA_LEN_MAX)?;
        self.room = self.room.checked_sub(text.len() as u64).ok_or_else(|| {
            format!("expected a schema whose files have at most {SCHEMA_FILES_LEN_MAX} bytes together, found more")
        })?;
        let value = parse(text.as_bytes()).map_err(|error| format!("not JSON: {error}"))?;
        let wrong = |message: String| format!("not a JSON Schema 2020-12: {message}");
        check_draft(&value).map_err(wrong)?;
        draft202012::meta::validate(&value).map_err(|error| wrong(sentence(&error)))?;
        let index = self.files.len();
        let uri = from_str(&format!("evlog-schema:///{index}/")).map_err(|error| error.to_string())?;
        let mut file = File {
            shown,
            directory: real.parent().unwrap_or(Path::new("/")).to_owned(),
            text,
            resources: BTreeMap::from([(uri.as_str().to_owned(), String::new())]),
            anchors: BTreeSet::new(),
            changes: Vec::new(),
            value: Value::Null,
            uri,
        };
        file.survey(&value, "", &file.uri.clone());
        file.value = value;
        let own = |known: &File| file.resources.keys().find(|uri| known.resources.contains_key(*uri)).cloned();
        if let Some((known, uri)) = self.files.iter().find_map(|known| Some((known, own(known)?))) {
            return Err(format!("`$id` `{uri}` is that of `{}` too; give one of them another", known.shown));
        }
        self.files.push(file);
        self.by_path.insert(real, index);
        Ok(index)
    }

    /// Follows references until there is nothing new.
    fn follow_all(&mut self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let mut targets = VecDeque::from([(0, String::new())]);
        while let Some((file, pointer)) = targets.pop_front() {
            let mut found = Vec::new();
            self.files[file].references(file, &pointer, &mut seen, &mut found);
            for reference in found {
                let target = self.follow(&reference).map_err(|why| {
                    let Reference { file, pointer, keyword, text, .. } = &reference;
                    format!("`{}` refers to `{text}` at {pointer}/{keyword}: {why}", self.files[*file].shown)
                })?;
                targets.extend(target);
            }
        }
        Ok(())
    }

    /// The file and the place that a reference leads to. `None` if the validator should report that it leads nowhere.
    fn follow(&mut self, reference: &Reference) -> Result<Option<(usize, String)>, String> {
        let (path, fragment) = reference.text.split_once('#').unwrap_or((&reference.text, ""));
        let from = &self.files[reference.file];
        let within = match path {
            "" => Some(reference.base.as_str().to_owned()),
            path => resolve_against(&reference.base.borrow(), path).ok().map(|uri| uri.as_str().to_owned()),
        };
        if let Some(resource) = within.and_then(|uri| from.resources.get(&uri)) {
            let pointer = decoded(fragment).filter(|fragment| fragment.is_empty() || fragment.starts_with('/'));
            return Ok(pointer.map(|pointer| (reference.file, format!("{resource}{pointer}"))));
        }
        if ["https://json-schema.org/", "http://json-schema.org/"].iter().any(|known| path.starts_with(known)) {
            return Ok(None);
        }
        let path = local(path)?;
        let (target, shown) = (from.directory.join(&path), joined(&from.shown, &path));
        let index = self.add(&target, shown.clone()).map_err(|why| format!("`{shown}`: {why}"))?;
        let to = &self.files[index];
        let nothing = || format!("`{shown}` has nothing at `#{fragment}`");
        let pointer = match decoded(fragment).ok_or_else(nothing)? {
            pointer if to.value.pointer(&pointer).is_some() => pointer,
            anchor if to.anchors.contains(&(to.base().as_str().to_owned(), anchor.clone())) => String::new(),
            _ => return Err(nothing()),
        };
        let hash = if reference.text.contains('#') { "#" } else { "" };
        let change = format!("{}{hash}{fragment}", to.uri);
        self.files[reference.file].changes.push((reference.pointer.clone(), reference.keyword, change));
        Ok(Some((index, pointer)))
    }

    fn compile(mut self) -> Result<Schema, String> {
        let wrong = |message: String| format!("not a JSON Schema 2020-12: {message}");
        if let [alone] = self.files.as_slice() {
            return Schema::compile(&alone.value).map_err(wrong);
        }
        for file in &mut self.files {
            for (pointer, keyword, reference) in std::mem::take(&mut file.changes) {
                if let Some(Value::Object(schema)) = file.value.pointer_mut(&pointer) {
                    schema.insert(keyword.to_owned(), reference.into());
                }
            }
        }
        let named: Vec<(Uri<String>, Value)> =
            self.files.iter().map(|file| (file.uri.clone(), file.value.clone())).collect();
        let spread = Spread::of(named.iter().map(|(_, value)| value));
        let constant = named.iter().map(|(_, value)| longest_constant(value)).max().unwrap_or(0);
        // If a file is wrong by itself, the error names that file and not the one that refers to it.
        let culprit = |why: String| {
            let others = self.files[1..].iter().enumerate().rev();
            let found =
                others.into_iter().find_map(|(at, file)| Some((file, build(&named, at + 1, 1, Numbers::Exact).err()?)));
            found.map_or_else(|| wrong(why), |(file, why)| format!("`{}`: {}", file.shown, wrong(why)))
        };
        let has_large = named.iter().any(|(_, value)| has_large_divisor(value));
        registry(&named).map_err(wrong)?;
        let all = named.clone();
        let validators =
            Validators::new(Box::new(move |tries, numbers| build(&all, 0, tries, numbers))).map_err(culprit)?;
        Ok(Schema { validators, spread, constant, has_large, alone: None })
    }
}

/// Compiles one of several files, which the validator knows by their names.
fn build(files: &[(Uri<String>, Value)], at: usize, tries: usize, numbers: Numbers) -> Result<Validator, String> {
    let (registry, (uri, value)) = (registry(files)?, &files[at]);
    let options = options(tries, numbers).with_base_uri(uri.as_str()).with_registry(&registry);
    options.build(value).map_err(|error| sentence(&error))
}

fn registry(files: &[(Uri<String>, Value)]) -> Result<Registry<'_>, String> {
    let named = files.iter().map(|(uri, value)| (uri.as_str(), value));
    let registry = Registry::new().draft(Draft::Draft202012).extend(named).and_then(RegistryBuilder::prepare);
    registry.map_err(|error| error.to_string())
}

impl File {
    /// The URI of the whole file: its `$id`, if it has one.
    fn base(&self) -> Uri<String> {
        base_within(&self.uri, &self.value)
    }

    /// Finds the schemas that have a URI or an anchor of their own.
    fn survey(&mut self, value: &Value, pointer: &str, base: &Uri<String>) {
        let Value::Object(schema) = value else { return };
        let base = base_within(base, value);
        self.resources.entry(base.as_str().to_owned()).or_insert_with(|| pointer.to_owned());
        for name in ["$anchor", "$dynamicAnchor"].iter().filter_map(|keyword| schema.get(*keyword)?.as_str()) {
            self.anchors.insert((base.as_str().to_owned(), name.to_owned()));
        }
        each_child(schema, &mut |path, child| self.survey(child, &format!("{pointer}{path}"), &base));
    }

    /// The references of the schema at a place and of those below it, except at places that were seen already.
    fn references(&self, file: usize, at: &str, seen: &mut BTreeSet<(usize, String)>, found: &mut Vec<Reference>) {
        let mut base = self.uri.clone();
        let Some(value) = self.value.pointer(at) else { return };
        for (end, _) in at.match_indices('/') {
            // The bases of all schemas around it count.
            base = self.value.pointer(&at[..end]).map_or_else(|| base.clone(), |outer| base_within(&base, outer));
        }
        collect(file, value, at, &base, seen, found);
    }
}

fn collect(
    file: usize,
    value: &Value,
    pointer: &str,
    base: &Uri<String>,
    seen: &mut BTreeSet<(usize, String)>,
    found: &mut Vec<Reference>,
) {
    let Value::Object(schema) = value else { return };
    if !seen.insert((file, pointer.to_owned())) {
        return;
    }
    let base = base_within(base, value);
    for keyword in REFERENCES {
        if let Some(text) = schema.get(keyword).and_then(Value::as_str) {
            let (pointer, text) = (pointer.to_owned(), text.to_owned());
            found.push(Reference { file, pointer, keyword, text, base: base.clone() });
        }
    }
    each_child(schema, &mut |path, child| collect(file, child, &format!("{pointer}{path}"), &base, seen, found));
}

/// The base for what is in a schema: the schema's own `$id`, if it has one.
fn base_within(base: &Uri<String>, schema: &Value) -> Uri<String> {
    let id = schema.get("$id").and_then(Value::as_str).map(|id| id.trim_end_matches('#'));
    id.and_then(|id| resolve_against(&base.borrow(), id).ok()).unwrap_or_else(|| base.clone())
}

/// The schemas in a schema, each with its place in it.
fn each_child(schema: &Map<String, Value>, visit: &mut dyn FnMut(String, &Value)) {
    for (keyword, value) in schema {
        let keyword = keyword.as_str();
        match value {
            value if SCHEMA.contains(&keyword) => visit(format!("/{keyword}"), value),
            Value::Array(items) if SCHEMAS.contains(&keyword) => {
                for (index, item) in items.iter().enumerate() {
                    visit(format!("/{keyword}/{index}"), item);
                }
            }
            Value::Object(members) if SCHEMAS_BY_NAME.contains(&keyword) => {
                for (name, member) in members {
                    visit(pointer(&format!("/{keyword}"), name), member);
                }
            }
            _ => {}
        }
    }
}

/// A reference as the path of a file. Any other form of URI is refused.
fn local(reference: &str) -> Result<String, String> {
    let scheme = reference.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let found = if scheme.is_some_and(is_scheme) {
        "one with a scheme"
    } else if reference.starts_with("//") {
        "one with a host"
    } else if reference.starts_with('/') {
        "an absolute path"
    } else if reference.contains('?') {
        "one with a query"
    } else {
        return decoded(reference).ok_or_else(|| "expected a path in UTF-8, found another".to_owned());
    };
    Err(format!(
        "expected the path of a file, relative to the one that refers, found {found}; keep a copy of that schema in a file \
         and refer to it by its path"
    ))
}

/// The text with its percent-encoding decoded; `None` if the result is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// A path from inside a file, relative to the directory that the file's own path is relative to.
fn joined(file: &str, path: &str) -> String {
    let mut segments: Vec<&str> = file.split('/').collect();
    segments.pop();
    for segment in path.split('/') {
        match segment {
            "." | "" => {}
            ".." if segments.last().is_some_and(|last| *last != "..") => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    segments.join("/")
}

#[cfg(test)]
mod tests;
