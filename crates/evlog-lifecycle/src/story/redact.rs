//! Keeps credentials out of what is recorded, because a log keeps its text for ever (story.md 5.5).
//!
//! Two things are replaced: the text after a word such as `password` and a `:` or `=`, and the text after `Bearer` or `Basic`.
//! This catches accidents, not every secret: callers must not put secrets into messages.

use std::borrow::Cow;

/// The replacement for a secret.
pub const REDACTED: &str = "[REDACTED]";

/// Words whose value is a secret, in lower case.
const WORDS: [&str; 10] = [
    "authorization",
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "credential",
];
/// Schemes that a secret follows, in lower case.
const SCHEMES: [&str; 2] = ["bearer ", "basic "];

/// The text without its credentials.
pub fn redacted(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    let (mut whole, mut at) = (String::new(), 0);
    while let Some(start) = next_secret(&lower, at) {
        let len = secret_len(&text[start..]);
        if len > 0 {
            whole.push_str(&text[at..start]);
            whole.push_str(REDACTED);
        } else {
            whole.push_str(&text[at..start]);
        }
        at = start + len;
    }
    if whole.is_empty() {
        return Cow::Borrowed(text);
    }
    whole.push_str(&text[at..]);
    Cow::Owned(whole)
}

/// The place where the next secret begins.
fn next_secret(lower: &str, from: usize) -> Option<usize> {
    let after = |word: &str| -> Option<usize> {
        let found = lower[from..].match_indices(word).map(|(at, _)| from + at + word.len());
        found.filter_map(|end| value_at(lower, end)).find(|start| *start > from)
    };
    let by_word = WORDS.iter().filter_map(|word| after(word)).min();
    let by_scheme = SCHEMES.iter().filter_map(|scheme| {
        let at = lower[from..].find(scheme)?;
        Some(from + at + scheme.len())
    });
    by_word.into_iter().chain(by_scheme.min()).min()
}

/// Where the value of a word that ends here begins; `None` if it has no value.
fn value_at(lower: &str, end: usize) -> Option<usize> {
    let rest = lower[end..].trim_start_matches(['"', '\'', '\\', ' ']);
    let rest = rest.strip_prefix([':', '='])?.trim_start();
    let rest = SCHEMES.iter().find_map(|scheme| rest.strip_prefix(scheme)).unwrap_or(rest);
    Some(lower.len() - rest.len())
}

/// The secret's length: up to its closing quote, or up to the next separator.
fn secret_len(text: &str) -> usize {
    if text.starts_with(REDACTED) {
        return 0;
    }
    let escaped = text.strip_prefix('\\').unwrap_or(text);
    let quoted = |quote: char| {
        let open = text.len() - escaped.strip_prefix(quote)?.len();
        Some(text[open..].find(quote).map_or(text.len(), |len| open + len + 1))
    };
    let separates = |char: char| char.is_whitespace() || matches!(char, ',' | ';' | '&' | ')' | '}' | '"' | '\'');
    quoted('"').or_else(|| quoted('\'')).unwrap_or_else(|| text.find(separates).unwrap_or(text.len()))
}
