//! Quotes arguments in the commands that hints suggest, so that they can be pasted into a shell.

use std::path::Path;

/// An argument for a POSIX shell: unchanged if it has no special characters, otherwise in single quotes.
pub(crate) fn quoted(argument: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(&byte);
    if !argument.is_empty() && argument.bytes().all(is_plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

/// The option that names a log, for a command in a hint; nothing for the default.
pub(crate) fn of_log(log: &Path) -> String {
    option("--log", log, "./evlog")
}

/// An option with a path, for a command in a hint; nothing for the default.
pub(crate) fn option(name: &str, path: &Path, default: &str) -> String {
    if path == Path::new(default) {
        return String::new();
    }
    format!(" {name} {}", quoted(&path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_reads_what_was_quoted_as_one_argument() {
        assert_eq!(quoted("a/b-1_2.toml"), "a/b-1_2.toml");
        assert_eq!(quoted("a b"), "'a b'");
        for argument in ["", "a b", "it's", "$(id) `id` $HOME", "a\\b\n\"c\"", "*?[x]~;&|<>#!", "~", "\u{e9}''"] {
            let script = format!("printf %s {}", quoted(argument));
            let said = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), argument, "{script}");
        }
    }
}
