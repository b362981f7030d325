//! What the protocols want done, carried out by the driver.

use std::time::Duration;

use replicant_protocol::broadcast;
use replicant_protocol::content::{self, Misbehaviour};
use replicant_protocol::ids::{ModuleHash, NodeId};
use replicant_protocol::membership::{self, Membership, StrategyMessage};
use replicant_protocol::wire::{self, Payload};

use super::driver::{DataInput, Driver};
use super::events::ModuleEvent;
use super::outbox::Lane;
use super::statistics::Count;
use crate::wall_clock::wall_ms;

impl Driver {
    /// Does all that the protocols want done. One's output may be another's input, so it goes on
    /// until none has any; each output follows from one input, so that ends.
    pub(super) fn drain(&mut self) {
        let now = self.shared.clock.now();
        let mut are_members_changed = false;
        loop {
            if let Some(event) = self.membership.poll_event() {
                are_members_changed |= self.on_membership(now, event);
            } else if let Some(event) = self.content.poll_event() {
                self.on_content(now, event);
            } else if let Some(event) = self.overlays.poll_event(now) {
                self.on_overlay(now, event);
            } else if let Some(event) = self.facts.poll_event() {
                self.on_fact(now, event);
            } else if let Some(event) = self.poll_circles() {
                self.on_circle(now, event);
            } else {
                break;
            }
        }
        self.shared.set_fact_counts(self.facts.counts());
        let counts = self.overlays.take_counts();
        self.shared.counters.add_broadcasts(&counts);
        let counts = self.overlays.rapids.take_counts();
        self.shared.counters.add_rapid(&counts);
        self.weigh_offences(now);
        if are_members_changed || std::mem::take(&mut self.has_news) {
            self.publish_members(now, are_members_changed);
        }
        self.refresh_members(now);
        self.note_switches_ahead();
    }

    /// They come again at every comparison: each is counted, and now and then it is said.
    fn note_switches_ahead(&mut self) {
        let count = self.content.counts().ahead_count;
        while self.switches_ahead < count {
            self.switches_ahead += 1;
            self.shared.counters.add(Count::SwitchesAhead);
            if self.switches_ahead.is_power_of_two() {
                tracing::warn!(
                    count,
                    "a switch of a type's version is dated too far ahead of this node's clock; it \
                     waits until the clock is there: are the clocks of all nodes right?"
                );
            }
        }
    }

    /// Says whether a member changed.
    fn on_membership(
        &mut self,
        now: Duration,
        event: membership::OutEvent<StrategyMessage>,
    ) -> bool {
        match event {
            membership::OutEvent::Send {
                to,
                address,
                message,
            } => {
                let bytes = wire::Message::from(message).to_bytes();
                match self.shared.sessions.contains(&to) {
                    true => self.say_through(now, to, Lane::Control, bytes),
                    false => self.say_after_dial(now, to, address, Lane::Control, bytes),
                }
                return false;
            }
            membership::OutEvent::MemberUp(member)
            | membership::OutEvent::MemberChanged(member) => {
                self.shared.events.member_known(member.node, member.address);
                match self.is_partial() {
                    true => self.handle_neighbour_up(now, member.node),
                    false => self.handle_member_known(&member),
                }
            }
            membership::OutEvent::MemberDown(node) => {
                if !self.is_partial() {
                    tracing::info!(member = %node.short(), "member is given up");
                    if let Some(link) = self.shared.sessions.get(&node) {
                        link.doubted.notify_one();
                    }
                }
                self.on_member_gone(now, node);
            }
            membership::OutEvent::MemberLeft(node) => {
                tracing::info!(member = %node.short(), "member left");
                self.on_member_gone(now, node);
            }
            membership::OutEvent::MemberSuspect(_) | membership::OutEvent::MemberRefuted(_) => {}
        }
        true
    }

    fn on_member_gone(&mut self, now: Duration, node: NodeId) {
        self.shared.events.member_gone(node);
        match self.is_partial() {
            true => self.handle_neighbour_down(now, node),
            false => self.handle_member_gone(node),
        }
    }

    /// Something for everybody came for the first time.
    pub(super) fn on_delivery(&mut self, now: Duration, delivery: broadcast::Delivery) {
        let from = delivery.from;
        match Payload::from_bytes(&delivery.payload) {
            Ok(Payload::Bundle(bytes)) => {
                if self.shared.events.bundle(from, bytes.to_vec()) {
                    self.pending.add(delivery);
                } else {
                    self.shared.counters.add(Count::DroppedNodeBusy);
                }
            }
            Ok(Payload::Announcement(bytes)) => match self.content.on_broadcast(wall_ms(), bytes) {
                Ok(true) => self.overlays.accept(now, delivery),
                Ok(false) => {}
                Err(error) => self.punish(from, &error),
            },
            Ok(Payload::Fact(bytes)) => match self.facts.on_broadcast(from, bytes, wall_ms()) {
                Ok(true) => self.overlays.accept(now, delivery),
                Ok(false) => {}
                Err(error) => self.punish(from, &error),
            },
            Ok(Payload::Publication(bytes)) if self.is_partial() => {
                let bytes = bytes.to_vec();
                self.overlays.on_passing(now, &bytes, delivery);
            }
            Ok(Payload::Call(bytes)) if self.is_partial() => {
                let bytes = bytes.to_vec();
                self.on_call(now, &bytes, delivery);
            }
            Ok(Payload::Call(_)) => self.punish(from, &"a call for a circle, with full views"),
            Ok(Payload::Publication(_)) => {
                self.punish(from, &"a publication for everybody, with full views");
            }
            Err(error) => self.punish(from, &error),
        }
    }

    fn on_content(&mut self, now: Duration, event: content::OutEvent) {
        let event = match event {
            content::OutEvent::Send { to, message } => {
                let bytes = wire::Message::from(message).to_bytes();
                self.shared.send(&to, Lane::Data, bytes);
                return;
            }
            content::OutEvent::Broadcast(bytes) => {
                return self.broadcast(now, Payload::Announcement(&bytes));
            }
            content::OutEvent::Serve { to, module, part } => return self.serve(to, module, part),
            content::OutEvent::Misbehaved { peer, module, what } => {
                return self.on_misbehaved(peer, module, what);
            }
            content::OutEvent::Learned(statement) => ModuleEvent::Learned(statement),
            content::OutEvent::Forgotten(statement) => ModuleEvent::Forgotten(statement),
            content::OutEvent::Activated {
                announcement,
                replaced,
            } => ModuleEvent::Activated {
                announcement,
                replaced,
            },
            content::OutEvent::Conflict { active, other } => {
                ModuleEvent::Conflict { active, other }
            }
            content::OutEvent::Fetched { module, bytes } => ModuleEvent::Fetched { module, bytes },
            content::OutEvent::FetchStalled { module } => ModuleEvent::Stalled { module },
        };
        self.shared.events.module(event);
    }

    /// A peer that sends other bytes than asked for lies, or its disk does: the fetch goes on
    /// elsewhere, and the session is closed.
    fn on_misbehaved(&mut self, peer: NodeId, module: ModuleHash, what: Misbehaviour) {
        self.shared.counters.add(Count::ContentMisbehaviour);
        let module = module.short();
        match what {
            Misbehaviour::WrongContent => {
                self.punish(peer, &format_args!("wrong content for module {module}"));
            }
        }
    }

    /// Reads a part of a module, in a task of its own; the protocol bounds how many there are.
    fn serve(&mut self, to: NodeId, module: ModuleHash, part: content::Part) {
        let shared = self.shared.clone();
        let reads = self.reads.clone();
        self.shared.tasks.spawn(async move {
            let read = async {
                let _permit = reads.acquire_owned().await.ok()?;
                let events = shared.events.clone();
                let reading = move || events.read_module(module, part);
                tokio::task::spawn_blocking(reading).await.ok()?
            };
            let read = tokio::select! {
                () = shared.stop.begun() => None,
                read = read => read,
            };
            let input = DataInput::Read {
                to,
                module,
                part,
                read,
            };
            let _ = shared.inbox.data.send(input).await;
        });
    }
}
