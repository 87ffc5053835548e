//! The parts of a string that a terminal does not show: escape sequences and control characters. It is defined in one place,
//! for the lines of a stage's output that are shown, and for the search for secrets in the output.

/// The longest text that is taken for a sequence, in bytes. If a sequence is longer, only its escape character is hidden, and
/// the rest counts as text.
const SEQUENCE_LEN_MAX: usize = 4096;

/// What is at a place of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A byte that is shown, or that ends a line.
    Byte,
    /// This many bytes are not shown.
    Hidden(usize),
    /// The beginning of something that may not be shown. The bytes that decide have not come yet.
    Open,
}

/// What is at the beginning of these bytes, which are not empty.
pub(crate) fn shown(bytes: &[u8]) -> Shown {
    match bytes {
        [0x1b | 0xc2] => Shown::Open,
        // `ESC [ ... letter`.
        [0x1b, b'[', rest @ ..] => {
            sequence(2, rest, rest.iter().position(|b| matches!(b, 0x40..=0x7e)).map(|at| at + 1))
        }
        // An operating system command or a similar sequence, up to BEL or `ESC \`.
        [0x1b, b']' | b'P' | b'X' | b'^' | b'_', rest @ ..] => sequence(2, rest, end_of_string(rest)),
        // `ESC [` as one character.
        [0xc2, 0x9b, rest @ ..] => {
            sequence(2, rest, rest.iter().position(|b| matches!(b, 0x40..=0x7e)).map(|at| at + 1))
        }
        // The choice of a character set or a similar sequence, such as `ESC ( B`: bytes below the digits, and one more byte.
        [0x1b, 0x20..=0x2f, rest @ ..] => {
            sequence(2, rest, rest.iter().position(|b| !matches!(b, 0x20..=0x2f)).map(|at| at + 1))
        }
        [0x1b, second, ..] if second.is_ascii() => Shown::Hidden(2),
        [0xc2, 0x80..=0x9f, ..] => Shown::Hidden(2),
        [b'\t' | b'\n' | b'\r', ..] => Shown::Byte,
        // An escape character that begins nothing is hidden like the others.
        [0..=0x1f | 0x7f, ..] => Shown::Hidden(1),
        _ => Shown::Byte,
    }
}

fn sequence(begin_len: usize, rest: &[u8], end: Option<usize>) -> Shown {
    match end {
        Some(len) if begin_len + len <= SEQUENCE_LEN_MAX => Shown::Hidden(begin_len + len),
        None if begin_len + rest.len() < SEQUENCE_LEN_MAX => Shown::Open,
        _ => Shown::Hidden(1),
    }
}

fn end_of_string(rest: &[u8]) -> Option<usize> {
    let bell = rest.iter().position(|b| *b == 7).map(|at| at + 1);
    let ended = rest.windows(2).position(|two| two == b"\x1b\\").map(|at| at + 2);
    [bell, ended].into_iter().flatten().min()
}

/// The text without what a terminal does not show, with a space for a tab.
pub(crate) fn plain(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        match shown(&bytes[at..]) {
            Shown::Byte => {
                out.push(if bytes[at] == b'\t' { b' ' } else { bytes[at] });
                at += 1;
            }
            Shown::Hidden(len) => at += len,
            // No more bytes come. A sequence without its end hides the rest; any other byte counts as itself.
            Shown::Open if bytes[at] == 0x1b => break,
            Shown::Open => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_does_not_show_is_left_out_and_nothing_else() {
        for (text, expected) in [
            ("\u{1b}[1;31mred\u{1b}[0m\ttab\u{7}\u{1b}c!", "red tab!"),
            ("\u{1b}]8;;https://example.com\u{1b}\\link\u{1b}]8;;\u{7}!", "link!"),
            ("a\u{9b}31mb\u{85}c", "abc"),
            ("a\u{1b}(Bb\u{1b}#8c\u{1b}%Gd\u{1b} Fe\u{1b}(", "abcde"),
            ("\u{1b}\u{e9}", "\u{e9}"),
            ("begun \u{1b}[31", "begun "),
            ("\u{a0}\u{e9}\u{6f22}", "\u{a0}\u{e9}\u{6f22}"),
        ] {
            assert_eq!(plain(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_still_to_come_is_waited_for_and_not_for_ever() {
        for open in
            [&b"\x1b"[..], b"\x1b[", b"\x1b[31;", b"\x1b]8;;x", b"\x1b]8;;x\x1b", b"\x1b(", b"\xc2\x9b3", b"\xc2"]
        {
            assert_eq!(shown(open), Shown::Open, "{open:?}");
        }
        let long = [b"\x1b[".as_slice(), &[b'1'; SEQUENCE_LEN_MAX]].concat();
        assert_eq!(shown(&long), Shown::Hidden(1));
        assert_eq!(shown(b"\x1b[31mx"), Shown::Hidden(5));
    }
}
