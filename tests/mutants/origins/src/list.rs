//! A list of characters, each put after another one; see `crdts/text`.
//!
//! Characters form a tree, as each names the one that it was put after; of those put after the
//! same one, the newest comes first (RGA: Roh, Jeon, Kim and Lee, "Replicated abstract data types",
//! JPDC 71(3), 2011). A deleted character stays until its deletion is stable and nothing hangs on
//! it: from then on no author sees it, so none will name it.

use std::collections::{BTreeMap, BTreeSet};

use replicant_sdk::{Context, Crdt, Dot, Events, Random, Refusal, Stable};
use serde::{Deserialize, Serialize};

/// Names a character: when it was put in, and by which op.
pub type Key = (u64, Dot);

/// All characters that are not forgotten.
#[derive(Default, Serialize, Deserialize)]
pub struct List {
    pub items: BTreeMap<Key, Item>,
}

/// One character.
#[derive(Serialize, Deserialize)]
pub struct Item {
    /// The one that it was put after; none at the beginning.
    pub after: Option<Key>,
    pub text: char,
    /// The least op that deleted it.
    pub deleted_by: Option<Dot>,
}

/// What a user asks for; also what is replicated.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    Insert(Option<Key>, char),
    Delete(Key),
}

impl Crdt for List {
    const NAME: &'static str = "list";
    const VERSION: &'static str = "0.1.0";
    const SUMMARY: &'static str = "A list of characters.";
    type Command = Edit;
    type Op = Edit;
    type Query = ();
    type Answer = ();
    type Value = Vec<(Key, char)>;
    type Event = ();

    fn prepare(&self, _: &Context, edit: Edit) -> Result<Option<Edit>, Refusal> {
        let (Edit::Insert(Some(named), _) | Edit::Delete(named)) = edit else {
            return Ok(Some(edit));
        };
        match self.items.get(&named) {
            Some(item) if item.deleted_by.is_none() => Ok(Some(edit)),
            _ => Err(format!("there is no character {named:?}").into()),
        }
    }

    fn effect(&mut self, context: &Context, edit: Edit, _: &mut Events<()>) {
        match edit {
            Edit::Insert(after, text) => {
                if after.is_none_or(|after| self.items.contains_key(&after)) {
                    self.insert(context, after, text);
                }
            }
            Edit::Delete(key) => {
                if let Some(item) = self.items.get_mut(&key) {
                    let first = item.deleted_by.unwrap_or(context.dot);
                    item.deleted_by = Some(first.min(context.dot));
                }
            }
        }
    }

    fn value(&self) -> Vec<(Key, char)> {
        let mut children: BTreeMap<Option<Key>, Vec<Key>> = BTreeMap::new();
        for (key, item) in &self.items {
            children.entry(item.after).or_default().push(*key);
        }
        let mut value = Vec::new();
        // The last one in the stack is the next one: the newest.
        let mut stack = children.remove(&None).unwrap_or_default();
        while let Some(key) = stack.pop() {
            if let Some(item) = self
                .items
                .get(&key)
                .filter(|item| item.deleted_by.is_none())
            {
                value.push((key, item.text));
            }
            stack.extend(children.remove(&Some(key)).unwrap_or_default());
        }
        value
    }

    fn sample(&self, random: &mut Random) -> Edit {
        let visible = self.value();
        match random.pick(&visible) {
            Some((key, _)) if random.chance(40) => Edit::Delete(*key),
            Some((key, _)) if random.chance(80) => Edit::Insert(Some(*key), letter(random)),
            _ => Edit::Insert(None, letter(random)),
        }
    }

    fn compact(&mut self, stable: &Stable, _floor: u64, _number: u64) -> bool {
        loop {
            let named: BTreeSet<Key> = self.items.values().filter_map(|item| item.after).collect();
            let before = self.items.len();
            self.items.retain(|key, item| {
                let is_gone = item.deleted_by.is_some_and(|dot| stable.contains(dot));
                !is_gone || named.contains(key)
            });
            if self.items.len() == before {
                return self.items.values().any(|item| item.deleted_by.is_some());
            }
        }
    }
}

impl List {
    /// Puts a character in, wherever the list has it.
    pub fn insert(&mut self, context: &Context, after: Option<Key>, text: char) {
        let item = Item {
            after,
            text,
            deleted_by: None,
        };
        self.items.insert((context.timestamp, context.dot), item);
    }
}

fn letter(random: &mut Random) -> char {
    char::from(b'a' + random.below(26) as u8)
}
