//! What peers send to a topic, and what its replication has to say to them.

use std::time::Duration;

use replicant_protocol::bundle::SignedBundle;
use replicant_protocol::ids::{Counter, Dot, NodeId};
use replicant_protocol::replication::{self, Held, OutEvent};
use replicant_protocol::version::VersionVector;

use super::context::{Context, Tools};
use super::counters::{Count, Counters};
use super::engine::{Arrivals, Engine, Log};
use super::input::PeerInput;
use crate::storage::{General, Job, Proof, Result, Sequence};
use crate::wall_clock::spoken;

/// For how long a tree keeps what was said, for those that it has not reached.
const KEPT_BY_TREES: Duration = Duration::from_secs(120);

impl Engine {
    /// Takes something from a peer.
    pub(super) fn take_peer_input(&mut self, tools: &mut Tools<'_>, input: PeerInput) {
        let (now, wall_ms) = (tools.now, tools.wall_ms);
        let log = Log {
            storage: tools.context.storage.as_ref(),
            topic: self.number,
        };
        match input {
            PeerInput::Bundle { from, bundle } => {
                self.compare_clocks(tools, from, &bundle);
                self.state.on_bundle(now, wall_ms, from, bundle, &log);
            }
            PeerInput::Message { from, message } => {
                self.state.on_message(now, wall_ms, from, message, &log);
            }
            PeerInput::Differs { peer, .. } => self.state.handle_peer_differs(now, peer),
        }
        self.pump(tools);
        // At once: this topic may be forgotten before it is written to.
        if let Err(error) = self.begin_generation(tools.context) {
            tracing::warn!(topic = %self.name, %error, "no new generation yet");
        }
    }

    /// Counts bundles that come straight from their author and are of quite another time than it is
    /// here. Which of the two clocks is wrong is not said by that. An author that has just got a
    /// session gives once more what it said in the last minutes.
    fn compare_clocks(&mut self, tools: &Tools<'_>, from: NodeId, bundle: &SignedBundle) {
        let stamped_ms = bundle.hlc().milliseconds();
        let apart = Duration::from_millis(stamped_ms.abs_diff(tools.wall_ms));
        let is_ahead = stamped_ms > tools.wall_ms;
        let kept = if is_ahead {
            Duration::ZERO
        } else {
            KEPT_BY_TREES
        };
        let bound = tools.context.config.replication.clock_ahead_max + kept;
        if from != bundle.body().author || apart <= bound {
            return;
        }
        tools.context.counters.add(Count::ClocksApart, 1);
        if !std::mem::replace(&mut self.is_clock_told, true) {
            tracing::warn!(
                topic = %self.name, peer = %from, apart = %spoken(apart), is_ahead,
                "a peer's clock and this node's are far apart"
            );
        }
    }

    /// Does what is due.
    pub(super) fn take_time(&mut self, tools: &mut Tools<'_>) {
        self.ask_for_damaged(tools);
        self.hand_on_progress();
        if self.is_stale {
            if self.retry_at.is_none_or(|at| at <= tools.now)
                && let Err(error) = self.refresh(tools.context)
            {
                tracing::debug!(topic = %self.name, %error, "it is still not known what is stored");
            }
            return;
        }
        if self.state.next_timeout().is_some_and(|at| at <= tools.now) {
            let log = Log {
                storage: tools.context.storage.as_ref(),
                topic: self.number,
            };
            self.state.handle_timeout(tools.now, tools.wall_ms, &log);
            self.pump(tools);
        }
    }

    /// Does what the replication asks for.
    pub(super) fn pump(&mut self, tools: &mut Tools<'_>) {
        let outlet = &tools.context.outlet;
        while let Some(event) = self.state.poll() {
            match event {
                OutEvent::Send { peer, message } => outlet.send(peer, message),
                OutEvent::Broadcast(bundle) => outlet.broadcast(&bundle),
                OutEvent::Forward { bundle, .. } => outlet.forward(&bundle),
                OutEvent::Serve {
                    peer,
                    request,
                    from,
                    bytes_max,
                    count_max,
                } => {
                    let chunk = replication::ChunkBuilder::new(from.clone(), bytes_max, count_max);
                    let served = self.serve(tools.context, &from, chunk);
                    self.state.handle_served(peer, request, served);
                }
                OutEvent::Reject {
                    peer,
                    reason,
                    malicious,
                } => {
                    tools.context.counters.add(Count::Rejected, 1);
                    tracing::debug!(topic = %self.name, %peer, %reason, "not accepted");
                    if malicious {
                        outlet.penalise(peer, &reason.to_string());
                    }
                }
                OutEvent::Equivocation { held, second, .. } => {
                    self.keep_proof(tools.context, held, &second);
                }
                OutEvent::HistoryAhead { peer, end } => {
                    let topic = &self.name;
                    tracing::warn!(
                        %topic, %peer, %end,
                        "this node's data is older than what it has told others, as in a restored \
                         backup; it goes on under a new replica id and gets its lost ops back"
                    );
                    self.is_behind_itself = true;
                }
            }
        }
        self.count_arrivals(&tools.context.counters);
    }

    /// Counts what came twice or too early, of which nothing else tells.
    fn count_arrivals(&mut self, counters: &Counters) {
        let stats = self.state.stats();
        let now = Arrivals {
            duplicates: stats.duplicates,
            gaps: stats.gaps,
            dropped: stats.dropped_full + stats.dropped_expired,
        };
        let before = std::mem::replace(&mut self.arrivals, now);
        // A state that was made anew begins to count anew.
        let added = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        for (count, now, before) in [
            (Count::BundlesDuplicate, now.duplicates, before.duplicates),
            (Count::BundleGaps, now.gaps, before.gaps),
            (Count::BundlesEarlyDropped, now.dropped, before.dropped),
        ] {
            counters.add(count, added(now, before));
        }
    }

    /// Reads from the log what a peer lacks.
    fn serve(
        &mut self,
        context: &Context,
        from: &VersionVector,
        mut chunk: replication::ChunkBuilder,
    ) -> replication::Served {
        let Some(topic) = self.number else {
            return chunk.finish();
        };
        let storage = context.storage.as_ref();
        let read = || -> Result<Option<Sequence>> {
            let mut start = None;
            for (replica, _) in self.state.version().since(from) {
                let lacks = Counter::new(from.get(replica).get().saturating_add(1));
                if let Some(boundary) = storage.boundary(topic, replica, lacks)? {
                    start = Some(start.unwrap_or(boundary.sequence).min(boundary.sequence));
                }
            }
            Ok(start)
        };
        let result = read().and_then(|start| match start {
            None => Ok(()),
            Some(start) => storage.bundles(topic, start, &mut |_, end, bytes| {
                !chunk.wants(end) || chunk.offer(end, bytes.to_vec())
            }),
        });
        if let Err(error) = result {
            tracing::warn!(topic = %self.name, %error, "cannot serve a peer");
            self.note_damage(context, &error);
        }
        chunk.finish()
    }

    /// Keeps the proof that a replica signed two histories.
    fn keep_proof(&self, context: &Context, held: Held, second: &SignedBundle) {
        context.counters.add(Count::Equivocations, 1);
        let (author, topic) = (second.body().author, &self.name);
        let what = match author == context.identity.id() {
            false => "a node signed two histories",
            true => {
                "this node signed two histories: its data folder is a copy of an earlier time, or \
                 runs twice; start it once with `--restored`"
            }
        };
        tracing::error!(%topic, %author, "{what}");
        let first = match held {
            Held::Waiting(bundle) => Ok(Some(bundle.as_bytes().to_vec())),
            Held::Stored(end) => self.stored_bundle(context, end),
        };
        if let Ok(Some(first)) = &first
            && let Ok(first) = SignedBundle::decode(first)
        {
            context.outlet.equivocation(&first, second);
        }
        let kept = first.and_then(|first| match first {
            None => Ok(()),
            Some(first) => context.writer.commit(Job::general(General::Proof(Proof {
                topic: self.name.clone(),
                replica: second.replica(),
                first,
                second: second.as_bytes().to_vec(),
            }))),
        });
        if let Err(error) = kept {
            tracing::error!(%topic, %error, "the proof cannot be kept");
        }
    }

    /// The bundle of the log that ends at `end`.
    fn stored_bundle(&self, context: &Context, end: Dot) -> Result<Option<Vec<u8>>> {
        let Some(topic) = self.number else {
            return Ok(None);
        };
        let found = context.storage.boundary(topic, end.replica, end.counter)?;
        match found {
            Some(boundary) => context.storage.bundle(topic, boundary.sequence),
            None => Ok(None),
        }
    }
}
