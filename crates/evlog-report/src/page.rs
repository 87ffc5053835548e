//! What a page consists of: chapters of sections of parts. Texts are as people wrote them; nothing is escaped yet.

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Shown in the title bar, and as the name of the paper.
    pub title: String,
    /// The page before, after or above it.
    pub links: Vec<Link>,
    /// The first is what the page is about. Each of the others begins on a new sheet of paper.
    pub chapters: Vec<Chapter>,
    /// Who made it, and what it does not show.
    pub footer: String,
    /// Data for programs.
    pub data: Option<Data>,
}

/// Data in a page. Browsers do not run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// The text before it in the file.
    pub begin: &'static str,
    /// JSON. Each `<` in it is written as `\u003c`, so that it cannot end early.
    pub json: String,
    /// The text after it in the file.
    pub end: &'static str,
}

/// A place that a person can go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The text.
    pub text: String,
    /// A relative path, or `#` and the id of a chapter.
    pub to: String,
}

/// A part of the page with a verdict of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chapter {
    /// Its id in the page: letters, digits, `.`, `_` and `-`.
    pub id: String,
    /// What it is about.
    pub heading: String,
    /// A name after the heading, such as a run's name.
    pub name: String,
    /// The verdict.
    pub banner: Option<Banner>,
    /// Paragraphs after it.
    pub lead: Vec<String>,
    /// In order.
    pub sections: Vec<Section>,
}

/// A verdict: a word, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// How good it is. Never the only sign: the word says it as well.
    pub tone: Tone,
    /// The word.
    pub word: String,
    /// A sentence.
    pub sentence: String,
}

/// How good something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// Neither good nor bad.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Not as it should be.
    Bad,
}

impl Tone {
    /// Its name in the style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Tone::Plain => "plain",
            Tone::Good => "good",
            Tone::Warning => "warning",
            Tone::Bad => "bad",
        }
    }
}

/// Parts under one heading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// A sentence under it; may be empty.
    pub note: String,
    /// In order.
    pub parts: Vec<Part>,
}

/// A part of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Names and values.
    Facts(Vec<Fact>),
    /// Counts, beside each other.
    Figures(Vec<Figure>),
    /// Rows.
    Table(Table),
    /// What happened when.
    Timeline(Timeline),
    /// A text as it is, in its own lines.
    Text(String),
    /// A section that is closed until the reader opens it. On paper it is open.
    Folded {
        /// What it is.
        name: String,
        /// More about it: a version, a digest.
        about: String,
        /// The text.
        text: String,
    },
}

/// A name and a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The name.
    pub label: String,
    /// The value.
    pub value: Cell,
}

impl Fact {
    /// A fact.
    pub fn new(label: &str, value: impl Into<Cell>) -> Fact {
        Fact { label: label.to_owned(), value: value.into() }
    }
}

/// A value: of a fact or in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// The text.
    pub text: String,
    /// How it looks.
    pub form: Form,
    /// How good it is.
    pub tone: Tone,
    /// Words after it that need attention; may be empty.
    pub mark: String,
    /// Where it leads, if anywhere.
    pub to: Option<String>,
}

impl Cell {
    /// A text of this form.
    pub fn new(form: Form, text: impl Into<String>) -> Cell {
        Cell { text: text.into(), form, ..Cell::default() }
    }

    /// This cell, with a tone.
    #[must_use]
    pub fn toned(self, tone: Tone) -> Cell {
        Cell { tone, ..self }
    }

    /// This cell, with words that need attention.
    #[must_use]
    pub fn marked(self, mark: impl Into<String>) -> Cell {
        Cell { mark: mark.into(), ..self }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::new(Form::Prose, text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::new(Form::Prose, text)
    }
}

/// How a text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Words. The text between two backticks is code.
    #[default]
    Prose,
    /// A name, a digest or other code, which can be broken anywhere.
    Code,
    /// A number.
    Number,
    /// A time, which is not broken within its date or its time of day.
    Time,
}

/// A count for each of several names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What is counted, by what.
    pub caption: String,
    /// The heading above the names.
    pub of: String,
    /// The heading above the counts.
    pub unit: String,
    /// Names and counts, the largest first.
    pub rows: Vec<(Cell, u64)>,
    /// How many names are left out, and the sum of their counts.
    pub others: Option<(u64, u64)>,
}

/// Rows of cells under headings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// What it shows, for a reader who does not see it.
    pub caption: String,
    /// One for each cell of a row.
    pub columns: Vec<Column>,
    /// In order.
    pub rows: Vec<Vec<Cell>>,
    /// A sentence about rows that are not shown; may be empty.
    pub left_out: String,
}

/// What stands over a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The heading.
    pub heading: &'static str,
    /// Whether its cells are numbers, names or words.
    pub form: Form,
}

impl Column {
    /// A column.
    pub fn new(heading: &'static str, form: Form) -> Column {
        Column { heading, form }
    }
}

/// Spans of time, lane by lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The time at its left end, and at its right end.
    pub ends: (String, String),
    /// In order.
    pub lanes: Vec<Lane>,
    /// A sentence about lanes that are not shown; may be empty.
    pub left_out: String,
}

/// What happened to one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The thing.
    pub name: String,
    /// The beginning and the end, in words.
    pub words: String,
    /// In order.
    pub spans: Vec<Span>,
}

/// Something that lasted, in thousandths of the whole timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub from: u16,
    /// Where it ends. Equal to `from` for something that took no time.
    pub to: u16,
    /// How good it is.
    pub tone: Tone,
}
