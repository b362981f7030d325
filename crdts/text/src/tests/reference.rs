//! FugueMax as the paper has it: a tree of single characters, walked over for every question. Slow
//! and plain; what the real one is compared with.

use std::collections::BTreeMap;

use crate::id::{CharId, NUMBER_MAX};
use crate::op::{Anchor, Op, Range};

#[derive(Clone, Debug)]
struct Node {
    name: CharId,
    right: Option<CharId>,
    left_children: Vec<CharId>,
    right_children: Vec<CharId>,
    character: char,
    deleted: bool,
}

/// One character that may or may not be in the tree yet.
#[derive(Clone, Debug)]
struct Typed {
    name: CharId,
    anchor: Anchor,
    character: char,
}

/// The tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reference {
    nodes: BTreeMap<CharId, Node>,
    root_children: Vec<CharId>,
    deleted: Vec<Range>,
    waiting: Vec<Typed>,
    next: BTreeMap<u64, u64>,
}

impl Reference {
    pub(crate) fn apply(&mut self, author: u64, op: &Op<'_>) {
        for range in op.ranges() {
            self.deleted.push(range);
            for (name, node) in &mut self.nodes {
                node.deleted |= contains(&range, *name);
            }
        }
        let Some(insertion) = &op.insertion else {
            return;
        };
        let next = self.next.entry(author).or_default();
        let end = insertion.number + insertion.text.chars().count() as u64;
        if insertion.number < *next || end > NUMBER_MAX {
            return;
        }
        *next = end;
        let mut anchor = insertion.anchor;
        for (number, character) in (insertion.number..).zip(insertion.text.chars()) {
            let name = CharId {
                replica: author,
                number,
            };
            self.waiting.push(Typed {
                name,
                anchor,
                character,
            });
            anchor = Anchor::Continues;
        }
        while self.integrate_one() {}
    }

    /// Integrates a character whose origins are there; false if there is none.
    fn integrate_one(&mut self) -> bool {
        let ready = self.waiting.iter().position(|typed| {
            let needs = match typed.anchor {
                Anchor::Continues => vec![previous(typed.name)],
                Anchor::Before { parent } => vec![parent],
                Anchor::After { parent, right } => parent.into_iter().chain(right).collect(),
            };
            needs.iter().all(|name| self.nodes.contains_key(name))
        });
        match ready {
            Some(index) => {
                let typed = self.waiting.remove(index);
                self.integrate(typed);
                true
            }
            None => false,
        }
    }

    fn integrate(&mut self, typed: Typed) {
        let Typed {
            name,
            anchor,
            character,
        } = typed;
        let order = self.order();
        let place = |name: Option<CharId>| {
            name.map_or(usize::MAX, |name| {
                order.iter().position(|other| *other == name).unwrap()
            })
        };
        let right = match anchor {
            Anchor::Continues => self.nodes[&previous(name)].right,
            Anchor::Before { parent } => Some(parent),
            Anchor::After { right, .. } => right,
        };
        let key = |name: CharId, right: Option<CharId>| (usize::MAX - place(right), name);
        match anchor {
            Anchor::Before { parent } => {
                let siblings = &mut self.nodes.get_mut(&parent).unwrap().left_children;
                siblings.push(name);
                siblings.sort();
            }
            Anchor::Continues | Anchor::After { .. } => {
                let parent = match anchor {
                    Anchor::After { parent, .. } => parent,
                    _ => Some(previous(name)),
                };
                let mut siblings = match parent {
                    Some(parent) => self.nodes[&parent].right_children.clone(),
                    None => self.root_children.clone(),
                };
                siblings.push(name);
                let right_of = |sibling: CharId| match self.nodes.get(&sibling) {
                    Some(node) => node.right,
                    None => right,
                };
                siblings.sort_by_key(|sibling| key(*sibling, right_of(*sibling)));
                match parent {
                    Some(parent) => {
                        self.nodes.get_mut(&parent).unwrap().right_children = siblings;
                    }
                    None => self.root_children = siblings,
                }
            }
        }
        let node = Node {
            name,
            right,
            left_children: Vec::new(),
            right_children: Vec::new(),
            character,
            deleted: self.deleted.iter().any(|range| contains(range, name)),
        };
        self.nodes.insert(name, node);
    }

    fn order(&self) -> Vec<CharId> {
        let mut order = Vec::new();
        for child in &self.root_children {
            self.walk(*child, &mut order);
        }
        order
    }

    fn walk(&self, name: CharId, order: &mut Vec<CharId>) {
        let node = &self.nodes[&name];
        for child in &node.left_children {
            self.walk(*child, order);
        }
        order.push(node.name);
        for child in &node.right_children {
            self.walk(*child, order);
        }
    }

    pub(crate) fn content(&self) -> String {
        let order = self.order();
        let nodes = order.iter().map(|name| &self.nodes[name]);
        nodes
            .filter(|node| !node.deleted)
            .map(|node| node.character)
            .collect()
    }
}

fn previous(name: CharId) -> CharId {
    CharId {
        number: name.number.wrapping_sub(1),
        ..name
    }
}

fn contains(range: &Range, name: CharId) -> bool {
    range.first.replica == name.replica
        && name.number >= range.first.number
        && name.number < range.first.number + range.len
}
