//! The decoder: total over any bytes.
//!
//! Each kind of item has a function of its own, so that a component contains only those that its
//! types need.

use std::fmt::Display;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Expected, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

use super::reader::{Length, Reader, Result, fail};
use super::{DEPTH_MAX, major, simple};
use crate::Malformed;

/// Reads items from the front of a slice.
pub(super) struct Decoder<'de> {
    reader: Reader<'de>,
    depth: u32,
}

impl<'de> Decoder<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Self {
            reader: Reader::new(bytes),
            depth: 0,
        }
    }

    /// Checks that nothing is left.
    pub(super) fn end(&self) -> Result<()> {
        if self.reader.is_empty() {
            Ok(())
        } else {
            fail("there are bytes after its end")
        }
    }

    #[inline]
    fn integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.reader.kind()? {
            major::UNSIGNED => visitor.visit_u64(self.reader.argument()?),
            major::NEGATIVE => {
                let complement = self.reader.argument()?;
                match i64::try_from(complement) {
                    Ok(complement) => visitor.visit_i64(!complement),
                    Err(_) => visitor.visit_i128(!i128::from(complement)),
                }
            }
            _ => self.mismatch(&visitor),
        }
    }

    /// An integer will do where any number is wanted.
    fn float<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.reader.float()? {
            Some(number) => visitor.visit_f64(number),
            None => self.integer(visitor),
        }
    }

    #[inline]
    fn text<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        if self.reader.kind()? != major::TEXT {
            return self.mismatch(&visitor);
        }
        let valid = match self.reader.length()? {
            Length::Known(length) => match std::str::from_utf8(self.reader.take(length)?) {
                Ok(text) => return visitor.visit_borrowed_str(text),
                Err(error) => Err(error),
            },
            Length::UntilBreak => match String::from_utf8(self.reader.joined(major::TEXT)?) {
                Ok(text) => return visitor.visit_string(text),
                Err(error) => Err(error.utf8_error()),
            },
        };
        valid.or_else(|_| fail("a text is not UTF-8"))
    }

    fn bytes<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        if self.reader.kind()? != major::BYTES {
            return self.mismatch(&visitor);
        }
        match self.reader.length()? {
            Length::Known(length) => visitor.visit_borrowed_bytes(self.reader.take(length)?),
            Length::UntilBreak => visitor.visit_byte_buf(self.reader.joined(major::BYTES)?),
        }
    }

    fn boolean<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.reader.first()? {
            first @ (simple::FALSE | simple::TRUE) => {
                self.reader.take(1)?;
                visitor.visit_bool(first == simple::TRUE)
            }
            _ => self.mismatch(&visitor),
        }
    }

    fn null<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        if self.reader.take_null()? {
            visitor.visit_unit()
        } else {
            self.mismatch(&visitor)
        }
    }

    #[inline]
    fn list<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.reader.kind()? {
            major::ARRAY => self.nested(|items| visitor.visit_seq(items)),
            _ => self.mismatch(&visitor),
        }
    }

    #[inline]
    fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.reader.kind()? {
            major::MAP => self.nested(|items| visitor.visit_map(items)),
            _ => self.mismatch(&visitor),
        }
    }

    /// Whatever comes next.
    fn item<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.reader.kind()? {
            major::BYTES => self.bytes(visitor),
            major::TEXT => self.text(visitor),
            major::ARRAY => self.list(visitor),
            major::MAP => self.map(visitor),
            _ => match self.reader.first()? {
                simple::FALSE | simple::TRUE => self.boolean(visitor),
                simple::NULL | simple::UNDEFINED => self.null(visitor),
                _ => self.float(visitor),
            },
        }
    }

    /// Passes over whatever comes next.
    fn pass<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.pass_item()?;
        visitor.visit_unit()
    }

    fn pass_item(&mut self) -> Result<()> {
        match self.reader.kind()? {
            major::UNSIGNED | major::NEGATIVE => self.reader.argument().map(drop),
            kind @ (major::BYTES | major::TEXT) => match self.reader.length()? {
                Length::Known(length) => self.reader.take(length).map(drop),
                Length::UntilBreak => self.reader.joined(kind).map(drop),
            },
            kind @ (major::ARRAY | major::MAP) => self.nested(|items| {
                while !items.is_over()? {
                    items.decoder.pass_item()?;
                    if kind == major::MAP {
                        items.decoder.pass_item()?;
                    }
                }
                Ok(())
            }),
            _ if self.reader.float()?.is_some() => Ok(()),
            _ => self.reader.take(1).map(drop),
        }
    }

    /// Goes one level deeper for as long as `visit` runs; it must use up all items.
    #[inline]
    fn nested<T>(&mut self, visit: impl FnOnce(&mut Items<'_, 'de>) -> Result<T>) -> Result<T> {
        let length = self.reader.length()?;
        self.descend()?;
        let mut items = Items {
            decoder: self,
            length,
        };
        let value = visit(&mut items)?;
        if !items.is_over()? {
            return fail("there are more elements than expected");
        }
        self.depth -= 1;
        Ok(value)
    }

    #[inline]
    fn descend(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            fail("it is nested too deeply")
        } else {
            Ok(())
        }
    }

    /// Says that what comes next is not what is wanted.
    #[cold]
    #[inline(never)]
    fn mismatch<T>(&self, wanted: &dyn Expected) -> Result<T> {
        Err(Malformed::new(format!(
            "expected {wanted}, found {}",
            self.reader.description()?
        )))
    }
}

/// What serde may ask for, and the function that reads it.
macro_rules! read {
    ($($function:ident)* => $read:ident) => {$(
        #[inline]
        fn $function<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.$read(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = Malformed;

    read! { deserialize_any => item }
    read! { deserialize_ignored_any => pass }
    read! { deserialize_bool => boolean }
    read! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 => integer }
    read! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 => integer }
    read! { deserialize_i128 deserialize_u128 => integer }
    read! { deserialize_f32 deserialize_f64 => float }
    read! { deserialize_char deserialize_str deserialize_string deserialize_identifier => text }
    read! { deserialize_unit => null }
    read! { deserialize_seq => list }
    read! { deserialize_map => map }

    /// A list of small numbers is as good as a byte string; JSON knows no other.
    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.reader.kind()? == major::ARRAY {
            self.list(visitor)
        } else {
            self.bytes(visitor)
        }
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.reader.take_null()? {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.null(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value> {
        self.list(visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.list(visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.map(visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.reader.kind()? {
            major::TEXT => visitor.visit_enum(Variant {
                decoder: self,
                has_contents: false,
            }),
            major::MAP => {
                let length = self.reader.length()?;
                self.descend()?;
                let value = visitor.visit_enum(Variant {
                    decoder: self,
                    has_contents: true,
                })?;
                let is_single = match length {
                    Length::Known(count) => count == 1,
                    Length::UntilBreak => self.reader.take_break()?,
                };
                self.depth -= 1;
                if is_single {
                    Ok(value)
                } else {
                    fail("expected a map with exactly one key")
                }
            }
            _ => self.mismatch(&visitor),
        }
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The elements of an array or a map.
struct Items<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    length: Length,
}

impl<'de> Items<'_, 'de> {
    /// Says whether there is nothing more; if there is, counts one off.
    #[inline]
    fn is_over(&mut self) -> Result<bool> {
        match &mut self.length {
            Length::Known(0) => return Ok(true),
            Length::Known(left) => *left -= 1,
            Length::UntilBreak => {
                if self.decoder.reader.take_break()? {
                    self.length = Length::Known(0);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    #[inline]
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.is_over()? {
            Ok(None)
        } else {
            seed.deserialize(&mut *self.decoder).map(Some)
        }
    }

    fn count(&self) -> Option<usize> {
        match self.length {
            Length::Known(left) => usize::try_from(left).ok(),
            Length::UntilBreak => None,
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Malformed;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.count()
    }
}

impl<'de> MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = Malformed;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.next(seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        seed.deserialize(&mut *self.decoder)
    }

    fn size_hint(&self) -> Option<usize> {
        self.count()
    }
}

/// A variant's name, and the contents after it if there are any.
struct Variant<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    has_contents: bool,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Malformed;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self)> {
        let name = seed.deserialize(&mut *self.decoder)?;
        Ok((name, self))
    }
}

impl<'a, 'de> Variant<'a, 'de> {
    #[inline]
    fn contents(self) -> Result<&'a mut Decoder<'de>> {
        if self.has_contents {
            Ok(self.decoder)
        } else {
            fail("expected a map from this name to its contents")
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Malformed;

    #[inline]
    fn unit_variant(self) -> Result<()> {
        if self.has_contents {
            de::Deserialize::deserialize(self.decoder)
        } else {
            Ok(())
        }
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(self.contents()?)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value> {
        self.contents()?.list(visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.contents()?.map(visitor)
    }
}

impl de::Error for Malformed {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(format!("expected {wanted}, found {}", name(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(match found {
            Unexpected::Unsigned(number) => format!("expected {wanted}, found {number}"),
            Unexpected::Signed(number) => format!("expected {wanted}, found {number}"),
            Unexpected::Str(text) => format!("expected {wanted}, found {text:?}"),
            other => format!("expected {wanted}, found {}", name(&other)),
        })
    }
}

/// Serde's own words would print numbers with fractions, which alone takes 20 KB.
fn name(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) => "an integer",
        Unexpected::Signed(_) => "a negative integer",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Char(_) | Unexpected::Str(_) => "a text",
        Unexpected::Bytes(_) => "a byte string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a map",
        _ => "something else",
    }
}
