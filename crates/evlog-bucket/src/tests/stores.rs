//! Other stores than memory: a directory, and what URLs are refused.

use super::*;
use crate::probe::{ProbeOptions, Verdict, probe};
use crate::{open_store, sim::SimStore};

fn url_of(dir: &Path) -> String {
    format!("file://{}/log", dir.display())
}

#[test]
fn a_directory_holds_a_log() {
    let disk = tempfile::tempdir().unwrap();
    let url = url_of(disk.path());
    let fs = crate::open(&url, Options::default(), &[]).unwrap();
    let options = CreateOptions { log_id: LOG, segment_limit: LIMIT };
    let writer = Writer::create(Arc::clone(&fs), Path::new(&url), options, &owner()).unwrap();
    for number in 0..20 {
        put(&writer, &format!("payload {number}")).unwrap();
    }
    let other = crate::open(&url, Options::default(), &[]).unwrap();
    assert_eq!(read(&Reader::open(other, Path::new(&url)).unwrap()).len(), 20);
    assert!(disk.path().join("log/groups/00000000000000000000.group").is_file());
}

#[test]
fn reading_a_url_without_a_log_says_so_and_makes_nothing() {
    let disk = tempfile::tempdir().unwrap();
    let url = url_of(disk.path());
    let error = Reader::open(crate::open(&url, Options::default(), &[]).unwrap(), Path::new(&url)).unwrap_err();
    assert!(matches!(error, evlog_store::OpenError::NoLog { .. }), "{error}");
    assert!(!disk.path().join("log").exists());
}

#[test]
fn writers_race_in_a_directory() {
    let disk = tempfile::tempdir().unwrap();
    let url = url_of(disk.path());
    let machine = |_| {
        let store = Arc::from(open_store(&url, &[]).unwrap());
        Arc::new(BucketFs::new(store, dir(), Options::default()))
    };
    races::race(&|| (0..4).map(machine).collect(), 3, 5);
}

#[test]
fn a_store_that_keeps_the_rules_passes_the_probe() {
    let memory = probe(&Memory::default(), ProbeOptions::default(), [1; 8]).unwrap();
    assert!(memory.passed() && memory.left.is_empty(), "{memory:?}");
    let disk = tempfile::tempdir().unwrap();
    let report =
        probe(open_store(&url_of(disk.path()), &[]).unwrap().as_ref(), ProbeOptions::default(), [1; 8]).unwrap();
    assert!(report.passed() && report.left.is_empty(), "{report:?}");
}

/// A store that ignores the condition of a create.
#[derive(Clone, Debug)]
struct Ignores(Memory);

impl Store for Ignores {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<(), crate::Fault> {
        self.0.put(name, bytes.to_vec());
        Ok(())
    }
    fn get(&self, name: &str, len_max: u64) -> Result<Vec<u8>, crate::Fault> {
        self.0.get(name, len_max)
    }
    fn get_range(&self, name: &str, range: std::ops::Range<u64>) -> Result<Vec<u8>, crate::Fault> {
        self.0.get_range(name, range)
    }
    fn list(&self, folder: &str) -> Result<Vec<String>, crate::Fault> {
        self.0.list(folder)
    }
    fn put_if_match(&self, name: &str, bytes: &[u8], tag: &str) -> Result<String, crate::Fault> {
        self.0.put_if_match(name, bytes, tag)
    }
    fn head(&self, name: &str) -> Result<(u64, String), crate::Fault> {
        self.0.head(name)
    }
    fn delete(&self, name: &str) -> Result<(), crate::Fault> {
        self.0.delete(name)
    }
}

#[test]
fn a_store_that_ignores_the_condition_fails_the_probe_by_name() {
    let report = probe(&Ignores(Memory::default()), ProbeOptions::default(), [1; 8]).unwrap();
    let failed: Vec<&str> =
        report.trials.iter().filter(|trial| trial.verdict == Verdict::Failed).map(|trial| trial.name).collect();
    assert_eq!(failed, ["create-if-absent", "race"]);
}

#[test]
fn a_store_that_often_fails_does_not_make_the_probe_panic() {
    for seed in 0..20 {
        let _said = probe(&SimStore::new(seed, 40), ProbeOptions { rounds: 3, writers: 2 }, [1; 8]);
    }
}

#[test]
fn a_url_that_cannot_be_used_is_refused_before_anything_is_sent() {
    let cases = [
        ("log", "Expected `s3://"),
        ("s3://", "the name of a bucket"),
        ("s3://user:secret@host/x", "the name of a bucket"),
        ("ftp://host/x", "no kind of store"),
        ("file://relative/x", "an absolute directory"),
    ];
    for (url, said) in cases {
        let error = open_store(url, &[]).unwrap_err().to_string();
        assert!(error.contains(said), "{url}: {error}");
    }
}
