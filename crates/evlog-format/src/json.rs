//! Checks whether bytes are JSON text in the form of RFC 8785, as payloads of custom kinds must be (rule F-39).
//!
//! Does: return the first byte that differs, and what was expected there. Does not: make a value, or allocate.
//!
//! Invariant: a text that passes is the only spelling of its value.

use core::fmt;

/// How deep arrays and objects may be nested.
pub const DEPTH_MAX: usize = 127;

/// The most digits with which a double represents every integer exactly.
const DIGITS_CARRIED: usize = 15;

/// The place where a text is not in the form of RFC 8785.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotCanonical {
    /// Offset within the text of the first byte that differs, as precisely as it can be determined.
    pub offset: usize,
    /// The requirement of the rule at this place.
    pub expected: &'static str,
}

impl fmt::Display for NotCanonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotCanonical { offset, expected } = self;
        write!(f, "expected {expected} at byte {offset} of the payload, counted from 0")
    }
}

impl core::error::Error for NotCanonical {}

/// Checks a whole text.
pub fn check_canonical(bytes: &[u8]) -> Result<(), NotCanonical> {
    let text =
        core::str::from_utf8(bytes).map_err(|error| NotCanonical { offset: error.valid_up_to(), expected: "UTF-8" })?;
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.value()?;
    if reader.at == text.len() { Ok(()) } else { Err(reader.not("the end of the text")) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn not(&self, expected: &'static str) -> NotCanonical {
        NotCanonical { offset: self.at, expected }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self) -> Result<(), NotCanonical> {
        match self.peek() {
            Some(b'{') => self.nested(Reader::object),
            Some(b'[') => self.nested(Reader::array),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn nested(&mut self, inside: fn(&mut Reader<'t>) -> Result<(), NotCanonical>) -> Result<(), NotCanonical> {
        if self.depth == DEPTH_MAX {
            return Err(self.not("at most 127 levels of arrays and objects"));
        }
        self.depth += 1;
        self.at += 1;
        inside(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self) -> Result<(), NotCanonical> {
        if self.takes(b']') {
            return Ok(());
        }
        loop {
            self.value()?;
            if self.takes(b']') {
                return Ok(());
            }
            if !self.takes(b',') {
                return Err(self.not("`,` or `]`"));
            }
        }
    }

    fn object(&mut self) -> Result<(), NotCanonical> {
        if self.takes(b'}') {
            return Ok(());
        }
        let mut before: Option<&'t str> = None;
        loop {
            let start = self.at;
            let name = self.string()?;
            if before.is_some_and(|before| !is_before(before, name)) {
                let expected = "names of members in the order of UTF-16, each once";
                return Err(NotCanonical { offset: start, expected });
            }
            before = Some(name);
            if !self.takes(b':') {
                return Err(self.not("`:`"));
            }
            self.value()?;
            if self.takes(b'}') {
                return Ok(());
            }
            if !self.takes(b',') {
                return Err(self.not("`,` or `}`"));
            }
        }
    }

    /// The text between the quotes.
    fn string(&mut self) -> Result<&'t str, NotCanonical> {
        if !self.takes(b'"') {
            return Err(self.not("`\"`"));
        }
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at - 1]);
                }
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.at += 1,
                Some(_) => return Err(self.not("a control character to be escaped")),
                None => return Err(self.not("`\"`")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), NotCanonical> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += match rest.get(1) {
            Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') if is_long_escape(rest) => 6,
            _ => return Err(self.not("the one escape of this character, if it has one")),
        };
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotCanonical> {
        let rest = &self.text[self.at..];
        let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let token = &rest[..rest.bytes().take_while(|byte| is_part(*byte)).count()];
        if !is_short_integer(token) && !is_shortest(token) {
            return Err(self.not("a number as ECMAScript writes it"));
        }
        self.at += token.len();
        Ok(())
    }

    fn word(&mut self) -> Result<(), NotCanonical> {
        let rest = &self.text[self.at..];
        let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word));
        self.at += word.ok_or_else(|| self.not("a JSON value"))?.len();
        Ok(())
    }
}

/// `\u001f`, in small letters, of a character without a short escape.
fn is_long_escape(escape: &[u8]) -> bool {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match escape.get(2..6) {
        Some([b'0', b'0', b'0', last]) => digit(last) && !matches!(last, b'8' | b'9' | b'a' | b'c' | b'd'),
        Some([b'0', b'0', b'1', last]) => digit(last),
        _ => false,
    }
}

/// Whether one member's name, as it is spelled, comes before another.
fn is_before(left: &str, right: &str) -> bool {
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii() && byte != b'\\');
    if is_plain(left) && is_plain(right) { left < right } else { units(left).lt(units(right)) }
}

/// The UTF-16 code units of a name as it is spelled. Its escapes were checked before.
fn units(name: &str) -> impl Iterator<Item = u16> + '_ {
    let mut chars = name.chars();
    let mut low = None;
    core::iter::from_fn(move || {
        if let Some(unit) = low.take() {
            return Some(unit);
        }
        let char = match chars.next()? {
            '\\' => unescaped(&mut chars)?,
            char => char,
        };
        let mut units = [0; 2];
        let len = char.encode_utf16(&mut units).len();
        low = (len == 2).then_some(units[1]);
        Some(units[0])
    })
}

fn unescaped(chars: &mut core::str::Chars<'_>) -> Option<char> {
    Some(match chars.next()? {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let code = chars.as_str().get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok())?;
            chars.nth(3);
            char::from_u32(code)?
        }
        other => other,
    })
}

/// Whether a token is an integer of few digits without a leading zero. Such a spelling is canonical, and the double
/// need not be computed.
fn is_short_integer(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    let is_short = (1..=DIGITS_CARRIED).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_short && (!digits.starts_with('0') || token == "0")
}

/// Whether a number is spelled as ECMAScript writes its value, a double.
fn is_shortest(token: &str) -> bool {
    let Ok(double) = token.parse::<f64>() else { return false };
    double.is_finite() && ryu_js::Buffer::new().format_finite(double) == token
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;

    #[test]
    fn a_text_in_the_form_of_rfc_8785_is_accepted() {
        let texts = [
            "null",
            "true",
            "0",
            "-1",
            "123456789012345",
            "9007199254740993000",
            "10000000000000000",
            "100000000000000000000",
            "1e+21",
            "-1.7976931348623157e+308",
            "5e-324",
            "0.000001",
            "1e-7",
            "1.5",
            "333333333.3333333",
            // 1000000000000000.25: if two shortest spellings are equally near, the even one counts.
            "1000000000000000.2",
            "-1125899906842624.8",
            "\"\"",
            "\"\\b\\t\\n\\f\\r\\\"\\\\/\\u0000\\u001f\u{7f}\u{1f980}\u{2028}\"",
            "[]",
            "{}",
            "[[],{},[1,\"a\"]]",
            "{\"\":1,\"a\":{\"b\":[null]},\"b\":2}",
            // In UTF-16, characters beyond U+FFFF sort before U+FB33; an escape counts as its character.
            "{\"\\n\":1,\"\\\"\":2,\"a\":3,\"\u{1f600}\":4,\"\u{fb33}\":5}",
        ];
        for text in texts {
            assert_eq!(check_canonical(text.as_bytes()), Ok(()), "{text}");
        }
        let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        assert_eq!(check_canonical(&deep(DEPTH_MAX)), Ok(()));
        assert_eq!(check_canonical(&deep(DEPTH_MAX + 1)).map_err(|error| error.offset), Err(DEPTH_MAX));
    }

    #[test]
    fn another_spelling_is_refused_at_its_place() {
        let cases: [(&[u8], usize); 38] = [
            (b"", 0),
            (b" 1", 0),
            (b"1 ", 1),
            (b"\"\xff\"", 1),
            (b"\"\xed\xa0\x80\"", 1),
            (b"\"\\ud800\"", 1),
            (b"\"\\u0041\"", 1),
            (b"\"\\u000a\"", 1),
            (b"\"\\u001F\"", 1),
            (b"\"\\u00\"", 1),
            (b"\"\\/\"", 1),
            (b"\"\n\"", 1),
            (b"\"a", 2),
            (b"{\"b\":1,\"a\":2}", 7),
            (b"{\"a\":1,\"a\":2}", 7),
            ("{\"\u{fb33}\":1,\"\u{1f600}\":2}".as_bytes(), 9),
            (b"{\"a\": 1}", 5),
            (b"{\"a\":1,}", 7),
            (b"{1:2}", 1),
            (b"{\"a\"}", 4),
            (b"[1,]", 3),
            (b"[1", 2),
            (b"01", 0),
            (b"-0", 0),
            (b"1.0", 0),
            (b"1e16", 0),
            (b"1e21", 0),
            (b"1E+21", 0),
            (b"0.10", 0),
            (b"1e-6", 0),
            (b".5", 0),
            (b"1e999", 0),
            (b"9007199254740993", 0),
            (b"18446744073709551616", 0),
            (b"1.7976931348623157e+3080", 0),
            (b"1000000000000000.3", 0),
            (b"NaN", 0),
            (b"nul", 0),
        ];
        for (text, offset) in cases {
            let found = check_canonical(text).map_err(|error| error.offset);
            assert_eq!(found, Err(offset), "{}", String::from_utf8_lossy(text));
        }
    }
}
