use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use super::*;
use crate::Random;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Edit {
    Insert { at: u64, text: String },
    Count(i64),
    Pair(u8, f64),
    Clear,
}

fn bytes_of<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes).unwrap();
    bytes
}

fn comes_back<T: Serialize + for<'a> Deserialize<'a> + PartialEq + Debug>(value: T) {
    assert_eq!(decode::<T>(&bytes_of(&value)).unwrap(), value);
}

fn error_of<T: for<'a> Deserialize<'a> + Debug>(bytes: &[u8]) -> String {
    decode::<T>(bytes).unwrap_err().to_string()
}

#[test]
fn every_shape_comes_back() {
    for edge in [
        0,
        23,
        24,
        255,
        256,
        65_535,
        65_536,
        u64::from(u32::MAX),
        1 << 32,
        u64::MAX,
    ] {
        comes_back(edge);
        comes_back(edge as i64);
        comes_back(!edge as i64);
    }
    comes_back(-1 - i128::from(u64::MAX));
    comes_back((
        true,
        'ß',
        1.5f32,
        -0.25f64,
        String::from("text"),
        Some(3u8),
        None::<u8>,
        (),
    ));
    comes_back(BTreeMap::from([
        ("a".to_owned(), vec![1u16, 2]),
        ("b".to_owned(), vec![]),
    ]));
    comes_back(vec![
        Edit::Insert {
            at: 5,
            text: "x".into(),
        },
        Edit::Count(-3),
        Edit::Pair(1, 0.5),
        Edit::Clear,
    ]);
}

#[test]
fn the_encoding_is_that_of_the_standard() {
    let edit = Edit::Insert {
        at: 500,
        text: "hé".into(),
    };
    assert_eq!(
        bytes_of(&edit),
        b"\xa1\x66insert\xa2\x62at\x19\x01\xf4\x64text\x63h\xc3\xa9"
    );
    assert_eq!(bytes_of(&Edit::Clear), b"\x65clear");
    assert_eq!(bytes_of(&-500), b"\x39\x01\xf3");
    assert_eq!(bytes_of(&None::<u8>), b"\xf6");
}

#[test]
fn strings_can_be_borrowed() {
    let bytes = b"\x82\x62ab\x42cd";
    let (text, raw): (&str, &[u8]) = decode(bytes).unwrap();
    assert_eq!((text, raw), ("ab", &b"cd"[..]));
}

#[test]
fn what_other_encoders_write_is_read() {
    assert_eq!(
        decode::<f64>(b"\xf9\x3e\x00"),
        Ok(1.5),
        "a number of 16 bits"
    );
    assert_eq!(
        decode::<f64>(b"\xf9\x00\x01"),
        Ok(5.960_464_477_539_063e-8),
        "the smallest one"
    );
    assert_eq!(decode::<f64>(b"\xf9\xfc\x00"), Ok(f64::NEG_INFINITY));
    assert_eq!(
        decode::<f64>(b"\x02"),
        Ok(2.0),
        "an integer where any number is wanted"
    );
    assert_eq!(
        decode::<u64>(b"\x1b\0\0\0\0\0\0\0\x07"),
        Ok(7),
        "longer than needed"
    );
    assert_eq!(
        decode::<String>(b"\x7f\x62ab\x61c\xff"),
        Ok("abc".into()),
        "a text in pieces"
    );
    assert_eq!(
        decode::<Vec<u8>>(b"\x9f\x01\x02\xff"),
        Ok(vec![1, 2]),
        "an open array"
    );
    assert_eq!(
        decode::<Edit>(b"\xbf\x65count\x01\xff"),
        Ok(Edit::Count(1)),
        "an open map"
    );
    assert_eq!(decode::<Edit>(b"\xa1\x65clear\xf6"), Ok(Edit::Clear));
    assert_eq!(decode::<u8>(b"\xd9\xd9\xf7\x05"), Ok(5), "a tag");
}

#[test]
fn errors_say_what_was_found_and_what_would_do() {
    assert_eq!(
        error_of::<Edit>(b"\xa1\x65innsr\x01"),
        "unknown variant `innsr`, expected one of `insert`, `count`, `pair`, `clear`"
    );
    assert_eq!(
        error_of::<Edit>(b"\xa1\x66insert\xa1\x62at\x01"),
        "missing field `text`"
    );
    assert_eq!(
        error_of::<Edit>(b"\xa1\x65count\x61x"),
        "expected i64, found a text"
    );
    assert_eq!(
        error_of::<Edit>(b"\x07"),
        "expected enum Edit, found an integer"
    );
    assert_eq!(error_of::<u8>(b"\x19\x01\x00"), "expected u8, found 256");
    assert_eq!(
        error_of::<u8>(b"\xf9\x3e\x00"),
        "expected u8, found a number with a fraction"
    );
    assert_eq!(
        error_of::<char>(b"\x62ab"),
        "expected a character, found \"ab\""
    );
    assert_eq!(
        error_of::<Edit>(b"\xa2\x65count\x01\x65count\x02"),
        "expected a map with exactly one key"
    );
    assert_eq!(
        error_of::<Edit>(b"\x65count"),
        "expected a map from this name to its contents"
    );
    assert_eq!(
        error_of::<(u8, u8)>(b"\x83\x01\x02\x03"),
        "there are more elements than expected"
    );
    assert_eq!(error_of::<u8>(b"\x01\x02"), "there are bytes after its end");
    assert_eq!(
        error_of::<String>(b"\x65abc"),
        "the bytes end in the middle of a value"
    );
    assert_eq!(error_of::<String>(b"\x61\xff"), "a text is not UTF-8");
    assert_eq!(error_of::<u8>(b"\x1c"), "it is not CBOR");
}

#[test]
fn nesting_ends_at_its_bound() {
    #[derive(Debug, Deserialize)]
    struct Nest(#[allow(dead_code)] Vec<Nest>);
    let nested = |depth: u32| {
        let mut bytes = vec![0x81; depth as usize - 1];
        bytes.push(0x80);
        bytes
    };
    assert!(decode::<Nest>(&nested(DEPTH_MAX)).is_ok());
    assert_eq!(
        error_of::<Nest>(&nested(DEPTH_MAX + 1)),
        "it is nested too deeply"
    );
    assert!(decode::<u8>(&[0xc1; 100_000]).is_err(), "tags do not nest");
    assert_eq!(
        error_of::<serde::de::IgnoredAny>(&[0x81; 100_000]),
        "it is nested too deeply"
    );
}

#[test]
fn lengths_that_lie_allocate_nothing() {
    assert!(decode::<Vec<u64>>(b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    assert!(decode::<String>(b"\x7b\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
}

#[test]
fn fields_that_nobody_wants_are_passed_over() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Small {
        a: u8,
    }
    let more: [&[u8]; 7] = [
        b"\x01",
        b"\x62hi",
        b"\x82\x01\xf4",
        b"\xbf\x01\x02\xff",
        b"\xf9\0\0",
        b"\xf6",
        b"\xc1\x02",
    ];
    for item in more {
        let bytes = [b"\xa2\x61b", item, b"\x61a\x07"].concat();
        assert_eq!(decode::<Small>(&bytes), Ok(Small { a: 7 }), "{item:x?}");
    }
}

#[test]
fn any_bytes_at_all_are_decoded_or_refused() {
    let mut random = Random::new(1);
    for _ in 0..200_000 {
        let length = random.index(12);
        let bytes: Vec<u8> = (0..length).map(|_| random.number() as u8).collect();
        let _ = decode::<Vec<Edit>>(&bytes);
        let _ = decode::<Edit>(&bytes);
        let _ = decode::<serde::de::IgnoredAny>(&bytes);
    }
}
