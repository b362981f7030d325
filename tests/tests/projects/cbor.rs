//! The CBOR of the SDKs for JavaScript and Python, held to examples of RFC 8949 and to damage.

use std::path::Path;
use std::process::Command;

use crate::place::text;
use crate::tools::Tools;

/// Bytes in their shortest form, and the value in JSON.
const SAME: &str = r#"[
    ["00", 0], ["17", 23], ["1818", 24], ["1903e8", 1000], ["1a000f4240", 1000000],
    ["20", -1], ["3903e7", -1000], ["f4", false], ["f5", true], ["f6", null],
    ["60", ""], ["6161", "a"], ["62c3bc", "ü"], ["63e6b0b4", "水"], ["64f0908591", "𐅑"],
    ["80", []], ["83010203", [1, 2, 3]], ["a0", {}], ["a26161016162820203", {"a": 1, "b": [2, 3]}],
    ["fb3ff199999999999a", 1.1], ["1b000000e8d4a51000", 1000000000000]
]"#;
/// Bytes that are no value: too short, too long, not UTF-8, a key that is no text or stands twice,
/// a tag, no length, a length that lies.
const WRONG: &str = r#"["", "18", "62c3", "61ff", "62c080", "83", "a1", "a10102", "a2616101616102",
    "ff", "1c", "c000", "5f", "9b7fffffffffffffff", "0000"]"#;

fn sdk(language: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk");
    let folder = folder.join(language).canonicalize().unwrap();
    text(&folder).to_owned()
}

fn prints_ok(command: &mut Command) {
    let ran = command.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "ok", "{said}");
}

#[test]
fn javascript_reads_and_writes_what_the_standard_says() {
    if !Tools::JavaScript.are_there() {
        return;
    }
    let script = r#"
        const [sdk, same, wrong] = process.argv.slice(1);
        const { decode, encode } = await import(`${sdk}/cbor.js`);
        const assert = await import("node:assert");
        const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
        const hex = (value) => Buffer.from(encode(value)).toString("hex");
        const plain = (value) => JSON.parse(JSON.stringify(value));
        for (const [encoded, value] of JSON.parse(same)) {
            assert.deepStrictEqual(plain(decode(bytes(encoded))), value, encoded);
            assert.strictEqual(hex(value), encoded);
        }
        for (const encoded of [...JSON.parse(wrong), "81".repeat(70) + "00"]) {
            assert.throws(() => decode(bytes(encoded)), Error, encoded);
        }
        assert.strictEqual(decode(bytes("1bffffffffffffffff")), 2n ** 64n - 1n);
        assert.strictEqual(hex(2n ** 64n - 1n), "1bffffffffffffffff");
        assert.throws(() => encode(2n ** 64n));
        console.log("ok");"#;
    let mut node = Command::new("node");
    node.args(["--input-type=module", "-e", script]);
    prints_ok(node.args([&sdk("js"), SAME, WRONG]));
}

#[test]
fn python_reads_and_writes_what_the_standard_says() {
    if !Tools::Python.are_there() {
        return;
    }
    let script = r#"
import json, sys
sdk, same, wrong = sys.argv[1:]
sys.path.insert(0, sdk)
sys.dont_write_bytecode = True
from cbor import decode, encode
for encoded, value in json.loads(same):
    assert decode(bytes.fromhex(encoded)) == value, encoded
    assert encode(value).hex() == encoded, encoded
for encoded in [*json.loads(wrong), "81" * 70 + "00"]:
    try:
        decode(bytes.fromhex(encoded))
    except ValueError:
        continue
    raise AssertionError(encoded)
assert encode(2**64 - 1).hex() == "1b" + "ff" * 8
try:
    encode(2**64)
except OverflowError:
    print("ok")"#;
    let mut python = Command::new("python3");
    prints_ok(python.args(["-c", script, &sdk("python"), SAME, WRONG]));
}
