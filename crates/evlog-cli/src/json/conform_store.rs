//! The answer of `conform-store`.

use serde::Serialize;

/// `conform-store`.
#[derive(Serialize)]
pub(crate) struct StoreObject<'a> {
    pub(crate) url: &'a str,
    pub(crate) conforms: bool,
    pub(crate) trials: Vec<StoreTrial<'a>>,
    /// Objects that could not be removed.
    pub(crate) left: &'a [String],
}

/// One trial of [`StoreObject`].
#[derive(Serialize)]
pub(crate) struct StoreTrial<'a> {
    pub(crate) trial: &'static str,
    /// `passed`, `failed` or `noted`.
    pub(crate) result: &'static str,
    pub(crate) found: &'a str,
}
