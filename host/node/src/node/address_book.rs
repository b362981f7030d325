//! Where members listen, for the next start.
//!
//! Changes gather in memory, and one task writes all that there are at a time: however fast members
//! come and go, it costs one write after the other. A member that is gone is remembered, since it
//! may come back; at [`ADDRESSES_MAX`] the one that is gone for longest is forgotten, and if all
//! are there a newcomer is not remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use replicant_protocol::ids::NodeId;
use tokio::sync::Notify;

use crate::storage::{General, Job, Writer};

/// How many members are remembered: as many as membership knows of by default.
const ADDRESSES_MAX: usize = 4_096;

/// The addresses.
#[derive(Debug)]
pub(super) struct AddressBook {
    pages: Mutex<Pages>,
    changed: Notify,
}

#[derive(Debug)]
struct Pages {
    entries: BTreeMap<NodeId, Entry>,
    /// Whose entry is not on disk as it is here.
    unwritten: BTreeSet<NodeId>,
    /// Grows with every change.
    changes: u64,
    entries_max: usize,
}

#[derive(Debug)]
struct Entry {
    address: SocketAddr,
    is_present: bool,
    /// Whether something of it is or will be on disk.
    is_stored: bool,
    changed_at: u64,
}

impl AddressBook {
    /// Takes up what is stored. What is too much or no address is forgotten.
    pub(super) fn new(stored: Vec<(NodeId, String)>) -> Self {
        Self {
            pages: Mutex::new(Pages::new(stored, ADDRESSES_MAX)),
            changed: Notify::new(),
        }
    }

    /// All members and where they listen.
    pub(super) fn all(&self) -> Vec<(NodeId, SocketAddr)> {
        let pages = self.lock();
        let entries = pages.entries.iter();
        entries
            .map(|(node, entry)| (*node, entry.address))
            .collect()
    }

    /// A member is there.
    pub(super) fn set(&self, node: NodeId, address: SocketAddr) {
        if self.lock().set(node, address) {
            self.changed.notify_one();
        }
    }

    /// A member is gone.
    pub(super) fn set_gone(&self, node: NodeId) {
        self.lock().set_gone(node);
    }

    /// Writes what changes, for ever.
    pub(super) async fn keep(&self, writer: &Writer) {
        loop {
            self.changed.notified().await;
            self.write(writer).await;
        }
    }

    /// Writes what has changed.
    pub(super) async fn write(&self, writer: &Writer) {
        let (nodes, general) = self.lock().take_changes();
        if general.is_empty() {
            return;
        }
        let topics = Vec::new();
        if let Err(error) = writer.commit_async(Job { topics, general }).await {
            tracing::debug!(%error, "addresses of members are not kept for now");
            // With the next change it is tried again.
            self.lock().give_back(nodes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        // Nothing panics while the lock is held.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn new(stored: Vec<(NodeId, String)>, entries_max: usize) -> Self {
        let mut pages = Self {
            entries: BTreeMap::new(),
            unwritten: BTreeSet::new(),
            changes: 0,
            entries_max,
        };
        for (node, address) in stored {
            match address.parse() {
                Ok(address) if pages.entries.len() < entries_max => {
                    let entry = Entry {
                        address,
                        is_present: false,
                        is_stored: true,
                        changed_at: 0,
                    };
                    pages.entries.insert(node, entry);
                }
                _ => drop(pages.unwritten.insert(node)),
            }
        }
        pages
    }

    /// Says whether there is something to write.
    fn set(&mut self, node: NodeId, address: SocketAddr) -> bool {
        self.changes += 1;
        let changed_at = self.changes;
        if let Some(entry) = self.entries.get_mut(&node) {
            (entry.is_present, entry.changed_at) = (true, changed_at);
            if entry.address == address {
                return false;
            }
            entry.address = address;
        } else {
            if self.entries.len() >= self.entries_max && !self.forget_one() {
                return false;
            }
            let entry = Entry {
                address,
                is_present: true,
                // It may have been forgotten, and that not be written yet.
                is_stored: self.unwritten.contains(&node),
                changed_at,
            };
            self.entries.insert(node, entry);
        }
        self.unwritten.insert(node);
        true
    }

    fn set_gone(&mut self, node: NodeId) {
        self.changes += 1;
        if let Some(entry) = self.entries.get_mut(&node) {
            (entry.is_present, entry.changed_at) = (false, self.changes);
        }
    }

    /// Forgets who is gone for longest. False if nobody is.
    fn forget_one(&mut self) -> bool {
        let gone = self.entries.iter().filter(|(_, entry)| !entry.is_present);
        let longest = gone.min_by_key(|(_, entry)| entry.changed_at);
        let Some(node) = longest.map(|(node, _)| *node) else {
            return false;
        };
        let forgotten = self.entries.remove(&node);
        match forgotten.is_some_and(|entry| entry.is_stored) {
            true => self.unwritten.insert(node),
            false => self.unwritten.remove(&node),
        };
        true
    }

    fn take_changes(&mut self) -> (BTreeSet<NodeId>, Vec<General>) {
        let nodes = std::mem::take(&mut self.unwritten);
        let write = |node: &NodeId| match self.entries.get_mut(node) {
            Some(entry) => {
                entry.is_stored = true;
                General::Peer(*node, entry.address.to_string())
            }
            None => General::ForgetPeer(*node),
        };
        let general = nodes.iter().map(write).collect();
        (nodes, general)
    }

    /// What was taken is not written. What is too much then stays on disk until the next start.
    fn give_back(&mut self, nodes: BTreeSet<NodeId>) {
        for node in nodes {
            if self.unwritten.len() < 2 * self.entries_max {
                self.unwritten.insert(node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn address(number: u8) -> SocketAddr {
        ([10, 0, 0, number], 7_000).into()
    }

    /// What is to be written: who, and whether with an address.
    fn changes(pages: &mut Pages) -> Vec<(NodeId, bool)> {
        let (_, general) = pages.take_changes();
        let written = general.into_iter().map(|write| match write {
            General::Peer(node, _) => (node, true),
            General::ForgetPeer(node) => (node, false),
            other => panic!("{other:?}"),
        });
        written.collect()
    }

    #[test]
    fn what_changes_many_times_is_written_once() {
        let mut pages = Pages::new(Vec::new(), 9);
        for port in 1..100 {
            assert!(pages.set(node(1), ([10, 0, 0, 1], port).into()));
        }
        assert_eq!(changes(&mut pages), [(node(1), true)]);
        assert!(!pages.set(node(1), ([10, 0, 0, 1], 99).into()));
        assert!(changes(&mut pages).is_empty());
    }

    #[test]
    fn at_the_bound_who_is_gone_for_longest_gives_way_and_nobody_who_is_there() {
        let mut pages = Pages::new(Vec::new(), 3);
        for number in 1..=3 {
            pages.set(node(number), address(number));
        }
        changes(&mut pages);
        assert!(!pages.set(node(4), address(4)));
        assert!(changes(&mut pages).is_empty());
        pages.set_gone(node(2));
        pages.set_gone(node(1));
        assert!(pages.set(node(4), address(4)));
        assert_eq!(changes(&mut pages), [(node(2), false), (node(4), true)]);
        let kept: Vec<NodeId> = pages.entries.keys().copied().collect();
        assert_eq!(kept, [node(1), node(3), node(4)]);
    }

    #[test]
    fn what_waits_to_be_written_is_bounded_while_nothing_can_be() {
        let mut pages = Pages::new(Vec::new(), 4);
        for number in 1..=255 {
            pages.set(node(number), address(number));
            pages.set_gone(node(number));
            assert!(pages.unwritten.len() <= 3 * 4, "{number}");
            let (nodes, _) = pages.take_changes();
            pages.give_back(nodes);
        }
        assert_eq!(pages.entries.len(), 4);
    }

    #[test]
    fn what_is_stored_too_much_or_is_no_address_is_forgotten() {
        let row = |number: u8| (node(number), address(number).to_string());
        let stored = vec![row(1), (node(2), "nowhere".to_owned()), row(3), row(4)];
        let mut pages = Pages::new(stored, 2);
        let kept: Vec<NodeId> = pages.entries.keys().copied().collect();
        assert_eq!(kept, [node(1), node(3)]);
        assert_eq!(changes(&mut pages), [(node(2), false), (node(4), false)]);
    }
}
