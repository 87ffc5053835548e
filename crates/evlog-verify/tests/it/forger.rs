//! An attacker who owns the machine changes any byte, and corrects all checksums, headers and roots. A checkpoint that was
//! kept elsewhere still detects the change.

use crate::support::{Builder, Draft, File, LOG_ID, NOON, audit, audit_in, found, head, key};
use evlog_format::checksum::crc32;
use evlog_format::frame::Decoded;
use evlog_format::{CommitHead, FrameCodec, Position, Root, SEGMENT_HEADER_LEN, SegmentHeader};
use evlog_verify::{Covered, Finding, Report, Tree, Verdict};
use std::ops::Range;

/// A thousand commits, in many segments.
fn thousand() -> Vec<File> {
    let mut builder = Builder::new();
    for n in 0..1000u32 {
        let text = format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat((n % 50) as usize));
        builder.commit(&[Draft::custom(["a", "b", "c"][(n % 3) as usize], &text)]);
    }
    builder.files
}

fn root_of(files: &[File], size: u64) -> Option<Root> {
    let mut tree = Tree::new();
    for file in files {
        tree.update(&file.bytes);
    }
    (tree.size() >= size).then(|| {
        let (mut tree, mut left) = (Tree::new(), usize::try_from(size).unwrap());
        for file in files {
            let len = left.min(file.bytes.len());
            tree.update(&file.bytes[..len]);
            left -= len;
        }
        tree.root()
    })
}

fn total(files: &[File]) -> u64 {
    files.iter().map(|file| file.bytes.len() as u64).sum()
}

fn covered(files: &[File]) -> Covered {
    let size = total(files);
    Covered { log_id: LOG_ID, size: Position(size), root: root_of(files, size).unwrap() }
}

fn audit_of(files: &[File]) -> Report {
    audit_in(files, 1 << 20, None).0
}

/// Whether the bytes are not well-formed, as an accident leaves them.
fn is_damage(finding: &Finding) -> bool {
    matches!(finding.verdict, Verdict::Damaged | Verdict::Truncated)
}

fn is_damaged(report: &Report) -> bool {
    report.findings.kept().iter().any(is_damage)
}

/// The report of the audit, with the comparison with the checkpoint.
fn judged(files: &[File], covered: &Covered) -> Report {
    let mut report = audit_of(files);
    covered.judge(&mut report, total(files), root_of(files, covered.size.0), &(0..covered.size.0));
    report
}

/// What the comparison alone says of a log whose first byte that differs is in this range.
fn verdict_within(files: &[File], mut report: Report, covered: &Covered, within: &Range<u64>) -> Verdict {
    covered.judge(&mut report, total(files), root_of(files, covered.size.0), within);
    let last = report.findings.kept().last().unwrap();
    assert_eq!(last.rule, "C-52");
    last.verdict
}

/// Corrects the checksum of the frame that holds this offset of the file, if possible.
fn mend_frame(file: &mut File, sound: &[u8], offset: usize) {
    let codec = FrameCodec::new(LOG_ID);
    let mut at = SEGMENT_HEADER_LEN;
    loop {
        let Decoded::Frame(frame) = codec.decode(file.position + at as u64, &sound[at..]) else { panic!("a frame") };
        let end = at + frame.len();
        if offset < end {
            let mut durable = [0; 8];
            durable.copy_from_slice(&file.bytes[at + 8..at + 16]);
            let (position, body) = (file.position + at as u64, file.bytes[at + 16..end].to_vec());
            let mut forged = Vec::new();
            let write = |out: &mut Vec<u8>| {
                out.extend_from_slice(&body);
                Ok::<(), ()>(())
            };
            codec.encode(position, u64::from_le_bytes(durable), &mut forged, write).unwrap().unwrap();
            if offset >= at + 4 {
                file.bytes[at..end].copy_from_slice(&forged);
            }
            return;
        }
        at = end;
    }
}

/// Corrects the roots in all headers, and their checksums.
fn mend_headers(files: &mut [File]) {
    let mut tree = Tree::new();
    for file in files {
        if let Ok(header) = SegmentHeader::decode(&file.bytes) {
            let header = SegmentHeader { root_before: tree.root(), ..header };
            file.bytes[..SEGMENT_HEADER_LEN].copy_from_slice(&header.encode());
        }
        tree.update(&file.bytes);
    }
}

/// The log with a commit in its first segment that does not decode. Everything that follows from it is corrected, so a
/// checkpoint could sign it.
pub(crate) fn with_signed_damage(sound: &[File]) -> Vec<File> {
    let frames = SEGMENT_HEADER_LEN as u64..sound[1].position;
    frames.map(|at| forge(sound, at, 0x80)).find(|files| is_damaged(&audit_of(files))).unwrap()
}

/// Flips bits of one byte, and mends all that follows from it.
pub(crate) fn forge(sound: &[File], position: u64, mask: u8) -> Vec<File> {
    let mut files = sound.to_vec();
    let nth = files.iter().rposition(|file| file.position <= position).unwrap();
    let offset = usize::try_from(position - files[nth].position).unwrap();
    files[nth].bytes[offset] ^= mask;
    if offset >= SEGMENT_HEADER_LEN {
        mend_frame(&mut files[nth], &sound[nth].bytes, offset);
    } else {
        let crc = crc32(&files[nth].bytes[..SEGMENT_HEADER_LEN - 4]).to_le_bytes();
        files[nth].bytes[SEGMENT_HEADER_LEN - 4..SEGMENT_HEADER_LEN].copy_from_slice(&crc);
    }
    mend_headers(&mut files);
    files
}

#[test]
fn ten_thousand_forged_bytes_are_tampered_or_damage_against_a_checkpoint_that_covers_them() {
    // Rule C-52. The bytes are spread evenly; each is changed in another bit. Where a forged byte breaks a frame or a
    // header in a way that an accident could, too, the difference may follow from it, and both are `damaged`.
    let sound = thousand();
    assert!(sound.len() > 5);
    let checkpoint = covered(&sound);
    assert_eq!(judged(&sound, &checkpoint).verdict(), Verdict::Clean);
    let nothing_found = audit_of(&Builder::new().files);
    let (size, mut clean_without, mut damaged, mut unchanged) = (total(&sound), 0, 0, 0);
    for n in 0..10_000u64 {
        let position = n * size / 10_000;
        let forged = forge(&sound, position, 1 << (n % 8));
        if forged == sound {
            // The changed byte is one that the attacker corrects (of a checksum or a root), so no change is left.
            unchanged += 1;
            continue;
        }
        let mut report = nothing_found.clone();
        checkpoint.judge(&mut report, total(&forged), root_of(&forged, size), &(0..size));
        assert_eq!(report.verdict(), Verdict::Tampered, "byte {position}");
        if n % 97 == 0 {
            let alone = audit_of(&forged);
            let expected = if is_damaged(&alone) { Verdict::Damaged } else { Verdict::Tampered };
            assert_eq!(verdict_within(&forged, alone.clone(), &checkpoint, &(0..size)), expected, "byte {position}");
            let is_all_damage = is_damaged(&alone) && alone.findings.kept().iter().all(is_damage);
            let verdict = judged(&forged, &checkpoint).verdict();
            assert_eq!(verdict != Verdict::Tampered, is_all_damage, "byte {position}: {verdict}");
            clean_without += u64::from(alone.verdict() == Verdict::Clean);
            damaged += u64::from(is_damaged(&alone));
        }
    }
    assert!(unchanged < 800, "{unchanged} of 10,000 fell on checksums and roots");
    assert!(clean_without > 30, "the attacker is one who knows how: {clean_without} forgeries are clean by themselves");
    assert!(damaged < 40, "{damaged} of about 100 forgeries are damage by themselves");
}

#[test]
fn only_damage_among_the_bytes_of_which_the_first_differs_excuses_a_root_that_differs() {
    // Rule C-52. A commit that does not decode was signed: it is no reason why bytes after it are not what was signed.
    let sound = thousand();
    let signed = with_signed_damage(&sound);
    let (checkpoint, size, older) = (covered(&signed), total(&signed), signed[2].position);
    assert!(audit_of(&signed).findings.kept().iter().all(|finding| finding.position.0 < older));
    let forged = forge(&signed, size - 5, 1);
    let verdict = |files: &[File], within| verdict_within(files, audit_of(files), &checkpoint, &within);
    assert_eq!(verdict(&forged, older..size), Verdict::Tampered);
    assert_eq!(verdict(&forged, 0..size), Verdict::Damaged, "nothing says that the damage was signed");
    // A header after the forged bytes contradicts them. For the signed damage before it that is `damaged` (F-14), but it is no
    // place of damage.
    let mut contradicted = signed.clone();
    contradicted[3].bytes = forge(&signed, signed[4].position - 5, 1).swap_remove(3).bytes;
    let next = ("damaged", signed[4].position, "F-14");
    assert!(found(&audit(&contradicted)).contains(&next), "{:?}", found(&audit(&contradicted)));
    assert_eq!(verdict(&contradicted, older..size), Verdict::Tampered);
    assert_eq!(verdict(&contradicted, signed[4].position..signed[4].position + 1), Verdict::Tampered);
    let mut broken = signed.clone();
    broken[3].bytes[200] ^= 1;
    assert_eq!(verdict(&broken, older..size), Verdict::Damaged);
    assert_eq!(verdict(&broken, broken[3].position - 1..broken[3].position), Verdict::Tampered);
    // Damage to a note of the log is not damage to its bytes.
    let mut report = audit_of(&sound);
    let damage = audit_of(&broken).findings.kept().last().unwrap().clone();
    report.findings.add(Finding { rule: "C-55", ..damage });
    assert_eq!(verdict_within(&forged, report, &checkpoint, &(older..size)), Verdict::Tampered);
}

#[test]
fn a_log_that_was_shortened_replaced_or_taken_back_has_its_verdict() {
    // Rules C-50 and C-51.
    let sound = thousand();
    let checkpoint = covered(&sound);
    let verdict = |files: &[File]| judged(files, &checkpoint).verdict();
    assert_eq!(verdict(&sound[..sound.len() - 1]), Verdict::Truncated, "the last segment is gone");
    let mut cut = sound.clone();
    let last = cut.last_mut().unwrap();
    last.bytes.truncate(last.bytes.len() - 200);
    assert_eq!(verdict(&cut), Verdict::Truncated, "the last commits are gone");
    let mut young = Builder::new();
    young.commit(&[Draft::custom("a", "{}")]);
    let old = young.files;
    assert_eq!(audit_of(&old).verdict(), Verdict::Clean);
    assert_eq!(verdict(&old), Verdict::Truncated, "an old copy was put back");
    // Another history of the same length, sound in itself.
    let other = forge(&sound, total(&sound) - 5, 1);
    assert_eq!(total(&other), total(&sound));
    assert_eq!(verdict(&other), Verdict::Tampered);
    // A checkpoint of another log.
    let foreign = Covered { log_id: evlog_format::LogId([9; 16]), ..checkpoint };
    let report = judged(&sound, &foreign);
    assert_eq!((report.verdict(), report.findings.kept()[0].rule), (Verdict::Tampered, "C-50"));
    // One that covers the beginning only is not contradicted by what came after it.
    let mut older = checkpoint;
    older.size = Position(5000);
    older.root = root_of(&sound, 5000).unwrap();
    assert_eq!(judged(&sound, &older).verdict(), Verdict::Clean);
    assert_eq!(judged(&forge(&sound, 9000, 1), &older).verdict(), audit_of(&forge(&sound, 9000, 1)).verdict());
}

/// Changes the head of a commit, or the clock by which it is recorded.
type Claim = fn(&mut i64, &mut CommitHead<'static>);

/// A log whose commits have all members. The nth commit is changed, and all checksums and roots after it are correct.
fn claimed(nth: u32, claim: Claim) -> Vec<File> {
    let mut builder = Builder::new();
    for n in 0..20 {
        let mut head = CommitHead {
            occurred_ns: Some(i128::from(NOON) - 1000),
            principal: Some("os:keeper"),
            correlation: Some("request-7"),
            idempotency: Some(key("k")),
            ..head()
        };
        let clock_ns = builder.clock_ns;
        if n == nth {
            claim(&mut builder.clock_ns, &mut head);
        }
        builder.commit_as(&head, &[Draft::custom("a", r#"{"by":"sea"}"#)]);
        builder.clock_ns = clock_ns;
    }
    builder.files
}

#[test]
fn a_forged_time_actor_principal_or_correlation_is_tampering() {
    // F-14, F-32, F-48, rule C-52.
    let claims: [(&str, Claim); 5] = [
        ("recorded", |clock_ns, _| *clock_ns -= 3_600_000_000_000),
        ("occurred", |_, head| head.occurred_ns = Some(i128::from(NOON) - 999)),
        ("actor", |_, head| head.actor = "agent:tesT"),
        ("principal", |_, head| head.principal = Some("os:nobody")),
        ("correlation", |_, head| head.correlation = Some("request-8")),
    ];
    let sound = claimed(u32::MAX, |_, _| ());
    assert!(sound.len() > 3);
    let checkpoint = covered(&sound);
    assert_eq!(judged(&sound, &checkpoint).verdict(), Verdict::Clean);
    for (what, claim) in claims {
        for nth in [0, 19] {
            let forged = claimed(nth, claim);
            assert_eq!(total(&forged), total(&sound), "{what}");
            assert_eq!(audit_of(&forged).verdict(), Verdict::Clean, "{what}: nothing in the log contradicts it");
            assert_eq!(judged(&forged, &checkpoint).verdict(), Verdict::Tampered, "{what} of commit {nth}");
        }
        // If only one segment is forged, the next one's header contradicts it.
        let mut files = sound.clone();
        files[0] = claimed(0, claim).remove(0);
        assert_eq!(found(&audit(&files)), [("tampered", files[1].position, "F-14")], "{what}");
    }
}
