//! Systematic damage: every bit, every prefix, every pair of frames. These tests also show which changes are not
//! detected.

use crate::support::{Builder, Draft, File, audit, audit_in, found, frames_of};
use evlog_verify::Verdict;

fn log() -> Vec<File> {
    let mut builder = Builder::new();
    let names = ["run-1", "run-2", "$log"];
    for n in 0..11 {
        let text = format!("{{\"n\":{n},\"text\":\"{}\"}}", "z".repeat(90));
        builder.commit(&[Draft::custom(names[n % 3], &text), Draft::custom(names[(n + 1) % 3], "{}")]);
    }
    assert_eq!((builder.files.len(), frames_of(builder.files.last().unwrap()).len()), (3, 4));
    builder.files
}

fn verdict(files: &[File]) -> Verdict {
    audit_in(files, 1 << 20, None).0.verdict()
}

#[test]
fn every_flipped_bit_is_noticed() {
    // F-22, F-13: in a sealed segment as damage; in the last frame, which nothing covers yet, as a torn tail.
    let files = log();
    let last = files.len() - 1;
    let tail = frames_of(&files[last]);
    let tail = tail[tail.len() - 2];
    for (n, file) in files.iter().enumerate() {
        for bit in 0..file.bytes.len() * 8 {
            let mut harmed = files.clone();
            harmed[n].bytes[bit / 8] ^= 1 << (bit % 8);
            let expected = if n == last && bit / 8 >= tail { Verdict::TornTail } else { Verdict::Damaged };
            let (report, _) = audit_in(&harmed, 1 << 20, None);
            assert_eq!(report.verdict(), expected, "segment {n}, bit {bit}: {:#?}", report.findings.kept());
        }
    }
}

#[test]
fn every_prefix_of_the_last_segment_keeps_its_whole_frames() {
    // F-26: only a checkpoint or `HEAD` could show that whole frames are missing.
    let files = log();
    let last = files.len() - 1;
    let places = frames_of(&files[last]);
    for len in places[0]..files[last].bytes.len() {
        let mut cut = files.clone();
        cut[last].bytes.truncate(len);
        let (report, seqs) = audit_in(&cut, 1 << 20, None);
        let kept = places.iter().rposition(|place| *place <= len).unwrap();
        let expected = if places.contains(&len) { Verdict::Clean } else { Verdict::TornTail };
        assert_eq!((report.verdict(), report.end.0), (expected, files[last].position + places[kept] as u64));
        assert_eq!(seqs.len() as u64 * 2, report.next_seq.0);
    }
}

#[test]
fn every_shortened_sealed_segment_is_noticed() {
    let files = log();
    for len in 0..files[1].bytes.len() {
        let mut cut = files.clone();
        cut[1].bytes.truncate(len);
        assert!(matches!(verdict(&cut), Verdict::Truncated | Verdict::Damaged), "cut to {len}");
    }
}

#[test]
fn every_swapped_pair_of_frames_is_damage() {
    // F-22: the checksum covers the position, so a frame counts only where it was written.
    let files = log();
    for (n, file) in files.iter().enumerate() {
        let places = frames_of(file);
        for i in 0..places.len() - 1 {
            for j in i + 1..places.len() - 1 {
                let mut harmed = files.clone();
                harmed[n].bytes = swapped(file, &places, i, j);
                // In the last segment, only a frame that is still in its place shows that they were synced.
                let len = |n: usize| places[n + 1] - places[n];
                let stands = j + 2 < places.len() || (len(i) == len(j) && j > i + 1);
                let expected = if n < files.len() - 1 || stands { Verdict::Damaged } else { Verdict::TornTail };
                assert_eq!(verdict(&harmed), expected, "segment {n}, frames {i} and {j}");
            }
        }
    }
}

/// The segment's bytes with frames `i` and `j` in each other's place.
pub(crate) fn swapped(file: &File, places: &[usize], i: usize, j: usize) -> Vec<u8> {
    let frame = |n: usize| &file.bytes[places[n]..places[n + 1]];
    let mut order: Vec<usize> = (0..places.len() - 1).collect();
    order.swap(i, j);
    let mut out = file.bytes[..places[0]].to_vec();
    for n in order {
        out.extend_from_slice(frame(n));
    }
    out
}

#[test]
fn whole_frames_behind_a_failing_place_are_not_called_bytes_that_are_no_frame() {
    // F-26: after the failing frame come two frames of its group, and a frame that says that all of these were synced.
    let mut builder = Builder::new();
    builder.commit(&[Draft::custom("run-1", "{}")]);
    let floor = builder.durable;
    let ends = [(); 3].map(|()| {
        builder.commit(&[Draft::custom("run-1", "{}")]);
        builder.durable = floor;
        builder.end()
    });
    builder.durable = ends[2];
    builder.commit(&[Draft::custom("run-1", "{}")]);
    let file = builder.files.last_mut().unwrap();
    let at = usize::try_from(floor - file.position).unwrap();
    file.bytes[at + 20] ^= 1;
    let report = audit(&builder.files);
    assert_eq!(found(&report), [("damaged", floor, "F-22"), ("damaged", ends[2], "F-26")]);
    assert_eq!(report.findings.kept()[1].found, format!("{} bytes, with 2 whole frames among them", ends[2] - floor));
    builder.files.last_mut().unwrap().bytes.truncate(at + usize::try_from(ends[2] - floor).unwrap());
    let report = audit(&builder.files);
    assert_eq!(found(&report), [("torn_tail", floor, "F-22")]);
    assert!(report.findings.kept()[0].found.ends_with(", and 2 whole frames after it"), "{:?}", report.findings.kept());
}
