//! `evlog diff`: what changed in the projected files of runs, from one point of a log to another, or to another log.
//!
//! Invariant: a patch that is shown, applied to the first file, gives the second one.

mod side;

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::json::{DiffFile, DiffLine};
use crate::table::counted;
use crate::ui::{Text, Tone, Ui, Unit};
use crate::when::Point;
use clap::Args;
use evlog::history::LOG_STREAM;
use evlog::{LogError, View};
use evlog_projection::difference::first_difference;
use evlog_projection::patch::{Operation, document, patch};
use side::{Content, Files, Side, Unread};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

const USAGE: &str = "\
evlog diff [OPTIONS] A B [RUN]
       evlog diff [OPTIONS] --other <LOG|DIR> [RUN]";

const EXAMPLES: &str = "\
Examples:
  evlog diff 41 118
      what changed from seq 41 to seq 118, in all runs
  evlog diff yesterday now RUN_0001
      in one run, by the times when events were recorded
  evlog diff --other ../copy
      what differs in another log
  evlog diff --other . --at 118
      what differs in the bundles below ./runs from the log at seq 118
  evlog diff 41 118 --json | jq '.files[].patch'

The exit code is 0 if nothing differs, 1 if something does, 2 if the two could not be compared, or some of their \
runs.";

/// Show what changed in runs, from one seq or time to another, or compared with another log or with bundles
///
/// For each run whose projected files differ, it shows the places where each file differs; with --json, as JSON Patch (RFC 6902).
/// A file of JSON Lines counts as a list of its lines.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, override_usage = USAGE)]
pub(crate) struct DiffArgs {
    /// The first point: a seq, or a time as for --at. With --other: the run
    #[arg(value_name = "A")]
    a: Option<String>,
    /// The second point
    #[arg(value_name = "B")]
    b: Option<String>,
    /// Compare only this run
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Compare with another log, or with the bundles in DIR/runs, at the same point. Of a bundle, those files are compared that
    /// the log projects, with their newest versions; `evlog project --check` compares all
    #[arg(long, value_name = "LOG|DIR")]
    other: Option<PathBuf>,
    #[command(flatten)]
    at: At,
}

/// How a run or a file differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Added,
    Removed,
    Changed,
}

impl Change {
    fn word(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        }
    }

    /// Of two that are not both absent.
    fn of<T>(a: Option<T>, b: Option<T>) -> Change {
        match (a, b) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ => Change::Changed,
        }
    }
}

/// A file that differs.
struct FileDifference {
    path: String,
    change: Change,
    /// `None` if one of the two is no JSON, or there is no second one.
    operations: Option<Vec<Operation>>,
    /// What no operation says.
    sentence: Option<String>,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &DiffArgs) -> Result<Verdict, CommandError> {
    match (&args.other, &args.a, &args.b, &args.run) {
        (None, Some(a), Some(b), run) if !args.at.is_given() => {
            let view = |name: &str, text: &str| {
                let point = Point::parse(text).map_err(|why| CommandError::user(format!("{name}: {why}")))?;
                point.of(name, context.up_to_damage()?, &args.at.zone())
            };
            let (a, b) = (view("A", a)?, view("B", b)?);
            let names = run.as_ref().map_or_else(|| runs_between(&a, &b), |run| Ok(BTreeSet::from([run.clone()])))?;
            compare(ui, context, (&Side::Log(a.into()), &Side::Log(b.into())), names, run.as_deref())
        }
        (Some(other), run, None, None) => {
            let (a, b) = (Side::Log(context.view_up_to_damage(&args.at)?.into()), Side::open(other, &args.at)?);
            let names = match run {
                Some(run) => BTreeSet::from([run.clone()]),
                None => a.names()?.into_iter().chain(b.names()?).collect(),
            };
            compare(ui, context, (&a, &b), names, run.as_deref())
        }
        (None, a, None, _) => {
            let found = a.as_ref().map_or("none".to_owned(), |a| format!("only `{a}`"));
            Err(CommandError::unlike("diff", "two points, A and B", found)
                .hint("`evlog diff 1 now` shows what changed after seq 1; a point is a seq or a time")
                .hint("`evlog diff --other LOG|DIR` compares this log with another, or with bundles"))
        }
        (None, ..) => Err(CommandError::unlike("--at", "`--other LOG|DIR`, which it applies to", "A and B")
            .hint("`evlog diff A B` names both points; `evlog diff --help` shows examples")),
        (Some(_), ..) => Err(CommandError::unlike("diff --other", "at most a run beside it", "more arguments")
            .hint("`--at` names the point; `evlog diff --help` shows examples")),
    }
}

/// The runs that have events between the ends of two views of one log: no other run can differ.
fn runs_between(a: &View, b: &View) -> Result<BTreeSet<String>, LogError> {
    let (shorter, longer) = if a.next_seq() < b.next_seq() { (a, b) } else { (b, a) };
    let mut names = BTreeSet::new();
    longer.each::<LogError>(shorter.next_seq(), &mut |fact| {
        if fact.event.stream != LOG_STREAM && !names.contains(fact.event.stream) {
            names.insert(fact.event.stream.to_owned());
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(names)
}

/// Compares the runs one by one. `asked` is the run that must be in one of the two.
fn compare(
    ui: &mut Ui,
    context: &Context,
    (a, b): (&Side, &Side),
    names: BTreeSet<String>,
    asked: Option<&str>,
) -> Result<Verdict, CommandError> {
    let (mut differing, mut unread, of) = (0, 0, names.len() as u64);
    let progress = ui.progress_beside_answer("diff", of, Unit::Runs);
    for run in names {
        progress.step();
        let sides = a.files(&run, None).and_then(|from| Ok((b.files(&run, from.as_ref())?, from)));
        let (to, from) = match sides {
            Ok(sides) => sides,
            // The others can be compared.
            Err(Unread::Run(error)) => {
                unread += 1;
                ui.finding(format_args!("{error}"));
                continue;
            }
            Err(Unread::Side(error)) => return Err(error),
        };
        if from.is_none() && to.is_none() && asked.is_some() {
            let known = [a.names()?, b.names()?].concat();
            return Err(CommandError::no_run_in(&side::searched(a, b), &run, &known, "`evlog runs`"));
        }
        let files = differences(from.as_ref(), to.as_ref());
        if files.is_empty() && from.is_some() == to.is_some() {
            continue;
        }
        differing += 1;
        let change = Change::of(from, to);
        if context.json {
            print_json(ui, &run, change, &files);
        } else {
            print(ui, &run, change, &files);
        }
    }
    drop(progress);
    let differ = if differing == 1 { "differs" } else { "differ" };
    match differing {
        0 => ui.talk(format_args!("no difference in {}", counted(of - unread, "run"))),
        _ => ui.talk(format_args!("{} {differ}", counted(differing, "run"))),
    }
    Ok(if unread == 0 { Verdict::of(differing == 0) } else { Verdict::CouldNot })
}

fn differences(a: Option<&Files>, b: Option<&Files>) -> Vec<FileDifference> {
    let none = Files::new();
    let (a, b) = (a.unwrap_or(&none), b.unwrap_or(&none));
    let paths: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let differ = paths.into_iter().filter(|path| a.get(*path) != b.get(*path));
    differ.map(|path| difference(path, a.get(path), b.get(path))).collect()
}

fn difference(path: &str, a: Option<&Content>, b: Option<&Content>) -> FileDifference {
    let read = |content: Option<&Content>| document(path, content?.bytes()?);
    let operations = match (read(a), read(b)) {
        (Some(from), Some(to)) => Some(patch(&from, &to)),
        (None, Some(to)) if a.is_none() => {
            Some(vec![Operation { pointer: String::new(), before: None, after: Some(to) }])
        }
        _ => None,
    };
    let is_said = operations.as_ref().is_some_and(|operations| !operations.is_empty());
    let sentence = if is_said { None } else { a.zip(b).and_then(|(a, b)| in_a_sentence(path, a, b)) };
    FileDifference { path: path.to_owned(), change: Change::of(a, b), operations, sentence }
}

fn in_a_sentence(path: &str, a: &Content, b: &Content) -> Option<String> {
    let (a, b) = match (a, b) {
        (Content::File(a), Content::File(b)) => (a, b),
        (_, Content::Other(what)) | (Content::Other(what), _) => return Some(format!("expected a file, found {what}")),
    };
    let found = first_difference(path, a, b)?;
    let line = found.line.map(|line| format!("line {line}: ")).unwrap_or_default();
    Some(format!("{line}{} → {}", found.expected, found.found))
}

/// Each operation of a file in words. That a file is not in both says all.
fn lines(file: &FileDifference) -> Vec<(char, String)> {
    let operations = file.operations.iter().flatten().filter(|_| file.change == Change::Changed);
    operations.map(Operation::words).chain(file.sentence.clone().map(|sentence| ('~', sentence))).collect()
}

fn print(ui: &mut Ui, run: &str, change: Change, files: &[FileDifference]) {
    let word = |change: Change| format!("  {}", change.word());
    ui.line(Text::default().toned(Tone::Strong, run).toned(Tone::Faint, word(change)));
    for file in files {
        ui.line(Text::default().plain(format_args!("  {}", file.path)).toned(Tone::Faint, word(file.change)));
        for (sign, words) in lines(file) {
            let tone = match sign {
                '+' => Tone::Good,
                '-' => Tone::Bad,
                _ => Tone::Warning,
            };
            ui.line(Text::default().toned(tone, format_args!("    {sign} ")).plain(words));
        }
    }
}

fn print_json(ui: &mut Ui, run: &str, change: Change, files: &[FileDifference]) {
    let texts: Vec<Vec<String>> =
        files.iter().map(|file| lines(file).iter().map(|(sign, words)| format!("{sign} {words}")).collect()).collect();
    let files = files.iter().zip(&texts).map(|(file, differences)| DiffFile {
        path: &file.path,
        change: file.change.word(),
        patch: file.operations.as_ref().map(|operations| operations.iter().map(Operation::to_json).collect()),
        differences,
    });
    ui.json(&DiffLine { run, change: change.word(), files: files.collect() });
}
