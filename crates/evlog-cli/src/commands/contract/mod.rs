//! `evlog contract`: lists, shows and checks contracts. No log is opened.

mod check;
mod lifecycle;
mod pipeline;
#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::error::{CommandError, Verdict};
use crate::files::read_text;
use crate::formats::{Answered, Format};
use crate::json::{ContractObject, ContractRow, hex};
use crate::reports::Kind;
use crate::table;
use crate::ui::{Text, Tone, Ui};
use clap::{Args, Subcommand, ValueEnum};
use evlog_audit::Rule;
use evlog_lifecycle::form::{BUILT_IN, Definition, FILE_LEN_MAX, Finding, built_in};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  evlog contract list         the built-in contracts
  evlog contract show status  its statuses, transitions and rules
  evlog contract show status --format mermaid
      the same as a diagram
  evlog contract check docs/examples/contracts/order.toml
  evlog submit --contract docs/examples/contracts/order.toml commands.jsonl

docs/contracts.md specifies contract files.";

const CHECK_EXAMPLES: &str = "\
Examples:
  evlog contract check order.toml
  evlog contract check contracts/*.toml --json
  evlog contract check contracts/*.toml --format sarif > contracts.sarif
  evlog contract check contracts/registry.json
      a registry of schemas, with their files

Exit codes:
  0   every file is a valid contract, or a valid registry (`*.json`)
  1   a file has errors: all of them are listed, with line and column
  2   a file cannot be read";

const SHOW_EXAMPLES: &str = "\
Examples:
  evlog contract show purple-axiom
  evlog contract show order.toml --format mermaid > order.mmd
  evlog contract show order.toml --format json | jq .definition
      as `create` takes it";

const LIST_EXAMPLES: &str = "\
Examples:
  evlog contract list
  evlog contract list --json | jq -r .blake3";

/// List, show and check contracts: the rules of runs, built in or in files
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ContractArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the built-in contracts
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Show a contract: statuses or stages, transitions, rules and reason codes
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Check contract files and registries, and report every error with line and column
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
}

#[derive(Args, Debug)]
struct CheckArgs {
    /// The contract files and registries
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    answered: Answered<Kind>,
}

#[derive(Args, Debug)]
struct ShowArgs {
    /// The name of a built-in contract, or a contract file
    #[arg(value_name = "NAME-OR-FILE")]
    contract: String,
    #[command(flatten)]
    answered: Answered<Diagram>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Diagram {
    /// A Mermaid diagram
    Mermaid,
}

pub(crate) fn run(ui: &mut Ui, context: &Context, args: &ContractArgs) -> Result<Verdict, CommandError> {
    match &args.what {
        What::List => {
            list(ui, context);
            Ok(Verdict::Yes)
        }
        What::Show(args) => show(ui, context, args),
        What::Check(args) => check::run(ui, &args.files, args.answered.format(context)),
    }
}

/// The kind of a definition as JSON names it: the contract that its runs are of.
fn kind(definition: &Definition) -> &'static str {
    match definition {
        Definition::Lifecycle(_) => "machine",
        Definition::Pipeline(_) => "pipeline",
    }
}

/// The kind of a definition, as a word for people.
fn word(definition: &Definition) -> &'static str {
    match definition {
        Definition::Lifecycle(_) => "lifecycle",
        Definition::Pipeline(_) => "pipeline",
    }
}

fn size(definition: &Definition) -> String {
    match definition {
        Definition::Lifecycle(lifecycle) => lifecycle::size(lifecycle),
        Definition::Pipeline(pipeline) => pipeline::size(pipeline),
    }
}

fn list(ui: &mut Ui, context: &Context) {
    let known: Vec<Definition> = BUILT_IN.iter().filter_map(|(name, _)| built_in::named(name)).collect();
    if context.json {
        for definition in &known {
            let (name, about) = (definition.name(), definition.about());
            ui.json(&ContractRow { name, kind: kind(definition), about, blake3: hex(&definition.digest()) });
        }
        return;
    }
    let row = |definition: &Definition| {
        let about = definition.about().unwrap_or_default().to_owned();
        vec![
            (definition.name().to_owned(), Tone::Strong),
            (word(definition).to_owned(), Tone::Plain),
            (size(definition), Tone::Plain),
            (about, Tone::Plain),
        ]
    };
    table::print(ui, &["CONTRACT", "KIND", "SIZE", "ABOUT"], &known.iter().map(row).collect::<Vec<_>>());
}

/// Reads a contract file; or returns all of its errors.
fn read(path: &Path) -> Result<Result<Definition, Vec<Finding>>, CommandError> {
    Ok(Definition::parse(&read_text(path, FILE_LEN_MAX)?))
}

/// Reads a contract file that must be valid.
pub(crate) fn load(path: &Path) -> Result<Definition, CommandError> {
    read(path)?.map_err(|findings| {
        let lines = findings.iter().map(|finding| format!("{}:{finding}", path.display()));
        CommandError::listed(std::iter::once(format!("`{}` is not a contract:", path.display())).chain(lines))
    })
}

fn named(contract: &str) -> Result<Definition, CommandError> {
    match built_in::named(contract) {
        Some(definition) => Ok(definition),
        None if Path::new(contract).exists() => load(Path::new(contract)),
        None => {
            let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            let message =
                format!("`{contract}`: expected a built-in definition ({}) or a file, found neither", known.join(", "));
            Err(CommandError::user(message)
                .meant(contract, known)
                .hint("`evlog contract list` lists the built-in contracts"))
        }
    }
}

fn show(ui: &mut Ui, context: &Context, args: &ShowArgs) -> Result<Verdict, CommandError> {
    let definition = named(&args.contract)?;
    match args.answered.format(context) {
        Format::Json => {
            let value = serde_json::from_str(definition.text()).unwrap_or_default();
            let (name, about) = (definition.name(), definition.about());
            let (kind, blake3) = (kind(&definition), hex(&definition.digest()));
            ui.json(&ContractObject { name, kind, about, blake3, definition: value });
        }
        Format::Own(Diagram::Mermaid) => {
            let text = match &definition {
                Definition::Lifecycle(lifecycle) => lifecycle::mermaid(lifecycle),
                Definition::Pipeline(pipeline) => pipeline::mermaid(pipeline),
            };
            ui.file(text.as_bytes());
        }
        Format::Text => text(ui, &definition),
    }
    Ok(Verdict::Yes)
}

fn text(ui: &mut Ui, definition: &Definition) {
    let mut facts = vec![("contract", definition.name().to_owned(), Tone::Strong)];
    facts.extend(definition.about().map(|about| ("about", about.to_owned(), Tone::Plain)));
    facts.push(("kind", format!("{} of {}", word(definition), size(definition)), Tone::Plain));
    facts.push(("blake3", hex(&definition.digest()), Tone::Plain));
    match definition {
        Definition::Lifecycle(lifecycle) => {
            facts.push(("undefined", lifecycle::undefined(lifecycle), Tone::Plain));
            table::facts(ui, &facts);
            lifecycle::text(ui, lifecycle);
        }
        Definition::Pipeline(pipeline) => {
            table::facts(ui, &facts);
            pipeline::text(ui, pipeline);
        }
    }
}

/// The rules on the order of a run's events.
fn rules(ui: &mut Ui, rules: &[Rule]) {
    if rules.is_empty() {
        return;
    }
    heading(ui, "Rules on order");
    let row = |rule: &Rule| {
        let enforced = if rule.is_enforced() { "yes" } else { "no" };
        vec![
            (rule.name().to_owned(), Tone::Strong),
            (rule.template().to_owned(), Tone::Plain),
            (rule.severity().word().to_owned(), Tone::Plain),
            (enforced.to_owned(), Tone::Plain),
            (rule.expected(), Tone::Plain),
        ]
    };
    table::print(ui, &["RULE", "TEMPLATE", "SEVERITY", "ENFORCED", "ASKS"], &rules.iter().map(row).collect::<Vec<_>>());
}

/// A blank line and a heading.
fn heading(ui: &mut Ui, words: &str) {
    ui.line(format_args!(""));
    ui.line(Text::default().toned(Tone::Strong, words));
}
