//! Recorded editing histories.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;

/// One edit: so many characters deleted at a position, then text inserted there.
#[derive(Clone, Debug)]
pub struct Patch {
    /// In characters.
    pub at: usize,
    /// In characters.
    pub delete: usize,
    /// Empty if nothing is inserted.
    pub insert: String,
}

/// Edits that one author made in one go.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// The edits.
    pub patches: Vec<Patch>,
}

/// A history.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Its name in the tables.
    pub name: &'static str,
    /// The edits in a causal order.
    pub transactions: Vec<Transaction>,
    /// What they end in.
    pub end: String,
}

impl Trace {
    /// Reads `tests/data/NAME.json.gz`.
    pub fn read(name: &'static str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../data")
            .join(format!("{name}.json.gz"));
        let file = std::fs::File::open(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let mut json = String::new();
        GzDecoder::new(file)
            .read_to_string(&mut json)
            .expect("the trace is gzip");
        let json: Value = serde_json::from_str(&json).expect("the trace is JSON");
        let transactions = json["txns"].as_array().expect("the trace has transactions");
        Self {
            name,
            transactions: transactions.iter().map(transaction).collect(),
            end: json["endContent"]
                .as_str()
                .expect("the trace has an end")
                .to_owned(),
        }
    }

    /// Returns all edits in order, as one author makes them.
    pub fn patches(&self) -> Vec<Patch> {
        self.transactions
            .iter()
            .flat_map(|it| it.patches.clone())
            .collect()
    }
}

fn number(value: &Value) -> usize {
    value.as_u64().expect("a number") as usize
}

fn transaction(value: &Value) -> Transaction {
    let patch = |patch: &Value| Patch {
        at: number(&patch[0]),
        delete: number(&patch[1]),
        insert: patch[2].as_str().expect("text").to_owned(),
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    Transaction {
        patches: list(&value["patches"]).iter().map(patch).collect(),
    }
}
