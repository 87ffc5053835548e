//! Text in XML.

use crate::hidden::is_hidden;

/// Text of an element or an attribute. XML 1.0 does not allow most control characters, not even escaped, so invisible
/// characters are shown in escaped form.
pub fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut xml, c| {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\n' => xml.push_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => xml.extend(c.escape_unicode()),
            c if is_hidden(c) => xml.extend(c.escape_unicode()),
            c => xml.push(c),
        }
        xml
    })
}
