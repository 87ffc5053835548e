//! The formats of an answer: text, JSON, and those that only some commands have.

use crate::context::Context;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

/// The format of an answer. Every command has text and JSON; some have formats of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format<Own> {
    Text,
    Json,
    Own(Own),
}

/// The formats that a command has besides text and JSON.
pub(crate) trait OwnFormat: ValueEnum + Copy + std::fmt::Debug + Send + Sync + 'static {}

impl<Own: ValueEnum + Copy + std::fmt::Debug + Send + Sync + 'static> OwnFormat for Own {}

/// The option of commands with formats of their own.
#[derive(Args, Debug)]
pub(crate) struct Answered<Own: OwnFormat> {
    /// Format of the answer [default: text]
    #[arg(long, value_name = "FORMAT", value_parser = Format::<Own>::parser(), conflicts_with = "json")]
    format: Option<Format<Own>>,
}

impl<Own: OwnFormat> Answered<Own> {
    /// The format of the answer. `--json` asks for one, too.
    pub(crate) fn format(&self, context: &Context) -> Format<Own> {
        self.format.unwrap_or(if context.json { Format::Json } else { Format::Text })
    }
}

impl<Own: OwnFormat> Format<Own> {
    fn parser() -> impl TypedValueParser<Value = Format<Own>> {
        let shared = [("text", "For people"), ("json", "As with --json")];
        let shared = shared.map(|(name, help)| PossibleValue::new(name).help(help));
        let own = Own::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        PossibleValuesParser::new(shared.into_iter().chain(own)).map(|typed| match typed.as_str() {
            "text" => Format::Text,
            "json" => Format::Json,
            own => Own::from_str(own, false).map_or_else(|_| unreachable!("the parser knows no other"), Format::Own),
        })
    }
}
