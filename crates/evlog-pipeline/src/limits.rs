//! Every maximum of this crate, with its unit and its reason.
//!
//! All of them limit the memory or disk that a misbehaving stage can use. None is a rule of the contract.

use std::time::Duration;

/// The longest plan file, in bytes. Plans are written by people.
pub(crate) const PLAN_LEN_MAX: u64 = 1024 * 1024;

/// The longest registry of schemas, in bytes. People write them.
pub(crate) const REGISTRY_LEN_MAX: u64 = 1024 * 1024;

/// The most steps to compare the patterns of a registry with each other, and again the most steps to compare the patterns of a
/// plan with them. A step is a pattern that is looked at, or a pair of places in two patterns. Thousands of ordinary bindings
/// take fewer steps.
pub(crate) const COMPARING_MAX: u64 = 10_000_000;

/// The longest schema file, in bytes.
pub(crate) const SCHEMA_LEN_MAX: u64 = 8 * 1024 * 1024;

/// The most files of one schema, and their greatest total length, in bytes. All of them are in memory at once.
pub(crate) const SCHEMA_FILES_MAX: usize = 256;
pub(crate) const SCHEMA_FILES_LEN_MAX: u64 = 32 * 1024 * 1024;

/// The longest line of a JSON Lines artifact, in bytes without its line feed. Lines are held in memory one at a time.
pub(crate) const LINE_LEN_MAX: u64 = 16 * 1024 * 1024;

/// The longest JSON document, in bytes. A document is held in memory whole; larger data belongs in JSON Lines.
pub(crate) const DOCUMENT_LEN_MAX: u64 = 256 * 1024 * 1024;

/// How much memory a JSON document may take once it is read, in bytes as [`memory_of_json`] estimates them. A list of small
/// objects takes seventy times its length.
pub(crate) const DOCUMENT_MEMORY_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// About how much memory a JSON text takes once it is read, in bytes: what is allocated for an object that is not empty, for
/// each further value, and for the texts. Braces, brackets and commas inside texts are counted too.
pub fn memory_of_json(text: &[u8]) -> u64 {
    const OBJECT_LEN: u64 = 720;
    const VALUE_LEN: u64 = 40;
    let objects = text.windows(2).filter(|two| two[0] == b'{' && two[1] != b'}').count() as u64;
    let values = text.iter().filter(|byte| matches!(byte, b',' | b'[')).count() as u64;
    objects * OBJECT_LEN + values * VALUE_LEN + text.len() as u64
}

/// The longest YAML document, in bytes. People write them. The reader takes two hundred bytes of memory for each byte of a
/// list in brackets, because the list could turn out to be a key.
pub(crate) const YAML_LEN_MAX: u64 = 4 * 1024 * 1024;

/// The deepest YAML document, in collections within each other: as deep as the JSON that is read.
pub(crate) const YAML_DEPTH_MAX: usize = 127;

/// How many columns, and groups of columns, a Parquet file may have; and how long the name of a column may be, in bytes, with
/// the names of its groups. All names of a file are in memory at once.
pub(crate) const COLUMNS_MAX: u32 = 65_536;
pub(crate) const COLUMN_NAME_LEN_MAX: usize = 1024;

/// How much memory the columns of a Parquet file may take while they are decoded, in bytes as the decoder counts.
pub(crate) const COLUMNS_LEN_MAX: usize = 64 * 1024 * 1024;

/// How deep groups of columns may be nested. Each level takes stack.
pub(crate) const COLUMN_DEPTH_MAX: usize = 128;

/// The longest file of substage outcomes, in bytes.
pub(crate) const OUTCOMES_LEN_MAX: u64 = 1024 * 1024;

/// How many lines a file of substage outcomes may have. Each line becomes a commit of its own, which is judged together with
/// all before it.
pub(crate) const OUTCOMES_MAX: usize = 1000;

/// The longest list of a stage's artifacts, in bytes: the sum over files of the path's length and 160. The list is one
/// event of the log, and the payload of an event has a limit.
pub(crate) const LISTING_LEN_MAX: u64 = 6 * 1024 * 1024;

/// The longest report of the publish gate, in bytes, for the same reason.
pub(crate) const REPORT_LEN_MAX: usize = 6 * 1024 * 1024;

/// The deepest directory below a staging directory or a bundle. Deeper trees cannot be named by a path of the contract
/// anyway.
pub(crate) const DEPTH_MAX: usize = 256;

/// The time between the request that a process group ends and the signal that forces it to end.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// How long evlog waits for a stage's output after all its processes have ended. Their output is in the pipe by then. Only a
/// process that was handed the pipe can hold it open, and it could do so for ever.
pub(crate) const DRAIN: Duration = Duration::from_secs(1);

/// How long a supervisor may take to end the processes that a stage left, in addition to the time that the supervisor waits
/// for them.
pub(crate) const SUPERVISOR_LIMIT: Duration = Duration::from_secs(10);

/// The default limit of a stage's captured output, in bytes.
pub(crate) const OUTPUT_LIMIT_DEFAULT: u64 = 10 * 1024 * 1024;

/// The smallest limit of captured output, in bytes: its beginning and end must still be useful.
pub(crate) const OUTPUT_LIMIT_MIN: u64 = 1024;

/// The longest time limit of a stage.
pub(crate) const TIME_LIMIT_MAX: Duration = Duration::from_hours(30 * 24);
