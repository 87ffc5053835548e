//! Which numbers are accepted: the one rule for all input (ADR 0012).
//!
//! A number is accepted if RFC 8785 writes it in a form with exactly the same decimal value. So a recorded number reads back as
//! the same number, and the canonical form of every accepted number is accepted too.
//!
//! Invariants:
//! - Nothing is rounded: a number is refused if a double cannot represent all its digits.
//! - Different spellings of a number are the same value: `1.0`, `1e0` and `1`; `1e16` and `10000000000000000`; `-0` and `0`.

use crate::canonical::{INTEGER_MAX, canonical};
use serde_json::{Number, Value};

/// The largest integer that this crate keeps as an integer. Larger integers are doubles, however they are spelled.
const INTEGER_MAX_DOUBLE: f64 = 9_007_199_254_740_991.0;

/// No double needs more significant digits than these.
const DIGITS_MAX: usize = 17;

/// How many significant digits every double of ordinary size represents exactly.
const DIGITS_CARRIED: usize = 15;

/// The powers of ten within which doubles have ordinary size, with some reserve.
const EXPONENT_ORDINARY: i64 = 290;

/// How much of a refused number a message repeats, in bytes.
const SHOWN_LEN_MAX: usize = 60;

/// Reads a number in decimal notation: digits with or without a sign, a point and an exponent. The error is a sentence.
pub fn number(token: &str) -> Result<Number, String> {
    let double: f64 = token.parse().map_err(|_| format!("expected a number, found `{}`", shown(token)))?;
    let Some(number) = of_double(double) else {
        return Err(format!("number {} is not finite as a double; write it as a string", shown(token)));
    };
    let decimal = Decimal::of(token);
    if decimal.is_carried() {
        return Ok(number);
    }
    let form = String::from_utf8_lossy(&canonical(&Value::Number(number.clone()))).into_owned();
    if decimal == Decimal::of(&form) {
        return Ok(number);
    }
    Err(format!("number {} would read back as {form}; write it as a string", shown(token)))
}

/// Applies the same rule to an integer: up to 2^53 - 1 in size it is kept as it is, beyond that [`number`] decides.
pub fn integer(value: i128) -> Result<Number, String> {
    match i64::try_from(value) {
        Ok(small) if small.unsigned_abs() <= INTEGER_MAX => Ok(small.into()),
        _ => number(&value.to_string()),
    }
}

/// Applies the rule to every number in a value that the program itself made, and replaces each number by its only
/// representation. So `1.0` becomes `1`.
pub fn settle(value: &mut Value) -> Result<(), String> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Number(found) => {
            *found = match (found.as_i64(), found.as_u64(), found.as_f64()) {
                (Some(whole), ..) => integer(whole.into())?,
                (None, Some(whole), _) => integer(whole.into())?,
                (None, None, double) => double.and_then(of_double).ok_or("number is not finite")?,
            };
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(settle),
        Value::Object(members) => members.values_mut().try_for_each(settle),
    }
}

/// The `Number` for a double: an integer if it is whole and at most 2^53 - 1 in size, otherwise the double; `None` if it is
/// not finite.
#[expect(clippy::cast_possible_truncation, reason = "it is whole, and no larger than 2^53 - 1")]
pub(crate) fn of_double(double: f64) -> Option<Number> {
    if double.fract() == 0.0 && double.abs() <= INTEGER_MAX_DOUBLE {
        return Some((double as i64).into());
    }
    Number::from_f64(double)
}

/// The first number in a JSON text that is refused: its offset in bytes, and the error message.
pub(crate) fn first_refused(json: &[u8]) -> Option<(usize, String)> {
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        at += match byte {
            b'"' => string_len(&json[at..]),
            b'-' | b'0'..=b'9' => {
                let len = json[at..].iter().take_while(|byte| is_part(**byte)).count();
                let token = str::from_utf8(&json[at..at + len]).unwrap_or_default();
                if let Err(message) = checked(token) {
                    return Some((at, message));
                }
                len
            }
            _ => 1,
        };
    }
    None
}

fn is_part(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Checks as [`number`] does, but does not make the number if its length alone shows that a double represents it.
fn checked(token: &str) -> Result<(), String> {
    if token.len() <= DIGITS_CARRIED && !token.contains(['e', 'E']) {
        return Ok(());
    }
    if Decimal::of(token).is_carried() { Ok(()) } else { number(token).map(drop) }
}

/// Length of the JSON string at the beginning of the text, with its quotes.
fn string_len(text: &[u8]) -> usize {
    let mut at = 1;
    loop {
        match text.get(at) {
            None => return text.len(),
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

fn shown(token: &str) -> String {
    match token.get(..SHOWN_LEN_MAX) {
        Some(beginning) if beginning.len() < token.len() => format!("{beginning}..."),
        _ => token.to_owned(),
    }
}

/// A decimal number, exactly: 0.DIGITS times ten to the exponent.
#[derive(PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    /// The significant digits, followed by zeros.
    digits: [u8; DIGITS_MAX],
    len: usize,
    /// Whether there are more significant digits than fit.
    is_longer: bool,
    exponent: i64,
}

impl Decimal {
    fn of(token: &str) -> Decimal {
        let (sign, unsigned) = match token.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, token.strip_prefix('+').unwrap_or(token)),
        };
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let mut decimal = Decimal { is_negative: sign, digits: [0; DIGITS_MAX], len: 0, is_longer: false, exponent: 0 };
        let mut is_fraction = false;
        for byte in mantissa.bytes() {
            match byte {
                b'.' => is_fraction = true,
                b'0' if decimal.len == 0 => decimal.exponent -= i64::from(is_fraction),
                digit => {
                    decimal.push(digit - b'0');
                    decimal.exponent += i64::from(!is_fraction);
                }
            }
        }
        if decimal.len == 0 {
            return Decimal { is_negative: false, exponent: 0, ..decimal };
        }
        decimal.len = DIGITS_MAX - decimal.digits.iter().rev().take_while(|digit| **digit == 0).count();
        decimal.exponent = decimal.exponent.saturating_add(exponent_of(exponent));
        decimal
    }

    fn push(&mut self, digit: u8) {
        match self.digits.get_mut(self.len) {
            Some(place) => *place = digit,
            None => self.is_longer |= digit != 0,
        }
        self.len = self.len.saturating_add(1);
    }

    /// Whether the count of digits and the size alone show that a double represents the number.
    fn is_carried(&self) -> bool {
        !self.is_longer && self.len <= DIGITS_CARRIED && self.exponent.abs() <= EXPONENT_ORDINARY
    }
}

/// The exponent. One that does not fit becomes `i64::MAX / 2` or `i64::MIN / 2`, and no number with such an exponent is
/// represented by a double.
fn exponent_of(text: &str) -> i64 {
    let beyond = if text.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
    text.parse().map_or(beyond, |exponent: i64| exponent.clamp(i64::MIN / 2, i64::MAX / 2))
}

#[cfg(test)]
mod tests;
