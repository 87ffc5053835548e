//! Which of the two outputs shows colours: `--color`, the environment, a terminal. The unit tests of the decision have every
//! combination of the variables.

use crate::support::{Done, Room, without_colours};
use std::fs;

/// Commands that answer, that fail, that are not there, and that ask for help; and which output they write to.
const COMMANDS: [(&[&str], bool); 4] =
    [(&["runs"], true), (&["show", "no-such-run"], false), (&["no-such-command"], false), (&["runs", "--help"], true)];

/// Options, variables, and whether colours are expected.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], bool);

/// Whether the answer and the messages have colours.
fn coloured(done: &Done) -> (bool, bool) {
    (done.out.contains('\u{1b}'), done.err.contains('\u{1b}'))
}

#[test]
fn the_option_and_the_environment_decide_where_there_is_no_terminal() {
    let room = Room::with_batch();
    let cases: [Case<'_>; 9] = [
        (&[], &[], false),
        (&["--color", "auto"], &[], false),
        (&["--color=always"], &[], true),
        (&["--color=always"], &[("NO_COLOR", "1")], true),
        (&["--color", "never"], &[("CLICOLOR_FORCE", "1")], false),
        (&[], &[("CLICOLOR_FORCE", "1")], true),
        (&[], &[("CLICOLOR_FORCE", "0")], false),
        (&[], &[("CLICOLOR_FORCE", "1"), ("CLICOLOR", "0")], true),
        (&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ];
    for (options, variables, expected) in cases {
        for (typed, answers) in COMMANDS {
            let mut command = room.command(&[options, typed].concat());
            let done: Done = command.envs(without_colours()).envs(variables.iter().copied()).output().unwrap().into();
            let case = format!("{options:?} {variables:?} {typed:?}: {done:?}");
            assert_eq!(coloured(&done), (expected && answers, expected && !answers), "{case}");
        }
    }
    room.ends(2, &["runs", "--color", "sometimes"]).says("--color");
}

/// A command that answers on a terminal, and whose messages go to a file; and the other way round.
#[test]
fn each_output_is_judged_by_whether_it_is_a_terminal_itself() {
    let room = Room::with_batch();
    room.write(
        "both.toml",
        "name = \"p\"\n[[stage]]\nid = \"a\"\ncommand = [\"false\"]\nreason_code = \"input_missing\"\n",
    );
    let piped = |redirect: &str, variables: &[(&str, &str)]| {
        let line = format!("'{}' run both.toml {redirect} file", env!("CARGO_BIN_EXE_evlog"));
        let shown = room.on_a_terminal(&["sh", "-c", &line], variables);
        (is_coloured(&shown.out), is_coloured(&fs::read_to_string(room.path("file")).unwrap()))
    };
    assert_eq!(piped("2>", &[]), (true, false));
    assert_eq!(piped(">", &[]), (true, false));
    assert_eq!(piped("2>", &[("NO_COLOR", "1")]), (false, false));
    assert_eq!(piped("2>", &[("CLICOLOR", "0")]), (false, false));
    assert_eq!(piped("2>", &[("TERM", "dumb")]), (false, false));
    assert_eq!(piped("2>", &[("CLICOLOR_FORCE", "1")]), (true, true));
}

/// Whether a text has a colour, and not only lines that move.
fn is_coloured(text: &str) -> bool {
    let ends = |part: &str| part.find(|c: char| !c.is_ascii_digit() && c != ';').map(|at| part[at..].starts_with('m'));
    text.split("\u{1b}[").skip(1).any(|part| ends(part) == Some(true))
}
