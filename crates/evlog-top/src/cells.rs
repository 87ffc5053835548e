//! Lines of aligned cells, and pieces that flow.
//!
//! Invariant: every text is escaped here, before anything measures or draws it.

use crate::model::Tone;
use evlog_export::visible;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// The number of spaces between two cells, and between two pieces.
const GAP: usize = 2;

/// Shorter words are not cut to make room for others.
const WORD_MIN: usize = 16;

/// What shows that a text was cut.
const CUT: &str = "…";

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// There are.
    Colours,
    /// There are none.
    Plain,
}

/// The side of its column to which a cell is aligned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A cell of a row.
pub(crate) struct Cell<'t> {
    pub(crate) text: &'t str,
    pub(crate) tone: Tone,
    pub(crate) side: Side,
    pub(crate) width: usize,
    /// How a text is cut that is wider.
    cut: fn(&str, usize) -> String,
}

impl<'t> Cell<'t> {
    pub(crate) fn left(text: &'t str, tone: Tone, width: usize) -> Cell<'t> {
        Cell { text, tone, side: Side::Left, width, cut }
    }

    /// A name, which is cut in its middle.
    pub(crate) fn name(text: &'t str, width: usize) -> Cell<'t> {
        Cell { text, tone: Tone::Plain, side: Side::Left, width, cut: cut_middle }
    }

    pub(crate) fn right(text: &'t str, width: usize) -> Cell<'t> {
        Cell { text, tone: Tone::Plain, side: Side::Right, width, cut }
    }
}

/// The style of a tone.
pub(crate) fn style(tone: Tone, palette: Palette) -> Style {
    if palette == Palette::Plain {
        return Style::new();
    }
    match tone {
        Tone::Plain => Style::new(),
        Tone::Faint => Style::new().add_modifier(Modifier::DIM),
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Warning => Style::new().fg(Color::Yellow),
        Tone::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}

/// A row: a mark of one column, and cells.
pub(crate) fn row(mark: char, cells: &[Cell<'_>], palette: Palette) -> Line<'static> {
    let mut spans = vec![Span::raw(format!("{mark} "))];
    for (index, cell) in cells.iter().enumerate() {
        let text = (cell.cut)(&visible(cell.text), cell.width);
        let padding = " ".repeat(cell.width.saturating_sub(width(&text)));
        let gap = if index == 0 { 0 } else { GAP };
        let (before, after) = if cell.side == Side::Left { (String::new(), padding) } else { (padding, String::new()) };
        spans.push(Span::raw(" ".repeat(gap) + &before));
        spans.push(Span::styled(text, style(cell.tone, palette)));
        spans.push(Span::raw(after));
    }
    Line::from(spans)
}

/// Pieces in as many lines as they need. A piece is broken only if it is wider than a line: then at its words.
pub(crate) fn flow(pieces: &[(String, Tone)], columns: usize, palette: Palette) -> Vec<Line<'static>> {
    let mut lines: Vec<Vec<Span<'static>>> = Vec::new();
    let mut used = columns;
    for (piece, tone) in pieces {
        for part in words(&visible(piece), columns) {
            let len = width(&part);
            if used + GAP + len > columns {
                lines.push(Vec::new());
                used = 0;
            }
            let gap = if used == 0 { 0 } else { GAP };
            used += gap + len;
            if let Some(line) = lines.last_mut() {
                line.push(Span::raw(" ".repeat(gap)));
                line.push(Span::styled(part, style(*tone, palette)));
            }
        }
    }
    lines.into_iter().map(Line::from).collect()
}

/// A text in parts that are no wider than a line, broken at its spaces.
fn words(text: &str, columns: usize) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match parts.last_mut() {
            Some(part) if width(part) + 1 + width(word) <= columns => {
                part.push(' ');
                part.push_str(word);
            }
            _ => parts.push(cut(word, columns)),
        }
    }
    parts
}

pub(crate) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text, cut to a width.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut short, mut used) = (String::new(), 0);
    for c in text.chars() {
        used += width(c.encode_utf8(&mut [0; 4]));
        if used >= columns {
            break;
        }
        short.push(c);
    }
    if columns > 0 { short + CUT } else { short }
}

/// The text, cut in its middle to a width. Of names of one family, the ends differ, so more of the end is kept.
pub(crate) fn cut_middle(text: &str, columns: usize) -> String {
    if width(text) <= columns || columns < 3 {
        return cut(text, columns);
    }
    let end_room = (columns - 1) * 2 / 3;
    let (mut end, mut used) = (Vec::new(), 0);
    for c in text.chars().rev() {
        used += width(c.encode_utf8(&mut [0; 4]));
        if used > end_room {
            break;
        }
        end.push(c);
    }
    // `cut` leaves room for the mark, and adds it.
    let end: String = end.into_iter().rev().collect();
    cut(text, columns - width(&end)) + &end
}

/// The text, cut to a width after a word, if a word fits. A word that would take most of the room is cut in its middle, so that
/// others are seen.
pub(crate) fn cut_at_word(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let most = (columns * 3 / 5).max(WORD_MIN);
    let text = text.split(' ').map(|word| cut_middle(word, most)).collect::<Vec<_>>().join(" ");
    let text = text.as_str();
    let short = cut(text, columns);
    if short == text {
        return short;
    }
    match short.rsplit_once(' ') {
        Some((words, _)) => format!("{words} {CUT}"),
        None => short,
    }
}
