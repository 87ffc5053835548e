//! The screen of `evlog top`, drawn on terminals of several widths, and what keys change.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use evlog_top::{EVENTS_MAX, Event, Key, Opened, Palette, RUNS_MAX, Run, Screen, Stage, Tone, Wish, Word, draw};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use std::path::Path;

const SECOND: i64 = 1_000_000_000;

fn run(name: &str, status: &str, tone: Tone, last_seq: u64) -> Run {
    let status = Word::new(status, tone);
    let (contract, actor) = ("pipeline".to_owned(), "agent:intake".to_owned());
    let last_ns = i64::try_from(last_seq).unwrap() * SECOND;
    Run { name: name.to_owned(), contract, status, events: 3, first_ns: 0, last_ns, last_seq, actor }
}

fn event(name: &str, status: &str, tone: Tone, seq: u64) -> Event {
    Event {
        seq,
        recorded_ns: i64::try_from(seq).unwrap() * SECOND,
        run: name.to_owned(),
        kind: Word::new("pipeline.outcome_recorded", Tone::Plain),
        status: Word::new(status, tone),
        actor: "agent:intake".to_owned(),
        text: "stage=policy state=success reason_code=none and a long rest that no terminal shows whole ".repeat(2),
    }
}

/// A screen with runs of several states, one of which has a hostile name.
fn screen() -> Screen {
    let mut screen = Screen::default();
    let runs = [
        ("ec6290c3-231c-4ed7-9fe5-bc49b936b176", "running", Tone::Plain),
        ("RUN_0001", "failed", Tone::Bad),
        ("RUN_0002", "success", Tone::Good),
        ("nightly\u{1b}[2J\u{202e}", "partial", Tone::Warning),
    ];
    for (seq, (name, status, tone)) in (10..).zip(runs) {
        screen.take_of(run(name, status, tone, seq), event(name, status, tone, seq));
    }
    let header = &mut screen.header;
    "/srv/builds/evlog".clone_into(&mut header.log);
    "6f8d24c1".clone_into(&mut header.id);
    (header.events, header.committed, header.commits, header.runs) = (1_234_567, 1_234_567, 234_567, 4);
    header.per_second = 1_250;
    header.verdict = Word::new("clean up to seq 1234566", Tone::Good);
    header.signed = Word::new("up to seq 1200000", Tone::Plain);
    header.writer = Word::new("has the log open", Tone::Plain);
    header.now_ns = 4_000 * SECOND;
    screen
}

fn drawn(screen: &Screen, (columns, lines): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
    terminal.draw(|frame| draw(screen, frame, Palette::Plain)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let line = |y| (0..columns).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>().trim_end().to_owned();
    (0..lines).map(line).collect::<Vec<_>>().join("\n") + "\n"
}

/// Compares a drawing with the one that is kept; `EVLOG_BLESS` writes it again.
fn is_kept(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(name);
    if std::env::var_os("EVLOG_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, kept, "{name}: `EVLOG_BLESS=1 cargo test -p evlog-top` writes it again");
}

fn press(screen: &mut Screen, keys: &str) {
    keys.chars().for_each(|key| assert_eq!(screen.press(Key::Char(key)), Wish::Nothing));
}

#[test]
fn all_runs_at_60_80_and_160_columns() {
    for size in [(60, 16), (80, 24), (160, 30)] {
        is_kept(&format!("runs-{}.txt", size.0), &drawn(&screen(), size));
    }
}

#[test]
fn one_run_at_60_80_and_160_columns() {
    let mut screen = screen();
    let stage = |name: &str, status: &str, tone| Stage {
        name: name.to_owned(),
        status: Word::new(status, tone),
        attempts: "1".to_owned(),
        took: "2 min 3 s".to_owned(),
    };
    let stages = vec![stage("inventory", "success", Tone::Good), stage("policy", "running", Tone::Plain)];
    let name = "ec6290c3-231c-4ed7-9fe5-bc49b936b176";
    screen.open(Opened { name: name.to_owned(), stages, events: [event(name, "running", Tone::Plain, 10)].into() });
    for size in [(60, 16), (80, 24), (160, 30)] {
        is_kept(&format!("run-{}.txt", size.0), &drawn(&screen, size));
    }
}

#[test]
fn the_help_and_a_terminal_that_is_too_small() {
    let mut helped = screen();
    press(&mut helped, "?");
    for size in [(60, 24), (80, 24)] {
        is_kept(&format!("help-{}.txt", size.0), &drawn(&helped, size));
    }
    for size in [(59, 16), (60, 15), (20, 5), (1, 1)] {
        let found = drawn(&screen(), size);
        let words: Vec<&str> = found.split_whitespace().collect();
        if size.0 > 10 {
            let said = format!("60 columns and 16 lines; this one has {} and {}.", size.0, size.1);
            assert!(words.join(" ").contains(&said), "{found}");
        }
    }
}

#[test]
fn text_of_others_is_escaped_wherever_it_is_shown() {
    let mut screen = screen();
    let hostile = "\u{1b}]0;x\u{7}\u{202e}\n\u{300}";
    let mut bad = event(hostile, hostile, Tone::Bad, 20);
    (bad.actor, bad.text, bad.kind.text) = (hostile.to_owned(), hostile.to_owned(), hostile.to_owned());
    let mut of = run(hostile, hostile, Tone::Bad, 20);
    (of.actor, of.contract) = (hostile.to_owned(), hostile.to_owned());
    screen.take_of(of, bad.clone());
    screen.header.log = hostile.to_owned();
    screen.header.message = Some(Word::new(hostile, Tone::Bad));
    press(&mut screen, "s");
    for size in [(60, 16), (80, 24), (160, 30)] {
        let found = drawn(&screen, size);
        assert!(found.contains("\\u{1b}") && found.lines().all(|line| !line.contains(hidden)), "{found}");
    }
    screen.open(Opened { name: hostile.to_owned(), stages: Vec::new(), events: [bad].into() });
    assert!(drawn(&screen, (80, 24)).lines().all(|line| !line.contains(hidden)));
}

fn hidden(c: char) -> bool {
    c.is_control() || ['\u{202e}', '\u{300}'].contains(&c)
}

#[test]
fn a_status_has_its_colour_unless_there_are_none() {
    for (palette, expected) in [(Palette::Colours, Color::Red), (Palette::Plain, Color::Reset)] {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| draw(&screen(), frame, palette)).unwrap();
        let buffer = terminal.backend().buffer();
        let text = drawn(&screen(), (80, 24));
        let (y, line) = text.lines().enumerate().find(|(_, line)| line.contains(" failed ")).unwrap();
        let x = line[..line.find("failed").unwrap()].chars().count();
        let cell = &buffer[(u16::try_from(x).unwrap(), u16::try_from(y).unwrap())];
        assert_eq!((cell.symbol(), cell.fg), ("f", expected));
    }
}

#[test]
fn keys_move_filter_sort_open_and_go_back() {
    let mut screen = screen();
    let first = |screen: &Screen| {
        let text = drawn(screen, (80, 24));
        text.lines().skip_while(|line| !line.contains("CHANGED")).nth(1).unwrap().to_owned()
    };
    assert!(first(&screen).contains("nightly"), "the newest event is first");
    press(&mut screen, "s");
    assert!(first(&screen).contains("RUN_0001"), "by name");
    press(&mut screen, "jj");
    assert_eq!(screen.press(Key::Enter), Wish::Open("ec6290c3-231c-4ed7-9fe5-bc49b936b176".to_owned()));
    press(&mut screen, "k");
    assert_eq!(screen.press(Key::Enter), Wish::Open("RUN_0002".to_owned()));
    press(&mut screen, "/0002");
    screen.press(Key::Enter);
    let text = drawn(&screen, (80, 24));
    assert!(text.contains("filter `0002`") && !text.contains("RUN_0001"), "{text}");
    screen.press(Key::Escape);
    press(&mut screen, "f");
    let text = drawn(&screen, (80, 24));
    assert!(text.contains("status failed") && !text.contains("RUN_0002"), "{text}");
    press(&mut screen, "ffff");
    assert!(drawn(&screen, (80, 24)).contains("RUN_0002"), "after the last status all are shown");
    screen.open(Opened { name: "RUN_0001".to_owned(), ..Opened::default() });
    assert_eq!(screen.opened(), Some("RUN_0001"));
    screen.press(Key::Escape);
    assert_eq!(screen.opened(), None);
    press(&mut screen, "p");
    assert!(screen.is_paused());
    assert_eq!(screen.press(Key::Char('q')), Wish::End);
}

#[test]
fn the_events_that_a_person_looks_at_stay_while_others_come() {
    let mut screen = Screen::default();
    (0..50).for_each(|seq| screen.take(event("a", "-", Tone::Faint, seq)));
    screen.press(Key::Tab);
    press(&mut screen, "kk");
    let last = |screen: &Screen| drawn(screen, (80, 24)).lines().rev().nth(1).unwrap().to_owned();
    assert!(last(&screen).contains(" 47 "), "{}", last(&screen));
    screen.take(event("a", "-", Tone::Faint, 50));
    assert!(last(&screen).contains(" 47 "), "{}", last(&screen));
    screen.press(Key::End);
    assert!(last(&screen).contains(" 50 "), "{}", last(&screen));
}

#[test]
fn of_a_million_runs_those_with_the_newest_events_are_kept_and_the_screen_says_so() {
    let mut screen = Screen::default();
    let mut forgotten = 0;
    let all = 3 * RUNS_MAX as u64;
    for seq in 0..all {
        let name = format!("RUN_{seq}");
        let mut small = event(&name, "running", Tone::Plain, seq);
        small.text.clear();
        forgotten += usize::from(screen.take_of(run(&name, "running", Tone::Plain, seq), small).is_some());
    }
    (screen.header.runs, screen.header.events) = (1_000_000, all);
    assert_eq!(forgotten, 2 * RUNS_MAX);
    let text = drawn(&screen, (80, 24));
    assert!(text.contains("10,000 of 1,000,000") && text.contains("RUN_29999 "), "{text}");
    assert!(text.contains(&format!("the last {},000", EVENTS_MAX / 1000)), "{text}");
    // A run that was forgotten and has a new event is there again.
    screen.take_of(run("RUN_0", "failed", Tone::Bad, 2_000_000), event("RUN_0", "failed", Tone::Bad, 2_000_000));
    assert!(drawn(&screen, (80, 24)).contains("RUN_0 "));
}

#[test]
fn names_of_one_family_are_told_apart_and_the_chosen_one_is_shown_whole() {
    let mut screen = Screen::default();
    let name = |number: u64| format!("settlement-of-the-central-region-2026-11-30-build-1047-{number}");
    for number in 0..30 {
        let event = event(&name(number), "running", Tone::Plain, number);
        let _forgotten = screen.take_of(run(&name(number), "running", Tone::Plain, number), event);
    }
    let text = drawn(&screen, (60, 24));
    assert!(text.contains("-1047-29 ") && text.contains("-1047-28 "), "{text}");
    assert!(text.contains("1 to 10 of 30"), "{text}");
    screen.open(Opened { name: name(29), stages: Vec::new(), events: [].into() });
    let text: String = drawn(&screen, (60, 24)).split_whitespace().collect();
    assert!(text.contains(&format!("RUN{}", name(29))), "{text}");
}
