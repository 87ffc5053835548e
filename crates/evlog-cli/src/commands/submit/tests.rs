//! Claims about cutting input into lines.

use super::input::{LINE_LEN_MAX, Line, Splitter};

const COMMAND: &[u8] = br#"{"contract":"custom","run":"r","do":"record","kind":"custom/a"}"#;

/// Line numbers, and whether each is a command, with the input cut into pieces of one size.
fn split(input: &[u8], piece: usize) -> Vec<(u64, bool)> {
    let mut splitter = Splitter::default();
    let mut lines: Vec<Line> = Vec::new();
    input.chunks(piece).for_each(|chunk| splitter.push(chunk, &mut lines));
    splitter.finish(&mut lines);
    lines.iter().map(|line| (line.number, line.command.is_ok())).collect()
}

#[test]
fn lines_are_the_same_however_the_input_arrives() {
    let input = [b"\n", COMMAND, b"\r\n \n{\n\n", COMMAND].concat();
    let expected = vec![(2, true), (4, false), (6, true)];
    for piece in 1..=input.len() {
        assert_eq!(split(&input, piece), expected, "in pieces of {piece}");
    }
}

#[test]
fn a_byte_order_mark_before_the_first_command_is_taken_and_no_other() {
    let mark = b"\xef\xbb\xbf";
    let input = [mark, COMMAND, b"\r\n", COMMAND, b"\n", mark, COMMAND].concat();
    for piece in 1..=input.len() {
        assert_eq!(split(&input, piece), [(1, true), (2, true), (3, false)], "in pieces of {piece}");
    }
    assert_eq!(split(mark, 1), []);
    assert_eq!(split(&[mark, &b"\n"[..], COMMAND].concat(), 2), [(2, true)]);
}

#[test]
fn a_line_that_is_too_long_is_malformed_and_the_next_one_is_not() {
    let long = vec![b' '; LINE_LEN_MAX + 1];
    let input = [&long[..], b"\n", COMMAND, b"\n"].concat();
    for piece in [4096, 256 * 1024, input.len()] {
        assert_eq!(split(&input, piece), [(1, false), (2, true)], "in pieces of {piece}");
    }
}

#[test]
fn a_line_of_the_greatest_length_is_taken() {
    let mut input = vec![b' '; LINE_LEN_MAX - COMMAND.len()];
    input.extend_from_slice(COMMAND);
    assert_eq!(split(&input, 100_000), [(1, true)]);
}

#[test]
fn no_input_has_no_lines() {
    assert_eq!(split(b"", 1), []);
    assert_eq!(split(b"\n\n", 1), []);
}
