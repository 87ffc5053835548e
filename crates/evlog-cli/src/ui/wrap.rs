//! Text for a terminal, broken at its words.
//!
//! Does not: break lines that go to a file or a pipe.
//!
//! Invariant: nothing is left out. A word that is longer than the terminal is wide stays whole: paths and digests are
//! copied from there.

use console::measure_text_width;

/// If fewer columns than this are left, the terminal breaks the text itself.
const ROOM_MIN: usize = 24;

/// The text, which begins after `before` columns, in lines that begin there too.
pub(super) fn hanging(text: &str, before: usize, columns: Option<usize>) -> String {
    // Some terminals wrap when the last column is written.
    let room = columns.unwrap_or(usize::MAX).saturating_sub(before + 1);
    if room < ROOM_MIN || measure_text_width(text) <= room || text.contains('\n') {
        return text.to_owned();
    }
    let mut broken = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let width = measure_text_width(word);
        if used > 0 && used + 1 + width > room {
            broken.push('\n');
            broken.extend(std::iter::repeat_n(' ', before));
            used = 0;
        } else if used > 0 {
            broken.push(' ');
            used += 1;
        }
        broken.push_str(word);
        used += width;
    }
    broken
}

/// The text, which begins in column `used`, and goes on in lines that begin after `indent` columns where it is too long.
/// `used` becomes the column in which it ends.
pub(super) fn flowing(text: &str, used: &mut usize, columns: usize, indent: usize) -> String {
    let room = columns.saturating_sub(1);
    let mut broken = String::with_capacity(text.len());
    for (index, word) in text.split(' ').enumerate() {
        let width = measure_text_width(word);
        if index > 0 && *used + 1 + width > room && *used > indent {
            broken.push('\n');
            broken.extend(std::iter::repeat_n(' ', indent));
            *used = indent;
        } else if index > 0 {
            broken.push(' ');
            *used += 1;
        }
        broken.push_str(word);
        *used += width;
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_its_words_and_nothing_is_left_out() {
        let text = "failed with `broke`, which stops the run; what it printed is in `logs/normalization.log`";
        let broken = hanging(text, 10, Some(60));
        assert_eq!(
            broken,
            "failed with `broke`, which stops the run; what it\n          printed is in `logs/normalization.log`"
        );
        for columns in 0..120 {
            let broken = hanging(text, 10, Some(columns));
            assert_eq!(broken.split_whitespace().collect::<Vec<_>>(), text.split(' ').collect::<Vec<_>>());
            let widest = broken.lines().map(|line| measure_text_width(line.trim_start())).max().unwrap();
            assert!(broken == text || widest + 10 < columns, "{columns}: {broken}");
        }
    }

    #[test]
    fn a_long_word_stays_whole_and_what_is_no_terminal_has_no_width() {
        let digest = "0123456789abcdef".repeat(4);
        assert_eq!(hanging(&format!("root {digest} read"), 4, Some(40)), format!("root\n    {digest}\n    read"));
        assert_eq!(hanging(&digest.repeat(9), 4, None), digest.repeat(9));
    }
}
