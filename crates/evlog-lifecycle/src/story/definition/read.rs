//! Reads a story: the form of its members, and unknown members. `check` checks whether its parts fit together.

use super::graph::id;
use super::{Definition, Group, Kind, Pattern, PostExecution, STEP_NAME_LEN_MAX, STEPS_MAX, Step, StoryPolicy};
use crate::members::{Members, kind, malformed, pointer, quoted};
use crate::story::payload::Mode;
use crate::story::retry::Given;
use evlog_projection::Malformed;
use serde_json::{Map, Value};

/// Members that evlog keeps in the record and does not interpret.
const DESCRIPTIVE: [&str; 8] =
    ["description", "labels", "annotations", "ref", "transport", "transports", "secrets", "idempotencyKeyTemplate"];

impl Definition {
    /// Reads a story; `at` points to it.
    pub fn read(value: &Value, at: &str) -> Result<Definition, Malformed> {
        let mut members = Members::new(object(value, at)?);
        let story = within(at, Definition::members(&mut members))?;
        within(at, members.end("story"))?;
        Ok(story)
    }

    /// The story of a run. An observed run has none if its controller did not find it (S-10).
    pub fn pinned(value: &Value, mode: Mode, at: &str) -> Result<Definition, Malformed> {
        let is_none = mode == Mode::Observed && value.is_null();
        if is_none { Ok(Definition::default()) } else { Definition::read(value, at) }
    }

    fn members(members: &mut Members) -> Result<Definition, Malformed> {
        let mut story = Definition {
            name: members.text("name", 1, 200)?,
            version: members.text("version", 1, 200)?,
            pattern: pattern(members)?,
            inputs_schema: members.take("inputsSchema"),
            outputs_schema: members.take("outputsSchema"),
            output: members.take("output"),
            ..Definition::default()
        };
        for name in DESCRIPTIVE {
            drop(members.take(name));
        }
        if let Some(policy) = members.take("policy") {
            story.policy = StoryPolicy::read(&policy, "/policy")?;
        }
        for group in Group::ALL {
            let known = story.steps.len();
            steps(members, group, &mut story.steps)?;
            story.ends[group as usize] = story.steps.len();
            let declared = story.steps[known..].iter().filter(|step| step.parent.is_none()).count();
            story.declared[group as usize] = id(declared);
        }
        if story.steps.len() > STEPS_MAX {
            let found = story.steps.len();
            return Err(malformed("/steps", format!("expected at most {STEPS_MAX} steps in all, found {found}")));
        }
        let numbered = (0_u32..).zip(&story.steps);
        story.numbers = numbered.map(|(number, step)| (step.name.clone(), number)).collect();
        Ok(story)
    }
}

/// Moves an error's pointer below `at`.
fn within<T>(at: &str, result: Result<T, Malformed>) -> Result<T, Malformed> {
    result.map_err(|error| Malformed { pointer: format!("{at}{}", error.pointer), message: error.message })
}

fn object(value: &Value, at: &str) -> Result<Map<String, Value>, Malformed> {
    match value {
        Value::Object(members) => Ok(members.clone()),
        other => Err(malformed(at, format!("expected an object, found {}", kind(other)))),
    }
}

fn pattern(members: &mut Members) -> Result<Pattern, Malformed> {
    match members.text("pattern", 0, 40)?.as_deref() {
        None | Some("" | "batch") => Ok(Pattern::Batch),
        Some("realtime" | "streaming") => Ok(Pattern::Realtime),
        Some(found) => Err(malformed("/pattern", format!("expected `batch` or `realtime`, found `{}`", quoted(found)))),
    }
}

fn steps(members: &mut Members, group: Group, into: &mut Vec<Step>) -> Result<(), Malformed> {
    let name = group.member();
    members.take(name).map_or(Ok(()), |listed| list(&listed, &pointer("", name), None, into))
}

/// Reads a list of steps, each followed by its branches. The JSON parser limits how deep they are nested.
fn list(listed: &Value, at: &str, parent: Option<u32>, into: &mut Vec<Step>) -> Result<(), Malformed> {
    let Value::Array(items) = listed else {
        return Err(malformed(at, format!("expected an array of steps, found {}", kind(listed))));
    };
    for (index, item) in items.iter().enumerate() {
        let at = format!("{at}/{index}");
        let (number, mut step) = (into.len(), Step::read(item, &at)?);
        let branches = branches(&mut step, &at)?;
        step.parent = parent;
        into.push(step);
        if let Some(branches) = branches {
            list(&branches, &format!("{at}/with/steps"), Some(id(number)), into)?;
        }
        into[number].beyond = id(into.len());
    }
    Ok(())
}

/// What a parallel step lists in `with.steps`, as written.
fn branches(step: &mut Step, at: &str) -> Result<Option<Value>, Malformed> {
    if step.kind != Kind::Parallel {
        return Ok(None);
    }
    let mut with = Members::new(std::mem::take(&mut step.with));
    let listed = with.take("steps");
    within(&format!("{at}/with"), with.end("a parallel step"))?;
    let missing = || malformed(format!("{at}/with"), "expected `steps`, the branches of a parallel step, found none");
    listed.ok_or_else(missing).map(Some)
}

impl Step {
    fn read(value: &Value, at: &str) -> Result<Step, Malformed> {
        let mut members = Members::new(object(value, at)?);
        let step = within(at, Step::members(&mut members))?;
        within(at, members.end("a step"))?;
        Ok(step)
    }

    fn members(members: &mut Members) -> Result<Step, Malformed> {
        let name = members.needed("name", 1, STEP_NAME_LEN_MAX)?;
        let begins = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if !begins || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            let message = format!("expected a name of letters, digits, `-` and `_`, found `{}`", quoted(&name));
            return Err(malformed("/name", message));
        }
        let (retry, timeout) = execution(members)?;
        for name in DESCRIPTIVE {
            drop(members.take(name));
        }
        Ok(Step {
            name,
            kind: step_kind(members)?,
            needs: texts(members, "needs")?,
            requires: texts(members, "requires")?,
            condition: condition(members)?,
            with: members.object("with")?.unwrap_or_default(),
            allow_failure: flag(members, "allowFailure")?,
            side_effects: flag(members, "sideEffects")?,
            retry,
            timeout,
            post_execution: post_execution(members)?,
            input_schema: members.take("inputSchema"),
            output_schema: members.take("outputSchema"),
            parent: None,
            beyond: 0,
        })
    }
}

fn step_kind(members: &mut Members) -> Result<Kind, Malformed> {
    let Some(word) = members.text("type", 0, 80)?.filter(|word| !word.is_empty()) else {
        return Ok(Kind::Engram);
    };
    Kind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| {
        let known = Kind::ALL.map(Kind::word).join("`, `");
        malformed("/type", format!("expected one of `{known}`, found `{}`", quoted(&word)))
    })
}

fn texts(members: &mut Members, name: &'static str) -> Result<Vec<String>, Malformed> {
    let at = pointer("", name);
    let text = |(number, value): (usize, Value)| match value {
        Value::String(text) => Ok(text),
        other => Err(malformed(format!("{at}/{number}"), format!("expected text, found {}", kind(&other)))),
    };
    match members.take(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items.into_iter().enumerate().map(text).collect(),
        Some(other) => Err(malformed(at, format!("expected an array of text, found {}", kind(&other)))),
    }
}

fn flag(members: &mut Members, name: &'static str) -> Result<bool, Malformed> {
    match members.take(name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(other) => Err(malformed(pointer("", name), format!("expected true or false, found {}", kind(&other)))),
    }
}

/// An expression. A bare boolean is an expression too.
fn condition(members: &mut Members) -> Result<Option<String>, Malformed> {
    match members.take("if") {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(flag.to_string())),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.trim().is_empty())),
        Some(other) => Err(malformed("/if", format!("expected an expression, found {}", kind(&other)))),
    }
}

/// `execution` of a step: its retry policy and its timeout.
fn execution(members: &mut Members) -> Result<(Option<Given>, Option<String>), Malformed> {
    let Some(execution) = members.object("execution")? else { return Ok((None, None)) };
    let mut own = Members::new(execution);
    let read = |own: &mut Members| {
        let retry = own.take("retry").map(|retry| Given::read(&retry, "/retry")).transpose()?;
        Ok((retry, own.text("timeout", 0, 80)?))
    };
    let found = within("/execution", read(&mut own))?;
    within("/execution", own.end("execution"))?;
    Ok(found)
}

fn post_execution(members: &mut Members) -> Result<Option<PostExecution>, Malformed> {
    let Some(given) = members.object("postExecution")? else { return Ok(None) };
    let mut own = Members::new(given);
    let read = |own: &mut Members| {
        let condition = own.text("condition", 0, 4096)?.unwrap_or_default();
        Ok(PostExecution { condition, failure_message: own.text("failureMessage", 0, 2048)?.unwrap_or_default() })
    };
    let found = within("/postExecution", read(&mut own))?;
    within("/postExecution", own.end("postExecution"))?;
    Ok(Some(found).filter(|found| !found.condition.trim().is_empty()))
}

impl StoryPolicy {
    fn read(value: &Value, at: &str) -> Result<StoryPolicy, Malformed> {
        let mut members = Members::new(object(value, at)?);
        let policy = within(at, StoryPolicy::members(&mut members))?;
        within(at, members.end("policy"))?;
        Ok(policy)
    }

    fn members(members: &mut Members) -> Result<StoryPolicy, Malformed> {
        let mut policy = StoryPolicy {
            concurrency: count(members, "concurrency")?,
            inputs_len_max: count(members, "maxInlineInputsBytes")?,
            ..StoryPolicy::default()
        };
        if let Some(timeouts) = members.object("timeouts")? {
            let mut own = Members::new(timeouts);
            let mut text = |name| within("/timeouts", own.text(name, 0, 80));
            policy.story_timeout = text("story")?;
            policy.step_timeout = text("step")?;
            policy.drain_timeout = text("gracefulShutdownTimeout")?;
            within("/timeouts", own.end("timeouts"))?;
        }
        if let Some(retries) = members.object("retries")? {
            let mut own = Members::new(retries);
            policy.continue_on_step_failure = within("/retries", flag(&mut own, "continueOnStepFailure"))?;
            let given = own.take("stepRetryPolicy");
            policy.step_retry = given.map(|given| Given::read(&given, "/retries/stepRetryPolicy")).transpose()?;
            within("/retries", own.end("retries"))?;
        }
        Ok(policy)
    }
}

/// A whole number from 1 to [`u64::MAX`]; 0 counts as absent.
fn count(members: &mut Members, name: &'static str) -> Result<Option<u64>, Malformed> {
    let Some(value) = members.take(name) else { return Ok(None) };
    let Some(number) = value.as_u64() else {
        let found = quoted(&value.to_string());
        return Err(malformed(
            pointer("", name),
            format!("expected a whole number from 0 to {}, found {found}", u64::MAX),
        ));
    };
    Ok(Some(number).filter(|number| *number > 0))
}
