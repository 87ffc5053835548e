//! Retries: which policy applies, how long to wait, and what an exit code means (story.md 3.1 to 3.3).
//!
//! Nothing here draws at random: the draw is passed in as a number, and its result is recorded.

use super::duration;
use crate::members::{kind, malformed, pointer, quoted};
use crate::words::words;
use evlog_projection::Malformed;
use serde_json::{Map, Value, json};

/// The most retries that a policy may ask for.
pub const MAX_RETRIES_MAX: u32 = 10;
/// The shortest wait, in nanoseconds.
const DELAY_MIN_NS: i64 = 10_000_000;

words! {
    /// The growth of the wait.
    Backoff: "backoff" {
        /// It doubles.
        Exponential = 0, "exponential";
        /// It grows by the delay.
        Linear = 1, "linear";
        /// It stays the same.
        Constant = 2, "constant";
    }
}

words! {
    /// What the end of an attempt means for the next.
    ExitClass: "exit class" {
        /// It did what it should.
        Success = 0, "success";
        /// Another attempt may help.
        Retry = 1, "retry";
        /// Another attempt cannot help.
        Terminal = 2, "terminal";
        /// Another attempt may help, at a slower rate.
        RateLimited = 3, "rateLimited";
        /// It is not known how it ended.
        Unknown = 4, "unknown";
    }
}

impl ExitClass {
    /// Whether an attempt of this class is followed by another while retries are left.
    pub const fn is_retryable(self) -> bool {
        matches!(self, ExitClass::Retry | ExitClass::RateLimited | ExitClass::Unknown)
    }
}

/// Ranges of exit codes, both ends included, and their class. Every other code is `terminal`.
pub(crate) const EXIT_CLASSES: [(i64, i64, ExitClass); 8] = [
    (-1, -1, ExitClass::Unknown),
    (0, 0, ExitClass::Success),
    (1, 123, ExitClass::Terminal),
    (124, 124, ExitClass::Retry),
    (125, 127, ExitClass::Terminal),
    (128, 255, ExitClass::Retry),
    (429, 429, ExitClass::RateLimited),
    (i64::MIN, i64::MAX, ExitClass::Terminal),
];

/// The exit code of an attempt that ran out of time.
pub const TIMEOUT_CODE: i64 = 124;

/// The class of an exit code.
pub fn classify(code: i64) -> ExitClass {
    let of = |(from, to, _): &&(i64, i64, ExitClass)| (*from..=*to).contains(&code);
    EXIT_CLASSES.iter().find(of).map_or(ExitClass::Terminal, |(_, _, class)| *class)
}

/// A retry policy as a story gives it. The defaults fill in what it leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// How many executions may follow the first.
    pub max_retries: Option<u32>,
    /// The time to wait.
    pub delay: Option<String>,
    /// The longest wait.
    pub max_delay: Option<String>,
    /// By how many percent the wait may be longer.
    pub jitter: Option<i64>,
    /// The growth of the wait.
    pub backoff: Option<Backoff>,
}

/// A retry policy with the defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many executions may follow the first.
    pub max_retries: u32,
    /// The time to wait, in nanoseconds.
    pub delay_ns: i64,
    /// The longest wait, nanoseconds.
    pub max_delay_ns: Option<i64>,
    /// By how many percent the wait may be longer, 0 to 100.
    pub jitter: u8,
    /// The growth of the wait.
    pub backoff: Backoff,
}

/// The defaults of a retry policy.
pub const DEFAULT: Policy =
    Policy { max_retries: 3, delay_ns: duration::SECOND, max_delay_ns: None, jitter: 0, backoff: Backoff::Exponential };

impl Given {
    /// Reads a policy; `at` points to it.
    pub fn read(value: &Value, at: &str) -> Result<Given, Malformed> {
        let Value::Object(members) = value else {
            return Err(malformed(at, format!("expected an object, found {}", kind(value))));
        };
        let mut given = Given::default();
        for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
            let at = pointer(at, name);
            match name.as_str() {
                "maxRetries" => given.max_retries = Some(max_retries(value, &at)?),
                "delay" => given.delay = Some(text(value, &at)?),
                "maxDelay" => given.max_delay = Some(text(value, &at)?),
                "jitter" => given.jitter = Some(percent(value, &at)?),
                "backoff" => given.backoff = Some(backoff(value, &at)?),
                _ => {
                    let known = "`maxRetries`, `delay`, `maxDelay`, `jitter`, `backoff`";
                    return Err(malformed(at, format!("unknown member of a retry policy; it takes {known}")));
                }
            }
        }
        Ok(given)
    }

    /// The policy with the defaults filled in.
    pub fn resolve(&self, defaults: Policy) -> Policy {
        let delay = self.delay.as_deref().and_then(duration::parse_positive);
        let max_delay = self.max_delay.as_deref().and_then(duration::parse_positive);
        Policy {
            max_retries: self.max_retries.unwrap_or(defaults.max_retries),
            delay_ns: delay.unwrap_or(defaults.delay_ns),
            max_delay_ns: max_delay.or(defaults.max_delay_ns).map(|max| max.max(DELAY_MIN_NS)),
            jitter: self.jitter.map_or(defaults.jitter, |given| u8::try_from(given.clamp(0, 100)).unwrap_or(100)),
            backoff: self.backoff.unwrap_or(defaults.backoff),
        }
    }
}

/// The policy that applies to a step: its own, or else the story's. Either is taken as a whole; they are never mixed.
pub fn chosen<'a>(step: Option<&'a Given>, story: Option<&'a Given>) -> Option<&'a Given> {
    step.or(story)
}

impl Policy {
    /// How long to wait before retry number `number`, from 1, in nanoseconds. `draw` lengthens the wait. The addition is
    /// distributed evenly from zero up to, but not including, the jitter.
    pub fn delay_ns(&self, number: u32, draw: u64) -> i64 {
        let number = number.max(1);
        let capped = |delay: i64| self.max_delay_ns.map_or(delay, |max| delay.min(max));
        let raw = match self.backoff {
            Backoff::Constant => self.delay_ns,
            Backoff::Linear => self.delay_ns.saturating_mul(i64::from(number)),
            Backoff::Exponential => {
                let factor = 1_i64.checked_shl(number - 1).filter(|factor| *factor > 0).unwrap_or(i64::MAX);
                self.delay_ns.saturating_mul(factor)
            }
        };
        let delay = capped(raw);
        // At most 2^63 * 100 * 2^64 is below 2^134: the percentage is applied first, so that 128 bits are enough.
        let longest = i128::from(delay) * i128::from(self.jitter) / 100;
        let more = (longest * i128::from(draw >> 1)) >> 63;
        let delay = capped(i64::try_from(i128::from(delay) + more).unwrap_or(i64::MAX));
        delay.max(DELAY_MIN_NS)
    }

    /// The policy as an object of a step's record.
    pub fn to_json(self) -> Value {
        let mut policy = Map::new();
        policy.insert("maxRetries".into(), self.max_retries.into());
        policy.insert("delayMs".into(), json!(self.delay_ns / 1_000_000));
        policy.insert("maxDelayMs".into(), json!(self.max_delay_ns.map(|max| max / 1_000_000)));
        policy.insert("jitter".into(), self.jitter.into());
        policy.insert("backoff".into(), self.backoff.word().into());
        Value::Object(policy)
    }
}

/// The number used as a random draw: a hash of run, step, retry and time, so that it can be computed again.
pub(crate) fn draw(run: &str, step: &str, number: u32, time_ns: i128) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in [run.as_bytes(), step.as_bytes()] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    // Times within 64 bits must give the same draws as in earlier versions.
    let wide = time_ns.to_le_bytes();
    let time = if i64::try_from(time_ns).is_ok() { &wide[..8] } else { &wide[..] };
    hasher.update(&number.to_le_bytes()).update(time);
    let digest = hasher.finalize();
    digest.as_bytes().iter().take(8).fold(0, |draw, byte| draw << 8 | u64::from(*byte))
}

fn text(value: &Value, at: &str) -> Result<String, Malformed> {
    let Value::String(text) = value else {
        return Err(malformed(at, format!("expected a duration such as `1s`, found {}", kind(value))));
    };
    Ok(text.clone())
}

fn max_retries(value: &Value, at: &str) -> Result<u32, Malformed> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| *number <= MAX_RETRIES_MAX).ok_or_else(|| {
        malformed(
            at,
            format!("expected a whole number from 0 to {MAX_RETRIES_MAX}, found {}", quoted(&value.to_string())),
        )
    })
}

fn percent(value: &Value, at: &str) -> Result<i64, Malformed> {
    value.as_i64().ok_or_else(|| malformed(at, format!("expected a whole number of percent, found {}", kind(value))))
}

fn backoff(value: &Value, at: &str) -> Result<Backoff, Malformed> {
    value.as_str().and_then(Backoff::from_word).ok_or_else(|| {
        let known: Vec<_> = Backoff::ALL.iter().map(|known| known.word()).collect();
        let found = quoted(&value.to_string());
        malformed(at, format!("expected one of `{}`, found {found}", known.join("`, `")))
    })
}
