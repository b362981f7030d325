//! CBOR for people to read.

use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::cbor;

/// Returns the item in a notation like that of JSON, or the bytes if they are none.
pub(super) fn diagnostic(bytes: &[u8]) -> String {
    match cbor::decode::<Text>(bytes) {
        Ok(Text(text)) => text,
        Err(_) => format!("{bytes:02x?}"),
    }
}

struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an item")
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text("null".into()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(format!("{text:?}")))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text, E> {
        Ok(Text(format!("{bytes:02x?}")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Text, A::Error> {
        let mut text = String::new();
        while let Some(Text(item)) = list.next_element()? {
            let _ = write!(text, "{}{item}", separator(&text));
        }
        Ok(Text(format!("[{text}]")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        let mut text = String::new();
        while let Some((Text(key), Text(value))) = map.next_entry()? {
            let _ = write!(text, "{}{key}: {value}", separator(&text));
        }
        Ok(Text(format!("{{{text}}}")))
    }
}

fn separator(before: &str) -> &'static str {
    if before.is_empty() { "" } else { ", " }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_shown_like_json() {
        let item = b"\xa1\x66insert\xa2\x62at\x05\x64text\x82\x61x\xf6";
        assert_eq!(
            diagnostic(item),
            r#"{"insert": {"at": 5, "text": ["x", null]}}"#
        );
        assert_eq!(diagnostic(b"\xff"), "[ff]");
    }
}
