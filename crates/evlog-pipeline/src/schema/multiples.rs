//! `multipleOf` for numbers that a double cannot represent exactly.
//!
//! In evlog the value of a number is the decimal that is written (ADR 0012). From 2^53 on the validator computes with doubles,
//! whose values differ: 1152921504606847000 is a multiple of 1000, and its double is not. So this keyword replaces the
//! validator's own where such numbers occur. Elsewhere the validator's own is used, because it reports the path through
//! references. The validator does not give that path to keywords that are not its own.
//!
//! Invariant: exact for every accepted number, integer or not.

use super::text_of;
use jsonschema::paths::Location;
use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Number, Value};

pub(super) const KEYWORD: &str = "multipleOf";

/// From here on the distance between two doubles is larger than 1.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

/// Whether the double of a number may have another value than the number itself.
pub(super) fn is_large(number: &Number) -> bool {
    number.as_f64().is_none_or(|double| double.abs() >= EXACT_BELOW)
}

/// Whether a schema asks for multiples of such a number.
pub(super) fn has_large_divisor(schema: &Value) -> bool {
    match schema {
        Value::Array(items) => items.iter().any(has_large_divisor),
        Value::Object(members) => {
            let divisor = members.get(KEYWORD).and_then(Value::as_number);
            divisor.is_some_and(is_large) || members.values().any(has_large_divisor)
        }
        _ => false,
    }
}

/// Makes the keyword.
pub(super) fn keyword<'s>(
    _: &'s Map<String, Value>,
    divisor: &'s Value,
    _: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'s>> {
    match divisor.as_number().and_then(Decimal::of) {
        Some(value) => Ok(Box::new(Multiples { of: value, text: text_of(divisor) })),
        None => Err(ValidationError::custom("expected a number")),
    }
}

struct Multiples {
    of: Decimal,
    text: String,
}

impl<'i> Keyword<'i> for Multiples {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        let message = || format!("expected a multiple of {}", self.text);
        if self.is_valid(instance) { Ok(()) } else { Err(ValidationError::custom(message())) }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        instance.as_number().and_then(Decimal::of).is_none_or(|value| value.is_multiple_of(self.of))
    }
}

/// The size of a number, without its sign: `digits` times ten to the power of `exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decimal {
    digits: u64,
    exponent: i64,
}

impl Decimal {
    /// The decimal value of a number as it is written, without its sign; `None` if it has too many digits for a `u64`, which
    /// no accepted number has.
    fn of(number: &Number) -> Option<Decimal> {
        let text = number.to_string();
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        let mantissa = mantissa.trim_start_matches('-');
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{whole}{fraction}").parse().ok()?;
        let exponent = exponent.trim_start_matches('+').parse::<i64>().ok()?;
        Some(Decimal { digits, exponent: exponent - i64::try_from(fraction.len()).ok()? })
    }

    fn is_multiple_of(self, divisor: Decimal) -> bool {
        if self.digits == 0 || divisor.digits == 0 {
            return self.digits == 0;
        }
        let up = self.exponent - divisor.exponent;
        if up < 0 {
            let down = u32::try_from(-up).ok().and_then(|down| 10_u128.checked_pow(down));
            let whole = down.and_then(|down| down.checked_mul(divisor.digits.into()));
            return whole.is_some_and(|whole| u128::from(self.digits) % whole == 0);
        }
        let modulus = u128::from(divisor.digits);
        (0..up).fold(u128::from(self.digits) % modulus, |rest, _| rest * 10 % modulus) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evlog_projection::parse;

    fn is_multiple(value: &str, divisor: &str) -> bool {
        let decimal = |text: &str| Decimal::of(parse(text.as_bytes()).unwrap().as_number().unwrap()).unwrap();
        decimal(value).is_multiple_of(decimal(divisor))
    }

    #[test]
    fn multiples_are_judged_by_the_decimal_values_of_numbers() {
        for (value, divisor, expected) in [
            ("9007199254740992", "2", true),
            ("9007199254740992", "3", false),
            ("1152921504606847000", "1000", true),
            ("1152921504606847000", "1024", false),
            ("-1152921504606847000", "1152921504606847000", true),
            ("18446744073709552000", "9223372036854776000", true),
            ("9223372036854776000", "18446744073709552000", false),
            ("18446744073709552000", "16000", true),
            ("1e23", "10", true),
            ("1e23", "1e22", true),
            ("1e23", "3", false),
            ("1e300", "7", false),
            ("0", "1e300", true),
            ("1e22", "1e23", false),
            ("19.99", "0.01", true),
            ("19.995", "0.01", false),
            ("1e16", "0.1", true),
            ("0.3", "0.1", true),
            ("1e-27", "1e-28", true),
            ("1.5", "1e-300", true),
            ("1e-300", "1.5", false),
        ] {
            assert_eq!(is_multiple(value, divisor), expected, "{value} {divisor}");
        }
    }
}
