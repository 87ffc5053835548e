//! What holds for every page, with any texts.

use crate::html::{STYLE, STYLES, hash_of};
use crate::{
    Banner, Cell, Chapter, Column, Data, Fact, Figure, Form, Lane, Link, Page, Part, Section, Span, Table, Timeline,
    Tone, render, with_present_style,
};

const BEGIN: &str = "<script type=\"application/json\">";
const END: &str = "</script>";
/// Text that would act as markup, or be invisible.
const HOSTILE: &str = "<script>alert(1)</script>\"'&\u{202e}\u{1b}[2J";

/// A page in which every text is the same.
fn page(text: &str) -> Page {
    let text = || text.to_owned();
    let cell = |form| Cell { text: text(), form, tone: Tone::Bad, mark: text(), to: Some(text()) };
    let columns = [Form::Prose, Form::Code, Form::Number, Form::Time].map(|form| Column::new("heading", form)).to_vec();
    let row = columns.iter().map(|column| cell(column.form)).collect();
    let span = Span { from: 0, to: 1000, tone: Tone::Good };
    let parts = vec![
        Part::Facts(vec![Fact { label: text(), value: cell(Form::Prose) }]),
        Part::Figures(vec![Figure {
            caption: text(),
            of: text(),
            unit: text(),
            rows: vec![(cell(Form::Code), 3), (cell(Form::Prose), 1)],
            others: Some((2, 2)),
        }]),
        Part::Table(Table { caption: text(), columns, rows: vec![row], left_out: text() }),
        Part::Timeline(Timeline {
            ends: (text(), text()),
            lanes: vec![Lane { name: text(), words: text(), spans: vec![span] }],
            left_out: text(),
        }),
        Part::Text(text()),
        Part::Folded { name: text(), about: text(), text: text() },
    ];
    let chapter = |id: &str| Chapter {
        id: id.to_owned(),
        heading: text(),
        name: text(),
        banner: Some(Banner { tone: Tone::Warning, word: text(), sentence: text() }),
        lead: vec![text()],
        sections: vec![Section { heading: text(), note: text(), parts: parts.clone() }],
    };
    Page {
        title: text(),
        links: vec![Link { text: text(), to: text() }],
        chapters: vec![chapter("first"), chapter("second")],
        footer: text(),
        data: None,
    }
}

#[test]
fn equal_pages_give_equal_bytes() {
    assert_eq!(render(&page("text")), render(&page("text")));
}

#[test]
fn no_text_acts_as_markup_or_is_invisible() {
    // A name may be broken after a slash, of which both texts have one.
    let (plain, hostile) = (render(&page("te/xt")), render(&page(HOSTILE)));
    for sign in ['<', '>', '"'] {
        assert_eq!(plain.matches(sign).count(), hostile.matches(sign).count(), "{sign}");
    }
    assert!(!hostile.contains(['\u{202e}', '\u{1b}']) && hostile.contains("\\u{202e}\\u{1b}"), "{hostile}");
}

#[test]
fn data_cannot_end_early() {
    let data = Data { begin: BEGIN, json: "{\"text\":\"</script><b>\"}".to_owned(), end: END };
    let page = render(&Page { data: Some(data), ..page("text") });
    assert!(page.contains("{\"text\":\"\\u003c/script>\\u003cb>\"}</script>\n</body>"), "{page}");
    assert_eq!(page.matches("</script>").count(), 1);
}

#[test]
fn the_policy_of_a_page_allows_its_style_sheet_and_nothing_else() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use sha2::{Digest, Sha256};
    let page = render(&page("text"));
    let (_, rest) = page.split_once("<style>").unwrap();
    let (style, _) = rest.split_once("</style>").unwrap();
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        STANDARD.encode(Sha256::digest(style))
    );
    assert!(page.contains(&format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">")), "{page}");
    for forbidden in ["<script", " style=", "http://", "https://", "url(", "@import", " src=", " onclick="] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn the_style_sheet_of_today_is_the_first_of_those_that_are_known() {
    assert_eq!(
        STYLES[0],
        hash_of(STYLE),
        "add the hash of the changed style sheet as the first of STYLES, and keep the others"
    );
}

#[test]
fn a_page_is_only_known_with_a_style_sheet_that_evlog_had() {
    let page = render(&page("text"));
    assert_eq!(with_present_style(&page).as_deref(), Some(page.as_str()));
    for (from, to) in [("<style>", "<style>p { display: none }"), ("</style>", "p{}</style>"), ("<style>", "<b>")] {
        assert_eq!(with_present_style(&page.replacen(from, to, 1)), None, "{to}");
    }
}

#[test]
fn a_page_has_landmarks_headings_in_order_and_headings_of_rows_and_columns() {
    let page = render(&page("text"));
    for once in
        ["<html lang=\"en\">", "<header>", "<nav aria-label=", "<main>", "<footer>", "<h1>", "<title>text</title>"]
    {
        assert_eq!(page.matches(once).count(), 1, "{once}");
    }
    let levels: Vec<u32> =
        page.match_indices("<h").filter_map(|(at, _)| page[at + 2..].chars().next()?.to_digit(10)).collect();
    assert_eq!(levels, [1, 2, 2, 3]);
    assert_eq!(page.matches("<th").count() - page.matches("<thead").count(), page.matches(" scope=\"").count());
    assert_eq!(page.matches("<table").count(), page.matches("<caption>").count());
}

#[test]
fn words_between_two_backticks_are_code_and_a_single_backtick_is_itself() {
    let lead = |text: &str| {
        let chapter = Chapter { lead: vec![text.to_owned()], ..Chapter::default() };
        render(&Page { chapters: vec![chapter], ..Page::default() })
    };
    assert!(lead("run `a<b` now").contains("<p>run <code>a&lt;b</code> now</p>"));
    assert!(lead("a ` b").contains("<p>a ` b</p>"));
}

#[test]
fn a_span_of_no_length_is_drawn_within_the_timeline() {
    let at = |from| {
        let lane =
            Lane { name: String::new(), words: String::new(), spans: vec![Span { from, to: from, tone: Tone::Bad }] };
        let timeline = Part::Timeline(Timeline { lanes: vec![lane], ..Timeline::default() });
        let section = Section { parts: vec![timeline], ..Section::default() };
        let chapter = Chapter { sections: vec![section], ..Chapter::default() };
        render(&Page { chapters: vec![chapter], ..Page::default() })
    };
    assert!(at(0).contains("<rect class=\"bad\" x=\"0\" y=\"0\" width=\"6\" height=\"10\">"));
    assert!(at(1000).contains("<rect class=\"bad\" x=\"994\" y=\"0\" width=\"6\" height=\"10\">"));
}

#[test]
fn a_name_is_broken_after_a_dot_a_slash_or_a_low_line_first() {
    let fact = Fact::new("kind", Cell::new(Form::Code, "status.forced_failed/now"));
    let section = Section { parts: vec![Part::Facts(vec![fact])], ..Section::default() };
    let page =
        render(&Page { chapters: vec![Chapter { sections: vec![section], ..Chapter::default() }], ..Page::default() });
    assert!(page.contains("<code>status.<wbr>forced_<wbr>failed/<wbr>now</code>"), "{page}");
}
