//! The built-in contract files. Each is read when it is first asked for.
//!
//! Invariant: a file that was released once stays, because runs are judged by it years later.

pub use crate::pipeline::purple_axiom;

use super::Definition;
use crate::fields::Origin;
use crate::{lifecycle, pipeline};
use std::sync::{Arc, LazyLock};

/// The files: name and text.
pub const BUILT_IN: [(&str, &str); 2] =
    [("status", include_str!("status.toml")), ("purple-axiom", pipeline::PURPLE_AXIOM_FILE)];

static STATUS: LazyLock<Arc<lifecycle::Definition>> = LazyLock::new(|| match read(BUILT_IN[0].1) {
    Definition::Lifecycle(definition) => definition,
    Definition::Pipeline(_) => unreachable!("status.toml has statuses"),
});

fn read(text: &str) -> Definition {
    super::parse(text, Origin::BuiltIn)
        .unwrap_or_else(|findings| unreachable!("a built-in file is right: {}", findings[0]))
}

/// The lifecycle by which runs of contract `status` are judged.
pub fn status() -> Arc<lifecycle::Definition> {
    Arc::clone(&STATUS)
}

/// The built-in definition of this name.
pub fn named(name: &str) -> Option<Definition> {
    match name {
        "status" => Some(Definition::Lifecycle(status())),
        "purple-axiom" => Some(Definition::Pipeline(purple_axiom())),
        _ => None,
    }
}
