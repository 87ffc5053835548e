//! Characters that people do not see, by the version of Unicode that Rust's standard library has.

/// The characters of a string, each with its place and whether it must be escaped. It must be escaped if it has no shape, or
/// if it is a mark without a letter, digit or other sign of this text before it: such a mark would be drawn onto the text
/// before this one.
pub fn marked(text: &str) -> impl Iterator<Item = (usize, char, bool)> {
    let mut is_on_base = false;
    text.char_indices().map(move |(at, c)| {
        let is_mark = is_mark(c);
        let is_hidden = is_hidden(c) || is_mark && !is_on_base;
        // Quotes and separators, which evlog writes around strings from outside, are ASCII.
        is_on_base = !is_hidden && (is_mark || !c.is_ascii() || c.is_ascii_alphanumeric());
        (at, c, is_hidden)
    })
}

/// The text, with some characters escaped, such as `\u{1b}`: those that control a terminal, have no shape, are drawn onto
/// other text, or change the direction of the text. Backslashes before an escape, or before what reads like the rest of one,
/// are doubled, so that the text can be read back.
pub fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    let mut backslashes = 0;
    for (at, c, is_hidden) in marked(text) {
        if is_hidden || text[at..].starts_with("u{") {
            visible.extend(std::iter::repeat_n('\\', backslashes));
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
        if is_hidden {
            visible.extend(c.escape_unicode());
        } else {
            visible.push(c);
        }
    }
    visible
}

/// Whether a character is unassigned, for private use, a control or format character, a separator other than the space, or has
/// an empty shape. The table holds the code points of `Default_Ignorable_Code_Point`, blanks, and signs that only change
/// others.
fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_control();
    }
    matches!(c,
        '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{1107f}' | '\u{13441}'..='\u{13442}'
        | '\u{16fe4}' | '\u{1bc9d}' | '\u{1d159}' | '\u{e0100}'..='\u{e01ef}')
        || !is_printable(c)
}

fn is_printable(c: char) -> bool {
    // Alone, a mark is escaped for another reason.
    let mut text = [b'a', 0, 0, 0, 0];
    let len = 1 + c.encode_utf8(&mut text[1..]).len();
    str::from_utf8(&text[..len]).is_ok_and(|text| text.escape_debug().count() == 2)
}

/// Whether a character that has a shape takes no space of its own: `Grapheme_Extend`, vowels and last consonants of Hangul,
/// and in the table letters that are drawn onto the next one.
fn is_mark(c: char) -> bool {
    let has_no_room = |c| {
        matches!(c,
            '\u{d4e}' | '\u{1160}'..='\u{11ff}' | '\u{a8fa}' | '\u{d7b0}'..='\u{d7fb}' | '\u{111c2}'..='\u{111c3}'
            | '\u{113d1}' | '\u{1193f}' | '\u{11941}' | '\u{11a84}'..='\u{11a89}' | '\u{11d46}' | '\u{11f02}')
    };
    !c.is_ascii() && (c.escape_debug().len() > 1 || has_no_room(c))
}
