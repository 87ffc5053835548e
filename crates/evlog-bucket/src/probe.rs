//! Tries whether a store does what a log in a bucket relies on.

use crate::store::{Fault, Store};
use std::sync::Barrier;

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub struct ProbeOptions {
    /// How many names are raced for.
    pub rounds: u32,
    /// How many writers race for each.
    pub writers: u32,
}

impl Default for ProbeOptions {
    fn default() -> ProbeOptions {
        ProbeOptions { rounds: 20, writers: 4 }
    }
}

/// What one trial showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The store does it.
    Passed,
    /// The store does not do it, and a log in it can lose commits or cannot work.
    Failed,
    /// The store does not do it, or differs, and a log can live with that.
    Noted,
}

/// One trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// A short name.
    pub name: &'static str,
    /// The result.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
}

/// What all trials showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The trials, in order.
    pub trials: Vec<Trial>,
    /// Objects that were made and could not be removed.
    pub left: Vec<String>,
}

impl Report {
    /// Whether a log may be kept in this store.
    pub fn passed(&self) -> bool {
        self.trials.iter().all(|trial| trial.verdict != Verdict::Failed)
    }

    fn add(&mut self, name: &'static str, verdict: Verdict, found: impl Into<String>) {
        self.trials.push(Trial { name, verdict, found: found.into() });
    }

    fn judge(&mut self, name: &'static str, is_good: bool, found: impl Into<String>) {
        self.add(name, if is_good { Verdict::Passed } else { Verdict::Failed }, found);
    }
}

const LEN_MAX: u64 = 1024 * 1024;

/// Tries a store, below a folder of its own, whose name has these random bytes. Removes what it made. An error means that the
/// store gave no usable answer to the first request, so nothing was tried.
pub fn probe(store: &dyn Store, options: ProbeOptions, random: [u8; 8]) -> Result<Report, Fault> {
    let folder = format!("conform-{:016x}/", u64::from_le_bytes(random));
    let (mut report, mut made) = (Report::default(), Vec::new());
    permissions(store, &folder, &mut report)?;
    if report.passed() {
        basics(store, &folder, &mut report, &mut made);
        races(store, &folder, options, &mut report, &mut made);
        swap(store, &folder, &mut report, &mut made);
        deletes(store, &folder, &mut report, &mut made);
    }
    for name in made {
        if store.delete(&name).is_err() || store.head(&name) != Err(Fault::Absent) {
            report.left.push(name);
        }
    }
    Ok(report)
}

fn permissions(store: &dyn Store, folder: &str, report: &mut Report) -> Result<(), Fault> {
    let absent = store.get(&format!("{folder}absent"), LEN_MAX);
    match absent {
        Err(Fault::Absent) => report.judge("absent", true, "an object that is not there is answered with 404"),
        Err(fault @ Fault::Unclear(_)) => return Err(fault),
        Err(fault) => report.judge("absent", false, fault.to_string()),
        Ok(_) => report.judge("absent", false, "an object that nobody made is there"),
    }
    let listed = store.list(folder);
    report.judge("list-allowed", listed.is_ok(), listed.map_or_else(|fault| fault.to_string(), |_| "allowed".into()));
    Ok(())
}

fn basics(store: &dyn Store, folder: &str, report: &mut Report, made: &mut Vec<String>) {
    let (name, bytes) = (format!("{folder}basics"), b"0123456789".as_slice());
    made.push(name.clone());
    let created = store.create(&name, bytes);
    report.judge("create", created.is_ok(), text(&created));
    let read = store.get(&name, LEN_MAX);
    let is_same = read.as_deref() == Ok(bytes);
    report.judge("read-after-write", is_same, if is_same { "the same bytes".into() } else { text(&read.map(drop)) });
    let part = store.get_range(&name, 3..7);
    let is_part = part.as_deref() == Ok(&bytes[3..7]);
    report.judge("range", is_part, if is_part { "bytes 3 to 6 are these".into() } else { text(&part.map(drop)) });
    let listed = store.list(folder);
    let is_listed = listed.as_ref().is_ok_and(|names| names.contains(&name));
    report.judge("list-after-write", is_listed, if is_listed { "listed".into() } else { format!("{listed:?}") });
    let again = store.create(&name, b"others");
    let kept = store.get(&name, LEN_MAX);
    let found = match (&again, &kept) {
        (Err(Fault::Condition), Ok(kept)) if kept == bytes => {
            "a second create was refused, and changed nothing".to_string()
        }
        (Ok(()), _) => "the store ignored the condition, and replaced an object that exists".to_string(),
        _ => format!("{again:?}"),
    };
    report.judge("create-if-absent", again == Err(Fault::Condition) && kept.as_deref() == Ok(bytes), found);
}

fn races(store: &dyn Store, folder: &str, options: ProbeOptions, report: &mut Report, made: &mut Vec<String>) {
    let (mut wrong, mut unclear) = (Vec::new(), 0);
    for round in 0..options.rounds {
        let name = format!("{folder}race-{round}");
        made.push(name.clone());
        let start = Barrier::new(options.writers as usize);
        let race = |writer: u32| {
            start.wait();
            store.create(&name, format!("writer {writer}").as_bytes())
        };
        let answers: Vec<Result<(), Fault>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..options.writers).map(|writer| scope.spawn(move || race(writer))).collect();
            let lost = || Err(Fault::Unclear("a thread panicked".into()));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| lost())).collect()
        });
        let winners: Vec<usize> = (0..answers.len()).filter(|at| answers[*at].is_ok()).collect();
        unclear += answers.iter().filter(|answer| matches!(answer, Err(Fault::Unclear(_)))).count();
        let has_unclear = answers.iter().any(|answer| matches!(answer, Err(Fault::Unclear(_))));
        let kept = store.get(&name, LEN_MAX).ok();
        let is_winners = winners.len() == 1 && kept == Some(format!("writer {}", winners[0]).into_bytes());
        let is_open = has_unclear && winners.is_empty();
        if !is_winners && !is_open {
            wrong.push(format!("{}: {} of {} created it", name, winners.len(), options.writers));
        }
    }
    let summary = format!("{} rounds of {} writers, one winner in each", options.rounds, options.writers);
    let is_good = wrong.is_empty();
    report.judge("race", is_good, if is_good { summary } else { wrong.join("; ") });
    if unclear > 0 {
        report.add("race-answers", Verdict::Noted, format!("{unclear} creates got no usable answer"));
    }
}

fn swap(store: &dyn Store, folder: &str, report: &mut Report, made: &mut Vec<String>) {
    let name = format!("{folder}swap");
    made.push(name.clone());
    let swapped = store.create(&name, b"one").and_then(|()| store.head(&name)).and_then(|(_, tag)| {
        let second = store.put_if_match(&name, b"two", &tag)?;
        let stale = store.put_if_match(&name, b"three", &tag);
        Ok((second, stale, store.get(&name, LEN_MAX)?))
    });
    match swapped {
        Ok((_, Err(Fault::Condition), kept)) if kept == b"two" => {
            report.judge("compare-and-swap", true, "an old tag was refused");
        }
        Err(Fault::Unsupported(_)) => {
            report.add(
                "compare-and-swap",
                Verdict::Noted,
                "not supported: groups cannot be removed from this store safely",
            );
        }
        Ok((_, stale, _)) => report.judge("compare-and-swap", false, format!("an old tag: {stale:?}")),
        Err(fault) => report.judge("compare-and-swap", false, fault.to_string()),
    }
}

fn deletes(store: &dyn Store, folder: &str, report: &mut Report, made: &mut Vec<String>) {
    let name = format!("{folder}deleted");
    made.push(name.clone());
    let done = store.create(&name, b"one").and_then(|()| store.delete(&name)).map(|()| store.create(&name, b"two"));
    match done {
        Ok(Ok(())) => {
            report.add(
                "create-after-delete",
                Verdict::Noted,
                "a removed name can be created again: never remove a group",
            );
        }
        Ok(Err(Fault::Condition)) => report.judge("create-after-delete", true, "a removed name is not given again"),
        Ok(Err(fault)) | Err(fault) => report.add("create-after-delete", Verdict::Noted, fault.to_string()),
    }
}

fn text(answer: &Result<(), Fault>) -> String {
    answer.as_ref().map_or_else(ToString::to_string, |()| "done".into())
}
