//! A strict and borrowing reader of payloads, for serde: the inverse of bincode 2 `standard()`.
//!
//! Does: read what the tables of `docs/format.md` use, each value in its only valid encoding, with the same cursor that reads
//! commits. Does not: check the order of a map's keys, which depends on the type. The caller encodes the value again and
//! compares.
//!
//! Invariants: a count that is larger than the number of bytes left is refused. An integer of 128 bits is a time. Floats and
//! characters are refused, because no table has them.

use super::PayloadError;
use crate::cursor::Cursor;
use crate::error::{Corruption, Flaw};
use crate::limits::PAYLOAD_LEN_MAX;
use alloc::string::ToString;
use core::fmt;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor, value::U32Deserializer,
};

impl Error for PayloadError {
    #[cold]
    fn custom<T: fmt::Display>(what: T) -> PayloadError {
        PayloadError { what: what.to_string() }
    }
}

impl From<Corruption> for PayloadError {
    #[cold]
    fn from(corruption: Corruption) -> PayloadError {
        match corruption.flaw {
            Flaw::Truncated { of } => PayloadError::custom(format_args!("ends within {of}")),
            Flaw::Overlong => {
                PayloadError::custom("not in its one encoding: an integer takes more bytes than it needs")
            }
            flaw => PayloadError::custom(flaw),
        }
    }
}

/// A place in a payload. Flaws name the value's form: serde does not say which field it is.
#[derive(Debug)]
pub(super) struct Strict<'de> {
    cursor: Cursor<'de>,
    /// Whether a map was read, whose order is not checked here.
    pub(super) has_map: bool,
}

impl<'de> Strict<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Strict<'de> {
        Strict { cursor: Cursor::new(bytes, 0), has_map: false }
    }

    /// The number of bytes that are left.
    pub(super) fn remaining(&self) -> usize {
        self.cursor.remaining()
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'de [u8], PayloadError> {
        Ok(self.cursor.byte_string(PAYLOAD_LEN_MAX, "bytes")?)
    }

    #[inline]
    fn text(&mut self) -> Result<&'de str, PayloadError> {
        let bytes = self.cursor.byte_string(PAYLOAD_LEN_MAX, "text")?;
        core::str::from_utf8(bytes).map_err(PayloadError::custom)
    }

    /// A count of elements. It must not be larger than the number of bytes left.
    #[inline]
    fn count(&mut self) -> Result<usize, PayloadError> {
        let found = self.cursor.varint_max(PAYLOAD_LEN_MAX, "count")?;
        usize::try_from(found).map_err(PayloadError::custom)
    }
}

/// Integers. The visitor refuses a number beyond its type.
macro_rules! integers {
    ($($method:ident, $read:ident, $visit:ident;)*) => {
        $(#[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
            visitor.$visit(self.cursor.$read("integer")?)
        })*
    };
}

/// Types that no table has.
macro_rules! refused {
    ($($method:ident)*) => {
        $(#[cold]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
            Err(Error::invalid_type(Unexpected::Other("a value that no table has"), &visitor))
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Strict<'de> {
    type Error = PayloadError;

    integers! {
        deserialize_u8, u8, visit_u8;
        deserialize_u16, varint, visit_u64;
        deserialize_u32, varint, visit_u64;
        deserialize_u64, varint, visit_u64;
        deserialize_i16, varint_signed, visit_i64;
        deserialize_i32, varint_signed, visit_i64;
        deserialize_i64, varint_signed, visit_i64;
        deserialize_i128, time, visit_i128;
    }

    refused! {
        deserialize_any deserialize_i8 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_identifier deserialize_ignored_any
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        visitor.visit_bool(self.cursor.option("bool")?)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        visitor.visit_borrowed_str(self.text()?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        if self.cursor.option("option")? { visitor.visit_some(self) } else { visitor.visit_none() }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PayloadError> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PayloadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        let left = self.count()?;
        visitor.visit_seq(Elements { strict: self, left })
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, left: usize, visitor: V) -> Result<V::Value, PayloadError> {
        visitor.visit_seq(Elements { strict: self, left })
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, PayloadError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        let left = self.count()?;
        self.has_map = true;
        visitor.visit_map(Elements { strict: self, left })
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PayloadError> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PayloadError> {
        visitor.visit_enum(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The elements of a list, a tuple or a map, one after the other.
struct Elements<'s, 'de> {
    strict: &'s mut Strict<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = PayloadError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, PayloadError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.strict).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(self.strict.remaining()))
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = PayloadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, PayloadError> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, PayloadError> {
        seed.deserialize(&mut *self.strict)
    }

    fn size_hint(&self) -> Option<usize> {
        SeqAccess::size_hint(self)
    }
}

impl<'de> EnumAccess<'de> for &mut Strict<'de> {
    type Error = PayloadError;
    type Variant = Self;

    #[inline]
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), PayloadError> {
        let number = self.cursor.varint_max(u64::from(u32::MAX), "variant")?;
        let number: U32Deserializer<PayloadError> =
            u32::try_from(number).map_err(PayloadError::custom)?.into_deserializer();
        Ok((seed.deserialize(number)?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Strict<'de> {
    type Error = PayloadError;

    fn unit_variant(self) -> Result<(), PayloadError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, PayloadError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, PayloadError> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PayloadError> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}
