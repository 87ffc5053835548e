//! The stages of a plan: order, codes, limits.

use super::outputs::Taken;
use super::{Known, Outputs, Problems, environment, inputs, outputs};
use crate::limits::{OUTPUT_LIMIT_DEFAULT, OUTPUT_LIMIT_MIN, TIME_LIMIT_MAX};
use crate::plan::{Stage, raw};
use evlog_lifecycle::pipeline::{Definition, FailMode, Severity};
use evlog_projection::time::{from_span, to_span};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use toml::Spanned;

pub(super) fn fail_mode(raw: Option<raw::FailMode>) -> Option<FailMode> {
    raw.map(|mode| match mode {
        raw::FailMode::FailClosed => FailMode::FailClosed,
        raw::FailMode::WarnAndSkip => FailMode::WarnAndSkip,
    })
}

/// The stages in canonical order.
pub(super) fn stages(raw: &raw::Plan, known: &Known<'_>, problems: &mut Problems) -> Vec<Stage> {
    let definition = known.definition;
    let mut stages: Vec<(usize, Stage)> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut taken = Taken::default();
    for stage in &raw.stage {
        let stage = stage.get_ref();
        let id = stage.id.get_ref().as_str();
        if !seen.insert(id) {
            problems.at(stage.id.span(), format!("stage `{id}` is there twice"));
            continue;
        }
        let Some(index) = definition.stages().iter().position(|known| known.id == id) else {
            let known: Vec<&str> = definition.stages().iter().map(|known| known.id.as_str()).collect();
            let message = format!("expected a stage of `{}` ({}), found `{id}`", definition.name(), known.join(", "));
            problems.at(stage.id.span(), message);
            continue;
        };
        let outputs = outputs::outputs(stage, known, &mut taken, problems);
        let mode = fail_mode(stage.fail_mode).unwrap_or(definition.stages()[index].fail_mode);
        let inherited = stage.inherit_environment.as_ref().or(raw.inherit_environment.as_ref());
        stages.push((index, one(stage, definition, mode, inherited.map(Vec::as_slice), outputs, problems)));
    }
    if !stages.iter().any(|(_, stage)| stage.enabled) && seen.len() == raw.stage.len() {
        problems.whole("expected at least one enabled [[stage]], found none");
    }
    stages.sort_by_key(|(index, _)| *index);
    stages.into_iter().map(|(_, stage)| stage).collect()
}

fn one(
    stage: &raw::Stage,
    definition: &Definition,
    fail_mode: FailMode,
    inherited: Option<&[Spanned<String>]>,
    outputs: Outputs,
    problems: &mut Problems,
) -> Stage {
    let mut code = |given: &Spanned<String>| {
        check_code(stage.id.get_ref(), given, definition, problems);
        given.get_ref().clone()
    };
    let reason_code = stage.reason_code.as_ref().map(&mut code);
    let time_limit_reason_code = stage.time_limit_reason_code.as_ref().map(&mut code);
    let by_exit: Vec<(&String, String)> =
        stage.exit_reason_codes.iter().map(|(exit, given)| (exit, code(given))).collect();
    let reason_code = reason_code.unwrap_or_else(|| {
        let message = "expected a `reason_code`, which is recorded when the stage fails, found none";
        problems.at(stage.id.span(), message);
        String::new()
    });
    let mut exit_reason_codes = BTreeMap::new();
    for (exit, code) in by_exit {
        if let Ok(number @ 1..=255) = exit.parse() {
            exit_reason_codes.insert(number, code);
        } else {
            let span = stage.exit_reason_codes[exit].span();
            problems.at(span, format!("expected an exit status from 1 to 255, found `{exit}`"));
        }
    }
    let command = stage.command.get_ref();
    if command.first().is_none_or(String::is_empty) || command.iter().any(|word| word.contains('\0')) {
        problems.at(stage.command.span(), "expected a program and its arguments, without NUL characters");
    }
    Stage {
        id: stage.id.get_ref().clone(),
        enabled: stage.enabled,
        fail_mode,
        command: command.clone(),
        environment: environment::added(stage, problems),
        inherited: inherited.map(|names| environment::inherited(names, problems)),
        output_limit: limit_of_output(stage, problems),
        time_limit: stage.time_limit.as_ref().and_then(|text| time_limit(text, problems)),
        time_limit_reason_code: time_limit_reason_code.unwrap_or_else(|| reason_code.clone()),
        reason_code,
        exit_reason_codes,
        inputs: inputs::inputs(stage, problems),
        outputs: outputs.paths,
        patterns: outputs.patterns,
        extra_roots: outputs::extra_roots(stage, problems),
        staged_files_limit: stage.staged_files_limit.as_ref().map(|limit| *limit.get_ref()),
        staged_bytes_limit: stage.staged_bytes_limit.as_ref().and_then(|text| size(text, 1, problems)),
    }
}

fn check_code(stage: &str, code: &Spanned<String>, definition: &Definition, problems: &mut Problems) {
    let found = code.get_ref();
    match definition.code(stage, found) {
        None => {
            let message =
                format!("reason code `{found}` is not in the catalogue of `{}` for stage `{stage}`", definition.name());
            problems.at(code.span(), message);
        }
        Some(row) if row.severity == Severity::Skipped => {
            problems.at(code.span(), format!("reason code `{found}` is for skipped stages, not for failed ones"));
        }
        Some(_) => {}
    }
}

fn time_limit(text: &Spanned<String>, problems: &mut Problems) -> Option<Duration> {
    let limit = duration(text.get_ref()).filter(|limit| !limit.is_zero() && *limit <= TIME_LIMIT_MAX);
    if limit.is_none() {
        let most = to_span(i64::try_from(TIME_LIMIT_MAX.as_nanos()).unwrap_or(i64::MAX));
        let found = text.get_ref();
        let message =
            format!("expected a time limit such as `500ms`, `90s` or `1h30m`, at most {most}, found `{found}`");
        problems.at(text.span(), message);
    }
    limit
}

/// A duration as everywhere in evlog or, because stages may be short, a whole number of milliseconds.
fn duration(text: &str) -> Option<Duration> {
    match text.strip_suffix("ms") {
        Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            number.parse().ok().map(Duration::from_millis)
        }
        Some(_) => None,
        None => from_span(text).ok().and_then(|ns| u64::try_from(ns).ok()).map(Duration::from_nanos),
    }
}

fn limit_of_output(stage: &raw::Stage, problems: &mut Problems) -> u64 {
    let given = stage.output_limit.as_ref().and_then(|text| size(text, OUTPUT_LIMIT_MIN, problems));
    given.unwrap_or(OUTPUT_LIMIT_DEFAULT)
}

fn size(text: &Spanned<String>, least: u64, problems: &mut Problems) -> Option<u64> {
    let size = bytes(text.get_ref()).filter(|size| *size >= least);
    if size.is_none() {
        let found = text.get_ref();
        let message =
            format!("expected a size such as `64 KiB`, `10 MiB` or `1 GiB`, {least} bytes at least, found `{found}`");
        problems.at(text.span(), message);
    }
    size
}

/// A number of bytes, with a unit.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit = match unit.trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}
