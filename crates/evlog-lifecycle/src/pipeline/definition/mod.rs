//! A pipeline's definition: its stages in canonical order, and the catalogue of reason codes (pipeline.md 1.1 to 1.7).
//!
//! Does: answer questions about stages, order and codes. A definition is read ([`read`]) from a contract file, including the
//! built-in ones ([`crate::form`]), from a plan, or from the text that a run pinned. Does not: know which stages of a run are
//! enabled, or what was recorded.
//!
//! Invariants:
//! - A definition is never changed after it was made. Its canonical JSON text has one digest, and runs pin it.
//! - Strings are compared as UTF-8 bytes: no locale, no case folding, no normalization (rule P-20).

mod read;

pub use crate::fields::is_word;
pub(crate) use read::definition as read_definition;
pub use read::{ORDER_RULES_MAX, REASON_CODES_MAX, STAGES_MAX, SUBSTAGES_MAX};

use crate::fields::{Flaws, Origin};
use crate::located::Located;
use crate::members::malformed;
use crate::pipeline::outcome::{BLOCKED, FailMode, INVALID, Outcome, StageStatus};
use evlog_projection::canonical;
use evlog_rules::Rule;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

/// The owner of what belongs to no stage, such as the run's own inputs. It is never a stage (rule P-05).
pub const ORCHESTRATOR: &str = "orchestrator";

/// Names of the built-in pipelines.
pub const NAMES: [&str; 1] = ["purple-axiom"];

/// The file of the built-in pipeline.
pub(crate) const PURPLE_AXIOM_FILE: &str = include_str!("purple-axiom.toml");

static PURPLE_AXIOM: LazyLock<Arc<Definition>> = LazyLock::new(|| {
    let flaws = Flaws::default();
    let read = |located: Located<'_>| read_definition(located.value, "", Origin::BuiltIn, &flaws);
    match Located::parse(PURPLE_AXIOM_FILE).map(read) {
        Ok(Some(definition)) => Arc::new(definition),
        wrong => unreachable!("a built-in file is right: {wrong:?} {flaws:?}"),
    }
});

/// The pipeline of nine stages that contract `pipeline` was specified for.
pub fn purple_axiom() -> Arc<Definition> {
    Arc::clone(&PURPLE_AXIOM)
}

/// The built-in pipeline of this name.
pub fn built_in(name: &str) -> Option<Arc<Definition>> {
    NAMES.contains(&name).then(purple_axiom)
}

/// The stage of catalogue rows that hold for every stage (rule P-23).
pub const ANY_STAGE: &str = "*";

/// One top-level stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageDefinition {
    /// Its id, one segment.
    pub id: String,
    /// The stage's fail mode, unless the run configures another one.
    pub fail_mode: FailMode,
    /// Whether it takes part unless the run configures otherwise.
    pub enabled: bool,
}

/// How bad a reason code is (rule P-25).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Normally the outcome is failed and fail-closed.
    Fatal,
    /// Normally the outcome is failed and warn-and-skip.
    NonFatal,
    /// The outcome is always skipped.
    Skipped,
}

/// One row of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonCode {
    /// The severity.
    pub severity: Severity,
    /// The fail mode that goes with it; `None` means the one that the stage is configured with.
    pub fail_mode: Option<FailMode>,
    /// The fail mode that every failure with this code must have; `None` means that either is allowed (rule P-26).
    pub must: Option<Must>,
}

/// A fail mode that failures with a certain code always have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Must {
    /// This fail mode.
    Be(FailMode),
    /// The one that the top-level stage is configured with.
    BeConfigured,
}

/// Within a run, the outcome of one stage or substage must come before the outcome of another one (rule P-27).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderRule {
    /// The one whose outcome comes first.
    pub before: String,
    /// The one whose outcome comes later.
    pub after: String,
}

/// Which reason codes a stage or substage may give (rules P-22 to P-25).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    rows: BTreeMap<String, BTreeMap<String, ReasonCode>>,
    /// Substages that accept only their own rows: names, or `<prefix>.*` for all substages below a prefix.
    closed: BTreeSet<String>,
}

/// What a substage's failure demands of its parent (rules P-35 and P-36).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coupling {
    /// If the substage failed, the parent is not a success.
    NotSuccess,
    /// If the substage failed and is fail-closed, the parent is not a success.
    NotSuccessWhenFatal,
    /// If the substage failed, the parent fails closed.
    FailClosed,
    /// If the substage failed, the parent failed with the same code.
    SameCode,
    /// If the substage failed, the whole run stops, whatever stage the substage was in.
    StopsRun,
}

/// What is known of a substage beyond its codes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubstageDefinition {
    /// The fail mode that is written when it succeeds; `None` means its parent's.
    pub success_fail_mode: Option<FailMode>,
    /// What its failure demands of its parent.
    pub coupling: Option<Coupling>,
    /// The parent's code when this substage fails with one that the parent does not have (rule P-34).
    pub parent_code: Option<String>,
}

/// A pipeline's stages and catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    name: String,
    about: Option<String>,
    stages: Vec<StageDefinition>,
    substages: BTreeMap<String, SubstageDefinition>,
    catalogue: Catalogue,
    order: Vec<OrderRule>,
    rules: Vec<Rule>,
    text: String,
    digest: [u8; 32],
}

/// A place in the total order of outcomes: first the stage's index, then the whole string as bytes (rule P-20).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    index: usize,
    stage: String,
}

impl OrderKey {
    /// Index of the top-level stage in canonical order.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The stage or substage.
    pub fn stage(&self) -> &str {
        &self.stage
    }
}

/// The top-level part of a stage or substage: the text before the first dot.
pub fn root_of(stage: &str) -> &str {
    stage.split('.').next().unwrap_or(stage)
}

/// Whether a string names a substage.
pub fn is_substage(stage: &str) -> bool {
    stage.contains('.')
}

/// Whether each dotted segment is `[a-z][a-z0-9_]*` (rule P-02).
pub fn is_stage_name(text: &str) -> bool {
    text.split('.').all(is_word)
}

impl Severity {
    /// All severities, with the words that the catalogue uses for them.
    pub const WORDS: [(&'static str, Severity); 3] =
        [("FATAL", Severity::Fatal), ("NON-FATAL", Severity::NonFatal), ("SKIPPED", Severity::Skipped)];

    /// The word that the catalogue uses for it.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Fatal => "FATAL",
            Severity::NonFatal => "NON-FATAL",
            Severity::Skipped => "SKIPPED",
        }
    }

    /// The fail mode that goes with it, if the catalogue names none.
    pub(crate) fn usual_fail_mode(self) -> Option<FailMode> {
        match self {
            Severity::Fatal => Some(FailMode::FailClosed),
            Severity::NonFatal => Some(FailMode::WarnAndSkip),
            Severity::Skipped => None,
        }
    }
}

impl Must {
    /// All values, with the words that definitions use for them.
    pub const WORDS: [(&'static str, Must); 3] = [
        ("fail_closed", Must::Be(FailMode::FailClosed)),
        ("warn_and_skip", Must::Be(FailMode::WarnAndSkip)),
        ("configured", Must::BeConfigured),
    ];

    /// The word that definitions use for it.
    pub fn word(self) -> &'static str {
        match self {
            Must::Be(mode) => mode.word(),
            Must::BeConfigured => "configured",
        }
    }

    /// The fail mode, for a stage that is configured with `configured`.
    pub fn mode(self, configured: FailMode) -> FailMode {
        match self {
            Must::Be(mode) => mode,
            Must::BeConfigured => configured,
        }
    }
}

impl Coupling {
    /// All couplings, with the words that definitions use for them.
    pub const WORDS: [(&'static str, Coupling); 5] = [
        ("not_success", Coupling::NotSuccess),
        ("not_success_when_fatal", Coupling::NotSuccessWhenFatal),
        ("fail_closed", Coupling::FailClosed),
        ("same_code", Coupling::SameCode),
        ("stops_run", Coupling::StopsRun),
    ];

    /// The word that definitions use for it.
    pub fn word(self) -> &'static str {
        let known = Coupling::WORDS.iter().find(|(_, coupling)| *coupling == self);
        known.map_or_else(|| unreachable!("every coupling has a word"), |(word, _)| word)
    }
}

impl Catalogue {
    /// The row for a stage or substage and a code. It is the stage's own row, or else the row for every stage, unless its list
    /// is closed.
    pub fn row(&self, stage: &str, code: &str) -> Option<ReasonCode> {
        if let Some(own) = self.own_row(stage, code) {
            return Some(own);
        }
        if self.is_closed(stage) { None } else { self.own_row(ANY_STAGE, code) }
    }

    /// The row of exactly this stage or substage.
    pub fn own_row(&self, stage: &str, code: &str) -> Option<ReasonCode> {
        self.rows.get(stage)?.get(code).copied()
    }

    /// Whether a stage or substage may give a code (rules P-22 to P-24).
    pub fn allows(&self, stage: &str, code: &str) -> bool {
        self.row(stage, code).is_some()
    }

    /// Whether a substage accepts only its own rows.
    pub fn is_closed(&self, stage: &str) -> bool {
        if self.closed.contains(stage) {
            return true;
        }
        let dots = stage.match_indices('.').map(|(at, _)| at);
        dots.into_iter().any(|at| self.closed.contains(&format!("{}.*", &stage[..at])))
    }

    /// Substages that accept only their own rows: names, or `<prefix>.*`, as bytes.
    pub fn closed(&self) -> impl Iterator<Item = &str> {
        self.closed.iter().map(String::as_str)
    }

    /// All rows: stage, code, row; by stage and code as bytes.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str, ReasonCode)> {
        self.rows
            .iter()
            .flat_map(|(stage, codes)| codes.iter().map(move |(code, row)| (stage.as_str(), code.as_str(), *row)))
    }
}

impl Definition {
    /// Reads a definition that a plan brings: `{name, about?, stages, reason_codes?, closed_substages?, substages?,
    /// order?}`. The cross-cutting codes are added to its catalogue (rule P-80). The error is the first of its flaws.
    pub fn parse(value: &Value) -> Result<Definition, evlog_projection::Malformed> {
        Definition::parse_at(value.clone(), "")
    }

    pub(super) fn parse_at(value: Value, pointer: &str) -> Result<Definition, evlog_projection::Malformed> {
        let flaws = Flaws::default();
        let made = read_definition(value, pointer, Origin::Brought, &flaws);
        made.ok_or_else(|| {
            flaws.into_first().map_or_else(
                || unreachable!("what is not made has a flaw"),
                |flaw| malformed(flaw.pointer, flaw.message),
            )
        })
    }

    fn new(
        name: String,
        about: Option<String>,
        stages: Vec<StageDefinition>,
        substages: BTreeMap<String, SubstageDefinition>,
        catalogue: Catalogue,
        order: (Vec<OrderRule>, Vec<Rule>),
    ) -> Definition {
        let (text, digest, (order, rules)) = (String::new(), [0; 32], order);
        let mut made = Definition { name, about, stages, substages, catalogue, order, rules, text, digest };
        let bytes = canonical(&made.to_value());
        made.digest = *blake3::hash(&bytes).as_bytes();
        made.text = String::from_utf8(bytes).unwrap_or_else(|_| unreachable!("JSON is UTF-8"));
        made
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its description: one line for people.
    pub fn about(&self) -> Option<&str> {
        self.about.as_deref()
    }

    /// Its order rules, as given.
    pub fn order(&self) -> &[OrderRule] {
        &self.order
    }

    /// Its rules on the order of a run's events, as given.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What is known of its substages, by name.
    pub fn substages(&self) -> impl Iterator<Item = (&str, &SubstageDefinition)> {
        self.substages.iter().map(|(stage, known)| (stage.as_str(), known))
    }

    /// Its top-level stages, in canonical order.
    pub fn stages(&self) -> &[StageDefinition] {
        &self.stages
    }

    /// Its catalogue.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Its canonical JSON text, which [`parse`](Definition::parse) reads again.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// BLAKE3 of [`text`](Definition::text).
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Index of the top-level stage that a stage or substage belongs to; `None` if it is not known, or not a name.
    pub fn index_of(&self, stage: &str) -> Option<usize> {
        if !is_stage_name(stage) {
            return None;
        }
        let root = root_of(stage);
        self.stages.iter().position(|known| known.id == root)
    }

    /// The place of a stage or substage in the total order; `None` if it has no place (rules P-02 and P-20).
    pub fn order_key(&self, stage: &str) -> Option<OrderKey> {
        self.index_of(stage).map(|index| OrderKey { index, stage: stage.to_owned() })
    }

    /// Whether a stage or substage may give a code: it has a place, and the catalogue has the row.
    pub fn allows(&self, stage: &str, code: &str) -> bool {
        self.code(stage, code).is_some()
    }

    /// The catalogue's row for a stage or substage and a code.
    pub fn code(&self, stage: &str, code: &str) -> Option<ReasonCode> {
        self.index_of(stage).and_then(|_| self.catalogue.row(stage, code))
    }

    /// What is known of a substage beyond its codes.
    pub fn substage(&self, stage: &str) -> Option<&SubstageDefinition> {
        self.substages.get(stage)
    }

    /// What a substage's failure demands of its parent.
    pub fn coupling(&self, stage: &str) -> Option<Coupling> {
        self.substages.get(stage).and_then(|known| known.coupling)
    }

    /// Whether this substage outcome stops the whole run (rule P-36).
    pub fn stops_run(&self, outcome: &Outcome) -> bool {
        outcome.status == StageStatus::Failed && self.coupling(&outcome.stage) == Some(Coupling::StopsRun)
    }

    /// Whether this substage outcome leaves its parent no choice but to fail closed or never to run (rules P-34, P-35).
    pub fn stops_parent(&self, outcome: &Outcome) -> bool {
        match self.coupling(&outcome.stage) {
            Some(Coupling::StopsRun) => false,
            Some(Coupling::FailClosed) => outcome.status == StageStatus::Failed,
            _ => outcome.is_fatal(),
        }
    }

    /// Whether the substage's outcome allows the parent's outcome (rule P-35).
    pub fn couples(&self, substage: &Outcome, parent: &Outcome) -> bool {
        if substage.status != StageStatus::Failed {
            return true;
        }
        match self.coupling(&substage.stage) {
            None | Some(Coupling::StopsRun) => true,
            Some(Coupling::NotSuccess) => parent.status != StageStatus::Success,
            Some(Coupling::NotSuccessWhenFatal) => parent.status != StageStatus::Success || !substage.is_fatal(),
            Some(Coupling::FailClosed) => parent.is_fatal() || parent.is_blocked(),
            Some(Coupling::SameCode) => {
                parent.status == StageStatus::Failed && parent.reason_code == substage.reason_code
            }
        }
    }

    /// The fail mode to write if the reporter gives none (rule P-14). For a failure it is the catalogue's, unless the code is
    /// the stage's own. Otherwise it is `configured`, the configured fail mode of the top-level stage.
    pub fn usual_fail_mode(
        &self,
        stage: &str,
        status: StageStatus,
        code: Option<&str>,
        configured: FailMode,
    ) -> FailMode {
        let row = code.and_then(|code| self.code(stage, code)).and_then(|row| row.fail_mode);
        let own = !is_substage(stage) && code.is_some_and(|code| self.catalogue.own_row(stage, code).is_some());
        if let Some(must) = code.and_then(|code| self.code(stage, code)).and_then(|row| row.must) {
            return must.mode(configured);
        }
        match status {
            StageStatus::Success => {
                self.substage(stage).and_then(|known| known.success_fail_mode).unwrap_or(configured)
            }
            StageStatus::Failed if own => configured,
            StageStatus::Failed | StageStatus::Skipped => row.unwrap_or(configured),
        }
    }

    /// What to record for the parent of a substage that stops it (rule P-34): the same code if the parent has it; else, if the
    /// parent never began, a blocked skip; else the code that the definition names for it. `None` means that the caller picks
    /// a code of the parent.
    pub fn parent_outcome(&self, substage: &Outcome, begun: bool, configured: FailMode) -> Option<Outcome> {
        let parent = root_of(&substage.stage);
        let code = substage.reason_code.as_deref()?;
        if self.allows(parent, code) {
            return Some(Outcome::failed(parent, FailMode::FailClosed, code));
        }
        if !begun {
            return Some(Outcome::skipped(parent, configured, BLOCKED));
        }
        let nearest = self.substage(&substage.stage)?.parent_code.as_deref()?;
        Some(Outcome::failed(parent, FailMode::FailClosed, nearest))
    }

    /// The code of a stage whose artifacts are invalid, missing or unexpected (rule P-77): `<schema id>_invalid` if the
    /// catalogue has exactly that code for the stage, else `contract_validation_failed`.
    pub fn gate_reason_code(&self, stage: &str, primary_schema: Option<&str>) -> String {
        let own = primary_schema.map(|id| format!("{id}_invalid"));
        own.filter(|code| self.catalogue.own_row(stage, code).is_some()).unwrap_or_else(|| INVALID.to_owned())
    }

    fn to_value(&self) -> Value {
        let mode = |mode: Option<FailMode>| mode.map_or("configured", FailMode::word);
        let stages: Vec<Value> = self
            .stages
            .iter()
            .map(|s| json!({"id": s.id, "fail_mode": s.fail_mode.word(), "enabled": s.enabled}))
            .collect();
        let rows = self.catalogue.rows().map(|(stage, code, row)| {
            let mut value =
                json!({"stage": stage, "code": code, "severity": row.severity.word(), "fail_mode": mode(row.fail_mode)});
            if let Some(must) = row.must {
                value["must"] = must.word().into();
            }
            value
        });
        let substages = self.substages.iter().map(|(stage, known)| {
            let mut value = json!({"stage": stage, "success_fail_mode": mode(known.success_fail_mode)});
            if let Some(coupling) = known.coupling {
                value["parent"] = coupling.word().into();
            }
            if let Some(code) = &known.parent_code {
                value["parent_code"] = code.as_str().into();
            }
            value
        });
        let mut value = json!({
            "name": self.name,
            "stages": stages,
            "reason_codes": rows.collect::<Vec<Value>>(),
            "closed_substages": self.catalogue.closed.iter().collect::<Vec<&String>>(),
            "substages": substages.collect::<Vec<Value>>(),
        });
        // The members are absent rather than empty, so that definitions that were pinned before these members existed keep
        // their text.
        if let Some(about) = &self.about {
            value["about"] = about.as_str().into();
        }
        if !self.order.is_empty() {
            let rule = |rule: &OrderRule| json!({"before": rule.before, "after": rule.after});
            value["order"] = self.order.iter().map(rule).collect::<Vec<Value>>().into();
        }
        if !self.rules.is_empty() {
            value["rule"] = self.rules.iter().map(|rule| rule.given().clone()).collect::<Vec<Value>>().into();
        }
        value
    }
}
