//! Whether a stream shows colours: the only place that decides it.
//!
//! The order of the reasons is that of <https://bixense.com/clicolors>: `--color`, then `NO_COLOR`, `CLICOLOR_FORCE` and
//! `CLICOLOR`, then whether the stream is a terminal that shows colours.

use super::moves;
use clap::ValueEnum;
use std::ffi::OsStr;
use std::io::IsTerminal;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    #[default]
    Auto,
    Always,
    Never,
}

impl Colour {
    /// The last `--color` of a command line that could not be parsed, so that its error is shown in the same way.
    pub(crate) fn typed(arguments: impl Iterator<Item = impl AsRef<OsStr>>) -> Colour {
        let (mut colour, mut is_next) = (Colour::Auto, false);
        for argument in arguments {
            let text = argument.as_ref().to_str().unwrap_or_default();
            let value = if is_next { Some(text) } else { text.strip_prefix("--color=") };
            colour = value.and_then(|value| Colour::from_str(value, false).ok()).unwrap_or(colour);
            is_next = text == "--color";
        }
        colour
    }

    /// Whether a stream shows colours.
    pub(super) fn shows(self, stream: &impl IsTerminal) -> bool {
        self.decide(&|name| std::env::var(name).ok(), moves(stream))
    }

    /// Like [`shows`](Self::shows), with this environment. `moves`: the stream is a terminal, and not a dumb one.
    fn decide(self, variable: &dyn Fn(&str) -> Option<String>, moves: bool) -> bool {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        match self {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto if set("NO_COLOR").is_some() => false,
            Colour::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
            Colour::Auto => moves && set("CLICOLOR").is_none_or(|value| value != "0"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_comes_before_the_environment_and_the_environment_before_the_terminal() {
        let values = [None, Some(""), Some("0"), Some("1")];
        for no_color in values {
            for force in values {
                for clicolor in values {
                    for moves in [false, true] {
                        let variable = |name: &str| {
                            let value = match name {
                                "NO_COLOR" => no_color,
                                "CLICOLOR_FORCE" => force,
                                _ => clicolor,
                            };
                            value.map(str::to_owned)
                        };
                        let expected = match (no_color, force, clicolor) {
                            (Some("0" | "1"), _, _) => false,
                            (_, Some("1"), _) => true,
                            (_, _, Some("0")) => false,
                            _ => moves,
                        };
                        let case = (no_color, force, clicolor, moves);
                        assert_eq!(Colour::Auto.decide(&variable, moves), expected, "{case:?}");
                        assert!(Colour::Always.decide(&variable, moves), "{case:?}");
                        assert!(!Colour::Never.decide(&variable, moves), "{case:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_last_option_that_can_be_read_counts() {
        let typed = |line: &str| Colour::typed(line.split(' '));
        assert_eq!(typed("evlog --color always no-such"), Colour::Always);
        assert_eq!(typed("evlog no-such --color=never"), Colour::Never);
        assert_eq!(typed("evlog --color=never --color always"), Colour::Always);
        assert_eq!(typed("evlog --color sometimes"), Colour::Auto);
    }
}
