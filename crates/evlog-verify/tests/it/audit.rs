//! The audit finds each flaw: tables of logs with one flaw each, and the findings that the audit must report.

use crate::support::{Builder, Draft, File, LOG_ID, audit, audit_in, event, found, frames_of, head};
use evlog_format::checksum::crc32;
use evlog_format::{
    Commit, CommitHead, Frame, Idempotency, Kind, LogId, Position, Root, SEGMENT_HEADER_LEN, SegmentHeader, Seq, kind,
};
use evlog_verify::{Audit, OtherVersion, Report, Verdict};

const HEADER: u64 = SEGMENT_HEADER_LEN as u64;

/// A log of one stream and these many commits, each of about 150 bytes: five to a segment.
fn log(commits: u64) -> Builder {
    let mut builder = Builder::new();
    (0..commits).for_each(|_| note(&mut builder));
    builder
}

fn note(builder: &mut Builder) {
    builder.commit(&[Draft::custom("run-1", &format!("{{\"text\":\"{}\"}}", "x".repeat(80)))]);
}

/// A frame whose seq and number are the caller's, at the builder's end.
fn put_odd(builder: &mut Builder, first_seq: u64, number: u64) {
    let draft = Draft::custom("run-1", "{}");
    let frame = builder.frame_at(builder.end(), first_seq, &[event(&draft, number)], &head());
    builder.put(&frame);
    builder.durable = builder.end();
    builder.next_seq = first_seq + 1;
    builder.numbers.insert("run-1".into(), number + 1);
}

fn check(files: &[File], expected: &[(&str, u64, &str)]) -> Report {
    let report = audit(files);
    assert_eq!(found(&report), expected, "{:#?}", report.findings.kept());
    report
}

fn prefix_root(files: &[File], end: u64) -> Root {
    let whole: Vec<u8> = files.iter().flat_map(|file| file.bytes.iter().copied()).collect();
    Root(*blake3::hash(&whole[..usize::try_from(end).unwrap()]).as_bytes())
}

#[test]
fn a_log_as_written_is_clean_and_its_root_is_the_hash_of_its_bytes() {
    // F-01, F-14, F-16, F-31, F-34.
    let builder = log(20);
    assert!(builder.files.len() >= 3);
    let report = check(&builder.files, &[]);
    assert_eq!(report.verdict(), Verdict::Clean);
    assert_eq!((report.log_id, report.end, report.next_seq), (Some(LOG_ID), Position(builder.end()), Seq(20)));
    assert_eq!((report.commits, report.events, report.streams, report.unknown_kinds), (20, 20, 1, 0));
    assert_eq!(report.root, prefix_root(&builder.files, builder.end()));
}

#[test]
fn an_audit_at_rest_is_read_back_whole_or_not_at_all() {
    let files = log(40).files;
    let mut audit = Audit::new(None);
    audit.begin_segment(Position(0), false);
    assert_eq!(audit.save(), None, "within a segment there is nothing to save");
    audit.bytes(&files[0].bytes, &mut |_, _| ()).unwrap();
    audit.end_segment().unwrap();
    let saved = audit.save().unwrap();
    for len in 0..saved.len() {
        assert!(Audit::restore(&saved[..len], None).is_err(), "{len}");
        // Without the digest that the caller adds, changed bytes may be accepted, but must not cause a panic.
        let mut other = saved.clone();
        other[len] ^= 0x80;
        drop(Audit::restore(&other, None));
    }
    assert!(Audit::restore(&[saved.as_slice(), &[0]].concat(), None).is_err());
}

#[test]
fn a_log_of_a_header_alone_is_clean_and_so_is_one_of_no_file() {
    check(&log(0).files, &[]);
    let report = check(&[], &[]);
    assert_eq!((report.root, report.log_id), (Root::EMPTY, None));
}

#[test]
fn zeros_written_ahead_are_not_part_of_the_log() {
    // F-25: also zeros fewer than a length field has.
    for zeros in [1, 2, 3, 4, 15, 16, 17, 5000] {
        let mut builder = log(8);
        let (end, root) = (builder.end(), builder.header().root_before);
        builder.put(&vec![0; zeros]);
        let report = check(&builder.files, &[]);
        assert_eq!((report.end.0, report.root), (end, root), "{zeros} zeros");
    }
}

#[test]
fn zeros_in_a_sealed_segment_are_damage() {
    // F-25.
    let mut builder = log(8);
    let at = builder.files[0].bytes.len() as u64;
    builder.files[0].bytes.extend_from_slice(&[0; 40]);
    let report = audit(&builder.files);
    assert_eq!(report.verdict(), Verdict::Damaged);
    assert_eq!(found(&report)[0], ("damaged", at, "F-25"));
}

#[test]
fn a_log_that_ends_anywhere_within_its_last_frame_has_a_torn_tail() {
    // F-26.
    let builder = log(9);
    let last = builder.files.last().unwrap();
    let places = frames_of(last);
    let start = places[places.len() - 2];
    for len in start + 1..last.bytes.len() {
        let mut files = builder.files.clone();
        files.last_mut().unwrap().bytes.truncate(len);
        let position = last.position + start as u64;
        let report = check(&files, &[("torn_tail", position, "F-21")]);
        assert_eq!((report.end.0, report.next_seq), (position, Seq(8)), "cut to {len}");
        assert_eq!(report.root, prefix_root(&files, position));
    }
}

#[test]
fn a_frame_that_fails_above_the_durable_floor_is_a_torn_tail_even_if_a_whole_one_follows() {
    // F-26: a group that was not synced reached the disk out of order.
    let mut builder = log(7);
    let floor = builder.durable;
    note(&mut builder);
    builder.durable = floor;
    note(&mut builder);
    let file = builder.files.last_mut().unwrap();
    let at = usize::try_from(floor - file.position).unwrap();
    file.bytes[at + 20] ^= 1;
    let report = check(&builder.files, &[("torn_tail", floor, "F-22")]);
    assert_eq!((report.end.0, report.next_seq), (floor, Seq(7)));
}

#[test]
fn the_first_frames_of_a_group_as_zeros_are_a_torn_tail() {
    // F-25, F-26: zeros were written ahead, and of an unsynced group only the second frame arrived.
    let mut builder = log(7);
    let floor = builder.durable;
    note(&mut builder);
    builder.durable = floor;
    let second = builder.end();
    note(&mut builder);
    let file = builder.files.last_mut().unwrap();
    let place = |position: u64| usize::try_from(position - file.position).unwrap();
    let (from, to) = (place(floor), place(second));
    file.bytes[from..to].fill(0);
    check(&builder.files, &[("torn_tail", floor, "F-25")]);
}

#[test]
fn a_frame_that_fails_below_the_durable_floor_is_damage() {
    // F-26: the next frame says that it was synced.
    let mut builder = log(8);
    let file = builder.files.last_mut().unwrap();
    let places = frames_of(file);
    let (failing, next) = (file.position + places[0] as u64, file.position + places[1] as u64);
    file.bytes[places[0] + 30] ^= 1;
    let report = check(&builder.files, &[("damaged", failing, "F-22"), ("damaged", next, "F-26")]);
    assert_eq!((report.end.0, report.events), (failing, 7), "the rest is still checked");
}

#[test]
fn head_makes_a_torn_tail_damage_and_missing_bytes_truncation() {
    // F-26.
    let builder = log(9);
    let file = builder.files.last().unwrap();
    let start = file.position + frames_of(file)[frames_of(file).len() - 2] as u64;
    let mut torn = builder.files.clone();
    torn.last_mut().unwrap().bytes.truncate(usize::try_from(start - file.position).unwrap() + 20);
    let with_head = |files: &[File], claim| audit_in(files, 100, Some(claim)).0.verdict();
    assert_eq!(with_head(&torn, start), Verdict::TornTail);
    assert_eq!(with_head(&torn, start + 1), Verdict::Damaged);
    assert_eq!(with_head(&torn, start + 20), Verdict::Damaged);
    assert_eq!(with_head(&torn, start + 21), Verdict::Truncated);
    let mut zeros = torn.clone();
    zeros.last_mut().unwrap().bytes.truncate(usize::try_from(start - file.position).unwrap());
    assert_eq!(with_head(&zeros, start + 1), Verdict::Truncated);
    zeros.last_mut().unwrap().bytes.extend_from_slice(&[0; 500]);
    assert_eq!(with_head(&zeros, start), Verdict::Clean);
    assert_eq!(with_head(&zeros, start + 1), Verdict::Damaged);
    assert_eq!(with_head(&zeros, start + 501), Verdict::Truncated);
}

#[test]
fn a_header_that_contradicts_the_bytes_before_it_is_tampering() {
    type Change = fn(&mut SegmentHeader);
    let cases: &[(Change, &str)] = &[
        (|h| h.log_id = LogId([9; 16]), "F-12"),
        (|h| h.segment_limit += 1, "F-12"),
        (|h| h.root_before.0[31] ^= 1, "F-14"),
        (|h| h.first_seq.0 += 1, "F-16"),
    ];
    for (change, rule) in cases {
        let mut builder = log(5);
        let mut header = builder.header();
        change(&mut header);
        let at = builder.end();
        builder.begin_segment_with(&header);
        let report = audit(&builder.files);
        assert_eq!(found(&report), [("tampered", at, *rule)], "{:#?}", report.findings.kept());
    }
}

#[test]
fn a_header_that_states_another_position_says_that_bytes_are_missing_or_too_many() {
    // F-02, F-16.
    for (by, verdict) in [(40, "truncated"), (-40, "tampered")] {
        let mut builder = log(5);
        let mut header = builder.header();
        let at = builder.end();
        header.position.0 = at.checked_add_signed(by).unwrap();
        builder.begin_segment_with(&header);
        builder.files.last_mut().unwrap().position = header.position.0;
        check(&builder.files, &[(verdict, at, "F-16")]);
        builder.files.last_mut().unwrap().position = at;
        check(&builder.files, &[("tampered", header.position.0, "F-02"), (verdict, at, "F-16")]);
    }
}

#[test]
fn a_missing_segment_is_truncation_and_the_ones_after_it_are_still_checked() {
    // F-01, F-16.
    let mut builder = log(20);
    let gone = builder.files.remove(1);
    let report = check(&builder.files, &[("truncated", gone.position, "F-16")]);
    assert_eq!(report.end.0, gone.position);
    assert_eq!(report.next_seq, Seq(5), "five commits stand in the first");
    builder.files.remove(0);
    let report = audit(&builder.files);
    assert_eq!((report.verdict(), report.end, report.root), (Verdict::Truncated, Position(0), Root::EMPTY));
}

#[test]
fn two_segments_under_each_others_names_are_noticed() {
    // F-02.
    let mut builder = log(20);
    let (one, two) = (builder.files[1].position, builder.files[2].position);
    builder.files[1].position = two;
    builder.files[2].position = one;
    builder.files.swap(1, 2);
    assert_eq!(audit(&builder.files).verdict(), Verdict::Tampered);
}

#[test]
fn a_rewritten_event_with_a_mended_checksum_is_tampering() {
    // F-14: only the root in the next segment's header shows it.
    let genuine = log(20);
    let mut forged = Builder::new();
    forged.commit(&[Draft::custom("run-1", &format!("{{\"text\":\"{}\"}}", "y".repeat(80)))]);
    (1..20).for_each(|_| note(&mut forged));
    let mut files = genuine.files.clone();
    files[0].bytes.clone_from(&forged.files[0].bytes);
    check(&files, &[("tampered", files[1].position, "F-14")]);
}

#[test]
fn a_header_with_a_wrong_checksum_is_damage_and_its_frames_are_still_read() {
    // F-10, F-11, F-13.
    for (byte, rule) in [(0, "F-10"), (8, "F-11"), (40, "F-13"), (95, "F-13")] {
        let mut builder = log(20);
        let at = builder.files[1].position;
        builder.files[1].bytes[byte] ^= 4;
        let report = audit(&builder.files);
        assert_eq!(found(&report)[0], ("damaged", at, rule), "byte {byte}");
        assert_eq!((report.verdict(), report.events, report.end.0), (Verdict::Damaged, 20, at));
    }
}

#[test]
fn the_first_header_damaged_hides_its_own_segment_only() {
    // F-13.
    let mut builder = log(20);
    builder.files[0].bytes[20] ^= 1;
    let report = audit(&builder.files);
    assert_eq!(report.verdict(), Verdict::Damaged);
    assert_eq!((report.events, report.log_id), (15, Some(LOG_ID)));
}

#[test]
fn a_segment_file_shorter_than_a_header_is_damage() {
    // F-10: headers are synced before the file gets its name.
    for len in [0, 1, 95] {
        let mut builder = log(5);
        builder.begin_segment();
        let file = builder.files.last_mut().unwrap();
        file.bytes.truncate(len);
        let at = file.position;
        check(&builder.files, &[("damaged", at, "F-10")]);
    }
}

#[test]
fn a_log_of_another_version_is_not_judged() {
    // F-11: a newer version's header may look different after its first twelve bytes.
    let judged = |bytes: &[u8]| {
        let mut audit = Audit::new(None);
        audit.begin_segment(Position(0), true);
        audit.bytes(bytes, &mut |_, _| ())
    };
    let mut bytes = log(1).files[0].bytes.clone();
    bytes[8..12].copy_from_slice(&3u32.to_le_bytes());
    bytes[12] = 77;
    assert_eq!(judged(&bytes), Err(OtherVersion { found: 3 }));
    let mut bytes = log(1).files[0].bytes.clone();
    for version in [3, 1] {
        bytes[8] = version;
        assert_eq!(judged(&bytes), Ok(()), "only the version's byte differs: that is damage");
    }
    // That of pre-releases has the same header, and a checksum over it.
    let checksum = crc32(&bytes[..92]).to_le_bytes();
    bytes[92..96].copy_from_slice(&checksum);
    let refused = judged(&bytes).unwrap_err();
    assert_eq!(refused, OtherVersion { found: 1 });
    assert!(refused.to_string().contains("written by a pre-release of evlog"), "{refused}");
}

#[test]
fn another_version_in_a_later_header_is_damage() {
    // F-11: the header at the log's start has stated the version, and no later header changes it.
    for version in [0, 1, 3] {
        let mut builder = log(20);
        let file = &mut builder.files[1];
        file.bytes[8] = version;
        let checksum = crc32(&file.bytes[..92]).to_le_bytes();
        file.bytes[92..96].copy_from_slice(&checksum);
        let at = file.position;
        let report = audit(&builder.files);
        assert_eq!(found(&report)[0], ("damaged", at, "F-11"), "version {version}");
        assert_eq!((report.verdict(), report.events), (Verdict::Damaged, 20));
    }
}

#[test]
fn order_is_checked_where_checksums_cannot_tell() {
    // F-31: seqs are dense. F-34: numbers are dense in each stream.
    let cases: &[(u64, u64, &[&str])] =
        &[(4, 3, &["F-31"]), (2, 2, &["F-31", "F-34"]), (3, 2, &["F-34"]), (9, 3, &["F-31"]), (4, 4, &["F-31"])];
    for (seq, number, rules) in cases {
        let mut builder = log(3);
        let at = builder.end();
        put_odd(&mut builder, *seq, *number);
        note(&mut builder);
        let report = audit(&builder.files);
        let expected: Vec<_> = rules.iter().map(|rule| ("tampered", at, *rule)).collect();
        assert_eq!(found(&report), expected, "seq {seq}, number {number}: {:#?}", report.findings.kept());
    }
}

#[test]
fn durable_before_never_falls() {
    // F-24.
    let mut builder = log(3);
    builder.durable = HEADER;
    let at = builder.end();
    note(&mut builder);
    check(&builder.files, &[("tampered", at, "F-24")]);
}

#[test]
fn nothing_is_handed_out_from_a_commit_on_that_is_not_in_its_place() {
    // F-05, F-24, F-31: however the bytes are cut, the prefix ends in front of the commit.
    let misplaced: [fn(&mut Builder); 3] = [
        |builder| put_odd(builder, 4, 3),
        |builder| put_odd(builder, 2, 2),
        |builder| {
            builder.durable = HEADER;
            note(builder);
        },
    ];
    for misplace in misplaced {
        let mut builder = log(3);
        let end = builder.end();
        misplace(&mut builder);
        note(&mut builder);
        for piece in [1, 7, 1 << 20] {
            let (report, handed_out) = audit_in(&builder.files, piece, None);
            assert_eq!((report.end, report.next_seq), (Position(end), Seq(3)), "pieces of {piece} bytes");
            assert_eq!(report.root, prefix_root(&builder.files, end));
            assert_eq!(handed_out.len(), 3);
            assert_eq!(report.commits, 5, "what comes after it is still checked");
        }
    }
}

#[test]
fn a_key_comes_again_only_with_the_same_content() {
    // F-36.
    let keyed = |builder: &mut Builder, content: u8, streams: &[&'static str]| {
        let drafts: Vec<Draft> = streams.iter().map(|stream| Draft::custom(stream, "{}")).collect();
        let idempotency = Some(Idempotency { key: "k", content: [content; 32] });
        builder.commit_as(&CommitHead { idempotency, ..head() }, &drafts);
    };
    let mut builder = Builder::new();
    keyed(&mut builder, 1, &["a"]);
    keyed(&mut builder, 2, &["b"]);
    keyed(&mut builder, 1, &["a"]);
    keyed(&mut builder, 2, &["c", "b"]);
    check(&builder.files, &[]);
    let at = builder.end();
    keyed(&mut builder, 2, &["c", "a", "a"]);
    let report = check(&builder.files, &[("tampered", at, "F-36")]);
    let finding = &report.findings.kept()[0];
    assert_eq!((finding.seq, finding.stream.as_deref()), (Some(Seq(6)), Some("a")));
}

#[test]
fn an_event_of_the_logs_own_kinds_stands_in_its_stream_in_a_commit_of_its_own() {
    // F-49.
    let own = |stream| Draft::new(stream, kind::LOG_OPENED, b"\x01p");
    let other = || Draft::custom("a", "{}");
    let unknown = || Draft::new("$log", Kind::BuiltIn(99), b"");
    let in_log = || Draft::custom("$log", "{}");
    let refused = || Draft::new("$log", kind::STATUS_REFUSED, b"");
    let principal = CommitHead { principal: Some("os:keeper"), ..head() };
    let occurred = CommitHead { occurred_ns: Some(7), ..head() };
    let correlation = CommitHead { correlation: Some("t"), ..head() };
    let keyed = CommitHead { idempotency: Some(Idempotency { key: "k", content: [1; 32] }), ..head() };
    let cases: [(CommitHead<'_>, Vec<Draft>, usize); 15] = [
        (head(), vec![own("$log"), own("$log")], 0),
        (principal, vec![own("$log")], 0),
        (head(), vec![other(), in_log(), refused()], 0),
        (keyed, vec![refused()], 0),
        // In the stream of a run.
        (head(), vec![own("a")], 1),
        (head(), vec![own("$log"), own("a")], 1),
        // Beside other events, also those of `$log`, before it or after it.
        (head(), vec![own("$log"), other()], 1),
        (head(), vec![other(), own("$log")], 1),
        (head(), vec![own("$log"), in_log(), refused()], 2),
        // With a member that only a command gives.
        (occurred, vec![own("$log")], 1),
        (correlation, vec![own("$log")], 1),
        (keyed, vec![own("$log"), own("$log")], 2),
        // Kinds of later versions count as well, by their number.
        (head(), vec![unknown()], 0),
        (occurred, vec![unknown()], 1),
        (head(), vec![other(), unknown()], 1),
    ];
    for (n, (head, drafts, count)) in cases.iter().enumerate() {
        let mut builder = log(1);
        let at = builder.end();
        builder.commit_as(head, drafts);
        let report = audit(&builder.files);
        assert_eq!(found(&report), vec![("tampered", at, "F-49"); *count], "case {n}");
        assert_eq!(report.verdict() == Verdict::Tampered, *count > 0);
    }
}

#[test]
fn a_protected_payload_is_kept_and_not_checked_against_its_kinds_form() {
    // F-39: only the program that protected it can read it.
    let mut builder = Builder::new();
    builder.commit(&[Draft { protection: 1, ..Draft::custom("a", "no JSON") }]);
    builder.commit(&[Draft { protection: 255, ..Draft::new("a", kind::STATUS_CREATED, b"\xff") }]);
    let mut seen = Vec::new();
    let mut audit = Audit::new(None);
    audit.begin_segment(Position(0), true);
    let mut visit = |_: &Frame<'_>, commit: &Commit<'_>| {
        seen.extend(commit.events.iter().map(|event| (event.protection, event.payload.to_vec())));
    };
    audit.bytes(&builder.files[0].bytes, &mut visit).unwrap();
    audit.end_segment().unwrap();
    assert_eq!(audit.finish().verdict(), Verdict::Clean);
    assert_eq!(seen, [(1, b"no JSON".to_vec()), (255, b"\xff".to_vec())]);
    check(&builder.files, &[]);
}

/// The events are well-formed and in order, and no writer of evlog makes them.
#[test]
fn an_event_that_no_writer_takes_is_tampering_in_whole_logs_and_in_parts() {
    let long = "a".repeat(129).leak();
    let cases: [(&'static str, &str, Option<&str>); 14] = [
        ("a", "{}", None),
        ("0_A.b-c", r#"[1e+21,"\u001f",{"a":1,"b":10000000000000000}]"#, None),
        ("$log", "null", None),
        ("../../victim", "{}", Some("F-33")),
        ("a/../../b", "{}", Some("F-33")),
        ("a/b", "{}", Some("F-33")),
        (".hidden", "{}", Some("F-33")),
        ("$other", "{}", Some("F-33")),
        ("a b", "{}", Some("F-33")),
        (long, "{}", Some("F-33")),
        ("a", "", Some("F-39")),
        ("a", r#"{"b":1,"a":2}"#, Some("F-39")),
        ("a", r#"{"a":1,"a":1}"#, Some("F-39")),
        ("a", "1e16", Some("F-39")),
    ];
    for (stream, payload, rule) in cases {
        let mut builder = Builder::new();
        builder.commit(&[Draft::custom(stream, payload)]);
        let expected: Vec<(&str, u64, &str)> = rule.iter().map(|rule| ("tampered", HEADER, *rule)).collect();
        check(&builder.files, &expected);
        let mut part = Audit::part(Position(0), None);
        part.bytes(&builder.files[0].bytes, &mut |_, _| ()).unwrap();
        assert_eq!(part.end_part().unwrap().is_some(), rule.is_none(), "{stream}: {payload}");
    }
    for payload in [&b"\"\xff\""[..], b"\"\xed\xa0\x80\""] {
        let mut builder = Builder::new();
        builder.commit(&[Draft::new("a", Kind::Custom("custom/noted"), payload)]);
        check(&builder.files, &[("tampered", HEADER, "F-39")]);
    }
}

#[test]
fn segments_are_cut_where_every_writer_cuts() {
    // F-15.
    let mut long = log(3);
    long.limit = 100_000;
    (0..6).for_each(|_| note(&mut long));
    assert_eq!(found(&audit(&long.files))[0].2, "F-15", "a segment beyond its limit");

    let mut early = log(3);
    early.begin_segment();
    let at = early.end();
    note(&mut early);
    check(&early.files, &[("tampered", at, "F-15")]);

    let mut session = log(3);
    session.begin_segment();
    session.durable = session.end();
    note(&mut session);
    check(&session.files, &[]);

    let mut hollow = log(3);
    let at = hollow.end();
    hollow.begin_segment();
    hollow.begin_segment();
    check(&hollow.files, &[("tampered", at, "F-15")]);

    let mut large = log(3);
    large.commit(&[Draft::custom("run-1", &format!("\"{}\"", "x".repeat(3000)))]);
    note(&mut large);
    check(&large.files, &[]);
    assert_eq!(large.files.len(), 3, "a frame larger than the limit has a segment of its own");
}

#[test]
fn a_body_that_is_no_commit_is_damage_though_its_checksum_matches() {
    // F-30, F-22.
    let mut builder = log(3);
    let at = builder.end();
    let codec = evlog_format::FrameCodec::new(LOG_ID);
    let mut frame = Vec::new();
    let odd = |body: &mut Vec<u8>| -> Result<(), ()> {
        body.extend_from_slice(&[3; 20]);
        Ok(())
    };
    codec.encode(at, builder.durable, &mut frame, odd).unwrap().unwrap();
    builder.put(&frame);
    let report = audit(&builder.files);
    assert_eq!((report.verdict(), report.end.0), (Verdict::Damaged, at));
}

#[test]
fn a_kind_of_a_later_version_is_counted_and_is_no_finding() {
    // F-35.
    let mut builder = Builder::new();
    builder.commit(&[Draft::new("run-1", Kind::BuiltIn(9999), b"")]);
    assert_eq!(check(&builder.files, &[]).unknown_kinds, 1);
}

#[test]
fn commits_are_handed_out_up_to_the_first_break_and_no_further() {
    // F-05.
    let builder = log(20);
    let (_, seqs) = audit_in(&builder.files, 64, None);
    assert_eq!(seqs, (0..20).collect::<Vec<u64>>());
    let mut files = builder.files.clone();
    let places = frames_of(&files[1]);
    files[1].bytes[places[2] + 18] ^= 1;
    let (report, seqs) = audit_in(&files, 64, None);
    assert_eq!(seqs, (0..report.next_seq.0).collect::<Vec<u64>>());
    assert_eq!((seqs.len(), report.events), (7, 19));
}
