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
/// The widest columns of a contract, and of an actor where there is little room or where there is more.
const CONTRACT_WIDTH: usize = 16;
const ACTOR_WIDTH_MIN: usize = 12;
const ACTOR_WIDTH: usize = 16;
/// From this width on an event shows its payload beside the run.
const PAYLOAD_MIN: usize = 72;
/// From this width on an event shows the status of its run and its actor.
const EVENT_ACTOR_MIN: usize = 120;
const STATUS_WIDTH: usize = 11;
const TIME_WIDTH: usize = 8;
/// The widest column of a kind without its contract.
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
        Some(opened) => u16::try_from(opened.stages.len() + 4).unwrap_or(u16::MAX).clamp(3, rest.height * 2 / 3),
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
    bold(if pane == chosen { '>' } else { ' ' }, text, columns, palette)
}

fn bold(mark: char, text: &str, columns: usize, palette: Palette) -> Line<'static> {
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

const STAGE_HEADING: [&str; 4] = ["STAGE", "STATUS", "ATTEMPTS", "DURATION"];
const HEADING: [&str; 7] = ["RUN", "CONTRACT", "STATUS", "EVENTS", "CHANGED", "AGE", "ACTOR"];

/// The widths of the columns of runs, in the order of the heading. A column that is not shown has none. Each has what its widest cell
/// needs; the run has what the others leave.
fn run_widths(rows: &[[String; 7]], columns: usize) -> [usize; 7] {
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| width(&visible(&row[column])));
        cells.max().unwrap_or(0).max(width(HEADING[column]))
    };
    let [_, contract, status, events, changed, age, actor] = std::array::from_fn(widest);
    let (contract, age, actor) = match columns {
        CONTRACT_MIN.. => (contract.min(CONTRACT_WIDTH), age, actor.min(ACTOR_WIDTH)),
        ACTOR_MIN.. => (0, age, actor.min(ACTOR_WIDTH_MIN)),
        AGE_MIN.. => (0, age, 0),
        _ => (0, 0, 0),
    };
    let of = |width: usize| if width > 0 { width + 2 } else { 0 };
    let others = [contract, status, events, changed, age, actor].into_iter().map(of).sum::<usize>();
    let run = columns.saturating_sub(2 + others).min(widest(0));
    // What the runs do not need goes to the actors.
    let left = columns.saturating_sub(2 + others + run);
    let actor = if actor > 0 { (actor + left).min(widest(6)) } else { 0 };
    [run, contract, status, events, changed, age, actor]
}

fn runs(screen: &Screen, area: Rect, palette: Palette) -> Vec<Line<'static>> {
    let (columns, listed) = (usize::from(area.width), screen.listed());
    let (marked, room) = (screen.marked(&listed), usize::from(area.height).saturating_sub(2));
    let first = marked.saturating_sub(room / 2).min(listed.len().saturating_sub(room));
    let shown: Vec<&Run> = listed.iter().skip(first).take(room).copied().collect();
    let rows: Vec<[String; 7]> = shown.iter().map(|run| cells_of(run, screen.header.now_ns)).collect();
    let widths = run_widths(&rows, columns);
    let mut all =
        vec![title(&runs_title(screen, first, shown.len()), Pane::Upper, screen.choice.pane, columns, palette)];
    let heading = run_row(' ', HEADING, Tone::Plain, widths, Palette::Plain);
    all.push(heading.style(Style::new().add_modifier(Modifier::BOLD)));
    for ((index, run), row) in shown.iter().enumerate().zip(&rows) {
        let texts = row.each_ref().map(String::as_str);
        all.push(if first + index == marked {
            // Colours within a bar would leave holes in it.
            let line = run_row('>', texts, Tone::Plain, widths, Palette::Plain);
            line.style(Style::new().add_modifier(Modifier::REVERSED))
        } else {
            run_row(' ', texts, run.status.tone, widths, palette)
        });
    }
    if listed.is_empty() {
        let said = if screen.runs.len() == 0 { "no runs yet" } else { "no run is meant; Esc clears the filters" };
        all.push(row(' ', &[Cell::left(said, Tone::Faint, columns - 2)], palette));
    }
    all
}

/// What of all runs is listed, and which of these are on the screen.
fn runs_title(screen: &Screen, first: usize, shown: usize) -> String {
    let (all, listed) = (screen.header.runs, screen.listed().len());
    let seen = if shown < listed {
        format!("  {} to {} of {}", grouped(first as u64 + 1), grouped((first + shown) as u64), grouped(listed as u64))
    } else {
        String::new()
    };
    let bound = if all > RUNS_MAX as u64 {
        format!("  {} of {}, those with the newest events", grouped(screen.runs.len() as u64), grouped(all))
    } else {
        String::new()
    };
    format!("RUNS  {}{seen}{}{bound}", screen.choice.sort.words(), filters(screen))
}

fn cells_of(run: &Run, now_ns: i64) -> [String; 7] {
    let (changed, age) = (ago(now_ns, run.last_ns), ago(now_ns, run.first_ns));
    let (name, contract, status) = (run.name.clone(), run.contract.clone(), run.status.text.clone());
    [name, contract, status, grouped(run.events), changed, age, run.actor.clone()]
}

fn run_row(mark: char, texts: [&str; 7], tone: Tone, widths: [usize; 7], palette: Palette) -> Line<'static> {
    let [name, contract, status, events, changed, age, actor] = texts;
    let cells = [
        Cell::name(name, widths[0]),
        Cell::left(contract, Tone::Plain, widths[1]),
        Cell::left(status, tone, widths[2]),
        Cell::right(events, widths[3]),
        Cell::right(changed, widths[4]),
        Cell::right(age, widths[5]),
        Cell::left(actor, Tone::Plain, widths[6]),
    ];
    row(mark, &cells.into_iter().filter(|cell| cell.width > 0).collect::<Vec<_>>(), palette)
}

/// The title of the chosen run, whose name is nowhere else shown whole.
fn run_title(name: &str, chosen: Pane, columns: usize, palette: Palette) -> Vec<Line<'static>> {
    const BEFORE: &str = "RUN ";
    let (shown, room) = (visible(name), columns - 2 - BEFORE.len());
    let mut parts = vec![String::new()];
    for c in shown.chars() {
        if parts.last().is_some_and(|part| width(part) + 2 > room) {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    let mark = if chosen == Pane::Upper { '>' } else { ' ' };
    let line = |(index, part): (usize, &String)| {
        let (mark, before) = if index == 0 { (mark, BEFORE) } else { (' ', "    ") };
        bold(mark, &format!("{before}{part}"), columns, palette)
    };
    parts.iter().enumerate().map(line).collect()
}

fn stages(screen: &Screen, opened: &Opened, area: Rect, palette: Palette) -> Vec<Line<'static>> {
    let columns = usize::from(area.width);
    let run = screen.runs.iter().find(|run| run.name == opened.name);
    let mut all = run_title(&opened.name, screen.choice.pane, columns, palette);
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
    let rows: Vec<[&str; 4]> =
        opened.stages.iter().map(|stage| [&*stage.name, &*stage.status.text, &*stage.attempts, &*stage.took]).collect();
    let widest = |column: usize| {
        rows.iter().map(|row| width(&visible(row[column]))).max().unwrap_or(0).max(width(STAGE_HEADING[column]))
    };
    let [name, status, attempts, took] = std::array::from_fn(widest);
    let name = name.min(columns.saturating_sub(2 + status + 2 + attempts + 2 + took + 2));
    let line = |texts: [&str; 4], tone| {
        let cells = [
            Cell::name(texts[0], name),
            Cell::left(texts[1], tone, status),
            Cell::right(texts[2], attempts),
            Cell::right(texts[3], took),
        ];
        row(' ', &cells, palette)
    };
    if opened.stages.is_empty() {
        let said = "its contract has no stages or steps";
        all.push(row(' ', &[Cell::left(said, Tone::Faint, columns - 2)], palette));
        return all;
    }
    let heading = line(STAGE_HEADING, Tone::Plain);
    all.push(heading.style(Style::new().add_modifier(Modifier::BOLD)));
    let shown = opened.stages.iter().zip(rows).skip(screen.choice.stages_above);
    all.extend(shown.map(|(stage, row)| line(row, stage.status.tone)));
    all
}

fn events(screen: &Screen, area: Rect, palette: Palette) -> Vec<Line<'static>> {
    let (columns, stream) = (usize::from(area.width), screen.stream());
    let opened = screen.opened.as_ref();
    let of = opened.map_or("of all runs", |_| "of this run");
    let run = opened.and_then(|opened| screen.runs.iter().find(|run| run.name == opened.name));
    let all = run.map_or(screen.header.events, |run| run.events);
    let kept =
        if all > EVENTS_MAX as u64 { format!("the last {} ", grouped(EVENTS_MAX as u64)) } else { String::new() };
    let below = match screen.choice.events_below {
        0 => String::new(),
        below => format!("  {} newer below", grouped(below as u64)),
    };
    let text = format!("EVENTS  {kept}{of}{}{below}", filters(screen));
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
        cells.push(Cell::name(&event.run, run_width));
    }
    cells.push(Cell::left(kind, event.kind.tone, kind_width));
    if is_wide {
        cells.push(Cell::left(&event.status.text, event.status.tone, STATUS_WIDTH));
        cells.push(Cell::left(&event.actor, Tone::Plain, 16));
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
