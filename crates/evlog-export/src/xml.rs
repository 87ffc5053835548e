//! Text in XML.

use crate::hidden::marked;

/// Text of an attribute, with every character. Invisible characters become references, which mean the same. Control characters
/// and the two code points that are not characters, which XML 1.0 does not allow at all, are shown in escaped form.
pub(crate) fn exact(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for (_, c, is_hidden) in marked(text) {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\0'..'\t' | '\u{b}' | '\u{c}' | '\u{e}'..' ' | '\u{fffe}' | '\u{ffff}' => xml.extend(c.escape_unicode()),
            c if is_hidden => xml.extend(["&#", &u32::from(c).to_string(), ";"]),
            c => xml.push(c),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_is_hidden_and_only_those_that_xml_does_not_have_are_replaced() {
        assert_eq!(exact("a<&\">\u{202e}\u{85}\t\u{e9}"), "a&lt;&amp;&quot;&gt;&#8238;&#133;&#9;\u{e9}");
        assert_eq!(exact("\u{1b}\u{ffff}"), "\\u{1b}\\u{ffff}");
        assert_eq!(exact("\u{300}e\u{300}"), "&#768;e\u{300}");
    }
}
