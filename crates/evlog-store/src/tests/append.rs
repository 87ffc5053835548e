//! The guarantees of a session without faults.

use super::*;
use crate::{OpenError, Reason, StdFs};
use evlog_format::commit::{EncodeRefusal, TooLarge};
use evlog_format::{CommitHead, Encoded, Event, PLAIN, SEGMENT_HEADER_LEN, SegmentHeader, Seq};

#[test]
fn what_was_appended_is_read_after_reopening_in_the_same_order() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    for number in 0..10u8 {
        let ticket = put(&writer, ["a", "b"][usize::from(number % 2)], &[number]);
        assert_eq!(ticket.first_seq, Seq(u64::from(number)));
    }
    writer.close().unwrap();
    let (writer, recovery) = open(&fs);
    assert_eq!(recovery, Recovery { clean_close: true, end: writer.end(), cut: None });
    assert_eq!((writer.next_seq(), writer.stream_len("a").unwrap()), (Seq(10), 5));
    put(&writer, "a", b"more");
    writer.close().unwrap();
    let seen = all(&reader(&fs));
    assert_eq!(seen.iter().map(|event| event.seq).collect::<Vec<_>>(), (0..11).collect::<Vec<_>>());
    assert_eq!((seen[10].number, seen[10].payload.as_slice()), (5, b"more".as_slice()));
}

#[test]
fn a_session_that_appends_nothing_leaves_the_bytes_and_the_clean_close_as_they_were() {
    let fs = SimFs::new();
    create(&fs, LIMIT).close().unwrap();
    let before = cat_root(&fs);
    for _ in 0..3 {
        let (writer, recovery) = open(&fs);
        assert!(recovery.clean_close);
        drop(writer);
    }
    assert_eq!(cat_root(&fs), before);
}

#[test]
fn the_root_of_a_closed_log_is_the_hash_of_its_segment_files_one_after_another() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT).with_ahead(Ahead::NEVER);
    for number in 0..100u8 {
        put(&writer, "run", &[number; 50]);
        assert_eq!(writer.root(), cat_root(&fs));
        assert_eq!(writer.root().0, writer.durable_end());
    }
    let root = writer.root();
    writer.close().unwrap();
    assert!(segment_files(&fs).len() > 5);
    assert_eq!(cat_root(&fs), root);
    let report = audit(&fs);
    assert_eq!((report.findings.kept(), report.end, report.root), (&[][..], root.0, root.1));
    assert_eq!(open(&fs).0.root(), root);
}

#[test]
fn a_segment_ends_exactly_where_the_next_frame_does_not_fit() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    let (mut segment, mut len, mut rolled) = (0, SEGMENT_HEADER_LEN as u64, 0);
    for size in [1, 700, 100, 40, 2000, 3, 900, 20, 30, 5000, 5000, 1].repeat(3) {
        let ticket = put(&writer, "run", &vec![1; size]);
        let frame = ticket.end.0 - ticket.position.0;
        if !SegmentHeader::takes(LIMIT, len, frame) {
            (segment, len, rolled) = (segment + len, SEGMENT_HEADER_LEN as u64, rolled + 1);
        }
        assert_eq!(ticket.position.0, segment + len, "payload of {size} bytes");
        len += frame;
    }
    writer.close().unwrap();
    assert_eq!(segment_files(&fs).len(), rolled + 1);
    let reader = reader(&fs);
    for segment in reader.segments() {
        assert_eq!(fs.bytes(&segment.path).unwrap().len() as u64, segment.len);
    }
}

#[test]
fn a_commit_of_several_events_gets_dense_seqs_and_numbers_and_points_at_its_own_events() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    put(&writer, "b", b"0");
    let mut pointing = event("a", b"3");
    pointing.causation = Causation::Earlier(1);
    let events = [event("a", b"1"), event("b", b"2"), pointing, event("b", b"4")];
    let ticket = writer.append(&commit(Durability::Sync, &events)).unwrap();
    writer.wait(&ticket).unwrap();
    let mut causes = Vec::new();
    writer
        .read_stream::<ReadError>("a", 0, &mut |head, seq, event| {
            causes.push((seq, event.number, event.causation));
            assert_eq!(head.actor, "tester");
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert_eq!(causes, [(Seq(1), 0, None), (Seq(3), 1, Some(Seq(2)))]);
    assert_eq!((writer.stream_len("a").unwrap(), writer.stream_len("b").unwrap()), (2, 3));
}

#[test]
fn a_commit_that_cannot_be_written_changes_nothing() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    put(&writer, "a", b"x");
    let long = vec![0; 8 * 1024 * 1024 + 1];
    let large = vec![0; 8 * 1024 * 1024];
    let mut itself = event("a", b"");
    itself.causation = Causation::Earlier(1);
    let cases: [(&[AppendEvent<'_>], &str); 5] = [
        (&[], "events: expected at least one, found none"),
        (&[event("a", b""), event("b\n", b"")], "stream is not text without control characters"),
        (&[event("a", b""), event("a", &long)], "payload is too large"),
        (&[event("a", &large), event("a", &large), event("a", &large)], "commit is too large"),
        (&[event("a", b""), itself], "causation of event 1 of the commit"),
    ];
    let before = (writer.end(), writer.next_seq());
    for (events, expected) in cases {
        let error = writer.append(&commit(Durability::Sync, events)).unwrap_err();
        assert!(matches!(error, AppendError::NotAppended { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!((writer.end(), writer.next_seq(), writer.stream_len("a").unwrap()), (before.0, before.1, 1));
    }
    let refused = writer.append(&commit(Durability::Sync, &[event("a", &long)])).unwrap_err();
    let AppendError::NotAppended { reason: Reason::Refused(EncodeRefusal::TooLarge(TooLarge { max, found, .. })) } =
        refused
    else {
        panic!("{refused}")
    };
    assert_eq!((max, found), (8 * 1024 * 1024, 8 * 1024 * 1024 + 1));
    assert_eq!(put(&writer, "a", b"y").first_seq, Seq(1));
}

#[test]
fn commits_of_many_threads_are_all_there_each_thread_in_its_order() {
    let fs = SimFs::new();
    let writer = create(&fs, 16 * 1024);
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let writer = &writer;
            scope.spawn(move || {
                let name = format!("thread-{thread}");
                for number in 0..50u8 {
                    put(writer, &name, &[number]);
                }
            });
        }
    });
    let syncs = fs.count(crate::fs::sim::Act::SyncData);
    writer.close().unwrap();
    let reader = reader(&fs);
    assert_eq!(all(&reader).len(), 400);
    for thread in 0..8 {
        let seen = stream(&reader, &format!("thread-{thread}"));
        assert_eq!(seen.iter().map(|event| event.payload[0]).collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
    }
    assert!(syncs <= 400 + 100, "{syncs} syncs for 400 commits and their segments");
}

#[test]
fn commits_that_are_offered_first_and_waited_for_later_share_syncs() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    let offered = (0..2000u32).map(|n| offer(&writer, Durability::Sync, "run", &n.to_le_bytes()).unwrap());
    let tickets: Vec<Ticket> = offered.collect();
    for ticket in &tickets {
        writer.wait(ticket).unwrap();
    }
    assert!(fs.count(crate::fs::sim::Act::SyncData) < 2000);
    writer.close().unwrap();
    assert_eq!(all(&reader(&fs)).len(), 2000);
}

#[test]
fn commits_of_class_os_are_acknowledged_before_any_sync_and_synced_when_nothing_else_comes() {
    let fs = SimFs::new();
    let writer = create(&fs, 1 << 20);
    let durable = writer.durable_end();
    let ticket = offer(&writer, Durability::Os, "run", b"x").unwrap();
    writer.wait(&ticket).unwrap();
    while writer.durable_end() < ticket.end {
        std::thread::yield_now();
    }
    assert!(durable < ticket.end);
    assert_eq!(writer.root(), cat_root(&fs));
}

#[test]
fn more_waiting_bytes_than_there_is_room_for_make_callers_wait_and_lose_nothing() {
    let fs = SimFs::new();
    let writer = create(&fs, 64 * 1024 * 1024);
    let payload = vec![7; 1024 * 1024];
    let tickets: Vec<Ticket> = (0..40).map(|_| offer(&writer, Durability::Os, "run", &payload).unwrap()).collect();
    for ticket in &tickets {
        writer.wait(ticket).unwrap();
    }
    writer.close().unwrap();
    assert_eq!(stream(&reader(&fs), "run").len(), 40);
}

#[test]
fn a_log_is_made_once_and_one_that_is_not_there_is_not_opened() {
    let fs = SimFs::new();
    let absent = Writer::open(Arc::new(fs.clone()), dir(), &owner()).unwrap_err();
    assert!(matches!(absent, OpenError::NoLog { .. }), "{absent}");
    assert!(fs.files().is_empty(), "asking leaves no trace");
    assert!(matches!(Reader::open(Arc::new(fs.clone()), dir()), Err(OpenError::NoLog { .. })));
    create(&fs, LIMIT).close().unwrap();
    let options = CreateOptions { log_id: LOG, segment_limit: LIMIT };
    let second = Writer::create(Arc::new(fs.clone()), dir(), options, &owner()).unwrap_err();
    assert!(matches!(second, OpenError::Exists { .. }), "{second}");
    let options = CreateOptions { log_id: LOG, segment_limit: 10 };
    let small = Writer::create(Arc::new(SimFs::new()), dir(), options, &owner()).unwrap_err();
    assert!(matches!(small, OpenError::SegmentLimit { found: 10 }), "{small}");
}

#[test]
fn a_second_writer_is_refused_and_the_error_names_the_holder() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("deep/log");
    let fs: Arc<dyn crate::Fs> = Arc::new(StdFs);
    let options = CreateOptions { log_id: LOG, segment_limit: LIMIT };
    let writer = Writer::create(Arc::clone(&fs), &path, options, &Owner { program: "first 1.0".into() }).unwrap();
    put(&writer, "run", b"x");
    let refused = Writer::open(Arc::clone(&fs), &path, &owner()).unwrap_err();
    let OpenError::Locked { pid, program, .. } = &refused else { panic!("{refused}") };
    assert_eq!((*pid, program.as_deref()), (Some(std::process::id()), Some("first 1.0")));
    assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
    writer.close().unwrap();
    // A killed process leaves the file, but not the lock.
    assert!(std::fs::read_to_string(path.join("LOCK")).unwrap().contains("first 1.0"));
    let (writer, recovery) = Writer::open(Arc::clone(&fs), &path, &owner()).unwrap();
    assert!(recovery.clean_close);
    put(&writer, "run", b"y");
    drop(writer);
    let (_, recovery) = Writer::open(fs, &path, &owner()).unwrap();
    assert_eq!((recovery.clean_close, recovery.cut), (false, None));
}

/// Four events of two streams: as they are encoded in a log, and as they are given to the writer, which numbers them.
fn placed(first: u64) -> (Vec<Event<'static>>, Vec<AppendEvent<'static>>) {
    let given: Vec<AppendEvent<'static>> =
        ["a", "b", "a", "a"].map(|stream| event(stream, b"payload")).into_iter().collect();
    let numbers = [first, 0, first + 1, first + 2];
    let placed = given.iter().zip(numbers).map(|(event, number)| Event {
        stream: event.stream,
        number,
        kind: event.kind,
        kind_version: event.kind_version,
        causation: None,
        protection: PLAIN,
        payload: event.payload,
    });
    (placed.collect(), given)
}

#[test]
fn a_commit_that_was_encoded_before_stands_in_the_log_as_one_that_is_encoded_here() {
    let logs = [SimFs::new(), SimFs::new()];
    let writers = [0, 1].map(|at| create(&logs[at], LIMIT));
    for round in 0..80 {
        let (_, given) = placed(0);
        let commit = commit(Durability::Sync, &given);
        let (mut events, next) = (placed(3 * round).0, Seq(4 * round));
        events[1].number = round;
        let encoded = Encoded::new(CommitHead::new(next, 7, Durability::Sync, "tester"), &events).unwrap();
        let tickets = [writers[0].append(&commit).unwrap(), writers[1].append_encoded(&encoded).unwrap()];
        assert_eq!(tickets[0], tickets[1]);
        writers[0].wait(&tickets[0]).unwrap();
        writers[1].wait(&tickets[1]).unwrap();
    }
    assert!(segment_files(&logs[1]).len() > 3);
    assert_eq!(cat_root(&logs[0]), cat_root(&logs[1]));
}

#[test]
fn a_commit_that_was_encoded_for_another_place_is_not_appended_and_leaves_nothing() {
    let fs = SimFs::new();
    let writer = create(&fs, LIMIT);
    let head = |seq| CommitHead::new(Seq(seq), 7, Durability::Sync, "tester");
    let right = placed(0).0;
    let mut other = placed(0).0;
    other[0].number = 1;
    other.truncate(1);
    let mut late = right.clone();
    late[1].number = 1;
    for (head, events) in [(head(8), &right), (head(1), &other), (head(0), &late)] {
        let encoded = Encoded::new(head, events).unwrap();
        let refused = writer.append_encoded(&encoded);
        assert!(matches!(refused, Err(AppendError::NotAppended { reason: Reason::Misplaced { .. } })), "{refused:?}");
        assert_eq!((writer.next_seq(), writer.stream_len("a").unwrap()), (Seq(0), 0));
    }
    let ticket = writer.append_encoded(&Encoded::new(head(0), &right).unwrap()).unwrap();
    writer.wait(&ticket).unwrap();
    assert_eq!((all(&reader(&fs)).len(), writer.stream_len("a").unwrap()), (4, 3));
}
