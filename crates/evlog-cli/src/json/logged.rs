//! A line of `EVLOG_LOG_LEVEL`.

use serde::Serialize;
use serde_json::{Map, Value};

/// What evlog did. Which targets and fields there are can change in any version.
#[derive(Serialize)]
pub(crate) struct LoggedLine<'a> {
    pub(crate) log: &'a str,
    pub(crate) time: &'a str,
    pub(crate) level: &'a str,
    pub(crate) target: &'a str,
    pub(crate) fields: Map<String, Value>,
}
