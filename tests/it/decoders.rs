//! Every decoder over the corpus and over changed copies of it: what must hold of any bytes holds, and no more memory is
//! taken than a decoder may take. A bounded run on the stable compiler; `tests/fuzz` runs the same targets without end.
//!
//! `EVLOG_FUZZ_CASES=n` tries n times as many changed inputs: `just decoders n`. The same input makes the same changes.

use evlog_tests::{TARGETS, Target, corpus, seeds};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A small generator of numbers.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`, or 0.
    fn roll(&mut self, sides: usize) -> usize {
        usize::try_from(self.next() % (sides.max(1) as u64)).unwrap()
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.roll(list.len())]
    }
}

/// Numbers at which decoders go wrong.
const EDGES: [u64; 12] = [0, 1, 127, 251, 252, 253, 255, 65_535, u32::MAX as u64, 1 << 32, i64::MAX as u64, u64::MAX];

/// Changes an input in one to four ways.
fn change(bytes: &mut Vec<u8>, others: &[Vec<u8>], dice: &mut Dice) {
    for _ in 0..=dice.roll(4) {
        let (at, other) = (dice.roll(bytes.len()), dice.of(others));
        match dice.roll(9) {
            0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << dice.roll(8),
            2 if !bytes.is_empty() => bytes[at] = *dice.of(&[0, 1, 0x7f, 0x80, 0xfb, 0xfc, 0xfd, 0xff]),
            3 => {
                // A number of some width becomes one at an edge, or that and a little more or less.
                let number = dice.of(&EDGES).wrapping_add(dice.next() % 3).wrapping_sub(1);
                let len = (*dice.of(&[2, 4, 8])).min(bytes.len() - at);
                bytes[at..at + len].copy_from_slice(&number.to_le_bytes()[..len]);
            }
            4 => bytes.truncate(at),
            5 => bytes.extend((0..dice.roll(40)).map(|_| 0)),
            6 => drop(bytes.splice(at..(at + dice.roll(16)).min(bytes.len()), Vec::new())),
            7 => {
                let (from, to) = (at, (at + dice.roll(64)).min(bytes.len()));
                bytes.extend_from_within(from..to);
            }
            _ => {
                let from = dice.roll(other.len());
                let piece = &other[from..(from + dice.roll(64)).min(other.len())];
                bytes.splice(at..(at + piece.len()).min(bytes.len()), piece.iter().copied());
            }
        }
    }
}

/// The inputs of a target that are kept.
fn inputs(target: &str) -> BTreeMap<String, Vec<u8>> {
    let dir = corpus(target);
    let entries =
        fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}; EVLOG_BLESS=1 makes it", dir.display()));
    let read = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    entries.map(|entry| read(entry.unwrap())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Tries one input; the error says what went wrong.
fn try_one(target: &Target, bytes: &[u8]) -> Result<(), String> {
    let mut said = Ok(());
    let taken = allocation_counter::measure(|| {
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.check)(bytes)));
        said = outcome.map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
        });
    });
    let most = (target.memory)(bytes.len()) as u64;
    said.and_then(
        |()| if taken.bytes_max <= most { Ok(()) } else { Err(format!("{} bytes are taken", taken.bytes_max)) },
    )
}

/// Tries the corpus, and `cases` changed inputs; the error is that of the first that goes wrong.
fn try_all(target: &Target, corpus: &BTreeMap<String, Vec<u8>>, cases: u64) -> Result<(), String> {
    // Memory that is allocated once and kept does not count, so one input is tried first.
    for bytes in corpus.values().take(1) {
        drop(catch_unwind(|| (target.check)(bytes)));
    }
    for (name, bytes) in corpus {
        try_one(target, bytes).map_err(|said| format!("{}, `{name}` of its corpus: {said}", target.name))?;
    }
    let kept: Vec<Vec<u8>> = corpus.values().cloned().collect();
    let mut dice = Dice(7);
    for case in 0..cases {
        let mut bytes = dice.of(&kept).clone();
        change(&mut bytes, &kept, &mut dice);
        try_one(target, &bytes).map_err(|said| {
            let advice = "put these bytes into its corpus once it is mended";
            format!("{}, case {case}: {said}\n{advice}: {}", target.name, hex(&bytes))
        })?;
    }
    Ok(())
}

fn times() -> u64 {
    std::env::var("EVLOG_FUZZ_CASES").map_or(1, |text| text.parse().unwrap())
}

#[test]
fn the_corpus_holds_the_seeds_that_the_golden_logs_make() {
    for target in TARGETS {
        let (dir, seeds) = (corpus(target.name), seeds::of(target.name));
        if std::env::var_os("EVLOG_BLESS").is_some() {
            fs::create_dir_all(&dir).unwrap();
            for (name, bytes) in &seeds {
                fs::write(dir.join(name), bytes).unwrap();
            }
        }
        let kept = inputs(target.name);
        for (name, bytes) in seeds {
            assert!(kept.get(&name) == Some(&bytes), "{}: `{name}` differs; EVLOG_BLESS=1 writes it", target.name);
        }
    }
}

/// One test runs all targets. So each target gets the same cases in every run, and no other test allocates memory while a target
/// is measured.
#[test]
fn every_decoder_passes_its_checks_on_the_corpus_and_on_changed_inputs() {
    for target in TARGETS {
        if let Err(said) = try_all(&target, &inputs(target.name), target.cases * times()) {
            panic!("{said}");
        }
    }
}

/// Decoders of a frame that are broken on purpose.
mod broken {
    use evlog_format::FRAME_HEADER_LEN;

    fn parts(input: &[u8]) -> Option<(usize, &[u8])> {
        let frame = input.get(8..)?;
        Some((u32::from_le_bytes(*frame.first_chunk()?) as usize, frame))
    }

    /// Reads the body without checking that it is there.
    pub(super) fn panics(input: &[u8]) {
        if let Some((len, frame)) = parts(input).filter(|(_, frame)| frame.len() >= FRAME_HEADER_LEN) {
            assert_eq!(frame[FRAME_HEADER_LEN..FRAME_HEADER_LEN + len].len(), len);
        }
    }

    /// Allocates memory for the body before it checks that it is there.
    pub(super) fn allocates(input: &[u8]) {
        if let Some((len, frame)) = parts(input) {
            let mut body: Vec<u8> = Vec::with_capacity(len.min(1 << 30));
            body.extend_from_slice(&frame[..frame.len().min(4)]);
        }
    }

    /// Compares no checksum.
    pub(super) fn accepts(input: &[u8]) {
        let Some((len, frame)) = parts(input).filter(|(len, _)| *len > 0) else { return };
        let Some(body) = frame.get(FRAME_HEADER_LEN..FRAME_HEADER_LEN + len) else { return };
        let mark = u64::from_le_bytes(*frame[8..].first_chunk().unwrap());
        let position = u64::from_le_bytes(*input.first_chunk().unwrap());
        let decoded = evlog_format::Decoded::Frame(evlog_format::Frame { position, durable_before: mark, body });
        evlog_tests::check_decoded(position, frame, decoded);
    }
}

#[test]
fn decoders_that_panic_or_take_memory_unseen_or_accept_wrong_bytes_are_found_out() {
    let of = |check: fn(&[u8])| Target { check, ..evlog_tests::target("frame") };
    let found = |check| try_all(&of(check), &inputs("frame"), 20_000).expect_err("nothing was noticed");
    assert!(found(broken::panics).contains("out of range"));
    assert!(found(broken::allocates).contains("bytes are taken"));
    assert!(found(broken::accepts).contains("another encoding"));
}
