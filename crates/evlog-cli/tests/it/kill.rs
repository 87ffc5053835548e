//! `kill -9` of `evlog submit` in a loop, with eight threads that feed it and two `evlog tail -f` that follow through all
//! kills. Every answered command is in the log, and no event that a follower printed is lost later.
//!
//! `EVLOG_KILL_SEED=n` chooses the moments, and is printed by a failure; `EVLOG_KILLS=n` says how many: `just kill n`.

use crate::crash::Lines;
use crate::support::Room;
use serde_json::Value;
use std::io::Write;
use std::process::{Child, ChildStdin};
use std::slice::from_ref;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

const FEEDERS: u64 = 8;
/// How often the command is killed in an ordinary run.
const KILLS: u64 = 200;
/// Starts a new log after this many kills, so that reading the whole log stays cheap.
const KILLS_OF_A_LOG: u64 = 20;

fn number(name: &str, default: impl FnOnce() -> u64) -> u64 {
    std::env::var(name).map_or_else(|_| default(), |text| text.parse().unwrap())
}

/// Another seed in each run: the moments depend on the machine anyway.
fn any_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) >> 32
}

/// The next of a row of numbers that look random, below `max`.
fn next(seed: &mut u64, max: u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)) % max
}

/// A command's input, shared by threads that write whole lines; and the run of each line, in order.
#[derive(Clone)]
struct Input {
    pipe: Arc<Mutex<(ChildStdin, Vec<String>)>>,
}

impl Input {
    fn write(&self, run: &str, line: &str) -> bool {
        let mut pipe = self.pipe.lock().unwrap();
        pipe.1.push(run.to_owned());
        pipe.0.write_all(line.as_bytes()).is_ok()
    }
}

/// One of the eight: runs that begin and are rejected once, and a record in a stream that all share, until the pipe breaks.
fn feed(input: Input, feeder: u64, round: u64) -> JoinHandle<()> {
    thread::spawn(move || {
        for number in 0.. {
            let run = format!("k-{round}-{feeder}-{number}");
            let lines = [
                (run.as_str(), r#""contract":"status","do":"create""#.to_owned()),
                ("all", format!(r#""contract":"custom","do":"record","kind":"custom/n","data":[{feeder},{number}]"#)),
                (run.as_str(), r#""contract":"status","do":"transition","to":"running""#.to_owned()),
                (run.as_str(), r#""contract":"status","do":"transition","to":"created""#.to_owned()),
            ];
            for (run, rest) in lines {
                if !input.write(run, &format!("{{\"run\":\"{run}\",{rest}}}\n")) {
                    return;
                }
            }
            // All eight get their turn with the pipe, and the log stays small enough to be looked at after each kill.
            sleep(Duration::from_millis(8));
        }
    })
}

/// Runs `submit`, and kills it after this many answers and some time. What it answered, and the run of each line of input.
fn killed_submit(room: &Room, round: u64, after: u64, pause: Duration) -> (Vec<Value>, Vec<String>) {
    let mut child = room.spawn(&["submit", "-q"]);
    let input = Input { pipe: Arc::new(Mutex::new((child.stdin.take().unwrap(), Vec::new()))) };
    let feeders: Vec<_> = (0..FEEDERS).map(|feeder| feed(input.clone(), feeder, round)).collect();
    let answers = Lines::of(&mut child);
    answers.wait_for(after, &mut child);
    sleep(pause);
    assert_eq!(child.try_wait().unwrap(), None, "submit ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    for feeder in feeders {
        feeder.join().unwrap();
    }
    let runs = std::mem::take(&mut input.pipe.lock().unwrap().1);
    (answers.all().iter().map(|line| serde_json::from_str(line).unwrap()).collect(), runs)
}

/// What is known of a log that is killed over.
#[derive(Default)]
struct Known {
    /// All events that the last look showed, as `cat --json` prints them.
    events: Vec<String>,
}

impl Known {
    /// Looks at the log after a kill.
    fn look(&mut self, room: &Room, answers: &[Value], runs: &[String], name: &str) {
        let found = room.run(&["verify", "--json"]);
        if found.code == 2 && found.err.contains("no log") {
            assert!(answers.is_empty() && self.events.is_empty(), "{name}: there is no log");
            return;
        }
        let verdict = found.json()["verdict"].clone();
        assert!(verdict == "clean" || verdict == "torn_tail", "{name}: a killed process is not {found:?}");
        let events: Vec<String> = room.ends(0, &["cat", "--json"]).out.lines().map(str::to_owned).collect();
        assert!(events.starts_with(&self.events), "{name}: an event is gone or another that was there before");
        let parsed: Vec<Value> = events.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(parsed.iter().enumerate().all(|(at, event)| event["seq"] == at), "{name}: seqs are not dense");
        for (at, answer) in answers.iter().enumerate() {
            // Answers come in the order of the lines, from any writer.
            assert_eq!(
                (&answer["line"], &answer["run"]),
                (&Value::from(at + 1), &Value::from(runs[at].as_str())),
                "{name}"
            );
            for answered in answer["events"].as_array().unwrap() {
                let event = parsed.get(usize::try_from(answered["seq"].as_u64().unwrap()).unwrap());
                let found = event.map(|event| (&event["kind"], &event["stream"]));
                assert_eq!(found, Some((&answered["kind"], &answer["run"])), "{name}: {answered} of {answer} is lost");
            }
        }
        self.events = events;
    }

    /// What a follower printed has to be there, from the first event on.
    fn holds(&self, printed: &[String], name: &str) {
        let differs = printed
            .iter()
            .enumerate()
            .find(|(at, line)| self.events.get(*at).map(String::as_str) != Some(line.trim_end()));
        assert_eq!(differs, None, "{name}: a follower printed an event that is gone");
    }
}

/// A process that follows the log.
struct Follower {
    child: Child,
    lines: Lines,
}

impl Follower {
    fn of(room: &Room) -> Follower {
        let mut child = room.spawn(&["tail", "-f", "--wait", "--json", "-n", "1000000"]);
        Follower { lines: Lines::of(&mut child), child }
    }

    /// All that it printed; it has to live still.
    fn ended(mut self) -> Vec<String> {
        assert_eq!(self.child.try_wait().unwrap(), None, "the follower ended by itself");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.all()
    }
}

/// What a loop showed.
#[derive(Debug, Default)]
struct Shown {
    answers: usize,
    events: usize,
    printed: usize,
}

fn kill_a_log(seed: &mut u64, kills: u64, name: &str, shown: &mut Shown) {
    let (room, mut known) = (Room::new(), Known::default());
    // Most logs roll segments all the time; the others are made by the command that is killed.
    if next(seed, 3) > 0 {
        room.ends(0, &["init", "--segment-limit", "20000"]);
    }
    let followers = [Follower::of(&room), Follower::of(&room)];
    for kill in 0..kills {
        // Now and then while the log is made or opened.
        let (after, pause) =
            if next(seed, 6) == 0 { (0, next(seed, 40_000)) } else { (next(seed, 60), next(seed, 5_000)) };
        let (answers, runs) = killed_submit(&room, kill, after, Duration::from_micros(pause));
        let name = format!("{name}, kill {kill}");
        known.look(&room, &answers, &runs, &name);
        shown.answers += answers.len();
        for follower in &followers {
            known.holds(&follower.lines.so_far(), &name);
        }
    }
    for follower in followers {
        let printed = follower.ended();
        known.holds(&printed, name);
        shown.printed += printed.len();
    }
    crate::crash::assert_sound(&room);
    shown.events += known.events.len();
}

#[test]
fn a_killed_submit_takes_nothing_that_it_answered_or_that_a_follower_printed() {
    let (seed, kills) = (number("EVLOG_KILL_SEED", any_seed), number("EVLOG_KILLS", || KILLS));
    let (mut dice, mut shown) = (seed, Shown::default());
    for log in 0..kills.div_ceil(KILLS_OF_A_LOG) {
        let of_this = KILLS_OF_A_LOG.min(kills - log * KILLS_OF_A_LOG);
        kill_a_log(&mut dice, of_this, &format!("EVLOG_KILL_SEED={seed}, log {log}"), &mut shown);
    }
    println!("EVLOG_KILL_SEED={seed}, {kills} kills: {shown:?}");
    let least = usize::try_from(kills).unwrap() * 10;
    assert!(shown.answers > least && shown.printed > least, "the rounds were too short to show anything: {shown:?}");
}

#[test]
fn the_loop_finds_out_an_answer_without_its_event_and_a_follower_that_prints_too_much() {
    let room = Room::with_batch();
    let mut known = Known::default();
    known.look(&room, &[], &[], "as it is");
    let (printed, run) = (known.events.clone(), "RUN_0001".to_owned());
    known.holds(&printed, "as it is");
    let of = |seq: usize| serde_json::json!({"line":1,"run":run,"events":[{"seq":seq,"kind":"status.created"}]});
    let panicked = |act: &mut dyn FnMut(&mut Known)| {
        let mut known = Known { events: printed.clone() };
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| act(&mut known))).unwrap_err();
        panic.downcast_ref::<String>().cloned().unwrap_or_default()
    };
    let said = panicked(&mut |known| known.look(&room, &[of(1000)], from_ref(&run), "lost"));
    assert!(said.contains("is lost"), "{said}");
    let said = panicked(&mut |known| known.look(&room, &[of(3)], from_ref(&run), "another"));
    assert!(said.contains("is lost"), "{said}");
    let said = panicked(&mut |known| {
        known.events.pop();
        known.holds(&printed, "too much");
    });
    assert!(said.contains("a follower printed an event that is gone"), "{said}");
}
