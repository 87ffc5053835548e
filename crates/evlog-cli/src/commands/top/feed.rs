//! From events of a log to what the screen shows.
//!
//! Invariant: a run is folded as long as the screen keeps it. One that was forgotten is folded again from its first event.

use crate::events::{tone_of_kind, words};
use crate::json::payload_json;
use crate::ui;
use evlog::history::LOG_STREAM;
use evlog::{LogError, View};
use evlog_format::{PLAIN, Seq};
use evlog_projection::{Contracts, Fact, FoldError, RunFold};
use evlog_top::{Event, Run, Screen, Tone, Word};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// What is shown where there is no status, and where it is not known.
const NONE: &str = "-";
const UNKNOWN: &str = "?";

/// The runs that are folded.
pub(super) struct Feed<'c> {
    contracts: &'c Contracts,
    runs: BTreeMap<Box<str>, Known>,
}

/// A run that is folded.
pub(super) struct Known {
    fold: Result<RunFold, FoldError>,
    next: u64,
    contract: &'static str,
    first_ns: i64,
    actor: String,
}

impl Known {
    /// Begins with the first event of a run.
    pub(super) fn begin(contracts: &Contracts, fact: &Fact<'_>) -> Known {
        let contract = contracts.beginning_with(fact.event.kind).map_or(UNKNOWN, |contract| contract.name());
        let (first_ns, actor) = (fact.head.recorded_ns, fact.head.actor.to_owned());
        Known { fold: contracts.start(fact), next: fact.event.number + 1, contract, first_ns, actor }
    }

    pub(super) fn take(&mut self, fact: &Fact<'_>) {
        self.next = fact.event.number + 1;
        if let Ok(fold) = &mut self.fold
            && let Err(error) = fold.evolve(fact)
        {
            self.fold = Err(error);
        }
    }

    pub(super) fn status(&self) -> Word {
        match &self.fold {
            Ok(fold) => Word::new(fold.status(), tone(ui::Tone::of(fold.status()))),
            Err(_) => Word::new(UNKNOWN, Tone::Bad),
        }
    }

    fn run(&self, fact: &Fact<'_>) -> Run {
        Run {
            name: fact.event.stream.to_owned(),
            contract: self.contract.to_owned(),
            status: self.status(),
            events: self.next,
            first_ns: self.first_ns,
            last_ns: fact.head.recorded_ns,
            last_seq: fact.seq.0,
            actor: self.actor.clone(),
        }
    }
}

impl<'c> Feed<'c> {
    pub(super) fn new(contracts: &'c Contracts) -> Feed<'c> {
        Feed { contracts, runs: BTreeMap::new() }
    }

    /// Passes an event to the screen. Returns why its run cannot be folded, if that was found out now.
    pub(super) fn take(
        &mut self,
        view: &View,
        screen: &mut Screen,
        fact: &Fact<'_>,
    ) -> Result<Option<String>, LogError> {
        let header = &mut screen.header;
        header.events = fact.seq.0 + 1;
        header.commits += u64::from(fact.seq == fact.head.first_seq);
        let name = fact.event.stream;
        if name == LOG_STREAM {
            screen.take(event(fact, Word::new(NONE, Tone::Faint)));
            return Ok(None);
        }
        header.runs += u64::from(fact.event.number == 0);
        let was_good = self.runs.get(name).is_none_or(|known| known.fold.is_ok());
        let known = if let Some(known) = self.runs.get_mut(name).filter(|known| known.next == fact.event.number) {
            known.take(fact);
            known
        } else {
            let known = if fact.event.number == 0 { None } else { folded(self.contracts, view, name, fact.seq)? };
            let known = known.unwrap_or_else(|| Known::begin(self.contracts, fact));
            self.runs.entry(name.into()).insert_entry(known).into_mut()
        };
        let error = known.fold.as_ref().err().filter(|_| was_good).map(ToString::to_string);
        let (run, event) = (known.run(fact), event(fact, known.status()));
        if let Some(forgotten) = screen.take_of(run, event) {
            self.runs.remove(forgotten.as_str());
        }
        Ok(error)
    }
}

/// A run as of an event; `None` if it cannot be read from its beginning.
fn folded(contracts: &Contracts, view: &View, name: &str, until: Seq) -> Result<Option<Known>, LogError> {
    let mut known: Option<Known> = None;
    view.stream::<LogError>(name, &mut |fact| {
        if fact.seq > until {
            return Ok(ControlFlow::Break(()));
        }
        match &mut known {
            Some(known) => known.take(fact),
            none => *none = Some(Known::begin(contracts, fact)),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(known)
}

/// An event, with the status of its run after it.
pub(super) fn event(fact: &Fact<'_>, status: Word) -> Event {
    let kind = fact.event.kind.to_string();
    let text = match fact.event.protection {
        PLAIN => words(&payload_json(&fact.event)),
        _ => format!("(payload of {} bytes that cannot be shown)", fact.event.payload.len()),
    };
    Event {
        seq: fact.seq.0,
        recorded_ns: fact.head.recorded_ns,
        run: fact.event.stream.to_owned(),
        kind: Word::new(kind.as_str(), tone(tone_of_kind(&kind))),
        status,
        actor: fact.head.actor.to_owned(),
        text,
    }
}

/// The tone of the screen for the tone of a line.
pub(super) fn tone(tone: ui::Tone) -> Tone {
    match tone {
        ui::Tone::Plain | ui::Tone::Strong => Tone::Plain,
        ui::Tone::Faint => Tone::Faint,
        ui::Tone::Good => Tone::Good,
        ui::Tone::Warning => Tone::Warning,
        ui::Tone::Bad => Tone::Bad,
    }
}
