//! Text in XML.

use crate::hidden::is_hidden;

/// Text of an element or an attribute. XML 1.0 does not allow most control characters, not even escaped, so invisible
/// characters are shown in escaped form.
pub fn escaped(text: &str) -> String {
    written(text, |xml, c| match c {
        '\n' => xml.push_str("&#10;"),
        c => xml.extend(c.escape_unicode()),
    })
}

/// Text of an attribute, every character of it: invisible characters are references, which mean the same. Control characters and the two
/// that are none, which XML 1.0 does not allow at all, are shown in escaped form.
pub fn exact(text: &str) -> String {
    written(text, |xml, c| match c {
        '\0'..'\t' | '\u{b}' | '\u{c}' | '\u{e}'..' ' | '\u{fffe}' | '\u{ffff}' => xml.extend(c.escape_unicode()),
        c => xml.extend(["&#", &u32::from(c).to_string(), ";"]),
    })
}

/// Text as XML, with the characters that people do not see or XML does not have as `hide` writes them.
fn written(text: &str, hide: impl Fn(&mut String, char)) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut xml, c| {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => hide(&mut xml, c),
            c if is_hidden(c) => hide(&mut xml, c),
            c => xml.push(c),
        }
        xml
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_is_hidden_and_only_those_that_xml_does_not_have_are_replaced() {
        assert_eq!(exact("a<&\">\u{202e}\u{85}\t\u{e9}"), "a&lt;&amp;&quot;&gt;&#8238;&#133;&#9;\u{e9}");
        assert_eq!(exact("\u{1b}\u{ffff}"), "\\u{1b}\\u{ffff}");
        assert_eq!(escaped("a<&\">\u{202e}\n"), "a&lt;&amp;&quot;&gt;\\u{202e}&#10;");
    }
}
