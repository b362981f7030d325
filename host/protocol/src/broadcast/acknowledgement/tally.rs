//! What the sender of a message has heard.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{Hash, NodeId};

use super::{Acknowledged, Ask, DEADLINE_MAX, GATHERED_MAX, ShortId, Wanted};

/// What the sender of a message has heard: who has it.
///
/// Invariants: a node counts once, the sender itself never; with a full view nobody else counts
/// than whom it names, and `gone_count` is how many of the others are marked as gone; without, at
/// most [`GATHERED_MAX`] do.
#[derive(Debug)]
pub struct Tally {
    wanted: Wanted,
    deadline: Duration,
    own: ShortId,
    heard: Heard,
    count: u32,
    gone_count: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Missing,
    /// Missing, and not waited for.
    Gone,
    Has,
}

#[derive(Debug)]
enum Heard {
    /// All nodes in the order of ids, and what was heard of them.
    Of(Arc<[NodeId]>, Vec<Mark>),
    /// Whoever was heard of.
    Any(BTreeSet<ShortId>),
}

impl Tally {
    /// Begins to count. `view`: all nodes in the order of ids, if the sender knows.
    pub fn new(now: Duration, ask: Ask, own: &NodeId, view: Option<Arc<[NodeId]>>) -> Self {
        let heard = match view {
            Some(view) => {
                let marks = vec![Mark::Missing; view.len()];
                Heard::Of(view, marks)
            }
            None => Heard::Any(BTreeSet::new()),
        };
        Self {
            wanted: ask.wanted,
            deadline: now + ask.deadline.min(DEADLINE_MAX),
            own: own.into(),
            heard,
            count: 0,
            gone_count: 0,
        }
    }

    /// Notes who has it, as a peer says.
    pub fn add(&mut self, names: impl IntoIterator<Item = ShortId>) {
        for name in names {
            if name == self.own {
                continue;
            }
            let is_new = match &mut self.heard {
                Heard::Of(view, marks) => mark(view, marks, name).is_some_and(|mark| {
                    let before = std::mem::replace(mark, Mark::Has);
                    self.gone_count -= u32::from(before == Mark::Gone);
                    before != Mark::Has
                }),
                Heard::Any(names) => names.len() < GATHERED_MAX && names.insert(name),
            };
            self.count += u32::from(is_new);
        }
    }

    /// A node is gone: it is not waited for any more.
    pub fn handle_gone(&mut self, node: &NodeId) {
        if let Heard::Of(view, marks) = &mut self.heard
            && !self.own.names(node)
            && let Some(mark) = mark(view, marks, node.into())
            && *mark == Mark::Missing
        {
            *mark = Mark::Gone;
            self.gone_count += 1;
        }
    }

    /// How many other nodes have it, as far as was heard.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// When it is over at the latest.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Whether there is nothing to wait for any more.
    pub fn is_over(&self, now: Duration) -> bool {
        let others = self.others();
        let is_nobody_left = others.is_some_and(|others| self.count + self.gone_count >= others);
        now >= self.deadline || is_nobody_left || self.is_quorum()
    }

    /// What was heard of the message `id`.
    pub fn outcome(&self, id: Hash) -> Acknowledged {
        let is_enough = match self.wanted {
            Wanted::Count => true,
            Wanted::Quorum(_) => self.is_quorum(),
            Wanted::All => self.is_all(),
        };
        let missing = match &self.heard {
            Heard::Any(_) => None,
            Heard::Of(view, marks) => Some(
                view.iter()
                    .zip(marks)
                    .filter(|(node, mark)| **mark != Mark::Has && !self.own.names(node))
                    .map(|(node, _)| *node)
                    .collect(),
            ),
        };
        Acknowledged {
            id,
            count: self.count,
            is_enough,
            missing,
        }
    }

    fn is_quorum(&self) -> bool {
        matches!(self.wanted, Wanted::Quorum(count) if self.count >= count)
    }

    fn is_all(&self) -> bool {
        self.others().is_some_and(|others| self.count >= others)
    }

    /// How many other nodes there are, if the sender knows.
    fn others(&self) -> Option<u32> {
        match &self.heard {
            Heard::Any(_) => None,
            Heard::Of(view, _) => {
                let is_own = position(view, self.own).is_some();
                Some((view.len() - usize::from(is_own)) as u32)
            }
        }
    }
}

fn mark<'a>(view: &[NodeId], marks: &'a mut [Mark], name: ShortId) -> Option<&'a mut Mark> {
    position(view, name).and_then(|at| marks.get_mut(at))
}

/// Where a node stands in a list in the order of ids.
pub(in crate::broadcast) fn position(view: &[NodeId], name: ShortId) -> Option<usize> {
    view.binary_search_by_key(&name, ShortId::from).ok()
}
