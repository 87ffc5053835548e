//! Which step waits for which: the steps that `needs` names, and those that `if` and `with` refer to (story.md 3.10). A branch
//! waits until the parallel step that lists it begins. The end of that step waits for all of its branches.
//!
//! Invariant: edges are sorted and unique, and there is no cycle, so no step waits for its own end.

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

/// The graph of `needs` alone, which admission uses.
pub fn of_needs(story: &Definition) -> Result<Graph, String> {
    build(story, |step| story.steps[step].needs.clone())
}

/// The graph of everything that a step waits for, which a run uses.
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
        let parent = story.steps[step].parent;
        for name in names(step) {
            match story.number_of_alias(&name).filter(|of| story.group_of(*of) <= story.group_of(step)) {
                Some(of) if of == step => return Err(itself(&story.steps[step].name)),
                Some(of) if story.is_branch(step, of) => {
                    return Err(branch_of(&story.steps[step].name, &story.steps[of].name));
                }
                Some(of) => drop(needs.insert(id(of))),
                None => unknown.push(format!("`{}` of `{}`", crate::members::quoted(&name), story.steps[step].name)),
            }
        }
        needs.extend(parent);
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

fn branch_of(name: &str, parent: &str) -> String {
    format!("dependency cycle detected: step `{name}` cannot depend on `{parent}`, which it is a branch of")
}

impl Graph {
    /// The steps that a step waits for. If it is a branch, its parallel step is one of them; the branch waits until that one
    /// begins.
    pub fn needs(&self, step: usize) -> &[u32] {
        &self.needs[step]
    }

    /// The steps that wait for a step.
    pub fn dependents(&self, step: usize) -> &[u32] {
        &self.dependents[step]
    }

    /// Every step that has ended before this step begins.
    pub fn upstream(&self, story: &Definition, step: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open = vec![step];
        while let Some(step) = open.pop() {
            for need in self.needs(step).iter().map(|need| *need as usize) {
                // A branch does not wait for its parallel step to end, and so not for the branches beside it.
                let whole = !story.is_branch(step, need);
                let branches = story.within(need).filter(|_| whole);
                open.extend(branches.chain([need]).filter(|step| found.insert(*step)));
            }
        }
        found.retain(|of| !story.within(*of).contains(&step));
        found
    }

    /// A step and every step that is done again with it: those that wait for it, the branches of each, and the parallel step
    /// that it is a branch of, without that step's other branches.
    pub fn downstream(&self, story: &Definition, step: usize) -> BTreeSet<usize> {
        let (mut found, mut whole) = (BTreeSet::from([step]), BTreeSet::from([step]));
        let mut open = vec![step];
        while let Some(step) = open.pop() {
            let all = whole.contains(&step);
            for dependent in self.dependents(step).iter().map(|dependent| *dependent as usize) {
                if (all || !story.is_branch(dependent, step)) && whole.insert(dependent) {
                    found.insert(dependent);
                    open.push(dependent);
                }
            }
            let parent = story.steps[step].parent.map(|parent| parent as usize);
            open.extend(parent.filter(|parent| found.insert(*parent)));
        }
        found
    }

    /// Removes nodes that wait for nothing, until none is left. Nodes that cannot be removed are in a cycle. Each step
    /// has two nodes: its beginning and its end.
    fn without_cycles(&self, story: &Definition) -> Result<(), String> {
        let count = self.needs.len();
        let mut unmet: Vec<usize> = self.needs.iter().map(Vec::len).chain(vec![1; count]).collect();
        for parent in story.steps.iter().filter_map(|step| step.parent) {
            unmet[count + parent as usize] += 1;
        }
        let mut free: Vec<usize> = (0..count).filter(|step| unmet[*step] == 0).collect();
        let mut taken = 0;
        while let Some(node) = free.pop() {
            taken += 1;
            let (step, begins) = (node % count, node < count);
            let later = self.dependents(step).iter().map(|later| *later as usize);
            let later = later.filter(|later| story.is_branch(*later, step) == begins);
            let ends = if begins { Some(step) } else { story.steps[step].parent.map(|parent| parent as usize) };
            for next in later.chain(ends.map(|step| count + step)) {
                unmet[next] -= 1;
                if unmet[next] == 0 {
                    free.push(next);
                }
            }
        }
        if taken == unmet.len() {
            return Ok(());
        }
        let mut names: Vec<_> = (0..count).filter(|step| unmet[*step] > 0).collect();
        names.truncate(UNKNOWN_MAX);
        let names: Vec<_> = names.into_iter().map(|step| format!("`{}`", story.steps[step].name)).collect();
        Err(format!("dependency cycle detected among {}", names.join(", ")))
    }
}
