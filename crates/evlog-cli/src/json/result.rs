//! The result lines of `evlog submit`.

use evlog::Answer;
use evlog_format::Seq;
use evlog_projection::Malformed;
use serde::{Serialize, Serializer};

/// The answer to one line of input. Absent members are left out.
#[derive(Serialize)]
pub(crate) struct ResultLine<'a> {
    line: u64,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Events<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject<'a>>,
}

struct Events<'a>(&'a [(Seq, String)]);

#[derive(Serialize)]
struct EventObject<'a> {
    seq: u64,
    kind: &'a str,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
}

impl Serialize for Events<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(seq, kind)| EventObject { seq: seq.0, kind }))
    }
}

impl<'a> ResultLine<'a> {
    /// The answer to a command.
    pub(crate) fn answered(line: u64, answer: &'a Answer) -> ResultLine<'a> {
        let error = answer.error.as_ref();
        ResultLine {
            line,
            result: answer.outcome.word(),
            run: Some(&answer.run),
            status: answer.status.as_deref(),
            events: Some(Events(&answer.events)),
            error: error.map(|error| ErrorObject { code: &error.code, message: &error.message, pointer: None }),
        }
    }

    /// A line that is not a command. `pointer` is absent if the whole line is wrong.
    pub(crate) fn malformed(line: u64, malformed: &'a Malformed) -> ResultLine<'a> {
        let pointer = Some(malformed.pointer.as_str()).filter(|pointer| !pointer.is_empty());
        let error = Some(ErrorObject { code: "MALFORMED", message: &malformed.message, pointer });
        ResultLine { line, result: "malformed", run: None, status: None, events: None, error }
    }

    /// A command that records nothing, for a reason outside its contract.
    pub(crate) fn not_taken(line: u64, run: &'a str, code: &'a str, message: &'a str) -> ResultLine<'a> {
        let error = Some(ErrorObject { code, message, pointer: None });
        ResultLine { line, result: "refused", run: Some(run), status: None, events: Some(Events(&[])), error }
    }
}
