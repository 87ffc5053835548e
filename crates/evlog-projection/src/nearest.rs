//! What a mistyped name probably means.

use crate::members::quoted;

/// The known name that is nearest to what was typed, if it is near: at most one character in three differs. The case of letters
/// does not count.
pub fn nearest<'k>(typed: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let typed: Vec<char> = typed.to_lowercase().chars().collect();
    // A part of the name must be the same.
    let most = (typed.len() / 3).max(1).min(typed.len().saturating_sub(1));
    let near = known.into_iter().filter_map(|name| {
        let letters: Vec<char> = name.to_lowercase().chars().collect();
        // If the lengths differ by more, the distance is greater, too. So for most names it need not be computed.
        let is_possible = letters.len().abs_diff(typed.len()) <= most;
        let distance = is_possible.then(|| distance(&typed, &letters)).filter(|distance| *distance <= most)?;
        Some((distance, name))
    });
    near.min().map(|(_, name)| name)
}

/// The question "did you mean …?" with the nearest known name, if one is near.
pub fn meant<'k>(typed: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    nearest(typed, known).map(|name| format!("did you mean `{name}`?"))
}

/// The sentence about a word that is none of those allowed, with the one that was probably meant.
pub fn one_of(known: &[&str], found: &str) -> String {
    let question = meant(found, known.iter().copied()).map(|question| format!("; {question}")).unwrap_or_default();
    format!("expected one of `{}`, found `{}`{question}", known.join("`, `"), quoted(found))
}

/// How many characters must be inserted, removed or replaced, or swapped with the next one, to make one text of the other.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, found) in other.iter().enumerate() {
            let replaced = above[column] + usize::from(letter != found);
            let mut least = replaced.min(above[column + 1] + 1).min(line[column] + 1);
            if row > 0 && column > 0 && *letter == other[column - 1] && one[row - 1] == *found {
                least = least.min(before[column - 1] + 1);
            }
            line.push(least);
        }
        before = std::mem::replace(&mut above, line);
    }
    above[other.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_name_is_meant_if_few_of_its_letters_differ() {
        let known = ["RUN_1", "RUN_12", "RUN_123", "status", "story"];
        let cases = [
            ("RUN_21", Some("RUN_1")),
            ("RUN12", Some("RUN_12")),
            ("run_12", Some("RUN_12")),
            ("sttaus", Some("status")),
            ("stroy", Some("story")),
            ("build-7", None),
            ("M", None),
            ("r", None),
            ("STATSU", Some("status")),
            ("", None),
        ];
        for (typed, expected) in cases {
            assert_eq!(nearest(typed, known), expected, "{typed}");
        }
    }
}
