//! `evlog show`: one run's `run.json`.

use crate::args::At;
use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::events::words;
use crate::files::RUN_FILE;
use crate::marks;
use crate::ui::{Text, Tone, Ui};
use clap::Args;
use evlog::{LogError, Mark, Times, View};
use evlog_format::Seq;
use evlog_projection::Bundle;
use serde_json::Value;
use serde_json::value::RawValue;
use std::ops::ControlFlow;

/// The label of the run's last event.
const LAST: &str = "last event";

/// The members that people look for first.
const FIRST: [&str; 4] = ["run_id", "contract", "pipeline", "status"];

const EXAMPLES: &str = "\
Examples:
  evlog show RUN_0001                  the run's state
  evlog show RUN_0001 --json | jq .    its run.json, with a newline
  evlog show RUN_0001 --at 41          as it was at seq 41
  evlog show RUN_0001 --at 2026-03-02  as it was when that day began";

/// Show the state of one run (its `run.json`)
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ShowArgs {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    at: At,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ShowArgs) -> Result<Verdict, CommandError> {
    let (view, damage) = context.view_up_to_damage(&args.at)?.before_damage();
    let Some(bundle) = view.bundle(&args.run)? else {
        damage?;
        return Err(CommandError::no_run(&view, &args.run));
    };
    let Some(file) = bundle.files.get(RUN_FILE) else { unreachable!("every contract projects `{RUN_FILE}`") };
    if context.json {
        ui.json(&as_written(&file.bytes)?);
    } else {
        show(
            ui,
            &bundle,
            &file.bytes,
            last_event(&view, &args.run)?
                .map(|(seq, times)| (seq, times, times.mark(marks::policies(&view).apart_ns(seq)))),
        );
    }
    damage?;
    Ok(Verdict::Yes)
}

/// The file unchanged: its numbers and the order of its members are kept.
fn as_written(bytes: &[u8]) -> Result<&RawValue, CommandError> {
    let unread = |error| CommandError::user(format!("`{RUN_FILE}`: expected JSON, found: {error}"));
    serde_json::from_slice(bytes).map_err(unread)
}

/// The run's last event, and when it was recorded and occurred.
fn last_event(view: &View, run: &str) -> Result<Option<(Seq, Times)>, LogError> {
    let mut last = None;
    view.stream::<LogError>(run, &mut |fact| {
        last = Some((fact.seq, Times::of(&fact.head)));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(last)
}

/// The members of `run.json`, lists line by line; then the files of the bundle.
fn show(ui: &mut Ui, bundle: &Bundle, bytes: &[u8], last: Option<(Seq, Times, Option<Mark>)>) {
    let state: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let members = state.as_object().cloned().unwrap_or_default();
    let width = members.keys().map(String::len).max().unwrap_or(0).max(LAST.len());
    let first = FIRST.iter().filter_map(|key| members.get_key_value(*key));
    let rest = members.iter().filter(|(key, _)| !FIRST.contains(&key.as_str()));
    for (key, value) in first.chain(rest) {
        member(ui, key, width, &lines(value));
    }
    if let Some((seq, times, mark)) = last {
        let recorded = format!("seq {seq}, recorded {}", marks::to_second(times.recorded_ns));
        let mark = mark.map(marks::text);
        member(ui, LAST, width, &[vec![recorded], Vec::from_iter(mark)].concat());
    }
    member(
        ui,
        "times",
        width,
        &["when it occurred, if its command gave a time, or else when it was recorded".to_owned()],
    );
    let files: Vec<String> =
        bundle.files.values().map(|file| format!("{} ({} bytes)", file.path, file.bytes.len())).collect();
    member(ui, "files", width, &files);
}

fn member(ui: &mut Ui, key: &str, width: usize, lines: &[String]) {
    for (index, line) in lines.iter().enumerate() {
        let label = if index == 0 { key } else { "" };
        let tone = if key == "status" { Tone::of(line) } else { Tone::Plain };
        let label = Text::default().toned(Tone::Faint, format_args!("{label:width$}"));
        ui.line(label.plain("  ").toned(tone, line));
    }
}

/// A value in lines, one for each item of a list; none for an empty value.
fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(words).collect(),
        Value::Object(members) if members.is_empty() => Vec::new(),
        Value::Object(_) => vec![words(value)],
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}
