//! `evlog explain RUN --why POINTER`: the events that made one value.

use super::ExplainArgs;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::files::RUN_FILE;
use crate::json::{WhyEvent, WhyObject, event_line};
use crate::marks;
use crate::table::{counted, facts, print};
use crate::ui::{Tone, Ui, Unit};
use evlog::why::{LIMITS, Place, Why, is_pointer};
use evlog::{LogError, Times, View};
use evlog_format::Seq;
use evlog_projection::Fact;
use evlog_projection::difference::quote;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Reads `POINTER` or `FILE#POINTER`. No file's path begins with `/`, and a pointer may have a `#`.
fn place<'a>(run: &'a str, text: &'a str) -> Result<Place<'a>, CommandError> {
    let of_file = text.split_once('#').filter(|_| !text.starts_with('/'));
    let (file, pointer) = of_file.unwrap_or((RUN_FILE, text));
    if !is_pointer(pointer) {
        let expected = "a JSON pointer such as /status, or FILE#POINTER";
        let unlike = CommandError::unlike("--why", expected, format!("`{text}`"));
        let rooted = format!("/{pointer}");
        return Err(if is_pointer(&rooted) {
            unlike.hint(format!("did you mean `{}`?", text.replace(pointer, &rooted)))
        } else {
            unlike.hint("in a pointer, `~` is written `~0`, and a `/` within a name `~1`")
        });
    }
    Ok(Place { run, file, pointer })
}

pub(super) fn run(ui: &mut Ui, context: &Context, args: &ExplainArgs, why: &str) -> Result<Verdict, CommandError> {
    let place = place(&args.run, why)?;
    let view = context.view_up_to_damage(&args.at)?;
    let progress = ui.progress("explain", LIMITS.folds, Unit::Folds);
    let found = view.why_with_progress(place, &|folds| progress.at(folds)).map_err(refused)?;
    drop(progress);
    let Some(found) = found else {
        return Err(match view.bundle(place.run)? {
            None => CommandError::no_run(&view, place.run),
            Some(bundle) => {
                let files: Vec<&str> = bundle.files.keys().map(String::as_str).collect();
                let Place { run, file, pointer } = place;
                let all = format!("the files of the run are {}", files.join(", "));
                let refused = if bundle.files.contains_key(file) {
                    CommandError::user(format!("--why: `{file}` of run `{run}` never had a value at `{pointer}`"))
                        .hint(all)
                        .hint(format!("`evlog show {run} --json` shows `{RUN_FILE}`"))
                } else {
                    CommandError::user(format!("--why: run `{run}` has no file `{file}`"))
                        .meant(file, files.iter().copied())
                        .hint(all)
                };
                refused.with_code(Verdict::No.code())
            }
        });
    };
    if context.json {
        json(ui, &view, place, &found)?;
    } else {
        text(ui, &view, place, &found)?;
    }
    Ok(Verdict::Yes)
}

fn refused(error: LogError) -> CommandError {
    let is_limit = matches!(error, LogError::WhyLimit { .. });
    let refused = CommandError::from(error);
    if !is_limit {
        return refused;
    }
    let hint =
        "`--at` with an earlier seq looks in fewer events; `evlog diff A B RUN` shows what changed between two seqs";
    CommandError { message: format!("--why: {}", refused.message), ..refused }.hint(hint)
}

/// Visits the events that were found.
fn each(view: &View, place: Place<'_>, why: &Why, visit: &mut dyn FnMut(&Fact<'_>)) -> Result<(), LogError> {
    let found: BTreeSet<Seq> = why.events.iter().map(|(seq, _)| *seq).collect();
    view.stream::<LogError>(place.run, &mut |fact| {
        if found.contains(&fact.seq) {
            visit(fact);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(())
}

fn text(ui: &mut Ui, view: &View, place: Place<'_>, why: &Why) -> Result<(), LogError> {
    let events = counted(why.events.len() as u64, "event");
    facts(
        ui,
        &[
            ("run", place.run.to_owned(), Tone::Strong),
            ("at", format!("{}#{}", place.file, place.pointer), Tone::Plain),
            ("value", quote(why.value.as_ref()), Tone::Strong),
            ("made by", format!("{events} of {}; it last changed at the last of them", why.of), Tone::Plain),
        ],
    );
    ui.line(format_args!(""));
    let policies = marks::policies(view);
    let (mut rows, mut values) = (Vec::new(), why.events.iter());
    each(view, place, why, &mut |fact| {
        let value = values.next().and_then(|(_, value)| value.as_ref());
        let times = Times::of(&fact.head);
        let mark = times.mark(policies.apart_ns(fact.seq)).map(|mark| format!(" ({})", marks::text(mark)));
        rows.push(vec![
            (fact.seq.to_string(), Tone::Faint),
            (format!("{}{}", marks::to_second(times.recorded_ns), mark.unwrap_or_default()), Tone::Plain),
            (fact.head.actor.to_owned(), Tone::Plain),
            (fact.event.kind.to_string(), Tone::Strong),
            (quote(value), Tone::Plain),
        ]);
    })?;
    print(ui, &["seq", "recorded", "actor", "kind", "value after it"], &rows);
    Ok(())
}

fn json(ui: &mut Ui, view: &View, place: Place<'_>, why: &Why) -> Result<(), LogError> {
    let policies = marks::policies(view);
    let (mut events, mut values) = (Vec::new(), why.events.iter());
    each(view, place, why, &mut |fact| {
        let value = values.next().and_then(|(_, value)| value.clone());
        // An event is borrowed from the reader only while it is visited.
        let event = serde_json::to_value(event_line(fact, policies.apart_ns(fact.seq))).unwrap_or_default();
        events.push(WhyEvent { value, event });
    })?;
    let Place { run, file, pointer } = place;
    ui.json(&WhyObject { run, file, pointer, value: why.value.as_ref(), of: why.of, events });
    Ok(())
}
