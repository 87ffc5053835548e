//! The repository as text: every file that people write, read once, in the order of their paths.
//!
//! Does not: follow symbolic links, read build output or golden files, look outside the repository.

use std::fs;
use std::io;
use std::path::Path;

/// Golden logs: known by name only, since their bytes are not prose.
const GOLDEN: &str = "tests/golden";

/// What is read as text. A file of another kind is known by name only.
const TEXT: &[&str] = &["rs", "md", "toml", "sh", "awk", "py", "json", "tsv", "txt", "yml", "yaml", "lock"];

/// A file of the repository.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// Path relative to the root, with `/`.
    pub(crate) path: String,
    /// Its text; empty for files that are not text.
    pub(crate) text: String,
}

/// Every file that people write.
#[derive(Debug)]
pub(crate) struct Repository {
    files: Vec<SourceFile>,
}

impl Repository {
    /// The repository that this program was built from.
    pub(crate) fn here() -> io::Result<Repository> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        let ignored = fs::read_to_string(root.join(".gitignore"))?;
        let mut files = Vec::new();
        walk(&root, "", &|path, name| is_skipped(&ignored, path, name), &mut files)?;
        Ok(Repository::of(files))
    }

    /// The repository of these files.
    pub(crate) fn of(mut files: Vec<SourceFile>) -> Repository {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Repository { files }
    }

    /// All files, by path.
    pub(crate) fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The files whose names end in `.` and this.
    pub(crate) fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = &'a SourceFile> {
        self.files.iter().filter(move |file| extension_of(&file.path) == extension)
    }

    /// The text of one file; `None` when there is none.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// Whether a path is a file that people write, or a directory of such files. The disk is not asked: there may be build
    /// output on it, and it may take `A.md` for `a.md`.
    pub(crate) fn exists(&self, path: &str) -> bool {
        let is_dir_of = |file: &SourceFile| file.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        path.is_empty() || self.files.iter().any(|file| file.path == path || is_dir_of(file))
    }
}

/// What stands after the last dot of a path's file name; empty when there is no dot.
pub(crate) fn extension_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// Generated files: what `.gitignore` names, from the root or anywhere, and what other tools keep for themselves.
fn is_skipped(ignored: &str, path: &str, name: &str) -> bool {
    let matches = |line: &str| line.strip_prefix('/').map_or(line == name, |anchored| anchored == path);
    matches!(name, ".git" | "__pycache__") || ignored.lines().any(matches)
}

fn walk(
    root: &Path,
    relative: &str,
    is_skipped: &dyn Fn(&str, &str) -> bool,
    files: &mut Vec<SourceFile>,
) -> io::Result<()> {
    for entry in fs::read_dir(root.join(relative))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if relative.is_empty() { name.clone() } else { format!("{relative}/{name}") };
        if is_skipped(&path, &name) {
            continue;
        }
        if kind.is_dir() && !is_cache(&root.join(&path)) {
            walk(root, &path, is_skipped, files)?;
        } else if kind.is_file() {
            files.push(read(root, path)?);
        }
    }
    Ok(())
}

/// Build output says of itself that it is, wherever it was put.
fn is_cache(dir: &Path) -> bool {
    dir.join("CACHEDIR.TAG").exists()
}

fn read(root: &Path, path: String) -> io::Result<SourceFile> {
    let is_text =
        TEXT.contains(&extension_of(&path)) || matches!(path.as_str(), ".ci/run" | ".ci/stages/test" | "justfile");
    let bytes = if is_text && !path.starts_with(GOLDEN) { fs::read(root.join(&path))? } else { Vec::new() };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(SourceFile { path, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_read_whole_and_without_build_output() {
        let repository = Repository::here().expect("the repository can be read");
        assert!(repository.text("Cargo.toml").is_some_and(|text| text.contains("[workspace]")));
        assert!(repository.text("tools/xtask/src/repository.rs").is_some());
        assert!(repository.files().iter().all(|file| !file.path.contains("target/")));
        assert!(repository.exists("crates/evlog-format"));
        assert!(!repository.exists("crates/evlog-common"));
    }

    #[test]
    fn a_path_exists_on_every_machine_or_on_none() {
        let file = |path: &str| SourceFile { path: path.to_owned(), text: String::new() };
        let repository = Repository::of(vec![file("docs/adr/a.md"), file("README.md")]);
        assert!(["README.md", "docs/adr/a.md", "docs/adr", "docs", ""].iter().all(|path| repository.exists(path)));
        assert!(!["readme.md", "docs/ad", "docs/adr/a", "target"].iter().any(|path| repository.exists(path)));
        assert!(is_skipped("/target\nnotes\n", "target", "target"));
        assert!(is_skipped("/target\nnotes\n", "docs/notes", "notes"));
        assert!(!is_skipped("/target\nnotes\n", "docs/target", "target"));
    }

    #[test]
    fn an_extension_is_that_of_the_file_name_only() {
        assert_eq!(extension_of("a.b/c.rs"), "rs");
        assert_eq!(extension_of("a.b/justfile"), "");
        assert_eq!(extension_of(".ci/run"), "");
    }
}
