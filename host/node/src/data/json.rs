//! JSON to CBOR, written while it is parsed: no tree is built.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT as BASE64;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use super::{BYTES, DataError, INTEGER, MAP, TAG, check_cbor, is_reserved};

/// Turns JSON text into the CBOR that it stands for; see the [module](super) for the mapping.
///
/// # Errors
///
/// [`DataError::Json`] with line and column if the text is not JSON or has a number that cannot
/// be kept exactly; the others as their names say.
pub fn json_to_cbor(text: &[u8]) -> Result<Vec<u8>, DataError> {
    let text = std::str::from_utf8(text).map_err(|error| DataError::Json(error.to_string()))?;
    refuse_wide_integers(text)?;
    let mut cbor = Vec::with_capacity(text.len());
    let mut parser = serde_json::Deserializer::from_str(text);
    Value { out: &mut cbor }
        .deserialize(&mut parser)
        .and_then(|()| parser.end())
        .map_err(|error| DataError::Json(error.to_string()))?;
    check_cbor(&cbor)?;
    Ok(cbor)
}

/// The parser would round integers beyond 64 bits to a float without a word.
fn refuse_wide_integers(text: &str) -> Result<(), DataError> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let end = end_of_number(bytes, at);
                let number = &text[at..end];
                if number.len() > 18 && !number.contains(['.', 'e', 'E']) && !fits(number) {
                    let line = text[..at].matches('\n').count() + 1;
                    return Err(DataError::Json(format!(
                        "line {line}: an integer beyond 64 bits would lose digits; \
                         write it as {{\"{INTEGER}\": \"…\"}}"
                    )));
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    Ok(())
}

fn fits(number: &str) -> bool {
    number.parse::<u64>().is_ok() || number.parse::<i64>().is_ok()
}

/// Index after the string that starts at `at`, or the end of the text.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_number(bytes: &[u8], at: usize) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    at + bytes[at..].iter().take_while(|byte| is_part(byte)).count()
}

/// The major types of CBOR (RFC 8949, section 3.1).
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTE_STRING: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const TABLE: u8 = 5;
const TAGGED: u8 = 6;

/// An item's head in its shortest form, and its length.
fn head(major: u8, value: u64) -> ([u8; 9], usize) {
    let mut head = [0; 9];
    let bytes = value.to_be_bytes();
    let (additional, used) = match value {
        0..=23 => (value as u8, 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    head[0] = major << 5 | additional;
    head[1..=used].copy_from_slice(&bytes[8 - used..]);
    (head, 1 + used)
}

fn push_head(out: &mut Vec<u8>, major: u8, value: u64) {
    let (head, length) = head(major, value);
    out.extend_from_slice(&head[..length]);
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    push_head(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Puts the head of a container before what was written since `start`.
fn close(out: &mut Vec<u8>, start: usize, major: u8, count: u64) {
    let (head, length) = head(major, count);
    out.splice(start..start, head[..length].iter().copied());
}

/// Writes the next JSON value to `out`.
struct Value<'o> {
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        parser.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.out.push(0xf6);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.out.push(if value { 0xf5 } else { 0xf4 });
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        push_head(self.out, UNSIGNED, value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        match u64::try_from(value) {
            Ok(value) => push_head(self.out, UNSIGNED, value),
            Err(_) => push_head(self.out, NEGATIVE, !(value as u64)),
        }
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.out.push(0xfb);
        self.out.extend_from_slice(&value.to_be_bytes());
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        push_text(self.out, value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let start = self.out.len();
        let mut count = 0;
        while items.next_element_seed(Value { out: self.out })?.is_some() {
            count += 1;
        }
        close(self.out, start, ARRAY, count);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let start = self.out.len();
        let mut count = 0;
        while let Some(key) = entries.next_key::<Cow<'de, str>>()? {
            if is_reserved(&key) {
                if count > 0 {
                    return Err(not_alone(&key));
                }
                special(&key, &mut entries, self.out)?;
                return match entries.next_key::<Cow<'de, str>>()? {
                    None => Ok(()),
                    Some(_) => Err(not_alone(&key)),
                };
            }
            push_text(self.out, &key);
            entries.next_value_seed(Value { out: self.out })?;
            count += 1;
        }
        close(self.out, start, TABLE, count);
        Ok(())
    }
}

fn not_alone<E: serde::de::Error>(key: &str) -> E {
    E::custom(format!(
        "the key {key} is reserved and must be its object's only one; as data, write \
         {{\"{MAP}\": [[\"{key}\", …], …]}}"
    ))
}

/// Writes what the value of a reserved key stands for.
fn special<'de, A: MapAccess<'de>>(
    key: &str,
    entries: &mut A,
    out: &mut Vec<u8>,
) -> Result<(), A::Error> {
    match key {
        BYTES => {
            let text: Cow<'de, str> = entries.next_value()?;
            let bytes = BASE64
                .decode(text.as_bytes())
                .map_err(|error| A::Error::custom(format!("{BYTES} is not base64: {error}")))?;
            push_head(out, BYTE_STRING, bytes.len() as u64);
            out.extend_from_slice(&bytes);
            Ok(())
        }
        INTEGER => integer(&entries.next_value::<Cow<'de, str>>()?, out)
            .ok_or_else(|| A::Error::custom(format!("{INTEGER} takes up to 38 decimal digits"))),
        MAP => entries.next_value_seed(Pairs { out }),
        _ => entries.next_value_seed(Tagged { out }),
    }
}

/// Writes a decimal integer: in 64 bits and a sign if it fits, else as a bignum.
fn integer(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.len() > 38 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i128 = text.parse().ok()?;
    let (magnitude, major, tag) = match u128::try_from(value) {
        Ok(value) => (value, UNSIGNED, 2),
        Err(_) => (!(value as u128), NEGATIVE, 3),
    };
    match u64::try_from(magnitude) {
        Ok(small) => push_head(out, major, small),
        Err(_) => {
            let bytes = magnitude.to_be_bytes();
            let bytes = &bytes[magnitude.leading_zeros() as usize / 8..];
            push_head(out, TAGGED, tag);
            push_head(out, BYTE_STRING, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
    }
    Some(())
}

/// `[[key, value], …]`, written as a map.
struct Pairs<'o> {
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Pairs<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        parser.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Pairs<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[[key, value], …] after {MAP}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        let start = self.out.len();
        let mut count = 0;
        while pairs.next_element_seed(Pair { out: self.out })?.is_some() {
            count += 1;
        }
        close(self.out, start, TABLE, count);
        Ok(())
    }
}

/// `[key, value]`, written one after the other.
struct Pair<'o> {
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Pair<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        parser.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Pair<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a pair [key, value]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0..2 {
            items
                .next_element_seed(Value { out: self.out })?
                .ok_or_else(|| A::Error::invalid_length(index, &"a pair [key, value]"))?;
        }
        Ok(())
    }
}

/// `[number, content]`, written as a tag.
struct Tagged<'o> {
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Tagged<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        parser.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Tagged<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[number, content] after {TAG}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let number: u64 = items
            .next_element()?
            .ok_or_else(|| A::Error::invalid_length(0, &"[number, content]"))?;
        push_head(self.out, TAGGED, number);
        items
            .next_element_seed(Value { out: self.out })?
            .ok_or_else(|| A::Error::invalid_length(1, &"[number, content]"))
    }
}
