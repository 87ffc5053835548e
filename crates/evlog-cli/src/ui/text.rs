//! Text for people. Parts of it may come from untrusted sources: a log, a bundle, a note, an argument.
//!
//! Invariant: no part of it acts on the terminal as a control sequence, is invisible, or changes the direction of the
//! text beside it. Only this program adds colours and line breaks.

use super::{Tone, painted, wrap};
use console::{measure_text_width, truncate_str};
use evlog_export::visible;
use std::fmt::{Arguments, Display};

/// The longest piece of a line, in characters. `--json` prints texts in full.
const PIECE_LEN_MAX: usize = 2000;

/// Indent, in columns, of the continuation of a line that is too long for the terminal. So untrusted text never begins a line.
const INDENT: usize = 4;

/// What shows that text was cut.
const CUT: &str = "…";

/// The side of its column to which a cell is aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A line for people, in pieces.
#[derive(Debug)]
pub(crate) struct Text {
    pieces: Vec<Piece>,
    /// Where the line goes on if it is too long for the terminal.
    indent: usize,
}

impl Default for Text {
    fn default() -> Text {
        Text { pieces: Vec::new(), indent: INDENT }
    }
}

#[derive(Debug)]
struct Piece {
    tone: Tone,
    text: String,
    /// The column where the piece begins, if it is broken at words on a narrow terminal.
    hanging: Option<usize>,
}

impl Text {
    /// Adds text without a tone.
    #[must_use]
    pub(crate) fn plain(self, text: impl Display) -> Text {
        self.toned(Tone::Plain, text)
    }

    /// Adds text in a tone.
    #[must_use]
    pub(crate) fn toned(self, tone: Tone, text: impl Display) -> Text {
        self.with(tone, text, None)
    }

    /// Adds text in a tone that ends the line. It begins after `before` columns; so do the lines into which it is broken on a
    /// narrow terminal.
    #[must_use]
    pub(crate) fn hanging(self, tone: Tone, text: impl Display, before: usize) -> Text {
        self.with(tone, text, Some(before))
    }

    /// Adds text in a tone, however long it is.
    #[must_use]
    pub(crate) fn whole(mut self, tone: Tone, text: impl Display) -> Text {
        self.pieces.push(Piece { tone, text: visible(&text.to_string()), hanging: None });
        self
    }

    /// Adds a tab, which no text of others can add.
    #[must_use]
    pub(crate) fn tab(mut self) -> Text {
        self.pieces.push(Piece { tone: Tone::Plain, text: "\t".to_owned(), hanging: None });
        self
    }

    /// Adds a cell: text that is padded to a width, and cut if it is wider than `most`. The padding has no tone, so that it can
    /// be trimmed at the end of a line.
    #[must_use]
    pub(crate) fn cell(mut self, tone: Tone, text: &str, side: Side, width: usize, most: Option<usize>) -> Text {
        let shown = visible(text);
        let text = most.map_or_else(|| shown.clone(), |most| truncate_str(&shown, most, CUT).into_owned());
        let padding = " ".repeat(width.saturating_sub(measure_text_width(&text)));
        let piece = |tone, text| Piece { tone, text, hanging: None };
        let (text, padding) = (piece(tone, text), piece(Tone::Plain, padding));
        self.pieces.extend(if side == Side::Left { [text, padding] } else { [padding, text] });
        self
    }

    /// Where the line goes on if it is too long for the terminal.
    #[must_use]
    pub(crate) fn going_on_at(self, indent: usize) -> Text {
        Text { indent, ..self }
    }

    /// A line that begins after this many columns, and goes on there.
    pub(crate) fn indented(indent: usize) -> Text {
        Text::default().going_on_at(indent).plain(" ".repeat(indent))
    }

    fn with(mut self, tone: Tone, text: impl Display, hanging: Option<usize>) -> Text {
        let text = visible(&text.to_string());
        let text = match text.char_indices().nth(PIECE_LEN_MAX) {
            Some((end, _)) => format!("{}{CUT}", &text[..end]),
            None => text,
        };
        self.pieces.push(Piece { tone, text, hanging });
        self
    }

    /// The line, cut where the terminal ends. Some terminals wrap when the last column is written.
    pub(super) fn render_cut(&self, colour: bool, columns: Option<usize>) -> String {
        let Some(room) = columns.map(|columns| columns.saturating_sub(1)) else { return self.render(colour, None) };
        let len = self.pieces.iter().rposition(|piece| !piece.text.trim().is_empty()).map_or(0, |last| last + 1);
        let (mut line, mut left) = (String::new(), room);
        for (index, piece) in self.pieces[..len].iter().enumerate() {
            let width = measure_text_width(&piece.text);
            // The mark needs a column, unless the line ends with this piece.
            if width > left || width == left && index + 1 < len {
                let text = truncate_str(&piece.text, left.saturating_sub(1), "");
                let mark = if text.is_empty() && line.ends_with(CUT) { "" } else { CUT };
                line.push_str(&painted(colour, piece.tone, &format!("{text}{mark}")));
                break;
            }
            line.push_str(&painted(colour, piece.tone, &piece.text));
            left -= width;
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// The line as it is printed, without spaces at its end. `columns` is the width of the terminal, if it is one.
    pub(super) fn render(&self, colour: bool, columns: Option<usize>) -> String {
        let (mut line, mut used) = (String::new(), 0);
        for piece in &self.pieces {
            let text = match (piece.hanging, columns) {
                (Some(before), _) => wrap::hanging(&piece.text, before, columns),
                (None, Some(columns)) => wrap::flowing(&piece.text, &mut used, columns, self.indent),
                (None, None) => piece.text.clone(),
            };
            line.push_str(&painted(colour, piece.tone, &text));
        }
        line.truncate(line.trim_end().len());
        line
    }
}

impl From<Arguments<'_>> for Text {
    fn from(text: Arguments<'_>) -> Text {
        Text::default().plain(text)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text::default().plain(text)
    }
}

/// The text of an element or attribute of XML, visible and in its own lines.
pub(crate) fn in_markup(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(visible).collect();
    lines.join("\n").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_invisible_characters_are_shown_escaped() {
        let hidden = [
            '\0',
            '\u{7}',
            '\u{8}',
            '\t',
            '\n',
            '\r',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0041}',
            '\u{e01ef}',
        ];
        let blank = ['\u{a0}', '\u{2007}', '\u{2800}', '\u{3000}'];
        let private = ['\u{e000}', '\u{f8ff}', '\u{f0000}', '\u{10fffd}'];
        let unassigned = ['\u{378}', '\u{fdd0}', '\u{fffe}', '\u{3fffe}', '\u{40000}', '\u{10ffff}'];
        let format = ['\u{600}', '\u{110bd}', '\u{13430}'];
        for c in hidden.into_iter().chain(blank).chain(private).chain(unassigned).chain(format) {
            assert_eq!(visible(&format!("a{c}b")), format!("a{}b", c.escape_unicode()));
        }
        let shown = "a \\x \u{e9}e\u{301} \u{6f22}\u{5b57} \u{1f600} \u{5d0} \u{0915}\u{093f} ~`*<>";
        assert_eq!(visible(shown), shown);
    }

    #[test]
    fn a_mark_is_shown_only_on_a_letter_or_sign_of_the_text() {
        for (text, shown) in [
            ("\u{300}", "\\u{300}"),
            ("\u{300}\u{20dd}x", "\\u{300}\\u{20dd}x"),
            ("`\u{300}`", "`\\u{300}`"),
            ("a/\u{300}", "a/\\u{300}"),
            ("\u{7}\u{300}", "\\u{7}\\u{300}"),
            ("e\u{300}\u{301}", "e\u{300}\u{301}"),
            ("\u{1780}\u{17d2}\u{1798}", "\u{1780}\u{17d2}\u{1798}"),
            ("a\u{16fe4}\u{1107f}\u{1bc9d}", "a\\u{16fe4}\\u{1107f}\\u{1bc9d}"),
            ("\u{13441}\u{13442}\u{1d159}", "\\u{13441}\\u{13442}\\u{1d159}"),
            ("\u{1160}", "\\u{1160}"),
            ("\u{1161}", "\\u{1161}"),
            ("\u{1100}\u{1161}\u{11a8}", "\u{1100}\u{1161}\u{11a8}"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn no_character_without_a_width_is_shown_unless_it_stands_on_another_one() {
        for c in '\0'..=char::MAX {
            let escaped = c.escape_unicode().to_string();
            let has_width = measure_text_width(&c.to_string()) > 0;
            let alone = visible(&c.to_string());
            assert!(alone == escaped || has_width && alone == c.to_string(), "{escaped} is shown as {alone:?}");
            let behind = visible(&format!("a{c}"));
            assert!(behind == format!("a{escaped}") || behind == format!("a{c}"), "{escaped} is shown as {behind:?}");
            let is_mark = alone == escaped && behind != format!("a{escaped}");
            assert!(!is_mark || !has_width || c.escape_debug().count() > 1, "{escaped} is no mark");
        }
    }

    /// The text that is shown like this.
    fn read_back(mut shown: &str) -> String {
        let mut text = String::new();
        while let Some(c) = shown.chars().next() {
            let count = shown.len() - shown.trim_start_matches('\\').len();
            let rest = &shown[count..];
            let (Some(code), true) = (rest.strip_prefix("u{"), count > 0) else {
                text.push(c);
                shown = &shown[c.len_utf8()..];
                continue;
            };
            text.push_str(&"\\".repeat(count / 2));
            shown = rest;
            if count % 2 == 1 {
                let (digits, rest) = code.split_once('}').unwrap();
                text.push(char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap());
                shown = rest;
            }
        }
        text
    }

    #[test]
    fn what_was_written_can_be_told_from_what_is_shown() {
        let letters = ['\\', 'u', '{', '7', '}', '\u{7}', '\u{301}', '\u{e9}'];
        let mut texts = vec![String::new()];
        for _ in 0..6 {
            texts = texts.iter().flat_map(|text| letters.map(|c| format!("{text}{c}"))).collect();
            for text in &texts {
                assert_eq!(read_back(&visible(text)), *text, "{}", visible(text));
            }
        }
        assert_eq!(visible("\\u{7} and \u{7}"), "\\\\u{7} and \\u{7}");
        for path in ["C:\\users\\me\\", "\\\\server\\share", "a\\ b", "^\\d+\\.\\w$", "\\u0007"] {
            assert_eq!(visible(path), path);
        }
    }

    #[test]
    fn no_line_and_no_colour_of_others_gets_into_a_line() {
        let forged = "x\u{1b}[32m\nverdict clean";
        let line = Text::default().toned(Tone::Bad, forged).plain("  ").hanging(Tone::Plain, forged, 4);
        assert_eq!(line.render(false, Some(200)), "x\\u{1b}[32m\\u{a}verdict clean  x\\u{1b}[32m\\u{a}verdict clean");
        let coloured = line.render(true, Some(200));
        assert_eq!(coloured.matches('\u{1b}').count(), 3, "begin, and an end of two codes or one: {coloured:?}");
        assert_eq!(coloured.lines().count(), 1);
    }

    #[test]
    fn a_fitted_line_ends_before_the_edge_and_shows_that_it_was_cut() {
        let line =
            || Text::default().cell(Tone::Bad, "failed", Side::Left, 8, None).plain("  ").whole(Tone::Plain, "to=x y");
        assert_eq!(line().render_cut(false, None), "failed    to=x y");
        assert_eq!(line().render_cut(false, Some(17)), "failed    to=x y");
        assert_eq!(line().render_cut(false, Some(16)), "failed    to=x…");
        for columns in 1..40 {
            let shown = line().render_cut(false, Some(columns));
            assert!(measure_text_width(&shown) < columns.max(2), "{columns}: {shown}");
        }
        let wide = Text::default().whole(Tone::Plain, "\u{6f22}".repeat(9)).render_cut(false, Some(10));
        assert_eq!(wide, format!("{}…", "\u{6f22}".repeat(4)));
        let cell =
            |side, most| Text::default().cell(Tone::Plain, "abcdef", side, 8, most).plain("|").render(false, None);
        assert_eq!(cell(Side::Left, None), "abcdef  |");
        assert_eq!(cell(Side::Right, Some(4)), "    abc…|");
    }

    #[test]
    fn spaces_at_the_end_are_left_out_and_words_hang() {
        assert_eq!(Text::from("a  ").plain(" ").render(false, None), "a");
        let text = "one two three four five six seven eight nine ten eleven twelve";
        let line = Text::default().plain("why: ").hanging(Tone::Plain, text, 5).render(false, Some(40));
        assert_eq!(line, "why: one two three four five six seven\n     eight nine ten eleven twelve");
    }

    #[test]
    fn a_line_that_is_too_long_goes_on_indented_and_a_piece_has_its_limit() {
        let file = format!("x{}verdict     clean", " ".repeat(60));
        let line = Text::from("differs: ").toned(Tone::Strong, file).plain(": y");
        let shown = line.render(false, Some(80));
        assert!(shown.lines().count() > 1 && shown.lines().skip(1).all(|line| line.starts_with("    ")), "{shown}");
        assert_eq!(line.render(false, None).lines().count(), 1);
        let long = Text::from("x".repeat(PIECE_LEN_MAX + 1).as_str()).render(false, None);
        assert_eq!(long.chars().count(), PIECE_LEN_MAX + 1);
        assert!(long.ends_with('…'));
    }
}
