//! JSON Schema 2020-12, with messages of our own.
//!
//! The validator's error text and order change with its releases. Reports are evidence, and must be the same for every release
//! of evlog. So only the keyword and the two pointers are taken from the validator, and each message is made here, from the
//! keyword and what the schema asks (pipeline.md A-31). Of the instance, messages hold only kinds, lengths, and names of
//! members that the schema does not know, because artifacts may hold secrets.
//!
//! `format` is an annotation, as the draft says, and is not asserted. References to other files are followed if the schema
//! itself is a file (`schema/files.rs`). Every other reference out of a document is refused.

mod document;
mod files;
mod multiples;
mod patterns;
mod steps;
mod validators;
mod weight;

use evlog_lifecycle::pipeline::report::Finding;
use evlog_lifecycle::story::schema::Checked;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, PatternOptions, ValidationError, ValidationOptions, Validator};
use serde_json::Value;
use std::borrow::Cow;
use std::cell::LazyCell;
use std::path::Path;
use steps::Work;
use validators::{Numbers, TRIES_MAX, Validators};
use weight::{Size, Spread, longest_constant};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The most steps to check a value for a contract.
const STEPS_MAX: u64 = 10_000_000;

/// The most steps if all errors are reported: each error takes memory.
const STEPS_REPORTED_MAX: u64 = 200_000;

/// The most steps to check a document or a line against its schema, and the most for each value of a large one. If a schema
/// needs more, the reason is its own shape, and not the amount of data.
const STEPS_CHECKED_MAX: u64 = 100_000_000;
const STEPS_PER_VALUE_MAX: u64 = 2_000;

/// The most work to match texts against the patterns of a schema, in characters times parts of a pattern. The limit holds for
/// a document or a line, for each value of a large one, and for a contract's command.
const MATCHING_MAX: u64 = 1_000_000_000;
const MATCHING_PER_VALUE_MAX: u64 = 500_000;
const MATCHING_FOR_CONTRACT_MAX: u64 = 100_000_000;

/// The most steps to compile patterns. The limit holds for one schema, for all schemas of a plan or a registry, and for a
/// schema for a contract, which is compiled for each command.
const COMPILING_MAX: u64 = 2_000_000;
const COMPILING_ALL_MAX: u64 = 10_000_000;
const COMPILING_FOR_CONTRACT_MAX: u64 = 200_000;

/// If the rough bound allows this many tries for each string, the exact work is not counted.
const TRIES_MANY: u64 = 16_384;

/// Matching up to this size is done without a check for an interrupt of the run.
const MATCHING_QUICK_MAX: u64 = 10_000_000;

/// The most steps if all errors are listed: each step can cause an error, which takes memory. Beyond this limit only the first
/// error is named.
const STEPS_LISTED_MAX: u64 = 500_000;

/// The greatest total length of the pointers of all errors, in bytes. Each error holds a pointer, and some hold a copy for
/// each alternative that they come from.
const POINTERS_LEN_MAX: u64 = 256 * 1024 * 1024;

/// The greatest total length of the constants of all errors, in bytes, if all errors are named.
const CONSTANTS_LEN_MAX: u64 = 1024 * 1024 * 1024;

/// The longest name within a pointer or a message, in bytes; also the longest pointer, and the longest text of the schema that
/// a message shows. A longer text is reported by its length and not cut, because a cut could show a part of a secret.
const NAME_LEN_MAX: usize = 256;
const POINTER_LEN_MAX: usize = 4096;
const TEXT_LEN_MAX: usize = 4096;

/// The most steps of a check that cannot be interrupted.
const STEPS_QUICK_MAX: u64 = 20_000;

/// The message for a value whose texts would take too much matching.
const TOO_LONG_TO_MATCH: &str =
    "its texts are too long to be matched against the patterns of the schema; it was not checked";

/// The code of a finding that says that a budget is exhausted.
pub(crate) const BUDGET: &str = "validation_budget_exceeded";

/// A compiled schema.
pub struct Schema {
    validators: Validators,
    spread: Spread,
    /// Length of its longest constant, in bytes.
    constant: u64,
    /// Whether it asks for multiples of a number that a double cannot represent exactly.
    has_large: bool,
    /// The schema's content, if it is in one file.
    alone: Option<Value>,
}

/// A schema that was read from a file.
#[derive(Debug)]
pub struct Loaded {
    /// The schema, compiled.
    pub schema: Schema,
    /// BLAKE3 of the content of the file, and of the files that it refers to.
    pub blake3: [u8; 32],
    /// What the file says.
    pub document: Value,
    /// The texts of the files.
    pub(crate) texts: Texts,
    /// How many steps it took to compile its patterns.
    compiling: u64,
}

/// Texts of the files that a digest covers, in the order of the digest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts(pub(crate) Vec<String>);

impl Texts {
    /// BLAKE3 of the bytes of the text. If there are several texts, BLAKE3 of their digests.
    pub(crate) fn digest(&self) -> [u8; 32] {
        match self.0.as_slice() {
            [alone] => *blake3::hash(alone.as_bytes()).as_bytes(),
            texts => {
                let mut hasher = blake3::Hasher::new();
                for text in texts {
                    hasher.update(blake3::hash(text.as_bytes()).as_bytes());
                }
                *hasher.finalize().as_bytes()
            }
        }
    }
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Schema")
    }
}

impl Schema {
    /// Compiles a schema that refers to nothing outside of it. The error is a sentence.
    pub fn compile(schema: &Value) -> Result<Schema, String> {
        check_draft(schema)?;
        check_compiling(patterns::compiling(schema), COMPILING_MAX)?;
        let alone = schema.clone();
        let compile = move |tries, numbers| options(tries, numbers).build(&alone).map_err(|error| sentence(&error));
        let validators = Validators::new(Box::new(compile))?;
        let (spread, has_large) = (Spread::of([schema]), multiples::has_large_divisor(schema));
        Ok(Schema { validators, spread, constant: longest_constant(schema), has_large, alone: Some(schema.clone()) })
    }

    /// Compiles the schema in a file, with the files that it refers to. The error is a sentence without the file's name.
    pub fn load(file: &Path) -> Result<Loaded, String> {
        files::load(file)
    }

    /// Visits the errors of an instance, in no particular order. There are three cases:
    ///
    /// - all errors are visited;
    /// - only the first error is visited, and one that says that there may be more;
    /// - only one error is visited. It says that the instance was not checked because that would take too much, or that the
    ///   instance does not fulfil its schema and the places cannot be named.
    pub fn each_error(&self, instance: &Value, visit: &mut dyn FnMut(Finding)) {
        self.judge(instance, &mut |error| visit(finding(error, &message(error.kind())))).into_iter().for_each(visit);
    }

    /// Like [`each_error`](Self::each_error), but returns the finding about an exceeded limit instead of visiting it.
    fn judge(&self, instance: &Value, visit: &mut dyn FnMut(&ValidationError<'_>)) -> Option<Finding> {
        let size = Size::of(instance);
        let exact = LazyCell::new(|| self.alone.as_ref().map_or(Work::ENDLESS, |schema| steps::work(schema, instance)));
        let allowed = STEPS_CHECKED_MAX.max(size.values.saturating_mul(STEPS_PER_VALUE_MAX));
        let rough = self.spread.steps(size);
        let most = if rough <= allowed { rough } else { exact.steps };
        if most > allowed {
            let message =
                format!("holding this against its schema takes more than {allowed} steps; it was not checked");
            return Some(Finding::coded(BUDGET, message));
        }
        let allowed = MATCHING_MAX.max(size.values.saturating_mul(MATCHING_PER_VALUE_MAX));
        let tries = match self.spread.effort(size).tries_within(allowed) {
            Some(tries) if tries >= TRIES_MANY => Some(tries),
            rough => exact.effort.tries_within(allowed).max(rough),
        };
        let Some(tries) = tries else { return Some(Finding::coded(BUDGET, TOO_LONG_TO_MATCH)) };
        // The rough bound for a large schema says little about a small document.
        let listed = || if most <= STEPS_LISTED_MAX { most } else { most.min(exact.steps) };
        match self.validators.within(tries, self.numbers(size)) {
            Ok(validator) if validator.is_valid(instance) => None,
            Ok(validator) => self.errors(validator, instance, (listed(), size.values), visit),
            Err(why) => Some(Finding::coded(BUDGET, why)),
        }
    }

    fn numbers(&self, size: Size) -> Numbers {
        if self.has_large || size.has_large { Numbers::Large } else { Numbers::Exact }
    }

    /// The errors that a validator finds in an instance that is not valid. `most` limits the steps, `values` is the number of
    /// values in the instance.
    fn errors(
        &self,
        validator: &Validator,
        instance: &Value,
        (most, values): (u64, u64),
        visit: &mut dyn FnMut(&ValidationError<'_>),
    ) -> Option<Finding> {
        let pointers = weight::longest_pointer(instance).saturating_mul(most);
        if pointers > POINTERS_LEN_MAX && most <= STEPS_LISTED_MAX {
            let message =
                "it does not fulfil its schema; its names are too long for the places to be reported".to_owned();
            return Some(Finding::coded(BUDGET, message));
        }
        if most <= STEPS_LISTED_MAX && self.constant.saturating_mul(most) <= CONSTANTS_LEN_MAX {
            validator.iter_errors(instance).for_each(|error| visit(&error));
            return None;
        }
        if let Err(first) = validator.validate(instance) {
            visit(&first);
        }
        let message = format!("with {values} values to check only the first error is named; there may be more");
        Some(Finding::coded(BUDGET, message))
    }

    /// Whether a value is checked so fast that nobody needs to interrupt the check.
    pub(crate) fn is_quick(&self, instance: &Value) -> bool {
        let size = Size::of(instance);
        self.spread.steps(size) <= STEPS_QUICK_MAX
            && self.spread.effort(size).with_tries(TRIES_MAX) <= MATCHING_QUICK_MAX
    }

    /// Like [`each_error`](Self::each_error), for artifacts: a message also says which type of value was found, but shows
    /// none of its content.
    pub(crate) fn each_finding(&self, instance: &Value, visit: &mut dyn FnMut(Finding)) {
        let mut with_found = |error: &ValidationError<'_>| {
            let asked = message(error.kind());
            let found = if asked.starts_with("expected ") {
                format!(", found {}", kind_of(error.instance()))
            } else {
                String::new()
            };
            visit(finding(error, &(asked + &found)));
        };
        let exceeded = self.judge(instance, &mut with_found);
        exceeded.into_iter().for_each(visit);
    }
}

/// How every schema is compiled, with a limit of how often a pattern may be tried again on one string.
fn options<'o>(tries: usize, numbers: Numbers) -> ValidationOptions<'o> {
    let patterns = PatternOptions::fancy_regex().backtrack_limit(tries);
    let options = jsonschema::options().with_draft(Draft::Draft202012).offline().with_pattern_options(patterns);
    match numbers {
        Numbers::Exact => options,
        Numbers::Large => options.with_keyword(multiples::KEYWORD, multiples::keyword),
    }
}

/// The schemas of one plan or of one registry, which share a limit of steps to compile their patterns (rule G-69).
#[derive(Debug, Default)]
pub(crate) struct Compiling {
    /// The steps of the schemas so far.
    steps: u64,
}

impl Compiling {
    /// Compiles the next schema, from a file. Returns `None` once the limit was exceeded: one error covers all later schemas.
    pub(crate) fn load(&mut self, file: &Path) -> Option<Result<Loaded, String>> {
        if self.steps > COMPILING_ALL_MAX {
            return None;
        }
        Some(Schema::load(file).and_then(|loaded| {
            self.steps = self.steps.saturating_add(loaded.compiling);
            if self.steps > COMPILING_ALL_MAX {
                return Err(format!(
                    "its patterns and those of the schemas before it take more than {COMPILING_ALL_MAX} steps to compile"
                ));
            }
            Ok(loaded)
        }))
    }
}

/// Refuses patterns that take more than `most` steps to compile.
fn check_compiling(steps: u64, most: u64) -> Result<(), String> {
    if steps > most { Err(format!("its patterns take more than {most} steps to compile")) } else { Ok(()) }
}

fn check_draft(schema: &Value) -> Result<(), String> {
    match schema.get("$schema").map(|draft| draft.as_str().map(|text| text.trim_end_matches('#'))) {
        None | Some(Some(DRAFT)) => Ok(()),
        Some(other) => {
            let found = other.map_or_else(|| "something that is not text".to_owned(), |text| format!("`{text}`"));
            Err(format!("expected `$schema` to be `{DRAFT}`, found {found}"))
        }
    }
}

/// What is wrong with a schema, and where.
fn sentence(error: &ValidationError<'_>) -> String {
    let whole = error.to_string();
    match error.instance_path().as_str() {
        "" => whole,
        pointer => format!("at {pointer}: {whole}"),
    }
}

/// Checks a value against a schema, for contracts that are given a checker. The error that is reported is the first by place.
pub fn check_schema(schema: &Value, instance: &Value) -> Checked {
    let Work { steps, effort } = steps::work(schema, instance);
    if steps > STEPS_MAX {
        let message = format!("schema: holding the value against it takes more than {STEPS_MAX} steps");
        return Checked::Unusable(message);
    }
    let Some(tries) = effort.tries_within(MATCHING_FOR_CONTRACT_MAX) else {
        return Checked::Unusable(format!("schema: {TOO_LONG_TO_MATCH}"));
    };
    if let Err(why) = check_compiling(patterns::compiling(schema), COMPILING_FOR_CONTRACT_MAX) {
        return Checked::Unusable(format!("schema: {why}"));
    }
    let (compiled, size) = (Schema::compile(schema), Size::of(instance));
    let within = compiled
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|schema| Ok((schema, schema.validators.within(tries, schema.numbers(size))?)));
    let (schema, validator) = match within {
        Ok(both) => both,
        Err(why) => return Checked::Unusable(format!("schema: {why}")),
    };
    if validator.is_valid(instance) {
        return Checked::Valid;
    }
    if steps > STEPS_REPORTED_MAX {
        let message = format!(
            "it does not fulfil the schema; with more than {STEPS_REPORTED_MAX} steps the place is not reported"
        );
        return Checked::Invalid(message);
    }
    let (mut first, mut is_judged): (Option<(String, String)>, bool) = (None, true);
    let mut visit = |error: &ValidationError<'_>| {
        is_judged &= !is_unfinished(error.kind());
        let finding = finding(error, &message(error.kind()));
        let found = (finding.instance_path, finding.message);
        if first.as_ref().is_none_or(|first| found < *first) {
            first = Some(found);
        }
    };
    let more = schema.errors(validator, instance, (steps, size.values), &mut visit);
    let first = first.or(more.map(|finding| (finding.instance_path, finding.message)));
    match first {
        None => Checked::Valid,
        Some((at, message)) if !is_judged => Checked::Unusable(format!("schema: {at}: {message}")),
        Some((at, message)) if at.is_empty() => Checked::Invalid(message),
        Some((at, message)) => Checked::Invalid(format!("{at}: {message}")),
    }
}

/// Whether the error says that matching a pattern was given up, and not that anything is wrong.
fn is_unfinished(kind: &ValidationErrorKind) -> bool {
    matches!(kind, ValidationErrorKind::BacktrackLimitExceeded { .. } | ValidationErrorKind::RegexEngineFailure { .. })
}

fn finding(error: &ValidationError<'_>, message: &str) -> Finding {
    let kind = error.kind();
    let (at, schema) = (error.instance_path(), error.evaluation_path());
    let (at, schema) = (short_pointer(at.as_str()), short_pointer(schema.as_str()));
    let finding = Finding::schema(&at, &schema, kind.keyword(), message);
    match kind {
        // A schema that is `false` has no keyword.
        ValidationErrorKind::FalseSchema => Finding { keyword: None, ..finding },
        kind if is_unfinished(kind) => Finding { error_code: Some(BUDGET.to_owned()), ..finding },
        _ => finding,
    }
}

/// A pointer in which a long name is replaced by its length. In a long pointer, the number of omitted names replaces them.
fn short_pointer(pointer: &str) -> Cow<'_, str> {
    if pointer.len() <= NAME_LEN_MAX {
        return Cow::Borrowed(pointer);
    }
    let (mut short, mut left_out) = (String::new(), 0);
    for name in pointer.split('/').skip(1) {
        let name = short_name(name);
        if short.len() + name.len() > POINTER_LEN_MAX {
            left_out += 1;
        } else {
            short = short + "/" + &name;
        }
    }
    let more = if left_out > 0 { format!("/({left_out} more)") } else { String::new() };
    Cow::Owned(short + &more)
}

fn short_name(name: &str) -> Cow<'_, str> {
    if name.len() <= NAME_LEN_MAX { Cow::Borrowed(name) } else { Cow::Owned(format!("({} bytes)", name.len())) }
}

/// What the schema asks, as a sentence that depends on the schema alone (and on the names of unknown members).
fn message(kind: &ValidationErrorKind) -> String {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::AdditionalItems { limit } => format!("expected at most {limit} items"),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            format!("unknown member {}", names(unexpected))
        }
        Kind::UnevaluatedItems { .. } => "items that the schema does not know".to_owned(),
        Kind::AnyOf { .. } => "expected to match at least one of the alternatives, matches none".to_owned(),
        Kind::OneOfNotValid { .. } => "expected to match exactly one of the alternatives, matches none".to_owned(),
        Kind::OneOfMultipleValid { .. } => "expected to match exactly one of the alternatives, matches more".to_owned(),
        Kind::Not { .. } => "matches what the schema forbids".to_owned(),
        Kind::Constant { expected_value } => format!("expected {}", text_of(expected_value)),
        Kind::Enum { options } => format!("expected one of {}", text_of(options)),
        Kind::Contains => "expected the number of matching items that the schema asks for".to_owned(),
        Kind::ContentEncoding { content_encoding } => format!("expected text encoded as {content_encoding}"),
        Kind::FromUtf8 { .. } => "expected encoded UTF-8 text".to_owned(),
        Kind::ContentMediaType { content_media_type } => format!("expected content of type {content_media_type}"),
        Kind::Custom { keyword, message } if keyword == multiples::KEYWORD => message.clone(),
        Kind::Custom { keyword, .. } => format!("violates `{keyword}`"),
        Kind::ExclusiveMaximum { limit } => format!("expected less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("expected more than {limit}"),
        Kind::Maximum { limit } => format!("expected at most {limit}"),
        Kind::Minimum { limit } => format!("expected at least {limit}"),
        Kind::FalseSchema => "nothing is allowed here".to_owned(),
        Kind::Format { format } => format!("expected the format {format}"),
        Kind::MaxItems { limit } => format!("expected at most {limit} items"),
        Kind::MinItems { limit } => format!("expected at least {limit} items"),
        Kind::MaxLength { limit } => format!("expected at most {limit} characters"),
        Kind::MinLength { limit } => format!("expected at least {limit} characters"),
        Kind::MaxProperties { limit } => format!("expected at most {limit} members"),
        Kind::MinProperties { limit } => format!("expected at least {limit} members"),
        Kind::MultipleOf { multiple_of } => format!("expected a multiple of {multiple_of}"),
        Kind::Pattern { pattern } => format!("expected text that matches `{pattern}`"),
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            "the pattern takes too long to match, so it is not known whether the string matches".to_owned()
        }
        Kind::PropertyNames { .. } => "a member has a name that the schema forbids".to_owned(),
        Kind::Required { property } => format!("required member {} is missing", text_of(property)),
        Kind::Type { kind: TypeKind::Single(expected) } => format!("expected type {expected}"),
        Kind::Type { kind: TypeKind::Multiple(expected) } => {
            let words: Vec<String> = expected.iter().map(|one| one.to_string()).collect();
            format!("expected type {}", words.join(" or "))
        }
        Kind::UniqueItems => "items are not unique".to_owned(),
        Kind::Referencing(_) => "the schema refers to something that is not there".to_owned(),
    }
}

/// The type and the size of a value.
fn kind_of(value: &Value) -> String {
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(number) if number.is_f64() => "a number".to_owned(),
        Value::Number(_) => "an integer".to_owned(),
        Value::String(text) => format!("text of {}", count(text.chars().count(), "character")),
        Value::Array(items) => format!("a list of {}", count(items.len(), "item")),
        Value::Object(members) => format!("an object of {}", count(members.len(), "member")),
    }
}

fn text_of(value: &Value) -> String {
    let text = String::from_utf8_lossy(&evlog_projection::canonical(value)).into_owned();
    if text.len() <= TEXT_LEN_MAX { text } else { format!("what the schema says in {} bytes", text.len()) }
}

/// The names, sorted and quoted; if there are many, only some.
fn names(unexpected: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut sorted: Vec<&String> = unexpected.iter().collect();
    sorted.sort_unstable();
    let shown: Vec<String> = sorted.iter().take(SHOWN).map(|name| text_of(&short_name(name).into())).collect();
    let more = if sorted.len() > SHOWN { format!(" and {} more", sorted.len() - SHOWN) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests;
