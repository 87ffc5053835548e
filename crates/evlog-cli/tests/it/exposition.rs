//! A strict reader of the text format of Prometheus, version 0.0.4. Anything that a parser could understand otherwise is an error.

use std::collections::{BTreeMap, BTreeSet};

/// A page with metrics.
#[derive(Debug)]
pub(crate) struct Exposed {
    /// Samples by name and labels, without those labels that all samples share.
    samples: BTreeMap<(String, BTreeMap<String, String>), String>,
    /// The labels that all samples share.
    pub(crate) shared: BTreeMap<String, String>,
}

impl Exposed {
    /// Reads a page. Panics if it is not one.
    #[track_caller]
    pub(crate) fn read(text: &str) -> Exposed {
        assert!(text.ends_with('\n'), "the last line has no end: {text:?}");
        let (mut all, mut families) = (BTreeMap::new(), BTreeSet::new());
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let (name, help) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')).expect(line);
            assert!(is_name(name) && !help.is_empty(), "{line}");
            let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} "))).expect(line);
            assert!(families.insert(name.to_owned()), "{name} comes twice");
            let mut own = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                own.push(sample(line));
            }
            check_family(name, kind, &own);
            for (name, labels, value) in own {
                assert!(all.insert((name, labels), value).is_none(), "a sample comes twice: {text}");
            }
        }
        let mut of_each = all.keys().map(|(_, labels): &(_, BTreeMap<String, String>)| labels.clone());
        let mut shared = of_each.next().expect("no sample");
        of_each.for_each(|labels| shared.retain(|name, value| labels.get(name) == Some(value)));
        let apart = |((name, mut labels), value): ((String, BTreeMap<String, String>), String)| {
            labels.retain(|name, _| !shared.contains_key(name));
            ((name, labels), value)
        };
        Exposed { samples: all.into_iter().map(apart).collect(), shared: shared.clone() }
    }

    /// The value of a sample without labels of its own, a whole number; `None` if it is absent.
    pub(crate) fn get(&self, name: &str) -> Option<u64> {
        self.labelled(name, &[])
    }

    /// The same of a sample with labels.
    pub(crate) fn labelled(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        self.text(name, labels).map(|value| value.parse().expect(value))
    }

    fn text(&self, name: &str, labels: &[(&str, &str)]) -> Option<&str> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.samples.get(&(name.to_owned(), labels)).map(String::as_str)
    }

    /// The value of a sample in seconds that must be there.
    #[track_caller]
    pub(crate) fn seconds(&self, name: &str) -> f64 {
        self.text(name, &[]).unwrap_or_else(|| panic!("{name} is absent: {self:?}")).parse().unwrap()
    }

    /// The value of a sample that must be there.
    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> u64 {
        self.get(name).unwrap_or_else(|| panic!("{name} is absent: {self:?}"))
    }

    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.samples.keys().map(|(name, _)| name.as_str()).collect()
    }
}

fn is_name(name: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    !name.is_empty() && name.bytes().all(is_good) && !name.as_bytes()[0].is_ascii_digit()
}

type Sample = (String, BTreeMap<String, String>, String);

/// A line `name{label="value",…} value`, without a timestamp.
fn sample(line: &str) -> Sample {
    let (name, rest) = line.split_once('{').expect(line);
    assert!(is_name(name), "{line}");
    let (mut labels, mut rest) = (BTreeMap::new(), rest);
    while !rest.starts_with('}') {
        let (label, after) = rest.split_once("=\"").expect(line);
        assert!(is_name(label) && !label.contains(':'), "{line}");
        let (value, after) = quoted(after).expect(line);
        assert!(labels.insert(label.to_owned(), value).is_none(), "{line}: {label} comes twice");
        rest = match after.strip_prefix(',') {
            Some(next) => next,
            None => after,
        };
    }
    let value = rest.strip_prefix("} ").expect(line);
    assert!(!value.contains(char::is_whitespace), "{line}");
    let _number: f64 = value.parse().expect(line);
    (name.to_owned(), labels, value.to_owned())
}

/// The text up to a quote that is not escaped, and what follows that quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                same @ ('\\' | '"') => same,
                _ => return None,
            }),
            other => value.push(other),
        }
    }
    None
}

fn check_family(name: &str, kind: &str, samples: &[Sample]) {
    assert!(!samples.is_empty(), "{name} has no sample");
    match kind {
        "counter" => {
            assert!(name.ends_with("_total"), "{name}");
            assert!(samples.iter().all(|(_, _, value)| !value.starts_with('-')), "{name}: {samples:?}");
        }
        "gauge" => assert!(!name.ends_with("_total"), "{name}"),
        "histogram" => return check_histogram(name, samples),
        other => panic!("{name}: {other}"),
    }
    assert!(samples.iter().all(|(own, ..)| own == name), "{name}: {samples:?}");
}

/// Bounds grow, counts do not fall, and the last bucket has all observations.
fn check_histogram(name: &str, samples: &[Sample]) {
    let of = |suffix: &str| -> Vec<&Sample> {
        samples.iter().filter(|(own, ..)| *own == format!("{name}_{suffix}")).collect()
    };
    let bound = |labels: &BTreeMap<String, String>| labels["le"].replace('+', "").parse::<f64>().unwrap();
    let bucket = |(_, labels, count): &&Sample| (bound(labels), count.parse::<u64>().unwrap());
    let buckets: Vec<(f64, u64)> = of("bucket").iter().map(bucket).collect();
    assert!(buckets.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1), "{name}: {buckets:?}");
    let (sums, counts) = (of("sum"), of("count"));
    assert_eq!((sums.len(), counts.len(), buckets.len() + 2), (1, 1, samples.len()), "{name}: {samples:?}");
    let last = buckets.last().unwrap();
    assert!(last.0.is_infinite() && last.1.to_string() == counts[0].2, "{name}");
}

#[test]
fn the_reader_refuses_what_is_not_the_format() {
    let good = "# HELP a_total x\n# TYPE a_total counter\na_total{l=\"q\\\"\\\\\\n\"} 1\n";
    assert_eq!(Exposed::read(good).shared["l"], "q\"\\\n");
    for (from, to) in [
        ("} 1\n", "} 1"),
        ("counter", "gauge"),
        ("# TYPE a_total counter\n", ""),
        ("x\n", "x\n\n"),
        ("} 1", "} one"),
        ("} 1", "} 1 2 3"),
        ("} 1", "} -1"),
        ("\\n\"", "\\t\""),
        ("a_total{", "b_total{"),
        ("l=", "l ="),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        let read = std::panic::catch_unwind(|| Exposed::read(&bad));
        assert!(read.is_err(), "{bad:?}");
    }
}
