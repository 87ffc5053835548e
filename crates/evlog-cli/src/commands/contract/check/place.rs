//! Where in a JSON text a JSON pointer points.
//!
//! Does: find the line and column of a value, for people. Does not: check the text; a parser has accepted it as JSON.
//!
//! Invariant: any text and any pointer have a place. For a missing value it is the place of the value that should contain it.

use evlog_lifecycle::form::line_and_column;

/// Line and column, both from 1, the column in characters.
pub(super) fn of(text: &str, pointer: &str) -> (usize, usize) {
    let mut reader = Reader { text, at: 0 };
    let mut place = reader.value();
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        if !reader.enter(&token) {
            break;
        }
        place = reader.value();
    }
    line_and_column(text, place)
}

/// A place in the text, between two of its tokens.
struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    /// Where the next value begins.
    fn value(&mut self) -> usize {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.at
    }

    fn next_is(&mut self, byte: u8) -> bool {
        let at = self.value();
        self.text.as_bytes().get(at) == Some(&byte)
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.next_is(byte);
        self.at += usize::from(taken);
        taken
    }

    /// Goes to a member or an item of the value that is next; whether it is there.
    fn enter(&mut self, token: &str) -> bool {
        if self.take(b'{') {
            while self.next_is(b'"') {
                let from = self.at;
                self.skip();
                let name: Option<String> = serde_json::from_str(&self.text[from..self.at]).ok();
                if self.take(b':') && name.as_deref() == Some(token) {
                    return true;
                }
                self.skip();
                self.take(b',');
            }
            return false;
        }
        let Some(index) = token.parse::<usize>().ok().filter(|_| self.take(b'[')) else { return false };
        for _ in 0..index {
            self.skip();
            if !self.take(b',') {
                return false;
            }
        }
        !self.next_is(b']')
    }

    /// Goes to the position after the next value.
    fn skip(&mut self) {
        let mut depth = 0_usize;
        let from = self.value();
        let (mut in_text, mut escaped) = (false, false);
        for (offset, byte) in self.text.as_bytes()[from..].iter().enumerate() {
            self.at = from + offset;
            if in_text {
                in_text = escaped || *byte != b'"';
                escaped = !escaped && *byte == b'\\';
                if in_text || depth > 0 {
                    continue;
                }
                self.at += 1;
                return;
            }
            match byte {
                b'"' => in_text = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth > 1 => depth -= 1,
                // The end of what was entered here, or of what holds a bare value.
                b'}' | b']' => {
                    self.at += depth;
                    return;
                }
                b',' if depth == 0 => return,
                _ => {}
            }
        }
        self.at = self.text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    const TEXT: &str =
        "{\n  \"a/b\": [1, {\"c\": \"}\\\"],\", \"d\": {}},\n    [[]], tr\u{fc}],\n  \"\u{e9}~\": \"x\", \"e\": 7\n}\n";

    #[test]
    fn a_pointer_has_the_line_and_column_of_its_value() {
        let cases = [
            ("", (1, 1)),
            ("/a~1b", (2, 10)),
            ("/a~1b/0", (2, 11)),
            ("/a~1b/1", (2, 14)),
            ("/a~1b/1/c", (2, 20)),
            ("/a~1b/1/d", (2, 34)),
            ("/a~1b/2", (3, 5)),
            ("/a~1b/2/0", (3, 6)),
            ("/a~1b/3", (3, 11)),
            ("/\u{e9}~0", (4, 9)),
            ("/e", (4, 19)),
        ];
        for (pointer, place) in cases {
            assert_eq!(of(TEXT, pointer), place, "{pointer}");
        }
    }

    #[test]
    fn a_missing_value_has_the_place_of_the_value_that_should_contain_it() {
        for (pointer, place) in [("/a~1b/1/x", (2, 14)), ("/a~1b/9", (2, 10)), ("/x/y", (1, 1)), ("/e/0", (4, 19))] {
            assert_eq!(of(TEXT, pointer), place, "{pointer}");
        }
    }

    #[test]
    fn a_text_that_is_no_json_has_places_too() {
        for text in ["", "{", "[", "{\"a\"", "{\"a\":", "[1", "\"", "{\"a\": \"\\", "]", "{\"a\" 1}", "{\"a\":[}"] {
            for pointer in ["", "/a", "/0", "/a/0", "/1"] {
                of(text, pointer);
            }
        }
    }
}
