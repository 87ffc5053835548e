//! What the argument parser reports, as an error of a command.

use crate::error::{CommandError, Differs, Verdict};
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Where the parser's rendering begins to say how the command is used.
const USAGE: &str = "Usage: ";
/// How it begins to say where the help is.
const MORE: &str = "For more information";
/// How it begins a hint.
const TIP: &str = "tip: ";

impl From<&clap::Error> for CommandError {
    fn from(error: &clap::Error) -> CommandError {
        let code = u8::try_from(error.exit_code()).unwrap_or(Verdict::CouldNot.code());
        if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            let expected = Some("a command".to_owned());
            let differs = Differs { place: None, expected, found: Some("none".to_owned()) };
            let missing = CommandError::user("expected a command, found none").hint("`evlog help` lists the commands");
            return CommandError { differs: differs.into(), ..missing };
        }
        let rendered = error.render().to_string();
        let (said, usage) = rendered.split_once(USAGE).unwrap_or((&rendered, ""));
        let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty() && !is_listed_apart(line));
        let message = lines.next().unwrap_or_default().trim_start_matches("error: ");
        let (tips, details): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with(TIP));
        let usage = usage.lines().next().filter(|usage| !usage.is_empty());
        let hints = tips.iter().map(|tip| tip[TIP.len()..].to_owned());
        let hints = hints.chain(usage.map(|usage| format!("usage: {usage}")));
        CommandError {
            details: details.into_iter().map(str::to_owned).collect(),
            hints: hints.collect(),
            differs: differs(error).into(),
            ..CommandError::user(message).with_code(code)
        }
    }
}

/// The parser's rendering in the form of other errors: with `hint:`, and with the help of the command that was typed.
pub(crate) fn rendered(error: &clap::Error, is_coloured: bool, help: &str) -> String {
    let plain = error.render().to_string();
    let shown = if is_coloured { error.render().ansi().to_string() } else { plain.clone() };
    let mut said = String::new();
    for (plain, shown) in plain.lines().zip(shown.lines()) {
        let line = if plain.starts_with(MORE) {
            format!("hint: {}", more(help))
        } else if plain.trim_start().starts_with(TIP) {
            shown.trim_start().replacen("tip:", "hint:", 1)
        } else {
            shown.to_owned()
        };
        said.push_str(&line);
        said.push('\n');
    }
    said
}

/// The error of a command, with the same hint at its end.
pub(crate) fn failure(error: &clap::Error, help: &str) -> CommandError {
    let failed = CommandError::from(error);
    if error.render().to_string().contains(MORE) { failed.hint(more(help)) } else { failed }
}

fn more(help: &str) -> String {
    format!("`{help}` shows the options and examples")
}

/// What the object has in members of its own, and what every error ends with.
fn is_listed_apart(line: &str) -> bool {
    line.starts_with("[possible values: ") || line.starts_with("[subcommands: ") || line.starts_with(MORE)
}

fn differs(error: &clap::Error) -> Differs {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let known = |kind| match error.get(kind) {
        Some(ContextValue::Strings(known)) if !known.is_empty() => {
            let known_one = if known.len() == 1 { "" } else { "one of " };
            Some(format!("{known_one}`{}`", known.join("`, `")))
        }
        _ => None,
    };
    let (given, named) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidSubcommand));
    let expected = known(ContextKind::ValidValue).or_else(|| known(ContextKind::ValidSubcommand));
    match error.kind() {
        // The context names the command that needs another one.
        ErrorKind::MissingSubcommand => Differs { place: named, expected, found: Some("none".to_owned()) },
        _ => Differs { place: given, expected, found: text(ContextKind::InvalidValue).or(named) },
    }
}
