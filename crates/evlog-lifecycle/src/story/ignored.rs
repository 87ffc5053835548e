//! Times in a story that cannot be read. The source document ignores them, and evlog does too. `explain` shows each of them,
//! with the value that is in force instead.

use super::definition::Definition;
use super::duration;
use super::retry::Given;
use crate::members::quoted;
use serde_json::Value;

/// An ignored time: the step that gives it, or the story, and a sentence.
pub(crate) type Ignored = (Option<String>, String);

/// All ignored times, the story's own first.
pub(crate) fn ignored(story: &Value) -> Vec<Ignored> {
    // A recorded story was read when it was recorded.
    let Ok(story) = Definition::read(story, "") else { return Vec::new() };
    let policy = &story.policy;
    let limit = unread("policy.timeouts.story", policy.story_timeout.as_deref(), "no limit");
    let own = limit.into_iter().chain(of_retry("policy.retries.stepRetryPolicy", policy.step_retry.as_ref()));
    let of_steps = story.steps.iter().flat_map(|step| {
        let texts = of_retry("execution.retry", step.retry.as_ref());
        texts.map(|text| (Some(step.name.clone()), text))
    });
    own.map(|text| (None, text)).chain(of_steps).collect()
}

fn of_retry(member: &str, given: Option<&Given>) -> impl Iterator<Item = String> {
    let of = |name: &str, text: Option<&String>, holds: &str| {
        unread(&format!("{member}.{name}"), text.map(String::as_str), holds)
    };
    let delay = given.and_then(|given| of("delay", given.delay.as_ref(), "1 s"));
    let max_delay = given.and_then(|given| of("maxDelay", given.max_delay.as_ref(), "no cap"));
    delay.into_iter().chain(max_delay)
}

fn unread(member: &str, given: Option<&str>, holds: &str) -> Option<String> {
    let found = given.filter(|text| !text.trim().is_empty() && duration::parse_positive(text).is_none())?;
    let found = quoted(found);
    Some(format!(
        "`{member}` is `{found}`, which is no duration above zero, and counts as not given: {holds} is in force"
    ))
}
