//! What the stages of a plan read.

use super::Problems;
use crate::glob::Glob;
use crate::plan::{Input, InputFrom, raw};
use toml::Spanned;

pub(super) fn inputs(stage: &raw::Stage, problems: &mut Problems) -> Vec<Input> {
    let mut inputs = Vec::new();
    for input in &stage.input {
        let (span, input) = (input.span(), input.get_ref());
        let (named, is_pattern) = match (&input.path, &input.glob) {
            (Some(path), None) => (path, false),
            (None, Some(glob)) => (glob, true),
            (Some(_), Some(glob)) => {
                problems.at(glob.span(), "expected either `path` or `glob` of an input, found both");
                continue;
            }
            (None, None) => {
                problems.at(span, "expected `path` or `glob` of an input, found neither");
                continue;
            }
        };
        let from = match input.from {
            raw::From::Plan => InputFrom::Plan,
            raw::From::Run => InputFrom::Run,
        };
        match one(named, is_pattern, from) {
            Ok((above, glob)) => inputs.push(Input { above, glob, from, required: input.required }),
            Err(message) => problems.at(named.span(), message),
        }
    }
    inputs
}

/// The `../` at the beginning of a path, and the rest.
fn one(named: &Spanned<String>, is_pattern: bool, from: InputFrom) -> Result<(String, Glob), String> {
    let text = named.get_ref().as_str();
    let mut rest = text;
    while let Some(below) = rest.strip_prefix("../").filter(|_| from == InputFrom::Plan) {
        rest = below;
    }
    let glob = Glob::parse(rest).map_err(|error| format!("`{text}` cannot name an input: {error}"))?;
    match (glob.is_literal(), is_pattern) {
        (true, true) => Err(format!("`{text}` matches one path only; write it as `path`")),
        (false, false) => Err(format!("`{text}` holds `*`, `?` or `[`; write it as `glob`")),
        _ => Ok((text[..text.len() - rest.len()].to_owned(), glob)),
    }
}
