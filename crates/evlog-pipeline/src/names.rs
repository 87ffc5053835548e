//! Finds dates and times in the names of artifacts: such paths would differ from one run to the next (pipeline.md 4.9).
//!
//! How evlog reads the specification: only delimited tokens count. Their month and day must exist, and a token within a UUID does not count.

/// Where names may have times: scratch files, which are never compared.
const SCRATCH: &str = "logs/scratch/";

/// The date in a path, if there is one: `2026-01-31` or `20260131`, alone or followed by `T` and a time. Only the date is
/// returned.
pub fn time_in(path: &str) -> Option<&str> {
    if path.starts_with(SCRATCH) {
        return None;
    }
    let mut at = 0;
    while at < path.len() {
        if let Some(len) = uuid_len(&path[at..]) {
            at += len;
            continue;
        }
        if let Some(len) = date_len(&path[at..]) {
            return Some(&path[at..at + len]);
        }
        at += word_len(&path[at..]);
    }
    None
}

/// Length up to the start of the next token: a run of letters and digits, and then one delimiter.
fn word_len(text: &str) -> usize {
    match text.char_indices().find(|(_, c)| !c.is_alphanumeric()) {
        Some((at, delimiter)) => at + delimiter.len_utf8(),
        None => text.len(),
    }
}

fn digits(text: &[u8], from: usize, len: usize) -> Option<u32> {
    let part = text.get(from..from + len)?;
    part.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
}

/// Length of the date at the start of the text. After the date, the token must end or a time must follow.
fn date_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    digits(bytes, 0, 4)?;
    let dashed = bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
    let (month, day, len) = if dashed { (5, 8, 10) } else { (4, 6, 8) };
    let exists = (1..=12).contains(&digits(bytes, month, 2)?) && (1..=31).contains(&digits(bytes, day, 2)?);
    let rest = &text[len..];
    let ends = !rest.starts_with(char::is_alphanumeric);
    let goes_on = rest.starts_with(['T', 't']) && rest[1..].starts_with(|c: char| c.is_ascii_digit());
    (exists && (ends || goes_on)).then_some(len)
}

fn uuid_len(text: &str) -> Option<usize> {
    const LEN: usize = 36;
    let part = text.as_bytes().get(..LEN)?;
    let shape = part.iter().enumerate().all(|(at, b)| match at {
        8 | 13 | 18 | 23 => *b == b'-',
        _ => b.is_ascii_hexdigit(),
    });
    (shape && !text[LEN..].starts_with(char::is_alphanumeric)).then_some(LEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_found_where_they_are_delimited() {
        let cases = [
            ("report/2026-01-31.json", Some("2026-01-31")),
            ("report/2026-01-31/a.json", Some("2026-01-31")),
            ("a-20260131.json", Some("20260131")),
            ("a_20260131_b", Some("20260131")),
            ("20260131T101500Z.json", Some("20260131")),
            ("é20260131", None),
            ("é/20260131", Some("20260131")),
            ("2026-01-31T10:15:00Z", Some("2026-01-31")),
            ("logs/scratch/2026-01-31.json", None),
            ("a20260131.json", None),
            ("20260131b.json", None),
            ("202601311.json", None),
            ("20261331.json", None),
            ("2026-00-31.json", None),
            ("2026-01-32.json", None),
            ("12345678.json", None),
            ("20260101-1111-4111-8111-111111111111.json", None),
            ("20260101-1111-4111-8111-1111111111112.json", Some("20260101")),
            ("2026-01-3é", None),
            ("report.json", None),
            ("", None),
        ];
        for (path, expected) in cases {
            assert_eq!(time_in(path), expected, "{path}");
        }
    }
}
