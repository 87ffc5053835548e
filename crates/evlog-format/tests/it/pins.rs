//! Numbers that every log holds are pinned: a change here is a change of the format.

use evlog_format::kind::{BUILT_IN, CUSTOM_PREFIX};
use evlog_format::segment::{CODEC, MAGIC};
use evlog_format::{FORMAT_VERSION, Kind, KindBuf, PLAIN};
use std::fs;
use std::path::Path;

/// The kinds of every log so far, one a line. `EVLOG_BLESS=1` adds new ones, and never changes a line.
const KINDS: &str = "tests/it/kinds.txt";

fn pinned() -> Vec<(u16, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(KINDS);
    let text = fs::read_to_string(path).unwrap();
    let kind = |line: &str| line.split_once(' ').map(|(number, name)| (number.parse().unwrap(), name.to_owned()));
    text.lines().map(|line| kind(line).unwrap()).collect()
}

/// Whether each pinned kind is still there as it was.
fn keeps(pinned: &[(u16, String)], kinds: &[(u16, &str)]) -> bool {
    pinned.iter().all(|(number, name)| kinds.contains(&(*number, name)))
}

#[test]
fn kinds_keep_their_numbers_and_names() {
    // F-35.
    assert!(keeps(&pinned(), BUILT_IN), "a number or a name of {KINDS} was changed or removed; it never is");
    if std::env::var_os("EVLOG_BLESS").is_some() {
        let lines: Vec<String> = BUILT_IN.iter().map(|(number, name)| format!("{number} {name}\n")).collect();
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(KINDS), lines.concat()).unwrap();
    }
    let found: Vec<(u16, String)> = BUILT_IN.iter().map(|(number, name)| (*number, (*name).to_owned())).collect();
    assert_eq!(found, pinned(), "a new kind is to be pinned; EVLOG_BLESS=1 does it");
    assert!(BUILT_IN.is_sorted_by(|a, b| a.0 < b.0), "names are found by binary search");
    assert_eq!(CUSTOM_PREFIX, "custom/");
    for (number, name) in BUILT_IN {
        assert_eq!(Kind::BuiltIn(*number).name(), Some(*name));
        assert_eq!(Kind::BuiltIn(*number).to_string(), *name);
    }
}

#[test]
fn a_kind_that_is_renumbered_renamed_or_removed_is_detected() {
    let pinned = [(1, "a".to_owned()), (2, "b".to_owned())];
    assert!(keeps(&pinned, &[(1, "a"), (2, "b"), (3, "c")]));
    for changed in [&[(1, "a"), (3, "b")][..], &[(1, "a"), (2, "c")], &[(1, "a")], &[(1, "b"), (2, "a")]] {
        assert!(!keeps(&pinned, changed), "{changed:?}");
    }
}

#[test]
fn a_kind_of_a_later_version_is_shown_by_its_number() {
    // F-35.
    assert_eq!((Kind::BuiltIn(9999).name(), Kind::BuiltIn(9999).to_string()), (None, "built-in/9999".into()));
    assert_eq!(Kind::Custom("custom/a").to_string(), "custom/a");
    for kind in [Kind::BuiltIn(9999), Kind::BuiltIn(1), Kind::Custom("custom/a")] {
        assert_eq!(KindBuf::from(kind).as_kind(), kind);
    }
}

#[test]
fn magic_version_and_codec_stay() {
    // F-10, F-11.
    assert_eq!((&MAGIC, FORMAT_VERSION, CODEC), (b"evlogseg", 2, 1));
}

#[test]
fn kinds_below_a_hundred_are_the_logs_own() {
    // F-49.
    assert!([0, 1, 14, 99].iter().all(|number| Kind::BuiltIn(*number).is_of_log()));
    assert!([100, 404, u16::MAX].iter().all(|number| !Kind::BuiltIn(*number).is_of_log()));
    assert!(!Kind::Custom("custom/log.opened").is_of_log());
}

#[test]
fn a_plain_payload_stays_plain() {
    // F-39.
    assert_eq!(PLAIN, 0);
}
