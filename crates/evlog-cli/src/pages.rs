//! What the pages for people have in common: tones, banners and the table of reasons.

use crate::ui;
use evlog_lifecycle::explain::{Explanation, Reason, Role};
use evlog_report::{Banner, Cell, Column, Form, Table, Tone};

/// A column of words.
pub(crate) fn column(heading: &'static str) -> Column {
    Column::new(heading, Form::Prose)
}

/// The tone of a word that names a state, as on a terminal.
pub(crate) fn tone(word: &str) -> Tone {
    match ui::Tone::of(&word.to_lowercase()) {
        ui::Tone::Good => Tone::Good,
        ui::Tone::Warning => Tone::Warning,
        ui::Tone::Bad => Tone::Bad,
        ui::Tone::Plain | ui::Tone::Strong | ui::Tone::Faint => Tone::Plain,
    }
}

/// A status and the sentence that explains it. Where the sentence begins with the status, it is not said twice.
pub(crate) fn labelled(status: &str, summary: &str) -> Banner {
    let rest = summary.strip_prefix(status).map_or(summary, |rest| rest.trim_start_matches([',', ':', ';', ' ']));
    Banner { tone: tone(status), word: status.to_owned(), sentence: rest.to_owned() }
}

/// The stages or steps of a run, those to blame first, with what `sentence` says of each.
pub(crate) fn reasons(explanation: &Explanation, sentence: impl Fn(&Reason) -> String) -> Table {
    let row = |reason: &Reason| {
        let seqs: Vec<String> = reason.seqs.iter().map(u64::to_string).collect();
        vec![
            Cell::from(reason.role.word()).toned(tone_of(reason.role)),
            Cell::new(Form::Code, &reason.subject),
            Cell::from(reason.state.as_str()).toned(tone(&reason.state)),
            Cell::from(sentence(reason)),
            Cell::from(seqs.join(", ")),
        ]
    };
    Table {
        caption: "Causes first; then what followed from them, and what went well".to_owned(),
        columns: vec![column("is"), Column::new("what", Form::Code), column("state"), column("why"), column("seq")],
        rows: explanation.reasons.iter().map(row).collect(),
        left_out: String::new(),
    }
}

fn tone_of(role: Role) -> Tone {
    match role {
        Role::Cause => Tone::Bad,
        Role::Failure | Role::Refused | Role::Open => Tone::Warning,
        Role::Fine => Tone::Good,
        Role::Consequence | Role::Skipped | Role::Disabled | Role::Note => Tone::Plain,
    }
}
