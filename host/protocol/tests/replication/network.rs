//! What nodes say to each other, and how it gets lost.

use replicant_protocol::broadcast::plumtree;
use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::ids::NodeId;
use replicant_protocol::replication::{OutEvent, anti_entropy};
use replicant_protocol::wire::Message;

use crate::faults::percent;
use crate::world::{Canary, Event, TOPICS, World, topic_index};

impl World {
    /// Does what a node's protocols ask for, begins batches, and sets the timer.
    pub(crate) fn drain(&mut self, index: usize) {
        while let Some(event) = self.poll_anti_entropy(index) {
            self.anti_entropy_event(index, event);
        }
        for topic in 0..TOPICS {
            self.begin(index, topic);
            while let Some(event) = self.poll(index, topic) {
                self.event(index, topic, event);
            }
        }
        self.set_timer(index);
    }

    pub(crate) fn poll_anti_entropy(&mut self, index: usize) -> Option<anti_entropy::OutEvent> {
        self.nodes[index].running.as_mut()?.anti_entropy.poll()
    }

    pub(crate) fn poll(&mut self, index: usize, topic: usize) -> Option<OutEvent> {
        self.nodes[index].running.as_mut()?.topics[topic]
            .state
            .poll()
    }

    pub(crate) fn begin(&mut self, index: usize, topic: usize) {
        let now = self.now;
        let node = &mut self.nodes[index];
        let (wall_ms, life) = (node.wall_ms(now), node.life);
        let Some(running) = &mut node.running else {
            return;
        };
        let of = &mut running.topics[topic];
        let stats = of.state.stats();
        assert!(
            stats.buffered_count <= self.config.buffer_count_max,
            "the buffer's bound"
        );
        let Some(job) = of.begin(now, wall_ms, &node.identity, &node.disks[topic]) else {
            return;
        };
        if self.canary == Canary::EarlyAcknowledgement {
            self.checker.acknowledged(topic, &job.local);
        }
        let ms = self.random_ms(20);
        self.after_ms(
            1 + ms,
            Event::Stored {
                node: index,
                topic,
                life,
            },
        );
    }

    pub(crate) fn anti_entropy_event(&mut self, index: usize, event: anti_entropy::OutEvent) {
        let now = self.now;
        match event {
            anti_entropy::OutEvent::Send { peer, message } => {
                self.send(index, peer, &Message::AntiEntropy(message));
            }
            anti_entropy::OutEvent::Differs { peer, topic } => {
                let Some(running) = &mut self.nodes[index].running else {
                    return;
                };
                let state = &mut running.topics[topic_index(&topic)].state;
                state.handle_peer_differs(now, peer);
            }
        }
    }

    pub(crate) fn event(&mut self, index: usize, topic: usize, event: OutEvent) {
        match event {
            OutEvent::Send { peer, message } => {
                self.send(index, peer, &Message::Replication(message));
            }
            OutEvent::Broadcast(bundle) => self.flood(index, None, &bundle),
            OutEvent::Forward { from, bundle } => self.flood(index, Some(from), &bundle),
            OutEvent::Serve {
                peer,
                request,
                from,
                bytes_max,
                count_max,
            } => {
                let node = &mut self.nodes[index];
                let served = node.disks[topic].serve(from, bytes_max, count_max);
                let Some(running) = &mut node.running else {
                    return;
                };
                running.topics[topic]
                    .state
                    .handle_served(peer, request, served);
            }
            event => panic!("all are honest, and no disk is old: {event:?}"),
        }
    }

    pub(crate) fn flood(&mut self, index: usize, from: Option<NodeId>, bundle: &SignedBundle) {
        let payload = bundle.as_bytes().into();
        let message = Message::Broadcast(plumtree::Message::Gossip {
            hops: 1,
            spread: 0,
            payload,
        });
        for other in self.neighbours(index) {
            let peer = self.nodes[other].id();
            if Some(peer) != from {
                self.send(index, peer, &message);
            }
        }
    }

    pub(crate) fn send(&mut self, from: usize, peer: NodeId, message: &Message) {
        let Some(to) = self.nodes.iter().position(|node| node.id() == peer) else {
            return;
        };
        let is_repair = matches!(message, Message::Replication(_));
        if is_repair && self.canary == Canary::NoRepair {
            return;
        }
        if percent(&mut self.rng, self.faults.loss) {
            return;
        }
        let copies = if percent(&mut self.rng, self.faults.duplication) {
            2
        } else {
            1
        };
        let session = self.session(from, to);
        for _ in 0..copies {
            let ms = self.random_ms(self.faults.latency_ms_max);
            let bytes = message.to_bytes();
            self.after_ms(
                1 + ms,
                Event::Arrive {
                    from,
                    to,
                    session,
                    bytes,
                },
            );
        }
    }
}
