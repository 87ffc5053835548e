//! Events for people and for programs: what `cat` and `tail` have in common.
//!
//! Does: make a line of an event, and fit it to the terminal. Does not: decide which events are shown.
//!
//! Invariant: in a pipe or a file nothing is cut.

mod columns;
mod folded;
mod showing;
mod statuses;
mod template;
mod times;
mod words;

pub(crate) use showing::Showing;
pub(crate) use words::{cut, whole_words, words};

use crate::args::At;
use crate::context::Context;
use crate::error::CommandError;
use crate::json::{event_line, payload_json};
use crate::marks;
use crate::selecting::Read;
use crate::ui::{Side, Text, Tone, Ui, answer_columns, answer_room};
use columns::{Cell, Columns, Fit, Row};
use evlog::history::LOG_STREAM;
use evlog::policy::{Noted, Policies};
use evlog::{Times, View};
use evlog_audit::Reading;
use evlog_format::{Event, PLAIN, Seq};
use evlog_projection::Fact;
use evlog_proof::ProvenCommit;
use folded::Folded;
use statuses::{NONE, Statuses};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use template::{Item, Items, Part, Template};
use times::Shown;
use words::{Extent, pairs};

/// From this width on a terminal shows whole times. Below it, the day is a line of its own.
const WIDE_MIN: usize = 180;
/// Below these widths long names are cut further.
const MIDDLE_MAX: usize = 120;
const NARROW_MAX: usize = 72;
/// The widest column of a chosen field, in characters.
const FIELD_WIDTH_MAX: usize = 36;
/// The longest value that a terminal shows whole, in characters.
const VALUE_LEN_MAX: usize = 60;

/// How an event is printed.
enum Form {
    Json,
    /// The built-in line. In a pipe it has this part of the payload.
    Line(Extent, Columns),
    Fields(Items, Columns),
    Template(Template),
}

impl Form {
    fn of(context: &Context, showing: &Showing) -> Form {
        let fit = match (showing.wrap, showing.full) {
            (true, _) => Fit::Wrap,
            (false, true) => Fit::Flow,
            (false, false) => Fit::Cut,
        };
        let extent = if showing.full { Extent::All } else { Extent::Whole };
        match (&showing.fields, &showing.format) {
            _ if context.json => Form::Json,
            (_, Some(template)) => Form::Template(template.clone()),
            (Some(items), None) => Form::Fields(items.clone(), Columns::new(fit)),
            (None, None) => Form::Line(extent, Columns::new(fit)),
        }
    }

    fn has_status(&self) -> bool {
        match self {
            Form::Json => false,
            Form::Line(..) => true,
            Form::Fields(items, _) => items.has_status(),
            Form::Template(template) => template.has_status(),
        }
    }
}

/// Prints events, one a line.
pub(crate) struct Events<'u> {
    pub(crate) ui: &'u mut Ui,
    form: Form,
    times: Shown,
    policies: Policies,
    /// `None` if the events do not come from a log that can be read.
    statuses: Option<Statuses>,
    /// One line a run, if that is wanted.
    folded: Option<Folded>,
}

impl<'u> Events<'u> {
    /// Prints events that are shown without their log: the status of their runs is not known.
    pub(crate) fn apart(ui: &'u mut Ui) -> Events<'u> {
        let form = Form::Line(Extent::Whole, Columns::new(Fit::Cut));
        Events { ui, form, times: Shown::Utc, policies: Policies::default(), statuses: None, folded: None }
    }

    /// Prints events of a log. Its policies define when two times differ enough to get a mark.
    pub(crate) fn new(
        ui: &'u mut Ui,
        context: &Context,
        (showing, at): (&Showing, &At),
        view: &View,
    ) -> Result<Events<'u>, CommandError> {
        let form = Form::of(context, showing);
        let statuses = form.has_status().then(|| Statuses::new(view));
        let times = Shown::new(showing.time.unwrap_or_default(), at.named_zone())?;
        Ok(Events { ui, form, times, policies: marks::policies(view), statuses, folded: None })
    }

    /// From now on shows one line a run, on a terminal in at most this many lines.
    pub(crate) fn fold(&mut self, view: &View, lines_max: usize) {
        let can_be_drawn = matches!(self.form, Form::Line(..) | Form::Fields(..)) && answer_room().is_some();
        self.folded = Some(if can_be_drawn { Folded::drawn(lines_max) } else { Folded::Printed(BTreeMap::new()) });
        self.statuses.get_or_insert_with(|| Statuses::new(view));
    }

    /// A message, on stderr.
    pub(crate) fn talk(&mut self, line: &str) {
        if let Some(folded) = &mut self.folded {
            folded.leave();
        }
        self.ui.talk(line);
    }

    /// Prints an event of a log, if it is selected. Returns `Break` if the answer has no reader any more.
    pub(crate) fn take(&mut self, view: &View, read: Read<'_>) -> ControlFlow<()> {
        match (read, &mut self.statuses) {
            (Read::Meant(fact), None) => self.show(fact, None),
            (Read::Meant(fact), Some(statuses)) => {
                let status = statuses.after(view, fact);
                let stream = fact.event.stream;
                let is_shown =
                    self.folded.as_mut().is_none_or(|folded| stream != LOG_STREAM && folded.shows(stream, &status));
                if is_shown { self.show(fact, Some(status)) } else { ControlFlow::Continue(()) }
            }
            (Read::Other(fact), Some(statuses)) => {
                statuses.pass(fact);
                ControlFlow::Continue(())
            }
            (Read::Other(_), None) => ControlFlow::Continue(()),
        }
    }

    /// Prints an event without the status of its run.
    pub(crate) fn show_apart(&mut self, fact: &Fact<'_>) -> ControlFlow<()> {
        self.show(fact, None)
    }

    /// Prints what was not printed yet.
    pub(crate) fn flush(&mut self) {
        self.print_gathered();
        self.ui.flush();
    }

    fn print_gathered(&mut self) {
        if let Some(folded) = &mut self.folded {
            folded.draw(self.ui);
        }
        if let Form::Line(_, columns) | Form::Fields(_, columns) = &mut self.form {
            columns.print(self.ui);
        }
    }

    fn show(&mut self, fact: &Fact<'_>, status: Option<String>) -> ControlFlow<()> {
        // A policy can be set while events are followed.
        if let Some(Ok(noted)) = Noted::read(fact) {
            self.policies.take(noted).ok();
        }
        let apart_ns = self.policies.apart_ns(fact.seq);
        let drawn = &mut self.folded;
        let mut push = |ui: &mut Ui, columns: &mut Columns, row: Row| {
            let printed = match drawn {
                Some(folded) => folded.put(fact.event.stream, row),
                None => Some(row),
            };
            if let Some(row) = printed {
                columns.push(ui, row);
            }
        };
        match &mut self.form {
            Form::Json => self.ui.json(&event_line(fact, apart_ns)),
            Form::Line(extent, columns) => {
                push(self.ui, columns, row(fact, status, apart_ns, *extent, &self.times));
            }
            Form::Fields(items, columns) => {
                push(self.ui, columns, row_of(items, fact, status.as_deref().unwrap_or(NONE), &self.times));
            }
            Form::Template(template) => {
                self.ui.line(filled(template, fact, status.as_deref().unwrap_or(NONE), &self.times));
            }
        }
        if self.ui.is_read() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

impl Drop for Events<'_> {
    /// What was gathered is printed before the error that ends the command.
    fn drop(&mut self) {
        self.print_gathered();
    }
}

/// The widths of columns: the least, the most they grow to, and the width to which longer text is cut.
struct Widths {
    run: (usize, usize),
    kind: (usize, usize),
    status: (usize, usize),
    actor: (usize, usize),
    seq: usize,
    is_cut: bool,
}

impl Widths {
    /// For a terminal of this width; without one, for a pipe or a file, or for a line that is not cut.
    fn of(columns: Option<usize>) -> Widths {
        let is_cut = columns.is_some();
        match columns {
            Some(0..NARROW_MAX) => {
                Widths { run: (8, 8), kind: (15, 15), status: (7, 7), actor: (8, 8), seq: 2, is_cut }
            }
            Some(NARROW_MAX..MIDDLE_MAX) => {
                Widths { run: (8, 9), kind: (14, 17), status: (7, 11), actor: (8, 8), seq: 3, is_cut }
            }
            Some(MIDDLE_MAX..WIDE_MIN) => {
                Widths { run: (8, 36), kind: (17, 30), status: (7, 11), actor: (8, 12), seq: 3, is_cut }
            }
            _ => Widths { run: (12, 36), kind: (20, 40), status: (7, 20), actor: (8, 24), seq: 6, is_cut },
        }
    }

    fn cell(&self, text: String, tone: Tone, widths: (usize, usize)) -> Cell {
        Cell { text, tone, side: Side::Left, widths, cut: self.is_cut.then_some(widths.1) }
    }
}

fn row(fact: &Fact<'_>, status: Option<String>, apart_ns: u128, extent: Extent, times: &Shown) -> Row {
    let columns = answer_columns();
    let widths = Widths::of(columns.filter(|_| extent != Extent::All));
    let recorded_ns = fact.head.recorded_ns.into();
    let (day, time) = match columns {
        Some(..WIDE_MIN) => times.parted(recorded_ns),
        _ => (None, times.whole(recorded_ns)),
    };
    let kind = fact.event.kind.to_string();
    let number =
        |text: String, tone, least| Cell { text, tone, side: Side::Right, widths: (least, usize::MAX), cut: None };
    let mut cells = vec![
        number(fact.seq.0.to_string(), Tone::Plain, widths.seq),
        number(time, Tone::Faint, 0),
        widths.cell(fact.event.stream.to_owned(), Tone::Plain, widths.run),
        widths.cell(short_kind(&kind, &widths), tone_of_kind(&kind), widths.kind),
    ];
    cells.extend(status.map(|status| {
        let tone = Tone::of(&status);
        widths.cell(status, tone, widths.status)
    }));
    cells.push(widths.cell(fact.head.actor.to_owned(), Tone::Faint, widths.actor));
    let mark = Times::of(&fact.head).mark(apart_ns).map(|mark| (Tone::Warning, format!("{} ", marks::text(mark))));
    let extent = match columns {
        Some(columns) if extent == Extent::Whole => {
            Extent::Short((columns / 4).clamp(VALUE_LEN_MAX / 2, VALUE_LEN_MAX))
        }
        _ => extent,
    };
    let payload = match fact.event.protection {
        PLAIN => pairs(&payload_json(&fact.event), extent),
        _ => vec![(Tone::Plain, hidden(&fact.event))],
    };
    Row { day, cells, rest: mark.into_iter().chain(payload).collect() }
}

/// A row of chosen fields. The last one is not padded.
fn row_of(items: &Items, fact: &Fact<'_>, status: &str, times: &Shown) -> Row {
    let reading = Reading::new(fact, payload_json);
    let cut = answer_columns().map(|_| FIELD_WIDTH_MAX);
    let cell = |item: &Item| {
        let text = item.word(&reading, status, times);
        let tone = if matches!(item, Item::Status) { Tone::of(&text) } else { Tone::Plain };
        Cell { text, tone, side: Side::Left, widths: (1, FIELD_WIDTH_MAX), cut }
    };
    let mut cells: Vec<Cell> = items.0.iter().map(cell).collect();
    let rest = cells.pop().map(|last| (last.tone, last.text));
    Row { day: None, cells, rest: rest.into_iter().collect() }
}

/// A template with the fields of an event in it.
fn filled(template: &Template, fact: &Fact<'_>, status: &str, times: &Shown) -> Text {
    let reading = Reading::new(fact, payload_json);
    template.0.iter().fold(Text::default(), |text, part| match part {
        Part::Text(words) => text.whole(Tone::Plain, words),
        Part::Tab => text.tab(),
        Part::Item(item) => text.whole(Tone::Plain, item.text(&reading, status, times)),
    })
}

/// A kind that is too long for its column is shown without its contract, which the run has.
fn short_kind(kind: &str, widths: &Widths) -> String {
    match kind.split_once('.') {
        Some((_, rest)) if widths.is_cut && kind.chars().count() > widths.kind.1 => format!("…{rest}"),
        _ => kind.to_owned(),
    }
}

/// A payload that this program cannot show.
fn hidden(event: &Event<'_>) -> String {
    let (len, protection) = (event.payload.len(), event.protection);
    format!("(payload of {len} bytes, with a protection that this version does not know: {protection})")
}

pub(crate) fn tone_of_kind(kind: &str) -> Tone {
    match kind.rsplit_once('.') {
        Some(("log", "loss_accepted")) => Tone::Bad,
        Some(("log", "tail_cut" | "recovered" | "clock_stepped")) => Tone::Warning,
        Some(("log", _)) => Tone::Faint,
        Some((_, "rejected" | "forced_failed" | "forced" | "lock_forced")) => Tone::Bad,
        Some((_, "refused" | "overridden" | "validation_reported")) => Tone::Warning,
        _ => Tone::Plain,
    }
}

/// Visits the events of a proven commit.
pub(crate) fn each_fact(
    commit: &ProvenCommit,
    visit: &mut dyn FnMut(&Fact<'_>) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let read = commit.commit().map_err(|error| CommandError::user(format!("the proven commit: {error}")))?;
    for (seq, event) in (read.head.first_seq.0..).zip(&read.events) {
        visit(&Fact { seq: Seq(seq), head: read.head, event: *event })?;
    }
    Ok(())
}
