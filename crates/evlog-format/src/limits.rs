//! Every maximum of the format, with its unit, its reason, and the error if it is exceeded.
//!
//! A length is compared with its limit before anything is allocated or added, by readers and writers alike.

/// The longest frame body, in bytes. 16 MiB holds any sane commit, and bounds what one damaged length can make a
/// reader read. Exceeded: [`Flaw::Length`](crate::Flaw::Length) when read, [`TooLarge`](crate::commit::TooLarge) when written.
pub const FRAME_BODY_LEN_MAX: u32 = 16 * 1024 * 1024;

/// The most events of one commit. A commit is all or nothing and is held in memory while it is checked.
pub const EVENTS_PER_COMMIT_MAX: u64 = 65_536;

/// The longest payload of one event, in bytes: half a frame, so that a commit of a large event and its companions fits.
pub const PAYLOAD_LEN_MAX: u64 = 8 * 1024 * 1024;

/// The longest event, in bytes from its kind to the end of its payload: a payload, and the fields before it.
pub const EVENT_LEN_MAX: u64 = PAYLOAD_LEN_MAX + 256;

/// The longest stream name, in bytes of UTF-8. Names become file names, whose usual limit is 255.
pub const STREAM_LEN_MAX: u64 = 200;

/// The longest name of a custom kind, in bytes, its prefix `custom/` included.
pub const KIND_NAME_LEN_MAX: u64 = 120;

/// The longest actor, in bytes of UTF-8.
pub const ACTOR_LEN_MAX: u64 = 256;

/// The longest principal, in bytes of UTF-8.
pub const PRINCIPAL_LEN_MAX: u64 = 256;

/// The longest correlation, in bytes of UTF-8: several times a W3C `traceparent`.
pub const CORRELATION_LEN_MAX: u64 = 256;

/// The longest idempotency key, in bytes of UTF-8.
pub const IDEMPOTENCY_KEY_LEN_MAX: u64 = 256;

/// The smallest segment size limit, in bytes: a header and a few small frames, for tests.
pub const SEGMENT_LIMIT_MIN: u64 = 1024;

/// The largest segment size limit, in bytes: 1 GiB, so that a segment can be mapped, copied and verified as a unit.
pub const SEGMENT_LIMIT_MAX: u64 = 1024 * 1024 * 1024;

/// The default segment size limit of a log, in bytes.
pub const SEGMENT_LIMIT_DEFAULT: u64 = 64 * 1024 * 1024;

/// The latest time that a caller or a contract can give: 9999-12-31T23:59:59.999999999Z, the last that RFC 3339 can write. It
/// is in nanoseconds since 1970-01-01T00:00:00Z, which is the earliest time. Exceeded: [`Flaw::Time`](crate::Flaw::Time).
pub const TIME_MAX_NS: i128 = 253_402_300_799_999_999_999;

/// The largest position and the largest seq: they fit a signed 64-bit integer in every language.
pub const POSITION_MAX: u64 = i64::MAX.unsigned_abs();

const _: () = assert!(PAYLOAD_LEN_MAX < FRAME_BODY_LEN_MAX as u64);
