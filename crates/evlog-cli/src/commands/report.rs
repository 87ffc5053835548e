//! `evlog report`: pages about a log and its runs, for people who do not use evlog.

mod figures;
mod gathered;
mod overview;
mod paper;
mod run;
mod timeline;

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::files;
use crate::json::ReportObject;
use crate::outputs::{self, Made};
use crate::selecting::SelectingRuns;
use crate::table::{counted, facts};
use crate::ui::{Tone, Ui, Unit};
use clap::Args;
use evlog_report::{Link, Page, render};
use gathered::Gathered;
use std::fs;
use std::path::{Path, PathBuf};

/// The most runs that a file has a page about.
const IN_FILE_MAX: usize = 100;
/// The most runs that a directory has a page about.
const IN_DIR_MAX: usize = 10_000;
/// The text at the end of each page.
const FOOTER: &str = "Made by `evlog report` from the log alone. The page has no time of its own: the same log, with the same options, gives \
    the same page. Times are in UTC. A page can be changed by anybody who has it; `evlog verify` and `evlog evidence` show what the log itself proves.";

/// What `--out` can be.
const FORMS: &str = "`FILE.html`, `FILE.pdf`, or a directory without an extension";

const EXAMPLES: &str = "\
Examples:
  evlog report --out report.html
      one file: the first page, then a page for each run that needs attention
  evlog report --out report
      a directory: index.html, and a file for each such run
  evlog report --out march.pdf --since 2026-03-01 --until 2026-04-01
  evlog report --out build-1047.html --run build-1047

The exit code is 1 if the log does not verify, a run breaks its contract or the policy, or a rule on order finds \
an error. A run that failed as its contract allows does not change it.";

/// Write a report for people: what was examined, the verdict, figures, and a page for each run that needs attention
///
/// The log is verified and audited by the built-in rules, as `evlog verify` and `evlog audit` do, whatever the options select. A run
/// gets a page if it failed, was forced, was refused a request, or broke a rule. The pages open in a browser without a network; on paper they have
/// numbers. A PDF is made by Chromium, which must be installed.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReportArgs {
    /// The report: a file that ends in `.html` or `.pdf`, which is replaced, or a directory, which must not exist
    #[arg(long, value_name = "FILE.html|FILE.pdf|DIR")]
    out: PathBuf,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    selecting: SelectingRuns,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    File,
    Paper,
    Directory,
}

impl Target {
    /// By the extension, in any case. Nothing is written to a path that looks like a file of another kind.
    fn of(out: &Path) -> Result<Target, CommandError> {
        let is_directory = out.as_os_str().as_encoded_bytes().ends_with(b"/");
        let extension = out.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("html") if !is_directory => Ok(Target::File),
            Some("pdf") if !is_directory => Ok(Target::Paper),
            None => Ok(Target::Directory),
            Some(extension) => {
                let found = if is_directory { "a directory whose name ends in" } else { "the extension" };
                let place = format!("--out `{}`", out.display());
                Err(CommandError::unlike(place, FORMS, format!("{found} `.{extension}`"))
                    .hint("nothing was written; name a file of one of these kinds, or a directory"))
            }
        }
    }

    fn pages_max(self) -> usize {
        if self == Target::Directory { IN_DIR_MAX } else { IN_FILE_MAX }
    }
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ReportArgs) -> Result<Verdict, CommandError> {
    let target = Target::of(&args.out)?;
    check(context, args, target)?;
    let browser = if target == Target::Paper { Some(paper::browser()?) } else { None };
    let gathered = Gathered::new(ui, context, &args.at, &args.selecting)?;
    let shown = gathered.troubled.len().min(target.pages_max());
    match browser {
        Some(browser) => files::replace(&args.out, &browser.print(&one_page(ui, &gathered, shown)?)?)?,
        None if target == Target::File => files::replace(&args.out, one_page(ui, &gathered, shown)?.as_bytes())?,
        None => directory(ui, &gathered, shown, &args.out)?,
    }
    print(ui, context, args, &gathered, shown);
    Ok(Verdict::of(gathered.is_good()))
}

/// Refuses what cannot be done, before anything is read.
fn check(context: &Context, args: &ReportArgs, target: Target) -> Result<(), CommandError> {
    let out = args.out.display();
    if args.out == Path::new("-") {
        return Err(CommandError::user("--out -: expected a file or a directory, found stdout")
            .hint("a report is one page or several: name `FILE.html`, `FILE.pdf` or a directory"));
    }
    outputs::check("--out", &args.out, &context.log, None)?;
    outputs::check_replaceable("--out", &args.out, Made::Page)?;
    match (target, args.out.metadata()) {
        (Target::Directory, Ok(found)) => {
            let found = match () {
                () if found.is_dir() => "one that exists",
                () if found.is_file() => "a file",
                () => "something that is neither a file nor a directory",
            };
            Err(CommandError::unlike(format!("--out `{out}`"), "a directory that does not exist yet", found)
                .hint("name a new directory, or a file that ends in `.html` or `.pdf`"))
        }
        _ => Ok(()),
    }
}

/// All of it as one page.
fn one_page(ui: &Ui, gathered: &Gathered, shown: usize) -> Result<String, CommandError> {
    let progress = ui.progress("pages", shown as u64, Unit::Runs);
    let mut chapters = vec![overview::chapter(gathered, shown, |run| format!("#{}", run::id(run)))];
    for troubled in &gathered.troubled[..shown] {
        chapters.push(run::chapter(gathered, troubled)?);
        progress.step();
    }
    Ok(render(&Page { title: gathered.title(), chapters, footer: FOOTER.to_owned(), ..Page::default() }))
}

/// The first page and one page for each run, in a directory that gets its name when it is complete.
fn directory(ui: &Ui, gathered: &Gathered, shown: usize, out: &Path) -> Result<(), CommandError> {
    let progress = ui.progress("pages", shown as u64, Unit::Runs);
    let draft = files::draft_dir(out)?;
    let made = draft.path().join("made");
    let chapters = vec![overview::chapter(gathered, shown, |run| format!("runs/{run}.html"))];
    let first = Page { title: gathered.title(), chapters, footer: FOOTER.to_owned(), ..Page::default() };
    files::write(&made, "index.html", render(&first).as_bytes())?;
    for (at, troubled) in gathered.troubled[..shown].iter().enumerate() {
        let link = |text: &str, to: String| Link { text: text.to_owned(), to };
        let beside = |text, at: Option<usize>| {
            let run = gathered.troubled[..shown].get(at?)?;
            Some(link(text, format!("{}.html", run.run)))
        };
        let links = [
            Some(link("The report", "../index.html".to_owned())),
            beside("The run before", at.checked_sub(1)),
            beside("The next run", Some(at + 1)),
        ];
        let page = Page {
            title: format!("Run {}", troubled.run),
            links: links.into_iter().flatten().collect(),
            chapters: vec![run::chapter(gathered, troubled)?],
            footer: FOOTER.to_owned(),
            data: None,
        };
        files::write(&made, &format!("runs/{}.html", troubled.run), render(&page).as_bytes())?;
        progress.step();
    }
    fs::rename(&made, out).map_err(|error| CommandError::file("write", out.display(), &error))?;
    files::sync_above(out)
}

fn print(ui: &mut Ui, context: &Context, args: &ReportArgs, gathered: &Gathered, shown: usize) {
    let (out, verdict) = (args.out.display().to_string(), gathered.check.report.verdict().word());
    let [runs, attention, pages] = [gathered.runs.len(), gathered.troubled.len(), shown].map(|count| count as u64);
    if context.json {
        ui.json(&ReportObject { good: gathered.is_good(), verdict, out: &out, runs, attention, pages });
        return;
    }
    let about = match attention - pages {
        0 => format!("{attention} of {}", counted(runs, "run")),
        left => format!("{attention} of {}; {} have no page", counted(runs, "run"), left),
    };
    facts(
        ui,
        &[
            ("verdict", verdict.to_owned(), Tone::of(verdict)),
            ("report", out, Tone::Strong),
            ("attention", about, if attention == 0 { Tone::Plain } else { Tone::Warning }),
        ],
    );
}
