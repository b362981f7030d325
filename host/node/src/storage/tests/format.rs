//! The format's description says what the code does.

use std::fmt::Write;

use redb::ReadableDatabase;

use super::disk::Disk;
use crate::storage::TopicNumber;
use crate::storage::record::{Part, Place};
use crate::storage::tables::FORMAT;
use crate::storage::write::cbor;

const DOCUMENT: &str = include_str!("../../../../../docs/storage-format.md");

#[test]
fn the_description_has_the_format_every_table_and_a_true_example() {
    assert!(DOCUMENT.contains(&format!("Format {FORMAT}.")));
    let disk = Disk::new(1);
    drop(disk.storage().unwrap());
    let database = (disk.opener())().unwrap();
    let tables = database.begin_read().unwrap();
    let tables = tables.list_tables().unwrap();
    let mut count = 0;
    for table in tables {
        let row = format!("| `{}` |", redb::TableHandle::name(&table));
        assert!(DOCUMENT.contains(&row), "{row} is not described");
        count += 1;
    }
    assert_eq!(count, 14);

    let place = Place {
        table: "topics",
        key: &[Part::Text("a")],
    };
    let mut example = String::new();
    for byte in place.seal(&cbor(&TopicNumber(1))) {
        write!(example, "{byte:02x}").unwrap();
    }
    assert!(
        DOCUMENT.contains(&format!("has the value `{example}`")),
        "{example}"
    );
}
