//! What admission refuses: stories whose parts do not fit together. Only the first fault is reported.

use super::{Definition, Group, Kind, Pattern, Step, graph};
use crate::members::quoted;
use crate::story::duration;
use std::collections::BTreeSet;

/// Whether the story may be run at all; the sentence says why not.
pub fn check(story: &Definition) -> Result<(), String> {
    unique(story)?;
    timeouts(story)?;
    for (number, step) in story.steps.iter().enumerate() {
        primitive(step, story.pattern)?;
        parallel(story, number)?;
    }
    let graph = graph::of_needs(story)?;
    (0..story.steps.len()).try_for_each(|step| requires(story, &graph, step))
}

pub(crate) fn unique(story: &Definition) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    match story.steps.iter().find(|step| !seen.insert(&step.name)) {
        None => Ok(()),
        Some(step) => Err(format!("duplicate step name `{}`: expected names that are unique in the story", step.name)),
    }
}

/// Refuses a time that cannot be read, because it would have no effect. A blank time counts as absent, as in the source
/// document. The source ignores unreadable times of a story and of retries, so these are not checked here.
fn timeouts(story: &Definition) -> Result<(), String> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let invalid = |member: &str, expected: &str, found: &str| {
        format!("invalid `{member}`: expected {expected}, such as `10m`, found `{}`", quoted(found))
    };
    let (above, any) = ("a duration above zero", "a duration");
    for step in &story.steps {
        if let Some(found) = given(&step.timeout).filter(|text| duration::parse_positive(text).is_none()) {
            return Err(format!("step `{}`: {}", step.name, invalid("execution.timeout", above, &found)));
        }
    }
    let policy = &story.policy;
    if let Some(found) = given(&policy.step_timeout).filter(|text| duration::parse_positive(text).is_none()) {
        return Err(invalid("policy.timeouts.step", above, &found));
    }
    match given(&policy.drain_timeout).filter(|text| duration::parse(text).is_none()) {
        Some(found) => Err(invalid("policy.timeouts.gracefulShutdownTimeout", any, &found)),
        None => Ok(()),
    }
}

/// Checks the arguments that each type of step requires.
fn primitive(step: &Step, pattern: Pattern) -> Result<(), String> {
    let (name, kind) = (&step.name, step.kind.word());
    if pattern == Pattern::Realtime && matches!(step.kind, Kind::Gate | Kind::Wait) {
        return Err(format!("step `{name}`: `{kind}` steps are only supported for batch stories"));
    }
    if step.kind == Kind::Wait && step.argument("until").is_none_or(|until| until.trim().is_empty()) {
        return Err(format!("step `{name}`: expected `with.until`, the condition that a wait holds for, found none"));
    }
    if matches!(step.kind, Kind::Gate | Kind::Wait) {
        positive(step, "timeout")?;
        if let Some(found) = step.with.get("onTimeout").filter(|given| !matches!(given.as_str(), Some("fail" | "skip")))
        {
            let found = quoted(&found.to_string());
            return Err(format!("step `{name}`: invalid {kind} onTimeout: expected `fail` or `skip`, found {found}"));
        }
    }
    if step.kind == Kind::Stop
        && let Some(found) =
            step.with.get("outcome").filter(|given| !matches!(given.as_str(), Some("success" | "failure" | "cancel")))
    {
        let found = quoted(&found.to_string());
        let expected = "`success`, `failure` or `cancel`";
        return Err(format!("step `{name}`: invalid stop outcome: expected {expected}, found {found}"));
    }
    if let Some(found) = step.with.get("waitForCompletion").filter(|_| step.kind == Kind::ExecuteStory)
        && !found.is_boolean()
    {
        let found = quoted(&found.to_string());
        return Err(format!("step `{name}`: `waitForCompletion`: expected true or false, found {found}"));
    }
    match step.with.get("duration").filter(|_| step.kind == Kind::Sleep) {
        Some(given) if given.as_str().and_then(duration::parse).is_none() => {
            let found = quoted(&given.to_string());
            Err(format!("step `{name}`: invalid sleep duration: expected one such as `10s`, found {found}"))
        }
        _ => Ok(()),
    }
}

/// A parallel step does no work of its own: members about work belong to its branches.
fn parallel(story: &Definition, number: usize) -> Result<(), String> {
    let step = &story.steps[number];
    if step.kind != Kind::Parallel {
        return Ok(());
    }
    let name = &step.name;
    if story.within(number).is_empty() {
        return Err(format!("step `{name}`: expected at least one branch in `with.steps`, found none"));
    }
    let of_work = [
        ("execution", step.retry.is_some() || step.timeout.is_some()),
        ("postExecution", step.post_execution.is_some()),
        ("inputSchema", step.input_schema.is_some()),
        ("outputSchema", step.output_schema.is_some()),
        ("requires", !step.requires.is_empty()),
        ("sideEffects", step.side_effects),
    ];
    match of_work.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((member, _)) => {
            Err(format!("step `{name}`: `{member}` means nothing for a parallel step; give it to its branches"))
        }
    }
}

fn positive(step: &Step, argument: &str) -> Result<(), String> {
    match step.with.get(argument) {
        Some(given) if given.as_str().and_then(duration::parse_positive).is_none() => {
            let (name, kind, found) = (&step.name, step.kind.word(), quoted(&given.to_string()));
            Err(format!("step `{name}`: invalid {kind} {argument}: expected a duration above zero, found {found}"))
        }
        _ => Ok(()),
    }
}

/// Each path that a step requires is `steps.<name>.output...` of a step that comes before it.
fn requires(story: &Definition, graph: &graph::Graph, step: usize) -> Result<(), String> {
    let name = &story.steps[step].name;
    let mut upstream = None;
    for path in &story.steps[step].requires {
        let shown = quoted(path);
        let Some(rest) = path.strip_prefix("steps.") else {
            return Err(format!("step `{name}`: requires `{shown}` must start with 'steps.'"));
        };
        let segments: Vec<&str> = rest.split('.').collect();
        if segments.len() < 2 || segments.iter().any(|segment| segment.is_empty()) {
            return Err(format!("step `{name}`: requires `{shown}` must have at least 3 segments"));
        }
        let Some(of) = story.number_of_alias(segments[0]) else {
            return Err(format!("step `{name}`: requires `{shown}` of an unknown step"));
        };
        let before = upstream.get_or_insert_with(|| graph.upstream(story, step));
        // What a compensation or a finally step refers to has ended before that step's group begins.
        let earlier_group = story.group_of(of) < story.group_of(step) && story.group_of(step) != Group::Main;
        if !before.contains(&of) && !earlier_group {
            return Err(format!("step `{name}`: requires `{shown}` of a step that is not upstream; add it to `needs`"));
        }
    }
    Ok(())
}
