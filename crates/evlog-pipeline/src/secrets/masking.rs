//! Finds secrets in bytes that come in any pieces, and puts `***` in their place.
//!
//! Invariants:
//! - What is masked does not depend on the pieces in which the bytes come.
//! - No byte that belongs to an occurrence of a secret is let through, even where occurrences overlap.
//! - The number of bytes that are held back is bounded by the longest value, and by what [`Reading`] takes for one character.

use super::FORM_LEN_MIN;
use super::readings::Reading;
use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The replacement for a secret.
pub(super) const MASK: &[u8] = b"***";

/// How many levels of JSON text within JSON text are searched.
const NESTED_MAX: usize = 4;

/// The strings that are searched for.
pub(super) struct Known {
    /// Values and their lines. They are searched in what can be read as text.
    text: Words,
    /// Values in base64. They are searched in what can be read as base64.
    base64: Words,
    /// Values in hexadecimal digits. They are searched in what can be read as hexadecimal digits.
    hexadecimal: Words,
}

impl Known {
    /// Returns `None` if there is nothing to look for.
    pub(super) fn of(values: &BTreeSet<Vec<u8>>) -> Option<Known> {
        let forms = |of: fn(&[u8]) -> Vec<Vec<u8>>| {
            values.iter().flat_map(|value| of(value)).filter(|form| form.len() >= FORM_LEN_MIN).collect::<BTreeSet<_>>()
        };
        let lines = forms(|value| value.split(|b| *b == b'\n').map(|line| line.trim_ascii().to_vec()).collect());
        let text = lines.into_iter().chain(values.iter().cloned()).collect();
        (!values.is_empty()).then(|| Known {
            text: Words::new(text),
            base64: Words::new(forms(base64)),
            hexadecimal: Words::new(forms(hexadecimal)),
        })
    }

    /// Every reading of the bytes that is searched, with the words to find in it. Control characters that a terminal does
    /// not show are skipped in all readings but the plain bytes.
    fn readings(&self, bytes: &[u8]) -> Vec<(Reading, &Words)> {
        let whole = Reading::of(bytes);
        let shown = whole.shown();
        let base = shown.as_ref().unwrap_or(&whole);
        let (json, percent) = (base.json(), base.percent());
        let once = [json.as_ref(), percent.as_ref()];
        // A JSON text in a JSON text, a JSON pointer in a form, a URL in a JSON text, and so on.
        let (form, pointer) = (base.form(), base.pointer());
        let all = once.into_iter().chain([form.as_ref(), pointer.as_ref()]).flatten();
        let spelt = |reading: &Reading| [reading.json(), reading.percent(), reading.form(), reading.pointer()];
        let mut texts: Vec<Reading> = all.flat_map(spelt).flatten().collect();
        texts.extend([form, pointer].into_iter().flatten());
        // Several levels of JSON text within JSON text, as when logs quote other logs.
        let again = |reading: &Reading| reading.json();
        let deeper = std::iter::successors(json.as_ref().and_then(again).as_ref().and_then(again), again);
        texts.extend(deeper.take(NESTED_MAX - 2));
        texts.extend([base.json_by_characters()].into_iter().flatten());
        if let Some(tight) = base.tight() {
            texts.extend(spelt(&tight).into_iter().chain([Some(tight)]).flatten());
        }
        let packed = || once.into_iter().flatten().chain([base]);
        let base64: Vec<Reading> = packed().map(Reading::base64).collect();
        let hexadecimal: Vec<Reading> = packed().map(Reading::hexadecimal).collect();
        texts.extend([json, percent, shown, Some(whole)].into_iter().flatten());
        let of = |readings: Vec<Reading>, words| readings.into_iter().map(move |reading| (reading, words));
        of(texts, &self.text).chain(of(base64, &self.base64)).chain(of(hexadecimal, &self.hexadecimal)).collect()
    }

    /// Whether some secret is in the bytes.
    pub(super) fn are_in(&self, bytes: &[u8]) -> bool {
        self.readings(bytes).iter().any(|(reading, words)| words.are_in(reading.bytes()))
    }
}

/// Words to be found, even where they overlap.
struct Words {
    all: Vec<Vec<u8>>,
    finder: Option<AhoCorasick>,
    /// Whether some word begins with the byte.
    begins: [bool; 256],
    len_max: usize,
}

impl Words {
    fn new(words: BTreeSet<Vec<u8>>) -> Words {
        let words: Vec<Vec<u8>> = words.into_iter().collect();
        let built = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&words);
        // An automaton has room for far more than an environment can hold.
        let finder = built.unwrap_or_else(|error| unreachable!("the secrets of one environment: {error}"));
        let mut begins = [false; 256];
        for word in &words {
            begins[usize::from(word[0])] = true;
        }
        let len_max = words.iter().map(Vec::len).max().unwrap_or(0);
        Words { finder: (len_max > 0).then_some(finder), all: words, begins, len_max }
    }

    fn are_in(&self, bytes: &[u8]) -> bool {
        self.finder.as_ref().is_some_and(|finder| finder.is_match(bytes))
    }

    /// The places of the words in the source of a reading.
    fn found<'r>(&'r self, reading: &'r Reading) -> impl Iterator<Item = (usize, usize)> + 'r {
        let found = self.finder.iter().flat_map(|finder| finder.find_overlapping_iter(reading.bytes()));
        found.map(|found| {
            let place = reading.places(found.range());
            (place.start, place.end)
        })
    }

    /// How many bytes of a reading's source are settled: no later byte can make them part of a word. They are the bytes
    /// before the first place from which the rest is the beginning of a word.
    fn settled(&self, reading: &Reading) -> usize {
        let bytes = reading.bytes();
        let first = bytes.len().saturating_sub(self.len_max.saturating_sub(1));
        let open = |at: &usize| {
            let rest = &bytes[*at..];
            self.begins[usize::from(rest[0])]
                && self.all.iter().any(|word| word.len() > rest.len() && word.starts_with(rest))
        };
        let begun = (first..bytes.len()).find(open);
        begun.map_or(reading.open(), |at| reading.places(at..at + 1).start.min(reading.open()))
    }
}

/// A value in base64, for each position within a group of three bytes at which it may begin.
fn base64(value: &[u8]) -> Vec<Vec<u8>> {
    let shifted = (0..3).map(|before| (before, [&[0; 3][..before], value].concat()));
    let forms = shifted.flat_map(|(before, shifted)| {
        // Only the characters that hold no bits of a neighbour; and the last character, if the value ends the text.
        let (from, to) = ((before * 8usize).div_ceil(6), shifted.len() * 8 / 6);
        let text = STANDARD_NO_PAD.encode(&shifted).into_bytes();
        [text[from..to].to_vec(), text[from..].to_vec()]
    });
    forms.collect()
}

/// A value in small hexadecimal digits.
fn hexadecimal(value: &[u8]) -> Vec<Vec<u8>> {
    let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
    vec![value.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()]
}

/// Masks bytes that come in pieces. What could be the beginning of a secret is held back until it is known.
pub(crate) struct Masking {
    known: Option<Arc<Known>>,
    held: Vec<u8>,
    /// How many of the first bytes held are known to belong to a secret.
    covered: usize,
    /// Whether the last byte that was put out belonged to a secret. A secret that follows directly shares its mask.
    in_mask: bool,
}

impl Masking {
    pub(super) fn new(known: Option<Arc<Known>>) -> Masking {
        Masking { known, held: Vec::new(), covered: 0, in_mask: false }
    }

    /// Takes a piece, and puts out what is settled.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(known) = self.known.clone() else {
            out.extend_from_slice(bytes);
            return;
        };
        self.held.extend_from_slice(bytes);
        let readings = known.readings(&self.held);
        let mut settled =
            readings.iter().map(|(reading, words)| words.settled(reading)).fold(self.held.len(), usize::min);
        // The next call reads from there, and must read these bytes as this call has read them.
        loop {
            let boundary =
                readings.iter().fold(settled, |settled, (reading, _)| reading.boundary(settled).min(settled));
            if boundary == settled {
                break;
            }
            settled = boundary;
        }
        self.release(&readings, settled, out);
    }

    /// Puts out the rest.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(known) = self.known.clone() {
            let readings = known.readings(&self.held);
            self.release(&readings, self.held.len(), out);
        }
    }

    fn release(&mut self, readings: &[(Reading, &Words)], settled: usize, out: &mut Vec<u8>) {
        // Bytes up to `done` are put out. Bytes up to `covered` belong to a secret.
        let (mut done, mut covered) = (0, self.covered);
        let mut put = |from: usize, to: usize, is_secret: bool, in_mask: &mut bool| {
            let to = to.min(settled);
            if from >= to {
                return;
            }
            match (is_secret, *in_mask) {
                (true, true) => {}
                (true, false) => out.extend_from_slice(MASK),
                (false, _) => out.extend_from_slice(&self.held[from..to]),
            }
            *in_mask = is_secret;
        };
        let mut found: Vec<(usize, usize)> =
            readings.iter().flat_map(|(reading, words)| words.found(reading)).collect();
        found.sort_unstable();
        for (start, end) in found.into_iter().filter(|(start, _)| *start < settled) {
            if start > covered {
                put(done, covered, true, &mut self.in_mask);
                put(covered.max(done), start, false, &mut self.in_mask);
                done = start;
            }
            covered = covered.max(end);
        }
        put(done, covered, true, &mut self.in_mask);
        put(covered.max(done), settled, false, &mut self.in_mask);
        self.held.drain(..settled);
        self.covered = covered.saturating_sub(settled);
    }
}
