//! `kill -9` in a loop. Eight threads commit in a process that is killed at any moment, and two readers in another process
//! follow all the time. Every acknowledged commit is there, and no event that a reader saw is lost later.
//!
//! `EVLOG_KILL_SEED=n` chooses the moments, and is printed by a failure. `EVLOG_KILLS=n` says how many: `just kill n`.

use super::scenario::Dice;
use super::*;
use crate::{Fs, OpenError, StdFs, Verdict};
use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

const THREADS: u64 = 8;
/// The number of times that the process is killed in an ordinary run.
const KILLS: u64 = 200;
/// A new log is begun after this many kills, so that reading the whole log stays cheap.
const KILLS_OF_A_LOG: u64 = 25;

/// The environment variables that give the child the log's path, and make it broken.
const LOG_DIR: &str = "EVLOG_STORE_KILL_LOG";
const BROKEN: &str = "EVLOG_STORE_KILL_BROKEN";

fn real() -> Arc<dyn Fs> {
    Arc::new(StdFs)
}

fn number(name: &str, default: impl FnOnce() -> u64) -> u64 {
    std::env::var(name).map_or_else(|_| default(), |text| text.parse().unwrap())
}

/// What thread `thread` appends as its `nth` commit: the stream and the payload of each event.
fn events_of(thread: u64, nth: u64) -> Vec<(String, Vec<u8>)> {
    let mut dice = Dice::new(thread << 32 | nth);
    let stream = |at: u64| if at == 0 { format!("own-{thread}") } else { "all".to_string() };
    let len_max = if dice.roll(16) == 0 { 6000 } else { 200 };
    let payload = |dice: &mut Dice| {
        let len = usize::try_from(dice.roll(len_max)).unwrap();
        [&thread.to_le_bytes()[..], &nth.to_le_bytes(), &vec![7; len]].concat()
    };
    (0..=dice.roll(3)).map(|at| (stream(at % 2), payload(&mut dice))).collect()
}

/// One thread of the child. A broken one acknowledges a commit as soon as it is handed over.
fn commit_for_ever(writer: &Writer, thread: u64, broken: bool) {
    for nth in 0.. {
        let named = events_of(thread, nth);
        let events: Vec<_> = named.iter().map(|(stream, payload)| event(stream, payload)).collect();
        let class = if nth % 4 == 3 { Durability::Os } else { Durability::Sync };
        let commit = commit(class, &events);
        // Half of the threads commit themselves if no other thread is committing.
        let ticket =
            if broken || thread.is_multiple_of(2) { writer.append(&commit) } else { writer.commit(&commit) }.unwrap();
        if !broken {
            writer.wait(&ticket).unwrap();
        }
        // The line ends with a full stop, so that a cut line can be recognised.
        println!("acknowledged {} {thread} {nth}.", ticket.first_seq);
        if broken {
            writer.wait(&ticket).unwrap();
        }
    }
}

/// Not a claim: the child's part.
#[test]
fn the_child_commits_with_eight_threads_until_it_is_killed() {
    let Some(path) = std::env::var_os(LOG_DIR) else { return };
    let (path, owner) = (Path::new(&path), Owner { program: "child".into() });
    let options = CreateOptions { log_id: LOG, segment_limit: 16 * 1024 };
    let writer = match Writer::open(real(), path, &owner) {
        Err(OpenError::NoLog { .. }) => Writer::create(real(), path, options, &owner).unwrap(),
        opened => opened.unwrap().0,
    };
    let broken = std::env::var_os(BROKEN).is_some();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let writer = &writer;
            scope.spawn(move || commit_for_ever(writer, thread, broken));
        }
    });
}

/// A commit that the child says is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledged {
    first_seq: u64,
    thread: u64,
    nth: u64,
}

fn acknowledged(line: &str) -> Option<Acknowledged> {
    let mut words = line.strip_prefix("acknowledged ")?.strip_suffix('.')?.split(' ').map(|word| word.parse().unwrap());
    let (first_seq, thread, nth) = (words.next()?, words.next()?, words.next()?);
    Some(Acknowledged { first_seq, thread, nth })
}

/// A child that commits, and what it acknowledged.
pub(super) struct Running {
    child: Child,
    heard: mpsc::Receiver<Acknowledged>,
    reader: JoinHandle<()>,
    all: Vec<Acknowledged>,
}

impl Running {
    pub(super) fn start(path: &Path, broken: bool) -> Running {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([
            "--exact",
            "tests::kill::the_child_commits_with_eight_threads_until_it_is_killed",
            "--nocapture",
        ]);
        if broken {
            command.env(BROKEN, "1");
        }
        let mut child = command.env(LOG_DIR, path).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (tell, heard) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reader = std::thread::spawn(move || {
            for one in lines.filter_map(|line| acknowledged(&line.unwrap())) {
                tell.send(one).unwrap();
            }
        });
        Running { child, heard, reader, all: Vec::new() }
    }

    /// Waits until the child has acknowledged `more` further commits, or has ended.
    pub(super) fn wait_for(&mut self, more: u64) {
        self.all.extend(self.heard.iter().take(usize::try_from(more).unwrap()));
    }

    pub(super) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Kills the child, which must still run, and returns all that it acknowledged.
    pub(super) fn killed(mut self) -> Vec<Acknowledged> {
        kill(&mut self.child);
        self.ended()
    }

    /// Waits until the child has ended by itself, and returns all that it acknowledged.
    pub(super) fn ended(mut self) -> Vec<Acknowledged> {
        self.child.wait().unwrap();
        self.reader.join().unwrap();
        self.all.extend(self.heard);
        self.all
    }
}

/// Kills a child some time after it has acknowledged `after` commits. Returns what it acknowledged.
fn killed_child(path: &Path, after: u64, pause: Duration, broken: bool) -> Vec<Acknowledged> {
    let mut running = Running::start(path, broken);
    running.wait_for(after);
    std::thread::sleep(pause);
    running.killed()
}

fn kill(child: &mut Child) {
    assert_eq!(child.try_wait().unwrap(), None, "the child ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A reader that follows a log, through the deaths of its writers.
struct Follower {
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// A follower that opens the log once and refreshes, or a follower that opens it again each time.
    fn of(path: &Path, opens_anew: bool) -> Follower {
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (path, shared, stopped) = (path.to_path_buf(), Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut reader: Option<Reader> = None;
            let mut position = Position(0);
            while !stopped.load(Ordering::SeqCst) {
                match reader.as_mut().filter(|_| !opens_anew) {
                    Some(reader) => drop(reader.refresh().unwrap()),
                    None => reader = opened(&path),
                }
                if let Some(reader) = reader.as_ref().filter(|reader| reader.committed().position > position) {
                    let mut new = Vec::new();
                    more(reader, position, &mut new).unwrap();
                    shared.lock().unwrap().extend(new);
                    position = reader.committed().position;
                }
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        Follower { seen, stop, thread: Some(thread) }
    }

    fn seen(&self) -> impl Deref<Target = Vec<Seen>> {
        assert!(!self.thread.as_ref().unwrap().is_finished(), "a reader failed");
        self.seen.lock().unwrap()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let ended = self.thread.take().unwrap().join();
        assert!(std::thread::panicking() || ended.is_ok(), "a reader failed");
    }
}

/// A reader, unless there is no log yet.
fn opened(path: &Path) -> Option<Reader> {
    match Reader::open(real(), path) {
        Err(OpenError::NoLog { .. }) => None,
        opened => Some(opened.unwrap()),
    }
}

/// What is known of a log whose writers are killed.
#[derive(Default)]
pub(super) struct Known {
    /// All events that were read last time.
    events: Vec<Seen>,
}

impl Known {
    /// Reads the log after a kill, and checks that every acknowledged commit is there.
    pub(super) fn look(&mut self, path: &Path, acknowledged: &[Acknowledged], name: &str) {
        let Some(reader) = opened(path) else {
            assert!(acknowledged.is_empty() && self.events.is_empty(), "{name}: there is no log");
            return;
        };
        let verdict = audit_in(real(), path).verdict();
        assert!(matches!(verdict, Verdict::Clean | Verdict::TornTail), "{name}: a killed process is not `{verdict}`");
        let events = all(&reader);
        assert!(events.iter().enumerate().all(|(at, event)| event.seq == at as u64), "{name}: seqs are not dense");
        assert!(events.starts_with(&self.events), "{name}: an event is gone or another that was there before");
        for one in acknowledged {
            let first = usize::try_from(one.first_seq).unwrap();
            for (at, (stream, payload)) in (first..).zip(events_of(one.thread, one.nth)) {
                let found = events.get(at).map(|event| (&event.stream, &event.payload));
                assert!(
                    found == Some((&stream, &payload)),
                    "{name}: {one:?} was acknowledged, event {at} is {found:?}"
                );
            }
        }
        self.events = events;
    }

    /// Checks that every event that a reader saw is there.
    fn holds(&self, seen: &[Seen], name: &str) {
        let differs = (0..seen.len()).find(|at| self.events.get(*at) != Some(&seen[*at]));
        assert_eq!(differs.map(|at| &seen[at]), None, "{name}: a reader saw an event that is gone");
    }
}

/// The next writer opens the log, and it is whole and clean.
fn open_again(path: &Path, known: &Known, name: &str) {
    if known.events.is_empty() {
        return;
    }
    let (writer, recovery) = Writer::open(real(), path, &owner()).unwrap();
    assert!(!recovery.clean_close, "{name}");
    assert_eq!(writer.next_seq().0, known.events.len() as u64, "{name}");
    drop(writer);
    let report = audit_in(real(), path);
    assert_eq!((report.findings.kept(), report.verdict()), (&[][..], Verdict::Clean), "{name}");
}

/// The counts of a loop.
#[derive(Debug, Default)]
struct Shown {
    acknowledged: usize,
    events: usize,
    torn: u64,
    seen: usize,
}

/// Kills writers of logs in turn, with two readers beside them.
fn kill_in_a_loop(seed: u64, kills: u64, broken: bool) -> Shown {
    let (mut dice, mut shown) = (Dice::new(seed), Shown::default());
    for log in 0..kills.div_ceil(KILLS_OF_A_LOG) {
        let temp = tempfile::tempdir().unwrap();
        let (path, mut known) = (temp.path().join("log"), Known::default());
        let followers = [false, true].map(|opens_anew| Follower::of(&path, opens_anew));
        for kill in 0..KILLS_OF_A_LOG.min(kills - log * KILLS_OF_A_LOG) {
            let name = format!("EVLOG_KILL_SEED={seed}, log {log}, kill {kill}");
            // Sometimes the child is killed while the log is made or opened.
            let (after, pause) =
                if dice.roll(6) == 0 { (0, dice.roll(15_000)) } else { (1 + dice.roll(40), dice.roll(4_000)) };
            let acknowledged = killed_child(&path, after, Duration::from_micros(pause), broken);
            known.look(&path, &acknowledged, &name);
            shown.acknowledged += acknowledged.len();
            for follower in &followers {
                known.holds(&follower.seen(), &name);
            }
            shown.torn += u64::from(!known.events.is_empty() && audit_in(real(), &path).verdict() == Verdict::TornTail);
            if dice.roll(4) == 0 {
                open_again(&path, &known, &name);
            }
        }
        shown.events += known.events.len();
        shown.seen += followers.iter().map(|follower| follower.seen().len()).sum::<usize>();
    }
    shown
}

/// Another seed in each run, because the exact moments depend on the machine in any case.
fn any_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) >> 32
}

#[test]
fn a_killed_process_takes_nothing_that_was_acknowledged_or_that_a_reader_saw() {
    let (seed, kills) = (number("EVLOG_KILL_SEED", any_seed), number("EVLOG_KILLS", || KILLS));
    let shown = kill_in_a_loop(seed, kills, false);
    println!("EVLOG_KILL_SEED={seed}, {kills} kills: {shown:?}");
    let least = usize::try_from(kills).unwrap() * 10;
    assert!(shown.acknowledged > least && shown.seen > least, "the rounds were too short to show anything: {shown:?}");
}

#[test]
fn the_loop_finds_out_a_process_that_acknowledges_before_it_writes() {
    let panic = std::panic::catch_unwind(|| kill_in_a_loop(any_seed(), 100, true)).expect_err("nothing was noticed");
    let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(said.contains("was acknowledged, event"), "{said}");
}
