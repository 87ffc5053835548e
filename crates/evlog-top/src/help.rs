//! The keys, in words.

/// Keys, and what they do.
pub(crate) const HELP: [(&str, &str); 12] = [
    ("j, k, arrows", "move; PgUp, PgDn, Home and End go further"),
    ("Enter", "open the marked run: its stages or steps, and its events"),
    ("Esc", "to all runs; in that list, clear the filters"),
    ("/", "show only what contains a text: run, contract, status, actor, event"),
    ("f", "show one status; press again for the next"),
    ("s", "sort: newest event, run, status, most events, oldest"),
    ("p", "pause: the screen stays, and events wait"),
    ("Tab", "the other part of the screen"),
    ("?", "this help"),
    ("q, Ctrl-C", "end"),
    ("verdict", "the result for all bytes read so far"),
    ("signed", "the last checkpoint that the log records"),
];

/// The keys in the last line, the most important first.
pub(crate) const KEYS: [&str; 8] =
    ["q end", "? help", "Enter open", "Esc back", "/ filter", "f status", "s sort", "p pause"];
