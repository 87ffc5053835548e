//! Claims about trails: the same bytes from any threads, the first step that differs, and what cannot be compared.

use super::*;
use crate::history::ProjectionPublished;
use crate::publish::Publisher;
use crate::replay::{replay, replay_steps};
use crate::tests::toy::{Toy, ask, open, view};
use evlog_projection::Contracts;
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::Path;

/// A log of fifteen runs of nine events. The events of the runs alternate.
fn log(dir: &Path) {
    let log = open(dir);
    let runs = |each: &dyn Fn(&str)| (0..15).for_each(|run| each(&format!("r{run}")));
    runs(&|run| ask(&log, run, "begin", json!({})).into_accepted().map(drop).unwrap());
    for _ in 0..7 {
        runs(&|run| ask(&log, run, "add", json!({"amount": 10})).into_accepted().map(drop).unwrap());
    }
    runs(&|run| ask(&log, run, "end", json!({})).into_accepted().map(drop).unwrap());
    log.close().unwrap();
}

fn every(every: u64) -> NonZeroU64 {
    NonZeroU64::new(every).unwrap()
}

fn trail(view: &View, threads: usize, each: u64) -> Vec<u8> {
    let header = Header::of(view, every(each), "tests 1.0").unwrap();
    let mut writer = TrailWriter::new(Vec::new(), &header);
    let threads = NonZeroUsize::new(threads).unwrap();
    replay_steps(view, threads, every(each), &mut |step| writer.step(step), &mut |_| {}).unwrap();
    writer.finish().unwrap().1
}

fn of_toy(dir: &Path, toy: Toy) -> View {
    View::open(dir, Contracts::new().with(toy)).unwrap()
}

/// Compares a replay of the view with a trail.
fn against(trail: &[u8], view: View) -> Result<Option<Divergence>, TrailError> {
    let header = examine(trail)?;
    let view = header.view(view)?;
    let mut against = Against::new(trail, &header)?;
    replay_steps(&view, NonZeroUsize::new(3).unwrap(), header.every, &mut |step| against.step(step), &mut |_| {})?;
    against.finish()
}

#[test]
fn a_trail_is_the_same_from_any_number_of_threads_and_has_a_line_for_each_event_of_a_run() {
    let dir = tempfile::tempdir().unwrap();
    log(dir.path());
    let one = trail(&view(dir.path()), 1, 1);
    for threads in [2, 7] {
        assert!(trail(&view(dir.path()), threads, 1) == one, "{threads} threads");
    }
    let text = String::from_utf8(one.clone()).unwrap();
    assert_eq!(text.lines().count(), 15 * 9 + 2, "{}", &text[..400]);
    let seqs: Vec<u64> = text.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    assert!(seqs.is_sorted(), "{seqs:?}");
    assert!(matches!(against(&one, view(dir.path())), Ok(None)));
    let sampled = trail(&view(dir.path()), 2, 4);
    assert_eq!(String::from_utf8(sampled.clone()).unwrap().lines().count(), 15 * 3 + 2, "events 3, 7 and the last, 8");
    assert!(matches!(against(&sampled, view(dir.path())), Ok(None)));
}

#[test]
fn a_projection_that_was_changed_is_found_at_the_first_event_after_which_its_file_differs() {
    let dir = tempfile::tempdir().unwrap();
    log(dir.path());
    let changed = || of_toy(dir.path(), Toy { mistaken_from: Some(50), ..Toy::default() });
    let expected = |number: u64| {
        let mut seq = None;
        let of_first = view(dir.path()).stream::<LogError>("r0", &mut |fact| {
            seq = seq.or((fact.event.number == number).then_some(fact.seq));
            Ok(ControlFlow::Continue(()))
        });
        assert!(of_first.unwrap());
        seq.unwrap()
    };
    let found = against(&trail(&view(dir.path()), 2, 1), changed()).unwrap().unwrap();
    assert_eq!((found.run.as_str(), found.seq), ("r0", expected(5)), "the fifth addition makes fifty");
    let after = projected(&changed(), "r0", found.seq, every(1)).unwrap().unwrap();
    assert_eq!((after.number, after.kind.as_str(), after.since), (5, "custom/added", found.seq));
    let files = after.bundle.unwrap().unwrap().files;
    assert_eq!(String::from_utf8_lossy(&files["run.json"].bytes), r#"{"ended":false,"run_id":"r0","total":51}"#);
    // A trail of every fourth event narrows it down: the event that differs is one of four.
    let found = against(&trail(&view(dir.path()), 2, 4), changed()).unwrap().unwrap();
    assert_eq!((found.run.as_str(), found.seq), ("r0", expected(7)));
    assert_eq!(projected(&changed(), "r0", found.seq, every(4)).unwrap().unwrap().since, expected(4));
    // The other way round: the changed program made the trail.
    let found = against(&trail(&changed(), 1, 1), view(dir.path())).unwrap().unwrap();
    assert_eq!((found.run.as_str(), found.seq), ("r0", expected(5)));
}

#[test]
fn a_trail_holds_for_a_log_that_grew_since() {
    let dir = tempfile::tempdir().unwrap();
    log(dir.path());
    let before = trail(&view(dir.path()), 2, 1);
    let log = open(dir.path());
    ask(&log, "new", "begin", json!({})).into_accepted().unwrap();
    log.close().unwrap();
    assert!(matches!(against(&before, view(dir.path())), Ok(None)));
    let after = trail(&view(dir.path()), 2, 1);
    let earlier = view(dir.path()).as_of(Some(Seq(100))).unwrap();
    assert!(matches!(against(&after, earlier), Err(TrailError::Shorter { ours: 101, .. })));
}

#[test]
fn a_trail_of_a_log_before_its_first_event_holds_for_the_log_that_grew() {
    let dir = tempfile::tempdir().unwrap();
    // The log may have had its header then or, as of a time, nothing at all.
    let logged = open(dir.path());
    let headers = [view(dir.path()), view(dir.path()).as_of_time(-1).unwrap()].map(|view| trail(&view, 1, 1));
    drop(logged);
    log(dir.path());
    let of_nothing = trail(&view(dir.path()).as_of_time(-1).unwrap(), 1, 1);
    for before in headers.iter().chain([&of_nothing]) {
        let header = examine(&before[..]).unwrap();
        assert_eq!(header.view(view(dir.path())).unwrap().next_seq().0, header.next_seq, "{header:?}");
        assert!(matches!(against(before, view(dir.path())), Ok(None)), "{header:?}");
    }
}

#[test]
fn a_replay_takes_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    log(dir.path());
    let view = view(dir.path());
    assert_eq!(trail(&view, usize::MAX, 1), trail(&view, 1, 1));
    let [most, one] = [NonZeroUsize::MAX, NonZeroUsize::MIN].map(|threads| replay(&view, threads, &mut |_| {}));
    assert_eq!(most.unwrap().digest, one.unwrap().digest);
}

#[test]
fn a_trail_that_ends_with_the_log_leaves_the_view_whole_so_that_publications_beyond_the_runs_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    log(dir.path());
    let session = open(dir.path());
    let mut bundle = view(dir.path()).bundle("r0").unwrap().unwrap();
    bundle.events += 1;
    let mut publisher = Publisher::new(&session).unwrap();
    publisher.publish(ProjectionPublished::of(&bundle)).unwrap();
    publisher.finish().unwrap();
    session.close().unwrap();
    let header = examine(&trail(&view(dir.path()), 2, 1)[..]).unwrap();
    let replayed = |view: View| replay(&view, NonZeroUsize::MIN, &mut |_| {}).unwrap().differences;
    let found = replayed(header.view(view(dir.path())).unwrap());
    assert_eq!((found.len(), &found), (2, &replayed(view(dir.path()))));
}

#[test]
fn a_trail_that_was_changed_after_it_was_examined_is_damaged_whatever_differs_before() {
    let dir = tempfile::tempdir().unwrap();
    log(dir.path());
    let whole = String::from_utf8(trail(&view(dir.path()), 2, 1)).unwrap();
    let header = examine(whole.as_bytes()).unwrap();
    let other = sealed(&whole.replace("\"every\":1", "\"every\":2"));
    assert!(matches!(Against::new(other.as_bytes(), &header), Err(TrailError::Damaged)));
    let changed = whole.replacen(" r3 ", " r4 ", 1);
    let mut against = Against::new(changed.as_bytes(), &header).unwrap();
    let compared = &mut |step: &Step<'_>| against.step(step);
    replay_steps(&view(dir.path()), NonZeroUsize::MIN, every(1), compared, &mut |_| {}).unwrap();
    assert!(matches!(against.finish(), Err(TrailError::Damaged)));
}

#[test]
fn what_cannot_be_compared_is_refused_with_its_own_sentence() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    log(dir.path());
    log(other.path());
    let whole = String::from_utf8(trail(&view(dir.path()), 2, 1)).unwrap();
    let refused = |text: &str, view: View| against(text.as_bytes(), view).unwrap_err().to_string();
    let here = |text: &str| refused(text, view(dir.path()));
    assert!(refused(&whole, view(other.path())).starts_with("the trail is of another log: expected log "));
    let renewed = of_toy(dir.path(), Toy { is_renewed: true, ..Toy::default() });
    let versions = "the trail was made by other projections: `toy.run` in version 1 there, in version 2 here";
    assert_eq!(refused(&whole, renewed), versions);
    let root = |text: &str| text.split("\"root\":\"").nth(1).unwrap()[..64].to_owned();
    let forged = sealed(&whole.replace(&root(&whole), &"0".repeat(64)));
    assert!(here(&forged).starts_with("the trail is of another history of this log: "), "{}", here(&forged));
    let header = examine(whole.as_bytes()).unwrap();
    for size in [0, header.size - 1, header.size + 1, 1 << 60] {
        let text = sealed(&whole.replace(&format!("\"size\":{}", header.size), &format!("\"size\":{size}")));
        assert!(here(&text).starts_with("the trail is of another history of this log: "), "{size}: {}", here(&text));
    }
    let text = sealed(&whole.replace(&format!("\"next_seq\":{}", header.next_seq), "\"next_seq\":0"));
    assert!(here(&text).starts_with("line 2 of the trail: expected a step "), "{}", here(&text));
    let last = whole.trim_end().rfind('\n').unwrap() + 1;
    for end in [0, 1, last / 2, last, last + 5, whole.len() - 1] {
        let sentence = here(&whole[..end]);
        assert!(sentence.starts_with("the trail is truncated: "), "{end}: {sentence}");
    }
    let line = whole.find("\n10 ").unwrap();
    assert!(here(&format!("{whole}more\n")).starts_with("the trail is damaged"));
    assert!(here(&whole.replacen(" r3 ", " r4 ", 1)).starts_with("the trail is damaged"));
    let twice = format!("{}{}", &whole[..line], &whole[line - 20..]);
    assert!(here(&twice).starts_with("line "), "{}", here(&twice));
    assert!(
        here(&whole.replacen("{\"trail\":1", "{\"trail\":2", 1))
            .starts_with("line 1 of the trail: expected the header")
    );
    assert!(here(&"x".repeat(100_000)).starts_with("line 1 of the trail: expected a shorter line"));
}

#[test]
fn a_trail_whose_size_and_root_are_those_of_another_seq_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    log(dir.path());
    let session = open(dir.path());
    let rejected = ask(&session, "two", "begin", json!({}))
        .into_accepted()
        .map(|_| ask(&session, "two", "add", json!({"amount": 101})));
    let within = rejected.unwrap().events[1].0.0;
    session.close().unwrap();
    let at = |seq: u64| view(dir.path()).as_of(Some(Seq(seq))).unwrap();
    let text = |view: &View| String::from_utf8(trail(view, 2, 1)).unwrap();
    let stated = |header: &Header| format!("\"size\":{},\"root\":\"{}\"", header.size, header.root);
    let refused = |text: &str| against(text.as_bytes(), view(dir.path())).unwrap_err().to_string();
    let (whole, earlier) = (text(&at(100)), text(&at(50)));
    let [of_whole, of_earlier] = [&whole, &earlier].map(|text| examine(text.as_bytes()).unwrap());
    let forged = sealed(&whole.replace(&stated(&of_whole), &stated(&of_earlier)));
    let sentence = format!(
        "the trail contradicts itself: expected size {} before seq 101, as in this log, found {}",
        of_whole.size, of_earlier.size
    );
    assert_eq!(refused(&forged), sentence);
    let before = text(&at(within - 2));
    let forged = sealed(&before.replace(&format!("\"next_seq\":{}", within - 1), &format!("\"next_seq\":{within}")));
    let sentence = refused(&forged);
    assert!(
        sentence.starts_with("the trail contradicts itself: seq ") && sentence.contains("within a commit"),
        "{sentence}"
    );
}

/// A trail with these lines and a last line that fits them.
fn sealed(text: &str) -> String {
    let last = text.trim_end().rfind('\n').unwrap() + 1;
    let (lines, end) = text.split_at(last);
    let steps = end.split(' ').nth(1).unwrap();
    format!("{lines}{END} {steps} {}\n", blake3::hash(lines.as_bytes()))
}
