//! The keys, in words.

/// Keys, and what they do.
pub(crate) const HELP: [(&str, &str); 12] = [
    ("j, k, arrows", "move; PgUp, PgDn, Home and End go further"),
    ("Enter", "open the marked run: its stages or steps, and its events"),
    ("Esc", "back to all runs; there: clear the filters"),
    ("/", "show only what contains a text: run, contract, status, actor, event"),
    ("f", "show only one status; again: the next one"),
    ("s", "sort: newest event, run, status, most events, oldest"),
    ("p", "pause: the screen stays, and events wait"),
    ("Tab", "the other part of the screen"),
    ("?", "this help"),
    ("q, Ctrl-C", "end"),
    ("verdict", "of the bytes that were read since the start, each once"),
    ("signed", "the last checkpoint that the log records"),
];

/// The keys in the last line, the most important first.
pub(crate) const KEYS: [&str; 8] =
    ["q end", "? help", "Enter open", "Esc back", "/ filter", "f status", "s sort", "p pause"];
