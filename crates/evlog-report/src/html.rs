//! Pages as HTML. Everything that a caller gives is escaped: markup where it is written, hidden characters in one pass over the
//! whole page.

use crate::page::{Banner, Cell, Chapter, Fact, Figure, Form, Link, Page, Part, Section, Table, Tone};
use crate::timeline::timeline;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evlog_export::visible;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

/// A table with at most this many rows is not split between two sheets of paper.
const SHORT_MAX: usize = 8;
pub(crate) const STYLE: &str = include_str!("style.css");
/// The SHA-256 of each style sheet that evlog had, in base64, today's first. None is ever removed: pages that were written with it
/// are still checked.
pub(crate) const STYLES: &[&str] = &[
    "VC868nAOBimApiBF3GXhsS8y4io79IFcDqwtY7KokXM=",
    "C5O/cWKdv3AFa5UBtVvBEwO6achQW4apcWKxHM5/H9A=",
    "/Nqy/JTcVTccGbusExOTR/ffAE2fgqdyOtCepdtYRQc=",
    "HoX5WoDMaBUAouZ+e+IWi+1+wgRkvu/ak4BawjCrkiQ=",
    "DC4iNyVbH526hV2EQV+7xA77WMgKoCEGESGurRhG40w=",
    "0iuyc353KxpfprzRvj/yHpSFOazgi2uNPfFN2IZdAnA=",
];

/// The bytes of a page.
pub fn render(page: &Page) -> String {
    let body = html! {
        header { @if !page.links.is_empty() { (links(&page.links)) } }
        main { @for (at, chapter) in page.chapters.iter().enumerate() { (self::chapter(chapter, at)) } }
        footer { p { (prose(&page.footer)) } }
    };
    // One pass over everything, so that no text can be forgotten. Our own markup has no such characters.
    let shown = |markup: Markup| markup.into_string().split('\n').map(visible).collect::<Vec<_>>().join("\n");
    let (head, body) = (shown(head(&page.title)), shown(body));
    let data =
        page.data.as_ref().map(|data| format!("{}{}{}\n", data.begin, data.json.replace('<', "\\u003c"), data.end));
    format!(
        "{}\n<html lang=\"en\">\n{head}\n<body>\n{body}\n{}</body>\n</html>\n",
        DOCTYPE.into_string(),
        data.unwrap_or_default()
    )
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta http-equiv="Content-Security-Policy" content=(policy());
            title { (title) }
            style { (PreEscaped(STYLE)) }
        }
    }
}

/// The Content-Security-Policy: only the page's own style sheet is allowed.
fn policy() -> String {
    let hash = hash_of(STYLE);
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

pub(crate) fn hash_of(style: &str) -> String {
    STANDARD.encode(Sha256::digest(style))
}

/// The page as it would be with the style sheet of this evlog. `None` if no version of evlog had the page's own style
/// sheet: an unknown style sheet could hide or add text.
pub fn with_present_style(page: &str) -> Option<String> {
    let (head, rest) = page.split_once("<style>")?;
    let (style, body) = rest.split_once("</style>")?;
    let hash = hash_of(style);
    let is_known = STYLES.contains(&hash.as_str());
    is_known.then(|| format!("{}<style>{STYLE}</style>{body}", head.replacen(&hash, &hash_of(STYLE), 1)))
}

fn links(links: &[Link]) -> Markup {
    html! { nav aria-label="Pages" { ul { @for link in links { li { a href=(link.to) { (link.text) } } } } } }
}

fn chapter(chapter: &Chapter, at: usize) -> Markup {
    let name = html! { @if !chapter.name.is_empty() { " " code { (chapter.name) } } };
    html! {
        article id=(chapter.id) {
            @if at == 0 { h1 { (chapter.heading) (name) } } @else { h2 { (chapter.heading) (name) } }
            @if let Some(banner) = &chapter.banner { (self::banner(banner)) }
            @for paragraph in &chapter.lead { p { (prose(paragraph)) } }
            @for section in &chapter.sections { (self::section(section, at)) }
        }
    }
}

fn banner(banner: &Banner) -> Markup {
    html! { div class={ "banner " (banner.tone.class()) } { p { strong { (banner.word) } " " (prose(&banner.sentence)) } } }
}

/// A section of the chapter at this place: its heading is one level below the chapter's heading.
fn section(section: &Section, at: usize) -> Markup {
    html! {
        section {
            @if at == 0 { h2 { (section.heading) } } @else { h3 { (section.heading) } }
            @if !section.note.is_empty() { p.faint { (prose(&section.note)) } }
            @for part in &section.parts { (self::part(part)) }
        }
    }
}

fn part(part: &Part) -> Markup {
    match part {
        Part::Facts(facts) => self::facts(facts),
        Part::Figures(figures) => html! { div.figures { @for figure in figures { (self::figure(figure)) } } },
        Part::Table(table) => self::table(table),
        Part::Timeline(lanes) => timeline(lanes),
        Part::Text(text) => html! { pre { (text) } },
        Part::Folded { name, about, text } => html! {
            details { summary { code { (name) } " " span.faint { (about) } } pre { (text) } }
        },
    }
}

fn facts(facts: &[Fact]) -> Markup {
    html! { dl { @for fact in facts { div { dt { (fact.label) } dd { (cell(&fact.value)) } } } } }
}

fn figure(figure: &Figure) -> Markup {
    let most = figure.rows.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    html! {
        table.figure {
            caption { (figure.caption) }
            thead { tr { th scope="col" { (figure.of) } th.n scope="col" { (figure.unit) } } }
            tbody {
                @for (name, count) in &figure.rows {
                    tr {
                        th scope="row" { (cell(name)) (bar(*count, most, name.tone)) }
                        td.n { (count) }
                    }
                }
                @if let Some((names, sum)) = figure.others { tr { th scope="row" { (names) " others" } td.n { (sum) } } }
                @if figure.rows.is_empty() { tr { td colspan="2" { "none" } } }
            }
        }
    }
}

/// A bar whose width is a count's share of the largest count. The count is beside the bar as a number.
fn bar(count: u64, most: u64, tone: Tone) -> Markup {
    let width = u128::from(count) * 100 / u128::from(most);
    html! {
        svg.bar viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect class=(tone.class()) x="0" y="0" width=(width) height="4" {}
        }
    }
}

fn table(table: &Table) -> Markup {
    html! {
        table.rows.short[table.rows.len() <= SHORT_MAX] {
            caption { (table.caption) }
            thead { tr { @for column in &table.columns { th class=[column_class(column.form)] scope="col" { (column.heading) } } } }
            tbody {
                @for row in &table.rows {
                    tr {
                        @for (column, cell) in table.columns.iter().zip(row) {
                            td class=[column_class(column.form)] data-label=(column.heading) { (self::cell(cell)) }
                        }
                    }
                }
            }
        }
        @if !table.left_out.is_empty() { p.faint { (prose(&table.left_out)) } }
    }
}

fn column_class(form: Form) -> Option<&'static str> {
    match form {
        Form::Prose => None,
        Form::Code => Some("c"),
        Form::Number => Some("n"),
        Form::Time => Some("t"),
    }
}

fn cell(cell: &Cell) -> Markup {
    // On a phone an empty cell is left out, with its heading.
    if cell.text.is_empty() && cell.mark.is_empty() {
        return Markup::default();
    }
    let text = html! {
        @match cell.form {
            Form::Prose => (prose(&cell.text)),
            Form::Code => code { (breakable(&cell.text)) },
            Form::Number => (cell.text),
            Form::Time => (time(&cell.text)),
        }
    };
    let toned = html! { @if cell.tone == Tone::Plain { (text) } @else { span class=(cell.tone.class()) { (text) } } };
    html! {
        @if let Some(to) = &cell.to { a href=(to) { (toned) } } @else { (toned) }
        @if !cell.mark.is_empty() { " " span.mark { (cell.mark) } }
    }
}

/// Where the words of a name end.
const ENDS: [char; 3] = ['.', '/', '_'];

/// A name that is best broken after a dot, a slash or an underscore. The browser breaks it elsewhere only if it must.
fn breakable(name: &str) -> Markup {
    html! { @for part in name.split_inclusive(ENDS) { (part) @if part.ends_with(ENDS) { wbr; } } }
}

/// A date and a time of day, each in one piece.
fn time(text: &str) -> Markup {
    let (date, time) = text.split_once('T').unwrap_or((text, ""));
    html! { span.w { (date) } @if !time.is_empty() { " " span.w { (time) } } }
}

/// Words. The text between two backticks is code, if all backticks are in pairs.
fn prose(text: &str) -> Markup {
    let pieces: Vec<&str> = text.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return html! { (text) };
    }
    html! { @for (at, piece) in pieces.iter().enumerate() { @if at % 2 == 1 { code { (piece) } } @else { (piece) } } }
}
