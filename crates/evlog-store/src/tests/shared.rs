//! Several writers append to one log on a shared file system.

use super::*;
use crate::Reason;
use crate::fs::sim::Machine;

fn begin(machine: &Machine) -> Writer {
    let options = CreateOptions { log_id: LOG, segment_limit: LIMIT };
    Writer::create(Arc::new(machine.clone()), dir(), options, &owner()).unwrap()
}

fn join(machine: &Machine) -> Writer {
    Writer::open(Arc::new(machine.clone()), dir(), &owner()).unwrap().0
}

/// Payloads in the order of the log, as another machine sees it.
fn all(machine: &Machine) -> Vec<Vec<u8>> {
    let reader = Reader::open(Arc::new(machine.another()), dir()).unwrap();
    let (mut found, mut commits) = (Vec::new(), reader.commits(Position(0)).unwrap());
    while let Some(mut next) = commits.next().unwrap() {
        while let Some((_, event)) = next.commit.next_event().unwrap() {
            found.push(event.payload.to_vec());
        }
    }
    found
}

#[test]
fn a_commit_that_lost_the_race_is_not_appended_and_never_unknown() {
    let one = Machine::default();
    let first = begin(&one);
    put(&first, "run", b"1");
    let two = one.another();
    let second = join(&two);
    put(&first, "run", b"2");
    let lost = offer(&second, Durability::Sync, "run", b"lost").unwrap();
    for _again in 0..2 {
        let error = second.wait(&lost).unwrap_err();
        assert!(matches!(error, AppendError::NotAppended { reason: Reason::Overtaken(_) }), "{error}");
        assert!(error.is_overtaken() && error.to_string().contains("another writer committed first"), "{error}");
    }
    let later = offer(&second, Durability::Sync, "run", b"later").unwrap_err();
    assert!(matches!(later, AppendError::Poisoned { .. }) && later.is_overtaken(), "{later}");
    assert_eq!(all(&one), [b"1", b"2"]);
}

#[test]
fn a_writer_that_was_overtaken_gives_its_place_to_the_next_one_of_its_process() {
    let one = Machine::default();
    let first = begin(&one);
    put(&first, "run", b"1");
    assert_eq!(first.retire(), None, "it was not overtaken");
    let two = one.another();
    let second = join(&two);
    put(&second, "run", b"2");
    let kept = first.durable_end();
    let lost = offer(&first, Durability::Sync, "run", b"lost").unwrap();
    assert!(first.wait(&lost).unwrap_err().is_overtaken());
    assert_eq!(first.retire(), Some(kept));
    let again = join(&one);
    assert_eq!(again.stream_len("run").unwrap(), 2, "it has the commit that was first");
    put(&again, "run", b"3");
    assert_eq!(all(&two), [b"1", b"2", b"3"]);
}

/// A long group is synced in parts, one for each segment that ends within it.
#[test]
fn the_part_of_a_group_that_was_synced_before_the_race_was_lost_is_acknowledged() {
    for after in 0..9 {
        let one = Machine::default();
        let first = begin(&one);
        one.be_late_after(after);
        let offered: Vec<_> = (0..8).map(|nth| offer(&first, Durability::Sync, "run", &[nth; 700])).collect();
        let waited = |ticket: Result<Ticket, AppendError>| first.wait(&ticket?);
        let results: Vec<_> = offered.into_iter().map(waited).collect();
        let lost = |result: &Result<(), AppendError>| result.as_ref().is_err_and(AppendError::is_overtaken);
        assert!(results.iter().all(|result| result.is_ok() || lost(result)), "{results:?}");
        let kept = results.iter().take_while(|result| result.is_ok()).count();
        assert!(results[kept..].iter().all(lost), "{results:?}");
        assert_eq!(if kept == 0 { 0 } else { all(&one).len() }, kept, "what is acknowledged, and nothing else");
    }
}

#[test]
fn a_shared_log_gets_no_zeros_and_no_class_below_sync_and_is_never_called_closed() {
    let one = Machine::default();
    let writer = begin(&one).with_ahead(Ahead { after: 0, len: 1 << 16 });
    for _ in 0..9 {
        let ticket = offer(&writer, Durability::Os, "run", b"x").unwrap();
        assert_eq!(ticket.class, Durability::Sync);
        writer.wait(&ticket).unwrap();
        assert_eq!(writer.durable_end(), ticket.end);
    }
    let end = writer.end();
    writer.close().unwrap();
    let (again, recovery) = Writer::open(Arc::new(one.another()), dir(), &owner()).unwrap();
    assert_eq!((again.end(), recovery), (end, Recovery { clean_close: false, end, cut: None }));
    let mut classes = Vec::new();
    let visit = &mut |head: &evlog_format::CommitHead<'_>, _, _: &evlog_format::Event<'_>| {
        classes.push(head.class);
        Ok(ControlFlow::Continue(()))
    };
    again.read_stream::<ReadError>("run", 0, visit).unwrap();
    assert_eq!(classes, [Durability::Sync; 9]);
}
