//! What an observer hears of a writer: all that was committed, once, before it is acknowledged; and each sync, with its end.

use super::*;
use crate::fs::sim::Act;
use crate::reader::Committed;
use crate::{Group, Observer};
use evlog_format::Seq;
use std::io;
use std::sync::Mutex;

/// What was heard, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Opened(Committed),
    SyncBegins,
    SyncEnded,
    SyncFailed,
    Committed(Group),
}

#[derive(Debug, Default)]
struct Ear(Mutex<Vec<Heard>>);

impl Ear {
    fn hear(&self, heard: Heard) {
        self.0.lock().unwrap().push(heard);
    }

    fn heard(&self) -> Vec<Heard> {
        self.0.lock().unwrap().clone()
    }

    fn groups(&self) -> Vec<Group> {
        let group = |heard| if let Heard::Committed(group) = heard { Some(group) } else { None };
        self.heard().into_iter().filter_map(group).collect()
    }
}

impl Observer for Ear {
    fn opened(&self, end: Committed) {
        self.hear(Heard::Opened(end));
    }

    fn sync_begins(&self) {
        self.hear(Heard::SyncBegins);
    }

    fn sync_ended(&self) {
        self.hear(Heard::SyncEnded);
    }

    fn sync_failed(&self, _: &io::Error) {
        self.hear(Heard::SyncFailed);
    }

    fn committed(&self, group: &Group) {
        self.hear(Heard::Committed(*group));
    }
}

fn observed(fs: &SimFs) -> (Writer, Arc<Ear>) {
    let ear = Arc::new(Ear::default());
    let heard = Arc::clone(&ear);
    (create(fs, LIMIT).with_ahead(Ahead::NEVER).observed_by(heard), ear)
}

#[test]
fn what_an_observer_counts_is_what_the_log_holds_afterwards() {
    let fs = SimFs::new();
    let (writer, ear) = observed(&fs);
    let opened = Committed { position: writer.end(), next_seq: Seq(0) };
    for number in 0..50u8 {
        let class = if number % 3 == 0 { Durability::Os } else { Durability::Sync };
        let payload = [number; 40];
        let events = vec![event("a", &payload); 1 + usize::from(number % 2)];
        let ticket = writer.append(&commit(class, &events)).unwrap();
        writer.wait(&ticket).unwrap();
        assert_eq!(ear.groups().last().unwrap().end.position, ticket.end, "heard before it is acknowledged");
    }
    writer.close().unwrap();
    let (groups, read) = (ear.groups(), reader(&fs));
    let sum = |of: fn(&Group) -> u64| groups.iter().map(of).sum::<u64>();
    assert_eq!((sum(|group| group.commits), sum(|group| group.events)), (50, all(&read).len() as u64));
    assert_eq!(opened.position.0 + sum(|group| group.bytes), cat_root(&fs).0.0);
    assert_eq!(groups.last().unwrap().end, read.committed());
    assert_eq!(ear.heard()[0], Heard::Opened(opened));
    assert!(segment_files(&fs).len() > 3, "segments begin among the commits");
}

#[test]
fn an_observer_hears_of_a_sync_before_the_commits_that_wait_for_it() {
    let (writer, ear) = observed(&SimFs::new());
    put(&writer, "a", b"1");
    let heard = ear.heard();
    assert!(
        matches!(
            heard[..],
            [Heard::Opened(_), Heard::SyncBegins, Heard::SyncEnded, Heard::Committed(Group { commits: 1, .. })]
        ),
        "{heard:?}"
    );
}

#[test]
fn an_observer_hears_of_a_sync_that_fails_and_of_no_commit_after_it() {
    let fs = SimFs::new();
    let (writer, ear) = observed(&fs);
    put(&writer, "a", b"1");
    fs.fail(Act::SyncData, 0, io::ErrorKind::Other);
    let ticket = offer(&writer, Durability::Sync, "a", b"2").unwrap();
    assert!(writer.wait(&ticket).is_err());
    assert!(offer(&writer, Durability::Sync, "a", b"3").and_then(|ticket| writer.wait(&ticket)).is_err());
    drop(writer);
    let heard = ear.heard();
    assert_eq!(heard[heard.len() - 2..], [Heard::SyncBegins, Heard::SyncFailed], "{heard:?}");
    assert_eq!(ear.groups().len(), 1);
}

#[test]
fn a_writer_that_continues_a_log_says_where_it_ends() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    put(&writer, "a", b"1");
    let end = Committed { position: writer.end(), next_seq: Seq(1) };
    writer.close().unwrap();
    let ear = Arc::new(Ear::default());
    let heard = Arc::clone(&ear);
    drop(open(&fs).0.observed_by(heard));
    assert_eq!(ear.heard(), [Heard::Opened(end)]);
}

#[test]
fn a_hint_is_what_head_says_and_none_if_there_is_no_head() {
    let fs = SimFs::new();
    let hint = |fs: &SimFs| Reader::hint(Arc::new(fs.clone()), dir()).unwrap();
    assert_eq!(hint(&fs), None);
    let writer = create(&fs, LIMIT);
    put(&writer, "a", b"1");
    let head = hint(&fs).unwrap();
    assert_eq!((head.log_id, head.committed, head.next_seq), (LOG, writer.end(), Seq(1)));
}
