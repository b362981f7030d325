//! Recorded editing histories end in the text that was recorded with them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Read;
use std::path::Path;

use replicant_sdk::{Context, Dot, Object, Packed, Run, cbor};
use replicant_text::{Command, Text};
use serde_json::Value;

/// Reads a trace of `tests/data`; its README describes the format.
fn trace(name: &str) -> Value {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    let file = std::fs::File::open(data.join(name)).expect("the trace is there");
    let mut json = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut json)
        .expect("the trace is gzip");
    serde_json::from_str(&json).expect("the trace is JSON")
}

/// Returns the commands of one transaction, encoded.
fn commands(transaction: &Value) -> Packed {
    let mut packed = Packed::default();
    for patch in transaction["patches"].as_array().expect("patches") {
        let command = Command::Splice {
            at: patch[0].as_u64().expect("a position"),
            delete: patch[1].as_u64().expect("a count"),
            insert: patch[2].as_str().expect("text").to_owned(),
        };
        let mut bytes = Vec::new();
        cbor::encode(&command, &mut bytes).expect("commands can be encoded");
        packed.push(&bytes);
    }
    packed
}

/// One person's replica.
struct Writer {
    replica: u64,
    counter: u64,
    object: Object<Text>,
}

impl Writer {
    fn new(replica: u64) -> Self {
        Self {
            replica,
            counter: 0,
            object: Object::new(),
        }
    }

    /// Carries out commands and returns the ops for the others.
    fn write(&mut self, commands: &Packed) -> Run {
        let context = Context {
            dot: Dot {
                replica: self.replica,
                counter: self.counter + 1,
            },
            timestamp: 1,
            schema: 1,
        };
        let updated = self.object.update(&context, commands, false);
        assert!(updated.refusals.is_empty(), "{:?}", updated.refusals);
        let first = self.counter + 1;
        self.counter += updated.ops.len() as u64;
        Run {
            replica: self.replica,
            timestamp: 1,
            schema: 1,
            counters: (first..=self.counter).collect(),
            ops: updated.ops,
        }
    }
}

#[test]
fn the_keystrokes_of_a_paper_end_in_the_paper() {
    let trace = trace("automerge-paper.json.gz");
    let mut writer = Writer::new(7);
    let mut reader = Object::<Text>::new();
    for transaction in trace["txns"].as_array().expect("transactions") {
        let run = writer.write(&commands(transaction));
        reader.apply(&run, false);
    }
    let end = trace["endContent"].as_str().expect("text");
    assert!(writer.object.state().content() == end);
    assert!(reader.state().content() == end);
    let saved = writer.object.save();
    assert!(saved == reader.save());
    let loaded = Object::<Text>::load(&saved, "0.1.0").expect("saved bytes load");
    assert!(loaded.save() == saved);
    assert!(loaded.state().content() == end);
}

#[test]
fn two_people_who_write_at_the_same_time_end_in_one_text() {
    let trace = trace("friendsforever.json.gz");
    let transactions = trace["txns"].as_array().expect("transactions");
    let mut writers = [Writer::new(1), Writer::new(2)];
    let mut has = [vec![], vec![]].map(|_: Vec<bool>| vec![false; transactions.len()]);
    let mut runs: Vec<Run> = Vec::new();
    for (index, transaction) in transactions.iter().enumerate() {
        let author = transaction["agent"].as_u64().expect("an agent") as usize;
        let parents = transaction["parents"].as_array().expect("parents");
        let parents = parents
            .iter()
            .map(|it| it.as_u64().expect("an index") as usize);
        receive(
            &mut writers[author],
            &mut has[author],
            parents,
            transactions,
            &runs,
        );
        runs.push(writers[author].write(&commands(transaction)));
        has[author][index] = true;
    }
    for (writer, has) in writers.iter_mut().zip(&mut has) {
        receive(writer, has, 0..runs.len(), transactions, &runs);
    }
    let end = trace["endContent"].as_str().expect("text");
    for writer in &writers {
        assert!(writer.object.state().content() == end);
    }
    assert!(writers[0].object.save() == writers[1].object.save());
}

/// Delivers transactions and all before them, as far as they are missing.
fn receive(
    writer: &mut Writer,
    has: &mut [bool],
    wanted: impl Iterator<Item = usize>,
    transactions: &[Value],
    runs: &[Run],
) {
    let mut missing: Vec<usize> = wanted.filter(|index| !has[*index]).collect();
    let mut found = std::collections::BTreeSet::new();
    while let Some(index) = missing.pop() {
        if has[index] || !found.insert(index) {
            continue;
        }
        let parents = transactions[index]["parents"].as_array().expect("parents");
        missing.extend(
            parents
                .iter()
                .map(|it| it.as_u64().expect("an index") as usize),
        );
    }
    for index in found {
        writer.object.apply(&runs[index], false);
        has[index] = true;
    }
}
