//! Which step waits for which: what `needs` names, and what `if` and `with` refer to (story.md 3.10).
//!
//! Invariant: edges are sorted and unique, and in a graph that was built there is no way from a step to itself.

use super::{Definition, Kind, Pattern};
use crate::story::expression::references;
use serde_json::Value;
use std::collections::BTreeSet;

/// Edges between steps, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    needs: Vec<Vec<u32>>,
    dependents: Vec<Vec<u32>>,
}

/// The graph of `needs` alone, as admission sees it.
pub fn of_needs(story: &Definition) -> Result<Graph, String> {
    build(story, |step| story.steps[step].needs.clone())
}

/// The graph of everything that a step waits for, as a run sees it.
pub fn of_run(story: &Definition) -> Result<Graph, String> {
    build(story, |step| {
        let definition = &story.steps[step];
        let mut names = definition.needs.clone();
        if story.pattern == Pattern::Batch {
            names.extend(definition.condition.as_deref().map(references).unwrap_or_default());
        }
        if matches!(definition.kind, Kind::Engram | Kind::ExecuteStory) {
            names_in(&definition.with, &mut names);
        }
        names
    })
}

/// Steps that templates within arguments refer to.
fn names_in(with: &serde_json::Map<String, Value>, names: &mut Vec<String>) {
    let mut values: Vec<&Value> = with.values().collect();
    while let Some(value) = values.pop() {
        match value {
            Value::String(text) => {
                let templates = text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
                names.extend(templates.flat_map(references));
            }
            Value::Array(items) => values.extend(items),
            Value::Object(members) => values.extend(members.values()),
            _ => {}
        }
    }
}

fn build(story: &Definition, names: impl Fn(usize) -> Vec<String>) -> Result<Graph, String> {
    let count = story.steps.len();
    let mut graph = Graph { needs: vec![Vec::new(); count], dependents: vec![Vec::new(); count] };
    let mut unknown = Vec::new();
    for step in 0..count {
        let mut needs = BTreeSet::new();
        for name in names(step) {
            match story.number_of_alias(&name).filter(|of| story.group_of(*of) <= story.group_of(step)) {
                Some(of) if of == step => return Err(itself(&story.steps[step].name)),
                Some(of) => drop(needs.insert(id(of))),
                None => unknown.push(format!("`{}` of `{}`", crate::members::quoted(&name), story.steps[step].name)),
            }
        }
        for of in &needs {
            graph.dependents[*of as usize].push(id(step));
        }
        graph.needs[step] = needs.into_iter().collect();
    }
    if !unknown.is_empty() {
        unknown.truncate(UNKNOWN_MAX);
        return Err(format!("unknown step dependencies: {} (unknown step)", unknown.join(", ")));
    }
    graph.without_cycles(story)?;
    Ok(graph)
}

/// How many unknown names a sentence lists.
const UNKNOWN_MAX: usize = 10;

/// A step's number as graphs keep it.
pub(crate) fn id(number: usize) -> u32 {
    u32::try_from(number).unwrap_or_else(|_| unreachable!("the number of steps is bounded far below"))
}

fn itself(name: &str) -> String {
    format!("dependency cycle detected: step `{name}` cannot depend on itself")
}

impl Graph {
    /// The steps that a step waits for.
    pub fn needs(&self, step: usize) -> &[u32] {
        &self.needs[step]
    }

    /// The steps that wait for a step.
    pub fn dependents(&self, step: usize) -> &[u32] {
        &self.dependents[step]
    }

    /// Every step that a step waits for, and those that they wait for.
    pub fn upstream(&self, step: usize) -> BTreeSet<usize> {
        reached(step, |step| self.needs(step))
    }

    /// Every step that waits for a step, and those that wait for them.
    pub fn downstream(&self, step: usize) -> BTreeSet<usize> {
        reached(step, |step| self.dependents(step))
    }

    /// Takes away steps that wait for nothing, until none is left; what cannot be taken away stands in a cycle.
    fn without_cycles(&self, story: &Definition) -> Result<(), String> {
        let mut unmet: Vec<usize> = self.needs.iter().map(Vec::len).collect();
        let mut free: Vec<usize> = (0..unmet.len()).filter(|step| unmet[*step] == 0).collect();
        let mut taken = 0;
        while let Some(step) = free.pop() {
            taken += 1;
            for dependent in self.dependents(step) {
                unmet[*dependent as usize] -= 1;
                if unmet[*dependent as usize] == 0 {
                    free.push(*dependent as usize);
                }
            }
        }
        if taken == unmet.len() {
            return Ok(());
        }
        let mut names: Vec<_> = (0..unmet.len()).filter(|step| unmet[*step] > 0).collect();
        names.truncate(UNKNOWN_MAX);
        let names: Vec<_> = names.into_iter().map(|step| format!("`{}`", story.steps[step].name)).collect();
        Err(format!("dependency cycle detected among {}", names.join(", ")))
    }
}

fn reached<'a>(from: usize, next: impl Fn(usize) -> &'a [u32]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(step) = open.pop() {
        open.extend(next(step).iter().map(|step| *step as usize).filter(|step| found.insert(*step)));
    }
    found
}
