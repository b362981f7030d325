//! What was announced and has not come.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::ids::{Hash, NodeId};

/// How many neighbours that have a payload are remembered.
const HOLDERS_MAX: usize = 32;

#[derive(Debug)]
struct Wanted {
    due: Duration,
    /// Whether nobody was about to send it: it is fetched without changing the tree.
    is_old: bool,
    /// Who has it and was not asked yet.
    holders: VecDeque<NodeId>,
    /// Who was asked last.
    asked: Option<NodeId>,
}

/// What to do about a payload that did not come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overdue {
    pub(super) id: Hash,
    pub(super) is_old: bool,
    /// Whom to ask; `None` if nobody is left, and the payload is given up.
    pub(super) ask: Option<NodeId>,
    /// Who did not keep its word.
    pub(super) unserved: Option<NodeId>,
}

/// Announced payloads by id. Invariants: at most `max`, and of one first announcer at most
/// `share_max`.
#[derive(Debug)]
pub(super) struct Missing {
    wanted: BTreeMap<Hash, Wanted>,
    by_due: BTreeMap<(Duration, Hash), ()>,
    /// How many each neighbour announced first.
    shares: BTreeMap<NodeId, usize>,
    first: BTreeMap<Hash, NodeId>,
    max: usize,
}

impl Missing {
    pub(super) fn new(max: usize) -> Self {
        Self {
            wanted: BTreeMap::new(),
            by_due: BTreeMap::new(),
            shares: BTreeMap::new(),
            first: BTreeMap::new(),
            max,
        }
    }

    /// Notes that `from` has a payload. `false` if there is no room to note it.
    pub(super) fn announce(
        &mut self,
        id: Hash,
        from: NodeId,
        due: Duration,
        is_old: bool,
        share_max: usize,
    ) -> bool {
        if let Some(wanted) = self.wanted.get_mut(&id) {
            let is_known = wanted.holders.contains(&from) || wanted.asked == Some(from);
            if !is_known && wanted.holders.len() < HOLDERS_MAX {
                wanted.holders.push_back(from);
            }
            // Nobody is about to send it any more, so it need not be waited for.
            if is_old && wanted.asked.is_none() && due < wanted.due {
                self.by_due.remove(&(wanted.due, id));
                self.by_due.insert((due, id), ());
                wanted.due = due;
            }
            return true;
        }
        let share = self.shares.entry(from).or_default();
        if self.wanted.len() >= self.max || *share >= share_max {
            return false;
        }
        *share += 1;
        self.first.insert(id, from);
        let wanted = Wanted {
            due,
            is_old,
            holders: VecDeque::from([from]),
            asked: None,
        };
        self.wanted.insert(id, wanted);
        self.by_due.insert((due, id), ());
        true
    }

    /// It came. Gives who else has it.
    pub(super) fn remove(&mut self, id: &Hash) -> Vec<NodeId> {
        let Some(wanted) = self.wanted.remove(id) else {
            return Vec::new();
        };
        self.by_due.remove(&(wanted.due, *id));
        if let Some(first) = self.first.remove(id)
            && let Some(share) = self.shares.get_mut(&first)
        {
            *share = share.saturating_sub(1);
            if *share == 0 {
                self.shares.remove(&first);
            }
        }
        wanted.holders.into_iter().chain(wanted.asked).collect()
    }

    /// The next payload that is overdue, with whom to ask now.
    pub(super) fn overdue(
        &mut self,
        now: Duration,
        retry: Duration,
        is_neighbour: impl Fn(&NodeId) -> bool,
    ) -> Option<Overdue> {
        let (due, id) = self.by_due.keys().next().copied()?;
        if due > now {
            return None;
        }
        let wanted = self.wanted.get_mut(&id)?;
        let unserved = wanted.asked.take();
        let mut ask = wanted.holders.pop_front();
        while ask.is_some_and(|peer| !is_neighbour(&peer)) {
            ask = wanted.holders.pop_front();
        }
        let is_old = wanted.is_old;
        match ask {
            None => {
                self.remove(&id);
            }
            Some(_) => {
                wanted.asked = ask;
                wanted.due = now + retry;
                self.by_due.remove(&(due, id));
                self.by_due.insert((now + retry, id), ());
            }
        }
        Some(Overdue {
            id,
            is_old,
            ask,
            unserved,
        })
    }

    /// A neighbour is gone, and its share with it.
    pub(super) fn forget(&mut self, peer: &NodeId) {
        self.shares.remove(peer);
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.by_due.keys().next().map(|(due, _)| *due)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.wanted.len()
    }
}
