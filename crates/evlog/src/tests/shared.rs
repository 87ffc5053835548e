//! Several sessions, on several machines, write one log. A session that lost a race decides again.

use super::toy::{ask, contracts, line, options};
use crate::checkpoint::ReadBack;
use crate::contracts::built_in;
use crate::{Answer, AnswerOutcome, Contracts, Log, Offered, Options, ReadOptions, Request};
use evlog_format::{Durability, Seq};
use evlog_projection::Fact;
use evlog_store::fs::Fs;
use evlog_store::fs::sim::{Machine, SimFs};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

fn dir() -> &'static Path {
    Path::new("/log")
}

fn on(fs: Arc<dyn Fs>, contracts: Contracts) -> Log {
    Options { fs, ..options() }.open(dir(), contracts).unwrap()
}

fn session(machine: &Machine) -> Log {
    on(Arc::new(machine.clone()), contracts())
}

/// What is in the log, without places and times.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    stream: String,
    number: u64,
    kind: String,
    payload: Vec<u8>,
    key: Option<String>,
    class: Durability,
}

/// Everything in the log, in order.
fn entries(fs: Arc<dyn Fs>, contracts: Contracts) -> Vec<Entry> {
    let view = ReadOptions { fs, ..ReadOptions::new() }.open(dir(), contracts).unwrap();
    let mut all = Vec::new();
    let visit = &mut |fact: &Fact<'_>| {
        assert_eq!(fact.seq, Seq(all.len() as u64), "seqs are dense");
        all.push(Entry {
            stream: fact.event.stream.to_owned(),
            number: fact.event.number,
            kind: fact.event.kind.to_string(),
            payload: fact.event.payload.to_vec(),
            key: fact.head.idempotency.map(|given| given.key.to_owned()),
            class: fact.head.class,
        });
        Ok(ControlFlow::Continue(()))
    };
    view.each::<crate::LogError>(Seq(0), visit).unwrap();
    all
}

/// Everything in the log, as another machine reads it.
fn seen(machine: &Machine, contracts: Contracts) -> Vec<Entry> {
    entries(Arc::new(machine.another()), contracts)
}

/// What commands recorded. Between their events in `$log` are those of the sessions, which differ, so numbers there do not count.
fn of_commands(entries: &[Entry]) -> Vec<Entry> {
    let of_command = entries.iter().filter(|entry| !entry.kind.starts_with("log."));
    let counted = |entry: &Entry| if entry.stream == "$log" { 0 } else { entry.number };
    of_command.map(|entry| Entry { number: counted(entry), ..entry.clone() }).collect()
}

fn kinds(machine: &Machine) -> Vec<String> {
    seen(machine, contracts()).iter().map(|entry| format!("{} {}", entry.stream, entry.kind)).collect()
}

#[test]
fn a_command_that_lost_the_race_is_decided_again_and_its_session_is_opened_once() {
    let one = Machine::default();
    let first = session(&one);
    ask(&first, "a", "begin", json!({})).into_accepted().unwrap();
    let second = session(&one.another());
    ask(&first, "a", "add", json!({"amount": 1})).into_accepted().unwrap();
    // Both are overtaken, each by the other.
    let answer = ask(&second, "a", "add", json!({"amount": 2})).into_accepted().unwrap();
    ask(&first, "a", "add", json!({"amount": 3})).into_accepted().unwrap();
    let expected = ["$log log.created", "$log log.opened", "a custom/begun", "a custom/added", "$log log.opened"];
    assert_eq!(kinds(&one)[..5], expected);
    assert_eq!(kinds(&one)[5..], ["a custom/added", "a custom/added"]);
    assert_eq!(answer.events[0].0, Seq(5), "the seq is that of the log, and not of the first decision");
    second.close().unwrap();
    first.close().unwrap();
    assert_eq!(kinds(&one)[7..], ["$log log.closed", "$log log.closed"]);
}

#[test]
fn a_command_that_the_winner_made_impossible_is_refused() {
    let one = Machine::default();
    let first = session(&one);
    ask(&first, "a", "begin", json!({})).into_accepted().unwrap();
    let second = session(&one.another());
    let offered = second.offer(&line(r#"{"contract":"toy","run":"b","do":"begin"}"#)).unwrap();
    assert_eq!(offered.answer().outcome, AnswerOutcome::Accepted);
    // The committing thread may be quicker than the other session, and then the other one is refused.
    drop(ask(&first, "b", "begin", json!({})));
    let refused = second.wait(offered).unwrap();
    let other = ask(&first, "c", "begin", json!({}));
    assert_eq!(other.outcome, AnswerOutcome::Accepted);
    let begun = kinds(&one).iter().filter(|kind| *kind == "b custom/begun").count();
    assert_eq!(begun, 1, "{refused:?}");
    let late = ask(&second, "c", "begin", json!({}));
    assert_eq!(late.error.unwrap().code, "EXISTS", "decided against the head that the winner made");
    assert_eq!(kinds(&one).iter().filter(|kind| *kind == "c custom/begun").count(), 1);
}

#[test]
fn a_key_that_the_winner_recorded_makes_the_loser_a_second_delivery() {
    let one = Machine::default();
    let first = session(&one);
    ask(&first, "a", "begin", json!({})).into_accepted().unwrap();
    let second = session(&one.another());
    let won = ask(&first, "a", "add", json!({"amount": 5, "id": "k"}));
    let again = ask(&second, "a", "add", json!({"amount": 5, "id": "k"}));
    assert_eq!(again, Answer { outcome: AnswerOutcome::Duplicate, ..won });
    // And a key in the log's own stream, where what has no run is recorded.
    let lost = ask(&first, "none", "add", json!({"id": "l"}));
    let again = ask(&second, "none", "add", json!({"id": "l"}));
    assert_eq!(again, Answer { outcome: AnswerOutcome::Duplicate, ..lost });
    assert_eq!(kinds(&one).iter().filter(|kind| *kind == "a custom/added").count(), 1);
}

#[test]
fn an_answer_from_memory_is_decided_again_if_what_it_was_based_on_lost_the_race() {
    let one = Machine::default();
    let first = session(&one);
    ask(&first, "a", "begin", json!({})).into_accepted().unwrap();
    let second = session(&one.another());
    ask(&first, "a", "add", json!({"amount": 1})).into_accepted().unwrap();
    let text = r#"{"contract":"toy","run":"a","do":"add","id":"k"}"#;
    let both: Vec<Offered> = (0..2).map(|_| second.offer(&line(text)).unwrap()).collect();
    let answers: Vec<Answer> = both.into_iter().rev().map(|offered| second.wait(offered).unwrap()).collect();
    let outcomes: Vec<_> = answers.iter().map(|answer| answer.outcome).collect();
    assert!(
        outcomes.contains(&AnswerOutcome::Accepted) && outcomes.contains(&AnswerOutcome::Duplicate),
        "{outcomes:?}"
    );
    assert_eq!(answers[0].events, answers[1].events, "both name the event that is in the log");
    assert_eq!(kinds(&one).iter().filter(|kind| *kind == "a custom/added").count(), 2);
}

#[test]
fn two_machines_that_make_one_log_write_one_log() {
    let one = Machine::default();
    let two = one.another();
    let (first, second) = (session(&one), session(&two));
    ask(&second, "b", "begin", json!({})).into_accepted().unwrap();
    ask(&first, "a", "begin", json!({})).into_accepted().unwrap();
    assert_eq!(first.log_id(), second.log_id());
    let expected = ["$log log.created", "$log log.opened", "b custom/begun", "$log log.opened", "a custom/begun"];
    assert_eq!(kinds(&one), expected);
}

#[test]
fn checkpoints_policies_and_keys_are_recorded_after_a_lost_race() {
    let one = Machine::default();
    let first = session(&one);
    ask(&first, "a", "begin", json!({})).into_accepted().unwrap();
    let second = session(&one.another());
    let lose = |run: &str| drop(ask(&first, run, "begin", json!({})));
    lose("b");
    second.record_key("a key").unwrap();
    lose("c");
    let seq = second.set_policy("durability = \"sync\"\n", "somebody").unwrap().unwrap();
    assert_eq!(seen(&one, contracts())[usize::try_from(seq.0).unwrap()].kind, "log.policy_set");
    lose("d");
    let mut read = ReadBack::begin(&second, None, &mut |_, _| ()).unwrap();
    let statement = read.statement(&mut |_, _| ()).unwrap();
    lose("e");
    read.record(&statement, "example.com/log", b"a note").unwrap();
    assert_eq!(second.signing_history().unwrap().last.unwrap().size, statement.size.0);
    assert!(first.begins_with(statement.size, &statement.root, &mut |_, _| ()).unwrap());
    assert_eq!(first.set_policy("durability = \"sync\"\n", "somebody else").unwrap(), None, "the other has set it");
    second.close().unwrap();
    first.close().unwrap();
}

#[test]
fn threads_of_one_session_lose_together_and_each_command_is_in_the_log_once() {
    let one = Machine::default();
    let first = session(&one);
    ask(&first, "a", "begin", json!({})).into_accepted().unwrap();
    let logs = [first, session(&one.another()), session(&one.another())];
    std::thread::scope(|scope| {
        for (nth, log) in logs.iter().enumerate() {
            for thread in 0..2 {
                scope.spawn(move || {
                    for round in 0..20 {
                        let id = format!("{nth}-{thread}-{round}");
                        ask(log, "a", "add", json!({"amount": 1, "id": id})).into_accepted().unwrap();
                    }
                });
            }
        }
    });
    for log in logs {
        log.close().unwrap();
    }
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    let added = of_commands(&seen(&one, contracts()));
    added.iter().filter_map(|entry| entry.key.clone()).for_each(|key| *count.entry(key).or_default() += 1);
    assert!(count.len() == 120 && count.values().all(|times| *times == 1), "{count:?}");
    assert!(added.iter().all(|entry| entry.class == Durability::Sync));
}

/// A command of contract `status` or `custom`, by number.
fn command(nth: usize, which: u8, run: u8) -> Request {
    let what = match which {
        0 => r#""contract":"status","do":"create""#,
        1 => r#""contract":"status","do":"transition","to":"running""#,
        2 => r#""contract":"status","do":"transition","to":"succeeded""#,
        3 => r#""contract":"custom","do":"record","kind":"custom/paid","data":{"cents":1}"#,
        _ => r#""contract":"custom","do":"record","kind":"custom/sent""#,
    };
    let contract = if which < 3 { "s" } else { "c" };
    line(&format!(r#"{{{what},"run":"{contract}{run}","id":"k{nth}"}}"#))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// The log of racing sessions holds what one session records that gets the same commands in the order of the log.
    #[test]
    fn the_log_of_racing_sessions_is_that_of_one_session_with_the_same_commands_in_its_order(
        commands in prop::collection::vec((0usize..3, 0u8..5, 0u8..2, any::<bool>()), 1..24),
    ) {
        let one = Machine::default();
        let open = |machine: &Machine| on(Arc::new(machine.clone()), built_in());
        let begun = open(&one);
        begun.begin().unwrap();
        let logs = [begun, open(&one.another()), open(&one.another())];
        let mut waiting: Vec<(usize, Offered)> = Vec::new();
        let mut answers: BTreeMap<String, Answer> = BTreeMap::new();
        let requests: Vec<Request> =
            commands.iter().enumerate().map(|(nth, (_, which, run, _))| command(nth, *which, *run)).collect();
        let mut wait = |nth: usize, log: usize, offered: Offered| {
            answers.insert(format!("k{nth}"), logs[log].wait(offered).unwrap());
        };
        for (nth, (log, _, _, waits)) in commands.iter().enumerate() {
            waiting.push((nth, logs[*log].offer(&requests[nth]).unwrap()));
            if *waits {
                waiting.drain(..).for_each(|(nth, offered)| wait(nth, commands[nth].0, offered));
            }
        }
        waiting.drain(..).for_each(|(nth, offered)| wait(nth, commands[nth].0, offered));
        let racing = of_commands(&seen(&one, built_in()));
        let disk: Arc<dyn Fs> = Arc::new(SimFs::new());
        let single = on(Arc::clone(&disk), built_in());
        single.begin().unwrap();
        let mut done = Vec::new();
        for key in racing.iter().filter_map(|entry| entry.key.clone()) {
            if done.last() != Some(&key) {
                prop_assert!(!done.contains(&key), "{} is in the log twice", key);
                let nth: usize = key[1..].parse().unwrap();
                let (found, answer) = (single.submit(&requests[nth]).unwrap(), &answers[&key]);
                prop_assert_eq!((found.outcome, &found.status), (answer.outcome, &answer.status));
                done.push(key);
            }
        }
        let recorded = answers.iter().filter(|(_, answer)| !answer.events.is_empty()).count();
        prop_assert_eq!(recorded, done.len(), "every recorded answer is in the log, and nothing else");
        prop_assert_eq!(of_commands(&entries(disk, built_in())), racing);
        for log in logs {
            log.close().unwrap();
        }
    }
}
