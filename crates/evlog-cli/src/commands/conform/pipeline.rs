//! The pipeline that a bundle is compared with.
//!
//! Does: take the one that an option or the plan gives; else the one that the manifest names: it is built in, or the log has its
//! definition. Does not: take another pipeline in the place of one that is named and cannot be found.

use super::ConformArgs;
use crate::args::At;
use crate::context::Context;
use crate::error::CommandError;
use crate::json::payload_json;
use evlog::LogError;
use evlog_conform::{Bundle, NamedPipeline, Yardstick, YardstickError};
use evlog_format::ids::hex;
use evlog_format::kind::PIPELINE_CREATED;
use evlog_lifecycle::pipeline::{Definition, built_in};
use evlog_pipeline::Plan;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The pipeline when neither an option, nor a plan, nor the manifest names one.
const DEFAULT: &str = "purple-axiom";

/// Where the definition of the pipeline comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Option,
    Plan,
    BuiltIn,
    Log,
    Default,
}

impl Origin {
    /// In one word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Origin::Option => "option",
            Origin::Plan => "plan",
            Origin::BuiltIn => "built_in",
            Origin::Log => "log",
            Origin::Default => "default",
        }
    }

    /// After the name of the pipeline.
    pub(super) fn words(self) -> &'static str {
        match self {
            Origin::Option => "",
            Origin::Plan => " (of the plan)",
            Origin::BuiltIn => " (built in; the manifest names it)",
            Origin::Log => " (from the log; the manifest names it)",
            Origin::Default => " (the manifest names none)",
        }
    }
}

pub(super) fn yardstick(
    context: &Context,
    args: &ConformArgs,
    plan: Option<&Plan>,
    bundle: &Bundle,
) -> Result<(Yardstick, Origin), CommandError> {
    let wrong = |error: YardstickError| CommandError::user(error.to_string());
    match (&args.pipeline, plan) {
        (Some(given), Some(plan)) => {
            let made = Yardstick::named(given).and_then(|made| made.with_plan(plan));
            Ok((made.map_err(wrong)?, Origin::Option))
        }
        (Some(given), None) => Ok((Yardstick::named(given).map_err(wrong)?, Origin::Option)),
        (None, Some(plan)) => Ok((Yardstick::of_plan(plan), Origin::Plan)),
        (None, None) => match bundle.named_pipeline().map_err(|error| CommandError::user(error.to_string()))? {
            None => Ok((Yardstick::named(DEFAULT).map_err(wrong)?, Origin::Default)),
            Some(named) => of_manifest(context, &named),
        },
    }
}

fn of_manifest(context: &Context, named: &NamedPipeline) -> Result<(Yardstick, Origin), CommandError> {
    let is_it = |definition: &Arc<Definition>| {
        let is_same = |expected: &String| *expected == hex(&definition.digest());
        definition.name() == named.name && named.blake3.as_ref().is_none_or(is_same)
    };
    if let Some(definition) = built_in(&named.name).filter(is_it) {
        return Ok((Yardstick::of_definition(definition), Origin::BuiltIn));
    }
    let found = match (&named.run, context.has_log()?) {
        (_, false) => return Err(no_log(context, named)),
        (None, true) => Err("a manifest without the run's id".to_owned()),
        (Some(run), true) => recorded(context, run)?,
    };
    match found {
        Ok(definition) if is_it(&definition) => Ok((Yardstick::of_definition(definition), Origin::Log)),
        // The manifest has the digest of this definition beside another name.
        Ok(other) if named.blake3.as_ref() == Some(&hex(&other.digest())) => {
            let place = format!("the manifest names the pipeline `{}`", named.name);
            let expected = format!("the name that its definition has in the log, `{}`", other.name());
            Err(CommandError::unlike(place, expected, format!("`{}`", named.name))
                .hint("the definitions are the same; `--pipeline FILE` or `--plan FILE` gives the one to compare with"))
        }
        Ok(other) => {
            Err(not_found(context, named, &format!("`{}` with BLAKE3 {}", other.name(), hex(&other.digest()))))
        }
        Err(found) => Err(not_found(context, named, &found)),
    }
}

/// The definition that the log has for a run; or what the log has instead, in words.
fn recorded(context: &Context, run: &str) -> Result<Result<Arc<Definition>, String>, CommandError> {
    let mut found = Err(format!("no run `{run}` in it"));
    context.view(&At::default())?.stream::<LogError>(run, &mut |fact| {
        found = if fact.event.kind == PIPELINE_CREATED {
            let text = &payload_json(&fact.event)["definition_text"];
            Definition::parse(text).map(Arc::new).map_err(|_| format!("run `{run}` without one"))
        } else {
            Err(format!("run `{run}` of another contract"))
        };
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

fn no_log(context: &Context, named: &NamedPipeline) -> CommandError {
    let place = format!("no log at `{}`", context.log.display());
    let name = &named.name;
    CommandError::user(format!(
        "{place}: the bundle names the pipeline `{name}`, whose definition is in the log of the run"
    ))
    .hint("`--log PATH` names that log")
    .hint("`--plan FILE` gives the plan of the run instead, and `--pipeline FILE` a file with the definition")
}

fn not_found(context: &Context, named: &NamedPipeline, found: &str) -> CommandError {
    let digest = named.blake3.as_ref().map(|digest| format!(" with BLAKE3 {digest}")).unwrap_or_default();
    let place = format!("the manifest names the pipeline `{}`", named.name);
    let expected = format!("its definition{digest} in the log `{}`", context.log.display());
    let message = format!(
        "{place}, and its definition is needed: expected it in the log `{}`, found {found}",
        context.log.display()
    );
    CommandError::unlike(place, expected, found)
        .worded(message)
        .hint("`--log PATH` names the log that recorded the run")
        .hint("without that log: `--plan FILE` gives the plan of the run, or `--pipeline FILE` a file with the definition")
}
