//! `docs/cli.md`, made from what the argument parser knows, so that help and documentation are one text.

use crate::commands::arguments::Arguments;
use clap::{Command, CommandFactory};
use std::fmt::Write;
use std::path::Path;

const HEAD: &str = "\
# The command line

Made from the help of `evlog`; do not edit. `EVLOG_BLESS=1 cargo test -p evlog-cli reference` writes it again.
The shapes of `--json` are in [json.md](json.md).
";

/// The whole page.
fn page() -> String {
    let mut root = Arguments::command().term_width(100);
    root.build();
    let mut page = HEAD.to_owned();
    sections(&mut page, &mut root, "evlog");
    page
}

/// The section of a command, and the sections of its subcommands.
fn sections(page: &mut String, command: &mut Command, title: &str) {
    section(page, &mut command.clone(), title);
    // `evlog help` shows these sections.
    for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
        let title = format!("{title} {}", inner.get_name());
        sections(page, inner, &title);
    }
}

fn section(page: &mut String, command: &mut Command, title: &str) {
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    write!(page, "\n## {title}\n\n```text\n{}\n```\n", lines.join("\n").trim_end()).unwrap();
}

/// The text below the options of a command: its lines begin with two blanks, except for headings and paragraphs.
fn after(command: &Command) -> String {
    command.get_after_help().map(ToString::to_string).unwrap_or_default()
}

/// What a command shows on a terminal with 80 columns that is ragged there.
fn ragged(command: &mut Command, title: &str, found: &mut Vec<String>) {
    let after = after(command);
    let is_listed = |line: &&str| line.starts_with("  ");
    let help = command.clone().term_width(80).render_long_help().to_string();
    let shown: Vec<&str> = help.lines().collect();
    let wide =
        shown.iter().filter(|line| line.chars().count() > 80).map(|line| format!("{title}: wider than 80: {line}"));
    let wrapped = after.lines().filter(|line| is_listed(line) && (line.len() > 78 || !shown.contains(line)));
    let lines: Vec<&str> = after.lines().collect();
    let broken = lines.windows(2).filter(|pair| pair.iter().all(|line| !line.is_empty() && !is_listed(line)));
    found.extend(wide);
    found.extend(wrapped.map(|line| format!("{title}: longer than 78: {line}")));
    found.extend(broken.map(|pair| format!("{title}: a paragraph of more than one line: {}", pair[0])));
    for inner in command.get_subcommands_mut() {
        let title = format!("{title} {}", inner.get_name());
        ragged(inner, &title, found);
    }
}

/// A terminal often has 80 columns. The parser wraps a longer line without regard to the columns of a list.
#[test]
fn no_line_of_an_example_or_a_list_is_wrapped_at_80_columns_and_a_paragraph_is_one_line() {
    let mut root = Arguments::command();
    root.build();
    let mut found = Vec::new();
    ragged(&mut root, "evlog", &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
    let mut wrong = Command::new("wrong").after_help(format!("Examples:\n  {}\n\nA text\nof two.", "wide ".repeat(16)));
    ragged(&mut wrong, "wrong", &mut found);
    assert_eq!(found.len(), 2, "{found:?}");
}

/// Compares a page of `docs` with what it should hold, or writes it again when `EVLOG_BLESS` is set.
#[test]
fn docs_cli_md_is_the_help_of_every_command() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let expected = page();
    if std::env::var_os("EVLOG_BLESS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "run `EVLOG_BLESS=1 cargo test -p evlog-cli reference`");
}

#[test]
fn every_command_has_examples_and_the_parser_holds_together() {
    Arguments::command().debug_assert();
    for command in Arguments::command().get_subcommands() {
        assert!(after(command).contains("Examples:"), "{} has no examples", command.get_name());
    }
}
