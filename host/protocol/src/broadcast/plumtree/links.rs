//! Which links are eager: what neighbours ask for, and what becomes of links that come and go.

use std::time::Duration;

use crate::ids::{Hash, NodeId};

use super::message::Announced;
use super::{ANNOUNCED_MAX, Message, Plumtree};

impl Plumtree {
    /// A new neighbour. While there is no tree its link is eager; once there is one it is lazy, so
    /// that it makes no duplicates.
    pub(super) fn add_peer(&mut self, now: Duration, peer: NodeId) {
        let is_eager = !self.root.is_known(now);
        let quiet_until = now + self.config.new_link_quiet;
        self.peers.insert(peer, is_eager, quiet_until);
        if self.root.is_known(now) && self.root.parent.is_none() && self.root.node != self.own {
            self.adopt_parent(peer);
        }
        self.tell_the_latest(now, peer);
    }

    /// Announces what was said lately to a new neighbour. What is not on its way any more it
    /// fetches at once.
    fn tell_the_latest(&mut self, now: Duration, to: NodeId) {
        let young = now.saturating_sub(self.config.graft_timeout);
        let count = self.config.i_have_queue_max;
        let latest: Vec<(Hash, u8, Duration)> = self.cache.newest().take(count).collect();
        let beacon = self.root.announced();
        let Some(peer) = self.peers.get_mut(&to) else {
            return;
        };
        for (id, hops, at) in latest {
            let hops = hops.saturating_add(1);
            let queue = match at > young {
                true => &mut peer.i_haves,
                false => &mut peer.old,
            };
            queue.push_back(Announced { id, hops });
        }
        peer.i_haves.extend(beacon);
        let at = peer.quiet_until;
        self.flush_by(at);
    }

    /// Announces to whoever joins the tree here what may have passed by meanwhile.
    fn tell_the_youngest(&mut self, now: Duration, to: NodeId) {
        let since = now.saturating_sub(self.config.graft_timeout * 2);
        let young = self.cache.newest().take_while(|(_, _, at)| *at >= since);
        let announced = young.map(|(id, hops, _)| {
            let hops = hops.saturating_add(1);
            Announced { id, hops }
        });
        let items: Vec<Announced> = announced.take(ANNOUNCED_MAX).collect();
        let bytes = items.len() * size_of::<Announced>();
        let max = self.config.serve_bytes_max;
        let peer = self.peers.get_mut(&to);
        let may = peer.is_some_and(|peer| peer.may_be_served(now, bytes, max));
        if may && !items.is_empty() {
            let is_old = true;
            self.send(vec![to], Message::IHave { is_old, items });
        }
    }

    /// A neighbour is gone: if the tree led to the root through it, another takes its place.
    pub(super) fn replace_parent(&mut self, now: Duration, gone: NodeId) {
        if self.root.parent != Some(gone) {
            return;
        }
        self.root.parent = None;
        if !self.root.is_known(now) {
            return;
        }
        // A neighbour that is farther from the root may hang on this very node. What it said is one
        // more than its own distance.
        let farthest = self.root.hops.saturating_add(1);
        let nearer = self.peers.iter().filter_map(|(id, peer)| {
            let hops = peer.beacon_hops.filter(|hops| *hops <= farthest)?;
            Some((hops, *id))
        });
        if let Some((_, parent)) = nearer.min() {
            self.adopt_parent(parent);
        }
    }

    /// Makes the link to a neighbour the way to the root.
    pub(super) fn adopt_parent(&mut self, parent: NodeId) {
        self.root.parent = Some(parent);
        if let Some(peer) = self.peers.get_mut(&parent) {
            peer.is_eager = true;
        }
        let (id, is_link) = (None, true);
        self.send(vec![parent], Message::Graft { id, is_link });
    }

    /// Makes a link lazy.
    pub(super) fn prune(&mut self, now: Duration, whom: NodeId) {
        let until = now + self.config.prune_backoff;
        if let Some(peer) = self.peers.get_mut(&whom) {
            peer.is_eager = false;
            peer.backoff_until = until;
            self.counts.prunes_count += 1;
            self.send(vec![whom], Message::Prune);
        }
    }

    /// The neighbour wants announcements only.
    pub(super) fn on_prune(&mut self, now: Duration, from: NodeId) {
        let until = now + self.config.prune_backoff;
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.is_eager = false;
            peer.backoff_until = until;
        }
        // Whoever is sent nothing sends nothing either, so the way to the root is lost.
        self.replace_parent(now, from);
    }

    /// The neighbour wants a payload, the link, or both.
    pub(super) fn on_graft(
        &mut self,
        now: Duration,
        from: NodeId,
        id: Option<Hash>,
        is_link: bool,
    ) {
        let Some(peer) = self.peers.get_mut(&from) else {
            return;
        };
        let is_new_link = is_link && !peer.is_eager;
        peer.is_eager |= is_link;
        let Some(id) = id else {
            if is_new_link {
                self.tell_the_youngest(now, from);
            }
            return;
        };
        if id == self.root.id {
            let beacon = self.root.beacon();
            return self.send(vec![from], beacon);
        }
        let Some((hops, payload)) = self.cache.serve(&id, from) else {
            if self.cache.contains(&id) {
                peer.offences.excess_grafts_count += 1;
            }
            return;
        };
        if !peer.may_be_served(now, payload.len(), self.config.serve_bytes_max) {
            peer.offences.excess_grafts_count += 1;
            return;
        }
        let (hops, spread) = (hops.saturating_add(1), 0);
        self.send(
            vec![from],
            Message::Gossip {
                hops,
                spread,
                payload,
            },
        );
    }
}
