//! The loop of `evlog top`: reads what was committed, verifies it, draws, and takes keys.
//!
//! Invariants:
//! - A key is answered soon, however much there is to read: reading and verifying go on in short turns.
//! - Once the log is lost or something is wrong, the screen says so until the person ends it, and the exit code says it too.

use super::feed::{Feed, Known, event};
use super::stages::Stages;
use super::terminal::{Pressed, Taken, next_key};
use crate::context::{Context, contracts};
use crate::error::{CommandError, Verdict};
use crate::ui::Ui;
use crate::writer::Writer;
use evlog::check::live::Live;
use evlog::clock::{Clock, SystemClock};
use evlog::{LogError, View};
use evlog_format::Seq;
use evlog_projection::{Contracts, Fact};
use evlog_top::{EVENTS_MAX, Key, Opened, Palette, Screen, Tone, Wish, Word};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How long one turn reads.
const TURN: Duration = Duration::from_millis(50);
/// How long it waits for a key if there is nothing to read.
const PAUSE: Duration = Duration::from_millis(100);
/// Over which time events per second are counted.
const WINDOW: Duration = Duration::from_secs(5);
/// How many digits of the log's id are shown.
const ID_SHOWN: usize = 8;

/// How the screen ended.
enum End {
    Asked,
    /// By a signal of this number.
    Signal(u8),
    /// The terminal was closed.
    Gone,
}

/// Watches a log until the person ends it.
pub(super) fn run(ui: &Ui, context: &Context, view: View) -> Result<Verdict, CommandError> {
    let contracts = contracts();
    let palette = if ui.shows_colours() { Palette::Colours } else { Palette::Plain };
    let mut session = Session::new(context, view, &contracts);
    let mut terminal = Taken::new().map_err(|error| CommandError::file("use", "the terminal", &error))?;
    let ended = session.go(&mut terminal, palette);
    drop(terminal);
    match (ended, session.lost) {
        (End::Signal(number), _) => Ok(Verdict::Signal(number)),
        (_, Some(error)) => Err(error),
        (End::Asked | End::Gone, None) => {
            session.findings.iter().for_each(|finding| ui.finding(finding));
            Ok(Verdict::of(session.findings.is_empty()))
        }
    }
}

struct Session<'c> {
    contracts: &'c Contracts,
    view: View,
    feed: Feed<'c>,
    live: Live<'c>,
    writer: Writer,
    screen: Screen,
    /// The stages of the opened run.
    stages: Stages,
    next: Seq,
    /// Where reading was at earlier times.
    pace: VecDeque<(Instant, u64)>,
    findings: Vec<String>,
    lost: Option<CommandError>,
}

impl<'c> Session<'c> {
    fn new(context: &Context, view: View, contracts: &'c Contracts) -> Session<'c> {
        let mut screen = Screen::default();
        screen.header.log = context.log.display().to_string();
        screen.header.id = view.log_id().to_string().chars().take(ID_SHOWN).collect();
        Session {
            contracts,
            feed: Feed::new(contracts),
            live: Live::new(),
            writer: Writer::of(&view),
            view,
            screen,
            stages: Stages::default(),
            next: Seq(0),
            pace: VecDeque::new(),
            findings: Vec::new(),
            lost: None,
        }
    }

    fn go(&mut self, terminal: &mut Taken, palette: Palette) -> End {
        loop {
            if let Some(number) = terminal.signal() {
                return End::Signal(number);
            }
            let is_done = self.lost.is_some() || self.screen.is_paused() || self.turn();
            self.head();
            if terminal.draw(&self.screen, palette).is_err() {
                return End::Gone;
            }
            let mut patience = if is_done { PAUSE } else { Duration::ZERO };
            loop {
                match next_key(patience) {
                    Err(_) => return terminal.signal().map_or(End::Gone, End::Signal),
                    Ok(None) => break,
                    Ok(Some(Pressed::Interrupt)) => return End::Asked,
                    Ok(Some(Pressed::Key(key))) => {
                        if self.press(key) {
                            return End::Asked;
                        }
                    }
                }
                patience = Duration::ZERO;
            }
        }
    }

    /// Takes a key. Returns whether it ends the screen.
    fn press(&mut self, key: Key) -> bool {
        match self.screen.press(key) {
            Wish::End => true,
            Wish::Nothing => false,
            Wish::Open(name) => {
                if let Err(error) = self.open(name) {
                    self.lose(error);
                }
                false
            }
        }
    }

    /// Reads and verifies for a moment. Returns whether all that is committed was read and verified.
    fn turn(&mut self) -> bool {
        match self.try_turn() {
            Ok(is_done) => is_done,
            Err(error) => {
                self.lose(error);
                true
            }
        }
    }

    fn lose(&mut self, error: LogError) {
        let error = CommandError::from(error);
        self.screen.header.message = Some(Word::new(error.message.as_str(), Tone::Bad));
        self.screen.header.writer = Word::new("not known any more", Tone::Faint);
        self.lost = Some(error);
    }

    fn try_turn(&mut self) -> Result<bool, LogError> {
        let has_grown = self.view.refresh()?;
        if !has_grown
            && self.next >= self.view.next_seq()
            && let Some(change) = self.writer.look(&self.view)
        {
            self.screen.header.message = Some(Word::new(change, Tone::Plain));
        }
        let is_verified = self.live.go_on(&self.view)?;
        self.findings.extend(self.live.findings().iter().skip(self.findings.len()).cloned());
        self.read()?;
        if let Some(finding) = self.findings.first() {
            self.screen.header.message = Some(Word::new(format!("finding: {finding}"), Tone::Bad));
        }
        Ok(is_verified && self.next >= self.view.next_seq())
    }

    /// Reads events until the turn is over.
    fn read(&mut self) -> Result<(), LogError> {
        let Session { view, feed, screen, stages, writer, findings, .. } = self;
        let (begun, mut count) = (Instant::now(), 0_u32);
        self.next = view.each::<LogError>(self.next, &mut |fact| {
            writer.see(fact);
            if screen.opened() == Some(fact.event.stream) {
                stages.take(fact);
            }
            findings.extend(feed.take(view, screen, fact)?);
            count += 1;
            let is_over = count.is_multiple_of(64) && begun.elapsed() >= TURN;
            Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(())
    }

    /// Shows a run: its stages and its last events, as far as the screen has read.
    fn open(&mut self, name: String) -> Result<(), LogError> {
        let (mut stages, mut events, mut known) = (Stages::default(), VecDeque::new(), None::<Known>);
        self.view.stream::<LogError>(&name, &mut |fact: &Fact<'_>| {
            if fact.seq >= self.next {
                return Ok(ControlFlow::Break(()));
            }
            let known = match &mut known {
                Some(known) => {
                    known.take(fact);
                    known
                }
                none => none.insert(Known::begin(self.contracts, fact)),
            };
            stages.take(fact);
            if events.len() >= EVENTS_MAX {
                events.pop_front();
            }
            events.push_back(event(fact, known.status()));
            Ok(ControlFlow::Continue(()))
        })?;
        self.stages = stages;
        self.screen.open(Opened { name, stages: Vec::new(), events });
        Ok(())
    }

    /// Brings the header and the stages up to date.
    fn head(&mut self) {
        let per_second = self.per_second();
        let now_ns = SystemClock.now_ns();
        self.screen.restage(self.stages.shown(now_ns));
        let header = &mut self.screen.header;
        header.now_ns = now_ns;
        header.committed = self.view.next_seq().0;
        header.per_second = per_second;
        let until = self.live.next_seq().0.checked_sub(1).map(|last| format!(" up to seq {last}")).unwrap_or_default();
        header.verdict = if self.findings.is_empty() {
            Word::new(format!("clean{until}"), Tone::Good)
        } else {
            Word::new(format!("not clean{until}"), Tone::Bad)
        };
        let signed =
            self.live.recorded().map(|recorded| format!("up to seq {}", recorded.next_seq.0.saturating_sub(1)));
        header.signed = Word::new(signed.unwrap_or_else(|| "nothing".to_owned()), Tone::Plain);
        if self.lost.is_none() {
            let (word, is_gone) = self.writer.word();
            header.writer = Word::new(word, if is_gone { Tone::Warning } else { Tone::Plain });
        }
    }

    /// How many events were committed in a second, over the window. What was there at the start does not count.
    fn per_second(&mut self) -> u64 {
        let now = Instant::now();
        let committed = self.view.next_seq().0;
        self.pace.push_back((now, committed));
        while self.pace.len() > 2 && self.pace.front().is_some_and(|(then, _)| now - *then > WINDOW) {
            self.pace.pop_front();
        }
        let Some((then, from)) = self.pace.front() else { return 0 };
        let millis = u64::try_from((now - *then).as_millis()).unwrap_or(u64::MAX);
        (committed.saturating_sub(*from) * 1000).checked_div(millis).unwrap_or(0)
    }
}
