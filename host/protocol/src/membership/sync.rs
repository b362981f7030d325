//! Push-pull: comparing tables by digests, and exchanging what differs.

use std::net::SocketAddr;
use std::time::Duration;

use rand::{Rng, RngExt};

use crate::ids::NodeId;

use super::message::DIGESTS_COUNT;
use super::table::Entry;
use super::{Digests, Message, MessageError, Rumour, Swim};

/// How many bytes of rumours one answer carries, give or take one. What does not fit comes with the
/// next exchange, a period later.
pub(super) const PAGE_BYTES_MAX: usize = 256 * 1024;

/// A further exchange with a peer whose table did not fit one answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Continuation {
    pub(super) peer: NodeId,
    pub(super) at: Duration,
}

/// Which part of the table a member is in.
fn bucket(node: NodeId) -> usize {
    usize::from(node.as_bytes()[0]) * DIGESTS_COUNT / 256
}

/// Which of two tables' parts differ, one bit each.
fn differing(one: &Digests, other: &Digests) -> u64 {
    let pairs = one.iter().zip(other).enumerate();
    let differ = pairs.filter(|(_, (one, other))| one != other);
    differ.fold(0, |mask, (index, _)| mask | 1 << index)
}

impl Swim {
    /// Asks a peer for what it knows that differs.
    pub(super) fn send_sync(&mut self, to: NodeId, address: SocketAddr) {
        self.sessions.asked(to);
        let digests = Box::new(self.digests());
        self.send(to, address, Message::Sync { digests });
    }

    /// Exchanges tables with a random member of those that `is_chosen`.
    pub(super) fn sync_with_random(
        &mut self,
        is_chosen: impl Fn(&Entry) -> bool,
        rng: &mut impl Rng,
    ) {
        let candidates = self.table.iter().filter(|entry| is_chosen(entry));
        for (node, address) in super::probes::chosen(candidates, 1, rng) {
            self.send_sync(node, address);
        }
    }

    /// Answers with the parts of the table that differ, at most once a period and peer.
    pub(super) fn on_sync(
        &mut self,
        now: Duration,
        from: NodeId,
        digests: &Digests,
        rng: &mut impl Rng,
    ) {
        let period = self.config.probe_interval;
        let Some(address) = self.sessions.table_for(now, from, period) else {
            self.counts.ignored_requests_count += 1;
            return;
        };
        let wanted = differing(&self.digests(), digests);
        if wanted != 0 {
            let members = self.page(wanted, rng);
            self.send(from, address, Message::SyncReply { wanted, members });
        }
    }

    /// Takes a peer's part of the table, and gives it this node's if it was asked for one.
    pub(super) fn on_sync_reply(
        &mut self,
        now: Duration,
        from: NodeId,
        wanted: u64,
        members: Vec<Rumour>,
        rng: &mut impl Rng,
    ) -> Result<(), MessageError> {
        let bytes: usize = members.iter().map(Rumour::wire_bytes).sum();
        let before = self.table.len();
        let heard = self.hear(now, from, members, rng);
        if bytes >= PAGE_BYTES_MAX && self.table.len() > before {
            let at = now + self.config.probe_interval;
            self.continuation = Some(Continuation { peer: from, at });
        }
        if wanted != 0
            && let Some(address) = self.sessions.answer_for(from)
        {
            let members = self.page(wanted, rng);
            let wanted = 0;
            self.send(from, address, Message::SyncReply { wanted, members });
        }
        heard
    }

    /// Goes on with an exchange that did not fit.
    pub(super) fn continue_sync(&mut self, now: Duration) {
        let due = |of: &mut Continuation| of.at <= now;
        if let Some(of) = self.continuation.take_if(due)
            && let Some(address) = self.address_of(of.peer)
        {
            self.send_sync(of.peer, address);
        }
    }

    /// What is compared: the records of those who are there. The dead are remembered for different
    /// times, and who is suspect changes too fast.
    pub(super) fn digests(&self) -> Digests {
        let present = self.table.present();
        let mut all: Vec<(NodeId, u64)> = present
            .map(|entry| (entry.record.node, entry.record.fingerprint()))
            .collect();
        all.push((self.own.node, self.own.fingerprint()));
        all.sort_unstable();
        let mut digests = [0; DIGESTS_COUNT];
        for part in all.chunk_by(|(one, _), (other, _)| bucket(*one) == bucket(*other)) {
            let mut hasher = blake3::Hasher::new();
            for (_, fingerprint) in part {
                hasher.update(&fingerprint.to_le_bytes());
            }
            let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
            digests[bucket(part[0].0)] = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        }
        digests
    }

    /// Rumours of the parts that are wanted, from a random one on, as many as fit.
    fn page(&self, wanted: u64, rng: &mut impl Rng) -> Vec<Rumour> {
        let start = rng.random_range(0..DIGESTS_COUNT);
        let turn = |node| (bucket(node) + DIGESTS_COUNT - start) % DIGESTS_COUNT;
        let others = self.table.iter().map(Entry::rumour);
        let all = others.chain([Rumour::alive(self.own.clone())]);
        let mut all: Vec<Rumour> = all
            .filter(|rumour| wanted & (1 << bucket(rumour.record.node)) != 0)
            .collect();
        all.sort_by_key(|rumour| turn(rumour.record.node));
        let mut bytes = 0;
        let fit = all.iter().take_while(|rumour| {
            let is_room = bytes < PAGE_BYTES_MAX;
            bytes += rumour.wire_bytes();
            is_room
        });
        let count = fit.count();
        all.truncate(count);
        all
    }
}
