//! Draws the screen.

use crate::cells::{Cell, Palette, cut_at_word, flow, row, width};
use crate::help::{HELP, KEYS};
use crate::model::{Event, Header, Opened, Run, Tone};
use crate::runs::RUNS_MAX;
use crate::screen::{EVENTS_MAX, Pane, Screen};
use evlog_export::visible;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;

/// The smallest terminal that the screen is drawn for.
const COLUMNS_MIN: u16 = 60;
const LINES_MIN: u16 = 16;
/// From these widths on a run shows its age, also its actor, and also its contract. The contract is dropped first: the first event of
/// a run names it, and few logs have more than one.
const AGE_MIN: usize = 70;
const ACTOR_MIN: usize = 76;
const CONTRACT_MIN: usize = 100;
/// The width of an age, and of an actor where there is little room.
const AGE_WIDTH: usize = 7;
const ACTOR_WIDTH_MIN: usize = 12;
const ACTOR_WIDTH: usize = 16;
/// From this width on an event shows its payload beside the run.
const PAYLOAD_MIN: usize = 72;
/// From this width on an event shows the status of its run and its actor.
const EVENT_ACTOR_MIN: usize = 120;
const STATUS_WIDTH: usize = 11;
const TIME_WIDTH: usize = 8;
/// The widest columns of a run, of a stage, and of a kind without its contract.
const RUN_WIDTH_MAX: usize = 48;
const STAGE_WIDTH_MAX: usize = 40;
const KIND_WIDTH: usize = 20;

/// Draws the screen on a frame.
pub fn draw(screen: &Screen, frame: &mut Frame<'_>, palette: Palette) {
    let area = frame.area();
    let columns = usize::from(area.width);
    if area.width < COLUMNS_MIN || area.height < LINES_MIN {
        let (wide, high) = (area.width, area.height);
        let said = format!(
            "evlog top needs a terminal of {COLUMNS_MIN} columns and {LINES_MIN} lines; this one has {wide} and {high}."
        );
        return lines(frame, area, &flow(&[(said, Tone::Plain)], columns, palette));
    }
    let head = flow(&head(screen), columns, palette);
    let head_len = u16::try_from(head.len()).unwrap_or(u16::MAX).min(area.height / 3);
    lines(frame, Rect { height: head_len, ..area }, &head);
    let foot = Rect { y: area.bottom() - 1, height: 1, ..area };
    lines(frame, foot, &foot_line(screen, columns, palette));
    let rest = Rect { y: area.y + head_len, height: area.height - head_len - 1, ..area };
    if screen.choice.has_help {
        return lines(frame, rest, &help(columns, palette));
    }
    let upper_len = match &screen.opened {
        Some(opened) => u16::try_from(opened.stages.len() + 3).unwrap_or(u16::MAX).clamp(3, rest.height * 2 / 3),
        None => rest.height * 3 / 5,
    };
    let upper = Rect { height: upper_len, ..rest };
    let lower = Rect { y: rest.y + upper_len, height: rest.height - upper_len, ..rest };
    match &screen.opened {
        Some(opened) => lines(frame, upper, &stages(screen, opened, upper, palette)),
        None => lines(frame, upper, &runs(screen, upper, palette)),
    }
    lines(frame, lower, &events(screen, lower, palette));
}

fn lines(frame: &mut Frame<'_>, area: Rect, lines: &[Line<'static>]) {
    for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

/// What is known of the log, in pieces.
fn head(screen: &Screen) -> Vec<(String, Tone)> {
    let Header { log, id, events, committed, commits, per_second, runs, verdict, signed, writer, message, .. } =
        &screen.header;
    let plain = |text: String| (text, Tone::Plain);
    let mut pieces = vec![plain(format!("evlog top  {log}")), plain(format!("log {id}"))];
    let counted = if events < committed {
        format!("{} of {} events", grouped(*events), grouped(*committed))
    } else {
        format!("{} events", grouped(*events))
    };
    pieces.push(plain(counted));
    pieces.push(plain(format!("{} commits", grouped(*commits))));
    pieces.push(plain(format!("{} runs", grouped(*runs))));
    pieces.push(plain(format!("{} events/s", grouped(*per_second))));
    pieces.push((format!("verdict {}", verdict.text), verdict.tone));
    pieces.push((format!("signed {}", signed.text), signed.tone));
    pieces.push((format!("writer {}", writer.text), writer.tone));
    pieces.extend(screen.choice.is_paused.then(|| {
        let waiting = committed.saturating_sub(*events);
        (format!("paused, {} events wait", grouped(waiting)), Tone::Warning)
    }));
    pieces.extend(message.as_ref().map(|message| (message.text.clone(), message.tone)));
    pieces
}

fn foot_line(screen: &Screen, columns: usize, palette: Palette) -> Vec<Line<'static>> {
    if screen.choice.is_typing {
        let typed = format!("filter: {}_  (Enter keeps it, Esc clears it)", screen.choice.filter);
        return vec![row('/', &[Cell::left(&typed, Tone::Plain, columns - 2)], palette)];
    }
    let keys: Vec<(String, Tone)> = KEYS.iter().map(|key| ((*key).to_owned(), Tone::Faint)).collect();
    flow(&keys, columns, palette).into_iter().take(1).collect()
}

fn help(columns: usize, palette: Palette) -> Vec<Line<'static>> {
    let name = HELP.iter().map(|(key, _)| width(key)).max().unwrap_or_default();
    let mut all = vec![title("KEYS", Pane::Upper, Pane::Upper, columns, palette)];
    for (key, what) in HELP {
        let room = columns.saturating_sub(name + 4);
        for (index, part) in flow(&[(what.to_owned(), Tone::Plain)], room, palette).into_iter().enumerate() {
            let mut line = row(' ', &[Cell::left(if index == 0 { key } else { "" }, Tone::Plain, name)], palette);
            line.push_span("  ");
            line.extend(part.spans);
            all.push(line);
        }
    }
    all
}

/// The title of a part. That of the part in which keys move is marked.
fn title(text: &str, pane: Pane, chosen: Pane, columns: usize, palette: Palette) -> Line<'static> {
    let mark = if pane == chosen { '>' } else { ' ' };
    let line = row(mark, &[Cell::left(text, Tone::Plain, columns - 2)], palette);
    line.style(Style::new().add_modifier(Modifier::BOLD))
}

/// What of all is shown: the filters, in words.
fn filters(screen: &Screen) -> String {
    let filter = Some(&screen.choice.filter).filter(|filter| !filter.is_empty());
    let filter = filter.map(|filter| format!("  filter `{filter}`")).unwrap_or_default();
    let status = screen.choice.status.as_ref().map(|status| format!("  status {status}")).unwrap_or_default();
    filter + &status
}

/// The widths of the columns of runs that depend on the terminal: run, contract, age and actor. The run has what the others leave.
fn run_widths(columns: usize) -> [usize; 4] {
    let (contract, age, actor) = match columns {
        CONTRACT_MIN.. => (9, AGE_WIDTH, ACTOR_WIDTH),
        ACTOR_MIN.. => (0, AGE_WIDTH, ACTOR_WIDTH_MIN),
        AGE_MIN.. => (0, AGE_WIDTH, 0),
        _ => (0, 0, 0),
    };
    let others = STATUS_WIDTH + 2 + TIME_WIDTH + 2 + TIME_WIDTH + 2;
    let of = |width: usize| if width > 0 { width + 2 } else { 0 };
    let left = columns.saturating_sub(2 + others + of(contract) + of(age) + of(actor));
    [left.min(RUN_WIDTH_MAX), contract, age, actor]
}

fn runs(screen: &Screen, area: Rect, palette: Palette) -> Vec<Line<'static>> {
    let (columns, listed) = (usize::from(area.width), screen.listed());
    let all = screen.header.runs;
    let bound = if all > RUNS_MAX as u64 {
        format!("  {} of {}, those with the newest events", grouped(screen.runs.len() as u64), grouped(all))
    } else {
        String::new()
    };
    let text = format!("RUNS  {}{}{bound}", screen.choice.sort.words(), filters(screen));
    let heading = ["RUN", "CONTRACT", "STATUS", "EVENTS", "CHANGED", "AGE", "ACTOR"];
    let mut all = vec![title(&text, Pane::Upper, screen.choice.pane, columns, palette)];
    all.push(run_row(' ', heading, Tone::Plain, columns, palette).style(Style::new().add_modifier(Modifier::BOLD)));
    let (marked, room) = (screen.marked(&listed), usize::from(area.height).saturating_sub(2));
    let first = marked.saturating_sub(room / 2).min(listed.len().saturating_sub(room));
    for (index, run) in listed.iter().enumerate().skip(first).take(room) {
        let line = one_run(run, screen.header.now_ns, if index == marked { '>' } else { ' ' }, columns, palette);
        let style = if index == marked { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        all.push(line.style(style));
    }
    if listed.is_empty() {
        let said = if screen.runs.len() == 0 { "no runs yet" } else { "no run is meant; Esc clears the filters" };
        all.push(row(' ', &[Cell::left(said, Tone::Faint, columns - 2)], palette));
    }
    all
}

fn one_run(run: &Run, now_ns: i64, mark: char, columns: usize, palette: Palette) -> Line<'static> {
    let (changed, age) = (ago(now_ns, run.last_ns), ago(now_ns, run.first_ns));
    let events = grouped(run.events);
    let texts = [&run.name, &run.contract, &run.status.text, &events, &changed, &age, &run.actor];
    run_row(mark, texts.map(String::as_str), run.status.tone, columns, palette)
}

fn run_row(mark: char, texts: [&str; 7], tone: Tone, columns: usize, palette: Palette) -> Line<'static> {
    let [name, contract, status, events, changed, age, actor] = texts;
    let [name_width, contract_width, age_width, actor_width] = run_widths(columns);
    let mut cells = vec![Cell::left(name, Tone::Plain, name_width)];
    if contract_width > 0 {
        cells.push(Cell::left(contract, Tone::Plain, contract_width));
    }
    cells.push(Cell::left(status, tone, STATUS_WIDTH));
    cells.extend([Cell::right(events, TIME_WIDTH), Cell::right(changed, TIME_WIDTH)]);
    if age_width > 0 {
        cells.push(Cell::right(age, age_width));
    }
    if actor_width > 0 {
        cells.push(Cell::left(actor, Tone::Faint, actor_width));
    }
    row(mark, &cells, palette)
}

fn stages(screen: &Screen, opened: &Opened, area: Rect, palette: Palette) -> Vec<Line<'static>> {
    let columns = usize::from(area.width);
    let run = screen.runs.iter().find(|run| run.name == opened.name);
    let mut all = vec![title(&format!("RUN {}", opened.name), Pane::Upper, screen.choice.pane, columns, palette)];
    all.extend(run.map(|run| {
        let begun = format!("begun {} ago by {}", ago(screen.header.now_ns, run.first_ns), run.actor);
        let (contract, status) = (&run.contract, &run.status);
        let cells = [
            Cell::left(contract, Tone::Plain, width(contract).min(columns / 4)),
            Cell::left(&status.text, status.tone, STATUS_WIDTH),
            Cell::left(&begun, Tone::Plain, columns / 2),
        ];
        row(' ', &cells, palette)
    }));
    let name = (columns - 2 - STATUS_WIDTH - 2 - TIME_WIDTH - 2 - 12 - 2).min(STAGE_WIDTH_MAX);
    let line = |texts: [&str; 4], tone| {
        let [stage, status, attempts, took] = texts;
        let cells = [
            Cell::left(stage, Tone::Plain, name),
            Cell::left(status, tone, STATUS_WIDTH),
            Cell::right(attempts, TIME_WIDTH),
            Cell::right(took, 12),
        ];
        row(' ', &cells, palette)
    };
    if opened.stages.is_empty() {
        let said = "its contract has no stages or steps";
        all.push(row(' ', &[Cell::left(said, Tone::Faint, columns - 2)], palette));
        return all;
    }
    let heading = line(["STAGE", "STATUS", "ATTEMPTS", "DURATION"], Tone::Plain);
    all.push(heading.style(Style::new().add_modifier(Modifier::BOLD)));
    let shown = opened.stages.iter().skip(screen.choice.stages_above);
    all.extend(
        shown.map(|stage| line([&stage.name, &stage.status.text, &stage.attempts, &stage.took], stage.status.tone)),
    );
    all
}

fn events(screen: &Screen, area: Rect, palette: Palette) -> Vec<Line<'static>> {
    let (columns, stream) = (usize::from(area.width), screen.stream());
    let of = screen.opened.as_ref().map_or("of all runs", |_| "of this run");
    let below = match screen.choice.events_below {
        0 => String::new(),
        below => format!("  {} newer below", grouped(below as u64)),
    };
    let text = format!("EVENTS  the last {} {of}{}{below}", grouped(EVENTS_MAX as u64), filters(screen));
    let mut all = vec![title(&text, Pane::Lower, screen.choice.pane, columns, palette)];
    let room = usize::from(area.height).saturating_sub(1);
    let end = stream.len() - screen.choice.events_below.min(stream.len());
    all.extend(stream[end.saturating_sub(room)..end].iter().map(|event| one_event(screen, event, columns, palette)));
    all
}

/// The run is left out where all events are of one.
fn one_event(screen: &Screen, event: &Event, columns: usize, palette: Palette) -> Line<'static> {
    let (seq, time) = (event.seq.to_string(), clock(event.recorded_ns));
    let is_wide = columns >= EVENT_ACTOR_MIN;
    let (run_width, kind_width) = match columns {
        EVENT_ACTOR_MIN.. => (36, 28),
        PAYLOAD_MIN.. => (columns / 4 - 4, KIND_WIDTH),
        // The payload gets no room beside the run.
        _ => (columns - KIND_WIDTH - 21, KIND_WIDTH),
    };
    let kind = &event.kind.text;
    // The run has the contract.
    let kind = if is_wide { kind } else { kind.split_once('.').map_or(kind.as_str(), |(_, rest)| rest) };
    let mut cells = vec![Cell::right(&seq, seq.len().max(5)), Cell::left(&time, Tone::Faint, TIME_WIDTH)];
    if screen.opened.is_none() {
        cells.push(Cell::left(&event.run, Tone::Plain, run_width));
    }
    cells.push(Cell::left(kind, event.kind.tone, kind_width));
    if is_wide {
        cells.push(Cell::left(&event.status.text, event.status.tone, STATUS_WIDTH));
        cells.push(Cell::left(&event.actor, Tone::Faint, 16));
    }
    let used: usize = 2 + cells.iter().map(|cell| cell.width + 2).sum::<usize>();
    let text = cut_at_word(&visible(&event.text), columns.saturating_sub(used));
    let mut line = row(' ', &cells, palette);
    line.push_span(format!("  {text}"));
    line
}

/// The time of day, UTC.
fn clock(recorded_ns: i64) -> String {
    let seconds = recorded_ns.div_euclid(1_000_000_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// How long ago a time was, in its largest unit. If the clock went back, the time counts as now.
fn ago(now_ns: i64, then_ns: i64) -> String {
    let seconds = now_ns.saturating_sub(then_ns).max(0) / 1_000_000_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A number with commas between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
