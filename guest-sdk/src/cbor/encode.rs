//! The encoder: every number in its shortest form of its kind, lengths beforehand where known.

use serde::Serialize;
use serde::ser::{
    self, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{major, simple};
use crate::Malformed;

type Result<T> = std::result::Result<T, Malformed>;

/// Appends items to a buffer.
pub(super) struct Encoder<'a> {
    pub(super) out: &'a mut Vec<u8>,
}

impl<'a> Encoder<'a> {
    /// Writes the first bytes of an item: its kind and its argument.
    fn head(&mut self, kind: u8, argument: u64) {
        let kind = kind << 5;
        match argument {
            0..24 => self.out.push(kind | argument as u8),
            24..0x100 => self.out.extend_from_slice(&[kind | 24, argument as u8]),
            0x100..0x1_0000 => self.wide(kind | 25, &(argument as u16).to_be_bytes()),
            0x1_0000..0x1_0000_0000 => self.wide(kind | 26, &(argument as u32).to_be_bytes()),
            _ => self.wide(kind | 27, &argument.to_be_bytes()),
        }
    }

    fn wide(&mut self, first: u8, rest: &[u8]) {
        self.out.push(first);
        self.out.extend_from_slice(rest);
    }

    fn string(&mut self, kind: u8, bytes: &[u8]) {
        self.head(kind, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// Begins an array or a map.
    fn begin(&mut self, kind: u8, length: Option<usize>) -> Parts<'_, 'a> {
        match length {
            Some(length) => self.head(kind, length as u64),
            None => self.out.push(kind << 5 | 31),
        }
        Parts {
            encoder: self,
            ends_with_break: length.is_none(),
        }
    }

    /// Begins a variant with contents.
    fn variant(&mut self, name: &str) {
        self.head(major::MAP, 1);
        self.string(major::TEXT, name.as_bytes());
    }
}

impl<'e, 'a> Serializer for &'e mut Encoder<'a> {
    type Ok = ();
    type Error = Malformed;
    type SerializeSeq = Parts<'e, 'a>;
    type SerializeTuple = Parts<'e, 'a>;
    type SerializeTupleStruct = Parts<'e, 'a>;
    type SerializeTupleVariant = Parts<'e, 'a>;
    type SerializeMap = Parts<'e, 'a>;
    type SerializeStruct = Parts<'e, 'a>;
    type SerializeStructVariant = Parts<'e, 'a>;

    fn serialize_bool(self, value: bool) -> Result<()> {
        self.out
            .push(if value { simple::TRUE } else { simple::FALSE });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<()> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<()> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<()> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<()> {
        match u64::try_from(value) {
            Ok(value) => self.head(major::UNSIGNED, value),
            Err(_) => self.head(major::NEGATIVE, !value as u64),
        }
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<()> {
        match (u64::try_from(value), u64::try_from(-1 - value)) {
            (Ok(value), _) => self.head(major::UNSIGNED, value),
            (_, Ok(value)) => self.head(major::NEGATIVE, value),
            _ => return Err(Malformed::new("an integer is beyond 64 bits")),
        }
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<()> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<()> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<()> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<()> {
        self.head(major::UNSIGNED, value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<()> {
        let value = u64::try_from(value);
        self.serialize_u64(value.map_err(|_| Malformed::new("an integer is beyond 64 bits"))?)
    }

    fn serialize_f32(self, value: f32) -> Result<()> {
        self.wide(simple::SINGLE, &value.to_be_bytes());
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        self.wide(simple::DOUBLE, &value.to_be_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        self.string(major::TEXT, value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        self.string(major::BYTES, value);
        Ok(())
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.out.push(simple::NULL);
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<()> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        self.variant(variant);
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Parts<'e, 'a>> {
        Ok(self.begin(major::ARRAY, length))
    }

    fn serialize_tuple(self, length: usize) -> Result<Parts<'e, 'a>> {
        Ok(self.begin(major::ARRAY, Some(length)))
    }

    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<Parts<'e, 'a>> {
        Ok(self.begin(major::ARRAY, Some(length)))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Parts<'e, 'a>> {
        self.variant(variant);
        Ok(self.begin(major::ARRAY, Some(length)))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Parts<'e, 'a>> {
        Ok(self.begin(major::MAP, length))
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Parts<'e, 'a>> {
        Ok(self.begin(major::MAP, Some(length)))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Parts<'e, 'a>> {
        self.variant(variant);
        Ok(self.begin(major::MAP, Some(length)))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The inside of an array or a map.
pub(super) struct Parts<'e, 'a> {
    encoder: &'e mut Encoder<'a>,
    ends_with_break: bool,
}

impl Parts<'_, '_> {
    fn part<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut *self.encoder)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<()> {
        self.encoder.string(major::TEXT, name.as_bytes());
        self.part(value)
    }

    fn finish(self) -> Result<()> {
        if self.ends_with_break {
            self.encoder.out.push(simple::BREAK);
        }
        Ok(())
    }
}

/// The traits of all kinds of lists differ in the name of one function.
macro_rules! list {
    ($trait:ident, $function:ident) => {
        impl $trait for Parts<'_, '_> {
            type Ok = ();
            type Error = Malformed;

            fn $function<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.part(value)
            }

            fn end(self) -> Result<()> {
                self.finish()
            }
        }
    };
}

list!(SerializeSeq, serialize_element);
list!(SerializeTuple, serialize_element);
list!(SerializeTupleStruct, serialize_field);
list!(SerializeTupleVariant, serialize_field);

impl SerializeMap for Parts<'_, '_> {
    type Ok = ();
    type Error = Malformed;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.part(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.part(value)
    }

    fn end(self) -> Result<()> {
        self.finish()
    }
}

impl SerializeStruct for Parts<'_, '_> {
    type Ok = ();
    type Error = Malformed;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<()> {
        self.field(name, value)
    }

    fn end(self) -> Result<()> {
        self.finish()
    }
}

impl SerializeStructVariant for Parts<'_, '_> {
    type Ok = ();
    type Error = Malformed;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<()> {
        self.field(name, value)
    }

    fn end(self) -> Result<()> {
        self.finish()
    }
}

impl ser::Error for Malformed {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}
