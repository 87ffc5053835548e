//! The lines at the foot of a terminal that move while a run works: one for each stage that has no outcome yet.
//!
//! Does: show the state, the elapsed time and the last line of output of the stage that runs, how much of its files was
//! read, and which stages wait.
//! Does not: report events. Those are printed above these lines, and stay there.
//!
//! Invariants:
//! - The lines are drawn ten times a second, however much a stage prints: output is only kept until the next drawing.
//! - A line is no wider than the terminal is when it is drawn, so that the next drawing covers it.
//! - No control character of what a stage printed reaches the terminal.
//! - When a region is dropped, its lines are removed from the screen.

use super::{REGION, Tone, painted, talk, visible};
use console::truncate_str;
use indicatif::{BinaryBytes, MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The time between two drawings.
const EVERY: Duration = Duration::from_millis(100);
/// On a terminal with fewer columns names are not padded, so that there is room for what a stage prints.
const PADDED_COLUMNS_MIN: usize = 60;
/// Only this many bytes of a line of output are considered: no terminal is wider.
const LINE_LEN_MAX: usize = 2048;

/// The moving lines. Messages on stderr are written above them.
pub(crate) struct Region {
    lines: MultiProgress,
    stages: Vec<Line>,
    /// Shown while the files of a resumed run are read, before any stage.
    whole: Option<ProgressBar>,
}

struct Line {
    stage: String,
    bar: ProgressBar,
    shown: Arc<Mutex<Shown>>,
}

/// What a drawing shows of a stage.
#[derive(Default)]
struct Shown {
    state: Doing,
    last: String,
    /// Bytes read of its files, and their total, while they are read.
    read: Option<(u64, u64)>,
}

/// What a stage is doing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Doing {
    #[default]
    Waits,
    Runs,
    /// Its files are copied from another run; it has no process and no elapsed time.
    TakenOver,
}

impl Region {
    /// Shows stages that wait. Their names are padded to `width`.
    pub(super) fn new(stages: &[&str], width: usize, colour: bool) -> Region {
        let lines = MultiProgress::with_draw_target(super::screen::screen());
        *slot() = Some(lines.clone());
        let line = |stage: &&str| {
            let shown = Arc::new(Mutex::new(Shown::default()));
            let style = style((*stage).to_owned(), width, colour, Arc::clone(&shown));
            let bar = lines.add(ProgressBar::no_length());
            bar.set_style(style);
            bar.tick();
            Line { stage: (*stage).to_owned(), bar, shown }
        };
        let stages = stages.iter().map(line).collect();
        Region { lines, stages, whole: None }
    }

    /// The stage runs.
    pub(crate) fn begin(&mut self, stage: &str) {
        self.clear_whole();
        if let Some(line) = self.line(stage) {
            *locked(&line.shown) = Shown { state: Doing::Runs, ..Shown::default() };
            line.bar.reset_elapsed();
            line.bar.enable_steady_tick(EVERY);
        }
    }

    /// The files of the stage are copied from another run.
    pub(crate) fn take_over(&mut self, stage: &str) {
        self.clear_whole();
        if let Some(line) = self.line(stage) {
            *locked(&line.shown) = Shown { state: Doing::TakenOver, ..Shown::default() };
            line.bar.tick();
        }
    }

    /// Shows how many bytes of the stage's files were read; without a stage, of the files that a resumed run has.
    pub(crate) fn reads(&mut self, stage: Option<&str>, done: u64, len: u64) {
        if let Some(stage) = stage {
            self.clear_whole();
            if let Some(line) = self.line(stage) {
                locked(&line.shown).read = Some((done, len));
                line.bar.tick();
            }
            return;
        }
        let whole = self.whole.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("  {wide_msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
            self.lines.add(ProgressBar::no_length().with_style(style))
        });
        whole.set_message(format!("reading what the run has left  {}", amount(done, len)));
    }

    fn clear_whole(&mut self) {
        if let Some(whole) = self.whole.take() {
            self.lines.remove(&whole);
        }
    }

    /// The stage printed this.
    pub(crate) fn printed(&self, stage: &str, text: &str) {
        if let Some(line) = self.line(stage) {
            let mut shown = locked(&line.shown);
            shown.last.clear();
            shown.last.push_str(&text[..text.floor_char_boundary(LINE_LEN_MAX)]);
        }
    }

    /// The stage has an outcome, and no line any more.
    pub(crate) fn end(&mut self, stage: &str) {
        if let Some(at) = self.stages.iter().position(|line| line.stage == stage) {
            let line = self.stages.remove(at);
            line.bar.disable_steady_tick();
            self.lines.remove(&line.bar);
        }
    }

    fn line(&self, stage: &str) -> Option<&Line> {
        self.stages.iter().find(|line| line.stage == stage)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.stages.iter().for_each(|line| line.bar.disable_steady_tick());
        *slot() = None;
        // If the terminal was closed, it needs no clearing.
        let _gone = self.lines.clear();
    }
}

/// Where [`super::say`] finds the lines that it must write above.
fn slot() -> MutexGuard<'static, Option<MultiProgress>> {
    REGION.lock().unwrap_or_else(PoisonError::into_inner)
}

fn locked(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each drawing asks again for the width of the terminal.
fn style(stage: String, width: usize, colour: bool, shown: Arc<Mutex<Shown>>) -> ProgressStyle {
    let key = move |state: &ProgressState, line: &mut dyn Write| {
        let (_, columns) = talk::term().size();
        let text = compose(usize::from(columns), &stage, width, &locked(&shown), state.elapsed());
        let tone = if locked(&shown).state == Doing::Waits { Tone::Faint } else { Tone::Plain };
        let _infallible = line.write_str(&painted(colour, tone, &text));
    };
    let style = ProgressStyle::with_template("{line}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    style.with_key("line", key)
}

fn amount(done: u64, len: u64) -> String {
    format!("{} of {}", BinaryBytes(done), BinaryBytes(len))
}

/// Cuts a line to one column less than the width: some terminals wrap when the last column is written.
fn compose(columns: usize, stage: &str, width: usize, shown: &Shown, elapsed: Duration) -> String {
    let took = format!("{:.1} s", elapsed.as_secs_f64());
    let (word, last) = match shown.read {
        Some((done, len)) => ("reading", amount(done, len)),
        None => ("running", visible(&shown.last.replace('\t', " "))),
    };
    let text = match shown.state {
        Doing::Runs if columns < PADDED_COLUMNS_MIN => format!("  {stage}  {word}  {took}  {last}"),
        Doing::Runs => format!("  {stage:width$}  {word:8} {took:>7}  {last}"),
        Doing::TakenOver => format!("  {stage:width$}  reusing  {last}"),
        Doing::Waits if shown.read.is_some() => format!("  {stage:width$}  {word}  {last}"),
        Doing::Waits => format!("  {stage:width$}  waiting"),
    };
    let (room, mark) = (columns.saturating_sub(1), if columns < 10 { "" } else { "..." });
    truncate_str(text.trim_end(), room, mark).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use console::measure_text_width;

    fn running(last: &str) -> Shown {
        Shown { state: Doing::Runs, last: last.to_owned(), read: None }
    }

    #[test]
    fn a_line_says_stage_state_time_and_what_was_printed_last() {
        let took = Duration::from_millis(3240);
        assert_eq!(
            compose(80, "policy", 10, &running("3 of 7\tdone "), took),
            "  policy      running    3.2 s  3 of 7 done"
        );
        assert_eq!(compose(80, "policy", 10, &Shown::default(), took), "  policy      waiting");
        let taken = Shown { state: Doing::TakenOver, ..Shown::default() };
        assert_eq!(compose(80, "policy", 10, &taken, took), "  policy      reusing");
        let read = |state| Shown { state, last: "3 of 7 done".to_owned(), read: Some((3 << 29, 2 << 30)) };
        let amount = "1.50 GiB of 2.00 GiB";
        for (state, expected) in [
            (Doing::Waits, format!("  policy      reading  {amount}")),
            (Doing::Runs, format!("  policy      reading    3.2 s  {amount}")),
            (Doing::TakenOver, format!("  policy      reusing  {amount}")),
        ] {
            assert_eq!(compose(80, "policy", 10, &read(state), took), expected);
        }
        let narrow = compose(40, "policy", 18, &running("3 of 7 done, and many more to do"), took);
        assert_eq!(narrow, "  policy  running  3.2 s  3 of 7 don...");
    }

    #[test]
    fn a_line_is_never_wider_than_the_terminal_whatever_was_printed() {
        let printed = ["x".repeat(3000), "\u{6f22}\u{5b57}".repeat(400), "e\u{301}".repeat(300), String::new()];
        for columns in [0, 1, 2, 10, 40, 80, 200, 1000] {
            for last in &printed {
                let line = compose(columns, "normalization", 18, &running(last), Duration::from_secs(100_000));
                assert!(measure_text_width(&line) <= columns, "{columns}: {line}");
            }
        }
        let clipped = compose(60, "policy", 10, &running(&"x".repeat(100)), Duration::ZERO);
        assert!(clipped.ends_with("xxx..."), "{clipped}");
    }

    #[test]
    fn control_characters_are_shown_and_not_sent() {
        let line = compose(200, "a", 1, &running("\u{1b}[2J\u{7}\r\u{9b}31m"), Duration::ZERO);
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.contains("\\u{1b}[2J\\u{7}\\u{d}"), "{line}");
    }
}
