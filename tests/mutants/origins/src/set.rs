//! A set in which an addition wins over a concurrent removal; see `crdts/or-set`.

use std::collections::{BTreeMap, BTreeSet};

use replicant_sdk::{Context, Crdt, Dot, Events, Random, Refusal};
use serde::{Deserialize, Serialize};

/// Each element with the additions of it that were not removed.
#[derive(Default, Serialize, Deserialize)]
pub struct Set {
    pub elements: BTreeMap<String, BTreeSet<Dot>>,
}

/// What a user asks for; also what those who watch are told.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Add(String),
    Remove(String),
}

/// What is replicated. A removal names the additions that its author had seen.
#[derive(Serialize, Deserialize)]
pub enum SetOp {
    Add(String),
    Remove(String, BTreeSet<Dot>),
}

/// What a user can ask.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lookup {
    Has(String),
}

impl Crdt for Set {
    const NAME: &'static str = "set";
    const VERSION: &'static str = "0.1.0";
    const SUMMARY: &'static str = "A set of texts. An addition wins over a concurrent removal.";
    const QUERY_SCHEMA: &'static str = r#"{
        "oneOf": [
            {"const": "value"},
            {"type": "object", "properties": {"has": {"type": "string"}}, "required": ["has"]}
        ]
    }"#;
    type Command = Change;
    type Op = SetOp;
    type Query = Lookup;
    type Answer = bool;
    type Value = Vec<String>;
    type Event = Change;

    fn prepare(&self, _: &Context, change: Change) -> Result<Option<SetOp>, Refusal> {
        Ok(match change {
            Change::Add(element) => Some(SetOp::Add(element)),
            Change::Remove(element) => {
                let seen = self.elements.get(&element).cloned();
                seen.map(|seen| SetOp::Remove(element, seen))
            }
        })
    }

    fn effect(&mut self, context: &Context, op: SetOp, events: &mut Events<Change>) {
        match op {
            SetOp::Add(element) => {
                let additions = self.elements.entry(element.clone()).or_default();
                if additions.is_empty() {
                    events.emit(|| Change::Add(element));
                }
                additions.insert(context.dot);
            }
            SetOp::Remove(element, seen) => {
                let Some(additions) = self.elements.get_mut(&element) else {
                    return;
                };
                additions.retain(|dot| !seen.contains(dot));
                if additions.is_empty() {
                    self.elements.remove(&element);
                    events.emit(|| Change::Remove(element));
                }
            }
        }
    }

    fn value(&self) -> Vec<String> {
        self.elements.keys().cloned().collect()
    }

    fn query(&self, Lookup::Has(element): Lookup) -> Result<bool, Refusal> {
        Ok(self.elements.contains_key(&element))
    }

    fn sample(&self, random: &mut Random) -> Change {
        let element = random.word();
        match random.chance(60) {
            true => Change::Add(element),
            false => Change::Remove(element),
        }
    }
}
