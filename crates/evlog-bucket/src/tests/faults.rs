//! Several writers in a store that fails, over many seeds: nothing acknowledged is lost or doubled, and all see one order.

use super::session::download;
use super::*;
use crate::create::Broken;
use crate::sim::{Dice, SimStore};
use evlog_format::Root;
use evlog_store::StdFs;
use std::collections::BTreeMap;
use std::time::Duration;

/// One machine with a writer.
struct Client {
    fs: Arc<BucketFs>,
    writer: Option<Writer>,
    /// The command that it must get into the log, and whether an attempt ended as unknown.
    command: Option<(String, bool)>,
    made: u32,
}

/// What was acknowledged.
#[derive(Default)]
struct History {
    /// Payload, and the position that was acknowledged or found.
    commits: BTreeMap<String, u64>,
    roots: Vec<(u64, Root)>,
    lost_races: u32,
    unknown: u32,
}

fn fs_of(store: &SimStore, client: usize, broken: Option<Broken>) -> Arc<BucketFs> {
    // The first client gives up at once, so that some attempts end as unknown.
    let deadline = if client == 0 { Duration::ZERO } else { Duration::from_mins(5) };
    let options = Options { deadline, broken, ..Options::default() };
    Arc::new(BucketFs::new(Arc::new(store.clone()), dir(), options))
}

impl Client {
    /// One step: opens the log, or commits, or looks whether an unknown commit is there.
    fn step(&mut self, at: usize, history: &mut History) -> Result<(), String> {
        let (payload, is_unknown) = self.command.take().unwrap_or_else(|| {
            self.made += 1;
            (format!("client {at} command {}", self.made), false)
        });
        let Some(writer) = self.writer.take() else {
            let fs = Arc::clone(&self.fs) as Arc<dyn evlog_store::Fs>;
            // A store that gives no answer is asked again in a later step.
            self.writer = Writer::open(Arc::clone(&fs), dir(), &owner()).ok().map(|(writer, _)| writer);
            let found = if is_unknown && self.writer.is_some() { look(fs, &payload) } else { Ok(None) };
            match found {
                Ok(Some(position)) => {
                    history.commits.insert(payload, position);
                }
                Ok(None) => self.command = Some((payload, is_unknown)),
                // Nobody knows. Then this session must not commit it.
                Err(_) => (self.writer, self.command) = (None, Some((payload, true))),
            }
            return Ok(());
        };
        match put(&writer, &payload) {
            Ok(ticket) => {
                let (size, root) = writer.root();
                history.roots.push((size.0, root));
                if history.commits.insert(payload.clone(), ticket.position.0).is_some() {
                    return Err(format!("`{payload}` was acknowledged twice"));
                }
                self.writer = Some(writer);
            }
            Err(error) if error.is_overtaken() => {
                history.lost_races += 1;
                self.command = Some((payload, is_unknown));
            }
            Err(_) => {
                history.unknown += 1;
                self.command = Some((payload, true));
            }
        }
        Ok(())
    }
}

/// Where the log has a payload.
fn look(fs: Arc<dyn evlog_store::Fs>, payload: &str) -> Result<Option<u64>, evlog_store::OpenError> {
    let reader = Reader::open(fs, dir())?;
    Ok(read(&reader).into_iter().find(|(_, found)| found == payload).map(|(position, _)| position))
}

fn run(seed: u64, broken: Option<Broken>) -> Result<History, String> {
    let (store, mut dice) = (SimStore::new(seed, 0), Dice::new(seed ^ 0x00b0_c4e7));
    make(&fs_of(&store, 1, None)).close().unwrap();
    store.set_faults(10 + dice.below(30));
    let clients = 2 + usize::try_from(dice.below(3)).unwrap();
    let new = |at| Client { fs: fs_of(&store, at, broken), writer: None, command: None, made: 0 };
    let mut all_clients: Vec<Client> = (0..clients).map(new).collect();
    let mut history = History::default();
    for _ in 0..120 {
        let at = usize::try_from(dice.below(clients as u64)).unwrap();
        let client = &mut all_clients[at];
        if dice.below(20) == 0 {
            // The machine starts again.
            (client.writer, client.fs) = (None, fs_of(&store, at, broken));
        }
        client.step(at, &mut history)?;
    }
    store.set_faults(0);
    store.settle();
    drop(all_clients);
    check(&store, &history)?;
    Ok(history)
}

fn check(store: &SimStore, history: &History) -> Result<(), String> {
    let fs = fs_of(store, 1, None);
    let reader = Reader::open(Arc::clone(&fs) as Arc<dyn evlog_store::Fs>, dir()).map_err(|error| error.to_string())?;
    let mut seen = BTreeMap::new();
    for (position, payload) in read(&reader) {
        if let Some(before) = seen.insert(payload.clone(), position) {
            return Err(format!("`{payload}` is in the log twice, at {before} and {position}"));
        }
    }
    for (payload, position) in &history.commits {
        if seen.get(payload) != Some(position) {
            return Err(format!("`{payload}` was acknowledged at {position}, and is at {:?}", seen.get(payload)));
        }
    }
    let disk = tempfile::tempdir().unwrap();
    download(&fs, disk.path());
    let (on_disk, recovery) =
        Writer::open(Arc::new(StdFs), disk.path(), &owner()).map_err(|error| error.to_string())?;
    let in_bucket = open(&fs);
    if recovery.cut.is_some() || on_disk.root() != in_bucket.root() {
        return Err("the log on disk has another root".into());
    }
    for (size, root) in &history.roots {
        let mut prefix = evlog_verify::Tree::new();
        prefix.update(&bytes_of(disk.path())[..usize::try_from(*size).unwrap()]);
        if prefix.root() != *root {
            return Err(format!("a writer saw another log up to {size}"));
        }
    }
    Ok(())
}

fn bytes_of(disk: &Path) -> Vec<u8> {
    let mut files: Vec<_> =
        std::fs::read_dir(disk.join("segments")).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|suffix| suffix == "seg"));
    files.sort();
    files.iter().flat_map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn in_a_store_that_fails_nothing_acknowledged_is_lost_or_doubled() {
    let (mut commits, mut lost_races, mut unknown) = (0, 0, 0);
    for seed in 0..60 {
        let history = run(seed, None).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        commits += history.commits.len();
        lost_races += history.lost_races;
        unknown += history.unknown;
    }
    // The seeds reach all of it.
    assert!(commits > 600 && lost_races > 100 && unknown > 20, "{commits} {lost_races} {unknown}");
}

#[test]
fn the_suite_finds_a_protocol_without_the_try_id_or_with_other_bytes() {
    for broken in [Broken::ExistsIsMine, Broken::ExistsIsOthers, Broken::OtherBytes] {
        let found = (0..200).any(|seed| run(seed, Some(broken)).is_err());
        assert!(found, "{broken:?} was not found");
    }
}
