//! The input of the checks, read once: the documents of a bundle, and the outcomes in them.

use super::finding::NotRun;
use super::measured::{self, Artifacts, Recorded};
use crate::Known;
use crate::bundle::{Bundle, Document, HEALTH, MANIFEST, REPORTS};
use crate::check::Needs;
use crate::yardstick::Yardstick;
use evlog_lifecycle::pipeline::{Definition, FailMode, Outcome, RunStatus, StageStatus, is_substage};
use evlog_pipeline::{FileError, Plan};
use serde_json::{Map, Value};

/// Other files of a bundle that must be in canonical bytes.
const OTHERS: [&str; 2] = ["run_results.json", "logs/pass_manifest.json"];
/// The list of outcomes in the manifest, and in the health file.
pub(super) const OUTCOMES: &str = "stage_outcomes";
pub(super) const STAGES: &str = "stages";

/// A bundle that was read, and everything that it is compared with.
pub(crate) struct Subject<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) yardstick: &'a Yardstick,
    pub(super) plan: Option<&'a Plan>,
    pub(super) exit_code: Option<u8>,
    pub(crate) manifest: Document,
    pub(super) health: Document,
    /// The reports, by path.
    pub(super) reports: Vec<Document>,
    /// Other documents whose bytes the contract fixes. Nothing else about them is checked.
    pub(super) others: Vec<Document>,
    /// The comparable documents of another execution.
    pub(super) against: Option<Vec<Document>>,
    /// The artifacts that the run's record lists, if there is a record.
    pub(super) recorded: Option<Vec<Recorded>>,
    /// The artifacts of the bundle, and of another execution.
    pub(super) artifacts: Option<(Artifacts, Artifacts)>,
}

/// One item of a list of outcomes.
pub(super) struct Entry<'v> {
    /// JSON pointer to it.
    pub(super) pointer: String,
    pub(super) value: &'v Value,
    /// Its stage, if that is text.
    pub(super) stage: Option<&'v str>,
    /// The tuple, if its members have the right types and words. Whether they fit together is not checked here.
    pub(super) outcome: Option<Outcome>,
}

impl<'a> Subject<'a> {
    pub(super) fn read(
        bundle: &'a Bundle,
        yardstick: &'a Yardstick,
        known: &Known<'a>,
    ) -> Result<Subject<'a>, FileError> {
        let reports = report_paths(bundle).into_iter().map(|path| bundle.document(&path)).collect::<Result<_, _>>()?;
        Ok(Subject {
            bundle,
            yardstick,
            plan: known.plan,
            exit_code: known.exit_code,
            manifest: bundle.document(MANIFEST)?,
            health: bundle.document(HEALTH)?,
            reports,
            others: OTHERS.iter().map(|path| bundle.document(path)).collect::<Result<_, _>>()?,
            against: known.against.map(comparable).transpose()?,
            recorded: measured::recorded(bundle)?,
            artifacts: match known.against {
                Some(other) => Some((measured::all(bundle)?, measured::all(other)?)),
                None => None,
            },
        })
    }

    pub(super) fn definition(&self) -> &Definition {
        &self.yardstick.definition
    }

    pub(super) fn plan(&self) -> Result<&'a Plan, NotRun> {
        self.plan.ok_or(NotRun::Missing(Needs::Plan))
    }

    pub(super) fn exit_code(&self) -> Result<u8, NotRun> {
        self.exit_code.ok_or(NotRun::Missing(Needs::ExitCode))
    }

    /// The manifest's members.
    pub(super) fn manifest(&self) -> Result<&Map<String, Value>, NotRun> {
        let members = self.manifest.value().and_then(Value::as_object);
        members.ok_or_else(|| impossible("there is no `manifest.json` that can be read (check 1)"))
    }

    /// The health file's members.
    pub(super) fn health(&self) -> Result<&Map<String, Value>, NotRun> {
        let members = self.health.value().and_then(Value::as_object);
        members.ok_or_else(|| impossible("there is no `logs/health.json` that can be read (check 14)"))
    }

    /// The run's status, according to its manifest.
    pub(super) fn status(&self) -> Result<RunStatus, NotRun> {
        let word = self.manifest()?.get("status").and_then(Value::as_str);
        let known = [RunStatus::Success, RunStatus::Partial, RunStatus::Failed];
        let found = known.into_iter().find(|status| Some(status.word()) == word);
        found.ok_or_else(|| impossible("`manifest.json` has no status that is known (check 1)"))
    }

    /// The manifest's outcomes; empty if it has no list of them.
    pub(super) fn outcomes(&self) -> Result<Vec<Entry<'_>>, NotRun> {
        match self.manifest()?.get(OUTCOMES) {
            None => Ok(Vec::new()),
            Some(list) => entries(list, OUTCOMES, "`stage_outcomes` is no list (check 1)"),
        }
    }

    /// The health file's outcomes.
    pub(super) fn health_stages(&self) -> Result<Vec<Entry<'_>>, NotRun> {
        let list = self.health()?.get(STAGES);
        let list = list.ok_or_else(|| impossible("the health file has no `stages` (check 14)"))?;
        entries(list, STAGES, "`stages` is no list (check 14)")
    }

    /// Whether a stage takes part, according to the plan.
    pub(super) fn is_enabled(plan: &Plan, stage: &str) -> bool {
        plan.stage(stage).is_some_and(|stage| stage.enabled)
    }

    /// The fail mode that a top-level stage is configured with.
    pub(super) fn configured(&self, plan: &Plan, stage: &str) -> Option<FailMode> {
        let own = plan.stage(stage).map(|stage| stage.fail_mode);
        let usual = || self.definition().stages().iter().find(|known| known.id == stage).map(|known| known.fail_mode);
        own.or_else(usual)
    }
}

pub(super) fn impossible(why: &str) -> NotRun {
    NotRun::Impossible(why.to_owned())
}

fn report_paths(bundle: &Bundle) -> Vec<String> {
    let is_report = |path: &&str| {
        let name = path.strip_prefix(REPORTS).and_then(|name| name.strip_suffix(".json"));
        name.is_some_and(|name| !name.contains('/'))
    };
    bundle.paths().filter(is_report).map(str::to_owned).collect()
}

/// The documents that must be equal in two executions.
fn comparable(bundle: &Bundle) -> Result<Vec<Document>, FileError> {
    let mut paths = vec![MANIFEST.to_owned(), HEALTH.to_owned()];
    paths.extend(report_paths(bundle));
    paths.iter().map(|path| bundle.document(path)).collect()
}

fn entries<'v>(list: &'v Value, member: &str, otherwise: &str) -> Result<Vec<Entry<'v>>, NotRun> {
    let items = list.as_array().ok_or_else(|| impossible(otherwise))?;
    let entry = |(index, value): (usize, &'v Value)| Entry {
        pointer: format!("/{member}/{index}"),
        value,
        stage: value.get("stage").and_then(Value::as_str),
        outcome: tuple(value),
    };
    Ok(items.iter().enumerate().map(entry).collect())
}

fn tuple(value: &Value) -> Option<Outcome> {
    let word = |name: &str| value.get(name).and_then(Value::as_str);
    let status = word("status")?;
    let reason_code = match value.get("reason_code") {
        None | Some(Value::Null) => None,
        Some(code) => Some(code.as_str()?.to_owned()),
    };
    Some(Outcome {
        stage: word("stage")?.to_owned(),
        status: StageStatus::ALL.into_iter().find(|known| known.word() == status)?,
        fail_mode: FailMode::from_word(word("fail_mode")?)?,
        reason_code,
    })
}

/// The tuples of a list, if every item is a tuple.
pub(super) fn all_tuples(entries: &[Entry<'_>]) -> Result<Vec<Outcome>, NotRun> {
    let all: Option<Vec<Outcome>> = entries.iter().map(|entry| entry.outcome.clone()).collect();
    all.ok_or_else(|| impossible("some outcome is not a tuple (check 3)"))
}

/// Outcomes of top-level stages, each with its entry and the stage's index, in canonical order.
pub(super) fn top_level<'e, 'v>(
    definition: &Definition,
    entries: &'e [Entry<'v>],
) -> Vec<(usize, &'e Entry<'v>, &'e Outcome)> {
    let top = |entry: &'e Entry<'v>| {
        let outcome = entry.outcome.as_ref().filter(|outcome| !is_substage(&outcome.stage))?;
        Some((definition.index_of(&outcome.stage)?, entry, outcome))
    };
    let mut found: Vec<_> = entries.iter().filter_map(top).collect();
    found.sort_by_key(|(index, ..)| *index);
    found
}
