//! The files of the modules of a file.
//!
//! Does not: know the attribute `path`, nor `build.rs` and `src/bin`, whose modules stand beside them. The repository does without.

/// The files that a module may have its text in, given the file that declares it and the names from that file's module down
/// to it.
pub(crate) fn of_module(declared_in: &str, below: &[String]) -> [String; 2] {
    let stem = format!("{}{}", dir_of_children(declared_in), below.join("/"));
    [format!("{stem}.rs"), format!("{stem}/mod.rs")]
}

/// The directory, with its slash, of the modules of a file. The root of a crate has them beside it.
fn dir_of_children(file: &str) -> String {
    let dir = &file[..file.rfind('/').map_or(0, |at| at + 1)];
    let is_beside = matches!(&file[dir.len()..], "lib.rs" | "main.rs" | "mod.rs");
    if is_beside { dir.to_owned() } else { format!("{}/", file.strip_suffix(".rs").unwrap_or(file)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_stands_beside_a_root_and_below_any_other_file() {
        let cases = [
            ("a/src/lib.rs", "a/src/b/c.rs"),
            ("a/src/d/mod.rs", "a/src/d/b/c.rs"),
            ("a/src/d.rs", "a/src/d/b/c.rs"),
            ("main.rs", "b/c.rs"),
        ];
        for (file, expected) in cases {
            let found = of_module(file, &["b".to_owned(), "c".to_owned()]);
            assert_eq!(found, [expected.to_owned(), expected.replace(".rs", "/mod.rs")], "{file}");
        }
    }
}
