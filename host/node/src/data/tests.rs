//! The mapping, in both directions, and what it refuses.

use ciborium::Value;

use super::*;

fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn from_json(text: &str) -> Value {
    let bytes = json_to_cbor(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
    ciborium::from_reader(&bytes[..]).unwrap()
}

fn refusal(text: &str) -> String {
    json_to_cbor(text.as_bytes()).expect_err(text).to_string()
}

fn to_json(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    write_json(bytes, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn there_and_back(text: &str) {
    let bytes = json_to_cbor(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(to_json(&bytes), text);
}

#[test]
fn json_comes_back_as_it_was() {
    for text in [
        "null",
        "true",
        "false",
        "0",
        "23",
        "24",
        "255",
        "256",
        "65535",
        "65536",
        "4294967295",
        "4294967296",
        "-1",
        "-24",
        "-25",
        "-256",
        "-257",
        "\"\"",
        "\"é\\n\\\"\\u0000😀\"",
        "[]",
        "{}",
        "[1,[2,[]],{}]",
        "{\"b\":1,\"a\":[{\"c\":null}]}",
    ] {
        there_and_back(text);
    }
}

#[test]
fn integers_of_64_bits_are_exact() {
    for text in [
        "9007199254740993",
        "18446744073709551615",
        "9223372036854775807",
        "-9223372036854775808",
    ] {
        there_and_back(text);
    }
}

#[test]
fn integers_beyond_64_bits_keep_their_digits_or_are_refused() {
    for text in [
        "18446744073709551616",
        "-9223372036854775809",
        "[1, 123456789012345678901]",
    ] {
        assert!(refusal(text).contains("$integer"), "{text}");
    }
    for text in [
        "18446744073709551616",
        "-9223372036854775809",
        "-18446744073709551616",
        "-18446744073709551617",
        "99999999999999999999999999999999999999",
    ] {
        there_and_back(&format!("{{\"$integer\":\"{text}\"}}"));
    }
    assert_eq!(from_json("{\"$integer\": \"7\"}"), Value::from(7));
    for text in [
        "",
        "-",
        "+1",
        "1.5",
        "0x10",
        "1000000000000000000000000000000000000000",
    ] {
        assert!(refusal(&format!("{{\"$integer\": \"{text}\"}}")).contains("$integer"));
    }
    // Digits inside a string, or of a float, are no integer.
    there_and_back("\"\\\"123456789012345678901\"");
    assert_eq!(
        from_json("123456789012345678901.0"),
        Value::Float(123456789012345678901.0)
    );
}

#[test]
fn floats_are_exact_and_stay_floats() {
    for text in [
        "0.1",
        "1.0",
        "-0.0",
        "5e-324",
        "1.7976931348623157e+308",
        "3.141592653589793",
    ] {
        there_and_back(text);
    }
    assert_eq!(from_json("1e3"), Value::Float(1000.0));
    assert_eq!(
        to_json(&[0xf9, 0x3e, 0x00]),
        "1.5",
        "half precision is read too"
    );
    assert!(refusal("1e400").contains("out of range"));
}

#[test]
fn floats_without_json_notation_become_null_and_are_refused_as_json() {
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(to_json(&cbor(&Value::Float(float))), "null");
    }
    for text in ["NaN", "Infinity", "-Infinity", "[nan]"] {
        refusal(text);
    }
}

#[test]
fn byte_strings_are_base64() {
    there_and_back("{\"$bytes\":\"3q2+7w==\"}");
    assert_eq!(
        from_json("{\"$bytes\": \"3q2+7w\"}"),
        Value::Bytes(vec![0xde, 0xad, 0xbe, 0xef])
    );
    assert!(refusal("{\"$bytes\": \"!\"}").contains("base64"));
    refusal("{\"$bytes\": 7}");
}

#[test]
fn tags_and_maps_with_other_keys_have_a_notation() {
    there_and_back("{\"$tag\":[1,1700000000]}");
    there_and_back("{\"$map\":[[1,\"a\"],[null,[]],[{\"x\":1},2]]}");
    there_and_back("{\"$map\":[[\"$bytes\",\"not bytes\"]]}");
    assert_eq!(
        from_json("{\"$map\": [[\"a\", 1]]}"),
        from_json("{\"a\": 1}")
    );
    for text in [
        "{\"$map\": [[1]]}",
        "{\"$map\": [[1, 2, 3]]}",
        "{\"$map\": {}}",
        "{\"$tag\": [1]}",
        "{\"$tag\": [-1, 0]}",
        "{\"$tag\": [1, 2, 3]}",
    ] {
        refusal(text);
    }
}

#[test]
fn reserved_keys_stand_alone_wherever_they_come() {
    for text in [
        "{\"$bytes\": \"\", \"a\": 1}",
        "{\"a\": 1, \"$bytes\": \"\"}",
    ] {
        assert!(refusal(text).contains("$map"), "{text}");
    }
    there_and_back("{\"$ref\":\"#/a\",\"$other\":1}");
}

#[test]
fn a_key_twice_is_refused() {
    for text in [
        "{\"a\": 1, \"a\": 2}",
        "[{\"b\": {\"a\\u0062\": 1, \"ab\": 2}}]",
    ] {
        assert!(refusal(text).contains("twice"), "{text}");
    }
    assert!(refusal("{\"$map\": [[1, 2], [1, 3]]}").contains("twice"));
    // {"a": 1, "a": 2} with the second key's length in a longer form.
    let bytes = [0xa2, 0x61, b'a', 1, 0x78, 1, b'a', 2];
    assert_eq!(
        check_cbor(&bytes),
        Err(DataError::DuplicateKey("\"a\"".to_owned()))
    );
}

#[test]
fn nesting_is_bounded_in_both_notations() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    there_and_back(&nested(DEPTH_MAX));
    assert_eq!(
        json_to_cbor(nested(DEPTH_MAX + 1).as_bytes()),
        Err(DataError::TooDeep)
    );
    for depth in [1_000, 1_000_000] {
        json_to_cbor(nested(depth).as_bytes()).unwrap_err();
        json_to_cbor("[".repeat(depth).as_bytes()).unwrap_err();
        json_to_cbor("{\"a\":".repeat(depth).as_bytes()).unwrap_err();
        for head in [0x81, 0x9f, 0xa1, 0xbf, 0xc1] {
            assert_eq!(check_cbor(&vec![head; depth]), Err(DataError::TooDeep));
        }
    }
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    for text in [
        "",
        "{",
        "[1,]",
        "{a:1}",
        "'a'",
        "1 2",
        "{\"a\":1}x",
        "\"\\ud800\"",
        "01",
        "\u{feff}1",
    ] {
        refusal(text);
    }
    assert!(refusal("[1,\n 2,\n x]").contains("line 3"));
    assert!(json_to_cbor(b"\"\xff\"").is_err());
}

#[test]
fn what_is_not_cbor_is_refused() {
    let cases: [&[u8]; 14] = [
        b"",
        b"\x18",
        b"\x62a",
        b"\x61\xff",
        b"\x5f\x61a\xff",
        b"\x5f\x41a",
        b"\x82\x01",
        b"\xa1\x01",
        b"\xff",
        b"\x1c",
        b"\xf8\x10",
        b"\xe0",
        b"\x01\x01",
        b"\xc1",
    ];
    for bytes in cases {
        assert!(check_cbor(bytes).is_err(), "{bytes:x?}");
    }
}

#[test]
fn lengths_that_lie_cost_nothing() {
    for head in [0x5b, 0x7b, 0x9b, 0xbb] {
        let mut bytes = vec![head];
        bytes.extend_from_slice(&u64::MAX.to_be_bytes());
        assert!(check_cbor(&bytes).is_err());
        bytes.extend_from_slice(&[0; 64]);
        assert!(check_cbor(&bytes).is_err());
    }
}

#[test]
fn indefinite_lengths_are_read() {
    // {_ (_ "a", "b"): [_ 1, (_ h'01', h'02')]}
    let bytes = b"\xbf\x7f\x61a\x61b\xff\x9f\x01\x5f\x41\x01\x41\x02\xff\xff\xff";
    assert_eq!(to_json(bytes), "{\"ab\":[1,{\"$bytes\":\"AQI=\"}]}");
    assert_eq!(to_json(b"\xf7"), "null", "undefined");
}

#[test]
fn large_bignums_are_shown_as_the_tags_that_they_are() {
    let large = Value::Tag(2, Box::new(Value::Bytes(vec![1; 17])));
    assert!(to_json(&cbor(&large)).starts_with("{\"$tag\":[2,{\"$bytes\":"));
    let text = Value::Tag(2, Box::new(Value::Text("x".to_owned())));
    assert_eq!(to_json(&cbor(&text)), "{\"$tag\":[2,\"x\"]}");
}

#[test]
fn commands_are_taken_out_of_a_batch() {
    let split = |text: &str| {
        let body = json_to_cbor(text.as_bytes()).unwrap();
        split_commands(&body, 3)
            .unwrap()
            .into_iter()
            .map(to_json)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        split("{\"commands\": [1, {\"a\": [2]}, \"x\"]}"),
        ["1", "{\"a\":[2]}", "\"x\""]
    );
    assert!(split("{\"commands\": []}").is_empty());
    for one in [
        "{\"commands\":1}",
        "{\"commands\":[],\"more\":1}",
        "[1,2]",
        "\"commands\"",
        "{}",
    ] {
        assert_eq!(split(one), [one]);
    }
    assert_eq!(
        split_commands(b"\xbf\x68commands\x9f\x01\x02\xff\xff", 2),
        Ok(vec![&b"\x01"[..], b"\x02"])
    );
    // Of too many only the number is kept.
    let many = b"\xbf\x68commands\x9f\x01\x02\xff\xff";
    assert_eq!(split_commands(many, 1), Err(2));
    let body = json_to_cbor(b"{\"commands\": [1, 2, 3, 4]}").unwrap();
    assert_eq!(split_commands(&body, 3), Err(4));
}

#[test]
fn random_values_survive_the_way_through_json() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..2_000 {
        let bytes = cbor(&random(&mut next, 4));
        let text = to_json(&bytes);
        assert_eq!(json_to_cbor(text.as_bytes()).unwrap(), bytes, "{text}");
    }
}

/// A value whose CBOR is in the form that the mapping writes.
fn random(next: &mut impl FnMut() -> u64, depth: u32) -> Value {
    let count = next() % 4;
    match next() % if depth == 0 { 6 } else { 9 } {
        0 => Value::Null,
        1 => Value::Bool(next().is_multiple_of(2)),
        2 => Value::from(next() >> (next() % 64)),
        3 => Value::from(-1 - (next() >> (next() % 63 + 1)) as i64),
        4 => Value::Bytes(next().to_be_bytes()[..count as usize].to_vec()),
        5 => Value::Text(format!("${}", next())),
        6 => Value::Array((0..count).map(|_| random(next, depth - 1)).collect()),
        7 => Value::Tag(6 + count, Box::new(random(next, depth - 1))),
        _ => Value::Map(
            (0..count)
                .map(|key| (Value::from(key), random(next, depth - 1)))
                .collect(),
        ),
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut state = 88_172_645_463_325_252_u64;
    for round in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..round % 24 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.push(state as u8);
        }
        let mut text = Vec::new();
        if write_json(&bytes, &mut text).is_ok() {
            serde_json::from_slice::<serde_json::Value>(&text).unwrap();
            let _ = split_commands(&bytes, 2);
        }
        let _ = json_to_cbor(&bytes);
    }
}
