//! A value as a program gives it to a builder.
//!
//! `serde_json` turns a float that is not finite into `null`. That is not what the program gave. So such a float is kept
//! separately here, and the builder refuses it. If `json!` was applied to the float before, it is `null` already.

use serde_json::{Map, Number, Value};
use std::borrow::Cow;

/// A value, or a float that JSON cannot represent.
#[derive(Clone, Debug)]
pub struct Given(pub(crate) Result<Value, f64>);

macro_rules! from_values {
    ($($given:ty),*) => {
        $(impl From<$given> for Given {
            fn from(given: $given) -> Given {
                Given(Ok(given.into()))
            }
        })*
    };
}

from_values!(Value, Map<String, Value>, Number, String, &str, Cow<'_, str>, bool, (), i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl From<f64> for Given {
    fn from(given: f64) -> Given {
        Given(if given.is_finite() { Ok(given.into()) } else { Err(given) })
    }
}

impl From<f32> for Given {
    fn from(given: f32) -> Given {
        f64::from(given).into()
    }
}

impl<T: Into<Given>> From<Vec<T>> for Given {
    fn from(given: Vec<T>) -> Given {
        Given(given.into_iter().map(|item| item.into().0).collect::<Result<Vec<Value>, f64>>().map(Value::Array))
    }
}

impl<T: Into<Given> + Clone> From<&[T]> for Given {
    fn from(given: &[T]) -> Given {
        given.to_vec().into()
    }
}

impl<T: Into<Given>, const N: usize> From<[T; N]> for Given {
    fn from(given: [T; N]) -> Given {
        Vec::from(given).into()
    }
}

impl<T: Into<Given>> From<Option<T>> for Given {
    fn from(given: Option<T>) -> Given {
        given.map_or(Given(Ok(Value::Null)), Into::into)
    }
}
