//! Several writers, without faults.

use super::*;
use std::collections::BTreeSet;

#[test]
fn the_later_of_two_writers_is_overtaken_and_commits_after_it_has_reopened() {
    let store = Memory::default();
    let (one, two) = (bucket(&store), bucket(&store));
    let first = make(&one);
    put(&first, "one").unwrap();
    let second = open(&two);
    put(&first, "two").unwrap();
    let lost = put(&second, "lost").unwrap_err();
    assert!(lost.is_overtaken(), "{lost}");
    assert!(put(&second, "lost again").unwrap_err().is_overtaken());
    drop(second);
    put(&open(&two), "three").unwrap();
    let seen: Vec<String> = all(&bucket(&store)).into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(seen, ["one", "two", "three"]);
}

#[test]
fn of_two_who_make_a_log_one_succeeds() {
    let store = Memory::default();
    let (one, two) = (bucket(&store), bucket(&store));
    let options = CreateOptions { log_id: LOG, segment_limit: LIMIT };
    let first = Writer::create(Arc::clone(&one) as Arc<dyn evlog_store::Fs>, dir(), options, &owner());
    let second = Writer::create(Arc::clone(&two) as Arc<dyn evlog_store::Fs>, dir(), options, &owner());
    assert!(first.is_ok());
    assert!(matches!(second, Err(evlog_store::OpenError::Exists { .. })));
}

#[test]
fn four_threads_that_race_lose_nothing_and_double_nothing() {
    race(&|| bucket_of(&Memory::default()), 4, 10);
}

fn bucket_of(store: &Memory) -> Vec<Arc<BucketFs>> {
    (0..5).map(|_| bucket(store)).collect()
}

/// Lets writers race, each on its own machine, and checks what is in the log at the end.
pub(super) fn race(machines: &dyn Fn() -> Vec<Arc<BucketFs>>, writers: usize, each: usize) {
    let machines = machines();
    make(&machines[0]).close().unwrap();
    let work = |at: usize| {
        let fs = &machines[at];
        let mut acknowledged = Vec::new();
        for number in 0..each {
            let payload = format!("writer {at} command {number}");
            let ticket = loop {
                let writer = open(fs);
                match put(&writer, &payload) {
                    Ok(ticket) => break ticket,
                    Err(error) => assert!(error.is_overtaken(), "{error}"),
                }
            };
            acknowledged.push((ticket.position.0, payload));
        }
        acknowledged
    };
    let acknowledged: BTreeSet<(u64, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers).map(|at| scope.spawn(move || work(at))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let seen = all(&machines[writers]);
    assert_eq!(seen.len(), writers * each);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), acknowledged);
}
