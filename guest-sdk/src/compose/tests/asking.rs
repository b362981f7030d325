//! What a part is asked reads as the part itself would read it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Board, Composed, Object, PartQuery, cbor};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Question {
    HowMany,
    IsThere(String),
    Between { first: Option<u64>, last: u64 },
    Both(bool, Wrapped),
}

/// A byte string, and not a list of numbers.
#[derive(Clone, Debug, PartialEq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

fn encoded(item: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    cbor::encode(item, &mut bytes).unwrap();
    bytes
}

/// A query of the part's own is read as it is without a part around it.
fn reads<Q: Clone + Debug + PartialEq + Serialize + DeserializeOwned>(query: Q) {
    let bytes = encoded(&query);
    assert_eq!(cbor::decode::<Q>(&bytes).unwrap(), query);
    let asked = PartQuery::Own(query);
    assert_eq!(cbor::decode::<PartQuery<Q>>(&bytes).unwrap(), asked);
    assert_eq!(encoded(&asked), bytes);
}

#[test]
fn a_query_of_any_shape_is_read_as_the_part_would() {
    reads(());
    reads(Unit);
    reads(true);
    reads(u64::MAX);
    reads(i64::MIN);
    reads(-(1_i128 << 64));
    reads(0.5_f64);
    reads("values".to_owned());
    reads('v');
    reads(Bytes(vec![1, 255]));
    reads(Wrapped(7));
    reads(Some(Wrapped(7)));
    reads(None::<u64>);
    reads((1_u8, "x".to_owned()));
    reads(vec![Some(1_u64), None]);
    reads(BTreeMap::from([("x".to_owned(), 1_u64)]));
    reads("127.0.0.1".parse::<IpAddr>().unwrap());
    reads(Question::HowMany);
    reads(Question::IsThere("value".to_owned()));
    reads(Question::Between {
        first: Some(1),
        last: 2,
    });
    reads(Question::Both(true, Wrapped(1)));
    reads(PartQuery::Own(PartQuery::Own(1_u64)));
}

#[test]
fn a_value_is_asked_for_by_its_word_whatever_else_the_part_is_asked() {
    fn is_value<Q: Debug + PartialEq + DeserializeOwned>() {
        let asked = cbor::decode::<PartQuery<Q>>(b"\x65value").unwrap();
        assert_eq!(asked, PartQuery::Value);
        // In chunks: "va", "lue".
        let asked = cbor::decode::<PartQuery<Q>>(b"\x7f\x62va\x63lue\xff").unwrap();
        assert_eq!(asked, PartQuery::Value);
    }
    is_value::<()>();
    is_value::<String>();
    is_value::<Question>();
    assert_eq!(encoded(&PartQuery::<()>::Value), b"\x65value");
}

#[test]
fn what_is_no_query_of_the_part_is_refused_with_what_was_found() {
    let complaint = |bytes: &[u8]| cbor::decode::<PartQuery<Question>>(bytes).unwrap_err();
    let unknown = complaint(b"\x65other").to_string();
    assert!(
        unknown.contains("other") && unknown.contains("how-many"),
        "{unknown}"
    );
    let number = complaint(b"\x05").to_string();
    assert!(number.contains("integer"), "{number}");
    assert!(cbor::decode::<PartQuery<()>>(b"\x05").is_err());
}

#[test]
fn a_part_without_queries_of_its_own_tells_its_value() {
    let object = Object::<Composed<Board>>::new();
    let points = b"\xa1\x65first\x65value";
    assert_eq!(object.query(Some(points)).unwrap(), b"\xa0");
    // There are no tags: the optional part is null.
    let tags = b"\xa1\x66second\x65value";
    assert_eq!(object.query(Some(tags)).unwrap(), b"\xf6");
    let ann = b"\xa1\x65first\xa1\x63ask\xa2\x63key\x63ann\x65query\x65value";
    let refusal = object.query(Some(ann)).unwrap_err();
    assert_eq!(refusal.message(), "ann is not there");
}
