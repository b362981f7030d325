//! CBOR: is it acceptable, where are its parts, and what is it in JSON.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use minicbor::Decoder;
use minicbor::data::Type;

use super::{BYTES, DEPTH_MAX, DataError, INTEGER, MAP, Span, TAG, is_reserved};

/// Checks that `bytes` is exactly one well-formed CBOR item (RFC 8949), with valid UTF-8, nested
/// at most [`DEPTH_MAX`] deep, and that no map has a key twice. Allocates only lists of the keys
/// of the maps that are open.
///
/// # Errors
///
/// Says what is wrong and where.
pub fn check_cbor(bytes: &[u8]) -> Result<(), DataError> {
    let mut decoder = Decoder::new(bytes);
    check(&mut decoder, DEPTH_MAX)?;
    match bytes.len() - decoder.position() {
        0 => Ok(()),
        more => Err(DataError::Cbor(format!(
            "{more} bytes follow the end of the data"
        ))),
    }
}

/// Takes the commands out of a body that passed [`check_cbor`]: the items of the array in
/// `{"commands": […]}`, a map of one entry; anything else is one command by itself.
///
/// # Errors
///
/// How many there are, if more than `max`: they are counted, and not kept.
pub(crate) fn split_commands(body: &[u8], max: usize) -> Result<Vec<&[u8]>, usize> {
    match batch(body, max) {
        Ok(Some((_, count))) if count > max => Err(count),
        Ok(Some((items, _))) => Ok(items.into_iter().map(|span| &body[span]).collect()),
        _ => Ok(vec![body]),
    }
}

/// The first `max` commands, and how many there are.
fn batch(body: &[u8], max: usize) -> Result<Option<(Vec<Span>, usize)>, DataError> {
    let mut decoder = Decoder::new(body);
    if !matches!(
        decoder.datatype().map_err(malformed)?,
        Type::Map | Type::MapIndef
    ) {
        return Ok(None);
    }
    let one = at(body, 0)
        .map()
        .map_err(malformed)?
        .is_none_or(|count| count == 1);
    if !one {
        return Ok(None);
    }
    let [(key, value)] = &entries(&mut decoder)?[..] else {
        return Ok(None);
    };
    let mut value = at(body, value.start);
    let is_array = matches!(
        value.datatype().map_err(malformed)?,
        Type::Array | Type::ArrayIndef
    );
    if text_of(&body[key.clone()])?.as_deref() != Some("commands") || !is_array {
        return Ok(None);
    }
    let count = value.array().map_err(malformed)?;
    let (mut found, mut number) = (Vec::new(), 0);
    each(&mut value, count, |value| {
        let item = skip(value)?;
        if number < max {
            found.push(item);
        }
        number += 1;
        Ok(())
    })?;
    Ok(Some((found, number)))
}

fn at(whole: &[u8], position: usize) -> Decoder<'_> {
    let mut decoder = Decoder::new(whole);
    decoder.set_position(position);
    decoder
}

fn malformed(error: minicbor::decode::Error) -> DataError {
    DataError::Cbor(error.to_string())
}

fn refused(what: &str, decoder: &Decoder<'_>) -> DataError {
    DataError::Cbor(format!("{what} at byte {}", decoder.position()))
}

/// What an item is, with the forms that are treated alike in one.
enum Kind {
    Integer,
    Float,
    Bytes,
    Text,
    Array,
    Map,
    Tag,
    Bool,
    Null,
}

fn kind(decoder: &Decoder<'_>) -> Result<Kind, DataError> {
    Ok(match decoder.datatype().map_err(malformed)? {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Kind::Integer,
        Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => Kind::Integer,
        Type::F16 | Type::F32 | Type::F64 => Kind::Float,
        Type::Bytes | Type::BytesIndef => Kind::Bytes,
        Type::String | Type::StringIndef => Kind::Text,
        Type::Array | Type::ArrayIndef => Kind::Array,
        Type::Map | Type::MapIndef => Kind::Map,
        Type::Tag => Kind::Tag,
        Type::Bool => Kind::Bool,
        Type::Null | Type::Undefined => Kind::Null,
        Type::Simple => return Err(refused("a simple value without a meaning", decoder)),
        Type::Break => return Err(refused("a break outside of anything", decoder)),
        Type::Unknown(_) => return Err(refused("a reserved head", decoder)),
    })
}

fn check(decoder: &mut Decoder<'_>, depth: usize) -> Result<(), DataError> {
    let inside = |depth: usize| depth.checked_sub(1).ok_or(DataError::TooDeep);
    match kind(decoder)? {
        Kind::Array => {
            let inside = inside(depth)?;
            let count = decoder.array().map_err(malformed)?;
            each(decoder, count, |decoder| check(decoder, inside))
        }
        Kind::Map => check_map(decoder, inside(depth)?),
        Kind::Tag => {
            decoder.tag().map_err(malformed)?;
            check(decoder, inside(depth)?)
        }
        Kind::Text => text(decoder).map(drop),
        Kind::Bytes => byte_string(decoder).map(drop),
        _ => decoder.skip().map_err(malformed),
    }
}

fn check_map(decoder: &mut Decoder<'_>, inside: usize) -> Result<(), DataError> {
    let count = decoder.map().map_err(malformed)?;
    let mut keys: Vec<&[u8]> = Vec::new();
    each(decoder, count, |decoder| {
        let start = decoder.position();
        let is_text = matches!(decoder.datatype(), Ok(Type::String));
        check(decoder, inside)?;
        let key = &decoder.input()[start..decoder.position()];
        // Texts are compared by what they say: their length may be written in several ways.
        keys.push(if is_text { after_head(key) } else { key });
        check(decoder, inside)
    })?;
    keys.sort_unstable();
    match keys.array_windows().find(|[one, next]| one == next) {
        Some([key, _]) => Err(DataError::DuplicateKey(shown(key))),
        None => Ok(()),
    }
}

/// A key for a message: short, and without anything that a terminal would obey.
fn shown(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(key) => format!("{:?}", key.chars().take(64).collect::<String>()),
        Err(_) => "(not a text)".to_owned(),
    }
}

/// The content of a definite text string that was found well-formed.
fn after_head(text: &[u8]) -> &[u8] {
    let head = match text.first().map_or(0, |first| first & 0x1f) {
        24 => 2,
        25 => 3,
        26 => 5,
        27 => 9,
        _ => 1,
    };
    text.get(head..).unwrap_or_default()
}

/// Calls `step` for each element of a container whose head was just read.
fn each<'b>(
    decoder: &mut Decoder<'b>,
    count: Option<u64>,
    mut step: impl FnMut(&mut Decoder<'b>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    match count {
        Some(count) => (0..count).try_for_each(|_| step(decoder)),
        None => {
            while decoder.datatype().map_err(malformed)? != Type::Break {
                step(decoder)?;
            }
            decoder.set_position(decoder.position() + 1);
            Ok(())
        }
    }
}

/// Steps over one item and says where it lies.
fn skip(decoder: &mut Decoder<'_>) -> Result<Span, DataError> {
    let start = decoder.position();
    decoder.skip().map_err(malformed)?;
    Ok(start..decoder.position())
}

fn entries(decoder: &mut Decoder<'_>) -> Result<Vec<(Span, Span)>, DataError> {
    let count = decoder.map().map_err(malformed)?;
    let mut found = Vec::new();
    each(decoder, count, |decoder| {
        found.push((skip(decoder)?, skip(decoder)?));
        Ok(())
    })?;
    Ok(found)
}

fn text<'b>(decoder: &mut Decoder<'b>) -> Result<Cow<'b, str>, DataError> {
    if decoder.datatype().map_err(malformed)? == Type::String {
        return decoder.str().map(Cow::Borrowed).map_err(malformed);
    }
    let chunks: Result<String, _> = decoder.str_iter().map_err(malformed)?.collect();
    chunks.map(Cow::Owned).map_err(malformed)
}

fn byte_string<'b>(decoder: &mut Decoder<'b>) -> Result<Cow<'b, [u8]>, DataError> {
    if decoder.datatype().map_err(malformed)? == Type::Bytes {
        return decoder.bytes().map(Cow::Borrowed).map_err(malformed);
    }
    let mut bytes = Vec::new();
    for chunk in decoder.bytes_iter().map_err(malformed)? {
        bytes.extend_from_slice(chunk.map_err(malformed)?);
    }
    Ok(Cow::Owned(bytes))
}

/// The item as a text, if it is one.
fn text_of(item: &[u8]) -> Result<Option<Cow<'_, str>>, DataError> {
    let mut decoder = Decoder::new(item);
    match kind(&decoder)? {
        Kind::Text => text(&mut decoder).map(Some),
        _ => Ok(None),
    }
}

/// Appends the JSON for one CBOR item to `out`; see the [module](super) for the mapping.
///
/// # Errors
///
/// If `bytes` is not acceptable CBOR; `out` then holds a part of the text.
pub(crate) fn write_json(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), DataError> {
    check_cbor(bytes)?;
    write(&mut Decoder::new(bytes), out)
}

/// Writes an item that passed the check, which bounded how deep this recurses.
fn write(decoder: &mut Decoder<'_>, out: &mut Vec<u8>) -> Result<(), DataError> {
    match kind(decoder)? {
        Kind::Integer => {
            let value = i128::from(decoder.int().map_err(malformed)?);
            write_integer(value, out);
        }
        Kind::Float => push(out, &decoder.f64().map_err(malformed)?),
        Kind::Bytes => write_bytes(&byte_string(decoder)?, out),
        Kind::Text => push(out, &*text(decoder)?),
        Kind::Array => {
            let count = decoder.array().map_err(malformed)?;
            write_array(decoder, count, out)?;
        }
        Kind::Map => write_map(decoder, out)?,
        Kind::Tag => write_tag(decoder, out)?,
        Kind::Bool => push(out, &decoder.bool().map_err(malformed)?),
        Kind::Null => {
            decoder.skip().map_err(malformed)?;
            out.extend_from_slice(b"null");
        }
    }
    Ok(())
}

fn push<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Numbers, booleans and texts, written to memory: none of it can fail.
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok());
}

fn write_integer(value: i128, out: &mut Vec<u8>) {
    if i64::try_from(value).is_ok() || u64::try_from(value).is_ok() {
        out.extend_from_slice(value.to_string().as_bytes());
    } else {
        out.extend_from_slice(format!("{{\"{INTEGER}\":\"{value}\"}}").as_bytes());
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{{\"{BYTES}\":\"{}\"}}", BASE64.encode(bytes)).as_bytes());
}

fn write_array(
    decoder: &mut Decoder<'_>,
    count: Option<u64>,
    out: &mut Vec<u8>,
) -> Result<(), DataError> {
    let mut before = b'[';
    each(decoder, count, |decoder| {
        out.push(before);
        before = b',';
        write(decoder, out)
    })?;
    if before == b'[' {
        out.push(before);
    }
    out.push(b']');
    Ok(())
}

fn write_map(decoder: &mut Decoder<'_>, out: &mut Vec<u8>) -> Result<(), DataError> {
    let input = decoder.input();
    let entries = entries(decoder)?;
    let is_object = entries.iter().all(
        |(key, _)| matches!(text_of(&input[key.clone()]), Ok(Some(key)) if !is_reserved(&key)),
    );
    let (open, pair, colon, end): (&str, &str, u8, &str) = match is_object {
        true => ("{", "", b':', "}"),
        false => (&format!("{{\"{MAP}\":["), "[", b',', "]}"),
    };
    out.extend_from_slice(open.as_bytes());
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(pair.as_bytes());
        write(&mut Decoder::new(&input[key]), out)?;
        out.push(colon);
        write(&mut Decoder::new(&input[value]), out)?;
        if !is_object {
            out.push(b']');
        }
    }
    out.extend_from_slice(end.as_bytes());
    Ok(())
}

fn write_tag(decoder: &mut Decoder<'_>, out: &mut Vec<u8>) -> Result<(), DataError> {
    let tag = decoder.tag().map_err(malformed)?.as_u64();
    let start = decoder.position();
    if let (2 | 3, Ok(Kind::Bytes)) = (tag, kind(decoder)) {
        let bytes = byte_string(decoder)?;
        if let Some(value) = bignum(tag == 3, &bytes) {
            write_integer(value, out);
            return Ok(());
        }
        decoder.set_position(start);
    }
    out.extend_from_slice(format!("{{\"{TAG}\":[{tag},").as_bytes());
    write(decoder, out)?;
    out.extend_from_slice(b"]}");
    Ok(())
}

/// The integer that a bignum stands for, if it has no more digits than are accepted as JSON.
fn bignum(is_negative: bool, bytes: &[u8]) -> Option<i128> {
    const DIGITS_END: i128 = 10i128.pow(38);
    if bytes.len() > 16 {
        return None;
    }
    let magnitude = bytes
        .iter()
        .fold(0u128, |number, byte| number << 8 | u128::from(*byte));
    let magnitude = i128::try_from(magnitude).ok()?;
    let value = if is_negative {
        -1 - magnitude
    } else {
        magnitude
    };
    (value.unsigned_abs() < DIGITS_END.unsigned_abs()).then_some(value)
}
