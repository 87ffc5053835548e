//! The formats, by their names.

use crate::cloudevents::CloudEvents;
use crate::csv::Csv;
use crate::flat::Flat;
use crate::otlp::Otlp;
use crate::sink::{Jsonl, Sink};
use crate::xes::Xes;
use std::io::{self, Write};

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON Lines, as `cat --json` prints them.
    Jsonl,
    /// Comma-separated values.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// `CloudEvents` 1.0, one event on each line.
    CloudEvents,
    /// XES, for process mining.
    Xes,
    /// Logs of `OpenTelemetry`, in JSON.
    OtlpJson,
}

impl Format {
    /// All formats, including those that this program was built without.
    pub const ALL: [Format; 6] =
        [Format::Jsonl, Format::Csv, Format::Parquet, Format::CloudEvents, Format::Xes, Format::OtlpJson];

    /// The name, as a caller types it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
            Format::Parquet => "parquet",
            Format::CloudEvents => "cloudevents",
            Format::Xes => "xes",
            Format::OtlpJson => "otlp-json",
        }
    }

    /// The suffix of a file in this format.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Jsonl | Format::CloudEvents | Format::OtlpJson => "jsonl",
            other => other.name(),
        }
    }

    /// Whether the events must come run by run.
    pub fn is_by_run(self) -> bool {
        self == Format::Xes
    }

    /// Whether this program was built with it.
    pub fn is_built_in(self) -> bool {
        self != Format::Parquet || cfg!(feature = "parquet")
    }

    /// Begins to write events of a log in this format; `None` if this program was built without it. The columns of payloads are
    /// for a format that has separate columns for them.
    #[cfg_attr(not(feature = "parquet"), expect(unused_variables, reason = "only Parquet has such columns"))]
    pub fn begin<'w, W: Write + Send + 'w>(
        self,
        log_id: &str,
        flat: &Flat,
        out: W,
    ) -> io::Result<Option<Box<dyn Sink<W> + 'w>>> {
        Ok(Some(match self {
            Format::Jsonl => Box::new(Jsonl { out }),
            Format::Csv => Box::new(Csv::new(out)?),
            #[cfg(feature = "parquet")]
            Format::Parquet => Box::new(crate::parquet::Parquet::new(log_id, flat, out)?),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => return Ok(None),
            Format::CloudEvents => Box::new(CloudEvents::new(log_id, out)),
            Format::Xes => Box::new(Xes::new(log_id, out)?),
            Format::OtlpJson => Box::new(Otlp::new(log_id, out)),
        }))
    }
}
